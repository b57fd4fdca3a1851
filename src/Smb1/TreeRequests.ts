/**
 * The common parts of all requests on a tree: identifiers, names on the wire, limits, and transactions.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import * as FileTime from "../Codec/FileTime.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import * as Oem from "../Codec/Oem.ts"
import * as ConnectedShare from "../Protocol/ConnectedShare.ts"
import { fromStatus, type RequestError } from "../Protocol/Errors.ts"
import type * as Share from "../Protocol/Share.ts"
import type * as Breaks from "./Breaks.ts"
import * as Connection from "./Connection.ts"
import * as Header from "./Header.ts"
import { Capabilities, Command, commandName, Flags2 } from "./Message/Constants.ts"
import type { Session } from "./Session.ts"
import * as Transaction from "./Transaction.ts"

/**
 * A name on the wire, and the flags that give its meaning.
 *
 * @since 0.1.0
 */
export interface WireName {
  readonly text: string
  /** SMB_FLAGS2_DFS, SMB_FLAGS2_REPARSE_PATH. */
  readonly flags2: number
}

/** The time of a previous version, as a component of an SMB 1 path. */
const gmt = (time: bigint): string => {
  const text = new Date(FileTime.toMillis(time)).toISOString()
  return `@GMT-${text.slice(0, 10).replaceAll("-", ".")}-${text.slice(11, 19).replaceAll(":", ".")}`
}

/**
 * The name of a path below a share: from the share's root, or with DFS from the namespace's server.
 *
 * @since 0.1.0
 */
export const wireName = (
  dfs: { readonly server: string; readonly share: string } | undefined,
  path: string,
  timewarp: bigint | undefined
): WireName => {
  const parts = [
    ...(dfs === undefined ? [] : [dfs.server, dfs.share]),
    ...(timewarp === undefined ? [] : [gmt(timewarp)]),
    ...(path === "" ? [] : [path])
  ]
  return {
    text: `\\${parts.join("\\")}`,
    flags2: (dfs === undefined ? 0 : Flags2.SMB_FLAGS2_DFS) |
      (timewarp === undefined ? 0 : Flags2.SMB_FLAGS2_REPARSE_PATH)
  }
}

/**
 * The same kind of name for another path on the share.
 *
 * @since 0.1.0
 */
export const renamed = (name: WireName, path: string, to: string): WireName => ({
  ...name,
  text: path === "" ? `${name.text === "\\" ? "" : name.text}\\${to}` : name.text.slice(0, -path.length) + to
})

/** Bytes of one READ or WRITE: the most for smbd, and for every version of Windows. */
const largeForSamba = 127 * 1024
const largeForAll = 60 * 1024

/** Bytes of a packet without its data, in READ and WRITE. */
const overhead = 64

/**
 * A response to a transaction, and its status.
 *
 * @since 0.1.0
 */
export interface Answer extends Transaction.Response {
  readonly status: number
}

/**
 * The options of a transaction.
 *
 * @since 0.1.0
 */
export interface TransactionOptions extends Pick<Connection.Outgoing, "flags2" | "waits" | "mutates"> {
  /** Called with a success that arrives after the caller has stopped waiting. */
  readonly orphan?: (answer: Answer) => void
}

/**
 * What is gone by a status, and SMB 2's status for it, which the modules above know. smbd responds to an open on a lost
 * share as if the request had named a file that is not open.
 */
const lossOf = (command: number, status: number): readonly [ConnectedShare.Lost, status: number] | undefined => {
  switch (status) {
    case NtStatus.STATUS_INVALID_HANDLE:
      if (command !== Command.SMB_COM_NT_CREATE_ANDX) return undefined
      return ["share", NtStatus.STATUS_NETWORK_NAME_DELETED]
    case NtStatus.STATUS_SMB_BAD_TID:
    case NtStatus.STATUS_NETWORK_NAME_DELETED:
      return ["share", NtStatus.STATUS_NETWORK_NAME_DELETED]
    case NtStatus.STATUS_SMB_BAD_UID:
      return ["session", NtStatus.STATUS_USER_SESSION_DELETED]
    case NtStatus.STATUS_USER_SESSION_DELETED:
    case NtStatus.STATUS_NETWORK_SESSION_EXPIRED:
      return ["session", status]
    default:
      return undefined
  }
}

/** The parts of a TRANSACTION2. */
interface Trans2 {
  readonly parameters: Uint8Array
  readonly data?: Uint8Array
  readonly maxParameterCount?: number
  readonly maxDataCount?: number
}

const trans2 = (subcommand: number, request: Trans2): Transaction.Request => ({
  kind: "TRANSACTION2",
  setup: [subcommand],
  parameters: request.parameters,
  data: request.data ?? new Uint8Array(0),
  maxParameterCount: request.maxParameterCount ?? 10,
  maxDataCount: Math.min(request.maxDataCount ?? 0, 0xffff)
})

/**
 * A tree on the wire.
 *
 * @since 0.1.0
 */
export class Tree extends ConnectedShare.Tree {
  readonly session: Session
  readonly tid: number
  readonly breaks: Breaks.Breaks
  readonly limits: Share.Share["limits"]

  constructor(session: Session, tid: number, uncPath: string, type: Share.Share["type"], breaks: Breaks.Breaks) {
    super(uncPath, type)
    this.session = session
    this.tid = tid
    this.breaks = breaks
    const { capabilities, clientMaxBufferSize, maxBufferSize } = session.negotiated
    const large = session.nativeLanMan.startsWith("Samba") ? largeForSamba : largeForAll
    const limit = (flag: number, small: number) =>
      Math.min(
        (capabilities & flag) !== 0 ? large : Math.min(small, 0xffff) - overhead,
        session.settings.maximumTransfer
      )
    this.limits = {
      read: limit(Capabilities.CAP_LARGE_READX, Math.min(maxBufferSize, clientMaxBufferSize)),
      write: limit(Capabilities.CAP_LARGE_WRITEX, maxBufferSize),
      transact: 0xffff
    }
  }

  get connection(): Connection.Connection {
    return this.session.connection
  }

  /**
   * Whether the server accepts one request at a time: a waiting request would block all others, even the one it waits
   * for.
   */
  get oneAtATime(): boolean {
    return this.connection.maxMpxCount === 1
  }

  get unicode(): boolean {
    return this.session.negotiated.unicode
  }

  /** Whether a name can be sent. Otherwise `?` would replace its characters, and match other files. */
  canSay(name: string): boolean {
    return this.unicode || Oem.canEncode(name)
  }

  outgoing<O extends Pick<Connection.Outgoing, "command" | "body">>(request: O): O & Connection.Outgoing {
    return { ...request, tid: this.tid, uid: this.session.uid }
  }

  request(outgoing: Connection.Outgoing): Effect.Effect<Connection.Reply, RequestError> {
    return Effect.suspend((): Effect.Effect<Connection.Reply, RequestError> => {
      const { body, command } = outgoing
      // Data keep within the limits, and a transaction goes in several packets: the cause is a name that is too long,
      // or a list of ranges.
      if (Header.size + body.length > Math.min(this.session.negotiated.maxBufferSize, 0xffff)) {
        const status = command === Command.SMB_COM_LOCKING_ANDX
          ? NtStatus.STATUS_INSUFF_SERVER_RESOURCES
          : NtStatus.STATUS_NAME_TOO_LONG
        return Effect.fail(fromStatus(status, commandName(command), this.uncPath))
      }
      return Effect.map(Connection.request(this.connection, this.outgoing(outgoing)), (reply) => this.heed(reply))
    })
  }

  /** Remembers if a reply says that the share or the session is gone. */
  private heed(reply: Connection.Reply): Connection.Reply {
    const { header } = reply
    const loss = header.status === 0 ? undefined : lossOf(header.command, header.status)
    if (loss === undefined) return reply
    const [lost, status] = loss
    this.onLost(lost)
    return { ...reply, header: { ...header, status } }
  }

  /** Runs a transaction and returns its response, with any status. */
  transact(
    request: Transaction.Request,
    options: TransactionOptions = {}
  ): Effect.Effect<Answer, RequestError> {
    return Effect.suspend(() => {
      const { collector, outgoing } = this.transaction(request, options)
      return Effect.flatMap(
        this.request(outgoing),
        (reply) =>
          Effect.map(
            Effect.fromResult(collector.response()),
            (response) => ({ ...response, status: reply.header.status })
          )
      )
    })
  }

  private transaction(request: Transaction.Request, { orphan, ...rest }: TransactionOptions) {
    const collector = new Transaction.Collector(request)
    const unicode = this.unicode || ((rest.flags2 ?? 0) & Flags2.SMB_FLAGS2_UNICODE) !== 0
    const { maxBufferSize } = this.session.negotiated
    const outgoing: Connection.Outgoing = {
      ...Transaction.encode(request, { unicode, maxBufferSize: Math.min(maxBufferSize, 0xffff) }),
      ...rest,
      ...(orphan === undefined ? {} : {
        orphan: () => {
          const response = collector.response()
          if (Result.isSuccess(response)) orphan({ ...response.success, status: 0 })
        }
      }),
      collect: collector.collect
    }
    return { collector, outgoing }
  }

  /** A subcommand of TRANSACTION2. */
  trans2(subcommand: number, request: Trans2, options: TransactionOptions = {}): Effect.Effect<Answer, RequestError> {
    return this.transact(trans2(subcommand, request), options)
  }

  /** Sends a subcommand of TRANSACTION2, and calls `ended` when it has ended in any way. */
  submitTrans2(subcommand: number, request: Trans2, ended: () => void): void {
    const { outgoing } = this.transaction(trans2(subcommand, request), {})
    this.connection.submit(this.outgoing(outgoing), ended)
  }

  /** A subcommand of NT_TRANSACT. */
  ntTransact(
    subcommand: number,
    request: {
      readonly setup?: ReadonlyArray<number>
      readonly parameters?: Uint8Array
      readonly data?: Uint8Array
      readonly maxParameterCount?: number
      readonly maxDataCount?: number
    },
    options: TransactionOptions = {}
  ): Effect.Effect<Answer, RequestError> {
    return this.transact({
      kind: "NT_TRANSACT",
      function: subcommand,
      setup: request.setup ?? [],
      parameters: request.parameters ?? new Uint8Array(0),
      data: request.data ?? new Uint8Array(0),
      maxSetupCount: 4,
      maxParameterCount: request.maxParameterCount ?? 0,
      maxDataCount: request.maxDataCount ?? 0
    }, options)
  }
}

/**
 * Encodes a structure; short, because many places need it.
 *
 * @since 0.1.0
 */
export const encode = <A>(codec: Codec.Codec<A>, value: A): Uint8Array => Codec.encode(codec)(value)
