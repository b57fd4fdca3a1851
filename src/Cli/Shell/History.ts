/** The lines that a user has typed in the shell, in a file of the user's state folder that only the user can read. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { dirname } from "node:path"
import * as Remote from "../Remote.ts"
import * as Words from "./Words.ts"

/** The most lines that the file keeps. */
export const limit = 1000

/** The longest line that is kept, in UTF-16 code units. */
const longest = 4096

/**
 * Whether a line can be kept: not after a blank, as in other shells, not one that is longer than usual, and not one with
 * a password in a path, or behind a user as smbclient has it (`-U name%password`).
 */
export const isKept = (line: string): boolean => {
  if (line.trim() === "" || line.startsWith(" ") || line.length > longest) return false
  // The words and the path can be other ones than the user meant, as with a ; in a password.
  if (Remote.mayHoldPassword(line) || /(?:^|\s)(?:-U|--user\b).*%/.test(line)) return false
  const commands = Words.parse(line)
  // A line with an open quote can hold a password too.
  const words = Result.isSuccess(commands) ? commands.success.flat() : []
  return [...words, ...line.split(/[\s;'"]+/)].every(Remote.withoutPassword)
}

/** The kept lines, the oldest first. Shortens the file when it has twice the limit. */
export const load = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const lines = (yield* fs.readFileString(path)).split("\n").filter(isKept)
  const kept = lines.slice(-limit)
  if (lines.length >= 2 * limit) {
    const next = `${path}.${process.pid}`
    yield* fs.writeFileString(next, kept.map((line) => `${line}\n`).join(""), { mode: 0o600 })
    yield* fs.rename(next, path)
  }
  return kept
}, Effect.orElseSucceed((): ReadonlyArray<string> => []))

/** Adds a line. A history that cannot be written is no failure. */
export const add = Effect.fnUntraced(function*(path: string, line: string) {
  if (!isKept(line)) return
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(dirname(path), { recursive: true, mode: 0o700 })
  yield* fs.writeFileString(path, `${line}\n`, { flag: "a", mode: 0o600 })
}, (added) => Effect.ignore(added))
