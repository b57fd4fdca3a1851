/**
 * Private files: they are read only if no user other than the owner can read or change them, and replaced as a whole.
 *
 * A failure is a reason, and never contains a line of the file.
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import type { FileHandle } from "node:fs/promises"
import { mkdir, open, rename, rm, stat } from "node:fs/promises"
import { dirname } from "node:path"

/**
 * Why a file is refused.
 *
 * @since 0.1.0
 */
export type Reason = "FileNotFound" | "FileNotReadable" | "FileReadableByOthers"

const codeOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException).code

/**
 * The text of a file of up to `largest` bytes.
 *
 * @since 0.1.0
 */
export const read = (path: string, largest: number): Effect.Effect<string, Reason> =>
  Effect.acquireUseRelease(
    Effect.tryPromise({
      try: () => open(path, "r"),
      catch: (cause): Reason => ["ENOENT", "ENOTDIR"].includes(codeOf(cause) ?? "") ? "FileNotFound" : "FileNotReadable"
    }),
    (file: FileHandle) =>
      Effect.gen(function*() {
        const notReadable = (): Reason => "FileNotReadable"
        // Checks the open file and not the name, which may stand for another file now.
        const stats = yield* Effect.tryPromise({ try: () => file.stat(), catch: notReadable })
        // Windows has no such bits: its access control list decides. A pipe or a terminal keeps no bytes for others.
        if (process.platform !== "win32" && stats.isFile() && (stats.mode & 0o077) !== 0) {
          return yield* Effect.fail<Reason>("FileReadableByOthers")
        }
        if (stats.size > largest) return yield* Effect.fail(notReadable())
        return yield* Effect.tryPromise({ try: () => file.readFile("utf8"), catch: notReadable })
      }),
    (file) => Effect.promise(() => file.close())
  )

/**
 * Replaces the content of a file, all of it or nothing. Makes the file and its folder if they do not exist.
 *
 * @since 0.1.0
 */
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

/** Milliseconds. An older lock was left behind by a process that has ended. */
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

/**
 * Runs `body` while no other process does so for the same path. `body` must end within a second.
 *
 * @since 0.1.0
 */
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
