/** The flags of `open` as options of CREATE (MS-SMB2 2.2.13). */
import type * as FileSystem from "effect/FileSystem"
import * as OpenMode from "../../Client/OpenMode.ts"
import type * as Share from "../../Protocol/Share.ts"
import { AccessMask, CreateDisposition, CreateOptions, FileAttributes } from "../../Smb2/Message/Constants.ts"
import * as FileInfo from "./FileInfo.ts"

/** What a flag allows. */
export interface Flag {
  readonly reads: boolean
  readonly writes: boolean
  readonly appends: boolean
  readonly creates: boolean
  readonly excludes: boolean
  readonly empties: boolean
}

/** The meaning of a flag. */
export const parse = (flag: FileSystem.OpenFlag): Flag => {
  const updates = flag.endsWith("+")
  return {
    reads: flag.startsWith("r") || updates,
    writes: !flag.startsWith("r") || updates,
    appends: flag.startsWith("a"),
    creates: !flag.startsWith("r"),
    excludes: flag.includes("x"),
    empties: flag.startsWith("w")
  }
}

const { FILE_CREATE, FILE_OPEN, FILE_OPEN_IF, FILE_OVERWRITE_IF } = CreateDisposition

/**
 * The options of the open. Every other program can open the file too, as on a disk. Without write permission in `mode`,
 * a new file is read-only. An open that empties an existing file would make that read-only too, and with `noFollow` it
 * would empty a link, so the caller empties the file then.
 */
export const toOptions = (flag: Flag, mode: number | undefined, noFollow: boolean): {
  readonly options: Share.OpenOptions
  /** The file has to be emptied after the open, if it existed. */
  readonly empties: boolean
} => {
  const isReadOnly = flag.creates && mode !== undefined && !FileInfo.isWritable(mode)
  const empties = flag.empties && !flag.excludes
  const access = AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE |
    (flag.reads ? AccessMask.FILE_READ_DATA : 0) |
    (flag.writes ? AccessMask.FILE_WRITE_DATA : 0) |
    (flag.appends ? AccessMask.FILE_APPEND_DATA : 0)
  return {
    options: {
      desiredAccess: access,
      shareAccess: OpenMode.read.shareAccess,
      createDisposition: flag.excludes
        ? FILE_CREATE
        : empties && !isReadOnly && !noFollow
        ? FILE_OVERWRITE_IF
        : flag.creates
        ? FILE_OPEN_IF
        : FILE_OPEN,
      // A directory can be opened to look at it, as on a disk.
      createOptions: flag.writes ? CreateOptions.FILE_NON_DIRECTORY_FILE : 0,
      queryOnDiskId: true,
      ...(isReadOnly ? { fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY } : {})
    },
    empties: empties && (isReadOnly || noFollow)
  }
}
