/**
 * When a transfer does its work (docs/transfer.md): the attempts after a failure that may pass, with their pauses, and the limit
 * of bytes a second. By the clock of the test.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit } from "effect"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, TransportError } from "../../src/Protocol/Errors.ts"
import * as VirtualTime from "../../src/Testing/VirtualTime.ts"
import * as Options from "../../src/Transfer/internal/Options.ts"
import type { Warning } from "../../src/Transfer/TransferEvent.ts"

const closed = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 })
const refused = fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "f")

/** Seconds from the start, to the millisecond. */
const seconds = (times: ReadonlyArray<number>) => times.map((time) => (time - times[0]!) / 1000)

/** The attempts of an effect that fails with these errors one after the other, and then succeeds. */
const attempts = Effect.fnUntraced(function*(times: number, errors: ReadonlyArray<typeof closed | typeof refused>) {
  const at: Array<number> = []
  const told: Array<Warning> = []
  const retry = Options.retry(times, (warning) => Effect.sync(() => void told.push(warning)))
  const { exit } = yield* VirtualTime.run(
    retry(
      "f",
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const error = errors[at.length]
        at.push(now)
        return error === undefined ? Effect.void : Effect.fail(error)
      })
    )
  )
  return { at: seconds(at), told, isDone: Exit.isSuccess(exit) }
})

describe("a transfer tries a file again", () => {
  it.effect("after one second, and then after twice the pause before, up to half a minute", () =>
    Effect.gen(function*() {
      const { at, isDone, told } = yield* attempts(8, Array.from({ length: 8 }, () => closed))
      assert.deepStrictEqual(at, [0, 1, 3, 7, 15, 31, 61, 91, 121])
      assert.isTrue(isDone)
      assert.match(told[0]!.message, /Trying again in 1 s \(1 of 8\)$/)
      assert.lengthOf(told, 8)
    }))

  it.effect("as often as the caller says, and not at all with 0", () =>
    Effect.gen(function*() {
      for (const times of [0, 1, 3]) {
        const { at, isDone, told } = yield* attempts(times, Array.from({ length: 9 }, () => closed))
        assert.deepStrictEqual([at.length, told.length, isDone], [times + 1, times, false])
      }
    }))

  it.effect("only as long as each failure may pass", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* attempts(5, [refused])).at, [0])
      const { at, isDone, told } = yield* attempts(5, [closed, refused])
      assert.deepStrictEqual([at, told.length, isDone], [[0, 1], 1, false])
    }))
})

describe("a transfer with a bandwidth", () => {
  /** When each of these counts of bytes passes. */
  const passes = Effect.fnUntraced(function*(rate: number | undefined, counts: ReadonlyArray<number>) {
    const throttle = Options.throttle(rate)
    const at: Array<number> = []
    yield* VirtualTime.run(
      Effect.forEach(
        counts,
        (count) => throttle(count, Effect.map(Clock.currentTimeMillis, (now) => void at.push(now))),
        { concurrency: "unbounded" }
      )
    )
    return seconds(at)
  })

  it.effect("lets so many bytes a second pass over all files, also if it is a single byte", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* passes(1000, [1000, 500, 2000, 1]), [0, 1, 1.5, 3.5])
      assert.deepStrictEqual(yield* passes(1, [1, 2, 1]), [0, 1, 3])
    }))

  it.effect("of 0, or without one, waits for nothing", () =>
    Effect.gen(function*() {
      for (const rate of [0, undefined]) assert.deepStrictEqual(yield* passes(rate, [1000, 1000]), [0, 0])
    }))
})
