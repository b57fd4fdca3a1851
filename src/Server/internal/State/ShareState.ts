/**
 * What belongs to a share across all connections: which files are open, by whom, under which names; who watches.
 *
 * A `FileNode` stands for a file that somebody has open, a `StreamNode` for one of its streams: share modes, byte-range
 * locks, oplocks and leases are a stream's. Everything here is changed synchronously, so that one request never sees
 * half of what another does; whatever waits (for a store, for a break) looks again when it goes on.
 */
import type * as Semaphore from "effect/Semaphore"
import type { ShareStore, StorePath, StoreVolume } from "../../ShareStore.ts"
import type { ShareOptions } from "../../SmbServer.ts"
import type { Holder } from "./Caching.ts"
import type { Lock, WaitingLock } from "./Locks.ts"
import type { Open } from "./Open.ts"
import type { Delayed } from "./Times.ts"
import type { Watch } from "./Watch.ts"

/** One of a file's streams; the file's own data has an empty name. */
export class StreamNode {
  readonly file: FileNode
  readonly name: string
  readonly opens = new Set<Open>()
  readonly locks: Array<Lock> = []
  readonly waitingLocks: Array<WaitingLock> = []
  readonly holders = new Set<Holder>()
  #deletePending = false
  /** Bytes that a client wants to be kept for it, while it is open; a store keeps none. */
  reserved = 0n
  /** Writes to the end are done one after the other; made with the first of them. */
  appending: Semaphore.Semaphore | undefined

  constructor(file: FileNode, name: string) {
    this.file = file
    this.name = name
  }

  /** Whether it is to be deleted when nobody has it open any more. */
  get deletePending(): boolean {
    return this.#deletePending
  }

  set deletePending(value: boolean) {
    this.#deletePending = value
    if (this.name !== "") return
    if (value) this.file.share.deletions.add(this.file)
    else this.file.share.deletions.delete(this.file)
  }
}

/** A file that is open. */
export class FileNode {
  readonly share: ShareState
  readonly id: bigint
  readonly directory: boolean
  path: StorePath
  /** The last write time that is shown while somebody writes. */
  delayed: Delayed | undefined
  readonly streams = new Map<string, StreamNode>()

  constructor(share: ShareState, id: bigint, directory: boolean, path: StorePath) {
    this.share = share
    this.id = id
    this.directory = directory
    this.path = path
  }

  stream(name: string): StreamNode {
    const key = name.toLowerCase()
    const known = this.streams.get(key)
    if (known !== undefined) return known
    const made = new StreamNode(this, name)
    this.streams.set(key, made)
    return made
  }

  /** Whether the file itself is to be deleted. */
  get deletePending(): boolean {
    return this.streams.get("")?.deletePending === true
  }

  *opens(): IterableIterator<Open> {
    for (const stream of this.streams.values()) yield* stream.opens
  }
}

/** Paths as a key that does not depend on case. */
export const keyOf = (path: StorePath): string => path.join("\\").toLowerCase()

/** Whether `path` is `ancestor`, or below it. */
export const isWithin = (path: StorePath, ancestor: StorePath): boolean =>
  path.length >= ancestor.length && ancestor.every((name, i) => name.toLowerCase() === path[i]!.toLowerCase())

/**
 * A share and all that is open in it.
 *
 * @category models
 */
export class ShareState {
  readonly name: string
  readonly options: ShareOptions
  readonly store: ShareStore
  /** As it was when the server started; sizes are asked anew. */
  readonly volume: StoreVolume
  readonly files = new Map<bigint, FileNode>()
  /** Those of `files` that are to be deleted. */
  readonly deletions = new Set<FileNode>()
  readonly watches = new Set<Watch>()
  /** The leases of its directories. */
  readonly directoryHolders = new Set<Holder>()

  constructor(name: string, options: ShareOptions, volume: StoreVolume) {
    this.name = name
    this.options = options
    this.store = options.store
    this.volume = volume
  }

  get readOnly(): boolean {
    return this.options.readOnly === true || this.volume.readOnly
  }

  /** The node of a file, made where nobody had it open. */
  file(id: bigint, directory: boolean, path: StorePath): FileNode {
    const known = this.files.get(id)
    if (known !== undefined) return known
    const made = new FileNode(this, id, directory, path)
    this.files.set(id, made)
    return made
  }

  /** Forgets what nobody has open. */
  release(stream: StreamNode): void {
    if (stream.opens.size > 0) return
    const { file } = stream
    // A file that is to be deleted stays so while its streams are open.
    if (stream.name === "" && stream.deletePending && file.streams.size > 1) return
    file.streams.delete(stream.name.toLowerCase())
    if (stream.name === "") this.deletions.delete(file)
    if (file.streams.size === 0 && this.files.get(file.id) === file) this.files.delete(file.id)
  }

  /** The opens of files below a directory, without its own. */
  *opensBelow(directory: StorePath): IterableIterator<Open> {
    for (const file of this.files.values()) {
      if (file.path.length > directory.length && isWithin(file.path, directory)) yield* file.opens()
    }
  }

  /** A name is gone: listings that have yet to show it leave it out. */
  forgetEntry(path: StorePath): void {
    const parent = keyOf(path.slice(0, -1))
    const name = path[path.length - 1]!.toLowerCase()
    for (const file of this.files.values()) {
      if (!file.directory || keyOf(file.path) !== parent) continue
      for (const { cursor } of file.opens()) cursor?.forget(name)
    }
  }

  /** Follows a rename: what is open keeps being found under its new name. */
  renamed(from: StorePath, to: StorePath): void {
    for (const file of this.files.values()) {
      if (isWithin(file.path, from)) file.path = [...to, ...file.path.slice(from.length)]
    }
  }
}
