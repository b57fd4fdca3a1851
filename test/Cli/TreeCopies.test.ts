/**
 * `get -r` and `put -r` where one entry fails, where a folder has the name of the target, and at their end; and `put` from a
 * stream. In one process, with servers in memory and real local files.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stdio, Stream } from "effect"
import { SmbClient, TestTransport } from "effect-smb"
import { TestClock } from "effect/testing"
import { spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { basename, join } from "node:path"
import * as FileTime from "../../src/Codec/FileTime.ts"
import { CreateOptions } from "../../src/Smb2/Message/Constants.ts"
import { capturedOutput, failed, folder, get, provide, put } from "./copies.ts"

const output = capturedOutput()

/** A local folder with these files; a text is a file, and an object a folder. */
interface Tree {
  readonly [name: string]: string | Tree
}
const write = (top: string, tree: Tree): void => {
  for (const [name, content] of Object.entries(tree)) {
    if (typeof content === "string") Fs.writeFileSync(join(top, name), content)
    else {
      Fs.mkdirSync(join(top, name))
      write(join(top, name), content)
    }
  }
}
const read = (top: string): Tree =>
  Object.fromEntries(
    Fs.readdirSync(top, { withFileTypes: true }).map((entry) => [
      entry.name,
      entry.isDirectory() ? read(join(top, entry.name)) : Fs.readFileSync(join(top, entry.name), "utf8")
    ])
  )

/** Everything below the share. */
const there = Effect.gen(function*() {
  const smb = yield* SmbClient.SmbClient
  return Array.from(yield* Stream.runCollect(smb.walk("\\\\nas\\data")), (entry) => entry.path.slice(11)).toSorted()
})

/** The names in the CREATEs so far. */
const opened = Effect.flatMap(
  TestTransport.TestServers,
  ({ requests }) =>
    Effect.map(requests, (all) => all.flatMap(({ request }) => request._tag === "CREATE" ? [request.body.name] : []))
)

const isMark = (name: string) => /\.effect-smb-[0-9a-f]{12}$/.test(name)

describe("get -r", () => {
  const same = (exists: TestTransport.Fault["is"] | undefined): TestTransport.ServerOptions => ({
    faults: exists === undefined ? [] : [{
      when: ({ request }) => request._tag === "CREATE" && isMark(request.body.name),
      is: exists
    }]
  })

  it.effect.each([
    { title: "does not have the mark", exists: undefined },
    { title: "cannot be asked for the mark", exists: { status: "STATUS_ACCESS_DENIED" } as const }
  ])("copies a folder with the name of the target, in any case, if it $title", ({ exists }) =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* get("//nas/data/d", join(here, "Sub"), { recursive: true })
      assert.deepStrictEqual(read(here), { Sub: { sub: { f: "f" }, other: { g: "g" } } })
      assert.deepStrictEqual(output.said, [])
      // At the start itself, and at the folder.
      assert.lengthOf((yield* opened).filter(isMark), 2)
    }).pipe(Effect.scoped, provide({ d: { sub: { f: "f" }, other: { g: "g" } } }, same(exists))))

  it.effect("ends if the connection ends when it asks for the mark", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const { tag } = yield* failed(get("//nas/data/d", join(here, "sub"), { recursive: true }))
      assert.strictEqual(tag, "TransportError")
      assert.deepStrictEqual(output.said, [])
      assert.deepStrictEqual(Object.keys(read(join(here, "sub"))).filter(isMark), [])
    }).pipe(Effect.scoped, provide({ d: { sub: { f: "f" } } }, same("drop"))))

  it.effect("names a folder that cannot be listed, and copies the rest", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const error = yield* failed(get("//nas/data/d", join(here, "e"), { recursive: true, json: true }))
      assert.deepStrictEqual(error, { tag: "Incomplete", message: "1 entry could not be copied" })
      assert.deepStrictEqual(read(join(here, "e")), { closed: {}, open: { g: "g" } })
      assert.deepStrictEqual(output.said.map((line) => JSON.parse(line)).map(({ error, reason }) => [error, reason]), [
        ["SmbError", "AccessDenied"]
      ])
    }).pipe(
      Effect.scoped,
      provide({ d: { closed: { f: "f" }, open: { g: "g" } } }, {
        faults: [{
          when: ({ request }) => request._tag === "CREATE" && request.body.name === "d\\closed",
          is: { status: "STATUS_ACCESS_DENIED" }
        }]
      })
    ))

  it.effect("ends if the connection ends while it lists a folder", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const { tag } = yield* failed(get("//nas/data/d", join(here, "e"), { recursive: true }))
      assert.strictEqual(tag, "TransportError")
      assert.deepStrictEqual(output.said, [])
    }).pipe(
      Effect.scoped,
      provide({ d: { closed: { f: "f" } } }, {
        faults: [{ when: ({ request }) => request._tag === "CREATE" && request.body.name === "d\\closed", is: "drop" }]
      })
    ))

  it.effect("has a warning as an object for a symbolic link with --json", () =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* get("//nas/data/d", join(here, "e"), { recursive: true, json: true })
      const [warning] = output.said.map((line) => JSON.parse(line))
      assert.deepInclude(warning, { warning: "SymbolicLink", path: "\\\\nas\\data\\d\\link" })
      assert.match(warning.message, /d\\link: this is a symbolic link, and was not copied$/)
      assert.lengthOf(output.said, 1)
    }).pipe(Effect.scoped, provide({ d: { link: TestTransport.link("a") } })))

  it.effect("of a share copies all of the share; without -r a share is a directory", () =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* get("//nas/data", join(here, "e"), { recursive: true })
      assert.deepStrictEqual(read(here), { e: { f: "f" } })
      assert.deepInclude(yield* failed(get("//nas/data", here)), { tag: "UsageError" })
    }).pipe(Effect.scoped, provide({ f: "f" })))
})

describe("get", () => {
  it.effect("has the server's time of a file unless the user wants none, and its own errors without -r", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const smb = yield* SmbClient.SmbClient
      const time = Date.UTC(2020, 1, 2, 3, 4, 5)
      yield* smb.setAttributes("\\\\nas\\data\\f", { lastWriteTime: FileTime.fromMillis(time) })
      yield* get("//nas/data/f", join(here, "a"), { resume: true })
      yield* get("//nas/data/f", join(here, "b"))
      yield* get("//nas/data/f", join(here, "c"), { transfer: { times: false } })
      assert.deepStrictEqual(read(here), { a: "f", b: "f", c: "f" })
      const [a, b, c] = ["a", "b", "c"].map((name) => Fs.statSync(join(here, name)).mtimeMs)
      assert.deepStrictEqual([a, b], [time, time])
      assert.isAbove(c!, time + 1e9)
      const missing = yield* failed(get("//nas/data/none", here))
      assert.strictEqual(missing.tag, "SmbError")
      const directory = yield* failed(get("//nas/data/d", here))
      assert.deepStrictEqual(directory, {
        tag: "UsageError",
        message: "\\\\nas\\data\\d is a directory: add -r to copy it with all"
      })
    }).pipe(Effect.scoped, provide({ f: "f", d: {} })))

  it.effect("to standard output writes the bytes and no object", () =>
    Effect.gen(function*() {
      yield* get("//nas/data/f", "-", { json: true })
      assert.deepStrictEqual([output.printed, output.said], ["content", []])
    }).pipe(provide({ f: "content" })))
})

describe("put -r", () => {
  it.effect("looks at the files of a directory that existed, and not at those of a new one", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { f: "new", sub: { g: "g" }, old: { h: "new" } })
      yield* put(here, "//nas/data/d", { recursive: true })
      const names = yield* opened
      // A look opens the final name.
      assert.deepStrictEqual(["d\\f", "d\\sub\\g", "d\\old\\h"].map((name) => names.includes(name)), [
        true,
        false,
        true
      ])
      const servers = yield* TestTransport.TestServers
      assert.strictEqual(Buffer.from((yield* servers.read("nas", "data", "d\\old\\h"))!).toString(), "new")
    }).pipe(Effect.scoped, provide({ d: { f: "old", old: { h: "old" } } })))

  it.effect("makes the directories above its target", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { f: "f" })
      yield* put(here, "//nas/data/a/b/c", { recursive: true, json: true })
      assert.deepStrictEqual(yield* there, ["a", "a\\b", "a\\b\\c", "a\\b\\c\\f"])
      assert.deepStrictEqual(JSON.parse(output.printed), {
        path: "\\\\nas\\data\\a\\b\\c\\f",
        local: join(here, "f"),
        size: 1
      })
    }).pipe(Effect.scoped, provide({})))

  it.effect("has its mark on the server until its end: it goes with its open, which is closed", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { f: "f" })
      yield* put(here, "//nas/data/d", { recursive: true })
      assert.deepStrictEqual(yield* there, ["d", "d\\f"])
      const { requests } = yield* TestTransport.TestServers
      const marks = (yield* requests).flatMap(({ request }) =>
        request._tag === "CREATE" && (request.body.createOptions & CreateOptions.FILE_DELETE_ON_CLOSE) !== 0
          ? [request.body.name]
          : []
      )
      assert.lengthOf(marks, 1)
      assert.match(marks[0]!, /^d\\effect-smb-[0-9a-f]{12}$/)
    }).pipe(Effect.scoped, provide({})))

  /** A fault of the CLOSE that ends the mark; `onClose` is told of that CLOSE. */
  const atEndOfMark = (is: TestTransport.Fault["is"], onClose: () => void): TestTransport.ServerOptions => {
    let isMarked = false
    return {
      faults: [{
        when: ({ request }) => {
          isMarked ||= request._tag === "CREATE" && request.body.name.includes("effect-smb-")
          if (!isMarked || request._tag !== "CLOSE") return false
          onClose()
          return true
        },
        times: 1,
        is
      }]
    }
  }

  it.effect("ends well if the server refuses the CLOSE of its mark", () => {
    let closes = 0
    return Effect.gen(function*() {
      yield* put(yield* folder, "//nas/data/d", { recursive: true })
      assert.deepStrictEqual([closes, output.said], [1, []])
    }).pipe(
      Effect.scoped,
      provide({}, atEndOfMark({ status: "STATUS_ACCESS_DENIED" }, () => void closes++))
    )
  })

  it.effect("waits a second at most for the end of its mark", () => {
    const asked = Promise.withResolvers<void>()
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(put(yield* folder, "//nas/data/d", { recursive: true }))
      yield* Effect.promise(() => asked.promise)
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(output.said, [])
    }).pipe(Effect.scoped, provide({}, atEndOfMark("silence", asked.resolve)))
  })

  it.effect("copies without a mark if the server refuses the mark", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { f: "f" })
      yield* put(here, "//nas/data/d", { recursive: true })
      assert.deepStrictEqual(yield* there, ["d", "d\\f"])
      assert.deepStrictEqual(output.said, [])
    }).pipe(
      Effect.scoped,
      provide({}, {
        faults: [{
          when: ({ request }) => request._tag === "CREATE" && /effect-smb-/.test(request.body.name),
          is: { status: "STATUS_ACCESS_DENIED" }
        }]
      })
    ))

  // Windows has no FIFO.
  it.effect.skipIf(process.platform === "win32")(
    "names a directory that cannot be made, copies the rest, and warns of what is neither file nor folder",
    () =>
      Effect.gen(function*() {
        const here = yield* folder
        write(here, { closed: { f: "f" }, open: { g: "g" } })
        assert.strictEqual(spawnSync("mkfifo", [join(here, "pipe")]).status, 0)
        const error = yield* failed(put(here, "//nas/data/d", { recursive: true, json: true }))
        assert.deepStrictEqual(error, { tag: "Incomplete", message: "1 entry could not be copied" })
        assert.deepStrictEqual(yield* there, ["d", "d\\open", "d\\open\\g"])
        const told = output.said.map((line) => JSON.parse(line))
        assert.sameDeepMembers(told.map(({ error, path, warning }) => [error, warning, path]), [
          ["SmbError", undefined, undefined],
          [undefined, "NoFile", join(here, "pipe")]
        ])
      }).pipe(
        Effect.scoped,
        provide({}, {
          faults: [{
            when: ({ request }) => request._tag === "CREATE" && request.body.name === "d\\closed",
            is: { status: "STATUS_ACCESS_DENIED" }
          }]
        })
      )
  )

  it.effect("does not enter a folder with a name that a server cannot have", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { "a:b": { f: "f" }, g: "g" })
      const error = yield* failed(put(here, "//nas/data/d", { recursive: true }))
      assert.deepStrictEqual(error, { tag: "Incomplete", message: "1 entry could not be copied" })
      assert.deepStrictEqual(yield* there, ["d", "d\\g"])
      assert.match(output.said.join(), /a:b: no name on a server has the character : in it/)
    }).pipe(Effect.scoped, provide({})))
})

describe("put", () => {
  const input = (...chunks: ReadonlyArray<string>) =>
    Effect.updateService(Stdio.Stdio, (stdio): Stdio.Stdio => ({
      ...stdio,
      stdin: Stream.fromIterable(chunks.map((chunk) => Buffer.from(chunk)))
    }))

  it.effect("from standard input writes all of it, through a part", () =>
    Effect.gen(function*() {
      yield* input("one ", "two")(put("-", "//nas/data/f", { json: true }))
      const servers = yield* TestTransport.TestServers
      assert.strictEqual(Buffer.from((yield* servers.read("nas", "data", "f"))!).toString(), "one two")
      assert.deepStrictEqual(JSON.parse(output.printed), { path: "\\\\nas\\data\\f", local: "-", size: 7 })
      assert.isTrue((yield* opened).some((name) => /^f\.[0-9a-f]{12}\.part$/.test(name)))
      assert.deepStrictEqual(yield* there, ["f"])
    }).pipe(provide({ f: "old" })))

  it.effect("from standard input needs the name of a file, and no -r", () =>
    Effect.gen(function*() {
      const nothing = input()
      for (const to of ["//nas/data", "//nas/data/", "//nas/data/d/"]) {
        const error = yield* failed(nothing(put("-", to)))
        assert.strictEqual(error.tag, "UsageError")
        assert.match(error.message, /is a directory: name the file to write$/)
      }
      assert.deepStrictEqual(yield* failed(nothing(put("-", "//nas/data/f", { recursive: true }))), {
        tag: "UsageError",
        message: "-r needs a folder, not -"
      })
      assert.deepStrictEqual(yield* there, ["d"])
    }).pipe(provide({ d: {} })))

  // Windows has no FIFO.
  it.effect.skipIf(process.platform === "win32")(
    "from a pipe writes what comes through it",
    () =>
      Effect.gen(function*() {
        const here = yield* folder
        const pipe = join(here, "pipe")
        assert.strictEqual(spawnSync("mkfifo", [pipe]).status, 0)
        // The shell waits until the command opens the pipe.
        const writer = spawn("sh", ["-c", "printf through > \"$0\"", pipe])
        const ended = new Promise((resolve) => writer.once("close", resolve))
        yield* put(pipe, "//nas/data/", { json: true })
        yield* Effect.promise(() => ended)
        const servers = yield* TestTransport.TestServers
        const content = yield* servers.read("nas", "data", basename(pipe))
        assert.strictEqual(Buffer.from(content!).toString(), "through")
        assert.deepInclude(JSON.parse(output.printed), { local: pipe, size: 7 })
      }).pipe(Effect.scoped, provide({}))
  )

  it.effect("of a name that a server cannot have needs another name there", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const source = join(here, "a:b")
      Fs.writeFileSync(source, "content")
      assert.strictEqual((yield* failed(put(source, "//nas/data/"))).tag, "LocalError")
      yield* put(source, "//nas/data/ab")
      assert.deepStrictEqual(yield* there, ["ab"])
    }).pipe(Effect.scoped, provide({})))

  it.effect("of a named stream writes the stream itself, without a part", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const source = join(here, "f")
      Fs.writeFileSync(source, "content")
      yield* put(source, "//nas/data/f:s")
      assert.deepStrictEqual((yield* opened).filter((name) => name.includes(".part")), [])
      assert.include(yield* opened, "f:s")
    }).pipe(Effect.scoped, provide({ f: "f" })))
})
