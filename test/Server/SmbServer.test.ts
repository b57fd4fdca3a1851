/**
 * Proves that the server serves this project's client over TCP in each dialect, with each cipher and signing algorithm:
 * files, streams, copies, descriptors, encrypted and read-only shares, refusals and the list of shares.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, type Scope, Stream } from "effect"
import { Credentials, SmbClient, TcpTransport } from "effect-smb"
import { Transport } from "effect-smb/Protocol"
import { randomBytes } from "node:crypto"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"

const host = "127.0.28.2"

const server = (options: Partial<SmbServer.Options> = {}) =>
  SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({ joe: Redacted.make("secret"), ann: Redacted.make("other") }),
    shares: {
      data: MemoryStore.make(),
      secret: { store: MemoryStore.make(), encrypt: true },
      old: { store: MemoryStore.make(), readOnly: true }
    },
    ...options
  })

/** A new client of the server on `port`. */
const client = (
  port: number,
  options: SmbClient.Options = {},
  password = "secret"
): Effect.Effect<SmbClient.Client, never, Scope.Scope> => {
  const toPort = Layer.effect(
    Transport.Transport,
    Effect.map(Transport.Transport, (tcp) => ({
      connect: (endpoint: Transport.Endpoint, handlers: Transport.Handlers) =>
        tcp.connect({ ...endpoint, port }, handlers)
    }))
  ).pipe(Layer.provide(TcpTransport.layer()))
  return Effect.map(
    Layer.build(
      SmbClient.layer(options).pipe(
        Layer.provide([toPort, Credentials.layer(Credentials.password("joe", Redacted.make(password)))])
      )
    ),
    (context) => Context.get(context, SmbClient.SmbClient)
  )
}

class Running extends Context.Service<Running, SmbServer.SmbServer["Service"]>()("test/Server/Running") {
  static readonly layer = Layer.effect(Running, server())
}

const base = `\\\\${host}\\data`

/** Writes, reads, lists, renames, copies and removes files in a new folder. */
const work = (smb: SmbClient.Client, folder: string) =>
  Effect.gen(function*() {
    yield* smb.makeDirectory(folder)
    const bytes = Uint8Array.from(randomBytes(300_001))
    yield* smb.writeFile(`${folder}\\a.bin`, bytes)
    assert.deepStrictEqual(yield* smb.readFile(`${folder}\\a.bin`), bytes)
    yield* smb.writeFile(`${folder}\\small.txt`, "hello")
    assert.strictEqual(yield* smb.readFileString(`${folder}\\SMALL.TXT`), "hello")
    const names = yield* Stream.runCollect(smb.list(folder))
    assert.deepStrictEqual(names.map((entry) => entry.name).sort(), ["a.bin", "small.txt"])
    yield* smb.rename(`${folder}\\small.txt`, `${folder}\\renamed.txt`)
    assert.isFalse(yield* smb.exists(`${folder}\\small.txt`))
    assert.strictEqual((yield* smb.stat(`${folder}\\renamed.txt`)).size, 5n)
    yield* smb.truncate(`${folder}\\renamed.txt`, 2n)
    assert.strictEqual(yield* smb.readFileString(`${folder}\\renamed.txt`), "he")
    yield* smb.writeFile(`${folder}\\renamed.txt:more`, "stream")
    assert.deepStrictEqual((yield* smb.namedStreams(`${folder}\\renamed.txt`)).map((one) => one.name), ["more"])
    yield* smb.copy(`${folder}\\a.bin`, `${folder}\\b.bin`)
    assert.deepStrictEqual(yield* smb.readFile(`${folder}\\b.bin`), bytes)
    assert.isDefined((yield* smb.security.get(`${folder}\\b.bin`)).owner)
    yield* smb.remove(folder, { recursive: true })
    assert.isFalse(yield* smb.exists(folder))
  })

layer(Running.layer, { excludeTestServices: true })("SmbServer", (it) => {
  for (const dialect of ["2.0.2", "2.1", "3.0", "3.0.2", "3.1.1"] as const) {
    it.effect(`serves a client of dialect ${dialect}, signed`, () =>
      Effect.gen(function*() {
        const { port } = yield* Running
        yield* work(yield* client(port, { dialects: [dialect] }), `${base}\\signed ${dialect}`)
      }))
  }

  for (const cipher of ["AES_128_CCM", "AES_128_GCM", "AES_256_CCM", "AES_256_GCM"] as const) {
    it.effect(`serves a client that requires encryption with ${cipher}`, () =>
      Effect.gen(function*() {
        const { port } = yield* Running
        const smb = yield* client(port, { ciphers: [cipher], encryption: "required" })
        yield* work(smb, `${base}\\encrypted ${cipher}`)
      }))
  }

  for (const algorithm of ["HMAC_SHA256", "AES_CMAC", "AES_GMAC"] as const) {
    it.effect(`serves a client that signs with ${algorithm}`, () =>
      Effect.gen(function*() {
        const { port } = yield* Running
        yield* work(yield* client(port, { signingAlgorithms: [algorithm] }), `${base}\\by ${algorithm}`)
      }))
  }

  it.effect("serves an encrypted share in 3.1.1 and 3.0, and refuses it in 2.1", () =>
    Effect.gen(function*() {
      const { port } = yield* Running
      yield* work(yield* client(port), `\\\\${host}\\secret\\one`)
      yield* work(yield* client(port, { dialects: ["3.0"] }), `\\\\${host}\\secret\\two`)
      const error = yield* Effect.flip((yield* client(port, { dialects: ["2.1"] })).stat(`\\\\${host}\\secret`))
      assert.strictEqual(error._tag === "SmbError" ? error.reason._tag : error._tag, "AccessDenied")
    }))

  it.effect("accepts a multi-protocol NEGOTIATE", () =>
    Effect.gen(function*() {
      const { port } = yield* Running
      yield* work(yield* client(port, { multiProtocol: true }), `${base}\\multi`)
      yield* work(yield* client(port, { multiProtocol: true, dialects: ["2.0.2"] }), `${base}\\multi 2.0.2`)
    }))

  it.effect("refuses a wrong password, an unknown share, and a write to a read-only share", () =>
    Effect.gen(function*() {
      const { port } = yield* Running
      const wrong = yield* Effect.flip((yield* client(port, {}, "wrong")).stat(base))
      assert.strictEqual(wrong._tag === "SmbError" ? wrong.reason._tag : wrong._tag, "LogonFailure")
      const smb = yield* client(port)
      const unknown = yield* Effect.flip(smb.stat(`\\\\${host}\\nowhere`))
      assert.strictEqual(unknown._tag === "SmbError" ? unknown.reason._tag : unknown._tag, "BadNetworkName")
      const readOnly = yield* Effect.flip(smb.writeFile(`\\\\${host}\\old\\x`, "x"))
      assert.strictEqual(readOnly._tag === "SmbError" ? readOnly.reason._tag : readOnly._tag, "AccessDenied")
    }))

  it.effect("lists its shares and IPC$", () =>
    Effect.gen(function*() {
      const { port } = yield* Running
      const shares = yield* (yield* client(port)).shares(`\\\\${host}`)
      assert.deepStrictEqual(shares.map((share) => share.name).sort(), ["IPC$", "data", "old", "secret"])
    }))
})
