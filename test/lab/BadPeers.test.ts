/**
 * Proves how this project's client fails, with one clear error that shows no secret, and goes on working: smbd refuses
 * it, a peer is no SMB server, or a proxy in front of smbd changes, cuts, drops or delays packets. smbd tells which
 * files are open.
 */
import { assert, layer } from "@effect/vitest"
import { Cause, Context, Duration, Effect, Exit, Fiber, Layer, Redacted, Stream } from "effect"
import { Credentials, OpenMode, type SmbClient } from "effect-smb"
import { NtlmCrypto } from "effect-smb/Auth"
import { createServer, type Socket } from "node:net"
import { inspect } from "node:util"
import { Command, Dialect } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import { noise, sha256, timed } from "./checks/Place.ts"
import * as Clients from "./Clients.ts"
import * as Lab from "./Lab.ts"

const servers = Lab.servers({
  server: { address: "127.0.25.1", shares: [{ name: "data" }, { name: "dfs", dfs: { link: "127.0.25.1\\data" } }] },
  old: {
    address: "127.0.25.2",
    minimumDialect: "NT1",
    maximumDialect: "NT1",
    shares: [{ name: "data" }]
  },
  guests: { address: "127.0.25.3", guest: true, shares: [{ name: "data", guest: true }] }
})

class World extends Context.Service<World, Effect.Success<typeof servers>>()("test/lab/BadPeers/World") {
  static readonly layer = Layer.effect(
    World,
    Effect.tap(servers, ({ guests, server }) =>
      Effect.all([
        server.write("data", "small.txt", "small"),
        server.write("data", "large", noise(4_000_000)),
        server.write("data", "folder/x", "x"),
        guests.write("data", "small.txt", "for everyone")
      ]))
  )
}

/** What a peer breaks is the subject, and not how a client goes on after it. */
const client = (options: Clients.ClientOptions = {}) => Clients.client({ reconnect: "never", ...options })

const secret = Lab.user.password
const hash = NtlmCrypto.ntHash(secret)
const forbidden = [secret, Buffer.from(hash).toString("hex"), inspect(Buffer.from(hash)).slice(8, 40)]

/** Checks that no text of an error shows a secret. */
const check = (error: unknown, given: ReadonlyArray<string> = []): void => {
  const texts = [inspect(error, { depth: 20, showHidden: true }), JSON.stringify(error), String(error)]
  for (const text of texts) for (const word of [...forbidden, ...given]) assert.notInclude(text, word)
}

interface Failure {
  readonly _tag: string
  readonly reason?: { readonly _tag: string }
  readonly message: string
}

/** How an effect fails, such as `ProtocolError BadSignature`. It must fail within `within` milliseconds, without secrets. */
const failure = <A, E extends Failure, R>(effect: Effect.Effect<A, E, R>, within = 3000) =>
  Effect.map(timed(Effect.exit(effect)), ([took, exit]) => {
    assert(Exit.isFailure(exit), "it did not fail")
    check(exit.cause)
    check(Cause.pretty(exit.cause))
    const error = Cause.squash(exit.cause) as E
    check(error)
    assert.isBelow(took, within)
    // One clear line.
    assert.match(error.message, /^[^\n]{10,400}$/)
    return [error._tag, ...(error.reason === undefined ? [] : [error.reason._tag])].join(" ")
  })

const read = (smb: SmbClient.Client, host = "127.0.25.1", name = "small.txt") =>
  smb.readFileString(`\\\\${host}\\data\\${name}`)

/** A TCP server that is not an SMB server. */
const stranger = (address: string, serve: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => socket.destroy())
        serve(socket)
      })
      server.listen(4450, address, () =>
        resume(Effect.succeed({
          close: () => {
            for (const socket of sockets) socket.destroy()
            server.close()
          }
        })))
    }),
    ({ close }) => Effect.sync(close)
  )

const proxied = (onPacket: (packet: Lab.Packet) => Lab.Verdict) =>
  Effect.tap(
    Lab.proxy({ listen: { address: "127.0.25.4" }, target: { address: "127.0.25.1" } }),
    (proxy) => proxy.onPacket(onPacket)
  )

// Offsets in a packet with its four bytes of length.
const body = 4 + 64
const commandOf = (bytes: Buffer) => bytes.readUInt16LE(4 + 12)
const isEncrypted = (bytes: Buffer) => bytes[4] === 0xfd
const flip = (bytes: Buffer, at: number) => {
  bytes[at]! ^= 0x40
  return bytes
}
const READ = 8

/** A client behind the proxy. `change` can change the packets to the client. */
const tampered = Effect.fnUntraced(function*(
  options: Clients.ClientOptions,
  change: (bytes: Buffer, packet: Lab.Packet) => Lab.Verdict
) {
  const proxy = yield* proxied((packet) =>
    packet.direction === "toClient" ? change(packet.bytes, packet) : packet.bytes
  )
  return { proxy, smb: yield* client(options) }
})

/** Waits until smbstatus reports no open file. */
const nothingOpen = (server: Lab.Server) =>
  Effect.gen(function*() {
    const conf = `${server.path("", "..")}/smb.conf`
    let said = ""
    for (let round = 0; round < 40; round++) {
      const { stderr, stdout } = yield* Effect.promise(() => Lab.mustExecute("smbstatus", ["-s", conf, "-L"]))
      said = stdout + stderr
      if (said.includes("No locked files")) return
      yield* Effect.sleep(50)
    }
    assert.fail(said)
  })

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("a client of bad peers", (it) => {
  it.effect("fails with LogonFailure or AccessDenied for a wrong password, an unknown user and an anonymous logon", () =>
    Effect.gen(function*() {
      const wrong = yield* client({ credential: Credentials.password("smbtest", Redacted.make("Wrong-5ecret")) })
      const error = yield* Effect.flip(read(wrong))
      check(error, ["Wrong-5ecret"])
      assert.include(error.message, "STATUS_LOGON_FAILURE")
      assert.strictEqual(yield* failure(read(wrong)), "SmbError LogonFailure")
      const unknown = yield* client({ credential: Credentials.password("nobody-here", Redacted.make(secret)) })
      assert.strictEqual(yield* failure(read(unknown)), "SmbError LogonFailure")
      const anonymous = yield* client({ credential: Credentials.anonymous })
      assert.strictEqual(yield* failure(read(anonymous)), "SmbError AccessDenied")
    }))

  it.effect("names what does not exist: server, port, host name, share, file, and refuses invalid paths", () =>
    Effect.gen(function*() {
      const smb = yield* client()
      assert.strictEqual(yield* failure(read(smb, "127.0.25.9")), "TransportError ConnectionRefused")
      assert.strictEqual(yield* failure(read(smb, "127.0.25.1:4451")), "TransportError ConnectionRefused")
      assert.strictEqual(yield* failure(read(smb, "no-such-host.invalid"), 10_000), "TransportError HostNotFound")
      assert.strictEqual(
        yield* failure(smb.readFile("\\\\127.0.25.1\\none\\x")),
        "SmbError BadNetworkName"
      )
      assert.strictEqual(yield* failure(read(smb, "127.0.25.1", "none")), "SmbError ObjectNameNotFound")
      assert.strictEqual(yield* failure(smb.readFile("\\\\127.0.25.1")), "PathError InvalidPath")
      assert.strictEqual(yield* failure(smb.readFile("C:\\x")), "PathError InvalidPath")
      assert.strictEqual(yield* failure(smb.readFile("\\\\127.0.25.1\\data\\..\\..\\x")), "PathError InvalidPath")
      // The working connection is not affected.
      assert.strictEqual(yield* read(smb), "small")
    }))

  it.effect("fails with Smb1Only at a server that speaks only SMB 1", () =>
    Effect.gen(function*() {
      for (const multiProtocol of [false, true]) {
        const smb = yield* client({ multiProtocol })
        assert.strictEqual(yield* failure(read(smb, "127.0.25.2")), "ProtocolError Smb1Only")
      }
    }))

  it.effect("refuses to be a guest if it requires signing or encryption, and is one otherwise", () =>
    Effect.gen(function*() {
      const credential = Credentials.password("stranger", Redacted.make("x"))
      const smb = yield* client({ credential })
      assert.strictEqual(yield* failure(read(smb, "127.0.25.3")), "ProtocolError SigningUnavailable")
      const lenient = yield* client({ credential, signing: "if-required" })
      assert.strictEqual(yield* read(lenient, "127.0.25.3"), "for everyone")
      const guest = yield* client({ credential: Credentials.guest })
      assert.strictEqual(yield* read(guest, "127.0.25.3"), "for everyone")
      const encrypting = yield* client({ credential: Credentials.guest, encryption: "required" })
      assert.strictEqual(yield* failure(read(encrypting, "127.0.25.3")), "ProtocolError EncryptionUnavailable")
    }))

  it.effect("fails with EncryptionUnavailable in 2.1 if it requires encryption, and reads if encryption is optional", () =>
    Effect.gen(function*() {
      const smb = yield* client({ encryption: "required", dialects: ["2.1"] })
      assert.strictEqual(yield* failure(read(smb)), "ProtocolError EncryptionUnavailable")
      const offered = yield* client({ encryption: "if-offered", dialects: ["2.1"] })
      assert.strictEqual(yield* read(offered), "small")
    }))

  it.effect("fails with NotSmb, TimedOut or Closed at a peer that is not an SMB server", () =>
    Effect.gen(function*() {
      const smb = yield* client({ requestTimeout: Duration.seconds(1) })
      yield* stranger("127.0.25.5", (socket) => {
        socket.write("HTTP/1.1 400 Bad Request\r\n\r\n")
      })
      assert.strictEqual(yield* failure(read(smb, "127.0.25.5:4450")), "ProtocolError NotSmb")
      yield* stranger("127.0.25.6", () => {})
      assert.strictEqual(yield* failure(read(smb, "127.0.25.6:4450"), 4000), "TransportError TimedOut")
      yield* stranger("127.0.25.7", (socket) => socket.end())
      assert.strictEqual(yield* failure(read(smb, "127.0.25.7:4450")), "TransportError ConnectionClosed")
      // A well-framed packet of another protocol.
      yield* stranger("127.0.25.8", (socket) => socket.write(Buffer.from("\0\0\0\x05hello", "latin1")))
      assert.strictEqual(yield* failure(read(smb, "127.0.25.8:4450")), "ProtocolError NotSmb")
    }))

  it.effect("fails with BadSignature for a changed response in a signed session, and reads again afterwards", () =>
    Effect.gen(function*() {
      let armed = false
      for (const dialect of ["2.1", "3.0.2", "3.1.1"] as const) {
        for (const name of ["small.txt", "large"]) {
          yield* Effect.scoped(Effect.gen(function*() {
            const { smb } = yield* tampered(
              { dialects: [dialect] },
              (bytes) =>
                armed && (commandOf(bytes) === READ || bytes.readUInt32LE(4 + 20) !== 0)
                  ? flip(bytes, bytes.length - 1)
                  : bytes
            )
            armed = false
            assert.strictEqual(yield* read(smb, "127.0.25.4"), "small")
            armed = true
            assert.strictEqual(yield* failure(read(smb, "127.0.25.4", name)), "ProtocolError BadSignature")
            armed = false
            assert.strictEqual(yield* read(smb, "127.0.25.4"), "small")
          }))
        }
      }
    }))

  it.effect("fails with NotSigned for a TREE_CONNECT response whose signed flag was removed", () =>
    Effect.gen(function*() {
      const { smb } = yield* tampered({}, (bytes) => {
        if (commandOf(bytes) === 3) bytes[4 + 16]! &= ~8
        return bytes
      })
      assert.strictEqual(yield* failure(read(smb, "127.0.25.4")), "ProtocolError NotSigned")
    }))

  it.effect("fails with DecryptionFailed for a changed response in an encrypted session", () =>
    Effect.gen(function*() {
      for (const cipher of ["AES_128_CCM", "AES_256_GCM"] as const) {
        yield* Effect.scoped(Effect.gen(function*() {
          const { smb } = yield* tampered({ encryption: "required", ciphers: [cipher] }, (bytes) =>
            isEncrypted(bytes) ? flip(bytes, bytes.length - 1) : bytes)
          assert.strictEqual(yield* failure(read(smb, "127.0.25.4")), "ProtocolError DecryptionFailed")
        }))
      }
    }))

  it.effect("fails with Downgrade, BadSignature or DialectRefused when the negotiation was changed", () =>
    Effect.gen(function*() {
      const dialects = ["2.0.2", "2.1", "3.0", "3.0.2"] as const
      // Changed in the response: the server cannot encrypt (SMB2_GLOBAL_CAP_ENCRYPTION).
      const heard = yield* tampered({ dialects }, (bytes) => commandOf(bytes) === 0 ? flip(bytes, body + 24) : bytes)
      assert.strictEqual(yield* failure(read(heard.smb, "127.0.25.4")), "ProtocolError Downgrade")
      // Changed in the request: nothing newer than 2.1.
      yield* heard.proxy.onPacket(({ bytes, direction }) => {
        if (direction === "toServer" && commandOf(bytes) === Command.NEGOTIATE) {
          for (let at = body + 36; at < bytes.length; at += 2) {
            if (bytes.readUInt16LE(at) >= Dialect.SMB_3_0) bytes.writeUInt16LE(Dialect.SMB_2_1, at)
          }
        }
        return bytes
      })
      const said = yield* client({ dialects })
      assert.strictEqual(yield* failure(read(said, "127.0.25.4")), "ProtocolError Downgrade")
      // In 3.1.1 the keys depend on each byte of the negotiation.
      yield* heard.proxy.onPacket(({ bytes, direction }) =>
        direction === "toClient" && commandOf(bytes) === 0 ? flip(bytes, body + 24) : bytes
      )
      const bound = yield* client()
      assert.strictEqual(yield* failure(read(bound, "127.0.25.4")), "ProtocolError BadSignature")
      // A dialect that the client did not offer.
      yield* heard.proxy.onPacket(({ bytes, direction }) => {
        if (direction === "toClient" && commandOf(bytes) === Command.NEGOTIATE) {
          bytes.writeUInt16LE(Dialect.SMB_3_1_1, body + 4)
        }
        return bytes
      })
      assert.strictEqual(yield* failure(read(said, "127.0.25.4")), "ProtocolError DialectRefused")
    }))

  it.effect("fails with Malformed, NotSmb, TooLarge or TimedOut for packets that are too short, too long or incomplete", () =>
    Effect.gen(function*() {
      const cut = (length: number) => (bytes: Buffer) => {
        const short = Buffer.from(bytes.subarray(0, 4 + length))
        short.writeUInt32BE(length, 0)
        return short
      }
      const { proxy, smb } = yield* tampered({}, cut(20))
      assert.strictEqual(yield* failure(read(smb, "127.0.25.4")), "Malformed")
      for (const length of [3, 63, 65, 80, 120]) {
        yield* proxy.onPacket(({ bytes, direction }) => direction === "toClient" ? cut(length)(bytes) : bytes)
        assert.match(yield* failure(read(smb, "127.0.25.4")), /^(Malformed|ProtocolError NotSmb)$/, String(length))
      }
      yield* proxy.onPacket(({ bytes, direction }) =>
        direction === "toClient" ? Buffer.of(0, 0xff, 0xff, 0xff, 1, 2, 3) : bytes
      )
      const careful = yield* client({ maximumFrame: 2 * 1024 * 1024 })
      assert.strictEqual(yield* failure(read(careful, "127.0.25.4")), "ProtocolError PacketTooLarge")
      const patient = yield* client({ requestTimeout: Duration.seconds(1) })
      assert.strictEqual(yield* failure(read(patient, "127.0.25.4"), 4000), "TransportError TimedOut")
      yield* proxy.onPacket(undefined)
      assert.strictEqual(yield* read(smb, "127.0.25.4"), "small")
    }))

  it.effect("fails with Malformed, which names the server, for an invalid referral", () =>
    Effect.gen(function*() {
      const { smb } = yield* tampered({ signing: "if-required", dfs: {} }, (bytes) => {
        // The first entry's Size, behind the referral's header of 8 bytes.
        const referral = commandOf(bytes) === Command.IOCTL &&
          bytes.readUInt32LE(body + 4) === Fsctl.FSCTL_DFS_GET_REFERRALS
        if (referral && bytes.readUInt32LE(4 + 8) === 0) bytes.writeUInt16LE(3, 4 + bytes.readUInt32LE(body + 32) + 10)
        return bytes
      })
      const error = yield* Effect.flip(smb.readFile("\\\\127.0.25.4\\dfs\\link\\small.txt"))
      assert(error._tag === "Malformed", String(error))
      assert.strictEqual(error.server, "127.0.25.4")
      assert.include(error.message, "127.0.25.4")
    }))

  it.effect("fails with Closed when the connection is cut in a download, reads again, and leaves no file open", () =>
    Effect.gen(function*() {
      const { server } = yield* World
      for (const encryption of ["off", "required"] as const) {
        yield* Effect.scoped(Effect.gen(function*() {
          let reads = 0
          const { smb } = yield* tampered({ encryption, maximumTransfer: 65536 }, (bytes) => {
            if (bytes.length > 60_000) reads++
            return reads === 10 ? "cut" : bytes
          })
          const path = "\\\\127.0.25.4\\data\\large"
          assert.strictEqual(yield* failure(Stream.runDrain(smb.stream(path))), "TransportError ConnectionClosed")
          reads = 1000
          assert.strictEqual(sha256(yield* smb.readFile(path)), sha256(noise(4_000_000)))
        }))
      }
      yield* nothingOpen(server)
    }))

  it.effect("fails with TimedOut when a request gets no response, and reads again afterwards", () =>
    Effect.gen(function*() {
      let deaf = false
      const { smb } = yield* tampered(
        { requestTimeout: Duration.seconds(1) },
        (bytes) => deaf && commandOf(bytes) !== 13 ? "drop" : bytes
      )
      assert.strictEqual(yield* read(smb, "127.0.25.4"), "small")
      deaf = true
      assert.strictEqual(yield* failure(read(smb, "127.0.25.4"), 4000), "TransportError TimedOut")
      deaf = false
      assert.strictEqual(yield* read(smb, "127.0.25.4"), "small")
    }))

  it.effect("finds out by keep-alive that the server is silent while it only watches", () =>
    Effect.gen(function*() {
      const { proxy, smb } = yield* tampered(
        { requestTimeout: Duration.seconds(1), keepAlive: Duration.seconds(1) },
        (bytes) => bytes
      )
      // A watch waits without a timeout: only the keep-alive request can find out that the server is gone.
      const watcher = yield* Effect.forkChild(
        Effect.flip(Stream.runDrain(smb.watch("\\\\127.0.25.4\\data\\folder")))
      )
      yield* Effect.sleep(2500)
      assert.isUndefined(watcher.pollUnsafe())
      yield* proxy.stall(true)
      const [took, error] = yield* timed(Fiber.join(watcher))
      assert.strictEqual(error._tag, "TransportError")
      assert.isBelow(took, 6000)
      yield* proxy.stall(false)
      assert.strictEqual(yield* read(smb, "127.0.25.4"), "small")
    }))

  it.effect("leaves no file open on the server when its operations are interrupted", () =>
    Effect.gen(function*() {
      const { server } = yield* World
      const proxy = yield* proxied((packet) => packet.bytes)
      const smb = yield* client({ maximumTransfer: 65536 })
      const other = yield* client()
      const at = (name: string) => `\\\\127.0.25.4\\data\\${name}`
      yield* smb.writeFile(at("locked"), "x")
      const holder = yield* other.open("\\\\127.0.25.1\\data\\locked", OpenMode.update)
      const held = yield* Effect.forkChild(
        Effect.scoped(Effect.andThen(holder.lock([{ offset: 0, length: 1 }]), Effect.never))
      )
      yield* Effect.sleep(50)
      yield* proxy.setDelay(30)
      const long: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        Stream.runForEach(smb.stream(at("large")), () => Effect.sleep(50)),
        smb.readFile(at("large")),
        smb.writeFile(at("uploaded"), noise(4_000_000)),
        Stream.run(Stream.fromEffectRepeat(Effect.as(Effect.sleep(5), noise(1000))), smb.sink(at("sunk"))),
        Stream.runDrain(smb.watch(at("folder"))),
        Effect.scoped(Effect.flatMap(smb.open(at("locked"), OpenMode.update), (file) =>
          Effect.andThen(file.lock([{ offset: 0, length: 1 }]), Effect.never))),
        Effect.scoped(Effect.andThen(smb.open(at("small.txt")), Effect.never)),
        smb.copy(at("large"), "\\\\127.0.25.1\\data\\copied")
      ]
      // Early: an open is still under way. Late: all operations are under way.
      for (const after of [45, 75, 100, 250]) {
        const fibers = yield* Effect.forEach(long, (effect) =>
          Effect.forkChild(effect))
        yield* Effect.sleep(after)
        const [took] = yield* timed(Effect.forEach(fibers, Fiber.interrupt, { concurrency: "unbounded" }))
        assert.isBelow(took, 2000)
      }
      yield* Fiber.interrupt(held)
      yield* holder.close
      yield* nothingOpen(server)
      // The connection still works.
      assert.strictEqual(yield* read(smb, "127.0.25.4"), "small")
      assert.strictEqual(proxy.connections(), 1)
    }))

  it.effect("reads although another read was interrupted while it connected", () =>
    Effect.gen(function*() {
      const proxy = yield* proxied((packet) => packet.bytes)
      yield* proxy.setDelay(20)
      // In the middle of connecting, negotiating, logging on, and connecting to the share.
      for (const after of [5, 30, 70, 110, 150]) {
        yield* Effect.scoped(Effect.gen(function*() {
          const smb = yield* client()
          const hasty = yield* Effect.forkChild(read(smb, "127.0.25.4"))
          const patient = yield* Effect.forkChild(read(smb, "127.0.25.4"))
          yield* Effect.sleep(after)
          yield* Fiber.interrupt(hasty)
          assert.strictEqual(yield* Fiber.join(patient), "small")
          const alone = yield* client()
          const nobody = yield* Effect.forkChild(read(alone, "127.0.25.4"))
          yield* Effect.sleep(after)
          yield* Fiber.interrupt(nobody)
          assert.strictEqual(yield* read(alone, "127.0.25.4"), "small")
        }))
      }
    }))

  it.effect("fails with STATUS_NETWORK_NAME_DELETED when the server closes the share, and reads again afterwards", () =>
    Effect.gen(function*() {
      const { server } = yield* World
      const conf = `${server.path("", "..")}/smb.conf`
      const smb = yield* client()
      assert.strictEqual(yield* read(smb), "small")
      yield* Effect.promise(() => Lab.mustExecute("smbcontrol", ["-s", conf, "smbd", "close-share", "data"]))
      // It takes a moment until the server's process gets the message.
      const lost = yield* Effect.repeat(Effect.exit(Effect.andThen(Effect.sleep(20), read(smb))), {
        times: 50,
        while: Exit.isSuccess
      })
      assert(Exit.isFailure(lost))
      assert.include(Cause.pretty(lost.cause), "STATUS_NETWORK_NAME_DELETED")
      assert.strictEqual(yield* read(smb), "small")
    }))

  it.effect("sends nothing unencrypted after the logon in an idle session that requires encryption", () =>
    Effect.gen(function*() {
      const clear: Array<number> = []
      const proxy = yield* proxied(({ bytes }) => {
        if (!isEncrypted(bytes)) clear.push(commandOf(bytes))
        return bytes
      })
      const smb = yield* client({ encryption: "required", keepAlive: Duration.seconds(1) })
      const file = yield* smb.open("\\\\127.0.25.4\\data\\small.txt")
      yield* Effect.sleep(2500)
      assert.strictEqual((yield* file.read(0, 10)).length, 5)
      assert.strictEqual(proxy.connections(), 1)
      // NEGOTIATE and SESSION_SETUP come before there are keys.
      assert.deepStrictEqual([...new Set(clear)], [0, 1])
    }))

  it.effect("makes one new connection for 50 concurrent reads after the old one was cut", () =>
    Effect.gen(function*() {
      const proxy = yield* proxied((packet) => packet.bytes)
      const smb = yield* client()
      assert.strictEqual(yield* read(smb, "127.0.25.4"), "small")
      yield* proxy.cut
      yield* Effect.sleep(50)
      const all = yield* Effect.forEach(Array.from({ length: 50 }), () => read(smb, "127.0.25.4"), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(new Set(all), new Set(["small"]))
      assert.strictEqual(proxy.connections(), 2)
    }))
})
