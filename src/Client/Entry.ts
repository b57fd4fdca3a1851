/** What a listing, a walk and `stat` tell about a file. */
import type * as DirectoryInformation from "../Codec/DirectoryInformation.ts"
import { ReparseTag } from "../Codec/Reparse.ts"
import type * as Share from "../Protocol/Share.ts"
import { FileAttributes } from "../Smb2/Message/Constants.ts"
import * as UncPath from "./UncPath.ts"

/**
 * A file, directory or symbolic link. Sizes in bytes, times in 100 ns ticks since 1601 (`FileTime` turns them into dates),
 * attributes as MS-FSCC 2.6 has them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly name: string
  /** The whole path: `\\server\share\directory\name`. */
  readonly path: string
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

/**
 * From one entry of a listing of `directory`.
 *
 * @since 0.1.0
 */
export const fromDirectory = (
  directory: UncPath.UncPath,
  found: DirectoryInformation.FileIdBothDirectoryInformation
): Entry => ({
  name: found.fileName,
  path: UncPath.format(UncPath.join(directory, found.fileName)),
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
  name: UncPath.name(path),
  path: UncPath.format(path),
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
