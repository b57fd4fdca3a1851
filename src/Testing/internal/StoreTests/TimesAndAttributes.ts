/** Tests of times and attributes. */
import * as Effect from "effect/Effect"
import type { StoreError, StoreNode, StoreOpened } from "../../../Server/ShareStore.ts"
import { FileAttributes } from "../../../Smb2/Message/Constants.ts"
import { assert } from "./Assertions.ts"
import { type Kit, list, mkdir, newDirectory, newFile, put, someTime, text } from "./Kit.ts"

/** Times and attributes. */
export const testTimesAndAttributes = ({ gen, has, keepsMetadata, needsMetadata, sameTime }: Kit): void => {
  for (const type of ["file", "directory"] as const) {
    gen(`of a ${type} are kept to the tick, or to the store's time resolution`, function*(store) {
      const { file }: StoreOpened = yield* store.open(["a"], { mode: "new", type })
      const times = { lastAccessTime: someTime + 1n, lastWriteTime: someTime + 12_345_678n }
      yield* file.set(times)
      const all = keepsMetadata ? { creationTime: someTime - 3n, changeTime: someTime + 99n } : {}
      yield* file.set(all)
      const nodes: ReadonlyArray<StoreNode> = [
        yield* file.stat,
        yield* store.stat(["A"]),
        ...(yield* list(store, []))
      ]
      for (const node of nodes) {
        sameTime(node.lastAccessTime, times.lastAccessTime)
        sameTime(node.lastWriteTime, times.lastWriteTime)
        if (!keepsMetadata) continue
        assert.strictEqual(node.creationTime, someTime - 3n)
        assert.strictEqual(node.changeTime, someTime + 99n)
      }
    })
  }

  needsMetadata("can be any time from 1601 to 9999", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    for (const time of [1n, 94_354_848_000_000_001n, 200_000_000_000_000_007n, 2_650_467_743_999_999_999n]) {
      yield* file.set({ creationTime: time, lastAccessTime: time, lastWriteTime: time, changeTime: time })
      const node: StoreNode = yield* store.stat(["f"])
      assert.deepStrictEqual(
        [node.creationTime, node.lastAccessTime, node.lastWriteTime, node.changeTime],
        [time, time, time, time]
      )
    }
  })

  needsMetadata("are unchanged when set does not name them", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    yield* file.set({
      creationTime: someTime,
      lastAccessTime: someTime,
      lastWriteTime: someTime,
      fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY | FileAttributes.FILE_ATTRIBUTE_HIDDEN |
        FileAttributes.FILE_ATTRIBUTE_SYSTEM | FileAttributes.FILE_ATTRIBUTE_ARCHIVE
    })
    yield* file.set({ lastWriteTime: someTime + 5n })
    yield* file.set({})
    const node: StoreNode = yield* file.stat
    assert.strictEqual(node.creationTime, someTime)
    assert.strictEqual(node.lastAccessTime, someTime)
    assert.strictEqual(node.lastWriteTime, someTime + 5n)
    assert.strictEqual(
      node.fileAttributes,
      FileAttributes.FILE_ATTRIBUTE_READONLY | FileAttributes.FILE_ATTRIBUTE_HIDDEN |
        FileAttributes.FILE_ATTRIBUTE_SYSTEM | FileAttributes.FILE_ATTRIBUTE_ARCHIVE
    )
  })

  gen("of last write and change advance with write, truncate and zero", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    const changes = [
      file.write(0n, text("x")),
      file.truncate(100n),
      file.zero({ offset: 0n, length: 1n })
    ]
    for (const change of changes) {
      yield* file.set({
        lastWriteTime: someTime,
        ...(keepsMetadata ? { changeTime: someTime, creationTime: someTime } : {})
      })
      yield* change
      const node: StoreNode = yield* file.stat
      assert.isTrue(node.lastWriteTime > someTime + 10_000_000n)
      assert.isTrue(node.changeTime > someTime + 10_000_000n)
      if (keepsMetadata) assert.strictEqual(node.creationTime, someTime)
    }
    assert.deepStrictEqual((yield* store.stat(["f"])).lastWriteTime, (yield* file.stat).lastWriteTime)
  })

  gen(
    "of a directory's last write and change advance when an entry comes or goes, and no others",
    function*(store) {
      const at = new Map<string, StoreOpened["file"]>()
      for (const path of [["d"], ["e"], ["e", "sub"]]) {
        at.set(path.join("/"), (yield* store.open(path, newDirectory)).file)
      }
      const keep = { replace: false }
      const changes: ReadonlyArray<readonly [string, Effect.Effect<unknown, StoreError>, ReadonlyArray<string>]> = [
        ["make", put(store, ["d", "a"], "x"), ["d"]],
        ["write", put(store, ["d", "a"], "xy"), []],
        ["rename", store.rename(["d", "a"], ["d", "b"], keep), ["d"]],
        ["change of case", store.rename(["d", "b"], ["d", "B"], keep), ["d"]],
        ["move", store.rename(["d", "b"], ["e", "a"], keep), ["d", "e"]],
        ["make in another", put(store, ["d", "c"], "x"), ["d"]],
        ["move over a file", store.rename(["e", "a"], ["d", "c"], { replace: true }), ["d", "e"]],
        ["make below", mkdir(store, ["e", "sub", "x"]), ["e/sub"]],
        ["move of a directory", store.rename(["e", "sub", "x"], ["e", "x"], keep), ["e", "e/sub"]],
        ...(has("link")
          ? [["link", store.link!(["d", "c"], ["e", "l"], keep), ["e"]]] as const
          : [["make again", put(store, ["e", "l"], "x"), ["e"]]] as const),
        ["remove", store.remove(["e", "l"]), ["e"]],
        ["remove of a directory", store.remove(["e", "x"]), ["e"]],
        ["refused remove", Effect.ignore(store.remove(["e"])), []],
        ["refused make", Effect.ignore(Effect.scoped(store.open(["d", "c"], newFile))), []]
      ]
      for (const [title, change, expected] of changes) {
        for (const file of at.values()) {
          yield* file.set({ lastWriteTime: someTime, ...(keepsMetadata ? { changeTime: someTime } : {}) })
        }
        yield* change
        const advanced: Array<string> = []
        for (const [path, file] of at) {
          const { changeTime, lastWriteTime } = yield* file.stat
          if (lastWriteTime > someTime + 10_000_000n) advanced.push(path)
          if (keepsMetadata) {
            assert.strictEqual(changeTime > someTime + 10_000_000n, advanced.at(-1) === path, title)
          }
        }
        assert.deepStrictEqual(advanced, expected, title)
      }
    }
  )

  gen("are unchanged after an empty write and after reads", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    yield* file.write(0n, text("x"))
    yield* file.set({ lastWriteTime: someTime, ...(keepsMetadata ? { changeTime: someTime } : {}) })
    yield* file.write(0n, new Uint8Array(0))
    yield* file.read(0n, 10)
    yield* file.streams
    yield* file.allocated({ offset: 0n, length: 10n })
    const node: StoreNode = yield* file.stat
    sameTime(node.lastWriteTime, someTime)
    if (keepsMetadata) {
      assert.strictEqual(node.changeTime, someTime)
    }
  })

  needsMetadata("of the last change advance with set, a blob, a rename and a link", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    const changes: ReadonlyArray<readonly [string, Effect.Effect<void, StoreError>]> = [
      ["set of attributes", file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_HIDDEN })],
      ["set of nothing", file.set({})],
      ["rename", store.rename(["f"], ["g"], { replace: false })],
      ...(has("securityDescriptors")
        ? [["blob", file.setBlob("SecurityDescriptor", text("sd"))]] as const
        : []),
      ...(has("link") ? [["link", store.link!(["g"], ["h"], { replace: false })]] as const : [])
    ]
    for (const [title, change] of changes) {
      yield* file.set({ creationTime: someTime, lastWriteTime: someTime, changeTime: someTime })
      yield* change
      const node: StoreNode = yield* file.stat
      assert.isTrue(node.changeTime > someTime + 10_000_000n, title)
      assert.deepStrictEqual([node.creationTime, node.lastWriteTime], [someTime, someTime], title)
    }
  })

  gen("have the directory attribute for directories only, no matter what set says", function*(store) {
    const f: StoreOpened = yield* store.open(["f"], newFile)
    const d: StoreOpened = yield* store.open(["d"], newDirectory)
    assert.strictEqual(f.node.fileAttributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY, 0)
    assert.strictEqual(
      d.node.fileAttributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY,
      FileAttributes.FILE_ATTRIBUTE_DIRECTORY
    )
    yield* f.file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_DIRECTORY })
    yield* d.file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_NORMAL })
    assert.strictEqual((yield* f.file.stat).fileAttributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY, 0)
    assert.strictEqual(
      (yield* d.file.stat).fileAttributes &
        (FileAttributes.FILE_ATTRIBUTE_NORMAL | FileAttributes.FILE_ATTRIBUTE_DIRECTORY),
      FileAttributes.FILE_ATTRIBUTE_DIRECTORY
    )
  })

  needsMetadata("that say read-only do not keep the store itself from a write", function*(store) {
    const { file }: StoreOpened = yield* store.open(["f"], newFile)
    yield* file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY })
    assert.strictEqual((yield* file.stat).fileAttributes, FileAttributes.FILE_ATTRIBUTE_READONLY)
    // The server decides what a client can change.
    yield* file.write(0n, text("x"))
    assert.strictEqual((yield* file.stat).size, 1n)
    yield* file.set({ fileAttributes: FileAttributes.FILE_ATTRIBUTE_NORMAL })
    assert.strictEqual((yield* file.stat).fileAttributes, FileAttributes.FILE_ATTRIBUTE_NORMAL)
  })
}
