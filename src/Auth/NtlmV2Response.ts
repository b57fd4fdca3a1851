/**
 * NTLMv2 without NTLMSSP (MS-NLMP 3.3.2, MS-CIFS 3.2.4.2.4): the response to a bare challenge of 8 bytes, for SMB 1
 * without extended security. It has no message integrity and no channel binding: use SPNEGO if the server has it.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { AuthenticationError } from "./AuthenticationError.ts"
import * as AvPair from "./AvPair.ts"
import type { Credential } from "./Credentials.ts"
import * as NtlmCrypto from "./NtlmCrypto.ts"

/**
 * The response to send, and the key that both sides then have.
 *
 * @since 0.1.0
 */
export interface Answer {
  readonly user: string
  readonly domain: string
  readonly lmChallengeResponse: Uint8Array
  readonly ntChallengeResponse: Uint8Array
  /** Absent for an anonymous logon. */
  readonly sessionKey: Redacted.Redacted<Uint8Array> | undefined
}

/**
 * Responds to a challenge. `time` in 100 ns ticks since 1601; `clientChallenge` has 8 random bytes.
 *
 * @since 0.1.0
 */
export const answer = (
  credential: Credential,
  options: {
    readonly server: string
    readonly serverChallenge: Uint8Array
    /** The server's domain and name, as the server sent them; they are part of the response. */
    readonly domainName: string
    readonly serverName: string
    readonly time: bigint
    readonly clientChallenge: Uint8Array
  }
): Result.Result<Answer, AuthenticationError> => {
  const none = new Uint8Array(0)
  if (credential._tag === "Anonymous") {
    return Result.succeed({
      user: "",
      domain: "",
      lmChallengeResponse: none,
      ntChallengeResponse: none,
      sessionKey: undefined
    })
  }
  const fail = (detail: string) =>
    Result.fail(
      new AuthenticationError({
        reason: { _tag: "InvalidCredential" },
        detail,
        mechanism: "NTLM",
        server: options.server
      })
    )
  if (credential._tag === "Kerberos") return fail("the server takes only NTLM here, for which a ticket is of no use")
  const { domain, user } = credential
  if (user === "") return fail("the user name is empty; use Credentials.anonymous to log on without a user")
  const hash = credential._tag === "NtHash"
    ? Redacted.value(credential.ntHash)
    : NtlmCrypto.ntHash(Redacted.value(credential.password))
  if (hash.length !== 16) return fail("an NT hash has 16 bytes")
  const names = [
    ...(options.domainName === "" ? [] : [AvPair.avName("MsvAvNbDomainName", options.domainName)]),
    ...(options.serverName === "" ? [] : [AvPair.avName("MsvAvNbComputerName", options.serverName)])
  ]
  const response = NtlmCrypto.computeResponse(NtlmCrypto.ntowfV2(hash, user, domain), options.serverChallenge, {
    timeStamp: options.time,
    challengeFromClient: options.clientChallenge,
    avPairs: names
  })
  return Result.succeed({
    user,
    domain,
    lmChallengeResponse: response.lmChallengeResponse,
    ntChallengeResponse: response.ntChallengeResponse,
    sessionKey: Redacted.make(response.sessionBaseKey, { label: "session key" })
  })
}
