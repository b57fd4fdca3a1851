/** Subcommands that show what is on a share: their arguments and their help. */
import * as Command from "effect/cli/Command"
import * as Flags from "../Flags.ts"
import { act, boolean, some } from "./Root.ts"

/** `effect-smb ls` */
export const ls = Command.make(
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

/** `effect-smb cat` */
export const cat = Command.make(
  "cat",
  { paths: some("Files") },
  ({ paths }) => act(paths, ({ cat }, json) => cat(paths, { json }))
).pipe(Command.withDescription("Write files to standard output"))

/** `effect-smb stat` */
export const stat = Command.make(
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
