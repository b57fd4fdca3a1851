/**
 * An `OpenStore` in a file, by the SQLite of Node (`node:sqlite`). The file belongs to one server at a time: its lock
 * ends with the process, also by SIGKILL.
 *
 * SQLite works in its own thread, so a slow disk delays the requests that wait for it, and no other client. The
 * module `node:sqlite` is loaded there, when a server starts with such a store.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { mkdir, open, stat } from "node:fs/promises"
import { dirname } from "node:path"
import * as SqliteThread from "./internal/State/SqliteThread.ts"
import { type Claimed, type Entry, OpenStore, OpenStoreError, type OpenStoreReason } from "./OpenStore.ts"
import * as PrivateFile from "./PrivateFile.ts"

/**
 * Options of the file.
 *
 * @category models
 * @since 0.2.0
 */
export interface SqliteOpenStoreOptions {
  /**
   * `full`: an open survives a power failure of the machine too; each commit waits for the disk. `normal`: it survives
   * the end of the process, and after a power failure the last opens can be missing. Default: `full`.
   */
  readonly synchronous?: "full" | "normal" | undefined
}

/** Makes the file, if it does not exist, so that only this user can read it. */
const makePrivate = async (path: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  try {
    await (await open(path, "wx", 0o600)).close()
  } catch (cause) {
    // An existing file is not opened: to close it again would end the lock of a server in this process (POSIX locks).
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause
  }
}

/** Any user who can change the file can take the open files of others. */
const isPrivate = async (path: string): Promise<boolean> => {
  const stats = await stat(path)
  return process.platform === "win32" || PrivateFile.isTrusted(stats) && (stats.mode & 0o077) === 0
}

const claim = Effect.fnUntraced(function*(
  path: string,
  synchronous: "full" | "normal"
): Effect.fn.Return<Claimed, OpenStoreError, Scope.Scope> {
  const error = (reason: OpenStoreReason) => new OpenStoreError({ reason })
  const failed = (cause: unknown) => error({ _tag: "Failed", store: path, cause })
  const prepared = yield* Effect.tryPromise({
    try: async () => {
      await makePrivate(path)
      return await isPrivate(path)
    },
    catch: failed
  })
  if (!prepared) return yield* error({ _tag: "NotPrivate", store: path })
  const fault = ({ detail, kind }: SqliteThread.Fault): OpenStoreError =>
    kind === "busy"
      ? error({ _tag: "InUse", store: path })
      : kind === "version"
      ? error({ _tag: "OtherVersion", store: path })
      : kind === "damaged"
      ? error({ _tag: "Damaged", store: path, detail })
      : failed(new Error(detail))
  const thread = yield* Effect.acquireRelease(
    Effect.sync(() => SqliteThread.start({ path, synchronous })),
    (thread) => thread.stop
  )
  const entries = yield* Effect.mapError(thread.load, fault)
  return {
    place: path,
    entries: entries.map(([open, part, value]): Entry => ({ open, part, value })),
    commit: (changes) =>
      Effect.mapError(
        Effect.suspend(() => thread.commit(changes.map(({ open, part, value }) => [open, part, value]))),
        fault
      )
  }
})

/**
 * Keeps persistent opens in a file of SQLite, which is made with its folder if it does not exist, and which only the
 * user of this process, or root, may be able to read and change. It must be on a local disk, where locks work. Next to
 * it SQLite has a file with `-wal` at the end of its name: both belong together.
 *
 * `claim` fails with `InUse` if another server has the file, `NotPrivate`, `OtherVersion`, `Damaged`, or `Failed`.
 *
 * @example
 * ```ts
 * export const Available = SmbServer.layer({
 *   shares: { data: { store: LocalStore.make("/srv/data"), continuousAvailability: true } }
 * }).pipe(Layer.provide([
 *   UserStore.layerFromFile("/etc/effect-smb/users"),
 *   IdentityStore.layerFromFile("/var/lib/effect-smb/identity.json"),
 *   SqliteOpenStore.layer("/var/lib/effect-smb/opens.sqlite")
 * ]))
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (path: string, options: SqliteOpenStoreOptions = {}): OpenStore["Service"] => ({
  claim: claim(path, options.synchronous ?? "full")
})

/**
 * `make` as a layer. The file is opened when the server starts.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (path: string, options?: SqliteOpenStoreOptions): Layer.Layer<OpenStore> =>
  Layer.sync(OpenStore, () => make(path, options))
