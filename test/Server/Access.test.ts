/**
 * Proves what a security descriptor grants a user and what a new file inherits: against a model of MS-DTYP 2.5.3.2 that
 * decides each right alone, the "ACE Inheritance Rules" of the Windows documentation, and the masks of winnt.h.
 */
import { assert, describe, it } from "@effect/vitest"
import { SecurityDescriptor as Sd } from "effect-smb/Codec"
import * as Access from "../../src/Server/internal/State/Access.ts"
import type { Identity } from "../../src/Server/internal/State/Identity.ts"
import { AccessMask as A } from "../../src/Smb2/Message/Constants.ts"
import { random } from "../random.ts"

const domain = "S-1-5-21-1-2-3"
const [joe, ann, staff] = [`${domain}-1000`, `${domain}-1001`, `${domain}-2000`]

const identity = (sid: string, groups: ReadonlyArray<string>, administrator = false): Identity => ({
  name: "somebody",
  sid,
  groups: new Set([Access.sids.everyone, ...groups]),
  administrator,
  guest: false,
  anonymous: false
})

const { ACCESS_ALLOWED_ACE_TYPE, ACCESS_DENIED_ACE_TYPE } = Sd.AceType
const { CONTAINER_INHERIT_ACE, INHERIT_ONLY_ACE, NO_PROPAGATE_INHERIT_ACE, OBJECT_INHERIT_ACE } = Sd.AceFlags

const ace = (sid: string, mask: number, aceFlags = 0, aceType: number = ACCESS_ALLOWED_ACE_TYPE): Sd.BasicAce => ({
  _tag: "Basic",
  aceType,
  aceFlags,
  mask,
  sid
})

const descriptor = (aces: ReadonlyArray<Sd.Ace> | undefined, owner = ann): Sd.SecurityDescriptor => ({
  sbz1: 0,
  control: Sd.Control.SE_DACL_PRESENT | Sd.Control.SE_SELF_RELATIVE,
  owner,
  group: undefined,
  sacl: undefined,
  dacl: aces === undefined ? undefined : { aclRevision: 2, aces: [...aces] }
})

const bits = Array.from({ length: 32 }, (_, i) => (1 << i) >>> 0)
const rights = Access.generic.all

/** MS-DTYP 2.5.3.2, one right at a time: the first entry for the user that names the right decides. */
const model = ({ dacl, owner }: Sd.SecurityDescriptor, { groups, sid }: Identity): number => {
  const isMine = (other: string) => other === sid || groups.has(other)
  const owns = owner !== undefined && isMine(owner)
  const entries = (dacl?.aces ?? []).filter((entry): entry is Sd.BasicAce =>
    entry._tag === "Basic" && (entry.aceFlags & INHERIT_ONLY_ACE) === 0 &&
    (entry.sid === Access.sids.ownerRights ? owns : isMine(entry.sid))
  )
  let granted = 0
  for (const bit of bits) {
    const first = entries.find((entry) => (entry.mask & bit) !== 0)
    if (dacl === undefined ? (rights & bit) !== 0 : first?.aceType === ACCESS_ALLOWED_ACE_TYPE) granted |= bit
  }
  if (owns && entries.every((entry) => entry.sid !== Access.sids.ownerRights)) granted |= A.READ_CONTROL | A.WRITE_DAC
  return granted
}

describe("Access.decode", () => {
  const administrator = identity(ann, [Access.sids.administrators], true)

  it("gives every right to any user when the store keeps no descriptor", () => {
    assert.strictEqual(Access.maximal(Access.decode(undefined), identity(joe, [staff])), rights)
  })

  it("gives rights to administrators only when the kept bytes cannot be decoded", () => {
    const kept = Access.encode(descriptor([ace(joe, rights)]))
    assert.strictEqual(Access.maximal(Access.decode(kept), identity(joe, [staff])), rights)
    for (const bytes of [new Uint8Array(0), kept.subarray(0, kept.length - 1), new Uint8Array(64).fill(0xff)]) {
      assert.strictEqual(Access.maximal(Access.decode(bytes), identity(joe, [staff])), 0)
      assert.strictEqual(Access.maximal(Access.decode(bytes), administrator) & rights, rights)
    }
  })
})

describe("Access.mapGeneric", () => {
  it("maps GENERIC_READ, GENERIC_WRITE, GENERIC_EXECUTE and GENERIC_ALL to the masks of winnt.h", () => {
    assert.strictEqual(Access.mapGeneric(0x8000_0000), 0x0012_0089)
    assert.strictEqual(Access.mapGeneric(0x4000_0000), 0x0012_0116)
    assert.strictEqual(Access.mapGeneric(0x2000_0000), 0x0012_00a0)
    assert.strictEqual(Access.mapGeneric(0x1000_0000), 0x001f_01ff)
    assert.strictEqual(Access.mapGeneric(0x0001_0002), 0x0001_0002)
  })
})

describe("Access.maximal", () => {
  it("grants what a model of MS-DTYP 2.5.3.2 grants that decides each right alone", () => {
    const next = random(271_828)
    const sids = [joe, ann, staff, Access.sids.everyone, Access.sids.ownerRights, Access.sids.guests]
    for (let i = 0; i < 2000; i++) {
      const aces = Array.from({ length: next(7) }, () =>
        ace(
          sids[next(sids.length)]!,
          [next(0x200), rights, A.READ_CONTROL | A.WRITE_DAC, 1 << next(20)][next(4)]! & rights,
          next(5) === 0 ? INHERIT_ONLY_ACE : 0,
          next(3) === 0 ? ACCESS_DENIED_ACE_TYPE : ACCESS_ALLOWED_ACE_TYPE
        ))
      const of = descriptor(next(20) === 0 ? undefined : aces, sids[next(3)]!)
      const user = identity([joe, ann][next(2)]!, next(2) === 0 ? [staff] : [])
      assert.strictEqual(Access.maximal(of, user), model(of, user), JSON.stringify({ of, sid: user.sid }))
      const administrator = { ...user, administrator: true }
      assert.strictEqual(
        Access.maximal(of, administrator),
        model(of, user) | A.WRITE_OWNER | A.ACCESS_SYSTEM_SECURITY
      )
    }
  })

  it("gives rights to the owner only when the list is empty", () => {
    assert.strictEqual(Access.maximal(descriptor([]), identity(joe, [])), 0)
    assert.strictEqual(Access.maximal(descriptor([]), identity(ann, [])), A.READ_CONTROL | A.WRITE_DAC)
    assert.strictEqual(
      Access.maximal(descriptor([ace(Access.sids.ownerRights, A.READ_CONTROL)]), identity(ann, [])),
      A.READ_CONTROL
    )
  })

  it("ignores entries of types that it does not know", () => {
    const other: Sd.Ace = { _tag: "Other", aceType: 9, aceFlags: 0, data: new Uint8Array(8) } as never
    assert.strictEqual(Access.maximal(descriptor([other, ace(joe, 1)]), identity(joe, [])), 1)
  })
})

describe("Access.forChild", () => {
  const OI = OBJECT_INHERIT_ACE
  const CI = CONTAINER_INHERIT_ACE
  const NP = NO_PROPAGATE_INHERIT_ACE
  const IO = INHERIT_ONLY_ACE
  /** "ACE Inheritance Rules" of the Windows documentation: flags on the parent, on a new file, and on a new folder. */
  const rules: ReadonlyArray<readonly [parent: number, file: number | undefined, folder: number | undefined]> = [
    [0, undefined, undefined],
    [OI, 0, OI | IO],
    [CI, undefined, CI],
    [OI | CI, 0, OI | CI],
    [OI | NP, 0, undefined],
    [CI | NP, undefined, 0],
    [OI | CI | NP, 0, 0]
  ]

  const childOf = (parent: Sd.SecurityDescriptor, directory: boolean) =>
    Access.forChild(parent, undefined, identity(joe, []), domain, directory)

  it("passes entries on by the inheritance rules of Windows, also entries that only inherit", () => {
    for (const [flags, onFile, onFolder] of rules) {
      for (const parentOnly of [0, IO]) {
        // An entry that is always inherited: the child always has a list.
        const parent = descriptor([ace(staff, 0x0012_0089, flags | parentOnly), ace(ann, 1, OI | CI)])
        for (const [directory, expected] of [[false, onFile], [true, onFolder]] as const) {
          const { dacl, group, owner } = childOf(parent, directory)
          const found = dacl!.aces.filter((entry) => entry._tag === "Basic" && entry.sid === staff)
          assert.deepStrictEqual(
            found,
            expected === undefined ? [] : [ace(staff, 0x0012_0089, expected)],
            `${flags} ${directory}`
          )
          assert.deepStrictEqual([owner, group], [joe, `${domain}-513`])
        }
      }
    }
  })

  it("replaces CREATOR OWNER by the creator, and a new folder keeps the entry for its children", () => {
    const parent = descriptor([ace(Access.sids.creatorOwner, 0x1000_0000, OI | CI | IO)])
    assert.deepStrictEqual(childOf(parent, false).dacl!.aces, [ace(joe, rights)])
    assert.deepStrictEqual(childOf(parent, true).dacl!.aces, [
      ace(joe, rights),
      ace(Access.sids.creatorOwner, 0x1000_0000, OI | CI | IO)
    ])
  })

  it("marks entries as inherited if the folder's list is, and gives a file without inherited entries to its creator only", () => {
    const parent = descriptor([ace(staff, 1, OI | CI)])
    const marked = { ...parent, control: parent.control | Sd.Control.SE_DACL_AUTO_INHERITED }
    const child = childOf(marked, true)
    assert.deepStrictEqual(child.dacl!.aces, [ace(staff, 1, OI | CI | Sd.AceFlags.INHERITED_ACE)])
    assert.notStrictEqual(child.control & Sd.Control.SE_DACL_AUTO_INHERITED, 0)
    const alone = childOf(descriptor([ace(staff, 1)]), false)
    assert.strictEqual(Access.maximal(alone, identity(joe, [])), rights)
    assert.strictEqual(Access.maximal(alone, identity(ann, [staff])), 0)
  })

  it("takes the list that the creator asks for instead, with generic rights mapped", () => {
    const parent = descriptor([ace(Access.sids.everyone, rights, OI | CI)])
    const asked = { ...descriptor([ace(ann, 0x8000_0000 | 0)], ann), group: undefined }
    const child = Access.forChild(parent, asked, identity(joe, []), domain, false)
    assert.strictEqual(child.owner, ann)
    assert.strictEqual(Access.maximal(child, identity(joe, [])), 0)
    assert.strictEqual(
      Access.maximal({ ...child, owner: staff }, identity(ann, [])),
      Access.generic.read
    )
    // ACL_REVISION_DS (MS-DTYP 2.4.5) is needed for entries with objects.
    const objects = { ...asked, dacl: { ...asked.dacl!, aclRevision: 4 } }
    assert.strictEqual(Access.forChild(parent, objects, identity(joe, []), domain, false).dacl!.aclRevision, 4)
  })

  it("passes CREATOR GROUP, generic rights and unknown entries on as a table says", () => {
    const generic = 0x8000_0000 | 0
    const { creatorGroup, creatorOwner } = Access.sids
    const read = Access.generic.read
    const group = `${domain}-513`
    /** An entry of the parent; the entries of a new file and of a new folder. */
    const table: ReadonlyArray<readonly [Sd.Ace, ReadonlyArray<Sd.Ace>, ReadonlyArray<Sd.Ace>]> = [
      [ace(creatorGroup, 1, OI | CI), [ace(group, 1)], [ace(group, 1), ace(creatorGroup, 1, OI | CI | IO)]],
      [ace(creatorOwner, 1, CI), [], [ace(joe, 1), ace(creatorOwner, 1, CI | IO)]],
      [ace(creatorOwner, generic, OI), [ace(joe, read)], [ace(creatorOwner, generic, OI | IO)]],
      [ace(staff, generic, OI | CI), [ace(staff, read)], [ace(staff, read), ace(staff, generic, OI | CI | IO)]],
      [ace(staff, generic, OI | CI | NP), [ace(staff, read)], [ace(staff, read)]],
      [ace(creatorOwner, generic, CI | NP), [], [ace(joe, read)]],
      [ace(staff, 1, OI | CI, ACCESS_DENIED_ACE_TYPE), [ace(staff, 1, 0, ACCESS_DENIED_ACE_TYPE)], [
        ace(staff, 1, OI | CI, ACCESS_DENIED_ACE_TYPE)
      ]],
      [{ _tag: "Other", aceType: 9, aceFlags: OI | CI, data: new Uint8Array(8) } as never, [], []]
    ]
    const always = ace(ann, 1, OI | CI)
    for (const marked of [false, true]) {
      const control = Sd.Control.SE_DACL_PRESENT | Sd.Control.SE_DACL_AUTO_INHERITED | Sd.Control.SE_SACL_PRESENT
      const mark = (entry: Sd.Ace) =>
        marked ? { ...entry, aceFlags: entry.aceFlags | Sd.AceFlags.INHERITED_ACE } : entry
      for (const [entry, ...expected] of table) {
        const parent = { ...descriptor([entry, always]), ...(marked ? { control } : {}) }
        for (const [i, directory] of [false, true].entries()) {
          const child = childOf(parent, directory)
          const last = ace(ann, 1, directory ? OI | CI : 0)
          assert.deepStrictEqual<unknown>(child.dacl, { aclRevision: 2, aces: [...expected[i]!, last].map(mark) })
          assert.strictEqual(
            child.control,
            Sd.Control.SE_DACL_PRESENT | (marked ? Sd.Control.SE_DACL_AUTO_INHERITED : 0)
          )
          assert.isUndefined(child.sacl)
        }
      }
    }
  })

  it("gives the creator and the system all rights when nothing is inherited, without the mark of inheritance", () => {
    for (const aces of [undefined, [], [ace(staff, 1)]]) {
      const parent = descriptor(aces)
      const child = childOf({ ...parent, control: parent.control | Sd.Control.SE_DACL_AUTO_INHERITED }, true)
      assert.deepStrictEqual<unknown>(child, {
        sbz1: 0,
        control: Sd.Control.SE_DACL_PRESENT,
        owner: joe,
        group: `${domain}-513`,
        sacl: undefined,
        dacl: { aclRevision: 2, aces: [ace(joe, rights), ace(Access.sids.system, rights)] }
      })
    }
  })

  it("keeps the owner, group and audit list that the creator asks for, with or without a list of rights", () => {
    const parent = descriptor([ace(staff, 1, OI | CI)])
    const sacl = { aclRevision: 2, aces: [ace(staff, 1)] }
    const { SE_DACL_PRESENT, SE_SACL_PRESENT, SE_SELF_RELATIVE } = Sd.Control
    const child = (asked: Sd.SecurityDescriptor) => Access.forChild(parent, asked, identity(joe, []), domain, false)
    const without = child({
      ...descriptor(undefined, ann),
      control: SE_SACL_PRESENT | SE_SELF_RELATIVE,
      group: staff,
      sacl
    })
    assert.deepStrictEqual<unknown>(without, {
      sbz1: 0,
      control: SE_DACL_PRESENT | SE_SACL_PRESENT,
      owner: ann,
      group: staff,
      sacl,
      dacl: { aclRevision: 2, aces: [ace(staff, 1)] }
    })
    // A list that is present and null gives all rights to all users.
    const open = { ...descriptor(undefined, ann), owner: undefined, group: undefined }
    assert.deepStrictEqual<unknown>(child(open), { ...open, owner: joe, group: `${domain}-513`, dacl: undefined })
    const generic = 0x8000_0000 | 0
    const other = { _tag: "Other", aceType: 9, aceFlags: 0, data: new Uint8Array(8) } as never as Sd.Ace
    const asked = descriptor([ace(ann, generic), ace(ann, generic, IO | OI), other])
    assert.deepStrictEqual(child(asked).dacl!.aces, [ace(ann, Access.generic.read), ace(ann, generic, IO | OI), other])
  })

  it("lets a user own files under the own SID only, and an administrator under any", () => {
    for (
      const [user, owner, may] of [
        [identity(joe, [staff]), joe, true],
        [identity(joe, [staff]), staff, false],
        [identity(joe, [staff]), ann, false],
        [identity(joe, [], true), ann, true]
      ] as const
    ) assert.strictEqual(Access.mayOwn(user, owner), may)
  })
})
