/** Subcommands about a whole server: their arguments and their help. */
import * as Command from "effect/cli/Command"
import * as Flags from "../Flags.ts"
import { act } from "./Root.ts"

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
