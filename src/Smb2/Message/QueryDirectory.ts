/**
 * QUERY_DIRECTORY (MS-SMB2 2.2.33, 2.2.34).
 *
 * The entries in the response's buffer are file information classes (MS-FSCC 2.4), see `src/Codec`.
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileId, fromHeader, outputBuffer } from "./Common.ts"

/**
 * The request (MS-SMB2 2.2.33). `outputBufferLength` in bytes.
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 33),
  fileInformationClass: Codec.u8,
  flags: Codec.u8,
  fileIndex: Codec.u32,
  fileId: FileId,
  fileNameOffset: Codec.offsetOf("fileName", Codec.u16),
  fileNameLength: Codec.lengthOf("fileName", Codec.u16),
  /** Bytes. */
  outputBufferLength: Codec.u32,
  /** The search pattern. */
  fileName: Codec.buffer(Codec.utf16, { placed: true })
}, { origin: fromHeader, atLeast: 33 })
export type Request = Codec.Type<typeof Request>

/**
 * The response (MS-SMB2 2.2.34); the buffer is a list of the requested class.
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct(outputBuffer, { origin: fromHeader })
export type Response = Codec.Type<typeof Response>
