/**
 * Calls of the server service (MS-SRVS 3.1.4): the list of shares and their information, the server's properties and
 * time.
 *
 * Requests and responses are stubs for `DceRpc.ts`, both ways. If the server refuses, `returnValue` is the Windows
 * error (5 access denied, 123 invalid name, 124 unknown level, 234 more data, 2310 no such share) and the value is
 * absent.
 */
import type * as Codec from "../Codec.ts"
import type { SyntaxId } from "./DceRpc.ts"
import * as Ndr from "./Ndr.ts"

/**
 * The interface, at pipe `\PIPE\srvsvc` (MS-SRVS 1.9): version 3.0.
 *
 * @since 0.1.0
 */
export const interfaceId: SyntaxId = { uuid: "4b324fc8-1670-01d3-1278-5a47bf6ee188", version: 3 }

/**
 * The pipe's name on share IPC$.
 *
 * @since 0.1.0
 */
export const pipeName = "srvsvc"

/**
 * Operation numbers (MS-SRVS 3.1.4).
 *
 * @since 0.1.0
 */
export const Operation = {
  NetrConnectionEnum: 8,
  NetrFileEnum: 9,
  NetrSessionEnum: 12,
  NetrShareEnum: 15,
  NetrShareGetInfo: 16,
  NetrShareSetInfo: 17,
  NetrServerGetInfo: 21,
  NetrServerStatisticsGet: 24,
  NetrRemoteTOD: 28,
  NetrShareEnumSticky: 36
} as const

/**
 * Types of a share (MS-SRVS 2.2.2.4): one of the first four, and flags.
 *
 * @since 0.1.0
 */
export const ShareType = {
  STYPE_DISKTREE: 0,
  STYPE_PRINTQ: 1,
  STYPE_DEVICE: 2,
  STYPE_IPC: 3,
  STYPE_CLUSTER_FS: 0x02000000,
  STYPE_CLUSTER_SOFS: 0x04000000,
  STYPE_CLUSTER_DFS: 0x08000000,
  STYPE_TEMPORARY: 0x40000000,
  STYPE_SPECIAL: 0x80000000
} as const

/**
 * `shi1005_flags` (MS-SRVS 2.2.4.29): the flags that a client gets when it connects to the share, and caching in bits 4
 * and 5.
 *
 * @since 0.1.0
 */
export const ShareInfoFlags = {
  SHI1005_FLAGS_DFS: 0x00000001,
  SHI1005_FLAGS_DFS_ROOT: 0x00000002,
  CSC_CACHE_AUTO_REINT: 0x00000010,
  CSC_CACHE_VDO: 0x00000020,
  CSC_CACHE_NONE: 0x00000030,
  SHI1005_FLAGS_RESTRICT_EXCLUSIVE_OPENS: 0x00000100,
  SHI1005_FLAGS_FORCE_SHARED_DELETE: 0x00000200,
  SHI1005_FLAGS_ALLOW_NAMESPACE_CACHING: 0x00000400,
  SHI1005_FLAGS_ACCESS_BASED_DIRECTORY_ENUM: 0x00000800,
  SHI1005_FLAGS_FORCE_LEVELII_OPLOCK: 0x00001000,
  SHI1005_FLAGS_ENABLE_HASH: 0x00002000,
  SHI1005_FLAGS_ENABLE_CA: 0x00004000,
  SHI1005_FLAGS_ENCRYPT_DATA: 0x00008000
} as const

/**
 * Software types (MS-SRVS 2.2.2.7), those of servers only.
 *
 * @since 0.1.0
 */
export const ServerType = {
  SV_TYPE_WORKSTATION: 0x00000001,
  SV_TYPE_SERVER: 0x00000002,
  SV_TYPE_NT: 0x00001000,
  SV_TYPE_SERVER_NT: 0x00008000,
  SV_TYPE_DFS: 0x00800000
} as const

/**
 * PLATFORM_ID_NT (MS-SRVS 2.2.2.6).
 *
 * @since 0.1.0
 */
export const PLATFORM_ID_NT = 500

/**
 * `returnValue` of success, and of a response that continues with `resumeHandle`.
 *
 * @since 0.1.0
 */
export const NERR_Success = 0
export const ERROR_MORE_DATA = 234

const text = Ndr.pointer(Ndr.string)

/** SHARE_INFO_0 (2.2.4.22). A name is `undefined` if the server sends none, here and below. */
const ShareInfo0 = Ndr.struct({ netName: text })

/** SHARE_INFO_1 (2.2.4.23). */
const ShareInfo1 = Ndr.struct({ netName: text, type: Ndr.u32, remark: text })
export type ShareInfo1 = Ndr.Value<typeof ShareInfo1>

const shareInfo2 = {
  netName: text,
  type: Ndr.u32,
  remark: text,
  permissions: Ndr.u32,
  maxUses: Ndr.u32,
  currentUses: Ndr.u32,
  path: text,
  password: text
}

/** SHARE_INFO_2 (2.2.4.24). `maxUses` 0xFFFFFFFF: no limit. */
const ShareInfo2 = Ndr.struct(shareInfo2)
export type ShareInfo2 = Ndr.Value<typeof ShareInfo2>

/** SHARE_INFO_501 (2.2.4.25): `flags` has the caching bits only. */
const ShareInfo501 = Ndr.struct({ netName: text, type: Ndr.u32, remark: text, flags: Ndr.u32 })

/** SHARE_INFO_502_I (2.2.4.26): with the share's self-relative security descriptor, zero bytes if it has none. */
const ShareInfo502 = Ndr.struct({ ...shareInfo2, securityDescriptor: Ndr.countedBytes })

/** SHARE_INFO_1004 (2.2.4.28) and SHARE_INFO_1006 (2.2.4.30). */
const ShareInfo1004 = Ndr.struct({ remark: text })
const ShareInfo1006 = Ndr.struct({ maxUses: Ndr.u32 })

/** SHARE_INFO_1501_I (2.2.4.31): the share's self-relative security descriptor. */
const ShareInfo1501 = Ndr.struct({ securityDescriptor: Ndr.countedBytes })

/** SHARE_INFO_1005 (2.2.4.29): `ShareInfoFlags`. */
const ShareInfo1005 = Ndr.struct({ flags: Ndr.u32 })

/** A list of shares of one level. */
const shareEnumUnion = Ndr.union(Ndr.u32, {
  0: Ndr.pointer(Ndr.counted(ShareInfo0)),
  1: Ndr.pointer(Ndr.counted(ShareInfo1)),
  2: Ndr.pointer(Ndr.counted(ShareInfo2)),
  501: Ndr.pointer(Ndr.counted(ShareInfo501)),
  502: Ndr.pointer(Ndr.counted(ShareInfo502))
})
export type Shares = Ndr.Value<typeof shareEnumUnion>

/** SHARE_ENUM_STRUCT (2.2.4.38). */
const ShareEnumStruct = Ndr.leveled(shareEnumUnion)

/**
 * NetrShareEnum's request (3.1.4.8), and NetrShareEnumSticky's (3.1.4.9). Clients send an empty container.
 * `preferredMaximumLength` in bytes; 0xFFFFFFFF: all.
 *
 * @category codecs
 * @since 0.1.0
 */
export const ShareEnumRequest = Ndr.parameters({
  serverName: text,
  info: ShareEnumStruct,
  preferredMaximumLength: Ndr.u32,
  resumeHandle: Ndr.pointer(Ndr.u32)
})
export type ShareEnumRequest = Codec.Type<typeof ShareEnumRequest>

/**
 * @category codecs
 * @since 0.1.0
 */
export const ShareEnumResponse = Ndr.parameters({
  info: ShareEnumStruct,
  totalEntries: Ndr.u32,
  resumeHandle: Ndr.pointer(Ndr.u32),
  returnValue: Ndr.u32
})
export type ShareEnumResponse = Codec.Type<typeof ShareEnumResponse>

/**
 * NetrShareGetInfo's request (3.1.4.10).
 *
 * @category codecs
 * @since 0.1.0
 */
export const ShareGetInfoRequest = Ndr.parameters({ serverName: text, netName: Ndr.string, level: Ndr.u32 })
export type ShareGetInfoRequest = Codec.Type<typeof ShareGetInfoRequest>

const ShareInfo = Ndr.union(Ndr.u32, {
  0: Ndr.pointer(ShareInfo0),
  1: Ndr.pointer(ShareInfo1),
  2: Ndr.pointer(ShareInfo2),
  501: Ndr.pointer(ShareInfo501),
  502: Ndr.pointer(ShareInfo502),
  1004: Ndr.pointer(ShareInfo1004),
  1005: Ndr.pointer(ShareInfo1005),
  1006: Ndr.pointer(ShareInfo1006),
  1501: Ndr.pointer(ShareInfo1501)
})
export type ShareInfo = Ndr.Value<typeof ShareInfo>

/**
 * @category codecs
 * @since 0.1.0
 */
export const ShareGetInfoResponse = Ndr.parameters({ info: ShareInfo, returnValue: Ndr.u32 })
export type ShareGetInfoResponse = Codec.Type<typeof ShareGetInfoResponse>

/**
 * NetrShareSetInfo's request (3.1.4.11).
 *
 * @category codecs
 * @since 0.2.0
 */
export const ShareSetInfoRequest = Ndr.parameters({
  serverName: text,
  netName: Ndr.string,
  level: Ndr.u32,
  info: ShareInfo,
  parameterError: Ndr.pointer(Ndr.u32)
})
export type ShareSetInfoRequest = Codec.Type<typeof ShareSetInfoRequest>

/**
 * `parameterError`: the number of the field that is wrong, 0 if no field is.
 *
 * @category codecs
 * @since 0.2.0
 */
export const ShareSetInfoResponse = Ndr.parameters({ parameterError: Ndr.pointer(Ndr.u32), returnValue: Ndr.u32 })

/**
 * Further levels of SERVER_INFO (2.2.3.7), or of Samba's clients: their arms are pointers, which a client reads before
 * the error.
 */
const serverLevels = new Set([402, 403, 502, 503, 599, 1005, 1010, 1016, 1017, 1018, 1107, 103])
for (let level = 1501; level <= 1556; level++) serverLevels.add(level)

const serverInfo101 = {
  platformId: Ndr.u32,
  name: text,
  versionMajor: Ndr.u32,
  versionMinor: Ndr.u32,
  type: Ndr.u32,
  comment: text
}

const ServerInfo = Ndr.union(Ndr.u32, {
  /** SERVER_INFO_100 (2.2.4.40). */
  100: Ndr.pointer(Ndr.struct({ platformId: Ndr.u32, name: text })),
  /** SERVER_INFO_101 (2.2.4.41): `type` of `ServerType`. */
  101: Ndr.pointer(Ndr.struct(serverInfo101)),
  /** SERVER_INFO_102 (2.2.4.42): `disconnectTime` in minutes, 0xFFFFFFFF never; announcements in seconds, milliseconds. */
  102: Ndr.pointer(Ndr.struct({
    ...serverInfo101,
    users: Ndr.u32,
    disconnectTime: Ndr.u32,
    hidden: Ndr.u32,
    announce: Ndr.u32,
    announceDelta: Ndr.u32,
    licenses: Ndr.u32,
    userPath: text
  }))
}, serverLevels)
export type ServerInfo = Ndr.Value<typeof ServerInfo>

/**
 * NetrServerGetInfo's request (3.1.4.17).
 *
 * @category codecs
 * @since 0.1.0
 */
export const ServerGetInfoRequest = Ndr.parameters({ serverName: text, level: Ndr.u32 })

/**
 * @category codecs
 * @since 0.1.0
 */
export const ServerGetInfoResponse = Ndr.parameters({ info: ServerInfo, returnValue: Ndr.u32 })

/**
 * NetrServerStatisticsGet's request (3.1.4.20). Only level 0 and no options exist.
 *
 * @category codecs
 * @since 0.2.0
 */
export const ServerStatisticsGetRequest = Ndr.parameters({
  serverName: text,
  service: text,
  level: Ndr.u32,
  options: Ndr.u32
})

/**
 * STAT_SERVER_0 (2.2.4.39): `start` in seconds since 1970; all others are counts since then. The counts of bytes have 64
 * bits, in two halves.
 *
 * @category codecs
 * @since 0.2.0
 */
export const ServerStatisticsGetResponse = Ndr.parameters({
  info: Ndr.pointer(Ndr.struct({
    start: Ndr.u32,
    fileOpens: Ndr.u32,
    deviceOpens: Ndr.u32,
    jobsQueued: Ndr.u32,
    sessionOpens: Ndr.u32,
    sessionsTimedOut: Ndr.u32,
    sessionsErroredOut: Ndr.u32,
    passwordErrors: Ndr.u32,
    permissionErrors: Ndr.u32,
    systemErrors: Ndr.u32,
    bytesSentLow: Ndr.u32,
    bytesSentHigh: Ndr.u32,
    bytesReceivedLow: Ndr.u32,
    bytesReceivedHigh: Ndr.u32,
    averageResponse: Ndr.u32,
    requestBuffersNeeded: Ndr.u32,
    bigBuffersNeeded: Ndr.u32
  })),
  returnValue: Ndr.u32
})

/**
 * NetrRemoteTOD's request (3.1.4.21).
 *
 * @category codecs
 * @since 0.1.0
 */
export const RemoteTodRequest = Ndr.parameters({ serverName: text })

/**
 * TIME_OF_DAY_INFO (2.2.4.105): seconds since 1970, milliseconds since the server started, and the time of day in UTC, with
 * hundredths. `timezone` is minutes west of UTC; `interval` of a tick in 0.1 ms; `weekday` 0 is Sunday.
 *
 * @category codecs
 * @since 0.1.0
 */
export const RemoteTodResponse = Ndr.parameters({
  info: Ndr.pointer(Ndr.struct({
    elapsed: Ndr.u32,
    milliseconds: Ndr.u32,
    hours: Ndr.u32,
    minutes: Ndr.u32,
    seconds: Ndr.u32,
    hundredths: Ndr.u32,
    timezone: Ndr.i32,
    interval: Ndr.u32,
    day: Ndr.u32,
    month: Ndr.u32,
    year: Ndr.u32,
    weekday: Ndr.u32
  })),
  returnValue: Ndr.u32
})
