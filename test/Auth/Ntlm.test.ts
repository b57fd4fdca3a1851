/**
 * NTLM messages, responses and keys: against the example of MS-NLMP 4.2.4, the capitals of Samba's toupper_m, and a
 * recorded logon between smbclient and smbd.
 */
import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import { createHash } from "node:crypto"
import * as AvPair from "../../src/Auth/AvPair.ts"
import * as Ntlm from "../../src/Auth/Ntlm.ts"
import * as NtlmCrypto from "../../src/Auth/NtlmCrypto.ts"
import * as NtlmMessage from "../../src/Auth/NtlmMessage.ts"
import * as Spnego from "../../src/Auth/Spnego.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import { Reader } from "../../src/Codec/Cursor.ts"
import * as samba from "./fixtures/samba.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const hashOf = (password: string) => Redacted.make<Uint8Array>(NtlmCrypto.ntHash(password))

const inside = (token: string): Uint8Array => {
  const decoded = Result.getOrThrow(Spnego.decode(hex(token)))
  return (decoded._tag === "NegTokenInit" ? decoded.mechToken : decoded.responseToken)!
}

// Input values: MS-NLMP 4.2.1 and 4.2.4.
describe("NTLMv2 with the values of MS-NLMP 4.2.4", () => {
  const serverChallenge = hex("0123456789abcdef")
  const targetInfo = hex("02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000")
  const avPairs = Result.getOrThrow(Codec.decode("AV_PAIRs", AvPair.avPairs)(targetInfo))
  const responseKey = NtlmCrypto.ntowfV2(NtlmCrypto.ntHash("Password"), "User", "Domain")
  const response = NtlmCrypto.computeResponse(responseKey, serverChallenge, {
    timeStamp: 0n,
    challengeFromClient: hex("aaaaaaaaaaaaaaaa"),
    avPairs
  })
  const randomSessionKey = hex("55555555555555555555555555555555")
  const flags = 0xe28a8233

  it("derives NTOWFv1 and NTOWFv2 of the document", () => {
    assert.strictEqual(toHex(NtlmCrypto.ntHash("Password")), "a4f49c406510bdcab6824ee7c30fd852")
    assert.strictEqual(toHex(responseKey), "0c868a403bfd7a93a3001ef22ef02e3f")
  })

  it("computes the LMv2 and NTLMv2 responses of the document", () => {
    assert.strictEqual(toHex(response.lmChallengeResponse), "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa")
    assert.strictEqual(
      toHex(response.ntChallengeResponse),
      "68cd0ab851e51c96aabc927bebef6a1c01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000" +
        toHex(targetInfo) + "00000000"
    )
  })

  it("derives the document's session base, exchange, signing and sealing keys", () => {
    assert.strictEqual(toHex(response.sessionBaseKey), "8de40ccadbc14a82f15cb0ad0de95ca3")
    assert.strictEqual(
      toHex(NtlmCrypto.exchangeKey(response.sessionBaseKey, randomSessionKey)),
      "c5dad2544fc9799094ce1ce90bc9d03e"
    )
    assert.strictEqual(toHex(NtlmCrypto.signKey(randomSessionKey, "client")), "4788dc861b4782f35d43fd98fe1a2d39")
    assert.strictEqual(toHex(NtlmCrypto.sealKey(flags, randomSessionKey, "client")), "59f600973cc4960a25480a7c196e4c58")
    // SEALKEY (3.4.5.3): as many bytes of the key as were agreed on.
    const { NTLMSSP_NEGOTIATE_128, NTLMSSP_NEGOTIATE_56 } = NtlmMessage.NegotiateFlags
    for (const [taken, bytes] of [[NTLMSSP_NEGOTIATE_128, 16], [NTLMSSP_NEGOTIATE_56, 7], [0, 5]] as const) {
      const sealed = createHash("md5").update(randomSessionKey.subarray(0, bytes))
        .update("session key to client-to-server sealing key magic constant\0").digest("hex")
      assert.strictEqual(toHex(NtlmCrypto.sealKey(taken, randomSessionKey, "client")), sealed)
    }
  })

  // 4.2.4.3: the offsets are 16 bytes lower than in today's messages, because there is no MIC.
  it("reads the document's AUTHENTICATE_MESSAGE, and accepts it with the right password only", () => {
    const message = hex(`
      4e544c4d535350000300000018001800 6c00000054005400840000000c000c00 48000000080008005400000010001000
      5c00000010001000d8000000358288e2 0501280a0000000f44006f006d006100 69006e00550073006500720043004f00
      4d005000550054004500520086c35097 ac9cec102554764a57cccc19aaaaaaaa aaaaaaaa68cd0ab851e51c96aabc927b
      ebef6a1c010100000000000000000000 00000000aaaaaaaaaaaaaaaa00000000 02000c0044006f006d00610069006e00
      01000c00530065007200760065007200 0000000000000000c5dad2544fc97990 94ce1ce90bc9d03e`)
    const claim = Result.getOrThrow(Ntlm.claim(message))
    assert.deepStrictEqual([claim.user, claim.domain, claim.workstation], ["User", "Domain", "COMPUTER"])
    assert.isUndefined(claim.message.mic)
    assert.deepStrictEqual(claim.message.version, {
      productMajorVersion: 5,
      productMinorVersion: 1,
      productBuild: 2600,
      ntlmRevisionCurrent: 15
    })
    const state: Ntlm.Challenged = {
      serverChallenge,
      negotiateFlags: 0xe28a8235,
      negotiateMessage: new Uint8Array(0),
      challengeMessage: new Uint8Array(0)
    }
    const context = Result.getOrThrow(Ntlm.verify(state, claim, hashOf("Password")))
    assert.strictEqual(toHex(Redacted.value(context.sessionKey!)), toHex(randomSessionKey))
    assert(Result.isFailure(Ntlm.verify(state, claim, hashOf("password"))))
  })
})

describe("the user name in NTOWFv2", () => {
  const hash = NtlmCrypto.ntHash("secret")
  const key = (name: string) => Buffer.from(NtlmCrypto.ntowfV2(hash, name, "D")).toString("hex")

  // The capitals of Windows' table, as Samba's toupper_m gives them.
  it.each([
    ["straße", "STRAßE"],
    ["élan", "ÉLAN"],
    ["ıµſ", "ıµſ"],
    ["ǆǅ", "Ǆǅ"],
    ["жук", "ЖУК"],
    ["ﬁ", "ﬁ"],
    ["Γιώργος", "ΓΙΏΡΓΟΣ"],
    ["გიორგი", "გიორგი"]
  ])("%s is converted to %s", (name, upper) => {
    assert.strictEqual(key(name), Buffer.from(NtlmCrypto.ntowfV2OfCapitals(hash, upper, "D")).toString("hex"))
  })
})

describe("a recorded logon between smbclient and smbd", () => {
  const [, negotiateToken, challengeToken, authenticateToken, finalToken] = samba.user
  const negotiate = inside(negotiateToken)
  const challengeBytes = inside(challengeToken)
  const authenticateBytes = inside(authenticateToken)
  const challenge = Result.getOrThrow(Codec.decode("CHALLENGE_MESSAGE", NtlmMessage.challenge)(challengeBytes))
  const claim = Result.getOrThrow(Ntlm.claim(authenticateBytes))
  const state: Ntlm.Challenged = {
    serverChallenge: challenge.serverChallenge,
    negotiateFlags: challenge.negotiateFlags,
    negotiateMessage: negotiate,
    challengeMessage: challengeBytes
  }

  it("has a CHALLENGE_MESSAGE whose names, flags and timestamp are read", () => {
    assert.strictEqual(challenge.targetName, "AUTHLAB")
    assert.strictEqual(challenge.negotiateFlags, 0x628a8215)
    assert.strictEqual(AvPair.avText(challenge.targetInfo, "MsvAvNbDomainName"), "AUTHLAB")
    assert.strictEqual(AvPair.avText(challenge.targetInfo, "MsvAvDnsComputerName"), "vm")
    assert.strictEqual(AvPair.avTimestamp(challenge.targetInfo), 0x01dd79995fb2fcfen)
  })

  it("has an AUTHENTICATE_MESSAGE whose user, domain, target name and MIC flag are read", () => {
    assert.deepStrictEqual([claim.user, claim.domain, claim.workstation], ["smbauth", "LABGROUP", "AUTHLAB"])
    const response = NtlmMessage.ntlmV2Response(new Reader(claim.message.ntChallengeResponse))
    assert.strictEqual(AvPair.avText(response.clientChallenge.avPairs, "MsvAvTargetName"), "cifs/127.0.0.11")
    assert.strictEqual(AvPair.avFlags(response.clientChallenge.avPairs), AvPair.AvFlags.micProvided)
  })

  it("has a CHALLENGE_MESSAGE and a client challenge that are encoded to the recorded bytes", () => {
    assert.strictEqual(toHex(Codec.encode(NtlmMessage.challenge)(challenge)), toHex(challengeBytes))
    const read = NtlmMessage.ntlmV2Response(new Reader(claim.message.ntChallengeResponse))
    // Samba's client omits the four zeros that the document and Windows put at the end.
    assert.strictEqual(
      toHex(Codec.encode(NtlmMessage.clientChallenge)(read.clientChallenge)),
      toHex(read.temp) + "00000000"
    )
  })

  it("has the response, MIC and signatures that the password gives", () => {
    const context = Result.getOrThrow(Ntlm.verify(state, claim, hashOf("Passw0rd-äß")))
    const mechTypes = Spnego.mechTypeList([Spnego.Mechanism.ntlmssp])
    const fromClient = Result.getOrThrow(Spnego.decode(hex(authenticateToken)))
    const fromServer = Result.getOrThrow(Spnego.decode(hex(finalToken)))
    assert.isTrue(context.verify(mechTypes, fromClient.mechListMic!))
    assert.strictEqual(toHex(context.sign(mechTypes)!), toHex(fromServer.mechListMic!))
  })

  it("is refused with a wrong password, a changed MIC or a changed NEGOTIATE_MESSAGE", () => {
    const failure = (result: Result.Result<unknown, { readonly reason: { readonly _tag: string } }>) =>
      Result.isFailure(result) ? result.failure.reason._tag : "none"
    assert.strictEqual(failure(Ntlm.verify(state, claim, hashOf("wrong"))), "LogonRejected")
    assert.strictEqual(failure(Ntlm.verify(state, claim, undefined)), "LogonRejected")
    const hash = hashOf("Passw0rd-äß")
    const changed = authenticateBytes.slice()
    changed[NtlmMessage.micOffset]! ^= 1
    assert.strictEqual(failure(Ntlm.verify(state, Result.getOrThrow(Ntlm.claim(changed)), hash)), "IntegrityFailure")
    const downgraded = negotiate.slice()
    downgraded[15]! &= 0xdf
    const onTheWay = { ...state, negotiateMessage: downgraded }
    assert.strictEqual(failure(Ntlm.verify(onTheWay, claim, hash)), "IntegrityFailure")
  })

  it("is read as anonymous, and has no session key, when the user is anonymous", () => {
    const anonymous = Result.getOrThrow(Ntlm.claim(inside(samba.anonymous[3])))
    assert.isTrue(anonymous.anonymous)
    assert.isUndefined(Result.getOrThrow(Ntlm.verify(state, anonymous, undefined)).sessionKey)
  })
})

describe("the NTLM client", () => {
  const options: Ntlm.ClientOptions = {
    identity: { _tag: "User", user: "smbauth", domain: "LABGROUP", ntHash: hashOf("Passw0rd-äß") },
    targetName: "cifs/127.0.0.11",
    workstation: "AUTHLAB",
    clientChallenge: hex("0102030405060708"),
    randomSessionKey: hex("00112233445566778899aabbccddeeff"),
    time: 0n
  }
  const challengeBytes = inside(samba.user[2])

  it("answers smbd's CHALLENGE_MESSAGE with its timestamp, the target's name and a MIC", () => {
    const { context, message } = Result.getOrThrow(Ntlm.authenticate(options, Ntlm.negotiate(), challengeBytes))
    const claim = Result.getOrThrow(Ntlm.claim(message))
    const response = NtlmMessage.ntlmV2Response(new Reader(claim.message.ntChallengeResponse))
    assert.strictEqual(response.clientChallenge.timeStamp, 0x01dd79995fb2fcfen)
    assert.strictEqual(toHex(claim.message.lmChallengeResponse), "00".repeat(24))
    assert.deepStrictEqual(response.clientChallenge.avPairs.map((pair) => pair.avId), [2, 1, 4, 3, 7, 6, 10, 9])
    assert.strictEqual(toHex(Redacted.value(context.sessionKey!)), "00112233445566778899aabbccddeeff")
    assert.notStrictEqual(toHex(claim.message.mic!), "00".repeat(16))
  })

  const { NTLMSSP_NEGOTIATE_128, NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY, NTLMSSP_NEGOTIATE_NTLM } =
    NtlmMessage.NegotiateFlags
  const { NTLM_NEGOTIATE_OEM, NTLMSSP_NEGOTIATE_UNICODE } = NtlmMessage.NegotiateFlags

  /** The challenge of a server that clears some flags and sets others. */
  const without = (out: number, and = 0): Uint8Array => {
    const bytes = challengeBytes.slice()
    const view = new DataView(bytes.buffer)
    view.setUint32(20, (view.getUint32(20, true) & ~out | and) >>> 0, true)
    return bytes
  }

  it("refuses a server without extended session security as WeakSecurity, and shows no password", () => {
    const weak = without(NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY)
    const result = Ntlm.authenticate(options, Ntlm.negotiate(), weak)
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure.reason._tag, "WeakSecurity")
    assert.notInclude(result.failure.message, "Passw0rd")
  })

  it.each([
    ["128", NTLMSSP_NEGOTIATE_128, 0],
    ["NTLM", NTLMSSP_NEGOTIATE_NTLM, 0],
    ["UNICODE", NTLMSSP_NEGOTIATE_UNICODE, NTLM_NEGOTIATE_OEM],
    ["UNICODE and OEM", NTLMSSP_NEGOTIATE_UNICODE, 0],
    ["all of these", (NTLMSSP_NEGOTIATE_128 | NTLMSSP_NEGOTIATE_NTLM | NTLMSSP_NEGOTIATE_UNICODE) >>> 0, 0]
  ])("logs on to a server without %s with the same response and the same session key", (_name, out, and) => {
    const whole = Result.getOrThrow(Ntlm.authenticate(options, Ntlm.negotiate(), challengeBytes))
    const { context, message } = Result.getOrThrow(Ntlm.authenticate(options, Ntlm.negotiate(), without(out, and)))
    const [some, all] = [message, whole.message].map((bytes) => Result.getOrThrow(Ntlm.claim(bytes)).message)
    assert.strictEqual(toHex(some!.ntChallengeResponse), toHex(all!.ntChallengeResponse))
    assert.strictEqual(toHex(some!.encryptedRandomSessionKey), toHex(all!.encryptedRandomSessionKey))
    assert.strictEqual(toHex(Redacted.value(context.sessionKey!)), toHex(Redacted.value(whole.context.sessionKey!)))
    // The client does not set a flag that the server cleared (MS-NLMP 2.2.2.5).
    assert.strictEqual(context.negotiateFlags & out, 0)
    const oem = (out & NTLMSSP_NEGOTIATE_UNICODE) !== 0
    assert.strictEqual(context.negotiateFlags & NTLM_NEGOTIATE_OEM, oem ? NTLM_NEGOTIATE_OEM : 0)
    // UserNameFields, at byte 36: length, capacity, offset.
    const view = new DataView(message.buffer, message.byteOffset)
    const at = view.getUint32(40, true)
    const name = Buffer.from(message.subarray(at, at + view.getUint16(36, true)))
    const identity = options.identity as { readonly user: string }
    assert.strictEqual(name.toString(oem ? "ascii" : "utf16le"), identity.user)
  })

  it("refuses a Greek user name, and omits a Greek workstation, when the server has no Unicode", () => {
    const identity = { ...options.identity, user: "Γιώργος" } as Ntlm.NtlmIdentity
    const bytes = without(NTLMSSP_NEGOTIATE_UNICODE, NTLM_NEGOTIATE_OEM)
    const result = Ntlm.authenticate({ ...options, identity }, Ntlm.negotiate(), bytes)
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure.reason._tag, "InvalidCredential")
    assert.include(result.failure.message, "ASCII")
    const workstation = "ΥΠΟΛΟΓΙΣΤΗΣ"
    const { message } = Result.getOrThrow(Ntlm.authenticate({ ...options, workstation }, Ntlm.negotiate(), bytes))
    assert.strictEqual(Result.getOrThrow(Ntlm.claim(message)).workstation, "")
  })
})
