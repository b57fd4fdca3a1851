/** Proves when a call of a store is given up: after its time, and not before, no matter how long that time is. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber } from "effect"
import { StoreTimeout } from "../../src/Server/internal/State/StoreTimeout.ts"

describe("a call of a store", () => {
  it.live("fails with TimedOut when it takes longer than its time", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(new StoreTimeout(16).run(Effect.never, "stat"))
      assert.strictEqual("reason" in error && error.reason._tag, "TimedOut")
    }))

  for (const days of [24, 25, 300, 100_000]) {
    it.live(`may take ${days} days if the server allows that, although a timer of Node cannot wait so long`, () =>
      Effect.gen(function*() {
        const answer = yield* Deferred.make<string>()
        const timeout = new StoreTimeout(Duration.toMillis(Duration.days(days)))
        const call = yield* Effect.forkChild(timeout.run(Deferred.await(answer), "stat"))
        // Node calls a timer that is too long after a millisecond: eight of these would end the call.
        yield* Effect.sleep("50 millis")
        yield* Deferred.succeed(answer, "late")
        assert.strictEqual(yield* Fiber.join(call), "late")
      }))
  }
})
