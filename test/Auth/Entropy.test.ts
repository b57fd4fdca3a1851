import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as Entropy from "../../src/Auth/Entropy.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as TestTransport from "../../src/Layers/TestTransport.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

describe("entropy", () => {
  it("of the system is another each time", () => {
    const seen = new Set(Array.from({ length: 100 }, () => hex(Entropy.system.bytes(16, "test"))))
    assert.strictEqual(seen.size, 100)
  })

  it("of a seed is SHA-256 of seed, purpose and count: the same in every run, and on every machine", () => {
    // printf '["seed","a",0,0]' | sha256sum
    const first = "ffc53e20"
    const source = Entropy.seeded("seed")
    assert.strictEqual(hex(source.bytes(4, "a")), first)
    assert.notStrictEqual(hex(source.bytes(4, "a")), first)
    // Another purpose does not disturb the first.
    const other = Entropy.seeded("seed")
    other.bytes(40, "b")
    assert.strictEqual(hex(other.bytes(4, "a")), first)
  })

  it.effect("reaches what a client sends", () => {
    const bytesOf = (entropy: Layer.Layer<never>) =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const servers = yield* TestTransport.TestServers
        yield* smb.readFileString("\\\\nas\\data\\a.txt")
        const [first] = yield* servers.requests
        assert(first!.request._tag === "NEGOTIATE")
        return hex(first!.request.body.clientGuid)
      }).pipe(Effect.provide(
        SmbClient.layer().pipe(
          Layer.provideMerge(TestTransport.files({ data: { "a.txt": "a" } })),
          Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
          Layer.provide(entropy)
        )
      ))
    const seeded = (seed: string) => Layer.sync(Entropy.Entropy, () => Entropy.seeded(seed))
    return Effect.gen(function*() {
      assert.strictEqual(yield* bytesOf(seeded("one")), yield* bytesOf(seeded("one")))
      assert.notStrictEqual(yield* bytesOf(seeded("one")), yield* bytesOf(seeded("two")))
      assert.notStrictEqual(yield* bytesOf(Layer.empty), yield* bytesOf(Layer.empty))
    })
  })
})
