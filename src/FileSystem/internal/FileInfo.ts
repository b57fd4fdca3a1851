/** What a program is told about a file. */
import * as ByteSize from "effect/ByteSize"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Entry from "../../Client/Entry.ts"
import * as FileTime from "../../Codec/FileTime.ts"
import type * as Share from "../../Protocol/Share.ts"
import { FileAttributes } from "../../Smb2/Message/Constants.ts"

const types = { file: "File", directory: "Directory", symlink: "SymbolicLink" } as const

/** The type of an entry. */
export const typeOf = ({ type }: Pick<Entry.Entry, "type">): FileSystem.File.Type => types[type]

/** The type bits of a mode (S_IFMT). */
const typeBits = { File: 0o100000, Directory: 0o040000, SymbolicLink: 0o120000 } as const

/** Whether one of the bits is set that allow writing. */
export const isWritable = (mode: number): boolean => (mode & 0o222) !== 0

/** A share has no permission bits: only the read-only attribute shows in the mode. */
const modeOf = (type: keyof typeof typeBits, fileAttributes: number): number => {
  const permissions = type === "File" ? 0o644 : type === "Directory" ? 0o755 : 0o777
  const isReadOnly = type !== "SymbolicLink" && (fileAttributes & FileAttributes.FILE_ATTRIBUTE_READONLY) !== 0
  return typeBits[type] | (isReadOnly ? permissions & ~0o222 : permissions)
}

const date = (time: bigint): Option.Option<Date> => Option.fromNullishOr(FileTime.toDate(time))

/** What the server says about a file. */
export interface Facts {
  readonly attributes: Pick<
    Share.Attributes,
    "creationTime" | "lastAccessTime" | "lastWriteTime" | "allocationSize" | "endOfFile" | "fileAttributes"
  >
  readonly reparseTag: number
  /** The identifiers of file and volume, 32 bytes, if the server gives them (MS-SMB2 2.2.14.2.9). */
  readonly onDiskId: Uint8Array | undefined
  /** The number of the file in its volume, if the server gives it. */
  readonly indexNumber: bigint | undefined
  readonly numberOfLinks: number | undefined
}

const number = (bytes: Uint8Array | undefined, offset: number): bigint =>
  bytes === undefined || bytes.length < offset + 8
    ? 0n
    : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(offset, true)

/** The server says 0 or all ones for a file without a number. */
const isNumber = (id: bigint): boolean => id !== 0n && id !== 0xffff_ffff_ffff_ffffn

/** The information of `stat`. */
export const make = ({ attributes, indexNumber, numberOfLinks, onDiskId, reparseTag }: Facts): FileSystem.File.Info => {
  const type = types[Entry.typeOf(attributes.fileAttributes, reparseTag)]
  const ino = [indexNumber ?? 0n, number(onDiskId, 0)].find(isNumber)
  return {
    type,
    mtime: date(attributes.lastWriteTime),
    atime: date(attributes.lastAccessTime),
    birthtime: date(attributes.creationTime),
    dev: number(onDiskId, 8),
    ino: Option.fromNullishOr(ino),
    mode: modeOf(type, attributes.fileAttributes),
    nlink: Option.map(Option.fromNullishOr(numberOfLinks), BigInt),
    uid: Option.none(),
    gid: Option.none(),
    rdev: Option.none(),
    size: ByteSize.bytes(attributes.endOfFile),
    blksize: Option.none(),
    blocks: Option.some((attributes.allocationSize + 511n) / 512n)
  }
}
