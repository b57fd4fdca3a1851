/**
 * Files on SMB servers as if they were local: one service, path in, result out.
 *
 * Every operation is built on `withShare`, which asks the locator for the place of a path, connects, and runs. So a
 * client with another locator (DFS) has the same operations.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { AuthenticationError } from "../Auth/AuthenticationError.ts"
import * as Authenticator from "../Auth/Authenticator.ts"
import type { CredentialProvider } from "../Auth/Credentials.ts"
import * as Arguments from "../Protocol/Arguments.ts"
import * as Defaults from "../Protocol/Defaults.ts"
import * as Environment from "../Protocol/Environment.ts"
import type { RequestError } from "../Protocol/Errors.ts"
import type * as ServerInformation from "../Protocol/ServerInformation.ts"
import type * as Share from "../Protocol/Share.ts"
import type * as Transport from "../Protocol/Transport.ts"
import * as Settings from "../Smb2/Settings.ts"
import type { ClientError } from "./ClientError.ts"
import * as ChangeRecords from "./internal/ChangeRecords.ts"
import * as Connections from "./internal/Connections.ts"
import * as MappedShare from "./internal/MappedShare.ts"
import * as PathOperations from "./internal/PathOperations.ts"
import * as Pauses from "./internal/Pauses.ts"
import * as ReclaimedShare from "./internal/ReclaimedShare.ts"
import * as ReconnectEvents from "./internal/ReconnectEvents.ts"
import * as Reconnection from "./internal/Reconnection.ts"
import type { PathContext } from "./internal/TargetAttempt.ts"
import * as Locator from "./Locator.ts"
import type { Operations } from "./Operations.ts"
import type * as ReconnectNotice from "./ReconnectNotice.ts"
import type { ServerSession } from "./ServerSession.ts"
import type { UncPath } from "./UncPath.ts"

/**
 * The client: its operations, and the functions that a layer on top of it needs.
 *
 * @since 0.1.0
 */
export interface Client extends Operations {
  /** The names that the client shows and takes. */
  readonly names: Names
  /** Connects to a target directly, without asking the locator. */
  readonly connect: (
    target: Locator.Target
  ) => Effect.Effect<Share.Share, RequestError | AuthenticationError, Scope.Scope>
  /**
   * Connects to a target's server and negotiates, without a logon: the dialect, the capabilities and the time of the
   * server. The target's share does not matter. The connection stays while the scope is open, and a later logon uses it.
   */
  readonly negotiate: (
    target: Locator.Target
  ) => Effect.Effect<ServerInformation.ServerInformation, RequestError, Scope.Scope>
  /**
   * Connects to a target's server and logs on there; its share does not matter. Returns what is known of the server and
   * of the session; `echo` measures a round trip. The session stays while the scope is open.
   */
  readonly logOn: (
    target: Locator.Target
  ) => Effect.Effect<ServerSession, RequestError | AuthenticationError, Scope.Scope>
  /**
   * Allows another attempt with credentials that a server has refused. Otherwise a refused credential is not tried
   * again until the provider gives another one, because each attempt counts against the account. Run this after the
   * account was repaired on the server. Credentials that are kept for `credentialTimeToLive` are forgotten, and the next
   * operation asks the provider. Sessions that exist stay.
   */
  readonly retryLogons: Effect.Effect<void>
  /** A client over the same connections with another locator. */
  readonly withLocator: (locator: Locator.Locator) => Client
  /** A client over the same connections whose names are `mapped` or `unchanged`, as `names` in the options says. */
  readonly withNames: (names: Names) => Client
  /**
   * A client over the same connections for paths in a folder, which follows no symbolic link out of it: such a link is
   * `StoppedOnSymlink`, as one that leads to another share is. The client sees only the links that a server leaves to
   * it. A link that a server follows itself, as Samba does with its own, is followed wherever the server allows it.
   */
  readonly confinedTo: (folder: UncPath) => Client
}

/**
 * The names that a client shows and takes.
 *
 * @category models
 * @since 0.2.0
 */
export type Names = "mapped" | "unchanged"

/**
 * Files on SMB servers.
 *
 * @example
 * ```ts
 * const smb = yield* SmbClient.SmbClient
 * const text = yield* smb.readFileString("//files.example/public/plans/readme.txt")
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class SmbClient extends Context.Service<SmbClient, Client>()("effect-smb/Client/SmbClient") {}

/**
 * When a client tries again after a lost connection. A time: with growing pauses for about so long. A schedule: its
 * pauses, and it gets the error of the last attempt.
 *
 * @category models
 * @since 0.2.0
 */
export type Reconnect = Duration.Input | Schedule.Schedule<unknown, ClientError> | "never"

/**
 * The options of a client; `Settings.Settings` describes each setting. A number or a time that cannot be used is a defect
 * when the client is made, an `ArgumentError`.
 *
 * @since 0.1.0
 */
export interface Options extends Defaults.Given<Settings.Settings> {
  /** How long unused connections, sessions and shares are kept. Default: 10 seconds. */
  readonly idle?: Duration.Input | undefined
  /**
   * How long a credential that the provider has given is used, before the provider is asked again. It is then used for
   * all logons of that time, and a session lives on as long as the provider gives the same user. `0`: the provider is
   * asked for each operation. Default: the provider is asked at each logon, and not again while that session lives. A
   * credential with which a logon has failed is not kept.
   */
  readonly credentialTimeToLive?: Duration.Input | undefined
  /**
   * `mapped`: names have the characters that they have on a server with Unix files (`11:05.jpg`, `what?`, `end.`), which
   * SMB carries in Unicode's private use area, as `mapposix` of Linux' client. A colon in a path is then a part of a
   * name, so no path leads to a named stream. `unchanged`: names are those of SMB. Default: `unchanged`.
   */
  readonly names?: Names | undefined
  /**
   * When the client tries again after a connection was lost while it was in use: open files, transfers and watches then
   * go on. The first attempt comes at once, and the others after pauses that grow from a quarter of a second to ten, for
   * about this time; or after the pauses of a `Schedule`. Default: 1 minute. `never`: an operation fails with the
   * connection.
   */
  readonly reconnect?: Reconnect | undefined
  /** Is told of each lost connection, and of how each open file went on. */
  readonly onReconnect?: ((notice: ReconnectNotice.Notice) => Effect.Effect<void>) | undefined
}

const checkTarget = ({ path, port, server, share }: Locator.Target) =>
  Arguments.check({
    port: [Arguments.port, port],
    server: [Arguments.text, server],
    share: [Arguments.text, share],
    path: [Arguments.text, path]
  })

const over = (
  connections: Connections.Connections,
  reconnection: Reconnection.Reconnection | undefined,
  locator: Locator.Locator,
  names: Names,
  base: UncPath | undefined
): Client => {
  const named = (share: Reconnection.Connect): Reconnection.Connect =>
    names === "mapped" ? (target) => Effect.map(share(target), MappedShare.make) : share
  /**
   * Another target may answer at once, but only this one has the open files. `files`: how long a file that is open tries
   * to reach a share of which there are others.
   */
  const lasting = (files: Reconnection.Patience): Reconnection.Connect =>
    named(
      reconnection === undefined
        ? connections.share
        : (target) =>
          target.hasOthers === true
            ? Effect.map(
              connections.share(target),
              (share) => ReclaimedShare.share(reconnection, target, share, { requests: "never", files })
            )
            : Effect.map(
              reconnection.first(target),
              (share) => ReclaimedShare.share(reconnection, target, share, { requests: "policy", files: "policy" })
            )
    )
  const connect = named(connections.share)
  const context: PathContext = {
    connect: lasting("policy"),
    connectToRead: lasting("never"),
    locator: names === "mapped" && locator !== Locator.plain ? MappedShare.locator(locator) : locator,
    base
  }
  const checked = <A, E, R>(use: (target: Locator.Target) => Effect.Effect<A, E, R>) => (target: Locator.Target) =>
    Effect.andThen(checkTarget(target), use(target))
  return {
    ...ChangeRecords.recordEach(PathOperations.operations(context)),
    names,
    connect: checked(connect),
    negotiate: checked(connections.negotiate),
    logOn: checked(connections.logOn),
    retryLogons: connections.retryLogons,
    withLocator: (other) => over(connections, reconnection, other, names, base),
    withNames: (other) => over(connections, reconnection, locator, other, base),
    confinedTo: (folder) => over(connections, reconnection, locator, names, folder)
  }
}

/**
 * A client that logs on with the `Authenticator` of the context. Its connections end with the scope. A number or a time in
 * the options that cannot be used is a defect, an `ArgumentError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  { credentialTimeToLive, idle, names, onReconnect, reconnect, ...settings }: Options = {}
): Effect.Effect<
  Client,
  never,
  Transport.Transport | CredentialProvider | Authenticator.Authenticator | Scope.Scope
> =>
  Effect.suspend(() => {
    Arguments.assertOptions({
      idle: [Arguments.duration, idle],
      credentialTimeToLive: [Arguments.duration, credentialTimeToLive],
      ...(reconnect === "never" || Schedule.isSchedule(reconnect)
        ? {}
        : { reconnect: [Arguments.duration, reconnect] }),
      ...Settings.rules(settings)
    })
    return Effect.gen(function*() {
      const connections = yield* Connections.make(
        Defaults.complete(Settings.defaults, settings),
        idle ?? "10 seconds",
        credentialTimeToLive
      )
      const reconnection = reconnect === "never"
        ? undefined
        : yield* Reconnection.make(
          connections.share,
          Pauses.from(reconnect),
          yield* ReconnectEvents.make(onReconnect)
        )
      return over(connections, reconnection, Locator.plain, names ?? "unchanged", undefined)
    })
  })

/**
 * A client that logs on with the provided `Authenticator`.
 *
 * @example
 * ```ts
 * const Client = SmbClient.layerWithAuthenticator().pipe(
 *   Layer.provide([Kerberos.layer(), TcpTransport.layer(), Credentials.layer(Credentials.kerberos())])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithAuthenticator = (
  options: Options = {}
): Layer.Layer<SmbClient, never, Transport.Transport | CredentialProvider | Authenticator.Authenticator> =>
  Layer.effect(SmbClient, make(options))

/**
 * A client that logs on by NTLM. Signing is required unless `options` say otherwise.
 *
 * @example
 * ```ts
 * export const Client = SmbClient.layer({ encryption: "if-offered" }).pipe(Layer.provide([TcpTransport.layer(), Fixed]))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<SmbClient, never, Transport.Transport | CredentialProvider> =>
  Layer.provide(layerWithAuthenticator(options), Authenticator.layerNtlm)

/**
 * `config` with another prefix than `SMB` in the names of its variables.
 *
 * @category config
 * @since 0.2.0
 */
export const configWithPrefix = (prefix: string): Config.Config<Options> =>
  Config.all({
    signing: Environment.optional(Config.Literals(["required", "if-required"], `${prefix}_SIGNING`)),
    encryption: Environment.optional(Config.Literals(["off", "if-offered", "required"], `${prefix}_ENCRYPTION`)),
    dialects: Environment.words(`${prefix}_DIALECTS`, ["NT1", ...Settings.allDialects]),
    requestTimeout: Environment.time(`${prefix}_REQUEST_TIMEOUT`),
    pendingTimeout: Environment.time(`${prefix}_PENDING_TIMEOUT`),
    keepAlive: Environment.time(`${prefix}_KEEP_ALIVE`),
    idle: Environment.time(`${prefix}_IDLE`),
    credentialTimeToLive: Environment.time(`${prefix}_CREDENTIAL_TIME_TO_LIVE`),
    credits: Environment.integer(`${prefix}_CREDITS`, 1, 65_535),
    maximumTransfer: Environment.integer(`${prefix}_MAXIMUM_TRANSFER`, 65_536, 16 * 1024 * 1024),
    names: Environment.optional(Config.Literals(["mapped", "unchanged"], `${prefix}_NAMES`)),
    reconnect: Environment.timeOr(`${prefix}_RECONNECT`, "never")
  })

/**
 * Options from the configuration: SMB_SIGNING, SMB_ENCRYPTION, SMB_DIALECTS (`3.0,3.1.1`), SMB_REQUEST_TIMEOUT
 * (`30 seconds`), SMB_PENDING_TIMEOUT, SMB_KEEP_ALIVE, SMB_IDLE, SMB_CREDENTIAL_TIME_TO_LIVE, SMB_CREDITS (units of
 * 64 KiB), SMB_MAXIMUM_TRANSFER (bytes), SMB_NAMES and SMB_RECONNECT (`never` or `5 minutes`).
 *
 * @category config
 * @since 0.2.0
 */
export const config: Config.Config<Options> = configWithPrefix("SMB")

/**
 * `layer` with options from the configuration. Default: `config`. Fails with `ConfigError` when the layer is built.
 *
 * @example
 * ```ts
 * export const ConfiguredClient = DfsAdapter.layerConfig().pipe(
 *   Layer.provide([SmbClient.layerConfig(), DomainControllers.layerDns(), SiteFinder.layerLdap()]),
 *   Layer.provide([TcpTransport.layerConfig(), Credentials.layerConfig(), NodeDns.layer])
 * )
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerConfig = (
  options: Config.Wrap<Options> = config
): Layer.Layer<SmbClient, Config.ConfigError, Transport.Transport | CredentialProvider> =>
  Layer.unwrap(Effect.map(Config.unwrap<Options>(options), layer))
