/** Checks a CREATE before any lookup, and computes the access that it gets (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1). */
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type * as Sd from "../../../Codec/SecurityDescriptor.ts"
import {
  AccessMask as A,
  CreateDisposition as D,
  CreateOptions as O,
  FileAttributes as F,
  ImpersonationLevel
} from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/Create.ts"
import type { StoreNode } from "../../ShareStore.ts"
import * as Access from "../State/Access.ts"
import type { Incoming } from "../State/Incoming.ts"
import type * as CreateContexts from "./CreateContexts.ts"
import * as Names from "./Names.ts"
import type { Name } from "./Pathname.ts"

/**
 * The attributes of MS-FSCC 2.6. A volume without integrity streams ignores FILE_ATTRIBUTE_INTEGRITY_STREAM and
 * FILE_ATTRIBUTE_NO_SCRUB_DATA.
 */
const validAttributes = 0x0002_ffb7
const validAccess = 0xf31f_01ff | 0

/** The file that a CREATE names, or the status that says what is wrong with its fields. */
export const check = (incoming: Incoming, body: Message.Request): Name | number => {
  const { createOptions, desiredAccess, fileAttributes, shareAccess } = body
  if (body.impersonationLevel > ImpersonationLevel.Delegate) return NtStatus.STATUS_BAD_IMPERSONATION_LEVEL
  if (body.createDisposition > D.FILE_OVERWRITE_IF) return NtStatus.STATUS_INVALID_PARAMETER
  if ((shareAccess & ~7) !== 0) return NtStatus.STATUS_INVALID_PARAMETER
  if ((createOptions & 0xff00_0000) !== 0) return NtStatus.STATUS_INVALID_PARAMETER
  // FILE_OPEN_REMOTE_INSTANCE is ignored (MS-SMB2 2.2.13).
  if (has(createOptions, O.FILE_CREATE_TREE_CONNECTION | O.FILE_OPEN_BY_FILE_ID | O.FILE_RESERVE_OPFILTER)) {
    return NtStatus.STATUS_NOT_SUPPORTED
  }
  if (has(createOptions, O.FILE_DIRECTORY_FILE) && has(createOptions, O.FILE_NON_DIRECTORY_FILE)) {
    return NtStatus.STATUS_INVALID_PARAMETER
  }
  if ((desiredAccess & ~validAccess) !== 0 || desiredAccess === 0) return NtStatus.STATUS_ACCESS_DENIED
  if ((fileAttributes & ~validAttributes) !== 0) return NtStatus.STATUS_INVALID_PARAMETER
  if (
    has(createOptions, O.FILE_DIRECTORY_FILE) &&
    (body.createDisposition === D.FILE_SUPERSEDE || body.createDisposition === D.FILE_OVERWRITE ||
      body.createDisposition === D.FILE_OVERWRITE_IF)
  ) return NtStatus.STATUS_INVALID_PARAMETER
  if (
    has(createOptions, O.FILE_DELETE_ON_CLOSE) &&
    !has(desiredAccess, A.DELETE | A.GENERIC_ALL | A.MAXIMUM_ALLOWED)
  ) return NtStatus.STATUS_INVALID_PARAMETER
  const name = Names.read(incoming, body.name)
  if (typeof name !== "number" && has(createOptions, O.FILE_NON_DIRECTORY_FILE)) {
    if (name.endsInBackslash) return NtStatus.STATUS_OBJECT_NAME_INVALID
    if (name.type === "directory") return NtStatus.STATUS_FILE_IS_A_DIRECTORY
  }
  const isData = typeof name !== "number" && (name.stream !== undefined || name.type === "data")
  if (isData && has(createOptions, O.FILE_DIRECTORY_FILE)) {
    return NtStatus.STATUS_NOT_A_DIRECTORY
  }
  // The share's root cannot be deleted, and a pending deletion would keep all other clients out.
  if (
    has(createOptions, O.FILE_DELETE_ON_CLOSE) && typeof name !== "number" && name.path.length === 0 &&
    name.stream === undefined
  ) return NtStatus.STATUS_CANNOT_DELETE
  return name
}

/** Whether a CREATE makes a directory if the name does not exist. */
export const makesDirectory = (body: Message.Request, name: Name): boolean =>
  has(body.createOptions, O.FILE_DIRECTORY_FILE) || name.type === "directory"

/** The access that an open of an existing file gets. */
export type GrantedAccess =
  | { readonly refused: number }
  | {
    /** The rights of the open. */
    readonly access: number
    /** The rights that share modes are checked against: an overwrite counts as a write, with any requested access. */
    readonly checked: number
    /** All rights that this user has to the file. */
    readonly maximal: number
  }

/** Whether the rights that the parent directory grants make a difference to the result without them. */
export const mattersAbove = (granted: GrantedAccess, body: Message.Request, contexts: CreateContexts.Asked): boolean =>
  "refused" in granted || contexts.maximalAccess || has(body.desiredAccess, A.MAXIMUM_ALLOWED)

/**
 * Checks the access that a CREATE asks for, of an existing file or a named stream of it. If the parent directory is
 * given, some rights come from it: a user with the right to delete a directory's entries may remove a name there. That
 * right does not apply to streams: a stream belongs to the file under all of its names, and a user can give a file a
 * name in their own directory.
 */
export const grant = (
  incoming: Incoming,
  body: Message.Request,
  node: StoreNode,
  descriptor: Sd.SecurityDescriptor,
  parent: Sd.SecurityDescriptor | undefined,
  overwrite: boolean,
  isStream: boolean
): GrantedAccess => {
  const user = incoming.session!.user!
  const tree = incoming.tree!
  const asked = Access.mapGeneric(body.desiredAccess)
  let maximal = Access.maximal(descriptor, user)
  if (parent !== undefined) {
    const above = Access.maximal(parent, user)
    if (has(above, A.FILE_DELETE_CHILD) && !isStream) maximal |= A.DELETE
    if (has(above, A.FILE_LIST_DIRECTORY)) maximal |= A.FILE_READ_ATTRIBUTES
  }
  const readOnly = has(node.fileAttributes, F.FILE_ATTRIBUTE_READONLY) && node.type === "file"
  const specific = (asked & ~(A.MAXIMUM_ALLOWED | A.SYNCHRONIZE)) | (overwrite ? A.FILE_WRITE_DATA : 0)
  if ((specific & ~maximal & ~A.ACCESS_SYSTEM_SECURITY) !== 0) return { refused: NtStatus.STATUS_ACCESS_DENIED }
  if (has(specific, A.ACCESS_SYSTEM_SECURITY) && !user.administrator) {
    return { refused: NtStatus.STATUS_PRIVILEGE_NOT_HELD }
  }
  if ((specific & ~tree.maximalAccess & ~A.ACCESS_SYSTEM_SECURITY) !== 0) {
    return { refused: NtStatus.STATUS_ACCESS_DENIED }
  }
  if (readOnly) {
    if (overwrite || has(asked, A.FILE_WRITE_DATA | A.FILE_APPEND_DATA)) {
      return { refused: NtStatus.STATUS_ACCESS_DENIED }
    }
  }
  // Also for directories (MS-FSA 2.1.5.1.2.1).
  if (has(body.createOptions, O.FILE_DELETE_ON_CLOSE) && has(node.fileAttributes, F.FILE_ATTRIBUTE_READONLY)) {
    return { refused: NtStatus.STATUS_CANNOT_DELETE }
  }
  let access = asked & ~A.MAXIMUM_ALLOWED
  if (has(asked, A.MAXIMUM_ALLOWED)) {
    access |= maximal & tree.maximalAccess & ~(readOnly ? A.FILE_WRITE_DATA | A.FILE_APPEND_DATA : 0) &
      ~A.ACCESS_SYSTEM_SECURITY
  }
  // A client that asks for MAXIMUM_ALLOWED may still lack this right.
  if (has(body.createOptions, O.FILE_DELETE_ON_CLOSE) && !has(access, A.DELETE)) {
    return { refused: NtStatus.STATUS_ACCESS_DENIED }
  }
  return { access, checked: access | (overwrite ? A.FILE_WRITE_DATA : 0), maximal }
}
