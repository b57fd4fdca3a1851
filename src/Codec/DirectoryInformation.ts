/**
 * Directory information classes (MS-FSCC 2.4): the entries in a response to QUERY_DIRECTORY.
 *
 * Each class is a codec of the whole list, and a type of one entry. Sizes are bytes and times 100 ns ticks, both
 * `bigint`. An entry's name is one component; `.` and `..` are ordinary entries. A hostile server can choose any name:
 * a caller that makes a local path of it must check it first.
 *
 * `eaSize` is the size of the extended attributes. If an entry has FILE_ATTRIBUTE_REPARSE_POINT, it is the reparse tag
 * instead (2.4.17 and others), except in the classes with a field for the tag.
 */
import * as Codec from "./Codec.ts"
import { FileTime } from "./FileTime.ts"

const times = {
  fileIndex: Codec.u32,
  creationTime: FileTime,
  lastAccessTime: FileTime,
  lastWriteTime: FileTime,
  changeTime: FileTime,
  endOfFile: Codec.u64,
  allocationSize: Codec.u64,
  fileAttributes: Codec.u32,
  fileNameLength: Codec.lengthOf("fileName")
} as const

const fileName = Codec.buffer(Codec.utf16)

/** ShortNameLength, a reserved byte, and ShortName: up to 12 UTF-16 code units in a field of 24 bytes. */
const shortName: Codec.Codec<string> = Codec.make(
  26,
  (r) => {
    const at = r.offset
    const length = r.u8()
    if (length > 24) r.fail(`ShortNameLength of at most 24, not ${length}`, at)
    r.u8()
    const value = Codec.utf16.read(r.window(r.offset, length))
    r.claim(24)
    return value
  },
  (w, value) => {
    if (value.length > 12) throw new RangeError(`a short name has at most 12 UTF-16 code units, not ${value.length}`)
    w.u8(value.length * 2)
    w.u8(0)
    Codec.utf16.write(w, value)
    w.zeros(24 - value.length * 2)
  }
)

const directoryEntry = Codec.struct({ ...times, fileName })
const fullDirectoryEntry = Codec.struct({ ...times, eaSize: Codec.u32, fileName })
const bothDirectoryEntry = Codec.struct({ ...times, eaSize: Codec.u32, shortName, fileName })
const namesEntry = Codec.struct({ fileIndex: Codec.u32, fileNameLength: Codec.lengthOf("fileName"), fileName })
const idBothDirectoryEntry = Codec.struct({
  ...times,
  eaSize: Codec.u32,
  shortName,
  reserved: Codec.reserved(Codec.u16),
  fileId: Codec.u64,
  fileName
})
const idFullDirectoryEntry = Codec.struct({
  ...times,
  eaSize: Codec.u32,
  reserved: Codec.reserved(Codec.u32),
  fileId: Codec.u64,
  fileName
})
const idExtdDirectoryEntry = Codec.struct({
  ...times,
  eaSize: Codec.u32,
  reparsePointTag: Codec.u32,
  fileId: Codec.fixedBytes(16),
  fileName
})
const idExtdBothDirectoryEntry = Codec.struct({
  ...times,
  eaSize: Codec.u32,
  reparsePointTag: Codec.u32,
  fileId: Codec.fixedBytes(16),
  shortName,
  fileName
})

/**
 * FileDirectoryInformation (2.4.10).
 *
 * @since 0.1.0
 */
export const FileDirectoryInformation = Codec.chained(directoryEntry)
export type FileDirectoryInformation = Codec.Type<typeof directoryEntry>

/**
 * FileFullDirectoryInformation (2.4.15): with the size of the extended attributes.
 *
 * @since 0.1.0
 */
export const FileFullDirectoryInformation = Codec.chained(fullDirectoryEntry)
export type FileFullDirectoryInformation = Codec.Type<typeof fullDirectoryEntry>

/**
 * FileBothDirectoryInformation (2.4.8): with the 8.3 name.
 *
 * @since 0.1.0
 */
export const FileBothDirectoryInformation = Codec.chained(bothDirectoryEntry)
export type FileBothDirectoryInformation = Codec.Type<typeof bothDirectoryEntry>

/**
 * FileNamesInformation (2.4.34): names only.
 *
 * @since 0.1.0
 */
export const FileNamesInformation = Codec.chained(namesEntry)
export type FileNamesInformation = Codec.Type<typeof namesEntry>

/**
 * FileIdBothDirectoryInformation (2.4.22): with the file's number and the 8.3 name. Most clients ask for this class.
 *
 * @since 0.1.0
 */
export const FileIdBothDirectoryInformation = Codec.chained(idBothDirectoryEntry)
export type FileIdBothDirectoryInformation = Codec.Type<typeof idBothDirectoryEntry>

/**
 * FileIdFullDirectoryInformation (2.4.25): with the file's number.
 *
 * @since 0.1.0
 */
export const FileIdFullDirectoryInformation = Codec.chained(idFullDirectoryEntry)
export type FileIdFullDirectoryInformation = Codec.Type<typeof idFullDirectoryEntry>

/**
 * FileIdExtdDirectoryInformation (2.4.23): with the reparse tag, and the file's number in 16 bytes.
 *
 * @since 0.1.0
 */
export const FileIdExtdDirectoryInformation = Codec.chained(idExtdDirectoryEntry)
export type FileIdExtdDirectoryInformation = Codec.Type<typeof idExtdDirectoryEntry>

/**
 * FileIdExtdBothDirectoryInformation: with all of them.
 *
 * @since 0.1.0
 */
export const FileIdExtdBothDirectoryInformation = Codec.chained(idExtdBothDirectoryEntry)
export type FileIdExtdBothDirectoryInformation = Codec.Type<typeof idExtdBothDirectoryEntry>

const of = <A>(number: number, codec: Codec.Codec<ReadonlyArray<A>>) => ({ number, codec })

/**
 * Every class of this module: its number in QUERY_DIRECTORY, and the codec of its list.
 *
 * @category tables
 * @since 0.1.0
 */
export const classes = {
  FileDirectoryInformation: of(1, FileDirectoryInformation),
  FileFullDirectoryInformation: of(2, FileFullDirectoryInformation),
  FileBothDirectoryInformation: of(3, FileBothDirectoryInformation),
  FileNamesInformation: of(12, FileNamesInformation),
  FileIdBothDirectoryInformation: of(37, FileIdBothDirectoryInformation),
  FileIdFullDirectoryInformation: of(38, FileIdFullDirectoryInformation),
  FileIdExtdDirectoryInformation: of(60, FileIdExtdDirectoryInformation),
  FileIdExtdBothDirectoryInformation: of(63, FileIdExtdBothDirectoryInformation)
} as const

/**
 * The name of a class in MS-FSCC 2.4.
 *
 * @since 0.1.0
 */
export type ClassName = keyof typeof classes

const numbered = new Map(
  Object.entries(classes).map(([name, { codec, number }]) =>
    [number, { name: name as ClassName, codec: codec as Codec.Codec<ReadonlyArray<any>> }] as const
  )
)

/**
 * The class of a number, `undefined` if this module does not have it.
 *
 * @category tables
 * @since 0.1.0
 */
export const byNumber = (
  number: number
): { readonly name: ClassName; readonly codec: Codec.Codec<ReadonlyArray<any>> } | undefined => numbered.get(number)
