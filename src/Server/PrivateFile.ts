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

/** A call of Node's. Fails with Node's own error. */
const call = <A>(body: () => Promise<A>): Effect.Effect<A, Error> =>
  Effect.tryPromise({ try: body, catch: (cause) => cause instanceof Error ? cause : new Error(String(cause)) })

const makeFolder = (path: string) => call(() => mkdir(dirname(path), { recursive: true, mode: 0o700 }))

/**
 * Replaces the content of a file, all of it or nothing. Makes the file and its folder if they do not exist. Fails with
 * Node's own error.
 *
 * @since 0.1.0
 */
export const replace = Effect.fnUntraced(function*(path: string, text: string): Effect.fn.Return<void, Error> {
  yield* makeFolder(path)
  const whole = `${path}.${randomBytes(6).toString("hex")}`
  yield* Effect.acquireUseRelease(
    call(() => open(whole, "wx", 0o600)),
    (file) =>
      call(async () => {
        await file.writeFile(text)
        await file.sync()
      }),
    (file) => call(() => file.close())
  ).pipe(
    Effect.andThen(call(() => rename(whole, path))),
    Effect.onError(() => Effect.ignore(call(() => rm(whole, { force: true })))),
    Effect.uninterruptible
  )
})

/** Milliseconds. An older lock was left behind by a process that has ended. */
const abandoned = 5_000
const pause = "20 millis"

const age = (path: string): Effect.Effect<number, Error> =>
  Effect.catch(
    call(async () => Date.now() - (await stat(path)).mtimeMs),
    (cause) => codeOf(cause) === "ENOENT" ? Effect.succeed(0) : Effect.fail(cause)
  )

/** Makes a lock file, and waits while another process has it. */
const take = (lock: string): Effect.Effect<void, Error> =>
  Effect.catch(
    call(async () => (await open(lock, "wx", 0o600)).close()),
    Effect.fnUntraced(function*(cause) {
      if (codeOf(cause) !== "EEXIST") return yield* Effect.fail(cause)
      if ((yield* age(lock)) > abandoned) yield* call(() => rm(lock, { force: true }))
      else yield* Effect.sleep(pause)
      return yield* take(lock)
    })
  )

/**
 * Runs `body` while no other process does so for the same path. `body` must end within a second. Fails with Node's own
 * error if the lock cannot be made or removed.
 *
 * @since 0.1.0
 */
export const alone = <A, E>(path: string, body: Effect.Effect<A, E>): Effect.Effect<A, E | Error> => {
  const lock = `${path}.lock`
  return Effect.andThen(
    makeFolder(path),
    Effect.acquireUseRelease(take(lock), () => body, () => call(() => rm(lock, { force: true })))
  )
}
