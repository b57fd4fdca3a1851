/**
 * The port of each server on a DFS path: a path can name a port, a referral cannot. Also the flag --address of the
 * command, which gives servers other addresses and ports.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted } from "effect"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as Flags from "../../src/Cli/Flags.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import * as Transport from "../../src/Protocol/Transport.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"

const hosts: TestTransport.Hosts = {
  ns: {
    shares: { dfs: { "root.txt": "root" } },
    referrals: {
      "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs"] },
      "\\\\ns\\dfs\\a": { targets: ["\\\\a\\data"] }
    }
  },
  a: { shares: { data: { "who.txt": "a" } } }
}

/** The endpoints that the client connected to while it read these paths. */
const places = (options: DfsAdapter.DfsAdapterOptions, paths: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const transport = Layer.effect(
      Transport.Transport,
      Effect.map(Transport.Transport, (inner) =>
        Transport.Transport.of({
          connect: (endpoint, handlers) => {
            seen.push(`${endpoint.host}:${endpoint.port}`)
            return inner.connect(endpoint, handlers)
          }
        }))
    ).pipe(Layer.provide(TestTransport.layer(hosts)))
    yield* Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      for (const path of paths) yield* smb.readFileString(path)
    }).pipe(Effect.provide(
      DfsAdapter.layerWithoutDiscovery(options).pipe(
        Layer.provide(SmbClient.layer()),
        Layer.provide([transport, Credentials.layer(Credentials.password("user", Redacted.make("password")))])
      )
    ))
    return seen
  })

describe("the option port", () => {
  it.effect.each<readonly [number | undefined, string, ReadonlyArray<string>]>([
    [undefined, "\\\\ns\\dfs\\a\\who.txt", ["ns:445", "a:445"]],
    [undefined, "\\\\ns:4455\\dfs\\a\\who.txt", ["ns:4455", "a:445"]],
    [4456, "\\\\ns:4455\\dfs\\a\\who.txt", ["ns:4455", "a:4456"]],
    [445, "\\\\ns:4455\\dfs\\a\\who.txt", ["ns:4455", "a:445"]],
    [4456, "\\\\ns\\dfs\\a\\who.txt", ["ns:445", "a:4456"]],
    [4455, "\\\\NS:4455\\dfs\\a\\who.txt", ["NS:4455", "a:4455"]]
  ])("of %s for the targets of %s", ([port, path, expected]) =>
    Effect.gen(function*() {
      const seen = yield* places(port === undefined ? {} : { port }, [path])
      assert.deepStrictEqual(seen.map((one) => one.toLowerCase()), expected.map((one) => one.toLowerCase()))
    }))
})

describe("the flag --address", () => {
  it.effect.each<readonly [string, readonly [string, { readonly host: string; readonly port?: number }]]>([
    ["b=10.0.0.5", ["b", { host: "10.0.0.5" }]],
    ["b=10.0.0.5:4456", ["b", { host: "10.0.0.5", port: 4456 }]],
    ["b=10.0.0.5:445", ["b", { host: "10.0.0.5", port: 445 }]],
    ["b.corp.test=localhost:4456", ["b.corp.test", { host: "localhost", port: 4456 }]],
    ["10.0.0.5:4456", ["*", { host: "10.0.0.5", port: 4456 }]],
    ["::1", ["*", { host: "::1" }]],
    ["b=[::1]:4456", ["b", { host: "::1", port: 4456 }]],
    ["b=fe80::1%eth0", ["b", { host: "fe80::1%eth0" }]],
    ["[::2]=[::1]", ["::2", { host: "::1" }]]
  ])("reads %s", ([text, expected]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Flags.parseAddress(text), expected)
    }))
  it.effect.each([
    "",
    "b=",
    "=10.0.0.5",
    "b=10.0.0.5:0",
    "b=10.0.0.5:x",
    "b=joe@h",
    "b=h/share",
    "b=[::1",
    "b=h:70000"
  ])(
    "refuses %j",
    (text) =>
      Effect.gen(function*() {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(Flags.parseAddress(text))))
      })
  )
})
