/**
 * CANCEL (MS-SMB2 2.2.30). It has no response; the cancelled request has one.
 */
import * as Codec from "../../Codec/Codec.ts"

/**
 * The request (MS-SMB2 2.2.30). It has no response of its own.
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 4),
  reserved: Codec.reserved(Codec.u16)
})
export type Request = Codec.Type<typeof Request>
