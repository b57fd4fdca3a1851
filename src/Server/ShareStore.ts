/**
 * The one seam to storage: what a server needs of a place that keeps files.
 *
 * A store keeps names, bytes, times, attributes and a few opaque blobs, and nothing else. Share modes, locks, oplocks and
 * leases, delete on close, change notification, access checks, wildcards and every structure of the wire are the server's.
 * So a store is written in an afternoon, also over a database or an object storage: every call is an Effect that may be
 * slow, none is made twice without need, and none is made while another client waits for it.
 *
 * Paths are lists of components below the share's root, as a client wrote them; the root is the empty list. A store finds
 * names without regard to case and keeps the case that they were made with. The server never passes `.`, `..`, empty
 * components, NUL or separators; a store confines itself to its root all the same.
 *
 * Times are 100 ns ticks since 1601, sizes bytes, attributes FILE_ATTRIBUTE_* of MS-FSCC 2.6.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"

/** Components below the share's root. */
export type StorePath = ReadonlyArray<string>

/**
 * Why a store could not do it. The server turns each into the NTSTATUS that a client understands.
 *
 * - `NotFound`: the last component is not there; `PathNotFound`: one before it is not, or is no directory.
 * - `Exists`: the name is taken. `NotEmpty`: the directory is. `IsDirectory`, `NotDirectory`: the other kind is there.
 * - `AccessDenied`: the storage itself refuses. `ReadOnly`: it takes no changes. `Full`: it has no room, or no quota.
 * - `InvalidName`: the storage cannot keep that name. `Unsupported`: it cannot do this at all. `NotSameDevice`: nor between
 *   these two places, which are on two devices.
 * - `Stale`: the file has vanished below an open, or its name stands for another one by now. `Busy`: try again. `TimedOut`: it took too
 *   long, and may be done or not. `Failed`: anything else, with its cause.
 *
 * @category errors
 */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  reason: Schema.Literals([
    "NotFound",
    "PathNotFound",
    "Exists",
    "NotEmpty",
    "IsDirectory",
    "NotDirectory",
    "AccessDenied",
    "ReadOnly",
    "Full",
    "InvalidName",
    "Unsupported",
    "NotSameDevice",
    "Stale",
    "Busy",
    "TimedOut",
    "Failed"
  ]),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `the store says ${this.reason}${this.cause instanceof Error ? `: ${this.cause.message}` : ""}`
  }
}

/** A file or directory as the store knows it. */
export interface StoreNode {
  /** The name with the case that it was made with; empty for the root. */
  readonly name: string
  /**
   * Numbers the file for as long as it exists, whatever it is called: clients see it. No two files that exist share one;
   * one that is made later may have the number of one that was removed.
   */
  readonly id: bigint
  /**
   * Tells this file from every other one that the store has, had or will have while a server runs, whatever it is called.
   * A file that takes the name, or the `id`, of another has another identity. Where `id` is never used again, it is the
   * `id` as text. The server hands it back as `expected`.
   */
  readonly identity: string
  readonly type: "file" | "directory"
  readonly size: bigint
  /** Bytes that it takes up. */
  readonly allocationSize: bigint
  readonly creationTime: bigint
  readonly lastAccessTime: bigint
  readonly lastWriteTime: bigint
  readonly changeTime: bigint
  readonly fileAttributes: number
  readonly numberOfLinks: number
  /** IO_REPARSE_TAG_* where FILE_ATTRIBUTE_REPARSE_POINT is set, else 0. */
  readonly reparseTag: number
}

/** Times and attributes to set; what is left out stays. */
export type StoreChanges = Partial<
  Pick<StoreNode, "creationTime" | "lastAccessTime" | "lastWriteTime" | "changeTime" | "fileAttributes">
>

/**
 * What is kept beside a file's bytes, as bytes that only the server understands: a self-relative SECURITY_DESCRIPTOR, a
 * FILE_FULL_EA_INFORMATION list, a REPARSE_DATA_BUFFER.
 */
export type Blob = "SecurityDescriptor" | "ExtendedAttributes" | "ReparsePoint"

/** A named stream of a file. */
export interface StoreStream {
  readonly name: string
  readonly size: bigint
  readonly allocationSize: bigint
}

/** A range of bytes. */
export interface StoreRange {
  readonly offset: bigint
  readonly length: bigint
}

/** An open file, directory or named stream; it stays usable while its name changes. */
export interface StoreFile {
  readonly id: bigint
  /** As it is now. For a named stream: of its file, with the stream's size. */
  readonly stat: Effect.Effect<StoreNode, StoreError>
  /**
   * The directory that really holds a file or a directory; a listing calls it `..`. It is another than the path says where
   * a symbolic link that the storage follows led there: clients tell by it that they are elsewhere, and cache nothing of a
   * file that is in another directory than the one whose changes are told. Absent where there are no such links.
   */
  readonly parent?: Effect.Effect<StoreNode, StoreError> | undefined
  /**
   * The part of the storage that the file is on, such as a disk that is mounted below the root: its room, its serial number,
   * what can be kept there. Absent where the storage is one, as `ShareStore.volume` tells it.
   */
  readonly volume?: Effect.Effect<StoreVolume, StoreError> | undefined
  /** Up to `length` bytes; fewer only at the end. The bytes belong to the caller. */
  readonly read: (offset: bigint, length: number) => Effect.Effect<Uint8Array, StoreError>
  /**
   * Fills `target` and gives how many bytes it is; fewer than it holds only at the end. Absent where the storage gives its
   * bytes in memory of its own: then `read` costs nothing more. `target` belongs to the caller again when the effect is
   * done, or was interrupted.
   */
  readonly readInto?: (offset: bigint, target: Uint8Array) => Effect.Effect<number, StoreError>
  /** Writes all of `data`, which belongs to the caller again when the effect is done; grows the file as needed. */
  readonly write: (offset: bigint, data: Uint8Array) => Effect.Effect<void, StoreError>
  readonly truncate: (size: bigint) => Effect.Effect<void, StoreError>
  /** When it is done, what was written before survives a crash. */
  readonly flush: Effect.Effect<void, StoreError>
  readonly set: (changes: StoreChanges) => Effect.Effect<void, StoreError>
  readonly getBlob: (blob: Blob) => Effect.Effect<Uint8Array | undefined, StoreError>
  /** `undefined` takes it away. */
  readonly setBlob: (blob: Blob, bytes: Uint8Array | undefined) => Effect.Effect<void, StoreError>
  /** The named streams, without the file's own data. */
  readonly streams: Effect.Effect<ReadonlyArray<StoreStream>, StoreError>
  /** Makes a range zeros, and gives its room back where the storage can. */
  readonly zero: (range: StoreRange) => Effect.Effect<void, StoreError>
  /** The ranges that hold data; everything where the storage does not know. */
  readonly allocated: (range: StoreRange) => Effect.Effect<ReadonlyArray<StoreRange>, StoreError>
}

/** How to open. */
export interface StoreOpen {
  /** A named stream instead of the file's own data. */
  readonly stream?: string
  /**
   * `existing`: it must be there. `new`: it must not, and is made, atomically. `either`: made where it is not there.
   */
  readonly mode: "existing" | "new" | "either"
  /** What to make; of no meaning for what is there. */
  readonly type: "file" | "directory"
  /**
   * A symbolic link that the storage follows, and that leads nowhere or out of what it serves, is opened itself: as a file
   * without bytes, which `remove` and `rename` know by its identity. Of no meaning where there are no such links.
   */
  readonly linkItself?: boolean
  /** A hint: its bytes will probably be asked for. A store may make ready for that while the client thinks. */
  readonly forData?: boolean
  /** For what is made. */
  readonly initial?: StoreChanges & { readonly securityDescriptor?: Uint8Array }
}

/** What an open found or made. */
export interface StoreOpened {
  readonly file: StoreFile
  readonly created: boolean
  readonly node: StoreNode
}

/** The storage as a whole. */
export interface StoreVolume {
  readonly label: string
  readonly serialNumber: number
  readonly creationTime: bigint
  /** Bytes in all, and free for the server: of what the root is on, where parts of the storage have room of their own. */
  readonly total: bigint
  readonly free: bigint
  /** UTF-16 code units. */
  readonly maximumComponentLength: number
  /** What the store can keep: the server announces nothing else. */
  readonly supports: {
    readonly streams: boolean
    readonly securityDescriptors: boolean
    readonly extendedAttributes: boolean
    readonly reparsePoints: boolean
    readonly sparse: boolean
  }
  readonly readOnly: boolean
}

/** Something that was changed by others than the server. */
export interface StoreChange {
  /** Below the directory that is watched. */
  readonly path: StorePath
  readonly action: "added" | "removed" | "modified"
}

/** Which file an operation on a name is for. */
export interface StoreExpected {
  /**
   * The identity of the file that the name has to stand for, looked at in the same step: `Stale` where it stands for
   * another. A symbolic link that the storage follows stands for what it leads to.
   */
  readonly expected?: string | undefined
}

/** How a name is given. */
export interface StoreNaming extends StoreExpected {
  /** Whether a file that has the name may go. */
  readonly replace: boolean
  /** The identity of the one file that may: `Stale` where another has taken the name. Any file where it is undefined. */
  readonly replaced?: string | undefined
}

/**
 * A place that keeps files.
 *
 * @example
 * ```ts
 * stat: (path) => Effect.map(find(path), ({ node }) => node),
 * list: (path) =>
 *   path.length > 0 ? Stream.fromEffect(fail("NotDirectory")) : Stream.fromIterable(files.map(({ node }) => node)),
 * ```
 *
 * @category models
 */
export interface ShareStore {
  readonly volume: Effect.Effect<StoreVolume, StoreError>
  readonly stat: (path: StorePath) => Effect.Effect<StoreNode, StoreError>
  /** Opens until the scope closes. */
  readonly open: (path: StorePath, options: StoreOpen) => Effect.Effect<StoreOpened, StoreError, Scope.Scope>
  /**
   * The entries of a directory, as they come, without `.` and `..`. Pulled as a client asks for them, so with pauses of any
   * length; an entry is described when its turn comes, or at most 200 before.
   */
  readonly list: (path: StorePath, options?: StoreExpected) => Stream.Stream<StoreNode, StoreError>
  /**
   * Removes a name of a file, an empty directory, or a named stream. The file goes with its last name; a symbolic link that
   * the storage follows goes itself.
   */
  readonly remove: (
    path: StorePath,
    options?: StoreExpected & { readonly stream?: string }
  ) => Effect.Effect<void, StoreError>
  /**
   * Whether `remove` would do it at this moment: fails with what `remove` would fail with, as far as that can be told. The
   * server asks when a client marks a file for deletion, to refuse what cannot be done while the client still listens.
   * Absent where `list` shows all that keeps a directory from being removed, and nothing else can be told.
   */
  readonly mayRemove?: (path: StorePath, options?: StoreExpected) => Effect.Effect<void, StoreError>
  /** Renames atomically; with `replace` over a file that is there. Case alone may change. */
  readonly rename: (from: StorePath, to: StorePath, options: StoreNaming) => Effect.Effect<void, StoreError>
  /** Gives a file another name; absent where the storage cannot. */
  readonly link?: (existing: StorePath, name: StorePath, options: StoreNaming) => Effect.Effect<void, StoreError>
  /**
   * What the files belong to: two stores with the same `origin` have the same files under the same paths, and a server
   * keeps one state of locks, share modes and deletions for both. Absent: the store's files are its own.
   */
  readonly origin?: object
  /**
   * What others change in a directory, or anywhere below it, while the stream is read: for change notification, and to take
   * back what clients cache. What came through the store itself is not told. `onStart` is run when changes from then on
   * will be told; it is given whether that is all of them, which it is not where other machines change the storage unseen.
   * Clients cache nothing in the directory before that, nor where it is not all. The stream fails when changes may have been
   * missed; what clients cache is taken back then.
   *
   * Absent where nobody but the server changes what the store keeps: clients may cache all of it. A store that others
   * change, and that cannot tell of it, has a `changes` that fails with `Unsupported`.
   */
  readonly changes?: (
    directory: StorePath,
    options: { readonly recursive: boolean; readonly onStart?: (all: boolean) => Effect.Effect<void> }
  ) => Stream.Stream<StoreChange, StoreError>
}
