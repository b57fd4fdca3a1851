/**
 * Whether an open is compatible with the others of its stream, and which oplock or lease it gets (MS-FSA 2.1.4.12,
 * 2.1.5.1.2.1, MS-SMB2 3.3.5.9.8, 3.3.5.9.11).
 */
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A, LeaseFlags, OplockLevel, ShareAccess } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/Create.ts"
import type * as Context from "../../../Smb2/Message/CreateContext.ts"
import type { Incoming } from "../Connection/Incoming.ts"
import { breakTo, HANDLE, Holder, isOrphan, levelOf, READ, stateOf, WRITE } from "../State/Caching.ts"
import type { Link, StreamNode } from "../State/FileTable.ts"
import type { Open } from "../State/Open.ts"
import type * as OutsideChanges from "../State/OutsideChanges.ts"
import type { ServerState } from "../State/ServerState.ts"
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

const violates = (open: Open, access: number, shareAccess: number): boolean =>
  has(access, counts) && has(open.grantedAccess, counts) &&
  (excludes(access, open.shareAccess) || excludes(open.grantedAccess, shareAccess))

/** The wishes of an open that matter to the other opens. */
export interface Wanted {
  readonly access: number
  readonly shareAccess: number
  readonly overwrite: boolean
  readonly wantsDelete: boolean
}

/** Whether a file may be opened now. If not: the reason, or the holders to wait for. */
export type Outcome =
  | { readonly _tag: "Clear" }
  | { readonly _tag: "Refused"; readonly status: number }
  | { readonly _tag: "Wait"; readonly holders: ReadonlyArray<Holder> }
  /** Durable opens without a client are in the way. No client can acknowledge a break, so they must be closed first. */
  | { readonly _tag: "Orphaned"; readonly opens: ReadonlyArray<Open> }

const clear: Outcome = { _tag: "Clear" }
const refused = (status: number): Outcome => ({ _tag: "Refused", status })

/** The lease that a CREATE names, if its client has it already. */
export const findLease = (incoming: Incoming, contexts: CreateContexts.Asked): Holder | undefined =>
  contexts.lease === undefined
    ? undefined
    : incoming.server.leases.find(incoming.connection.negotiated.clientGuid, contexts.lease.key)

/**
 * The obstacles to an open of `stream`; `link` is its name, if that is open already. Begins the breaks that the open
 * must wait for.
 */
export const obstacles = (
  server: ServerState,
  stream: StreamNode,
  link: Link | undefined,
  same: Holder | undefined,
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
  const waitFor: Array<Holder> = []
  const orphans = Array.from(stream.holders).filter((holder) =>
    holder !== same && has(holder.state, taken) && isOrphan(holder) && !(stat && holder.kind === "lease")
  )
  if (orphans.length > 0) return { _tag: "Orphaned", opens: orphans.flatMap((holder) => Array.from(holder.opens)) }
  for (const holder of Array.from(stream.holders)) {
    if (holder === same || stat && !violation && holder.kind === "lease") continue
    if (holder.breaking !== undefined) {
      // A break under way is enough, or it must end before the next one begins.
      if (has(holder.state, taken)) {
        const chained = holder.required !== undefined && (holder.breaking & ~holder.required) !== 0
        if (wanted.overwrite && !violation) breakTo(server, holder, 0)
        if (violation || chained || has(holder.state, WRITE)) waitFor.push(holder)
      }
      continue
    }
    if (!has(holder.state, taken)) continue
    // A client with cached handles can close them on a break; a client with cached writes has data that this open would
    // read.
    let keep = holder.state & ~taken
    if (holder.kind === "oplock") keep = wanted.overwrite && !violation ? 0 : READ
    else if (wanted.overwrite && !violation) keep = 0
    if (holder.kind === "oplock" && violation && !has(holder.state, HANDLE)) continue
    // Handles that are only cached are no obstacle to an overwrite: their holder is told, but the open does not wait.
    const waits = violation || has(holder.state, WRITE)
    breakTo(server, holder, keep)
    if (holder.breaking !== undefined && waits) waitFor.push(holder)
  }
  if (waitFor.length > 0) return { _tag: "Wait", holders: waitFor }
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
  open: Open,
  heard: OutsideChanges.Heard | undefined
): Granted => {
  const { stream } = open
  const none: Granted = { oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_NONE, lease: undefined }
  const { lease } = contexts
  if (lease === undefined && body.requestedOplockLevel === OplockLevel.SMB2_OPLOCK_LEVEL_LEASE) return none
  // A directory can only be cached by a lease of version 2, and has no write caching.
  if (open.directory && lease?.version !== 2) return none
  const isLease = lease !== undefined
  const asked = isLease ? (open.directory ? lease.state & ~WRITE : lease.state) : 0
  let state = isLease ? sensible(asked) : stateOf(body.requestedOplockLevel)
  if (lease?.parentKey !== undefined) open.parentLeaseKey = Buffer.from(lease.parentKey).toString("hex")
  const same = findLease(incoming, contexts)
  const others = [...stream.opens].filter((other) => other !== open && (same === undefined || other.holder !== same))
  if (others.some((other) => other.holder !== undefined || !isStat(other.grantedAccess))) state &= ~WRITE
  if (!isLease && others.length > 0) state &= READ
  // An open for attributes did not break the other clients' right to cache writes.
  if (others.some((other) => other.holder !== undefined && has(other.holder.state, WRITE))) state = 0
  if (isLease) {
    if (others.some((other) => other.holder?.kind === "oplock" && other.holder.state !== 0)) state &= ~HANDLE
  } else if (others.some((other) => other.holder?.kind === "lease" && has(other.holder.state, HANDLE))) {
    state = 0
  }
  if (stream.locks !== undefined && stream.locks.size > 0) state = 0
  state = heard?.hears === true ? sensible(state) : 0
  if (!isLease) {
    if (state === 0) return none
    const holder = new Holder("oplock", stream, state)
    join(holder, open)
    return { oplockLevel: levelOf(state), lease: undefined }
  }
  let holder = same
  if (holder === undefined) {
    holder = new Holder("lease", stream, state, {
      clientGuid: incoming.connection.negotiated.clientGuid,
      key: lease.key,
      version: lease.version,
      parentKey: lease.parentKey,
      epoch: lease.version === 2 ? (lease.epoch + 1) & 0xffff : 0
    })
    incoming.server.leases.add(holder)
  } else if (
    holder.breaking === undefined && state === asked && (state & holder.state) === holder.state &&
    state !== holder.state
  ) {
    // A lease can only grow, and only to the full requested state.
    holder.state = state
    if (holder.version === 2) holder.epoch = (holder.epoch + 1) & 0xffff
  }
  join(holder, open)
  return current(open)
}

/** The present caching of an open, for a response. */
export const current = (open: Open): Granted => {
  const { holder } = open
  if (holder === undefined) return { oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_NONE, lease: undefined }
  if (holder.kind === "oplock") return { oplockLevel: levelOf(holder.state), lease: undefined }
  const leaseFlags = holder.breaking === undefined ? 0 : LeaseFlags.SMB2_LEASE_FLAG_BREAK_IN_PROGRESS
  return {
    oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_LEASE,
    lease: holder.version === 2
      ? {
        _tag: "ResponseLeaseV2",
        leaseKey: holder.key,
        leaseState: holder.state,
        leaseFlags: leaseFlags |
          (holder.parentKey === undefined ? 0 : LeaseFlags.SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET),
        parentLeaseKey: holder.parentKey ?? new Uint8Array(16),
        epoch: holder.epoch
      }
      : { _tag: "ResponseLease", leaseKey: holder.key, leaseState: holder.state, leaseFlags }
  }
}

const join = (holder: Holder, open: Open): void => {
  holder.opens.add(open)
  holder.stream.holders.add(holder)
  open.holder = holder
  const { holders } = open.usage
  holders.set(holder, (holders.get(holder) ?? 0) + 1)
}
