/**
 * The client's connections: one connection per server, one session per credential, one tree per share. All users of one
 * share it, and it closes after it was unused for a while.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import { AuthenticationError } from "../../Auth/AuthenticationError.ts"
import * as Authenticator from "../../Auth/Authenticator.ts"
import { type Credential, CredentialProvider, type CredentialRequest } from "../../Auth/Credentials.ts"
import type { Reason } from "../../Codec/NtStatus.ts"
import type { ConnectedShare } from "../../Protocol/ConnectedShare.ts"
import { type RequestError, TransportError } from "../../Protocol/Errors.ts"
import { CurrentRequestMeter } from "../../Protocol/RequestMeter.ts"
import type { ServerInformation } from "../../Protocol/ServerInformation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as Spans from "../../Protocol/Spans.ts"
import * as Transport from "../../Protocol/Transport.ts"
import { ClientGuids } from "../../Smb2/Negotiate.ts"
import type * as Settings from "../../Smb2/Settings.ts"
import type { Target } from "../Locator.ts"
import type { ServerSession } from "../ServerSession.ts"
import * as CredentialCache from "./CredentialCache.ts"
import { Key, lower, separator } from "./Key.ts"
import * as Meter from "./Meter.ts"
import * as ProtocolChoice from "./ProtocolChoice.ts"
import { Refusals } from "./RefusedCredentials.ts"

const { Attribute } = Spans

/** The errors of connecting to a share. */
export type ConnectError = RequestError | AuthenticationError

/** The provider names another user than that of the session that begins. The caller asks for the session of that user. */
interface UserChanged {
  readonly _tag: "UserChanged"
}

const userChanged: UserChanged = { _tag: "UserChanged" }

/** How often the provider may name another user before the operation fails. */
const mostChanges = 3

/** Runs again while the provider names another user, from the question for the user on. */
const asNamedUser = <A, E, R>(
  { server }: Target,
  attempt: Effect.Effect<A, E | UserChanged, R>
): Effect.Effect<A, E | AuthenticationError, R> => {
  const isChange = (error: E | UserChanged): error is UserChanged => error === userChanged
  // The first attempt is nearly always the last one, and each operation makes it: it costs nothing of a retry.
  return Effect.catchIf(
    attempt,
    isChange,
    () =>
      Effect.catchIf(Effect.retry(attempt, { times: mostChanges - 1, while: isChange }), isChange, () =>
        Effect.fail(
          new AuthenticationError({
            reason: { _tag: "NoCredential" },
            detail:
              `the credential provider names another user for ${server} each time that it is asked: let it keep to one`
          })
        ))
  ) as Effect.Effect<A, E | AuthenticationError, R>
}

/** Shared shares. */
export interface Connections {
  /** The share of a target, as the user that the credential provider gives. It stays while the scope is open. */
  readonly share: (target: Target) => Effect.Effect<Share.Share, ConnectError, Scope.Scope>
  /** Connects to a target's server, without a logon. The connection stays while the scope is open. */
  readonly negotiate: (target: Target) => Effect.Effect<ServerInformation, RequestError, Scope.Scope>
  /** Connects to a target's server and logs on there. The session stays while the scope is open. */
  readonly logOn: (target: Target) => Effect.Effect<ServerSession, ConnectError, Scope.Scope>
  /** Allows another attempt with refused credentials. */
  readonly retryLogons: Effect.Effect<void>
}

const accountName = (credential: Credential): string => {
  switch (credential._tag) {
    case "Anonymous":
      return ""
    case "Kerberos":
      return JSON.stringify([credential.principal, credential.ccache, credential.keytab])
    default:
      return `${credential.domain}\\${credential.user}`
  }
}

const connectionKeyOf = ({ port, server }: Pick<Target, "port" | "server">): string =>
  `${lower(server)}${separator}${port}`

/** An account stays the same, no matter which domain a referral names for the server. */
const accountOf = (server: string, port: number, user: string): string =>
  [lower(server), String(port), user].join(separator)

const request = (server: string, domain: string): CredentialRequest => domain === "" ? { server } : { server, domain }

/** What a new session is made from. */
interface SessionSource {
  readonly target: Target
  readonly answer: CredentialCache.Answer
  readonly credentialKey: CredentialCache.CredentialKey
}

/** What a new tree is made from. */
interface TreeSource {
  readonly share: string
  readonly sessionKey: Key<SessionSource>
}

/** The most sessions that are remembered after their connection was lost. The server ends a forgotten one by itself. */
const mostPrevious = 1024

/** A share, and the session that it belongs to. */
interface Tree {
  readonly share: ConnectedShare
  readonly session: ProtocolChoice.LoggedOn
}

/** A tree that was given, and the answer of the credential provider that it was given for. */
interface Latest {
  readonly tree: Tree
  readonly treeKey: Key<TreeSource>
  readonly answer: CredentialCache.Answer
  /** The account, as refusals name it. */
  readonly account: string
}

/** A target without its path, as text. Each letter counts: two texts for one share cost a search only. */
const placeOf = ({ domain, port, server, share }: Target): string =>
  `${server}${separator}${port}${separator}${share}${separator}${domain ?? ""}`

/** A client that gets one of these has no session any more, no matter which command it answers. */
const endsSession: ReadonlySet<string> = new Set<Reason>(["UserSessionDeleted", "NetworkSessionExpired"])

/**
 * Makes the three maps. Their scope closes trees, sessions and connections, in that order.
 *
 * @category constructors
 */
export const make = Effect.fnUntraced(function*(
  settings: Settings.Settings,
  idle: Duration.Input,
  credentialTimeToLive: Duration.Input | undefined
): Effect.fn.Return<
  Connections,
  never,
  Transport.Transport | Authenticator.Authenticator | CredentialProvider | Scope.Scope
> {
  const authenticator = yield* Authenticator.Authenticator
  const credentials = yield* CredentialCache.make(yield* CredentialProvider, credentialTimeToLive)
  const transport = yield* Transport.Transport
  const meter = yield* Meter.make
  const guids = new Map<string, Uint8Array>()

  const connections = yield* RcMap.make({
    idleTimeToLive: idle,
    lookup: Effect.fnUntraced(
      function*(key: string): Effect.fn.Return<ProtocolChoice.Connected, RequestError, Scope.Scope> {
        const [host, port] = key.split(separator) as [string, string]
        return yield* ProtocolChoice.connect({ host, port: Number(port) }, settings).pipe(
          Effect.tap(({ information }) => Spans.annotate({ [Attribute.dialect]: information.dialect })),
          (connecting) => meter.connecting(key, connecting),
          Effect.provideService(Transport.Transport, transport),
          Effect.provideService(CurrentRequestMeter, meter),
          Effect.provideService(ClientGuids, guids),
          (connecting) =>
            Spans.effect(connecting, "SmbClient.connect", {
              kind: "client",
              attributes: {
                ...Spans.ofServer({ server: host, port: Number(port) }),
                [Attribute.networkTransport]: "tcp"
              }
            })
        )
      }
    )
  })

  /** The kept connection, or a new one if that has ended since its last use. */
  const getConnection = (key: string) =>
    Effect.flatMap(RcMap.get(connections, key), (kept) =>
      kept.failed() === undefined
        ? Effect.succeed(kept)
        : Effect.andThen(RcMap.invalidate(connections, key), RcMap.get(connections, key)))

  const refusals = new Refusals()

  /** Sessions that the server has ended, on connections that still live. */
  const lost = new WeakSet<ProtocolChoice.LoggedOn>()

  /** The answer of the provider that each session was made with. */
  const answers = new WeakMap<ProtocolChoice.LoggedOn, CredentialCache.Answer>()

  const isOver = (session: ProtocolChoice.LoggedOn): boolean => lost.has(session) || session.failed() !== undefined

  /** A credential that the server has refused is not used. The next operation asks the provider again. */
  const unlessRefused = (
    account: string,
    answer: CredentialCache.Answer,
    credentialKey: CredentialCache.CredentialKey
  ): Effect.Effect<void, ConnectError> => {
    const refused = refusals.find(account, answer.credential)
    return refused === undefined
      ? Effect.void
      : Effect.andThen(credentials.failed(credentialKey, answer), Effect.fail(refused))
  }

  /** The sessions that were not logged off, by the keys of the sessions that replace them (PreviousSessionId). */
  const previous = new Map<string, bigint>()
  const remember = (text: string, sessionId: bigint) => {
    previous.delete(text)
    if (sessionId === 0n) return
    previous.set(text, sessionId)
    if (previous.size > mostPrevious) previous.delete(previous.keys().next().value!)
  }

  /** Authenticates the user of a session again, with what the provider gives now: the password can be a new one. */
  const reauthenticating = (
    session: ProtocolChoice.LoggedOn,
    user: string,
    account: string,
    credentialKey: CredentialCache.CredentialKey,
    server: string,
    setup: (logon: Authenticator.AuthenticatorSession) => Effect.Effect<void, ConnectError>
  ): Effect.Effect<void, ConnectError> =>
    Effect.gen(function*() {
      const kept = answers.get(session)
      if (kept !== undefined) yield* credentials.sessionEnded(credentialKey, kept)
      const answer = yield* credentials.get(credentialKey)
      const { credential } = answer
      if (accountName(credential) !== user) {
        return yield* new AuthenticationError({
          reason: { _tag: "NoCredential" },
          detail: `the session on ${server} has expired, and the credential provider names another user now`
        })
      }
      yield* unlessRefused(account, answer, credentialKey)
      answers.set(session, answer)
      yield* Effect.flatMap(authenticator.make(credential, { server: lower(server) }), setup).pipe(
        Effect.tapError((error) => {
          refusals.note(account, credential, error)
          return error._tag === "TransportError" ? Effect.void : credentials.failed(credentialKey, answer)
        })
      )
      refusals.forget(account)
    }).pipe(Effect.scoped, meter.reauthenticating)

  const sessions = yield* RcMap.make({
    idleTimeToLive: idle,
    lookup: Effect.fnUntraced(function*(
      { from: { answer: known, credentialKey, target: { port, server } }, text }: Key<SessionSource>
    ): Effect.fn.Return<ProtocolChoice.LoggedOn, ConnectError | UserChanged, Scope.Scope> {
      const user = accountName(known.credential)
      const account = accountOf(server, port, user)
      // The provider is asked again if the session before this one has ended: the password can be a new one by now.
      const answer = yield* credentials.get(credentialKey)
      if (accountName(answer.credential) !== user) return yield* Effect.fail(userChanged)
      const { credential } = answer
      let made: ProtocolChoice.LoggedOn | undefined
      yield* Effect.addFinalizer(() =>
        credentials.sessionEnded(credentialKey, (made === undefined ? undefined : answers.get(made)) ?? answer)
      )
      yield* unlessRefused(account, answer, credentialKey)
      const connected = yield* getConnection(connectionKeyOf({ port, server }))
      return yield* Effect.flatMap(
        authenticator.make(credential, { server: lower(server) }),
        (logon) => connected.logon(logon, credential, previous.get(text) ?? 0n)
      ).pipe(
        (loggingOn) => meter.loggingOn(loggingOn),
        Effect.tap(({ information: { mechanism } }) =>
          mechanism === undefined ? Effect.void : Spans.annotate({ [Attribute.mechanism]: mechanism })
        ),
        Effect.tapError((error) => {
          refusals.note(account, credential, error)
          // A connection that breaks says nothing about the credential.
          return error._tag === "TransportError" ? Effect.void : credentials.failed(credentialKey, answer)
        }),
        Effect.tap(Effect.sync(() => refusals.forget(account))),
        Effect.tap((session) =>
          Effect.sync(() => {
            made = session
            answers.set(session, answer)
            remember(text, session.sessionId)
            session.onExpired?.((setup) => reauthenticating(session, user, account, credentialKey, server, setup))
          })
        ),
        Effect.tap((session) =>
          // A session that is logged off is replaced by none. This runs before its LOGOFF.
          Effect.addFinalizer(() =>
            Effect.sync(() => {
              if (session.failed() === undefined && !lost.has(session)) previous.delete(text)
            })
          )
        ),
        (loggingOn) =>
          Spans.effect(loggingOn, "SmbClient.sessionSetup", {
            kind: "client",
            attributes: Spans.ofServer({ server: lower(server), port })
          })
      )
    })
  })

  /** The next caller logs on again. Before that, the provider is asked again, unless its answer is still valid. */
  const forgetSession = (sessionKey: Key<SessionSource>, over?: ProtocolChoice.LoggedOn): Effect.Effect<void> =>
    Effect.andThen(
      RcMap.invalidate(sessions, sessionKey),
      credentials.sessionEnded(
        sessionKey.from.credentialKey,
        (over === undefined ? undefined : answers.get(over)) ?? sessionKey.from.answer
      )
    )

  /** The same, and the next caller connects again too. */
  const forgetConnection = (sessionKey: Key<SessionSource>, over?: ProtocolChoice.LoggedOn): Effect.Effect<void> =>
    Effect.andThen(
      forgetSession(sessionKey, over),
      RcMap.invalidate(connections, connectionKeyOf(sessionKey.from.target))
    )

  /** Waits until it is clear whether the server of a session is still there. */
  const undoubted = (session: ProtocolChoice.LoggedOn): Effect.Effect<void> => session.doubt() ?? Effect.void

  /** The kept session, or a new one if that is over. The new one stays for the other shares of the old one. */
  const getSession = (key: Key<SessionSource>) =>
    Effect.flatMap(RcMap.get(sessions, key).pipe(Effect.tap(undoubted)), (kept) => {
      if (!isOver(kept)) return Effect.succeed(kept)
      const forget = lost.has(kept) ? forgetConnection : forgetSession
      return Effect.andThen(forget(key, kept), RcMap.get(sessions, key))
    })

  /** The tree that each share gave last, by `placeOf`: until the tree ends, operations on it look for nothing else. */
  const latest = new Map<string, Latest>()

  const trees = yield* RcMap.make({
    idleTimeToLive: idle,
    lookup: Effect.fnUntraced(function*(
      { from: { sessionKey, share } }: Key<TreeSource>
    ): Effect.fn.Return<Tree, ConnectError | UserChanged, Scope.Scope> {
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          for (const [place, { treeKey }] of latest) {
            if (treeKey.text === sessionKey.text + separator + share) latest.delete(place)
          }
        })
      )
      const session = yield* getSession(sessionKey)
      const { port, server } = sessionKey.from.target
      const connected = yield* Spans.effect(meter.treeConnecting(session.tree(share)), "SmbClient.treeConnect", {
        kind: "client",
        attributes: { ...Spans.ofServer({ server: lower(server), port }), [Attribute.share]: share }
      })
      return { session, share: connected }
    })
  })

  /** The key of a target's session, for the user that the credential provider has given. */
  const sessionKeyOf = (target: Target): Effect.Effect<Key<SessionSource>, ConnectError> =>
    Effect.gen(function*() {
      const domain = target.domain ?? ""
      const credentialKey: CredentialCache.CredentialKey = new Key(
        [connectionKeyOf(target), lower(domain)],
        request(target.server, domain)
      )
      const answer = yield* credentials.get(credentialKey)
      const user = accountName(answer.credential)
      yield* unlessRefused(accountOf(target.server, target.port, user), answer, credentialKey)
      return new Key([connectionKeyOf(target), user, lower(domain)], { target, answer, credentialKey })
    })

  /** The same. If the user's session there is over, the provider is asked again first: it can name another user now. */
  const currentKeyOf = (target: Target) =>
    Effect.gen(function*() {
      const sessionKey = yield* sessionKeyOf(target)
      if (!(yield* RcMap.has(sessions, sessionKey))) return sessionKey
      const kept = yield* RcMap.get(sessions, sessionKey)
      if (!isOver(kept)) return sessionKey
      const { answer, credentialKey } = sessionKey.from
      yield* credentials.sessionEnded(credentialKey, answers.get(kept) ?? answer)
      return yield* sessionKeyOf(target)
    })

  const negotiate = (target: Target): Effect.Effect<ServerInformation, RequestError, Scope.Scope> =>
    Effect.suspend(() => {
      const connectionKey = connectionKeyOf(target)
      return getConnection(connectionKey).pipe(
        Effect.tapError(() => RcMap.invalidate(connections, connectionKey)),
        Effect.map(({ information }) => information)
      )
    })

  const logOn = (target: Target): Effect.Effect<ServerSession, ConnectError, Scope.Scope> =>
    asNamedUser(
      target,
      Effect.gen(function*() {
        const sessionKey = yield* currentKeyOf(target)
        const { information } = yield* getSession(sessionKey).pipe(
          Effect.tapError((error) =>
            error === userChanged ? RcMap.invalidate(sessions, sessionKey) : forgetConnection(sessionKey)
          )
        )
        return information
      })
    )

  /** The share of a tree, as the target's operations see it. */
  const shareOf = ({ share }: Tree, { dfsName }: Target): Share.Share =>
    // Only a share that says it is in DFS gets the flag (MS-SMB2 3.2.4.3).
    dfsName === undefined || !share.isDfs ? share : share.withDfsName(dfsName)

  /** Finds the tree of a target by its keys, and makes what does not exist. */
  const searched = (target: Target): Effect.Effect<Share.Share, ConnectError, Scope.Scope> =>
    Effect.gen(function*() {
      const forget = (treeKey: Key<TreeSource>) =>
        Effect.andThen(RcMap.invalidate(trees, treeKey), forgetConnection(treeKey.from.sessionKey))
      const get = asNamedUser(
        target,
        Effect.gen(function*() {
          const sessionKey = yield* currentKeyOf(target)
          const share = lower(target.share)
          const treeKey: Key<TreeSource> = new Key([sessionKey.text, share], { share, sessionKey })
          // A failed entry is not kept: the next caller tries again. If only the tree failed, the session stays.
          const tree = yield* RcMap.get(trees, treeKey).pipe(
            Effect.tapError((error) =>
              error._tag === "UserChanged"
                ? Effect.andThen(RcMap.invalidate(trees, treeKey), RcMap.invalidate(sessions, sessionKey))
                : error._tag === "SmbError" && error.command === "TREE_CONNECT" && !endsSession.has(error.reason._tag)
                ? RcMap.invalidate(trees, treeKey)
                : forget(treeKey)
            )
          )
          return { tree, treeKey }
        })
      )
      const first = yield* get
      let { tree, treeKey } = first
      yield* undoubted(tree.session)
      const isLost = tree.share.lost()
      if (isLost === "session") lost.add(tree.session)
      if (tree.session.failed() !== undefined || isLost !== undefined) {
        yield* RcMap.invalidate(trees, first.treeKey)
        ;({ tree, treeKey } = yield* get)
      }
      const { answer } = treeKey.from.sessionKey.from
      const account = accountOf(target.server, target.port, accountName(answer.credential))
      latest.set(placeOf(target), { tree, treeKey, answer, account })
      return shareOf(tree, target)
    })

  const share = (target: Target): Effect.Effect<Share.Share, ConnectError, Scope.Scope> =>
    Effect.suspend(() => {
      // A credential that is kept for a time can be another one for each operation: the search asks for it once.
      const found = credentialTimeToLive === undefined ? latest.get(placeOf(target)) : undefined
      if (
        found === undefined || isOver(found.tree.session) || found.tree.share.lost() !== undefined ||
        found.tree.session.doubt() !== undefined
      ) return searched(target)
      const { account, answer, tree, treeKey } = found
      return Effect.flatMap(
        credentials.get(treeKey.from.sessionKey.from.credentialKey),
        (now): Effect.Effect<Share.Share, ConnectError, Scope.Scope> =>
          now !== answer || refusals.find(account, now.credential) !== undefined
            ? searched(target)
            : Effect.matchEffect(RcMap.get(trees, treeKey), {
              onFailure: () => searched(target),
              onSuccess: (kept) => kept === tree ? Effect.succeed(shareOf(kept, target)) : searched(target)
            })
      )
    })

  let isClosed = false
  // The connections end after this.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isClosed = true
    })
  )
  /** A map that is closed interrupts: the caller of a client that has ended would take that for somebody's interruption. */
  const whileOpen = <A, E, R>({ port, server }: Target, effect: Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A, E | TransportError, R> =>
      isClosed
        ? Effect.fail(
          new TransportError({
            reason: { _tag: "ConnectionClosed" },
            server,
            port,
            detail: "the layer of this client has ended: use the client within its scope"
          })
        )
        : effect
    )

  return {
    share: (target: Target) => whileOpen(target, share(target)),
    negotiate: (target: Target) => whileOpen(target, negotiate(target)),
    logOn: (target: Target) => whileOpen(target, logOn(target)),
    retryLogons: Effect.andThen(Effect.sync(() => refusals.clear()), credentials.clear)
  }
})
