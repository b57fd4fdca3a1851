/** `effect-smb serve`: its flags and its help. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { boolean, root } from "./Root.ts"
import { serveHttp } from "./ServeHttp.ts"
import { serveStatus } from "./ServeStatus.ts"

/** `effect-smb serve` */
export const serve = Command.make(
  "serve",
  {
    folder: Argument.String("folder").pipe(
      Argument.withDescription("The folder to serve as the share named share. Default: a share in memory"),
      Argument.optional
    ),
    share: Flag.String("share").pipe(
      Flag.withMetavar("NAME=FOLDER"),
      Flag.withDescription("Serve a folder under this name; may be repeated"),
      Flag.atLeast(0)
    ),
    host: Flag.String("host").pipe(
      Flag.withMetavar("ADDRESS"),
      Flag.withDescription("Listen on this address; 0.0.0.0 is every address of this machine. Default: 127.0.0.1"),
      Flag.optional
    ),
    port: Flag.Int("port").pipe(
      Flag.filter((port) => port >= 0 && port <= 65_535, (port) => `a port from 0 to 65535, not ${port}`),
      Flag.withMetavar("PORT"),
      Flag.withDescription("Listen on this port; 0 is any free port, and ports below 1024 need rights. Default: 4455"),
      Flag.optional
    ),
    users: Flag.String("users").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("The users, in a file that only you may read; each line is name:password or name:nt-hash"),
      Flag.optional
    ),
    config: Flag.String("config").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Read defaults of the flags from this JSON file instead of the usual one"),
      Flag.optional
    ),
    namespace: Flag.String("namespace").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Host the DFS namespaces in this JSON file"),
      Flag.optional
    ),
    administrator: Flag.String("administrator").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Make this user an administrator, who can see the status; may be repeated"),
      Flag.atLeast(0)
    ),
    readOnly: boolean("read-only", "Refuse every change"),
    mapNames: Flag.Boolean("map-names").pipe(
      Flag.withDescription(
        "Show names that SMB cannot carry with characters of Unicode's private use area. Default: true; " +
          "--no-map-names does not list such files"
      ),
      Flag.optional
    ),
    shortNames: Flag.Boolean("short-names").pipe(
      Flag.withDescription("Give files with long names 8.3 names too. Default: true; --no-short-names for none"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*(flags) {
    const options = yield* root
    const { serve } = yield* Effect.promise(() => import("../Serve.ts"))
    yield* serve(flags, options)
  })
).pipe(
  Command.withDescription(
    "Serve folders until it is interrupted (Ctrl-C), and say how to connect. Then it ends with exit code 0. " +
      "--user NAME allows that user, with the password of SMB_PASSWORD or --password-file. Without a user, the command " +
      "chooses a password and shows it. --guest allows everybody. --signing if-required, --encryption off, if-offered (the " +
      "default here) or required, and --dialect apply to the server; --dfs, --site, --dns, --names, --timeout and " +
      "--pending-timeout apply to clients only. With --json: an object with event listening, host, port and " +
      "shares, then one for each connection, logon and share. Defaults come from effect-smb/config.json in " +
      "XDG_CONFIG_HOME or ~/.config (~/Library/Application Support on macOS, %APPDATA% on Windows), users from the " +
      "file users next to it."
  ),
  Command.withShortDescription("Serve folders"),
  Command.withExamples([
    { command: "SMB_PASSWORD=... effect-smb serve --user joe ~/Public", description: "A folder, to one user" },
    { command: "effect-smb serve --guest --read-only --host 0.0.0.0 .", description: "To everybody, to read" },
    { command: "effect-smb serve --users users --share media=/srv/media --namespace dfs.json", description: "More" }
  ]),
  Command.withSubcommands([serveHttp, serveStatus])
)
