/**
 * The data of a server as MS-SMB2 3.3.1 describes it. These types name each other: a session has opens, an open has a
 * session, a lease has opens. So they are together in this one module, and the modules that work on them import it.
 *
 * Data without behaviour is a class here. A part with behaviour (the server, a connection, the table of open files, a
 * watch, the end of a pipe) is an interface here, and a module above implements it.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { AcceptorSession } from "../../../Auth/Acceptor.ts"
import type { SecurityDescriptor } from "../../../Codec/SecurityDescriptor.ts"
import type * as Encryption from "../../../Smb2/Encryption.ts"
import type * as Header from "../../../Smb2/Header.ts"
import type * as Message from "../../../Smb2/Message/Message.ts"
import type * as Query from "../../../Smb2/Message/QueryInfo.ts"
import type * as Signing from "../../../Smb2/Signing.ts"
import type { Identities } from "../../IdentityStore.ts"
import type { Limits } from "../../Limits.ts"
import type { ShareOptions } from "../../ShareOptions.ts"
import type { ShareStore, StoreFile, StorePath, StoreVolume } from "../../ShareStore.ts"
import * as StoreNames from "../../Store/internal/StoreNames.ts"
import type { Users } from "../../UserStore.ts"
import type { Buffers } from "../Wire/Buffers.ts"
import type { Refusal, Reply } from "../Wire/Reply.ts"
import type { Connections } from "./Connections.ts"
import type { DfsHost } from "./DfsHost.ts"
import type { DirectoryCursor } from "./DirectoryCursor.ts"
import type { Identity } from "./Identity.ts"
import type { KnownShortNames } from "./KnownShortNames.ts"
import type { LeaseTable } from "./LeaseTable.ts"
import type { LogonDelays } from "./LogonDelays.ts"
import type { LogRate } from "./LogRate.ts"
import type { Meter } from "./Meter.ts"
import type { Negotiated } from "./Negotiated.ts"
import { type Ranged, RangeSet } from "./RangeSet.ts"
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
  readonly logRates: Readonly<Record<"connections" | "deletions" | "faults" | "logons" | "requests", LogRate>>
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

/** A request that can wait for an event: `Incoming` implements it. */
export interface Waiting {
  readonly wait: <A>(register: (resume: (value: A) => void) => () => void) => Effect.Effect<A, Refusal>
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

/** The values by which a durable or resilient open is found again. */
export interface Durable {
  /** A resilient open keeps its place, no matter who else wants the file, until its timeout (3.3.5.15.9). */
  readonly resilient: boolean
  readonly version: 1 | 2
  readonly createGuid: string | undefined
  /** Milliseconds that it stays after the loss of its connection. */
  readonly timeout: number
  readonly clientGuid: string
  readonly owner: string
}

/** The version of an application instance (MS-SMB2 2.2.13.2.15): the greater one belongs to the later client. */
export interface AppInstanceVersion {
  readonly high: bigint
  readonly low: bigint
}

/** The application instance of an open, by the values of its CREATE (MS-SMB2 3.3.1.10). */
export interface AppInstance {
  /** The AppInstanceId in hexadecimal digits. */
  readonly id: string
  readonly version: AppInstanceVersion | undefined
  readonly clientGuid: string
}

/**
 * The number of an open's requests under way that change something: those of its present channel sequence, and of
 * earlier ones (3.3.5.2.10).
 */
export interface Outstanding {
  sequence: number
  present: number
  before: number
}

/** The values that a CREATE sets, and that never change. */
export type OpenFields = Pick<
  FileOpen,
  "id" | "stream" | "file" | "scope" | "usage" | "grantedAccess" | "shareAccess" | "createOptions" | "directory"
>

/** The create options that FileModeInformation has (MS-FSCC 2.4.31). */
export const fileModes = 0x0000_103e

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
    session: Session,
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

/** A client's end of a named pipe: bytes of calls go in, bytes of responses come out. */
export interface PipeEnd {
  /** Takes bytes of a client's calls; the client reads the responses later. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, Refusal>
  /** Writes, and gives up to `room` bytes of responses. */
  readonly transceive: (
    bytes: Uint8Array,
    room: number
  ) => Effect.Effect<{ readonly output: Uint8Array; readonly more: boolean }, Refusal>
  /** Gives up to `room` bytes of responses, and waits if there are none. */
  readonly read: (request: Waiting, room: number) => Effect.Effect<Reply, Refusal>
  readonly query: (body: Query.Request) => Effect.Effect<Reply, Refusal>
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

/** One of an open file's streams; the file's own data has an empty name. */
export class StreamNode {
  readonly file: FileNode
  /** Changes when the stream is renamed. */
  name: string
  readonly opens = new Set<FileOpen>()
  /** Its opens of each application instance, by AppInstanceId; made with the first one. */
  appInstances: Map<string, Set<FileOpen>> | undefined
  /** Its byte-range locks; made with the first lock. */
  locks: StreamLocks | undefined
  /** Its oplocks and leases. */
  readonly leases = new Set<Lease>()
  /** Whether this named stream is deleted when its last open closes. A file's own data is deleted with its link. */
  deletePending = false
  /** Bytes that a client wants reserved for it while it is open; a store reserves none. */
  reserved = 0n
  /** Orders writes to the end, one after the other; made with the first one. */
  appending: Semaphore.Semaphore | undefined

  constructor(file: FileNode, name: string) {
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
export class FileNode {
  readonly identity: string
  readonly directory: boolean
  /** The last write time that clients see while the file is being written. */
  delayed: DelayedTime | undefined
  readonly streams = new Map<string, StreamNode>()
  /** The names by which the file is open. */
  readonly links = new Set<Link>()
  /**
   * Lets one request at a time read, change and write back the blobs next to the file's data; made with the first one.
   */
  #changing: Semaphore.Semaphore | undefined

  constructor(identity: string, directory: boolean) {
    this.identity = identity
    this.directory = directory
  }

  /** The stream of a name; made if it is not open. */
  stream(name: string): StreamNode {
    const key = StoreNames.fold(name)
    const known = this.streams.get(key)
    if (known !== undefined) return known
    const made = new StreamNode(this, name)
    this.streams.set(key, made)
    return made
  }

  /** A stream has another name from now on. A stream without opens that had the name is forgotten. */
  renamed(stream: StreamNode, name: string): void {
    this.streams.delete(StoreNames.fold(stream.name))
    stream.name = name
    this.streams.set(StoreNames.fold(name), stream)
  }

  *opens(): IterableIterator<FileOpen> {
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
export class Link {
  readonly file: FileNode
  /** The present name, with the case in which it was given. */
  path: StorePath
  /** Opens of any of the file's streams by this name. */
  readonly opens = new Set<FileOpen>()
  /** Whether the name is removed when its last open closes. */
  deletePending = false
  /** The ParentLeaseKey of the open that marked the name for deletion. */
  deletedUnder: string | undefined
  /** The watches by opens of this name, if it is a directory. */
  readonly watches = new Set<Watch>()
  /** Requests that are adding an entry to the directory; no new one begins while it is sealed. */
  adding = 0
  sealed = false

  constructor(file: FileNode, path: StorePath) {
    this.file = file
    this.path = path
  }
}

/** All opens of one store's files, by file and by name. `FileTable.ts` implements it. */
export interface FileTable {
  readonly files: ReadonlyMap<string, FileNode>
  /** Counts renames: after one, a file that was looked up by name before may have another name. */
  readonly renames: number
  /** The number of watches of all directories. */
  watching: number
  readonly file: (identity: string, directory: boolean) => FileNode
  readonly enter: (open: FileOpen, stream: StreamNode, path: StorePath) => Link
  readonly leave: (open: FileOpen) => void
  readonly release: (stream: StreamNode, link?: Link) => void
  readonly linkOf: (file: FileNode, path: StorePath) => Link | undefined
  readonly at: (path: StorePath) => ReadonlyArray<Link>
  readonly below: (directory: StorePath) => IterableIterator<Link>
  readonly entries: (directory: StorePath) => IterableIterator<Link>
  readonly adding: <A, E, R>(
    directory: StorePath,
    add: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R> | undefined
  readonly replacing: <A, E, R>(identity: string, replace: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly replaced: (identity: string) => Effect.Effect<void> | undefined
  readonly forgetEntry: (path: StorePath) => void
  readonly renamed: (link: Link, to: StorePath) => void
  /** Long names that were seen with their short names. */
  readonly shortNames: KnownShortNames
}

// -----------------------------------------------------------------------------
// Locks, leases and watches
// -----------------------------------------------------------------------------

/** A range that an open has locked, or waits for. `end` is the offset after the last byte. */
export interface Lock extends Ranged {
  readonly open: FileOpen
  readonly exclusive: boolean
}

/** A request that waits for a range. */
export interface WaitingLock extends Lock {
  readonly granted: () => void
}

/** The locks of a stream, and the requests that wait for locks. */
export class StreamLocks {
  /** Exclusive locks never overlap each other, so only few of them touch a range. */
  readonly exclusive = new RangeSet<Lock>()
  readonly shared = new RangeSet<Lock>()
  readonly waiting = new RangeSet<WaitingLock>()

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
export class Lease {
  readonly kind: "oplock" | "lease"
  readonly stream: StreamNode
  readonly opens = new Set<FileOpen>()
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
  constructor(stream: StreamNode, state: number, fields?: LeaseFields) {
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
export interface Watch {
  readonly open: FileOpen
  /** The session of the watch. */
  readonly session: Session
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
