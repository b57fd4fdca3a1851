/** Copies of one file: by the server that holds both, and the counts of their events. And one folder on a connection that breaks. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, Redacted, Stream } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import { TestClock } from "effect/testing"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as Transfer from "../../src/Transfer/Transfer.ts"
import type { TransferEvent } from "../../src/Transfer/TransferEvent.ts"

const provide = (options: Omit<TestTransport.ServerOptions, "shares"> = {}) =>
  Effect.provide(
    SmbClient.layer().pipe(
      Layer.provideMerge(TestTransport.layer({
        nas: { user: "joe", password: "secret", shares: { data: { a: "new", b: "old" } }, ...options }
      })),
      Layer.provide(Credentials.layer(Credentials.password("joe", Redacted.make("secret")))),
      Layer.provideMerge(NodeServices.layer)
    )
  )

const data = "\\\\nas\\data"

const names = Effect.flatMap(SmbClient.SmbClient, (smb) => Stream.runCollect(smb.list(data))).pipe(
  Effect.map((entries) => entries.map(({ name }) => name).toSorted())
)

const run = <E extends { readonly message: string }, R>(stream: Stream.Stream<TransferEvent, E, R>) =>
  Effect.gen(function*() {
    const events: Array<TransferEvent> = []
    const end = yield* Stream.runForEach(stream, (event) => Effect.sync(() => void events.push(event))).pipe(
      Effect.match({ onFailure: (error) => error.message, onSuccess: () => "done" })
    )
    return { events, end, last: events.at(-1)?.progress }
  })

describe("a copy by the server", () => {
  it.effect("passes on hidden and system of the file that it replaces, as an upload does", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* smb.setAttributes(`${data}\\b`, { fileAttributes: 0x26 })
      assert.strictEqual((yield* run(Transfer.copyTree(`${data}\\a`, `${data}\\b`))).end, "done")
      assert.strictEqual((yield* smb.stat(`${data}\\b`)).fileAttributes & 0x06, 0x06)
      assert.strictEqual(yield* smb.readFileString(`${data}\\b`), "new")
    }).pipe(provide()))

  it.effect("does not replace a read-only file, and says so before it copies", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* smb.setAttributes(`${data}\\b`, { fileAttributes: 0x01 })
      const error = yield* Effect.flip(Stream.runDrain(Transfer.copyTree(`${data}\\a`, `${data}\\b`)))
      assert.include(error.message, "\\b: The file is read-only")
      assert.strictEqual(yield* smb.readFileString(`${data}\\b`), "old")
      assert.deepStrictEqual(yield* names, ["a", "b"])
    }).pipe(provide()))

  it.effect("stays if the server does not set its time, and the user is told", () =>
    Effect.gen(function*() {
      const { end, events } = yield* run(Transfer.copyTree(`${data}\\a`, `${data}\\c`))
      assert.strictEqual(end, "done")
      assert.deepStrictEqual(events.flatMap((event) => event._tag === "Warned" ? [event.warning.kind] : []), [
        "TimeNotKept"
      ])
      assert.deepStrictEqual(yield* names, ["a", "b", "c"])
    }).pipe(provide({
      faults: [{
        // FileBasicInformation
        when: ({ request }) => request._tag === "SET_INFO" && request.body.fileInfoClass === 4,
        is: { status: "STATUS_NOT_SUPPORTED" }
      }]
    })))

  it.effect("names a part that it cannot remove", () =>
    Effect.gen(function*() {
      const { end, events } = yield* run(Transfer.copyTree(`${data}\\a`, `${data}\\c`))
      assert.include(end, "\\c: ")
      assert.notInclude(end, ".part")
      assert.deepStrictEqual(
        events.flatMap((event) => event._tag === "Warned" ? [[event.warning.kind, event.warning.path.slice(-5)]] : []),
        [["Unfinished", ".part"]]
      )
    }).pipe(provide({
      faults: [{
        // FileRenameInformation, FileDispositionInformation
        when: ({ request }) => request._tag === "SET_INFO" && [10, 13].includes(request.body.fileInfoClass),
        is: { status: "STATUS_ACCESS_DENIED" }
      }]
    })))
})

describe("the counts of one file", () => {
  it.effect("have its size as the total in all directions", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const here = join(yield* fs.makeTempDirectoryScoped(), "a")
      const amount = { files: 1, bytes: 3 }
      const whole = { done: amount, total: amount, isTotalKnown: true }
      assert.deepStrictEqual((yield* run(Transfer.download(`${data}\\a`, here))).last, whole)
      assert.strictEqual(Fs.readFileSync(here, "utf8"), "new")
      assert.deepStrictEqual((yield* run(Transfer.upload(here, `${data}\\c`))).last, whole)
      assert.deepStrictEqual((yield* run(Transfer.copyTree(`${data}\\a`, `${data}\\d`))).last, whole)
      const bytes = Stream.make(Buffer.from("new"))
      assert.deepStrictEqual((yield* run(Transfer.uploadStream(bytes, `${data}\\e`))).last, whole)
    }).pipe(Effect.scoped, provide()))
})

describe("a connection that breaks while a directory at the target is made", () => {
  it.effect("is tried again, as for a file", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const here = yield* fs.makeTempDirectoryScoped()
      Fs.mkdirSync(join(here, "d"))
      Fs.writeFileSync(join(here, "d/x"), "x")
      const fiber = yield* Effect.forkChild(run(Transfer.upload(here, data)), { startImmediately: true })
      const others = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
      while (fiber.pollUnsafe() === undefined) yield* Effect.andThen(TestClock.adjust("100 millis"), others)
      assert.strictEqual((yield* Fiber.join(fiber)).end, "done")
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* smb.readFileString(`${data}\\d\\x`), "x")
    }).pipe(
      Effect.scoped,
      provide({
        faults: [{
          when: ({ request }) => request._tag === "CREATE" && request.body.name === "d",
          times: 2,
          is: "drop"
        }]
      })
    ))
})
