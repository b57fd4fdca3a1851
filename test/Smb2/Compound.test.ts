/**
 * Messages of a packet are cut where NextCommand says (MS-SMB2 2.2.1.2, 3.3.5.2.7): each begins at a multiple of 8 bytes,
 * and has a header and the beginning of a body.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Compound from "../../src/Smb2/Compound.ts"

/** A packet of this many bytes, with a header at `at` whose NextCommand is `next`. */
const packet = (length: number, at: number, next: number): Uint8Array => {
  const bytes = Buffer.alloc(length)
  if (length >= at + 64) {
    bytes.write("\xfeSMB", at, "latin1")
    bytes.writeUInt16LE(64, at + 4)
    bytes.writeUInt32LE(next, at + 20)
  }
  return bytes
}

describe("a message of a packet", () => {
  it.each([
    [66, 0, 0, 0, 66],
    [100, 0, 0, 0, 100],
    [144, 0, 72, 0, 72],
    [72, 0, 72, 0, 72],
    [144, 72, 0, 72, 144],
    [300, 72, 128, 72, 200],
    [138, 72, 0, 72, 138]
  ])(
    "in a packet of %i bytes, at %i with the NextCommand %i, is from byte %i to byte %i",
    (length, at, next, from, to) => {
      const whole = packet(length, at, next)
      const result = Compound.segment(whole, at)
      assert(Result.isSuccess(result))
      assert.strictEqual(result.success.header.nextCommand, next)
      assert.deepStrictEqual(
        [result.success.bytes.byteOffset - whole.byteOffset, result.success.bytes.length],
        [from, to - from]
      )
    }
  )

  it.each([
    ["no header", 0, 0, 0, 0],
    ["a part of a header", 63, 0, 0, 0],
    ["no body", 64, 0, 0, 0],
    ["one byte of a body", 65, 0, 0, 0],
    ["one byte of a body, behind another message", 137, 72, 0, 72],
    ["a NextCommand without room for a body", 144, 0, 64, 20],
    ["a NextCommand inside the header", 144, 0, 8, 20],
    ["a NextCommand that is no multiple of 8", 144, 0, 76, 20],
    ["a NextCommand after the packet", 143, 0, 144, 20],
    ["a NextCommand after the packet, behind another message", 200, 72, 136, 92],
    ["a NextCommand that would lead back as a signed number", 144, 0, 0xffff_fff8, 20]
  ])("is refused with %s", (_, length, at, next, offset) => {
    const result = Compound.segment(packet(length, at, next), at)
    assert(Result.isFailure(result))
    assert.deepInclude(result.failure, { _tag: "Malformed", structure: "SMB2 packet", offset })
  })

  it("is refused without the ProtocolId, or with another StructureSize", () => {
    for (const byte of [0, 1, 2, 3, 4, 5]) {
      const bytes = packet(100, 0, 0)
      bytes[byte]! ^= 1
      const result = Compound.segment(bytes, 0)
      assert(Result.isFailure(result))
      assert.deepInclude(result.failure, { offset: 0, expected: "an SMB 2 header" })
    }
  })
})
