/**
 * The combinators of Codec against bytes that were written by hand: offsets, lengths and counts as the tables of the
 * documents have them, chains by NextEntryOffset, and lies in each of them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Codec from "../../src/Codec/Codec.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"))

// A table as in the documents: a fixed part whose offsets count from a 64-byte header before it.
const Message = Codec.struct({
  StructureSize: Codec.constant(Codec.u16, 17),
  Flags: Codec.u16,
  NameOffset: Codec.offsetOf("Name", Codec.u16),
  NameLength: Codec.lengthOf("Name", Codec.u16),
  Count: Codec.countOf("Numbers", Codec.u16),
  Reserved: Codec.reserved(Codec.u16),
  NumbersOffset: Codec.offsetOf("Numbers", Codec.u32),
  Name: Codec.buffer(Codec.utf16),
  Numbers: Codec.list(Codec.u32, { align: 8 })
}, { origin: -64 })

describe("Codec.struct", () => {
  const value = { Flags: 3, Name: "ab", Numbers: [1, 2] }
  const bytes = hex("1100 0300 5000 0400 0200 0000 58000000  61006200 00000000 01000000 00000000 02000000")

  it("writes offsets, lengths and counts", () => {
    assert.deepStrictEqual(Codec.encode(Message)(value), bytes)
  })

  it("reads the fields at their offsets", () => {
    assert.deepStrictEqual(Codec.decode("Message", Message)(bytes), Result.succeed(value))
  })

  it("fails with Malformed and the position of a wrong offset", () => {
    const lie = bytes.slice()
    lie[6] = 0xff
    const result = Codec.decode("Message", Message)(lie)
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure._tag, "Malformed")
    assert.match(result.failure.message, /Message is malformed at byte 16: expected Name inside its message/)
  })

  it("refuses a count that the bytes have no room for", () => {
    const Numbers = Codec.struct({ Count: Codec.countOf("Numbers", Codec.u32), Numbers: Codec.list(Codec.u8) })
    const result = Codec.decode("Numbers", Numbers)(hex("ffffffff 01"))
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure.expected, "room for 4294967295 entries, not 1 bytes")
  })
})

describe("Codec.chained", () => {
  const Names = Codec.chained(Codec.struct({ Length: Codec.lengthOf("Name"), Name: Codec.buffer(Codec.utf16) }))

  it("writes and reads entries by NextEntryOffset", () => {
    const bytes = hex("10000000 02000000 61000000 00000000  00000000 02000000 6200")
    assert.deepStrictEqual(Codec.encode(Names)([{ Name: "a" }, { Name: "b" }]), bytes)
    assert.deepStrictEqual(Codec.decode("Names", Names)(bytes), Result.succeed([{ Name: "a" }, { Name: "b" }]))
  })

  it.each(["04000000 00000000", "ffffffff 00000000", "01000000 00000000"])(
    "refuses the NextEntryOffset of %s",
    (text) => {
      assert(Result.isFailure(Codec.decode("Names", Names)(hex(text))))
    }
  )
})

it("Codec.utf16 keeps lone surrogates", () => {
  const lone = "a\ud800b"
  const bytes = Codec.encode(Codec.utf16)(lone)
  assert.deepStrictEqual(bytes, hex("6100 00d8 6200"))
  assert.deepStrictEqual(Codec.decode("name", Codec.utf16)(bytes), Result.succeed(lone))
})

it.each([["61"], ["610062"], ["61006200ff"]])("%s is no UTF-16 text: half a character is left", (bytes) => {
  const result = Codec.decode("name", Codec.utf16)(hex(bytes))
  assert(Result.isFailure(result))
  assert.match(result.failure.message, /even number of bytes/)
})

describe("empty parts", () => {
  it("of a structure have no place, and come back empty", () => {
    const value = { Flags: 0, Name: "", Numbers: [] }
    const bytes = hex("1100 0000 0000 0000 0000 0000 00000000")
    assert.deepStrictEqual(Codec.encode(Message)(value), bytes)
    assert.deepStrictEqual(Codec.decode("Message", Message)(bytes), Result.succeed(value))
    // A place is nothing as long as nothing is there.
    const placed = hex("1100 0000 ffff 0000 0000 0000 ffffffff")
    assert.deepStrictEqual(Codec.decode("Message", Message)(placed), Result.succeed(value))
  })
})

describe("Codec.many", () => {
  it("reads values to the end, and refuses half of one, and values of no bytes", () => {
    assert.deepStrictEqual(Codec.decode("", Codec.many(Codec.u16))(hex("0100 0200")), Result.succeed([1, 2]))
    assert.deepStrictEqual(Codec.decode("", Codec.many(Codec.u16))(hex("")), Result.succeed([]))
    assert.deepStrictEqual(Codec.encode(Codec.many(Codec.u16))([1, 2]), hex("0100 0200"))
    assert(Result.isFailure(Codec.decode("", Codec.many(Codec.u16))(hex("0100 02"))))
    const nothing: Codec.Codec<number> = Codec.make(0, () => 0, () => {})
    const endless = Codec.decode("", Codec.many(nothing))(hex("00"))
    assert(Result.isFailure(endless))
    assert.match(endless.failure.message, /at least one byte/)
  })
})

it("Codec.at reads behind a header, for which it needs room", () => {
  const body = Codec.at(4, Codec.u16)
  assert.strictEqual(body.minimumSize, 6)
  assert.deepStrictEqual(Codec.decode("", body)(hex("aabbccdd 0500")), Result.succeed(5))
  assert(Result.isFailure(Codec.decode("", body)(hex("aabbccdd 05"))))
  assert.deepStrictEqual(Codec.encode(body)(5), hex("00000000 0500"))
})
