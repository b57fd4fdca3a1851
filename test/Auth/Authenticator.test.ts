/**
 * Logons by NTLM in SPNEGO tokens: the client against recorded tokens of smbd and Windows, the acceptor against
 * recorded tokens of Samba's and impacket's clients, both against each other, and both against mutated tokens. Also
 * where credentials come from.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, ConfigProvider, Effect, Layer, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import { hostname } from "node:os"
import * as Acceptor from "../../src/Auth/Acceptor.ts"
import { AuthenticationError, type AuthenticationReason } from "../../src/Auth/AuthenticationError.ts"
import * as Authenticator from "../../src/Auth/Authenticator.ts"
import * as AvPair from "../../src/Auth/AvPair.ts"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as Entropy from "../../src/Auth/Entropy.ts"
import * as Ntlm from "../../src/Auth/Ntlm.ts"
import * as NtlmCrypto from "../../src/Auth/NtlmCrypto.ts"
import * as NtlmMessage from "../../src/Auth/NtlmMessage.ts"
import * as Spnego from "../../src/Auth/Spnego.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import { Reader } from "../../src/Codec/Cursor.ts"
import { NtStatus } from "../../src/Codec/NtStatusCode.ts"
import * as samba from "./fixtures/samba.ts"
import * as windows from "./fixtures/windows.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const fixed = (length: number) => new Uint8Array(length).fill(0x5a)
const ntlm = Authenticator.makeNtlm({ workstation: "STATION", random: fixed })
const target = { server: "127.0.0.11" }
const smbauth = Credentials.password("LABGROUP\\smbauth", Redacted.make("Passw0rd-äß"))
const reasonOf = <A, R>(effect: Effect.Effect<A, { readonly reason: { readonly _tag: string } }, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

describe("the NTLM authenticator", () => {
  it.effect("sends the recorded tokens that smbd accepted, and accepts smbd's last token", () =>
    Effect.gen(function*() {
      const [offer, negotiate, challenge, authenticate, final] = samba.ours
      const session = yield* ntlm.make(smbauth, target)
      const first = yield* session.step(hex(offer))
      assert.deepStrictEqual([toHex(first.token), first.done], [negotiate, false])
      const second = yield* session.step(hex(challenge))
      assert.deepStrictEqual([toHex(second.token), second.done], [authenticate, true])
      assert.strictEqual(toHex(Redacted.value(session.sessionKey()!)), "5a".repeat(16))
      yield* session.accept(hex(final))
    }))

  it.effect("says what the server announced of itself when its challenge has come, and nothing before", () =>
    Effect.gen(function*() {
      const session = yield* ntlm.make(smbauth, target)
      assert.deepStrictEqual([session.announced!(), session.sessionKey()], [undefined, undefined])
      yield* session.step(hex(samba.ours[0]))
      assert.isUndefined(session.announced!())
      yield* session.step(hex(samba.ours[2]))
      assert.strictEqual(session.announced!()?.computer, "AUTHLAB")
      // The bytes of VERSION in smbd's challenge are 06 01 00 00 (MS-NLMP 2.2.2.10).
      assert.strictEqual(session.announced!()?.version, "6.1.0")
    }))

  it.effect("fails with IntegrityFailure when the last token is signed by another session's key", () =>
    Effect.gen(function*() {
      const session = yield* ntlm.make(smbauth, target)
      yield* session.step(hex(samba.ours[0]))
      yield* session.step(hex(samba.ours[2]))
      assert.strictEqual(yield* reasonOf(session.accept(hex(samba.user[4]))), "IntegrityFailure")
    }))

  it.effect("accepts a server that sends no last token, and refuses one whose last token is no token", () =>
    Effect.gen(function*() {
      const session = yield* ntlm.make(smbauth, target)
      yield* session.step(hex(samba.ours[0]))
      assert.strictEqual(yield* reasonOf(session.accept(new Uint8Array(0))), "UnexpectedToken")
      yield* session.step(hex(samba.ours[2]))
      // The token is optional at the end (MS-SMB2 2.2.6, SecurityBufferLength): the response is signed.
      yield* session.accept(new Uint8Array(0))
      for (const length of [1, 2, 40]) {
        assert.strictEqual(yield* reasonOf(session.accept(new Uint8Array(length))), "MalformedToken")
      }
    }))

  it.effect("accepts smbd's last token of a guest logon, which has no mechListMIC", () =>
    Effect.gen(function*() {
      const session = yield* ntlm.make(smbauth, target)
      yield* session.step(new Uint8Array(0))
      yield* session.step(hex(samba.ours[2]))
      yield* session.accept(hex(samba.guest[4]))
    }))

  it.effect("logs on anonymously without a session key", () =>
    Effect.gen(function*() {
      const session = yield* ntlm.make(Credentials.anonymous, target)
      yield* session.step(hex(samba.anonymous[0]))
      const { done, token } = yield* session.step(hex(samba.anonymous[2]))
      assert.isTrue(done)
      assert.isUndefined(session.sessionKey())
      yield* session.accept(hex(samba.anonymous[4]))
      const decoded = Result.getOrThrow(Spnego.decode(token))
      assert(decoded._tag === "NegTokenResp")
      assert.isTrue(Result.getOrThrow(Ntlm.claim(decoded.responseToken!)).anonymous)
    }))

  it.effect("continues after the recorded NegTokenInit of Windows", () =>
    Effect.gen(function*() {
      const session = yield* ntlm.make(smbauth, target)
      const { done } = yield* session.step(hex(windows.tokens[0]))
      assert.isFalse(done)
    }))

  it.effect("fails with NoCommonMechanism, Malformed, UnexpectedToken or Rejected, depending on the token", () =>
    Effect.gen(function*() {
      const kerberosOnly = Spnego.encode({ _tag: "NegTokenInit", mechTypes: [Spnego.Mechanism.kerberos] })
      const begin = Effect.flatMap(
        ntlm.make(smbauth, target),
        (session) => Effect.as(session.step(new Uint8Array(0)), session)
      )
      const start = yield* ntlm.make(smbauth, target)
      assert.strictEqual(yield* reasonOf(start.step(kerberosOnly)), "NoCommonMechanism")
      assert.strictEqual(yield* reasonOf(start.step(hex("6001"))), "MalformedToken")
      assert.strictEqual(yield* reasonOf(start.step(hex(samba.user[2]))), "UnexpectedToken")
      assert.strictEqual(yield* reasonOf(start.accept(hex(samba.user[4]))), "UnexpectedToken")
      const rejected = Spnego.encode({ _tag: "NegTokenResp", negState: Spnego.NegState.reject })
      assert.strictEqual(yield* reasonOf((yield* begin).step(rejected)), "LogonRejected")
      const other = Spnego.encode({ _tag: "NegTokenResp", supportedMech: Spnego.Mechanism.kerberos })
      assert.strictEqual(yield* reasonOf((yield* begin).step(other)), "NoCommonMechanism")
      assert.strictEqual(yield* reasonOf((yield* begin).step(hex(samba.user[4]))), "UnexpectedToken")
    }))

  it.effect("refuses a second offer, a rejection and a token after the last message, and says which it was", () =>
    Effect.gen(function*() {
      const detailOf = <A>(effect: Effect.Effect<A, AuthenticationError>) =>
        Effect.map(Effect.flip(effect), ({ detail, reason }) => [reason._tag, detail])
      const begun = Effect.flatMap(
        ntlm.make(smbauth, target),
        (session) => Effect.as(session.step(new Uint8Array(0)), session)
      )
      assert.deepStrictEqual(yield* detailOf((yield* begun).step(hex(samba.ours[0]))), [
        "UnexpectedToken",
        "the server began a second logon in the middle of the first"
      ])
      const session = yield* begun
      yield* session.step(hex(samba.ours[2]))
      assert.deepStrictEqual(yield* detailOf(session.step(hex(samba.ours[2]))), [
        "UnexpectedToken",
        "the server wants to go on after the last message"
      ])
    }))

  it.effect("has no use for a ticket, and names the layers that have", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ntlm.make(Credentials.kerberos(), target))
      assert.strictEqual(error.reason._tag, "InvalidCredential")
      assert.include(error.detail, "Kerberos.layer")
    }))

  it.effect("offers NTLM to a server whose first token lists no mechanism", () =>
    Effect.gen(function*() {
      const session = yield* ntlm.make(smbauth, target)
      const { token } = yield* session.step(Spnego.encode({ _tag: "NegTokenInit", mechTypes: [] }))
      const begun = Result.getOrThrow(Spnego.decode(token))
      assert(begun._tag === "NegTokenInit")
      assert.deepStrictEqual(begun.mechTypes, [Spnego.Mechanism.ntlmssp])
    }))

  it.effect("names this machine by the host's name, in capitals and with at most 15 characters", () =>
    Effect.gen(function*() {
      const workstation = Effect.fnUntraced(function*(options: Authenticator.NtlmOptions) {
        const session = yield* Authenticator.makeNtlm(options).make(smbauth, target)
        yield* session.step(hex(samba.ours[0]))
        const { token } = yield* session.step(hex(samba.ours[2]))
        const decoded = Result.getOrThrow(Spnego.decode(token))
        assert(decoded._tag === "NegTokenResp")
        return Result.getOrThrow(Ntlm.claim(Uint8Array.from(decoded.responseToken!))).workstation
      })
      assert.strictEqual(yield* workstation({}), hostname().split(".")[0]!.toUpperCase().slice(0, 15))
      assert.strictEqual(yield* workstation({ workstation: "a-very-long-name-indeed" }), "a-very-long-nam")
    }))

  it.effect("refuses an NT hash of 4 bytes and an empty user name with InvalidCredential", () =>
    Effect.gen(function*() {
      const short = Credentials.ntHash("joe", Redacted.make(new Uint8Array(4)))
      assert.strictEqual(yield* reasonOf(ntlm.make(short, target)), "InvalidCredential")
      const nameless = Credentials.password("", Redacted.make("x"))
      const error = yield* Effect.flip(ntlm.make(nameless, target))
      assert.strictEqual(
        error.message,
        "Authentication by NTLM with 127.0.0.11 failed (InvalidCredential): " +
          "the user name is empty; use Credentials.anonymous to log on without a user"
      )
    }))
})

const lookup: Acceptor.AcceptorOptions["lookup"] = ({ anonymous, user }) =>
  Effect.succeed(
    anonymous || user === "visitor"
      ? { _tag: "Guest" }
      : user === "joe" || user === "Müller"
      ? { _tag: "User", ntHash: Redacted.make<Uint8Array>(NtlmCrypto.ntHash("Gehe1m!")) }
      : undefined
  )
const files = {
  computerName: "FILES",
  domainName: "CORP",
  dnsComputerName: "files.corp.test",
  dnsDomainName: "corp.test",
  lookup
}

describe("the acceptor", () => {
  it.effect("accepts the recorded tokens of Samba's client, and derives its session key", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(samba.gensecTime)
      const session = Acceptor.make({ ...files, random: fixed })
      const [negotiate, authenticate] = samba.gensec
      const first = yield* session.step(hex(negotiate))
      assert.strictEqual(first._tag, "Continue")
      const second = yield* session.step(hex(authenticate))
      assert(second._tag === "Accepted")
      assert.deepStrictEqual(second.caller, { user: "joe", domain: "CORP", workstation: "", anonymous: false })
      assert.strictEqual(toHex(Redacted.value(second.sessionKey!)), samba.gensecKey)
      // Samba's client asked for no integrity, so there is no MIC, and it accepted this token.
      assert.strictEqual(toHex(second.token), "a1073005a0030a0100")
      assert.strictEqual(yield* reasonOf(session.step(hex(negotiate))), "UnexpectedToken")
    }))

  it.effect("rejects a response to another challenge", () =>
    Effect.gen(function*() {
      const session = Acceptor.make(files)
      yield* session.step(hex(samba.gensec[0]))
      assert.strictEqual(yield* reasonOf(session.step(hex(samba.gensec[1]))), "LogonRejected")
    }))

  it.effect("verifies the recorded response of impacket's client, which has no MIC, and derives its session key", () =>
    Effect.sync(() => {
      const [negotiate, authenticate, sessionKey] = samba.impacket
      const { state } = Result.getOrThrow(Ntlm.challenge({
        ...files,
        serverChallenge: hex("0123456789abcdef"),
        time: 0x01dd799960000000n
      }, hex(negotiate)))
      const claim = Result.getOrThrow(Ntlm.claim(hex(authenticate)))
      assert.strictEqual(claim.user, "Müller")
      const context = Result.getOrThrow(
        Ntlm.verify(state, claim, Redacted.make(NtlmCrypto.ntHash("Gehe1m!")))
      )
      assert.strictEqual(toHex(Redacted.value(context.sessionKey!)), sessionKey)
    }))

  it.effect("sets the flags 56, 128 and VERSION for a client that did not ask for them", () =>
    Effect.gen(function*() {
      const bare = hex("4e544c4d53535000010000000502080000000000000000000000000000000000")
      const step = yield* Acceptor.make(files).step(bare)
      const flags = new DataView(Uint8Array.from(step.token).buffer).getUint32(20, true)
      assert.strictEqual((flags & 0xa2000000) >>> 0, 0xa2000000)
    }))

  const logon = Effect.fnUntraced(function*(credential: Credentials.Credential) {
    const client = yield* ntlm.make(credential, { server: "files" })
    const server = Acceptor.make(files)
    const first = yield* server.step((yield* client.step(Acceptor.offer())).token)
    const last = yield* server.step((yield* client.step(first.token)).token)
    assert(last._tag === "Accepted")
    yield* client.accept(last.token)
    return { client, last }
  })

  it.effect("derives the same session key as the client", () =>
    Effect.gen(function*() {
      const { client, last } = yield* logon(Credentials.password("joe@corp.test", Redacted.make("Gehe1m!")))
      assert.strictEqual(
        toHex(Redacted.value(last.sessionKey!)),
        toHex(Redacted.value(client.sessionKey()!))
      )
    }))

  it.effect("gives a guest no session key, and an anonymous user a key of 16 bytes that the client does not trust", () =>
    Effect.gen(function*() {
      const guest = yield* logon(Credentials.password("visitor", Redacted.make("?")))
      assert.isTrue(guest.last.guest)
      assert.isUndefined(guest.last.sessionKey)
      const anonymous = yield* logon(Credentials.anonymous)
      assert.isTrue(anonymous.last.guest)
      assert.strictEqual(Redacted.value(anonymous.last.sessionKey!).length, 16)
      assert.isUndefined(anonymous.client.sessionKey())
    }))

  it.effect("requires a mechListMIC from a client whose first mechanism is Kerberos", () =>
    Effect.gen(function*() {
      const mechTypes = [Spnego.Mechanism.kerberos, Spnego.Mechanism.ntlmssp]
      const server = Acceptor.make(files)
      const chosen = yield* server.step(Spnego.encode({ _tag: "NegTokenInit", mechTypes, mechToken: hex("0102") }))
      assert.strictEqual(toHex(chosen.token), "a1153013a0030a0103a10c060a2b06010401823702020a")
      const negotiate = Ntlm.negotiate()
      const challenge = yield* server.step(Spnego.encode({ _tag: "NegTokenResp", responseToken: negotiate }))
      const inner = Result.getOrThrow(Spnego.decode(challenge.token))
      assert(inner._tag === "NegTokenResp")
      const { message } = Result.getOrThrow(Ntlm.authenticate(
        {
          identity: {
            _tag: "User",
            user: "joe",
            domain: "",
            ntHash: Redacted.make<Uint8Array>(NtlmCrypto.ntHash("Gehe1m!"))
          },
          targetName: "cifs/files",
          workstation: "",
          clientChallenge: fixed(8),
          randomSessionKey: fixed(16),
          time: 0n
        },
        negotiate,
        inner.responseToken!
      ))
      const answer = Spnego.encode({ _tag: "NegTokenResp", responseToken: message })
      assert.strictEqual(yield* reasonOf(server.step(answer)), "IntegrityFailure")
    }))
})

describe("mutated and random tokens", () => {
  // xorshift, so that a failure can be repeated.
  const random = (seed: number) => () => {
    seed ^= seed << 13
    seed ^= seed >>> 17
    seed ^= seed << 5
    return seed >>> 0
  }
  const mutations = function*(token: Uint8Array, count: number) {
    const next = random(token.length + 1)
    for (let i = 0; i < count; i++) {
      const bytes = token.slice(0, next() % 4 === 0 ? next() % (token.length + 1) : token.length)
      for (let n = next() % 4; n >= 0 && bytes.length > 0; n--) {
        bytes[next() % bytes.length] = next() % 3 === 0 ? 0xff : next() & 0xff
      }
      yield bytes
    }
    for (let i = 0; i < count / 4; i++) yield Uint8Array.from({ length: next() % 200 }, () => next() & 0xff)
  }

  it.effect("never crash the client or the acceptor, and log on no user except as guest", () =>
    Effect.gen(function*() {
      const tried = { client: 0, server: 0 }
      for (const [offer, negotiate, challenge, authenticate, final] of [samba.ours, windows.tokens, samba.anonymous]) {
        for (const bytes of mutations(hex(offer), 100)) {
          yield* Effect.result(Effect.flatMap(ntlm.make(smbauth, target), (session) => session.step(bytes)))
        }
        for (const bytes of mutations(hex(challenge), 300)) {
          const session = yield* ntlm.make(smbauth, target)
          yield* session.step(hex(offer))
          const result = yield* Effect.result(session.step(bytes))
          if (Result.isSuccess(result)) {
            tried.client++
            yield* Effect.result(session.accept(bytes))
          }
        }
        for (const bytes of mutations(hex(final), 100)) {
          const session = yield* ntlm.make(smbauth, target)
          yield* session.step(hex(offer))
          yield* session.step(hex(challenge))
          yield* Effect.result(session.accept(bytes))
        }
        for (const bytes of mutations(hex(negotiate), 100)) {
          yield* Effect.result(Acceptor.make(files).step(bytes))
        }
        for (const bytes of mutations(hex(authenticate), 300)) {
          const session = Acceptor.make(files)
          yield* session.step(hex(negotiate))
          const result = yield* Effect.result(session.step(bytes))
          if (Result.isSuccess(result)) {
            assert(result.success._tag === "Accepted" && result.success.guest)
            tried.server++
          }
        }
      }
      // Some mutations must be accepted, or the test tried nothing.
      assert.isAbove(tried.client, 50)
      assert.isAbove(tried.server, 10)
    }))
})

describe("Credentials", () => {
  it.each([
    ["CORP\\joe", "joe", "CORP"],
    ["CORP/joe", "joe", "CORP"],
    [".\\joe", "joe", "."],
    ["joe@corp.test", "joe", "corp.test"],
    ["j@e@corp.test", "j@e", "corp.test"],
    ["CORP\\j@e", "j@e", "CORP"],
    ["joe", "joe", ""],
    ["@joe", "@joe", ""],
    ["joe@", "joe@", ""]
  ])("parseName splits %s into user %j and domain %j", (name, user, domain) => {
    assert.deepStrictEqual(Credentials.parseName(name), { user, domain })
  })

  const get = Effect.flatMap(Credentials.CredentialProvider, (provider) => provider.get({ server: "nas" }))
  const configured = (env: Record<string, string>) =>
    Effect.provide(
      get,
      Credentials.layerConfig().pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
      )
    )

  it.effect("come from SMB_USER, SMB_DOMAIN and SMB_PASSWORD, and show no password in JSON", () =>
    Effect.gen(function*() {
      const credential = yield* configured({ SMB_USER: "joe", SMB_DOMAIN: "CORP", SMB_PASSWORD: "hunter2" })
      assert(credential._tag === "Password")
      assert.deepStrictEqual([credential.user, credential.domain], ["joe", "CORP"])
      assert.strictEqual(Redacted.value(credential.password), "hunter2")
      assert.notInclude(JSON.stringify(credential), "hunter2")
      const inName = yield* configured({ SMB_USER: "LAB\\joe", SMB_DOMAIN: "CORP", SMB_PASSWORD: "x" })
      assert(inName._tag === "Password")
      assert.strictEqual(inName.domain, "LAB")
      const missing = yield* Effect.flip(configured({ SMB_USER: "joe" }))
      assert.include(String(missing), "SMB_PASSWORD")
    }))
})

describe("Authenticator.refusal", () => {
  const status = NtStatus.STATUS_LOGON_FAILURE
  const logon = (unauthenticated: boolean, said?: AuthenticationError): Authenticator.AuthenticatorSession => ({
    unauthenticated,
    step: () => Effect.die("not asked"),
    accept: () => Effect.void,
    sessionKey: () => undefined,
    ...(said === undefined ? {} : { refused: () => said })
  })
  const error = (reason: AuthenticationReason["_tag"]) =>
    new AuthenticationError({ reason: { _tag: reason }, detail: "its own words" })
  const input = Uint8Array.of(1)

  it("adds nothing without a logon, and for a user whose server says no more than its status", () => {
    assert.deepStrictEqual(Authenticator.refusal(undefined, { server: "nas", status, input }), {})
    assert.deepStrictEqual(Authenticator.refusal(logon(false), { server: "nas", status, input }), {})
    assert.deepStrictEqual(Authenticator.refusal(logon(false, error("ClockSkew")), { server: "nas", status }), {})
    const empty = { server: "nas", status, input: new Uint8Array(0) }
    assert.deepStrictEqual(Authenticator.refusal(logon(false, error("ClockSkew")), empty), {})
  })

  it("says that the server accepts no guests, by the statuses that mean that", () => {
    const { because } = Authenticator.refusal(logon(true), { server: "nas", status })
    assert.match(because!, /no guests/)
    for (
      const other of [NtStatus.STATUS_ACCOUNT_DISABLED, NtStatus.STATUS_NO_SUCH_USER, NtStatus.STATUS_ACCESS_DENIED]
    ) {
      assert.deepStrictEqual(Authenticator.refusal(logon(true), { server: "nas", status: other }), { because })
      assert.deepStrictEqual(Authenticator.refusal(logon(false), { server: "nas", status: other }), {})
    }
    const full = { server: "nas", status: NtStatus.STATUS_INSUFFICIENT_RESOURCES }
    assert.deepStrictEqual(Authenticator.refusal(logon(true), full), {})
  })

  it("reports the token's error instead if the user must act on it, and else its detail", () => {
    for (const reason of ["ClockSkew", "NoCredential"] as const) {
      const said = error(reason)
      assert.deepStrictEqual(Authenticator.refusal(logon(false, said), { server: "nas", status, input }), {
        error: said
      })
    }
    const said = error("IntegrityFailure")
    assert.deepStrictEqual(Authenticator.refusal(logon(false, said), { server: "nas", status, input }), {
      detail: "its own words"
    })
  })
})

describe("Authenticator.ntlmOptions", () => {
  it.effect("has the random bytes of Entropy, and the name and the time of Workstation", () =>
    Effect.gen(function*() {
      const plain = yield* Authenticator.ntlmOptions
      assert.deepStrictEqual(plain, { random: Entropy.system.bytes })
      const source = Entropy.seeded("h")
      const time = Effect.succeed(0x01dd79995fb2fcfen)
      const options = yield* Authenticator.ntlmOptions.pipe(
        Effect.provideService(Authenticator.Workstation, { workstation: "TESTER", now: time }),
        Effect.provideService(Entropy.Entropy, source)
      )
      assert.deepStrictEqual(options, { workstation: "TESTER", now: time, random: source.bytes })
    }))

  it.effect("gives the logons of layerNtlm their name, and their time if the server sends none", () =>
    Effect.gen(function*() {
      const session = yield* Effect.flatMap(
        Authenticator.Authenticator,
        (authenticator) => authenticator.make(smbauth, target)
      )
      const first = yield* session.step(new Uint8Array(0))
      const begun = Result.getOrThrow(Spnego.decode(first.token))
      assert(begun._tag === "NegTokenInit" && begun.mechToken !== undefined)
      const challenge = Codec.encode(NtlmMessage.challenge)({
        targetName: "FILES",
        negotiateFlags: Result.getOrThrow(
          Codec.decode("NEGOTIATE_MESSAGE", NtlmMessage.negotiate)(Uint8Array.from(begun.mechToken))
        ).negotiateFlags,
        serverChallenge: fixed(8),
        targetInfo: [AvPair.avName("MsvAvNbComputerName", "FILES")],
        version: NtlmMessage.version
      })
      const second = yield* session.step(Spnego.encode({ _tag: "NegTokenResp", responseToken: challenge }))
      const token = Result.getOrThrow(Spnego.decode(second.token))
      assert(token._tag === "NegTokenResp" && token.responseToken !== undefined)
      const claim = Result.getOrThrow(Ntlm.claim(Uint8Array.from(token.responseToken)))
      assert.strictEqual(claim.workstation, "TESTER")
      const { clientChallenge } = NtlmMessage.ntlmV2Response(new Reader(claim.message.ntChallengeResponse))
      assert.strictEqual(clientChallenge.timeStamp, 0x01dd79995fb2fcfen)
    }).pipe(
      Effect.scoped,
      Effect.provide(Authenticator.layerNtlm),
      Effect.provideService(Authenticator.Workstation, {
        workstation: "TESTER",
        now: Effect.succeed(0x01dd79995fb2fcfen)
      })
    ))
})

describe("Authenticator.now", () => {
  it.effect("gives the time in units of 100 ns since 1601", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2009, 6, 25, 23))
      assert.strictEqual(yield* Clock.currentTimeMillis, 1_248_562_800_000)
      // Python's (datetime(2009, 7, 25, 23) - datetime(1601, 1, 1)), in units of 100 ns
      assert.strictEqual(yield* Authenticator.now, 128_930_364_000_000_000n)
    }))
})
