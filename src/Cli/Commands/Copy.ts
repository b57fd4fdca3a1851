/** Subcommands that copy between this machine and a server: their arguments and their help. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flags from "../Flags.ts"
import { boolean, root, withClient } from "./Root.ts"

const quiet = boolean("quiet", "Show no progress on a terminal", "q")

/** `effect-smb get` */
export const get = Command.make(
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
    const { get } = yield* Effect.promise(() => import("../Download.ts"))
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

/** `effect-smb put` */
export const put = Command.make(
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
    const { put } = yield* Effect.promise(() => import("../Upload.ts"))
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
