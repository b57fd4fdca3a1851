/**
 * Security descriptors (MS-DTYP 2.4) against bytes of smbd, smbcacls and smbtorture with tshark's values and Samba's
 * SDDL; SIDs, ACEs and reparse points (MS-FSCC 2.1.2) against the documents' tables.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readFileSync } from "node:fs"
import * as Codec from "../../src/Codec/Codec.ts"
import * as Reparse from "../../src/Codec/Reparse.ts"
import { toSddl } from "../../src/Codec/Sddl.ts"
import * as Security from "../../src/Codec/SecurityDescriptor.ts"
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
      assert.strictEqual(toSddl(value), sddl)
      assert.strictEqual(Buffer.from(Codec.encode(Security.SecurityDescriptor)(value)).toString("hex"), bytes)
    }
  )
})

describe("a SID", () => {
  // Well-known SIDs of MS-DTYP 2.4.2.4, and an authority beyond 32 bits (2.4.2.1).
  it.each([
    ["S-1-1-0", "01 01 000000000001 00000000"],
    ["S-1-5-32-544", "01 02 000000000005 20000000 20020000"],
    ["S-1-16-12288", "01 01 000000000010 00300000"],
    ["S-1-0x123456789ABC-7", "01 01 123456789abc 07000000"],
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

describe("an ACE", () => {
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
