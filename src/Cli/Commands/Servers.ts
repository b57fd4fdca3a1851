/** Subcommands about a whole server: their arguments and their help. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flags from "../Flags.ts"
import { act, root, withUser } from "./Root.ts"

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
