/**
 * What others change in a local folder, as far as the platform tells: names, and whether they are there now.
 *
 * The platform tells of the store's own changes too. Their paths are remembered for a while, and what comes about them is
 * taken for an echo; so a change that somebody else makes to the same name within that time is not told.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { StoreChange, StoreError, StorePath } from "../../ShareStore.ts"
import * as Local from "./Local.ts"

/** Milliseconds in which the platform tells of a change. */
const echo = 2000

/** Changes that wait for a slow reader at most: then the platform's are lost, not the memory. */
const waiting = 4096

/** Remembers the store's own changes while somebody watches. */
export interface Own {
  (path: StorePath): void
  watchers: number
  readonly recent: Map<string, number>
}

export const makeOwn = (): Own => {
  const recent = new Map<string, number>()
  const note = (path: StorePath) => {
    if (own.watchers === 0) return
    const key = path.join("/")
    const now = performance.now()
    recent.delete(key)
    recent.set(key, now)
    for (const [old, time] of recent) {
      if (now - time < echo) break
      recent.delete(old)
    }
  }
  const own: Own = Object.assign(note, { watchers: 0, recent })
  return own
}

export const changes = (place: string, reserved: string, own: Own): Stream.Stream<StoreChange, StoreError> =>
  Stream.callback<StoreChange, StoreError>((queue) =>
    Effect.acquireRelease(
      Effect.try({
        try: () => {
          const watcher = Fs.watch(place, { recursive: true, persistent: false }, (event, name) => {
            if (name === null || name === reserved || name.startsWith(reserved + Path.sep)) return
            const path = name.split(Path.sep)
            const at = own.recent.get(path.join("/"))
            if (at !== undefined && performance.now() - at < echo) return
            if (event === "change") Queue.offerUnsafe(queue, { path, action: "modified" })
            else {
              Fs.lstat(Path.join(place, name), (error) =>
                Queue.offerUnsafe(queue, { path, action: error === null ? "added" : "removed" }))
            }
          })
          watcher.on("error", (error) => {
            Queue.failCauseUnsafe(queue, Cause.fail(Local.toStoreError(error)))
          })
          own.watchers++
          return watcher
        },
        catch: Local.toStoreError
      }),
      (watcher) =>
        Effect.sync(() => {
          own.watchers--
          watcher.close()
        })
    ), { bufferSize: waiting, strategy: "dropping" })
