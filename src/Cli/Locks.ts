/** `locks`: the sessions of a server and the files that they have open, for its administrators. */
import * as Effect from "effect/Effect"
import type * as ServerUse from "../Client/ServerUse.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import { printable } from "./Failure.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"

/** `42s`, `12m`, `3h05m`, `2d04h`. */
export const span = (seconds: number): string => {
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0")
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${two((seconds % 3600) / 60)}m`
  return `${Math.floor(seconds / 86_400)}d${two((seconds % 86_400) / 3600)}h`
}

/** Columns as wide as their widest cell; the last one is not filled up. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) => `${row.map((cell, i) => printable(cell).padEnd(widths[i]!)).join("  ").trimEnd()}\n`).join(
    ""
  )
}

/** `rw`, `r-`, `-w` or `--`. */
export const access = ({ canRead, canWrite }: ServerUse.OpenFile): string =>
  `${canRead ? "r" : "-"}${canWrite ? "w" : "-"}`

/** The two lists as text. */
export const text = (
  sessions: ReadonlyArray<ServerUse.UserSession>,
  files: ReadonlyArray<ServerUse.OpenFile>
): string => {
  const users = [
    ["Client", "User", "Since", "Idle", "Open files"],
    ...sessions.map((one) => [
      one.client,
      one.isGuest ? `${one.user} (guest)` : one.user,
      span(one.seconds),
      span(one.idleSeconds),
      String(one.opens)
    ])
  ]
  const opens = [
    ["User", "Access", "Locks", "File"],
    ...files.map((file) => [file.user, access(file), String(file.locks), file.path])
  ]
  return `${table(users)}\n${files.length === 0 ? "No file is open.\n" : table(opens)}`
}

/** Prints the sessions and open files of a server, those that the client itself has for this included. */
export const locks = Effect.fnUntraced(function*(server: Remote, options: { readonly json: boolean }) {
  const smb = yield* SmbClient
  const sessions = yield* smb.sessions(server)
  const files = yield* smb.openFiles(server)
  yield* Output.write(
    options.json
      ? [
        ...sessions.map((session) => Output.jsonLine({ kind: "session", ...session })),
        ...files.map((file) => Output.jsonLine({ kind: "file", ...file }))
      ].join("")
      : text(sessions, files)
  )
})
