/**
 * A read that goes on at the next target: streams, lent reads and lists over targets that are scripts. Each target fails
 * when it has given the bytes or names that the script says.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import * as ReadFailover from "../../src/Client/internal/ReadFailover.ts"
import type { Move } from "../../src/Client/Operations.ts"
import { TransportError } from "../../src/Protocol/Errors.ts"
import * as Scripted from "./scripted.ts"

const bytes = Uint8Array.from({ length: 100 }, (_, i) => i)
const path = "\\\\ns\\dfs\\l\\f"
const died = (server: string) => new TransportError({ reason: { _tag: "ConnectionClosed" }, server, port: 445 })
const refused = new TransportError({ reason: { _tag: "ConnectionRefused" }, server: "all", port: 445 })

interface Target {
  readonly server: string
  /** How many chunks of ten bytes, or how many names, each open gives before it fails. Default: all. */
  readonly gives?: ReadonlyArray<number>
  readonly names?: ReadonlyArray<string>
  readonly size?: bigint
  readonly time?: bigint
}

/** The targets, of which each open takes the first that has not failed. */
const world = (targets: ReadonlyArray<Target>) => {
  const opens: Array<string> = []
  const closes: Array<string> = []
  const ranges: Array<ReadFailover.Range> = []
  const count = new Map<string, number>()
  const open: ReadFailover.Open = (failed) =>
    Effect.gen(function*() {
      const target = targets.find(({ server }) => failed?.places.has(server) !== true)
      if (target === undefined) return yield* Effect.fail(failed?.error ?? refused)
      opens.push(target.server)
      yield* Effect.addFinalizer(() => Effect.sync(() => void closes.push(target.server)))
      const { open: file } = Scripted.file({
        opened: { endOfFile: target.size ?? 100n, lastWriteTime: target.time ?? 5n }
      })
      return { share: Scripted.share({ server: target.server }), file, place: target.server }
    })
  /** How much the target gives in this open. */
  const limitOf = (server: string): number => {
    const before = count.get(server) ?? 0
    count.set(server, before + 1)
    return targets.find((one) => one.server === server)!.gives?.[before] ?? Infinity
  }
  const chunks = (range: ReadFailover.Range) => {
    ranges.push(range)
    const end = range.length === undefined ? 100 : Number(range.offset + range.length)
    const all: Array<Uint8Array> = []
    for (let at = Number(range.offset); at < end; at += 10) all.push(bytes.subarray(at, Math.min(at + 10, end)))
    return all
  }
  const stream = ({ share: { server } }: ReadFailover.Opened, range: ReadFailover.Range) => {
    const limit = limitOf(server)
    const given = chunks(range)
    const some = Stream.fromIterable(given.slice(0, limit))
    return limit === Infinity ? some : Stream.concat(some, Stream.fail(died(server)))
  }
  const readTo = <E, R>(
    opened: ReadFailover.Opened,
    range: ReadFailover.Range,
    use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>
  ) => {
    let at = range.offset
    return Effect.as(
      Stream.runForEach(stream(opened, range), (chunk) =>
        Effect.map(use(chunk, at), () => {
          at += BigInt(chunk.length)
        })),
      at
    )
  }
  const list = ({ share: { server } }: ReadFailover.Opened) => {
    const limit = limitOf(server)
    const some = Stream.fromIterable(
      (targets.find((one) => one.server === server)!.names ?? []).slice(0, limit).map((name) => ({ name, server }))
    )
    return limit === Infinity ? some : Stream.concat(some, Stream.fail(died(server)))
  }
  return { open, opens, closes, ranges, stream, readTo, list }
}

const goesOn = (error: unknown) => error instanceof TransportError && error.reason._tag === "ConnectionClosed"
const all: ReadFailover.Range = { offset: 0n, length: undefined }

const gather = <E>(stream: Stream.Stream<Uint8Array, E>) => {
  const found: Array<number> = []
  return Effect.map(
    Effect.exit(Stream.runForEach(stream, (chunk) => Effect.sync(() => void found.push(...chunk)))),
    (exit) => ({ exit, found })
  )
}

type World = ReturnType<typeof world>

/** The two ways to read bytes. */
const ways: ReadonlyArray<
  readonly [
    string,
    (world: World, range: ReadFailover.Range, canContinue?: ReadFailover.CanContinue) => Effect.Effect<{
      readonly exit: Exit.Exit<unknown, unknown>
      readonly found: ReadonlyArray<number>
    }>
  ]
> = [
  [
    "stream",
    (world, range, canContinue) => gather(ReadFailover.stream(world.open, canContinue, path, range, world.stream))
  ],
  ["readTo", (world, range, canContinue) => {
    const found: Array<number> = []
    const use = (chunk: Uint8Array, offset: bigint) =>
      Effect.sync(() => {
        assert.strictEqual(Number(offset), chunk[0])
        found.push(...chunk)
      })
    return Effect.map(
      Effect.exit(ReadFailover.readTo(world.open, canContinue, path, range, use, world.readTo as never)),
      (exit) => ({ exit, found })
    )
  }]
]

for (const [name, run] of ways) {
  describe(`a ${name} over several targets`, () => {
    it.effect("goes on with the next byte, and opens each target that has failed only after progress", () =>
      Effect.gen(function*() {
        const table: ReadonlyArray<readonly [ReadonlyArray<Target>, ReadonlyArray<string>]> = [
          [[{ server: "a" }], ["a"]],
          [[{ server: "a", gives: [3] }, { server: "b" }], ["a", "b"]],
          [[{ server: "a", gives: [0] }, { server: "b" }], ["a", "b"]],
          // Progress at the second target lets the first one be tried again.
          [[{ server: "a", gives: [3] }, { server: "b", gives: [1] }], ["a", "b", "a"]],
          [[{ server: "a", gives: [3] }, { server: "b", gives: [0] }, { server: "c" }], ["a", "b", "c"]],
          [[{ server: "a", gives: [2, 2] }, { server: "b", gives: [2, 2] }], ["a", "b", "a", "b", "a"]],
          // A target that fails after the last byte.
          [[{ server: "a", gives: [10] }, { server: "b" }], ["a", "b"]]
        ]
        for (const [targets, opens] of table) {
          const servers = world(targets)
          const { exit, found } = yield* run(servers, all, goesOn)
          assert.isTrue(Exit.isSuccess(exit))
          assert.deepStrictEqual(found, [...bytes])
          assert.deepStrictEqual(servers.opens, opens)
          // Each open is closed before the next one, or at the end.
          assert.deepStrictEqual(servers.closes, servers.opens)
        }
      }))

    it.effect("ends with the last error when each target has failed without progress", () =>
      Effect.gen(function*() {
        for (const [first, opens] of [[0, 2], [3, 2]] as const) {
          const servers = world([{ server: "a", gives: [first, 0, 0] }, { server: "b", gives: [0, 0, 0] }])
          const { exit, found } = yield* run(servers, all, goesOn)
          assert.deepStrictEqual(exit, Exit.fail(died("b")))
          assert.strictEqual(found.length, first * 10)
          assert.strictEqual(servers.opens.length, opens)
        }
      }))

    it.effect("requests the rest of its range at the next target", () =>
      Effect.gen(function*() {
        const servers = world([{ server: "a", gives: [2] }, { server: "b" }])
        const { exit, found } = yield* run(servers, { offset: 5n, length: 61n }, goesOn)
        assert.isTrue(Exit.isSuccess(exit))
        assert.deepStrictEqual(found, [...bytes.subarray(5, 66)])
        assert.deepStrictEqual(servers.ranges, [{ offset: 5n, length: 61n }, { offset: 25n, length: 41n }])
        if (name === "readTo") assert.deepStrictEqual(exit, Exit.succeed(61n))
      }))

    it.effect("ends at once with an error that says nothing about the target, or where no other target can exist", () =>
      Effect.gen(function*() {
        for (const canContinue of [undefined, () => false]) {
          const servers = world([{ server: "a", gives: [3] }, { server: "b" }])
          const { exit, found } = yield* run(servers, all, canContinue)
          assert.deepStrictEqual(exit, Exit.fail(died("a")))
          assert.deepStrictEqual([found.length, servers.opens], [30, ["a"]])
          assert.deepStrictEqual(servers.closes, ["a"])
        }
        // The first open fails.
        const { exit } = yield* run(world([]), all, () => true)
        assert.deepStrictEqual(exit, Exit.fail(refused))
      }))

    it.effect("compares the file at each next target with the first one, by size and last write time", () =>
      Effect.gen(function*() {
        const table = [[{ size: 101n }, 1], [{ time: 6n }, 1], [{ size: 101n, time: 6n }, 1], [{}, 0]] as const
        for (const [change, differs] of table) {
          const servers = world([
            { server: "a", gives: [3] },
            { server: "b", gives: [2], ...change },
            { server: "c", ...change }
          ])
          const { exit } = yield* run(servers, all, goesOn)
          if (differs === 0) {
            assert.isTrue(Exit.isSuccess(exit))
            continue
          }
          assert(Exit.isFailure(exit))
          const error = exit.cause.reasons.find((one) => one._tag === "Fail")?.error as any
          assert.strictEqual(error._tag, "DfsError")
          assert.deepInclude({ ...error.reason }, {
            _tag: "TargetDiffers",
            path,
            server: "b",
            from: "\\\\a\\data\\f",
            to: "\\\\b\\data\\f",
            offset: 30n,
            expected: { size: 100n, lastWriteTime: 5n },
            found: {
              size: 100n,
              lastWriteTime: 5n,
              ..."size" in change && { size: 101n },
              ..."time" in change && { lastWriteTime: 6n }
            }
          })
          assert.deepStrictEqual(error.reason.cause, died("a"))
        }
      }))
  })
}

describe("readTo", () => {
  it.effect("returns the count, and ends with the error of `use`, also if it looks like a target's", () =>
    Effect.gen(function*() {
      const read = (servers: World, use: (chunk: Uint8Array) => Effect.Effect<unknown, TransportError>) =>
        ReadFailover.readTo(
          servers.open,
          goesOn,
          path,
          { offset: 20n, length: undefined },
          use,
          servers.readTo as never
        )
      assert.strictEqual(yield* read(world([{ server: "a", gives: [1] }, { server: "b" }]), () => Effect.void), 80n)
      const servers = world([{ server: "a" }, { server: "b" }])
      let calls = 0
      const mine = died("mine")
      assert.strictEqual(yield* Effect.flip(read(servers, () => ++calls === 3 ? Effect.fail(mine) : Effect.void)), mine)
      assert.deepStrictEqual([calls, servers.opens], [3, ["a"]])
    }))

  it.effect("begins with an open file, which its owner closes, and reports each move", () =>
    Effect.gen(function*() {
      for (const canContinue of [goesOn, undefined]) {
        const servers = world([
          { server: "a", gives: [2] },
          { server: "b", gives: canContinue === undefined ? [] : [3] },
          { server: "c" }
        ])
        const moves: Array<Move> = []
        yield* Effect.scoped(Effect.gen(function*() {
          const opened = yield* servers.open(undefined)
          const exit = yield* Effect.exit(ReadFailover.readTo(
            servers.open,
            canContinue,
            path,
            all,
            () => Effect.void,
            servers.readTo as never,
            { opened, onMove: (move) => Effect.sync(() => void moves.push(move)) }
          ))
          if (canContinue === undefined) {
            assert.deepStrictEqual(exit, Exit.fail(died("a")))
            assert.deepStrictEqual([moves, servers.opens, servers.closes], [[], ["a"], []])
            return
          }
          assert.deepStrictEqual(exit, Exit.succeed(100n))
          assert.deepStrictEqual(servers.opens, ["a", "b", "a"])
          assert.deepStrictEqual(servers.closes, ["b", "a"])
          const at = (server: string) => `\\\\${server}\\data\\f`
          assert.deepStrictEqual(moves, [
            { path, from: at("a"), to: at("b"), offset: 20n, cause: died("a") },
            { path, from: at("b"), to: at("a"), offset: 50n, cause: died("b") }
          ])
        }))
      }
    }))
})

describe("a list over several targets", () => {
  const list = (servers: World, canContinue: ReadFailover.CanContinue) => {
    const found: Array<string> = []
    return Effect.map(
      Effect.exit(Stream.runForEach(
        ReadFailover.list(servers.open, canContinue, servers.list),
        ({ name }) => Effect.sync(() => void found.push(name))
      )),
      (exit) => ({ exit, found })
    )
  }
  const names = ["p", "q", "r", "s"]

  it.effect("gives each name once, also if the next target has another order and other names", () =>
    Effect.gen(function*() {
      const servers = world([{ server: "a", names, gives: [2] }, { server: "b", names: ["s", "q", "t", "p", "r"] }])
      const { exit, found } = yield* list(servers, goesOn)
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(found, ["p", "q", "s", "t", "r"])
      assert.deepStrictEqual(servers.closes, ["a", "b"])
    }))

  it.effect("tries a failed target again only after a new name, and so ends", () =>
    Effect.gen(function*() {
      const again = world([{ server: "a", names, gives: [1] }, { server: "b", names, gives: [2] }])
      assert.deepStrictEqual((yield* list(again, goesOn)).found, names)
      assert.deepStrictEqual(again.opens, ["a", "b", "a"])
      // The second target gives only names that are known.
      const stuck = world([{ server: "a", names, gives: [2, 9] }, { server: "b", names, gives: [2] }])
      const { exit, found } = yield* list(stuck, goesOn)
      assert.deepStrictEqual([exit, found, stuck.opens], [Exit.fail(died("b")), ["p", "q"], ["a", "b"]])
    }))

  it.effect("ends at once with an error that says nothing about the target, or where no other target can exist", () =>
    Effect.gen(function*() {
      for (const canContinue of [undefined, () => false]) {
        const servers = world([{ server: "a", names, gives: [2] }, { server: "b", names }])
        const { exit, found } = yield* list(servers, canContinue)
        assert.deepStrictEqual([exit, found, servers.opens], [Exit.fail(died("a")), ["p", "q"], ["a"]])
      }
      assert.deepStrictEqual((yield* list(world([]), () => true)).exit, Exit.fail(refused))
    }))
})
