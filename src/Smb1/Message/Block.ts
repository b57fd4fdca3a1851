/**
 * The parts of every SMB 1 message: a block of words and a block of bytes, texts in Unicode or in an OEM code page, and
 * AndX (MS-CIFS 2.2.3.2 to 2.2.3.4).
 *
 * A body begins behind the 32 bytes of the header, so an even offset in the body is even in the packet.
 */
import * as Codec from "../../Codec/Codec.ts"
import type { Reader } from "../../Codec/Cursor.ts"
import * as Oem from "../../Codec/Oem.ts"
import { Command } from "./Constants.ts"

/**
 * Offsets in a body count from the header, 32 bytes before it.
 *
 * @since 0.1.0
 */
export const fromHeader = -32

/**
 * The body of a message without words and bytes: most successes, and every error.
 *
 * @since 0.1.0
 */
export const Empty: Codec.Codec<void> = Codec.make(
  3,
  (r) => {
    const words = r.u8()
    r.claim(words * 2)
    r.claim(r.u16())
  },
  (w) => w.zeros(3)
)

/**
 * SMB_Parameters and SMB_Data: a count of words and the words, a count of bytes and the bytes. `wordCounts` are the
 * counts that the message can have; the first is written if the words do not determine the count.
 *
 * @since 0.1.0
 */
export const message = <W extends object, D extends object>(
  wordCounts: ReadonlyArray<number>,
  words: Codec.Codec<W>,
  bytes: Codec.Codec<D>
): Codec.Codec<W & D> =>
  Codec.make(
    3 + words.minimumSize + bytes.minimumSize,
    (r) => {
      const at = r.offset
      const count = r.u8()
      if (!wordCounts.includes(count)) r.fail(`a WordCount of ${wordCounts.join(" or ")}, not ${count}`, at)
      const from = r.claim(count * 2, "bytes of words")
      const value = words.read(r.window(from, count * 2))
      return { ...value, ...bytes.read(byteBlock(r)) }
    },
    (w, value) => {
      const at = w.offset
      w.u8(0)
      words.write(w, value)
      const count = (w.offset - at - 1) / 2
      w.patch(at, (patch) => patch.u8(count))
      const bytesAt = w.offset
      w.u16(0)
      bytes.write(w, value)
      const length = w.offset - bytesAt - 2
      w.patch(bytesAt, (patch) => patch.u16(length))
    }
  )

const byteBlock = (r: Reader): Reader => {
  const length = r.u16()
  const from = r.claim(length, "bytes of SMB_Data")
  return r.window(from, length)
}

/**
 * No bytes with a meaning.
 *
 * @since 0.1.0
 */
export const noBytes: Codec.Codec<object> = Codec.make(
  0,
  (r) => {
    r.rest()
    return {}
  },
  () => {}
)

/**
 * A text in Unicode up to its NUL, which the last text of a message can lack. It may begin at any byte.
 *
 * @since 0.2.0
 */
export const unalignedUnicode: Codec.Codec<string> = Codec.make(
  0,
  (r) => {
    const from = r.offset
    let at = from
    while (at + 2 <= r.end && r.view.getUint16(at, true) !== 0) at += 2
    const value = Codec.utf16.read(r.window(from, at - from))
    r.offset = Math.min(at + 2, r.end)
    return value
  },
  Codec.utf16z.write
)

/**
 * One text up to its NUL, which the last text of a message can lack. In Unicode it begins at an even byte of the
 * packet.
 *
 * @since 0.1.0
 */
export const text = (unicode: boolean): Codec.Codec<string> =>
  unicode
    ? Codec.make(
      0,
      (r) => {
        if (r.offset % 2 === 1 && r.remaining > 0) r.claim(1)
        return unalignedUnicode.read(r)
      },
      (w, value) => {
        w.align(2)
        unalignedUnicode.write(w, value)
      }
    )
    : oemText

/**
 * A text in the OEM code page up to its NUL, even if the rest of the message is in Unicode.
 *
 * @since 0.1.0
 */
export const oemText: Codec.Codec<string> = Codec.make(
  0,
  (r) => {
    const from = r.offset
    let at = from
    while (at < r.end && r.bytes[at] !== 0) at++
    r.offset = Math.min(at + 1, r.end)
    return Oem.decode(r.bytes.subarray(from, at))
  },
  (w, value) => {
    w.put(Oem.encode(value))
    w.u8(0)
  }
)

/**
 * The same codec for both kinds of text; `unicode` chooses.
 *
 * @since 0.1.0
 */
export const either = <A>(make: (unicode: boolean) => Codec.Codec<A>): (unicode: boolean) => Codec.Codec<A> => {
  const unicode = make(true)
  const oem = make(false)
  return (wanted) => (wanted ? unicode : oem)
}

/**
 * The link to the next command of a chain (MS-CIFS 2.2.3.4); filled in by `AndX.chain`.
 *
 * @since 0.1.0
 */
export const andX: Codec.Silent = Codec.reserved(Codec.u32, Command.SMB_COM_NO_ANDX_COMMAND)
