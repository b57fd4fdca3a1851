/**
 * The workstation service's call about the properties of a machine (MS-WKST 3.2.4.1): NetrWkstaGetInfo.
 *
 * Requests and responses are stubs for `DceRpc.ts`, both ways. If the server refuses, `returnValue` is the Windows
 * error (5 access denied, 124 unknown level) and the value is absent.
 */
import type * as Codec from "../Codec.ts"
import type { SyntaxId } from "./DceRpc.ts"
import * as Ndr from "./Ndr.ts"

/**
 * The interface, at pipe `\PIPE\wkssvc` (MS-WKST 1.9): version 1.0.
 *
 * @since 0.1.0
 */
export const interfaceId: SyntaxId = { uuid: "6bffd098-a112-3610-9833-46c3f87e345a", version: 1 }

/**
 * The pipe's name on share IPC$.
 *
 * @since 0.1.0
 */
export const pipeName = "wkssvc"

/**
 * Operation numbers (MS-WKST 3.2.4).
 *
 * @since 0.1.0
 */
export const Operation = { NetrWkstaGetInfo: 0 } as const

const text = Ndr.pointer(Ndr.string)

const info100 = {
  platformId: Ndr.u32,
  computerName: text,
  lanGroup: text,
  versionMajor: Ndr.u32,
  versionMinor: Ndr.u32
}

const WkstaInfo = Ndr.union(Ndr.u32, {
  /** WKSTA_INFO_100 (2.2.5.1): `lanGroup` is the domain or workgroup. */
  100: Ndr.pointer(Ndr.struct(info100)),
  /** WKSTA_INFO_101 (2.2.5.2). */
  101: Ndr.pointer(Ndr.struct({ ...info100, lanRoot: text })),
  /** WKSTA_INFO_102 (2.2.5.3). */
  102: Ndr.pointer(Ndr.struct({ ...info100, lanRoot: text, loggedOnUsers: Ndr.u32 }))
  // Further levels of WKSTA_INFO (2.2.4.1).
}, new Set([502, 1013, 1018, 1046]))
export type WkstaInfo = Ndr.Value<typeof WkstaInfo>

/**
 * @category codecs
 * @since 0.1.0
 */
export const WkstaGetInfoRequest = Ndr.parameters({ serverName: text, level: Ndr.u32 })
export type WkstaGetInfoRequest = Codec.Type<typeof WkstaGetInfoRequest>

/**
 * @category codecs
 * @since 0.1.0
 */
export const WkstaGetInfoResponse = Ndr.parameters({ info: WkstaInfo, returnValue: Ndr.u32 })
export type WkstaGetInfoResponse = Codec.Type<typeof WkstaGetInfoResponse>
