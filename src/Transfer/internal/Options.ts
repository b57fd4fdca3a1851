/** What all directions of a transfer share: rules, filter, concurrency, retries and the limit of the bandwidth. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isTransient } from "../../Client/ClientError.ts"
import type { EntryError, Warning } from "../TransferEvent.ts"
import type * as Choice from "./Choice.ts"
import type * as DryRun from "./DryRun.ts"
import type * as Filter from "./Filter.ts"
import * as Warnings from "./Warnings.ts"

export interface Options {
  readonly rules: Choice.Rules
  readonly filter: Filter.Filter
  /** Whether a copy gets the last write time of its original. */
  readonly times: boolean
  /** Whether a copy gets the attributes of its original that both sides have. */
  readonly attributes: boolean
  readonly dryRun: boolean
  /** What a dry run asks, so that it promises nothing that the real run would be refused. */
  readonly checks: DryRun.Checks
  /** How many files are copied at once. */
  readonly concurrency: number
  /** Waits until `count` bytes may pass, and runs. */
  readonly throttle: <A, E, R>(count: number, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Runs again after a failure that may pass, and tells the user, who knows the work by this path. */
  readonly retry: <A, E extends EntryError, R>(path: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** The search runs ahead of the copies by at most this many entries, so that the total is known early. */
export const ahead = { capacity: 10_000 } as const

/** Passes everything at once. */
const unlimited: Options["throttle"] = (_, effect) => effect

/** Lets at most `rate` bytes a second pass, over all files of the transfer. */
export const throttle = (rate: number | undefined): Options["throttle"] => {
  // A limit of 0 would wait without end.
  if (rate === undefined || !(rate > 0)) return unlimited
  /** When the next bytes may pass, in milliseconds. */
  let next = 0
  return (count, effect) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const start = Math.max(now, next)
      next = start + (count * 1000) / rate
      return start > now ? Effect.andThen(Effect.sleep(start - now), effect) : effect
    })
}

/** Tries `times` more times, with pauses from one second on that double up to half a minute. */
export const retry =
  (times: number, warn: (warning: Warning) => Effect.Effect<void>): Options["retry"] => (path, effect) => {
    if (times === 0) return effect
    type Failure = Effect.Error<typeof effect>
    const schedule = () => {
      const pauses = Schedule.exponential("1 second").pipe(
        Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(30)))),
        Schedule.upTo({ times })
      )
      return Schedule.setInputType<Failure>()(pauses).pipe(
        Schedule.while(({ input }) => Effect.succeed(isTransient(input))),
        Schedule.modifyDelay(({ attempt, duration, input }) =>
          Effect.as(warn(Warnings.triedAgain(path, input, duration, attempt, times)), duration)
        )
      )
    }
    // Nearly all first attempts succeed: only a failure makes the schedule, which sees that failure as its first.
    return Effect.catchIf(effect, isTransient, (error) => {
      let isSeen = false
      const again = Effect.suspend(() => {
        if (isSeen) return effect
        isSeen = true
        return Effect.fail(error as Failure)
      })
      return Effect.retry(again, schedule())
    })
  }
