/** QUERY_INFO (MS-SMB2 3.3.5.20): information about an open file, its volume, and the access rights to it. */
import * as Effect from "effect/Effect"
import * as Codec from "../../../Codec/Codec.ts"
import * as FileInformation from "../../../Codec/FileInformation.ts"
import * as FileSystemInformation from "../../../Codec/FileSystemInformation.ts"
import * as FileTime from "../../../Codec/FileTime.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A, Dialect, FileAttributes as F, InfoType } from "../../../Smb2/Message/Constants.ts"
import * as ErrorResponse from "../../../Smb2/Message/ErrorResponse.ts"
import type * as Message from "../../../Smb2/Message/QueryInfo.ts"
import type { StoreNode } from "../../ShareStore.ts"
import * as FileTimes from "../State/FileTimes.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { FileOpen } from "../State/Model.ts"
import { kept, Refusal, refuse, type Reply, reply, stored } from "../Wire/Reply.ts"
import * as ExtendedAttributes from "./ExtendedAttributes.ts"
import * as NodeInformation from "./NodeInformation.ts"
import * as Security from "./Security.ts"
import * as ShortNames from "./ShortNames.ts"
import * as Volumes from "./Volumes.ts"

/** Handles QUERY_INFO. */
export const handle = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const { connection } = incoming
    const open = incoming.open!
    const room = body.outputBufferLength
    if (
      room > connection.negotiated.maxTransactSize ||
      !connection.allows(incoming, Math.max(room, body.inputBuffer.length))
    ) {
      return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    if (open._tag === "Pipe") return open.pipe.query(body)
    switch (body.infoType) {
      case InfoType.SMB2_0_INFO_FILE:
        return file(incoming, open, body)
      case InfoType.SMB2_0_INFO_FILESYSTEM:
        return fileSystem(open, body)
      case InfoType.SMB2_0_INFO_SECURITY:
        return security(open, body)
      case InfoType.SMB2_0_INFO_QUOTA:
        return refuse(NtStatus.STATUS_NOT_SUPPORTED)
      default:
        return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
  })

/**
 * A response whose buffer has at least `fixed` bytes. If the rest does not fit, it is cut off, and the status says so.
 */
const answer = (buffer: Uint8Array, room: number, fixed: number): Effect.Effect<Reply, Refusal> => {
  if (room < fixed) return refuse(NtStatus.STATUS_INFO_LENGTH_MISMATCH)
  return Effect.succeed(
    buffer.length > room
      ? reply({ _tag: "QUERY_INFO", body: { buffer: buffer.subarray(0, room) } }, NtStatus.STATUS_BUFFER_OVERFLOW)
      : reply({ _tag: "QUERY_INFO", body: { buffer } })
  )
}

/** Bytes before the first field of variable length (MS-FSCC 2.4). */
const fixedSizes: Partial<Record<FileInformation.ClassName, number>> = {
  FileBasicInformation: 40,
  FileStandardInformation: 24,
  FileInternalInformation: 8,
  FileEaInformation: 4,
  FileAccessInformation: 4,
  FilePositionInformation: 8,
  FileModeInformation: 4,
  FileAlignmentInformation: 4,
  FileAllInformation: 104,
  FileAlternateNameInformation: 8,
  FileStreamInformation: 32,
  FileCompressionInformation: 16,
  FileNetworkOpenInformation: 56,
  FileAttributeTagInformation: 8,
  FileNormalizedNameInformation: 8,
  FileStandardLinkInformation: 16,
  FileIdInformation: 24
}

const nameOf = (open: FileOpen): string => {
  const { path, stream: { name } } = open
  return `${path.join("\\")}${name === "" ? "" : `:${name}`}`
}

const eaSize = (bytes: Uint8Array | undefined): number => (bytes === undefined || bytes.length === 0 ? 0 : bytes.length)

const standard = (open: FileOpen, node: StoreNode) => ({
  allocationSize: open.directory ? 0n : NodeInformation.size(node.allocationSize),
  endOfFile: open.directory ? 0n : NodeInformation.size(node.size),
  numberOfLinks: NodeInformation.links(open.deletePending ? node.numberOfLinks - 1 : node.numberOfLinks),
  deletePending: open.deletePending,
  directory: open.directory
})

const file = Effect.fnUntraced(function*(
  incoming: Incoming,
  open: FileOpen,
  body: Message.Request
): Effect.fn.Return<Reply, Refusal> {
  const known = FileInformation.byNumber(body.fileInfoClass)
  const fixed = known === undefined ? undefined : fixedSizes[known.name]
  const room = body.outputBufferLength
  if (known?.name === "FileFullEaInformation") return yield* extendedAttributes(open, body)
  if (known === undefined || fixed === undefined) return yield* refuse(NtStatus.STATUS_INVALID_INFO_CLASS)
  if (room < fixed) return yield* refuse(NtStatus.STATUS_INFO_LENGTH_MISMATCH)
  const readsAttributes = known.name === "FileBasicInformation" || known.name === "FileAllInformation" ||
    known.name === "FileNetworkOpenInformation" || known.name === "FileAttributeTagInformation"
  if (readsAttributes && !open.may(A.FILE_READ_ATTRIBUTES)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (known.name === "FileNormalizedNameInformation" && incoming.connection.dialect < Dialect.SMB_3_1_1) {
    return yield* refuse(NtStatus.STATUS_NOT_SUPPORTED)
  }
  const node = yield* FileTimes.shown(open.stream, yield* stored(open.file.stat))
  const value: () => Effect.Effect<unknown, Refusal> = () => {
    switch (known.name) {
      case "FileBasicInformation":
        return Effect.succeed(NodeInformation.basic(node))
      case "FileStandardInformation":
        return Effect.succeed(standard(open, node))
      case "FileInternalInformation":
        return Effect.succeed({ indexNumber: node.id })
      case "FileEaInformation":
        return Effect.map(stored(kept(open.file, "ExtendedAttributes")), (bytes) => ({ eaSize: eaSize(bytes) }))
      case "FileAccessInformation":
        return Effect.succeed({ accessFlags: open.grantedAccess })
      case "FilePositionInformation":
        return Effect.succeed({ currentByteOffset: open.position })
      case "FileModeInformation":
        return Effect.succeed({ mode: open.mode })
      case "FileAlignmentInformation":
        return Effect.succeed({ alignmentRequirement: 0 })
      case "FileAllInformation":
        return Effect.map(stored(kept(open.file, "ExtendedAttributes")), (bytes) => ({
          basicInformation: NodeInformation.basic(node),
          standardInformation: standard(open, node),
          internalInformation: { indexNumber: node.id },
          eaInformation: { eaSize: eaSize(bytes) },
          accessInformation: { accessFlags: open.grantedAccess },
          positionInformation: { currentByteOffset: open.position },
          modeInformation: { mode: open.mode },
          alignmentInformation: { alignmentRequirement: 0 },
          nameInformation: { fileName: `\\${nameOf(open)}` }
        }))
      case "FileAlternateNameInformation":
        return Effect.flatMap(
          ShortNames.alternate(open),
          (fileName) => fileName === "" ? refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND) : Effect.succeed({ fileName })
        )
      case "FileStreamInformation":
        return streams(open, node)
      case "FileCompressionInformation":
        return Effect.succeed({
          // No file is compressed, and a directory has no bytes (MS-FSA 2.1.5.12.8).
          compressedFileSize: open.directory ? 0n : NodeInformation.size(node.allocationSize),
          compressionFormat: 0,
          compressionUnitShift: 0,
          chunkShift: 0,
          clusterShift: 0
        })
      case "FileNetworkOpenInformation":
        return Effect.succeed(NodeInformation.networkOpen(node))
      case "FileAttributeTagInformation":
        return Effect.succeed({
          fileAttributes: NodeInformation.attributes(node),
          reparseTag: (node.fileAttributes & F.FILE_ATTRIBUTE_REPARSE_POINT) === 0 ? 0 : node.reparseTag
        })
      case "FileNormalizedNameInformation":
        return Effect.succeed({ fileName: nameOf(open) })
      case "FileStandardLinkInformation":
        return Effect.succeed({
          numberOfAccessibleLinks: NodeInformation.links(node.numberOfLinks),
          totalNumberOfLinks: NodeInformation.links(node.numberOfLinks),
          deletePending: open.deletePending,
          directory: open.directory
        })
      default:
        return Effect.map(
          Volumes.of(open.share, open.file),
          ({ serialNumber }) => ({
            volumeSerialNumber: BigInt(serialNumber),
            fileId: NodeInformation.fileId128(node)
          })
        )
    }
  }
  const bytes = Codec.encode(known.codec)(yield* value())
  return yield* answer(bytes, room, fixed)
})

/** The streams of a file. An open of a named stream knows the sizes of that stream only: the name gives the file's. */
const streams = (open: FileOpen, node: StoreNode): Effect.Effect<unknown, Refusal> =>
  Effect.gen(function*() {
    const named = yield* stored(open.file.streams)
    const main = open.stream.name === ""
      ? node
      // A file whose name is gone shows only its named streams.
      : yield* Effect.orElseSucceed(open.share.store.stat(open.path), () => undefined)
    const own = main === undefined || main.type === "directory"
      ? []
      : [{
        streamName: "::$DATA",
        streamSize: NodeInformation.size(main.size),
        streamAllocationSize: NodeInformation.size(main.allocationSize)
      }]
    return [
      ...own,
      ...named.map((one) => ({
        streamName: `:${one.name}:$DATA`,
        streamSize: NodeInformation.size(one.size),
        streamAllocationSize: NodeInformation.size(one.allocationSize)
      }))
    ]
  })

const decodeNames = Codec.decode("FILE_GET_EA_INFORMATION", FileInformation.FileGetEaInformation)

/** The attributes that are asked for by name, in that order; a missing one has no value (MS-FSA 2.1.5.12.10). */
const named = (names: ReadonlyArray<string>, bytes: Uint8Array | undefined): Uint8Array => {
  const all = ExtendedAttributes.byName(ExtendedAttributes.decode(bytes))
  return ExtendedAttributes.encode(
    names.map((eaName) => all.get(eaName.toUpperCase()) ?? { flags: 0, eaName, eaValue: new Uint8Array(0) })
  )
}

const extendedAttributes = Effect.fnUntraced(function*(
  open: FileOpen,
  body: Message.Request
): Effect.fn.Return<Reply, Refusal> {
  if (!open.may(A.FILE_READ_EA)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  const bytes = yield* stored(kept(open.file, "ExtendedAttributes"))
  const asked = body.inputBuffer.length === 0 ? undefined : decodeNames(body.inputBuffer)
  if (asked?._tag === "Failure") return yield* refuse(NtStatus.STATUS_EA_LIST_INCONSISTENT)
  if (asked === undefined && (bytes === undefined || bytes.length === 0)) {
    return yield* refuse(NtStatus.STATUS_NO_EAS_ON_FILE)
  }
  const buffer = asked === undefined ? bytes! : named(asked.success, bytes)
  if (buffer.length > body.outputBufferLength) return yield* refuse(NtStatus.STATUS_BUFFER_OVERFLOW)
  return reply({ _tag: "QUERY_INFO", body: { buffer } })
})

// -----------------------------------------------------------------------------
// the volume
// -----------------------------------------------------------------------------

const fileSystemFixed: Partial<Record<FileSystemInformation.ClassName, number>> = {
  FileFsVolumeInformation: 24,
  FileFsSizeInformation: 24,
  FileFsDeviceInformation: 8,
  FileFsAttributeInformation: 16,
  FileFsFullSizeInformation: 32,
  FileFsObjectIdInformation: 64,
  FileFsSectorSizeInformation: 28
}

const fileSystem = Effect.fnUntraced(
  function*(open: FileOpen, body: Message.Request): Effect.fn.Return<Reply, Refusal> {
    const known = FileSystemInformation.byNumber(body.fileInfoClass)
    // No store has quotas: as for SMB2_0_INFO_QUOTA.
    if (known?.name === "FileFsControlInformation") return yield* refuse(NtStatus.STATUS_NOT_SUPPORTED)
    const fixed = known === undefined ? undefined : fileSystemFixed[known.name]
    if (known === undefined || fixed === undefined) return yield* refuse(NtStatus.STATUS_INVALID_INFO_CLASS)
    const room = body.outputBufferLength
    if (room < fixed) return yield* refuse(NtStatus.STATUS_INFO_LENGTH_MISMATCH)
    const { share } = open
    const volume = yield* Volumes.of(share, open.file)
    if (known.name === "FileFsObjectIdInformation" && !Volumes.keepsObjectIds(volume)) {
      return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    const readOnly = share.readOnly || volume.readOnly
    const { supports } = volume
    const [total, free] = [NodeInformation.size(volume.total), NodeInformation.size(volume.free)]
    const value = (): unknown => {
      switch (known.name) {
        case "FileFsVolumeInformation":
          return {
            volumeCreationTime: FileTime.clamp(volume.creationTime),
            volumeSerialNumber: volume.serialNumber,
            supportsObjects: Volumes.keepsObjectIds(volume),
            volumeLabel: volume.label
          }
        case "FileFsSizeInformation":
          return {
            totalAllocationUnits: total / Volumes.bytesPerCluster,
            availableAllocationUnits: free / Volumes.bytesPerCluster,
            sectorsPerAllocationUnit: Number(Volumes.bytesPerCluster) / Volumes.bytesPerSector,
            bytesPerSector: Volumes.bytesPerSector
          }
        case "FileFsDeviceInformation":
          return { deviceType: 7, characteristics: 0x20 | (readOnly ? 0x2 : 0) }
        case "FileFsAttributeInformation":
          return {
            fileSystemAttributes: 0x1 | 0x2 | 0x4 | (supports.securityDescriptors ? 0x8 : 0) |
              (supports.sparse ? 0x40 : 0) | (supports.reparsePoints ? 0x80 : 0) | (supports.streams ? 0x4_0000 : 0) |
              (supports.extendedAttributes ? 0x80_0000 : 0) | (Volumes.keepsObjectIds(volume) ? 0x1_0000 : 0) |
              (readOnly ? 0x8_0000 : 0),
            maximumComponentNameLength: volume.maximumComponentLength,
            fileSystemName: "NTFS"
          }
        case "FileFsFullSizeInformation":
          return {
            totalAllocationUnits: total / Volumes.bytesPerCluster,
            callerAvailableAllocationUnits: free / Volumes.bytesPerCluster,
            actualAvailableAllocationUnits: free / Volumes.bytesPerCluster,
            sectorsPerAllocationUnit: Number(Volumes.bytesPerCluster) / Volumes.bytesPerSector,
            bytesPerSector: Volumes.bytesPerSector
          }
        case "FileFsObjectIdInformation":
          return {
            objectId: Volumes.objectId(volume),
            extendedInfo: new Uint8Array(48)
          }
        default:
          return {
            logicalBytesPerSector: Volumes.bytesPerSector,
            physicalBytesPerSectorForAtomicity: Volumes.bytesPerSector,
            physicalBytesPerSectorForPerformance: Volumes.bytesPerSector,
            fileSystemEffectivePhysicalBytesPerSectorForAtomicity: Volumes.bytesPerSector,
            flags: 0x3,
            byteOffsetForSectorAlignment: 0,
            byteOffsetForPartitionAlignment: 0
          }
      }
    }
    return yield* answer(Codec.encode(known.codec)(value()), room, fixed)
  }
)

// -----------------------------------------------------------------------------
// security
// -----------------------------------------------------------------------------

const security = Effect.fnUntraced(function*(open: FileOpen, body: Message.Request): Effect.fn.Return<Reply, Refusal> {
  const bytes = yield* Security.query(open, body.additionalInformation)
  if (bytes.length > body.outputBufferLength) {
    return yield* Effect.fail(
      new Refusal(NtStatus.STATUS_BUFFER_TOO_SMALL, Codec.encode(ErrorResponse.requiredBufferLength)(bytes.length))
    )
  }
  return reply({ _tag: "QUERY_INFO", body: { buffer: bytes } })
})
