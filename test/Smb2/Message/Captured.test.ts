/**
 * Recorded SMB 2 packets between real programs and smbd: each is decoded to the values that TShark's dissector shows,
 * and encoded to its own bytes. Truncated, changed and random packets are Malformed or another value.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fs from "node:fs"
import type { Malformed } from "../../../src/Codec/Malformed.ts"
import { Command } from "../../../src/Smb2/Message/Constants.ts"
import * as Message from "../../../src/Smb2/Message/Message.ts"
import { dissectRequest, dissectResponse } from "./dissect.ts"

interface Captured {
  readonly by: string
  readonly way: "request" | "response"
  readonly packet: string
  readonly tshark: Record<string, string | ReadonlyArray<string>>
}

const captured: ReadonlyArray<Captured> = fs
  .readFileSync(new URL("../fixtures/captured.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .slice(1)
  .map((line) => JSON.parse(line))

const packets = captured.map((line) => {
  const packet = new Uint8Array(Buffer.from(line.packet, "hex"))
  const view = new DataView(packet.buffer)
  const { by, way, tshark } = line
  return { by, way, tshark, packet, command: view.getUint16(12, true), status: view.getUint32(8, true) }
})

type Packet = typeof packets[number]

const decode = (
  p: Packet,
  packet: Uint8Array = p.packet
): Result.Result<Message.Request | Message.Response, Malformed> =>
  p.way === "request"
    ? Message.decodeRequest(p.command, packet, 64)
    : Message.decodeResponse(p.command, p.status, packet, 64)

const decoded = (p: Packet): Message.Request | Message.Response => Result.getOrThrow(decode(p))

const title = (p: Packet) => `${Message.commandName(p.command)} ${p.way} of ${p.by}`

describe("recorded SMB 2 packets", () => {
  it("have a request and a response of every command", () => {
    const seen = new Set(packets.map((p) => `${p.command} ${p.way}`))
    for (const command of Object.values(Command)) {
      assert(seen.has(`${command} request`), `no request ${command}`)
      assert(command === Command.CANCEL || seen.has(`${command} response`), `no response ${command}`)
    }
  })

  it("are decoded", () => {
    for (const p of packets) {
      const result = decode(p)
      assert(Result.isSuccess(result), `${title(p)}: ${Result.isFailure(result) ? result.failure.message : ""}`)
    }
  })

  it("have TShark's values", () => {
    let compared = 0
    for (const p of packets) {
      const message = decoded(p)
      // TShark reads some errors as the command's own body.
      if (message._tag === "ERROR" && p.tshark["error.byte_count"] === undefined) continue
      const ours = p.way === "request"
        ? dissectRequest(message as Message.Request)
        : dissectResponse(message as Message.Response)
      for (const [name, value] of Object.entries(ours)) {
        const said = [p.tshark[name] ?? []].flat()
        assert.deepStrictEqual(value, said.map(plain), `${title(p)}: ${name}`)
        compared += value.length
      }
    }
    assert.isAbove(compared, 1000)
  })

  it("are encoded to their own bytes", () => {
    for (const p of packets) {
      const message = decoded(p)
      const bytes = p.way === "request"
        ? Message.encodeRequest(message as Message.Request)
        : Message.encodeResponse(message as Message.Response)
      const theirs = canonical(p, message)
      const padding = theirs.subarray(bytes.length)
      assert.strictEqual(hex(bytes), hex(theirs.subarray(0, bytes.length)), title(p))
      assert(padding.length < 8 && padding.every((byte) => byte === 0), `${title(p)}: ${hex(padding)}`)
    }
  })
})

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

// TShark's text as a value.
const plain = (text: string): bigint | string => {
  if (/^(0x[0-9a-f]+|\d+)$/.test(text)) return BigInt(text)
  const time = /^(\w{3} +\d+, \d+ \d\d:\d\d:\d\d)\.(\d{9}) UTC$/.exec(text)
  if (time === null) return text
  return BigInt(Date.parse(`${time[1]} UTC`)) * 10_000n + BigInt(time[2]!) / 100n + 116_444_736_000_000_000n
}

/**
 * The recorded body without the sender's free choices: the offsets of empty buffers and of empty context data, reserved
 * fields in use, and the byte in place of missing error data, which smbd sets to 0x21 while a request is pending.
 */
const canonical = (p: Packet, message: Message.Request | Message.Response): Uint8Array => {
  const body = p.packet.slice(64)
  const view = new DataView(body.buffer)
  if (p.way === "response") {
    if (message._tag === "ERROR" && message.body.errorData.length === 0) body[8] = 0
    // smbd gives an empty buffer no offset, and Windows the place where it would be.
    if (message._tag === "CHANGE_NOTIFY" && view.getUint32(4, true) === 0) view.setUint16(2, 0x48, true)
    return body
  }
  if (message._tag === "IOCTL") {
    if (view.getUint32(28, true) === 0) view.setUint32(24, 0, true)
    if (view.getUint32(40, true) === 0) view.setUint32(36, 0, true)
  }
  if (message._tag === "CREATE") {
    view.setBigUint64(8, 0n, true) // SmbCreateFlags: smbtorture sets it
    let at = view.getUint32(48, true) - 64
    for (let next = at < 0 ? 0 : -1; next !== 0; at += next) {
      next = view.getUint32(at, true)
      if (view.getUint32(at + 12, true) === 0) view.setUint16(at + 10, 0, true)
    }
  }
  return body
}

// Packets that a hostile peer can send: recorded packets with faults.
describe("an SMB 2 packet with faults", () => {
  const outcomes = (p: Packet, packet: Uint8Array): void => {
    const result = decode(p, packet)
    if (Result.isFailure(result)) {
      assert.strictEqual(result.failure._tag, "Malformed")
      assert(result.failure.offset >= 0 && result.failure.offset <= packet.length, result.failure.message)
    }
  }

  it("is Malformed or another value when it is truncated anywhere", () => {
    for (const p of packets) {
      for (let length = 64; length < p.packet.length; length++) outcomes(p, p.packet.slice(0, length))
      assert(Result.isFailure(decode(p, p.packet.slice(0, 65))), title(p))
    }
  })

  it("is Malformed or another value with any bit flipped", () => {
    for (const p of packets) {
      const packet = p.packet.slice()
      // The fixed parts and the first contexts: every bit; the rest by every seventh byte.
      for (let at = 64; at < packet.length; at += at < 160 ? 1 : 7) {
        for (let bit = 0; bit < 8; bit++) {
          packet[at]! ^= 1 << bit
          outcomes(p, packet)
          packet[at]! ^= 1 << bit
        }
      }
    }
  })

  it.each([0xff, 0x7f, 0x80, 0x01])("is not read outside itself when any two or four bytes are %s", (byte) => {
    for (const p of packets) {
      for (const size of [2, 4]) {
        for (let at = 64; at + size <= Math.min(p.packet.length, 240); at += 2) {
          const packet = p.packet.slice()
          packet.fill(byte, at, at + size)
          outcomes(p, packet)
        }
      }
    }
  })

  it("is Malformed or a value when it is random", () => {
    let seed = 0x2545f491
    const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8
    for (let round = 0; round < 4000; round++) {
      const packet = Uint8Array.from({ length: 66 + random() % 200 }, random)
      const command = random() % 21
      const results: ReadonlyArray<Result.Result<Message.Request | Message.Response, Malformed>> = [
        Message.decodeRequest(command, packet, 64),
        Message.decodeResponse(command, round % 2 === 0 ? 0 : 0xc000_0022, packet, 64)
      ]
      // A random StructureSize is right once in 65,536 times; with a right one the rest is tested.
      const p = packets[random() % packets.length]!
      packet.set(p.packet.subarray(64, 66), 64)
      outcomes(p, packet)
      for (const result of results) {
        if (Result.isFailure(result)) assert.strictEqual(result.failure._tag, "Malformed")
      }
    }
  })
})
