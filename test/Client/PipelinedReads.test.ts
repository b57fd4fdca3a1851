/**
 * Reads of an open file as several READs: which requests a server gets for a range, how many at once, whose memory the
 * bytes are in, and what follows from short and missing responses. Over a scripted open file.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import * as SmbFile from "../../src/Client/SmbFile.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus } from "../../src/Protocol/Errors.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import * as Scripted from "./scripted.ts"

const limit = 1000
const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff)

const make = (given: Parameters<typeof Scripted.file>[0], read = limit) => {
  const scripted = Scripted.file(given)
  return {
    ...scripted,
    file: SmbFile.make(Scripted.share({ limits: { read, write: read, transact: 1 } }), scripted.open)
  }
}

const reads = (requests: ReadonlyArray<Operation.Any>) =>
  requests.flatMap((one) => one._tag === "Read" ? [[Number(one.offset), one.length] as const] : [])
const others = (requests: ReadonlyArray<Operation.Any>) => requests.flatMap(({ _tag }) => _tag === "Read" ? [] : [_tag])

const collect = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => Buffer.concat([...chunks]))

type Range = { readonly offset?: number; readonly length?: number }

/** The ways to read a range. */
const ways: ReadonlyArray<
  readonly [string, (file: SmbFile.SmbFile, range: Range) => Effect.Effect<Uint8Array, unknown>]
> = [
  ["stream", (file, range) => collect(file.stream(range))],
  ["readTo", (file, range) => {
    const chunks: Array<Uint8Array> = []
    let next = BigInt(range.offset ?? 0)
    return Effect.map(
      file.readTo((chunk, offset) =>
        Effect.sync(() => {
          assert.strictEqual(offset, next)
          next += BigInt(chunk.length)
          chunks.push(chunk.slice())
        }), range),
      (count) => {
        const all = Buffer.concat(chunks)
        assert.strictEqual(count, BigInt(all.length))
        return all
      }
    )
  }]
]

describe("a range of a file", () => {
  const size = 2500
  const table: ReadonlyArray<readonly [Range, ReadonlyArray<readonly [number, number]>]> = [
    [{}, [[0, 1000], [1000, 1000], [2000, 500]]],
    [{ offset: 1 }, [[1, 1000], [1001, 1000], [2001, 499]]],
    [{ offset: 1500 }, [[1500, 1000]]],
    [{ offset: 2499 }, [[2499, 1]]],
    [{ length: 999 }, [[0, 999]]],
    [{ length: 1000 }, [[0, 1000]]],
    [{ length: 1001 }, [[0, 1000], [1000, 1]]],
    [{ offset: 10, length: 2000 }, [[10, 1000], [1010, 1000]]],
    [{ offset: 500, length: 2000 }, [[500, 1000], [1500, 1000]]],
    [{ length: 0 }, []],
    [{ offset: 3000, length: 0 }, []]
  ]
  for (const [name, run] of ways) {
    it.effect.each(table.map(([range, due]) => ({ range, due })))(
      `is read by ${name} as READs of at most the limit, and one query of the size only at the end: $range`,
      ({ due, range }) =>
        Effect.gen(function*() {
          const content = bytes(size)
          const { file, requests } = make({ content })
          const found = yield* run(file, range)
          const from = range.offset ?? 0
          assert.isTrue(Buffer.from(found).equals(content.subarray(from, from + (range.length ?? size))))
          assert.deepStrictEqual(reads(requests), due)
          assert.deepStrictEqual(others(requests), range.length === undefined ? ["QueryInfo"] : [])
        })
    )

    it.effect(`behind the end is a query of the size and no READ: ${name}`, () =>
      Effect.gen(function*() {
        for (const range of [{ offset: size }, { offset: size, length: 1 }, { offset: size + 7, length: 5000 }]) {
          const { file, requests } = make({ content: bytes(size) })
          assert.strictEqual((yield* run(file, range)).length, 0)
          assert.deepStrictEqual([reads(requests), others(requests)], [[], ["QueryInfo"]])
        }
      }))

    it.effect(`that the file got after it was opened is read up to the length, and not further: ${name}`, () =>
      Effect.gen(function*() {
        const content = bytes(6000)
        const table: ReadonlyArray<readonly [Range, ReadonlyArray<readonly [number, number]>]> = [
          [{ offset: 50, length: 200 }, [[50, 50], [100, 150]]],
          [{ offset: 50, length: 1050 }, [[50, 50], [100, 1000]]],
          [{ offset: 50, length: 1051 }, [[50, 50], [100, 1000], [1100, 1]]],
          [{ offset: 5000, length: 100 }, [[5000, 100]]]
        ]
        for (const [range, due] of table) {
          const { file, requests } = make({ content, endOfFile: 100n })
          const from = range.offset ?? 0
          assert.isTrue(Buffer.from(yield* run(file, range)).equals(content.subarray(from, from + range.length!)))
          assert.deepStrictEqual(reads(requests), due)
        }
      }))
  }
})

describe("READs at once", () => {
  // Eight of the largest size; more if they are smaller: as many as hold 4 MiB, and at most 64.
  const table = [
    [2_097_152, 8],
    [1_048_576, 8],
    [524_288, 8],
    [524_287, 9],
    [131_072, 32],
    [131_071, 33],
    [65_536, 64],
    [100, 64]
  ] as const
  for (const [read, due] of table) {
    it.effect(`are ${due} with a limit of ${read} bytes`, () =>
      Effect.gen(function*() {
        const size = read * (due + 3)
        const runs: ReadonlyArray<(file: SmbFile.SmbFile) => Effect.Effect<unknown, unknown>> = [
          (file) => Stream.runDrain(file.stream()),
          (file) => file.readTo(() => Effect.void),
          ...(read > 1_048_576 ? [] : [(file: SmbFile.SmbFile) => file.readInto(0, new Uint8Array(size))])
        ]
        for (const run of runs) {
          const { file, requests } = make({ endOfFile: BigInt(size), answer: () => Effect.never }, read)
          const fiber = yield* Effect.forkChild(run(file))
          yield* Scripted.settle
          assert.strictEqual(requests.length, due)
          yield* Fiber.interrupt(fiber)
        }
      }))
  }

  it.effect("are sent again as the consumer takes the chunks", () =>
    Effect.gen(function*() {
      const { file, requests } = make({ content: bytes(200 * 100) }, 100)
      let chunks = 0
      yield* file.readTo(() =>
        Effect.map(Scripted.settle, () => {
          // While the consumer has one chunk, 63 others are read.
          assert.isAtMost(requests.length, ++chunks + 63)
        })
      )
      assert.strictEqual(chunks, 200)
    }))
})

describe("the memory of the bytes", () => {
  const content = bytes(100 * 200)

  it.effect("that readTo lends is that of the READs in flight, and does not change until `use` returns", () =>
    Effect.gen(function*() {
      const { file } = make({ content }, 100)
      const lent = new Set<ArrayBufferLike>()
      yield* file.readTo((chunk, offset) =>
        Effect.gen(function*() {
          lent.add(chunk.buffer)
          yield* Scripted.settle
          assert.isTrue(Buffer.from(chunk).equals(content.subarray(Number(offset), Number(offset) + chunk.length)))
        })
      )
      assert.isAtMost(lent.size, 64)
    }))

  it.effect("that a stream emits belongs to its consumer", () =>
    Effect.gen(function*() {
      const { file } = make({ content }, 100)
      const chunks = [...yield* Stream.runCollect(file.stream())]
      assert.isTrue(Buffer.concat(chunks).equals(content))
      assert.strictEqual(new Set(chunks.map(({ buffer }) => buffer)).size, chunks.length)
    }))

  it.effect("that readInto fills is the caller's, no matter whose memory a response has", () =>
    Effect.gen(function*() {
      const own: Scripted.Answer = (one) =>
        one._tag === "Read"
          ? Effect.succeed(content.slice(Number(one.offset), Number(one.offset) + one.length))
          : undefined
      for (const answer of [undefined, own]) {
        const { file, requests } = make({ content, ...(answer === undefined ? {} : { answer }) }, 100)
        const destination = new Uint8Array(1050)
        assert.strictEqual(yield* file.readInto(7, destination), 1050)
        assert.isTrue(Buffer.from(destination).equals(content.subarray(7, 1057)))
        const places = requests.flatMap((one) => one._tag === "Read" ? [one.destination] : [])
        assert.isTrue(places.every((place) => place?.buffer === destination.buffer))
      }
    }))
})

describe("a short response to a READ", () => {
  const content = bytes(2500)
  /** At most `most` bytes for each READ. */
  const atMost = (most: number): Scripted.Answer => (one) =>
    one._tag === "Read"
      ? Effect.succeed(content.slice(Number(one.offset), Number(one.offset) + Math.min(one.length, most)))
      : undefined

  it.effect("is completed by READs of the rest, and of nothing else", () =>
    Effect.gen(function*() {
      const { file, requests } = make({ content, answer: atMost(400) })
      assert.isTrue(Buffer.from(yield* collect(file.stream({ length: 1500 }))).equals(content.subarray(0, 1500)))
      assert.deepStrictEqual(reads(requests).toSorted(([a], [b]) => a - b), [
        [0, 1000],
        [400, 600],
        [800, 200],
        [1000, 500],
        [1400, 100]
      ])
      assert.deepStrictEqual(others(requests), [])
    }))

  it.effect("ends the read at the end of the file", () =>
    Effect.gen(function*() {
      // The open says 2500 bytes, and the file has 1200.
      const { file, requests } = make({ content: content.subarray(0, 1200), endOfFile: 2500n })
      const chunks: Array<Uint8Array> = []
      const error = yield* Effect.flip(
        Stream.runForEach(file.stream(), (chunk) => Effect.sync(() => chunks.push(chunk)))
      )
      assert.deepInclude(error as object, {
        _tag: "FileShortened",
        path: "\\\\nas\\data\\f",
        expected: 2500n,
        found: 1200n
      })
      assert.isTrue(Buffer.concat(chunks).equals(content.subarray(0, 1200)))
      // Each place is requested once: the rest of the second piece too.
      assert.deepStrictEqual(reads(requests).toSorted(([a], [b]) => a - b), [[0, 1000], [1000, 1000], [1200, 800], [
        2000,
        500
      ]])
    }))

  it.effect("ends the read after the last byte, and no chunk is empty, no matter where in a READ the file ends", () =>
    Effect.gen(function*() {
      for (const end of [0, 1, 999, 1000, 1001, 1002, 2000]) {
        const { file } = make({ content: content.subarray(0, end), endOfFile: 2500n })
        const lengths: Array<number> = []
        const error = yield* Effect.flip(
          Stream.runForEach(file.stream(), (chunk) => Effect.sync(() => lengths.push(chunk.length)))
        )
        assert.deepInclude(error as object, { _tag: "FileShortened", expected: 2500n, found: BigInt(end) })
        assert.strictEqual(lengths.reduce((sum, length) => sum + length, 0), end)
        assert.notInclude(lengths, 0)
      }
    }))

  it.effect("without bytes is the end of readInto, which counts the bytes before the first such response", () =>
    Effect.gen(function*() {
      const gaps: Scripted.Answer = (one) => {
        if (one._tag !== "Read") return undefined
        const at = Number(one.offset)
        // The first gap is known last.
        if (at === 1000) return Effect.as(Scripted.settle, new Uint8Array(0))
        return at === 3000 ? Effect.succeed(new Uint8Array(0)) : undefined
      }
      const { file, requests } = make({ content: bytes(10_000), answer: gaps })
      assert.strictEqual(yield* file.readInto(0, new Uint8Array(10_000)), 1000)
      // The gap at 3000 is known before the READs behind it are sent.
      assert.deepStrictEqual(reads(requests).map(([at]) => at), [0, 1000, 2000, 3000])
      const slow: Scripted.Answer = (_, i) => i === 0 ? Effect.as(Scripted.settle, noBytes) : undefined
      const early = make({ content: bytes(10_000), answer: slow }, 100)
      assert.strictEqual(yield* early.file.readInto(0, new Uint8Array(10_000)), 0)
      assert.isAtLeast(early.requests.length, 64)
    }))

  const noBytes = new Uint8Array(0)
})

describe("the end of a file that its open knows", () => {
  const setInfo = (fileInformationClass: number, size: bigint, length = 8): Operation.SetInfo => ({
    _tag: "SetInfo",
    information: { _tag: "File", fileInformationClass },
    data: new Uint8Array(BigInt64Array.of(size).buffer).subarray(0, length)
  })
  // FileEndOfFileInformation is class 20, FileAllocationInformation is class 19 (MS-FSCC 2.4). The latter cuts a file,
  // and does not make it longer.
  const table: ReadonlyArray<
    readonly [string, (file: SmbFile.SmbFile) => Effect.Effect<unknown, unknown>, end: number]
  > = [
    ["nothing", () => Effect.void, 1000],
    ["a write inside", (file) => file.write(10, new Uint8Array(20)), 1000],
    ["a write at the end", (file) => file.write(1000, new Uint8Array(500)), 1500],
    ["a write over the end", (file) => file.write(900, new Uint8Array(500)), 1400],
    ["truncate to more", (file) => file.truncate(2000), 2000],
    ["truncate to less", (file) => file.truncate(500n), 500],
    [
      "truncate to less, then a write",
      (file) => Effect.andThen(file.truncate(500n), file.write(500, new Uint8Array(7))),
      507
    ],
    ["FileEndOfFileInformation", (file) => file.run(setInfo(20, 700n)), 700],
    ["FileAllocationInformation of less", (file) => file.run(setInfo(19, 700n)), 700],
    ["FileAllocationInformation of more", (file) => file.run(setInfo(19, 7000n)), 1000]
  ]
  it.effect.each(table.map(([name, change, end]) => ({ name, change, end })))(
    "after $name is byte $end: no query before it, and a query instead of a READ behind it",
    ({ change, end }) =>
      Effect.gen(function*() {
        const { file, requests } = make({ content: bytes(1000) })
        yield* change(file)
        requests.length = 0
        assert.strictEqual((yield* file.read(end - 5, 5)).length, 5)
        assert.deepStrictEqual([reads(requests).length, others(requests)], [1, []])
        requests.length = 0
        assert.strictEqual((yield* file.read(end, 5)).length, 0)
        assert.deepStrictEqual([reads(requests), others(requests)], [[], ["QueryInfo"]])
        // The whole is read to this end, and nothing is missing.
        assert.strictEqual((yield* collect(file.stream())).length, end)
      })
  )

  it.effect("that this open moves during a read is the end of the read, without an error", () =>
    Effect.gen(function*() {
      for (const end of [9950, 10_000]) {
        const { file } = make({ content: bytes(20_000) }, 100)
        let first = true
        const count = yield* file.readTo(() => {
          const cuts = first
          first = false
          return cuts ? file.truncate(end) : Effect.void
        })
        assert.strictEqual(count, BigInt(end))
      }
    }))

  it.effect("is not changed by other operations, or by data too short to be a size", () =>
    Effect.gen(function*() {
      for (const operation of [setInfo(4, 10n), setInfo(20, 10n, 7)]) {
        const { file, requests } = make({
          content: bytes(1000),
          answer: (one) => one === operation ? Effect.void : undefined
        })
        yield* file.run(operation)
        assert.strictEqual((yield* collect(file.stream({ length: 1000 }))).length, 1000)
        assert.deepStrictEqual(others(requests), ["SetInfo"])
      }
    }))

  it.effect("is found by READs when the open says 0, and when the server does not return its size", () =>
    Effect.gen(function*() {
      const unknown = make({ content: bytes(1500), endOfFile: 0n })
      assert.strictEqual((yield* collect(unknown.file.stream())).length, 1500)
      assert.deepStrictEqual(others(unknown.requests), [])
      const refuses: Scripted.Answer = (one) =>
        one._tag === "QueryInfo" ? Effect.fail(fromStatus(NtStatus.STATUS_NOT_SUPPORTED, "QUERY_INFO")) : undefined
      const grown = make({ content: bytes(1500), endOfFile: 1000n, answer: refuses })
      assert.strictEqual((yield* collect(grown.file.stream())).length, 1500)
    }))

  it.effect("that has moved on is remembered: bytes before it are read without another query", () =>
    Effect.gen(function*() {
      const { file, requests } = make({ content: bytes(3000), endOfFile: 1000n })
      assert.strictEqual((yield* file.read(1000, 10)).length, 10)
      assert.deepStrictEqual(others(requests), ["QueryInfo"])
      assert.strictEqual((yield* file.read(2990, 10)).length, 10)
      assert.deepStrictEqual(others(requests), ["QueryInfo"])
      assert.strictEqual((yield* file.read(3000, 10)).length, 0)
      assert.deepStrictEqual(others(requests), ["QueryInfo", "QueryInfo"])
    }))
})
