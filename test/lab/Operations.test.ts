/**
 * Proves every operation of the client with smbd: through namespaces, in each dialect, signed and encrypted by each
 * algorithm, and with servers of small limits. tshark must accept each packet.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import type { SmbClient } from "effect-smb"
import { chownSync, statSync, writeFileSync } from "node:fs"
import { noise, sha256 } from "./checks/Place.ts"
import { client } from "./Clients.ts"
import { compact, everything } from "./Everything.ts"
import * as Lab from "./Lab.ts"

const data = { name: "data", streams: "xattr", acls: true, extendedAttributes: true, snapshots: true } as const

const servers = Lab.servers({
  root: {
    address: "127.0.22.1",
    shares: [{
      ...data,
      name: "dfs",
      dfs: {
        plain: "127.0.22.2\\data",
        "dead-first": ["127.0.22.9\\data", "127.0.22.3\\data"],
        inter: "127.0.22.2\\dfs\\deep",
        secret: "127.0.22.2\\secret",
        "all-secret": "127.0.22.4\\data",
        small: "127.0.22.5\\data",
        poor: "127.0.22.7\\data"
      }
    }]
  },
  one: {
    address: "127.0.22.2",
    shares: [
      data,
      { name: "dfs", dfs: { deep: "127.0.22.3\\data" } },
      { ...data, name: "secret", encryption: "required" }
    ]
  },
  two: { address: "127.0.22.3", shares: [data] },
  secret: { address: "127.0.22.4", encryption: "required", shares: [data] },
  small: {
    address: "127.0.22.5",
    maximumRead: 65536,
    maximumWrite: 65536,
    maximumCredits: 8,
    options: { "smb2 max trans": "65536" },
    shares: [data]
  },
  // Reads of 8 MiB take 128 credits. This server has 8.
  poor: { address: "127.0.22.7", maximumCredits: 8, shares: [data] }
})

type Servers = Effect.Success<typeof servers>

class World extends Context.Service<World, { readonly servers: Servers; readonly capture: Lab.Capture }>()(
  "test/lab/World"
) {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function*() {
      const all = yield* servers
      const capture = yield* Lab.capture({ addresses: Object.values(all).map(({ address }) => address) })
      return { servers: all, capture }
    })
  )
}

type Link = "" | "plain" | "dead-first" | "inter" | "secret" | "all-secret" | "small" | "poor"
const behind: Record<Link, readonly [keyof Servers, string]> = {
  "": ["root", "dfs"],
  plain: ["one", "data"],
  "dead-first": ["two", "data"],
  inter: ["two", "data"],
  secret: ["one", "secret"],
  "all-secret": ["secret", "data"],
  small: ["small", "data"],
  poor: ["poor", "data"]
}

const through = (link: Link, folder: string, options: SmbClient.Options) =>
  Effect.gen(function*() {
    const world = yield* World
    const [server, share] = behind[link]
    return {
      smb: yield* client({ ...options, dfs: {} }),
      other: yield* client({ ...options, dfs: {} }),
      base: `\\\\127.0.22.1\\dfs${link === "" ? "" : `\\${link}`}`,
      server: world.servers[server],
      share,
      folder
    }
  })

const compacts: ReadonlyArray<{
  readonly name: string
  readonly options: SmbClient.Options
  readonly link?: Link
  readonly dialect?: string
}> = [
  { name: "2.0.2", options: { dialects: ["2.0.2"] }, dialect: "2.0.2" },
  { name: "2.1", options: { dialects: ["2.1"] }, dialect: "2.1" },
  { name: "3.0", options: { dialects: ["3.0"] }, dialect: "3.0" },
  { name: "3.0.2", options: { dialects: ["2.0.2", "2.1", "3.0", "3.0.2"] }, dialect: "3.0.2" },
  { name: "multi-protocol", options: { multiProtocol: true } },
  { name: "multi-protocol 2.0.2", options: { multiProtocol: true, dialects: ["2.0.2"] }, dialect: "2.0.2" },
  { name: "signing only where demanded", options: { signing: "if-required" } },
  { name: "HMAC-SHA256", options: { signingAlgorithms: ["HMAC_SHA256"] } },
  { name: "AES-CMAC", options: { signingAlgorithms: ["AES_CMAC"] } },
  { name: "AES-GMAC", options: { signingAlgorithms: ["AES_GMAC"] } },
  { name: "encrypted 3.0", options: { dialects: ["3.0"], encryption: "required" }, dialect: "3.0" },
  { name: "encrypted 3.0.2", options: { dialects: ["3.0.2"], encryption: "required" }, dialect: "3.0.2" },
  { name: "AES-128-CCM", options: { encryption: "required", ciphers: ["AES_128_CCM"] } },
  { name: "AES-128-GCM", options: { encryption: "required", ciphers: ["AES_128_GCM"] } },
  { name: "AES-256-CCM", options: { encryption: "required", ciphers: ["AES_256_CCM"] } },
  { name: "AES-256-GCM", options: { encryption: "required", ciphers: ["AES_256_GCM"] } },
  { name: "a share that demands encryption", options: {}, link: "secret" },
  { name: "a share that demands encryption of 3.0", options: { dialects: ["3.0"] }, link: "secret", dialect: "3.0" },
  { name: "a server that demands encryption", options: {}, link: "all-secret" },
  { name: "a server that gives little at a time", options: {}, link: "small" },
  { name: "a server that gives little at a time, 2.1", options: { dialects: ["2.1"] }, link: "small", dialect: "2.1" },
  { name: "a server with few credits", options: {}, link: "poor" }
]

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("every operation of a client works", (it) => {
  it.effect("on a plain share", () =>
    Effect.gen(function*() {
      const { servers } = yield* World
      yield* everything({
        smb: yield* client(),
        other: yield* client(),
        base: "\\\\127.0.22.2\\data",
        server: servers.one,
        share: "data",
        folder: "no dfs"
      })
    }))

  it.effect("in the namespace's root itself", () => Effect.flatMap(through("", "full root", {}), everything))

  it.effect("through a link", () => Effect.flatMap(through("plain", "full", {}), everything))

  it.effect("through a link whose first target is dead", () =>
    Effect.flatMap(through("dead-first", "full dead", {}), everything))

  it.effect("through an interlink", () => Effect.flatMap(through("inter", "full inter", {}), everything))

  for (const { dialect, link, name, options } of compacts) {
    it.effect(`over ${name}`, () =>
      Effect.gen(function*() {
        const place = yield* through(link ?? "plain", name, options)
        yield* compact(place)
        const spoken = yield* place.smb.withShare(place.base, (share) => Effect.succeed(share.dialect))
        assert.strictEqual(spoken, dialect ?? "3.1.1")
      }))
  }

  it.effect("for a copy from one server to another, and back", () =>
    Effect.gen(function*() {
      const { servers } = yield* World
      const smb = yield* client({ dfs: {} })
      const bytes = noise(3_000_001, 9)
      yield* smb.writeFile("\\\\127.0.22.1\\dfs\\plain\\travels", bytes)
      yield* smb.copy("\\\\127.0.22.1\\dfs\\plain\\travels", "\\\\127.0.22.1\\dfs\\inter\\travelled")
      const read = yield* smb.readFile("\\\\127.0.22.3\\data\\travelled")
      assert.strictEqual(sha256(read), sha256(bytes))
      yield* smb.copy("\\\\127.0.22.1\\dfs\\inter\\travelled", "\\\\127.0.22.1\\dfs\\plain\\home", { create: true })
      assert.strictEqual(statSync(servers.one.path("data", "home")).size, bytes.length)
    }))

  it.effect("without a packet that tshark objects to", () =>
    Effect.gen(function*() {
      const { capture } = yield* World
      const { objections, packets } = yield* capture.analyse()
      assert.isAbove(packets, 10_000)
      assert.deepStrictEqual(objections, [])
      // tshark has decrypted each encrypted packet.
      const encrypted = yield* capture.fields("smb2.header.transform.flags", ["smb2.cmd"])
      assert.isAbove(encrypted.length, 1000)
      assert.deepStrictEqual(encrypted.filter(([command]) => command === ""), [])
      const answers = yield* capture.fields("smb2.cmd == 0 && smb2.flags.response == 1", [
        "smb2.dialect",
        "smb2.negotiate_context.cipher_id",
        "smb2.negotiate_context.signing_id"
      ])
      const seen = (column: number) => [...new Set(answers.map((row) => Number(row[column] ?? "")))].toSorted()
      assert.includeMembers(seen(0), [0x202, 0x210, 0x2ff, 0x300, 0x302, 0x311])
      assert.includeMembers(seen(1), [1, 2, 3, 4])
      assert.includeMembers(seen(2), [0, 1, 2])
    }))
})

const pair = Lab.server({ address: "127.0.22.6", shares: [{ name: "data" }] })

class Pair extends Context.Service<Pair, Lab.Server>()("test/lab/Pair") {
  static readonly layer = Layer.effect(Pair, pair)
}

layer(Pair.layer, { excludeTestServices: true, timeout: "60 seconds" })("a copy within one server", (it) => {
  it.effect("is made by the server: no READ or WRITE crosses the network", () =>
    Effect.gen(function*() {
      const server = yield* Pair
      const bytes = noise(20_000_003, 7)
      writeFileSync(server.path("data", "from"), bytes)
      chownSync(server.path("data", "from"), statSync(server.path("data")).uid, -1)
      const smb = yield* client()
      const capture = yield* Lab.capture({ addresses: [server.address] })
      yield* smb.copy("\\\\127.0.22.6\\data\\from", "\\\\127.0.22.6\\data\\to")
      const copied = yield* Effect.sync(() => statSync(server.path("data", "to")).size)
      assert.strictEqual(copied, bytes.length)
      const moved = yield* capture.fields("smb2.cmd == 8 || smb2.cmd == 9", ["frame.number"])
      assert.deepStrictEqual(moved, [])
      const frames = yield* capture.fields("frame", ["frame.len"])
      assert.isBelow(frames.reduce((sum, [length]) => sum + Number(length), 0), 100_000)
      const copy = yield* Stream.runCollect(smb.stream("\\\\127.0.22.6\\data\\to"))
      assert.strictEqual(sha256(Buffer.concat(copy)), sha256(bytes))
    }))
})
