/**
 * Change notification (MS-SMB2 3.3.1.3, MS-FSA 2.1.5.11): the changes in a directory that an open is told of.
 *
 * A watch begins with the first CHANGE_NOTIFY of an open. It keeps the changes between two requests, up to the buffer
 * size of the first one. If there were more, the client is told to list the directory itself.
 */
import * as Codec from "../../../Codec/Codec.ts"
import { FileNotifyInformations } from "../../../Smb2/Message/ChangeNotify.ts"
import type { StorePath } from "../../ShareStore.ts"
import type { FileOpen, FileTable, Server, Session, Watch } from "./Model.ts"
import type * as OpenFiles from "./OpenFiles.ts"
import type { Change, ChangesFound } from "./OpenFiles.ts"

const encode = Codec.encode(FileNotifyInformations)

/** The bytes of a response, or undefined if they do not fit. */
export const encodeChanges = (changes: ReadonlyArray<Change>, room: number): Uint8Array | undefined => {
  const bytes = encode(changes)
  return bytes.length > room ? undefined : bytes
}

/**
 * @category models
 */
export class DirectoryWatch implements Watch {
  readonly open: FileOpen
  /** The session of the watch. */
  readonly session: Session
  readonly filter: number
  readonly recursive: boolean
  private readonly room: number
  private changes: Array<Change> = []
  private size = 0
  private overflow = false
  private readonly waiting: Array<(found: ChangesFound) => void> = []

  constructor(open: FileOpen, session: Session, filter: number, recursive: boolean, room: number) {
    this.open = open
    this.session = session
    this.filter = filter
    this.recursive = recursive
    this.room = room
  }

  private get server(): Server {
    return this.open.server
  }

  /** Forgets the changes that it has kept. */
  forget(): void {
    this.server.notified -= this.size
    this.open.usage.notified -= this.size
    this.changes = []
    this.size = 0
  }

  /** The changes since the last time; undefined if there were none. */
  take(): ChangesFound | undefined {
    if (this.overflow) {
      this.overflow = false
      return { changes: undefined }
    }
    if (this.changes.length === 0) return undefined
    const { changes } = this
    this.forget()
    return { changes }
  }

  /** Waits for the next changes; gives a function that removes the callback. */
  next(then: (found: ChangesFound) => void): () => void {
    this.waiting.push(then)
    return () => {
      const at = this.waiting.indexOf(then)
      if (at >= 0) this.waiting.splice(at, 1)
    }
  }

  /** Some changes are not known: the client is told to list the directory itself. */
  lose(): void {
    this.overflow = true
    this.forget()
    const then = this.waiting.shift()
    if (then !== undefined) then(this.take()!)
  }

  push(changes: ReadonlyArray<Change>): void {
    let size = 0
    for (const change of changes) size += 16 + change.fileName.length * 2
    const { limits, notified } = this.server
    const { usage } = this.open
    // If a request waits for the change, the change is not kept.
    const isKept = this.waiting.length === 0
    if (
      this.overflow || this.size + size > this.room ||
      isKept && (notified + size > limits.serverNotifications || usage.notified + size > limits.userNotifications)
    ) {
      this.overflow = true
      this.forget()
    } else {
      this.changes.push(...changes)
      this.size += size
      this.server.notified += size
      usage.notified += size
    }
    const then = this.waiting.shift()
    if (then !== undefined) then(this.take()!)
  }
}

/**
 * Tells the watches of changes, in their order. `filter` is the kind of the changes. Watches that wait for one of the kinds
 * in `except` know of them already.
 */
export const report = (
  table: FileTable,
  filter: number,
  changes: ReadonlyArray<{ readonly action: number; readonly path: StorePath; readonly stream?: string }>,
  except = 0
): void => {
  if (table.watching === 0) return
  const heard = new Map<OpenFiles.Watch<FileOpen>, Array<Change>>()
  for (const { action, path, stream } of changes) {
    for (const watch of watchesOf(table, path)) {
      if ((watch.filter & filter) === 0 || (watch.filter & except) !== 0) continue
      const fileName = path.slice(watch.open.path.length).join("\\") + (stream === undefined ? "" : `:${stream}`)
      const known = heard.get(watch)
      if (known === undefined) heard.set(watch, [{ action, fileName }])
      else known.push({ action, fileName })
    }
  }
  for (const [watch, changes] of heard) watch.push(changes)
}

/** The watches that cover a path: of its directory, and recursive ones further up. */
function* watchesOf(table: FileTable, path: StorePath): IterableIterator<OpenFiles.Watch<FileOpen>> {
  for (let depth = path.length - 1; depth >= 0; depth--) {
    for (const { watches } of table.at(path.slice(0, depth))) {
      for (const watch of watches) if (watch.recursive || depth === path.length - 1) yield watch
    }
  }
}

/** From now on a watch receives changes. */
export const begin = (watch: Watch): void => {
  const { open } = watch
  open.watch = watch
  open.link.watches.add(watch)
  open.table.watching++
  open.usage.watches++
  open.server.watches++
  watch.session.watches++
}

/** Ends the watch of an open, if it has one. */
export const end = (open: FileOpen): void => {
  if (open.watch === undefined || !open.link.watches.delete(open.watch)) return
  open.table.watching--
  open.usage.watches--
  open.server.watches--
  open.watch.session.watches--
  open.watch.forget()
}
