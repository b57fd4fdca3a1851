/**
 * The RC4 stream cipher (RFC 6229 has its vectors). NTLM encrypts its session key with it, and OpenSSL 3 no longer
 * offers it. It is broken as a cipher, and is here for that one use only.
 */

/**
 * A keystream in progress: each call goes on where the last one ended. Encrypting and decrypting are the same. The
 * result is a new buffer.
 *
 * @category models
 * @since 0.1.0
 */
export type Rc4 = (bytes: Uint8Array) => Uint8Array<ArrayBuffer>

/**
 * Starts a keystream. `key` has 1 to 256 bytes, and is not kept.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (key: Uint8Array): Rc4 => {
  const state = new Uint8Array(256)
  for (let i = 0; i < 256; i++) state[i] = i
  for (let i = 0, j = 0; i < 256; i++) {
    const si = state[i]!
    j = (j + si + key[i % key.length]!) & 0xff
    state[i] = state[j]!
    state[j] = si
  }
  let i = 0
  let j = 0
  return (bytes) => {
    const out = new Uint8Array(bytes.length)
    for (let n = 0; n < bytes.length; n++) {
      i = (i + 1) & 0xff
      const si = state[i]!
      j = (j + si) & 0xff
      const sj = state[j]!
      state[i] = sj
      state[j] = si
      out[n] = bytes[n]! ^ state[(si + sj) & 0xff]!
    }
    return out
  }
}
