/**
 * The MD4 message digest (RFC 1320). NTLM makes its password hash with it, and OpenSSL 3 no longer offers it.
 *
 * It is broken as a hash, and is here for that one use only.
 */

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by))

// Per round: the order of the sixteen words, the four shifts, and the added constant.
const rounds = [
  { order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], shifts: [3, 7, 11, 19], add: 0 },
  { order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15], shifts: [3, 5, 9, 13], add: 0x5a827999 },
  { order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], shifts: [3, 9, 11, 15], add: 0x6ed9eba1 }
] as const

const mix = (round: number, x: number, y: number, z: number): number =>
  round === 0 ? (x & y) | (~x & z) : round === 1 ? (x & y) | (x & z) | (y & z) : x ^ y ^ z

/**
 * The digest of a message: 16 bytes.
 *
 * @category digests
 * @since 0.1.0
 */
export const digest = (message: Uint8Array): Uint8Array<ArrayBuffer> => {
  const padded = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64)
  padded.set(message)
  padded[message.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n, true)

  let a = 0x67452301
  let b = 0xefcdab89 | 0
  let c = 0x98badcfe | 0
  let d = 0x10325476
  for (let block = 0; block < padded.length; block += 64) {
    const before = [a, b, c, d] as const
    for (let round = 0; round < 3; round++) {
      const { add, order, shifts } = rounds[round]!
      for (let step = 0; step < 16; step++) {
        const word = view.getInt32(block + order[step]! * 4, true)
        const next = rotate((a + mix(round, b, c, d) + word + add) | 0, shifts[step % 4]!)
        a = d
        d = c
        c = b
        b = next
      }
    }
    a = (a + before[0]) | 0
    b = (b + before[1]) | 0
    c = (c + before[2]) | 0
    d = (d + before[3]) | 0
  }

  const out = new Uint8Array(16)
  const words = new DataView(out.buffer)
  words.setInt32(0, a, true)
  words.setInt32(4, b, true)
  words.setInt32(8, c, true)
  words.setInt32(12, d, true)
  return out
}
