/**
 * The tokens of SPNEGO (RFC 4178, MS-SPNG), both ways: the mechanism, its own tokens, and the MIC over the list of
 * mechanisms. `Authenticator` and `Acceptor` use them.
 *
 * Decoded bytes are views of the input token.
 */
import type * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import { Reader } from "../Codec/Cursor.ts"
import type { Malformed } from "../Codec/Malformed.ts"
import * as Der from "./Der.ts"

/**
 * Object identifiers of mechanisms.
 *
 * @since 0.1.0
 */
export const Mechanism = {
  spnego: "1.3.6.1.5.5.2",
  ntlmssp: "1.3.6.1.4.1.311.2.2.10",
  kerberos: "1.2.840.113554.1.2.2",
  /** The identifier of Windows 2000, which truncated 113554 to 16 bits; all later versions kept it. */
  msKerberos: "1.2.840.48018.1.2.2",
  kerberosUserToUser: "1.2.840.113554.1.2.2.3",
  negoEx: "1.3.6.1.4.1.311.2.2.30"
} as const

/**
 * negState (RFC 4178 4.2.2).
 *
 * @since 0.1.0
 */
export const NegState = {
  acceptCompleted: 0,
  acceptIncomplete: 1,
  reject: 2,
  requestMic: 3
} as const

/**
 * The first token of either side: NegTokenInit (RFC 4178 4.2.1), or NegTokenInit2 (MS-SPNG 2.2.1) if there are hints.
 *
 * @category models
 * @since 0.1.0
 */
export interface NegTokenInit {
  readonly _tag: "NegTokenInit"
  /** The identifiers with dots, the most preferred first. */
  readonly mechTypes: ReadonlyArray<string>
  readonly mechToken?: Uint8Array | undefined
  /** Only servers send it. Samba and Windows send "not_defined_in_RFC4178@please_ignore". */
  readonly hintName?: string | undefined
  readonly mechListMic?: Uint8Array | undefined
}

/**
 * Every later token (RFC 4178 4.2.2).
 *
 * @category models
 * @since 0.1.0
 */
export interface NegTokenResp {
  readonly _tag: "NegTokenResp"
  readonly negState?: number | undefined
  readonly supportedMech?: string | undefined
  readonly responseToken?: Uint8Array | undefined
  readonly mechListMic?: Uint8Array | undefined
}

/**
 * @category models
 *
 * @since 0.1.0
 */
export type NegToken = NegTokenInit | NegTokenResp

// No real peer lists more mechanisms than this.
const mostMechanisms = 64

const readMechanisms = (list: Reader): ReadonlyArray<string> => {
  const mechTypes: Array<string> = []
  while (list.remaining > 0) {
    if (mechTypes.length === mostMechanisms) list.fail(`at most ${mostMechanisms} mechanisms`)
    mechTypes.push(Der.readIdentifier(Der.open(list, Der.Tag.objectIdentifier, "MechType")))
  }
  return mechTypes
}

const readInit = (r: Reader): NegTokenInit => {
  const frame = Der.open(r, Der.Tag.application, "InitialContextToken")
  const mechanism = Der.readIdentifier(Der.open(frame, Der.Tag.objectIdentifier, "thisMech"))
  if (mechanism !== Mechanism.spnego) frame.fail(`thisMech ${Mechanism.spnego}, not ${mechanism}`, frame.start)
  const fields = Der.open(Der.open(frame, Der.context(0), "negTokenInit"), Der.Tag.sequence, "NegTokenInit")
  const mechTypes = Der.optional(fields, 0, Der.Tag.sequence, "mechTypes")
  Der.optional(fields, 1, Der.Tag.bitString, "reqFlags")
  const mechToken = Der.optional(fields, 2, Der.Tag.octetString, "mechToken")
  // [3] is mechListMIC in NegTokenInit and negHints in NegTokenInit2, whose mechListMIC is [4].
  let hintName: string | undefined
  let mechListMic: Reader | undefined
  if (Der.peek(fields) === Der.context(3)) {
    const inner = Der.open(fields, Der.context(3), "negHints")
    if (Der.peek(inner) === Der.Tag.sequence) {
      const hints = Der.open(inner, Der.Tag.sequence, "negHints")
      const name = Der.optional(hints, 0, Der.Tag.generalString, "hintName")
      hintName = name === undefined ? undefined : Buffer.from(name.rest()).toString("latin1")
    } else {
      mechListMic = Der.open(inner, Der.Tag.octetString, "mechListMIC")
    }
  }
  mechListMic = Der.optional(fields, 4, Der.Tag.octetString, "mechListMIC") ?? mechListMic
  return {
    _tag: "NegTokenInit",
    mechTypes: mechTypes === undefined ? [] : readMechanisms(mechTypes),
    mechToken: mechToken?.rest(),
    hintName,
    mechListMic: mechListMic?.rest()
  }
}

const readResp = (r: Reader): NegTokenResp => {
  const fields = Der.open(Der.open(r, Der.context(1), "negTokenResp"), Der.Tag.sequence, "NegTokenResp")
  const negState = Der.optional(fields, 0, Der.Tag.enumerated, "negState")
  const supportedMech = Der.optional(fields, 1, Der.Tag.objectIdentifier, "supportedMech")
  const responseToken = Der.optional(fields, 2, Der.Tag.octetString, "responseToken")
  const mechListMic = Der.optional(fields, 3, Der.Tag.octetString, "mechListMIC")
  return {
    _tag: "NegTokenResp",
    negState: negState === undefined ? undefined : readState(negState),
    supportedMech: supportedMech === undefined ? undefined : Der.readIdentifier(supportedMech),
    responseToken: responseToken?.rest(),
    mechListMic: mechListMic?.rest()
  }
}

const readState = (r: Reader): number => {
  const state = r.u8()
  if (r.remaining > 0 || state > NegState.requestMic) r.fail("a negState from 0 to 3", r.start)
  return state
}

/**
 * Decodes a token: the frame shows which of the two it is.
 *
 * @category boundaries
 * @since 0.1.0
 */
export const decode = (token: Uint8Array): Result.Result<NegToken, Malformed> =>
  Codec.attempt("SPNEGO token", () => {
    const r = new Reader(token)
    return Der.peek(r) === Der.context(1) ? readResp(r) : readInit(r)
  })

const field = (n: number, tag: number, bytes: Uint8Array | undefined): Uint8Array =>
  bytes === undefined ? new Uint8Array(0) : Der.value(Der.context(n), Der.value(tag, bytes))

/**
 * The bytes that mechListMIC covers: the DER of MechTypeList, without its field's tag (RFC 4178 5).
 *
 * @category encoding
 * @since 0.1.0
 */
export const mechTypeList = (mechTypes: ReadonlyArray<string>): Uint8Array =>
  Der.value(Der.Tag.sequence, ...mechTypes.map(Der.identifier))

/**
 * Encodes a token.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (token: NegToken): Uint8Array => {
  if (token._tag === "NegTokenResp") {
    return Der.value(
      Der.context(1),
      Der.value(
        Der.Tag.sequence,
        field(0, Der.Tag.enumerated, token.negState === undefined ? undefined : Uint8Array.of(token.negState)),
        token.supportedMech === undefined
          ? new Uint8Array(0)
          : Der.value(Der.context(1), Der.identifier(token.supportedMech)),
        field(2, Der.Tag.octetString, token.responseToken),
        field(3, Der.Tag.octetString, token.mechListMic)
      )
    )
  }
  const hints = token.hintName === undefined
    ? undefined
    : Der.value(Der.context(0), Der.value(Der.Tag.generalString, Buffer.from(token.hintName, "latin1")))
  return Der.value(
    Der.Tag.application,
    Der.identifier(Mechanism.spnego),
    Der.value(
      Der.context(0),
      Der.value(
        Der.Tag.sequence,
        token.mechTypes.length === 0
          ? new Uint8Array(0)
          : Der.value(Der.context(0), mechTypeList(token.mechTypes)),
        field(2, Der.Tag.octetString, token.mechToken),
        field(3, Der.Tag.sequence, hints),
        field(hints === undefined ? 3 : 4, Der.Tag.octetString, token.mechListMic)
      )
    )
  )
}
