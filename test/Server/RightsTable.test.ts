/**
 * Proves which right of a handle each request needs: each request is sent through handles that have a single right, and
 * compared with MS-SMB2 and MS-FSA. A server that needs more stops clients, and one that needs less lets them do too
 * much.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, FileInformation, NtStatus as Status } from "effect-smb/Codec"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import {
  AccessMask as A,
  CreateDisposition as D,
  CreateOptions as O,
  FileAttributes
} from "../../src/Smb2/Message/Constants.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import { everything, link, people, rename } from "./people.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.35"

/** The request needs no right. Otherwise any one of the rights suffices. */
const anyHandle = 0

interface Row {
  readonly request: (file: FileId) => Message.Request
  readonly needs: number
}

const row = (needs: number, request: (file: FileId) => Message.Request): Row => ({ request, needs })

const query = (needs: number, name: Requests.InformationClass): Row =>
  row(needs, (file) => Requests.query(file, "file", name))
const volume = (name: Requests.InformationClass): Row =>
  row(anyHandle, (file) => Requests.query(file, "fileSystem", name))
const set = (needs: number, name: Requests.InformationClass, buffer: Uint8Array): Row =>
  row(needs, (file) => Requests.set(file, "file", name, buffer))

const u64 = (value: bigint): Uint8Array => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

const basic = Codec.encode(FileInformation.FileBasicInformation)
const times = { creationTime: 0n, lastAccessTime: 0n, lastWriteTime: 0n, changeTime: 0n }
const { Fsctl: C } = Fsctl

/** Bits 14 and 15 of a control code say which right the system needs (MS-FSCC 2.3; CTL_CODE of Windows). */
const bits = (code: number): number =>
  ((code >>> 14 & 1) === 0 ? 0 : A.FILE_READ_DATA) | ((code >>> 14 & 2) === 0 ? 0 : A.FILE_WRITE_DATA)

const control = (code: number, input: Uint8Array = Buffer.alloc(0), needs = bits(code)): Row =>
  row(needs, (file) => Requests.fsctl(file, code, input))

const attributesOrData = A.FILE_WRITE_ATTRIBUTES | A.FILE_WRITE_DATA

/** MS-SMB2 3.3.5.11 to 3.3.5.21, MS-FSA 2.1.5.10, 2.1.5.12, 2.1.5.13 and 2.1.5.15. */
const ofFile: Record<string, Row> = {
  READ: row(A.FILE_READ_DATA | A.FILE_EXECUTE, (file) => Requests.read(file, 1)),
  WRITE: row(A.FILE_WRITE_DATA | A.FILE_APPEND_DATA, (file) => Requests.write(file, Buffer.from("x"))),
  FLUSH: row(A.FILE_WRITE_DATA | A.FILE_APPEND_DATA, Requests.flush),

  "query FileBasicInformation": query(A.FILE_READ_ATTRIBUTES, "FileBasicInformation"),
  "query FileStandardInformation": query(anyHandle, "FileStandardInformation"),
  "query FileInternalInformation": query(anyHandle, "FileInternalInformation"),
  "query FileEaInformation": query(anyHandle, "FileEaInformation"),
  "query FileAccessInformation": query(anyHandle, "FileAccessInformation"),
  "query FilePositionInformation": query(anyHandle, "FilePositionInformation"),
  "query FileFullEaInformation": query(A.FILE_READ_EA, "FileFullEaInformation"),
  "query FileModeInformation": query(anyHandle, "FileModeInformation"),
  "query FileAlignmentInformation": query(anyHandle, "FileAlignmentInformation"),
  "query FileAllInformation": query(A.FILE_READ_ATTRIBUTES, "FileAllInformation"),
  "query FileAlternateNameInformation": query(anyHandle, "FileAlternateNameInformation"),
  "query FileStreamInformation": query(anyHandle, "FileStreamInformation"),
  "query FileCompressionInformation": query(anyHandle, "FileCompressionInformation"),
  "query FileNetworkOpenInformation": query(A.FILE_READ_ATTRIBUTES, "FileNetworkOpenInformation"),
  "query FileAttributeTagInformation": query(A.FILE_READ_ATTRIBUTES, "FileAttributeTagInformation"),
  "query FileNormalizedNameInformation": query(anyHandle, "FileNormalizedNameInformation"),
  "query FileStandardLinkInformation": query(anyHandle, "FileStandardLinkInformation"),
  "query FileIdInformation": query(anyHandle, "FileIdInformation"),
  "query the security descriptor": row(A.READ_CONTROL, (file) => Requests.query(file, "security")),

  "query FileFsVolumeInformation": volume("FileFsVolumeInformation"),
  "query FileFsSizeInformation": volume("FileFsSizeInformation"),
  "query FileFsDeviceInformation": volume("FileFsDeviceInformation"),
  "query FileFsAttributeInformation": volume("FileFsAttributeInformation"),
  "query FileFsFullSizeInformation": volume("FileFsFullSizeInformation"),
  "query FileFsObjectIdInformation": volume("FileFsObjectIdInformation"),
  "query FileFsSectorSizeInformation": volume("FileFsSectorSizeInformation"),

  "set FileBasicInformation": set(
    A.FILE_WRITE_ATTRIBUTES,
    "FileBasicInformation",
    basic({ ...times, fileAttributes: FileAttributes.FILE_ATTRIBUTE_NORMAL })
  ),
  "set FileRenameInformation": row(A.DELETE, (file) => rename(file, "another")),
  "set FileLinkInformation": row(anyHandle, (file) => link(file, "another")),
  "set FileDispositionInformation": set(A.DELETE, "FileDispositionInformation", Uint8Array.of(1)),
  "set FilePositionInformation": set(anyHandle, "FilePositionInformation", u64(0n)),
  "set FileFullEaInformation": set(
    A.FILE_WRITE_EA,
    "FileFullEaInformation",
    Codec.encode(FileInformation.FileFullEaInformation)([{ flags: 0, eaName: "A", eaValue: Uint8Array.of(1) }])
  ),
  "set FileModeInformation": set(anyHandle, "FileModeInformation", Buffer.alloc(4)),
  "set FileAllocationInformation": set(A.FILE_WRITE_DATA, "FileAllocationInformation", u64(0n)),
  "set FileEndOfFileInformation": set(A.FILE_WRITE_DATA, "FileEndOfFileInformation", u64(1n)),
  "set FileDispositionInformationEx": set(A.DELETE, "FileDispositionInformationEx", Uint8Array.of(1, 0, 0, 0)),
  "set FileRenameInformationEx": set(
    A.DELETE,
    "FileRenameInformationEx",
    Codec.encode(FileInformation.FileRenameInformationEx)({ flags: 0, rootDirectory: 0n, fileName: "another" })
  ),

  FSCTL_GET_NTFS_VOLUME_DATA: control(C.FSCTL_GET_NTFS_VOLUME_DATA),
  FSCTL_QUERY_FILE_REGIONS: control(C.FSCTL_QUERY_FILE_REGIONS),
  FSCTL_GET_REPARSE_POINT: control(C.FSCTL_GET_REPARSE_POINT),
  FSCTL_READ_FILE_USN_DATA: control(C.FSCTL_READ_FILE_USN_DATA),
  FSCTL_IS_PATHNAME_VALID: control(C.FSCTL_IS_PATHNAME_VALID),
  FSCTL_CREATE_OR_GET_OBJECT_ID: control(C.FSCTL_CREATE_OR_GET_OBJECT_ID),
  FSCTL_GET_OBJECT_ID: control(C.FSCTL_GET_OBJECT_ID),
  FSCTL_SET_OBJECT_ID_EXTENDED: control(C.FSCTL_SET_OBJECT_ID_EXTENDED, Buffer.alloc(48), attributesOrData),
  FSCTL_DELETE_OBJECT_ID: control(C.FSCTL_DELETE_OBJECT_ID, Buffer.alloc(0), attributesOrData),
  FSCTL_SRV_REQUEST_RESUME_KEY: control(C.FSCTL_SRV_REQUEST_RESUME_KEY),
  FSCTL_QUERY_ALLOCATED_RANGES: control(C.FSCTL_QUERY_ALLOCATED_RANGES, Buffer.concat([u64(0n), u64(3n)])),
  FSCTL_SET_ZERO_DATA: control(C.FSCTL_SET_ZERO_DATA, Buffer.concat([u64(0n), u64(3n)])),
  // The number needs no right, but the file system does.
  FSCTL_SET_SPARSE: control(C.FSCTL_SET_SPARSE, Uint8Array.of(1), attributesOrData | A.FILE_APPEND_DATA),
  FSCTL_SET_REPARSE_POINT: control(
    C.FSCTL_SET_REPARSE_POINT,
    Buffer.from("0c0000a00000000000000000", "hex"),
    attributesOrData
  ),
  FSCTL_DELETE_REPARSE_POINT: control(
    C.FSCTL_DELETE_REPARSE_POINT,
    Buffer.from("0c0000a000000000", "hex"),
    attributesOrData
  )
}

const ofDirectory: Record<string, Row> = {
  QUERY_DIRECTORY: row(A.FILE_LIST_DIRECTORY, (file) => Requests.list(file)),
  FLUSH: row(A.FILE_ADD_FILE | A.FILE_ADD_SUBDIRECTORY, Requests.flush),
  "query FileBasicInformation": query(A.FILE_READ_ATTRIBUTES, "FileBasicInformation"),
  "query FileStandardInformation": query(anyHandle, "FileStandardInformation"),
  "set FileBasicInformation": set(
    A.FILE_WRITE_ATTRIBUTES,
    "FileBasicInformation",
    basic({ ...times, fileAttributes: FileAttributes.FILE_ATTRIBUTE_DIRECTORY })
  ),
  "set FileDispositionInformation": set(A.DELETE, "FileDispositionInformation", Uint8Array.of(1)),
  // FILE_WRITE_DATA of a directory is the right to add a file.
  FSCTL_DELETE_REPARSE_POINT: control(
    C.FSCTL_DELETE_REPARSE_POINT,
    Buffer.from("0c0000a000000000", "hex"),
    A.FILE_WRITE_ATTRIBUTES
  )
}

const rights = [
  "FILE_READ_DATA",
  "FILE_WRITE_DATA",
  "FILE_APPEND_DATA",
  "FILE_READ_EA",
  "FILE_WRITE_EA",
  "FILE_EXECUTE",
  "FILE_DELETE_CHILD",
  "FILE_READ_ATTRIBUTES",
  "FILE_WRITE_ATTRIBUTES",
  "DELETE",
  "READ_CONTROL",
  "WRITE_DAC",
  "WRITE_OWNER",
  "SYNCHRONIZE"
] as const

for (
  const [kind, table, createOptions] of [["file", ofFile, 0], [
    "directory",
    ofDirectory,
    O.FILE_DIRECTORY_FILE
  ]] as const
) {
  it.live(`a server grants each request for a ${kind} to handles with the right it needs, and to no others`, () =>
    Effect.scoped(Effect.flatMap(people(host), ({ ann }) =>
      Effect.promise(async () => {
        const wrong: Array<string> = []
        const fresh = async (desiredAccess: number) => {
          for (const name of ["it", "another"]) {
            const how = { createDisposition: D.FILE_OPEN, desiredAccess: everything }
            const left = await ann.open(name, { ...how, createOptions: O.FILE_DELETE_ON_CLOSE })
            if (typeof left !== "number") await ann.status(Requests.close(left))
          }
          await ann.make("it", {}, createOptions)
          return ann.must("it", { createDisposition: D.FILE_OPEN, desiredAccess })
        }
        for (const right of rights) {
          let file = await fresh(A[right])
          for (const [what, { needs, request }] of Object.entries(table)) {
            const status = await ann.status(request(file))
            const refused = status === NtStatus.STATUS_ACCESS_DENIED
            if (refused !== (needs !== anyHandle && (needs & A[right]) === 0)) {
              wrong.push(`${what} with ${right}: ${status.toString(16)}`)
            }
            if (refused || what.startsWith("query")) continue
            await ann.status(Requests.close(file))
            file = await fresh(A[right])
          }
          await ann.status(Requests.close(file))
        }
        assert.deepStrictEqual(wrong, [])
      }))))
}
