/** The SDDL of an entry has each of its flags, in the letters of Windows. */
import { assert, it } from "@effect/vitest"
import { Result } from "effect"
import * as Sddl from "../../src/Codec/Sddl.ts"
import { Control } from "../../src/Codec/SecurityDescriptor.ts"

const textOf = (aceFlags: number) =>
  Sddl.toSddl({
    sbz1: 0,
    control: Control.SE_DACL_PRESENT | Control.SE_SELF_RELATIVE,
    owner: undefined,
    group: undefined,
    sacl: undefined,
    dacl: { aclRevision: 2, aces: [{ _tag: "Basic", aceType: 0, aceFlags, mask: 1, sid: "S-1-1-0" }] }
  })

it("no flag of an entry gets lost", () => {
  const texts = new Set<string>()
  for (let aceFlags = 0; aceFlags < 256; aceFlags++) {
    const text = textOf(aceFlags)!
    texts.add(text)
    assert.strictEqual(Result.getOrThrow(Sddl.fromSddl(text)).dacl?.aces[0]?.aceFlags, aceFlags)
  }
  assert.strictEqual(texts.size, 256)
})

// winnt.h: CRITICAL_ACE_FLAG; sddl.h: SDDL_CRITICAL. MS-DTYP 2.5.1.1 has neither.
it("the critical flag is CR, as Windows writes it", () => {
  assert.strictEqual(textOf(0x20), "D:(A;CR;CC;;;WD)")
})
