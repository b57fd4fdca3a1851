/**
 * Proves how a connection sends responses (MS-SMB2 3.3.4.1): their headers and credits, which of them are signed or
 * encrypted and with whose keys, the one frame of a compound, and the order of what happens around it. A scripted
 * socket takes the frames.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Net from "node:net"
import { CommandSequenceWindow } from "../../src/Server/internal/Connection/CommandSequenceWindow.ts"
import { Outgoing } from "../../src/Server/internal/Connection/Outgoing.ts"
import { Batch, Responses } from "../../src/Server/internal/Connection/Responses.ts"
import { Incoming } from "../../src/Server/internal/State/Incoming.ts"
import { type Connection, Session } from "../../src/Server/internal/State/Model.ts"
import type { Reply } from "../../src/Server/internal/Wire/Reply.ts"
import * as Encryption from "../../src/Smb2/Encryption.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Cipher, Command, Dialect, SigningAlgorithm } from "../../src/Smb2/Message/Constants.ts"
import * as Signing from "../../src/Smb2/Signing.ts"
import { responses as messages } from "./RawClient.ts"

const [pending, denied] = [0x0000_0103, 0xc000_0022]
const [SERVER, ASYNC, RELATED, SIGNED, PRIORITY, DFS, REPLAY] = [1, 2, 4, 8, 0x70, 0x1000_0000, 0x2000_0000]

const keyOf = (number: number) => Signing.make(SigningAlgorithm.HMAC_SHA256, new Uint8Array(16).fill(number))

/** A connection whose socket keeps the frames. It takes them, and says so, only when `take` is called. */
const place = (credits = 512) => {
  const frames: Array<Buffer> = []
  let bytes = Buffer.alloc(0)
  const taken: Array<() => void> = []
  const socket = {
    destroyed: false,
    writableLength: 0,
    isPaused: () => false,
    cork() {},
    uncork() {},
    write(chunk: Uint8Array, done?: () => void) {
      bytes = Buffer.concat([bytes, chunk])
      if (done !== undefined) taken.push(done)
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
        const end = 4 + bytes.readUInt32BE(0)
        frames.push(Buffer.from(bytes.subarray(4, end)))
        bytes = bytes.subarray(end)
      }
      return true
    }
  }
  const connection = {
    dialect: Dialect.SMB_3_0 as number,
    sessions: new Map<bigint, Session>(),
    server: { sessions: new Map<bigint, Session>() },
    verifies: (sign: Signing.Sign, { header, packet }: Incoming) =>
      Signing.verify(sign, [packet], "client", header.messageId)
  }
  const sequence = new CommandSequenceWindow(credits)
  const out = new Outgoing(socket as unknown as Net.Socket, 1_000_000)
  const responses = new Responses(connection as unknown as Connection, out, sequence)
  /** A request, signed with a key if the test gives one. */
  const request = (
    how: Partial<Header.Header> & { readonly by?: Signing.Sign; readonly decryptedBy?: Session } = {}
  ): Incoming => {
    const { by, decryptedBy, ...fields } = how
    const packet = new Uint8Array(Header.size + 4)
    Header.write(Header.view(packet), 0, {
      creditCharge: 1,
      status: 0,
      command: Command.ECHO,
      credits: 1,
      flags: 0,
      nextCommand: 0,
      messageId: 7,
      asyncId: 0n,
      treeId: 3,
      sessionId: 5n,
      ...fields
    })
    if (by !== undefined) Signing.apply(by, [packet], "client", fields.messageId ?? 7, false)
    const header = Header.read(Header.view(packet))
    return new Incoming(
      connection as unknown as Connection,
      header,
      packet,
      (header.flags & SIGNED) !== 0,
      decryptedBy,
      () => {}
    )
  }
  /** Sends one response, and gives its header and its bytes. */
  const sent = (incoming: Incoming, reply: Partial<Reply> = {}) => {
    const batch = new Batch(incoming.decryptedBy)
    responses.respond(batch, incoming, { status: 0, body: Uint8Array.of(4, 0, 0, 0), ...reply })
    responses.flush(batch)
    return frames.pop()!
  }
  return { connection, sequence, responses, request, sent, frames, taken, socket }
}

const headerOf = (packet: Buffer) => Header.read(Header.view(packet))

describe("the header of a response", () => {
  it("has the identifiers of its request, or those that the request has made, and the flags that 3.3.4.1 keeps", () => {
    const { request, sent } = place()
    const header = headerOf(sent(request({ messageId: 99, command: Command.READ, creditCharge: 4, credits: 9 })))
    assert.deepStrictEqual(header, {
      creditCharge: 4,
      status: 0,
      command: Command.READ,
      credits: 9,
      flags: SERVER,
      nextCommand: 0,
      messageId: 99,
      asyncId: 0n,
      treeId: 3,
      sessionId: 5n
    })
    assert.deepInclude(headerOf(sent(request(), { treeId: 44, sessionId: 55n, status: denied })), {
      treeId: 44,
      sessionId: 55n,
      status: denied
    })
    for (const flags of [RELATED, PRIORITY, 0x30, DFS, REPLAY, RELATED | PRIORITY | DFS | REPLAY]) {
      assert.strictEqual(headerOf(sent(request({ flags }))).flags, SERVER | flags)
    }
    // The other flags belong to the sender of each message.
    assert.strictEqual(headerOf(sent(request({ flags: 0x0100_0000 | SIGNED }))).flags, SERVER)
  })

  it("of a request that waits has its AsyncId, and the credits come with the interim response alone", () => {
    const { request, sent } = place()
    const waiting = request({ credits: 6 })
    waiting.asyncId = 77n
    const interim = headerOf(sent(waiting, { status: pending }))
    assert.deepInclude(interim, { flags: SERVER | ASYNC, asyncId: 77n, credits: 6, status: pending })
    assert.deepInclude(headerOf(sent(waiting)), { flags: SERVER | ASYNC, asyncId: 77n, credits: 0, status: 0 })
    // A response without an AsyncId has its credits with any status.
    assert.strictEqual(headerOf(sent(request({ credits: 6 }), { status: pending })).credits, 6)
  })

  // 3.3.1.2, 3.3.4.1.2: a client that asks for none would have fewer and fewer.
  it.each([[0, 0, 1], [1, 0, 1], [0, 5, 5], [3, 0, 3], [3, 2, 3], [3, 4, 4]])(
    "of a request with the CreditCharge %i that asks for %i credits grants %i",
    (creditCharge, credits, granted) => {
      const { request, sent } = place()
      assert.strictEqual(headerOf(sent(request({ creditCharge, credits }))).credits, granted)
    }
  )

  it("of a message that no request asked for has no MessageId and no credits, and of a NEGOTIATE of SMB 1 has 0 and one", () => {
    const { connection, frames, responses, sequence } = place()
    const session = new Session(5n)
    connection.sessions.set(5n, session)
    session.signRequired = true
    session.channels.set(connection as never, { sign: keyOf(1) })
    responses.notify(session, false, {
      _tag: "OPLOCK_BREAK",
      body: { _tag: "OplockBreak", oplockLevel: 1, fileId: { persistent: 8n, volatile: 9n } }
    })
    // 3.3.4.6, 3.3.4.7: SessionId, TreeId and Signature are 0.
    const told = frames.pop()!
    assert.deepStrictEqual(headerOf(told), {
      creditCharge: 0,
      status: 0,
      command: Command.OPLOCK_BREAK,
      credits: 0,
      flags: SERVER,
      nextCommand: 0,
      messageId: Header.unsolicited,
      asyncId: 0n,
      treeId: 0,
      sessionId: 0n
    })
    assert.deepStrictEqual(told.subarray(48, 64), Buffer.alloc(16))
    assert.strictEqual(told.readBigUInt64LE(72), 8n)
    assert.isTrue(sequence.take(0, 1))
    responses.send(Command.NEGOTIATE, Uint8Array.of(1, 2, 3))
    const first = frames.pop()!
    assert.deepInclude(headerOf(first), { command: Command.NEGOTIATE, credits: 1, messageId: 0, flags: SERVER })
    assert.deepStrictEqual([...first.subarray(64)], [1, 2, 3])
    // It grants the credit.
    assert.isTrue(sequence.take(1, 1))
  })
})

describe("the signature of a response", () => {
  const [own, other, foreign] = [keyOf(1), keyOf(2), keyOf(3)]
  const signedBy = (packet: Buffer): string => {
    if ((packet.readUInt32LE(16) & SIGNED) === 0) {
      assert.deepStrictEqual(packet.subarray(48, 64), Buffer.alloc(16))
      return "nobody"
    }
    const { messageId } = headerOf(packet)
    const names = { own, other, foreign }
    return Object.entries(names).find(([, sign]) =>
      Signing.verify(sign, [Uint8Array.from(packet)], "server", messageId)
    )?.[0] ?? "?"
  }
  const user = {
    name: "joe",
    sid: "S-1-5-1",
    groups: new Set<string>(),
    administrator: false,
    guest: false,
    anonymous: false
  }

  /** A connection with the session 5 of a user. Its channel here signs with `own`; its first channel with `other`. */
  const loggedOn = (
    how: { readonly signRequired?: boolean; readonly keys?: boolean; readonly ended?: boolean } = {}
  ) => {
    const made = place()
    const session = new Session(5n)
    session.user = user
    session.ended = how.ended === true
    session.signRequired = how.signRequired === true
    session.sign = other
    session.hasSecretKeys = how.keys !== false
    made.connection.sessions.set(5n, session)
    made.connection.server.sessions.set(5n, session)
    session.channels.set(made.connection as never, { sign: how.keys === false ? undefined : own })
    return { ...made, session }
  }

  // 3.3.4.1.1: a response is signed if its request was, and if the session requires it.
  it("is there if the request was signed, or the session requires it and is valid", () => {
    for (const signRequired of [false, true]) {
      for (const status of [0, denied]) {
        const { request, sent } = loggedOn({ signRequired })
        assert.strictEqual(signedBy(sent(request({ by: own }), { status })), "own")
        assert.strictEqual(signedBy(sent(request(), { status })), signRequired ? "own" : "nobody")
      }
    }
    const ended = loggedOn({ signRequired: true, ended: true })
    assert.strictEqual(signedBy(ended.sent(ended.request())), "nobody")
    assert.strictEqual(signedBy(ended.sent(ended.request({ by: own }))), "own")
    const guest = loggedOn({ keys: false })
    assert.strictEqual(signedBy(guest.sent(guest.request())), "nobody")
  })

  it("is there on the last response of a logon, and not on the others unless the request has one", () => {
    const { request, sent } = loggedOn()
    const setup = { command: Command.SESSION_SETUP }
    assert.strictEqual(signedBy(sent(request(setup))), "own")
    assert.strictEqual(signedBy(sent(request(setup), { status: denied })), "nobody")
    assert.strictEqual(signedBy(sent(request(setup), { status: 0xc000_0016 })), "nobody")
    assert.strictEqual(signedBy(sent(request({ ...setup, by: own }), { status: denied })), "own")
  })

  it("uses the session that the response names", () => {
    const { connection, request, sent } = loggedOn()
    const made = new Session(6n)
    made.user = user
    made.hasSecretKeys = true
    connection.sessions.set(6n, made)
    made.channels.set(connection as never, { sign: foreign })
    const setup = request({ command: Command.SESSION_SETUP, sessionId: 0n })
    assert.strictEqual(signedBy(sent(setup, { sessionId: 6n })), "foreign")
  })

  // 3.3.4.1.1: an interim response is not signed, and no message is signed that is encrypted.
  it("is not there on an interim response, or on an encrypted one", () => {
    const { request, sent, session } = loggedOn({ signRequired: true })
    const waiting = request({ by: own })
    waiting.asyncId = 1n
    assert.strictEqual(signedBy(sent(waiting, { status: pending })), "nobody")
    assert.strictEqual(signedBy(sent(waiting)), "own")
    session.encrypt = (chunks) => chunks
    assert.strictEqual(signedBy(sent(request({ by: own, decryptedBy: session }))), "nobody")
  })

  it("has the keys of a session of another connection only if the request is signed with them", () => {
    for (const algorithm of [SigningAlgorithm.HMAC_SHA256, SigningAlgorithm.AES_GMAC]) {
      for (const [command, isLogon] of [[Command.SESSION_SETUP, true], [Command.READ, false]] as const) {
        const { connection, request, sent } = place()
        const session = new Session(5n)
        session.user = user
        session.sign = foreign
        session.signing = algorithm
        connection.server.sessions.set(5n, session)
        const reply = { status: denied }
        // With AES-GMAC an attacker could repeat any recorded request, and two signatures with one nonce reveal the key.
        const expected = isLogon || algorithm !== SigningAlgorithm.AES_GMAC ? "foreign" : "nobody"
        assert.strictEqual(signedBy(sent(request({ command, by: foreign }), reply)), expected)
        assert.strictEqual(signedBy(sent(request({ command, by: other }), reply)), "nobody")
        assert.strictEqual(signedBy(sent(request({ command }), reply)), "nobody")
        assert.strictEqual(signedBy(sent(request({ command, by: foreign, sessionId: 6n }), reply)), "nobody")
        // A session that the handler has found counts too, even if the server has forgotten it.
        connection.server.sessions.clear()
        const found = request({ command, by: foreign })
        found.session = session
        assert.strictEqual(signedBy(sent(found, reply)), expected)
        session.sign = undefined
        assert.strictEqual(signedBy(sent(found, reply)), "nobody")
      }
    }
  })
})

describe("a compound of responses", () => {
  it("is one frame: each message begins at a multiple of 8 bytes, the last is padded, and each is signed with its padding", () => {
    const { connection, frames, request, responses } = place()
    const session = new Session(5n)
    const sign = keyOf(1)
    session.channels.set(connection as never, { sign })
    connection.sessions.set(5n, session)
    for (const sizes of [[4, 4], [8, 9, 16], [1, 15, 7, 2]]) {
      const batch = new Batch(undefined)
      for (const [i, size] of sizes.entries()) {
        const body = new Uint8Array(size).fill(i + 1)
        responses.respond(batch, request({ messageId: i, by: sign }), { status: 0, body })
      }
      assert.strictEqual(batch.size, sizes.reduce((sum, size) => sum + 64 + size, 0))
      assert.deepStrictEqual(frames, [])
      responses.flush(batch)
      assert.deepStrictEqual([batch.size, batch.responses.length, frames.length], [0, 0, 1])
      const all = messages(frames.pop()!)
      assert.deepStrictEqual(all.map((one) => one.length), sizes.map((size) => 64 + Math.ceil(size / 8) * 8))
      for (const [i, one] of all.entries()) {
        const { messageId, nextCommand } = headerOf(one)
        assert.deepStrictEqual([messageId, nextCommand], [i, i === sizes.length - 1 ? 0 : one.length])
        const padded = Buffer.alloc(one.length - 64)
        padded.fill(i + 1, 0, sizes[i]!)
        assert.deepStrictEqual(one.subarray(64), padded)
        assert.isTrue(Signing.verify(sign, [Uint8Array.from(one)], "server", i))
      }
    }
  })

  it("of one response is not padded, and without a response nothing is sent", () => {
    const { frames, request, responses, sent } = place()
    assert.lengthOf(sent(request(), { body: new Uint8Array(5) }), 69)
    const empty = new Batch(undefined)
    let ran = false
    empty.after.push(() => void (ran = true))
    responses.flush(empty)
    assert.deepStrictEqual([frames, ran], [[], false])
  })

  it("that must wait sends its earlier responses at once, and then the interim response", () => {
    const { frames, request, responses } = place()
    const batch = new Batch(undefined)
    responses.respond(batch, request({ messageId: 1 }), { status: 0, body: new Uint8Array(4) })
    const waiting = request({ messageId: 2 })
    waiting.asyncId = 9n
    responses.interim(batch, waiting)
    assert.deepStrictEqual(
      frames.map((frame) => headerOf(frame)).map(({ asyncId, messageId, status }) => [messageId, asyncId, status]),
      [
        [1, 0n, 0],
        [2, 9n, pending]
      ]
    )
    // 2.2.2: the ERROR response without data.
    assert.deepStrictEqual([...frames[1]!.subarray(64)], [9, 0, 0, 0, 0, 0, 0, 0, 0])
  })

  it("runs what has to follow it once, when the socket has it", () => {
    const { frames, request, responses } = place()
    const batch = new Batch(undefined)
    const ran: Array<string> = []
    for (const name of ["first", "second"]) {
      const sent = () => void ran.push(`${name} after ${frames.length}`)
      responses.respond(batch, request(), { status: 0, body: new Uint8Array(4), sent })
    }
    assert.deepStrictEqual(ran, [])
    responses.flush(batch)
    assert.deepStrictEqual(ran, ["first after 1", "second after 1"])
    responses.respond(batch, request(), { status: 0, body: new Uint8Array(4) })
    responses.flush(batch)
    assert.lengthOf(ran, 2)
  })
})

describe("the payload of a response", () => {
  const pay = (made: ReturnType<typeof place>, data: Uint8Array, session?: Session) => {
    const batch = new Batch(session)
    let released = 0
    made.responses.respond(batch, made.request({ decryptedBy: session! }), {
      status: 0,
      body: Uint8Array.of(17, 0),
      data,
      release: () => void released++
    })
    assert.strictEqual(batch.size, 66 + data.length)
    made.responses.flush(batch)
    return { released: () => released }
  }

  it("follows the body, and its memory is released once, when the socket has taken it", () => {
    for (const length of [0, 1, 4096 - 66, 4096 - 65, 100_000]) {
      const made = place()
      const data = new Uint8Array(length).map((_, i) => i)
      const { released } = pay(made, data)
      assert.deepStrictEqual(made.frames[0]!.subarray(66), Buffer.from(data))
      // Up to 4096 bytes are copied.
      assert.strictEqual(released(), 66 + length <= 4096 ? 1 : 0)
      made.taken.forEach((done) => done())
      assert.strictEqual(released(), 1)
    }
  })

  it("of an encrypted session is released at once, because the socket has the cipher text", () => {
    const made = place()
    const session = new Session(5n)
    const key = new Uint8Array(16).fill(9)
    session.encrypt = Encryption.makeEncrypt(Cipher.AES_128_GCM, key, 5n)
    const data = new Uint8Array(10_000).fill(3)
    const { released } = pay(made, data, session)
    assert.strictEqual(released(), 1)
    const plain = Encryption.makeDecrypt(Cipher.AES_128_GCM, key)(made.frames[0]!)!
    assert.deepStrictEqual(Buffer.from(plain.packet).subarray(66), Buffer.from(data))
  })
})

describe("the encryption of a break notification", () => {
  const told = (encrypted: boolean, required: boolean, keys: boolean): boolean => {
    const { frames, responses } = place()
    const session = new Session(5n)
    session.encryptRequired = required
    const key = new Uint8Array(16).fill(9)
    if (keys) session.encrypt = Encryption.makeEncrypt(Cipher.AES_128_CCM, key, 5n)
    responses.notify(session, encrypted, {
      _tag: "OPLOCK_BREAK",
      body: { _tag: "OplockBreak", oplockLevel: 1, fileId: { persistent: 8n, volatile: 9n } }
    })
    const isSealed = frames[0]!.readUInt32LE(0) === Encryption.protocolId
    const plain = isSealed ? Encryption.makeDecrypt(Cipher.AES_128_CCM, key)(frames[0]!)!.packet : frames[0]!
    assert.strictEqual(headerOf(Buffer.from(plain)).command, Command.OPLOCK_BREAK)
    return isSealed
  }

  // 3.3.4.6: encrypted if Session.EncryptData or the share's EncryptData is set.
  it.each([[false, false, false], [true, false, true], [false, true, true], [true, true, true]])(
    "is there if the share (%s) or the session (%s) requires it: %s",
    (encrypted, required, expected) => {
      assert.strictEqual(told(encrypted, required, true), expected)
      assert.isFalse(told(encrypted, required, false))
    }
  )
})
