import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import type { SmbClient } from "effect-smb"
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
  }
})

type Servers = Effect.Success<typeof servers>

class World extends Context.Service<World, { readonly servers: Servers; readonly capture: Lab.Capture }>()(
  "test/lab/Smb1"
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

  it.effect("sends and gets no packet that tshark objects to", () =>
    Effect.gen(function*() {
      const { capture } = yield* World
      const { objections, packets } = yield* capture.analyse()
      assert.isAbove(packets, 5000)
      assert.deepStrictEqual(objections, [])
    }))
})
