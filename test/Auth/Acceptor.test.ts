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
  Credentials,
  type KerberosKeys,
  NtlmCrypto,
  Spnego
} from "effect-smb/Auth"

const { kerberos, msKerberos, negoEx, ntlmssp } = Spnego.Mechanism
const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString())
const bytes = (of: string) => Uint8Array.from(Buffer.from(of))

/** Keys that accept the token `ticket`, and sign with a word. test/lab tests a real library. */
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
        text(token) === "ticket"
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
      const offered = (has: boolean) => {
        const token = Result.getOrThrow(Spnego.decode(Acceptor.offer(has)))
        return token._tag === "NegTokenInit" ? token.mechTypes : []
      }
      assert.deepStrictEqual(offered(true), [msKerberos, kerberos, ntlmssp])
      assert.deepStrictEqual(offered(false), [ntlmssp])
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
})
