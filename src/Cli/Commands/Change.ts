/** Subcommands that change what is on a share: their arguments and their help. */
import * as Command from "effect/cli/Command"
import * as Flags from "../Flags.ts"
import { act, boolean, some } from "./Root.ts"

/** `effect-smb rm` */
export const rm = Command.make(
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

/** `effect-smb mkdir` */
export const mkdir = Command.make(
  "mkdir",
  {
    parents: boolean("parents", "Also make the directories above; an existing directory is no failure", "p"),
    paths: some("Directories")
  },
  ({ parents, paths }) => act(paths, ({ makeDirectory }) => makeDirectory(paths, { parents }))
).pipe(Command.withDescription("Make directories"))

/** `effect-smb mv` */
export const mv = Command.make(
  "mv",
  {
    replace: boolean("replace", "Replace an existing file"),
    from: Flags.remote("from", "A file or directory"),
    to: Flags.remote("to", "Its new name, or a directory to move it into, on the same share")
  },
  ({ from, replace, to }) => act([from, to], ({ move }) => move(from, to, { replace }))
).pipe(Command.withDescription("Rename or move within a share"))
