/**
 * Streams, lists and walks that continue at the next DFS target when their target dies, over servers in memory with
 * the same or with other files.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Credentials from "../../src/Auth/Credentials.ts"
import type { Move } from "../../src/Client/Operations.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import { TransportError } from "../../src/Protocol/Errors.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"
import { bare } from "./namespace.ts"

const size = 1_000_000
const names = Array.from({ length: 3000 }, (_, i) => `a-name-that-fills-pages-${i}`)
/** Each byte depends on its place, and all targets have the same bytes. */
const content = Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 0xff)
const file = { "large.bin": content }
const target = (files: TestTransport.Files, faults: TestTransport.ServerOptions["faults"] = []) => ({
  maximumTransfer: 65_536,
  shares: { data: files },
  faults
})
const path = "\\\\ns\\dfs\\l\\large.bin"

const run = <A, E>(
  hosts: TestTransport.Hosts,
  use: (smb: SmbClient.Client, servers: TestTransport.TestServers["Service"]) => Effect.Effect<A, E>,
  targets: ReadonlyArray<string> = ["\\\\a\\data", "\\\\b\\data"]
) => {
  const transport = TestTransport.layer({
    ns: {
      shares: { dfs: {} },
      referrals: { "\\\\ns\\dfs": { targets: ["\\\\ns\\dfs"] }, "\\\\ns\\dfs\\l": { targets } }
    },
    ...hosts
  })
  const joe = Credentials.layer(Credentials.password("user", Redacted.make("password")))
  return Effect.gen(function*() {
    return yield* use(yield* SmbClient.SmbClient, yield* TestTransport.TestServers)
  }).pipe(
    Effect.provide(Layer.merge(
      DfsAdapter.layerWithoutDiscovery().pipe(
        Layer.provide(SmbClient.layer({ reconnect: "never" })),
        Layer.provide([transport, joe])
      ),
      transport
    ))
  )
}
const collected = (chunks: Iterable<Uint8Array>) => Buffer.concat([...chunks])
const opens = (servers: TestTransport.TestServers["Service"]) =>
  Effect.map(
    servers.requests,
    (all) => all.filter(({ command }) => command === "READ").map(({ server }) => server)
  )

describe("a stream whose target dies", () => {
  it.effect("continues at the next target with the next byte, and stays there", () =>
    run({ a: target(file), b: target(file) }, (smb, servers) =>
      Effect.gen(function*() {
        let seen = 0
        const bytes = yield* smb.stream(path, { offset: 1000 }).pipe(
          Stream.mapEffect((chunk) => {
            const before = seen
            seen += chunk.length
            // In the middle: responses on the way are lost.
            return before < 200_000 && seen >= 200_000 ? Effect.as(servers.down("a"), chunk) : Effect.succeed(chunk)
          }),
          Stream.runCollect
        )
        assert.isTrue(collected(bytes).equals(content.subarray(1000)))
        const reads = yield* opens(servers)
        assert.include(reads, "b")
        // It does not begin again there.
        assert.isBelow(reads.filter((one) => one === "b").length, size / 65_536)
        // The first target is not used again after it is up.
        yield* servers.up("a")
        assert.strictEqual((yield* smb.readFile(path)).length, size)
        assert.strictEqual((yield* opens(servers)).at(-1), "b")
      })))
  it.effect("gives readTo the requested range without a gap", () =>
    run({ a: target(file), b: target(file) }, (smb, servers) =>
      Effect.gen(function*() {
        const parts: Array<Buffer> = []
        let next = 10n
        const count = yield* smb.readTo(path, (chunk, offset) => {
          assert.strictEqual(offset, next)
          next += BigInt(chunk.length)
          parts.push(Buffer.from(chunk))
          return parts.length === 3 ? servers.down("a") : Effect.void
        }, { offset: 10, length: 700_000 })
        assert.strictEqual(count, 700_000n)
        assert.isTrue(Buffer.concat(parts).equals(content.subarray(10, 700_010)))
      })))
  it.effect("ends with the reader's own error, and does not take it for the target's", () =>
    run({ a: target(file), b: target(file) }, (smb, servers) =>
      Effect.gen(function*() {
        const mine = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "elsewhere", port: 1 })
        let calls = 0
        const error = yield* Effect.flip(smb.readTo(path, () => {
          calls++
          return Effect.fail(mine)
        }))
        assert.deepStrictEqual([error, calls], [mine, 1])
        assert.notInclude(yield* opens(servers), "b")
      })))
  it.effect("fails with TargetDiffers when the next target's file has another size", () =>
    run(
      {
        a: target(file, [TestTransport.fault("READ", "drop", { skip: 5 })]),
        b: target({ "large.bin": content.slice(0, size - 1) })
      },
      (smb) =>
        Effect.gen(function*() {
          const error = bare(yield* Effect.flip(Stream.runDrain(smb.stream(path))))
          assert.strictEqual(error._tag, "TargetDiffers")
          const [from, to] = ["\\\\a\\data\\large.bin", "\\\\b\\data\\large.bin"]
          assert.deepStrictEqual([error.path, error.from, error.to], [path, from, to])
          assert.deepStrictEqual([error.expected.size, error.found.size], [BigInt(size), BigInt(size - 1)])
          assert.isTrue(error.offset > 0n && error.offset < BigInt(size))
          assert.match(error.message, /went away at byte \d+, and .* is another file .*: read .* again from the start$/)
          assert.strictEqual(error.cause._tag, "TransportError")
        })
    ))
  it.effect("fails with TargetDiffers when the next target's file has another last write time", () =>
    run({ a: target(file), b: target(file) }, (smb, servers) =>
      Effect.gen(function*() {
        yield* TestClock.adjust("1 hour")
        yield* smb.setAttributes("\\\\b\\data\\large.bin", { lastWriteTime: 133_000_000_000_000_000n })
        const error = yield* Effect.flip(smb.readTo(path, () => servers.down("a")))
        assert.strictEqual(bare(error)._tag, "TargetDiffers")
      })))
  it.effect("fails with NoTargetLeft when all targets die before a byte or are down", () =>
    Effect.gen(function*() {
      const mute = () => target(file, [TestTransport.fault("READ", "drop")])
      const error = yield* run(
        { a: mute(), b: mute(), c: "down" },
        (smb) => Effect.flip(Stream.runDrain(smb.stream(path))),
        ["\\\\a\\data", "\\\\b\\data", "\\\\c\\data"]
      )
      assert(error._tag === "DfsError" && error.reason._tag === "NoTargetLeft")
      assert.deepStrictEqual(
        error.reason.targets.map(({ target }) => target).toSorted(),
        ["a", "b", "c"].map((server) => `\\\\${server}\\data\\large.bin`)
      )
    }))
  it.effect("returns to the first target as long as each connection gives bytes", () =>
    Effect.gen(function*() {
      // Two responses on each connection, then its end: each round reads more.
      const dying = () => target(file, [TestTransport.fault("READ", "drop", { skip: 2, times: 6 })])
      const bytes = yield* run({ a: dying(), b: target(file) }, (smb) => Stream.runCollect(smb.stream(path)))
      assert.isTrue(collected(bytes).equals(content))
    }))
  it.effect("continues for a file from openToRead, and calls onMove for each move", () =>
    Effect.gen(function*() {
      const dying = (skip: number) => target(file, [TestTransport.fault("READ", "drop", { skip, times: 100 })])
      const moves: Array<Move> = []
      const parts: Array<Buffer> = []
      yield* run(
        { a: dying(12), b: dying(3), c: target(file) },
        (smb) =>
          Effect.scoped(Effect.gen(function*() {
            const open = yield* smb.openToRead(path, { onMove: (move) => Effect.sync(() => moves.push(move)) })
            assert.strictEqual(open.path, "\\\\a\\data\\large.bin")
            assert.strictEqual(open.opened.endOfFile, BigInt(size))
            const count = yield* open.readTo((chunk) => Effect.sync(() => parts.push(Buffer.from(chunk))), {
              offset: 7
            })
            assert.strictEqual(count, BigInt(size - 7))
          })),
        ["\\\\a\\data", "\\\\b\\data", "\\\\c\\data"]
      )
      assert.isTrue(Buffer.concat(parts).equals(content.subarray(7)))
      const at = (server: string) => `\\\\${server}\\data\\large.bin`
      assert.deepStrictEqual(moves.map(({ from, to }) => [from, to]), [[at("a"), at("b")], [at("b"), at("c")]])
      assert.isTrue(moves.every(({ cause, path: of }) => of === path && cause._tag === "TransportError"))
      assert.isTrue(7n < moves[0]!.offset && moves[0]!.offset <= moves[1]!.offset)
    }))
  it.effect("continues for the stream of a file from openToRead, with its range, and calls onMove for each move", () =>
    Effect.gen(function*() {
      const dying = (skip: number) => target(file, [TestTransport.fault("READ", "drop", { skip, times: 100 })])
      const moves: Array<Move> = []
      const found = yield* run(
        { a: dying(12), b: dying(3), c: target(file) },
        (smb, servers) =>
          Effect.scoped(Effect.gen(function*() {
            const open = yield* smb.openToRead(path, { onMove: (move) => Effect.sync(() => moves.push(move)) })
            const bytes = yield* Stream.runCollect(open.stream({ offset: 7, length: size - 10 }))
            // The stream begins with the file that is open.
            const creates = (yield* servers.requests).filter(({ command, server }) =>
              command === "CREATE" && server !== "ns"
            )
            assert.deepStrictEqual(creates.map(({ server }) => server), ["a", "b", "c"])
            return collected(bytes)
          })),
        ["\\\\a\\data", "\\\\b\\data", "\\\\c\\data"]
      )
      assert.isTrue(found.equals(content.subarray(7, size - 3)))
      const at = (server: string) => `\\\\${server}\\data\\large.bin`
      assert.deepStrictEqual(moves.map(({ from, to }) => [from, to]), [[at("a"), at("b")], [at("b"), at("c")]])
      assert.isTrue(7n < moves[0]!.offset && moves[0]!.offset <= moves[1]!.offset)
    }))
  it.effect("continues for a file from openToRead whose target dies before the first read", () =>
    run({ a: target(file), b: target(file) }, (smb, servers) =>
      Effect.scoped(Effect.gen(function*() {
        const open = yield* smb.openToRead(path)
        yield* servers.down("a")
        for (let i = 0; i < 2; i++) {
          const parts: Array<Buffer> = []
          yield* open.readTo((chunk) => Effect.sync(() => parts.push(Buffer.from(chunk))))
          assert.isTrue(Buffer.concat(parts).equals(content))
          assert.isTrue(collected(yield* Stream.runCollect(open.stream())).equals(content))
        }
      }))))
  it.effect("continues for 20 readers at once, and all opens at the next target are closed", () =>
    run({ a: target(file), b: target(file) }, (smb, servers) =>
      Effect.gen(function*() {
        let chunks = 0
        const read = Effect.scoped(Effect.flatMap(smb.openToRead(path), (open) =>
          open.readTo(() =>
            ++chunks === 40 ? servers.down("a") : Effect.void
          )))
        const counts = yield* Effect.all(
          Array.from({ length: 20 }, () =>
            read),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(new Set(counts), new Set([BigInt(size)]))
        const count = (all: ReadonlyArray<TestTransport.Logged>, name: string) =>
          all.filter(({ command, server }) => server === "b" && command === name).length
        const all = yield* servers.requests
        assert.isAbove(count(all, "CREATE"), 0)
        assert.strictEqual(count(all, "CLOSE"), count(all, "CREATE"))
        assert.strictEqual((yield* opens(servers)).at(-1), "b")
      })))
  it.effect("fails for openToRead with TargetDiffers at another file, and with TransportError without DFS", () =>
    run(
      {
        a: target(file, [TestTransport.fault("READ", "drop", { skip: 5, times: 100 })]),
        b: target({ "large.bin": content.slice(1) })
      },
      (smb) =>
        Effect.gen(function*() {
          const read = (path: string) =>
            Effect.flip(Effect.scoped(Effect.flatMap(smb.openToRead(path), (open) => open.readTo(() => Effect.void))))
          assert.strictEqual(bare(yield* read(path))._tag, "TargetDiffers")
          assert.strictEqual((yield* read("\\\\a\\data\\large.bin"))._tag, "TransportError")
        })
    ))
  it.effect("fails with TransportError outside of a namespace", () =>
    run({ a: target(file, [TestTransport.fault("READ", "drop", { skip: 3 })]) }, (smb) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Stream.runDrain(smb.stream("\\\\a\\data\\large.bin")))
        assert.strictEqual(error._tag, "TransportError")
      })))
  it.effect("does not move a file from open, whose read fails with TransportError", () =>
    run({ a: target(file), b: target(file) }, (smb, servers) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.scoped(Effect.gen(function*() {
          const open = yield* smb.open(path)
          yield* servers.down("a")
          return yield* open.read(0, 10)
        })))
        assert.strictEqual(error._tag, "TransportError")
      })))
})

describe("a list whose target dies", () => {
  const files = Object.fromEntries(names.map((name) => [name, "x"]))
  const deep = { one: { ...files }, two: { sub: { last: "x" } } }

  it.effect("continues at the next target, and gives each name once", () =>
    run({ a: target(files), b: target({ ...files, "only-here": "x" }) }, (smb, servers) =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        yield* Stream.runForEach(smb.list("\\\\ns\\dfs\\l"), ({ name, path }) => {
          assert.strictEqual(path, `\\\\ns\\dfs\\l\\${name}`)
          seen.push(name)
          return seen.length === 100 ? servers.down("a") : Effect.void
        })
        assert.deepStrictEqual(seen.toSorted(), [...names, "only-here"].toSorted())
      })))
  it.effect("continues when it is a walk", () =>
    run({ a: target(deep), b: target(deep) }, (smb, servers) =>
      Effect.gen(function*() {
        let count = 0
        yield* Stream.runForEach(smb.walk("\\\\ns\\dfs\\l"), () => {
          count++
          return count === 50 ? servers.down("a") : Effect.void
        })
        assert.strictEqual(count, 4 + names.length)
        assert.isTrue(
          (yield* servers.requests).some(({ command, server }) => server === "b" && command === "QUERY_DIRECTORY")
        )
      })))
})
