/**
 * The cost of DFS: a path that the cache resolves, and a thousand opens below one root that is not cached yet.
 *
 * The servers are in memory, so that requests can be counted and no other program influences the time.
 */
import { Effect, Layer, Redacted } from "effect"
import * as Credentials from "../src/Auth/Credentials.ts"
import * as SmbClient from "../src/Client/SmbClient.ts"
import * as DfsAdapter from "../src/Dfs/DfsAdapter.ts"
import * as DfsResolver from "../src/Dfs/DfsResolver.ts"
import * as TestTransport from "../src/Testing/TestTransport.ts"
import type { Workload } from "./Workload.ts"

const servers = TestTransport.layer({
  ns: {
    shares: { dfs: { "file.txt": "x" } },
    referrals: {
      "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs"] },
      "\\\\ns\\dfs\\link": { targets: ["\\\\fs\\data"] }
    }
  },
  fs: { shares: { data: { "file.txt": "x" } } }
})

const layer = Layer.mergeAll(
  DfsAdapter.layerWithoutDiscovery().pipe(
    Layer.provide(SmbClient.layer()),
    Layer.provide([servers, Credentials.layer(Credentials.password("user", Redacted.make("password")))])
  ),
  servers
)

const referrals = Effect.map(
  Effect.flatMap(TestTransport.TestServers, (all) => all.requests),
  (requests) => requests.filter(({ command }) => command === "IOCTL").length
)

const resolves = 20_000

/** The time to resolve a cached path in microseconds (the median of five rounds), and the packets that it sends. */
export const cachedResolve = Effect.gen(function*() {
  const resolver = yield* DfsResolver.DfsResolver
  const all = yield* TestTransport.TestServers
  const path = "\\\\ns\\dfs\\link\\file.txt"
  yield* resolver.resolve(path)
  const before = (yield* all.requests).length
  const rounds: Array<number> = []
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    for (let i = 0; i < resolves; i++) yield* resolver.resolve(path)
    rounds.push(((performance.now() - start) * 1000) / resolves)
  }
  const microseconds = rounds.toSorted((a, b) => a - b)[2]!
  return { microseconds, packets: (yield* all.requests).length - before }
}).pipe(Effect.provide(layer))

/** The referral requests that a thousand simultaneous opens cause, and their time in milliseconds. */
export const coldOpens = Effect.gen(function*() {
  const smb = yield* SmbClient.SmbClient
  const start = performance.now()
  yield* Effect.scoped(Effect.all(
    Array.from({ length: 1000 }, () => smb.open("\\\\ns\\dfs\\file.txt")),
    { concurrency: "unbounded" }
  ))
  return { milliseconds: performance.now() - start, referrals: yield* referrals }
}).pipe(Effect.provide(layer))

/** The workloads with DFS. */
export const workloads: ReadonlyArray<Workload> = [
  {
    name: "dfs: cached resolve",
    rows: Effect.map(cachedResolve, ({ microseconds, packets }) => [
      {
        name: "resolve a cached DFS path",
        unit: "µs",
        ours: microseconds,
        goal: { most: 10 },
        note: `${packets} packets`
      }
    ])
  },
  {
    name: "dfs: cold opens",
    rows: Effect.map(coldOpens, ({ milliseconds, referrals }) => [
      {
        name: "root referrals of 1000 opens at once",
        unit: "referrals",
        ours: referrals,
        goal: { most: 1 },
        note: `${milliseconds.toFixed(0)} ms`
      }
    ])
  }
]
