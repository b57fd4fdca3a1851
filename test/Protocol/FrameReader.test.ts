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

  it("gives no memory for the next bytes between packets, in a claimed packet, and after an error or the end", () => {
    const { frames } = reader()
    assert.isUndefined(frames.room)
    const large = new Uint8Array(claimFrom)
    large[0] = 50
    const bytes = frame(large)
    frames.push(bytes.subarray(0, 3))
    assert.isUndefined(frames.room, "in the header")
    frames.push(bytes.subarray(3, 5))
    assert.strictEqual(frames.room!.length, peek - 1, "the first bytes decide")
    frames.push(bytes.subarray(5, 4 + peek))
    assert.isUndefined(frames.room, "claimed")
    frames.push(bytes.subarray(4 + peek))
    assert.isUndefined(frames.room, "between packets")
    frames.push(frame(new Uint8Array(10)).subarray(0, 7))
    assert.strictEqual(frames.room!.length, 7)
    frames.end()
    assert.isUndefined(frames.room, "ended")
    const broken = reader()
    broken.frames.push(Uint8Array.of(9, 9, 9, 9))
    assert.isUndefined(broken.frames.room, "failed")
  })

  it("takes nothing after its end, neither the rest of a packet nor a new one", () => {
    for (const first of [0, 50]) {
      const { frames, seen } = reader()
      const packet = new Uint8Array(claimFrom)
      packet[0] = first
      frames.push(frame(packet).subarray(0, 150))
      frames.end()
      frames.push(frame(packet).subarray(150))
      frames.push(frame(Uint8Array.of(1)))
      assert.deepStrictEqual([seen.packets, seen.errors], [[], []])
    }
  })

  it("ends within a chunk when its receiver ends it in `onFrame`", () => {
    const seen: Array<number> = []
    const frames: FrameReader.FrameReader = new FrameReader.FrameReader(maximum, {
      peek,
      claimFrom,
      claim: () => undefined,
      onFrame: (packet) => {
        seen.push(packet.length)
        frames.end()
      },
      onError: () => {}
    })
    frames.push(concat([frame(new Uint8Array(1)), frame(new Uint8Array(2))]))
    assert.deepStrictEqual(seen, [1])
  })

  it("offers packets to `claim` from `claimFrom` bytes on, and uses the memory of its receiver for the shorter ones", () => {
    const offered: Array<number> = []
    const allocated: Array<number> = []
    const packets: Array<Uint8Array> = []
    const memory = new Uint8Array(1000)
    const frames = new FrameReader.FrameReader(maximum, {
      peek,
      claimFrom,
      claim: (_, length) => void offered.push(length),
      allocate: (length) => {
        allocated.push(length)
        return memory.subarray(0, length)
      },
      onFrame: (packet) => void packets.push(packet),
      onError: (what) => assert.fail(what)
    })
    for (const length of [1, claimFrom - 1, claimFrom, claimFrom + 1]) {
      frames.push(frame(new Uint8Array(length).fill(length)))
    }
    assert.deepStrictEqual(offered, [claimFrom, claimFrom + 1])
    assert.deepStrictEqual(allocated, [1, claimFrom - 1])
    assert.deepStrictEqual(packets.map((packet) => packet.buffer === memory.buffer), [true, true, false, false])
    assert.deepStrictEqual(packets.map(({ length }) => length), [1, claimFrom - 1, claimFrom, claimFrom + 1])
  })

  it("puts transient packets into the same memory, and gives every other packet its own", () => {
    const packets: Array<Uint8Array> = []
    const contents: Array<string> = []
    const frames = new FrameReader.FrameReader(maximum, {
      peek,
      claimFrom,
      claim: () => undefined,
      transient: (head) => head[0] === 1,
      onFrame: (packet) => {
        packets.push(packet)
        contents.push(Buffer.from(packet).toString("hex"))
      },
      onError: (what) => assert.fail(what)
    })
    const made = [[1, 1000], [1, 999], [2, 1000], [1, 1001], [1, 300]].map(([first, length], i) => {
      const packet = new Uint8Array(length!).fill(i + 10)
      packet[0] = first!
      return packet
    })
    for (const packet of made) frames.push(frame(packet))
    assert.deepStrictEqual(contents, made.map((packet) => Buffer.from(packet).toString("hex")))
    const [first, second, own, longer, last] = packets.map(({ buffer }) => buffer)
    assert.strictEqual(first, second)
    assert.notStrictEqual(own, first)
    assert.strictEqual(longer, last, "more memory, and then the same again")
    assert.strictEqual(Buffer.from(packets[2]!).toString("hex"), Buffer.from(made[2]!).toString("hex"))
  })

  it.each([
    ["the whole rest", claimFrom - peek, 0],
    ["all but the last byte", claimFrom - peek - 1, 1],
    ["nothing", 0, claimFrom - peek]
  ])("a claim of %s gives the tail after it: %i and %i bytes", (_, size, tailSize) => {
    const destination = new Uint8Array(size)
    const ends: Array<readonly [Uint8Array, Uint8Array]> = []
    const frames = new FrameReader.FrameReader(maximum, {
      peek,
      claimFrom,
      claim: () => ({ destination, complete: (...end) => void ends.push(end) }),
      onFrame: () => assert.fail("the packet is claimed"),
      onError: (what) => assert.fail(what)
    })
    const packet = Uint8Array.from({ length: claimFrom }, (_, i) => i)
    frames.push(frame(packet))
    frames.push(frame(packet))
    for (const [head, tail] of ends) {
      assert.deepStrictEqual([head.length, tail.length], [peek, tailSize])
      assert.deepStrictEqual(concat([head, destination, tail]), packet)
    }
    assert.lengthOf(ends, 2)
  })

  it("gives a packet of exactly `peek` bytes whole, without a claim", () => {
    const ends: Array<number> = []
    const frames = new FrameReader.FrameReader(maximum, {
      peek,
      claimFrom: peek,
      claim: () => assert.fail("a packet without a rest has nothing to claim"),
      onFrame: ({ length }) => void ends.push(length),
      onError: (what) => assert.fail(what)
    })
    frames.push(concat([frame(new Uint8Array(peek)), frame(new Uint8Array(peek))]))
    assert.deepStrictEqual(ends, [peek, peek])
  })

  it("writeHeader writes a length of 24 bits", () => {
    const header = new Uint8Array(4).fill(1)
    FrameReader.writeHeader(header, 0x123456)
    assert.deepStrictEqual([...header], [0, 0x12, 0x34, 0x56])
  })
})
