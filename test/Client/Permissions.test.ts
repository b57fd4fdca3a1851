/**
 * Permissions in words and their changes, against what icacls and smbcacls show and do, and the order of MS-DTYP 2.4.5.
 * Descriptors are written as SDDL, whose own tests compare it with Windows and Samba.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Permissions } from "effect-smb"
import * as Codec from "../../src/Codec/Codec.ts"
import { fromSddl, toSddl } from "../../src/Codec/Sddl.ts"
import { type Ace, type SecurityDescriptor, Sid } from "../../src/Codec/SecurityDescriptor.ts"
import { random } from "../random.ts"

const sidBytes = Codec.encode(Sid)

const sd = (sddl: string): SecurityDescriptor => Result.getOrThrow(fromSddl(sddl))
const ann = "S-1-5-21-1-2-3-1001"
const joe = "S-1-5-21-1-2-3-1002"

describe("rights in words", () => {
  // smbcacls(1): FULL, CHANGE, READ, and R, W, X, D, P, O; icacls: F, M, RX.
  it.each([
    ["full", 0x1f01ff],
    ["F", 0x1f01ff],
    ["change", 0x1301bf],
    ["Modify", 0x1301bf],
    ["M", 0x1301bf],
    ["read", 0x1200a9],
    ["rx", 0x1200a9],
    ["R", 0x120089],
    ["W", 0x120116],
    ["X", 0x1200a0],
    ["D", 0x10000],
    ["P", 0x40000],
    ["O", 0x80000],
    ["RWXD", 0x1301bf],
    ["0x1200A9", 0x1200a9],
    ["0x80000000", 0x8000_0000]
  ])("have a mask: %s", (text, mask) => {
    assert.strictEqual(Permissions.maskOf(text), mask)
  })

  it.each(["", "rights", "RR WW", "RQ", "0x", "0x0", "0x123456789", "12", "constructor"])(
    "are no text such as %j",
    (text) => {
      assert.isUndefined(Permissions.maskOf(text))
    }
  )

  it.each([
    [0x1f01ff, "full"],
    [0x10000000, "full"],
    [0x1301bf, "change"],
    [0x1200a9, "read"],
    [0xa0000000, "read"],
    [0x120089, "R"],
    [0x80000000, "R"],
    [0x12019f, "RW"],
    [0x40000, "P"],
    [0x0, "none"],
    [0x100116, "0x100116"],
    [0x1, "0x1"],
    [0x80000040, "0x80000040"]
  ])("name a mask: 0x%s", (mask, text) => {
    assert.strictEqual(Permissions.rightsOf(mask), text)
  })

  it("come back from their masks", () => {
    for (let bits = 1; bits < 64; bits++) {
      const text = [..."RWXDPO"].filter((_, i) => (bits & (1 << i)) !== 0).join("")
      for (const denied of [false, true]) {
        const mask = Permissions.maskOf(text, { denied })!
        assert.strictEqual(Permissions.maskOf(Permissions.rightsOf(mask, { denied }), { denied }), mask, text)
      }
    }
  })

  // An entry that denies SYNCHRONIZE (0x100000) or READ_CONTROL (0x20000) shuts the account out of everything.
  it("that are denied leave SYNCHRONIZE and READ_CONTROL alone, except for all rights and for a number", () => {
    assert.strictEqual(Permissions.maskOf("W", { denied: true }), 0x116)
    assert.strictEqual(Permissions.maskOf("read", { denied: true }), 0xa9)
    assert.strictEqual(Permissions.maskOf("full", { denied: true }), 0x1f01ff)
    assert.strictEqual(Permissions.maskOf("0x120116", { denied: true }), 0x120116)
    assert.strictEqual(Permissions.rightsOf(0x116, { denied: true }), "W")
    assert.strictEqual(Permissions.rightsOf(0x120116, { denied: true }), "0x120116")
  })
})

describe("a descriptor for people", () => {
  it("has names, rights, and where each entry comes from and goes to", () => {
    const descriptor = sd(
      `O:${ann}G:BUD:PAI(D;;0x116;;;${joe})(A;OICI;FA;;;${ann})(A;CIIOID;GR;;;CO)(A;OINP;0x1200a9;;;WD)` +
        `(OA;;CC;f0000000-0000-0000-0000-000000000000;;SY)S:(AU;FA;FA;;;${joe})`
    )
    assert.deepStrictEqual(Permissions.sidsOf(descriptor), [
      ann,
      "S-1-5-32-545",
      joe,
      "S-1-3-0",
      "S-1-1-0",
      "S-1-5-18"
    ])
    const shown = Permissions.fromDescriptor(descriptor, [{ sid: ann, name: "ann", domain: "NAS", type: "user" }])
    assert.deepStrictEqual([shown.owner?.domain, shown.owner?.name, shown.group?.name], ["NAS", "ann", "Users"])
    assert.isTrue(shown.isProtected)
    assert.deepStrictEqual(
      shown.entries?.map((one) => [one.type, one.account?.name, one.rights, one.mask]),
      [
        ["deny", joe, "W", 0x116],
        ["allow", "ann", "full", 0x1f01ff],
        ["allow", "CREATOR OWNER", "R", 0x8000_0000],
        ["allow", "Everyone", "read", 0x1200a9],
        ["other", "SYSTEM", "0x1", 1]
      ]
    )
    const flags = shown.entries!.map((one) =>
      [
        one.objectInherit,
        one.containerInherit,
        one.noPropagateInherit,
        one.inheritOnly,
        one.inherited
      ].map(Number).join("")
    )
    assert.deepStrictEqual(flags, ["00000", "11000", "01011", "10100", "00000"])
    assert.deepStrictEqual(shown.audit.map((one) => [one.type, one.rights]), [["audit", "full"]])
    // No list is not an empty list.
    assert.isUndefined(Permissions.fromDescriptor(sd("D:NO_ACCESS_CONTROL")).entries)
    assert.deepStrictEqual(Permissions.fromDescriptor(sd("D:")).entries, [])
  })
})

describe("a change", () => {
  const changed = (sddl: string, change: (descriptor: SecurityDescriptor) => SecurityDescriptor) =>
    toSddl(change(sd(sddl)))
  const both = Permissions.inheritToAll

  it.each([
    // A new entry stands behind the other explicit ones, before the inherited ones.
    ["D:(D;;FA;;;AN)(A;;FA;;;BA)(A;ID;FA;;;SY)", `D:(D;;FA;;;AN)(A;;FA;;;BA)(A;;FR;;;${ann})(A;ID;FA;;;SY)`],
    ["D:", `D:(A;;FR;;;${ann})`],
    // The account's own entry gets the further rights; entries with other flags, inherited ones and denials stay.
    [`D:(A;;FW;;;${ann})(A;;FA;;;BA)`, `D:(A;;0x12019f;;;${ann})(A;;FA;;;BA)`],
    [`D:(A;OICI;FA;;;${ann})`, `D:(A;OICI;FA;;;${ann})(A;;FR;;;${ann})`],
    [`D:(D;;CC;;;${ann})(A;ID;FA;;;${ann})`, `D:(D;;CC;;;${ann})(A;;FR;;;${ann})(A;ID;FA;;;${ann})`],
    // Everybody has all rights already.
    ["D:NO_ACCESS_CONTROL", "D:NO_ACCESS_CONTROL"]
  ])("grants: %s", (before, after) => {
    assert.strictEqual(changed(before, (one) => Permissions.grant(one, { sid: ann, mask: 0x120089 })), after)
  })

  it.each([
    ["D:(A;;FA;;;BA)(A;ID;FA;;;SY)", `D:(D;OICI;DCLCRPCR;;;${ann})(A;;FA;;;BA)(A;ID;FA;;;SY)`],
    ["D:(D;;FA;;;AN)(A;;FA;;;BA)", `D:(D;;FA;;;AN)(D;OICI;DCLCRPCR;;;${ann})(A;;FA;;;BA)`],
    // icacls /deny: "the same permissions in any explicit grant are removed".
    [
      `D:(A;OICI;0x1301bf;;;${ann})(A;ID;FA;;;${ann})`,
      `D:(D;OICI;DCLCRPCR;;;${ann})(A;OICI;0x1300a9;;;${ann})(A;ID;FA;;;${ann})`
    ],
    [`D:(A;;DC;;;${ann})`, `D:(D;OICI;DCLCRPCR;;;${ann})`],
    ["D:NO_ACCESS_CONTROL", `D:(D;OICI;DCLCRPCR;;;${ann})(A;OICI;FA;;;WD)`]
  ])("denies: %s", (before, after) => {
    assert.strictEqual(
      changed(before, (one) => Permissions.deny(one, { sid: ann, mask: 0x116, aceFlags: both })),
      after
    )
  })

  it.each([
    [`D:PAI(D;;FA;;;${ann})(A;OICI;FA;;;${ann})(A;;FA;;;BA)(A;ID;FA;;;${ann})`, `D:PAI(A;;FA;;;BA)(A;ID;FA;;;${ann})`],
    [`D:(A;;FA;;;${joe})`, `D:(A;;FA;;;${joe})`],
    ["D:NO_ACCESS_CONTROL", "D:NO_ACCESS_CONTROL"]
  ])("revokes explicit entries only: %s", (before, after) => {
    assert.strictEqual(changed(before, (one) => Permissions.revoke(one, ann)), after)
  })

  it("makes a list of revision 2 where there was none, and keeps the revision of a list", () => {
    // ACL_REVISION and ACL_REVISION_DS (MS-DTYP 2.4.5)
    const denied = (before: SecurityDescriptor) => Permissions.deny(before, { sid: ann, mask: 1 }).dacl!.aclRevision
    assert.strictEqual(denied({ ...sd("O:SY"), dacl: undefined }), 2)
    const list = sd("O:SYD:(A;;FA;;;SY)")
    assert.strictEqual(denied(list), 2)
    assert.strictEqual(denied({ ...list, dacl: { ...list.dacl!, aclRevision: 4 } }), 4)
  })

  it("gives the file to another owner, and keeps all else", () => {
    const before = sd("O:S-1-5-21-1-2-3-1001G:BUD:PAI(A;;FA;;;SY)(D;OICI;FR;;;WD)")
    const after = Permissions.withOwner(before, joe)
    assert.deepStrictEqual(after, { ...before, owner: joe })
    assert.strictEqual(toSddl(after), toSddl(before)?.replace(ann, joe))
  })

  // icacls /inheritance:r and /inheritance:d.
  it("cuts off from the folder above, with or without its entries", () => {
    const before = "D:AI(A;;FR;;;WD)(A;OICIID;FA;;;BA)(D;ID;FA;;;AN)"
    assert.strictEqual(changed(before, (one) => Permissions.protect(one, { keep: false })), "D:PAI(A;;FR;;;WD)")
    assert.strictEqual(
      changed(before, (one) => Permissions.protect(one, { keep: true })),
      "D:PAI(A;;FR;;;WD)(A;OICI;FA;;;BA)(D;;FA;;;AN)"
    )
  })

  // MS-DTYP 2.5.3.4.3: what a file and a folder inherit.
  it("inherits again what the folder above passes on", () => {
    const folder = sd(`D:(A;OICI;FA;;;BA)(A;OI;FR;;;WD)(A;CINP;0x1301bf;;;BU)(A;OICIIO;GA;;;CO)(A;;FA;;;SY)`)
    const before = `O:${ann}D:PAI(A;;FX;;;AU)(A;ID;FA;;;AN)`
    assert.strictEqual(
      changed(before, (one) => Permissions.inherit(one, folder, { isDirectory: false })),
      `O:${ann}D:AI(A;;FX;;;AU)(A;ID;FA;;;BA)(A;ID;FR;;;WD)(A;ID;FA;;;${ann})`
    )
    assert.strictEqual(
      changed(before, (one) => Permissions.inherit(one, folder, { isDirectory: true })),
      `O:${ann}D:AI(A;;FX;;;AU)(A;OICIID;FA;;;BA)(A;OIIOID;FR;;;WD)(A;ID;0x1301bf;;;BU)(A;ID;FA;;;${ann})(A;OICIIOID;GA;;;CO)`
    )
  })

  // MS-DTYP 2.5.3.4.3 excepts no type; a callback ACE has its condition behind the SID (2.4.4.6, 2.4.4.7).
  it.each([
    [0x09, "allows"],
    [0x0a, "denies"]
  ])("inherits a conditional entry that %#: its bytes stay, and CREATOR OWNER becomes the owner", (aceType) => {
    const condition = [0x61, 0x72, 0x74, 0x78, 0xf8, 0, 0, 0]
    const entry = (aceFlags: number, mask: number, sid: string): Ace => {
      const data = new Uint8Array(4)
      new DataView(data.buffer).setUint32(0, mask, true)
      return { _tag: "Raw", aceType, aceFlags, data: Uint8Array.from([...data, ...sidBytes(sid), ...condition]) }
    }
    const acesOf = (above: Ace, isDirectory: boolean) =>
      Permissions.inherit(sd(`O:${ann}D:PAI(A;;FX;;;AU)`), {
        ...sd("D:"),
        dacl: { aclRevision: 2, aces: [above] }
      }, { isDirectory }).dacl!.aces.slice(1).map((ace) => {
        assert(ace._tag === "Raw")
        return { _tag: ace._tag, aceType: ace.aceType, aceFlags: ace.aceFlags, data: Uint8Array.from(ace.data) }
      })
    const generic = 0x1000_0000
    assert.deepStrictEqual(acesOf(entry(3, 0x116, joe), false), [entry(0x10, 0x116, joe)])
    assert.deepStrictEqual(acesOf(entry(3, 0x116, joe), true), [entry(0x13, 0x116, joe)])
    assert.deepStrictEqual(acesOf(entry(0, 0x116, joe), true), [])
    assert.deepStrictEqual(acesOf(entry(0x0b, generic, "S-1-3-0"), false), [entry(0x10, 0x1f01ff, ann)])
    assert.deepStrictEqual(acesOf(entry(0x0b, generic, "S-1-3-0"), true), [
      entry(0x10, 0x1f01ff, ann),
      entry(0x1b, generic, "S-1-3-0")
    ])
    // Without a condition it ends with its SID, whose length is that of its numbers.
    const bare = (aceFlags: number, mask: number, sid: string): Ace => {
      const { data, ...rest } = entry(aceFlags, mask, sid) as Extract<Ace, { readonly _tag: "Raw" }>
      return { ...rest, data: Uint8Array.from(data.subarray(0, data.length - condition.length)) }
    }
    for (const sid of ["S-1-3-0", "S-1-5-32-544", joe]) {
      const heir = sid === "S-1-3-0" ? ann : sid
      for (const make of [entry, bare]) {
        assert.deepStrictEqual(acesOf(make(0x0b, generic, sid), false), [make(0x10, 0x1f01ff, heir)], sid)
      }
    }
    // A damaged one is not lost.
    for (const length of [0, 5, 11, 15]) {
      const damaged: Ace = { _tag: "Raw", aceType, aceFlags: 3, data: new Uint8Array(length).fill(1) }
      assert.deepStrictEqual(acesOf(damaged, false), [{ ...damaged, aceFlags: 0x10 }])
    }
  })

  it("is the difference of two descriptors: only the parts that differ", () => {
    const before = sd(`O:${ann}G:BUD:AI(A;;FA;;;BA)`)
    assert.isUndefined(Permissions.difference(before, sd(`O:${ann}G:BUD:AI(A;;FA;;;BA)`)))
    const part = (sddl: string) => toSddl(Permissions.difference(before, sd(sddl))!)
    assert.strictEqual(part(`O:${joe}G:BUD:AI(A;;FA;;;BA)`), `O:${joe}`)
    assert.strictEqual(part(`O:${ann}G:BUD:AI(A;;FR;;;BA)`), "D:AI(A;;FR;;;BA)")
    assert.strictEqual(part(`O:${ann}G:BUD:PAI(A;;FA;;;BA)`), "D:PAI(A;;FA;;;BA)")
    assert.strictEqual(part(`O:${ann}G:BUD:NO_ACCESS_CONTROL`), "D:NO_ACCESS_CONTROL")
    assert.strictEqual(part(`O:${ann}G:BGD:AI(A;;FA;;;BA)`), "G:BG")
    const open = sd("D:NO_ACCESS_CONTROL")
    assert.isUndefined(Permissions.difference(open, sd("D:NO_ACCESS_CONTROL")))
    assert.strictEqual(toSddl(Permissions.difference(open, sd("D:"))!), "D:")
  })

  const raw = (data: number): SecurityDescriptor => ({
    ...sd("D:"),
    dacl: { aclRevision: 4, aces: [{ _tag: "Raw", aceType: 9, aceFlags: 0, data: new Uint8Array(24).fill(data) }] }
  })
  const guid = "f0000000-0000-0000-0000-00000000000"

  it.each([
    ["the type", sd("D:(A;;FA;;;BA)"), sd("D:(D;;FA;;;BA)")],
    ["the flags", sd("D:(A;;FA;;;BA)"), sd("D:(A;OI;FA;;;BA)")],
    ["the rights", sd("D:(A;;FA;;;BA)"), sd("D:(A;;FR;;;BA)")],
    ["the account", sd("D:(A;;FA;;;BA)"), sd("D:(A;;FA;;;BU)")],
    ["a GUID", sd(`D:(OA;;CC;${guid}1;;BA)`), sd(`D:(OA;;CC;${guid}2;;BA)`)],
    ["the second GUID", sd(`D:(OA;;CC;;${guid}1;BA)`), sd("D:(OA;;CC;;;BA)")],
    ["the order", sd("D:(A;;FA;;;BA)(A;;FR;;;BU)"), sd("D:(A;;FR;;;BU)(A;;FA;;;BA)")],
    ["the number", sd("D:(A;;FA;;;BA)"), sd("D:(A;;FA;;;BA)(A;;FA;;;BA)")],
    ["the bytes", raw(1), raw(2)]
  ])("is a difference in %s of entries", (_, one, other) => {
    assert.isDefined(Permissions.difference(one, other))
    assert.isDefined(Permissions.difference(other, one))
    assert.isUndefined(Permissions.difference(one, structuredClone(one)))
  })

  it("leaves a file without a list without one, and keeps entries that it does not know", () => {
    const open = sd("D:NO_ACCESS_CONTROL")
    const folder = sd("D:(A;OICI;FA;;;BA)")
    assert.isUndefined(Permissions.inherit(open, folder, { isDirectory: false }).dacl)
    assert.isUndefined(Permissions.protect(open, { keep: false }).dacl)
    assert.deepStrictEqual(Permissions.revoke(raw(1), ann), raw(1))
    assert.strictEqual(Permissions.grant(raw(1), { sid: ann, mask: 1 }).dacl?.aces.length, 2)
    const shown = Permissions.fromDescriptor(raw(1))
    assert.deepStrictEqual(
      shown.entries?.map(({ account, mask, rights, type }) => [type, account, rights, mask]),
      [["other", undefined, "", 0]]
    )
    assert.deepStrictEqual(Permissions.sidsOf(raw(1)), [])
    // A list with object entries has revision 4 (MS-DTYP 2.4.5).
    const object = sd(`D:(OA;;CC;${guid}1;;BA)`)
    assert.strictEqual(
      Permissions.grant({ ...object, dacl: { ...object.dacl!, aclRevision: 2 } }, { sid: ann, mask: 1 }).dacl
        ?.aclRevision,
      4
    )
  })

  // MS-DTYP 2.4.5: the order that Windows calls canonical.
  it("keeps the order of a list that is in order, after any change", () => {
    const next = random(7)
    const rank = (one: SecurityDescriptor) =>
      one.dacl!.aces.map(({ aceFlags, aceType }) => (aceFlags & 0x10) !== 0 ? 2 : aceType === 1 ? 0 : 1)
    for (let turn = 0; turn < 300; turn++) {
      let descriptor = sd("D:(D;;CC;;;AN)(A;;FA;;;BA)(D;ID;FA;;;AN)(A;ID;FA;;;SY)")
      for (let step = 0; step < 8; step++) {
        const wanted = { sid: [ann, joe, "S-1-5-7"][next(3)]!, mask: 1 << next(9), aceFlags: next(4) }
        const before = descriptor
        descriptor = [Permissions.grant, Permissions.deny][next(2)]!(descriptor, wanted)
        if (next(4) === 0) descriptor = Permissions.revoke(descriptor, wanted.sid)
        const ranks = rank(descriptor)
        assert.deepStrictEqual(ranks, ranks.toSorted(), toSddl(before))
        // Inherited entries are never touched.
        assert.deepStrictEqual(descriptor.dacl!.aces.slice(-2), before.dacl!.aces.slice(-2))
      }
    }
  })
})
