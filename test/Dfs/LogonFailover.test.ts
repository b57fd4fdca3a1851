/**
 * Which status of a logon leads to the next target or to the next domain controller (MS-DFSC 3.1.5.2). A server that
 * cannot check the user is of no use, but other servers may be. A refused account is refused by all, and each further
 * try counts towards a lock.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as NtStatus from "../../src/Codec/NtStatus.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import type * as DfsOptions from "../../src/Dfs/DfsOptions.ts"
import { fromStatus } from "../../src/Protocol/Errors.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"

const run = <A, E>(
  hosts: TestTransport.Hosts,
  options: DfsOptions.DfsOptions,
  use: (smb: SmbClient.Client, servers: TestTransport.TestServers["Service"]) => Effect.Effect<A, E>
) => {
  const transport = TestTransport.layer(hosts)
  const user = Credentials.layer(Credentials.password("user", Redacted.make("password")))
  return Effect.gen(function*() {
    return yield* use(yield* SmbClient.SmbClient, yield* TestTransport.TestServers)
  }).pipe(Effect.provide(Layer.mergeAll(
    DfsAdapter.layerWithoutDiscovery(options).pipe(Layer.provide(SmbClient.layer()), Layer.provide([transport, user])),
    transport
  )))
}

/** The servers that got a logon, each once, in the order of their first. */
const loggedOn = (servers: TestTransport.TestServers["Service"]) =>
  Effect.map(servers.requests, (all) => [
    ...new Set(all.filter(({ command }) => command === "SESSION_SETUP").map(({ server }) => server))
  ])

const refusing = (on: "SESSION_SETUP" | "TREE_CONNECT", status: NtStatus.Name): TestTransport.ServerOptions => ({
  shares: { data: { "who.txt": "a" } },
  faults: [{ on, is: { status } }]
})

/** A link with the targets a and b. */
const withLink = (a: TestTransport.ServerOptions): TestTransport.Hosts => ({
  ns: {
    shares: { dfs: {} },
    referrals: {
      "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs"] },
      "\\\\ns\\dfs\\link": { targets: ["\\\\a\\data", "\\\\b\\data"] }
    }
  },
  a,
  b: { shares: { data: { "who.txt": "b" } } }
})
const path = "\\\\ns\\dfs\\link\\who.txt"

/** The server cannot find out whether the user may log on, or does not let this kind of logon in. */
const ofServer: ReadonlyArray<NtStatus.Name> = [
  "STATUS_NO_LOGON_SERVERS",
  "STATUS_DOMAIN_CONTROLLER_NOT_FOUND",
  "STATUS_NETLOGON_NOT_STARTED",
  "STATUS_NO_TRUST_LSA_SECRET",
  "STATUS_NO_TRUST_SAM_ACCOUNT",
  "STATUS_TRUSTED_DOMAIN_FAILURE",
  "STATUS_TRUSTED_RELATIONSHIP_FAILURE",
  "STATUS_TRUST_FAILURE",
  "STATUS_DOMAIN_TRUST_INCONSISTENT",
  "STATUS_TIME_DIFFERENCE_AT_DC",
  "STATUS_NTLM_BLOCKED",
  "STATUS_LOGON_TYPE_NOT_GRANTED",
  "STATUS_REQUEST_NOT_ACCEPTED"
]

/** Every server of the domain refuses this account. */
const ofAccount: ReadonlyArray<NtStatus.Name> = [
  "STATUS_ACCOUNT_DISABLED",
  "STATUS_ACCOUNT_LOCKED_OUT",
  "STATUS_PASSWORD_EXPIRED"
]

describe("a target that answers the logon with", () => {
  for (const status of ofServer) {
    it.effect(`${status} is left for the next target, and is not asked again soon`, () =>
      run(withLink(refusing("SESSION_SETUP", status)), {}, (smb, servers) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* smb.readFileString(path), "b")
          assert.deepStrictEqual(yield* loggedOn(servers), ["ns", "a", "b"])
          const before = (yield* servers.requests).filter(({ server }) => server === "a").length
          assert.strictEqual(yield* smb.readFileString(path), "b")
          assert.strictEqual((yield* servers.requests).filter(({ server }) => server === "a").length, before)
        })))
  }

  for (const status of ofAccount) {
    it.effect(`${status} ends the operation with that status, and no other target gets the account`, () =>
      run(withLink(refusing("SESSION_SETUP", status)), {}, (smb, servers) =>
        Effect.gen(function*() {
          const error: any = yield* Effect.flip(smb.readFileString(path))
          assert.deepInclude(error, { _tag: "SmbError", statusName: status, command: "SESSION_SETUP" })
          assert.deepStrictEqual(yield* loggedOn(servers), ["ns", "a"])
        })))
  }
})

describe("a share that answers TREE_CONNECT with", () => {
  // The share has as many users as it may have, or the server is paused (MS-CIFS 3.3.5.45).
  for (const status of ["STATUS_REQUEST_NOT_ACCEPTED", "STATUS_SHARING_PAUSED"] as const) {
    it.effect(`${status} is left for the next target`, () =>
      run(withLink(refusing("TREE_CONNECT", status)), {}, (smb) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* smb.readFileString(path), "b")
        })))
  }
})

it("a status that does not answer a logon or a TREE_CONNECT leads to no other target", () => {
  for (const status of ofServer) {
    for (const command of ["CREATE", "WRITE", "SET_INFO", "CLOSE"]) {
      assert.strictEqual(DfsAdapter.judge(fromStatus(NtStatus.NtStatus[status], command)), "Failed")
    }
  }
})

describe("a controller of a domain that answers the logon with", () => {
  const controllers = { domainControllers: { "corp.test": ["dc1.corp.test", "dc2.corp.test"] } }
  const controller: TestTransport.ServerOptions = {
    shares: { dfs: { "root.txt": "root" } },
    referrals: { "\\\\corp.test\\dfs": { targets: ["\\\\dc2.corp.test\\dfs"] } }
  }
  const hosts = (status: NtStatus.Name): TestTransport.Hosts => ({
    "dc1.corp.test": { ...controller, faults: [{ on: "SESSION_SETUP", is: { status } }] },
    "dc2.corp.test": controller
  })

  for (const status of ["STATUS_NO_LOGON_SERVERS", "STATUS_TRUSTED_RELATIONSHIP_FAILURE"] as const) {
    it.effect(`${status} is left for the next controller`, () =>
      run(hosts(status), controllers, (smb, servers) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* smb.readFileString("\\\\corp.test\\dfs\\root.txt"), "root")
          assert.deepStrictEqual(yield* loggedOn(servers), ["dc1.corp.test", "dc2.corp.test"])
        })))
  }

  for (
    const status of ["STATUS_WRONG_PASSWORD", "STATUS_NO_SUCH_USER", "STATUS_LOGON_FAILURE", ...ofAccount] as const
  ) {
    it.effect(`${status} is the only one that gets the account`, () =>
      run(hosts(status), controllers, (smb, servers) =>
        Effect.gen(function*() {
          const error: any = yield* Effect.flip(smb.readFileString("\\\\corp.test\\dfs\\root.txt"))
          assert.strictEqual(error.reason._tag, "NoDomainController")
          assert.include(error.message, status)
          assert.deepStrictEqual(yield* loggedOn(servers), ["dc1.corp.test"])
        })))
  }
})
