/**
 * File system information classes (MS-FSCC 2.5): the content of QUERY_INFO and SET_INFO about a volume.
 *
 * Each class is a codec and a type with the document's name. Sizes in allocation units are `bigint`; multiply them by
 * `sectorsPerAllocationUnit` and `bytesPerSector` for bytes.
 */
import * as Codec from "./Codec.ts"
import { FileTime } from "./FileTime.ts"
import { Guid } from "./Guid.ts"

/**
 * FileFsVolumeInformation (2.5.9).
 *
 * @since 0.1.0
 */
export const FileFsVolumeInformation = Codec.struct({
  volumeCreationTime: FileTime,
  volumeSerialNumber: Codec.u32,
  volumeLabelLength: Codec.lengthOf("volumeLabel"),
  supportsObjects: Codec.boolean8,
  reserved: Codec.reserved(Codec.u8),
  volumeLabel: Codec.buffer(Codec.utf16)
})
export type FileFsVolumeInformation = Codec.Type<typeof FileFsVolumeInformation>

/**
 * FileFsLabelInformation (2.5.5): sets the volume's name.
 *
 * @since 0.1.0
 */
export const FileFsLabelInformation = Codec.struct({
  volumeLabelLength: Codec.lengthOf("volumeLabel"),
  volumeLabel: Codec.buffer(Codec.utf16)
})
export type FileFsLabelInformation = Codec.Type<typeof FileFsLabelInformation>

/**
 * FileFsSizeInformation (2.5.8).
 *
 * @since 0.1.0
 */
export const FileFsSizeInformation = Codec.struct({
  totalAllocationUnits: Codec.u64,
  availableAllocationUnits: Codec.u64,
  sectorsPerAllocationUnit: Codec.u32,
  bytesPerSector: Codec.u32
})
export type FileFsSizeInformation = Codec.Type<typeof FileFsSizeInformation>

/**
 * FileFsDeviceInformation (2.5.10). Type 7 is a disk, 2 a CD-ROM.
 *
 * @since 0.1.0
 */
export const FileFsDeviceInformation = Codec.struct({ deviceType: Codec.u32, characteristics: Codec.u32 })
export type FileFsDeviceInformation = Codec.Type<typeof FileFsDeviceInformation>

/**
 * FileFsAttributeInformation (2.5.1): what the file system can do, its longest name in UTF-16 code units, its type.
 *
 * @since 0.1.0
 */
export const FileFsAttributeInformation = Codec.struct({
  fileSystemAttributes: Codec.u32,
  maximumComponentNameLength: Codec.i32,
  fileSystemNameLength: Codec.lengthOf("fileSystemName"),
  fileSystemName: Codec.buffer(Codec.utf16)
})
export type FileFsAttributeInformation = Codec.Type<typeof FileFsAttributeInformation>

/**
 * FileFsControlInformation (2.5.2): quotas, in bytes. All ones: no limit.
 *
 * @since 0.1.0
 */
export const FileFsControlInformation = Codec.struct({
  freeSpaceStartFiltering: Codec.i64,
  freeSpaceThreshold: Codec.i64,
  freeSpaceStopFiltering: Codec.i64,
  defaultQuotaThreshold: Codec.u64,
  defaultQuotaLimit: Codec.u64,
  fileSystemControlFlags: Codec.u32,
  padding: Codec.reserved(Codec.u32)
})
export type FileFsControlInformation = Codec.Type<typeof FileFsControlInformation>

/**
 * FileFsFullSizeInformation (2.5.4). With a quota, the units for the caller are fewer than the actual ones.
 *
 * @since 0.1.0
 */
export const FileFsFullSizeInformation = Codec.struct({
  totalAllocationUnits: Codec.u64,
  callerAvailableAllocationUnits: Codec.u64,
  actualAvailableAllocationUnits: Codec.u64,
  sectorsPerAllocationUnit: Codec.u32,
  bytesPerSector: Codec.u32
})
export type FileFsFullSizeInformation = Codec.Type<typeof FileFsFullSizeInformation>

/**
 * FileFsObjectIdInformation (2.5.6).
 *
 * @since 0.1.0
 */
export const FileFsObjectIdInformation = Codec.struct({ objectId: Guid, extendedInfo: Codec.fixedBytes(48) })
export type FileFsObjectIdInformation = Codec.Type<typeof FileFsObjectIdInformation>

/**
 * FileFsSectorSizeInformation (2.5.7). Sizes and offsets in bytes; offsets 0xFFFFFFFF: unknown.
 *
 * @since 0.1.0
 */
export const FileFsSectorSizeInformation = Codec.struct({
  logicalBytesPerSector: Codec.u32,
  physicalBytesPerSectorForAtomicity: Codec.u32,
  physicalBytesPerSectorForPerformance: Codec.u32,
  fileSystemEffectivePhysicalBytesPerSectorForAtomicity: Codec.u32,
  flags: Codec.u32,
  byteOffsetForSectorAlignment: Codec.u32,
  byteOffsetForPartitionAlignment: Codec.u32
})
export type FileFsSectorSizeInformation = Codec.Type<typeof FileFsSectorSizeInformation>

const of = <A>(number: number, codec: Codec.Codec<A>) => ({ number, codec })

/**
 * Every class of this module: its number in InfoType SMB2_0_INFO_FILESYSTEM, and its codec.
 *
 * @category tables
 * @since 0.1.0
 */
export const classes = {
  FileFsVolumeInformation: of(1, FileFsVolumeInformation),
  FileFsLabelInformation: of(2, FileFsLabelInformation),
  FileFsSizeInformation: of(3, FileFsSizeInformation),
  FileFsDeviceInformation: of(4, FileFsDeviceInformation),
  FileFsAttributeInformation: of(5, FileFsAttributeInformation),
  FileFsControlInformation: of(6, FileFsControlInformation),
  FileFsFullSizeInformation: of(7, FileFsFullSizeInformation),
  FileFsObjectIdInformation: of(8, FileFsObjectIdInformation),
  FileFsSectorSizeInformation: of(11, FileFsSectorSizeInformation)
} as const

/**
 * The name of a class in MS-FSCC 2.5.
 *
 * @since 0.1.0
 */
export type ClassName = keyof typeof classes

const numbered = new Map(
  Object.entries(classes).map(([name, { codec, number }]) =>
    [number, { name: name as ClassName, codec: codec as Codec.Codec<any> }] as const
  )
)

/**
 * The class of a number, `undefined` if this module does not have it.
 *
 * @category tables
 * @since 0.1.0
 */
export const byNumber = (number: number): { readonly name: ClassName; readonly codec: Codec.Codec<any> } | undefined =>
  numbered.get(number)
