/**
 * The part of DER (X.690) that GSS-API tokens need: definite lengths, one-byte tags, object identifiers.
 *
 * Reading uses the bounded cursor: every value is a window inside its parent's window. The calling code limits the
 * depth of nesting.
 */
import { Reader } from "../Codec/Cursor.ts"

/**
 * Tags in use. Context tags are constructed: `context(0)` is 0xA0.
 *
 * @since 0.1.0
 */
export const Tag = {
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  enumerated: 0x0a,
  generalString: 0x1b,
  sequence: 0x30,
  /** [APPLICATION 0], the frame of a GSS-API token (RFC 2743 3.1). */
  application: 0x60
} as const

/**
 * The tag of an explicitly tagged field.
 *
 * @since 0.1.0
 */
export const context = (n: number): number => 0xa0 + n

/**
 * The next tag, which stays in place; `undefined` at the end of the window.
 *
 * @since 0.1.0
 */
export const peek = (r: Reader): number | undefined => r.remaining === 0 ? undefined : r.view.getUint8(r.offset)

/**
 * The window of the next value, which must have the tag.
 *
 * @since 0.1.0
 */
export const open = (r: Reader, tag: number, name: string): Reader => {
  const at = r.offset
  const found = r.u8()
  if (found !== tag) r.fail(`${name} with tag 0x${tag.toString(16)}, not 0x${found.toString(16)}`, at)
  let length = r.u8()
  if (length >= 0x80) {
    const count = length & 0x7f
    if (count === 0 || count > 4) r.fail(`a length of ${name} in at most four bytes`, at + 1)
    length = 0
    for (let i = 0; i < count; i++) length = length * 256 + r.u8()
  }
  const from = r.claim(length, `bytes of ${name}`)
  return new Reader(r.bytes, from, from + length, r.view)
}

/**
 * The window of the value inside `[n]`, if that comes next.
 *
 * @since 0.1.0
 */
export const optional = (r: Reader, n: number, tag: number, name: string): Reader | undefined =>
  peek(r) === context(n) ? open(open(r, context(n), name), tag, name) : undefined

/**
 * Skips one value with any tag.
 *
 * @since 0.1.0
 */
export const skip = (r: Reader, name: string): void => {
  open(r, peek(r) ?? 0, name)
}

// 2.25 identifiers are 128-bit numbers, so arcs are bigint. No known mechanism has a longer identifier than this, in
// bytes.
const longestIdentifier = 64

/**
 * An object identifier with dots, from the window of its value.
 *
 * @since 0.1.0
 */
export const readIdentifier = (r: Reader): string => {
  if (r.remaining === 0 || r.remaining > longestIdentifier) {
    r.fail(`an object identifier of 1 to ${longestIdentifier} bytes`)
  }
  const arcs: Array<bigint> = []
  while (r.remaining > 0) {
    let arc = 0n
    let byte = r.u8()
    if (byte === 0x80) r.fail("the shortest form of an object identifier", r.offset - 1)
    for (;;) {
      arc = (arc << 7n) | BigInt(byte & 0x7f)
      if (byte < 0x80) break
      byte = r.u8()
    }
    if (arcs.length === 0) {
      const first = arc < 80n ? arc / 40n : 2n
      arcs.push(first, arc - first * 40n)
    } else {
      arcs.push(arc)
    }
  }
  return arcs.join(".")
}

// -----------------------------------------------------------------------------
// writing
// -----------------------------------------------------------------------------

/**
 * A value with its tag and its length.
 *
 * @since 0.1.0
 */
export const value = (tag: number, ...contents: ReadonlyArray<Uint8Array>): Uint8Array => {
  const length = contents.reduce((sum, part) => sum + part.length, 0)
  const size: Array<number> = []
  if (length < 0x80) size.push(length)
  else {
    for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) size.unshift(rest % 256)
    size.unshift(0x80 | size.length)
  }
  return Buffer.concat([Uint8Array.of(tag, ...size), ...contents])
}

/**
 * An object identifier from its text with dots. Every identifier has two arcs or more.
 *
 * @since 0.1.0
 */
export const identifier = (text: string): Uint8Array => {
  const [first, second, ...rest] = text.split(".").map(BigInt) as [bigint, bigint, ...Array<bigint>]
  const bytes: Array<number> = []
  for (const arc of [first * 40n + second, ...rest]) {
    const groups = [Number(arc & 0x7fn)]
    for (let left = arc >> 7n; left > 0n; left >>= 7n) groups.unshift(Number(left & 0x7fn) | 0x80)
    bytes.push(...groups)
  }
  return value(Tag.objectIdentifier, Uint8Array.from(bytes))
}
