/** Work on a stream's elements by a few fibers: all elements, so many at once, and one failure ends all. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Stream } from "effect"
import * as Workers from "../../src/Transfer/internal/Workers.ts"

const options = { capacity: 4, concurrency: 3 }

describe("the workers of a stream", () => {
  it.effect("take each element once, also more than the queue holds", () =>
    Effect.gen(function*() {
      const taken: Array<number> = []
      yield* Workers.forEach(Stream.range(1, 100), options, (n) => Effect.sync(() => void taken.push(n)))
      assert.deepStrictEqual(taken.toSorted((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i + 1))
    }))

  it.effect("work on as many elements at once as they are, and on no more", () =>
    Effect.gen(function*() {
      let active = 0
      let most = 0
      const full = yield* Deferred.make<void>()
      yield* Workers.forEach(Stream.range(1, 20), options, () =>
        Effect.gen(function*() {
          most = Math.max(most, ++active)
          if (active === options.concurrency) yield* Deferred.succeed(full, undefined)
          // No worker ends before all of them work.
          yield* Deferred.await(full)
          yield* Effect.yieldNow
          active--
        }))
      assert.strictEqual(most, options.concurrency)
    }))

  it.effect("end with the failure of one element, and interrupt the others", () =>
    Effect.gen(function*() {
      const interrupted: Array<number> = []
      const error = yield* Effect.flip(
        Workers.forEach(Stream.range(1, 100), options, (n) =>
          n === 3 ? Effect.fail("no") : Effect.onInterrupt(Effect.never, () =>
            Effect.sync(() =>
              interrupted.push(n)
            )))
      )
      assert.strictEqual(error, "no")
      assert.deepStrictEqual(interrupted.toSorted(), [1, 2])
    }))

  it.effect("fail as the stream does", () =>
    Effect.gen(function*() {
      const stream = Stream.concat(Stream.range(1, 2), Stream.fail("broken"))
      assert.strictEqual(yield* Effect.flip(Workers.forEach(stream, options, () => Effect.void)), "broken")
    }))
})
