/** Subcommands that copy and compare: their arguments and their help. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Copying from "../Copying.ts"
import { UsageError } from "../Failure.ts"
import type { Remote } from "../Remote.ts"
import { CurrentDirectory } from "../Shell/CurrentDirectory.ts"
import { boolean, root, withClient } from "./Root.ts"
import * as TransferFlags from "./TransferFlags.ts"

const quiet = boolean("quiet", "Show no progress on a terminal", "q")

const preserve = boolean(
  "preserve",
  "Also keep attributes: read-only, and from server to server hidden, system and archive too",
  "p"
)

const copying = Effect.promise(() => import("../Copying.ts"))

/** Words that are paths of either kind. */
const words = (name: string, description: string) =>
  Argument.String(name).pipe(Argument.withDescription(description), Argument.variadic({ min: 1 }))

/** The sources and the target. */
const split = (paths: ReadonlyArray<string>, target: string) =>
  paths.length > 1
    ? Effect.succeed([paths.slice(0, -1), paths.at(-1)!] as const)
    : Effect.fail(new UsageError({ detail: `${paths[0]}: say where to copy it to: ${target} is missing` }))

/** The paths that words stand for. `side`: of a word in a shell, by its position. */
const places = (
  all: typeof Copying,
  texts: ReadonlyArray<string>,
  side: (position: number) => Copying.Side = () => "either"
) =>
  Effect.flatMap(
    CurrentDirectory,
    (here) => Effect.forEach(texts, (text, position) => Effect.fromResult(all.place(text, here, side(position))))
  )

const remotes = (all: ReadonlyArray<Copying.Place>): ReadonlyArray<Remote> =>
  all.flatMap((place) => place._tag === "Remote" ? [place.path] : [])

/** Fails for a local path where a path on a server is needed. */
const remoteOf = (place: Copying.Place): Effect.Effect<Remote, UsageError> =>
  place._tag === "Remote"
    ? Effect.succeed(place.path)
    : Effect.fail(
      new UsageError({
        detail: `${place.path} is no path on a server: write //host/share/path or smb://host/share/path`
      })
    )

/** `effect-smb get` */
export const get = Command.make(
  "get",
  {
    recursive: boolean("recursive", "Copy a directory with everything below it; its content goes into LOCAL", "r"),
    resume: boolean(
      "resume",
      "Keep the received part when it fails, and continue it the next time; do not touch files that are complete"
    ),
    attributes: preserve,
    quiet,
    ...TransferFlags.copy,
    paths: words(
      "remote [local]",
      "Files, with -r directories; a pattern with * and ? as the last name. Then, if you like, LOCAL: a file, a folder, or - " +
        "for standard output. Default: the same name, here"
    )
  },
  Effect.fnUntraced(function*({ attributes, paths, quiet, recursive, resume, ...flags }) {
    const { json } = yield* root
    const all = yield* copying
    const transfer = { ...yield* TransferFlags.options(flags), attributes }
    const read = yield* places(
      all,
      paths,
      (position) => position > 0 && position === paths.length - 1 ? "local" : "remote"
    )
    const last = read.at(-1)!
    const local = read.length > 1 && last._tag === "Local" ? Option.some(last.path) : Option.none<string>()
    const sources = yield* Effect.forEach(Option.isSome(local) ? read.slice(0, -1) : read, remoteOf)
    yield* withClient(sources, all.getAll(sources, local, { json, quiet, recursive, resume, transfer }))
  })
).pipe(
  Command.withDescription(
    "Copy files and trees from a server. A file appears under its name when it is whole, replaces an existing file, and keeps " +
      "its time. With --json: path, local and size of each file that was copied."
  ),
  Command.withShortDescription("Copy from a server"),
  Command.withExamples([
    { command: "effect-smb get smb://joe@nas/media/film.mkv", description: "Into this folder" },
    { command: "effect-smb get '//nas/media/*.jpg' ./pictures/", description: "All that match" },
    { command: "effect-smb get -r //nas/media/2026 ./2026", description: "A tree" }
  ])
)

/** `effect-smb put` */
export const put = Command.make(
  "put",
  {
    recursive: boolean("recursive", "Copy a folder with everything below it; its content goes into REMOTE", "r"),
    resume: boolean(
      "resume",
      "Keep the sent part when it fails, and continue it the next time; do not touch files that are complete"
    ),
    inPlace: boolean(
      "in-place",
      "Write into the existing file and keep its permissions, instead of replacing it with a new file"
    ),
    attributes: preserve,
    quiet,
    ...TransferFlags.copy,
    paths: words(
      "local remote",
      "Files, with -r folders, or - for standard input. Then REMOTE: a file, or a directory to put them into"
    )
  },
  Effect.fnUntraced(function*({ attributes, inPlace, paths, quiet, recursive, resume, ...flags }) {
    const { json, names } = yield* root
    const all = yield* copying
    const transfer = { ...yield* TransferFlags.options(flags), attributes }
    const here = yield* CurrentDirectory
    // In a shell, one path goes into the current directory.
    const words = here !== undefined && paths.length === 1 ? [...paths, "."] : paths
    const [texts, lastText] = yield* split(words, "REMOTE")
    const [last] = yield* places(all, [lastText], () => "remote")
    const target = yield* remoteOf(last!)
    const sources = texts.map((text) => here === undefined ? text : all.localPath(text))
    if (here !== undefined && sources.includes("-")) {
      return yield* new UsageError({ detail: "the standard input belongs to the shell: put takes files here" })
    }
    yield* withClient(
      [target],
      all.putAll(sources, target, {
        json,
        quiet,
        recursive,
        inPlace,
        resume,
        mapped: names === "mapped",
        transfer
      })
    )
  })
).pipe(
  Command.withDescription(
    "Copy files and trees to a server. A file is written under another name and renamed when it is whole; it keeps its " +
      "time. With --json: path, local and size of each file that was copied."
  ),
  Command.withShortDescription("Copy to a server"),
  Command.withExamples([
    { command: "effect-smb put report.pdf //nas/office/", description: "Into a directory" },
    { command: "tar c . | effect-smb put - //nas/backup/today.tar", description: "From standard input" }
  ])
)

/** `effect-smb cp` */
export const cp = Command.make(
  "cp",
  {
    recursive: boolean("recursive", "Copy directories with everything below; the content of one goes into TO", "r"),
    attributes: preserve,
    quiet,
    ...TransferFlags.copy,
    paths: words(
      "from to",
      "Files, with -r directories, here or on a server. Then TO: a file or a directory, here or there"
    )
  },
  Effect.fnUntraced(function*({ attributes, paths, quiet, recursive, ...flags }) {
    const { json, names } = yield* root
    const all = yield* copying
    const transfer = { ...yield* TransferFlags.options(flags), attributes }
    const [from, to] = yield* split(paths, "TO")
    const sources = yield* places(all, from)
    const [target] = yield* places(all, [to])
    yield* withClient(
      remotes([...sources, target!]),
      all.copy(sources, target!, { json, quiet, recursive, mapped: names === "mapped", transfer })
    )
  })
).pipe(
  Command.withDescription(
    "Copy files and trees: from here to a server, back, or from server to server. If one server holds both, it copies by " +
      "itself. With --json: as get and put, and from and to between servers."
  ),
  Command.withShortDescription("Copy in any direction"),
  Command.withExamples([
    { command: "effect-smb cp -r //nas/media/2026 //backup/media/2026", description: "From server to server" }
  ])
)

/** `effect-smb sync` */
export const sync = Command.make(
  "sync",
  {
    delete: boolean("delete", "Remove what only TO has, after the copies, if none of them failed"),
    maximumDeletions: Flag.Int("max-delete").pipe(
      Flag.filter((count) => count >= 0, (count) => `--max-delete: a number from 0, not ${count}`),
      Flag.withMetavar("N"),
      Flag.withDescription("With --delete: remove no more entries than this, and fail for the others"),
      Flag.optional
    ),
    attributes: preserve,
    quiet,
    ...TransferFlags.copy,
    from: Argument.String("from").pipe(Argument.withDescription("A folder, here or on a server")),
    to: Argument.String("to").pipe(Argument.withDescription("The folder that becomes like it, here or on a server"))
  },
  Effect.fnUntraced(function*({ attributes, delete: removes, from, maximumDeletions, quiet, to, ...flags }) {
    const { json, names } = yield* root
    const all = yield* copying
    const [source, target] = yield* places(all, [from, to])
    const sync = {
      ...yield* TransferFlags.options(flags),
      attributes,
      delete: removes,
      mapped: names === "mapped",
      ...(Option.isSome(maximumDeletions) ? { maximumDeletions: maximumDeletions.value } : {})
    }
    yield* withClient(remotes([source!, target!]), all.sync(source!, target!, { json, quiet, sync }))
  })
).pipe(
  Command.withDescription(
    "Make a folder like another: copy what is new or different by size or time, and with --delete remove what only TO has. " +
      "With --json: as cp; removed for what was removed, and planned with --dry-run."
  ),
  Command.withShortDescription("Make a folder like another"),
  Command.withExamples([
    { command: "effect-smb sync ./site //nas/www --delete --dry-run", description: "What would happen" },
    { command: "effect-smb sync //nas/photos ./photos --exclude '*.tmp'", description: "From a server" }
  ])
)

/** `effect-smb check` */
export const check = Command.make(
  "check",
  {
    ...TransferFlags.filter,
    ...TransferFlags.comparison,
    from: Argument.String("from").pipe(Argument.withDescription("A folder, here or on a server")),
    to: Argument.String("to").pipe(Argument.withDescription("Another folder, here or on a server"))
  },
  Effect.fnUntraced(function*({ from, to, ...flags }) {
    const { json } = yield* root
    const all = yield* copying
    const [source, target] = yield* places(all, [from, to])
    const compared = yield* TransferFlags.comparing(flags)
    yield* withClient(remotes([source!, target!]), all.check(source!, target!, { json, quiet: true, check: compared }))
  })
).pipe(
  Command.withDescription(
    "Compare two folders by size and time, or by --size-only or --checksum, and print each difference. Changes nothing; the " +
      "exit code is 1 if they differ. With --json: difference, source and target."
  ),
  Command.withShortDescription("Compare two folders")
)
