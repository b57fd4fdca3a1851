/**
 * NTSTATUS numbers and names against the tables of Wireshark, impacket and Samba, and their reasons, severities and
 * explanations (MS-ERREF 2.3).
 */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import * as NtStatus from "../../src/Codec/NtStatus.ts"

const tables: { readonly codes: Record<string, readonly [name: string, sources: string]> } = JSON.parse(
  readFileSync(new URL("./fixtures/nt-status.json", import.meta.url), "utf8")
)

describe("NtStatus", () => {
  it("has the numbers that Wireshark's, impacket's and Samba's tables agree on", () => {
    let checked = 0
    for (const [hex, [name, sources]] of Object.entries(tables.codes)) {
      if (sources.length < 2) continue
      assert.strictEqual(NtStatus.NtStatus[name as NtStatus.Name], parseInt(hex, 16), name)
      checked++
    }
    assert.isAbove(checked, 480)
    assert.strictEqual(Object.keys(NtStatus.NtStatus).length, Object.keys(tables.codes).length)
  })

  it("gives the name and reason of codes, also of signed and unknown ones", () => {
    assert.strictEqual(NtStatus.name(0xc0000034), "STATUS_OBJECT_NAME_NOT_FOUND")
    assert.strictEqual(NtStatus.name(0xc0000034 | 0), "STATUS_OBJECT_NAME_NOT_FOUND")
    assert.strictEqual(NtStatus.name(0xc0ffee00), "0xc0ffee00")
    const reason: "ObjectNameNotFound" = "ObjectNameNotFound" satisfies NtStatus.Reason
    assert.strictEqual(NtStatus.reason(0xc0000034), reason)
    assert.strictEqual(NtStatus.reason(0xc0ffee00), "Unknown")
  })

  it("gives each code its own reason, and finds the code by the reason", () => {
    const codes = Object.values(NtStatus.NtStatus)
    assert.strictEqual(new Set(codes.map(NtStatus.reason)).size, codes.length)
    for (const code of codes) assert.strictEqual(NtStatus.fromReason(NtStatus.reason(code)), code)
    assert.strictEqual(NtStatus.fromReason("Unknown"), 0xc0000001)
  })

  it("tells errors, warnings and successes apart", () => {
    assert.strictEqual(NtStatus.severity(0), "Success")
    assert.strictEqual(NtStatus.severity(0x103), "Success")
    assert.strictEqual(NtStatus.severity(0x40000000), "Information")
    assert.strictEqual(NtStatus.severity(0x80000005 | 0), "Warning")
    assert.strictEqual(NtStatus.severity(0xc0000022), "Error")
    assert.isTrue(NtStatus.isSuccess(0x40000000))
    assert.isTrue(NtStatus.isWarning(0x80000006))
    assert.isFalse(NtStatus.isError(0x80000006))
    // MS-CIFS: SMB 1 has errors whose severity bits are zero.
    assert.isTrue(NtStatus.isError(0x00050002))
    assert.isFalse(NtStatus.isSuccess(0x00050002))
  })

  it("explains a known code, and shows an unknown one", () => {
    assert.match(NtStatus.explanation(0xc000006d), /password is wrong/)
    assert.strictEqual(NtStatus.explanation(0xc0ffee00), "The server answered 0xc0ffee00.")
  })
})
