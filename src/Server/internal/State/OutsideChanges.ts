/**
 * Changes that other programs make in a store, as far as it tells of them (`ShareStore.changes`): who watches the directory
 * hears of them, and who caches a file, or the directory, is told to look again.
 *
 * A directory is listened to while somebody watches it or caches something in it. Nobody says when that ends: every so
 * often what is still needed is gathered anew. Where a store cannot listen (its platform has only so many watches), clients
 * see such changes when they look: they may cache nothing there, and lose what they cached where the listening ends early.
 *
 * What is heard is what happens in one directory, whatever it is called by now. So a client may cache a file only if that
 * directory is the one that really holds it: another may have its path since, a symbolic link may lead elsewhere, and a
 * file with more than one name can be changed by those that nobody listens to.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import { CompletionFilter, NotifyAction } from "../../../Smb2/Message/Constants.ts"
import * as Events from "../../Events.ts"
import type { ShareStore, StoreChange, StoreError, StoreOpened, StorePath } from "../../ShareStore.ts"
import * as Caching from "./Caching.ts"
import { type FileNode, type FileTable, keyOf } from "./FileTable.ts"
import type { FileOpen } from "./Open.ts"
import type { ServerState } from "./ServerState.ts"
import type { ShareState } from "./ShareState.ts"
import type { Watch } from "./Watch.ts"

/** How often it is looked whether anybody still needs what is listened to. */
const interval = "15 seconds"

/** How long a CREATE that could be cached waits for a store to begin listening; it is answered without caching then. */
const patience = "1 second"

/** A directory that is needed, and whether with all that is below it. */
interface Place {
  readonly directory: StorePath
  readonly recursive: boolean
}

interface Listening extends Place {
  /** Whether every change is told from now on. */
  hears: boolean
  /** Which directory it is that had the path when this began. */
  identity: string | undefined
  /** Opens when it hears, when it will not, and when nobody is to wait for it any more. */
  readonly settled: Latch.Latch
  /** Whether somebody has asked for it since it was last looked who needs it. */
  asked: boolean
  /** Whether somebody may have cached something before it heard. */
  late: boolean
  stop: () => void
}

const nameOf = ({ directory, recursive }: Place): string => `${recursive ? "*" : "="}${keyOf(directory)}`

/** A directory that has gone has no changes, and a store that never tells of any has nothing wrong. */
const expected: ReadonlySet<StoreError["reason"]> = new Set(["NotFound", "PathNotFound", "Stale", "Unsupported"])

/** What a share is listened to for. */
class Listener {
  private readonly server: ServerState
  private readonly share: ShareState
  private readonly changes: NonNullable<ShareStore["changes"]>
  private readonly places = new Map<string, Listening>()
  private sweeping = false
  /** Whether it was said that changes are not told. */
  private isDeaf = false

  constructor(server: ServerState, share: ShareState, changes: NonNullable<ShareStore["changes"]>) {
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
      hears: false,
      identity: undefined,
      settled,
      asked: true,
      late,
      stop: () => {
        listening.hears = false
        stopped.openUnsafe()
      }
    }
    this.places.set(name, listening)
    const identity = Effect.map(this.share.store.stat(place.directory), (node) => node.identity)
    const onStart = (all: boolean) =>
      Effect.map(Effect.orElseSucceed(identity, () => undefined), (now) => {
        // Between the two looks another directory may have taken the path.
        if (now === undefined || now !== listening.identity) return listening.stop()
        listening.hears = all
        this.isDeaf = false
        settled.openUnsafe()
      })
    this.server.run(
      Effect.flatMap(identity, (before) => {
        listening.identity = before
        return Stream.runForEachArray(
          this.changes(place.directory, { recursive: place.recursive, onStart }),
          (changes) => Effect.sync(() => this.heard(place, changes))
        )
      }).pipe(
        Effect.raceFirst(stopped.await),
        Effect.catch((error) => this.complain(error)),
        Effect.onExit((exit) => Effect.sync(() => this.ended(name, listening, exit)))
      )
    )
    this.look()
    return listening
  }

  /**
   * Listens where somebody watches or caches something already: it is taken back where that cannot be. Where another
   * directory has the path by now, it is listened to from now on.
   */
  follow(place: Place): Effect.Effect<void> {
    return Effect.suspend(() => {
      const known = this.places.get(nameOf(place))
      if (known?.hears !== true) {
        if (known === undefined) this.need(place, true)
        return Effect.void
      }
      return Effect.map(this.isStale(known), (stale) => {
        if (stale && this.leave(known)) this.need(place, true)
      })
    })
  }

  /** Whether every change in a directory is told. */
  hears(place: Place): boolean {
    return this.places.get(nameOf(place))?.hears === true
  }

  /** Whether the path stands for another directory by now than the one that is listened to. */
  private isStale({ directory, identity }: Listening): Effect.Effect<boolean> {
    return Effect.match(this.share.store.stat(directory), {
      onFailure: () => false,
      onSuccess: (node) => node.identity !== identity
    })
  }

  /** Ends listening to a directory that has lost its path; whether this did it. */
  private leave(listening: Listening): boolean {
    const name = nameOf(listening)
    if (this.places.get(name) !== listening) return false
    this.places.delete(name)
    listening.stop()
    this.takeAllBack(listening)
    return true
  }

  /** Listens to a directory, which has to be the one that is expected; what is heard is undefined where it is not. */
  listen(place: Place, expected: string): Effect.Effect<Listening | undefined> {
    return Effect.gen({ self: this }, function*() {
      for (let turn = 0; turn < 2; turn++) {
        const listening = this.need(place)
        const { settled } = listening
        if (!listening.hears) {
          yield* Effect.raceFirst(settled.await, Effect.andThen(Effect.sleep(patience), settled.open))
        }
        if (!listening.hears) return undefined
        if (listening.identity === expected) return listening
        if (!(yield* this.isStale(listening))) return undefined
        this.leave(listening)
      }
      return undefined
    })
  }

  /** Says once that changes cannot be told, until they can. */
  private complain(error: StoreError): Effect.Effect<void> {
    if (expected.has(error.reason) || this.isDeaf) return Effect.void
    this.isDeaf = true
    return Events.changesNotTold(this.share.name, error)
  }

  /** It is asked for again when somebody needs it again; what was cached by it is taken back. */
  private ended(name: string, listening: Listening, exit: Exit.Exit<void>): void {
    const { hears, late, settled } = listening
    listening.hears = false
    settled.openUnsafe()
    if (this.places.get(name) !== listening) return
    this.places.delete(name)
    // A server that stops takes nothing back.
    if (!hears && !late || Exit.hasInterrupts(exit)) return
    this.takeAllBack(listening)
  }

  /** What was cached, or kept for who watches, by listening to a directory. */
  private takeAllBack({ directory, recursive }: Listening): void {
    const { table } = this.share
    for (const { file, watches } of table.at(directory)) {
      if (file.directory) this.takeBack(file)
      for (const watch of watches) if (watch.recursive === recursive) watch.lose()
    }
    for (const { file } of table.entries(directory)) if (!file.directory) this.takeBack(file)
  }

  takeBack(file: FileNode): void {
    for (const { holders } of file.streams.values()) {
      for (const holder of Array.from(holders)) Caching.breakTo(this.server, holder, 0)
    }
  }

  private look(): void {
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
    for (const file of changed) this.takeBack(file)
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

/** Where what is cached of a name would be listened to. */
const placeOf = (path: StorePath, directory: boolean): Place => ({
  directory: directory ? path : path.slice(0, -1),
  recursive: false
})

/** Where to listen for what is cached of a file: in the directory that it is in; of a directory, in itself. */
const placesOf = (file: FileNode): ReadonlyArray<Place> => {
  let held = false
  for (const { holders } of file.streams.values()) held ||= holders.size > 0
  if (!held) return []
  return Array.from(file.links, ({ path }) => placeOf(path, file.directory))
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
  const listener = listenerOf(server, open.share)
  if (listener === undefined) return
  const place = { directory: open.path, recursive }
  listener.need(place)
  server.run(listener.follow(place))
}

/** Whether all that others change is heard, so that what clients cache can be taken back. */
export interface Heard {
  readonly hears: boolean
}

const everything: Heard = { hears: true }
const nothing: Heard = { hears: false }

/** Begins to listen for a client that may cache what has a name; waits until that is so, or is known not to be. */
export const listen = (
  server: ServerState,
  share: ShareState,
  path: StorePath,
  { file, node }: StoreOpened
): Effect.Effect<Heard> => {
  const listener = listenerOf(server, share)
  if (listener === undefined) return Effect.succeed(everything)
  const directory = node.type === "directory"
  if (!directory && node.numberOfLinks > 1) return Effect.succeed(nothing)
  const { stat } = share.store
  return Effect.gen(function*() {
    const place = placeOf(path, directory)
    const before = listener.hears(place)
    const expected = directory ? node : yield* file.parent ?? stat(place.directory)
    const heard = yield* listener.listen(place, expected.identity)
    if (heard === undefined) return nothing
    // Who replaced the file before it was listened to was not heard.
    return before || (yield* stat(path)).identity === node.identity ? heard : nothing
  }).pipe(Effect.orElseSucceed(() => nothing))
}

/** An open has another name: what its client caches of it is listened for there. */
export const renamed = ({ holder, path, server, share, stream }: FileOpen): void => {
  const listener = holder === undefined ? undefined : listenerOf(server, share)
  if (listener !== undefined) server.run(listener.follow(placeOf(path, stream.file.directory)))
}

/** A file has one more name, by which others may change it unheard. */
export const linked = ({ server, share, stream }: FileOpen): void => listenerOf(server, share)?.takeBack(stream.file)
