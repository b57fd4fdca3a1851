/**
 * Programs in virtual time: how far the clock moves, to the millisecond, and that a program that never ends is
 * interrupted at the limit.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber } from "effect"
import * as VirtualTime from "../../src/Testing/VirtualTime.ts"

describe("VirtualTime.run", () => {
  it.effect("moves the clock as far as a program needs, to the millisecond, with forks and races", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const start = (yield* Clock.currentTimeMillis) + 1
      const mark = Effect.map(Clock.currentTimeMillis, (now) => void seen.push(now - start))
      const program = Effect.gen(function*() {
        const other = yield* Effect.forkChild(Effect.andThen(Effect.sleep("90 minutes"), mark))
        yield* Effect.andThen(Effect.sleep("1250 millis"), mark)
        yield* Effect.raceFirst(Effect.sleep("3 seconds"), Effect.sleep("1 hour"))
        yield* mark
        yield* Fiber.join(other)
        return "done"
      })
      assert.deepStrictEqual(yield* VirtualTime.run(program), { exit: Exit.succeed("done"), took: 5_400_000 })
      assert.deepStrictEqual(seen, [1250, 4250, 5_400_000])
      // A program that needs no time leaves the clock unchanged.
      const before = yield* Clock.currentTimeMillis
      assert.deepStrictEqual(yield* VirtualTime.run(Effect.fail("no")), { exit: Exit.fail("no"), took: 0 })
      assert.strictEqual((yield* Clock.currentTimeMillis) - before, 1)
    }))
  it.effect("interrupts a program that never ends at the limit", () =>
    Effect.gen(function*() {
      let interrupted = false
      const never = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (interrupted = true)))
      const { exit, took } = yield* VirtualTime.run(never, { limit: "1 minute" })
      assert.deepStrictEqual([exit._tag, took, interrupted], ["Failure", 60_000, true])
    }))
})
