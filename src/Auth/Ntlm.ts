/**
 * NTLM (MS-NLMP) as pure state machines: a client (3.1.5.1) and an acceptor (3.2.5.1). Tokens go in, tokens and a
 * session key come out; the caller gives challenges, keys and times, so that a test can repeat a conversation.
 *
 * NTLMv2 only: with a MIC over the three messages if the server sent a timestamp, and with key exchange if both sides
 * support it. The caller that gives the hash decides which users may log on. The server decides about guests, which
 * this module does not know.
 *
 * Ownership: input messages are kept until the last step, for the MIC, and must not change until then.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import { Reader } from "../Codec/Cursor.ts"
import type { Malformed } from "../Codec/Malformed.ts"
import { fold } from "../Codec/UpCase.ts"
import { AuthenticationError, type AuthenticationReason } from "./AuthenticationError.ts"
import * as NtlmCrypto from "./NtlmCrypto.ts"
import * as NtlmMessage from "./NtlmMessage.ts"

const failure = (reason: AuthenticationReason["_tag"], detail: string): AuthenticationError =>
  new AuthenticationError({ reason: { _tag: reason }, detail, mechanism: "NTLM" })

const malformed = (error: Malformed): AuthenticationError => failure("MalformedToken", error.message)

const { flagsOf, has } = NtlmMessage

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

const makeContext = (
  negotiateFlags: number,
  key: Uint8Array,
  self: NtlmCrypto.Sender,
  anonymous: boolean
): NtlmContext => {
  const secret = Redacted.make(Uint8Array.from(key), { label: "session key" })
  const signature = (sender: NtlmCrypto.Sender, message: Uint8Array) =>
    NtlmCrypto.firstSignature(negotiateFlags, Redacted.value(secret), sender, message)
  const signs = !anonymous && has(negotiateFlags, "NTLMSSP_NEGOTIATE_SIGN") &&
    has(negotiateFlags, "NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY")
  return {
    negotiateFlags,
    sessionKey: anonymous ? undefined : secret,
    sign: (message) => signs ? signature(self, message) : undefined,
    verify: (message, found) =>
      signs && NtlmCrypto.equal(signature(self === "client" ? "server" : "client", message), found)
  }
}

// -----------------------------------------------------------------------------
// client
// -----------------------------------------------------------------------------

/**
 * The client's identity.
 *
 * @category client
 * @since 0.1.0
 */
export type NtlmIdentity =
  | {
    readonly _tag: "User"
    readonly user: string
    readonly domain: string
    /** 16 bytes: `NtlmCrypto.ntHash` of the password. */
    readonly ntHash: Redacted.Redacted<Uint8Array>
  }
  | { readonly _tag: "Anonymous" }

/**
 * What the client needs in addition to the server's challenge.
 *
 * @category client
 * @since 0.1.0
 */
export interface ClientOptions {
  readonly identity: NtlmIdentity
  /** The service principal name that goes into MsvAvTargetName, such as `cifs/server`. */
  readonly targetName: string
  /** The name of this machine; servers write it into their logs. */
  readonly workstation: string
  /** The MD5 hash of the channel bindings (MS-NLMP 3.1.5.1.2), 16 bytes. Default: zeros, for no such channel. */
  readonly channelBindings?: Uint8Array | undefined
  /** ClientChallenge: 8 random bytes. */
  readonly clientChallenge: Uint8Array
  /** ExportedSessionKey: 16 random bytes, used if key exchange is negotiated. */
  readonly randomSessionKey: Uint8Array
  /** The current time in 100 ns ticks since 1601, for servers that send no time. */
  readonly time: bigint
}

const clientFlags = flagsOf(
  "NTLMSSP_NEGOTIATE_UNICODE",
  "NTLMSSP_REQUEST_TARGET",
  "NTLMSSP_NEGOTIATE_SIGN",
  "NTLMSSP_NEGOTIATE_NTLM",
  "NTLMSSP_NEGOTIATE_ALWAYS_SIGN",
  "NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY",
  "NTLMSSP_NEGOTIATE_TARGET_INFO",
  "NTLMSSP_NEGOTIATE_VERSION",
  "NTLMSSP_NEGOTIATE_128",
  "NTLMSSP_NEGOTIATE_KEY_EXCH",
  "NTLMSSP_NEGOTIATE_56"
)

/**
 * The first message, which does not name the user (MS-NLMP 3.1.5.1.1). @category client
 *
 * @since 0.1.0
 */
export const negotiate = (): Uint8Array<ArrayBuffer> =>
  Codec.encode(NtlmMessage.negotiate)({
    negotiateFlags: clientFlags,
    domainName: "",
    workstation: "",
    version: NtlmMessage.version
  })

const withoutPair = (pairs: ReadonlyArray<NtlmMessage.AvPair>, ...ids: ReadonlyArray<number>) =>
  pairs.filter((pair) => !ids.includes(pair.avId))

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text)

/**
 * The response to the server's challenge (MS-NLMP 3.1.5.1.2), and the context that it establishes.
 *
 * A server must set NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY; without it this fails with `WeakSecurity`. Other
 * missing flags do not weaken the response or the session key, which has 16 random bytes or comes from a hash of 16
 * bytes. So the logon continues, as in smbclient. NTLMSSP_NEGOTIATE_128 is about the keys of NTLM's own sealing, which
 * SMB does not use. (Windows' client refuses without it if its NtlmMinClientSec says so.) Without
 * NTLMSSP_NEGOTIATE_UNICODE names are in the server's own code page, of which only ASCII is known: a name with any
 * other character is `InvalidCredential`.
 *
 * Fails with `Malformed` too.
 *
 * @category client
 * @since 0.1.0
 */
export const authenticate = (
  options: ClientOptions,
  negotiateMessage: Uint8Array,
  challengeMessage: Uint8Array
): Result.Result<{ readonly message: Uint8Array; readonly context: NtlmContext }, AuthenticationError> => {
  const decoded = Codec.decode("CHALLENGE_MESSAGE", NtlmMessage.challenge)(challengeMessage)
  if (Result.isFailure(decoded)) return Result.fail(malformed(decoded.failure))
  const challenge = decoded.success
  const taken = (clientFlags & challenge.negotiateFlags) >>> 0
  const unicode = has(taken, "NTLMSSP_NEGOTIATE_UNICODE")
  const common = unicode ? taken : (taken | flagsOf("NTLM_NEGOTIATE_OEM")) >>> 0
  // Without integrity there is no key to exchange (MS-NLMP 3.1.5.1.2).
  const keyExchange = has(common, "NTLMSSP_NEGOTIATE_KEY_EXCH") && has(common, "NTLMSSP_NEGOTIATE_SIGN")
  const negotiateFlags = keyExchange
    ? common
    : (common & ~NtlmMessage.NegotiateFlags.NTLMSSP_NEGOTIATE_KEY_EXCH) >>> 0
  if (options.identity._tag === "User") {
    if (!has(negotiateFlags, "NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY")) {
      return Result.fail(failure(
        "WeakSecurity",
        "the server does not do NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY; it is too old or misconfigured for NTLMv2"
      ))
    }
    if (!unicode && !isAscii(options.identity.user + options.identity.domain)) {
      return Result.fail(failure(
        "InvalidCredential",
        "the server takes names in a code page of its own only (it did not set NTLMSSP_NEGOTIATE_UNICODE): " +
          "use an account whose user and domain are plain ASCII"
      ))
    }
  }

  const finish = (
    message: Omit<NtlmMessage.Authenticate, "encryptedRandomSessionKey" | "version" | "workstation" | "mic">,
    keyExchangeKey: Uint8Array,
    withMic: boolean,
    anonymous: boolean
  ) => {
    const sessionKey = keyExchange ? options.randomSessionKey : keyExchangeKey
    const plain = Codec.encode(NtlmMessage.authenticate)({
      ...message,
      // Only for the server's log.
      workstation: unicode || isAscii(options.workstation) ? options.workstation : "",
      encryptedRandomSessionKey: keyExchange
        ? NtlmCrypto.exchangeKey(keyExchangeKey, sessionKey)
        : new Uint8Array(0),
      version: NtlmMessage.version,
      mic: undefined
    })
    return Result.succeed({
      message: withMic
        ? NtlmMessage.withMic(plain, NtlmCrypto.mic(sessionKey, negotiateMessage, challengeMessage, plain))
        : plain,
      context: makeContext(message.negotiateFlags, sessionKey, "client", anonymous)
    })
  }

  if (options.identity._tag === "Anonymous") {
    return finish(
      {
        lmChallengeResponse: new Uint8Array(1),
        ntChallengeResponse: new Uint8Array(0),
        domainName: "",
        userName: "",
        negotiateFlags: (negotiateFlags | flagsOf("NTLMSSP_NEGOTIATE_ANONYMOUS")) >>> 0
      },
      new Uint8Array(16),
      false,
      true
    )
  }

  const { domain, user } = options.identity
  const serverTime = NtlmMessage.avTimestamp(challenge.targetInfo)
  const withMic = serverTime !== undefined
  const flags = NtlmMessage.avFlags(challenge.targetInfo) | (withMic ? NtlmMessage.AvFlags.micProvided : 0)
  const { MsvAvChannelBindings, MsvAvFlags, MsvAvTargetName } = NtlmMessage.AvId
  const avPairs: ReadonlyArray<NtlmMessage.AvPair> = [
    ...withoutPair(challenge.targetInfo, MsvAvFlags, MsvAvTargetName, MsvAvChannelBindings),
    ...(flags === 0 ? [] : [{ avId: MsvAvFlags, value: Codec.encode(Codec.u32)(flags) }]),
    { avId: MsvAvChannelBindings, value: options.channelBindings ?? new Uint8Array(16) },
    NtlmMessage.avName("MsvAvTargetName", options.targetName)
  ]
  const responseKey = NtlmCrypto.ntowfV2(Redacted.value(options.identity.ntHash), user, domain)
  const response = NtlmCrypto.computeResponse(responseKey, challenge.serverChallenge, {
    timeStamp: serverTime ?? options.time,
    challengeFromClient: options.clientChallenge,
    avPairs
  })
  return finish(
    {
      lmChallengeResponse: response.lmChallengeResponse,
      ntChallengeResponse: response.ntChallengeResponse,
      domainName: domain,
      userName: user,
      negotiateFlags
    },
    response.sessionBaseKey,
    withMic,
    false
  )
}

// -----------------------------------------------------------------------------
// acceptor
// -----------------------------------------------------------------------------

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
      NtlmMessage.avName("MsvAvNbDomainName", options.domainName),
      NtlmMessage.avName("MsvAvNbComputerName", options.computerName),
      NtlmMessage.avName("MsvAvDnsDomainName", options.dnsDomainName),
      NtlmMessage.avName("MsvAvDnsComputerName", options.dnsComputerName),
      NtlmMessage.avTime(options.time)
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
): Result.Result<NtlmContext, AuthenticationError> => {
  const { message } = claim
  // A client can set fewer flags than the server offered, never more.
  const negotiateFlags = (message.negotiateFlags & state.negotiateFlags) >>> 0
  if (claim.anonymous) return Result.succeed(makeContext(negotiateFlags, new Uint8Array(16), "server", true))

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
  const keyExchange = has(negotiateFlags, "NTLMSSP_NEGOTIATE_KEY_EXCH")
  if (keyExchange && message.encryptedRandomSessionKey.length !== 16) {
    return Result.fail(failure("MalformedToken", "AUTHENTICATE_MESSAGE has no EncryptedRandomSessionKey of 16 bytes"))
  }
  const sessionKey = keyExchange
    ? NtlmCrypto.exchangeKey(keyExchangeKey, message.encryptedRandomSessionKey)
    : keyExchangeKey

  if ((NtlmMessage.avFlags(clientChallenge.avPairs) & NtlmMessage.AvFlags.micProvided) !== 0) {
    if (message.mic === undefined) {
      return Result.fail(failure("IntegrityFailure", "the client announced a MIC and sent none"))
    }
    const zeroed = NtlmMessage.withMic(claim.authenticateMessage, new Uint8Array(16))
    const mic = NtlmCrypto.mic(sessionKey, state.negotiateMessage, state.challengeMessage, zeroed)
    if (!NtlmCrypto.equal(mic, message.mic)) {
      return Result.fail(failure("IntegrityFailure", "the MIC is wrong: the messages were changed on the way"))
    }
  }
  return Result.succeed(makeContext(negotiateFlags, sessionKey, "server", false))
}
