/**
 * The acceptor's choice between Kerberos and NTLM in SPNEGO, with scripted Kerberos keys: which logons it accepts,
 * when it requires a MIC over the list of mechanisms (RFC 4178 5), and that it releases each Kerberos exchange.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Redacted, Result } from "effect"
import {
  Acceptor,
  AuthenticationError,
  Authenticator,
  AvPair,
  Credentials,
  Der,
  type KerberosKeys,
  Ntlm,
  NtlmCrypto,
  NtlmMessage,
  Spnego
} from "effect-smb/Auth"
import { Codec } from "effect-smb/Codec"
import { random } from "../random.ts"

const { kerberos, msKerberos, negoEx, ntlmssp } = Spnego.Mechanism
const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString())
const bytes = (of: string) => Uint8Array.from(Buffer.from(of))

const tooLate = new AuthenticationError.AuthenticationError({
  reason: { _tag: "ClockSkew" },
  detail: "the clocks differ",
  mechanism: "Kerberos"
})

/**
 * Keys that accept the token `ticket`, and sign with a word. They want another token after `half`, and refuse `late` with
 * a token that tells the client why. test/lab tests a real library.
 */
class Keys implements KerberosKeys.KerberosKeys {
  begun = 0
  released = 0

  begin(): KerberosKeys.Exchange {
    this.begun++
    let held = true
    const fail = (reason: "LogonRejected" | "IntegrityFailure") =>
      Effect.fail(
        new AuthenticationError.AuthenticationError({ reason: { _tag: reason }, detail: "no", mechanism: "Kerberos" })
      )
    return {
      step: (token) =>
        text(token) === "half"
          ? Effect.succeed({ token: bytes("more"), proven: undefined })
          : text(token) === "late"
          ? Effect.succeed({ token: bytes("why"), proven: undefined, refused: tooLate })
          : text(token) === "ticket"
          ? Effect.succeed({
            token: bytes("answer"),
            proven: { name: "joe", realm: "CORP.TEST", sessionKey: Redacted.make(bytes("0123456789abcdef")) }
          })
          : fail("LogonRejected"),
      sign: (message) => Effect.succeed(bytes(`server over ${message.length}`)),
      verify: (
        message,
        mic
      ) => (text(mic) === `client over ${message.length}` ? Effect.void : fail("IntegrityFailure")),
      release: () => {
        if (held) this.released++
        held = false
      }
    }
  }
}

const begin = (keys: Keys, known = "joe", waited: Effect.Effect<void> = Effect.void) =>
  Acceptor.make({
    computerName: "FILES",
    kerberos: keys,
    lookup: ({ domain, user }) =>
      Effect.as(
        waited,
        user === known && (domain === "CORP.TEST" || domain === "CORP")
          ? { _tag: "User", ntHash: Redacted.make(Uint8Array.from(NtlmCrypto.ntHash("Gehe1m!"))) } as const
          : undefined
      )
  })

const init = (mechTypes: ReadonlyArray<string>, mechToken?: Uint8Array) =>
  Spnego.encode({ _tag: "NegTokenInit", mechTypes, mechToken })

const answer = (token: Uint8Array): Spnego.NegTokenResp => {
  const decoded = Result.getOrThrow(Spnego.decode(token))
  assert(decoded._tag === "NegTokenResp")
  return decoded
}

const reasonOf = <A>(effect: Effect.Effect<A, AuthenticationError.AuthenticationError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

const mic = (mechTypes: ReadonlyArray<string>) => bytes(`client over ${Spnego.mechTypeList(mechTypes).length}`)

describe("an acceptor with Kerberos keys", () => {
  it.effect("offers both Kerberos mechanisms before NTLM, and NTLM alone without keys", () =>
    Effect.sync(() => {
      const offered = (offer: Uint8Array) => {
        const token = Result.getOrThrow(Spnego.decode(offer))
        return token._tag === "NegTokenInit" ? token.mechTypes : []
      }
      assert.deepStrictEqual(offered(Acceptor.offer(true)), [msKerberos, kerberos, ntlmssp])
      assert.deepStrictEqual(offered(Acceptor.offer(false)), [ntlmssp])
      assert.deepStrictEqual(offered(Acceptor.offer()), [ntlmssp])
    }))

  it.effect("accepts a ticket in the first token, for each object identifier of Kerberos", () =>
    Effect.gen(function*() {
      for (const mechTypes of [[msKerberos, kerberos, ntlmssp], [kerberos, ntlmssp], [kerberos]]) {
        const keys = new Keys()
        const done = yield* begin(keys).step(init(mechTypes, bytes("ticket")))
        assert(done._tag === "Accepted")
        const { mechListMic, negState, responseToken, supportedMech } = answer(done.token)
        assert.deepStrictEqual(
          [negState, supportedMech, text(responseToken), mechListMic],
          [Spnego.NegState.acceptCompleted, mechTypes[0], "answer", undefined]
        )
        assert.deepInclude(done, {
          guest: false,
          caller: { user: "joe", domain: "CORP.TEST", workstation: "", anonymous: false }
        })
        assert.strictEqual(text(Redacted.value(done.sessionKey!)), "0123456789abcdef")
        assert.deepStrictEqual([keys.begun, keys.released], [1, 1])
      }
    }))

  it.effect("rejects a wrong ticket, and a right ticket of an unknown user", () =>
    Effect.gen(function*() {
      const keys = new Keys()
      assert.strictEqual(yield* reasonOf(begin(keys).step(init([kerberos], bytes("stolen")))), "LogonRejected")
      assert.strictEqual(yield* reasonOf(begin(keys, "ann").step(init([kerberos], bytes("ticket")))), "LogonRejected")
      assert.deepStrictEqual([keys.begun, keys.released], [2, 2])
    }))

  it.effect("requires a mechListMIC when Kerberos is not the first mechanism of the client's list", () =>
    Effect.gen(function*() {
      const mechTypes = [negoEx, kerberos, ntlmssp]
      const keys = new Keys()
      const start = Effect.fnUntraced(function*(mechListMic?: Uint8Array) {
        const session = begin(keys)
        const first = yield* session.step(init(mechTypes, bytes("of another mechanism")))
        assert.deepInclude(answer(first.token), { negState: Spnego.NegState.requestMic, supportedMech: kerberos })
        const second = yield* session.step(
          Spnego.encode({ _tag: "NegTokenResp", responseToken: bytes("ticket"), mechListMic })
        )
        return { session, second }
      })
      const { second, session } = yield* start()
      assert.strictEqual(second._tag, "Continue")
      const { mechListMic, negState, responseToken } = answer(second.token)
      assert.deepStrictEqual(
        [negState, text(responseToken), text(mechListMic)?.startsWith("server over ")],
        [Spnego.NegState.acceptIncomplete, "answer", true]
      )
      const last = yield* session.step(Spnego.encode({ _tag: "NegTokenResp", mechListMic: mic(mechTypes) }))
      assert(last._tag === "Accepted")
      assert.strictEqual(answer(last.token).negState, Spnego.NegState.acceptCompleted)
      // The client can also send it with the ticket.
      assert.strictEqual((yield* start(mic(mechTypes))).second._tag, "Accepted")
      // A MIC over a list that was shortened on the way, and no MIC at all.
      for (const wrong of [mic([kerberos]), undefined]) {
        const { session } = yield* start()
        const token = Spnego.encode({ _tag: "NegTokenResp", negState: 0, mechListMic: wrong })
        assert.strictEqual(yield* reasonOf(session.step(token)), "IntegrityFailure")
        assert.strictEqual(yield* reasonOf(session.step(token)), "UnexpectedToken")
      }
      assert.strictEqual(yield* reasonOf(start(mic([kerberos]))), "IntegrityFailure")
      const { session: left } = yield* start()
      left.release()
      // The logon is released while a step runs.
      const lookedUp = yield* Deferred.make<void>()
      const late = begin(keys, "joe", Deferred.await(lookedUp))
      yield* late.step(init(mechTypes))
      const step = yield* Effect.forkChild(
        late.step(Spnego.encode({ _tag: "NegTokenResp", responseToken: bytes("ticket") })),
        { startImmediately: true }
      )
      late.release()
      yield* Deferred.succeed(lookedUp, undefined)
      assert.strictEqual((yield* Fiber.join(step))._tag, "Continue")
      assert.strictEqual(
        yield* reasonOf(late.step(Spnego.encode({ _tag: "NegTokenResp", mechListMic: mic(mechTypes) }))),
        "UnexpectedToken"
      )
      const early = begin(keys)
      yield* early.step(init(mechTypes))
      assert.strictEqual(yield* reasonOf(early.step(Spnego.encode({ _tag: "NegTokenResp" }))), "UnexpectedToken")
      assert.deepStrictEqual([keys.begun, keys.released], [8, 8])
    }))

  it.effect("verifies a mechListMIC that comes with the ticket, and returns its own", () =>
    Effect.gen(function*() {
      const mechTypes = [kerberos, ntlmssp]
      const keys = new Keys()
      const start = (mechListMic: Uint8Array) =>
        begin(keys).step(Spnego.encode({ _tag: "NegTokenInit", mechTypes, mechToken: bytes("ticket"), mechListMic }))
      const done = yield* start(mic(mechTypes))
      assert(done._tag === "Accepted")
      assert.isTrue(text(answer(done.token).mechListMic)?.startsWith("server over "))
      for (const wrong of [mic([kerberos]), new Uint8Array(0)]) {
        assert.strictEqual(yield* reasonOf(start(wrong)), "IntegrityFailure")
      }
      assert.deepStrictEqual([keys.begun, keys.released], [3, 3])
    }))

  it.effect("gives a guest no session key, also with a right ticket", () =>
    Effect.gen(function*() {
      const server = Acceptor.make({
        computerName: "FILES",
        kerberos: new Keys(),
        lookup: () => Effect.succeed({ _tag: "Guest" } as const)
      })
      const done = yield* server.step(init([kerberos], bytes("ticket")))
      assert.deepInclude(done, { guest: true, sessionKey: undefined })
    }))

  it.effect("logs a client on by NTLM when the client offers only NTLM", () =>
    Effect.gen(function*() {
      const keys = new Keys()
      const server = begin(keys)
      const client = yield* Authenticator.makeNtlm().make(
        Credentials.password("CORP\\joe", Redacted.make("Gehe1m!")),
        { server: "files" }
      )
      const first = yield* server.step((yield* client.step(Acceptor.offer(true))).token)
      const last = yield* server.step((yield* client.step(first.token)).token)
      assert.strictEqual(last._tag, "Accepted")
      assert.strictEqual(keys.begun, 0)
    }))

  it.effect("tells a client why its ticket is refused, and gives it a second attempt but no third", () =>
    Effect.gen(function*() {
      const mechTypes = [kerberos, ntlmssp]
      const keys = new Keys()
      const start = Effect.fnUntraced(function*() {
        const session = begin(keys)
        const early = bytes("a MIC of the first attempt")
        const refused = yield* session.step(
          Spnego.encode({ _tag: "NegTokenInit", mechTypes, mechToken: bytes("late"), mechListMic: early })
        )
        assert(refused._tag === "Continue")
        assert.strictEqual(refused.refused, tooLate)
        const { negState, responseToken, supportedMech } = answer(refused.token)
        assert.deepStrictEqual(
          [negState, supportedMech, text(responseToken)],
          [Spnego.NegState.acceptIncomplete, kerberos, "why"]
        )
        return session
      })
      const again = (token: string) => Spnego.encode({ _tag: "NegTokenResp", responseToken: bytes(token) })
      const session = yield* start()
      // The first exchange is released at once, and the second attempt has a new one.
      assert.deepStrictEqual([keys.begun, keys.released], [2, 1])
      // The MIC of the first attempt is gone with it.
      const done = yield* session.step(again("ticket"))
      assert(done._tag === "Accepted")
      assert.strictEqual(answer(done.token).mechListMic, undefined)
      assert.deepStrictEqual([keys.begun, keys.released], [2, 2])
      const third = yield* start()
      assert.strictEqual(yield* Effect.flip(third.step(again("late"))), tooLate)
      assert.strictEqual(yield* reasonOf(third.step(again("ticket"))), "UnexpectedToken")
      assert.deepStrictEqual([keys.begun, keys.released], [4, 4])
      // A client that goes away before its second attempt.
      const left = yield* start()
      left.release()
      left.release()
      assert.strictEqual(yield* reasonOf(left.step(again("ticket"))), "UnexpectedToken")
      assert.deepStrictEqual([keys.begun, keys.released], [6, 6])
    }))

  it.effect("waits for more tokens of one attempt, and keeps the first token's MIC until a key can check it", () =>
    Effect.gen(function*() {
      const mechTypes = [kerberos, ntlmssp]
      const keys = new Keys()
      const start = Effect.fnUntraced(function*(mechListMic: Uint8Array | undefined) {
        const session = begin(keys)
        const token = Spnego.encode({ _tag: "NegTokenInit", mechTypes, mechToken: bytes("half"), mechListMic })
        const first = yield* session.step(token)
        // The owner of the buffer uses it again.
        token.fill(0)
        assert(first._tag === "Continue")
        assert.strictEqual(first.refused, undefined)
        const { mechListMic: own, negState, responseToken, supportedMech } = answer(first.token)
        assert.deepStrictEqual(
          [negState, supportedMech, text(responseToken), own],
          [Spnego.NegState.acceptIncomplete, kerberos, "more", undefined]
        )
        return yield* session.step(Spnego.encode({ _tag: "NegTokenResp", responseToken: bytes("ticket") }))
      })
      const done = yield* start(mic(mechTypes))
      assert(done._tag === "Accepted")
      const { mechListMic, responseToken, supportedMech } = answer(done.token)
      assert.isTrue(text(mechListMic)?.startsWith("server over "))
      // Only the first response names the mechanism.
      assert.deepStrictEqual([text(responseToken), supportedMech], ["answer", undefined])
      assert.strictEqual((yield* start(undefined))._tag, "Accepted")
      assert.strictEqual(yield* reasonOf(start(mic([kerberos]))), "IntegrityFailure")
      assert.deepStrictEqual([keys.begun, keys.released], [3, 3])
    }))

  it.effect("releases the exchange when a step is interrupted", () =>
    Effect.gen(function*() {
      const keys = new Keys()
      const session = begin(keys, "joe", Effect.never)
      const step = yield* Effect.forkChild(session.step(init([kerberos], bytes("ticket"))), { startImmediately: true })
      assert.deepStrictEqual([keys.begun, keys.released], [1, 0])
      yield* Fiber.interrupt(step)
      assert.deepStrictEqual([keys.begun, keys.released], [1, 1])
    }))

  it.effect("releases an exchange that wants more tokens when the logon was released during the step", () =>
    Effect.gen(function*() {
      const keys = new Keys()
      const session = begin(keys)
      const original = keys.begin.bind(keys)
      keys.begin = () => {
        const exchange = original()
        return { ...exchange, step: (token) => Effect.suspend(() => (session.release(), exchange.step(token))) }
      }
      assert.strictEqual((yield* session.step(init([kerberos], bytes("half"))))._tag, "Continue")
      assert.deepStrictEqual([keys.begun, keys.released], [1, 1])
      assert.strictEqual(
        yield* reasonOf(session.step(Spnego.encode({ _tag: "NegTokenResp", responseToken: bytes("ticket") }))),
        "UnexpectedToken"
      )
    }))

  it.effect("chooses NTLM, without a MIC, for a client whose list begins with NTLM", () =>
    Effect.gen(function*() {
      const keys = new Keys()
      const chosen = yield* begin(keys).step(init([ntlmssp, kerberos]))
      assert.deepInclude(answer(chosen.token), {
        negState: Spnego.NegState.acceptIncomplete,
        supportedMech: ntlmssp
      })
      assert.strictEqual(yield* reasonOf(begin(keys).step(init([negoEx]))), "NoCommonMechanism")
      assert.strictEqual(keys.begun, 0)
    }))
})

describe("a first token of Kerberos without SPNEGO", () => {
  const frame = (mechanism: string, content: Uint8Array) => Der.value(0x60, Der.identifier(mechanism), content)

  it.effect("is refused with NoCommonMechanism by a server without keys", () =>
    Effect.gen(function*() {
      const session = Acceptor.make({ computerName: "FILES", lookup: () => Effect.undefined })
      assert.strictEqual(yield* reasonOf(session.step(frame(kerberos, bytes("ticket")))), "NoCommonMechanism")
    }))

  it.effect("begins an exchange of Kerberos, and one of another mechanism is refused", () =>
    Effect.gen(function*() {
      for (
        const [mechanism, reason, begun] of [[kerberos, "LogonRejected", 1], [msKerberos, "LogonRejected", 1]] as const
      ) {
        const keys = new Keys()
        // The scripted keys accept no frame.
        assert.strictEqual(yield* reasonOf(begin(keys).step(frame(mechanism, bytes("x")))), reason)
        assert.deepStrictEqual([keys.begun, keys.released], [begun, begun])
      }
      for (const mechanism of [negoEx, "1.2.3"]) {
        const keys = new Keys()
        assert.strictEqual(yield* reasonOf(begin(keys).step(frame(mechanism, bytes("x")))), "MalformedToken")
        assert.strictEqual(keys.begun, 0)
      }
    }))

  it.effect("is refused when it is cut off, or has any other bytes", () =>
    Effect.gen(function*() {
      const next = random(4_121)
      const whole = frame(kerberos, bytes("of no use"))
      for (let turn = 0; turn < 500; turn++) {
        const token = turn < whole.length
          ? whole.subarray(0, turn)
          : whole.map((byte) => next(6) === 0 ? next(256) : byte)
        const keys = new Keys()
        const result = yield* Effect.result(begin(keys).step(token))
        assert.isTrue(Result.isFailure(result))
        assert.strictEqual(keys.begun, keys.released)
      }
    }))
})

describe("an acceptor without Kerberos keys", () => {
  /** The acceptor, and the callers that `lookup` and `turn` got, in this order. */
  const accepting = (refuses = false) => {
    const asked: Array<readonly ["lookup" | "turn", Acceptor.Caller]> = []
    const session = Acceptor.make({
      computerName: "FILES",
      lookup: (caller) =>
        Effect.sync((): Acceptor.Account | undefined => {
          asked.push(["lookup", caller])
          // An account that the caller of the acceptor gives to anonymous users too: it is no guest.
          if (caller.user === "joe" || caller.anonymous) {
            return { _tag: "User", ntHash: Redacted.make<Uint8Array>(NtlmCrypto.ntHash("Gehe1m!")) }
          }
          return caller.user === "visitor" ? { _tag: "Guest" } : undefined
        }),
      turn: (caller) =>
        Effect.suspend(() => {
          asked.push(["turn", caller])
          return refuses ? Effect.fail(tooLate) : Effect.void
        })
    })
    return { asked, session }
  }

  const identities = {
    joe: {
      _tag: "User",
      user: "joe",
      domain: "CORP",
      ntHash: Redacted.make<Uint8Array>(NtlmCrypto.ntHash("Gehe1m!"))
    },
    wrong: { _tag: "User", user: "joe", domain: "CORP", ntHash: Redacted.make(new Uint8Array(16)) },
    unknown: { _tag: "User", user: "eve", domain: "CORP", ntHash: Redacted.make(new Uint8Array(16)) },
    visitor: { _tag: "User", user: "visitor", domain: "CORP", ntHash: Redacted.make(new Uint8Array(16)) },
    anonymous: { _tag: "Anonymous" }
  } as const satisfies Record<string, Ntlm.NtlmIdentity>

  /** A logon by NTLM without SPNEGO. */
  const bare = Effect.fnUntraced(function*(session: Acceptor.AcceptorSession, identity: Ntlm.NtlmIdentity) {
    const negotiate = Ntlm.negotiate()
    const { token } = yield* session.step(negotiate)
    const { context, message } = Result.getOrThrow(Ntlm.authenticate(
      {
        identity,
        targetName: "cifs/files",
        workstation: "STATION",
        clientChallenge: new Uint8Array(8).fill(1),
        randomSessionKey: new Uint8Array(16).fill(9),
        time: 0n
      },
      negotiate,
      token
    ))
    return { context, done: yield* session.step(message) }
  })

  it.effect("logs a client on that has no SPNEGO, with an empty last token", () =>
    Effect.gen(function*() {
      const { asked, session } = accepting()
      const { context, done } = yield* bare(session, identities.joe)
      assert(done._tag === "Accepted")
      const caller = { user: "joe", domain: "CORP", workstation: "STATION", anonymous: false }
      assert.deepInclude(done, { caller, guest: false, token: new Uint8Array(0) })
      assert.deepStrictEqual(Redacted.value(done.sessionKey!), Redacted.value(context.sessionKey!))
      assert.deepStrictEqual(asked, [["lookup", caller], ["turn", caller]])
      assert.strictEqual(yield* reasonOf(session.step(Ntlm.negotiate())), "UnexpectedToken")
      const guest = yield* bare(accepting().session, identities.visitor)
      assert.deepInclude(guest.done, { guest: true, token: new Uint8Array(0), sessionKey: undefined })
      assert.strictEqual(yield* reasonOf(bare(accepting().session, identities.wrong)), "LogonRejected")
    }))

  it.effect("names itself in the challenge, by its computer's name where the options name nothing else", () =>
    Effect.gen(function*() {
      const names = (options: Partial<Acceptor.AcceptorOptions>) =>
        Effect.map(
          Acceptor.make({ computerName: "FILES", lookup: () => Effect.undefined, ...options }).step(Ntlm.negotiate()),
          ({ token }) => {
            const { targetInfo } = Result.getOrThrow(Codec.decode("CHALLENGE", NtlmMessage.challenge)(token))
            return [
              AvPair.avText(targetInfo, "MsvAvNbComputerName"),
              AvPair.avText(targetInfo, "MsvAvNbDomainName"),
              AvPair.avText(targetInfo, "MsvAvDnsComputerName"),
              AvPair.avText(targetInfo, "MsvAvDnsDomainName")
            ]
          }
        )
      assert.deepStrictEqual(yield* names({}), ["FILES", "FILES", "files", ""])
      assert.deepStrictEqual(
        yield* names({ domainName: "CORP", dnsComputerName: "files.corp.test", dnsDomainName: "corp.test" }),
        ["FILES", "CORP", "files.corp.test", "corp.test"]
      )
    }))

  it.effect("never makes an anonymous caller a user, even if lookup gives it the account of one", () =>
    Effect.gen(function*() {
      const { asked, session } = accepting()
      assert.strictEqual(yield* reasonOf(bare(session, identities.anonymous)), "LogonRejected")
      assert.deepStrictEqual(asked.map(([what, { anonymous }]) => [what, anonymous]), [["lookup", true]])
    }))

  it.effect("asks for a turn before each proof of a password, with or without an account, and for no guest", () =>
    Effect.gen(function*() {
      const turns = (identity: Ntlm.NtlmIdentity) => {
        const { asked, session } = accepting(true)
        return Effect.map(Effect.result(bare(session, identity)), (result) => ({
          asked: asked.map(([what]) => what),
          refused: Result.isFailure(result) && result.failure === tooLate
        }))
      }
      for (const identity of [identities.joe, identities.wrong, identities.unknown]) {
        assert.deepStrictEqual(yield* turns(identity), { asked: ["lookup", "turn"], refused: true })
      }
      assert.deepStrictEqual(yield* turns(identities.visitor), { asked: ["lookup"], refused: false })
    }))

  it.effect("is over after its release, also while it waits for a proof", () =>
    Effect.gen(function*() {
      const { session } = accepting()
      yield* session.step(Ntlm.negotiate())
      session.release()
      assert.strictEqual(yield* reasonOf(session.step(Ntlm.negotiate())), "UnexpectedToken")
      // Also when the release comes during a step: its answer is given, and no further step.
      const late: Acceptor.AcceptorSession = Acceptor.make({
        computerName: "FILES",
        lookup: () => Effect.succeed(undefined),
        random: (length) => (late.release(), new Uint8Array(length))
      })
      assert.strictEqual((yield* late.step(Ntlm.negotiate()))._tag, "Continue")
      assert.strictEqual(yield* reasonOf(late.step(Ntlm.negotiate())), "UnexpectedToken")
    }))
})
