/**
 * Paths on servers as they are typed: the client's `UncPath`, and what only a command line knows about them.
 */
import * as Result from "effect/Result"
import * as UncPath from "../Client/UncPath.ts"

/** A path on a server. */
export interface Remote extends UncPath.UncPath {
  /** It was written with a separator at its end: it means a directory. */
  readonly directory: boolean
}

/** What cannot be read is told without the text where that may hold a password. */
const withoutPassword = (text: string): boolean => {
  const authority = /^(?:smb:)?[\\/]{2}(?:\?[\\/]UNC[\\/]+)?([^\\/]*)@/i.exec(text)?.[1]
  return authority === undefined || !/:|%3a/i.test(authority)
}

/**
 * Parses a path; with `share: true` it has to name a share. Fails with what to tell the user.
 */
export const parse = (text: string, options: { readonly share: boolean }): Result.Result<Remote, string> => {
  if (!withoutPassword(text)) {
    return Result.fail("a password in a path can be seen by everybody: use SMB_PASSWORD or --password-file")
  }
  return Result.mapBoth(UncPath.parse(text), {
    onFailure: (error) => error.message,
    onSuccess: (path): Remote => ({ ...path, directory: /[\\/]$/.test(text) })
  }).pipe(
    Result.flatMap((path) =>
      options.share && path.share === ""
        ? Result.fail(
          `${UncPath.format(path)} names no share: write //host/share/path ("effect-smb shares //host" lists them)`
        )
        : Result.succeed(path)
    )
  )
}
