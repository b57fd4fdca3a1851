/** Subcommands that change what is on a share: their arguments and their help. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Attributes from "../Attributes.ts"
import * as Flags from "../Flags.ts"
import { time } from "./Quantities.ts"
import { act, boolean, root, some, withClient } from "./Root.ts"

const moving = Effect.promise(() => import("../Moving.ts"))

/** `effect-smb rm` */
export const rm = Command.make(
  "rm",
  {
    recursive: boolean("recursive", "Also remove directories, with everything below them", "r"),
    force: boolean("force", "Also remove read-only files; a name that does not exist is no failure", "f"),
    dryRun: boolean("dry-run", "Change nothing; print what would be removed"),
    paths: some("Files, with -r directories; a pattern with * and ? as the last name")
  },
  Effect.fnUntraced(function*({ paths, ...flags }) {
    const { json } = yield* root
    const { remove } = yield* moving
    yield* withClient(paths, remove(paths, { json, ...flags }))
  })
).pipe(
  Command.withDescription(
    "Remove files and trees. A link is removed itself; a whole share and a DFS link are refused before anything is removed. The command names entries of a tree " +
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
  ({ parents, paths }) => act(paths, ({ makeDirectory }, json) => makeDirectory(paths, { json, parents }))
).pipe(Command.withDescription("Make directories"))

/** `effect-smb mv` */
export const mv = Command.make(
  "mv",
  {
    replace: boolean("replace", "Replace an existing file"),
    dryRun: boolean("dry-run", "Change nothing; print what would be moved"),
    paths: Flags.remote(
      "from",
      "Files and directories; a pattern with * and ? as the last name. Then TO: the new name of one, or a directory to move " +
        "them into, on the same share"
    ).pipe(Argument.variadic({ min: 2 }))
  },
  Effect.fnUntraced(function*({ paths, ...flags }) {
    const { json } = yield* root
    const { move } = yield* moving
    yield* withClient(paths, move(paths.slice(0, -1), paths.at(-1)!, { json, ...flags }))
  })
).pipe(
  Command.withDescription(
    "Rename or move within a share. Several sources go into a directory. Two sources of the same name are refused before " +
      "anything is moved."
  ),
  Command.withShortDescription("Rename or move within a share"),
  Command.withExamples([
    { command: "effect-smb mv --dry-run '//nas/inbox/*.pdf' //nas/inbox/done/", description: "What would happen" }
  ])
)

/** `effect-smb ln` */
export const ln = Command.make(
  "ln",
  {
    symbolic: boolean("symbolic", "Make a symbolic link: TARGET is its text, relative to the link's directory", "s"),
    directory: Flag.Boolean("directory").pipe(
      Flag.withDescription(
        "With -s: the link leads to a directory. Default: what the target is now; --no-directory for a file"
      ),
      Flag.optional
    ),
    target: Argument.String("target").pipe(
      Argument.withDescription("A file on the server; with -s the text of the link")
    ),
    link: Flags.remote("link", "The new name, or a directory for it")
  },
  Effect.fnUntraced(function*({ directory, link, symbolic, target }) {
    const linking = yield* Effect.promise(() => import("../Linking.ts"))
    if (symbolic) {
      return yield* withClient([link], linking.symbolic(target, link, Option.getOrUndefined(directory)))
    }
    if (Option.isSome(directory)) return yield* Flags.refuse("--directory is for symbolic links: add -s")
    const file = yield* Flags.parseRemote(target)
    yield* withClient([file, link], linking.hard(file, link))
  })
).pipe(
  Command.withDescription(
    "Give a file one more name on its share (a hard link), or make a symbolic link. Few servers let a client make " +
      "symbolic links: Windows wants a right for it, and Samba has them for clients with POSIX extensions alone."
  ),
  Command.withShortDescription("Make links"),
  Command.withExamples([
    { command: "effect-smb ln //nas/data/a.txt //nas/data/b.txt", description: "Another name" },
    { command: "effect-smb ln -s 2026/report.pdf //nas/data/latest.pdf", description: "A symbolic link" }
  ])
)

const times = Effect.promise(() => import("../Touch.ts"))

/** `effect-smb touch` */
export const touch = Command.make(
  "touch",
  {
    time: time("time", "This time instead of now: 2026-11-30T14:05, or a span before now such as 7d").pipe(
      Flag.withAlias("t")
    ),
    noCreate: boolean("no-create", "Do not create files that do not exist", "c"),
    paths: some("Files and directories")
  },
  Effect.fnUntraced(function*({ noCreate, paths, time }) {
    const { json } = yield* root
    const { touch } = yield* times
    yield* withClient(paths, touch(paths, { json, time: Option.getOrUndefined(time), create: !noCreate }))
  })
).pipe(
  Command.withDescription(
    "Set the times of the last write and of the last access. A file that does not exist is created, without content."
  ),
  Command.withShortDescription("Set times, or create empty files")
)

const words = {
  r: "read-only",
  h: "hidden",
  s: "system",
  a: "archive",
  t: "temporary",
  o: "offline",
  i: "not-indexed"
} as const

const clearing = (letter: keyof typeof words) =>
  boolean(`clear-${words[letter]}`, `Clear the attribute; +${letter} sets it`, letter)

/** `effect-smb attrib` */
export const attrib = Command.make(
  "attrib",
  {
    r: clearing("r"),
    h: clearing("h"),
    s: clearing("s"),
    a: clearing("a"),
    t: clearing("t"),
    o: clearing("o"),
    i: clearing("i"),
    words: Argument.String("words").pipe(
      Argument.withDescription("Attributes to set, such as +r or +hs; then files and directories"),
      Argument.variadic({ min: 1 })
    )
  },
  Effect.fnUntraced(function*({ words, ...flags }) {
    const { json } = yield* root
    const set = words.filter(Attributes.isChange).map((word) => [word, Attributes.lettersOf(word)] as const)
    const unknown = set.find(([, letters]) => letters === undefined)
    if (unknown !== undefined) {
      return yield* Flags.refuse(
        `${JSON.stringify(unknown[0])}: attributes to set are ${
          Object.keys(Attributes.settable).join(", ")
        }, such as +rh`
      )
    }
    const paths = yield* Effect.forEach(words.filter((word) => !Attributes.isChange(word)), Flags.parseRemote)
    if (paths.length === 0) return yield* Flags.refuse("name a file or directory")
    const { attrib } = yield* times
    const clear = (Object.keys(flags) as Array<keyof typeof flags>).filter((letter) => flags[letter])
    yield* withClient(paths, attrib(paths, { json, set: set.flatMap(([, letters]) => letters ?? []), clear }))
  })
).pipe(
  Command.withDescription(
    "Show the attributes of files, or change them: +r sets, -r clears. With --json: path, fileAttributes, names."
  ),
  Command.withShortDescription("Show or change attributes"),
  Command.withExamples([
    { command: "effect-smb attrib //nas/office/plan.doc", description: "Show" },
    { command: "effect-smb attrib +r -h //nas/office/plan.doc", description: "Make it read-only and visible" }
  ])
)
