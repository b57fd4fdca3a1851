/**
 * Proves what an operation does that begins while a server does not answer an ECHO, on virtual time: it waits for a few
 * seconds, and then goes on over a new connection, if nothing is lost with the old one.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Redacted, Stream } from "effect"
import { Credentials, OpenMode, SmbClient, TestTransport, VirtualTime } from "effect-smb"
import * as Information from "../../src/Client/Information.ts"

const base = "\\\\nas\\data"
const path = `${base}\\file.bin`

const layer = (faults: ReadonlyArray<TestTransport.Fault>, options: SmbClient.Options = {}) =>
  SmbClient.layer({ idle: "1 hour", ...options }).pipe(
    Layer.provideMerge(
      TestTransport.layerFiles({
        data: { "file.bin": new Uint8Array(10), folder: { a: "a", b: "b" } },
        more: { a: "a" }
      }, { faults })
    ),
    Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
  )

const provide = (...given: Parameters<typeof layer>) => Effect.provide(layer(...given))

/** The first connection gets no answer to an ECHO, as if the network had forgotten it. */
const silence: TestTransport.Fault = { on: "ECHO", times: 1, is: "silence" }

/** After 15 seconds the client asks by an ECHO. */
const idle = Effect.sleep("18 seconds")

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.timed(effect), ([took]) => Duration.toMillis(took))

/** Runs in virtual time. Gives its result, and the number of connections that were made. */
const run = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { exit } = yield* VirtualTime.run(effect, { limit: "1 hour" })
    const servers = yield* TestTransport.TestServers
    return { result: yield* exit, connected: yield* servers.connected }
  })

const listing = Information.queryDirectory("FileIdBothDirectoryInformation", {
  pattern: "*",
  restart: true,
  maximum: 65536
})

describe("an operation on a connection that is silent", () => {
  it.effect("waits until the ECHO is five seconds old, and goes on over a new connection", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const { connected, result } = yield* run(
        Effect.andThen(Effect.andThen(smb.stat(path), idle), timed(smb.stat(path)))
      )
      assert.approximately(result, 2000, 1000)
      assert.strictEqual(connected, 2)
    }).pipe(provide([silence])))

  it.effect("does so too on another share of the server", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const { connected, result } = yield* run(
        Effect.andThen(Effect.andThen(smb.stat(path), idle), timed(smb.stat("\\\\nas\\more\\a")))
      )
      assert.approximately(result, 2000, 1000)
      assert.strictEqual(connected, 2)
    }).pipe(provide([silence])))

  it.effect("keeps the connection if the answer comes late", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const { connected, result } = yield* run(
        Effect.andThen(Effect.andThen(smb.stat(path), idle), timed(smb.stat(path)))
      )
      assert.approximately(result, 1000, 1000)
      assert.strictEqual(connected, 1)
    }).pipe(provide([{ on: "ECHO", times: 1, is: { delay: "4 seconds" } }])))

  it.effect("keeps the connection if an open file would be lost with it", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const { connected } = yield* run(Effect.scoped(Effect.gen(function*() {
        // This server gives no durable handle.
        const file = yield* smb.open(path, OpenMode.update)
        yield* idle
        yield* smb.stat(path)
        yield* file.write(0, Uint8Array.of(1))
      })))
      assert.strictEqual(connected, 1)
    }).pipe(provide([silence])))

  it.effect("lists an open directory again over a new connection, and not without reconnection", () =>
    Effect.gen(function*() {
      const listed = Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        return yield* run(
          smb.withShare(`${base}\\folder`, (share, path) =>
            Effect.gen(function*() {
              const directory = yield* share.open(path, OpenMode.directory)
              yield* idle
              return [yield* timed(directory.run(listing)), (yield* directory.run(listing)).length]
            })).pipe(Effect.scoped)
        )
      })
      const again = yield* listed.pipe(provide([silence]))
      assert.strictEqual(again.connected, 2)
      assert.approximately(again.result[0]!, 2000, 1000)
      assert.strictEqual(again.result[1], 4)
      const kept = yield* listed.pipe(provide([silence], { reconnect: "never" }))
      assert.strictEqual(kept.connected, 1)
    }))

  it.effect("lets a watch go on over a new connection, after it was told to list again", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const { connected, result } = yield* run(Effect.gen(function*() {
        const watch = yield* Effect.forkChild(Stream.runHead(smb.watch(`${base}\\folder`)))
        yield* idle
        yield* smb.stat(path)
        return yield* Fiber.join(watch)
      }))
      assert.strictEqual(connected, 2)
      assert.strictEqual(result._tag === "Some" ? result.value._tag : "None", "Overflow")
    }).pipe(provide([silence, { on: "CHANGE_NOTIFY", is: { pending: true, delay: "30 days" } }])))

  it.effect("keeps the connection while a request is under way whose effect would be in doubt", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const { connected, result } = yield* run(Effect.gen(function*() {
        yield* smb.stat(path)
        yield* Effect.sleep("10 seconds")
        const rename = yield* Effect.forkChild(smb.rename(path, `${base}\\other.bin`))
        yield* idle
        yield* smb.stat(`${base}\\folder`)
        return yield* Effect.exit(Fiber.join(rename))
      }))
      assert.strictEqual(connected, 1)
      assert.isTrue(Exit.isSuccess(result))
    }).pipe(provide([silence, { on: "SET_INFO", is: { delay: "25 seconds" } }])))
})
