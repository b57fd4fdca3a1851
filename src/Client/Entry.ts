/** What a listing, a walk and `stat` tell about a file. */
import type * as DateTime from "effect/DateTime"
import type * as DirectoryInformation from "../Codec/DirectoryInformation.ts"
import * as FileTime from "../Codec/FileTime.ts"
import { ReparseTag } from "../Codec/Reparse.ts"
import type * as Share from "../Protocol/Share.ts"
import { FileAttributes } from "../Smb2/Message/Constants.ts"
import * as UncPath from "./UncPath.ts"

/**
 * The times of a file as dates, exact to the millisecond; `undefined` if the file system does not keep the time.
 *
 * @category models
 * @since 0.2.0
 */
export interface Dates {
  /** `creationTime` as a date. */
  readonly created: DateTime.Utc | undefined
  /** `lastAccessTime` as a date. */
  readonly lastAccessed: DateTime.Utc | undefined
  /** `lastWriteTime` as a date. */
  readonly lastWritten: DateTime.Utc | undefined
  /** `changeTime` as a date: the last change of the data, the attributes, the name or the security descriptor. */
  readonly changed: DateTime.Utc | undefined
}

/**
 * A file, directory or symbolic link. Sizes in bytes, times in 100 ns ticks since 1601 and as dates, attributes as
 * MS-FSCC 2.6 has them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry extends Dates {
  readonly name: string
  /** The whole path: `\\server\share\directory\name`. */
  readonly path: string
  /**
   * The path from the directory that `list` or `walk` was called with, with `/` between its names. Empty if the entry
   * was found by its own path, as with `stat`.
   */
  readonly relativePath: string
  readonly type: "file" | "directory" | "symlink"
  readonly size: bigint
  readonly allocationSize: bigint
  readonly creationTime: bigint
  readonly lastAccessTime: bigint
  readonly lastWriteTime: bigint
  readonly changeTime: bigint
  readonly fileAttributes: number
  /** The kind of reparse point (MS-FSCC 2.1.2.1), if the entry was looked at as one; 0 otherwise. */
  readonly reparseTag: number
}

/** A listing has the tag in the field for the size of extended attributes. */
const tagOf = (fileAttributes: number, field: number): number =>
  (fileAttributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT) === 0 ? 0 : field

/**
 * The type that follows from the attributes and the reparse tag.
 *
 * @since 0.1.0
 */
export const typeOf = (fileAttributes: number, reparseTag: number): Entry["type"] => {
  if (
    (fileAttributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT) !== 0 &&
    reparseTag === ReparseTag.IO_REPARSE_TAG_SYMLINK
  ) {
    return "symlink"
  }
  return (fileAttributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY) !== 0 ? "directory" : "file"
}

/** The times of a file. */
type Times = Pick<Share.Attributes, "creationTime" | "lastAccessTime" | "lastWriteTime" | "changeTime">

const datesOf = ({ changeTime, creationTime, lastAccessTime, lastWriteTime }: Times): Dates => ({
  created: FileTime.toDateTime(creationTime),
  lastAccessed: FileTime.toDateTime(lastAccessTime),
  lastWritten: FileTime.toDateTime(lastWriteTime),
  changed: FileTime.toDateTime(changeTime)
})

/**
 * From one entry of a listing of `directory`. `from` is the relative path of the directory.
 *
 * @since 0.1.0
 */
export const fromDirectory = (
  directory: UncPath.UncPath,
  found: DirectoryInformation.FileIdBothDirectoryInformation,
  from = ""
): Entry => ({
  ...datesOf(found),
  name: found.fileName,
  path: UncPath.format(UncPath.join(directory, found.fileName)),
  relativePath: from === "" ? found.fileName : `${from}/${found.fileName}`,
  type: typeOf(found.fileAttributes, found.eaSize),
  size: found.endOfFile,
  allocationSize: found.allocationSize,
  creationTime: found.creationTime,
  lastAccessTime: found.lastAccessTime,
  lastWriteTime: found.lastWriteTime,
  changeTime: found.changeTime,
  fileAttributes: found.fileAttributes,
  reparseTag: tagOf(found.fileAttributes, found.eaSize)
})

/**
 * From the attributes that an open returns.
 *
 * @since 0.1.0
 */
export const fromAttributes = (path: UncPath.UncPath, found: Share.Attributes, reparseTag: number): Entry => ({
  ...datesOf(found),
  name: UncPath.name(path),
  path: UncPath.format(path),
  relativePath: "",
  type: typeOf(found.fileAttributes, reparseTag),
  size: found.endOfFile,
  allocationSize: found.allocationSize,
  creationTime: found.creationTime,
  lastAccessTime: found.lastAccessTime,
  lastWriteTime: found.lastWriteTime,
  changeTime: found.changeTime,
  fileAttributes: found.fileAttributes,
  reparseTag: tagOf(found.fileAttributes, reparseTag)
})
