/** `effect-smb serve http`: its flags and its help. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Flags from "../Flags.ts"
import { root, withClient } from "./Root.ts"

/** `effect-smb serve http` */
export const serveHttp = Command.make(
  "http",
  {
    host: Flag.String("host").pipe(
      Flag.withMetavar("ADDRESS"),
      Flag.withDescription("Listen on this address; 0.0.0.0 is every address of this machine. Default: 127.0.0.1"),
      Flag.withDefault("127.0.0.1")
    ),
    port: Flag.Int("port").pipe(
      Flag.filter((port) => port >= 0 && port <= 65_535, (port) => `a port from 0 to 65535, not ${port}`),
      Flag.withMetavar("PORT"),
      Flag.withDescription("Listen on this port; 0 is any free port. Default: 8080"),
      Flag.withDefault(8080)
    ),
    connections: Flag.Int("connections").pipe(
      Flag.filter((count) => count > 0, (count) => `a number above 0, not ${count}`),
      Flag.withMetavar("N"),
      Flag.withDescription("Accept at most N connections at a time, and close others at once. Default: 100"),
      Flag.withDefault(100)
    ),
    answerWithin: Flag.Finite("answer-within").pipe(
      Flag.filter(
        (seconds) => seconds > 0 && seconds <= 3600,
        (seconds) => `a number of seconds above 0, not ${seconds}`
      ),
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("Tell the browser so if the file server takes longer to answer. Default: 5"),
      Flag.withDefault(5)
    ),
    allowedNames: Flag.String("allow-name").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription(
        "Also answer if the address in the browser names this server NAME, such as behind a proxy; may be repeated"
      ),
      Flag.atLeast(0)
    ),
    path: Flags.remote("remote", "A share, a folder, or a DFS namespace: //host/share/path")
  },
  Effect.fnUntraced(function*({ answerWithin, path, ...how }) {
    const { json } = yield* root
    const { serveHttp } = yield* Effect.promise(() => import("../ServeHttp.ts"))
    yield* withClient([path], serveHttp(path, { ...how, answerWithin: Duration.seconds(answerWithin), json }))
  })
).pipe(
  Command.withDescription(
    "Show a share in a browser until it is interrupted (Ctrl-C): folders, sorted by name, size or time, and files, with " +
      "ranges, so that a player can jump within a film. Nothing can be changed. Everybody who can connect can read what " +
      "the user can read. By default only this machine can connect. The command writes a line for each request on " +
      "standard error. With --json: an object with event listening, url, host, port and path, then one for each " +
      "request: method, url, status, address. --names has no effect: names are always mapped."
  ),
  Command.withShortDescription("Show a share in a browser"),
  Command.withExamples([
    { command: "effect-smb serve http //nas/media", description: "At http://127.0.0.1:8080/" },
    { command: "effect-smb serve http //corp.test/public --host 0.0.0.0 --port 80", description: "A namespace, to all" }
  ])
)
