/**
 * The 64-byte SMB 2 packet header (MS-SMB2 2.2.1), written by hand, because every packet passes here.
 *
 * MessageId is a `number`: a connection that sends a million requests a second would reach 2^53 in three centuries. The
 * one larger value with a meaning, all ones for an unsolicited OPLOCK_BREAK, reads as `unsolicited`.
 */

import { NtStatus } from "../Codec/NtStatus.ts"
import { HeaderFlags } from "./Message/Constants.ts"

/**
 * Bytes.
 *
 * @since 0.1.0
 */
export const size = 64

/**
 * 0xFE 'S' 'M' 'B', little-endian.
 *
 * @since 0.1.0
 */
export const protocolId = 0x424d53fe

/**
 * The MessageId of messages that no request asked for: 0xFFFFFFFFFFFFFFFF on the wire.
 *
 * @since 0.1.0
 */
export const unsolicited = -1

/**
 * The packet header as data, synchronous and asynchronous in one (MS-SMB2 2.2.1.1, 2.2.1.2).
 *
 * @since 0.1.0
 */
export interface Header {
  readonly creditCharge: number
  /** NTSTATUS in a response; ChannelSequence in a request. */
  readonly status: number
  readonly command: number
  /** CreditRequest in a request, CreditResponse in a response. */
  readonly credits: number
  readonly flags: number
  readonly nextCommand: number
  readonly messageId: number
  /** 0 if the packet is not asynchronous. */
  readonly asyncId: bigint
  /** 0 if the packet is asynchronous. */
  readonly treeId: number
  readonly sessionId: bigint
}

/**
 * A view on a packet's bytes; made once for each packet.
 *
 * @since 0.1.0
 */
export const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * Reads the header at `at`. There must be 64 bytes; whether they begin with the protocol's identifier is not checked.
 *
 * @since 0.1.0
 */
export const read = (bytes: DataView, at = 0): Header => {
  const headerFlags = bytes.getUint32(at + 16, true)
  const isAsync = (headerFlags & HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND) !== 0
  const high = bytes.getUint32(at + 28, true)
  return {
    creditCharge: bytes.getUint16(at + 6, true),
    status: bytes.getUint32(at + 8, true),
    command: bytes.getUint16(at + 12, true),
    credits: bytes.getUint16(at + 14, true),
    flags: headerFlags,
    nextCommand: bytes.getUint32(at + 20, true),
    messageId: high === 0xffffffff ? unsolicited : bytes.getUint32(at + 24, true) + high * 0x100000000,
    asyncId: isAsync ? bytes.getBigUint64(at + 32, true) : 0n,
    treeId: isAsync ? 0 : bytes.getUint32(at + 36, true),
    sessionId: bytes.getBigUint64(at + 40, true)
  }
}

/**
 * Writes a header at `at`, its signature zero.
 *
 * @since 0.1.0
 */
export const write = (bytes: DataView, at: number, header: Header): void => {
  bytes.setUint32(at, protocolId, true)
  bytes.setUint16(at + 4, size, true)
  bytes.setUint16(at + 6, header.creditCharge, true)
  bytes.setUint32(at + 8, header.status, true)
  bytes.setUint16(at + 12, header.command, true)
  bytes.setUint16(at + 14, header.credits, true)
  bytes.setUint32(at + 16, header.flags, true)
  bytes.setUint32(at + 20, header.nextCommand, true)
  bytes.setUint32(at + 24, header.messageId >>> 0, true)
  bytes.setUint32(at + 28, Math.floor(header.messageId / 0x100000000), true)
  if ((header.flags & HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND) !== 0) {
    bytes.setBigUint64(at + 32, header.asyncId, true)
  } else {
    // Reserved. Windows' clients write 0xFEFF in requests; the document says zero.
    bytes.setUint32(at + 32, 0, true)
    bytes.setUint32(at + 36, header.treeId, true)
  }
  bytes.setBigUint64(at + 40, header.sessionId, true)
  bytes.setBigUint64(at + 48, 0n, true)
  bytes.setBigUint64(at + 56, 0n, true)
}

/**
 * The offset of the 16 bytes of the signature.
 *
 * @since 0.1.0
 */
export const signatureOffset = 48

/**
 * An interim response: the final one comes later, under an AsyncId (MS-SMB2 3.2.5.1.5).
 *
 * @since 0.1.0
 */
export const isInterim = (header: Header): boolean =>
  header.status === NtStatus.STATUS_PENDING && (header.flags & HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND) !== 0
