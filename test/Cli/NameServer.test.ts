/**
 * The command with `--dns` and a name server that does not answer: a UDP socket that receives queries and sends no
 * response.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { createSocket } from "node:dgram"
import * as NameServer from "../../src/Cli/NameServer.ts"
import * as DomainControllers from "../../src/Dfs/DomainControllers.ts"

/** A socket that receives queries and answers none, with their count. */
const silent = Effect.acquireRelease(
  Effect.callback<{ readonly address: string; readonly count: () => number; readonly close: () => void }>((resume) => {
    const socket = createSocket("udp4")
    let count = 0
    socket.on("message", () => count++)
    socket.bind(0, "127.0.0.1", () =>
      resume(Effect.succeed({
        address: `127.0.0.1:${socket.address().port}`,
        count: () => count,
        close: () => socket.close()
      })))
  }),
  ({ close }) => Effect.sync(close)
)

const using = <A, E>(
  address: string,
  use: (names: NameServer.Names, finder: DomainControllers.DomainControllers["Service"]) => Effect.Effect<A, E>
) =>
  Effect.gen(function*() {
    const said: Array<string> = []
    const logger = Logger.make<unknown, void>(({ logLevel, message }) => void said.push(`${logLevel}: ${message}`))
    const value = yield* Effect.gen(function*() {
      const names = yield* NameServer.make(address)
      return yield* Effect.flatMap(DomainControllers.DomainControllers, (finder) => use(names, finder)).pipe(
        Effect.provide(names.controllers)
      )
    }).pipe(Effect.provide(Layer.fresh(Logger.layer([logger]))))
    return { value, said }
  })

const lookup = ({ lookup: by }: NameServer.Names, name: string) =>
  Effect.callback<unknown>((resume) => by!(name, { all: true }, (_, found) => resume(Effect.succeed(found))))

describe("a name server that does not answer", () => {
  it.live(
    "costs its timeout once, is reported with one warning, and leaves names to the system",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const { address, count } = yield* silent
        const { said, value } = yield* using(address, (names, finder) =>
          Effect.gen(function*() {
            const before = performance.now()
            assert.deepStrictEqual(yield* finder.find("corp.test", undefined), [])
            const took = performance.now() - before
            const asked = count()
            assert.isAtLeast(asked, 1)
            // No query is sent any more, neither for domains nor for addresses.
            assert.deepStrictEqual(yield* finder.find("other.test", "Oslo"), [])
            const found = yield* lookup(names, "localhost")
            assert.strictEqual(count(), asked)
            return { took, found }
          }))
        assert.isAtMost(value.took, 5000, "two attempts on a busy machine take at most 5 seconds")
        assert.isNotEmpty(value.found)
        assert.lengthOf(said, 1)
        assert.match(said[0]!, new RegExp(`^Warn: the name server ${address} does not answer: .*--dns`))
      })),
    20_000
  )

  it.live(
    "is found silent by the first lookup of an address, and is then not asked for domains",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const { address, count } = yield* silent
        const { said } = yield* using(address, (names, finder) =>
          Effect.gen(function*() {
            assert.isNotEmpty(yield* lookup(names, "localhost"))
            const asked = count()
            assert.deepStrictEqual(yield* finder.find("corp.test", undefined), [])
            assert.strictEqual(count(), asked)
          }))
        assert.lengthOf(said, 1)
      })),
    20_000
  )
})
