/**
 * Proves which values SET_INFO accepts (MS-SMB2 3.3.5.21, MS-FSA 2.1.5.15, 2.1.5.17), with their statuses: each bit and
 * each limit by itself, names for a rename, and the parts of a security descriptor.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, FileInformation, NtStatus as Status, SecurityDescriptor as Sd } from "effect-smb/Codec"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import {
  AccessMask as A,
  CreateDisposition as D,
  CreateOptions as O,
  FileAttributes as F,
  SecurityInformation as S,
  ShareAccess
} from "../../src/Smb2/Message/Constants.ts"
import { type Client, encode, everything, type People, people, rename, sids } from "./people.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.37"
const {
  STATUS_ACCESS_DENIED,
  STATUS_CANNOT_DELETE,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_NOT_SUPPORTED,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_SHARING_VIOLATION
} = NtStatus

const cases = (name: string, run: (among: People) => Promise<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(people(host), (among) => Effect.promise(() => run(among)))))

const folder = { createOptions: O.FILE_DIRECTORY_FILE }
const u64 = (value: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value))
  return bytes
}
const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer)
const set = (client: Client, file: FileId, name: Requests.InformationClass, buffer: Uint8Array) =>
  client.status(Requests.set(file, "file", name, buffer))

const untouched = { creationTime: 0n, lastAccessTime: 0n, lastWriteTime: 0n, changeTime: 0n, fileAttributes: 0 }
const basic = (changes: Partial<typeof untouched>) =>
  Codec.encode(FileInformation.FileBasicInformation)({ ...untouched, ...changes })
const basicOf = async (client: Client, file: FileId) => {
  const answer = (await client.ask(Requests.query(file, "file", "FileBasicInformation")))!
  const decoded = Codec.decode("FileBasicInformation", FileInformation.FileBasicInformation)(
    answer.subarray(72, 72 + 40)
  )
  assert(decoded._tag === "Success")
  return decoded.success
}
const sizeOf = async (client: Client, file: FileId): Promise<bigint> =>
  (await client.ask(Requests.query(file, "file", "FileStandardInformation")))!.readBigUInt64LE(72 + 8)

describe("SET_INFO of a file", () => {
  cases("sets the attributes that clients can set, and leaves the others", async ({ ann }) => {
    const [file, directory] = [await ann.must("f"), await ann.must("d", folder)]
    const settable = [0, 1, 2, 5, 8, 12, 13]
    for (let bit = 0; bit < 15; bit++) {
      const fileAttributes = 2 ** bit
      const ofFile = bit === 4 ? STATUS_INVALID_PARAMETER : 0
      assert.strictEqual(await set(ann, file, "FileBasicInformation", basic({ fileAttributes })), ofFile, `${bit}`)
      if (ofFile === 0) {
        const kept = settable.includes(bit) ? fileAttributes : F.FILE_ATTRIBUTE_NORMAL
        assert.strictEqual((await basicOf(ann, file)).fileAttributes, kept, `${bit}`)
      }
      const ofDirectory = bit === 8 ? STATUS_INVALID_PARAMETER : 0
      assert.strictEqual(
        await set(ann, directory, "FileBasicInformation", basic({ fileAttributes })),
        ofDirectory,
        `${bit}`
      )
      if (ofDirectory === 0) {
        assert.strictEqual(
          (await basicOf(ann, directory)).fileAttributes,
          F.FILE_ATTRIBUTE_DIRECTORY | (settable.includes(bit) ? fileAttributes : 0),
          `${bit}`
        )
      }
    }
  })

  cases("sets each time alone, and refuses times below -2", async ({ ann, changes }) => {
    const file = await ann.must("f")
    const names = ["creationTime", "lastAccessTime", "lastWriteTime", "changeTime"] as const
    for (const [at, name] of names.entries()) {
      const before = await basicOf(ann, file)
      const time = 133_000_000_000_000_000n + BigInt(at)
      assert.strictEqual(await set(ann, file, "FileBasicInformation", basic({ [name]: time })), 0)
      const after = await basicOf(ann, file)
      assert.strictEqual(after[name], time)
      for (const other of names) {
        if (other !== name && other !== "changeTime") assert.strictEqual(after[other], before[other])
      }
      assert.strictEqual(after.fileAttributes, before.fileAttributes)
      changes.length = 0
      for (const wrong of [-3n, -(1n << 63n)]) {
        assert.strictEqual(
          await set(ann, file, "FileBasicInformation", basic({ [name]: wrong })),
          STATUS_INVALID_PARAMETER,
          name
        )
      }
      for (const still of [0n, -1n, -2n]) {
        assert.strictEqual(await set(ann, file, "FileBasicInformation", basic({ [name]: still })), 0)
      }
      assert.deepStrictEqual(changes, [])
    }
  })

  cases("sets sizes of files from 0 to 2^63 - 1, and of no directory", async ({ ann }) => {
    const [file, directory] = [await ann.must("f"), await ann.must("d", folder)]
    assert.strictEqual(await ann.status(Requests.write(file, Buffer.from("some text"))), 0)
    for (const name of ["FileEndOfFileInformation", "FileAllocationInformation"] as const) {
      for (const size of [1n << 63n, (1n << 64n) - 1n]) {
        assert.notStrictEqual(await set(ann, file, name, u64(size)), 0)
        assert.strictEqual(await sizeOf(ann, file), name === "FileEndOfFileInformation" ? 9n : 12n)
      }
      if (name === "FileEndOfFileInformation") {
        assert.strictEqual(await set(ann, file, name, u64(1n << 63n)), STATUS_INVALID_PARAMETER)
        assert.notStrictEqual(await set(ann, file, name, u64((1n << 63n) - 1n)), STATUS_INVALID_PARAMETER)
        assert.strictEqual(await set(ann, directory, name, u64(0n)), STATUS_INVALID_PARAMETER)
        assert.strictEqual(await set(ann, file, name, u64(12n)), 0)
        assert.strictEqual(await sizeOf(ann, file), 12n)
      }
    }
    // An allocation never makes a file longer, and cuts it off where it is smaller.
    for (const [allocation, size] of [[12n, 12n], [13n, 12n], [100n, 12n], [11n, 11n], [0n, 0n]] as const) {
      assert.strictEqual(await set(ann, file, "FileAllocationInformation", u64(allocation)), 0)
      assert.strictEqual(await sizeOf(ann, file), size, `${allocation}`)
    }
  })

  cases("accepts the bits of FileModeInformation that exist (MS-FSCC 2.4.31)", async ({ ann }) => {
    const file = await ann.must("f")
    for (let bit = 0; bit < 32; bit++) {
      assert.strictEqual(
        await set(ann, file, "FileModeInformation", u32(2 ** bit)),
        [1, 2, 3, 4, 5, 12].includes(bit) ? 0 : STATUS_INVALID_PARAMETER,
        `${bit}`
      )
    }
  })

  cases("refuses short buffers, unknown classes and unknown types", async ({ ann, changes }) => {
    const file = await ann.must("f")
    changes.length = 0
    const sizes = {
      FileBasicInformation: 40,
      FileRenameInformation: 20,
      FileLinkInformation: 20,
      FileDispositionInformation: 1,
      FileDispositionInformationEx: 4,
      FileEndOfFileInformation: 8,
      FileAllocationInformation: 8,
      FilePositionInformation: 8,
      FileModeInformation: 4
    } as const
    for (const [name, size] of Object.entries(sizes) as Array<[keyof typeof sizes, number]>) {
      assert.strictEqual(await set(ann, file, name, Buffer.alloc(size - 1)), STATUS_INFO_LENGTH_MISMATCH, name)
    }
    assert.strictEqual(await set(ann, file, 200, Buffer.alloc(8)), STATUS_INVALID_INFO_CLASS)
    assert.strictEqual(await set(ann, file, "FileStandardInformation", Buffer.alloc(24)), STATUS_INVALID_INFO_CLASS)
    assert.strictEqual(
      await ann.status(Requests.set(file, "security", 0, Buffer.alloc(19))),
      STATUS_INFO_LENGTH_MISMATCH
    )
    for (
      const [infoType, status] of [
        [2, STATUS_INVALID_INFO_CLASS],
        [4, STATUS_NOT_SUPPORTED],
        [5, STATUS_INVALID_PARAMETER],
        [0, STATUS_INVALID_PARAMETER]
      ]
    ) {
      const { body } = Requests.set(file, "file", "FilePositionInformation", u64(1n)) as any
      assert.strictEqual(await ann.status({ _tag: "SET_INFO", body: { ...body, infoType } }), status, `${infoType}`)
    }
    assert.deepStrictEqual(changes, [])
  })

  cases(
    "deletes a read-only file only with FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE, and never the root",
    async ({ ann }) => {
      const file = await ann.must("f", { fileAttributes: F.FILE_ATTRIBUTE_READONLY })
      const marked = async () => {
        const found = await ann.open("f", { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_ATTRIBUTES })
        if (typeof found !== "number") await ann.status(Requests.close(found))
        return found === NtStatus.STATUS_DELETE_PENDING
      }
      for (let flags = 0; flags < 32; flags++) {
        const deletes = (flags & 1) !== 0
        const ignores = (flags & 0x10) !== 0
        const status = await set(ann, file, "FileDispositionInformationEx", u32(flags))
        assert.strictEqual(status, deletes && !ignores ? STATUS_CANNOT_DELETE : 0, `${flags}`)
        assert.strictEqual(await marked(), deletes && ignores, `${flags}`)
        assert.strictEqual(await set(ann, file, "FileDispositionInformation", Uint8Array.of(0)), 0)
        assert.isFalse(await marked())
      }
      assert.strictEqual(await set(ann, file, "FileDispositionInformation", Uint8Array.of(1)), STATUS_CANNOT_DELETE)
      assert.strictEqual(await ann.status(Requests.close(file)), 0)
      await ann.must("f", { createDisposition: D.FILE_OPEN, desiredAccess: A.DELETE })
      // A stream of the root can be deleted, and the root cannot.
      const [root, stream] = [await ann.must("", folder), await ann.must(":s")]
      for (const flags of [1, 0x11]) {
        assert.strictEqual(await set(ann, root, "FileDispositionInformationEx", u32(flags)), STATUS_CANNOT_DELETE)
      }
      assert.strictEqual(await set(ann, stream, "FileDispositionInformation", Uint8Array.of(1)), 0)
      assert.strictEqual(await ann.open(":s"), NtStatus.STATUS_DELETE_PENDING)
      assert.strictEqual(await set(ann, stream, "FileDispositionInformation", Uint8Array.of(0)), 0)
      await ann.must(":s")
    }
  )
})

describe("a rename", () => {
  const held = { createDisposition: D.FILE_OPEN }
  const { FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE } = ShareAccess
  const all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE
  /** The rights that share modes are about (MS-FSA 2.1.4.12). */
  const counts: number = A.FILE_READ_DATA | A.FILE_WRITE_DATA | A.FILE_APPEND_DATA | A.FILE_EXECUTE | A.DELETE
  const rights = [
    A.FILE_READ_DATA,
    A.FILE_WRITE_DATA,
    A.FILE_APPEND_DATA,
    A.FILE_READ_EA,
    A.FILE_WRITE_EA,
    A.FILE_EXECUTE,
    A.FILE_DELETE_CHILD,
    A.FILE_READ_ATTRIBUTES,
    A.FILE_WRITE_ATTRIBUTES,
    A.DELETE,
    A.READ_CONTROL,
    A.WRITE_DAC
  ]

  cases("has the status of its names", async ({ ann }) => {
    const file = await ann.must("f")
    const stream = await ann.must("f:s")
    const directory = await ann.must("d", folder)
    await ann.status(Requests.close(await ann.must("closed")))
    const other = await ann.must("open")
    await ann.status(Requests.close(await ann.must("d\\below")))
    const table: ReadonlyArray<readonly [FileId, string, boolean, number]> = [
      [file, "", false, STATUS_OBJECT_NAME_INVALID],
      [file, "\\", false, STATUS_OBJECT_NAME_INVALID],
      [file, "g:s", false, STATUS_OBJECT_NAME_INVALID],
      [file, "g*", false, STATUS_OBJECT_NAME_INVALID],
      [file, ":g", false, STATUS_NOT_SUPPORTED],
      [stream, "g", false, STATUS_INVALID_PARAMETER],
      [stream, ":g:x", false, NtStatus.STATUS_OBJECT_TYPE_MISMATCH],
      [directory, "d\\d", false, STATUS_ACCESS_DENIED],
      [directory, "D\\d", false, STATUS_ACCESS_DENIED],
      [file, "none\\g", false, NtStatus.STATUS_OBJECT_PATH_NOT_FOUND],
      [file, "closed", false, STATUS_OBJECT_NAME_COLLISION],
      [file, "open", false, STATUS_OBJECT_NAME_COLLISION],
      [file, "open", true, STATUS_ACCESS_DENIED],
      [file, "d", false, STATUS_OBJECT_NAME_COLLISION],
      [file, "d", true, STATUS_ACCESS_DENIED],
      [file, "\\F", false, 0],
      [directory, "D", false, 0],
      [directory, "dd", false, 0],
      [file, "closed", true, 0],
      [file, "closed", true, 0],
      [file, "dd\\g", true, STATUS_SHARING_VIOLATION]
    ]
    for (const [from, name, replaces, status] of table) {
      assert.strictEqual(await ann.status(rename(from, name, replaces)), status, `${name} ${replaces}`)
    }
    await ann.status(Requests.close(other))
    assert.strictEqual(await ann.status(rename(file, "open", true)), 0)
    assert.strictEqual(await ann.open("closed", held), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    // A directory moves with its entries, unless one of them is open.
    const below = await ann.must("dd\\below", held)
    assert.strictEqual(await ann.status(rename(directory, "ddd")), STATUS_ACCESS_DENIED)
    await ann.status(Requests.close(below))
    assert.strictEqual(await ann.status(rename(directory, "ddd")), 0)
    await ann.must("ddd\\below", held)
    assert.strictEqual(await ann.status(rename(await ann.must("", folder), "g")), STATUS_ACCESS_DENIED)
  })

  cases("needs the consent of the other opens that have a right which share modes are about", async ({ ann, joe }) => {
    const file = await ann.must("f", { desiredAccess: A.DELETE })
    for (const right of rights) {
      for (const shareAccess of [all, FILE_SHARE_DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE]) {
        // Another open has DELETE already: an open that counts must share that. Here it does not count for itself.
        const other = await joe.open("f", { ...held, desiredAccess: right, shareAccess })
        if (typeof other === "number") {
          assert.strictEqual(other, STATUS_SHARING_VIOLATION)
          continue
        }
        assert.strictEqual(await ann.status(rename(file, "f")), 0, `${right.toString(16)} ${shareAccess}`)
        await joe.status(Requests.close(other))
      }
    }
  })

  cases(
    "adds or removes no entry of a directory that another client may delete, or holds without sharing writes",
    async ({ ann, joe }) => {
      await ann.status(Requests.close(await ann.must("from", folder)))
      await ann.status(Requests.close(await ann.must("to", folder)))
      const file = await ann.must("from\\f", { desiredAccess: A.DELETE })
      let at = "from\\f"
      for (const right of rights) {
        for (const shareAccess of [all, FILE_SHARE_WRITE, FILE_SHARE_READ | FILE_SHARE_DELETE]) {
          for (const kept of ["from", "to"]) {
            const how = { ...held, ...folder, desiredAccess: right, shareAccess }
            const other = await joe.must(kept, how)
            const next = at === "from\\f" ? "to\\f" : "from\\f"
            const keeps = right === A.DELETE || (right & counts) !== 0 && (shareAccess & FILE_SHARE_WRITE) === 0
            assert.strictEqual(
              await ann.status(rename(file, next)),
              keeps ? STATUS_SHARING_VIOLATION : 0,
              `${kept} ${right.toString(16)} ${shareAccess}`
            )
            if (!keeps) at = next
            await joe.status(Requests.close(other))
          }
        }
      }
    }
  )
})

describe("a security descriptor", () => {
  const C = Sd.Control
  const ace = (mask: number, aceFlags: number) => ({
    _tag: "Basic" as const,
    aceType: Sd.AceType.ACCESS_ALLOWED_ACE_TYPE,
    aceFlags,
    mask,
    sid: sids.root
  })
  const query = async (client: Client, file: FileId, flags: number) => {
    const answer = (await client.ask(Requests.query(file, "security", 0, flags)))!
    const decoded = Codec.decode("SECURITY_DESCRIPTOR", Sd.SecurityDescriptor)(answer.subarray(64 + 8))
    assert(decoded._tag === "Success")
    return decoded.success
  }
  const allParts = S.OWNER_SECURITY_INFORMATION | S.GROUP_SECURITY_INFORMATION | S.DACL_SECURITY_INFORMATION |
    S.SACL_SECURITY_INFORMATION
  const first: Sd.SecurityDescriptor = {
    sbz1: 0,
    control: C.SE_SELF_RELATIVE | C.SE_DACL_PRESENT | C.SE_SACL_PRESENT,
    owner: sids.ann,
    group: "S-1-5-32-545",
    sacl: { aclRevision: 2, aces: [] },
    dacl: { aclRevision: 2, aces: [ace(everything, 0)] }
  }

  cases("is set and queried by its parts, with the control bits of each part", async ({ root }) => {
    const file = await root.must("f", { desiredAccess: everything | A.ACCESS_SYSTEM_SECURITY })
    const put = (value: Sd.SecurityDescriptor, flags: number) => Requests.set(file, "security", 0, encode(value), flags)
    const controls = [
      0,
      C.SE_DACL_PROTECTED | C.SE_SACL_PROTECTED,
      C.SE_DACL_AUTO_INHERITED | C.SE_SACL_AUTO_INHERITED,
      C.SE_DACL_AUTO_INHERITED | C.SE_DACL_AUTO_INHERIT_REQ | C.SE_SACL_AUTO_INHERIT_REQ
    ]
    const present = C.SE_SELF_RELATIVE | C.SE_DACL_PRESENT | C.SE_SACL_PRESENT
    for (const control of controls) {
      for (const protectedBefore of [0, C.SE_DACL_PROTECTED | C.SE_SACL_PROTECTED]) {
        for (let bits = 0; bits < 16; bits++) {
          const has = (bit: number) => (bits & bit) !== 0
          const flags = (has(1) ? S.OWNER_SECURITY_INFORMATION : 0) | (has(2) ? S.GROUP_SECURITY_INFORMATION : 0) |
            (has(4) ? S.DACL_SECURITY_INFORMATION : 0) | (has(8) ? S.SACL_SECURITY_INFORMATION : 0)
          const before = { ...first, control: first.control | protectedBefore }
          assert.strictEqual(await root.status(put(before, allParts)), 0)
          const given = {
            ...first,
            control: present | control,
            owner: sids.joe,
            group: "S-1-5-32-544",
            dacl: { aclRevision: 2, aces: [ace(A.FILE_READ_DATA, 0)] }
          }
          assert.strictEqual(await root.status(put(given, flags)), 0)
          const inherited = (control & C.SE_DACL_AUTO_INHERIT_REQ) === 0 ? 0 : C.SE_DACL_AUTO_INHERITED
          const ofDacl = has(4) ? (control & C.SE_DACL_PROTECTED) | inherited : protectedBefore & C.SE_DACL_PROTECTED
          const ofSacl = has(8)
            ? control & (C.SE_SACL_PROTECTED | C.SE_SACL_AUTO_INHERITED)
            : protectedBefore & C.SE_SACL_PROTECTED
          const about = `${control.toString(16)} ${protectedBefore} ${bits}`
          const after = {
            ...first,
            control: present | ofDacl | ofSacl,
            owner: has(1) ? given.owner : first.owner,
            group: has(2) ? given.group : first.group,
            dacl: has(4) ? given.dacl : first.dacl
          }
          assert.deepStrictEqual(await query(root, file, S.BACKUP_SECURITY_INFORMATION), after, about)
          // A query of some parts has those parts only, with their control bits.
          assert.deepStrictEqual(await query(root, file, flags), {
            sbz1: 0,
            control: C.SE_SELF_RELATIVE | (has(4) ? C.SE_DACL_PRESENT | ofDacl : 0) |
              (has(8) ? C.SE_SACL_PRESENT | ofSacl : 0),
            owner: has(1) ? after.owner : undefined,
            group: has(2) ? after.group : undefined,
            dacl: has(4) ? after.dacl : undefined,
            sacl: has(8) ? after.sacl : undefined
          }, about)
        }
      }
    }
    // A descriptor that lacks the owner or the group that it is to set.
    for (
      const [missing, flags] of [["owner", S.OWNER_SECURITY_INFORMATION], [
        "group",
        S.GROUP_SECURITY_INFORMATION
      ]] as const
    ) {
      assert.strictEqual(
        await root.status(put({ ...first, [missing]: undefined }, flags)),
        NtStatus.STATUS_INVALID_OWNER
      )
      assert.strictEqual(
        await root.status(put({ ...first, [missing]: undefined }, allParts & ~flags)),
        0
      )
    }
  })

  cases("keeps generic rights in the entries that are only inherited, and maps the others", async ({ root }) => {
    const file = await root.must("d", { ...folder, desiredAccess: everything })
    const flags = [0, 1, 2, 3, 4, 8, 9, 10, 11, 15]
    const given = { ...first, dacl: { aclRevision: 2, aces: flags.map((one) => ace(A.GENERIC_ALL, one)) } }
    assert.strictEqual(await root.status(Requests.set(file, "security", 0, encode(given))), 0)
    const { dacl } = await query(root, file, S.DACL_SECURITY_INFORMATION)
    assert.deepStrictEqual(
      dacl?.aces.map((one) => [one._tag === "Basic" && one.mask >>> 0, "aceFlags" in one && one.aceFlags]),
      flags.map((one) => [(one & 8) === 0 ? everything : A.GENERIC_ALL >>> 0, one])
    )
  })
})
