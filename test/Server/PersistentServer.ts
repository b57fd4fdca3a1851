/**
 * A server as its own process, which a test can end by SIGKILL. Arguments: host, port, the folder of the continuously
 * available share `data`, and a folder for the users' SIDs and for the opens. It prints its port, and ends with its
 * standard input.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { join } from "node:path"
import * as IdentityStore from "../../src/Server/IdentityStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as SqliteOpenStore from "../../src/Server/SqliteOpenStore.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"

const [host = "", port = "0", folder = "", state = ""] = process.argv.slice(2)
const scope = Scope.makeUnsafe()
const server = await Effect.runPromise(
  Effect.gen(function*() {
    return yield* SmbServer.make({
      host,
      port: Number(port),
      users: UserStore.inMemory({ joe: Redacted.make("secret") }),
      identity: yield* IdentityStore.fromFile(join(state, "identity.json")),
      openStore: SqliteOpenStore.make(join(state, "opens.sqlite")),
      signing: "enabled",
      shares: { data: { store: LocalStore.make(folder), continuousAvailability: true } }
    })
  }).pipe(Scope.provide(scope))
)
console.log(`port ${server.port}`)
process.stdin.resume()
process.stdin.on("end", () => void Effect.runPromise(Scope.close(scope, Exit.void)).then(() => process.exit(0)))
