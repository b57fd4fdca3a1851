/**
 * The client's connections: one connection per server, one session per credential, one tree per share. All users of one
 * share it, and it closes after it was unused for a while.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import type { AuthenticationError } from "../../Auth/AuthenticationError.ts"
import * as Authenticator from "../../Auth/Authenticator.ts"
import { type Credential, CredentialProvider, type CredentialRequest } from "../../Auth/Credentials.ts"
import type { Reason } from "../../Codec/NtStatus.ts"
import type { ConnectedShare } from "../../Protocol/ConnectedShare.ts"
import type { RequestError } from "../../Protocol/Errors.ts"
import { CurrentRequestMeter } from "../../Protocol/RequestMeter.ts"
import type { ServerInformation } from "../../Protocol/ServerInformation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as Spans from "../../Protocol/Spans.ts"
import * as Transport from "../../Protocol/Transport.ts"
import type * as Settings from "../../Smb2/Settings.ts"
import type { Target } from "../Locator.ts"
import type { ServerSession } from "../ServerSession.ts"
import * as Meter from "./Meter.ts"
import * as ProtocolChoice from "./ProtocolChoice.ts"
import { Refusals } from "./RefusedCredentials.ts"

const { Attribute } = Spans

/** The errors of connecting to a share. */
export type ConnectError = RequestError | AuthenticationError

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

/**
 * A name as a key of connections, sessions and trees. Only ASCII letters lose their case: JavaScript gives one lower case to
 * some names that differ by Windows' table, such as `İ` and `i` with a dot. Two keys for one share cost a request only.
 */
const lower = (name: string): string => name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())

/** The keys are texts, so that the maps compare them by value. No name contains NUL. */
const separator = "\0"

const connectionKeyOf = ({ port, server }: Target): string => `${lower(server)}${separator}${port}`

/** An account stays the same, no matter which domain a referral names for the server. */
const accountOf = (server: string, port: string, user: string): string => [server, port, user].join(separator)

const request = (server: string, domain: string): CredentialRequest => domain === "" ? { server } : { server, domain }

/** The kept entry, or a new one if that entry has ended since its last use. */
const getUsable = <A extends { readonly failed: () => unknown }, E>(
  map: RcMap.RcMap<string, A, E>,
  key: string
): Effect.Effect<A, E, Scope.Scope> =>
  Effect.flatMap(
    RcMap.get(map, key),
    (kept) =>
      kept.failed() === undefined
        ? Effect.succeed(kept)
        : Effect.andThen(RcMap.invalidate(map, key), RcMap.get(map, key))
  )

/** A client that gets one of these has no session any more, no matter which command it answers. */
const endsSession: ReadonlySet<string> = new Set<Reason>(["UserSessionDeleted", "NetworkSessionExpired"])

/**
 * Makes the three maps. Their scope closes trees, sessions and connections, in that order.
 *
 * @category constructors
 */
export const make = Effect.fnUntraced(function*(
  settings: Settings.Settings,
  idle: Duration.Input
): Effect.fn.Return<
  Connections,
  never,
  Transport.Transport | Authenticator.Authenticator | CredentialProvider | Scope.Scope
> {
  const authenticator = yield* Authenticator.Authenticator
  const provider = yield* CredentialProvider
  const transport = yield* Transport.Transport
  const meter = yield* Meter.make

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

  const refusals = new Refusals()

  const sessions = yield* RcMap.make({
    idleTimeToLive: idle,
    lookup: Effect.fnUntraced(function*(
      key: string
    ): Effect.fn.Return<ProtocolChoice.LoggedOn, ConnectError, Scope.Scope> {
      const [server, port, user, domain] = key.split(separator) as [string, string, string, string]
      const account = accountOf(server, port, user)
      const connected = yield* getUsable(connections, `${server}${separator}${port}`)
      const credential = yield* provider.get(request(server, domain))
      const logon = yield* authenticator.make(credential, { server })
      return yield* meter.loggingOn(connected.logon(logon, credential)).pipe(
        Effect.tap(({ information: { mechanism } }) =>
          mechanism === undefined ? Effect.void : Spans.annotate({ [Attribute.mechanism]: mechanism })
        ),
        Effect.tapError((error) => Effect.sync(() => refusals.note(account, credential, error))),
        Effect.tap(Effect.sync(() => refusals.forget(account))),
        (loggingOn) =>
          Spans.effect(loggingOn, "SmbClient.sessionSetup", {
            kind: "client",
            attributes: Spans.ofServer({ server, port: Number(port) })
          })
      )
    })
  })

  const trees = yield* RcMap.make({
    idleTimeToLive: idle,
    lookup: Effect.fnUntraced(function*(
      key: string
    ): Effect.fn.Return<
      { readonly share: ConnectedShare; readonly session: ProtocolChoice.LoggedOn },
      ConnectError,
      Scope.Scope
    > {
      const [server, port, user, domain, share] = key.split(separator) as [string, string, string, string, string]
      const session = yield* getUsable(sessions, [server, port, user, domain].join(separator))
      const connected = yield* Spans.effect(meter.treeConnecting(session.tree(share)), "SmbClient.treeConnect", {
        kind: "client",
        attributes: { ...Spans.ofServer({ server, port: Number(port) }), [Attribute.share]: share }
      })
      return { session, share: connected }
    })
  })

  /** The keys of a target's connection and session, for the user that the credential provider gives now. */
  const keysOf = (
    target: Target
  ): Effect.Effect<{ readonly connectionKey: string; readonly sessionKey: string }, ConnectError> =>
    Effect.gen(function*() {
      const domain = target.domain ?? ""
      const credential = yield* provider.get(request(target.server, domain))
      const user = accountName(credential)
      const refused = refusals.find(accountOf(lower(target.server), String(target.port), user), credential)
      if (refused !== undefined) return yield* Effect.fail(refused)
      const connectionKey = connectionKeyOf(target)
      return { connectionKey, sessionKey: [connectionKey, user, lower(domain)].join(separator) }
    })

  const negotiate = (target: Target): Effect.Effect<ServerInformation, RequestError, Scope.Scope> =>
    Effect.suspend(() => {
      const connectionKey = connectionKeyOf(target)
      return getUsable(connections, connectionKey).pipe(
        Effect.tapError(() => RcMap.invalidate(connections, connectionKey)),
        Effect.map(({ information }) => information)
      )
    })

  const logOn = (target: Target): Effect.Effect<ServerSession, ConnectError, Scope.Scope> =>
    Effect.gen(function*() {
      const { connectionKey, sessionKey } = yield* keysOf(target)
      const { information } = yield* getUsable(sessions, sessionKey).pipe(Effect.tapError(() =>
        Effect.all([
          RcMap.invalidate(sessions, sessionKey),
          RcMap.invalidate(connections, connectionKey)
        ])
      ))
      return information
    })

  const share = (target: Target): Effect.Effect<Share.Share, ConnectError, Scope.Scope> =>
    Effect.gen(function*() {
      const { connectionKey, sessionKey } = yield* keysOf(target)
      const treeKey = `${sessionKey}${separator}${lower(target.share)}`
      const forget = Effect.all([
        RcMap.invalidate(trees, treeKey),
        RcMap.invalidate(sessions, sessionKey),
        RcMap.invalidate(connections, connectionKey)
      ])
      // A failed entry is not kept: the next caller tries again. If only the tree failed, the session stays.
      const get = RcMap.get(trees, treeKey).pipe(
        Effect.tapError((error) =>
          error._tag === "SmbError" && error.command === "TREE_CONNECT" && !endsSession.has(error.reason._tag)
            ? RcMap.invalidate(trees, treeKey)
            : forget
        )
      )
      let tree = yield* get
      const lost = tree.share.lost()
      if (tree.session.failed() !== undefined || lost === "session") {
        yield* forget
        tree = yield* get
      } else if (lost === "share") {
        yield* RcMap.invalidate(trees, treeKey)
        tree = yield* get
      }
      // Only a share that says it is in DFS gets the flag (MS-SMB2 3.2.4.3).
      return target.dfsName === undefined || !tree.share.isDfs ? tree.share : tree.share.withDfsName(target.dfsName)
    })

  return { share, negotiate, logOn, retryLogons: Effect.sync(() => refusals.clear()) }
})
