/** What a client counts in conversations with servers in memory, whose requests the test knows. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, Redacted, Scope } from "effect"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as ClientMetrics from "../../src/Client/ClientMetrics.ts"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import type { MetricFamily } from "../../src/Protocol/MetricFamily.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"

const content = new Uint8Array(300_000).fill(7)

/** A client of the server `nas` that only this conversation uses. */
const conversation = <A, E>(
  use: (smb: SmbClient.Client, servers: TestTransport.TestServers["Service"]) => Effect.Effect<A, E, Scope.Scope>,
  options: Omit<TestTransport.ServerOptions, "shares"> = {},
  client: SmbClient.Options = {}
) =>
  Effect.scoped(Effect.gen(function*() {
    return yield* use(yield* SmbClient.SmbClient, yield* TestTransport.TestServers)
  })).pipe(
    Effect.provide(
      SmbClient.layer(client).pipe(
        Layer.provideMerge(TestTransport.layer({
          nas: { user: "joe", password: "secret", shares: { data: { f: "text", big: content } }, ...options }
        })),
        Layer.provide(Credentials.layer(Credentials.password("joe", Redacted.make("secret"))))
      )
    )
  )

const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

const count = (family: MetricFamily<Metric.Counter<number>>, ...values: ReadonlyArray<string>) =>
  Effect.map(Metric.value(family.of(...values)), (state) => state.count)

const level = (family: MetricFamily<Metric.Gauge<number>>) =>
  Effect.map(Metric.value(family.of()), (state) => state.value)

const path = (name: string) => `//nas/data/${name}`

describe("the metrics of a client", () => {
  it.effect("count requests by command and status, bytes and times", () =>
    isolated(Effect.gen(function*() {
      yield* conversation((smb) =>
        Effect.gen(function*() {
          yield* smb.readFile(path("f"))
          yield* smb.readFile(path("big"))
          yield* smb.writeFile(path("g"), new Uint8Array(1000))
          yield* Effect.flip(smb.stat(path("none")))
        })
      )
      assert.strictEqual(yield* count(ClientMetrics.requests, "NEGOTIATE", "STATUS_SUCCESS"), 1)
      assert.strictEqual(yield* count(ClientMetrics.requests, "SESSION_SETUP", "STATUS_MORE_PROCESSING_REQUIRED"), 1)
      assert.strictEqual(yield* count(ClientMetrics.requests, "SESSION_SETUP", "STATUS_SUCCESS"), 1)
      assert.strictEqual(yield* count(ClientMetrics.requests, "TREE_CONNECT", "STATUS_SUCCESS"), 1)
      assert.strictEqual(yield* count(ClientMetrics.requests, "CREATE", "STATUS_OBJECT_NAME_NOT_FOUND"), 1)
      assert.strictEqual(yield* count(ClientMetrics.requests, "WRITE", "STATUS_SUCCESS"), 1)
      assert.strictEqual(yield* count(ClientMetrics.requests, "LOGOFF", "STATUS_SUCCESS"), 1)
      assert.strictEqual(yield* count(ClientMetrics.bytesWritten), 1000)
      // The first look at `big` reads its start.
      const read = yield* count(ClientMetrics.bytesRead)
      assert.isAtLeast(read, content.length + 4)
      assert.isAtMost(read, 2 * content.length + 4)
      const { count: negotiations, min } = yield* Metric.value(ClientMetrics.requestLatency.of("NEGOTIATE"))
      assert.strictEqual(negotiations, 1)
      assert.isAbove(min, 0)
      assert.strictEqual(yield* count(ClientMetrics.logons, "succeeded"), 1)
      assert.strictEqual(yield* count(ClientMetrics.connectionAttempts, "connected"), 1)
    })))

  it.effect("show what is open, and nothing when the client has ended", () =>
    isolated(Effect.gen(function*() {
      const { connections, opens, sessions, trees } = ClientMetrics
      const all = Effect.all([connections, sessions, trees, opens].map(level))
      yield* conversation((smb) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* all, [0, 0, 0, 0])
          const first = yield* Scope.make()
          yield* Scope.provide(smb.open(path("f")), first)
          const file = yield* smb.open(path("g"), OpenMode.create)
          assert.deepStrictEqual(yield* all, [1, 1, 1, 2])
          assert.isAbove(yield* level(ClientMetrics.credits), 0)
          yield* Scope.close(first, yield* Effect.exit(Effect.void))
          assert.deepStrictEqual(yield* all, [1, 1, 1, 1])
          yield* file.close
          assert.deepStrictEqual(yield* all, [1, 1, 1, 0])
          assert.strictEqual(yield* level(ClientMetrics.requestsInFlight), 0)
        })
      )
      const registry = yield* Metric.MetricRegistry
      assert.isFalse([...registry.values()].some(({ id }) => id === ClientMetrics.connections.name))
    })))

  it.effect("add up the clients of one registry", () =>
    isolated(
      conversation((one) =>
        Effect.gen(function*() {
          yield* one.stat(path("f"))
          yield* conversation((other) =>
            Effect.gen(function*() {
              yield* other.stat(path("f"))
              assert.strictEqual(yield* level(ClientMetrics.connections), 2)
            })
          )
          assert.strictEqual(yield* level(ClientMetrics.connections), 1)
        })
      )
    ))

  it.effect("count a connection that replaces a broken one, and the requests that it left without a response", () =>
    isolated(Effect.gen(function*() {
      yield* conversation((smb) =>
        Effect.gen(function*() {
          yield* smb.stat(path("f"))
          assert.strictEqual(yield* count(ClientMetrics.reconnects), 0)
          yield* smb.readFile(path("f"))
        }), {
        faults: [{ on: "READ", is: "drop", times: 1 }]
      })
      assert.strictEqual(yield* count(ClientMetrics.losses), 1)
      assert.strictEqual(yield* count(ClientMetrics.recoveryAttempts), 1)
      assert.strictEqual(yield* count(ClientMetrics.recoveries, "back"), 1)
      assert.strictEqual(yield* count(ClientMetrics.reconnects), 1)
      assert.strictEqual(yield* count(ClientMetrics.connectionAttempts, "connected"), 2)
      assert.isAtLeast(yield* count(ClientMetrics.requests, "READ", "NONE"), 1)
    })))

  it.effect("count failed attempts and failed logons", () =>
    isolated(Effect.gen(function*() {
      yield* conversation((smb, servers) =>
        Effect.gen(function*() {
          yield* Effect.flip(smb.stat(path("f")))
          yield* servers.down("nas")
          yield* smb.retryLogons
          yield* Effect.flip(smb.stat(path("f")))
        }), { password: "another" })
      assert.strictEqual(yield* count(ClientMetrics.logons, "failed"), 1)
      assert.strictEqual(yield* count(ClientMetrics.connectionAttempts, "failed"), 1)
    })))

  it.effect("have one series for all statuses without a name that people meet", () =>
    isolated(Effect.gen(function*() {
      let status = 0xc1230000
      yield* conversation((smb) => Effect.forEach([1, 2, 3, 4, 5], () => Effect.flip(smb.stat(path("f")))), {
        faults: [{ on: "CREATE", is: () => ({ status: status++ }) }]
      })
      assert.strictEqual(yield* count(ClientMetrics.requests, "CREATE", "OTHER"), 5)
      const registry = yield* Metric.MetricRegistry
      const labels = [...registry.values()].flatMap(({ attributes, id }) =>
        id === ClientMetrics.requests.name && attributes?.["command"] === "CREATE" ? [attributes["status"]] : []
      )
      assert.deepStrictEqual(labels, ["OTHER"])
    })))
})
