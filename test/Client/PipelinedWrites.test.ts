/**
 * Writes to an open file as several WRITEs: which requests a server gets, how many at once, and whose memory the bytes
 * are in. Over a scripted open file.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import * as SmbFile from "../../src/Client/SmbFile.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import * as Scripted from "./scripted.ts"

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff)

const make = (given: Parameters<typeof Scripted.file>[0], write = 10) => {
  const scripted = Scripted.file(given)
  return { ...scripted, file: SmbFile.make(Scripted.share({ limits: { read: 1, write, transact: 1 } }), scripted.open) }
}

const writes = (requests: ReadonlyArray<Operation.Any>) =>
  requests.flatMap((one) => one._tag === "Write" ? [[Number(one.offset), one.data.length] as const] : [])

/** Fills the buffers with `content`, at most `most` bytes at a time. */
const filling = (content: Uint8Array, most = Infinity) => {
  let at = 0
  return (buffer: Uint8Array) =>
    Effect.sync(() => {
      const part = content.subarray(at, at + Math.min(buffer.length, most))
      buffer.set(part)
      at += part.length
      return part.length
    })
}

/** Splits `content` into chunks of these lengths. */
const split = (content: Uint8Array, lengths: ReadonlyArray<number>) => {
  let at = 0
  return lengths.map((length) => content.subarray(at, at += length))
}

const pieces = (offset: number, length: number, limit: number) =>
  Array.from({ length: Math.ceil(length / limit) }, (_, i) =>
    [
      offset + i * limit,
      Math.min(limit, length - i * limit)
    ] as const)

describe("bytes to write", () => {
  for (const length of [0, 1, 9, 10, 11, 20, 25, 70]) {
    for (const offset of [0, 3]) {
      it.effect(`are WRITEs of the limit, the last one fewer: ${length} bytes from ${offset} on`, () =>
        Effect.gen(function*() {
          const content = bytes(length)
          const ways: ReadonlyArray<(file: SmbFile.SmbFile) => Effect.Effect<unknown, unknown>> = [
            (file) => Effect.as(file.write(offset, content), BigInt(length)),
            (file) => Stream.run(Stream.make(content), file.sink({ offset })),
            (file) => file.writeFrom(filling(content), { offset })
          ]
          for (const run of ways) {
            const { content: written, file, requests } = make({ content: new Uint8Array(100).fill(0xee) })
            assert.strictEqual(yield* run(file), BigInt(length))
            assert.deepStrictEqual(writes(requests), pieces(offset, length, 10))
            assert.strictEqual(requests.length, pieces(offset, length, 10).length)
            const due = new Uint8Array(100).fill(0xee)
            due.set(content, offset)
            assert.deepStrictEqual(written(), due)
          }
        }))
    }
  }

  it.effect("that come in chunks of any size are joined and split to the limit, and whole ones are not copied", () =>
    Effect.gen(function*() {
      const table = [
        [10, 10, 10],
        [3, 4, 5, 20, 1],
        [1, 1, 1],
        [25],
        [0, 10, 0],
        [9, 11, 10],
        [10, 5],
        [5, 10, 5, 10],
        []
      ]
      for (const lengths of table) {
        const length = lengths.reduce((sum, one) => sum + one, 0)
        const content = bytes(length)
        const { content: written, file, requests } = make({})
        const count = yield* Stream.run(Stream.fromIterable(split(content, lengths)), file.sink())
        assert.strictEqual(count, BigInt(length))
        assert.deepStrictEqual(writes(requests), pieces(0, length, 10), String(lengths))
        assert.deepStrictEqual(written(), content)
        // A chunk that begins at the start of a WRITE and fills it goes on as it is.
        const whole = split(content, lengths).filter(({ byteOffset, length }) => byteOffset % 10 === 0 && length >= 10)
        for (const chunk of whole) {
          assert.isTrue(
            requests.some((one) =>
              one._tag === "Write" && one.data.buffer === chunk.buffer && one.data.byteOffset === chunk.byteOffset
            )
          )
        }
      }
    }))

  it.effect("that the server took in part are followed by the rest of the same WRITE", () =>
    Effect.gen(function*() {
      const content = bytes(25)
      const ways: ReadonlyArray<(file: SmbFile.SmbFile) => Effect.Effect<unknown, unknown>> = [
        (file) => file.write(3, content),
        (file) => Stream.run(Stream.make(content), file.sink({ offset: 3 })),
        (file) => file.writeFrom(filling(content), { offset: 3 })
      ]
      for (const run of ways) {
        const answer: Scripted.Answer = (one) =>
          one._tag === "Write" ? Effect.succeed(Math.min(4, one.data.length)) : undefined
        const { file, requests } = make({ answer })
        yield* run(file)
        assert.deepStrictEqual(
          writes(requests).toSorted(([a], [b]) => a - b),
          [[3, 10], [7, 6], [11, 2], [13, 10], [17, 6], [21, 2], [23, 5], [27, 1]]
        )
      }
    }))

  it.effect("of a caller are not copied by write", () =>
    Effect.gen(function*() {
      const { file, requests } = make({})
      const content = bytes(25)
      yield* file.write(0, content)
      assert.isTrue(requests.every((one) => one._tag === "Write" && one.data.buffer === content.buffer))
    }))

  it.effect("end the file behind them with `truncate`, after the last WRITE", () =>
    Effect.gen(function*() {
      for (const truncate of [undefined, false, true]) {
        const { content, file, requests } = make({ content: new Uint8Array(50) })
        yield* file.writeFrom(filling(bytes(25)), { offset: 2, truncate })
        yield* Stream.run(Stream.make(bytes(12)), file.sink({ offset: 2, truncate }))
        assert.strictEqual(content().length, truncate === true ? 14 : 50)
        assert.deepStrictEqual(
          requests.map(({ _tag }) => _tag),
          truncate === true
            ? ["Write", "Write", "Write", "SetInfo", "Write", "Write", "SetInfo"]
            : ["Write", "Write", "Write", "Write", "Write"]
        )
      }
    }))
})

describe("WRITEs at once", () => {
  // Eight of the largest size; more if they are smaller: as many as hold 4 MiB, and at most 64.
  for (
    const [limit, due] of [[1_048_576, 8], [524_287, 9], [131_072, 32], [131_071, 33], [65_536, 64], [10, 64]] as const
  ) {
    it.effect(`are ${due} with a limit of ${limit} bytes`, () =>
      Effect.gen(function*() {
        const content = new Uint8Array(limit * (due + 3))
        const runs: ReadonlyArray<(file: SmbFile.SmbFile) => Effect.Effect<unknown, unknown>> = [
          (file) => file.write(0, content),
          (file) => Stream.run(Stream.make(content), file.sink()),
          (file) => file.writeFrom(() => Effect.succeed(1))
        ]
        for (const run of runs) {
          const { file, requests } = make({ answer: () => Effect.never }, limit)
          const fiber = yield* Effect.forkChild(run(file))
          yield* Scripted.settle
          assert.strictEqual(requests.length, due)
          yield* Fiber.interrupt(fiber)
        }
      }))
  }
})

describe("the buffers that `fill` gets", () => {
  for (
    const [limit, due] of [[2_097_152, 1], [1_048_576, 1], [524_289, 1], [524_288, 2], [130_048, 8], [
      65_536,
      8
    ]] as const
  ) {
    it.effect(`hold ${due} of the WRITEs of ${limit} bytes, whose bytes are lent again after the last of them`, () =>
      Effect.gen(function*() {
        // More than are in flight at once, so that each buffer is lent again.
        const content = new Uint8Array(limit * due * 12).fill(7)
        const waiting = new Map<ArrayBufferLike, number>()
        const stored = new Uint8Array(content.length)
        let most = 0
        const { file } = make({
          answer: (one) =>
            one._tag !== "Write" ? undefined : Effect.suspend(() => {
              const { buffer } = one.data
              const count = (waiting.get(buffer) ?? 0) + 1
              waiting.set(buffer, count)
              most = Math.max(most, count)
              return Effect.map(Scripted.settle, () => {
                stored.set(one.data, Number(one.offset))
                waiting.set(buffer, waiting.get(buffer)! - 1)
                return one.data.length
              })
            })
        }, limit)
        const fill = filling(content)
        yield* file.writeFrom((buffer) => {
          assert.strictEqual(buffer.length, limit * due)
          assert.strictEqual(waiting.get(buffer.buffer) ?? 0, 0)
          return fill(buffer)
        })
        assert.strictEqual(most, due)
        assert.isTrue(Buffer.from(stored.buffer).equals(content))
      }))
  }

  it.effect("hold whole WRITEs up to 1 MiB, are in no WRITE, and are as many as WRITEs in flight", () =>
    Effect.gen(function*() {
      const content = bytes(600)
      const inFlight = new Set<ArrayBufferLike>()
      const lent = new Set<ArrayBufferLike>()
      const stored = new Uint8Array(605)
      const { file } = make({
        answer: (one) =>
          one._tag !== "Write" ? undefined : Effect.suspend(() => {
            inFlight.add(one.data.buffer)
            return Effect.map(Scripted.settle, () => {
              // The bytes are the same as when the WRITE was sent.
              stored.set(one.data, Number(one.offset))
              inFlight.delete(one.data.buffer)
              return one.data.length
            })
          })
      }, 524_288)
      const fill = filling(content, 7)
      let next = 5n
      const count = yield* file.writeFrom((buffer, offset) => {
        assert.strictEqual(buffer.length, 1_048_576)
        assert.isFalse(inFlight.has(buffer.buffer))
        assert.strictEqual(offset, next)
        lent.add(buffer.buffer)
        return Effect.tap(fill(buffer), (count) => Effect.sync(() => next += BigInt(count)))
      }, { offset: 5 })
      assert.strictEqual(count, 600n)
      assert.isAtMost(lent.size, 8)
      assert.deepStrictEqual(stored.subarray(5), content)
    }))

  it.effect("hold as many bytes as `fill` says: a count that is impossible is an ArgumentError, and nothing of it is written", () =>
    Effect.gen(function*() {
      for (const count of [-1, 0.5, Number.NaN, 81, Infinity]) {
        const { file, requests } = make({})
        const error = yield* Effect.flip(file.writeFrom(() => Effect.succeed(count)))
        assert.deepInclude(error, { _tag: "ArgumentError", argument: "the result of fill", value: String(count) })
        assert.match(error.message, /from 0 to 80$/)
        assert.strictEqual(requests.length, 0)
      }
      const { file, requests } = make({})
      const counts = [1, 10, 0]
      assert.strictEqual(yield* file.writeFrom(() => Effect.succeed(counts.shift()!)), 11n)
      assert.deepStrictEqual(writes(requests), [[0, 1], [1, 10]])
    }))
})
