/**
 * MD4, RC4, AES-CMAC and the key derivation of SMB against published vectors: RFC 1320, RFC 6229, RFC 4493, and
 * Microsoft's blog on SMB 3 keys; large inputs against pycryptodome and impacket.
 */
import { assert, describe, it } from "@effect/vitest"
import * as AesCmac from "../../src/Codec/AesCmac.ts"
import * as KeyDerivation from "../../src/Codec/KeyDerivation.ts"
import * as Md4 from "../../src/Codec/Md4.ts"
import * as Rc4 from "../../src/Codec/Rc4.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const ascii = (text: string) => new Uint8Array(Buffer.from(text, "latin1"))

// RFC 1320, appendix A.5
describe("Md4", () => {
  it.each([
    ["", "31d6cfe0d16ae931b73c59d7e0c089c0"],
    ["a", "bde52cb31de33e46245e05fbdbd6fb24"],
    ["abc", "a448017aaf21d8525fc10ae87aa6729d"],
    ["message digest", "d9130a8164549fe818874806e1c7014b"],
    ["abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"],
    ["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "043f8582f241db351ce627e153e7f0e4"],
    ["1234567890".repeat(8), "e33b4ddc9c38f2199c3e7b164fcc0536"]
  ])("gives the digest of RFC 1320 for %j", (message, digest) => {
    assert.strictEqual(toHex(Md4.digest(ascii(message))), digest)
  })
})

// RFC 6229, section 2: the keystream at the offsets 0 and 4096
describe("Rc4", () => {
  it.each([
    ["0102030405", "b2396305f03dc027ccc3524a0a1118a8", "ff25b58995996707e51fbdf08b34d875"],
    ["0102030405060708090a0b0c0d0e0f10", "9ac7cc9a609d1ef7b2932899cde41b97", "a36a4c301ae8ac13610ccbc12256cacc"]
  ])("gives the keystream of RFC 6229 for the key %s", (key, atZero, at4096) => {
    const keystream = Rc4.make(hex(key))(new Uint8Array(4112))
    assert.strictEqual(toHex(keystream.subarray(0, 16)), atZero)
    assert.strictEqual(toHex(keystream.subarray(4096)), at4096)
  })

  it("continues its keystream over several calls", () => {
    const rc4 = Rc4.make(hex("0102030405"))
    const pieces = [1, 2, 13].map((length) => toHex(rc4(new Uint8Array(length))))
    assert.strictEqual(pieces.join(""), "b2396305f03dc027ccc3524a0a1118a8")
  })
})

// RFC 4493, section 4
describe("AesCmac", () => {
  const sign = AesCmac.make(hex("2b7e151628aed2a6abf7158809cf4f3c"))
  const message = hex(`
    6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
    30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710`)
  const vectors = [
    [0, "bb1d6929e95937287fa37d129b756746"],
    [16, "070a16b46b4d4144f79bdd9dd04a287c"],
    [40, "dfa66747de9ae63030ca32611497c827"],
    [64, "51f0bebf7e3b9d92fc49741779363cfe"]
  ] as const

  it.each(vectors)("gives the MAC of RFC 4493 for %d bytes", (length, mac) => {
    assert.strictEqual(toHex(sign([message.subarray(0, length)])), mac)
  })

  it.each(vectors)("gives the MAC of RFC 4493 for %d bytes in any three chunks", (length, mac) => {
    for (let first = 0; first <= length; first++) {
      for (let second = first; second <= length; second += 5) {
        const chunks = [message.subarray(0, first), message.subarray(first, second), message.subarray(second, length)]
        assert.strictEqual(toHex(sign(chunks)), mac)
      }
    }
  })
})

// pycryptodome's CMAC of messages longer than the blocks of one cipher call, one after the other with one key.
it("AesCmac gives pycryptodome's MACs of messages up to 200,001 bytes, with one key", () => {
  const sign = AesCmac.make(hex("000102030405060708090a0b0c0d0e0f"))
  const bytes = Uint8Array.from({ length: 200_001 }, (_, i) => (i * 7 + (i >> 8)) & 0xff)
  assert.strictEqual(toHex(sign([bytes])), "3b84fedfb840053ef8a0d119f6d054a7")
  assert.strictEqual(
    toHex(sign([bytes.subarray(0, 112), bytes.subarray(112, 131_184)])),
    "802a720b51d3be0d3c5089a69afbdf86"
  )
  assert.strictEqual(toHex(sign([bytes.subarray(0, 9)])), "951ee3dbcb80ef698dfe7ef9570ccf25")
  assert.strictEqual(toHex(sign([bytes])), "3b84fedfb840053ef8a0d119f6d054a7")
})

// Microsoft Open Specifications blog, "SMB 2 and SMB 3 security in Windows 10: the anatomy of signing and cryptographic
// keys", appendix. There, EncryptionKey and DecryptionKey are the client's.
describe("KeyDerivation", () => {
  const preauth = hex(`0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB79
    28622DDDAD522D9751640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01`)
  it.each([
    ["7CD451825D0450D235424E44BA6E78CC", "SMB2AESCMAC\0", ascii("SmbSign\0"), "0B7E9C5CAC36C0F6EA9AB275298CEDCE"],
    ["7CD451825D0450D235424E44BA6E78CC", "SMB2AESCCM\0", ascii("ServerIn \0"), "FAD27796665B313EBB578F388632B4F7"],
    ["7CD451825D0450D235424E44BA6E78CC", "SMB2AESCCM\0", ascii("ServerOut\0"), "B0F0427F7CEB416D1D9DCC0CD4F99447"],
    ["7CD451825D0450D235424E44BA6E78CC", "SMB2APP\0", ascii("SmbRpc\0"), "BB23A4575AA26C721AF525AF15A87B4F"],
    ["4E01A2B313BCF660CC250BEF021AEDE6", "SMB2AESCMAC\0", ascii("SmbSign\0"), "BA1A17DBBFEC349BCA105563D598952F"],
    ["270E1BA896585EEB7AF3472D3B4C75A7", "SMBSigningKey\0", preauth, "73FE7A9A77BEF0BDE49C650D8CCB5F76"],
    ["270E1BA896585EEB7AF3472D3B4C75A7", "SMBC2SCipherKey\0", preauth, "629BCBC54422A0F572B97F45989B6073"],
    ["270E1BA896585EEB7AF3472D3B4C75A7", "SMBS2CCipherKey\0", preauth, "E2AF0DCEFAC68DA71A0DFBD0D1350D74"],
    ["270E1BA896585EEB7AF3472D3B4C75A7", "SMBAppKey\0", preauth, "6D7AD7954E9EC61E907B4D473DC178FF"]
  ])("derives the key of Microsoft's blog from %s with the label %j", (key, label, context, derived) => {
    assert.strictEqual(toHex(KeyDerivation.derive(hex(key), ascii(label), context, 128)), derived.toLowerCase())
  })

  // Computed with impacket's KDF_CounterMode.
  it("derives impacket's 32 bytes for the 256-bit ciphers", () => {
    const key = hex("270E1BA896585EEB7AF3472D3B4C75A7")
    const derived = KeyDerivation.derive(key, ascii("SMBC2SCipherKey\0"), preauth, 256)
    assert.strictEqual(toHex(derived), "049c27fd8a340262e32c643dea2ba507af7a4c085fd2505aeffcbdeae6d6d8ab")
  })
})
