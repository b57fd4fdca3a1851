/** Each flag of an entry is in its SDDL, or the descriptor has no SDDL. */
import { assert, it } from "@effect/vitest"
import { Result } from "effect"
import * as Sddl from "../../src/Codec/Sddl.ts"
import { Control } from "../../src/Codec/SecurityDescriptor.ts"

it("no flag of an entry gets lost", () => {
  for (let aceFlags = 0; aceFlags < 256; aceFlags++) {
    const text = Sddl.toSddl({
      sbz1: 0,
      control: Control.SE_DACL_PRESENT | Control.SE_SELF_RELATIVE,
      owner: undefined,
      group: undefined,
      sacl: undefined,
      dacl: { aclRevision: 2, aces: [{ _tag: "Basic", aceType: 0, aceFlags, mask: 1, sid: "S-1-1-0" }] }
    })
    // MS-DTYP 2.5.1.1 has no letters for 0x20.
    assert.strictEqual(text === undefined, (aceFlags & 0x20) !== 0)
    if (text !== undefined) {
      assert.strictEqual(Result.getOrThrow(Sddl.fromSddl(text)).dacl?.aces[0]?.aceFlags, aceFlags)
    }
  }
})
