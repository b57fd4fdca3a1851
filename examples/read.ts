import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { Credentials, DfsAdapter, SmbClient, TcpTransport } from "effect-smb"

const program = Effect.gen(function*() {
  const smb = yield* SmbClient.SmbClient
  const text = yield* smb.readFileString("//files.example/public/plans/readme.txt")
  yield* Effect.log(text)
})

const Smb = DfsAdapter.layerWithoutDiscovery({ mode: "fallback" }).pipe( // leave this line out: no DFS, not one request more
  Layer.provide(SmbClient.layer({ signing: "required" })),
  Layer.provide([TcpTransport.layer(), Credentials.layerConfig()]) // SMB_USER, SMB_DOMAIN, SMB_PASSWORD
)

program.pipe(Effect.provide(Smb), NodeRuntime.runMain)
