/**
 * Proves how a FileSystemStore uses a file system: what it says of files whose information is incomplete, which names and
 * places it refuses, what it does when calls fail, and that it changes nothing if it is read-only.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Option, Stream } from "effect"
import * as Fs from "node:fs"
import * as FileTime from "../../src/Codec/FileTime.ts"
import type { ShareStore, StoreError, StoreFile, StorePath } from "../../src/Server/ShareStore.ts"
import * as FileSystemStore from "../../src/Server/Store/FileSystemStore.ts"
import { hash } from "../../src/Server/Store/internal/FileSystemTree.ts"
import { FileAttributes as F } from "../../src/Smb2/Message/Constants.ts"
import { folder, info, live } from "./fileSystems.ts"

const existing = { mode: "existing", type: "file" } as const
const fresh = { mode: "new", type: "file" } as const
const freshDirectory = { mode: "new", type: "directory" } as const
const text = (value: string) => new TextEncoder().encode(value)
const string = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const reason = <A, R>(effect: Effect.Effect<A, StoreError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

const list = (store: ShareStore, path: StorePath = []) =>
  Effect.map(Stream.runCollect(store.list(path)), (nodes) => nodes.map(({ name }) => name).sort())

describe("FileSystemStore's volume", () => {
  live("has the root's name, 1 TiB and no features, or what the options say", function*() {
    const { fs, path } = yield* folder
    const { birthtime, mtime } = yield* fs.stat(path)
    const store = yield* FileSystemStore.make(fs, path)
    const plain = yield* store.volume
    assert.deepStrictEqual(plain, {
      label: path.split("/").at(-1)!,
      serialNumber: Number(BigInt.asUintN(32, hash(path))),
      creationTime: FileTime.fromDate(Option.getOrElse(birthtime as typeof mtime, () => Option.getOrThrow(mtime))),
      total: 1n << 40n,
      free: 1n << 40n,
      maximumComponentLength: 255,
      supports: {
        streams: false,
        securityDescriptors: false,
        extendedAttributes: false,
        reparsePoints: false,
        sparse: false
      },
      readOnly: false
    })
    const given = yield* FileSystemStore.make(fs, path, {
      label: "mine",
      capacity: { total: 7n, free: 5n },
      readOnly: true
    })
    assert.deepStrictEqual(yield* given.volume, { ...plain, label: "mine", total: 7n, free: 5n, readOnly: true })
    assert.isUndefined(store.changes)
    assert.isUndefined(given.changes)
  })

  live("is older than its first change if the file system does not know when it was made", function*() {
    const { over, path } = yield* folder
    const mtime = new Date(1_709_210_096_765)
    const fs = over((fs) => ({
      stat: (at) =>
        Effect.map(fs.stat(at), (info) => ({ ...info, birthtime: Option.none(), mtime: Option.some(mtime) }))
    }))
    const store = yield* FileSystemStore.make(fs, path)
    assert.strictEqual((yield* store.volume).creationTime, FileTime.fromDate(mtime))
    assert.strictEqual((yield* store.stat([])).creationTime, FileTime.fromDate(mtime))
  })

  live("is that of a root with separators at its end, and a file is no root", function*() {
    const { at, fs, path } = yield* folder
    Fs.writeFileSync(at("f"), "x")
    for (const symbolicLinks of [true, false]) {
      const store = yield* FileSystemStore.make(fs, `${path}//`, { symbolicLinks })
      assert.strictEqual((yield* store.volume).label, path.split("/").at(-1)!)
      assert.deepStrictEqual(yield* list(store), ["f"])
      assert.strictEqual(yield* reason(FileSystemStore.make(fs, at("f"), { symbolicLinks })), "NotDirectory")
      assert.strictEqual(yield* reason(FileSystemStore.make(fs, at("no"), { symbolicLinks })), "NotFound")
    }
  })

  live("can be the file system's own root", function*() {
    const asked: Array<string> = []
    const { over } = yield* folder
    const fs = over((fs) => ({
      stat: (at) => Effect.suspend(() => (asked.push(at), fs.stat(at))),
      realPath: (at) => Effect.suspend(() => (asked.push(`real ${at}`), fs.realPath(at)))
    }))
    const store = yield* FileSystemStore.make(fs, "/")
    assert.strictEqual((yield* store.stat([])).type, "directory")
    assert.strictEqual((yield* store.stat(["tmp"])).type, "directory")
    assert.includeMembers(asked, ["/", "/tmp"])
    assert.notInclude(asked, "//tmp")
  })
})

describe("FileSystemStore's files", () => {
  const now = new Date(1_709_210_096_765)
  /** The node of a file that a file system describes so. */
  const nodeOf = (over: Partial<FileSystem.File.Info>) =>
    Effect.gen(function*() {
      const fs = FileSystem.makeNoop({
        stat: (path) => Effect.succeed(path === "/r" ? info({ type: "Directory" }) : info(over)),
        realPath: Effect.succeed
      })
      const store = yield* FileSystemStore.make(fs, "/r")
      return yield* store.stat(["f"])
    })
  const size = (bytes: number) => bytes as unknown as FileSystem.File.Info["size"]
  const ticks = FileTime.fromDate(now)

  it.effect("have times of 1970, one link and whole clusters if the file system says only their size", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* nodeOf({ size: size(4097) }), {
        name: "f",
        id: hash("/r/f"),
        identity: "/r/f:",
        type: "file",
        size: 4097n,
        allocationSize: 8192n,
        creationTime: FileTime.epoch,
        lastAccessTime: FileTime.epoch,
        lastWriteTime: FileTime.epoch,
        changeTime: FileTime.epoch,
        fileAttributes: F.FILE_ATTRIBUTE_ARCHIVE,
        numberOfLinks: 1,
        reparseTag: 0
      })
      for (const [bytes, allocated] of [[0, 0n], [1, 4096n], [4095, 4096n], [4096, 4096n]] as const) {
        assert.strictEqual((yield* nodeOf({ size: size(bytes) })).allocationSize, allocated)
      }
    }))

  it.effect("have the number, times, links and blocks that the file system says", () =>
    Effect.gen(function*() {
      const other = (milliseconds: number) => Option.some(new Date(now.getTime() + milliseconds))
      const node = yield* nodeOf({
        ino: Option.some(77n),
        mtime: Option.some(now),
        atime: other(1),
        birthtime: other(2),
        nlink: Option.some(3n),
        blocks: Option.some(5n),
        size: size(9)
      })
      assert.strictEqual(node.id, 77n)
      assert.include(node.identity, "3:77")
      assert.strictEqual(node.numberOfLinks, 3)
      assert.strictEqual(node.allocationSize, 5n * 512n)
      assert.strictEqual(node.lastWriteTime, ticks)
      assert.strictEqual(node.changeTime, ticks)
      assert.strictEqual(node.lastAccessTime, ticks + 10_000n)
      assert.strictEqual(node.creationTime, ticks + 20_000n)
      const less = yield* nodeOf({ ino: Option.some(77n), mtime: Option.some(now) })
      assert.strictEqual(less.lastAccessTime, ticks)
      assert.strictEqual(less.creationTime, ticks)
      // Two files that had one number at different times are two files.
      assert.notStrictEqual(less.identity, node.identity)
      const broken = yield* nodeOf({ mtime: Option.some(new Date(Number.NaN)), birthtime: Option.some(now) })
      assert.strictEqual(broken.lastWriteTime, FileTime.epoch)
      assert.strictEqual(broken.creationTime, ticks)
    }))

  it.effect("that are directories have no size and one link, and other kinds cannot be opened", () =>
    Effect.gen(function*() {
      const node = yield* nodeOf({
        type: "Directory",
        size: size(4096),
        blocks: Option.some(8n),
        nlink: Option.some(5n)
      })
      assert.strictEqual(node.type, "directory")
      assert.deepStrictEqual([node.size, node.allocationSize, node.numberOfLinks], [0n, 0n, 1])
      assert.strictEqual(node.fileAttributes, F.FILE_ATTRIBUTE_DIRECTORY)
      for (const type of ["FIFO", "Socket", "BlockDevice", "CharacterDevice", "SymbolicLink", "Unknown"] as const) {
        assert.strictEqual(yield* reason(nodeOf({ type })), "AccessDenied")
      }
    }))

  it("without numbers are numbered by FNV-1a of 64 bits", () => {
    // The vectors of the authors (http://www.isthe.com/chongo/src/fnv/test_fnv.c).
    assert.strictEqual(hash(""), 0xcbf2_9ce4_8422_2325n)
    assert.strictEqual(hash("a"), 0xaf63_dc4c_8601_ec8cn)
    assert.strictEqual(hash("foobar"), 0x8594_4171_f739_67e8n)
  })

  live("keep the time that `set` does not name", function*() {
    const { at, fs, path } = yield* folder
    const store = yield* FileSystemStore.make(fs, path)
    Fs.writeFileSync(at("f"), "x")
    Fs.utimesSync(at("f"), 100, 200)
    const { file }: { file: StoreFile } = yield* store.open(["f"], existing)
    const seconds = () => [Fs.statSync(at("f")).atimeMs / 1000, Fs.statSync(at("f")).mtimeMs / 1000]
    yield* file.set({ lastAccessTime: FileTime.fromMillis(300_000) })
    assert.deepStrictEqual(seconds(), [300, 200])
    yield* file.set({ lastWriteTime: FileTime.fromMillis(400_000) })
    assert.deepStrictEqual(seconds(), [300, 400])
    yield* file.set({ creationTime: 1n, fileAttributes: 2 })
    assert.deepStrictEqual(seconds(), [300, 400])
    const { node } = yield* store.open(["g"], { ...fresh, initial: { lastWriteTime: FileTime.fromMillis(500_000) } })
    assert.strictEqual(node.lastWriteTime, FileTime.fromMillis(500_000))
    assert.strictEqual(Fs.statSync(at("g")).mtimeMs, 500_000)
  })
})

describe("FileSystemStore's bytes", () => {
  live("are read in as many calls as the file system needs, and only as many as there are", function*() {
    const { at, over, path } = yield* folder
    const reads: Array<number> = []
    const fs = over((fs) => ({
      open: (at, options) =>
        Effect.map(fs.open(at, options), (file) => ({
          ...file,
          stat: file.stat,
          sync: file.sync,
          read: (buffer, how) =>
            Effect.suspend(() => (reads.push(buffer.length), file.read(buffer.subarray(0, 3), how))),
          seek: file.seek,
          truncate: file.truncate,
          writeAll: file.writeAll
        } as FileSystem.File))
    }))
    Fs.writeFileSync(at("f"), "abcdefgh")
    const store = yield* FileSystemStore.make(fs, path)
    const { file }: { file: StoreFile } = yield* store.open(["f"], existing)
    const read = (offset: bigint, length: number) => Effect.map(file.read(offset, length), string)
    assert.strictEqual(yield* read(1n, 6), "bcdefg")
    assert.deepStrictEqual(reads, [6, 3])
    assert.strictEqual(yield* read(4n, 100), "efgh")
    assert.strictEqual(yield* read(8n, 1), "")
    reads.length = 0
    assert.strictEqual(yield* read(0n, 0), "")
    assert.strictEqual(yield* read(0n, -1), "")
    assert.deepStrictEqual(reads, [])
  })

  live("of many writes at the same time through one handle are each at their own offset", function*() {
    const { fs, path } = yield* folder
    const store = yield* FileSystemStore.make(fs, path)
    const { file }: { file: StoreFile } = yield* store.open(["f"], fresh)
    const count = 40
    yield* Effect.forEach(
      Array.from({ length: count }, (_, i) => i),
      (i) => file.write(BigInt(10 * (count - i - 1)), text(String(i).padEnd(10))),
      { concurrency: "unbounded" }
    )
    const all = string(yield* file.read(0n, 10 * count))
    for (let i = 0; i < count; i++) {
      assert.strictEqual(all.slice(10 * (count - i - 1), 10 * (count - i)), String(i).padEnd(10))
    }
  })

  live("are zeroed in pieces of at most 1 MiB, up to the end of the file", function*() {
    const { at, over, path } = yield* folder
    const written: Array<readonly [bigint, number]> = []
    const fs = over((fs) => ({
      open: (place, options) =>
        Effect.map(fs.open(place, options), (file) => {
          let place = -1n
          return {
            ...file,
            stat: file.stat,
            seek: (offset, from) => (place = offset, file.seek(offset, from)),
            writeAll: (bytes) => (written.push([place, bytes.length]), file.writeAll(bytes))
          } as FileSystem.File
        })
    }))
    const MiB = 1 << 20
    Fs.writeFileSync(at("f"), Buffer.alloc(3 * MiB, 1))
    const store = yield* FileSystemStore.make(fs, path)
    const { file }: { file: StoreFile } = yield* store.open(["f"], existing)
    yield* file.zero({ offset: 5n, length: BigInt(2 * MiB) })
    assert.deepStrictEqual(written, [[5n, MiB], [5n + BigInt(MiB), MiB]])
    written.length = 0
    yield* file.zero({ offset: BigInt(3 * MiB - 7), length: 100n })
    assert.deepStrictEqual(written, [[BigInt(3 * MiB - 7), 7]])
    written.length = 0
    for (const [offset, length] of [[BigInt(3 * MiB), 1n], [5n, 0n]] as const) yield* file.zero({ offset, length })
    assert.deepStrictEqual(written, [])
    const bytes = Fs.readFileSync(at("f"))
    assert.strictEqual(bytes.length, 3 * MiB)
    assert.strictEqual(bytes.indexOf(0), 5)
    assert.strictEqual(bytes.indexOf(1, 5), 5 + 2 * MiB)
    assert.strictEqual(bytes.lastIndexOf(1), 3 * MiB - 8)
  })

  live("are all allocated, and a file has at most 2^53 - 1", function*() {
    const { at, over, path } = yield* folder
    const sizes: Array<number | undefined> = []
    const fs = over((fs) => ({
      open: (place, options) =>
        Effect.map(fs.open(place, options), (file) => ({
          ...file,
          stat: file.stat,
          truncate: (size) => Effect.sync(() => void sizes.push(size))
        } as FileSystem.File))
    }))
    Fs.writeFileSync(at("f"), "abcdef")
    const store = yield* FileSystemStore.make(fs, path)
    const { file }: { file: StoreFile } = yield* store.open(["f"], existing)
    for (
      const [offset, length, expected] of [
        [0n, 6n, [{ offset: 0n, length: 6n }]],
        [0n, 100n, [{ offset: 0n, length: 6n }]],
        [2n, 3n, [{ offset: 2n, length: 3n }]],
        [5n, 9n, [{ offset: 5n, length: 1n }]],
        [6n, 1n, []],
        [7n, 1n, []],
        [2n, 0n, []]
      ] as const
    ) assert.deepStrictEqual(yield* file.allocated({ offset, length }), [...expected])
    yield* file.truncate((1n << 53n) - 1n)
    assert.strictEqual(yield* reason(file.truncate(1n << 53n)), "Full")
    assert.deepStrictEqual(sizes, [2 ** 53 - 1])
  })
})

describe("FileSystemStore's confinement", () => {
  live("follows symbolic links within the root, and refuses and does not list those that lead out", function*() {
    const { at, fs } = yield* folder
    for (const name of ["root", "root-2"]) Fs.mkdirSync(at(name))
    Fs.mkdirSync(at("root", "d"))
    Fs.writeFileSync(at("root", "d", "f"), "in")
    Fs.writeFileSync(at("root-2", "secret"), "out")
    Fs.symlinkSync("d", at("root", "in"))
    Fs.symlinkSync("../root-2", at("root", "beside"))
    Fs.symlinkSync("../root-2/secret", at("root", "file"))
    Fs.symlinkSync(".", at("root", "self"))
    Fs.symlinkSync("nowhere", at("root", "broken"))
    const store = yield* FileSystemStore.make(fs, at("root"))
    assert.deepStrictEqual(yield* list(store), ["d", "in", "self"])
    assert.deepStrictEqual(yield* list(store, ["IN"]), ["f"])
    assert.strictEqual((yield* store.stat(["in", "F"])).size, 2n)
    assert.strictEqual((yield* store.stat(["Self", "d", "f"])).size, 2n)
    const calls = (path: StorePath) => [
      store.stat(path),
      store.open(path, existing),
      Stream.runDrain(store.list(path)),
      store.link!(path, ["x"], { replace: false })
    ]
    for (const path of [["beside"], ["BESIDE"], ["file"], ["beside", "secret"], ["BESIDE", "secret"]]) {
      for (const call of calls(path)) assert.strictEqual(yield* reason(call as typeof store.volume), "AccessDenied")
    }
    const outside = ["beside", "new"]
    for (const call of [store.open(outside, fresh), store.open(outside, freshDirectory), store.remove(outside)]) {
      assert.strictEqual(yield* reason(call as typeof store.volume), "AccessDenied")
    }
    assert.strictEqual(yield* reason(store.remove(["beside", "secret"])), "AccessDenied")
    assert.strictEqual(yield* reason(store.rename(["d", "f"], ["beside", "f"], { replace: true })), "AccessDenied")
    assert.strictEqual(yield* reason(store.rename(["beside", "secret"], ["f"], { replace: true })), "AccessDenied")
    assert.strictEqual(yield* reason(store.link!(["d", "f"], ["beside", "f"], { replace: true })), "AccessDenied")
    assert.deepStrictEqual(Fs.readdirSync(at("root-2")), ["secret"])
    assert.strictEqual(yield* reason(store.stat(["broken"])), "NotFound")
  })

  live("asks for no real path where there are no symbolic links", function*() {
    const { at, over, path } = yield* folder
    Fs.mkdirSync(at("d"))
    Fs.writeFileSync(at("d", "f"), "x")
    const asked: Array<string> = []
    const fs = over((fs) => ({ realPath: (place) => (asked.push(place), fs.realPath(place)) }))
    const without = yield* FileSystemStore.make(fs, path, { symbolicLinks: false })
    yield* without.stat(["d", "f"])
    yield* without.open(["D", "F"], existing)
    assert.deepStrictEqual(asked, [])
    const store = yield* FileSystemStore.make(fs, path)
    yield* store.stat(["D", "F"])
    assert.includeMembers(asked, [path, at("d"), at("d", "f")])
  })
})
