/**
 * A transport whose servers are data: for testing an app without a network and without a server.
 *
 * `files` gives a server in memory that really logs on, signs and encrypts, and serves a tree of files; `faults` make it
 * go wrong where you say. `layer` has several of them by host name, some of them down, with DFS referrals between them.
 * `scripted` has exact expectations, request by request. Time is Effect's Clock: under `TestClock` nothing waits.
 *
 * It is no full server. One process, no disk; no locks, oplocks, leases, access control, share modes, streams, change
 * notifications or named pipes (so no list of shares): what it does not do answers STATUS_NOT_SUPPORTED.
 *
 * ```ts
 * const Server = TestTransport.files({ data: { "readme.txt": "hello" } }, { user: "joe", password: "secret" })
 * const Client = SmbClient.layer().pipe(Layer.provideMerge(Server), Layer.provide(Credentials.layer(joe)))
 * ```
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as FileTime from "../Codec/FileTime.ts"
import { TransportError } from "../Protocol/Errors.ts"
import * as Transport from "../Protocol/Transport.ts"
import type * as Message from "../Smb2/Message/Message.ts"
import { TestPeer } from "./internal/TestPeer.ts"
import * as TestState from "./internal/TestState.ts"
import * as TestTree from "./internal/TestTree.ts"
import type { Fault, Files, Logged, ServerOptions, Step } from "./TestServer.ts"

export { link } from "./TestServer.ts"
export type {
  Answer,
  Content,
  Fault,
  Files,
  Link,
  Logged,
  Reaction,
  Received,
  Referral,
  ServerOptions,
  Step
} from "./TestServer.ts"

/**
 * The servers from behind: what they were asked, what they hold, and their switches. Hosts are named as in `layer`.
 *
 * @category services
 */
export class TestServers extends Context.Service<TestServers, {
  /** Every request so far, over all connections, in the order in which they came. */
  readonly requests: Effect.Effect<ReadonlyArray<Logged>>
  /** The commands of `requests`. */
  readonly commands: Effect.Effect<ReadonlyArray<Message.CommandName>>
  /** Connections that are open now. */
  readonly connections: (host?: string) => Effect.Effect<number>
  /** How many connections have ever been made. */
  readonly connected: Effect.Effect<number>
  /** The bytes of a file as they are now; `undefined` where there is no such file. */
  readonly read: (host: string, share: string, path: string) => Effect.Effect<Uint8Array | undefined>
  /** Ends all connections of a host. */
  readonly drop: (host: string) => Effect.Effect<void>
  /** Ends all connections of a host, and refuses new ones until `up`. */
  readonly down: (host: string) => Effect.Effect<void>
  readonly up: (host: string) => Effect.Effect<void>
  /** Sends every client of a host an unsolicited message: an OPLOCK_BREAK. */
  readonly notify: (host: string, response: Message.Response) => Effect.Effect<void>
}>()("effect-smb/Layers/TestServers") {}

/** What stands in a table of hosts: a server, or `down` for one that refuses connections. */
export type Hosts = { readonly [host: string]: ServerOptions | "down" }

const refused = (endpoint: Transport.Endpoint, reason: "Refused" | "NameNotFound"): TransportError =>
  new TransportError({ reason, server: endpoint.host, port: endpoint.port })

/**
 * Servers by host name; `*` is any other. A host that is not in the table has no address (`NameNotFound`), one that is
 * down refuses (`Refused`). Names are compared without regard to case, ports not at all.
 *
 * @category layers
 */
export const layer = (hosts: Hosts): Layer.Layer<Transport.Transport | TestServers> =>
  Layer.effectContext(Effect.gen(function*() {
    const now = FileTime.fromMillis(yield* Clock.currentTimeMillis)
    const log: Array<Logged> = []
    const states = new Map(
      Object.entries(hosts).map(([host, options]) => [host.toLowerCase(), TestState.make(options, log, now)])
    )
    let count = 0
    const named = (host: string): TestState.State | undefined => states.get(host.toLowerCase()) ?? states.get("*")
    const connect = (
      endpoint: Transport.Endpoint,
      handlers: Transport.Handlers
    ): Effect.Effect<Transport.Duplex, TransportError, Scope.Scope> =>
      Effect.gen(function*() {
        const state = named(endpoint.host)
        if (state === undefined || state.down) {
          return yield* refused(endpoint, state === undefined ? "NameNotFound" : "Refused")
        }
        const scope = yield* Effect.scope
        const inbox = yield* Queue.unbounded<Uint8Array>()
        const peer = new TestPeer(++count, state, endpoint, handlers, scope, inbox)
        state.peers.add(peer)
        yield* Effect.addFinalizer(() => Effect.sync(() => peer.close()))
        yield* Effect.forkScoped(peer.run)
        return { send: (chunks) => peer.send(chunks), close: () => peer.close() }
      })
    const hangUp = (host: string, down: boolean) =>
      Effect.sync(() => {
        const state = named(host)
        if (state === undefined) return
        state.down = state.down || down
        for (const peer of state.peers) peer.hangUp()
      })
    const servers = TestServers.of({
      requests: Effect.sync(() => [...log]),
      commands: Effect.sync(() => log.map(({ command }) => command)),
      connections: (host) =>
        Effect.sync(() => {
          const counted = host === undefined ? [...states.values()] : [named(host)]
          return counted.reduce((sum, state) => sum + (state?.peers.size ?? 0), 0)
        }),
      connected: Effect.sync(() => count),
      read: (host, share, path) =>
        Effect.sync(() => {
          const root = named(host)?.shares.get(share.toLowerCase())
          const found = root === undefined ? undefined : TestTree.find(root, path, true)
          return found?._tag === "Node" && found.node.children === undefined ? found.node.data.slice() : undefined
        }),
      drop: (host) => hangUp(host, false),
      down: (host) => hangUp(host, true),
      up: (host) =>
        Effect.sync(() => {
          const state = named(host)
          if (state !== undefined) state.down = false
        }),
      notify: (host, response) =>
        Effect.sync(() => {
          for (const peer of named(host)?.peers ?? []) peer.notify(response)
        })
    })
    return Context.make(Transport.Transport, Transport.Transport.of({ connect })).pipe(
      Context.add(TestServers, servers)
    )
  }))

/**
 * One server that answers to every name and has these shares. User `user` with password `password`, unless the options
 * say otherwise.
 *
 * @category layers
 */
export const files = (
  shares: { readonly [share: string]: Files },
  options: Omit<ServerOptions, "shares"> = {}
): Layer.Layer<Transport.Transport | TestServers> => layer({ "*": { ...options, shares } })

/**
 * One server that answers to every name and expects exactly these requests on each connection, in order. What a step
 * does not say is done as `files` does it.
 *
 * @category layers
 */
export const scripted = (
  script: ReadonlyArray<Step>,
  options: Omit<ServerOptions, "script" | "faults"> = {}
): Layer.Layer<Transport.Transport | TestServers> => layer({ "*": { ...options, script } })

// -----------------------------------------------------------------------------
// steps and faults
// -----------------------------------------------------------------------------

/** Expects a NEGOTIATE, and answers it. @category steps */
export const negotiate: Step = { on: "NEGOTIATE" }

/** Expects a logon, all its legs, and carries it through. @category steps */
export const sessionSetup: Step = { on: "SESSION_SETUP", repeated: true }

/** Expects a TREE_CONNECT, and answers it. @category steps */
export const treeConnect: Step = { on: "TREE_CONNECT" }

/** Expects a request, and answers it as said, or as usual. @category steps */
export const expect = (on: Message.CommandName, is?: Step["is"]): Step => is === undefined ? { on } : { on, is }

/** Expects any request at all, and hangs up. @category steps */
export const drop: Step = { is: "drop" }

/** A fault for every request of a command, or the one after `skip` others. @category faults */
export const fault = (
  on: Message.CommandName,
  is: Fault["is"],
  options: { readonly skip?: number; readonly times?: number } = {}
): Fault => ({ on, is, ...options })
