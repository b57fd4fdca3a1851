/**
 * Proves how many password guesses the server checks, no matter how many clients guess at a time, and that other users
 * do not wait for them. The time is virtual.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { LogonDelays } from "../../src/Server/internal/State/LogonDelays.ts"
import * as Limits from "../../src/Server/Limits.ts"

const make = (limits: Partial<Limits.Limits> = {}) => new LogonDelays({ ...Limits.defaults, ...limits })

/** Makes a wrong guess. Returns whether it was checked. */
const guess = (delays: LogonDelays, user: string, network: string, ended: Effect.Effect<void> = Effect.never) =>
  Effect.gen(function*() {
    const judged = yield* delays.turn(user, network, ended)
    if (judged) yield* delays.refused(user, network)
    return judged
  })

/** Lets all of `among` guess again and again at the same time. Returns how many guesses were checked. */
const attack = (delays: LogonDelays, among: ReadonlyArray<readonly [user: string, network: string]>, seconds: number) =>
  Effect.gen(function*() {
    let judged = 0
    const guesser = (user: string, network: string) =>
      Effect.forever(Effect.gen(function*() {
        if (yield* guess(delays, user, network)) judged++
        // After a refusal at once the guesser asks again a little later.
        yield* Effect.sleep("250 millis")
      }))
    const all = yield* Effect.forEach(among, ([user, network]) => Effect.forkChild(guesser(user, network)))
    yield* TestClock.adjust(`${seconds} seconds`)
    yield* Fiber.interruptAll(all)
    return judged
  })

const times = <A>(count: number, of: (at: number) => A) => Array.from({ length: count }, (_, at) => of(at))

describe("LogonDelays", () => {
  it.effect("checks two wrong guesses and the next one without a delay", () =>
    Effect.gen(function*() {
      const delays = make()
      for (let i = 0; i < 2; i++) assert.isTrue(yield* guess(delays, "joe", "192.0.2.1"))
      assert.isTrue(yield* delays.turn("joe", "192.0.2.1", Effect.never))
      assert.strictEqual(delays.waiting, 0)
    }))

  it.effect("checks few guesses at one name from one address, with 1 and with 20 guessers", () =>
    Effect.gen(function*() {
      for (const guessers of [1, 20]) {
        const judged = yield* attack(make(), times(guessers, () => ["joe", "192.0.2.1"] as const), 60)
        // Three, then after 0.25, 0.5, 1, 2, 4, 8 and 8 seconds and so on.
        assert.isAtMost(judged, 3 + 5 + 60 / 8)
        assert.isAtLeast(judged, 12)
      }
    }))

  it.effect("checks few guesses from one address, no matter how many names are tried", () =>
    Effect.gen(function*() {
      const judged = yield* attack(make(), times(60, (at) => [`user${at}`, "192.0.2.1"] as const), 30)
      assert.isAtMost(judged, 32 + 2 + 30)
      assert.isAtLeast(judged, 50)
    }))

  it.effect("does not delay a user for guesses from another address, or a known user for guesses from their own", () =>
    Effect.gen(function*() {
      const delays = make()
      yield* delays.succeeded("ann", "192.0.2.1")
      yield* attack(delays, times(40, (at) => [at % 2 === 0 ? "joe" : `user${at}`, "192.0.2.1"] as const), 20)
      assert.isTrue(yield* delays.turn("joe", "192.0.2.2", Effect.never))
      assert.isTrue(yield* delays.turn("ann", "192.0.2.1", Effect.never))
      assert.strictEqual(delays.waiting, 0)
    }))

  it.effect("checks the user's own logon after ten refusals within 8 seconds, and the next one at once", () =>
    Effect.gen(function*() {
      const delays = make()
      for (let i = 0; i < 10; i++) yield* delays.refused("joe", "192.0.2.1")
      const user = yield* Effect.forkChild(delays.turn("joe", "192.0.2.1", Effect.never))
      yield* TestClock.adjust("8 seconds")
      assert.isTrue(yield* Fiber.join(user))
      yield* delays.succeeded("joe", "192.0.2.1")
      assert.isTrue(yield* delays.turn("joe", "192.0.2.1", Effect.never))
    }))

  it.effect("keeps at most the allowed entries, forgets them after refusalTime, and lets at most 16 logons wait", () =>
    Effect.gen(function*() {
      const delays = make({ refusalEntries: 50, refusalTime: "1 minute" })
      for (let i = 0; i < 1000; i++) yield* delays.refused(`${i}`.repeat(i), `192.0.2.${i % 200}`)
      assert.strictEqual(delays.size, 100)
      yield* TestClock.adjust("2 minutes")
      for (let i = 0; i < 50; i++) yield* delays.refused("joe", "198.51.100.1")
      assert.strictEqual(delays.size, 2)
      const all = yield* Effect.forEach(
        times(100, (at) => at),
        () => Effect.forkChild(delays.turn("joe", "198.51.100.1", Effect.never))
      )
      yield* TestClock.adjust(0)
      assert.strictEqual(delays.waiting, 16)
      yield* Fiber.interruptAll(all)
      assert.strictEqual(delays.waiting, 0)
    }))

  it.effect("ends the wait of a client that hangs up", () =>
    Effect.gen(function*() {
      const delays = make({ refusedLogons: 1 })
      yield* delays.refused("joe", "192.0.2.1")
      const gone = delays.turn("joe", "192.0.2.1", Effect.sleep("10 millis"))
      const fiber = yield* Effect.forkChild(gone)
      yield* TestClock.adjust("10 millis")
      assert.isFalse(yield* Fiber.join(fiber))
      assert.strictEqual(delays.waiting, 0)
    }))

  it.effect("counts by the name only if the address is unknown", () =>
    Effect.gen(function*() {
      const delays = make({ addressRefusedLogons: 1 })
      for (let i = 0; i < 50; i++) assert.isTrue(yield* guess(delays, `user${i}`, ""))
    }))
})
