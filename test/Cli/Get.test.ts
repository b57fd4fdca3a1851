/**
 * `get` with care: what a hostile or failing server, a link, or a name may do to local files, and how a tree is copied. In
 * one process, with servers in memory and real local files.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { SmbClient, TestTransport } from "effect-smb"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as Copying from "../../src/Cli/Copying.ts"
import { below, bytes, capturedOutput, failed, fault, folder, get, opens, path, provide, reads } from "./copies.ts"

const output = capturedOutput()

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
      const told = output.printed.trimEnd().split("\n").map((line) => JSON.parse(line))
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
      assert.lengthOf(output.said, 1)
      assert.match(output.said[0]!, /d\\link: this is a symbolic link, and was not copied/)
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
      assert.lengthOf(output.said, 1)
      assert.match(output.said[0]!, /secret/)
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
      assert.deepStrictEqual(output.said, [])
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
      assert.lengthOf(output.said, 3)
      for (const line of output.said) assert.match(line, /no local file can have this name/)
    }).pipe(Effect.scoped, provide({ d: { good: "good" }, d2: { good: "no" }, other: { good: "no" } })))

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
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})

describe("get -r, in how it copies", () => {
  /** Whether each READ came in one round trip with its CREATE. */
  const together = Effect.map(TestTransport.TestServers, ({ requests }) => requests).pipe(
    Effect.flatten,
    Effect.map((all) => all.flatMap(({ command, header }) => command === "READ" ? [(header.flags & 4) !== 0] : []))
  )
  const lines = () => output.printed.trimEnd().split("\n").map((line) => JSON.parse(line))

  it.effect("says each file as an object with --json, and nothing without", () =>
    Effect.gen(function*() {
      const here = yield* folder
      yield* get("//nas/data/d", join(here, "d"), { recursive: true })
      yield* get("//nas/data/d/a", here)
      assert.strictEqual(output.printed, "")
      yield* get("//nas/data/d", join(here, "e"), { recursive: true, json: true })
      assert.deepStrictEqual(lines(), [{ path: "\\\\nas\\data\\d\\a", local: join(here, "e/a"), size: 3 }])
      output.printed = ""
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
        output.said.map((line) => /[^/]+: not written: on this disk it is the same file as .*\/(\w+),/.exec(line)?.[1])
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
      assert.lengthOf(output.said, 1)
      assert.match(output.said[0]!, /SUB: the copy is written to this folder/)
    }).pipe(Effect.scoped, provide({ d: { SUB: { f: "f" }, other: { g: "g" } } })))
})
