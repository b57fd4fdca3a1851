/**
 * Options of stores, and of the search for domain controllers, that cannot be used: each is refused with `ArgumentError`
 * when it is given, and the error names it. Other parts are in `options.test.ts` and `Client/Arguments.test.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, FileSystem, Layer } from "effect"
import { FileSystemStore, LocalStore, MemoryStore } from "effect-smb"
import { DomainControllers, LdapPing, SrvQuery } from "effect-smb/Dfs"
import { Dns } from "effect/net/Dns"
import { ArgumentError } from "../src/Protocol/Errors.ts"

/** The argument that the defect of an effect names. */
const refused = (effect: Effect.Effect<unknown, unknown, never>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    assert.instanceOf(error, ArgumentError)
    assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    return (error as ArgumentError).argument
  })

const noCounts = [Number.NaN, -1, 0.5, "7", null, 2 ** 60 + 0.5, 10n, {}]
const noTimes = [Number.NaN, -1, "soon", null]
const noPorts = [0, 65_536, Number.NaN, "389", null, 1.5, 10n]
const noLabels = [7, null, {}, "a\0b"]

const fs = FileSystem.makeNoop({})

describe("an option that cannot be used is refused by", () => {
  for (const [option, values] of Object.entries({ capacity: noCounts, label: noLabels })) {
    it.effect.each(values.map((value) => ({ value })))(
      `MemoryStore: ${option} $value`,
      ({ value }) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* refused(MemoryStore.make({ [option]: value as never })), option)
        })
    )
  }

  for (const option of ["descriptors", "directories", "names", "label"]) {
    it.effect.each((option === "label" ? noLabels : noCounts).map((value) => ({ value })))(
      `LocalStore: ${option} $value`,
      ({ value }) =>
        Effect.gen(function*() {
          const made = Effect.scoped(LocalStore.make("/no/such/folder", { [option]: value as never }))
          assert.strictEqual(yield* refused(made), option)
        })
    )
  }

  it.effect.each([1, -1n, 1n << 63n, null, "1"].map((value) => ({ value })))(
    "FileSystemStore: capacity $value",
    ({ value }) =>
      Effect.gen(function*() {
        const made = (capacity: object) => FileSystemStore.make(fs, "/", { capacity: capacity as never })
        assert.strictEqual(yield* refused(made({ total: value, free: 0n })), "capacity.total")
        assert.strictEqual(yield* refused(made({ total: 1n, free: value })), "capacity.free")
      })
  )

  it.effect.each(noPorts.map((value) => ({ value })))("LdapPing: port $value", ({ value }) =>
    Effect.gen(function*() {
      const ping = LdapPing.ping("127.0.0.1", "corp.test", { port: value as never })
      assert.strictEqual(yield* refused(ping), "port")
    }))

  it.effect.each(noTimes.map((value) => ({ value })))(
    "LdapPing and layerDns: timeout $value",
    ({ value }) =>
      Effect.gen(function*() {
        const timeout = value as never
        assert.strictEqual(yield* refused(LdapPing.ping("127.0.0.1", "corp.test", { timeout })), "timeout")
        const layer = DomainControllers.layerDns({ timeout })
        assert.strictEqual(
          yield* refused(Effect.scoped(Layer.build(layer)).pipe(Effect.provideService(Dns, {} as never))),
          "timeout"
        )
      })
  )

  it.effect.each([["dc1"], ["10.0.0.1:99999"], ["[10.0.0.1]"], [7], "10.0.0.1", null].map((value) => ({ value })))(
    "layerDns: nameServers $value",
    ({ value }) =>
      Effect.gen(function*() {
        const layer = DomainControllers.layerDns({ nameServers: value as never })
        assert.strictEqual(
          yield* refused(Effect.scoped(Layer.build(layer)).pipe(Effect.provideService(Dns, {} as never))),
          "nameServers"
        )
      })
  )
})

it.effect("a query to what is no address fails, and sends nothing", () =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(SrvQuery.resolve("_ldap._tcp.corp.test", ["10.0.0.1:99999"]))
    assert.strictEqual(error.reason._tag, "QueryFailed")
    assert.match(error.message, /no address/)
  }))
