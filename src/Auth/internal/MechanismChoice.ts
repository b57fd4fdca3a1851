/**
 * The choice of a mechanism (RFC 4178 3 and 4.2): the first one in the client's list that the server has. If it is not
 * the first of the list, somebody on the way could have changed the list: then the client must prove it by a MIC.
 */
import * as Result from "effect/Result"
import * as Codec from "../../Codec/Codec.ts"
import { Reader } from "../../Codec/Cursor.ts"
import type { AuthenticationError } from "../AuthenticationError.ts"
import * as Der from "../Der.ts"
import * as Spnego from "../Spnego.ts"
import * as ClientToken from "./ClientToken.ts"
import { failure } from "./NtlmFailure.ts"

const kerberosMechanisms: ReadonlyArray<string> = [Spnego.Mechanism.msKerberos, Spnego.Mechanism.kerberos]

/** The mechanisms of a server, the most preferred first. NTLM is always among them. */
export const offered = (kerberos: boolean): ReadonlyArray<string> => [
  ...kerberos ? kerberosMechanisms : [],
  Spnego.Mechanism.ntlmssp
]

/** The mechanism of a logon. */
export interface Choice {
  readonly mechanism: string
  /** The client's whole list, which the MIC covers. */
  readonly mechTypes: ReadonlyArray<string>
  /** Whether the mechanism is not the client's first choice. */
  readonly mustProve: boolean
}

/** Fails with `NoCommonMechanism`, or with `IntegrityFailure` for a MIC that no key can check yet. */
export const choose = (
  { mechListMic, mechTypes }: Spnego.NegTokenInit,
  kerberos: boolean
): Result.Result<Choice, AuthenticationError> => {
  const mechanisms = offered(kerberos)
  const place = mechTypes.findIndex((one) => mechanisms.includes(one))
  const mechanism = mechTypes[place]
  if (mechanism === undefined) {
    return Result.fail(failure("NoCommonMechanism", "the client does not offer NTLM"))
  }
  const mustProve = place > 0
  // NTLM has no key yet to make a MIC with. A MIC of another mechanism than the chosen one is ignored.
  return isNtlm(mechanism) && !mustProve && mechListMic !== undefined
    ? Result.fail(ClientToken.changedList)
    : Result.succeed({ mechanism, mechTypes, mustProve })
}

/**
 * Whether a client's first token is one of Kerberos without SPNEGO: the frame of RFC 2743 3.1 with the identifier of
 * Kerberos.
 */
export const isKerberosToken = (token: Uint8Array): boolean => {
  const mechanism = Codec.attempt("InitialContextToken", () =>
    Der.readIdentifier(Der.open(
      Der.open(new Reader(token), Der.Tag.application, "InitialContextToken"),
      Der.Tag.objectIdentifier,
      "thisMech"
    )))
  return Result.isSuccess(mechanism) && kerberosMechanisms.includes(mechanism.success)
}

/** Whether a mechanism is NTLM; the others that a server has are Kerberos. */
export const isNtlm = (mechanism: string): boolean => mechanism === Spnego.Mechanism.ntlmssp

/** The response that names the chosen mechanism, before its first message. */
export const response = ({ mechanism, mustProve }: Choice): Uint8Array =>
  ClientToken.response({
    negState: mustProve ? Spnego.NegState.requestMic : Spnego.NegState.acceptIncomplete,
    supportedMech: mechanism
  })
