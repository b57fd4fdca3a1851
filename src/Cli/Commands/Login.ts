/** `effect-smb login` and `logout`: their arguments and their help. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import * as Remote from "../Remote.ts"
import { root, top } from "./Root.ts"

/** The server, from a question if the command names none. */
const asked = Effect.fnUntraced(function*(server: Option.Option<Remote.Remote>) {
  if (Option.isSome(server)) return server.value
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
    return yield* new UsageError({ detail: "no server: name one as //host" })
  }
  const text = yield* Prompt.String({ message: "Server" })
  const parsed = Remote.parse(/^(?:smb:)?[\\/]{2}/i.test(text) ? text : `//${text}`, { share: false })
  return Result.isSuccess(parsed) ? parsed.success : yield* new UsageError({ detail: parsed.failure })
})

/** `effect-smb login` */
export const login = Command.make(
  "login",
  {
    passwordCommand: Flag.String("password-command").pipe(
      Flag.withMetavar("COMMAND"),
      Flag.withDescription(
        "Keep no password: the first line of this command's output is the password, such as 'pass show nas'. It is " +
          "split at blanks, and runs without a shell"
      ),
      Flag.optional
    ),
    server: Flags.server.pipe(Argument.optional)
  },
  Effect.fnUntraced(function*({ passwordCommand, server }) {
    const remote = yield* asked(server)
    const given = yield* top
    const [{ given: kept, resolve }, session, { layer }, { login }] = yield* Effect.promise(() =>
      Promise.all([
        import("../OptionsByServer.ts"),
        import("../Session.ts"),
        import("../Keyring.ts"),
        import("../Login.ts")
      ])
    )
    const words = Option.match(passwordCommand, {
      onNone: () => [],
      onSome: (text) => text.split(/\s+/).filter((word) => word !== "")
    })
    const [program, ...rest] = words
    if (program === undefined && Option.isSome(passwordCommand)) {
      return yield* new UsageError({ detail: "--password-command is empty" })
    }
    const command = program === undefined ? undefined : [program, ...rest] as const
    if (command !== undefined && process.env.SMB_PASSWORD !== undefined) {
      return yield* new UsageError({ detail: "either SMB_PASSWORD or --password-command: unset the variable" })
    }
    const options = resolve(given, {}, remote.user !== undefined)
    const known = command === undefined ? undefined : { key: remote.server, entry: { passwordCommand: command } }
    yield* Effect.gen(function*() {
      const user = yield* session.credential(options, [remote], known)
      yield* Effect.provide(
        login(remote, user, { options: kept(given), passwordCommand: command, json: given.json }),
        session.layer(options, user, remote.port)
      )
    }).pipe(Effect.provide(layer))
  })
).pipe(
  Command.withDescription(
    "Try a user at a server, and keep it for later runs: the password in the system's keyring (which needs the package " +
      "@napi-rs/keyring), or the command that gives it; user and options in effect-smb/servers.json in " +
      "XDG_CONFIG_HOME or ~/.config (~/Library/Application Support on macOS, %APPDATA% on Windows). --guest, " +
      "--kerberos, --dfs, --site, --dns, --dialect, --signing, --encryption, --names, --timeout and " +
      "--pending-timeout are kept too. With --json: server, user, password (keyring, command, none), file."
  ),
  Command.withShortDescription("Remember a user and options for a server"),
  Command.withExamples([
    { command: "effect-smb login //nas -U joe", description: "Ask for the password, and keep it in the keyring" },
    { command: "effect-smb login //nas -U joe --password-command 'pass show nas'", description: "From a command" },
    { command: "effect-smb login //corp.test --kerberos", description: "Always with the ticket of kinit" }
  ])
)

/** `effect-smb logout` */
export const logout = Command.make(
  "logout",
  { server: Flags.server },
  Effect.fnUntraced(function*({ server }) {
    const { json } = yield* root
    const [{ layer }, { logout }] = yield* Effect.promise(() =>
      Promise.all([import("../Keyring.ts"), import("../Login.ts")])
    )
    yield* Effect.provide(logout(server, { json }), layer)
  })
).pipe(
  Command.withDescription("Remove what login has kept of a server, and its password from the keyring."),
  Command.withShortDescription("Forget a server")
)
