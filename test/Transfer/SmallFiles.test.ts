/**
 * Copies of many small files: what a folder has already stays what it is, a file that grows while it is read arrives whole, and
 * one file takes few steps of Effect's run loop, which does not vary with the machine.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted, Stream, Tracer } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as Transfer from "../../src/Transfer/Transfer.ts"

const data = "\\\\nas\\data"
const count = 200
const names = Array.from({ length: count }, (_, i) => `f${i}`)
const text = "small ".repeat(100)

const provide = (files: TestTransport.Files = {}, asked: Array<string> = []) =>
  Effect.provide(
    SmbClient.layer().pipe(
      Layer.provideMerge(
        TestTransport.layer({
          nas: {
            user: "joe",
            password: "secret",
            shares: { data: files },
            // Fails nothing: it takes down what is opened.
            faults: [{
              when: ({ request }) => {
                if (request._tag === "CREATE") asked.push(request.body.name)
                return false
              },
              is: { status: "STATUS_NOT_SUPPORTED" }
            }]
          }
        })
      ),
      Layer.provide(Credentials.layer(Credentials.password("joe", Redacted.make("secret")))),
      Layer.provideMerge(NodeServices.layer)
    )
  )

const asked: Array<string> = []

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

/** Counts the steps of the fibers of this test, and not those of the server, which has its own. */
const counting = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    let steps = 0
    const tracer = Tracer.make({
      span: (options) => new Tracer.NativeSpan(options),
      context: (primitive, fiber) => {
        steps++
        return primitive["~effect/Effect/evaluate"](fiber)
      }
    })
    return Effect.map(Effect.withTracer(effect, tracer), () => steps)
  })

describe("a small file of a tree", () => {
  it.effect("is fetched in few steps", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const steps = yield* counting(Stream.runDrain(Transfer.download(data, join(here, "all"), { concurrency: 16 })))
      assert.deepStrictEqual(Fs.readdirSync(join(here, "all")).toSorted(), names.toSorted())
      // A fifth above the 217 that were measured; a count of nothing would pass it.
      assert.isAbove(steps / count, 20)
      assert.isBelow(steps / count, 260)
    }).pipe(provide(Object.fromEntries(names.map((name) => [name, text])))))

  it.effect("is sent in few steps", () =>
    Effect.gen(function*() {
      const here = yield* folder
      for (const name of names) Fs.writeFileSync(join(here, name), text)
      const steps = yield* counting(Stream.runDrain(Transfer.upload(here, `${data}\\all`, { concurrency: 8 })))
      const smb = yield* SmbClient.SmbClient
      const found = yield* Stream.runCollect(smb.list(`${data}\\all`))
      assert.deepStrictEqual(found.map(({ name }) => name).toSorted(), names.toSorted())
      // A fifth above the 482 that were measured.
      assert.isAbove(steps / count, 20)
      assert.isBelow(steps / count, 580)
    }).pipe(provide()))

  it.effect("replaces the target of a link in a folder that has content, and the link stays", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const outside = yield* folder
      Fs.writeFileSync(join(outside, "real"), "old")
      Fs.symlinkSync(join(outside, "real"), join(here, "a"))
      yield* Stream.runDrain(Transfer.download(data, here))
      assert.isTrue(Fs.lstatSync(join(here, "a")).isSymbolicLink())
      assert.strictEqual(Fs.readFileSync(join(outside, "real"), "utf8"), "new")
      assert.deepStrictEqual(Fs.readdirSync(outside), ["real"])
    }).pipe(provide({ a: "new" })))

  it.effect("does not take the place of a folder, neither in a folder with content nor in a new one", () =>
    Effect.gen(function*() {
      const here = yield* folder
      Fs.mkdirSync(join(here, "a"))
      const failed = yield* Transfer.download(data, here).pipe(
        Stream.runFold(
          (): Array<string> => [],
          (all, event) => event._tag === "Failed" ? [...all, event.error.message] : all
        ),
        Effect.ignore,
        Effect.as(Fs.statSync(join(here, "a")).isDirectory())
      )
      assert.isTrue(failed)
      assert.deepStrictEqual(Fs.readdirSync(here), ["a"])
    }).pipe(provide({ a: "new" })))

  it.effect("leaves nothing if it cannot be written, and no file takes the name of another program's part", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const fs = yield* FileSystem.FileSystem
      const full = FileSystem.make({
        ...fs,
        // The disk is full once the file exists.
        writeFile: (path, bytes, options) =>
          Effect.andThen(fs.writeFile(path, bytes.subarray(0, 1), options), fs.readFileString(join(here, "none")))
            .pipe(Effect.asVoid)
      })
      const events = yield* Transfer.download(data, join(here, "all")).pipe(
        Stream.provideService(FileSystem.FileSystem, full),
        Stream.catch(() => Stream.empty),
        Stream.runCollect
      )
      assert.deepStrictEqual(events.map(({ _tag }) => _tag), ["Started", "Failed"])
      assert.strictEqual(events.at(-1)!.progress.done.bytes, 0)
      assert.deepStrictEqual(Fs.readdirSync(join(here, "all")), [])
    }).pipe(provide({ a: "new" })))

  for (
    const { old, title, perFile } of [
      { title: "an empty folder", old: {}, perFile: 1 },
      { title: "a folder with other files", old: { other: "" }, perFile: 1 },
      {
        title: "a folder with so many others that their names cost more than the questions",
        old: Object.fromEntries(Array.from({ length: 20 * 16 + 1 }, (_, i) => [`other${i}`, ""])),
        perFile: 2
      }
    ]
  ) {
    const asked: Array<string> = []
    it.effect(`takes ${perFile === 1 ? "one open" : "two opens"} when it is sent into ${title}`, () =>
      Effect.gen(function*() {
        const here = yield* folder
        for (const name of names.slice(0, 20)) Fs.writeFileSync(join(here, name), text)
        yield* Stream.runDrain(Transfer.upload(here, `${data}\\to`, { concurrency: 1 }))
        const opened = asked.filter((name) => /\\f\d+(?:\.|$)/.test(name))
        assert.strictEqual(opened.length, 20 * perFile)
      }).pipe(provide({ to: old }, asked)))
  }

  it.effect("is looked for at the target if it is there, or if its name can be the short name of another", () =>
    Effect.gen(function*() {
      const here = yield* folder
      for (const name of ["a", "b", "LONG~1.TXT"]) Fs.writeFileSync(join(here, name), "new")
      const smb = yield* SmbClient.SmbClient
      yield* Stream.runDrain(Transfer.upload(here, `${data}\\to`))
      assert.includeMembers(asked, ["to\\a", "to\\LONG~1.TXT"])
      assert.notInclude(asked, "to\\b")
      assert.strictEqual(yield* smb.readFileString(`${data}\\to\\a`), "new")
    }).pipe(provide({ to: { a: "old" } }, asked)))

  for (const more of [1, 1000, 70_000]) {
    it.effect(`arrives whole if it grew by ${more} bytes after its size was read`, () =>
      Effect.gen(function*() {
        const here = yield* folder
        const fs = yield* FileSystem.FileSystem
        const file = join(here, "log")
        Fs.writeFileSync(file, "first")
        const growing = FileSystem.make({
          ...fs,
          open: (path, options) =>
            Effect.map(fs.open(path, options), (opened) => ({
              ...opened,
              stat: Effect.tap(opened.stat, Effect.sync(() => Fs.appendFileSync(file, "x".repeat(more)))),
              read: (buffer) => opened.read(buffer),
              seek: (offset, from) => opened.seek(offset, from)
            }))
        })
        yield* Transfer.upload(file, `${data}\\log`).pipe(
          Stream.provideService(FileSystem.FileSystem, growing),
          Stream.runDrain
        )
        const smb = yield* SmbClient.SmbClient
        const sent = yield* smb.readFileString(`${data}\\log`)
        assert.strictEqual(sent, `first${"x".repeat(more)}`)
      }).pipe(provide()))
  }
})
