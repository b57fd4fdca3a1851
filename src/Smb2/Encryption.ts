/**
 * Message encryption (MS-SMB2 2.2.41, 3.1.4.3): AES-128/256 in CCM or GCM mode under a transform header.
 *
 * Plain and cipher text are given and returned as chunks, so that a payload is not joined to its header first.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type DecipherGCM } from "node:crypto"
import * as Allocate from "../Codec/Allocate.ts"
import * as Header from "./Header.ts"
import { Cipher } from "./Message/Constants.ts"

/**
 * An identifier of SMB2_ENCRYPTION_CAPABILITIES.
 *
 * @since 0.1.0
 */
export type Algorithm = (typeof Cipher)[keyof typeof Cipher]

/**
 * Bytes of the transform header.
 *
 * @since 0.1.0
 */
export const headerSize = 52
/**
 * 0xFD 'S' 'M' 'B', little-endian.
 *
 * @since 0.1.0
 */
export const protocolId = 0x424d53fd

const tagLength = 16

/**
 * Bytes of the key that an algorithm takes.
 *
 * @since 0.1.0
 */
export const keyLength = (algorithm: Algorithm): 16 | 32 =>
  algorithm === Cipher.AES_256_CCM || algorithm === Cipher.AES_256_GCM ? 32 : 16

const names = { 1: "aes-128-ccm", 2: "aes-128-gcm", 3: "aes-256-ccm", 4: "aes-256-gcm" } as const

const isCcm = (algorithm: Algorithm): boolean => algorithm === Cipher.AES_128_CCM || algorithm === Cipher.AES_256_CCM

/**
 * Encrypts one packet; the result is the transform header followed by the cipher text, in memory that can be released
 * (`Allocate.release`) when it has been sent.
 *
 * @since 0.1.0
 */
export type Encrypt = (chunks: ReadonlyArray<Uint8Array>) => ReadonlyArray<Uint8Array>

/**
 * Says where the rest of a plain text goes, after a look at its first `peek` bytes: into memory of exactly that length,
 * or `undefined` for any memory. It can be the memory of the cipher text itself, from its `peek`th byte on.
 *
 * @since 0.1.0
 */
export type Place = (head: Uint8Array, length: number) => Uint8Array | undefined

/**
 * A decrypted packet. If its rest went into a `Place`, that is `data`, and `packet` has the bytes before it.
 *
 * @since 0.1.0
 */
export interface Decrypted {
  readonly packet: Uint8Array
  readonly data?: Uint8Array
}

/**
 * Decrypts one packet that begins with a transform header, or gives `undefined` if it was changed on the way: bytes
 * that are already in a `Place` are then worthless. The packet itself is only read.
 *
 * @since 0.1.0
 */
export type Decrypt = (
  packet: Uint8Array,
  placing?: { readonly peek: number; readonly place: Place }
) => Decrypted | undefined

/** Ciphers return their output in new memory. In pieces of this size, that memory is used again. */
const pieceSize = 131_072

/**
 * An encryptor for one direction of one session. Nonces count up from zero and never repeat under the key.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeEncrypt = (algorithm: Algorithm, key: Uint8Array, sessionId: bigint): Encrypt => {
  // A key object is imported once; bytes would be imported for every packet.
  const secret = createSecretKey(key)
  let counter = 0n
  const ccm = isCcm(algorithm)
  const nonceLength = ccm ? 11 : 12
  return (chunks) => {
    let length = 0
    for (const chunk of chunks) length += chunk.length
    const header = new Uint8Array(headerSize)
    const view = Header.view(header)
    view.setUint32(0, protocolId, true)
    view.setBigUint64(20, counter++, true)
    view.setUint32(36, length, true)
    view.setUint16(42, 1, true)
    view.setBigUint64(44, sessionId, true)
    const nonce = header.subarray(20, 20 + nonceLength)
    const aad = header.subarray(20)
    const out: Array<Uint8Array> = [header]
    if (ccm) {
      // CCM needs its text in one piece.
      const text = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
      const cipher = createCipheriv(names[algorithm] as "aes-128-ccm", secret, nonce, { authTagLength: tagLength })
      cipher.setAAD(aad, { plaintextLength: length })
      out.push(cipher.update(text))
      cipher.final()
      header.set(cipher.getAuthTag(), 4)
    } else {
      const cipher = createCipheriv(names[algorithm] as "aes-128-gcm", secret, nonce)
      cipher.setAAD(aad)
      for (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at += pieceSize) out.push(cipher.update(chunk.subarray(at, at + pieceSize)))
      }
      cipher.final()
      header.set(cipher.getAuthTag(), 4)
    }
    return out
  }
}

/**
 * A decryptor for one direction of one session.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeDecrypt = (algorithm: Algorithm, key: Uint8Array): Decrypt => {
  const secret = createSecretKey(key)
  const ccm = isCcm(algorithm)
  const nonceLength = ccm ? 11 : 12
  return (packet, placing) => {
    const nonce = packet.subarray(20, 20 + nonceLength)
    const aad = packet.subarray(20, headerSize)
    const tag = packet.subarray(4, 20)
    const text = packet.subarray(headerSize)
    try {
      if (ccm) {
        const decipher = createDecipheriv(names[algorithm] as "aes-128-ccm", secret, nonce, {
          authTagLength: tagLength
        })
        decipher.setAuthTag(tag)
        decipher.setAAD(aad, { plaintextLength: text.length })
        const plain = decipher.update(text)
        decipher.final()
        return { packet: Allocate.plain(plain) }
      }
      const decipher = createDecipheriv(names[algorithm] as "aes-128-gcm", secret, nonce, { authTagLength: tagLength })
      decipher.setAuthTag(tag)
      decipher.setAAD(aad)
      const result = inPieces(decipher, text, placing)
      decipher.final()
      return result
    } catch {
      // node:crypto throws if the tag does not match; there is no other cause.
      return undefined
    }
  }
}

const inPieces = (decipher: DecipherGCM, text: Uint8Array, placing: Parameters<Decrypt>[1]): Decrypted => {
  const first = decipher.update(text.subarray(0, pieceSize))
  if (text.length <= pieceSize) return { packet: Allocate.plain(first) }
  const peek = placing?.peek ?? 0
  const data = placing?.place(first, text.length)
  const target = data ?? Allocate.uninitialized(text.length)
  const offset = data === undefined ? 0 : peek
  target.set(first.subarray(offset))
  const packet = data === undefined ? target : Uint8Array.from(first.subarray(0, peek))
  Allocate.release(first)
  for (let at = pieceSize; at < text.length; at += pieceSize) {
    const piece = decipher.update(text.subarray(at, at + pieceSize))
    target.set(piece, at - offset)
    Allocate.release(piece)
  }
  return data === undefined ? { packet } : { packet, data }
}

/**
 * The fields of a transform header, read without trusting it; `undefined` if it is no transform header.
 *
 * @since 0.1.0
 */
export const readHeader = (
  packet: Uint8Array
): { readonly sessionId: bigint; readonly originalMessageSize: number; readonly flags: number } | undefined => {
  if (packet.length < headerSize + Header.size) return undefined
  const view = Header.view(packet)
  return {
    originalMessageSize: view.getUint32(36, true),
    flags: view.getUint16(42, true),
    sessionId: view.getBigUint64(44, true)
  }
}
