/**
 * Servers whose IPC$ cannot be used, or that respond to a referral request with malformed data: in fallback mode
 * everything that works without DFS must work with it. Through the whole client, over servers in memory.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import type * as NtStatus from "../../src/Codec/NtStatus.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import type { Fault, Reaction, Received } from "../../src/Testing/TestServer.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"
import * as VirtualTime from "../../src/Testing/VirtualTime.ts"
import { bare } from "./namespace.ts"

const isIpc = ({ request }: Received | TestTransport.Logged): boolean =>
  request._tag === "TREE_CONNECT" && request.body.path.toUpperCase().endsWith("\\IPC$")
const isQuestion = ({ request }: Received | TestTransport.Logged): boolean =>
  request._tag === "IOCTL" &&
  (request.body.ctlCode === Fsctl.FSCTL_DFS_GET_REFERRALS || request.body.ctlCode === Fsctl.FSCTL_DFS_GET_REFERRALS_EX)

const ipc = (is: Reaction): Fault => ({ on: "TREE_CONNECT", when: isIpc, is })
const question = (is: Reaction): Fault => ({ on: "IOCTL", when: isQuestion, is })
const output = (hex: string): Reaction => ({
  response: {
    _tag: "IOCTL",
    body: {
      ctlCode: Fsctl.FSCTL_DFS_GET_REFERRALS,
      fileId: { persistent: 0xffff_ffff_ffff_ffffn, volatile: 0xffff_ffff_ffff_ffffn },
      flags: 0,
      input: new Uint8Array(0),
      output: new Uint8Array(Buffer.from(hex, "hex"))
    }
  }
})

const statuses: ReadonlyArray<NtStatus.Name> = [
  "STATUS_ACCESS_DENIED",
  "STATUS_BAD_NETWORK_NAME",
  "STATUS_OBJECT_NAME_NOT_FOUND",
  "STATUS_OBJECT_PATH_NOT_FOUND",
  "STATUS_BAD_DEVICE_TYPE",
  "STATUS_NOT_SUPPORTED",
  "STATUS_INVALID_PARAMETER",
  "STATUS_REQUEST_NOT_ACCEPTED",
  "STATUS_INSUFF_SERVER_RESOURCES",
  "STATUS_INSUFFICIENT_RESOURCES",
  "STATUS_NETWORK_ACCESS_DENIED",
  "STATUS_LOGON_FAILURE",
  "STATUS_USER_SESSION_DELETED",
  "STATUS_NETWORK_SESSION_EXPIRED"
]

/** The faults by name, and the error in strict mode. */
const faults: ReadonlyArray<readonly [name: string, fault: Fault, strict: string]> = [
  ...statuses.map((status) => [`${status} to IPC$`, ipc({ status }), "ReferralUnavailable"] as const),
  ["the end of the connection at IPC$", ipc("drop"), "ReferralUnavailable"],
  ["no response to IPC$", ipc("silence"), "ReferralUnavailable"],
  ["a truncated response to IPC$", ipc({ body: new Uint8Array(3) }), "ReferralUnavailable"],
  ["the end of the connection at the referral request", question("drop"), "ReferralUnavailable"],
  ["no response to the referral request", question("silence"), "ReferralUnavailable"],
  ["a truncated response to the referral request", question({ body: new Uint8Array(3) }), "ReferralUnavailable"],
  ["a referral of no bytes", question(output("")), "Malformed"],
  ["a malformed referral", question(output("1e000100020000000400220000")), "Malformed"],
  ["a referral of an unknown version", question(output("1e0001000200000009000800000000000000")), "Unsupported"],
  ["a referral that never fits", question({ status: "STATUS_BUFFER_OVERFLOW" }), "Overflow"]
]

const run = <A, E>(
  host: TestTransport.ServerOptions,
  options: DfsAdapter.DfsAdapterOptions,
  use: (smb: SmbClient.Client, servers: TestTransport.TestServers["Service"]) => Effect.Effect<A, E>,
  password = "password"
) => {
  const transport = TestTransport.layer({ nas: host })
  const user = Credentials.layer(Credentials.password("user", Redacted.make(password)))
  return Effect.gen(function*() {
    return yield* use(yield* SmbClient.SmbClient, yield* TestTransport.TestServers)
  }).pipe(Effect.provide(Layer.mergeAll(
    DfsAdapter.layerWithoutDiscovery(options).pipe(Layer.provide(SmbClient.layer()), Layer.provide([transport, user])),
    transport
  )))
}
/** A server that says in its NEGOTIATE response that it supports DFS, and hosts no namespace. */
const files = { shares: { data: { "who.txt": "nas" } }, referrals: {} }
const path = "\\\\nas\\data\\who.txt"
const asked = (servers: TestTransport.TestServers["Service"]) =>
  Effect.map(servers.requests, (all) => all.filter((one) => isIpc(one) || isQuestion(one)).length)

/** A share that is announced to be in DFS, on a server whose referrals are unavailable. */
const announced = (fault: Fault): TestTransport.ServerOptions => ({
  shares: { data: { "who.txt": "nas" } },
  referrals: {
    "\\\\nas\\data": { targets: ["\\\\nas\\data"] },
    "\\\\nas\\data\\link": { targets: ["\\\\elsewhere\\data"] }
  },
  faults: [fault]
})

describe("fallback mode reads and writes without DFS, and remembers it, after", () => {
  for (const [name, fault] of faults) {
    it.effect(name, () =>
      run({ ...files, faults: [fault] }, {}, (smb, servers) =>
        Effect.gen(function*() {
          const { exit, took } = yield* VirtualTime.run(smb.readFileString(path))
          assert.deepStrictEqual(Exit.isSuccess(exit) ? exit.value : Cause.squash(exit.cause), "nas")
          assert.isAtMost(took, 11_000)
          // The result is remembered.
          const before = yield* asked(servers)
          yield* smb.writeFile(path, "new")
          yield* TestClock.adjust("20 seconds")
          assert.strictEqual(yield* smb.readFileString(path), "new")
          assert.strictEqual(yield* asked(servers), before)
          // The share's own errors are reported unchanged.
          const missing: any = yield* Effect.flip(smb.readFile("\\\\nas\\data\\none"))
          assert.deepInclude(missing, { _tag: "SmbError", statusName: "STATUS_OBJECT_NAME_NOT_FOUND" })
          const share: any = yield* Effect.flip(smb.readFile("\\\\nas\\none\\x"))
          assert.deepInclude(share, {
            _tag: "SmbError",
            statusName: "STATUS_BAD_NETWORK_NAME",
            command: "TREE_CONNECT"
          })
          assert.isFalse(yield* smb.exists("\\\\nas\\data\\none\\x"))
        })))
  }
})

describe("strict mode fails with server and step after", () => {
  for (const [name, fault, tag] of faults) {
    it.effect(name, () =>
      run({ ...files, faults: [fault] }, { mode: "strict" }, (smb) =>
        Effect.gen(function*() {
          const { exit } = yield* VirtualTime.run(smb.readFileString(path))
          const error = bare(Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined)
          assert.deepStrictEqual([error?._tag, error?.server, error?.step], [tag, "nas", 6])
        })))
  }
})

describe("a server that says in its NEGOTIATE response that it does not support DFS", () => {
  const without = { shares: files.shares }

  it.effect("is not asked in fallback mode, not even for IPC$", () =>
    run(without, {}, (smb, servers) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* smb.readFileString(path), "nas")
        assert.isFalse(yield* smb.exists("\\\\nas\\data\\none\\x"))
        assert.strictEqual(yield* asked(servers), 0)
      })))

  it.effect("is not asked in strict mode, which fails with NotDfsCapable", () =>
    run(without, { mode: "strict" }, (smb, servers) =>
      Effect.gen(function*() {
        const error = bare(yield* Effect.flip(smb.readFileString(path)))
        assert.deepStrictEqual([error._tag, error.server, error.step], ["NotDfsCapable", "nas", 6])
        assert.include(error.message, "\\nas\\data")
        assert.strictEqual(yield* asked(servers), 0)
      })))
})

describe("a server whose referrals are unavailable", () => {
  it.effect("is asked again after six minutes", () =>
    run({ ...files, faults: [ipc({ status: "STATUS_ACCESS_DENIED" })] }, {}, (smb, servers) =>
      Effect.gen(function*() {
        yield* smb.readFileString(path)
        assert.strictEqual(yield* asked(servers), 1)
        yield* TestClock.adjust("6 minutes")
        yield* smb.readFileString(path)
        assert.strictEqual(yield* asked(servers), 2)
      })))

  it.effect("fails at a link with the reason, and is asked again at the next link", () =>
    run(announced({ ...ipc({ status: "STATUS_ACCESS_DENIED" }), times: 2 }), {}, (smb) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* smb.readFileString(path), "nas")
        const error = bare(yield* Effect.flip(smb.readFile("\\\\nas\\data\\link\\x")))
        assert.deepStrictEqual([error._tag, error.path, error.step], ["ReferralUnavailable", "\\nas\\data", 6])
        assert.include(error.message, "STATUS_ACCESS_DENIED to TREE_CONNECT")
        // Now its IPC$ exists.
        const target: any = yield* Effect.flip(smb.readFile("\\\\nas\\data\\link\\x"))
        assert.strictEqual(target.reason._tag, "NoTargetLeft")
      })))

  it.effect("fails with the referral's error when an announced share says that the path does not exist", () =>
    run(
      {
        ...announced(question(output(""))),
        faults: [question(output("")), { on: "CREATE", is: { status: "STATUS_OBJECT_PATH_NOT_FOUND" } }]
      },
      {},
      (smb) =>
        Effect.gen(function*() {
          const error: any = yield* Effect.flip(smb.readFile("\\\\nas\\data\\link\\x"))
          assert.deepStrictEqual([error._tag, error.server], ["Malformed", "nas"])
        })
    ))

  it.effect("can be a root's target: a missing name does not exist there", () =>
    run(announced({ ...ipc({ status: "STATUS_ACCESS_DENIED" }), skip: 1 }), {}, (smb) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* smb.readFileString(path), "nas")
        yield* TestClock.adjust("1 minute")
        assert.isFalse(yield* smb.exists("\\\\nas\\data\\none"))
        assert.strictEqual(yield* smb.readFileString(path), "nas")
      })))

  it.effect("gets a wrong password once in both modes", () =>
    Effect.gen(function*() {
      for (const mode of ["fallback", "strict"] as const) {
        yield* run(
          { ...files, faults: [ipc({ status: "STATUS_ACCESS_DENIED" })] },
          { mode },
          (smb, servers) =>
            Effect.gen(function*() {
              const error: any = yield* Effect.flip(smb.readFile(path))
              assert.deepInclude(error, {
                _tag: "SmbError",
                statusName: "STATUS_LOGON_FAILURE",
                command: "SESSION_SETUP"
              })
              const logons = (yield* servers.commands).filter((one) => one === "SESSION_SETUP").length
              assert.strictEqual(logons, 2, "one logon has two legs")
            }),
          "wrong"
        )
      }
    }))

  it.effect("fails with BadSignature in fallback mode when its response is signed wrongly", () =>
    run({ ...files, faults: [ipc({ signature: "wrong" })] }, {}, (smb) =>
      Effect.gen(function*() {
        const error: any = yield* Effect.flip(smb.readFile(path))
        assert.deepInclude(error, { _tag: "ProtocolError", reason: { _tag: "BadSignature" } })
      })))

  it.effect("costs `askTimeout` once when it is silent", () =>
    run({ ...files, faults: [ipc("silence")] }, { askTimeout: "2 seconds" }, (smb) =>
      Effect.gen(function*() {
        const { took } = yield* VirtualTime.run(smb.readFileString(path))
        assert.isAtLeast(took, 2000)
        assert.isAtMost(took, 3000)
        assert.strictEqual((yield* VirtualTime.run(smb.readFileString(path))).took, 0)
      })))
})
