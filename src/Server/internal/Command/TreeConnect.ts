/**
 * TREE_CONNECT (MS-SMB2 3.3.5.7): a session's way into a share, or to the pipes of IPC$.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { fold } from "../../../Codec/UpCase.ts"
import { Dialect, ShareCapabilities, ShareFlags, ShareType } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/TreeConnect.ts"
import * as Events from "../../Events.ts"
import * as Access from "../State/Access.ts"
import * as DfsHost from "../State/DfsHost.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { Connection, Share, Tree } from "../State/Model.ts"
import * as ShareAccess from "../State/ShareAccess.ts"
import { shareFlags } from "../State/ShareFlags.ts"
import { type Refusal, refuse, type Reply, reply } from "../Wire/Reply.ts"

/** The capabilities of a share for a client (2.2.10). */
const capabilitiesOf = ({ dialect, server }: Connection, share: Share): number =>
  (DfsHost.isRoot(server.dfs, share.name) ? ShareCapabilities.SMB2_SHARE_CAP_DFS : 0) |
  (dialect >= Dialect.SMB_3_0 && share.options.continuousAvailability === true
    ? ShareCapabilities.SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY
    : 0)

/** Handles TREE_CONNECT. */
export const treeConnect = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const session = incoming.session!
    const { connection, server } = incoming
    const user = session.user!
    // An attacker in between could have changed the negotiation: only this signature shows that (3.3.5.7).
    if (connection.dialect === Dialect.SMB_3_1_1 && !user.guest && !incoming.signed && !incoming.encrypted) {
      connection.close()
      return Effect.andThen(
        server.logRates.requests.tell((more) => Events.unsigned(connection, session, more)),
        refuse(NtStatus.STATUS_ACCESS_DENIED)
      )
    }
    const match = /^\\\\[^\\]+\\([^\\]+)$/.exec(body.path.replace(/\0.*$/s, ""))
    if (match === null) return refuse(NtStatus.STATUS_BAD_NETWORK_NAME)
    if (session.trees.size >= server.limits.trees) return refuse(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
    const name = fold(match[1]!)
    const share = server.shares.get(name)
    const ipc = name === "IPC$"
    if (share === undefined && !ipc) return refuse(NtStatus.STATUS_BAD_NETWORK_NAME)
    const maximalAccess = share === undefined ? Access.generic.all : ShareAccess.maximal(share, user)
    const encrypted = share?.options.encrypt === true
    if (share !== undefined) {
      // Anyone can compute the keys of an anonymous session: its encryption protects nothing.
      const protects = session.encrypt !== undefined && !user.guest
      if (maximalAccess === 0 || user.guest && share.options.guest === false || encrypted && !protects) {
        return Effect.andThen(
          server.logRates.requests.tell((more) => Events.shareRefused(connection, session, share.name, more)),
          refuse(NtStatus.STATUS_ACCESS_DENIED)
        )
      }
    }
    const tree: Tree = {
      id: session.newTreeId(),
      share,
      encrypted,
      maximalAccess
    }
    session.trees.set(tree.id, tree)
    const answer: Reply = {
      ...reply({
        _tag: "TREE_CONNECT",
        body: {
          shareType: ipc ? ShareType.SMB2_SHARE_TYPE_PIPE : ShareType.SMB2_SHARE_TYPE_DISK,
          shareFlags: share === undefined ? ShareFlags.SMB2_SHAREFLAG_NO_CACHING : shareFlags(server, share),
          capabilities: share === undefined ? 0 : capabilitiesOf(connection, share),
          maximalAccess: tree.maximalAccess
        }
      }),
      treeId: tree.id
    }
    return share === undefined
      ? Effect.succeed(answer)
      : Effect.as(Events.shareConnected(connection, session, share.name), answer)
  })
