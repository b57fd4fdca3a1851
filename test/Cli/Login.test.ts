/** Servers that the command remembers: `login`, `logout`, `servers.json`, and which of several sources counts. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Option, Redacted, Result } from "effect"
import { Credentials } from "effect-smb"
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { Given } from "../../src/Cli/Flags.ts"
import * as Keyring from "../../src/Cli/Keyring.ts"
import * as KnownServers from "../../src/Cli/KnownServers.ts"
import { login, logout } from "../../src/Cli/Login.ts"
import * as OptionsByServer from "../../src/Cli/OptionsByServer.ts"
import * as PasswordCommand from "../../src/Cli/PasswordCommand.ts"
import * as PlatformPaths from "../../src/Cli/PlatformPaths.ts"
import * as ServeOptions from "../../src/Cli/ServeOptions.ts"
import * as Session from "../../src/Cli/Session.ts"
import * as Served from "./served.ts"

/** No flag is given. */
const noFlags = {
  user: Option.none(),
  passwordFile: Option.none(),
  authenticationFile: Option.none(),
  guest: false,
  kerberos: false,
  keytab: Option.none(),
  dfs: Option.none(),
  site: Option.none(),
  dns: Option.none(),
  address: {},
  dfsPort: Option.none(),
  dialect: Option.none(),
  signing: Option.none(),
  encryption: Option.none(),
  names: Option.none(),
  timeout: Option.none(),
  reconnect: Option.none(),
  pendingTimeout: Option.none(),
  verbose: [],
  json: false
} as Given

/** A keyring in memory. */
const keyring = () => {
  const kept = new Map<string, string>()
  const key = (server: string, user: string) => JSON.stringify([server, user])
  return {
    kept,
    layer: Layer.succeed(
      Keyring.Keyring,
      Keyring.Keyring.of({
        get: (server, user) =>
          Effect.sync(() => {
            const found = kept.get(key(server, user))
            return found === undefined ? undefined : Redacted.make(found)
          }),
        set: (server, user, password) => Effect.sync(() => void kept.set(key(server, user), Redacted.value(password))),
        remove: (server, user) => Effect.sync(() => kept.delete(key(server, user)))
      })
    )
  }
}

/** A home for `servers.json`, while the scope is open. */
const home = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = await mkdtemp(join(tmpdir(), "effect-smb-login-"))
    const before = { HOME: process.env.HOME, XDG_CONFIG_HOME: process.env.XDG_CONFIG_HOME }
    Object.assign(process.env, { HOME: folder, XDG_CONFIG_HOME: folder })
    return { folder, before }
  }),
  ({ before, folder }) =>
    Effect.promise(() => {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
      return rm(folder, { recursive: true })
    })
)

const write = (content: unknown, mode = 0o600) =>
  Effect.promise(async () => {
    const file = PlatformPaths.serversFile()
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, typeof content === "string" ? content : JSON.stringify(content))
    await chmod(file, mode)
    return file
  })

const variables = (env: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromUnknown(env))

describe("servers.json", () => {
  it("has an entry by the name of the server, else by the longest domain, else for all", () => {
    const servers = {
      NAS: { user: "a" },
      "*.corp.test": { user: "b" },
      "*.eu.corp.test": { user: "c" },
      "*": { user: "d" }
    }
    const userOf = (server: string, known: KnownServers.KnownServers = { servers }) =>
      KnownServers.find(known, server)?.entry.user
    assert.deepStrictEqual(
      ["nas", "Nas.", "fs.corp.test", "FS.EU.corp.test.", "corp.test", "xcorp.test"].map((server) => userOf(server)),
      ["a", "a", "b", "c", "d", "d"]
    )
    assert.isUndefined(userOf("x", { servers: { nas: { user: "a" } } }))
  })

  it("has one entry for all servers of a run, or the run is refused", () => {
    const servers = { a: { user: "joe" }, b: { user: "joe" }, c: { user: "ann" } }
    const found = (...names: ReadonlyArray<string>) => KnownServers.findAll({ servers }, names)
    assert.strictEqual(Result.getOrThrow(found("a", "B"))?.entry.user, "joe")
    assert.isUndefined(Result.getOrThrow(found("x")))
    for (const names of [["a", "c"], ["a", "x"], ["x", "a"]]) {
      const refused = found(...names)
      assert.include(Result.isFailure(refused) ? refused.failure.message : "", "different entries")
    }
  })

  it("has a password in the keyring for each key, and no server gets that of another", () => {
    const entry = { user: "joe", password: "keyring" } as const
    const servers = { a: entry, b: entry, "*.corp.test": entry }
    const found = (...names: ReadonlyArray<string>) => KnownServers.findAll({ servers }, names)
    assert.strictEqual(Result.getOrThrow(found("a", "A."))?.key, "a")
    assert.strictEqual(Result.getOrThrow(found("x.corp.test", "y.corp.test"))?.key, "*.corp.test")
    for (const names of [["a", "b"], ["b", "a"], ["a", "x.corp.test"]]) {
      const refused = found(...names)
      assert.include(Result.isFailure(refused) ? refused.failure.message : "", "copy in two steps")
    }
  })

  it.live("is refused with its path if it is wrong, or if other users can change it", () =>
    Effect.scoped(Effect.gen(function*() {
      yield* home
      assert.deepStrictEqual(yield* KnownServers.usual, { servers: {} })
      for (
        const [content, why] of [
          ["{", /servers\.json/],
          [{ servers: { nas: { usr: "joe" } } }, /usr/],
          [{ servers: { nas: { password: "secret" } } }, /keyring/],
          // The value can be a secret at the wrong place, so it is not shown.
          [{ servers: { nas: { dialect: "4.0" } } }, /3\.1\.1/],
          [{ servers: { nas: { timeout: 0 } } }, /timeout/],
          [{ servers: { nas: { password: "keyring", passwordCommand: ["pass"] } } }, /not both/]
        ] as const
      ) {
        const file = yield* write(content)
        const error = yield* Effect.flip(KnownServers.usual)
        assert.strictEqual(error.path, file)
        assert.match(error.message, why)
      }
      yield* write({ servers: {} }, 0o644)
      assert.deepStrictEqual(yield* KnownServers.usual, { servers: {} })
      if (process.platform !== "win32") {
        yield* write({ servers: {} }, 0o664)
        assert.include((yield* Effect.flip(KnownServers.usual)).message, "chmod go-w")
      }
    })))

  it.live.skipIf(process.platform === "win32")(
    "is refused if another user could have written it",
    () =>
      Effect.scoped(Effect.gen(function*() {
        yield* home
        const file = yield* write({ servers: {} })
        const folder = dirname(file)
        const refusal = Effect.map(Effect.flip(KnownServers.usual), ({ message }) => message)
        yield* Effect.promise(() => chmod(folder, 0o777))
        assert.include(yield* refusal, `chmod go-w ${folder}`)
        // Only the owner of a file replaces it in such a folder.
        yield* Effect.promise(() => chmod(folder, 0o1777))
        assert.deepStrictEqual(yield* KnownServers.usual, { servers: {} })
        yield* Effect.promise(() => chmod(folder, 0o700))
        if (process.geteuid?.() !== 0) return
        yield* Effect.promise(() => chown(file, 12_345, 0))
        assert.include(yield* refusal, "belongs to another user")
        yield* Effect.promise(() => chown(file, 0, 0))
        yield* Effect.promise(() => chown(folder, 12_345, 0))
        assert.include(yield* refusal, `its folder ${folder} belongs to another user`)
      }))
  )

  it.live.skipIf(process.geteuid?.() !== 0)(
    "has a sibling, config.json, that is refused for the same reason",
    () =>
      Effect.scoped(Effect.gen(function*() {
        yield* home
        const file = PlatformPaths.configurationFile()
        yield* Effect.promise(async () => {
          await mkdir(dirname(file), { recursive: true })
          await writeFile(file, "{}")
          await chown(file, 12_345, 0)
        })
        const error = yield* Effect.flip(ServeOptions.readConfiguration(Option.none()))
        assert.include(error.message, "belongs to another user")
        // The user has named this one.
        assert.deepStrictEqual((yield* ServeOptions.readConfiguration(Option.some(file))).configuration, {})
      }))
  )
})

describe("options", () => {
  it("are those of the flags, then those of the server, then the defaults", () => {
    const known = { dfs: "off", encryption: "required", dialect: "3.0,nt1", timeout: 5, guest: true } as const
    const resolved = (flags: Partial<Given>, isUserNamed = false) =>
      OptionsByServer.resolve({ ...noFlags, ...flags }, known, isUserNamed)
    assert.deepInclude(OptionsByServer.resolve(noFlags), { dfs: "fallback", site: "auto", dns: "system", guest: false })
    assert.deepInclude(resolved({}), {
      dfs: "off",
      dialect: ["3.0", "NT1"],
      guest: true,
      encryption: Option.some("required" as const)
    })
    assert.deepInclude(resolved({ dfs: Option.some("fallback"), timeout: Option.some(7), user: Option.some("joe") }), {
      dfs: "fallback",
      timeout: Option.some(7),
      guest: false
    })
    assert.isFalse(resolved({}, true).guest)
  })

  it("that a user gives to login are kept, and others are not", () => {
    assert.deepStrictEqual(OptionsByServer.given(noFlags), {})
    assert.deepStrictEqual(
      OptionsByServer.given({
        ...noFlags,
        dfs: Option.some("off"),
        dialect: Option.some(["NT1", "2.1"]),
        kerberos: true
      }),
      { dfs: "off", dialect: "nt1,2.1", kerberos: true }
    )
  })
})

describe("a password", () => {
  const node = (script: string) => [process.execPath, "-e", script] as const

  it.live("is the first line of a command's output, and no error shows any of it", () =>
    Effect.gen(function*() {
      const run = (words: readonly [string, ...ReadonlyArray<string>]) => PasswordCommand.run(words)
      const found = yield* run(node("console.log('a b  \\nnote')"))
      assert.strictEqual(Redacted.value(found), "a b  ")
      for (
        const [words, why] of [
          [node("console.log('hush'); process.exit(3)"), /exit code 3/],
          [node(""), /is empty/],
          [node("process.stdout.write('hush'.repeat(99999))"), /too long/],
          [["/no/such/program"], /there is no such program/]
        ] as const
      ) {
        const error = yield* Effect.flip(run(words))
        assert.match(error.message, why)
        assert.notInclude(JSON.stringify(error), "hush'.")
        assert.notInclude(error.message, "hush")
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("comes from a flag, else a variable, else the command or the keyring of the server, and only for its user", () =>
    Effect.scoped(Effect.gen(function*() {
      const { folder } = yield* home
      const { kept, layer } = keyring()
      kept.set(JSON.stringify(["nas", "CORP\\joe"]), "of the keyring")
      yield* Effect.promise(() => writeFile(join(folder, "password"), "of the file\n"))
      const passwordOf = (
        entry: KnownServers.KnownServer,
        env: Record<string, string> = {},
        flags: Partial<Given> = {},
        path = "//nas/data"
      ) =>
        Session.credential(OptionsByServer.resolve({ ...noFlags, ...flags }), [Served.path(path)], {
          key: "nas",
          entry
        })
          .pipe(
            Effect.map((found) =>
              found._tag === "Password" ? [found.domain, found.user, Redacted.value(found.password)] : [found._tag]
            ),
            Effect.provide([layer, variables(env), NodeServices.layer])
          )
      const inKeyring = { user: "CORP\\joe", password: "keyring" } as const
      assert.deepStrictEqual(yield* passwordOf(inKeyring), ["CORP", "joe", "of the keyring"])
      // The domain of another user is not that of this one.
      assert.deepStrictEqual(yield* passwordOf(inKeyring, { SMB_DOMAIN: "OTHER" }), ["CORP", "joe", "of the keyring"])
      assert.deepStrictEqual(yield* passwordOf(inKeyring, {}, { user: Option.some("corp\\JOE") }), [
        "corp",
        "JOE",
        "of the keyring"
      ])
      assert.deepStrictEqual(
        (yield* passwordOf({ user: "joe", passwordCommand: node("console.log('of the command')") }))[2],
        "of the command"
      )
      assert.deepStrictEqual((yield* passwordOf(inKeyring, { SMB_PASSWORD: "of the variable" }))[2], "of the variable")
      assert.deepStrictEqual(
        (yield* passwordOf(inKeyring, { SMB_PASSWORD: "of the variable" }, {
          passwordFile: Option.some(join(folder, "password"))
        }))[2],
        "of the file"
      )
      for (
        const [env, flags, path] of [
          [{ SMB_USER: "ann" }, {}, "//nas/data"],
          [{}, { user: Option.some("ann") }, "//nas/data"],
          [{}, {}, "smb://ann@nas/data"]
        ] as const
      ) {
        const error = yield* Effect.flip(passwordOf(inKeyring, env, flags, path))
        assert.include(error.message, "no password for ann")
        assert.include(error.message, "effect-smb login //nas")
      }
      assert.include((yield* Effect.flip(passwordOf({}))).message, "effect-smb login //nas")
    })))

  it.live("in the system's keyring needs a package, and the failure says what else there is", () =>
    Effect.gen(function*() {
      const load = Effect.flatMap(Keyring.Keyring, (all) => all.get("nas", "joe"))
      const error = yield* Effect.flip(Effect.provide(load, Keyring.layer))
      assert.match(error.message, /@napi-rs\/keyring.*--password-command/)
    }))

  it.live("in the system's keyring has the server and the user in its name, and a refusal is a failure", () =>
    Effect.gen(function*() {
      const kept = new Map<string, string>()
      class AsyncEntry {
        readonly name: string
        constructor(service: string, user: string) {
          this.name = `${service}: ${user}`
        }
        getPassword = () => Promise.resolve(kept.get(this.name) ?? null)
        setPassword = (password: string) =>
          password === "" ? Promise.reject(new Error("locked")) : Promise.resolve(void kept.set(this.name, password))
        deletePassword = () => Promise.resolve(kept.delete(this.name))
      }
      const keyring = yield* Effect.provide(
        Effect.map(Keyring.Keyring, (all) => all),
        Keyring.layerFrom(Effect.succeed({ AsyncEntry }))
      )
      yield* keyring.set("nas", "CORP\\joe", Redacted.make("secret"))
      assert.deepStrictEqual([...kept], [["effect-smb: nas CORP\\joe", "secret"]])
      assert.strictEqual(Redacted.value((yield* keyring.get("nas", "CORP\\joe"))!), "secret")
      assert.isUndefined(yield* keyring.get("nas", "ann"))
      assert.strictEqual(
        (yield* Effect.flip(keyring.set("nas", "joe", Redacted.make("")))).message,
        "the system's keyring refuses: locked"
      )
      assert.isTrue(yield* keyring.remove("nas", "CORP\\joe"))
      assert.isFalse(yield* keyring.remove("nas", "CORP\\joe"))
    }))
})

describe("login and logout", () => {
  it.live("keep a user that the server accepts, and remove it", () =>
    Effect.scoped(Effect.gen(function*() {
      yield* home
      const { kept, layer } = keyring()
      const { port } = yield* Served.server()
      const server = Served.path(`//127.0.0.1:${port}`)
      const run = (user: Credentials.Credential, options: OptionsByServer.OptionsByServer = {}) =>
        Served.printed(login(server, user, { options, json: true })).pipe(
          Effect.provide([layer, Served.client({ user })])
        )
      const file = PlatformPaths.serversFile()

      const wrong = yield* run(Credentials.password("joe", Redacted.make("wrong")))
      assert.deepInclude(wrong.failure, { code: 1 })
      assert.isUndefined(KnownServers.find(yield* KnownServers.usual, "127.0.0.1"))
      assert.strictEqual(kept.size, 0)

      const first = yield* run(Served.credential, { encryption: "required" })
      assert.deepStrictEqual(first.objects(), [{ server: "127.0.0.1", user: "joe", password: "keyring", file }])
      const text = yield* Effect.promise(() => readFile(file, "utf8"))
      assert.deepStrictEqual(JSON.parse(text), {
        servers: { "127.0.0.1": { user: "joe", password: "keyring", encryption: "required" } }
      })
      assert.notInclude(text, "secret")
      if (process.platform !== "win32") {
        assert.strictEqual((yield* Effect.promise(() => stat(file))).mode & 0o777, 0o600)
      }

      // Another user takes the place of the first, whose password goes, and the options stay.
      yield* run(Credentials.password("ann", Redacted.make("other")))
      assert.deepStrictEqual([...kept], [[JSON.stringify(["127.0.0.1", "ann"]), "other"]])
      const found = KnownServers.find(yield* KnownServers.usual, "127.0.0.1")!
      assert.deepStrictEqual(found.entry, { user: "ann", password: "keyring", encryption: "required" })
      const again = yield* Session.credential(OptionsByServer.resolve(noFlags, found.entry), [server], found).pipe(
        Effect.provide([layer, variables({}), NodeServices.layer])
      )
      assert.strictEqual(again._tag === "Password" && Redacted.value(again.password), "other")

      const out = yield* Effect.provide(Served.printed(logout(server, { json: false })), layer)
      assert.deepStrictEqual(out.lines, ["Nothing is kept of 127.0.0.1 any more."])
      assert.strictEqual(kept.size, 0)
      assert.deepStrictEqual(yield* KnownServers.usual, { servers: {} })
      const none = yield* Effect.provide(Served.printed(logout(server, { json: false })), layer)
      assert.deepInclude(none.failure, { code: 2 })
    })))

  it.live("replace and remove the entry of a server whose name a person has written in another way", () =>
    Effect.scoped(Effect.gen(function*() {
      yield* home
      const { kept, layer } = keyring()
      kept.set(JSON.stringify(["127.0.0.1.", "ann"]), "old")
      const { port } = yield* Served.server()
      const server = Served.path(`//127.0.0.1:${port}`)
      const written = KnownServers.change(() => ({ "127.0.0.1.": { user: "ann", password: "keyring" as const } }))
      yield* written
      yield* Served.printed(login(server, Served.credential, { options: {}, json: false })).pipe(
        Effect.provide([layer, Served.client()])
      )
      assert.deepStrictEqual(yield* KnownServers.usual, {
        servers: { "127.0.0.1": { user: "joe", password: "keyring" } }
      })
      assert.deepStrictEqual([...kept], [[JSON.stringify(["127.0.0.1", "joe"]), "secret"]])
      yield* written
      const { failure } = yield* Effect.provide(Served.printed(logout(server, { json: false })), layer)
      assert.isUndefined(failure)
      assert.deepStrictEqual(yield* KnownServers.usual, { servers: {} })
    })))

  it.live("keep a command in place of a password, and nothing if the keyring refuses", () =>
    Effect.scoped(Effect.gen(function*() {
      yield* home
      const { kept, layer } = keyring()
      const { port } = yield* Served.server()
      const server = Served.path(`//127.0.0.1:${port}`)
      const refusing = Layer.succeed(
        Keyring.Keyring,
        Keyring.Keyring.of({
          get: () => Effect.succeed(undefined),
          set: () => Effect.fail(new Keyring.KeyringError({ detail: "locked" })),
          remove: () => Effect.succeed(false)
        })
      )
      const refused = yield* Served.printed(login(server, Served.credential, { options: {}, json: false })).pipe(
        Effect.provide([refusing, Served.client()])
      )
      assert.strictEqual(refused.failure?.message, "locked")
      assert.deepStrictEqual(yield* KnownServers.usual, { servers: {} })
      yield* Served.printed(
        login(server, Served.credential, { options: {}, passwordCommand: ["pass", "show", "nas"], json: false })
      ).pipe(Effect.provide([layer, Served.client()]))
      assert.deepStrictEqual(yield* KnownServers.usual, {
        servers: { "127.0.0.1": { user: "joe", passwordCommand: ["pass", "show", "nas"] } }
      })
      assert.strictEqual(kept.size, 0)
    })))
})
