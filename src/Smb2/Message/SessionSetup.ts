/**
 * SESSION_SETUP (MS-SMB2 2.2.5, 2.2.6) and LOGOFF (2.2.7, 2.2.8).
 *
 * The security buffer is opaque here: `src/Auth` has SPNEGO, NTLM and Kerberos. An attacker may be able to crack its
 * content offline, so code that logs a message must leave it out.
 */
import * as Codec from "../../Codec/Codec.ts"
import { fromHeader } from "./Common.ts"

/**
 * The request (MS-SMB2 2.2.5).
 *
 * @category models
 * @since 0.1.0
 */
export const Request = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 25),
  /** SMB2_SESSION_FLAG_BINDING. */
  flags: Codec.u8,
  securityMode: Codec.u8,
  capabilities: Codec.u32,
  channel: Codec.reserved(Codec.u32),
  securityBufferOffset: Codec.offsetOf("securityBuffer", Codec.u16),
  securityBufferLength: Codec.lengthOf("securityBuffer", Codec.u16),
  previousSessionId: Codec.u64,
  securityBuffer: Codec.buffer(Codec.bytes, { placed: true })
}, { origin: fromHeader, atLeast: 25 })
export type Request = Codec.Type<typeof Request>

/**
 * The response (MS-SMB2 2.2.6).
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 9),
  /** SMB2_SESSION_FLAG_IS_GUEST, _IS_NULL, _ENCRYPT_DATA. */
  sessionFlags: Codec.u16,
  securityBufferOffset: Codec.offsetOf("securityBuffer", Codec.u16),
  securityBufferLength: Codec.lengthOf("securityBuffer", Codec.u16),
  securityBuffer: Codec.buffer(Codec.bytes, { placed: true })
}, { origin: fromHeader })
export type Response = Codec.Type<typeof Response>

/**
 * LOGOFF's request (MS-SMB2 2.2.7).
 *
 * @category models
 * @since 0.1.0
 */
export const LogoffRequest = Codec.struct({
  structureSize: Codec.constant(Codec.u16, 4),
  reserved: Codec.reserved(Codec.u16)
})
export type LogoffRequest = Codec.Type<typeof LogoffRequest>

/**
 * LOGOFF's response (MS-SMB2 2.2.8).
 *
 * @category models
 * @since 0.1.0
 */
export const LogoffResponse = LogoffRequest
export type LogoffResponse = LogoffRequest
