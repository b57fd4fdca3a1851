/**
 * What a client is refused since its user, or all users together, hold as much of the server as they may.
 */
import * as Effect from "effect/Effect"
import * as Events from "../../Events.ts"
import type { Limits } from "../../Limits.ts"
import type { Incoming } from "./Incoming.ts"
import { type Refusal, refuse } from "./Reply.ts"

/** Refuses a request, counts it, and tells the log which limit it would have gone beyond. */
export const beyond = (
  { connection, server, session }: Incoming,
  limit: keyof Limits,
  status: number
): Effect.Effect<never, Refusal> =>
  Effect.suspend(() => {
    server.refused.requests++
    return Effect.andThen(
      server.logRates.requests.tell((more) => Events.limitReached(connection, session, limit, more)),
      refuse(status)
    )
  })
