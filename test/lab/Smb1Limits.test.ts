/**
 * Proves the client's SMB 1 with smbd servers that accept one small packet at a time or close a share, and that the
 * client leaves no lock and no search there.
 */
import { assert, layer } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { OpenMode, type SmbClient } from "effect-smb"
import type { Place } from "./checks/Place.ts"
import { refused } from "./checks/Place.ts"
import { client, dfsClient } from "./Clients.ts"
import { everythingBut } from "./Everything.ts"
import * as Lab from "./Lab.ts"

const data = { name: "data", streams: "xattr", acls: true, extendedAttributes: true, snapshots: true } as const
const nt1 = { minimumDialect: "NT1", maximumDialect: "NT1", signing: "auto" } as const

const addresses = {
  single: "127.0.42.1",
  root: "127.0.42.2",
  first: "127.0.42.3",
  second: "127.0.42.4",
  modern: "127.0.42.5"
} as const

/** So many that their list is a response of several fragments. */
const manyShares = Array.from({ length: 150 }, (_, i) => ({ name: `share number ${i}` }))

const servers = Lab.servers({
  single: { address: addresses.single, ...nt1, shares: [data], options: { "max mux": "1", "max xmit": "1024" } },
  root: {
    address: addresses.root,
    ...nt1,
    shares: [data, { name: "dfs", dfs: { both: `${addresses.first}\\data,${addresses.second}\\data` } }]
  },
  first: { address: addresses.first, ...nt1, shares: [data, ...manyShares] },
  second: { address: addresses.second, ...nt1, shares: [data] },
  modern: { address: addresses.modern, shares: [data, ...manyShares] }
})

type Servers = Effect.Success<typeof servers>

class World extends Context.Service<World, { readonly servers: Servers; readonly capture: Lab.Capture }>()(
  "test/lab/Smb1Limits"
) {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function*() {
      const all = yield* servers
      return { servers: all, capture: yield* Lab.capture({ addresses: Object.values(addresses) }) }
    })
  )
}

const only: SmbClient.Options = { dialects: ["NT1"] }
const nt1Args = ["--option=client min protocol=NT1", "--option=client max protocol=NT1"]

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })(
  "a client of SMB 1 on smbd with limits",
  (it) => {
    it.effect("with one request of at most 1024 bytes at a time does every operation except watching and oplocks", () =>
      Effect.gen(function*() {
        const { servers } = yield* World
        const place: Place = {
          smb: yield* client(only),
          other: yield* client(only),
          base: `\\\\${addresses.single}\\data`,
          server: servers.single,
          share: "data",
          folder: "all",
          clientArgs: nt1Args
        }
        yield* everythingBut("watching", "oplocks")(place)
        const error = yield* refused(Stream.runDrain(place.smb.watch(`${place.base}\\all`)))
        assert.strictEqual(error, "NotSupported")
      }))

    it.effect("fails with STATUS_NETWORK_NAME_DELETED when the server closes a share, and reads again afterwards", () =>
      Effect.gen(function*() {
        const { servers } = yield* World
        yield* servers.root.write("data", "small.txt", "small")
        const conf = `${servers.root.path("", "..")}/smb.conf`
        const smb = yield* client({ ...only, reconnect: "never" })
        const read = smb.readFileString(`\\\\${addresses.root}\\data\\small.txt`)
        assert.strictEqual(yield* read, "small")
        yield* Effect.promise(() => Lab.mustExecute("smbcontrol", ["-s", conf, "smbd", "close-share", "data"]))
        const lost = yield* Effect.repeat(Effect.exit(Effect.andThen(Effect.sleep(20), read)), {
          times: 50,
          while: Exit.isSuccess
        })
        assert(Exit.isFailure(lost))
        assert.include(Cause.pretty(lost.cause), "STATUS_NETWORK_NAME_DELETED")
        assert.strictEqual(yield* read, "small")
      }).pipe(Effect.scoped))

    it.effect("continues at the next target when a target closes its share, or stops between two requests", () =>
      Effect.gen(function*() {
        const { servers } = yield* World
        for (const name of ["first", "second"] as const) yield* servers[name].write("data", "where.txt", name)
        const { smb } = yield* dfsClient({ ...only, dfs: {} })
        const read = smb.readFileString(`\\\\${addresses.root}\\dfs\\both\\where.txt`)
        const before = yield* read
        const name = before === "first" ? "first" : "second"
        const other = name === "first" ? "second" : "first"
        const conf = `${servers[name].path("", "..")}/smb.conf`
        yield* Effect.promise(() => Lab.mustExecute("smbcontrol", ["-s", conf, "smbd", "close-share", "data"]))
        const next = yield* Effect.repeat(Effect.andThen(Effect.sleep(20), read), {
          times: 50,
          while: (where) => where === name
        })
        assert.strictEqual(next, other)
        yield* servers[other].stop
        assert.strictEqual(yield* read, name)
      }).pipe(Effect.scoped))

    it.effect("lists 151 shares by SMB 2 and, with two transactions on a named pipe, by SMB 1", () =>
      Effect.gen(function*() {
        for (const [name, options] of [["first", only], ["modern", {}]] as const) {
          const smb = yield* client(options)
          const capture = yield* Lab.capture({ addresses: [addresses[name]] })
          const shares = yield* smb.shares(`\\\\${addresses[name]}`)
          assert.deepStrictEqual(
            shares.filter(({ special, type }) => !special && type === "disk").map((share) => share.name).toSorted(),
            ["data", ...manyShares.map((share) => share.name)].toSorted()
          )
          const count = (filter: string) => Effect.map(capture.fields(filter, ["frame.number"]), (rows) => rows.length)
          if (name === "first") {
            // The bind and the call. READ gets what does not fit into the first response.
            assert.strictEqual(yield* count("smb.flags.response == 0 and smb.cmd == 0x25"), 2)
            assert.isAbove(yield* count("smb.flags.response == 0 and smb.cmd == 0x2e"), 1)
            assert.strictEqual(yield* count("smb.cmd == 0x2f"), 0)
          }
        }
      }).pipe(Effect.scoped))

    it.effect("ends a waiting lock and a search when their callers are interrupted", () =>
      Effect.gen(function*() {
        const { servers } = yield* World
        const [smb, other] = [yield* client(only), yield* client(only)]
        const path = `\\\\${addresses.root}\\data\\locked.txt`
        yield* servers.root.write("data", "locked.txt", "locked")
        const range = [{ offset: 0, length: 1 }]
        const mine = yield* smb.open(path, OpenMode.readWrite)
        const theirs = yield* other.open(path, OpenMode.readWrite)
        yield* Effect.scoped(Effect.gen(function*() {
          yield* mine.lock(range)
          const waiting = yield* Effect.forkChild(Effect.scoped(theirs.lock(range)))
          yield* Effect.sleep(200)
          yield* Fiber.interrupt(waiting)
        }))
        // No client has the lock now, and no client gets it later.
        yield* Effect.scoped(mine.lock(range, { wait: false }))
        yield* Effect.sleep(100)
        yield* Effect.scoped(mine.lock(range, { wait: false }))

        const folder = `\\\\${addresses.root}\\data\\many`
        yield* smb.makeDirectory(folder)
        for (let i = 0; i < 800; i++) yield* servers.root.write("data", `many/${"n".repeat(60)}${i}`, "")
        for (let i = 0; i < 3; i++) {
          const some = yield* Effect.forkChild(
            Stream.runForEach(smb.list(folder), () => Effect.never)
          )
          yield* Effect.sleep(100)
          yield* Fiber.interrupt(some)
          assert.strictEqual((yield* Stream.runCollect(Stream.take(smb.list(folder), 3))).length, 3)
        }
      }).pipe(Effect.scoped))

    it.effect("has closed each search, kept the server's limits, and sent no packet to which tshark objects", () =>
      Effect.gen(function*() {
        const { capture } = yield* World
        const { objections } = yield* capture.analyse()
        assert.deepStrictEqual(objections, [])
        const long = yield* capture.fields(
          `smb.flags.response == 0 and ip.dst == ${addresses.single} and nbss.length > 1024`,
          ["smb.cmd", "nbss.length"]
        )
        // Only a WRITE can be longer: CAP_LARGE_WRITEX allows it.
        assert.deepStrictEqual(long.filter(([command]) => !command!.startsWith("0x2f")), [])
        const negotiated = yield* capture.fields(
          `smb.cmd == 0x72 and smb.flags.response == 1 and ip.src == ${addresses.single}`,
          ["smb.max_mpx_count", "smb.max_bufsize"]
        )
        assert.isAbove(negotiated.length, 0)
        for (const one of negotiated) assert.deepStrictEqual(one.slice(0, 2), ["1", "1024"])
        // No search came to its end: the client closed each.
        const sent = (filter: string) =>
          Effect.map(
            capture.fields(`smb.flags.response == 0 and ip.dst == ${addresses.root} and ${filter}`, ["frame.number"]),
            (rows) => rows.length
          )
        assert.strictEqual(yield* sent("smb.trans2.cmd == 1"), 6)
        assert.strictEqual(yield* sent("smb.cmd == 0x34"), 6)
      }))
  }
)
