/**
 * Connection-oriented DCE/RPC (C706 chapter 12, MS-RPCE 2.2.2) as it runs over a named pipe: PDUs, one codec for all.
 *
 * Pure: bytes in, bytes out. Little-endian only, and without the security trailer: over SMB the session already
 * identifies the caller. The interface's module defines the content of a stub (`Srvsvc.ts`). Stubs from `Pdu` are views
 * of the buffer that was read; those of `collect` are new buffers.
 */
import * as Result from "effect/Result"
import * as Codec from "../Codec.ts"
import type { Reader, Writer } from "../Cursor.ts"
import { Guid } from "../Guid.ts"
import { Malformed } from "../Malformed.ts"

/**
 * PTYPE (C706 12.6.4).
 *
 * @since 0.1.0
 */
export const PacketType = {
  REQUEST: 0,
  RESPONSE: 2,
  FAULT: 3,
  BIND: 11,
  BIND_ACK: 12,
  BIND_NAK: 13,
  ALTER_CONTEXT: 14,
  ALTER_CONTEXT_RESP: 15
} as const

/**
 * pfc_flags (C706 12.6.3.1).
 *
 * @since 0.1.0
 */
export const PacketFlags = {
  PFC_FIRST_FRAG: 0x01,
  PFC_LAST_FRAG: 0x02,
  PFC_PENDING_CANCEL: 0x04,
  PFC_CONC_MPX: 0x10,
  PFC_DID_NOT_EXECUTE: 0x20,
  PFC_MAYBE: 0x40,
  PFC_OBJECT_UUID: 0x80
} as const

/**
 * Fault statuses in servers' responses (C706 appendix E, MS-RPCE 2.2.2.11).
 *
 * @since 0.1.0
 */
export const FaultStatus = {
  nca_s_fault_access_denied: 0x00000005,
  nca_s_fault_ndr: 0x000006f7,
  nca_op_rng_error: 0x1c010002,
  nca_unk_if: 0x1c010003,
  nca_proto_error: 0x1c01000b,
  nca_server_too_busy: 0x1c010014,
  nca_s_fault_context_mismatch: 0x1c00001a
} as const

/**
 * An interface or a transfer syntax, and its version: the major number in the low 16 bits, the minor one above.
 *
 * @since 0.1.0
 */
export const SyntaxId = Codec.struct({ uuid: Guid, version: Codec.u32 })
export type SyntaxId = Codec.Type<typeof SyntaxId>

/**
 * NDR with 32-bit pointers: the transfer syntax that every peer supports.
 *
 * @since 0.1.0
 */
export const ndr32: SyntaxId = { uuid: "8a885d04-1ceb-11c9-9fe8-08002b104860", version: 2 }

/** p_cont_elem_t: one interface that the client wants to call. */
const ContextElement = Codec.struct({
  contextId: Codec.u16,
  transferSyntaxCount: Codec.countOf("transferSyntaxes", Codec.u8),
  reserved: Codec.reserved(Codec.u8),
  abstractSyntax: SyntaxId,
  transferSyntaxes: Codec.list(SyntaxId)
})
export type ContextElement = Codec.Type<typeof ContextElement>

/** p_result_t: `result` 0 accepts; 1, 2 refuse, with a `reason`; 3 negotiates a feature (MS-RPCE 2.2.2.4). */
const ContextResult = Codec.struct({ result: Codec.u16, reason: Codec.u16, transferSyntax: SyntaxId })
export type ContextResult = Codec.Type<typeof ContextResult>

const Bind = Codec.struct({
  maxTransmitFragment: Codec.u16,
  maxReceiveFragment: Codec.u16,
  associationGroupId: Codec.u32,
  contextCount: Codec.countOf("contexts", Codec.u8),
  reserved: Codec.reserved(Codec.u8),
  reserved2: Codec.reserved(Codec.u16),
  contexts: Codec.list(ContextElement)
})

const ContextResults = Codec.struct({
  resultCount: Codec.countOf("results", Codec.u8),
  reserved: Codec.reserved(Codec.u8),
  reserved2: Codec.reserved(Codec.u16),
  results: Codec.list(ContextResult)
})

/**
 * Bytes of the common header.
 *
 * @since 0.1.0
 */
export const headerLength = 16

interface Common {
  readonly flags: number
  readonly callId: number
}

/**
 * Bind and alter context: the fragment sizes are the most bytes that this side sends and accepts.
 *
 * @since 0.1.0
 */
export interface BindPdu extends Common, Codec.Type<typeof Bind> {
  readonly _tag: "Bind" | "AlterContext"
}

/**
 * The response to them. `secondaryAddress` is the pipe's name, such as `\PIPE\srvsvc`, without its NUL.
 *
 * @since 0.1.0
 */
export interface BindAckPdu extends Common {
  readonly _tag: "BindAck" | "AlterContextResponse"
  readonly maxTransmitFragment: number
  readonly maxReceiveFragment: number
  readonly associationGroupId: number
  readonly secondaryAddress: string
  readonly results: ReadonlyArray<ContextResult>
}

/**
 * A binding is refused (C706 12.6.4.5).
 *
 * @since 0.1.0
 */
export interface BindNakPdu extends Common {
  readonly _tag: "BindNak"
  readonly rejectReason: number
}

/**
 * A call (C706 12.6.4.9).
 *
 * @since 0.1.0
 */
export interface RequestPdu extends Common {
  readonly _tag: "Request"
  readonly allocationHint: number
  readonly contextId: number
  readonly operation: number
  readonly object: Guid | undefined
  readonly stub: Uint8Array
}

/**
 * The result of a call (C706 12.6.4.10).
 *
 * @since 0.1.0
 */
export interface ResponsePdu extends Common {
  readonly _tag: "Response"
  readonly allocationHint: number
  readonly contextId: number
  readonly cancelCount: number
  readonly stub: Uint8Array
}

/**
 * A call has failed (C706 12.6.4.7).
 *
 * @since 0.1.0
 */
export interface FaultPdu extends Common {
  readonly _tag: "Fault"
  readonly allocationHint: number
  readonly contextId: number
  readonly cancelCount: number
  readonly status: number
}

/**
 * @category models
 * @since 0.1.0
 */
export type Pdu = BindPdu | BindAckPdu | BindNakPdu | RequestPdu | ResponsePdu | FaultPdu

const types: { readonly [T in Pdu["_tag"]]: number } = {
  Request: PacketType.REQUEST,
  Response: PacketType.RESPONSE,
  Fault: PacketType.FAULT,
  Bind: PacketType.BIND,
  BindAck: PacketType.BIND_ACK,
  BindNak: PacketType.BIND_NAK,
  AlterContext: PacketType.ALTER_CONTEXT,
  AlterContextResponse: PacketType.ALTER_CONTEXT_RESP
}

const readBindAck = (r: Reader, start: number): Omit<BindAckPdu, "_tag" | keyof Common> => {
  const [maxTransmitFragment, maxReceiveFragment, associationGroupId] = [r.u16(), r.u16(), r.u32()]
  const address = r.take(r.u16())
  const text = Buffer.from(address.buffer, address.byteOffset, address.byteLength).toString("latin1")
  const over = (r.offset - start) % 4
  if (over !== 0) r.claim(4 - over)
  const { results } = ContextResults.read(r)
  return {
    maxTransmitFragment,
    maxReceiveFragment,
    associationGroupId,
    secondaryAddress: text.replace(/\0+$/, ""),
    results
  }
}

const readBody = (r: Reader, start: number, type: number, flags: number, callId: number): Pdu => {
  const common = { flags, callId }
  switch (type) {
    case PacketType.BIND:
      return { _tag: "Bind", ...common, ...Bind.read(r) }
    case PacketType.ALTER_CONTEXT:
      return { _tag: "AlterContext", ...common, ...Bind.read(r) }
    case PacketType.BIND_ACK:
      return { _tag: "BindAck", ...common, ...readBindAck(r, start) }
    case PacketType.ALTER_CONTEXT_RESP:
      return { _tag: "AlterContextResponse", ...common, ...readBindAck(r, start) }
    case PacketType.BIND_NAK:
      return { _tag: "BindNak", ...common, rejectReason: r.u16() }
    case PacketType.REQUEST: {
      const [allocationHint, contextId, operation] = [r.u32(), r.u16(), r.u16()]
      const object = (flags & PacketFlags.PFC_OBJECT_UUID) === 0 ? undefined : Guid.read(r)
      return { _tag: "Request", ...common, allocationHint, contextId, operation, object, stub: r.rest() }
    }
    case PacketType.RESPONSE: {
      const [allocationHint, contextId, cancelCount] = [r.u32(), r.u16(), r.u8()]
      r.u8()
      return { _tag: "Response", ...common, allocationHint, contextId, cancelCount, stub: r.rest() }
    }
    case PacketType.FAULT: {
      const [allocationHint, contextId, cancelCount] = [r.u32(), r.u16(), r.u8()]
      r.u8()
      return { _tag: "Fault", ...common, allocationHint, contextId, cancelCount, status: r.u32() }
    }
    default:
      return r.fail(`a PTYPE that is known, not ${type}`, start + 2)
  }
}

const writeBody = (w: Writer, start: number, pdu: Pdu): void => {
  switch (pdu._tag) {
    case "Bind":
    case "AlterContext":
      return Bind.write(w, pdu)
    case "BindAck":
    case "AlterContextResponse": {
      // The response to an alter context has an empty address, without even a NUL (C706 12.6.4.2).
      const address = pdu.secondaryAddress === "" ? "" : `${pdu.secondaryAddress}\0`
      w.u16(pdu.maxTransmitFragment)
      w.u16(pdu.maxReceiveFragment)
      w.u32(pdu.associationGroupId)
      w.u16(address.length)
      w.put(Buffer.from(address, "latin1"))
      w.align(4, start)
      return ContextResults.write(w, pdu)
    }
    case "BindNak":
      w.u16(pdu.rejectReason)
      // One protocol version that is supported: 5.0.
      return w.put(Uint8Array.of(1, 5, 0))
    case "Request":
      w.u32(pdu.allocationHint)
      w.u16(pdu.contextId)
      w.u16(pdu.operation)
      if (pdu.object !== undefined) Guid.write(w, pdu.object)
      return w.put(pdu.stub)
    case "Response":
      w.u32(pdu.allocationHint)
      w.u16(pdu.contextId)
      w.u8(pdu.cancelCount)
      w.u8(0)
      return w.put(pdu.stub)
    case "Fault":
      w.u32(pdu.allocationHint)
      w.u16(pdu.contextId)
      w.u8(pdu.cancelCount)
      w.u8(0)
      w.u32(pdu.status)
      return w.u32(0)
  }
}

/**
 * One PDU, with the length in its header.
 *
 * @category codecs
 * @since 0.1.0
 */
export const Pdu: Codec.Codec<Pdu> = Codec.make<Pdu>(
  headerLength,
  (r) => {
    const start = r.offset
    const version = r.u8()
    if (version !== 5) r.fail(`rpc_vers 5, not ${version}`, start)
    r.u8()
    const type = r.u8()
    const flags = r.u8()
    const representation = r.u8()
    if (representation >>> 4 !== 1) r.fail("little-endian integers", start + 4)
    r.claim(3)
    const length = r.u16()
    const authLength = r.u16()
    if (authLength !== 0) r.fail("a PDU without a security trailer", start + 10)
    const callId = r.u32()
    if (length < headerLength) r.fail(`frag_length of at least 16, not ${length}`, start + 8)
    const body = r.window(r.offset, length - headerLength, "a fragment inside the buffer")
    r.offset = body.end
    return readBody(body, start, type, flags, callId)
  },
  (w, pdu) => {
    const start = w.offset
    const object = pdu._tag === "Request" && pdu.object !== undefined ? PacketFlags.PFC_OBJECT_UUID : 0
    w.u8(5)
    w.u8(0)
    w.u8(types[pdu._tag])
    w.u8(pdu.flags | object)
    w.u32(0x10)
    w.u16(0)
    w.u16(0)
    w.u32(pdu.callId)
    writeBody(w, start, pdu)
    const length = w.offset - start
    if (length > 0xffff) throw new RangeError(`a fragment has at most 65535 bytes, not ${length}`)
    w.patch(start + 8, (patch) => patch.u16(length))
  }
)

/**
 * How many bytes the PDU at the start of `bytes` has by its header; `undefined` if there are too few bytes to tell. The
 * data of a pipe can end anywhere in a PDU.
 *
 * @category framing
 * @since 0.1.0
 */
export const frameLength = (bytes: Uint8Array): number | undefined =>
  bytes.length < 10 ? undefined : Math.max(bytes[8]! | (bytes[9]! << 8), headerLength)

/**
 * Cuts a stub into the PDUs of one call, none longer than `maxFragment` bytes.
 *
 * @category fragments
 * @since 0.1.0
 */
export const fragments = (
  call: Omit<RequestPdu, "flags" | "allocationHint"> | Omit<ResponsePdu, "flags" | "allocationHint">,
  maxFragment: number
): ReadonlyArray<RequestPdu | ResponsePdu> => {
  const overhead = headerLength + 8 + (call._tag === "Request" && call.object !== undefined ? 16 : 0)
  // The stub data of all fragments but the last is in multiples of 8: MS-RPCE 2.2.2.6 demands it of signed ones.
  const room = Math.max((maxFragment - overhead) & ~7, 8)
  const pdus: Array<RequestPdu | ResponsePdu> = []
  let at = 0
  do {
    const stub = call.stub.subarray(at, at + room)
    const allocationHint = call.stub.length - at
    const flags = (at === 0 ? PacketFlags.PFC_FIRST_FRAG : 0) |
      (at + room >= call.stub.length ? PacketFlags.PFC_LAST_FRAG : 0)
    pdus.push({ ...call, stub, allocationHint, flags })
    at += room
  } while (at < call.stub.length)
  return pdus
}

/**
 * A call whose fragments are still coming.
 *
 * @since 0.1.0
 */
export interface Collected {
  readonly first: RequestPdu | ResponsePdu
  /** The parts from the last to the first: a list, so that many small parts cost no more than few large ones. */
  readonly parts: Part
  /** Bytes of all parts. */
  readonly length: number
}

interface Part {
  readonly stub: Uint8Array
  readonly before: Part | undefined
}

/**
 * Adds a fragment to those of its call, `undefined` before the first. The parts are views of the bytes that were read
 * until the call is complete: their buffers must not change. With the last fragment the call is `complete`: its first
 * PDU, with the whole stub. Fails with `Malformed` for a fragment out of order or of another call, and for more than
 * `limit` bytes in total.
 *
 * @category fragments
 * @since 0.1.0
 */
export const collect = (
  so: Collected | undefined,
  pdu: RequestPdu | ResponsePdu,
  limit: number
): Result.Result<
  { readonly state: Collected | undefined; readonly complete: RequestPdu | ResponsePdu | undefined },
  Malformed
> => {
  const malformed = (offset: number, expected: string) =>
    Result.fail(new Malformed({ structure: `DCE/RPC ${pdu._tag}`, offset, expected }))
  const first = so?.first ?? pdu
  const opens = (pdu.flags & PacketFlags.PFC_FIRST_FRAG) !== 0
  if (opens !== (so === undefined)) return malformed(3, opens ? "a fragment that goes on" : "a first fragment")
  if (pdu._tag !== first._tag || pdu.callId !== first.callId) {
    return malformed(12, `call ${first.callId}, not ${pdu.callId}`)
  }
  const last = (pdu.flags & PacketFlags.PFC_LAST_FRAG) !== 0
  // Fragments without data would not count towards the limit, and could go on forever.
  if (!last && pdu.stub.length === 0) return malformed(8, "a fragment with data")
  const length = (so?.length ?? 0) + pdu.stub.length
  if (length > limit) return malformed(8, `at most ${limit} bytes in one call`)
  const parts: Part = { stub: pdu.stub, before: so?.parts }
  if (!last) return Result.succeed({ state: { first, parts, length }, complete: undefined })
  const stub = new Uint8Array(length)
  let end = length
  for (let part: Part | undefined = parts; part !== undefined; part = part.before) {
    end -= part.stub.length
    stub.set(part.stub, end)
  }
  const flags = first.flags | PacketFlags.PFC_LAST_FRAG
  return Result.succeed({ state: undefined, complete: { ...first, flags, stub } })
}
