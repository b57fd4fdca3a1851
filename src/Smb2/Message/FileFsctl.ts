/**
 * Structures in the buffers of controls of files and volumes (MS-FSCC 2.3): volume data, file regions, USN records.
 */
import * as Codec from "../../Codec/Codec.ts"
import { bytes16 } from "./Common.ts"

/**
 * NTFS_VOLUME_DATA_BUFFER (MS-FSCC 2.3.22): sizes in sectors and clusters. The fields of the master file table are in
 * clusters, except `mftValidDataLength`, which is in bytes.
 *
 * @category models
 * @since 0.2.0
 */
export const NtfsVolumeDataBuffer = Codec.struct({
  volumeSerialNumber: Codec.u64,
  numberSectors: Codec.u64,
  totalClusters: Codec.u64,
  freeClusters: Codec.u64,
  totalReserved: Codec.u64,
  bytesPerSector: Codec.u32,
  bytesPerCluster: Codec.u32,
  bytesPerFileRecordSegment: Codec.u32,
  clustersPerFileRecordSegment: Codec.u32,
  mftValidDataLength: Codec.u64,
  mftStartLcn: Codec.u64,
  mft2StartLcn: Codec.u64,
  mftZoneStart: Codec.u64,
  mftZoneEnd: Codec.u64
})
export type NtfsVolumeDataBuffer = Codec.Type<typeof NtfsVolumeDataBuffer>

/**
 * FILE_REGION_USAGE (MS-FSCC 2.3.55).
 *
 * @category constants
 * @since 0.2.0
 */
export const FileRegionUsage = {
  FILE_REGION_USAGE_VALID_CACHED_DATA: 0x0000_0001,
  FILE_REGION_USAGE_VALID_NONCACHED_DATA: 0x0000_0002
} as const

/**
 * FILE_REGION_INPUT (MS-FSCC 2.3.55): a range in bytes, and a `FileRegionUsage`.
 *
 * @category models
 * @since 0.2.0
 */
export const FileRegionInput = Codec.struct({
  fileOffset: Codec.i64,
  length: Codec.i64,
  desiredUsage: Codec.u32,
  reserved: Codec.reserved(Codec.u32)
})
export type FileRegionInput = Codec.Type<typeof FileRegionInput>

/**
 * FILE_REGION_INFO (MS-FSCC 2.3.56.1): a range in bytes.
 *
 * @category models
 * @since 0.2.0
 */
export const FileRegionInfo = Codec.struct({
  fileOffset: Codec.i64,
  length: Codec.i64,
  usage: Codec.u32,
  reserved: Codec.reserved(Codec.u32)
})
export type FileRegionInfo = Codec.Type<typeof FileRegionInfo>

/**
 * FILE_REGION_OUTPUT (MS-FSCC 2.3.56): `totalRegionEntryCount` counts the regions that do not fit too.
 *
 * @category models
 * @since 0.2.0
 */
export const FileRegionOutput = Codec.struct({
  flags: Codec.reserved(Codec.u32),
  totalRegionEntryCount: Codec.u32,
  regionEntryCount: Codec.countOf("region", Codec.u32),
  reserved: Codec.reserved(Codec.u32),
  region: Codec.list(FileRegionInfo)
})
export type FileRegionOutput = Codec.Type<typeof FileRegionOutput>

/**
 * READ_FILE_USN_DATA (MS-FSCC 2.3.61): the versions of USN records that a client understands.
 *
 * @category models
 * @since 0.2.0
 */
export const ReadFileUsnData = Codec.struct({ minMajorVersion: Codec.u16, maxMajorVersion: Codec.u16 })
export type ReadFileUsnData = Codec.Type<typeof ReadFileUsnData>

const usnEnd = {
  usn: Codec.i64,
  timeStamp: Codec.i64,
  reason: Codec.u32,
  sourceInfo: Codec.u32,
  securityId: Codec.u32,
  fileAttributes: Codec.u32,
  fileNameLength: Codec.lengthOf("fileName", Codec.u16),
  fileNameOffset: Codec.offsetOf("fileName", Codec.u16),
  fileName: Codec.buffer(Codec.utf16)
}

/**
 * USN_RECORD_V2 (MS-FSCC 2.3.62.1), without the padding at its end.
 *
 * @category models
 * @since 0.2.0
 */
export const UsnRecordV2 = Codec.struct({
  recordLength: Codec.u32,
  majorVersion: Codec.u16,
  minorVersion: Codec.u16,
  fileReferenceNumber: Codec.u64,
  parentFileReferenceNumber: Codec.u64,
  ...usnEnd
})
export type UsnRecordV2 = Codec.Type<typeof UsnRecordV2>

/**
 * USN_RECORD_V3 (MS-FSCC 2.3.62.2): as `UsnRecordV2`, with file identifiers of 128 bits.
 *
 * @category models
 * @since 0.2.0
 */
export const UsnRecordV3 = Codec.struct({
  recordLength: Codec.u32,
  majorVersion: Codec.u16,
  minorVersion: Codec.u16,
  fileReferenceNumber: bytes16,
  parentFileReferenceNumber: bytes16,
  ...usnEnd
})
export type UsnRecordV3 = Codec.Type<typeof UsnRecordV3>
