/**
 * CREATE and CLOSE: the open's request and its response (MS-SMB2 2.2.13, 2.2.14).
 */
import * as Result from "effect/Result"
import type * as Entropy from "../Auth/Entropy.ts"
import * as Codec from "../Codec/Codec.ts"
import type { Malformed } from "../Codec/Malformed.ts"
import type * as Share from "../Protocol/Share.ts"
import type { Reply } from "./Connection.ts"
import * as Header from "./Header.ts"
import * as Close from "./Message/Close.ts"
import type { FileId } from "./Message/Common.ts"
import { Dialect, DurableHandleFlags, ImpersonationLevel, OplockLevel } from "./Message/Constants.ts"
import * as Create from "./Message/Create.ts"
import type * as CreateContext from "./Message/CreateContext.ts"

/**
 * An open as the server keeps it.
 *
 * @since 0.1.0
 */
export interface Open {
  readonly fileId: FileId
  readonly opened: Share.Opened
}

/** The lease of an open that is reclaimed, in the version that the server granted. */
const reclaimedLease = ({ epoch, leaseKey, leaseState }: Share.Lease, dialect: number): CreateContext.Request => {
  const common = { leaseKey, leaseState, leaseFlags: 0 }
  return dialect >= Dialect.SMB_3_0
    ? { _tag: "RequestLeaseV2", ...common, parentLeaseKey: new Uint8Array(16), epoch }
    : { _tag: "RequestLease", ...common }
}

/** The contexts that reclaim an open, and no others: a server refuses any other with them (3.2.4.4). */
const reclaiming = (
  { durable: { createGuid, persistent }, fileId, lease }: Share.Reclaim,
  dialect: number
): ReadonlyArray<CreateContext.Request> => [
  createGuid === undefined
    ? { _tag: "DurableHandleReconnect", fileId }
    : {
      _tag: "DurableHandleReconnectV2",
      fileId,
      createGuid,
      flags: persistent ? DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT : 0
    },
  ...(lease === undefined ? [] : [reclaimedLease(lease, dialect)])
]

const leaseContext = (
  lease: Share.LeaseRequest,
  dialect: number,
  identity: Share.CreateIdentity | undefined,
  entropy: Entropy.Source
): CreateContext.Request => {
  const leaseKey = lease.leaseKey ?? identity?.leaseKey ?? entropy.bytes(16, "LeaseKey")
  if (identity !== undefined) identity.leaseKey = leaseKey
  const common = { leaseKey, leaseState: lease.leaseState, leaseFlags: 0 }
  return dialect >= Dialect.SMB_3_0
    ? { _tag: "RequestLeaseV2", ...common, parentLeaseKey: new Uint8Array(16), epoch: 0 }
    : { _tag: "RequestLease", ...common }
}

const contexts = (
  options: Share.OpenOptions,
  dialect: number,
  createGuid: Uint8Array,
  entropy: Entropy.Source
): ReadonlyArray<CreateContext.Request> => {
  const list: Array<CreateContext.Request> = []
  if (options.securityDescriptor !== undefined) list.push({ _tag: "SdBuffer", sdBuffer: options.securityDescriptor })
  if (options.extendedAttributes !== undefined) list.push({ _tag: "EaBuffer", eaBuffer: options.extendedAttributes })
  if (options.allocationSize !== undefined) {
    list.push({ _tag: "AllocationSize", allocationSize: options.allocationSize })
  }
  if (options.queryMaximalAccess === true) list.push({ _tag: "QueryMaximalAccessRequest", timestamp: undefined })
  if (options.timewarp !== undefined) list.push({ _tag: "TimewarpToken", timestamp: options.timewarp })
  if (options.queryOnDiskId === true) list.push({ _tag: "QueryOnDiskId" })
  // Leases came with 2.1, durable handles of the second version with 3.0.
  if (options.lease !== undefined && dialect >= Dialect.SMB_2_1) {
    list.push(leaseContext(options.lease, dialect, options.identity, entropy))
  }
  // Application instances came with 3.0, and their versions with 3.1.1.
  if (options.appInstance !== undefined && dialect >= Dialect.SMB_3_0) {
    const { id, version } = options.appInstance
    list.push({ _tag: "AppInstanceId", appInstanceId: id })
    if (version !== undefined && dialect >= Dialect.SMB_3_1_1) {
      list.push({
        _tag: "AppInstanceVersion",
        appInstanceVersionHigh: version.high,
        appInstanceVersionLow: version.low
      })
    }
  }
  if (options.durable !== undefined) {
    list.push(
      dialect >= Dialect.SMB_3_0
        ? {
          _tag: "DurableHandleRequestV2",
          timeout: options.durable.timeout,
          flags: options.durable.persistent === true ? DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT : 0,
          createGuid
        }
        : { _tag: "DurableHandleRequest" }
    )
  }
  return list
}

/**
 * The body of a CREATE request, and the GUID of a durable open. `name` is the name on the wire. `replay`: the same CREATE
 * was sent before, and its header says so (3.2.7.1, 3.3.5.9.10).
 *
 * @since 0.1.0
 */
export const encode = (
  name: string,
  options: Share.OpenOptions,
  dialect: number,
  entropy: Entropy.Source
): { readonly body: Uint8Array; readonly createGuid: Uint8Array; readonly replay: boolean } => {
  const { reclaim } = options
  const asksDurable = options.durable !== undefined && reclaim === undefined
  const identity = asksDurable && dialect >= Dialect.SMB_3_0 ? options.identity : undefined
  const replay = identity?.createGuid !== undefined
  const createGuid = reclaim?.durable.createGuid ?? identity?.createGuid ??
    (asksDurable ? entropy.bytes(16, "CreateGuid") : new Uint8Array(16))
  if (identity !== undefined) identity.createGuid = createGuid
  const leases = reclaim === undefined
    ? options.lease !== undefined && dialect >= Dialect.SMB_2_1
    : reclaim.lease !== undefined
  const body = Codec.encode(Create.Request)({
    requestedOplockLevel: leases ? OplockLevel.SMB2_OPLOCK_LEVEL_LEASE : (reclaim ?? options).oplockLevel ?? 0,
    impersonationLevel: options.impersonationLevel ?? ImpersonationLevel.Impersonation,
    desiredAccess: options.desiredAccess,
    fileAttributes: options.fileAttributes ?? 0,
    shareAccess: options.shareAccess,
    createDisposition: options.createDisposition,
    createOptions: options.createOptions,
    name,
    createContexts: reclaim === undefined
      ? contexts(options, dialect, createGuid, entropy)
      : reclaiming(reclaim, dialect)
  })
  return { body, createGuid, replay }
}

const decodeResponse = Codec.decode("SMB2 CREATE Response", Codec.at(Header.size, Create.Response))

type Granted = Pick<Share.Opened, "lease" | "durable" | "maximalAccess" | "onDiskId">

const granted = (list: ReadonlyArray<CreateContext.Response>, createGuid: Uint8Array): Granted => {
  const opened: { -readonly [K in keyof Granted]: Granted[K] } = {}
  for (const context of list) {
    switch (context._tag) {
      case "QueryMaximalAccessResponse":
        if (context.queryStatus === 0) opened.maximalAccess = context.maximalAccess
        break
      case "QueryOnDiskIdResponse": {
        opened.onDiskId = new Uint8Array(32)
        const view = Header.view(opened.onDiskId)
        view.setBigUint64(0, context.diskFileId, true)
        view.setBigUint64(8, context.volumeId, true)
        break
      }
      case "ResponseLease":
      case "ResponseLeaseV2":
        opened.lease = {
          leaseKey: Uint8Array.from(context.leaseKey),
          leaseState: context.leaseState,
          epoch: context._tag === "ResponseLeaseV2" ? context.epoch : 0
        }
        break
      case "DurableHandleResponse":
        opened.durable = { createGuid: undefined, timeout: 0, persistent: false }
        break
      case "DurableHandleResponseV2":
        opened.durable = {
          createGuid,
          timeout: context.timeout,
          persistent: (context.flags & DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT) !== 0
        }
        break
    }
  }
  return opened
}

/**
 * The open that a successful CREATE response describes.
 *
 * @since 0.1.0
 */
export const decode = (reply: Reply, createGuid: Uint8Array): Result.Result<Open, Malformed> =>
  Result.map(decodeResponse(reply.packet), (response) => ({
    fileId: response.fileId,
    opened: {
      creationTime: response.creationTime,
      lastAccessTime: response.lastAccessTime,
      lastWriteTime: response.lastWriteTime,
      changeTime: response.changeTime,
      allocationSize: response.allocationSize,
      endOfFile: response.endOfFile,
      fileAttributes: response.fileAttributes,
      createAction: response.createAction,
      oplockLevel: response.oplockLevel,
      ...granted(response.createContexts, createGuid)
    }
  }))

/**
 * How the response to a CREATE that reclaims an open differs from that open; `undefined` if it is the same open. The
 * server must give the persistent half of the FileId back, and the lease (3.3.5.9.7, 3.3.5.9.12).
 *
 * @since 0.2.0
 */
export const differs = ({ fileId, opened }: Open, reclaim: Share.Reclaim): string | undefined => {
  if (fileId.persistent !== reclaim.fileId.persistent) return "another FileId"
  if (reclaim.lease === undefined) return undefined
  if (opened.lease === undefined) return "no lease"
  return Buffer.compare(opened.lease.leaseKey, reclaim.lease.leaseKey) === 0 ? undefined : "another lease key"
}

/**
 * The body of a CLOSE request.
 *
 * @since 0.1.0
 */
export const encodeClose = (fileId: FileId): Uint8Array => Codec.encode(Close.Request)({ flags: 0, fileId })
