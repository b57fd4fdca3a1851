/**
 * Each option of DFS, as a plain value and from the configuration: that it is read, and what it changes, over servers
 * in memory.
 */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Exit, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import * as DfsOptions from "../../src/Dfs/DfsOptions.ts"
import * as DfsResolver from "../../src/Dfs/DfsResolver.ts"
import { decodeReferralRequest, decodeReferralRequestEx } from "../../src/Dfs/ReferralRequest.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"
import { noDiscovery } from "./discovery.ts"
import { bare } from "./namespace.ts"

type Env = Readonly<Record<string, string>>

const configured = (env: Env) =>
  Effect.provideService(
    DfsAdapter.config,
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromEnv({ env })
  )

const everything: Env = {
  SMB_DFS: "true",
  SMB_DFS_MODE: "strict",
  SMB_DFS_PROBE: "lazily",
  SMB_DFS_CONNECT: "race",
  SMB_DFS_STAGGER: "100 millis",
  SMB_DFS_ASK_TIMEOUT: "7 seconds",
  SMB_DFS_INCLUDE: "//a/* ; //b/c",
  SMB_DFS_EXCLUDE: "//a/b",
  SMB_DFS_SITE: "Oslo",
  SMB_DFS_DOMAIN_CONTROLLERS: "corp.test = dc1.corp.test, dc2.corp.test; other.test=dc3",
  SMB_DFS_DISCOVER: "false",
  SMB_DFS_MAX_HOPS: "3",
  SMB_DFS_MAX_STEPS: "50",
  SMB_DFS_TTL_MINIMUM: "1 second",
  SMB_DFS_TTL_MAXIMUM: "2 seconds",
  SMB_DFS_TTL_NEGATIVE: "3 seconds",
  SMB_DFS_REFRESH_AHEAD: "0.25",
  SMB_DFS_BREAKER_COOLDOWN: "4 millis",
  SMB_DFS_BREAKER_LONGEST: "5 millis",
  SMB_DFS_CAPACITY: "6",
  SMB_DFS_MAX_REFERRAL_LEVEL: "3",
  SMB_DFS_LARGEST_BUFFER: "16384",
  SMB_DFS_PORT: "4455"
}

describe("the configuration of DFS", () => {
  it.effect("sets every option", () =>
    Effect.gen(function*() {
      const options = yield* configured(everything)
      const durations = {
        stagger: Duration.toMillis(options.stagger!),
        askTimeout: Duration.toMillis(options.askTimeout!)
      }
      assert.deepStrictEqual({ ...options, ...durations }, {
        enabled: true,
        mode: "strict",
        probe: "lazily",
        connect: "race",
        stagger: 100,
        askTimeout: 7000,
        include: ["//a/*", "//b/c"],
        exclude: ["//a/b"],
        siteName: "Oslo",
        domainControllers: { "corp.test": ["dc1.corp.test", "dc2.corp.test"], "other.test": ["dc3"] },
        discover: false,
        limits: { hops: 3, steps: 50 },
        timeToLive: { minimum: Duration.seconds(1), maximum: Duration.seconds(2), negative: Duration.seconds(3) },
        refreshAhead: 0.25,
        breaker: { cooldown: Duration.millis(4), longest: Duration.millis(5) },
        capacity: 6,
        maxReferralLevel: 3,
        largestBuffer: 16_384,
        port: 4455
      })
      // No option with a default is missing here.
      const { ttl, ...others } = DfsOptions.defaults
      assert.includeMembers(Object.keys(options), ["timeToLive", ...Object.keys(others)])
      const settings = DfsOptions.settings(options)
      assert.deepStrictEqual([settings.ttl, settings.breaker], [
        { minimum: 1, maximum: 2, negative: 3 },
        { cooldown: 4, longest: 5 }
      ])
      assert.deepStrictEqual(Object.keys(settings.ttl), Object.keys(ttl))
    }))

  it.effect("leaves missing options at their defaults, with DFS off", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(DfsOptions.settings(yield* configured({})), DfsOptions.defaults)
      const nothing = Object.fromEntries(Object.keys(DfsOptions.defaults).map((name) => [name, undefined]))
      assert.deepStrictEqual(DfsOptions.settings(nothing), DfsOptions.defaults)
      assert.deepStrictEqual(
        DfsOptions.settings({
          limits: { hops: undefined, steps: 5 },
          timeToLive: { minimum: undefined, maximum: "1 hour" },
          breaker: { cooldown: undefined }
        }),
        {
          ...DfsOptions.defaults,
          limits: { hops: 8, steps: 5 },
          ttl: { minimum: 0, maximum: 3600, negative: 30 }
        }
      )
    }))

  it.effect.each<readonly [string, string]>([
    ["SMB_DFS", "perhaps"],
    ["SMB_DFS_MODE", "Strict"],
    ["SMB_DFS_PROBE", "first"],
    ["SMB_DFS_CONNECT", "all"],
    ["SMB_DFS_STAGGER", "soon"],
    ["SMB_DFS_DOMAIN_CONTROLLERS", "corp.test"],
    ["SMB_DFS_DOMAIN_CONTROLLERS", "corp.test="],
    ["SMB_DFS_DOMAIN_CONTROLLERS", "corp.test=dc1;=dc2"],
    ["SMB_DFS_DISCOVER", "dns"],
    ["SMB_DFS_MAX_HOPS", "-1"],
    ["SMB_DFS_MAX_STEPS", "0"],
    ["SMB_DFS_TTL_MINIMUM", "-1 second"],
    ["SMB_DFS_TTL_MAXIMUM", "100000 weeks"],
    ["SMB_DFS_TTL_NEGATIVE", "x"],
    ["SMB_DFS_REFRESH_AHEAD", "1.1"],
    ["SMB_DFS_BREAKER_COOLDOWN", "30000"],
    ["SMB_DFS_BREAKER_LONGEST", "-5 millis"],
    ["SMB_DFS_CAPACITY", "0"],
    ["SMB_DFS_MAX_REFERRAL_LEVEL", "5"],
    ["SMB_DFS_LARGEST_BUFFER", "100"],
    ["SMB_DFS_PORT", "70000"]
  ])("with %s=%s is refused with an error that names the variable", ([name, value]) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(configured({ [name]: value }))
      assert(Exit.isFailure(exit))
      assert.include(String(exit.cause), name)
    }))
})

const link = "\\\\ns\\dfs\\l"
const file = `${link}\\who.txt`
const data = (text: string): TestTransport.ServerOptions => ({ shares: { data: { "who.txt": text } } })
const two = { targets: ["\\\\a\\data", "\\\\b\\data"] }
const ns = (referral: TestTransport.Referral): TestTransport.ServerOptions => ({
  shares: { dfs: { "root.txt": "root" } },
  referrals: { "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs"], timeToLive: "100000 seconds" }, [link]: referral }
})

interface World {
  readonly smb: SmbClient.Client
  readonly servers: TestTransport.TestServers["Service"]
  readonly resolver: DfsResolver.DfsResolver["Service"]
  /** The link's referral requests so far. */
  readonly asked: Effect.Effect<number>
}

const joe = Credentials.layer(Credentials.password("user", Redacted.make("password")))

/** The same test with plain values and with the configuration. */
const both = <A>(
  name: string,
  options: DfsAdapter.DfsAdapterOptions,
  env: Env,
  hosts: TestTransport.Hosts,
  use: (world: World) => Effect.Effect<A, unknown>
) => {
  const transport = TestTransport.layer({ a: data("a"), b: data("b"), ...hosts })
  const under = Layer.provideMerge(SmbClient.layer(), Layer.merge(transport, joe))
  const run = Effect.gen(function*() {
    const servers = yield* TestTransport.TestServers
    const asked = Effect.map(servers.requests, (all) =>
      all.filter(({ request }) => {
        if (request._tag !== "IOCTL") return false
        const { ctlCode, input } = request.body
        const read = ctlCode === Fsctl.FSCTL_DFS_GET_REFERRALS
          ? decodeReferralRequest(input)
          : ctlCode === Fsctl.FSCTL_DFS_GET_REFERRALS_EX
          ? decodeReferralRequestEx(input)
          : undefined
        return read?._tag === "Success" && read.success.requestFileName.includes("\\l")
      }).length)
    yield* use({ smb: yield* SmbClient.SmbClient, servers, asked, resolver: yield* DfsResolver.DfsResolver })
  })
  for (
    const [how, dfs] of [
      ["as plain values", DfsAdapter.layerWithoutDiscovery(options)],
      ["from the configuration", Layer.provide(DfsAdapter.layerConfig(), noDiscovery)]
    ] as const
  ) {
    it.effect(`${name}, ${how}`, () =>
      run.pipe(
        Effect.provide(Layer.provideMerge(dfs, under)),
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({ env: { SMB_DFS: "true", ...env } })
        )
      ))
  }
}

/** The tag of the error. */
const tag = (effect: Effect.Effect<unknown, unknown>): Effect.Effect<string | undefined, unknown> =>
  Effect.map(Effect.flip(effect), (error) => bare(error)._tag)

describe("the option", () => {
  both(
    "maxReferralLevel limits the requested version",
    { maxReferralLevel: 2 },
    {
      SMB_DFS_MAX_REFERRAL_LEVEL: "2"
    },
    { ns: ns(two) },
    ({ servers, smb }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* smb.readFileString(file), "a")
        const levels = (yield* servers.requests).flatMap(({ request }) =>
          request._tag === "IOCTL" && request.body.ctlCode === Fsctl.FSCTL_DFS_GET_REFERRALS
            ? [request.body.input[0]]
            : []
        )
        assert.deepStrictEqual(levels, [2, 2])
      })
  )

  both(
    "largestBuffer limits the buffer after an overflow",
    { largestBuffer: 16_384 },
    {
      SMB_DFS_LARGEST_BUFFER: "16384"
    },
    { ns: ns({ status: "STATUS_BUFFER_OVERFLOW" }) },
    ({ asked, smb }) =>
      Effect.gen(function*() {
        const error: any = yield* Effect.flip(smb.readFileString(file))
        assert.deepStrictEqual([error._tag, error.size], ["Overflow", 16_384])
        assert.strictEqual(yield* asked, 2)
      })
  )

  both("timeToLive.minimum extends a time to live of 0", { timeToLive: { minimum: "100 seconds" } }, {
    SMB_DFS_TTL_MINIMUM: "100 seconds"
  }, {
    ns: ns({ ...two, timeToLive: 0 })
  }, ({ asked, smb }) =>
    Effect.gen(function*() {
      yield* smb.readFileString(file)
      yield* smb.readFileString(file)
      assert.strictEqual(yield* asked, 1)
    }))

  both("timeToLive.maximum limits the time to live", { timeToLive: { maximum: "10 seconds" } }, {
    SMB_DFS_TTL_MAXIMUM: "10 seconds"
  }, {
    ns: ns({ ...two, timeToLive: "1000 seconds" })
  }, ({ asked, smb }) =>
    Effect.gen(function*() {
      yield* smb.readFileString(file)
      yield* TestClock.adjust("11 seconds")
      yield* smb.readFileString(file)
      assert.strictEqual(yield* asked, 2)
    }))

  both("timeToLive.negative limits how long a missing referral is remembered", {
    timeToLive: { negative: "5 seconds" }
  }, {
    SMB_DFS_TTL_NEGATIVE: "5 seconds"
  }, {
    ns: ns(two),
    // It supports DFS, and hosts no namespace.
    a: { ...data("a"), referrals: {} }
  }, ({ servers, smb }) =>
    Effect.gen(function*() {
      const plain = smb.readFileString("\\\\a\\data\\who.txt")
      const asked = Effect.map(
        servers.requests,
        (all) => all.filter(({ command, server }) => command === "IOCTL" && server === "a").length
      )
      yield* plain
      const once = yield* asked
      yield* TestClock.adjust("4 seconds")
      yield* plain
      assert.strictEqual(yield* asked, once)
      yield* TestClock.adjust("2 seconds")
      yield* plain
      assert.isAbove(yield* asked, once)
    }))

  both(
    "refreshAhead of 0 refreshes no referral before its expiry",
    { refreshAhead: 0 },
    { SMB_DFS_REFRESH_AHEAD: "0" },
    {
      ns: ns({ ...two, timeToLive: "100 seconds" })
    },
    ({ resolver, smb }) =>
      Effect.gen(function*() {
        yield* smb.readFileString(file)
        for (const { expiresAt, refreshAt } of (yield* resolver.cache).entries.values()) {
          assert.strictEqual(refreshAt, expiresAt)
        }
      })
  )

  both(
    "breaker.cooldown decides when a dead target is tried again",
    {
      breaker: { cooldown: 1000, longest: 1000 },
      timeToLive: { minimum: "1000 seconds" }
    },
    {
      SMB_DFS_BREAKER_COOLDOWN: "1 second",
      SMB_DFS_BREAKER_LONGEST: "1 second",
      SMB_DFS_TTL_MINIMUM: "1000 seconds"
    },
    { ns: ns({ ...two, boundaries: [0, 1], flags: 6 }) },
    ({ servers, smb }) =>
      Effect.gen(function*() {
        yield* servers.down("a")
        assert.strictEqual(yield* smb.readFileString(file), "b")
        yield* servers.up("a")
        assert.strictEqual(yield* smb.readFileString(file), "b")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* smb.readFileString(file), "a")
      })
  )

  both("capacity limits the cached prefixes", { capacity: 1 }, { SMB_DFS_CAPACITY: "1" }, { ns: ns(two) }, (
    { resolver, smb }
  ) =>
    Effect.gen(function*() {
      yield* smb.readFileString(file)
      assert.strictEqual((yield* resolver.cache).entries.size, 1)
    }))

  const onward: TestTransport.Hosts = {
    ns: ns({ targets: ["\\\\other\\dfs\\back"] }),
    other: {
      shares: { dfs: {} },
      referrals: {
        "\\\\other\\dfs": { targets: ["\\\\other\\dfs"] },
        "\\\\other\\dfs\\back": { targets: ["\\\\a\\data"] }
      }
    }
  }
  both(
    "limits.hops limits the namespaces on a path",
    { limits: { hops: 0 } },
    { SMB_DFS_MAX_HOPS: "0" },
    onward,
    ({ smb }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* tag(smb.readFileString(file)), "DfsLoop")
      })
  )
  both(
    "limits.steps limits the events of a resolution",
    { limits: { steps: 3 } },
    { SMB_DFS_MAX_STEPS: "3" },
    onward,
    ({ smb }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* tag(smb.readFileString(file)), "DfsLoop")
      })
  )

  both("include turns DFS off for all other paths", { include: ["//other/*"] }, { SMB_DFS_INCLUDE: "//other/*" }, {
    ns: ns(two)
  }, ({ asked, smb }) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* tag(smb.readFileString(file)), "SmbError")
      assert.strictEqual(yield* asked, 0)
    }))

  both("probe of lazily sends no request for existing files, and follows links", { probe: "lazily" }, {
    SMB_DFS_PROBE: "lazily"
  }, {
    ns: ns(two)
  }, ({ servers, smb }) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* smb.readFileString("\\\\ns\\dfs\\root.txt"), "root")
      assert.isFalse((yield* servers.requests).some(({ command }) => command === "IOCTL"))
      assert.strictEqual(yield* smb.readFileString(file), "a")
    }))

  both("mode of strict fails with NotDfsCapable when a server has no DFS", { mode: "strict" }, {
    SMB_DFS_MODE: "strict"
  }, {
    old: data("old")
  }, ({ smb }) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* tag(smb.readFileString("\\\\old\\data\\who.txt")), "NotDfsCapable")
    }))

  both(
    "domainControllers names the servers that are asked for their domain",
    {
      domainControllers: { "corp.test": ["dc1"] }
    },
    { SMB_DFS_DOMAIN_CONTROLLERS: "corp.test=dc1" },
    {
      ns: ns(two),
      dc1: { referrals: { "\\\\corp.test\\dfs": { targets: ["\\\\ns\\dfs"] } } }
    },
    ({ smb }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* smb.readFileString("\\\\corp.test\\dfs\\l\\who.txt"), "a")
      })
  )

  both(
    "siteName is sent in referral requests",
    { siteName: "Oslo" },
    { SMB_DFS_SITE: "Oslo" },
    { ns: ns(two) },
    ({ asked, servers, smb }) =>
      Effect.gen(function*() {
        yield* smb.readFileString(file)
        assert.strictEqual(yield* asked, 1)
        assert.isTrue(
          (yield* servers.requests).some(({ request }) =>
            request._tag === "IOCTL" && Buffer.from(request.body.input).includes(Buffer.from("Oslo", "utf16le"))
          )
        )
      })
  )
})
