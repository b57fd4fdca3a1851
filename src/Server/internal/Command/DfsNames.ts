/** The effect of DFS on the names of a CREATE or a rename (MS-SMB2 3.3.5.9, 3.3.5.21). */
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as Namespace from "../../../Dfs/Namespace.ts"
import { HeaderFlags } from "../../../Smb2/Message/Constants.ts"
import type { StorePath } from "../../ShareStore.ts"
import * as DfsHost from "../State/DfsHost.ts"
import type { Incoming } from "../State/Incoming.ts"

/** The name below the share, from the name that a client sent: with the DFS flag, `server\share` stands before it. */
export const nameOf = (incoming: Incoming, sent: string): string | number => {
  if ((incoming.header.flags & HeaderFlags.SMB2_FLAGS_DFS_OPERATIONS) === 0) return sent
  const { server } = incoming
  const share = incoming.tree!.share!.name
  // The flag has no meaning for a share without DFS. The parts before the name are removed in any case.
  if (!DfsHost.isRoot(server.dfs, share)) return sent.replace(/^\\+/, "").split("\\").slice(2).join("\\")
  return Namespace.normalise(sent, share) ?? NtStatus.STATUS_OBJECT_PATH_NOT_FOUND
}

/** Whether a path of the request's share leads across a link. If it does, the response is STATUS_PATH_NOT_COVERED. */
export const leadsAway = (incoming: Incoming, path: StorePath): boolean => {
  const { dfs } = incoming.server
  return dfs !== undefined && Namespace.covers(dfs.current(), incoming.tree!.share!.name, path) !== undefined
}
