/**
 * Private files: they are read only if they belong to this user or to root, and no other user can read or change them.
 * They are replaced as a whole.
 *
 * A failure is a reason, and never contains a line of the file.
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import type { Stats } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { mkdir, open, rename, rm, stat } from "node:fs/promises"
import { dirname } from "node:path"

/**
 * Why a file is refused.
 *
 * @since 0.1.0
 */
export type Reason = "FileNotFound" | "FileNotReadable" | "FileReadableByOthers" | "FileOwnedByOthers"

const codeOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException).code

/**
 * Whether a file belongs to the user of this process or to root. Any other owner can write it at any time, no matter which
 * mode it has now.
 *
 * @since 0.2.0
 */
export const isTrusted = ({ uid }: Pick<Stats, "uid">): boolean => uid === 0 || uid === process.geteuid?.()

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
        if (process.platform !== "win32" && stats.isFile()) {
          if (!isTrusted(stats)) return yield* Effect.fail<Reason>("FileOwnedByOthers")
          if ((stats.mode & 0o077) !== 0) return yield* Effect.fail<Reason>("FileReadableByOthers")
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

/** Milliseconds. A lock that stays longer was left behind by a process that has ended. */
const abandoned = 5_000
const pause = "20 millis"

const make = (lock: string): Effect.Effect<void, Error> => call(async () => (await open(lock, "wx", 0o600)).close())

const remove = (lock: string): Effect.Effect<void, Error> => call(() => rm(lock, { force: true }))

/** A lock file that a process waits for. */
interface Lock {
  /** Differs from that of any other file with the same name. */
  readonly identity: string
  /** Milliseconds since 1970, by the clock of the file system. */
  readonly made: number
  /** When this process saw it first, in milliseconds. No change of the system's clock changes this. */
  readonly seen: number
}

const find = (path: string): Effect.Effect<Lock | undefined, Error> =>
  Effect.catch(
    call(async (): Promise<Lock | undefined> => {
      const { ctimeMs, dev, ino, mtimeMs } = await stat(path)
      return { identity: `${dev} ${ino} ${mtimeMs} ${ctimeMs}`, made: mtimeMs, seen: performance.now() }
    }),
    (cause) => codeOf(cause) === "ENOENT" ? Effect.succeed(undefined) : Effect.fail(cause)
  )

/**
 * Removes a lock that was left behind. Only one process does this at a time. Otherwise a second one could remove the
 * new lock that the first one made after it had removed the old lock.
 */
const removeAbandoned = Effect.fnUntraced(function*(path: string, { identity }: Lock): Effect.fn.Return<void, Error> {
  const removal = `${path}.removal`
  yield* Effect.acquireUseRelease(
    make(removal),
    () => Effect.flatMap(find(path), (now) => now?.identity === identity ? remove(path) : Effect.void),
    () => remove(removal)
  ).pipe(
    Effect.catch(Effect.fnUntraced(function*(cause) {
      if (codeOf(cause) !== "EEXIST") return yield* Effect.fail(cause)
      const other = yield* find(removal)
      // A removal takes much less time.
      if (other !== undefined && Math.abs(Date.now() - other.made) > abandoned) yield* remove(removal)
      else yield* Effect.sleep(pause)
    }))
  )
})

/** Makes a lock file, and waits while another process has it. `before` is the lock that the process waited for. */
const take = (path: string, before?: Lock): Effect.Effect<void, Error> =>
  Effect.catch(
    make(path),
    Effect.fnUntraced(function*(cause) {
      if (codeOf(cause) !== "EEXIST") return yield* Effect.fail(cause)
      const now = yield* find(path)
      if (now === undefined) return yield* take(path)
      const lock = before?.identity === now.identity ? before : now
      // The second condition is for a clock that was set back: the lock then seems to be made in the future.
      const isAbandoned = Date.now() - lock.made > abandoned || performance.now() - lock.seen > abandoned
      if (isAbandoned) yield* removeAbandoned(path, lock)
      else yield* Effect.sleep(pause)
      return yield* take(path, lock)
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
    Effect.acquireUseRelease(take(lock), () => body, () => remove(lock))
  )
}
