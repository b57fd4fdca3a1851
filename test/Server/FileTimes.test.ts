/**
 * Proves when the server shows a changed write time (two seconds after the first write), and that an open can fix the
 * times of its file (MS-FSA 2.1.5.15.2). The time is virtual, and the file is a model whose times count its changes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as FileTimes from "../../src/Server/internal/State/FileTimes.ts"
import type { DelayedTime } from "../../src/Server/internal/State/Model.ts"
import type { StoreChanges, StoreNode } from "../../src/Server/ShareStore.ts"

/** A file whose times are those of its changes, 1, 2, 3 and so on. */
const makeFile = () => {
  let ticks = 0n
  const node = { lastWriteTime: 0n, changeTime: 0n, allocationSize: 0n }
  const stream = { file: { delayed: undefined as DelayedTime | undefined }, reserved: 0n }
  const makeOpen = (fixed: { readonly lastWriteTime?: boolean; readonly changeTime?: boolean } = {}) => ({
    stream,
    fixedTimes: { creationTime: false, lastAccessTime: false, lastWriteTime: false, changeTime: false, ...fixed },
    file: {
      stat: Effect.sync(() => ({ ...node })),
      set: (changes: StoreChanges) => Effect.sync(() => void Object.assign(node, changes))
    }
  })
  const change = Effect.sync(() => {
    ticks++
    node.lastWriteTime = node.changeTime = ticks
  })
  const shown = Effect.suspend(() => FileTimes.shown(stream as never, { ...node } as StoreNode))
  return { node, stream, makeOpen, change, shown }
}

describe("FileTimes", () => {
  it.effect("shows the time of the first write after two seconds, and further writes do not delay it", () =>
    Effect.gen(function*() {
      const { change, makeOpen, node, shown } = makeFile()
      const open = makeOpen()
      yield* FileTimes.writing(open as never, change)
      assert.strictEqual(node.lastWriteTime, 1n)
      assert.strictEqual((yield* shown).lastWriteTime, 0n)
      yield* TestClock.adjust("1900 millis")
      yield* FileTimes.writing(open as never, change)
      assert.strictEqual((yield* shown).lastWriteTime, 0n)
      yield* TestClock.adjust("100 millis")
      // The time of the first write: further writes do not move it.
      assert.strictEqual((yield* shown).lastWriteTime, 1n)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* shown).lastWriteTime, 1n)
      assert.strictEqual((yield* shown).changeTime, 2n)
    }))

  it.effect("keeps the times that an open has fixed for changes by that open only", () =>
    Effect.gen(function*() {
      for (
        const [fixed, expected] of [
          [{ lastWriteTime: true }, [0n, 1n]],
          [{ changeTime: true }, [1n, 0n]],
          [{ lastWriteTime: true, changeTime: true }, [0n, 0n]]
        ] as const
      ) {
        for (const run of [FileTimes.writing, FileTimes.keeping]) {
          const { change, makeOpen, node } = makeFile()
          yield* run(makeOpen(fixed) as never, change)
          assert.deepStrictEqual<ReadonlyArray<bigint>>([node.lastWriteTime, node.changeTime], expected)
          yield* FileTimes.keeping(makeOpen() as never, change)
          assert.deepStrictEqual([node.lastWriteTime, node.changeTime], [2n, 2n])
        }
      }
    }))

  it.effect("shows the times at once after a write by an open that has fixed the write time", () =>
    Effect.gen(function*() {
      const { change, makeOpen, shown, stream } = makeFile()
      yield* FileTimes.writing(makeOpen({ lastWriteTime: true }) as never, change)
      assert.isUndefined(stream.file.delayed)
      assert.strictEqual((yield* shown).lastWriteTime, 0n)
      assert.strictEqual((yield* shown).changeTime, 1n)
    }))
})
