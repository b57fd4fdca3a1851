/** A run against real servers, recorded once, and replayed without them. */
import { Effect, FileSystem, Layer } from "effect"
import { Credentials, DfsAdapter, RecordedTransport, SmbClient, TcpTransport } from "effect-smb"

const Smb = DfsAdapter.layerWithoutDiscovery().pipe(
  Layer.provide(SmbClient.layer()),
  Layer.provide(Credentials.layerConfig())
)

const app = Effect.gen(function*() {
  const smb = yield* SmbClient.SmbClient
  return yield* smb.readFileString("//corp.test/public/readme.txt")
})

/** The client is provided first, so that the recording has its last messages too. */
export const record = Effect.gen(function*() {
  const text = yield* Effect.provide(app, Smb)
  const { recording } = yield* RecordedTransport.Recorder
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString("run.json", RecordedTransport.toJson(yield* recording))
  return text
}).pipe(Effect.provide(RecordedTransport.layerRecord(TcpTransport.layer())))

/** The same text, or a `ReplayMismatch` that names connection, frame, command and byte. */
export const replay = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const recording = yield* Effect.fromResult(RecordedTransport.fromJson(yield* fs.readFileString("run.json")))
  return yield* Effect.gen(function*() {
    const text = yield* Effect.provide(app, Smb)
    const { checkComplete } = yield* RecordedTransport.Replay
    yield* checkComplete
    return text
  }).pipe(Effect.provide(RecordedTransport.layerReplay(recording)))
})
