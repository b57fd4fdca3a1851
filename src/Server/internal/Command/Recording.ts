/**
 * Responses and the `OpenStore`: before a client hears of a change, the store has it. So a server that starts after a
 * crash has no open that a client does not know to be gone, and lacks none that a client was told of.
 *
 * If the store cannot be written, a request fails that would promise something for the time after the server: a CREATE
 * next to another client's lease, a LOCK, a deletion at the last CLOSE. Other changes go on, and are written as soon as
 * the store can: until then, a crash would keep an open or a lock too long.
 */
import * as Effect from "effect/Effect"
import type { Incoming } from "../State/Incoming.ts"
import type { Server } from "../State/Model.ts"
import { type Refusal, stored } from "../Wire/Reply.ts"

/** Has the store know of everything that has changed, or refuses the request. */
export const required = ({ kept }: Server): Effect.Effect<void, Refusal> =>
  kept === undefined ? Effect.void : stored(kept.flush)

/** Runs a request. If it has changed opens, its response waits until the store knows of that. */
export const before = <A>({ server: { kept } }: Incoming, run: Effect.Effect<A, Refusal>): Effect.Effect<A, Refusal> =>
  kept === undefined ? run : Effect.suspend(() => {
    const { changes } = kept
    return Effect.onExit(run, () => kept.changes === changes ? Effect.void : Effect.ignore(kept.flush))
  })
