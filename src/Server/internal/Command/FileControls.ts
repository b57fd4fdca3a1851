/**
 * Controls that tell of a file and its volume: the volume's data, the regions of valid data, and the USN record (MS-FSA
 * 2.1.5.10.9, 2.1.5.10.24, 2.1.5.10.27).
 */
import * as Effect from "effect/Effect"
import * as Codec from "../../../Codec/Codec.ts"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as FileFsctl from "../../../Smb2/Message/FileFsctl.ts"
import type { FileOpen } from "../State/Model.ts"
import { type Refusal, refuse, stored } from "../Wire/Reply.ts"
import * as NodeInformation from "./NodeInformation.ts"
import * as Volumes from "./Volumes.ts"

/** FSCTL_GET_NTFS_VOLUME_DATA. A store has no master file table: its fields are 0. */
export const ntfsVolumeData = Effect.fnUntraced(function*(
  open: FileOpen,
  room: number
): Effect.fn.Return<Uint8Array, Refusal> {
  if (room < FileFsctl.NtfsVolumeDataBuffer.minimumSize) return yield* refuse(NtStatus.STATUS_BUFFER_TOO_SMALL)
  const volume = yield* Volumes.of(open.share, open.file)
  const [total, free] = [NodeInformation.size(volume.total), NodeInformation.size(volume.free)]
  return Codec.encode(FileFsctl.NtfsVolumeDataBuffer)({
    volumeSerialNumber: BigInt(volume.serialNumber),
    numberSectors: total / BigInt(Volumes.bytesPerSector),
    totalClusters: total / Volumes.bytesPerCluster,
    freeClusters: free / Volumes.bytesPerCluster,
    totalReserved: 0n,
    bytesPerSector: Volumes.bytesPerSector,
    bytesPerCluster: Number(Volumes.bytesPerCluster),
    bytesPerFileRecordSegment: 1024,
    clustersPerFileRecordSegment: 0,
    mftValidDataLength: 0n,
    mftStartLcn: 0n,
    mft2StartLcn: 0n,
    mftZoneStart: 0n,
    mftZoneEnd: 0n
  })
})

const largest = (1n << 63n) - 1n

const everything: FileFsctl.FileRegionInput = {
  fileOffset: 0n,
  length: largest,
  desiredUsage: FileFsctl.FileRegionUsage.FILE_REGION_USAGE_VALID_CACHED_DATA
}

const decodeRegionInput = Codec.decode("FILE_REGION_INPUT", FileFsctl.FileRegionInput)

/**
 * FSCTL_QUERY_FILE_REGIONS. All bytes of a file are valid: a store fills what no client has written with zeros. So the
 * range has one region, or none behind the end of the file.
 */
export const regions = Effect.fnUntraced(function*(
  open: FileOpen,
  input: Uint8Array,
  room: number
): Effect.fn.Return<Uint8Array, Refusal> {
  const asked = input.length === 0 ? undefined : decodeRegionInput(input)
  if (asked?._tag === "Failure") return yield* refuse(NtStatus.STATUS_BUFFER_TOO_SMALL)
  const { desiredUsage, fileOffset, length } = asked?.success ?? everything
  const usage = FileFsctl.FileRegionUsage.FILE_REGION_USAGE_VALID_CACHED_DATA
  if (
    open.directory || fileOffset < 0n || length <= 0n || fileOffset + length > largest || !has(desiredUsage, usage)
  ) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  const { minimumSize } = FileFsctl.FileRegionOutput
  if (room < minimumSize + FileFsctl.FileRegionInfo.minimumSize) return yield* refuse(NtStatus.STATUS_BUFFER_TOO_SMALL)
  const { size } = yield* stored(open.file.stat)
  const end = fileOffset + length < size ? fileOffset + length : size
  const region = end > fileOffset ? [{ fileOffset, length: end - fileOffset, usage }] : []
  return Codec.encode(FileFsctl.FileRegionOutput)({ totalRegionEntryCount: region.length, region })
})

const decodeVersions = Codec.decode("READ_FILE_USN_DATA", FileFsctl.ReadFileUsnData)

/** FSCTL_READ_FILE_USN_DATA, as of a volume without a change journal: USN, time and reason are 0. */
export const usnData = Effect.fnUntraced(function*(
  open: FileOpen,
  input: Uint8Array,
  room: number
): Effect.fn.Return<Uint8Array, Refusal> {
  const decoded = decodeVersions(input)
  const { maxMajorVersion, minMajorVersion } = decoded._tag === "Success"
    ? decoded.success
    : { minMajorVersion: 2, maxMajorVersion: 2 }
  if (minMajorVersion > maxMajorVersion || minMajorVersion > 3 || maxMajorVersion < 2) {
    return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  }
  const majorVersion = maxMajorVersion >= 3 ? 3 : 2
  const node = yield* stored(open.file.stat)
  const parent = yield* stored(open.file.parent ?? open.share.store.stat(open.path.slice(0, -1)))
  const fileName = open.path.at(-1) ?? ""
  const codec = majorVersion === 3 ? FileFsctl.UsnRecordV3 : FileFsctl.UsnRecordV2
  const length = codec.minimumSize + fileName.length * 2
  const recordLength = length + 7 & ~7
  if (room < recordLength) return yield* refuse(NtStatus.STATUS_BUFFER_TOO_SMALL)
  const fields = {
    recordLength,
    majorVersion,
    minorVersion: 0,
    usn: 0n,
    timeStamp: 0n,
    reason: 0,
    sourceInfo: 0,
    securityId: 0,
    fileAttributes: NodeInformation.attributes(node),
    fileName
  }
  const record = majorVersion === 3
    ? Codec.encode(FileFsctl.UsnRecordV3)({
      ...fields,
      fileReferenceNumber: NodeInformation.fileId128(node),
      parentFileReferenceNumber: NodeInformation.fileId128(parent)
    })
    : Codec.encode(FileFsctl.UsnRecordV2)({
      ...fields,
      fileReferenceNumber: node.id,
      parentFileReferenceNumber: parent.id
    })
  const output = new Uint8Array(recordLength)
  output.set(record)
  return output
})
