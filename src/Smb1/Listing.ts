/**
 * The entries of FIND_FIRST2 and FIND_NEXT2 as classes of MS-FSCC (MS-CIFS 2.2.8.1). Finds the last name, after which
 * the next request continues, and converts names of a server without Unicode to UTF-16.
 */
import type * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import { Reader, Writer } from "../Codec/Cursor.ts"
import type { Malformed } from "../Codec/Malformed.ts"
import * as Oem from "../Codec/Oem.ts"

/** The offsets in an entry of its name's length and of its name: bytes from its start. */
const layouts: { readonly [fileInformationClass: number]: readonly [lengthAt: number, nameAt: number] } = {
  1: [60, 64],
  2: [60, 68],
  3: [60, 94],
  12: [8, 12],
  37: [60, 104],
  38: [60, 80]
}

/**
 * A page of entries.
 *
 * @since 0.1.0
 */
export interface Page {
  /** A list of the class, its names in UTF-16. */
  readonly bytes: Uint8Array
  readonly lastName: string
}

/**
 * Reads the given number of entries of one response, each in the window that ends where the next begins.
 *
 * @since 0.1.0
 */
export const read = (
  fileInformationClass: number,
  data: Uint8Array,
  count: number,
  unicode: boolean
): Result.Result<Page, Malformed> =>
  Codec.attempt("SMB1 FIND2 Response", () => {
    const [lengthAt, nameAt] = layouts[fileInformationClass]!
    const reader = new Reader(data)
    const writer = new Writer(unicode ? 0 : data.length * 2)
    let lastName = ""
    let start = 0
    for (let i = 0; i < count; i++) {
      const entry = reader.window(start, data.length - start, "an entry")
      const next = entry.u32()
      entry.offset = start
      if (next !== 0 && next < nameAt) entry.fail(`a NextEntryOffset behind the entry, not ${next}`)
      const window = next === 0 ? entry : reader.window(start, next, "an entry before the next")
      window.offset = start + lengthAt
      const length = window.u32()
      window.offset = start + nameAt
      const name = window.take(length)
      if (unicode) lastName = Codec.utf16.read(new Reader(name))
      else {
        lastName = Oem.decode(name.at(-1) === 0 ? name.subarray(0, -1) : name)
        const from = writer.offset
        writer.put(data.subarray(start, start + nameAt))
        writer.patch(from + lengthAt, (patch) => patch.u32(lastName.length * 2))
        Codec.utf16.write(writer, lastName)
        const last = next === 0 || i === count - 1
        if (!last) writer.align(8, from)
        const size = writer.offset - from
        writer.patch(from, (patch) => patch.u32(last ? 0 : size))
      }
      if (next === 0) break
      start += next
    }
    return { bytes: unicode ? data : writer.finish(), lastName }
  })
