/**
 * Whether MD5 is available: NTLM and the signatures of SMB 1 need it, and Node in FIPS mode does not have it. This
 * project has its own MD4 and RC4, which OpenSSL no longer offers at all.
 */
import { createHmac } from "node:crypto"

/**
 * Checked each time: the mode can change while the program runs.
 *
 * @since 0.1.0
 */
export const available = (): boolean => {
  try {
    createHmac("md5", "")
    return true
  } catch {
    return false
  }
}
