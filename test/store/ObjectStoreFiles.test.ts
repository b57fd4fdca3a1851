/**
 * Proves what an ObjectStore does with bytes and blobs: when it uploads, that a copy moves no byte and stays apart from
 * its source, that a flush makes chunks durable, how much it holds in memory, what `check` finds and `collect` removes,
 * that volumes of one database are separate, and that one process has a folder.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Latch, Layer, Stream } from "effect"
import { SqlClient } from "effect/sql"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as BlobStore from "../../src/Server/BlobStore.ts"
import { type StoreError, storeError, type StorePath } from "../../src/Server/ShareStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as ObjectStore from "../../src/Server/Store/ObjectStore.ts"
import * as SqliteClient from "../../src/Server/Store/SqliteClient.ts"

const chunkSize = 4096
const filled = (length: number, byte: number) => new Uint8Array(length).fill(byte)
const existing = { mode: "existing", type: "file" } as const
const either = { mode: "either", type: "file" } as const

const reason = <A, R>(effect: Effect.Effect<A, StoreError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

/** A store whose calls to its blobs are noted, and can wait or fail. */
const observed = (options: ObjectStore.ObjectStoreOptions = {}) =>
  Effect.gen(function*() {
    const services = yield* Layer.build(SqliteClient.layer())
    const blobs = yield* BlobStore.memory()
    const calls: Array<string> = []
    const hooks = {
      put: Effect.void as Effect.Effect<void, StoreError>,
      read: Effect.void as Effect.Effect<void, StoreError>
    }
    const noted: BlobStore.Blobs = {
      ...blobs,
      put: (id, pieces, how) =>
        Effect.suspend(() => {
          calls.push(`put ${pieces.reduce((sum, { length }) => sum + length, 0)}${how.durable ? " durable" : ""}`)
          return Effect.andThen(hooks.put, blobs.put(id, pieces, how))
        }),
      readInto: (id, offset, target) =>
        Effect.suspend(() => {
          calls.push(`read ${target.length}`)
          return Effect.andThen(hooks.read, blobs.readInto(id, offset, target))
        }),
      persist: (ids) =>
        Effect.suspend(() => {
          calls.push(`persist ${ids.length}`)
          return blobs.persist(ids)
        })
    }
    const make = (more: ObjectStore.ObjectStoreOptions = {}) =>
      ObjectStore.make({ chunkSize, inlineSize: 0, ...options, ...more }).pipe(
        Effect.provideService(BlobStore.BlobStore, noted),
        Effect.provide(services)
      )
    const sql = yield* Effect.provide(SqlClient.SqlClient, services)
    return { blobs, calls, hooks, make, sql, store: yield* make() }
  })

const put = (store: ObjectStore.ObjectStore, path: StorePath, bytes: Uint8Array) =>
  Effect.scoped(Effect.flatMap(store.open(path, either), ({ file }) => file.write(0n, bytes)))
const get = (store: ObjectStore.ObjectStore, path: StorePath) =>
  Effect.scoped(Effect.flatMap(store.open(path, existing), ({ file }) => file.read(0n, 1 << 24)))

describe("an ObjectStore", () => {
  it.effect("uploads at a flush and at the end of an open, and a flush makes earlier chunks durable", () =>
    Effect.scoped(Effect.gen(function*() {
      const { calls, store } = yield* observed()
      yield* Effect.scoped(Effect.gen(function*() {
        const { file } = yield* store.open(["f"], either)
        yield* file.write(0n, filled(10, 1))
        yield* file.write(10n, filled(10, 2))
        assert.deepStrictEqual(calls, [])
      }))
      assert.deepStrictEqual(calls, ["put 20"])
      const { file } = yield* store.open(["f"], existing)
      yield* file.flush
      assert.deepStrictEqual(calls.splice(0), ["put 20", "persist 1"])
      yield* file.write(100n, filled(5000, 3))
      yield* file.flush
      assert.deepStrictEqual(calls.splice(0), ["put 3996 durable", "put 1004 durable"])
      yield* file.flush
      assert.deepStrictEqual(calls, [])
    })))

  it.effect("keeps small chunks in the database, and needs no blobs for them", () =>
    Effect.scoped(Effect.gen(function*() {
      const { calls, store } = yield* observed({ inlineSize: 100 })
      yield* put(store, ["f"], filled(100, 1))
      assert.deepStrictEqual(yield* get(store, ["f"]), filled(100, 1))
      const { file } = yield* store.open(["f"], existing)
      for (let i = 0; i < 50; i++) {
        yield* file.write(BigInt(1000 * i), filled(50, i))
        yield* file.flush
      }
      const bytes = yield* file.read(0n, 100_000)
      for (let i = 0; i < 50; i++) assert.deepStrictEqual(bytes.subarray(1000 * i, 1000 * i + 50), filled(50, i))
      assert.deepStrictEqual(calls.filter((call) => !call.startsWith("persist")), [])
    })))

  it.effect("holds no more written bytes in memory than its bound, of one stream or of many", () =>
    Effect.scoped(Effect.gen(function*() {
      const { calls, store } = yield* observed({ bufferSize: 40_000 })
      const { file } = yield* store.open(["f"], either)
      for (let i = 0; i < 40; i++) yield* file.write(BigInt(i * 4096), filled(4096, i))
      const uploaded = () => calls.reduce((sum, call) => sum + Number(call.split(" ")[1]), 0)
      assert.isAtLeast(uploaded(), 40 * 4096 - 40_000)
      calls.length = 0
      yield* file.flush
      calls.length = 0
      // Each of them is far below the bound.
      const many = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, i) => i),
        (i) => Effect.map(store.open([`f${i}`], either), ({ file }) => file)
      )
      for (const each of many) yield* each.write(0n, filled(4096, 7))
      assert.isAtLeast(uploaded(), 40 * 4096 - 40_000)
      for (const each of many) assert.deepStrictEqual(yield* each.read(0n, 5000), filled(4096, 7))
    })))

  it.effect("copies without a byte, and a change of one file does not show in the other", () =>
    Effect.scoped(Effect.gen(function*() {
      const { blobs, calls, store } = yield* observed()
      yield* put(store, ["a"], filled(3 * chunkSize, 1))
      calls.length = 0
      const { file: a } = yield* store.open(["a"], existing)
      const { file: b } = yield* store.open(["b"], either)
      yield* b.write(0n, filled(10, 9))
      yield* b.copyFrom!(a, { offset: 100n, length: 9000n }, 500n)
      assert.deepStrictEqual(calls, ["put 10"])
      const expected = new Uint8Array(9500)
      expected.set(filled(10, 9))
      expected.fill(1, 500)
      assert.deepStrictEqual(yield* b.read(0n, 20_000), expected)
      assert.strictEqual((yield* b.stat).size, 9500n)
      yield* a.write(0n, filled(3 * chunkSize, 2))
      yield* a.flush
      assert.deepStrictEqual(yield* b.read(0n, 20_000), expected)
      yield* store.remove(["a"])
      assert.deepStrictEqual(yield* b.read(0n, 20_000), expected)
      // Within one file, with what was written and not flushed.
      yield* b.write(0n, filled(10, 8))
      yield* b.copyFrom!(b, { offset: 0n, length: 10n }, 9490n)
      assert.deepStrictEqual(yield* b.read(9490n, 20), filled(10, 8))
      yield* store.collect
      assert.deepInclude(yield* store.check, { problems: [], unused: 0 })
      assert.isNotEmpty(yield* Stream.runCollect(blobs.list))
    })))

  it.effect("refuses to copy from a file of another store with Unsupported", () =>
    Effect.scoped(Effect.gen(function*() {
      const { store } = yield* observed()
      const { store: other } = yield* observed()
      const { file } = yield* store.open(["a"], either)
      for (const stranger of [other, yield* MemoryStore.make()]) {
        const { file: source } = yield* stranger.open(["a"], either)
        yield* source.write(0n, filled(10, 1))
        assert.strictEqual(yield* reason(file.copyFrom!(source, { offset: 0n, length: 10n }, 0n)), "Unsupported")
      }
    })))

  it.effect("shows what was written during an upload, and reads the bytes of before or after in one piece", () =>
    Effect.scoped(Effect.gen(function*() {
      const { hooks, store } = yield* observed()
      const { file } = yield* store.open(["f"], either)
      yield* file.write(0n, filled(chunkSize, 1))
      const goOn = yield* Latch.make()
      const inside = yield* Latch.make()
      hooks.put = Effect.andThen(inside.open, goOn.await)
      const flush = yield* Effect.forkChild(file.flush)
      yield* inside.await
      yield* file.write(10n, filled(10, 2))
      const expected = filled(chunkSize, 1).fill(2, 10, 20)
      assert.deepStrictEqual(yield* file.read(0n, chunkSize), expected)
      yield* goOn.open
      yield* Fiber.join(flush)
      assert.deepStrictEqual(yield* file.read(0n, chunkSize), expected)
      // A read waits for a chunk that is replaced and removed by then.
      yield* file.flush
      const waiting = yield* Latch.make()
      const readNow = yield* Latch.make()
      hooks.read = Effect.andThen(waiting.open, readNow.await)
      const read = yield* Effect.forkChild(file.read(0n, chunkSize))
      yield* waiting.await
      yield* file.write(0n, filled(chunkSize, 3))
      yield* file.flush
      yield* store.collect
      yield* readNow.open
      assert.deepStrictEqual(yield* Fiber.join(read), filled(chunkSize, 3))
    })))

  it.effect("keeps an interrupted flush's bytes, and removes what it had uploaded", () =>
    Effect.scoped(Effect.gen(function*() {
      const { blobs, hooks, store } = yield* observed()
      const { file } = yield* store.open(["f"], either)
      yield* file.write(0n, filled(2 * chunkSize, 1))
      const inside = yield* Latch.make()
      hooks.put = Effect.andThen(inside.open, Effect.never)
      const flush = yield* Effect.forkChild(file.flush)
      yield* inside.await
      yield* Fiber.interrupt(flush)
      assert.deepStrictEqual(yield* Stream.runCollect(blobs.list), [])
      hooks.put = Effect.void
      assert.deepStrictEqual(yield* file.read(0n, 10_000), filled(2 * chunkSize, 1))
      yield* file.flush
      assert.deepStrictEqual(yield* file.read(0n, 10_000), filled(2 * chunkSize, 1))
    })))

  it.effect("fails with the reason of its blobs at the flush, and says what is damaged", () =>
    Effect.scoped(Effect.gen(function*() {
      const { blobs, hooks, store } = yield* observed()
      const { file } = yield* store.open(["f"], either)
      yield* file.write(0n, filled(chunkSize, 1))
      hooks.put = Effect.fail(storeError("Full"))
      assert.strictEqual(yield* reason(file.flush), "Full")
      hooks.put = Effect.void
      yield* file.flush
      const [{ id }] = (yield* Stream.runCollect(blobs.list)) as unknown as [BlobStore.BlobInformation]
      yield* blobs.remove(id)
      const missing = yield* Effect.flip(file.read(0n, 10))
      assert.strictEqual(missing.reason._tag, "Failed")
      assert.include(missing.message, "restore the file from a backup")
      yield* blobs.put(id, [filled(5, 1)], { durable: false })
      assert.strictEqual(yield* reason(file.read(0n, 10)), "Failed")
    })))

  it.effect("says by check what does not fit, each in a sentence, and collect removes only what nothing uses", () =>
    Effect.scoped(Effect.gen(function*() {
      const { blobs, sql, store } = yield* observed()
      for (const name of ["a", "b", "c"]) yield* put(store, [name], filled(chunkSize, 1))
      assert.deepStrictEqual(yield* store.check, { files: 4, chunks: 3, unused: 0, problems: [] })
      yield* blobs.put("0".repeat(32), [filled(3, 1)], { durable: false })
      assert.strictEqual((yield* store.check).unused, 1)
      assert.deepStrictEqual(yield* store.collect, { blobs: 1 })
      const [missing, short] = yield* Stream.runCollect(blobs.list)
      yield* blobs.remove(missing!.id)
      yield* blobs.remove(short!.id)
      yield* blobs.put(short!.id, [filled(3, 1)], { durable: false })
      yield* sql`UPDATE smb_chunk SET refs = 5 WHERE id = ${short!.id}`
      yield* sql`UPDATE smb_node SET links = 7 WHERE id = (SELECT node FROM smb_entry WHERE name = 'a')`
      yield* sql`UPDATE smb_node SET size = 5 WHERE id = (SELECT node FROM smb_entry WHERE name = 'b')`
      const { problems } = yield* store.check
      assert.lengthOf(problems, 5)
      const all = problems.join("\n")
      for (
        const part of [
          "counts 7 names and has 1",
          "counts 5 uses and has 1",
          "has bytes behind its end",
          `chunk ${short!.id} has 3 bytes and not 4096`,
          `the bytes of chunk ${missing!.id} are missing`
        ]
      ) {
        assert.include(all, part)
      }
    })))

  it.effect("keeps the files of two volumes of a database apart, and gives object ids to each", () =>
    Effect.scoped(Effect.gen(function*() {
      const { make, store } = yield* observed()
      const other = yield* make({ volume: "other", label: "Other" })
      const id = filled(64, 5)
      for (const each of [store, other]) {
        const { file } = yield* each.open(["f"], either)
        yield* file.setBlob("ObjectId", id)
        yield* file.write(0n, new TextEncoder().encode((yield* each.volume).label))
      }
      assert.deepStrictEqual(
        [yield* get(store, ["f"]), yield* get(other, ["f"])].map((bytes) => String(Buffer.from(bytes))),
        [
          "default",
          "Other"
        ]
      )
      assert.notStrictEqual((yield* store.stat(["f"])).id, (yield* other.stat(["f"])).id)
      yield* other.remove(["f"])
      assert.strictEqual((yield* store.stat(["f"])).name, "f")
    })))

  it.effect("with `readOnly` refuses each change with ReadOnly", () =>
    Effect.scoped(Effect.gen(function*() {
      const { make, store } = yield* observed()
      yield* put(store, ["f"], filled(10, 1))
      const fixed = yield* make({ readOnly: true })
      assert.isTrue((yield* fixed.volume).readOnly)
      const { file } = yield* fixed.open(["f"], existing)
      const changes = [
        file.write(0n, filled(1, 1)),
        file.truncate(0n),
        file.zero({ offset: 0n, length: 1n }),
        file.set({ creationTime: 1n }),
        file.setBlob("SecurityDescriptor", filled(4, 1)),
        file.copyFrom!(file, { offset: 0n, length: 1n }, 5n),
        fixed.remove(["f"]),
        fixed.rename(["f"], ["g"], { replace: false }),
        fixed.link!(["f"], ["g"], { replace: false }),
        Effect.asVoid(Effect.scoped(fixed.open(["g"], either))),
        Effect.asVoid(Effect.scoped(fixed.open(["f"], { ...either, stream: "s" })))
      ]
      for (const change of changes) assert.strictEqual(yield* reason(change), "ReadOnly")
      assert.deepStrictEqual(yield* get(fixed, ["f"]), filled(10, 1))
    })))

  it.effect("refuses offsets that it cannot keep with Full, and has no bytes there", () =>
    Effect.scoped(Effect.gen(function*() {
      const { store } = yield* observed()
      const { file } = yield* store.open(["f"], either)
      const far = 1n << 53n
      assert.strictEqual(yield* reason(file.write(far, filled(1, 1))), "Full")
      assert.strictEqual(yield* reason(file.truncate(far)), "Full")
      yield* file.write(far - 3n, filled(2, 1))
      assert.strictEqual((yield* file.stat).size, far - 1n)
      assert.deepStrictEqual(yield* file.read(far - 2n, 10), filled(1, 1))
      assert.strictEqual((yield* file.read(far * 4n, 10)).length, 0)
    })))

  it.effect("finds a path that is deeper than one statement follows", () =>
    Effect.scoped(Effect.gen(function*() {
      const { store } = yield* observed()
      const path: Array<string> = []
      for (let i = 0; i < 40; i++) {
        path.push(`d${i}`)
        yield* Effect.scoped(store.open(path, { mode: "new", type: "directory" }))
      }
      assert.strictEqual((yield* store.stat(path.map((name) => name.toUpperCase()))).name, "d39")
      assert.strictEqual(yield* reason(store.stat(path.with(20, "no"))), "PathNotFound")
      assert.strictEqual(yield* reason(store.stat(path.with(39, "no"))), "NotFound")
      yield* put(store, ["f"], filled(1, 1))
      assert.strictEqual(yield* reason(store.stat(["f", ...path])), "PathNotFound")
    })))

  it.effect("refuses options that cannot be used, as defects", () =>
    Effect.gen(function*() {
      for (const options of [{ chunkSize: 1 }, { inlineSize: -1 }, { bufferSize: 0.5 }, { volume: "a/b" }]) {
        const exit = yield* Effect.exit(Effect.scoped(observed(options)))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause), JSON.stringify(options))
      }
    }))
})

describe("an ObjectStore in a folder", () => {
  const folder = Effect.acquireRelease(
    Effect.promise(() => Fs.promises.mkdtemp(join(tmpdir(), "effect-smb-objects-"))),
    (path) => Effect.promise(() => Fs.promises.rm(path, { recursive: true, force: true }))
  )

  it.live("has its files when it is opened again, and a second one is refused with Busy while the first is open", () =>
    Effect.scoped(Effect.gen(function*() {
      const path = yield* folder
      const large = filled(300_000, 7)
      yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* ObjectStore.inFolder(path, { chunkSize: 65_536 })
        yield* put(store, ["large"], large)
        const { file } = yield* store.open(["small"], either)
        yield* file.write(0n, filled(10, 1))
        yield* file.flush
        assert.strictEqual(yield* reason(Effect.scoped(ObjectStore.inFolder(path))), "Busy")
      }))
      const store = yield* ObjectStore.inFolder(path)
      assert.deepStrictEqual(yield* get(store, ["large"]), large)
      assert.deepStrictEqual(yield* get(store, ["small"]), filled(10, 1))
      assert.deepInclude(yield* store.check, { files: 3, unused: 0, problems: [] })
    })))
})
