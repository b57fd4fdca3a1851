/**
 * Asks the stores of users and of identities. An app can write them: they may fail, break, or not answer. That is
 * logged, and is never the same as a user or a SID that does not exist.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Events from "../../Events.ts"
import type { User } from "../../UserStore.ts"
import type { Server } from "./Model.ts"

/** The store did not answer the question. */
export const unreachable = { _tag: "Unreachable" } as const

/** A store has `storeTime` to answer. */
const ask = <A, E>(
  server: Server,
  call: string,
  question: () => Effect.Effect<A, E>,
  event: (cause: Cause.Cause<unknown>, more: number) => Effect.Effect<void>
): Effect.Effect<A, typeof unreachable> =>
  server.storeTimeout.run(Effect.suspend(question), call).pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.interrupt
        : Effect.andThen(server.logRates.faults.tell((more) => event(cause, more)), Effect.fail(unreachable))
    )
  )

/** The user of that name; `undefined` if no user has it. */
export const findUser = (
  server: Server,
  name: string,
  domain: string
): Effect.Effect<User | undefined, typeof unreachable> =>
  ask(server, "findUser", () => server.users.find(name, domain), Events.usersUnreachable)

/** The SID of a user's name. */
export const sidOf = (server: Server, name: string): Effect.Effect<string, typeof unreachable> =>
  ask(server, "sidOf", () => server.identity.sidOf(name), Events.identitiesUnreachable)

/** The name of the user with that SID; `undefined` if no user has it. */
export const nameOf = (server: Server, sid: string): Effect.Effect<string | undefined, typeof unreachable> =>
  ask(server, "nameOf", () => server.identity.nameOf(sid), Events.identitiesUnreachable)
