/**
 * What the failure of a referral request means, by the error and by what the client knows of domains; and a race of
 * connections, with each failure in it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { AuthenticationError } from "../../src/Auth/AuthenticationError.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as Race from "../../src/Dfs/internal/Race.ts"
import * as RequestFailure from "../../src/Dfs/internal/RequestFailure.ts"
import {
  Malformed,
  NamespaceNotFound,
  NotDfsCapable,
  Overflow,
  ReferralRefused,
  ReferralUnavailable,
  Unsupported
} from "../../src/Protocol/DfsError.ts"
import { fromStatus, TransportError } from "../../src/Protocol/Errors.ts"

const place = { server: "corp.test", path: "\\corp.test\\public" }
const command = { _tag: "AskReferral", ...place, kind: "root" } as const
const refusal = (reason: "InvalidCredential" | "LogonRejected" | "ServerUnknown", more: object = {}) =>
  new AuthenticationError({ reason: { _tag: reason }, detail: "no ticket", ...more })
const toEvent = (error: Parameters<typeof RequestFailure.toEvent>[0], domain?: string, discovers = false) =>
  RequestFailure.toEvent(error, domain === undefined ? command : { ...command, domain }, discovers)

describe("the failure of a referral request", () => {
  it("is an answer if the server's response says that no referral exists, or cannot be read", () => {
    const answers = [
      new Malformed({ structure: "S", offset: 1, expected: "x" }),
      new Overflow({ ...place, size: 1 }),
      new Unsupported({ what: "x" }),
      new NotDfsCapable(place),
      new NamespaceNotFound({ ...place, status: 1 }),
      new ReferralRefused({ ...place, status: 1 })
    ]
    for (const error of answers) assert.deepStrictEqual(toEvent(error), { _tag: "ReferralFailed", error })
  })

  it("is a server without referrals if the server does not answer them, with the reason", () => {
    const cause = fromStatus(NtStatus.STATUS_ACCESS_DENIED, "TREE_CONNECT")
    const error = new ReferralUnavailable({ ...place, detail: "its IPC$ refuses", cause })
    assert.deepStrictEqual(toEvent(error), {
      _tag: "Unreachable",
      error,
      reason: "its IPC$ refuses",
      unavailable: error
    })
  })

  it("refuses the user if the logon was refused, and no other failure does", () => {
    const table = [
      [fromStatus(NtStatus.STATUS_LOGON_FAILURE, "SESSION_SETUP"), true],
      [fromStatus(NtStatus.STATUS_ACCOUNT_DISABLED, "SESSION_SETUP"), true],
      [fromStatus(NtStatus.STATUS_LOGON_FAILURE, "TREE_CONNECT"), false],
      [fromStatus(NtStatus.STATUS_NO_LOGON_SERVERS, "SESSION_SETUP"), false],
      [refusal("InvalidCredential"), true],
      [refusal("LogonRejected"), true],
      [refusal("ServerUnknown"), false],
      [new TransportError({ reason: { _tag: "ConnectionRefused" }, server: "corp.test", port: 445 }), false]
    ] as const
    for (const [error, refusesUser] of table) {
      // The caller is told that controllers are looked for, so no hint is missing.
      assert.deepStrictEqual(toEvent(error, undefined, true), {
        _tag: "Unreachable",
        error,
        reason: error.message,
        refusesUser
      })
    }
  })

  it("says how a domain is found if Kerberos does not know the name, unless the domain or its controllers are known", () => {
    const given = { mechanism: "Kerberos", server: "corp.test" }
    for (const more of [{}, given]) {
      const error = refusal("ServerUnknown", more)
      const hinted = toEvent(error)
      assert(hinted._tag === "Unreachable" && hinted.error instanceof AuthenticationError)
      assert.strictEqual(hinted.error.reason._tag, "ServerUnknown")
      assert.match(
        hinted.error.detail,
        /^no ticket; if corp\.test is a domain and no server, name its controllers in domainControllers, or use /
      )
      assert.deepStrictEqual(
        [hinted.error.mechanism, hinted.error.server],
        "mechanism" in more ? ["Kerberos", "corp.test"] : [undefined, undefined]
      )
      for (const event of [toEvent(error, "corp.test"), toEvent(error, undefined, true)]) {
        assert(event._tag === "Unreachable")
        assert.strictEqual(event.error, error)
      }
    }
    const other = refusal("InvalidCredential")
    const event = toEvent(other)
    assert(event._tag === "Unreachable")
    assert.strictEqual(event.error, other)
  })
})

describe("a race of connections", () => {
  const targets = ["a", "b", "c"].map((server) => ({ server, share: "data", path: "" }))

  /** Each target answers after some milliseconds, with success or an error. */
  const race = (plan: Readonly<Record<string, readonly [number, string?]>>) => {
    const starts: Array<string> = []
    const run = Race.run(targets, {
      connect: ({ server }) =>
        Effect.suspend(() => {
          starts.push(server)
          const [time, error] = plan[server]!
          return Effect.andThen(Effect.sleep(time), error === undefined ? Effect.void : Effect.fail(error))
        }),
      judge: (error) => error.startsWith("server") ? "ServerFailed" : "TargetFailed",
      stagger: 100,
      reasonOf: (error) => `because ${error}`
    })
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(run)
      // In small steps, so that what ends a step runs before the next one.
      for (let i = 0; i < 100; i++) yield* TestClock.adjust("10 millis")
      return { event: yield* Fiber.join(fiber), starts }
    })
  }
  const failure = (index: number, error: string, what: "server" | "share") => ({
    index,
    error,
    reason: `because ${error}`,
    what
  })

  it.effect("gives the first that answers, and the failures until then", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* race({ a: [50], b: [1], c: [1] }), {
        event: { _tag: "Connected", index: 0, failures: [] },
        starts: ["a"]
      })
      assert.deepStrictEqual(yield* race({ a: [500], b: [50], c: [1] }), {
        event: { _tag: "Connected", index: 1, failures: [] },
        starts: ["a", "b"]
      })
      assert.deepStrictEqual(yield* race({ a: [10, "server down"], b: [10, "share gone"], c: [10] }), {
        event: {
          _tag: "Connected",
          index: 2,
          failures: [failure(0, "server down", "server"), failure(1, "share gone", "share")]
        },
        starts: ["a", "b", "c"]
      })
    }))

  it.effect("fails with all failures", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* race({ a: [10, "x"], b: [10, "server y"], c: [10, "z"] })).event, {
        _tag: "ConnectFailed",
        failures: [failure(0, "x", "share"), failure(1, "server y", "server"), failure(2, "z", "share")]
      })
    }))
})
