/**
 * What a server tells the log of its clients, a line for each: `event` among the annotations says which. No secret is
 * among them; names come from clients, so whoever shows them on a terminal makes them printable first.
 *
 * Refusals and faults are warnings and errors; what goes well is for `Debug`, and the coming and going of connections for
 * `Trace`: an app that says nothing about it has a quiet log.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Caller } from "../Auth/Acceptor.ts"
import * as NtStatus from "../Codec/NtStatus.ts"
import { Dialect } from "../Smb2/Message/Constants.ts"
import type { Connection } from "./internal/Connection/Connection.ts"
import type { Session } from "./internal/State/Session.ts"
import type { Limits } from "./Limits.ts"
import type { StoreError, StorePath } from "./ShareStore.ts"

const told = (
  log: Effect.Effect<void>,
  event: string,
  about: Readonly<Record<string, unknown>>
): Effect.Effect<void> => Effect.annotateLogs(log, { event, ...about })

/** A client has connected. */
export const connected = ({ address, port }: Connection): Effect.Effect<void> =>
  told(Effect.logTrace("connected"), "connected", { address, port })

/** A client has gone, or was sent away. */
export const disconnected = ({ address, port }: Connection): Effect.Effect<void> =>
  told(Effect.logTrace("disconnected"), "disconnected", { address, port })

/** Of a line that was not written for each time: how often it was left out since the last one. */
const also = (more: number) => (more === 0 ? {} : { more })

/** A connection was closed at once: there are as many as `limit` says. */
export const full = (limit: keyof Limits, address: string, more: number): Effect.Effect<void> =>
  told(Effect.logWarning("no more connections are taken"), "full", { limit, address, ...also(more) })

/** A connection by which nobody had logged on was closed, since there were too many of those. */
export const gaveWay = ({ address, port }: Connection, more: number): Effect.Effect<void> =>
  told(
    Effect.logWarning("too many connections without a logon: one of those was closed"),
    "gave way",
    { address, port, ...also(more) }
  )

/** A request was refused: a user, or all of them together, hold as much as `limit` says. */
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

const dialects: Readonly<Record<number, string>> = {
  [Dialect.SMB_2_0_2]: "2.0.2",
  [Dialect.SMB_2_1]: "2.1",
  [Dialect.SMB_3_0]: "3.0",
  [Dialect.SMB_3_0_2]: "3.0.2",
  [Dialect.SMB_3_1_1]: "3.1.1"
}

const userOf = ({ user }: Session): string => user?.anonymous === true ? "anonymous" : user?.name ?? ""

/** Somebody has logged on. */
export const loggedOn = (connection: Connection, session: Session): Effect.Effect<void> =>
  told(Effect.logDebug("logged on"), "logon", {
    user: userOf(session),
    ...(session.user?.guest === true ? { guest: true } : {}),
    address: connection.address,
    port: connection.port,
    dialect: dialects[connection.dialect]
  })

/** UTF-16 code units of a name that a stranger says: what is longer is cut. */
const longestName = 256

/**
 * Somebody was not let in. `caller` is who they said to be, which may be nobody; `reason` says why, which the client is
 * not told. `more` logons that were refused since the last line have none of their own.
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

/** A session has a share. */
export const shareConnected = (connection: Connection, session: Session, share: string): Effect.Effect<void> =>
  told(Effect.logDebug("share connected"), "share", {
    share,
    user: userOf(session),
    address: connection.address,
    port: connection.port
  })

/** A client asked for a share without a signature that has to be there: it was sent away. */
export const unsigned = (connection: Connection, session: Session, more: number): Effect.Effect<void> =>
  told(
    Effect.logWarning("connection ended: by SMB 3.1.1 a request for a share must be signed or encrypted"),
    "unsigned",
    { user: userOf(session), address: connection.address, port: connection.port, ...also(more) }
  )

/** What keeps a request from being its session's. */
export type ProtectionFault = "unsigned" | "wrongly signed" | "unencrypted" | "of another session"

const faults: Readonly<Record<ProtectionFault, string>> = {
  unsigned: "request refused: the session is signed, and the request is not",
  "wrongly signed": "request refused: its signature is wrong",
  unencrypted: "request refused: the session is encrypted, and the request is not",
  "of another session": "request refused: it is encrypted by the keys of another session"
}

/** A request was refused, since it was not signed or encrypted as its session is. */
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

/** A session was refused a share that is there. */
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

/** A file was to be deleted with its last close, and the store refused. */
export const notDeleted = (share: string, path: StorePath, error: StoreError, more: number): Effect.Effect<void> =>
  told(
    Effect.logWarning("a file or folder was not deleted", ...(error.cause === undefined ? [] : [error.cause])),
    "not deleted",
    {
      share,
      path: path.join("\\"),
      reason: error.reason,
      ...also(more)
    }
  )

/** What others change in a share's store cannot be told, so that clients cache nothing there. Said once, until it can. */
export const changesNotTold = (share: string, error: StoreError): Effect.Effect<void> =>
  told(
    Effect.logWarning(
      "changes that others make in a share are not told, and clients cache nothing there",
      ...(error.cause === undefined ? [] : [error.cause])
    ),
    "changes not told",
    { share, reason: error.reason }
  )

/** A store failed, and a client was told so; `more` faults before were not told. */
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
      reason: error.reason,
      ...(more === 0 ? {} : { more })
    }
  )

/** The server's own code, or that of a store, broke: the client got STATUS_INTERNAL_ERROR. */
export const broken = (what: string, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  told(Effect.logError(`${what} broke`, cause), "error", { what })
