/**
 * Open files of an Effect `FileSystem`, as `StoreFile`s.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Allocate from "../../../Codec/Allocate.ts"
import * as FileTime from "../../../Codec/FileTime.ts"
import type { StoreChanges, StoreError, StoreFile } from "../../ShareStore.ts"
import { ask, failure, type FileSystemTree, type Opened } from "./FileSystemTree.ts"

/** Bytes of zeros that are written at one time. */
const piece = 1024 * 1024

const noMetadata = <A>(): Effect.Effect<A, StoreError> => failure("Unsupported")

/** Sets the times that a file system keeps. */
export const setTimes = (
  { fs, inPlace }: FileSystemTree,
  opened: Opened,
  changes: StoreChanges
): Effect.Effect<void, StoreError> =>
  changes.lastAccessTime === undefined && changes.lastWriteTime === undefined
    ? Effect.void
    : inPlace(opened, (place) =>
      Effect.flatMap(fs.stat(place), (info) =>
        fs.utimes(
          place,
          changes.lastAccessTime === undefined
            ? Option.getOrElse(info.atime, () => new Date(0))
            : new Date(FileTime.toMillis(changes.lastAccessTime)),
          changes.lastWriteTime === undefined
            ? Option.getOrElse(info.mtime, () => new Date(0))
            : new Date(FileTime.toMillis(changes.lastWriteTime))
        )))

/**
 * An open file or directory; a directory has no `File`.
 *
 * @category constructors
 */
export const make = (
  tree: FileSystemTree,
  id: bigint,
  opened: Opened,
  file: FileSystem.File | undefined
): StoreFile => {
  const { changing, describe, fs, inPlace, placeOf } = tree
  // A `File` has one position for its writes.
  const writing = Semaphore.makeUnsafe(1)
  const bytes = <A>(use: (file: FileSystem.File) => Effect.Effect<A, StoreError>) =>
    file === undefined ? failure("IsDirectory") : use(file)
  const change = <A>(use: (file: FileSystem.File) => Effect.Effect<A, StoreError>) =>
    Effect.andThen(changing, bytes((file) => writing.withPermits(1)(use(file))))
  const write = (file: FileSystem.File, offset: bigint, data: Uint8Array) =>
    Effect.andThen(ask(file.seek(offset, "start")), ask(file.writeAll(data)))
  const info = file === undefined ? inPlace(opened, (place) => fs.stat(place)) : ask(file.stat)
  return {
    id,
    stat: Effect.map(info, (info) => {
      const node = describe(opened.path.at(-1) ?? "", info, placeOf(opened.path))
      return opened.removed ? { ...node, numberOfLinks: Option.isSome(info.nlink) ? node.numberOfLinks : 0 } : node
    }),
    read: (offset, length) =>
      bytes((file) =>
        Effect.suspend(() => {
          const memory = Allocate.uninitialized(Math.max(0, length))
          const loop = (at: number): Effect.Effect<Uint8Array, StoreError> =>
            at >= length ? Effect.succeed(memory) : Effect.flatMap(
              ask(file.read(memory.subarray(at), { position: offset + BigInt(at) })),
              (count) => count === 0 ? Effect.succeed(memory.subarray(0, at)) : loop(at + count)
            )
          return loop(0)
        })
      ),
    write: (offset, data) => change((file) => data.length === 0 ? Effect.void : write(file, offset, data)),
    truncate: (size) =>
      change((file) => size > BigInt(Number.MAX_SAFE_INTEGER) ? failure("Full") : ask(file.truncate(Number(size)))),
    flush: file === undefined ? Effect.void : ask(file.sync),
    set: (changes) => Effect.andThen(changing, setTimes(tree, opened, changes)),
    getBlob: noMetadata,
    setBlob: noMetadata,
    streams: Effect.succeed([]),
    zero: (range) =>
      change((file) =>
        Effect.flatMap(ask(file.stat), (info) => {
          const size = BigInt(info.size)
          const end = range.offset + range.length < size ? range.offset + range.length : size
          const loop = (at: bigint): Effect.Effect<void, StoreError> => {
            if (at >= end) return Effect.void
            const length = end - at < BigInt(piece) ? Number(end - at) : piece
            return Effect.flatMap(write(file, at, new Uint8Array(length)), () => loop(at + BigInt(length)))
          }
          return loop(range.offset)
        })
      ),
    allocated: (range) =>
      bytes((file) =>
        Effect.map(ask(file.stat), (info) => {
          const size = BigInt(info.size)
          const end = range.offset + range.length < size ? range.offset + range.length : size
          return end <= range.offset ? [] : [{ offset: range.offset, length: end - range.offset }]
        })
      )
  }
}
