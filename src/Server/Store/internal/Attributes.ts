/**
 * Attributes, for stores that keep them themselves: which bits they keep, and which follow from the file.
 */
import { FileAttributes } from "../../../Smb2/Message/Constants.ts"

const derived = FileAttributes.FILE_ATTRIBUTE_DIRECTORY | FileAttributes.FILE_ATTRIBUTE_NORMAL |
  FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT

/** The bits of `fileAttributes` that are worth keeping: not those that follow from the file. */
export const kept = (fileAttributes: number): number => fileAttributes & ~derived

/**
 * FILE_ATTRIBUTE_* (MS-FSCC 2.6) of a file that keeps `bits`. FILE_ATTRIBUTE_NORMAL is reported alone or not at all.
 */
export const reported = (bits: number, type: "file" | "directory", reparseTag: number): number =>
  bits |
    (type === "directory" ? FileAttributes.FILE_ATTRIBUTE_DIRECTORY : 0) |
    (reparseTag === 0 ? 0 : FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT) ||
  FileAttributes.FILE_ATTRIBUTE_NORMAL

/** The ReparseTag at the start of a REPARSE_DATA_BUFFER (MS-FSCC 2.1.2); 0 without a buffer. */
export const reparseTagOf = (buffer: Uint8Array | undefined): number =>
  buffer === undefined || buffer.length < 4
    ? 0
    : (buffer[0]! | (buffer[1]! << 8) | (buffer[2]! << 16) | (buffer[3]! << 24)) >>> 0
