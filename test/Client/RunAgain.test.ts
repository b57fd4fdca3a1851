/**
 * An effect of the client can run more than once: `Effect.retry`, `Effect.repeat` and a value that an app keeps all do
 * that. Each run sends the same requests, and moves the same bytes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, type Sink, Stream } from "effect"
import { type ClientError, Credentials, OpenMode, SmbClient, type SmbFile, TestTransport } from "effect-smb"

const provide = Effect.provide(
  SmbClient.layer().pipe(
    Layer.provideMerge(TestTransport.layerFiles({ data: { "f.txt": "the content", d: { "g.txt": "other" } } })),
    Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
  )
)

const f = "//nas/data/f.txt"
const bytes = (size: number) => Uint8Array.from({ length: size }, (_, i) => i % 251)
/** More than one request: a WRITE has 1 MiB at most. */
const large = bytes(3 * 1024 * 1024 + 5)

const fills = (data: Uint8Array) => (buffer: Uint8Array, offset: bigint) =>
  Effect.sync(() => {
    const part = data.subarray(Number(offset), Number(offset) + buffer.length)
    buffer.set(part)
    return part.length
  })

type OfClient = (smb: SmbClient.Client) => Effect.Effect<unknown, ClientError>

const ofClient: Readonly<Record<string, OfClient>> = {
  readFile: (smb) => smb.readFile(f),
  readFileString: (smb) => smb.readFileString(f),
  "writeFile of a small file": (smb) => smb.writeFile(f, "new"),
  "writeFile of a large file": (smb) => smb.writeFile(f, large),
  "writeFile, atomic": (smb) => smb.writeFile(f, "new", { atomic: true }),
  "writeFile, append": (smb) => smb.writeFile(f, "new", { append: true }),
  stream: (smb) => Stream.runCollect(smb.stream(f)),
  "stream of a range": (smb) => Stream.runCollect(smb.stream(f, { offset: 2, length: 3 })),
  sink: (smb) => Stream.run(Stream.make(bytes(10), bytes(20)), smb.sink(f)),
  readTo: (smb) => smb.readTo(f, () => Effect.void),
  writeFrom: (smb) => smb.writeFrom(f, fills(large)),
  stat: (smb) => smb.stat(f),
  exists: (smb) => smb.exists(f),
  list: (smb) => Stream.runCollect(smb.list("//nas/data")),
  walk: (smb) => Stream.runCollect(smb.walk("//nas/data")),
  "makeDirectory, recursive": (smb) => smb.makeDirectory("//nas/data/d", { recursive: true }),
  removable: (smb) => smb.removable(f),
  copy: (smb) => smb.copy(f, "//nas/data/copy.txt"),
  setAttributes: (smb) => smb.setAttributes(f, { fileAttributes: 2 }),
  truncate: (smb) => smb.truncate(f, 4),
  "security.get": (smb) => smb.security.get(f),
  namedStreams: (smb) => smb.namedStreams(f),
  shares: (smb) => smb.shares("//nas")
}

const ofFile: Readonly<Record<string, (file: SmbFile) => Effect.Effect<unknown, unknown>>> = {
  read: (file) => file.read(0, 11),
  readInto: (file) => file.readInto(0, new Uint8Array(11)),
  "readInto of more than one request": (file) => file.readInto(0, new Uint8Array(large.length)),
  stream: (file) => Stream.runCollect(file.stream()),
  readTo: (file) => file.readTo(() => Effect.void),
  "write of one request": (file) => file.write(0, bytes(10)),
  "write of more than one request": (file) => file.write(0, large),
  append: (file) => file.append(bytes(10)),
  sink: (file) => Stream.run(Stream.make(bytes(10), bytes(20)), file.sink()),
  writeFrom: (file) => file.writeFrom(fills(large)),
  flush: (file) => file.flush,
  truncate: (file) => file.truncate(4),
  lock: (file) => Effect.scoped(file.lock([{ offset: 0, length: 1 }, { offset: 5, length: 1 }], { wait: false }))
}

/** The commands of a run. */
const commandsOf = <E, R>(run: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function*() {
    const servers = yield* TestTransport.TestServers
    const before = (yield* servers.commands).length
    yield* Effect.exit(run)
    return (yield* servers.commands).slice(before)
  })

const same = (run: Effect.Effect<unknown, unknown>) =>
  Effect.gen(function*() {
    // A run changes the file, and can need other requests for what it finds: the second and the third find the same.
    yield* commandsOf(run)
    const second = yield* commandsOf(run)
    assert.isAbove(second.length, 0)
    assert.deepStrictEqual(yield* commandsOf(run), second)
  })

describe("an effect of the client that runs again sends the same requests again", () => {
  for (const [name, operation] of Object.entries(ofClient)) {
    it.effect(name, () => Effect.flatMap(SmbClient.SmbClient, (smb) => same(operation(smb))).pipe(provide))
  }

  for (const [name, operation] of Object.entries(ofFile)) {
    it.effect(`${name} of an open file`, () =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const file = yield* smb.open(f, OpenMode.readWrite)
        yield* same(operation(file))
      }).pipe(Effect.scoped, provide))
  }

  it.effect("a write that is made once and run twice writes its bytes twice", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const file = yield* smb.open(f, OpenMode.readWrite)
      const write = file.write(0, large)
      yield* write
      yield* file.write(0, new Uint8Array(large.length))
      yield* write
      assert.deepStrictEqual(yield* file.read(0, large.length), large)
    }).pipe(Effect.scoped, provide))

  it.effect("a sink that is made once takes two streams", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const sink: Sink.Sink<unknown, Uint8Array, never, ClientError> = smb.sink(f)
      yield* Stream.run(Stream.make(bytes(10)), sink)
      yield* Stream.run(Stream.make(bytes(20)), sink)
      assert.deepStrictEqual(yield* smb.readFile(f), bytes(20))
    }).pipe(provide))
})
