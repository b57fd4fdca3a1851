/**
 * The servers in memory (TestTransport), as a client sees them: files, dialects, signing, encryption, scripts and
 * faults.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { Credentials, SmbClient, TestTransport, type Transport } from "effect-smb"
import * as faultsExample from "../../examples/faults.ts"
import * as testingExample from "../../examples/testing.ts"

const joe = Credentials.layer(Credentials.password("joe", Redacted.make("secret")))

/** A client of the servers in memory, and these servers. */
const client = (
  servers: Layer.Layer<Transport.Transport | TestTransport.TestServers>,
  options: SmbClient.Options = {}
) => SmbClient.layer({ reconnect: "never", ...options }).pipe(Layer.provideMerge(servers), Layer.provide(joe))

const files = { data: { "readme.txt": "hello", plans: { "a.txt": "A", "b.bin": new Uint8Array(200_000).fill(7) } } }
const secret = { user: "joe", password: "secret" }

layer(client(TestTransport.layerFiles(files, secret)))("an app over TestTransport.layerFiles", (it) => {
  it.effect("reads, writes, lists, renames and removes", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* smb.readFileString("\\\\nas\\data\\README.TXT"), "hello")
      assert.strictEqual((yield* smb.readFile("\\\\nas\\data\\plans\\b.bin")).length, 200_000)
      yield* smb.makeDirectory("\\\\nas\\data\\x\\y", { recursive: true })
      yield* smb.writeFile("\\\\nas\\data\\x\\y\\f.txt", "written")
      yield* smb.rename("\\\\nas\\data\\x\\y\\f.txt", "\\\\nas\\data\\x\\g.txt")
      const names = yield* smb.walk("\\\\nas\\data\\x").pipe(Stream.map(({ name }) => name), Stream.runCollect)
      assert.deepStrictEqual([...names].sort(), ["g.txt", "y"])
      yield* smb.remove("\\\\nas\\data\\x", { recursive: true })
      assert.isFalse(yield* smb.exists("\\\\nas\\data\\x"))
    }))
})

describe.each(["2.0.2", "2.1", "3.0", "3.0.2", "3.1.1"] as const)(
  "a client of TestTransport in dialect %s",
  (dialect) => {
    it.effect("logs on, writes and reads, and signs all later requests", () =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        yield* smb.writeFile("\\\\nas\\data\\new.bin", new Uint8Array(300_000).fill(3))
        assert.strictEqual((yield* smb.readFile("\\\\nas\\data\\new.bin")).length, 300_000)
        const servers = yield* TestTransport.TestServers
        for (const { command, signed } of yield* servers.requests) {
          assert.strictEqual(signed, !["NEGOTIATE", "SESSION_SETUP"].includes(command), command)
        }
      }).pipe(Effect.provide(client(TestTransport.layerFiles(files, { ...secret, dialect })))))
  }
)

describe("a client of TestTransport with encryption", () => {
  it.effect.each(["AES_128_CCM", "AES_128_GCM", "AES_256_CCM", "AES_256_GCM"] as const)(
    "encrypts all requests after the logon with %s",
    (cipher) =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        assert.strictEqual(yield* smb.readFileString("\\\\nas\\data\\readme.txt"), "hello")
        const servers = yield* TestTransport.TestServers
        for (const { command, encrypted } of yield* servers.requests) {
          assert.strictEqual(encrypted, !["NEGOTIATE", "SESSION_SETUP"].includes(command), command)
        }
      }).pipe(Effect.provide(
        client(TestTransport.layerFiles(files, { ...secret, ciphers: [cipher] }), { encryption: "required" })
      ))
  )
})

describe("TestTransport.scripted", () => {
  const { drop, expect, negotiate, sessionSetup, treeConnect } = TestTransport
  const read = Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    return yield* smb.readFileString("\\\\nas\\data\\readme.txt")
  })

  it.effect("closes the connection after the logon at `drop`", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(read)
      assert.deepInclude(error, { _tag: "TransportError", reason: { _tag: "ConnectionClosed" } })
      const servers = yield* TestTransport.TestServers
      assert.deepStrictEqual(
        yield* servers.commands,
        ["NEGOTIATE", "SESSION_SETUP", "SESSION_SETUP", "TREE_CONNECT"]
      )
    }).pipe(Effect.provide(client(TestTransport.layerScripted([negotiate, sessionSetup, drop], secret)))))

  it.effect("responds with typed messages, and with its own files otherwise", () => {
    const script = [
      negotiate,
      sessionSetup,
      treeConnect,
      expect("CREATE"),
      expect("READ", {
        response: { _tag: "READ", body: { dataRemaining: 0, flags: 0, buffer: new TextEncoder().encode("oddly") } }
      }),
      expect("CLOSE")
    ]
    return Effect.gen(function*() {
      assert.strictEqual(yield* read, "oddly")
    }).pipe(Effect.provide(client(TestTransport.layerScripted(script, { ...secret, shares: files }))))
  })

  it.effect("ends the connection at a request that the script does not expect, and names the expected one", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(read)
      assert(error._tag === "TransportError")
      assert.include(error.message, "the script expects QUERY_INFO")
    }).pipe(Effect.provide(
      client(
        TestTransport.layerScripted([negotiate, sessionSetup, treeConnect, expect("QUERY_INFO")], {
          ...secret,
          shares: files
        })
      )
    )))
})

describe("the faults of TestTransport", () => {
  it.effect("happen in order, each as often as `times` says", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const read = smb.readFileString("\\\\nas\\data\\readme.txt")
      assert.deepInclude(yield* Effect.flip(read), { statusName: "STATUS_ACCESS_DENIED" })
      assert.deepInclude(yield* Effect.flip(read), { statusName: "STATUS_SHARING_VIOLATION" })
      assert.strictEqual(yield* read, "hello")
    }).pipe(Effect.provide(client(TestTransport.layerFiles(files, {
      ...secret,
      faults: [
        TestTransport.fault("CREATE", { status: "STATUS_ACCESS_DENIED" }, { times: 1 }),
        TestTransport.fault("CREATE", { status: "STATUS_SHARING_VIOLATION" }, { times: 1 })
      ]
    })))))

  it.effect("are not needed for unsupported requests: a LOCK is NotSupported", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(Effect.scoped(Effect.gen(function*() {
        const file = yield* smb.open("\\\\nas\\data\\readme.txt")
        yield* file.lock([{ offset: 0, length: 1 }])
      })))
      assert.deepInclude(error, { statusName: "STATUS_NOT_SUPPORTED" })
    }).pipe(Effect.provide(client(TestTransport.layerFiles(files, secret)))))
})

describe("the examples of faults and testing", () => {
  it.effect("have the results that they document", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* faultsExample.patient, 2)
      assert.strictEqual((yield* faultsExample.cut)._tag, "TransportError")
      assert.deepStrictEqual(yield* testingExample.failover, { before: "hello", after: "2 targets failed" })
    }))
})
