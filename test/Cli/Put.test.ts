/**
 * `put` with care: a file that changes, a server that fails, and names that a server cannot have. In one process, with
 * servers in memory and real local files.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Stream } from "effect"
import { SmbClient, TestTransport } from "effect-smb"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as FileInformation from "../../src/Codec/FileInformation.ts"
import { AccessMask, CreateOptions } from "../../src/Smb2/Message/Constants.ts"
import { bytes, capturedOutput, creates, failed, fault, folder, provide, put } from "./copies.ts"

const output = capturedOutput()

/** A file system whose files say that they have another size, as those of /proc and a file that is being written do. */
const saying = (size: (real: bigint) => bigint) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs): FileSystem.FileSystem => ({
      ...fs,
      open: (path, options) =>
        Effect.map(fs.open(path, options), (file) =>
          new Proxy(file, {
            get: (target, name) => {
              if (name === "stat") {
                return Effect.map(target.stat, (info) => ({ ...info, size: size(info.size) }))
              }
              const value = Reflect.get(target, name, target)
              return typeof value === "function" ? value.bind(target) : value
            }
          }))
    }))
  )

/** The folder that the test just copies, for a server that is on the same machine. */
let local = ""

describe("put", () => {
  const there = Effect.fnUntraced(function*(name: string) {
    const { read } = yield* TestTransport.TestServers
    return yield* read("nas", "data", name)
  })
  const names = Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const all: Array<string> = []
    yield* smb.walk("\\\\nas\\data").pipe((stream) =>
      Stream.runForEach(stream, (entry) => Effect.sync(() => all.push(entry.path.slice(11))))
    )
    return all.toSorted()
  })
  const source = Effect.fnUntraced(function*(content: Uint8Array | string) {
    const file = join(yield* folder, "f")
    Fs.writeFileSync(file, content)
    return file
  })
  const says: ReadonlyArray<readonly [string, (real: bigint) => bigint]> = [
    ["it", (real) => real],
    ["nothing, as those of /proc", () => 0n],
    ["less, as a file that grows", (real) => real / 2n]
  ]
  for (const [name, size] of says) {
    it.effect.each([0, 1, 59_999, 60_000, 60_001, 60_002, 65_536, 200_000])(
      `a file of %i bytes that says it has ${name}`,
      (length) =>
        Effect.gen(function*() {
          yield* put(yield* source(bytes(length)), "//nas/data/f")
          assert.strictEqual(Buffer.compare((yield* there("f"))!, bytes(length)), 0)
          assert.deepStrictEqual(yield* names, ["f"])
          assert.strictEqual(output.printed, "")
        }).pipe(Effect.provide(saying(size)), Effect.scoped, provide({}, { maximumTransfer: 16_384 }))
    )
  }

  it.effect.each([100, 200_000])(
    "a file of %i bytes that became shorter: the old one stays, and it is said",
    (length) =>
      Effect.gen(function*() {
        const error = yield* failed(put(yield* source(bytes(length)), "//nas/data/f"))
        assert.strictEqual(error.tag, "LocalError")
        assert.match(error.message, new RegExp(`had ${length + 1} bytes when it was opened, and ended after ${length}`))
        assert.strictEqual(Buffer.from((yield* there("f"))!).toString(), "old")
        assert.deepStrictEqual(yield* names, ["f"])
      }).pipe(Effect.provide(saying((real) => real + 1n)), Effect.scoped, provide({ f: "old" }))
  )

  const troubles: ReadonlyArray<readonly [string, TestTransport.Fault]> = [
    ["a WRITE that fails", fault("WRITE", { status: "STATUS_DISK_FULL" }, { skip: 1 })],
    ["the first WRITE that fails", fault("WRITE", { status: "STATUS_ACCESS_DENIED" })],
    [
      "a rename that fails",
      fault("SET_INFO", { status: "STATUS_ACCESS_DENIED" }, {
        when: ({ request }) =>
          request._tag === "SET_INFO" &&
          request.body.fileInfoClass === FileInformation.classes.FileRenameInformation.number
      })
    ]
  ]
  it.effect.each(troubles)("%s: the old file stays, and no part", ([, trouble]) =>
    Effect.gen(function*() {
      const error = yield* failed(put(yield* source(bytes(200_000)), "//nas/data/f"))
      assert.strictEqual(error.tag, "SmbError")
      assert.include(error.message, "\\data\\f", "the name that the user knows")
      assert.strictEqual(Buffer.from((yield* there("f"))!).toString(), "old")
      assert.deepStrictEqual(yield* names, ["f"])
    }).pipe(Effect.scoped, provide({ f: "old" }, { faults: [trouble], maximumTransfer: 65_536 })))

  it.effect("over a directory, or from a folder without -r, is refused", () =>
    Effect.gen(function*() {
      const file = yield* source("new")
      yield* put(file, "//nas/data/d")
      assert.deepStrictEqual(yield* names, ["d", "d\\f"])
      assert.deepInclude(yield* failed(put(join(file, ".."), "//nas/data/d")), { tag: "UsageError" })
      const missing = yield* failed(put(`${file}x`, "//nas/data/d"))
      assert.strictEqual(missing.tag, "LocalError")
      assert.match(missing.message, /no such file/)
      assert.deepInclude(yield* failed(put("-", "//nas/data/d/", { recursive: true })), { tag: "UsageError" })
      assert.deepInclude(yield* failed(put("-", "//nas/data/d/")), { tag: "UsageError" })
    }).pipe(Effect.scoped, provide({ d: {} })))

  it.effect("says the file as an object with --json", () =>
    Effect.gen(function*() {
      const file = yield* source("new")
      yield* put(file, "//nas/data/f", { json: true })
      assert.deepStrictEqual(JSON.parse(output.printed), { path: "\\\\nas\\data\\f", local: file, size: 3 })
    }).pipe(Effect.scoped, provide({})))

  it.effect("in place, a small file in one round trip", () =>
    Effect.gen(function*() {
      const { requests } = yield* TestTransport.TestServers
      const together = Effect.map(requests, (all) =>
        all.flatMap(({ command, header }) => command === "WRITE" ? [(header.flags & 4) !== 0] : []))
      yield* put(yield* source("new"), "//nas/data/f", { inPlace: true })
      yield* put(yield* source(bytes(60_000)), "//nas/data/f", { inPlace: true })
      assert.deepStrictEqual(yield* together, [true, true])
      yield* put(yield* source(bytes(60_001)), "//nas/data/f", { inPlace: true })
      assert.notInclude((yield* together).slice(2), true)
    }).pipe(Effect.scoped, provide({})))

  it.effect("-r: does not send the folder that it writes to, which it knows by a mark that goes again", () =>
    Effect.gen(function*() {
      const here = yield* folder
      Fs.mkdirSync(join(here, "sub"))
      Fs.mkdirSync(join(here, "other"))
      Fs.writeFileSync(join(here, "sub/f"), "f")
      Fs.writeFileSync(join(here, "other/g"), "g")
      local = here
      yield* put(here, "//nas/data/d", { recursive: true })
      assert.deepStrictEqual(yield* names, ["d", "d\\other", "d\\other\\g"])
      assert.lengthOf(output.said, 1)
      assert.match(output.said[0]!, /sub: the copy is written to this folder/)
    }).pipe(
      Effect.scoped,
      provide({}, {
        faults: [{
          when: ({ request }) => {
            if (request._tag !== "CREATE") return false
            const name = /effect-smb-[0-9a-f]{12}$/.exec(request.body.name)?.[0]
            if (name === undefined) return false
            // This machine serves the share.
            Fs.writeFileSync(join(local, "sub", name), "")
            // It may be deleted with its open, and goes with it (FILE_DELETE_ON_CLOSE).
            assert.strictEqual(request.body.desiredAccess & AccessMask.DELETE, AccessMask.DELETE)
            assert.strictEqual(
              request.body.createOptions & CreateOptions.FILE_DELETE_ON_CLOSE,
              CreateOptions.FILE_DELETE_ON_CLOSE
            )
            assert.strictEqual(request.body.createDisposition, 2)
            return false
          },
          is: {}
        }]
      })
    ))

  it.effect("in place, with the same bytes", () =>
    Effect.gen(function*() {
      for (const length of [3, 60_000, 200_000]) {
        yield* put(yield* source(bytes(length)), "//nas/data/f", { inPlace: true })
        assert.strictEqual(Buffer.compare((yield* there("f"))!, bytes(length)), 0)
      }
      assert.deepStrictEqual(yield* names, ["f"])
    }).pipe(Effect.scoped, provide({ f: "a much longer old text than the new one" }, { maximumTransfer: 16_384 })))

  it.effect("-r: a tree without its links, and the names that a server can have", () =>
    Effect.gen(function*() {
      const here = yield* folder
      Fs.mkdirSync(join(here, "sub/empty"), { recursive: true })
      Fs.writeFileSync(join(here, "a"), "one")
      Fs.writeFileSync(join(here, "sub/b"), bytes(70_000))
      Fs.writeFileSync(join(here, "sub/x:y"), "bad")
      Fs.writeFileSync(join(here, "sub/UP"), "first")
      Fs.writeFileSync(join(here, "sub/up"), "second")
      Fs.symlinkSync("/etc", join(here, "link"))
      const error = yield* failed(put(here, "//nas/data/d", { recursive: true }))
      assert.deepStrictEqual(error, { tag: "Incomplete", message: "2 entries could not be copied" })
      assert.deepStrictEqual(yield* names, ["d", "d\\a", "d\\sub", "d\\sub\\UP", "d\\sub\\b", "d\\sub\\empty"])
      assert.strictEqual(Buffer.compare((yield* there("d\\sub\\b"))!, bytes(70_000)), 0)
      assert.strictEqual(Buffer.from((yield* there("d\\sub\\UP"))!).toString(), "first")
      const told = output.said.map((line) => line.replaceAll(here, "")).toSorted()
      assert.lengthOf(told, 3)
      assert.match(told.join("\n"), /link: this is neither a file nor a folder/)
      assert.match(told.join("\n"), /x:y/)
      assert.match(told.join("\n"), /up: not copied/)
    }).pipe(Effect.scoped, provide({})))

  it.effect("-r: what fails alone is told of, and the rest arrives; a full disk ends it", () =>
    Effect.gen(function*() {
      const here = yield* folder
      for (const name of ["a", "b", "c"]) Fs.writeFileSync(join(here, name), name)
      const error = yield* failed(put(here, "//nas/data/d", { recursive: true }))
      assert.deepStrictEqual(error, { tag: "Incomplete", message: "1 entry could not be copied" })
      assert.deepStrictEqual(yield* names, ["d", "d\\a", "d\\b", "d\\c", "full"])
      assert.strictEqual(Buffer.from((yield* there("d\\b"))!).toString(), "old")
      assert.lengthOf(output.said, 1)
      assert.match(output.said[0]!, /d\\b/)
      const full = yield* failed(put(here, "//nas/data/full", { recursive: true }))
      assert.strictEqual(full.tag, "SmbError")
      assert.deepStrictEqual(output.said.slice(1), [])
    }).pipe(
      Effect.scoped,
      provide({ d: { b: "old" }, full: {} }, {
        faults: [
          { when: creates(/d\\b\./), is: { status: "STATUS_ACCESS_DENIED" } },
          { when: creates(/full\\./), is: { status: "STATUS_DISK_FULL" } }
        ]
      })
    ))
})
