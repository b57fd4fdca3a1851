/**
 * What `acl` makes of a list of access rights, compared with what icacls does by the same words: `/inheritance:e`, `d` and `r`,
 * and entries for a folder and for a file. Lists are written as SDDL.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as AclChange from "../../src/Cli/AclChange.ts"
import type { Account } from "../../src/Client/Account.ts"
import { fromSddl, toSddl } from "../../src/Codec/Sddl.ts"

const sid = "S-1-5-21-1-2-3-1001"
const accounts = new Map([["ann", { sid } as Account]])
const none: AclChange.Changes = { revoke: [], grant: [], deny: [] }
const before = "O:SYD:(A;;FA;;;SY)(A;OICIID;FR;;;WD)"
const above = "O:SYD:(A;OICI;FA;;;BA)"

const applied = (changes: Partial<AclChange.Changes>, isDirectory = true, text = before): string | undefined => {
  const read = (sddl: string) => Result.getOrThrow(fromSddl(sddl))
  return toSddl(
    AclChange.apply(read(text), { ...none, ...changes }, { isDirectory, folder: read(above), accounts })
  )
}

const entry = (text: string, denied = false): AclChange.Entry =>
  Result.getOrThrow(AclChange.parseEntry(text, { denied }))

describe("a change of a list", () => {
  it.each(
    [
      ["on", "O:SYD:AI(A;;FA;;;SY)(A;OICIID;FA;;;BA)"],
      ["off", "O:SYD:P(A;;FA;;;SY)"],
      ["copy", "O:SYD:P(A;;FA;;;SY)(A;OICI;FR;;;WD)"],
      [undefined, before]
    ] as const
  )("with inheritance %s", (inherit, expected) => {
    assert.strictEqual(applied({ inherit }), expected)
  })

  it("gives a folder an entry for all below unless its flags say otherwise, and a file one without flags", () => {
    const plain = "O:SYD:(A;;FA;;;SY)"
    const grant = (text: string, isDirectory: boolean) => applied({ grant: [entry(text)] }, isDirectory, plain)
    assert.strictEqual(grant("ann:full", true), `${plain}(A;OICI;FA;;;${sid})`)
    assert.strictEqual(grant("ann:()full", true), `${plain}(A;;FA;;;${sid})`)
    assert.strictEqual(grant("ann:(OI)(IO)full", true), `${plain}(A;OIIO;FA;;;${sid})`)
    assert.strictEqual(grant("ann:full", false), `${plain}(A;;FA;;;${sid})`)
    assert.strictEqual(grant("ann:(OI)(CI)full", false), `${plain}(A;;FA;;;${sid})`)
    // These are for folders alone, or only for what is below.
    for (const flags of ["(CI)", "(OI)(IO)", "()", "(NP)"]) {
      assert.strictEqual(grant(`ann:${flags}full`, false), plain, flags)
    }
  })

  it("denies as it grants, and gives the file to another owner", () => {
    const plain = "O:SYD:(A;;FA;;;SY)"
    assert.strictEqual(applied({ deny: [entry("ann:(CI)full", true)] }, false, plain), plain)
    const denied = applied({ deny: [entry("ann:full", true)] }, true, plain)
    assert.match(denied!, /^O:SYD:\(D;OICI;[^;]*;;;S-1-5-21-1-2-3-1001\)\(A;;FA;;;SY\)$/)
    assert.strictEqual(applied({ owner: "ann" }, true, plain), plain.replace("O:SY", `O:${sid}`))
  })

  it("makes its changes in this order: inheritance, revocation, grants, denials", () => {
    const changed = applied(
      { inherit: "copy", revoke: ["ann"], grant: [entry("ann:read")] },
      true,
      `O:SYD:(A;;FA;;;SY)(A;OICIID;FA;;;${sid})`
    )
    assert.strictEqual(changed, `O:SYD:P(A;;FA;;;SY)(A;OICI;0x1200a9;;;${sid})`)
  })
})
