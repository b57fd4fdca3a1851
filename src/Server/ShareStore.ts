/**
 * The interface of a server to storage: what a server needs from a place that keeps files.
 *
 * A store keeps names, bytes, times, attributes and a few opaque blobs, and nothing else. The server does the rest:
 * share modes, locks, oplocks and leases, delete on close, change notification, access checks, wildcards and every
 * structure of the wire. So a store can be written in an afternoon, also over a database or an object storage. Every
 * call is an Effect that may be slow. The server makes no call twice without need, and none while another client waits
 * for it.
 *
 * Paths are lists of components below the share's root, as a client wrote them; the root is the empty list. A store
 * finds names without regard to case and keeps the case that they were made with. The server never passes `.`, `..`,
 * empty components, separators, control characters up to U+001F, or any of `"*:<>?|`. A store must confine itself to its
 * root nevertheless.
 *
 * Times are 100 ns ticks since 1601, sizes bytes, attributes FILE_ATTRIBUTE_* of MS-FSCC 2.6.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Given } from "../Protocol/Defaults.ts"

/**
 * Components below the share's root.
 *
 * @since 0.1.0
 */
export type StorePath = ReadonlyArray<string>

/**
 * Why a call of a store failed.
 *
 * @category models
 * @since 0.2.0
 */
export const StoreReason = Schema.TaggedUnion({
  NotFound: {},
  PathNotFound: {},
  Exists: {},
  NotEmpty: {},
  IsDirectory: {},
  NotDirectory: {},
  AccessDenied: {},
  ReadOnly: {},
  Full: {},
  InvalidName: {},
  Unsupported: {},
  NotSameDevice: {},
  Stale: {},
  Busy: {},
  TimedOut: {},
  Failed: {}
})
export type StoreReason = typeof StoreReason.Type

/**
 * A call of a store failed. `storeError` makes it. The server turns each reason into an NTSTATUS for the client;
 * `cause` is only for the server's log.
 *
 * - `NotFound`: the last component does not exist. `PathNotFound`: an earlier one does not exist, or is not a
 *   directory.
 * - `Exists`: the name is taken. `NotEmpty`: the directory has entries. `IsDirectory`: the name is a directory.
 *   `NotDirectory`: the name is a file.
 * - `AccessDenied`: the storage itself refuses. `ReadOnly`: it takes no changes. `Full`: it has no space, or no quota.
 * - `InvalidName`: the storage cannot keep that name. `Unsupported`: the storage cannot do this at all.
 *   `NotSameDevice`: it cannot do this between two places on two devices.
 * - `Stale`: an open file has vanished, or its name now stands for another file. `Busy`: try again. `TimedOut`: the
 *   call took too long, and may have taken effect. `Failed`: anything else, with its cause.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  reason: StoreReason,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `the store says ${this.reason._tag}${this.cause instanceof Error ? `: ${this.cause.message}` : ""}`
  }
}

/**
 * The error of a store with the reason of that name.
 *
 * @category constructors
 * @since 0.2.0
 */
export const storeError = (reason: StoreReason["_tag"], cause?: unknown): StoreError =>
  new StoreError({ reason: { _tag: reason }, ...(cause === undefined ? {} : { cause }) })

/**
 * A file or directory as the store knows it.
 *
 * @since 0.1.0
 */
export interface StoreNode {
  /** The name with the case that it was made with; empty for the root. */
  readonly name: string
  /**
   * The number of the file while it exists, under any name: clients see it. No two existing files have the same number.
   * A new file can get the number of a removed one.
   */
  readonly id: bigint
  /**
   * Distinguishes this file from every other file of the store, past, present or future, while a server runs; it does
   * not change with the name. A file that takes the name or the `id` of another file has another identity. If no `id`
   * is ever used again, the `id` as text is enough. The server passes it back as `expected`.
   */
  readonly identity: string
  readonly type: "file" | "directory"
  readonly size: bigint
  /** Bytes that the file takes up in the storage. */
  readonly allocationSize: bigint
  readonly creationTime: bigint
  readonly lastAccessTime: bigint
  readonly lastWriteTime: bigint
  readonly changeTime: bigint
  readonly fileAttributes: number
  readonly numberOfLinks: number
  /** IO_REPARSE_TAG_* if FILE_ATTRIBUTE_REPARSE_POINT is set, otherwise 0. */
  readonly reparseTag: number
  /**
   * Bytes of the blob `ExtendedAttributes`; 0 if the file has none. Listings show it. Absent if the store would have to
   * read the blob for it: listings show 0 then.
   */
  readonly eaSize?: number | undefined
}

/**
 * Times and attributes to set; absent ones stay unchanged.
 *
 * @since 0.1.0
 */
export type StoreChanges = Given<
  Pick<StoreNode, "creationTime" | "lastAccessTime" | "lastWriteTime" | "changeTime" | "fileAttributes">
>

/**
 * Further data of a file, as bytes that only the server understands: a self-relative SECURITY_DESCRIPTOR, a
 * FILE_FULL_EA_INFORMATION list, a REPARSE_DATA_BUFFER, a FILE_OBJECTID_BUFFER (64 bytes).
 *
 * @since 0.1.0
 */
export type Blob = "SecurityDescriptor" | "ExtendedAttributes" | "ReparsePoint" | "ObjectId"

/**
 * A named stream of a file.
 *
 * @since 0.1.0
 */
export interface StoreStream {
  readonly name: string
  readonly size: bigint
  readonly allocationSize: bigint
}

/**
 * A range of bytes.
 *
 * @since 0.1.0
 */
export interface StoreRange {
  readonly offset: bigint
  readonly length: bigint
}

/**
 * An open file, directory or named stream; it stays usable while its name changes.
 *
 * @since 0.1.0
 */
export interface StoreFile {
  readonly id: bigint
  /** The current state. For a named stream: the state of its file, with the stream's size. */
  readonly stat: Effect.Effect<StoreNode, StoreError>
  /**
   * The directory that really holds the file or directory; a listing calls it `..`. If the storage followed a symbolic
   * link, this is not the directory of the path. Clients see from it where they are, and cache nothing of a file
   * outside the directory whose changes are reported. Absent if the storage has no such links.
   */
  readonly parent?: Effect.Effect<StoreNode, StoreError> | undefined
  /**
   * The part of the storage that holds the file, such as a disk that is mounted below the root: its space, its serial
   * number, and what it can keep. Absent if the storage has one part, which `ShareStore.volume` describes.
   */
  readonly volume?: Effect.Effect<StoreVolume, StoreError> | undefined
  /** Up to `length` bytes; fewer only at the end. The bytes belong to the caller. */
  readonly read: (offset: bigint, length: number) => Effect.Effect<Uint8Array, StoreError>
  /**
   * Reads into `target` and returns the number of bytes; fewer than its length only at the end. Absent if the storage
   * returns bytes in its own memory: then `read` costs nothing more. `target` belongs to the caller again when the
   * effect is done, or was interrupted.
   */
  readonly readInto?: ((offset: bigint, target: Uint8Array) => Effect.Effect<number, StoreError>) | undefined
  /** Writes all of `data`, which belongs to the caller again when the effect is done; grows the file as needed. */
  readonly write: (offset: bigint, data: Uint8Array) => Effect.Effect<void, StoreError>
  readonly truncate: (size: bigint) => Effect.Effect<void, StoreError>
  /** When it is done, all earlier writes survive a crash. */
  readonly flush: Effect.Effect<void, StoreError>
  /**
   * Brings what was written to the storage, if the store keeps it in memory until the open ends. The server runs it at a
   * CLOSE, which gets its failure. Absent if the end of an open has nothing to do that can fail.
   */
  readonly complete?: Effect.Effect<void, StoreError> | undefined
  readonly set: (changes: StoreChanges) => Effect.Effect<void, StoreError>
  readonly getBlob: (blob: Blob) => Effect.Effect<Uint8Array | undefined, StoreError>
  /**
   * `undefined` removes the blob. The first 16 bytes of an `ObjectId` are the id itself: `Exists` if another file of the
   * volume has it, checked in the same step.
   */
  readonly setBlob: (blob: Blob, bytes: Uint8Array | undefined) => Effect.Effect<void, StoreError>
  /** The named streams, without the file's own data. */
  readonly streams: Effect.Effect<ReadonlyArray<StoreStream>, StoreError>
  /**
   * Gives an open named stream another name; with `replace`, instead of an existing stream, whose handles keep its
   * bytes. `Exists` if the name is taken. The new name can differ in case only. Absent if the storage cannot, and for a
   * file's own data.
   */
  readonly renameStream?:
    | ((name: string, options: { readonly replace: boolean }) => Effect.Effect<void, StoreError>)
    | undefined
  /** Fills a range with zeros, and frees its space if the storage can. */
  readonly zero: (range: StoreRange) => Effect.Effect<void, StoreError>
  /**
   * Copies a range of another open file of the same store, or of this one, to `offset`, without moving bytes. The source
   * has the whole range; it grows this file as needed. Fails with `Unsupported` if the two files do not allow it: the
   * server then reads and writes. Absent if the storage cannot share bytes between files.
   */
  readonly copyFrom?:
    | ((source: StoreFile, range: StoreRange, offset: bigint) => Effect.Effect<void, StoreError>)
    | undefined
  /** The parts of the range that hold data; the whole range if the storage does not know. */
  readonly allocated: (range: StoreRange) => Effect.Effect<ReadonlyArray<StoreRange>, StoreError>
}

/**
 * How to open.
 *
 * @since 0.1.0
 */
export interface StoreOpen {
  /** A named stream instead of the file's own data. */
  readonly stream?: string | undefined
  /**
   * `existing`: the file must exist. `new`: it must not exist, and is created atomically. `either`: it is created if it
   * does not exist.
   */
  readonly mode: "existing" | "new" | "either"
  /** What to create; ignored for an existing file. */
  readonly type: "file" | "directory"
  /**
   * If the storage follows symbolic links: opens a link itself if its target does not exist or is outside the root. It
   * opens as a file without bytes, which `remove` and `rename` know by its identity. Otherwise ignored.
   */
  readonly linkItself?: boolean | undefined
  /** A hint: the client will probably read or write bytes. A store can prepare for that before the next request. */
  readonly forData?: boolean | undefined
  /** For a file that is created. */
  readonly initial?: StoreChanges & { readonly securityDescriptor?: Uint8Array | undefined } | undefined
}

/**
 * The result of an open.
 *
 * @since 0.1.0
 */
export interface StoreOpened {
  readonly file: StoreFile
  readonly created: boolean
  readonly node: StoreNode
}

/**
 * The storage as a whole.
 *
 * @since 0.1.0
 */
export interface StoreVolume {
  readonly label: string
  readonly serialNumber: number
  readonly creationTime: bigint
  /**
   * Bytes in total, and bytes free for the server. If the storage has several parts: of the part that holds the root.
   */
  readonly total: bigint
  readonly free: bigint
  /** In UTF-16 code units. */
  readonly maximumComponentLength: number
  /** What the store can keep: the server announces only these features. */
  readonly supports: {
    readonly streams: boolean
    readonly securityDescriptors: boolean
    readonly extendedAttributes: boolean
    readonly reparsePoints: boolean
    readonly sparse: boolean
    /** Whether the store keeps the blob `ObjectId`. Absent: false. */
    readonly objectIds?: boolean | undefined
    /**
     * Whether a later process that serves the same files gives each of them the same `identity`, and no other file has
     * ever the identity of one of them. Without it, no share of the store can be continuously available. Absent: false.
     */
    readonly lastingIdentities?: boolean | undefined
  }
  readonly readOnly: boolean
}

/**
 * A change by another program than the server.
 *
 * @since 0.1.0
 */
export interface StoreChange {
  /** Below the watched directory. */
  readonly path: StorePath
  readonly action: "added" | "removed" | "modified"
}

/**
 * Which file an operation on a name is for.
 *
 * @since 0.1.0
 */
export interface StoreExpected {
  /**
   * The identity of the file that the name must stand for, checked in the same step: `Stale` if it stands for another
   * file. A symbolic link that the storage follows stands for its target.
   */
  readonly expected?: string | undefined
}

/**
 * How a file gets a name.
 *
 * @since 0.1.0
 */
export interface StoreNaming extends StoreExpected {
  /** Whether an existing file with the name can be replaced. */
  readonly replace: boolean
  /**
   * The identity of the only file that can be replaced: `Stale` if the name stands for another. `undefined`: any file.
   */
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
 * @since 0.1.0
 */
export interface ShareStore {
  readonly volume: Effect.Effect<StoreVolume, StoreError>
  readonly stat: (path: StorePath) => Effect.Effect<StoreNode, StoreError>
  /** Opens until the scope closes. */
  readonly open: (path: StorePath, options: StoreOpen) => Effect.Effect<StoreOpened, StoreError, Scope.Scope>
  /**
   * The entries of a directory in any order, without `.` and `..`. The server pulls them as a client asks for them, so
   * with pauses of any length. A store reads an entry's state when it is pulled, or at most 200 entries earlier.
   */
  readonly list: (path: StorePath, options?: StoreExpected) => Stream.Stream<StoreNode, StoreError>
  /** Only the names that `list` gives. Absent if that costs as much as `list`. */
  readonly names?: ((path: StorePath) => Stream.Stream<string, StoreError>) | undefined
  /**
   * The name that listings show for a file with this name, if a client can write a name in several ways, not counting
   * case. Absent: clients write each name in one way.
   */
  readonly canonicalName?: ((name: string) => string) | undefined
  /**
   * Removes a name of a file, an empty directory, or a named stream. Removing the last name removes the file. A
   * symbolic link that the storage follows is removed itself, not its target.
   */
  readonly remove: (
    path: StorePath,
    options?: StoreExpected & { readonly stream?: string | undefined }
  ) => Effect.Effect<void, StoreError>
  /**
   * Whether `remove` would succeed now: fails as `remove` would, if the storage can know. The server asks when a client
   * marks a file for deletion: the client gets an error then, but not at the last close. Absent if `list` shows every
   * entry that prevents the removal of a directory, and the storage can know nothing else.
   */
  readonly mayRemove?: ((path: StorePath, options?: StoreExpected) => Effect.Effect<void, StoreError>) | undefined
  /** Renames atomically; with `replace` over an existing file. The new name can differ in case only. */
  readonly rename: (from: StorePath, to: StorePath, options: StoreNaming) => Effect.Effect<void, StoreError>
  /** Gives a file an additional name; absent if the storage cannot. */
  readonly link?:
    | ((existing: StorePath, name: StorePath, options: StoreNaming) => Effect.Effect<void, StoreError>)
    | undefined
  /**
   * The owner of the files: two stores with the same `origin` have the same files under the same paths, and a server
   * keeps one state of locks, share modes and deletions for both. Absent: no other store has these files.
   */
  readonly origin?: object | undefined
  /**
   * The changes of other programs in a directory, or anywhere below it, while the stream is read: for change
   * notification, and to break oplocks and leases. Changes by calls of the store itself are not reported. The store
   * runs `onStart` when it reports all later changes; `all` is false if other machines can change the storage unseen.
   * Clients cache nothing in the directory before `onStart`, or if `all` is false. The stream fails when it may have
   * missed changes; the server then breaks the oplocks and leases.
   *
   * Absent if only the server changes the files: clients can cache all of them. If other programs change the files, and
   * the store cannot report it, `changes` fails with `Unsupported`.
   */
  readonly changes?:
    | ((
      directory: StorePath,
      options: { readonly recursive: boolean; readonly onStart?: ((all: boolean) => Effect.Effect<void>) | undefined }
    ) => Stream.Stream<StoreChange, StoreError>)
    | undefined
}
