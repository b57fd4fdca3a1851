/**
 * The changes of other programs in a folder, as far as the platform reports them: names, and whether they exist now.
 *
 * The platform reports the store's own changes too. The time of each own change is remembered for a while, by path: a
 * file that has not changed since is an echo. If two changes have the same time on the platform's clock of files (a few
 * milliseconds), the second one may not be reported.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type StoreChange, StoreError, storeError, type StorePath } from "../../ShareStore.ts"
import * as Local from "./Local.ts"

/** Milliseconds within which the platform reports a change. */
const echo = 2000

/**
 * Milliseconds for which changes of one name are gathered before a look at it, and how often the look is delayed at
 * most.
 */
const gathering = 20
const largestDelays = 50

/** Most changes that wait for a slow reader. With more, the stream fails, and its reader must list the folder again. */
const waiting = 4096

interface Recent {
  running: number
  /** Milliseconds since 1970. */
  ended: number
  /** Whether the change removed the name. */
  gone: boolean
}

/** Remembers the store's own changes while a watcher exists. */
export class OwnChanges {
  watchers = 0
  private readonly recent = new Map<string, Recent>()

  /** Runs a change of these names; `gone` are the names that it removes. */
  async during<A>(
    names: ReadonlyArray<StorePath>,
    body: () => Promise<A>,
    gone: ReadonlyArray<StorePath> = []
  ): Promise<A> {
    if (this.watchers === 0) return body()
    const all = [...names.map((path) => [path, false] as const), ...gone.map((path) => [path, true] as const)]
    for (const [path] of all) this.entry(path).running++
    try {
      return await body()
    } finally {
      const now = Date.now()
      for (const [path, isGone] of all) {
        const key = path.join("/")
        const entry = this.entry(path)
        entry.running--
        entry.ended = now
        entry.gone = isGone
        // The oldest first.
        this.recent.delete(key)
        this.recent.set(key, entry)
      }
      for (const [old, { ended, running }] of this.recent) {
        if (now - ended < echo) break
        if (running === 0) this.recent.delete(old)
      }
    }
  }

  find(path: StorePath): Recent | undefined {
    return this.recent.get(path.join("/"))
  }

  private entry(path: StorePath): Recent {
    const key = path.join("/")
    const known = this.recent.get(key)
    if (known !== undefined) return known
    const made = { running: 0, ended: 0, gone: false }
    this.recent.set(key, made)
    return made
  }
}

const identityOf = ({ dev, ino }: Fs.BigIntStats): string => `${dev}/${ino}`

/** One watched directory. */
class Watcher {
  private readonly place: string
  private readonly path: StorePath
  private readonly reserved: string
  private readonly own: OwnChanges
  private readonly tell: (change: StoreChange) => void
  private readonly fail: (error: unknown) => void
  private readonly identity: string
  /** The looks that are due, by name. */
  private readonly due = new Map<string, { readonly timer: NodeJS.Timeout; readonly action: "modified" | "added" }>()
  private readonly platform: Fs.FSWatcher

  constructor(fields: {
    readonly place: string
    readonly path: StorePath
    readonly reserved: string
    readonly recursive: boolean
    readonly own: OwnChanges
    readonly tell: (change: StoreChange) => void
    readonly fail: (error: unknown) => void
  }) {
    this.place = fields.place
    this.path = fields.path
    this.reserved = fields.reserved
    this.own = fields.own
    this.tell = fields.tell
    this.fail = fields.fail
    this.identity = identityOf(Fs.statSync(this.place, { bigint: true }))
    this.platform = Fs.watch(this.place, { recursive: fields.recursive, persistent: false }, (event, name) => {
      if (name !== null) this.heard(event, name)
    })
    this.platform.on("error", fields.fail)
    this.own.watchers++
  }

  close(): void {
    this.own.watchers--
    this.platform.close()
    for (const { timer } of this.due.values()) clearTimeout(timer)
    this.due.clear()
  }

  private heard(event: string, name: string): void {
    // The reserved name is skipped in every directory: each file system that is mounted below has a sidecar.
    if (name.includes(this.reserved) && name.split(Path.sep).includes(this.reserved)) return
    // When the directory itself is removed or renamed, Linux reports it by its own name, and reports nothing
    // afterwards.
    if (event === "rename" && name === Path.basename(this.place)) this.checkPlace()
    // A name that was added or removed is more important than one that changed.
    if (event === "change" && this.due.has(name)) return
    this.later(name, event === "change" ? "modified" : "added", largestDelays)
  }

  /** Fails if the directory was removed, or another directory has taken its place. */
  private checkPlace(): void {
    Fs.stat(this.place, { bigint: true }, (error, stats) => {
      if (error !== null) this.fail(error)
      else if (identityOf(stats) !== this.identity) this.fail(storeError("Stale"))
    })
  }

  private later(name: string, action: "modified" | "added", delays: number): void {
    clearTimeout(this.due.get(name)?.timer)
    const timer = setTimeout(() => {
      const own = this.own.find([...this.path, ...name.split(Path.sep)])
      if (own !== undefined && own.running > 0 && delays > 0) {
        this.later(name, action, delays - 1)
        return
      }
      this.due.delete(name)
      this.look(name, action, own, delays)
    }, gathering).unref()
    this.due.set(name, { timer, action })
  }

  private look(name: string, action: "modified" | "added", own: Recent | undefined, delays: number): void {
    const path = name.split(Path.sep)
    const ended = own?.ended
    Fs.lstat(Path.join(this.place, name), (error, stats) => {
      // The store changed the file during the look: the result can be from before or after the change.
      if (own !== undefined && (own.running > 0 || own.ended !== ended) && delays > 0) {
        this.later(name, this.due.get(name)?.action === "added" ? "added" : action, delays - 1)
        return
      }
      const isEcho = own !== undefined && Date.now() - own.ended < 2 * echo &&
        // A change inside a directory also changes its time.
        (error === null ? !own.gone && (stats.isDirectory() || Math.floor(stats.ctimeMs) <= own.ended) : own.gone)
      if (!isEcho) this.tell({ path, action: error === null ? action : "removed" })
    })
  }
}

/** The changes of other programs in the directory at `path`, which is at `place` on the platform. */
export const changes = (fields: {
  readonly find: Effect.Effect<{ readonly place: string; readonly path: StorePath; readonly all: boolean }, StoreError>
  readonly reserved: string
  readonly recursive: boolean
  readonly own: OwnChanges
  readonly onStart: ((all: boolean) => Effect.Effect<void>) | undefined
}): Stream.Stream<StoreChange, StoreError> =>
  Stream.callback<StoreChange, StoreError>(
    (queue) =>
      Effect.flatMap(fields.find, ({ all, path, place }) => {
        const fail = (error: unknown) => {
          const reason = error instanceof StoreError ? error : Local.toStoreError(error)
          Queue.failCauseUnsafe(queue, Cause.fail(reason))
        }
        return Effect.acquireRelease(
          Effect.try({
            try: () =>
              new Watcher({
                ...fields,
                path,
                place,
                tell: (change) => {
                  if (!Queue.offerUnsafe(queue, change)) fail(storeError("Busy"))
                },
                fail
              }),
            catch: Local.toStoreError
          }),
          (watcher) => Effect.sync(() => watcher.close())
        ).pipe(Effect.tap(() => fields.onStart?.(all) ?? Effect.void))
      }),
    { bufferSize: waiting, strategy: "dropping" }
  )
