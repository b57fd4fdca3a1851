/**
 * Proves that a MemoryStore passes the conformance kit and keeps to its capacity and options.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import { storeConformance } from "./conformance.ts"

storeConformance("MemoryStore", MemoryStore.make(), { lacks: ["mayRemove"] })

describe("MemoryStore's capacity and options", () => {
  const refusal = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.map(Effect.flip(effect), (error: any) => error.reason._tag)

  it.effect("limits bytes, streams and blobs with Full, and is free again after the last close", () =>
    Effect.scoped(Effect.gen(function*() {
      const store = yield* MemoryStore.make({ capacity: 1_000_000, label: "small" })
      const { free, label, total } = yield* store.volume
      assert.strictEqual(label, "small")
      assert.strictEqual(total, 1_000_000n)
      yield* Effect.scoped(Effect.gen(function*() {
        const { file } = yield* store.open(["f"], { mode: "new", type: "file" })
        const { file: stream } = yield* store.open(["f"], { mode: "new", type: "file", stream: "s" })
        yield* file.write(0n, new Uint8Array(400_000))
        yield* stream.write(0n, new Uint8Array(400_000))
        assert.strictEqual(yield* refusal(file.write(400_000n, new Uint8Array(400_000))), "Full")
        assert.strictEqual(yield* refusal(file.setBlob("SecurityDescriptor", new Uint8Array(400_000))), "Full")
        assert.strictEqual((yield* file.stat).size, 400_000n)
        yield* file.truncate(0n)
        yield* file.setBlob("SecurityDescriptor", new Uint8Array(100_000))
        yield* store.remove(["f"])
        // The open handles still use the capacity.
        assert.isTrue((yield* store.volume).free < 600_000n)
        yield* file.write(0n, new Uint8Array(100_000))
      }))
      assert.strictEqual((yield* store.volume).free, free)
    })))

  it.effect("limits the number of empty files with Full, and removed files make room", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.make({ capacity: 100_000 })
      const made = yield* Effect.forEach(Array.from({ length: 200 }, (_, i) => i), (i) =>
        Effect.match(Effect.scoped(store.open([`f${i}`], { mode: "new", type: "file" })), {
          onFailure: (error) =>
            error.reason._tag,
          onSuccess: () => "made"
        }))
      assert.isBelow(
        made.filter((result) =>
          result === "made"
        ).length,
        100
      )
      assert.strictEqual(made.at(-1), "Full")
      for (let i = 0; i < 10; i++) yield* store.remove([`f${i}`])
      yield* Effect.scoped(store.open(["again"], { mode: "new", type: "file" }))
    }))

  it.effect("with `readOnly` refuse a new file and a change of the root with ReadOnly", () =>
    Effect.scoped(Effect.gen(function*() {
      const store = yield* MemoryStore.make({ readOnly: true })
      assert.isTrue((yield* store.volume).readOnly)
      assert.strictEqual(yield* refusal(store.open(["f"], { mode: "either", type: "file" })), "ReadOnly")
      const { file } = yield* store.open([], { mode: "existing", type: "directory" })
      assert.strictEqual(yield* refusal(file.set({ creationTime: 1n })), "ReadOnly")
    })))

  it.effect("allow a file with a hole of nearly 2^63 bytes to be read, zeroed and truncated", () =>
    Effect.scoped(Effect.gen(function*() {
      const store = yield* MemoryStore.make()
      const { file } = yield* store.open(["f"], { mode: "new", type: "file" })
      const end = (1n << 63n) - 2n
      yield* file.write(end, Uint8Array.of(7))
      assert.deepStrictEqual(yield* file.read(end - 1n, 5), Uint8Array.of(0, 7))
      assert.strictEqual(yield* refusal(file.write(end, new Uint8Array(2))), "Full")
      assert.deepStrictEqual(yield* file.allocated({ offset: 0n, length: end + 1n }), [
        { offset: ((1n << 47n) - 1n) << 16n, length: 65_535n }
      ])
      yield* file.zero({ offset: 0n, length: end })
      yield* file.truncate(0n)
    })))
})
