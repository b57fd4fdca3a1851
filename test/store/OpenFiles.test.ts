/**
 * Proves how the handles of a local file share it, which record a removed file leaves, and that an open file or stream
 * is never taken for a later one.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import type { StoreError, StoreOpen, StorePath } from "../../src/Server/ShareStore.ts"
import * as Local from "../../src/Server/Store/internal/Local.ts"
import { LocalFiles } from "../../src/Server/Store/internal/LocalFiles.ts"
import type { OpenFile } from "../../src/Server/Store/internal/LocalOpenFile.ts"
import { LocalTree } from "../../src/Server/Store/internal/LocalTree.ts"
import { OpenFileDescriptors } from "../../src/Server/Store/internal/OpenFileDescriptors.ts"
import { sidecarName } from "../../src/Server/Store/internal/SidecarFolder.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"

let folder = ""
let tree: LocalTree
let files: LocalFiles
const at = (...names: ReadonlyArray<string>) => join(folder, ...names)
const existing = { mode: "existing", type: "file" } as const
const fresh = { mode: "new", type: "file" } as const
const text = (value: string) => new TextEncoder().encode(value)
const string = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const reason = <A, R>(effect: Effect.Effect<A, StoreError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

beforeEach(() => {
  folder = Fs.realpathSync(Fs.mkdtempSync(join(tmpdir(), "effect-smb-open-")))
})
afterEach(() => Fs.rmSync(folder, { recursive: true }))

const found = async (...path: ReadonlyArray<string>) => (await tree.find(path)) ?? assert.fail("it is missing")
const acquire = async (...path: ReadonlyArray<string>) => files.acquire(await found(...path))
const records = () => Fs.readdirSync(at(sidecarName, "records"))

describe("the open files of a local folder", () => {
  const limits = { directories: 9, names: 1000, byPath: false }
  beforeEach(async () => {
    tree = await LocalTree.make(folder, sidecarName, limits, false)
    files = new LocalFiles(tree, new OpenFileDescriptors(9, tree.root.fd !== undefined))
  })
  afterEach(() => tree.close())

  /** Gives a file a record. */
  const keep = (file: OpenFile) => files.set(file, { fileAttributes: 2 })

  it("are one for each file, by any name, and another one after the last handle is closed", async () => {
    Fs.writeFileSync(at("a"), "x")
    Fs.linkSync(at("a"), at("b"))
    const users = () => tree.root.volume.users
    const before = users()
    const one = await acquire("a")
    assert.strictEqual(await acquire("b"), one)
    assert.strictEqual(await acquire("a"), one)
    assert.strictEqual(one.opens, 3)
    assert.deepStrictEqual([one.path, one.others], [["a"], [["b"]]])
    assert.strictEqual(users(), before + 1)
    await files.release(one)
    await files.release(one)
    assert.strictEqual(await acquire("b"), one)
    await files.release(one)
    assert.strictEqual(users(), before + 1)
    await files.release(one)
    assert.strictEqual(users(), before)
    const other = await acquire("a")
    assert.notStrictEqual(other, one)
    await files.release(other)
  })

  it("get their new paths from a rename of them or of a directory above them, by each name", async () => {
    Fs.mkdirSync(at("d", "e"), { recursive: true })
    Fs.mkdirSync(at("dd"))
    for (const place of [["d", "f"], ["dd", "f"], ["d", "e", "f"]]) Fs.writeFileSync(at(...place), "x")
    Fs.linkSync(at("d", "f"), at("l"))
    const all = [await acquire("d"), await acquire("d", "f"), await acquire("d", "e", "f"), await acquire("dd", "f")]
    await acquire("l")
    files.moved(["d"], ["x", "y"])
    assert.deepStrictEqual(all.map(({ path }) => path), [["x", "y"], ["l"], ["x", "y", "e", "f"], ["dd", "f"]])
    assert.deepStrictEqual(all[1]!.others, [["x", "y", "f"]])
    files.moved(["l"], ["m"])
    assert.deepStrictEqual(all[1]!.path, ["m"])
    files.moved(["x", "y", "f"], ["g"])
    assert.deepStrictEqual(all[1]!.others, [["g"]])
    for (const file of [...all, all[1]!]) await files.release(file)
  })

  for (const opened of [true, false]) {
    it(`leave their record with the last name${opened ? " and the last handle" : ""}, and not before`, async () => {
      Fs.writeFileSync(at("a"), "x")
      Fs.linkSync(at("a"), at("b"))
      const file = await acquire("a")
      await keep(file)
      if (!opened) await files.release(file)
      for (const name of ["a", "b"]) {
        assert.strictEqual(records().length, 1)
        const { stats, volume } = await found(name)
        const place = at(name)
        assert.strictEqual(await files.losing(volume, stats, place, async () => (Fs.unlinkSync(place), 5)), 5)
        assert.strictEqual(file.removed, opened && name === "b")
      }
      assert.strictEqual(records().length, opened ? 1 : 0)
      if (opened) await files.release(file)
      assert.strictEqual(records().length, 0)
    })
  }

  it("leave no record when their last handle is closed just before their last name is removed", async () => {
    Fs.writeFileSync(at("a"), "x")
    const file = await acquire("a")
    await keep(file)
    const { stats, volume } = await found("a")
    await files.losing(volume, stats, at("a"), async () => {
      await files.release(file)
      assert.strictEqual(records().length, 1)
      Fs.unlinkSync(at("a"))
    })
    assert.deepStrictEqual(records(), [])
  })

  it("keep their name and their record when the removal of the name fails", async () => {
    Fs.writeFileSync(at("a"), "x")
    const file = await acquire("a")
    await keep(file)
    const { stats, volume } = await found("a")
    const failed = files.losing(volume, stats, at("a"), () => Promise.reject(new Error("busy")))
    assert.strictEqual(await failed.catch((error) => error.message), "busy")
    assert.isFalse(file.removed)
    await files.release(file)
    assert.strictEqual(records().length, 1)
  })

  it("that are directories leave their record at once, or with the last handle", async () => {
    for (const opened of [true, false]) {
      Fs.mkdirSync(at("d"))
      const file = await acquire("d")
      await keep(file)
      if (!opened) await files.release(file)
      const { stats, volume } = await found("d")
      await files.losing(volume, stats, at("d"), async () => Fs.rmdirSync(at("d")))
      assert.strictEqual(records().length, opened ? 1 : 0)
      if (opened) await files.release(file)
      assert.strictEqual(records().length, 0)
    }
  })

  it("are refused with Stale for another identity", async () => {
    Fs.writeFileSync(at("a"), "x")
    const there = await found("a")
    files.expect(there, undefined)
    files.expect(there, files.identityOf(there))
    assert.throws(() => files.expect(there, "other"), "Stale")
  })
})

describe("a LocalStore's open streams", () => {
  const open = (store: Effect.Success<ReturnType<typeof LocalStore.make>>, path: StorePath, how: StoreOpen) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { file } = yield* Scope.provide(store.open(path, how), scope)
      return { file, close: Scope.close(scope, Exit.void) }
    })

  it.live("keep their bytes when they are removed after an earlier stream with their number was closed", () =>
    Effect.gen(function*() {
      const store = yield* LocalStore.make(folder)
      const first = yield* open(store, ["f"], { ...fresh, stream: "s" })
      yield* first.file.write(0n, text("first"))
      yield* store.remove(["f"], { stream: "s" })
      // It has the number of the first one.
      const made = yield* open(store, ["f"], { ...fresh, stream: "s" })
      yield* made.file.write(0n, text("second"))
      yield* made.close
      const second = yield* open(store, ["f"], { ...existing, stream: "s" })
      assert.strictEqual(string(yield* first.file.read(0n, 9)), "first")
      yield* first.close
      const again = yield* open(store, ["f"], { ...existing, stream: "s" })
      yield* again.close
      yield* store.remove(["f"], { stream: "s" })
      assert.strictEqual(string(yield* second.file.read(0n, 9)), "second")
      yield* second.close
      assert.strictEqual(yield* reason(store.open(["f"], { ...existing, stream: "s" })), "NotFound")
    }).pipe(Effect.scoped))

  it.live("stay usable for the other handles of the stream when one is closed", () =>
    Effect.gen(function*() {
      const store = yield* LocalStore.make(folder)
      const one = yield* open(store, ["f"], { ...fresh, stream: "s" })
      const other = yield* open(store, ["f"], { ...existing, stream: "S" })
      yield* one.file.write(0n, text("x"))
      yield* one.close
      yield* store.remove(["f"], { stream: "s" })
      yield* other.file.write(1n, text("y"))
      assert.strictEqual(string(yield* other.file.read(0n, 9)), "xy")
      assert.strictEqual((yield* other.file.stat).size, 2n)
      yield* other.close
    }).pipe(Effect.scoped))
})

describe("a LocalStore's file that cannot be made", () => {
  it.live("leaves no record that waits for it, and no entry of its name", () =>
    Effect.gen(function*() {
      const store = yield* LocalStore.make(folder)
      const initial = { securityDescriptor: text("who") }
      yield* Effect.scoped(store.open(["first"], { ...fresh, initial }))
      const platform = process.getBuiltinModule("node:fs")
      const { mkdirSync, promises: { mkdir } } = platform
      const refuse = () => {
        throw Object.assign(new Error(), { code: "EACCES" })
      }
      yield* Effect.acquireUseRelease(
        Effect.sync(() => {
          Object.assign(platform.promises, { mkdir: async () => refuse() })
          Object.assign(platform, { mkdirSync: refuse })
          syncBuiltinESMExports()
        }),
        () =>
          Effect.gen(function*() {
            const made = store.open(["d"], { mode: "new", type: "directory", initial })
            assert.strictEqual(yield* reason(made), "AccessDenied")
          }),
        () =>
          Effect.sync(() => {
            Object.assign(platform.promises, { mkdir })
            Object.assign(platform, { mkdirSync })
            syncBuiltinESMExports()
          })
      )
      assert.deepStrictEqual(Fs.readdirSync(at(sidecarName, "new")), [])
      assert.strictEqual(yield* reason(store.stat(["d"])), "NotFound")
      yield* Effect.scoped(store.open(["D"], { mode: "new", type: "directory", initial }))
      assert.deepStrictEqual(Fs.readdirSync(at(sidecarName, "new")), [])
      assert.strictEqual(records().length, 2)
    }).pipe(Effect.scoped))
})

describe("LocalStore's options", () => {
  const isLinux = process.platform === "linux"
  /** The descriptors of this process at or below a place. */
  const count = (place: string) =>
    Fs.readdirSync(Local.descriptors).filter((fd) => {
      try {
        return Fs.readlinkSync(`${Local.descriptors}/${fd}`).startsWith(place)
      } catch {
        return false
      }
    }).length

  it.live.skipIf(!isLinux)(
    `keep at most 512 files and 128 directories open by default${isLinux ? "" : " (skipped: only Linux lists them)"}`,
    () =>
      Effect.gen(function*() {
        const store = yield* LocalStore.make(folder)
        Fs.mkdirSync(at("files"))
        Fs.mkdirSync(at("folders"))
        for (let i = 0; i < 514; i++) Fs.writeFileSync(at("files", `f${i}`), "x")
        for (let i = 0; i < 131; i++) Fs.mkdirSync(at("folders", `d${i}`))
        for (let i = 0; i < 514; i++) {
          const { file } = yield* store.open(["files", `f${i}`], existing)
          yield* file.read(0n, 1)
          if (i === 511) assert.strictEqual(count(at("files", "f")), 512)
        }
        assert.strictEqual(count(at("files", "f")), 512)
        for (let i = 0; i < 131; i++) yield* Effect.flip(store.stat(["folders", `d${i}`, "no"]))
        // A closed directory is closed in the thread pool.
        const all = () => count(at("files")) - 512 + count(at("folders"))
        while (all() > 128) yield* Effect.promise(() => Local.lstat(folder))
        yield* Effect.promise(() => Promise.all(Array.from({ length: 8 }, () => Local.lstat(folder))))
        assert.strictEqual(all(), 128)
      }).pipe(Effect.scoped)
  )

  it.live("are shared with the first store of the folder, and the label is the folder's name by default", () =>
    Effect.gen(function*() {
      const store = yield* LocalStore.make(folder)
      const other = yield* LocalStore.make(folder, { label: "other", readOnly: true })
      assert.strictEqual(other.origin, store.origin)
      const [one, two] = [yield* store.volume, yield* other.volume]
      assert.strictEqual(one.label, folder.split(/[/\\]/).at(-1))
      assert.strictEqual(two.label, "other")
      assert.deepStrictEqual([one.readOnly, two.readOnly], [false, true])
      assert.strictEqual(one.maximumComponentLength, 255)
      assert.isTrue(one.supports.sparse)
      assert.strictEqual(yield* reason(other.open(["f"], fresh)), "ReadOnly")
      yield* Effect.scoped(store.open(["f"], fresh))
      assert.strictEqual((yield* other.stat(["F"])).name, "f")
    }).pipe(Effect.scoped))
})
