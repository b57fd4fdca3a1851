/**
 * What a client can do with paths, as an interface.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { SecurityDescriptor } from "../Codec/SecurityDescriptor.ts"
import type * as Share from "../Protocol/Share.ts"
import type { ClientError } from "./ClientError.ts"
import type * as Directory from "./Directory.ts"
import type { Entry } from "./Entry.ts"
import type { RangeOptions, SmbFile, WriteOptions } from "./SmbFile.ts"
import type { PathInput } from "./UncPath.ts"
import type { Change, WatchOptions } from "./Watch.ts"

/**
 * Reading goes on elsewhere: `from` and `to` are the file's names at the two targets, `offset` is the next byte, and
 * `cause` what the first of them died of.
 *
 * @category models
 */
export interface Move {
  readonly path: string
  readonly from: string
  readonly to: string
  readonly offset: bigint
  readonly cause: ClientError
}

/** Is told of each move, before anything is read there. */
export type OnMove = (move: Move) => Effect.Effect<void>

/** A share in a server's list. */
export interface ShareEntry {
  readonly name: string
  readonly type: "disk" | "printer" | "device" | "ipc"
  /** Kept from casual view: its name ends in `$`. */
  readonly special: boolean
  readonly comment: string
}

/** Attributes and times to set; what is left out stays. Times in 100 ns ticks since 1601. */
export interface AttributeChanges {
  readonly creationTime?: bigint
  readonly lastAccessTime?: bigint
  readonly lastWriteTime?: bigint
  readonly changeTime?: bigint
  /** FILE_ATTRIBUTE_* flags, all of them. */
  readonly fileAttributes?: number
}

/** A named stream of a file. */
export interface NamedStream {
  /** Without the leading colon and the type: append it to a path as `file.txt:name`. */
  readonly name: string
  readonly size: bigint
}

/**
 * A file that is open to be read, wherever it goes on.
 *
 * @category models
 */
export interface ReadableFile {
  /** `\\server\share\path`, at the server that it was opened at. */
  readonly path: string
  /** What that server said when it opened the file. */
  readonly opened: Share.Opened
  /** As the client's `readTo`. */
  readonly readTo: <E, R>(
    use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>,
    range?: RangeOptions
  ) => Effect.Effect<bigint, E | ClientError, R>
}

/**
 * The operations on paths. A path is a text such as `\\server\share\file` or an `UncPath`; sizes and offsets are bytes.
 * Every operation fails with one of `ClientError`.
 *
 * @category models
 */
export interface Operations {
  /**
   * Runs `use` on the share that holds a path; `use` gets the path below it. The share, and what `use` acquires, stays
   * while the scope is open. What all other operations are built on.
   */
  readonly withShare: <A, E, R>(
    path: PathInput,
    use: (share: Share.Share, path: string) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | ClientError, R | Scope.Scope>
  /**
   * Opens a file until the scope closes; to read where `options` are left out. `OpenMode` has the usual ones. What was
   * written to is to be closed by its `close`, which fails with what the server says: where the scope closes it, that is a
   * defect.
   */
  readonly open: (path: PathInput, options?: Share.OpenOptions) => Effect.Effect<SmbFile, ClientError, Scope.Scope>
  /**
   * The whole file, as large as it is when it is opened. One round trip for a small one. At most `maximum` bytes, 2 GiB where left out. `FileShortened` where
   * the file became shorter meanwhile.
   */
  readonly readFile: (
    path: PathInput,
    options?: { readonly maximum?: number }
  ) => Effect.Effect<Uint8Array, ClientError>
  /** The whole file as UTF-8 text. */
  readonly readFileString: (path: PathInput) => Effect.Effect<string, ClientError>
  /**
   * Makes or replaces a file. One round trip for a small one. With `create`, fails where there is one. If it fails, the
   * file may be there, and hold any part of the data.
   */
  readonly writeFile: (
    path: PathInput,
    data: Uint8Array | string,
    options?: { readonly create?: boolean; readonly flush?: boolean }
  ) => Effect.Effect<void, ClientError>
  /**
   * The bytes of a file, read ahead of the consumer. Where the file ends before what it had of the range when it was
   * opened, the bytes that were there come first, and then `FileShortened`.
   */
  readonly stream: (path: PathInput, range?: RangeOptions) => Stream.Stream<Uint8Array, ClientError>
  /**
   * Makes or replaces a file with what comes; gives the count of bytes. With `offset`, also 0, it writes from there on
   * into the file that is there, and makes one where there is none: what was in the file before `offset`, and behind the
   * last byte written, stays, unless `truncate` ends the file there. With `create`, fails where there is a file.
   *
   * If it fails, what was written until then is left, so that it can be gone on with by `offset`.
   */
  readonly sink: (
    path: PathInput,
    options?: WriteOptions & { readonly create?: boolean }
  ) => Sink.Sink<bigint, Uint8Array, never, ClientError>
  /**
   * Hands the bytes of a file to `use` in order, each chunk with its offset; gives the count of bytes. A chunk is lent: it
   * must not be kept after `use`. The fast way for large files: the same few buffers are filled again and again.
   */
  readonly readTo: <E, R>(
    path: PathInput,
    use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>,
    range?: RangeOptions
  ) => Effect.Effect<bigint, E | ClientError, R>
  /**
   * Opens a file to be read from one end to the other until the scope closes, for who wants to know it first. Unlike a
   * file from `open` it is read on at the next target when its own dies, as by the client's `readTo`; `onMove` is told.
   */
  readonly openToRead: (
    path: PathInput,
    options?: { readonly onMove?: OnMove | undefined }
  ) => Effect.Effect<ReadableFile, ClientError, Scope.Scope>
  /**
   * Makes or replaces a file with what `fill` puts into the buffers that it is lent, until it puts nothing; gives the
   * count of bytes. `offset`, `truncate` and `create` are as with `sink`, and so is a failure.
   */
  readonly writeFrom: <E, R>(
    path: PathInput,
    fill: (buffer: Uint8Array, offset: bigint) => Effect.Effect<number, E, R>,
    options?: WriteOptions & { readonly create?: boolean }
  ) => Effect.Effect<bigint, E | ClientError, R>
  /** What a path is. `follow: false` looks at a symbolic link itself. */
  readonly stat: (path: PathInput, options?: { readonly follow?: boolean }) => Effect.Effect<Entry, ClientError>
  /** Whether there is something at a path. */
  readonly exists: (path: PathInput) => Effect.Effect<boolean, ClientError>
  /** The entries of a directory as they come, those that match `pattern` (`*` and `?`). */
  readonly list: (path: PathInput, options?: { readonly pattern?: string }) => Stream.Stream<Entry, ClientError>
  /** Everything below a directory, each directory before what is in it. */
  readonly walk: (path: PathInput, options?: Directory.WalkOptions) => Stream.Stream<Entry, ClientError>
  /** Makes a directory; with `recursive` also those above it, and no error where it is there. */
  readonly makeDirectory: (
    path: PathInput,
    options?: { readonly recursive?: boolean }
  ) => Effect.Effect<void, ClientError>
  /**
   * Removes a file, an empty directory, or with `recursive` a tree. `force`: also what is read-only, or not there.
   *
   * Links are removed themselves. A share's root and a DFS link cannot be: `RootOrLink`, before anything is removed. What one
   * entry of a tree fails with does not stop the others: at the end it is `RemovalIncomplete`, which counts what is gone.
   * That others remove the same tree meanwhile is no failure.
   */
  readonly remove: (
    path: PathInput,
    options?: { readonly recursive?: boolean; readonly force?: boolean }
  ) => Effect.Effect<void, ClientError>
  /**
   * What is at a path, if `remove` may take it: `RootOrLink` for a share's root, a DFS link, and with `recursive` a link of the
   * server's own. Nothing is changed. Links are not followed.
   */
  readonly removable: (
    path: PathInput,
    options?: { readonly recursive?: boolean }
  ) => Effect.Effect<Entry, ClientError>
  /** Renames within one share. With `replace` over a file that is there. `RootOrLink` for a share's root and a DFS link. */
  readonly rename: (
    from: PathInput,
    to: PathInput,
    options?: { readonly replace?: boolean }
  ) => Effect.Effect<void, ClientError>
  /**
   * Copies a file: the server by itself where it holds both, else through this machine. With `create`, fails where there
   * is a file. If it fails or is interrupted, a target that it made is removed again, as long as the connection lives; a
   * file that was there had been emptied by then, and keeps what was copied. `FileShortened` where the source became
   * shorter meanwhile.
   */
  readonly copy: (
    from: PathInput,
    to: PathInput,
    options?: { readonly create?: boolean }
  ) => Effect.Effect<void, ClientError>
  /** What changes in a directory, until the stream is left. */
  readonly watch: (path: PathInput, options?: WatchOptions) => Stream.Stream<Change, ClientError>
  /** Sets attributes and times. */
  readonly setAttributes: (path: PathInput, changes: AttributeChanges) => Effect.Effect<void, ClientError>
  /** Cuts a file, or fills it up with zeros. */
  readonly truncate: (path: PathInput, size: bigint | number) => Effect.Effect<void, ClientError>
  readonly security: {
    /** Owner, group and DACL; with `audit` the SACL too, which takes a privilege. */
    readonly get: (
      path: PathInput,
      options?: { readonly audit?: boolean }
    ) => Effect.Effect<SecurityDescriptor, ClientError>
    /** Sets those parts that the descriptor has. */
    readonly set: (path: PathInput, descriptor: SecurityDescriptor) => Effect.Effect<void, ClientError>
  }
  /** The named streams of a file (alternate data streams), without the file's own data. */
  readonly namedStreams: (path: PathInput) => Effect.Effect<ReadonlyArray<NamedStream>, ClientError>
  /** What a symbolic link points at, as it was written. */
  readonly readLink: (path: PathInput) => Effect.Effect<string, ClientError>
  /** Makes a symbolic link; a target without a root is relative to the link's directory. */
  readonly makeLink: (
    path: PathInput,
    target: string,
    options?: { readonly directory?: boolean }
  ) => Effect.Effect<void, ClientError>
  /** The previous versions of a file or directory as `@GMT-` tokens, to be put into a path as a component. */
  readonly previousVersions: (path: PathInput) => Effect.Effect<ReadonlyArray<string>, ClientError>
  /** The shares of a server. */
  readonly shares: (server: PathInput) => Effect.Effect<ReadonlyArray<ShareEntry>, ClientError>
}
