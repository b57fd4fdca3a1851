/** SESSION_SETUP (MS-SMB2 3.3.5.5): a logon in as many legs as it needs, a reauthentication, and the resulting keys. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Acceptor from "../../../Auth/Acceptor.ts"
import { AuthenticationError } from "../../../Auth/AuthenticationError.ts"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as Encryption from "../../../Smb2/Encryption.ts"
import {
  Dialect,
  SecurityMode,
  SessionFlags,
  SessionSetupFlags,
  SigningAlgorithm
} from "../../../Smb2/Message/Constants.ts"
import type * as Setup from "../../../Smb2/Message/SessionSetup.ts"
import { deriveKeys } from "../../../Smb2/Session.ts"
import * as Signing from "../../../Smb2/Signing.ts"
import * as Events from "../../Events.ts"
import type { User } from "../../UserStore.ts"
import * as Access from "../State/Access.ts"
import * as AppStores from "../State/AppStores.ts"
import { type Identity, isSamePerson } from "../State/Identity.ts"
import type { Incoming } from "../State/Incoming.ts"
import { type Connection, type Logon, type Server, Session, type Usage } from "../State/Model.ts"
import { Refusal, refuse, type Reply, reply } from "../Wire/Reply.ts"
import { limitReached } from "./LimitRefusal.ts"
import * as Negotiation from "./Negotiation.ts"
import * as SessionEnd from "./SessionEnd.ts"
import * as SessionExpiry from "./SessionExpiry.ts"

/** A logon, the user that the client claims to be, and the user that was found. */
interface Named extends Logon {
  readonly claimed: () => Acceptor.Caller | undefined
  readonly found: () => User | undefined
  /** The user whose password was checked. */
  readonly judged: () => string | undefined
}

/** The refusal of a logon whose turn does not come in time. */
const notJudged = new AuthenticationError({
  reason: { _tag: "LogonRejected" },
  detail: "too many logons were refused before; this one was not looked at",
  mechanism: "NTLM"
})

/** The refusal of a logon whose user could not be looked up. The log has the cause. */
const notLookedUp = new AuthenticationError({
  reason: { _tag: "LogonRejected" },
  detail: "the user store failed; the user was not looked up",
  mechanism: "NTLM"
})

/** The reason for a refused logon, for the log. The client does not learn it. */
const reasonOf = (failure: AuthenticationError, logon: Named): string => {
  if (failure.reason._tag !== "LogonRejected" || logon.judged() === undefined) return failure.detail
  const found = logon.found()
  return found === undefined
    ? "there is no such user"
    : found.ntHash === undefined
    ? "the user logs on by Kerberos alone"
    : "the password is wrong"
}

const makeLogon = (connection: Connection, kind: Logon["kind"]): Named => {
  const { server } = connection
  let claimed: Acceptor.Caller | undefined
  let found: User | undefined
  let judged: string | undefined
  const { guest } = server.settings
  return {
    kind,
    preauthHash: connection.negotiated.preauthHash,
    claimed: () => claimed,
    found: () => found,
    judged: () => judged,
    acceptor: Acceptor.make({
      computerName: server.settings.computerName,
      kerberos: server.settings.kerberos,
      turn: ({ user }) =>
        Effect.flatMap(server.logonDelays.turn(user, connection.network, connection.ended), (inTime) => {
          if (!inTime || connection.closed) return Effect.fail(notJudged)
          judged = user
          return Effect.void
        }),
      lookup: (caller) => {
        claimed = caller
        if (caller.anonymous) {
          return Effect.succeed<Acceptor.Account | undefined>(
            guest !== "never" && kind !== "binding" ? { _tag: "Guest" } : undefined
          )
        }
        return Effect.mapBoth(AppStores.findUser(server, caller.user, caller.domain), {
          onSuccess: (user): Acceptor.Account | undefined => {
            found = user
            if (user !== undefined) return { _tag: "User", ntHash: user.ntHash }
            return guest === "unknown" && kind === "new" ? { _tag: "Guest" } : undefined
          },
          onFailure: () => notLookedUp
        })
      }
    })
  }
}

/**
 * A caller without an account that the server's settings let in: in the group Everyone, but not in Authenticated Users.
 */
const outsider = (server: Server, anonymous: boolean): Identity => ({
  name: anonymous ? "" : "guest",
  sid: anonymous ? Access.sids.anonymous : `${server.domainSid}-501`,
  groups: new Set([Access.sids.everyone, Access.sids.network, Access.sids.guests]),
  administrator: false,
  guest: true,
  anonymous
})

const identity = (server: Server, user: User): Effect.Effect<Identity, Refusal> =>
  Effect.map(
    user.sid === undefined ? sidOf(server, user.name) : Effect.succeed(user.sid),
    (sid): Identity => ({
      name: user.name,
      sid,
      groups: new Set([
        Access.sids.everyone,
        Access.sids.network,
        Access.sids.authenticated,
        Access.sids.users,
        `${server.domainSid}-513`,
        ...(user.administrator === true ? [Access.sids.administrators] : []),
        ...(user.groups ?? [])
      ]),
      administrator: user.administrator === true,
      guest: false,
      anonymous: false
    })
  )

/** A SID that cannot be kept may belong to another user after a restart: a logon with such a SID is refused. */
const sidOf = (server: Server, name: string): Effect.Effect<string, Refusal> =>
  Effect.catch(AppStores.sidOf(server, name), () => refuse(NtStatus.STATUS_INTERNAL_ERROR))

/** Handles SESSION_SETUP. */
export const sessionSetup = Effect.fnUntraced(function*(
  incoming: Incoming,
  body: Setup.Request
): Effect.fn.Return<Reply, Refusal> {
  const { connection, header } = incoming
  const { server } = connection
  const { negotiated } = connection
  if (negotiated.dialect === 0 || negotiated.dialect === Dialect.SMB_2_WILDCARD) {
    return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  }
  const binding = has(body.flags, SessionSetupFlags.SMB2_SESSION_FLAG_BINDING)
  const session = header.sessionId === 0n
    ? yield* begin(connection)
    : yield* (binding ? bind(incoming) : known(incoming))
  let logon = session.logons.get(connection) as Named | undefined
  if (logon === undefined) {
    logon = makeLogon(connection, binding ? "binding" : session.user === undefined ? "new" : "again")
    session.logons.set(connection, logon)
    if (binding) connection.binding.add(session)
  }
  if (negotiated.dialect === Dialect.SMB_3_1_1) Negotiation.extend(logon, [incoming.packet])
  const step = yield* Effect.result(logon.acceptor.step(body.securityBuffer))
  if (step._tag === "Failure") {
    session.logons.delete(connection)
    const gone = connection.closed
    // Another leg of this logon may be under way.
    logon.acceptor.release()
    connection.failedLogons++
    const judged = logon.judged()
    if (judged !== undefined) yield* server.logonDelays.refused(judged, connection.network)
    yield* endFailed(incoming, session, logon)
    if (connection.failedLogons >= server.limits.logonAttempts) connection.close()
    // MS-APDS 2.2.1: what a Windows server answers while no domain controller can look the account up.
    const { _tag: reason } = step.failure.reason
    const status = step.failure === notLookedUp
      ? NtStatus.STATUS_NO_LOGON_SERVERS
      : reason === "MalformedToken" || reason === "UnexpectedToken"
      ? NtStatus.STATUS_INVALID_PARAMETER
      : NtStatus.STATUS_LOGON_FAILURE
    // If the client hung up while its logon waited for its turn, no logon was refused.
    if (!gone || judged !== undefined) {
      yield* tellRefused(connection, logon, status, reasonOf(step.failure, logon))
    }
    return yield* Effect.fail(new Refusal(status, undefined, session.id))
  }
  const done = step.success
  if (done._tag === "Continue") {
    if (done.refused !== undefined) {
      connection.failedLogons++
      yield* tellRefused(connection, logon, NtStatus.STATUS_MORE_PROCESSING_REQUIRED, done.refused.detail)
      if (connection.failedLogons >= server.limits.logonAttempts) connection.close()
    }
    return {
      ...reply(
        { _tag: "SESSION_SETUP", body: { sessionFlags: 0, securityBuffer: done.token } },
        NtStatus.STATUS_MORE_PROCESSING_REQUIRED
      ),
      sessionId: session.id
    }
  }
  session.logons.delete(connection)
  const judged = logon.judged()
  if (judged !== undefined) yield* server.logonDelays.succeeded(judged, connection.network)
  const found = done.guest ? undefined : logon.found()
  const user = found === undefined
    ? outsider(server, done.caller.anonymous)
    : yield* Effect.tapError(identity(server, found), () => endFailed(incoming, session, logon))
  const key = done.sessionKey === undefined ? undefined : Redacted.value(done.sessionKey)
  // A connection that is closed cannot be a channel: it would keep the session for ever.
  if (session.ended || connection.closed) return yield* refuse(NtStatus.STATUS_USER_SESSION_DELETED)
  const usage = server.usages.of(user, connection.network)
  switch (logon.kind) {
    case "new": {
      if (
        (key === undefined || user.guest) &&
        (server.settings.encryption === "required" || user.guest && server.settings.guest === "never")
      ) {
        usage.release()
        return yield* turnAway(connection, session, logon)
      }
      if (speaksAnotherDialect(usage, session, user)) {
        usage.release()
        yield* SessionEnd.end(session)
        SessionEnd.forget(session, connection)
        return yield* refuse(NtStatus.STATUS_USER_SESSION_DELETED)
      }
      const previous = server.sessions.get(body.previousSessionId)
      const replaced = previous !== session && isSamePerson(previous?.user, user) ? previous : undefined
      const limit = connection.reached(usage) ??
        (usage.sessions - (replaced === undefined ? 0 : 1) >= server.limits.userSessions ? "userSessions" : undefined)
      session.act(user, usage)
      if (limit !== undefined) {
        incoming.session = session
        yield* SessionEnd.end(session)
        SessionEnd.forget(session, connection)
        return yield* limitReached(incoming, limit, NtStatus.STATUS_REQUEST_NOT_ACCEPTED)
      }
      establish(connection, session, body, key, logon.preauthHash)
      if (server.settings.encryption === "required" && session.encrypt === undefined) {
        return yield* turnAway(connection, session, logon)
      }
      connection.admit(usage)
      if (replaced !== undefined) yield* SessionEnd.end(replaced)
      server.meter.loggedOn()
      yield* Events.loggedOn(connection, session)
      break
    }
    case "again":
      // A session without secret keys would stay unprotected against the server's settings: a former guest must log on to
      // a new session.
      if (!session.hasSecretKeys && !user.guest) {
        usage.release()
        return yield* turnAway(connection, session, logon)
      }
      if (usage !== session.usage && usage.sessions >= server.limits.userSessions) {
        incoming.session = session
        yield* SessionEnd.end(session)
        SessionEnd.leave(session, connection)
        return yield* limitReached(incoming, "userSessions", NtStatus.STATUS_REQUEST_NOT_ACCEPTED)
      }
      // The keys stay. If the client used other credentials, the session acts as that user from now on (3.3.5.5.3).
      session.act(user, usage)
      connection.admit(usage)
      break
    case "binding": {
      if (!isSamePerson(user, session.user) || key === undefined) {
        usage.release()
        return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
      }
      const limit = connection.reached(usage)
      if (limit !== undefined) return yield* limitReached(incoming, limit, NtStatus.STATUS_REQUEST_NOT_ACCEPTED)
      connection.admit(usage)
      addChannel(connection, session, key, logon.preauthHash)
      break
    }
  }
  // A further channel does not prolong the session.
  if (logon.kind !== "binding") SessionExpiry.begin(server, session, done.lifetime)
  const sessionFlags = user.anonymous
    ? SessionFlags.SMB2_SESSION_FLAG_IS_NULL
    : user.guest
    ? SessionFlags.SMB2_SESSION_FLAG_IS_GUEST
    : session.encryptRequired
    ? SessionFlags.SMB2_SESSION_FLAG_ENCRYPT_DATA
    : 0
  return {
    ...reply({ _tag: "SESSION_SETUP", body: { sessionFlags, securityBuffer: done.token } }),
    sessionId: session.id
  }
})

/**
 * Whether this client, by its ClientGuid, has a session of another dialect (3.3.5.5.3). One user's clients are compared:
 * a user who knows the ClientGuid of another user's client must not keep it out. Clients of SMB 2.0.2 have no
 * ClientGuid.
 */
const speaksAnotherDialect = (usage: Usage, session: Session, user: Identity): boolean => {
  const client = usage.clients.get(session.clientGuid)
  if (client === undefined || user.guest) return false
  return client.dialect !== session.dialect && Math.min(client.dialect, session.dialect) > Dialect.SMB_2_0_2
}

/** Ends the session of a logon that failed. If a channel could not be bound to a session, that session continues. */
const endFailed = (incoming: Incoming, session: Session, { kind }: Logon): Effect.Effect<void> => {
  if (kind === "binding") return Effect.void
  incoming.session = session
  return Effect.map(SessionEnd.end(session), () =>
    kind === "again"
      ? SessionEnd.leave(session, incoming.connection)
      : SessionEnd.forget(session, incoming.connection))
}

/** Ends a logon that succeeded but does not meet the server's settings: signed, encrypted, or with a known user. */
const turnAway = (connection: Connection, session: Session, logon: Named): Effect.Effect<never, Refusal> => {
  const status = NtStatus.STATUS_ACCESS_DENIED
  return SessionEnd.end(session).pipe(
    Effect.andThen(Effect.sync(() => SessionEnd.forget(session, connection))),
    Effect.andThen(
      tellRefused(connection, logon, status, "the session would not be signed or encrypted as it has to be")
    ),
    Effect.andThen(refuse(status))
  )
}

/** Counts a refused logon, and writes it to the log. */
const tellRefused = (connection: Connection, logon: Named, status: number, reason: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { server } = connection
    server.meter.refuse("logons")
    return server.logRates.logons.tell((more) => Events.logonRefused(connection, logon.claimed(), status, reason, more))
  })

const begin = (connection: Connection): Effect.Effect<Session, Refusal> =>
  Effect.suspend(() => {
    const { server } = connection
    const { logonAttempts, sessions } = server.limits
    // Connections without a logon have a lower limit, because each logon may send a long token.
    const most = connection.owner === undefined ? Math.min(logonAttempts, sessions) : sessions
    if (connection.sessions.size >= most) return refuse(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
    const session = new Session(server.newSessionId())
    const { negotiated } = connection
    session.dialect = negotiated.dialect
    session.cipher = negotiated.cipher
    session.signing = negotiated.signing
    session.clientGuid = negotiated.clientGuid
    server.sessions.set(session.id, session)
    connection.sessions.set(session.id, session)
    return Effect.succeed(session)
  })

const known = (incoming: Incoming): Effect.Effect<Session, Refusal> =>
  Effect.suspend(() => {
    const session = incoming.connection.sessions.get(incoming.header.sessionId)
    if (session === undefined || session.ended) return refuse(NtStatus.STATUS_USER_SESSION_DELETED)
    incoming.session = session
    const sign = session.channels.get(incoming.connection)?.sign
    // Another user's keys do not prove who the sender of this request is.
    if (incoming.encrypted && incoming.decryptedBy !== session) return refuse(NtStatus.STATUS_ACCESS_DENIED)
    if (session.user !== undefined && sign !== undefined && !incoming.encrypted) {
      if (incoming.signed ? !incoming.connection.verifies(sign, incoming) : session.signRequired) {
        return refuse(NtStatus.STATUS_ACCESS_DENIED)
      }
    }
    return Effect.succeed(session)
  })

/** Binds a further channel to a session that another connection began (3.3.5.5.2). */
const bind = (incoming: Incoming): Effect.Effect<Session, Refusal> =>
  Effect.suspend(() => {
    const { connection } = incoming
    const session = incoming.server.sessions.get(incoming.header.sessionId)
    // A refusal is signed by the session's key too.
    incoming.session = session
    const signing = connection.negotiated.signing
    if (session?.signing === SigningAlgorithm.AES_GMAC && signing !== SigningAlgorithm.AES_GMAC) {
      return refuse(NtStatus.STATUS_REQUEST_OUT_OF_SEQUENCE)
    }
    if (session !== undefined && session.signing !== signing && signing === SigningAlgorithm.AES_GMAC) {
      return refuse(NtStatus.STATUS_NOT_SUPPORTED)
    }
    if (connection.dialect < Dialect.SMB_3_0) {
      return refuse(session === undefined ? NtStatus.STATUS_USER_SESSION_DELETED : NtStatus.STATUS_REQUEST_NOT_ACCEPTED)
    }
    if (session === undefined || !session.valid) return refuse(NtStatus.STATUS_USER_SESSION_DELETED)
    const { negotiated } = connection
    const sign = session.sign
    if (session.user!.guest || sign === undefined) return refuse(NtStatus.STATUS_NOT_SUPPORTED)
    if (session.channels.size >= 32) return refuse(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
    if (session.channels.has(connection)) return refuse(NtStatus.STATUS_REQUEST_NOT_ACCEPTED)
    if (!incoming.signed) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    if (session.dialect !== negotiated.dialect) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    if (session.cipher !== negotiated.cipher) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    if (session.clientGuid !== negotiated.clientGuid) return refuse(NtStatus.STATUS_USER_SESSION_DELETED)
    if (!connection.verifies(sign, incoming)) return refuse(NtStatus.STATUS_ACCESS_DENIED)
    return Effect.succeed(session)
  })

const establish = (
  connection: Connection,
  session: Session,
  body: Setup.Request,
  key: Uint8Array | undefined,
  preauthHash: Uint8Array
): void => {
  const { negotiated, server } = connection
  if (!session.user!.guest) connection.constrained = false
  if (key === undefined) {
    session.channels.set(connection, { sign: undefined })
    return
  }
  session.sessionKey = key
  session.hasSecretKeys = !session.user!.guest
  const keys = deriveKeys(negotiated.dialect, preauthHash, key, negotiated.cipher)
  session.sign = Signing.make(negotiated.signing, keys.signing!)
  session.channels.set(connection, { sign: session.sign })
  // A client does not expect signatures of an anonymous session, unless it signs its requests itself (3.3.5.5.3).
  session.signRequired = session.hasSecretKeys && (server.settings.signing === "required" ||
    has(body.securityMode, SecurityMode.SMB2_NEGOTIATE_SIGNING_REQUIRED))
  if (negotiated.cipher !== undefined && "serverToClient" in keys) {
    session.encrypt = Encryption.makeEncrypt(negotiated.cipher, keys.serverToClient!, session.id)
    session.decrypt = Encryption.makeDecrypt(negotiated.cipher, keys.clientToServer!)
    session.encryptRequired = server.settings.encryption === "required"
  }
}

const addChannel = (connection: Connection, session: Session, key: Uint8Array, preauthHash: Uint8Array): void => {
  const keys = deriveKeys(connection.dialect, preauthHash, key, connection.negotiated.cipher)
  session.channels.set(connection, { sign: Signing.make(connection.negotiated.signing, keys.signing!) })
  connection.sessions.set(session.id, session)
  connection.binding.delete(session)
  connection.constrained = false
}
