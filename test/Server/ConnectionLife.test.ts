/**
 * Proves which frames a connection accepts, which of them end it (MS-SMB2 3.3.5.2), what a user's logon changes, and
 * that its end gives back everything that it holds. A scripted socket brings the frames and takes the responses.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import type * as Net from "node:net"
import { Connection } from "../../src/Server/internal/Connection/Connection.ts"
import { Connections } from "../../src/Server/internal/State/Connections.ts"
import { Meter } from "../../src/Server/internal/State/Meter.ts"
import { type PendingRequest, type Server, Session } from "../../src/Server/internal/State/Model.ts"
import { Usage } from "../../src/Server/internal/State/UserUsage.ts"
import { Buffers } from "../../src/Server/internal/Wire/Buffers.ts"
import * as Limits from "../../src/Server/Limits.ts"
import * as Encryption from "../../src/Smb2/Encryption.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Cipher, Command, Dialect } from "../../src/Smb2/Message/Constants.ts"
import { responses as messages } from "./RawClient.ts"

const framed = (...packets: ReadonlyArray<Uint8Array>): Buffer =>
  Buffer.concat(packets.flatMap((packet) => {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(packet.length)
    return [head, packet]
  }))

/** A request; its body is that of ECHO and CANCEL, with zeros after it up to `length` bytes. */
const request = (fields: Partial<Header.Header> = {}, length = 68): Buffer => {
  const packet = Buffer.alloc(length)
  Header.write(Header.view(packet), 0, {
    creditCharge: 1,
    status: 0,
    command: Command.ECHO,
    credits: 1,
    flags: 0,
    nextCommand: 0,
    messageId: 0,
    asyncId: 0n,
    treeId: 0,
    sessionId: 0n,
    ...fields
  })
  if (length >= 66) packet.writeUInt16LE(4, 64)
  return packet
}

/** A compound: NextCommand of each message but the last is its length. */
const compound = (...all: ReadonlyArray<Partial<Header.Header>>): Buffer =>
  Buffer.concat(all.map((fields, i) => request({ nextCommand: i < all.length - 1 ? 72 : 0, ...fields }, 72)))

const connected = (
  how: { readonly limits?: Partial<Limits.Limits>; readonly dialect?: number; readonly address?: string } = {}
) => {
  const frames: Array<Buffer> = []
  let bytes = Buffer.alloc(0)
  const socket = {
    remoteAddress: how.address,
    remotePort: how.address === undefined ? undefined : 4321,
    localAddress: how.address === undefined ? undefined : "192.0.2.9",
    destroyed: false,
    writableLength: 0,
    isPaused: () => false,
    pause() {},
    once() {},
    cork() {},
    uncork() {},
    write(chunk: Uint8Array, done?: () => void) {
      bytes = Buffer.concat([bytes, chunk])
      done?.()
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
        const end = 4 + bytes.readUInt32BE(0)
        frames.push(Buffer.from(bytes.subarray(4, end)))
        bytes = bytes.subarray(end)
      }
      return true
    },
    destroy() {
      this.destroyed = true
    }
  }
  const limits: Limits.Limits = { ...Limits.defaults, ...how.limits }
  const connections = new Connections<Connection>(limits)
  let ends = 0
  const server = {
    limits,
    buffers: new Buffers(),
    connections,
    meter: new Meter(Context.empty()),
    traffic: { received: 0, sent: 0 },
    sessions: new Map(),
    settings: { dialects: [Dialect.SMB_2_1], signing: "enabled", encryption: "enabled" },
    guid: new Uint8Array(16),
    run: (effect: Effect.Effect<unknown>) => Effect.runFork(effect),
    runToEnd: (effect: Effect.Effect<unknown>) => {
      ends++
      Effect.runSync(effect)
    }
  }
  const connection = new Connection(server as unknown as Server, socket as unknown as Net.Socket)
  connections.enter(connection)
  const { dialect = Dialect.SMB_2_1 } = how
  connection.negotiated.dialect = dialect
  connection.negotiated.multiCredit = dialect > Dialect.SMB_2_0_2
  return {
    connection,
    connections,
    socket,
    frames,
    ends: () => ends,
    hear: (...packets: ReadonlyArray<Uint8Array>) => connection.onData(framed(...packets)),
    /** The statuses of the responses in the frames that were sent. */
    statuses: () => frames.splice(0).flatMap((frame) => messages(frame).map((one) => one.readUInt32LE(8)))
  }
}

const someone = () => {
  let forgotten = 0
  const usage = new Usage<never>("S-1-5-21-1-2-3-1001", () => forgotten++)
  return { usage: usage as never as Parameters<Connection["admit"]>[0], forgotten: () => forgotten }
}

describe("a frame", () => {
  const cases: ReadonlyArray<readonly [string, Uint8Array]> = [
    ["with fewer bytes than a protocol's identifier", Uint8Array.of(0xfe, 0x53, 0x4d)],
    ["of an unknown protocol", Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)],
    ["of SMB 1 that is no NEGOTIATE", Buffer.from("\xffSMB\x73".padEnd(60, "\0"), "latin1")],
    ["with a header and one byte of a body", request({}, 65)],
    ["with the flag of a response", request({ flags: 1 })],
    ["with a MessageId that was not granted", request({ messageId: 1 })],
    ["with more CreditCharge than it has credits", request({ creditCharge: 2 })],
    ["whose NextCommand is no multiple of 8", compound({ nextCommand: 70 }, { messageId: 1 })],
    ["whose NextCommand leads out of it", compound({ nextCommand: 152 }, { messageId: 1 })],
    [
      "encrypted for an unknown session",
      Encryption.makeEncrypt(Cipher.AES_128_GCM, new Uint8Array(16), 9n)([request()])[0]!
    ]
  ]
  for (const [name, packet] of cases) {
    it(`${name} ends the connection without a response`, () => {
      const { connection, frames, hear, socket } = connected()
      hear(packet)
      assert.deepStrictEqual([connection.closed, socket.destroyed, frames.length], [true, true, 0])
    })
  }

  it("with a body of two bytes, and one in many pieces, has a response", () => {
    const { connection, hear, statuses } = connected()
    hear(request({}, 66))
    // The body of ECHO has four bytes (2.2.28).
    assert.deepStrictEqual(statuses(), [0xc000_000d])
    for (const byte of framed(request({ messageId: 1 }))) connection.onData(Uint8Array.of(byte))
    assert.deepStrictEqual(statuses(), [0])
  })

  it("of a compound with one wrong message ends the connection before its first message runs", () => {
    for (const second of [{ messageId: 5 }, { messageId: 0 }, { messageId: 1, flags: 1 }]) {
      const { connection, frames, hear } = connected()
      // A first request gets the credits for two more.
      hear(request({ credits: 2 }))
      assert.lengthOf(frames.splice(0), 1)
      hear(compound({ messageId: 1 }, second))
      assert.deepStrictEqual([connection.closed, frames.length], [true, 0])
    }
  })

  it("of a compound has one frame with a response for each message", () => {
    const { frames, hear, statuses } = connected()
    hear(request({ credits: 3 }))
    assert.deepStrictEqual(statuses(), [0])
    hear(compound({ messageId: 1 }, { messageId: 3 }, { messageId: 2 }))
    assert.lengthOf(frames, 1)
    assert.deepStrictEqual(messages(frames[0]!).map((one) => Header.read(Header.view(one)).messageId), [1, 3, 2])
  })

  // 3.3.5.2.3: a CANCEL has the MessageId of the request that it names.
  it("with a CANCEL uses no MessageId, and has no response", () => {
    const { connection, frames, hear, statuses } = connected()
    for (const messageId of [0, 0, 77]) hear(request({ command: Command.CANCEL, messageId }))
    assert.deepStrictEqual([connection.closed, frames.length], [false, 0])
    hear(request())
    assert.deepStrictEqual(statuses(), [0])
  })

  // 3.3.5.2.3: CreditCharge counts only with multi-credit operations; 0 counts as 1.
  it("uses as many MessageIds as its CreditCharge says, from 2.1 on", () => {
    for (
      const [dialect, creditCharge, next] of [
        [Dialect.SMB_2_0_2, 0, 1],
        [Dialect.SMB_2_0_2, 3, 1],
        [Dialect.SMB_2_1, 0, 1],
        [Dialect.SMB_2_1, 1, 1],
        [Dialect.SMB_2_1, 3, 3]
      ] as const
    ) {
      const { connection, hear, statuses } = connected({ dialect })
      hear(request({ credits: 5 }))
      assert.deepStrictEqual(statuses(), [0])
      hear(request({ messageId: 1, creditCharge }))
      hear(request({ messageId: 1 + next }))
      assert.deepStrictEqual(statuses(), [0, 0], `${dialect} ${creditCharge}`)
      hear(request({ messageId: next }))
      assert.isTrue(connection.closed)
    }
  })

  it("with an SMB 1 NEGOTIATE after one of SMB 2 that failed ends the connection: MessageId 0 is used", () => {
    const { connection, frames, hear } = connected({ dialect: 0 })
    const old = Buffer.from(`\xffSMB\x72${"\0".repeat(30)}\x02SMB 2.???\0`, "latin1")
    // Of no dialect: StructureSize 36, DialectCount 0.
    const packet = request({ command: Command.NEGOTIATE }, 100)
    packet.writeUInt16LE(36, 64)
    hear(packet)
    assert.strictEqual(frames.splice(0)[0]!.readUInt32LE(8), 0xc000_000d)
    hear(old)
    assert.deepStrictEqual([connection.closed, frames.length], [true, 0])
  })
})

describe("an encrypted frame", () => {
  const begin = () => {
    const made = connected({ dialect: Dialect.SMB_3_0 })
    const session = new Session(9n)
    const [toServer, toClient] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)]
    session.decrypt = Encryption.makeDecrypt(Cipher.AES_128_GCM, toServer)
    session.encrypt = Encryption.makeEncrypt(Cipher.AES_128_GCM, toClient, 9n)
    made.connection.sessions.set(9n, session)
    made.connection.admit(someone().usage)
    // A user with a password has logged on.
    made.connection.constrained = false
    const seal = Encryption.makeEncrypt(Cipher.AES_128_GCM, toServer, 9n)
    return { ...made, session, seal: (packet: Buffer) => Buffer.concat(seal([packet])), toClient }
  }

  it("has an encrypted response, no matter how long it is", () => {
    const { frames, hear, seal, toClient } = begin()
    const unseal = Encryption.makeDecrypt(Cipher.AES_128_GCM, toClient)
    for (const [messageId, length] of [[0, 68], [1, 1000], [2, 300_000]] as const) {
      hear(seal(request({ messageId }, length)))
      const plain = unseal(frames.pop()!)!
      assert.deepInclude(Header.read(Header.view(plain.packet)), { messageId, status: 0, command: Command.ECHO })
    }
  })

  it("that was changed on the way, or of a session without keys, ends the connection", () => {
    for (const at of [4, 20, 36, 44, 52, 100]) {
      const { connection, frames, hear, seal } = begin()
      const sealed = seal(request())
      sealed[at]! ^= 1
      hear(sealed)
      assert.deepStrictEqual([connection.closed, frames.length], [true, 0], `byte ${at}`)
    }
    const { connection, hear, seal, session } = begin()
    session.decrypt = undefined
    hear(seal(request()))
    assert.isTrue(connection.closed)
    const short = begin()
    short.hear(short.seal(request()).subarray(0, 51))
    assert.isTrue(short.connection.closed)
  })

  it("with more bytes in its OriginalMessageSize than it has ends the connection", () => {
    for (const size of [69, 121, 0x7fff_ffff]) {
      const { connection, hear, seal } = begin()
      const sealed = seal(request())
      sealed.writeUInt32LE(size, 36)
      hear(sealed)
      assert.isTrue(connection.closed, `${size}`)
    }
  })
})

describe("the longest frame", () => {
  it("has 128 KiB before a logon, and 64 KiB more than the limit `transfer` after it", () => {
    for (const [admitted, most] of [[false, 131_072], [true, 1_000_000 + 65_536]] as const) {
      const { connection, hear, statuses } = connected({ limits: { transfer: 1_000_000 } })
      if (admitted) connection.admit(someone().usage)
      hear(request({}, most))
      assert.deepStrictEqual(statuses(), [0])
      const [head] = [Buffer.alloc(4)]
      head.writeUInt32BE(most + 1)
      assert.isFalse(connection.closed)
      connection.onData(head)
      assert.isTrue(connection.closed)
    }
  })
})

describe("the memory for the next bytes of a frame", () => {
  it("is the rest of the frame in the middle of it, and undefined between frames and after the end", () => {
    const { connection, statuses } = connected()
    assert.isUndefined(connection.room)
    const bytes = framed(request())
    connection.onData(bytes.subarray(0, 10))
    const room = connection.room!
    assert.lengthOf(room, bytes.length - 10)
    room.set(bytes.subarray(10))
    connection.onArrived(20)
    assert.lengthOf(connection.room!, bytes.length - 30)
    assert.deepStrictEqual(statuses(), [])
    connection.onArrived(bytes.length - 30)
    assert.deepStrictEqual(statuses(), [0])
    assert.isUndefined(connection.room)
    const next = framed(request({ messageId: 1 }))
    connection.onData(next.subarray(0, 10))
    connection.close()
    assert.isUndefined(connection.room)
    connection.onArrived(next.length - 10)
    connection.onData(next)
    assert.deepStrictEqual(statuses(), [])
  })
})

describe("a connection", () => {
  it("knows the address, the port and the network of its client, and the address that the client has called", () => {
    const { connection } = connected({ address: "2001:db8:1:2:3::4" })
    const { address, localAddress, network, port } = connection
    assert.deepStrictEqual({ address, localAddress, network, port }, {
      address: "2001:db8:1:2:3::4",
      localAddress: "192.0.2.9",
      network: "2001:db8:1:2::/64",
      port: 4321
    })
    // The client has hung up already.
    const gone = connected().connection
    assert.deepStrictEqual([gone.address, gone.localAddress, gone.network, gone.port], ["", "", "", 0])
  })

  it("gives each AsyncId once, and none of them is 0", () => {
    const { connection } = connected()
    const all = Array.from({ length: 5 }, () => connection.nextAsyncId())
    assert.lengthOf(new Set(all), 5)
    // 2.2.1.1: a request that does not wait has 0.
    assert.notInclude(all, 0n)
  })

  it("has received its last bytes when they came, in either way", () => {
    const { connection } = connected()
    const began = performance.now()
    connection.lastReceived = 0
    connection.onData(Uint8Array.of(0, 0, 0, 100))
    assert.isAtLeast(connection.lastReceived, began)
    connection.lastReceived = 0
    connection.onArrived(1)
    assert.isAtLeast(connection.lastReceived, began)
  })

  it("is idle without an open and without a waiting request in any session", () => {
    const { connection } = connected()
    assert.isTrue(connection.isIdle)
    const [one, two] = [new Session(1n), new Session(2n)]
    for (const session of [one, two]) connection.sessions.set(session.id, session)
    assert.isTrue(connection.isIdle)
    two.opens.set(5n, {} as never)
    assert.isFalse(connection.isIdle)
    two.opens.clear()
    connection.pending.set(1n, {} as never)
    assert.isFalse(connection.isIdle)
  })

  // 3.3.5.2.5: one credit for each 64 KiB; 2.0.2 has no such rule.
  it("allows as many bytes as the CreditCharge pays for", () => {
    for (
      const [dialect, creditCharge, most] of [
        [Dialect.SMB_2_1, 0, 65_536],
        [Dialect.SMB_2_1, 1, 65_536],
        [Dialect.SMB_3_1_1, 3, 196_608]
      ] as const
    ) {
      const { connection } = connected({ dialect })
      const message = { header: Header.read(Header.view(request({ creditCharge }))), packet: request() }
      assert.isTrue(connection.allows(message, most))
      assert.isFalse(connection.allows(message, most + 1))
    }
    const { connection } = connected({ dialect: Dialect.SMB_2_0_2 })
    assert.isTrue(connection.allows({ header: Header.read(Header.view(request())), packet: request() }, 100_000))
  })
})

describe("the logon of a user", () => {
  it("counts the connection for that user once, and for no other", () => {
    const { connection, connections } = connected()
    const [one, two] = [someone(), someone()]
    assert.strictEqual(connections.unauthenticated, 1)
    connection.admit(one.usage)
    connection.admit(one.usage)
    connection.admit(two.usage)
    assert.deepStrictEqual([one.usage.connections, two.usage.connections], [1, 0])
    assert.strictEqual(connection.owner, one.usage)
    assert.strictEqual(connections.unauthenticated, 0)
    connection.close()
    assert.deepStrictEqual([one.usage.connections, one.forgotten(), two.forgotten()], [0, 1, 0])
    const late = connected()
    late.connection.close()
    late.connection.admit(two.usage)
    assert.deepStrictEqual([two.usage.connections, late.connection.owner], [0, undefined])
  })

  it("is one too many at the user's limit or the server's, unless the connection has had a logon", () => {
    const { usage } = someone()
    const { connection } = connected({ limits: { userConnections: 2 } })
    usage.connections = 1
    assert.isUndefined(connection.reached(usage))
    usage.connections = 2
    assert.strictEqual(connection.reached(usage), "userConnections")
    const full = connected({ limits: { connections: 0 } })
    assert.strictEqual(full.connection.reached(someone().usage), "connections")
    const crowded = connected({ limits: { addressConnections: 0 }, address: "192.0.2.1" })
    assert.strictEqual(crowded.connection.reached(someone().usage), "addressConnections")
    connection.admit(someone().usage)
    assert.isUndefined(connection.reached(usage))
  })
})

describe("the end of a connection", () => {
  it("happens once: the socket, the place among the connections, and the waiting requests end with it", async () => {
    const { connection, connections, ends, socket } = connected()
    const ran: Array<string> = []
    connection.onClose = () => void ran.push(`onClose, socket ${socket.destroyed ? "gone" : "open"}`)
    const waits = Effect.runPromise(connection.ended)
    const given = Effect.runFork(connection.ended)
    const pending: PendingRequest = {
      asyncId: 1n,
      messageId: 3,
      session: undefined,
      outlivesChannel: false,
      abort: (status) => void ran.push(`aborted with ${status.toString(16)}`)
    }
    connection.pending.set(1n, pending)
    await Effect.runPromise(Effect.sync(() => given.interruptUnsafe()))
    assert.strictEqual(connections.size, 1)
    connection.close()
    connection.close()
    await waits
    assert.deepStrictEqual(ran, ["onClose, socket open", "aborted with c0000120"])
    assert.deepStrictEqual([connection.closed, socket.destroyed, connections.size, ends()], [true, true, 0, 1])
    // It has ended for everything that asks later, too.
    await Effect.runPromise(connection.ended)
  })
})
