/**
 * WRITE (MS-SMB2 2.2.21, 2.2.22).
 *
 * `buffer` of a decoded request is a view of the packet, not a copy: it is valid as long as the packet's owner does not
 * change the packet.
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileId, fromHeader } from "./Common.ts"

/**
 * The request. DataOffset is set even without data: Samba refuses a WRITE without it.
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 49),
  dataOffset: Codec.offsetOf("buffer", Codec.u16),
  length: Codec.lengthOf("buffer"),
  /** Bytes from the file's start. */
  offset: Codec.u64,
  fileId: FileId,
  channel: Codec.u32,
  remainingBytes: Codec.u32,
  writeChannelInfoOffset: Codec.offsetOf("writeChannelInfo", Codec.u16),
  writeChannelInfoLength: Codec.lengthOf("writeChannelInfo", Codec.u16),
  flags: Codec.u32,
  writeChannelInfo: Codec.buffer(Codec.bytes),
  buffer: Codec.buffer(Codec.bytes, { placed: true })
}, { origin: fromHeader, atLeast: 49 })
export type Request = Codec.Type<typeof Request>

/**
 * The response. Its last two fields are reserved.
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 17),
  reserved: Codec.reserved(Codec.u16),
  /** Bytes written. */
  count: Codec.u32,
  remaining: Codec.reserved(Codec.u32),
  writeChannelInfoOffset: Codec.reserved(Codec.u16),
  writeChannelInfoLength: Codec.reserved(Codec.u16)
})
export type Response = Codec.Type<typeof Response>
