/**
 * The ERROR response (MS-SMB2 2.2.2), which takes a command's response's place, and what its data says.
 *
 * What the data is depends on the header's status, and from SMB 3.1.1 on each piece stands in an error context. The
 * body here has it raw; `data` and `contexts` decode it.
 */
import * as Codec from "../../Codec/Codec.ts"
import { fromHeader } from "./Common.ts"

/**
 * The body. ByteCount says how long `errorData` is, and a single byte stands there where it is empty.
 *
 * @category models
 */
export const ErrorResponse = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 9),
  /** SMB 3.1.1: how many contexts `errorData` holds; else 0. */
  errorContextCount: Codec.u8,
  reserved: Codec.reserved(Codec.u8),
  byteCount: Codec.lengthOf("errorData"),
  errorData: Codec.buffer(Codec.bytes)
}, { origin: fromHeader, atLeast: 9 })
export type ErrorResponse = Codec.Type<typeof ErrorResponse>
