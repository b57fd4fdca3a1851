/**
 * Locks of several ranges that can wait: MS-SMB2 3.3.5.14.2 lets one request wait for one range only. The tests use a
 * scripted open file that refuses what the document refuses.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import * as SmbFile from "../../src/Client/SmbFile.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, type SmbError } from "../../src/Protocol/Errors.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import type * as Share from "../../src/Protocol/Share.ts"

/** The server's side of one file's locks: refuses what the document refuses, otherwise responds as `answer` does. */
const held = (answer: (range: Operation.Range) => Effect.Effect<void, SmbError>) => {
  const locks: Array<bigint> = []
  const requests: Array<readonly [string, ReadonlyArray<bigint>]> = []
  const offsets = (ranges: ReadonlyArray<Operation.Range>) => ranges.map(({ offset }) => offset)
  const run = (operation: Operation.Lock | Operation.Unlock): Effect.Effect<void, SmbError> =>
    Effect.suspend(() => {
      requests.push([operation._tag, offsets(operation.ranges)])
      if (operation._tag === "Unlock") {
        for (const offset of offsets(operation.ranges)) {
          const at = locks.indexOf(offset)
          if (at < 0) return Effect.fail(fromStatus(NtStatus.STATUS_RANGE_NOT_LOCKED, "LOCK"))
          locks.splice(at, 1)
        }
        return Effect.void
      }
      if (operation.ranges.length > 1 && operation.wait) {
        return Effect.fail(fromStatus(NtStatus.STATUS_INVALID_PARAMETER, "LOCK"))
      }
      return Effect.andThen(
        Effect.forEach(operation.ranges, answer, { discard: true }),
        Effect.sync(() => void locks.push(...offsets(operation.ranges)))
      )
    })
  const share = { server: "nas", port: 445, name: "data", limits: { read: 1, write: 1 } } as unknown as Share.Share
  const file = { path: "f", opened: { endOfFile: 9n }, run, close: Effect.void, caching: () => ({}) }
  return { file: SmbFile.make(share, file as unknown as Share.OpenFile), locks, requests }
}

const range = (offset: number) => ({ offset, length: 1 })

describe("a lock of several ranges that can wait", () => {
  it.effect("requests the ranges one by one in the order of offsets, and releases each by its own request", () =>
    Effect.gen(function*() {
      const { file, locks, requests } = held(() => Effect.void)
      yield* Effect.scoped(Effect.andThen(
        file.lock([range(30), range(10), range(20)]),
        Effect.sync(() => assert.deepStrictEqual(locks, [10n, 20n, 30n]))
      ))
      assert.deepStrictEqual(locks, [])
      assert.deepStrictEqual(requests, [
        ["Lock", [10n]],
        ["Lock", [20n]],
        ["Lock", [30n]],
        ["Unlock", [10n]],
        ["Unlock", [20n]],
        ["Unlock", [30n]]
      ])
    }))

  it.effect("releases the granted ranges at once when one is refused, and not again when the scope closes", () =>
    Effect.gen(function*() {
      const refused = fromStatus(NtStatus.STATUS_INVALID_LOCK_RANGE, "LOCK")
      const { file, locks, requests } = held(({ offset }) => offset === 20n ? Effect.fail(refused) : Effect.void)
      const scope = yield* Scope.make()
      const error = yield* Effect.flip(Scope.provide(file.lock([range(10), range(20), range(30)]), scope))
      assert.strictEqual(error, refused)
      assert.deepStrictEqual(locks, [])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(requests, [["Lock", [10n]], ["Lock", [20n]], ["Unlock", [10n]]])
    }))

  it.effect("releases the granted ranges when the caller is interrupted while one waits", () =>
    Effect.gen(function*() {
      const waiting = yield* Deferred.make<void>()
      const { file, locks } = held(({ offset }) =>
        offset === 20n ? Effect.andThen(Deferred.succeed(waiting, undefined), Effect.never) : Effect.void
      )
      const scope = yield* Scope.make()
      const locking = yield* Effect.forkChild(Scope.provide(file.lock([range(10), range(20)]), scope))
      yield* Deferred.await(waiting)
      assert.deepStrictEqual(locks, [10n])
      yield* Fiber.interrupt(locking)
      assert.deepStrictEqual(locks, [])
      yield* Scope.close(scope, Exit.void)
    }))

  it.effect("is one request with `wait: false`", () =>
    Effect.gen(function*() {
      const { file, requests } = held(() => Effect.void)
      yield* Effect.scoped(file.lock([range(30), range(10)], { wait: false }))
      assert.deepStrictEqual(requests, [["Lock", [30n, 10n]], ["Unlock", [30n, 10n]]])
    }))
})

describe("a lock without options", () => {
  it.effect("is exclusive and waits, and is otherwise as its options say", () =>
    Effect.gen(function*() {
      const asked: Array<readonly [exclusive: boolean, wait: boolean]> = []
      const share = { server: "nas", port: 445, name: "data", limits: { read: 1, write: 1 } } as unknown as Share.Share
      const run = (operation: Operation.Lock | Operation.Unlock): Effect.Effect<void> =>
        Effect.sync(() => {
          if (operation._tag === "Lock") asked.push([operation.exclusive, operation.wait])
        })
      const opened = { path: "f", opened: { endOfFile: 9n }, run, close: Effect.void, caching: () => ({}) }
      const file = SmbFile.make(share, opened as unknown as Share.OpenFile)
      yield* Effect.scoped(file.lock([range(1)]))
      yield* Effect.scoped(file.lock([range(1)], {}))
      yield* Effect.scoped(file.lock([range(1)], { exclusive: false }))
      yield* Effect.scoped(file.lock([range(1)], { wait: false }))
      assert.deepStrictEqual(asked, [[true, true], [true, true], [false, true], [true, false]])
    }))
})
