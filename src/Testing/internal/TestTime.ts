/**
 * The clock of a test and the servers in memory: the clock moves only when the servers and their clients are quiet.
 *
 * `TestClock` waits for the fibers that it has woken. A program that was just started was not woken by it: its first
 * requests would see the clock run on from one sleep of the client to the next, so that a step of a minute took them
 * past a fault that a step of a second did not.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"

/** What the servers have seen so far. */
export interface Activity {
  events: number
}

/** Without an event for as many turns of the scheduler, all is quiet: a client needs fewer from one request to the next. */
const quietTurns = 25

/** A program that never waits does not keep the clock for ever. */
const mostTurns = 20_000

const quiet = Effect.fnUntraced(function*(activity: Activity) {
  let known = activity.events
  for (let turn = 0, still = 0; turn < mostTurns && still < quietTurns; turn++) {
    yield* Effect.yieldNow
    still = activity.events === known ? still + 1 : 0
    known = activity.events
  }
})

const isTestClock = (clock: Clock.Clock): clock is TestClock.TestClock => "adjust" in clock && "setTime" in clock

/** The clocks' own ways to move. */
const own = new WeakMap<Clock.Clock, TestClock.TestClock["adjust"]>()

/** Moves the clock at once, for a program that the clock itself has woken: it waits for that anyway. */
export const adjust = (duration: Duration.Input): Effect.Effect<void> =>
  Clock.clockWith((clock) => own.get(clock)?.(duration) ?? TestClock.adjust(duration))

/** While the scope is open, each move of a `TestClock` begins when all is quiet. Another clock stays as it is. */
export const moveWhenQuiet = (activity: Activity): Effect.Effect<void, never, Scope.Scope> =>
  Clock.clockWith((clock) => {
    if (!isTestClock(clock)) return Effect.void
    const { adjust, setTime } = clock
    return Effect.acquireRelease(
      Effect.sync(() => {
        if (!own.has(clock)) own.set(clock, adjust)
        clock.adjust = (duration: Duration.Input) => Effect.andThen(quiet(activity), adjust(duration))
        clock.setTime = (timestamp: number) => Effect.andThen(quiet(activity), setTime(timestamp))
      }),
      () =>
        Effect.sync(() => {
          clock.adjust = adjust
          clock.setTime = setTime
        })
    )
  })
