/**
 * File information classes (MS-FSCC 2.4): the content of QUERY_INFO and SET_INFO about one file.
 *
 * Each class is a codec and a type with the document's name. `classes` gives a class by its name, `byNumber` by its
 * number. Listings are in `DirectoryInformation.ts`, volumes in `FileSystemInformation.ts`.
 *
 * Sizes and positions are bytes as `bigint`. The documents call them signed and forbid negative values. This module
 * reads them as unsigned, so that a wrong value of a peer is a very large number and never a negative one. Times are
 * `FileTime`. Names are relative to the place that the class defines, with backslashes, never terminated. Decoded byte
 * arrays are views of the buffer that was read.
 *
 * If the server's status is STATUS_BUFFER_OVERFLOW, a name was cut off and its length is still that of the whole: such
 * bytes are malformed to these codecs. Ask again with a larger buffer.
 */
import * as Codec from "./Codec.ts"
import type { Reader } from "./Cursor.ts"
import { FileTime } from "./FileTime.ts"

/**
 * FileBasicInformation (2.4.7): times and attributes, for query and set. 0 leaves a time or the attributes alone.
 *
 * @since 0.1.0
 */
export const FileBasicInformation = Codec.struct({
  creationTime: FileTime,
  lastAccessTime: FileTime,
  lastWriteTime: FileTime,
  changeTime: FileTime,
  fileAttributes: Codec.u32,
  reserved: Codec.reserved(Codec.u32)
})
export type FileBasicInformation = Codec.Type<typeof FileBasicInformation>

/**
 * FileStandardInformation (2.4.47): sizes in bytes, links, and whether the file is a directory. Query only.
 *
 * @since 0.1.0
 */
export const FileStandardInformation = Codec.struct({
  allocationSize: Codec.u64,
  endOfFile: Codec.u64,
  numberOfLinks: Codec.u32,
  deletePending: Codec.boolean8,
  directory: Codec.boolean8,
  reserved: Codec.reserved(Codec.u16)
})
export type FileStandardInformation = Codec.Type<typeof FileStandardInformation>

/**
 * FileInternalInformation (2.4.27): the file's number, unique in its volume; 0 if the file has none.
 *
 * @since 0.1.0
 */
export const FileInternalInformation = Codec.struct({ indexNumber: Codec.u64 })
export type FileInternalInformation = Codec.Type<typeof FileInternalInformation>

/**
 * FileEaInformation (2.4.13): the size of all extended attributes, in bytes of their FileFullEaInformation.
 *
 * @since 0.1.0
 */
export const FileEaInformation = Codec.struct({ eaSize: Codec.u32 })
export type FileEaInformation = Codec.Type<typeof FileEaInformation>

/**
 * FileAccessInformation (2.4.1): the access mask that this handle was granted.
 *
 * @since 0.1.0
 */
export const FileAccessInformation = Codec.struct({ accessFlags: Codec.u32 })
export type FileAccessInformation = Codec.Type<typeof FileAccessInformation>

/**
 * FileNameInformation (2.4.31), and the layout of three other classes that hold one name.
 *
 * @since 0.1.0
 */
export const FileNameInformation = Codec.struct({
  fileNameLength: Codec.lengthOf("fileName"),
  fileName: Codec.buffer(Codec.utf16)
})
export type FileNameInformation = Codec.Type<typeof FileNameInformation>

// Windows compares the buffer with the size of its C structure, 24 bytes, before it looks at a name of one letter.
const renameFields = {
  replaceIfExists: Codec.boolean8,
  reserved: Codec.reservedBytes(7),
  rootDirectory: Codec.u64,
  fileNameLength: Codec.lengthOf("fileName"),
  fileName: Codec.buffer(Codec.utf16)
} as const

/**
 * FileRenameInformation for SMB 2 (2.4.42.2): the new name, relative to the share and without a leading backslash.
 * `rootDirectory` must be 0 over the network.
 *
 * @since 0.1.0
 */
export const FileRenameInformation = Codec.struct(renameFields, { atLeast: 24 })
export type FileRenameInformation = Codec.Type<typeof FileRenameInformation>

/**
 * FileLinkInformation for SMB 2 (2.4.28.2): another name for the file, like FileRenameInformation.
 *
 * @since 0.1.0
 */
export const FileLinkInformation = Codec.struct(renameFields, { atLeast: 24 })
export type FileLinkInformation = Codec.Type<typeof FileLinkInformation>

/**
 * FileDispositionInformation (2.4.11): whether the file is deleted when its last handle is closed.
 *
 * @since 0.1.0
 */
export const FileDispositionInformation = Codec.struct({ deletePending: Codec.boolean8 })
export type FileDispositionInformation = Codec.Type<typeof FileDispositionInformation>

/**
 * FilePositionInformation (2.4.40).
 *
 * @since 0.1.0
 */
export const FilePositionInformation = Codec.struct({ currentByteOffset: Codec.u64 })
export type FilePositionInformation = Codec.Type<typeof FilePositionInformation>

/**
 * The flag of an entry without which the file cannot be understood (2.4.16).
 *
 * @since 0.1.0
 */
export const FILE_NEED_EA = 0x80

/**
 * One extended attribute (2.4.16). `eaName` is ASCII, at most 255 characters, case-insensitive; `eaValue` has at most
 * 65,535 bytes.
 *
 * @since 0.1.0
 */
export interface FullEa {
  readonly flags: number
  readonly eaName: string
  readonly eaValue: Uint8Array
}

const readEaName = (r: Reader, length: number): string => {
  const name = r.take(length)
  if (r.u8() !== 0) r.fail("a NUL after EaName", r.offset - 1)
  return Buffer.from(name.buffer, name.byteOffset, length).toString("latin1")
}

const eaNameBytes = (name: string): Buffer => {
  const bytes = Buffer.from(name, "latin1")
  if (bytes.length > 255) {
    throw new RangeError(`the name of an extended attribute has at most 255 bytes, not ${bytes.length}`)
  }
  return bytes
}

const fullEa: Codec.Codec<FullEa> = Codec.make(
  5,
  (r) => {
    const flags = r.u8()
    const nameLength = r.u8()
    const valueLength = r.u16()
    return { flags, eaName: readEaName(r, nameLength), eaValue: r.take(valueLength) }
  },
  (w, { flags, eaName, eaValue }) => {
    const name = eaNameBytes(eaName)
    if (!ArrayBuffer.isView(eaValue) || eaValue.BYTES_PER_ELEMENT !== 1) {
      throw new RangeError("the value of an extended attribute is a Uint8Array")
    }
    if (eaValue.length > 0xffff) {
      throw new RangeError(`an extended attribute has at most 65535 bytes, not ${eaValue.length}`)
    }
    w.u8(flags)
    w.u8(name.length)
    w.u16(eaValue.length)
    w.put(name)
    w.u8(0)
    w.put(eaValue)
  }
)

/**
 * FileFullEaInformation (2.4.16): all extended attributes, or in a set those to change; an empty value deletes one.
 *
 * @since 0.1.0
 */
export const FileFullEaInformation: Codec.Codec<ReadonlyArray<FullEa>> = Codec.chained(fullEa, 4)
export type FileFullEaInformation = ReadonlyArray<FullEa>

/**
 * FILE_GET_EA_INFORMATION (2.4.16.1): the names of the attributes that a query asks for.
 *
 * @since 0.1.0
 */
export const FileGetEaInformation: Codec.Codec<ReadonlyArray<string>> = Codec.chained(
  Codec.make(2, (r) => readEaName(r, r.u8()), (w, name) => {
    const bytes = eaNameBytes(name)
    w.u8(bytes.length)
    w.put(bytes)
    w.u8(0)
  }),
  4
)
export type FileGetEaInformation = ReadonlyArray<string>

/**
 * FileModeInformation (2.4.30): the create options that still matter for the handle.
 *
 * @since 0.1.0
 */
export const FileModeInformation = Codec.struct({ mode: Codec.u32 })
export type FileModeInformation = Codec.Type<typeof FileModeInformation>

/**
 * FileAlignmentInformation (2.4.3): buffers must be aligned to one more than this many bytes.
 *
 * @since 0.1.0
 */
export const FileAlignmentInformation = Codec.struct({ alignmentRequirement: Codec.u32 })
export type FileAlignmentInformation = Codec.Type<typeof FileAlignmentInformation>

/**
 * FileAllInformation (2.4.2): nine classes in one.
 *
 * @since 0.1.0
 */
export const FileAllInformation = Codec.struct({
  basicInformation: FileBasicInformation,
  standardInformation: FileStandardInformation,
  internalInformation: FileInternalInformation,
  eaInformation: FileEaInformation,
  accessInformation: FileAccessInformation,
  positionInformation: FilePositionInformation,
  modeInformation: FileModeInformation,
  alignmentInformation: FileAlignmentInformation,
  nameInformation: FileNameInformation
})
export type FileAllInformation = Codec.Type<typeof FileAllInformation>

/**
 * FileAllocationInformation (2.4.4): bytes to reserve.
 *
 * @since 0.1.0
 */
export const FileAllocationInformation = Codec.struct({ allocationSize: Codec.u64 })
export type FileAllocationInformation = Codec.Type<typeof FileAllocationInformation>

/**
 * FileEndOfFileInformation (2.4.14): the new size in bytes: truncates or extends.
 *
 * @since 0.1.0
 */
export const FileEndOfFileInformation = Codec.struct({ endOfFile: Codec.u64 })
export type FileEndOfFileInformation = Codec.Type<typeof FileEndOfFileInformation>

/**
 * FileAlternateNameInformation (2.4.5): the 8.3 name.
 *
 * @since 0.1.0
 */
export const FileAlternateNameInformation = FileNameInformation
export type FileAlternateNameInformation = FileNameInformation

/**
 * FileStreamInformation (2.4.49): the streams, with `::$DATA` (the file's own). Most directories have none.
 *
 * @since 0.1.0
 */
export const FileStreamInformation = Codec.chained(
  Codec.struct({
    streamNameLength: Codec.lengthOf("streamName"),
    streamSize: Codec.u64,
    streamAllocationSize: Codec.u64,
    streamName: Codec.buffer(Codec.utf16)
  })
)
export type FileStreamInformation = Codec.Type<typeof FileStreamInformation>

/**
 * FilePipeInformation (2.4.37): read mode 0 bytes, 1 messages; completion mode 0 waits, 1 does not.
 *
 * @since 0.1.0
 */
export const FilePipeInformation = Codec.struct({ readMode: Codec.u32, completionMode: Codec.u32 })
export type FilePipeInformation = Codec.Type<typeof FilePipeInformation>

/**
 * FilePipeLocalInformation (2.4.38). Quotas and data in bytes.
 *
 * @since 0.1.0
 */
export const FilePipeLocalInformation = Codec.struct({
  namedPipeType: Codec.u32,
  namedPipeConfiguration: Codec.u32,
  maximumInstances: Codec.u32,
  currentInstances: Codec.u32,
  inboundQuota: Codec.u32,
  readDataAvailable: Codec.u32,
  outboundQuota: Codec.u32,
  writeQuotaAvailable: Codec.u32,
  namedPipeState: Codec.u32,
  namedPipeEnd: Codec.u32
})
export type FilePipeLocalInformation = Codec.Type<typeof FilePipeLocalInformation>

/**
 * FilePipeRemoteInformation (2.4.39). The time in 100 ns ticks, the count in bytes.
 *
 * @since 0.1.0
 */
export const FilePipeRemoteInformation = Codec.struct({ collectDataTime: Codec.i64, maximumCollectionCount: Codec.u32 })
export type FilePipeRemoteInformation = Codec.Type<typeof FilePipeRemoteInformation>

/**
 * FileCompressionInformation (2.4.9). Shifts are powers of two of bytes.
 *
 * @since 0.1.0
 */
export const FileCompressionInformation = Codec.struct({
  compressedFileSize: Codec.u64,
  compressionFormat: Codec.u16,
  compressionUnitShift: Codec.u8,
  chunkShift: Codec.u8,
  clusterShift: Codec.u8,
  reserved: Codec.reservedBytes(3)
})
export type FileCompressionInformation = Codec.Type<typeof FileCompressionInformation>

/**
 * FileNetworkOpenInformation (2.4.33): all that a stat needs.
 *
 * @since 0.1.0
 */
export const FileNetworkOpenInformation = Codec.struct({
  creationTime: FileTime,
  lastAccessTime: FileTime,
  lastWriteTime: FileTime,
  changeTime: FileTime,
  allocationSize: Codec.u64,
  endOfFile: Codec.u64,
  fileAttributes: Codec.u32,
  reserved: Codec.reserved(Codec.u32)
})
export type FileNetworkOpenInformation = Codec.Type<typeof FileNetworkOpenInformation>

/**
 * FileAttributeTagInformation (2.4.6): `reparseTag` is valid if the attributes have FILE_ATTRIBUTE_REPARSE_POINT.
 *
 * @since 0.1.0
 */
export const FileAttributeTagInformation = Codec.struct({ fileAttributes: Codec.u32, reparseTag: Codec.u32 })
export type FileAttributeTagInformation = Codec.Type<typeof FileAttributeTagInformation>

/**
 * FileValidDataLengthInformation (2.4.50).
 *
 * @since 0.1.0
 */
export const FileValidDataLengthInformation = Codec.struct({ validDataLength: Codec.u64 })
export type FileValidDataLengthInformation = Codec.Type<typeof FileValidDataLengthInformation>

/**
 * FileShortNameInformation (2.4.46): sets the 8.3 name.
 *
 * @since 0.1.0
 */
export const FileShortNameInformation = FileNameInformation
export type FileShortNameInformation = FileNameInformation

/**
 * FileNormalizedNameInformation (2.4.36): the path from the share, with the names as the file system stores them.
 *
 * @since 0.1.0
 */
export const FileNormalizedNameInformation = FileNameInformation
export type FileNormalizedNameInformation = FileNameInformation

/**
 * FileStandardLinkInformation (2.4.48).
 *
 * @since 0.1.0
 */
export const FileStandardLinkInformation = Codec.struct({
  numberOfAccessibleLinks: Codec.u32,
  totalNumberOfLinks: Codec.u32,
  deletePending: Codec.boolean8,
  directory: Codec.boolean8,
  reserved: Codec.reserved(Codec.u16)
})
export type FileStandardLinkInformation = Codec.Type<typeof FileStandardLinkInformation>

/**
 * FileIdInformation (2.4.26): 16 bytes that name the file in its volume.
 *
 * @since 0.1.0
 */
export const FileIdInformation = Codec.struct({ volumeSerialNumber: Codec.u64, fileId: Codec.fixedBytes(16) })
export type FileIdInformation = Codec.Type<typeof FileIdInformation>

/**
 * Flags of FileDispositionInformationEx.
 *
 * @since 0.1.0
 */
export const FileDispositionFlags = {
  FILE_DISPOSITION_DO_NOT_DELETE: 0x0,
  FILE_DISPOSITION_DELETE: 0x1,
  FILE_DISPOSITION_POSIX_SEMANTICS: 0x2,
  FILE_DISPOSITION_FORCE_IMAGE_SECTION_CHECK: 0x4,
  FILE_DISPOSITION_ON_CLOSE: 0x8,
  FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE: 0x10
} as const

/**
 * FileDispositionInformationEx (2.4.12).
 *
 * @since 0.1.0
 */
export const FileDispositionInformationEx = Codec.struct({ flags: Codec.u32 })
export type FileDispositionInformationEx = Codec.Type<typeof FileDispositionInformationEx>

/**
 * Flags of FileRenameInformationEx.
 *
 * @since 0.1.0
 */
export const FileRenameFlags = {
  FILE_RENAME_REPLACE_IF_EXISTS: 0x1,
  FILE_RENAME_POSIX_SEMANTICS: 0x2,
  FILE_RENAME_SUPPRESS_PIN_STATE_INHERITANCE: 0x4,
  FILE_RENAME_SUPPRESS_STORAGE_RESERVE_INHERITANCE: 0x8,
  FILE_RENAME_NO_INCREASE_AVAILABLE_SPACE: 0x10,
  FILE_RENAME_NO_DECREASE_AVAILABLE_SPACE: 0x20,
  FILE_RENAME_IGNORE_READONLY_ATTRIBUTE: 0x40
} as const

/**
 * FileRenameInformationEx (2.4.43).
 *
 * @since 0.1.0
 */
export const FileRenameInformationEx = Codec.struct({
  flags: Codec.u32,
  reserved: Codec.reserved(Codec.u32),
  rootDirectory: Codec.u64,
  fileNameLength: Codec.lengthOf("fileName"),
  fileName: Codec.buffer(Codec.utf16)
}, { atLeast: 24 })
export type FileRenameInformationEx = Codec.Type<typeof FileRenameInformationEx>

const of = <A>(number: number, codec: Codec.Codec<A>) => ({ number, codec })

/**
 * Every class of this module: its number in InfoType SMB2_0_INFO_FILE, and its codec.
 *
 * @category tables
 * @since 0.1.0
 */
export const classes = {
  FileBasicInformation: of(4, FileBasicInformation),
  FileStandardInformation: of(5, FileStandardInformation),
  FileInternalInformation: of(6, FileInternalInformation),
  FileEaInformation: of(7, FileEaInformation),
  FileAccessInformation: of(8, FileAccessInformation),
  FileNameInformation: of(9, FileNameInformation),
  FileRenameInformation: of(10, FileRenameInformation),
  FileLinkInformation: of(11, FileLinkInformation),
  FileDispositionInformation: of(13, FileDispositionInformation),
  FilePositionInformation: of(14, FilePositionInformation),
  FileFullEaInformation: of(15, FileFullEaInformation),
  FileModeInformation: of(16, FileModeInformation),
  FileAlignmentInformation: of(17, FileAlignmentInformation),
  FileAllInformation: of(18, FileAllInformation),
  FileAllocationInformation: of(19, FileAllocationInformation),
  FileEndOfFileInformation: of(20, FileEndOfFileInformation),
  FileAlternateNameInformation: of(21, FileAlternateNameInformation),
  FileStreamInformation: of(22, FileStreamInformation),
  FilePipeInformation: of(23, FilePipeInformation),
  FilePipeLocalInformation: of(24, FilePipeLocalInformation),
  FilePipeRemoteInformation: of(25, FilePipeRemoteInformation),
  FileCompressionInformation: of(28, FileCompressionInformation),
  FileNetworkOpenInformation: of(34, FileNetworkOpenInformation),
  FileAttributeTagInformation: of(35, FileAttributeTagInformation),
  FileValidDataLengthInformation: of(39, FileValidDataLengthInformation),
  FileShortNameInformation: of(40, FileShortNameInformation),
  FileNormalizedNameInformation: of(48, FileNormalizedNameInformation),
  FileStandardLinkInformation: of(54, FileStandardLinkInformation),
  FileIdInformation: of(59, FileIdInformation),
  FileDispositionInformationEx: of(64, FileDispositionInformationEx),
  FileRenameInformationEx: of(65, FileRenameInformationEx)
} as const

/**
 * The name of a class in MS-FSCC 2.4.
 *
 * @since 0.1.0
 */
export type ClassName = keyof typeof classes

const numbered = new Map(
  Object.entries(classes).map((
    [name, { codec, number }]
  ) => [number, { name: name as ClassName, codec: codec as Codec.Codec<any> }])
)

/**
 * The class of a number, `undefined` if this module does not have it: a server responds with STATUS_INVALID_INFO_CLASS
 * then.
 *
 * @category tables
 * @since 0.1.0
 */
export const byNumber = (number: number): { readonly name: ClassName; readonly codec: Codec.Codec<any> } | undefined =>
  numbered.get(number)
