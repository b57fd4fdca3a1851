/**
 * SET_INFO (MS-SMB2 2.2.39, 2.2.40).
 *
 * The content of the buffer depends on the type and class, which MS-FSCC and MS-DTYP define.
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileId, fromHeader } from "./Common.ts"

/**
 * The request (MS-SMB2 2.2.39).
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 33),
  /** SMB2_0_INFO_*. */
  infoType: Codec.u8,
  fileInfoClass: Codec.u8,
  bufferLength: Codec.lengthOf("buffer"),
  bufferOffset: Codec.offsetOf("buffer", Codec.u16),
  reserved: Codec.reserved(Codec.u16),
  /** *_SECURITY_INFORMATION for SMB2_0_INFO_SECURITY. */
  additionalInformation: Codec.u32,
  fileId: FileId,
  buffer: Codec.buffer(Codec.bytes, { placed: true })
}, { origin: fromHeader, atLeast: 33 })
export type Request = Codec.Type<typeof Request>

/**
 * The response (MS-SMB2 2.2.40).
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct({ structureSize: Codec.constant(Codec.u16, 2) })
export type Response = Codec.Type<typeof Response>
