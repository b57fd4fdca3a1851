/**
 * Proves that this project's client follows DFS namespaces of smbd (MS-DFSC 3.1.4.1): links, interlinks, dead targets,
 * caches, failover and circles. dumpcap and tshark count the referral requests.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { utimes } from "node:fs/promises"
import { refused, timed } from "./checks/Place.ts"
import { client, dfsClient } from "./Clients.ts"
import * as Lab from "./Lab.ts"
import { attempt } from "./Process.ts"

const root = "\\\\127.0.24.1\\dfs"

const servers = Lab.servers({
  root: {
    address: "127.0.24.1",
    shares: [{
      name: "dfs",
      dfs: {
        plain: "127.0.24.2\\data",
        "folder/nested": "127.0.24.3\\data\\sub",
        either: ["127.0.24.2\\data", "127.0.24.3\\data"],
        "dead-first": ["127.0.24.9\\data", "127.0.24.3\\data"],
        dead: ["127.0.24.9\\data", "127.0.24.8\\data"],
        inter: "127.0.24.2\\dfs\\deep",
        loop: "127.0.24.2\\dfs\\back",
        gone: "127.0.24.2\\none"
      }
    }]
  },
  one: {
    address: "127.0.24.2",
    shares: [{ name: "data" }, { name: "dfs", dfs: { deep: "127.0.24.3\\data", back: "127.0.24.1\\dfs\\loop" } }]
  },
  two: { address: "127.0.24.3", shares: [{ name: "data" }] },
  plain: { address: "127.0.24.4", shares: [{ name: "data" }], options: { "host msdfs": "no" } }
})

type Servers = Effect.Success<typeof servers>

class World extends Context.Service<World, Servers>()("test/lab/Dfs/World") {
  static readonly layer = Layer.effect(
    World,
    Effect.tap(servers, ({ one, plain, root, two }) =>
      Effect.all([
        root.write("dfs", "in-root.txt", "root"),
        root.write("dfs", "folder/beside.txt", "beside"),
        one.write("data", "who.txt", "one"),
        one.write("data", "same.txt", "one"),
        two.write("data", "who.txt", "two"),
        two.write("data", "same.txt", "two"),
        two.write("data", "sub/who.txt", "two below"),
        plain.write("data", "who.txt", "plain")
      ]))
  )
}

const addresses = ["127.0.24.3", "127.0.24.2", "127.0.24.4", "127.0.24.1", "127.0.24.8", "127.0.24.9"]
/** Captures the packets while an effect runs. */
const captured = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const capture = yield* Lab.capture({ addresses })
    const value = yield* effect
    return { value, capture, analysis: yield* capture.analyse() }
  })

const read = (smb: Effect.Success<ReturnType<typeof client>>, path: string) => smb.readFileString(`${root}\\${path}`)

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("a client of DFS namespaces on smbd", (it) => {
  it.effect("sends no referral request without DFS, and fails with PathNotCovered behind a link", () =>
    Effect.gen(function*() {
      const smb = yield* client()
      const { analysis } = yield* captured(Effect.gen(function*() {
        assert.strictEqual(yield* smb.readFileString("\\\\127.0.24.2\\data\\who.txt"), "one")
        assert.strictEqual(yield* read(smb, "in-root.txt"), "root")
        const names = yield* Stream.runCollect(Stream.map(smb.list(root), ({ name }) => name))
        assert.includeMembers(names, ["in-root.txt", "folder", "plain", "dead-first"])
        assert.strictEqual(yield* refused(read(smb, "plain\\who.txt")), "PathNotCovered")
        assert.strictEqual(yield* refused(Stream.runDrain(smb.walk(root))), "PathNotCovered")
        assert.strictEqual(yield* refused(smb.writeFile(`${root}\\plain\\new`, "x")), "PathNotCovered")
        yield* smb.shares("\\\\127.0.24.1")
      }))
      assert.isAbove(analysis.packets, 20)
      assert.strictEqual(analysis.referralRequests, 0)
      assert.deepStrictEqual(analysis.objections, [])
    }))

  it.effect("follows a root, links, an interlink, and a link whose first target is dead", () =>
    Effect.gen(function*() {
      const smb = yield* client({ dfs: { mode: "strict" } })
      const { analysis } = yield* captured(Effect.gen(function*() {
        assert.strictEqual(yield* read(smb, "in-root.txt"), "root")
        assert.strictEqual(yield* read(smb, "plain\\who.txt"), "one")
        assert.strictEqual(yield* read(smb, "PLAIN\\who.txt"), "one")
        assert.strictEqual(yield* read(smb, "folder\\beside.txt"), "beside")
        assert.strictEqual(yield* read(smb, "folder\\nested\\who.txt"), "two below")
        assert.strictEqual(yield* read(smb, "inter\\who.txt"), "two")
        const [took, text] = yield* timed(read(smb, "dead-first\\who.txt"))
        assert.strictEqual(text, "two")
        // No program listens on the dead target: the connection is refused at once.
        assert.isBelow(took, 2000)
      }))
      // One for each link and each of the two roots, and one more for an interlink that smbd does not mark.
      assert.isAtLeast(analysis.referralRequests, 5)
      assert.isAtMost(analysis.referralRequests, 8)
      assert.deepStrictEqual(analysis.objections, [])
    }))

  it.effect("walks through links with the paths of the namespace", () =>
    Effect.gen(function*() {
      const smb = yield* client({ dfs: {} })
      const found = yield* Stream.runCollect(smb.walk(`${root}\\folder`))
      assert.deepStrictEqual(found.map(({ path }) => path.slice(root.length + 1)).toSorted(), [
        "folder\\beside.txt",
        "folder\\nested",
        "folder\\nested\\who.txt"
      ])
    }))

  it.effect("requests a referral once until it expires, and then again", () =>
    Effect.gen(function*() {
      const smb = yield* client({ dfs: { timeToLive: { minimum: 0, maximum: "2 seconds" } }, idle: "1 minute" })
      const once = read(smb, "plain\\who.txt")
      const { capture, value } = yield* captured(Effect.gen(function*() {
        yield* once
        const first = Date.now()
        yield* Effect.forEach([1, 2, 3], () => once)
        const second = Date.now()
        yield* Effect.sleep(2100 - (Date.now() - first))
        const third = Date.now()
        yield* once
        return { first, second, third }
      }))
      const times = (filter: string) =>
        Effect.map(
          capture.fields(filter, ["frame.time_epoch"]),
          (rows) => rows.map(([seconds]) => Number(seconds) * 1000)
        )
      const asked = yield* times("smb2.ioctl.function == 0x60194 && smb2.flags.response == 0")
      assert.strictEqual(asked.filter((time) => time <= value.first).length, 2)
      assert.strictEqual(asked.filter((time) => time > value.first && time < value.third).length, 0)
      assert.isAbove(asked.filter((time) => time >= value.third).length, 0)
      // The client sends nothing to the namespace's server.
      const spoken = yield* times("ip.addr == 127.0.24.1 && smb2")
      assert.strictEqual(spoken.filter((time) => time > value.first + 1 && time < value.second).length, 0)
    }))

  it.effect("sends one request for each referral that 20 concurrent reads need", () =>
    Effect.gen(function*() {
      const smb = yield* client({ dfs: {} })
      const { analysis, value } = yield* captured(
        Effect.forEach(Array.from({ length: 20 }), () => read(smb, "plain\\who.txt"), { concurrency: "unbounded" })
      )
      assert.deepStrictEqual(new Set(value), new Set(["one"]))
      assert.strictEqual(analysis.referralRequests, 2)
    }))

  it.effect("tries a dead target once, and remembers the working one", () =>
    Effect.gen(function*() {
      const smb = yield* client({ dfs: {} })
      const { capture } = yield* captured(Effect.forEach([1, 2, 3], () => read(smb, "dead-first\\who.txt")))
      const tries = yield* capture.fields("ip.dst == 127.0.24.9 && tcp.flags.syn == 1", ["frame.number"])
      assert.strictEqual(tries.length, 1)
    }))

  it.effect("uses the other target after one has stopped, and stays there", () =>
    Effect.gen(function*() {
      const { one } = yield* World
      const smb = yield* client({ dfs: {} })
      const path = `${root}\\either\\same.txt`
      assert.strictEqual(yield* smb.readFileString(path), "one")
      const file = yield* smb.open(path)
      yield* one.stop
      const broken = yield* Effect.flip(file.read(0, 10))
      assert.strictEqual(broken._tag, "TransportError")
      const [took, text] = yield* timed(smb.readFileString(path))
      assert.strictEqual(text, "two")
      assert.isBelow(took, 3000)
      yield* one.start
      // The client stays with a working target.
      assert.strictEqual(yield* smb.readFileString(path), "two")
      assert.strictEqual(yield* read(smb, "plain\\who.txt"), "one")
    }))

  it.effect("continues a stream at the other target when one stops, if the file there is the same", () =>
    Effect.gen(function*() {
      const { one, two } = yield* World
      const large = randomBytes(32 * 1024 * 1024)
      for (const server of [one, two]) {
        for (const name of ["large.bin", "other.bin"]) {
          yield* server.write("data", name, large)
          yield* attempt(() => utimes(server.path("data", name), 1_700_000_000, 1_700_000_000))
        }
      }
      // Like a replica with an older version.
      yield* attempt(() => utimes(two.path("data", "other.bin"), 1_700_000_000, 1_600_000_000))
      const streamed = (name: string) =>
        Effect.gen(function*() {
          const smb = yield* client({ dfs: {} })
          const parts: Array<Uint8Array> = []
          yield* Stream.runForEach(smb.stream(`${root}\\either\\${name}`), (chunk) => {
            parts.push(chunk)
            return parts.length === 2 ? one.stop : Effect.void
          })
          return Buffer.concat(parts)
        })
      assert.isTrue((yield* Effect.ensuring(streamed("large.bin"), Effect.orDie(one.start))).equals(large))
      const error = yield* Effect.ensuring(Effect.flip(streamed("other.bin")), Effect.orDie(one.start))
      assert(error._tag === "DfsError" && error.reason._tag === "TargetDiffers")
      assert.match(error.message, /127\.0\.24\.2.* went away at byte \d+, and .*127\.0\.24\.3.* is another file/)
    }))

  it.effect("fails with NoTargetLeft, which names each target and its error, when no target works", () =>
    Effect.gen(function*() {
      const smb = yield* client({ dfs: {} })
      const [took, error] = yield* timed(Effect.flip(read(smb, "dead\\who.txt")))
      assert(error._tag === "DfsError" && error.reason._tag === "NoTargetLeft")
      assert.strictEqual(error.reason.targets.length, 2)
      assert.include(error.message, "127.0.24.9")
      assert.include(error.message, "127.0.24.8")
      assert.isBelow(took, 3000)
      const gone = yield* Effect.flip(read(smb, "gone\\who.txt"))
      assert(gone._tag === "DfsError" && gone.reason._tag === "NoTargetLeft")
      assert.include(gone.message, "STATUS_BAD_NETWORK_NAME")
      assert.strictEqual(yield* refused(read(smb, "plain\\none.txt")), "ObjectNameNotFound")
      assert.strictEqual(yield* refused(read(smb, "none.txt")), "ObjectNameNotFound")
      assert.strictEqual(yield* refused(read(smb, "none\\none.txt")), "ObjectPathNotFound")
    }))

  it.effect("fails with DfsLoop when links lead in a circle", () =>
    Effect.gen(function*() {
      const smb = yield* client({ dfs: {} })
      const [took, error] = yield* timed(Effect.flip(read(smb, "loop\\who.txt")))
      assert(error._tag === "DfsError" && error.reason._tag === "DfsLoop", String(error))
      assert.isAbove(error.reason.visited.length, 1)
      assert.isBelow(took, 3000)
    }))

  it.effect("fails with NotDfsCapable at a server without DFS in strict mode, and reads in fallback mode", () =>
    Effect.gen(function*() {
      const path = "\\\\127.0.24.4\\data\\who.txt"
      const fallback = yield* client({ dfs: { mode: "fallback" } })
      assert.strictEqual(yield* fallback.readFileString(path), "plain")
      const strict = yield* client({ dfs: { mode: "strict" } })
      const error = yield* Effect.flip(strict.readFileString(path))
      assert.strictEqual(error._tag, "NotDfsCapable")
      assert.include(error.message, "127.0.24.4")
      // A server with DFS has shares outside of any namespace too.
      assert.strictEqual(yield* strict.readFileString("\\\\127.0.24.2\\data\\who.txt"), "one")
    }))

  it.effect("renames within a target, and fails with AcrossShares between two", () =>
    Effect.gen(function*() {
      const { one, root: keeper } = yield* World
      yield* one.write("data", "old.txt", "named")
      yield* keeper.write("dfs", "stays.txt", "x")
      // Nothing is cached yet: the client must resolve both names.
      const smb = yield* client({ dfs: {} })
      yield* smb.rename(`${root}\\plain\\old.txt`, `${root}\\either\\new.txt`)
      assert.strictEqual(yield* read(smb, "plain\\new.txt"), "named")
      const across = yield* Effect.flip(smb.rename(`${root}\\plain\\new.txt`, `${root}\\inter\\new.txt`))
      assert(across._tag === "PathError" && across.reason._tag === "AcrossShares")
      assert.include(across.message, "copy and remove")
      const fresh = yield* client({ dfs: {} })
      const into = yield* Effect.flip(fresh.rename(`${root}\\stays.txt`, `${root}\\plain\\stays.txt`))
      assert(into._tag === "PathError" && into.reason._tag === "AcrossShares", into.message)
      const out = yield* Effect.flip(fresh.rename(`${root}\\plain\\new.txt`, `${root}\\new.txt`))
      assert(out._tag === "PathError" && out.reason._tag === "AcrossShares", out.message)
      assert.strictEqual(yield* read(smb, "stays.txt"), "x")
      yield* smb.remove(`${root}\\plain\\new.txt`)
      assert.strictEqual(yield* refused(read(smb, "plain\\new.txt")), "ObjectNameNotFound")
    }))

  it.effect("removes a tree, but no files behind a link in it", () =>
    Effect.gen(function*() {
      const { root: keeper, two } = yield* World
      yield* two.write("data", "sub/kept.txt", "kept")
      yield* keeper.write("dfs", "folder/below/gone.txt", "gone")
      for (const dfs of [{}, undefined]) {
        const smb = yield* client(dfs === undefined ? {} : { dfs })
        const error = yield* Effect.flip(smb.remove(`${root}\\folder`, { recursive: true, force: true }))
        assert(error._tag === "RemovalError" && error.reason._tag === "RemovalIncomplete")
        assert.strictEqual(error.reason.failures[0]?.error._tag, "PathError")
        assert.match(error.message, /\\dfs\\folder\\nested: is a DFS link, and what it leads to is not removed/)
      }
      const smb = yield* client({ dfs: {} })
      assert.strictEqual(yield* read(smb, "folder\\nested\\kept.txt"), "kept")
      // A path that is given is removed, also behind a link.
      yield* smb.makeDirectory(`${root}\\folder\\nested\\a\\b`, { recursive: true })
      yield* smb.remove(`${root}\\folder\\nested\\a`, { recursive: true })
      assert.isFalse(yield* smb.exists(`${root}\\folder\\nested\\a`))
      yield* keeper.write("dfs", "folder/beside.txt", "beside")
    }))

  it.effect("resolves paths to their targets with the status root, link or plain", () =>
    Effect.gen(function*() {
      const { resolver } = yield* dfsClient()
      const look = (path: string) =>
        Effect.map(resolver.resolve(path), ({ resolvedPath, status, targets }) => ({
          resolvedPath,
          status,
          targets: targets.map(({ path, server, share }) => [server, share, path].join("|"))
        }))
      assert.deepStrictEqual(yield* look(`${root}\\in-root.txt`), {
        resolvedPath: "\\\\127.0.24.1\\dfs\\in-root.txt",
        status: "root",
        targets: ["127.0.24.1|dfs|in-root.txt"]
      })
      assert.deepStrictEqual(yield* look(`${root}\\plain\\a\\b`), {
        resolvedPath: "\\\\127.0.24.2\\data\\a\\b",
        status: "link",
        targets: ["127.0.24.2|data|a\\b"]
      })
      assert.deepStrictEqual(yield* look(`${root}\\either`), {
        resolvedPath: "\\\\127.0.24.2\\data",
        status: "link",
        targets: ["127.0.24.2|data|", "127.0.24.3|data|"]
      })
      assert.deepStrictEqual(yield* look(`${root}\\folder\\nested\\x`), {
        resolvedPath: "\\\\127.0.24.3\\data\\sub\\x",
        status: "link",
        targets: ["127.0.24.3|data|sub\\x"]
      })
      assert.deepStrictEqual(yield* look(`${root}\\inter\\x`), {
        resolvedPath: "\\\\127.0.24.3\\data\\x",
        status: "link",
        targets: ["127.0.24.3|data|x"]
      })
      assert.deepStrictEqual(yield* look("\\\\127.0.24.4\\data\\x"), {
        resolvedPath: "\\\\127.0.24.4\\data\\x",
        status: "plain",
        targets: ["127.0.24.4|data|x"]
      })
      const circle = yield* Effect.flip(resolver.resolve(`${root}\\loop\\x`))
      assert.isTrue(circle._tag === "DfsError" && circle.reason._tag === "DfsLoop")
    }))
})
