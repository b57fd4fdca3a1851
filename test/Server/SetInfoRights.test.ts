/**
 * Proves that no SET_INFO or IOCTL request changes a file through a handle without the right: the store sees no change
 * (MS-SMB2 3.3.5.21, 3.3.5.15). And which owner a user can give a file.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, FileInformation, NtStatus as Status, SecurityDescriptor as Sd } from "effect-smb/Codec"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import {
  AccessMask as A,
  CreateDisposition as D,
  CreateOptions as O,
  FileAttributes,
  SecurityInformation as S
} from "../../src/Smb2/Message/Constants.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import { type Client, descriptor, encode, everything, link, type People, people, rename, sids } from "./people.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.32"
const refused = NtStatus.STATUS_ACCESS_DENIED

const cases = (name: string, run: (among: People) => Promise<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(people(host), (among) => Effect.promise(() => run(among)))))

const u64 = (value: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

const basic = Codec.encode(FileInformation.FileBasicInformation)
const attributes = Codec.encode(FileInformation.FileFullEaInformation)
const whole = encode({
  ...descriptor(sids.joe, { joe: everything }),
  control: Sd.Control.SE_DACL_PRESENT | Sd.Control.SE_SACL_PRESENT | Sd.Control.SE_SELF_RELATIVE,
  group: "S-1-5-32-545",
  sacl: { aclRevision: 2, aces: [] }
})
const security = (flags: number) => (file: FileId) => Requests.set(file, "security", 0, whole, flags)
const information = (name: Requests.InformationClass, buffer: Uint8Array) => (file: FileId) =>
  Requests.set(file, "file", name, buffer)
const control = (code: number, input: Uint8Array) => (file: FileId) => Requests.fsctl(file, code, input)

const time = 133_000_000_000_000_000n
const untouched = { creationTime: 0n, lastAccessTime: 0n, lastWriteTime: 0n, changeTime: 0n, fileAttributes: 0 }
const { Fsctl: C } = Fsctl

/** Requests that change a file. */
const changing: Record<string, (file: FileId) => Message.Request> = {
  "WRITE": (file) => Requests.write(file, Buffer.from("x")),
  "FileBasicInformation, a time": information("FileBasicInformation", basic({ ...untouched, lastWriteTime: time })),
  "FileBasicInformation, attributes": information(
    "FileBasicInformation",
    basic({
      ...untouched,
      fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY | FileAttributes.FILE_ATTRIBUTE_HIDDEN
    })
  ),
  "FileRenameInformation": (file) => rename(file, "elsewhere"),
  "FileRenameInformation, over another": (file) => rename(file, "other", true),
  "FileRenameInformationEx": information(
    "FileRenameInformationEx",
    Codec.encode(FileInformation.FileRenameInformationEx)({ flags: 1, rootDirectory: 0n, fileName: "elsewhere" })
  ),
  "FileDispositionInformation": information("FileDispositionInformation", Uint8Array.of(1)),
  "FileDispositionInformation, off": information("FileDispositionInformation", Uint8Array.of(0)),
  "FileDispositionInformationEx": information("FileDispositionInformationEx", Uint8Array.of(0x11, 0, 0, 0)),
  "FileAllocationInformation, less": information("FileAllocationInformation", u64(0n)),
  "FileAllocationInformation, more": information("FileAllocationInformation", u64(1_000_000n)),
  "FileEndOfFileInformation": information("FileEndOfFileInformation", u64(1n)),
  "FileFullEaInformation": information(
    "FileFullEaInformation",
    attributes([{ flags: 0, eaName: "A", eaValue: Uint8Array.of(1) }])
  ),
  "OWNER_SECURITY_INFORMATION": security(S.OWNER_SECURITY_INFORMATION),
  "GROUP_SECURITY_INFORMATION": security(S.GROUP_SECURITY_INFORMATION),
  "DACL_SECURITY_INFORMATION": security(S.DACL_SECURITY_INFORMATION),
  "SACL_SECURITY_INFORMATION": security(S.SACL_SECURITY_INFORMATION),
  "LABEL_SECURITY_INFORMATION": security(S.LABEL_SECURITY_INFORMATION),
  "ATTRIBUTE_SECURITY_INFORMATION": security(S.ATTRIBUTE_SECURITY_INFORMATION),
  "SCOPE_SECURITY_INFORMATION": security(S.SCOPE_SECURITY_INFORMATION),
  "BACKUP_SECURITY_INFORMATION": security(S.BACKUP_SECURITY_INFORMATION),
  "FSCTL_SET_SPARSE": control(C.FSCTL_SET_SPARSE, Uint8Array.of(1)),
  "FSCTL_SET_ZERO_DATA": control(C.FSCTL_SET_ZERO_DATA, Buffer.concat([u64(0n), u64(3n)])),
  "FSCTL_SET_REPARSE_POINT": control(C.FSCTL_SET_REPARSE_POINT, Buffer.from("080000801000000000112233", "hex")),
  "FSCTL_DELETE_REPARSE_POINT": control(C.FSCTL_DELETE_REPARSE_POINT, Buffer.from("0c0000a000000000", "hex"))
}

/** Requests that change the open only, or nothing. */
const harmless: Record<string, (file: FileId) => Message.Request> = {
  "FilePositionInformation": information("FilePositionInformation", u64(1n)),
  "FileModeInformation": information("FileModeInformation", Buffer.alloc(4)),
  "no part of the descriptor": security(0),
  "a flag without a meaning": security(0x0000_8000)
}

/** Requests of volumes, of classes that can only be queried, and of features that no store has. */
const unknown: Record<string, (file: FileId) => Message.Request> = {
  "FileShortNameInformation": information("FileShortNameInformation", Buffer.alloc(4)),
  "FileStandardInformation": information("FileStandardInformation", Buffer.alloc(24)),
  "FileValidDataLengthInformation": information("FileValidDataLengthInformation", u64(3n)),
  "FilePipeInformation": information("FilePipeInformation", Buffer.alloc(8)),
  "a volume's label": (file) => Requests.set(file, "fileSystem", "FileFsLabelInformation", Buffer.alloc(16)),
  "FSCTL_SET_COMPRESSION": control(C.FSCTL_SET_COMPRESSION, Buffer.alloc(2)),
  "FSCTL_SET_OBJECT_ID": control(C.FSCTL_SET_OBJECT_ID, Buffer.alloc(64)),
  "FSCTL_SET_INTEGRITY_INFORMATION": control(C.FSCTL_SET_INTEGRITY_INFORMATION, Buffer.alloc(8)),
  "FSCTL_SET_ENCRYPTION": control(C.FSCTL_SET_ENCRYPTION, Buffer.alloc(8)),
  "FSCTL_FILE_LEVEL_TRIM": control(C.FSCTL_FILE_LEVEL_TRIM, Buffer.alloc(24)),
  "FSCTL_DUPLICATE_EXTENTS_TO_FILE": control(C.FSCTL_DUPLICATE_EXTENTS_TO_FILE, Buffer.alloc(40))
}

const names = ["file", "file:stream", "folder", "folder:stream"] as const
const isFolder = (name: string) => name === "folder"

/** Sends each request through handles with `desiredAccess`. Nothing may change. */
const nothingChanges = async (client: Client, changes: Array<string>, desiredAccess: number): Promise<void> => {
  for (const name of names) {
    const file = await client.must(name, { createDisposition: D.FILE_OPEN, desiredAccess })
    changes.length = 0
    for (const [what, request] of Object.entries(changing)) {
      // Some fail for folders with another status, for any user.
      const status = await client.status(request(file))
      if (!isFolder(name)) assert.strictEqual(status, refused, `${name}: ${what}`)
      else assert.notStrictEqual(status, 0, `${name}: ${what}`)
      assert.deepStrictEqual(changes, [], `${name}: ${what}`)
    }
    for (const [what, request] of Object.entries(harmless)) {
      assert.strictEqual(await client.status(request(file)), 0, `${name}: ${what}`)
      assert.deepStrictEqual(changes, [], `${name}: ${what}`)
    }
    for (const [what, request] of Object.entries(unknown)) {
      assert.notStrictEqual(await client.status(request(file)), 0, `${name}: ${what}`)
      assert.deepStrictEqual(changes, [], `${name}: ${what}`)
    }
    assert.strictEqual(await client.status(Requests.close(file)), 0)
    assert.deepStrictEqual(changes, [], `${name}: CLOSE`)
  }
}

const prepare = async (ann: Client): Promise<void> => {
  await ann.make("other", { joe: everything })
  await ann.make("file", { joe: everything, root: everything })
  await ann.make("folder", { joe: everything, root: everything }, O.FILE_DIRECTORY_FILE)
  for (const name of ["file:stream", "folder:stream"]) await ann.status(Requests.close(await ann.must(name)))
}

describe("SET_INFO and IOCTL", () => {
  cases("change nothing through a handle with FILE_READ_ATTRIBUTES only", async ({ ann, changes, joe }) => {
    await prepare(ann)
    await nothingChanges(joe, changes, A.FILE_READ_ATTRIBUTES)
  })

  cases(
    "change nothing in a read-only share, also for an administrator",
    async ({ ann, changes, fixed, fixedRoot }) => {
      await prepare(ann)
      const linked = await fixed.must("file", { createDisposition: D.FILE_OPEN, desiredAccess: A.MAXIMUM_ALLOWED })
      changes.length = 0
      assert.strictEqual(await fixed.status(link(linked, "elsewhere")), refused)
      assert.deepStrictEqual(changes, [])
      await fixed.status(Requests.close(linked))
      await nothingChanges(fixed, changes, A.MAXIMUM_ALLOWED)
      // An administrator gets the right to read the SACL, and no more.
      await nothingChanges(fixedRoot, changes, A.MAXIMUM_ALLOWED | A.ACCESS_SYSTEM_SECURITY)
    }
  )

  cases("need the right of each part of a security descriptor that they set", async ({ ann, changes, root }) => {
    await ann.make("file", { root: everything })
    const { ATTRIBUTE_SECURITY_INFORMATION, BACKUP_SECURITY_INFORMATION } = S
    const { ACCESS_SYSTEM_SECURITY, READ_CONTROL, WRITE_DAC, WRITE_OWNER } = A
    const rights: ReadonlyArray<number> = [WRITE_DAC, WRITE_OWNER, ACCESS_SYSTEM_SECURITY]
    for (
      const [flag, needed, isKept] of [
        [S.OWNER_SECURITY_INFORMATION, WRITE_OWNER, true],
        [S.GROUP_SECURITY_INFORMATION, WRITE_OWNER, true],
        [S.DACL_SECURITY_INFORMATION, WRITE_DAC, true],
        [S.SACL_SECURITY_INFORMATION, ACCESS_SYSTEM_SECURITY, true],
        [S.LABEL_SECURITY_INFORMATION, WRITE_OWNER, false],
        [ATTRIBUTE_SECURITY_INFORMATION, WRITE_DAC, false],
        [S.SCOPE_SECURITY_INFORMATION, ACCESS_SYSTEM_SECURITY, false],
        [BACKUP_SECURITY_INFORMATION, WRITE_DAC | WRITE_OWNER | ACCESS_SYSTEM_SECURITY, false]
      ] as const
    ) {
      for (const missing of rights) {
        const desiredAccess = rights.reduce((all, right) => all | right, READ_CONTROL) & ~missing
        const file = await root.must("file", { createDisposition: D.FILE_OPEN, desiredAccess })
        changes.length = 0
        const given = encode({ ...descriptor(sids.ann, { ann: everything, root: everything }), group: sids.ann })
        const status = await root.status(Requests.set(file, "security", 0, given, flag))
        const right = (needed & missing) !== 0 ? refused : isKept ? 0 : NtStatus.STATUS_NOT_SUPPORTED
        assert.strictEqual(status, right, `${flag.toString(16)} without ${missing.toString(16)}`)
        assert.deepStrictEqual(changes, right === 0 ? ["setBlob"] : [])
        await root.status(Requests.close(file))
      }
    }
    // A request for a part that is kept and a part that is not kept sets nothing.
    const file = await root.must("file", { desiredAccess: everything | ACCESS_SYSTEM_SECURITY })
    changes.length = 0
    const both = S.DACL_SECURITY_INFORMATION | S.LABEL_SECURITY_INFORMATION
    assert.strictEqual(await root.status(Requests.set(file, "security", 0, whole, both)), NtStatus.STATUS_NOT_SUPPORTED)
    assert.deepStrictEqual(changes, [])
  })

  cases(
    "give an empty descriptor for the parts that are not kept, and refuse parts without the right to read them",
    async ({ ann, root }) => {
      await ann.make("file", { root: everything })
      const desiredAccess = A.READ_CONTROL | A.ACCESS_SYSTEM_SECURITY
      const file = await root.must("file", { createDisposition: D.FILE_OPEN, desiredAccess })
      const ask = async (flags: number) => {
        const answer = (await root.ask(Requests.query(file, "security", 0, flags)))!
        const decoded = Codec.decode("SECURITY_DESCRIPTOR", Sd.SecurityDescriptor)(answer.subarray(64 + 8))
        assert(decoded._tag === "Success")
        return decoded.success
      }
      for (
        const flags of [S.LABEL_SECURITY_INFORMATION, S.ATTRIBUTE_SECURITY_INFORMATION, S.SCOPE_SECURITY_INFORMATION, 0]
      ) assert.deepInclude(await ask(flags), { owner: undefined, group: undefined, dacl: undefined, sacl: undefined })
      const all = await ask(S.BACKUP_SECURITY_INFORMATION)
      assert.strictEqual(all.owner, sids.ann)
      assert.isDefined(all.dacl)
      // The server refuses a handle without the right.
      for (
        const [desired, flags] of [
          [A.READ_CONTROL, S.BACKUP_SECURITY_INFORMATION],
          [A.READ_CONTROL, S.SACL_SECURITY_INFORMATION],
          [A.FILE_READ_ATTRIBUTES, S.LABEL_SECURITY_INFORMATION],
          [A.FILE_READ_ATTRIBUTES, S.SCOPE_SECURITY_INFORMATION],
          [A.FILE_READ_ATTRIBUTES, S.ATTRIBUTE_SECURITY_INFORMATION]
        ] as const
      ) {
        const blind = await root.must("file", { createDisposition: D.FILE_OPEN, desiredAccess: desired })
        assert.strictEqual(await root.status(Requests.query(blind, "security", 0, flags)), refused)
      }
    }
  )
})

describe("an owner", () => {
  const owned = (owner: string) => encode({ ...descriptor(owner, { ann: everything, joe: everything }), group: owner })
  const by = (owner: string) => ({
    createContexts: [{ _tag: "SdBuffer" as const, sdBuffer: owned(owner) }],
    createDisposition: D.FILE_CREATE
  })
  const ownerOf = async (client: Client, name: string) => {
    const file = await client.must(name, { createDisposition: D.FILE_OPEN, desiredAccess: A.READ_CONTROL })
    const answer = (await client.ask(Requests.query(file, "security")))!
    const decoded = Codec.decode("SECURITY_DESCRIPTOR", Sd.SecurityDescriptor)(answer.subarray(64 + 8))
    await client.status(Requests.close(file))
    return decoded._tag === "Success" ? decoded.success.owner : undefined
  }
  const strangers = [sids.ann, "S-1-5-32-544", "S-1-5-32-545", "S-1-1-0", "S-1-5-11", "S-1-5-18", "S-1-5-21-9-9-9-500"]
  const invalid = NtStatus.STATUS_INVALID_OWNER

  cases(
    "of a new file is its creator, and only an administrator can name another user",
    async ({ changes, joe, root }) => {
      for (const owner of strangers) {
        for (const createOptions of [0, O.FILE_DIRECTORY_FILE]) {
          for (const name of createOptions === 0 ? ["new", "new:stream"] : ["new"]) {
            changes.length = 0
            assert.strictEqual(await joe.open(name, { ...by(owner), createOptions }), invalid, owner)
            assert.deepStrictEqual(changes, [])
          }
        }
      }
      await joe.must("mine", by(sids.joe))
      assert.strictEqual(await ownerOf(joe, "mine"), sids.joe)
      await root.must("given", by(sids.ann))
      assert.strictEqual(await ownerOf(joe, "given"), sids.ann)
      // An existing file keeps its owner, no matter what the CREATE asks for.
      await joe.must("given", { ...by("S-1-5-18"), createDisposition: D.FILE_OPEN_IF })
      assert.strictEqual(await ownerOf(joe, "given"), sids.ann)
    }
  )

  cases(
    "can be set to the user only, even with WRITE_OWNER, and to another user by an administrator",
    async ({ ann, joe, root }) => {
      await ann.make("file", { joe: everything, root: everything })
      const file = await joe.must("file", { createDisposition: D.FILE_OPEN, desiredAccess: everything })
      const give = (owner: string) => Requests.set(file, "security", 0, owned(owner), S.OWNER_SECURITY_INFORMATION)
      for (const owner of strangers) assert.strictEqual(await joe.status(give(owner)), invalid, owner)
      assert.strictEqual(await ownerOf(joe, "file"), sids.ann)
      assert.strictEqual(await joe.status(give(sids.joe)), 0)
      assert.strictEqual(await ownerOf(joe, "file"), sids.joe)
      const other = await root.must("file", { createDisposition: D.FILE_OPEN, desiredAccess: A.WRITE_OWNER })
      const back = Requests.set(other, "security", 0, owned(sids.ann), S.OWNER_SECURITY_INFORMATION)
      assert.strictEqual(await root.status(back), 0)
      assert.strictEqual(await ownerOf(joe, "file"), sids.ann)
    }
  )

  cases(
    "cannot give a new file a SACL without ACCESS_SYSTEM_SECURITY, and an administrator can",
    async ({ joe, root }) => {
      const sdBuffer = encode({
        ...descriptor(sids.joe, { joe: everything, root: everything }),
        owner: undefined,
        sacl: { aclRevision: 2, aces: [] }
      })
      const how = { createDisposition: D.FILE_CREATE, createContexts: [{ _tag: "SdBuffer" as const, sdBuffer }] }
      assert.strictEqual(await joe.open("watched", how), NtStatus.STATUS_PRIVILEGE_NOT_HELD)
      assert.strictEqual(
        await joe.open("watched", { createDisposition: D.FILE_OPEN }),
        NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
      )
      const desiredAccess = A.MAXIMUM_ALLOWED | A.ACCESS_SYSTEM_SECURITY
      const file = await root.must("audited", { ...how, desiredAccess })
      const answer = (await root.ask(Requests.query(file, "security", 0, S.SACL_SECURITY_INFORMATION)))!
      const decoded = Codec.decode("SECURITY_DESCRIPTOR", Sd.SecurityDescriptor)(answer.subarray(64 + 8))
      assert.deepStrictEqual(decoded._tag === "Success" ? decoded.success.sacl?.aces : undefined, [])
    }
  )
})
