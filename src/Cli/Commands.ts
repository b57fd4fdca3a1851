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

const actions = Effect.promise(() => import("./Actions.ts"))

/** Logs on for these paths and runs. A referral names no port: its targets use the port of the path. */
const withClient = Effect.fnUntraced(function*<A, E, R>(paths: ReadonlyArray<Remote>, run: Effect.Effect<A, E, R>) {
  const options = yield* root
  const session = yield* Effect.promise(() => import("./Session.ts"))
  const who = yield* session.credential(options, paths)
  return yield* Effect.provide(run, session.layer(options, who, paths[0]?.port))
})

const boolean = (name: string, description: string, alias?: string) => {
  const flag = Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))
  return alias === undefined ? flag : Flag.withAlias(flag, alias)
}

const some = (description: string) => Flags.remote("remote", description).pipe(Argument.variadic({ min: 1 }))

const ls = Command.make(
  "ls",
  {
    long: boolean("long", "Also attributes, size and time of the last write", "l"),
    recursive: boolean("recursive", "Everything below", "r"),
    path: Flags.remote("remote", "A directory, a file, or a pattern with * and ? as its last name")
  },
  Effect.fnUntraced(function*({ long, path, recursive }) {
    const { json } = yield* root
    const { list } = yield* actions
    yield* withClient([path], list(path, { json, long, recursive }))
  })
).pipe(
  Command.withDescription(
    "List a directory, in the server's order. A name that ends in / is a directory, one that ends in @ a symbolic link. " +
      "With --json: name, path, type (file, directory, symlink), size in bytes, creationTime, lastAccessTime, " +
      "lastWriteTime, changeTime, fileAttributes."
  ),
  Command.withShortDescription("List a directory"),
  Command.withExamples([
    { command: "effect-smb ls -l //nas/media", description: "With size and time" },
    { command: "effect-smb ls -r --json //nas/media", description: "Everything below, for jq" }
  ])
)

const cat = Command.make(
  "cat",
  { paths: some("Files") },
  Effect.fnUntraced(function*({ paths }) {
    const { json } = yield* root
    const { cat } = yield* actions
    yield* withClient(paths, cat(paths, { json }))
  })
).pipe(Command.withDescription("Write files to standard output"))

const quiet = boolean("quiet", "No progress on a terminal", "q")

const get = Command.make(
  "get",
  {
    recursive: boolean("recursive", "A directory with all below it; its content goes into LOCAL", "r"),
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
    const { get } = yield* Effect.promise(() => import("./Download.ts"))
    yield* withClient([path], get(path, local, { json, quiet, recursive, resume }))
  })
).pipe(
  Command.withDescription(
    "Copy a file or a tree from a server. A file appears under its name when it is whole; one that is there is replaced. " +
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
    recursive: boolean("recursive", "A folder with all below it; its content goes into REMOTE", "r"),
    inPlace: boolean(
      "in-place",
      "Write into the file that is there and keep its permissions, instead of replacing it when all has come"
    ),
    quiet,
    local: Flags.local.pipe(Argument.withDescription("A file, a folder with -r, or - for standard input")),
    path: Flags.remote("remote", "A file, or a directory to put it into")
  },
  Effect.fnUntraced(function*({ inPlace, local, path, quiet, recursive }) {
    const { json } = yield* root
    const { put } = yield* Effect.promise(() => import("./Upload.ts"))
    yield* withClient([path], put(local, path, { json, quiet, recursive, inPlace }))
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
    follow: boolean("follow", "What a symbolic link points at, and not the link", "L"),
    paths: some("Files and directories")
  },
  Effect.fnUntraced(function*({ follow, paths }) {
    const { json } = yield* root
    const { stat } = yield* actions
    yield* withClient(paths, stat(paths, { json, follow }))
  })
).pipe(
  Command.withDescription("Show type, size, attributes and times. With --json: as ls."),
  Command.withShortDescription("Show type, size, attributes and times")
)

const rm = Command.make(
  "rm",
  {
    recursive: boolean("recursive", "Directories too, with all below them", "r"),
    force: boolean("force", "Also what is read-only; nothing to remove is no failure", "f"),
    paths: some("Files, with -r directories")
  },
  Effect.fnUntraced(function*({ force, paths, recursive }) {
    const { json } = yield* root
    const { remove } = yield* actions
    yield* withClient(paths, remove(paths, { json, force, recursive }))
  })
).pipe(
  Command.withDescription(
    "Remove files and trees. A link is removed itself; a whole share and a DFS link are refused. Entries of a tree that " +
      "cannot be removed are named, and all others go. With --json: an error object for each of them, and a last one with " +
      "removed and failed."
  ),
  Command.withShortDescription("Remove files and trees")
)

const mkdir = Command.make(
  "mkdir",
  {
    parents: boolean("parents", "Also the directories above; one that is there is no failure", "p"),
    paths: some("Directories")
  },
  Effect.fnUntraced(function*({ parents, paths }) {
    const { makeDirectory } = yield* actions
    yield* withClient(paths, makeDirectory(paths, { parents }))
  })
).pipe(Command.withDescription("Make directories"))

const mv = Command.make(
  "mv",
  {
    replace: boolean("replace", "Over a file that is there"),
    from: Flags.remote("from", "A file or directory"),
    to: Flags.remote("to", "Its new name, or a directory to move it into, on the same share")
  },
  Effect.fnUntraced(function*({ from, replace, to }) {
    const { move } = yield* actions
    yield* withClient([from, to], move(from, to, { replace }))
  })
).pipe(Command.withDescription("Rename or move within a share"))

const shares = Command.make(
  "shares",
  { server: Flags.server },
  Effect.fnUntraced(function*({ server }) {
    const { json } = yield* root
    const { shares } = yield* actions
    yield* withClient([server], shares(server, { json }))
  })
).pipe(
  Command.withDescription(
    "List the shares of a server. With --json: name, type (disk, printer, device, ipc), comment, special."
  ),
  Command.withShortDescription("List the shares of a server")
)

const dfsActions = Effect.promise(() => import("./DfsActions.ts"))

/** Like `withClient`, with the resolver that follows DFS; all paths use the port of the first path. */
const withResolver = Effect.fnUntraced(function*<A, E>(
  paths: ReadonlyArray<Remote>,
  run: Effect.Effect<A, E, DfsResolver | SmbClient>
) {
  const options = yield* root
  const session = yield* Effect.promise(() => import("./Session.ts"))
  const who = yield* session.credential(options, paths)
  return yield* Effect.provide(run, session.layerWithResolver(options, who, paths[0]!.port))
})

const resolve = Command.make(
  "resolve",
  {
    trace: boolean("trace", "Also the steps on the way, each with its number in MS-DFSC 3.1.4.1"),
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
    "Tell where a path leads. With --json: path, resolvedPath, status (root, link, plain), targets in the order in which " +
      "they are tried. With --trace one object a step comes before it: _tag, step, explanation, and what the step is about."
  ),
  Command.withShortDescription("Tell where a path leads")
)

const cache = Command.make(
  "cache",
  { paths: some("What to resolve first") },
  Effect.fnUntraced(function*({ paths }) {
    const options = yield* root
    const { cache } = yield* dfsActions
    yield* withResolver(paths, cache(paths, options))
  })
).pipe(
  Command.withDescription(
    "Resolve paths, and show what was learned on the way: prefixes, their targets (* is the one to use first), and for " +
      "how long. With --json: prefix, kind (root, link, absent), interlink, targetFailback, timeToLive in seconds, hint, " +
      "targets with target, setBoundary and dead; for what is absent, or forgotten since no target works, its error."
  ),
  Command.withShortDescription("Show what resolving paths teaches")
)

const tree = Command.make(
  "tree",
  {
    format: Flag.Literals("format", ["text", "mermaid"]).pipe(
      Flag.withDescription("As text, or as a mermaid flowchart"),
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
    "Explain a referral message field by field: effect-smb dfs decode [request|request-ex|response] [HEX]. Without the " +
      "kind it says what the message looks like. With --json: the fields under MS-DFSC's names."
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
      Argument.withDescription("The folder to serve as the share named share; in memory if nothing is named"),
      Argument.optional
    ),
    share: Flag.String("share").pipe(
      Flag.withMetavar("NAME=FOLDER"),
      Flag.withDescription("A folder to serve under another name; may be given more than once"),
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
      Flag.withDescription("Let these in: name:password or name:nt-hash a line, in a file that only you may read"),
      Flag.optional
    ),
    config: Flag.String("config").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Take what no flag says from this JSON file instead of the usual one"),
      Flag.optional
    ),
    namespace: Flag.String("namespace").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Host the DFS namespaces in this JSON file"),
      Flag.optional
    ),
    readOnly: boolean("read-only", "Refuse every change")
  },
  Effect.fnUntraced(function*(flags) {
    const options = yield* root
    const { serve } = yield* Effect.promise(() => import("./Serve.ts"))
    yield* serve(flags, options)
  })
).pipe(
  Command.withDescription(
    "Serve folders until it is interrupted (Ctrl-C), and say how to connect. Then it ends with exit code 0. " +
      "--user NAME lets that user in, with the password of SMB_PASSWORD or --password-file; without a user, a password is " +
      "made up and shown. --guest lets everybody in. --signing if-required, --encryption off, if-offered (the " +
      "default here) or required, and --dialect hold for the server; --dfs, --site, --dns, --timeout and --pending-timeout are for " +
      "clients alone. With --json: an object with event listening, host, port and " +
      "shares, then one for each connection, logon and share. Usual values come from effect-smb/config.json in " +
      "XDG_CONFIG_HOME or ~/.config (%APPDATA% on Windows), users from the file users next to it."
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
