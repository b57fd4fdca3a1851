/**
 * Times of open files (MS-FSA 2.1.5.4, 2.1.5.15.2; MS-FSCC 2.4.7). Operations of an open do not change the times that
 * it has set or frozen. The time of a write shows two seconds after the first write, or with the next flush, change of
 * size or close.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileTime from "../../../Codec/FileTime.ts"
import type { StoreChanges, StoreNode } from "../../ShareStore.ts"
import { type Refusal, stored } from "../Wire/Reply.ts"
import type { FileOpen, StreamNode } from "./Model.ts"

const delay = 20_000_000n

const now = Effect.map(Clock.currentTimeMillis, FileTime.fromMillis)

/** Changes the data of a file, and keeps the times that the open has fixed. */
export const keeping = (open: FileOpen, change: Effect.Effect<void, Refusal>): Effect.Effect<void, Refusal> => {
  const { changeTime, lastAccessTime, lastWriteTime } = open.fixedTimes
  if (!changeTime && !lastAccessTime && !lastWriteTime) return change
  return Effect.flatMap(stored(open.file.stat), (before) => {
    const kept: StoreChanges = {
      ...(lastAccessTime ? { lastAccessTime: before.lastAccessTime } : {}),
      ...(lastWriteTime ? { lastWriteTime: before.lastWriteTime } : {}),
      ...(changeTime ? { changeTime: before.changeTime } : {})
    }
    return Effect.andThen(change, stored(open.file.set(kept)))
  })
}

/**
 * Reads, and keeps the time of the last access if the open has fixed it. A storage that records reads does so rarely:
 * the time is set back only if it has changed.
 */
export const reading = <A>(open: FileOpen, read: Effect.Effect<A, Refusal>): Effect.Effect<A, Refusal> =>
  !open.fixedTimes.lastAccessTime ? read : Effect.gen(function*() {
    const { lastAccessTime } = yield* stored(open.file.stat)
    const done = yield* read
    const after = yield* stored(open.file.stat)
    if (after.lastAccessTime !== lastAccessTime) {
      yield* stored(open.file.set({ lastAccessTime, changeTime: after.changeTime }))
    }
    return done
  })

/** Writes: as `keeping`, but the new time does not show at once. */
export const writing = (open: FileOpen, write: Effect.Effect<void, Refusal>): Effect.Effect<void, Refusal> =>
  Effect.suspend(() => {
    const { file } = open.stream
    if (file.delayed !== undefined || open.fixedTimes.lastWriteTime || open.showsWrites) return keeping(open, write)
    return Effect.gen(function*() {
      const { lastWriteTime: before } = yield* stored(open.file.stat)
      yield* keeping(open, write)
      const { lastWriteTime: first } = yield* stored(open.file.stat)
      file.delayed ??= { before, first, due: (yield* now) + delay }
    })
  })

/** Bytes of the unit in which space is reserved for a file. */
const unit = 4096n

/** The values that a client sees of a file that may be written to, with the space that clients have reserved. */
export const shown = (stream: StreamNode, found: StoreNode): Effect.Effect<StoreNode> => {
  const { file, reserved } = stream
  const { delayed } = file
  const kept = (reserved + unit - 1n) / unit * unit
  const node = kept > found.allocationSize ? { ...found, allocationSize: kept } : found
  if (delayed === undefined) return Effect.succeed(node)
  return Effect.map(now, (time) => ({ ...node, lastWriteTime: time < delayed.due ? delayed.before : delayed.first }))
}
