/**
 * Message signatures (MS-SMB2 3.1.4.1, 3.1.5.1): HMAC-SHA256 for 2.x, AES-CMAC for 3.x, AES-GMAC if negotiated.
 *
 * A message is given as chunks and never joined: a payload is signed in place. The signature field in the header must
 * be zero while a signature is computed.
 */
import { createCipheriv, createHmac, createSecretKey, timingSafeEqual } from "node:crypto"
import * as AesCmac from "../Codec/AesCmac.ts"
import * as Header from "./Header.ts"
import { HeaderFlags, SigningAlgorithm } from "./Message/Constants.ts"

/**
 * An identifier of SMB2_SIGNING_CAPABILITIES.
 *
 * @since 0.1.0
 */
export type Algorithm = (typeof SigningAlgorithm)[keyof typeof SigningAlgorithm]

/**
 * The sender of a message: it is part of GMAC's nonce.
 *
 * @since 0.1.0
 */
export type Role = "client" | "server"

/**
 * Signs with one session's key.
 *
 * `chunks` begin with the header, whose signature field is zero; `messageId` and `cancel` are the header's.
 *
 * @since 0.1.0
 */
export type Sign = (chunks: ReadonlyArray<Uint8Array>, role: Role, messageId: number, cancel: boolean) => Uint8Array

/**
 * The signing function of a key of 16 bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (algorithm: Algorithm, key: Uint8Array): Sign => {
  switch (algorithm) {
    case SigningAlgorithm.HMAC_SHA256: {
      const secret = createSecretKey(key)
      return (chunks) => {
        const hmac = createHmac("sha256", secret)
        for (const chunk of chunks) hmac.update(chunk)
        return hmac.digest().subarray(0, 16)
      }
    }
    case SigningAlgorithm.AES_CMAC: {
      const cmac = AesCmac.make(key)
      return (chunks) => cmac(chunks)
    }
    case SigningAlgorithm.AES_GMAC: {
      const secret = createSecretKey(key)
      const nonce = new Uint8Array(12)
      const view = Header.view(nonce)
      return (chunks, role, messageId, cancel) => {
        view.setUint32(0, messageId >>> 0, true)
        view.setUint32(4, messageId === Header.unsolicited ? 0xffffffff : Math.floor(messageId / 0x100000000), true)
        view.setUint32(8, (role === "server" ? 1 : 0) | (cancel ? 2 : 0), true)
        const cipher = createCipheriv("aes-128-gcm", secret, nonce)
        for (const chunk of chunks) cipher.setAAD(chunk)
        cipher.final()
        return cipher.getAuthTag()
      }
    }
  }
}

/**
 * Puts the signature into the header at the start of the first chunk, and marks the message as signed.
 *
 * @since 0.1.0
 */
export const apply = (
  sign: Sign,
  chunks: ReadonlyArray<Uint8Array>,
  role: Role,
  messageId: number,
  cancel: boolean
): void => {
  const head = chunks[0]!
  head[16]! |= HeaderFlags.SMB2_FLAGS_SIGNED
  head.fill(0, Header.signatureOffset, Header.signatureOffset + 16)
  head.set(sign(chunks, role, messageId, cancel), Header.signatureOffset)
}

/**
 * Whether the signature of a received message is right. Leaves the message unchanged.
 *
 * @since 0.1.0
 */
export const verify = (
  sign: Sign,
  chunks: ReadonlyArray<Uint8Array>,
  role: Role,
  messageId: number,
  cancel = false
): boolean => {
  const head = chunks[0]!
  const claimed = Uint8Array.from(head.subarray(Header.signatureOffset, Header.signatureOffset + 16))
  head.fill(0, Header.signatureOffset, Header.signatureOffset + 16)
  const expected = sign(chunks, role, messageId, cancel)
  // The hash of a logon needs the message exactly as it came.
  head.set(claimed, Header.signatureOffset)
  return timingSafeEqual(claimed, expected)
}
