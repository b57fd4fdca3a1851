/**
 * NEGOTIATE (MS-CIFS 2.2.4.52, MS-SMB 2.2.4.5): dialects, limits, capabilities, and either a challenge or the first
 * token of SPNEGO.
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileTime } from "../../Codec/FileTime.ts"
import { message, oemText, text, unalignedUnicode } from "./Block.ts"
import { Capabilities } from "./Constants.ts"

/**
 * The dialect of this whole folder.
 *
 * @since 0.1.0
 */
export const ntLm012 = "NT LM 0.12"

const Dialect = Codec.struct({ bufferFormat: Codec.constant(Codec.u8, 2), dialectString: oemText })

/**
 * The request: dialects in order of preference, the least first.
 *
 * @category models
 * @since 0.1.0
 */
export const Request = message(
  [0],
  Codec.struct({}),
  Codec.struct({
    dialects: Codec.map(
      Codec.many(Dialect),
      (list) => list.map(({ dialectString }) => dialectString),
      (list: ReadonlyArray<string>) => list.map((dialectString) => ({ dialectString }))
    )
  })
)
export type Request = Codec.Type<typeof Request>

/**
 * The content of the bytes, with and without extended security.
 *
 * @since 0.1.0
 */
export type Security =
  | { readonly _tag: "Extended"; readonly serverGuid: Uint8Array; readonly securityBlob: Uint8Array }
  | {
    readonly _tag: "Challenge"
    readonly challenge: Uint8Array
    readonly domainName: string
    readonly serverName: string
  }

const Words = Codec.struct({
  dialectIndex: Codec.u16,
  /** NEGOTIATE_* (SecurityMode). */
  securityMode: Codec.u8,
  /** The most requests in flight. */
  maxMpxCount: Codec.u16,
  maxNumberVcs: Codec.u16,
  /** The largest packet that the server accepts, in bytes. */
  maxBufferSize: Codec.u32,
  maxRawSize: Codec.u32,
  sessionKey: Codec.u32,
  /** CAP_*. */
  capabilities: Codec.u32,
  systemTime: FileTime,
  /** Minutes from UTC, signed. */
  serverTimeZone: Codec.u16,
  challengeLength: Codec.u8
})

const extended = Codec.struct({ serverGuid: Codec.fixedBytes(16), securityBlob: Codec.bytes })

/**
 * The response of "NT LM 0.12".
 *
 * @since 0.1.0
 */
export interface Response extends Omit<Codec.Type<typeof Words>, "challengeLength"> {
  readonly security: Security
}

/**
 * The response of "NT LM 0.12". A server that accepts none of the dialects responds with one word: see `Refused`.
 *
 * @category models
 * @since 0.1.0
 */
export const Response: Codec.Codec<Response> = Codec.make<Response>(
  3 + 34,
  (r) => {
    const at = r.offset
    const words = r.u8()
    if (words !== 17) r.fail(`a WordCount of 17, not ${words}`, at)
    const { challengeLength, ...value } = Words.read(r.window(r.claim(34), 34))
    const length = r.u16()
    const bytes = r.window(r.claim(length, "bytes of SMB_Data"), length)
    if ((value.capabilities & Capabilities.CAP_EXTENDED_SECURITY) !== 0) {
      return { ...value, security: { _tag: "Extended", ...extended.read(bytes) } }
    }
    const challenge = bytes.take(challengeLength)
    // Unicode is not aligned here: the names follow the challenge at once.
    const unaligned = names((value.capabilities & Capabilities.CAP_UNICODE) !== 0)
    return {
      ...value,
      security: { _tag: "Challenge", challenge, domainName: unaligned.read(bytes), serverName: unaligned.read(bytes) }
    }
  },
  (w, { security, ...value }) => {
    w.u8(17)
    Words.write(w, { ...value, challengeLength: security._tag === "Challenge" ? security.challenge.length : 0 })
    const at = w.offset
    w.u16(0)
    if (security._tag === "Extended") extended.write(w, security)
    else {
      const unaligned = names((value.capabilities & Capabilities.CAP_UNICODE) !== 0)
      w.put(security.challenge)
      unaligned.write(w, security.domainName)
      unaligned.write(w, security.serverName)
    }
    const length = w.offset - at - 2
    w.patch(at, (patch) => patch.u16(length))
  }
)

const names = (unicode: boolean): Codec.Codec<string> => (unicode ? unalignedUnicode : text(false))

/**
 * The response of a server that accepts none of the dialects: index 0xFFFF.
 *
 * @category models
 * @since 0.1.0
 */
export const Refused = message([1], Codec.struct({ dialectIndex: Codec.u16 }), Codec.struct({}))
