/** An app's code without a network: servers in memory that log on, sign and serve files, one of them dead. */
import { Effect, Layer, Redacted } from "effect"
import { Credentials, DfsAdapter, SmbClient, TestTransport } from "effect-smb"

const account = { user: "joe", password: "secret" }

const Servers = TestTransport.layer({
  corp: {
    ...account,
    shares: { public: {} },
    referrals: {
      "//corp/public": { targets: ["//corp/public"] },
      "//corp/public/plans": { targets: ["//fs1/plans", "//fs2/plans"] }
    }
  },
  fs1: "down",
  fs2: { ...account, shares: { plans: { "readme.txt": "hello" } } }
})

const Smb = DfsAdapter.layerWithoutDiscovery().pipe(
  Layer.provide(SmbClient.layer()),
  Layer.provideMerge(Servers),
  Layer.provide(Credentials.layer(Credentials.password(account.user, Redacted.make(account.password))))
)

export const failover = Effect.gen(function*() {
  const smb = yield* SmbClient.SmbClient
  const servers = yield* TestTransport.TestServers
  const before = yield* smb.readFileString("//corp/public/plans/readme.txt")
  yield* servers.down("fs2")
  const after = yield* smb.readFileString("//corp/public/plans/readme.txt").pipe(
    Effect.catchReason("DfsError", "NoTargetLeft", ({ targets }) => Effect.succeed(`${targets.length} targets failed`))
  )
  return { before, after } // "hello", "2 targets failed"
}).pipe(Effect.provide(Smb))
