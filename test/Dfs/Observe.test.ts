/**
 * What an operator sees of DFS: the spans of a test tracer, the lines of a test logger, and each metric, over servers
 * in memory. Neither spans nor log contain secrets or data.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Metric, Option, Redacted, References, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { AuthenticationError } from "../../src/Auth/AuthenticationError.ts"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import * as DfsMetrics from "../../src/Dfs/DfsMetrics.ts"
import * as DfsResolver from "../../src/Dfs/DfsResolver.ts"
import * as DomainControllers from "../../src/Dfs/DomainControllers.ts"
import { ReferralSource } from "../../src/Dfs/ReferralSource.ts"
import * as SiteFinder from "../../src/Dfs/SiteFinder.ts"
import { Attribute } from "../../src/Protocol/Spans.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"
import { inBerlin, noDiscovery } from "./discovery.ts"

const secret = "a-password-nobody-sees"
const content = "the-data-of-the-file"

interface Seen {
  readonly spans: ReadonlyArray<Tracer.NativeSpan>
  readonly lines: ReadonlyArray<readonly [level: string, line: string]>
}

const server = (text = content) => ({ password: secret, shares: { data: { "who.txt": text } } })
const namespace = (links: { readonly [link: string]: TestTransport.Referral }): TestTransport.ServerOptions => ({
  password: secret,
  shares: { dfs: { "root.txt": "root" } },
  referrals: {
    "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs"] },
    ...Object.fromEntries(Object.entries(links).map(([link, referral]) => [`\\\\ns\\dfs\\${link}`, referral]))
  }
})
const two = { targets: ["\\\\a\\data", "\\\\b\\data"] }

/** Runs with its own tracer and logger: the outcome, the spans and the lines. */
const run = <A, E>(
  hosts: TestTransport.Hosts,
  use: (smb: SmbClient.Client, servers: TestTransport.TestServers["Service"]) => Effect.Effect<A, E>,
  options: DfsAdapter.DfsAdapterOptions = {},
  discovery = noDiscovery
) => {
  const spans: Array<Tracer.NativeSpan> = []
  const lines: Array<readonly [string, string]> = []
  const tracer = Tracer.make({
    span(given) {
      const span = new Tracer.NativeSpan(given)
      spans.push(span)
      return span
    }
  })
  const logger = Logger.make(({ logLevel, message }) => void lines.push([logLevel, String(message)]))
  const transport = TestTransport.layer(hosts)
  const joe = Credentials.layer(Credentials.password("user", Redacted.make(secret)))
  return Effect.gen(function*() {
    const outcome = yield* Effect.result(use(yield* SmbClient.SmbClient, yield* TestTransport.TestServers))
    return { outcome, spans, lines }
  }).pipe(
    Effect.provide(Layer.merge(
      DfsAdapter.layer(options).pipe(Layer.provide([SmbClient.layer(), discovery]), Layer.provide([transport, joe])),
      transport
    )),
    Effect.provide(Logger.layer([logger])),
    Effect.provideService(References.MinimumLogLevel, "Debug"),
    Effect.provideService(Tracer.Tracer, tracer)
  )
}
const read = (smb: SmbClient.Client, link: string) => smb.readFileString(`\\\\ns\\dfs\\${link}\\who.txt`)
const named = ({ spans }: Seen, name: string) =>
  spans.filter((span) => span.name === name).map((span) => Object.fromEntries(span.attributes))
const said = ({ lines }: Seen, level: string) => lines.flatMap(([is, line]) => (is === level ? [line] : []))

describe("the spans of DFS", () => {
  it.effect("name resolution, referrals, attempts and connections, with their parents and ends", () =>
    Effect.gen(function*() {
      const seen = yield* run({ ns: namespace({ l: two }), a: "down", b: server() }, (smb) => read(smb, "l"))
      assert.strictEqual(seen.outcome._tag, "Success")
      assert.deepStrictEqual(named(seen, "DfsResolver.resolve"), [{ [Attribute.path]: "\\\\ns\\dfs\\l\\who.txt" }])
      assert.deepStrictEqual(
        named(seen, "DfsResolver.referral"),
        [
          { [Attribute.serverAddress]: "ns", [Attribute.path]: "\\ns\\dfs", [Attribute.dfsReferral]: "root" },
          {
            [Attribute.serverAddress]: "ns",
            [Attribute.path]: "\\ns\\dfs\\l\\who.txt",
            [Attribute.dfsReferral]: "link"
          }
        ]
      )
      const link = {
        [Attribute.dfsTargetOf]: "link",
        [Attribute.dfsPrefix]: "\\\\ns\\dfs\\l",
        [Attribute.share]: "data"
      }
      assert.deepStrictEqual(named(seen, "DfsResolver.attempt").slice(-2), [
        {
          ...link,
          [Attribute.serverAddress]: "a",
          [Attribute.dfsTarget]: "\\\\a\\data\\who.txt",
          [Attribute.errorType]: "ConnectionRefused"
        },
        { ...link, [Attribute.serverAddress]: "b", [Attribute.dfsTarget]: "\\\\b\\data\\who.txt" }
      ])
      assert.deepStrictEqual(
        named(seen, "SmbClient.connect").map((connect) => connect[Attribute.serverAddress]).toSorted(),
        ["a", "b", "ns"]
      )
      // Each is within the operation of the client, and all ended.
      const attempt = seen.spans.find(({ name }) => name === "DfsResolver.attempt")!
      const parents = (span: Tracer.AnySpan): ReadonlyArray<string> =>
        span._tag === "Span" ? [span.name, ...Option.match(span.parent, { onNone: () => [], onSome: parents })] : []
      assert.deepStrictEqual(parents(attempt), [
        "DfsResolver.attempt",
        "DfsResolver.resolve",
        "SmbClient.readFileString"
      ])
      for (const span of seen.spans) assert.strictEqual(span.status._tag, "Ended", span.name)
      const dead = seen.spans.filter(({ name }) => name === "DfsResolver.attempt").at(-2)!
      assert.strictEqual(dead.status._tag === "Ended" && dead.status.exit._tag, "Failure")
    }))
  it.effect("of a cached path are only its attempt", () =>
    Effect.gen(function*() {
      const seen = yield* run(
        { ns: namespace({ l: two }), a: server(), b: server() },
        (smb) => Effect.andThen(read(smb, "l"), read(smb, "l"))
      )
      assert.strictEqual(named(seen, "DfsResolver.resolve").length, 1)
      assert.strictEqual(
        named(seen, "DfsResolver.attempt").filter((attempt) => attempt[Attribute.serverAddress] === "a").length,
        2
      )
    }))
  it.effect("name the connections of a race and the search for domain controllers", () =>
    Effect.gen(function*() {
      const seen = yield* run(
        { ns: namespace({ l: two }), a: "down", b: server() },
        (smb) => Effect.andThen(read(smb, "l"), Effect.ignore(smb.stat("\\\\corp.test\\dfs\\x"))),
        { connect: "race" },
        inBerlin((domain) => Effect.succeed(domain === "corp.test" ? ["dc9.corp.test"] : []))
      )
      assert.deepStrictEqual(named(seen, "DfsResolver.connect"), [
        { [Attribute.serverAddress]: "a", [Attribute.share]: "data", [Attribute.errorType]: "ConnectionRefused" },
        { [Attribute.serverAddress]: "b", [Attribute.share]: "data" }
      ])
      assert.deepInclude(named(seen, "DfsResolver.findControllers"), { [Attribute.dfsDomain]: "corp.test" })
      assert.include(said(seen, "Debug"), "this machine is in the site Berlin of corp.test")
    }))
})

describe("the log of DFS", () => {
  it.effect("has the attempts, the dead target and the chosen one at Debug, and at Info that another one serves", () =>
    Effect.gen(function*() {
      const seen = yield* run({ ns: namespace({ l: two }), a: "down", b: server() }, (smb) => read(smb, "l"))
      const debug = said(seen, "Debug")
      assert.include(debug, "try \\\\a\\data\\who.txt, target of the link")
      assert.include(debug, "it is at \\\\b\\data\\who.txt")
      assert.match(debug.join("\n"), /\\\\a\\data\\who\.txt cannot be used: .*refused/)
      assert.deepStrictEqual(said(seen, "Info"), [
        "\\\\ns\\dfs\\l is served by \\\\b\\data from now on, no longer by \\\\a\\data"
      ])
      assert.deepStrictEqual(said(seen, "Warn"), [])
    }))
  it.effect("has a failure that the caller gets at Debug alone, and a warning for a malformed referral", () =>
    Effect.gen(function*() {
      const none = yield* run({ ns: namespace({ l: two }), a: "down", b: "down" }, (smb) => read(smb, "l"))
      for (const level of ["Info", "Warn", "Error"]) assert.deepStrictEqual(said(none, level), [], level)
      assert.match(said(none, "Debug").join("\n"), /^it ends here: No target of \\\\ns\\dfs\\l\\who\.txt can be used/m)
      const bad = yield* run({ ns: namespace({ l: { hex: "0600010002" } }) }, (smb) => read(smb, "l"))
      assert.match(said(bad, "Warn").join("\n"), /^ns: no referral \(.*malformed at byte/)
    }))
  it.effect("is empty below its level, and log and spans contain no secret and no data", () =>
    Effect.gen(function*() {
      const hosts = { ns: namespace({ l: two }), a: server(), b: server() }
      const quiet = yield* run(
        hosts,
        (smb) => Effect.provideService(read(smb, "l"), References.MinimumLogLevel, "Error")
      )
      assert.deepStrictEqual(quiet.lines, [])
      const seen = yield* run(hosts, (smb) => read(smb, "l"))
      const all = JSON.stringify([seen.lines, seen.spans.map((span) => [span.name, ...span.attributes])])
      assert.isAbove(seen.lines.length, 0)
      for (const hidden of ["password", secret, content, "user"]) assert.notInclude(all, hidden)
    }))
})

describe("the metrics of DFS", () => {
  const registered = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, Metric.MetricRegistry, new Map())
  const value = (metric: Metric.Counter<number>) => Effect.map(Metric.value(metric), ({ count }) => count)
  type Counters = ReadonlyArray<readonly [Metric.Counter<number>, number]>
  const counts = Effect.fnUntraced(function*(counters: Counters) {
    for (const [metric, expected] of counters) {
      assert.strictEqual(yield* value(metric), expected, `${metric.id} ${JSON.stringify(metric.attributes)}`)
    }
  })
  const { failures, requests, successes } = DfsMetrics
  const ok = { ns: namespace({ l: two }), a: server(), b: server() }
  const bad = (referral: TestTransport.Referral) => ({ ns: namespace({ l: referral }) })
  const cases: ReadonlyArray<
    readonly [
      what: string,
      hosts: TestTransport.Hosts,
      use: (smb: SmbClient.Client, servers: TestTransport.TestServers["Service"]) => Effect.Effect<unknown, unknown>,
      counters: Counters,
      options?: DfsAdapter.DfsAdapterOptions
    ]
  > = [
    ["requests, successes and failures by kind", ok, (smb) => read(smb, "l"), [
      [requests.plain.root, 1],
      [requests.plain.link, 1],
      [requests.ex.root, 0],
      [successes.root, 1],
      [successes.link, 1],
      [failures.root, 0],
      [failures.link, 0]
    ]],
    ["requests by control code", ok, (smb) => read(smb, "l"), [
      [requests.ex.root, 1],
      [requests.ex.link, 1],
      [requests.plain.link, 0]
    ], { siteName: "Berlin" }],
    ["a malformed referral", bad({ hex: "0600010002" }), (smb) => read(smb, "l"), [
      [DfsMetrics.malformed, 1],
      [failures.link, 1]
    ]],
    ["each overflow of a repeated request", bad({ status: "STATUS_BUFFER_OVERFLOW" }), (smb) => read(smb, "l"), [
      [DfsMetrics.overflows, 4],
      [requests.plain.link, 4],
      [failures.link, 4]
    ]],
    [
      "an unknown version",
      bad({ hex: `1600010002000000050022000000${"00".repeat(28)}` }),
      (smb) => read(smb, "l"),
      [
        [DfsMetrics.unsupported, 1]
      ]
    ],
    ["a server without DFS", { a: server() }, (smb) => smb.readFile("\\\\a\\data\\who.txt"), [
      [DfsMetrics.notCapable, 1],
      [failures.root, 1]
    ]],
    ["hits and misses of the cache", ok, (smb) => Effect.andThen(read(smb, "l"), read(smb, "l")), [
      [DfsMetrics.cacheMisses, 1],
      [DfsMetrics.cacheHits, 1]
    ]],
    ["evictions from the cache", ok, (smb) => read(smb, "l"), [[DfsMetrics.cacheEvictions, 1]], { capacity: 1 }],
    [
      "failovers and failbacks",
      { ...ok, ns: namespace({ l: { ...two, boundaries: [0, 1], flags: 6, timeToLive: "100000 seconds" } }) },
      (smb, servers) =>
        Effect.gen(function*() {
          yield* read(smb, "l")
          yield* servers.down("a")
          yield* read(smb, "l")
          yield* servers.up("a")
          yield* TestClock.adjust("30 seconds")
          yield* read(smb, "l")
        }),
      [[DfsMetrics.failovers, 1], [DfsMetrics.failbacks, 1]]
    ],
    [
      "referrals that are refreshed ahead of their expiry",
      { ...ok, ns: namespace({ l: { ...two, timeToLive: "100 seconds" } }) },
      (smb) =>
        Effect.gen(function*() {
          yield* read(smb, "l")
          yield* TestClock.adjust("95 seconds")
          yield* read(smb, "l")
          for (let i = 0; i < 200 && (yield* value(DfsMetrics.refreshes)) === 0; i++) {
            yield* TestClock.withLive(Effect.sleep("1 millis"))
          }
        }),
      [[DfsMetrics.refreshes, 1]]
    ]
  ]
  for (const [what, hosts, use, counters, options] of cases) {
    it.effect(`count ${what}`, () =>
      registered(Effect.gen(function*() {
        yield* run(hosts, use, options)
        yield* counts(counters)
      })))
  }
  it.effect("measure the latency of each target", () =>
    registered(Effect.gen(function*() {
      yield* run(ok, (smb) => read(smb, "l"))
      const { count } = yield* Metric.value(DfsMetrics.targetLatency)
      // The root, which says PATH_NOT_COVERED, and the link's target.
      assert.strictEqual(count, 2)
    })))
})

it.effect("a domain without a ticket or controllers fails with the advice to set domainControllers", () =>
  Effect.gen(function*() {
    const unknown = new AuthenticationError({
      reason: { _tag: "ServerUnknown" },
      detail: "no service cifs/corp.test",
      mechanism: "Kerberos",
      server: "corp.test"
    })
    const source = ReferralSource.of({ ioctl: () => Effect.fail(unknown) })
    const why = (options?: DfsResolver.DfsResolverOptions, finder = DomainControllers.none) =>
      DfsResolver.make(options).pipe(
        Effect.provideService(ReferralSource, source),
        Effect.provideService(DomainControllers.DomainControllers, finder),
        Effect.provide(SiteFinder.layerNone),
        Effect.flatMap((resolver) => Effect.flip(resolver.resolve("\\\\corp.test\\dfs\\x"))),
        Effect.map(({ _tag, message }) => `${_tag}: ${message}`)
      )
    assert.match(
      yield* why(),
      /^AuthenticationError: .*Kerberos with corp\.test failed \(ServerUnknown\).*name its controllers in domainControllers/
    )
    assert.notInclude(yield* why({}, { find: () => Effect.succeed([]) }), "domainControllers")
    assert.match(
      yield* why({ domainControllers: { "corp.test": ["dc1"] } }),
      /^DfsError: No domain controller .*dc1.*ServerUnknown/
    )
  }))
