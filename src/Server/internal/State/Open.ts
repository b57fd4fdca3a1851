/**
 * An open file, directory or pipe (MS-SMB2 3.3.1.10), from its CREATE to its CLOSE.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Semaphore from "effect/Semaphore"
import type { StoreFile, StorePath } from "../../ShareStore.ts"
import type { Pipe } from "../Rpc/Pipe.ts"
import type { Holder } from "./Caching.ts"
import type { Outstanding } from "./ChannelSequence.ts"
import type { DirectoryCursor } from "./DirectoryCursor.ts"
import type { FileTable, Link, StreamNode } from "./FileTable.ts"
import type { Lock, WaitingLock } from "./Locks.ts"
import type { Pending } from "./Pending.ts"
import type { ServerState } from "./ServerState.ts"
import type { Session } from "./Session.ts"
import type { ShareState } from "./ShareState.ts"
import type { Tree } from "./Tree.ts"
import type { Usage } from "./Usage.ts"
import type { Watch } from "./Watch.ts"

/** The values by which a durable open is found again. */
export interface Durable {
  readonly version: 1 | 2
  readonly createGuid: string | undefined
  /** Milliseconds that it stays after the loss of its connection. */
  readonly timeout: number
  readonly clientGuid: string
  readonly owner: string
}

/** The values that a CREATE sets, and that never change. */
export type OpenFields = Pick<
  FileOpen,
  "id" | "stream" | "file" | "scope" | "usage" | "grantedAccess" | "shareAccess" | "createOptions" | "directory"
>

/** An open of a file, a directory, or a named stream. */
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
  /** Undefined while a durable open waits for its client. */
  session: Session | undefined
  tree: Tree
  /** The usage of its user, in which this open counts. */
  readonly usage: Usage
  deleteOnClose = false
  holder: Holder | undefined
  durable: Durable | undefined
  /** The CreateGuid of the request that made it, for replays. */
  createGuid: string | undefined
  clientGuid = ""
  createAction = 0
  /** True until its client shows that it has the response. */
  mayBeReplayed = true
  cursor: DirectoryCursor | undefined
  /** Orders listing requests, one after the other; made with the first one. */
  listing: Semaphore.Semaphore | undefined
  watch: Watch | undefined
  position = 0n
  resumeKey: Uint8Array | undefined
  /** Times that this open has set or frozen: its later operations do not change them (MS-FSCC 2.4.7). */
  readonly fixedTimes = { creationTime: false, lastAccessTime: false, lastWriteTime: false, changeTime: false }
  /** The lease of its parent directory, as its client names it, in hexadecimal digits. */
  parentLeaseKey: string | undefined
  /** Whether it changed the file's data: at the close, clients that cache the directory are told. */
  written = false
  closed = false
  readonly server: ServerState
  readonly waiting = new Set<Pending>()
  /** Its byte-range locks, by range, and their number; made with the first lock. */
  locks: Map<string, Array<Lock>> | undefined
  lockCount = 0
  /** The lock requests that wait; made with the first one. */
  waitingLocks: Set<WaitingLock> | undefined
  /** Completed lock requests, by index (MS-SMB2 3.3.5.14). */
  lockSequences: Map<number, number> | undefined
  outstanding: Outstanding = { sequence: 0, present: 0, before: 0 }
  /** Stops the timeout during which it waits for its client, if that is running. */
  stopWaiting: (() => void) | undefined

  /** Enters itself in the share's table, by the path that it is opened by. */
  constructor(
    server: ServerState,
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
    this.directory = fields.directory
    this.session = session
    this.tree = tree
    this.link = this.table.enter(this, fields.stream, fields.path)
  }

  get persistentId(): bigint {
    return this.id
  }

  /** The share by which it is open. */
  get share(): ShareState {
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
  readonly pipe: Pipe
  session: Session | undefined
  tree: Tree
  readonly server: ServerState
  readonly usage: Usage
  closed = false
  readonly waiting = new Set<Pending>()

  constructor(server: ServerState, id: bigint, pipe: Pipe, usage: Usage, session: Session, tree: Tree) {
    this.server = server
    this.id = id
    this.pipe = pipe
    this.usage = usage
    this.session = session
    this.tree = tree
  }
}

/** An open of a file or a directory. */
export type Open = FileOpen
/** An open of anything. */
export type AnyOpen = FileOpen | PipeOpen

/** Closes the store's part of an open. */
export const releaseFile = (open: FileOpen): Effect.Effect<void> =>
  Effect.ignore(open.server.patience.run(Scope.close(open.scope, Exit.void)))
