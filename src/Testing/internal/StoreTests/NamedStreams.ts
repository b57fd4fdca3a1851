/** Tests of named streams. */
import * as Effect from "effect/Effect"
import type { StoreOpened } from "../../../Server/ShareStore.ts"
import { assert } from "./Assertions.ts"
import { file, get, type Kit, mkdir, names, newFile, put, refused, sameOrStale, someTime, text, using } from "./Kit.ts"

/** Named streams. */
export const testNamedStreams = ({ gen, has, keepsMetadata, needs }: Kit): void => {
  const stream = "Zone.Identifier"

  if (!has("streams")) {
    gen("are refused with Unsupported by a store without streams", function*(store) {
      yield* put(store, ["f"], "x")
      for (const mode of ["existing", "new", "either"] as const) {
        yield* refused(store.open(["f"], { mode, type: "file", stream }), "Unsupported")
      }
      yield* refused(store.remove(["f"], { stream }), "Unsupported")
      const { file: opened }: StoreOpened = yield* store.open(["f"], file)
      assert.deepStrictEqual(yield* opened.streams, [])
      assert.strictEqual(yield* get(store, ["f"]), "x")
    })
  }

  needs("streams")("have bytes and a size separate from the data of their file", function*(store) {
    yield* put(store, ["f"], "data")
    const main: StoreOpened = yield* store.open(["f"], file)
    yield* refused(store.open(["f"], { ...file, stream }), "NotFound")
    yield* refused(store.open(["no"], { ...file, stream }), "NotFound")
    yield* refused(store.remove(["f"], { stream }), "NotFound")
    const made: StoreOpened = yield* store.open(["f"], { ...newFile, stream })
    assert.isTrue(made.created)
    assert.strictEqual(made.node.id, main.node.id)
    yield* refused(store.open(["f"], { ...newFile, stream: stream.toUpperCase() }), "Exists")
    yield* made.file.write(0n, text("stream's"))
    yield* made.file.write(100_000n, text("end"))
    assert.strictEqual((yield* made.file.stat).size, 100_003n)
    assert.strictEqual((yield* made.file.stat).name, "f")
    assert.strictEqual((yield* main.file.stat).size, 4n)
    yield* made.file.truncate(6n)
    assert.strictEqual(yield* get(store, ["F"], "ZONE.identifier"), "stream")
    assert.strictEqual(yield* get(store, ["f"]), "data")
    yield* put(store, ["g"], "other")
    yield* refused(store.open(["g"], { ...file, stream }), "NotFound")
    for (const from of [main.file, made.file]) {
      const streams = yield* from.streams
      assert.deepStrictEqual(streams.map((s: { name: string; size: bigint }) => [s.name, s.size]), [[stream, 6n]])
    }
    assert.deepStrictEqual(yield* names(store, []), ["f", "g"])
  })

  for (const type of ["file", "directory"] as const) {
    needs("streams")(`give their ${type} the times of a change with write, truncate and zero`, function*(store) {
      const { file: main }: StoreOpened = yield* store.open(["it"], { mode: "new", type })
      const { file: named }: StoreOpened = yield* store.open(["it"], { ...newFile, stream })
      const changes = [
        named.write(0n, text("x")),
        named.truncate(100n),
        named.zero({ offset: 0n, length: 50n }),
        named.truncate(3n)
      ]
      for (const change of changes) {
        yield* main.set({
          lastAccessTime: someTime,
          lastWriteTime: someTime,
          ...(keepsMetadata ? { changeTime: someTime, creationTime: someTime } : {})
        })
        yield* change
        for (const node of [yield* main.stat, yield* named.stat, yield* store.stat(["it"])]) {
          assert.isTrue(node.lastWriteTime > someTime + 10_000_000n)
          assert.isTrue(node.changeTime > someTime + 10_000_000n)
          assert.isTrue(node.lastAccessTime > someTime + 10_000_000n)
          if (keepsMetadata) assert.strictEqual(node.creationTime, someTime)
        }
      }
      // The bytes can still be changed when the file has no name any more, or the handle is Stale.
      yield* store.remove(["it"])
      yield* Effect.matchEffect(named.write(0n, text("y")), {
        onFailure: ({ reason }) => Effect.sync(() => assert.strictEqual(reason._tag, "Stale")),
        onSuccess: () => Effect.map(named.read(0n, 1), (bytes) => assert.deepStrictEqual(bytes, text("y")))
      })
    })
  }

  needs("streams")("make their file if it does not exist, and are removed with it", function*(store) {
    const made: StoreOpened = yield* Effect.scoped(store.open(["f"], { mode: "either", type: "file", stream }))
    assert.isTrue(made.created)
    assert.strictEqual((yield* store.stat(["f"])).type, "file")
    yield* store.remove(["f"])
    yield* put(store, ["f"], "")
    const { file: opened }: StoreOpened = yield* store.open(["f"], file)
    assert.deepStrictEqual(yield* opened.streams, [])
  })

  needs("streams")("can belong to a directory", function*(store) {
    yield* mkdir(store, ["d"])
    yield* using(store, ["d"], { mode: "either", type: "file", stream }, ({ file }) => file.write(0n, text("d's")))
    assert.strictEqual(yield* get(store, ["d"], stream), "d's")
    assert.deepStrictEqual(yield* names(store, ["d"]), [])
    yield* store.remove(["d"])
  })

  needs("streams")("move with a renamed file, and can be removed one by one", function*(store) {
    yield* put(store, ["f"], "x")
    const all = ["a", "B", "ünï cödé", "x".repeat(100)]
    for (const name of all) {
      yield* using(store, ["f"], { ...newFile, stream: name }, ({ file }) => file.write(0n, text(name)))
    }
    yield* store.rename(["f"], ["g"], { replace: false })
    for (const name of all) assert.strictEqual(yield* get(store, ["g"], name), name)
    yield* store.remove(["g"], { stream: "b" })
    yield* refused(store.open(["g"], { ...file, stream: "B" }), "NotFound")
    const { file: opened }: StoreOpened = yield* store.open(["g"], file)
    const left = yield* opened.streams
    assert.deepStrictEqual(left.map((s: { name: string }) => s.name).sort(), all.filter((n) => n !== "B").sort())
    assert.strictEqual(yield* get(store, ["g"]), "x")
  })

  needs("streams")("that are removed while open stay readable or fail with Stale", function*(store) {
    const { file: opened }: StoreOpened = yield* store.open(["f"], { ...newFile, stream })
    yield* opened.write(0n, text("kept"))
    yield* store.remove(["f"], { stream })
    yield* sameOrStale(opened.read(0n, 10), "kept")
    const again: StoreOpened = yield* store.open(["f"], { ...newFile, stream })
    assert.strictEqual(again.node.size, 0n)
  })
}
