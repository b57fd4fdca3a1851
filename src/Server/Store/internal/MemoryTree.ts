/**
 * The files of a store in memory: the tree of their names, what each file has, and the capacity that they use.
 *
 * Functions throw a `StoreError` for what cannot be done. They run within `step`, which makes a failure of it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import * as FileTime from "../../../Codec/FileTime.ts"
import {
  type Blob,
  type StoreChanges,
  StoreError,
  storeError,
  type StoreNode,
  type StoreOpen,
  type StorePath,
  type StoreReason
} from "../../ShareStore.ts"
import * as Attributes from "./Attributes.ts"
import * as ObjectIds from "./ObjectIds.ts"
import { Pages } from "./Pages.ts"
import * as StoreNames from "./StoreNames.ts"

/**
 * Bytes that a file costs in addition to its content: about what V8 uses, so that empty files cannot fill the memory.
 */
export const nodeCost = 1024

/** A file's own data or a named stream, while it has a name or is open. */
export interface Data {
  name: string
  readonly pages: Pages
  opens: number
  named: boolean
}

export interface Inode {
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
export interface Entry {
  name: string
  readonly inode: Inode
  /** `undefined` for the root, and for a removed entry. */
  parent: Entry | undefined
}

/** Throws: `step` turns the error into a failure. */
export const refuse = (reason: StoreReason["_tag"]): never => {
  throw storeError(reason)
}

/** Runs one synchronous step with the current time of the clock. */
export const step = <A>(body: (now: bigint) => A): Effect.Effect<A, StoreError> =>
  Clock.clockWith((clock) => {
    try {
      return Effect.succeed(body(FileTime.fromNanos(clock.currentTimeNanosUnsafe())))
    } catch (error) {
      return error instanceof StoreError ? Effect.fail(error) : Effect.die(error)
    }
  })

/** A tree with an empty root, for at most `capacity` bytes. */
export const make = (capacity: number, readOnly: boolean, madeAt: bigint) => {
  let used = 0
  /** No other store has a file with one of the identities of this one. */
  const store = randomUUID()
  /** The files by the ids in their `ObjectId`. */
  const objectIds = new Map<string, Inode>()
  // NTFS reserves the low numbers, and for clients 0 means that the file has no number.
  let nextId = 64n

  /** Takes `bytes` from the capacity, or returns them if negative. */
  const charge = (bytes: number) => {
    if (bytes > 0 && used + bytes > capacity) refuse("Full")
    used += bytes
  }

  /** Refuses a change of a read-only store. */
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

  const identityOf = ({ id }: Inode): string => `${store}:${id}`

  const describe = (entry: Entry, data: Data = entry.inode.data): StoreNode => {
    const { inode } = entry
    const reparseTag = Attributes.reparseTagOf(inode.blobs.get("ReparsePoint"))
    const type = inode.entries === undefined ? "file" : "directory"
    return {
      name: entry.name,
      id: inode.id,
      identity: identityOf(inode),
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
    if (identity !== undefined && identity !== identityOf(inode)) refuse("Stale")
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

  return {
    root,
    /** The bytes of the capacity that are not used. */
    free: () => Math.max(0, capacity - used),
    assign,
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
    setBlob,
    unlink,
    written
  }
}

export type MemoryTree = ReturnType<typeof make>
