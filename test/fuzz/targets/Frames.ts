/** The frames of a stream, cut anywhere into chunks, with and without payloads that go to their own memory. */
import * as FrameReader from "../../../src/Protocol/FrameReader.ts"
import { family, holds, type Member } from "../Promises.ts"

const limit = 8192

const frame = (
  ...parts: ReadonlyArray<number>
): ReadonlyArray<number> => [0, 0, parts.length >> 8, parts.length & 255, ...parts]

/** The first bytes of an input say how long its chunks are; the rest is the stream. */
const frames = (name: string, claims: boolean): Member => ({
  name,
  run: (input) => {
    const stream = input.subarray(4)
    let received = 0
    let allocated = 0
    let failed = false
    const reader = new FrameReader.FrameReader(limit, {
      peek: claims ? 16 : 0,
      allocate: (length) => {
        holds(length <= limit, `a packet of ${length} bytes, more than the limit`)
        allocated += length
        return new Uint8Array(length)
      },
      claimFrom: claims ? 64 : Number.POSITIVE_INFINITY,
      claim: (head, length) => {
        holds(length <= limit && head.length === 16, "a claim of a wrong size")
        if (head[0]! % 2 === 0) return undefined
        const destination = new Uint8Array(Math.max(length - 16 - head[1]! % 8, 0))
        return {
          destination,
          complete: (first, tail) => {
            received += first.length + destination.length + tail.length
          }
        }
      },
      onFrame: (packet) => {
        holds(!failed && packet.length > 0 && packet.length <= limit, "a packet of a wrong size")
        received += packet.length
      },
      onError: () => {
        holds(!failed, "the stream failed twice")
        failed = true
      }
    })
    for (let at = 0, i = 0; at < stream.length; i++) {
      const length = Math.max(input[i % 4]!, 1)
      const chunk = stream.subarray(at, at + length)
      const { room } = reader
      if (room !== undefined && i % 3 === 0) {
        const count = Math.min(room.length, chunk.length)
        room.set(chunk.subarray(0, count))
        reader.arrived(count)
        at += count
      } else {
        reader.push(chunk)
        at += chunk.length
      }
    }
    holds(received <= stream.length, `${received} bytes came of ${stream.length}`)
    holds(allocated <= stream.length + limit, `${allocated} bytes of memory for a stream of ${stream.length}`)
    reader.end()
    reader.push(Uint8Array.of(0, 0, 0, 1, 1))
  },
  seeds: [
    Uint8Array.from([
      3,
      7,
      1,
      255,
      ...frame(1, 2, 3),
      ...frame(...new Uint8Array(200).fill(3)),
      0x85,
      0,
      0,
      0,
      ...frame(9)
    ]),
    Uint8Array.from([255, 1, 1, 1, ...frame(...new Uint8Array(20).fill(7)), 0, 1, 0, 0])
  ]
})

export const framing = family("frames", [frames("frames", false), frames("frames with claims", true)])
