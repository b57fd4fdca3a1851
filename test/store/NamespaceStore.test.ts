/**
 * Proves what a NamespaceStore adds to another store: its links as DFS reparse points, the folders on the path to a
 * link, and the making of these folders for files that clients put there. Without links it passes the conformance kit.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { ReparseTag } from "../../src/Codec/Reparse.ts"
import { type ShareStore, type StoreError, storeError, type StorePath } from "../../src/Server/ShareStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as NamespaceStore from "../../src/Server/Store/NamespaceStore.ts"
import { FileAttributes as F } from "../../src/Smb2/Message/Constants.ts"
import { storeConformance } from "./conformance.ts"

// A NamespaceStore without links behaves as the store that it was made of.
storeConformance(
  "NamespaceStore",
  Effect.map(MemoryStore.make(), (store) => NamespaceStore.make(store, () => [])),
  { lacks: ["mayRemove"] }
)

const existing = { mode: "existing", type: "file" } as const
const fresh = { mode: "new", type: "file" } as const
const directory = { mode: "existing", type: "directory" } as const
const reason = <A, R>(effect: Effect.Effect<A, StoreError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

const links: ReadonlyArray<StorePath> = [["Plans"], ["Media", "Films"], ["Media", "Deep", "Er"]]

const made = Effect.gen(function*() {
  const below = yield* MemoryStore.make()
  const current = { links }
  const store = NamespaceStore.make(below, () => current.links)
  return { below, current, store }
})

const put = (store: ShareStore, path: StorePath, how: "new" | "either" = "new") =>
  Effect.scoped(store.open(path, { mode: how, type: "file" }))
const mkdir = (store: ShareStore, path: StorePath) =>
  Effect.scoped(store.open(path, { mode: "new", type: "directory" }))
const list = (store: ShareStore, path: StorePath, options?: { readonly expected: string }) =>
  Effect.map(
    Stream.runCollect(store.list(path, options)),
    (nodes) =>
      nodes.map(({ fileAttributes, name, reparseTag, type }) => {
        const link = reparseTag === ReparseTag.IO_REPARSE_TAG_DFS
        assert.strictEqual((fileAttributes & F.FILE_ATTRIBUTE_REPARSE_POINT) !== 0, link)
        assert.strictEqual((fileAttributes & F.FILE_ATTRIBUTE_DIRECTORY) !== 0, type === "directory")
        return `${name} ${link ? "link" : type}`
      }).sort()
  )

describe("a NamespaceStore's links", () => {
  it.effect("are listed with the folders on their paths, next to the files of the store, in the case of the links", () =>
    Effect.gen(function*() {
      const { below, store } = yield* made
      yield* put(below, ["own"])
      assert.deepStrictEqual(yield* list(store, []), ["Media directory", "Plans link", "own file"])
      assert.deepStrictEqual(yield* list(store, ["MEDIA"]), ["Deep directory", "Films link"])
      assert.deepStrictEqual(yield* list(store, ["media", "DEEP"]), ["Er link"])
      // Nothing was made for that.
      assert.deepStrictEqual(yield* list(below, []), ["own file"])
    }))

  it.effect("hide an entry of the store with their name, and an existing folder on the path is listed once", () =>
    Effect.gen(function*() {
      const { below, store } = yield* made
      yield* mkdir(below, ["PLANS"])
      yield* mkdir(below, ["media"])
      yield* put(below, ["media", "FILMS"])
      yield* put(below, ["media", "own"])
      assert.deepStrictEqual(yield* list(store, []), ["Plans link", "media directory"])
      assert.deepStrictEqual(yield* list(store, ["Media"]), ["Deep directory", "Films link", "own file"])
      const { identity } = yield* below.stat(["media"])
      assert.strictEqual((yield* store.stat(["MEDIA"])).identity, identity)
      assert.deepStrictEqual(yield* list(store, ["Media"], { expected: identity }), [
        "Deep directory",
        "Films link",
        "own file"
      ])
      assert.strictEqual(yield* reason(list(store, ["Media"], { expected: "other" })), "Stale")
      assert.strictEqual(yield* reason(list(store, [], { expected: "other" })), "Stale")
    }))

  it.effect("are read again for each call", () =>
    Effect.gen(function*() {
      const { current, store } = yield* made
      const { identity } = yield* store.stat(["media"])
      current.links = [["New"]]
      assert.deepStrictEqual(yield* list(store, []), ["New link"])
      assert.strictEqual(yield* reason(store.stat(["media"])), "NotFound")
      assert.strictEqual(yield* reason(list(store, ["media"])), "NotFound")
      current.links = links
      // A folder that was opened while it was only on the path to a link can be listed after it was made.
      yield* put(store, ["media", "own"])
      assert.deepStrictEqual(yield* list(store, ["media"], { expected: identity }), [
        "Deep directory",
        "Films link",
        "own file"
      ])
    }))

  it.effect("do not hide that the store below cannot list", () =>
    Effect.gen(function*() {
      const { below } = yield* made
      const failing: ShareStore = { ...below, list: () => Stream.fail(storeError("Failed")) }
      const store = NamespaceStore.make(failing, () => links)
      assert.strictEqual(yield* reason(list(store, [])), "Failed")
      assert.strictEqual(yield* reason(list(store, ["media"])), "Failed")
    }))
})

describe("a folder on the path to a NamespaceStore's link", () => {
  it.effect("is a directory with its own number and the times of the root, in the case of the links", () =>
    Effect.scoped(Effect.gen(function*() {
      const { below, store } = yield* made
      const { file } = yield* below.open([], directory)
      yield* file.setBlob("ExtendedAttributes", Uint8Array.of(1, 2, 3))
      const root = yield* below.stat([])
      const node = yield* store.stat(["MEDIA"])
      assert.deepStrictEqual(node, {
        ...root,
        name: "Media",
        id: node.id,
        identity: node.identity,
        type: "directory",
        fileAttributes: F.FILE_ATTRIBUTE_DIRECTORY,
        numberOfLinks: 1,
        reparseTag: 0,
        // The folder has no blob.
        eaSize: 0
      })
      const deep = yield* store.stat(["media", "deep"])
      assert.strictEqual(deep.name, "Deep")
      const { node: again } = yield* store.open(["media"], directory)
      assert.deepStrictEqual(again, node)
      const listed = yield* Stream.runCollect(store.list([]))
      assert.deepStrictEqual(listed.find(({ name }) => name === "Media"), node)
      const ids = [root.id, node.id, deep.id, ...listed.filter(({ name }) => name === "Plans").map(({ id }) => id)]
      assert.strictEqual(new Set(ids).size, 4)
      // Stores count from below.
      for (const id of ids.slice(1)) assert.isTrue(id >= 1n << 62n && id < 1n << 63n)
      assert.strictEqual(new Set([root.identity, node.identity, deep.identity]).size, 3)
    })))

  it.effect("opens as a directory without bytes, streams and blobs, which cannot be changed", () =>
    Effect.scoped(Effect.gen(function*() {
      const { below, store } = yield* made
      for (const how of [existing, directory, { mode: "either", type: "directory" } as const]) {
        const { created, file, node } = yield* store.open(["media"], how)
        assert.isFalse(created)
        assert.strictEqual(file.id, node.id)
        assert.deepStrictEqual(yield* file.stat, node)
        const range = { offset: 0n, length: 1n }
        for (
          const call of [
            file.read(0n, 1),
            file.write(0n, Uint8Array.of(1)),
            file.truncate(0n),
            file.zero(range),
            file.allocated(range)
          ]
        ) assert.strictEqual(yield* reason(call as Effect.Effect<unknown, StoreError>), "IsDirectory")
        assert.strictEqual(yield* reason(file.set({ creationTime: 1n })), "AccessDenied")
        assert.strictEqual(yield* reason(file.setBlob("SecurityDescriptor", Uint8Array.of(1))), "AccessDenied")
        assert.isUndefined(yield* file.getBlob("SecurityDescriptor"))
        assert.deepStrictEqual(yield* file.streams, [])
        yield* file.flush
      }
      assert.strictEqual(yield* reason(mkdir(store, ["MEDIA"])), "Exists")
      assert.strictEqual(yield* reason(put(store, ["MEDIA"])), "Exists")
      for (const mode of ["existing", "either"] as const) {
        assert.strictEqual(yield* reason(store.open(["media"], { mode, type: "file", stream: "s" })), "NotFound")
      }
      assert.deepStrictEqual(yield* list(below, []), [])
    })))

  it.effect("cannot be removed or renamed, also when the store has it", () =>
    Effect.gen(function*() {
      const { below, current } = yield* made
      const store = NamespaceStore.make({ ...below, mayRemove: () => Effect.void }, () => current.links)
      const keep = { replace: false }
      for (const path of [["media"], ["Media", "Deep"]]) {
        assert.strictEqual(yield* reason(store.remove(path)), "NotEmpty")
        assert.strictEqual(yield* reason(store.mayRemove!(path)), "NotEmpty")
        assert.strictEqual(yield* reason(store.rename(path, ["x"], keep)), "AccessDenied")
        yield* put(store, [...path, "f"])
      }
      yield* store.mayRemove!(["media", "f"])
      yield* store.remove(["media", "f"])
      assert.strictEqual(yield* reason(store.remove(["media"])), "NotEmpty")
      assert.strictEqual(yield* reason(store.rename(["media"], ["x"], keep)), "AccessDenied")
    }))

  for (const call of ["open", "rename", "link"] as const) {
    it.effect(`is made in the store, in the case of the link, when a client puts a file there by ${call}`, () =>
      Effect.gen(function*() {
        const { below, store } = yield* made
        yield* put(store, ["f"])
        const to = ["MEDIA", "deep", "g"]
        yield* (call === "open"
          ? put(store, to, "either")
          : call === "rename"
          ? store.rename(["f"], to, { replace: false })
          : store.link!(["f"], to, { replace: false }))
        assert.deepStrictEqual(yield* list(below, []), ["Media directory", ...call === "rename" ? [] : ["f file"]])
        assert.deepStrictEqual(yield* list(below, ["Media"]), ["Deep directory"])
        assert.deepStrictEqual(yield* list(below, ["Media", "Deep"]), ["g file"])
        assert.deepStrictEqual(yield* list(store, ["media", "deep"]), ["Er link", "g file"])
        // It is the store's own folder from now on.
        assert.strictEqual(yield* reason(mkdir(store, ["media"])), "Exists")
        assert.isFalse((yield* Effect.scoped(store.open(["media"], { mode: "either", type: "directory" }))).created)
      }))
  }

  it.effect("is not replaced by a file that is renamed or linked to its name", () =>
    Effect.gen(function*() {
      const { below, store } = yield* made
      yield* put(store, ["f"])
      for (const call of [store.rename, store.link!]) {
        for (const to of [["media"], ["MEDIA", "deep"]]) {
          assert.strictEqual(yield* reason(call(["f"], to, { replace: false })), "Exists")
          assert.strictEqual(yield* reason(call(["f"], to, { replace: true })), "IsDirectory")
        }
      }
      assert.deepStrictEqual(yield* list(below, []), ["f file"])
      assert.deepStrictEqual(yield* list(store, []), ["Media directory", "Plans link", "f file"])
    }))

  it.effect("is not made by a call that finds no file, or that fails for another reason", () =>
    Effect.gen(function*() {
      const { below, store } = yield* made
      yield* put(store, ["f"])
      const keep = { replace: false }
      const cases: ReadonlyArray<readonly [Effect.Effect<unknown, StoreError, any>, StoreError["reason"]["_tag"]]> = [
        // In a folder on the path, only the last name is missing.
        [store.stat(["media", "no"]), "NotFound"],
        [store.open(["media", "no"], existing), "NotFound"],
        [store.stat(["media", "no", "no"]), "PathNotFound"],
        [store.open(["media", "no", "no"], existing), "PathNotFound"],
        [store.stat(["no"]), "NotFound"],
        [store.stat(["no", "no"]), "PathNotFound"],
        [put(store, ["no", "no"]), "PathNotFound"],
        [put(store, ["media", "no", "no"]), "PathNotFound"],
        [store.rename(["f"], ["no", "no"], keep), "PathNotFound"],
        [store.link!(["f"], ["no", "no"], keep), "PathNotFound"],
        [store.stat(["f", "no"]), "PathNotFound"],
        [store.stat([".."]), "InvalidName"],
        [store.open(["media", ".."], existing), "InvalidName"],
        [Effect.scoped(store.open(["media", ".."], fresh)), "InvalidName"]
      ]
      for (const [call, expected] of cases) assert.strictEqual(yield* reason(call), expected)
      assert.deepStrictEqual(yield* list(below, []), ["f file"])
    }))

  it.effect("takes the failures of the store below as they are", () =>
    Effect.gen(function*() {
      const { below } = yield* made
      const busy = Effect.fail(storeError("Busy"))
      const store = NamespaceStore.make({ ...below, stat: () => busy, open: () => busy }, () => links)
      for (const path of [["media"], ["media", "deep"], ["media", "no"], []]) {
        assert.strictEqual(yield* reason(store.stat(path)), "Busy")
        for (const mode of ["existing", "new", "either"] as const) {
          assert.strictEqual(yield* reason(store.open(path, { mode, type: "file" })), "Busy")
        }
      }
    }))

  it.effect("leaves out what the store below leaves out", () =>
    Effect.gen(function*() {
      const { below } = yield* made
      const { link: _, ...less } = below
      const store = NamespaceStore.make(less, () => links)
      assert.isUndefined(store.link)
      assert.isUndefined(store.mayRemove)
      assert.isUndefined(store.changes)
    }))
})
