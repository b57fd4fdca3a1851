/**
 * Whether an open is compatible with the others of its stream, and which oplock or lease it gets (MS-FSA 2.1.4.12,
 * 2.1.5.1.2.1, MS-SMB2 3.3.5.9.8, 3.3.5.9.11).
 */
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A, LeaseFlags, OplockLevel, ShareAccess } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/Create.ts"
import type * as Context from "../../../Smb2/Message/CreateContext.ts"
import { breakTo, HANDLE, isOrphan, levelOf, READ, stateOf, WRITE } from "../State/Caching.ts"
import type { Incoming } from "../State/Incoming.ts"
import { type FileOpen, Lease, type Link, type Server, type StreamNode } from "../State/Model.ts"
import type * as OutsideChanges from "../State/OutsideChanges.ts"
import type * as CreateContexts from "./CreateContexts.ts"

const has = (flags: number, flag: number): boolean => (flags & flag) !== 0

const reads = A.FILE_READ_DATA | A.FILE_EXECUTE
const writes = A.FILE_WRITE_DATA | A.FILE_APPEND_DATA
const counts = reads | writes | A.DELETE

/** An open only for attributes breaks no cache of another client (MS-FSA 2.1.4.12). */
const isStat = (access: number): boolean =>
  (access & ~(A.FILE_READ_ATTRIBUTES | A.FILE_WRITE_ATTRIBUTES | A.SYNCHRONIZE | A.READ_CONTROL)) === 0

/** An open that also reads the security descriptor breaks no lease, but it breaks an oplock. */
const disturbsOplocks = (access: number): boolean => has(access, A.READ_CONTROL)

const excludes = (access: number, shareAccess: number): boolean =>
  has(access, reads) && !has(shareAccess, ShareAccess.FILE_SHARE_READ) ||
  has(access, writes) && !has(shareAccess, ShareAccess.FILE_SHARE_WRITE) ||
  has(access, A.DELETE) && !has(shareAccess, ShareAccess.FILE_SHARE_DELETE)

const violates = (open: FileOpen, access: number, shareAccess: number): boolean =>
  has(access, counts) && has(open.grantedAccess, counts) &&
  (excludes(access, open.shareAccess) || excludes(open.grantedAccess, shareAccess))

/** The wishes of an open that matter to the other opens. */
export interface Wanted {
  readonly access: number
  readonly shareAccess: number
  readonly overwrite: boolean
  readonly wantsDelete: boolean
}

/** Whether a file may be opened now. If not: the reason, or the leases to wait for. */
export type Outcome =
  | { readonly _tag: "Clear" }
  | { readonly _tag: "Refused"; readonly status: number }
  | { readonly _tag: "Wait"; readonly leases: ReadonlyArray<Lease> }
  /** Durable opens without a client are in the way. No client can acknowledge a break, so they must be closed first. */
  | { readonly _tag: "Orphaned"; readonly opens: ReadonlyArray<FileOpen> }

const clear: Outcome = { _tag: "Clear" }
const refused = (status: number): Outcome => ({ _tag: "Refused", status })

/** The lease that a CREATE names, if its client has it already. */
export const findLease = (incoming: Incoming, contexts: CreateContexts.Asked): Lease | undefined =>
  contexts.lease === undefined
    ? undefined
    : incoming.server.leases.find(incoming.connection.negotiated.clientGuid, contexts.lease.key)

/**
 * The obstacles to an open of `stream`; `link` is its name, if that is open already. Begins the breaks that the open
 * must wait for.
 */
export const obstacles = (
  server: Server,
  stream: StreamNode,
  link: Link | undefined,
  same: Lease | undefined,
  wanted: Wanted
): Outcome => {
  const { file } = stream
  if (stream.deletePending || link?.deletePending === true) return refused(NtStatus.STATUS_DELETE_PENDING)
  const others = [...stream.opens]
  const violation = others.some((open) => violates(open, wanted.access, wanted.shareAccess))
  // To delete the file, a client needs the consent of all clients that have its streams open.
  if (
    stream.name === "" && has(wanted.access, A.DELETE) &&
    [...file.opens()].some((open) =>
      open.stream !== stream && has(open.grantedAccess, counts) && !has(open.shareAccess, ShareAccess.FILE_SHARE_DELETE)
    )
  ) return refused(NtStatus.STATUS_SHARING_VIOLATION)
  const stat = isStat(wanted.access) && !wanted.overwrite
  if (stat && !violation && !disturbsOplocks(wanted.access)) return clear
  const taken = violation ? HANDLE : wanted.overwrite ? WRITE | HANDLE : WRITE
  const waitFor: Array<Lease> = []
  const orphans = Array.from(stream.leases).filter((lease) =>
    lease !== same && has(lease.state, taken) && isOrphan(lease) && !(stat && lease.kind === "lease")
  )
  if (orphans.length > 0) return { _tag: "Orphaned", opens: orphans.flatMap((lease) => Array.from(lease.opens)) }
  for (const lease of Array.from(stream.leases)) {
    if (lease === same || stat && !violation && lease.kind === "lease") continue
    if (lease.breaking !== undefined) {
      // A break under way is enough, or it must end before the next one begins.
      if (has(lease.state, taken)) {
        const chained = lease.required !== undefined && (lease.breaking & ~lease.required) !== 0
        if (wanted.overwrite && !violation) breakTo(server, lease, 0)
        if (violation || chained || has(lease.state, WRITE)) waitFor.push(lease)
      }
      continue
    }
    if (!has(lease.state, taken)) continue
    // A client with cached handles can close them on a break; a client with cached writes has data that this open would
    // read.
    let keep = lease.state & ~taken
    if (lease.kind === "oplock") keep = wanted.overwrite && !violation ? 0 : READ
    else if (wanted.overwrite && !violation) keep = 0
    if (lease.kind === "oplock" && violation && !has(lease.state, HANDLE)) continue
    // Handles that are only cached are no obstacle to an overwrite: their lease is told, but the open does not wait.
    const waits = violation || has(lease.state, WRITE)
    breakTo(server, lease, keep)
    if (lease.breaking !== undefined && waits) waitFor.push(lease)
  }
  if (waitFor.length > 0) return { _tag: "Wait", leases: waitFor }
  return violation ? refused(NtStatus.STATUS_SHARING_VIOLATION) : clear
}

/** The caching part of a CREATE response. */
export interface Granted {
  readonly oplockLevel: number
  readonly lease: Context.Response | undefined
}

const sensible = (state: number): number => {
  if (!has(state, READ)) return 0
  return state & (READ | WRITE | HANDLE)
}

/** Whether a CREATE asks for an oplock or a lease. */
export const asksToCache = (body: Message.Request, { lease }: CreateContexts.Asked): boolean =>
  lease !== undefined || stateOf(body.requestedOplockLevel) !== 0

/** Grants as much of the requested caching as the other opens allow, and as the server can break later. */
export const grant = (
  incoming: Incoming,
  body: Message.Request,
  contexts: CreateContexts.Asked,
  open: FileOpen,
  heard: OutsideChanges.Heard | undefined
): Granted => {
  const { stream } = open
  const none: Granted = { oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_NONE, lease: undefined }
  const { lease: requested } = contexts
  if (requested === undefined && body.requestedOplockLevel === OplockLevel.SMB2_OPLOCK_LEVEL_LEASE) return none
  // A directory can only be cached by a lease of version 2, and has no write caching.
  if (open.directory && requested?.version !== 2) return none
  const isLease = requested !== undefined
  const asked = isLease ? (open.directory ? requested.state & ~WRITE : requested.state) : 0
  let state = isLease ? sensible(asked) : stateOf(body.requestedOplockLevel)
  if (requested?.parentKey !== undefined) open.parentLeaseKey = Buffer.from(requested.parentKey).toString("hex")
  const same = findLease(incoming, contexts)
  const others = [...stream.opens].filter((other) => other !== open && (same === undefined || other.lease !== same))
  if (others.some((other) => other.lease !== undefined || !isStat(other.grantedAccess))) state &= ~WRITE
  if (!isLease && others.length > 0) state &= READ
  // An open for attributes did not break the other clients' right to cache writes.
  if (others.some((other) => other.lease !== undefined && has(other.lease.state, WRITE))) state = 0
  if (isLease) {
    if (others.some((other) => other.lease?.kind === "oplock" && other.lease.state !== 0)) state &= ~HANDLE
  } else if (others.some((other) => other.lease?.kind === "lease" && has(other.lease.state, HANDLE))) {
    state = 0
  }
  if (stream.locks !== undefined && stream.locks.size > 0) state = 0
  state = heard?.hears === true ? sensible(state) : 0
  if (!isLease) {
    if (state === 0) return none
    const lease = new Lease(stream, state)
    join(lease, open)
    return { oplockLevel: levelOf(state), lease: undefined }
  }
  let lease = same
  if (lease === undefined) {
    lease = new Lease(stream, state, {
      clientGuid: incoming.connection.negotiated.clientGuid,
      key: requested.key,
      version: requested.version,
      parentKey: requested.parentKey,
      epoch: requested.version === 2 ? (requested.epoch + 1) & 0xffff : 0
    })
    incoming.server.leases.add(lease)
  } else if (
    lease.breaking === undefined && state === asked && (state & lease.state) === lease.state &&
    state !== lease.state
  ) {
    // A lease can only grow, and only to the full requested state.
    lease.state = state
    if (lease.version === 2) lease.epoch = (lease.epoch + 1) & 0xffff
  }
  join(lease, open)
  return current(open)
}

/** The present caching of an open, for a response. */
export const current = (open: FileOpen): Granted => {
  const { lease } = open
  if (lease === undefined) return { oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_NONE, lease: undefined }
  if (lease.kind === "oplock") return { oplockLevel: levelOf(lease.state), lease: undefined }
  const leaseFlags = lease.breaking === undefined ? 0 : LeaseFlags.SMB2_LEASE_FLAG_BREAK_IN_PROGRESS
  return {
    oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_LEASE,
    lease: lease.version === 2
      ? {
        _tag: "ResponseLeaseV2",
        leaseKey: lease.key,
        leaseState: lease.state,
        leaseFlags: leaseFlags |
          (lease.parentKey === undefined ? 0 : LeaseFlags.SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET),
        parentLeaseKey: lease.parentKey ?? new Uint8Array(16),
        epoch: lease.epoch
      }
      : { _tag: "ResponseLease", leaseKey: lease.key, leaseState: lease.state, leaseFlags }
  }
}

const join = (lease: Lease, open: FileOpen): void => {
  lease.opens.add(open)
  lease.stream.leases.add(lease)
  open.lease = lease
  const { leases } = open.usage
  leases.set(lease, (leases.get(lease) ?? 0) + 1)
}
