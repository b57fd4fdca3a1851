/**
 * A server of a fresh memory share, for runners that are other programs: listens until it is stopped, and says where.
 *
 * Arguments: host, port, and a share's name and more of them.
 */
import { Effect, Redacted } from "effect"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"

const [host = "127.0.28.1", port = "4461", ...names] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const server = yield* SmbServer.make({
    host,
    port: Number(port),
    users: UserStore.inMemory({
      joe: Redacted.make("secret"),
      ann: Redacted.make("secret2")
    }),
    signing: "enabled",
    guest: "anonymous",
    // One test does nothing but fail to log on.
    limits: { logonAttempts: 1_000_000 },
    shares: Object.fromEntries(
      (names.length === 0 ? ["share", "share2"] : names).map((name) => [name, MemoryStore.make()])
    )
  })
  console.log(JSON.stringify({ event: "listening", host: server.host, port: server.port }))
  return yield* Effect.never
})

Effect.runFork(Effect.scoped(program))
