/** Files that decide what the command runs or serves: they are read only if no other user could have written them. */
import * as Effect from "effect/Effect"
import type { Stats } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { open, stat } from "node:fs/promises"
import { dirname } from "node:path"
import { isTrusted } from "../Server/PrivateFile.ts"
import { LocalError } from "../Transfer/LocalError.ts"
import { oneLine } from "./Failure.ts"

/** Which users may have written a file. */
export interface Trust {
  /** Whether the file and its folder must belong to this user or to root. Not for a file that the user has named. */
  readonly isOwn: boolean
  /** Whether the group may write the file and its folder. */
  readonly group: boolean
}

const chmod = ({ group }: Trust): string => group ? "chmod o-w" : "chmod go-w"

const mask = ({ group }: Trust): number => group ? 0o002 : 0o022

const codeOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException).code

/** Why the open file is refused. */
const reasonOfFile = (stats: Stats, trust: Trust): string | undefined =>
  trust.isOwn && !isTrusted(stats)
    ? "it belongs to another user of this machine: look at its content, then `chown` it"
    : stats.isFile() && (stats.mode & mask(trust)) !== 0
    ? `other users of this machine can change it; \`${chmod(trust)}\` it`
    : undefined

/** Why the folder is refused: a user that can write it can put another file in place of this one, except with the sticky bit. */
const reasonOfFolder = (stats: Stats, folder: string, trust: Trust): string | undefined =>
  !isTrusted(stats)
    ? `its folder ${folder} belongs to another user of this machine: look at the file, then \`chown\` the folder`
    : (stats.mode & 0o1000) === 0 && (stats.mode & mask(trust)) !== 0
    ? `other users of this machine can write its folder; \`${chmod(trust)} ${folder}\``
    : undefined

/** The text of a file; `undefined` if no file exists. */
export const read = (path: string, trust: Trust): Effect.Effect<string | undefined, LocalError> => {
  const failed = (cause: unknown) => new LocalError({ path, detail: oneLine((cause as Error).message) })
  const call = <A>(body: () => Promise<A>) => Effect.tryPromise({ try: body, catch: failed })
  return Effect.acquireUseRelease(
    call(() =>
      open(path, "r").catch((cause) => {
        if (["ENOENT", "ENOTDIR"].includes(codeOf(cause) ?? "")) return undefined
        throw cause
      })
    ),
    Effect.fnUntraced(function*(file: FileHandle | undefined) {
      if (file === undefined) return undefined
      // Windows has no such bits: its access control list decides.
      if (process.platform !== "win32") {
        // Checks the open file and not the name, which may stand for another file now.
        const folder = dirname(path)
        const reason = reasonOfFile(yield* call(() => file.stat()), trust) ??
          (trust.isOwn ? reasonOfFolder(yield* call(() => stat(folder)), folder, trust) : undefined)
        if (reason !== undefined) return yield* new LocalError({ path, detail: reason })
      }
      return yield* call(() => file.readFile("utf8"))
    }),
    (file) => Effect.promise(async () => file?.close())
  )
}
