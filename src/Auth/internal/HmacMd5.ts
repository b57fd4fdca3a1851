/**
 * HMAC_MD5 (MS-NLMP 6), the hash of NTLMv2 and of its signatures.
 */
import { createHmac } from "node:crypto"

/** HMAC_MD5 over the parts in their order: 16 bytes. */
export const hmacMd5 = (key: Uint8Array, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const mac = createHmac("md5", key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}
