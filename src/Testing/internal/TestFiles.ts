/**
 * The file commands of the test kit's peer in one share: from CREATE to SET_INFO, on a tree in memory.
 *
 * Enough for an app that reads, writes, lists, renames and removes. No locks, no oplocks, no leases, no access control,
 * no share modes, no streams: the response to these is STATUS_NOT_SUPPORTED, or they are not granted.
 */
import * as Codec from "../../Codec/Codec.ts"
import * as DirectoryInformation from "../../Codec/DirectoryInformation.ts"
import * as FileInformation from "../../Codec/FileInformation.ts"
import * as FileSystemInformation from "../../Codec/FileSystemInformation.ts"
import { NtStatus } from "../../Codec/NtStatus.ts"
import * as Reparse from "../../Codec/Reparse.ts"
import type { FileId } from "../../Smb2/Message/Common.ts"
import {
  CreateAction,
  CreateDisposition,
  CreateOptions,
  Dialect,
  InfoType,
  QueryDirectoryFlags
} from "../../Smb2/Message/Constants.ts"
import * as ErrorResponse from "../../Smb2/Message/ErrorResponse.ts"
import * as Fsctl from "../../Smb2/Message/Fsctl.ts"
import type * as Message from "../../Smb2/Message/Message.ts"
import * as Tree from "./TestTree.ts"

/** The result of a request. Without a response, the body is an ERROR. */
export interface Outcome {
  readonly status: number
  readonly response?: Message.Response
  /** The response is sent only when the request is cancelled. */
  readonly waits?: boolean
}

/** An open. */
export interface Handle {
  readonly fileId: FileId
  readonly root: Tree.Node
  readonly node: Tree.Node
  deletes: boolean
  listing: { readonly entries: ReadonlyArray<Tree.Node>; next: number } | undefined
}

type Body<C extends Message.CommandName> = Extract<Message.Request, { readonly _tag: C }>["body"]

const done = (response: Message.Response): Outcome => ({ status: 0, response })
export const refuse = (status: number): Outcome => ({ status })

const sizeOf = (node: Tree.Node): bigint => BigInt(node.data.length)
const allocationOf = (node: Tree.Node): bigint => (sizeOf(node) + 4095n) / 4096n * 4096n

const attributes = (node: Tree.Node) => ({
  creationTime: node.creationTime,
  lastAccessTime: node.lastAccessTime,
  lastWriteTime: node.lastWriteTime,
  changeTime: node.changeTime,
  allocationSize: allocationOf(node),
  endOfFile: sizeOf(node),
  fileAttributes: node.fileAttributes
})

// -----------------------------------------------------------------------------
// CREATE
// -----------------------------------------------------------------------------

const isAbsolute = (target: string): boolean => target.startsWith("\\")

/** The target as an NT path, and as users write it. */
const namesOf = (target: string) => ({
  substituteName: target.startsWith("\\\\") ? `\\??\\UNC\\${target.slice(2)}` : target,
  printName: target,
  flags: isAbsolute(target) ? 0 : Reparse.SYMLINK_FLAG_RELATIVE
})

const stopped = (target: string, unparsed: string, dialect: number): Outcome => {
  const data = Codec.encode(ErrorResponse.SymbolicLinkErrorResponse)({
    unparsedPathLength: unparsed.length * 2,
    ...namesOf(target)
  })
  const contexts = dialect === Dialect.SMB_3_1_1
  return {
    status: NtStatus.STATUS_STOPPED_ON_SYMLINK,
    response: {
      _tag: "ERROR",
      body: {
        errorContextCount: contexts ? 1 : 0,
        errorData: contexts
          ? Codec.encode(ErrorResponse.errorContexts(1))([
            { errorId: ErrorResponse.ErrorId.SMB2_ERROR_ID_DEFAULT, errorContextData: data }
          ])
          : data
      }
    }
  }
}

/** Opens or creates the node that a CREATE names, or gives the status of the failure. */
const place = (
  root: Tree.Node,
  body: Body<"CREATE">,
  path: string,
  dialect: number,
  now: bigint
): { readonly node: Tree.Node; readonly createAction: number } | Outcome => {
  const { createDisposition, createOptions } = body
  const has = (option: number) => (createOptions & option) !== 0
  const found = Tree.find(root, path, has(CreateOptions.FILE_OPEN_REPARSE_POINT))
  switch (found._tag) {
    case "NoPath":
      return refuse(NtStatus.STATUS_OBJECT_PATH_NOT_FOUND)
    case "Link":
      return stopped(found.target, found.unparsed, dialect)
    case "Missing": {
      if (createDisposition === CreateDisposition.FILE_OPEN || createDisposition === CreateDisposition.FILE_OVERWRITE) {
        return refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      }
      const made = Tree.node(
        found.name,
        found.parent,
        now,
        has(CreateOptions.FILE_DIRECTORY_FILE) ? { children: new Map() } : {}
      )
      Tree.hang(found.parent, made)
      return { node: made, createAction: CreateAction.FILE_CREATED }
    }
    case "Node": {
      const { node } = found
      if (createDisposition === CreateDisposition.FILE_CREATE) return refuse(NtStatus.STATUS_OBJECT_NAME_COLLISION)
      if (has(CreateOptions.FILE_DIRECTORY_FILE) && node.children === undefined) {
        return refuse(NtStatus.STATUS_NOT_A_DIRECTORY)
      }
      if (has(CreateOptions.FILE_NON_DIRECTORY_FILE) && node.children !== undefined) {
        return refuse(NtStatus.STATUS_FILE_IS_A_DIRECTORY)
      }
      if (createDisposition === CreateDisposition.FILE_OPEN || createDisposition === CreateDisposition.FILE_OPEN_IF) {
        return { node, createAction: CreateAction.FILE_OPENED }
      }
      node.data = new Uint8Array(0)
      node.lastWriteTime = now
      return { node, createAction: CreateAction.FILE_OVERWRITTEN }
    }
  }
}

export const create = (
  root: Tree.Node,
  body: Body<"CREATE">,
  path: string,
  fileId: FileId,
  dialect: number,
  now: bigint
): { readonly outcome: Outcome; readonly handle?: Handle } => {
  const placed = place(root, body, path, dialect, now)
  if ("status" in placed) return { outcome: placed }
  const { createAction, node } = placed
  const handle: Handle = {
    fileId,
    root,
    node,
    deletes: (body.createOptions & CreateOptions.FILE_DELETE_ON_CLOSE) !== 0,
    listing: undefined
  }
  return {
    handle,
    outcome: done({
      _tag: "CREATE",
      body: { oplockLevel: 0, flags: 0, createAction, ...attributes(node), fileId, createContexts: [] }
    })
  }
}

export const close = (handle: Handle): Outcome => {
  if (handle.deletes) Tree.unhang(handle.node)
  return done({
    _tag: "CLOSE",
    body: {
      flags: 0,
      creationTime: 0n,
      lastAccessTime: 0n,
      lastWriteTime: 0n,
      changeTime: 0n,
      allocationSize: 0n,
      endOfFile: 0n,
      fileAttributes: 0
    }
  })
}

// -----------------------------------------------------------------------------
// data
// -----------------------------------------------------------------------------

/** The largest file that the kit keeps. */
const largest = 256 * 1024 * 1024

const read = (handle: Handle, body: Body<"READ">): Outcome => {
  if (handle.node.children !== undefined) return refuse(NtStatus.STATUS_INVALID_DEVICE_REQUEST)
  const { data } = handle.node
  const at = body.offset > BigInt(data.length) ? data.length : Number(body.offset)
  const buffer = data.slice(at, at + body.length)
  return buffer.length === 0 && body.length > 0
    ? refuse(NtStatus.STATUS_END_OF_FILE)
    : done({ _tag: "READ", body: { dataRemaining: 0, flags: 0, buffer } })
}

const resize = (node: Tree.Node, length: number): void => {
  const data = new Uint8Array(length)
  data.set(node.data.subarray(0, length))
  node.data = data
}

/** The offset of a WRITE to the end of the file (MS-FSA 2.1.5.4). */
const endOfFile = 0xffff_ffff_ffff_ffffn

const write = (handle: Handle, body: Body<"WRITE">, now: bigint): Outcome => {
  const { node } = handle
  if (node.children !== undefined) return refuse(NtStatus.STATUS_INVALID_DEVICE_REQUEST)
  const offset = body.offset === endOfFile ? BigInt(node.data.length) : body.offset
  const end = offset + BigInt(body.buffer.length)
  if (end > BigInt(largest)) return refuse(NtStatus.STATUS_DISK_FULL)
  if (end > BigInt(node.data.length)) resize(node, Number(end))
  node.data.set(body.buffer, Number(offset))
  node.lastWriteTime = now
  return done({ _tag: "WRITE", body: { count: body.buffer.length } })
}

// -----------------------------------------------------------------------------
// information
// -----------------------------------------------------------------------------

const pathOf = (node: Tree.Node): string => node.parent === undefined ? "" : `${pathOf(node.parent)}\\${node.name}`

/** A value with the fields of all classes that describe one file: each codec uses its own. */
const everything = (handle: Handle) => {
  const { node } = handle
  const common = {
    ...attributes(node),
    numberOfLinks: 1,
    deletePending: handle.deletes,
    directory: node.children !== undefined,
    indexNumber: node.id,
    eaSize: 0,
    accessFlags: 0x1f01ff,
    currentByteOffset: 0n,
    mode: 0,
    alignmentRequirement: 0,
    fileName: node.parent === undefined ? "\\" : pathOf(node),
    reparseTag: node.target === undefined ? 0 : Reparse.ReparseTag.IO_REPARSE_TAG_SYMLINK
  }
  return {
    ...common,
    basicInformation: common,
    standardInformation: common,
    internalInformation: common,
    eaInformation: common,
    accessInformation: common,
    positionInformation: common,
    modeInformation: common,
    alignmentInformation: common,
    nameInformation: common
  }
}

const told: ReadonlySet<string> = new Set([
  "FileBasicInformation",
  "FileStandardInformation",
  "FileInternalInformation",
  "FileEaInformation",
  "FileAccessInformation",
  "FileNameInformation",
  "FilePositionInformation",
  "FileModeInformation",
  "FileAlignmentInformation",
  "FileAllInformation",
  "FileNetworkOpenInformation",
  "FileAttributeTagInformation",
  "FileNormalizedNameInformation"
])

const volume = {
  volumeCreationTime: 0n,
  volumeSerialNumber: 1,
  supportsObjects: false,
  volumeLabel: "memory",
  totalAllocationUnits: 65536n,
  availableAllocationUnits: 32768n,
  callerAvailableAllocationUnits: 32768n,
  actualAvailableAllocationUnits: 32768n,
  sectorsPerAllocationUnit: 8,
  bytesPerSector: 512,
  deviceType: 7,
  characteristics: 0,
  fileSystemAttributes: 7,
  maximumComponentNameLength: 255,
  fileSystemName: "memory"
}

const toldOfVolume: ReadonlySet<string> = new Set([
  "FileFsVolumeInformation",
  "FileFsSizeInformation",
  "FileFsDeviceInformation",
  "FileFsAttributeInformation",
  "FileFsFullSizeInformation"
])

const queryInfo = (handle: Handle, body: Body<"QUERY_INFO">): Outcome => {
  const file = body.infoType === InfoType.SMB2_0_INFO_FILE
  if (!file && body.infoType !== InfoType.SMB2_0_INFO_FILESYSTEM) return refuse(NtStatus.STATUS_NOT_SUPPORTED)
  const found = (file ? FileInformation : FileSystemInformation).byNumber(body.fileInfoClass)
  if (found === undefined) return refuse(NtStatus.STATUS_INVALID_INFO_CLASS)
  if (!(file ? told : toldOfVolume).has(found.name)) return refuse(NtStatus.STATUS_NOT_SUPPORTED)
  const buffer = Codec.encode(found.codec as Codec.Codec<any>)(file ? everything(handle) : volume)
  if (buffer.length > body.outputBufferLength) return refuse(NtStatus.STATUS_INFO_LENGTH_MISMATCH)
  return done({ _tag: "QUERY_INFO", body: { buffer } })
}

const rename = (handle: Handle, fileName: string, replaceIfExists: boolean): Outcome => {
  const { node, root } = handle
  const found = Tree.find(root, fileName, true)
  if (found._tag === "NoPath" || found._tag === "Link") return refuse(NtStatus.STATUS_OBJECT_PATH_NOT_FOUND)
  if (node === root) return refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (found._tag === "Node" && found.node !== node) {
    if (!replaceIfExists) return refuse(NtStatus.STATUS_OBJECT_NAME_COLLISION)
    if (found.node.children !== undefined) return refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  const parent = found._tag === "Node" ? found.node.parent : found.parent
  for (let above = parent; above !== undefined; above = above.parent) {
    if (above === node) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
  }
  if (parent === undefined) return refuse(NtStatus.STATUS_OBJECT_NAME_COLLISION)
  if (found._tag === "Node") Tree.unhang(found.node)
  Tree.unhang(node)
  node.name = Tree.split(fileName).at(-1)!
  Tree.hang(parent, node)
  return done({ _tag: "SET_INFO", body: {} })
}

const setInfo = (handle: Handle, body: Body<"SET_INFO">): Outcome => {
  if (body.infoType !== InfoType.SMB2_0_INFO_FILE) return refuse(NtStatus.STATUS_NOT_SUPPORTED)
  const { node } = handle
  const good = done({ _tag: "SET_INFO", body: {} })
  const value = <A>(codec: Codec.Codec<A>): A | undefined => {
    const result = Codec.decode("information", codec)(body.buffer)
    return result._tag === "Success" ? result.success : undefined
  }
  const bad = refuse(NtStatus.STATUS_INFO_LENGTH_MISMATCH)
  switch (FileInformation.byNumber(body.fileInfoClass)?.name) {
    case "FileDispositionInformation": {
      const wanted = value(FileInformation.FileDispositionInformation)
      if (wanted === undefined) return bad
      if (wanted.deletePending && node.parent === undefined) return refuse(NtStatus.STATUS_CANNOT_DELETE)
      if (wanted.deletePending && (node.children?.size ?? 0) > 0) return refuse(NtStatus.STATUS_DIRECTORY_NOT_EMPTY)
      handle.deletes = wanted.deletePending
      return good
    }
    case "FileRenameInformation": {
      const wanted = value(FileInformation.FileRenameInformation)
      return wanted === undefined ? bad : rename(handle, wanted.fileName, wanted.replaceIfExists)
    }
    case "FileEndOfFileInformation": {
      const wanted = value(FileInformation.FileEndOfFileInformation)
      if (wanted === undefined) return bad
      if (wanted.endOfFile > BigInt(largest)) return refuse(NtStatus.STATUS_DISK_FULL)
      resize(node, Number(wanted.endOfFile))
      return good
    }
    case "FileBasicInformation": {
      const wanted = value(FileInformation.FileBasicInformation)
      if (wanted === undefined) return bad
      for (const time of ["creationTime", "lastAccessTime", "lastWriteTime", "changeTime"] as const) {
        if (wanted[time] > 0n) node[time] = wanted[time]
      }
      if (wanted.fileAttributes !== 0) {
        node.fileAttributes = wanted.fileAttributes & ~0x90 | (node.children === undefined ? 0 : 0x10)
        if (node.fileAttributes === 0) node.fileAttributes = 0x80
      }
      return good
    }
    default:
      return refuse(NtStatus.STATUS_NOT_SUPPORTED)
  }
}

// -----------------------------------------------------------------------------
// directories
// -----------------------------------------------------------------------------

const queryDirectory = (handle: Handle, body: Body<"QUERY_DIRECTORY">): Outcome => {
  const { node } = handle
  if (node.children === undefined) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
  const found = DirectoryInformation.byNumber(body.fileInformationClass)
  if (found === undefined) return refuse(NtStatus.STATUS_INVALID_INFO_CLASS)
  const afresh = QueryDirectoryFlags.SMB2_RESTART_SCANS | QueryDirectoryFlags.SMB2_REOPEN
  const starts = handle.listing === undefined || (body.flags & afresh) !== 0
  if (starts) {
    const fits = Tree.matcher(body.fileName)
    const named = (name: string, of: Tree.Node): Tree.Node => ({ ...of, name })
    const all = [named(".", node), named("..", node.parent ?? node), ...node.children.values()]
    handle.listing = { entries: all.filter(({ name }) => fits.test(name)), next: 0 }
  }
  const listing = handle.listing!
  if (listing.next >= listing.entries.length) {
    return refuse(starts ? NtStatus.STATUS_NO_SUCH_FILE : NtStatus.STATUS_NO_MORE_FILES)
  }
  const encode = Codec.encode(found.codec)
  const most = (body.flags & QueryDirectoryFlags.SMB2_RETURN_SINGLE_ENTRY) === 0 ? listing.entries.length : 1
  const page: Array<unknown> = []
  let length = 0
  while (listing.next < listing.entries.length && page.length < most) {
    const child = listing.entries[listing.next]!
    const entry = {
      ...attributes(child),
      fileIndex: 0,
      eaSize: child.target === undefined ? 0 : Reparse.ReparseTag.IO_REPARSE_TAG_SYMLINK,
      reparsePointTag: child.target === undefined ? 0 : Reparse.ReparseTag.IO_REPARSE_TAG_SYMLINK,
      shortName: "",
      fileId: found.name.includes("Extd") ? new Uint8Array(16) : child.id,
      fileName: child.name
    }
    length = (length + 7 & ~7) + encode([entry]).length
    if (length > body.outputBufferLength) break
    page.push(entry)
    listing.next++
  }
  if (page.length === 0) return refuse(NtStatus.STATUS_INFO_LENGTH_MISMATCH)
  return done({ _tag: "QUERY_DIRECTORY", body: { buffer: encode(page) } })
}

const reparsePoint = (handle: Handle, body: Body<"IOCTL">): Outcome => {
  const { target } = handle.node
  if (target === undefined) return refuse(NtStatus.STATUS_NOT_A_REPARSE_POINT)
  const output = Codec.encode(Reparse.ReparseDataBuffer)({ _tag: "SymbolicLink", ...namesOf(target) })
  return done({
    _tag: "IOCTL",
    body: { ctlCode: body.ctlCode, fileId: body.fileId, flags: 0, input: new Uint8Array(0), output }
  })
}

/** A command on an open, except CLOSE. */
export const run = (handle: Handle, request: Message.Request, now: bigint): Outcome => {
  switch (request._tag) {
    case "READ":
      return read(handle, request.body)
    case "WRITE":
      return write(handle, request.body, now)
    case "FLUSH":
      return done({ _tag: "FLUSH", body: {} })
    case "QUERY_INFO":
      return queryInfo(handle, request.body)
    case "SET_INFO":
      return setInfo(handle, request.body)
    case "QUERY_DIRECTORY":
      return queryDirectory(handle, request.body)
    case "CHANGE_NOTIFY":
      return { status: NtStatus.STATUS_CANCELLED, waits: true }
    case "IOCTL":
      return request.body.ctlCode === Fsctl.Fsctl.FSCTL_GET_REPARSE_POINT
        ? reparsePoint(handle, request.body)
        : refuse(NtStatus.STATUS_NOT_SUPPORTED)
    default:
      return refuse(NtStatus.STATUS_NOT_SUPPORTED)
  }
}
