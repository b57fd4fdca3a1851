/**
 * docs/observability.md and the examples with it: the page lists exactly the metrics that exist, and the examples export
 * to a collector and to Prometheus what a client and a server did.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, Redacted } from "effect"
import { MemoryStore, Smb, SmbServer, UserStore } from "effect-smb"
import { ClientMetrics } from "effect-smb/Client"
import { DfsMetrics } from "effect-smb/Dfs"
import { MetricFamily, Spans } from "effect-smb/Protocol"
import { ServerMetrics } from "effect-smb/Server"
import { FetchHttpClient, HttpClient, HttpRouter, HttpServer } from "effect/http"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import { exported, Metrics, report } from "../examples/observability.ts"

const page = readFileSync(fileURLToPath(new URL("../docs/observability.md", import.meta.url)), "utf8")

const sectionOf = (heading: string): string => page.split(/^#{2,3} /m).find((part) => part.startsWith(`${heading}\n`))!

/** The rows of the tables of a section, each with its cells. */
const rowsOf = (heading: string): ReadonlyArray<ReadonlyArray<string>> =>
  sectionOf(heading).split("\n").filter((line) => line.startsWith("| `")).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim())
  )

const row = (name: string, type: string, unit: string, labels: ReadonlyArray<string>, meaning: string) => [
  `\`${name}\``,
  type,
  `\`${unit}\``,
  labels.map((label) => `\`${label}\``).join(", "),
  meaning
]

const ofFamilies = (module: object) =>
  (Object.values(module) as ReadonlyArray<MetricFamily.MetricFamily>).map(({ description, labels, name, type, unit }) =>
    row(name, type, unit, labels, description)
  )

const byName = (rows: ReadonlyArray<ReadonlyArray<string>>) => rows.toSorted((a, b) => a[0]! < b[0]! ? -1 : 1)

/** The metrics of a module, in any depth. */
const metricsIn = (value: unknown): ReadonlyArray<Metric.Metric<never, unknown>> =>
  Metric.isMetric(value)
    ? [value]
    : typeof value === "object" && value !== null
    ? Object.values(value).flatMap(metricsIn)
    : []

describe("docs/observability.md", () => {
  it.each([["Client", ClientMetrics], ["Server", ServerMetrics]] as const)(
    "lists the metrics of %s",
    (room, module) => {
      assert.deepStrictEqual(byName(rowsOf(room)), byName(ofFamilies(module)))
    }
  )

  it("lists the metrics of DFS", () => {
    const found = new Map(
      metricsIn({ ...DfsMetrics }).map(({ attributes, description, id, type }) => {
        const { unit = "1", ...labels } = { ...attributes }
        return [id, row(id, type.toLowerCase(), unit, Object.keys(labels), description!)]
      })
    )
    assert.isAbove(found.size, 10)
    assert.deepStrictEqual(byName(rowsOf("DFS")), byName([...found.values()]))
  })

  it("lists the attributes of spans, and no other", () => {
    const listed = rowsOf("Spans").flatMap(([names]) =>
      [...names!.matchAll(/`([a-z][a-z_.]+)`/g)].map(([, name]) => name!)
    )
    assert.deepStrictEqual(listed.toSorted(), Object.values(Spans.Attribute).toSorted())
  })
})

describe("families of metrics", () => {
  const families = [...Object.values(ClientMetrics), ...Object.values(ServerMetrics)] as ReadonlyArray<
    MetricFamily.MetricFamily
  >

  it("have different names, and labels that are no path, user, share or address", () => {
    assert.strictEqual(new Set(families.map(({ name }) => name)).size, families.length)
    const known = new Set(["call", "command", "kind", "outcome", "status", "what"])
    for (const { labels, name } of families) {
      assert.match(name, /^effect_smb_(?:client|server)_[a-z_]+$/)
      assert.deepStrictEqual(labels.filter((label) => !known.has(label)), [], name)
    }
  })

  it("give one metric for the same values, and a label no more than a hundred statuses", () => {
    assert.strictEqual(ClientMetrics.requests.of("READ", "X"), ClientMetrics.requests.of("READ", "X"))
    assert.notStrictEqual(ClientMetrics.requests.of("READ", "X"), ClientMetrics.requests.of("READ", "Y"))
    const labels = new Set<string>()
    for (let i = 0; i < 0x1_0000; i++) {
      for (const severity of [0, 0x4000_0000, 0x8000_0000, 0xc000_0000]) {
        labels.add(MetricFamily.statusLabel(severity + i))
      }
    }
    assert.isAtMost(labels.size, 110)
    assert.includeMembers([...labels], ["STATUS_SUCCESS", "STATUS_ACCESS_DENIED", "STATUS_END_OF_FILE", "OTHER"])
  })
})

const serverOf = (host: string) =>
  SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({ joe: Redacted.make("secret") }),
    shares: { data: MemoryStore.make() }
  })

interface Received {
  readonly url: string
  readonly body: any
}

/** A collector that takes everything. */
const collector = (host: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const received: Array<Received> = []
      const server = createServer((request, response) => {
        const parts: Array<Buffer> = []
        request.on("data", (part: Buffer) => parts.push(part))
        request.on("end", () => {
          received.push({ url: request.url!, body: JSON.parse(Buffer.concat(parts).toString()) })
          response.setHeader("content-type", "application/json").end("{}")
        })
      })
      await new Promise<void>((resolve) => void server.listen(0, host, resolve))
      const { port } = server.address() as { readonly port: number }
      return { received: received as ReadonlyArray<Received>, server, url: `http://${host}:${port}` }
    }),
    ({ server }) =>
      Effect.promise(() => {
        server.closeAllConnections()
        return new Promise((resolve) => void server.close(resolve))
      })
  )

const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map())))

describe("the examples", () => {
  it.live("send spans, metrics and resource to a collector before the program ends", () =>
    isolated(Effect.gen(function*() {
      const { port } = yield* serverOf("127.0.49.33")
      const { received, url } = yield* collector("127.0.49.33")
      const path = `//127.0.49.33:${port}/data/report.txt`
      assert.strictEqual(yield* exported(path, url), "all is well")
      const bodies = (signal: string) => received.filter((one) => one.url === `/v1/${signal}`).map(({ body }) => body)
      const spans: ReadonlyArray<any> = bodies("traces").flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }: any) => scopeSpans.flatMap((scope: any) => scope.spans))
      )
      const of = (name: string) => spans.find((span) => span.name === name)
      const parentOf = (name: string) => spans.find(({ spanId }) => spanId === of(name).parentSpanId)?.name
      assert.strictEqual(parentOf("SmbClient.writeFile"), "report")
      assert.strictEqual(parentOf("SmbClient.connect"), "SmbClient.writeFile")
      assert.strictEqual(parentOf("SmbClient.negotiate"), "SmbClient.connect")
      const attributes = Object.fromEntries(
        of("SmbClient.writeFile").attributes.map(({ key, value }: any) => [key, value.stringValue ?? value.intValue])
      )
      assert.deepInclude(attributes, { "server.address": "127.0.49.33", "smb.share": "data" })
      assert.strictEqual(Number(attributes["smb.bytes"]), 11)
      const metrics: ReadonlyArray<any> = bodies("metrics").flatMap(({ resourceMetrics }) =>
        resourceMetrics.flatMap(({ scopeMetrics }: any) => scopeMetrics.flatMap((scope: any) => scope.metrics))
      )
      const written = metrics.findLast(({ name }) => name === ClientMetrics.bytesWritten.name)
      assert.strictEqual(written.unit, "By")
      const [point] = written.sum.dataPoints
      assert.strictEqual(Number(point.asInt ?? point.asDouble), 11)
      // The password of the example.
      assert.notInclude(JSON.stringify(received), "\"secret\"")
    })))

  it.live("show a page that Prometheus can read", () =>
    isolated(Effect.gen(function*() {
      const { port } = yield* serverOf("127.0.49.34")
      yield* report(`//127.0.49.34:${port}/data/report.txt`).pipe(
        Effect.provide(Smb.layer({ user: "joe", password: Redacted.make("secret") }))
      )
      const context = yield* Layer.build(
        HttpRouter.serve(Metrics, { disableLogger: true, disableListenLog: true }).pipe(
          Layer.provideMerge(NodeHttpServer.layerServer(createServer, { host: "127.0.49.34", port: 0 })),
          Layer.provideMerge(FetchHttpClient.layer)
        )
      )
      const { address } = yield* Effect.provide(HttpServer.HttpServer, context)
      assert(address._tag === "InetAddressV4")
      const client = yield* Effect.provide(HttpClient.HttpClient, context)
      const response = yield* client.get(`http://127.0.49.34:${address.port}/metrics`)
      assert.match(response.headers["content-type"]!, /^text\/plain; version=0\.0\.4/)
      const series = new Map<string, number>()
      const types = new Map<string, string>()
      for (const line of (yield* response.text).trimEnd().split("\n")) {
        const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line)
        if (type !== null) types.set(type[1]!, type[2]!)
        if (line.startsWith("#")) continue
        const sample = /^([a-z_]+(?:\{(?:[a-z_]+="[^"\n]*",?)+\})?) (-?(?:[0-9.e+-]+|\+Inf))$/.exec(line)
        assert(sample !== null, line)
        assert(!series.has(sample[1]!), line)
        series.set(sample[1]!, Number(sample[2]))
      }
      assert.strictEqual(series.get("effect_smb_server_bytes_written"), 11)
      assert.strictEqual(series.get("effect_smb_server_bytes_read"), 11)
      assert.strictEqual(series.get("effect_smb_server_logons{outcome=\"succeeded\"}"), 1)
      assert.strictEqual(
        series.get("effect_smb_server_requests{command=\"NEGOTIATE\",status=\"STATUS_SUCCESS\"}"),
        1
      )
      assert.strictEqual(series.get("effect_smb_client_bytes_written"), 11)
      assert.isTrue(series.has("effect_smb_server_connections"))
      assert.isTrue(series.has("effect_smb_server_request_latency_ms_bucket{command=\"CREATE\",le=\"+Inf\"}"))
      for (const { name, type } of Object.values(ServerMetrics)) {
        if (types.has(name)) assert.strictEqual(types.get(name), type, name)
      }
      assert.isAbove(types.size, 20)
    })))
})
