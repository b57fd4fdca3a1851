/** Subcommands that show what is on a share: their arguments and their help. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import { depth, size, time } from "./Quantities.ts"
import { act, boolean, root, some, withClient } from "./Root.ts"

const human = boolean("human", "Sizes with K, M, G, in units of 1024", "h")

/** `effect-smb ls` */
export const ls = Command.make(
  "ls",
  {
    long: boolean("long", "Also show attributes, size and the time of the last write", "l"),
    recursive: boolean("recursive", "List everything below", "r"),
    human,
    sort: Flag.Literals("sort", ["none", "name", "size", "time"]).pipe(
      Flag.withDescription("In the server's order (the default), by name, the largest first, or the newest first"),
      Flag.withDefault("none")
    ),
    reverse: boolean("reverse", "The opposite order"),
    path: Flags.remote("remote", "A directory, a file, or a pattern with * and ? as its last name")
  },
  ({ path, ...flags }) => act([path], ({ list }, json) => list(path, { json, ...flags }))
).pipe(
  Command.withDescription(
    "List a directory, in the server's order unless --sort says otherwise. A name that ends in / is a directory, one that ends in @ a symbolic link. " +
      "With --json: name, path, type (file, directory, symlink), size in bytes, creationTime, lastAccessTime, " +
      "lastWriteTime, changeTime, fileAttributes."
  ),
  Command.withShortDescription("List a directory"),
  Command.withExamples([
    { command: "effect-smb ls -l //nas/media", description: "With size and time" },
    { command: "effect-smb ls -r --json //nas/media", description: "List everything below, for jq" }
  ])
)

/** `effect-smb cat` */
export const cat = Command.make(
  "cat",
  { paths: some("Files") },
  ({ paths }) => act(paths, ({ cat }, json) => cat(paths, { json }))
).pipe(Command.withDescription("Write files to standard output"))

const details = Effect.promise(() => import("../Details.ts"))

/** `effect-smb stat` */
export const stat = Command.make(
  "stat",
  {
    follow: boolean("follow", "Show the target of a symbolic link, not the link", "L"),
    paths: some("Files and directories")
  },
  Effect.fnUntraced(function*({ follow, paths }) {
    const { json } = yield* root
    const { stat } = yield* details
    yield* withClient(paths, stat(paths, { json, follow }))
  })
).pipe(
  Command.withDescription(
    "Show all that the server tells of an entry: type, sizes, attributes by name, the four times, links, number, short " +
      "name, streams, and what this user can do with it. With --json: as ls, and allocationSize, links, deletePending, fileId, " +
      "shortName, streams, maximalAccess, rights."
  ),
  Command.withShortDescription("Show all about a file")
)

/** `effect-smb streams` */
export const streams = Command.make(
  "streams",
  {
    remove: Flag.String("remove").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Remove this stream; may be repeated"),
      Flag.atLeast(0)
    ),
    path: Flags.remote("remote", "A file or directory")
  },
  Effect.fnUntraced(function*({ path, remove }) {
    const { json } = yield* root
    const { streams } = yield* details
    yield* withClient([path], streams(path, { json, remove }))
  })
).pipe(
  Command.withDescription(
    "List the named streams of a file, with their sizes in bytes, or remove some. cat, get and put take a stream as file:name. " +
      "With --json: name, size, path."
  ),
  Command.withShortDescription("List or remove named streams")
)

/** `effect-smb versions` */
export const versions = Command.make(
  "versions",
  { path: Flags.remote("remote", "A file or directory") },
  Effect.fnUntraced(function*({ path }) {
    const { json } = yield* root
    const { versions } = yield* details
    yield* withClient([path], versions(path, { json }))
  })
).pipe(
  Command.withDescription(
    "List the previous versions of a file or directory (snapshots), each as a path that ls, cat and get take. With --json: " +
      "version, time, path."
  ),
  Command.withShortDescription("List previous versions")
)

const space = Effect.promise(() => import("../Space.ts"))

/** `effect-smb df` */
export const df = Command.make(
  "df",
  { human, paths: some("Shares, or paths on them") },
  Effect.fnUntraced(function*({ human, paths }) {
    const { json } = yield* root
    const { df } = yield* space
    yield* withClient(paths, df(paths, { json, human }))
  })
).pipe(
  Command.withDescription(
    "Show the size of the volume behind a share, and the space that this user can write. (quota) says that a quota " +
      "leaves less than what is free. With --json: path, total, used, free, available in bytes, quotaLimited, label, fileSystem."
  ),
  Command.withShortDescription("Show free space")
)

/** `effect-smb du` */
export const du = Command.make(
  "du",
  {
    summarize: boolean("summarize", "Only the sum of each path", "s"),
    depth: depth("max-depth", "Only folders that are at most N levels below", "d"),
    human,
    allocated: boolean("allocated", "The space that the server has allocated, and not the sizes of the files"),
    paths: some("Folders or files")
  },
  Effect.fnUntraced(function*({ allocated, depth, human, paths, summarize }) {
    const { json } = yield* root
    const { du } = yield* space
    const levels = summarize ? 0 : Option.getOrElse(depth, () => Number.POSITIVE_INFINITY)
    yield* withClient(paths, du(paths, { json, human, allocated, depth: levels }))
  })
).pipe(
  Command.withDescription(
    "Show how much the files in each folder take together, with all below it. Streams are not counted; a file with two " +
      "names counts twice. With --json: path, size and allocated in bytes, files."
  ),
  Command.withShortDescription("Show the sizes of folders")
)

/** `effect-smb find` */
export const find = Command.make(
  "find",
  {
    name: Flag.String("name").pipe(
      Flag.withMetavar("PATTERN"),
      Flag.withDescription("Names like this, with * and ?, in any case of letters"),
      Flag.optional
    ),
    type: Flag.Literals("type", ["f", "d", "l"]).pipe(
      Flag.withDescription("Files, directories, or symbolic links"),
      Flag.optional
    ),
    larger: size("larger", "Files with more bytes: 512, 10K, 1.5M, 2G"),
    smaller: size("smaller", "Files with fewer bytes"),
    newer: time("newer", "Written after TIME: 2026-11-30, 2026-11-30T14:05, or a span before now: 90m, 12h, 7d, 2w"),
    older: time("older", "Written before TIME"),
    depth: depth("max-depth", "At most N levels below; 0 is the path itself"),
    print0: boolean("print0", "End each path with NUL, for xargs -0"),
    path: Flags.remote("remote", "Where to begin")
  },
  Effect.fnUntraced(function*({ depth, larger, name, newer, older, path, print0, smaller, type }) {
    const { json } = yield* root
    const { find } = yield* Effect.promise(() => import("../Find.ts"))
    yield* withClient(
      [path],
      find(path, {
        json,
        print0,
        maximumDepth: Option.getOrUndefined(depth),
        name: Option.getOrUndefined(name),
        type: Option.getOrUndefined(type),
        larger: Option.getOrUndefined(larger),
        smaller: Option.getOrUndefined(smaller),
        newer: Option.getOrUndefined(newer),
        older: Option.getOrUndefined(older)
      })
    )
  })
).pipe(
  Command.withDescription(
    "Find entries below a path that meet all given conditions, in the order in which they arrive. With --json: as ls."
  ),
  Command.withShortDescription("Find files"),
  Command.withExamples([
    { command: "effect-smb find //nas/media --name '*.iso' --larger 1G --older 52w", description: "Old, large images" },
    { command: "effect-smb find //nas/tmp --type f --print0 | xargs -0 effect-smb rm", description: "Remove them" }
  ])
)

/** `effect-smb tree` */
export const tree = Command.make(
  "tree",
  {
    depth: depth("max-depth", "At most N levels", "d"),
    directories: boolean("directories", "Only directories"),
    path: Flags.remote("remote", "A directory")
  },
  Effect.fnUntraced(function*({ depth, directories, path }) {
    const { json } = yield* root
    const { tree } = yield* Effect.promise(() => import("../Tree.ts"))
    yield* withClient([path], tree(path, { json, directories, maximumDepth: Option.getOrUndefined(depth) }))
  })
).pipe(
  Command.withDescription(
    "Draw everything below a directory, sorted by name. With --json: an object for each entry, as ls."
  ),
  Command.withShortDescription("Draw a directory")
)

/** `effect-smb watch` */
export const watch = Command.make(
  "watch",
  {
    recursive: boolean("recursive", "Also what is below", "r"),
    path: Flags.remote("remote", "A directory")
  },
  Effect.fnUntraced(function*({ path, recursive }) {
    const { json } = yield* root
    const { watch } = yield* Effect.promise(() => import("../Watching.ts"))
    yield* withClient([path], watch(path, { json, recursive }))
  })
).pipe(
  Command.withDescription(
    "Print the changes in a directory as they happen, until it is interrupted (Ctrl-C); then it ends with exit code 0. " +
      "The line lost says that changes came too fast for the server, or that the connection was lost for a while: list the " +
      "directory again. With --json: time, " +
      "change (added, removed, modified, renamed-from, renamed-to, stream-added, stream-removed, stream-modified, " +
      "other, lost), name, path."
  ),
  Command.withShortDescription("Print changes as they happen"),
  Command.withExamples([
    { command: "effect-smb watch -r --json //nas/inbox", description: "Everything below, for another program" }
  ])
)
