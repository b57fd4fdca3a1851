/**
 * The command with its subcommands: their arguments and their help.
 *
 * The client is loaded when a subcommand runs, so that help, version and usage errors appear at once.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type { SmbClient } from "../Client/SmbClient.ts"
import type { DfsResolver } from "../Dfs/DfsResolver.ts"
import type * as Actions from "./Actions.ts"
import * as Flags from "./Flags.ts"
import type { Remote } from "./Remote.ts"

const description = `Files on Windows and Samba servers: SMB 2.0.2 to 3.1.1, DFS links followed.

  Paths: //host[:port]/share/path, '\\\\host\\share\\path' (quote it for the shell) or smb://user@host:port/share/path.

  User: --user, else the path's, else SMB_USER (and SMB_DOMAIN), else it asks on a terminal.
  Password: --password-file, else SMB_PASSWORD, else it asks on a terminal and does not show it.
  Kerberos: --kerberos takes the ticket of kinit (KRB5CCNAME), --keytab FILE gets one; then NTLM is never used.

  Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted. A failure is one line on standard error.`

const root = Command.make("effect-smb").pipe(
  Command.withSharedFlags(Flags.shared),
  Command.withDescription(description)
)

/** The options that come before a subcommand, and the session's layers for these paths: it asks for a password here. */
const logon = Effect.fnUntraced(function*(paths: ReadonlyArray<Remote>) {
  const options = yield* root
  const session = yield* Effect.promise(() => import("./Session.ts"))
  const user = yield* session.credential(options, paths)
  // A referral names no port: its targets use the port of the first path.
  const port = paths[0]?.port
  return {
    client: session.layer(options, user, port),
    clientAndResolver: session.layerWithResolver(options, user, port)
  }
})

/** Logs on for these paths and runs. */
const withClient = Effect.fnUntraced(function*<A, E, R>(paths: ReadonlyArray<Remote>, run: Effect.Effect<A, E, R>) {
  return yield* Effect.provide(run, (yield* logon(paths)).client)
})

/** Like `withClient`, with the resolver that follows DFS. */
const withResolver = Effect.fnUntraced(function*<A, E>(
  paths: ReadonlyArray<Remote>,
  run: Effect.Effect<A, E, DfsResolver | SmbClient>
) {
  return yield* Effect.provide(run, (yield* logon(paths)).clientAndResolver)
})

const actions = Effect.promise(() => import("./Actions.ts"))

/** Logs on for these paths and runs one of the actions on files. `json`: whether it prints JSON. */
const act = Effect.fnUntraced(function*<A, E, R>(
  paths: ReadonlyArray<Remote>,
  run: (all: typeof Actions, json: boolean) => Effect.Effect<A, E, R>
) {
  const { json } = yield* root
  yield* withClient(paths, run(yield* actions, json))
})

const boolean = (name: string, description: string, alias?: string) => {
  const flag = Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))
  return alias === undefined ? flag : Flag.withAlias(flag, alias)
}

const some = (description: string) => Flags.remote("remote", description).pipe(Argument.variadic({ min: 1 }))

const ls = Command.make(
  "ls",
  {
    long: boolean("long", "Also show attributes, size and the time of the last write", "l"),
    recursive: boolean("recursive", "List everything below", "r"),
    path: Flags.remote("remote", "A directory, a file, or a pattern with * and ? as its last name")
  },
  ({ long, path, recursive }) => act([path], ({ list }, json) => list(path, { json, long, recursive }))
).pipe(
  Command.withDescription(
    "List a directory, in the server's order. A name that ends in / is a directory, one that ends in @ a symbolic link. " +
      "With --json: name, path, type (file, directory, symlink), size in bytes, creationTime, lastAccessTime, " +
      "lastWriteTime, changeTime, fileAttributes."
  ),
  Command.withShortDescription("List a directory"),
  Command.withExamples([
    { command: "effect-smb ls -l //nas/media", description: "With size and time" },
    { command: "effect-smb ls -r --json //nas/media", description: "List everything below, for jq" }
  ])
)

const cat = Command.make(
  "cat",
  { paths: some("Files") },
  ({ paths }) => act(paths, ({ cat }, json) => cat(paths, { json }))
).pipe(Command.withDescription("Write files to standard output"))

const quiet = boolean("quiet", "Show no progress on a terminal", "q")

const get = Command.make(
  "get",
  {
    recursive: boolean("recursive", "Copy a directory with everything below it; its content goes into LOCAL", "r"),
    resume: boolean(
      "resume",
      "Keep the received part when it fails, and continue it the next time; do not touch files that are complete"
    ),
    quiet,
    path: Flags.remote(),
    local: Flags.local.pipe(
      Argument.withDescription(
        "A file, a folder to put it into, or - for standard output. Default: the same name, here"
      ),
      Argument.optional
    )
  },
  Effect.fnUntraced(function*({ local, path, quiet, recursive, resume }) {
    const { json } = yield* root
    const { get } = yield* Effect.promise(() => import("./Copying.ts"))
    yield* withClient([path], get(path, local, { json, quiet, recursive, resume }))
  })
).pipe(
  Command.withDescription(
    "Copy a file or a tree from a server. A file appears under its name when it is whole, and replaces an existing file. " +
      "With --json: path, local and size of each file that was copied."
  ),
  Command.withShortDescription("Copy from a server"),
  Command.withExamples([
    { command: "effect-smb get smb://joe@nas/media/film.mkv", description: "Into this folder" },
    { command: "effect-smb get -r //nas/media/2026 ./2026", description: "A tree" }
  ])
)

const put = Command.make(
  "put",
  {
    recursive: boolean("recursive", "Copy a folder with everything below it; its content goes into REMOTE", "r"),
    inPlace: boolean(
      "in-place",
      "Write into the existing file and keep its permissions, instead of replacing it with a new file"
    ),
    quiet,
    local: Flags.local.pipe(Argument.withDescription("A file, a folder with -r, or - for standard input")),
    path: Flags.remote("remote", "A file, or a directory to put it into")
  },
  Effect.fnUntraced(function*({ inPlace, local, path, quiet, recursive }) {
    const { json, names } = yield* root
    const { put } = yield* Effect.promise(() => import("./Copying.ts"))
    yield* withClient([path], put(local, path, { json, quiet, recursive, inPlace, mapped: names === "mapped" }))
  })
).pipe(
  Command.withDescription(
    "Copy a file or a tree to a server. A file is written under another name and renamed when it is whole. " +
      "With --json: path, local and size of each file that was copied."
  ),
  Command.withShortDescription("Copy to a server"),
  Command.withExamples([
    { command: "effect-smb put report.pdf //nas/office/", description: "Into a directory" },
    { command: "tar c . | effect-smb put - //nas/backup/today.tar", description: "From standard input" }
  ])
)

const stat = Command.make(
  "stat",
  {
    follow: boolean("follow", "Show the target of a symbolic link, not the link", "L"),
    paths: some("Files and directories")
  },
  ({ follow, paths }) => act(paths, ({ stat }, json) => stat(paths, { json, follow }))
).pipe(
  Command.withDescription("Show type, size, attributes and times. With --json: as ls."),
  Command.withShortDescription("Show type, size, attributes and times")
)

const rm = Command.make(
  "rm",
  {
    recursive: boolean("recursive", "Also remove directories, with everything below them", "r"),
    force: boolean("force", "Also remove read-only files; a name that does not exist is no failure", "f"),
    paths: some("Files, with -r directories")
  },
  ({ force, paths, recursive }) => act(paths, ({ remove }, json) => remove(paths, { json, force, recursive }))
).pipe(
  Command.withDescription(
    "Remove files and trees. A link is removed itself; a whole share and a DFS link are refused. The command names entries of a tree " +
      "that it cannot remove, and removes all others. With --json: an error object for each of them, and a last one with " +
      "removed and failed."
  ),
  Command.withShortDescription("Remove files and trees")
)

const mkdir = Command.make(
  "mkdir",
  {
    parents: boolean("parents", "Also make the directories above; an existing directory is no failure", "p"),
    paths: some("Directories")
  },
  ({ parents, paths }) => act(paths, ({ makeDirectory }) => makeDirectory(paths, { parents }))
).pipe(Command.withDescription("Make directories"))

const mv = Command.make(
  "mv",
  {
    replace: boolean("replace", "Replace an existing file"),
    from: Flags.remote("from", "A file or directory"),
    to: Flags.remote("to", "Its new name, or a directory to move it into, on the same share")
  },
  ({ from, replace, to }) => act([from, to], ({ move }) => move(from, to, { replace }))
).pipe(Command.withDescription("Rename or move within a share"))

const shares = Command.make(
  "shares",
  { server: Flags.server },
  ({ server }) => act([server], ({ shares }, json) => shares(server, { json }))
).pipe(
  Command.withDescription(
    "List the shares of a server. With --json: name, type (disk, printer, device, ipc), comment, special."
  ),
  Command.withShortDescription("List the shares of a server")
)

const dfsActions = Effect.promise(() => import("./DfsActions.ts"))

const resolve = Command.make(
  "resolve",
  {
    trace: boolean("trace", "Also show each step with its number in MS-DFSC 3.1.4.1"),
    path: Flags.remote()
  },
  Effect.fnUntraced(function*({ path, trace }) {
    const options = yield* root
    const { resolve, resolvePlain } = yield* actions
    if (options.dfs === "off") return yield* resolvePlain(path, options)
    const dfs = yield* dfsActions
    yield* withResolver([path], trace ? dfs.trace(path, options) : resolve(path, options))
  })
).pipe(
  Command.withDescription(
    "Show where a path leads. With --json: path, resolvedPath, status (root, link, plain), targets in the order in which " +
      "the client tries them. With --trace one object a step comes before it: _tag, step, explanation, and what the step is about."
  ),
  Command.withShortDescription("Show where a path leads")
)

const cache = Command.make(
  "cache",
  { paths: some("Paths to resolve first") },
  Effect.fnUntraced(function*({ paths }) {
    const options = yield* root
    const { cache } = yield* dfsActions
    yield* withResolver(paths, cache(paths, options))
  })
).pipe(
  Command.withDescription(
    "Resolve paths, and show the referrals that this brought: prefixes, their targets (* is the first to use), and how " +
      "long they are valid. With --json: prefix, kind (root, link, absent), interlink, targetFailback, timeToLive in seconds, hint, " +
      "targets with target, setBoundary and dead. A prefix that is absent, or that no target serves, has its error."
  ),
  Command.withShortDescription("Show the referrals that paths bring")
)

const tree = Command.make(
  "tree",
  {
    format: Flag.Literals("format", ["text", "mermaid"]).pipe(
      Flag.withDescription("Draw text, or a mermaid flowchart"),
      Flag.withDefault("text")
    ),
    path: Flags.remote("root", "The root of a namespace, //server/root or //domain/root")
  },
  Effect.fnUntraced(function*({ format, path }) {
    const { json } = yield* root
    const { tree } = yield* Effect.promise(() => import("./DfsTree.ts"))
    yield* withResolver([path], tree(path, { json, format }))
  })
).pipe(
  Command.withDescription(
    "Draw a namespace: its links, their targets, and whether each answers. With --json: path, targets (target, state up " +
      "or down, error), links with the same."
  ),
  Command.withShortDescription("Draw a namespace")
)

const decode = Command.make(
  "decode",
  {
    words: Argument.String("message").pipe(
      Argument.withDescription(
        "request, request-ex or response; then hexadecimal digits, or none for bytes on standard input"
      ),
      Argument.variadic()
    )
  },
  Effect.fnUntraced(function*({ words }) {
    const { json } = yield* root
    const { explain } = yield* Effect.promise(() => import("./DfsDecode.ts"))
    yield* explain(words, { json })
  })
).pipe(
  Command.withDescription(
    "Explain a referral message field by field: effect-smb dfs decode [request|request-ex|response] [HEX]. Without " +
      "the kind, the command tells which kind the message has. With --json: the fields under MS-DFSC's names."
  ),
  Command.withShortDescription("Explain a referral message"),
  Command.withExamples([
    { command: "effect-smb dfs decode request 04005c006e00610073000000", description: "From hexadecimal digits" },
    { command: "effect-smb dfs decode --json response < referral.bin", description: "From a file" }
  ])
)

const dfs = Command.make("dfs").pipe(
  Command.withDescription("Look into DFS namespaces"),
  Command.withSubcommands([resolve, tree, cache, decode])
)

const serve = Command.make(
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
    const { serve } = yield* Effect.promise(() => import("./Serve.ts"))
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
  ])
)

/** `effect-smb` */
export const command = root.pipe(
  Command.withSubcommands([ls, cat, get, put, stat, rm, mkdir, mv, shares, dfs, serve])
)
