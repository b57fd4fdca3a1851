/**
 * Message signatures (MS-CIFS 3.1.4.1): the first 8 bytes of the MD5 over the key and the message. While it is
 * computed, the signature field holds a sequence number.
 *
 * A message is given as chunks and never joined. The protocol uses MD5, which does not stop a determined attacker.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import * as Header from "./Header.ts"
import { Flags2 } from "./Message/Constants.ts"

/**
 * Computes the 8 bytes of a message whose header is in the first chunk. Writes to the signature field.
 *
 * @since 0.1.0
 */
export type Sign = (chunks: ReadonlyArray<Uint8Array>, sequenceNumber: number) => Uint8Array

/**
 * The signing function of a session key; if the logon had no extended security, the challenge response follows the key.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (macKey: Uint8Array): Sign => {
  const key = Uint8Array.from(macKey)
  return (chunks, sequenceNumber) => {
    const view = Header.view(chunks[0]!)
    view.setUint32(Header.signatureOffset, sequenceNumber, true)
    view.setUint32(Header.signatureOffset + 4, 0, true)
    const hash = createHash("md5").update(key)
    for (const chunk of chunks) hash.update(chunk)
    return hash.digest().subarray(0, 8)
  }
}

/**
 * Puts the signature into the header at the start of the first chunk, and marks the message as signed.
 *
 * @since 0.1.0
 */
export const apply = (sign: Sign, chunks: ReadonlyArray<Uint8Array>, sequenceNumber: number): void => {
  const head = chunks[0]!
  head[10]! |= Flags2.SMB_FLAGS2_SMB_SECURITY_SIGNATURE
  head.set(sign(chunks, sequenceNumber), Header.signatureOffset)
}

/**
 * Whether the signature of a received message is right. Overwrites the signature field of the first chunk.
 *
 * @since 0.1.0
 */
export const verify = (sign: Sign, chunks: ReadonlyArray<Uint8Array>, sequenceNumber: number): boolean => {
  const head = chunks[0]!
  const claimed = Uint8Array.from(head.subarray(Header.signatureOffset, Header.signatureOffset + 8))
  return timingSafeEqual(claimed, sign(chunks, sequenceNumber))
}
