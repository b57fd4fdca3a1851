/**
 * Asks the server's `IdentityStore`. An app can write that store: it may fail, break, or not answer. That is logged, and
 * is never the same as a SID that no user has.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Events from "../../Events.ts"
import type { IdentityError } from "../../IdentityStore.ts"
import type { Server } from "./Model.ts"

/** The identity store did not answer the question. */
export const unreachable = { _tag: "Unreachable" } as const

/** A store has `storeTime` to answer. */
const ask = <A>(
  server: Server,
  question: () => Effect.Effect<A, IdentityError>
): Effect.Effect<A, typeof unreachable> =>
  server.storeTimeout.run(Effect.suspend(question)).pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.interrupt
        : Effect.andThen(
          server.logRates.faults.tell((more) => Events.identitiesUnreachable(cause, more)),
          Effect.fail(unreachable)
        )
    )
  )

/** The SID of a user's name. */
export const sidOf = (server: Server, name: string): Effect.Effect<string, typeof unreachable> =>
  ask(server, () => server.identity.sidOf(name))

/** The name of the user with that SID; `undefined` if no user has it. */
export const nameOf = (server: Server, sid: string): Effect.Effect<string | undefined, typeof unreachable> =>
  ask(server, () => server.identity.nameOf(sid))
