/**
 * The part of NDR with 32-bit pointers (C706 chapter 14) that this folder's interfaces need, as combinators. A
 * structure or a call reads like its IDL, has a type, and works both ways.
 *
 * NDR writes a value in two steps: first the value itself, and then, after the whole surrounding structure or array,
 * the targets of its pointers. So `read` and `write` of a `Type` do the first step and return the second.
 *
 * Alignment counts from the stub's first byte, so that a reader's window here begins where the stub does. Counts are
 * checked against the bytes left before memory is allocated. No type here refers to itself, so the depth is limited.
 */
import * as Codec from "../Codec.ts"
import type { Reader, Writer } from "../Cursor.ts"
import { Guid } from "../Guid.ts"
import { Sid } from "../SecurityDescriptor.ts"

/**
 * Writes a stub: numbers the pointers' referents as Windows and Samba do, and aligns from its first byte.
 *
 * @since 0.1.0
 */
export class StubWriter {
  readonly writer: Writer
  private readonly origin: number
  private referents = 0

  constructor(writer: Writer) {
    this.writer = writer
    this.origin = writer.offset
  }

  align(alignment: number): void {
    this.writer.align(alignment, this.origin)
  }

  u32(value: number): void {
    this.align(4)
    this.writer.u32(value)
  }

  /** A unique pointer: 0, or the next referent. */
  pointer(present: boolean): void {
    this.u32(present ? 0x00020000 + 4 * this.referents++ : 0)
  }
}

const alignReader = (r: Reader, alignment: number): void => {
  const over = (r.offset - r.start) % alignment
  if (over !== 0) r.claim(alignment - over)
}

const readU32 = (r: Reader): number => {
  alignReader(r, 4)
  return r.u32()
}

/**
 * Both directions of an NDR type. The caller has aligned to `alignment`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Type<A> {
  /** The fewest bytes of the value itself, without the targets of its pointers. */
  readonly size: number
  readonly alignment: number
  readonly read: (r: Reader) => () => A
  readonly write: (w: StubWriter, value: A) => () => void
}

/**
 * The value that a type carries.
 *
 * @since 0.1.0
 */
export type Value<T> = T extends Type<infer A> ? A : never

const nothing = () => {}

const from = <A>(alignment: number, codec: Codec.Codec<A>): Type<A> => ({
  size: codec.minimumSize,
  alignment,
  read: (r) => {
    const value = codec.read(r)
    return () => value
  },
  write: (w, value) => {
    codec.write(w.writer, value)
    return nothing
  }
})

/** Both steps of an independent value: a parameter, or the target of a pointer. */
const readWhole = <A>(r: Reader, type: Type<A>): A => {
  alignReader(r, type.alignment)
  return type.read(r)()
}

const writeWhole = <A>(w: StubWriter, type: Type<A>, value: A): void => {
  w.align(type.alignment)
  type.write(w, value)()
}

// -----------------------------------------------------------------------------
// what stands in its place
// -----------------------------------------------------------------------------

/**
 * Integers and a GUID, each aligned to its size, a GUID to 4 bytes.
 *
 * @since 0.1.0
 */
export const u8: Type<number> = from(1, Codec.u8)
export const u16: Type<number> = from(2, Codec.u16)
export const u32: Type<number> = from(4, Codec.u32)
export const i32: Type<number> = from(4, Codec.i32)
export const guid: Type<Guid> = from(4, Guid)

/**
 * An IDL enum: 16 bits in this syntax (C706 14.2.5).
 *
 * @since 0.1.0
 */
export const enumeration: Type<number> = u16

/**
 * A context handle (C706 14.3.14.3): the server's name of an object that it keeps for a client.
 *
 * @since 0.1.0
 */
export interface ContextHandle {
  readonly attributes: number
  readonly uuid: Guid
}

/**
 * A context handle: attributes, which no peer uses, and a GUID.
 *
 * @since 0.1.0
 */
export const contextHandle: Type<ContextHandle> = from(4, Codec.struct({ attributes: Codec.u32, uuid: Guid }))

// -----------------------------------------------------------------------------
// what pointers refer to
// -----------------------------------------------------------------------------

/** The three numbers before a conformant and varying array of 16-bit units, and a window on the array. */
const readUnits = (r: Reader): Reader => {
  const maximum = readU32(r)
  const at = r.offset
  const offset = r.u32()
  const count = r.u32()
  if (offset !== 0 || count > maximum) r.fail(`a string of at most ${maximum} from its start`, at)
  if (count * 2 > r.remaining) r.fail(`room for ${count} characters, not ${r.remaining} bytes`, at + 4)
  const window = r.window(r.offset, count * 2)
  r.offset = window.end
  return window
}

/**
 * `[string] wchar_t`: conformant and varying UTF-16; the value is without its NUL.
 *
 * @since 0.1.0
 */
export const string: Type<string> = {
  size: 12,
  alignment: 4,
  read: (r) => {
    const value = Codec.utf16.read(readUnits(r))
    const text = value.endsWith("\0") ? value.slice(0, -1) : value
    return () => text
  },
  write: (w, value) => {
    const count = value.length + 1
    w.u32(count)
    w.u32(0)
    w.u32(count)
    Codec.utf16z.write(w.writer, value)
    return nothing
  }
}

/**
 * `[size_is] T[]`: a conformant array, its count before it.
 *
 * @since 0.1.0
 */
export const array = <A>(item: Type<A>): Type<ReadonlyArray<A>> => ({
  size: 4,
  alignment: 4,
  read: (r) => {
    const at = r.offset
    const count = readU32(r)
    if (count * Math.max(item.size, 1) > r.remaining) r.fail(`room for ${count} entries, not ${r.remaining} bytes`, at)
    const rest = Array.from({ length: count }, () => {
      alignReader(r, item.alignment)
      return item.read(r)
    })
    return () => rest.map((read) => read())
  },
  write: (w, values) => {
    w.u32(values.length)
    const rest = values.map((value) => {
      w.align(item.alignment)
      return item.write(w, value)
    })
    return () => rest.forEach((write) => write())
  }
})

/** `[size_is] byte[]`: a conformant array of bytes, as a view of the buffer that is read. */
const bytes: Type<Uint8Array> = {
  size: 4,
  alignment: 4,
  read: (r) => {
    const value = r.take(readU32(r))
    return () => value
  },
  write: (w, value) => {
    w.u32(value.length)
    w.writer.put(value)
    return nothing
  }
}

/**
 * RPC_SID (MS-DTYP 2.4.2.3): the count of its numbers stands before it a second time.
 *
 * @since 0.1.0
 */
export const sid: Type<string> = {
  size: 12,
  alignment: 4,
  read: (r) => {
    const at = r.offset
    const count = readU32(r)
    const value = Sid.read(r)
    if (r.offset - at !== 12 + 4 * count) r.fail(`a SID of ${count} numbers`, at)
    return () => value
  },
  write: (w, value) => {
    w.u32(Math.max(value.split("-").length - 3, 0))
    Sid.write(w.writer, value)
    return nothing
  }
}

/**
 * The same, `undefined` for zeros, which are no SID: smbd sends them for a name that it does not know.
 *
 * @since 0.2.0
 */
export const sidOrZeros: Type<string | undefined> = {
  ...sid,
  read: (r) => {
    const isZeros = r.remaining >= 12 && r.bytes.subarray(r.offset, r.offset + 12).every((byte) => byte === 0)
    if (!isZeros) return sid.read(r)
    r.claim(12)
    return () => undefined
  },
  write: (w, value) => {
    if (value !== undefined) return sid.write(w, value)
    w.writer.zeros(12)
    return nothing
  }
}

// -----------------------------------------------------------------------------
// compounds
// -----------------------------------------------------------------------------

/**
 * `[unique] T*`: `undefined` if it is null.
 *
 * @since 0.1.0
 */
export const pointer = <A>(type: Type<A>): Type<A | undefined> => ({
  size: 4,
  alignment: 4,
  read: (r) => {
    const referent = r.u32()
    return () => (referent === 0 ? undefined : readWhole(r, type))
  },
  write: (w, value) => {
    w.pointer(value !== undefined)
    return () => {
      if (value !== undefined) writeWhole(w, type, value)
    }
  }
})

/**
 * A pointer that must be null.
 *
 * @since 0.2.0
 */
export const nullPointer: Type<undefined> = {
  size: 4,
  alignment: 4,
  read: (r) => {
    const referent = r.u32()
    if (referent !== 0) r.fail("a null pointer", r.offset - 4)
    return () => undefined
  },
  write: (w) => {
    w.pointer(false)
    return nothing
  }
}

type Fields = Readonly<Record<string, Type<any>>>

/**
 * The value of a structure, or of a call's parameters.
 *
 * @since 0.1.0
 */
export type Struct<F extends Fields> = { readonly [K in keyof F]: Value<F[K]> }

/**
 * Fields one after the other; the targets of their pointers follow them all.
 *
 * @since 0.1.0
 */
export const struct = <F extends Fields>(fields: F): Type<Struct<F>> => {
  const all = Object.entries(fields)
  return {
    size: all.reduce((sum, [, type]) => sum + type.size, 0),
    alignment: Math.max(1, ...all.map(([, type]) => type.alignment)),
    read: (r) => {
      const rest = all.map(([name, type]) => {
        alignReader(r, type.alignment)
        return [name, type.read(r)] as const
      })
      return () => Object.fromEntries(rest.map(([name, read]) => [name, read()])) as Struct<F>
    },
    write: (w, value) => {
      const rest = all.map(([name, type]) => {
        w.align(type.alignment)
        return type.write(w, value[name])
      })
      return () => rest.forEach((write) => write())
    }
  }
}

/** A count, and a pointer to that many items. */
const sized = <A extends { readonly length: number }>(type: Type<A>, none: A): Type<A> => {
  const entries = pointer(type)
  return {
    size: 8,
    alignment: 4,
    read: (r) => {
      const at = r.offset
      const count = r.u32()
      const rest = entries.read(r)
      return () => {
        const values = rest() ?? none
        if (values.length !== count) r.fail(`${count} entries, not ${values.length}`, at)
        return values
      }
    },
    write: (w, values) => {
      w.u32(values.length)
      return entries.write(w, values.length === 0 ? undefined : values)
    }
  }
}

/**
 * A count and a pointer to that many items: the form of lists in most interfaces.
 *
 * @since 0.1.0
 */
export const counted = <A>(item: Type<A>): Type<ReadonlyArray<A>> => sized(array(item), [])

/**
 * The same of bytes, as a view of the buffer that is read.
 *
 * @since 0.1.0
 */
export const countedBytes: Type<Uint8Array> = sized(bytes, new Uint8Array(0))

/**
 * RPC_UNICODE_STRING (MS-DTYP 2.3.10): a length and a maximum in bytes, and a pointer to UTF-16 without a NUL, which is
 * null if the maximum is 0. The maximum is `room` bytes more than the length: some senders count a NUL that is not
 * sent.
 */
const unicode = (room: number): Type<string> => ({
  size: 8,
  alignment: 4,
  read: (r) => {
    const at = r.offset
    const length = r.u16()
    if (r.u16() < length || length % 2 !== 0) r.fail("an even Length of at most MaximumLength", at)
    const referent = r.u32()
    return () => {
      if (referent === 0) return length === 0 ? "" : r.fail(`${length} bytes of text, not a null pointer`, at)
      const units = readUnits(r)
      if (units.remaining !== length) r.fail(`${length} bytes of text, not ${units.remaining}`, at)
      return Codec.utf16.read(units)
    }
  },
  write: (w, value) => {
    const length = value.length * 2
    w.writer.u16(length)
    w.writer.u16(length + room)
    w.pointer(length + room > 0)
    return () => {
      if (length + room === 0) return
      w.u32((length + room) / 2)
      w.u32(0)
      w.u32(value.length)
      Codec.utf16.write(w.writer, value)
    }
  }
})

/**
 * An RPC_UNICODE_STRING (MS-DTYP 2.3.10).
 *
 * @since 0.1.0
 */
export const unicodeString: Type<string> = unicode(0)

/**
 * A name as Windows sends it: its maximum has room for a NUL.
 *
 * @since 0.1.0
 */
export const unicodeStringWithRoom: Type<string> = unicode(2)

type Arms = Readonly<Record<number, Type<any>>>

/**
 * The value of one of the arms, or nothing for an unknown level.
 *
 * @since 0.1.0
 */
export type Union<T extends Arms> =
  | { readonly [K in keyof T & number]: { readonly level: K; readonly value: Value<T[K]> } }[keyof T & number]
  | { readonly level: number; readonly value: undefined }

const none: Type<undefined> = {
  size: 0,
  alignment: 1,
  read: () => () => undefined,
  write: () => nothing
}

/**
 * A union after the number of its arm, with the largest alignment of all its arms. After an unknown level, nothing
 * follows; after one of `nullLevels`, whose arms are pointers to types that are not known here, a null pointer.
 *
 * @since 0.1.0
 */
export const union = <T extends Arms>(
  discriminant: Type<number>,
  arms: T,
  nullLevels: ReadonlySet<number> = new Set()
): Type<Union<T>> => {
  const armOf = (level: number): Type<any> =>
    Object.hasOwn(arms, level) ? arms[level]! : nullLevels.has(level) ? nullPointer : none
  const alignment = Math.max(discriminant.alignment, ...Object.values(arms).map((arm) => arm.alignment))
  return {
    size: discriminant.size,
    alignment,
    read: (r) => {
      const level = discriminant.read(r)()
      const arm = armOf(level)
      if (arm !== none) alignReader(r, alignment)
      const rest = arm.read(r)
      return () => ({ level, value: rest() }) as Union<T>
    },
    write: (w, { level, value }) => {
      discriminant.write(w, level)()
      const arm = armOf(level)
      if (arm !== none) w.align(alignment)
      return arm.write(w, value)
    }
  }
}

/**
 * A structure with a level and a union, which has the level a second time before its arm: the form of lists in MS-SRVS.
 *
 * @since 0.2.0
 */
export const leveled = <A extends { readonly level: number }>(arms: Type<A>): Type<A> => ({
  size: 8,
  alignment: 4,
  read: (r) => {
    const at = r.offset
    const level = r.u32()
    const rest = arms.read(r)
    return () => {
      const value = rest()
      return value.level === level ? value : r.fail(`level ${level}, not ${value.level}`, at)
    }
  },
  write: (w, value) => {
    w.u32(value.level)
    return arms.write(w, value)
  }
})

/**
 * The parameters of a call or of its response, as a stub: each is complete, with the targets of its pointers, before
 * the next.
 *
 * @category codecs
 * @since 0.1.0
 */
export const parameters = <F extends Fields>(fields: F): Codec.Codec<Struct<F>> => {
  const all = Object.entries(fields)
  return Codec.make(
    all.length === 0 ? 0 : all[0]![1].size,
    (r) => {
      // Its own window: alignment counts from the stub's first byte, at any place in a buffer.
      const window = r.window(r.offset, r.remaining)
      const value = Object.fromEntries(all.map(([name, type]) => [name, readWhole(window, type)])) as Struct<F>
      r.offset = window.end
      return value
    },
    (w, value) => {
      const stub = new StubWriter(w)
      for (const [name, type] of all) writeWhole(stub, type, value[name])
    }
  )
}
