/**
 * The client for programs without Effect: promises, async iterables and web streams.
 *
 * The names are those of `Client/Operations`, and every operation does the same. A promise is rejected with one of
 * `ClientError`, with the `reason` of the caller's signal, or with `ClientClosed`.
 */
import type { Account } from "../Client/Account.ts"
import type { ClientError } from "../Client/ClientError.ts"
import type { Entry } from "../Client/Entry.ts"
import type {
  AttributeChanges,
  Move,
  NamedStream,
  ShareEntry,
  SinkOptions,
  WriteFileOptions
} from "../Client/Operations.ts"
import type { Permissions } from "../Client/Permissions.ts"
import type { Notice } from "../Client/ReconnectNotice.ts"
import type { OpenFile, UserSession } from "../Client/ServerUse.ts"
import type { RangeOptions, WriteOptions } from "../Client/SmbFile.ts"
import type { PathInput } from "../Client/UncPath.ts"
import type { Change } from "../Client/Watch.ts"
import type { Domains } from "../Codec/Sddl.ts"
import type { SecurityDescriptor, Sid } from "../Codec/SecurityDescriptor.ts"
import type { SmbError } from "../Protocol/Errors.ts"
import type * as Operation from "../Protocol/Operation.ts"
import type * as ProtocolShare from "../Protocol/Share.ts"
import type { ConnectionOptions, CredentialOptions, UserOptions } from "../Smb/Smb.ts"

/**
 * The options of the client, of TCP and of DFS, all with defaults, and an account: `user`, `password` as text and
 * `domain`, or a `credential` of `effect-smb/Auth`. A time is a text such as `"30 seconds"`, or a number of
 * milliseconds.
 *
 * @category models
 * @since 0.2.0
 */
export type ConnectOptions =
  & Omit<ConnectionOptions, "onReconnect">
  & {
    /** Is told of each lost connection, and of how each open file went on. What it throws is ignored. */
    readonly onReconnect?: ((notice: Notice) => unknown) | undefined
  }
  & ((Omit<UserOptions, "password"> & { readonly password: string }) | CredentialOptions)

/**
 * Options of every operation.
 *
 * @category models
 * @since 0.2.0
 */
export interface RequestOptions {
  /**
   * Interrupts the operation: the client cancels its requests, releases what it holds, and rejects the promise with the
   * signal's reason. An operation that has ended successfully by then stays successful. A signal that is aborted
   * before the operation begins sends no request.
   */
  readonly signal?: AbortSignal | undefined
}

/**
 * A range of a file in bytes, as in `fs.createReadStream` of Node: both ends are part of the range.
 *
 * @category models
 * @since 0.2.0
 */
export interface ReadStreamOptions extends RequestOptions {
  /** The first byte. Default: 0. */
  readonly start?: bigint | number | undefined
  /** The last byte. Default: that of the file. */
  readonly end?: bigint | number | undefined
}

/**
 * Bytes to write, in order. A `ReadableStream` and a `Readable` of Node are async iterables too.
 *
 * @category models
 * @since 0.2.0
 */
export type Source = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/**
 * Gets each chunk of a file with its offset in bytes. The chunk is lent: do not keep it after the function, or the
 * promise that it returns, has ended. An error that it throws ends the read and rejects the promise of the read.
 *
 * @category models
 * @since 0.2.0
 */
export type Use = (chunk: Uint8Array, offset: bigint) => unknown

/**
 * Puts bytes into the start of the buffer that it is lent, and returns how many; 0 ends the file.
 *
 * @category models
 * @since 0.2.0
 */
export type Fill = (buffer: Uint8Array, offset: bigint) => number | PromiseLike<number>

/**
 * Ranges of bytes that are locked until `unlock`, or until the file is closed.
 *
 * @category models
 * @since 0.2.0
 */
export interface Lock extends AsyncDisposable {
  readonly unlock: () => Promise<void>
}

/**
 * An open file. Close it with `close` or `await using`; the client closes the files that are open when it is closed
 * itself. Offsets and sizes in bytes.
 *
 * @category models
 * @since 0.2.0
 */
export interface File extends AsyncDisposable {
  /** `\\server\share\path`, at the server that holds the file. */
  readonly path: string
  readonly share: Share
  /** What the server returned when it opened the file: size, times, attributes, lease, durable handle. */
  readonly opened: ProtocolShare.Opened
  /** The current lease or oplock. */
  readonly caching: ProtocolShare.OpenFile["caching"]
  /** Up to `length` bytes from `offset` on; fewer at the current end of the file. */
  readonly read: (offset: bigint | number, length: number, options?: RequestOptions) => Promise<Uint8Array>
  /** Fills `destination`, and returns how many bytes it read. After a failure, do not use the buffer again. */
  readonly readInto: (
    offset: bigint | number,
    destination: Uint8Array,
    options?: RequestOptions
  ) => Promise<number>
  /** The bytes in order, many requests ahead of the reader. */
  readonly stream: (range?: RangeOptions & RequestOptions) => AsyncIterable<Uint8Array>
  /** Passes the bytes to `use` in order; returns the count of bytes. */
  readonly readTo: (use: Use, range?: RangeOptions & RequestOptions) => Promise<bigint>
  /** Writes all of `data`, which must not change until the promise is settled. */
  readonly write: (offset: bigint | number, data: Uint8Array, options?: RequestOptions) => Promise<void>
  /**
   * Writes all of `data` to the end of the file, wherever that is then: two programs that append do not overwrite each
   * other's bytes. `SmbFile.append` of `effect-smb` says how servers find the end.
   */
  readonly append: (data: Uint8Array, options?: RequestOptions) => Promise<void>
  /**
   * Writes the bytes of `source` from `offset` on, or with `append` to the end; returns the count of bytes. It does not
   * close the file.
   */
  readonly sink: (source: Source, options?: Omit<SinkOptions, "create"> & RequestOptions) => Promise<bigint>
  /** Writes the bytes that `fill` puts into the buffers that it is lent; returns the count of bytes. */
  readonly writeFrom: (fill: Fill, options?: WriteOptions & RequestOptions) => Promise<bigint>
  readonly flush: (options?: RequestOptions) => Promise<void>
  readonly truncate: (size: bigint | number, options?: RequestOptions) => Promise<void>
  /**
   * Locks ranges of bytes: all of them, or none. Default: `exclusive`. Waits until the ranges are free. With
   * `wait: false`, `LockNotGranted` if one of them is not free.
   */
  readonly lock: (
    ranges: ReadonlyArray<{ readonly offset: bigint | number; readonly length: bigint | number }>,
    options?: RequestOptions & { readonly exclusive?: boolean | undefined; readonly wait?: boolean | undefined }
  ) => Promise<Lock>
  /** Runs any operation of the protocol. */
  readonly run: <O extends Operation.Any>(operation: O, options?: RequestOptions) => Promise<Operation.Output<O>>
  /**
   * Closes the file. Rejected with the server's error if it could not keep the written data. Later calls do nothing
   * more.
   */
  readonly close: () => Promise<void>
}

/**
 * A file that is open for reading from start to end, also if the read goes on at another target of DFS.
 *
 * @category models
 * @since 0.2.0
 */
export interface ReadableFile extends AsyncDisposable {
  /** `\\server\share\path`, at the server where the file was opened. */
  readonly path: string
  /** What that server returned when it opened the file. */
  readonly opened: ProtocolShare.Opened
  /** The bytes in order, read ahead of the consumer. */
  readonly stream: (range?: RangeOptions & RequestOptions) => AsyncIterable<Uint8Array>
  readonly readTo: (use: Use, range?: RangeOptions & RequestOptions) => Promise<bigint>
  readonly close: () => Promise<void>
}

/**
 * The results of a batch, in order: the value of an operation, or the error with which the server refused it.
 *
 * @category models
 * @since 0.2.0
 */
export type Results<Ops extends ReadonlyArray<Operation.Any>> = {
  readonly [K in keyof Ops]:
    | { readonly ok: true; readonly value: Operation.Output<Ops[K]> }
    | { readonly ok: false; readonly error: SmbError }
}

/**
 * A share of a server, in the name of one user.
 *
 * @category models
 * @since 0.2.0
 */
export interface Share extends Omit<ProtocolShare.Share, "open" | "batch" | "control"> {
  /** Opens a file by its path below the share. */
  readonly open: (path: string, options: ProtocolShare.OpenOptions & RequestOptions) => Promise<File>
  /** Opens a file, runs operations on it and closes it, in one round trip if the protocol can. */
  readonly batch: <const Ops extends ReadonlyArray<Operation.Any>>(
    path: string,
    options: ProtocolShare.OpenOptions & RequestOptions,
    operations: Ops
  ) => Promise<{ readonly opened: ProtocolShare.Opened; readonly results: Results<Ops> }>
  /** A control on the share itself: a DFS referral, or the server's interfaces. */
  readonly control: (operation: Operation.Ioctl, options?: RequestOptions) => Promise<Uint8Array>
}

/**
 * Options of `walk`. The functions may return a promise. An error that one of them throws ends the walk.
 *
 * @category models
 * @since 0.2.0
 */
export interface WalkOptions extends RequestOptions {
  /** How many directories are listed at once. Default: 8. */
  readonly concurrency?: number | undefined
  /** How many levels below the start. Default: 128. */
  readonly maximumDepth?: number | undefined
  /** Called when a directory cannot be listed. The walk then goes on without it. Default: the walk fails. */
  readonly onError?: ((error: ClientError, directory: Entry) => unknown) | undefined
  /** Called with a directory that is one of its own ancestors. The directory is not entered again. */
  readonly onLoop?: ((directory: Entry) => unknown) | undefined
  /** Whether a directory below the start is wanted, with everything in it. */
  readonly enter?: ((directory: Entry) => boolean | PromiseLike<boolean>) | undefined
}

/**
 * Options of `watch`.
 *
 * @category models
 * @since 0.2.0
 */
export interface WatchOptions extends RequestOptions {
  /** Also watches everything below the directory. */
  readonly recursive?: boolean | undefined
  /** FILE_NOTIFY_CHANGE_* flags. Default: names, sizes, attributes and last writes. */
  readonly completionFilter?: number | undefined
  /** Called when the request to watch is sent: the iteration sees all changes from then on. */
  readonly onStart?: (() => unknown) | undefined
}

/**
 * Files on SMB servers. A path is a text such as `//server/share/file` or an `UncPath`; sizes and offsets are bytes. The
 * times of an entry are ticks of 100 ns since 1601, and dates of Effect: `new Date(entry.lastWritten.epochMilliseconds)`.
 * A time to set is a `Date`, or ticks.
 *
 * An async iterable sends its first request with the first `next`. A loop that ends early, by `break` or by an error,
 * closes what the iteration holds open.
 *
 * @category models
 * @since 0.2.0
 */
export interface Client extends AsyncDisposable {
  /**
   * Runs `use` on the share that holds a path; `use` gets the path below the share. The share, and the files that `use`
   * opens, stay until the promise of `use` is settled.
   */
  readonly withShare: <A>(
    path: PathInput,
    use: (share: Share, path: string) => A | PromiseLike<A>,
    options?: RequestOptions
  ) => Promise<A>
  /** Opens a file. Default: for reading. `OpenMode` of `effect-smb` has the usual options. */
  readonly open: (
    path: PathInput,
    options?: (ProtocolShare.OpenOptions & RequestOptions) | RequestOptions
  ) => Promise<File>
  /** The whole file. `FileTooLarge` if it has more than `maximum` bytes (default: 2 GiB). */
  readonly readFile: (
    path: PathInput,
    options?: RequestOptions & { readonly maximum?: number | undefined }
  ) => Promise<Uint8Array>
  /** The whole file as UTF-8 text. */
  readonly readFileString: (path: PathInput, options?: RequestOptions) => Promise<string>
  /**
   * Creates or replaces a file. With `create`, fails if the file exists. With `atomic`, other programs see the old file
   * or the whole new one. With `append`, the data goes to the end of the file.
   */
  readonly writeFile: (
    path: PathInput,
    data: Uint8Array | string,
    options?: RequestOptions & WriteFileOptions
  ) => Promise<void>
  /** The bytes of a file, read ahead of the consumer. */
  readonly stream: (path: PathInput, range?: RangeOptions & RequestOptions) => AsyncIterable<Uint8Array>
  /** The bytes of a file, or of a range of it, as a web stream. The file is opened at the first read. */
  readonly readStream: (path: PathInput, options?: ReadStreamOptions) => ReadableStream<Uint8Array>
  /**
   * Creates or replaces a file with the bytes of `source`, and returns the count of bytes. With `offset`, also 0, it
   * writes from that byte on into the existing file. With `create`, fails if the file exists. With `append`, it writes to
   * the end of the file.
   */
  readonly sink: (
    path: PathInput,
    source: Source,
    options?: SinkOptions & RequestOptions
  ) => Promise<bigint>
  /**
   * The same as a web stream. `close` is settled when the server has closed the file. `abort` leaves the bytes that
   * were written. Do not change a chunk before the stream is closed.
   */
  readonly writeStream: (
    path: PathInput,
    options?: SinkOptions & RequestOptions
  ) => WritableStream<Uint8Array>
  /** Passes the bytes of a file to `use` in order: the fastest way. Returns the count of bytes. */
  readonly readTo: (path: PathInput, use: Use, range?: RangeOptions & RequestOptions) => Promise<bigint>
  /**
   * Opens a file for reading from start to end, for callers that need its attributes first. With `atOnce`, a file of less
   * than 64 KiB is opened, read and closed in one round trip, and a larger file is opened once more.
   */
  readonly openToRead: (
    path: PathInput,
    options?: RequestOptions & {
      readonly onMove?: ((move: Move) => unknown) | undefined
      readonly atOnce?: boolean | undefined
    }
  ) => Promise<ReadableFile>
  /** Creates or replaces a file with the bytes that `fill` puts into the buffers that it is lent. */
  readonly writeFrom: (
    path: PathInput,
    fill: Fill,
    options?: WriteOptions & RequestOptions & { readonly create?: boolean | undefined }
  ) => Promise<bigint>
  /** The entry at a path. `follow: false` looks at a symbolic link itself. */
  readonly stat: (
    path: PathInput,
    options?: RequestOptions & { readonly follow?: boolean | undefined }
  ) => Promise<Entry>
  /** Whether a path exists. */
  readonly exists: (path: PathInput, options?: RequestOptions) => Promise<boolean>
  /** The entries of a directory in the order of arrival, those that match `pattern` (`*` and `?`). */
  readonly list: (
    path: PathInput,
    options?: RequestOptions & { readonly pattern?: string | undefined }
  ) => AsyncIterable<Entry>
  /** Everything below a directory, each directory before its entries. */
  readonly walk: (path: PathInput, options?: WalkOptions) => AsyncIterable<Entry>
  /** Creates a directory. With `recursive`, also its parents, and an existing directory is no error. */
  readonly makeDirectory: (
    path: PathInput,
    options?: RequestOptions & { readonly recursive?: boolean | undefined }
  ) => Promise<void>
  /** Removes a file, an empty directory, or with `recursive` a tree. With `force`, a missing entry is no error. */
  readonly remove: (
    path: PathInput,
    options?: RequestOptions & { readonly recursive?: boolean | undefined; readonly force?: boolean | undefined }
  ) => Promise<void>
  /** The entry at a path, if `remove` can remove it. Nothing is changed. */
  readonly removable: (
    path: PathInput,
    options?: RequestOptions & { readonly recursive?: boolean | undefined }
  ) => Promise<Entry>
  /** Renames within one share. With `replace`, also over an existing file. */
  readonly rename: (
    from: PathInput,
    to: PathInput,
    options?: RequestOptions & { readonly replace?: boolean | undefined }
  ) => Promise<void>
  /** Gives a file one more name on its share (a hard link). */
  readonly makeHardLink: (from: PathInput, to: PathInput, options?: RequestOptions) => Promise<void>
  /** Copies a file; the server copies by itself if it holds both. With `create`, fails if the target exists. */
  readonly copy: (
    from: PathInput,
    to: PathInput,
    options?: RequestOptions & { readonly create?: boolean | undefined }
  ) => Promise<void>
  /** The changes in a directory, until the loop ends. */
  readonly watch: (path: PathInput, options?: WatchOptions) => AsyncIterable<Change>
  /** Sets attributes and times. */
  readonly setAttributes: (path: PathInput, changes: AttributeChanges, options?: RequestOptions) => Promise<void>
  /** Sets the size of a file in bytes: cuts it, or fills it up with zeros. */
  readonly truncate: (path: PathInput, size: bigint | number, options?: RequestOptions) => Promise<void>
  readonly security: {
    /** Owner, group and DACL; with `audit` also the SACL, which needs a privilege. */
    readonly get: (
      path: PathInput,
      options?: RequestOptions & { readonly audit?: boolean | undefined }
    ) => Promise<SecurityDescriptor>
    /** The same for people: entries with the names of their accounts, and rights in words. */
    readonly permissions: (
      path: PathInput,
      options?: RequestOptions & { readonly audit?: boolean | undefined }
    ) => Promise<Permissions>
    /** Sets the parts that the descriptor has. */
    readonly set: (path: PathInput, descriptor: SecurityDescriptor, options?: RequestOptions) => Promise<void>
  }
  /** The named streams of a file, without the file's own data. */
  readonly namedStreams: (path: PathInput, options?: RequestOptions) => Promise<ReadonlyArray<NamedStream>>
  /** The target of a symbolic link, as it was written. */
  readonly readLink: (path: PathInput, options?: RequestOptions) => Promise<string>
  /** Creates a symbolic link. */
  readonly makeLink: (
    path: PathInput,
    target: string,
    options?: RequestOptions & {
      readonly directory?: boolean | undefined
      readonly printName?: string | undefined
    }
  ) => Promise<void>
  /** The previous versions of a file or directory as `@GMT-` tokens. */
  readonly previousVersions: (path: PathInput, options?: RequestOptions) => Promise<ReadonlyArray<string>>
  /** The shares of a server. */
  readonly shares: (server: PathInput, options?: RequestOptions) => Promise<ReadonlyArray<ShareEntry>>
  /** The accounts of SIDs, as the server that holds the path knows them. */
  readonly lookupSids: (
    path: PathInput,
    sids: ReadonlyArray<Sid>,
    options?: RequestOptions
  ) => Promise<ReadonlyArray<Account>>
  /** The accounts of names; `undefined` for a name that the server does not know. */
  readonly lookupNames: (
    path: PathInput,
    names: ReadonlyArray<string>,
    options?: RequestOptions
  ) => Promise<ReadonlyArray<Account | undefined>>
  /** The SIDs of the machine that holds the path and of its domains, for the letters of SDDL such as `DA`. */
  readonly lookupDomains: (path: PathInput, options?: RequestOptions) => Promise<Domains>
  /** The files that users have open on a server, for its administrators. */
  readonly openFiles: (server: PathInput, options?: RequestOptions) => Promise<ReadonlyArray<OpenFile>>
  /** The sessions of a server, for its administrators. */
  readonly sessions: (server: PathInput, options?: RequestOptions) => Promise<ReadonlyArray<UserSession>>
  /**
   * Allows another attempt with an account that a server has refused. Run this after the account was repaired on the
   * server.
   */
  readonly retryLogons: () => Promise<void>
  /**
   * Interrupts the operations that still run, closes all files and iterations, and ends all connections. Rejected with
   * the server's error if a file that is still open could not keep its data. Later calls do nothing more.
   */
  readonly close: () => Promise<void>
}
