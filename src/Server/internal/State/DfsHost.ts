/**
 * The namespaces that a server hosts, and their referrals (MS-SMB2 3.3.5.15.2).
 *
 * `Dfs/Namespace.ts` makes the referrals. `current` is read again for each request, so that a namespace can change at any
 * time while sessions stay.
 */
import * as Result from "effect/Result"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as Namespace from "../../../Dfs/Namespace.ts"
import { decodeReferralRequest, decodeReferralRequestEx } from "../../../Dfs/ReferralRequest.ts"

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
