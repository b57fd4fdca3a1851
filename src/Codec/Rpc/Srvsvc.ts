/**
 * The server service's calls that list shares (MS-SRVS 3.1.4): NetrShareEnum and NetrShareGetInfo, levels 1 and 2.
 *
 * Requests and responses are stubs for `DceRpc.ts`, both ways. Where the server refuses, `returnValue` is the Windows
 * error (5 access denied, 123 invalid name, 124 unknown level, 234 more data, 2310 no such share) and `info` absent.
 */
import * as Codec from "../Codec.ts"
import type { Reader } from "../Cursor.ts"
import type { SyntaxId } from "./DceRpc.ts"
import * as Ndr from "./Ndr.ts"

/** The interface, at pipe `\PIPE\srvsvc` (MS-SRVS 1.9): version 3.0. */
export const interfaceId: SyntaxId = { uuid: "4b324fc8-1670-01d3-1278-5a47bf6ee188", version: 3 }

/** The pipe's name on share IPC$. */
export const pipeName = "srvsvc"

/** Operation numbers (MS-SRVS 3.1.4). */
export const Operation = { NetrShareEnum: 15, NetrShareGetInfo: 16 } as const

/** Types of a share (MS-SRVS 2.2.2.4): one of the first four, and flags. */
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

/** `returnValue` of success, and of an answer that `resumeHandle` goes on with. */
export const NERR_Success = 0
export const ERROR_MORE_DATA = 234

/** SHARE_INFO_1 (2.2.4.23). A name that the server left out is `undefined`. */
export interface ShareInfo1 {
  readonly netName: string | undefined
  readonly type: number
  readonly remark: string | undefined
}

/** SHARE_INFO_2 (2.2.4.24). `maxUses` 0xFFFFFFFF: no limit. */
export interface ShareInfo2 extends ShareInfo1 {
  readonly permissions: number
  readonly maxUses: number
  readonly currentUses: number
  readonly path: string | undefined
  readonly password: string | undefined
}

/** Information of one level. */
export type ShareInfo = { readonly level: 1; readonly share: ShareInfo1 } | {
  readonly level: 2
  readonly share: ShareInfo2
}

/** A list of one level. */
export type Shares =
  | { readonly level: 1; readonly shares: ReadonlyArray<ShareInfo1> }
  | { readonly level: 2; readonly shares: ReadonlyArray<ShareInfo2> }

/** NetrShareEnum's request (3.1.4.8). `preferredMaximumLength` in bytes; 0xFFFFFFFF: all. */
export interface ShareEnumRequest {
  readonly serverName: string | undefined
  readonly level: number
  readonly preferredMaximumLength: number
  readonly resumeHandle: number | undefined
}

export interface ShareEnumResponse {
  readonly level: number
  readonly info: Shares | undefined
  readonly totalEntries: number
  readonly resumeHandle: number | undefined
  readonly returnValue: number
}

/** NetrShareGetInfo's request (3.1.4.10). */
export interface ShareGetInfoRequest {
  readonly serverName: string | undefined
  readonly netName: string
  readonly level: number
}

export interface ShareGetInfoResponse {
  readonly level: number
  readonly info: ShareInfo | undefined
  readonly returnValue: number
}

// What a structure holds itself; the strings that it points to follow after all structures of an array.
interface Fixed {
  readonly numbers: ReadonlyArray<number>
}

const fixedWords = (level: 1 | 2): number => (level === 1 ? 3 : 8)

const readFixed = (r: Reader, level: 1 | 2): Fixed => ({
  numbers: Array.from({ length: fixedWords(level) }, () => Ndr.readU32(r))
})

const pointee = (
  r: Reader,
  pointer: number | undefined
): string | undefined => (pointer === 0 ? undefined : Ndr.readString(r))

const readDeferred1 = (r: Reader, { numbers }: Fixed): ShareInfo1 => ({
  netName: pointee(r, numbers[0]),
  type: numbers[1]!,
  remark: pointee(r, numbers[2])
})

const readDeferred2 = (r: Reader, fixed: Fixed): ShareInfo2 => ({
  ...readDeferred1(r, fixed),
  permissions: fixed.numbers[3]!,
  maxUses: fixed.numbers[4]!,
  currentUses: fixed.numbers[5]!,
  path: pointee(r, fixed.numbers[6]),
  password: pointee(r, fixed.numbers[7])
})

const writeFixed = (w: Ndr.StubWriter, share: ShareInfo1 | ShareInfo2): void => {
  w.pointer(share.netName !== undefined)
  w.u32(share.type)
  w.pointer(share.remark !== undefined)
  if (!("permissions" in share)) return
  w.u32(share.permissions)
  w.u32(share.maxUses)
  w.u32(share.currentUses)
  w.pointer(share.path !== undefined)
  w.pointer(share.password !== undefined)
}

const writeDeferred = (w: Ndr.StubWriter, share: ShareInfo1 | ShareInfo2): void => {
  const strings = "permissions" in share
    ? [share.netName, share.remark, share.path, share.password]
    : [share.netName, share.remark]
  for (const text of strings) if (text !== undefined) w.string(text)
}

const readUnique = (r: Reader): string | undefined => pointee(r, Ndr.readU32(r))

const writeUnique = (w: Ndr.StubWriter, value: string | undefined): void => {
  w.pointer(value !== undefined)
  if (value !== undefined) w.string(value)
}

const readUniqueU32 = (r: Reader): number | undefined => (Ndr.readU32(r) === 0 ? undefined : Ndr.readU32(r))

const writeUniqueU32 = (w: Ndr.StubWriter, value: number | undefined): void => {
  w.pointer(value !== undefined)
  if (value !== undefined) w.u32(value)
}

// A stub's alignment counts from its start, wherever it stands in a buffer.
const stub = <A>(read: (r: Reader) => A, write: (w: Ndr.StubWriter, value: A) => void): Codec.Codec<A> =>
  Codec.make(
    4,
    (r) => {
      const window = r.window(r.offset, r.remaining)
      const value = read(window)
      r.offset = window.offset
      return value
    },
    (w, value) => write(new Ndr.StubWriter(w), value)
  )

/**
 * @category codecs
 */
export const ShareEnumRequest: Codec.Codec<ShareEnumRequest> = stub<ShareEnumRequest>(
  (r) => {
    const serverName = readUnique(r)
    const level = Ndr.readU32(r)
    Ndr.readU32(r)
    // Clients send an empty container; what is in one that is not empty does not matter.
    if (Ndr.readU32(r) !== 0) {
      Ndr.readU32(r)
      if (Ndr.readU32(r) !== 0) r.fail("an empty container", r.offset - 4)
    }
    return { serverName, level, preferredMaximumLength: Ndr.readU32(r), resumeHandle: readUniqueU32(r) }
  },
  (w, value) => {
    writeUnique(w, value.serverName)
    w.u32(value.level)
    w.u32(value.level)
    w.pointer(true)
    w.u32(0)
    w.pointer(false)
    w.u32(value.preferredMaximumLength)
    writeUniqueU32(w, value.resumeHandle)
  }
)

const readShares = (r: Reader, level: 1 | 2): Shares => {
  const entriesRead = Ndr.readU32(r)
  if (Ndr.readU32(r) === 0) return { level, shares: [] }
  const at = r.offset
  const count = Ndr.readU32(r)
  if (count !== entriesRead) r.fail(`${entriesRead} entries, not ${count}`, at)
  if (count * fixedWords(level) * 4 > r.remaining) r.fail(`room for ${count} entries, not ${r.remaining} bytes`, at)
  const fixed = Array.from({ length: count }, () => readFixed(r, level))
  return level === 1
    ? { level, shares: fixed.map((one) => readDeferred1(r, one)) }
    : { level, shares: fixed.map((one) => readDeferred2(r, one)) }
}

/**
 * @category codecs
 */
export const ShareEnumResponse: Codec.Codec<ShareEnumResponse> = stub<ShareEnumResponse>(
  (r) => {
    const level = Ndr.readU32(r)
    const at = r.offset
    const arm = Ndr.readU32(r)
    if (arm !== level) r.fail(`level ${level}, not ${arm}`, at)
    const known = Ndr.readU32(r) === 0
      ? undefined
      : level === 1 || level === 2
      ? level
      : r.fail(`level 1 or 2, not ${level}`, at)
    const info = known === undefined ? undefined : readShares(r, known)
    return {
      level,
      info,
      totalEntries: Ndr.readU32(r),
      resumeHandle: readUniqueU32(r),
      returnValue: Ndr.readU32(r)
    }
  },
  (w, { info, level, resumeHandle, returnValue, totalEntries }) => {
    w.u32(level)
    w.u32(level)
    w.pointer(info !== undefined)
    if (info !== undefined) {
      w.u32(info.shares.length)
      w.pointer(info.shares.length > 0)
      if (info.shares.length > 0) {
        w.u32(info.shares.length)
        for (const share of info.shares) writeFixed(w, share)
        for (const share of info.shares) writeDeferred(w, share)
      }
    }
    w.u32(totalEntries)
    writeUniqueU32(w, resumeHandle)
    w.u32(returnValue)
  }
)

/**
 * @category codecs
 */
export const ShareGetInfoRequest: Codec.Codec<ShareGetInfoRequest> = stub<ShareGetInfoRequest>(
  (r) => ({ serverName: readUnique(r), netName: Ndr.readString(r), level: Ndr.readU32(r) }),
  (w, value) => {
    writeUnique(w, value.serverName)
    w.string(value.netName)
    w.u32(value.level)
  }
)

/**
 * @category codecs
 */
export const ShareGetInfoResponse: Codec.Codec<ShareGetInfoResponse> = stub<ShareGetInfoResponse>(
  (r: Reader) => {
    const at = r.offset
    const level = Ndr.readU32(r)
    if (Ndr.readU32(r) === 0) return { level, info: undefined, returnValue: Ndr.readU32(r) }
    if (level !== 1 && level !== 2) r.fail(`level 1 or 2, not ${level}`, at)
    const fixed = readFixed(r, level)
    const info: ShareInfo = level === 1
      ? { level, share: readDeferred1(r, fixed) }
      : { level, share: readDeferred2(r, fixed) }
    return { level, info, returnValue: Ndr.readU32(r) }
  },
  (w, { info, level, returnValue }) => {
    w.u32(level)
    w.pointer(info !== undefined)
    if (info !== undefined) {
      writeFixed(w, info.share)
      writeDeferred(w, info.share)
    }
    w.u32(returnValue)
  }
)
