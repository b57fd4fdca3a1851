/**
 * The namespaces that a server hosts, as its handlers use them: referrals, and the effect of links on the names of a
 * CREATE or a rename (MS-SMB2 3.3.5.9, 3.3.5.15.2, 3.3.5.21).
 *
 * `Dfs/Namespace.ts` makes the referrals. `current` is read again for each request, so that a namespace can change at any
 * time while sessions stay.
 */
import * as Result from "effect/Result"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as Namespace from "../../../Dfs/Namespace.ts"
import { decodeReferralRequest, decodeReferralRequestEx } from "../../../Dfs/ReferralRequest.ts"
import { HeaderFlags } from "../../../Smb2/Message/Constants.ts"
import type { StorePath } from "../../ShareStore.ts"
import type { Incoming } from "../Connection/Incoming.ts"

/** A server's namespaces. */
export interface DfsHost {
  readonly current: () => Namespace.Namespace
}

/** The output of FSCTL_DFS_GET_REFERRALS or its EX, or the status instead. */
export const refer = (
  { current }: DfsHost,
  input: Uint8Array,
  ex: boolean,
  maximumOutput: number
): Namespace.Answer => {
  const request = ex ? decodeReferralRequestEx(input) : decodeReferralRequest(input)
  return Result.isFailure(request)
    ? { _tag: "Status", status: NtStatus.STATUS_INVALID_PARAMETER }
    : Namespace.answer(current(), request.success, { maximumOutput })
}

/** Whether a share is a root of the server's namespaces. */
export const isRoot = (host: DfsHost | undefined, share: string): boolean =>
  host !== undefined && Namespace.isRoot(host.current(), share)

/** The name below the share, from the name that a client sent: with the DFS flag, `server\share` stands before it. */
export const nameOf = (incoming: Incoming, sent: string): string | number => {
  if ((incoming.header.flags & HeaderFlags.SMB2_FLAGS_DFS_OPERATIONS) === 0) return sent
  const { server } = incoming
  const share = incoming.tree!.share!.name
  // The flag has no meaning for a share without DFS. The parts before the name are removed in any case.
  if (!isRoot(server.dfs, share)) return sent.replace(/^\\+/, "").split("\\").slice(2).join("\\")
  return Namespace.normalise(sent, share) ?? NtStatus.STATUS_OBJECT_PATH_NOT_FOUND
}

/** Whether a path of the request's share leads across a link. If it does, the response is STATUS_PATH_NOT_COVERED. */
export const leadsAway = (incoming: Incoming, path: StorePath): boolean => {
  const { dfs } = incoming.server
  return dfs !== undefined && Namespace.covers(dfs.current(), incoming.tree!.share!.name, path) !== undefined
}
