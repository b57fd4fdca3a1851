/**
 * Proves copies by the command with smbd for difficult sources: a file that ends early, a tree that contains its copy,
 * names that differ only in case, and files that were copied before.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { main } from "../command.ts"
import * as Lab from "./Lab.ts"

const address = "127.0.45.1"
const environment = { SMB_USER: Lab.user.name, SMB_PASSWORD: Lab.user.password, NO_COLOR: "1" }

const smb = (...args: ReadonlyArray<string>) =>
  Effect.promise(() => Lab.execute(process.execPath, [main, ...args], { env: environment }))

/** The kernel reports 4096 bytes for this file, and gives fewer, like a file that is cut after it was opened. */
const short = "uevent_seqnum"

class World extends Context.Service<World, { readonly server: Lab.Server; readonly here: string }>()(
  "test/lab/Trees/World"
) {}

const layerWorld = Layer.effect(
  World,
  Effect.gen(function*() {
    const { server } = yield* Lab.servers({
      server: {
        address,
        shares: [{ name: "data" }, { name: "kernel", readOnly: true, options: { path: "/sys/kernel" } }]
      }
    })
    const here = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-smb-trees-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    return { server, here }
  })
)

layer(layerWorld, { timeout: 60_000, excludeTestServices: true })("the command effect-smb with smbd", (it) => {
  it.effect("cat, get and put fail for a source that ends before its size, and leave no copy", () =>
    Effect.gen(function*() {
      const { here, server } = yield* World
      const source = `//${address}/kernel/${short}`
      assert.isBelow(readFileSync(`/sys/kernel/${short}`).length, 4096)
      const cat = yield* smb("cat", source)
      assert.strictEqual(cat.code, 1)
      assert.match(cat.stderr, /became shorter while it was read .*4096/)
      const get = yield* smb("get", source, join(here, "got"))
      assert.strictEqual(get.code, 1)
      assert.match(get.stderr, /became shorter while it was read .*4096/)
      const put = yield* smb("put", `/sys/kernel/${short}`, `//${address}/data/put`)
      assert.strictEqual(put.code, 1)
      assert.match(put.stderr, /had 4096 bytes when it was opened, and ended after \d+/)
      assert.deepStrictEqual(readdirSync(here), [])
      assert.deepStrictEqual(readdirSync(server.path("data")), [])
      const tree = yield* smb("get", "-r", `//${address}/kernel/mm/ksm`, join(here, "ksm"))
      assert.strictEqual(tree.code, 1)
      assert.match(tree.stderr, /became shorter while it was read .*4096/)
      assert.deepStrictEqual(readdirSync(join(here, "ksm")), [])
      rmSync(join(here, "ksm"), { recursive: true })
    }))

  it.effect("put -r and get -r skip the copy if they copy a tree into itself", () =>
    Effect.gen(function*() {
      const { here, server } = yield* World
      yield* server.write("data", "tree/a.txt", "a")
      yield* server.write("data", "tree/sub/b.txt", "b")
      const local = server.path("data", "tree")
      const put = yield* smb("put", "-r", local, `//${address}/data/tree/sub/copy`)
      assert.strictEqual(put.code, 0, put.stderr)
      assert.match(put.stderr, /sub\/copy: the copy is written to this folder/)
      assert.deepStrictEqual(readdirSync(join(local, "sub", "copy"), { recursive: true }).toSorted(), [
        "a.txt",
        "sub",
        "sub/b.txt"
      ])
      rmSync(join(local, "sub", "copy"), { recursive: true })
      const get = yield* smb("get", "-r", `//${address}/data/tree`, join(local, "sub", "copy"))
      assert.strictEqual(get.code, 0, get.stderr)
      assert.match(get.stderr, /sub\\copy: the copy is written to this folder/)
      assert.deepStrictEqual(readdirSync(join(local, "sub", "copy"), { recursive: true }).toSorted(), [
        "a.txt",
        "sub",
        "sub/b.txt"
      ])
      assert.deepStrictEqual(readdirSync(here), [])
      rmSync(local, { recursive: true })
    }))

  it.effect("put -r copies the first of two names that differ only in case, names the second, and fails", () =>
    Effect.gen(function*() {
      const { here, server } = yield* World
      const from = join(here, "case")
      for (const name of ["Docs", "docs"]) {
        mkdirSync(join(from, name), { recursive: true })
        writeFileSync(join(from, name, `${name}.txt`), name)
      }
      for (const name of ["Makefile", "makefile", "other"]) writeFileSync(join(from, name), name)
      const put = yield* smb("put", "-r", from, `//${address}/data/case`)
      assert.strictEqual(put.code, 1)
      assert.match(put.stderr, /docs: not copied: to a server this is the same name as "Docs"/)
      assert.match(put.stderr, /makefile: not copied/)
      assert.match(put.stderr, /2 entries could not be copied\n$/)
      const made = server.path("data", "case")
      assert.deepStrictEqual(readdirSync(made, { recursive: true }).toSorted(), [
        "Docs",
        "Docs/Docs.txt",
        "Makefile",
        "other"
      ])
      assert.strictEqual(readFileSync(join(made, "Makefile"), "utf8"), "Makefile")
      rmSync(made, { recursive: true })
    }))

  it.effect("get --resume skips complete files, which have the size and time of the source", () =>
    Effect.gen(function*() {
      const { here, server } = yield* World
      yield* server.write("data", "film/a.bin", "0123456789")
      yield* server.write("data", "film/deep/b.bin", "b")
      const there = server.path("data", "film", "a.bin")
      utimesSync(there, new Date("2020-01-02T03:04:05Z"), new Date("2020-01-02T03:04:05Z"))
      const file = join(here, "a.bin")
      const get = Effect.map(smb("get", "--resume", "--json", `//${address}/data/film/a.bin`, file), (run) => {
        assert.deepStrictEqual([run.code, run.stderr], [0, ""])
        return JSON.parse(run.stdout).skipped === true
      })
      assert.isFalse(yield* get)
      assert.strictEqual(statSync(file).mtime.toISOString(), "2020-01-02T03:04:05.000Z")
      assert.isTrue(yield* get)
      // A file of the same size and another time is another file, on the server and here.
      yield* server.write("data", "film/a.bin", "9876543210")
      assert.isFalse(yield* get)
      assert.strictEqual(readFileSync(file, "utf8"), "9876543210")
      writeFileSync(file, "abcdefghij")
      assert.isFalse(yield* get)
      assert.strictEqual(readFileSync(file, "utf8"), "9876543210")
      const tree = () => smb("get", "-r", "--resume", "--json", `//${address}/data/film`, join(here, "film"))
      assert.notInclude((yield* tree()).stdout, "skipped")
      const again = yield* tree()
      assert.strictEqual(again.code, 0)
      assert.strictEqual(again.stdout.split("\n").filter((line) => line.includes("skipped")).length, 2)
      // Without --resume the file is fetched again.
      const plain = yield* smb("get", "--json", `//${address}/data/film/a.bin`, file)
      assert.notInclude(plain.stdout, "skipped")
      assert.isTrue(existsSync(file))
    }))

  it.effect("get --resume removes old parts of the same file, and no other parts", () =>
    Effect.gen(function*() {
      const { here, server } = yield* World
      yield* server.write("data", "parts/a.bin", "0123456789")
      yield* server.write("data", "parts/deep/b.bin", "b")
      const to = join(here, "parts")
      const others = [
        ".a.bin.0123.part",
        ".a.bin.x.0123456789ab.part",
        ".b.bin.0123456789ab.part",
        "a.bin.0123456789ab.part"
      ]
      const stale = [".a.bin.0123456789ab.part", ".a.bin.ffffffffffff.part"]
      const leave = () => {
        for (const name of [...others, ...stale]) writeFileSync(join(to, name), "old")
      }
      const parts = () => readdirSync(to).filter((name) => name.endsWith(".part")).toSorted()
      mkdirSync(to)
      leave()
      const get = () => smb("get", "--resume", `//${address}/data/parts/a.bin`, join(to, "a.bin"))
      const run = yield* get()
      assert.deepStrictEqual([run.code, run.stderr], [0, ""])
      assert.deepStrictEqual(parts(), others.toSorted())
      // The same if the file is complete already.
      leave()
      assert.strictEqual((yield* get()).code, 0)
      assert.deepStrictEqual(parts(), others.toSorted())
      mkdirSync(join(to, "deep"))
      writeFileSync(join(to, "deep", ".b.bin.0123456789ab.part"), "old")
      leave()
      assert.strictEqual((yield* smb("get", "-r", "--resume", `//${address}/data/parts`, to)).code, 0)
      assert.deepStrictEqual(parts(), others.toSorted())
      assert.deepStrictEqual(readdirSync(join(to, "deep")), ["b.bin"])
      // Without --resume no part is removed.
      leave()
      assert.strictEqual((yield* smb("get", `//${address}/data/parts/a.bin`, join(to, "a.bin"))).code, 0)
      assert.deepStrictEqual(parts(), [...others, ...stale].toSorted())
    }))

  it.effect("runs for a user without a home directory and without an entry in /etc/passwd", () =>
    Effect.gen(function*() {
      const run = yield* Effect.promise(() =>
        Lab.execute("setpriv", [
          "--reuid=54321",
          "--clear-groups",
          "env",
          "-u",
          "HOME",
          "-u",
          "XDG_CACHE_HOME",
          "-u",
          "XDG_CONFIG_HOME",
          "-u",
          "NODE_COMPILE_CACHE",
          process.execPath,
          main,
          "ls",
          `//${address}/data`
        ], { env: environment })
      )
      assert.deepStrictEqual([run.code, run.stderr], [0, ""])
    }))
})
