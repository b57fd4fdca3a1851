/**
 * Copies of several sources, in each direction, and comparisons: which files are at the target, what is printed, and the
 * failure at the end. In one process, with two servers in memory and real local files.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option, Redacted, Result, Stream } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as Copying from "../../src/Cli/Copying.ts"
import * as Remote from "../../src/Cli/Remote.ts"
import type * as Transfer from "../../src/Transfer/Transfer.ts"
import { printed } from "./served.ts"

const provide = (files: TestTransport.Files, options: Omit<TestTransport.ServerOptions, "shares"> = {}) =>
  Effect.provide(
    SmbClient.layer({ reconnect: "never" }).pipe(
      Layer.provideMerge(
        TestTransport.layer({
          nas: { user: "joe", password: "secret", shares: { data: files }, ...options },
          far: { user: "joe", password: "secret", shares: { data: { "old.txt": "old" } } }
        })
      ),
      Layer.provide(Credentials.layer(Credentials.password("joe", Redacted.make("secret")))),
      Layer.provideMerge(NodeServices.layer)
    )
  )

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const common = {
  json: false,
  quiet: true,
  recursive: false,
  transfer: { retries: 0, concurrency: 1 } as Transfer.TransferOptions
}
const remote = (text: string): Remote.Remote => Result.getOrThrow(Remote.parse(text, { share: true }))
const place = (text: string): Copying.Place => Result.getOrThrow(Copying.place(text))

const get = (sources: ReadonlyArray<string>, local: string | undefined, options: Partial<typeof common> = {}) =>
  printed(Copying.getAll(sources.map(remote), Option.fromUndefinedOr(local), { ...common, resume: false, ...options }))
const put = (sources: ReadonlyArray<string>, target: string, options: Partial<typeof common> = {}) =>
  printed(Copying.putAll(sources, remote(target), { ...common, inPlace: false, ...options }))
const copy = (sources: ReadonlyArray<string>, target: string, options: Partial<typeof common> = {}) =>
  printed(Copying.copy(sources.map(place), place(target), { ...common, mapped: false, ...options }))

const here = (path: string): Record<string, string> =>
  Object.fromEntries(Fs.readdirSync(path).map((name) => [name, Fs.readFileSync(join(path, name), "utf8")]))

const there = Effect.fnUntraced(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  const all: Record<string, string> = {}
  for (const entry of yield* Stream.runCollect(smb.walk(path))) {
    if (entry.type === "file") {
      all[entry.path.slice(path.length + 1).replaceAll("\\", "/")] = yield* smb.readFileString(entry.path)
    }
  }
  return all
})

const files = { "a.txt": "A", "b.txt": "B", "c.jpg": "C", d: { e: "E" } }

describe("get of several", () => {
  it.effect("takes what a pattern matches, into the folder", () =>
    Effect.gen(function*() {
      const target = yield* folder
      const { err, failure, out } = yield* get(["//nas/data/*.TXT"], target)
      assert.deepStrictEqual([failure, out, err], [undefined, "", ""])
      assert.deepStrictEqual(here(target), { "a.txt": "A", "b.txt": "B" })
    }).pipe(Effect.scoped, provide(files)))

  it.effect("takes what a pattern of one character matches", () =>
    Effect.gen(function*() {
      const target = yield* folder
      yield* get(["//nas/data/?.jpg"], target)
      assert.deepStrictEqual(here(target), { "c.jpg": "C" })
    }).pipe(Effect.scoped, provide(files)))

  it.effect("says which pattern matches nothing", () =>
    Effect.gen(function*() {
      const target = yield* folder
      const { failure } = yield* get(["//nas/data/*.pdf"], target)
      assert.match(failure!.message!, /^\\\\nas\\data\\\*\.pdf: .*STATUS_NO_SUCH_FILE/)
    }).pipe(Effect.scoped, provide(files)))

  it.effect("makes a folder that is written as one, and refuses a file or a name that could be one", () =>
    Effect.gen(function*() {
      const target = yield* folder
      yield* get(["//nas/data/a.txt", "//nas/data/b.txt"], `${join(target, "new")}/`)
      assert.deepStrictEqual(here(join(target, "new")), { "a.txt": "A", "b.txt": "B" })
      for (const path of [join(target, "none"), join(target, "new", "a.txt")]) {
        const { failure } = yield* get(["//nas/data/*.txt"], path)
        assert.strictEqual(failure!.message, `${path} is no folder, and several files are copied to it`)
        assert.strictEqual(failure!.code, 2)
      }
    }).pipe(Effect.scoped, provide(files)))

  it.effect("writes one after the other to standard output", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* get(["//nas/data/c.jpg", "//nas/data/a.txt"], "-")).out, "CA")
    }).pipe(provide(files)))

  it.effect("goes on after a file that fails, tells it, and counts the failures at the end", () =>
    Effect.gen(function*() {
      const target = yield* folder
      const { err, failure } = yield* get(
        ["//nas/data/no1", "//nas/data/a.txt", "//nas/data/no2", "//nas/data/b.txt"],
        target
      )
      assert.deepStrictEqual(here(target), { "a.txt": "A", "b.txt": "B" })
      assert.deepStrictEqual(err.match(/\\data\\\w+/g), ["\\data\\no1", "\\data\\no2"])
      assert.strictEqual(failure!.message, "2 entries could not be copied")
      assert.strictEqual(failure!.code, 1)
    }).pipe(Effect.scoped, provide(files)))

  it.effect("adds the failures below a directory", () =>
    Effect.gen(function*() {
      const target = yield* folder
      const { err, failure } = yield* get(["//nas/data/d", "//nas/data/no"], target, { recursive: true })
      assert.strictEqual(failure!.message, "2 entries could not be copied")
      assert.deepStrictEqual(err.match(/^effect-smb: /gm), ["effect-smb: ", "effect-smb: "])
    }).pipe(
      Effect.scoped,
      provide(files, {
        faults: [{
          on: "CREATE",
          is: { status: "STATUS_ACCESS_DENIED" },
          when: ({ request }) => request._tag === "CREATE" && request.body.name === "d\\e"
        }]
      })
    ))

  it.effect("ends with the connection for the server that closed it, and goes on with another server", () =>
    Effect.gen(function*() {
      const target = yield* folder
      const { err, failure } = yield* get(["//nas/data/a.txt", "//nas/data/b.txt", "//far/data/old.txt"], target)
      assert.match(err, /^effect-smb: nas:445 closed the connection[^\n]*; not tried: another path of this server\n$/)
      assert.strictEqual(failure!.message, "2 entries could not be copied")
      assert.deepStrictEqual(here(target), { "old.txt": "old" })
    }).pipe(Effect.scoped, provide(files, { faults: [{ on: "READ", is: "drop", times: 1 }] })))

  it.effect("says each as an object with the path there and here", () =>
    Effect.gen(function*() {
      const target = yield* folder
      const { objects } = yield* get(["//nas/data/a.txt"], target, { json: true })
      assert.deepStrictEqual(objects(), [{ path: "\\\\nas\\data\\a.txt", local: join(target, "a.txt"), size: 1 }])
    }).pipe(Effect.scoped, provide(files)))
})

describe("put of several", () => {
  const sources = Effect.map(folder, (path) => {
    Fs.writeFileSync(join(path, "x"), "X")
    Fs.writeFileSync(join(path, "y"), "YY")
    return path
  })

  it.effect("puts each into the directory", () =>
    Effect.gen(function*() {
      const path = yield* sources
      const { failure, objects } = yield* put([join(path, "x"), join(path, "y")], "//nas/data/d", { json: true })
      assert.isUndefined(failure)
      assert.deepStrictEqual(yield* there("\\\\nas\\data\\d"), { e: "E", x: "X", y: "YY" })
      assert.deepStrictEqual(objects(), [
        { path: "\\\\nas\\data\\d\\x", local: join(path, "x"), size: 1 },
        { path: "\\\\nas\\data\\d\\y", local: join(path, "y"), size: 2 }
      ])
    }).pipe(Effect.scoped, provide(files)))

  it.effect("needs a directory, or a path that is written as one", () =>
    Effect.gen(function*() {
      const path = yield* sources
      const both = [join(path, "x"), join(path, "y")]
      const { failure } = yield* put(both, "//nas/data/a.txt")
      assert.strictEqual(failure!.message, "\\\\nas\\data\\a.txt is no directory, and several files are copied to it")
      assert.deepStrictEqual(yield* there("\\\\nas\\data\\d"), { e: "E" })
      assert.isUndefined((yield* put(both, "//nas/data/d/")).failure)
      assert.isUndefined((yield* put(both, "//nas/data")).failure)
      assert.deepStrictEqual(Object.keys(yield* there("\\\\nas\\data")).toSorted(), [
        "a.txt",
        "b.txt",
        "c.jpg",
        "d/e",
        "d/x",
        "d/y",
        "x",
        "y"
      ])
    }).pipe(Effect.scoped, provide(files)))

  it.effect("takes standard input only alone, and a folder only with -r", () =>
    Effect.gen(function*() {
      const path = yield* sources
      assert.strictEqual(
        (yield* put(["-", join(path, "x")], "//nas/data/d")).failure!.message,
        "- goes alone: name the file to write"
      )
      assert.strictEqual(
        (yield* put([path], "//nas/data/d")).failure!.message,
        `${path} is a directory: add -r to send it with all`
      )
    }).pipe(Effect.scoped, provide(files)))

  it.effect("has the options of all copies", () =>
    Effect.gen(function*() {
      const path = yield* sources
      const dryRun = { transfer: { ...common.transfer, dryRun: true } }
      const { out } = yield* put([join(path, "x")], "//nas/data/d/", dryRun)
      assert.strictEqual(out, `copy ${join(path, "x")} to \\\\nas\\data\\d\\x\n`)
      assert.deepStrictEqual(yield* there("\\\\nas\\data\\d"), { e: "E" })
    }).pipe(Effect.scoped, provide(files)))
})

describe("cp", () => {
  it.effect("is a get if the target is here", () =>
    Effect.gen(function*() {
      const target = yield* folder
      yield* copy(["//nas/data/a.txt", "//nas/data/b.txt"], target)
      assert.deepStrictEqual(here(target), { "a.txt": "A", "b.txt": "B" })
    }).pipe(Effect.scoped, provide(files)))

  it.effect("is a put if the source is here", () =>
    Effect.gen(function*() {
      const path = yield* folder
      Fs.writeFileSync(join(path, "x"), "X")
      yield* copy([join(path, "x")], "//nas/data/z")
      assert.strictEqual((yield* there("\\\\nas\\data")).z, "X")
    }).pipe(Effect.scoped, provide(files)))

  it.effect("refuses two local paths", () =>
    Effect.gen(function*() {
      const { failure } = yield* copy(["a"], "b")
      assert.strictEqual(failure!.message, "both paths are on this machine: one must be on a server")
    }).pipe(provide(files)))

  it.effect("copies one file to a name or into a directory of another server", () =>
    Effect.gen(function*() {
      const { objects } = yield* copy(["//nas/data/a.txt"], "//far/data/new.txt", { json: true })
      assert.deepStrictEqual(objects(), [{ from: "\\\\nas\\data\\a.txt", to: "\\\\far\\data\\new.txt", size: 1 }])
      yield* copy(["//nas/data/b.txt"], "//far/data")
      assert.deepStrictEqual(yield* there("\\\\far\\data"), { "b.txt": "B", "new.txt": "A", "old.txt": "old" })
    }).pipe(provide(files)))

  it.effect("copies a directory only with -r: its content goes into the target", () =>
    Effect.gen(function*() {
      const { failure } = yield* copy(["//nas/data/d"], "//far/data")
      assert.strictEqual(failure!.message, "\\\\nas\\data\\d is a directory: add -r to copy it with all")
      yield* copy(["//nas/data/d"], "//far/data", { recursive: true })
      assert.deepStrictEqual(yield* there("\\\\far\\data"), { e: "E", "old.txt": "old" })
    }).pipe(provide(files)))

  it.effect("copies several from both sides into a directory, each under its own name", () =>
    Effect.gen(function*() {
      const path = yield* folder
      Fs.writeFileSync(join(path, "x"), "X")
      const { failure } = yield* copy([join(path, "x"), "//nas/data/*.txt", "//nas/data/d"], "//far/data", {
        recursive: true
      })
      assert.isUndefined(failure)
      assert.deepStrictEqual(yield* there("\\\\far\\data"), {
        "a.txt": "A",
        "b.txt": "B",
        "d/e": "E",
        "old.txt": "old",
        x: "X"
      })
    }).pipe(Effect.scoped, provide(files)))

  it.effect("copies what a pattern matches into a directory, also if it matches one file", () =>
    Effect.gen(function*() {
      const { failure } = yield* copy(["//nas/data/*.jpg"], "//far/data/old.txt")
      assert.strictEqual(failure!.message, "\\\\far\\data\\old.txt is no directory, and several files are copied to it")
      assert.deepStrictEqual(yield* there("\\\\far\\data"), { "old.txt": "old" })
      yield* copy(["//nas/data/*.jpg"], "//far/data")
      assert.deepStrictEqual(yield* there("\\\\far\\data"), { "c.jpg": "C", "old.txt": "old" })
    }).pipe(provide(files)))
})

describe("two sources of one name", () => {
  const twins = { a: { x: "1" }, b: { X: "2" } }

  it.effect("are refused before anything is copied, by get, put and cp", () =>
    Effect.gen(function*() {
      const local = yield* folder
      for (const name of ["a", "b"]) {
        Fs.mkdirSync(join(local, name))
        Fs.writeFileSync(join(local, name, "x"), name)
      }
      const both = [join(local, "a", "x"), join(local, "b", "x")]
      const remotes = ["//nas/data/a/x", "//nas/data/b/X"]
      for (
        const { failure } of [
          yield* get(remotes, `${join(local, "new")}/`),
          yield* put(both, "//nas/data"),
          yield* copy(remotes, "//far/data"),
          yield* copy([both[0]!, remotes[1]!], "//far/data")
        ]
      ) {
        assert.match(failure!.message!, / would both become [xX]: nothing was copied$/)
        assert.strictEqual(failure!.code, 2)
      }
      assert.isFalse(Fs.existsSync(join(local, "new", "x")))
      assert.deepStrictEqual(yield* there("\\\\far\\data"), { "old.txt": "old" })
    }).pipe(Effect.scoped, provide(twins)))
})

describe("sync and check", () => {
  const sync = (from: string, to: string, json: boolean, options: Transfer.SyncOptions = {}) =>
    printed(
      Copying.sync(place(from), place(to), { json, quiet: true, sync: { retries: 0, concurrency: 1, ...options } })
    )
  const check = (from: string, to: string, json = false) =>
    printed(Copying.check(place(from), place(to), { json, quiet: true, check: {} }))

  it.effect("sync names both sides by where they are", () =>
    Effect.gen(function*() {
      const target = yield* folder
      const first = yield* sync("//nas/data/d", target, true)
      assert.deepStrictEqual(first.objects(), [{ path: "\\\\nas\\data\\d\\e", local: join(target, "e"), size: 1 }])
      const second = yield* sync(target, "//nas/data/d", true)
      assert.deepStrictEqual(second.objects(), [
        { path: "\\\\nas\\data\\d\\e", local: join(target, "e"), size: 1, skipped: true, because: "Same" }
      ])
      const third = yield* sync("//nas/data/d", "//far/data", true)
      assert.deepStrictEqual(third.objects(), [{ from: "\\\\nas\\data\\d\\e", to: "\\\\far\\data\\e", size: 1 }])
    }).pipe(Effect.scoped, provide(files)))

  it.effect("a dry run says what it would copy and remove, in words and as objects", () =>
    Effect.gen(function*() {
      const options = { delete: true, dryRun: true }
      const { out } = yield* sync("//nas/data/d", "//far/data", false, options)
      assert.strictEqual(out, "copy \\\\nas\\data\\d\\e to \\\\far\\data\\e\nremove \\\\far\\data\\old.txt\n")
      const { objects } = yield* sync("//nas/data/d", "//far/data", true, options)
      assert.deepStrictEqual(objects(), [
        { planned: "Copy", path: "\\\\nas\\data\\d\\e", to: "\\\\far\\data\\e", size: 1 },
        { planned: "Remove", path: "\\\\far\\data\\old.txt" }
      ])
      assert.deepStrictEqual(yield* there("\\\\far\\data"), { "old.txt": "old" })
    }).pipe(provide(files)))

  it.effect("says what it removed", () =>
    Effect.gen(function*() {
      const { objects } = yield* sync("//nas/data/d", "//far/data", true, { delete: true })
      assert.deepStrictEqual(objects().at(-1), { removed: "\\\\far\\data\\old.txt" })
    }).pipe(provide(files)))

  it.effect("check says nothing of equal folders, and fails with the number of differences", () =>
    Effect.gen(function*() {
      const path = yield* folder
      yield* sync("//nas/data", path, false)
      const same = yield* check("//nas/data", path)
      assert.deepStrictEqual([same.out, same.err, same.failure], ["", "", undefined])
      Fs.writeFileSync(join(path, "a.txt"), "longer")
      const one = yield* check("//nas/data", path)
      assert.strictEqual(one.out, `different \\\\nas\\data\\a.txt and ${join(path, "a.txt")}\n`)
      assert.deepStrictEqual([one.failure!.code, one.failure!.message], [1, "1 entry differs"])
      Fs.rmSync(join(path, "b.txt"))
      Fs.writeFileSync(join(path, "new"), "")
      Fs.rmSync(join(path, "d"), { recursive: true })
      Fs.writeFileSync(join(path, "d"), "")
      const more = yield* check("//nas/data", path, true)
      const wanted = [
        ["ContentDiffers", "a.txt", "a.txt"],
        ["OnlySource", "b.txt", "b.txt"],
        ["TypeDiffers", "d", "d"],
        ["OnlyTarget", "new", "new"]
      ].map(([difference, source, target]) => ({
        difference,
        source: `\\\\nas\\data\\${source}`,
        target: join(path, target!)
      }))
      const key = ({ target }: { readonly target?: string }) => target ?? ""
      assert.deepStrictEqual(
        more.objects().toSorted((one, other) => key(one).localeCompare(key(other))),
        wanted.toSorted((one, other) => key(one).localeCompare(key(other)))
      )
      assert.strictEqual(more.failure!.message, "4 entries differ")
    }).pipe(Effect.scoped, provide(files)))
})
