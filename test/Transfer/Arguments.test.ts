/** Options of transfers that cannot be used: the transfer fails with their names, before it sends or reads anything. */
import { assert, it } from "@effect/vitest"
import { Effect, Exit, FileSystem, Layer, Redacted, Stream } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import { Transfer } from "effect-smb/Transfer"

const wrong: ReadonlyArray<readonly [keyof Transfer.SyncOptions, ReadonlyArray<unknown>]> = [
  ["concurrency", [Number.NaN, 0, -1, 1.5]],
  ["retries", [Number.NaN, -1, 0.5]],
  ["bandwidth", [Number.NaN, -1]],
  ["minimumSize", [Number.NaN, -1, 1.5, Infinity, 1n << 63n, -1n]],
  ["maximumSize", [Number.NaN, -1, 1.5, 2 ** 60]],
  ["modifyWindow", [Number.NaN, -1, Infinity, "soon", { seconds: Number.NaN }]],
  ["maximumDeletions", [Number.NaN, -1, 0.5]]
]

const client = SmbClient.layer().pipe(
  Layer.provideMerge(TestTransport.layerFiles({ data: { d: {}, e: {} } })),
  Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
)

it.effect("a stream of something else than bytes is an ArgumentError that tells its type alone", () =>
  Effect.gen(function*() {
    for (const chunk of ["31337", new Uint16Array([31_337]), null, 31_337] as ReadonlyArray<any>) {
      for (const inPlace of [false, true]) {
        const exit = yield* Effect.exit(
          Stream.runDrain(Transfer.uploadStream(Stream.make(chunk), "//nas/data/d/f", { inPlace }))
        )
        assert(Exit.isFailure(exit))
        const [reason] = exit.cause.reasons
        assert(reason?._tag === "Fail", String(exit.cause))
        assert.deepInclude(reason.error, { _tag: "ArgumentError", expected: "a Uint8Array" })
        assert.notInclude(JSON.stringify(exit), "31337")
      }
    }
  }).pipe(Effect.provide(client)))

it.effect("a wrong number or time is an ArgumentError of each transfer, and nothing is sent", () =>
  Effect.gen(function*() {
    const { commands } = yield* TestTransport.TestServers
    const there = "//nas/data/d"
    const all: Readonly<Record<string, (options: object) => Stream.Stream<unknown, unknown, any>>> = {
      download: (options) => Transfer.download(there, "/here", options),
      upload: (options) => Transfer.upload("/here", there, options),
      uploadStream: (options) => Transfer.uploadStream(Stream.make(new Uint8Array(1)), there, options),
      copyTree: (options) => Transfer.copyTree(there, "//nas/data/e", options),
      sync: (options) => Transfer.sync(there, "//nas/data/e", options),
      check: (options) => Transfer.check(there, "//nas/data/e", options)
    }
    for (const [name, transfer] of Object.entries(all)) {
      for (const [option, values] of wrong) {
        for (const value of values) {
          const exit = yield* Effect.exit(Stream.runDrain(transfer({ [option]: value })))
          const what = `${option} of ${name}: ${String(value)}`
          assert(Exit.isFailure(exit), what)
          const [reason] = exit.cause.reasons
          assert(reason?._tag === "Fail", `${what}: ${String(exit.cause)}`)
          assert.deepInclude(reason.error, { _tag: "ArgumentError", argument: option }, what)
        }
      }
    }
    assert.deepStrictEqual(yield* commands, [])
  }).pipe(Effect.provide(
    Layer.mergeAll(
      FileSystem.layerNoop({}),
      client
    )
  )))
