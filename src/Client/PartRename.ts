/**
 * The rename of a part to its final name, and what is known of it when it is interrupted or fails.
 *
 * A server can carry out requests of one connection in any order. If the part were removed by its name while the rename
 * is under way, the open of the removal could come before the rename and the deletion after it: it would delete the
 * file at the final name.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { TransportError } from "../Protocol/Errors.ts"
import * as OpenResponse from "./internal/OpenResponse.ts"

/**
 * Where a part is.
 *
 * - `Here`: it has its own name.
 * - `Placed`: it is the file at the final name.
 * - `Moving`: the server has not responded, and may still rename it.
 * - `Unknown`: the connection ended with the request. It has one of the two names.
 *
 * @category models
 * @since 0.2.0
 */
export interface Part {
  place: "Here" | "Placed" | "Moving" | "Unknown"
}

/**
 * Whether the response to a request can still come: only its time is over, and the connection lives.
 *
 * @since 0.2.0
 */
export const isStillDue = ({ cause }: Exit.Failure<unknown, unknown>): boolean =>
  cause.reasons.some((reason) =>
    reason._tag === "Fail" && reason.error instanceof TransportError && reason.error.reason._tag === "TimedOut"
  )

/**
 * Renames a part, and notes where it is. An interruption waits for the response for at most a second.
 *
 * @category combinators
 * @since 0.2.0
 */
export const rename = <A, E, R>(part: Part, renamed: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const note = (exit: Exit.Failure<A, E>) =>
    Effect.sync(() => {
      if (part.place === "Here") part.place = Exit.hasInterrupts(exit) || isStillDue(exit) ? "Moving" : "Unknown"
    })
  return Effect.onExit(
    OpenResponse.awaited(
      renamed,
      () =>
        Effect.sync(() => {
          part.place = "Placed"
        }),
      note
    ),
    (exit) =>
      Exit.isFailure(exit) && !Exit.hasInterrupts(exit) && OpenResponse.isUnanswered(exit) ? note(exit) : Effect.void
  )
}
