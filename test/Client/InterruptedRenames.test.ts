/**
 * The rename that ends the replacement of a file, while its caller is interrupted: the file at the final name has the old
 * content or the new one, and is never removed. Over the own server with a store that renames slowly.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, type FileSystem, Layer, Logger, Stream } from "effect"
import { SmbClient } from "effect-smb"
import type { ShareStore } from "../../src/Server/ShareStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as Transfer from "../../src/Transfer/Transfer.ts"
import { client, server } from "../Cli/served.ts"

/** Lets all running work continue, also that of sockets. */
const settle = Effect.promise(async () => {
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve))
})

const old = "old"
const text = "the new content"

type Run = (smb: SmbClient.Client, at: (name: string) => string) => Effect.Effect<
  unknown,
  unknown,
  SmbClient.SmbClient | FileSystem.FileSystem
>

const cases: ReadonlyArray<readonly [string, Run]> = [
  ["writeFile with atomic", (smb, at) => smb.writeFile(at("f"), text, { atomic: true })],
  [
    "writeFile with atomic, in a folder that is known",
    (smb, at) =>
      Effect.andThen(smb.writeFile(at("first"), text, { atomic: true }), smb.writeFile(at("f"), text, { atomic: true }))
  ],
  ["copyTree", (_, at) => Stream.runDrain(Transfer.copyTree(at("source"), at("")))]
]

/** Runs until the store is asked to rename onto `f`, and interrupts. */
const interrupted = (
  run: Run,
  use: (
    now: {
      readonly release: Effect.Effect<unknown>
      readonly interruption: Fiber.Fiber<void>
      readonly names: Effect.Effect<ReadonlyArray<string>>
      readonly content: Effect.Effect<string>
      readonly lines: ReadonlyArray<string>
    }
  ) => Effect.Effect<void, unknown>
) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const logger = Layer.fresh(Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))]))
    const [asked, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const memory = yield* MemoryStore.make()
    const store: ShareStore = {
      ...memory,
      rename: (...given) =>
        given[1].at(-1) === "f"
          ? Effect.andThen(
            Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(gate)),
            memory.rename(...given)
          )
          : memory.rename(...given)
    }
    const { port } = yield* server({ shares: { data: store } })
    yield* Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const at = (name: string) => `//127.0.0.1:${port}/data/${name}`
      yield* smb.writeFile(at("f"), old)
      yield* smb.makeDirectory(at("source"))
      yield* smb.writeFile(at("source/f"), text)
      const fiber = yield* Effect.forkChild(run(smb, at))
      yield* Deferred.await(asked)
      const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      // The cleanup has time for everything that it does before the response.
      yield* settle
      yield* use({
        release: Deferred.succeed(gate, undefined),
        interruption,
        names: Effect.orDie(
          Effect.map(
            Stream.runCollect(smb.list(at(""))),
            (all) => all.map(({ name }) => name).filter((name) => name !== "source" && name !== "first").toSorted()
          )
        ),
        content: Effect.orDie(smb.readFileString(at("f"))),
        lines
      })
    }).pipe(Effect.scoped, Effect.provide(client()), Effect.provide(logger))
  }).pipe(Effect.scoped)

describe("an interruption during the rename of a part", () => {
  for (const [name, run] of cases) {
    it.live(`leaves the new content, and no part, if the server renames it: ${name}`, () =>
      interrupted(run, ({ content, interruption, lines, names, release }) =>
        Effect.gen(function*() {
          yield* release
          yield* Fiber.join(interruption)
          yield* settle
          assert.strictEqual(yield* content, text)
          assert.deepStrictEqual(yield* names, ["f"])
          assert.deepStrictEqual(lines, [])
        })))

    it.live(`removes nothing if the server renames it later than the interruption waits, and tells that: ${name}`, () =>
      interrupted(run, ({ content, interruption, lines, names, release }) =>
        Effect.gen(function*() {
          yield* Fiber.join(interruption)
          yield* release
          yield* settle
          assert.strictEqual(yield* content, text)
          assert.deepStrictEqual(yield* names, ["f"])
          assert.lengthOf(lines, 1)
          assert.match(lines[0]!, /an unfinished file may be left there/)
        })))
  }
})
