/** Tests of renames and of further names of a file. */
import type { StoreNode, StoreOpened } from "../../../Server/ShareStore.ts"
import { FileAttributes } from "../../../Smb2/Message/Constants.ts"
import { assert } from "./Assertions.ts"
import { file, get, type Kit, mkdir, names, newFile, put, refused, sameOrStale, someTime, string, text } from "./Kit.ts"

/** Renames. */
export const testRename = ({ gen, has, keepsMetadata, sameTime }: Kit): void => {
  gen("moves files and directories with their entries, while handles stay usable", function*(store) {
    yield* mkdir(store, ["a"])
    yield* mkdir(store, ["b"])
    yield* put(store, ["a", "f"], "x")
    const open: StoreOpened = yield* store.open(["a", "f"], file)
    yield* store.rename(["A"], ["b", "C"], { replace: false })
    assert.strictEqual(yield* get(store, ["b", "c", "f"]), "x")
    yield* refused(store.stat(["a"]), "NotFound")
    assert.strictEqual(string(yield* open.file.read(0n, 9)), "x")
    yield* open.file.write(1n, text("y"))
    yield* store.rename(["b", "c", "f"], ["g"], { replace: false })
    yield* open.file.write(2n, text("z"))
    assert.strictEqual(yield* get(store, ["g"]), "xyz")
    const node: StoreNode = yield* open.file.stat
    assert.strictEqual(node.id, open.node.id)
    assert.strictEqual(node.name, "g")
    assert.strictEqual((yield* store.stat(["g"])).id, open.node.id)
    assert.deepStrictEqual(yield* names(store, ["b", "C"]), [])
  })

  gen("keeps the times, attributes and security descriptor of a file", function*(store) {
    const opened: StoreOpened = yield* store.open(["f"], newFile)
    yield* opened.file.set({
      lastWriteTime: someTime,
      ...(keepsMetadata ? { creationTime: someTime, fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN } : {})
    })
    if (has("securityDescriptors")) yield* opened.file.setBlob("SecurityDescriptor", text("sd"))
    yield* store.rename(["f"], ["g"], { replace: false })
    yield* put(store, ["f"], "another")
    const node: StoreNode = yield* store.stat(["g"])
    sameTime(node.lastWriteTime, someTime)
    if (keepsMetadata) {
      assert.strictEqual(node.creationTime, someTime)
      assert.strictEqual(node.fileAttributes, 2)
      assert.notStrictEqual((yield* store.stat(["f"])).creationTime, someTime)
    }
    if (has("securityDescriptors")) {
      const { file: again }: StoreOpened = yield* store.open(["g"], file)
      assert.strictEqual(string(yield* again.getBlob("SecurityDescriptor")), "sd")
      const { file: stranger }: StoreOpened = yield* store.open(["f"], file)
      assert.isUndefined(yield* stranger.getBlob("SecurityDescriptor"))
    }
  })

  gen("can change only the case of a name, with and without replace", function*(store) {
    for (const make of [put(store, ["Name"], "x"), mkdir(store, ["Name"])]) {
      yield* make
      const { id } = yield* store.stat(["name"])
      for (const replace of [false, true]) {
        for (const to of ["NAME", "name", "name"]) {
          yield* store.rename(["nAmE"], [to], { replace })
          assert.deepStrictEqual(yield* names(store, []), [to])
          assert.strictEqual((yield* store.stat(["NaMe"])).name, to)
          assert.strictEqual((yield* store.stat(["NaMe"])).id, id)
        }
      }
      yield* store.remove(["name"])
    }
  })

  gen("replaces an existing target only with `replace`, and only a file by a file", function*(store) {
    yield* put(store, ["a"], "a")
    yield* put(store, ["b"], "b")
    yield* mkdir(store, ["d"])
    yield* mkdir(store, ["e"])
    const b: StoreOpened = yield* store.open(["b"], file)
    for (const to of ["b", "B", "d"]) yield* refused(store.rename(["a"], [to], { replace: false }), "Exists")
    yield* refused(store.rename(["d"], ["e"], { replace: false }), "Exists")
    yield* refused(store.rename(["a"], ["d"], { replace: true }), "IsDirectory")
    yield* refused(store.rename(["d"], ["e"], { replace: true }), "IsDirectory")
    yield* refused(store.rename(["d"], ["a"], { replace: true }), "NotDirectory")
    yield* store.rename(["a"], ["B"], { replace: true })
    assert.deepStrictEqual(yield* names(store, []), ["B", "d", "e"])
    assert.strictEqual(yield* get(store, ["b"]), "a")
    yield* sameOrStale(b.file.read(0n, 9), "b")
    yield* refused(store.rename(["no"], ["b"], { replace: true }), "NotFound")
    yield* refused(store.rename(["b"], ["no", "x"], { replace: true }), "PathNotFound")
    assert.strictEqual(yield* get(store, ["b"]), "a")
  })

  gen("refuses to move a directory into itself with AccessDenied", function*(store) {
    yield* mkdir(store, ["d"])
    yield* mkdir(store, ["d", "e"])
    yield* refused(store.rename(["d"], ["d", "x"], { replace: false }), "AccessDenied")
    yield* refused(store.rename(["d"], ["D", "E", "x"], { replace: false }), "AccessDenied")
    assert.deepStrictEqual(yield* names(store, ["d"]), ["e"])
  })
}

/** Further names of a file. */
export const testLink = ({ keepsMetadata, needs }: Kit): void => {
  needs("link")("gives a file one more name that shares its bytes, times and attributes", function*(store) {
    yield* put(store, ["a"], "x")
    yield* put(store, ["b"], "b")
    yield* mkdir(store, ["d"])
    yield* store.link!(["A"], ["d", "L"], { replace: false })
    assert.strictEqual((yield* store.stat(["d", "l"])).id, (yield* store.stat(["a"])).id)
    assert.strictEqual((yield* store.stat(["a"])).numberOfLinks, 2)
    yield* put(store, ["d", "l"], "through the other")
    assert.strictEqual(yield* get(store, ["a"]), "through the other")
    yield* refused(store.link!(["a"], ["B"], { replace: false }), "Exists")
    yield* refused(store.link!(["a"], ["d"], { replace: true }), "IsDirectory")
    yield* refused(store.link!(["d"], ["x"], { replace: false }), "IsDirectory")
    yield* refused(store.link!(["no"], ["x"], { replace: false }), "NotFound")
    yield* refused(store.link!(["a"], ["no", "x"], { replace: false }), "PathNotFound")
    yield* store.link!(["a"], ["b"], { replace: true })
    assert.strictEqual((yield* store.stat(["a"])).numberOfLinks, 3)
    yield* store.remove(["a"])
    assert.strictEqual(yield* get(store, ["b"]), "through the other")
    // A rename of one name of a file over its other name leaves one name.
    yield* store.rename(["b"], ["d", "l"], { replace: true })
    assert.strictEqual((yield* store.stat(["d", "l"])).numberOfLinks, 1)
    assert.deepStrictEqual(yield* names(store, []), ["d"])
    if (keepsMetadata) {
      const { file: opened }: StoreOpened = yield* store.open(["d", "l"], file)
      yield* opened.set({ creationTime: someTime, fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN })
      yield* store.link!(["d", "l"], ["again"], { replace: false })
      yield* store.remove(["d", "l"])
      assert.strictEqual((yield* store.stat(["again"])).creationTime, someTime)
      assert.strictEqual((yield* store.stat(["again"])).fileAttributes, 2)
    }
  })
}
