/**
 * Proves that a session outlives its expiry: the user authenticates again on the same session, once for all requests
 * that wait, and files, locks and the connection stay. The own server lets sessions expire after a moment.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Metric, Redacted, Stream } from "effect"
import { Credentials, SmbClient, SmbServer } from "effect-smb"
import * as ClientMetrics from "../../src/Client/ClientMetrics.ts"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import * as Cutting from "./cutting.ts"

const limits = { sessionTime: "400 millis" } as const
/** Longer than the server's sessions. */
const expiry = Effect.sleep("700 millis")

const sessionSetup = 1

/** Counts the SESSION_SETUP requests of a line, if they are not encrypted. */
const setups = (line: Cutting.Line): () => number => {
  let count = 0
  line.onSend = (packet) => {
    if (packet.length > 68 && packet[4] === 0xfe && Cutting.commandOf(packet) === sessionSetup) count++
    return undefined
  }
  return () => count
}

const bytes = (text: string) => new TextEncoder().encode(text)

const ways: ReadonlyArray<readonly [string, SmbClient.Options]> = [
  ["3.1.1, signed", {}],
  ["3.1.1, encrypted", { encryption: "required" }],
  ["3.0", { dialects: ["3.0"] }],
  ["2.1", { dialects: ["2.1"] }],
  ["2.0.2", { dialects: ["2.0.2"] }]
]

describe("a session that has expired", () => {
  for (const [name, options] of ways) {
    it.live(`goes on with its open files and their locks: ${name}`, () =>
      Effect.gen(function*() {
        const { base, line, other, told, smb } = yield* Cutting.world(options, { limits })
        yield* smb.writeFile(`${base}/f`, "one", { create: true })
        const file = yield* smb.open(`${base}/f`, OpenMode.readWrite)
        yield* file.lock([{ offset: 0, length: 10 }])
        yield* expiry
        yield* file.write(0, bytes("two"))
        yield* expiry
        assert.strictEqual((yield* smb.stat(`${base}/f`)).size, 3n)
        assert.strictEqual(Buffer.from(yield* file.read(0, 10)).toString(), "two")
        const stranger = yield* other.open(`${base}/f`, OpenMode.readWrite)
        const refused = yield* Effect.flip(Effect.scoped(stranger.lock([{ offset: 0, length: 1 }], { wait: false })))
        assert.deepInclude(refused, { _tag: "SmbError", statusName: "STATUS_LOCK_NOT_GRANTED" })
        yield* file.close
        assert.strictEqual(line.connections, 1)
        assert.deepStrictEqual(told(), [])
      }).pipe(Effect.scoped))
  }

  it.live("is authenticated once for all requests that wait", () =>
    Effect.gen(function*() {
      const { base, line, smb } = yield* Cutting.world({ reconnect: "never" }, { limits })
      yield* smb.writeFile(`${base}/f`, "text", { create: true })
      const file = yield* smb.open(`${base}/f`, OpenMode.read)
      yield* expiry
      const count = setups(line)
      const before = yield* Metric.value(ClientMetrics.reauthentications.of("succeeded"))
      yield* Effect.all(
        [
          ...Array.from({ length: 30 }, () => file.read(0, 4)),
          smb.readFile(`${base}/f`),
          Stream.runDrain(smb.list(base))
        ],
        { concurrency: "unbounded", discard: true }
      )
      // Two for a logon by NTLM.
      assert.strictEqual(count(), 2)
      const after = yield* Metric.value(ClientMetrics.reauthentications.of("succeeded"))
      assert.strictEqual(Number(after.count) - Number(before.count), 1)
    }).pipe(Effect.scoped))

  it.live("is authenticated to the end although the request that began it is interrupted", () =>
    Effect.gen(function*() {
      const { base, line, smb } = yield* Cutting.world({ reconnect: "never" }, { limits })
      yield* smb.writeFile(`${base}/f`, "text", { create: true })
      const file = yield* smb.open(`${base}/f`, OpenMode.read)
      yield* expiry
      const begun = yield* Deferred.make<void>()
      let count = 0
      line.onSend = (packet) => {
        if (Cutting.commandOf(packet) === sessionSetup && ++count === 1) Deferred.doneUnsafe(begun, Effect.void)
        return undefined
      }
      const first = yield* Effect.forkChild(file.read(0, 4))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(first)
      assert.strictEqual(Buffer.from(yield* file.read(0, 4)).toString(), "text")
      assert.strictEqual(count, 2)
    }).pipe(Effect.scoped))

  it.live("gets the password that the provider gives now, and ends if that is refused", () =>
    Effect.gen(function*() {
      const { port } = yield* SmbServer.make({
        host: "127.0.0.1",
        port: 0,
        users: UserStore.inMemory({ joe: Redacted.make("secret") }),
        shares: { data: MemoryStore.make() },
        limits
      })
      let password = "secret"
      let asked = 0
      const credentials = Credentials.layerFrom(() =>
        Effect.sync(() => {
          asked++
          return Credentials.password("joe", Redacted.make(password))
        })
      )
      const line = new Cutting.Line()
      yield* Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const f = `//127.0.0.1:${port}/data/f`
        yield* smb.writeFile(f, "text", { create: true })
        const file = yield* smb.open(f, OpenMode.read)
        assert.strictEqual(asked, 1)
        yield* expiry
        yield* file.read(0, 4)
        assert.strictEqual(asked, 2)
        password = "wrong"
        yield* expiry
        const count = setups(line)
        const failed = yield* Effect.all([file.read(0, 4), file.read(0, 4)].map(Effect.flip), {
          concurrency: "unbounded"
        })
        for (const error of failed) {
          assert.strictEqual(error._tag, "SmbError")
          assert.include(error.message, "authenticate again failed")
        }
        assert.strictEqual(count(), 2)
        // The refused password is not tried again.
        const refused = yield* Effect.flip(smb.readFile(f))
        assert.include(refused.message, "not tried again")
        assert.strictEqual(count(), 2)
      }).pipe(
        Effect.provide(
          SmbClient.layer({ reconnect: "never" }).pipe(Layer.provide([line.layer, credentials]))
        )
      )
    }).pipe(Effect.scoped))

  it.live("ends with an error if the server lets it expire again at once after each logon", () =>
    Effect.gen(function*() {
      const { base, line, smb } = yield* Cutting.world({ reconnect: "never" }, { limits: { sessionTime: 0 } })
      const count = setups(line)
      const error = yield* Effect.flip(smb.readFile(`${base}/f`))
      assert.deepInclude(error, { _tag: "SmbError", statusName: "STATUS_NETWORK_SESSION_EXPIRED" })
      assert.include(error.message, "authenticated again 3 times")
      assert.strictEqual(count(), 2 + 3 * 2)
    }).pipe(Effect.scoped))
})

it.live("TREE_CONNECT and CREATE wait for the user who authenticates again, and CLOSE does not", () =>
  Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host: "127.0.0.1",
      port: 0,
      users: UserStore.inMemory({ joe: Redacted.make("secret") }),
      shares: { data: MemoryStore.make(), more: MemoryStore.make() },
      limits
    })
    const line = new Cutting.Line()
    yield* Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const base = `//127.0.0.1:${port}`
      yield* smb.writeFile(`${base}/data/f`, "text", { create: true })
      const file = yield* smb.open(`${base}/data/f`, OpenMode.read)
      yield* expiry
      const count = setups(line)
      yield* file.close
      assert.strictEqual(count(), 0)
      yield* smb.writeFile(`${base}/more/g`, "text", { create: true })
      assert.strictEqual(count(), 2)
      yield* expiry
      assert.strictEqual(yield* smb.readFileString(`${base}/more/g`), "text")
      assert.strictEqual(count(), 4)
      assert.strictEqual(line.connections, 1)
    }).pipe(
      Effect.provide(
        SmbClient.layer({ reconnect: "never" }).pipe(
          Layer.provide([
            line.layer,
            Credentials.layer(Credentials.password("joe", Redacted.make("secret")))
          ])
        )
      )
    )
  }).pipe(Effect.scoped))

it.live("a logon names the session that was lost with its connection, and no session that was logged off", () =>
  Effect.gen(function*() {
    const { base, line, smb } = yield* Cutting.world({ idle: 0 })
    /** SessionId in the header, and PreviousSessionId of a SESSION_SETUP request (MS-SMB2 2.2.1.2, 2.2.5). */
    const named: Array<bigint> = []
    let sessionId = 0n
    line.onSend = (packet) => {
      const own = packet.readBigUInt64LE(4 + 40)
      if (Cutting.commandOf(packet) === sessionSetup) named.push(packet.readBigUInt64LE(4 + 64 + 16))
      else if (own !== 0n) sessionId = own
      return undefined
    }
    yield* smb.writeFile(`${base}/f`, "text", { create: true })
    // The connection was not used any more, so the session was logged off.
    const file = yield* smb.open(`${base}/f`, OpenMode.read)
    yield* file.read(0, 4)
    assert.deepStrictEqual(named, [0n, 0n, 0n, 0n])
    const before = sessionId
    line.cut()
    yield* file.read(0, 4)
    assert.deepStrictEqual(named.slice(4), [before, before])
    assert.notStrictEqual(sessionId, before)
  }).pipe(Effect.scoped))

it.live("each logon after a loss names the session before it, which its server ends at once", () =>
  Effect.gen(function*() {
    // No durable handles, so that only the end of its session closes an open.
    const { base, line, smb } = yield* Cutting.world({}, { limits: { durables: 0 } })
    const named: Array<bigint> = []
    const sessions: Array<bigint> = []
    line.onSend = (packet) => {
      const own = packet.readBigUInt64LE(4 + 40)
      // The first token of a logon has no SessionId yet.
      if (Cutting.commandOf(packet) === sessionSetup) {
        if (own === 0n) named.push(packet.readBigUInt64LE(4 + 64 + 16))
      } else if (own !== 0n && own !== sessions.at(-1)) sessions.push(own)
      return undefined
    }
    yield* smb.writeFile(`${base}/f`, "text", { create: true })
    const file = yield* smb.open(`${base}/f`, { ...OpenMode.readWrite, shareAccess: 0 })
    for (const text of ["one", "two", "six"]) {
      // The server still has the connection, and would refuse the second open of a file that no other open may share.
      line.forget()
      yield* file.write(0, bytes(text))
    }
    assert.strictEqual(Buffer.from(yield* file.read(0, 4)).toString(), "sixt")
    assert.strictEqual(sessions.length, 4)
    assert.deepStrictEqual(named, [0n, ...sessions.slice(0, 3)])
  }).pipe(Effect.scoped))
