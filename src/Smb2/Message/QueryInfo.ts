/**
 * QUERY_INFO (MS-SMB2 2.2.37, 2.2.38).
 *
 * The content of the buffers depends on the type and class, which MS-FSCC and MS-DTYP define.
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileId, fromHeader, outputBuffer } from "./Common.ts"

/**
 * The request (MS-SMB2 2.2.37). `outputBufferLength` in bytes.
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 41),
  /** SMB2_0_INFO_*. */
  infoType: Codec.u8,
  fileInfoClass: Codec.u8,
  /** Bytes. */
  outputBufferLength: Codec.u32,
  inputBufferOffset: Codec.offsetOf("inputBuffer", Codec.u16),
  reserved: Codec.reserved(Codec.u16),
  inputBufferLength: Codec.lengthOf("inputBuffer"),
  /** *_SECURITY_INFORMATION for SMB2_0_INFO_SECURITY. */
  additionalInformation: Codec.u32,
  flags: Codec.u32,
  fileId: FileId,
  inputBuffer: Codec.buffer(Codec.bytes)
}, { origin: fromHeader, atLeast: 41 })
export type Request = Codec.Type<typeof Request>

/**
 * The response. With STATUS_BUFFER_OVERFLOW the buffer holds the part that fitted.
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct(outputBuffer, { origin: fromHeader })
export type Response = Codec.Type<typeof Response>

/**
 * SMB2_QUERY_QUOTA_INFO (2.2.37.1): the request's buffer for SMB2_0_INFO_QUOTA. `sidList` holds
 * FILE_GET_QUOTA_INFORMATION entries; if it is empty, `startSid` can hold a SID to start after.
 *
 * @category models
 * @since 0.1.0
 */
export const QueryQuotaInfo = Codec.struct({
  returnSingle: Codec.boolean8,
  restartScan: Codec.boolean8,
  reserved: Codec.reserved(Codec.u16),
  sidListLength: Codec.lengthOf("sidList"),
  startSidLength: Codec.lengthOf("startSid"),
  startSidOffset: Codec.offsetOf("startSid"),
  sidList: Codec.buffer(Codec.bytes),
  startSid: Codec.buffer(Codec.bytes)
}, { origin: 16 })
export type QueryQuotaInfo = Codec.Type<typeof QueryQuotaInfo>
