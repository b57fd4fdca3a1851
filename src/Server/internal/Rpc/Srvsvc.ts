/** The server service: the shares, information about the server, and its time (MS-SRVS). */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Codec from "../../../Codec/Codec.ts"
import * as FileTime from "../../../Codec/FileTime.ts"
import * as Srvsvc from "../../../Codec/Rpc/Srvsvc.ts"
import * as Sd from "../../../Codec/SecurityDescriptor.ts"
import { fold } from "../../../Codec/UpCase.ts"
import * as Access from "../State/Access.ts"
import type { Server, Share } from "../State/Model.ts"
import * as ShareAccess from "../State/ShareAccess.ts"
import { shareFlags } from "../State/ShareFlags.ts"
import { type Caller, type Interface, operation } from "./Interface.ts"
import * as SrvsvcLists from "./SrvsvcLists.ts"

const accessDenied = 5
const notSupported = 50
const invalidParameter = 87
const levelUnknown = 124
const noSuchShare = 2310

/** The Windows version that this server presents. */
export const version = { versionMajor: 10, versionMinor: 0 } as const

interface Listed {
  readonly name: string
  readonly type: number
  readonly comment: string
  readonly flags: number
  /** The self-relative security descriptor. */
  readonly security: Uint8Array
}

const isHidden = (share: Share): boolean => share.options.hidden ?? share.name.endsWith("$")

const shareList = (server: Server, all = false): ReadonlyArray<Listed> => {
  const listed: Array<Listed> = []
  for (const share of server.shares.values()) {
    const hidden = isHidden(share)
    if (hidden && share.options.hidden === true && !all) continue
    listed.push({
      name: share.name,
      type: (Srvsvc.ShareType.STYPE_DISKTREE | (hidden ? Srvsvc.ShareType.STYPE_SPECIAL : 0)) >>> 0,
      comment: share.options.comment ?? "",
      flags: shareFlags(server, share),
      security: Access.encode(ShareAccess.descriptorOf(share))
    })
  }
  listed.push({
    name: "IPC$",
    type: (Srvsvc.ShareType.STYPE_IPC | Srvsvc.ShareType.STYPE_SPECIAL) >>> 0,
    comment: "IPC Service",
    flags: 0,
    security: new Uint8Array(0)
  })
  return listed
}

const info0 = ({ name }: Listed) => ({ netName: name })
const info1 = ({ comment, name, type }: Listed) => ({ netName: name, type, remark: comment })
/** The path of a share's files is kept secret from clients. */
const info2 = (share: Listed) => ({
  ...info1(share),
  permissions: 0,
  maxUses: 0xffff_ffff,
  currentUses: 1,
  path: "",
  password: ""
})
const info501 = (share: Listed) => ({ ...info1(share), flags: 0 })
const info502 = (share: Listed) => ({ ...info2(share), securityDescriptor: share.security })

const listOf = (level: number, shares: ReadonlyArray<Listed>): Srvsvc.Shares => {
  switch (level) {
    case 0:
      return { level, value: shares.map(info0) }
    case 1:
      return { level, value: shares.map(info1) }
    case 2:
      return { level, value: shares.map(info2) }
    case 501:
      return { level, value: shares.map(info501) }
    case 502:
      return { level, value: shares.map(info502) }
    default:
      return { level, value: undefined }
  }
}

const infoOf = (level: number, share: Listed): Srvsvc.ShareInfo => {
  switch (level) {
    case 0:
      return { level, value: info0(share) }
    case 1:
      return { level, value: info1(share) }
    case 2:
      return { level, value: info2(share) }
    case 501:
      return { level, value: info501(share) }
    case 502:
      return { level, value: info502(share) }
    case 1004:
      return { level, value: { remark: share.comment } }
    case 1005:
      return { level, value: { flags: share.flags } }
    case 1006:
      return { level, value: { maxUses: info2(share).maxUses } }
    case 1501:
      return { level, value: { securityDescriptor: share.security } }
    default:
      return { level, value: undefined }
  }
}

const { SV_TYPE_DFS, SV_TYPE_NT, SV_TYPE_SERVER, SV_TYPE_SERVER_NT, SV_TYPE_WORKSTATION } = Srvsvc.ServerType

const serverInfo = (server: Server, level: number): Srvsvc.ServerInfo => {
  const info100 = { platformId: Srvsvc.PLATFORM_ID_NT, name: server.settings.computerName }
  const info101 = {
    ...info100,
    ...version,
    type: SV_TYPE_WORKSTATION | SV_TYPE_SERVER | SV_TYPE_NT | SV_TYPE_SERVER_NT |
      (server.dfs === undefined ? 0 : SV_TYPE_DFS),
    comment: ""
  }
  switch (level) {
    case 100:
      return { level, value: info100 }
    case 101:
      return { level, value: info101 }
    case 102:
      return {
        level,
        value: {
          ...info101,
          users: server.limits.sessions,
          disconnectTime: 0xffff_ffff,
          hidden: 1,
          announce: 0,
          announceDelta: 0,
          licenses: 0,
          userPath: ""
        }
      }
    default:
      return { level, value: undefined }
  }
}

const low = (count: number): number => count % 2 ** 32
const high = (count: number): number => Math.floor(count / 2 ** 32)

/**
 * What the server counts. As on Windows, the sessions are those of now. The other fields are about LAN Manager, or are
 * not counted: they are 0.
 */
const statistics = (server: Server) => {
  let { received, sent } = server.traffic
  for (const { traffic } of server.connections) {
    received += traffic.received
    sent += traffic.sent
  }
  return {
    start: Math.floor(FileTime.toMillis(server.startTime) / 1000) >>> 0,
    fileOpens: 0,
    deviceOpens: 0,
    jobsQueued: 0,
    sessionOpens: server.sessions.size,
    sessionsTimedOut: 0,
    sessionsErroredOut: 0,
    passwordErrors: server.meter.refused.logons >>> 0,
    permissionErrors: 0,
    systemErrors: 0,
    bytesSentLow: low(sent),
    bytesSentHigh: high(sent),
    bytesReceivedLow: low(received),
    bytesReceivedHigh: high(received),
    averageResponse: 0,
    requestBuffersNeeded: 0,
    bigBuffersNeeded: 0
  }
}

/** The time of day, for a server that uses UTC. */
const timeOfDay = (server: Server, millis: number) => {
  const now = new Date(millis)
  return {
    elapsed: Math.floor(millis / 1000) >>> 0,
    milliseconds: (millis - FileTime.toMillis(server.startTime)) >>> 0,
    hours: now.getUTCHours(),
    minutes: now.getUTCMinutes(),
    seconds: now.getUTCSeconds(),
    hundredths: Math.floor(now.getUTCMilliseconds() / 10),
    timezone: 0,
    interval: 310,
    day: now.getUTCDate(),
    month: now.getUTCMonth() + 1,
    year: now.getUTCFullYear(),
    weekday: now.getUTCDay()
  }
}

/**
 * The levels with permissions and descriptors, which callers without a name do not get (MS-SRVS 3.1.4.8, 3.1.4.10): of a
 * list, and of one share.
 */
const listLevelsOfUsers: ReadonlySet<number> = new Set([2, 501, 502])
const levelsOfUsers: ReadonlySet<number> = new Set([2, 502, 1501])

/** NetrShareEnum, and NetrShareEnumSticky, which does not have level 501 (MS-SRVS 3.1.4.9). */
const shareEnum = (name: string, has501: boolean) =>
  operation(
    name,
    Srvsvc.ShareEnumRequest,
    Srvsvc.ShareEnumResponse,
    ({ info: { level }, resumeHandle }, caller) =>
      Effect.sync(() => {
        if (level === 501 && !has501) {
          return { info: { level, value: undefined }, totalEntries: 0, resumeHandle, returnValue: levelUnknown }
        }
        if (caller.user.anonymous && listLevelsOfUsers.has(level)) {
          return { info: { level, value: undefined }, totalEntries: 0, resumeHandle, returnValue: accessDenied }
        }
        const shares = shareList(caller.server)
        const info = listOf(level, shares)
        const known = info.value !== undefined
        return {
          info,
          totalEntries: known ? shares.length : 0,
          resumeHandle: resumeHandle === undefined ? undefined : 0,
          returnValue: known ? Srvsvc.NERR_Success : levelUnknown
        }
      })
  )

/** The levels of MS-SRVS 3.1.4.11. */
const settableLevels: ReadonlySet<number> = new Set([1, 2, 502, 503, 1004, 1005, 1006, 1501])

const decodeSecurity = Codec.decode("shi1501_security_descriptor", Sd.SecurityDescriptor)

/**
 * Changes the security descriptor of a share. Its owner and group stay, if the client gives none. All else of a share
 * is an option of the app.
 */
const setInfo = Effect.fnUntraced(function*(
  { info, level, netName }: Srvsvc.ShareSetInfoRequest,
  { server, user }: Caller
): Effect.fn.Return<number> {
  if (!user.administrator) return accessDenied
  const share = server.shares.get(fold(netName))
  if (share === undefined) return fold(netName) === "IPC$" ? accessDenied : noSuchShare
  if (!settableLevels.has(level)) return levelUnknown
  const { set } = share.security
  if (level !== 1501 || set === undefined) return notSupported
  if (info.level !== 1501 || info.value === undefined) return invalidParameter
  const decoded = decodeSecurity(Uint8Array.from(info.value.securityDescriptor))
  if (decoded._tag === "Failure" || (decoded.success.control & Sd.Control.SE_DACL_PRESENT) === 0) {
    return invalidParameter
  }
  const before = ShareAccess.descriptorOf(share)
  const { group = before.group, owner = before.owner } = decoded.success
  yield* set({ ...decoded.success, owner, group })
  return Srvsvc.NERR_Success
})

export const srvsvc: Interface = {
  syntax: Srvsvc.interfaceId,
  operations: {
    ...SrvsvcLists.operations,
    [Srvsvc.Operation.NetrShareEnum]: shareEnum("NetrShareEnum", true),
    // Shares that still exist after a restart of the server: all of them.
    [Srvsvc.Operation.NetrShareEnumSticky]: shareEnum("NetrShareEnumSticky", false),
    [Srvsvc.Operation.NetrShareGetInfo]: operation(
      "NetrShareGetInfo",
      Srvsvc.ShareGetInfoRequest,
      Srvsvc.ShareGetInfoResponse,
      ({ level, netName }, caller) =>
        Effect.sync(() => {
          if (caller.user.anonymous && levelsOfUsers.has(level)) {
            return { info: { level, value: undefined }, returnValue: accessDenied }
          }
          const found = shareList(caller.server, true).find((one) => fold(one.name) === fold(netName))
          if (found === undefined) return { info: { level, value: undefined }, returnValue: noSuchShare }
          const info = infoOf(level, found)
          return { info, returnValue: info.value === undefined ? levelUnknown : Srvsvc.NERR_Success }
        })
    ),
    [Srvsvc.Operation.NetrShareSetInfo]: operation(
      "NetrShareSetInfo",
      Srvsvc.ShareSetInfoRequest,
      Srvsvc.ShareSetInfoResponse,
      (request, caller) =>
        Effect.map(setInfo(request, caller), (returnValue) => ({
          parameterError: request.parameterError === undefined ? undefined : 0,
          returnValue
        }))
    ),
    [Srvsvc.Operation.NetrServerGetInfo]: operation(
      "NetrServerGetInfo",
      Srvsvc.ServerGetInfoRequest,
      Srvsvc.ServerGetInfoResponse,
      ({ level }, { server }) =>
        Effect.sync(() => {
          const info = serverInfo(server, level)
          return { info, returnValue: info.value === undefined ? levelUnknown : Srvsvc.NERR_Success }
        })
    ),
    [Srvsvc.Operation.NetrServerStatisticsGet]: operation(
      "NetrServerStatisticsGet",
      Srvsvc.ServerStatisticsGetRequest,
      Srvsvc.ServerStatisticsGetResponse,
      ({ level, options }, { server, user }) =>
        Effect.sync(() => {
          const refuse = (returnValue: number) => ({ info: undefined, returnValue })
          if (!user.administrator) return refuse(accessDenied)
          if (level !== 0) return refuse(levelUnknown)
          if (options !== 0) return refuse(invalidParameter)
          return { info: statistics(server), returnValue: Srvsvc.NERR_Success }
        })
    ),
    [Srvsvc.Operation.NetrRemoteTOD]: operation(
      "NetrRemoteTOD",
      Srvsvc.RemoteTodRequest,
      Srvsvc.RemoteTodResponse,
      (_, { server }) =>
        Effect.map(Clock.currentTimeMillis, (millis) => ({
          info: timeOfDay(server, millis),
          returnValue: Srvsvc.NERR_Success
        }))
    )
  }
}
