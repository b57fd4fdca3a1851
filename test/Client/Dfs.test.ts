/** A client that follows scripted DFS referrals over servers in memory (MS-DFSC 3.1). */
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

describe("a client with DFS", () => {
  it.effect("follows a link past a target that is down, caches the referrals, and sets the DFS flag", () =>
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
      // One more for the second link; cached referrals are not requested again.
      assert.isAtMost((yield* referrals).length, asked + 2)
      const created = (yield* servers.requests).filter(({ command, server }) =>
        command === "CREATE" && server === "corp"
      )
      for (const { header } of created) {
        assert(header.flags & HeaderFlags.SMB2_FLAGS_DFS_OPERATIONS, "a CREATE in a namespace has the DFS flag")
      }
    }).pipe(dfs({ mode: "strict" })))

  it.effect("reads files of the root itself", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* smb.readFileString("\\\\corp\\public\\root.txt"), "root")
    }).pipe(dfs({ mode: "strict" })))

  it.effect("fails with NoTargetLeft and names each target when none can be reached", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.readFile("\\\\corp\\public\\lost\\x"))
      assert(error._tag === "DfsError" && error.reason._tag === "NoTargetLeft")
      assert.include(error.message, "dead")
      assert.include(error.message, "nowhere")
    }).pipe(dfs({ mode: "strict" })))

  it.effect("fails with Malformed and names the server when a referral is malformed", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.readFile("\\\\corp\\public\\bad\\x"))
      assert.strictEqual(error._tag, "Malformed")
      assert.include(error.message, "corp")
    }).pipe(dfs({ mode: "strict" })))

  it.effect("fails with NotDfsCapable in mode strict, and reads in mode fallback, when the server has no DFS", () =>
    Effect.gen(function*() {
      const read = Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        return yield* smb.readFileString("\\\\old\\data\\o.txt")
      })
      const error = yield* Effect.flip(read.pipe(dfs({ mode: "strict" })))
      assert.strictEqual(error._tag, "NotDfsCapable")
      assert.strictEqual(yield* read.pipe(dfs({ mode: "fallback" })), "old")
    }))

  it.effect("requests no referral without the DFS layer, and fails at a link with PathNotCovered", () =>
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
