/**
 * The command above its subcommands: the shared flags, and how a subcommand logs on and runs its action.
 *
 * The client is loaded when a subcommand runs, so that help, version and usage errors appear at once.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type { Credential } from "../../Auth/Credentials.ts"
import type { SmbClient } from "../../Client/SmbClient.ts"
import type { DfsResolver } from "../../Dfs/DfsResolver.ts"
import type * as Actions from "../Actions.ts"
import { CurrentSession } from "../CurrentSession.ts"
import * as Flags from "../Flags.ts"
import * as OptionsByServer from "../OptionsByServer.ts"
import type { Remote } from "../Remote.ts"

const description = `Files on Windows and Samba servers: SMB 2.0.2 to 3.1.1, DFS links followed.

  Paths: //host[:port]/share/path, '\\\\host\\share\\path' (quote it for the shell) or smb://user@host:port/share/path.

  User: --user, else the path's, else -A, else SMB_USER (and SMB_DOMAIN), else as login has kept it, else it asks.
  Password: --password-file, else -A, else SMB_PASSWORD, else as login has kept it, else it asks and does not show it.
  Kerberos: --kerberos takes the ticket of kinit (KRB5CCNAME), --keytab FILE gets one; then NTLM is never used.

  Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted. A failure is one line on standard error.`

/** The command above all subcommands. */
export const top = Command.make("effect-smb").pipe(
  Command.withSharedFlags(Flags.shared),
  Command.withDescription(description)
)

/** The command above the lines of a shell: it has the same name, and only the flag that makes sense for one line. */
export const topOfLines = Command.make("effect-smb").pipe(
  Command.withSharedFlags({ json: Flags.shared.json }),
  Command.withDescription(
    "Paths are relative to the current directory; /path begins at the share, and //host/share/path names another. A " +
      "local path has file: before it in cp, sync and check. Quotes and backslashes are as in a POSIX shell, ; separates " +
      "commands."
  )
)

/**
 * The shared flags with their defaults: those of the command, or in a shell those that it was started with, with --json
 * of the line.
 */
export const root = Effect.flatMap(
  CurrentSession,
  (session) =>
    Effect.map(
      top,
      (given): Flags.Shared =>
        session === undefined
          ? OptionsByServer.resolve(given)
          : { ...session.options, json: session.options.json || given.json }
    )
)

/** The options for the servers of these paths: the flags, then what `servers.json` says of the servers, then defaults. */
export const settings = Effect.fnUntraced(function*(paths: ReadonlyArray<Remote>) {
  const session = yield* CurrentSession
  const { checkShell, findAll, usual } = yield* Effect.promise(() => import("../KnownServers.ts"))
  const servers = paths.map(({ server }) => server)
  if (session !== undefined) {
    const { found, server } = session.start
    // Most lines name only this server, and need no file.
    if (servers.some((name) => name !== server)) {
      yield* Effect.fromResult(checkShell(yield* usual, session.start, servers))
    }
    return { options: yield* root, known: found }
  }
  const given = yield* top
  const known = yield* Effect.fromResult(findAll(yield* usual, servers))
  const isNamed = paths.some(({ user }) => user !== undefined) || (process.env.SMB_USER ?? "") !== ""
  return { options: OptionsByServer.resolve(given, known?.entry, isNamed), known }
})

/** The options that come before a subcommand, and the session's layers for these paths: it asks for a password here. */
export const logon = Effect.fnUntraced(function*(paths: ReadonlyArray<Remote>) {
  const { known, options } = yield* settings(paths)
  const current = yield* CurrentSession
  if (current !== undefined) return { ...current, options }
  const session = yield* Effect.promise(() => import("../Session.ts"))
  const { layer } = yield* Effect.promise(() => import("../Keyring.ts"))
  const user = yield* Effect.provide(session.credential(options, paths, known), layer)
  // A referral names no port: its targets use the port of the first path.
  const port = paths[0]?.port
  return {
    options,
    start: { server: paths[0]?.server ?? "", found: known },
    user,
    client: session.layer(options, user, port),
    clientAndResolver: session.layerWithResolver(options, user, port)
  }
})

/** Asks for the user of these paths, and runs with the client and the resolver that follows DFS. */
export const withUser = Effect.fnUntraced(function*<A, E, R>(
  paths: ReadonlyArray<Remote>,
  run: (user: Credential) => Effect.Effect<A, E, R>
) {
  const { clientAndResolver, user } = yield* logon(paths)
  return yield* Effect.provide(run(user), clientAndResolver)
})

/** Logs on for these paths and runs. */
export const withClient = Effect.fnUntraced(
  function*<A, E, R>(paths: ReadonlyArray<Remote>, run: Effect.Effect<A, E, R>) {
    return yield* Effect.provide(run, (yield* logon(paths)).client)
  }
)

/** Like `withClient`, with the resolver that follows DFS. */
export const withResolver = Effect.fnUntraced(function*<A, E>(
  paths: ReadonlyArray<Remote>,
  run: Effect.Effect<A, E, DfsResolver | SmbClient>
) {
  return yield* Effect.provide(run, (yield* logon(paths)).clientAndResolver)
})

export const actions = Effect.promise(() => import("../Actions.ts"))

/** Logs on for these paths and runs one of the actions on files. `json`: whether it prints JSON. */
export const act = Effect.fnUntraced(function*<A, E, R>(
  paths: ReadonlyArray<Remote>,
  run: (all: typeof Actions, json: boolean) => Effect.Effect<A, E, R>
) {
  const { json } = yield* root
  yield* withClient(paths, run(yield* actions, json))
})

export const boolean = (name: string, description: string, alias?: string) => {
  const flag = Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))
  return alias === undefined ? flag : Flag.withAlias(flag, alias)
}

export const some = (description: string) => Flags.remote("remote", description).pipe(Argument.variadic({ min: 1 }))
