import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Credentials, Kerberos } from "effect-smb"
import { Spnego } from "effect-smb/Auth"

const offer = (...mechTypes: ReadonlyArray<string>) => Spnego.encode({ _tag: "NegTokenInit", mechTypes })
const { kerberos, msKerberos, ntlmssp } = Spnego.Mechanism
const password = Credentials.password("CORP\\alice", Redacted.make("s3cret-word"))
/** Nothing there: the library fails at once, and asks nobody. */
const ticket = Credentials.kerberos({ ccache: "/nowhere/ticket" })
const target = { server: "fs1.corp.test" }

const reasonOf = <A, R>(effect: Effect.Effect<A, { readonly reason: { readonly _tag: string } }, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

const mechanismsOf = (token: Uint8Array) => {
  const decoded = Spnego.decode(token)
  return decoded._tag === "Success" && decoded.success._tag === "NegTokenInit" ? decoded.success.mechTypes : undefined
}

describe("Kerberos", () => {
  it.effect("says so where the server has none", () =>
    Effect.gen(function*() {
      const session = yield* Kerberos.make().make(ticket, target)
      assert.strictEqual(yield* reasonOf(session.step(offer(ntlmssp))), "NoCommonMechanism")
      assert.isUndefined(session.sessionKey())
    }))

  it.effect("takes tickets and passwords, and nothing that proves nothing", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* reasonOf(Kerberos.make().make(Credentials.anonymous, target)), "InvalidCredential")
      assert.strictEqual(
        yield* reasonOf(Kerberos.make().make(Credentials.password("", Redacted.make("")), target)),
        "InvalidCredential"
      )
    }))

  it.effect("believes nobody who lets it in before it has begun", () =>
    Effect.gen(function*() {
      const session = yield* Kerberos.make().make(ticket, target)
      assert.strictEqual(yield* reasonOf(session.accept(new Uint8Array(0))), "UnexpectedToken")
    }))

  it.effect("fails without a ticket, or without the library, and begins no logon", () =>
    Effect.gen(function*() {
      const session = yield* Kerberos.make().make(ticket, target)
      const error = yield* Effect.flip(session.step(offer(msKerberos, kerberos, ntlmssp)))
      // The library is not on every machine that runs the units.
      assert.include(["NoCredential", "MechanismUnavailable"], error.reason._tag)
      assert.strictEqual(error.server, target.server)
    }))
})

describe("Kerberos or NTLM", () => {
  const first = Effect.fnUntraced(function*(
    credential: Credentials.Credential,
    options: Kerberos.NegotiateOptions,
    input: Uint8Array
  ) {
    const session = yield* Kerberos.makeNegotiate(options).make(credential, target)
    return mechanismsOf((yield* session.step(input)).token)
  })

  it.effect("goes by NTLM where the server offers nothing else, or there is no ticket", () =>
    Effect.gen(function*() {
      const both = Credentials.kerberos({ ccache: "/nowhere/ticket", fallback: password })
      assert.deepStrictEqual(yield* first(password, {}, offer(ntlmssp)), [ntlmssp])
      assert.deepStrictEqual(yield* first(both, {}, offer(ntlmssp)), [ntlmssp])
      assert.deepStrictEqual(yield* first(both, {}, offer(kerberos, ntlmssp)), [ntlmssp])
      // A NetBIOS domain is no realm.
      assert.deepStrictEqual(yield* first(password, {}, offer(kerberos, ntlmssp)), [ntlmssp])
      assert.deepStrictEqual(yield* first(Credentials.anonymous, {}, offer(kerberos, ntlmssp)), [ntlmssp])
    }))

  it.effect("does not where that is forbidden, or nobody gave a password", () =>
    Effect.gen(function*() {
      const both = Credentials.kerberos({ ccache: "/nowhere/ticket", fallback: password })
      const forbidden = { ntlm: "forbidden" } as const
      assert.strictEqual(yield* reasonOf(first(both, forbidden, offer(ntlmssp))), "NoCommonMechanism")
      assert.strictEqual(yield* reasonOf(first(ticket, {}, offer(ntlmssp))), "NoCommonMechanism")
      assert.include(
        ["NoCredential", "MechanismUnavailable"],
        yield* reasonOf(first(both, forbidden, offer(kerberos, ntlmssp)))
      )
      assert.strictEqual(yield* reasonOf(first(Credentials.anonymous, forbidden, offer(ntlmssp))), "InvalidCredential")
    }))
})
