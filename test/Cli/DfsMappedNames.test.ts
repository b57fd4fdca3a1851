/**
 * Proves that `dfs resolve`, `dfs cache` and `dfs tree` of a client with mapped names ask by the names that the server
 * knows, and show the names that the user types: also in steps, targets and errors.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, DfsAdapter, DfsResolver, SmbClient, TestTransport } from "effect-smb"
import * as Actions from "../../src/Cli/Actions.ts"
import * as DfsActions from "../../src/Cli/DfsActions.ts"
import { tree } from "../../src/Cli/DfsTree.ts"
import * as Served from "./served.ts"

const privateUse = /[\uf000-\uf0ff]/

const namespace: TestTransport.Hosts = {
  ns: {
    shares: { dfs: {} },
    referrals: {
      "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs"] },
      "\\\\ns\\dfs\\a\uf022b": { targets: ["\\\\one\\data\\in\uf025", "\\\\off\\data\\in\uf029"] },
      "\\\\ns\\dfs\\dead\uf025": { targets: ["\\\\off\\data\\gone\uf021"] },
      "\\\\ns\\dfs\\closed\uf025": { status: "STATUS_ACCESS_DENIED" }
    }
  },
  one: { shares: { data: { "in\uf025": { "who\uf022": "one" } } } },
  off: "down"
}

const run = <A, E>(use: Effect.Effect<A, E, SmbClient.SmbClient | DfsResolver.DfsResolver>, enabled = true) =>
  Served.printed(use).pipe(
    Effect.map((said) => {
      const all = said.out + said.err + (said.failure?.message ?? "")
      assert.notMatch(all, privateUse)
      return said
    }),
    Effect.provide(
      DfsAdapter.layerWithoutDiscovery({ enabled }).pipe(
        Layer.provide(SmbClient.layer({ names: "mapped" })),
        Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
        Layer.provide(TestTransport.layer(namespace))
      )
    )
  )

const text = { json: false }
const json = { json: true }

describe("dfs with mapped names", () => {
  it.effect.each([true, false])(
    "resolves by the names of the server, and shows those of the user (DFS: %s)",
    (enabled) =>
      Effect.gen(function*() {
        const { objects } = yield* run(Actions.resolve(Served.path("//ns/dfs/a:b/who:"), json), enabled)
        assert.deepStrictEqual(objects(), [{
          path: "\\\\ns\\dfs\\a:b\\who:",
          resolvedPath: "\\\\one\\data\\in?\\who:",
          status: "link",
          targets: ["\\\\one\\data\\in?\\who:", "\\\\off\\data\\in.\\who:"]
        }])
      })
  )

  it.effect("shows the names of the user in each step", () =>
    Effect.gen(function*() {
      const { out } = yield* run(DfsActions.trace(Served.path("//ns/dfs/a:b/who:"), text))
      assert.include(out, "which link lies on the way to \\ns\\dfs\\a:b\\who:")
      assert.include(out, "\\\\ns\\dfs\\a:b: \\\\one\\data\\in?, \\\\off\\data\\in. (")
      assert.include(out, "resolved:  \\\\one\\data\\in?\\who:\n")
      const refused = yield* run(DfsActions.trace(Served.path("//ns/dfs/closed?/x."), text))
      assert.include(refused.out, "(ns refused a referral for \\ns\\dfs\\closed?\\x.: STATUS_ACCESS_DENIED)")
    }))

  it.effect("shows the referrals of the cache by the names of the user", () =>
    Effect.gen(function*() {
      const { lines } = yield* run(DfsActions.cache(["//ns/dfs/a:b/who:"].map(Served.path), text))
      assert.includeMembers(lines, [
        "\\\\ns\\dfs\\a:b  link, 300 s left",
        "  * \\\\one\\data\\in?",
        "    \\\\off\\data\\in."
      ])
      const { objects } = yield* run(DfsActions.cache(["//ns/dfs/none:"].map(Served.path), json))
      assert.includeMembers(objects().map(({ prefix }) => prefix), ["\\\\NS\\DFS\\NONE:"])
    }))

  it.effect("draws the targets of a link by the names of the user, and asks each by the name of the server", () =>
    Effect.gen(function*() {
      const { objects } = yield* run(tree(Served.path("//ns/dfs/a:b"), { json: true, format: "text" }))
      const [drawn] = objects()
      assert.strictEqual(drawn.path, "\\\\ns\\dfs\\a:b")
      assert.deepStrictEqual(
        drawn.targets.map(({ state, target }: { state: string; target: string }) => [target, state]),
        [["\\\\one\\data\\in?", "up"], ["\\\\off\\data\\in.", "down"]]
      )
      assert.strictEqual(drawn.timeToLive, 300)
    }))

  it.effect("has the names of the user in the error of a link whose targets have all failed", () =>
    Effect.gen(function*() {
      const { failure } = yield* run(
        Effect.flatMap(SmbClient.SmbClient, (smb) => smb.readFile("//ns/dfs/dead?/who:"))
      )
      assert.include(failure?.message, "No target of \\\\ns\\dfs\\dead?\\who: can be used (\\\\off\\data\\gone*")
    }))

  it.effect("gives the same to a program that uses the resolver for its own work", () =>
    Effect.gen(function*() {
      const places: Array<string> = []
      yield* run(Effect.gen(function*() {
        const resolver = yield* DfsResolver.DfsResolver
        const at = yield* resolver.use("\\\\ns\\dfs\\a:b\\who:", ({ path }) => {
          places.push(path)
          return places.length < 3 ? Effect.fail(places.length) : Effect.succeed(path)
        }, (count) => count === 1 ? "PathNotCovered" : "TargetFailed")
        assert.strictEqual(at, "in.\\who:")
      }))
      assert.deepStrictEqual(places, ["a:b\\who:", "in?\\who:", "in.\\who:"])
    }))
})
