/**
 * Control codes of IOCTL (MS-SMB2 2.2.31, MS-FSCC 2.3) and the structures in its buffers.
 *
 * DFS referrals are in `src/Dfs`; reparse points are in `src/Codec`.
 */
import * as Codec from "../../Codec/Codec.ts"
import type { Reader, Writer } from "../../Codec/Cursor.ts"
import { bytes16, peekU16 } from "./Common.ts"

/**
 * CtlCode, by the documents' names.
 *
 * @category constants
 * @since 0.1.0
 */
export const Fsctl = {
  FSCTL_DFS_GET_REFERRALS: 0x0006_0194,
  FSCTL_DFS_GET_REFERRALS_EX: 0x0006_01b0,
  FSCTL_IS_PATHNAME_VALID: 0x0009_002c,
  FSCTL_GET_COMPRESSION: 0x0009_003c,
  FSCTL_FILESYSTEM_GET_STATISTICS: 0x0009_0060,
  FSCTL_GET_NTFS_VOLUME_DATA: 0x0009_0064,
  FSCTL_GET_RETRIEVAL_POINTERS: 0x0009_0073,
  FSCTL_FIND_FILES_BY_SID: 0x0009_008f,
  FSCTL_SET_OBJECT_ID: 0x0009_0098,
  FSCTL_GET_OBJECT_ID: 0x0009_009c,
  FSCTL_DELETE_OBJECT_ID: 0x0009_00a0,
  FSCTL_SET_REPARSE_POINT: 0x0009_00a4,
  FSCTL_GET_REPARSE_POINT: 0x0009_00a8,
  FSCTL_DELETE_REPARSE_POINT: 0x0009_00ac,
  FSCTL_SET_OBJECT_ID_EXTENDED: 0x0009_00bc,
  FSCTL_CREATE_OR_GET_OBJECT_ID: 0x0009_00c0,
  FSCTL_SET_SPARSE: 0x0009_00c4,
  FSCTL_QUERY_ALLOCATED_RANGES: 0x0009_40cf,
  FSCTL_SET_ZERO_DATA: 0x0009_80c8,
  FSCTL_SET_ENCRYPTION: 0x0009_00d7,
  FSCTL_READ_FILE_USN_DATA: 0x0009_00eb,
  FSCTL_WRITE_USN_CLOSE_RECORD: 0x0009_00ef,
  FSCTL_QUERY_SPARING_INFO: 0x0009_0138,
  FSCTL_QUERY_ON_DISK_VOLUME_INFO: 0x0009_013c,
  FSCTL_SET_ZERO_ON_DEALLOCATION: 0x0009_0194,
  FSCTL_QUERY_FILE_REGIONS: 0x0009_0284,
  FSCTL_QUERY_SHARED_VIRTUAL_DISK_SUPPORT: 0x0009_0300,
  FSCTL_SVHDX_SYNC_TUNNEL_REQUEST: 0x0009_0304,
  FSCTL_GET_INTEGRITY_INFORMATION: 0x0009_027c,
  FSCTL_REFS_STREAM_SNAPSHOT_MANAGEMENT: 0x0009_0440,
  FSCTL_SET_INTEGRITY_INFORMATION: 0x0009_c280,
  FSCTL_SET_COMPRESSION: 0x0009_c040,
  FSCTL_OFFLOAD_READ: 0x0009_4264,
  FSCTL_OFFLOAD_WRITE: 0x0009_8268,
  FSCTL_FILE_LEVEL_TRIM: 0x0009_8208,
  FSCTL_DUPLICATE_EXTENTS_TO_FILE: 0x0009_8344,
  FSCTL_PIPE_PEEK: 0x0011_400c,
  FSCTL_PIPE_WAIT: 0x0011_0018,
  FSCTL_PIPE_TRANSCEIVE: 0x0011_c017,
  FSCTL_SRV_ENUMERATE_SNAPSHOTS: 0x0014_4064,
  FSCTL_SRV_REQUEST_RESUME_KEY: 0x0014_0078,
  FSCTL_SRV_COPYCHUNK: 0x0014_40f2,
  FSCTL_SRV_COPYCHUNK_WRITE: 0x0014_80f2,
  FSCTL_SRV_READ_HASH: 0x0014_41bb,
  FSCTL_LMR_REQUEST_RESILIENCY: 0x0014_01d4,
  FSCTL_QUERY_NETWORK_INTERFACE_INFO: 0x0014_01fc,
  FSCTL_VALIDATE_NEGOTIATE_INFO: 0x0014_0204
} as const

// -----------------------------------------------------------------------------
// FSCTL_VALIDATE_NEGOTIATE_INFO
// -----------------------------------------------------------------------------

/**
 * VALIDATE_NEGOTIATE_INFO Request (MS-SMB2 2.2.31.4): the values of the client's NEGOTIATE.
 *
 * @category models
 * @since 0.1.0
 */
export const ValidateNegotiateInfoRequest = Codec.struct({
  capabilities: Codec.u32,
  guid: bytes16,
  securityMode: Codec.u16,
  dialectCount: Codec.countOf("dialects"),
  dialects: Codec.list(Codec.u16)
})
export type ValidateNegotiateInfoRequest = Codec.Type<typeof ValidateNegotiateInfoRequest>

/**
 * VALIDATE_NEGOTIATE_INFO Response (MS-SMB2 2.2.32.6): the values of the server's response to NEGOTIATE.
 *
 * @category models
 * @since 0.1.0
 */
export const ValidateNegotiateInfoResponse = Codec.struct({
  capabilities: Codec.u32,
  guid: bytes16,
  securityMode: Codec.u16,
  dialect: Codec.u16
})
export type ValidateNegotiateInfoResponse = Codec.Type<typeof ValidateNegotiateInfoResponse>

// -----------------------------------------------------------------------------
// server-side copy
// -----------------------------------------------------------------------------

/**
 * SRV_REQUEST_RESUME_KEY Response (MS-SMB2 2.2.32.3): names the source of a copy. The context is not used.
 *
 * @category models
 * @since 0.1.0
 */
export const SrvRequestResumeKey = Codec.struct({
  resumeKey: Codec.fixedBytes(24),
  contextLength: Codec.lengthOf("context"),
  context: Codec.buffer(Codec.bytes)
}, { atLeast: 32 })
export type SrvRequestResumeKey = Codec.Type<typeof SrvRequestResumeKey>

/**
 * SRV_COPYCHUNK (MS-SMB2 2.2.31.1.1): all in bytes.
 *
 * @category models
 * @since 0.1.0
 */
export const SrvCopychunk = Codec.struct({
  sourceOffset: Codec.u64,
  targetOffset: Codec.u64,
  length: Codec.u32,
  reserved: Codec.reserved(Codec.u32)
})
export type SrvCopychunk = Codec.Type<typeof SrvCopychunk>

/**
 * SRV_COPYCHUNK_COPY (MS-SMB2 2.2.31.1).
 *
 * @category models
 * @since 0.1.0
 */
export const SrvCopychunkCopy = Codec.struct({
  sourceKey: Codec.fixedBytes(24),
  chunkCount: Codec.countOf("chunks", Codec.u32),
  reserved: Codec.reserved(Codec.u32),
  chunks: Codec.list(SrvCopychunk)
})
export type SrvCopychunkCopy = Codec.Type<typeof SrvCopychunkCopy>

/**
 * SRV_COPYCHUNK_RESPONSE (MS-SMB2 2.2.32.1). With STATUS_INVALID_PARAMETER the same fields state the server's limits:
 * chunks in one request, bytes in one chunk, bytes in one request.
 *
 * @category models
 * @since 0.1.0
 */
export const SrvCopychunkResponse = Codec.struct({
  chunksWritten: Codec.u32,
  chunkBytesWritten: Codec.u32,
  totalBytesWritten: Codec.u32
})
export type SrvCopychunkResponse = Codec.Type<typeof SrvCopychunkResponse>

// -----------------------------------------------------------------------------
// FSCTL_SRV_ENUMERATE_SNAPSHOTS
// -----------------------------------------------------------------------------

/**
 * SRV_SNAPSHOT_ARRAY (MS-SMB2 2.2.32.2). If the client's buffer is too small, no snapshot is returned, and
 * `snapShotArraySize` is the length of the list in bytes. Each is a `@GMT-YYYY.MM.DD-HH.MM.SS`.
 *
 * @category models
 * @since 0.1.0
 */
export interface SrvSnapshotArray {
  readonly numberOfSnapShots: number
  readonly numberOfSnapShotsReturned: number
  /** Bytes. */
  readonly snapShotArraySize: number
  readonly snapShots: ReadonlyArray<string>
}

export const SrvSnapshotArray: Codec.Codec<SrvSnapshotArray> = Codec.make<SrvSnapshotArray>(
  12,
  (r) => {
    const numberOfSnapShots = r.u32()
    const numberOfSnapShotsReturned = r.u32()
    const snapShotArraySize = r.u32()
    const snapShots: Array<string> = []
    const list = r.window(r.offset, Math.min(snapShotArraySize, r.remaining))
    while (snapShots.length < numberOfSnapShotsReturned) snapShots.push(Codec.utf16z.read(list))
    r.offset = list.end
    return { numberOfSnapShots, numberOfSnapShotsReturned, snapShotArraySize, snapShots }
  },
  (w, value) => {
    w.u32(value.numberOfSnapShots)
    w.u32(value.numberOfSnapShotsReturned)
    w.u32(value.snapShotArraySize)
    for (const snapShot of value.snapShots) Codec.utf16z.write(w, snapShot)
    if (value.snapShots.length === 0) w.u32(0)
    else w.u16(0)
  }
)

// -----------------------------------------------------------------------------
// FSCTL_SRV_READ_HASH
// -----------------------------------------------------------------------------

/**
 * SRV_READ_HASH Request (MS-SMB2 2.2.31.2).
 *
 * @category models
 * @since 0.1.0
 */
export const SrvReadHashRequest = Codec.struct({
  hashType: Codec.u32,
  hashVersion: Codec.u32,
  /** 1: SRV_HASH_RETRIEVE_HASH_BASED, 2: SRV_HASH_RETRIEVE_FILE_BASED. */
  hashRetrievalType: Codec.u32,
  /** Bytes. */
  length: Codec.u32,
  /** Bytes. */
  offset: Codec.u64
})
export type SrvReadHashRequest = Codec.Type<typeof SrvReadHashRequest>

/**
 * SRV_HASH_RETRIEVE_HASH_BASED (MS-SMB2 2.2.32.4.2).
 *
 * @category models
 * @since 0.1.0
 */
export const SrvHashRetrieveHashBased = Codec.struct({
  offset: Codec.u64,
  bufferLength: Codec.lengthOf("buffer"),
  reserved: Codec.reserved(Codec.u32),
  buffer: Codec.buffer(Codec.bytes)
})
export type SrvHashRetrieveHashBased = Codec.Type<typeof SrvHashRetrieveHashBased>

/**
 * SRV_HASH_RETRIEVE_FILE_BASED (MS-SMB2 2.2.32.4.3).
 *
 * @category models
 * @since 0.1.0
 */
export const SrvHashRetrieveFileBased = Codec.struct({
  fileDataOffset: Codec.u64,
  fileDataLength: Codec.u64,
  bufferLength: Codec.lengthOf("buffer"),
  reserved: Codec.reserved(Codec.u32),
  buffer: Codec.buffer(Codec.bytes)
})
export type SrvHashRetrieveFileBased = Codec.Type<typeof SrvHashRetrieveFileBased>

// -----------------------------------------------------------------------------
// FSCTL_LMR_REQUEST_RESILIENCY, FSCTL_PIPE_WAIT
// -----------------------------------------------------------------------------

/**
 * NETWORK_RESILIENCY_REQUEST (MS-SMB2 2.2.31.3): `timeout` in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export const NetworkResiliencyRequest = Codec.struct({ timeout: Codec.u32, reserved: Codec.reserved(Codec.u32) })
export type NetworkResiliencyRequest = Codec.Type<typeof NetworkResiliencyRequest>

/**
 * FSCTL_PIPE_WAIT Request (MS-FSCC 2.3.49): `timeout` in 100 ns ticks.
 *
 * @category models
 * @since 0.1.0
 */
export const PipeWaitRequest = Codec.struct({
  timeout: Codec.i64,
  nameLength: Codec.lengthOf("name"),
  timeoutSpecified: Codec.boolean8,
  padding: Codec.reserved(Codec.u8),
  name: Codec.buffer(Codec.utf16)
})
export type PipeWaitRequest = Codec.Type<typeof PipeWaitRequest>

// -----------------------------------------------------------------------------
// FSCTL_QUERY_NETWORK_INTERFACE_INFO
// -----------------------------------------------------------------------------

/**
 * Capability of a network interface (MS-SMB2 2.2.32.5).
 *
 * @since 0.1.0
 */
export const InterfaceCapability = { RSS_CAPABLE: 0x0000_0001, RDMA_CAPABLE: 0x0000_0002 } as const

/**
 * SOCKADDR_STORAGE (MS-SMB2 2.2.32.5.1): addresses in network order, 4 or 16 bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type SockAddrStorage =
  | { readonly _tag: "SockAddrIn"; readonly ipv4Address: Uint8Array }
  | { readonly _tag: "SockAddrIn6"; readonly ipv6Address: Uint8Array }
  | { readonly _tag: "Unknown"; readonly family: number; readonly buffer: Uint8Array }

const SockAddrIn = Codec.struct({
  family: Codec.constant(Codec.u16, 0x0002),
  port: Codec.reserved(Codec.u16),
  ipv4Address: Codec.fixedBytes(4),
  reserved: Codec.reservedBytes(120)
})

const SockAddrIn6 = Codec.struct({
  family: Codec.constant(Codec.u16, 0x0017),
  port: Codec.reserved(Codec.u16),
  flowInfo: Codec.reserved(Codec.u32),
  ipv6Address: Codec.fixedBytes(16),
  scopeId: Codec.reserved(Codec.u32),
  reserved: Codec.reservedBytes(100)
})

const SockAddrUnknown = Codec.struct({ family: Codec.u16, buffer: Codec.fixedBytes(126) })

const readSockAddr = (r: Reader): SockAddrStorage => {
  switch (peekU16(r, 0)) {
    case 0x0002:
      return { _tag: "SockAddrIn", ...SockAddrIn.read(r) }
    case 0x0017:
      return { _tag: "SockAddrIn6", ...SockAddrIn6.read(r) }
    default:
      return { _tag: "Unknown", ...SockAddrUnknown.read(r) }
  }
}

const writeSockAddr = (w: Writer, value: SockAddrStorage): void => {
  switch (value._tag) {
    case "SockAddrIn":
      return SockAddrIn.write(w, value)
    case "SockAddrIn6":
      return SockAddrIn6.write(w, value)
    case "Unknown":
      return SockAddrUnknown.write(w, value)
  }
}

/**
 * NETWORK_INTERFACE_INFO (MS-SMB2 2.2.32.5): `linkSpeed` in bits per second.
 *
 * @category models
 * @since 0.1.0
 */
export const NetworkInterfaceInfo = Codec.struct({
  ifIndex: Codec.u32,
  capability: Codec.u32,
  reserved: Codec.reserved(Codec.u32),
  linkSpeed: Codec.u64,
  sockAddrStorage: Codec.make<SockAddrStorage>(128, readSockAddr, writeSockAddr)
})
export type NetworkInterfaceInfo = Codec.Type<typeof NetworkInterfaceInfo>

/**
 * The response's buffer.
 *
 * @since 0.1.0
 */
export const NetworkInterfaceInfos = Codec.chained(NetworkInterfaceInfo)

// -----------------------------------------------------------------------------
// sparse files
// -----------------------------------------------------------------------------

/**
 * FILE_SET_SPARSE_BUFFER (MS-FSCC 2.3.83): no buffer at all means true.
 *
 * @category models
 * @since 0.1.0
 */
export const FileSetSparseBuffer: Codec.Codec<boolean> = Codec.map(
  Codec.orEmpty(Codec.boolean8),
  (value) => value ?? true,
  (value) => value
)

/**
 * FILE_ZERO_DATA_INFORMATION (MS-FSCC 2.3.85): bytes from the file's start; `beyondFinalZero` is one past the last.
 *
 * @category models
 * @since 0.1.0
 */
export const FileZeroDataInformation = Codec.struct({ fileOffset: Codec.i64, beyondFinalZero: Codec.i64 })
export type FileZeroDataInformation = Codec.Type<typeof FileZeroDataInformation>

/**
 * FILE_ALLOCATED_RANGE_BUFFER (MS-FSCC 2.3.52): in bytes; one in the request, any number in the response.
 *
 * @category models
 * @since 0.1.0
 */
export const FileAllocatedRangeBuffer = Codec.struct({ fileOffset: Codec.i64, length: Codec.i64 })
export type FileAllocatedRangeBuffer = Codec.Type<typeof FileAllocatedRangeBuffer>

/**
 * The response's buffer.
 *
 * @since 0.1.0
 */
export const FileAllocatedRangeBuffers = Codec.many(FileAllocatedRangeBuffer)
