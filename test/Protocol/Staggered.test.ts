/** Several attempts of which one must succeed (RFC 8305 5): when each starts, which result counts, and that the others end. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Staggered from "../../src/Protocol/Staggered.ts"

/** Attempts that take this many milliseconds each, and then succeed or fail; what happened when, in milliseconds. */
const run = (attempts: ReadonlyArray<readonly [milliseconds: number, succeeds: boolean]>) => {
  const seen: Array<readonly [string, number]> = []
  const now = Effect.clockWith((clock) => clock.currentTimeMillis)
  const note = (what: string) => Effect.map(now, (at) => void seen.push([what, at]))
  const effect = Staggered.first(
    attempts,
    ([milliseconds, succeeds], index) =>
      note(`start ${index}`).pipe(
        Effect.andThen(Effect.sleep(milliseconds)),
        Effect.andThen(note(`end ${index}`)),
        Effect.andThen(succeeds ? Effect.succeed(index) : Effect.fail(index)),
        Effect.onInterrupt(() => note(`interrupt ${index}`))
      ),
    "250 millis"
  )
  return Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    yield* TestClock.adjust("10 seconds")
    return { seen, exit: yield* Fiber.await(fiber) }
  })
}

describe("attempts", () => {
  it.effect("that succeed at once are one attempt", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run([[249, true], [0, true]]), {
        seen: [["start 0", 0], ["end 0", 249]],
        exit: Exit.succeed(0)
      })
    }))

  it.effect("start one after the other, and those that go on are interrupted at the first success", () =>
    Effect.gen(function*() {
      const { exit, seen } = yield* run([[5000, true], [5000, true], [100, true], [0, true]])
      assert.deepStrictEqual(exit, Exit.succeed(2))
      assert.deepStrictEqual(seen.slice(0, 4), [["start 0", 0], ["start 1", 250], ["start 2", 500], ["end 2", 600]])
      assert.sameDeepMembers(seen.slice(4), [["interrupt 0", 600], ["interrupt 1", 600]])
    }))

  it.effect("start as soon as the one before has failed", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run([[10, false], [20, false], [30, true]]), {
        seen: [["start 0", 0], ["end 0", 10], ["start 1", 10], ["end 1", 30], ["start 2", 30], ["end 2", 60]],
        exit: Exit.succeed(2)
      })
    }))

  it.effect("can succeed late, after all others have failed", () =>
    Effect.gen(function*() {
      const { exit, seen } = yield* run([[2000, true], [10, false], [10, false]])
      assert.deepStrictEqual(exit, Exit.succeed(0))
      assert.deepStrictEqual(seen.filter(([what]) => what.startsWith("start")), [
        ["start 0", 0],
        ["start 1", 250],
        ["start 2", 260]
      ])
    }))

  it.effect("fail if all fail", () =>
    Effect.gen(function*() {
      for (const attempts of [[[10, false]], [[10, false], [10, false]]] as const) {
        const { exit } = yield* run(attempts)
        assert(Exit.isFailure(exit) && exit.cause.reasons.every(Cause.isFailReason))
      }
    }))
})
