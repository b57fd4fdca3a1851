/**
 * Whether an open is compatible with the others of its stream: share modes, pending deletions, and the caches of other
 * clients that must be broken before (MS-FSA 2.1.4.12, 2.1.5.1.2.1).
 */
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A, ShareAccess } from "../../../Smb2/Message/Constants.ts"
import type { FileOpen, Lease, Link, Server, StreamNode } from "../State/Model.ts"
import { breakTo, HANDLE, isOrphan, READ, WRITE } from "../State/OplocksAndLeases.ts"

const reads = A.FILE_READ_DATA | A.FILE_EXECUTE
const writes = A.FILE_WRITE_DATA | A.FILE_APPEND_DATA
const counts = reads | writes | A.DELETE

/** Whether an open is only for attributes: next to it, another client can cache writes (MS-FSA 2.1.5.18). */
export const isOnlyAttributes = (access: number): boolean =>
  (access & ~(A.FILE_READ_ATTRIBUTES | A.FILE_WRITE_ATTRIBUTES | A.SYNCHRONIZE)) === 0

/** Whether an open breaks no lease of another client: one for attributes and the security descriptor. */
const isStat = (access: number): boolean => isOnlyAttributes(access & ~A.READ_CONTROL)

/** An open that also reads the security descriptor breaks no lease, but it breaks an oplock. */
const disturbsOplocks = (access: number): boolean => has(access, A.READ_CONTROL)

const excludes = (access: number, shareAccess: number): boolean =>
  has(access, reads) && !has(shareAccess, ShareAccess.FILE_SHARE_READ) ||
  has(access, writes) && !has(shareAccess, ShareAccess.FILE_SHARE_WRITE) ||
  has(access, A.DELETE) && !has(shareAccess, ShareAccess.FILE_SHARE_DELETE)

const violates = (open: FileOpen, access: number, shareAccess: number): boolean =>
  has(access, counts) && has(open.grantedAccess, counts) &&
  (excludes(access, open.shareAccess) || excludes(open.grantedAccess, shareAccess))

/**
 * Whether a persistent open without a client makes a stream unavailable to clients of dialect 3.x (MS-SMB2 3.3.5.9): it
 * has no cached handle, so no break could ask its client to close it.
 */
export const isUnavailable = ({ opens }: StreamNode): boolean => {
  for (const { durable, lease, session } of opens) {
    if (session === undefined && durable?.persistent === true && !has(lease?.state ?? 0, HANDLE)) return true
  }
  return false
}

/** The parts of a CREATE that matter to the other opens. */
export interface Wanted {
  readonly access: number
  readonly shareAccess: number
  readonly overwrite: boolean
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
  // To delete the file, a client needs the consent of all clients that have its streams open, and a client that opens a
  // stream must consent to the deletion that another client may do (MS-FSA 2.1.5.1.2).
  const forbids = (access: number, shareAccess: number) =>
    has(access, counts) && !has(shareAccess, ShareAccess.FILE_SHARE_DELETE)
  if (
    [...file.opens()].some((open) =>
      open.stream !== stream && (
        stream.name === "" && has(wanted.access, A.DELETE) && forbids(open.grantedAccess, open.shareAccess) ||
        open.stream.name === "" && has(open.grantedAccess, A.DELETE) && forbids(wanted.access, wanted.shareAccess)
      )
    )
  ) return refused(NtStatus.STATUS_SHARING_VIOLATION)
  const stat = isStat(wanted.access) && !wanted.overwrite
  if (stat && !violation && !disturbsOplocks(wanted.access)) return clear
  const excluded = violation ? HANDLE : wanted.overwrite ? WRITE | HANDLE : WRITE
  const waitFor: Array<Lease> = []
  const orphans = Array.from(stream.leases).filter((lease) =>
    lease !== same && has(lease.state, excluded) && isOrphan(lease) && !(stat && lease.kind === "lease")
  )
  if (orphans.length > 0) return { _tag: "Orphaned", opens: orphans.flatMap((lease) => Array.from(lease.opens)) }
  for (const lease of Array.from(stream.leases)) {
    if (lease === same || stat && !violation && lease.kind === "lease") continue
    if (lease.breaking !== undefined) {
      // A break under way is enough, or it must end before the next one begins.
      if (has(lease.state, excluded)) {
        const chained = lease.required !== undefined && (lease.breaking & ~lease.required) !== 0
        if (wanted.overwrite && !violation) breakTo(server, lease, 0)
        if (violation || chained || has(lease.state, WRITE)) waitFor.push(lease)
      }
      continue
    }
    if (!has(lease.state, excluded)) continue
    // A client with cached handles can close them on a break; a client with cached writes has data that this open would
    // read.
    let keep = lease.state & ~excluded
    if (lease.kind === "oplock") keep = wanted.overwrite && !violation ? 0 : READ
    else if (wanted.overwrite && !violation) keep = 0
    if (lease.kind === "oplock" && violation && !has(lease.state, HANDLE)) continue
    // Handles that are only cached are no obstacle to an overwrite: the lease is broken, but the open does not wait.
    const waits = violation || has(lease.state, WRITE)
    breakTo(server, lease, keep)
    if (lease.breaking !== undefined && waits) waitFor.push(lease)
  }
  if (waitFor.length > 0) return { _tag: "Wait", leases: waitFor }
  return violation ? refused(NtStatus.STATUS_SHARING_VIOLATION) : clear
}
