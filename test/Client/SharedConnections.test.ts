/**
 * Which connection, session and tree the client makes again after a failure, and which it keeps: by the requests that a
 * server in memory gets for the next operation.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import type { Target } from "../../src/Client/Locator.ts"

const user = Credentials.password("user", Redacted.make("password"))
const shares = { data: { "f.txt": "text" }, more: { "g.txt": "more" } }
const f = "\\\\nas\\data\\f.txt"

const run = <A, E>(
  faults: ReadonlyArray<TestTransport.Fault>,
  use: (
    smb: SmbClient.Client,
    /** What the server gets to set up for an operation: the commands before its CREATE. */
    setup: (operation: Effect.Effect<unknown, unknown>) => Effect.Effect<ReadonlyArray<string>>
  ) => Effect.Effect<A, E>,
  credentials: Layer.Layer<Credentials.CredentialProvider> = Credentials.layer(user)
) =>
  Effect.gen(function*() {
    const servers = yield* TestTransport.TestServers
    const setup = (operation: Effect.Effect<unknown, unknown>) =>
      Effect.gen(function*() {
        const before = (yield* servers.commands).length
        yield* Effect.result(operation)
        return (yield* servers.commands).slice(before).filter((command) =>
          ["NEGOTIATE", "SESSION_SETUP", "TREE_CONNECT"].includes(command)
        )
      })
    return yield* use(yield* SmbClient.SmbClient, setup)
  }).pipe(
    Effect.provide(
      // The next operation is the subject, and not the one that failed.
      SmbClient.layer({ reconnect: "never" }).pipe(
        Layer.provideMerge(TestTransport.layerFiles(shares, { faults })),
        Layer.provide(credentials)
      )
    )
  )

const logon = ["SESSION_SETUP", "SESSION_SETUP"]
const all = ["NEGOTIATE", ...logon, "TREE_CONNECT"]

describe("after a TREE_CONNECT that failed, the next operation", () => {
  const table = [
    ["STATUS_BAD_NETWORK_NAME", ["TREE_CONNECT"]],
    ["STATUS_ACCESS_DENIED", ["TREE_CONNECT"]],
    ["STATUS_USER_SESSION_DELETED", all]
  ] as const
  it.effect.each(table)(
    "makes again what %s has ended, and nothing else",
    ([status, expected]) =>
      run([{ on: "TREE_CONNECT", times: 1, is: { status } }], (smb, setup) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(smb.readFile(f))
          assert.deepInclude(error, { _tag: "SmbError", command: "TREE_CONNECT", statusName: status })
          assert.deepStrictEqual(yield* setup(smb.readFile(f)), expected)
          assert.deepStrictEqual(yield* setup(smb.readFile(f)), [])
          // Another share of the server has its own tree in the same session.
          assert.deepStrictEqual(yield* setup(smb.readFile("\\\\nas\\more\\g.txt")), ["TREE_CONNECT"])
        }))
  )
})

describe("after a CREATE that failed, the next operation", () => {
  const table = [
    ["STATUS_ACCESS_DENIED", []],
    ["STATUS_OBJECT_NAME_NOT_FOUND", []],
    ["STATUS_NETWORK_NAME_DELETED", ["TREE_CONNECT"]],
    ["STATUS_USER_SESSION_DELETED", all]
  ] as const
  it.effect.each(table)(
    "makes again what %s has ended, and nothing else",
    ([status, expected]) =>
      run([{ on: "CREATE", times: 1, is: { status } }], (smb, setup) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(smb.readFile(f))
          assert.deepInclude(error, { _tag: "SmbError", command: "CREATE", statusName: status })
          assert.deepStrictEqual(yield* setup(smb.readFile(f)), expected)
          assert.deepStrictEqual(yield* setup(smb.readFile(f)), [])
        }))
  )
})

it.effect("after a logon that failed, the next logon has a new connection", () => {
  let now = Credentials.password("user", Redacted.make("wrong"))
  return run(
    [{ on: "SESSION_SETUP", skip: 1, times: 1, is: { status: "STATUS_LOGON_FAILURE" } }],
    (smb, setup) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* setup(smb.readFile(f)), ["NEGOTIATE", ...logon])
        now = user
        assert.deepStrictEqual(yield* setup(smb.readFile(f)), all)
        // A logon alone finds the session, and needs no tree.
        assert.deepStrictEqual(
          yield* setup(Effect.scoped(smb.logOn({ server: "NAS", port: 445, share: "x", path: "" }))),
          []
        )
      }),
    Credentials.layerFrom(() => Effect.sync(() => now))
  )
})

it.effect("a session is that of a user, a server and a domain; the credential provider is asked with both names", () => {
  const asked: Array<Credentials.CredentialRequest> = []
  const credentials = Credentials.layerFrom((request) =>
    Effect.sync(() => {
      asked.push(request)
      return user
    })
  )
  return run([], (smb, setup) => {
    const at = (server: string, share: string, domain?: string): Target => ({
      server,
      port: 445,
      share,
      path: "",
      ...(domain === undefined ? {} : { domain })
    })
    const connect = (target: Target) => setup(Effect.scoped(smb.connect(target)))
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* connect(at("nas", "data")), all)
      assert.deepStrictEqual(asked, [{ server: "nas" }])
      assert.deepStrictEqual(yield* connect(at("NAS", "DATA")), [])
      assert.deepStrictEqual(yield* connect(at("nas", "data", "")), [])
      assert.deepStrictEqual(yield* connect(at("nas", "data", "corp.test")), [...logon, "TREE_CONNECT"])
      assert.deepStrictEqual(asked.at(-1), { server: "nas", domain: "corp.test" })
      assert.deepStrictEqual(yield* connect(at("nas", "data", "CORP.test")), [])
      assert.deepStrictEqual(yield* connect(at("nas", "more", "corp.test")), ["TREE_CONNECT"])
      assert.deepStrictEqual(yield* setup(Effect.scoped(smb.logOn(at("nas", "IPC$", "other.test")))), logon)
    })
  }, credentials)
})
