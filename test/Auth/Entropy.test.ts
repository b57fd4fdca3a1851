/**
 * Where random bytes come from: the system's source, the seeded source against SHA-256 of coreutils, and that all
 * random values of a client come from the service Entropy.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as Entropy from "../../src/Auth/Entropy.ts"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

describe("Entropy", () => {
  it("of the system gives other bytes each time", () => {
    const seen = new Set(Array.from({ length: 100 }, () => hex(Entropy.system.bytes(16, "test"))))
    assert.strictEqual(seen.size, 100)
  })

  it("of a seed gives SHA-256 of seed, purpose and count", () => {
    // printf '["seed","a",0,0]' | sha256sum
    const first = "ffc53e20"
    const source = Entropy.seeded("seed")
    assert.strictEqual(hex(source.bytes(4, "a")), first)
    assert.notStrictEqual(hex(source.bytes(4, "a")), first)
    // Bytes for another purpose do not change those for the first.
    const other = Entropy.seeded("seed")
    other.bytes(40, "b")
    assert.strictEqual(hex(other.bytes(4, "a")), first)
  })

  it.effect("gives a client its salt, GUIDs, lease key, and challenge and key of the logon", () => {
    /** The bodies of the requests that a client sends with a source, and the purposes for which it took bytes. */
    const sent = (source: Entropy.Source) => {
      const purposes: Array<string> = []
      const counted: Entropy.Source = {
        bytes: (length, purpose) => {
          purposes.push(purpose)
          return source.bytes(length, purpose)
        }
      }
      return Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const servers = yield* TestTransport.TestServers
        yield* Effect.scoped(smb.open("\\\\nas\\data\\a.txt", {
          ...OpenMode.read,
          lease: { leaseState: 1 },
          durable: { timeout: 0 }
        }))
        const body = (command: Message.CommandName) =>
          Effect.map(
            servers.requests,
            (all) => all.filter((one) => one.command === command).map(({ request }) => request)
          )
        return {
          purposes,
          negotiate: yield* body("NEGOTIATE"),
          logon: yield* body("SESSION_SETUP"),
          create: yield* body("CREATE")
        }
      }).pipe(Effect.provide(
        SmbClient.layer().pipe(
          Layer.provideMerge(TestTransport.layerFiles({ data: { "a.txt": "a" } })),
          Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password")))),
          Layer.provide(Layer.succeed(Entropy.Entropy, counted))
        )
      ))
    }
    return Effect.gen(function*() {
      const one = yield* sent(Entropy.seeded("one"))
      assert.deepStrictEqual(one.purposes.toSorted(), [
        "ClientGuid for nas",
        "CreateGuid",
        "LeaseKey",
        "NEGOTIATE salt for nas",
        "NTLM challenge for nas",
        "NTLM key for nas"
      ])
      assert.deepStrictEqual(yield* sent(Entropy.seeded("one")), one)
      const two = yield* sent(Entropy.seeded("two"))
      const system = yield* sent(Entropy.system)
      for (const part of ["negotiate", "logon", "create"] as const) {
        assert.notDeepEqual(two[part], one[part])
        assert.notDeepEqual(system[part], (yield* sent(Entropy.system))[part])
      }
    })
  })
})
