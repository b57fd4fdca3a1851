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

/** What listings and opens tell of a file. */
type Attributes = Times & Pick<Share.Attributes, "endOfFile" | "allocationSize" | "fileAttributes">

/** Times of one file are often equal. They share their date then, because making dates is a third of the work of a listing. */
const datesOf = ({ changeTime, creationTime, lastAccessTime, lastWriteTime }: Times): Dates => {
  const created = FileTime.toDateTime(creationTime)
  const lastWritten = lastWriteTime === creationTime ? created : FileTime.toDateTime(lastWriteTime)
  const changed = changeTime === lastWriteTime ? lastWritten : FileTime.toDateTime(changeTime)
  const lastAccessed = lastAccessTime === creationTime
    ? created
    : lastAccessTime === lastWriteTime
    ? lastWritten
    : FileTime.toDateTime(lastAccessTime)
  return { created, lastAccessed, lastWritten, changed }
}

const entryOf = (
  found: Attributes,
  tag: number,
  names: Pick<Entry, "name" | "path" | "relativePath">
): Entry => ({
  ...datesOf(found),
  ...names,
  type: typeOf(found.fileAttributes, tag),
  size: found.endOfFile,
  allocationSize: found.allocationSize,
  creationTime: found.creationTime,
  lastAccessTime: found.lastAccessTime,
  lastWriteTime: found.lastWriteTime,
  changeTime: found.changeTime,
  fileAttributes: found.fileAttributes,
  reparseTag: tagOf(found.fileAttributes, tag)
})

/**
 * From the entries of a listing of `directory`. `from` is the relative path of the directory.
 *
 * @since 0.1.0
 */
export const fromDirectory = (directory: UncPath.UncPath, from = "") => {
  const below = UncPath.format(directory).replace(/\\?$/, "\\")
  return (found: DirectoryInformation.FileIdFullDirectoryInformation): Entry =>
    entryOf(found, found.eaSize, {
      name: found.fileName,
      path: below + found.fileName,
      relativePath: from === "" ? found.fileName : `${from}/${found.fileName}`
    })
}

/**
 * From the attributes that an open returns.
 *
 * @since 0.1.0
 */
export const fromAttributes = (path: UncPath.UncPath, found: Share.Attributes, reparseTag: number): Entry =>
  entryOf(found, reparseTag, { name: UncPath.name(path), path: UncPath.format(path), relativePath: "" })
