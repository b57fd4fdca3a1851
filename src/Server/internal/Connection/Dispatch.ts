/** The handler of each command, and its conditions: the sender's session, a tree, an open (MS-SMB2 3.3.5.2). */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { anyFileId, type FileId } from "../../../Smb2/Message/Common.ts"
import { Command, Dialect } from "../../../Smb2/Message/Constants.ts"
import * as Message from "../../../Smb2/Message/Message.ts"
import * as Events from "../../Events.ts"
import * as ChangeNotify from "../Command/ChangeNotify.ts"
import * as ChannelSequence from "../Command/ChannelSequence.ts"
import * as Close from "../Command/Close.ts"
import * as Create from "../Command/Create.ts"
import * as Ioctl from "../Command/Ioctl.ts"
import * as Listing from "../Command/Listing.ts"
import * as Lock from "../Command/Lock.ts"
import * as Negotiation from "../Command/Negotiation.ts"
import * as OplockBreak from "../Command/OplockBreak.ts"
import * as QueryInfo from "../Command/QueryInfo.ts"
import * as ReadWrite from "../Command/ReadWrite.ts"
import * as Recording from "../Command/Recording.ts"
import * as SessionEnd from "../Command/SessionEnd.ts"
import * as SessionExpiry from "../Command/SessionExpiry.ts"
import * as SessionSetup from "../Command/SessionSetup.ts"
import * as SetInfo from "../Command/SetInfo.ts"
import * as TreeConnect from "../Command/TreeConnect.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { Session } from "../State/Model.ts"
import { type Refusal, refuse, type Reply, reply } from "../Wire/Reply.ts"

type Body<C extends Message.CommandName> = Extract<Message.Request, { readonly _tag: C }>["body"]

interface Entry<C extends Message.CommandName> {
  /** The conditions: none; a session; also a tree; also an open; or an open only if the request names one. */
  readonly needs: "nothing" | "session" | "tree" | "open" | "perhaps open"
  readonly run: (incoming: Incoming, body: Body<C>) => Effect.Effect<Reply | undefined, Refusal>
}

const table: { readonly [C in Message.CommandName]: Entry<C> } = {
  NEGOTIATE: { needs: "nothing", run: Negotiation.negotiate },
  SESSION_SETUP: { needs: "nothing", run: SessionSetup.sessionSetup },
  LOGOFF: { needs: "session", run: (incoming) => logoff(incoming) },
  TREE_CONNECT: { needs: "session", run: TreeConnect.treeConnect },
  TREE_DISCONNECT: { needs: "tree", run: (incoming) => treeDisconnect(incoming) },
  CREATE: { needs: "tree", run: Create.create },
  CLOSE: { needs: "open", run: Close.handle },
  FLUSH: { needs: "open", run: ReadWrite.flush },
  READ: { needs: "open", run: ReadWrite.read },
  WRITE: { needs: "open", run: ReadWrite.write },
  LOCK: { needs: "open", run: Lock.handle },
  IOCTL: { needs: "perhaps open", run: Ioctl.handle },
  CANCEL: { needs: "nothing", run: (incoming) => Effect.sync(() => cancel(incoming)) },
  ECHO: { needs: "nothing", run: () => Effect.succeed(reply({ _tag: "ECHO", body: {} })) },
  QUERY_DIRECTORY: { needs: "open", run: Listing.handle },
  CHANGE_NOTIFY: { needs: "open", run: ChangeNotify.handle },
  QUERY_INFO: { needs: "open", run: QueryInfo.handle },
  SET_INFO: { needs: "open", run: SetInfo.handle },
  OPLOCK_BREAK: { needs: "tree", run: OplockBreak.acknowledge }
}

const bodyStart = 64

/** Runs a request's handler. `failedBefore` is the status of the failed related CREATE whose open the request needs. */
export const dispatch = (
  incoming: Incoming,
  failedBefore: number
): Effect.Effect<Reply | undefined, Refusal> =>
  Effect.suspend(() => {
    const { connection, header } = incoming
    const name = Message.commandName(header.command)
    if (name === undefined) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    // Before the negotiation no other command is allowed.
    if (name !== "NEGOTIATE" && (connection.dialect === 0 || connection.dialect === Dialect.SMB_2_WILDCARD)) {
      connection.close()
      return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    const entry = table[name] as Entry<any>
    if (entry.needs !== "nothing") {
      const { fault, session, status } = requireSession(incoming)
      const expired = SessionExpiry.refuses(incoming.session, name) ? NtStatus.STATUS_NETWORK_SESSION_EXPIRED : 0
      const failed = status || expired || (entry.needs === "session" ? 0 : requireTree(incoming))
      if (fault !== undefined) {
        return Effect.andThen(
          incoming.server.logRates.requests.tell((more) => Events.unprotected(connection, session, name, fault, more)),
          refuse(failed)
        )
      }
      if (failed !== 0) return refuse(failed)
      if (failedBefore !== 0 && header.command !== Command.CREATE && entry.needs !== "tree") return refuse(failedBefore)
    }
    const decoded = Message.decodeRequest(header.command, incoming.packet, bodyStart)
    if (decoded._tag === "Failure") return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    const { body } = decoded.success
    if (entry.needs === "open" || entry.needs === "perhaps open") {
      // A related request has the file of the request before it, no matter which one it names (3.3.5.2.7.2).
      const { relatedFileId } = incoming
      const isRelated = relatedFileId !== undefined && relatedFileId.volatile !== anyFileId.volatile
      const fileId = isRelated ? relatedFileId : (body as { readonly fileId: FileId }).fileId
      const open = incoming.session!.opens.get(fileId.volatile)
      if (open === undefined || open.id !== fileId.persistent || open.tree !== incoming.tree) {
        if (entry.needs === "open") return refuse(NtStatus.STATUS_FILE_CLOSED)
      } else {
        incoming.open = open
      }
      const handled = Recording.before(incoming, entry.run(incoming, body))
      const run = incoming.open?._tag === "File" && connection.dialect >= Dialect.SMB_3_0
        ? ChannelSequence.guard(incoming, incoming.open, handled)
        : handled
      return incoming.open === undefined || incoming.header.command === Command.CLOSE
        ? run
        : Effect.map(run, (answer) => (answer === undefined ? answer : { fileId, ...answer }))
    }
    return name === "CREATE" || entry.needs === "nothing"
      ? entry.run(incoming, body)
      : Recording.before(incoming, entry.run(incoming, body))
  })

/** The session of a request, whether the request may continue, and any fault of its signature or encryption. */
interface Required {
  readonly status: number
  readonly session?: Session
  readonly fault?: Events.ProtectionFault
}

const requireSession = (incoming: Incoming): Required => {
  const { connection, header } = incoming
  const session = connection.sessions.get(header.sessionId)
  if (session === undefined) return { status: NtStatus.STATUS_USER_SESSION_DELETED }
  incoming.session = session
  const sign = session.channels.get(connection)?.sign
  const denied = (fault: Events.ProtectionFault): Required => ({
    status: NtStatus.STATUS_ACCESS_DENIED,
    session,
    fault
  })
  if (incoming.encrypted) {
    if (incoming.decryptedBy !== session) return denied("of another session")
  } else {
    if (incoming.signed && sign !== undefined && !connection.verifies(sign, incoming)) {
      incoming.session = undefined
      return denied("wrongly signed")
    }
    if (!incoming.signed && session.signRequired) return denied("unsigned")
    if (session.encryptRequired) return denied("unencrypted")
  }
  return { status: session.valid ? 0 : NtStatus.STATUS_USER_SESSION_DELETED }
}

const requireTree = (incoming: Incoming): number => {
  const tree = incoming.session!.trees.get(incoming.header.treeId)
  if (tree === undefined) return NtStatus.STATUS_NETWORK_NAME_DELETED
  incoming.tree = tree
  return tree.encrypted && !incoming.encrypted ? NtStatus.STATUS_ACCESS_DENIED : 0
}

const logoff = (incoming: Incoming): Effect.Effect<Reply, Refusal> => {
  const session = incoming.session!
  return Effect.as(SessionEnd.end(session), {
    ...reply({ _tag: "LOGOFF", body: {} }),
    sent: () => SessionEnd.forget(session, incoming.connection)
  })
}

const treeDisconnect = (incoming: Incoming): Effect.Effect<Reply, Refusal> =>
  Effect.as(SessionEnd.disconnectTree(incoming.session!, incoming.tree!), reply({ _tag: "TREE_DISCONNECT", body: {} }))

/**
 * CANCEL (3.3.5.16) has no response. The request that it names ends with STATUS_CANCELLED, if it waits now or has to wait
 * later.
 */
const cancel = (incoming: Incoming): undefined => {
  const { connection, header } = incoming
  const session = connection.sessions.get(header.sessionId)
  const sign = session?.channels.get(connection)?.sign
  if (incoming.decryptedBy === undefined) {
    if (session?.encryptRequired === true) return undefined
    if (sign !== undefined) {
      if (incoming.signed ? !connection.verifies(sign, incoming) : session!.signRequired) return undefined
    }
  } else if (incoming.decryptedBy !== session) {
    return undefined
  }
  for (const pending of connection.pending.values()) {
    const named = header.asyncId === 0n
      ? pending.messageId === header.messageId
      : pending.asyncId === header.asyncId
    if (!named) continue
    // A user cannot cancel the requests of another user of the connection.
    if (pending.session === session) pending.abort(NtStatus.STATUS_CANCELLED)
    return undefined
  }
  connection.cancelled.add(header, session)
  return undefined
}
