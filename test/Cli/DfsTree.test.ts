/** What `effect-smb dfs tree` draws, and how it ends if targets are dead: for scripted namespaces. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, DfsAdapter, SmbClient, TestTransport } from "effect-smb"
import { failureOf, mermaid, tree } from "../../src/Cli/DfsTree.ts"
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
