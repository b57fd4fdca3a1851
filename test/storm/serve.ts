/**
 * This project's server as its own process, which the storm can end by SIGKILL. Arguments: host, the folder that it
 * serves as the share `data`, and the file of its users' SIDs. The password comes in SMB_PASSWORD.
 *
 * With a number N in STORM_LIE, the server answers every Nth WRITE with success and does not write: so a test shows that
 * the storm finds a server that loses data.
 *
 * With STORM_AVAILABLE the share is continuously available, and the opens are in a file next to the users' SIDs.
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
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import * as IdentityStore from "../../src/Server/IdentityStore.ts"
import * as ServerMetrics from "../../src/Server/ServerMetrics.ts"
import type { ShareStore, StoreFile, StoreOpen, StorePath } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as SqliteOpenStore from "../../src/Server/SqliteOpenStore.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { jumping } from "./JumpingClock.ts"

const [host = "127.0.62.2", folder = "", identities = ""] = process.argv.slice(2)
const user = process.env.STORM_USER ?? "storm"
const clock = jumping()
let users = UserStore.inMemory({ [user]: Redacted.make(process.env.SMB_PASSWORD ?? "") })

const isAvailable = process.env.STORM_AVAILABLE !== undefined
const lie = Number(process.env.STORM_LIE ?? 0)
let writes = 0

/** A store that is as truthful as STORM_LIE says. */
const store = Effect.map(LocalStore.make(folder), (honest): ShareStore => {
  if (lie === 0) return honest
  const deceive = (file: StoreFile): StoreFile => {
    const write = file.write.bind(file)
    return Object.assign(file, {
      write: (offset: bigint, data: Uint8Array) => ++writes % lie === 0 ? Effect.void : write(offset, data)
    })
  }
  const open = honest.open.bind(honest)
  return Object.assign(honest, {
    open: (path: StorePath, options: StoreOpen) =>
      Effect.map(open(path, options), (opened) => ({ ...opened, file: deceive(opened.file) }))
  })
})

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
        persistentTime: "3 seconds",
        // The storm changes passwords, and sends old ones.
        refusedLogons: 1_000_000,
        addressRefusedLogons: 1_000_000
      },
      ...isAvailable ? { openStore: SqliteOpenStore.make(join(dirname(identities), "opens.sqlite")) } : {},
      shares: { data: { store, continuousAvailability: isAvailable } }
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
