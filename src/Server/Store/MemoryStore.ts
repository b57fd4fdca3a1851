/**
 * A store in memory: it keeps everything that a store can keep, until the process ends.
 *
 * Each operation is one synchronous step, so all operations are atomic and no operation waits for another. A file that
 * is removed while it is open stays whole for its handles, as on POSIX; a handle never fails with `Stale`.
 *
 * Writes copy bytes in and reads copy them out, including blobs: no caller shares memory with the store. Everything
 * that clients make counts against the capacity: bytes, blobs, and 1 KiB for each file and stream.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as FileTime from "../../Codec/FileTime.ts"
import * as Arguments from "../../Protocol/Arguments.ts"
import type { ShareStore, StoreNaming, StoreOpen, StoreOpened, StorePath, StoreVolume } from "../ShareStore.ts"
import * as MemoryHandle from "./internal/MemoryHandle.ts"
import * as MemoryTree from "./internal/MemoryTree.ts"
import { type Data, type Entry, nodeCost, refuse, step } from "./internal/MemoryTree.ts"
import * as StoreNames from "./internal/StoreNames.ts"

/**
 * Options of a store in memory.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemoryStoreOptions {
  /** Bytes in total. Default: 1 GiB. */
  readonly capacity?: number | undefined
  /** The volume's name. Default: `memory`. */
  readonly label?: string | undefined
  /** Whether every change fails with `ReadOnly`. Default: false. */
  readonly readOnly?: boolean | undefined
}

/** Entries of a listing that are described at one time. */
const listPiece = 64

/**
 * An empty store. `ArgumentError` is a defect, for a capacity or a label that cannot be used.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: MemoryStoreOptions = {}): Effect.Effect<ShareStore> =>
  Clock.clockWith((clock) =>
    Effect.sync(() => {
      Arguments.assertOptions({
        capacity: [Arguments.memory, options.capacity],
        label: [Arguments.text, options.label]
      })
      return build(options, FileTime.fromNanos(clock.currentTimeNanosUnsafe()))
    })
  )

const build = (options: MemoryStoreOptions, madeAt: bigint): ShareStore => {
  const capacity = options.capacity ?? 1024 * 1024 * 1024
  const readOnly = options.readOnly ?? false
  const tree = MemoryTree.make(capacity, readOnly, madeAt)
  const {
    changes,
    charge,
    describe,
    expect,
    find,
    openEntry,
    openStream,
    parentOf,
    reap,
    reapData,
    root,
    unlink,
    written
  } = tree

  const open = (path: StorePath, how: StoreOpen) =>
    Effect.map(
      Effect.acquireRelease(
        step((now) => {
          let opened: { entry: Entry; data: Data; created: boolean }
          if (how.stream === undefined) {
            const { created, entry } = openEntry(path, how, now)
            opened = { entry, data: entry.inode.data, created }
          } else opened = openStream(path, how.stream, how, now)
          opened.entry.inode.opens++
          opened.data.opens++
          return opened
        }),
        ({ data, entry }) =>
          Effect.sync(() => {
            entry.inode.opens--
            data.opens--
            reapData(data)
            reap(entry.inode)
          })
      ),
      ({ created, data, entry }): StoreOpened => ({
        file: MemoryHandle.make(tree, entry, data),
        created,
        node: describe(entry, data)
      })
    )

  const remove: ShareStore["remove"] = (path, what) =>
    step((now) => {
      const entry = find(path)
      expect(entry, what?.expected)
      changes()
      const { inode } = entry
      if (what?.stream !== undefined) {
        const key = StoreNames.fold(what.stream)
        const stream = inode.streams.get(key) ?? refuse("NotFound")
        inode.streams.delete(key)
        charge(-nodeCost)
        stream.named = false
        inode.changeTime = now
        return reapData(stream)
      }
      if (entry === root) refuse("AccessDenied")
      if (inode.entries !== undefined && inode.entries.size > 0) refuse("NotEmpty")
      return unlink(entry, now)
    })

  /** Frees a name: removes the existing file, if it may be replaced. */
  const replace = (there: Entry | undefined, isDirectory: boolean, how: StoreNaming, now: bigint) => {
    if (there === undefined) return
    if (!how.replace) refuse("Exists")
    expect(there, how.replaced)
    if (there.inode.entries !== undefined) refuse("IsDirectory")
    if (isDirectory) refuse("NotDirectory")
    unlink(there, now)
  }

  const rename: ShareStore["rename"] = (from, to, how) =>
    step((now) => {
      const entry = find(from)
      expect(entry, how.expected)
      StoreNames.confined(to)
      changes()
      if (entry === root || to.length === 0) refuse("AccessDenied")
      const target = parentOf(to)
      const name = to.at(-1)!
      const there = target.inode.entries.get(StoreNames.fold(name))
      for (let above: Entry | undefined = target; above !== undefined; above = above.parent) {
        // A directory cannot be moved into itself.
        if (above === entry) refuse("AccessDenied")
      }
      if (there !== entry) replace(there, entry.inode.entries !== undefined, how, now)
      const parent = entry.parent!
      parent.inode.entries!.delete(StoreNames.fold(entry.name))
      written(parent.inode, now)
      entry.name = name
      entry.parent = target
      target.inode.entries.set(StoreNames.fold(name), entry)
      written(target.inode, now)
      entry.inode.changeTime = now
    })

  const link: NonNullable<ShareStore["link"]> = (existing, path, how) =>
    step((now) => {
      const source = find(existing)
      const { inode } = source
      expect(source, how.expected)
      StoreNames.confined(path)
      changes()
      if (inode.entries !== undefined) refuse("IsDirectory")
      if (path.length === 0) refuse("Exists")
      const target = parentOf(path)
      const name = path.at(-1)!
      const there = target.inode.entries.get(StoreNames.fold(name))
      if (there?.inode === inode && how.replace) return
      replace(there, false, how, now)
      target.inode.entries.set(StoreNames.fold(name), { name, inode, parent: target })
      inode.links++
      inode.changeTime = now
      written(target.inode, now)
    })

  return {
    volume: Effect.sync((): StoreVolume => ({
      label: options.label ?? "memory",
      // As on Windows: from the time when the volume was made.
      serialNumber: Number(BigInt.asUintN(32, madeAt ^ (madeAt >> 32n))),
      creationTime: madeAt,
      total: BigInt(capacity),
      free: BigInt(tree.free()),
      maximumComponentLength: StoreNames.maximumComponentLength,
      supports: {
        streams: true,
        securityDescriptors: true,
        extendedAttributes: true,
        reparsePoints: true,
        sparse: true,
        objectIds: true,
        lastingIdentities: true
      },
      readOnly
    })),
    stat: (path) => step(() => describe(find(path))),
    open,
    list: (path, options) =>
      Stream.unwrap(step((now) => {
        const directory = find(path)
        expect(directory, options?.expected)
        const entries = Array.from((directory.inode.entries ?? refuse("NotDirectory")).values())
        directory.inode.lastAccessTime = now
        // The names of this moment. Each entry is described when its turn comes; an entry that is gone by then is
        // skipped.
        return Stream.paginate(0, (from) =>
          step(() => {
            const next = from + listPiece
            return [
              entries.slice(from, next).filter(({ parent }) => parent === directory).map((entry) => describe(entry)),
              next < entries.length ? Option.some(next) : Option.none()
            ] as const
          }))
      })),
    names: (path) =>
      Stream.unwrap(
        Effect.map(
          step(() => find(path).inode.entries ?? refuse("NotDirectory")),
          (entries) => Stream.fromIterable(Array.from(entries.values(), ({ name }) => name))
        )
      ),
    remove,
    rename,
    link,
    // Also for a store that an app makes of this one by replacing some operations.
    origin: root
  }
}
