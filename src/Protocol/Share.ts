/**
 * The functions of a connected share and of an open file, the same for every protocol version.
 *
 * `src/Smb2` and `src/Smb1` make these; `src/Client`, and everything above it, knows nothing else of a connection.
 */
import type * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { RequestError, SmbError } from "./Errors.ts"
import type * as Operation from "./Operation.ts"

/**
 * Times in 100 ns ticks since 1601, sizes in bytes, attributes of MS-FSCC 2.6.
 *
 * @since 0.1.0
 */
export interface Attributes {
  readonly creationTime: bigint
  readonly lastAccessTime: bigint
  readonly lastWriteTime: bigint
  readonly changeTime: bigint
  readonly allocationSize: bigint
  readonly endOfFile: bigint
  readonly fileAttributes: number
}

/**
 * A lease to ask for (MS-SMB2 2.2.13.2.8, 2.2.13.2.10).
 *
 * @since 0.1.0
 */
export interface LeaseRequest {
  /** 16 bytes that name the client's cache of this file. Default: random bytes. */
  readonly leaseKey?: Uint8Array | undefined
  /** SMB2_LEASE_* flags. */
  readonly leaseState: number
}

/**
 * A lease as the server granted it.
 *
 * @since 0.1.0
 */
export interface Lease {
  readonly leaseKey: Uint8Array
  readonly leaseState: number
  readonly epoch: number
}

/**
 * A durable handle as the server granted it. A caller that opens the file again reconnects with it.
 *
 * @since 0.1.0
 */
export interface DurableHandle {
  /** The GUID of the open in version 2; version 1 has none. */
  readonly createGuid: Uint8Array | undefined
  /** Milliseconds that the server keeps the open after the connection broke; 0 if it did not say. */
  readonly timeout: number
  readonly persistent: boolean
}

/**
 * What a version of the protocol needs to reclaim a durable open after its connection has ended (MS-SMB2 3.2.4.4).
 * `Share.open` takes it back in `OpenOptions.reclaim`; nothing else looks into it.
 *
 * @since 0.2.0
 */
export interface Reclaim {
  readonly fileId: { readonly persistent: bigint; readonly volatile: bigint }
  readonly durable: DurableHandle
  readonly lease: Lease | undefined
  readonly oplockLevel: number
  /** The lock sequences of the open, which go on (3.2.1.6). */
  readonly locks: object | undefined
}

/**
 * What names a CREATE at its server. The protocol fills it when it sends the CREATE. A CREATE that is sent with a filled
 * one again is the same CREATE for the server, which gives the open that it has made already (MS-SMB2 3.3.5.9.10).
 *
 * @since 0.2.0
 */
export interface CreateIdentity {
  /** 16 bytes; sent with a durable handle of the second version, from dialect 3.0 on. */
  createGuid?: Uint8Array | undefined
  /** 16 bytes; the key of the lease, unless the request for the lease names one. */
  leaseKey?: Uint8Array | undefined
}

/**
 * An instance of an application that can move to another computer and open its files there again (MS-SMB2 2.2.13.2.13,
 * 2.2.13.2.15). The server then closes the opens that the instance still has by its earlier client.
 *
 * @since 0.2.0
 */
export interface AppInstance {
  /** 16 bytes that name the instance. They stay the same when it moves. */
  readonly id: Uint8Array
  /**
   * Two 64-bit numbers that decide between two clients of the instance: the greater `high`, then the greater `low`,
   * belongs to the later one. The server refuses the open of an earlier one (`FileForcedClosed`). Sent in 3.1.1 only.
   */
  readonly version?: { readonly high: bigint; readonly low: bigint } | undefined
}

/**
 * The options of CREATE (MS-SMB2 2.2.13). Numbers are the document's.
 *
 * @since 0.1.0
 */
export interface OpenOptions {
  readonly desiredAccess: number
  readonly shareAccess: number
  readonly createDisposition: number
  readonly createOptions: number
  readonly fileAttributes?: number | undefined
  readonly impersonationLevel?: number | undefined
  readonly oplockLevel?: number | undefined
  readonly lease?: LeaseRequest | undefined
  /**
   * Asks for a handle that survives a broken connection for this many milliseconds; 0 leaves the time to the server.
   */
  readonly durable?: { readonly timeout: number; readonly persistent?: boolean | undefined } | undefined
  /**
   * Reclaims the open of a connection that has ended. Nothing new is opened: the server gives the same open back, or
   * fails with `ObjectNameNotFound` if it no longer has it. `ProtocolError` if the server gives another open.
   */
  readonly reclaim?: Reclaim | undefined
  /** Names this CREATE, so that it can be sent again if its response was lost. Default: a new name each time. */
  readonly identity?: CreateIdentity | undefined
  /** Sent in dialect 3.0 and later. */
  readonly appInstance?: AppInstance | undefined
  /** Opens the file as it was at this time (100 ns ticks since 1601): a previous version. */
  readonly timewarp?: bigint | undefined
  /** A self-relative SECURITY_DESCRIPTOR for a new file. */
  readonly securityDescriptor?: Uint8Array | undefined
  /** A FILE_FULL_EA_INFORMATION list for a new file. */
  readonly extendedAttributes?: Uint8Array | undefined
  /** Bytes to reserve for a new file. */
  readonly allocationSize?: bigint | undefined
  /** Ask for the user's maximal access to the file. */
  readonly queryMaximalAccess?: boolean | undefined
  /** Ask for the identifiers of file and volume. */
  readonly queryOnDiskId?: boolean | undefined
  /**
   * The caller goes on with the file when its connection has ended: by `reclaim`, or for a directory by another open. So
   * the connection may be broken off while the file is open (`Share.breakOff`). Default: false.
   *
   * @since 0.2.0
   */
  readonly outlives?: boolean | undefined
  /**
   * Deletes the file if the server creates it after the caller has stopped waiting for the response. Any other late open
   * is only closed. The server allows this if `desiredAccess` has DELETE.
   */
  readonly deleteIfAbandoned?: boolean | undefined
}

/**
 * The server's response when it opened a file.
 *
 * @since 0.1.0
 */
export interface Opened extends Attributes {
  /** FILE_SUPERSEDED, FILE_OPENED, FILE_CREATED or FILE_OVERWRITTEN. */
  readonly createAction: number
  readonly oplockLevel: number
  readonly lease?: Lease | undefined
  readonly durable?: DurableHandle | undefined
  readonly maximalAccess?: number | undefined
  /** 32 bytes: identifiers of file and volume. */
  readonly onDiskId?: Uint8Array | undefined
}

/**
 * An open file, directory or named pipe. It closes with the scope that it was opened in.
 *
 * @since 0.1.0
 */
export interface OpenFile {
  /** The path below the share, components separated by backslashes; empty for the share's root. */
  readonly path: string
  readonly opened: Opened
  /** The current lease or oplock: the server may have broken it to a lower level. */
  readonly caching: () => { readonly oplockLevel: number; readonly leaseState: number }
  readonly run: <O extends Operation.Any>(operation: O) => Effect.Effect<Operation.Output<O>, RequestError>
  /**
   * As `run`, but `sent` of a `TransportError` is about this operation alone, and not about earlier changes on the open:
   * for a caller that decides whether to repeat it. Absent: `run` does the same.
   */
  readonly attempt?: OpenFile["run"] | undefined
  /** What reclaims the open after its connection has ended; `undefined` if the server keeps nothing of it. */
  readonly reclaim?: (() => Reclaim | undefined) | undefined
  /**
   * Closes before the scope does, and fails with the server's error: perhaps the server could not keep the changes. If
   * the scope closes a changed file, the scope ends with that error as a defect.
   */
  readonly close: Effect.Effect<void, RequestError>
}

/**
 * The results of a batch, in order. An operation can fail although the file was opened.
 *
 * @since 0.1.0
 */
export type Results<Ops extends ReadonlyArray<Operation.Any>> = {
  readonly [K in keyof Ops]: Result.Result<Operation.Output<Ops[K]>, SmbError>
}

/**
 * The side that has ended a connection: this one, or the server or the network.
 *
 * @since 0.2.0
 */
export type Ended = "here" | "there"

/**
 * A share of a server, in the name of one user.
 *
 * @since 0.1.0
 */
export interface Share {
  readonly server: string
  readonly port: number
  readonly name: string
  readonly type: "disk" | "pipe" | "printer"
  /** Whether the server says that this share is in DFS, so that its names can cross links. */
  readonly isDfs: boolean
  /** The most bytes of a READ, a WRITE and any other response on this connection. */
  readonly limits: { readonly read: number; readonly write: number; readonly transact: number }
  /** Equal for two shares on one connection with one user, so that the server can copy between them. */
  readonly sessionKey: string
  /** The protocol's name in the documents: "3.1.1". */
  readonly dialect: string
  /** Whether the server keeps opens of this share over its own restart (SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY). */
  readonly continuouslyAvailable?: boolean | undefined
  /** Whether the connection, the session or the share has ended, so that every request fails. Absent: not known. */
  readonly ended?: (() => Ended | undefined) | undefined
  /**
   * Ends the connection as if it had been lost, and says whether it did: only if nothing on it is lost by that. Each open
   * survives, and no request is in flight whose effect could be doubtful. `why` is the detail of the `TransportError`.
   * Absent: never.
   *
   * @since 0.2.0
   */
  readonly breakOff?: ((why: string) => boolean) | undefined
  /**
   * If the server may have gone without a word: waits some seconds for its answer to an ECHO, and ends the connection as
   * `breakOff` does if none comes. `undefined` if there is no doubt. Absent: there never is.
   *
   * @since 0.2.0
   */
  readonly doubt?: (() => Effect.Effect<void> | undefined) | undefined
  /** Opens a file until the scope ends. Errors: `SmbError` with the NTSTATUS, and all errors of the connection. */
  readonly open: (path: string, options: OpenOptions) => Effect.Effect<OpenFile, RequestError, Scope.Scope>
  /**
   * Opens a file, runs operations on it and closes it, in one round trip if the protocol can. Fails if the file cannot
   * be opened. If a change was intended and no operation failed, it also fails with an error of the CLOSE.
   */
  readonly batch: <const Ops extends ReadonlyArray<Operation.Any>>(
    path: string,
    options: OpenOptions,
    operations: Ops
  ) => Effect.Effect<{ readonly opened: Opened; readonly results: Results<Ops> }, RequestError>
  /**
   * Whether `batch` sends its requests as one compound. SMB 1 has no compounds, and some servers refuse them: what more
   * than one batch may be needed for is then better done on an open file.
   *
   * @since 0.2.0
   */
  readonly compounds: () => boolean
  /** A control on the share itself and not on a file: a DFS referral, or the server's interfaces. */
  readonly control: (operation: Operation.Ioctl) => Effect.Effect<Uint8Array, RequestError>
}
