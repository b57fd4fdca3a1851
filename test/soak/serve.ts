/** The server of a soak as its own process: it tells its port, and what it holds whenever it is asked. */
import { Effect, Redacted } from "effect"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { type Held, held } from "./Memory.ts"

/** What the server tells. */
export type Told =
  | { readonly _tag: "Port"; readonly port: number }
  | ({ readonly _tag: "Held"; readonly connections: number; readonly opens: number; readonly sessions: number } & Held)

const tell = (told: Told): void => void process.send!(told)

const [folder = ""] = process.argv.slice(2)

// Ends with the process that started it.
process.on("disconnect", () => process.exit(0))

await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
  const server = yield* SmbServer.make({
    host: "127.0.0.1",
    port: 0,
    users: UserStore.inMemory({ joe: Redacted.make("secret") }),
    shares: { memory: MemoryStore.make({ capacity: 256 * 1024 * 1024 }), disk: LocalStore.make(folder) }
  })
  process.on("message", () => {
    const { connections, opens, sessions } = Effect.runSync(server.statistics)
    tell({ _tag: "Held", connections, opens, sessions, ...held() })
  })
  tell({ _tag: "Port", port: server.port })
  return yield* Effect.never
})))
