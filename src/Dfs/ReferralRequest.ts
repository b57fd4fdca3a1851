/**
 * REQ_GET_DFS_REFERRAL (MS-DFSC 2.2.2) and REQ_GET_DFS_REFERRAL_EX (2.2.3): a client's requests, both ways.
 *
 * The names are kept as in the message: with one leading backslash, or empty in a domain referral. `DfsResolution`
 * decides which server to ask for which name, and the transport sends the request. Decoding copies; encoding gives a
 * buffer that the caller owns.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Codec from "../Codec/Codec.ts"
import { Reader, Writer } from "../Codec/Cursor.ts"
import type { Malformed } from "../Codec/Malformed.ts"
import { Unencodable } from "../Protocol/DfsError.ts"
import { fromBytes, readCounted, Text, UInt16 } from "./internal/Text.ts"

/**
 * RequestFlags of REQ_GET_DFS_REFERRAL_EX (MS-DFSC 2.2.3).
 *
 * @since 0.1.0
 */
export const RequestFlags = { SiteName: 0x0001 } as const

/**
 * REQ_GET_DFS_REFERRAL (MS-DFSC 2.2.2).
 *
 * @category models
 * @since 0.1.0
 */
export const ReferralRequest = Schema.Struct({
  /** The highest referral version that the client understands: 1 to 4. */
  maxReferralLevel: UInt16,
  requestFileName: Text
})
export type ReferralRequest = typeof ReferralRequest.Type

/**
 * REQ_GET_DFS_REFERRAL_EX (MS-DFSC 2.2.3). `siteName` is the client's Active Directory site.
 *
 * @category models
 * @since 0.1.0
 */
export const ReferralRequestEx = Schema.Struct({
  maxReferralLevel: UInt16,
  requestFileName: Text,
  siteName: Schema.optionalKey(Text)
})
export type ReferralRequestEx = typeof ReferralRequestEx.Type

/** Some clients leave out the NUL at the end of the message. */
const lastName: Codec.Codec<string> = Codec.make(
  0,
  (reader) => {
    const text = Codec.utf16.read(reader.window(reader.offset, reader.remaining & ~1))
    reader.rest()
    const nul = text.indexOf("\0")
    return nul < 0 ? text : text.slice(0, nul)
  },
  Codec.utf16z.write
)

const Request = Codec.struct({ maxReferralLevel: Codec.u16, requestFileName: lastName })

const unencodable = (structure: string, reason: string) => Result.fail(new Unencodable({ structure, reason }))

const level = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 0xffff

/**
 * Decodes REQ_GET_DFS_REFERRAL. Accepts bytes after the name's NUL, and a name that ends with the message.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeReferralRequest: (bytes: Uint8Array) => Result.Result<ReferralRequest, Malformed> = Codec.decode(
  "REQ_GET_DFS_REFERRAL",
  Request
)

/**
 * Encodes REQ_GET_DFS_REFERRAL.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeReferralRequest = (
  value: ReferralRequest
): Result.Result<Uint8Array<ArrayBuffer>, Unencodable> => {
  if (!level(value.maxReferralLevel)) return unencodable("REQ_GET_DFS_REFERRAL", "MaxReferralLevel has 16 bits")
  if (value.requestFileName.includes("\0")) return unencodable("REQ_GET_DFS_REFERRAL", "RequestFileName contains a NUL")
  return Result.succeed(Codec.encode(Request)(value))
}

const counted = (reader: Reader, what: string): string => {
  const length = reader.u16()
  const window = reader.window(reader.offset, length, `${what} inside the request data`)
  const text = readCounted(window, what)
  reader.offset = window.end
  return text
}

/**
 * Decodes REQ_GET_DFS_REFERRAL_EX. All lengths are in bytes. A length may count a NUL at the end of its text, as Windows
 * does, or the text alone. Accepts bytes after the request data (Windows appends one), and flags that have no meaning.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeReferralRequestEx = (bytes: Uint8Array): Result.Result<ReferralRequestEx, Malformed> =>
  Codec.attempt("REQ_GET_DFS_REFERRAL_EX", () => {
    const message = new Reader(bytes)
    const maxReferralLevel = message.u16()
    const requestFlags = message.u16()
    const requestDataLength = message.u32()
    const data = message.window(message.offset, requestDataLength, "RequestData inside the message")
    const requestFileName = counted(data, "RequestFileName")
    if ((requestFlags & RequestFlags.SiteName) === 0) return { maxReferralLevel, requestFileName }
    return { maxReferralLevel, requestFileName, siteName: counted(data, "SiteName") }
  })

/**
 * Encodes REQ_GET_DFS_REFERRAL_EX; `siteName` sets the SiteName flag.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeReferralRequestEx = (
  value: ReferralRequestEx
): Result.Result<Uint8Array<ArrayBuffer>, Unencodable> => {
  const structure = "REQ_GET_DFS_REFERRAL_EX"
  if (!level(value.maxReferralLevel)) return unencodable(structure, "MaxReferralLevel has 16 bits")
  const texts = value.siteName === undefined ? [value.requestFileName] : [value.requestFileName, value.siteName]
  for (const text of texts) {
    if (text.includes("\0")) return unencodable(structure, "a name contains a NUL")
    if (text.length * 2 + 2 > 0xffff) return unencodable(structure, "a name is longer than its length field can say")
  }
  const writer = new Writer()
  writer.u16(value.maxReferralLevel)
  writer.u16(value.siteName === undefined ? 0 : RequestFlags.SiteName)
  writer.u32(texts.reduce((length, text) => length + 2 + text.length * 2 + 2, 0))
  for (const text of texts) {
    writer.u16(text.length * 2 + 2)
    Codec.utf16z.write(writer, text)
  }
  return Result.succeed(writer.finish())
}

/**
 * REQ_GET_DFS_REFERRAL between bytes and value, for composition with other Schemas.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ReferralRequestFromBytes = fromBytes(ReferralRequest, decodeReferralRequest, encodeReferralRequest)

/**
 * REQ_GET_DFS_REFERRAL_EX between bytes and value, for composition with other Schemas.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ReferralRequestExFromBytes = fromBytes(ReferralRequestEx, decodeReferralRequestEx, encodeReferralRequestEx)
