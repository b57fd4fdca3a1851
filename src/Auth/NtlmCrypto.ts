/**
 * The computations of NTLMv2 (MS-NLMP 3.3.2): from a password to the response, the keys and the MIC.
 * `NtlmSessionSecurity` has the signatures of MS-NLMP 3.4, which this module gives too.
 *
 * Pure: challenges, keys and times come from the caller. Keys go in and out as plain bytes; a caller that keeps a key
 * must wrap it in `Redacted`. NTLMv1 and LM are left out on purpose.
 */
import { timingSafeEqual } from "node:crypto"
import * as Codec from "../Codec/Codec.ts"
import * as Md4 from "../Codec/Md4.ts"
import * as Rc4 from "../Codec/Rc4.ts"
import { fold } from "../Codec/UpCase.ts"
import * as AvPair from "./AvPair.ts"
import { hmacMd5 } from "./internal/HmacMd5.ts"
import * as NtlmMessage from "./NtlmMessage.ts"

export { firstSignature, sealKey, type Sender, signKey } from "./NtlmSessionSecurity.ts"

const utf16 = Codec.encode(Codec.utf16)

/**
 * The NT hash of a password: NTOWFv1 (MS-NLMP 3.3.1), 16 bytes. As good as the password itself: keep it secret.
 *
 * @since 0.1.0
 */
export const ntHash = (password: string): Uint8Array<ArrayBuffer> => Md4.digest(utf16(password))

/**
 * NTOWFv2 (MS-NLMP 3.3.2) for a user's name that is already in capitals.
 *
 * @since 0.1.0
 */
export const ntowfV2OfCapitals = (hash: Uint8Array, capitals: string, domain: string): Uint8Array =>
  hmacMd5(hash, utf16(capitals + domain))

/**
 * NTOWFv2 (MS-NLMP 3.3.2): the key of the response. The user's name is converted to capitals by Windows' own table; the
 * domain is used unchanged.
 *
 * @since 0.1.0
 */
export const ntowfV2 = (hash: Uint8Array, user: string, domain: string): Uint8Array =>
  ntowfV2OfCapitals(hash, fold(user), domain)

/**
 * The result of ComputeResponse (MS-NLMP 3.3.2).
 *
 * @since 0.1.0
 */
export interface Response {
  readonly ntChallengeResponse: Uint8Array
  readonly lmChallengeResponse: Uint8Array
  readonly sessionBaseKey: Uint8Array
}

/**
 * NTProofStr (MS-NLMP 3.3.2): 16 bytes. `temp` is an NTLMv2_CLIENT_CHALLENGE.
 *
 * @since 0.1.0
 */
export const ntProofStr = (responseKey: Uint8Array, serverChallenge: Uint8Array, temp: Uint8Array): Uint8Array =>
  hmacMd5(responseKey, serverChallenge, temp)

/**
 * SessionBaseKey (MS-NLMP 3.3.2), which with NTLMv2 is the KeyExchangeKey as well (KXKEY, 3.4.5.1).
 *
 * @since 0.1.0
 */
export const sessionBaseKey = (responseKey: Uint8Array, proof: Uint8Array): Uint8Array => hmacMd5(responseKey, proof)

/**
 * ComputeResponse (MS-NLMP 3.3.2). The LMv2 response is zeros if the server sent a MsvAvTimestamp, as 3.1.5.1.2
 * requires.
 *
 * @since 0.1.0
 */
export const computeResponse = (
  responseKey: Uint8Array,
  serverChallenge: Uint8Array,
  client: NtlmMessage.ClientChallenge
): Response => {
  const temp = Codec.encode(NtlmMessage.clientChallenge)(client)
  const proof = ntProofStr(responseKey, serverChallenge, temp)
  const challenge = client.challengeFromClient
  return {
    ntChallengeResponse: Buffer.concat([proof, temp]),
    lmChallengeResponse: AvPair.avTimestamp(client.avPairs) === undefined
      ? Buffer.concat([hmacMd5(responseKey, serverChallenge, challenge), challenge])
      : new Uint8Array(24),
    sessionBaseKey: sessionBaseKey(responseKey, proof)
  }
}

/**
 * The exported session key under the KeyExchangeKey, and back: RC4K (MS-NLMP 3.1.5.1.2, 3.2.5.1.2).
 *
 * @since 0.1.0
 */
export const exchangeKey = (keyExchangeKey: Uint8Array, key: Uint8Array): Uint8Array => Rc4.make(keyExchangeKey)(key)

/**
 * The MIC (MS-NLMP 3.1.5.1.2): over the three messages as sent, with zeros where the MIC will be.
 *
 * @since 0.1.0
 */
export const mic = (
  exportedSessionKey: Uint8Array,
  negotiate: Uint8Array,
  challenge: Uint8Array,
  authenticate: Uint8Array
): Uint8Array => hmacMd5(exportedSessionKey, negotiate, challenge, authenticate)

/**
 * Whether two values are the same, in a time that does not reveal where they differ.
 *
 * @since 0.1.0
 */
export const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)
