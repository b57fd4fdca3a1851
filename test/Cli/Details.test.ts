/** `stat`, `streams`, `versions`, `touch` and `attrib` against the own server on loopback, in this process. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SmbClient } from "effect-smb"
import * as Attributes from "../../src/Cli/Attributes.ts"
import * as Details from "../../src/Cli/Details.ts"
import * as Touch from "../../src/Cli/Touch.ts"
import * as FileTime from "../../src/Codec/FileTime.ts"
import * as Served from "./served.ts"

/** Runs with a client of a server that has the file `Some long name.txt` with two streams. */
const withFile = <A, E, R>(use: (base: string, smb: SmbClient.Client) => Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { port } = yield* Served.server()
    const context = yield* Layer.build(Served.client({ port }))
    const smb = Context.get(context, SmbClient.SmbClient)
    const base = `//127.0.0.1:${port}/data`
    yield* smb.writeFile(`${base}/Some long name.txt`, "hello")
    yield* smb.writeFile(`${base}/Some long name.txt:one`, "1")
    yield* smb.writeFile(`${base}/Some long name.txt:two`, "22")
    return yield* Effect.provide(use(base, smb), context)
  }).pipe(Effect.scoped)

const printed = Served.printed

describe("stat", () => {
  it.live("shows what the server tells beyond a listing: links, number, short name, streams and rights", () =>
    withFile((base, smb) =>
      Effect.gen(function*() {
        const path = Served.path(`${base}/Some long name.txt`)
        const time = FileTime.fromMillis(Date.UTC(2026, 0, 2, 3, 4, 5))
        yield* smb.setAttributes(path, { fileAttributes: 3, lastWriteTime: time })
        const { lines } = yield* printed(Details.stat([path], { json: false, follow: false }))
        const facts = new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(12).trim()]))
        assert.strictEqual(facts.get("size"), "5")
        assert.strictEqual(facts.get("attributes"), "readonly, hidden (0x00000003)")
        assert.match(facts.get("written")!, /^2026-01-02T03:04:05/)
        assert.strictEqual(facts.get("links"), "1")
        assert.match(facts.get("id")!, /^\d+$/)
        assert.match(facts.get("short name")!, /^[A-Z0-9]{1,6}~[A-Z0-9]\.TXT$/)
        assert.strictEqual(facts.get("streams"), "one (1 byte), two (2 bytes)")
        assert.match(facts.get("rights")!, /^read, write, append, execute, delete/)
        const [object] = (yield* printed(Details.stat([path], { json: true, follow: true }))).objects()
        assert.deepInclude(object, {
          name: "Some long name.txt",
          links: 1,
          deletePending: false,
          streams: [{ name: "one", size: 1 }, { name: "two", size: 2 }]
        })
        assert.include(object.rights, "take ownership")
        assert.strictEqual(object.fileId, facts.get("id"))
        const missing = yield* printed(Details.stat([Served.path(`${base}/no`)], { json: false, follow: false }))
        assert.strictEqual(missing.failure?.json?.reason, "ObjectNameNotFound")
      })
    ))
})

describe("streams", () => {
  it.live("lists the named streams, and removes those that are named", () =>
    withFile((base, smb) =>
      Effect.gen(function*() {
        const path = Served.path(`${base}/Some long name.txt`)
        const { lines } = yield* printed(Details.streams(path, { json: false, remove: [] }))
        assert.deepStrictEqual(lines.map((line) => line.trim()), ["1 one", "2 two"])
        const run = yield* printed(Details.streams(path, { json: false, remove: ["none", "one"] }))
        // The missing one is one line, and the other is gone.
        assert.match(run.err, /:none: .*STATUS_OBJECT_NAME_NOT_FOUND/)
        assert.strictEqual(run.failure?.message, "1 entry could not be removed")
        assert.deepStrictEqual((yield* smb.namedStreams(path)).map(({ name }) => name), ["two"])
        assert.strictEqual(yield* smb.readFileString(path), "hello")
        const wrong = yield* printed(Details.streams(path, { json: false, remove: ["a:$DATA"] }))
        assert.strictEqual(wrong.failure?.code, 2)
        const [object] = (yield* printed(Details.streams(path, { json: true, remove: [] }))).objects()
        assert.strictEqual(yield* smb.readFileString(object.path), "22")
      })
    ))
})

describe("versions", () => {
  it.effect("are paths with the token below the share, which `stat` and the others take", () =>
    Effect.gen(function*() {
      const token = "@GMT-2026.11.21-08.30.00"
      const smb = SmbClient.SmbClient.of({ previousVersions: () => Effect.succeed([token]) } as never)
      const run = (path: string, json: boolean) =>
        Effect.provideService(printed(Details.versions(Served.path(path), { json })), SmbClient.SmbClient, smb)
      assert.deepStrictEqual((yield* run("//nas/data/d/f.txt", false)).lines, [`//nas/data/${token}/d/f.txt`])
      assert.deepStrictEqual((yield* run("//nas/data", false)).lines, [`//nas/data/${token}`])
      const [object] = (yield* run("//nas/data/f", true)).objects()
      assert.deepInclude(object, { version: token, path: `\\\\nas\\data\\${token}\\f` })
      assert.match(object.time, /^2026-11-21T08:30:00/)
    }))
})

describe("touch", () => {
  it.live("sets both times, creates what is missing unless it should not, and keeps the content", () =>
    withFile((base, smb) =>
      Effect.gen(function*() {
        const path = Served.path(`${base}/Some long name.txt`)
        const fresh = Served.path(`${base}/new`)
        const time = FileTime.fromMillis(Date.UTC(2020, 1, 2))
        yield* Touch.touch([path, fresh], { json: false, time, create: true })
        for (const one of [path, fresh]) {
          const entry = yield* smb.stat(one)
          assert.deepStrictEqual([entry.lastWriteTime, entry.lastAccessTime], [time, time])
        }
        assert.strictEqual(yield* smb.readFileString(path), "hello")
        assert.strictEqual((yield* smb.stat(fresh)).size, 0n)
        const none = Served.path(`${base}/none`)
        yield* Touch.touch([none], { json: false, create: false })
        assert.isFalse(yield* smb.exists(none))
        const before = Date.now()
        yield* Touch.touch([path], { json: false, create: false })
        assert.isAtLeast(FileTime.toMillis((yield* smb.stat(path)).lastWriteTime), before)
        // A folder that is missing is one line; the others are touched.
        const run = yield* printed(
          Touch.touch([Served.path(`${base}/no/f`), fresh], { json: false, create: true })
        )
        assert.strictEqual(run.failure?.message, "1 entry could not be changed")
        assert.isAtLeast(FileTime.toMillis((yield* smb.stat(fresh)).lastWriteTime), before)
      })
    ))
})

describe("attrib", () => {
  it.live("shows attributes, and sets and clears those that are named", () =>
    withFile((base, smb) =>
      Effect.gen(function*() {
        const path = Served.path(`${base}/Some long name.txt`)
        const attrib = (set: ReadonlyArray<Attributes.Letter>, clear: ReadonlyArray<Attributes.Letter>) =>
          Effect.andThen(
            Touch.attrib([path], { json: false, set, clear }),
            Effect.map(smb.stat(path), ({ fileAttributes }) => fileAttributes)
          )
        assert.strictEqual(yield* attrib(["r", "h"], ["a"]), 0x3)
        assert.strictEqual(yield* attrib(["s"], ["h"]), 0x5)
        const shown = yield* printed(Touch.attrib([path], { json: false, set: [], clear: [] }))
        assert.strictEqual(shown.out, `r-s---- ${base}/Some long name.txt\n`)
        // The last attribute can be cleared too: 0 would mean no change.
        assert.strictEqual(yield* attrib([], ["r", "s"]), 0x80)
        const [object] = (yield* printed(Touch.attrib([path], { json: true, set: [], clear: [] }))).objects()
        assert.deepInclude(object, { fileAttributes: 0x80, names: ["normal"] })
      })
    ))

  it("knows the words, and keeps what a client cannot set out of the change", () => {
    assert.deepStrictEqual(Attributes.lettersOf("+rH"), ["r", "h"])
    assert.deepStrictEqual([Attributes.lettersOf("+"), Attributes.lettersOf("+x")], [undefined, undefined])
    // A directory that is compressed and a reparse point: only the directory bit goes back.
    assert.strictEqual(Attributes.changed(0xc10, ["h"], []), 0x12)
    assert.deepStrictEqual(Attributes.names(0x8000_2001), ["readonly", "not content indexed", "0x80000000"])
  })
})
