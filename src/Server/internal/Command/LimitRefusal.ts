/** The refusal of a request because its user, or all users together, have reached a limit of the server. */
import * as Effect from "effect/Effect"
import * as Events from "../../Events.ts"
import type { Limits } from "../../Limits.ts"
import type { Incoming } from "../State/Incoming.ts"
import { type Refusal, refuse } from "../Wire/Reply.ts"

/** Refuses a request, counts it, and writes to the log which limit it would have exceeded. */
export const limitReached = (
  { connection, server, session }: Incoming,
  limit: keyof Limits,
  status: number
): Effect.Effect<never, Refusal> =>
  Effect.suspend(() => {
    server.meter.refuse("requests")
    return Effect.andThen(
      server.logRates.requests.tell((more) => Events.limitReached(connection, session, limit, more)),
      refuse(status)
    )
  })
