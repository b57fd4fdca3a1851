/**
 * `serve status`: who uses a running server, for its administrators. The command asks as any client does, by the server
 * service (MS-SRVS), so it needs no other way into the server.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ServerUse from "../Client/ServerUse.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { printable } from "./Failure.ts"
import { access, span, table } from "./Locks.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"
import * as ServeOptions from "./ServeOptions.ts"

/** The server on this machine: the address and the port that `serve` has without flags. */
export const usual = Effect.map(
  ServeOptions.readConfiguration(Option.none()),
  ({ configuration: { host = "127.0.0.1", port = 4455 } }): Remote => ({
    server: host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host,
    port,
    share: "",
    path: "",
    directory: false
  })
)

/** A session, and the shares that its user is connected to from this client. */
export interface Session extends ServerUse.UserSession {
  readonly shares: ReadonlyArray<string>
}

/** What is known of a running server. */
export interface Status {
  readonly statistics: ServerUse.Statistics | undefined
  readonly sessions: ReadonlyArray<Session>
  readonly files: ReadonlyArray<ServerUse.OpenFile>
}

const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

/** The status for a person. `now` in milliseconds since 1970. */
export const text = (name: string, { files, sessions, statistics }: Status, now: number): string => {
  const counts = `${plural(sessions.length, "session")}, ${plural(files.length, "open file")}`
  const bytes = statistics === undefined
    ? ""
    : `, runs since ${span(Math.max(0, Math.floor(now / 1000) - statistics.start))}, ` +
      `received ${Output.bytes(Number(statistics.bytesReceived))}, sent ${Output.bytes(Number(statistics.bytesSent))}` +
      (statistics.passwordErrors === 0
        ? ""
        : `, refused ${plural(statistics.passwordErrors, "logon")}`)
  const users = [
    ["Client", "User", "Since", "Idle", "Open files", "Shares"],
    ...sessions.map((one) => [
      one.client,
      one.isGuest ? `${one.user} (guest)` : one.user,
      span(one.seconds),
      span(one.idleSeconds),
      String(one.opens),
      one.shares.join(", ")
    ])
  ]
  const opens = [
    ["User", "Access", "Locks", "File"],
    ...files.map((file) => [file.user, access(file), String(file.locks), file.path])
  ]
  return `${printable(name)}: ${counts}${bytes}\n\n${table(users)}${files.length === 0 ? "" : `\n${table(opens)}`}`
}

/** A session with the shares that its user is connected to, except for that of the pipes. */
const withShares = (session: ServerUse.UserSession, connections: ReadonlyArray<ServerUse.ShareConnection>): Session => {
  const shares = connections.flatMap(({ share, user }) => user === session.user && share !== "IPC$" ? [share] : [])
  return { ...session, shares: [...new Set(shares)] }
}

/** How many clients are asked about at a time. */
const concurrency = 4

/** Asks the server, in one session. */
const ask = Effect.fnUntraced(function*({ port, server }: Remote) {
  const smb = yield* SmbClient
  const ipc = yield* smb.connect({ server, port, share: "IPC$", path: "" })
  const sessions = yield* ServerUse.sessions(ipc)
  const clients = [...new Set(sessions.map(({ client }) => client))]
  const connections = new Map(
    yield* Effect.forEach(
      clients,
      (client) => Effect.map(ServerUse.connections(ipc, client), (all) => [client, all] as const),
      { concurrency }
    )
  )
  const status: Status = {
    statistics: yield* ServerUse.statistics(ipc),
    sessions: sessions.map((session) => withShares(session, connections.get(session.client) ?? [])),
    files: yield* ServerUse.openFiles(ipc)
  }
  return status
}, Effect.scoped)

/** Prints the status, the session that asks for it included. */
export const status = Effect.fnUntraced(function*(server: Remote, { json }: { readonly json: boolean }) {
  const found = yield* ask(server)
  const { files, sessions, statistics } = found
  yield* Output.write(
    json
      ? [
        ...(statistics === undefined ? [] : [Output.jsonLine({
          kind: "server",
          start: new Date(statistics.start * 1000).toISOString(),
          bytesReceived: Number(statistics.bytesReceived),
          bytesSent: Number(statistics.bytesSent),
          passwordErrors: statistics.passwordErrors
        })]),
        ...sessions.map((session) => Output.jsonLine({ kind: "session", ...session })),
        ...files.map((file) => Output.jsonLine({ kind: "file", ...file }))
      ].join("")
      : text(UncPath.format(server), found, yield* Clock.currentTimeMillis)
  )
})
