/**
 * The opens of a server that stops: they are closed, except those that the next server takes over from the `OpenStore`.
 * The server releases their files as they are, and a pending deletion is left to the next server.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type { FileOpen, Server } from "../State/Model.ts"
import * as Close from "./Close.ts"

/** Which opens the next server takes over, if their clients were told that these outlive a lost connection. */
export type HandOver = "none" | "persistent" | "durable"

/** Whether an open waits for its client, and may wait for it at the next server. */
const isTakenOver = ({ durable, server, session, share }: FileOpen, what: HandOver): boolean =>
  server.kept !== undefined && session === undefined && durable !== undefined &&
  (durable.persistent
    ? what !== "none"
    : what === "durable" && share.volume.supports.lastingIdentities === true)

const all = (opens: ReadonlyArray<FileOpen>, end: (open: FileOpen) => Effect.Effect<void>): Effect.Effect<void> =>
  Effect.forEach(opens, end, { concurrency: "unbounded", discard: true })

const close = (open: FileOpen): Effect.Effect<void> => Close.end(open, NtStatus.STATUS_NOTIFY_CLEANUP)

/** Ends all opens of a server whose sessions have ended. */
export const endOpens = (server: Server, what: HandOver): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { kept } = server
    const opens = Array.from(server.opens.values())
    if (kept === undefined) return all(opens, close)
    const staying = opens.filter((open) => isTakenOver(open, what))
    const others = opens.filter((open) => !isTakenOver(open, what))
    const added = staying.filter((open) => !kept.has(open))
    for (const open of added) kept.keep(open)
    return kept.flush.pipe(
      // The store has at least the persistent ones: of these it knew before.
      Effect.catch(() => {
        for (const open of added) kept.forget(open)
        return all(added, close)
      }),
      Effect.andThen(Effect.suspend(() => all(staying.filter((open) => !open.closed), Close.release))),
      Effect.andThen(all(others, close)),
      Effect.andThen(Effect.ignore(Effect.suspend(() => kept.flush)))
    )
  })
