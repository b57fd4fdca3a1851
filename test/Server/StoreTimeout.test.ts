/**
 * Proves when a call of a store is given up: after its time, and not before, no matter how long that time is. And what
 * becomes of a file that the store makes after that: it is removed, unless it is not the server's to remove.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber } from "effect"
import { StoreTimeout, withTimeout } from "../../src/Server/internal/State/StoreTimeout.ts"
import { type ShareStore, storeError } from "../../src/Server/ShareStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"

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

describe("a file that the store makes after STATUS_IO_TIMEOUT", () => {
  type Over = (memory: ShareStore) => Partial<ShareStore>

  /** Opens `f` too late, lets the store go on, and gives what happened. The store cannot be interrupted. */
  const openLate = Effect.fnUntraced(function*(
    how: { readonly mode: "either" | "new"; readonly stream?: string },
    { isOpen = false, over = () => ({}) }: { readonly isOpen?: boolean; readonly over?: Over } = {}
  ) {
    const [gate, ended] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const memory = yield* MemoryStore.make()
    const events: Array<string> = []
    yield* Effect.scoped(memory.open(["old"], { mode: "new", type: "file" }))
    const under = { ...memory, ...over(memory) }
    const store: ShareStore = {
      ...under,
      open: (path, options) =>
        Effect.uninterruptible(
          Effect.andThen(
            Deferred.await(gate),
            Effect.tap(under.open(path, options), ({ created }) =>
              Effect.sync(() => void events.push(created ? "made" : "opened")))
          )
        ),
      remove: (path, options) =>
        Effect.ensuring(
          Effect.tap(under.remove(path, options), () => Effect.sync(() => void events.push("removed"))),
          Deferred.succeed(ended, undefined)
        )
    }
    const timeout = new StoreTimeout(16)
    const limited = withTimeout(store, timeout, {
      isOpen: () => {
        if (isOpen) Deferred.doneUnsafe(ended, Effect.void)
        return isOpen
      },
      onNotRemoved: (path, error) => Effect.sync(() => void events.push(`not removed: ${path} ${error.reason._tag}`))
    })
    const error = yield* Effect.flip(
      Effect.scoped(limited.open([how.stream === undefined ? "f" : "old"], { type: "file", ...how }))
    )
    assert.strictEqual(error.reason._tag, "TimedOut")
    assert.deepStrictEqual(events, [])
    yield* Deferred.succeed(gate, undefined)
    yield* Deferred.await(ended)
    // What follows the removal in the same turn.
    yield* Effect.yieldNow
    timeout.close()
    const there = yield* Effect.match(memory.stat(["f"]), { onSuccess: () => true, onFailure: () => false })
    return { events, there, memory }
  })

  for (const mode of ["new", "either"] as const) {
    it.live(`is removed again: mode ${mode}`, () =>
      Effect.gen(function*() {
        const { events, there } = yield* openLate({ mode })
        assert.deepStrictEqual(events, ["made", "removed"])
        assert.isFalse(there)
      }))
  }

  it.live("is removed alone if it is a stream: its file stays", () =>
    Effect.gen(function*() {
      const { events, memory } = yield* openLate({ mode: "new", stream: "s" })
      assert.deepStrictEqual(events, ["made", "removed"])
      const found = yield* Effect.scoped(memory.open(["old"], { mode: "existing", type: "file" }))
      assert.isFalse(found.created)
    }))

  it.live("stays if a client has opened it since", () =>
    Effect.gen(function*() {
      const { events, there } = yield* openLate({ mode: "new" }, { isOpen: true })
      assert.deepStrictEqual(events, ["made"])
      assert.isTrue(there)
    }))

  it.live("is reported if it cannot be removed", () =>
    Effect.gen(function*() {
      const over: Over = () => ({ remove: () => Effect.fail(storeError("AccessDenied")) })
      const { events, there } = yield* openLate({ mode: "new" }, { over })
      assert.deepStrictEqual(events, ["made", "not removed: f AccessDenied"])
      assert.isTrue(there)
    }))
})
