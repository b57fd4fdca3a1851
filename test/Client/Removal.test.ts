/** Trees on this project's own server, removed by two at once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, MemoryStore, SmbClient, SmbServer, TcpTransport, UserStore } from "effect-smb"

const joe = Credentials.layer(Credentials.password("joe", Redacted.make("secret")))

describe("removal on our own server", () => {
  it.live("two that remove one tree at once, whose deletions are pending to each other, both succeed", () =>
    Effect.gen(function*() {
      const { port } = yield* SmbServer.make({
        host: "127.0.0.1",
        port: 0,
        users: UserStore.inMemory({ joe: Redacted.make("secret") }),
        shares: { data: MemoryStore.make() }
      })
      const root = `//127.0.0.1:${port}/data`
      const client = <A, E>(effect: Effect.Effect<A, E, SmbClient.SmbClient>) =>
        Effect.provide(effect, SmbClient.layer().pipe(Layer.provide([TcpTransport.layer, joe])), { local: true })
      const remove = client(
        Effect.flatMap(SmbClient.SmbClient, (smb) => Effect.result(smb.remove(`${root}/tree`, { recursive: true })))
      )
      for (let round = 0; round < 3; round++) {
        yield* client(Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          for (let i = 0; i < 10; i++) {
            yield* smb.makeDirectory(`${root}/tree/${i}/deep`, { recursive: true })
            for (let j = 0; j < 10; j++) yield* smb.writeFile(`${root}/tree/${i}/deep/${j}`, "1")
          }
        }))
        const results = yield* Effect.all([remove, remove], { concurrency: 2 })
        for (const result of results) {
          // The one that comes when all is done finds nothing.
          if (result._tag === "Failure") {
            assert(result.failure._tag === "SmbError", result.failure.message)
            assert.include(["ObjectNameNotFound", "DeletePending"], result.failure.reason)
          }
        }
        assert.isTrue(results.some(({ _tag }) => _tag === "Success"))
        assert.isFalse(yield* client(Effect.flatMap(SmbClient.SmbClient, (smb) => smb.exists(`${root}/tree`))))
      }
    }))
})
