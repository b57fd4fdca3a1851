/**
 * Kerberos by the system's library on both sides, without a domain: the tickets are made here. What they are good for, and
 * the MIC over the list of mechanisms beside them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Credentials } from "effect-smb"
import { Acceptor, type AuthenticationError, Kerberos, KerberosKeys, Spnego } from "effect-smb/Auth"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as AuthorizationData from "../../src/Auth/internal/AuthorizationData.ts"
import * as Gssapi from "../../src/Auth/internal/Gssapi.ts"
import * as Tickets from "./tickets.ts"

const hasLibrary = Result.isSuccess(await Effect.runPromise(Effect.result(Gssapi.load)))
const { kerberos, msKerberos, ntlmssp } = Spnego.Mechanism
const key = Tickets.makeKey()
const session = Tickets.makeKey()

/** A folder, and the environment that the library reads: nothing of this machine's. */
const place = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "tickets-"))
    const file = (name: string, content: string | Uint8Array) => {
      const path = join(folder, name)
      writeFileSync(path, content, { mode: 0o600 })
      return path
    }
    const config = file(
      "krb5.conf",
      `[libdefaults]\ndefault_realm = ${Tickets.realm}\ndns_canonicalize_hostname = false\nrdns = false\n` +
        `dns_lookup_kdc = false\n[domain_realm]\n.corp.test = ${Tickets.realm}\n`
    )
    const before = { KRB5_CONFIG: process.env.KRB5_CONFIG, KRB5RCACHENAME: process.env.KRB5RCACHENAME }
    Object.assign(process.env, { KRB5_CONFIG: config, KRB5RCACHENAME: "none:" })
    return { folder, file, before }
  }),
  ({ before, folder }) =>
    Effect.sync(() => {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
      rmSync(folder, { recursive: true, force: true })
    })
)

const begin = Effect.gen(function*() {
  const { file } = yield* place
  const keys = yield* KerberosKeys.fromKeytab(file("keytab", Tickets.keytab(key)))
  const server = () =>
    Acceptor.make({
      computerName: "FS1",
      kerberos: keys,
      lookup: ({ user }) => Effect.succeed(user === "joe" ? { _tag: "User", ntHash: undefined } as const : undefined)
    })
  return { file, server }
})

const reasonOf = <A>(effect: Effect.Effect<A, AuthenticationError.AuthenticationError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

const answer = (token: Uint8Array): Spnego.NegTokenResp => {
  const decoded = Result.getOrThrow(Spnego.decode(token))
  assert(decoded._tag === "NegTokenResp")
  return decoded
}

const mechTypes = [kerberos, ntlmssp]
const list = Spnego.mechTypeList(mechTypes)

const first = (how: { readonly mic?: Uint8Array; readonly token?: Uint8Array } = {}) =>
  Spnego.encode({
    _tag: "NegTokenInit",
    mechTypes,
    mechToken: how.token ?? Tickets.token(Tickets.ticket(key, session), session),
    mechListMic: how.mic
  })

describe.skipIf(!hasLibrary)("a server's keytab", () => {
  it.live("lets in who has a ticket, and nobody by another key's", () =>
    Effect.scoped(Effect.gen(function*() {
      const { server } = yield* begin
      const done = yield* server().step(first())
      assert(done._tag === "Accepted")
      assert.deepInclude(done.caller, { user: "joe", domain: Tickets.realm })
      assert.isUndefined(answer(done.token).mechListMic)
      const forged = Tickets.token(Tickets.ticket(Tickets.makeKey(), session), session)
      assert.strictEqual(yield* reasonOf(server().step(first({ token: forged }))), "Rejected")
      const stolen = Tickets.token(Tickets.ticket(key, session), Tickets.makeKey())
      assert.strictEqual(yield* reasonOf(server().step(first({ token: stolen }))), "Rejected")
    })))

  it.live("believes the list of mechanisms that comes with a ticket only if its MIC is right", () =>
    Effect.scoped(Effect.gen(function*() {
      const { server } = yield* begin
      const done = yield* server().step(first({ mic: Tickets.mic(session, list) }))
      assert(done._tag === "Accepted")
      // Who proves the list is given the same proof back.
      assert.isDefined(answer(done.token).mechListMic)
      const right = Tickets.mic(session, list)
      for (
        const [what, mic] of [
          ["over another list", Tickets.mic(session, Spnego.mechTypeList([msKerberos, kerberos, ntlmssp]))],
          ["by another key", Tickets.mic(Tickets.makeKey(), list)],
          ["with a bit changed", Uint8Array.from(right, (byte, at) => (at === right.length - 1 ? byte ^ 1 : byte))],
          ["cut off", right.subarray(0, 20)],
          ["empty", new Uint8Array(0)]
        ] as const
      ) {
        const reason = yield* reasonOf(server().step(first({ mic })))
        assert.strictEqual(reason, "IntegrityFailure", what)
      }
    })))
})

const bytes = Buffer.from("whatever")
const unknown: Tickets.Element = [4242, bytes]
/** For the KDC alone. */
const known: Tickets.Element = [8, bytes]
const passedOver: Tickets.Element = [1, Tickets.authorization([unknown])]
const andOr = (count: number, ...elements: ReadonlyArray<Tickets.Element>): Tickets.Element => [
  5,
  Tickets.andOr(count, elements)
]
const deep = (depth: number): Tickets.Element => depth === 0 ? known : andOr(1, deep(depth - 1))

describe.skipIf(!hasLibrary)("authorization data of a ticket (RFC 4120 5.2.6)", () => {
  const cases: ReadonlyArray<readonly [string, boolean, ReadonlyArray<Tickets.Element>]> = [
    ["none", true, []],
    ["that may be passed over", true, [passedOver]],
    ["that only the KDC has to know", true, [[8, Tickets.authorization([unknown])]]],
    ["of an unknown type", false, [unknown]],
    ["of an unknown type with a negative number", false, [[-4242, bytes]]],
    ["of an unknown type behind one that is known", false, [known, passedOver, unknown]],
    ["of an unknown type that the KDC has issued", false, [[4, Tickets.kdcIssued([unknown])]]],
    ["of a known type that the KDC has issued", true, [[4, Tickets.kdcIssued([known])]]],
    ["one of two, where one is known", true, [andOr(1, unknown, known)]],
    ["both of two, where one is known", false, [andOr(2, unknown, known)]],
    ["both of two, where both are", true, [andOr(2, passedOver, known)]],
    ["one of none", false, [andOr(1)]],
    ["one in another", true, [deep(3)]],
    ["too deep one in another", false, [deep(40)]],
    ["that are damaged", false, [[5, bytes]]]
  ]
  it("of who the user is to Windows is known", () => {
    // With what is in a PAC the library deals.
    assert.isUndefined(AuthorizationData.objection([{ adType: 128, adData: bytes }]))
  })

  for (const [what, isIn, elements] of cases) {
    it.live(`${isIn ? "let in" : "let nobody in"}: ${what}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const { server } = yield* begin
        const authorization = elements.length === 0 ? undefined : Tickets.authorization(elements)
        for (
          const token of [
            Tickets.token(Tickets.ticket(key, session, { authorization }), session),
            // What its bearer adds to it counts as well.
            Tickets.token(Tickets.ticket(key, session), session, { authorization, mutual: true })
          ]
        ) {
          const result = yield* Effect.result(server().step(first({ token })))
          if (Result.isSuccess(result)) assert.strictEqual(result.success._tag, "Accepted")
          else assert.strictEqual(result.failure.reason, "Rejected")
          assert.strictEqual(Result.isSuccess(result), isIn)
        }
      })))
  }
})

describe.skipIf(!hasLibrary)("a client with a ticket", () => {
  const target = { server: Tickets.service }

  it.live("logs on, and believes no list of mechanisms whose MIC is wrong", () =>
    Effect.scoped(Effect.gen(function*() {
      const { file, server } = yield* begin
      const ccache = file("cache", Tickets.cache(Tickets.ticket(key, session), session))
      const client = Kerberos.make().make(Credentials.kerberos({ ccache }), target)
      const one = yield* client
      const done = yield* server().step((yield* one.step(Acceptor.offer(true))).token)
      assert(done._tag === "Accepted")
      yield* one.accept(done.token)
      assert.isDefined(one.sessionKey())
      // As somebody in between would have it.
      const other = yield* client
      const let_in = yield* server().step((yield* other.step(Acceptor.offer(true))).token)
      const changed = Spnego.encode({ ...answer(let_in.token), mechListMic: new Uint8Array(28).fill(4) })
      assert.strictEqual(yield* reasonOf(other.accept(changed)), "IntegrityFailure")
      assert.isUndefined(other.sessionKey())
    })))
})
