/**
 * What docs/transfer.md promises of all transfers, proved in each direction: which files a filter leaves out, what the counts
 * say, and what a dry run says of a target inside its source.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { SmbClient, TestTransport } from "effect-smb"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as Transfer from "../../src/Transfer/Transfer.ts"
import { data, folder, inTime, provide, read, run, there, type Tree, write } from "./transfers.ts"

/** Files by their paths, as `there` has them. */
const flat = (tree: Tree, above = "", all: Record<string, string> = {}): Record<string, string> => {
  for (const [name, content] of Object.entries(tree)) {
    all[above + name] = typeof content === "string" ? content : "/"
    if (typeof content !== "string") flat(content, `${above}${name}/`, all)
  }
  return all
}

const directions = ["download", "upload", "copy by the server", "copy between two servers"] as const

/** Copies `tree` in one direction; the server has the same tree. */
const transfer = Effect.fnUntraced(function*(direction: typeof directions[number], tree: Tree) {
  const [here, from] = [yield* folder, yield* folder]
  write(from, tree)
  const far = direction === "copy by the server" ? "\\\\nas\\other" : "\\\\far\\data"
  return {
    start: (options: Transfer.TransferOptions) =>
      direction === "download"
        ? Transfer.download(data, here, options)
        : direction === "upload"
        ? Transfer.upload(from, far, options)
        : Transfer.copyTree(data, far, options),
    target: Effect.suspend(() => direction === "download" ? Effect.succeed(flat(read(here))) : there(far))
  }
})

describe.each(directions)("%s of a tree", (direction) => {
  const tree: Tree = {
    a: "a",
    "b.tmp": "b",
    large: "l".repeat(100),
    skip: { x: "x" },
    d: { "c.txt": "c", "e.tmp": "e", skip: { y: "y" } }
  }

  it.effect.each(
    [
      [
        "excluded names and folders, and files that are too large",
        { exclude: ["*.tmp", "skip/"], maximumSize: 99 },
        { a: "a", d: "/", "d/c.txt": "c" }
      ],
      // A folder has no size, and a pattern of files does not say which folders are read.
      [
        "files that no pattern includes",
        { include: ["*.txt"], maximumSize: 1 },
        { d: "/", "d/c.txt": "c", "d/skip": "/", skip: "/" }
      ],
      [
        "files that are too small",
        { minimumSize: 2 },
        { d: "/", "d/skip": "/", large: "l".repeat(100), skip: "/" }
      ]
    ] as const
  )("leaves out %s, and counts only the others", ([, options, expected]) =>
    Effect.gen(function*() {
      const { start, target } = yield* transfer(direction, tree)
      const files = Object.entries(expected).filter(([, content]) => content !== "/")
      const bytes = files.reduce((sum, [, content]) => sum + content.length, 0)
      const amount = { files: files.length, bytes }
      const names = files.map(([path]) => path.split("/").at(-1)!).toSorted()
      const first = yield* run(start(options))
      assert.deepStrictEqual([first.end, first.told], ["done", names.map((name) => `copied ${name}`)])
      assert.deepStrictEqual(yield* target, expected)
      assert.deepInclude(first.events.at(-1)!.progress, { done: amount, total: amount })
      const second = yield* run(start({ ...options, existing: "skip" }))
      assert.deepStrictEqual(second.told, names.map((name) => `skipped ${name}: Exists`))
      assert.deepInclude(second.events.at(-1)!.progress, { done: amount, total: amount })
    }).pipe(Effect.scoped, provide(tree)))

  it.effect("changes nothing in a dry run, and plans each file with its size", () =>
    Effect.gen(function*() {
      const { start, target } = yield* transfer(direction, tree)
      const { end, events } = yield* run(start({ dryRun: true, exclude: ["skip/"] }))
      assert.strictEqual(end, "done")
      assert.deepStrictEqual(
        events.map((event) =>
          event._tag === "Planned" ? `${event.action} ${event.to?.split(/[\\/]/).at(-1)} ${event.size}` : event._tag
        ).toSorted(),
        ["Copy a 1", "Copy b.tmp 1", "Copy c.txt 1", "Copy e.tmp 1", "Copy large 100"]
      )
      assert.deepStrictEqual(yield* target, {})
    }).pipe(Effect.scoped, provide(tree)))
})

describe("a copy whose target is inside its source", () => {
  const tree = { a: "a", d: { b: "b", copy: { old: "old" } } }

  it.effect("does not copy the target, and a dry run plans what the copy does", () =>
    Effect.gen(function*() {
      const copy = (dryRun: boolean) => run(Transfer.copyTree(data, `${data}\\d\\copy`, { dryRun }))
      const planned = yield* copy(true)
      assert.deepStrictEqual([planned.end, planned.told], ["done", ["Copy a", "Copy b", "IntoItself copy"]])
      const done = yield* copy(false)
      assert.deepStrictEqual([done.end, done.told], ["done", ["IntoItself copy", "copied a", "copied b"]])
      assert.deepStrictEqual(yield* there(`${data}\\d\\copy`), { a: "a", d: "/", "d/b": "b", old: "old" })
    }).pipe(provide(tree)))
})

describe("the counts of a file whose copy is tried again", () => {
  it.effect("are those of one copy, also after bytes had arrived", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const { end, events } = yield* inTime(run(Transfer.download(`${data}\\a`, join(here, "a"))))
      assert.strictEqual(end, "done")
      // The attempt that broke had brought something, or the test would prove nothing.
      const moved = events.reduce((sum, event) => sum + (event._tag === "Moved" ? event.count : 0), 0)
      assert.isAbove(moved, 20_000_000)
      assert.deepStrictEqual(events.at(-1)!.progress.done, { files: 1, bytes: 20_000_000 })
      assert.strictEqual(Fs.statSync(join(here, "a")).size, 20_000_000)
    }).pipe(
      Effect.scoped,
      provide({ a: "a".repeat(20_000_000) }, { faults: [{ on: "READ", skip: 2, times: 1, is: "drop" }] })
    ))
})

describe("sync with delete", () => {
  it.effect("keeps what the filter leaves out at any depth of a folder that only the target has", () =>
    Effect.gen(function*() {
      const here = yield* folder
      const { end, told } = yield* run(Transfer.sync(here, data, { delete: true, exclude: ["*.keep", "kept/"] }))
      assert.deepStrictEqual([end, told], ["done", ["removed whole", "removed x", "removed x"]])
      assert.deepStrictEqual(yield* there(data), {
        gone: "/",
        "gone/deep": "/",
        "gone/deep/f.keep": "f",
        other: "/",
        "other/deep": "/",
        "other/deep/kept": "/",
        "other/deep/kept/y": "y"
      })
    }).pipe(
      Effect.scoped,
      provide({
        gone: { deep: { "f.keep": "f", x: "x" } },
        other: { deep: { kept: { y: "y" }, x: "x" } },
        whole: { deep: { x: "x" } }
      })
    ))

  it.effect("does not look into a folder of the target that has the name of a file that is left out", () =>
    Effect.gen(function*() {
      const here = yield* folder
      write(here, { x: "a longer text" })
      const { end, told } = yield* run(Transfer.sync(here, data, { delete: true, maximumSize: 1 }))
      assert.deepStrictEqual([end, told], ["done", []])
      assert.deepStrictEqual(yield* there(data), { x: "/", "x/y": "y" })
    }).pipe(Effect.scoped, provide({ x: { y: "y" } })))

  it.effect("takes a link of this machine for a file of no bytes", () =>
    Effect.gen(function*() {
      const here = yield* folder
      Fs.symlinkSync("nowhere", join(here, "link"))
      const sync = (minimumSize: number) => run(Transfer.sync(data, here, { delete: true, minimumSize }))
      assert.deepStrictEqual((yield* sync(1)).told, [])
      assert.deepStrictEqual((yield* sync(0)).told, ["removed link"])
      assert.deepStrictEqual(Fs.readdirSync(here), [])
    }).pipe(Effect.scoped, provide()))
})

describe("check", () => {
  it.effect("says nothing of two links of servers that have one name: it follows none", () =>
    Effect.gen(function*() {
      const all = yield* Stream.runCollect(Transfer.check(`${data}\\one`, `${data}\\two`, { compare: "checksum" }))
      assert.deepStrictEqual(all, [])
    }).pipe(provide({
      one: { a: "a", link: TestTransport.link("a") },
      two: { a: "a", link: TestTransport.link("elsewhere\\b") }
    })))
})

describe("a copy by the server", () => {
  it.effect("that cannot be renamed names the target once, and not the part", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(Transfer.copyTree(`${data}\\a`, `${data}\\c`)))
      assert.match(error.message, /^\\\\nas\\data\\c: /)
      assert.strictEqual(error.message.split("\\\\nas\\data\\").length, 2, error.message)
      assert.deepStrictEqual(yield* there(data), { a: "a" })
    }).pipe(provide({ a: "a" }, {
      faults: [{
        // FileRenameInformation
        when: ({ request }) => request._tag === "SET_INFO" && request.body.fileInfoClass === 10,
        is: { status: "STATUS_ACCESS_DENIED" }
      }]
    })))

  it.effect("asks for no time if the original has none, and for that of the original otherwise", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      for (const lastWriteTime of [0n, 130_000_000_000_000_000n]) {
        const asked: Array<unknown> = []
        const own = SmbClient.SmbClient.of({
          ...smb,
          stat: (path, options) => Effect.map(smb.stat(path, options), (entry) => ({ ...entry, lastWriteTime })),
          setAttributes: (path, attributes) => {
            asked.push(attributes.lastWriteTime)
            return smb.setAttributes(path, attributes)
          }
        })
        yield* Stream.runDrain(Transfer.copyTree(`${data}\\a`, `${data}\\c`)).pipe(
          Effect.provideService(SmbClient.SmbClient, own)
        )
        assert.deepStrictEqual(asked, lastWriteTime === 0n ? [] : [lastWriteTime])
      }
    }).pipe(provide({ a: "a" })))
})
