/**
 * Combinators for messages: a definition reads like the document's table, has a type, and works both ways.
 *
 * A `Codec<A>` reads an `A` at a `Reader`'s position and writes one at a `Writer`'s. `struct` puts fields one after the
 * other. Two kinds of fields are not part of the value: those that only give the place or length of another field
 * (`offsetOf`, `lengthOf`, `countOf`), and those without information (`constant`, `reserved`).
 *
 * All reading is limited: by the reader's window, by counts that are checked against the bytes left, and by chains that
 * can only move forward.
 */
import * as Result from "effect/Result"
import { DecodeFailure, Reader, Writer } from "./Cursor.ts"
import { Malformed } from "./Malformed.ts"

/**
 * Both directions of one piece of a message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Codec<A> {
  /** The fewest bytes of a value: it limits the counts that a peer states. */
  readonly minimumSize: number
  readonly read: (reader: Reader) => A
  readonly write: (writer: Writer, value: A) => void
}

/**
 * The value that a codec carries.
 *
 * @since 0.1.0
 */
export type Type<C> = C extends Codec<infer A> ? A : never

/**
 * A codec from its two directions, for layouts that the combinators do not cover.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(
  minimumSize: number,
  read: (reader: Reader) => A,
  write: (writer: Writer, value: A) => void
): Codec<A> => ({ minimumSize, read, write })

// -----------------------------------------------------------------------------
// boundaries
// -----------------------------------------------------------------------------

/**
 * The boundary: runs a reading function, and turns the codec's private signal into `Malformed`.
 *
 * @category boundaries
 * @since 0.1.0
 */
export const attempt = <A>(structure: string, read: () => A): Result.Result<A, Malformed> => {
  try {
    return Result.succeed(read())
  } catch (failure) {
    if (failure instanceof DecodeFailure) {
      return Result.fail(new Malformed({ structure, offset: failure.offset, expected: failure.expected }))
    }
    throw failure
  }
}

/**
 * Decodes a whole buffer. Bytes after the value are accepted: peers pad.
 *
 * @category boundaries
 * @since 0.1.0
 */
export const decode = <A>(structure: string, codec: Codec<A>) => (bytes: Uint8Array): Result.Result<A, Malformed> =>
  attempt(structure, () => codec.read(new Reader(bytes)))

/**
 * Encodes a value into its own buffer.
 *
 * @category boundaries
 * @since 0.1.0
 */
export const encode = <A>(codec: Codec<A>) => (value: A): Uint8Array<ArrayBuffer> => {
  const writer = new Writer()
  codec.write(writer, value)
  return writer.finish()
}

// -----------------------------------------------------------------------------
// integers, bytes, text
// -----------------------------------------------------------------------------

/**
 * Integers, little-endian, unsigned and signed; those of 64 bits are bigint.
 *
 * @since 0.1.0
 */
export const u8: Codec<number> = make(1, (r) => r.u8(), (w, value) => w.u8(value))
export const u16: Codec<number> = make(2, (r) => r.u16(), (w, value) => w.u16(value))
export const u32: Codec<number> = make(4, (r) => r.u32(), (w, value) => w.u32(value))
export const i32: Codec<number> = make(4, (r) => r.i32(), (w, value) => w.i32(value))
export const u64: Codec<bigint> = make(8, (r) => r.u64(), (w, value) => w.u64(value))
export const i64: Codec<bigint> = make(8, (r) => r.i64(), (w, value) => w.i64(value))

/**
 * All bytes left in the window, as a view of the buffer that is read.
 *
 * @since 0.1.0
 */
export const bytes: Codec<Uint8Array> = make(0, (r) => r.rest(), (w, value) => w.put(value))

/**
 * Exactly `length` bytes, as a view of the buffer that is read.
 *
 * @since 0.1.0
 */
export const fixedBytes = (length: number): Codec<Uint8Array> =>
  make(length, (r) => r.take(length), (w, value) => {
    if (value.length !== length) throw new RangeError(`expected ${length} bytes, got ${value.length}`)
    w.put(value)
  })

/**
 * UTF-16LE text filling the rest of the window: code units, lone surrogates included, no terminator.
 *
 * @since 0.1.0
 */
export const utf16: Codec<string> = make(
  0,
  (r) => {
    if (r.remaining % 2 !== 0) r.fail("an even number of bytes of UTF-16")
    const text = r.rest()
    return Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString("utf16le")
  },
  (w, value) => w.put(Buffer.from(value, "utf16le"))
)

/**
 * UTF-16LE text up to and including a NUL, which is not part of the value.
 *
 * @since 0.1.0
 */
export const utf16z: Codec<string> = make(
  2,
  (r) => {
    const from = r.offset
    let at = from
    while (at + 2 <= r.end && r.view.getUint16(at, true) !== 0) at += 2
    if (at + 2 > r.end) r.fail("UTF-16 text that ends with a NUL", from)
    const value = utf16.read(r.window(from, at - from))
    r.offset = at + 2
    return value
  },
  (w, value) => {
    utf16.write(w, value)
    w.u16(0)
  }
)

/**
 * A codec for another type, by two total functions.
 *
 * @since 0.1.0
 */
export const map = <A, B>(codec: Codec<A>, to: (a: A) => B, from: (b: B) => A): Codec<B> =>
  make(codec.minimumSize, (r) => to(codec.read(r)), (w, value) => codec.write(w, from(value)))

/**
 * One byte as a boolean: 0 is false, everything else true.
 *
 * @since 0.1.0
 */
export const boolean8: Codec<boolean> = map(u8, (value) => value !== 0, (value) => (value ? 1 : 0))

// -----------------------------------------------------------------------------
// repetition
// -----------------------------------------------------------------------------

/**
 * Exactly `count` values, each aligned to `align` bytes from the first. The count is checked before anything is read.
 *
 * @since 0.1.0
 */
export const readMany = <A>(reader: Reader, item: Codec<A>, count: number, align = 1): Array<A> => {
  if (count * Math.max(item.minimumSize, 1) > reader.remaining) {
    reader.fail(`room for ${count} entries, not ${reader.remaining} bytes`)
  }
  const origin = reader.offset
  const values: Array<A> = []
  for (let i = 0; i < count; i++) {
    const over = (reader.offset - origin) % align
    if (over !== 0) reader.claim(align - over)
    values.push(item.read(reader))
  }
  return values
}

/**
 * Writes values one after the other, each aligned to `align` bytes from the first.
 *
 * @since 0.1.0
 */
export const writeMany = <A>(writer: Writer, item: Codec<A>, values: ReadonlyArray<A>, align = 1): void => {
  const origin = writer.offset
  for (const value of values) {
    writer.align(align, origin)
    item.write(writer, value)
  }
}

/**
 * Values one after the other until the window ends.
 *
 * @since 0.1.0
 */
export const many = <A>(item: Codec<A>): Codec<ReadonlyArray<A>> =>
  make<ReadonlyArray<A>>(
    0,
    (r) => {
      const values: Array<A> = []
      while (r.remaining > 0) {
        const before = r.offset
        values.push(item.read(r))
        if (r.offset === before) r.fail("an entry of at least one byte")
      }
      return values
    },
    (w, values) => writeMany(w, item, values)
  )

/**
 * A list in which each entry begins with a `u32` NextEntryOffset, 0 in the last. Each entry is read in a window that
 * ends where the next entry begins; the offset counts from the entry's start, and can only move forward.
 *
 * @since 0.1.0
 */
export const chained = <A>(item: Codec<A>, align = 8): Codec<ReadonlyArray<A>> =>
  make<ReadonlyArray<A>>(
    0,
    (r) => {
      const values: Array<A> = []
      while (r.remaining > 0) {
        const start = r.offset
        const next = r.u32()
        if (next !== 0 && (next < 4 + item.minimumSize || next > r.end - start)) {
          r.fail(`a NextEntryOffset inside the list, not ${next}`, start)
        }
        const end = next === 0 ? r.end : start + next
        const entry = r.window(start, end - start)
        entry.offset = start + 4
        values.push(item.read(entry))
        r.offset = end
        if (next === 0) break
      }
      return values
    },
    (w, values) => {
      values.forEach((value, i) => {
        const start = w.offset
        w.u32(0)
        item.write(w, value)
        if (i < values.length - 1) {
          w.align(align, start)
          const next = w.offset - start
          w.patch(start, (at) => at.u32(next))
        }
      })
    }
  )

// -----------------------------------------------------------------------------
// structures
// -----------------------------------------------------------------------------

/**
 * A field that is in the bytes but not in the value.
 *
 * @since 0.1.0
 */
export type Silent =
  | { readonly _tag: "Constant"; readonly codec: Codec<any>; readonly value: number | bigint }
  | { readonly _tag: "Reserved"; readonly codec: Codec<any>; readonly value: number | bigint | Uint8Array }
  | {
    readonly _tag: "Reference"
    readonly codec: Codec<number>
    readonly what: "offset" | "length" | "count"
    readonly of: string
  }

/**
 * A field whose bytes are at the place that its `offsetOf` and `lengthOf` give, or inline without an `offsetOf`.
 *
 * @since 0.1.0
 */
export interface BufferField<A> {
  readonly _tag: "Buffer"
  readonly codec: Codec<A>
  readonly align: number
  readonly placed: boolean
}

/**
 * A field that is a list; its `countOf` gives the number of entries.
 *
 * @since 0.1.0
 */
export interface ListField<A> {
  readonly _tag: "List"
  readonly item: Codec<A>
  readonly align: number
}

/**
 * The members of a structure.
 *
 * @since 0.1.0
 */
export type Field = Codec<any> | Silent | BufferField<any> | ListField<any>

/**
 * The value of a structure: its fields, except those that are not part of a value.
 *
 * @since 0.1.0
 */
export type StructType<F extends Record<string, Field>> = {
  readonly [K in keyof F as F[K] extends Silent ? never : K]: F[K] extends BufferField<infer A> ? A
    : F[K] extends ListField<infer A> ? ReadonlyArray<A>
    : F[K] extends Codec<infer A> ? A
    : never
}

/**
 * A field that must have one value, such as StructureSize.
 *
 * @since 0.1.0
 */
export const constant = <A extends number | bigint>(codec: Codec<A>, value: A): Silent => ({
  _tag: "Constant",
  codec,
  value
})

/**
 * A field that is written as zeros (or `value`) and ignored when read.
 *
 * @since 0.1.0
 */
export const reserved = <A extends number | bigint>(codec: Codec<A>, value?: A): Silent => ({
  _tag: "Reserved",
  codec,
  value: value ?? (codec.minimumSize === 8 ? 0n : 0)
})

/**
 * Bytes that are written as zeros and ignored when read.
 *
 * @since 0.1.0
 */
export const reservedBytes = (length: number): Silent => ({
  _tag: "Reserved",
  codec: fixedBytes(length),
  value: new Uint8Array(length)
})

/**
 * Where the buffer of field `of` begins, in bytes from the structure's origin. Written as 0 for an empty buffer.
 *
 * @since 0.1.0
 */
export const offsetOf = (of: string, codec: Codec<number> = u32): Silent => ({
  _tag: "Reference",
  codec,
  what: "offset",
  of
})

/**
 * How many bytes the buffer of field `of` has.
 *
 * @since 0.1.0
 */
export const lengthOf = (of: string, codec: Codec<number> = u32): Silent => ({
  _tag: "Reference",
  codec,
  what: "length",
  of
})

/**
 * How many entries the list of field `of` has.
 *
 * @since 0.1.0
 */
export const countOf = (of: string, codec: Codec<number> = u16): Silent => ({
  _tag: "Reference",
  codec,
  what: "count",
  of
})

/**
 * A field in the structure's variable part. `align` counts from the structure's origin. With `placed` its offset is
 * written even if the buffer is empty, which some servers demand; otherwise that offset is 0.
 *
 * @since 0.1.0
 */
export const buffer = <A>(
  codec: Codec<A>,
  options?: { readonly align?: number; readonly placed?: boolean }
): BufferField<A> => ({
  _tag: "Buffer",
  codec,
  align: options?.align ?? 1,
  placed: options?.placed ?? false
})

/**
 * A list in the structure's variable part, counted by a `countOf` field.
 *
 * @since 0.1.0
 */
export const list = <A>(item: Codec<A>, options?: { readonly align?: number }): ListField<A> => ({
  _tag: "List",
  item,
  align: options?.align ?? 1
})

type References = Record<string, { offset?: number; length?: number; count?: number }>

/**
 * Fields one after the other, as in a document's table.
 *
 * The structure's offsets count from `origin`, in bytes from its start: -64 for the body of an SMB 2 message, whose
 * offsets count from the message's header. `atLeast` pads the written structure to that many bytes: if a document's
 * StructureSize is odd, a server may refuse a message whose variable part is empty.
 *
 * @category structures
 * @since 0.1.0
 */
export const struct = <const F extends Record<string, Field>>(
  fields: F,
  options?: { readonly origin?: number; readonly atLeast?: number }
): Codec<StructType<F>> => {
  const entries = Object.entries(fields) as ReadonlyArray<readonly [string, Field]>
  const delta = options?.origin ?? 0
  const referenced = new Set<string>()
  let minimumSize = 0
  for (const [, field] of entries) {
    if (!("_tag" in field)) {
      minimumSize += field.minimumSize
      continue
    }
    switch (field._tag) {
      case "Reference":
        if (field.what === "offset") referenced.add(field.of)
        minimumSize += field.codec.minimumSize
        break
      case "Constant":
      case "Reserved":
        minimumSize += field.codec.minimumSize
        break
    }
  }

  const read = (r: Reader): StructType<F> => {
    const base = r.offset
    const references: References = {}
    const value: Record<string, unknown> = {}
    let end = 0
    for (const [name, field] of entries) {
      if (!("_tag" in field)) {
        value[name] = field.read(r)
        continue
      }
      switch (field._tag) {
        case "Constant": {
          const at = r.offset
          const found = field.codec.read(r)
          if (found !== field.value) r.fail(`${name} ${field.value}, not ${found}`, at)
          break
        }
        case "Reserved":
          field.codec.read(r)
          break
        case "Reference":
          ;(references[field.of] ??= {})[field.what] = field.codec.read(r)
          break
        case "Buffer":
        case "List": {
          const at = references[name] ?? {}
          const placed = referenced.has(name)
          const empty = at.length === 0 || at.count === 0 || (placed && at.offset === 0 && at.length === undefined)
          if (empty) {
            const nothing = r.window(r.offset, 0)
            value[name] = field._tag === "Buffer" ? field.codec.read(nothing) : []
            break
          }
          const from = placed ? base + delta + at.offset! : Math.max(r.offset, end)
          const window = r.window(from, at.length ?? r.end - from, `${name} inside its message`)
          value[name] = field._tag === "Buffer"
            ? field.codec.read(window)
            : readMany(window, field.item, at.count ?? 0, field.align)
          end = Math.max(end, at.length === undefined ? window.offset : window.end)
          break
        }
      }
    }
    r.offset = Math.max(r.offset, end)
    return value as StructType<F>
  }

  const write = (w: Writer, value: StructType<F>): void => {
    const base = w.offset
    const origin = base + delta
    const places: Record<string, Array<{ at: number; codec: Codec<number>; what: "offset" | "length" | "count" }>> = {}
    for (const [name, field] of entries) {
      if (!("_tag" in field)) {
        field.write(w, (value as any)[name])
        continue
      }
      switch (field._tag) {
        case "Constant":
        case "Reserved":
          field.codec.write(w, field.value)
          break
        case "Reference":
          ;(places[field.of] ??= []).push({ at: w.offset, codec: field.codec, what: field.what })
          field.codec.write(w, 0)
          break
        case "Buffer":
        case "List": {
          const before = w.offset
          w.align(field.align, origin)
          const start = w.offset
          const content = (value as any)[name]
          if (field._tag === "Buffer") field.codec.write(w, content)
          else writeMany(w, field.item, content as ReadonlyArray<unknown>, field.align)
          const length = w.offset - start
          if (length === 0) w.offset = before
          for (const place of places[name] ?? []) {
            const number = place.what === "offset"
              ? (length === 0 && !(field._tag === "Buffer" && field.placed) ? 0 : start - origin)
              : place.what === "length"
              ? length
              : (content as ReadonlyArray<unknown>).length
            w.patch(place.at, (at) => place.codec.write(at, number))
          }
          break
        }
      }
    }
    const short = (options?.atLeast ?? 0) - (w.offset - base)
    if (short > 0) w.zeros(short)
  }

  return { minimumSize, read, write }
}

/**
 * A value `offset` bytes after the reader's position: a message's body behind its header. Writes zeros before it.
 *
 * @since 0.1.0
 */
export const at = <A>(offset: number, codec: Codec<A>): Codec<A> =>
  make(
    offset + codec.minimumSize,
    (r) => {
      r.claim(offset)
      return codec.read(r)
    },
    (w, value) => {
      w.zeros(offset)
      codec.write(w, value)
    }
  )

/**
 * A buffer that can be empty: the value is then `undefined`.
 *
 * @since 0.1.0
 */
export const orEmpty = <A>(codec: Codec<A>): Codec<A | undefined> =>
  make(
    0,
    (r) => (r.remaining === 0 ? undefined : codec.read(r)),
    (w, value) => {
      if (value !== undefined) codec.write(w, value)
    }
  )
