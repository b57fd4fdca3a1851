/**
 * Proves what a FileSystemStore does when a call of the file system fails: the reason that it gives, and that no file is
 * lost or left behind. It also proves that a read-only store makes no change, and which file a place stands for after
 * renames where files have no numbers.
 */
import { assert, describe } from "@effect/vitest"
import { Effect, FileSystem, PlatformError, Stream } from "effect"
import * as Fs from "node:fs"
import * as FileTime from "../../src/Codec/FileTime.ts"
import type { ShareStore, StoreError, StoreFile, StoreOpened, StorePath } from "../../src/Server/ShareStore.ts"
import * as FileSystemStore from "../../src/Server/Store/FileSystemStore.ts"
import { folder, info, live, refusal, unnumbered } from "./fileSystems.ts"

const existing = { mode: "existing", type: "file" } as const
const fresh = { mode: "new", type: "file" } as const
const freshDirectory = { mode: "new", type: "directory" } as const
const text = (value: string) => new TextEncoder().encode(value)
const string = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const reason = <A, R>(effect: Effect.Effect<A, StoreError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

const names = (store: ShareStore, path: StorePath = []) =>
  Effect.map(Stream.runCollect(store.list(path)), (nodes) => nodes.map(({ name }) => name).sort())

describe("FileSystemStore's reasons", () => {
  live(
    "are those of the file system's error, or of the platform's code in its cause, or Failed with the error",
    function*() {
      const { at, over, path } = yield* folder
      Fs.writeFileSync(at("f"), "x")
      let error = refusal("Unknown")
      const store = yield* FileSystemStore.make(
        over((fs) => ({ stat: (place) => place === path ? fs.stat(place) : Effect.suspend(() => Effect.fail(error)) })),
        path
      )
      const cases: ReadonlyArray<readonly [PlatformError.PlatformError, StoreError["reason"]["_tag"]]> = [
        [refusal("PermissionDenied"), "AccessDenied"],
        [refusal("AlreadyExists"), "Exists"],
        [refusal("Busy"), "Busy"],
        [refusal("WouldBlock"), "Busy"],
        // The tag is more specific than the code.
        [refusal("PermissionDenied", "ENOSPC"), "AccessDenied"],
        [refusal("Unknown", "ENOSPC"), "Full"],
        [refusal("BadResource", "EROFS"), "ReadOnly"],
        [refusal("Unknown", "ENAMETOOLONG"), "InvalidName"],
        [refusal("Unknown", "EIO"), "Failed"],
        [refusal("Unknown"), "Failed"],
        [refusal("TimedOut"), "Failed"],
        [PlatformError.badArgument({ module: "FileSystem", method: "test" }), "Failed"]
      ]
      for (const [given, expected] of cases) {
        error = given
        const found: StoreError = yield* Effect.flip(store.stat(["f"]))
        assert.strictEqual(found.reason._tag, expected, String(given))
        assert.strictEqual(found.cause !== undefined, expected === "Failed")
      }
      error = refusal("Unknown")
      assert.strictEqual((yield* Effect.flip(store.stat(["f"]))).cause, error)
      // A missing name is not an error of the file system.
      for (const missing of [refusal("NotFound"), refusal("Unknown", "ENOTDIR")]) {
        error = missing
        assert.strictEqual(yield* reason(store.stat(["no"])), "NotFound")
        // Entries that cannot be looked at are not listed.
        assert.deepStrictEqual(yield* names(store), [])
      }
    }
  )

  live("of a file that may not be written let it be opened for reading, and no other reasons do", function*() {
    const { at, over, path } = yield* folder
    Fs.writeFileSync(at("f"), "x")
    for (
      const [error, expected] of [
        [refusal("PermissionDenied"), undefined],
        [refusal("Unknown", "EROFS"), undefined],
        [refusal("Busy"), "Busy"],
        [refusal("Unknown", "EIO"), "Failed"]
      ] as const
    ) {
      const flags: Array<string | undefined> = []
      const fs = over((fs) => ({
        open: (place, options) => {
          flags.push(options?.flag)
          return options?.flag === "r" ? fs.open(place, options) : Effect.fail(error)
        }
      }))
      const store = yield* FileSystemStore.make(fs, path)
      if (expected !== undefined) assert.strictEqual(yield* reason(store.open(["f"], existing)), expected)
      else {
        const { file }: StoreOpened = yield* store.open(["f"], existing)
        assert.strictEqual(string(yield* file.read(0n, 5)), "x")
      }
      assert.deepStrictEqual(flags, expected === undefined ? ["r+", "r"] : ["r+"])
    }
  })

  live("of handles say Stale after their name is gone, and the entry is gone that cannot be described", function*() {
    const { at, fs, path } = yield* folder
    const store = yield* FileSystemStore.make(fs, path)
    const { file: directory }: StoreOpened = yield* store.open(["d"], freshDirectory)
    const { file: other }: StoreOpened = yield* store.open(["e"], freshDirectory)
    yield* store.remove(["d"])
    Fs.rmdirSync(at("e"))
    for (const file of [directory, other]) {
      assert.strictEqual(yield* reason(file.stat), "Stale")
      assert.strictEqual(yield* reason(file.set({ lastWriteTime: FileTime.epoch })), "Stale")
    }
    // A new directory of the name is another one.
    yield* store.open(["d"], freshDirectory)
    assert.strictEqual(yield* reason(directory.stat), "Stale")
  })
})

describe("FileSystemStore's changes that fail", () => {
  live("leave the replaced file of a link, and no other name of the source", function*() {
    const { at, over, path } = yield* folder
    Fs.writeFileSync(at("a"), "a")
    Fs.writeFileSync(at("B"), "b")
    for (const call of ["link", "rename"] as const) {
      const store = yield* FileSystemStore.make(
        over(() => ({ [call]: () => Effect.fail(refusal("PermissionDenied")) })),
        path
      )
      assert.strictEqual(yield* reason(store.link!(["a"], ["b"], { replace: true })), "AccessDenied")
      assert.deepStrictEqual(Fs.readdirSync(path).sort(), ["B", "a"])
      assert.strictEqual(Fs.readFileSync(at("B"), "utf8"), "b")
    }
  })

  live("of a link or rename to a name in another case give the file that case", function*() {
    const { at, fs, path } = yield* folder
    const store = yield* FileSystemStore.make(fs, path)
    for (const name of ["a", "B", "c", "D"]) Fs.writeFileSync(at(name), name)
    yield* store.link!(["a"], ["b"], { replace: true })
    yield* store.rename(["C"], ["d"], { replace: true })
    assert.deepStrictEqual(Fs.readdirSync(path).sort(), ["a", "b", "d"])
    assert.strictEqual(Fs.readFileSync(at("b"), "utf8"), "a")
    assert.strictEqual(Fs.readFileSync(at("d"), "utf8"), "c")
    yield* store.link!(["a"], ["b"], { replace: true })
    assert.strictEqual(yield* reason(store.link!(["a"], ["b"], { replace: false })), "Exists")
    assert.deepStrictEqual(Fs.readdirSync(path).sort(), ["a", "b", "d"])
  })

  live("do not hold up later changes in the same directory", function*() {
    const { at, over, path } = yield* folder
    let fails = true
    const store = yield* FileSystemStore.make(
      over((fs) => ({
        remove: (place, options) => fails ? Effect.fail(refusal("Busy")) : fs.remove(place, options)
      })),
      path
    )
    Fs.mkdirSync(at("d"))
    Fs.writeFileSync(at("f"), "x")
    const both = Effect.forEach([["d"], ["f"], ["d"], ["f"]], (path) => Effect.exit(store.remove(path)), {
      concurrency: "unbounded"
    })
    const failed: ReadonlyArray<{ readonly _tag: string }> = yield* both
    assert.isTrue(failed.every(({ _tag }) => _tag === "Failure"))
    fails = false
    const done: ReadonlyArray<{ readonly _tag: string }> = yield* both
    assert.strictEqual(done.filter(({ _tag }) => _tag === "Success").length, 2)
    assert.deepStrictEqual(Fs.readdirSync(path), [])
  })

  live("let no file be made in a directory between the look into it and its removal", function*() {
    const { at, over, path } = yield* folder
    Fs.mkdirSync(at("d"))
    const store: ShareStore = yield* FileSystemStore.make(
      over((fs) => ({ readDirectory: (place) => Effect.delay(fs.readDirectory(place), 20) })),
      path
    )
    const [removed, made] = yield* Effect.all([
      Effect.exit(store.remove(["d"])),
      Effect.exit(Effect.delay(Effect.scoped(store.open(["d", "f"], fresh)), 5))
    ], { concurrency: "unbounded" })
    assert.strictEqual(removed._tag, "Success")
    assert.strictEqual(made._tag, "Failure")
    assert.deepStrictEqual(Fs.readdirSync(path), [])
  })
})

describe("a read-only FileSystemStore", () => {
  live("opens for reading, and refuses each change with ReadOnly after the faults of the names", function*() {
    const { at, over, path } = yield* folder
    Fs.mkdirSync(at("d"))
    Fs.writeFileSync(at("f"), "x")
    const flags: Array<string | undefined> = []
    const store: ShareStore = yield* FileSystemStore.make(
      over((fs) => ({ open: (place, options) => (flags.push(options?.flag), fs.open(place, options)) })),
      path,
      { readOnly: true }
    )
    const { file }: StoreOpened = yield* store.open(["f"], { mode: "either", type: "file" })
    const { file: directory }: StoreOpened = yield* store.open(["d"], existing)
    assert.deepStrictEqual(flags, ["r"])
    assert.strictEqual(string(yield* file.read(0n, 5)), "x")
    const before = Fs.statSync(at("f")).mtimeMs
    const keep = { replace: true }
    const changes: ReadonlyArray<Effect.Effect<unknown, StoreError, any>> = [
      store.open(["g"], fresh),
      store.open(["g"], freshDirectory),
      store.open(["g"], { mode: "either", type: "file" }),
      store.remove(["f"]),
      store.remove(["d"]),
      store.rename(["f"], ["g"], keep),
      store.rename(["f"], [], keep),
      store.link!(["f"], ["g"], keep),
      store.link!(["d"], ["g"], keep),
      file.write(0n, text("y")),
      file.write(0n, new Uint8Array(0)),
      file.truncate(0n),
      file.zero({ offset: 0n, length: 1n }),
      file.set({ lastWriteTime: FileTime.epoch }),
      file.set({}),
      directory.write(0n, text("y"))
    ]
    for (const change of changes) assert.strictEqual(yield* reason(change), "ReadOnly")
    const faults: ReadonlyArray<readonly [Effect.Effect<unknown, StoreError, any>, StoreError["reason"]["_tag"]]> = [
      [store.open(["no"], existing), "NotFound"],
      [store.open(["f"], fresh), "Exists"],
      [store.remove(["no"]), "NotFound"],
      [store.remove(["f"], { expected: "other" }), "Stale"],
      [store.remove([]), "AccessDenied"],
      [store.rename(["no"], ["g"], keep), "NotFound"],
      [store.rename([], ["g"], keep), "AccessDenied"],
      [store.link!(["no"], ["g"], keep), "NotFound"],
      [store.link!(["f"], ["g"], { ...keep, expected: "other" }), "Stale"]
    ]
    for (const [call, expected] of faults) assert.strictEqual(yield* reason(call), expected)
    assert.deepStrictEqual(Fs.readdirSync(path).sort(), ["d", "f"])
    assert.strictEqual(Fs.readFileSync(at("f"), "utf8"), "x")
    assert.strictEqual(Fs.statSync(at("f")).mtimeMs, before)
  })
})

describe("FileSystemStore's identities of files without numbers", () => {
  /** A store over a file system that does not number files, and does not know when they were made. */
  const made = Effect.gen(function*() {
    const { at, fs, path } = yield* folder
    const store: ShareStore = yield* FileSystemStore.make(unnumbered(fs), path)
    const identity = (path: StorePath) => Effect.map(store.stat(path), (node) => node.identity)
    return { at, identity, store }
  })
  const keep = { replace: false }

  live("stay with the file through renames of it and of the directories above it", function*() {
    const { at, identity, store } = yield* made
    Fs.mkdirSync(at("d", "e"), { recursive: true })
    Fs.mkdirSync(at("dd"))
    for (const place of [["d", "e", "f"], ["d", "g"], ["dd", "g"]]) Fs.writeFileSync(at(...place), "x")
    const seen: ReadonlyArray<string> = yield* Effect.forEach(
      [["d"], ["d", "e"], ["d", "e", "f"], ["d", "g"]],
      identity
    )
    const neighbour = yield* identity(["dd", "g"])
    assert.strictEqual(new Set(seen).size, 4)
    yield* store.rename(["d", "e", "f"], ["d", "e", "h"], keep)
    yield* store.rename(["d"], ["x"], keep)
    yield* store.rename(["x", "e"], ["y"], keep)
    assert.deepStrictEqual(yield* Effect.forEach([["x"], ["y"], ["y", "h"], ["x", "g"]], identity), seen)
    yield* store.rename(["y"], ["x", "z"], keep)
    yield* store.rename(["x"], ["d"], keep)
    assert.deepStrictEqual(yield* Effect.forEach([["d"], ["d", "z"], ["d", "z", "h"], ["d", "g"]], identity), seen)
    assert.strictEqual(yield* identity(["dd", "g"]), neighbour)
  })

  live("are another for the next file at a place, also below a directory that was moved away", function*() {
    const { at, identity, store } = yield* made
    const seen = new Set<string>()
    const make = Effect.fnUntraced(function*(path: StorePath, how: typeof fresh | typeof freshDirectory = fresh) {
      const { node } = yield* Effect.scoped(store.open(path, how))
      assert.isFalse(seen.has(node.identity), node.identity)
      seen.add(node.identity)
      assert.strictEqual(yield* identity(path), node.identity)
    })
    for (let i = 0; i < 3; i++) {
      yield* make(["f"])
      yield* store.remove(["f"])
    }
    yield* make(["f"])
    yield* store.rename(["f"], ["g"], keep)
    yield* make(["f"])
    yield* store.rename(["f"], ["g"], { replace: true })
    yield* make(["f"])
    yield* make(["d"], freshDirectory)
    yield* make(["d", "x"])
    yield* store.rename(["d"], ["e"], keep)
    yield* make(["d"], freshDirectory)
    yield* make(["d", "x"])
    yield* store.remove(["e", "x"])
    yield* make(["e", "x"])
    // All names of a file are one identity; a name that was given to another file is another one.
    yield* store.link!(["f"], ["l"], keep)
    assert.strictEqual(yield* identity(["l"]), yield* identity(["f"]))
    yield* store.link!(["e", "x"], ["l"], { replace: true })
    assert.strictEqual(yield* identity(["l"]), yield* identity(["e", "x"]))
    Fs.rmSync(at("l"))
  })

  live("are remembered for 10,000 places, the latest ones", function*() {
    // Every name leads to a file, which is never really removed.
    const fs = FileSystem.makeNoop({
      stat: (path) => Effect.succeed(info({ type: path === "/r" ? "Directory" : "File" })),
      remove: () => Effect.void
    })
    const store = yield* FileSystemStore.make(fs, "/r", { symbolicLinks: false })
    const identity = (name: string) => Effect.map(store.stat([name]), (node) => node.identity)
    const first = yield* identity("f0")
    for (let i = 0; i < 9999; i++) yield* store.remove([`f${i}`])
    // The latest removal of a place counts.
    yield* store.remove(["f0"])
    yield* store.remove(["f9999"])
    const second = yield* identity("f1")
    assert.notStrictEqual(yield* identity("f0"), first)
    yield* store.remove(["f10000"])
    assert.notStrictEqual(yield* identity("f1"), second)
    assert.notStrictEqual(yield* identity("f0"), first)
  })
})

describe("FileSystemStore's handles", () => {
  live("follow renames of directories above them, and only these", function*() {
    const { at, fs, path } = yield* folder
    const store = yield* FileSystemStore.make(fs, path)
    for (const name of ["d", "dd"]) {
      Fs.mkdirSync(at(name))
      Fs.mkdirSync(at(name, "x"))
    }
    const open = (path: StorePath) => Effect.map(store.open(path, existing), ({ file }: StoreOpened): StoreFile => file)
    const moved: StoreFile = yield* open(["d", "x"])
    const top: StoreFile = yield* open(["d"])
    const still: StoreFile = yield* open(["dd", "x"])
    yield* store.rename(["d"], ["dd", "Y"], keepNames)
    assert.strictEqual((yield* moved.stat).name, "x")
    assert.strictEqual((yield* top.stat).name, "Y")
    assert.strictEqual((yield* still.stat).name, "x")
    yield* moved.set({ lastWriteTime: FileTime.fromMillis(1000) })
    yield* still.set({ lastWriteTime: FileTime.fromMillis(2000) })
    assert.strictEqual(Fs.statSync(at("dd", "Y", "x")).mtimeMs, 1000)
    assert.strictEqual(Fs.statSync(at("dd", "x")).mtimeMs, 2000)
    // A handle of a removed name does not follow a later rename of a new file there.
    yield* store.remove(["dd", "x"])
    yield* store.open(["dd", "x"], freshDirectory)
    yield* store.rename(["dd", "x"], ["z"], keepNames)
    assert.strictEqual(yield* reason(still.stat), "Stale")
  })
})

const keepNames = { replace: false }
