/**
 * The server's side of NTLM (MS-NLMP 3.2.5.1), as pure functions: messages go in, a challenge and a context come out.
 * The caller gives challenges and times, so that a test can repeat a conversation.
 *
 * NTLMv2 only: with a MIC over the three messages if the client announces one, and with key exchange if both sides
 * support it. The caller that gives the hash decides which users may log on. The caller also decides about guests,
 * which this module does not know.
 *
 * Ownership: input messages are kept until `verify`, for the MIC, and must not change until then.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import { Reader } from "../Codec/Cursor.ts"
import { fold } from "../Codec/UpCase.ts"
import type { AuthenticationError } from "./AuthenticationError.ts"
import * as AvPair from "./AvPair.ts"
import { failure, malformed } from "./internal/NtlmFailure.ts"
import * as NtlmContext from "./NtlmContext.ts"
import * as NtlmCrypto from "./NtlmCrypto.ts"
import * as NtlmMessage from "./NtlmMessage.ts"

const { flagsOf, has } = NtlmMessage

/**
 * What the acceptor says about itself.
 *
 * @category acceptor
 * @since 0.1.0
 */
export interface AcceptorOptions {
  /** NetBIOS name of the computer, up to 15 characters, by convention in capitals. */
  readonly computerName: string
  /** NetBIOS name of the domain; for a computer without a domain, its own name. */
  readonly domainName: string
  readonly dnsComputerName: string
  readonly dnsDomainName: string
  /** ServerChallenge: 8 random bytes, never the same twice. */
  readonly serverChallenge: Uint8Array
  /** The current time in 100 ns ticks since 1601. */
  readonly time: bigint
}

/**
 * An acceptor that sent its challenge.
 *
 * @category acceptor
 * @since 0.1.0
 */
export interface Challenged {
  readonly serverChallenge: Uint8Array
  readonly negotiateFlags: number
  readonly negotiateMessage: Uint8Array
  readonly challengeMessage: Uint8Array
}

const acceptorFlags = flagsOf(
  "NTLMSSP_REQUEST_TARGET",
  "NTLMSSP_NEGOTIATE_SIGN",
  "NTLMSSP_NEGOTIATE_SEAL",
  "NTLMSSP_NEGOTIATE_NTLM",
  "NTLMSSP_NEGOTIATE_ALWAYS_SIGN",
  "NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY",
  "NTLMSSP_NEGOTIATE_KEY_EXCH"
)

/**
 * The challenge (MS-NLMP 3.2.5.1.1). VERSION, 128 and 56 are always set, even if the client did not ask: the Linux
 * kernel's client refuses to continue without them. Names are in Unicode, or in OEM characters if the client offers
 * only these.
 *
 * @category acceptor
 * @since 0.1.0
 */
export const challenge = (
  options: AcceptorOptions,
  negotiateMessage: Uint8Array
): Result.Result<{ readonly message: Uint8Array; readonly state: Challenged }, AuthenticationError> => {
  const decoded = Codec.decode("NEGOTIATE_MESSAGE", NtlmMessage.negotiate)(negotiateMessage)
  if (Result.isFailure(decoded)) return Result.fail(malformed(decoded.failure))
  const asked = decoded.success.negotiateFlags
  if (!has(asked, "NTLMSSP_NEGOTIATE_NTLM")) {
    return Result.fail(failure("WeakSecurity", "the client does not do NTLM; it is too old for NTLMv2"))
  }
  // Unicode if the client has it; some old scanners have only OEM characters (2.2.2.5).
  const characters = asked & flagsOf("NTLMSSP_NEGOTIATE_UNICODE") || asked & flagsOf("NTLM_NEGOTIATE_OEM")
  if (characters === 0) {
    return Result.fail(failure("MalformedToken", "the client offers neither Unicode nor OEM characters"))
  }
  const negotiateFlags = ((asked & acceptorFlags) | characters |
    flagsOf(
      "NTLMSSP_REQUEST_TARGET",
      "NTLMSSP_TARGET_TYPE_SERVER",
      "NTLMSSP_NEGOTIATE_TARGET_INFO",
      "NTLMSSP_NEGOTIATE_VERSION",
      "NTLMSSP_NEGOTIATE_128",
      "NTLMSSP_NEGOTIATE_56"
    )) >>> 0
  const message = Codec.encode(NtlmMessage.challenge)({
    targetName: options.computerName,
    negotiateFlags,
    serverChallenge: options.serverChallenge,
    targetInfo: [
      AvPair.avName("MsvAvNbDomainName", options.domainName),
      AvPair.avName("MsvAvNbComputerName", options.computerName),
      AvPair.avName("MsvAvDnsDomainName", options.dnsDomainName),
      AvPair.avName("MsvAvDnsComputerName", options.dnsComputerName),
      AvPair.avTime(options.time)
    ],
    version: NtlmMessage.version
  })
  return Result.succeed({
    message,
    state: {
      serverChallenge: Uint8Array.from(options.serverChallenge),
      negotiateFlags,
      negotiateMessage,
      challengeMessage: message
    }
  })
}

/**
 * The identity that the client claims. It is not proven until `verify`.
 *
 * @category acceptor
 * @since 0.1.0
 */
export interface Claim {
  readonly user: string
  readonly domain: string
  readonly workstation: string
  readonly anonymous: boolean
  readonly message: NtlmMessage.Authenticate
  readonly authenticateMessage: Uint8Array
}

/**
 * Reads the claimed identity, so that the caller can look up the NT hash. @category acceptor
 *
 * @since 0.1.0
 */
export const claim = (authenticateMessage: Uint8Array): Result.Result<Claim, AuthenticationError> => {
  const decoded = Codec.decode("AUTHENTICATE_MESSAGE", NtlmMessage.authenticate)(authenticateMessage)
  if (Result.isFailure(decoded)) return Result.fail(malformed(decoded.failure))
  const message = decoded.success
  return Result.succeed({
    user: message.userName,
    domain: message.domainName,
    workstation: message.workstation,
    anonymous: message.userName === "" && message.ntChallengeResponse.length === 0 &&
      (message.lmChallengeResponse.length === 0 ||
        (message.lmChallengeResponse.length === 1 && message.lmChallengeResponse[0] === 0)),
    message,
    authenticateMessage
  })
}

/**
 * The session key of an anonymous logon. It is no secret: the KeyExchangeKey is zero (MS-NLMP 3.3.2, with no response
 * key). It shows that a message was not damaged, and no more.
 *
 * @category acceptor
 * @since 0.2.0
 */
export const anonymousSessionKey = (state: Challenged, { message }: Claim): Redacted.Redacted<Uint8Array> => {
  const zero = new Uint8Array(16)
  const key = has(message.negotiateFlags & state.negotiateFlags, "NTLMSSP_NEGOTIATE_KEY_EXCH") &&
      message.encryptedRandomSessionKey.length === 16
    ? NtlmCrypto.exchangeKey(zero, message.encryptedRandomSessionKey)
    : zero
  return Redacted.make(key, { label: "anonymous session key" })
}

/**
 * Checks a claim against the NT hash of its user, `undefined` if there is no such user (MS-NLMP 3.2.5.1.2). An
 * anonymous claim passes without a hash: the caller decides whether to accept such a logon.
 *
 * Fails with `Rejected`, or with `IntegrityFailure` if the password is right and the MIC is wrong.
 *
 * @category acceptor
 * @since 0.1.0
 */
export const verify = (
  state: Challenged,
  claim: Claim,
  ntHash: Redacted.Redacted<Uint8Array> | undefined
): Result.Result<NtlmContext.NtlmContext, AuthenticationError> => {
  const { message } = claim
  // A client can set fewer flags than the server offered, never more.
  const negotiateFlags = (message.negotiateFlags & state.negotiateFlags) >>> 0
  if (claim.anonymous) return Result.succeed(NtlmContext.make(negotiateFlags, new Uint8Array(16), "server", true))

  const response = new Reader(message.ntChallengeResponse)
  const read = Codec.attempt("NTLMv2_RESPONSE", () => NtlmMessage.ntlmV2Response(response))
  // NTLMv1 responses have 24 bytes and no structure: they are always refused.
  if (Result.isFailure(read)) {
    return Result.fail(
      message.ntChallengeResponse.length <= 24
        ? failure("WeakSecurity", "the client sent no NTLMv2 response; NTLMv1 and LM are not accepted")
        : malformed(read.failure)
    )
  }
  const { clientChallenge, temp } = read.success
  // The same work for a user that does not exist, so that the time does not reveal it.
  const hash = ntHash === undefined ? new Uint8Array(16) : Redacted.value(ntHash)
  // Windows' capitals, and those of Unicode, which many other clients use. Both are always tried.
  const tried = [fold(message.userName), message.userName.toUpperCase()].map((capitals) => {
    const responseKey = NtlmCrypto.ntowfV2OfCapitals(hash, capitals, message.domainName)
    return { responseKey, proof: NtlmCrypto.ntProofStr(responseKey, state.serverChallenge, temp) }
  })
  const right = tried.find(({ proof }) => NtlmCrypto.equal(proof, read.success.response))
  if (right === undefined || ntHash === undefined) {
    return Result.fail(failure("LogonRejected", "the user name or the password is wrong"))
  }
  const { proof, responseKey } = right

  const keyExchangeKey = NtlmCrypto.sessionBaseKey(responseKey, proof)
  // A client that neither signs nor seals needs no key of its choice (MS-NLMP 3.1.5.1.2). Some send one all the same.
  const protects = has(negotiateFlags, "NTLMSSP_NEGOTIATE_SIGN") || has(negotiateFlags, "NTLMSSP_NEGOTIATE_SEAL")
  const keyExchange = has(negotiateFlags, "NTLMSSP_NEGOTIATE_KEY_EXCH") &&
    (protects || message.encryptedRandomSessionKey.length > 0)
  if (keyExchange && message.encryptedRandomSessionKey.length !== 16) {
    return Result.fail(failure("MalformedToken", "AUTHENTICATE_MESSAGE has no EncryptedRandomSessionKey of 16 bytes"))
  }
  const sessionKey = keyExchange
    ? NtlmCrypto.exchangeKey(keyExchangeKey, message.encryptedRandomSessionKey)
    : keyExchangeKey

  if ((AvPair.avFlags(clientChallenge.avPairs) & AvPair.AvFlags.micProvided) !== 0) {
    if (message.mic === undefined) {
      return Result.fail(failure("IntegrityFailure", "the client announced a MIC and sent none"))
    }
    const zeroed = NtlmMessage.withMic(claim.authenticateMessage, new Uint8Array(16))
    const mic = NtlmCrypto.mic(sessionKey, state.negotiateMessage, state.challengeMessage, zeroed)
    if (!NtlmCrypto.equal(mic, message.mic)) {
      return Result.fail(failure("IntegrityFailure", "the MIC is wrong: the messages were changed on the way"))
    }
  }
  return Result.succeed(NtlmContext.make(negotiateFlags, sessionKey, "server", false))
}
