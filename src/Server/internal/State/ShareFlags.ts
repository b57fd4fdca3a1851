/** The flags of a share for its clients. */
import { ShareFlags } from "../../../Smb2/Message/Constants.ts"
import * as DfsHost from "./DfsHost.ts"
import type { Server, Share } from "./Model.ts"

/**
 * The flags of a share: SMB2_SHAREFLAG_* (MS-SMB2 2.2.10), whose bits are those of `shi1005_flags` as well (MS-SRVS
 * 2.2.4.29).
 */
export const shareFlags = (server: Server, share: Share): number =>
  (DfsHost.isRoot(server.dfs, share.name) ? ShareFlags.SMB2_SHAREFLAG_DFS | ShareFlags.SMB2_SHAREFLAG_DFS_ROOT : 0) |
  (share.options.encrypt === true ? ShareFlags.SMB2_SHAREFLAG_ENCRYPT_DATA : 0) |
  (share.options.accessBasedEnumeration === true && share.volume.supports.securityDescriptors
    ? ShareFlags.SMB2_SHAREFLAG_ACCESS_BASED_DIRECTORY_ENUM
    : 0)
