/** The names of well-known SIDs, as Windows shows them (MS-DTYP 2.4.2.4). */
import { assert, describe, it } from "@effect/vitest"
import { SidNameUse } from "../../src/Codec/Rpc/Lsat.ts"
import * as WellKnownSids from "../../src/Codec/WellKnownSids.ts"

describe("a well-known SID", () => {
  it.each([
    ["S-1-1-0", "", "Everyone", SidNameUse.SidTypeWellKnownGroup],
    ["S-1-3-0", "", "CREATOR OWNER", SidNameUse.SidTypeWellKnownGroup],
    ["S-1-5-18", "NT AUTHORITY", "SYSTEM", SidNameUse.SidTypeWellKnownGroup],
    ["S-1-5-11", "NT AUTHORITY", "Authenticated Users", SidNameUse.SidTypeWellKnownGroup],
    ["S-1-5-32-544", "BUILTIN", "Administrators", SidNameUse.SidTypeAlias],
    ["S-1-15-2-1", "APPLICATION PACKAGE AUTHORITY", "ALL APPLICATION PACKAGES", SidNameUse.SidTypeWellKnownGroup],
    [
      "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
      "NT SERVICE",
      "TrustedInstaller",
      SidNameUse.SidTypeWellKnownGroup
    ],
    ["S-1-16-8192", "Mandatory Label", "Medium Mandatory Level", SidNameUse.SidTypeLabel]
  ])("has its name and domain, and is found by them in any case: %s", (sid, domain, name, use) => {
    const account = WellKnownSids.bySid(sid)
    assert.deepStrictEqual([account?.domain.name, account?.name, account?.use], [domain, name, use])
    assert.strictEqual(WellKnownSids.byName("", name.toLowerCase())?.sid, sid)
    assert.strictEqual(WellKnownSids.byName(domain.toLowerCase(), name)?.sid, sid)
  })

  it("is not any other SID or name", () => {
    assert.isUndefined(WellKnownSids.bySid("S-1-5-21-1-2-3-500"))
    assert.isUndefined(WellKnownSids.bySid("S-1-5-32-999"))
    assert.isUndefined(WellKnownSids.byName("", "joe"))
    assert.isUndefined(WellKnownSids.byName("BUILTIN", "Everyone"))
    // The domain of several: that of SYSTEM.
    assert.strictEqual(WellKnownSids.byName("", "nt authority")?.sid, "S-1-5")
    assert.strictEqual(WellKnownSids.byName("", "BUILTIN")?.sid, "S-1-5-32")
  })
})
