/**
 * Signing of SMB 1 without extended security (MS-CIFS 3.1.4.1), against recorded packets that Samba's
 * smbclient signed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as NtlmCrypto from "../../src/Auth/NtlmCrypto.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import * as Header from "../../src/Smb1/Header.ts"
import * as SessionSetup from "../../src/Smb1/Message/SessionSetup.ts"
import * as Signing from "../../src/Smb1/Signing.ts"

/**
 * smbclient 4.17.12 of Debian with `client use spnego = no` and `client signing = required`: its logon as smbtest with the
 * lab's password, and its next two requests.
 */
const smbclient = {
  password: "Lab-9f3!kqZ2w",
  sessionSetup: "ff534d4273000000001857c000004253525350594c20000000005a69000001000dff000000ffff02005a695b690000180046" +
    "000000000054c000009900000000000000000000000000000000000000000000000000769b23721c967a99c105f30098d128" +
    "8c010100000000000060423403be79dd01bc08c919aeb735cb000000000200120057004f0052004b00470052004f00550050" +
    "00000000000073006d0062007400650073007400000057004f0052004b00470052004f0055005000000055006e0069007800" +
    "0000530061006d00620061000000",
  treeConnect: "ff534d4275000000001857c0000043014bac442be25a0000ffff5a69301d020004ff0000000c0001002900005c005c003100" +
    "320037002e0030002e00330035002e0035005c004900500043002400000049504300",
  referral: "ff534d4232000000001857c00000a8691053b014f9c900004fcf5a69301d03000f240000000200ffff000000000000000000" +
    "00240044000000680001001000270000442003005c003100320037002e0030002e00330035002e0035005c00640061007400" +
    "61000000"
}

const packet = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))

describe("the signing key of an SMB 1 logon without extended security", () => {
  const request = Result.getOrThrow(
    Codec.decode("request", Codec.at(Header.size, SessionSetup.PlainRequest(true)))(packet(smbclient.sessionSetup))
  )
  const { accountName, primaryDomain, unicodePassword } = request
  const owf = NtlmCrypto.ntowfV2(NtlmCrypto.ntHash(smbclient.password), accountName, primaryDomain)
  const sessionKey = NtlmCrypto.sessionBaseKey(owf, unicodePassword.subarray(0, 16))
  const signs = (key: Uint8Array, hex: string, number: number) =>
    Signing.verify(Signing.make(key), [packet(hex)], number)

  it("is the session key followed by the whole NTLM response, as in smbclient's signatures", () => {
    assert.strictEqual(accountName, "smbtest")
    const key = Buffer.concat([sessionKey, unicodePassword])
    assert.isTrue(signs(key, smbclient.treeConnect, 2))
    assert.isTrue(signs(key, smbclient.referral, 4))
  })

  it("is not the session key alone, and signatures do not fit other sequence numbers", () => {
    const key = Buffer.concat([sessionKey, unicodePassword])
    assert.isFalse(signs(sessionKey, smbclient.treeConnect, 2))
    assert.isFalse(signs(Buffer.concat([sessionKey, unicodePassword.subarray(0, 24)]), smbclient.treeConnect, 2))
    for (const number of [0, 1, 3, 4]) assert.isFalse(signs(key, smbclient.treeConnect, number))
  })
})
