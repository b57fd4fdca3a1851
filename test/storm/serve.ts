/**
 * This project's server as its own process, which the storm can end by SIGKILL. Arguments: host, the folder that it
 * serves as the share `data`, and the file of its users' SIDs. The password comes in SMB_PASSWORD.
 *
 * Each line on standard input is a command in JSON, and each command has one line as its answer. The process ends with
 * its standard input, and so with the storm.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { createInterface } from "node:readline"
import * as IdentityStore from "../../src/Server/IdentityStore.ts"
import * as ServerMetrics from "../../src/Server/ServerMetrics.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { jumping } from "./JumpingClock.ts"

const [host = "127.0.61.2", folder = "", identities = ""] = process.argv.slice(2)
const user = process.env.STORM_USER ?? "storm"
const clock = jumping()
let users = UserStore.inMemory({ [user]: Redacted.make(process.env.SMB_PASSWORD ?? "") })

const scope = Scope.makeUnsafe()
const server = await Effect.runPromise(
  Effect.gen(function*() {
    return yield* SmbServer.make({
      host,
      users: { find: (name, domain) => users.find(name, domain) },
      identity: yield* IdentityStore.fromFile(identities),
      // For the client that does not sign. The others demand it.
      signing: "enabled",
      limits: {
        // So that an open whose client has given up is gone soon.
        durableTime: "3 seconds",
        // The storm changes passwords, and sends old ones.
        refusedLogons: 1_000_000,
        addressRefusedLogons: 1_000_000
      },
      shares: { data: LocalStore.make(folder) }
    })
  }).pipe(Scope.provide(scope), Effect.provideService(Clock.Clock, clock.clock))
)

const answer = async (command: Record<string, unknown>): Promise<unknown> => {
  if (typeof command.password === "string") {
    users = UserStore.inMemory({ [user]: Redacted.make(command.password) })
  } else if (typeof command.jump === "number") clock.jump(command.jump)
  else if (command.disconnect === true) await Effect.runPromise(server.disconnectAll)
  const statistics = await Effect.runPromise(server.statistics)
  return { ...statistics, absent: ServerMetrics.absentOpens.of().valueUnsafe(Context.empty()).value }
}

console.log(JSON.stringify({ event: "listening" }))
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line) as Record<string, unknown>)))
}
await Effect.runPromise(Scope.close(scope, Exit.void))
process.exit(0)
