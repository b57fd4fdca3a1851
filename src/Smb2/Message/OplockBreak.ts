/**
 * OPLOCK_BREAK: notifications (MS-SMB2 2.2.23), acknowledgments (2.2.24) and responses (2.2.25), each of an oplock or
 * of a lease. StructureSize tells which: 24 for oplocks, 44 and 36 for leases.
 *
 * An oplock's notification and its response have the same layout: a notification has a MessageId of all ones.
 */
import * as Codec from "../../Codec/Codec.ts"
import { bytes16, FileId, peekU16 } from "./Common.ts"

const oplock = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 24),
  /** SMB2_OPLOCK_LEVEL_*. */
  oplockLevel: Codec.u8,
  reserved: Codec.reserved(Codec.u8),
  reserved2: Codec.reserved(Codec.u32),
  fileId: FileId
})

const lease = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 36),
  reserved: Codec.reserved(Codec.u16),
  flags: Codec.reserved(Codec.u32),
  leaseKey: bytes16,
  /** SMB2_LEASE_*. */
  leaseState: Codec.u32,
  leaseDuration: Codec.reserved(Codec.u64)
})

const leaseNotification = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 44),
  /** Leases V2; otherwise 0. */
  newEpoch: Codec.u16,
  /** SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED. */
  flags: Codec.u32,
  leaseKey: bytes16,
  currentLeaseState: Codec.u32,
  newLeaseState: Codec.u32,
  breakReason: Codec.reserved(Codec.u32),
  accessMaskHint: Codec.reserved(Codec.u32),
  shareMaskHint: Codec.reserved(Codec.u32)
})

/**
 * The client's acknowledgment (2.2.24.1, 2.2.24.2).
 *
 * @category models
 * @since 0.1.0
 */
export type Request =
  | { readonly _tag: "OplockBreakAcknowledgment" } & Codec.Type<typeof oplock>
  | { readonly _tag: "LeaseBreakAcknowledgment" } & Codec.Type<typeof lease>

export const Request: Codec.Codec<Request> = Codec.make<Request>(
  24,
  (r) =>
    peekU16(r, 0) === 36
      ? { _tag: "LeaseBreakAcknowledgment", ...lease.read(r) }
      : { _tag: "OplockBreakAcknowledgment", ...oplock.read(r) },
  (w, value) => value._tag === "LeaseBreakAcknowledgment" ? lease.write(w, value) : oplock.write(w, value)
)

/**
 * A server's messages: `OplockBreak` is a notification (2.2.23.1) or a response (2.2.25.1); for leases, each of the two
 * has its own layout (2.2.23.2, 2.2.25.2).
 *
 * @category models
 * @since 0.1.0
 */
export type Response =
  | { readonly _tag: "OplockBreak" } & Codec.Type<typeof oplock>
  | { readonly _tag: "LeaseBreakNotification" } & Codec.Type<typeof leaseNotification>
  | { readonly _tag: "LeaseBreakResponse" } & Codec.Type<typeof lease>

export const Response: Codec.Codec<Response> = Codec.make<Response>(
  24,
  (r) => {
    switch (peekU16(r, 0)) {
      case 44:
        return { _tag: "LeaseBreakNotification", ...leaseNotification.read(r) }
      case 36:
        return { _tag: "LeaseBreakResponse", ...lease.read(r) }
      default:
        return { _tag: "OplockBreak", ...oplock.read(r) }
    }
  },
  (w, value) => {
    switch (value._tag) {
      case "LeaseBreakNotification":
        return leaseNotification.write(w, value)
      case "LeaseBreakResponse":
        return lease.write(w, value)
      case "OplockBreak":
        return oplock.write(w, value)
    }
  }
)
