/**
 * AES-128-CMAC (RFC 4493), which signs SMB 3 messages and which node:crypto does not have: the last block of AES-128-CBC
 * over the message, whose final block is masked with a subkey first.
 *
 * A message comes as chunks of any size, so that a header and a payload need not be joined. The chunks are only read.
 */
import { createCipheriv } from "node:crypto"

/**
 * Signs a message given in chunks: 16 bytes.
 *
 * @category models
 */
export type AesCmac = (chunks: ReadonlyArray<Uint8Array>) => Uint8Array

const zeros = new Uint8Array(16)

// CBC gives out as many bytes as go in, all of which are thrown away: pieces of this size stay in the processor's cache.
const piece = 32_768

const double = (block: Uint8Array): Uint8Array => {
  const out = new Uint8Array(16)
  for (let i = 0; i < 16; i++) out[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >>> 7)
  if ((block[0]! & 0x80) !== 0) out[15]! ^= 0x87
  return out
}

/**
 * Prepares a key of 16 bytes: the subkeys are computed once.
 *
 * @category constructors
 */
export const make = (key: Uint8Array): AesCmac => {
  const secret = Uint8Array.from(key)
  const start = () => createCipheriv("aes-128-cbc", secret, zeros).setAutoPadding(false)
  const k1 = double(start().update(zeros))
  const k2 = double(k1)

  return (chunks) => {
    let total = 0
    for (const chunk of chunks) total += chunk.length
    const lastLength = total === 0 ? 0 : total % 16 === 0 ? 16 : total % 16
    let before = total - lastLength
    let filled = 0
    const last = new Uint8Array(16)
    const cipher = start()
    for (const chunk of chunks) {
      const body = Math.min(before, chunk.length)
      for (let at = 0; at < body; at += piece) cipher.update(chunk.subarray(at, Math.min(at + piece, body)))
      before -= body
      for (let at = body; at < chunk.length; at++) last[filled++] = chunk[at]!
    }
    if (lastLength < 16) last[lastLength] = 0x80
    const mask = lastLength === 16 ? k1 : k2
    for (let i = 0; i < 16; i++) last[i]! ^= mask[i]!
    return cipher.update(last)
  }
}
