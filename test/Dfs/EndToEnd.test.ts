/**
 * The client with DFS over servers in memory, with real packets, logons and signatures, and scripted referrals.
 * Features that only Windows serves (version 4, EX with a site, name lists) come from our own codec or from recorded
 * bytes, not from a Windows server.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, ConfigProvider, Effect, Fiber, Layer, Metric, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import { AuthenticationError } from "../../src/Auth/AuthenticationError.ts"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import * as DfsMetrics from "../../src/Dfs/DfsMetrics.ts"
import * as DfsResolver from "../../src/Dfs/DfsResolver.ts"
import type * as DomainControllers from "../../src/Dfs/DomainControllers.ts"
import { decodeReferralRequestEx } from "../../src/Dfs/ReferralRequest.ts"
import type * as SiteFinder from "../../src/Dfs/SiteFinder.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"
import { inBerlin, noDiscovery } from "./discovery.ts"

const joe = Credentials.layer(Credentials.password("user", Redacted.make("password")))
const over = (
  hosts: TestTransport.Hosts,
  dfs: Layer.Layer<
    SmbClient.SmbClient | DfsResolver.DfsResolver,
    any,
    SmbClient.SmbClient | DomainControllers.DomainControllers | SiteFinder.SiteFinder
  >,
  credentials = joe,
  discovery: Layer.Layer<DomainControllers.DomainControllers | SiteFinder.SiteFinder> = noDiscovery,
  client: SmbClient.Options = {}
) => {
  const transport = TestTransport.layer(hosts)
  return Layer.mergeAll(
    dfs.pipe(Layer.provide([SmbClient.layer(client), discovery]), Layer.provide([transport, credentials])),
    transport
  )
}
const run = <A, E>(
  hosts: TestTransport.Hosts,
  options: DfsAdapter.DfsAdapterOptions,
  use: (
    smb: SmbClient.Client,
    servers: TestTransport.TestServers["Service"],
    resolver: DfsResolver.DfsResolver["Service"]
  ) => Effect.Effect<A, E>,
  credentials = joe,
  discovery = noDiscovery,
  client: SmbClient.Options = {}
) =>
  Effect.gen(function*() {
    return yield* use(
      yield* SmbClient.SmbClient,
      yield* TestTransport.TestServers,
      yield* DfsResolver.DfsResolver
    )
  }).pipe(Effect.provide(over(hosts, DfsAdapter.layer(options), credentials, discovery, client)))

const data = (text: string) => ({ shares: { data: { "who.txt": text } } })
const namespace = (links: { readonly [link: string]: TestTransport.Referral }): TestTransport.ServerOptions => ({
  shares: { dfs: { "root.txt": "root" } },
  referrals: {
    "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs"] },
    ...Object.fromEntries(Object.entries(links).map(([link, referral]) => [`\\\\ns\\dfs\\${link}`, referral]))
  }
})
const isReferral = (request: TestTransport.Logged) =>
  request.command === "IOCTL" && request.request._tag === "IOCTL" &&
  (request.request.body.ctlCode === Fsctl.FSCTL_DFS_GET_REFERRALS ||
    request.request.body.ctlCode === Fsctl.FSCTL_DFS_GET_REFERRALS_EX)
const referrals = (servers: TestTransport.TestServers["Service"]) =>
  Effect.map(servers.requests, (all) => all.filter(isReferral))
/** Lets other fibers run until `holds` is true. */
const eventually = (holds: () => boolean, step: Effect.Effect<unknown>): Effect.Effect<void> =>
  Effect.gen(function*() {
    for (let i = 0; i < 200 && !holds(); i++) {
      yield* step
      yield* TestClock.withLive(Effect.sleep("1 millis"))
    }
    assert.isTrue(holds())
  })
const read = (smb: SmbClient.Client, link: string) => smb.readFileString(`\\\\ns\\dfs\\${link}\\who.txt`)

describe("the client with DFS", () => {
  const hosts = { ns: namespace({ a: { targets: ["\\\\a\\data"] } }), a: data("a") }

  it.effect("sends no referral request when the configuration does not enable DFS", () =>
    Effect.gen(function*() {
      for (const env of [{}, { SMB_DFS: "false", SMB_DFS_MODE: "strict" }]) {
        yield* Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          const servers = yield* TestTransport.TestServers
          assert.strictEqual(yield* smb.readFileString("\\\\ns\\dfs\\root.txt"), "root")
          const error: any = yield* Effect.flip(read(smb, "a"))
          assert.strictEqual(error.reason._tag, "PathNotCovered")
          assert.strictEqual((yield* referrals(servers)).length, 0)
        }).pipe(
          Effect.provide(over(hosts, DfsAdapter.layerConfig())),
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
        )
      }
    }))
  it.effect("follows a link when the configuration enables DFS, and not for excluded paths", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* read(smb, "a"), "a")
      // A path that a pattern excludes is used without DFS.
      const error: any = yield* Effect.flip(smb.readFileString("\\\\ns\\dfs\\a\\none\\x"))
      assert.strictEqual(error.reason._tag, "PathNotCovered")
    }).pipe(
      Effect.provide(over(hosts, DfsAdapter.layerConfig())),
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({ env: { SMB_DFS: "true", SMB_DFS_EXCLUDE: "//ns/dfs/*/none; //other" } })
      )
    ))
  it.effect("follows a root and a link to another server, with two referral requests in all", () =>
    run(hosts, {}, (smb, servers) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* smb.readFileString("\\\\ns\\dfs\\root.txt"), "root")
        assert.strictEqual(yield* read(smb, "a"), "a")
        assert.strictEqual((yield* referrals(servers)).length, 2)
        yield* read(smb, "a")
        assert.strictEqual((yield* referrals(servers)).length, 2)
      })))
  it.effect("fails with path, server and step when a referral is malformed", () =>
    run({ ns: namespace({ a: { hex: "0600010002" } }), a: data("a") }, {}, (smb) =>
      Effect.gen(function*() {
        const error: any = yield* Effect.flip(read(smb, "a"))
        assert.strictEqual(error._tag, "Malformed")
        assert.deepStrictEqual([error.server, error.path, error.step], ["ns", "\\\\ns\\dfs\\a\\who.txt", 8])
      })))
  it.effect("doubles the buffer until the referral fits, and fails with Overflow at 56 KiB", () =>
    Effect.gen(function*() {
      const many = Array.from({ length: 700 }, (_, i) => `\\\\server-number-${i}\\data`)
      const sized = { ns: namespace({ a: { targets: ["\\\\a\\data", ...many.slice(1, 200)] } }), a: data("a") }
      yield* run(sized, {}, (smb, servers) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* read(smb, "a"), "a")
          const sizes = (yield* referrals(servers)).map((one: any) => one.request.body.maxOutputResponse)
          assert.deepStrictEqual(sizes, [8192, 8192, 16_384])
        }))
      const endless = namespace({ a: { status: "STATUS_BUFFER_OVERFLOW" } })
      const error: any = yield* run({ ns: endless }, {}, (smb) => Effect.flip(read(smb, "a")))
      assert.deepStrictEqual([error._tag, error.server, error.size, error.step], ["Overflow", "ns", 57_344, 8])
    }))
  it.effect("uses an ordinary share of a server with DFS in strict mode, with one referral request", () =>
    run(
      { ns: { ...namespace({}), shares: { plain: { x: "x" } } } },
      { mode: "strict" },
      (smb, servers) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* smb.readFileString("\\\\ns\\plain\\x"), "x")
          assert.strictEqual(yield* smb.readFileString("\\\\ns\\plain\\x"), "x")
          assert.strictEqual((yield* referrals(servers)).length, 1)
        })
    ))
  it.effect("fails in strict mode, and reads in fallback mode, when the server has no DFS", () =>
    Effect.gen(function*() {
      const nas = { nas: data("nas") }
      const path = "\\\\nas\\data\\who.txt"
      const error: any = yield* run(nas, { mode: "strict" }, (smb) => Effect.flip(smb.readFileString(path)))
      assert.deepStrictEqual([error._tag, error.server, error.step], ["NotDfsCapable", "nas", 6])
      assert.strictEqual(yield* run(nas, { mode: "fallback" }, (smb) => smb.readFileString(path)), "nas")
    }))
  it.effect("sends EX requests with the site's name", () =>
    run(hosts, { siteName: "Berlin" }, (smb, servers) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* read(smb, "a"), "a")
        for (const one of (yield* referrals(servers)) as ReadonlyArray<any>) {
          assert.strictEqual(one.request.body.ctlCode, 0x601b0)
          const request: any = decodeReferralRequestEx(one.request.body.input)
          assert.strictEqual(request.success.siteName, "Berlin")
        }
      })))
  it.effect("lists, writes, renames, copies and deletes behind a link", () =>
    run(hosts, {}, (smb, servers) =>
      Effect.gen(function*() {
        const at = "\\\\ns\\dfs\\a"
        yield* smb.writeFile(`${at}\\new.txt`, "new")
        yield* smb.rename(`${at}\\new.txt`, `${at}\\moved.txt`)
        yield* smb.copy(`${at}\\moved.txt`, `${at}\\copied.txt`)
        yield* smb.remove(`${at}\\moved.txt`)
        const names = yield* Stream.runCollect(Stream.map(smb.list(at), ({ name }) => name))
        assert.deepStrictEqual([...names].toSorted(), ["copied.txt", "who.txt"])
        assert.isDefined(yield* servers.read("a", "data", "copied.txt"))
      })))
})

describe("failover between targets", () => {
  const two = { ns: namespace({ l: { targets: ["\\\\a\\data", "\\\\b\\data"] } }), a: data("a"), b: data("b") }

  it.effect("goes to the next target when one is down, and back after 30 s with TargetFailback", () =>
    run(
      {
        ...two,
        ns: namespace({
          l: { targets: ["\\\\a\\data", "\\\\b\\data"], boundaries: [0, 1], flags: 6, timeToLive: "100000 seconds" }
        })
      },
      {},
      (smb, servers) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* read(smb, "l"), "a")
          yield* servers.down("a")
          assert.strictEqual(yield* read(smb, "l"), "b")
          yield* servers.up("a")
          assert.strictEqual(yield* read(smb, "l"), "b")
          yield* TestClock.adjust("30 seconds")
          assert.strictEqual(yield* read(smb, "l"), "a")
        })
    ))
  it.effect("repeats a read whose target dies, and fails a write with `sent` true", () =>
    Effect.gen(function*() {
      const dying = (command: "CREATE" | "WRITE") => ({
        ...two,
        a: { ...data("a"), faults: [TestTransport.fault(command, "drop", { times: 1 })] }
      })
      assert.strictEqual(yield* run(dying("CREATE"), {}, (smb) => read(smb, "l")), "b")
      yield* run(dying("CREATE"), {}, (smb, servers) =>
        Effect.gen(function*() {
          const path = "\\\\ns\\dfs\\l\\new.txt"
          const error: any = yield* Effect.flip(smb.writeFile(path, "x"))
          assert.deepStrictEqual([error._tag, error.sent, error.server], ["TransportError", true, "a"])
          assert.match(error.message, /may have had its effect/)
          assert.isUndefined(yield* servers.read("b", "data", "new.txt"))
          // The next operation goes to another target at once.
          yield* smb.writeFile(path, "y")
          assert.isDefined(yield* servers.read("b", "data", "new.txt"))
        }))
      const removing: any = yield* run(dying("CREATE"), {}, (smb) => Effect.flip(smb.remove("\\\\ns\\dfs\\l\\who.txt")))
      assert.strictEqual(removing.sent, true)
    }))
  it.effect("sets `sent` only for requests that can change something", () => {
    const dying = (on: "READ" | "WRITE" | "SET_INFO" | "QUERY_INFO") => ({
      a: { ...data("a"), faults: [TestTransport.fault(on, "drop")] }
    })
    const path = "\\\\a\\data\\who.txt"
    const said = (on: Parameters<typeof dying>[0], use: (smb: SmbClient.Client) => Effect.Effect<unknown, unknown>) =>
      run(
        dying(on),
        { enabled: false },
        (smb) => Effect.map(Effect.flip(use(smb)), (error: any) => error.sent === true),
        joe,
        noDiscovery,
        { reconnect: "never" }
      )
    const mode = OpenMode.update
    return Effect.gen(function*() {
      const opened = (smb: SmbClient.Client, operation: Operation.Any) =>
        Effect.scoped(
          Effect.flatMap(smb.withShare(path, (share, below) => share.open(below, mode)), (file) => file.run(operation))
        )
      const bytes = new Uint8Array(3)
      assert.isTrue(yield* said("WRITE", (smb) => opened(smb, { _tag: "Write", offset: 0n, data: bytes })))
      assert.isFalse(yield* said("READ", (smb) => opened(smb, { _tag: "Read", offset: 0n, length: 3 })))
      assert.isTrue(yield* said("SET_INFO", (smb) => smb.truncate(path, 1)))
      assert.isFalse(yield* said("READ", (smb) => smb.readFile(path)))
    })
  })
  it.effect("reads a large file from the next target when its target dies in the middle", () => {
    const large = (fill: number) => ({
      maximumTransfer: 65_536,
      shares: { data: { "who.txt": new Uint8Array(1_000_000).fill(fill) } }
    })
    const fault = TestTransport.fault("READ", "drop", { skip: 5, times: 1 })
    return run({ ...two, a: { ...large(1), faults: [fault] }, b: large(2) }, {}, (smb) =>
      Effect.gen(function*() {
        const bytes = yield* smb.readFile("\\\\ns\\dfs\\l\\who.txt")
        assert.deepStrictEqual([bytes.length, bytes.every((byte) => byte === 2)], [1_000_000, true])
      }))
  })
  it.effect("waits for a silent target once", () =>
    run(
      {
        ...two,
        a: { ...data("a"), faults: [TestTransport.fault("NEGOTIATE", "silence")] }
      },
      {},
      (smb) =>
        Effect.gen(function*() {
          const first = yield* Effect.forkChild(read(smb, "l"))
          yield* TestClock.adjust("2 minutes")
          assert.strictEqual(yield* Fiber.join(first), "b")
          // No clock moves here, so waiting for `a` would never end.
          assert.strictEqual(yield* read(smb, "l"), "b")
        })
    ))
  it.effect("skips a target without a usable credential, and fails at one with IntegrityFailure", () =>
    Effect.gen(function*() {
      const password = Credentials.password("user", Redacted.make("password"))
      const without = (reason: AuthenticationError["reason"]["_tag"]) =>
        Layer.succeed(Credentials.CredentialProvider, {
          get: ({ server }) =>
            server === "a"
              ? Effect.fail(new AuthenticationError({ reason: { _tag: reason }, detail: "none of ours", server }))
              : Effect.succeed(password)
        })
      for (const reason of ["NoCredential", "NoCommonMechanism", "ServerUnknown"] as const) {
        assert.strictEqual(yield* run(two, {}, (smb) => read(smb, "l"), without(reason)), "b")
        const alone = { ...two, ns: namespace({ l: { targets: ["\\\\a\\data"] } }) }
        const error: any = yield* run(alone, {}, (smb) => Effect.flip(read(smb, "l")), without(reason))
        assert.strictEqual(error.reason._tag, "NoTargetLeft")
        assert.match(error.message, new RegExp(`a\\\\data\\\\who.txt: .*${reason}.*none of ours`))
      }
      const error: any = yield* run(two, {}, (smb) => Effect.flip(read(smb, "l")), without("IntegrityFailure"))
      assert.deepStrictEqual([error._tag, error.server], ["AuthenticationError", "a"])
    }))
  it.effect("does not wait for a silent target in a race", () =>
    run(
      { ...two, a: { ...data("a"), faults: [TestTransport.fault("NEGOTIATE", "silence")] } },
      { connect: "race", stagger: "100 millis" },
      (smb) =>
        Effect.gen(function*() {
          const before = yield* Clock.currentTimeMillis
          const first = yield* Effect.forkChild(read(smb, "l"))
          yield* eventually(() => first.pollUnsafe() !== undefined, TestClock.adjust("10 millis"))
          assert.strictEqual(yield* Fiber.join(first), "b")
          // The timeout of a request is many seconds; the silent target does not even reach a logon.
          assert.isBelow((yield* Clock.currentTimeMillis) - before, 2000)
        })
    ))
  it.effect("goes to the next target of a race at once when one refuses", () =>
    run({ ...two, a: "down" }, { connect: "race" }, (smb) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* read(smb, "l"), "b")
      })))
})

describe("domain controllers", () => {
  const corp: TestTransport.Hosts = {
    "dc1.corp.test": "down",
    "dc2.corp.test": {
      shares: { sysvol: { "p.txt": "policy" } },
      referrals: {
        "\\\\corp.test\\dfs": { targets: ["\\\\ns\\dfs"] },
        "\\\\corp.test\\sysvol": { targets: ["\\\\dc1.corp.test\\sysvol", "\\\\dc2.corp.test\\sysvol"], flags: 2 }
      }
    },
    ns: { shares: { dfs: { "root.txt": "root" } }, referrals: { "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs"] } } }
  }
  it.effect("are found with the machine's site, and serve SYSVOL and a namespace when one is down", () => {
    const asked: Array<unknown> = []
    return run(
      corp,
      {},
      (smb, _, resolver) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* smb.readFileString("\\\\corp.test\\sysvol\\p.txt"), "policy")
          assert.strictEqual(yield* smb.readFileString("\\\\corp.test\\dfs\\root.txt"), "root")
          assert.deepStrictEqual(asked, [["corp.test", undefined], ["corp.test", "Berlin"]])
          const { notes, result } = yield* resolver.trace("\\\\corp.test\\sysvol\\p.txt")
          assert.strictEqual(result._tag, "Success")
          assert.deepStrictEqual(notes.map((note) => note._tag).slice(0, 1), ["CacheHit"])
        }),
      joe,
      inBerlin((domain, site) =>
        Effect.sync(() => {
          asked.push([domain, site])
          return ["dc1.corp.test", "dc2.corp.test"]
        })
      )
    )
  })
  it.effect("get a wrong password once, at one controller only", () => {
    const other = { ...(corp["dc2.corp.test"] as TestTransport.ServerOptions), password: "another-password" }
    return run(
      { ...corp, "dc1.corp.test": other, "dc2.corp.test": other },
      { domainControllers: { "corp.test": ["dc1.corp.test", "dc2.corp.test"] } },
      (smb, servers) =>
        Effect.gen(function*() {
          const error: any = yield* Effect.flip(smb.readFileString("\\\\corp.test\\dfs\\root.txt"))
          assert.strictEqual(error.reason._tag, "NoDomainController")
          assert.match(error.message, /dc1\.corp\.test: .*STATUS_LOGON_FAILURE/)
          assert.isTrue((yield* servers.requests).every(({ server }) => server === "dc1.corp.test"))
        })
    )
  })
  it.effect("and root targets are named to the credential provider with server and domain", () => {
    const asked = new Set<string>()
    const credentials = Credentials.layerFrom((request) =>
      Effect.sync(() => {
        asked.add(`${request.server} ${request.domain ?? "-"}`)
        return Credentials.password("user", Redacted.make("password"))
      })
    )
    const options = { domainControllers: { "corp.test": ["dc2.corp.test"] } }
    return run(
      corp,
      options,
      (smb) =>
        Effect.gen(function*() {
          yield* smb.readFileString("\\\\corp.test\\dfs\\root.txt")
          assert.deepStrictEqual([...asked], ["dc2.corp.test corp.test", "ns corp.test"])
        }),
      credentials
    )
  })
})

describe("the client's referral requests", () => {
  it.effect("are sent in the background for a used referral in the last tenth of its time to live", () =>
    run(
      { ns: namespace({ a: { targets: ["\\\\a\\data"], timeToLive: "100 seconds" } }), a: data("a") },
      {},
      (smb, servers) =>
        Effect.gen(function*() {
          yield* read(smb, "a")
          assert.strictEqual((yield* referrals(servers)).length, 2)
          yield* TestClock.adjust("89 seconds")
          yield* read(smb, "a")
          assert.strictEqual((yield* referrals(servers)).length, 2)
          yield* TestClock.adjust("2 seconds")
          yield* read(smb, "a")
          let count = 0
          yield* eventually(() => count === 3, Effect.map(referrals(servers), ({ length }) => void (count = length)))
          yield* TestClock.adjust("80 seconds")
          yield* read(smb, "a")
          assert.strictEqual((yield* referrals(servers)).length, 3)
        })
    ))
  it.effect("are one root referral on one IPC$ for a thousand opens at once", () =>
    run({ ns: namespace({}) }, {}, (smb, servers) =>
      Effect.gen(function*() {
        yield* Effect.all(Array.from({ length: 1000 }, () => smb.stat("\\\\ns\\dfs\\root.txt")), {
          concurrency: "unbounded"
        })
        assert.strictEqual((yield* referrals(servers)).length, 1)
        assert.strictEqual((yield* servers.commands).filter((one) => one === "TREE_CONNECT").length, 2)
        assert.strictEqual(yield* servers.connected, 1)
      })))
  it.effect("and failovers are counted by the metrics", () =>
    Effect.gen(function*() {
      const registry = new Map()
      const value = (metric: Metric.Metric<number, { readonly count: number }>) =>
        Effect.map(Metric.value(metric), ({ count }) => count)
      yield* run(
        { ns: namespace({ l: { targets: ["\\\\a\\data", "\\\\b\\data"] } }), a: "down", b: data("b") },
        {},
        (smb) => read(smb, "l")
      ).pipe(
        Effect.andThen(Effect.gen(function*() {
          assert.strictEqual(yield* value(DfsMetrics.requests.plain.root), 1)
          assert.strictEqual(yield* value(DfsMetrics.requests.plain.link), 1)
          assert.strictEqual(yield* value(DfsMetrics.successes.link), 1)
          assert.strictEqual(yield* value(DfsMetrics.cacheMisses), 1)
          assert.strictEqual(yield* value(DfsMetrics.failovers), 1)
          assert.strictEqual((yield* Metric.value(DfsMetrics.targetLatency)).count, 3)
        })),
        Effect.provideService(Metric.MetricRegistry, registry)
      )
    }))
})

describe("mapped names", () => {
  it.effect("lead through links and to targets whose names have characters of the private use area", () =>
    run(
      {
        ns: namespace({ "a\uf022b": { targets: ["\\\\one\\data\\in\uf025"] } }),
        one: { shares: { data: { "in\uf025": { "who\uf022.txt": "one" } } } }
      },
      {},
      (smb) =>
        Effect.gen(function*() {
          const mapped = smb.withNames("mapped")
          assert.strictEqual(yield* mapped.readFileString("\\\\ns\\dfs\\a:b\\who:.txt"), "one")
          assert.strictEqual(yield* mapped.readFileString("\\\\ns\\dfs\\root.txt"), "root")
          const unchanged = yield* smb.readFileString("\\\\ns\\dfs\\a\uf022b\\who\uf022.txt")
          assert.strictEqual(unchanged, "one")
          const missing = yield* Effect.flip(mapped.readFile("\\\\ns\\dfs\\a:b\\no:ne"))
          assert.include(missing.message, "\\\\one\\data\\in?\\no:ne")
        })
    ))
})
