import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import { storeConformance } from "./conformance.ts"

storeConformance("MemoryStore", MemoryStore.make())

describe("MemoryStore's capacity", () => {
  const refusal = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.map(Effect.flip(effect), (error: any) => error.reason)

  it.effect("holds against bytes, streams and blobs, and comes back", () =>
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
        // Its handles still hold it.
        assert.isTrue((yield* store.volume).free < 600_000n)
        yield* file.write(0n, new Uint8Array(100_000))
      }))
      assert.strictEqual((yield* store.volume).free, free)
    })))

  it.effect("holds against empty files", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.make({ capacity: 100_000 })
      const made = yield* Effect.forEach(Array.from({ length: 200 }, (_, i) => i), (i) =>
        Effect.match(Effect.scoped(store.open([`f${i}`], { mode: "new", type: "file" })), {
          onFailure: (error) =>
            error.reason,
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

  it.effect("takes no changes if told", () =>
    Effect.scoped(Effect.gen(function*() {
      const store = yield* MemoryStore.make({ readOnly: true })
      assert.isTrue((yield* store.volume).readOnly)
      assert.strictEqual(yield* refusal(store.open(["f"], { mode: "either", type: "file" })), "ReadOnly")
      const { file } = yield* store.open([], { mode: "existing", type: "directory" })
      assert.strictEqual(yield* refusal(file.set({ creationTime: 1n })), "ReadOnly")
    })))

  it.effect("reads one byte out of a huge hole at once", () =>
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
