/**
 * CHANGE_NOTIFY (MS-SMB2 2.2.35, 2.2.36), and the list of changes in its response (MS-FSCC 2.7.1).
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileId, fromHeader, outputBuffer } from "./Common.ts"

/**
 * The request (MS-SMB2 2.2.35). `outputBufferLength` in bytes.
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 32),
  /** SMB2_WATCH_TREE. */
  flags: Codec.u16,
  /** Bytes. */
  outputBufferLength: Codec.u32,
  fileId: FileId,
  /** FILE_NOTIFY_CHANGE_*. */
  completionFilter: Codec.u32,
  reserved: Codec.reserved(Codec.u32)
})
export type Request = Codec.Type<typeof Request>

/**
 * The response. An empty buffer with STATUS_NOTIFY_ENUM_DIR says that there were more changes than it holds. It has its
 * offset nevertheless, as from Windows.
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct(outputBuffer, { origin: fromHeader, atLeast: 9 })
export type Response = Codec.Type<typeof Response>

export { FileNotifyInformation, FileNotifyInformations } from "../../Codec/NotifyInformation.ts"
