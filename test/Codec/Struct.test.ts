/**
 * `Codec.struct` against a model of the documents' tables: fields one after the other, then buffers and lists at the
 * places that offsets, lengths and counts give. Tables, values and places are arbitrary. Then lies in single fields.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Codec from "../../src/Codec/Codec.ts"
import { DecodeFailure, Reader, Writer } from "../../src/Codec/Cursor.ts"
import { random } from "../random.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"))

const little = (value: number | bigint, size: number): Array<number> =>
  Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn))

/** A row of the fixed part: the field, its value if it has one, and its bytes. A reader ignores reserved bytes. */
interface Row {
  readonly name: string
  readonly field: Codec.Field
  readonly bytes: ReadonlyArray<number>
  readonly value?: unknown
  readonly reserved?: boolean
  readonly reference?: readonly ["offset" | "length" | "count", string]
}

/** A buffer or list of the variable part. */
interface Variable {
  readonly name: string
  readonly field: Codec.Field
  readonly align: number
  readonly placed: boolean
  readonly count: number
  readonly value: unknown
  /** The content, if it begins at a place that is aligned. */
  readonly bytes: ReadonlyArray<number>
}

interface Table {
  readonly codec: Codec.Codec<Record<string, unknown>>
  readonly rows: ReadonlyArray<Row>
  readonly variables: ReadonlyArray<Variable>
  readonly origin: number
  readonly atLeast: number
  readonly value: Record<string, unknown>
}

/**
 * An arbitrary table with a value. `placed`: each buffer and list has an offset, a length and, if it is a list, a count.
 * `inline`: none has an offset, and the last needs no length. `any`: all kinds, of which some can only be written.
 */
const tableOf = (next: (limit: number) => number, kind: "any" | "placed" | "inline"): Table => {
  const pick = <A>(choices: ReadonlyArray<A>): A => choices[next(choices.length)]!
  const variables = Array.from({ length: next(4) }, (_, i): Variable => {
    const name = `variable${i}`
    const align = kind === "inline" ? 1 : pick([1, 2, 4, 8])
    const size = pick([0, 1, 2, 3, 5])
    const placed = next(2) === 0
    if (next(2) === 0) {
      const bytes = Array.from({ length: size }, () => next(256))
      const field = Codec.buffer(Codec.bytes, placed ? { align, placed } : { align })
      return { name, field, align, placed, count: 0, bytes, value: Uint8Array.from(bytes) }
    }
    const numbers = Array.from({ length: size }, () => next(0x10000))
    const bytes = numbers.flatMap((number, i) => [
      ...little(number, 2),
      ...(i === numbers.length - 1 ? [] : Array<number>(Math.max(align - 2, 0)).fill(0))
    ])
    const field = Codec.list(Codec.u16, { align })
    return { name, field, align, placed: false, count: size, bytes, value: numbers }
  })
  const references = variables.flatMap(({ field, name, value }, i): Array<Row["reference"]> => [
    ...(kind === "placed" || kind === "any" && next(2) === 0 ? [["offset", name] as const] : []),
    // A list that is counted and the last buffer need no length.
    ...(kind === "placed" || next(2) === 0 || kind === "inline" && i < variables.length - 1 && !Array.isArray(value)
      ? [["length", name] as const]
      : []),
    ...("item" in field ? [["count", name] as const] : [])
  ])
  const plain = Array.from({ length: 1 + next(4) }, () => next(9))
  const rows: Array<Row> = []
  const add = (row: Omit<Row, "name">) => rows.push({ name: `row${rows.length}`, ...row })
  const integer = <A extends number | bigint>(codec: Codec.Codec<A>, size: number, value: A) =>
    add({ field: codec, value, bytes: little(value, size) })
  const kinds: ReadonlyArray<() => void> = [
    () => integer(Codec.u8, 1, next(0x100)),
    () => integer(Codec.u16, 2, next(0x10000)),
    () => integer(Codec.u32, 4, next(0x1_0000_0000)),
    () => integer(Codec.i32, 4, next(0x1_0000_0000) - 0x8000_0000),
    () => integer(Codec.u64, 8, BigInt(next(0x1_0000_0000)) << 31n),
    () => integer(Codec.i64, 8, -(BigInt(next(0x1_0000_0000)) << 31n)),
    () => add({ field: Codec.constant(Codec.u16, 0x1234), bytes: [0x34, 0x12] }),
    () => {
      const [field, bytes] = pick<readonly [Codec.Field, ReadonlyArray<number>]>([
        [Codec.reserved(Codec.u32), [0, 0, 0, 0]],
        [Codec.reserved(Codec.u64), [0, 0, 0, 0, 0, 0, 0, 0]],
        [Codec.reserved(Codec.u16, 0xabcd), [0xcd, 0xab]],
        [Codec.reservedBytes(3), [0, 0, 0]]
      ])
      add({ field, bytes, reserved: true })
    },
    () => {
      const bytes = [next(256), next(256), next(256)]
      add({ field: Codec.fixedBytes(3), value: Uint8Array.from(bytes), bytes })
    }
  ]
  const steps: Array<() => void> = [
    ...plain.map((kind) => kinds[kind]!),
    ...references.map((reference) => () => {
      const [size, codec] = pick<readonly [number, Codec.Codec<number>]>([[2, Codec.u16], [4, Codec.u32]])
      const field = reference![0] === "offset"
        ? Codec.offsetOf(reference![1], codec)
        : reference![0] === "length"
        ? Codec.lengthOf(reference![1], codec)
        : Codec.countOf(reference![1], codec)
      add({ field, bytes: Array<number>(size).fill(0), reference: reference! })
    })
  ]
  while (steps.length > 0) steps.splice(next(steps.length), 1)[0]!()
  const origin = pick([0, 0, -64, -16])
  const atLeast = pick([0, 0, 9, 60])
  const fields = Object.fromEntries([...rows, ...variables].map(({ field, name }) => [name, field]))
  const value = Object.fromEntries(
    [...rows.filter((row) => "value" in row), ...variables].map(({ name, value }) => [name, value])
  )
  const struct = Codec.struct(fields, { origin, ...(atLeast === 0 ? {} : { atLeast }) })
  // The type of a table that is made at run time says nothing about its fields.
  const codec = struct as unknown as Codec.Codec<Record<string, unknown>>
  return { codec, rows, variables, origin, atLeast, value }
}

type Places = ReadonlyMap<string, { readonly offset: number; readonly length: number }>

const fixedOf = ({ origin, rows, variables }: Table, places: Places, reserved: (row: Row) => ReadonlyArray<number>) =>
  rows.flatMap((row) => {
    if (row.reserved === true) return reserved(row)
    if (row.reference === undefined) return row.bytes
    const [what, of] = row.reference
    const { length, offset } = places.get(of)!
    const { count, placed } = variables.find(({ name }) => name === of)!
    const number = what === "count" ? count : what === "length" ? length : length === 0 && !placed ? 0 : offset - origin
    return little(number, row.bytes.length)
  })

const sizeOf = ({ rows }: Table) => rows.reduce((sum, { bytes }) => sum + bytes.length, 0)

/** The bytes that the table has by its document: each variable part after the one before it, aligned from the origin. */
const written = (table: Table): ReadonlyArray<number> => {
  let end = sizeOf(table)
  const content: Array<number> = []
  const places = new Map<string, { offset: number; length: number }>()
  for (const { align, bytes, name } of table.variables) {
    let offset = end
    while ((offset - table.origin) % align !== 0) offset++
    places.set(name, { offset, length: bytes.length })
    if (bytes.length === 0) continue
    content.push(...Array<number>(offset - end).fill(0), ...bytes)
    end = offset + bytes.length
  }
  const whole = [...fixedOf(table, places, ({ bytes }) => bytes), ...content]
  while (whole.length < table.atLeast) whole.push(0)
  return whole
}

describe("Codec.struct", () => {
  it("has the fewest bytes of its table's fixed part", () => {
    const next = random(1)
    for (let i = 0; i < 100; i++) {
      const table = tableOf(next, "any")
      assert.strictEqual(table.codec.minimumSize, sizeOf(table))
    }
  })

  it("writes arbitrary values as the table says, at any place of a message", () => {
    const next = random(2)
    for (let i = 0; i < 400; i++) {
      const table = tableOf(next, "any")
      const before = Array.from({ length: next(9) }, () => next(256))
      const writer = new Writer(4)
      writer.put(Uint8Array.from(before))
      table.codec.write(writer, table.value)
      assert.deepStrictEqual([...writer.finish()], [...before, ...written(table)])
    }
  })

  it.each(["placed", "inline"] as const)("reads what the table says, and ends after it: %s", (kind) => {
    const next = random(3)
    for (let i = 0; i < 300; i++) {
      const table = { ...tableOf(next, kind), atLeast: 0 }
      const bytes = written(table)
      const start = next(9)
      const around = Uint8Array.from([...Array<number>(start).fill(0xee), ...bytes, 0xee, 0xee, 0xee])
      // A buffer without a length takes the rest, so the window must end with it.
      const reader = new Reader(around, 0, kind === "inline" ? start + bytes.length : around.length)
      reader.offset = start
      assert.deepEqual(table.codec.read(reader), table.value)
      assert.strictEqual(reader.offset, start + bytes.length)
    }
  })

  it("reads buffers and lists in any order, with bytes between them, and ignores reserved fields", () => {
    const next = random(4)
    for (let i = 0; i < 300; i++) {
      const table = tableOf(next, "placed")
      const before = Math.min(-table.origin, next(80))
      const size = sizeOf(table)
      const whole = Array.from({ length: before + size + 200 }, () => next(256))
      const places = new Map<string, { offset: number; length: number }>()
      let end = size
      for (const [nth, { bytes, name }] of [...table.variables].reverse().entries()) {
        // One of them lies before the structure if the message has room there: an SMB 2 offset can say so.
        const first = nth === 0 && bytes.length > 0 && bytes.length < before
        const offset = first ? -bytes.length - next(before - bytes.length) : size + nth * 60 + next(9)
        places.set(name, { offset, length: bytes.length })
        if (bytes.length === 0) continue
        whole.splice(before + offset, bytes.length, ...bytes)
        end = Math.max(end, offset + bytes.length)
      }
      const fixed = fixedOf(table, places, ({ bytes }) => bytes.map(() => next(256)))
      whole.splice(before, size, ...fixed)
      const reader = new Reader(Uint8Array.from(whole))
      reader.offset = before
      assert.deepEqual(table.codec.read(reader), table.value)
      assert.strictEqual(reader.offset - before, end)
    }
  })

  // A field that must have one value, and an offset whose buffer has no length: it takes the rest of the message.
  const Rest = Codec.struct({
    Flags: Codec.u8,
    StructureSize: Codec.constant(Codec.u16, 5),
    Offset: Codec.offsetOf("Rest", Codec.u16),
    Rest: Codec.buffer(Codec.bytes)
  })

  it("refuses another value of a constant, and says where it is", () => {
    const result = Codec.decode("Rest", Rest)(hex("01 0600 0000"))
    assert(Result.isFailure(result))
    assert.include(result.failure, { structure: "Rest", offset: 1, expected: "StructureSize 5, not 6" })
  })

  it.each([
    ["0000", "", "nothing without a place"],
    ["0500", "0708", "the rest"],
    ["0600", "08", "less than the rest"],
    ["0700", "", "nothing at the end"],
    ["0100", "0500 0100 0708", "fields before it too"]
  ])("reads a buffer without a length at its offset %s: %s (%s)", (offset, rest) => {
    const result = Codec.decode("Rest", Rest)(hex(`01 0500 ${offset} 0708`))
    assert.deepStrictEqual(result, Result.succeed({ Flags: 1, Rest: hex(rest) }))
  })

  it("refuses a buffer that begins before its window or after it, and takes one at each end", () => {
    const Body = Codec.struct({
      Offset: Codec.offsetOf("Part", Codec.u8),
      Length: Codec.lengthOf("Part", Codec.u8),
      Part: Codec.buffer(Codec.bytes)
    }, { origin: -4 })
    const read = (offset: number, length: number) => {
      // A message of 8 bytes inside of 12; its body begins after 4 bytes.
      const bytes = Uint8Array.of(0xee, 0xee, 1, 2, 3, 4, offset, length, 7, 8, 0xee, 0xee)
      const reader = new Reader(bytes, 2, 10)
      reader.offset = 6
      return Result.map(Codec.attempt("Body", () => Body.read(reader)), ({ Part }) => [...Part])
    }
    assert.deepStrictEqual(read(0, 2), Result.succeed([1, 2]))
    assert.deepStrictEqual(read(6, 2), Result.succeed([7, 8]))
    for (const [offset, length] of [[7, 2], [8, 1], [9, 1], [200, 1], [6, 3]] as const) {
      const result = read(offset, length)
      assert(Result.isFailure(result))
      assert.match(result.failure.expected, /^Part inside its message, not/)
    }
    // The message's offsets count from a byte before its window.
    const Early = Codec.struct({
      Offset: Codec.offsetOf("Part", Codec.u8),
      Length: Codec.lengthOf("Part", Codec.u8),
      Part: Codec.buffer(Codec.bytes)
    }, { origin: -5 })
    const early = new Reader(Uint8Array.of(0xee, 1, 2, 3, 4, 0, 1), 1)
    early.offset = 5
    assert(Result.isFailure(Codec.attempt("Early", () => Early.read(early))))
    assert(Result.isFailure(Codec.decode("Rest", Rest)(hex("01 0500 0800 0708"))))
  })
})

describe("Codec.attempt", () => {
  it("makes a failure of the reader alone a Malformed: another error is a fault of this program", () => {
    assert.throws(
      () =>
        Codec.attempt("", () => {
          throw new TypeError("a fault")
        }),
      TypeError,
      "a fault"
    )
    assert.deepInclude(
      Result.merge(Codec.attempt("Name", () => {
        throw new DecodeFailure(3, "a byte")
      })),
      { _tag: "Malformed", structure: "Name", offset: 3, expected: "a byte" }
    )
  })
})
