/** What a server counts, where it says that it listens, and which requests have spans, in a conversation with a client. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Logger, Metric, Option, Redacted, References, Tracer } from "effect"
import { Credentials, SmbClient, TcpTransport } from "effect-smb"
import type { MetricFamily } from "../../src/Protocol/MetricFamily.ts"
import { Attribute } from "../../src/Protocol/Spans.ts"
import * as RequestSpans from "../../src/Server/internal/Connection/RequestSpans.ts"
import type { Incoming } from "../../src/Server/internal/State/Incoming.ts"
import * as ServerMetrics from "../../src/Server/ServerMetrics.ts"
import type { ShareStore } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { Command, OplockLevel } from "../../src/Smb2/Message/Constants.ts"
import { attributesOf, make } from "../tracing.ts"
import { lease, LeaseClient } from "./LeaseClient.ts"

const host = "127.0.28.47"
const secret = "a-password-that-no-span-has"

const serverOf = (share: SmbServer.Share, options: Partial<SmbServer.Options> = {}) =>
  SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({ joe: Redacted.make(secret) }),
    shares: { data: share },
    ...options
  })

/** Runs with a new client. */
const withClient = <A, E>(use: (smb: SmbClient.Client) => Effect.Effect<A, E>, password = secret) =>
  Effect.flatMap(SmbClient.SmbClient, use).pipe(
    Effect.provide(
      SmbClient.layer().pipe(Layer.provide([
        TcpTransport.layer(),
        Credentials.layer(Credentials.password("joe", Redacted.make(password)))
      ]))
    )
  )

const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map())))

const count = (family: MetricFamily<Metric.Counter<number>>, ...values: ReadonlyArray<string>) =>
  Effect.map(Metric.value(family.of(...values)), (state) => state.count)

const level = (family: MetricFamily<Metric.Gauge<number>>) =>
  Effect.map(Metric.value(family.of()), (state) => state.value)

describe("the metrics of a server", () => {
  it.live("count requests, bytes, logons and calls of the store", () =>
    isolated(Effect.gen(function*() {
      const { port } = yield* serverOf(MemoryStore.make())
      const at = (name: string) => `//${host}:${port}/data/${name}`
      yield* withClient((smb) =>
        Effect.gen(function*() {
          yield* smb.writeFile(at("f"), new Uint8Array(100_000))
          yield* smb.readTo(at("f"), () => Effect.void)
          yield* Effect.flip(smb.stat(at("none")))
        })
      )
      yield* Effect.flip(withClient((smb) => smb.stat(at("f")), "wrong"))
      assert.strictEqual(yield* count(ServerMetrics.bytesWritten), 100_000)
      assert.strictEqual(yield* count(ServerMetrics.bytesRead), 100_000)
      assert.strictEqual(yield* count(ServerMetrics.requests, "NEGOTIATE", "STATUS_SUCCESS"), 2)
      assert.strictEqual(yield* count(ServerMetrics.requests, "CREATE", "STATUS_OBJECT_NAME_NOT_FOUND"), 1)
      assert.strictEqual(yield* count(ServerMetrics.requests, "SESSION_SETUP", "STATUS_LOGON_FAILURE"), 1)
      assert.strictEqual(yield* count(ServerMetrics.logons, "succeeded"), 1)
      assert.strictEqual(yield* count(ServerMetrics.logons, "refused"), 1)
      assert.strictEqual(yield* count(ServerMetrics.connectionsAccepted), 2)
      assert.isAbove(yield* count(ServerMetrics.storeCalls, "write", "Success"), 0)
      assert.isAbove(yield* count(ServerMetrics.storeCalls, "open", "Success"), 1)
      assert.isAbove((yield* Metric.value(ServerMetrics.requestLatency.of("CREATE"))).count, 2)
      assert.isAbove((yield* Metric.value(ServerMetrics.storeLatency.of("open"))).count, 1)
    })))

  it.live("show what is open and locked, of all servers of one registry, and nothing after the last has stopped", () =>
    Effect.suspend(() => {
      const registry: Metric.MetricRegistry = new Map()
      return Effect.gen(function*() {
        yield* Effect.scoped(Effect.gen(function*() {
          const { connections, locks, opens, sessions, unauthenticatedConnections } = ServerMetrics
          const all = Effect.all([connections, unauthenticatedConnections, sessions, opens, locks].map(level))
          const one = yield* serverOf(MemoryStore.make())
          const other = yield* serverOf(MemoryStore.make())
          assert.deepStrictEqual(yield* all, [0, 0, 0, 0, 0])
          const used = (port: number, inside: Effect.Effect<void, unknown>) =>
            withClient((smb) =>
              Effect.scoped(Effect.gen(function*() {
                const path = `//${host}:${port}/data/f`
                yield* smb.writeFile(path, "x")
                const file = yield* smb.open(path)
                yield* file.lock([{ offset: 0, length: 1 }, { offset: 5, length: 1 }], { exclusive: false })
                yield* inside
              }))
            )
          yield* used(
            one.port,
            used(
              other.port,
              Effect.gen(function*() {
                assert.deepStrictEqual(yield* all, [2, 0, 2, 2, 4])
                assert.isAbove(yield* level(ServerMetrics.credits), 2)
                assert.strictEqual(yield* level(ServerMetrics.requestsInFlight), 0)
              })
            )
          )
          assert.deepStrictEqual((yield* all).slice(3), [0, 0])
        }))
        const gauges = [...registry.values()].filter(({ id, type }) => type === "Gauge" && id.includes("_server_"))
        assert.deepStrictEqual(gauges, [])
      }).pipe(Effect.provideService(Metric.MetricRegistry, registry))
    }))

  it.live("show calls of a store that have not ended, and how they ended", () =>
    isolated(Effect.gen(function*() {
      const called = yield* Deferred.make<void>()
      const memory = yield* MemoryStore.make()
      const hanging: ShareStore = {
        ...memory,
        remove: () => Effect.andThen(Deferred.succeed(called, undefined), Effect.never)
      }
      const { port } = yield* serverOf(hanging, { limits: { storeTime: "200 millis" } })
      const path = `//${host}:${port}/data/f`
      const removing = yield* Effect.forkChild(
        withClient((smb) => Effect.andThen(smb.writeFile(path, "x"), Effect.flip(smb.remove(path))))
      )
      yield* Deferred.await(called)
      assert.strictEqual(yield* level(ServerMetrics.storeCallsInFlight), 1)
      assert.strictEqual(yield* level(ServerMetrics.requestsInFlight), 1)
      yield* Fiber.join(removing)
      assert.strictEqual(yield* count(ServerMetrics.storeCalls, "remove", "TimedOut"), 1)
      assert.strictEqual(yield* level(ServerMetrics.storeCallsInFlight), 0)
    })))

  it.live("count leases and oplocks while clients hold them, breaks, and breaks without an acknowledgment", () =>
    isolated(Effect.gen(function*() {
      const { port } = yield* serverOf(MemoryStore.make(), { signing: "enabled", limits: { breakTime: "100 millis" } })
      const client = (guid: number) =>
        Effect.acquireRelease(
          Effect.promise(async () => {
            const one = new LeaseClient(host, port, guid)
            assert.isTrue(await one.begin("data", Credentials.password("joe", Redacted.make(secret))))
            return one
          }),
          (one) => Effect.sync(() => one.close())
        )
      const kept = Effect.all([level(ServerMetrics.leases), level(ServerMetrics.oplocks)])
      yield* Effect.scoped(Effect.gen(function*() {
        const one = yield* client(1)
        const two = yield* client(2)
        const batch = { requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH }
        yield* Effect.promise(() => one.create("leased", [lease(1, 7)]))
        yield* Effect.promise(() => one.create("oplocked", [], batch))
        assert.deepStrictEqual(yield* kept, [1, 1])
        // Neither break is acknowledged, so both end by themselves.
        yield* Effect.promise(() => two.create("leased"))
        yield* Effect.promise(() => two.create("oplocked"))
      }))
      for (const kind of ["lease", "oplock"]) {
        assert.strictEqual(yield* count(ServerMetrics.breaks, kind), 1, kind)
        assert.strictEqual(yield* count(ServerMetrics.breakTimeouts, kind), 1, kind)
      }
    })))
})

describe("the log of a server", () => {
  it.live("says at Info where it listens, with the port that the system chose", () =>
    Effect.scoped(Effect.gen(function*() {
      const lines: Array<readonly [string, unknown]> = []
      const logger = Logger.make(({ fiber, logLevel }) =>
        void lines.push([logLevel, fiber.getRef(References.CurrentLogAnnotations)])
      )
      const { port } = yield* Effect.provide(serverOf(MemoryStore.make()), Logger.layer([logger]))
      assert.isAbove(port, 0)
      assert.deepStrictEqual(lines, [["Info", { event: "listening", address: host, port }]])
    })))
})

describe("the spans of a server", () => {
  it.live("are one for each request but READ and WRITE, without a parent, if a tracer is set", () =>
    Effect.scoped(Effect.gen(function*() {
      const { spans, tracer } = make()
      const { port } = yield* serverOf(MemoryStore.make()).pipe(
        Effect.withSpan("the app's start"),
        Effect.withTracer(tracer)
      )
      const at = (name: string) => `smb://joe@${host}:${port}/data/${name}`
      yield* withClient((smb) =>
        Effect.gen(function*() {
          yield* smb.writeFile(at("f"), "text")
          yield* smb.readFile(at("f"))
          yield* Effect.flip(smb.stat(at("none")))
        })
      )
      const own = spans.filter(({ name }) => name !== "the app's start")
      assert.deepStrictEqual([...new Set(own.map(({ name }) => name))].toSorted(), [
        "SmbServer.close",
        "SmbServer.create",
        "SmbServer.logoff",
        "SmbServer.negotiate",
        "SmbServer.sessionSetup",
        "SmbServer.treeConnect",
        "SmbServer.treeDisconnect"
      ])
      for (const span of own) {
        assert.isTrue(Option.isNone(span.parent), span.name)
        assert.strictEqual(span.kind, "server")
        assert.strictEqual(span.status._tag, "Ended")
        assert.deepInclude(attributesOf(span), {
          [Attribute.serverAddress]: host,
          [Attribute.serverPort]: port,
          [Attribute.clientAddress]: "127.0.0.1",
          [Attribute.networkTransport]: "tcp"
        })
      }
      const creates = own.filter(({ name }) => name === "SmbServer.create").map(attributesOf)
      const share = { [Attribute.share]: "data", [Attribute.command]: "CREATE", [Attribute.dialect]: "3.1.1" }
      assert.deepInclude(creates[0], { ...share, [Attribute.path]: "f", [Attribute.status]: "STATUS_SUCCESS" })
      assert.deepInclude(creates.at(-1), {
        ...share,
        [Attribute.status]: "STATUS_OBJECT_NAME_NOT_FOUND",
        [Attribute.errorType]: "ObjectNameNotFound"
      })
      const logons = own.filter(({ name }) => name === "SmbServer.sessionSetup").map(attributesOf)
      assert.deepStrictEqual(logons.map((logon) => logon[Attribute.status]), [
        "STATUS_MORE_PROCESSING_REQUIRED",
        "STATUS_SUCCESS"
      ])
      for (const logon of logons) assert.notProperty(logon, Attribute.errorType)
      const text = JSON.stringify(own.map((span) => [span.name, attributesOf(span)]))
      for (const hidden of ["joe", secret]) assert.notInclude(text, hidden)
    })))

  it.live("have the spans of a store as their children", () =>
    Effect.scoped(Effect.gen(function*() {
      const { spans, tracer } = make()
      const memory = yield* MemoryStore.make()
      const traced: ShareStore = {
        ...memory,
        stat: (path) => Effect.withSpan(memory.stat(path), "AppStore.stat"),
        open: (path, options) => Effect.withSpan(memory.open(path, options), "AppStore.open")
      }
      const { port } = yield* Effect.withTracer(serverOf(traced), tracer)
      yield* withClient((smb) => smb.writeFile(`//${host}:${port}/data/f`, "x"))
      const opens = spans.filter(({ name }) => name === "AppStore.open")
      assert.isAbove(opens.length, 0)
      for (const { parent } of opens) {
        assert.isTrue(Option.isSome(parent) && parent.value._tag === "Span" && parent.value.name === "SmbServer.create")
      }
    })))

  it("cost nothing without a tracer: the request is the same effect", () => {
    const answer = Effect.succeed(undefined)
    const request = (traced: boolean, command: number) =>
      ({ server: { traced }, connection: {}, header: { command } }) as unknown as Incoming
    assert.strictEqual(RequestSpans.spanned(request(false, Command.CREATE), answer), answer)
    assert.notStrictEqual(RequestSpans.spanned(request(true, Command.CREATE), answer), answer)
    assert.strictEqual(RequestSpans.spanned(request(true, Command.READ), answer), answer)
    assert.strictEqual(RequestSpans.spanned(request(true, Command.WRITE), answer), answer)
    assert.isFalse(RequestSpans.hasTracer(Context.empty()))
    assert.isTrue(RequestSpans.hasTracer(Context.make(Tracer.Tracer, make().tracer)))
  })
})
