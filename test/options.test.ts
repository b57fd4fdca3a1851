/**
 * Options of the public modules: a caller may set any of them to `undefined`, which is the same as to leave it out, and
 * most of them can come from the configuration.
 */
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Exit, Layer, Redacted } from "effect"
import {
  Credentials,
  DfsAdapter,
  IdentityStore,
  MemoryStore,
  OpenMode,
  SmbClient,
  SmbServer,
  TcpTransport,
  TestNamespace,
  TestTransport,
  UserStore
} from "effect-smb"
import { Defaults } from "effect-smb/Protocol"
import { Limits } from "effect-smb/Server"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { noDiscovery } from "./Dfs/discovery.ts"

const root = fileURLToPath(new URL("../", import.meta.url))
const host = "127.0.43.61"
const joe = Credentials.layer(Credentials.password("user", Redacted.make("password")))

/** Where a type ends that begins at `start`. */
const endOfType = (text: string, start: number): number => {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const char = text[at]!
    if (text.startsWith("/*", at)) at = text.indexOf("*/", at) + 1
    else if (char === "\"") at = text.indexOf("\"", at + 1)
    else if ("([{<".includes(char)) depth++
    else if (")]}>".includes(char)) {
      if (char === ">" && text[at - 1] === "=") continue
      if (depth-- === 0) return at
    } else if (depth === 0 && (char === "," || char === ";")) return at
    else if (depth === 0 && char === "\n") {
      const isOpen = /(^|[|&]|=>)\s*$/.test(text.slice(start, at)) || /^\s*[|&]/.test(text.slice(at))
      if (!isOpen) return at
    }
  }
  return text.length
}

/** The optional properties of a source whose type does not include `undefined`. */
const withoutUndefined = (source: string): ReadonlyArray<string> =>
  [...source.matchAll(/readonly (\w+)\?:/g)].flatMap((match) => {
    const start = match.index + match[0].length
    const type = source.slice(start, endOfType(source, start)).trim()
    return /(^|\|)\s*undefined$/.test(type) ? [] : [`${match[1]}: ${type}`]
  })

describe("an optional property of a public type", () => {
  it("is found where it does not allow undefined", () => {
    const source = [
      "readonly a?: string",
      "readonly b?: ((x: { readonly c?: number }) => void) | undefined",
      "readonly d?:",
      "  | \"x\"",
      "  | undefined",
      "readonly e?: Map<string, () => undefined>; readonly f?: undefined"
    ].join("\n")
    assert.deepStrictEqual(withoutUndefined(source), ["a: string", "c: number", "e: Map<string, () => undefined>"])
  })

  it("allows undefined, so that a caller with exactOptionalPropertyTypes can pass on what it may not have", () => {
    const sources = globSync("src/{Auth,Client,Dfs,Layers,Protocol,Server,Testing,Transfer}/**/*.ts", { cwd: root })
      .filter((path) => !path.includes("/internal/"))
    assert.isAbove(sources.length, 60)
    // A value of the wire: the codec leaves the field out.
    const found = [...sources, "src/Smb2/Settings.ts"]
      .filter((path) => path !== "src/Dfs/Netlogon.ts")
      .flatMap((path) => withoutUndefined(readFileSync(root + path, "utf8")).map((one) => `${path}: ${one}`))
    assert.deepStrictEqual(found, [])
  })
})

/** All of these names, undefined. */
const nothing = (...names: ReadonlyArray<string>) => Object.fromEntries(names.map((name) => [name, undefined]))

describe("an option that is undefined", () => {
  it("has its default", () => {
    const defaults = { a: 1, b: "x", c: false }
    assert.deepStrictEqual(Defaults.complete(defaults, { a: undefined, b: "y", c: undefined }), {
      a: 1,
      b: "y",
      c: false
    })
    assert.deepStrictEqual(Defaults.complete(defaults, undefined), defaults)
    assert.deepStrictEqual(Defaults.complete(defaults, { c: true }), { a: 1, b: "x", c: true })
  })

  const unset: SmbClient.Options = nothing(
    ...["dialects", "signing", "encryption", "ciphers", "signingAlgorithms", "multiProtocol", "requestTimeout"],
    ...["pendingTimeout", "keepAlive", "credits", "maximumFrame", "maximumTransfer", "smb1", "idle"]
  )

  it.effect("of a client: it signs, and reads and changes files", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const path = "//s/data/a.txt"
      yield* smb.writeFile(path, new TextEncoder().encode("text"))
      assert.strictEqual(yield* smb.readFileString(path), "text")
      const before = yield* smb.stat(path)
      yield* smb.setAttributes(path, { creationTime: undefined, fileAttributes: undefined, lastWriteTime: 7n })
      const { creationTime, fileAttributes, lastWriteTime } = yield* smb.stat(path)
      assert.deepStrictEqual(
        { creationTime, fileAttributes, lastWriteTime },
        { creationTime: before.creationTime, fileAttributes: before.fileAttributes, lastWriteTime: 7n }
      )
    }).pipe(
      Effect.provide(SmbClient.layer(unset)),
      Effect.provide([TestTransport.layer({ s: { shares: { data: {} } } }), joe])
    ))

  it.effect("of a client against a server without signatures: it refuses, as by default", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.readFileString("//s/data/a.txt"))
      assert.deepInclude(error, { _tag: "ProtocolError", reason: { _tag: "NotSigned" } })
    }).pipe(
      Effect.provide(SmbClient.layer(unset)),
      Effect.provide([
        TestTransport.layer({
          s: { shares: { data: { "a.txt": "x" } }, faults: [{ on: "TREE_CONNECT", is: { signature: "none" } }] }
        }),
        joe
      ])
    ))

  it.live("of a server: signed sessions, and all its limits", () =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* SmbServer.make({
        ...nothing("kerberos", "namespaces", "name", "signing", "encryption", "guest", "dialects", "receive"),
        identity: undefined,
        limits: nothing("connections", "opens", "storeTime", "idleTime", "transfer"),
        host,
        port: 0,
        users: UserStore.inMemory({ user: { password: Redacted.make("password"), sid: undefined, groups: undefined } }),
        shares: { data: { store: MemoryStore.make(), comment: undefined, readOnly: undefined, guest: undefined } }
      })
      const smb = yield* SmbClient.SmbClient
      const path = `//${server.host}:${server.port}/data/a.txt`
      yield* smb.writeFile(path, new TextEncoder().encode("text"))
      assert.strictEqual(yield* smb.readFileString(path), "text")
    })).pipe(
      Effect.provide(SmbClient.layer()),
      Effect.provide([TcpTransport.layer(nothing("connectTimeout", "receiveBuffer", "lookup", "addresses")), joe])
    ))

  it.effect("of DFS by the configuration does not turn it on", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const servers = yield* TestTransport.TestServers
      assert.strictEqual(yield* smb.readFileString("//s/data/a.txt"), "x")
      assert.isFalse((yield* servers.requests).some(({ command }) => command === "IOCTL"))
    }).pipe(
      Effect.provide(DfsAdapter.layerConfig(Config.succeed({ enabled: undefined }))),
      Effect.provide([SmbClient.layer(), noDiscovery]),
      Effect.provide([TestTransport.layer({ s: { shares: { data: { "a.txt": "x" } } } }), joe])
    ))

  it.effect("of a described server: it has the account of the description", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* smb.readFileString("//a/data/f.txt"), "x")
    }).pipe(Effect.provide(TestNamespace.layerClient({
      account: { user: "ann", password: "secret" },
      servers: { a: { user: undefined, password: undefined, dialect: undefined } },
      files: { "\\\\a\\data\\f.txt": "x" }
    }))))
})

type Env = Readonly<Record<string, string>>
const configured = (config: Config.Config<object>, env: Env) =>
  Effect.provideService(Effect.exit(config), ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
const given = <A extends object>(found: A) =>
  Object.fromEntries(
    Object.entries(found).filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, Duration.isDuration(value) ? Duration.format(value) : value])
  )

const cases = {
  client: [SmbClient.config, {
    SMB_SIGNING: ["if-required", "signing", "if-required", "perhaps"],
    SMB_ENCRYPTION: ["required", "encryption", "required", "yes"],
    SMB_DIALECTS: ["3.0, 3.1.1,NT1", "dialects", ["3.0", "3.1.1", "NT1"], "3.0,4"],
    SMB_REQUEST_TIMEOUT: ["20 seconds", "requestTimeout", "20s", "20"],
    SMB_PENDING_TIMEOUT: ["2 minutes", "pendingTimeout", "2m", "-1 second"],
    SMB_KEEP_ALIVE: ["5 seconds", "keepAlive", "5s", "soon"],
    SMB_IDLE: ["1 minute", "idle", "1m", "-1 second"],
    SMB_CREDENTIAL_TIME_TO_LIVE: ["1 hour", "credentialTimeToLive", "1h", "often"],
    SMB_CREDITS: ["64", "credits", 64, "0"],
    SMB_MAXIMUM_TRANSFER: ["65536", "maximumTransfer", 65_536, "1.5"],
    SMB_NAMES: ["mapped", "names", "mapped", "plain"],
    SMB_RECONNECT: ["5 minutes", "reconnect", "5m", "sometimes"]
  }],
  transport: [TcpTransport.config, {
    SMB_CONNECT_TIMEOUT: ["3 seconds", "connectTimeout", "3s", "3"],
    SMB_RECEIVE_BUFFER: ["65536", "receiveBuffer", 65_536, "-1"],
    SMB_ADDRESSES: [
      "files.corp.test=10.0.0.5:4455; [::1]x=y ;six=[fe80::1]:445;*=proxy",
      "addresses",
      {
        "files.corp.test": { host: "10.0.0.5", port: 4455 },
        "[::1]x": { host: "y", port: undefined },
        "six": { host: "fe80::1", port: 445 },
        "*": { host: "proxy", port: undefined }
      },
      "files=10.0.0.5:99999"
    ]
  }],
  server: [SmbServer.config, {
    SMB_SERVER_PORT: ["4455", "port", 4455, "70000"],
    SMB_SERVER_HOST: ["127.0.0.1", "host", "127.0.0.1", undefined],
    SMB_SERVER_NAME: ["FILES", "name", "FILES", "A-NAME-TOO-LONG!"],
    SMB_SERVER_SIGNING: ["enabled", "signing", "enabled", "if-required"],
    SMB_SERVER_ENCRYPTION: ["disabled", "encryption", "disabled", "off"],
    SMB_SERVER_GUEST: ["anonymous", "guest", "anonymous", "true"],
    SMB_SERVER_DIALECTS: ["3.1.1", "dialects", ["3.1.1"], "NT1"],
    SMB_SERVER_RECEIVE: ["events", "receive", "events", "fast"],
    SMB_SERVER_LIMIT_USER_OPENS: ["7", "limits", { userOpens: 7 }, "0"]
  }],
  // Every limit: a number or a time, as its default is.
  limits: [
    Limits.config,
    Object.fromEntries(
      Object.entries(Limits.defaults).map(([name, value]) =>
        [
          `SMB_SERVER_LIMIT_${name.replaceAll(/[A-Z]/g, (capital) => `_${capital}`).toUpperCase()}`,
          typeof value === "number"
            ? ["70000", name, 70_000, name === "transfer" ? "65535" : "0"]
            : ["3 seconds", name, "3s", "0 seconds"]
        ] as const
      )
    )
  ]
} as const satisfies Record<
  string,
  readonly [
    Config.Config<object>,
    Record<string, readonly [right: string, name: string, value: unknown, wrong: string | undefined]>
  ]
>

type Case = readonly [config: Config.Config<object>, variables: typeof cases[keyof typeof cases][1]]

describe.each(Object.entries<Case>(cases))("the configuration of the %s", (_, [config, variables]) => {
  it.effect("has no option by default, and each by its variable", () =>
    Effect.gen(function*() {
      const none = yield* yield* configured(config, {})
      assert.deepStrictEqual(given(none), {})
      assert.sameMembers(Object.keys(none), Object.values(variables).map(([, name]) => name))
      const env = Object.fromEntries(Object.entries(variables).map(([variable, [right]]) => [variable, right]))
      assert.deepStrictEqual(
        given(yield* yield* configured(config, env)),
        Object.fromEntries(Object.values(variables).map(([, name, value]) => [name, value]))
      )
    }))

  it.effect("refuses a wrong value, and names its variable", () =>
    Effect.gen(function*() {
      for (const [variable, [, , , wrong]] of Object.entries(variables)) {
        // Every text is a host.
        if (wrong === undefined) continue
        const exit = yield* configured(config, { [variable]: wrong })
        assert(Exit.isFailure(exit), variable)
        assert.include(String(exit.cause), variable)
      }
    }))
})

describe("layers from the configuration", () => {
  it.live("serve, connect and log on, and come before the options in code", () =>
    Effect.gen(function*() {
      const { host, port } = yield* SmbServer.SmbServer
      assert.strictEqual(host, "127.0.43.61")
      yield* Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        assert.strictEqual(yield* smb.exists("//elsewhere:1/data/none"), false)
      }).pipe(
        Effect.provide(
          DfsAdapter.layerConfig().pipe(
            Layer.provide([SmbClient.layerConfig(), noDiscovery]),
            Layer.provide([TcpTransport.layerConfig(), Credentials.layerConfig()])
          )
        ),
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({
            env: {
              SMB_ADDRESSES: `elsewhere=${host}:${port}`,
              SMB_ENCRYPTION: "required",
              SMB_USER: "user",
              SMB_PASSWORD: "password"
            }
          })
        )
      )
    }).pipe(
      Effect.provide(
        SmbServer.layerConfig({ host: "0.0.0.0", port: 0, shares: { data: MemoryStore.make() } }).pipe(
          Layer.provide([UserStore.layerInMemory({ user: Redacted.make("password") }), IdentityStore.layerInMemory()])
        )
      ),
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({ env: { SMB_SERVER_HOST: "127.0.43.61", SMB_SERVER_ENCRYPTION: "required" } })
      )
    ))

  it.live("of a server take each limit from the configuration, and keep the limits in code that it does not have", () =>
    Effect.gen(function*() {
      const { port } = yield* SmbServer.SmbServer
      const smb = yield* SmbClient.SmbClient
      const file = (name: string) => smb.open(`//${host}:${port}/data/${name}`, OpenMode.readWrite)
      const refused = yield* Effect.scoped(Effect.gen(function*() {
        yield* file("a")
        yield* file("b")
        return yield* Effect.flip(file("c"))
      }))
      assert(refused._tag === "SmbError")
      assert.strictEqual(refused.statusName, "STATUS_TOO_MANY_OPENED_FILES")
    }).pipe(
      Effect.provide(SmbClient.layer()),
      Effect.provide([
        TcpTransport.layer(),
        joe,
        SmbServer.layerConfig({
          host,
          port: 0,
          shares: { data: MemoryStore.make() },
          limits: { userOpens: 2, opens: 1 }
        }).pipe(
          Layer.provide([UserStore.layerInMemory({ user: Redacted.make("password") }), IdentityStore.layerInMemory()])
        )
      ]),
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({ env: { SMB_SERVER_LIMIT_OPENS: "50" } })
      )
    ))

  it.effect("take no transfer that is too long for a packet, whose length has 24 bits", () =>
    Effect.gen(function*() {
      const of = (text: string) =>
        Effect.result(Limits.config.parse(ConfigProvider.fromEnv({ env: { SMB_SERVER_LIMIT_TRANSFER: text } })))
      assert.strictEqual((yield* of("16711680"))._tag, "Success")
      assert.strictEqual((yield* of("16711681"))._tag, "Failure")
      assert.strictEqual((yield* of("4294967296"))._tag, "Failure")
    }))

  it.effect("fail with ConfigError when they are built", () =>
    Effect.gen(function*() {
      const provider = ConfigProvider.fromEnv({
        env: { SMB_SIGNING: "no", SMB_CONNECT_TIMEOUT: "no", SMB_SERVER_PORT: "no" }
      })
      for (
        const layer of [
          SmbClient.layerConfig().pipe(Layer.provide([TestTransport.layer({}), joe])),
          TcpTransport.layerConfig(),
          SmbServer.layerConfig({ shares: {} }).pipe(
            Layer.provide([UserStore.layerInMemory({}), IdentityStore.layerInMemory()])
          )
        ]
      ) {
        const error = yield* Effect.flip(Effect.scoped(
          Effect.provideService(
            Effect.asVoid(Layer.build(layer as Layer.Layer<unknown, unknown>)),
            ConfigProvider.ConfigProvider,
            provider
          )
        ))
        assert.strictEqual((error as { readonly _tag: string })._tag, "ConfigError")
      }
    }))
})
