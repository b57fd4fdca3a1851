/**
 * The multiplexer of SMB 2 against scripted peers that respond late, in any order, with too few credits, with wrong
 * signatures, or with malformed packets; and its timeouts.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import { Malformed } from "../../src/Codec/Malformed.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { ProtocolError, TransportError } from "../../src/Protocol/Errors.ts"
import { Breaks } from "../../src/Smb2/Breaks.ts"
import * as Connection from "../../src/Smb2/Connection.ts"
import * as Encryption from "../../src/Smb2/Encryption.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Cipher, Command, HeaderFlags, OplockLevel, SigningAlgorithm } from "../../src/Smb2/Message/Constants.ts"
import * as Signing from "../../src/Smb2/Signing.ts"
import { random } from "../random.ts"
import * as Peer from "./peer.ts"

const { SMB2_FLAGS_ASYNC_COMMAND, SMB2_FLAGS_RELATED_OPERATIONS, SMB2_FLAGS_SERVER_TO_REDIR, SMB2_FLAGS_SIGNED } =
  HeaderFlags
const PENDING = NtStatus.STATUS_PENDING
const CANCELLED = NtStatus.STATUS_CANCELLED
const async = SMB2_FLAGS_SERVER_TO_REDIR | SMB2_FLAGS_ASYNC_COMMAND

const security = (sign?: Signing.Sign, signsAll = true): Connection.Security => ({
  sessionId: 7n,
  sign,
  signsAll,
  encrypt: undefined,
  decrypt: undefined
})

describe("an SMB 2 connection's credits", () => {
  it("are never overdrawn for responses in random order, and each response reaches its request", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const next = random(seed)
      let balance = 1 + next(20)
      const peer = Peer.make({}, balance)
      peer.connection.multiCredit = true
      let expectedId = 1
      const charges = Array.from({ length: 100 }, () => next(4) === 0 ? 1 + next(16) : 1)
      // Nothing is in flight at first: the first request must need at most one credit.
      charges[0] = 1
      const submissions = charges.map((creditCharge) => peer.submit({ ...Peer.echo, creditCharge }))
      const open: Array<Peer.Sent> = []
      let answered = 0
      while (answered < charges.length) {
        for (const sent of peer.sent()) {
          assert.strictEqual(sent.header.messageId, expectedId)
          assert.strictEqual(sent.header.creditCharge, charges[open.length + answered])
          assert(sent.header.credits >= sent.header.creditCharge, "requests at least the credits that it spends")
          expectedId += sent.header.creditCharge
          balance -= sent.header.creditCharge
          assert(balance >= 0, `seed ${seed}: ${balance} credits`)
          open.push(sent)
        }
        peer.frames.length = 0
        assert.strictEqual(peer.connection.outstanding, open.length)
        const [chosen] = open.splice(next(open.length), 1)
        answered++
        // A peer that grants nothing while nothing is in flight would end the connection.
        const credits = open.length === 0 ? 16 : [0, 1, chosen!.header.creditCharge, 5, 40][next(5)]!
        balance += credits
        peer.answer(chosen!.header, { credits })
      }
      for (const [i, { ends: [end] }] of submissions.entries()) {
        assert.isUndefined(end!.error)
        const before = charges.slice(0, i).reduce((sum, charge) => sum + charge, 1)
        assert.strictEqual(end!.reply!.header.messageId, before)
      }
      assert.deepStrictEqual(peer.failures, [])
    }
  })

  it("are a ProtocolError at once when the server leaves none and nothing is in flight", () => {
    // The server leaves no credit while nothing is in flight: the client could never send again.
    const peer = Peer.make()
    const sent = Peer.make({}, 1)
    const last = sent.submit(Peer.echo)
    const waiting = sent.submit(Peer.echo)
    sent.answer(sent.sent()[0]!.header, { credits: 0 })
    assert.isDefined(last.ends[0]!.reply)
    assert.instanceOf(waiting.ends[0]!.error, ProtocolError)
    assert.isTrue(sent.isClosed())
    peer.connection.fail(peer.connection.transportError("ConnectionClosed"))
  })

  it("are a ProtocolError for a later request too when none is left", () => {
    const peer = Peer.make({}, 1)
    peer.submit(Peer.echo)
    peer.answer(peer.sent()[0]!.header, { credits: 0 })
    const late = peer.submit(Peer.echo)
    assert.instanceOf(late.ends[0]!.error, ProtocolError)
  })

  it("are waited for behind an asynchronous request until the timeout", () => {
    const peer = Peer.make({ keepAlive: 1_000_000 }, 1)
    const watch = peer.submit({ ...Peer.echo, command: Command.CHANGE_NOTIFY })
    peer.answer(peer.sent()[0]!.header, { status: PENDING, flags: async, asyncId: 5n, credits: 0 })
    const starving = peer.submit(Peer.echo)
    for (let second = 0; second <= 31; second++) peer.connection.tick()
    assert.instanceOf(starving.ends[0]!.error, TransportError)
    assert.isUndefined(watch.ends[0]!.error)
    assert.isFalse(peer.isClosed())
  })

  it("are used at once by a request behind a larger one that is abandoned", () => {
    const peer = Peer.make({}, 5)
    peer.connection.multiCredit = true
    peer.submit({ ...Peer.echo, command: Command.CHANGE_NOTIFY, waits: true })
    peer.answer(peer.sent()[0]!.header, { status: PENDING, flags: async, asyncId: 5n, credits: 0 })
    const large = peer.submit({ ...Peer.echo, command: Command.READ, creditCharge: 16 })
    const small = peer.submit(Peer.echo)
    assert.strictEqual(peer.sent().length, 1)
    large.abandon()
    assert.deepStrictEqual(peer.sent().map(({ header }) => header.command), [Command.CHANGE_NOTIFY, Command.ECHO])
    peer.answer(peer.sent()[1]!.header)
    assert.isDefined(small.ends[0]!.reply)
    assert.deepStrictEqual(large.ends, [{}])
  })

  it("go first to the acknowledgment of a break, for which other clients wait, and others keep their order", () => {
    // A body of 24 bytes: a break to level none of the open with the FileId 1, 2 (MS-SMB2 2.2.23.1).
    const notification = Uint8Array.of(24, ...new Uint8Array(7), 1, ...new Uint8Array(7), 2, ...new Uint8Array(7))
    for (const credits of [5, 1]) {
      const peer = Peer.make({}, credits)
      peer.connection.multiCredit = true
      const breaks = new Breaks()
      breaks.attach(peer.connection)
      breaks.hold(
        { persistent: 1n, volatile: 2n },
        OplockLevel.SMB2_OPLOCK_LEVEL_BATCH,
        undefined,
        () => false,
        (ack) => peer.submit(ack)
      )
      peer.submit(Peer.echo)
      const large = peer.submit({ ...Peer.echo, command: Command.READ, creditCharge: 6 })
      const small = peer.submit(Peer.echo)
      peer.push(Peer.response({
        command: Command.OPLOCK_BREAK,
        messageId: Header.unsolicited,
        credits: 0
      }, notification))
      const commands = () => peer.sent().map(({ header }) => header.command)
      // Without a credit for it, it is the next.
      assert.deepStrictEqual(commands(), credits === 5 ? [Command.ECHO, Command.OPLOCK_BREAK] : [Command.ECHO])
      peer.answer(peer.sent()[0]!.header)
      assert.deepStrictEqual(commands(), [Command.ECHO, Command.OPLOCK_BREAK])
      peer.answer(peer.sent()[1]!.header, { credits: 9 }, notification)
      assert.deepStrictEqual(commands(), [Command.ECHO, Command.OPLOCK_BREAK, Command.READ, Command.ECHO])
      assert.deepStrictEqual([large.ends, small.ends], [[{}], [{}]])
    }
  })

  it("send nothing more once the connection has failed, also if a failed request's callback abandons another", () => {
    const peer = Peer.make({}, 5)
    peer.connection.multiCredit = true
    const callback = { abandonLarge: () => {} }
    peer.connection.submit([{ ...Peer.echo, command: Command.CHANGE_NOTIFY, waits: true }], [
      () => callback.abandonLarge()
    ])
    const large = peer.submit({ ...Peer.echo, command: Command.READ, creditCharge: 16 })
    callback.abandonLarge = large.abandon
    const small = peer.submit(Peer.echo)
    peer.connection.fail(peer.connection.transportError("ConnectionClosed"))
    assert.deepStrictEqual(peer.sent().map(({ header }) => header.command), [Command.CHANGE_NOTIFY])
    const { error } = small.ends[0]!
    assert.instanceOf(error, TransportError)
    assert.isFalse((error as TransportError).sent ?? false)
  })

  it("are one for each request, with CreditCharge 0, when the server has no large MTU", () => {
    const peer = Peer.make()
    peer.submit({ ...Peer.echo, creditCharge: 1 })
    peer.submit({ ...Peer.echo, creditCharge: 1 })
    assert.deepStrictEqual(peer.sent().map(({ header }) => [header.messageId, header.creditCharge]), [[1, 0], [2, 0]])
  })
})

describe("a compound over an SMB 2 connection", () => {
  const three: ReadonlyArray<Connection.Outgoing> = [
    { command: Command.CREATE, body: new Uint8Array(57).fill(1), treeId: 3, security: security() },
    {
      command: Command.WRITE,
      body: new Uint8Array(48),
      payload: new Uint8Array(5).fill(2),
      treeId: 3,
      security: security()
    },
    { command: Command.CLOSE, body: new Uint8Array(24), treeId: 3, security: security() }
  ]

  it("is one packet of aligned and related requests, each with its MessageId", () => {
    const peer = Peer.make()
    peer.submit(...three)
    assert.strictEqual(peer.frames.length, 1)
    const sent = peer.sent()
    assert.deepStrictEqual(sent.map(({ header }) => header.nextCommand), [128, 120, 0])
    assert.deepStrictEqual(sent.map(({ header }) => header.messageId), [1, 2, 3])
    assert.deepStrictEqual(
      sent.map(({ header }) => header.flags & SMB2_FLAGS_RELATED_OPERATIONS),
      [0, SMB2_FLAGS_RELATED_OPERATIONS, SMB2_FLAGS_RELATED_OPERATIONS]
    )
    assert.deepStrictEqual([...sent[1]!.packet.subarray(112)], [2, 2, 2, 2, 2, 0, 0, 0])
  })

  it("can get its responses together or one by one", () => {
    for (const together of [true, false]) {
      const peer = Peer.make()
      const { ends } = peer.submit(...three)
      const packets = peer.sent().map(({ header }, i) =>
        Peer.response({
          command: header.command,
          messageId: header.messageId,
          nextCommand: together && i < 2 ? 72 : 0
        }, new Uint8Array(together && i < 2 ? 8 : 4))
      )
      if (together) peer.push(new Uint8Array(Buffer.concat(packets)))
      else for (const packet of packets.reverse()) peer.push(packet)
      assert.deepStrictEqual(ends.map(({ reply }) => reply!.header.command), [
        Command.CREATE,
        Command.WRITE,
        Command.CLOSE
      ])
    }
  })

  it("is signed request by request, with the padding", () => {
    const sign = Signing.make(SigningAlgorithm.HMAC_SHA256, new Uint8Array(16).fill(9))
    const peer = Peer.make()
    peer.submit(...three.map((outgoing) => Object.assign({}, outgoing, { security: security(sign) })))
    for (const { header, packet } of peer.sent()) {
      assert(Signing.verify(sign, [packet], "client", header.messageId))
    }
  })
})

describe("an asynchronous request over an SMB 2 connection", () => {
  const notify: Connection.Outgoing = { command: Command.CHANGE_NOTIFY, body: new Uint8Array(32), treeId: 4 }

  it("is not completed by its interim response, whose credits count", () => {
    const peer = Peer.make({}, 1)
    const { ends } = peer.submit(notify)
    const { header } = peer.sent()[0]!
    peer.answer(header, { status: PENDING, flags: async, asyncId: 77n, credits: 10 })
    assert.deepStrictEqual(ends, [{}])
    for (let i = 0; i < 10; i++) peer.submit(Peer.echo)
    assert.strictEqual(peer.sent().length, 11)
    peer.answer(header, { flags: async, asyncId: 77n, credits: 0 })
    assert.strictEqual(ends[0]!.reply!.header.asyncId, 77n)
  })

  it("is cancelled once by its AsyncId without credit and MessageId, and its response is dropped", () => {
    const peer = Peer.make({}, 1)
    const { abandon, ends } = peer.submit(notify)
    const { header } = peer.sent()[0]!
    peer.answer(header, { status: PENDING, flags: async, asyncId: 77n, credits: 1 })
    abandon()
    abandon()
    const cancels = peer.sent().slice(1)
    assert.strictEqual(cancels.length, 1)
    assert.deepInclude(cancels[0]!.header, {
      command: Command.CANCEL,
      messageId: header.messageId,
      asyncId: 77n,
      creditCharge: 0,
      credits: 0,
      flags: SMB2_FLAGS_ASYNC_COMMAND
    })
    const after = peer.submit(Peer.echo)
    assert.strictEqual(peer.sent().at(-1)!.header.messageId, header.messageId + 1)
    peer.answer(header, { status: CANCELLED, flags: async, asyncId: 77n, credits: 0 })
    peer.answer(peer.sent().at(-1)!.header)
    assert.deepStrictEqual(ends, [{}])
    assert.isDefined(after.ends[0]!.reply)
    assert.strictEqual(peer.connection.outstanding, 0)
  })

  it("is cancelled again by its AsyncId when the first CANCEL had only the MessageId", () => {
    const peer = Peer.make()
    const { abandon } = peer.submit(notify)
    abandon()
    peer.answer(peer.sent()[0]!.header, { status: PENDING, flags: async, asyncId: 9n })
    const [first, second] = peer.sent().slice(1)
    assert.deepStrictEqual([first!.header.flags, first!.header.messageId], [0, 1])
    assert.deepStrictEqual([second!.header.flags, second!.header.asyncId], [SMB2_FLAGS_ASYNC_COMMAND, 9n])
  })

  it("is cancelled with a GMAC signature whose nonce says CANCEL", () => {
    const key = new Uint8Array(16).fill(3)
    const sign = Signing.make(SigningAlgorithm.AES_GMAC, key)
    const peer = Peer.make()
    const { abandon } = peer.submit({ ...notify, security: security(sign) })
    abandon()
    const cancel = peer.sent()[1]!
    const packet = cancel.packet.slice()
    const signature = packet.slice(48, 64)
    packet.fill(0, 48, 64)
    assert.deepStrictEqual(signature, new Uint8Array(sign([packet], "client", cancel.header.messageId, true)))
  })

  it("is not sent when it is abandoned while it waits for credits", () => {
    const peer = Peer.make({}, 1)
    peer.submit(Peer.echo)
    const waiting = peer.submit(Peer.echo)
    waiting.abandon()
    peer.answer(peer.sent()[0]!.header, { credits: 5 })
    assert.strictEqual(peer.sent().length, 1)
    assert.deepStrictEqual(waiting.ends, [{}])
  })

  it("that succeeds after it was abandoned is given to `orphan`, and a failure is not", () => {
    const orphans: Array<Connection.Reply> = []
    const peer = Peer.make()
    const create = {
      command: Command.CREATE,
      body: new Uint8Array(57),
      orphan: (r: Connection.Reply) => orphans.push(r)
    }
    for (const status of [0, CANCELLED]) {
      const { abandon } = peer.submit(create)
      const { header } = peer.sent().at(-1)!
      abandon()
      peer.answer(header, { status })
    }
    assert.deepStrictEqual(orphans.map(({ header }) => header.status), [0])
  })
})

describe("a response's signature over an SMB 2 connection", () => {
  const sign = Signing.make(SigningAlgorithm.HMAC_SHA256, new Uint8Array(16).fill(1))
  const signed = (packet: Uint8Array) => {
    Signing.apply(sign, [packet], "server", Header.read(Header.view(packet)).messageId, false)
    return packet
  }
  const submitted = () => {
    const peer = Peer.make()
    const one = peer.submit({ ...Peer.echo, security: security(sign) })
    return { peer, one, header: peer.sent()[0]!.header }
  }

  it("is accepted when it is right, and not needed for an interim response", () => {
    const { header, one, peer } = submitted()
    assert.strictEqual(header.flags & SMB2_FLAGS_SIGNED, SMB2_FLAGS_SIGNED)
    peer.push(Peer.response({ messageId: header.messageId, status: PENDING, flags: async, asyncId: 1n }))
    peer.push(signed(Peer.response({ messageId: header.messageId, flags: async, asyncId: 1n })))
    assert.isDefined(one.ends[0]!.reply)
  })

  it.each(
    [
      ["NotSigned", (packet: Uint8Array) => packet],
      ["BadSignature", (packet: Uint8Array) => {
        signed(packet)[50]! ^= 1
        return packet
      }],
      ["BadSignature", (packet: Uint8Array) => {
        signed(packet)[66]! ^= 1
        return packet
      }],
      // STATUS_PENDING without the flag of an interim response is no exception.
      ["NotSigned", (packet: Uint8Array) => {
        Header.view(packet).setUint32(8, PENDING, true)
        return packet
      }]
    ] as const
  )("ends the connection as %s when it is missing or wrong", (reason, tamper) => {
    const { header, one, peer } = submitted()
    peer.push(tamper(Peer.response({ messageId: header.messageId })))
    const { error } = one.ends[0]!
    assert.instanceOf(error, ProtocolError)
    assert.strictEqual((error as ProtocolError).reason._tag, reason)
    assert.isTrue(peer.isClosed())
  })
})

describe("a response without a request over an SMB 2 connection", () => {
  const unsolicited = (command: number) => {
    const packet = Peer.response({ command })
    packet.fill(0xff, 24, 32)
    return packet
  }
  const strays: ReadonlyArray<readonly [string, Uint8Array]> = [
    ["with a MessageId of no request", Peer.response({ messageId: 99 })],
    ["to the NEGOTIATE that was completed before", Peer.response({ messageId: 0, command: Command.CHANGE_NOTIFY })],
    ["that is an ECHO with MessageId 2^64-1", unsolicited(Command.ECHO)],
    ["that is a signed READ with MessageId 2^64-1", unsolicited(Command.READ)],
    ["that is called pending", Peer.response({ messageId: 99, status: PENDING, flags: async, asyncId: 3n })],
    // As large as one whose data goes straight into the caller's memory.
    ["that is a READ of 80,000 bytes", Peer.response({ messageId: 99, command: Command.READ }, new Uint8Array(80_016))]
  ]
  it.each(strays)("%s is discarded, and its credits do not count", (_name, packet) => {
    const peer = Peer.make({}, 2)
    const all = [1, 2, 3].map(() => peer.submit(Peer.echo))
    assert.strictEqual(peer.sent().length, 2)
    peer.push(packet)
    assert.strictEqual(peer.connection.discardedAnswers, 1)
    assert.strictEqual(peer.sent().length, 2)
    assert.deepStrictEqual(peer.failures, [])
    for (const { header } of peer.sent().slice(0, 2)) peer.answer(header)
    peer.answer(peer.sent()[2]!.header)
    for (const { ends: [end] } of all) assert.isDefined(end!.reply)
  })

  it("is discarded when it is the second for a request", () => {
    const peer = Peer.make()
    const one = peer.submit(Peer.echo)
    const { header } = peer.sent()[0]!
    peer.answer(header)
    peer.answer(header, { status: CANCELLED })
    assert.strictEqual(one.ends[0]!.reply!.header.status, 0)
    assert.strictEqual(peer.connection.discardedAnswers, 1)
    assert.isFalse(peer.isClosed())
  })

  it("does not excuse an unsigned response to a signed request", () => {
    const sign = Signing.make(SigningAlgorithm.HMAC_SHA256, new Uint8Array(16).fill(1))
    const peer = Peer.make()
    const one = peer.submit({ ...Peer.echo, security: security(sign) })
    peer.push(Peer.response({ messageId: 99 }))
    peer.push(Peer.response({ messageId: 1 }))
    assert.strictEqual((one.ends[0]!.error as ProtocolError).reason._tag, "NotSigned")
  })

  it("is discarded 100 times a second, and 300 at once end the connection", () => {
    const peer = Peer.make()
    const one = peer.submit({ ...Peer.echo, waits: true, command: Command.CHANGE_NOTIFY })
    peer.answer(peer.sent()[0]!.header, { status: PENDING, flags: async, asyncId: 5n })
    for (let second = 0; second < 100; second++) {
      for (let i = 0; i < 100; i++) peer.push(unsolicited(Command.ECHO))
      peer.connection.tick()
    }
    assert.deepStrictEqual(one.ends, [{}])
    assert.strictEqual(peer.connection.discardedAnswers, 10_000)
    for (let i = 0; i < 300; i++) peer.push(unsolicited(Command.ECHO))
    assert.include((one.ends[0]!.error as ProtocolError).message, "answers to no request")
    assert.isTrue(peer.isClosed())
  })
})

describe("the multi-protocol NEGOTIATE over an SMB 2 connection", () => {
  it("has the connection's error when the connection has failed before", () => {
    const sent: Array<unknown> = []
    const connection = new Connection.Connection(Peer.options)
    connection.attach({ send: (chunks) => void sent.push(chunks), close: () => {} })
    const error = connection.transportError("ConnectionClosed")
    connection.fail(error)
    const ends: Array<unknown> = []
    connection.submitMultiProtocolNegotiate(new Uint8Array(40), (failed) => void ends.push(failed))
    assert.deepStrictEqual([ends, sent], [[error], []])
  })
})

describe("the multi-protocol NEGOTIATE as a request", () => {
  // MS-SMB2 3.2.4.2.2.1: the client sends it with MessageId 0, and 3.2.4.1.6: a new connection has one credit.
  it("spends the only credit of a new connection: the next request waits for its response, and has MessageId 1", () => {
    const frames: Array<Uint8Array> = []
    const connection = new Connection.Connection(Peer.options)
    connection.attach({ send: (chunks) => void frames.push(Buffer.concat(chunks)), close: () => {} })
    const ends: Array<string> = []
    connection.submitMultiProtocolNegotiate(new Uint8Array(40).fill(9), (error) => ends.push(error?._tag ?? "answered"))
    connection.submit([Peer.echo], [() => ends.push("second")])
    // The length of the packet comes first (MS-SMB2 2.1).
    assert.deepStrictEqual(frames.map((frame) => [...frame]), [[0, 0, 0, 40, ...Array.from({ length: 40 }, () => 9)]])
    assert.strictEqual(connection.outstanding, 1)
    connection.onData(Peer.frame(Peer.response({ command: Command.NEGOTIATE, messageId: 0, credits: 1 })))
    assert.deepStrictEqual(ends, ["answered"])
    assert.strictEqual(frames.length, 2)
    const header = Header.read(Header.view(frames[1]!.subarray(4)))
    assert.deepStrictEqual([header.command, header.messageId], [Command.ECHO, 1])
  })
})

describe("a malformed packet over an SMB 2 connection", () => {
  const compound = (nextCommand: number, length = 200) => {
    const packet = new Uint8Array(length)
    packet.set(Peer.response({ messageId: 1, nextCommand }))
    return packet
  }
  const cases: ReadonlyArray<readonly [string, Uint8Array, new(...args: Array<any>) => unknown]> = [
    ["another command", Peer.response({ messageId: 1, command: Command.READ }), ProtocolError],
    ["a request", Peer.response({ messageId: 1, flags: 0 }), ProtocolError],
    ["a packet of three bytes", new Uint8Array(3), ProtocolError],
    ["a packet of blanks", new Uint8Array(100).fill(0x20), ProtocolError],
    ["a header without a body", Peer.response({ messageId: 1 }).subarray(0, 65), Malformed],
    ["a truncated header", Peer.response({ messageId: 1 }).subarray(0, 20), Malformed],
    [
      "a header of another size",
      (() => {
        const packet = Peer.response({ messageId: 1 })
        packet[4] = 65
        return packet
      })(),
      Malformed
    ],
    ["a NextCommand into its own header", compound(8), Malformed],
    ["a NextCommand that is not aligned", compound(69), Malformed],
    ["a NextCommand beyond the end", compound(208), Malformed],
    ["a huge NextCommand", compound(0xfffffff8), Malformed],
    ["a compound whose second header is invalid", compound(72), Malformed],
    [
      "an encrypted packet of no session",
      (() => {
        const packet = new Uint8Array(200)
        packet.set([0xfd, 0x53, 0x4d, 0x42])
        return packet
      })(),
      ProtocolError
    ],
    ["a truncated encrypted packet", Uint8Array.of(0xfd, 0x53, 0x4d, 0x42, 1, 2, 3), ProtocolError]
  ]
  it.each(cases)("fails all requests in flight and waiting once: %s", (_name, packet, kind) => {
    const peer = Peer.make({}, 2)
    const all = [1, 2, 3, 4].map(() => peer.submit(Peer.echo))
    assert.strictEqual(peer.sent().length, 2)
    peer.push(packet)
    const answered = packet.length > 64 && Header.read(Header.view(packet)).nextCommand === 72 ? 1 : 0
    for (const { ends: [end] } of all.slice(answered)) assert.instanceOf(end!.error, kind)
    assert.strictEqual(peer.ended.length, 4)
    assert.strictEqual(peer.failures.length, 1)
    assert.isTrue(peer.isClosed())
    assert.strictEqual(peer.connection.outstanding, 0)
    // Later packets are ignored, and later requests fail at once.
    peer.push(Peer.response({ messageId: 1 }))
    assert.instanceOf(peer.submit(Peer.echo).ends[0]!.error, kind)
    assert.strictEqual(peer.failures.length, 1)
  })

  it.each<readonly [string, Uint8Array]>([
    [
      "the service at port 1445 does not speak SMB 2 or 3. Check the host and the port: another service may listen there",
      Buffer.from("HTTP/1.1 400 Bad Request")
    ],
    [
      "the service at port 1445 does not speak SMB 2 or 3 (a packet has 3 bytes). " +
      "Check the host and the port: another service may listen there",
      new Uint8Array(3)
    ],
    [
      "the server sent a response to READ for a request of ECHO: the server is at fault",
      Peer.response({ messageId: 1, command: Command.READ })
    ],
    [
      "the server sent a request instead of a response: the server is at fault",
      Peer.response({ messageId: 1, flags: 0 })
    ]
  ])("is reported with its host and port, the difference, and advice: %s", (expected, packet) => {
    const peer = Peer.make({ port: 1445 })
    const { ends } = peer.submit(Peer.echo)
    peer.push(packet)
    assert.strictEqual(ends[0]!.error!.message, `peer: ${expected}`)
  })

  it("that is not even framed as SMB is reported with its host, its port and its first byte", () => {
    const peer = Peer.make({ port: 1445 })
    peer.connection.onData(Buffer.from("HTTP/1.1 400 Bad Request"))
    assert.strictEqual(
      peer.failures[0]!.message,
      "peer: the service at port 1445 does not speak SMB (the first byte is 72). " +
        "Check the host and the port: another service may listen there"
    )
  })

  it("that fails a request does not complete another one that the request's callback abandons", () => {
    const peer = Peer.make({}, 2)
    const completed: Array<string> = []
    const submit = (name: string, then: () => void) =>
      peer.connection.submit([Peer.echo], [() => {
        completed.push(name)
        then()
      }])
    submit("in flight", () => abandoned.forEach((abandon) => abandon()))
    const abandoned = [submit("in flight, abandoned", () => {}), submit("waiting, abandoned", () => {})]
    submit("waiting", () => {})
    peer.push(new Uint8Array(100))
    assert.deepStrictEqual(completed, ["in flight", "waiting"])
  })

  it("is TooLarge as soon as its length is beyond the limit", () => {
    const peer = Peer.make()
    const { ends } = peer.submit(Peer.echo)
    peer.connection.onData(Uint8Array.of(0, 0x7f, 0xff, 0xff))
    assert.strictEqual((ends[0]!.error as ProtocolError).reason._tag, "PacketTooLarge")
  })

  it("is not written into the caller's buffer after the caller has abandoned the READ", () => {
    for (const interrupted of [false, true]) {
      const peer = Peer.make()
      peer.connection.multiCredit = true
      const destination = new Uint8Array(20_000)
      const { abandon, ends } = peer.submit({
        command: Command.READ,
        body: new Uint8Array(49),
        readLength: 20_000,
        destination,
        creditCharge: 1
      })
      const { header } = peer.sent()[0]!
      if (interrupted) abandon()
      const body = new Uint8Array(16 + 20_000).fill(0xaa)
      body[2] = 80
      Header.view(body).setUint32(4, 20_000, true)
      peer.answer(header, {}, body)
      assert.deepStrictEqual(peer.failures, [])
      assert.strictEqual(ends[0]!.reply !== undefined, !interrupted)
      assert.isTrue(destination.every((byte) => byte === (interrupted ? 0 : 0xaa)))
    }
  })

  it("is not written into the caller's buffer when it is a READ response with too many bytes", () => {
    const peer = Peer.make()
    peer.connection.multiCredit = true
    const destination = new Uint8Array(20_000)
    const read = { command: Command.READ, body: new Uint8Array(49), readLength: 20_000, destination, creditCharge: 1 }
    const { ends } = peer.submit(read)
    const body = new Uint8Array(16 + 30_000).fill(0xaa)
    Header.view(body).setUint16(0, 17, true)
    body[2] = 80
    Header.view(body).setUint32(4, 30_000, true)
    peer.answer(peer.sent()[0]!.header, {}, body)
    assert.isUndefined(ends[0]!.reply!.data)
    assert(destination.every((byte) => byte === 0))
  })

  it("never throws and completes each request when it is a mutated response of a real server", () => {
    const packets = fs.readFileSync(new URL("fixtures/captured.jsonl", import.meta.url), "utf8")
      .trimEnd().split("\n").slice(1)
      .map((line): { readonly way: string; readonly packet: string } => JSON.parse(line))
      .filter(({ way }) => way === "response")
      .map(({ packet }) => new Uint8Array(Buffer.from(packet, "hex")))
    const next = random(11)
    for (let round = 0; round < 3000; round++) {
      const peer = Peer.make({ maximumFrame: 10_000 })
      peer.connection.onBreak = () => {}
      const original = packets[round % packets.length]!
      const { command } = Header.read(Header.view(original))
      const submitted = [0, 1, 2].map(() => peer.submit({ command, body: new Uint8Array(64), readLength: 65536 }))
      const packet = original.slice(0, next(4) === 0 ? next(original.length) + 1 : original.length)
      if (packet.length >= 32) {
        packet.fill(0, 24, 32)
        packet[24] = 1 + next(4)
      }
      for (let i = next(6); i > 0; i--) packet[next(packet.length)] = next(256)
      const bytes = Peer.frame(packet)
      if (next(10) === 0) bytes[next(4)] = next(256)
      for (let at = 0; at < bytes.length;) {
        const count = 1 + next(bytes.length)
        peer.connection.onData(bytes.subarray(at, at + count))
        at += count
      }
      peer.connection.onClose(peer.connection.transportError("ConnectionClosed"))
      assert.strictEqual(peer.ended.length, submitted.length)
      assert.strictEqual(peer.connection.outstanding, 0)
      for (const { ends: [end] } of submitted) assert(end!.reply !== undefined || end!.error !== undefined)
    }
  })
})

describe("an SMB 2 connection's timeouts", () => {
  const tick = (peer: ReturnType<typeof Peer.make>, seconds: number) => {
    for (let i = 0; i < seconds; i++) peer.connection.tick()
  }

  it("send an ECHO after 15 s of silence, and fail the connection 31 s later without a response", () => {
    const peer = Peer.make()
    tick(peer, 14)
    assert.deepStrictEqual(peer.sent(), [])
    tick(peer, 1)
    assert.strictEqual(peer.sent()[0]!.header.command, Command.ECHO)
    peer.answer(peer.sent()[0]!.header)
    tick(peer, 14)
    assert.strictEqual(peer.sent().length, 1)
    tick(peer, 1)
    assert.strictEqual(peer.sent().length, 2)
    tick(peer, 31)
    assert.strictEqual((peer.failures[0] as TransportError).reason._tag, "TimedOut")
  })

  for (const encryptsAll of [false, true]) {
    it(`send an ECHO that is ${encryptsAll ? "encrypted" : "plain"} as all requests of the session are`, () => {
      const chunks: Array<Uint8Array> = []
      const peer = Peer.make()
      const encrypt = Encryption.makeEncrypt(Cipher.AES_128_GCM, new Uint8Array(16), 7n)
      peer.connection.addSession({ ...security(), encrypt, encryptsAll })
      peer.connection.attach({ send: (all) => void chunks.push(...all), close: () => {} })
      tick(peer, 15)
      assert.strictEqual(Buffer.concat(chunks).subarray(4, 8).toString("latin1"), encryptsAll ? "\xfdSMB" : "\xfeSMB")
    })
  }

  it("fail a connection whose server sends nothing at all for the timeout of a request, without keep-alive too", () => {
    const peer = Peer.make({ keepAlive: 1_000_000 })
    const lost = peer.submit(Peer.echo)
    const watch = peer.submit({ ...Peer.echo, command: Command.CHANGE_NOTIFY, waits: true })
    tick(peer, 31)
    assert.strictEqual((peer.failures[0] as TransportError).reason._tag, "TimedOut")
    assert.isTrue(peer.isClosed())
    assert.deepStrictEqual([lost, watch].map(({ ends: [end] }) => end!.error), [peer.failures[0], peer.failures[0]])
  })

  it("let requests wait for credits behind an ordinary request, also next to a pending one", () => {
    const peer = Peer.make({ keepAlive: 1_000_000 }, 3)
    const submit = () => peer.submit({ ...Peer.echo, command: Command.READ })
    peer.submit({ ...Peer.echo, command: Command.CHANGE_NOTIFY, waits: true })
    peer.answer(peer.sent()[0]!.header, { status: PENDING, flags: async, asyncId: 5n, credits: 0 })
    submit()
    tick(peer, 20)
    const second = submit()
    const waiting = submit()
    tick(peer, 5)
    peer.answer(peer.sent()[1]!.header, { credits: 0 })
    tick(peer, 24)
    assert.deepStrictEqual([second.ends[0]!.error, waiting.ends[0]!.error], [undefined, undefined])
    // The second is given up, and then nothing can bring credits.
    tick(peer, 3)
    assert.instanceOf(second.ends[0]!.error, TransportError)
    assert.isUndefined(waiting.ends[0]!.error)
    tick(peer, 31)
    assert.instanceOf(waiting.ends[0]!.error, TransportError)
    assert.isFalse(peer.isClosed())
  })

  it("send no ECHO before the first request, which is the NEGOTIATE", () => {
    const sent: Array<unknown> = []
    const connection = new Connection.Connection(Peer.options)
    connection.attach({ send: (chunks) => void sent.push(chunks), close: () => {} })
    for (let second = 0; second <= 60; second++) connection.tick()
    assert.deepStrictEqual(sent, [])
    assert.isUndefined(connection.failed)
  })

  it("fail and cancel a lost request alone when the server responds to others", () => {
    const peer = Peer.make()
    const lost = peer.submit(Peer.echo)
    for (let i = 0; i < 31; i++) {
      const other = peer.submit({ ...Peer.echo, command: Command.FLUSH })
      peer.answer(peer.sent().at(-1)!.header)
      assert.isDefined(other.ends[0]!.reply)
      tick(peer, 1)
    }
    assert.strictEqual((lost.ends[0]!.error as TransportError).reason._tag, "TimedOut")
    assert.strictEqual(peer.sent().at(-1)!.header.command, Command.CANCEL)
    assert.isFalse(peer.isClosed())
  })

  it("let an asynchronous request wait for hours while the server responds to ECHO", () => {
    const peer = Peer.make()
    const watch = peer.submit({ ...Peer.echo, command: Command.CHANGE_NOTIFY, waits: true })
    peer.answer(peer.sent()[0]!.header, { status: PENDING, flags: async, asyncId: 1n })
    for (let i = 0; i < 500; i++) {
      tick(peer, 15)
      const last = peer.sent().at(-1)!.header
      assert.strictEqual(last.command, Command.ECHO)
      peer.answer(last)
    }
    assert.deepStrictEqual(watch.ends, [{}])
    assert.isFalse(peer.isClosed())
  })

  /** Ticks, and responds to the ECHOs of the connection. */
  const live = (peer: ReturnType<typeof Peer.make>, seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      const before = peer.sent().length
      peer.connection.tick()
      for (const { header } of peer.sent().slice(before)) {
        if (header.command === Command.ECHO) peer.answer(header, { credits: 1 })
      }
    }
  }
  const part = (command: number): Connection.Outgoing => ({ command, body: new Uint8Array(24) })
  const three = [part(Command.CREATE), part(Command.SET_INFO), part(Command.CLOSE)] as const
  const timedOut = (end: Peer.Ended | undefined) => {
    assert.instanceOf(end!.error, TransportError)
    assert.strictEqual((end!.error as TransportError).reason._tag, "TimedOut")
    return end!.error as TransportError
  }

  it.each([0, 1, 2])(
    "do not apply to the parts of a compound behind part %i while that is pending",
    (at) => {
      const peer = Peer.make()
      const { ends } = peer.submit(...three)
      const sent = peer.sent().map(({ header }) => header)
      for (const header of sent.slice(0, at)) peer.answer(header)
      peer.answer(sent[at]!, { status: PENDING, flags: async, asyncId: 7n })
      live(peer, 200)
      assert.isUndefined(ends.find(({ error }) => error !== undefined))
      peer.answer(sent[at]!, { flags: async, asyncId: 7n })
      live(peer, 29)
      for (const header of sent.slice(at + 1)) peer.answer(header)
      assert.deepStrictEqual(ends.map(({ reply }) => reply?.header.command), three.map(({ command }) => command))
      assert.isFalse(peer.isClosed())
    }
  )

  it.each([1, 2])("do not apply to the parts of a compound before part %i, whose responses the server keeps", (at) => {
    const peer = Peer.make()
    const { ends } = peer.submit(...three)
    const sent = peer.sent().map(({ header }) => header)
    peer.answer(sent[at]!, { status: PENDING, flags: async, asyncId: 7n })
    live(peer, 200)
    assert.deepStrictEqual(ends, [{}, {}, {}])
    for (const header of sent) peer.answer(header)
    assert.deepStrictEqual(ends.map(({ reply }) => reply?.header.command), three.map(({ command }) => command))
  })

  it("fail all parts of a compound if a later part stays pending", () => {
    const peer = Peer.make()
    const { ends } = peer.submit(...three)
    const sent = peer.sent().map(({ header }) => header)
    peer.answer(sent[1]!, { status: PENDING, flags: async, asyncId: 7n })
    live(peer, 302)
    for (const end of ends) assert.deepStrictEqual(timedOut(end).reason, { _tag: "TimedOut", pending: true })
  })

  it("apply again to a part of a compound after the pending part completed", () => {
    const peer = Peer.make()
    const { ends } = peer.submit(...three)
    const sent = peer.sent().map(({ header }) => header)
    peer.answer(sent[0]!, { status: PENDING, flags: async, asyncId: 7n })
    live(peer, 100)
    peer.answer(sent[0]!, { flags: async, asyncId: 7n })
    live(peer, 30)
    assert.deepStrictEqual(ends[1], {})
    live(peer, 1)
    assert.deepStrictEqual(timedOut(ends[1]).reason, { _tag: "TimedOut" })
    assert.isFalse(peer.isClosed())
  })

  it("fail a pending request and its compound after pendingTimeout, and late responses return the credits", () => {
    const peer = Peer.make({}, 4)
    const { ends } = peer.submit(...three)
    const sent = peer.sent().map(({ header }) => header)
    live(peer, 20)
    peer.answer(sent[0]!, { status: PENDING, flags: async, asyncId: 7n, credits: 0 })
    live(peer, 300)
    assert.deepStrictEqual(ends, [{}, {}, {}])
    live(peer, 1)
    const error = timedOut(ends[0])
    assert.deepStrictEqual(error.reason, { _tag: "TimedOut", pending: true })
    assert.include(error.message, "called CREATE pending (STATUS_PENDING)")
    for (const end of ends) timedOut(end)
    const cancels = peer.sent().filter(({ header }) => header.command === Command.CANCEL)
    assert.deepStrictEqual(cancels.map(({ header }) => [header.messageId, header.asyncId]), [[sent[0]!.messageId, 7n]])
    peer.frames.length = 0
    assert.isFalse(peer.isClosed())
    // One credit is left until the responses come.
    const after = three.map((outgoing) => peer.submit(outgoing))
    assert.strictEqual(peer.sent().length, 1)
    for (const header of sent) peer.answer(header, { status: CANCELLED })
    assert.strictEqual(peer.sent().length, 3)
    for (const { header } of peer.sent()) peer.answer(header)
    for (const { ends: [end] } of after) assert.isDefined(end!.reply)
    assert.strictEqual(peer.connection.outstanding, 0)
  })

  it("fail a pending request after pendingTimeout, also if the server calls it pending again and again", () => {
    const peer = Peer.make({ pendingTimeout: 5000 })
    const { ends } = peer.submit(part(Command.CREATE))
    const { header } = peer.sent()[0]!
    for (let seconds = 0; seconds < 5; seconds++) {
      peer.answer(header, { status: PENDING, flags: async, asyncId: 7n })
      live(peer, 1)
    }
    assert.deepStrictEqual(ends, [{}])
    live(peer, 1)
    assert.deepInclude({ ...timedOut(ends[0]) }, { reason: { _tag: "TimedOut", pending: true } })
  })

  it("set `sent` when a pending change times out", () => {
    const peer = Peer.make({ pendingTimeout: 5000 })
    const { ends } = peer.submit({ ...part(Command.WRITE), mutates: true })
    peer.answer(peer.sent()[0]!.header, { status: PENDING, flags: async, asyncId: 7n })
    live(peer, 6)
    assert.deepInclude({ ...timedOut(ends[0]) }, { sent: true, reason: { _tag: "TimedOut", pending: true } })
  })

  it("give a CREATE that succeeds after its timeout to `orphan`", () => {
    const peer = Peer.make({ pendingTimeout: 5000 })
    const orphans: Array<Connection.Reply> = []
    const { ends } = peer.submit({ ...part(Command.CREATE), orphan: (reply) => orphans.push(reply) })
    const { header } = peer.sent()[0]!
    peer.answer(header, { status: PENDING, flags: async, asyncId: 7n })
    live(peer, 6)
    timedOut(ends[0])
    peer.answer(header, { flags: async, asyncId: 7n })
    assert.strictEqual(orphans.length, 1)
  })
})
