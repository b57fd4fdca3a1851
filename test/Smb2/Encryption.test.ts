/**
 * Encrypted packets (MS-SMB2 2.2.41, 3.1.4.3, 3.1.5.2) by every cipher, against the AEAD of node:crypto over the whole
 * text at once: any length, any chunks, and texts that are placed in other memory while they are decrypted.
 */
import { assert, describe, it } from "@effect/vitest"
import { createCipheriv } from "node:crypto"
import * as Encryption from "../../src/Smb2/Encryption.ts"
import { Cipher } from "../../src/Smb2/Message/Constants.ts"
import { random } from "../random.ts"

const sessionId = 0x1122334455667788n

/** The name in OpenSSL, the identifier, and the lengths of key and nonce in bytes. */
type Row = readonly [string, Encryption.Algorithm, number, number]

const ciphers: ReadonlyArray<Row> = [
  ["aes-128-ccm", Cipher.AES_128_CCM, 16, 11],
  ["aes-128-gcm", Cipher.AES_128_GCM, 16, 12],
  ["aes-256-ccm", Cipher.AES_256_CCM, 32, 11],
  ["aes-256-gcm", Cipher.AES_256_GCM, 32, 12]
]

const next = random(41)
const pool = Uint8Array.from({ length: 450_000 }, () => next(256))
/** Other bytes for each seed up to 49,999. */
const bytesOf = (seed: number, length: number): Uint8Array => pool.slice(seed % 50_000).subarray(0, length)

/** 2.2.41: ProtocolId, Signature, Nonce, OriginalMessageSize, Reserved, Flags, SessionId, and the cipher text. */
const reference = (
  [name, , , nonceLength]: Row,
  key: Uint8Array,
  count: number,
  text: Uint8Array
): Buffer => {
  const header = Buffer.alloc(52)
  header.write("\xfdSMB", 0, "latin1")
  header.writeBigUInt64LE(BigInt(count), 20)
  header.writeUInt32LE(text.length, 36)
  header.writeUInt16LE(1, 42)
  header.writeBigUInt64LE(sessionId, 44)
  const cipher = createCipheriv(name as "aes-128-ccm", key, header.subarray(20, 20 + nonceLength), {
    authTagLength: 16
  })
  cipher.setAAD(header.subarray(20), { plaintextLength: text.length })
  const encrypted = Buffer.concat([cipher.update(text), cipher.final()])
  cipher.getAuthTag().copy(header, 4)
  return Buffer.concat([header, encrypted])
}

const lengths = [64, 65, 100, 131_071, 131_072, 131_073, 262_143, 262_144, 262_145, 300_001]
const equal = (actual: Uint8Array, expected: Uint8Array, what: string) =>
  assert.strictEqual(Buffer.compare(actual, expected), 0, what)

describe.each(ciphers)("an encrypted packet by %s", (...row) => {
  const [, algorithm, keyLength] = row
  const key = bytesOf(algorithm, keyLength)

  it("has a key of the cipher's length", () => {
    assert.strictEqual(Encryption.keyLength(algorithm), keyLength)
  })

  it("is the document's, with nonces that count from zero, however the text is cut into chunks", () => {
    const encrypt = Encryption.makeEncrypt(algorithm, key, sessionId)
    let count = 0
    for (const length of lengths) {
      const text = bytesOf(length, length)
      for (const cuts of [[], [64], [0, 80, 131_000]]) {
        const chunks = [0, ...cuts].map((from, i) => text.subarray(from, cuts[i] ?? length))
        equal(Buffer.concat(encrypt(chunks)), reference(row, key, count++, text), `${length} bytes cut at ${cuts}`)
      }
    }
  })

  it("is decrypted to its text, and only read", () => {
    const decrypt = Encryption.makeDecrypt(algorithm, key)
    for (const length of lengths) {
      const text = bytesOf(length, length)
      const packet = reference(row, key, 7, text)
      const copy = Buffer.from(packet)
      const result = decrypt(packet)
      assert.hasAllKeys(result, ["packet"])
      equal(result!.packet, text, `${length} bytes`)
      equal(packet, copy, `the packet of ${length} bytes`)
    }
  })

  it("is refused with one changed bit in each part of the header and the text", () => {
    const decrypt = Encryption.makeDecrypt(algorithm, key)
    for (const length of [64, 300_000]) {
      const packet = reference(row, key, 7, bytesOf(length, length))
      assert.isDefined(decrypt(packet))
      // Not the ProtocolId: it tells that the packet is encrypted, and is not a part of the authenticated data.
      for (const at of [4, 19, 20, 30, 36, 40, 42, 44, 51, 52, packet.length - 1]) {
        const changed = Buffer.from(packet)
        changed[at]! ^= 0x80
        assert.isUndefined(decrypt(changed), `byte ${at}`)
      }
    }
  })
})

it.each(ciphers.filter(([name]) => name.endsWith("gcm")))(
  "the cipher text by %s comes in pieces of at most 128 KiB, whose memory is soon used again",
  (_name, algorithm, keyLength) => {
    const encrypt = Encryption.makeEncrypt(algorithm, bytesOf(algorithm, keyLength), sessionId)
    const pieces = encrypt([bytesOf(1, 80), bytesOf(2, 300_000)])
    assert.isAtMost(Math.max(...pieces.map(({ length }) => length)), 131_072)
  }
)

// CCM decrypts its text in one piece, and asks for no place.
describe.each(ciphers.filter(([name]) => name.endsWith("gcm")))("the place of a text by %s", (...row) => {
  const [, algorithm, keyLength] = row
  const key = bytesOf(algorithm, keyLength)
  const decrypt = Encryption.makeDecrypt(algorithm, key)

  it.each(lengths)("gets all bytes after those that were looked at: %i bytes", (length) => {
    const text = bytesOf(length, length)
    for (const peek of [0, 1, 80]) {
      const packet = reference(row, key, 3, text)
      const asked: Array<number> = []
      const result = decrypt(packet, {
        peek,
        place: (head, whole) => {
          asked.push(whole)
          equal(head.subarray(0, peek), text.subarray(0, peek), "the head")
          return new Uint8Array(whole - peek)
        }
      })!
      if (length <= 131_072) {
        // A small text is decrypted at once.
        assert.deepStrictEqual(asked, [])
        equal(result.packet, text, "a small text")
        continue
      }
      assert.deepStrictEqual(asked, [length])
      equal(result.packet, text.subarray(0, peek), "the bytes before the place")
      equal(result.data!, text.subarray(peek), "the bytes in the place")
    }
  })

  it("can be the memory of the cipher text, or any memory", () => {
    const text = bytesOf(1, 300_000)
    const packet = new Uint8Array(reference(row, key, 3, text))
    const any = decrypt(packet, { peek: 80, place: () => undefined })!
    assert.hasAllKeys(any, ["packet"])
    equal(any.packet, text, "in any memory")
    const own = decrypt(packet, { peek: 80, place: () => packet.subarray(Encryption.headerSize + 80) })!
    equal(own.packet, text.subarray(0, 80), "the bytes before the place")
    equal(own.data!, text.subarray(80), "the bytes in the place")
    assert.strictEqual(own.data!.buffer, packet.buffer)
  })

  it("holds nothing to be believed when the packet was changed in its last piece", () => {
    const packet = reference(row, key, 3, bytesOf(1, 300_000))
    packet[packet.length - 1]! ^= 1
    const place = new Uint8Array(300_000)
    assert.isUndefined(decrypt(packet, { peek: 0, place: () => place }))
  })
})
