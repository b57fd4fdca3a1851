/**
 * The multiplexer of SMB 1 against a scripted stream of bytes: MIDs, MaxMpxCount, cancellation, timeouts, signatures
 * (MS-CIFS 3.1.4.1), unexpected packets and READ responses.
 */
import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import * as Connection from "../../src/Smb1/Connection.ts"
import * as Header from "../../src/Smb1/Header.ts"
import { Command, Flags, Flags2 } from "../../src/Smb1/Message/Constants.ts"
import * as Signing from "../../src/Smb1/Signing.ts"
import { random } from "../random.ts"

const usualFlags2 = Flags2.SMB_FLAGS2_UNICODE | Flags2.SMB_FLAGS2_NT_STATUS | Flags2.SMB_FLAGS2_LONG_NAMES

const make = (maxMpxCount = 50, keepAlive = 60_000) => {
  const sent: Array<Uint8Array> = []
  const connection = new Connection.Connection({
    server: "server",
    port: 445,
    maximumFrame: 1 << 20,
    tickInterval: 1000,
    requestTimeout: 3000,
    keepAlive
  })
  let closed = false
  connection.attach({
    send: (chunks) => {
      sent.push(Buffer.concat(chunks).subarray(4))
    },
    close: () => {
      closed = true
    }
  })
  connection.maxMpxCount = maxMpxCount
  const outcomes: Array<unknown> = []
  const submit = (outgoing: Partial<Connection.Outgoing> = {}) =>
    connection.submit(
      { command: Command.SMB_COM_FLUSH, body: Uint8Array.of(1, 5, 0, 0, 0), ...outgoing },
      (error, r) => outcomes.push(error ?? r)
    )
  const push = (packet: Uint8Array) => {
    const frame = new Uint8Array(4 + packet.length)
    new DataView(frame.buffer).setUint32(0, packet.length)
    frame.set(packet, 4)
    connection.onData(frame)
  }
  const answer = (mid: number, options: { readonly command?: number; readonly body?: Uint8Array } = {}) => {
    const body = options.body ?? new Uint8Array(3)
    const packet = new Uint8Array(32 + body.length)
    Header.write(Header.view(packet), {
      command: options.command ?? Command.SMB_COM_FLUSH,
      status: 0,
      flags: Flags.SMB_FLAGS_REPLY,
      flags2: usualFlags2,
      pid: 0xfeff,
      tid: 0,
      uid: 0,
      mid
    })
    packet.set(body, 32)
    return packet
  }
  const mid = (index: number) => Header.read(Header.view(sent[index]!)).mid
  return { connection, sent, submit, push, answer, mid, outcomes, isClosed: () => closed }
}

const failure = (of: { readonly connection: Connection.Connection }) => {
  const error = of.connection.failed as
    | { readonly _tag: string; readonly reason?: { readonly _tag: string } }
    | undefined
  return error === undefined ? undefined : error.reason?._tag ?? error._tag
}

describe("requests over an SMB 1 connection", () => {
  it("get their responses by MID in any order", () => {
    const peer = make()
    for (let i = 0; i < 3; i++) peer.submit()
    assert.strictEqual(new Set([0, 1, 2].map(peer.mid)).size, 3)
    for (const i of [2, 0, 1]) peer.push(peer.answer(peer.mid(i)))
    assert.deepStrictEqual(
      peer.outcomes.map((reply) => (reply as Connection.Reply).header.mid),
      [2, 0, 1].map(peer.mid)
    )
  })

  it("are sent before the CLOSE of their open, which waits for their responses, also for a caller that has left", () => {
    const peer = make()
    const leave = peer.submit({ fid: 7, tid: 1, command: Command.SMB_COM_WRITE_ANDX })
    peer.submit({ fid: 7, tid: 2 })
    peer.submit({ fid: 8, tid: 1 })
    leave()
    peer.submit({ closes: 7, tid: 1, command: Command.SMB_COM_CLOSE })
    // Others do not wait for it.
    peer.submit()
    const commands = () => peer.sent.map((packet) => Header.read(Header.view(packet)).command)
    const { SMB_COM_CLOSE, SMB_COM_FLUSH, SMB_COM_WRITE_ANDX } = Command
    const before = [SMB_COM_WRITE_ANDX, SMB_COM_FLUSH, SMB_COM_FLUSH, SMB_COM_FLUSH]
    assert.deepStrictEqual(commands(), before)
    peer.push(peer.answer(peer.mid(1)))
    assert.deepStrictEqual(commands(), before)
    peer.push(peer.answer(peer.mid(0), { command: SMB_COM_WRITE_ANDX }))
    assert.deepStrictEqual(commands(), [...before, SMB_COM_CLOSE])
    // An open without requests is closed at once.
    peer.submit({ closes: 9, tid: 1, command: SMB_COM_CLOSE })
    assert.deepStrictEqual(commands(), [...before, SMB_COM_CLOSE, SMB_COM_CLOSE])
  })

  it("survive 202 responses with unknown MIDs, and 100 more end the connection with Unexpected", () => {
    const peer = make()
    peer.submit()
    const { mid } = Header.read(Header.view(peer.sent[0]!))
    for (let i = 0; i < 200; i++) peer.push(peer.answer(mid + 7, { command: Command.SMB_COM_ECHO }))
    peer.push(peer.answer(0xffff, { command: Command.SMB_COM_ECHO }))
    peer.push(peer.answer(mid))
    peer.push(peer.answer(mid))
    assert.strictEqual((peer.outcomes[0] as Connection.Reply).header.mid, mid)
    assert.strictEqual(peer.outcomes.length, 1)
    assert.strictEqual(peer.connection.discardedAnswers, 202)
    assert.isFalse(peer.isClosed())
    for (let i = 0; i < 100; i++) peer.push(peer.answer(mid + 7))
    assert.strictEqual(failure(peer), "UnexpectedResponse")
    assert.isTrue(peer.isClosed())
  })

  it("keep to the server's MaxMpxCount", () => {
    const peer = make(2)
    for (let i = 0; i < 5; i++) peer.submit()
    assert.strictEqual(peer.sent.length, 2)
    peer.push(peer.answer(peer.mid(0)))
    assert.strictEqual(peer.sent.length, 3)
  })

  it("that wait leave one place to other requests", () => {
    const peer = make(3)
    for (let i = 0; i < 5; i++) peer.submit({ waits: true })
    assert.strictEqual(peer.sent.length, 2)
    peer.submit()
    assert.strictEqual(peer.sent.length, 3)
    peer.push(peer.answer(peer.mid(2)))
    assert.strictEqual(peer.outcomes.length, 1)
  })

  it("that wait are cancelled by NT_CANCEL with their MID", () => {
    const peer = make()
    const abandon = peer.submit({ waits: true })
    abandon()
    const cancel = Header.read(Header.view(peer.sent[1]!))
    assert.strictEqual(cancel.command, Command.SMB_COM_NT_CANCEL)
    assert.strictEqual(cancel.mid, peer.mid(0))
    peer.push(peer.answer(peer.mid(0)))
    assert.deepStrictEqual(peer.outcomes, [])
    assert.strictEqual(peer.connection.outstanding, 0)
  })

  it("without a response fail the connection with TimedOut", () => {
    const peer = make()
    peer.submit()
    for (let i = 0; i < 4; i++) peer.connection.tick()
    assert.strictEqual(failure(peer), "TimedOut")
    assert.strictEqual(peer.outcomes.length, 1)
    assert.isTrue(peer.isClosed())
  })

  it("include one ECHO on a silent connection, which fails with TimedOut without a response", () => {
    const peer = make(50, 2000)
    peer.connection.flags2 = usualFlags2
    const echoes = () => peer.sent.filter((packet) => packet[4] === Command.SMB_COM_ECHO).length
    peer.connection.tick()
    assert.strictEqual(echoes(), 0)
    for (let i = 0; i < 3; i++) peer.connection.tick()
    assert.strictEqual(echoes(), 1)
    // EchoCount 1 and one byte of data, on no tree (MS-CIFS 2.2.4.39.1).
    const [echo] = peer.sent
    const { flags2, mid, tid } = Header.read(Header.view(echo!))
    assert.deepStrictEqual({ flags2, tid }, { flags2: 0xc001, tid: 0xffff })
    assert.notStrictEqual(mid, 0xffff)
    assert.strictEqual(Buffer.from(echo!.subarray(32)).toString("hex"), "0101000100" + "65")
    peer.push(peer.answer(peer.mid(0), { command: Command.SMB_COM_ECHO, body: Uint8Array.of(1, 1, 0, 1, 0, 0x65) }))
    peer.connection.tick()
    assert.strictEqual(echoes(), 1)
    assert.isFalse(peer.isClosed())
    for (let i = 0; i < 10; i++) peer.connection.tick()
    assert.isTrue(peer.isClosed())
    assert.strictEqual(echoes(), 2)
    assert.notStrictEqual(peer.mid(1), mid)
    assert.strictEqual(failure(peer), "TimedOut")
  })

  it("in several packets send the others after the interim response to the first", () => {
    const peer = make()
    const secondary = { command: Command.SMB_COM_NT_TRANSACT_SECONDARY, body: new Uint8Array(3) }
    peer.submit({ command: Command.SMB_COM_NT_TRANSACT, secondaries: [secondary, secondary] })
    assert.strictEqual(peer.sent.length, 1)
    peer.push(peer.answer(peer.mid(0), { command: Command.SMB_COM_NT_TRANSACT }))
    assert.deepStrictEqual(peer.sent.map((packet) => packet[4]), [
      Command.SMB_COM_NT_TRANSACT,
      Command.SMB_COM_NT_TRANSACT_SECONDARY,
      Command.SMB_COM_NT_TRANSACT_SECONDARY
    ])
    assert.deepStrictEqual([1, 2].map(peer.mid), [peer.mid(0), peer.mid(0)])
    assert.deepStrictEqual(peer.outcomes, [])
    peer.push(peer.answer(peer.mid(0), { command: Command.SMB_COM_NT_TRANSACT }))
    assert.strictEqual(peer.outcomes.length, 1)
  })
})

describe("a signature over an SMB 1 connection", () => {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i * 3)
  const start = () => {
    const peer = make()
    peer.connection.startSigning(Signing.make(key), 2)
    peer.submit()
    return peer
  }
  /** Signs as in MS-CIFS 3.1.4.1. */
  const sign = (packet: Uint8Array, sequenceNumber: number) => {
    const whole = Buffer.from(packet)
    whole[10]! |= 4
    whole.fill(0, 14, 22)
    whole.writeUInt32LE(sequenceNumber, 14)
    whole.set(createHash("md5").update(key).update(whole).digest().subarray(0, 8), 14)
    return new Uint8Array(whole)
  }

  it("is on every request with its own sequence number", () => {
    const peer = start()
    peer.submit()
    peer.push(sign(peer.answer(peer.mid(0)), 3))
    peer.push(sign(peer.answer(peer.mid(1)), 5))
    assert.strictEqual(failure(peer), undefined)
    for (const [i, packet] of peer.sent.entries()) {
      assert.deepStrictEqual(Buffer.from(packet), Buffer.from(sign(packet, 2 + 2 * i)))
    }
  })

  it("ends the connection when it is wrong, of another response, or missing", () => {
    const wrong = start()
    wrong.push(sign(wrong.answer(wrong.mid(0)), 3).with(40 - 6, 1))
    assert.strictEqual(failure(wrong), "BadSignature")
    const replayed = start()
    replayed.push(sign(replayed.answer(replayed.mid(0)), 5))
    assert.strictEqual(failure(replayed), "BadSignature")
    const missing = start()
    missing.push(missing.answer(missing.mid(0)))
    assert.strictEqual(failure(missing), "NotSigned")
    assert.strictEqual(missing.outcomes.length, 1)
  })
})

describe("an unexpected packet over an SMB 1 connection", () => {
  it("ends the connection with a typed error", () => {
    const cases: ReadonlyArray<readonly [string, (peer: ReturnType<typeof make>) => Uint8Array, string]> = [
      ["another command", (peer) => peer.answer(peer.mid(0), { command: Command.SMB_COM_CLOSE }), "UnexpectedResponse"],
      ["a request", (peer) => peer.answer(peer.mid(0)).with(9, 0), "UnexpectedResponse"],
      ["SMB 2", () => Buffer.from(`fe534d42${"00".repeat(60)}`, "hex"), "NotSmb"],
      ["a short packet", (peer) => peer.answer(peer.mid(0)).subarray(0, 34), "Malformed"],
      ["no SMB", () => Buffer.from("HTTP/1.1 400 Bad Request"), "NotSmb"]
    ]
    for (const [name, packet, expected] of cases) {
      const peer = make()
      peer.submit()
      peer.push(packet(peer))
      assert.strictEqual(failure(peer), expected, name)
      assert.strictEqual(peer.outcomes.length, 1)
    }
  })

  it("is reported with its host and port, the difference, and advice", () => {
    const cases: ReadonlyArray<readonly [string, (peer: ReturnType<typeof make>) => Uint8Array]> = [
      [
        "server: the service at port 445 does not speak SMB 1. Check the host and the port: another service may listen there",
        () => Buffer.from("HTTP/1.1 400 Bad Request")
      ],
      [
        "server: the server at port 445 does not speak SMB 1: it answered with a packet of SMB 2 or 3. " +
        "Offer dialects of SMB 2 or 3, and not `NT1` (`dialects`)",
        () => Buffer.from(`fe534d42${"00".repeat(60)}`, "hex")
      ],
      [
        "server: the server sent a response to CLOSE for a request of FLUSH: the server is at fault",
        (peer) => peer.answer(peer.mid(0), { command: Command.SMB_COM_CLOSE })
      ],
      [
        "server: the server sent a request instead of a response: the server is at fault",
        (peer) => peer.answer(peer.mid(0)).with(9, 0)
      ]
    ]
    for (const [expected, packet] of cases) {
      const peer = make()
      peer.submit()
      peer.push(packet(peer))
      assert.strictEqual((peer.connection.failed as Error).message, expected)
    }
  })

  it("that fails a request does not complete another one that the request's callback abandons", () => {
    const peer = make(2)
    const completed: Array<string> = []
    const submit = (name: string, then: () => void) =>
      peer.connection.submit({ command: Command.SMB_COM_FLUSH, body: Uint8Array.of(1, 5, 0, 0, 0) }, () => {
        completed.push(name)
        then()
      })
    submit("in flight", () => abandoned.forEach((abandon) => abandon()))
    const abandoned = [submit("in flight, abandoned", () => {}), submit("waiting, abandoned", () => {})]
    submit("waiting", () => {})
    peer.push(Buffer.from("HTTP/1.1 400 Bad Request"))
    assert.deepStrictEqual(completed, ["in flight", "waiting"])
  })

  it("never makes the connection throw when it is a changed READ response", () => {
    const next = random(3)
    for (let round = 0; round < 2000; round++) {
      const peer = make()
      peer.submit({ command: Command.SMB_COM_READ_ANDX, readLength: 65536, destination: new Uint8Array(65536) })
      const packet = peer.answer(peer.mid(0), {
        command: Command.SMB_COM_READ_ANDX,
        body: new Uint8Array(3 + next(round % 10 === 0 ? 20_000 : 100))
      })
      packet[32] = 12
      packet[33] = 0xff
      for (let i = 0; i < next(20); i++) packet[next(Math.min(packet.length, 64))] = next(256)
      peer.push(packet)
    }
  })
})

describe("a READ_ANDX response", () => {
  const response = (count: number, offset = 60) => {
    const body = new Uint8Array(28 + count)
    const view = new DataView(body.buffer)
    body[0] = 12
    body[1] = 0xff
    view.setUint16(11, count & 0xffff, true)
    view.setUint16(13, offset, true)
    view.setUint16(15, count >>> 16, true)
    for (let i = 0; i < count; i++) body[28 + i] = i & 0xff
    return body
  }

  it("is written into the caller's buffer", () => {
    const peer = make()
    const destination = new Uint8Array(100_000)
    peer.submit({ command: Command.SMB_COM_READ_ANDX, readLength: 100_000, destination })
    peer.push(peer.answer(peer.mid(0), { command: Command.SMB_COM_READ_ANDX, body: response(100_000) }))
    const reply = peer.outcomes[0] as Connection.Reply
    assert.strictEqual(reply.data?.buffer, destination.buffer)
    assert.strictEqual(reply.data?.length, 100_000)
    assert.strictEqual(destination[99_999], 99_999 & 0xff)
  })

  it("with more bytes than requested is not written into the caller's buffer", () => {
    const peer = make()
    const destination = new Uint8Array(50_000)
    peer.submit({ command: Command.SMB_COM_READ_ANDX, readLength: 50_000, destination })
    peer.push(peer.answer(peer.mid(0), { command: Command.SMB_COM_READ_ANDX, body: response(100_000) }))
    assert.isUndefined((peer.outcomes[0] as Connection.Reply).data)
    assert.isTrue(destination.every((byte) => byte === 0))
  })
})
