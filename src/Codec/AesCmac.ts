/**
 * AES-128-CMAC (RFC 4493), which signs SMB 3 messages and which node:crypto does not have. It is the last block of
 * AES-128-CBC over the message, whose final block is masked with a subkey first.
 *
 * A message comes as chunks of any size, so that a header and a payload need not be joined. The chunks are only read.
 */
import { createCipheriv } from "node:crypto"
import * as Allocate from "./Allocate.ts"

/**
 * Signs a message given in chunks: 16 bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type AesCmac = (chunks: ReadonlyArray<Uint8Array>) => Uint8Array

// CBC returns as many bytes as it takes, and all are dropped: pieces of this size stay in the processor's cache.
const piece = 65_536

const double = (block: Uint8Array): Uint8Array => {
  const out = new Uint8Array(16)
  for (let i = 0; i < 16; i++) out[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >>> 7)
  if ((block[0]! & 0x80) !== 0) out[15]! ^= 0x87
  return out
}

/**
 * Prepares a key of 16 bytes: the subkeys are computed once.
 *
 * A cipher object costs more than a small message, so all messages share one. CBC would mix the last message's final
 * block into the next message's first block; mixing it in again beforehand cancels that.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (key: Uint8Array): AesCmac => {
  const cipher = createCipheriv("aes-128-cbc", key, new Uint8Array(16)).setAutoPadding(false)
  const chain = Uint8Array.from(cipher.update(new Uint8Array(16)))
  const k1 = double(chain)
  const k2 = double(k1)

  return (chunks) => {
    let total = 0
    for (const chunk of chunks) total += chunk.length
    const lastLength = total === 0 ? 0 : total % 16 === 0 ? 16 : total % 16
    const bodyLength = total - lastLength
    const first = Uint8Array.from(chain)
    const last = new Uint8Array(16)
    let position = 0
    for (const chunk of chunks) {
      let at = 0
      if (bodyLength > 0 && position < 16) {
        while (position + at < 16 && at < chunk.length) first[position + at]! ^= chunk[at++]!
        if (position + at === 16) cipher.update(first)
      }
      const end = Math.min(bodyLength - position, chunk.length)
      for (; at < end; at = Math.min(at + piece, end)) {
        Allocate.release(cipher.update(chunk.subarray(at, Math.min(at + piece, end))))
      }
      for (; at < chunk.length; at++) last[position + at - bodyLength] = chunk[at]!
      position += chunk.length
    }
    if (lastLength < 16) last[lastLength] = 0x80
    const mask = lastLength === 16 ? k1 : k2
    for (let i = 0; i < 16; i++) last[i]! ^= bodyLength > 0 ? mask[i]! : mask[i]! ^ chain[i]!
    const mac = cipher.update(last)
    chain.set(mac)
    return mac
  }
}
