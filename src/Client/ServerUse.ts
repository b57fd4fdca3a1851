/**
 * Lists for administrators: the open files of a server, its sessions, and the shares that a client is connected to, by
 * the remote procedure calls NetrFileEnum, NetrSessionEnum and NetrConnectionEnum over the named pipe `srvsvc` (MS-SRVS
 * 3.1.4.2, 3.1.4.5, 3.1.4.1); and what the server counts, by NetrServerStatisticsGet (3.1.4.20).
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { NtStatus } from "../Codec/NtStatus.ts"
import * as Srvsvc from "../Codec/Rpc/Srvsvc.ts"
import * as Lists from "../Codec/Rpc/SrvsvcLists.ts"
import { fromStatus, type RequestError, SmbError } from "../Protocol/Errors.ts"
import type * as Share from "../Protocol/Share.ts"
import * as UncName from "../Protocol/UncName.ts"
import * as RpcPipe from "./internal/RpcPipe.ts"

/**
 * A file or directory that a user has open.
 *
 * @category models
 * @since 0.2.0
 */
export interface OpenFile {
  /** The number that the server gives the open. */
  readonly id: number
  /**
   * As the server names it: the path on its own disk (Windows; Samba writes C: before it), or `share\path` (the server of
   * this package).
   */
  readonly path: string
  readonly user: string
  /** How many byte-range locks the open has. */
  readonly locks: number
  readonly canRead: boolean
  readonly canWrite: boolean
}

/**
 * A user at a client.
 *
 * @category models
 * @since 0.2.0
 */
export interface UserSession {
  /** The address or name of the client. */
  readonly client: string
  readonly user: string
  /** How many files the session has open. */
  readonly opens: number
  /** Since the logon, in seconds. */
  readonly seconds: number
  /** Since the last request, in seconds. */
  readonly idleSeconds: number
  readonly isGuest: boolean
}

/**
 * A share that a client is connected to.
 *
 * @category models
 * @since 0.2.0
 */
export interface ShareConnection {
  readonly share: string
  readonly user: string
  /** How many files of the share the client has open by this connection. */
  readonly opens: number
  /** Since the connection was made, in seconds. */
  readonly seconds: number
}

/**
 * What a server counts since its start.
 *
 * @category models
 * @since 0.2.0
 */
export interface Statistics {
  /** The start of the server, in seconds since 1970. */
  readonly start: number
  /** Bytes to clients. */
  readonly bytesSent: bigint
  /** Bytes from clients. */
  readonly bytesReceived: bigint
  /** Logons that were refused. */
  readonly passwordErrors: number
}

const srvsvc = { name: Srvsvc.pipeName, id: Srvsvc.interfaceId, endless: "the list of the server's use has no end" }

const fileEnum = {
  name: "NetrFileEnum",
  operation: Srvsvc.Operation.NetrFileEnum,
  request: Lists.FileEnumRequest,
  response: Lists.FileEnumResponse
}

const sessionEnum = {
  name: "NetrSessionEnum",
  operation: Srvsvc.Operation.NetrSessionEnum,
  request: Lists.SessionEnumRequest,
  response: Lists.SessionEnumResponse
}

const connectionEnum = {
  name: "NetrConnectionEnum",
  operation: Srvsvc.Operation.NetrConnectionEnum,
  request: Lists.ConnectionEnumRequest,
  response: Lists.ConnectionEnumResponse
}

const statisticsGet = {
  name: "NetrServerStatisticsGet",
  operation: Srvsvc.Operation.NetrServerStatisticsGet,
  request: Srvsvc.ServerStatisticsGetRequest,
  response: Srvsvc.ServerStatisticsGetResponse
}

/** ERROR_ACCESS_DENIED (MS-ERREF 2.2). */
const accessDenied = 5

/**
 * The most entries of a list, the most characters of all its texts, and the size that the server is asked for at once,
 * in bytes. A server can send more than it is asked for.
 */
const most = 100_000
const mostCharacters = 8 * 1024 * 1024
const part = 64 * 1024

/** What every request for a list has. */
interface Asked {
  readonly serverName: string
  readonly preferredMaximumLength: number
  readonly resumeHandle: number
}

/** What every response with a list has: the entries of its level, and where the rest of the list begins. */
interface Answered<I> {
  readonly totalEntries: number
  readonly info: I
  readonly returnValue: number
  readonly resumeHandle: number | undefined
}

const denied = (ipc: Share.Share, name: string) =>
  new SmbError({
    ...fromStatus(NtStatus.STATUS_ACCESS_DENIED, name, UncName.format(ipc)),
    because: "The server tells this only to its administrators: log on as one of them."
  })

/** The count of characters of an entry's texts, each of which has two bytes. */
const charactersOf = (entry: object): number =>
  Object.values(entry).reduce((sum: number, value) => typeof value === "string" ? sum + value.length : sum, 0)

/** Gathers a list from its parts: a server says that more follows, and where. */
const list = Effect.fnUntraced(function*<Q, I, A extends object>(
  ipc: Share.Share,
  call: RpcPipe.Call<Q, Answered<I>>,
  request: (asked: Asked) => Q,
  entriesOf: (info: I) => ReadonlyArray<A>
): Effect.fn.Return<ReadonlyArray<A>, RequestError, Scope.Scope> {
  const { name } = call
  const run = yield* bind(ipc)
  const all: Array<A> = []
  let characters = 0
  let resumeHandle = 0
  for (;;) {
    const answer = yield* Effect.catchTag(
      run(call, request({ serverName: `\\\\${ipc.server}`, preferredMaximumLength: part, resumeHandle })),
      "RpcRefused",
      ({ fault }) =>
        RpcPipe.unexpected(ipc.server, `the server failed to tell how it is used (${name}, fault ${fault})`)
    )
    if (answer.returnValue === accessDenied) return yield* denied(ipc, name)
    const entries = entriesOf(answer.info)
    for (const entry of entries) {
      all.push(entry)
      characters += charactersOf(entry)
    }
    if (characters > mostCharacters) {
      return yield* RpcPipe.unexpected(ipc.server, `the names in the server's list are longer than 16 MiB (${name})`)
    }
    if (answer.returnValue === Srvsvc.NERR_Success) return all
    if (answer.returnValue !== Srvsvc.ERROR_MORE_DATA) {
      return yield* RpcPipe.unexpected(
        ipc.server,
        `the server did not tell how it is used (${name}, error ${answer.returnValue})`
      )
    }
    const next = answer.resumeHandle ?? 0
    if (entries.length === 0 || next === resumeHandle || all.length > most) {
      return yield* RpcPipe.unexpected(ipc.server, `the server's list has no end (${name})`)
    }
    resumeHandle = next
  }
})

/**
 * The open files of the server of an IPC$ tree. `STATUS_ACCESS_DENIED` if the user is no administrator there.
 *
 * @since 0.2.0
 */
export const openFiles = (
  ipc: Share.Share
): Effect.Effect<ReadonlyArray<OpenFile>, RequestError, Scope.Scope> =>
  list(
    ipc,
    fileEnum,
    (asked): Lists.FileEnumRequest => ({
      ...asked,
      basePath: undefined,
      userName: undefined,
      info: { level: 3, value: [] }
    }),
    (info) =>
      (info.level === 3 ? info.value ?? [] : []).map((file): OpenFile => ({
        id: file.id,
        path: file.pathName ?? "",
        user: file.userName ?? "",
        locks: file.locks,
        canRead: (file.permissions & Lists.Permissions.PERM_FILE_READ) !== 0,
        canWrite: (file.permissions & (Lists.Permissions.PERM_FILE_WRITE | Lists.Permissions.PERM_FILE_CREATE)) !== 0
      }))
  )

/**
 * The sessions of the server of an IPC$ tree. `STATUS_ACCESS_DENIED` if the user is no administrator there.
 *
 * @since 0.2.0
 */
export const sessions = (
  ipc: Share.Share
): Effect.Effect<ReadonlyArray<UserSession>, RequestError, Scope.Scope> =>
  list(
    ipc,
    sessionEnum,
    (asked): Lists.SessionEnumRequest => ({
      ...asked,
      clientName: undefined,
      userName: undefined,
      info: { level: 1, value: [] }
    }),
    (info) =>
      (info.level === 1 ? info.value ?? [] : []).map((session): UserSession => ({
        client: (session.clientName ?? "").replace(/^\\\\/, ""),
        user: session.userName ?? "",
        opens: session.opens,
        seconds: session.time,
        idleSeconds: session.idleTime,
        isGuest: (session.userFlags & Lists.UserFlags.SESS_GUEST) !== 0
      }))
  )

/**
 * The shares that a client is connected to, at the server of an IPC$ tree. `client` is its address or name, as a session
 * has it. `STATUS_ACCESS_DENIED` if the user is no administrator there.
 *
 * @since 0.2.0
 */
export const connections = (
  ipc: Share.Share,
  client: string
): Effect.Effect<ReadonlyArray<ShareConnection>, RequestError, Scope.Scope> =>
  list(
    ipc,
    connectionEnum,
    (asked): Lists.ConnectionEnumRequest => ({ ...asked, qualifier: `\\\\${client}`, info: { level: 1, value: [] } }),
    (info) =>
      (info.level === 1 ? info.value ?? [] : []).map((one): ShareConnection => ({
        share: one.netName ?? "",
        user: one.userName ?? "",
        opens: one.opens,
        seconds: one.time
      }))
  )

const whole = (low: number, high: number): bigint => (BigInt(high) << 32n) | BigInt(low)

/**
 * What the server of an IPC$ tree counts; `undefined` if it does not serve this. `STATUS_ACCESS_DENIED` if the user is no
 * administrator there.
 *
 * @since 0.2.0
 */
export const statistics = Effect.fnUntraced(function*(
  ipc: Share.Share
): Effect.fn.Return<Statistics | undefined, RequestError, Scope.Scope> {
  const call = yield* bind(ipc)
  const answer = yield* Effect.catchTag(
    call(statisticsGet, { serverName: `\\\\${ipc.server}`, service: "SRVSVC", level: 0, options: 0 }),
    "RpcRefused",
    () => Effect.succeed(undefined)
  )
  if (answer?.returnValue === accessDenied) return yield* denied(ipc, statisticsGet.name)
  const info = answer?.returnValue === Srvsvc.NERR_Success ? answer.info : undefined
  return info === undefined ? undefined : {
    start: info.start,
    bytesSent: whole(info.bytesSentLow, info.bytesSentHigh),
    bytesReceived: whole(info.bytesReceivedLow, info.bytesReceivedHigh),
    passwordErrors: info.passwordErrors
  }
})

/** The call of an operation; a refused interface is an error of the first call's kind. */
const bind = (ipc: Share.Share) =>
  Effect.catchTag(
    RpcPipe.bind(ipc, srvsvc),
    "RpcRefused",
    () => RpcPipe.unexpected(ipc.server, "the server does not tell how it is used: it refused the srvsvc interface")
  )
