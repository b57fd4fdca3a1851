/**
 * The errors of NTLM's two sides.
 */
import type { Malformed } from "../../Codec/Malformed.ts"
import { AuthenticationError, type AuthenticationReason } from "../AuthenticationError.ts"

/** An `AuthenticationError` of NTLM. */
export const failure = (reason: AuthenticationReason["_tag"], detail: string): AuthenticationError =>
  new AuthenticationError({ reason: { _tag: reason }, detail, mechanism: "NTLM" })

/** The error for a message that does not have the layout of its specification. */
export const malformed = (error: Malformed): AuthenticationError => failure("MalformedToken", error.message)
