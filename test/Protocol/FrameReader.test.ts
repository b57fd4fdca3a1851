/**
 * The reader of frames (MS-SMB2 2.1) gives the same packets for any chunks of a stream, and refuses everything that is
 * not a frame.
 */
import { assert, describe, it } from "@effect/vitest"
import * as FrameReader from "../../src/Protocol/FrameReader.ts"
import { random } from "../random.ts"

const peek = 80
const claimFrom = 200
const maximum = 70_000

const frame = (packet: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(4 + packet.length)
  FrameReader.writeHeader(bytes, packet.length)
  bytes.set(packet, 4)
  return bytes
}

const concat = (parts: ReadonlyArray<Uint8Array>) => new Uint8Array(Buffer.concat(parts))

interface Seen {
  readonly packets: Array<Uint8Array>
  readonly errors: Array<readonly [string, number]>
  claims: number
}

/** Reads with a receiver that claims a part of each packet, as its first byte says, and puts it into another buffer. */
const reader = () => {
  const seen: Seen = { packets: [], errors: [], claims: 0 }
  const frames = new FrameReader.FrameReader(maximum, {
    peek,
    claimFrom,
    claim: (head, length) => {
      assert.strictEqual(head.length, peek)
      const wanted = head[0]!
      if (wanted === 0) return undefined
      // 255 asks for more bytes than the packet has, which is not a claim.
      const size = wanted === 255 ? length : Math.floor((length - peek) * Math.min(wanted, 100) / 100)
      const destination = new Uint8Array(size)
      if (wanted !== 255) seen.claims++
      return { destination, complete: (first, tail) => void seen.packets.push(concat([first, destination, tail])) }
    },
    onFrame: (packet) => void seen.packets.push(packet),
    onError: (what, value) => void seen.errors.push([what, value])
  })
  return { seen, frames }
}

describe("FrameReader", () => {
  it("gives the same packets for random chunks of a stream", () => {
    const next = random(7)
    let placements = 0
    for (let round = 0; round < 300; round++) {
      const packets = Array.from({ length: 1 + next(12) }, () => {
        const length = next(3) === 0 ? 1 + next(3000) : 1 + next(260)
        const packet = Uint8Array.from({ length }, () => next(256))
        packet[0] = [0, 0, 1, 50, 99, 100, 255][next(7)]!
        return packet
      })
      const keepAlive = Uint8Array.of(0x85, 0, 0, 0)
      const stream = concat(packets.flatMap((packet) => next(5) === 0 ? [keepAlive, frame(packet)] : [frame(packet)]))
      const { frames, seen } = reader()
      // One buffer for all chunks, as a transport can have it: the reader must keep no part of it.
      const buffer = new Uint8Array(stream.length)
      const most = [1, 3, 64, 1000, stream.length][round % 5]!
      for (let at = 0; at < stream.length;) {
        const count = Math.min(1 + next(most), stream.length - at)
        // As a socket that is sometimes told where to put the next bytes.
        const room = next(3) === 0 ? frames.room : undefined
        if (room !== undefined) {
          const placed = Math.min(count, room.length)
          room.set(stream.subarray(at, at + placed))
          frames.arrived(placed)
          at += placed
          placements++
          continue
        }
        buffer.set(stream.subarray(at, at + count))
        frames.push(buffer.subarray(0, count))
        buffer.fill(0xee)
        at += count
      }
      assert.deepStrictEqual(seen.errors, [])
      assert.deepStrictEqual(
        seen.packets.map((packet) => Buffer.from(packet).toString("hex")),
        packets.map((packet) => Buffer.from(packet).toString("hex"))
      )
      const claimed = packets.filter((packet) => packet.length >= claimFrom && ![0, 255].includes(packet[0]!))
      assert.strictEqual(seen.claims, claimed.length)
    }
    assert.isAbove(placements, 1000)
  })

  it("refuses a length beyond the limit, and accepts the limit", () => {
    const { frames, seen } = reader()
    frames.push(Uint8Array.of(0, 0xff, 0xff, 0xff))
    frames.push(new Uint8Array(100))
    assert.deepStrictEqual(seen.errors, [["length", 0xffffff]])
    assert.deepStrictEqual(seen.packets, [])
    const exact = reader()
    exact.frames.push(frame(new Uint8Array(maximum)))
    assert.deepStrictEqual([exact.seen.packets.length, exact.seen.errors.length], [1, 0])
    const more = reader()
    more.frames.push(frame(new Uint8Array(maximum + 1)))
    assert.deepStrictEqual([more.seen.packets.length, more.seen.errors], [0, [["length", maximum + 1]]])
  })

  it("refuses other types of frames, empty packets, and a keep-alive with a body", () => {
    for (
      const [bytes, value] of [
        [[0x48, 0x54, 0x54, 0x50], 0x48],
        [[0x81, 0, 0, 72], 0x81],
        [[0, 0, 0, 0], 0],
        [[0x85, 0, 0, 1], 0x85]
      ] as const
    ) {
      const { frames, seen } = reader()
      frames.push(concat([Uint8Array.from(bytes), frame(Uint8Array.of(1))]))
      assert.deepStrictEqual(seen.errors, [["type", value]])
      assert.deepStrictEqual(seen.packets, [])
    }
  })

  it("gives the packets before a wrong frame", () => {
    const { frames, seen } = reader()
    frames.push(concat([frame(Uint8Array.of(1, 2)), Uint8Array.of(9, 9, 9, 9), frame(Uint8Array.of(3))]))
    assert.deepStrictEqual(seen.packets, [Uint8Array.of(1, 2)])
    assert.strictEqual(seen.errors.length, 1)
  })

  it("writeHeader writes a length of 24 bits", () => {
    const header = new Uint8Array(4).fill(1)
    FrameReader.writeHeader(header, 0x123456)
    assert.deepStrictEqual([...header], [0, 0x12, 0x34, 0x56])
  })
})
