/**
 * SESSION_SETUP_ANDX and LOGOFF_ANDX (MS-CIFS 2.2.4.53, 2.2.4.54, MS-SMB 2.2.4.6).
 */
import * as Codec from "../../Codec/Codec.ts"
import { andX, either, message, noBytes, text } from "./Block.ts"

const common = {
  andX,
  /** The largest packet that the client accepts, in bytes. */
  maxBufferSize: Codec.u16,
  maxMpxCount: Codec.u16,
  vcNumber: Codec.u16,
  sessionKey: Codec.u32
}

/**
 * The request with extended security (MS-SMB 2.2.4.6.1): a token of SPNEGO.
 *
 * @category models
 * @since 0.1.0
 */
export const ExtendedRequest = either((unicode) =>
  Codec.map(
    blobMessage(
      [12],
      Codec.struct({
        ...common,
        securityBlobLength: Codec.u16,
        reserved: Codec.reserved(Codec.u32),
        /** CAP_* of the client. */
        capabilities: Codec.u32
      }),
      unicode
    ),
    ({ securityBlobLength: _, ...value }) => value,
    (value) => ({ ...value, securityBlobLength: value.securityBlob.length })
  )
)

/**
 * The response with extended security (MS-SMB 2.2.4.6.2), also with STATUS_MORE_PROCESSING_REQUIRED.
 *
 * @category models
 * @since 0.1.0
 */
export const ExtendedResponse = either((unicode) =>
  Codec.map(
    blobMessage(
      [4],
      Codec.struct({
        andX,
        /** SMB_SETUP_GUEST. */
        action: Codec.u16,
        securityBlobLength: Codec.u16
      }),
      unicode
    ),
    ({ securityBlobLength: _, ...value }) => value,
    (value) => ({ ...value, securityBlobLength: value.securityBlob.length })
  )
)

interface Systems {
  readonly securityBlob: Uint8Array
  readonly nativeOs: string
  readonly nativeLanMan: string
}

/** A message whose bytes begin with a token; its words give the token's length. */
function blobMessage<W extends { readonly securityBlobLength: number }>(
  wordCounts: ReadonlyArray<number>,
  words: Codec.Codec<W>,
  unicode: boolean
): Codec.Codec<W & Systems> {
  const name = text(unicode)
  return Codec.make<W & Systems>(
    3 + words.minimumSize,
    (r) => {
      const at = r.offset
      const count = r.u8()
      if (!wordCounts.includes(count)) r.fail(`a WordCount of ${wordCounts.join(" or ")}, not ${count}`, at)
      const value = words.read(r.window(r.claim(count * 2), count * 2))
      const length = r.u16()
      const bytes = r.window(r.claim(length, "bytes of SMB_Data"), length)
      const securityBlob = bytes.take(value.securityBlobLength)
      return { ...value, securityBlob, nativeOs: name.read(bytes), nativeLanMan: name.read(bytes) }
    },
    (w, value) => {
      w.u8(wordCounts[0]!)
      words.write(w, value)
      const at = w.offset
      w.u16(0)
      w.put(value.securityBlob)
      name.write(w, value.nativeOs)
      name.write(w, value.nativeLanMan)
      const length = w.offset - at - 2
      w.patch(at, (patch) => patch.u16(length))
    }
  )
}

const PlainWords = Codec.struct({
  ...common,
  oemPasswordLength: Codec.u16,
  unicodePasswordLength: Codec.u16,
  reserved: Codec.reserved(Codec.u32),
  capabilities: Codec.u32
})

/**
 * The request without extended security.
 *
 * @since 0.1.0
 */
export interface PlainRequest
  extends Omit<Codec.Type<typeof PlainWords>, "oemPasswordLength" | "unicodePasswordLength">
{
  /** An LM or LMv2 response. */
  readonly oemPassword: Uint8Array
  /** An NTLMv2 response. */
  readonly unicodePassword: Uint8Array
  readonly accountName: string
  readonly primaryDomain: string
  readonly nativeOs: string
  readonly nativeLanMan: string
}

/**
 * The request without extended security (MS-CIFS 2.2.4.53.1): responses to the challenge of NEGOTIATE.
 *
 * @category models
 * @since 0.1.0
 */
export const PlainRequest = either((unicode) => {
  const name = text(unicode)
  return Codec.make<PlainRequest>(
    3 + 26,
    (r) => {
      const at = r.offset
      const count = r.u8()
      if (count !== 13) r.fail(`a WordCount of 13, not ${count}`, at)
      const { oemPasswordLength, unicodePasswordLength, ...value } = PlainWords.read(r.window(r.claim(26), 26))
      const length = r.u16()
      const bytes = r.window(r.claim(length, "bytes of SMB_Data"), length)
      return {
        ...value,
        oemPassword: bytes.take(oemPasswordLength),
        unicodePassword: bytes.take(unicodePasswordLength),
        accountName: name.read(bytes),
        primaryDomain: name.read(bytes),
        nativeOs: name.read(bytes),
        nativeLanMan: name.read(bytes)
      }
    },
    (w, value) => {
      w.u8(13)
      PlainWords.write(w, {
        ...value,
        oemPasswordLength: value.oemPassword.length,
        unicodePasswordLength: value.unicodePassword.length
      })
      const at = w.offset
      w.u16(0)
      w.put(value.oemPassword)
      w.put(value.unicodePassword)
      for (const said of [value.accountName, value.primaryDomain, value.nativeOs, value.nativeLanMan]) {
        name.write(w, said)
      }
      const length = w.offset - at - 2
      w.patch(at, (patch) => patch.u16(length))
    }
  )
})

/**
 * The response without extended security (MS-CIFS 2.2.4.53.2).
 *
 * @category models
 * @since 0.1.0
 */
export const PlainResponse = either((unicode) =>
  message(
    [3],
    Codec.struct({ andX, action: Codec.u16 }),
    Codec.struct({ nativeOs: text(unicode), nativeLanMan: text(unicode), primaryDomain: text(unicode) })
  )
)

/**
 * LOGOFF_ANDX, both ways (MS-CIFS 2.2.4.54).
 *
 * @category models
 * @since 0.1.0
 */
export const Logoff = message([2], Codec.struct({ andX }), noBytes)
