/**
 * The usual ways to open a file, as options of CREATE (MS-SMB2 2.2.13, MS-SMB2 2.2.13.1).
 *
 * A server refuses an open as a whole if it does not grant one of the requested rights. So each mode requests only the
 * rights that its operations need by MS-FSA 2.1.5. Modes that read or write data also request the right to read the
 * file's attributes, which every user that can list the directory has. `readWrite` and `update` are for programs that
 * keep a file open, and also request the rights to its times and extended attributes. `withAccess` adds further rights.
 */
import type * as Share from "../Protocol/Share.ts"
import { AccessMask, CreateDisposition, CreateOptions, ShareAccess } from "../Smb2/Message/Constants.ts"

const everybody = ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE

const readAccess = AccessMask.FILE_READ_DATA | AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE

const writeAccess = AccessMask.FILE_WRITE_DATA | AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE

const mode = (
  desiredAccess: number,
  createDisposition: number,
  createOptions: number,
  shareAccess: number = everybody
): Share.OpenOptions => ({ desiredAccess: desiredAccess >>> 0, createDisposition, createOptions, shareAccess })

/**
 * The same options with further rights (MS-SMB2 2.2.13.1), for an open that is used for more than its data.
 *
 * @since 0.1.0
 */
export const withAccess = (options: Share.OpenOptions, rights: number): Share.OpenOptions => ({
  ...options,
  desiredAccess: (options.desiredAccess | rights) >>> 0
})

const { FILE_CREATE, FILE_OPEN, FILE_OPEN_IF, FILE_OVERWRITE_IF } = CreateDisposition
const {
  FILE_DIRECTORY_FILE,
  FILE_NON_DIRECTORY_FILE,
  FILE_OPEN_REPARSE_POINT,
  FILE_SEQUENTIAL_ONLY
} = CreateOptions

const changing = AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA | AccessMask.FILE_WRITE_EA |
  AccessMask.FILE_DELETE_CHILD | AccessMask.FILE_WRITE_ATTRIBUTES | AccessMask.DELETE | AccessMask.WRITE_DAC |
  AccessMask.WRITE_OWNER | AccessMask.GENERIC_WRITE | AccessMask.GENERIC_ALL

/**
 * Whether an open with these options can create, write, delete or rename something.
 *
 * @since 0.1.0
 */
export const changes = (options: Share.OpenOptions): boolean =>
  options.createDisposition !== FILE_OPEN || (options.desiredAccess & changing) !== 0 ||
  (options.createOptions & CreateOptions.FILE_DELETE_ON_CLOSE) !== 0

/**
 * An existing file, to read.
 *
 * @since 0.1.0
 */
export const read: Share.OpenOptions = mode(readAccess, FILE_OPEN, FILE_NON_DIRECTORY_FILE)

/**
 * An existing file, to read from start to end.
 *
 * @since 0.1.0
 */
export const readSequentially: Share.OpenOptions = mode(
  readAccess,
  FILE_OPEN,
  FILE_NON_DIRECTORY_FILE | FILE_SEQUENTIAL_ONLY
)

/**
 * A file to write from the start: created if it does not exist, emptied if it exists. Other opens can read it at the
 * same time.
 *
 * @since 0.1.0
 */
export const overwrite: Share.OpenOptions = mode(
  writeAccess,
  FILE_OVERWRITE_IF,
  FILE_NON_DIRECTORY_FILE,
  ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_DELETE
)

/**
 * A new file to write; `ObjectNameCollision` if the file exists.
 *
 * @since 0.1.0
 */
export const create: Share.OpenOptions = { ...overwrite, createDisposition: FILE_CREATE }

/**
 * A file to read and write, with its times and extended attributes. An existing file keeps its data; a missing one is
 * created.
 *
 * @since 0.1.0
 */
export const readWrite: Share.OpenOptions = mode(
  readAccess | writeAccess | AccessMask.FILE_READ_EA | AccessMask.FILE_WRITE_EA | AccessMask.FILE_WRITE_ATTRIBUTES,
  FILE_OPEN_IF,
  FILE_NON_DIRECTORY_FILE
)

/**
 * An existing file to read and write, with its times and extended attributes.
 *
 * @since 0.1.0
 */
export const update: Share.OpenOptions = { ...readWrite, createDisposition: FILE_OPEN }

/**
 * An existing file to write into and to truncate.
 *
 * @since 0.1.0
 */
export const write: Share.OpenOptions = { ...update, desiredAccess: writeAccess }

/**
 * A file to append to, and not to change: created if it does not exist. A user that may only add to a file, as to a log,
 * has the right for it. Every other program can open the file too. To read its end, or to write into it, add rights.
 *
 * @since 0.2.0
 */
export const append: Share.OpenOptions = mode(
  AccessMask.FILE_APPEND_DATA | AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE,
  FILE_OPEN_IF,
  FILE_NON_DIRECTORY_FILE
)

/**
 * A directory, to list and to watch.
 *
 * @since 0.1.0
 */
export const directory: Share.OpenOptions = mode(
  AccessMask.FILE_LIST_DIRECTORY | AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE,
  FILE_OPEN,
  FILE_DIRECTORY_FILE
)

/**
 * A new directory; `ObjectNameCollision` if the name exists.
 *
 * @since 0.1.0
 */
export const createDirectory: Share.OpenOptions = mode(
  AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE,
  FILE_CREATE,
  FILE_DIRECTORY_FILE
)

/**
 * A file or directory, to read its attributes. Follows symbolic links.
 *
 * @since 0.1.0
 */
export const attributes: Share.OpenOptions = mode(
  AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE,
  FILE_OPEN,
  0
)

/**
 * A file or directory, to change its attributes and times.
 *
 * @since 0.1.0
 */
export const setAttributes: Share.OpenOptions = mode(
  AccessMask.FILE_WRITE_ATTRIBUTES | AccessMask.SYNCHRONIZE,
  FILE_OPEN,
  0
)

/**
 * A file, directory or symbolic link, to delete or rename it. A link is opened itself, and not its target.
 *
 * @since 0.1.0
 */
export const remove: Share.OpenOptions = mode(
  AccessMask.DELETE | AccessMask.SYNCHRONIZE,
  FILE_OPEN,
  FILE_OPEN_REPARSE_POINT
)

/**
 * An existing directory in which a file is to be made. The open alone changes nothing: it fails if this user may not.
 *
 * @since 0.2.0
 */
export const addFile: Share.OpenOptions = mode(
  AccessMask.FILE_WRITE_DATA | AccessMask.SYNCHRONIZE,
  FILE_OPEN,
  FILE_DIRECTORY_FILE
)

/**
 * An existing directory in which a directory is to be made. The open alone changes nothing: it fails if this user may
 * not.
 *
 * @since 0.2.0
 */
export const addDirectory: Share.OpenOptions = mode(
  AccessMask.FILE_APPEND_DATA | AccessMask.SYNCHRONIZE,
  FILE_OPEN,
  FILE_DIRECTORY_FILE
)

/**
 * A reparse point, to read its data: the target of a symbolic link.
 *
 * @since 0.1.0
 */
export const readReparsePoint: Share.OpenOptions = mode(
  AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE,
  FILE_OPEN,
  FILE_OPEN_REPARSE_POINT
)

/**
 * A new file to set reparse data on.
 *
 * @since 0.1.0
 */
export const createReparsePoint: Share.OpenOptions = mode(
  AccessMask.FILE_WRITE_ATTRIBUTES | AccessMask.SYNCHRONIZE,
  FILE_CREATE,
  FILE_OPEN_REPARSE_POINT
)

/**
 * A file or directory, to read its security descriptor; with `audit` also the SACL, which needs a privilege.
 *
 * @since 0.1.0
 */
export const readSecurity = (audit: boolean): Share.OpenOptions =>
  mode(AccessMask.READ_CONTROL | AccessMask.SYNCHRONIZE | (audit ? AccessMask.ACCESS_SYSTEM_SECURITY : 0), FILE_OPEN, 0)

/**
 * A file or directory, to write parts of its security descriptor.
 *
 * @since 0.1.0
 */
export const writeSecurity = (parts: {
  readonly owner: boolean
  readonly dacl: boolean
  readonly sacl: boolean
}): Share.OpenOptions =>
  mode(
    AccessMask.SYNCHRONIZE | (parts.owner ? AccessMask.WRITE_OWNER : 0) | (parts.dacl ? AccessMask.WRITE_DAC : 0) |
      (parts.sacl ? AccessMask.ACCESS_SYSTEM_SECURITY : 0),
    FILE_OPEN,
    0
  )

/**
 * A named pipe on IPC$.
 *
 * @since 0.1.0
 */
export const pipe: Share.OpenOptions = mode(
  AccessMask.FILE_READ_DATA | AccessMask.FILE_WRITE_DATA | AccessMask.SYNCHRONIZE,
  FILE_OPEN,
  FILE_NON_DIRECTORY_FILE
)
