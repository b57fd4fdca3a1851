/**
 * An SMB 2 and 3 server over TCP.
 *
 * `make` listens until its scope closes; then it ends all connections, closes all opens and leaves nothing running.
 * Files come from `ShareStore`s, users from a `UserStore`, and their SIDs from an `IdentityStore`. `layer` takes these
 * two from the context, `make` among its options.
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { randomBytes } from "node:crypto"
import * as Net from "node:net"
import type { KerberosKeys } from "../Auth/KerberosKeys.ts"
import * as FileTime from "../Codec/FileTime.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import { fold } from "../Codec/UpCase.ts"
import * as Namespace from "../Dfs/Namespace.ts"
import * as Arguments from "../Protocol/Arguments.ts"
import * as Defaults from "../Protocol/Defaults.ts"
import * as Environment from "../Protocol/Environment.ts"
import * as Dialects from "../Smb2/Dialects.ts"
import * as Events from "./Events.ts"
import * as IdentityStore from "./IdentityStore.ts"
import type { Identities } from "./IdentityStore.ts"
import * as Close from "./internal/Command/Close.ts"
import * as HandOver from "./internal/Command/HandOver.ts"
import * as Restoring from "./internal/Command/Restoring.ts"
import * as Accept from "./internal/Connection/Accept.ts"
import * as Receive from "./internal/Connection/Receive.ts"
import * as RequestSpans from "./internal/Connection/RequestSpans.ts"
import * as ClaimedOpens from "./internal/State/ClaimedOpens.ts"
import type * as DfsHost from "./internal/State/DfsHost.ts"
import { FileTables } from "./internal/State/FileTables.ts"
import { LeaseTable } from "./internal/State/LeaseTable.ts"
import { Meter } from "./internal/State/Meter.ts"
import * as Model from "./internal/State/Model.ts"
import { ServerState } from "./internal/State/ServerState.ts"
import { securityOf } from "./internal/State/ShareSecurity.ts"
import { StoreTimeout, withTimeout } from "./internal/State/StoreTimeout.ts"
import * as Limits from "./Limits.ts"
import { OpenStore, OpenStoreError } from "./OpenStore.ts"
import type { ShareOptions } from "./ShareOptions.ts"
import type { ShareStore } from "./ShareStore.ts"
import * as MemoryStore from "./Store/MemoryStore.ts"
import * as NamespaceStore from "./Store/NamespaceStore.ts"
import { type Users, UserStore } from "./UserStore.ts"

export type { ShareOptions } from "./ShareOptions.ts"

/**
 * A share: a store, an effect that makes one, or either of them with options.
 *
 * @since 0.1.0
 */
export type Share<E = never, R = never> =
  | ShareStore
  | Effect.Effect<ShareStore, E, R>
  | (Omit<ShareOptions, "store"> & { readonly store: ShareStore | Effect.Effect<ShareStore, E, R> })

/**
 * The options of a server: those of `layer`, and what `layer` takes from the context.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E = never, R = never> extends LayerOptions<E, R> {
  readonly users: Users
  /**
   * The SIDs of the users, so that security descriptors name the same users after a restart. Default: in memory, and
   * lost when the server stops.
   */
  readonly identity?: Identities | undefined
}

/**
 * The options of a server that takes its users and their SIDs from the context.
 *
 * @category models
 * @since 0.2.0
 */
export interface LayerOptions<E = never, R = never> {
  /** Default: 445. Ports from 1024 need no rights. 0 takes any free port. A number that is no port is a defect. */
  readonly port?: number | undefined
  /** The address to listen on. Default: all IPv4 addresses. */
  readonly host?: string | undefined
  /**
   * The server's keys in its Kerberos realm, from `KerberosKeys.fromKeytab`: with them, users can log on with a ticket.
   * The server looks these users up among its users, by name and realm.
   */
  readonly kerberos?: KerberosKeys | undefined
  readonly shares: Record<string, Share<E, R>>
  /**
   * Keeps the persistent opens of shares with `continuousAvailability`, for the server that starts after this one.
   * `layer` takes it from the context, if it is there. No other server may use it at the same time.
   */
  readonly openStore?: OpenStore["Service"] | undefined
  /**
   * The DFS namespaces to host. The value of a `SubscriptionRef` can change at any time, and sessions continue. Each
   * root is a share: the share with its name in `shares`, otherwise one in memory.
   */
  readonly namespaces?: Namespaces | undefined
  /**
   * Which open files a server that stops leaves in its `openStore`, so that the next server gives them back to their
   * clients: `persistent` ones, or `durable` and resilient ones too, or `none`. The others are closed. Default:
   * `persistent`.
   */
  readonly handOver?: "none" | "persistent" | "durable" | undefined
  /** The NetBIOS name, up to 15 characters. A longer one is a defect. */
  readonly name?: string | undefined
  /** Default: `required`: sessions of users are signed (or encrypted). */
  readonly signing?: "required" | "enabled" | undefined
  /** Default: `enabled`: for clients and shares that ask for it. */
  readonly encryption?: "required" | "enabled" | "disabled" | undefined
  /** Default: `never`. `anonymous`: callers without a name can log on; `unknown`: callers with an unknown name too. */
  readonly guest?: "never" | "anonymous" | "unknown" | undefined
  /** Default: all. */
  readonly dialects?: ReadonlyArray<Dialects.DialectName> | undefined
  readonly limits?: Defaults.Given<Limits.Limits> | undefined
  /**
   * How bytes are read from connections. Default: `direct`: straight to their final place, if this version of Node can.
   * `events`: by socket events, which is slower and uses only documented interfaces (docs/adr/0011).
   */
  readonly receive?: "direct" | "events" | undefined
}

/**
 * Why a server cannot listen.
 *
 * @category models
 * @since 0.2.0
 */
export const ListenReason = Schema.TaggedUnion({
  AddressInUse: {},
  PortNotPermitted: {},
  AddressNotAvailable: {},
  ListenFailed: {
    /** The system's own words. */
    detail: Schema.String
  }
})
export type ListenReason = typeof ListenReason.Type

/**
 * The server cannot listen.
 *
 * - `AddressInUse`: another program listens at that address and port.
 * - `PortNotPermitted`: the process has no right to listen at that port.
 * - `AddressNotAvailable`: this machine does not have that address.
 * - `ListenFailed`: another error of the system.
 *
 * @category errors
 * @since 0.1.0
 */
export class ListenError extends Schema.TaggedError<ListenError>()("ListenError", {
  host: Schema.String,
  port: Schema.Number,
  reason: ListenReason
}) {
  override get message(): string {
    return `cannot listen on ${this.host}:${this.port}: ${
      ListenReason.match(this.reason, {
        AddressInUse: () => "something else listens there; choose another port or stop it",
        PortNotPermitted: () => "ports below 1024 need rights; choose a port above",
        AddressNotAvailable: () => "this machine has no such address",
        ListenFailed: ({ detail }) => detail
      })
    }`
  }
}

/**
 * A running server.
 *
 * @category services
 * @since 0.1.0
 */
export class SmbServer extends Context.Service<SmbServer, {
  readonly host: string
  readonly port: number
  /** Ends all connections, as a network failure would. */
  readonly disconnectAll: Effect.Effect<void>
  /** The current numbers of the server. */
  readonly statistics: Effect.Effect<{
    readonly connections: number
    /** Connections without a logon yet; `connections` includes them. */
    readonly unauthenticated: number
    readonly sessions: number
    readonly opens: number
    /** Logons that are delayed because of earlier refused logons. */
    readonly waitingLogons: number
    /** Addresses, and user names with an address, whose logons are remembered. */
    readonly rememberedLogons: number
    /**
     * Since the start: connections closed because of a limit, refused logons, and requests refused because of a limit.
     */
    readonly refused: { readonly connections: number; readonly logons: number; readonly requests: number }
    /** Tasks of the server itself: requests under way, timers, closing of files. */
    readonly tasks: number
  }>
}>()("effect-smb/Server/SmbServer") {}

const isStore = (share: object): share is ShareStore => "open" in share && "volume" in share

const toOptions = <E, R>(share: Share<E, R>): Effect.Effect<ShareOptions, E, R> => {
  if (Effect.isEffect(share)) return Effect.map(share as Effect.Effect<ShareStore, E, R>, (store) => ({ store }))
  if (isStore(share)) return Effect.succeed({ store: share })
  const { store } = share
  return Effect.isEffect(store)
    ? Effect.map(store as Effect.Effect<ShareStore, E, R>, (made) => ({ ...share, store: made }))
    : Effect.succeed(share as ShareOptions)
}

type Namespaces = Namespace.Namespace | SubscriptionRef.SubscriptionRef<Namespace.Namespace>

const isChanging = (namespaces: Namespaces): namespaces is SubscriptionRef.SubscriptionRef<Namespace.Namespace> =>
  SubscriptionRef.isSubscriptionRef(namespaces)

/**
 * Makes a share in memory for each root without one. The share stays after its root is removed, for clients that use
 * it.
 */
const hostRoots = (
  { current }: DfsHost.DfsHost,
  shares: ReadonlyMap<string, Model.Share>,
  add: (name: string, options: ShareOptions) => Effect.Effect<void>
): Effect.Effect<void> =>
  Effect.forEach(
    Object.keys(current().roots).filter((name) => !shares.has(fold(name))),
    (name) => Effect.flatMap(MemoryStore.make(), (store) => add(name, { store })),
    { discard: true }
  )

/** 0 is any free port. */
const anyPort = Arguments.integer(0, 65_535)

const netbiosName: Arguments.Rule = {
  holds: (name) => typeof name === "string" && name !== "" && name.length <= 15 && !name.includes("\0"),
  expected: "a NetBIOS name of 1 to 15 characters"
}

const listenReasons: Record<string, ListenReason> = {
  EADDRINUSE: { _tag: "AddressInUse" },
  EACCES: { _tag: "PortNotPermitted" },
  EADDRNOTAVAIL: { _tag: "AddressNotAvailable" }
}

const listen = (server: Net.Server, host: string, port: number): Effect.Effect<Net.AddressInfo, ListenError> =>
  Effect.callback((resume) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const reason = listenReasons[cause.code ?? ""] ?? { _tag: "ListenFailed", detail: cause.message }
      resume(Effect.fail(new ListenError({ host, port, reason })))
    })
    server.listen({ host, port }, () => resume(Effect.succeed(server.address() as Net.AddressInfo)))
  })

/**
 * Starts a server, which stops with the scope.
 *
 * @example
 * ```ts
 * const fs = yield* FileSystem.FileSystem
 * return yield* SmbServer.make({
 *   port: 4455,
 *   users: UserStore.inMemory({ joe: { password: Redacted.make("secret"), administrator: true } }),
 *   shares: { files: FileSystemStore.make(fs, "/srv/files") }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*<E = never, R = never>(
  options: Options<E, R>
): Effect.fn.Return<SmbServer["Service"], E | ListenError | OpenStoreError, R | Scope.Scope> {
  Arguments.assertOptions({
    port: [anyPort, options.port],
    name: [netbiosName, options.name],
    ...Limits.rules(options.limits ?? {})
  })
  const shares = new Map<string, Model.Share>()
  const { namespaces } = options
  const changing = namespaces !== undefined && isChanging(namespaces) ? namespaces : undefined
  const dfs: DfsHost.DfsHost | undefined = namespaces === undefined ? undefined : {
    current: () => isChanging(namespaces) ? SubscriptionRef.getUnsafe(namespaces) : namespaces
  }
  const limits = Defaults.complete(Limits.defaults, options.limits)
  const context = yield* Effect.context<never>()
  const meter = new Meter(context)
  const storeTimeout = new StoreTimeout(Duration.toMillis(Duration.fromInputUnsafe(limits.storeTime)), meter)
  yield* Effect.addFinalizer(() => Effect.sync(() => storeTimeout.close()))
  const tables = new FileTables()
  const addShare = Effect.fnUntraced(function*(name: string, given: ShareOptions) {
    const table = tables.of(name, given.store)
    const limited = withTimeout(given.store, storeTimeout, {
      isOpen: (identity) => table.files.get(identity)?.opens().next().done === false,
      onNotRemoved: (path, error) => Events.notDeleted(name, path, error, 0)
    })
    const store = dfs === undefined
      ? limited
      : NamespaceStore.make(limited, () => Namespace.linksOf(dfs.current(), name).map(({ path }) => path))
    const volume = yield* Effect.orDie(store.volume)
    const security = securityOf(name, given)
    shares.set(fold(name), new Model.Share(name, { ...given, store }, volume, table, security))
  })
  for (const [name, share] of Object.entries(options.shares)) yield* addShare(name, yield* toOptions(share))
  if (dfs !== undefined) yield* hostRoots(dfs, shares, addShare)
  if (changing !== undefined) {
    yield* Effect.forkScoped(
      Stream.runForEach(SubscriptionRef.changes(changing), () => hostRoots(dfs!, shares, addShare))
    )
  }
  const claimed = yield* ClaimedOpens.claim(shares.values(), options.openStore)
  const now = FileTime.fromMillis(yield* Clock.currentTimeMillis)
  const host = options.host ?? "0.0.0.0"
  const state = new ServerState({
    settings: {
      host,
      computerName: options.name ?? "EFFECTSMB",
      signing: options.signing ?? "required",
      encryption: options.encryption ?? "enabled",
      guest: options.guest ?? "never",
      kerberos: options.kerberos,
      dialects: (options.dialects ?? Dialects.names).map((name) => Dialects.revisions[name])
    },
    limits,
    storeTimeout,
    users: options.users,
    shares,
    dfs,
    guid: Uint8Array.from(randomBytes(16)),
    startTime: now,
    identity: options.identity ?? IdentityStore.inMemory(),
    leases: new LeaseTable(),
    closeOpen: (open) => Close.end(open, NtStatus.STATUS_NOTIFY_CLEANUP),
    endOpens: (server) => HandOver.endOpens(server, options.handOver ?? "persistent"),
    meter,
    traced: RequestSpans.hasTracer(context),
    context,
    // Not predictable, and within 32 bits: some clients keep only that many.
    firstSession: BigInt((randomBytes(4).readUInt32LE() >>> 1) + 1),
    firstOpen: ClaimedOpens.firstOpen(BigInt(randomBytes(4).readUInt32LE() >>> 2), claimed?.records),
    commit: claimed === undefined ? undefined : (changes) => storeTimeout.run(claimed.commit(changes), "commit")
  })
  yield* Effect.acquireRelease(Effect.sync(() => meter.observe(state)), (end) => Effect.sync(end))
  yield* Effect.forkScoped(Accept.endIdle(state))
  if (claimed !== undefined) {
    yield* Effect.mapError(
      Restoring.restore(state, claimed.records),
      (cause) => new OpenStoreError({ reason: { _tag: "Failed", store: claimed.place, cause } })
    )
  }
  const direct = options.receive !== "events" && (yield* Receive.available)
  const server = Net.createServer({ pauseOnConnect: true }, (socket) => Accept.attach(state, socket, direct))
  const address = yield* Effect.acquireRelease(
    listen(server, host, options.port ?? 445),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const connection of Array.from(state.connections)) connection.close()
      }).pipe(Effect.andThen(state.stop))
  )
  yield* Events.listening({ address: address.address, port: address.port })
  return {
    host: address.address,
    port: address.port,
    disconnectAll: Effect.sync(() => {
      for (const connection of Array.from(state.connections)) connection.close()
    }),
    statistics: Effect.sync(() => ({
      connections: state.connections.size,
      unauthenticated: state.connections.unauthenticated,
      sessions: state.sessions.size,
      opens: state.opens.size,
      waitingLogons: state.logonDelays.waiting,
      rememberedLogons: state.logonDelays.size,
      refused: { ...state.meter.refused },
      tasks: state.tasks
    }))
  }
})

/**
 * A server as a layer; `Layer.launch` it to run until it is stopped. It takes its users and their SIDs from the
 * context: `IdentityStore.layerFromFile` keeps the SIDs when the server stops. For a server of guests alone,
 * `UserStore.layerInMemory({})` has no users.
 *
 * @example
 * ```ts
 * const Server = SmbServer.layer({
 *   port: 4455,
 *   shares: { data: LocalStore.make("/srv/data"), scratch: MemoryStore.make() }
 * }).pipe(Layer.provide([
 *   UserStore.layerInMemory({ joe: Redacted.make("secret") }),
 *   IdentityStore.layerFromFile("/var/lib/effect-smb/identity.json")
 * ]))
 * Layer.launch(Server).pipe(NodeRuntime.runMain)
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never, R = never>(
  options: LayerOptions<E, R>
): Layer.Layer<
  SmbServer,
  E | ListenError | OpenStoreError,
  Exclude<R, Scope.Scope> | UserStore | IdentityStore.IdentityStore
> =>
  Layer.effect(
    SmbServer,
    Effect.flatMap(
      Effect.all([UserStore, IdentityStore.IdentityStore, Effect.serviceOption(OpenStore)]),
      ([users, identity, openStore]) =>
        make({ ...options, users, identity, openStore: options.openStore ?? Option.getOrUndefined(openStore) })
    )
  )

/**
 * The options of a server that are plain text.
 *
 * @category models
 * @since 0.2.0
 */
export type Configurable = Pick<
  LayerOptions,
  "port" | "host" | "name" | "signing" | "encryption" | "guest" | "dialects" | "receive" | "limits"
>

/**
 * Options from the configuration: SMB_SERVER_PORT, SMB_SERVER_HOST, SMB_SERVER_NAME, SMB_SERVER_SIGNING,
 * SMB_SERVER_ENCRYPTION, SMB_SERVER_GUEST, SMB_SERVER_DIALECTS (`3.0,3.1.1`) and SMB_SERVER_RECEIVE. Also the limits:
 * `Limits.variable` gives the name of each, such as SMB_SERVER_LIMIT_CONNECTIONS.
 *
 * @category config
 * @since 0.2.0
 */
export const config: Config.Config<Configurable> = Config.all({
  port: Environment.integer("SMB_SERVER_PORT", 0, 65_535),
  host: Environment.optional(Config.NonEmptyString("SMB_SERVER_HOST")),
  name: Environment.optional(Config.schema(Schema.String.check(Schema.isPattern(/^.{1,15}$/)), "SMB_SERVER_NAME")),
  signing: Environment.optional(Config.Literals(["required", "enabled"], "SMB_SERVER_SIGNING")),
  encryption: Environment.optional(Config.Literals(["required", "enabled", "disabled"], "SMB_SERVER_ENCRYPTION")),
  guest: Environment.optional(Config.Literals(["never", "anonymous", "unknown"], "SMB_SERVER_GUEST")),
  dialects: Environment.words("SMB_SERVER_DIALECTS", Dialects.names),
  receive: Environment.optional(Config.Literals(["direct", "events"], "SMB_SERVER_RECEIVE")),
  limits: Config.map(Limits.config, (limits) => {
    const given = Object.entries(limits).filter(([, value]) => value !== undefined)
    return given.length === 0 ? undefined : Object.fromEntries(given)
  })
})

/**
 * `layer` with options from the configuration, which come before those of `options`: a limit before the same limit there.
 * Default: `config`. Fails with `ConfigError` when the layer is built.
 *
 * @example
 * ```ts
 * export const ConfiguredServer = SmbServer.layerConfig({ shares: { data: LocalStore.make("/srv/data") } })
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerConfig = <E = never, R = never>(
  options: LayerOptions<E, R>,
  configured: Config.Wrap<Configurable> = config
): Layer.Layer<
  SmbServer,
  E | ListenError | OpenStoreError | Config.ConfigError,
  Exclude<R, Scope.Scope> | UserStore | IdentityStore.IdentityStore
> =>
  Layer.unwrap(
    Effect.map(Config.unwrap<Configurable>(configured), (found) => {
      const limits = Defaults.complete(options.limits ?? {}, found.limits)
      return layer({ ...Defaults.complete(options, found), limits })
    })
  )
