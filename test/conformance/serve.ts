/**
 * Servers with empty memory shares, for runners that are other programs. Each line on standard input ends the server
 * before and starts one, and prints its port as a line of JSON. The line `required` starts one that requires signatures. The process ends with its standard input,
 * and so with its runner. Arguments: host, with `:` and a port if it is not to be a free one, then names of shares.
 */
import { Effect, Exit, Redacted, Scope } from "effect"
import { createInterface } from "node:readline"
import * as OpenStore from "../../src/Server/OpenStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"

const [address = "127.0.28.1", ...names] = process.argv.slice(2)
const [host, port = "0"] = address.split(":")

const fresh = (signing: "enabled" | "required") =>
  SmbServer.make({
    host,
    port: Number(port),
    users: UserStore.inMemory({
      joe: Redacted.make("secret"),
      ann: Redacted.make("secret2"),
      adm: { password: Redacted.make("secret"), administrator: true }
    }),
    signing,
    guest: "anonymous",
    // One test only fails to log on, again and again.
    limits: { logonAttempts: 1_000_000, refusedLogons: 1_000_000, addressRefusedLogons: 1_000_000 },
    openStore: OpenStore.inMemory(),
    shares: {
      ...Object.fromEntries(
        (names.length === 0 ? ["share", "share2"] : names).map((name) => [name, MemoryStore.make()])
      ),
      available: { store: MemoryStore.make(), continuousAvailability: true },
      hideunread: { store: MemoryStore.make(), accessBasedEnumeration: true }
    }
  })

let before = Scope.makeUnsafe()
for await (const signing of createInterface({ input: process.stdin })) {
  await Effect.runPromise(Scope.close(before, Exit.void))
  before = Scope.makeUnsafe()
  const server = await Effect.runPromise(Scope.provide(fresh(signing === "required" ? signing : "enabled"), before))
  console.log(JSON.stringify({ event: "listening", host: server.host, port: server.port }))
}
process.exit(0)
