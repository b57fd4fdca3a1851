/**
 * The ERROR response (MS-SMB2 2.2.2), which replaces a command's response, and its data.
 *
 * The kind of data depends on the header's status. In SMB 3.1.1 each part can be in an error context. The body has the
 * raw bytes; `errorContexts`, `SymbolicLinkErrorResponse`, `ShareRedirectErrorContextResponse` and
 * `requiredBufferLength` decode them.
 */
import * as Codec from "../../Codec/Codec.ts"
import { fromHeader } from "./Common.ts"

/**
 * The body. A single byte replaces empty `errorData`.
 *
 * @category models
 * @since 0.1.0
 */
export const ErrorResponse = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 9),
  /** SMB 3.1.1: how many contexts `errorData` holds; else 0. */
  errorContextCount: Codec.u8,
  reserved: Codec.reserved(Codec.u8),
  byteCount: Codec.lengthOf("errorData"),
  errorData: Codec.buffer(Codec.bytes)
}, { origin: fromHeader, atLeast: 9 })
export type ErrorResponse = Codec.Type<typeof ErrorResponse>

/**
 * ErrorId of an error context (2.2.2.1).
 *
 * @since 0.1.0
 */
export const ErrorId = {
  SMB2_ERROR_ID_DEFAULT: 0x0000_0000,
  SMB2_ERROR_ID_SHARE_REDIRECT: 0x7264_5253
} as const

/**
 * SMB2 ERROR Context (2.2.2.1).
 *
 * @category models
 * @since 0.1.0
 */
export const ErrorContext = Codec.struct({
  errorDataLength: Codec.lengthOf("errorContextData"),
  errorId: Codec.u32,
  errorContextData: Codec.buffer(Codec.bytes)
})
export type ErrorContext = Codec.Type<typeof ErrorContext>

/**
 * `errorData` with `errorContextCount` contexts, each aligned to 8 bytes.
 *
 * @since 0.1.0
 */
export const errorContexts = (count: number): Codec.Codec<ReadonlyArray<ErrorContext>> =>
  Codec.make<ReadonlyArray<ErrorContext>>(
    0,
    (r) => Codec.readMany(r, ErrorContext, count, 8),
    (w, values) => Codec.writeMany(w, ErrorContext, values, 8)
  )

/**
 * The data for STATUS_BUFFER_TOO_SMALL (2.2.2.2): the required length in bytes.
 *
 * @since 0.1.0
 */
export const requiredBufferLength: Codec.Codec<number> = Codec.u32

const SymbolicLinkNames = Codec.struct({
  substituteNameOffset: Codec.offsetOf("substituteName", Codec.u16),
  substituteNameLength: Codec.lengthOf("substituteName", Codec.u16),
  printNameOffset: Codec.offsetOf("printName", Codec.u16),
  printNameLength: Codec.lengthOf("printName", Codec.u16),
  /** SYMLINK_FLAG_RELATIVE is 1. */
  flags: Codec.u32,
  substituteName: Codec.buffer(Codec.utf16),
  printName: Codec.buffer(Codec.utf16)
}, { origin: 12 })

const SymbolicLink = Codec.struct({
  symLinkErrorTag: Codec.constant(Codec.u32, 0x4c4d_5953),
  reparseTag: Codec.constant(Codec.u32, 0xa000_000c),
  reparseDataLength: Codec.lengthOf("names", Codec.u16),
  /** Bytes at the end of the name in the CREATE that come after the link. */
  unparsedPathLength: Codec.u16,
  names: Codec.buffer(SymbolicLinkNames)
})

/**
 * The data for STATUS_STOPPED_ON_SYMLINK (2.2.2.2.1). `unparsedPathLength` counts the bytes at the end of the name in
 * the CREATE that come after the link; `flags` is 1 for a link relative to its own directory.
 *
 * @category models
 * @since 0.1.0
 */
export interface SymbolicLinkErrorResponse {
  readonly unparsedPathLength: number
  readonly flags: number
  readonly substituteName: string
  readonly printName: string
}

export const SymbolicLinkErrorResponse: Codec.Codec<SymbolicLinkErrorResponse> = Codec.map(
  Codec.struct({ symLinkLength: Codec.lengthOf("link"), link: Codec.buffer(SymbolicLink) }),
  ({ link }): SymbolicLinkErrorResponse => ({ unparsedPathLength: link.unparsedPathLength, ...link.names }),
  ({ unparsedPathLength, ...names }) => ({ link: { unparsedPathLength, names } })
)

/**
 * MOVE_DST_IPADDR (2.2.2.2.2.1): `type` 1 has an IPv4 address in the first four bytes, 2 an IPv6 address.
 *
 * @category models
 * @since 0.1.0
 */
export const MoveDstIpaddr = Codec.struct({
  type: Codec.u32,
  reserved: Codec.reserved(Codec.u32),
  ipAddress: Codec.fixedBytes(16)
})
export type MoveDstIpaddr = Codec.Type<typeof MoveDstIpaddr>

/**
 * The data of a context with SMB2_ERROR_ID_SHARE_REDIRECT (2.2.2.2.2). The document's versions disagree on
 * StructureSize, so any value is accepted.
 *
 * @category models
 * @since 0.1.0
 */
export const ShareRedirectErrorContextResponse = Codec.struct({
  structureSize: Codec.reserved(Codec.u32, 48),
  notificationType: Codec.constant(Codec.u32, 3),
  resourceNameOffset: Codec.offsetOf("resourceName"),
  resourceNameLength: Codec.lengthOf("resourceName"),
  flags: Codec.reserved(Codec.u16),
  targetType: Codec.reserved(Codec.u16),
  ipAddrCount: Codec.countOf("ipAddrMoveList", Codec.u32),
  ipAddrMoveList: Codec.list(MoveDstIpaddr),
  resourceName: Codec.buffer(Codec.utf16)
})
export type ShareRedirectErrorContextResponse = Codec.Type<typeof ShareRedirectErrorContextResponse>
