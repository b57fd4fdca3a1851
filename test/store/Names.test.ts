/**
 * Proves that `StoreNames.fold` maps names to upper case as the up-case table of the exFAT specification does (section
 * 7.2.5.1).
 */
import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import * as StoreNames from "../../src/Server/Store/internal/StoreNames.ts"

describe("Names.fold", () => {
  it("folds each UTF-16 code unit as the up-case table of the exFAT specification does", () => {
    // SHA-256 of Table 25 of the exFAT specification (section 7.2.5.1), decompressed, as little-endian units.
    const table = Buffer.alloc(0x2_0000)
    for (let unit = 0; unit < 0x1_0000; unit++) {
      table.writeUInt16LE(StoreNames.fold(String.fromCharCode(unit)).charCodeAt(0), unit * 2)
    }
    assert.strictEqual(
      createHash("sha256").update(table).digest("hex"),
      "d82e679f23b7988b320807e81b72f6d965b42068e8aa7f2e0932f07cf349a146"
    )
  })

  it("folds names by code units: ß, surrogates and unmapped characters are unchanged", () => {
    assert.strictEqual(StoreNames.fold("Straße.txt"), "STRAßE.TXT")
    assert.strictEqual(StoreNames.fold("ΐ\u{10428}\ud801"), "ΐ\u{10428}\ud801")
    assert.strictEqual(StoreNames.fold("σς"), "ΣΣ")
  })
})
