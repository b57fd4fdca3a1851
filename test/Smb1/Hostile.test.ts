/**
 * What a hostile or broken SMB 1 server can send: each response is a value or a typed error, in bounded time and
 * memory. AndX chains, transactions in parts, and the connection.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Malformed } from "../../src/Codec/Malformed.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as AndX from "../../src/Smb1/AndX.ts"
import * as Connection from "../../src/Smb1/Connection.ts"
import * as Header from "../../src/Smb1/Header.ts"
import { Command, Flags, Flags2 } from "../../src/Smb1/Message/Constants.ts"
import * as Transaction from "../../src/Smb1/Message/Transaction.ts"
import { Collector } from "../../src/Smb1/Transaction.ts"
import { encode } from "../../src/Smb1/TreeRequests.ts"
import { random } from "../random.ts"
import { codecOf, decode, packets } from "./Message/packets.ts"

const header = (command: number, body: Uint8Array, status = 0): Uint8Array => {
  const packet = new Uint8Array(Header.size + body.length)
  Header.write(Header.view(packet), {
    command,
    status,
    flags: Flags.SMB_FLAGS_REPLY,
    flags2: Flags2.SMB_FLAGS2_UNICODE | Flags2.SMB_FLAGS2_NT_STATUS | Flags2.SMB_FLAGS2_EXTENDED_SECURITY |
      Flags2.SMB_FLAGS2_LONG_NAMES,
    pid: 1,
    tid: 1,
    uid: 1,
    mid: 1
  })
  packet.set(body, Header.size)
  return packet
}

const reply = (command: number, body: Uint8Array, status = 0) => {
  const packet = header(command, body, status)
  return { header: Header.read(Header.view(packet)), packet }
}

describe("an SMB 1 packet", () => {
  const readable = packets.filter((p) => codecOf(p) !== undefined)

  it("with a random body is a value or Malformed", () => {
    const next = random(7)
    for (let round = 0; round < 60; round++) {
      for (const p of readable) {
        const packet = new Uint8Array(Header.size + next(200))
        for (let i = 0; i < packet.length; i++) packet[i] = next(256)
        // Half of them pass the first check.
        if (round % 2 === 0 && packet.length > Header.size) packet[Header.size] = p.wordCount
        const result = decode(p, packet)
        if (Result.isFailure(result)) assert.instanceOf(result.failure, Malformed)
        AndX.parts(packet)
      }
    }
  })

  it("that is truncated and changed is a value or Malformed", () => {
    const next = random(11)
    let refused = 0
    for (let round = 0; round < 60; round++) {
      for (const p of readable) {
        const packet = Uint8Array.from(p.packet).subarray(0, round % 3 === 0 ? next(p.packet.length) : p.packet.length)
        for (let i = 0; i < 1 + next(6); i++) packet[Math.min(packet.length, Header.size) + next(60)] = next(256)
        const result = decode(p, packet)
        if (Result.isFailure(result)) {
          assert.instanceOf(result.failure, Malformed)
          refused++
        }
        const places = AndX.parts(packet)
        if (Result.isSuccess(places)) assert.isAtMost(places.success.length, 8)
      }
    }
    assert.isAbove(refused, 500)
  })
})

/** A command of a chain: two words that lead to the next one, and no bytes. */
const link = (command: number, to: number): Uint8Array => Uint8Array.of(2, command, 0, to & 0xff, to >>> 8, 0, 0)

describe("an AndX chain", () => {
  const tree = Command.SMB_COM_TREE_CONNECT_ANDX
  const end = Command.SMB_COM_NO_ANDX_COMMAND

  it("is read at the offsets where it was written", () => {
    const body = AndX.chain([
      { command: Command.SMB_COM_NT_CREATE_ANDX, body: link(end, 0) },
      { command: Command.SMB_COM_READ_ANDX, body: link(end, 0) },
      { command: Command.SMB_COM_CLOSE, body: Uint8Array.of(0, 0, 0) }
    ])
    const places = Result.getOrThrow(AndX.parts(header(Command.SMB_COM_NT_CREATE_ANDX, body)))
    assert.deepStrictEqual(places, [
      { command: Command.SMB_COM_NT_CREATE_ANDX, offset: 32 },
      { command: Command.SMB_COM_READ_ANDX, offset: 40 },
      { command: Command.SMB_COM_CLOSE, offset: 48 }
    ])
  })

  it("that loops, points back, overlaps or leaves the packet is refused", () => {
    const first = link(tree, 39)
    for (const to of [0, 31, 32, 33, 38, 46, 100, 0xffff]) {
      const body = Buffer.concat([first.with(3, to & 0xff).with(4, to >>> 8), link(end, 0)])
      const result = AndX.parts(header(tree, body))
      assert.isTrue(Result.isFailure(result), `AndXOffset ${to}`)
    }
    const back = Buffer.concat([first, link(tree, 32)])
    assert.isTrue(Result.isFailure(AndX.parts(header(tree, back))))
    assert.isTrue(Result.isSuccess(AndX.parts(header(tree, Buffer.concat([first, link(end, 0)])))))
  })

  it("of nine commands is refused, and of eight is read", () => {
    const chain = (length: number) =>
      Buffer.concat(Array.from({ length }, (_, i) => i === length - 1 ? link(end, 0) : link(tree, 39 + i * 7)))
    assert.strictEqual(Result.getOrThrow(AndX.parts(header(tree, chain(8)))).length, 8)
    assert.isTrue(Result.isFailure(AndX.parts(header(tree, chain(9)))))
  })
})

describe("the partial responses of a transaction", () => {
  const bytes = (length: number, from = 0) => Uint8Array.from({ length }, (_, i) => (from + i) & 0xff)
  const part = (values: Partial<Transaction.Response>) =>
    reply(
      Command.SMB_COM_TRANSACTION2,
      encode(Transaction.ShortResponse, {
        totalParameterCount: 10,
        totalDataCount: 100,
        parameters: new Uint8Array(0),
        parameterDisplacement: 0,
        data: new Uint8Array(0),
        dataDisplacement: 0,
        setup: [],
        ...values
      })
    )
  const collector = () => new Collector({ kind: "TRANSACTION2", maxParameterCount: 10, maxDataCount: 200 })

  it("are joined in any order", () => {
    const all = collector()
    assert.strictEqual(all.collect(part({ data: bytes(40, 60), dataDisplacement: 60 })), "more")
    assert.strictEqual(all.collect(part({ parameters: bytes(10), data: bytes(20, 40), dataDisplacement: 40 })), "more")
    assert.strictEqual(all.collect(part({ data: bytes(40) })), "done")
    const whole = Result.getOrThrow(all.response())
    assert.deepStrictEqual(whole.parameters, bytes(10))
    assert.deepStrictEqual(whole.data, bytes(100))
  })

  it("can have less data than the first one announced", () => {
    const all = collector()
    assert.strictEqual(all.collect(part({ parameters: bytes(10), data: bytes(40) })), "more")
    assert.strictEqual(all.collect(part({ data: bytes(10, 40), dataDisplacement: 40, totalDataCount: 50 })), "done")
    assert.deepStrictEqual(Result.getOrThrow(all.response()).data, bytes(50))
  })

  it("are Malformed when their counts or displacements are wrong", () => {
    const lies: Record<string, ReadonlyArray<Partial<Transaction.Response>>> = {
      "more data than was asked for": [{ totalDataCount: 201 }],
      "more parameters than were asked for": [{ totalParameterCount: 11 }],
      "a part outside the total": [{ data: bytes(40), dataDisplacement: 61 }],
      "a displacement far outside": [{ data: bytes(1), dataDisplacement: 0xffff }],
      "a part twice": [{ data: bytes(40) }, { data: bytes(40) }],
      "parts that overlap": [{ data: bytes(40) }, { data: bytes(40), dataDisplacement: 39 }],
      "a total that grows": [{ data: bytes(40) }, { data: bytes(40), dataDisplacement: 40, totalDataCount: 120 }],
      "nothing at all": [{}],
      "nothing more": [{ data: bytes(40) }, {}]
    }
    for (const [name, parts] of Object.entries(lies)) {
      const all = collector()
      const outcomes = parts.map((values) => all.collect(part(values)))
      assert.instanceOf(outcomes.at(-1), Malformed, name)
    }
    // A total that shrinks below the data that has come already.
    const shrunk = collector()
    shrunk.collect(part({ parameters: bytes(10), data: bytes(40) }))
    assert.strictEqual(shrunk.collect(part({ totalDataCount: 20 })), "done")
    assert.isTrue(Result.isFailure(shrunk.response()))
  })

  it("are Malformed when there are more than 4096", () => {
    const all = new Collector({ kind: "TRANSACTION2", maxParameterCount: 0, maxDataCount: 0xffff })
    let outcome: unknown = "more"
    let count = 0
    for (; outcome === "more" && count < 70_000; count++) {
      outcome = all.collect(
        part({ totalParameterCount: 0, totalDataCount: 0xffff, data: bytes(1), dataDisplacement: count })
      )
    }
    assert.instanceOf(outcome, Malformed)
    assert.isAtMost(count, 4096)
  })

  it("are copied out of their packets", () => {
    const all = collector()
    const parts = [
      part({ parameters: bytes(10), data: bytes(40) }),
      part({ data: bytes(60, 40), dataDisplacement: 40 })
    ]
    for (const one of parts) {
      all.collect(one)
      one.packet.fill(0xff)
    }
    const whole = Result.getOrThrow(all.response())
    assert.deepStrictEqual(whole.data, bytes(100))
    assert.strictEqual(whole.data.buffer.byteLength, 100)
  })

  it("are Malformed when they point outside their packet or into its header", () => {
    const good = part({ parameters: bytes(10), data: bytes(90) })
    const words = Header.size + 1
    for (const [at, value] of [[8, 0], [8, 31], [8, 0xffff], [14, 0], [14, 0xfff0], [12, 0xffff]] as const) {
      const packet = Uint8Array.from(good.packet)
      new DataView(packet.buffer).setUint16(words + at, value, true)
      assert.instanceOf(collector().collect({ ...good, packet }), Malformed, `${at} ${value}`)
    }
  })

  it("are empty for an error, and an error after the first part is Malformed", () => {
    const failure = reply(Command.SMB_COM_TRANSACTION2, new Uint8Array(3), NtStatus.STATUS_ACCESS_DENIED)
    const all = collector()
    assert.strictEqual(all.collect(failure), "done")
    assert.deepStrictEqual(Result.getOrThrow(all.response()).data.length, 0)
    const late = collector()
    late.collect(part({ data: bytes(40) }))
    assert.instanceOf(late.collect(failure), Malformed)
  })

  it("of NT_TRANSACT are Malformed when any of their 32-bit counts is wrong", () => {
    const good = reply(
      Command.SMB_COM_NT_TRANSACT,
      encode(Transaction.NtResponse, {
        totalParameterCount: 10,
        totalDataCount: 100,
        parameters: bytes(10),
        parameterDisplacement: 0,
        data: bytes(90),
        dataDisplacement: 0,
        setup: []
      })
    )
    const fresh = () => new Collector({ kind: "NT_TRANSACT", maxParameterCount: 10, maxDataCount: 200 })
    assert.strictEqual(fresh().collect(good), "more")
    // Total parameters and data, then count, offset and displacement of each.
    const words = Header.size + 1 + 3
    for (let field = 0; field < 8; field++) {
      for (const value of [0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_ffff - 50]) {
        const packet = Uint8Array.from(good.packet)
        new DataView(packet.buffer).setUint32(words + field * 4, value, true)
        assert.instanceOf(fresh().collect({ ...good, packet }), Malformed, `field ${field}: ${value}`)
      }
    }
  })

  it("that announce 4 GiB are Malformed and cost less than 1 MiB", () => {
    const all = new Collector({ kind: "NT_TRANSACT", maxParameterCount: 0, maxDataCount: 0xffff })
    const before = process.memoryUsage().arrayBuffers
    const first = reply(
      Command.SMB_COM_NT_TRANSACT,
      encode(Transaction.NtResponse, {
        totalParameterCount: 0,
        totalDataCount: 0xffff_fff0,
        parameters: bytes(0),
        parameterDisplacement: 0,
        data: bytes(100),
        dataDisplacement: 0,
        setup: []
      })
    )
    assert.instanceOf(all.collect(first), Malformed)
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 1 << 20)
  })
})

describe("an SMB 1 connection", () => {
  const open = (outgoing: Partial<Connection.Outgoing>) => {
    const sent: Array<Uint8Array> = []
    const outcomes: Array<unknown> = []
    const connection = new Connection.Connection({
      server: "server",
      port: 445,
      maximumFrame: 1 << 17,
      tickInterval: 1000,
      requestTimeout: 3000,
      keepAlive: 60_000
    })
    connection.attach({ send: (chunks) => void sent.push(Buffer.concat(chunks)), close: () => {} })
    connection.submit(
      { command: Command.SMB_COM_TRANSACTION2, body: Uint8Array.of(0, 0, 0), ...outgoing },
      (error, value) => outcomes.push(error ?? value)
    )
    const { mid } = Header.read(Header.view(sent[0]!.subarray(4)))
    const push = ({ packet }: { readonly packet: Uint8Array }) => {
      const frame = new Uint8Array(4 + packet.length)
      new DataView(frame.buffer).setUint32(0, packet.length)
      frame.set(packet, 4)
      new DataView(frame.buffer).setUint16(4 + 30, mid, true)
      connection.onData(frame)
    }
    return { connection, outcomes, push }
  }
  const one = (data: Uint8Array, dataDisplacement: number) =>
    reply(
      Command.SMB_COM_TRANSACTION2,
      encode(Transaction.ShortResponse, {
        totalParameterCount: 0,
        totalDataCount: 0xffff,
        parameters: new Uint8Array(0),
        parameterDisplacement: 0,
        data,
        dataDisplacement,
        setup: []
      })
    )
  const ask = { kind: "TRANSACTION2", maxParameterCount: 0, maxDataCount: 0xffff } as const

  it("ends when the AndX chain of a response loops, points back or leaves the packet", () => {
    const tree = Command.SMB_COM_TREE_CONNECT_ANDX
    const end = Command.SMB_COM_NO_ANDX_COMMAND
    const answer = (to: number) => reply(tree, Buffer.concat([link(tree, to), link(end, 0)]))
    for (const to of [31, 32, 33, 38, 46, 0xffff]) {
      const { connection, outcomes, push } = open({ command: tree })
      push(answer(to))
      assert.instanceOf(connection.failed, Malformed, `AndXOffset ${to}`)
      assert.deepStrictEqual(outcomes, [connection.failed])
    }
    // A right chain, and an offset of 0 when no command follows.
    for (const to of [39, 0]) {
      const { connection, outcomes, push } = open({ command: tree })
      push(answer(to))
      assert.isUndefined(connection.failed)
      assert.strictEqual(outcomes.length, 1)
    }
  })

  it("ends with Malformed when the partial responses of a request overlap", () => {
    const { connection, outcomes, push } = open({ collect: new Collector(ask).collect })
    push(one(new Uint8Array(100), 0))
    assert.isUndefined(connection.failed)
    push(one(new Uint8Array(100), 99))
    assert.instanceOf(connection.failed, Malformed)
    assert.deepStrictEqual(outcomes, [connection.failed])
  })

  it("ends with Malformed after at most 4096 partial responses of a request", () => {
    const { connection, outcomes, push } = open({ collect: new Collector(ask).collect })
    let count = 0
    while (connection.failed === undefined && count < 70_000) push(one(Uint8Array.of(1), 2 * count++ % 0xffff))
    assert.isAtMost(count, 4096)
    assert.instanceOf(connection.failed, Malformed)
    assert.strictEqual(outcomes.length, 1)
    assert.strictEqual(connection.outstanding, 0)
  })

  it("ends with TimedOut when a server does not send the other parts of a response", () => {
    const { connection, outcomes, push } = open({ collect: new Collector(ask).collect })
    push(one(Uint8Array.of(1), 0))
    for (let i = 0; i < 4; i++) connection.tick()
    const error = connection.failed as { readonly reason?: { readonly _tag: string } } | undefined
    assert.strictEqual(error?.reason?._tag, "TimedOut")
    assert.strictEqual(outcomes.length, 1)
  })
})
