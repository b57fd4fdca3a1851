/**
 * Proves that clients can list, open, rename, link and remove every name of a folder, also names that SMB cannot carry:
 * `ReservedCharacters` says how clients see them. And that such names are not listed if they are not mapped.
 */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope, Stream } from "effect"
import { FileSystem } from "effect/FileSystem"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ShareStore, StoreError } from "../../src/Server/ShareStore.ts"
import * as FileSystemStore from "../../src/Server/Store/FileSystemStore.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"

/** Names on the disk, and as clients see them. */
const names: Readonly<Record<string, string>> = {
  "11:05.jpg": "11\uf02205.jpg",
  "what?*": "what\uf025\uf021",
  "q\"<>|": "q\uf020\uf023\uf024\uf027",
  "back\\slash": "back\uf026slash",
  "line\nend\u0001": "line\uf00aend\uf001",
  "end.": "end\uf029",
  "blank ": "blank\uf028",
  "f::$DATA": "f\uf022\uf022$DATA",
  "..\\..": "..\uf026.\uf029",
  "11\uf02205.jpg": "11\uf07f\uf02205.jpg",
  "\uf07f": "\uf07f\uf07f",
  "plain.txt": "plain.txt"
}

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "effect-smb-mapped-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

const stores: Record<
  string,
  (path: string, mapNames: boolean) => Effect.Effect<ShareStore, StoreError, Scope.Scope | FileSystem>
> = {
  LocalStore: (path, mapNames) => LocalStore.make(path, { mapNames }),
  "LocalStore by paths": (path, mapNames) => LocalStore.make(path, { mapNames, byPath: true }),
  FileSystemStore: (path, mapNames) => Effect.flatMap(FileSystem, (fs) => FileSystemStore.make(fs, path, { mapNames }))
}

const listed = (store: ShareStore, path: ReadonlyArray<string> = []) =>
  Effect.map(Stream.runCollect(store.list(path)), (nodes) => nodes.map(({ name }) => name).toSorted())

const reasonOf = <A>(effect: Effect.Effect<A, StoreError>) =>
  Effect.match(effect, { onFailure: ({ reason }) => reason._tag, onSuccess: () => "succeeded" as const })

describe.skipIf(process.platform === "win32")("names that SMB cannot carry", () => {
  for (const [title, make] of Object.entries(stores)) {
    const test = (
      what: string,
      mapNames: boolean,
      body: (store: ShareStore, path: string) => Effect.Effect<void, StoreError, Scope.Scope>
    ) =>
      it.live(`${title}: ${what}`, () =>
        Effect.scoped(Effect.gen(function*() {
          const path = yield* folder
          for (const name of Object.keys(names)) Fs.writeFileSync(join(path, name), name)
          yield* body(yield* make(path, mapNames), path)
        })).pipe(Effect.provide(NodeFileSystem.layer)))

    test("are listed, opened, renamed, linked and removed", true, (store, path) =>
      Effect.gen(function*() {
        const shown = Object.values(names).toSorted()
        assert.deepStrictEqual(yield* listed(store), shown)
        if (store.names !== undefined) {
          assert.deepStrictEqual((yield* Stream.runCollect(store.names([]))).toSorted(), shown)
        }
        for (const [plain, name] of Object.entries(names)) {
          yield* Effect.scoped(Effect.gen(function*() {
            const { file, node } = yield* store.open([name], { mode: "existing", type: "file" })
            assert.strictEqual(Buffer.from(yield* file.read(0n, 100)).toString(), plain)
            assert.strictEqual(node.name, name)
            assert.strictEqual((yield* file.stat).name, name)
            assert.strictEqual((yield* store.stat([name])).name, name)
            assert.strictEqual(store.canonicalName?.(name), name)
          }))
          yield* store.link!([name], [`+${name}`], { replace: false })
          yield* store.rename([name], [`-${name}`], { replace: false })
          assert.deepStrictEqual([Fs.existsSync(join(path, `-${plain}`)), Fs.existsSync(join(path, `+${plain}`))], [
            true,
            true
          ])
          yield* store.remove([`-${name}`])
          yield* store.remove([`+${name}`])
        }
        assert.deepStrictEqual(Fs.readdirSync(path).filter((name) => name !== ".effect-smb"), [])
      }))

    test(
      "are made on the disk with their plain characters, in folders too",
      true,
      (store, path) =>
        Effect.gen(function*() {
          for (const name of ["d\uf022", "d\uf022/f\uf026", "d\uf022/end."]) {
            const type = name.includes("/") ? "file" : "directory"
            yield* Effect.scoped(store.open(name.split("/"), { mode: "new", type }))
          }
          assert.deepStrictEqual(Fs.readdirSync(join(path, "d:")).toSorted(), ["end.", "f\\"])
          assert.deepStrictEqual(yield* listed(store, ["D\uf022"]), ["end\uf029", "f\uf026"])
          // A dot at the end is possible in SMB too: both names stand for the same file.
          assert.strictEqual(store.canonicalName?.("end."), "end\uf029")
          assert.strictEqual(
            yield* reasonOf(Effect.scoped(store.open(["d\uf022", "end\uf029"], { mode: "new", type: "file" }))),
            "Exists"
          )
        })
    )

    test("never lead out of the folder", true, (store) =>
      Effect.gen(function*() {
        for (const name of ["\uf029", ".\uf029", "a\\b", "a/b", ".."]) {
          for (const path of [[name], [name, "f"]]) {
            const reason = yield* reasonOf(Effect.scoped(store.open(path, { mode: "either", type: "directory" })))
            assert.notStrictEqual(reason, "succeeded", name)
          }
        }
      }))

    test("are not listed and cannot be opened if they are not mapped", false, (store) =>
      Effect.gen(function*() {
        const shown = ["11\uf02205.jpg", "\uf07f", "blank ", "end.", "plain.txt"]
        assert.deepStrictEqual(yield* listed(store), shown.toSorted())
        for (const name of shown) assert.strictEqual((yield* store.stat([name])).name, name)
        assert.strictEqual(yield* reasonOf(store.stat(["back\\slash"])), "InvalidName")
        assert.isUndefined(store.canonicalName)
      }))
  }

  it.live("LocalStore: changes by other programs have the names that clients see", () =>
    Effect.scoped(Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      const changes = store.changes!([], {
        recursive: false,
        onStart: () => Effect.sync(() => Fs.writeFileSync(join(path, "11:05.jpg"), ""))
      })
      const [change] = yield* Stream.runCollect(Stream.take(changes, 1))
      assert.deepStrictEqual(change, { path: ["11\uf02205.jpg"], action: "added" })
    })))
})
