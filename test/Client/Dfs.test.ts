/**
 * A client that follows DFS through scripted referrals, over servers in memory.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, DfsAdapter, SmbClient, TestTransport } from "effect-smb"
import { HeaderFlags } from "../../src/Smb2/Message/Constants.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"

const user = Credentials.layer(Credentials.password("user", Redacted.make("password")))

const hosts: TestTransport.Hosts = {
  corp: {
    shares: { public: { "root.txt": "root" }, plain: { "p.txt": "plain" } },
    referrals: {
      "\\\\corp\\public": { targets: ["\\\\corp\\public"] },
      "\\\\corp\\public\\plans": { targets: ["\\\\dead\\data\\plans", "\\\\b\\data\\plans"] },
      "\\\\corp\\public\\sets": {
        targets: ["\\\\dead\\data", "\\\\dead\\data", "\\\\b\\data"],
        version: 4,
        boundaries: [0, 2]
      },
      "\\\\corp\\public\\lost": { targets: ["\\\\dead\\data", "\\\\nowhere\\data"] },
      "\\\\corp\\public\\bad": { hex: "0c00010002000000040022" }
    }
  },
  b: { shares: { data: { "top.txt": "top", plans: { "f.txt": "through the link" } } } },
  dead: "down",
  old: { shares: { data: { "o.txt": "old" } } }
}

const dfs = (options: DfsAdapter.DfsAdapterOptions) =>
  Effect.provide(
    DfsAdapter.layerWithoutDiscovery(options).pipe(
      Layer.provideMerge(SmbClient.layer()),
      Layer.provideMerge(TestTransport.layer(hosts)),
      Layer.provide(user)
    )
  )

const referrals = Effect.gen(function*() {
  const servers = yield* TestTransport.TestServers
  return (yield* servers.requests).filter(({ request }) =>
    request._tag === "IOCTL" && (request.body.ctlCode === Fsctl.Fsctl.FSCTL_DFS_GET_REFERRALS ||
      request.body.ctlCode === Fsctl.Fsctl.FSCTL_DFS_GET_REFERRALS_EX)
  )
})

describe("DFS", () => {
  it.effect("walks through a link, past a target that is down, and asks once", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* smb.readFileString("\\\\corp\\public\\plans\\f.txt"), "through the link")
      const asked = (yield* referrals).length
      assert(asked > 0)
      yield* smb.writeFile("\\\\corp\\public\\plans\\new.txt", "new")
      assert.strictEqual(yield* smb.readFileString("\\\\corp\\public\\sets\\plans\\new.txt"), "new")
      assert.strictEqual(yield* smb.readFileString("\\\\corp\\public\\sets\\top.txt"), "top")
      assert.strictEqual(yield* smb.readFileString("\\\\corp\\public\\plans\\f.txt"), "through the link")
      const servers = yield* TestTransport.TestServers
      assert.strictEqual(
        new TextDecoder().decode(yield* servers.read("b", "data", "plans\\new.txt")),
        "new"
      )
      // One more for the second link; what is cached is not asked again.
      assert.isAtMost((yield* referrals).length, asked + 2)
      const created = (yield* servers.requests).filter(({ command, server }) =>
        command === "CREATE" && server === "corp"
      )
      for (const { header } of created) {
        assert(header.flags & HeaderFlags.SMB2_FLAGS_DFS_OPERATIONS, "names of a namespace travel with the DFS flag")
      }
    }).pipe(dfs({ mode: "strict" })))

  it.effect("files of the root itself are there too", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* smb.readFileString("\\\\corp\\public\\root.txt"), "root")
    }).pipe(dfs({ mode: "strict" })))

  it.effect("says of every target what was wrong with it", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.readFile("\\\\corp\\public\\lost\\x"))
      assert(error._tag === "DfsError" && error.reason._tag === "NoTargetLeft")
      assert.include(error.message, "dead")
      assert.include(error.message, "nowhere")
    }).pipe(dfs({ mode: "strict" })))

  it.effect("a referral that makes no sense is Malformed, with the server's name", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.readFile("\\\\corp\\public\\bad\\x"))
      assert.strictEqual(error._tag, "Malformed")
      assert.include(error.message, "corp")
    }).pipe(dfs({ mode: "strict" })))

  it.effect("strict fails with a server that does no DFS, fallback goes on", () =>
    Effect.gen(function*() {
      const read = Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        return yield* smb.readFileString("\\\\old\\data\\o.txt")
      })
      const error = yield* Effect.flip(read.pipe(dfs({ mode: "strict" })))
      assert.strictEqual(error._tag, "NotDfsCapable")
      assert.strictEqual(yield* read.pipe(dfs({ mode: "fallback" })), "old")
    }))

  it.effect("is off without its layer: a link is refused, and no referral is asked for", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.readFile("\\\\corp\\public\\plans\\f.txt"))
      assert.deepInclude(error, { _tag: "SmbError", statusName: "STATUS_PATH_NOT_COVERED" })
      assert.strictEqual(yield* smb.readFileString("\\\\corp\\plain\\p.txt"), "plain")
      assert.deepStrictEqual(yield* referrals, [])
    }).pipe(Effect.provide(
      SmbClient.layer().pipe(Layer.provideMerge(TestTransport.layer(hosts)), Layer.provide(user))
    )))
})
