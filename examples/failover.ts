/** The view of an app when a DFS target fails and comes back: a namespace described as data, in virtual time. */
import { Effect } from "effect"
import { SmbClient, TestNamespace, VirtualTime } from "effect-smb"

const World = TestNamespace.layerClient({
  "//corp/data/plans": {
    targets: [{ path: "//a/plans", set: 0 }, { path: "//b/plans", set: 1 }],
    targetFailback: true,
    timeToLive: "1 hour"
  },
  files: { "//a/plans/who.txt": "a", "//b/plans/who.txt": "b" },
  faults: [
    { at: "10 seconds", server: "a", is: "down" },
    { at: "1 minute", server: "a", is: "up" }
  ]
})

/** The app: reads every twenty seconds, for two minutes. */
const app = Effect.gen(function*() {
  const smb = yield* SmbClient.SmbClient
  const seen: Array<string> = []
  for (let i = 0; i < 6; i++) {
    seen.push(yield* smb.readFileString("//corp/data/plans/who.txt"))
    yield* Effect.sleep("20 seconds")
  }
  return seen.join(" ")
})

/** Under `TestClock`, as in `it.effect` of @effect/vitest. The two minutes take no time. */
export const failover = Effect.gen(function*() {
  const { exit, took } = yield* VirtualTime.run(app) // "a b b a a a" after 120000 ms
  const { table } = yield* TestNamespace.TestNamespace
  return { exit, took, log: yield* table } // "   10.000 a        ! down" ...
}).pipe(Effect.provide(World))

/** With a race, an unreachable first target costs no more than the stagger. */
export const race = VirtualTime.run(
  Effect.flatMap(SmbClient.SmbClient, (smb) => smb.readFileString("//corp/data/plans/who.txt"))
).pipe(Effect.provide(TestNamespace.layerClient({
  "//corp/data/plans": ["//a/plans", "//b/plans"],
  files: { "//b/plans/who.txt": "b" },
  faults: [{ server: "a", is: "unreachable" }]
}, { dfs: { connect: "race", stagger: "250 millis" } }))) // "b" after 250 ms
