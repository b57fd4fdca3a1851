/**
 * Proves that the places for immutable bytes keep a blob exactly and once, read any range of it, list and remove it, and
 * lead no id out of their folder.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as BlobStore from "../../src/Server/BlobStore.ts"
import type { StoreError } from "../../src/Server/ShareStore.ts"

const temporary = Effect.acquireRelease(
  Effect.promise(() => Fs.promises.mkdtemp(join(tmpdir(), "effect-smb-blobs-"))),
  (path) => Effect.promise(() => Fs.promises.rm(path, { recursive: true, force: true }))
)

const id = (n: number) => n.toString(16).padStart(32, "0")
const spread = (n: number) => n.toString(16).padStart(2, "0").padEnd(32, "0")
const reason = <A, R>(effect: Effect.Effect<A, StoreError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)
const later = { durable: false }

const kinds = {
  memory: BlobStore.memory(),
  folder: Effect.flatMap(temporary, (path) => BlobStore.folder(join(path, "new", "blobs")))
}

for (const [kind, make] of Object.entries(kinds)) {
  describe(`a BlobStore in ${kind === "memory" ? "memory" : "a folder"}`, () => {
    it.effect("gives the bytes of all pieces, in any range, durable or not", () =>
      Effect.scoped(Effect.gen(function*() {
        const blobs = yield* make
        for (const durable of [false, true]) {
          const name = spread(durable ? 1 : 2)
          yield* blobs.put(name, [Uint8Array.of(1, 2), new Uint8Array(0), new Uint8Array(100_000).fill(3)], { durable })
          const target = new Uint8Array(5)
          assert.strictEqual(yield* blobs.readInto(name, 0, target), 5)
          assert.deepStrictEqual(target, Uint8Array.of(1, 2, 3, 3, 3))
          assert.strictEqual(yield* blobs.readInto(name, 100_000, target), 2)
          assert.strictEqual(yield* blobs.readInto(name, 100_002, target), 0)
          assert.strictEqual(yield* blobs.readInto(name, 1 << 30, target), 0)
        }
        yield* blobs.persist([spread(1), spread(2)])
        yield* blobs.persist([])
      })))

    it.effect("keeps the caller's bytes of the time of the put", () =>
      Effect.scoped(Effect.gen(function*() {
        const blobs = yield* make
        const bytes = Uint8Array.of(1, 2, 3)
        yield* blobs.put(id(1), [bytes], later)
        bytes.fill(0)
        const target = new Uint8Array(3)
        yield* blobs.readInto(id(1), 0, target)
        assert.deepStrictEqual(target, Uint8Array.of(1, 2, 3))
      })))

    it.effect("lets exactly one of 20 puts of the same id succeed, and never replaces a blob", () =>
      Effect.scoped(Effect.gen(function*() {
        const blobs = yield* make
        const results = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, i) => i),
          (i) =>
            Effect.match(blobs.put(id(7), [Uint8Array.of(i)], later), {
              onFailure: (error) => error.reason._tag,
              onSuccess: () => i
            }),
          { concurrency: "unbounded" }
        )
        const winners = results.filter((result) => typeof result === "number")
        assert.strictEqual(winners.length, 1)
        assert.strictEqual(results.filter((result) => result === "Exists").length, 19)
        const target = new Uint8Array(2)
        assert.strictEqual(yield* blobs.readInto(id(7), 0, target), 1)
        assert.strictEqual(target[0], winners[0])
      })))

    it.effect("lists each blob with its size, and no removed one, which can be put again", () =>
      Effect.scoped(Effect.gen(function*() {
        const blobs = yield* make
        const list = Effect.map(Stream.runCollect(blobs.list), (all) => all.map(({ id, size }) => [id, size]).sort())
        assert.deepStrictEqual(yield* list, [])
        for (const n of [1, 2, 3, 200]) yield* blobs.put(spread(n), [new Uint8Array(n)], later)
        yield* blobs.readInto(spread(2), 0, new Uint8Array(1))
        yield* blobs.remove(spread(2))
        yield* blobs.remove(spread(2))
        assert.deepStrictEqual(yield* list, [1, 3, 200].map((n) => [spread(n), n]))
        assert.strictEqual(yield* reason(blobs.readInto(spread(2), 0, new Uint8Array(1))), "NotFound")
        yield* blobs.put(spread(2), [Uint8Array.of(9)], later)
        const target = new Uint8Array(1)
        yield* blobs.readInto(spread(2), 0, target)
        assert.strictEqual(target[0], 9)
      })))

    it.effect("reads more blobs at once than it keeps open", () =>
      Effect.scoped(Effect.gen(function*() {
        const blobs = yield* make
        const all = Array.from({ length: 200 }, (_, i) => i)
        yield* Effect.forEach(all, (i) => blobs.put(id(i), [Uint8Array.of(i)], later), { concurrency: 8 })
        const read = yield* Effect.forEach(
          [...all, ...all],
          (i) => {
            const target = new Uint8Array(1)
            return Effect.as(blobs.readInto(id(i), 0, target), target)
          },
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(read.map((target) => target[0]), [...all, ...all])
      })))
  })
}

describe("a BlobStore in a folder", () => {
  it.effect("finds its blobs again, and keeps them from other users", () =>
    Effect.scoped(Effect.gen(function*() {
      const path = yield* temporary
      yield* Effect.scoped(
        Effect.flatMap(BlobStore.folder(path), (blobs) => blobs.put(id(5), [Uint8Array.of(5)], { durable: true }))
      )
      assert.strictEqual(Fs.statSync(join(path, "00", id(5))).mode & 0o077, 0)
      const blobs = yield* BlobStore.folder(path)
      const target = new Uint8Array(1)
      yield* blobs.readInto(id(5), 0, target)
      assert.strictEqual(target[0], 5)
    })))

  it.effect("refuses an id that is not 32 hexadecimal digits with InvalidName", () =>
    Effect.scoped(Effect.gen(function*() {
      const blobs = yield* BlobStore.folder(yield* temporary)
      for (const name of ["", "..", "../x", "A".repeat(32), `${id(1)}/x`, `${id(1)}\n`]) {
        assert.strictEqual(yield* reason(blobs.put(name, [], later)), "InvalidName")
        assert.strictEqual(yield* reason(blobs.readInto(name, 0, new Uint8Array(1))), "InvalidName")
        assert.strictEqual(yield* reason(blobs.remove(name)), "InvalidName")
      }
    })))

  it.effect("does not list files that are no blobs, and says the space of its disk", () =>
    Effect.scoped(Effect.gen(function*() {
      const path = yield* temporary
      const blobs = yield* BlobStore.folder(path)
      yield* blobs.put(id(1), [Uint8Array.of(1)], later)
      Fs.writeFileSync(join(path, "readme"), "")
      Fs.writeFileSync(join(path, "00", "readme"), "")
      assert.deepStrictEqual(yield* Stream.runCollect(blobs.list), [{ id: id(1), size: 1 }])
      const { free, total } = yield* blobs.space
      assert.isTrue(free <= total && total > 0n)
    })))
})

describe("a BlobStore in memory", () => {
  it.effect("refuses more than its capacity with Full, and removed blobs make room", () =>
    Effect.gen(function*() {
      const blobs = yield* BlobStore.memory({ capacity: 10 })
      yield* blobs.put(id(1), [new Uint8Array(6)], later)
      assert.strictEqual(yield* reason(blobs.put(id(2), [new Uint8Array(6)], later)), "Full")
      assert.deepStrictEqual(yield* blobs.space, { total: 10n, free: 4n })
      yield* blobs.remove(id(1))
      yield* blobs.put(id(2), [new Uint8Array(6)], later)
    }))
})
