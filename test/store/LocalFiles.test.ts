/**
 * Proves how a LocalStore uses the files of other kinds of file systems, which calls of the platform it makes for open
 * files, and which names and times of a file other programs see after its calls.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ShareStore, StoreError, StoreFile } from "../../src/Server/ShareStore.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import { storeConformance } from "./conformance.ts"
import { makeOn } from "./fileSystemKinds.ts"

const folder = Effect.acquireRelease(
  Effect.promise(async () => Fs.realpathSync(await Fs.promises.mkdtemp(join(tmpdir(), "effect-smb-files-")))),
  (path) => Effect.promise(() => Fs.promises.rm(path, { recursive: true, force: true }))
)

const existing = { mode: "existing", type: "file" } as const
const fresh = { mode: "new", type: "file" } as const
const text = (value: string) => new TextEncoder().encode(value)
const string = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes)
const reason = <A, R>(effect: Effect.Effect<A, StoreError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

const isLinux = process.platform === "linux"
const onLinux = isLinux ? "" : " (skipped: only Linux tells the kind of a file system)"

if (isLinux) {
  for (const type of ["other", "overlay"] as const) {
    storeConformance(
      `LocalStore on ${type === "overlay" ? "an overlay" : "a file system that may be slow"}`,
      // Its changes by other programs are those of each local store.
      Effect.map(Effect.flatMap(folder, (path) => makeOn(path, type)), ({ changes: _, ...store }) => store),
      { many: 20 }
    )
  }
}

/** Counts calls of the platform while an effect runs. The calls of `node:fs/promises` are not among them. */
const counted = <A, E, R>(names: ReadonlyArray<keyof typeof Fs>, body: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const platform = process.getBuiltinModule("node:fs")
      const before = { ...platform }
      const calls: Record<string, number> = {}
      for (const name of names) {
        calls[name] = 0
        Object.assign(platform, {
          [name]: (...args: ReadonlyArray<unknown>) => {
            calls[name]!++
            return Reflect.apply(before[name] as () => unknown, platform, args)
          }
        })
      }
      syncBuiltinESMExports()
      const restore = () => {
        for (const name of names) Object.assign(platform, { [name]: before[name] })
        syncBuiltinESMExports()
      }
      return { calls, restore }
    }),
    ({ calls }) => Effect.map(body, () => ({ ...calls })),
    ({ restore }) => Effect.sync(restore)
  )

describe.skipIf(!isLinux)(`LocalStore's calls of the platform${onLinux}`, () => {
  for (const type of ["prompt", "other"] as const) {
    it.live(`stop the process for an open file only on a prompt file system: ${type}`, () =>
      Effect.gen(function*() {
        const path = yield* folder
        const store = yield* makeOn(path, type)
        Fs.writeFileSync(join(path, "f"), "x")
        const { file } = yield* store.open(["f"], existing)
        const prompt = type === "prompt"
        const named = yield* counted(["lstatSync", "fstatSync"], file.stat)
        assert.deepStrictEqual(named, { lstatSync: prompt ? 1 : 0, fstatSync: 0 })
        yield* file.read(0n, 1)
        const opened = yield* counted(["lstatSync", "fstatSync", "fstat"], file.stat)
        assert.deepStrictEqual(opened, { lstatSync: 0, fstatSync: prompt ? 1 : 0, fstat: prompt ? 0 : 1 })
        const removed = yield* counted(["openSync", "renameSync", "lstatSync", "closeSync"], store.remove(["f"]))
        const each = prompt ? 1 : 0
        assert.deepStrictEqual(removed, { openSync: each, renameSync: each, lstatSync: 2 * each, closeSync: 0 })
        assert.strictEqual(string(yield* file.read(0n, 9)), "x")
      }).pipe(Effect.scoped))
  }

  it.live("look a name up in the thread pool when it was looked up long ago", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* makeOn(path, "prompt")
      Fs.writeFileSync(join(path, "f"), "x")
      const { file } = yield* store.open(["f"], existing)
      const now = performance.now()
      const { now: clock } = performance
      const later = (milliseconds: number) => {
        performance.now = () => now + milliseconds
      }
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          performance.now = clock
        })
      )
      later(5000)
      assert.deepStrictEqual(yield* counted(["lstatSync"], file.stat), { lstatSync: 0 })
      later(5999)
      assert.deepStrictEqual(yield* counted(["lstatSync"], file.stat), { lstatSync: 1 })
      later(6999)
      assert.deepStrictEqual(yield* counted(["lstatSync"], file.stat), { lstatSync: 0 })
    }).pipe(Effect.scoped))

  /** The names of the files that an effect flushes to the disk, of a folder with all its files. */
  const flushed = (path: string, body: Effect.Effect<unknown, unknown>) =>
    Effect.gen(function*() {
      const platform = process.getBuiltinModule("node:fs")
      const { fsync } = platform
      const seen: Array<bigint> = []
      yield* Effect.acquireUseRelease(
        Effect.sync(() => {
          Object.assign(platform, {
            fsync: (fd: number, done: Fs.NoParamCallback) => {
              seen.push(Fs.fstatSync(fd, { bigint: true }).ino)
              fsync(fd, done)
            }
          })
          syncBuiltinESMExports()
        }),
        () => body,
        () =>
          Effect.sync(() => {
            Object.assign(platform, { fsync })
            syncBuiltinESMExports()
          })
      )
      const names = ["", ...Fs.readdirSync(path, { recursive: true, encoding: "utf8" })]
        .filter((name) => !/^\.effect-smb\/(?:lock|stamp)/.test(name))
      const all = names.map((name) => [name, Fs.lstatSync(join(path, name), { bigint: true }).ino] as const)
      return [...new Set(seen.map((ino) => all.find(([, one]) => one === ino)?.[0] ?? "removed"))].sort()
    })

  it.live("flush a file's bytes and the directories of all names that it was opened by", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      for (const name of ["a", "b", "c"]) Fs.mkdirSync(join(path, name))
      Fs.writeFileSync(join(path, "a", "f"), "x")
      for (const name of ["b", "c"]) Fs.linkSync(join(path, "a", "f"), join(path, name, "f"))
      const { file } = yield* store.open(["a", "f"], existing)
      assert.deepStrictEqual(yield* flushed(path, file.flush), ["a", "a/f"])
      yield* store.open(["b", "f"], existing)
      // The same names, by another name of the file.
      const seen = yield* flushed(path, file.flush)
      assert.includeMembers(seen, ["a", "b"])
      assert.notInclude(seen, "c")
      yield* file.write(0n, text("y"))
      assert.includeMembers(yield* flushed(path, file.flush), ["a", "b"])
      // A name that another program has taken is not flushed, and does not matter.
      Fs.rmSync(join(path, "a"), { recursive: true })
      assert.notInclude(yield* flushed(path, file.flush), "a")
      const { file: top } = yield* store.open(["b"], existing)
      assert.deepStrictEqual(yield* flushed(path, top.flush), ["", "b"])
      const { file: root } = yield* store.open([], existing)
      assert.deepStrictEqual(yield* flushed(path, root.flush), [""])
      yield* store.remove(["b", "f"])
      yield* store.remove(["c", "f"])
      assert.deepStrictEqual(yield* flushed(path, file.flush), ["removed"])
      // The record and its directory are flushed too.
      const { file: kept } = yield* store.open(["k"], { ...fresh, initial: { securityDescriptor: text("who") } })
      const all = yield* flushed(path, kept.flush)
      const record = Fs.readdirSync(join(path, LocalStore.sidecarName, "records"))[0]!
      assert.includeMembers(all, ["", "k", `${LocalStore.sidecarName}/records/${record}`])
    }).pipe(Effect.scoped))
})

/** The number of descriptors of a file in this process. */
const openCount = (path: string) =>
  Fs.readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return Fs.readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false
    }
  }).length

describe.skipIf(!isLinux)(`LocalStore's early opening${onLinux}`, () => {
  it.live("opens a file or a stream for its data only when it is asked for, and never a directory", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      for (const name of ["early", "late", "stream"]) Fs.writeFileSync(join(path, name), "x")
      Fs.mkdirSync(join(path, "d"))
      yield* store.open(["late"], { ...existing, forData: false })
      yield* store.open(["early"], { ...existing, forData: true })
      yield* store.open(["d"], { ...existing, forData: true })
      yield* store.open(["stream"], { ...fresh, stream: "s", forData: true })
      const streams = join(path, LocalStore.sidecarName, "streams")
      const [key] = Fs.readdirSync(streams)
      const places = [join(path, "early"), join(streams, key!, Fs.readdirSync(join(streams, key!))[0]!)]
      const counts = Effect.sync(() => places.map(openCount))
      const soon = yield* Effect.repeat(counts, {
        until: (all) => all.every((count) => count === 1),
        schedule: Schedule.spaced("2 millis"),
        times: 1000
      })
      assert.deepStrictEqual(soon, [1, 1])
      assert.deepStrictEqual([openCount(join(path, "late")), openCount(join(path, "stream"))], [0, 0])
    }).pipe(Effect.scoped))

  it.live("holds directories by descriptors unless the store uses paths", () =>
    Effect.gen(function*() {
      for (const [options, count] of [[{}, 1], [{ byPath: false }, 1], [{ byPath: true }, 0]] as const) {
        const path = yield* folder
        Fs.mkdirSync(join(path, "d"))
        Fs.writeFileSync(join(path, "d", "f"), "x")
        const store = yield* LocalStore.make(path, options)
        yield* Effect.scoped(store.open(["d", "f"], existing))
        assert.strictEqual(openCount(join(path, "d")), count)
      }
    }).pipe(Effect.scoped))
})

describe("LocalStore's files for other programs", () => {
  const written = 133_536_980_967_654_321n
  const nanos = (time: bigint) => (time - 116_444_736_000_000_000n) * 100n
  const near = (actual: bigint, time: bigint) => {
    const far = actual - nanos(time)
    assert.isTrue((far < 0n ? -far : far) < 1000n, `${actual} is not ${nanos(time)}`)
  }

  for (const type of isLinux ? ["prompt", "other", "overlay"] as const : []) {
    for (const opened of [false, true]) {
      it.live(`have the times that a client sets, ${opened ? "also of an open descriptor" : "by their names"}: ${type}`, () =>
        Effect.gen(function*() {
          const path = yield* folder
          const store = yield* makeOn(path, type)
          for (const name of ["f", "d"]) {
            if (name === "d") Fs.mkdirSync(join(path, name))
            else Fs.writeFileSync(join(path, name), "x")
            const { file } = yield* store.open([name], existing)
            if (opened && name === "f") yield* file.read(0n, 1)
            yield* file.set({ lastWriteTime: written, lastAccessTime: written - 10_000_000n })
            const stats = Fs.statSync(join(path, name), { bigint: true })
            near(stats.mtimeNs, written)
            near(stats.atimeNs, written - 10_000_000n)
            // Each of the two keeps the other.
            yield* file.set({ lastAccessTime: written + 5n })
            yield* file.set({ lastWriteTime: written + 7n })
            const { lastAccessTime, lastWriteTime } = yield* file.stat
            assert.deepStrictEqual([lastAccessTime, lastWriteTime], [written + 5n, written + 7n])
            const after = Fs.statSync(join(path, name), { bigint: true })
            near(after.mtimeNs, written + 7n)
            near(after.atimeNs, written + 5n)
          }
        }).pipe(Effect.scoped))
    }
  }

  it.live("are found by each name that they were opened by, the last one first", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      const at = (name: string) => join(path, name)
      Fs.writeFileSync(at("a"), "x")
      for (const name of ["b", "c"]) Fs.linkSync(at("a"), at(name))
      const { file } = yield* store.open(["a"], existing)
      assert.strictEqual((yield* file.stat).name, "a")
      for (const name of ["b", "c", "b"]) {
        yield* Effect.scoped(store.open([name], existing))
        assert.strictEqual((yield* file.stat).name, name)
      }
      for (const [lost, left] of [["b", "c"], ["c", "a"]] as const) {
        Fs.rmSync(at(lost))
        assert.strictEqual((yield* file.stat).name, left)
      }
      yield* store.rename(["a"], ["d"], { replace: false })
      assert.strictEqual((yield* file.stat).name, "d")
      Fs.rmSync(at("d"))
      assert.strictEqual(yield* reason(file.stat), "Stale")
    }).pipe(Effect.scoped))

  for (const byPath of [false, true]) {
    it.live(`that get the inode of a removed open file are not mistaken for it${byPath ? ", by paths" : ""}`, (context) =>
      Effect.gen(function*() {
        const path = yield* folder
        const store = yield* LocalStore.make(path, { byPath })
        const at = (name: string) => join(path, name)
        let taken: string | undefined
        Fs.writeFileSync(at("old"), "old")
        const { file: dead, node } = yield* store.open(["old"], existing)
        const { birthtimeNs, ino } = Fs.statSync(at("old"), { bigint: true })
        Fs.rmSync(at("old"))
        for (let i = 0; i < 300 && taken === undefined; i++) {
          const name = `new ${i}`
          Fs.writeFileSync(at(name), "new")
          const stats = Fs.statSync(at(name), { bigint: true })
          if (stats.ino !== ino) continue
          if (stats.birthtimeNs !== birthtimeNs) taken = name
          else {
            // It has the same time of birth too: the clock of the file system is coarse.
            Fs.rmSync(at(name))
            yield* Effect.sleep("5 millis")
          }
        }
        if (taken === undefined) {
          return context.skip("the file system gave no new file the inode of a removed file")
        }
        Fs.renameSync(at(taken), at("old"))
        const { file, node: other } = yield* store.open(["old"], existing)
        // Clients see one number; the server's identity is what tells the two files apart.
        assert.strictEqual(other.id, node.id)
        assert.notStrictEqual(other.identity, node.identity)
        assert.strictEqual(string(yield* file.read(0n, 9)), "new")
        assert.strictEqual(yield* reason(dead.stat), "Stale")
        assert.strictEqual(yield* reason(dead.read(0n, 9)), "Stale")
        yield* file.setBlob("SecurityDescriptor", text("who may"))
        assert.isUndefined(yield* dead.getBlob("SecurityDescriptor"))
      }).pipe(Effect.scoped))
  }

  it.live("keep their holes, and get one at the end, when ranges are zeroed", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      const piece = 1024 * 1024
      const { file } = yield* store.open(["f"], fresh)
      const blocks = () => Fs.statSync(join(path, "f")).blocks * 512
      yield* file.truncate(BigInt(5 * piece))
      yield* file.write(BigInt(3 * piece + 10), text("data"))
      yield* file.write(BigInt(5 * piece - 4), text("last"))
      yield* file.zero({ offset: 0n, length: BigInt(4 * piece) })
      // The first piece is written, and the piece with data; the holes between them stay.
      assert.isAtMost(blocks(), 2 * piece + piece / 2)
      assert.strictEqual(string(yield* file.read(BigInt(3 * piece + 10), 4)), "\0\0\0\0")
      assert.strictEqual(string(yield* file.read(BigInt(5 * piece - 4), 9)), "last")
      const bytes = new Uint8Array(3 * piece).fill(1)
      yield* file.write(0n, bytes)
      yield* file.truncate(BigInt(3 * piece))
      yield* file.zero({ offset: BigInt(2 * piece), length: BigInt(9 * piece) })
      assert.isAtLeast(blocks(), 3 * piece)
      yield* file.zero({ offset: BigInt(2 * piece - 1), length: BigInt(9 * piece) })
      assert.isBelow(blocks(), 3 * piece)
      assert.strictEqual((yield* file.stat).size, BigInt(3 * piece))
      assert.deepStrictEqual(Array.from(yield* file.read(BigInt(2 * piece - 3), 4)), [1, 1, 0, 0])
      for (const [offset, length] of [[3 * piece, 5], [9 * piece, 5], [5, 0]] as const) {
        yield* file.zero({ offset: BigInt(offset), length: BigInt(length) })
        assert.strictEqual((yield* file.stat).size, BigInt(3 * piece))
      }
      yield* file.zero({ offset: 5n, length: 2n })
      assert.deepStrictEqual(Array.from(yield* file.read(4n, 4)), [1, 0, 0, 1])
    }).pipe(Effect.scoped))

  it.live("replace a symbolic link that leads out, unless the client has seen another file there", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      const ways: ReadonlyArray<
        readonly [string, (store: ShareStore, replaced?: string) => Effect.Effect<void, StoreError>]
      > = [
        ["rename", (store, replaced) => store.rename(["f"], ["out"], { replace: true, replaced })],
        ["link", (store, replaced) => store.link!(["f"], ["out"], { replace: true, replaced })]
      ]
      for (const [title, change] of ways) {
        Fs.writeFileSync(join(path, "f"), title)
        Fs.rmSync(join(path, "out"), { force: true })
        Fs.symlinkSync("/", join(path, "out"))
        assert.strictEqual(yield* reason(change(store, "seen")), "Stale")
        assert.isTrue(Fs.lstatSync(join(path, "out")).isSymbolicLink())
        yield* change(store)
        assert.strictEqual(Fs.readFileSync(join(path, "out"), "utf8"), title)
      }
    }).pipe(Effect.scoped))

  if (isLinux) {
    it.live("of an overlay get their time of birth in their record with the first change, which may copy them", () =>
      Effect.gen(function*() {
        const path = yield* folder
        const sidecar = join(path, LocalStore.sidecarName, "records")
        const records = () =>
          Fs.readdirSync(sidecar).map((name) => JSON.parse(Fs.readFileSync(join(sidecar, name), "utf8")).born)
        const birth = (name: string) => String(Fs.statSync(join(path, name), { bigint: true }).birthtimeNs)
        const store = yield* makeOn(path, "overlay")
        const changes: ReadonlyArray<(file: StoreFile) => Effect.Effect<void, StoreError>> = [
          (file) => file.set({ lastWriteTime: written }),
          (file) => file.write(0n, text("y")),
          () => store.rename(["f2"], ["F2"], { replace: false })
        ]
        for (const [i, change] of changes.entries()) {
          Fs.writeFileSync(join(path, `f${i}`), "x")
          const { file } = yield* store.open([`f${i}`], existing)
          yield* change(file)
          yield* file.setBlob("ExtendedAttributes", text("kept"))
          assert.include(records(), birth(i === 2 ? "F2" : `f${i}`))
        }
        // Without a change the time of birth is not known yet.
        Fs.writeFileSync(join(path, "plain"), "x")
        const { file } = yield* store.open(["plain"], existing)
        yield* file.setBlob("ExtendedAttributes", text("kept"))
        assert.notInclude(records(), birth("plain"))
      }).pipe(Effect.scoped))

    it.live("of an overlay have their time of birth in their record, and a later file with the inode has no part of it", () =>
      Effect.gen(function*() {
        const path = yield* folder
        const sidecar = join(path, LocalStore.sidecarName, "records")
        const birth = () => String(Fs.statSync(join(path, "f"), { bigint: true }).birthtimeNs)
        const record = () => JSON.parse(Fs.readFileSync(join(sidecar, Fs.readdirSync(sidecar)[0]!), "utf8"))
        const descriptor = Effect.gen(function*() {
          const store = yield* makeOn(path, "overlay")
          const { file } = yield* store.open(["f"], existing)
          return string(yield* file.getBlob("SecurityDescriptor"))
        }).pipe(Effect.scoped)
        const initial = { securityDescriptor: text("who may") }
        yield* Effect.scoped(
          Effect.flatMap(makeOn(path, "overlay"), (store) => store.open(["f"], { ...fresh, initial }))
        )
        assert.strictEqual(record().born, birth())
        const [key] = Fs.readdirSync(sidecar)
        assert.strictEqual(key, Fs.statSync(join(path, "f")).ino.toString(16))
        assert.strictEqual(yield* descriptor, "who may")
        // The record of an earlier file with this inode.
        Fs.writeFileSync(join(sidecar, key!), JSON.stringify({ ...record(), born: "1" }))
        assert.isUndefined(yield* descriptor)
      }).pipe(Effect.scoped))
  }
})

describe("LocalStore's reads", () => {
  it.live("keep no more than twice the memory of their bytes", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      const bytes = new Uint8Array(50_000).fill(3)
      Fs.writeFileSync(join(path, "f"), bytes)
      const { file } = yield* store.open(["f"], existing)
      for (
        const [length, memory] of [[50_000, 50_000], [100_000, 100_000], [100_001, 50_000], [900_000, 50_000]] as const
      ) {
        const read = yield* file.read(0n, length)
        assert.deepStrictEqual([read.length, read.buffer.byteLength], [50_000, memory])
        assert.isTrue(read.every((byte) => byte === 3))
      }
      const far = BigInt(Number.MAX_SAFE_INTEGER)
      for (const [offset, length] of [[0n, 0], [0n, -1], [50_000n, 9], [far, 9], [far + 1n, 9]] as const) {
        assert.strictEqual((yield* file.read(offset, length)).length, 0)
        if (length >= 0) assert.strictEqual(yield* file.readInto!(offset, new Uint8Array(length)), 0)
      }
      const target = new Uint8Array(9)
      assert.strictEqual(yield* file.readInto!(49_995n, target), 5)
      assert.deepStrictEqual(Array.from(target), [3, 3, 3, 3, 3, 0, 0, 0, 0])
      assert.strictEqual(yield* reason(file.write(far + 1n, text("x"))), "Full")
      assert.strictEqual(yield* reason(file.truncate(far + 1n)), "Full")
      for (
        const [offset, length, expected] of [
          [0, 9, [0, 9]],
          [49_990, 9, [49_990, 9]],
          [49_990, 10, [49_990, 10]],
          [49_990, 99, [49_990, 10]],
          [50_000, 9, undefined],
          [60_000, 9, undefined]
        ] as const
      ) {
        const ranges = yield* file.allocated({ offset: BigInt(offset), length: BigInt(length) })
        assert.deepStrictEqual(
          ranges.map((range) => [Number(range.offset), Number(range.length)]),
          expected === undefined ? [] : [[...expected]]
        )
      }
    }).pipe(Effect.scoped))
})

describe("LocalStore's opens that fail", () => {
  /** The descriptors of a file, after a close that is under way. */
  const closed = (place: string) =>
    Effect.repeat(Effect.sync(() => openCount(place)), {
      until: (count) => count === 0,
      schedule: Schedule.spaced("2 millis"),
      times: 500
    })

  for (const type of isLinux ? ["prompt", "other", "overlay"] as const : []) {
    it.live(`with Stale close the file that another program has put there at that moment: ${type}`, () =>
      Effect.gen(function*() {
        const path = yield* folder
        const store = yield* makeOn(path, type)
        const at = (name: string) => join(path, name)
        Fs.writeFileSync(at("f"), "old")
        Fs.writeFileSync(at("g"), "new")
        const { file } = yield* store.open(["f"], existing)
        const platform = process.getBuiltinModule("node:fs")
        const { open, openSync } = platform
        let acted = false
        const after = (call: unknown) => (...args: ReadonlyArray<unknown>) => {
          if (!acted && String(args[0]).endsWith("/f")) {
            acted = true
            Fs.renameSync(at("g"), at("f"))
          }
          return Reflect.apply(call as () => unknown, platform, args)
        }
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            Object.assign(platform, { open: after(open), openSync: after(openSync) })
            syncBuiltinESMExports()
          }),
          () =>
            Effect.sync(() => {
              Object.assign(platform, { open, openSync })
              syncBuiltinESMExports()
            })
        )
        assert.strictEqual(yield* reason(file.read(0n, 9)), "Stale")
        assert.isTrue(acted)
        assert.strictEqual(yield* closed(at("f")), 0)
        assert.strictEqual(yield* reason(file.write(0n, text("x"))), "Stale")
        assert.strictEqual(Fs.readFileSync(at("f"), "utf8"), "new")
      }).pipe(Effect.scoped))
  }

  it.live("leave no open file, and no open stream", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* LocalStore.make(path)
      const streams = join(path, LocalStore.sidecarName, "streams")
      Fs.writeFileSync(join(path, "f"), "x")
      yield* Effect.scoped(
        Effect.flatMap(store.open(["f"], { ...fresh, stream: "s" }), ({ file }) => file.write(0n, text("y")))
      )
      const [key] = Fs.readdirSync(streams)
      const [number] = Fs.readdirSync(join(streams, key!))
      const place = join(streams, key!, number!)
      // Another program has taken the bytes of the stream.
      Fs.renameSync(place, `${place}.away`)
      assert.strictEqual(yield* reason(Effect.scoped(store.open(["f"], { ...existing, stream: "s" }))), "Stale")
      Fs.renameSync(`${place}.away`, place)
      yield* Effect.scoped(Effect.gen(function*() {
        const { file, node } = yield* store.open(["f"], { ...existing, stream: "s" })
        assert.strictEqual(node.size, 1n)
        assert.strictEqual(string(yield* file.read(0n, 9)), "y")
      }))
      // A stream that stayed open would keep its descriptor.
      if (isLinux) assert.strictEqual(yield* closed(place), 0)
      assert.strictEqual(yield* reason(Effect.scoped(store.open(["f"], { ...fresh, stream: "s" }))), "Exists")
      assert.strictEqual(yield* reason(Effect.scoped(store.open(["f"], { ...existing, stream: "t" }))), "NotFound")
      for (const stream of ["", "\ud800", "a/b"]) {
        assert.strictEqual(yield* reason(Effect.scoped(store.open(["f"], { ...fresh, stream }))), "InvalidName")
      }
      // The file is not open either: another program's removal takes it, and its record goes with the next open file.
      yield* Effect.scoped(Effect.gen(function*() {
        const { file } = yield* store.open(["f"], existing)
        yield* file.read(0n, 1)
        Fs.unlinkSync(join(path, "f"))
      }))
      assert.deepStrictEqual(Fs.readdirSync(join(path, LocalStore.sidecarName, "records")), [])
    }).pipe(Effect.scoped))
})
