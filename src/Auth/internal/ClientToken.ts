/**
 * The SPNEGO tokens of a client (RFC 4178 4.2), as a server reads them, and the responses to them.
 */
import * as Result from "effect/Result"
import type { AuthenticationError } from "../AuthenticationError.ts"
import * as Spnego from "../Spnego.ts"
import { failure } from "./NtlmFailure.ts"

/** The error for a MIC over the list of mechanisms that is wrong, or that no key can check. */
export const changedList: AuthenticationError = failure(
  "IntegrityFailure",
  "the list of mechanisms was changed on the way"
)

/** Fails with `MalformedToken`. */
export const decode = (token: Uint8Array): Result.Result<Spnego.NegToken, AuthenticationError> =>
  Result.mapError(Spnego.decode(token), (error) => failure("MalformedToken", error.message))

/** A later token of the client, with a message of the chosen mechanism. */
export interface Message {
  readonly responseToken: Uint8Array
  readonly mechListMic: Uint8Array | undefined
}

/** Fails with `UnexpectedToken` for a first token and for a token without a message. */
export const message = (input: Uint8Array): Result.Result<Message, AuthenticationError> =>
  Result.flatMap(decode(input), (token) =>
    token._tag === "NegTokenResp" && token.responseToken !== undefined
      ? Result.succeed({ responseToken: token.responseToken, mechListMic: token.mechListMic })
      : Result.fail(failure("UnexpectedToken", "the client's token has no message in it")))

/** A response of the server. */
export const response = (fields: Omit<Spnego.NegTokenResp, "_tag">): Uint8Array =>
  Spnego.encode({ _tag: "NegTokenResp", ...fields })
