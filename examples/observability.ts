/** What an app exports of a client and a server: spans, logs and metrics by OTLP, or a page for Prometheus. */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Redacted } from "effect"
import { MemoryStore, Smb, SmbClient, SmbServer } from "effect-smb"
import { FetchHttpClient, HttpRouter } from "effect/http"
import { Otlp, OtlpSerialization, PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"

/** Sends everything to an OpenTelemetry collector, every few seconds and when the program ends. */
export const telemetry = (collector: string) =>
  Otlp.layer({ baseUrl: collector, resource: { serviceName: "reports", serviceVersion: "1.0.0" } }).pipe(
    Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer])
  )

/** An operation of the client: its span is a child of `report`. */
export const report = Effect.fn("report")(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  yield* smb.writeFile(path, "all is well")
  return yield* smb.readFileString(path)
})

/** A client whose spans, logs and metrics are exported: the exporter is below everything that it sees. */
export const exported = (path: string, collector: string) =>
  report(path).pipe(
    Effect.provide(Smb.layer({ user: "joe", password: Redacted.make("secret") })),
    Effect.provide(telemetry(collector))
  )

/** A server that counts, and a page of its counts for Prometheus. */
export const Metrics = PrometheusMetrics.layerHttp({ path: "/metrics" })

export const main = () => {
  const Page = HttpRouter.serve(Metrics).pipe(
    Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 9464 }))
  )
  const Server = Layer.effectDiscard(SmbServer.make({
    port: 4455,
    users: { find: () => Effect.succeed(undefined) },
    guest: "unknown",
    shares: { scratch: MemoryStore.make() }
  }))
  Layer.launch(Layer.mergeAll(Page, Server)).pipe(NodeRuntime.runMain)
}
