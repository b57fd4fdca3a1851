/** Requests with the fields of MS-SMB2 2.2 that tests vary. Fields that no test varies have fixed values. */
import { DirectoryInformation, FileInformation, FileSystemInformation } from "effect-smb/Codec"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import {
  AccessMask,
  CompletionFilter,
  CreateDisposition,
  CreateOptions,
  ImpersonationLevel,
  InfoType,
  IoctlFlags,
  LockFlags,
  QueryDirectoryFlags,
  SecurityInformation,
  ShareAccess
} from "../../src/Smb2/Message/Constants.ts"
import type * as Create from "../../src/Smb2/Message/Create.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"

const nothing = new Uint8Array(0)

/** Default: opens or creates the file, with MAXIMUM_ALLOWED, and shares everything. */
export const create = (name: string, how: Partial<Create.Request> = {}): Message.Request => ({
  _tag: "CREATE",
  body: {
    requestedOplockLevel: 0,
    impersonationLevel: ImpersonationLevel.Impersonation,
    desiredAccess: AccessMask.MAXIMUM_ALLOWED,
    fileAttributes: 0,
    shareAccess: ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE,
    createDisposition: CreateDisposition.FILE_OPEN_IF,
    createOptions: 0,
    name,
    createContexts: [],
    ...how
  }
})

/** Options of `create` for a directory that is only listed and watched. */
export const directory = {
  createOptions: CreateOptions.FILE_DIRECTORY_FILE,
  desiredAccess: AccessMask.FILE_LIST_DIRECTORY | AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE
}

export const echo: Message.Request = { _tag: "ECHO", body: {} }

export const close = (fileId: FileId): Message.Request => ({ _tag: "CLOSE", body: { flags: 0, fileId } })

export const flush = (fileId: FileId): Message.Request => ({ _tag: "FLUSH", body: { fileId } })

/** An exclusive lock of one byte. Default: it does not wait. */
export const lock = (fileId: FileId, offset: number, how: { readonly wait?: boolean } = {}): Message.Request => ({
  _tag: "LOCK",
  body: {
    lockSequence: { lockSequenceNumber: 0, lockSequenceIndex: 0 },
    fileId,
    locks: [{
      offset: BigInt(offset),
      length: 1n,
      flags: LockFlags.SMB2_LOCKFLAG_EXCLUSIVE_LOCK |
        (how.wait === true ? 0 : LockFlags.SMB2_LOCKFLAG_FAIL_IMMEDIATELY)
    }]
  }
})

/** All changes in a directory. */
export const notify = (fileId: FileId, outputBufferLength = 65_536): Message.Request => ({
  _tag: "CHANGE_NOTIFY",
  body: { flags: 0, outputBufferLength, fileId, completionFilter: allChanges }
})

export const read = (fileId: FileId, length: number): Message.Request => ({
  _tag: "READ",
  body: {
    padding: 0,
    flags: 0,
    length,
    offset: 0n,
    fileId,
    minimumCount: 0,
    channel: 0,
    remainingBytes: 0,
    readChannelInfo: nothing
  }
})

export const write = (fileId: FileId, buffer: Uint8Array, offset = 0n): Message.Request => ({
  _tag: "WRITE",
  body: { offset, fileId, channel: 0, remainingBytes: 0, flags: 0, writeChannelInfo: nothing, buffer }
})

const infoTypes = {
  file: InfoType.SMB2_0_INFO_FILE,
  fileSystem: InfoType.SMB2_0_INFO_FILESYSTEM,
  security: InfoType.SMB2_0_INFO_SECURITY
} as const

/** The name of an information class, or a number that has no name. */
export type InformationClass = FileInformation.ClassName | FileSystemInformation.ClassName | number

const classes = { ...FileInformation.classes, ...FileSystemInformation.classes }

export const numberOf = (informationClass: InformationClass): number =>
  typeof informationClass === "number" ? informationClass : classes[informationClass].number

const { DACL_SECURITY_INFORMATION, GROUP_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION } = SecurityInformation
const allParts = OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION

/** Every change that a client can watch. */
const allChanges = Object.values(CompletionFilter).reduce((all, one) => all | one, 0)

export const query = (
  fileId: FileId,
  infoType: keyof typeof infoTypes,
  fileInfoClass: InformationClass = 0,
  additionalInformation: number = infoType === "security" ? allParts : 0
): Message.Request => ({
  _tag: "QUERY_INFO",
  body: {
    infoType: infoTypes[infoType],
    fileInfoClass: numberOf(fileInfoClass),
    outputBufferLength: 4096,
    additionalInformation,
    flags: 0,
    fileId,
    inputBuffer: nothing
  }
})

export const set = (
  fileId: FileId,
  infoType: keyof typeof infoTypes,
  fileInfoClass: InformationClass,
  buffer: Uint8Array,
  additionalInformation: number = infoType === "security" ? DACL_SECURITY_INFORMATION : 0
): Message.Request => ({
  _tag: "SET_INFO",
  body: {
    infoType: infoTypes[infoType],
    fileInfoClass: numberOf(fileInfoClass),
    additionalInformation,
    fileId,
    buffer
  }
})

/** The entries that match a pattern, from the first one. */
export const list = (fileId: FileId, fileName = "*"): Message.Request => ({
  _tag: "QUERY_DIRECTORY",
  body: {
    fileInformationClass: DirectoryInformation.classes.FileIdBothDirectoryInformation.number,
    flags: QueryDirectoryFlags.SMB2_RESTART_SCANS,
    fileIndex: 0,
    fileId,
    outputBufferLength: 65_536,
    fileName
  }
})

export const fsctl = (fileId: FileId, ctlCode: number, input: Uint8Array): Message.Request => ({
  _tag: "IOCTL",
  body: {
    ctlCode,
    fileId,
    maxInputResponse: 0,
    maxOutputResponse: 4096,
    flags: IoctlFlags.SMB2_0_IOCTL_IS_FSCTL,
    input,
    output: nothing
  }
})
