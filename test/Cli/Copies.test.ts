/**
 * `get` and `put` with care: what a hostile or failing server, a link, or a file that changes may do to files here and there.
 * In one process, with servers in memory and real local files.
 */
import { NodeServices } from "@effect/platform-node"
import { afterEach, assert, beforeEach, describe, it, vi } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option, Redacted, Result, Stream } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { join, relative } from "node:path"
import * as Copying from "../../src/Cli/Copying.ts"
import * as Remote from "../../src/Cli/Remote.ts"
import * as FileInformation from "../../src/Codec/FileInformation.ts"
import { AccessMask, CreateDisposition, CreateOptions } from "../../src/Smb2/Message/Constants.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import * as LocalFile from "../../src/Transfer/internal/LocalFile.ts"
import type * as Transfer from "../../src/Transfer/Transfer.ts"
import * as UnfinishedFiles from "../../src/Transfer/UnfinishedFiles.ts"

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 3) & 0xff)

/** What the command says on standard error, a line each, and on standard output. */
let said: Array<string> = []
let printed = ""
beforeEach(() => {
  said = []
  printed = ""
  const keep = (use: (text: string) => void) => (chunk: string | Uint8Array, ...rest: ReadonlyArray<unknown>) => {
    use(String(chunk))
    const done = rest.at(-1)
    if (typeof done === "function") done()
    return true
  }
  vi.spyOn(process.stderr, "write").mockImplementation(keep((text) => void said.push(text.trimEnd())))
  vi.spyOn(process.stdout, "write").mockImplementation(keep((text) => void (printed += text)))
})
afterEach(() => void vi.restoreAllMocks())

const plain = {
  json: false,
  quiet: true,
  recursive: false,
  resume: false,
  inPlace: false,
  transfer: { retries: 0 } as Transfer.TransferOptions
}
const path = (text: string): Remote.Remote => Result.getOrThrow(Remote.parse(text, { share: true }))

const provide = (files: TestTransport.Files, options: Omit<TestTransport.ServerOptions, "shares"> = {}) =>
  Effect.provide(
    SmbClient.layer().pipe(
      Layer.provideMerge(TestTransport.layerFiles({ data: files }, options)),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
      Layer.provideMerge(NodeServices.layer)
    )
  )

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

/** All below a local folder: files with their text, folders with undefined, links with their target. */
const below = (top: string): Record<string, string | undefined> => {
  const all: Record<string, string | undefined> = {}
  for (const entry of Fs.readdirSync(top, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    all[relative(top, path)] = entry.isSymbolicLink()
      ? `-> ${Fs.readlinkSync(path)}`
      : entry.isDirectory()
      ? undefined
      : Fs.readFileSync(path, "utf8")
  }
  return all
}

const get = (from: string, to: string, options: Partial<typeof plain> = {}) =>
  Copying.get(path(from), Option.some(to), { ...plain, ...options })
const put = (from: string, to: string, options: Partial<typeof plain> = {}) =>
  Copying.put(from, path(to), { ...plain, ...options })

/** The tag of a failure, and its reason. */
const failed = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(
    Effect.flip(effect),
    (error) => ({ tag: error._tag, message: "message" in error ? `${error.message}` : "" })
  )

/** The requests for a file by its name. */
const opens = (name: string) => ({ command, request }: { command: Message.CommandName; request: Message.Request }) =>
  command === "CREATE" && request._tag === "CREATE" && request.body.name.endsWith(name)

/** A CREATE that makes a file of such a path below the share. */
const creates = (pattern: RegExp) => ({ request }: TestTransport.Received) =>
  request._tag === "CREATE" && pattern.test(request.body.name) && request.body.createDisposition !== 1

/** A CREATE that opens an existing file of such a path. */
const reads = (pattern: RegExp) => ({ request }: TestTransport.Received) =>
  request._tag === "CREATE" && pattern.test(request.body.name) &&
  request.body.createDisposition === CreateDisposition.FILE_OPEN

const fault = (on: Message.CommandName, is: TestTransport.Fault["is"], more: Partial<TestTransport.Fault> = {}) => ({
  on,
  is,
  ...more
})

describe("get", () => {
  it.effect.each([0, 1, 60_000, 60_001, 65_536, 65_537, 300_000])(
    "a file of %i bytes, and nothing next to it",
    (size) =>
      Effect.gen(function*() {
        const here = yield* folder
        yield* get("//nas/data/f", here)
        assert.deepStrictEqual(Fs.readdirSync(here), ["f"])
        assert.strictEqual(Buffer.compare(Fs.readFileSync(join(here, "f")), bytes(size)), 0)
      }).pipe(Effect.scoped, provide({ f: bytes(size) }, { maximumTransfer: 65_536 }))
  )

  const troubles: ReadonlyArray<readonly [string, TestTransport.Fault, string]> = [
    ["a READ that fails", fault("READ", { status: "STATUS_ACCESS_DENIED" }, { skip: 1 }), "SmbError"],
    ["a file that became shorter", fault("READ", { status: "STATUS_END_OF_FILE" }, { skip: 2 }), "FileShortened"],
    ["a connection that ends", fault("READ", "drop", { skip: 2 }), "TransportError"]
  ]
  for (const resume of [false, true]) {
    it.effect.each(troubles)(
      `%s leaves the old file${resume ? ", and what has come to go on from" : " alone"}`,
      ([, trouble, tag]) =>
        Effect.gen(function*() {
          const here = yield* folder
          const target = join(here, "f")
          Fs.writeFileSync(target, "old")
          assert.strictEqual((yield* failed(get("//nas/data/f", target, { resume }))).tag, tag)
          assert.strictEqual(Fs.readFileSync(target, "utf8"), "old")
          const parts = Fs.readdirSync(here).filter((name) => name !== "f")
          assert.lengthOf(parts, resume ? 1 : 0)
          for (const part of parts) {
            const content = Fs.readFileSync(join(here, part))
            assert.strictEqual(Buffer.compare(content, bytes(300_000).subarray(0, content.length)), 0)
          }
        }).pipe(Effect.scoped, provide({ f: bytes(300_000) }, { faults: [trouble], maximumTransfer: 65_536 }))
    )
  }

  it.effect("goes on with what has come, without asking for it again, and leaves a whole file alone", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const { requests } = yield* TestTransport.TestServers
      /** Where the last open of the file was read. */
      const read = Effect.map(
        requests,
        (all) =>
          all.slice(all.findLastIndex(opens("f"))).flatMap(({ request }) =>
            request._tag === "READ" ? [Number(request.body.offset)] : []
          )
      )
      const again = get("//nas/data/f", here, { resume: true, json: true })
      yield* failed(again)
      const [part] = Fs.readdirSync(here)
      const begun = Fs.statSync(join(here, part!)).size
      assert.isAbove(begun, 0)
      yield* again
      assert.deepStrictEqual(Fs.readdirSync(here), ["f"])
      assert.strictEqual(Buffer.compare(Fs.readFileSync(join(here, "f")), bytes(300_000)), 0)
      assert.strictEqual(Math.min(...yield* read), begun)
      yield* again
      assert.deepStrictEqual(yield* read, [])
      const told = printed.trimEnd().split("\n").map((line) => JSON.parse(line))
      assert.deepStrictEqual(told.map(({ skipped, size }) => [size, skipped]), [[300_000, undefined], [300_000, true]])
    }).pipe(
      Effect.scoped,
      provide({ f: bytes(300_000) }, {
        faults: [fault("READ", { status: "STATUS_ACCESS_DENIED" }, { skip: 2, times: 1 })],
        maximumTransfer: 65_536
      })
    ))

  it.effect("a directory only with -r, and a tree not to standard output", () =>
    Effect.gen(function*() {
      const here = yield* folder
      assert.deepInclude(yield* failed(get("//nas/data/d", here)), { tag: "UsageError" })
      assert.deepInclude(yield* failed(get("//nas/data/d", "-", { recursive: true })), { tag: "UsageError" })
      assert.deepInclude(yield* failed(get("//nas/data/d", "-", { resume: true })), { tag: "UsageError" })
      assert.deepStrictEqual(below(here), {})
    }).pipe(Effect.scoped, provide({ d: { x: "x" } })))

  it.effect("-r: a tree with its empty folders, and no link on the way", () =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* get("//nas/data/d", join(here, "d"), { recursive: true })
      assert.deepStrictEqual(below(here), {
        "d": undefined,
        "d/a": "one",
        "d/empty": undefined,
        "d/sub": undefined,
        "d/sub/b": "two"
      })
      assert.lengthOf(said, 1)
      assert.match(said[0]!, /d\\link: this is a symbolic link, and was not copied/)
      yield* get("//nas/data/d/a", here, { recursive: true })
      assert.strictEqual(Fs.readFileSync(join(here, "a"), "utf8"), "one")
    }).pipe(
      Effect.scoped,
      provide({ d: { a: "one", empty: {}, link: TestTransport.link("..\\..\\etc"), sub: { b: "two" } } })
    ))

  it.effect("-r: what fails alone is told of, and the rest arrives", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const error = yield* failed(get("//nas/data/d", join(here, "d"), { recursive: true }))
      assert.deepStrictEqual(error, { tag: "Incomplete", message: "1 entry could not be copied" })
      assert.deepStrictEqual(below(here), { "d": undefined, "d/a": "one", "d/sub": undefined, "d/sub/b": "two" })
      assert.lengthOf(said, 1)
      assert.match(said[0]!, /secret/)
    }).pipe(
      Effect.scoped,
      provide({ d: { a: "one", secret: "no", sub: { b: "two" } } }, {
        faults: [{ when: reads(/secret$/), is: { status: "STATUS_ACCESS_DENIED" } }]
      })
    ))

  it.effect("-r: ends with the connection, and not with a line for each file", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const error = yield* failed(get("//nas/data/d", join(here, "d"), { recursive: true }))
      assert.strictEqual(error.tag, "TransportError")
      assert.deepStrictEqual(said, [])
    }).pipe(
      Effect.scoped,
      provide({ d: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, "x"])) }, {
        faults: [{ when: reads(/f7$/), is: "drop" }]
      })
    ))

  it.effect("-r: a name that would lead out of the folder is not written, wherever it comes from", () =>
    Effect.gen(function*() {
      const top = yield* folder
      Fs.mkdirSync(join(top, "in"))
      yield* Effect.result(get("//nas/data/d", join(top, "in/d"), { recursive: true }))
      assert.deepStrictEqual(below(top), { "in": undefined, "in/d": undefined, "in/d/good": "good" })
    }).pipe(
      Effect.scoped,
      provide({ d: { "good": "good", "..": "bad", "../up": "bad", "/etc/x": "bad", "a/b": "bad", "a\0b": "bad" } })
    ))

  it.effect("-r: an entry that a listing gives and that is not below what was asked for is not written", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const good = yield* smb.stat("\\\\nas\\data\\d\\good")
      const at = (path: string) => ({ ...good, path, name: path.split("\\").at(-1)! })
      const lying = SmbClient.SmbClient.of({
        ...smb,
        walk: () =>
          Stream.make(
            at("\\\\nas\\data\\other\\good"),
            at("\\\\nas\\data\\d2\\good"),
            at("\\\\nas\\data\\d\\..\\up"),
            at("\\\\nas\\data\\d\\sub/../../up"),
            at("\\\\nas\\data\\d\\.\\here"),
            good
          )
      })
      const top = yield* folder
      const error = yield* failed(
        Effect.provideService(get("//nas/data/d", join(top, "d"), { recursive: true }), SmbClient.SmbClient, lying)
      )
      assert.deepStrictEqual(error, { tag: "Incomplete", message: "3 entries could not be copied" })
      assert.deepStrictEqual(below(top), { "d": undefined, "d/good": "good" })
      assert.lengthOf(said, 3)
      for (const line of said) assert.match(line, /no local file can have this name/)
    }).pipe(Effect.scoped, provide({ d: { good: "good" }, d2: { good: "no" }, other: { good: "no" } })))
})

describe("get -r, in how it copies", () => {
  /** Whether each READ came in one round trip with its CREATE. */
  const together = Effect.map(TestTransport.TestServers, ({ requests }) => requests).pipe(
    Effect.flatten,
    Effect.map((all) => all.flatMap(({ command, header }) => command === "READ" ? [(header.flags & 4) !== 0] : []))
  )
  const lines = () => printed.trimEnd().split("\n").map((line) => JSON.parse(line))

  it.effect("says each file as an object with --json, and nothing without", () =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* get("//nas/data/d", join(here, "d"), { recursive: true })
      yield* get("//nas/data/d/a", here)
      assert.strictEqual(printed, "")
      yield* get("//nas/data/d", join(here, "e"), { recursive: true, json: true })
      assert.deepStrictEqual(lines(), [{ path: "\\\\nas\\data\\d\\a", local: join(here, "e/a"), size: 3 }])
      printed = ""
      yield* get("//nas/data/d/a", here, { json: true })
      assert.deepStrictEqual(lines(), [{ path: "\\\\nas\\data\\d\\a", local: join(here, "a"), size: 3 }])
    }).pipe(Effect.scoped, provide({ d: { a: "one" } })))

  it.effect("takes a small file in one round trip, and a larger one, or one to resume, with its own open", () =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* get("//nas/data/small", here, { recursive: true })
      const before = (yield* together).length
      yield* get("//nas/data/small", join(here, "a"), { recursive: true })
      assert.deepStrictEqual((yield* together).slice(before), [true])
      const middle = (yield* together).length
      yield* get("//nas/data/large", join(here, "b"), { recursive: true })
      yield* get("//nas/data/small", join(here, "c"), { recursive: true, resume: true })
      assert.notInclude((yield* together).slice(middle), true)
      assert.deepStrictEqual(below(here), {
        "a": undefined,
        "a/f": "s".repeat(60_000),
        "b": undefined,
        "b/f": "l".repeat(60_001),
        "c": undefined,
        "c/f": "s".repeat(60_000),
        "f": "s".repeat(60_000)
      })
    }).pipe(
      Effect.scoped,
      provide({ small: { f: "s".repeat(60_000) }, large: { f: "l".repeat(60_001) } })
    ))

  it.effect("writes no second file over one that this disk takes for the same", () =>
    Effect.gen(function*() {
      const here = yield* folder
      // What a disk that ignores case does with the second name.
      Fs.mkdirSync(join(here, "d/sub"), { recursive: true })
      Fs.symlinkSync("sub", join(here, "d/SUB"))
      Fs.writeFileSync(join(here, "d/a"), "")
      Fs.symlinkSync("a", join(here, "d/A"))
      const smb = yield* SmbClient.SmbClient
      const entries = yield* Stream.runCollect(smb.walk("\\\\nas\\data\\d"))
      const at = (name: string, path: string) => ({
        ...Array.from(entries).find((entry) => entry.name === name)!,
        name: path.split("\\").at(-1)!,
        path: `\\\\nas\\data\\d\\${path}`
      })
      const twice = SmbClient.SmbClient.of({
        ...smb,
        walk: () => Stream.make(at("a", "a"), at("sub", "sub"), at("a", "A"), at("sub", "SUB"))
      })
      const error = yield* failed(
        Effect.provideService(get("//nas/data/d", join(here, "d"), { recursive: true }), SmbClient.SmbClient, twice)
      )
      assert.deepStrictEqual(error, { tag: "Incomplete", message: "2 entries could not be copied" })
      assert.deepStrictEqual(
        said.map((line) => /[^/]+: not written: on this disk it is the same file as .*\/(\w+),/.exec(line)?.[1])
          .toSorted(),
        ["a", "sub"]
      )
      assert.deepStrictEqual(below(join(here, "d")), { A: "-> a", SUB: "-> sub", a: "one", sub: undefined })
    }).pipe(Effect.scoped, provide({ d: { a: "one", sub: {} } })))

  it.effect("makes the folders of a file that is listed before them", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const one = yield* smb.stat("\\\\nas\\data\\d\\x\\y\\f")
      const early = SmbClient.SmbClient.of({ ...smb, walk: () => Stream.make(one) })
      const here = yield* folder
      yield* Effect.provideService(
        get("//nas/data/d", join(here, "d"), { recursive: true }),
        SmbClient.SmbClient,
        early
      )
      assert.deepStrictEqual(below(here), { "d": undefined, "d/x": undefined, "d/x/y": undefined, "d/x/y/f": "f" })
    }).pipe(Effect.scoped, provide({ d: { x: { y: { f: "f" } } } })))

  it.effect("does not copy the folder that it writes to into itself", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const asked: Array<string> = []
      // This machine serves the share: the mark that the copy made here is there too.
      const own = SmbClient.SmbClient.of({
        ...smb,
        exists: (path) =>
          Effect.sync(() => {
            asked.push(String(path))
            return /\\SUB\\/.test(String(path))
          })
      })
      const here = yield* folder
      yield* Effect.provideService(
        get("//nas/data/d", join(here, "sub"), { recursive: true }),
        SmbClient.SmbClient,
        own
      )
      assert.deepStrictEqual(below(here), { "sub": undefined, "sub/other": undefined, "sub/other/g": "g" })
      assert.lengthOf(asked, 2)
      assert.match(asked[1]!, /^\\\\nas\\data\\d\\SUB\\\.effect-smb-[0-9a-f]{12}$/)
      assert.lengthOf(said, 1)
      assert.match(said[0]!, /SUB: the copy is written to this folder/)
    }).pipe(Effect.scoped, provide({ d: { SUB: { f: "f" }, other: { g: "g" } } })))
})

/** Replaces a file by `content`, through a part of this name. */
const replace = (
  target: string,
  name: string,
  content: string,
  more: { keep?: boolean; size?: number; lastWrite?: number } = {}
) =>
  LocalFile.replace(
    target,
    {
      name,
      keep: more.keep ?? false,
      size: BigInt(more.size ?? content.length),
      lastWrite: more.lastWrite
    },
    (writer) => Effect.as(writer.write(Buffer.from(content).subarray(Number(writer.offset))), writer.offset)
  )

describe("a local file that is replaced", () => {
  const onDisk = Effect.provide(NodeServices.layer)
  it.effect("is whole at once, and its part is gone", () =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* replace(join(here, "f"), ".f.part", "new", { lastWrite: 1_000_000_000_000 })
      assert.deepStrictEqual(below(here), { f: "new" })
      assert.strictEqual(Fs.statSync(join(here, "f")).mtimeMs, 1_000_000_000_000)
      for (
        const [size, time, same] of [[3n, 0, true], [3n, 1, true], [3n, 2, false], [3n, -1, true], [
          4n,
          0,
          false
        ]] as const
      ) {
        assert.strictEqual(yield* LocalFile.isSame(join(here, "f"), size, 1_000_000_000_000 + time), same)
      }
      assert.isFalse(yield* LocalFile.isSame(join(here, "none"), 0n, 0))
      assert.isFalse(yield* LocalFile.isSame(here, BigInt(Fs.statSync(here).size), Fs.statSync(here).mtimeMs))
    }).pipe(Effect.scoped, onDisk))

  it.effect("is not written through a link or a file that somebody put at its part's name", () =>
    Effect.gen(function*() {
      const here = yield* folder
      Fs.writeFileSync(join(here, "precious"), "precious")
      for (
        const put of [
          (at: string) => Fs.symlinkSync("precious", at),
          (at: string) => Fs.linkSync(join(here, "precious"), at),
          (at: string) => Fs.writeFileSync(at, "mine")
        ]
      ) {
        put(join(here, ".f.part"))
        assert.strictEqual((yield* failed(replace(join(here, "f"), ".f.part", "new"))).tag, "LocalError")
        assert.strictEqual(Fs.readFileSync(join(here, "precious"), "utf8"), "precious")
        assert.isFalse(Fs.existsSync(join(here, "f")))
        Fs.rmSync(join(here, ".f.part"), { force: true })
      }
    }).pipe(Effect.scoped, onDisk))

  it.effect("stays a link, whose target is replaced", () =>
    Effect.gen(function*() {
      const here = yield* folder
      Fs.mkdirSync(join(here, "d"))
      Fs.writeFileSync(join(here, "d/real"), "old")
      Fs.symlinkSync("d/real", join(here, "f"))
      yield* replace(join(here, "f"), ".f.part", "new")
      assert.deepStrictEqual(below(here), { "d": undefined, "d/real": "new", "f": "-> d/real" })
    }).pipe(Effect.scoped, onDisk))

  it.effect("is no folder", () =>
    Effect.gen(function*() {
      const here = yield* folder
      Fs.mkdirSync(join(here, "f"))
      const error = yield* failed(replace(join(here, "f"), ".f.part", "new"))
      assert.deepStrictEqual(error, { tag: "LocalError", message: `${join(here, "f")}: is a directory` })
      assert.deepStrictEqual(below(here), { f: undefined })
    }).pipe(Effect.scoped, onDisk))

  // Windows has no FIFO.
  it.effect.skipIf(process.platform === "win32")(
    "is a pipe that stays one, and takes the bytes",
    () =>
      Effect.gen(function*() {
        const here = yield* folder
        const pipe = join(here, "pipe")
        assert.strictEqual(spawnSync("mkfifo", [pipe]).status, 0)
        const fd = yield* Effect.acquireRelease(
          Effect.sync(() => Fs.openSync(pipe, "r+")),
          (fd) => Effect.sync(() => Fs.closeSync(fd))
        )
        yield* replace(pipe, ".pipe.part", "through")
        assert.isTrue(Fs.lstatSync(pipe).isFIFO())
        const buffer = Buffer.alloc(20)
        assert.strictEqual(buffer.toString("utf8", 0, Fs.readSync(fd, buffer)), "through")
        assert.deepStrictEqual(Fs.readdirSync(here), ["pipe"])
      }).pipe(Effect.scoped, onDisk)
  )

  it.effect("goes on where its kept part ends, and from the start where the part is too long to be of it", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const part = join(here, ".f.part")
      for (const [kept, offset] of [["", 0n], ["wh", 2n], ["whole", 5n], ["whole and more", 0n]] as const) {
        Fs.writeFileSync(part, kept)
        assert.strictEqual(yield* replace(join(here, "f"), ".f.part", "whole", { keep: true }), offset)
        assert.deepStrictEqual(below(here), { f: "whole" })
      }
      // Without `keep`, a part is not one to go on with.
      Fs.writeFileSync(part, "wh")
      assert.strictEqual((yield* failed(replace(join(here, "f"), ".f.part", "whole"))).tag, "LocalError")
    }).pipe(Effect.scoped, onDisk))

  it.effect("is removed where the process has to end at once, and a kept part is not", () =>
    Effect.gen(function*() {
      const here = yield* folder
      for (const keep of [false, true]) {
        const name = keep ? ".f.kept" : ".f.part"
        yield* LocalFile.replace(join(here, "f"), { name, keep, size: 3n }, (writer) =>
          Effect.andThen(
            writer.write(Buffer.from("new")),
            Effect.suspend(() => {
              UnfinishedFiles.removeAll()
              assert.strictEqual(Fs.existsSync(join(here, name)), keep)
              return Effect.fail(new LocalFileTest())
            })
          )).pipe(Effect.flip)
        // What is finished is not removed any more.
        yield* replace(join(here, "done"), ".done.part", "done")
        UnfinishedFiles.removeAll()
        assert.strictEqual(Fs.readFileSync(join(here, "done"), "utf8"), "done")
      }
    }).pipe(Effect.scoped, onDisk))

  it.effect("has its outdated parts removed, and no other file", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const own = ".f.0123456789ab.part"
      const names = [
        own,
        ".f.ffffffffffff.part",
        ".f.fffffffffffff.part",
        ".f.gggggggggggg.part",
        ".g.ffffffffffff.part",
        ".ff.ffffffffffff.part",
        "f.ffffffffffff.part",
        ".f.ffffffffffff.par",
        "f"
      ]
      for (const name of names) Fs.writeFileSync(join(here, name), "")
      yield* LocalFile.outdatedParts()(join(here, "f"), own)
      // A part is where the file is, not where a link to it is.
      Fs.mkdirSync(join(here, "d"))
      Fs.symlinkSync("../f", join(here, "d/f"))
      Fs.writeFileSync(join(here, "d/.f.ffffffffffff.part"), "")
      yield* LocalFile.outdatedParts()(join(here, "d/f"), own)
      assert.deepStrictEqual(Fs.readdirSync(join(here, "d")).toSorted(), [".f.ffffffffffff.part", "f"])
      Fs.rmSync(join(here, "d"), { recursive: true })
      assert.deepStrictEqual(
        Fs.readdirSync(here).toSorted(),
        names.filter((name) => name !== ".f.ffffffffffff.part").toSorted()
      )
    }).pipe(Effect.scoped, onDisk))

  it.effect("keeps all parts if the current part does not have its whole name: they can be parts of another file", () =>
    Effect.gen(function*() {
      const here = yield* folder
      // A name that was cut has another start, or another length.
      for (const current of [".g.0123456789ab.part", ".f.x.0123456789ab.part", ".f.0123456789ab.par"]) {
        const names = [current.replace("0123456789ab", "ffffffffffff"), ".f.ffffffffffff.part", current].toSorted()
        for (const name of names) Fs.writeFileSync(join(here, name), "")
        yield* LocalFile.outdatedParts()(join(here, "f"), current)
        assert.deepStrictEqual(Fs.readdirSync(here).toSorted(), names)
        for (const name of names) Fs.rmSync(join(here, name))
      }
    }).pipe(Effect.scoped, onDisk))

  it.effect("costs one listing of its folder, no matter how many files of the folder are copied", () =>
    Effect.gen(function*() {
      const here = yield* folder
      Fs.mkdirSync(join(here, "d"))
      const fs = yield* FileSystem.FileSystem
      const listed: Array<string> = []
      const counting = {
        ...fs,
        readDirectory: (...given: Parameters<typeof fs.readDirectory>) => {
          listed.push(given[0])
          return fs.readDirectory(...given)
        }
      }
      const outdated = LocalFile.outdatedParts()
      for (const name of ["a", "b", "c"]) {
        for (const within of [here, join(here, "d")]) {
          const old = join(within, `.${name}.ffffffffffff.part`)
          if (name === "a") {
            for (const each of ["a", "b", "c"]) Fs.writeFileSync(join(within, `.${each}.ffffffffffff.part`), "")
          }
          yield* outdated(join(within, name), `.${name}.0123456789ab.part`).pipe(
            Effect.provideService(FileSystem.FileSystem, counting)
          )
          assert.isFalse(Fs.existsSync(old))
        }
      }
      assert.deepStrictEqual(listed, [here, join(here, "d")])
    }).pipe(Effect.scoped, onDisk))

  it.effect("goes into a folder that exists, or that is written as one", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const source = path("//nas/data/name")
      const to = (text: string) => Copying.localDestination(Option.some(text), source)
      assert.strictEqual(yield* Copying.localDestination(Option.none(), source), "name")
      assert.strictEqual(yield* to(here), join(here, "name"))
      assert.strictEqual(yield* to(join(here, "other")), join(here, "other"))
      assert.strictEqual(yield* to(`${join(here, "other")}/`), join(here, "other", "name"))
      Fs.writeFileSync(join(here, "file"), "")
      assert.strictEqual(yield* to(join(here, "file")), join(here, "file"))
      // A backslash is a character like others here.
      assert.strictEqual(yield* to(`${join(here, "other")}\\`), `${join(here, "other")}\\`)
      assert.strictEqual(yield* to("other\\"), "other\\")
      // Only what is missing counts as missing.
      Fs.symlinkSync("loop", join(here, "loop"))
      assert.strictEqual((yield* failed(to(join(here, "loop")))).tag, "PlatformError")
    }).pipe(Effect.scoped, onDisk))
})

class LocalFileTest {
  readonly _tag = "LocalFileTest"
}

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
          assert.strictEqual(printed, "")
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
      assert.deepStrictEqual(JSON.parse(printed), { path: "\\\\nas\\data\\f", local: file, size: 3 })
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
      assert.lengthOf(said, 1)
      assert.match(said[0]!, /sub: the copy is written to this folder/)
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
      const told = said.map((line) => line.replaceAll(here, "")).toSorted()
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
      assert.lengthOf(said, 1)
      assert.match(said[0]!, /d\\b/)
      const full = yield* failed(put(here, "//nas/data/full", { recursive: true }))
      assert.strictEqual(full.tag, "SmbError")
      assert.deepStrictEqual(said.slice(1), [])
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
