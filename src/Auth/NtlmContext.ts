/**
 * An established NTLM context, which is the same on both sides: the session key, and the signature of the one message
 * that SPNEGO protects. `NtlmClient` and `NtlmServer` make it at the end of a logon.
 */
import * as Redacted from "effect/Redacted"
import * as NtlmCrypto from "./NtlmCrypto.ts"
import { has } from "./NtlmMessage.ts"
import * as NtlmSessionSecurity from "./NtlmSessionSecurity.ts"

/**
 * An established context: it signs and checks the one message that SPNEGO protects.
 *
 * @category models
 * @since 0.1.0
 */
export interface NtlmContext {
  readonly negotiateFlags: number
  /** ExportedSessionKey, 16 bytes; `undefined` for an anonymous logon, which has no secret key. */
  readonly sessionKey: Redacted.Redacted<Uint8Array> | undefined
  /** The signature of this side's first message, if integrity was negotiated. */
  readonly sign: (message: Uint8Array) => Uint8Array | undefined
  /** Whether `signature` is the other side's signature of its first message. */
  readonly verify: (message: Uint8Array, signature: Uint8Array) => boolean
}

/**
 * The context of one side, `self`. `key` is the ExportedSessionKey: 16 bytes.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (
  negotiateFlags: number,
  key: Uint8Array,
  self: NtlmSessionSecurity.Sender,
  anonymous: boolean
): NtlmContext => {
  const secret = Redacted.make(Uint8Array.from(key), { label: "session key" })
  const signature = (sender: NtlmSessionSecurity.Sender, message: Uint8Array) =>
    NtlmSessionSecurity.firstSignature(negotiateFlags, Redacted.value(secret), sender, message)
  // With NTLMSSP_NEGOTIATE_ALWAYS_SIGN alone, SMB's messages need no signature, but clients sign their list, as with
  // NTLMSSP_NEGOTIATE_SIGN.
  const signs = !anonymous &&
    (has(negotiateFlags, "NTLMSSP_NEGOTIATE_SIGN") || has(negotiateFlags, "NTLMSSP_NEGOTIATE_ALWAYS_SIGN")) &&
    has(negotiateFlags, "NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY")
  return {
    negotiateFlags,
    sessionKey: anonymous ? undefined : secret,
    sign: (message) => signs ? signature(self, message) : undefined,
    verify: (message, found) =>
      signs && NtlmCrypto.equal(signature(self === "client" ? "server" : "client", message), found)
  }
}
