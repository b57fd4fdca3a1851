/** Gives an open the oplock or lease that `OplockGrantTable` allows (MS-SMB2 3.3.5.9.8, 3.3.5.9.11). */
import { has } from "../../../Codec/Flags.ts"
import { LeaseFlags, OplockLevel } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/Create.ts"
import type * as Context from "../../../Smb2/Message/CreateContext.ts"
import type * as ChangesByOthers from "../State/ChangesByOthers.ts"
import type { Incoming } from "../State/Incoming.ts"
import { type FileOpen, Lease } from "../State/Model.ts"
import { HANDLE, levelOf, stateOf, WRITE } from "../State/OplocksAndLeases.ts"
import type * as CreateContexts from "./CreateContexts.ts"
import * as OplockGrantTable from "./OplockGrantTable.ts"
import { isOnlyAttributes } from "./ShareModes.ts"

/** The lease that a CREATE names, if its client has it already. */
export const findLease = (incoming: Incoming, contexts: CreateContexts.Asked): Lease | undefined =>
  contexts.lease === undefined
    ? undefined
    : incoming.server.leases.find(incoming.connection.negotiated.clientGuid, contexts.lease.key)

/** The caching part of a CREATE response. */
export interface Granted {
  readonly oplockLevel: number
  readonly lease: Context.Response | undefined
}

const none: Granted = { oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_NONE, lease: undefined }

/** Whether a CREATE asks for an oplock or a lease. */
export const asksToCache = (body: Message.Request, { lease }: CreateContexts.Asked): boolean =>
  lease !== undefined || stateOf(body.requestedOplockLevel) !== 0

/** What the other opens of a stream hold, as far as it matters to a new oplock or lease. */
const othersOf = (open: FileOpen, same: Lease | undefined): OplockGrantTable.Others => {
  const { stream } = open
  const others = [...stream.opens].filter((other) => other !== open && (same === undefined || other.lease !== same))
  return {
    present: others.length > 0,
    useData: others.some(({ grantedAccess, lease }) => lease !== undefined || !isOnlyAttributes(grantedAccess)),
    cacheWrites: others.some(({ lease }) => lease !== undefined && has(lease.state, WRITE)),
    haveOplock: others.some(({ lease }) => lease?.kind === "oplock" && lease.state !== 0),
    leaseHandles: others.some(({ lease }) => lease?.kind === "lease" && has(lease.state, HANDLE)),
    lockRanges: stream.locks !== undefined && stream.locks.size > 0
  }
}

/** Grants as much of the requested caching as `OplockGrantTable` allows. */
export const grant = (
  incoming: Incoming,
  body: Message.Request,
  contexts: CreateContexts.Asked,
  open: FileOpen,
  reports: ChangesByOthers.ChangeReports | undefined
): Granted => {
  const { stream } = open
  const { lease: named } = contexts
  if (named?.parentKey !== undefined) open.parentLeaseKey = Buffer.from(named.parentKey).toString("hex")
  const same = findLease(incoming, contexts)
  const requested: OplockGrantTable.Requested = {
    kind: named === undefined ? "oplock" : named.version === 1 ? "lease" : "lease of version 2",
    state: named === undefined ? stateOf(body.requestedOplockLevel) : named.state,
    directory: open.directory
  }
  const state = OplockGrantTable.grantable(requested, othersOf(open, same), reports?.complete === true)
  if (named === undefined || open.directory && named.version === 1) {
    if (state === 0) return none
    incoming.server.meter.oplocks++
    join(new Lease(stream, state), open)
    return { oplockLevel: levelOf(state), lease: undefined }
  }
  let lease = same
  if (lease === undefined) {
    lease = new Lease(stream, state, {
      clientGuid: incoming.connection.negotiated.clientGuid,
      key: named.key,
      version: named.version,
      parentKey: named.parentKey,
      // A request that gets nothing keeps the client's own epoch.
      epoch: named.version === 2 ? (named.epoch + (state === 0 ? 0 : 1)) & 0xffff : 0
    })
    incoming.server.leases.add(lease)
  } else if (lease.breaking === undefined && OplockGrantTable.grows(lease.state, requested, state)) {
    lease.state = state
    if (lease.version === 2) lease.epoch = (lease.epoch + 1) & 0xffff
    incoming.server.kept?.leaseChanged(lease)
  }
  join(lease, open)
  return current(open)
}

/** The present caching of an open, for a response. */
export const current = (open: FileOpen): Granted => {
  const { lease } = open
  if (lease === undefined) return none
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
