/** Subcommands about a whole server: their arguments and their help. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import { act, logon, root, withClient, withUser } from "./Root.ts"

/** `effect-smb shares` */
export const shares = Command.make(
  "shares",
  { server: Flags.server },
  ({ server }) => act([server], ({ shares }, json) => shares(server, { json }))
).pipe(
  Command.withDescription(
    "List the shares of a server. With --json: name, type (disk, printer, device, ipc), comment, special."
  ),
  Command.withShortDescription("List the shares of a server")
)

/** `effect-smb locks` */
export const locks = Command.make(
  "locks",
  { server: Flags.server },
  Effect.fnUntraced(function*({ server }) {
    const { json } = yield* root
    const { locks } = yield* Effect.promise(() => import("../Locks.ts"))
    yield* withClient([server], locks(server, { json }))
  })
).pipe(
  Command.withDescription(
    "Show the sessions of a server, and the files that they have open, with the number of locks. Only for its " +
      "administrators. With --json: kind session (client, user, opens, seconds, idleSeconds, isGuest), or kind file (id, " +
      "path, user, locks, canRead, canWrite)."
  ),
  Command.withShortDescription("Show sessions and open files, for administrators")
)

/** `effect-smb info` */
export const info = Command.make(
  "info",
  { server: Flags.server },
  Effect.fnUntraced(function*({ server }) {
    const { json } = yield* root
    const { info } = yield* Effect.promise(() => import("../Info.ts"))
    yield* withUser([server], (user) => info(server, user, { json }))
  })
).pipe(
  Command.withDescription(
    "Show what a server says it is, what this client and the server have agreed on (dialect, signatures, encryption), " +
      "its clock, the time of a round trip, and its shares. With --json: one object; clockSkew and latency are in " +
      "milliseconds, limits in bytes."
  ),
  Command.withShortDescription("Show a server: dialect, security, clock, latency, shares")
)

/** `effect-smb doctor` */
export const doctor = Command.make(
  "doctor",
  {
    path: Flags.server.pipe(
      Argument.withDescription("A server, a share, or the path that does not work: //host/share/path")
    )
  },
  Effect.fnUntraced(function*({ path }) {
    const { client, clientAndResolver, options, user } = yield* logon([path])
    const { doctor } = yield* Effect.promise(() => import("../Doctor/Doctor.ts"))
    const session = yield* Effect.promise(() => import("../Session.ts"))
    const { addressesOf, transport } = yield* session.network(options)
    yield* doctor(path, {
      json: options.json,
      credential: user,
      kerberos: session.byKerberos(options),
      dfs: options.dfs !== "off",
      dfsPort: Option.getOrElse(options.dfsPort, () => path.port),
      addressesOf
    }).pipe(
      // With DFS off, the client is the one without links.
      Effect.provide(options.dfs === "off" ? Layer.merge(clientAndResolver, client) : clientAndResolver),
      Effect.provide(transport)
    )
  })
).pipe(
  Command.withDescription(
    "Go the way to a path step by step: name, port, dialect, clock, logon, signing, share, DFS, path, rights. Each line " +
      "says whether the step works; a line with => says what to do. The exit code is 1 if a step fails. With --json an " +
      "object for each step: step, state (ok, failed, left out), message, details, advice."
  ),
  Command.withShortDescription("Find out why a path does not work"),
  Command.withExamples([
    { command: "effect-smb doctor //corp.test/public/plans", description: "From the name to the rights" }
  ])
)
