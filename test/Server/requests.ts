/** Requests with the fields of MS-SMB2 2.2 that tests vary. Fields that no test varies have fixed values. */
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { CreateDisposition } from "../../src/Smb2/Message/Constants.ts"
import type * as Create from "../../src/Smb2/Message/Create.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"

const nothing = new Uint8Array(0)

/** Default: opens or creates the file, with MAXIMUM_ALLOWED, and shares everything. */
export const create = (name: string, how: Partial<Create.Request> = {}): Message.Request => ({
  _tag: "CREATE",
  body: {
    requestedOplockLevel: 0,
    impersonationLevel: 2,
    desiredAccess: 0x0200_0000,
    fileAttributes: 0,
    shareAccess: 7,
    createDisposition: CreateDisposition.FILE_OPEN_IF,
    createOptions: 0,
    name,
    createContexts: [],
    ...how
  }
})

/** Options of `create` for a directory that is only listed and watched. */
export const directory = { createOptions: 1, desiredAccess: 0x0010_0081 }

export const echo: Message.Request = { _tag: "ECHO", body: {} }

export const close = (fileId: FileId): Message.Request => ({ _tag: "CLOSE", body: { flags: 0, fileId } })

export const flush = (fileId: FileId): Message.Request => ({ _tag: "FLUSH", body: { fileId } })

/** An exclusive lock of one byte. Default: it does not wait. */
export const lock = (fileId: FileId, offset: number, how: { readonly wait?: boolean } = {}): Message.Request => ({
  _tag: "LOCK",
  body: {
    lockSequence: { lockSequenceNumber: 0, lockSequenceIndex: 0 },
    fileId,
    locks: [{ offset: BigInt(offset), length: 1n, flags: how.wait === true ? 2 : 0x12 }]
  }
})

/** All changes in a directory. */
export const notify = (fileId: FileId, outputBufferLength = 65_536): Message.Request => ({
  _tag: "CHANGE_NOTIFY",
  body: { flags: 0, outputBufferLength, fileId, completionFilter: 0xfff }
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

/** SMB2_0_INFO_* (MS-SMB2 2.2.37). */
const infoTypes = { file: 1, fileSystem: 2, security: 3 } as const
type InfoType = keyof typeof infoTypes

/** OWNER, GROUP and DACL_SECURITY_INFORMATION. */
const allParts = 7
const onlyList = 4

export const query = (
  fileId: FileId,
  infoType: InfoType,
  fileInfoClass = 0,
  additionalInformation: number = infoType === "security" ? allParts : 0
): Message.Request => ({
  _tag: "QUERY_INFO",
  body: {
    infoType: infoTypes[infoType],
    fileInfoClass,
    outputBufferLength: 4096,
    additionalInformation,
    flags: 0,
    fileId,
    inputBuffer: nothing
  }
})

export const set = (
  fileId: FileId,
  infoType: InfoType,
  fileInfoClass: number,
  buffer: Uint8Array,
  additionalInformation: number = infoType === "security" ? onlyList : 0
): Message.Request => ({
  _tag: "SET_INFO",
  body: {
    infoType: infoTypes[infoType],
    fileInfoClass,
    additionalInformation,
    fileId,
    buffer
  }
})

/** The entries that match a pattern, from the first one. */
export const list = (fileId: FileId, fileName = "*"): Message.Request => ({
  _tag: "QUERY_DIRECTORY",
  body: { fileInformationClass: 37, flags: 1, fileIndex: 0, fileId, outputBufferLength: 65_536, fileName }
})

export const fsctl = (fileId: FileId, ctlCode: number, input: Uint8Array): Message.Request => ({
  _tag: "IOCTL",
  body: {
    ctlCode,
    fileId,
    maxInputResponse: 0,
    maxOutputResponse: 4096,
    flags: 1,
    input,
    output: nothing
  }
})
