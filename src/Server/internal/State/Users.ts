/**
 * Looks users up in the server's `UserStore`. An app writes that store: it may fail, break, or not answer. That is
 * logged, and is never the same as a user who does not exist.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Events from "../../Events.ts"
import type { User } from "../../UserStore.ts"
import type { Server } from "./Model.ts"

/** The user store did not say whether the user exists. */
export const unreachable = { _tag: "Unreachable" } as const

/** The user of that name; `undefined` if no user has it. A store has `storeTime` to answer. */
export const find = (
  server: Server,
  name: string,
  domain: string
): Effect.Effect<User | undefined, typeof unreachable> =>
  server.storeTimeout.run(Effect.suspend(() => server.users.find(name, domain))).pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.interrupt
        : Effect.andThen(
          server.logRates.faults.tell((more) => Events.usersUnreachable(cause, more)),
          Effect.fail(unreachable)
        )
    )
  )
