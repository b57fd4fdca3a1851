/** The operations of a client on paths, as an interface. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type * as FileTime from "../Codec/FileTime.ts"
import type { Domains } from "../Codec/Sddl.ts"
import type { SecurityDescriptor, Sid } from "../Codec/SecurityDescriptor.ts"
import type * as Share from "../Protocol/Share.ts"
import type { Account } from "./Account.ts"
import type { ClientError } from "./ClientError.ts"
import type * as Directory from "./Directory.ts"
import type { Entry } from "./Entry.ts"
import type { Permissions } from "./Permissions.ts"
import type { OpenFile, UserSession } from "./ServerUse.ts"
import type { RangeOptions, SmbFile, WriteOptions } from "./SmbFile.ts"
import type { PathInput } from "./UncPath.ts"
import type { Change, WatchOptions } from "./Watch.ts"

/**
 * A read goes on at another target: `from` and `to` are the file's names at the two targets, `offset` is the next byte,
 * and `cause` is the error of the first target.
 *
 * @category models
 * @since 0.1.0
 */
export interface Move {
  readonly path: string
  readonly from: string
  readonly to: string
  readonly offset: bigint
  readonly cause: ClientError
}

/**
 * Called for each move, before anything is read at the new target.
 *
 * @since 0.1.0
 */
export type OnMove = (move: Move) => Effect.Effect<void>

/**
 * A share in a server's list.
 *
 * @since 0.1.0
 */
export interface ShareEntry {
  readonly name: string
  readonly type: "disk" | "printer" | "device" | "ipc"
  /** Hidden from normal listings: its name ends in `$`. */
  readonly special: boolean
  readonly comment: string
}

/**
 * Attributes and times to set; absent ones stay unchanged. A time is a `DateTime`, a `Date`, or a `bigint` of 100 ns
 * ticks since 1601. `ArgumentError` for an invalid `Date`, for any other value such as a `number`, and for ticks that a
 * FILETIME cannot hold.
 *
 * @since 0.1.0
 */
export interface AttributeChanges {
  readonly creationTime?: FileTime.Input | undefined
  readonly lastAccessTime?: FileTime.Input | undefined
  readonly lastWriteTime?: FileTime.Input | undefined
  readonly changeTime?: FileTime.Input | undefined
  /** FILE_ATTRIBUTE_* flags, all of them. */
  readonly fileAttributes?: number | undefined
}

/**
 * A named stream of a file.
 *
 * @since 0.1.0
 */
export interface NamedStream {
  /** Without the leading colon and the type: append it to a path as `file.txt:name`. */
  readonly name: string
  readonly size: bigint
}

/**
 * How a whole file is written.
 *
 * @category models
 * @since 0.2.0
 */
export interface WriteFileOptions {
  /** Fails with `ObjectNameCollision` if the file exists. */
  readonly create?: boolean | undefined
  /**
   * The data goes to the end of the file; a missing file is created. `SmbFile.append` says how servers find the end. If
   * this fails, the file may have any first part of the data.
   */
  readonly append?: boolean | undefined
  /**
   * All or nothing: the data is written under another name next to the file, which is renamed over the file when all of
   * it is there. Other programs see the old file or the new one, and no part of it, also if this fails, is interrupted
   * or loses its connection. If the part cannot be removed then, the log has a warning with its name.
   *
   * The new file has the permissions of a new file, and keeps the attributes hidden and system of the old one. A
   * read-only file is `AccessDenied`. A symbolic link is replaced itself. Named streams of the old file are lost. If the
   * folder takes no other name, a new file is written under its own name, and an existing one is refused. A server that
   * refuses `lastWriteTime` is no failure here: the log has a warning. `ArgumentError` with `append`.
   */
  readonly atomic?: boolean | undefined
  /** The server has the data on its disk when this ends. */
  readonly flush?: boolean | undefined
  /**
   * The time that the file gets. An `SmbError` of SET_INFO means that all data is there, and that the server refused the
   * time.
   */
  readonly lastWriteTime?: FileTime.Input | undefined
  /**
   * What others can do with the file at the same time (FILE_SHARE_* flags, MS-SMB2 2.2.13). Default: read and delete it;
   * with `append` also write it.
   */
  readonly shareAccess?: number | undefined
}

/**
 * How a sink writes a file. `append` is as in `WriteFileOptions`; `offset` and `truncate` have no meaning with it.
 *
 * @category models
 * @since 0.2.0
 */
export interface SinkOptions extends WriteOptions {
  readonly create?: boolean | undefined
  readonly append?: boolean | undefined
}

/**
 * A file that is open for reading, also if the read goes on at another target.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadableFile {
  /** `\\server\share\path`, at the server where the file was opened. */
  readonly path: string
  /** What that server returned when it opened the file. */
  readonly opened: Share.Opened
  /** Like `stream` of the client. A read that begins with this open file sends no second open. */
  readonly stream: (range?: RangeOptions) => Stream.Stream<Uint8Array, ClientError>
  /** Like `readTo` of the client. */
  readonly readTo: <E, R>(
    use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>,
    range?: RangeOptions
  ) => Effect.Effect<bigint, E | ClientError, R>
}

/**
 * The operations on paths. A path is a text such as `\\server\share\file` or an `UncPath`; sizes and offsets are bytes.
 * Every operation fails with one of `ClientError`. A number, a time, a text or bytes that cannot be used are an
 * `ArgumentError` (a path: `PathError`), and nothing is sent then.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operations {
  /**
   * Runs `use` on the share that holds a path; `use` gets the path below the share. The share, and what `use` acquires,
   * stays while the scope is open. All other operations are built on this one.
   */
  readonly withShare: <A, E, R>(
    path: PathInput,
    use: (share: Share.Share, path: string) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | ClientError, R | Scope.Scope>
  /**
   * Opens a file until the scope closes. Default: for reading. `OpenMode` has the usual options. If you have written to
   * the file, close it with its `close`, which fails with the server's error. If the scope closes the file, such an
   * error is a defect.
   */
  readonly open: (path: PathInput, options?: Share.OpenOptions) => Effect.Effect<SmbFile, ClientError, Scope.Scope>
  /**
   * The whole file, with the size that it has when it is opened. One round trip for a small file. `FileTooLarge` if the
   * file has more than `maximum` bytes (default: 2 GiB). `FileShortened` if the file became shorter during the read.
   */
  readonly readFile: (
    path: PathInput,
    options?: { readonly maximum?: number | undefined }
  ) => Effect.Effect<Uint8Array, ClientError>
  /** The whole file as UTF-8 text. */
  readonly readFileString: (path: PathInput) => Effect.Effect<string, ClientError>
  /**
   * Creates or replaces a file. One round trip for a small file. If this fails, the file may exist, and may hold any part
   * of the data, unless `atomic` is set.
   */
  readonly writeFile: (
    path: PathInput,
    data: Uint8Array | string,
    options?: WriteFileOptions
  ) => Effect.Effect<void, ClientError>
  /**
   * The bytes of a file, read ahead of the consumer. If the file ends before the part of the range that it had when it
   * was opened, the stream gives the bytes that it found and then fails with `FileShortened`.
   */
  readonly stream: (path: PathInput, range?: RangeOptions) => Stream.Stream<Uint8Array, ClientError>
  /**
   * Creates or replaces a file with the bytes that come, and returns the count of bytes. With `offset`, also 0, it
   * writes from that byte on into the existing file, or creates the file. The bytes of the file before `offset` and
   * after the last byte written stay, unless `truncate` ends the file there. With `create`, fails if the file exists.
   * With `append`, it writes to the end of the file, one WRITE after the other.
   *
   * If it fails, the bytes that were written stay, so that the caller can go on with `offset`.
   */
  readonly sink: (
    path: PathInput,
    options?: SinkOptions
  ) => Sink.Sink<bigint, Uint8Array, never, ClientError>
  /**
   * Passes the bytes of a file to `use` in order, each chunk with its offset; returns the count of bytes. A chunk is
   * lent: do not keep it after `use`. This is the fast way for large files: the same few buffers are filled again and
   * again.
   */
  readonly readTo: <E, R>(
    path: PathInput,
    use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>,
    range?: RangeOptions
  ) => Effect.Effect<bigint, E | ClientError, R>
  /**
   * Opens a file for reading from start to end, until the scope closes, for callers that need its attributes first.
   * Unlike a file from `open`, the read goes on at the next target if a target fails, as with `readTo` and `stream` of
   * the client; `onMove` is called.
   *
   * With `atOnce`, a file of less than 64 KiB is opened, read and closed in one round trip, and its reads then return the
   * bytes that it had at that time. A larger file is opened once more.
   */
  readonly openToRead: (
    path: PathInput,
    options?: { readonly onMove?: OnMove | undefined; readonly atOnce?: boolean | undefined }
  ) => Effect.Effect<ReadableFile, ClientError, Scope.Scope>
  /**
   * Creates or replaces a file with the bytes that `fill` puts into the buffers that it is lent, until it puts none;
   * returns the count of bytes. A buffer has room for one request, or for several that have at most 1 MiB together.
   * `offset`, `truncate`, `create` and failures are as with `sink`.
   */
  readonly writeFrom: <E, R>(
    path: PathInput,
    fill: (buffer: Uint8Array, offset: bigint) => Effect.Effect<number, E, R>,
    options?: WriteOptions & { readonly create?: boolean | undefined }
  ) => Effect.Effect<bigint, E | ClientError, R>
  /** The entry at a path. `follow: false` looks at a symbolic link itself. */
  readonly stat: (
    path: PathInput,
    options?: { readonly follow?: boolean | undefined }
  ) => Effect.Effect<Entry, ClientError>
  /** Whether a path exists. */
  readonly exists: (path: PathInput) => Effect.Effect<boolean, ClientError>
  /**
   * The entries of a directory in the order of arrival, those that match `pattern` (`*` and `?`). Their `relativePath`
   * is their name.
   */
  readonly list: (
    path: PathInput,
    options?: { readonly pattern?: string | undefined }
  ) => Stream.Stream<Entry, ClientError>
  /**
   * Everything below a directory, each directory before its entries. `relativePath` of an entry is its path from the
   * directory that the walk begins with.
   */
  readonly walk: (path: PathInput, options?: Directory.WalkOptions) => Stream.Stream<Entry, ClientError>
  /** Creates a directory. With `recursive`, also creates its parents, and an existing directory is no error. */
  readonly makeDirectory: (
    path: PathInput,
    options?: { readonly recursive?: boolean | undefined }
  ) => Effect.Effect<void, ClientError>
  /**
   * Removes a file, an empty directory, or with `recursive` a tree. With `force`, also removes a read-only entry, and a
   * missing one is no error.
   *
   * A link is removed itself, and not its target. A share's root or a DFS link cannot be removed: `RemovalError` with
   * the reason `RootOrLink`, before anything is removed. If one entry of a tree fails, the others are still removed: at
   * the end the operation fails with the reason `RemovalIncomplete`, which counts the removed entries. If another client
   * removes the same tree at the same time, that is no failure.
   */
  readonly remove: (
    path: PathInput,
    options?: { readonly recursive?: boolean | undefined; readonly force?: boolean | undefined }
  ) => Effect.Effect<void, ClientError>
  /**
   * The entry at a path, if `remove` can remove it. Reason `RootOrLink` for a share's root, a DFS link, and with `recursive` a
   * link of the server's own file system. Nothing is changed. Links are not followed.
   *
   * With `access`, also fails as `remove` would if the entry is read-only (unless `force` is given), if this user may not
   * delete it, or if another program has it open in a way that excludes this. The entries below a directory are not
   * looked at.
   */
  readonly removable: (
    path: PathInput,
    options?: {
      readonly recursive?: boolean | undefined
      readonly access?: boolean | undefined
      readonly force?: boolean | undefined
    }
  ) => Effect.Effect<Entry, ClientError>
  /**
   * Renames within one share. With `replace`, also over an existing file. Reason `RootOrLink` for a share's root and a DFS
   * link.
   */
  readonly rename: (
    from: PathInput,
    to: PathInput,
    options?: { readonly replace?: boolean | undefined }
  ) => Effect.Effect<void, ClientError>
  /**
   * Copies a file. If one server holds both files, it copies by itself; otherwise the data goes through this machine.
   * With `create`, fails if the target exists. If the copy fails or is interrupted, a target that it created is removed
   * again, as long as the connection lives; an existing target was already emptied, and keeps what was copied.
   * `FileShortened` if the source became shorter during the copy.
   */
  readonly copy: (
    from: PathInput,
    to: PathInput,
    options?: { readonly create?: boolean | undefined }
  ) => Effect.Effect<void, ClientError>
  /** The changes in a directory, until the stream ends. */
  readonly watch: (path: PathInput, options?: WatchOptions) => Stream.Stream<Change, ClientError>
  /** Sets attributes and times. */
  readonly setAttributes: (path: PathInput, changes: AttributeChanges) => Effect.Effect<void, ClientError>
  /** Sets the size of a file in bytes: cuts it, or fills it up with zeros. */
  readonly truncate: (path: PathInput, size: bigint | number) => Effect.Effect<void, ClientError>
  readonly security: {
    /** Owner, group and DACL; with `audit` also the SACL, which needs a privilege. */
    readonly get: (
      path: PathInput,
      options?: { readonly audit?: boolean | undefined }
    ) => Effect.Effect<SecurityDescriptor, ClientError>
    /** The same for people: entries with the names of their accounts, and rights in words. */
    readonly permissions: (
      path: PathInput,
      options?: { readonly audit?: boolean | undefined }
    ) => Effect.Effect<Permissions, ClientError>
    /**
     * Sets the parts that the descriptor has. SE_DACL_PRESENT without a DACL sets one that gives everybody all rights
     * (MS-DTYP 2.4.6).
     */
    readonly set: (path: PathInput, descriptor: SecurityDescriptor) => Effect.Effect<void, ClientError>
  }
  /** The named streams of a file (alternate data streams), without the file's own data. */
  readonly namedStreams: (path: PathInput) => Effect.Effect<ReadonlyArray<NamedStream>, ClientError>
  /** The target of a symbolic link, as it was written. */
  readonly readLink: (path: PathInput) => Effect.Effect<string, ClientError>
  /**
   * Creates a symbolic link; a target without a root is relative to the link's directory. `printName` is the target as
   * `readLink` and other clients show it (MS-FSCC 2.1.2.4). Default: the target.
   */
  readonly makeLink: (
    path: PathInput,
    target: string,
    options?: { readonly directory?: boolean | undefined; readonly printName?: string | undefined }
  ) => Effect.Effect<void, ClientError>
  /**
   * Gives the file `from` one more name, `to`, on the same share (a hard link). `ObjectNameCollision` if `to` exists.
   * Reason `AcrossShares` if `to` is on another share, `RootOrLink` for a share's root and a DFS link.
   */
  readonly makeHardLink: (from: PathInput, to: PathInput) => Effect.Effect<void, ClientError>
  /** The previous versions of a file or directory as `@GMT-` tokens. Insert one into a path as a component. */
  readonly previousVersions: (path: PathInput) => Effect.Effect<ReadonlyArray<string>, ClientError>
  /** The shares of a server. */
  readonly shares: (server: PathInput) => Effect.Effect<ReadonlyArray<ShareEntry>, ClientError>
  /**
   * The accounts of SIDs, in the same order, as the server that holds the path knows them (MS-LSAT). Well-known SIDs need
   * no request. A SID that the server does not know, and every SID if the server tells no names, is an account of type
   * `unknown` whose name is the text of the SID.
   */
  readonly lookupSids: (
    path: PathInput,
    sids: ReadonlyArray<Sid>
  ) => Effect.Effect<ReadonlyArray<Account>, ClientError>
  /**
   * The accounts of names, in the same order: `ann`, `CORP\ann`, `ann@corp.test`, a well-known name such as
   * `Everyone`, or the text of a SID. `undefined` for a name that the server that holds the path does not know. A server
   * that does not translate names is an error: `SmbError`, or `ProtocolError` with the reason `UnexpectedResponse`.
   */
  readonly lookupNames: (
    path: PathInput,
    names: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Account | undefined>, ClientError>
  /**
   * The SIDs of the machine that holds the path, of its domain, and of the root domain of the forest (MS-LSAD), for
   * `Sddl.fromSddl` and `Sddl.toSddl`. What the machine does not have or tell is `undefined`: a machine outside of a
   * domain has only `machine`. A server that tells nothing is an error: `SmbError`, or `ProtocolError` with the reason
   * `UnexpectedResponse`.
   */
  readonly lookupDomains: (path: PathInput) => Effect.Effect<Domains, ClientError>
  /** The files that users have open on a server. `AccessDenied` if the user is no administrator there. */
  readonly openFiles: (server: PathInput) => Effect.Effect<ReadonlyArray<OpenFile>, ClientError>
  /** The sessions of a server. `AccessDenied` if the user is no administrator there. */
  readonly sessions: (server: PathInput) => Effect.Effect<ReadonlyArray<UserSession>, ClientError>
}
