/** How trees, sessions and connections end: their opens are closed, and their waiting requests are completed. */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type { AnyOpen, Connection, Session, Tree } from "../State/Model.ts"
import * as OplocksAndLeases from "../State/OplocksAndLeases.ts"
import * as Close from "./Close.ts"
import * as Durable from "./Durable.ts"

/** Ends the requests that wait on an open. */
const abort = (open: AnyOpen, status: number): void => {
  for (const pending of Array.from(open.waiting)) pending.abort(status)
}

/** Closes opens at the same time: a store that is slow for one does not delay the others. */
const closeAll = (session: Session, which: (open: AnyOpen) => boolean, notifyStatus: number): Effect.Effect<void> =>
  Effect.suspend(() =>
    Effect.forEach([...session.opens.values()].filter(which), (open) => Close.end(open, notifyStatus), {
      concurrency: "unbounded",
      discard: true
    })
  )

/** TREE_DISCONNECT: ends a tree and its opens. */
export const disconnectTree = (session: Session, tree: Tree): Effect.Effect<void> =>
  Effect.andThen(
    Effect.sync(() => session.trees.delete(tree.id)),
    closeAll(session, (open) => open.tree === tree, NtStatus.STATUS_NOTIFY_CLEANUP)
  )

/** Ends a session, after a LOGOFF, after a failed logon, or when another session replaces it. */
export const end = (session: Session, notifyStatus: number = NtStatus.STATUS_NOTIFY_CLEANUP): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (session.ended) return Effect.void
    session.ended = true
    session.stopExpiring?.()
    session.leaveUser()
    for (const open of Array.from(session.opens.values())) {
      if (open._tag !== "File" || !Durable.mayStay(open)) continue
      abort(open, NtStatus.STATUS_CANCELLED)
      Durable.disconnect(open.server, open)
    }
    return closeAll(session, () => true, notifyStatus).pipe(
      Effect.andThen(Effect.sync(() => {
        session.trees.clear()
        for (const connection of session.channels.keys()) {
          for (const pending of Array.from(connection.pending.values())) {
            if (pending.session === session) pending.abort(NtStatus.STATUS_CANCELLED)
          }
        }
      }))
    )
  })

/** Forgets a session that has ended, once its last response is out. */
export const forget = (session: Session, connection: Connection): void => {
  connection.server.sessions.delete(session.id)
  connection.sessions.delete(session.id)
  for (const channel of session.channels.keys()) channel.sessions.delete(session.id)
}

/**
 * As `forget`, but its channels keep its keys until they are closed, to sign the responses that say that it has ended.
 */
export const leave = (session: Session, connection: Connection): void => {
  connection.server.sessions.delete(session.id)
}

/** Ends a connection: its sessions end, unless another channel keeps them; durable opens wait for their client. */
export const disconnect = (connection: Connection): Effect.Effect<void> =>
  Effect.gen(function*() {
    for (const pending of Array.from(connection.pending.values())) {
      const { outlivesChannel, session } = pending
      const goesOn = outlivesChannel && [...session?.channels.keys() ?? []].some((channel) => channel !== connection)
      if (!goesOn) pending.abort(NtStatus.STATUS_CANCELLED)
    }
    for (const session of connection.binding) {
      session.logons.get(connection)?.acceptor.release()
      session.logons.delete(connection)
    }
    connection.binding.clear()
    for (const session of Array.from(connection.sessions.values())) {
      session.channels.delete(connection)
      session.logons.get(connection)?.acceptor.release()
      session.logons.delete(connection)
      if (session.channels.size > 0) continue
      yield* end(session)
      connection.server.sessions.delete(session.id)
    }
    connection.sessions.clear()
    OplocksAndLeases.tellAgain(connection.server, connection)
  })
