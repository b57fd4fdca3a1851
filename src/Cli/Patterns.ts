/**
 * Paths with a pattern as their last name: `*` and `?` match in any case of letters, as on a server (MS-FSA 2.1.4.4).
 *
 * A server also matches the short names of files (`*.htm` finds `page.html`, whose short name is `PAGE~1.HTM`). The user
 * does not see these names, so the command takes only entries whose long name matches.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import { basename, dirname, join } from "node:path"
import type { ClientError } from "../Client/ClientError.ts"
import type { Entry } from "../Client/Entry.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import * as DosWildcard from "../Codec/DosWildcard.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import { fromStatus } from "../Protocol/Errors.ts"
import { LocalError, notFound } from "../Transfer/LocalError.ts"
import type { Remote } from "./Remote.ts"

const isPattern = (name: string): boolean => /[*?]/.test(name)

/** The pattern that a path ends in; `undefined` for a path that names one entry. */
export const of = (path: UncPath.UncPath): string | undefined => {
  const name = path.path === "" ? "" : UncPath.name(path)
  return isPattern(name) ? name : undefined
}

/** The entries of a directory whose names match; fails if no entry does. `path`: the directory and the pattern. */
export const list = (
  smb: SmbClient["Service"],
  path: UncPath.UncPath,
  pattern: string
): Stream.Stream<Entry, ClientError> => {
  const matcher = new DosWildcard.Matcher(pattern)
  // If nothing matches, a server fails or returns an empty list. A user that asked for a pattern gets the same error
  // for both.
  const none = Stream.fail(fromStatus(NtStatus.STATUS_NO_SUCH_FILE, "QUERY_DIRECTORY", UncPath.format(path)))
  return smb.list(UncPath.parent(path), { pattern }).pipe(
    Stream.filter(({ name }) => matcher.matches(name)),
    Stream.orElseIfEmpty(() => none)
  )
}

/** A path below a directory. */
export const within = (directory: UncPath.UncPath, name: string): Remote => ({
  ...UncPath.join(directory, name),
  directory: false
})

/** The paths that a path with a pattern stands for; a path without one stands for itself. */
export const expand = Effect.fnUntraced(function*(path: Remote) {
  const pattern = of(path)
  if (pattern === undefined) return [path]
  const smb = yield* SmbClient
  const found = yield* Stream.runCollect(list(smb, path, pattern))
  // With mapped names, a name can have the characters of patterns.
  if (found.some(({ name }) => name === pattern)) return [path]
  return found.map(({ name }) => within(UncPath.parent(path), name))
})

/** A local pattern as a regular expression: no shell has replaced it, as in cmd.exe and in our own shell. */
const localPattern = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern.replace(/[\\^$.|+()[\]{}]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`,
    process.platform === "win32" ? "isu" : "su"
  )

/**
 * The local paths that a path with a pattern as its last name stands for. A file that exists under this very name is
 * meant itself. As in a shell, hidden files need a dot at the start of the pattern.
 */
export const expandLocal = Effect.fnUntraced(function*(path: string) {
  const pattern = basename(path)
  if (!isPattern(pattern)) return [path]
  const fs = yield* FileSystem.FileSystem
  if (yield* fs.exists(path)) return [path]
  const matcher = localPattern(pattern)
  const names = (yield* fs.readDirectory(dirname(path))).filter((name) =>
    matcher.test(name) && (pattern.startsWith(".") || !name.startsWith("."))
  )
  if (names.length === 0) return yield* new LocalError({ path, detail: notFound(path) })
  return names.toSorted().map((name) => join(dirname(path), name))
})
