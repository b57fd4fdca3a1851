/**
 * This server for the kernel's client: `node server.ts PORT FOLDER USER PASSWORD`. It prints `ready` when it listens, and
 * serves the folder as the share `share` until its process ends.
 */
import { Effect, Redacted } from "effect"
import * as SmbServer from "../../../src/Server/SmbServer.ts"
import * as LocalStore from "../../../src/Server/Store/LocalStore.ts"
import * as UserStore from "../../../src/Server/UserStore.ts"

const [port = "", folder = "", user = "", password = ""] = process.argv.slice(2)

Effect.runFork(Effect.scoped(Effect.gen(function*() {
  yield* SmbServer.make({
    host: "127.0.0.1",
    port: Number(port),
    users: UserStore.inMemory({ [user]: { password: Redacted.make(password), administrator: true } }),
    shares: { share: LocalStore.make(folder) }
  })
  console.log("ready")
  return yield* Effect.never
})))
