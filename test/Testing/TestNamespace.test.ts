/**
 * The simulator of DFS namespaces (TestNamespace), as a client sees it: each test says in virtual time what an app
 * would get from the described servers, links, domains and faults.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, type Duration, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import * as example from "../../examples/failover.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import type * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import * as DfsResolver from "../../src/Dfs/DfsResolver.ts"
import * as TestNamespace from "../../src/Testing/TestNamespace.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"
import * as VirtualTime from "../../src/Testing/VirtualTime.ts"

const world = (more: TestNamespace.Description = {}): TestNamespace.Description => ({
  "\\\\corp\\public\\l": { targets: ["\\\\a\\data", "\\\\b\\data"], timeToLive: "5 minutes" },
  files: { "\\\\a\\data\\who.txt": "a", "\\\\b\\data": { "who.txt": "b" } },
  ...more
})
const path = "\\\\corp\\public\\l\\who.txt"
const read = Effect.flatMap(SmbClient.SmbClient, (smb) => smb.readFileString(path))
const events = Effect.flatMap(TestNamespace.TestNamespace, (it) => it.events)
const fault = (...args: Parameters<TestNamespace.TestNamespace["Service"]["fault"]>) =>
  Effect.flatMap(TestNamespace.TestNamespace, (it) => it.fault(...args))

/** The client's actions as lines, such as `a connect` or `a REFERRAL \x`. */
const done = (all: ReadonlyArray<TestNamespace.Event>): ReadonlyArray<string> =>
  all.flatMap(({ command, path: at, server, status, what }) => {
    if (what === "connect") return [`${server} connect${status === undefined ? "" : ` ${status}`}`]
    return what === "request" && (command === "CREATE" || command?.startsWith("REFERRAL"))
      ? [`${server} ${command} ${at}`]
      : []
  })
const since = <A, E, R>(use: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const before = (yield* events).length
    const value = yield* use
    return { value, lines: done((yield* events).slice(before)) }
  })

/** Runs an effect to its end in virtual time. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(VirtualTime.run(effect), ({ exit, took }) => ({
    took,
    value: Exit.isSuccess(exit) ? exit.value : undefined,
    error: Exit.isFailure(exit) ? Cause.squash(exit.cause) as any : undefined
  }))

const run = <A, E>(
  description: TestNamespace.Description,
  use: Effect.Effect<A, E, Layer.Success<ReturnType<typeof TestNamespace.layerClient>>>,
  dfs: DfsAdapter.DfsAdapterOptions = {}
) => Effect.provide(use, TestNamespace.layerClient(description, { dfs }))

describe("a simulated link with two targets", () => {
  it.effect("leads to the next target when one dies, and the table shows each event", () =>
    run(
      world({ faults: [{ at: "10 seconds", server: "a", is: "down" }] }),
      Effect.gen(function*() {
        assert.strictEqual(yield* read, "a")
        yield* TestClock.adjust("10 seconds")
        const { lines, value } = yield* since(read)
        assert.strictEqual(value, "b")
        assert.deepStrictEqual(lines, ["a connect ConnectionRefused", "b connect", "b CREATE \\\\b\\data\\who.txt"])
        const log = yield* Effect.flatMap(TestNamespace.TestNamespace, (it) => it.table)
        assert.include(log, "    0.000 corp #1  -> REFERRAL \\corp\\public\\l\\who.txt\n")
        assert.include(log, "   10.000 a        ! down\n   10.000 a    #2  close by the server\n")
        assert.match(log, /^ {3}10\.000 b {4}#3 {2}<- CREATE \\\\b\\data\\who\.txt STATUS_SUCCESS$/m)
      })
    ))
  it.effect("leads back to an earlier set 30 s after its failure, with TargetFailback", () =>
    run(
      world({
        "\\\\corp\\public\\l": {
          targets: [{ path: "\\\\a\\data", set: 0 }, { path: "\\\\b\\data", set: 1 }],
          targetFailback: true,
          timeToLive: "1 day"
        },
        faults: [{ at: "10 seconds", server: "a", is: "down" }, { at: "20 seconds", server: "a", is: "up" }]
      }),
      Effect.gen(function*() {
        const seen: Array<readonly [number, string]> = []
        for (let second = 0; second <= 60; second += 5) {
          seen.push([second, yield* read])
          yield* TestClock.adjust("5 seconds")
        }
        // Down at 10 s, up at 20 s, and not tried for 30 s after it failed.
        assert.deepStrictEqual(seen.filter(([, who]) => who === "b").map(([second]) => second), [
          10,
          15,
          20,
          25,
          30,
          35
        ])
        const { value } = yield* since(read)
        assert.strictEqual(value, "a")
      })
    ))
  it.effect("keeps the target that works without TargetFailback", () =>
    run(
      world({ faults: [{ at: "10 seconds", server: "a", is: "down" }, { at: "20 seconds", server: "a", is: "up" }] }),
      Effect.gen(function*() {
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* read, "b")
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual(yield* read, "b")
      })
    ))
  it.effect("costs the timeout of an unreachable target once, again after the cooldown, then after twice that", () =>
    run(
      world({
        "\\\\corp\\public\\l": {
          targets: [{ path: "\\\\a\\data", set: 0 }, { path: "\\\\b\\data", set: 1 }],
          targetFailback: true,
          timeToLive: "1 day"
        },
        faults: [{ server: "a", is: "unreachable" }]
      }),
      Effect.gen(function*() {
        const costs = (after: Duration.Input) => Effect.andThen(TestClock.adjust(after), timed(read))
        assert.deepInclude(yield* costs(0), { value: "b", took: 10_000 })
        assert.deepInclude(yield* costs(0), { value: "b", took: 0 })
        assert.deepInclude(yield* costs("28 seconds"), { value: "b", took: 0 })
        assert.deepInclude(yield* costs("2 seconds"), { value: "b", took: 10_000 })
        assert.deepInclude(yield* costs("50 seconds"), { value: "b", took: 0 })
        assert.deepInclude(yield* costs("10 seconds"), { value: "b", took: 10_000 })
        yield* fault({ server: "a", is: "up" })
        assert.deepInclude(yield* costs("2 minutes"), { value: "a", took: 0 })
      }),
      { breaker: { cooldown: 30_000 } }
    ))
  it.effect("costs only the stagger of 250 ms in a race with an unreachable first target", () =>
    run(
      world({ faults: [{ server: "a", is: "unreachable" }] }),
      Effect.gen(function*() {
        const { lines, value } = yield* since(timed(read))
        assert.deepInclude(value, { value: "b", took: 250 })
        assert.deepStrictEqual(lines.slice(-2), ["b connect", "b CREATE \\\\b\\data\\who.txt"])
        // The attempt is not needed any more, and ends by itself.
        const { lines: later } = yield* since(TestClock.adjust("1 minute"))
        assert.deepStrictEqual(later, ["a connect TimedOut"])
      }),
      { connect: "race" }
    ))
  it.effect("fails at once with NoTargetLeft and both targets when both are down", () =>
    run(
      world({ faults: [{ server: "a", is: "down" }, { server: "b", is: "down" }] }),
      Effect.gen(function*() {
        const { error, took } = yield* timed(read)
        assert.deepStrictEqual([error.reason._tag, error.reason.targets.length, took], ["NoTargetLeft", 2, 0])
      })
    ))
})

describe("a simulated server that", () => {
  it.effect("hangs costs the timeout of a request once", () =>
    run(
      world({ faults: [{ server: "a", is: "hangs" }] }),
      Effect.gen(function*() {
        const { took, value } = yield* timed(read)
        assert.strictEqual(value, "b")
        assert.isAtLeast(took, 30_000)
        assert.isAtMost(took, 32_000)
        assert.deepInclude(yield* timed(read), { value: "b", took: 0 })
      })
    ))
  it.effect("is slow by 2 seconds takes that time for each packet", () =>
    run(
      world({ faults: [{ server: "a", is: "slow", by: "2 seconds" }] }),
      Effect.gen(function*() {
        // NEGOTIATE, two of SESSION_SETUP, TREE_CONNECT, and one compound.
        assert.deepInclude(yield* timed(read), { value: "a", took: 10_000 })
      })
    ))
  it.effect("refuses a command twice accepts it the third time", () =>
    run(
      world({
        faults: [{ server: "a", is: "refuses", command: "CREATE", status: "STATUS_ACCESS_DENIED", times: 2 }]
      }),
      Effect.gen(function*() {
        assert.deepInclude(yield* Effect.flip(read), { _tag: "SmbError", statusName: "STATUS_ACCESS_DENIED" })
        assert.strictEqual(
          yield* read.pipe(Effect.retry({ schedule: Schedule.recurs(1) })),
          "a"
        )
      })
    ))
  it.effect("drops its connections is connected to again", () =>
    run(
      world({ faults: [{ at: "1 second", server: "a", is: "drops" }] }),
      Effect.gen(function*() {
        yield* read
        yield* TestClock.adjust("1 second")
        const { lines, value } = yield* since(read)
        assert.strictEqual(value, "a")
        assert.deepStrictEqual(lines, ["a connect", "a CREATE \\\\a\\data\\who.txt"])
      })
    ))
  it.effect("sends garbage or a wrong signature fails the operation with NotSmb or BadSignature", () =>
    Effect.gen(function*() {
      const garbage = yield* run(world({ faults: [{ server: "a", is: "garbage" }] }), Effect.flip(read))
      assert.deepInclude(garbage, { _tag: "ProtocolError", reason: { _tag: "NotSmb" } })
      const forged = yield* run(
        world({ faults: [{ server: "a", is: "answers", command: "CREATE", with: { signature: "wrong" } }] }),
        Effect.flip(read)
      )
      assert.deepInclude(forged, { _tag: "ProtocolError", reason: { _tag: "BadSignature" } })
    }))
  it.effect("dies after one CREATE responds to it, and the next read goes to the other target", () =>
    run(
      world({ faults: [{ after: 1, on: "CREATE", server: "a", is: "down" }] }),
      Effect.gen(function*() {
        assert.strictEqual(yield* read, "a")
        const { lines, value } = yield* since(read)
        assert.strictEqual(value, "b")
        assert.deepStrictEqual(lines.at(-1), "b CREATE \\\\b\\data\\who.txt")
        assert.isTrue((yield* events).some(({ detail, what }) => what === "fault" && detail === "down"))
      })
    ))
})

describe("a simulated folder that", () => {
  it.effect("gets another target is found there after its referral expired, and not before", () =>
    run(
      world({
        files: { "\\\\a\\data\\who.txt": "a", "\\\\c\\data\\who.txt": "c" },
        faults: [{ at: "1 minute", path: "\\\\corp\\public\\l", is: "changed", to: ["\\\\c\\data"] }]
      }),
      Effect.gen(function*() {
        assert.strictEqual(yield* read, "a")
        yield* TestClock.adjust("4 minutes")
        assert.strictEqual(yield* read, "a")
        yield* TestClock.adjust("61 seconds")
        const { lines, value } = yield* since(read)
        assert.strictEqual(value, "c")
        assert.deepStrictEqual(lines.filter((line) => line.includes("REFERRAL")), [
          "corp REFERRAL \\corp\\public",
          "corp REFERRAL \\corp\\public\\l\\who.txt"
        ])
      })
    ))
  it.effect("is withdrawn is not found after its referral expired, and is found again when restored", () =>
    run(
      world({ "\\\\corp\\public\\l": { targets: ["\\\\a\\data"], timeToLive: "1 minute" } }),
      Effect.gen(function*() {
        assert.strictEqual(yield* read, "a")
        yield* fault({ path: "\\\\corp\\public\\l", is: "withdrawn" })
        assert.strictEqual(yield* read, "a")
        yield* TestClock.adjust("61 seconds")
        assert.deepInclude(yield* Effect.flip(read), { _tag: "SmbError", statusName: "STATUS_OBJECT_PATH_NOT_FOUND" })
        yield* fault({ path: "\\\\corp\\public\\l", is: "restored" })
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* read, "a")
      })
    ))
  it.effect("has a malformed referral after one good one fails with path and server", () =>
    run(
      world({
        "\\\\corp\\public\\l": { targets: ["\\\\a\\data"], timeToLive: 0 },
        faults: [{ after: 1, path: "\\\\corp\\public\\l", is: "malformed" }]
      }),
      Effect.gen(function*() {
        assert.strictEqual(yield* read, "a")
        const error: any = yield* Effect.flip(read)
        assert.deepInclude(error, { _tag: "Malformed", server: "corp", path })
      })
    ))
  it.effect("has no targets, or only offline targets, fails with NamespaceNotFound", () =>
    Effect.gen(function*() {
      for (const targets of [[], [{ path: "\\\\a\\data", state: "offline" as const }]]) {
        const error: any = yield* run(world({ "\\\\corp\\public\\l": { targets } }), Effect.flip(read))
        assert.strictEqual(error.reason._tag, "NamespaceNotFound")
      }
    }))
})

describe("simulated roots and domains", () => {
  const domain = (more: TestNamespace.Description = {}): TestNamespace.Description => ({
    "\\\\corp.test\\dfs": { targets: ["\\\\n1\\dfs", "\\\\n2\\dfs"] },
    "\\\\corp.test\\dfs\\plans": {
      targets: [{ path: "\\\\a\\plans", site: "Rome" }, { path: "\\\\b\\plans", site: "Berlin" }]
    },
    files: { "\\\\a\\plans\\x.txt": "a", "\\\\b\\plans\\x.txt": "b" },
    domains: {
      "corp.test": {
        netbiosName: "CORP",
        controllers: ["dc1.corp.test", "dc2.corp.test"],
        sysvol: { "p.txt": "policy" }
      }
    },
    ...more
  })
  const text = (of: string) => Effect.flatMap(SmbClient.SmbClient, (smb) => smb.readFileString(of))

  it.effect("serve a root on two servers when one is down, and its links by the other", () =>
    run(
      {
        "\\\\corp\\data": { targets: ["\\\\a\\data", "\\\\b\\data"], timeToLive: "5 minutes" },
        "\\\\corp\\data\\plans": ["\\\\c\\plans"],
        files: { "\\\\b\\data\\who.txt": "b", "\\\\c\\plans\\x.txt": "c" },
        faults: [{ server: "a", is: "down" }]
      },
      Effect.gen(function*() {
        assert.strictEqual(yield* text("\\\\corp\\data\\who.txt"), "b")
        const { lines, value } = yield* since(text("\\\\corp\\data\\plans\\x.txt"))
        assert.strictEqual(value, "c")
        // The client requests the link's referral from the root target that works.
        assert.include(lines, "b REFERRAL \\b\\data\\plans\\x.txt")
      })
    ))
  it.effect("serve SYSVOL and a namespace by both names of a domain when a controller dies", () =>
    run(
      domain({ faults: [{ at: "1 minute", server: "dc1.corp.test", is: "down" }] }),
      Effect.gen(function*() {
        assert.strictEqual(yield* text("\\\\corp.test\\sysvol\\p.txt"), "policy")
        assert.strictEqual(yield* text("\\\\corp.test\\dfs\\plans\\x.txt"), "a")
        yield* TestClock.adjust("20 minutes")
        const { lines, value } = yield* since(text("\\\\corp.test\\sysvol\\p.txt"))
        assert.strictEqual(value, "policy")
        assert.include(lines, "dc1.corp.test connect ConnectionRefused")
        assert.include(lines, "dc2.corp.test CREATE \\\\dc2.corp.test\\sysvol\\p.txt")
        assert.strictEqual(yield* text("\\\\CORP\\dfs\\plans\\x.txt"), "a")
      })
    ))
  it.effect("use the next controller when one dies after its referral", () =>
    run(
      domain({ faults: [{ after: 1, on: "IOCTL", server: "dc1.corp.test", is: "down" }] }),
      Effect.gen(function*() {
        // It gives the referral for SYSVOL, and is down when its own SYSVOL is tried.
        const { lines, value } = yield* since(text("\\\\corp.test\\sysvol\\p.txt"))
        assert.strictEqual(value, "policy")
        assert.deepStrictEqual(lines, [
          "dc1.corp.test connect",
          "dc1.corp.test REFERRAL \\corp.test\\sysvol",
          "dc2.corp.test connect",
          "dc2.corp.test CREATE \\\\dc2.corp.test\\sysvol\\p.txt"
        ])
      })
    ))
  it.effect("give targets of the client's site first, by the EX control code", () =>
    run(
      domain(),
      Effect.gen(function*() {
        const { lines, value } = yield* since(text("\\\\corp.test\\dfs\\plans\\x.txt"))
        assert.strictEqual(value, "b")
        assert.include(lines, "n1 REFERRAL_EX \\n1\\dfs\\plans\\x.txt")
      }),
      { siteName: "Berlin" }
    ))
  it.effect("cause DfsLoop when links lead in a circle", () =>
    run(
      {
        "\\\\x\\one\\l": { targets: ["\\\\y\\two\\l"], interlink: true },
        "\\\\y\\two\\l": { targets: ["\\\\x\\one\\l"], interlink: true }
      },
      Effect.gen(function*() {
        const error: any = yield* Effect.flip(text("\\\\x\\one\\l\\f"))
        assert.strictEqual(error.reason._tag, "DfsLoop")
      })
    ))
})

describe("a simulated description", () => {
  it.effect("gives the same events in two runs of the same program", () => {
    const once = run(
      world({
        faults: [
          { at: "3 seconds", server: "a", is: "hangs" },
          { at: "40 seconds", server: "a", is: "up" },
          { after: 9, server: "b", is: "drops" }
        ]
      }),
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const work = Effect.gen(function*() {
          for (let i = 0; i < 10; i++) {
            yield* Effect.ignore(Effect.all([read, smb.stat(path), smb.exists(`${path}x`)], { concurrency: 3 }))
            yield* Effect.sleep("7 seconds")
          }
        })
        yield* timed(work)
        return yield* events
      }),
      { connect: "race" }
    )
    return Effect.gen(function*() {
      const first = yield* once
      assert.isAbove(first.length, 100)
      assert.deepStrictEqual(yield* once, first)
    })
  })
  it.effect("that is invalid fails with a message when the layer is built", () =>
    Effect.gen(function*() {
      const broken: ReadonlyArray<readonly [TestNamespace.Description, RegExp]> = [
        [world({ faults: [{ server: "z", is: "down" }] }), /the server z, which is not there/],
        [world({ faults: [{ path: "\\\\corp\\public\\m", is: "withdrawn" }] }), /which is not there/],
        [world({ "\\\\corp": ["\\\\a\\b"] }), /is no path of the form/],
        [
          world({ faults: [{ at: "1 hour", path: "\\\\corp\\public\\l", is: "changed", to: ["nonsense"] }] }),
          /"nonsense" is no path/
        ],
        [world({ "\\\\corp\\public\\l\\m": ["\\\\a\\b"] }), /lies below the link/],
        [world({ files: { "\\\\a\\data\\x": "text", "\\\\a\\data\\x\\y": "text" } }), /cannot lie below a file/],
        [{ "\\\\c\\x": ["\\\\a\\s"], "\\\\d\\x": ["\\\\a\\s"] }, /cannot be in two namespaces/],
        [world({ "\\\\corp\\public\\l": { targets: [], timeToLive: "200 weeks" } }), /^$/],
        [world({ "\\\\corp\\public\\l": { targets: [], timeToLive: "100000 weeks" } }), /0 to 2\^32 - 1 seconds/]
      ]
      for (const [description, message] of broken) {
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(TestNamespace.layer(description))))
        const error: any = Exit.isFailure(exit) ? Cause.squash(exit.cause) : { message: "" }
        assert.match(error.message, message)
      }
    }))
  it.effect("is served by the servers of TestTransport, whose files a test can read", () =>
    run(
      world({ servers: { a: { dialect: "2.1" } } }),
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const servers = yield* TestTransport.TestServers
        yield* smb.writeFile("\\\\corp\\public\\l\\new.txt", "new")
        assert.strictEqual(Buffer.from((yield* servers.read("a", "data", "new.txt"))!).toString(), "new")
        const resolver = yield* DfsResolver.DfsResolver
        assert.strictEqual((yield* resolver.resolve(path)).status, "link")
      })
    ))
})

describe("a program that was started before the clock moves", () => {
  /** Six reads, one each 20 seconds, and a writer that begins at another time. */
  const poll = Effect.gen(function*() {
    const seen: Array<string> = []
    const smb = yield* SmbClient.SmbClient
    const writer = yield* Effect.forkChild(
      Effect.andThen(Effect.sleep("7 seconds"), Effect.ignore(smb.writeFile("\\\\b\\data\\new.txt", "new")))
    )
    for (let i = 0; i < 6; i++) {
      seen.push(yield* Effect.catch(read, ({ _tag }) => Effect.succeed(_tag)))
      yield* Effect.sleep("20 seconds")
    }
    yield* Fiber.join(writer)
    return seen.join(" ")
  })
  const description = world({
    "\\\\corp\\public\\l": {
      targets: [{ path: "\\\\a\\data", set: 0 }, { path: "\\\\b\\data", set: 1 }],
      targetFailback: true,
      timeToLive: "1 hour"
    },
    faults: [
      { at: "10 seconds", server: "a", is: "down" },
      { at: "25 seconds", server: "b", is: "slow", by: "3 seconds" },
      { at: "1 minute", server: "a", is: "up" }
    ]
  })
  const inSteps = (step: Duration.Input) =>
    run(
      description,
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(poll)
        while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(step)
        const all = (yield* events).filter(({ at }) => at <= 120_000)
        return { seen: yield* Fiber.join(fiber), table: TestNamespace.format(all) }
      })
    )

  it.effect("sees the same events at the same milliseconds, no matter how large the steps of the clock are", () =>
    Effect.gen(function*() {
      const first = yield* inSteps("1 second")
      assert.strictEqual(first.seen, "a b b a a a")
      assert.include(first.table, "    0.000 a    #2  connect")
      for (const step of ["700 millis", "20 seconds", "1 minute", "2 minutes", "1 hour"] as const) {
        assert.deepStrictEqual(yield* inSteps(step), first, step)
      }
    }))

  it.effect("and the clock of a test without servers moves as before, also after such a test", () =>
    Effect.gen(function*() {
      const clock = (yield* Clock.Clock) as TestClock.TestClock
      const { adjust, setTime } = clock
      const moves = () => clock.adjust === adjust && clock.setTime === setTime
      yield* run(world(), Effect.sync(() => assert.isFalse(moves())))
      assert.isTrue(moves())
      // A program that never waits does not keep the clock.
      const busy = yield* Effect.forkChild(Effect.forever(Effect.yieldNow))
      yield* run(world(), Effect.andThen(read, TestClock.adjust("1 minute")))
      assert.strictEqual(yield* Clock.currentTimeMillis, 60_000)
      yield* Fiber.interrupt(busy)
    }))
})

describe("the example of failover", () => {
  it.effect("has the results and times that it documents", () =>
    Effect.gen(function*() {
      const { exit, log, took } = yield* example.failover
      assert.deepStrictEqual([exit, took], [Exit.succeed("a b b a a a"), 120_000])
      assert.include(log, "   10.000 a        ! down")
      assert.deepStrictEqual(yield* example.race, { exit: Exit.succeed("b"), took: 250 })
    }))
})
