/**
 * Requests as text for a log: the command, and the path that it is about. The same for the servers in memory and for
 * recordings of real ones, so that the two can be compared.
 */
import { decodeReferralRequest, decodeReferralRequestEx } from "../../Dfs/ReferralRequest.ts"
import type * as Header from "../../Smb2/Header.ts"
import { HeaderFlags } from "../../Smb2/Message/Constants.ts"
import { Fsctl } from "../../Smb2/Message/Fsctl.ts"
import type * as Message from "../../Smb2/Message/Message.ts"

/** A request as text. */
export interface Described {
  /** The command; of a referral request `REFERRAL` or `REFERRAL_EX`. */
  readonly command: string
  /** The path in the request, if it has one, as on the wire; in a CREATE without DFS, after the share's path. */
  readonly path?: string
}

const referral = (command: string, decoded: ReturnType<typeof decodeReferralRequest>): Described =>
  decoded._tag === "Success" ? { command, path: decoded.success.requestFileName } : { command }

/** Describes a request; `tree` is the path of the share that it is sent on. */
export const describe = (header: Header.Header, request: Message.Request, tree: string | undefined): Described => {
  const command = request._tag
  switch (command) {
    case "TREE_CONNECT":
      return { command, path: request.body.path }
    case "CREATE": {
      const { name } = request.body
      if ((header.flags & HeaderFlags.SMB2_FLAGS_DFS_OPERATIONS) !== 0) return { command, path: `\\${name}` }
      return { command, path: name === "" ? tree ?? "" : `${tree ?? ""}\\${name}` }
    }
    case "IOCTL":
      switch (request.body.ctlCode) {
        case Fsctl.FSCTL_DFS_GET_REFERRALS:
          return referral("REFERRAL", decodeReferralRequest(request.body.input))
        case Fsctl.FSCTL_DFS_GET_REFERRALS_EX:
          return referral("REFERRAL_EX", decodeReferralRequestEx(request.body.input))
        default:
          return { command }
      }
    default:
      return { command }
  }
}
