/**
 * Kerberos by the system's library on both sides, without a domain: the tickets are made here. What they are good for, and
 * the MIC over the list of mechanisms beside them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, References, Result } from "effect"
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
  it.live("lets in who has a ticket, and nobody by another key's", () =>
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

/** The error-code of a KRB-ERROR in a first answer (RFC 4120 5.9.1): field 6, a small integer. */
const errorOf = (token: Uint8Array): number | undefined => {
  const error = answer(token).responseToken
  if (error === undefined) return undefined
  const text = Buffer.from(error).toString("hex")
  // TOK_ID of KRB_ERROR, and its tag.
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
    ["of a domain whose clock is ahead", 33, "ClockSkew", /not valid yet/, { ahead: hour }],
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
    it.live(`${what} is told why, and the next one is taken`, () =>
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
        // As Windows does once it knows the server's time.
        const good = Tickets.token(Tickets.ticket(key, session), session, { mutual: true })
        const done = yield* logon.step(Spnego.encode({ _tag: "NegTokenResp", responseToken: good }))
        assert.strictEqual(done._tag, "Accepted")
        // A second one that is no better is the last.
        const other = server()
        yield* other.step(first({ token: bad }))
        const last = yield* Effect.flip(other.step(Spnego.encode({ _tag: "NegTokenResp", responseToken: bad })))
        assert.strictEqual(last.reason._tag, reason)
        other.release()
      })))
  }

  it.live("is what our client says, and not that the password is wrong", () =>
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
          else assert.strictEqual(result.failure.reason._tag, "LogonRejected")
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
