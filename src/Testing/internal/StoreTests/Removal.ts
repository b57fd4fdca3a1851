/** Tests of removals, and of operations that name the file that they expect. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ShareStore, StoreOpened, StorePath } from "../../../Server/ShareStore.ts"
import { assert } from "./Assertions.ts"
import {
  file,
  get,
  type Kit,
  list,
  mkdir,
  names,
  newFile,
  put,
  refused,
  sameOrStale,
  string,
  text,
  using
} from "./Kit.ts"

/** Removal. */
export const testRemove = ({ gen }: Kit): void => {
  gen("removes files and empty directories, and refuses other directories with NotEmpty", function*(store) {
    yield* mkdir(store, ["d"])
    yield* put(store, ["d", "f"], "x")
    yield* refused(store.remove(["d"]), "NotEmpty")
    yield* store.remove(["D", "F"])
    yield* refused(store.stat(["d", "f"]), "NotFound")
    yield* refused(store.remove(["d", "f"]), "NotFound")
    yield* store.remove(["d"])
    yield* refused(store.stat(["d", "f"]), "PathNotFound")
    assert.deepStrictEqual(yield* names(store, []), [])
  })

  gen("keeps a removed file's handles apart from a new file of its name: readable or Stale", function*(store) {
    const before: StoreOpened = yield* store.open(["f"], newFile)
    yield* before.file.write(0n, text("kept"))
    yield* store.remove(["f"])
    yield* sameOrStale(before.file.read(0n, 10), "kept")
    yield* refused(store.stat(["f"]), "NotFound")
    assert.deepStrictEqual(yield* names(store, []), [])
    const after: StoreOpened = yield* store.open(["f"], newFile)
    assert.isTrue(after.created)
    assert.notStrictEqual(after.node.id, before.node.id)
    yield* after.file.write(0n, text("new"))
    yield* Effect.ignore(before.file.write(0n, text("lost")))
    yield* sameOrStale(before.file.read(0n, 10), "lost")
    assert.strictEqual(yield* get(store, ["f"]), "new")
    yield* before.file.stat.pipe(
      Effect.match({
        onFailure: (error) => assert.strictEqual(error.reason._tag, "Stale"),
        onSuccess: (node) => assert.strictEqual(node.numberOfLinks, 0)
      })
    )
  })
}

/** The question whether a removal would succeed. */
export const testMayRemove = ({ needs }: Kit): void => {
  needs("mayRemove")("removes nothing, and fails as remove would fail", function*(store) {
    const mayRemove = store.mayRemove!
    yield* mkdir(store, ["d"])
    yield* put(store, ["d", "f"], "x")
    yield* put(store, ["b"], "another")
    yield* refused(mayRemove(["d"]), "NotEmpty")
    yield* refused(mayRemove(["no"]), "NotFound")
    yield* refused(mayRemove(["no", "f"]), "PathNotFound")
    yield* refused(mayRemove([".."]), "InvalidName")
    yield* refused(mayRemove([]), "AccessDenied")
    yield* refused(mayRemove(["d", "f"], { expected: (yield* store.stat(["b"])).identity }), "Stale")
    yield* mayRemove(["D", "F"], { expected: (yield* store.stat(["d", "f"])).identity })
    assert.strictEqual(yield* get(store, ["d", "f"]), "x")
    yield* store.remove(["d", "f"])
    yield* mayRemove(["d"])
    assert.deepStrictEqual(yield* names(store, []), ["b", "d"])
  })
}

/** The identity that a caller expects of a file. */
export const testIdentity = ({ gen, has, needs }: Kit): void => {
  const identity = (store: ShareStore, path: StorePath) => Effect.map(store.stat(path), ({ identity }) => identity)

  gen("of a file is the same by stat, list and open, and after a rename", function*(store) {
    yield* put(store, ["a"], "x")
    yield* mkdir(store, ["d"])
    const before = yield* identity(store, ["a"])
    yield* store.rename(["a"], ["d", "B"], { replace: false })
    assert.strictEqual(yield* identity(store, ["D", "b"]), before)
    assert.strictEqual((yield* list(store, ["d"]))[0]!.identity, before)
    yield* using(store, ["d", "B"], file, ({ file, node }) =>
      Effect.map(file.stat, (stat) => {
        assert.strictEqual(node.identity, before)
        assert.strictEqual(stat.identity, before)
      }))
    const all = [yield* identity(store, []), yield* identity(store, ["d"]), before]
    assert.strictEqual(new Set(all).size, 3)
  })

  gen("differs for another file that takes the name of a file", function*(store) {
    yield* put(store, ["a"], "first")
    const before = yield* identity(store, ["a"])
    yield* put(store, ["b"], "second")
    yield* store.rename(["b"], ["a"], { replace: true })
    assert.notStrictEqual(yield* identity(store, ["a"]), before)
    const after = yield* identity(store, ["a"])
    yield* store.remove(["a"])
    // Storages that number files can reuse a number at once.
    yield* Effect.sleep(20)
    yield* put(store, ["a"], "third")
    assert.notStrictEqual(yield* identity(store, ["a"]), before)
    assert.notStrictEqual(yield* identity(store, ["a"]), after)
  })

  gen("that differs from the expected one makes remove, rename, link and list fail with Stale", function*(store) {
    yield* put(store, ["a"], "old")
    const old = { expected: yield* identity(store, ["a"]) }
    yield* put(store, ["new"], "new")
    yield* mkdir(store, ["d"])
    yield* store.rename(["new"], ["a"], { replace: true })
    yield* refused(store.remove(["a"], old), "Stale")
    yield* refused(store.rename(["a"], ["b"], { replace: true, ...old }), "Stale")
    if (has("link")) yield* refused(store.link!(["a"], ["b"], { replace: false, ...old }), "Stale")
    yield* refused(Stream.runDrain(store.list(["d"], old)), "Stale")
    assert.deepStrictEqual(yield* names(store, []), ["a", "d"])
    assert.strictEqual(yield* get(store, ["a"]), "new")
    const now = { expected: yield* identity(store, ["a"]) }
    yield* store.rename(["a"], ["b"], { replace: false, ...now })
    yield* store.remove(["b"], now)
    yield* Stream.runDrain(store.list(["d"], { expected: yield* identity(store, ["d"]) }))
    assert.deepStrictEqual(yield* names(store, []), ["d"])
  })

  gen("of the target that differs from the expected one makes rename and link fail with Stale", function*(store) {
    yield* put(store, ["a"], "mine")
    yield* put(store, ["b"], "judged")
    const judged = { replace: true, replaced: yield* identity(store, ["b"]) }
    yield* put(store, ["other"], "other")
    yield* store.rename(["other"], ["b"], { replace: true })
    yield* refused(store.rename(["a"], ["b"], judged), "Stale")
    if (has("link")) yield* refused(store.link!(["a"], ["b"], judged), "Stale")
    assert.strictEqual(yield* get(store, ["a"]), "mine")
    assert.strictEqual(yield* get(store, ["b"]), "other")
    yield* store.rename(["a"], ["b"], { replace: true, replaced: yield* identity(store, ["b"]) })
    assert.strictEqual(yield* get(store, ["b"]), "mine")
  })

  needs("link")("shared by several names lets remove and rename change only the given name", function*(store) {
    yield* put(store, ["a"], "x")
    yield* store.link!(["a"], ["b"], { replace: false })
    const same = { expected: yield* identity(store, ["a"]) }
    assert.strictEqual(yield* identity(store, ["b"]), same.expected)
    const opened: StoreOpened = yield* store.open(["a"], file)
    yield* store.remove(["b"], same)
    assert.deepStrictEqual(yield* names(store, []), ["a"])
    yield* store.link!(["a"], ["b"], { replace: false })
    yield* store.rename(["b"], ["c"], { replace: false, ...same })
    assert.deepStrictEqual(yield* names(store, []), ["a", "c"])
    assert.strictEqual(string(yield* opened.file.read(0n, 10)), "x")
  })
}
