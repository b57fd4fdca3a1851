/**
 * The key derivation of SMB 3 (MS-SMB2 3.1.4.2): SP800-108 in counter mode with HMAC-SHA256, a 32-bit counter and a
 * 32-bit length. One turn of the counter gives 32 bytes, enough for every dialect.
 */
import { createHmac } from "node:crypto"

/**
 * Derives a key of 16 or 32 bytes. `label` and `context` are used unchanged: the NUL that ends the document's strings
 * is part of them. The caller owns the result.
 *
 * @category key derivation
 * @since 0.1.0
 */
export const derive = (
  key: Uint8Array,
  label: Uint8Array,
  context: Uint8Array,
  bits: 128 | 256
): Uint8Array<ArrayBuffer> => {
  const mac = createHmac("sha256", key)
    .update(Uint8Array.of(0, 0, 0, 1))
    .update(label)
    .update(Uint8Array.of(0))
    .update(context)
    .update(Uint8Array.of(0, 0, bits >>> 8, bits & 0xff))
    .digest()
  return Uint8Array.from(mac.subarray(0, bits / 8))
}
