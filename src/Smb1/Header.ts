/**
 * The 32-byte SMB 1 packet header (MS-CIFS 2.2.3.1), written by hand, because every packet passes here.
 */
import { Flags } from "./Message/Constants.ts"

/**
 * Bytes.
 *
 * @since 0.1.0
 */
export const size = 32

/**
 * 0xFF 'S' 'M' 'B', little-endian.
 *
 * @since 0.1.0
 */
export const protocolId = 0x424d53ff

/**
 * The offset of the 8 bytes of the signature.
 *
 * @since 0.1.0
 */
export const signatureOffset = 14

/**
 * The MID of a server's message that no request asked for: an oplock break.
 *
 * @since 0.1.0
 */
export const unsolicited = 0xffff

/**
 * The packet header as data.
 *
 * @since 0.1.0
 */
export interface Header {
  readonly command: number
  /** NTSTATUS; the server's in a response, 0 in a request. */
  readonly status: number
  readonly flags: number
  readonly flags2: number
  /** Both halves. */
  readonly pid: number
  readonly tid: number
  readonly uid: number
  readonly mid: number
}

/**
 * A view on a packet's bytes; made once for each packet.
 *
 * @since 0.1.0
 */
export const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * Reads the header at the packet's start. There must be 32 bytes; the protocol's identifier is not checked.
 *
 * @since 0.1.0
 */
export const read = (bytes: DataView): Header => ({
  command: bytes.getUint8(4),
  status: bytes.getUint32(5, true),
  flags: bytes.getUint8(9),
  flags2: bytes.getUint16(10, true),
  pid: bytes.getUint16(12, true) * 0x10000 + bytes.getUint16(26, true),
  tid: bytes.getUint16(24, true),
  uid: bytes.getUint16(28, true),
  mid: bytes.getUint16(30, true)
})

/**
 * Writes a header at the packet's start, its signature zero.
 *
 * @since 0.1.0
 */
export const write = (bytes: DataView, header: Header): void => {
  bytes.setUint32(0, protocolId, true)
  bytes.setUint8(4, header.command)
  bytes.setUint32(5, header.status, true)
  bytes.setUint8(9, header.flags)
  bytes.setUint16(10, header.flags2, true)
  bytes.setUint16(12, header.pid >>> 16, true)
  bytes.setUint32(14, 0, true)
  bytes.setUint32(18, 0, true)
  bytes.setUint16(22, 0, true)
  bytes.setUint16(24, header.tid, true)
  bytes.setUint16(26, header.pid & 0xffff, true)
  bytes.setUint16(28, header.uid, true)
  bytes.setUint16(30, header.mid, true)
}

/**
 * Whether the packet is marked as a response.
 *
 * @since 0.1.0
 */
export const isReply = (header: Header): boolean => (header.flags & Flags.SMB_FLAGS_REPLY) !== 0
