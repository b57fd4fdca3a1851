/** The pauses of a policy, one after another. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type { ClientError } from "../ClientError.ts"

/** When the client tries again after a lost connection. */
export type Policy = Schedule.Schedule<unknown, ClientError>

/** Waits for the next pause; `false` if the policy has ended. */
export type Pauses = (error: ClientError) => Effect.Effect<boolean>

/**
 * Pauses that grow from a quarter of a second to ten, for the given time. Each is up to 20 % shorter or longer, so that
 * the clients of a server that restarts do not return all at once.
 */
export const lasting = (duration: Duration.Input): Policy =>
  Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("10 seconds")]).pipe(
    Schedule.jittered,
    Schedule.upTo({ duration })
  )

/** The policy of an option: a schedule of the caller, or the usual pauses for a time. Default: a minute. */
export const from = (given: Policy | Duration.Input | undefined): Policy =>
  Schedule.isSchedule(given) ? given as Policy : lasting(given ?? "1 minute")

/** A new run of the policy. */
export const make = (policy: Policy): Effect.Effect<Pauses> =>
  Effect.map(Schedule.toStepWithSleep(policy), (step) => (error) =>
    Pull.matchEffect(step(error), {
      onSuccess: () => Effect.succeed(true),
      onDone: () => Effect.succeed(false),
      onFailure: () => Effect.succeed(false)
    }))
