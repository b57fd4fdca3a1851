import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import * as Names from "../../src/Server/Store/internal/Names.ts"

describe("Names", () => {
  it("are folded by the table that Microsoft published", () => {
    // SHA-256 of Table 25 of the exFAT specification (section 7.2.5.1), decompressed, as little-endian units.
    const table = Buffer.alloc(0x2_0000)
    for (let unit = 0; unit < 0x1_0000; unit++) {
      table.writeUInt16LE(Names.fold(String.fromCharCode(unit)).charCodeAt(0), unit * 2)
    }
    assert.strictEqual(
      createHash("sha256").update(table).digest("hex"),
      "d82e679f23b7988b320807e81b72f6d965b42068e8aa7f2e0932f07cf349a146"
    )
  })

  it("are folded unit by unit, and keep their length", () => {
    assert.strictEqual(Names.fold("Straße.txt"), "STRAßE.TXT")
    assert.strictEqual(Names.fold("ΐ\u{10428}\ud801"), "ΐ\u{10428}\ud801")
    assert.strictEqual(Names.fold("σς"), "ΣΣ")
  })
})
