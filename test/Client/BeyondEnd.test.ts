/**
 * The client sends no READ behind the end of a file that it knows. The scripted server signs STATUS_END_OF_FILE
 * wrongly, as ksmbd of Linux 6.12 does. When a READ must be sent because the server says 0 for the size, the client
 * asks for the size again.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Result, Stream } from "effect"
import { Credentials, OpenMode, SmbClient, TestTransport } from "effect-smb"
import * as EndOfFile from "../../src/Client/internal/EndOfFile.ts"
import { ProtocolError } from "../../src/Protocol/Errors.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import * as Scripted from "./scripted.ts"

const path = "\\\\nas\\data\\file.bin"
const chunk = 65536

const served = (content: Uint8Array, faults: ReadonlyArray<TestTransport.Fault> = []) =>
  Effect.provide(
    SmbClient.layer().pipe(
      Layer.provideMerge(TestTransport.layerFiles({ data: { "file.bin": content } }, {
        maximumTransfer: chunk,
        faults: [
          ...faults,
          {
            on: "READ",
            when: ({ request }) => request._tag === "READ" && Number(request.body.offset) >= content.length,
            is: { signature: "wrong" }
          }
        ]
      })),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
    )
  )

const gather = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => Buffer.concat([...chunks]))

const readers: ReadonlyArray<
  readonly [string, (smb: SmbClient.Client, size: number) => Effect.Effect<Uint8Array, unknown>]
> = [
  ["readFile", (smb) => smb.readFile(path)],
  ["stream", (smb) => gather(smb.stream(path))],
  ["stream, past the end", (smb, size) => gather(smb.stream(path, { offset: 0, length: size + 5 * chunk }))],
  ["readTo", (smb) => {
    const chunks: Array<Uint8Array> = []
    return Effect.map(
      smb.readTo(path, (part) => Effect.sync(() => void chunks.push(part.slice()))),
      () => Buffer.concat(chunks)
    )
  }],
  [
    "read of an open file",
    (smb, size) => Effect.scoped(Effect.flatMap(smb.open(path), (file) => file.read(0, size + 3 * chunk)))
  ],
  ["readInto of an open file", (smb, size) => {
    const bytes = new Uint8Array(size + 1)
    return Effect.scoped(Effect.flatMap(smb.open(path), (file) => file.readInto(0, bytes))).pipe(
      Effect.map((count) => bytes.subarray(0, count))
    )
  }],
  ["copy", (smb) => Effect.andThen(smb.copy(path, "\\\\nas\\data\\copy"), smb.readFile("\\\\nas\\data\\copy"))]
]

describe.each([0, 1, 1000, chunk - 1, chunk, chunk + 1, 3 * chunk, 600_000])("a file of %i bytes", (size) => {
  const content = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 0xff)

  it.effect.each(readers.map(([name, run]) => ({ name, run })))(
    "is read completely by $name",
    ({ run }) =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        assert.isTrue(Buffer.from(yield* run(smb, size)).equals(content))
      }).pipe(served(content))
  )

  it.effect("gives no bytes at its end and behind it", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      for (const offset of [size, size + 1, size + 10 * chunk]) {
        assert.strictEqual((yield* gather(smb.stream(path, { offset }))).length, 0)
        const file = yield* smb.open(path)
        assert.strictEqual((yield* file.read(offset, 100)).length, 0)
      }
    }).pipe(Effect.scoped, served(content)))
})

describe("a file that changes while it is open", () => {
  const content = new Uint8Array(1000).fill(1)

  it.effect("is read to its new end when another program appends to it", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const seen: Array<number> = []
      const count = yield* smb.readTo(path, (part, offset) =>
        Effect.gen(function*() {
          seen.push(Number(offset), part.length)
          if (offset !== 0n) return
          const other = yield* smb.open(path, OpenMode.update)
          yield* other.write(1000, new Uint8Array(2 * chunk).fill(2))
          yield* other.close
        }).pipe(Effect.scoped))
      assert.strictEqual(count, BigInt(1000 + 2 * chunk))
      assert.deepStrictEqual(seen, [0, 1000, 1000, chunk, 1000 + chunk, chunk])
      const sent = yield* (yield* TestTransport.TestServers).requests
      const reads = sent.flatMap(({ request }) => request._tag === "READ" ? [Number(request.body.offset)] : [])
      assert.deepStrictEqual(reads, [0, 1000, 1000 + chunk])
    }).pipe(growing))

  it.effect("is read without QUERY_INFO up to where this open wrote, and with it behind where it truncated", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      const file = yield* smb.open(path, OpenMode.update)
      const asked = Effect.map(servers.commands, (all) => all.filter((command) => command === "QUERY_INFO").length)
      yield* file.write(1000, new Uint8Array(500).fill(2))
      assert.strictEqual((yield* file.read(900, 600)).length, 600)
      yield* file.truncate(2000)
      assert.strictEqual((yield* file.read(1900, 100)).length, 100)
      assert.strictEqual(yield* asked, 0)
      yield* file.truncate(500)
      assert.strictEqual((yield* file.read(500, 100)).length, 0)
      assert.strictEqual(yield* asked, 1)
    }).pipe(Effect.scoped, growing))

  it.effect("is read by READ when the server refuses to tell its size", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const { length } = yield* gather(smb.stream(path))
      assert.strictEqual(length, 1000)
      const { commands } = yield* TestTransport.TestServers
      assert.deepStrictEqual((yield* commands).filter((command) => command === "READ").length, 2)
    }).pipe(
      Effect.provide(
        SmbClient.layer().pipe(
          Layer.provideMerge(TestTransport.layerFiles({ data: { "file.bin": content } }, {
            faults: [TestTransport.fault("QUERY_INFO", { status: "STATUS_INVALID_INFO_CLASS" })]
          })),
          Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
        )
      )
    ))

  const growing = Effect.provide(
    SmbClient.layer().pipe(
      Layer.provideMerge(TestTransport.layerFiles({ data: { "file.bin": content } }, { maximumTransfer: chunk })),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
    )
  )
})

describe("a wrongly signed STATUS_END_OF_FILE", () => {
  it.effect("ends the read of an empty file, and not the connection", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      for (let i = 0; i < 3; i++) assert.strictEqual((yield* smb.readFile(path)).length, 0)
      const { commands } = yield* TestTransport.TestServers
      const sent = yield* commands
      assert.strictEqual(sent.filter((command) => command === "NEGOTIATE").length, 1)
      assert.strictEqual(sent.filter((command) => command === "READ").length, 3)
    }).pipe(served(new Uint8Array(0))))

  it.effect("is a BadSignature when the file's size is larger", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const wrongly: ReadonlyArray<Effect.Effect<Uint8Array, unknown>> = [
        smb.readFile(path),
        gather(smb.stream(path)),
        Effect.scoped(Effect.flatMap(smb.open(path), (file) => file.read(0, 100)))
      ]
      for (const read of wrongly) {
        const error = yield* Effect.flip(read)
        assert.deepInclude(error as object, { _tag: "ProtocolError", reason: { _tag: "BadSignature" } })
      }
    }).pipe(
      served(new Uint8Array(100_000), [{ on: "READ", is: { status: "STATUS_END_OF_FILE", signature: "wrong" } }])
    ))
})

describe("a wrong signature", () => {
  it.effect("is a BadSignature whose message names the network, the server, and encryption as a remedy", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.readFile(path))
      assert.deepInclude(error as object, { _tag: "ProtocolError", reason: { _tag: "BadSignature" } })
      assert.include(error.message, "the signature of the response to READ is wrong")
      assert.include(error.message, "changed on the way, or the server signs wrongly")
      assert.include(error.message, "Require encryption")
    }).pipe(served(new Uint8Array(10), [{ on: "READ", is: { signature: "wrong" } }])))
})

describe("a READ that came with the open", () => {
  const failed = (reason: ProtocolError["reason"]) =>
    Result.fail(new ProtocolError({ reason, server: "nas", detail: "test" }))
  const badSignature = failed({ _tag: "BadSignature" })
  const answer = (read: Result.Result<Uint8Array, ProtocolError>, endOfFile: bigint) =>
    EndOfFile.foundAtOpen(Scripted.opened({ endOfFile }), read)

  it("is empty if its response cannot be trusted and the open says that the file is empty, and only then", () => {
    assert.deepStrictEqual(answer(badSignature, 0n), Result.succeed(new Uint8Array(0)))
    for (
      const [read, endOfFile] of [
        [badSignature, 1n],
        [failed({ _tag: "UnexpectedResponse" }), 0n],
        [failed({ _tag: "UnexpectedResponse" }), 1n],
        [Result.succeed(Uint8Array.of(1, 2)), 0n]
      ] as const
    ) {
      assert.strictEqual(answer(read, endOfFile), read)
    }
  })
})

describe("the extent of an open file", () => {
  const extent = (endOfFile: bigint) =>
    new EndOfFile.Extent({ opened: Scripted.opened({ endOfFile }) } as unknown as Share.OpenFile)

  it("ends where the open says, and follows what this open writes and cuts", () => {
    const one = extent(10n)
    const held = () => [4n, 5n, 9n, 10n, 19n, 20n].filter((at) => one.holds(at))
    assert.deepStrictEqual(held(), [4n, 5n, 9n])
    one.extend(20n)
    assert.deepStrictEqual(held(), [4n, 5n, 9n, 10n, 19n])
    // A write within the file does not make it shorter, and a longer end cuts nothing.
    one.extend(5n)
    one.cut(30n)
    assert.deepStrictEqual(held(), [4n, 5n, 9n, 10n, 19n])
    one.cut(5n)
    assert.deepStrictEqual([held(), one.size], [[4n], 5n])
  })

  it("is unknown if the open says 0: what this open writes or cuts does not tell where the file ends", () => {
    for (
      const change of [() => {}, (one: EndOfFile.Extent) => one.extend(5n), (one: EndOfFile.Extent) => one.cut(3n)]
    ) {
      const one = extent(0n)
      change(one)
      assert.isTrue(one.holds(0n))
      assert.isTrue(one.holds(1_000_000n))
    }
  })
})
