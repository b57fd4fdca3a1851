/**
 * The client's side of NTLM (MS-NLMP 3.1.5.1), as pure functions: messages go in, messages and a context come out. The
 * caller gives challenges, keys and times, so that a test can repeat a conversation.
 *
 * NTLMv2 only: with a MIC over the three messages if the server sent a timestamp, and with key exchange if both sides
 * support it.
 *
 * Ownership: the caller keeps its NEGOTIATE_MESSAGE until `authenticate`, for the MIC, and must not change it.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import type { AuthenticationError } from "./AuthenticationError.ts"
import * as AvPair from "./AvPair.ts"
import { failure, malformed } from "./internal/NtlmFailure.ts"
import * as NtlmContext from "./NtlmContext.ts"
import * as NtlmCrypto from "./NtlmCrypto.ts"
import * as NtlmMessage from "./NtlmMessage.ts"

const { flagsOf, has } = NtlmMessage

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

const withoutPair = (pairs: ReadonlyArray<AvPair.AvPair>, ...ids: ReadonlyArray<number>) =>
  pairs.filter((pair) => !ids.includes(pair.avId))

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text)

/**
 * What a server says about itself in its challenge (MS-NLMP 2.2.1.2, 2.2.2.1, 2.2.2.10).
 *
 * @category client
 * @since 0.2.0
 */
export interface Announced {
  /** MsvAvNbComputerName. */
  readonly computer?: string | undefined
  /** MsvAvNbDomainName. */
  readonly domain?: string | undefined
  /** MsvAvDnsComputerName. */
  readonly dnsComputer?: string | undefined
  /** MsvAvDnsDomainName. */
  readonly dnsDomain?: string | undefined
  /** MsvAvDnsTreeName. */
  readonly dnsTree?: string | undefined
  /** VERSION: major, minor and build of the operating system. */
  readonly version?: string | undefined
}

const announcedIn = ({ targetInfo, version }: NtlmMessage.Challenge): Announced => {
  const text = (id: keyof typeof AvPair.AvId) => AvPair.avText(targetInfo, id)
  return {
    computer: text("MsvAvNbComputerName"),
    domain: text("MsvAvNbDomainName"),
    dnsComputer: text("MsvAvDnsComputerName"),
    dnsDomain: text("MsvAvDnsDomainName"),
    dnsTree: text("MsvAvDnsTreeName"),
    version: version === undefined
      ? undefined
      : `${version.productMajorVersion}.${version.productMinorVersion}.${version.productBuild}`
  }
}

/**
 * The last message, the context that it establishes, and what the server said about itself.
 *
 * @category client
 * @since 0.2.0
 */
export interface Authenticated {
  readonly message: Uint8Array
  readonly context: NtlmContext.NtlmContext
  readonly announced: Announced
}

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
): Result.Result<Authenticated, AuthenticationError> => {
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
        "the server accepts names only in its own code page (it did not set NTLMSSP_NEGOTIATE_UNICODE): " +
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
      context: NtlmContext.make(message.negotiateFlags, sessionKey, "client", anonymous),
      announced: announcedIn(challenge)
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
  const serverTime = AvPair.avTimestamp(challenge.targetInfo)
  const withMic = serverTime !== undefined
  const flags = AvPair.avFlags(challenge.targetInfo) | (withMic ? AvPair.AvFlags.micProvided : 0)
  const { MsvAvChannelBindings, MsvAvFlags, MsvAvTargetName } = AvPair.AvId
  const avPairs: ReadonlyArray<AvPair.AvPair> = [
    ...withoutPair(challenge.targetInfo, MsvAvFlags, MsvAvTargetName, MsvAvChannelBindings),
    ...(flags === 0 ? [] : [{ avId: MsvAvFlags, value: Codec.encode(Codec.u32)(flags) }]),
    { avId: MsvAvChannelBindings, value: options.channelBindings ?? new Uint8Array(16) },
    AvPair.avName("MsvAvTargetName", options.targetName)
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
