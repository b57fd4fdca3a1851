/**
 * ECHO (MS-SMB2 2.2.28, 2.2.29).
 */
import * as Codec from "../../Codec/Codec.ts"

/**
 * The request (MS-SMB2 2.2.28).
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 4),
  reserved: Codec.reserved(Codec.u16)
})
export type Request = Codec.Type<typeof Request>

/**
 * The response (MS-SMB2 2.2.29).
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Request
export type Response = Request
