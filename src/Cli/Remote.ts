/** Paths on servers as the user types them: the client's `UncPath`, and the details that only a command line needs. */
import * as Result from "effect/Result"
import * as UncPath from "../Client/UncPath.ts"

/** A path on a server. */
export interface Remote extends UncPath.UncPath {
  /** The path was written with a separator at its end, so it means a directory. */
  readonly directory: boolean
}

/** Whether a path holds no password: a message must not show a path that may hold one. */
export const withoutPassword = (text: string): boolean => {
  const authority = /^(?:smb:)?[\\/]{2}(?:\?[\\/]UNC[\\/]+)?([^\\/]*)@/i.exec(text)?.[1]
  return authority === undefined || !/:|%3a/i.test(authority)
}

/**
 * Whether a text of any form may hold a password: a `:` or a `%`, as other programs write it, and a later `@`. The colon of
 * `smb://` is none of these. A user that writes a path wrongly can have a separator in the password, or before the user,
 * or one too few.
 */
export const mayHoldPassword = (text: string): boolean => /[:%].*@/s.test(text.replace(/\bsmb:(?=[\\/]{2})/gi, ""))

/** Parses a path; with `share: true` it must name a share. Fails with the message for the user. */
export const parse = (text: string, options: { readonly share: boolean }): Result.Result<Remote, string> => {
  if (!withoutPassword(text)) {
    return Result.fail("a password in a path can be seen by everybody: use SMB_PASSWORD or --password-file")
  }
  return Result.mapBoth(UncPath.parse(text), {
    onFailure: (error) =>
      mayHoldPassword(text)
        ? "this path cannot be used, and is not shown because it may hold a password: use SMB_PASSWORD or --password-file"
        : error.message,
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
