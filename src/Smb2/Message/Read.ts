/**
 * READ (MS-SMB2 2.2.19, 2.2.20).
 *
 * `buffer` of a decoded response is a view of the packet, not a copy: it is valid as long as the packet's owner does
 * not change the packet.
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileId, fromHeader } from "./Common.ts"

/**
 * The request. Its variable part can be empty, but servers refuse a body of fewer than 49 bytes.
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 49),
  /** The data offset that the client prefers in the response: bytes from its header. */
  padding: Codec.u8,
  flags: Codec.u8,
  /** Bytes. */
  length: Codec.u32,
  /** Bytes from the file's start. */
  offset: Codec.u64,
  fileId: FileId,
  /** Bytes; if fewer can be read, the status is STATUS_END_OF_FILE. */
  minimumCount: Codec.u32,
  channel: Codec.u32,
  remainingBytes: Codec.u32,
  readChannelInfoOffset: Codec.offsetOf("readChannelInfo", Codec.u16),
  readChannelInfoLength: Codec.lengthOf("readChannelInfo", Codec.u16),
  readChannelInfo: Codec.buffer(Codec.bytes)
}, { origin: fromHeader, atLeast: 49 })
export type Request = Codec.Type<typeof Request>

/**
 * The response (MS-SMB2 2.2.20).
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 17),
  dataOffset: Codec.offsetOf("buffer", Codec.u8),
  reserved: Codec.reserved(Codec.u8),
  dataLength: Codec.lengthOf("buffer"),
  /** Bytes that a channel other than TCP carries. */
  dataRemaining: Codec.u32,
  /** SMB 3.1.1: SMB2_READFLAG_RESPONSE_*; otherwise reserved. */
  flags: Codec.u32,
  buffer: Codec.buffer(Codec.bytes, { placed: true })
}, { origin: fromHeader })
export type Response = Codec.Type<typeof Response>
