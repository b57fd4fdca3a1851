/**
 * The data of a server as MS-SMB2 3.3.1 describes it. These types name each other: a session has opens, an open has a
 * session. So they are together in this one module, and the modules that work on them import it. `OpenFiles.ts` has the
 * files that the opens are of; its types are here with the type of an open.
 *
 * Data without behaviour is a class here. A part with behaviour (the server, a connection, the table of open files, a
 * watch, the end of a pipe) is an interface here, and a module above implements it.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Semaphore from "effect/Semaphore"
import type { AcceptorSession } from "../../../Auth/Acceptor.ts"
import type { SecurityDescriptor } from "../../../Codec/SecurityDescriptor.ts"
import type * as Encryption from "../../../Smb2/Encryption.ts"
import type * as Header from "../../../Smb2/Header.ts"
import type * as Message from "../../../Smb2/Message/Message.ts"
import type * as Signing from "../../../Smb2/Signing.ts"
import type { Identities } from "../../IdentityStore.ts"
import type { Limits } from "../../Limits.ts"
import type { ShareOptions } from "../../ShareOptions.ts"
import type { ShareStore, StoreFile, StorePath, StoreVolume } from "../../ShareStore.ts"
import type { Users } from "../../UserStore.ts"
import type { Buffers } from "../Wire/Buffers.ts"
import type { Cancelled } from "./Cancelled.ts"
import type { Connections } from "./Connections.ts"
import type { DfsHost } from "./DfsHost.ts"
import type { DirectoryCursor } from "./DirectoryCursor.ts"
import type { Identity } from "./Identity.ts"
import type { Keeping } from "./Keeping.ts"
import type { LeaseTable } from "./LeaseTable.ts"
import type { LogonDelays } from "./LogonDelays.ts"
import type { LogRate } from "./LogRate.ts"
import type { Meter } from "./Meter.ts"
import type { Negotiated } from "./Negotiated.ts"
import { type AppInstance, type Durable, fileModes, type Outstanding } from "./OpenFields.ts"
import * as OpenFiles from "./OpenFiles.ts"
import type { PipeEnd } from "./PipeEnd.ts"
import type { ReplayTable } from "./ReplayTable.ts"
import type { ServerSettings } from "./ServerSettings.ts"
import type { StoreTimeout } from "./StoreTimeout.ts"
import type * as UserUsage from "./UserUsage.ts"

// -----------------------------------------------------------------------------
// The server and its connections
// -----------------------------------------------------------------------------

/** The resources that one user holds. */
export type Usage = UserUsage.Usage<Lease>

/** The state of a server as a whole (3.3.1.5). */
export interface Server {
  readonly settings: ServerSettings
  readonly limits: Limits
  readonly storeTimeout: StoreTimeout
  readonly users: Users
  readonly shares: ReadonlyMap<string, Share>
  /** The namespaces that it hosts, if any. */
  readonly dfs: DfsHost | undefined
  readonly guid: Uint8Array
  /** 100 ns ticks since 1601. */
  readonly startTime: bigint
  /** The SIDs of its users. */
  readonly identity: Identities
  readonly domainSid: string
  readonly leases: LeaseTable<Lease>
  readonly replays: ReplayTable<FileOpen>
  /** The opens that an `OpenStore` keeps; undefined without one. */
  readonly kept: Keeping<FileOpen> | undefined
  readonly connections: Connections<Connection>
  /** The usage of each user. */
  readonly usages: UserUsage.UsageTable<Lease>
  readonly logonDelays: LogonDelays
  readonly sessions: Map<bigint, Session>
  readonly buffers: Buffers
  /** Every open of a file, by its identifier. */
  readonly opens: Map<bigint, FileOpen>
  /** The opens that wait for their clients to reconnect. */
  readonly absent: Set<FileOpen>
  /** Open files and pipes, and opens that are about to be made. */
  readonly openCount: number
  /** Opens that are about to be made, and open pipes. */
  opening: number
  pipes: number
  /** The byte-range locks of all opens. */
  locks: number
  /** Watches of directories, and the bytes of changes that are kept for them. */
  watches: number
  notified: number
  /** Limits for each kind of log line that clients can cause. */
  readonly logRates: Readonly<
    Record<"connections" | "deletions" | "faults" | "keeping" | "logons" | "requests", LogRate>
  >
  /** Counts what happens. */
  readonly meter: Meter
  /** Whether requests have spans: the app has set a tracer. */
  readonly traced: boolean
  /** Bytes to and from clients by connections that have ended, headers of frames included. */
  readonly traffic: { received: number; sent: number }
  readonly newSessionId: () => bigint
  readonly newOpenId: () => bigint
  /** Closes an open without a CLOSE request. */
  readonly closeOpen: (open: FileOpen) => Effect.Effect<void>
  /** Runs an effect in the background. The effect handles its own errors; a defect is logged. */
  readonly run: (effect: Effect.Effect<unknown>) => void
  /** As `run`, but a server that stops waits for it: for effects that close files. */
  readonly runToEnd: (effect: Effect.Effect<unknown>) => void
  /** Runs an effect in the background after some time. Gives a function that cancels it. */
  readonly after: (time: Duration.Input, effect: Effect.Effect<unknown>) => () => void
}

/** A request as far as its signature covers it. */
export interface SignedMessage {
  readonly header: Header.Header
  readonly packet: Uint8Array
}

/** A client's connection (3.3.1.7). */
export interface Connection {
  readonly server: Server
  readonly negotiated: Negotiated
  readonly dialect: number
  readonly sessions: Map<bigint, Session>
  /** Sessions of other connections that this one has begun to bind. */
  readonly binding: Set<Session>
  /** Its requests that wait, by AsyncId. */
  readonly pending: Map<bigint, PendingRequest>
  /** CANCELs of requests that did not wait when they came. Such a request is cancelled if it has to wait later. */
  readonly cancelled: Cancelled<Session>
  /** Bytes from and to the client so far. */
  readonly traffic: { readonly received: number; readonly sent: number }
  /** The client's address. */
  readonly address: string
  readonly port: number
  /** The part of the address that counts as one client. */
  readonly network: string
  /** The user who logged on first on this connection. */
  readonly owner: Usage | undefined
  readonly localAddress: string
  readonly localPort: number
  /** The credits that the client has and has not used. */
  readonly credits: number
  failedLogons: number
  /**
   * ConstrainedConnection (3.3.1.7): no user has logged on here yet, except guests and callers without a name. Their keys
   * are no secret, and an encrypted request ends the connection.
   */
  constrained: boolean
  readonly closed: boolean
  /** The limit that it would exceed as a connection of this user. */
  readonly reached: (usage: Usage) => "connections" | "addressConnections" | "userConnections" | undefined
  /** A user has logged on: from now on frames, and unread responses, can be as large as the limits allow. */
  readonly admit: (usage: Usage) => void
  readonly nextAsyncId: () => bigint
  /** Waits until the connection is closed. */
  readonly ended: Effect.Effect<void>
  /** Ends the connection, and everything that depends on it. */
  readonly close: () => void
  /** Whether a request's signature is valid under a session's keys. */
  readonly verifies: (sign: Signing.Sign, message: SignedMessage) => boolean
  /** When the last bytes came: milliseconds of `performance.now()`. */
  readonly lastReceived: number
  /** Whether the client has no open and no request under way. */
  readonly isIdle: boolean
  /** Whether a request's credit charge covers a payload of `bytes`, that it has or asks for. */
  readonly allows: (message: SignedMessage, bytes: number) => boolean
  /** Sends an unsolicited message: an OPLOCK_BREAK. */
  readonly notify: (session: Session, encrypted: boolean, response: Message.Response) => void
}

/** A request that waits (3.3.4.2): it can be cancelled, or ended with another status. */
export interface PendingRequest {
  readonly asyncId: bigint
  readonly messageId: number
  readonly session: Session | undefined
  /** It continues after its connection is lost, as long as its session has another. */
  readonly outlivesChannel: boolean
  readonly abort: (status: number) => void
}

// -----------------------------------------------------------------------------
// Shares, sessions and trees
// -----------------------------------------------------------------------------

/** A share (3.3.1.6): its settings, its store, and the opens of the store's files by this share and by others. */
export class Share {
  readonly name: string
  readonly options: ShareOptions
  readonly store: ShareStore
  /** The volume when the server started; its sizes are read again when they are needed. */
  readonly volume: StoreVolume
  /** Shared by all shares whose stores have the same files. */
  readonly table: FileTable
  readonly security: ShareSecurity

  constructor(
    name: string,
    options: ShareOptions,
    volume: StoreVolume,
    table: FileTable,
    security: ShareSecurity = { current: () => undefined, set: undefined }
  ) {
    this.name = name
    this.options = options
    this.security = security
    this.store = options.store
    this.volume = volume
    this.table = table
  }

  get readOnly(): boolean {
    return this.options.readOnly === true || this.volume.readOnly
  }
}

/** The security descriptor of a share. */
export interface ShareSecurity {
  /** `undefined`: every user who can connect has all rights. */
  readonly current: () => SecurityDescriptor | undefined
  /** Changes it; `undefined` if it cannot be changed. */
  readonly set: ((security: SecurityDescriptor) => Effect.Effect<void>) | undefined
}

/** One connection's part in a session. */
export interface Channel {
  readonly sign: Signing.Sign | undefined
}

/** A logon under way: a first one, a reauthentication, or one that binds a further channel. */
export interface Logon {
  readonly acceptor: AcceptorSession
  readonly kind: "new" | "again" | "binding"
  preauthHash: Uint8Array
}

/**
 * A session (3.3.1.8): a user who has logged on, their keys, trees and opens. A session may have several connections,
 * its channels; only signing keys are a channel's own.
 *
 * @category models
 */
export class Session {
  readonly id: bigint
  readonly channels = new Map<Connection, Channel>()
  readonly logons = new Map<Connection, Logon>()
  readonly trees = new Map<number, Tree>()
  readonly opens = new Map<bigint, AnyOpen>()
  user: Identity | undefined
  /** The usage of its user, in which this session counts; undefined once it has ended. */
  usage: Usage | undefined
  dialect = 0
  cipher: Encryption.Algorithm | undefined
  signing: Signing.Algorithm | undefined
  clientGuid = ""
  sessionKey: Uint8Array | undefined
  /** Whether its keys are secret: those of an anonymous logon can be computed by anyone. */
  hasSecretKeys = false
  /** Signs with the key of its first channel, by which further channels are bound. */
  sign: Signing.Sign | undefined
  signRequired = false
  encryptRequired = false
  encrypt: Encryption.Encrypt | undefined
  decrypt: Encryption.Decrypt | undefined
  ended = false
  /** Whether its user must authenticate again before anything else (3.3.5.2.9). */
  expired = false
  /** Stops the time after which it expires. */
  stopExpiring: (() => void) | undefined
  /** Opens that are about to be made. */
  opening = 0
  /** Watches of its directories. */
  watches = 0
  /** When its logon began: milliseconds of `performance.now()`. */
  readonly began = performance.now()
  private nextTree = 1

  constructor(id: bigint) {
    this.id = id
  }

  /** Whether the user has logged on, and has not logged off. */
  get valid(): boolean {
    return this.user !== undefined && !this.ended
  }

  /** From now on the session belongs to this user, and counts in the user's usage. */
  act(user: Identity, usage: Usage): void {
    usage.sessions++
    this.leaveUser()
    this.user = user
    this.usage = usage
    const client = usage.clients.get(this.clientGuid)
    if (client === undefined) usage.clients.set(this.clientGuid, { dialect: this.dialect, sessions: 1 })
    else client.sessions++
  }

  /** The session no longer counts for its user. */
  leaveUser(): void {
    const { usage } = this
    this.usage = undefined
    if (usage === undefined) return
    usage.sessions--
    const client = usage.clients.get(this.clientGuid)!
    if (--client.sessions === 0) usage.clients.delete(this.clientGuid)
    usage.release()
  }

  newTreeId(): number {
    while (this.trees.has(this.nextTree)) this.nextTree++
    return this.nextTree++
  }
}

/**
 * A tree connect (3.3.1.9): a session's way into one share, or to the pipes of IPC$.
 *
 * @category models
 */
export interface Tree {
  readonly id: number
  /** Undefined for IPC$. */
  readonly share: Share | undefined
  readonly encrypted: boolean
  /** The rights that the share gives this user, no matter what a descriptor says. */
  readonly maximalAccess: number
}

// -----------------------------------------------------------------------------
// Opens
// -----------------------------------------------------------------------------

/** The values that a CREATE sets, and that never change. */
export type OpenFields = Pick<
  FileOpen,
  "id" | "stream" | "file" | "scope" | "usage" | "grantedAccess" | "shareAccess" | "createOptions" | "directory"
>

/** An open of a file, a directory, or a named stream (3.3.1.10), from its CREATE to its CLOSE. */
export class FileOpen {
  readonly _tag = "File"
  readonly id: bigint
  readonly stream: StreamNode
  /** The name that it was opened by. A rename changes its path. */
  readonly link: Link
  readonly file: StoreFile
  readonly scope: Scope.Closeable
  readonly grantedAccess: number
  readonly shareAccess: number
  readonly createOptions: number
  readonly directory: boolean
  /** Undefined while a durable or resilient open waits for its client. */
  session: Session | undefined
  tree: Tree
  /** The usage of its user, in which this open counts. */
  readonly usage: Usage
  deleteOnClose = false
  /** Its oplock or lease. */
  lease: Lease | undefined
  durable: Durable | undefined
  /** The CreateGuid of the request that made it, for replays. */
  createGuid: string | undefined
  clientGuid = ""
  appInstance: AppInstance | undefined
  createAction = 0
  /** True until its client shows that it has the response. */
  mayBeReplayed = true
  cursor: DirectoryCursor | undefined
  /** Orders listing requests, one after the other; made with the first one. */
  listing: Semaphore.Semaphore | undefined
  watch: Watch | undefined
  position = 0n
  /** FileModeInformation (MS-FSCC 2.4.31): the create options of it, until a client sets others. */
  mode: number
  resumeKey: Uint8Array | undefined
  /** Times that this open has set or frozen: its later operations do not change them (MS-FSCC 2.4.7). */
  readonly fixedTimes = { creationTime: false, lastAccessTime: false, lastWriteTime: false, changeTime: false }
  /** Whether the time of a write shows at once: its client has ended the freezing of that time, and waits for it. */
  showsWrites = false
  /** The lease of its parent directory, as its client names it, in hexadecimal digits. */
  parentLeaseKey: string | undefined
  /** Whether it changed the file's data: at the close, clients that cache the directory are told. */
  written = false
  closed = false
  readonly server: Server
  /** Its requests that wait. */
  readonly waiting = new Set<PendingRequest>()
  /** Its byte-range locks, by range, and their number; made with the first lock. */
  locks: Map<string, Array<Lock>> | undefined
  lockCount = 0
  /** The lock requests that wait; made with the first one. */
  waitingLocks: Set<WaitingLock> | undefined
  /** Completed lock requests, by index (3.3.5.14). */
  lockSequences: Map<number, number> | undefined
  outstanding: Outstanding = { sequence: 0, present: 0, before: 0 }
  /** Stops the timeout during which it waits for its client, if that is running. */
  stopWaiting: (() => void) | undefined

  /** Enters itself in the share's table, by the path that it is opened by. */
  constructor(
    server: Server,
    fields: OpenFields & { readonly path: StorePath },
    session: Session | undefined,
    tree: Tree
  ) {
    this.server = server
    this.id = fields.id
    this.stream = fields.stream
    this.file = fields.file
    this.scope = fields.scope
    this.usage = fields.usage
    this.grantedAccess = fields.grantedAccess
    this.shareAccess = fields.shareAccess
    this.createOptions = fields.createOptions
    this.mode = fields.createOptions & fileModes
    this.directory = fields.directory
    this.session = session
    this.tree = tree
    this.link = this.table.enter(this, fields.stream, fields.path)
  }

  get persistentId(): bigint {
    return this.id
  }

  /** The share by which it is open. */
  get share(): Share {
    return this.tree.share!
  }

  get table(): FileTable {
    return this.share.table
  }

  /** The path below the share's root. */
  get path(): StorePath {
    return this.link.path
  }

  /** Whether the name that it was opened by, or its stream, is marked for deletion. */
  get deletePending(): boolean {
    return this.link.deletePending || this.stream.deletePending
  }

  /** Ends its wait for its client. */
  endWaiting(): void {
    if (this.server.absent.delete(this)) this.usage.durables--
  }

  may(access: number): boolean {
    return (this.grantedAccess & access) !== 0
  }
}

/** An open of a named pipe. */
export class PipeOpen {
  readonly _tag = "Pipe"
  readonly id: bigint
  readonly pipe: PipeEnd
  session: Session | undefined
  tree: Tree
  readonly server: Server
  readonly usage: Usage
  closed = false
  /** Its requests that wait. */
  readonly waiting = new Set<PendingRequest>()

  constructor(server: Server, id: bigint, pipe: PipeEnd, usage: Usage, session: Session, tree: Tree) {
    this.server = server
    this.id = id
    this.pipe = pipe
    this.usage = usage
    this.session = session
    this.tree = tree
  }
}

/** An open of anything. */
export type AnyOpen = FileOpen | PipeOpen

// -----------------------------------------------------------------------------
// Files that are open, by any name and any share
// -----------------------------------------------------------------------------

export const FileNode = OpenFiles.FileNode<FileOpen>
export type FileNode = OpenFiles.FileNode<FileOpen>
export type StreamNode = OpenFiles.StreamNode<FileOpen>
export const Link = OpenFiles.Link<FileOpen>
export type Link = OpenFiles.Link<FileOpen>
export type FileTable = OpenFiles.FileTable<FileOpen>
export type Lock = OpenFiles.Lock<FileOpen>
export type WaitingLock = OpenFiles.WaitingLock<FileOpen>
export const StreamLocks = OpenFiles.StreamLocks<FileOpen>
export type StreamLocks = OpenFiles.StreamLocks<FileOpen>
export const Lease = OpenFiles.Lease<FileOpen>
export type Lease = OpenFiles.Lease<FileOpen>

/** The changes in a directory that an open is told of (3.3.1.3). `Watch.ts` implements it. */
export interface Watch extends OpenFiles.Watch<FileOpen> {
  /** The session of the watch. */
  readonly session: Session
}
