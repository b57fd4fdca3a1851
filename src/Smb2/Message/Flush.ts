/**
 * FLUSH (MS-SMB2 2.2.17, 2.2.18).
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileId } from "./Common.ts"

/**
 * The request (MS-SMB2 2.2.17).
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 24),
  reserved1: Codec.reserved(Codec.u16),
  reserved2: Codec.reserved(Codec.u32),
  fileId: FileId
})
export type Request = Codec.Type<typeof Request>

/**
 * The response (MS-SMB2 2.2.18).
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 4),
  reserved: Codec.reserved(Codec.u16)
})
export type Response = Codec.Type<typeof Response>
