/**
 * A DFS namespace with its servers, its faults and its clock, as data: for testing how an app behaves when a server
 * dies, hangs, comes back, or when a link is turned to another server.
 *
 * The servers are those of `TestTransport`: they log on, sign and serve files. `Dfs/Namespace.ts` answers referral
 * requests, as it does in this project's own server. Time is Effect's Clock, so that under `TestClock` an hour of
 * waiting takes no time; random bytes come from a seed. The same description and the same program give the same events.
 *
 * ```ts
 * const World = TestNamespace.layer({
 *   "//corp/data": { targets: ["//a/data", "//b/data"], timeToLive: "5 minutes" },
 *   files: { "//a/data/who.txt": "a", "//b/data/who.txt": "b" },
 *   faults: [{ at: "10 seconds", server: "a", is: "down" }, { at: "1 minute", server: "a", is: "up" }]
 * })
 * const Smb = DfsAdapter.layer().pipe(Layer.provide(SmbClient.layer()), Layer.provideMerge(World))
 * ```
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Authenticator from "../Auth/Authenticator.ts"
import * as Credentials from "../Auth/Credentials.ts"
import * as Entropy from "../Auth/Entropy.ts"
import * as SmbClient from "../Client/SmbClient.ts"
import * as NtStatus from "../Codec/NtStatus.ts"
import * as DfsAdapter from "../Dfs/DfsAdapter.ts"
import * as DfsPath from "../Dfs/DfsPath.ts"
import type * as DfsResolver from "../Dfs/DfsResolver.ts"
import * as DomainControllers from "../Dfs/DomainControllers.ts"
import type * as Namespace from "../Dfs/Namespace.ts"
import * as SiteFinder from "../Dfs/SiteFinder.ts"
import { TransportError } from "../Protocol/Errors.ts"
import * as Transport from "../Protocol/Transport.ts"
import * as NamespaceTable from "./internal/NamespaceTable.ts"
import { describe } from "./internal/Requests.ts"
import { Simulation } from "./internal/Simulation.ts"
import * as TestHosts from "./internal/TestHosts.ts"
import type * as TestState from "./internal/TestState.ts"
import type { Description, Event, FolderFault, ServerFault } from "./NamespaceDescription.ts"
import { type Content, type Files, type Hosts, Link, type ServerOptions } from "./TestServer.ts"
import { TestServers } from "./TestTransport.ts"

export type {
  Description,
  Domain,
  Event,
  Fault,
  Folder,
  FolderFault,
  Server,
  ServerFault,
  Targets
} from "./NamespaceDescription.ts"

// -----------------------------------------------------------------------------
// what happened
// -----------------------------------------------------------------------------

const arrows: Readonly<Record<Event["what"], string>> = {
  connect: "connect",
  request: "->",
  answer: "<-",
  close: "close",
  fault: "!"
}

/**
 * Events as lines of text, one each: time in seconds, server, connection, and what happened.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (events: ReadonlyArray<Event>): string => {
  const width = events.reduce((most, { server }) => Math.max(most, server.length), 0)
  return events.map(({ at, command, connection, detail, path, server, status, what }) =>
    [
      (at / 1000).toFixed(3).padStart(9),
      server.padEnd(width),
      (connection === undefined ? "" : `#${connection}`).padEnd(3),
      arrows[what],
      ...[command, path, status, detail].filter((part) => part !== undefined && part !== "")
    ].join(" ").trimEnd()
  ).join("\n")
}

/**
 * The test's view of the world: its events so far, and a way to add faults.
 *
 * @category services
 * @since 0.1.0
 */
export class TestNamespace extends Context.Service<TestNamespace, {
  /** Everything so far, in order. */
  readonly events: Effect.Effect<ReadonlyArray<Event>>
  /** The same as lines of text. */
  readonly table: Effect.Effect<string>
  /** Lets a fault happen now, without regard to `at` and `after`. */
  readonly fault: (fault: ServerFault | FolderFault) => Effect.Effect<void>
}>()("effect-smb/Testing/TestNamespace") {}

// -----------------------------------------------------------------------------
// layers
// -----------------------------------------------------------------------------

type Tree = { [name: string]: Content | Tree }

const isTree = (content: Content | Tree): content is Tree =>
  typeof content === "object" && !(content instanceof Uint8Array) && !(content instanceof Link)

/** Puts content at a path of a tree; an existing file stays. */
const put = (tree: Tree, path: ReadonlyArray<string>, content: Content): void => {
  let at: Tree = tree
  for (const [i, name] of path.entries()) {
    const key = Object.keys(at).find((one) => one.toLowerCase() === name.toLowerCase()) ?? name
    if (i === path.length - 1 && !isTree(content)) {
      at[key] = content
      return
    }
    at[key] ??= {}
    if (!isTree(at[key])) {
      throw new NamespaceTable.BadDescription(`${path.join("\\")} cannot lie below a file`)
    }
    at = at[key]
  }
  for (const [name, below] of Object.entries(content as Files)) put(at, [name], below)
}

/** The servers with their shares. */
const hostsOf = (description: Description, simulation: Simulation): Hosts => {
  const { account, domains = {}, files = {}, servers = {} } = description
  const shares = new Map<string, { readonly name: string; readonly tree: Tree }>()
  const host = (name: string) => {
    const key = DfsPath.fold(name)
    const known = shares.get(key) ?? { name, tree: {} }
    shares.set(key, known)
    return known
  }
  for (const name of Object.keys(servers)) host(name)
  for (const [server, ...path] of simulation.needs()) put(host(server!).tree, path, {})
  for (const { controllers, netlogon = {}, sysvol = {} } of Object.values(domains)) {
    for (const controller of controllers) put(host(controller).tree, [], { sysvol, netlogon })
  }
  for (const [text, content] of Object.entries(files)) {
    const [server, ...path] = NamespaceTable.parse(text)
    put(host(server!).tree, path, content)
  }
  const hosts: { [host: string]: ServerOptions } = {}
  for (const { name, tree } of shares.values()) {
    const told = Object.entries(servers).find(([one]) => DfsPath.fold(one) === DfsPath.fold(name))?.[1]
    const { dfs, ex = true, ...options } = told ?? {}
    simulation.addHost(name, ex)
    const none: Namespace.Namespace = { roots: {} }
    hosts[name] = {
      ...options,
      user: options.user ?? account?.user,
      password: options.password ?? account?.password,
      shares: tree as ServerOptions["shares"] & {},
      faults: [{ is: (received) => simulation.react(name, received) }],
      ...(dfs === true || simulation.namespaceOf(name) !== undefined
        ? { namespace: () => simulation.namespaceOf(name) ?? none }
        : {})
    }
  }
  return hosts
}

const seenEvent = (seen: TestState.Seen): Omit<Event, "at"> => {
  const { connection, server } = seen
  switch (seen._tag) {
    case "Connect":
      return { what: "connect", server, connection }
    case "Close":
      return { what: "close", server, connection, detail: `by the ${seen.by}` }
    default: {
      const described = describe(seen.received.header, seen.received.request, seen.tree)
      return seen._tag === "Request"
        ? { what: "request", server, connection, ...described }
        : { what: "answer", server, connection, ...described, status: NtStatus.name(seen.status) }
    }
  }
}

const make = Effect.fnUntraced(function*(description: Description) {
  const clock = yield* Clock.Clock
  const start = clock.currentTimeMillisUnsafe()
  const events: Array<Event> = []
  const tell = (event: Omit<Event, "at">): void => {
    events.push({ at: clock.currentTimeMillisUnsafe() - start, ...event })
  }
  const simulation = new Simulation(description, tell)
  const table = hostsOf(description, simulation)
  const aliases = NamespaceTable.aliases(description.domains ?? {})
  const { connect, servers, switches } = yield* TestHosts.make(table, (seen) => tell(seenEvent(seen)), aliases)
  simulation.switches = switches
  for (const fault of description.faults ?? []) {
    simulation.check(fault)
    if (fault.after !== undefined) simulation.plan(fault)
    else if (fault.at === undefined) simulation.apply(fault)
    else yield* Effect.forkScoped(Effect.andThen(Effect.sleep(fault.at), Effect.sync(() => simulation.apply(fault))))
  }
  const reach = (
    endpoint: Transport.Endpoint,
    handlers: Transport.Handlers
  ): Effect.Effect<Transport.Duplex, TransportError, Scope.Scope> =>
    Effect.suspend(() => {
      simulation.due()
      const host = aliases.get(endpoint.host.toLowerCase()) ?? endpoint.host
      if (!simulation.isUnreachable(host)) return connect(endpoint, handlers)
      return Effect.andThen(
        Effect.sleep(description.connectTimeout ?? "10 seconds"),
        Effect.fail(new TransportError({ reason: { _tag: "TimedOut" }, server: endpoint.host, port: endpoint.port }))
      )
    }).pipe(
      Effect.tapError(({ reason }) =>
        Effect.sync(() => tell({ what: "connect", server: endpoint.host, status: reason._tag }))
      ),
      Effect.onInterrupt(() =>
        Effect.sync(() => tell({ what: "connect", server: endpoint.host, status: "Interrupted" }))
      )
    )
  const world = TestNamespace.of({
    events: Effect.sync(() => [...events]),
    table: Effect.sync(() => format(events)),
    fault: (fault) =>
      Effect.sync(() => {
        simulation.check(fault)
        simulation.apply(fault)
      })
  })
  const { domains } = description
  const finder: DomainControllers.DomainControllers["Service"] = domains === undefined ? DomainControllers.none : {
    find: (name) =>
      Effect.succeed(
        Object.entries(domains).find(([domain, { netbiosName = domain }]) =>
          [domain, netbiosName].some((one) => DfsPath.fold(one) === DfsPath.fold(name))
        )?.[1].controllers ?? []
      )
  }
  const { password, user } = description.account ?? { user: "user", password: "password" }
  const credential = Credentials.password(user, Redacted.make(password))
  return Context.make(Transport.Transport, Transport.Transport.of({ connect: reach })).pipe(
    Context.add(TestServers, TestServers.of(servers)),
    Context.add(TestNamespace, world),
    Context.add(
      Credentials.CredentialProvider,
      Credentials.CredentialProvider.of({ get: () => Effect.succeed(credential) })
    ),
    Context.add(DomainControllers.DomainControllers, finder),
    Context.add(SiteFinder.SiteFinder, SiteFinder.none),
    Context.add(Entropy.Entropy, Entropy.seeded(description.seed ?? "TestNamespace")),
    Context.add(Authenticator.Workstation, { workstation: "CLIENT" })
  )
})

/**
 * A world in place of the network: provides transport and credentials for a client of yours, and `TestNamespace` to
 * inspect it. The client's random bytes come from the description's seed. A wrong description is a defect.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  description: Description
): Layer.Layer<
  | Transport.Transport
  | Credentials.CredentialProvider
  | DomainControllers.DomainControllers
  | SiteFinder.SiteFinder
  | TestServers
  | TestNamespace
> => Layer.effectContext(make(description))

/**
 * `layer` with a client on it that follows DFS.
 *
 * @example
 * ```ts
 * const World = TestNamespace.layerClient({
 *   "//corp/data/plans": {
 *     targets: [{ path: "//a/plans", set: 0 }, { path: "//b/plans", set: 1 }],
 *     targetFailback: true,
 *     timeToLive: "1 hour"
 *   },
 *   files: { "//a/plans/who.txt": "a", "//b/plans/who.txt": "b" },
 *   faults: [
 *     { at: "10 seconds", server: "a", is: "down" },
 *     { at: "1 minute", server: "a", is: "up" }
 *   ]
 * })
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerClient = (
  description: Description,
  options: { readonly dfs?: DfsAdapter.DfsAdapterOptions | undefined; readonly smb?: SmbClient.Options | undefined } =
    {}
): Layer.Layer<SmbClient.SmbClient | DfsResolver.DfsResolver | TestServers | TestNamespace> =>
  DfsAdapter.layer(options.dfs).pipe(
    Layer.provide(SmbClient.layer(options.smb)),
    Layer.provideMerge(layer(description))
  )
