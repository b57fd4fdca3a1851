/**
 * DFS in the test kit's peer: referrals from a table or of a namespace, and which names lie behind a link.
 */
import * as Duration from "effect/Duration"
import * as Codec from "../../Codec/Codec.ts"
import { NtStatus } from "../../Codec/NtStatus.ts"
import { fold } from "../../Codec/UpCase.ts"
import * as DfsPath from "../../Dfs/DfsPath.ts"
import * as Namespace from "../../Dfs/Namespace.ts"
import { decodeReferralRequest, decodeReferralRequestEx } from "../../Dfs/ReferralRequest.ts"
import {
  encodeReferralResponse,
  makeReferralResponse,
  ReferralEntryFlags,
  ReferralHeaderFlags,
  ServerType
} from "../../Dfs/ReferralResponse.ts"
import * as Fsctl from "../../Smb2/Message/Fsctl.ts"
import type { Referral, ServerOptions } from "../TestServer.ts"

const parts = (path: string): ReadonlyArray<string> => fold(path).split(/[\\/]/).filter((part) => part !== "")

/** A path of the table, which may have either separator, as a referral has it: after one backslash. */
const inReferral = (path: string): string => `\\${path.replaceAll("/", "\\").replace(/^\\+/, "")}`

const isPrefix = (short: ReadonlyArray<string>, long: ReadonlyArray<string>): boolean =>
  short.length <= long.length && short.every((part, i) => part === long[i])

type Table = NonNullable<ServerOptions["referrals"]>

/** The table's deepest path that is a prefix of the requested one. */
const lookup = (table: Table, path: string): readonly [string, Referral] | undefined => {
  const asked = parts(path)
  let best: readonly [string, Referral] | undefined
  for (const entry of Object.entries(table)) {
    if (isPrefix(parts(entry[0]), asked) && (best === undefined || parts(entry[0]).length > parts(best[0]).length)) {
      best = entry
    }
  }
  return best
}

const encode = (
  key: string,
  referral: Extract<Referral, { readonly targets: ReadonlyArray<string> }>,
  maximum: number
): Uint8Array => {
  const root = parts(key).length <= 2
  const dfsPath = inReferral(key)
  const version = Math.min(referral.version ?? 4, maximum)
  const response = makeReferralResponse({
    pathConsumed: dfsPath.length * 2,
    referralHeaderFlags: referral.flags ??
      (root
        ? ReferralHeaderFlags.ReferralServers | ReferralHeaderFlags.StorageServers
        : ReferralHeaderFlags.StorageServers),
    referralEntries: referral.targets.map((target, i) => {
      const common = {
        serverType: root ? ServerType.Root : ServerType.Link,
        timeToLive: Math.round(Duration.toSeconds(referral.timeToLive ?? "5 minutes")),
        dfsPath,
        dfsAlternatePath: dfsPath,
        networkAddress: inReferral(target)
      }
      return version <= 2
        ? { ...common, versionNumber: 2 as const, referralEntryFlags: 0, proximity: 0 }
        : {
          ...common,
          versionNumber: version as 3 | 4,
          referralEntryFlags: version === 4 && (i === 0 || referral.boundaries?.includes(i) === true)
            ? ReferralEntryFlags.TargetSetBoundary
            : 0
        }
    })
  })
  const bytes = encodeReferralResponse(response)
  if (bytes._tag === "Failure") throw bytes.failure
  return bytes.success
}

/** The DFS functions of a server of the test kit. */
export interface Referrals {
  /** Answers FSCTL_DFS_GET_REFERRALS and its EX form: bytes, or an NTSTATUS. */
  readonly answer: (ctlCode: number, input: Uint8Array, maximum: number) => Uint8Array | number
  /** Whether a share is part of a namespace of this server. */
  readonly isNamespace: (share: string) => boolean
  /** Whether a path of a share lies on this server, and not at or behind a link. */
  readonly isCovered: (share: string, path: string) => boolean
}

const decode = (ctlCode: number, input: Uint8Array) =>
  ctlCode === Fsctl.Fsctl.FSCTL_DFS_GET_REFERRALS ? decodeReferralRequest(input) : decodeReferralRequestEx(input)

/** From a table of paths. */
export const fromTable = (table: Table): Referrals => ({
  answer: (ctlCode, input, maximum) => {
    const request = decode(ctlCode, input)
    if (request._tag === "Failure") return NtStatus.STATUS_INVALID_PARAMETER
    const found = lookup(table, request.success.requestFileName)
    if (found === undefined) return NtStatus.STATUS_NOT_FOUND
    const [key, referral] = found
    if ("status" in referral) return NtStatus[referral.status]
    const bytes = "hex" in referral
      ? new Uint8Array(Buffer.from(referral.hex, "hex"))
      : encode(key, referral, request.success.maxReferralLevel)
    return bytes.length > maximum ? NtStatus.STATUS_BUFFER_OVERFLOW : bytes
  },
  isNamespace: (share) => Object.keys(table).some((key) => parts(key)[1] === fold(share)),
  isCovered: (share, path) => {
    const below = [fold(share), ...parts(path)]
    return !Object.keys(table).some((key) => {
      const link = parts(key).slice(1)
      return link.length > 1 && isPrefix(link, below)
    })
  }
})

/** As a server of this namespace; the namespace can be another one with each request. */
export const fromNamespace = (current: () => Namespace.Namespace): Referrals => ({
  answer: (ctlCode, input, maximumOutput) => {
    const request = decode(ctlCode, input)
    if (request._tag === "Failure") return NtStatus.STATUS_INVALID_PARAMETER
    const answer = Namespace.answer(current(), request.success, { maximumOutput })
    return answer._tag === "Status" ? answer.status : answer.bytes
  },
  isNamespace: (share) => Namespace.isRoot(current(), share),
  isCovered: (share, path) => Namespace.covers(current(), share, DfsPath.fromString(path)) === undefined
})

/** The response to a successful IOCTL. */
export const ioctl = (
  ctlCode: number,
  fileId: { readonly persistent: bigint; readonly volatile: bigint },
  output: Uint8Array
) => ({
  _tag: "IOCTL" as const,
  body: { ctlCode, fileId, flags: 0, input: new Uint8Array(0), output }
})

/** What the server received in the negotiation. */
export const heard = (input: Uint8Array): Fsctl.ValidateNegotiateInfoRequest | undefined => {
  const result = Codec.decode("VALIDATE_NEGOTIATE_INFO Request", Fsctl.ValidateNegotiateInfoRequest)(input)
  return result._tag === "Success" ? result.success : undefined
}
