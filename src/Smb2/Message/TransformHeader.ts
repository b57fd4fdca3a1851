/**
 * The headers of encrypted (MS-SMB2 2.2.41) and compressed (2.2.42) packets.
 *
 * Structure alone: neither keys nor algorithms are here. The sizes that a peer states are only read, and no memory is
 * allocated by them.
 */
import * as Codec from "../../Codec/Codec.ts"
import { bytes16, peekU16 } from "./Common.ts"
import { CompressionAlgorithm } from "./Constants.ts"

/**
 * SMB2 TRANSFORM_HEADER. `nonce` has 11 bytes (CCM) or 12 (GCM), then zeros. `flags` is 1: "encrypted" in SMB 3.1.1,
 * and AES-128-CCM as EncryptionAlgorithm in SMB 3.0.
 *
 * @category models
 * @since 0.1.0
 */
export const TransformHeader = Codec.struct({
  /** 0xFD, 'S', 'M', 'B'. */
  protocolId: Codec.constant(Codec.u32, 0x424d_53fd),
  signature: bytes16,
  nonce: bytes16,
  /** Bytes. */
  originalMessageSize: Codec.u32,
  reserved: Codec.reserved(Codec.u16),
  flags: Codec.u16,
  sessionId: Codec.u64
})
export type TransformHeader = Codec.Type<typeof TransformHeader>

// -----------------------------------------------------------------------------
// compression
// -----------------------------------------------------------------------------

/**
 * Flags of the compression headers (2.2.42.1, 2.2.42.2.1).
 *
 * @since 0.1.0
 */
export const CompressionFlags = { SMB2_COMPRESSION_FLAG_NONE: 0x0000, SMB2_COMPRESSION_FLAG_CHAINED: 0x0001 } as const

/**
 * One payload of a chain (2.2.42.2.1): a repeated byte (2.2.42.2.2), plain bytes, or compressed bytes with their stated
 * original size.
 *
 * @category models
 * @since 0.1.0
 */
export type CompressionPayload =
  | { readonly _tag: "PatternV1"; readonly pattern: number; readonly repetitions: number }
  | { readonly _tag: "None"; readonly data: Uint8Array }
  | {
    readonly _tag: "Compressed"
    readonly compressionAlgorithm: number
    readonly originalPayloadSize: number
    readonly data: Uint8Array
  }

const PatternV1 = Codec.struct({
  pattern: Codec.u8,
  reserved1: Codec.reserved(Codec.u8),
  reserved2: Codec.reserved(Codec.u16),
  repetitions: Codec.u32
})

const Compressed = Codec.struct({ originalPayloadSize: Codec.u32, data: Codec.bytes })

/** SMB2_COMPRESSION_CHAINED_PAYLOAD_HEADER with its payload; the flag marks the first of a chain. */
const payloads: Codec.Codec<ReadonlyArray<CompressionPayload>> = Codec.make<ReadonlyArray<CompressionPayload>>(
  8,
  (r) => {
    const values: Array<CompressionPayload> = []
    while (r.remaining > 0) {
      const compressionAlgorithm = r.u16()
      r.u16()
      const length = r.u32()
      const window = r.window(r.offset, length, "a compressed payload inside its message")
      r.offset = window.end
      switch (compressionAlgorithm) {
        case CompressionAlgorithm.NONE:
          values.push({ _tag: "None", data: window.rest() })
          break
        case CompressionAlgorithm.PATTERN_V1:
          values.push({ _tag: "PatternV1", ...PatternV1.read(window) })
          break
        default:
          values.push({ _tag: "Compressed", compressionAlgorithm, ...Compressed.read(window) })
      }
    }
    return values
  },
  (w, values) =>
    values.forEach((value, i) => {
      w.u16(
        value._tag === "Compressed"
          ? value.compressionAlgorithm
          : value._tag === "None"
          ? CompressionAlgorithm.NONE
          : CompressionAlgorithm.PATTERN_V1
      )
      w.u16(i === 0 ? CompressionFlags.SMB2_COMPRESSION_FLAG_CHAINED : CompressionFlags.SMB2_COMPRESSION_FLAG_NONE)
      const lengthAt = w.offset
      w.u32(0)
      const start = w.offset
      if (value._tag === "None") w.put(value.data)
      else if (value._tag === "PatternV1") PatternV1.write(w, value)
      else Compressed.write(w, value)
      const length = w.offset - start
      w.patch(lengthAt, (at) => at.u32(length))
    })
)

const Unchained = Codec.struct({
  /** 0xFC, 'S', 'M', 'B'. */
  protocolId: Codec.constant(Codec.u32, 0x424d_53fc),
  originalCompressedSegmentSize: Codec.u32,
  compressionAlgorithm: Codec.u16,
  flags: Codec.constant(Codec.u16, CompressionFlags.SMB2_COMPRESSION_FLAG_NONE),
  offset: Codec.lengthOf("uncompressed"),
  uncompressed: Codec.buffer(Codec.bytes),
  compressed: Codec.buffer(Codec.bytes)
})

const Chained = Codec.struct({
  protocolId: Codec.constant(Codec.u32, 0x424d_53fc),
  originalCompressedSegmentSize: Codec.u32,
  payloads
})

/**
 * SMB2 COMPRESSION_TRANSFORM_HEADER with the rest of its packet. Unchained (2.2.42.1): `uncompressed` stands unchanged
 * before the decompressed bytes of `compressed`. Chained (2.2.42.2): the payloads are decompressed one after the other.
 * `originalCompressedSegmentSize` is the peer's statement in bytes: check it against a limit before you allocate.
 *
 * @category models
 * @since 0.1.0
 */
export type CompressionTransform =
  | { readonly _tag: "Unchained" } & Codec.Type<typeof Unchained>
  | { readonly _tag: "Chained" } & Codec.Type<typeof Chained>

export const CompressionTransform: Codec.Codec<CompressionTransform> = Codec.make<CompressionTransform>(
  16,
  (r) =>
    (peekU16(r, 10) & CompressionFlags.SMB2_COMPRESSION_FLAG_CHAINED) !== 0
      ? { _tag: "Chained", ...Chained.read(r) }
      : { _tag: "Unchained", ...Unchained.read(r) },
  (w, value) => value._tag === "Chained" ? Chained.write(w, value) : Unchained.write(w, value)
)
