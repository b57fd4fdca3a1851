import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { Credentials, DfsAdapter, Kerberos, SmbClient, TcpTransport } from "effect-smb"
import { readFile, writeFile } from "node:fs/promises"
import * as Domain from "./Domain.ts"
import { attempt } from "./Process.ts"

class World extends Context.Service<World, Domain.Domain & { readonly cache: string }>()("test/lab/Domain/World") {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function*() {
      const domain = yield* Domain.make
      yield* attempt(() => writeFile(domain.path("data", "who.txt"), "controller"))
      yield* attempt(() => writeFile(domain.path("far", "who.txt"), "member"))
      yield* attempt(() => writeFile(domain.path("dfs", "in-root.txt"), "root"))
      return { ...domain, cache: yield* domain.kinit("cache") }
    })
  )
}

const { domain } = Domain
const password = (name: string, text: string = domain.user.password) => Credentials.password(name, Redacted.make(text))
const byNtlm = password(`${domain.netbios}\\${domain.user.name}`)

interface Options extends SmbClient.Options {
  readonly authenticator?: typeof Kerberos.layer extends (...args: any) => infer L ? L : never
  readonly dfs?: DfsAdapter.DfsAdapterOptions
}

/** A client that knows the domain's names, by Kerberos with the ticket of kinit unless told otherwise. */
const client = Effect.fnUntraced(function*(credential?: Credentials.Credential, options: Options = {}) {
  const { cache, lookup } = yield* World
  const { authenticator, dfs, ...settings } = options
  const base = SmbClient.layerWithAuthenticator(settings).pipe(Layer.provide([
    authenticator ?? Kerberos.layer(),
    TcpTransport.layerWith({ lookup, connectTimeout: "2 seconds" }),
    Credentials.layer(credential ?? Credentials.kerberos({ ccache: cache }))
  ]))
  const context = yield* Layer.build(dfs === undefined ? base : DfsAdapter.layer(dfs).pipe(Layer.provide(base)))
  return Context.get(context as Context.Context<SmbClient.SmbClient>, SmbClient.SmbClient)
})

const why = <A, E extends { readonly _tag: string; readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) =>
    ({ ...error, message: error.message }) as {
      readonly _tag: string
      readonly reason?: string
      readonly message: string
    })

const who = (server: string, share = "data") => `\\\\${server}\\${share}\\who.txt`

layer(World.layer, { excludeTestServices: true, timeout: "120 seconds" })("a domain", (it) => {
  it.effect("lets in by Kerberos, in every dialect, signed and encrypted", () =>
    Effect.gen(function*() {
      const { path } = yield* World
      const protections = [
        ["2.0.2", "off"],
        ["2.1", "off"],
        ["3.0", "off"],
        ["3.0", "required"],
        ["3.0.2", "required"],
        ["3.1.1", "off"],
        ["3.1.1", "required"]
      ] as const
      for (const [dialect, encryption] of protections) {
        const smb = yield* client(undefined, { dialects: [dialect], signing: "required", encryption })
        assert.strictEqual(yield* smb.readFileString(who(domain.controller)), "controller")
        const name = `${dialect}-${encryption}.txt`
        yield* smb.writeFile(`\\\\${domain.controller}\\data\\${name}`, name)
        assert.strictEqual(yield* attempt(() => readFile(path("data", name), "utf8")), name)
      }
    }))

  it.effect("encrypts with the 256 bits of a Kerberos key on a server that has only AES-256", () =>
    Effect.gen(function*() {
      const smb = yield* client(undefined, { dialects: ["3.1.1"], encryption: "required" })
      assert.strictEqual(yield* smb.readFileString(who(domain.member, "far")), "member")
    }))

  it.effect("lets in by a keytab, by a password, and by NTLM", () =>
    Effect.gen(function*() {
      const { keytab } = yield* World
      const principal = `${domain.user.name}@${domain.realm}`
      for (
        const credential of [
          Credentials.kerberos({ keytab }),
          Credentials.kerberos({ keytab, principal }),
          password(`${domain.user.name}@${domain.dns}`),
          byNtlm
        ]
      ) {
        assert.strictEqual(yield* (yield* client(credential)).readFileString(who(domain.controller)), "controller")
      }
      for (const authenticator of [Kerberos.layerNegotiate()]) {
        const smb = yield* client(byNtlm, { authenticator })
        assert.strictEqual(yield* smb.readFileString(who(domain.member, "far")), "member")
      }
    }))

  it.effect("goes on by NTLM without a ticket, unless that is forbidden", () =>
    Effect.gen(function*() {
      const { scratch } = yield* World
      const credential = Credentials.kerberos({ ccache: scratch("none"), fallback: byNtlm })
      const smb = yield* client(credential, { authenticator: Kerberos.layerNegotiate() })
      assert.strictEqual(yield* smb.readFileString(who(domain.controller)), "controller")
      const strict = yield* client(credential, { authenticator: Kerberos.layerNegotiate({ ntlm: "forbidden" }) })
      assert.strictEqual((yield* why(strict.readFileString(who(domain.controller)))).reason, "NoCredential")
    }))

  it.effect("says what is wrong with a ticket, and what to do", () =>
    Effect.gen(function*() {
      const { keytab, scratch } = yield* World
      const failure = Effect.fnUntraced(function*(credential?: Credentials.Credential, server?: string) {
        const smb = yield* client(credential)
        const { _tag, message, reason } = yield* why(smb.readFileString(who(server ?? domain.controller)))
        assert.strictEqual(_tag, "AuthenticationError")
        assert.notInclude(message, domain.user.password)
        return `${reason}: ${message}`
      })
      assert.match(yield* failure(Credentials.kerberos({ ccache: scratch("none") })), /^NoCredential: .*run kinit/)
      assert.match(
        yield* failure(Credentials.kerberos({ keytab: scratch("none") })),
        /^NoCredential: .*no ticket by the keytab/
      )
      assert.match(
        yield* failure(Credentials.kerberos({ keytab, principal: `bob@${domain.realm}` })),
        /^NoCredential: .*no ticket by the keytab/
      )
      // `corp` answers, but nobody has that name as a service's.
      assert.match(yield* failure(undefined, "corp"), /^ServerUnknown: .*cifs\/corp.*full name/)
      assert.match(
        yield* failure(password(`${domain.user.name}@${domain.dns}`, "wrong")),
        /^InvalidCredential: .*password/
      )
      assert.match(yield* failure(password(`nobody@${domain.dns}`)), /^InvalidCredential: .*no such user/)
      assert.match(yield* failure(Credentials.anonymous), /^InvalidCredential: /)
    }))
})
