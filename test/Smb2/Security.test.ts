/**
 * Keys, signatures and encryption of SMB 2 and 3 (MS-SMB2 3.1.4, 3.1.5) against packets of Windows with published keys, and
 * refusals of packets with any changed bit.
 */
import { assert, describe, it } from "@effect/vitest"
import { createCipheriv } from "node:crypto"
import * as Encryption from "../../src/Smb2/Encryption.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Cipher, SigningAlgorithm } from "../../src/Smb2/Message/Constants.ts"
import { extendPreauthHash } from "../../src/Smb2/Negotiate.ts"
import { deriveKeys } from "../../src/Smb2/Session.ts"
import * as Signing from "../../src/Smb2/Signing.ts"
import * as windows from "./fixtures/windows.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

describe("the keys of a session", () => {
  it("come from Windows' preauthentication hash over every packet of the logon", () => {
    let hash: Uint8Array = new Uint8Array(64)
    for (const [packet, after] of windows.logon) {
      hash = extendPreauthHash(hash, hex(packet))
      assert.strictEqual(toHex(hash), after)
    }
  })

  it.each(windows.keys)("are Windows' keys in dialect $dialect", (known) => {
    const keys = deriveKeys(known.dialect, hex(known.preauthHash), hex(known.sessionKey), Cipher.AES_128_CCM)
    assert.strictEqual(toHex(keys.signing!), known.signing)
    assert("clientToServer" in keys)
    assert.strictEqual(toHex(keys.clientToServer!), known.clientToServer)
    assert.strictEqual(toHex(keys.serverToClient!), known.serverToClient)
  })
})

describe("a signature", () => {
  const key = hex(windows.keys[0].signing)
  const sign = Signing.make(SigningAlgorithm.AES_CMAC, key)

  it("by AES-CMAC of a Windows packet is right, also in two pieces", () => {
    assert.isTrue(Signing.verify(sign, [hex(windows.lastResponse)], "server", 3))
    for (let cut = 64; cut < 93; cut++) {
      const packet = hex(windows.lastResponse)
      assert.isTrue(Signing.verify(sign, [packet.subarray(0, cut), packet.subarray(cut)], "server", 3))
    }
  })

  it("by AES-CMAC is wrong with any bit of the packet flipped", () => {
    const length = hex(windows.lastResponse).length
    for (let bit = 0; bit < length * 8; bit++) {
      const packet = hex(windows.lastResponse)
      packet[bit >> 3]! ^= 1 << (bit & 7)
      assert.isFalse(Signing.verify(sign, [packet], "server", 3), `bit ${bit}`)
    }
  })

  it("by GMAC has a nonce of MessageId, sender and CANCEL (MS-SMB2 3.1.4.1)", () => {
    const gmac = Signing.make(SigningAlgorithm.AES_GMAC, key)
    const message = hex(windows.lastResponse)
    message.fill(0, 48, 64)
    const expected = (nonce: string) => {
      const cipher = createCipheriv("aes-128-gcm", key, hex(nonce))
      cipher.setAAD(message)
      cipher.final()
      return toHex(cipher.getAuthTag())
    }
    assert.strictEqual(toHex(gmac([message], "client", 3, false)), expected("030000000000000000000000"))
    assert.strictEqual(toHex(gmac([message], "server", 3, false)), expected("030000000000000001000000"))
    assert.strictEqual(toHex(gmac([message], "client", 3, true)), expected("030000000000000002000000"))
    assert.strictEqual(toHex(gmac([message], "client", 2 ** 33 + 5, false)), expected("050000000200000000000000"))
    assert.strictEqual(toHex(gmac([message], "server", -1, false)), expected("ffffffffffffffff01000000"))
    const pieces = [message.subarray(0, 64), message.subarray(64, 70), message.subarray(70)]
    assert.strictEqual(toHex(gmac(pieces, "client", 3, false)), expected("030000000000000000000000"))
  })

  // Test Case 1 of the GCM specification by McGrew and Viega: empty text and empty additional data.
  it("does not depend on what was in its place before", () => {
    const sign: Signing.Sign = (chunks) => Buffer.concat(chunks).subarray(Header.signatureOffset).slice(0, 16)
    const packet = new Uint8Array(80)
    packet.fill(0xff, Header.signatureOffset, Header.signatureOffset + 16)
    Signing.apply(sign, [packet], "client", 1, false)
    // The signature is that of a message with zeros in its place (MS-SMB2 3.1.4.1).
    assert.deepStrictEqual(packet.subarray(Header.signatureOffset, Header.signatureOffset + 16), new Uint8Array(16))
  })

  it("by GMAC of nothing is that of the GCM specification", () => {
    const gmac = Signing.make(SigningAlgorithm.AES_GMAC, new Uint8Array(16))
    assert.strictEqual(toHex(gmac([], "client", 0, false)), "58e2fccefa7e3061367f1d57a4e7455a")
  })
})

describe.each(
  [
    ["AES-128-GCM", Cipher.AES_128_GCM, windows.gcm],
    ["AES-128-CCM", Cipher.AES_128_CCM, windows.ccm]
  ] as const
)("encryption by %s", (_name, cipher, known) => {
  const keys = deriveKeys(known.dialect, hex(known.preauthHash), hex(known.sessionKey), cipher)
  assert("clientToServer" in keys)

  it("decrypts Windows' request and response", () => {
    const asServer = Encryption.makeDecrypt(cipher, keys.clientToServer!)
    assert.strictEqual(toHex(asServer(hex(known.encryptedRequest))!.packet), known.request)
    const asClient = Encryption.makeDecrypt(cipher, keys.serverToClient!)
    assert.strictEqual(toHex(asClient(hex(known.encryptedResponse))!.packet), known.response)
    assert.deepStrictEqual(Encryption.readHeader(hex(known.encryptedResponse)), {
      originalMessageSize: known.response.length / 2,
      flags: 1,
      sessionId: known.sessionId
    })
  })

  it("refuses a packet with any bit flipped, and any truncated packet", () => {
    const decrypt = Encryption.makeDecrypt(cipher, keys.serverToClient!)
    const length = hex(known.encryptedResponse).length
    for (let bit = 32; bit < length * 8; bit++) {
      const packet = hex(known.encryptedResponse)
      packet[bit >> 3]! ^= 1 << (bit & 7)
      assert.isUndefined(decrypt(packet), `bit ${bit}`)
    }
    for (let short = 0; short < length; short++) {
      assert.isUndefined(decrypt(hex(known.encryptedResponse).subarray(0, short)), `${short} bytes`)
    }
  })

  it("encrypts packets that it decrypts again, each with another nonce", () => {
    const encrypt = Encryption.makeEncrypt(cipher, keys.clientToServer!, known.sessionId)
    const decrypt = Encryption.makeDecrypt(cipher, keys.clientToServer!)
    const request = hex(known.request)
    const nonces = new Set<string>()
    for (const cut of [0, 4, 64, 100, request.length]) {
      const chunks = [request.subarray(0, cut), request.subarray(cut)]
      const packet = new Uint8Array(Buffer.concat(encrypt(chunks)))
      nonces.add(toHex(packet.subarray(20, 32)))
      assert.strictEqual(toHex(decrypt(packet)!.packet), known.request)
      assert.strictEqual(toHex(packet.subarray(36, 52)), hexHeader(request.length, known.sessionId))
    }
    assert.strictEqual(nonces.size, 5)
  })
})

/** The end of the transform header: OriginalMessageSize, Reserved, Flags, SessionId. */
const hexHeader = (size: number, sessionId: bigint) => {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt32LE(size, 0)
  bytes.writeUInt16LE(1, 6)
  bytes.writeBigUInt64LE(sessionId, 8)
  return bytes.toString("hex")
}

it("a transform header without room for a message behind it is none (2.2.41)", () => {
  for (const length of [0, 4, Encryption.headerSize - 1, Encryption.headerSize, Encryption.headerSize + 63]) {
    assert.isUndefined(Encryption.readHeader(new Uint8Array(length)), `${length} bytes`)
  }
  assert.isDefined(Encryption.readHeader(new Uint8Array(Encryption.headerSize + 64)))
})
