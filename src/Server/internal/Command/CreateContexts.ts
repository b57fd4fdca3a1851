/**
 * Create contexts (MS-SMB2 3.3.5.9.1 to 3.3.5.9.15): a CREATE's request outside its fixed fields, and their responses.
 */
import * as Codec from "../../../Codec/Codec.ts"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as Sd from "../../../Codec/SecurityDescriptor.ts"
import { Dialect, DurableHandleFlags, OplockLevel } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/Create.ts"
import type * as Context from "../../../Smb2/Message/CreateContext.ts"
import type { StoreNode } from "../../ShareStore.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { AppInstance, Durable } from "../State/OpenFields.ts"
import * as ExtendedAttributes from "./ExtendedAttributes.ts"

type Of<T extends Context.Request["_tag"]> = Extract<Context.Request, { readonly _tag: T }>

/** A lease that a CREATE asks for. */
export interface AskedLease {
  readonly version: 1 | 2
  readonly key: Uint8Array
  readonly state: number
  readonly parentKey: Uint8Array | undefined
  readonly epoch: number
}

/** The request in the contexts of a CREATE. */
export interface Asked {
  readonly maximalAccess: boolean
  readonly onDiskId: boolean
  readonly descriptor: Sd.SecurityDescriptor | undefined
  readonly extendedAttributes: Uint8Array | undefined
  readonly allocationSize: bigint | undefined
  readonly lease: AskedLease | undefined
  readonly appInstance: AppInstance | undefined
  readonly durable: { readonly version: 1 } | {
    readonly version: 2
    readonly timeout: number
    readonly createGuid: string
    /** Whether the client asks for a persistent open. */
    readonly persistent: boolean
  } | undefined
  readonly reconnect: {
    readonly id: bigint
    readonly volatileId: bigint
    readonly version: 1 | 2
    readonly createGuid: string | undefined
    readonly persistent: boolean
  } | undefined
}

const nameOf = (context: Context.Request): string =>
  context._tag === "Unknown"
    ? `unknown ${Buffer.from(context.name).toString("latin1")}`
    : context._tag === "RequestLeaseV2"
    ? "RequestLease"
    : context._tag

const isPersistent = ({ flags }: { readonly flags: number }): boolean =>
  has(flags, DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT)

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Reads the contexts of a request, or gives the status for a wrong one. */
export const read = (incoming: Incoming, body: Message.Request): Asked | number => {
  const { dialect } = incoming.connection
  const seen = new Set<string>()
  for (const context of body.createContexts) {
    // Every name has at least four bytes (MS-SMB2 2.2.13.2).
    if (context._tag === "Unknown" && context.name.length < 4) return NtStatus.STATUS_INVALID_PARAMETER
    const name = nameOf(context)
    if (seen.has(name)) return NtStatus.STATUS_INVALID_PARAMETER
    seen.add(name)
  }
  const find = <T extends Exclude<Context.Request["_tag"], "Unknown">>(tag: T): Of<T> | undefined =>
    body.createContexts.find((context): context is Of<T> => context._tag === tag)

  const v1 = find("DurableHandleRequest")
  const again1 = find("DurableHandleReconnect")
  // Contexts of version 1 allow none of version 2 next to them, in any dialect (3.3.5.9.6, 3.3.5.9.7). Alone, those of
  // version 2 are ignored before 3.0.
  if ((v1 ?? again1) !== undefined && (seen.has("DurableHandleRequestV2") || seen.has("DurableHandleReconnectV2"))) {
    return NtStatus.STATUS_INVALID_PARAMETER
  }
  const v2 = dialect >= Dialect.SMB_3_0 ? find("DurableHandleRequestV2") : undefined
  const again2 = dialect >= Dialect.SMB_3_0 ? find("DurableHandleReconnectV2") : undefined
  if (again2 !== undefined && v2 !== undefined) return NtStatus.STATUS_INVALID_PARAMETER

  // No store keeps earlier versions of a file (3.3.5.9.4).
  if (find("TimewarpToken") !== undefined) return NtStatus.STATUS_OBJECT_NAME_NOT_FOUND

  const sd = find("SdBuffer")
  let descriptor: Sd.SecurityDescriptor | undefined
  if (sd !== undefined) {
    const decoded = Codec.decode("SECURITY_DESCRIPTOR", Sd.SecurityDescriptor)(sd.sdBuffer)
    if (decoded._tag === "Failure") return NtStatus.STATUS_INVALID_PARAMETER
    descriptor = decoded.success
  }
  // A client that reconnects to an open names its lease, at any requested level.
  const leasing = dialect >= Dialect.SMB_2_1 &&
    (body.requestedOplockLevel === OplockLevel.SMB2_OPLOCK_LEVEL_LEASE || again1 !== undefined || again2 !== undefined)
  const lease1 = leasing ? find("RequestLease") : undefined
  const lease2 = leasing && dialect >= Dialect.SMB_3_0 ? find("RequestLeaseV2") : undefined
  const lease: AskedLease | undefined = lease2 !== undefined
    ? {
      version: 2,
      key: Uint8Array.from(lease2.leaseKey),
      state: lease2.leaseState,
      parentKey: (lease2.leaseFlags & 4) === 0 ? undefined : Uint8Array.from(lease2.parentLeaseKey),
      epoch: lease2.epoch
    }
    : lease1 !== undefined
    ? { version: 1, key: Uint8Array.from(lease1.leaseKey), state: lease1.leaseState, parentKey: undefined, epoch: 0 }
    : undefined
  // The identifier is only valid in dialect 3.x, and its version only in 3.1.1 (2.2.13.2.13, 2.2.13.2.15).
  const instance = dialect >= Dialect.SMB_3_0 ? find("AppInstanceId") : undefined
  const version = dialect >= Dialect.SMB_3_1_1 ? find("AppInstanceVersion") : undefined
  const appInstance: AppInstance | undefined = instance && {
    id: hex(instance.appInstanceId),
    version: version && { high: version.appInstanceVersionHigh, low: version.appInstanceVersionLow },
    clientGuid: incoming.connection.negotiated.clientGuid
  }
  const ea = find("EaBuffer")
  const attributes = ea === undefined ? undefined : ExtendedAttributes.read(ea.eaBuffer)
  // Other clients receive these bytes unchanged, so only a valid list is accepted.
  if (ea !== undefined && attributes === undefined) return NtStatus.STATUS_EA_LIST_INCONSISTENT
  const extendedAttributes = attributes && ExtendedAttributes.encode(ExtendedAttributes.changed([], attributes))
  if (extendedAttributes !== undefined && extendedAttributes.length > ExtendedAttributes.most) {
    return NtStatus.STATUS_EA_TOO_LARGE
  }
  return {
    maximalAccess: find("QueryMaximalAccessRequest") !== undefined,
    onDiskId: find("QueryOnDiskId") !== undefined,
    descriptor,
    extendedAttributes: extendedAttributes?.length === 0 ? undefined : extendedAttributes,
    allocationSize: find("AllocationSize")?.allocationSize,
    lease,
    appInstance,
    durable: v2 !== undefined
      ? { version: 2, timeout: v2.timeout, createGuid: hex(v2.createGuid), persistent: isPersistent(v2) }
      : v1 !== undefined
      ? { version: 1 }
      : undefined,
    reconnect: again2 !== undefined
      ? {
        id: again2.fileId.persistent,
        volatileId: again2.fileId.volatile,
        version: 2,
        createGuid: hex(again2.createGuid),
        persistent: isPersistent(again2)
      }
      : again1 !== undefined
      ? {
        id: again1.fileId.persistent,
        volatileId: again1.fileId.volatile,
        version: 1,
        createGuid: undefined,
        persistent: false
      }
      : undefined
  }
}

/** The contexts of the response. */
export const answer = (
  asked: Asked,
  held: {
    readonly maximalAccess: number
    readonly node: StoreNode
    /** Of the file's volume. */
    readonly serialNumber: number
    readonly lease: Context.Response | undefined
    readonly durable: Durable | undefined
  }
): ReadonlyArray<Context.Response> => {
  const contexts: Array<Context.Response> = []
  if (asked.maximalAccess) {
    contexts.push({ _tag: "QueryMaximalAccessResponse", queryStatus: 0, maximalAccess: held.maximalAccess })
  }
  if (asked.onDiskId) {
    contexts.push({
      _tag: "QueryOnDiskIdResponse",
      diskFileId: held.node.id,
      volumeId: BigInt(held.serialNumber)
    })
  }
  if (held.lease !== undefined) contexts.push(held.lease)
  if (held.durable !== undefined && asked.reconnect === undefined) {
    contexts.push(
      held.durable.version === 2
        ? {
          _tag: "DurableHandleResponseV2",
          timeout: held.durable.timeout,
          flags: held.durable.persistent ? DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT : 0
        }
        : { _tag: "DurableHandleResponse" }
    )
  }
  return contexts
}
