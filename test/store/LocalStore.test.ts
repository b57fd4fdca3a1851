/**
 * Proves that a LocalStore passes the conformance kit, and how it shares a real folder with other programs. Some tests
 * let another program act between two calls of the store.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Schedule, Stream } from "effect"
import * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ShareStore, StoreError, StoreOpen, StorePath } from "../../src/Server/ShareStore.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import { FileAttributes } from "../../src/Smb2/Message/Constants.ts"
import type { Outside } from "../../src/Testing/StoreTraits.ts"
import { storeConformance } from "./conformance.ts"
import { makeOn } from "./fileSystemKinds.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => Fs.promises.mkdtemp(join(tmpdir(), "effect-smb-store-"))),
  (path) => Effect.promise(() => Fs.promises.rm(path, { recursive: true, force: true }))
)

const folders = new WeakMap<ShareStore, string>()

/** A store over its own temporary folder. */
const make = (options: LocalStore.LocalStoreOptions = {}) =>
  Effect.flatMap(folder, (path) =>
    Effect.map(LocalStore.make(path, options), (store) => {
      folders.set(store, path)
      return store
    }))

const outside = (store: ShareStore): Outside => {
  const at = (path: StorePath) => join(folders.get(store)!, ...path)
  return {
    write: (path, content) => Fs.writeFileSync(at(path), content),
    makeDirectory: (path) => Fs.mkdirSync(at(path)),
    remove: (path) => Fs.rmSync(at(path))
  }
}

storeConformance("LocalStore", make(), { outside })

// Limits of one: the store opens and closes descriptors with each call.
storeConformance("LocalStore with a limit of one descriptor", make({ descriptors: 1, directories: 1, names: 1 }), {
  many: 100,
  outside
})

// The way of platforms where a descriptor cannot be used as a path.
storeConformance("LocalStore by paths", make({ byPath: true }), { many: 100, outside })

const existing = { mode: "existing", type: "file" } as const
const fresh = { mode: "new", type: "file" } as const

const text = (value: string) => new TextEncoder().encode(value)
const string = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes)

const reason = <A, R>(effect: Effect.Effect<A, StoreError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

const get = (store: ShareStore, path: ReadonlyArray<string>) =>
  Effect.scoped(Effect.flatMap(store.open(path, existing), ({ file }) => Effect.map(file.read(0n, 1000), string)))

/** The names in a folder on disk without the sidecar. */
const onDisk = (path: string) => Fs.readdirSync(path).filter((name) => name !== LocalStore.sidecarName).sort()

const records = (path: string) => Fs.readdirSync(join(path, LocalStore.sidecarName, "records"))

/** Linux's O_PATH. */
const holdsOnly = 0o10000000

/**
 * While the scope lasts, `act` runs once as another program: just before the store first opens or links a file of this
 * name. The store opens a file that it is about to remove or replace after it has looked at the name.
 */
const meanwhile = (name: string, act: () => void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { default: platform } = Fs as unknown as { default: { open: unknown; openSync: unknown } }
      const { open, openSync } = Fs
      const { link } = Fs.promises
      let acted = false
      const hear = (path: unknown) => {
        if (acted || typeof path !== "string" || !path.endsWith(`/${name}`)) return
        acted = true
        act()
      }
      platform.open = (...args: ReadonlyArray<unknown>) => {
        hear(args[0])
        return Reflect.apply(open, Fs, args)
      }
      platform.openSync = (...args: ReadonlyArray<unknown>) => {
        // A descriptor that only holds the file is opened earlier.
        if ((Number(args[1]) & holdsOnly) === 0) hear(args[0])
        return Reflect.apply(openSync, Fs, args)
      }
      Fs.promises.link = (from, to) => {
        hear(from)
        return link(from, to)
      }
      syncBuiltinESMExports()
      return {
        acted: () => acted,
        restore: () => {
          platform.open = open
          platform.openSync = openSync
          Fs.promises.link = link
          syncBuiltinESMExports()
        }
      }
    }),
    ({ restore }) => Effect.sync(restore)
  )

/** Keys of files on an overlay have no time of birth, so that each inode has one record there. */
const isOverlay = process.platform === "linux" && Fs.statfsSync(tmpdir()).type === 0x794c_7630

/** Titles of tests that need the platform, with the reason where it is another one. */
const onPosix = process.platform === "win32" ? " (skipped: Windows has no FIFO)" : ""
const onLinux = process.platform === "linux" ? "" : " (skipped: only Linux lists the descriptors of a process)"

describe("LocalStore and other programs", () => {
  const identity = (store: ShareStore, path: StorePath) => Effect.map(store.stat(path), ({ identity }) => identity)

  it.live("fails with Stale and changes nothing when another program has replaced the expected file", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      const at = (name: string) => join(path, name)
      Fs.writeFileSync(at("doc"), "old")
      const old = { expected: yield* identity(store, ["doc"]) }
      // Editors save files this way.
      Fs.writeFileSync(at("doc.new"), "new")
      Fs.renameSync(at("doc.new"), at("doc"))
      assert.strictEqual(yield* reason(store.remove(["doc"], old)), "Stale")
      assert.strictEqual(yield* reason(store.mayRemove!(["doc"], old)), "Stale")
      assert.strictEqual(yield* reason(store.rename(["doc"], ["x"], { replace: true, ...old })), "Stale")
      assert.strictEqual(yield* reason(store.link!(["doc"], ["x"], { replace: true, ...old })), "Stale")
      assert.strictEqual(Fs.readFileSync(at("doc"), "utf8"), "new")
      assert.deepStrictEqual(onDisk(path), ["doc"])
    }))

  for (
    const [title, change] of [
      ["remove", (store: ShareStore, doc: string) => store.remove(["doc"], { expected: doc })],
      [
        "replace by a rename",
        (store: ShareStore, doc: string, other: string) =>
          store.rename(["other"], ["doc"], { replace: true, expected: other, replaced: doc })
      ],
      [
        "replace by a rename that names it in another case",
        (store: ShareStore, doc: string, other: string) =>
          store.rename(["other"], ["DOC"], { replace: true, expected: other, replaced: doc })
      ],
      [
        "replace by a link",
        (store: ShareStore, doc: string, other: string) =>
          store.link!(["other"], ["doc"], { replace: true, expected: other, replaced: doc })
      ]
    ] as const
  ) {
    it.live(`does not ${title} a file that another program moves there after the check of the name`, () =>
      Effect.gen(function*() {
        const path = yield* folder
        const store = yield* LocalStore.make(path)
        for (const file of ["doc", "other"]) Fs.writeFileSync(join(path, file), file)
        // A server has a file open when it removes it.
        const doc = yield* store.open(["doc"], existing)
        const other = yield* store.open(["other"], existing)
        Fs.writeFileSync(join(path, "doc.new"), "new")
        const program = yield* meanwhile("doc", () => Fs.renameSync(join(path, "doc.new"), join(path, "doc")))
        assert.strictEqual(yield* reason(change(store, doc.node.identity, other.node.identity)), "Stale")
        assert.isTrue(program.acted())
        assert.deepStrictEqual(onDisk(path), ["doc", "other"])
        assert.strictEqual(Fs.readFileSync(join(path, "doc"), "utf8"), "new")
        assert.strictEqual(Fs.readFileSync(join(path, "other"), "utf8"), "other")
        assert.deepStrictEqual(Fs.readdirSync(join(path, LocalStore.sidecarName, "new")), [])
      }))
  }

  for (const way of ["rename", "link"] as const) {
    it.live(`does not ${way} a source over another file when another program has just replaced the source`, () =>
      Effect.gen(function*() {
        const path = yield* folder
        const store = yield* LocalStore.make(path)
        for (const file of ["doc", "other"]) Fs.writeFileSync(join(path, file), file)
        const doc = yield* store.open(["doc"], existing)
        const other = yield* store.open(["other"], existing)
        Fs.writeFileSync(join(path, "other.new"), "new")
        const program = yield* meanwhile("doc", () => Fs.renameSync(join(path, "other.new"), join(path, "other")))
        const how = { replace: true, expected: other.node.identity, replaced: doc.node.identity }
        assert.strictEqual(yield* reason(store[way]!(["other"], ["doc"], how)), "Stale")
        assert.isTrue(program.acted())
        assert.deepStrictEqual(onDisk(path), ["doc", "other"])
        assert.strictEqual(Fs.readFileSync(join(path, "doc"), "utf8"), "doc")
        assert.strictEqual(Fs.readFileSync(join(path, "other"), "utf8"), "new")
        assert.deepStrictEqual(Fs.readdirSync(join(path, LocalStore.sidecarName, "new")), [])
      }))
  }

  const kept = { ...fresh, initial: { securityDescriptor: text("who may") } }

  for (
    const [title, change] of [
      ["removed", (store: ShareStore) => store.remove(["doc"])],
      ["replaced by a rename", (store: ShareStore) => store.rename(["other"], ["doc"], { replace: true })],
      ["replaced by a link", (store: ShareStore) => store.link!(["other"], ["doc"], { replace: true })]
    ] as const
  ) {
    it.live(`keeps the descriptor of a file whose name is ${title} while another program links it`, () =>
      Effect.gen(function*() {
        const path = yield* folder
        const store = yield* LocalStore.make(path)
        yield* Effect.scoped(store.open(["doc"], kept))
        Fs.writeFileSync(join(path, "other"), "other")
        yield* Effect.scoped(Effect.gen(function*() {
          yield* store.open(["doc"], existing)
          const program = yield* meanwhile("doc", () => Fs.linkSync(join(path, "doc"), join(path, "kept")))
          yield* change(store)
          assert.isTrue(program.acted())
        }))
        const { file } = yield* store.open(["kept"], existing)
        assert.strictEqual(string(yield* file.getBlob("SecurityDescriptor")), "who may")
      }))
  }

  it.live("leaves no record of a file whose last two names are removed at the same time", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      for (const name of ["a", "b"]) Fs.mkdirSync(join(path, name))
      const both = Effect.gen(function*() {
        yield* Effect.scoped(store.open(["a", "doc"], kept))
        yield* store.link!(["a", "doc"], ["b", "doc"], { replace: false })
        assert.strictEqual(records(path).length, 1)
      })
      yield* both
      yield* Effect.scoped(Effect.gen(function*() {
        yield* store.open(["a", "doc"], existing)
        const program = yield* meanwhile("doc", () => Fs.unlinkSync(join(path, "b", "doc")))
        yield* store.remove(["a", "doc"])
        assert.isTrue(program.acted())
      }))
      assert.deepStrictEqual(records(path), [])
      for (let i = 0; i < 10; i++) {
        yield* both
        yield* Effect.all([store.remove(["a", "doc"]), store.remove(["b", "doc"])], { concurrency: 2 })
        assert.deepStrictEqual(records(path), [])
      }
    }))

  it.live("leaves no record of a file that another program removes or replaces while it is open", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      const doc = join(path, "doc")
      for (
        const take of [() => Fs.unlinkSync(doc), () => {
          Fs.writeFileSync(`${doc}.new`, "new")
          Fs.renameSync(`${doc}.new`, doc)
        }]
      ) {
        yield* Effect.scoped(Effect.gen(function*() {
          const { file } = yield* store.open(["doc"], kept)
          yield* Effect.scoped(store.open(["doc"], { ...existing, stream: "s", mode: "new" }))
          assert.strictEqual(records(path).length, 1)
          take()
          assert.strictEqual(string(yield* file.getBlob("SecurityDescriptor")), "who may")
        }))
        assert.deepStrictEqual(records(path), [])
        assert.deepStrictEqual(Fs.readdirSync(join(path, LocalStore.sidecarName, "streams")), [])
      }
    }))

  it.live("keeps the record of an open file that another program renames", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* store.open(["doc"], kept)
        Fs.renameSync(join(path, "doc"), join(path, "away"))
      }))
      const { file } = yield* store.open(["away"], existing)
      assert.strictEqual(string(yield* file.getBlob("SecurityDescriptor")), "who may")
    }))

  it.live.skipIf(isOverlay)(
    `drops records of earlier files with the same inode when it writes one, and keeps a later file's${
      isOverlay ? " (skipped: an overlay keeps no time of birth)" : ""
    }`,
    () =>
      Effect.gen(function*() {
        const path = yield* folder
        yield* Effect.scoped(Effect.flatMap(LocalStore.make(path), (store) => store.open(["doc"], kept)))
        const [key] = records(path)
        const [inode, birth] = key!.split("-")
        const sidecar = join(path, LocalStore.sidecarName)
        const born = (offset: bigint) => `${inode}-${(BigInt(`0x${birth}`) + offset).toString(16)}`
        const [oldest, older, later] = [born(-2n), born(-1n), born(1n)] as const
        const streams = { streams: [{ name: "s", file: "1" }] }
        for (const other of [oldest, older, later]) {
          Fs.writeFileSync(join(sidecar, "records", other), JSON.stringify(streams))
          Fs.mkdirSync(join(sidecar, "streams", other))
          Fs.writeFileSync(join(sidecar, "streams", other, "1"), "bytes")
        }
        Fs.rmSync(join(sidecar, "records", key!))
        const store = yield* LocalStore.make(path)
        const { file } = yield* store.open(["doc"], existing)
        yield* file.setBlob("SecurityDescriptor", text("who may now"))
        assert.deepStrictEqual(records(path).sort(), [key!, later].sort())
        assert.deepStrictEqual(Fs.readdirSync(join(sidecar, "streams")), [later])
        yield* file.setBlob("SecurityDescriptor", undefined)
        yield* file.setBlob("SecurityDescriptor", text("who may then"))
        assert.deepStrictEqual(records(path).sort(), [key!, later].sort())
      })
  )

  it.live("gives a new file of the same name another identity, although its inode may be reused", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      Fs.writeFileSync(join(path, "f"), "old")
      const old = yield* identity(store, ["f"])
      yield* Effect.sleep(20)
      for (let i = 0; i < 50; i++) {
        Fs.rmSync(join(path, "f"))
        Fs.writeFileSync(join(path, "f"), "new")
        assert.notStrictEqual(yield* identity(store, ["f"]), old)
      }
    }))

  it.live("removes and renames a symbolic link itself, not its target", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      Fs.writeFileSync(join(path, "target"), "x")
      Fs.symlinkSync("target", join(path, "link"))
      const same = { expected: yield* identity(store, ["link"]) }
      assert.strictEqual(same.expected, yield* identity(store, ["target"]))
      yield* store.rename(["link"], ["renamed"], { replace: false, ...same })
      assert.deepStrictEqual(onDisk(path), ["renamed", "target"])
      yield* store.remove(["renamed"], same)
      assert.deepStrictEqual(onDisk(path), ["target"])
    }))

  it.live("gives as `parent` the directory that really holds a file, also through a symbolic link", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      Fs.mkdirSync(join(path, "tree"))
      Fs.mkdirSync(join(path, "other", "deep"), { recursive: true })
      Fs.symlinkSync("../other/deep", join(path, "tree", "link"))
      for (
        const [at, holder] of [[["tree", "link"], ["other"]], [["other", "deep"], ["other"]], [["tree"], []]] as const
      ) {
        const { file } = yield* store.open(at, existing)
        assert.strictEqual((yield* file.parent!).identity, yield* identity(store, holder))
      }
    }).pipe(Effect.scoped))

  it.live("refuses with NotEmpty to remove a directory that has only entries that are not listed", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      Fs.mkdirSync(join(path, "d"))
      yield* store.mayRemove!(["d"])
      Fs.symlinkSync("/", join(path, "d", "out"))
      assert.deepStrictEqual(yield* Stream.runCollect(store.list(["d"])), [])
      assert.strictEqual(yield* reason(store.mayRemove!(["d"])), "NotEmpty")
      assert.strictEqual(yield* reason(store.remove(["d"])), "NotEmpty")
    }))

  it.live("keeps the target of a replacing link when the link cannot be made", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      Fs.writeFileSync(join(path, "a"), "a")
      Fs.writeFileSync(join(path, "b"), "b")
      // From now on no link can be made in this folder.
      Fs.rmSync(join(path, LocalStore.sidecarName, "new"), { recursive: true })
      const error = yield* Effect.flip(store.link!(["a"], ["b"], { replace: true }))
      assert.strictEqual(error.reason._tag, "Failed")
      assert.match(String(error.cause), /\.effect-smb was removed.*Stop the server/)
      for (const name of ["a", "b"]) assert.strictEqual(Fs.readFileSync(join(path, name), "utf8"), name)
    }))
})

/** The access mode (O_RDONLY, O_WRONLY or O_RDWR) of each descriptor of a file in this process. */
const modes = (path: string) =>
  Fs.readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      if (Fs.readlinkSync(`/proc/self/fd/${fd}`).replace(" (deleted)", "") !== path) return []
      const flags = /^flags:\s*([0-7]+)$/m.exec(Fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))![1]!
      return [Number.parseInt(flags, 8) & 3]
    } catch {
      return []
    }
  })

describe("LocalStore's descriptors", () => {
  const { O_RDONLY, O_RDWR } = Fs.constants

  it.live.skipIf(onLinux !== "")(
    `are read-only until the first write to a file, and only one read-write descriptor is left then${onLinux}`,
    () =>
      Effect.gen(function*() {
        const path = Fs.realpathSync(yield* folder)
        const store = yield* LocalStore.make(path)
        const place = join(path, "f")
        Fs.writeFileSync(place, "there")
        const { file } = yield* store.open(["f"], { ...existing, forData: true })
        assert.strictEqual(string(yield* file.read(0n, 9)), "there")
        yield* file.allocated({ offset: 0n, length: 9n })
        yield* file.flush
        yield* file.set({ lastWriteTime: 133_000_000_000_000_000n })
        yield* file.setBlob("SecurityDescriptor", text("who may"))
        yield* file.stat
        assert.deepStrictEqual(modes(place), [O_RDONLY])
        // Reads that run when the first write comes still succeed.
        const reads = Array.from({ length: 20 }, (_, i) => i % 5 === 4 ? file.write(5n, text("!")) : file.read(0n, 5))
        const read = yield* Effect.all(reads, { concurrency: "unbounded" })
        for (const bytes of read) if (bytes !== undefined) assert.strictEqual(string(bytes), "there")
        assert.strictEqual(Fs.readFileSync(place, "utf8"), "there!")
        // The descriptor of the last read is closed after the read has ended.
        const last = yield* Effect.repeat(Effect.sync(() => modes(place)), {
          until: (all) => all.length === 1,
          schedule: Schedule.spaced("5 millis"),
          times: 1000
        })
        assert.deepStrictEqual(last, [O_RDWR])
      })
  )

  for (const byPath of [false, true]) {
    it.live(`write to a file and a stream that were read and then removed${byPath ? ", by paths" : ""}`, () =>
      Effect.gen(function*() {
        const path = yield* folder
        const store = yield* LocalStore.make(path, { byPath })
        Fs.writeFileSync(join(path, "f"), "old")
        const { file } = yield* store.open(["f"], existing)
        yield* file.read(0n, 9)
        const { file: stream } = yield* store.open(["f"], { mode: "either", type: "file", stream: "s" })
        yield* stream.read(0n, 9)
        yield* store.remove(["f"], { stream: "s" })
        // Another stream has its name now.
        const { file: other } = yield* store.open(["f"], { ...fresh, stream: "s" })
        yield* stream.write(0n, text("gone"))
        assert.strictEqual(string(yield* stream.read(0n, 9)), "gone")
        assert.strictEqual(string(yield* other.read(0n, 9)), "")
        yield* store.remove(["f"])
        Fs.writeFileSync(join(path, "f"), "new")
        yield* file.write(3n, text("er"))
        assert.strictEqual(string(yield* file.read(0n, 9)), "older")
        assert.strictEqual(Fs.readFileSync(join(path, "f"), "utf8"), "new")
      }))
  }
})

describe("LocalStore", () => {
  it.live("shares plain files with other programs, and sees their files and renames at once", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      const { file } = yield* store.open(["Ours.txt"], fresh)
      yield* file.write(0n, text("ours"))
      assert.strictEqual(Fs.readFileSync(join(path, "Ours.txt"), "utf8"), "ours")
      Fs.mkdirSync(join(path, "Deep", "Er"), { recursive: true })
      Fs.writeFileSync(join(path, "Deep", "Er", "Theirs.txt"), "theirs")
      assert.strictEqual(yield* get(store, ["deep", "ER", "theirs.TXT"]), "theirs")
      // The store sees other programs' renames at once, also of names that it has looked up.
      Fs.renameSync(join(path, "Deep", "Er", "Theirs.txt"), join(path, "Deep", "Er", "Moved.txt"))
      assert.strictEqual(yield* reason(store.stat(["deep", "er", "theirs.txt"])), "NotFound")
      assert.strictEqual(yield* get(store, ["deep", "er", "MOVED.txt"]), "theirs")
      Fs.renameSync(join(path, "Deep"), join(path, "Other"))
      assert.strictEqual(yield* reason(store.stat(["Deep", "Er", "Moved.txt"])), "PathNotFound")
      assert.strictEqual(yield* get(store, ["OTHER", "ER", "MOVED.txt"]), "theirs")
      // A new directory in a known place does not have the old entries.
      Fs.mkdirSync(join(path, "Deep", "Er"), { recursive: true })
      assert.strictEqual(yield* reason(store.stat(["Deep", "Er", "Moved.txt"])), "NotFound")
    }))

  it.live("keeps times, attributes, descriptor and streams through a restart and another program's rename", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const time = 133_536_980_967_654_321n
      yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* LocalStore.make(path)
        const { file } = yield* store.open(["f"], fresh)
        const { file: stream } = yield* store.open(["f"], { ...fresh, stream: "s" })
        yield* stream.write(0n, text("stream"))
        yield* stream.flush
        yield* file.set({
          creationTime: time,
          lastWriteTime: time + 1n,
          fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY | FileAttributes.FILE_ATTRIBUTE_HIDDEN |
            FileAttributes.FILE_ATTRIBUTE_SYSTEM
        })
        yield* file.setBlob("SecurityDescriptor", text("who may"))
        yield* file.flush
      }))
      Fs.mkdirSync(join(path, "d"))
      Fs.renameSync(join(path, "f"), join(path, "d", "g"))
      const store = yield* LocalStore.make(path)
      const { file, node } = yield* store.open(["d", "g"], existing)
      assert.strictEqual(node.creationTime, time)
      assert.strictEqual(node.lastWriteTime, time + 1n)
      assert.strictEqual(
        node.fileAttributes,
        FileAttributes.FILE_ATTRIBUTE_READONLY | FileAttributes.FILE_ATTRIBUTE_HIDDEN |
          FileAttributes.FILE_ATTRIBUTE_SYSTEM
      )
      assert.strictEqual(string(yield* file.getBlob("SecurityDescriptor")), "who may")
      assert.deepStrictEqual((yield* file.streams).map(({ name, size }) => [name, size]), [["s", 6n]])
      // Another program's write makes the last write time newer than the one that was set.
      Fs.appendFileSync(join(path, "d", "g"), "more")
      assert.isTrue((yield* file.stat).lastWriteTime > time + 10_000_000n)
      assert.strictEqual((yield* file.stat).creationTime, time)
    }))

  it.live("removes the records and streams of a removed or replaced file from the sidecar", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      yield* Effect.scoped(Effect.gen(function*() {
        const { file } = yield* store.open(["f"], { ...fresh, stream: "s" })
        yield* file.write(0n, text("x"))
        yield* file.setBlob("SecurityDescriptor", text("x"))
        yield* Effect.scoped(store.open(["g"], { ...fresh, initial: { securityDescriptor: text("y") } }))
        yield* store.rename(["f"], ["g"], { replace: true })
        assert.strictEqual(records(path).length, 1)
        yield* store.remove(["g"])
      }))
      assert.deepStrictEqual(records(path), [])
      assert.deepStrictEqual(Fs.readdirSync(join(path, LocalStore.sidecarName, "streams")), [])
      assert.deepStrictEqual(Fs.readdirSync(join(path, LocalStore.sidecarName, "new")), [])
      // The store writes no record for attributes that the platform itself gives.
      yield* Effect.scoped(
        store.open(["h"], { ...fresh, initial: { fileAttributes: FileAttributes.FILE_ATTRIBUTE_ARCHIVE } })
      )
      assert.deepStrictEqual(records(path), [])
    }))

  it.live("hides its sidecar from lists, opens, renames and symbolic links", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      assert.deepStrictEqual(yield* Stream.runCollect(store.list([])), [])
      Fs.symlinkSync(LocalStore.sidecarName, join(path, "link"))
      assert.deepStrictEqual(yield* Stream.runCollect(store.list([])), [])
      for (const name of [LocalStore.sidecarName, LocalStore.sidecarName.toUpperCase(), "link"]) {
        for (const at of [[name], [name, "records"]]) {
          assert.include(["InvalidName", "AccessDenied"], yield* reason(store.stat(at)))
          for (const mode of ["existing", "new", "either"] as const) {
            assert.include(
              ["InvalidName", "AccessDenied", "Exists"],
              yield* reason(store.open(at, { mode, type: "file" }))
            )
          }
        }
        assert.strictEqual(
          yield* reason(store.rename([LocalStore.sidecarName], ["x"], { replace: true })),
          "InvalidName"
        )
      }
      yield* Effect.scoped(store.open(["d"], { mode: "new", type: "directory" }))
      // The store also hides the sidecar of a share that was served from a subdirectory.
      Fs.mkdirSync(join(path, "d", LocalStore.sidecarName, "records"), { recursive: true })
      assert.deepStrictEqual(yield* Stream.runCollect(store.list(["d"])), [])
      assert.strictEqual(yield* reason(store.stat(["d", LocalStore.sidecarName, "records"])), "InvalidName")
    }))

  it.live("reports no changes in a sidecar, also not in the one of a subdirectory", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      Fs.mkdirSync(join(path, "d"))
      const heard: Array<string> = []
      const started = yield* Latch.make()
      yield* Effect.forkScoped(Stream.runForEach(
        store.changes!([], { recursive: true, onStart: () => Effect.asVoid(started.open) }),
        (change) => Effect.sync(() => void heard.push(change.path.join("/")))
      ))
      yield* started.await
      // A disk that is mounted there has its own sidecar.
      Fs.mkdirSync(join(path, "d", LocalStore.sidecarName))
      // When the platform reports changes in a directory that was made later, it watches both.
      Fs.mkdirSync(join(path, "d", "later"))
      for (let i = 0; !heard.some((name) => name.startsWith("d/later/")); i++) {
        Fs.writeFileSync(join(path, "d", "later", String(i)), "x")
        yield* Effect.sleep(5)
      }
      Fs.writeFileSync(join(path, "d", LocalStore.sidecarName, "x"), "x")
      Fs.writeFileSync(join(path, "d", `${LocalStore.sidecarName}.txt`), "x")
      while (!heard.includes(`d/${LocalStore.sidecarName}.txt`)) yield* Effect.sleep(5)
      const hidden = heard.filter((name) => name.split("/").includes(LocalStore.sidecarName))
      assert.deepStrictEqual(hidden, [])
    }))

  it.live("follows symbolic links within the folder, and refuses links that lead out or loop", () =>
    Effect.gen(function*() {
      const outside = yield* folder
      const path = yield* folder
      Fs.writeFileSync(join(outside, "secret"), "secret")
      Fs.mkdirSync(join(path, "d"))
      Fs.writeFileSync(join(path, "d", "f"), "inside")
      const links: ReadonlyArray<readonly [string, string]> = [
        ["out", outside],
        ["up", ".."],
        ["file", join(outside, "secret")],
        ["relative", join("..", outside.split("/").at(-1)!, "secret")],
        ["dangling", join(outside, "new")],
        ["loop", "loop"]
      ]
      for (const [name, target] of links) Fs.symlinkSync(target, join(path, name))
      Fs.symlinkSync("d", join(path, "in"))
      Fs.symlinkSync(join(path, "d", "f"), join(path, "inFile"))
      const store = yield* LocalStore.make(path)
      const opens: ReadonlyArray<StoreOpen> = [existing, { mode: "either", type: "file" }, {
        mode: "either",
        type: "directory"
      }]
      for (const [name] of links) {
        assert.strictEqual(yield* reason(store.stat([name])), "AccessDenied", name)
        for (const how of opens) assert.strictEqual(yield* reason(store.open([name], how)), "AccessDenied", name)
        assert.include(["AccessDenied", "PathNotFound"], yield* reason(store.stat([name, "secret"])))
        for (const how of [...opens, fresh]) {
          assert.include(["AccessDenied", "PathNotFound"], yield* reason(store.open([name, "made"], how)))
        }
        assert.include(
          ["AccessDenied", "PathNotFound"],
          yield* reason(store.rename(["d", "f"], [name, "f"], { replace: true }))
        )
        assert.include(["AccessDenied", "PathNotFound"], yield* reason(store.remove([name, "secret"])))
        assert.include(["AccessDenied", "PathNotFound"], yield* reason(Stream.runCollect(store.list([name]))))
      }
      assert.deepStrictEqual(onDisk(outside), ["secret"])
      const listed = yield* Stream.runCollect(store.list([]))
      assert.deepStrictEqual(listed.map(({ name, type }) => `${name} ${type}`).sort(), [
        "d directory",
        "in directory",
        "inFile file"
      ])
      assert.strictEqual(yield* get(store, ["IN", "F"]), "inside")
      assert.strictEqual(yield* get(store, ["infile"]), "inside")
      // The link is removed, not its target.
      yield* store.remove(["inFile"])
      yield* store.remove(["out"])
      assert.strictEqual(yield* get(store, ["d", "f"]), "inside")
      assert.deepStrictEqual(onDisk(outside), ["secret"])
    }))

  it.live("makes no file outside while another program swaps a directory for a symbolic link", () =>
    Effect.gen(function*() {
      const outside = yield* folder
      const path = yield* folder
      // The other program has its turns between the calls of the thread pool.
      const store = yield* makeOn(path, "other")
      Fs.mkdirSync(join(path, "d"))
      Fs.symlinkSync(outside, join(path, "evil"))
      let swaps = 0
      const swap = Effect.promise(() => {
        swaps++
        Fs.renameSync(join(path, "d"), join(path, "aside"))
        Fs.renameSync(join(path, "evil"), join(path, "d"))
        return new Promise<void>((resolve) =>
          setImmediate(() => {
            Fs.renameSync(join(path, "d"), join(path, "evil"))
            Fs.renameSync(join(path, "aside"), join(path, "d"))
            setImmediate(resolve)
          })
        )
      })
      const swapping = yield* Effect.forkScoped(Effect.forever(swap))
      yield* Effect.forEach(
        Array.from({ length: 400 }, (_, i) => i),
        (i) =>
          Effect.ignore(Effect.scoped(
            Effect.flatMap(
              store.open(["d", `f${i}`], { mode: "either", type: "file" }),
              ({ file }) => file.write(0n, text("x"))
            )
          )),
        { concurrency: 8 }
      )
      yield* Fiber.interrupt(swapping)
      assert.isAbove(swaps, 10)
      assert.deepStrictEqual(Fs.readdirSync(outside), [])
    }))

  it.live.skipIf(onPosix !== "")(
    `does not list a FIFO, and refuses to open it with AccessDenied${onPosix}`,
    () =>
      Effect.gen(function*() {
        const path = yield* folder
        const { execFileSync } = yield* Effect.promise(() => import("node:child_process"))
        execFileSync("mkfifo", [join(path, "pipe")])
        const store = yield* LocalStore.make(path)
        assert.deepStrictEqual(yield* Stream.runCollect(store.list([])), [])
        assert.strictEqual(yield* reason(store.open(["pipe"], existing)), "AccessDenied")
      })
  )

  it.live("fails with Stale for an open file that another program has replaced", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      Fs.writeFileSync(join(path, "f"), "first")
      const { file, node } = yield* store.open(["f"], existing)
      Fs.renameSync(join(path, "f"), join(path, "away"))
      Fs.writeFileSync(join(path, "f"), "second")
      assert.strictEqual(yield* reason(file.read(0n, 10)), "Stale")
      assert.strictEqual(yield* reason(file.stat), "Stale")
      assert.notStrictEqual((yield* store.stat(["f"])).id, node.id)
    }))

  for (const byPath of [false, true]) {
    it.live(`keeps using an open file by a second name after one name is lost${byPath ? ", by paths" : ""}`, () =>
      Effect.gen(function*() {
        const path = yield* folder
        const store = yield* LocalStore.make(path, { byPath })
        const at = (name: string) => join(path, name)
        const ways: ReadonlyArray<(name: string) => void> = [
          (name) => Fs.rmSync(at(name)),
          (name) => Fs.renameSync(at(name), at(`${name}.away`)),
          (name) => {
            Fs.rmSync(at(name))
            Fs.writeFileSync(at(name), "another")
          }
        ]
        for (const [i, lose] of ways.entries()) {
          const [a, b] = [`a${i}`, `b${i}`]
          Fs.writeFileSync(at(a), "old")
          Fs.linkSync(at(a), at(b))
          const { file } = yield* store.open([a], existing)
          yield* Effect.scoped(store.open([b], existing))
          lose(b)
          yield* file.stat
          yield* file.set({ lastWriteTime: 133_000_000_000_000_000n })
          yield* file.write(3n, text("er"))
          assert.strictEqual(string(yield* file.read(0n, 9)), "older")
          yield* file.flush
          assert.strictEqual(Fs.readFileSync(at(a), "utf8"), "older")
          // The handle follows a rename by the store.
          const { file: other } = yield* store.open([a], existing)
          yield* Effect.scoped(store.rename([a], [`c${i}`], { replace: false }))
          assert.strictEqual((yield* other.stat).name, `c${i}`)
        }
      }))

    it.live(`ends a list with Stale when another program replaces the directory${byPath ? ", by paths" : ""}`, () =>
      Effect.gen(function*() {
        const path = yield* folder
        const store = yield* LocalStore.make(path, { byPath })
        const names = Array.from({ length: 200 }, (_, i) => `f${i}`)
        const fill = (content: string) => {
          Fs.mkdirSync(join(path, "d"))
          for (const name of names) Fs.writeFileSync(join(path, "d", name), content)
        }
        const swap = () => {
          Fs.renameSync(join(path, "d"), join(path, "before"))
          fill("another")
        }
        fill("old")
        let seen = 0
        const listing = Stream.runForEach(store.list(["d"]), ({ size }) =>
          Effect.sync(() => {
            assert.strictEqual(size, 3n)
            if (seen++ === 0) swap()
          }))
        assert.strictEqual(yield* reason(listing), "Stale")
        assert.isTrue(seen < names.length)
        seen = 0
        yield* Stream.runForEach(store.list(["d"]), () => Effect.sync(() => seen++))
        assert.strictEqual(seen, names.length)
        // A list continues when this store renames the directory.
        seen = 0
        yield* Stream.runForEach(
          store.list(["before"]),
          () => seen++ === 0 ? store.rename(["before"], ["renamed"], { replace: false }) : Effect.void
        )
        assert.strictEqual(seen, names.length)
      }))
  }

  it.live("gives a new file no descriptor or attributes of a file that another program removed", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      for (let i = 0; i < 20; i++) {
        yield* Effect.scoped(
          store.open(["f"], {
            ...fresh,
            initial: {
              securityDescriptor: text("old"),
              fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY | FileAttributes.FILE_ATTRIBUTE_HIDDEN |
                FileAttributes.FILE_ATTRIBUTE_SYSTEM
            }
          })
        )
        // Another program removes the file: the next file can get the inode, and the store does not know of it.
        Fs.unlinkSync(join(path, "f"))
        Fs.writeFileSync(join(path, "f"), "")
        yield* Effect.scoped(Effect.gen(function*() {
          const { file, node } = yield* store.open(["f"], existing)
          assert.isUndefined(yield* file.getBlob("SecurityDescriptor"))
          assert.strictEqual(node.fileAttributes, FileAttributes.FILE_ATTRIBUTE_ARCHIVE)
        }))
        yield* store.remove(["f"])
      }
    }))

  it.live("lists a file whose record is damaged, and fails its metadata with Failed until a descriptor is set", () =>
    Effect.gen(function*() {
      const path = yield* folder
      yield* Effect.flatMap(
        LocalStore.make(path),
        (store) => store.open(["f"], { ...fresh, initial: { securityDescriptor: text("who may") } })
      ).pipe(Effect.scoped)
      const [record] = records(path)
      for (
        const garbage of [
          "",
          "{",
          "[]",
          "null",
          "7",
          "{\"attributes\":\"x\"}",
          "{\"blobs\":\"x\"}",
          "{\"blobs\":[\"x\"]}",
          "{\"streams\":{}}",
          "{\"streams\":[{\"name\":\"a\",\"file\":\"../../f\"}]}"
        ]
      ) {
        Fs.writeFileSync(join(path, LocalStore.sidecarName, "records", record!), garbage)
        yield* Effect.scoped(Effect.gen(function*() {
          const store = yield* LocalStore.make(path)
          assert.deepStrictEqual((yield* Stream.runCollect(store.list([]))).map(({ name }) => name), ["f"])
          const { file } = yield* store.open(["f"], existing)
          assert.strictEqual(yield* reason(file.getBlob("SecurityDescriptor")), "Failed", garbage)
          assert.strictEqual(
            yield* reason(file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY })),
            "Failed",
            garbage
          )
          yield* file.setBlob("SecurityDescriptor", text("mended"))
          yield* file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY })
          assert.strictEqual(string(yield* file.getBlob("SecurityDescriptor")), "mended")
        }))
      }
    }))

  it.live("leaves no temporary file and keeps the old descriptor when a record cannot be written", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      const { file } = yield* store.open(["f"], { ...fresh, initial: { securityDescriptor: text("who may") } })
      const place = join(path, LocalStore.sidecarName, "records", records(path)[0]!)
      Fs.rmSync(place)
      Fs.mkdirSync(place)
      for (let i = 0; i < 3; i++) {
        assert.strictEqual(yield* reason(file.setBlob("SecurityDescriptor", text("others"))), "Failed")
      }
      assert.deepStrictEqual(Fs.readdirSync(join(path, LocalStore.sidecarName, "new")), [])
      assert.strictEqual(string(yield* file.getBlob("SecurityDescriptor")), "who may")
    }))

  it.live("refuses every change of a read-only folder with ReadOnly, and makes no sidecar", () =>
    Effect.gen(function*() {
      const path = yield* folder
      Fs.writeFileSync(join(path, "f"), "x")
      const store = yield* LocalStore.make(path, { readOnly: true, label: "mine" })
      const volume = yield* store.volume
      assert.isTrue(volume.readOnly)
      assert.strictEqual(volume.label, "mine")
      assert.deepStrictEqual(Fs.readdirSync(path), ["f"])
      assert.strictEqual(yield* get(store, ["F"]), "x")
      const { file } = yield* store.open(["f"], { mode: "either", type: "file" })
      const changes: ReadonlyArray<Effect.Effect<unknown, StoreError, any>> = [
        file.write(0n, text("y")),
        file.truncate(0n),
        file.zero({ offset: 0n, length: 1n }),
        file.set({ lastWriteTime: 1n }),
        file.setBlob("ExtendedAttributes", text("y")),
        store.open(["g"], fresh),
        store.open(["g"], { mode: "either", type: "directory" }),
        store.open(["f"], { ...fresh, stream: "s" }),
        store.remove(["f"]),
        store.rename(["f"], ["g"], { replace: false }),
        store.link!(["f"], ["g"], { replace: false })
      ]
      for (const change of changes) {
        assert.strictEqual(yield* reason(change as Effect.Effect<unknown, StoreError>), "ReadOnly")
      }
      assert.strictEqual(Fs.readFileSync(join(path, "f"), "utf8"), "x")
    }))

  it.live("fails with NotFound for a missing folder and with NotDirectory for a file", () =>
    Effect.gen(function*() {
      const path = yield* folder
      Fs.writeFileSync(join(path, "f"), "x")
      assert.strictEqual(yield* reason(LocalStore.make(join(path, "no"))), "NotFound")
      assert.strictEqual(yield* reason(LocalStore.make(join(path, "f"))), "NotDirectory")
    }))

  it.live.skipIf(onLinux !== "")(
    `keeps within its limits of descriptors, and closes all in the end${onLinux}`,
    () =>
      Effect.gen(function*() {
        const path = yield* folder
        const count = () => Fs.readdirSync("/proc/self/fd").length
        const before = count()
        yield* Effect.scoped(Effect.gen(function*() {
          const store = yield* LocalStore.make(path, { descriptors: 20, directories: 10 })
          for (let i = 0; i < 50; i++) {
            yield* Effect.scoped(store.open([`d${i}`], { mode: "new", type: "directory" }))
            const { file } = yield* store.open([`d${i}`, "f"], fresh)
            yield* file.write(0n, text("x"))
          }
          assert.isAtMost(count(), before + 40)
          // Descriptors of removed files stay open, so that the files can be read.
          for (let i = 0; i < 5; i++) yield* store.remove([`d${i}`, "f"])
        }))
        const left = yield* Effect.repeat(Effect.sync(count), {
          until: (descriptors) => descriptors <= before,
          schedule: Schedule.spaced("5 millis"),
          times: 1000
        })
        assert.isAtMost(left, before)
      })
  )
})
