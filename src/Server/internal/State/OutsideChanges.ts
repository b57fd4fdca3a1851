/**
 * Changes that other programs make in a store, as far as it tells of them (`ShareStore.changes`): who watches the directory
 * hears of them, and who caches a file, or the directory, is told to look again.
 *
 * A directory is listened to while somebody watches it or caches something in it. Nobody says when that ends: every so
 * often what is still needed is gathered anew. Where a store cannot listen (its platform has only so many watches), clients
 * see such changes when they look.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { CompletionFilter, NotifyAction } from "../../../Smb2/Message/Constants.ts"
import type { ShareStore, StoreChange, StorePath } from "../../ShareStore.ts"
import * as Caching from "./Caching.ts"
import { type FileNode, type FileTable, keyOf } from "./FileTable.ts"
import type { FileOpen } from "./Open.ts"
import type { ServerState } from "./ServerState.ts"
import type { ShareState } from "./ShareState.ts"
import type { Watch } from "./Watch.ts"

/** How often it is looked whether anybody still needs what is listened to. */
const interval = "15 seconds"

/** A directory that is needed, and whether with all that is below it. */
interface Place {
  readonly directory: StorePath
  readonly recursive: boolean
}

interface Listening extends Place {
  stop: () => void
}

const nameOf = ({ directory, recursive }: Place): string => `${recursive ? "*" : "="}${keyOf(directory)}`

/** What a share is listened to for. */
class Listener {
  private readonly server: ServerState
  private readonly share: ShareState
  private readonly changes: NonNullable<ShareStore["changes"]>
  private readonly places = new Map<string, Listening>()
  private sweeping = false

  constructor(server: ServerState, share: ShareState, changes: NonNullable<ShareStore["changes"]>) {
    this.server = server
    this.share = share
    this.changes = changes
  }

  need(place: Place): void {
    const name = nameOf(place)
    if (this.places.has(name)) return
    const listening: Listening = { ...place, stop: () => {} }
    this.places.set(name, listening)
    const forget = Effect.sync(() => {
      if (this.places.get(name) === listening) this.places.delete(name)
    })
    this.server.run(
      this.changes(place.directory, { recursive: place.recursive }).pipe(
        Stream.runForEachArray((changes) => Effect.sync(() => this.heard(place, changes))),
        Effect.raceFirst(Effect.callback<void>((resume) => {
          listening.stop = () => resume(Effect.void)
        })),
        Effect.catch((error) => Effect.logDebug(`changes in ${this.share.name} are not told: ${error.message}`)),
        // It is asked for again when somebody needs it again.
        Effect.ensuring(forget)
      )
    )
    if (this.sweeping) return
    this.sweeping = true
    this.server.run(this.sweep)
  }

  /** Ends what nobody needs any more, and goes on where directories have new names. */
  private readonly sweep: Effect.Effect<void> = Effect.delay(
    Effect.suspend(() => {
      const needed = new Map<string, Place>()
      for (const file of this.share.table.files.values()) {
        for (const { path, watches } of file.links) {
          for (const { recursive } of watches) {
            const place = { directory: path, recursive }
            needed.set(nameOf(place), place)
          }
        }
        for (const place of placesOf(file)) needed.set(nameOf(place), place)
      }
      for (const [name, listening] of Array.from(this.places)) if (!needed.has(name)) listening.stop()
      for (const place of needed.values()) this.need(place)
      if (needed.size === 0) {
        this.sweeping = false
        return Effect.void
      }
      return this.sweep
    }),
    interval
  )

  private heard(place: Place, changes: ReadonlyArray<StoreChange>): void {
    const { table } = this.share
    for (const { watches } of table.at(place.directory)) {
      for (const watch of watches) if (watch.recursive === place.recursive) tell(watch, changes)
    }
    const changed = new Set<FileNode>()
    for (const { path } of changes) {
      const whole = [...place.directory, ...path]
      for (const { file } of table.at(whole)) changed.add(file)
      for (const { file } of table.at(whole.slice(0, -1))) if (file.directory) changed.add(file)
    }
    for (const file of changed) {
      for (const stream of file.streams.values()) {
        for (const holder of Array.from(stream.holders)) Caching.breakTo(this.server, holder, 0)
      }
    }
  }
}

const { FILE_NOTIFY_CHANGE_ATTRIBUTES, FILE_NOTIFY_CHANGE_DIR_NAME, FILE_NOTIFY_CHANGE_FILE_NAME } = CompletionFilter
const { FILE_NOTIFY_CHANGE_LAST_WRITE, FILE_NOTIFY_CHANGE_SIZE } = CompletionFilter

/** What a change may be to a watch, and what it is called. The storage does not say more. */
const kinds: Record<StoreChange["action"], { readonly filter: number; readonly action: number }> = {
  added: {
    filter: FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME,
    action: NotifyAction.FILE_ACTION_ADDED
  },
  removed: {
    filter: FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME,
    action: NotifyAction.FILE_ACTION_REMOVED
  },
  modified: {
    filter: FILE_NOTIFY_CHANGE_ATTRIBUTES | FILE_NOTIFY_CHANGE_SIZE | FILE_NOTIFY_CHANGE_LAST_WRITE,
    action: NotifyAction.FILE_ACTION_MODIFIED
  }
}

const tell = (watch: Watch, changes: ReadonlyArray<StoreChange>): void => {
  const heard = changes.filter(({ action }) => (watch.filter & kinds[action].filter) !== 0)
    .map(({ action, path }) => ({ action: kinds[action].action, fileName: path.join("\\") }))
  if (heard.length > 0) watch.push(heard)
}

/** Where to listen for what is cached of a file: in the directory that it is in; of a directory, in itself. */
const placesOf = (file: FileNode): ReadonlyArray<Place> => {
  let held = false
  for (const { holders } of file.streams.values()) held ||= holders.size > 0
  if (!held) return []
  return Array.from(file.links, ({ path }) => ({
    directory: file.directory ? path : path.slice(0, -1),
    recursive: false
  }))
}

const listeners = new WeakMap<FileTable, Listener>()

const listenerOf = (server: ServerState, share: ShareState): Listener | undefined => {
  const known = listeners.get(share.table)
  if (known !== undefined) return known
  const { changes } = share.store
  if (changes === undefined) return undefined
  const made = new Listener(server, share, changes)
  listeners.set(share.table, made)
  return made
}

/** Somebody watches a directory from now on. */
export const forWatch = (server: ServerState, { open, recursive }: Watch): void => {
  listenerOf(server, open.share)?.need({ directory: open.path, recursive })
}

/** Somebody may cache what an open is of from now on. */
export const forHolder = ({ holder, server, share, stream }: FileOpen): void => {
  if (holder === undefined || share.store.changes === undefined) return
  const listener = listenerOf(server, share)
  for (const place of placesOf(stream.file)) listener?.need(place)
}
