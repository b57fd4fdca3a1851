/** Checks of files: opening, reading, writing, sizes, copies. */
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { FileTime, OpenMode } from "effect-smb"
import { existsSync, readFileSync, statSync } from "node:fs"
import { FileAttributes } from "../../../src/Smb2/Message/Constants.ts"
import { type Check, noise, refused, sha256, type Spot } from "./Place.ts"

const dispositions: ReadonlyArray<{
  readonly name: string
  readonly number: number
  /** CreateAction and content for an existing file and for a missing one, or the error. */
  readonly there: readonly [number, string] | string
  readonly missing: readonly [number, string] | string
}> = [
  { name: "FILE_SUPERSEDE", number: 0, there: [0, ""], missing: [2, ""] },
  { name: "FILE_OPEN", number: 1, there: [1, "before"], missing: "ObjectNameNotFound" },
  { name: "FILE_CREATE", number: 2, there: "ObjectNameCollision", missing: [2, ""] },
  { name: "FILE_OPEN_IF", number: 3, there: [1, "before"], missing: [2, ""] },
  { name: "FILE_OVERWRITE", number: 4, there: [3, ""], missing: "ObjectNameNotFound" },
  { name: "FILE_OVERWRITE_IF", number: 5, there: [3, ""], missing: [2, ""] }
]

const createDispositions = Effect.fnUntraced(function*({ at, disk, get, put, smb }: Spot) {
  for (const { missing, name, number, there } of dispositions) {
    for (const [kind, expected] of [["there", there], ["missing", missing]] as const) {
      const file = `${name}-${kind}`
      if (kind === "there") put(file, "before")
      const opening = Effect.scoped(
        Effect.map(smb.open(at(file), { ...OpenMode.readWrite, createDisposition: number }), ({ opened }) => opened)
      )
      if (typeof expected === "string") {
        assert.strictEqual(yield* refused(opening), expected, file)
        assert.strictEqual(existsSync(disk(file)) ? get(file).toString() : "none", kind === "there" ? "before" : "none")
      } else {
        const opened = yield* opening
        assert.strictEqual(opened.createAction, expected[0], file)
        assert.strictEqual(get(file).toString(), expected[1], file)
      }
    }
  }
})

const handle = Effect.fnUntraced(function*({ at, disk, get, smb }: Spot) {
  yield* Effect.scoped(Effect.gen(function*() {
    const file = yield* smb.open(at("file"), OpenMode.readWrite)
    yield* file.write(0, Buffer.from("hello world"))
    yield* file.write(6n, Buffer.from("there"))
    yield* file.flush
    assert.strictEqual(get("file").toString(), "hello there")
    assert.strictEqual(Buffer.from(yield* file.read(6, 100)).toString(), "there")
    assert.strictEqual((yield* file.read(1000, 10)).length, 0)
    yield* file.truncate(5)
    assert.strictEqual(get("file").toString(), "hello")
    yield* file.truncate(8n)
    assert.strictEqual(get("file").toString("latin1"), "hello\0\0\0")
    yield* file.close
    assert.strictEqual(yield* refused(file.read(0, 1)), "FileClosed")
  }))
  const only = yield* refused(Effect.scoped(
    Effect.flatMap(smb.open(at("file"), OpenMode.read), (file) => file.write(0, Buffer.from("x")))
  ))
  assert.strictEqual(only, "AccessDenied")
  yield* smb.truncate(at("file"), 3)
  assert.strictEqual(get("file").toString(), "hel")
  assert.strictEqual(statSync(disk("file")).size, 3)
})

const wholeFiles = Effect.fnUntraced(function*({ at, get, put, smb }: Spot) {
  put("unicode.txt", "Grüße 🦊")
  assert.strictEqual(yield* smb.readFileString(at("unicode.txt")), "Grüße 🦊")
  yield* smb.writeFile(at("written.txt"), "Grüße 🦊", { flush: true })
  assert.strictEqual(get("written.txt").toString(), "Grüße 🦊")
  yield* smb.writeFile(at("written.txt"), "short")
  assert.strictEqual(get("written.txt").toString(), "short")
  assert.strictEqual(yield* refused(smb.writeFile(at("written.txt"), "x", { create: true })), "ObjectNameCollision")
  assert.strictEqual(yield* refused(smb.readFile(at("none"))), "ObjectNameNotFound")
  assert.strictEqual(yield* refused(smb.readFile(at("none", "deeper"))), "ObjectPathNotFound")
  const tooLarge = yield* Effect.flip(smb.readFile(at("unicode.txt"), { maximum: 3 }))
  assert.strictEqual(tooLarge._tag, "FileTooLarge")
  assert.isTrue(yield* smb.exists(at("written.txt")))
  assert.isFalse(yield* smb.exists(at("none", "deeper")))
})

/** Writes and reads a file of this size: by whole buffers and by streams. */
const size = (bytes: number) =>
  Effect.fnUntraced(function*({ at, get, put, smb }: Spot) {
    const up = noise(bytes, bytes + 1)
    const down = noise(bytes, bytes + 2)
    put(`down-${bytes}`, down)
    yield* smb.writeFile(at(`up-${bytes}`), up)
    assert.strictEqual(sha256(get(`up-${bytes}`)), sha256(up))
    assert.strictEqual(sha256(yield* smb.readFile(at(`down-${bytes}`))), sha256(down))
    const sunk = yield* Stream.fromIterable([up.subarray(0, 1000), up.subarray(1000)]).pipe(
      Stream.filter((chunk) => chunk.length > 0),
      Stream.run(smb.sink(at(`sunk-${bytes}`)))
    )
    assert.strictEqual(sunk, BigInt(bytes))
    assert.strictEqual(sha256(get(`sunk-${bytes}`)), sha256(up))
    const streamed = yield* Stream.runCollect(smb.stream(at(`down-${bytes}`)))
    assert.strictEqual(sha256(Buffer.concat(streamed)), sha256(down))
    const middle = Math.floor(bytes / 2)
    const part = yield* Stream.runCollect(smb.stream(at(`down-${bytes}`), { offset: middle, length: 70_000 }))
    assert.strictEqual(sha256(Buffer.concat(part)), sha256(down.subarray(middle, middle + 70_000)))
  })

const sizes = (list: ReadonlyArray<number>) => (spot: Spot) =>
  Effect.forEach(list, (bytes) => size(bytes)(spot), { discard: true })

const large = Effect.fnUntraced(function*({ at, get, put, smb }: Spot) {
  const bytes = 10 * 1024 * 1024
  const down = noise(bytes, 5)
  put("down", down)
  const streamed = yield* Stream.runCollect(smb.stream(at("down")))
  assert.strictEqual(sha256(Buffer.concat(streamed)), sha256(down))
  yield* smb.writeFile(at("up"), down)
  assert.strictEqual(sha256(get("up")), sha256(down))
})

const sparse = Effect.fnUntraced(function*({ at, disk, smb }: Spot) {
  const far = 5n * 1024n * 1024n * 1024n
  yield* Effect.scoped(Effect.gen(function*() {
    const file = yield* smb.open(at("sparse"), OpenMode.readWrite)
    yield* file.write(far, Buffer.from("beyond 4 GiB"))
    yield* file.write(70_000, Buffer.from("middle"))
    assert.strictEqual(Buffer.from(yield* file.read(far - 2n, 100)).toString("latin1"), "\0\0beyond 4 GiB")
    assert.strictEqual(Buffer.from(yield* file.read(69_999, 8)).toString("latin1"), "\0middle\0")
  }))
  const found = statSync(disk("sparse"), { bigint: true })
  assert.strictEqual(found.size, far + 12n)
  assert.strictEqual((yield* smb.stat(at("sparse"))).size, far + 12n)
  yield* Stream.succeed(Buffer.from("inside")).pipe(Stream.run(smb.sink(at("sparse"), { offset: far + 3n })))
  yield* smb.truncate(at("sparse"), far + 9n)
  const tail = yield* Stream.runCollect(smb.stream(at("sparse"), { offset: far }))
  assert.strictEqual(Buffer.concat(tail).toString(), "beyinside")
  yield* smb.remove(at("sparse"))
})

const manyReads = Effect.fnUntraced(function*({ at, put, smb }: Spot) {
  const names = Array.from({ length: 200 }, (_, i) => `file-${i}`)
  for (const [i, name] of names.entries()) put(name, noise(i * 7, i))
  const read = yield* Effect.forEach(names, (name) => smb.readFile(at(name)), { concurrency: "unbounded" })
  for (const [i, bytes] of read.entries()) assert.strictEqual(sha256(bytes), sha256(noise(i * 7, i)), names[i])
})

const copies = Effect.fnUntraced(function*({ at, get, put, smb }: Spot) {
  for (const bytes of [0, 1, 3 * 1024 * 1024 + 17]) {
    put(`from-${bytes}`, noise(bytes, 3))
    yield* smb.copy(at(`from-${bytes}`), at(`to-${bytes}`))
    assert.strictEqual(sha256(get(`to-${bytes}`)), sha256(noise(bytes, 3)))
  }
  put("long", noise(5000, 4))
  yield* smb.copy(at("from-1"), at("long"))
  assert.strictEqual(get("long").length, 1)
  assert.strictEqual(yield* refused(smb.copy(at("from-1"), at("long"), { create: true })), "ObjectNameCollision")
  assert.strictEqual(yield* refused(smb.copy(at("none"), at("long"))), "ObjectNameNotFound")
  assert.strictEqual(yield* refused(smb.copy(at("long"), at("LONG"))), "PathError")
  assert.strictEqual(get("long").length, 1)
})

const looks = Effect.fnUntraced(function*({ at, disk, put, smb }: Spot) {
  put("file", noise(1234))
  const entry = yield* smb.stat(at("file"))
  const found = statSync(disk("file"), { bigint: true })
  assert.strictEqual(entry.name, "file")
  assert.strictEqual(entry.type, "file")
  assert.strictEqual(entry.size, 1234n)
  assert.strictEqual(entry.lastWriteTime, FileTime.fromNanos(found.mtimeNs))
  assert.strictEqual((yield* smb.stat(at())).type, "directory")
  assert.strictEqual((yield* smb.stat(at("file"), { follow: false })).type, "file")

  // Exact to 100 ns: a double cannot hold these times.
  const hiddenArchive = FileAttributes.FILE_ATTRIBUTE_HIDDEN | FileAttributes.FILE_ATTRIBUTE_ARCHIVE
  const times = { creationTime: 132_223_104_000_000_001n, lastAccessTime: 133_485_408_000_000_003n }
  yield* smb.setAttributes(at("file"), {
    ...times,
    lastWriteTime: 133_000_000_000_000_007n,
    fileAttributes: hiddenArchive
  })
  const set = yield* smb.stat(at("file"))
  assert.strictEqual(set.creationTime, times.creationTime)
  assert.strictEqual(set.lastAccessTime, times.lastAccessTime)
  assert.strictEqual(set.lastWriteTime, 133_000_000_000_000_007n)
  assert.strictEqual(set.fileAttributes & hiddenArchive, hiddenArchive)
  assert.strictEqual(
    statSync(disk("file"), { bigint: true }).mtimeNs,
    FileTime.toNanos(133_000_000_000_000_007n)
  )
  yield* smb.setAttributes(at("file"), { lastWriteTime: 133_000_000_000_000_009n })
  const later = yield* smb.stat(at("file"))
  assert.strictEqual(later.creationTime, times.creationTime)
  assert.strictEqual(later.fileAttributes & hiddenArchive, hiddenArchive)
  assert.strictEqual(readFileSync(disk("file")).length, 1234)
})

/** All checks of this module. */
export const all: ReadonlyArray<Check> = [
  { name: "create-dispositions", run: createDispositions },
  { name: "handle", run: handle },
  { name: "whole-files", run: wholeFiles },
  { name: "sizes", run: sizes([0, 1, 65535, 65536, 65537, 1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1]) },
  { name: "large", run: large },
  { name: "sparse", run: sparse },
  { name: "many-reads", run: manyReads },
  { name: "copies", run: copies },
  { name: "looks", run: looks }
]

/** The checks whose bytes differ between dialects, signatures and ciphers. */
export const few: ReadonlyArray<Check> = [
  { name: "handle", run: handle },
  { name: "whole-files", run: wholeFiles },
  { name: "sizes", run: sizes([0, 65537, 1024 * 1024 + 1]) },
  { name: "copies", run: copies },
  { name: "looks", run: looks }
]
