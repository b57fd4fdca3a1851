/**
 * CLOSE (MS-SMB2 2.2.15, 2.2.16).
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileId } from "./Common.ts"

/**
 * The request (MS-SMB2 2.2.15).
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 24),
  /** SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB. */
  flags: Codec.u16,
  reserved: Codec.reserved(Codec.u32),
  fileId: FileId
})
export type Request = Codec.Type<typeof Request>

/**
 * The response. Times (100 ns ticks since 1601), sizes (bytes) and attributes are all 0 unless `flags` has
 * SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB.
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 60),
  flags: Codec.u16,
  reserved: Codec.reserved(Codec.u32),
  creationTime: Codec.u64,
  lastAccessTime: Codec.u64,
  lastWriteTime: Codec.u64,
  changeTime: Codec.u64,
  allocationSize: Codec.u64,
  endOfFile: Codec.u64,
  fileAttributes: Codec.u32
})
export type Response = Codec.Type<typeof Response>
