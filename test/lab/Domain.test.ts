/**
 * Proves this project's client, command and server in a Samba Active Directory domain: Kerberos, keytabs and NTLM,
 * domain namespaces (MS-DFSC), sites, and failover when a member or a controller is killed.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Metric, Redacted, Schedule, Stream } from "effect"
import { Authenticator, Credentials, DfsAdapter, Kerberos, SmbClient, TcpTransport } from "effect-smb"
import { KerberosKeys, NtlmCrypto } from "effect-smb/Auth"
import { LdapPing, ReferralRequest, ReferralSource, SiteFinder } from "effect-smb/Dfs"
import { SmbServer, UserStore } from "effect-smb/Server"
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { readFile, rename, utimes, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import * as ClientMetrics from "../../src/Client/ClientMetrics.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import { main } from "../command.ts"
import * as Run from "../Testing/smbd.ts"
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

/** The users whose passwords the server knows. */
const local = new Map<string, UserStore.User>([
  ["local", { name: "local", ntHash: Redacted.make(Uint8Array.from(NtlmCrypto.ntHash("secret"))) }]
])

interface Options extends SmbClient.Options {
  readonly authenticator?: typeof Kerberos.layer extends (...args: any) => infer L ? L : never
  readonly dfs?: DfsAdapter.DfsAdapterOptions
}

/** A client that knows the domain's names. Default: it logs on by Kerberos with the ticket of kinit. */
const client = Effect.fnUntraced(function*(credential?: Credentials.Credential, options: Options = {}) {
  const { cache, lookup } = yield* World
  const { authenticator, dfs, ...settings } = options
  const base = SmbClient.layerWithAuthenticator(settings).pipe(Layer.provide([
    authenticator ?? Kerberos.layer(),
    TcpTransport.layer({ lookup, connectTimeout: "2 seconds" }),
    Credentials.layer(credential ?? Credentials.kerberos({ ccache: cache }))
  ]))
  const context = yield* Layer.build(
    dfs === undefined ? base : DfsAdapter.layerWithoutDiscovery(dfs).pipe(Layer.provide(base))
  )
  return Context.get(context as Context.Context<SmbClient.SmbClient>, SmbClient.SmbClient)
})

const why = <A, E extends { readonly _tag: string; readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) =>
    ({ ...error, message: error.message }) as {
      readonly _tag: string
      readonly reason?: { readonly _tag: string }
      readonly message: string
    })

const { encodeReferralRequest } = ReferralRequest
const fixture = fileURLToPath(new URL("../Dfs/fixtures/samba-domain.json", import.meta.url))
const { referrals } = JSON.parse(readFileSync(fixture, "utf8")) as {
  readonly referrals: ReadonlyArray<
    { readonly path: string; readonly maxReferralLevel: number; readonly request: string; readonly response: string }
  >
}

const who = (server: string, share = "data") => `\\\\${server}\\${share}\\who.txt`

const controllers = { [domain.dns]: [domain.controller] }
const paths = (name: string) =>
  [
    [`\\\\${name}\\dfs\\in-root.txt`, "root"],
    [`\\\\${name}\\dfs\\link\\who.txt`, "member"],
    [`\\\\${name}\\dfs\\both\\who.txt`, "member"]
  ] as const

layer(World.layer, { excludeTestServices: true, timeout: "120 seconds" })("in an Active Directory domain", (it) => {
  it.effect("a client logs on by Kerberos in each dialect, signed and encrypted", () =>
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

  it.effect("a client logs on by Kerberos in SMB 1, signed, and follows the domain's namespaces", () =>
    Effect.gen(function*() {
      const { path } = yield* World
      const options = { dialects: ["NT1"], signing: "required" } as const
      const smb = yield* client(undefined, options)
      yield* Effect.scoped(
        smb.withShare(who(domain.controller), (share) => Effect.sync(() => assert.strictEqual(share.dialect, "NT1")))
      )
      yield* smb.writeFile(`\\\\${domain.controller}\\data\\NT1.txt`, "by ticket")
      assert.strictEqual(yield* attempt(() => readFile(path("data", "NT1.txt"), "utf8")), "by ticket")
      const dfs = yield* client(undefined, { ...options, dfs: { domainControllers: controllers } })
      for (const [name, content] of paths(domain.dns)) {
        assert.strictEqual(yield* dfs.readFileString(name), content, name)
      }
    }))

  it.effect(
    "copies outlive their tickets: smbd lets the session expire with its ticket, and the client gets another",
    () =>
      Effect.gen(function*() {
        const { kinit, path, scratch } = yield* World
        const only = { service: `cifs/${domain.controller}`, lifetime: 6 }
        const cache = scratch("short")
        // As a program does that keeps a ticket fresh: the cache always holds a whole ticket.
        const renewed = Effect.flatMap(kinit("next", undefined, only), (next) => attempt(() => rename(next, cache)))
        yield* renewed
        yield* Effect.forkScoped(Effect.forever(Effect.delay(renewed, "2 seconds")))
        const told: Array<string> = []
        const smb = yield* client(Credentials.kerberos({ ccache: cache }), {
          onReconnect: ({ _tag }) => Effect.sync(() => void told.push(_tag))
        })
        const content = Uint8Array.from(randomBytes(3_000_000))
        const base = `\\\\${domain.controller}\\data`
        yield* smb.writeFile(`${base}\\down.bin`, content)
        const before = yield* Metric.value(ClientMetrics.reauthentications.of("succeeded"))
        // 30 pieces, one in half a second: longer than two tickets live.
        const pieces = Stream.range(0, 29).pipe(
          Stream.schedule(Schedule.spaced("500 millis")),
          Stream.map((i) => content.subarray(i * 100_000, (i + 1) * 100_000))
        )
        const down = Effect.gen(function*() {
          const file = yield* smb.open(`${base}\\down.bin`)
          const all = new Uint8Array(content.length)
          for (let i = 0; i < 30; i++) {
            all.set(yield* file.read(i * 100_000, 100_000), i * 100_000)
            yield* Effect.sleep("500 millis")
          }
          return all
        })
        const [read] = yield* Effect.all([down, Stream.run(pieces, smb.sink(`${base}\\up.bin`))], {
          concurrency: "unbounded"
        })
        assert.isTrue(Buffer.from(content).equals(read))
        assert.isTrue(Buffer.from(content).equals(yield* attempt(() => readFile(path("data", "up.bin")))))
        const after = yield* Metric.value(ClientMetrics.reauthentications.of("succeeded"))
        assert.isAtLeast(after.count - before.count, 2)
        // The connection and the opens have stayed.
        assert.deepStrictEqual(told, [])
      }),
    60_000
  )

  it.effect("a client encrypts with the 256 bits of a Kerberos key at a server that has only AES-256", () =>
    Effect.gen(function*() {
      const smb = yield* client(undefined, { dialects: ["3.1.1"], encryption: "required" })
      assert.strictEqual(yield* smb.readFileString(who(domain.member, "far")), "member")
    }))

  it.effect("a client logs on by a keytab, by a password, and by NTLM", () =>
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
      const smb = yield* client(byNtlm, { authenticator: Kerberos.layerNegotiate() })
      assert.strictEqual(yield* smb.readFileString(who(domain.member, "far")), "member")
    }))

  it.effect("a client without a ticket logs on by NTLM, unless that is forbidden", () =>
    Effect.gen(function*() {
      const { scratch } = yield* World
      const credential = Credentials.kerberos({ ccache: scratch("none"), fallback: byNtlm })
      const smb = yield* client(credential, { authenticator: Kerberos.layerNegotiate() })
      assert.strictEqual(yield* smb.readFileString(who(domain.controller)), "controller")
      const strict = yield* client(credential, { authenticator: Kerberos.layerNegotiate({ ntlm: "forbidden" }) })
      assert.strictEqual((yield* why(strict.readFileString(who(domain.controller)))).reason?._tag, "NoCredential")
    }))

  it.effect("a client whose password the domain has refused does not try it again by NTLM", () =>
    Effect.gen(function*() {
      const wrong = password(`${domain.user.name}@${domain.dns}`, "wrong")
      const smb = yield* client(wrong, { authenticator: Kerberos.layerNegotiate() })
      // NTLM's refusal would be an SmbError of the server.
      const error: any = yield* why(smb.readFileString(who(domain.controller)))
      assert.deepStrictEqual([error._tag, error.mechanism, error.code], ["AuthenticationError", "Kerberos", 24])
    }))

  it.effect("a failed Kerberos logon names the reason and what to do, and shows no password", () =>
    Effect.gen(function*() {
      const { keytab, scratch } = yield* World
      const failure = Effect.fnUntraced(function*(credential?: Credentials.Credential, server?: string) {
        const smb = yield* client(credential)
        const { _tag, message, reason } = yield* why(smb.readFileString(who(server ?? domain.controller)))
        assert.strictEqual(_tag, "AuthenticationError")
        assert.notInclude(message, domain.user.password)
        return `${reason?._tag}: ${message}`
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
      // `corp` responds, but no service has that name.
      assert.match(yield* failure(undefined, "corp"), /^ServerUnknown: .*cifs\/corp.*full name/)
      assert.match(
        yield* failure(password(`${domain.user.name}@${domain.dns}`, "wrong")),
        /^InvalidCredential: .*password/
      )
      assert.match(yield* failure(password(`nobody@${domain.dns}`)), /^InvalidCredential: .*no such user/)
      assert.match(yield* failure(Credentials.anonymous), /^InvalidCredential: /)
    }))

  it.effect("a controller sends the referrals of the fixtures byte by byte, and refuses others as expected", () =>
    Effect.gen(function*() {
      const smb = yield* client()
      const ipc = yield* smb.connect({ server: domain.controller, port: 445, share: "IPC$", path: "" })
      const ask = Effect.fnUntraced(function*(requestFileName: string, maxReferralLevel: number) {
        const input = yield* Effect.fromResult(encodeReferralRequest({ maxReferralLevel, requestFileName }))
        return yield* ipc.control({
          _tag: "Ioctl",
          ctlCode: ReferralSource.ControlCode.FSCTL_DFS_GET_REFERRALS,
          input,
          maximum: 8192
        })
      })
      // The controller sends the bytes that the unit tests read from the fixture.
      for (const { maxReferralLevel, path, response } of referrals) {
        assert.strictEqual(Buffer.from(yield* ask(path, maxReferralLevel)).toString("hex"), response, path)
      }
      const refused = [
        ["\\nope.test", 3, "InvalidParameter"],
        ["\\corp.test\\data", 3, "NotFound"],
        ["\\corp.test\\sysvol\\corp.test\\Policies", 3, "NotFound"],
        ["\\corp.test", 2, "Unsuccessful"],
        ["", 2, "Unsuccessful"]
      ] as const
      for (const [path, level, reason] of refused) {
        assert.strictEqual((yield* why(ask(path, level))).reason?._tag, reason, `${path} at level ${level}`)
      }
    }))

  for (
    const [by, credential, authenticator] of [
      ["Kerberos", undefined, Kerberos.layer()],
      ["NTLM", byNtlm, Authenticator.layerNtlm]
    ] as const
  ) {
    it.effect(`a client follows the domain's namespaces by ${by}, by DNS name and by NetBIOS name`, () =>
      Effect.gen(function*() {
        const smb = yield* client(credential, { authenticator, dfs: { domainControllers: controllers } })
        for (const name of [domain.dns, domain.netbios]) {
          const policies = `\\\\${name}\\sysvol\\${domain.dns}\\Policies`
          assert.strictEqual((yield* smb.stat(policies)).type, "directory")
          for (const [path, content] of paths(name)) {
            assert.strictEqual(yield* smb.readFileString(path), content, path)
          }
          yield* smb.writeFile(`\\\\${name}\\dfs\\link\\${by}-${name}`, name)
          const { path } = yield* World
          assert.strictEqual(yield* attempt(() => readFile(path("far", `${by}-${name}`), "utf8")), name)
        }
      }))
  }

  it.effect("a recording during which the member is stopped plays back without the domain", () =>
    Effect.gen(function*() {
      const { lookup, member } = yield* World
      const transport = TcpTransport.layer({ lookup, connectTimeout: "2 seconds" })
      const recording = yield* Effect.ensuring(
        // Waits until the client has noticed it too.
        Run.record(Run.domainRun, transport, Effect.andThen(member.stop, Effect.sleep("300 millis"))),
        Effect.orDie(member.start)
      )
      // This machine's own resolver knows none of its names.
      yield* Run.replay(Run.domainRun, recording)
    }))

  it.effect("the command cat logs on with a ticket or a keytab, and names kinit without one", () =>
    Effect.gen(function*() {
      const { cache, execute, keytab } = yield* World
      const run = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
        execute(process.execPath, [main, ...args], { KRB5CCNAME: "FILE:/none", ...env })
      const path = `//${domain.controller}/data/who.txt`
      const outputs = yield* Effect.all([
        run(["cat", "--kerberos", path], { KRB5CCNAME: cache }),
        run(["cat", "--keytab", keytab, path]),
        run(["cat", "--keytab", keytab, "--user", `${domain.user.name}@${domain.dns}`, path]),
        run(["cat", "--kerberos", path])
      ], { concurrency: 2 })
      assert.deepStrictEqual(
        outputs.map(({ code, stdout }) => [code, stdout]),
        [[0, "controller"], [0, "controller"], [0, "controller"], [1, ""]]
      )
      assert.match(outputs[3]!.stderr, /run kinit/)
    }))

  const running = Effect.fnUntraced(function*(args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) {
    const { execute } = yield* World
    return yield* execute(process.execPath, [main, ...args], {
      SMB_USER: `${domain.netbios}\\${domain.user.name}`,
      SMB_PASSWORD: domain.user.password,
      ...env
    })
  })

  it.effect("the command finds controllers and its site by DNS only", () =>
    Effect.gen(function*() {
      const { address, cache } = yield* World
      const path = `//${domain.dns}/dfs/link/who.txt`
      const traced = yield* running(["dfs", "resolve", "--trace", path])
      assert.deepStrictEqual([traced.code, traced.stderr], [0, ""])
      const lines = traced.stdout.split("\n").map((line) => line.slice(9))
      const steps = [
        `this machine is in the site Default-First-Site-Name of ${domain.dns}`,
        `the controllers of ${domain.dns} are ${domain.controller}`,
        `ask ${domain.controller} for the root \\${domain.dns}\\dfs`,
        `try \\\\${domain.member}\\far\\who.txt, target of the link`
      ]
      assert.deepStrictEqual(lines.filter((line) => steps.includes(line)), steps)
      const outputs = yield* Effect.all([
        running(["cat", path]),
        running(["cat", "--kerberos", path], { KRB5CCNAME: cache }),
        running(["cat", "--site", "none", "--dns", address, path]),
        // Names are completed with the domain here: this is the domain's short name.
        running(["cat", `//${domain.netbios}/dfs/link/who.txt`]),
        running(["ls", `//${domain.dns}/sysvol`]),
        // An ordinary server of the domain takes one more question.
        running(["cat", `//${domain.member}/far/who.txt`])
      ], { concurrency: 2 })
      assert.deepStrictEqual(outputs.map(({ stdout }) => stdout), [
        "member",
        "member",
        "member",
        "member",
        `${domain.dns}/\n`,
        "member"
      ])
    }))

  it.effect("an LDAP ping over UDP finds the site of this machine without a logon", () =>
    Effect.gen(function*() {
      const { lookup } = yield* World
      const find = (name: string) =>
        Effect.flatMap(
          Effect.provide(SiteFinder.SiteFinder, SiteFinder.layerLdap({ lookup })),
          (finder) => finder.find(name, ["gone.corp.test", domain.controller])
        )
      const site = "Default-First-Site-Name"
      assert.deepStrictEqual(
        yield* Effect.all([find(domain.dns), find(domain.netbios), find("other.test")]),
        [site, site, undefined]
      )
      const answer = yield* LdapPing.ping(domain.controller, domain.dns, { lookup })
      assert.deepInclude(answer, { dnsHostName: domain.controller, netbiosDomainName: domain.netbios })
    }))

  it.effect("this project's server with a keytab accepts tickets of users it knows, and refuses other users and keys", () =>
    Effect.scoped(Effect.gen(function*() {
      const { cache, execute, keytab, kinit, scratch, server } = yield* World
      const asked: Array<readonly [string, string]> = []
      yield* SmbServer.make({
        host: server.address,
        port: 445,
        kerberos: yield* KerberosKeys.fromKeytab(server.keytab),
        users: {
          find: (name, realm) =>
            Effect.sync(() => {
              asked.push([name, realm])
              return name === domain.user.name && realm === domain.realm ? { name } : local.get(name)
            })
        },
        shares: { data: MemoryStore.make() }
      })
      const path = `\\\\${domain.server}\\data\\by.txt`
      const protections = [
        ["2.1", "off"],
        ["3.0.2", "off"],
        ["3.0.2", "required"],
        ["3.1.1", "off"],
        ["3.1.1", "required"]
      ] as const
      for (const [dialect, encryption] of protections) {
        const smb = yield* client(undefined, { dialects: [dialect], signing: "required", encryption })
        yield* smb.writeFile(path, dialect)
        assert.strictEqual(yield* smb.readFileString(path), dialect)
      }
      assert.deepStrictEqual(asked[0], [domain.user.name, domain.realm])
      // smbclient caches addresses, even those of the domain of an earlier run.
      const own = ["lock", "cache"].map((kind) => `--option=${kind} directory=${dirname(cache)}`)
      const run = (args: ReadonlyArray<string>, cache = scratch("none")) =>
        execute("smbclient", [`//${domain.server}/data`, ...own, ...args, "-c", "get by.txt -"], { KRB5CCNAME: cache })
      const ticket = ["--use-kerberos=required", "-N"]
      const first = yield* run(ticket, cache)
      assert.strictEqual(first.code, 0, first.stdout + first.stderr)
      assert.include(first.stdout, "3.1.1")
      assert.strictEqual((yield* run([...ticket, "--client-protection=encrypt"], cache)).code, 0)
      // By NTLM only users with a password on this server.
      const withPassword = (user: string) => run(["--use-kerberos=off", "-U", user])
      assert.strictEqual((yield* withPassword("local%secret")).code, 0)
      assert.include(
        (yield* withPassword(`${domain.user.name}%${domain.user.password}`)).stdout,
        "NT_STATUS_LOGON_FAILURE"
      )
      // A user of the domain whom this server does not know.
      const other = yield* kinit("administrator", domain.administrator)
      assert.include((yield* run(ticket, other)).stdout, "NT_STATUS_LOGON_FAILURE")
      // Keys of another account do not decrypt the ticket. A file without keys is refused at once.
      assert.match(
        (yield* why(KerberosKeys.fromKeytab("/none"))).message,
        /NoCredential.*no key in the keytab \/none/
      )
      yield* Effect.scoped(Effect.gen(function*() {
        yield* SmbServer.make({
          host: server.address,
          port: 446,
          kerberos: yield* KerberosKeys.fromKeytab(keytab),
          users: UserStore.inMemory({ [domain.user.name]: Redacted.make("x") }),
          shares: { data: MemoryStore.make() }
        })
        assert.include((yield* run(["-p", "446", ...ticket], cache)).stdout, "NT_STATUS_LOGON_FAILURE")
      }))
    })))

  it.effect("the command serve --keytab accepts a user with a ticket, and refuses the user's password", () =>
    Effect.scoped(Effect.gen(function*() {
      const { cache, execute, scratch, server } = yield* World
      const noUser = { XDG_CONFIG_HOME: scratch("config"), XDG_STATE_HOME: scratch("state"), SMB_PASSWORD: "" }
      yield* Effect.acquireRelease(
        attempt(() =>
          new Promise<ChildProcess>((resolve, reject) => {
            const where = ["--host", server.address, "--port", "447", "--keytab", server.keytab]
            const child = spawn(process.execPath, [main, "serve", "--json", ...where], {
              env: { ...process.env, ...noUser },
              stdio: ["ignore", "pipe", "ignore"]
            })
            child.once("error", reject)
            child.once("exit", () => reject(new Error("it ended")))
            child.stdout.once("data", () => resolve(child))
          })
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const run = (env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
        execute(process.execPath, [main, "ls", `//${domain.server}:447/share`, ...args], { ...noUser, ...env })
      const byTicket = yield* run({ KRB5CCNAME: cache }, "--kerberos")
      assert.deepStrictEqual([byTicket.code, byTicket.stderr], [0, ""])
      const byPassword = yield* run({ SMB_PASSWORD: domain.user.password }, "--user", domain.user.name)
      assert.strictEqual(byPassword.code, 1)
      assert.include(byPassword.stderr, "STATUS_LOGON_FAILURE")
    })))

  // From here on the member and then the first controller are down.
  it.effect("a client continues at the next target when the member is stopped during a read", () =>
    Effect.gen(function*() {
      const { member, path: onDisk } = yield* World
      const large = randomBytes(24 * 1024 * 1024)
      for (const share of ["far", "data"] as const) {
        yield* attempt(() => writeFile(onDisk(share, "large.bin"), large))
        yield* attempt(() => utimes(onDisk(share, "large.bin"), 1_700_000_000, 1_700_000_000))
      }
      const dfs = { domainControllers: controllers }
      const byKerberos = yield* client(undefined, { dfs })
      const other = yield* client(byNtlm, { authenticator: Authenticator.layerNtlm, dfs })
      const path = `\\\\${domain.dns}\\dfs\\both`
      for (const smb of [byKerberos, other]) assert.strictEqual(yield* smb.readFileString(`${path}\\who.txt`), "member")
      const parts: Array<Buffer> = []
      yield* byKerberos.readTo(`${path}\\large.bin`, (chunk) => {
        parts.push(Buffer.from(chunk))
        return parts.length === 2 ? member.stop : Effect.void
      })
      assert.isTrue(Buffer.concat(parts).equals(large))
      for (const smb of [byKerberos, other]) {
        assert.strictEqual(yield* smb.readFileString(`${path}\\who.txt`), "controller")
      }
    }))

  // A real second controller joins the domain: some 15 seconds, which only this test needs.
  it.effect("a client uses the second controller after the first one was killed", () =>
    Effect.gen(function*() {
      const { joinSecondController, killController } = yield* World
      yield* joinSecondController
      const dfs = { domainControllers: { [domain.dns]: [domain.controller, domain.secondController] } }
      const clients = [
        yield* client(undefined, { dfs }),
        yield* client(byNtlm, { authenticator: Authenticator.layerNtlm, dfs })
      ]
      const file = `\\\\${domain.dns}\\dfs\\in-root.txt`
      const resolved = (smb: SmbClient.Client, path: string) =>
        Effect.scoped(smb.withShare(path, ({ server }) => Effect.succeed(server)))
      for (const smb of clients) {
        assert.strictEqual(yield* smb.readFileString(file), "root")
        assert.strictEqual(yield* resolved(smb, file), domain.controller)
      }
      yield* killController
      for (const smb of clients) {
        assert.strictEqual(yield* smb.readFileString(file), "root")
        assert.strictEqual(yield* resolved(smb, file), domain.secondController)
        const sysvol = `\\\\${domain.dns}\\sysvol\\${domain.dns}`
        assert.strictEqual((yield* smb.stat(sysvol)).type, "directory")
        assert.strictEqual(yield* resolved(smb, sysvol), domain.secondController)
      }
      // A new client with an empty cache works too.
      const fresh = yield* client(undefined, { dfs })
      assert.strictEqual(yield* fresh.readFileString(`\\\\${domain.netbios}\\dfs\\in-root.txt`), "root")
    }), { timeout: 120_000 })
})
