/**
 * IOCTL (MS-SMB2 2.2.31, 2.2.32): control codes for file systems, pipes and the server itself.
 *
 * The content of the buffers depends on the code: see `Fsctl`.
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileId, fromHeader } from "./Common.ts"

/**
 * The request. The offset of an empty buffer is 0.
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 57),
  reserved: Codec.reserved(Codec.u16),
  ctlCode: Codec.u32,
  fileId: FileId,
  inputOffset: Codec.offsetOf("input"),
  inputCount: Codec.lengthOf("input"),
  /** Bytes. */
  maxInputResponse: Codec.u32,
  outputOffset: Codec.offsetOf("output"),
  outputCount: Codec.lengthOf("output"),
  /** Bytes. */
  maxOutputResponse: Codec.u32,
  /** SMB2_0_IOCTL_IS_FSCTL, or 0 for an IOCTL. */
  flags: Codec.u32,
  reserved2: Codec.reserved(Codec.u32),
  input: Codec.buffer(Codec.bytes),
  output: Codec.buffer(Codec.bytes, { align: 8 })
}, { origin: fromHeader, atLeast: 57 })
export type Request = Codec.Type<typeof Request>

/**
 * The response. Both buffers have their offset even when they are empty.
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 49),
  reserved: Codec.reserved(Codec.u16),
  ctlCode: Codec.u32,
  fileId: FileId,
  inputOffset: Codec.offsetOf("input"),
  inputCount: Codec.lengthOf("input"),
  outputOffset: Codec.offsetOf("output"),
  outputCount: Codec.lengthOf("output"),
  flags: Codec.u32,
  reserved2: Codec.reserved(Codec.u32),
  input: Codec.buffer(Codec.bytes, { placed: true }),
  output: Codec.buffer(Codec.bytes, { align: 8, placed: true })
}, { origin: fromHeader })
export type Response = Codec.Type<typeof Response>
