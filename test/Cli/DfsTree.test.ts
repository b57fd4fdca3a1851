/** What `effect-smb dfs tree` draws, and how it ends if targets are dead: for scripted namespaces. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, DfsAdapter, SmbClient, TestTransport } from "effect-smb"
import { failureOf, mermaid, tree } from "../../src/Cli/DfsTree.ts"
import * as Transport from "../../src/Protocol/Transport.ts"
import * as Served from "./served.ts"

it("mermaid draws a namespace's root and links with their targets, and a link without targets with its error", () => {
  const up = (target: string) => ({ target, state: "up" as const })
  const page = mermaid({
    path: "\\\\corp.test\\dfs",
    targets: [up("\\\\ns1\\dfs"), { target: "\\\\ns2\\dfs", state: "down", error: "refused" }]
  }, [
    { path: "\\\\corp.test\\dfs\\a \"b\"", targets: [up("\\\\fs\\data")] },
    { path: "\\\\corp.test\\dfs\\gone", targets: [], error: "it has\nno target" }
  ])
  assert.deepStrictEqual(page.split("\n"), [
    "flowchart LR",
    "  root[\"\\\\corp.test\\dfs\"]",
    "  root --> rootTarget_0[\"\\\\ns1\\dfs\"]",
    "  root -. down .-> rootTarget_1[\"\\\\ns2\\dfs\"]",
    "  root --> link0[\"a #34;b#34;\"]",
    "  link0 --> target0_0[\"\\\\fs\\data\"]",
    "  root --> link1[\"gone: it has no target\"]",
    ""
  ])
  // A root that is its own target has no arrow to itself.
  assert.strictEqual(
    mermaid({ path: "\\\\s\\dfs", targets: [up("\\\\S\\dfs")] }, []),
    "flowchart LR\n  root[\"\\\\s\\dfs\"]\n"
  )
})

it("a drawing with dead targets is a failure that counts them, and the links that are left without a target", () => {
  const up = { target: "\\\\a\\x", state: "up" as const }
  const down = { target: "\\\\b\\x", state: "down" as const, error: "refused" }
  const root = { path: "\\\\ns\\dfs", targets: [up] }
  assert.isUndefined(failureOf(root.path, [root, { path: "l", targets: [up, up] }]))
  const some = failureOf(root.path, [root, { path: "l", targets: [down, up] }])
  assert.deepInclude(some, { dead: 1, unreachable: 0 })
  assert.strictEqual(some!.message, "\\\\ns\\dfs: 1 target does not answer, and every link has another one")
  const worse = failureOf(root.path, [root, { path: "l", targets: [down, down] }, {
    path: "m",
    targets: [],
    error: "e"
  }])
  assert.strictEqual(worse!.message, "\\\\ns\\dfs: 2 targets do not answer, and 2 links have no other")
})

it.effect("tree draws everything first, and then fails with DeadTargets", () =>
  Effect.gen(function*() {
    const run = yield* Served.printed(tree(Served.path("//ns/dfs"), { json: true, format: "text" }))
    assert.deepStrictEqual(run.objects()[0].targets.map(({ state }: { state: string }) => state), ["up", "down"])
    assert.deepInclude(run.failure, { code: 1 })
    assert.deepInclude(run.failure?.json, { error: "DeadTargets" })
  }).pipe(Effect.provide(
    DfsAdapter.layerWithoutDiscovery().pipe(
      Layer.provide(SmbClient.layer()),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
      Layer.provide(TestTransport.layer({
        ns: { shares: { dfs: {} }, referrals: { "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs", "\\\\off\\dfs"] } } },
        off: "down"
      }))
    )
  )))

it.effect("tree asks a server that does not answer once, and says so for each target on it", () => {
  const connects: Array<string> = []
  const counting = Layer.effect(
    Transport.Transport,
    Effect.map(Transport.Transport, ({ connect }) => ({
      connect: (endpoint: Transport.Endpoint, handlers: Transport.Handlers) => {
        connects.push(endpoint.host)
        return connect(endpoint, handlers)
      }
    }))
  )
  const targets = ["\\\\ns\\dfs", "\\\\off\\a", "\\\\OFF\\b", "\\\\off\\c"]
  return Effect.gen(function*() {
    const run = yield* Served.printed(tree(Served.path("//ns/dfs"), { json: true, format: "text" }))
    const found = run.objects()[0].targets as ReadonlyArray<{ readonly state: string; readonly error?: string }>
    assert.deepStrictEqual(found.map(({ state }) => state), ["up", "down", "down", "down"])
    assert.notMatch(found[1]!.error!, /not asked again/)
    for (const { error } of found.slice(2)) assert.match(error!, /^not asked again: off/)
    assert.lengthOf(connects.filter((host) => host.toLowerCase() === "off"), 1)
  }).pipe(Effect.provide(
    DfsAdapter.layerWithoutDiscovery().pipe(
      Layer.provide(SmbClient.layer()),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
      Layer.provide(Layer.provide(
        counting,
        TestTransport.layer({ ns: { shares: { dfs: {} }, referrals: { "\\\\ns\\dfs": { targets } } }, off: "down" })
      ))
    )
  ))
})
