/** `acl`: its arguments and its help. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as AclChange from "../AclChange.ts"
import * as Flags from "../Flags.ts"
import { boolean, root, some, withClient } from "./Root.ts"

const repeated = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.atLeast(0))

/** The entries of `--grant` and `--deny`. */
const entries = (texts: ReadonlyArray<string>, denied: boolean) =>
  Effect.forEach(texts, (text) =>
    Result.match(AclChange.parseEntry(text, { denied }), {
      onFailure: Flags.refuse,
      onSuccess: (entry) => Effect.succeed(entry)
    }))

const descriptor = (text: string) =>
  Result.match(AclChange.checkSet(text), { onFailure: Flags.refuse, onSuccess: (sddl) => Effect.succeed(sddl) })

/** `effect-smb acl` */
export const acl = Command.make(
  "acl",
  {
    sddl: boolean("sddl", "Show the permissions as SDDL, as icacls /save does"),
    set: Flag.String("set").pipe(
      Flag.withMetavar("SDDL"),
      Flag.withDescription("Replace what the SDDL has: owner (O:), group (G:), list (D:)"),
      Flag.optional
    ),
    grant: repeated(
      "grant",
      "NAME:RIGHTS",
      "Give rights: full, change, read, letters of RWXDPO, or 0x...; may be repeated"
    ),
    deny: repeated(
      "deny",
      "NAME:RIGHTS",
      "Deny rights, and take them out of the account's own entries; may be repeated"
    ),
    revoke: repeated("revoke", "NAME", "Remove all entries of NAME except inherited ones; may be repeated"),
    owner: Flag.String("owner").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Give the file to another owner"),
      Flag.optional
    ),
    inherit: Flag.Literals("inherit", ["on", "off", "copy"]).pipe(
      Flag.withDescription(
        "Inherit from the folder above: on; off, and inherited entries go; copy, and they become the file's own"
      ),
      Flag.optional
    ),
    recursive: boolean("recursive", "Also everything below folders; links are left out", "r"),
    dryRun: boolean("dry-run", "Change nothing, and say what would change"),
    paths: some("Files and folders")
  },
  Effect.fnUntraced(function*({ deny, dryRun, grant, inherit, owner, paths, recursive, revoke, sddl, set }) {
    const { json } = yield* root
    const changes: AclChange.Changes = {
      set: Option.isSome(set) ? yield* descriptor(set.value) : undefined,
      inherit: Option.getOrUndefined(inherit),
      revoke,
      grant: yield* entries(grant, false),
      deny: yield* entries(deny, true),
      owner: Option.getOrUndefined(owner)
    }
    if (changes.set !== undefined && !AclChange.isEmpty({ ...changes, set: undefined })) {
      return yield* Flags.refuse(
        "--set replaces the whole list: leave out --grant, --deny, --revoke, --owner and --inherit"
      )
    }
    if (sddl && !AclChange.isEmpty(changes)) {
      return yield* Flags.refuse("--sddl shows, and changes nothing: leave it out")
    }
    if (dryRun && AclChange.isEmpty(changes)) return yield* Flags.refuse("--dry-run needs a change, such as --grant")
    const { acl } = yield* Effect.promise(() => import("../Acl.ts"))
    yield* withClient(paths, acl(paths, { json, sddl, recursive, dryRun, changes }))
  })
).pipe(
  Command.withDescription(
    "Show who may do what with files and folders, or change it. NAME is DOMAIN\\name, name@domain, a name of the server, " +
      "or a SID. A new entry of a folder counts for everything that is made below it later; with -r also for what is " +
      "there. ann:()read is for the folder alone, ann:(OI)(CI)read as with icacls. With --json: path, owner, group, " +
      "protected, entries, sddl; for a change path, changed, sddl."
  ),
  Command.withShortDescription("Show or change permissions"),
  Command.withExamples([
    { command: "effect-smb acl //nas/office/plans", description: "The entries, with names" },
    {
      command: "effect-smb acl -r --grant 'CORP\\ann:change' --dry-run //nas/office/plans",
      description: "Try a change"
    },
    { command: "effect-smb acl --inherit copy --revoke Everyone //nas/office/plans", description: "Cut off and close" }
  ])
)
