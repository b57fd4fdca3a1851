/**
 * Files that are their owner's alone: read only where nobody else can read or change them, and replaced as a whole.
 *
 * What goes wrong is told as a reason, never with a line of the content.
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import type { FileHandle } from "node:fs/promises"
import { mkdir, open, rename, rm, stat } from "node:fs/promises"
import { dirname } from "node:path"

/** Why a file is not taken. */
export type Reason = "NotFound" | "NotReadable" | "ReadableByOthers"

const codeOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException).code

/** The text of a file of up to `largest` bytes. */
export const read = (path: string, largest: number): Effect.Effect<string, Reason> =>
  Effect.acquireUseRelease(
    Effect.tryPromise({
      try: () => open(path, "r"),
      catch: (cause): Reason => ["ENOENT", "ENOTDIR"].includes(codeOf(cause) ?? "") ? "NotFound" : "NotReadable"
    }),
    (file: FileHandle) =>
      Effect.gen(function*() {
        const notReadable = (): Reason => "NotReadable"
        // What was opened is looked at, and not the name, which may be another file's by now.
        const stats = yield* Effect.tryPromise({ try: () => file.stat(), catch: notReadable })
        // Windows has no such bits: its own list decides there. A pipe or a terminal keeps nothing for others.
        if (process.platform !== "win32" && stats.isFile() && (stats.mode & 0o077) !== 0) {
          return yield* Effect.fail<Reason>("ReadableByOthers")
        }
        if (stats.size > largest) return yield* Effect.fail(notReadable())
        return yield* Effect.tryPromise({ try: () => file.readFile("utf8"), catch: notReadable })
      }),
    (file) => Effect.promise(() => file.close())
  )

/** Puts a text in the place of a file, all of it or nothing, and makes its folder where there is none. */
export const replace = async (path: string, text: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const beside = `${path}.${randomBytes(6).toString("hex")}`
  const file = await open(beside, "wx", 0o600)
  try {
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(beside, path)
  } catch (cause) {
    await rm(beside, { force: true })
    throw cause
  }
}

/** A lock older than this was left behind by a process that was ended: in milliseconds. */
const abandoned = 5_000
const pause = 20

const age = async (path: string): Promise<number> => {
  try {
    return Date.now() - (await stat(path)).mtimeMs
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return 0
    throw cause
  }
}

/** Runs `body` while no other process does so for the same path. It is to be done within a second. */
export const alone = async <A>(path: string, body: () => Promise<A>): Promise<A> => {
  const lock = `${path}.lock`
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  for (;;) {
    try {
      await (await open(lock, "wx", 0o600)).close()
      break
    } catch (cause) {
      if (codeOf(cause) !== "EEXIST") throw cause
      if (await age(lock) > abandoned) await rm(lock, { force: true })
      else await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }
  try {
    return await body()
  } finally {
    await rm(lock, { force: true })
  }
}
