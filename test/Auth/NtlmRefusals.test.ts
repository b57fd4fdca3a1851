/**
 * Logons by NTLM that an acceptor must refuse, or must not give the key that the client wants: messages as a hostile
 * client makes them (MS-NLMP 3.2.5.1.2, RFC 4178 5). Also what an NTLM client refuses of a server.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import {
  Acceptor,
  type AuthenticationError,
  Authenticator,
  AvPair,
  Credentials,
  Ntlm,
  NtlmCrypto,
  NtlmMessage,
  Spnego
} from "effect-smb/Auth"
import { Codec } from "effect-smb/Codec"

const { has, NegotiateFlags: F } = NtlmMessage
const mechTypes = [Spnego.Mechanism.ntlmssp]
const list = Spnego.mechTypeList(mechTypes)
const zeros = new Uint8Array(16)
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))
const hashOf = NtlmCrypto.ntHash

const acceptor = (guest = false) =>
  Acceptor.make({
    computerName: "FILES",
    lookup: ({ anonymous, user }) =>
      Effect.succeed<Acceptor.Account | undefined>(
        user === "joe"
          ? { _tag: "User", ntHash: Redacted.make<Uint8Array>(hashOf("Gehe1m!")) }
          // This user logs on by Kerberos only.
          : user === "ann"
          ? { _tag: "User", ntHash: undefined }
          : guest && (anonymous || user === "eve")
          ? { _tag: "Guest" }
          : undefined
      )
  })

interface Lie {
  readonly user?: string
  readonly hash?: Uint8Array
  /** Flags of the NEGOTIATE_MESSAGE. */
  readonly asks?: number
  /** Flags of the AUTHENTICATE_MESSAGE, computed from the agreed flags. */
  readonly takes?: (agreed: number) => number
  readonly announcesMic?: boolean
  /** Replaces the right MIC; `none` leaves no room for a MIC. */
  readonly mic?: Uint8Array | "none"
  /** The NEGOTIATE_MESSAGE that the MIC covers, as if a third party had changed it on the way. */
  readonly saw?: (negotiate: Uint8Array) => Uint8Array
  readonly response?: Uint8Array
  readonly lmResponse?: Uint8Array
  readonly encryptedKey?: Uint8Array
  readonly mechListMic?: (right: Uint8Array) => Uint8Array | undefined
}

const signing = F.NTLMSSP_NEGOTIATE_SIGN | F.NTLMSSP_NEGOTIATE_ALWAYS_SIGN
const everything = F.NTLMSSP_NEGOTIATE_UNICODE | F.NTLMSSP_REQUEST_TARGET | F.NTLMSSP_NEGOTIATE_SIGN |
  F.NTLMSSP_NEGOTIATE_NTLM | F.NTLMSSP_NEGOTIATE_ALWAYS_SIGN | F.NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY |
  F.NTLMSSP_NEGOTIATE_TARGET_INFO | F.NTLMSSP_NEGOTIATE_VERSION | F.NTLMSSP_NEGOTIATE_128 |
  F.NTLMSSP_NEGOTIATE_KEY_EXCH | F.NTLMSSP_NEGOTIATE_56

/** The message without the field of the MIC before its payload, as older clients wrote it. */
const withoutMic = (message: Uint8Array): Uint8Array => {
  const { micOffset } = NtlmMessage
  const short = Buffer.concat([message.subarray(0, micOffset), message.subarray(micOffset + 16)])
  for (let at = 16; at <= 56; at += 8) short.writeUInt32LE(short.readUInt32LE(at) - 16, at)
  return short
}

/** A NEGOTIATE_MESSAGE by itself. */
const negotiateOf = (flags: number) =>
  Codec.encode(NtlmMessage.negotiate)({
    negotiateFlags: flags >>> 0,
    domainName: "",
    workstation: "",
    version: NtlmMessage.version
  })

const inside = (token: Uint8Array): Uint8Array => {
  const decoded = Result.getOrThrow(Spnego.decode(token))
  assert(decoded._tag === "NegTokenResp")
  return Uint8Array.from(decoded.responseToken!)
}

/** A whole logon; `exchanged` is the key that the client wants, `base` the key that its password gives. */
const logOn = Effect.fnUntraced(function*(lie: Lie, guest = false) {
  const server = acceptor(guest)
  const negotiate = negotiateOf(lie.asks ?? everything)
  const first = yield* server.step(Spnego.encode({ _tag: "NegTokenInit", mechTypes, mechToken: negotiate }))
  const challengeBytes = inside(first.token)
  const challenge = Result.getOrThrow(Codec.decode("CHALLENGE_MESSAGE", NtlmMessage.challenge)(challengeBytes))
  const user = lie.user ?? "joe"
  const announcesMic = lie.announcesMic ?? true
  const response = NtlmCrypto.computeResponse(
    NtlmCrypto.ntowfV2(lie.hash ?? hashOf("Gehe1m!"), user, ""),
    challenge.serverChallenge,
    {
      timeStamp: AvPair.avTimestamp(challenge.targetInfo)!,
      challengeFromClient: new Uint8Array(8).fill(1),
      avPairs: [
        ...challenge.targetInfo,
        ...announcesMic ? [{ avId: AvPair.AvId.MsvAvFlags, value: Uint8Array.of(2, 0, 0, 0) }] : []
      ]
    }
  )
  const agreed = (lie.asks ?? everything) & challenge.negotiateFlags
  const negotiateFlags = (lie.takes?.(agreed) ?? agreed) >>> 0
  const base = response.sessionBaseKey
  const exchanged = new Uint8Array(16).fill(9)
  const exchanges = has(negotiateFlags, "NTLMSSP_NEGOTIATE_KEY_EXCH") && lie.encryptedKey?.length !== 0
  const key = exchanges ? exchanged : base
  const plain = Codec.encode(NtlmMessage.authenticate)({
    lmChallengeResponse: lie.lmResponse ?? new Uint8Array(24),
    ntChallengeResponse: lie.response ?? response.ntChallengeResponse,
    domainName: "",
    userName: user,
    workstation: "",
    encryptedRandomSessionKey: lie.encryptedKey ??
      (exchanges ? NtlmCrypto.exchangeKey(base, exchanged) : new Uint8Array(0)),
    negotiateFlags,
    version: NtlmMessage.version,
    mic: undefined
  })
  const message = lie.mic === "none"
    ? withoutMic(plain)
    : NtlmMessage.withMic(
      plain,
      lie.mic ?? NtlmCrypto.mic(key, lie.saw?.(negotiate) ?? negotiate, challengeBytes, plain)
    )
  const proof = NtlmCrypto.firstSignature(negotiateFlags, key, "client", list)
  const done = yield* server.step(Spnego.encode({
    _tag: "NegTokenResp",
    responseToken: message,
    mechListMic: lie.mechListMic === undefined ? undefined : lie.mechListMic(proof)
  }))
  assert(done._tag === "Accepted")
  return { done, base, exchanged }
})

const reasonOf = <A>(effect: Effect.Effect<A, AuthenticationError.AuthenticationError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

const flipped = (bytes: Uint8Array) => Uint8Array.from(bytes, (byte, at) => (at === 5 ? byte ^ 1 : byte))

describe("an NTLM logon", () => {
  const refused: ReadonlyArray<readonly [string, AuthenticationError.AuthenticationReason["_tag"], Lie]> = [
    ["a wrong password", "LogonRejected", { hash: hashOf("gehe1m!") }],
    ["the empty password", "LogonRejected", { hash: hashOf("") }],
    ["a hash of zeros for an unknown user", "LogonRejected", { user: "nobody", hash: zeros }],
    ["a hash of zeros for a user without an NT hash", "LogonRejected", { user: "ann", hash: zeros }],
    ["no name, but a response", "LogonRejected", { user: "" }],
    ["no name, but a response by a hash of zeros", "LogonRejected", { user: "", hash: zeros }],
    ["no name, but an LM response", "WeakSecurity", { user: "", response: new Uint8Array(0) }],
    ["a name, but no response", "WeakSecurity", { response: new Uint8Array(0), lmResponse: new Uint8Array(0) }],
    ["a name, and the anonymous response", "WeakSecurity", {
      response: new Uint8Array(0),
      lmResponse: Uint8Array.of(0)
    }],
    ["no name, and the anonymous response", "LogonRejected", {
      user: "",
      response: new Uint8Array(0),
      lmResponse: Uint8Array.of(0),
      encryptedKey: new Uint8Array(0)
    }],
    ["a response of NTLMv1", "WeakSecurity", { response: new Uint8Array(24) }],
    ["a response that is longer than one of NTLMv1, and too short for NTLMv2", "MalformedToken", {
      response: new Uint8Array(25)
    }],
    ["an announced MIC that is missing", "IntegrityFailure", { mic: "none" }],
    ["a MIC of zeros", "IntegrityFailure", { mic: zeros }],
    ["a MIC of something else", "IntegrityFailure", { mic: new Uint8Array(16).fill(7) }],
    ["a MIC over another NEGOTIATE_MESSAGE", "IntegrityFailure", { saw: (negotiate) => flipped(negotiate) }],
    ["no key to exchange", "MalformedToken", { encryptedKey: new Uint8Array(0) }],
    ["too short a key to exchange", "MalformedToken", { encryptedKey: new Uint8Array(15) }],
    ["a key of one byte from a client that neither signs nor seals", "MalformedToken", {
      asks: everything & ~F.NTLMSSP_NEGOTIATE_SIGN,
      encryptedKey: new Uint8Array(1)
    }],
    ["too long a key to exchange", "MalformedToken", { encryptedKey: new Uint8Array(17) }],
    ["another key to exchange than the MIC was made by", "IntegrityFailure", { encryptedKey: zeros }],
    ["a mechListMIC with a bit changed", "IntegrityFailure", { mechListMic: flipped }],
    ["a mechListMIC of 15 bytes", "IntegrityFailure", { mechListMic: (right) => right.subarray(0, 15) }],
    ["a mechListMIC of 32 bytes", "IntegrityFailure", { mechListMic: (right) => Buffer.concat([right, right]) }],
    ["an empty mechListMIC", "IntegrityFailure", { mechListMic: () => new Uint8Array(0) }],
    ["a mechListMIC when the AUTHENTICATE_MESSAGE does not agree on signing", "IntegrityFailure", {
      takes: (agreed) => agreed & ~signing,
      mechListMic: (right) => right
    }],
    ["a mechListMIC when the NEGOTIATE_MESSAGE did not ask for signing", "IntegrityFailure", {
      asks: everything & ~signing,
      takes: (agreed) => agreed | signing,
      mechListMic: (right) => right
    }],
    ["a wrong mechListMIC when only NTLMSSP_NEGOTIATE_ALWAYS_SIGN was agreed", "IntegrityFailure", {
      asks: everything & ~F.NTLMSSP_NEGOTIATE_SIGN,
      mechListMic: flipped
    }],
    ["a key exchange that was not offered", "IntegrityFailure", {
      asks: everything & ~F.NTLMSSP_NEGOTIATE_KEY_EXCH,
      takes: (agreed) => agreed | F.NTLMSSP_NEGOTIATE_KEY_EXCH
    }]
  ]
  for (const [what, reason, lie] of refused) {
    it.effect(`is refused as ${reason} with ${what}`, () =>
      Effect.map(reasonOf(logOn(lie)), (found) => assert.strictEqual(found, reason)))
  }

  it.effect("is accepted with the right response, and has the session key that was agreed on", () =>
    Effect.gen(function*() {
      const right = (lie: Lie) =>
        Effect.map(logOn(lie), ({ base, done, exchanged }) => {
          const key = Redacted.value(done.sessionKey!)
          return Buffer.compare(key, exchanged) === 0 ? "exchanged" : Buffer.compare(key, base) === 0 ? "base" : "other"
        })
      assert.strictEqual(yield* right({}), "exchanged")
      assert.strictEqual(yield* right({ mechListMic: (mic) => mic }), "exchanged")
      assert.strictEqual(yield* right({ announcesMic: false, mic: "none" }), "exchanged")
      assert.strictEqual(yield* right({ takes: (agreed) => agreed & ~F.NTLMSSP_NEGOTIATE_KEY_EXCH }), "base")
      // A client that neither signs nor seals sends a key, or none.
      const asks = everything & ~F.NTLMSSP_NEGOTIATE_SIGN
      assert.strictEqual(yield* right({ asks }), "exchanged")
      assert.strictEqual(yield* right({ asks, encryptedKey: new Uint8Array(0) }), "base")
      // A key exchange that was not offered does not happen: the password gives the key.
      assert.strictEqual(
        yield* right({
          announcesMic: false,
          mic: "none",
          asks: everything & ~F.NTLMSSP_NEGOTIATE_KEY_EXCH,
          takes: (agreed) => agreed | F.NTLMSSP_NEGOTIATE_KEY_EXCH
        }),
        "base"
      )
    }))

  it.effect("is accepted with a right mechListMIC when only NTLMSSP_NEGOTIATE_ALWAYS_SIGN was agreed, and gets one", () =>
    Effect.gen(function*() {
      const asks = everything & ~F.NTLMSSP_NEGOTIATE_SIGN
      const { done } = yield* logOn({ asks, mechListMic: (right) => right })
      const token = Result.getOrThrow(Spnego.decode(done.token))
      assert.strictEqual(token.mechListMic?.length, 16)
    }))

  it.effect("is accepted in OEM characters when the client has no Unicode (MS-NLMP 2.2.2.5)", () =>
    Effect.gen(function*() {
      const oem = everything & ~F.NTLMSSP_NEGOTIATE_UNICODE | F.NTLM_NEGOTIATE_OEM
      const server = acceptor()
      const challengeOf = (flags: number) =>
        Effect.map(acceptor().step(negotiateOf(flags)), ({ token }) => Buffer.from(token))
      const bytes = yield* challengeOf(oem)
      assert.strictEqual(bytes.readUInt32LE(20) & 3, 2)
      // TargetName: its length and its offset.
      const target = bytes.subarray(bytes.readUInt32LE(16), bytes.readUInt32LE(16) + bytes.readUInt16LE(12))
      assert.strictEqual(target.toString("hex"), "46494c4553")
      // A client with both flags gets Unicode; a client without both is refused.
      assert.strictEqual((yield* challengeOf(everything | F.NTLM_NEGOTIATE_OEM)).readUInt32LE(20) & 3, 1)
      const none = everything & ~F.NTLMSSP_NEGOTIATE_UNICODE
      assert.strictEqual(yield* reasonOf(server.step(negotiateOf(none))), "MalformedToken")
      const { done, exchanged } = yield* logOn({ asks: oem })
      assert.deepStrictEqual(Redacted.value(done.sessionKey!), exchanged)
      assert.strictEqual(done.caller.user, "joe")
      assert.strictEqual(yield* reasonOf(logOn({ asks: oem, hash: hashOf("gehe1m!") })), "LogonRejected")
    }))

  it.effect("fails with WeakSecurity when the client does not do NTLM (MS-NLMP 2.2.2.5)", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(acceptor().step(negotiateOf(everything & ~F.NTLMSSP_NEGOTIATE_NTLM)))
      assert.strictEqual(error.reason._tag, "WeakSecurity")
      assert.match(error.message, /does not do NTLM/)
    }))

  it("reads an OEM user name by code page 850", () => {
    // AUTHENTICATE_MESSAGE of a client without Unicode: "CORP", "jos" and 0x82, no workstation; MS-NLMP 2.2.1.3 by hand.
    const message = Buffer.from(
      "4e544c4d5353500003000000" + "0000000040000000" + "0000000040000000" + "0400040040000000" + "0400040044000000" +
        "0000000048000000" + "0000000048000000" + "02020000" + "434f5250" + "6a6f7382",
      "hex"
    )
    assert.deepInclude(Result.getOrThrow(Ntlm.claim(message)), { user: "jos\u00e9", domain: "CORP", workstation: "" })
  })

  it.effect("of a guest has no session key, with any response", () =>
    Effect.gen(function*() {
      for (const lie of [{ user: "eve" }, { user: "eve", hash: zeros }]) {
        const { done } = yield* logOn(lie, true)
        assert.deepInclude(done, { guest: true, sessionKey: undefined })
      }
      // An anonymous user's key is no secret: RC4 by a key of zeros, or zeros if the client sends no key.
      const anonymous = { user: "", response: new Uint8Array(0), lmResponse: Uint8Array.of(0) }
      for (
        const [encryptedKey, key] of [
          [new Uint8Array(0), "00000000000000000000000000000000"],
          // The first bytes of RC4 with a key of 16 zeros: their exchange gives zeros, and zeros give them.
          [bytes("de188941a3375d3a8a061e67576e926d"), "00000000000000000000000000000000"],
          [new Uint8Array(16), "de188941a3375d3a8a061e67576e926d"]
        ] as const
      ) {
        const { done } = yield* logOn({ ...anonymous, encryptedKey }, true)
        assert(done._tag === "Accepted" && done.sessionKey !== undefined)
        assert.isTrue(done.guest)
        assert.strictEqual(Buffer.from(Redacted.value(done.sessionKey)).toString("hex"), key)
      }
      // A known user, and an empty name with a response, are not logged on as guest.
      assert.strictEqual(yield* reasonOf(logOn({ hash: zeros }, true)), "LogonRejected")
      assert.strictEqual(yield* reasonOf(logOn({ user: "" }, true)), "LogonRejected")
      assert.strictEqual(yield* reasonOf(logOn({ user: "", lmResponse: Uint8Array.of(0) }, true)), "LogonRejected")
    }))

  it.effect("fails when it begins with a NegTokenResp, or with a mechListMIC before a key exists", () =>
    Effect.gen(function*() {
      const mechToken = Ntlm.negotiate()
      const middle = Spnego.encode({ _tag: "NegTokenResp", responseToken: mechToken })
      assert.strictEqual(yield* reasonOf(acceptor().step(middle)), "UnexpectedToken")
      const signed = Spnego.encode({ _tag: "NegTokenInit", mechTypes, mechToken, mechListMic: zeros })
      assert.strictEqual(yield* reasonOf(acceptor().step(signed)), "IntegrityFailure")
    }))
})

describe("an NTLM client", () => {
  const challengeOf = (flags: number) =>
    Codec.encode(NtlmMessage.challenge)({
      targetName: "FILES",
      negotiateFlags: flags >>> 0,
      serverChallenge: new Uint8Array(8).fill(3),
      targetInfo: [AvPair.avName("MsvAvNbComputerName", "FILES")],
      version: NtlmMessage.version
    })
  const answerTo = (flags: number, identity: Ntlm.NtlmIdentity) =>
    Result.getOrThrow(Ntlm.authenticate(
      {
        identity,
        targetName: "cifs/files",
        workstation: "",
        clientChallenge: new Uint8Array(8),
        randomSessionKey: new Uint8Array(16).fill(9),
        time: 0n
      },
      Ntlm.negotiate(),
      challengeOf(flags)
    ))

  it("exchanges no key without signing, and signs nothing when it is anonymous (MS-NLMP 3.1.5.1.2)", () => {
    const identity: Ntlm.NtlmIdentity = {
      _tag: "User",
      user: "joe",
      domain: "",
      ntHash: Redacted.make<Uint8Array>(hashOf("x"))
    }
    const { context, message } = answerTo(everything & ~F.NTLMSSP_NEGOTIATE_SIGN, identity)
    const { message: sent } = Result.getOrThrow(Ntlm.claim(message))
    assert.strictEqual(sent.encryptedRandomSessionKey.length, 0)
    assert.strictEqual(sent.negotiateFlags & F.NTLMSSP_NEGOTIATE_KEY_EXCH, 0)
    assert.notStrictEqual(Buffer.from(Redacted.value(context.sessionKey!)).toString("hex"), "09".repeat(16))
    const { context: nobody, message: unnamed } = answerTo(everything, { _tag: "Anonymous" })
    // The random key goes under a key of 16 zeros (MS-NLMP 3.4.5.1): both sides know that one, so it protects nothing.
    assert.deepStrictEqual(
      Uint8Array.from(Result.getOrThrow(Ntlm.claim(unnamed)).message.encryptedRandomSessionKey),
      Uint8Array.from(NtlmCrypto.exchangeKey(zeros, new Uint8Array(16).fill(9)))
    )
    assert.isUndefined(nobody.sign(list))
    assert.isUndefined(nobody.sessionKey)
    assert.isFalse(nobody.verify(list, NtlmCrypto.firstSignature(everything >>> 0, zeros, "server", list)))
  })

  it.effect("fails with IntegrityFailure when the server's mechListMIC is wrong", () =>
    Effect.gen(function*() {
      for (
        const [change, believed] of [
          [(right: Uint8Array) => right, true],
          [flipped, false],
          [(right: Uint8Array) => right.subarray(0, 15), false],
          [() => new Uint8Array(0), false]
        ] as const
      ) {
        const server = acceptor()
        const client = yield* Authenticator.makeNtlm().make(
          Credentials.password("joe", Redacted.make("Gehe1m!")),
          { server: "files" }
        )
        const first = yield* server.step((yield* client.step(Acceptor.offer())).token)
        const last = yield* server.step((yield* client.step(first.token)).token)
        const token = Result.getOrThrow(Spnego.decode(last.token))
        assert(token._tag === "NegTokenResp" && token.mechListMic !== undefined)
        const changed = Spnego.encode({ ...token, mechListMic: change(token.mechListMic) })
        const result = yield* Effect.result(client.accept(changed))
        assert.strictEqual(Result.isSuccess(result), believed)
        if (Result.isFailure(result)) assert.strictEqual(result.failure.reason._tag, "IntegrityFailure")
      }
    }).pipe(Effect.scoped))

  it.effect("is unauthenticated with anonymous credentials and with the user name guest", () =>
    Effect.gen(function*() {
      const unauthenticated = (credential: Credentials.Credential) =>
        Effect.map(Authenticator.makeNtlm().make(credential, { server: "files" }), (one) => one.unauthenticated)
      const named = (user: string) => unauthenticated(Credentials.password(user, Redacted.make("x")))
      assert.isTrue(yield* unauthenticated(Credentials.anonymous))
      assert.isTrue(yield* named("guest"))
      assert.isTrue(yield* named("Guest"))
      assert.isFalse(yield* named("joe"))
    }).pipe(Effect.scoped))
})
