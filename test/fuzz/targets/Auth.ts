/** Logon tokens: NTLM, SPNEGO, Kerberos' errors and authorization data, and whole logons of both sides. */
import { Cause, Effect, Exit, Redacted, Result } from "effect"
import { isDeepStrictEqual } from "node:util"
import * as Acceptor from "../../../src/Auth/Acceptor.ts"
import * as Authenticator from "../../../src/Auth/Authenticator.ts"
import * as AvPair from "../../../src/Auth/AvPair.ts"
import * as Credentials from "../../../src/Auth/Credentials.ts"
import * as AuthorizationData from "../../../src/Auth/internal/AuthorizationData.ts"
import * as KrbError from "../../../src/Auth/internal/KrbError.ts"
import * as MechanismChoice from "../../../src/Auth/internal/MechanismChoice.ts"
import * as NtlmCrypto from "../../../src/Auth/NtlmCrypto.ts"
import * as NtlmMessage from "../../../src/Auth/NtlmMessage.ts"
import * as Spnego from "../../../src/Auth/Spnego.ts"
import * as Codec from "../../../src/Codec/Codec.ts"
import * as samba from "../../Auth/fixtures/samba.ts"
import * as windows from "../../Auth/fixtures/windows.ts"
import type { Target } from "../Engine.ts"
import { Broken, codec, family, holds, isStable, type Member, words } from "../Promises.ts"

const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"))

/** Recorded tokens, in the order of the wire. */
const logons = [windows.tokens, samba.user, samba.anonymous, samba.guest].map((tokens) => tokens.map(hex))
const tokens = logons.flat()

/** The NTLM messages in the tokens. */
const messages = tokens.flatMap((token) => {
  const at = Buffer.from(token).indexOf("NTLMSSP\0")
  return at < 0 ? [] : [token.slice(at)]
})

const ofType = (type: number) => messages.filter((message) => message[8] === type)

const spnego: Member = {
  name: "SPNEGO token",
  run: (input) => void isStable(input, Spnego.decode, Spnego.encode),
  seeds: tokens
}

const challengeOf = (bytes: Uint8Array) =>
  Result.getOrThrow(Codec.decode("AUTHENTICATE_MESSAGE", NtlmMessage.authenticate)(bytes)).ntChallengeResponse

const kerberos: Member = {
  name: "Kerberos' error",
  run: (input) => {
    const code = KrbError.codeOf(input)
    holds(code === undefined || Number.isInteger(code), "an error-code is no number")
    MechanismChoice.isKerberosToken(input)
  },
  seeds: [
    hex(
      "60430609" + "2a864886f71201020203007e333031a003020105a10302011ea411180f32303236313133303030303030305aa50302" +
        "0100a603020125a9061b04434f5250"
    ),
    hex("7e0b3009a003020105a603020120")
  ]
}

const authorizationData: Member = {
  name: "authorization data",
  run: (input) => {
    const [low = 0, high = 0] = input
    const adData = input.subarray(2)
    const objection = AuthorizationData.objection([{ adType: low | high << 8, adData }])
    holds(objection === undefined || objection.length < 500, "the objection is as long as the ticket")
  },
  seeds: [hex("0500" + "3021020101301c301aa003020101a1130411300f300da003020181a106040430000000"), hex("8000" + "0102")]
}

/** An NTLM message. The place of a version or a MIC that is not there is written as zeros. */
const ntlm = <A extends object>(name: string, structure: Codec.Codec<A>, type: number): Member => ({
  name,
  run: (input) =>
    void isStable(input, Codec.decode(name, structure), Codec.encode(structure), (one, other) => {
      const missing = Object.entries(one).filter(([, value]) => value === undefined).map(([key]) => [key, undefined])
      return isDeepStrictEqual(one, { ...other, ...Object.fromEntries(missing) })
    }),
  seeds: ofType(type)
})

export const tokensOfLogons = family("tokens", [
  ntlm("NEGOTIATE_MESSAGE", NtlmMessage.negotiate, 1),
  ntlm("CHALLENGE_MESSAGE", NtlmMessage.challenge, 2),
  ntlm("AUTHENTICATE_MESSAGE", NtlmMessage.authenticate, 3),
  codec("AV_PAIRs", AvPair.avPairs, ofType(2).map((message) => message.slice(56))),
  codec("NTLMv2_CLIENT_CHALLENGE", NtlmMessage.clientChallenge, ofType(3).map((m) => challengeOf(m).slice(16))),
  {
    name: "NTLMv2_RESPONSE",
    run: (input) =>
      void isStable(input, Codec.decode("NTLMv2_RESPONSE", Codec.make(16, NtlmMessage.ntlmV2Response, () => {}))),
    seeds: ofType(3).map(challengeOf)
  },
  spnego,
  kerberos,
  authorizationData
], { words: words("NTLMSSP\0", "NEGOEXTS") })

// -----------------------------------------------------------------------------
// whole logons
// -----------------------------------------------------------------------------

const ntHash = Redacted.make<Uint8Array>(NtlmCrypto.ntHash("secret"))

const acceptor = (): Acceptor.AcceptorSession =>
  Acceptor.make({
    computerName: "SERVER",
    lookup: ({ user }) => Effect.succeed(user === "" ? undefined : { _tag: "User", ntHash }),
    random: (length) => new Uint8Array(length).fill(7)
  })

/** Every failure is one of the type; a defect is a promise that was not kept. */
const ended = <A, E>(exit: Exit.Exit<A, E>): A | undefined => {
  if (Exit.isSuccess(exit)) return exit.value
  if (Cause.hasDies(exit.cause)) throw new Broken(`a defect: ${Cause.pretty(exit.cause)}`)
  return undefined
}

/** Two tokens: the first one's length comes first, in two bytes. */
const pair = (first: Uint8Array, second: Uint8Array): Uint8Array =>
  new Uint8Array(Buffer.concat([Uint8Array.of(first.length & 0xff, first.length >> 8), first, second]))

const split = (input: Uint8Array): readonly [Uint8Array, Uint8Array] => {
  const [low = 0, high = 0] = input
  const length = Math.min(low | high << 8, Math.max(input.length - 2, 0))
  return [input.slice(2, 2 + length), input.slice(2 + length)]
}

const server: Member = {
  name: "the server's side of a logon",
  run: (input) => {
    const session = acceptor()
    for (const token of split(input)) {
      const step = ended(Effect.runSyncExit(session.step(token)))
      holds(step?._tag !== "Accepted", "a logon without a proof of the password was accepted")
      if (step === undefined) break
    }
    session.release()
  },
  seeds: [
    ...logons.map((logon) => pair(logon.at(-4)!, logon.at(-2)!)),
    ...ofType(1).map((message) => pair(message, ofType(3)[0]!))
  ]
}

const client: Member = {
  name: "the client's side of a logon",
  run: (input) => {
    const credential = Credentials.password("joe", Redacted.make("secret"), { domain: "CORP" })
    const session = ended(Effect.runSyncExit(
      Effect.scoped(Authenticator.makeNtlm({ workstation: "HERE" }).make(credential, { server: "server" }))
    ))
    if (session === undefined) return
    const [first, second] = split(input)
    if (ended(Effect.runSyncExit(session.step(first))) === undefined) return
    if (ended(Effect.runSyncExit(session.step(second))) === undefined) return
    ended(Effect.runSyncExit(session.accept(second)))
  },
  seeds: logons.map((logon) => pair(logon[0]!, logon.at(-3)!))
}

export const logon: Target = family("logon", [server, client], { words: words("NTLMSSP\0") })
