/**
 * TREE_CONNECT (MS-SMB2 2.2.9, 2.2.10) with its extension of SMB 3.1.1, and TREE_DISCONNECT (2.2.11, 2.2.12).
 */
import * as Codec from "../../Codec/Codec.ts"
import { choose, fromHeader, peekU16, typedContext } from "./Common.ts"
import { TreeConnectFlags } from "./Constants.ts"

/**
 * SMB2_TREE_CONNECT_CONTEXT (2.2.9.2). The parts of a remoted identity (2.2.9.2.1) stay together in `ticketInfo`; the
 * fields named like a part give its offset in bytes from the ticket's start.
 *
 * @category models
 * @since 0.1.0
 */
export const TreeConnectContext = typedContext({
  RemotedIdentityTreeConnectContext: {
    type: 0x0001,
    data: Codec.struct({
      ticketType: Codec.u16,
      ticketSize: Codec.u16,
      user: Codec.u16,
      userName: Codec.u16,
      domain: Codec.u16,
      groups: Codec.u16,
      restrictedGroups: Codec.u16,
      privileges: Codec.u16,
      primaryGroup: Codec.u16,
      owner: Codec.u16,
      defaultDacl: Codec.u16,
      deviceGroups: Codec.u16,
      userClaims: Codec.u16,
      deviceClaims: Codec.u16,
      ticketInfo: Codec.bytes
    })
  }
})
export type TreeConnectContext = Codec.Type<typeof TreeConnectContext>

/**
 * The request. `treeConnectContexts` are sent only if `flags` has SMB2_TREE_CONNECT_FLAG_EXTENSION_PRESENT.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly flags: number
  /** `\\server\share`. */
  readonly path: string
  readonly treeConnectContexts: ReadonlyArray<TreeConnectContext>
}

const start = {
  structureSize: Codec.constant(Codec.u16, 9),
  flags: Codec.u16,
  pathOffset: Codec.offsetOf("path", Codec.u16),
  pathLength: Codec.lengthOf("path", Codec.u16)
}

const plain: Codec.Codec<Request> = Codec.map(
  Codec.struct({ ...start, path: Codec.buffer(Codec.utf16, { placed: true }) }, { origin: fromHeader, atLeast: 9 }),
  (value): Request => ({ ...value, treeConnectContexts: [] }),
  (value) => value
)

/** TreeConnectContextOffset alone counts from the request's start, not from its header. */
const fromRequest: Codec.Codec<number> = Codec.map(
  Codec.u32,
  (offset) => (offset === 0 ? 0 : offset - fromHeader),
  (offset) => (offset === 0 ? 0 : offset + fromHeader)
)

const extended: Codec.Codec<Request> = Codec.struct({
  ...start,
  treeConnectContextOffset: Codec.offsetOf("treeConnectContexts", fromRequest),
  treeConnectContextCount: Codec.countOf("treeConnectContexts"),
  reserved: Codec.reservedBytes(10),
  path: Codec.buffer(Codec.utf16, { placed: true }),
  treeConnectContexts: Codec.list(TreeConnectContext, { align: 8 })
}, { origin: fromHeader })

export const Request: Codec.Codec<Request> = choose(
  8,
  (r) => (peekU16(r, 2) & TreeConnectFlags.SMB2_TREE_CONNECT_FLAG_EXTENSION_PRESENT) !== 0 ? extended : plain,
  (value) => (value.flags & TreeConnectFlags.SMB2_TREE_CONNECT_FLAG_EXTENSION_PRESENT) !== 0 ? extended : plain
)

/**
 * The response (MS-SMB2 2.2.10).
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 16),
  shareType: Codec.u8,
  reserved: Codec.reserved(Codec.u8),
  shareFlags: Codec.u32,
  /** SMB2_SHARE_CAP_*. */
  capabilities: Codec.u32,
  maximalAccess: Codec.u32
})
export type Response = Codec.Type<typeof Response>

/**
 * TREE_DISCONNECT's request (MS-SMB2 2.2.11).
 *
 * @category models
 * @since 0.1.0
 */
export const DisconnectRequest = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 4),
  reserved: Codec.reserved(Codec.u16)
})
export type DisconnectRequest = Codec.Type<typeof DisconnectRequest>

/**
 * TREE_DISCONNECT's response (MS-SMB2 2.2.12).
 *
 * @category models
 * @since 0.1.0
 */
export const DisconnectResponse = DisconnectRequest
export type DisconnectResponse = DisconnectRequest
