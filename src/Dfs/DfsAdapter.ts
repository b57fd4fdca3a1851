/**
 * DFS for a client: a layer that takes an `SmbClient` and gives a client whose paths can lead through namespaces.
 *
 * Nothing else changes: every operation of the client asks its locator where a path is, and this layer replaces the
 * locator. Without the layer, a client never asks for a referral.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ClientError } from "../Client/ClientError.ts"
import type * as Locator from "../Client/Locator.ts"
import * as SmbClient from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { fold } from "../Codec/UpCase.ts"
import * as Arguments from "../Protocol/Arguments.ts"
import { NotDfsCapable, ReferralUnavailable } from "../Protocol/DfsError.ts"
import { isNotFound, type ProtocolError, type SmbError, TransportError } from "../Protocol/Errors.ts"
import * as DfsOptions from "./DfsOptions.ts"
import * as DfsResolver from "./DfsResolver.ts"
import type { Target } from "./DfsStep.ts"
import * as DomainControllers from "./DomainControllers.ts"
import * as MappedResolver from "./internal/MappedResolver.ts"
import { ReferralSource, type SourceError } from "./ReferralSource.ts"
import * as SiteFinder from "./SiteFinder.ts"

/**
 * How DFS is followed: `DfsOptions`. With `mode` `"fallback"` (the default) the client goes on without DFS if a server
 * has none, and with `"strict"` it fails with `NotDfsCapable`.
 *
 * @category models
 * @since 0.1.0
 */
export interface DfsAdapterOptions extends DfsOptions.DfsOptions {
  /**
   * The port of servers that referrals name, since a referral names no port. Default: 445. A server that a path names
   * listens on the port of the path.
   */
  readonly port?: number | undefined
}

/**
 * The statuses of a logon or a TREE_CONNECT that concern one server or share: another target may do better. MS-DFSC
 * 3.1.5.2 leaves it to the client which statuses lead to the next target.
 */
const concernsTarget: ReadonlySet<string> = new Set<SmbError["reason"]["_tag"]>([
  "BadNetworkName",
  "InsufficientResources",
  "InsuffServerResources",
  "ServerUnavailable",
  // The share has as many users as it may have, the server has as many sessions, or it is paused (MS-CIFS 3.3.5.45).
  "RequestNotAccepted",
  "SharingPaused",
  // The server may have its own accounts. The statuses of a disabled or expired account are those of its domain.
  "LogonFailure",
  // The server does not let this user in from the network, or does not accept NTLM.
  "LogonTypeNotGranted",
  "LogonNotGranted",
  "NtlmBlocked",
  // The server cannot ask a domain controller whether the logon is right (MS-APDS 2.2.1).
  "NoLogonServers",
  "DomainControllerNotFound",
  "NetlogonNotStarted",
  "NoTrustLsaSecret",
  "NoTrustSamAccount",
  "TrustedDomainFailure",
  "TrustedRelationshipFailure",
  "TrustFailure",
  "DomainTrustInconsistent"
])

/**
 * What the failure of an operation says about the target that it was tried on.
 *
 * @since 0.1.0
 */
export const judge = (error: unknown): DfsResolver.Verdict => {
  const failure = error as Partial<ClientError>
  switch (failure._tag) {
    // The connection broke or was never made: the next target may do better. A request that was sent may have had an
    // effect, so it is not sent again.
    case "TransportError":
      return (failure as { readonly sent?: boolean | undefined }).sent === true ? "Lost" : "ServerFailed"
    case "SmbError":
      // A CLOSE that counts comes after a change, and no other target may repeat the change.
      if (failure.command === "CLOSE") return "Failed"
      // Some servers report a missing share with the status that other servers have for a missing path.
      if (isNotFound(failure as SmbError)) return failure.command === "TREE_CONNECT" ? "TargetFailed" : "NotFound"
      switch (failure.reason?._tag) {
        case "PathNotCovered":
          return "PathNotCovered"
        // A request that the server refuses to look at has had no effect.
        case "NetworkNameDeleted":
        case "UserSessionDeleted":
        case "NetworkSessionExpired":
          return "TargetFailed"
        default:
          return (failure.command === "TREE_CONNECT" || failure.command === "SESSION_SETUP") &&
              concernsTarget.has(failure.reason?._tag ?? "")
            ? "TargetFailed"
            : "Failed"
      }
    // No user to log on to this target as, or no such server in its domain: that says nothing about the other targets.
    // Any other failure of a logon may be an attack, or would be the same at every target.
    case "AuthenticationError":
      switch (failure.reason?._tag) {
        case "NoCredential":
        case "NoCommonMechanism":
        case "ServerUnknown":
        case "ClockSkew":
          return "TargetFailed"
        default:
          return "Failed"
      }
    default:
      return "Failed"
  }
}

/** The server of a path with its port, from its name in referrals, which have no port. */
const ports = (usual: number) => {
  const known = new Map<string, number>()
  return {
    learn: (path: UncPath.UncPath): void => {
      const server = fold(path.server)
      if (path.port === usual) known.delete(server)
      else known.set(server, path.port)
    },
    of: (server: string): number => known.get(fold(server)) ?? usual
  }
}

/** Fails as a request without a response does, after a shorter time. */
const within = <A, E, R>(
  asked: Effect.Effect<A, E, R>,
  limit: Duration.Input | undefined,
  { port, server }: Locator.Target
): Effect.Effect<A, E | TransportError, R> =>
  limit === undefined ? asked : Effect.timeoutOrElse(asked, {
    duration: limit,
    orElse: () =>
      Effect.fail(
        new TransportError({
          reason: { _tag: "TimedOut" },
          server,
          port,
          detail: `no answer to a referral request for ${Duration.toMillis(limit)} ms`
        })
      )
  })

/** Signs of an attacker between client and server: no reason to go on without DFS. */
const attacks: ReadonlySet<string> = new Set<ProtocolError["reason"]["_tag"]>([
  "NotSigned",
  "BadSignature",
  "NotEncrypted",
  "DecryptionFailed",
  "Downgrade"
])

/**
 * The failure of a referral request to a server that the user is logged on to. A status for the IOCTL is a response.
 */
const unavailable = (server: string, error: SourceError): SourceError | ReferralUnavailable => {
  switch (error._tag) {
    case "AuthenticationError":
      return error
    case "ProtocolError":
      if (attacks.has(error.reason._tag)) return error
      break
    case "SmbError":
      if (error.command !== "TREE_CONNECT") return error
      break
  }
  return new ReferralUnavailable({ server, detail: error.message, cause: error })
}

type Requirements = SmbClient.SmbClient | DomainControllers.DomainControllers | SiteFinder.SiteFinder

/** The resolver for callers of this client: with the names that the client shows and takes. */
const forCallers = (
  resolver: DfsResolver.DfsResolver["Service"],
  { names }: SmbClient.Client
): DfsResolver.DfsResolver["Service"] => names === "mapped" ? MappedResolver.make(resolver) : resolver

/** The text that the resolver works on: no port, no user. */
const toText = ({ path, server, share }: UncPath.UncPath): string => ["\\", server, share, path].join("\\")

/**
 * A client that follows DFS, and the resolver that it uses, with the names that the client shows and takes. With `enabled: false` the given client, unchanged. For
 * namespaces of a domain, the resolver looks for the domain's controllers and for the site of this machine by the
 * `DomainControllers` and the `SiteFinder` of the context.
 *
 * @example
 * ```ts
 * export const Smb = DfsAdapter.layer().pipe(
 *   Layer.provide([
 *     Client,
 *     DomainControllers.layerDns().pipe(Layer.provide(NodeDns.layer)), // who knows the domain's namespaces
 *     SiteFinder.layerLdap() // where this machine is, for near targets
 *   ])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: DfsAdapterOptions = {}
): Layer.Layer<SmbClient.SmbClient | DfsResolver.DfsResolver, never, Requirements> =>
  Layer.effectContext(Effect.gen(function*() {
    const client = yield* SmbClient.SmbClient
    Arguments.assertOptions({ port: [Arguments.port, options.port] })
    const port = ports(options.port ?? UncPath.defaultPort)
    const toTarget = (target: Target): Locator.Target => ({ ...target, port: port.of(target.server) })
    const resolver = yield* DfsResolver.make(options).pipe(
      Effect.provideService(ReferralSource, {
        ioctl: (server, request) => {
          const target = {
            server,
            port: port.of(server),
            share: "IPC$",
            path: "",
            ...(request.domain === undefined ? {} : { domain: request.domain })
          }
          const asked = Effect.flatMap(client.connect(target), (ipc) =>
            ipc.control({
              _tag: "Ioctl",
              ctlCode: request.controlCode,
              input: request.input,
              maximum: request.maxOutput
            }))
          // The logon comes first and alone. If it fails, the work on the share would fail in the same way.
          return Effect.scoped(Effect.flatMap(
            client.logOn(target),
            (
              { capabilities }
            ): Effect.Effect<Uint8Array, SourceError | ReferralUnavailable | NotDfsCapable, Scope.Scope> =>
              // A server says in its NEGOTIATE response whether it supports DFS (MS-SMB2 2.2.4, MS-CIFS 2.2.4.52.2).
              capabilities.includes("DFS")
                ? Effect.mapError(within(asked, request.limit, target), (error) => unavailable(server, error))
                : Effect.fail(new NotDfsCapable({ server, path: "" }))
          ))
        }
      })
    )
    if (!(options.enabled ?? true)) {
      return Context.make(SmbClient.SmbClient, client).pipe(
        Context.add(DfsResolver.DfsResolver, forCallers(resolver, client))
      )
    }
    /** Connections are shared and stay for a while, so the attempt that follows finds this one. */
    const connect = (target: Target): Effect.Effect<void, ClientError> =>
      Effect.scoped(Effect.asVoid(client.connect(toTarget(target))))
    /**
     * Some servers report a path that leads through a link as not found. A name that does not exist may be a new
     * file's.
     */
    const mayBeLink = (target: Target, error: unknown): Effect.Effect<boolean> =>
      (error as Partial<ClientError>)._tag === "SmbError" && (error as SmbError).reason._tag === "ObjectPathNotFound"
        ? Effect.scoped(Effect.map(client.connect(toTarget(target)), ({ isDfs }) => isDfs)).pipe(
          Effect.orElseSucceed(() => false)
        )
        : Effect.succeed(false)
    const locator: Locator.Locator = {
      goesOn: (error) => ["ServerFailed", "TargetFailed"].includes(judge(error)),
      use: (path, attempt) =>
        Effect.suspend(() => {
          port.learn(path)
          return resolver.use(
            toText(path),
            (target, hasOthers) => attempt({ ...toTarget(target), ...(hasOthers ? { hasOthers } : {}) }),
            judge,
            { connect, mayBeLink }
          )
        })
    }
    return Context.make(SmbClient.SmbClient, SmbClient.SmbClient.of(client.withLocator(locator))).pipe(
      Context.add(DfsResolver.DfsResolver, forCallers(resolver, client))
    )
  }))

/**
 * As `layer`, for stand-alone namespaces, and for domains whose controllers `options` name: it asks no DNS for
 * controllers, and no controller for the site of this machine.
 *
 * @example
 * ```ts
 * const Smb = DfsAdapter.layerWithoutDiscovery({ mode: "fallback" }).pipe( // leave this line out: no DFS, not one request more
 *   Layer.provide(SmbClient.layer({ signing: "required" })),
 *   Layer.provide([TcpTransport.layer(), Credentials.layerConfig()]) // SMB_USER, SMB_DOMAIN, SMB_PASSWORD
 * )
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerWithoutDiscovery = (
  options: Omit<DfsAdapterOptions, "discover"> = {}
): Layer.Layer<SmbClient.SmbClient | DfsResolver.DfsResolver, never, SmbClient.SmbClient> =>
  Layer.provide(layer(options), [DomainControllers.layerNone, SiteFinder.layerNone])

/**
 * `config` with another prefix than `SMB` in the names of its variables.
 *
 * @category config
 * @since 0.2.0
 */
export const configWithPrefix = (prefix: string): Config.Config<DfsAdapterOptions> =>
  Config.map(
    Config.all({
      options: DfsOptions.configWithPrefix(prefix),
      port: Config.option(
        Config.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })), `${prefix}_DFS_PORT`)
      )
    }),
    ({ options, port }) => (Option.isSome(port) ? { ...options, port: port.value } : options)
  )

/**
 * `DfsOptions.config`, and SMB_DFS_PORT.
 *
 * @category config
 * @since 0.1.0
 */
export const config: Config.Config<DfsAdapterOptions> = configWithPrefix("SMB")

/**
 * A client that follows DFS as the configuration says. Default: `config`, where SMB_DFS is false unless it is set to
 * true. Fails with `ConfigError` when the layer is built.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<DfsAdapterOptions> = config
): Layer.Layer<SmbClient.SmbClient | DfsResolver.DfsResolver, Config.ConfigError, Requirements> =>
  Layer.unwrap(
    Effect.map(
      Config.unwrap<DfsAdapterOptions>(options),
      (found) => layer({ ...found, enabled: found.enabled ?? false })
    )
  )
