/** `rm`, `mv` and `put` with patterns and several sources, against the own server on loopback, in this process. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { SmbClient } from "effect-smb"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Moving from "../../src/Cli/Moving.ts"
import * as Patterns from "../../src/Cli/Patterns.ts"
import type * as SmbServer from "../../src/Server/SmbServer.ts"
import * as Served from "./served.ts"

const files = ["a.txt", "B.TXT", "page.html", "note.htm", "d/x.txt", "d/y.txt", "e/x.txt", "done/old.txt"]

const withFiles = <A, E, R>(
  use: (
    world: {
      readonly base: string
      readonly port: number
      readonly smb: SmbClient.Client
      /** All below the share, sorted. */
      readonly left: Effect.Effect<ReadonlyArray<string>, unknown>
    }
  ) => Effect.Effect<A, E, R>,
  options: Partial<SmbServer.Options> = {}
) =>
  Effect.gen(function*() {
    const { port } = yield* Served.server(options)
    const context = yield* Layer.build(Served.client({ port }))
    const smb = Context.get(context, SmbClient.SmbClient)
    const base = `//127.0.0.1:${port}/data`
    for (const folder of ["d", "e", "done"]) yield* smb.makeDirectory(`${base}/${folder}`)
    for (const file of files) yield* smb.writeFile(`${base}/${file}`, file)
    const left = Effect.map(
      Stream.runCollect(Stream.filter(smb.walk(base), ({ type }) => type === "file")),
      (all) => all.map(({ path }) => path.slice(base.length + 1).replaceAll("\\", "/")).toSorted()
    )
    return yield* Effect.provide(use({ base, port, smb, left }), context)
  }).pipe(Effect.scoped)

const without = (...gone: ReadonlyArray<string>) => files.filter((file) => !gone.includes(file)).toSorted()

const plain = { json: false, dryRun: false, recursive: false, force: false, replace: false }

const rm = (paths: ReadonlyArray<string>, options: Partial<typeof plain> = {}) =>
  Served.printed(Moving.remove(paths.map(Served.path), { ...plain, ...options }))

const mv = (paths: ReadonlyArray<string>, to: string, options: Partial<typeof plain> = {}) =>
  Served.printed(Moving.move(paths.map(Served.path), Served.path(to), { ...plain, ...options }))

describe("rm", () => {
  it.effect("takes nothing by its short name: a server finds page.html for *.htm by PAGE~1.HTM", () =>
    Effect.gen(function*() {
      const found = ["page.html", "note.htm", "NOTE.HTM"].map((name) => ({ name }))
      const finding = { list: () => Stream.fromIterable(found) } as unknown as SmbClient.Client
      const all = yield* Stream.runCollect(Patterns.list(finding, Served.path("//h/s/*.htm"), "*.htm"))
      assert.deepStrictEqual(all.map(({ name }) => name), ["note.htm", "NOTE.HTM"])
      const none = yield* Effect.flip(Stream.runCollect(Patterns.list(finding, Served.path("//h/s/p?"), "p?")))
      assert.deepInclude(none, { _tag: "SmbError", statusName: "STATUS_NO_SUCH_FILE" })
    }))

  it.live("takes patterns in any case of letters, and each entry once", () =>
    withFiles(({ base, left }) =>
      Effect.gen(function*() {
        assert.isUndefined((yield* rm([`${base}/*.htm`])).failure)
        assert.deepStrictEqual(yield* left, without("note.htm"))
        const { err, failure } = yield* rm([`${base}/?.TXT`, `${base}/A*`, `${base}/d/y*`])
        assert.deepStrictEqual([failure, err], [undefined, ""])
        assert.deepStrictEqual(yield* left, without("note.htm", "a.txt", "B.TXT", "d/y.txt"))
      })
    ))

  it.live("removes nothing if one source cannot be removed: a folder without -r, no match, a whole share", () =>
    withFiles(({ base, left }) =>
      Effect.gen(function*() {
        const folder = yield* rm([`${base}/*`])
        assert.match(folder.failure!.message!, /is a directory: add -r/)
        assert.strictEqual(folder.failure?.code, 2)
        const none = yield* rm([`${base}/a.txt`, `${base}/*.none`])
        assert.match(none.failure!.message!, /STATUS_NO_SUCH_FILE/)
        assert.strictEqual((yield* rm([`${base}/a.txt`, base])).failure?.code, 2)
        assert.deepStrictEqual(yield* left, without())
        assert.isUndefined((yield* rm([`${base}/*.none`, `${base}/none`], { force: true })).failure)
        assert.isUndefined((yield* rm([`${base}/?`], { recursive: true })).failure)
        assert.deepStrictEqual(yield* left, without("d/x.txt", "d/y.txt", "e/x.txt"))
      })
    ))

  it.live("with --dry-run prints what it would remove, and removes nothing", () =>
    withFiles(({ base, left }) =>
      Effect.gen(function*() {
        const at = base.replaceAll("/", "\\")
        const paths = [`${base}/*.txt`, `${base}/d`, `${base}/none`]
        const { failure, lines } = yield* rm(paths, { dryRun: true, recursive: true, force: true })
        assert.isUndefined(failure)
        assert.sameMembers(lines, [`remove ${at}\\a.txt`, `remove ${at}\\B.TXT`, `remove ${at}\\d with all below`])
        const json = yield* rm([`${base}/a.txt`], { dryRun: true, json: true })
        assert.deepStrictEqual(json.objects(), [{ planned: "Remove", path: `${at}\\a.txt` }])
        // A refusal is one here too.
        assert.strictEqual((yield* rm([`${base}/d`], { dryRun: true })).failure?.code, 2)
        assert.deepStrictEqual(yield* left, without())
      })
    ))

  it.live("refuses a pattern that matches a DFS link, and what the link leads to stays", () =>
    withFiles(({ base, left, port }) =>
      Effect.gen(function*() {
        const { failure } = yield* rm([`${base}/a.txt`, `//127.0.0.1:${port}/dfs/*`], { recursive: true, force: true })
        assert.match(failure!.message!, /link/)
        assert.strictEqual(failure?.code, 2)
        assert.deepStrictEqual(yield* left, without())
      }), { namespaces: { roots: { dfs: { links: { link: ["\\\\127.0.0.1\\data\\d"] } } } } }))
})

describe("rm with another client", () => {
  const withClient = (options: Parameters<typeof Served.client>[0]) =>
    Effect.gen(function*() {
      const { port } = yield* Served.server()
      return { base: `//127.0.0.1:${port}/data`, context: yield* Layer.build(Served.client({ ...options, port })) }
    })

  it.live("of mapped names takes a name with a ? as it is, and no neighbour", () =>
    Effect.gen(function*() {
      const { base, context } = yield* withClient({ names: "mapped" })
      const smb = Context.get(context, SmbClient.SmbClient)
      for (const name of ["what?.txt", "what1.txt"]) yield* smb.writeFile(`${base}/${name}`, name)
      yield* Effect.provide(rm([`${base}/what?.txt`]), context)
      const left = yield* Stream.runCollect(smb.list(base))
      assert.deepStrictEqual(left.map(({ name }) => name), ["what1.txt"])
    }).pipe(Effect.scoped))
})

describe("mv", () => {
  it.live("moves several sources and patterns into a directory", () =>
    withFiles(({ base, left, smb }) =>
      Effect.gen(function*() {
        assert.isUndefined((yield* mv([`${base}/*.txt`, `${base}/d/y.txt`], `${base}/done`)).failure)
        const moved = ["done/a.txt", "done/B.TXT", "done/y.txt"]
        assert.deepStrictEqual(yield* left, [...without("a.txt", "B.TXT", "d/y.txt"), ...moved].toSorted())
        // One match goes into the directory too, and one name can become another.
        assert.isUndefined((yield* mv([`${base}/note.*`], `${base}/done/`)).failure)
        assert.isUndefined((yield* mv([`${base}/page.html`], `${base}/index.html`)).failure)
        assert.isTrue(yield* smb.exists(`${base}/done/note.htm`))
        assert.isTrue(yield* smb.exists(`${base}/index.html`))
      })
    ))

  it.live("moves nothing if two sources get one name, or the target is no directory, or a pattern", () =>
    withFiles(({ base, left }) =>
      Effect.gen(function*() {
        const table: ReadonlyArray<readonly [ReadonlyArray<string>, string, RegExp]> = [
          [["a.txt", "d/x.txt", "e/X.TXT"], "done", /would both become .*x\.txt.*nothing was moved/i],
          [["a.txt", "B.TXT"], "page.html", /page\.html is no directory/],
          [["*.txt"], "new", /STATUS_OBJECT_NAME_NOT_FOUND/],
          [["a.txt"], "d*", /can be no pattern/],
          [["a.txt", ""], "done", /whole share/]
        ]
        for (const [sources, to, pattern] of table) {
          const { failure } = yield* mv(sources.map((path) => `${base}/${path}`), `${base}/${to}`, { replace: true })
          assert.match(failure!.message!, pattern)
        }
        assert.deepStrictEqual(yield* left, without())
      })
    ))

  it.live("goes on after one that cannot be moved, replaces nothing without --replace, and only prints with --dry-run", () =>
    withFiles(({ base, left, smb }) =>
      Effect.gen(function*() {
        const dry = yield* mv([`${base}/*.txt`], `${base}/d`, { dryRun: true })
        const at = base.replaceAll("/", "\\")
        assert.sameMembers(dry.lines, ["a.txt", "B.TXT"].map((name) => `move ${at}\\${name} to ${at}\\d\\${name}`))
        assert.deepStrictEqual(yield* left, without())
        yield* smb.writeFile(`${base}/d/a.txt`, "older")
        const { err, failure } = yield* mv([`${base}/?.txt`, `${base}/d`], `${base}/d`)
        assert.strictEqual(failure?.message, "2 entries could not be moved")
        assert.match(err, /a\.txt.*STATUS_OBJECT_NAME_COLLISION/)
        assert.match(err, /d.*a directory cannot be moved into itself/)
        assert.strictEqual(yield* smb.readFileString(`${base}/d/a.txt`), "older")
        assert.isTrue(yield* smb.exists(`${base}/d/B.TXT`))
      })
    ))
})

it.live("local patterns are those of a shell: hidden files need a dot, and a file of that very name goes first", () =>
  Effect.gen(function*() {
    const folder = Fs.mkdtempSync(join(tmpdir(), "effect-smb-"))
    yield* Effect.addFinalizer(() => Effect.sync(() => Fs.rmSync(folder, { recursive: true })))
    for (const name of ["a.jpg", "b.jpg", "ab.jpg", ".c.jpg", "a+b(1).png"]) Fs.writeFileSync(join(folder, name), "")
    const expand = (pattern: string) =>
      Effect.map(
        Patterns.expandLocal(join(folder, pattern)),
        (all) => all.map((path) => path.slice(folder.length + 1))
      )
    assert.deepStrictEqual(yield* expand("*.jpg"), ["a.jpg", "ab.jpg", "b.jpg"])
    assert.deepStrictEqual(yield* expand("?.jpg"), ["a.jpg", "b.jpg"])
    assert.deepStrictEqual(yield* expand(".*"), [".c.jpg"])
    assert.deepStrictEqual(yield* expand("a+b(*"), ["a+b(1).png"])
    assert.deepStrictEqual(yield* expand("a.jpg"), ["a.jpg"])
    assert.match((yield* Effect.flip(expand("*.gif"))).message, /no such file/)
    if (process.platform !== "win32") {
      Fs.writeFileSync(join(folder, "*.jpg"), "")
      assert.deepStrictEqual(yield* expand("*.jpg"), ["*.jpg"])
    }
  }).pipe(Effect.scoped, Effect.provide(Served.client())))
