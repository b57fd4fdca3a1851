/** The directory on a server that relative paths begin at, while the shell runs. */
import * as Context from "effect/Context"
import * as Result from "effect/Result"
import * as UncPath from "../../Client/UncPath.ts"
import * as Remote from "../Remote.ts"

/** The state of a shell: `cd` changes it. */
export interface Here {
  path: Remote.Remote
  /** The one before, for `cd -`. */
  previous: Remote.Remote | undefined
  /** Where the shell began, for `cd`. */
  readonly start: Remote.Remote
}

/** The directory; `undefined` outside a shell. */
export const CurrentDirectory: Context.Reference<Here | undefined> = Context.Reference(
  "effect-smb/Cli/CurrentDirectory",
  { defaultValue: (): Here | undefined => undefined }
)

/** A path with its server. */
const isWhole = (text: string): boolean => /^(?:smb:\/\/|[\\/]{2})/i.test(text)

/**
 * A path as a user of the shell writes it: `//host/share/path` as outside, `/path` from the root of the current share,
 * or relative to the current directory. Fails with the message for the user.
 */
export const resolve = (
  here: Here,
  text: string,
  options: { readonly share: boolean }
): Result.Result<Remote.Remote, string> => {
  const { user: own, ...current } = here.path
  if (!isWhole(text)) {
    // An empty word is a mistake, and not the current directory: `rm -r ""`.
    if (text === "") return Result.fail("an empty word is no path; the current directory is .")
    const base = /^[\\/]/.test(text) ? { ...current, path: "" } : current
    return Remote.parse(`${UncPath.format(base)}\\${text}`, options)
  }
  return Result.flatMap(Remote.parse(text, options), ({ user, ...path }) =>
    user === undefined || user === own
      ? Result.succeed(path)
      : Result.fail(`the shell has one user, and ${UncPath.format(path)} is for ${user}: start another shell`))
}

/** The directory as the prompt and `pwd` show it. */
export const shown = (path: UncPath.UncPath): string => UncPath.format(path).replaceAll("\\", "/")
