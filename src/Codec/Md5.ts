/**
 * Whether there is MD5: NTLM and the signatures of SMB 1 rest on it, and a Node in FIPS mode has none. MD4 and RC4, which
 * OpenSSL has put away altogether, are this project's own.
 */
import { createHmac } from "node:crypto"

/** Asked each time: the mode can be changed while the program runs. */
export const available = (): boolean => {
  try {
    createHmac("md5", "")
    return true
  } catch {
    return false
  }
}
