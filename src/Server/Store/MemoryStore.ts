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
import {
  type Blob,
  type ShareStore,
  type StoreChanges,
  StoreError,
  storeError,
  type StoreFile,
  type StoreNaming,
  type StoreNode,
  type StoreOpen,
  type StoreOpened,
  type StorePath,
  type StoreReason,
  type StoreVolume
} from "../ShareStore.ts"
import * as Attributes from "./internal/Attributes.ts"
import * as ObjectIds from "./internal/ObjectIds.ts"
import { Pages } from "./internal/Pages.ts"
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

/**
 * Bytes that a file costs in addition to its content: about what V8 uses, so that empty files cannot fill the memory.
 */
const nodeCost = 1024

const largest = (1n << 63n) - 1n

/** A file's own data or a named stream, while it has a name or is open. */
interface Data {
  name: string
  readonly pages: Pages
  opens: number
  named: boolean
}

interface Inode {
  readonly id: bigint
  readonly data: Data
  readonly streams: Map<string, Data>
  readonly blobs: Map<Blob, Uint8Array>
  /** For a directory: its entries by folded name. */
  readonly entries: Map<string, Entry> | undefined
  links: number
  opens: number
  attributes: number
  creationTime: bigint
  lastAccessTime: bigint
  lastWriteTime: bigint
  changeTime: bigint
}

/**
 * A name of a file. A rename moves the entry and makes no new one, so that handles know the current name of their file.
 */
interface Entry {
  name: string
  readonly inode: Inode
  /** `undefined` for the root, and for a removed entry. */
  parent: Entry | undefined
}

/** Entries of a listing that are described at one time. */
const listPiece = 64

/** Throws, within this module only: `step` turns the error into a failure. */
const refuse = (reason: StoreReason["_tag"]): never => {
  throw storeError(reason)
}

/** Runs one synchronous step with the current time of the clock. */
const step = <A>(body: (now: bigint) => A): Effect.Effect<A, StoreError> =>
  Clock.clockWith((clock) => {
    try {
      return Effect.succeed(body(FileTime.fromNanos(clock.currentTimeNanosUnsafe())))
    } catch (error) {
      return error instanceof StoreError ? Effect.fail(error) : Effect.die(error)
    }
  })

/**
 * An empty store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: MemoryStoreOptions = {}): Effect.Effect<ShareStore> =>
  Clock.clockWith((clock) => Effect.sync(() => build(options, FileTime.fromNanos(clock.currentTimeNanosUnsafe()))))

const build = (options: MemoryStoreOptions, madeAt: bigint): ShareStore => {
  const capacity = options.capacity ?? 1024 * 1024 * 1024
  const readOnly = options.readOnly ?? false
  let used = 0
  /** The files by the ids in their `ObjectId`. */
  const objectIds = new Map<string, Inode>()
  // NTFS reserves the low numbers, and for clients 0 means that the file has no number.
  let nextId = 64n

  /** Takes `bytes` from the capacity, or returns them if negative. */
  const charge = (bytes: number) => {
    if (bytes > 0 && used + bytes > capacity) refuse("Full")
    used += bytes
  }

  const changes = () => {
    if (readOnly) refuse("ReadOnly")
  }

  const makeData = (name: string): Data => ({ name, pages: new Pages(), opens: 0, named: true })

  const makeInode = (type: "file" | "directory", now: bigint): Inode => ({
    id: nextId++,
    data: makeData(""),
    streams: new Map(),
    blobs: new Map(),
    entries: type === "directory" ? new Map() : undefined,
    links: 1,
    opens: 0,
    attributes: 0,
    creationTime: now,
    lastAccessTime: now,
    lastWriteTime: now,
    changeTime: now
  })

  const root: Entry = { name: "", inode: makeInode("directory", madeAt), parent: undefined }

  /** Frees data that has neither a name nor a handle. */
  const reapData = (data: Data) => {
    if (data.named || data.opens > 0) return
    charge(-data.pages.allocated)
    data.pages.clear()
  }

  const forgetObjectId = (inode: Inode) => {
    const bytes = inode.blobs.get("ObjectId")
    if (bytes !== undefined) objectIds.delete(ObjectIds.idOf(bytes))
  }

  const reap = (inode: Inode) => {
    if (inode.links > 0 || inode.opens > 0) return
    charge(-nodeCost)
    for (const bytes of inode.blobs.values()) charge(-bytes.length)
    forgetObjectId(inode)
    inode.blobs.clear()
    for (const stream of inode.streams.values()) {
      charge(-nodeCost)
      stream.named = false
      reapData(stream)
    }
    inode.streams.clear()
    inode.data.named = false
    reapData(inode.data)
  }

  /** The directory that holds the last component. */
  const parentOf = (path: StorePath): Entry & { readonly inode: { readonly entries: Map<string, Entry> } } => {
    let entry = root
    for (let i = 0; i < path.length - 1; i++) {
      entry = entry.inode.entries?.get(StoreNames.fold(path[i]!)) ?? refuse("PathNotFound")
    }
    if (entry.inode.entries === undefined) refuse("PathNotFound")
    return entry as Entry & { readonly inode: { readonly entries: Map<string, Entry> } }
  }

  const find = (path: StorePath): Entry => {
    StoreNames.confined(path)
    if (path.length === 0) return root
    return parentOf(path).inode.entries.get(StoreNames.fold(path.at(-1)!)) ?? refuse("NotFound")
  }

  const describe = (entry: Entry, data: Data = entry.inode.data): StoreNode => {
    const { inode } = entry
    const reparseTag = Attributes.reparseTagOf(inode.blobs.get("ReparsePoint"))
    const type = inode.entries === undefined ? "file" : "directory"
    return {
      name: entry.name,
      id: inode.id,
      identity: String(inode.id),
      type,
      size: data.pages.size,
      allocationSize: BigInt(data.pages.allocated),
      creationTime: inode.creationTime,
      lastAccessTime: inode.lastAccessTime,
      lastWriteTime: inode.lastWriteTime,
      changeTime: inode.changeTime,
      fileAttributes: Attributes.reported(inode.attributes, type, reparseTag),
      numberOfLinks: inode.links,
      reparseTag,
      eaSize: inode.blobs.get("ExtendedAttributes")?.length ?? 0
    }
  }

  /** Refuses a name that now stands for another file. */
  const expect = ({ inode }: Entry, identity: string | undefined) => {
    if (identity !== undefined && identity !== String(inode.id)) refuse("Stale")
  }

  /** A change of the data is an access too (MS-FSA 2.1.4.17). */
  const written = (inode: Inode, now: bigint) => {
    inode.lastAccessTime = now
    inode.lastWriteTime = now
    inode.changeTime = now
  }

  const assign = (inode: Inode, values: StoreChanges) => {
    if (values.creationTime !== undefined) inode.creationTime = values.creationTime
    if (values.lastAccessTime !== undefined) inode.lastAccessTime = values.lastAccessTime
    if (values.lastWriteTime !== undefined) inode.lastWriteTime = values.lastWriteTime
    if (values.changeTime !== undefined) inode.changeTime = values.changeTime
    if (values.fileAttributes !== undefined) inode.attributes = Attributes.kept(values.fileAttributes)
  }

  const setBlob = (inode: Inode, blob: Blob, bytes: Uint8Array | undefined) => {
    const id = blob === "ObjectId" && bytes !== undefined ? ObjectIds.idOf(bytes) : undefined
    if (id !== undefined && (objectIds.get(id) ?? inode) !== inode) refuse("Exists")
    charge((bytes?.length ?? 0) - (inode.blobs.get(blob)?.length ?? 0))
    if (blob === "ObjectId") forgetObjectId(inode)
    if (id !== undefined) objectIds.set(id, inode)
    if (bytes === undefined) inode.blobs.delete(blob)
    else inode.blobs.set(blob, Uint8Array.from(bytes))
  }

  const handle = (entry: Entry, data: Data): StoreFile => {
    const { inode } = entry
    const { pages } = data
    /** A directory itself has no data; its named streams have. */
    const bytes = () => {
      if (inode.entries !== undefined && data === inode.data) refuse("IsDirectory")
      return pages
    }
    return {
      id: inode.id,
      stat: step(() => describe(entry, data)),
      // A read is an access too (MS-FSA 2.1.4.4), also in a read-only store, as on a disk.
      read: (offset, length) =>
        step((now) => {
          const data = bytes().read(offset, length)
          if (data.length > 0) inode.lastAccessTime = now
          return data
        }),
      readInto: (offset, target) =>
        step((now) => {
          const count = bytes().readInto(offset, target)
          if (count > 0) inode.lastAccessTime = now
          return count
        }),
      write: (offset, source) =>
        step((now) => {
          changes()
          if (offset + BigInt(source.length) > largest) refuse("Full")
          charge(bytes().cost(offset, source.length))
          pages.write(offset, source)
          if (source.length > 0) written(inode, now)
        }),
      truncate: (size) =>
        step((now) => {
          changes()
          if (size > largest) refuse("Full")
          const before = bytes().allocated
          pages.truncate(size)
          charge(pages.allocated - before)
          written(inode, now)
        }),
      flush: Effect.void,
      set: (values) =>
        step((now) => {
          changes()
          inode.changeTime = now
          assign(inode, values)
        }),
      getBlob: (blob) =>
        step(() => {
          const found = inode.blobs.get(blob)
          return found === undefined ? undefined : found.slice()
        }),
      setBlob: (blob, value) =>
        step((now) => {
          changes()
          setBlob(inode, blob, value)
          inode.changeTime = now
        }),
      streams: step(() =>
        Array.from(inode.streams.values(), (stream) => ({
          name: stream.name,
          size: stream.pages.size,
          allocationSize: BigInt(stream.pages.allocated)
        }))
      ),
      zero: (range) =>
        step((now) => {
          changes()
          const before = bytes().allocated
          pages.zero(range)
          charge(pages.allocated - before)
          written(inode, now)
        }),
      allocated: (range) => step(() => bytes().ranges(range)),
      ...data === inode.data ? {} : {
        renameStream: (name, { replace }) =>
          step((now) => {
            changes()
            if (!StoreNames.isComponent(name)) refuse("InvalidName")
            if (!data.named) refuse("Stale")
            const key = StoreNames.fold(name)
            const replaced = inode.streams.get(key)
            if (replaced !== undefined && replaced !== data) {
              if (!replace) refuse("Exists")
              charge(-nodeCost)
              replaced.named = false
              reapData(replaced)
            }
            inode.streams.delete(StoreNames.fold(data.name))
            data.name = name
            inode.streams.set(key, data)
            inode.changeTime = now
          })
      }
    }
  }

  /** Finds or makes an entry. */
  const openEntry = (path: StorePath, how: StoreOpen, now: bigint): { entry: Entry; created: boolean } => {
    StoreNames.confined(path)
    if (path.length === 0) return how.mode === "new" ? refuse("Exists") : { entry: root, created: false }
    const parent = parentOf(path)
    const name = path.at(-1)!
    const found = parent.inode.entries.get(StoreNames.fold(name))
    if (found !== undefined) return how.mode === "new" ? refuse("Exists") : { entry: found, created: false }
    if (how.mode === "existing") refuse("NotFound")
    changes()
    const { securityDescriptor, ...initial } = how.initial ?? {}
    charge(nodeCost)
    const entry: Entry = { name, inode: makeInode(how.type, now), parent }
    if (securityDescriptor !== undefined) {
      try {
        setBlob(entry.inode, "SecurityDescriptor", securityDescriptor)
      } catch (error) {
        charge(-nodeCost)
        throw error
      }
    }
    assign(entry.inode, initial)
    parent.inode.entries.set(StoreNames.fold(name), entry)
    written(parent.inode, now)
    return { entry, created: true }
  }

  /** As on NTFS, making a stream makes its file too. */
  const openStream = (path: StorePath, name: string, how: StoreOpen, now: bigint) => {
    if (!StoreNames.isComponent(name)) refuse("InvalidName")
    const making = how.mode !== "existing"
    const { entry } = openEntry(path, { ...how, mode: making ? "either" : "existing", type: "file" }, now)
    const { streams } = entry.inode
    const found = streams.get(StoreNames.fold(name))
    if (found !== undefined) return how.mode === "new" ? refuse("Exists") : { entry, data: found, created: false }
    if (!making) refuse("NotFound")
    changes()
    charge(nodeCost)
    const data = makeData(name)
    streams.set(StoreNames.fold(name), data)
    entry.inode.changeTime = now
    return { entry, data, created: true }
  }

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
        file: handle(entry, data),
        created,
        node: describe(entry, data)
      })
    )

  /** Removes a name, and with the last name the file. */
  const unlink = (entry: Entry, now: bigint) => {
    const parent = entry.parent!
    parent.inode.entries!.delete(StoreNames.fold(entry.name))
    entry.parent = undefined
    entry.inode.links--
    entry.inode.changeTime = now
    written(parent.inode, now)
    reap(entry.inode)
  }

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
      free: BigInt(Math.max(0, capacity - used)),
      maximumComponentLength: StoreNames.maximumComponentLength,
      supports: {
        streams: true,
        securityDescriptors: true,
        extendedAttributes: true,
        reparsePoints: true,
        sparse: true,
        objectIds: true
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
