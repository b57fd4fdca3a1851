/**
 * The log events of a server, one line for each: the annotation `event` names the event. No annotation holds a secret.
 * Names come from clients, so a program that shows them on a terminal must make them printable first.
 *
 * Refusals are warnings and faults are errors. Where the server listens is `Info`, successes are `Debug`, and the start
 * and end of connections `Trace`: the log is quiet by default.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Caller } from "../Auth/Acceptor.ts"
import * as NtStatus from "../Codec/NtStatus.ts"
import * as Dialects from "../Smb2/Dialects.ts"
import type { Limits } from "./Limits.ts"
import type { StoreError, StorePath } from "./ShareStore.ts"

/**
 * The facts of a connection that the log names.
 *
 * @since 0.1.0
 */
export interface Connection {
  readonly address: string
  readonly port: number
  readonly dialect: number
}

/**
 * The facts of a session that the log names; no user before the logon.
 *
 * @since 0.1.0
 */
export interface Session {
  readonly user: { readonly name: string; readonly anonymous: boolean; readonly guest: boolean } | undefined
}

const told = (
  log: Effect.Effect<void>,
  event: string,
  about: Readonly<Record<string, unknown>>
): Effect.Effect<void> => Effect.annotateLogs(log, { event, ...about })

/**
 * The server listens, on an address of this machine and a port.
 *
 * @since 0.2.0
 */
export const listening = (on: { readonly address: string; readonly port: number }): Effect.Effect<void> =>
  told(Effect.logInfo(`the SMB server listens on ${on.address}, port ${on.port}`), "listening", on)

/**
 * A client has connected.
 *
 * @since 0.1.0
 */
export const connected = ({ address, port }: Connection): Effect.Effect<void> =>
  told(Effect.logTrace("connected"), "connected", { address, port })

/**
 * A connection has ended, by the client or by the server.
 *
 * @since 0.1.0
 */
export const disconnected = ({ address, port }: Connection): Effect.Effect<void> =>
  told(Effect.logTrace("disconnected"), "disconnected", { address, port })

/** For a line that is not written each time: how many lines were dropped since the last one. */
const also = (more: number) => (more === 0 ? {} : { more })

/**
 * A connection was closed at once: the server has as many as `limit` allows.
 *
 * @since 0.1.0
 */
export const full = (limit: keyof Limits, address: string, more: number): Effect.Effect<void> =>
  told(Effect.logWarning("no more connections are taken"), "full", { limit, address, ...also(more) })

/**
 * A connection without a logon was closed, because there were too many of them.
 *
 * @since 0.1.0
 */
export const gaveWay = ({ address, port }: Connection, more: number): Effect.Effect<void> =>
  told(
    Effect.logWarning("too many connections without a logon: one of those was closed"),
    "gave way",
    { address, port, ...also(more) }
  )

/**
 * A request was refused: a user, or all users together, hold as much as `limit` allows.
 *
 * @since 0.1.0
 */
export const limitReached = (
  { address, port }: Connection,
  session: Session | undefined,
  limit: keyof Limits,
  more: number
): Effect.Effect<void> =>
  told(Effect.logWarning("a limit is reached"), "limit", {
    limit,
    user: session === undefined ? "" : userOf(session),
    address,
    port,
    ...also(more)
  })

const userOf = ({ user }: Session): string => user?.anonymous === true ? "anonymous" : user?.name ?? ""

/**
 * A user has logged on.
 *
 * @since 0.1.0
 */
export const loggedOn = (connection: Connection, session: Session): Effect.Effect<void> =>
  told(Effect.logDebug("logged on"), "logon", {
    user: userOf(session),
    ...(session.user?.guest === true ? { guest: true } : {}),
    address: connection.address,
    port: connection.port,
    dialect: Dialects.nameOf(connection.dialect)
  })

/** UTF-16 code units of a name from a client without a logon: a longer name is cut. */
const longestName = 256

/**
 * A logon was refused. `caller` is the name that the client gave, if any; `reason` says why, and is not sent to the
 * client. `more` logons were refused since the last line, and have no line.
 *
 * @since 0.1.0
 */
export const logonRefused = (
  connection: Connection,
  caller: Caller | undefined,
  status: number,
  reason: string,
  more: number
): Effect.Effect<void> =>
  told(Effect.logWarning("logon refused"), "logon refused", {
    ...(caller === undefined ? {} : { user: caller.anonymous ? "anonymous" : caller.user.slice(0, longestName) }),
    ...(caller === undefined || caller.domain === "" ? {} : { domain: caller.domain.slice(0, longestName) }),
    address: connection.address,
    port: connection.port,
    status: NtStatus.name(status),
    reason,
    ...also(more)
  })

/**
 * A session has connected to a share.
 *
 * @since 0.1.0
 */
export const shareConnected = (connection: Connection, session: Session, share: string): Effect.Effect<void> =>
  told(Effect.logDebug("share connected"), "share", {
    share,
    user: userOf(session),
    address: connection.address,
    port: connection.port
  })

/**
 * A client asked for a share without the required signature: its connection was ended.
 *
 * @since 0.1.0
 */
export const unsigned = (connection: Connection, session: Session, more: number): Effect.Effect<void> =>
  told(
    Effect.logWarning("connection ended: by SMB 3.1.1 a request for a share must be signed or encrypted"),
    "unsigned",
    { user: userOf(session), address: connection.address, port: connection.port, ...also(more) }
  )

/**
 * How a request does not match the protection of its session.
 *
 * @since 0.1.0
 */
export type ProtectionFault = "unsigned" | "wrongly signed" | "unencrypted" | "of another session"

const faults: Readonly<Record<ProtectionFault, string>> = {
  unsigned: "request refused: the session is signed, and the request is not",
  "wrongly signed": "request refused: its signature is wrong",
  unencrypted: "request refused: the session is encrypted, and the request is not",
  "of another session": "request refused: it is encrypted by the keys of another session"
}

/**
 * A request was refused, because it was not signed or encrypted as its session requires.
 *
 * @since 0.1.0
 */
export const unprotected = (
  connection: Connection,
  session: Session | undefined,
  command: string,
  fault: ProtectionFault,
  more: number
): Effect.Effect<void> =>
  told(Effect.logWarning(faults[fault]), "unprotected", {
    command,
    reason: fault,
    user: session === undefined ? "" : userOf(session),
    address: connection.address,
    port: connection.port,
    ...also(more)
  })

/**
 * A session was refused an existing share.
 *
 * @since 0.1.0
 */
export const shareRefused = (
  connection: Connection,
  session: Session,
  share: string,
  more: number
): Effect.Effect<void> =>
  told(Effect.logWarning("share refused"), "share refused", {
    share,
    user: userOf(session),
    address: connection.address,
    port: connection.port,
    ...also(more)
  })

/**
 * The store refused to delete a file at its last close.
 *
 * @since 0.1.0
 */
export const notDeleted = (share: string, path: StorePath, error: StoreError, more: number): Effect.Effect<void> =>
  told(
    Effect.logWarning("a file or folder was not deleted", ...(error.cause === undefined ? [] : [error.cause])),
    "not deleted",
    {
      share,
      path: path.join("\\"),
      reason: error.reason._tag,
      ...also(more)
    }
  )

/**
 * A share's store cannot report the changes of other programs, so clients cache nothing there. Logged once, until the
 * store can.
 *
 * @since 0.1.0
 */
export const changesNotTold = (share: string, error: StoreError): Effect.Effect<void> =>
  told(
    Effect.logWarning(
      "changes that others make in a share are not told, and clients cache nothing there",
      ...(error.cause === undefined ? [] : [error.cause])
    ),
    "changes not told",
    { share, reason: error.reason._tag }
  )

/**
 * A store failed, and the client got an error; `more` earlier faults have no line.
 *
 * @since 0.1.0
 */
export const storeFailed = (
  command: string,
  share: string | undefined,
  path: StorePath | undefined,
  error: StoreError,
  more: number
): Effect.Effect<void> =>
  told(
    Effect.logError("the store of a share failed", ...(error.cause === undefined ? [] : [error.cause])),
    "store failed",
    {
      command,
      ...(share === undefined ? {} : { share }),
      ...(path === undefined ? {} : { path: path.join("\\") }),
      reason: error.reason._tag,
      ...(more === 0 ? {} : { more })
    }
  )

/**
 * An open of an earlier server could not be restored, and its client gets STATUS_OBJECT_NAME_NOT_FOUND.
 *
 * @since 0.2.0
 */
export const openNotRestored = (share: string, path: StorePath, why: string): Effect.Effect<void> =>
  told(
    Effect.logWarning(`an open file of the server before this one is lost: ${why}`),
    "open not restored",
    { share, path: path.join("\\") }
  )

/**
 * The `OpenStore` failed; `more` earlier faults have no line. New opens are not persistent until it works again.
 *
 * @since 0.2.0
 */
export const opensNotKept = (error: StoreError, more: number): Effect.Effect<void> =>
  told(
    Effect.logError("the persistent opens could not be written", ...(error.cause === undefined ? [] : [error.cause])),
    "opens not kept",
    { reason: error.reason._tag, ...also(more) }
  )

/**
 * The user store failed, and no user could be looked up; `more` earlier faults have no line.
 *
 * @since 0.2.0
 */
export const usersUnreachable = (cause: Cause.Cause<unknown>, more: number): Effect.Effect<void> =>
  told(Effect.logError("the user store failed", cause), "user store failed", also(more))

/**
 * The identity store failed, broke, or did not answer in time: a client that logged on got STATUS_INTERNAL_ERROR, or a
 * client that asked for the name of a SID was told that no user has it.
 *
 * @since 0.2.0
 */
export const identitiesUnreachable = (cause: Cause.Cause<unknown>, more: number): Effect.Effect<void> =>
  told(Effect.logError("the identity store failed", cause), "identity store failed", also(more))

/**
 * The code of the server or of a store has a defect: the client got STATUS_INTERNAL_ERROR.
 *
 * @since 0.1.0
 */
export const broken = (what: string, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  told(Effect.logError(`${what} broke`, cause), "error", { what })
