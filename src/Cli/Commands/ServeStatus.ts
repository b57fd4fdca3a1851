/** `effect-smb serve status`: its arguments and its help. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import { root, withClient } from "./Root.ts"

/** `effect-smb serve status` */
export const serveStatus = Command.make(
  "status",
  {
    server: Flags.server.pipe(
      Argument.withDescription(
        "The server. Default: the one on this machine, with the address and port of config.json"
      ),
      Argument.optional
    )
  },
  Effect.fnUntraced(function*({ server }) {
    const { json } = yield* root
    const { status, usual } = yield* Effect.promise(() => import("../ServeStatus.ts"))
    const remote = Option.isSome(server) ? server.value : yield* usual
    yield* withClient([remote], status(remote, { json }))
  })
).pipe(
  Command.withDescription(
    "Show a running server: since when it runs, the bytes from and to its clients, its sessions with their shares, and " +
      "the open files with access and locks. Only administrators of the server can see that: give serve " +
      "--administrator NAME, and log on as NAME. With --json: an object with kind server (start, bytesReceived, " +
      "bytesSent, passwordErrors), one with kind session (client, user, opens, seconds, idleSeconds, isGuest, shares) " +
      "and one with kind file (id, path, user, locks, canRead, canWrite) for each."
  ),
  Command.withShortDescription("Show who is connected, and what is open"),
  Command.withExamples([
    { command: "effect-smb serve status -U joe", description: "The server on this machine" },
    { command: "effect-smb serve status //nas:4455 -U joe --json", description: "Another one, for jq" }
  ])
)
