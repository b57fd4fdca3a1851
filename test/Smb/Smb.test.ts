/**
 * The client in one layer, against servers over TCP: it logs on as the user of its options or of the configuration, and
 * follows DFS only if it is told to.
 */
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Exit, Layer, Redacted } from "effect"
import { type ClientError, Credentials, MemoryStore, Smb, SmbClient, SmbServer, UserStore } from "effect-smb"

const one = "127.0.49.11"
const two = "127.0.49.12"
const password = Redacted.make("a-secret-of-this-test")

/** A server with the root `//one/public`, whose folder `plans` is a link to a share of the other server. */
const world = Effect.gen(function*() {
  const users = UserStore.inMemory({ joe: password, ann: password })
  const root = yield* SmbServer.make({
    host: one,
    port: 0,
    users,
    guest: "unknown",
    shares: { data: { store: MemoryStore.make(), guest: true } },
    namespaces: { roots: { public: { links: { plans: [`\\\\${two}\\data`] } } } }
  })
  const other = yield* SmbServer.make({ host: two, port: 0, users, shares: { data: MemoryStore.make() } })
  return {
    plain: `//${one}:${root.port}/data`,
    link: `//${one}:${root.port}/public/plans`,
    target: `//${two}/data`,
    addresses: { [two]: { host: two, port: other.port } }
  }
})

const reasonOf = (error: ClientError) => error._tag === "SmbError" ? error.reason._tag : error._tag

const use = <A, E, E2>(
  layer: Layer.Layer<SmbClient.SmbClient, E2>,
  run: (smb: SmbClient.Client) => Effect.Effect<A, E>
) => Effect.provide(Effect.flatMap(SmbClient.SmbClient, run), Layer.fresh(layer))

const env = (variables: Readonly<Record<string, string>>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: variables }))

describe("Smb.layer", () => {
  it.live("connects over TCP, logs on as its user, and follows no DFS link by default", () =>
    Effect.scoped(Effect.gen(function*() {
      const { link, plain } = yield* world
      const text = yield* use(
        Smb.layer({ user: "joe", password }),
        (smb) => Effect.andThen(smb.writeFile(`${plain}/a.txt`, "text"), smb.readFileString(`${plain}/a.txt`))
      )
      assert.strictEqual(text, "text")
      for (const dfs of [undefined, "off", { enabled: false }] as const) {
        const error = yield* use(
          Smb.layer({ user: "joe", password, dfs }),
          (smb) => Effect.flip(smb.writeFile(`${link}/a.txt`, "text"))
        )
        assert.strictEqual(reasonOf(error), "PathNotCovered")
      }
    })))

  it.live("follows DFS links with the modes and with options of DFS", () =>
    Effect.scoped(Effect.gen(function*() {
      const { addresses, link, target } = yield* world
      for (const dfs of ["fallback", "strict", { mode: "fallback" }] as const) {
        const text = `by ${JSON.stringify(dfs)}`
        const found = yield* use(Smb.layer({ user: "joe", password, dfs, addresses }), (smb) =>
          Effect.gen(function*() {
            yield* smb.writeFile(`${link}/a.txt`, text)
            assert.strictEqual(yield* smb.readFileString(`${link}/a.txt`), text)
            // The server of the target has no namespace.
            return yield* smb.readFileString(`${target}/a.txt`).pipe(
              Effect.catchTag("NotDfsCapable", () => Effect.succeed("not capable"))
            )
          }))
        assert.strictEqual(found, dfs === "strict" ? "not capable" : text)
      }
    })))

  it.live("takes a domain, another credential, and the options of the client and of TCP", () =>
    Effect.scoped(Effect.gen(function*() {
      const { plain } = yield* world
      const path = `${plain}/a.txt`
      for (
        const options of [
          { user: "ann", domain: "CORP", password },
          { user: "CORP\\ann", domain: "OTHER", password },
          { credential: Credentials.guest, signing: "if-required" },
          { user: "joe", password, encryption: "required", dialects: ["3.0"] }
        ] as const
      ) {
        yield* use(Smb.layer(options), (smb) => smb.writeFile(path, "text"))
      }
      const wrong = Redacted.make("a-wrong-secret")
      const refused = yield* use(Smb.layer({ user: "joe", password: wrong }), (smb) => Effect.flip(smb.readFile(path)))
      assert.deepInclude(refused, { _tag: "SmbError", command: "SESSION_SETUP" })
      assert.notInclude(JSON.stringify(refused) + refused.message, "a-wrong-secret")
      const elsewhere = yield* use(
        Smb.layer({ user: "joe", password, addresses: { nas: { host: one, port: Number(plain.split(/[:/]/)[3]) } } }),
        (smb) => smb.readFileString("//nas/data/a.txt")
      )
      assert.strictEqual(elsewhere, "text")
    })))
})

describe("Smb.layerConfig", () => {
  const read = (path: string) => (smb: SmbClient.Client) => smb.exists(path)

  it.live("reads the account and all options from variables with a prefix", () =>
    Effect.scoped(Effect.gen(function*() {
      const { addresses, link, plain } = yield* world
      const account = { SMB_USER: "joe", SMB_PASSWORD: Redacted.value(password) }
      assert.isFalse(yield* use(Smb.layerConfig(), read(`${plain}/none`)).pipe(env(account)))
      assert.isFalse(
        yield* use(Smb.layerConfig(Smb.config("NAS")), read(`${link}/none`)).pipe(env({
          NAS_USER: "ann",
          NAS_DOMAIN: "CORP",
          NAS_PASSWORD: Redacted.value(password),
          NAS_DFS: "true",
          NAS_DFS_MODE: "strict",
          NAS_ADDRESSES: `${two}=${two}:${addresses[two]!.port}`,
          NAS_CONNECT_TIMEOUT: "3 seconds",
          NAS_SIGNING: "required",
          // The variables of the other prefix do not count.
          SMB_DFS: "false",
          SMB_USER: "nobody"
        }))
      )
      const off = yield* use(Smb.layerConfig(), (smb) => Effect.flip(smb.exists(`${link}/none`))).pipe(env(account))
      assert.strictEqual(reasonOf(off), "PathNotCovered")
    })))

  it.live("takes a Config for each option, as layers of other packages do", () =>
    Effect.scoped(Effect.gen(function*() {
      const { plain } = yield* world
      const layer = Smb.layerConfig({
        user: Config.String("WHO"),
        password: Config.Redacted("SECRET"),
        dfs: Config.Literals(["off", "fallback"], "FOLLOW")
      })
      const variables = { WHO: "joe", SECRET: Redacted.value(password), FOLLOW: "fallback" }
      assert.isFalse(yield* use(layer, read(`${plain}/none`)).pipe(env(variables)))
    })))

  it.effect("fails with the name of a variable that is missing or wrong, and without the password", () =>
    Effect.gen(function*() {
      const right = { NAS_USER: "joe", NAS_PASSWORD: Redacted.value(password) }
      for (
        const [variable, variables] of [
          ["NAS_USER", { NAS_PASSWORD: Redacted.value(password) }],
          ["NAS_PASSWORD", { NAS_USER: "joe" }],
          ["NAS_DFS_MODE", { ...right, NAS_DFS_MODE: "perhaps" }],
          ["NAS_SIGNING", { ...right, NAS_SIGNING: "perhaps" }],
          ["NAS_ADDRESSES", { ...right, NAS_ADDRESSES: "a=b:99999" }],
          ["NAS_DFS_PORT", { ...right, NAS_DFS_PORT: "0" }]
        ] as const
      ) {
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(Smb.layerConfig(Smb.config("NAS"))))).pipe(
          env(variables)
        )
        assert(Exit.isFailure(exit), variable)
        assert.include(String(exit.cause), variable)
        assert.notInclude(String(exit.cause), Redacted.value(password))
      }
    }))
})
