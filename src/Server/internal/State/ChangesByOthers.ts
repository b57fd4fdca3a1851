/**
 * Changes that other programs make in a store, as far as the store reports them (`ShareStore.changes`). Clients that
 * watch the directory are told, and the caches of the file and of the directory are broken.
 *
 * The server listens to a directory while a client watches it or caches something in it. No event says when that ends,
 * so the server regularly collects the directories that it still needs. If a store cannot listen (its platform limits
 * the number of watches), clients see such changes only when they look: they get no caching there, and lose their
 * caches if the listening ends early.
 *
 * The server hears the changes in one directory, under any name that the directory has now. So a client may cache a
 * file only if that directory really holds it: another directory may have the path since, or a symbolic link may lead
 * elsewhere. And a file with several names can be changed by names in directories that the server does not listen to.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import { CompletionFilter, NotifyAction } from "../../../Smb2/Message/Constants.ts"
import * as Events from "../../Events.ts"
import type { ShareStore, StoreChange, StoreError, StoreOpened, StorePath, StoreReason } from "../../ShareStore.ts"
import { keyOf } from "./FileTable.ts"
import type { FileNode, FileOpen, FileTable, Server, Share, Watch } from "./Model.ts"
import type * as OpenFiles from "./OpenFiles.ts"
import * as OplocksAndLeases from "./OplocksAndLeases.ts"

/** How often the server checks which directories it still has to listen to. */
const interval = "15 seconds"

/** How long a CREATE waits for a store to begin listening. After that, its response grants no caching. */
const startTimeout = "1 second"

/** A directory that is needed, and whether with everything below it. */
interface Place {
  readonly directory: StorePath
  readonly recursive: boolean
}

interface Listening extends Place {
  /** Whether the store reports every change from now on. */
  complete: boolean
  /** The identity of the directory that had the path when this began. */
  identity: string | undefined
  /** Opens when the store reports changes, when it will not, and when no request should wait for it any more. */
  readonly settled: Latch.Latch
  /** Whether a request has needed it since the last check. */
  asked: boolean
  /** Whether a client may have cached something before the store began to report. */
  late: boolean
  stop: () => void
}

const nameOf = ({ directory, recursive }: Place): string => `${recursive ? "*" : "="}${keyOf(directory)}`

/** Errors that are no fault: a removed directory has no changes, and some stores never report any. */
const expected: ReadonlySet<StoreReason["_tag"]> = new Set(["NotFound", "PathNotFound", "Stale", "Unsupported"])

/** The directories of a share that the server listens to. */
class Listener {
  private readonly server: Server
  private readonly share: Share
  private readonly changes: NonNullable<ShareStore["changes"]>
  private readonly places = new Map<string, Listening>()
  private sweeping = false
  /** Whether the log already says that changes are not reported. */
  private failureLogged = false

  constructor(server: Server, share: Share, changes: NonNullable<ShareStore["changes"]>) {
    this.server = server
    this.share = share
    this.changes = changes
  }

  need(place: Place, late = false): Listening {
    const name = nameOf(place)
    const known = this.places.get(name)
    if (known !== undefined) {
      known.asked = true
      return known
    }
    const settled = Latch.makeUnsafe()
    const stopped = Latch.makeUnsafe()
    const listening: Listening = {
      ...place,
      complete: false,
      identity: undefined,
      settled,
      asked: true,
      late,
      stop: () => {
        listening.complete = false
        stopped.openUnsafe()
      }
    }
    this.places.set(name, listening)
    const identity = Effect.map(this.share.store.stat(place.directory), (node) => node.identity)
    const onStart = (all: boolean) =>
      Effect.map(Effect.orElseSucceed(identity, () => undefined), (now) => {
        // Another directory may have taken the path between the two lookups.
        if (now === undefined || now !== listening.identity) return listening.stop()
        listening.complete = all
        this.failureLogged = false
        settled.openUnsafe()
      })
    this.server.run(
      Effect.flatMap(identity, (before) => {
        listening.identity = before
        return Stream.runForEachArray(
          this.changes(place.directory, { recursive: place.recursive, onStart }),
          (changes) => Effect.sync(() => this.received(place, changes))
        )
      }).pipe(
        Effect.raceFirst(stopped.await),
        Effect.catch((error) => this.logFailure(error)),
        Effect.onExit((exit) => Effect.sync(() => this.ended(name, listening, exit)))
      )
    )
    this.look()
    return listening
  }

  /**
   * Listens to a place that a client already watches or caches; if that fails, the caches are broken. If another
   * directory has the path now, listens to that one from now on.
   */
  follow(place: Place): Effect.Effect<void> {
    return Effect.suspend(() => {
      const known = this.places.get(nameOf(place))
      if (known?.complete !== true) {
        if (known === undefined) this.need(place, true)
        return Effect.void
      }
      return Effect.map(this.isStale(known), (stale) => {
        if (stale && this.leave(known)) this.need(place, true)
      })
    })
  }

  /** Whether the store reports every change in a directory. */
  isComplete(place: Place): boolean {
    return this.places.get(nameOf(place))?.complete === true
  }

  /** Whether the path now stands for another directory than the one that the server listens to. */
  private isStale({ directory, identity }: Listening): Effect.Effect<boolean> {
    return Effect.match(this.share.store.stat(directory), {
      onFailure: () => false,
      onSuccess: (node) => node.identity !== identity
    })
  }

  /** Ends listening to a directory that has lost its path. Gives whether this call ended it. */
  private leave(listening: Listening): boolean {
    const name = nameOf(listening)
    if (this.places.get(name) !== listening) return false
    this.places.delete(name)
    listening.stop()
    this.breakAllCaches(listening)
    return true
  }

  /**
   * Listens to a directory, which must have the identity `expected`; gives undefined if it does not, or if listening
   * fails.
   */
  listen(place: Place, expected: string): Effect.Effect<Listening | undefined> {
    return Effect.gen({ self: this }, function*() {
      for (let turn = 0; turn < 2; turn++) {
        const listening = this.need(place)
        const { settled } = listening
        if (!listening.complete) {
          yield* Effect.raceFirst(settled.await, Effect.andThen(Effect.sleep(startTimeout), settled.open))
        }
        if (!listening.complete) return undefined
        if (listening.identity === expected) return listening
        if (!(yield* this.isStale(listening))) return undefined
        this.leave(listening)
      }
      return undefined
    })
  }

  /** Writes to the log that changes cannot be reported: once, until they are reported again. */
  private logFailure(error: StoreError): Effect.Effect<void> {
    if (expected.has(error.reason._tag) || this.failureLogged) return Effect.void
    this.failureLogged = true
    return Events.changesNotTold(this.share.name, error)
  }

  /** Listening has ended. It begins again when a client needs it. The caches that depended on it are broken. */
  private ended(name: string, listening: Listening, exit: Exit.Exit<void>): void {
    const { complete, late, settled } = listening
    listening.complete = false
    settled.openUnsafe()
    if (this.places.get(name) !== listening) return
    this.places.delete(name)
    // A server that stops breaks no caches.
    if (!complete && !late || Exit.hasInterrupts(exit)) return
    this.breakAllCaches(listening)
  }

  /** Breaks the caches, and marks the watches as incomplete, that depended on listening to a directory. */
  private breakAllCaches({ directory, recursive }: Listening): void {
    const { table } = this.share
    for (const { file, watches } of table.at(directory)) {
      if (file.directory) this.breakCaches(file)
      for (const watch of watches) if (watch.recursive === recursive) watch.lose()
    }
    for (const { file } of table.entries(directory)) if (!file.directory) this.breakCaches(file)
  }

  breakCaches(file: FileNode): void {
    for (const { leases } of file.streams.values()) {
      for (const lease of Array.from(leases)) OplocksAndLeases.breakTo(this.server, lease, 0)
    }
  }

  private look(): void {
    if (this.sweeping) return
    this.sweeping = true
    this.server.run(this.sweep)
  }

  /** Ends listening that no client needs any more, and follows directories to their new names. */
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
      for (const [name, listening] of Array.from(this.places)) {
        const { asked } = listening
        listening.asked = false
        if (asked || needed.has(name)) continue
        this.places.delete(name)
        listening.stop()
      }
      return Effect.andThen(
        Effect.forEach(needed.values(), (place) => this.follow(place), { discard: true }),
        Effect.suspend(() => {
          if (this.places.size > 0) return this.sweep
          this.sweeping = false
          return Effect.void
        })
      )
    }),
    interval
  )

  private received(place: Place, changes: ReadonlyArray<StoreChange>): void {
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
    for (const file of changed) this.breakCaches(file)
  }
}

const { FILE_NOTIFY_CHANGE_ATTRIBUTES, FILE_NOTIFY_CHANGE_DIR_NAME, FILE_NOTIFY_CHANGE_FILE_NAME } = CompletionFilter
const { FILE_NOTIFY_CHANGE_LAST_WRITE, FILE_NOTIFY_CHANGE_SIZE } = CompletionFilter

/** The kinds of watched changes that a store's change may be, and its action. The storage reports no more detail. */
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

const tell = (watch: OpenFiles.Watch<FileOpen>, changes: ReadonlyArray<StoreChange>): void => {
  const heard = changes.filter(({ action }) => (watch.filter & kinds[action].filter) !== 0)
    .map(({ action, path }) => ({ action: kinds[action].action, fileName: path.join("\\") }))
  if (heard.length > 0) watch.push(heard)
}

/** The place to listen to for the caches of a name. */
const placeOf = (path: StorePath, directory: boolean): Place => ({
  directory: directory ? path : path.slice(0, -1),
  recursive: false
})

/** The places to listen to for the caches of a file: the directories that hold it; for a directory, itself. */
const placesOf = (file: FileNode): ReadonlyArray<Place> => {
  let held = false
  for (const { leases } of file.streams.values()) held ||= leases.size > 0
  if (!held) return []
  return Array.from(file.links, ({ path }) => placeOf(path, file.directory))
}

const listeners = new WeakMap<FileTable, Listener>()

const listenerOf = (server: Server, share: Share): Listener | undefined => {
  const known = listeners.get(share.table)
  if (known !== undefined) return known
  const { changes } = share.store
  if (changes === undefined) return undefined
  const made = new Listener(server, share, changes)
  listeners.set(share.table, made)
  return made
}

/** Begins to listen for a client that watches a directory. */
export const forWatch = (server: Server, { open, recursive }: Watch): void => {
  const listener = listenerOf(server, open.share)
  if (listener === undefined) return
  const place = { directory: open.path, recursive }
  listener.need(place)
  server.run(listener.follow(place))
}

/** Whether the server learns of all changes by other programs, so that it can break the caches of clients. */
export interface ChangeReports {
  readonly complete: boolean
}

const everything: ChangeReports = { complete: true }
const nothing: ChangeReports = { complete: false }

/** Begins to listen for a client that may cache the file of a name. Waits until listening has begun or failed. */
export const listen = (
  server: Server,
  share: Share,
  path: StorePath,
  { file, node }: StoreOpened
): Effect.Effect<ChangeReports> => {
  const listener = listenerOf(server, share)
  if (listener === undefined) return Effect.succeed(everything)
  const directory = node.type === "directory"
  if (!directory && node.numberOfLinks > 1) return Effect.succeed(nothing)
  const { stat } = share.store
  return Effect.gen(function*() {
    const place = placeOf(path, directory)
    const before = listener.isComplete(place)
    const expected = directory ? node : yield* file.parent ?? stat(place.directory)
    const heard = yield* listener.listen(place, expected.identity)
    if (heard === undefined) return nothing
    // If another program replaced the file before the listening began, the server did not hear it.
    return before || (yield* stat(path)).identity === node.identity ? heard : nothing
  }).pipe(Effect.orElseSucceed(() => nothing))
}

/** After a rename of an open: listens at the new name for its client's cache. */
export const renamed = ({ lease, path, server, share, stream }: FileOpen): void => {
  const listener = lease === undefined ? undefined : listenerOf(server, share)
  if (listener !== undefined) server.run(listener.follow(placeOf(path, stream.file.directory)))
}

/** A file has a further name, by which other programs may change it without a report: breaks its caches. */
export const linked = ({ server, share, stream }: FileOpen): void => listenerOf(server, share)?.breakCaches(stream.file)
