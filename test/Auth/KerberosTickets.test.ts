/**
 * Kerberos by the system's library on both sides, without a domain: the tests make the tickets. They prove which
 * tickets a server accepts (RFC 4120), what it says about others, and how both sides verify the MIC over the list of
 * mechanisms (RFC 4178 5).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted, References, Result } from "effect"
import { Credentials, SmbClient, TcpTransport } from "effect-smb"
import { Acceptor, type AuthenticationError, Kerberos, KerberosKeys, Spnego } from "effect-smb/Auth"
import { SmbServer, Store } from "effect-smb/Server"
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

/** A folder, and the environment that the library reads, without the configuration of this machine. */
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
      lookup: ({ user }) =>
        Effect.succeed(/^joe(@corp\.test)?$/.test(user) ? { _tag: "User", ntHash: undefined } as const : undefined)
    })
  return { file, server }
})

const reasonOf = <A>(effect: Effect.Effect<A, AuthenticationError.AuthenticationError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

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
  it.live("accepts a ticket by its key, and rejects a ticket by another key or with a wrong session key", () =>
    Effect.scoped(Effect.gen(function*() {
      const { server } = yield* begin
      const done = yield* server().step(first())
      assert(done._tag === "Accepted")
      assert.deepInclude(done.caller, { user: "joe", domain: Tickets.realm })
      assert.isUndefined(answer(done.token).mechListMic)
      const forged = Tickets.token(Tickets.ticket(Tickets.makeKey(), session), session)
      assert.strictEqual(yield* reasonOf(server().step(first({ token: forged }))), "LogonRejected")
      const stolen = Tickets.token(Tickets.ticket(key, session), Tickets.makeKey())
      assert.strictEqual(yield* reasonOf(server().step(first({ token: stolen }))), "LogonRejected")
    })))

  it.live("accepts a ticket without SPNEGO, for both identifiers of Kerberos, and its own token has no SPNEGO too", () =>
    Effect.scoped(Effect.gen(function*() {
      const { server } = yield* begin
      const ticket = Tickets.ticket(key, session)
      const done = yield* server().step(Tickets.token(ticket, session, { mutual: true }))
      assert(done._tag === "Accepted")
      assert.deepInclude(done.caller, { user: "joe", domain: Tickets.realm })
      assert.strictEqual(done.sessionKey && Redacted.value(done.sessionKey).length, 32)
      // TOK_ID of KRB_AP_REP, in the frame of RFC 2743 3.1.
      assert.match(Buffer.from(done.token).toString("hex"), /^60[0-9a-f]{2,6}06092a864886f71201020202006f/)
      const silent = yield* server().step(Tickets.token(ticket, session))
      assert(silent._tag === "Accepted")
      assert.strictEqual(silent.token.length, 0)
      const forged = Tickets.token(Tickets.ticket(Tickets.makeKey(), session), session)
      assert.strictEqual(yield* reasonOf(server().step(forged)), "LogonRejected")
      // A refused client gets KRB-ERROR, and may retry.
      const logon = server()
      const late = { ahead: 3_600_000, mutual: true }
      const told = yield* logon.step(Tickets.token(Tickets.ticket(key, session, late), session, late))
      assert(told._tag === "Continue" && told.refused !== undefined)
      assert.include(Buffer.from(told.token).toString("hex"), "01020203007e")
      assert.strictEqual((yield* logon.step(Tickets.token(ticket, session, { mutual: true })))._tag, "Accepted")
      const unknown = Tickets.ticket(key, session, {
        authorization: Tickets.authorization([[4242, new Uint8Array(1)]])
      })
      assert.strictEqual(yield* reasonOf(server().step(Tickets.token(unknown, session))), "LogonRejected")
    })))

  it.live("gives the whole name of a user whose name has an @, and refuses names with other escaped characters", () =>
    Effect.scoped(Effect.gen(function*() {
      const { server } = yield* begin
      const logOn = (user: string) => {
        const token = Tickets.token(Tickets.ticket(key, session, { user }), session, { user })
        return server().step(first({ token }))
      }
      const done = yield* logOn("joe@corp.test")
      assert(done._tag === "Accepted")
      assert.deepInclude(done.caller, { user: "joe@corp.test", domain: Tickets.realm })
      for (const user of ["joe\\@corp.test", "joe\\", "joe\n", ""]) {
        assert.strictEqual(yield* reasonOf(logOn(user)), "LogonRejected", JSON.stringify(user))
      }
    })))

  it.live("accepts a mechListMIC that comes with a ticket only when it is right", () =>
    Effect.scoped(Effect.gen(function*() {
      const { server } = yield* begin
      const done = yield* server().step(first({ mic: Tickets.mic(session, list) }))
      assert(done._tag === "Accepted")
      // A client that proves the list gets the server's proof.
      assert.isDefined(answer(done.token).mechListMic)
      const right = Tickets.mic(session, list)
      for (
        const [what, mic] of [
          ["of another list", Tickets.mic(session, Spnego.mechTypeList([msKerberos, kerberos, ntlmssp]))],
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

/** The error-code of a KRB-ERROR in the server's first token (RFC 4120 5.9.1): field 6, a small integer. */
const errorOf = (token: Uint8Array): number | undefined => {
  const error = answer(token).responseToken
  if (error === undefined) return undefined
  const text = Buffer.from(error).toString("hex")
  // TOK_ID of KRB-ERROR, and its tag.
  assert.match(text, /01020203007e/)
  return Number.parseInt(/a6030201(..)/.exec(text)![1]!, 16)
}

describe.skipIf(!hasLibrary)("a ticket that is refused", () => {
  const hour = 3_600_000
  const cases: ReadonlyArray<
    readonly [
      string,
      code: number,
      AuthenticationError.AuthenticationReason["_tag"],
      RegExp,
      Tickets.TicketOptions,
      Uint8Array?
    ]
  > = [
    ["from a client whose clock is behind", 37, "ClockSkew", /clocks of the client .* too far apart/, {
      ahead: -hour / 2
    }],
    ["from a domain whose clock is ahead", 33, "ClockSkew", /not valid yet/, { ahead: hour }],
    ["that has expired", 32, "LogonRejected", /has expired/, { ahead: -2 * hour }],
    ["by another key", 31, "LogonRejected", /another key than the domain/, {}, Tickets.makeKey()],
    [
      "by a key of another version",
      44,
      "LogonRejected",
      /no key of the ticket's version/,
      { version: 2 },
      Tickets.makeKey()
    ],
    [
      "for another name",
      35,
      "LogonRejected",
      /a name of which the keytab has no key/,
      { host: "fs2.corp.test" },
      Tickets.makeKey()
    ]
  ]
  for (const [what, code, reason, detail, options, by = key] of cases) {
    it.live(`${what} gets KRB-ERROR ${code}, the client's next ticket is accepted, and a second bad one fails`, () =>
      Effect.scoped(Effect.gen(function*() {
        const { server } = yield* begin
        const bad = Tickets.token(Tickets.ticket(by, session, options), session, { ...options, mutual: true })
        const logon = server()
        const told = yield* logon.step(first({ token: bad }))
        assert(told._tag === "Continue" && told.refused !== undefined)
        assert.strictEqual(errorOf(told.token), code)
        assert.strictEqual(answer(told.token).negState, Spnego.NegState.acceptIncomplete)
        assert.strictEqual(told.refused.reason._tag, reason, told.refused.detail)
        assert.match(told.refused.detail, detail)
        // Windows does this when it knows the server's time.
        const good = Tickets.token(Tickets.ticket(key, session), session, { mutual: true })
        const done = yield* logon.step(Spnego.encode({ _tag: "NegTokenResp", responseToken: good }))
        assert.strictEqual(done._tag, "Accepted")
        // After a second bad ticket the logon fails.
        const other = server()
        yield* other.step(first({ token: bad }))
        const last = yield* Effect.flip(other.step(Spnego.encode({ _tag: "NegTokenResp", responseToken: bad })))
        assert.strictEqual(last.reason._tag, reason)
        other.release()
      })))
  }

  it.live("makes our client fail with ClockSkew, IntegrityFailure or the KRB-ERROR's detail", () =>
    Effect.scoped(Effect.gen(function*() {
      const { file, server } = yield* begin
      const told = (options: Tickets.TicketOptions, by = key) =>
        Effect.gen(function*() {
          const ccache = file("cache", Tickets.cache(Tickets.ticket(by, session, options), session))
          const client = yield* Kerberos.make().make(Credentials.kerberos({ ccache }), { server: Tickets.service })
          const { token } = yield* server().step((yield* client.step(Acceptor.offer(true))).token)
          return yield* Effect.flip(client.step(token))
        })
      assert.strictEqual((yield* told({ ahead: hour })).reason._tag, "ClockSkew")
      assert.strictEqual((yield* told({}, Tickets.makeKey())).reason._tag, "IntegrityFailure")
      assert.match((yield* told({ version: 2 }, Tickets.makeKey())).detail, /no key of the ticket's version/)
    })))
})

describe.skipIf(!hasLibrary)("a server with a keytab", () => {
  it.live("tells the client and the log why a ticket is refused", () => {
    const log: Array<Readonly<Record<string, unknown>>> = []
    const logger = Logger.make(({ fiber }) => void log.push(fiber.getRef(References.CurrentLogAnnotations)))
    return Effect.scoped(Effect.gen(function*() {
      const { file } = yield* place
      const { port } = yield* SmbServer.make({
        host: "127.0.36.14",
        port: 0,
        users: { find: (name) => Effect.succeed({ name }) },
        kerberos: yield* KerberosKeys.fromKeytab(file("keytab", Tickets.keytab(key))),
        shares: { data: Store.MemoryStore.make() }
      })
      const stat = (options: Tickets.TicketOptions, by = key) =>
        Effect.flatMap(SmbClient.SmbClient, (smb) => smb.stat(`\\\\${Tickets.service}:${port}\\data`)).pipe(
          Effect.provide(
            SmbClient.layerWithAuthenticator().pipe(Layer.provide([
              TcpTransport.layer({
                lookup: (_, { all }, then) =>
                  all === true ? then(null, [{ address: "127.0.36.14", family: 4 }]) : then(null, "127.0.36.14", 4)
              }),
              Kerberos.layer(),
              Credentials.layer(Credentials.kerberos({
                ccache: file("cache", Tickets.cache(Tickets.ticket(by, session, options), session))
              }))
            ]))
          )
        )
      yield* stat({})
      const error = yield* Effect.flip(stat({ ahead: 3_600_000 }))
      assert.deepInclude(error, { _tag: "AuthenticationError", reason: { _tag: "ClockSkew" } })
      const refused = log.filter(({ event }) => event === "logon refused")
      assert.lengthOf(refused, 1)
      assert.match(String(refused[0]!.reason), /ticket is not valid yet/)
      yield* Effect.flip(stat({ version: 2 }, Tickets.makeKey()))
      assert.match(String(log.at(-1)!.reason), /no key of the ticket's version/)
    })).pipe(Effect.provide(Layer.fresh(Logger.layer([logger]))))
  })
})

const bytes = Buffer.from("any data")
const unknown: Tickets.Element = [4242, bytes]
/** AD-MANDATORY-FOR-KDC: only the KDC must understand it. */
const known: Tickets.Element = [8, bytes]
const passedOver: Tickets.Element = [1, Tickets.authorization([unknown])]
const andOr = (count: number, ...elements: ReadonlyArray<Tickets.Element>): Tickets.Element => [
  5,
  Tickets.andOr(count, elements)
]
const deep = (depth: number): Tickets.Element => depth === 0 ? known : andOr(1, deep(depth - 1))

describe.skipIf(!hasLibrary)("authorization data of a ticket (RFC 4120 5.2.6)", () => {
  const cases: ReadonlyArray<readonly [string, boolean, ReadonlyArray<Tickets.Element>]> = [
    ["no elements", true, []],
    ["AD-IF-RELEVANT with an unknown type", true, [passedOver]],
    ["AD-MANDATORY-FOR-KDC with an unknown type", true, [[8, Tickets.authorization([unknown])]]],
    ["an unknown type", false, [unknown]],
    ["an unknown type with a negative number", false, [[-4242, bytes]]],
    ["an unknown type after known types", false, [known, passedOver, unknown]],
    ["AD-KDCIssued with an unknown type", false, [[4, Tickets.kdcIssued([unknown])]]],
    ["AD-KDCIssued with a known type", true, [[4, Tickets.kdcIssued([known])]]],
    ["AD-AND-OR that needs one of two types, one of them known", true, [andOr(1, unknown, known)]],
    ["AD-AND-OR that needs both of two types, one of them known", false, [andOr(2, unknown, known)]],
    ["AD-AND-OR that needs both of two types, both known", true, [andOr(2, passedOver, known)]],
    ["AD-AND-OR that needs one type and has no element", false, [andOr(1)]],
    ["AD-AND-OR nested 3 deep", true, [deep(3)]],
    ["AD-AND-OR nested 40 deep", false, [deep(40)]],
    ["a damaged AD-AND-OR", false, [[5, bytes]]]
  ]
  it("is accepted with a PAC (type 128)", () => {
    // The library reads the PAC itself.
    assert.isUndefined(AuthorizationData.objection([{ adType: 128, adData: bytes }]))
  })

  for (const [what, isIn, elements] of cases) {
    it.live(`${isIn ? "is accepted" : "is rejected"}: ${what}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const { server } = yield* begin
        const authorization = elements.length === 0 ? undefined : Tickets.authorization(elements)
        for (
          const token of [
            Tickets.token(Tickets.ticket(key, session, { authorization }), session),
            // Elements that the client adds in its authenticator count too.
            Tickets.token(Tickets.ticket(key, session), session, { authorization, mutual: true })
          ]
        ) {
          const result = yield* Effect.result(server().step(first({ token })))
          if (Result.isSuccess(result)) assert.strictEqual(result.success._tag, "Accepted")
          else assert.strictEqual(result.failure.reason._tag, "LogonRejected")
          assert.strictEqual(Result.isSuccess(result), isIn)
        }
      })))
  }
})

describe.skipIf(!hasLibrary)("a client with a ticket", () => {
  const target = { server: Tickets.service }

  it.live("logs on, and fails with IntegrityFailure when the server's mechListMIC is wrong", () =>
    Effect.scoped(Effect.gen(function*() {
      const { file, server } = yield* begin
      const ccache = file("cache", Tickets.cache(Tickets.ticket(key, session), session))
      const client = Kerberos.make().make(Credentials.kerberos({ ccache }), target)
      const one = yield* client
      const done = yield* server().step((yield* one.step(Acceptor.offer(true))).token)
      assert(done._tag === "Accepted")
      yield* one.accept(done.token)
      assert.isDefined(one.sessionKey())
      // A third party on the way changes the MIC.
      const other = yield* client
      const let_in = yield* server().step((yield* other.step(Acceptor.offer(true))).token)
      const changed = Spnego.encode({ ...answer(let_in.token), mechListMic: new Uint8Array(28).fill(4) })
      assert.strictEqual(yield* reasonOf(other.accept(changed)), "IntegrityFailure")
      assert.isUndefined(other.sessionKey())
    })))
})
