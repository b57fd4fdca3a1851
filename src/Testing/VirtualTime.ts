/**
 * Running a program in virtual time: Effect's TestClock moves on from one waiting fiber to the next, so that minutes of
 * timeouts take no time, and the same program always takes the same time.
 *
 * For programs whose world is in memory, as with `TestTransport` and `TestNamespace`. The clock does not wait for a
 * program that waits for something real, such as a socket.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestTime from "./internal/TestTime.ts"

/**
 * How a program ended, and how many virtual milliseconds it took.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ended<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly took: number
}

/**
 * Runs a program under `TestClock` to its end, and moves the clock as far as that needs. The program begins a
 * millisecond later than now: before the clock moves on, it waits only for fibers that it has woken. A program that has
 * not ended after `limit` (default: a day) is interrupted, and `took` is the limit.
 *
 * @example
 * ```ts
 * const { exit, took } = yield* VirtualTime.run(app) // "a b b a a a" after 120000 ms
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: { readonly limit?: Duration.Input | undefined } = {}
): Effect.Effect<Ended<A, E>, never, R> =>
  Effect.gen(function*() {
    const limit = Duration.toMillis(Duration.fromInputUnsafe(options.limit ?? "1 day"))
    const fiber = yield* Effect.gen(function*() {
      yield* Effect.sleep(1)
      const start = yield* Clock.currentTimeMillis
      const exit = yield* Effect.exit(effect)
      return { exit, took: (yield* Clock.currentTimeMillis) - start }
    }).pipe(Effect.forkChild)
    yield* TestTime.adjust(1)
    // In steps, so that the clock is not far ahead when a program ends early.
    for (let past = 0, step = 1; fiber.pollUnsafe() === undefined && past < limit; past += step) {
      step = Math.min(Math.max(1, past), 1000, limit - past)
      yield* TestTime.adjust(step)
    }
    if (fiber.pollUnsafe() !== undefined) return yield* Fiber.join(fiber)
    yield* Fiber.interrupt(fiber)
    return { exit: Exit.interrupt(), took: limit }
  })
