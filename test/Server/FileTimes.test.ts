/**
 * Proves when the server shows a changed write time (two seconds after the first write), and that an open can fix the
 * times of its file (MS-FSA 2.1.5.15.2). The time is virtual, and the file is a model whose times count its changes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, FileInformation } from "effect-smb/Codec"
import { TestClock } from "effect/testing"
import * as FileTimes from "../../src/Server/internal/State/FileTimes.ts"
import type { DelayedTime } from "../../src/Server/internal/State/OpenFiles.ts"
import type { StoreChanges, StoreNode } from "../../src/Server/ShareStore.ts"
import { place } from "./people.ts"
import * as Requests from "./requests.ts"

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

  it.effect("keep the time of the last access for reads by an open that has fixed it, and set it back only if it changed", () =>
    Effect.gen(function*() {
      const node = { lastAccessTime: 7n, changeTime: 3n }
      const sets: Array<StoreChanges> = []
      const open = (lastAccessTime: boolean) => ({
        fixedTimes: { creationTime: false, lastAccessTime, lastWriteTime: false, changeTime: false },
        file: {
          stat: Effect.sync(() => ({ ...node })),
          set: (changes: StoreChanges) =>
            Effect.sync(() => {
              sets.push(changes)
              Object.assign(node, changes)
            })
        }
      })
      const recorded = Effect.sync(() => {
        node.lastAccessTime++
        return "read"
      })
      assert.strictEqual(yield* FileTimes.reading(open(true) as never, recorded), "read")
      assert.deepStrictEqual(sets, [{ lastAccessTime: 7n, changeTime: 3n }])
      assert.strictEqual(yield* FileTimes.reading(open(true) as never, Effect.succeed("not recorded")), "not recorded")
      assert.lengthOf(sets, 1)
      yield* FileTimes.reading(open(false) as never, recorded)
      assert.deepStrictEqual([node.lastAccessTime, sets.length], [8n, 1])
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

// MS-FSCC 2.4.7: -1 keeps the file's time for the changes by this open, -2 ends that, and 0 changes nothing.
it.live("an open fixes a time by -1 or by a time, and lets it go by -2, for each of the four times by itself", () =>
  Effect.scoped(Effect.gen(function*() {
    const { client } = yield* place("127.0.43.34")
    const ann = yield* client("ann")
    yield* Effect.promise(async () => {
      const none = { creationTime: 0n, lastAccessTime: 0n, lastWriteTime: 0n, changeTime: 0n, fileAttributes: 0 }
      const long = 120_000_000_000_000_000n
      const all = { creationTime: long, lastAccessTime: long, lastWriteTime: long, changeTime: long, fileAttributes: 0 }
      for (const name of ["lastWriteTime", "changeTime"] as const) {
        for (const fix of [-1n, long]) {
          const file = await ann.must(`${name} ${fix}`)
          const set = async (value: typeof all) =>
            assert.strictEqual(
              await ann.status(
                Requests.set(file, "file", 4, Codec.encode(FileInformation.FileBasicInformation)(value))
              ),
              0
            )
          const times = async () => {
            const answer = (await ann.ask(Requests.query(file, "file", 4)))!
            return [answer.readBigInt64LE(64 + 8 + 16), answer.readBigInt64LE(64 + 8 + 24)] as const
          }
          const seen = async () => (await times())[name === "lastWriteTime" ? 0 : 1]
          const write = async () => assert.strictEqual(await ann.status(Requests.write(file, Buffer.from("x"))), 0)
          await set(all)
          await set({ ...none, lastWriteTime: -2n, changeTime: -2n })
          await set({ ...none, [name]: fix })
          await write()
          assert.strictEqual(await seen(), long, `${name} fixed by ${fix}`)
          // 0 for this time, and -2 for another one, leave it fixed.
          await set({ ...none, creationTime: -2n })
          await write()
          assert.strictEqual(await seen(), long, `${name} still fixed by ${fix}`)
          await set({ ...none, [name]: -2n })
          if (name === "changeTime") {
            await write()
            assert.notStrictEqual(await seen(), long, `${name} let go`)
          }
          // -3 and less mean nothing.
          const wrong = Codec.encode(FileInformation.FileBasicInformation)({ ...none, [name]: -3n })
          assert.strictEqual(await ann.status(Requests.set(file, "file", 4, wrong)), 0xc000_000d)
        }
      }
    })
  })))

// MS-FSA 2.1.5.3, 2.1.5.4: CurrentByteOffset of the open.
it.live("an open's position is after the last bytes that it read or wrote, and can be set", () =>
  Effect.scoped(Effect.gen(function*() {
    const { client } = yield* place("127.0.43.34")
    const ann = yield* client("ann")
    yield* Effect.promise(async () => {
      const file = await ann.must("f")
      const position = async () => (await ann.ask(Requests.query(file, "file", 14)))!.readBigUInt64LE(64 + 8)
      const read = (offset: bigint, length: number) => {
        const request = Requests.read(file, length)
        return ann.status({ ...request, body: { ...request.body, offset } } as typeof request)
      }
      assert.strictEqual(await position(), 0n)
      assert.strictEqual(await ann.status(Requests.write(file, Buffer.from("0123456789"))), 0)
      assert.strictEqual(await position(), 10n)
      assert.strictEqual(await read(3n, 4), 0)
      assert.strictEqual(await position(), 7n)
      assert.strictEqual(await read(8n, 100), 0)
      assert.strictEqual(await position(), 10n)
      assert.strictEqual(await ann.status(Requests.write(file, Buffer.from("xy"), 4n)), 0)
      assert.strictEqual(await position(), 6n)
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64LE(5n)
      assert.strictEqual(await ann.status(Requests.set(file, "file", 14, bytes)), 0)
      assert.strictEqual(await position(), 5n)
    })
  })))
