/**
 * Create contexts (MS-SMB2 2.2.13.2, 2.2.14.2): what a CREATE asks or answers beyond its fixed fields.
 */
import * as Codec from "../../Codec/Codec.ts"

/** A context that this package has no definition of, kept as it came. */
export interface Unknown {
  readonly _tag: "Unknown"
  readonly name: Uint8Array
  readonly data: Uint8Array
}

/** SMB2_CREATE_CONTEXT without its Next. */
const RawContext: Codec.Codec<Unknown> = Codec.map(
  Codec.struct({
    nameOffset: Codec.offsetOf("name", Codec.u16),
    nameLength: Codec.lengthOf("name", Codec.u16),
    reserved: Codec.reserved(Codec.u16),
    dataOffset: Codec.offsetOf("data", Codec.u16),
    dataLength: Codec.lengthOf("data"),
    name: Codec.buffer(Codec.bytes),
    data: Codec.buffer(Codec.bytes, { align: 8 })
  }, { origin: -4 }),
  (value) => ({ _tag: "Unknown", ...value }),
  (value) => value
)

export const Requests = Codec.chained(RawContext)
export const Responses = Codec.chained(RawContext)
