/**
 * LOCK (MS-SMB2 2.2.26, 2.2.27).
 */
import * as Codec from "../../Codec/Codec.ts"
import { FileId } from "./Common.ts"

/**
 * SMB2_LOCK_ELEMENT (2.2.26.1). `offset` and `length` are bytes, `flags` SMB2_LOCKFLAG_*.
 *
 * @category models
 * @since 0.1.0
 */
export const LockElement = Codec.struct({
  offset: Codec.u64,
  length: Codec.u64,
  flags: Codec.u32,
  reserved: Codec.reserved(Codec.u32)
})
export type LockElement = Codec.Type<typeof LockElement>

/** LockSequenceNumber (4 bits) and LockSequenceIndex (28 bits); both 0 in SMB 2.0.2. */
const LockSequence = Codec.map(
  Codec.u32,
  (value) => ({ lockSequenceNumber: value & 0xf, lockSequenceIndex: value >>> 4 }),
  (value) => ((value.lockSequenceIndex << 4) | (value.lockSequenceNumber & 0xf)) >>> 0
)

/**
 * The request (MS-SMB2 2.2.26).
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 48),
  lockCount: Codec.countOf("locks"),
  lockSequence: LockSequence,
  fileId: FileId,
  locks: Codec.list(LockElement)
})
export type Request = Codec.Type<typeof Request>

/**
 * The response (MS-SMB2 2.2.27).
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 4),
  reserved: Codec.reserved(Codec.u16)
})
export type Response = Codec.Type<typeof Response>
