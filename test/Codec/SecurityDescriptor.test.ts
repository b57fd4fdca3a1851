/**
 * Security descriptors (MS-DTYP 2.4) against bytes of smbd, smbcacls and smbtorture with tshark's values and Samba's
 * SDDL; SIDs, ACEs and reparse points (MS-FSCC 2.1.2) against the documents' tables.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readFileSync } from "node:fs"
import * as Codec from "../../src/Codec/Codec.ts"
import { Reader, Writer } from "../../src/Codec/Cursor.ts"
import * as Reparse from "../../src/Codec/Reparse.ts"
import { fromSddl, toSddl } from "../../src/Codec/Sddl.ts"
import * as Security from "../../src/Codec/SecurityDescriptor.ts"
import { random } from "../random.ts"
import { hostile } from "./hostile.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"))

interface Sample {
  readonly bytes: string
  readonly sddl: string
  readonly fields: {
    readonly sid: ReadonlyArray<string>
    readonly aceType: ReadonlyArray<number>
    readonly aceFlags: ReadonlyArray<number>
    readonly mask: ReadonlyArray<number>
    readonly control: number
  }
}

const { samples }: { readonly samples: ReadonlyArray<Sample> } = JSON.parse(
  readFileSync(new URL("./fixtures/security.json", import.meta.url), "utf8")
)

/** Samba 4.17 writes each mask with eight digits. Windows, and Samba since 4.18, name the rights to a file. */
const asWindows = (sddl: string): string =>
  sddl.replace(/0x[0-9a-f]{8}/g, (mask) => {
    const names: Record<string, string> = { "1f01ff": "FA", "120089": "FR", "120116": "FW", "1200a0": "FX" }
    const digits = Number(mask).toString(16)
    return names[digits] ?? `0x${digits}`
  })

describe("a recorded security descriptor of smbd, smbcacls and smbtorture", () => {
  it.each(samples.map((sample, i) => [i, sample] as const))(
    "has tshark's values and Samba's SDDL, and is encoded to the same bytes: sample %i",
    (_, { bytes, fields, sddl }) => {
      const result = Codec.decode("SECURITY_DESCRIPTOR", Security.SecurityDescriptor)(hex(bytes))
      assert(Result.isSuccess(result))
      const value = result.success
      const aces = [...(value.sacl?.aces ?? []), ...(value.dacl?.aces ?? [])]
      const sids = [value.owner, value.group, ...aces.map((ace) => (ace._tag === "Raw" ? undefined : ace.sid))]
      assert.deepStrictEqual(sids.filter((sid) => sid !== undefined), [...fields.sid])
      assert.deepStrictEqual(aces.map((ace) => ace.aceType), [...fields.aceType])
      assert.deepStrictEqual(aces.map((ace) => ace.aceFlags), [...fields.aceFlags])
      assert.deepStrictEqual(aces.map((ace) => (ace._tag === "Raw" ? undefined : ace.mask)), [...fields.mask])
      assert.strictEqual(value.control, fields.control)
      assert.strictEqual(toSddl(value), asWindows(sddl))
      assert.strictEqual(Buffer.from(Codec.encode(Security.SecurityDescriptor)(value)).toString("hex"), bytes)
    }
  )
})

describe("the SDDL of a security descriptor", () => {
  it("of Samba gives the descriptor that Samba wrote as that text", () => {
    for (const { bytes, sddl } of samples) {
      const value = Result.getOrThrow(Codec.decode("SECURITY_DESCRIPTOR", Security.SecurityDescriptor)(hex(bytes)))
      const read = Result.getOrThrow(fromSddl(sddl))
      const shown = ({ dacl, group, owner, sacl }: Security.SecurityDescriptor) => ({
        owner,
        group,
        dacl: dacl?.aces,
        sacl: sacl?.aces
      })
      assert.deepStrictEqual(shown(read), shown(value), sddl)
      assert.strictEqual(toSddl(read), asWindows(sddl))
    }
  })

  const installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
  const service = "CCDCLCSWRPWPDTLOCRSDRCWDWO"

  // What Windows itself has written: folders and a drive (icacls /save), a service (sc sdshow), labels, and an object of
  // a directory.
  it.each([
    `O:${installer}G:${installer}D:PAI(A;OICIIO;GA;;;CO)(A;OICIIO;GA;;;SY)(A;;0x1301bf;;;SY)(A;OICIIO;GA;;;BA)` +
    `(A;;0x1301bf;;;BA)(A;OICIIO;GXGR;;;BU)(A;;0x1200a9;;;BU)(A;CIIO;GA;;;${installer})(A;;FA;;;${installer})` +
    "(A;;0x1200a9;;;AC)(A;OICIIO;GXGR;;;AC)(A;;0x1200a9;;;S-1-15-2-2)(A;OICIIO;GXGR;;;S-1-15-2-2)",
    "D:PAI(A;OICIIO;SDGXGWGR;;;AU)(A;;LC;;;AU)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)",
    "O:BAG:S-1-5-21-1004336348-1177238915-682003330-513D:AI(D;OICI;FW;;;AN)(A;OICIID;FA;;;SY)(A;ID;FR;;;WD)",
    `D:(A;;CCLCSWRPWPDTLOCRRC;;;SY)(A;;${service};;;BA)(A;;CCLCSWLOCRRC;;;IU)(A;;CCLCSWLOCRRC;;;SU)S:(AU;FA;${service};;;WD)`,
    "S:(ML;OICI;NW;;;LW)",
    "S:P(ML;;NWNRNX;;;MP)",
    "D:ARAI(OA;CIIO;RP;4c164200-20c0-11d0-a768-00aa006e0529;4828cc14-1437-45bc-9b07-ad6f015e5f28;RU)" +
    "(OA;;CR;ab721a53-1e2f-11d0-9819-00aa0040529b;;PS)(A;;LCRPLORC;;;ED)",
    "O:SYD:PNO_ACCESS_CONTROL"
  ])("of Windows is read, and written as the same text: %s", (sddl) => {
    const read = Result.getOrThrow(fromSddl(sddl))
    assert.strictEqual(toSddl(read), sddl)
    const bytes = Codec.encode(Security.SecurityDescriptor)(read)
    const again = Result.getOrThrow(Codec.decode("SECURITY_DESCRIPTOR", Security.SecurityDescriptor)(bytes))
    assert.strictEqual(toSddl(again), sddl)
  })

  // MS-DTYP 2.5.1.1 names them, and 2.4.2.4 has the SIDs, in the order of the syntax.
  it("has letters for each SID that MS-DTYP 2.5.1.1 names", () => {
    const domain = "S-1-5-21-1-2-3"
    const rootDomain = "S-1-5-21-4-5-6"
    const machine = "S-1-5-21-7-8-9"
    const builtin = { BA: 544, BG: 546, BU: 545, AO: 548, BO: 551, PO: 550, SO: 549, PU: 547, RE: 552, RU: 554 }
    const more = { RD: 555, NO: 556, MU: 558, LU: 559, IS: 568, CY: 569, ER: 573, CD: 574, RA: 575, ES: 576, MS: 577 }
    const last = { HA: 578, AA: 579, RM: 580 }
    const inDomain = { DA: 512, DG: 514, DU: 513, DD: 516, DC: 515, CA: 517, RS: 553, PA: 520, CN: 522 }
    const expected = {
      ...Object.fromEntries(Object.entries({ ...builtin, ...more, ...last }).map(([k, rid]) => [k, `S-1-5-32-${rid}`])),
      ...Object.fromEntries(Object.entries(inDomain).map(([k, rid]) => [k, `${domain}-${rid}`])),
      ...{ LA: `${machine}-500`, LG: `${machine}-501` },
      ...{ SA: `${rootDomain}-518`, EA: `${rootDomain}-519`, RO: `${rootDomain}-498` },
      ...{ ED: "S-1-5-9", AU: "S-1-5-11", PS: "S-1-5-10", CO: "S-1-3-0", CG: "S-1-3-1", SY: "S-1-5-18", WD: "S-1-1-0" },
      ...{ IU: "S-1-5-4", NU: "S-1-5-2", SU: "S-1-5-6", RC: "S-1-5-12", WR: "S-1-5-33", AN: "S-1-5-7", LS: "S-1-5-19" },
      ...{ NS: "S-1-5-20", OW: "S-1-3-4", AC: "S-1-15-2-1", UD: "S-1-5-84-0-0-0-0-0", LW: "S-1-16-4096" },
      ...{ ME: "S-1-16-8192", MP: "S-1-16-8448", HI: "S-1-16-12288", SI: "S-1-16-16384" }
    }
    // The syntax has 61 of them.
    assert.strictEqual(Object.keys(expected).length, 61)
    for (const [letters, sid] of Object.entries(expected)) {
      const read = Result.getOrThrow(fromSddl(`O:${letters}`, { domain, machine, rootDomain }))
      assert.strictEqual(read.owner, sid, letters)
      assert.strictEqual(toSddl(read, { domain, machine, rootDomain }), `O:${letters}`)
    }
    // Without their domain the letters mean nothing, and a domain may not be the root of its forest.
    for (
      const [letters, numbers] of [
        ["DA", "as numbers, such as S-1-5-21-1-2-3-512, because the SID of the domain is not known"],
        ["EA", "as numbers, such as S-1-5-21-1-2-3-519, because the SID of the root domain of the forest is not known"],
        ["LA", "as numbers, such as S-1-5-21-1-2-3-500, because the SID of the machine is not known"]
      ] as const
    ) {
      const refused = fromSddl(`O:${letters}`, letters === "DA" ? { machine, rootDomain } : { domain })
      assert(Result.isFailure(refused))
      assert.include(refused.failure.message, numbers)
    }
    assert.strictEqual(toSddl(Result.getOrThrow(fromSddl(`O:${domain}-519`))), `O:${domain}-519`)
  })

  it("refuses entries with a condition and resource attributes by their type", () => {
    for (
      const [entry, type] of [
        ["(XA;;FX;;;S-1-1-0;(@User.Title==\"PM\"))", "XA"],
        ["(XD;;FX;;;S-1-1-0;(Member_of {SID(BA)}))", "XD"],
        ["(ZA;;FX;;;WD;(a))", "ZA"]
      ] as const
    ) {
      const result = fromSddl(`D:${entry}`)
      assert(Result.isFailure(result))
      assert.strictEqual(result.failure.offset, 3)
      assert.include(result.failure.message, `without a condition: the bytes of ${type} are kept`)
    }
    for (const entry of ["(XU;;FX;;;WD;(a))", "(RA;;;;;WD;(\"Secrecy\",TU,0,3))"]) {
      assert.strictEqual(Result.getOrThrow(Result.flip(fromSddl(`S:${entry}`))).offset, 3)
    }
    // An entry of type 9 with its condition has no text.
    const raw: Security.Ace = { _tag: "Raw", aceType: 9, aceFlags: 0, data: new Uint8Array(24) }
    const control = Security.Control.SE_DACL_PRESENT
    const descriptor = { sbz1: 0, control, owner: undefined, group: undefined, sacl: undefined }
    assert.isUndefined(toSddl({ ...descriptor, dacl: { aclRevision: 2, aces: [raw] } }))
  })

  it("of arbitrary descriptors gives the same descriptor again, and the same text", () => {
    const next = random(2_512)
    const { Control } = Security
    for (let turn = 0; turn < 2000; turn++) {
      const made = descriptorOf(next)
      // What SDDL has no text for: other bits of Control, other flags of entries, and entries that are kept as bytes.
      const written = Control.SE_DACL_PROTECTED | Control.SE_DACL_AUTO_INHERITED | Control.SE_DACL_AUTO_INHERIT_REQ |
        Control.SE_SACL_PROTECTED | Control.SE_SACL_AUTO_INHERITED | Control.SE_SACL_AUTO_INHERIT_REQ
      const only = (acl: Security.Acl | undefined) => {
        if (acl === undefined) return undefined
        const aces = acl.aces.flatMap((ace) => ace._tag === "Raw" ? [] : [{ ...ace, aceFlags: ace.aceFlags & 0xdf }])
        return { aclRevision: aces.some(({ _tag }) => _tag === "Object") ? 4 : 2, aces }
      }
      const value: Security.SecurityDescriptor = {
        ...made,
        sbz1: 0,
        control: Control.SE_SELF_RELATIVE |
          (made.dacl === undefined ? 0 : Control.SE_DACL_PRESENT | (made.control & written & ~0x2a00)) |
          (made.sacl === undefined ? 0 : Control.SE_SACL_PRESENT | (made.control & written & 0x2a00)),
        dacl: only(made.dacl),
        sacl: only(made.sacl)
      }
      const sddl = toSddl(value)!
      const read = Result.getOrThrow(fromSddl(sddl))
      assert.deepEqual(read, value, sddl)
      assert.strictEqual(toSddl(read), sddl)
    }
  })

  // MS-DTYP 2.5.1.1: the rights of files are 0x1f01ff, 0x120089, 0x120116 and 0x1200a0.
  it("names rights, SIDs and entries in the ways of MS-DTYP 2.5.1", () => {
    const aces = (text: string) => {
      const { dacl } = Result.getOrThrow(fromSddl(text))
      return dacl?.aces.map((ace) => ace._tag === "Raw" ? [] : [ace.aceType, ace.aceFlags, ace.mask, ace.sid])
    }
    assert.deepStrictEqual(aces("D:(A;;FA;;;BA)(D;OICI;FRFW;;;S-1-5-21-1-2-3-1000)(a;;0x1F;;;s-1-05-018)(A;;7;;;wd)"), [
      [0, 0, 0x1f01ff, "S-1-5-32-544"],
      [1, 3, 0x12019f, "S-1-5-21-1-2-3-1000"],
      [0, 0, 0x1f, "S-1-5-18"],
      [0, 0, 7, "S-1-1-0"]
    ])
    assert.deepStrictEqual(aces("D:(A;;GRGW;;;AU)"), [[0, 0, 0xc000_0000, "S-1-5-11"]])
    // Octal and decimal numbers, and the rights of a key of the registry.
    assert.deepStrictEqual(aces("D:(A;;017;;;AU)(A;;17;;;AU)(A;;0;;;AU)(A;;KAKR;;;AU)"), [
      [0, 0, 0o17, "S-1-5-11"],
      [0, 0, 17, "S-1-5-11"],
      [0, 0, 0, "S-1-5-11"],
      [0, 0, 0xf003f, "S-1-5-11"]
    ])
    const { control, dacl, sacl } = Result.getOrThrow(fromSddl("D:PAIS:AR(AU;SAFA;FA;;;WD)"))
    assert.deepStrictEqual(dacl?.aces, [])
    assert.strictEqual(sacl?.aces.length, 1)
    const { Control } = Security
    assert.strictEqual(
      control,
      Control.SE_SELF_RELATIVE | Control.SE_DACL_PRESENT | Control.SE_DACL_PROTECTED | Control.SE_DACL_AUTO_INHERITED |
        Control.SE_SACL_PRESENT | Control.SE_SACL_AUTO_INHERIT_REQ
    )
    // All rights for everybody, and no word about access.
    const open = Result.getOrThrow(fromSddl("D:NO_ACCESS_CONTROL"))
    assert.deepStrictEqual([open.dacl, open.control & Control.SE_DACL_PRESENT], [undefined, Control.SE_DACL_PRESENT])
    assert.strictEqual(Result.getOrThrow(fromSddl("O:BA")).control & Control.SE_DACL_PRESENT, 0)
  })

  it.each([
    ["D:(A;;FA;;;DA)", 11],
    ["D:(A;;FA;;;)", 11],
    ["D:(A;;XX;;;BA)", 6],
    ["D:(A;;0x123456789;;;BA)", 6],
    ["D:(A;;4294967296;;;BA)", 6],
    ["D:(A;;019;;;BA)", 6],
    ["D:(Z;;FA;;;BA)", 3],
    ["D:(A;QQ;FA;;;BA)", 5],
    ["D:(A;;FA;;BA)", 10],
    ["D:(A;;FA;f0000000-0000-0000-0000-000000000000;;BA)", 9],
    ["D:(A;;FA;;;BA", 13],
    ["D:(A;;FA;;;S-1-5-4294967296)", 11],
    ["D: (A;;FA;;;BA)", 2],
    ["S:(AU;;FA;;;BA)D:", 15],
    ["x", 0],
    [`D:${"(A;;FA;;;BA)".repeat(501)}`, 2 + 500 * 12 + 1]
  ])("that is wrong is Malformed at the place of the fault: %s", (text, offset) => {
    const result = fromSddl(text)
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure.offset, offset)
  })

  it("of any characters gives a descriptor that can be written, or Malformed", () => {
    const next = random(2_511)
    const parts = [
      "O:",
      "G:",
      "D:",
      "S:",
      "(",
      ")",
      "A",
      "OA",
      ";",
      "FA",
      "BA",
      "S-1-5-",
      "0x",
      "9",
      "-",
      "P",
      "AI",
      "\u00e9"
    ]
    let read = 0
    for (let turn = 0; turn < 5000; turn++) {
      const base = turn % 2 === 0 ? "" : samples[turn % samples.length]!.sddl
      const at = next(base.length + 1)
      const made = Array.from({ length: next(5) }, () => parts[next(parts.length)]).join("")
      const result = fromSddl(base.slice(0, at) + made + base.slice(at + next(3)))
      if (Result.isFailure(result)) continue
      read++
      Codec.encode(Security.SecurityDescriptor)(result.success)
      assert.deepStrictEqual(fromSddl(toSddl(result.success)!), result)
    }
    assert.isAbove(read, 100)
  })
})

describe("a SID", () => {
  // Well-known SIDs of MS-DTYP 2.4.2.4, and an authority beyond 32 bits (2.4.2.1).
  it.each([
    ["S-1-1-0", "01 01 000000000001 00000000"],
    ["S-1-5-32-544", "01 02 000000000005 20000000 20020000"],
    ["S-1-16-12288", "01 01 000000000010 00300000"],
    ["S-1-0x123456789ABC-7", "01 01 123456789abc 07000000"],
    ["S-1-0x000100000000-0", "01 01 000100000000 00000000"],
    [`S-1-5${"-1".repeat(15)}`, `01 0f 000000000005 ${"01000000".repeat(15)}`],
    ["S-1-5", "01 00 000000000005"],
    ["S-1-5-4294967295", "01 01 000000000005 ffffffff"],
    ["S-1-4294967295-0", "01 01 0000ffffffff 00000000"]
  ])("has the bytes of MS-DTYP: %s", (text, bytes) => {
    assert.deepStrictEqual(Codec.encode(Security.Sid)(text), hex(bytes))
    assert.deepStrictEqual(Codec.decode("SID", Security.Sid)(hex(bytes)), Result.succeed(text))
  })

  it.each(["", "S-1", "S-2-5-32", "S-1-5-4294967296", "S-1-5-" + Array(16).fill("1").join("-"), "S-1-5-x"])(
    "is refused: %j",
    (text) => {
      assert.isFalse(Security.isSid(text))
      assert.throws(() => Codec.encode(Security.Sid)(text), RangeError)
    }
  )
})

describe("the numbers of security descriptors", () => {
  // MS-DTYP 2.4.4.1 and 2.4.6, in the documents' order.
  it("are those of MS-DTYP", () => {
    assert.deepStrictEqual(Object.values(Security.AceType), [0, 1, 2, 5, 6, 7, 9, 10, 11, 12, 13, 15, 17, 18, 19])
    assert.deepStrictEqual(Object.values(Security.AceFlags), [1, 2, 4, 8, 16, 32, 64, 128])
    assert.deepStrictEqual(
      Object.values(Security.Control),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map((bit) => 2 ** bit)
    )
  })

  it("of the fewest bytes are those of an empty list, and of a SID without a number", () => {
    assert.strictEqual(Security.Sid.minimumSize, 8)
    assert.strictEqual(Security.Ace.minimumSize, 4)
    assert.strictEqual(Security.Acl.minimumSize, 8)
    assert.strictEqual(Security.SecurityDescriptor.minimumSize, 20)
    // Two entries of 4 bytes: there is no room for a third.
    const acl = (count: string) => hex(`02 00 1000 ${count} 0000 09 00 0400 09 00 0400`)
    assert(Result.isSuccess(Codec.decode("ACL", Security.Acl)(acl("0200"))))
    assert(Result.isFailure(Codec.decode("ACL", Security.Acl)(acl("0300"))))
  })
})

/** An arbitrary descriptor: each of its parts can be missing. */
const descriptorOf = (next: (limit: number) => number): Security.SecurityDescriptor => {
  const maybe = <A>(of: () => A): A | undefined => next(3) === 0 ? undefined : of()
  const bytes = (length: number) => Uint8Array.from({ length }, () => next(256))
  const sid = () => {
    const authority = next(2) === 0 ? String(next(0x1_0000_0000)) : `0x${(0x1000_0000_0000 + next(9)).toString(16)}`
    return ["S-1", authority, ...Array.from({ length: next(16) }, () => next(0x1_0000_0000))].join("-").toUpperCase()
      .replace("X", "x")
  }
  const ace = (): Security.Ace => {
    const aceFlags = next(256)
    const mask = next(0x1_0000_0000)
    switch (next(3)) {
      case 0:
        return { _tag: "Basic", aceType: [0, 1, 2, 0x11, 0x13][next(5)]!, aceFlags, mask, sid: sid() }
      case 1:
        return {
          _tag: "Object",
          aceType: 5 + next(3),
          aceFlags,
          mask,
          objectType: maybe(() => bytes(16)),
          inheritedObjectType: maybe(() => bytes(16)),
          sid: sid()
        }
      default: {
        const aceType = [3, 4, 8, 9, 0x0a, 0x0b, 0x0c, 0x0d, 0x0f, 0x10, 0x12, 0x14, 0xff][next(13)]!
        return { _tag: "Raw", aceType, aceFlags, data: bytes(4 * next(9)) }
      }
    }
  }
  const acl = () => ({ aclRevision: [2, 4][next(2)]!, aces: Array.from({ length: next(4) }, ace) })
  const [owner, group, sacl, dacl] = [maybe(sid), maybe(sid), maybe(acl), maybe(acl)]
  const { SE_DACL_PRESENT, SE_SACL_PRESENT, SE_SELF_RELATIVE } = Security.Control
  const control = next(0x1_0000) & ~(SE_SACL_PRESENT | SE_DACL_PRESENT) | SE_SELF_RELATIVE
    | (sacl === undefined ? 0 : SE_SACL_PRESENT) | (dacl === undefined ? 0 : SE_DACL_PRESENT)
  return { sbz1: next(256), control, owner, group, sacl, dacl }
}

it("an arbitrary descriptor comes back from its bytes, which are the same at any place of a message", () => {
  const next = random(20)
  for (let i = 0; i < 500; i++) {
    const value = descriptorOf(next)
    const bytes = Codec.encode(Security.SecurityDescriptor)(value)
    assert.strictEqual(bytes.length % 4, 0)
    const writer = new Writer()
    writer.u8(0xee)
    // The writer sets what the value's parts say.
    Security.SecurityDescriptor.write(writer, { ...value, control: value.control & ~0x8014 })
    assert.deepStrictEqual(writer.finish().subarray(1), bytes)
    const reader = new Reader(Uint8Array.from([0xee, ...bytes, 0xee, 0xee]))
    reader.offset = 1
    assert.deepEqual(Security.SecurityDescriptor.read(reader), value)
    assert.strictEqual(reader.offset, bytes.length + 1)
  }
})

describe("an ACE", () => {
  // 2.4.4.1: a type whose layout is not read, and one with data after its SID, keep their bytes.
  it("has the layout of its type, for each type", () => {
    const sid = "0101000000000005 0b000000"
    const tagOf = (type: number, body: string) => {
      const bytes = hex(`${Buffer.of(type).toString("hex")} 00 ${body}`)
      const result = Codec.decode("ACE", Security.Ace)(bytes)
      assert(Result.isSuccess(result))
      assert.deepStrictEqual(Codec.encode(Security.Ace)(result.success), bytes)
      return result.success._tag
    }
    const of = (tag: string) => {
      const body = tag === "Object" ? `1800 00010000 00000000 ${sid}` : `1400 00010000 ${sid}`
      return Array.from({ length: 256 }, (_, type) => type).filter((type) =>
        (tag === "Object" ? type >= 5 && type <= 7 : type < 5 || type > 7) && tagOf(type, body) === tag
      )
    }
    assert.deepStrictEqual(of("Basic"), [0, 1, 2, 0x11, 0x13])
    assert.deepStrictEqual(of("Object"), [5, 6, 7])
    for (const type of [0, 1, 2, 0x11, 0x13]) assert.strictEqual(tagOf(type, `1800 00010000 ${sid} 61727478`), "Raw")
    for (const type of [5, 6, 7]) assert.strictEqual(tagOf(type, `1c00 00010000 00000000 ${sid} 61727478`), "Raw")
  })

  it("and an ACL have at most 65535 bytes, as many as their sizes can say", () => {
    const ace = (length: number): Security.Ace => ({
      _tag: "Raw",
      aceType: 9,
      aceFlags: 0,
      data: new Uint8Array(length)
    })
    const sizeOf = <A>(codec: Codec.Codec<A>, value: A) => {
      const bytes = Codec.encode(codec)(value)
      return [bytes.length, bytes[2]! + 256 * bytes[3]!]
    }
    assert.deepStrictEqual(sizeOf(Security.Ace, ace(65_528)), [65_532, 65_532])
    assert.throws(() => sizeOf(Security.Ace, ace(65_529)), RangeError, "not 65536")
    assert.deepStrictEqual(sizeOf(Security.Acl, { aclRevision: 2, aces: [ace(65_520)] }), [65_532, 65_532])
    assert.throws(() => sizeOf(Security.Acl, { aclRevision: 2, aces: [ace(65_524)] }), RangeError, "not 65536")
  })

  // MS-DTYP 2.4.4.3: mask, flags, one GUID of two, SID.
  it("of an object has the fields of MS-DTYP 2.4.4.3", () => {
    const bytes = hex(`05 02 2800 00010000 01000000 00112233445566778899aabbccddeeff 0101000000000005 0b000000`)
    const result = Codec.decode("ACE", Security.Ace)(bytes)
    assert(Result.isSuccess(result))
    assert.deepStrictEqual(result.success, {
      _tag: "Object",
      aceType: 5,
      aceFlags: 2,
      mask: 0x100,
      objectType: bytes.subarray(12, 28),
      inheritedObjectType: undefined,
      sid: "S-1-5-11"
    })
    assert.deepStrictEqual(Codec.encode(Security.Ace)(result.success), bytes)
  })

  it("of an unknown type keeps its bytes", () => {
    const bytes = hex("09 00 1800 00010000 0101000000000005 0b000000 61727478")
    const result = Codec.decode("ACE", Security.Ace)(bytes)
    assert(Result.isSuccess(result))
    assert.strictEqual(result.success._tag, "Raw")
    assert.deepStrictEqual(Codec.encode(Security.Ace)(result.success), bytes)
  })
})

// MS-DTYP 2.4.2.2, 2.4.4.1, 2.4.5, 2.4.6: a server and a client must not act on a descriptor that contradicts itself.
describe("a descriptor that is refused", () => {
  const sid = "0101000000000005 0b000000"
  const ace = `00 00 1400 00010000 ${sid}`
  const header = (control: string, owner: number, dacl: number) => {
    const u32 = (value: number) => (value >>> 0).toString(16).padStart(8, "0").match(/../g)!.reverse().join("")
    return `01 00 ${control} ${u32(owner)} 00000000 00000000 ${u32(dacl)}`
  }
  const refused: ReadonlyArray<readonly [string, string, RegExp]> = [
    ["another Revision", `02 00 0080 00000000 00000000 00000000 00000000`, /Revision 1, not 2/],
    ["an absolute form, whose fields are pointers", header("0000", 20, 0) + sid, /SE_SELF_RELATIVE/],
    ["an owner in the descriptor's own header", header("0080", 4, 0) + sid, /after the descriptor's header, not 4/],
    ["an owner in the last byte of the header", header("0080", 19, 0) + sid, /after the descriptor's header, not 19/],
    ["a DACL in the descriptor's own header", header("0480", 0, 12), /after the descriptor's header, not 12/],
    ["an owner after the end", header("0080", 200, 0) + sid, /inside it/],
    ["an owner that is cut off", header("0080", 20, 0) + sid.slice(0, -2), /./],
    [
      "an owner with 16 subauthorities",
      header("0080", 20, 0) + "0110000000000005" + "00000000".repeat(16),
      /at most 15/
    ],
    ["an owner of another SID Revision", header("0080", 20, 0) + "0201000000000005 0b000000", /Revision 1, not 2/],
    ["a DACL shorter than its header", header("0480", 0, 20) + "02 00 0700 0000 0000", /AclSize of at least 8, not 7/],
    [
      "a DACL that goes on after the end",
      header("0480", 0, 20) + "02 00 0900 0000 0000",
      /an ACL inside its descriptor/
    ],
    ["more entries than the DACL has room for", header("0480", 0, 20) + `02 00 1c00 0200 0000 ${ace}`, /./],
    [
      "an entry shorter than its header",
      header("0480", 0, 20) + "02 00 0c00 0100 0000 00 00 0300",
      /at least 4, not 3/
    ],
    [
      "an entry that goes on after its DACL",
      header("0480", 0, 20) + `02 00 1c00 0100 0000 00 00 1800 00010000 ${sid} 00000000`,
      /an ACE inside its ACL/
    ]
  ]
  it.each(refused)("%s", (_, bytes, expected) => {
    const result = Codec.decode("SECURITY_DESCRIPTOR", Security.SecurityDescriptor)(hex(bytes))
    assert(Result.isFailure(result))
    assert.match(result.failure.message, expected)
  })

  it.each([
    ["the descriptor's Revision", `02 00 0080 00000000 00000000 00000000 00000000`, 0],
    ["SE_SELF_RELATIVE", header("0000", 0, 0), 2],
    ["SubAuthorityCount", header("0080", 20, 0) + "0110000000000005" + "00000000".repeat(16), 21],
    ["the SID's Revision", header("0080", 20, 0) + "0201000000000005 0b000000", 20],
    ["AclSize", header("0480", 0, 20) + "02 00 0700 0000 0000", 22],
    ["AceSize", header("0480", 0, 20) + "02 00 0c00 0100 0000 00 00 0300", 30]
  ])("says where %s is", (_, bytes, offset) => {
    const result = Codec.decode("SECURITY_DESCRIPTOR", Security.SecurityDescriptor)(hex(bytes))
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure.offset, offset)
  })

  it("differs by these alone from one that is taken", () => {
    const bytes = header("0480", 20, 32) + sid + `02 00 1c00 0100 0000 ${ace}`
    const result = Codec.decode("SECURITY_DESCRIPTOR", Security.SecurityDescriptor)(hex(bytes))
    assert(Result.isSuccess(result))
    assert.strictEqual(result.success.owner, "S-1-5-11")
    assert.deepStrictEqual(result.success.dacl?.aces, [
      { _tag: "Basic", aceType: 0, aceFlags: 0, mask: 0x100, sid: "S-1-5-11" }
    ])
    // Without SE_DACL_PRESENT the place of a DACL says nothing.
    const without = Codec.decode("SECURITY_DESCRIPTOR", Security.SecurityDescriptor)(hex(header("0080", 0, 7)))
    assert(Result.isSuccess(without))
    assert.isUndefined(without.success.dacl)
  })
})

describe("a reparse point", () => {
  // MS-FSCC 2.1.2.4 and 2.1.2.5: as `mklink` and `mklink /J` of Windows make them, but with the print name second.
  it("that is a symbolic link has the document's bytes, and is read with the print name first too", () => {
    const value = { _tag: "SymbolicLink", substituteName: "..\\a", printName: "..\\a", flags: 1 } as const
    const name = "2e002e005c006100"
    const bytes = hex(`0c0000a0 1c00 0000 0000 0800 0800 0800 01000000 ${name} ${name}`)
    assert.deepStrictEqual(Codec.encode(Reparse.ReparseDataBuffer)(value), bytes)
    assert.deepStrictEqual(Codec.decode("", Reparse.ReparseDataBuffer)(bytes), Result.succeed(value))
    // Windows itself writes the print name first.
    const turned = hex(`0c0000a0 1a00 0000 0600 0800 0000 0600 01000000 2e002e005c00 ${name}`)
    assert.deepStrictEqual(
      Codec.decode("", Reparse.ReparseDataBuffer)(turned),
      Result.succeed({ ...value, printName: "..\\" })
    )
  })

  it("that is a mount point has the document's bytes", () => {
    const value = { _tag: "MountPoint", substituteName: "\\??\\C:\\", printName: "C:\\" } as const
    const bytes = hex(`030000a0 2000 0000 0000 0e00 1000 0600 5c003f003f005c0043003a005c000000 43003a005c000000`)
    assert.deepStrictEqual(Codec.encode(Reparse.ReparseDataBuffer)(value), bytes)
    assert.deepStrictEqual(Codec.decode("", Reparse.ReparseDataBuffer)(bytes), Result.succeed(value))
  })

  it("that is an NFS link or device, or has an unknown tag, has the document's bytes", () => {
    const all = [
      [{ _tag: "NfsLink", target: "a" }, "14000080 0a00 0000 4c4e4b0100000000 6100"],
      [
        { _tag: "NfsDevice", nfsType: 0x524843n, major: 1, minor: 3 },
        "14000080 1000 0000 4348520000000000 01000000 03000000"
      ],
      [
        { _tag: "Guid", reparseTag: 5, reparseGuid: "8a885d04-1ceb-11c9-9fe8-08002b104860", data: hex("aabb") },
        "05000000 0200 0000 045d888aeb1cc9119fe808002b104860 aabb"
      ],
      [{ _tag: "Microsoft", reparseTag: 0x80000023, data: hex("") }, "23000080 0000 0000"]
    ] as const
    for (const [value, bytes] of all) {
      assert.deepStrictEqual(Codec.encode(Reparse.ReparseDataBuffer)(value), hex(bytes))
      assert.deepEqual(Codec.decode("", Reparse.ReparseDataBuffer)(hex(bytes)), Result.succeed(value))
    }
  })
})

it("truncated, changed and random descriptors and reparse points give a value or Malformed", () => {
  hostile(Security.SecurityDescriptor, samples.slice(0, 6).map(({ bytes }) => hex(bytes)), (value) => {
    Codec.encode(Security.SecurityDescriptor)(value)
    toSddl(value)
  })
  hostile(Reparse.ReparseDataBuffer, [
    hex("0c0000a0 1a00 0000 0600 0800 0000 0600 01000000 2e002e005c00 2e002e005c006100")
  ])
})
