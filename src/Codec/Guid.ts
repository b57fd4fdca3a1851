/**
 * GUIDs (MS-DTYP 2.3.4): 16 bytes on the wire, text in a program.
 *
 * The first three groups of the text are little-endian numbers on the wire, the last two are bytes in order. A `Guid`
 * is canonical text (lower case, no braces), so that two are equal exactly when their strings are.
 */
import * as Result from "effect/Result"
import * as Codec from "./Codec.ts"
import { Malformed } from "./Malformed.ts"

/**
 * `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` in lower case.
 *
 * @category models
 * @since 0.1.0
 */
export type Guid = string

/**
 * All zeros.
 *
 * @since 0.1.0
 */
export const nil: Guid = "00000000-0000-0000-0000-000000000000"

const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

// The positions on the wire of the text's bytes, read from left to right. The order is its own inverse.
const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]

const shuffled = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(order, (at) => bytes[at]!)

/**
 * The text of 16 bytes in wire order. Throws `RangeError` for another number of bytes.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromBytes = (bytes: Uint8Array): Guid => {
  if (bytes.length !== 16) throw new RangeError(`a GUID has 16 bytes, not ${bytes.length}`)
  const text = Buffer.from(shuffled(bytes)).toString("hex")
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`
}

/**
 * The 16 bytes in wire order, in a new array. Throws `RangeError` for text that `fromString` would refuse.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toBytes = (guid: Guid): Uint8Array<ArrayBuffer> => {
  const text = guid.toLowerCase()
  if (!pattern.test(text)) throw new RangeError("not the text of a GUID")
  return shuffled(Buffer.from(text.replaceAll("-", ""), "hex"))
}

/**
 * A `Guid` from text that a person wrote: in either case, with or without braces.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromString = (text: string): Result.Result<Guid, Malformed> => {
  const guid = text.replace(/^\{(.*)\}$/, "$1").toLowerCase()
  return pattern.test(guid)
    ? Result.succeed(guid)
    : Result.fail(new Malformed({ structure: "GUID", offset: 0, expected: "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" }))
}

/**
 * @category codecs
 * @since 0.1.0
 */
export const Guid: Codec.Codec<Guid> = Codec.map(Codec.fixedBytes(16), fromBytes, toBytes)
