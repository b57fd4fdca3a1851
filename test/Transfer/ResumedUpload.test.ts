/** Uploads that are continued: what a run sends after a broken one, over a server in memory that fails. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted, Stream } from "effect"
import { Credentials, OpenMode, SmbClient, TestTransport } from "effect-smb"
import { TestClock } from "effect/testing"
import * as Fs from "node:fs"
import { join } from "node:path"
import type { ClientError } from "../../src/Client/ClientError.ts"
import * as ResumedUpload from "../../src/Transfer/internal/ResumedUpload.ts"
import * as Transfer from "../../src/Transfer/Transfer.ts"
import type { TransferEvent } from "../../src/Transfer/TransferEvent.ts"

const { block } = ResumedUpload

const bytes = (length: number): Uint8Array<ArrayBuffer> => {
  const result = new Uint8Array(length)
  for (let i = 0; i < length; i++) result[i] = i * 7 + (i >> 8) * 3 + (i >> 16)
  return result
}

const provide = (files: TestTransport.Files, faults: ReadonlyArray<TestTransport.Fault>) =>
  Effect.provide(
    SmbClient.layer({ reconnect: "never" }).pipe(
      Layer.provideMerge(TestTransport.layerFiles({ data: files }, { faults, maximumTransfer: 1024 * 1024 })),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
      Layer.provideMerge(NodeServices.layer)
    )
  )

const upload = (source: string, options: Transfer.UploadOptions = {}) =>
  Stream.runCollect(Transfer.upload(source, "//nas/data/film", { resume: true, retries: 0, ...options }))

/** A local file of this size, with a fixed time. */
const local = (size: number) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.map(fs.makeTempDirectoryScoped(), (folder) => {
      const path = join(folder, "film")
      Fs.writeFileSync(path, bytes(size))
      Fs.utimesSync(path, 1_700_000_000, 1_700_000_000)
      return path
    }))

/** The offsets of the bytes that were sent. */
const sent = Effect.map(
  Effect.flatMap(TestTransport.TestServers, ({ requests }) => requests),
  (all) => all.flatMap(({ request }) => request._tag === "WRITE" ? [Number(request.body.offset)] : [])
)

/** Lets all running work continue, also that of sockets and files, without virtual time passing. */
const settle = Effect.promise(async () => {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
})

const namesOf = (smb: SmbClient.Client) =>
  Effect.map(Stream.runCollect(smb.list("//nas/data")), (all) => all.map(({ name }) => name).toSorted())

describe("an upload with resume", () => {
  const size = block + 1_600_000

  it.effect("goes on where a broken connection has ended it, also if the last block has gaps", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const path = yield* local(size)
      const failed = yield* Effect.flip(upload(path))
      assert.strictEqual(failed._tag, "TransportError")
      const [part, ...rest] = (yield* namesOf(smb)).filter((name) => name !== "film")
      assert.match(part!, /^film\.[0-9a-f]{12}\.part$/)
      assert.deepStrictEqual(rest, [])
      const there = Number((yield* smb.stat(`//nas/data/${part}`)).size)
      assert.isAbove(there, block)
      assert.isBelow(there, size)
      // What the last block holds does not count.
      const whole = Math.trunc((there - 1) / block) * block
      const file = yield* smb.open(`//nas/data/${part}`, OpenMode.write)
      yield* file.write(whole, new Uint8Array(there - whole))
      yield* file.close
      const before = (yield* sent).length
      const events = yield* upload(path)
      const again = (yield* sent).slice(before)
      assert.strictEqual(Math.min(...again), whole)
      assert.deepInclude(events[0], { _tag: "Started", offset: whole, size })
      assert.deepStrictEqual(yield* namesOf(smb), ["film"])
      assert.strictEqual(Buffer.compare(yield* smb.readFile("//nas/data/film"), bytes(size)), 0)
      const { lastWriteTime } = yield* smb.stat("//nas/data/film")
      assert.strictEqual(lastWriteTime, 133_444_736_000_000_000n)
      // The whole file is not sent again.
      const skipped = yield* upload(path)
      assert.deepInclude(skipped[0], { _tag: "Skipped", because: "Same" })
    }).pipe(
      Effect.scoped,
      provide({ film: "old" }, [{ on: "WRITE", is: "drop", skip: 5, times: 1 }])
    ))

  it.effect("begins again if the local file is another one, and keeps the old file until the whole new one is there", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const path = yield* local(size)
      yield* Effect.flip(upload(path))
      assert.strictEqual(yield* smb.readFileString("//nas/data/film"), "old")
      const next = bytes(size).fill(5, 0, 10)
      Fs.writeFileSync(path, next)
      Fs.utimesSync(path, 1_700_000_001, 1_700_000_001)
      const before = (yield* sent).length
      const again = yield* Effect.forkChild(upload(path))
      while (Buffer.compare(yield* smb.readFile("//nas/data/film"), next) !== 0) yield* settle
      assert.strictEqual(Math.min(...(yield* sent).slice(before)), 0)
      // The part of the older version goes, like every part of this name that is not written any more.
      assert.lengthOf(yield* namesOf(smb), 2)
      while (again.pollUnsafe() === undefined) {
        yield* TestClock.adjust("500 millis")
        yield* settle
      }
      assert.deepStrictEqual(yield* namesOf(smb), ["film"])
    }).pipe(
      Effect.scoped,
      provide({ film: "old" }, [{ on: "WRITE", is: "drop", skip: 2, times: 1 }])
    ))

  /** The path of the part that a run of `upload` uses. */
  const partOf = Effect.fnUntraced(function*(smb: SmbClient.Client, path: string) {
    yield* Effect.flip(upload(path))
    const names = yield* namesOf(smb)
    return `//nas/data/${names.find((name) => name.endsWith(".part"))!}`
  })

  const kinds = (events: ReadonlyArray<TransferEvent>) =>
    events.flatMap((event) => event._tag === "Warned" ? [event.warning.kind] : [])

  type Plant = (smb: SmbClient.Client, part: string) => Effect.Effect<unknown, ClientError>
  const planted: ReadonlyArray<readonly [string, Plant]> = [
    ["with other bytes", (smb, part) => smb.writeFile(part, new Uint8Array(size).fill(9))],
    ["with one other byte at its end", (smb, part) => {
      const data = bytes(size)
      data[size - 1]! ^= 0xff
      return smb.writeFile(part, data)
    }],
    ["that is longer", (smb, part) => smb.writeFile(part, bytes(size + 1))],
    ["that is a link", (smb, part) => smb.rename("//nas/data/alias", part)],
    [
      "that is a link to the same bytes",
      (smb, part) =>
        Effect.andThen(smb.writeFile("//nas/data/victim", bytes(block)), smb.rename("//nas/data/alias", part))
    ],
    ["that is a directory", (smb, part) => smb.makeDirectory(part)]
  ]

  it.effect.each(planted)("leaves a part %s alone, and sends the whole file", ([, plant]) =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const path = yield* local(size)
      const part = yield* partOf(smb, path)
      yield* smb.remove(part)
      yield* plant(smb, part)
      const victim = yield* smb.readFile("//nas/data/victim")
      const before = yield* smb.stat(part, { follow: false })
      assert.deepStrictEqual(kinds(yield* upload(path)), ["NotContinued"])
      assert.strictEqual(Buffer.compare(yield* smb.readFile("//nas/data/film"), bytes(size)), 0)
      assert.strictEqual(Buffer.compare(yield* smb.readFile("//nas/data/victim"), victim), 0)
      const after = yield* smb.stat(part, { follow: false })
      assert.deepStrictEqual([after.type, after.size], [before.type, before.size])
      assert.deepInclude((yield* upload(path))[0], { _tag: "Skipped", because: "Same" })
    }).pipe(
      Effect.scoped,
      provide({ film: "old", victim: "secret", alias: TestTransport.link("victim") }, [{
        on: "WRITE",
        is: "drop",
        skip: 1,
        times: 1
      }])
    ))

  it.effect("makes a new part in the place of one that proves nothing", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const path = yield* local(size)
      const part = yield* partOf(smb, path)
      yield* smb.writeFile(part, new Uint8Array(10))
      assert.deepStrictEqual(kinds(yield* upload(path)), [])
      assert.deepStrictEqual(yield* namesOf(smb), ["film"])
      assert.strictEqual(Buffer.compare(yield* smb.readFile("//nas/data/film"), bytes(size)), 0)
    }).pipe(Effect.scoped, provide({ film: "old" }, [{ on: "WRITE", is: "drop", skip: 1, times: 1 }])))

  it.effect("fails if the local file changes during the copy, and the old file stays", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const path = yield* local(size)
      const failed = yield* Effect.flip(
        Stream.runForEach(
          Transfer.upload(path, "//nas/data/film", { resume: true, retries: 0 }),
          (event) =>
            Effect.sync(() => event._tag === "Started" ? Fs.utimesSync(path, 1_800_000_000, 1_800_000_000) : {})
        )
      )
      assert.match(failed.message, /changed while it was sent/)
      assert.strictEqual(yield* smb.readFileString("//nas/data/film"), "old")
    }).pipe(Effect.scoped, provide({ film: "old" }, [])))

  it.effect("replaces no read-only file and no directory, before it sends a byte", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const path = yield* local(size)
      yield* smb.setAttributes("//nas/data/film", { fileAttributes: 1 })
      assert.match((yield* Effect.flip(upload(path))).message, /read-only/)
      const into = Stream.runDrain(Transfer.upload(path, "//nas/data/folder", { resume: true, retries: 0 }))
      assert.match((yield* Effect.flip(into)).message, /STATUS_FILE_IS_A_DIRECTORY/)
      assert.deepStrictEqual(yield* sent, [])
    }).pipe(Effect.scoped, provide({ film: "old", folder: {} }, [])))
})
