/**
 * The client with DFS against servers in memory: real packets, logons and signatures, scripted referrals.
 *
 * What only Windows serves (version 4, EX with a site, name lists) is answered with bytes of our own codec or of captures,
 * not by a Windows server.
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
  discovery: Layer.Layer<DomainControllers.DomainControllers | SiteFinder.SiteFinder> = noDiscovery
) => {
  const transport = TestTransport.layer(hosts)
  return Layer.mergeAll(
    dfs.pipe(Layer.provide([SmbClient.layer(), discovery]), Layer.provide([transport, credentials])),
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
  discovery = noDiscovery
) =>
  Effect.gen(function*() {
    return yield* use(
      yield* SmbClient.SmbClient,
      yield* TestTransport.TestServers,
      yield* DfsResolver.DfsResolver
    )
  }).pipe(Effect.provide(over(hosts, DfsAdapter.layer(options), credentials, discovery)))

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
  (request.request.body.ctlCode === 0x60194 || request.request.body.ctlCode === 0x601b0)
const referrals = (servers: TestTransport.TestServers["Service"]) =>
  Effect.map(servers.requests, (all) => all.filter(isReferral))
/** Lets others go on until something holds. */
const eventually = (holds: () => boolean, step: Effect.Effect<unknown>): Effect.Effect<void> =>
  Effect.gen(function*() {
    for (let i = 0; i < 200 && !holds(); i++) {
      yield* step
      yield* TestClock.withLive(Effect.sleep("1 millis"))
    }
    assert.isTrue(holds())
  })
const read = (smb: SmbClient.Client, link: string) => smb.readFileString(`\\\\ns\\dfs\\${link}\\who.txt`)

describe("the end-to-end list", () => {
  const hosts = { ns: namespace({ a: { targets: ["\\\\a\\data"] } }), a: data("a") }

  it.effect("disabled by default: without the layer, or by the configuration, no request for a referral leaves", () =>
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
  it.effect("enabled by the configuration", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* read(smb, "a"), "a")
      // Excluded by a pattern: as without DFS.
      const error: any = yield* Effect.flip(smb.readFileString("\\\\ns\\dfs\\a\\none\\x"))
      assert.strictEqual(error.reason._tag, "PathNotCovered")
    }).pipe(
      Effect.provide(over(hosts, DfsAdapter.layerConfig())),
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({ env: { SMB_DFS: "true", SMB_DFS_EXCLUDE: "//ns/dfs/*/none; //other" } })
      )
    ))
  it.effect("root referral, and link referral to another server", () =>
    run(hosts, {}, (smb, servers) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* smb.readFileString("\\\\ns\\dfs\\root.txt"), "root")
        assert.strictEqual(yield* read(smb, "a"), "a")
        assert.strictEqual((yield* referrals(servers)).length, 2)
        yield* read(smb, "a")
        assert.strictEqual((yield* referrals(servers)).length, 2)
      })))
  it.effect("malformed: the error names path, server and step", () =>
    run({ ns: namespace({ a: { hex: "0600010002" } }), a: data("a") }, {}, (smb) =>
      Effect.gen(function*() {
        const error: any = yield* Effect.flip(read(smb, "a"))
        assert.strictEqual(error._tag, "Malformed")
        assert.deepStrictEqual([error.server, error.path, error.step], ["ns", "\\\\ns\\dfs\\a\\who.txt", 8])
      })))
  it.effect("overflow: the buffer is doubled until the referral fits, or 56 KiB do not do", () =>
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
  it.effect("not found: an ordinary share of a server with DFS", () =>
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
  it.effect("FS_DRIVER_REQUIRED: strict fails, fallback goes on", () =>
    Effect.gen(function*() {
      const nas = { nas: data("nas") }
      const path = "\\\\nas\\data\\who.txt"
      const error: any = yield* run(nas, { mode: "strict" }, (smb) => Effect.flip(smb.readFileString(path)))
      assert.deepStrictEqual([error._tag, error.server, error.step], ["NotDfsCapable", "nas", 6])
      assert.strictEqual(yield* run(nas, { mode: "fallback" }, (smb) => smb.readFileString(path)), "nas")
    }))
  it.effect("site: the EX code with its name goes first", () =>
    run(hosts, { siteName: "Berlin" }, (smb, servers) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* read(smb, "a"), "a")
        for (const one of (yield* referrals(servers)) as ReadonlyArray<any>) {
          assert.strictEqual(one.request.body.ctlCode, 0x601b0)
          const request: any = decodeReferralRequestEx(one.request.body.input)
          assert.strictEqual(request.success.siteName, "Berlin")
        }
      })))
  it.effect("cross-server: list, write, rename, copy and delete behind a link", () =>
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

describe("failover", () => {
  const two = { ns: namespace({ l: { targets: ["\\\\a\\data", "\\\\b\\data"] } }), a: data("a"), b: data("b") }

  it.effect("a target that dies in the middle is followed by the next, and comes back by TargetFailback", () =>
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
  it.effect("a read that dies with its target is done again, a write that may have been done is not, and says so", () =>
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
          // The next operation goes elsewhere at once.
          yield* smb.writeFile(path, "y")
          assert.isDefined(yield* servers.read("b", "data", "new.txt"))
        }))
      const removing: any = yield* run(dying("CREATE"), {}, (smb) => Effect.flip(smb.remove("\\\\ns\\dfs\\l\\who.txt")))
      assert.strictEqual(removing.sent, true)
    }))
  it.effect("only a request that may change something says that it had been sent", () => {
    const dying = (on: "READ" | "WRITE" | "SET_INFO" | "QUERY_INFO") => ({
      a: { ...data("a"), faults: [TestTransport.fault(on, "drop")] }
    })
    const path = "\\\\a\\data\\who.txt"
    const said = (on: Parameters<typeof dying>[0], use: (smb: SmbClient.Client) => Effect.Effect<unknown, unknown>) =>
      run(
        dying(on),
        { enabled: false },
        (smb) => Effect.map(Effect.flip(use(smb)), (error: any) => error.sent === true)
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
  it.effect("a large file whose target dies in the middle is read from the next", () => {
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
  it.effect("a target that does not answer costs its time once", () =>
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
  it.effect("a target that nobody can log on to is passed over, and one that is no safe one is not", () =>
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
  it.effect("a race does not wait for a silent target", () =>
    run(
      { ...two, a: { ...data("a"), faults: [TestTransport.fault("NEGOTIATE", "silence")] } },
      { connect: "race", stagger: "100 millis" },
      (smb) =>
        Effect.gen(function*() {
          const before = yield* Clock.currentTimeMillis
          const first = yield* Effect.forkChild(read(smb, "l"))
          yield* eventually(() => first.pollUnsafe() !== undefined, TestClock.adjust("10 millis"))
          assert.strictEqual(yield* Fiber.join(first), "b")
          // A request is waited for for many seconds; the first does not even get to a logon.
          assert.isBelow((yield* Clock.currentTimeMillis) - before, 2000)
        })
    ))
  it.effect("a race goes on at once when a target refuses", () =>
    run({ ...two, a: "down" }, { connect: "race" }, (smb) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* read(smb, "l"), "b")
      })))
})

describe("domains", () => {
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
  it.effect("found by a finder with the site that is found, SYSVOL and a namespace, over a dead controller", () => {
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
  it.effect("a wrong password is tried at one controller, and not at each until the account is locked", () => {
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
  it.effect("are told to whoever provides the credentials, with the target's server and not the namespace's", () => {
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

describe("in the background, and at once", () => {
  it.effect("a referral near its end is asked for anew while it is used", () =>
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
  it.effect("a thousand opens below one cold root send one root referral, on one IPC$", () =>
    run({ ns: namespace({}) }, {}, (smb, servers) =>
      Effect.gen(function*() {
        yield* Effect.all(Array.from({ length: 1000 }, () => smb.stat("\\\\ns\\dfs\\root.txt")), {
          concurrency: "unbounded"
        })
        assert.strictEqual((yield* referrals(servers)).length, 1)
        assert.strictEqual((yield* servers.commands).filter((one) => one === "TREE_CONNECT").length, 2)
        assert.strictEqual(yield* servers.connected, 1)
      })))
  it.effect("what happens is counted", () =>
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
