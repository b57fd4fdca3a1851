/** `effect-smb shell`, and the subcommands that only its lines have: their arguments and their help. */
import * as Argument from "effect/cli/Argument"
import * as CliConfig from "effect/cli/CliConfig"
import * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { SmbClient } from "../../Client/SmbClient.ts"
import { CurrentSession } from "../CurrentSession.ts"
import { type LinesFailed, ShellEnded, UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import { CurrentDirectory, type Here } from "../Shell/CurrentDirectory.ts"
import { logon, root, withClient } from "./Root.ts"

const directory = Effect.promise(() => import("../Shell/Directory.ts"))

/** The directory of the shell that these subcommands belong to. */
const current = Effect.flatMap(
  CurrentDirectory,
  (here) => here === undefined ? Effect.die(new Error("only a shell has a current directory")) : Effect.succeed(here)
)

const cd = Command.make(
  "cd",
  {
    path: Argument.String("remote").pipe(
      Argument.withDescription("A directory; - is the one before. Default: where the shell began"),
      Argument.optional
    )
  },
  Effect.fnUntraced(function*({ path }) {
    const here = yield* current
    const { change, show } = yield* directory
    const isBack = Option.isSome(path) && path.value === "-"
    if (isBack && here.previous === undefined) {
      return yield* new UsageError({ detail: "no other directory came before" })
    }
    const to = isBack
      ? here.previous!
      : Option.isSome(path)
      ? yield* Flags.parseRemote(path.value)
      : here.start
    yield* withClient([to], change(here, to))
    if (isBack) yield* show(here, yield* root)
  })
).pipe(Command.withDescription("Change the current directory"))

const pwd = Command.make(
  "pwd",
  {},
  Effect.fnUntraced(function*() {
    const { show } = yield* directory
    yield* show(yield* current, yield* root)
  })
).pipe(Command.withDescription("Show the current directory"))

const lcd = Command.make(
  "lcd",
  {
    path: Argument.String("local").pipe(
      Argument.withDescription("A local folder. Default: the home folder"),
      Argument.optional
    )
  },
  Effect.fnUntraced(function*({ path }) {
    const { changeLocal } = yield* directory
    yield* changeLocal(Option.getOrUndefined(path))
  })
).pipe(Command.withDescription("Change the local folder"))

const lpwd = Command.make(
  "lpwd",
  {},
  Effect.fnUntraced(function*() {
    const { showLocal } = yield* directory
    yield* showLocal(yield* root)
  })
).pipe(Command.withDescription("Show the local folder"))

const help = Command.make("help", {
  words: Argument.String("subcommand").pipe(
    Argument.withDescription("Its flags and arguments. Default: all subcommands"),
    Argument.variadic()
  )
}, () => Effect.void).pipe(Command.withDescription("Show help"))

const exit = Command.make("exit", {}, () => Effect.fail(new ShellEnded())).pipe(
  Command.withAlias("quit"),
  Command.withDescription("End the shell")
)

/** The subcommands that only a shell has. */
export const inside = [cd, pwd, lcd, lpwd, help, exit] as const

/** `effect-smb shell`. `lines`: the command that each line is parsed by. */
export const make = <const Name extends string, Input, ContextInput, E, R>(
  lines: Command.Command<Name, Input, ContextInput, E, R>
) => {
  const run = Command.runWith(lines, { version: "" })
  const tree = Completions.fromCommand(lines)
  return Command.make(
    "shell",
    {
      commands: Flag.String("command").pipe(
        Flag.withAlias("c"),
        Flag.withMetavar("LINE"),
        Flag.withDescription("Run these commands, separated by ;, and end; may be repeated"),
        Flag.atLeast(0)
      ),
      path: Flags.remote("remote", "Where to begin")
    },
    Effect.fnUntraced(function*({ commands, path }) {
      const { client, clientAndResolver, options, start, user } = yield* logon([path])
      const scope = yield* Effect.scope
      const shell = yield* Effect.promise(() => import("../Shell/Shell.ts"))
      const { SmbClient } = yield* Effect.promise(() => import("../../Client/SmbClient.ts"))
      const { check } = yield* directory
      const whole = yield* Effect.cached(Layer.buildWithScope(clientAndResolver, scope))
      // With DFS off, the client is the one without links.
      const built = options.dfs === "off" ? yield* Layer.build(client) : yield* whole
      const smb = Context.get(built, SmbClient)
      // One session for all lines: it stays as long as this share is in use.
      yield* smb.withShare(path, () => Effect.void)
      yield* Effect.provideContext(check(path), built)
      const here: Here = { path, previous: undefined, start: path }
      const session = {
        options,
        start,
        user,
        client: Layer.succeedContext(built),
        clientAndResolver: Layer.effectContext(whole)
      }
      const { json } = options
      const runInside = (words: ReadonlyArray<string>) => run(words)
      const whatRuns: Effect.Effect<void, LinesFailed, R | SmbClient | Command.Environment> = commands.length > 0
        ? shell.batch(runInside, commands, { json })
        : process.stdin.isTTY === true && process.stderr.isTTY === true
        ? shell.interactive(runInside, tree, here, { json })
        : shell.batch(runInside, shell.inputLines(), { json })
      return yield* whatRuns.pipe(
        Effect.provideService(CurrentDirectory, here),
        Effect.provideService(CurrentSession, session),
        Effect.provide(CliConfig.layer({ builtIns: [GlobalFlag.Help] })),
        Effect.provideService(SmbClient, smb)
      )
    }, Effect.scoped)
  ).pipe(
    Command.withDescription(
      "Run commands in one session, with a current directory: cd, pwd, ls, get, put and all others as outside, with " +
        "relative paths. Reads from the terminal (with completion and history), from standard input, or from -c. A " +
        "failed command ends its line; without a terminal it ends the shell, with its exit code. Ctrl-C ends the running " +
        "command. help lists the commands."
    ),
    Command.withShortDescription("Run many commands in one session"),
    Command.withExamples([
      { command: "effect-smb shell //nas/media", description: "At a terminal" },
      { command: "effect-smb shell -c 'cd 2026; get *.jpg .' //nas/media", description: "In a script" }
    ])
  )
}
