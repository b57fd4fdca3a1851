/** Proves the options probe, connect and siteName of DfsAdapter, and traces, with DFS namespaces of smbd. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { dfsClient } from "./Clients.ts"
import * as Lab from "./Lab.ts"

const root = "\\\\127.0.48.1\\dfs"

const servers = Lab.servers({
  root: {
    address: "127.0.48.1",
    shares: [{
      name: "dfs",
      dfs: { plain: "127.0.48.2\\data", "dead-first": ["127.0.48.9\\data", "127.0.48.2\\data"] }
    }]
  },
  one: { address: "127.0.48.2", shares: [{ name: "data" }] }
})

class World extends Context.Service<World, Effect.Success<typeof servers>>()("test/lab/DfsWays/World") {
  static readonly layer = Layer.effect(
    World,
    Effect.tap(
      servers,
      ({ one, root }) => Effect.all([root.write("dfs", "in-root.txt", "root"), one.write("data", "who.txt", "one")])
    )
  )
}

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("a client of DFS on smbd", (it) => {
  it.effect("with probe lazily has no referral in its cache until it crosses a link", () =>
    Effect.gen(function*() {
      const { resolver, smb } = yield* dfsClient({ dfs: { probe: "lazily" } })
      assert.strictEqual(yield* smb.readFileString(`${root}\\in-root.txt`), "root")
      assert.strictEqual((yield* resolver.cache).entries.size, 0)
      assert.strictEqual(yield* smb.readFileString(`${root}\\plain\\who.txt`), "one")
      assert.strictEqual((yield* resolver.cache).entries.size, 2)
    }))
  it.effect("with connect race reads from the second target of a link whose first target is dead", () =>
    Effect.gen(function*() {
      const { smb } = yield* dfsClient({ dfs: { connect: "race" } })
      assert.strictEqual(yield* smb.readFileString(`${root}\\dead-first\\who.txt`), "one")
    }))
  it.effect("with a siteName reads in strict mode, although smbd refuses FSCTL_DFS_GET_REFERRALS_EX", () =>
    Effect.gen(function*() {
      const { smb } = yield* dfsClient({ dfs: { siteName: "Default-First-Site-Name", mode: "strict" } })
      assert.strictEqual(yield* smb.readFileString(`${root}\\plain\\who.txt`), "one")
    }))
  it.effect("traces its referral requests in their order, with the step, kind and server of each", () =>
    Effect.gen(function*() {
      const { resolver } = yield* dfsClient()
      const { notes, result } = yield* resolver.trace(`${root}\\plain\\who.txt`)
      assert.strictEqual(result._tag, "Success")
      const asked = notes.flatMap((note) => note._tag === "Asking" ? [`${note.step} ${note.kind} ${note.server}`] : [])
      assert.deepStrictEqual(asked, ["6 root 127.0.48.1", "8 link 127.0.48.1", "6 root 127.0.48.2"])
    }))
})
