/**
 * Open files as MS-SMB2 3.3.1 and MS-FSA describe them: a file with its streams and its names, the locks, leases and
 * watches that belong to them, and the table of all of them. `Open` is an open of a file, of which this module knows
 * nothing: `Model.ts` says what it is.
 *
 * Data without behaviour is a class here. A part with behaviour (the table, a watch) is an interface here, and a module
 * above implements it.
 */
import type * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { StorePath } from "../../ShareStore.ts"
import * as StoreNames from "../../Store/internal/StoreNames.ts"
import type { KnownShortNames } from "./KnownShortNames.ts"
import { type Ranged, RangeSet } from "./RangeSet.ts"

/** One of an open file's streams; the file's own data has an empty name. */
export class StreamNode<Open> {
  readonly file: FileNode<Open>
  /** Changes when the stream is renamed. */
  name: string
  readonly opens = new Set<Open>()
  /** Its opens of each application instance, by AppInstanceId; made with the first one. */
  appInstances: Map<string, Set<Open>> | undefined
  /** Its byte-range locks; made with the first lock. */
  locks: StreamLocks<Open> | undefined
  /** Its oplocks and leases. */
  readonly leases = new Set<Lease<Open>>()
  /** Whether this named stream is deleted when its last open closes. A file's own data is deleted with its link. */
  deletePending = false
  /** Bytes that a client wants reserved for it while it is open; a store reserves none. */
  reserved = 0n
  /** Orders writes to the end, one after the other; made with the first one. */
  appending: Semaphore.Semaphore | undefined

  constructor(file: FileNode<Open>, name: string) {
    this.file = file
    this.name = name
  }
}

/** A file's last write time as clients see it while the file is being written: 100 ns ticks. */
export interface DelayedTime {
  readonly before: bigint
  readonly first: bigint
  readonly due: bigint
}

/** An open file. */
export class FileNode<Open> {
  readonly identity: string
  readonly directory: boolean
  /** The last write time that clients see while the file is being written. */
  delayed: DelayedTime | undefined
  readonly streams = new Map<string, StreamNode<Open>>()
  /** The names by which the file is open. */
  readonly links = new Set<Link<Open>>()
  /**
   * Lets one request at a time read, change and write back the blobs next to the file's data; made with the first one.
   */
  #changing: Semaphore.Semaphore | undefined

  constructor(identity: string, directory: boolean) {
    this.identity = identity
    this.directory = directory
  }

  /** The stream of a name; made if it is not open. */
  stream(name: string): StreamNode<Open> {
    const key = StoreNames.fold(name)
    const known = this.streams.get(key)
    if (known !== undefined) return known
    const made = new StreamNode(this, name)
    this.streams.set(key, made)
    return made
  }

  /** A stream has another name from now on. A stream without opens that had the name is forgotten. */
  renamed(stream: StreamNode<Open>, name: string): void {
    this.streams.delete(StoreNames.fold(stream.name))
    stream.name = name
    this.streams.set(StoreNames.fold(name), stream)
  }

  *opens(): IterableIterator<Open> {
    for (const stream of this.streams.values()) yield* stream.opens
  }

  /**
   * Runs a change of the blobs next to the file's data while no other change runs: otherwise one of two would be lost.
   */
  changing<A, E, R>(change: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return (this.#changing ??= Semaphore.makeUnsafe(1)).withPermits(1)(change)
  }
}

/** A name by which a file is open (MS-FSA 2.1.1.4). */
export class Link<Open> {
  readonly file: FileNode<Open>
  /** The present name, with the case in which it was given. */
  path: StorePath
  /** Opens of any of the file's streams by this name. */
  readonly opens = new Set<Open>()
  /** Whether the name is removed when its last open closes. */
  deletePending = false
  /** The ParentLeaseKey of the open that marked the name for deletion. */
  deletedUnder: string | undefined
  /** The watches by opens of this name, if it is a directory. */
  readonly watches = new Set<Watch<Open>>()
  /** Requests that are adding an entry to the directory; no new one begins while it is sealed. */
  adding = 0
  sealed = false

  constructor(file: FileNode<Open>, path: StorePath) {
    this.file = file
    this.path = path
  }
}

/** All opens of one store's files, by file and by name. `FileTable.ts` implements it. */
export interface FileTable<Open> {
  readonly files: ReadonlyMap<string, FileNode<Open>>
  /** Counts renames: after one, a file that was looked up by name before may have another name. */
  readonly renames: number
  /** The number of watches of all directories. */
  watching: number
  readonly file: (identity: string, directory: boolean) => FileNode<Open>
  readonly enter: (open: Open, stream: StreamNode<Open>, path: StorePath) => Link<Open>
  readonly leave: (open: Open) => void
  readonly release: (stream: StreamNode<Open>, link?: Link<Open>) => void
  readonly linkOf: (file: FileNode<Open>, path: StorePath) => Link<Open> | undefined
  readonly at: (path: StorePath) => ReadonlyArray<Link<Open>>
  readonly below: (directory: StorePath) => IterableIterator<Link<Open>>
  readonly entries: (directory: StorePath) => IterableIterator<Link<Open>>
  readonly adding: <A, E, R>(
    directory: StorePath,
    add: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R> | undefined
  readonly replacing: <A, E, R>(identity: string, replace: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly replaced: (identity: string) => Effect.Effect<void> | undefined
  readonly forgetEntry: (path: StorePath) => void
  readonly renamed: (link: Link<Open>, to: StorePath) => void
  /** Long names that were seen with their short names. */
  readonly shortNames: KnownShortNames
}

/** A range that an open has locked, or waits for. `end` is the offset after the last byte. */
export interface Lock<Open> extends Ranged {
  readonly open: Open
  readonly exclusive: boolean
}

/** A request that waits for a range. */
export interface WaitingLock<Open> extends Lock<Open> {
  readonly granted: () => void
}

/** The locks of a stream, and the requests that wait for locks. */
export class StreamLocks<Open> {
  /** Exclusive locks never overlap each other, so only few of them touch a range. */
  readonly exclusive = new RangeSet<Lock<Open>>()
  readonly shared = new RangeSet<Lock<Open>>()
  readonly waiting = new RangeSet<WaitingLock<Open>>()

  get size(): number {
    return this.exclusive.size + this.shared.size
  }
}

/** The values by which a client names its lease. */
export interface LeaseFields {
  readonly clientGuid: string
  readonly key: Uint8Array
  readonly version: 1 | 2
  readonly parentKey: Uint8Array | undefined
  readonly epoch: number
}

/** One client's right to cache a stream: a lease (3.3.1.12), or an oplock, which is a lease of one open. */
export class Lease<Open> {
  readonly kind: "oplock" | "lease"
  readonly stream: StreamNode<Open>
  readonly opens = new Set<Open>()
  /** LeaseState bits (2.2.13.2.8). */
  state: number
  /** The state that a break asks for, until it is acknowledged. */
  breaking: number | undefined
  /**
   * The state that other requests require now. The next break follows at once, before the waiting requests continue.
   */
  required: number | undefined
  /** Empty for an oplock, as the key is. */
  readonly clientGuid: string
  readonly key: Uint8Array
  readonly keyText: string
  readonly version: 1 | 2
  readonly parentKey: Uint8Array | undefined
  epoch = 0
  private readonly waiting = new Set<() => void>()
  /** Stops the timeout of the client's acknowledgment, if one is running. */
  stopTimer: (() => void) | undefined

  /** A lease of a client, or an oplock if there are no `fields`. */
  constructor(stream: StreamNode<Open>, state: number, fields?: LeaseFields) {
    this.kind = fields === undefined ? "oplock" : "lease"
    this.stream = stream
    this.state = state
    this.clientGuid = fields?.clientGuid ?? ""
    this.key = fields?.key ?? new Uint8Array(16)
    this.keyText = fields === undefined ? "" : Buffer.from(fields.key).toString("hex")
    this.version = fields?.version ?? 1
    this.parentKey = fields?.parentKey
    this.epoch = fields?.epoch ?? 0
  }

  /** Calls `then` when the break under way is over; gives a function that removes the callback. */
  onSettled(then: () => void): () => void {
    this.waiting.add(then)
    return () => void this.waiting.delete(then)
  }

  /** Calls the waiting callbacks. */
  wake(): void {
    for (const then of Array.from(this.waiting)) {
      this.waiting.delete(then)
      then()
    }
  }
}

/** One change in a watched directory. */
export interface Change {
  readonly action: number
  readonly fileName: string
}

/** The result for a CHANGE_NOTIFY: changes, or undefined if there were too many. */
export type ChangesFound = { readonly changes: ReadonlyArray<Change> | undefined }

/** The changes in a directory that an open is told of (3.3.1.3). `Watch.ts` implements it. */
export interface Watch<Open> {
  readonly open: Open
  /** CompletionFilter bits (2.2.35). */
  readonly filter: number
  readonly recursive: boolean
  /** The changes since the last time; undefined if there were none. */
  readonly take: () => ChangesFound | undefined
  /** Waits for the next changes; gives a function that removes the callback. */
  readonly next: (then: (found: ChangesFound) => void) => () => void
  readonly push: (changes: ReadonlyArray<Change>) => void
  /** Some changes are not known: the client is told to list the directory itself. */
  readonly lose: () => void
  /** Forgets the changes that it has kept. */
  readonly forget: () => void
}
