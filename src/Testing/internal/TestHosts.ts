/**
 * The servers of the test kit by their hosts' names: which server accepts a connection, and the test's view of them.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as FileTime from "../../Codec/FileTime.ts"
import { fold } from "../../Codec/UpCase.ts"
import { TransportError } from "../../Protocol/Errors.ts"
import type * as Transport from "../../Protocol/Transport.ts"
import type { Hosts, Logged, Servers } from "../TestServer.ts"
import { TestPeer } from "./TestPeer.ts"
import * as TestState from "./TestState.ts"
import * as TestTime from "./TestTime.ts"
import * as TestTree from "./TestTree.ts"

const refused = (endpoint: Transport.Endpoint, tag: "ConnectionRefused" | "HostNotFound"): TransportError =>
  new TransportError({ reason: { _tag: tag }, server: endpoint.host, port: endpoint.port })

/** The functions behind the effects of `Servers`. */
export interface Switches {
  readonly drop: (host: string) => void
  readonly down: (host: string) => void
  readonly up: (host: string) => void
}

/**
 * Servers, and the way to them. Calls `watch` with every request and response; `aliases` are further names of hosts, in
 * lower case.
 */
export const make = Effect.fnUntraced(function*(
  hosts: Hosts,
  watch?: (seen: TestState.Seen) => void,
  aliases: ReadonlyMap<string, string> = new Map()
) {
  const now = FileTime.fromMillis(yield* Clock.currentTimeMillis)
  const log: Array<Logged> = []
  const activity: TestTime.Activity = { events: 0 }
  const saw = (seen: TestState.Seen): void => {
    activity.events++
    watch?.(seen)
  }
  yield* TestTime.moveWhenQuiet(activity)
  const states = new Map(
    Object.entries(hosts).map(([host, options]) => [host.toLowerCase(), TestState.make(options, log, now, saw)])
  )
  let count = 0
  const named = (host: string): TestState.State | undefined => {
    const name = host.toLowerCase()
    return states.get(name) ?? states.get(aliases.get(name)?.toLowerCase() ?? "*") ?? states.get("*")
  }
  const connect = (
    endpoint: Transport.Endpoint,
    handlers: Transport.Handlers
  ): Effect.Effect<Transport.Duplex, TransportError, Scope.Scope> =>
    Effect.gen(function*() {
      const state = named(endpoint.host)
      if (state === undefined || state.down) {
        return yield* refused(endpoint, state === undefined ? "HostNotFound" : "ConnectionRefused")
      }
      const scope = yield* Effect.scope
      const inbox = yield* Queue.unbounded<Uint8Array>()
      const peer = new TestPeer(++count, state, endpoint, handlers, scope, inbox)
      state.peers.add(peer)
      saw({ _tag: "Connect", server: endpoint.host, connection: count })
      yield* Effect.addFinalizer(() => Effect.sync(() => peer.close()))
      yield* Effect.forkScoped(peer.run)
      return { send: (chunks) => peer.send(chunks), close: () => peer.close() }
    })
  const switches: Switches = {
    drop: (host) => {
      for (const peer of named(host)?.peers ?? []) peer.hangUp()
    },
    down: (host) => {
      const state = named(host)
      if (state !== undefined) state.down = true
      switches.drop(host)
    },
    up: (host) => {
      const state = named(host)
      if (state !== undefined) state.down = false
    }
  }
  const servers: Servers = {
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
        const root = named(host)?.shares.get(fold(share))
        const found = root === undefined ? undefined : TestTree.find(root, path, true)
        return found?._tag === "Node" && found.node.children === undefined ? found.node.data.slice() : undefined
      }),
    drop: (host) => Effect.sync(() => switches.drop(host)),
    down: (host) => Effect.sync(() => switches.down(host)),
    up: (host) => Effect.sync(() => switches.up(host)),
    notify: (host, response) =>
      Effect.sync(() => {
        for (const peer of named(host)?.peers ?? []) peer.notify(response)
      })
  }
  return { connect, servers, switches }
})
