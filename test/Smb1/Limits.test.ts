/**
 * The client over SMB 1 against scripted servers with small limits, servers that do less than they are asked, end
 * sessions and trees, or fall silent, and a client without MD5.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Redacted, Stream } from "effect"
import {
  AuthenticationError,
  type Authenticator,
  Credentials,
  OpenMode,
  ProtocolError,
  SmbClient,
  SmbError,
  type Transport
} from "effect-smb"
import { Negotiate, Session } from "effect-smb/Smb1"
import { Settings } from "effect-smb/Smb2"
import * as TestClock from "effect/testing/TestClock"
import { setFips } from "node:crypto"
import * as Codec from "../../src/Codec/Codec.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as Header from "../../src/Smb1/Header.ts"
import { Capabilities, Command, SecurityMode } from "../../src/Smb1/Message/Constants.ts"
import * as NtCreate from "../../src/Smb1/Message/NtCreate.ts"
import * as ReadWrite from "../../src/Smb1/Message/ReadWrite.ts"
import * as SessionSetup from "../../src/Smb1/Message/SessionSetup.ts"
import * as Simple from "../../src/Smb1/Message/Simple.ts"
import * as Trans2 from "../../src/Smb1/Message/Trans2.ts"
import * as Transaction from "../../src/Smb1/Message/Transaction.ts"
import { OplockLevel } from "../../src/Smb2/Message/Constants.ts"
import * as Peer from "./peer.ts"

const credentials = Credentials.layer(Credentials.password("joe", Redacted.make("secret")))

const provide = (transport: Layer.Layer<Transport.Transport>, options: SmbClient.Options = {}) =>
  Effect.provide(
    SmbClient.layer({ dialects: ["NT1"], signing: "if-required", reconnect: "never", ...options }).pipe(
      Layer.provide([transport, credentials]),
      Layer.provideMerge(Layer.fresh(Logger.layer([])))
    )
  )

/** Lets all running work continue, without virtual time passing. */
const settle = Effect.promise(async () => {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
})

const share = "\\\\old\\data"
const file = `${share}\\file`

const { SMB_COM_LOCKING_ANDX: locking, SMB_COM_NT_CREATE_ANDX: create, SMB_COM_TREE_CONNECT_ANDX: tree } = Command

/** A peer with other values in its NEGOTIATE response. */
const negotiating = (
  other: Parameters<typeof Peer.negotiated>[0],
  react: (request: Peer.Received) => Peer.Reaction = () => undefined
) =>
  Peer.make((request) =>
    request.header.command === Command.SMB_COM_NEGOTIATE ? { body: Peer.negotiated(other) } : react(request)
  )

const reasonOf = (error: unknown): string => error instanceof SmbError ? error.reason._tag : String(error)

describe("a session or tree that the server says is deleted", () => {
  const cases = [
    { status: NtStatus.STATUS_SMB_BAD_TID, reason: "NetworkNameDeleted", logons: 1 },
    { status: NtStatus.STATUS_NETWORK_NAME_DELETED, reason: "NetworkNameDeleted", logons: 1 },
    // smbd says this.
    { status: NtStatus.STATUS_INVALID_HANDLE, reason: "NetworkNameDeleted", logons: 1 },
    { status: NtStatus.STATUS_SMB_BAD_UID, reason: "UserSessionDeleted", logons: 2 },
    { status: NtStatus.STATUS_USER_SESSION_DELETED, reason: "UserSessionDeleted", logons: 2 },
    { status: NtStatus.STATUS_NETWORK_SESSION_EXPIRED, reason: "NetworkSessionExpired", logons: 2 }
  ]
  it.effect.each(cases)("is connected again by the next operation: $status", ({ logons, reason, status }) => {
    let first = true
    const peer = Peer.make(({ header }) => {
      if (header.command !== create || !first) return undefined
      first = false
      return { status }
    })
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(reasonOf(yield* Effect.flip(smb.stat(file))), reason)
      yield* smb.stat(file)
      assert.strictEqual(peer.of(tree).length, 2)
      assert.strictEqual(peer.of(Command.SMB_COM_SESSION_SETUP_ANDX).length, logons)
    }).pipe(provide(peer.layer))
  })

  it.effect("is still there when a request with a handle gets STATUS_INVALID_HANDLE", () => {
    const peer = Peer.make(({ header }) =>
      header.command === Command.SMB_COM_FLUSH ? { status: NtStatus.STATUS_INVALID_HANDLE } : undefined
    )
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const opened = yield* smb.open(file)
      assert.strictEqual(reasonOf(yield* Effect.flip(opened.flush)), "InvalidHandle")
      yield* smb.stat(file)
      assert.strictEqual(peer.of(tree).length, 1)
    }).pipe(Effect.scoped, provide(peer.layer))
  })
})

describe("a server that accepts one request at a time (MaxMpxCount 1)", () => {
  const { SMB_COM_NT_TRANSACT: ntTransact } = Command

  it.effect("gets no NOTIFY_CHANGE: watch fails with NotSupported", () => {
    const peer = negotiating(
      { maxMpxCount: 1 },
      ({ header }) => header.command === ntTransact ? "nothing" : undefined
    )
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(Stream.runDrain(smb.watch(share)))
      assert.strictEqual(reasonOf(error), "NotSupported")
      assert.strictEqual(peer.of(ntTransact).length, 0)
      yield* smb.stat(file)
    }).pipe(provide(peer.layer))
  })

  it.effect("gets a waiting lock as repeated requests without a timeout, and other requests between them", () => {
    let free = false
    const peer = negotiating(
      { maxMpxCount: 1 },
      ({ header }) => header.command === locking && !free ? { status: NtStatus.STATUS_LOCK_NOT_GRANTED } : undefined
    )
    const decode = Codec.decode("LOCKING_ANDX", Codec.at(Header.size, Simple.Locking))
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const opened = yield* smb.open(file, OpenMode.readWrite)
      const waiting = yield* Effect.forkChild(opened.lock([{ offset: 0, length: 1 }]))
      yield* settle
      yield* smb.stat(file)
      for (let i = 0; i < 4; i++) {
        yield* TestClock.adjust("250 millis")
        yield* settle
      }
      assert.strictEqual(peer.of(locking).length, 5)
      assert.isUndefined(waiting.pollUnsafe())
      for (const { packet } of peer.of(locking)) {
        const decoded = decode(packet)
        assert(decoded._tag === "Success")
        assert.strictEqual(decoded.success.timeout, 0)
      }
      free = true
      yield* TestClock.adjust("250 millis")
      yield* Fiber.join(waiting)
    }).pipe(Effect.scoped, provide(peer.layer))
  })

  it.effect("gets no request for an oplock", () => {
    const flagsOf = (maxMpxCount: number) => {
      const peer = negotiating({ maxMpxCount })
      return Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        yield* smb.open(file, { ...OpenMode.readWrite, oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH })
        const decoded = Codec.decode("NT_CREATE_ANDX", Codec.at(Header.size, NtCreate.Request(true)))(
          peer.of(create)[0]!.packet
        )
        assert(decoded._tag === "Success")
        return decoded.success.flags
      }).pipe(Effect.scoped, provide(peer.layer))
    }
    return Effect.gen(function*() {
      assert.strictEqual(yield* flagsOf(1), 0)
      assert.strictEqual(yield* flagsOf(2), 6)
    })
  })
})

describe("a server without large transfers", () => {
  it.effect("has READ and WRITE limits of at most 65,535 bytes for any MaxBufferSize", () => {
    const peer = negotiating({ maxBufferSize: 0xffff_ffff })
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const { limits } = yield* smb.withShare(file, Effect.succeed)
      for (const bytes of [limits.read, limits.write]) {
        assert.isAtMost(bytes, 0xffff)
        assert.isAbove(bytes, 0x8000)
      }
    }).pipe(Effect.scoped, provide(peer.layer))
  })
})

describe("a server with a MaxBufferSize of 1024", () => {
  const peer = () => negotiating({ maxBufferSize: 1024 })
  const isSmall = ({ packet }: Peer.Received) => packet.length <= 1024

  it.effect("gets no name that does not fit: the operation fails with NameTooLong", () => {
    const small = peer()
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      for (const length of [600, 30_000]) {
        const long = `${share}\\${"n".repeat(length)}`
        assert.strictEqual(reasonOf(yield* Effect.flip(smb.stat(long))), "NameTooLong")
        assert.strictEqual(
          reasonOf(yield* Effect.flip(smb.rename(file, `${share}\\d\\${long.slice(11)}`))),
          "NameTooLong"
        )
      }
      yield* smb.stat(`${share}\\${"n".repeat(400)}`)
      assert.isTrue(small.requests.every(isSmall))
    }).pipe(provide(small.layer))
  })

  it.effect("gets no list of locks that does not fit, and waiting locks one by one", () => {
    const small = peer()
    const ranges = (count: number) => Array.from({ length: count }, (_, i) => ({ offset: i * 2, length: 1 }))
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const opened = yield* smb.open(file, OpenMode.readWrite)
      const now = { wait: false }
      assert.strictEqual(reasonOf(yield* Effect.flip(opened.lock(ranges(60), now))), "InsuffServerResources")
      yield* opened.lock(ranges(40), now)
      // Locks that can wait are requested and released one by one.
      const before = small.requests.length
      yield* Effect.scoped(opened.lock(ranges(60)))
      assert.strictEqual(small.requests.length - before, 120)
      assert.isTrue(small.requests.every(isSmall))
    }).pipe(Effect.scoped, provide(small.layer))
  })
})

describe("a server that writes fewer bytes than it got", () => {
  const taking = (counts: ReadonlyArray<number>) => {
    let i = 0
    return Peer.make(({ header }) =>
      header.command === Command.SMB_COM_WRITE_ANDX
        ? { body: Codec.encode(ReadWrite.WriteResponse)({ count: counts[i++] ?? 0, available: 0 }) }
        : undefined
    )
  }
  const written = ({ packet }: Peer.Received) => {
    const decoded = Codec.decode("WRITE_ANDX", Codec.at(Header.size, ReadWrite.WriteRequest))(packet)
    assert(decoded._tag === "Success")
    return [Number(decoded.success.offset), Buffer.from(decoded.success.data).toString()]
  }

  it.effect("gets the rest in further WRITEs", () => {
    const peer = taking([4, 3, 3, 10])
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* smb.writeFile(file, "0123456789")
      assert.deepStrictEqual(peer.of(Command.SMB_COM_WRITE_ANDX).map(written), [
        [0, "0123456789"],
        [4, "456789"],
        [7, "789"]
      ])
      const opened = yield* smb.open(file, OpenMode.readWrite)
      yield* opened.write(100, Buffer.from("0123456789"))
    }).pipe(Effect.scoped, provide(peer.layer))
  })

  it.effect("causes DiskFull when it writes nothing", () => {
    const peer = taking([4, 0])
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      for (let i = 0; i < 2; i++) {
        assert.strictEqual(reasonOf(yield* Effect.flip(smb.writeFile(file, "0123456789"))), "DiskFull")
      }
      const opened = yield* smb.open(file, OpenMode.readWrite)
      assert.strictEqual(reasonOf(yield* Effect.flip(opened.write(0, Buffer.from("x")))), "DiskFull")
      yield* opened.write(0, new Uint8Array(0))
    }).pipe(Effect.scoped, provide(peer.layer))
  })

  it.effect("has the high half of its count ignored for a small WRITE", () => {
    const peer = taking([0x0001_0002, 8])
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* smb.writeFile(file, "0123456789")
      assert.deepStrictEqual(peer.of(Command.SMB_COM_WRITE_ANDX).map(written), [[0, "0123456789"], [2, "23456789"]])
    }).pipe(provide(peer.layer))
  })
})

describe("a search whose caller was interrupted", () => {
  const { SMB_COM_FIND_CLOSE2: findClose, SMB_COM_TRANSACTION2: trans2 } = Command
  const nothing = new Uint8Array(0)

  /** A page of one name, with more to come. */
  const page = (first: boolean): Uint8Array => {
    const data = new Uint8Array(104 + 2)
    new DataView(data.buffer).setUint32(60, 2, true)
    data[104] = 0x61
    const parameters = first
      ? Codec.encode(Trans2.FindFirst2Response)({
        sid: 77,
        searchCount: 1,
        endOfSearch: 0,
        eaErrorOffset: 0,
        lastNameOffset: 0
      })
      : nothing
    return Codec.encode(Transaction.ShortResponse)({
      totalParameterCount: parameters.length,
      totalDataCount: data.length,
      parameters,
      parameterDisplacement: 0,
      data,
      dataDisplacement: 0,
      setup: []
    })
  }

  const closed = (peer: ReturnType<typeof Peer.make>) =>
    peer.of(findClose).map(({ packet }) => new DataView(packet.buffer, packet.byteOffset).getUint16(33, true))

  it.effect("is closed by FIND_CLOSE2 when it begins after the interruption", () => {
    const peer = Peer.make(({ header }) => header.command === trans2 ? "nothing" : undefined)
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const listing = yield* Effect.forkChild(Stream.runDrain(smb.list(share)))
      yield* settle
      yield* Fiber.interrupt(listing)
      peer.answer(peer.of(trans2)[0]!, page(true))
      yield* settle
      assert.deepStrictEqual(closed(peer), [77])
    }).pipe(provide(peer.layer))
  })

  it.effect("is closed by FIND_CLOSE2 when it was interrupted in the middle", () => {
    let count = 0
    const peer = Peer.make(({ header }) =>
      header.command !== trans2 ? undefined : count++ === 0 ? { body: page(true) } : "nothing"
    )
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const listing = yield* Effect.forkChild(Stream.runDrain(smb.list(share)))
      yield* settle
      assert.strictEqual(peer.of(trans2).length, 2)
      yield* Fiber.interrupt(listing)
      yield* settle
      assert.deepStrictEqual(closed(peer), [77])
    }).pipe(provide(peer.layer))
  })
})

describe("a client that offers SMB 1 and SMB 2", () => {
  const both = { dialects: ["NT1", "3.1.1"] } as const

  it.effect("fails at once with NotSmb when the server chose SMB 1 and then sends an SMB 2 packet", () => {
    const peer = Peer.make(({ header }) => header.command === create ? "nothing" : undefined)
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const looking = yield* Effect.forkChild(Effect.flip(smb.stat(file)))
      yield* settle
      peer.say(peer.of(create)[0]!, Buffer.from(`fe534d42${"00".repeat(124)}`, "hex"))
      const error = yield* Fiber.join(looking)
      assert.instanceOf(error, ProtocolError)
      assert.strictEqual((error as ProtocolError).reason._tag, "NotSmb")
    }).pipe(provide(peer.layer, both))
  })
})

describe("a silent SMB 1 server", () => {
  const commands = {
    SMB_COM_NEGOTIATE: Command.SMB_COM_NEGOTIATE,
    SMB_COM_SESSION_SETUP_ANDX: Command.SMB_COM_SESSION_SETUP_ANDX,
    SMB_COM_TREE_CONNECT_ANDX: tree,
    SMB_COM_NT_CREATE_ANDX: create,
    SMB_COM_CLOSE: Command.SMB_COM_CLOSE,
    SMB_COM_WRITE_ANDX: Command.SMB_COM_WRITE_ANDX
  }
  const cases = Object.entries(commands).flatMap(([name, command]) =>
    [["NT1"], ["NT1", "3.1.1"]].map((dialects) => ({
      name,
      command,
      dialects: dialects as SmbClient.Options["dialects"]
    }))
  )
  it.effect.each(cases)(
    "makes the operation fail within 40 s, and the next one connects again: $name of $dialects",
    ({ command, dialects }) => {
      let silent = true
      const peer = Peer.make(({ header }) => silent && header.command === command ? "nothing" : undefined)
      return Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const use = Effect.scoped(Effect.gen(function*() {
          const opened = yield* smb.open(file, OpenMode.readWrite)
          const writing = yield* Effect.forkChild(Effect.exit(opened.write(0, Buffer.from("x"))))
          yield* settle
          yield* opened.close
          return yield* yield* Fiber.join(writing)
        }))
        const using = yield* Effect.forkChild(Effect.exit(use))
        for (let i = 0; i < 40; i++) {
          yield* settle
          yield* TestClock.adjust("1 second")
        }
        const exit = using.pollUnsafe()
        assert(exit?._tag === "Success")
        assert.strictEqual(exit.value._tag, "Failure")
        silent = false
        yield* smb.stat(file)
        assert.strictEqual(peer.of(Command.SMB_COM_NEGOTIATE).length, 2)
      }).pipe(provide(peer.layer, { ...(dialects === undefined ? {} : { dialects }) }))
    }
  )
})

describe("a client without MD5, as in FIPS mode", () => {
  const fips = Effect.acquireRelease(Effect.sync(() => setFips(true)), () => Effect.sync(() => setFips(false)))

  it.effect("fails to log on by NTLM with Unavailable, and names FIPS", () => {
    const peer = Peer.make()
    return Effect.gen(function*() {
      yield* fips
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.stat(file))
      assert.instanceOf(error, AuthenticationError)
      assert.strictEqual((error as AuthenticationError).reason._tag, "MechanismUnavailable")
      assert.include(error.message, "FIPS")
      assert.strictEqual(peer.of(Command.SMB_COM_SESSION_SETUP_ANDX).length, 0)
    }).pipe(Effect.scoped, provide(peer.layer))
  })

  it.effect("fails with SigningUnavailable when the server requires signing", () => {
    const security = { _tag: "Extended", serverGuid: new Uint8Array(16), securityBlob: new Uint8Array(0) } as const
    const peer = negotiating(
      {
        security,
        securityMode: SecurityMode.NEGOTIATE_USER_SECURITY | SecurityMode.NEGOTIATE_ENCRYPT_PASSWORDS |
          SecurityMode.NEGOTIATE_SECURITY_SIGNATURES_ENABLED,
        capabilities: Capabilities.CAP_EXTENDED_SECURITY | Capabilities.CAP_UNICODE | Capabilities.CAP_LARGE_FILES |
          Capabilities.CAP_NT_SMBS | Capabilities.CAP_STATUS32
      },
      ({ header }) =>
        header.command === Command.SMB_COM_SESSION_SETUP_ANDX
          ? {
            body: Codec.encode(SessionSetup.ExtendedResponse(true))({
              action: 0,
              securityBlob: new Uint8Array(0),
              nativeOs: "",
              nativeLanMan: ""
            })
          }
          : undefined
    )
    const logon: Authenticator.AuthenticatorSession = {
      unauthenticated: false,
      step: () => Effect.succeed({ token: new Uint8Array(1), done: true }),
      accept: () => Effect.void,
      sessionKey: () => Redacted.make(new Uint8Array(16))
    }
    return Effect.gen(function*() {
      yield* fips
      const settings = { ...Settings.defaults, dialects: ["NT1"] } as const
      const agreed = yield* Negotiate.connect({ host: "old", port: 445 }, settings)
      assert("negotiated" in agreed)
      const error = yield* Effect.flip(Session.setup(agreed, settings, logon, Credentials.anonymous))
      assert.strictEqual(error._tag === "ProtocolError" ? error.reason._tag : error, "SigningUnavailable")
    }).pipe(Effect.scoped, Effect.provide([peer.layer, Layer.fresh(Logger.layer([]))]))
  })
})

describe("a server without SMB 1", () => {
  it.effect("is DialectRefused, with a message that SMB 1 is turned off", () => {
    // WordCount 1: none of the offered dialects.
    const peer = Peer.make(() => ({ body: Uint8Array.of(1, 0xff, 0xff, 0, 0) }))
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.stat(file))
      assert.strictEqual(error._tag === "ProtocolError" ? error.reason._tag : error, "DialectRefused")
      assert.include(error.message, "SMB 1 is turned off")
    }).pipe(provide(peer.layer))
  })
})
