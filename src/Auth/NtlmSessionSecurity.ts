/**
 * Session security of NTLM (MS-NLMP 3.4) with extended session security: the keys that sign and seal, and the signature
 * of a direction's first message.
 *
 * Pure. Keys go in and out as plain bytes; a caller that keeps a key must wrap it in `Redacted`.
 */
import { createHash } from "node:crypto"
import * as Rc4 from "../Codec/Rc4.ts"
import { hmacMd5 } from "./internal/HmacMd5.ts"
import * as NtlmMessage from "./NtlmMessage.ts"

/**
 * The sender: each direction has its own keys.
 *
 * @since 0.1.0
 */
export type Sender = "client" | "server"

const magic = (sender: Sender, what: "signing" | "sealing"): Uint8Array =>
  Buffer.from(
    sender === "client"
      ? `session key to client-to-server ${what} key magic constant\0`
      : `session key to server-to-client ${what} key magic constant\0`,
    "latin1"
  )

const md5 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const hash = createHash("md5")
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/**
 * SIGNKEY with extended session security (MS-NLMP 3.4.5.2).
 *
 * @since 0.1.0
 */
export const signKey = (exportedSessionKey: Uint8Array, sender: Sender): Uint8Array =>
  md5(exportedSessionKey, magic(sender, "signing"))

/**
 * SEALKEY with extended session security (MS-NLMP 3.4.5.3): the flags say how much of the session key counts.
 *
 * @since 0.1.0
 */
export const sealKey = (flags: number, exportedSessionKey: Uint8Array, sender: Sender): Uint8Array =>
  md5(
    NtlmMessage.has(flags, "NTLMSSP_NEGOTIATE_128")
      ? exportedSessionKey
      : exportedSessionKey.subarray(0, NtlmMessage.has(flags, "NTLMSSP_NEGOTIATE_56") ? 7 : 5),
    magic(sender, "sealing")
  )

/**
 * The NTLMSSP_MESSAGE_SIGNATURE of a direction's first message (MS-NLMP 3.4.4.2, sequence number 0): 16 bytes. SPNEGO
 * needs no other, and SMB signs with its own keys.
 *
 * @since 0.1.0
 */
export const firstSignature = (
  flags: number,
  exportedSessionKey: Uint8Array,
  sender: Sender,
  message: Uint8Array
): Uint8Array => {
  const sequence = new Uint8Array(4)
  const checksum = hmacMd5(signKey(exportedSessionKey, sender), sequence, message).subarray(0, 8)
  const sealed = NtlmMessage.has(flags, "NTLMSSP_NEGOTIATE_KEY_EXCH")
    ? Rc4.make(sealKey(flags, exportedSessionKey, sender))(checksum)
    : checksum
  return Buffer.concat([Uint8Array.of(1, 0, 0, 0), sealed, sequence])
}
