/** Tests of the volume, of the root directory, and of how files and directories are made and opened. */
import * as Effect from "effect/Effect"
import type { StoreNode, StoreOpened } from "../../../Server/ShareStore.ts"
import { FileAttributes } from "../../../Smb2/Message/Constants.ts"
import { features, type StoreFeature } from "../../StoreTraits.ts"
import { assert } from "./Assertions.ts"
import {
  get,
  type Kit,
  list,
  mkdir,
  names,
  newDirectory,
  newFile,
  put,
  refused,
  someTime,
  string,
  text,
  using
} from "./Kit.ts"

/** The volume, and the root directory. */
export const testVolume = ({ gen, lacks }: Kit): void => {
  gen("has plausible sizes, name limits and a 32-bit serial number", function*(store) {
    const volume = yield* store.volume
    assert.isTrue(volume.free <= volume.total)
    assert.isTrue(volume.total > 0n)
    assert.isAtLeast(volume.maximumComponentLength, 1)
    assert.isTrue(
      Number.isInteger(volume.serialNumber) && volume.serialNumber >= 0 && volume.serialNumber < 2 ** 32
    )
  })

  gen("lacks exactly the features that the traits name", function*(store) {
    const { supports } = yield* store.volume
    const { file: opened }: StoreOpened = yield* store.open(["f"], newFile)
    const offered = {
      ...supports,
      link: store.link !== undefined,
      mayRemove: store.mayRemove !== undefined,
      readInto: opened.readInto !== undefined
    }
    const lacking = (Object.keys(features) as Array<StoreFeature>).filter((feature) => !offered[feature])
    assert.deepStrictEqual(lacking.sort(), lacks)
  })

  gen("has an empty root directory that cannot be made, removed, renamed or replaced", function*(store) {
    const root: StoreNode = yield* store.stat([])
    assert.strictEqual(root.name, "")
    assert.strictEqual(root.type, "directory")
    assert.deepStrictEqual(yield* names(store, []), [])
    const opened: StoreOpened = yield* store.open([], { mode: "existing", type: "directory" })
    assert.strictEqual(opened.node.id, root.id)
    assert.isFalse(opened.created)
    yield* refused(store.open([], newDirectory), "Exists")
    yield* refused(store.remove([]), "AccessDenied")
    yield* refused(store.rename([], ["x"], { replace: false }), "AccessDenied")
    yield* mkdir(store, ["d"])
    yield* refused(store.rename(["d"], [], { replace: true }), "AccessDenied")
    assert.deepStrictEqual(yield* names(store, []), ["d"])
  })
}

/** How files and directories are made and opened. */
export const testOpen = ({ gen, has, keepsMetadata, many, sameTime }: Kit): void => {
  gen("works the same with the hint `forData`, also when no byte is read or the file is removed", function*(store) {
    yield* mkdir(store, ["d"])
    yield* put(store, ["f"], "some")
    const hinted = { mode: "existing", forData: true } as const
    assert.strictEqual(
      yield* using(store, ["d"], { ...hinted, type: "directory" }, ({ node }) => Effect.succeed(node.type)),
      "directory"
    )
    // Closes the file 50 times before any byte is read, and then removes it.
    for (let i = 0; i < 50; i++) yield* using(store, ["f"], { ...hinted, type: "file" }, () => Effect.void)
    yield* using(store, ["f"], { ...hinted, type: "file" }, () => store.remove(["f"]))
    yield* refused(store.open(["f"], { ...hinted, type: "file" }), "NotFound")
    yield* put(store, ["f"], "others")
    const read = ({ file }: StoreOpened) => Effect.map(file.read(0n, 10), string)
    assert.strictEqual(yield* using(store, ["f"], { ...hinted, type: "file" }, read), "others")
    yield* using(store, ["f"], { ...hinted, type: "file" }, (opened) =>
      Effect.gen(function*() {
        yield* store.rename(["f"], ["g"], { replace: false })
        assert.strictEqual(yield* read(opened), "others")
        yield* opened.file.write(6n, text("!"))
      }))
    assert.strictEqual(yield* get(store, ["g"]), "others!")
  })

  for (const type of ["file", "directory"] as const) {
    gen(`makes or finds a ${type} as the modes existing, new and either say`, function*(store) {
      yield* refused(store.open(["a"], { mode: "existing", type }), "NotFound")
      const made: StoreOpened = yield* store.open(["a"], { mode: "new", type })
      assert.isTrue(made.created)
      assert.strictEqual(made.node.type, type)
      assert.strictEqual(made.node.name, "a")
      assert.strictEqual(made.node.id, made.file.id)
      assert.strictEqual(made.node.size, 0n)
      assert.isAtLeast(made.node.numberOfLinks, 1)
      yield* refused(store.open(["a"], { mode: "new", type }), "Exists")
      yield* refused(store.open(["A"], { mode: "new", type }), "Exists")
      for (const mode of ["existing", "either"] as const) {
        const again: StoreOpened = yield* store.open(["A"], { mode, type })
        assert.isFalse(again.created)
        assert.strictEqual(again.node.id, made.node.id)
        assert.strictEqual(again.node.name, "a")
      }
      const either: StoreOpened = yield* store.open(["b"], { mode: "either", type })
      assert.isTrue(either.created)
      assert.notStrictEqual(either.node.id, made.node.id)
      assert.deepStrictEqual(yield* names(store, []), ["a", "b"])
    })
  }

  gen("opens the existing file or directory, no matter which type the caller names", function*(store) {
    yield* put(store, ["f"], "x")
    yield* mkdir(store, ["d"])
    assert.strictEqual((yield* store.open(["f"], { mode: "either", type: "directory" })).node.type, "file")
    assert.strictEqual((yield* store.open(["d"], { mode: "existing", type: "file" })).node.type, "directory")
  })

  gen("fails with NotFound for a missing name and with PathNotFound for a missing directory", function*(store) {
    yield* put(store, ["f"], "x")
    yield* mkdir(store, ["d"])
    for (const path of [["no", "x"], ["f", "x"], ["d", "no", "x"], ["f", "x", "y"]]) {
      yield* refused(store.stat(path), "PathNotFound")
      for (const mode of ["existing", "new", "either"] as const) {
        for (const type of ["file", "directory"] as const) {
          yield* refused(store.open(path, { mode, type }), "PathNotFound")
        }
      }
      yield* refused(store.remove(path), "PathNotFound")
      yield* refused(store.rename(path, ["z"], { replace: false }), "PathNotFound")
      yield* refused(store.rename(["f"], path, { replace: true }), "PathNotFound", "AccessDenied")
      yield* refused(list(store, path), "PathNotFound")
    }
    yield* refused(store.stat(["d", "x"]), "NotFound")
    yield* refused(store.remove(["d", "x"]), "NotFound")
    yield* refused(store.rename(["d", "x"], ["y"], { replace: false }), "NotFound")
    yield* refused(list(store, ["d", "x"]), "NotFound")
    yield* refused(list(store, ["f"]), "NotDirectory")
    assert.deepStrictEqual(yield* names(store, []), ["d", "f"])
  })

  gen("sets initial times, attributes and descriptor of a new file only", function*(store) {
    for (const type of ["file", "directory"] as const) {
      const initial = {
        creationTime: someTime,
        lastWriteTime: someTime + 10_000_000n,
        fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN | FileAttributes.FILE_ATTRIBUTE_ARCHIVE,
        ...(has("securityDescriptors") ? { securityDescriptor: text("who may") } : {})
      }
      const opened: StoreOpened = yield* store.open([type], { mode: "new", type, initial })
      for (const node of [opened.node, yield* opened.file.stat, yield* store.stat([type])]) {
        sameTime(node.lastWriteTime, initial.lastWriteTime)
        if (keepsMetadata) {
          sameTime(node.creationTime, initial.creationTime)
          assert.strictEqual(
            node.fileAttributes,
            FileAttributes.FILE_ATTRIBUTE_HIDDEN | FileAttributes.FILE_ATTRIBUTE_ARCHIVE |
              (type === "file" ? 0 : FileAttributes.FILE_ATTRIBUTE_DIRECTORY)
          )
        }
      }
      if (has("securityDescriptors")) {
        assert.strictEqual(string(yield* opened.file.getBlob("SecurityDescriptor")), "who may")
      }
      // Initial values apply to a new file only, not to an existing file.
      const again: StoreOpened = yield* store.open([type], {
        mode: "either",
        type,
        initial: { fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN, lastWriteTime: someTime + 70_000_000n }
      })
      sameTime(again.node.lastWriteTime, initial.lastWriteTime)
      assert.strictEqual(again.node.fileAttributes, opened.node.fileAttributes)
    }
  })

  gen("keeps many files open at once", function*(store) {
    const opened: Array<StoreOpened> = yield* Effect.forEach(
      Array.from({ length: many }, (_, i) => i),
      (i) =>
        Effect.tap(
          store.open([`f${i}`], newFile),
          ({ file }) => file.write(0n, text(String(i)))
        ),
      { concurrency: 16 }
    )
    for (const i of [0, many / 2, many - 1]) {
      assert.strictEqual(string(yield* opened[i]!.file.read(0n, 9)), String(i))
    }
  })
}
