/** `doctor` for each way in which a path can fail: with scripted peers, and against the own server on loopback. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted } from "effect"
import {
  Credentials,
  DfsAdapter,
  DomainControllers,
  SiteFinder,
  SmbClient,
  TestTransport,
  TransportError,
  VirtualTime
} from "effect-smb"
import { TestClock } from "effect/testing"
import * as AccessWords from "../../src/Cli/AccessWords.ts"
import * as Advice from "../../src/Cli/Doctor/Advice.ts"
import * as Doctor from "../../src/Cli/Doctor/Doctor.ts"
import { type Outcome, text } from "../../src/Cli/Doctor/Outcome.ts"
import * as FileTime from "../../src/Codec/FileTime.ts"
import type * as Transport from "../../src/Protocol/Transport.ts"
import { Command } from "../../src/Smb1/Message/Constants.ts"
import { AccessMask } from "../../src/Smb2/Message/Constants.ts"
import * as Peer from "../Smb1/peer.ts"
import * as Served from "./served.ts"

const user = Credentials.password("user", Redacted.make("password"))

interface Ways {
  readonly transport: Layer.Layer<Transport.Transport>
  readonly credential?: Credentials.Credential
  readonly client?: SmbClient.Options
  readonly dfs?: boolean
  readonly kerberos?: boolean
}

/** Runs `doctor` for a path in virtual time: what it printed, and its error. */
const doctor = (text: string, ways: Ways) =>
  Effect.gen(function*() {
    const credential = ways.credential ?? user
    const path = Served.path(text)
    const run = Doctor.doctor(path, {
      json: true,
      credential,
      kerberos: ways.kerberos ?? false,
      dfs: ways.dfs ?? true,
      dfsPort: path.port,
      addressesOf: (server) =>
        server === "unknown" || server === "corp"
          ? Effect.fail(new TransportError({ reason: { _tag: "HostNotFound" }, server, port: 445 }))
          : Effect.succeed({ addresses: ["10.0.0.7"], given: false })
    }).pipe(
      Effect.provide(
        DfsAdapter.layer().pipe(
          Layer.provide([
            SmbClient.layer(ways.client),
            SiteFinder.layerNone,
            Layer.succeed(DomainControllers.DomainControllers, {
              find: (domain) => Effect.succeed(domain === "corp" ? ["dc1"] : [])
            })
          ]),
          Layer.provide(Credentials.layer(credential)),
          Layer.provideMerge(ways.transport),
          Layer.provideMerge(NodeServices.layer),
          Layer.provideMerge(Layer.fresh(Logger.layer([])))
        )
      )
    )
    const said = yield* Served.printed(VirtualTime.run(run))
    const outcomes: ReadonlyArray<Outcome> = said.objects()
    const by = new Map(outcomes.map((outcome) => [outcome.step, outcome]))
    return {
      by: (step: Advice.Step) => by.get(step)!,
      steps: outcomes.map(({ step }) => step),
      states: Object.fromEntries(outcomes.map(({ state, step }) => [step, state])),
      out: said.out
    }
  })

/** All steps in their order: those before `step` are ok (a peer in memory does not say its time), it failed. */
const failedAt = (result: Effect.Success<ReturnType<typeof doctor>>, step: Advice.Step) => {
  assert.deepStrictEqual(result.steps, [...Advice.steps])
  const at = Advice.steps.indexOf(step)
  assert.deepStrictEqual(
    result.states,
    Object.fromEntries(Advice.steps.map((name, i) => [
      name,
      i === at ? "failed" : i > at || (name === "clock" && result.states.clock === "left out") ? "left out" : "ok"
    ]))
  )
  return result.by(step)
}

const files = { plans: { "a.txt": "hello" } }
const one = (options: TestTransport.ServerOptions = {}) =>
  TestTransport.layer({ nas: { shares: { data: files }, ...options } })
const refusing = (command: Parameters<typeof TestTransport.fault>[0], status: string, skip = 0) =>
  one({ faults: [TestTransport.fault(command, { status: status as "STATUS_ACCESS_DENIED" }, { skip })] })

describe("doctor", () => {
  it.effect("finds nothing wrong with a file that can be read", () =>
    Effect.gen(function*() {
      const result = yield* doctor("//nas/data/plans/a.txt", { transport: one() })
      assert.deepStrictEqual(result.steps, [...Advice.steps])
      assert.notInclude(result.out, "failed")
      assert.strictEqual(result.by("name").message, "nas is 10.0.0.7")
      assert.strictEqual(result.by("dialect").message, "SMB 3.1.1")
      assert.strictEqual(result.by("logon").message, "user by NTLM")
      assert.match(result.by("signing").message, /every message, by AES_GMAC; the server does not demand it/)
      assert.match(result.by("path").message, /a\.txt is a file$/)
      assert.notInclude(result.out, "\"password\"")
    }))

  it.effect("an unknown host", () =>
    Effect.gen(function*() {
      const failed = failedAt(yield* doctor("//unknown/data", { transport: TestTransport.layer({}) }), "name")
      assert.match(failed.advice!, /spelling/)
    }))

  it.effect("a name without an address that is a domain: the steps go on at a controller", () =>
    Effect.gen(function*() {
      const { by, states } = yield* doctor("//corp/public/a.txt", {
        transport: TestTransport.layer({
          dc1: { referrals: { "\\\\corp\\public": { targets: ["\\\\fs1\\public"] } } },
          fs1: { shares: { public: { "a.txt": "text" } } }
        })
      })
      assert.strictEqual(by("name").message, "corp is a domain; its controllers are dc1")
      assert.match(by("port").message, /^dc1 /)
      // A controller need not have the share of the namespace.
      assert.deepInclude(states, { share: "left out", DFS: "ok", path: "ok", rights: "ok" })
    }))

  it.effect("a refused port", () =>
    Effect.gen(function*() {
      const failed = failedAt(yield* doctor("//nas/data", { transport: TestTransport.layer({ nas: "down" }) }), "port")
      assert.match(failed.message, /refused/)
      assert.match(failed.advice!, /smbd/)
    }))

  it.effect("a port that accepts and is silent, within the timeout", () =>
    Effect.gen(function*() {
      const transport = one({ faults: [TestTransport.fault("NEGOTIATE", "silence")] })
      const failed = failedAt(yield* doctor("//nas/data", { transport }), "dialect")
      assert.match(failed.message, /did not answer in time/)
      assert.match(failed.advice!, /--timeout/)
    }))

  it.effect("a server that hangs up, one that is no SMB server, and one without a common dialect", () =>
    Effect.gen(function*() {
      const hungUp = failedAt(
        yield* doctor("//nas/data", { transport: one({ faults: [TestTransport.fault("NEGOTIATE", "drop")] }) }),
        "dialect"
      )
      assert.match(hungUp.advice!, /hosts allow/)
      const other = failedAt(
        yield* doctor("//nas/data", { transport: one({ faults: [TestTransport.fault("NEGOTIATE", "garbage")] }) }),
        "dialect"
      )
      assert.isDefined(other.message)
      const old = failedAt(
        yield* doctor("//nas/data", { transport: one({ dialect: "2.1" }), client: { dialects: ["3.1.1"] } }),
        "dialect"
      )
      assert.match(old.advice!, /--dialect/)
    }))

  it.effect("a server that speaks only SMB 1, and SMB 1 that was asked for", () =>
    Effect.gen(function*() {
      const failed = failedAt(yield* doctor("//old/data", { transport: Peer.make().layer }), "dialect")
      assert.match(failed.message, /SMB 1/)
      assert.match(failed.advice!, /--dialect nt1, which is insecure/)
      const { by } = yield* doctor("//old", {
        transport: Peer.make().layer,
        client: { dialects: ["NT1"], signing: "if-required" }
      })
      assert.deepInclude(by("dialect"), { state: "ok", message: "SMB 1" })
      assert.match(by("dialect").advice!, /insecure/)
      // Nothing is signed: that is told too.
      assert.match(by("signing").advice!, /--signing required/)
    }))

  it.effect.each(
    [
      ["STATUS_LOGON_FAILURE", /password.*locked/],
      ["STATUS_ACCOUNT_LOCKED_OUT", /unlock/],
      ["STATUS_ACCOUNT_DISABLED", /enable/],
      ["STATUS_PASSWORD_EXPIRED", /new password/],
      ["STATUS_LOGON_TYPE_NOT_GRANTED", /over the network/],
      ["STATUS_TIME_DIFFERENCE_AT_DC", /clock of this machine/]
    ] as const
  )("a logon that the server refuses with %s", ([status, advice]) =>
    Effect.gen(function*() {
      const failed = failedAt(
        yield* doctor("//nas/data", { transport: refusing("SESSION_SETUP", status, 1) }),
        "logon"
      )
      assert.match(failed.advice!, advice)
    }))

  it.effect("a wrong password, which is sent once", () =>
    Effect.gen(function*() {
      const servers = yield* Layer.build(one())
      const result = yield* doctor("//nas/data/plans", {
        transport: Layer.succeedContext(servers),
        credential: Credentials.password("user", Redacted.make("hunter-seven"))
      })
      failedAt(result, "logon")
      const commands = yield* Effect.provide(
        Effect.flatMap(TestTransport.TestServers, (servers) => servers.commands),
        servers
      )
      assert.lengthOf(commands.filter((command) => command === "SESSION_SETUP"), 2)
      assert.notInclude(result.out, "hunter-seven")
    }))

  it.effect("a clock that is wrong: a failure for Kerberos, and a hint for others", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const systemTime = FileTime.fromMillis(Date.UTC(2026, 0, 1) + 600_000)
      const ways = () => ({
        transport: Peer.make(({ header }) =>
          header.command === Command.SMB_COM_NEGOTIATE ? { body: Peer.negotiated({ systemTime }) } : undefined
        ).layer,
        client: { dialects: ["NT1"], signing: "if-required" } as const
      })
      const hint = (yield* doctor("//old", ways())).by("clock")
      assert.deepInclude(hint, { state: "ok", message: "the server's clock is 10 minutes ahead of this machine" })
      assert.match(hint.advice!, /Kerberos refuses/)
      assert.strictEqual((yield* doctor("//old", { ...ways(), kerberos: true })).by("clock").state, "failed")
    }))

  it.effect("signing that only the server demands, and signing that only the client demands of a guest's session", () =>
    Effect.gen(function*() {
      const demanded = yield* doctor("//nas/data", {
        transport: one({ signing: "required" }),
        client: { signing: "if-required" }
      })
      assert.deepInclude(demanded.by("signing"), { state: "ok" })
      assert.match(demanded.by("signing").message, /every message, by AES_GMAC; the server demands it/)
      const guest = yield* doctor("//nas/data", {
        transport: one({ guest: true }),
        credential: Credentials.password("stranger", Redacted.make("x"))
      })
      const failed = failedAt(guest, "signing")
      assert.match(failed.advice!, /guest/)
    }))

  it.effect("encryption that only the client demands", () =>
    Effect.gen(function*() {
      const { by, states } = yield* doctor("//nas/data", {
        transport: one({ dialect: "2.1" }),
        client: { encryption: "required" }
      })
      assert.deepInclude(states, { port: "ok", logon: "left out", signing: "failed", share: "left out" })
      assert.match(by("signing").advice!, /SMB 3/)
    }))

  it.effect("no right to use the share", () =>
    Effect.gen(function*() {
      const transport = one({
        faults: [{
          on: "TREE_CONNECT",
          when: ({ request }) => request._tag === "TREE_CONNECT" && !request.body.path.endsWith("IPC$"),
          is: { status: "STATUS_ACCESS_DENIED" }
        }]
      })
      const failed = failedAt(yield* doctor("//nas/data/plans", { transport }), "share")
      assert.match(failed.advice!, /permissions of the share/)
    }))

  it.effect("a name in the middle of the path that is missing, and one at its end", () =>
    Effect.gen(function*() {
      const middle = yield* doctor("//nas/data/plans/none/b.txt", { transport: one() })
      assert.deepInclude(middle.states, { DFS: "ok", path: "failed", rights: "left out" })
      assert.strictEqual(
        middle.by("path").advice,
        "\\\\nas\\data\\plans exists, and has no \"none\". Check this name."
      )
      const end = yield* doctor("//nas/data/plans/b.txt", { transport: one() })
      assert.match(end.by("path").advice!, /has no "b\.txt"/)
    }))

  it.effect("no rights to the entry", () =>
    Effect.gen(function*() {
      const { by, states } = yield* doctor("//nas/data/plans/a.txt", {
        transport: refusing("CREATE", "STATUS_ACCESS_DENIED")
      })
      assert.deepInclude(states, { share: "ok", path: "left out", rights: "failed" })
      assert.match(by("rights").advice!, /owner/)
    }))

  const dfs = (state: { readonly [host: string]: TestTransport.ServerOptions | "down" }) =>
    TestTransport.layer({
      ns: {
        shares: { dfs: {} },
        referrals: {
          "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs"] },
          "\\\\ns\\dfs\\plans": { targets: ["\\\\fs1\\plans", "\\\\fs2\\plans"] }
        }
      },
      ...state
    })
  const up = { shares: { plans: { "a.txt": "text" } } }

  it.effect("a DFS link with one dead target, and with no other", () =>
    Effect.gen(function*() {
      const half = yield* doctor("//ns/dfs/plans/a.txt", { transport: dfs({ fs1: "down", fs2: up }) })
      assert.deepInclude(half.states, { DFS: "ok", path: "ok" })
      assert.match(half.by("DFS").message, /link with 2 targets/)
      assert.match(half.by("DFS").advice!, /1 of them/)
      assert.isTrue(half.by("DFS").details!.some((line) => /^\\\\fs1\\plans does not work: .*refused/.test(line)))
      assert.isTrue(half.by("DFS").details!.includes("\\\\fs2\\plans answers"))
      const dead = failedAt(
        yield* doctor("//ns/dfs/plans/a.txt", { transport: dfs({ fs1: "down", fs2: "down" }) }),
        "DFS"
      )
      assert.match(dead.message, /none of them works|No target/)
      assert.match(dead.advice!, /link/)
      const off = yield* doctor("//ns/dfs", { transport: dfs({}), dfs: false })
      assert.deepInclude(off.states, { DFS: "left out", path: "ok" })
    }))
})

describe("doctor at a real server", () => {
  it.live("names the shares if the share is missing, and knows the rights of a file", () =>
    Effect.gen(function*() {
      const { port } = yield* Served.server()
      const context = yield* Layer.build(Served.client({ port }))
      const run = (text: string) =>
        Served.printed(
          Doctor.doctor(Served.path(text), {
            json: true,
            credential: Served.credential,
            kerberos: false,
            dfs: true,
            dfsPort: port,
            addressesOf: () => Effect.succeed({ addresses: ["127.0.0.1"], given: true })
          }).pipe(Effect.provide(context))
        )
      const missing = yield* run(`//127.0.0.1:${port}/dta/x`)
      assert.strictEqual(missing.failure?.code, 1)
      const share = missing.objects().find(({ step }) => step === "share")
      assert.strictEqual(share.state, "failed")
      assert.match(share.advice, /The server has: data\./)
      const good = yield* run(`//127.0.0.1:${port}/data`)
      assert.isUndefined(good.failure)
      const rights = good.objects().find(({ step }) => step === "rights")
      assert.match(rights.message, /^this user can list, add files, add folders/)
      const clock = good.objects().find(({ step }) => step === "clock")
      assert.strictEqual(clock.message, "the server's clock is the same as here")
    }))
})

describe("the words of doctor", () => {
  it("name the rights of a file and of a directory", () => {
    const mask = AccessMask.FILE_READ_DATA | AccessMask.FILE_APPEND_DATA | AccessMask.DELETE
    assert.deepStrictEqual(AccessWords.of(mask, false), ["read", "append", "delete"])
    assert.deepStrictEqual(AccessWords.of(mask, true), ["list", "add folders", "delete"])
  })

  it("are a line for each step, its details and its advice, without control characters of a server", () => {
    assert.strictEqual(
      text({
        step: "DFS",
        state: "failed",
        message: "no\u001b[2J target",
        details: ["ask ns"],
        advice: "Start one."
      }),
      "FAILED    DFS     no?[2J target\n                  - ask ns\n                  => Start one.\n"
    )
  })
})
