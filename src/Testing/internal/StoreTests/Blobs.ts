/** Tests of the blobs of a file: security descriptors, extended attributes, reparse points and object ids. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ReparseTag } from "../../../Codec/Reparse.ts"
import type { Blob, StoreNode, StoreOpened } from "../../../Server/ShareStore.ts"
import { FileAttributes } from "../../../Smb2/Message/Constants.ts"
import { assert } from "./Assertions.ts"
import { type Kit, list, newFile, pattern, put, refused, text, using } from "./Kit.ts"

/** Security descriptors, extended attributes, reparse points and object ids. */
export const testBlobs = ({ gen, has, needs }: Kit): void => {
  const kinds = [
    ["SecurityDescriptor", "securityDescriptors"],
    ["ExtendedAttributes", "extendedAttributes"],
    ["ReparsePoint", "reparsePoints"],
    ["ObjectId", "objectIds"]
  ] as const satisfies ReadonlyArray<readonly [Blob, string]>
  for (const [blob, support] of kinds) {
    for (const type of ["file", "directory"] as const) {
      if (!has(support)) {
        gen(`that are a ${blob} of a ${type} are refused with Unsupported`, function*(store) {
          const { file }: StoreOpened = yield* store.open(["a"], { mode: "new", type })
          yield* refused(file.getBlob(blob), "Unsupported")
          yield* refused(file.setBlob(blob, text("x")), "Unsupported")
        })
      }

      needs(support)(`keep the ${blob} of a ${type} for this file alone`, function*(store) {
        const { file }: StoreOpened = yield* store.open(["a"], { mode: "new", type })
        assert.isUndefined(yield* file.getBlob(blob))
        yield* file.setBlob(blob, undefined)
        for (const length of [4, 65_536, 8]) {
          const bytes = pattern(length, length)
          const given = bytes.slice()
          yield* file.setBlob(blob, given)
          given.fill(0)
          const read: Uint8Array | undefined = yield* file.getBlob(blob)
          assert.deepStrictEqual(read, bytes)
          read?.fill(0)
          const { file: other }: StoreOpened = yield* store.open(["A"], { mode: "existing", type })
          assert.deepStrictEqual(yield* other.getBlob(blob), bytes)
        }
        // No other file and no other kind of blob has these bytes.
        yield* put(store, ["b"], "")
        const { file: stranger }: StoreOpened = yield* store.open(["b"], { mode: "existing", type: "file" })
        assert.isUndefined(yield* stranger.getBlob(blob))
        for (const [other, otherSupport] of kinds) {
          if (other !== blob && has(otherSupport)) {
            assert.isUndefined(yield* file.getBlob(other))
          }
        }
        yield* file.setBlob(blob, undefined)
        assert.isUndefined(yield* file.getBlob(blob))
      })
    }
  }

  needs("extendedAttributes")("of ExtendedAttributes have the size of the node, if it has one", function*(store) {
    for (const type of ["file", "directory"] as const) {
      const { file, node }: StoreOpened = yield* store.open([type], { mode: "new", type })
      // A store tells the size always, or never.
      const expected = (size: number) => node.eaSize === undefined ? undefined : size
      assert.strictEqual(node.eaSize, expected(0))
      for (const bytes of [text("four"), pattern(1000, 1), text("x"), undefined]) {
        yield* file.setBlob("ExtendedAttributes", bytes)
        const size = expected(bytes?.length ?? 0)
        assert.strictEqual((yield* file.stat).eaSize, size)
        assert.strictEqual((yield* store.stat([type])).eaSize, size)
        const listed: ReadonlyArray<StoreNode> = yield* Stream.runCollect(store.list([]))
        assert.strictEqual(listed.find(({ name }) => name === type)?.eaSize, size)
      }
    }
  })

  needs("securityDescriptors")("of a removed file do not appear on a new file of the same name", function*(store) {
    for (let i = 0; i < 10; i++) {
      yield* using(store, ["f"], newFile, ({ file }) =>
        Effect.gen(function*() {
          assert.isUndefined(yield* file.getBlob("SecurityDescriptor"))
          yield* file.setBlob("SecurityDescriptor", text("old"))
        }))
      yield* store.remove(["f"])
    }
  })

  needs("objectIds")("with an object id are of one file: the first 16 bytes are unique", function*(store) {
    const objectId = (id: number, rest: number) => new Uint8Array(64).fill(id, 0, 16).fill(rest, 16)
    const { file: one }: StoreOpened = yield* store.open(["one"], newFile)
    const { file: two }: StoreOpened = yield* store.open(["two"], { mode: "new", type: "directory" })
    yield* one.setBlob("ObjectId", objectId(1, 2))
    yield* refused(two.setBlob("ObjectId", objectId(1, 3)), "Exists")
    assert.isUndefined(yield* two.getBlob("ObjectId"))
    // The same id with other bytes after it is a change of the file itself.
    yield* one.setBlob("ObjectId", objectId(1, 4))
    yield* two.setBlob("ObjectId", objectId(2, 4))
    yield* refused(two.setBlob("ObjectId", objectId(1, 4)), "Exists")
    assert.deepStrictEqual(yield* two.getBlob("ObjectId"), objectId(2, 4))
    // One of many at once.
    const all: ReadonlyArray<StoreOpened> = yield* Effect.forEach(
      Array.from({ length: 8 }, (_, i) => [`many ${i}`]),
      (path) => store.open(path, newFile)
    )
    const results: ReadonlyArray<string> = yield* Effect.forEach(
      all,
      ({ file }) =>
        Effect.match(file.setBlob("ObjectId", objectId(7, 0)), {
          onSuccess: () => "done",
          onFailure: ({ reason }) => reason._tag
        }),
      { concurrency: "unbounded" }
    )
    assert.deepStrictEqual(results.toSorted(), ["done", ...results.slice(1).fill("Exists")].toSorted())
    // An id is free again after its change, its removal, and the removal of its file.
    yield* one.setBlob("ObjectId", objectId(3, 0))
    yield* two.setBlob("ObjectId", objectId(1, 0))
    yield* two.setBlob("ObjectId", undefined)
    yield* one.setBlob("ObjectId", objectId(1, 0))
    yield* using(store, ["gone"], newFile, ({ file }) => file.setBlob("ObjectId", objectId(5, 0)))
    yield* refused(two.setBlob("ObjectId", objectId(5, 0)), "Exists")
    yield* store.rename(["gone"], ["renamed"], { replace: false })
    yield* refused(two.setBlob("ObjectId", objectId(5, 0)), "Exists")
    yield* store.remove(["renamed"])
    yield* two.setBlob("ObjectId", objectId(5, 0))
  })

  needs("reparsePoints")(
    "of a reparse point set its tag and FILE_ATTRIBUTE_REPARSE_POINT until they are removed",
    function*(store) {
      const { file }: StoreOpened = yield* store.open(["a"], newFile)
      yield* file.setBlob("ReparsePoint", Uint8Array.of(0x0c, 0, 0, 0xa0, 0, 0, 0, 0))
      for (const node of [yield* file.stat, yield* store.stat(["a"]), (yield* list(store, []))[0]]) {
        assert.strictEqual(node.reparseTag, ReparseTag.IO_REPARSE_TAG_SYMLINK)
        assert.strictEqual(
          node.fileAttributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT,
          FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT
        )
      }
      yield* file.setBlob("ReparsePoint", undefined)
      const node: StoreNode = yield* store.stat(["a"])
      assert.strictEqual(node.reparseTag, 0)
      assert.strictEqual(node.fileAttributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT, 0)
    }
  )
}
