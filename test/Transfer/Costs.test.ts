/**
 * What a transfer asks for, and how much memory a file of it takes: requests to the server, calls of the local file system, and
 * the size of buffers. A large file, or a folder of many files, must not cost more than its content.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, PlatformError, Stream } from "effect"
import { TestTransport } from "effect-smb"
import * as Fs from "node:fs"
import { basename, join } from "node:path"
import { CreateOptions, HeaderFlags } from "../../src/Smb2/Message/Constants.ts"
import * as Transfer from "../../src/Transfer/Transfer.ts"
import { data, folder, provide, run, there, write } from "./transfers.ts"

/** Runs with a file system that `change` makes of the real one. */
const withFiles = (change: (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R>
) =>
  Effect.flatMap(
    FileSystem.FileSystem,
    (fs) => Effect.provideService(effect, FileSystem.FileSystem, { ...fs, ...change(fs) })
  )

/** Open files whose reads `read` changes. */
const withReads = (read: (file: FileSystem.File, buffer: Uint8Array) => ReturnType<FileSystem.File["read"]>) =>
  withFiles((fs) => ({
    open: (path, options) =>
      Effect.map(fs.open(path, options), (file) =>
        new Proxy(file, {
          get: (target, key) =>
            key === "read" ? (buffer: Uint8Array) => read(target, buffer) : Reflect.get(target, key, target)
        }))
  }))

/** The CREATE requests for entries of this name, each with whether a READ comes in the same frame. */
const opensOf = (name: string) =>
  Effect.flatMap(
    TestTransport.TestServers,
    ({ requests }) =>
      Effect.map(requests, (all) =>
        all.flatMap(({ request }, index) => {
          if (request._tag !== "CREATE" || request.body.name !== name) return []
          const next = all[index + 1]
          const isRelated = next !== undefined &&
            (next.header.flags & HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS) !== 0
          return [isRelated && next.request._tag === "READ" ? "CREATE and READ" : "CREATE"]
        }))
  )

describe("a download", () => {
  it.effect("of one file takes one round trip if it is small, unless a part may be there", () =>
    Effect.gen(function*() {
      const here = yield* folder
      for (const [name, first] of [["small", ["CREATE and READ"]], ["large", ["CREATE and READ", "CREATE"]]] as const) {
        const target = join(here, name)
        yield* Stream.runDrain(Transfer.download(`${data}\\${name}`, target, { recursive: false }))
        assert.deepStrictEqual(yield* opensOf(name), [...first])
        // The part of a large file may have nearly all of it: a CREATE with a READ would fetch bytes that are there.
        yield* Stream.runDrain(Transfer.download(`${data}\\${name}`, `${target} 2`, { recursive: false, resume: true }))
        assert.deepStrictEqual(yield* opensOf(name), [...first, "CREATE"])
      }
    }).pipe(Effect.scoped, provide({ small: "small", large: "l".repeat(200_000) })))

  it.effect("of a tree opens a file once, and reads a large one after the CREATE", () =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* Stream.runDrain(Transfer.download(data, here))
      assert.deepStrictEqual(yield* opensOf("small"), ["CREATE and READ"])
      assert.deepStrictEqual(yield* opensOf("large"), ["CREATE"])
    }).pipe(Effect.scoped, provide({ small: "small", large: "l".repeat(200_000) })))

  it.effect("of a tree makes each folder once, and looks at no file in a folder that was empty", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { old: { f0: "old" } })
      const made: Array<string> = []
      const seen: Array<string> = []
      yield* Stream.runDrain(Transfer.download(data, here, { concurrency: 1 })).pipe(
        withFiles((fs) => ({
          makeDirectory: (path, options) => {
            made.push(path.slice(here.length + 1))
            return fs.makeDirectory(path, options)
          },
          stat: (path) => {
            seen.push(path.slice(here.length + 1))
            return fs.stat(path)
          }
        }))
      )
      assert.deepStrictEqual(made.toSorted(), ["", "new", "old"])
      assert.deepStrictEqual(seen.toSorted(), ["old/f0", "old/f1"])
      assert.strictEqual(Fs.readFileSync(join(here, "old/f0"), "utf8"), "0")
    }).pipe(Effect.scoped, provide({ new: { f0: "0", f1: "1" }, old: { f0: "0", f1: "1" } })))

  it.effect("in a dry run writes nothing, not even a mark that goes again", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const written: Array<string> = []
      const changes = (fs: FileSystem.FileSystem): Partial<FileSystem.FileSystem> => ({
        writeFile: (path, ...rest) => {
          written.push(basename(path))
          return fs.writeFile(path, ...rest)
        }
      })
      yield* Stream.runDrain(Transfer.download(data, here, { dryRun: true })).pipe(withFiles(changes))
      assert.deepStrictEqual(written, [])
      yield* Stream.runDrain(Transfer.download(data, here)).pipe(withFiles(changes))
      assert.isAbove(written.length, 0)
    }).pipe(Effect.scoped, provide({ a: "a" })))
})

describe("an upload", () => {
  it.effect("of a large file reads it in pieces", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { large: "l".repeat(30_000_000) })
      let longest = 0
      yield* Stream.runDrain(Transfer.upload(join(here, "large"), `${data}\\large`)).pipe(
        withReads((file, buffer) => {
          longest = Math.max(longest, buffer.length)
          return file.read(buffer)
        })
      )
      assert.isAbove(longest, 0)
      // No WRITE is longer (MS-SMB2 2.2.4, MaxWriteSize).
      assert.isAtMost(longest, 8 * 1024 * 1024)
    }).pipe(Effect.scoped, provide()))

  it.effect.each([[1000], [59_999], [60_000], [60_001], [150_000]])(
    "of a file of %d bytes is whole, no matter how few bytes a read gives",
    ([size]) =>
      Effect.gen(function*() {
        const here = yield* folder
        const content = Array.from({ length: size! }, (_, i) => String.fromCharCode(97 + i % 23)).join("")
        write(here, { a: content })
        const { end, told } = yield* run(Transfer.upload(join(here, "a"), `${data}\\a`)).pipe(
          withReads((file, buffer) => file.read(buffer.subarray(0, Math.min(buffer.length, 7001))))
        )
        assert.deepStrictEqual([end, told], ["done", ["copied a"]])
        assert.deepStrictEqual(yield* there(data), { a: content })
      }).pipe(Effect.scoped, provide())
  )

  it.effect("with resume leaves a part only of a file that takes more than one round trip", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { small: "s".repeat(60_000), large: "l".repeat(60_001) })
      const { end, told } = yield* run(Transfer.upload(here, data, { resume: true, retries: 0 }))
      assert.deepStrictEqual([end, told], ["Incomplete", ["failed large", "failed small"]])
      const left = Object.entries(yield* there(data))
      assert.lengthOf(left, 1)
      assert.match(left[0]![0], /^large\.[0-9a-f]{12}\.part$/)
    }).pipe(
      Effect.scoped,
      // FileRenameInformation
      provide({}, {
        faults: [{
          when: ({ request }) => request._tag === "SET_INFO" && request.body.fileInfoClass === 10,
          is: { status: "STATUS_SHARING_VIOLATION" }
        }]
      })
    ))

  it.effect("into a folder that exists lists it from two files on, and looks at one file alone", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { one: { a: "a" }, two: { a: "a", b: "b" } })
      const { requests } = yield* TestTransport.TestServers
      for (const [name, expected] of [["one", ["look"]], ["two", ["list"]]] as const) {
        const before = (yield* requests).length
        yield* Stream.runDrain(Transfer.upload(join(here, name), `${data}\\${name}`))
        const asked = (yield* requests).slice(before).flatMap(({ request }) =>
          // The parts that earlier uploads have left are looked for at the same time.
          request._tag === "QUERY_DIRECTORY" && !request.body.fileName.endsWith(".part")
            ? ["list"]
            : request._tag === "CREATE" && /\\[ab]$/.test(request.body.name)
            ? ["look"]
            : []
        )
        assert.deepStrictEqual([...new Set(asked)], [...expected], name)
      }
      assert.deepStrictEqual(Object.keys(yield* there(data)).toSorted(), ["one", "one/a", "two", "two/a", "two/b"])
    }).pipe(Effect.scoped, provide({ one: {}, two: {} })))
})

describe("a copy between servers", () => {
  it.effect("lists each directory of the target once, no matter in which order the files come", () =>
    Effect.gen(function*() {
      const { requests } = yield* TestTransport.TestServers
      const before = (yield* requests).length
      const { told } = yield* run(
        Transfer.copyTree(data, "\\\\nas\\other", { existing: "different", concurrency: 1 })
      )
      assert.deepStrictEqual(told, ["copied a", "copied b", "copied c", "copied z"])
      const listed = (yield* requests).slice(before).flatMap(({ request }) =>
        request._tag === "CREATE" && (request.body.createOptions & CreateOptions.FILE_DIRECTORY_FILE) !== 0 &&
          request.body.createDisposition === 1
          ? [request.body.name]
          : []
      )
      // The source and the target have the same names; and the parts that earlier copies have left are looked for.
      assert.deepStrictEqual(listed.toSorted(), ["", "", "", "d", "d", "d"])
    }).pipe(provide({ a: "a", d: { b: "b", c: "c" }, z: "z" })))
})

describe("a dry run of sync with delete", () => {
  it.effect("fails for an entry whose folder this user may not change", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { closed: { x: "x" }, open: { y: "y" } })
      const denied = (path: string) =>
        Effect.fail(PlatformError.systemError({
          _tag: "PermissionDenied",
          module: "FileSystem",
          method: "access",
          pathOrDescriptor: path
        }))
      const { end, told } = yield* run(Transfer.sync(data, here, { delete: true, dryRun: true })).pipe(
        withFiles((fs) => ({
          access: (path, options) => path === join(here, "closed") ? denied(path) : fs.access(path, options)
        }))
      )
      assert.deepStrictEqual([end, told], ["Incomplete", ["Remove y", "failed x"]])
      assert.isTrue(Fs.existsSync(join(here, "open/y")))
    }).pipe(Effect.scoped, provide({ closed: {}, open: {} })))
})
