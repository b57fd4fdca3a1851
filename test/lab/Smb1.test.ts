import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import type { SmbClient } from "effect-smb"
import { readdir } from "node:fs/promises"
import { client } from "./Clients.ts"
import { everything } from "./Everything.ts"
import * as Lab from "./Lab.ts"

const data = { name: "data", streams: "xattr", acls: true, extendedAttributes: true, snapshots: true } as const
const nt1 = { minimumDialect: "NT1", maximumDialect: "NT1", signing: "auto" } as const

const servers = Lab.servers({
  old: {
    address: "127.0.26.1",
    ...nt1,
    shares: [data, {
      ...data,
      name: "dfs",
      dfs: { old: "127.0.26.2\\data", new: "127.0.26.3\\data" }
    }]
  },
  older: { address: "127.0.26.2", ...nt1, signing: "mandatory", shares: [data] },
  modern: {
    address: "127.0.26.3",
    minimumDialect: "SMB3_11",
    shares: [data, { ...data, name: "dfs", dfs: { old: "127.0.26.2\\data" } }]
  },
  // Small packets both ways, and a logon without SPNEGO.
  small: {
    address: "127.0.26.4",
    ...nt1,
    options: { "max xmit": "1500", "raw NTLMv2 auth": "yes", "max mux": "3" },
    shares: [data]
  },
  split: { address: "127.0.26.5", ...nt1, options: { "max xmit": "1500" }, shares: [data] }
})

type Servers = Effect.Success<typeof servers>

class World extends Context.Service<World, { readonly servers: Servers; readonly capture: Lab.Capture }>()(
  "test/lab/Smb1"
) {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function*() {
      const all = yield* servers
      // tshark does not put NT_TRANSACT together from several packets, and objects to each of them.
      const addresses = Object.values(all).map(({ address }) => address).filter((address) => address !== "127.0.26.5")
      const capture = yield* Lab.capture({ addresses })
      return { servers: all, capture }
    })
  )
}

const place = (
  base: string,
  [server, share]: readonly [keyof Servers, string],
  folder: string,
  options: SmbClient.Options
) =>
  Effect.gen(function*() {
    const world = yield* World
    return {
      smb: yield* client({ ...options, dfs: {} }),
      other: yield* client({ ...options, dfs: {} }),
      base,
      server: world.servers[server],
      share,
      folder,
      clientArgs: server === "modern" ? [] : ["--option=client min protocol=NT1", "--option=client max protocol=NT1"]
    }
  })

const only: SmbClient.Options = { dialects: ["NT1"] }
const both: SmbClient.Options = { dialects: ["NT1", "2.1", "3.0", "3.1.1"] }

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("SMB 1", (it) => {
  it.effect("does every operation, unsigned", () =>
    Effect.flatMap(
      place("\\\\127.0.26.1\\data", ["old", "data"], "unsigned", { ...only, signing: "if-required" }),
      everything
    ))

  it.effect("does every operation, signed", () =>
    Effect.flatMap(place("\\\\127.0.26.1\\data", ["old", "data"], "signed", only), everything))

  it.effect("does every operation through a link to SMB 1", () =>
    Effect.flatMap(place("\\\\127.0.26.1\\dfs\\old", ["older", "data"], "old to old", only), everything))

  it.effect("does every operation through a link from SMB 1 to SMB 3", () =>
    Effect.flatMap(place("\\\\127.0.26.1\\dfs\\new", ["modern", "data"], "old to new", both), everything))

  it.effect("does every operation through a link from SMB 3 to SMB 1", () =>
    Effect.flatMap(place("\\\\127.0.26.3\\dfs\\old", ["older", "data"], "new to old", both), everything))

  it.effect("does every operation in the namespace's root itself", () =>
    Effect.flatMap(place("\\\\127.0.26.1\\dfs", ["old", "dfs"], "root", only), everything))

  it.effect("does every operation with small packets, on three requests at once", () =>
    Effect.flatMap(
      place("\\\\127.0.26.4\\data", ["small", "data"], "small", { ...only, smb1: { maxBufferSize: 1500 } }),
      everything
    ))

  // smbd 4.17 does not sign after such a logon, as its own smbclient finds out too.
  it.effect("does every operation after a logon without SPNEGO, which smbd cannot sign", () =>
    Effect.gen(function*() {
      const smb1 = { extendedSecurity: false }
      const unsigned = { ...only, signing: "if-required", smb1 } as const
      yield* everything(yield* place("\\\\127.0.26.4\\data", ["small", "data"], "plain", unsigned))
      const refused = yield* Effect.flip(Effect.flatMap(
        client({ ...only, smb1 }),
        (smb) => smb.stat("\\\\127.0.26.4\\data")
      ))
      assert.strictEqual(refused._tag === "ProtocolError" ? refused.reason : refused, "BadSignature")
    }))

  it.effect("sends long requests in several packets, signed and unsigned", () =>
    Effect.gen(function*() {
      const capture = yield* Lab.capture({ addresses: ["127.0.26.5"] })
      for (const signing of ["required", "if-required"] as const) {
        const smb = yield* client({ ...only, signing, smb1: { maxBufferSize: 1500 } })
        const path = `\\\\127.0.26.5\\data\\long-${signing}`
        yield* smb.writeFile(path, "x")
        const before = yield* smb.security.get(path)
        const aces = Array.from({ length: 80 }, (_, i) => ({
          _tag: "Basic" as const,
          aceType: 0,
          aceFlags: 0,
          mask: 0x0012_0089,
          sid: `S-1-5-21-1-2-3-${i + 5000}`
        }))
        yield* smb.security.set(path, {
          ...before,
          owner: undefined,
          group: undefined,
          sacl: undefined,
          dacl: { ...before.dacl!, aces: [...before.dacl!.aces, ...aces] }
        })
        const after = yield* smb.security.get(path)
        assert.isAtLeast(after.dacl!.aces.length, 80)
        assert.strictEqual(yield* smb.readFileString(path), "x")
      }
      const secondaries = yield* capture.fields("smb.cmd == 0xa1", ["frame.number"])
      assert.isAtLeast(secondaries.length, 4)
    }))

  it.effect("takes SMB 3 where both are offered, and SMB 1 only where it is asked for", () =>
    Effect.gen(function*() {
      const dialect = (options: SmbClient.Options, server: string) =>
        Effect.flatMap(client(options), (smb) =>
          smb.withShare(`\\\\${server}\\data`, (share) => Effect.succeed(share.dialect)))
      assert.strictEqual(yield* dialect(both, "127.0.26.3"), "3.1.1")
      assert.strictEqual(yield* dialect(both, "127.0.26.1"), "NT1")
      const refused = yield* Effect.flip(dialect({}, "127.0.26.1"))
      assert.strictEqual(refused._tag === "ProtocolError" ? refused.reason : refused, "Smb1Only")
      const encrypted = yield* Effect.flip(dialect({ ...only, encryption: "required" }, "127.0.26.1"))
      assert.strictEqual(encrypted._tag === "ProtocolError" ? encrypted.reason : encrypted, "EncryptionUnavailable")
      const gone = yield* Effect.flip(dialect(only, "127.0.26.3"))
      assert.include(["ProtocolError", "TransportError"], gone._tag)
    }).pipe(Effect.scoped))

  it.effect("speaks an OEM code page with a server that has no Unicode", () =>
    Effect.gen(function*() {
      const world = yield* World
      const smb = yield* client({ ...only, smb1: { unicode: false } })
      const base = "\\\\127.0.26.4\\data\\oem"
      yield* smb.makeDirectory(base)
      const names = ["Ärger mit ß.txt", "plain", "naïve ½", "odd"]
      for (const name of names) yield* smb.writeFile(`${base}\\${name}`, name)
      const disk = yield* Effect.promise(() => readdir(world.servers.small.path("data", "oem")))
      assert.deepStrictEqual(disk.toSorted(), names.toSorted())
      const listed = yield* Stream.runCollect(smb.list(base))
      assert.deepStrictEqual(listed.map(({ name }) => name).toSorted(), names.toSorted())
      for (const name of names) assert.strictEqual(yield* smb.readFileString(`${base}\\${name}`), name)
      yield* smb.rename(`${base}\\odd`, `${base}\\even é`)
      assert.isTrue(yield* smb.exists(`${base}\\even é`))
      const unsayable = yield* Effect.flip(smb.writeFile(`${base}\\🦊`, ""))
      assert.strictEqual(unsayable._tag === "SmbError" ? unsayable.reason : unsayable, "ObjectNameInvalid")
    }))

  it.effect("sends and gets no packet that tshark objects to", () =>
    Effect.gen(function*() {
      const { capture } = yield* World
      const { objections, packets } = yield* capture.analyse()
      assert.isAbove(packets, 5000)
      assert.deepStrictEqual(objections, [])
    }))
})
