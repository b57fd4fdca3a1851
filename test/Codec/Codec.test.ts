/**
 * The combinators of Codec against bytes that were written by hand: offsets, lengths and counts as the tables of the
 * documents have them, chains by NextEntryOffset, and lies in each of them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Codec from "../../src/Codec/Codec.ts"
import { Reader, Writer } from "../../src/Codec/Cursor.ts"
import { random } from "../random.ts"

const u32 = (value: number): ReadonlyArray<number> => [...new Uint8Array(Uint32Array.of(value).buffer)]

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
  const Name = Codec.struct({ Length: Codec.lengthOf("Name"), Name: Codec.buffer(Codec.utf16) })
  const Names = Codec.chained(Name)

  it("writes and reads entries by NextEntryOffset", () => {
    const bytes = hex("10000000 02000000 61000000 00000000  00000000 02000000 6200")
    assert.deepStrictEqual(Codec.encode(Names)([{ Name: "a" }, { Name: "b" }]), bytes)
    assert.deepStrictEqual(Codec.decode("Names", Names)(bytes), Result.succeed([{ Name: "a" }, { Name: "b" }]))
  })

  it.each([1, 4, 8])("aligns each entry after the first to %i bytes from the one before, not the last", (align) => {
    const next = random(align)
    for (let i = 0; i < 100; i++) {
      const names = Array.from({ length: next(4) }, () => "abcdefgh".slice(next(8)))
      const bytes = names.flatMap((name, i) => {
        const entry = [...u32(name.length * 2), ...Buffer.from(name, "utf16le")]
        if (i === names.length - 1) return [...u32(0), ...entry]
        while ((entry.length + 4) % align !== 0) entry.push(0)
        return [...u32(entry.length + 4), ...entry]
      })
      const value = names.map((Name) => ({ Name }))
      const chain = Codec.chained(Name, align)
      // A list has its alignment from its own start.
      const writer = new Writer()
      writer.u8(0xee)
      chain.write(writer, value)
      assert.deepStrictEqual([...writer.finish()], [0xee, ...bytes])
      const reader = new Reader(Uint8Array.from([0xee, ...bytes]))
      reader.offset = 1
      assert.deepStrictEqual(chain.read(reader), value)
      assert.strictEqual(reader.offset, bytes.length + 1)
    }
  })

  it("takes all bytes after the last entry as a part of it, and lets no entry read the next", () => {
    const Bytes = Codec.chained(Codec.bytes, 1)
    assert.deepStrictEqual(
      Codec.decode("", Bytes)(hex("05000000 aa 00000000 bbcc")),
      Result.succeed([hex("aa"), hex("bbcc")])
    )
    // The last entry's offset may lead to the end of the list, and an entry may have no bytes of its own.
    assert.deepStrictEqual(Codec.decode("", Bytes)(hex("04000000 05000000 aa")), Result.succeed([hex(""), hex("aa")]))
    assert(Result.isFailure(Codec.decode("", Names)(hex("08000000 02000000 00000000 02000000 6200"))))
  })

  it.each([
    ["04000000 00000000", "into the entry's own header"],
    ["07000000 00000000", "before the fewest bytes of an entry end"],
    ["09000000 00000000", "one byte after the list"],
    ["ffffffff 00000000", "far after the list"],
    ["01000000 00000000", "into itself"]
  ])("refuses the NextEntryOffset of %s: %s", (text) => {
    const result = Codec.decode("Names", Names)(hex(`08000000 00000000 ${text}`))
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure.offset, 8)
    assert.match(result.failure.expected, /^a NextEntryOffset inside the list, not/)
  })

  it("takes the NextEntryOffset of the fewest bytes of an entry, which is the list's end", () => {
    assert.deepStrictEqual(
      Codec.decode("Names", Names)(hex("08000000 00000000 08000000 00000000")),
      Result.succeed([{ Name: "" }, { Name: "" }])
    )
  })
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

describe("Codec.readMany and Codec.writeMany", () => {
  it.each([1, 2, 4, 8])("align each value after the first to %i bytes from the first", (align) => {
    const Pair = Codec.struct({ Length: Codec.lengthOf("Bytes", Codec.u8), Bytes: Codec.buffer(Codec.bytes) })
    const next = random(align)
    for (let i = 0; i < 100; i++) {
      const values = Array.from({ length: next(5) }, () => new Uint8Array(next(6)).fill(7))
      const expected: Array<number> = []
      for (const value of values) {
        while (expected.length % align !== 0) expected.push(0)
        expected.push(value.length, ...value)
      }
      const writer = new Writer()
      writer.u8(0xee)
      Codec.writeMany(writer, Pair, values.map((Bytes) => ({ Bytes })), align)
      assert.deepStrictEqual([...writer.finish()], [0xee, ...expected])
      const reader = new Reader(Uint8Array.from([0xee, ...expected, 0xee]))
      reader.offset = 1
      assert.deepStrictEqual(
        Codec.readMany(reader, Pair, values.length, align),
        values.map((Bytes) => ({ Bytes }))
      )
      assert.strictEqual(reader.offset, expected.length + 1)
    }
  })

  it("check a count against the bytes left before anything is read, also for values that can have no bytes", () => {
    const read = <A>(item: Codec.Codec<A>, count: number, bytes: string) => {
      let reads = 0
      const counted = Codec.make(item.minimumSize, (r) => (reads++, item.read(r)), item.write)
      const result = Codec.attempt("", () => Codec.readMany(new Reader(hex(bytes)), counted, count))
      return Result.isSuccess(result) ? result.success.length : [reads, result.failure.expected]
    }
    assert.strictEqual(read(Codec.u16, 2, "01000200"), 2)
    assert.deepStrictEqual(read(Codec.u16, 3, "0100020003"), [0, "room for 3 entries, not 5 bytes"])
    assert.strictEqual(read(Codec.bytes, 2, "0102"), 2)
    assert.deepStrictEqual(read(Codec.bytes, 3, "0102"), [0, "room for 3 entries, not 2 bytes"])
  })
})

describe("Codec.utf16z", () => {
  it.each([
    ["", "0000", 2],
    ["a", "6100 0000", 4],
    ["\ud800", "00d8 0000", 4],
    ["Ā", "0001 0000", 4],
    ["a", "6100 0000 6200 0000", 4]
  ])("%j is UTF-16 up to its NUL: %s", (text, bytes, end) => {
    const reader = new Reader(hex(`ee ${bytes}`))
    reader.offset = 1
    assert.strictEqual(Codec.utf16z.read(reader), text)
    assert.strictEqual(reader.offset, end + 1)
    assert.deepStrictEqual(Codec.encode(Codec.utf16z)(text), hex(bytes).subarray(0, end))
  })

  it.each(["", "00", "6100", "610000", "6100 62"])("%j has no NUL, and is refused from its start", (bytes) => {
    const reader = new Reader(hex(`ee ${bytes} 0000`), 0, 1 + hex(bytes).length)
    reader.offset = 1
    const result = Codec.attempt("", () => Codec.utf16z.read(reader))
    assert(Result.isFailure(result))
    assert.deepInclude(result.failure, { offset: 1, expected: "UTF-16 text that ends with a NUL" })
  })

  it("has room for its NUL in the counts that a peer states", () => {
    assert.deepStrictEqual(
      Codec.attempt("", () => Codec.readMany(new Reader(hex("0000")), Codec.utf16z, 1)),
      Result.succeed([""])
    )
    assert(Result.isFailure(Codec.attempt("", () => Codec.readMany(new Reader(hex("000000")), Codec.utf16z, 2))))
  })
})

describe("Codec.boolean8", () => {
  it.each([[0, false], [1, true], [2, true], [0xff, true]])("reads %i as %s, and writes 0 or 1", (byte, value) => {
    assert.deepStrictEqual(Codec.decode("", Codec.boolean8)(Uint8Array.of(byte)), Result.succeed(value))
    assert.deepStrictEqual(Codec.encode(Codec.boolean8)(value), Uint8Array.of(value ? 1 : 0))
  })
})

it("the fewest bytes of each kind of value are those that it always has", () => {
  for (
    const [codec, size] of [
      [Codec.u8, 1],
      [Codec.u16, 2],
      [Codec.u32, 4],
      [Codec.i32, 4],
      [Codec.u64, 8],
      [Codec.i64, 8],
      [Codec.boolean8, 1],
      [Codec.fixedBytes(5), 5],
      [Codec.utf16z, 2],
      [Codec.bytes, 0],
      [Codec.utf16, 0],
      [Codec.many(Codec.u16), 0],
      [Codec.chained(Codec.u16), 0],
      [Codec.orEmpty(Codec.u16), 0]
    ] as const
  ) assert.strictEqual(codec.minimumSize, size)
})

it("Codec.fixedBytes takes exactly its length, in both directions", () => {
  const three = Codec.fixedBytes(3)
  assert.deepStrictEqual(Codec.encode(three)(hex("010203")), hex("010203"))
  assert.throws(() => Codec.encode(three)(hex("0102")), RangeError, "expected 3 bytes, got 2")
  assert.throws(() => Codec.encode(three)(hex("01020304")), RangeError, "expected 3 bytes, got 4")
  assert.deepStrictEqual(Codec.decode("", three)(hex("01020304")), Result.succeed(hex("010203")))
  assert(Result.isFailure(Codec.decode("", three)(hex("0102"))))
})

it("Codec.orEmpty has no value without bytes, and no bytes without a value", () => {
  const maybe = Codec.orEmpty(Codec.u16)
  assert.deepStrictEqual(Codec.decode("", maybe)(hex("")), Result.succeed(undefined))
  assert.deepStrictEqual(Codec.decode("", maybe)(hex("0500")), Result.succeed(5))
  assert(Result.isFailure(Codec.decode("", maybe)(hex("05"))))
  assert.deepStrictEqual(Codec.encode(maybe)(undefined), hex(""))
  assert.deepStrictEqual(Codec.encode(maybe)(0), hex("0000"))
})
