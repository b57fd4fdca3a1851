/**
 * Change notification (MS-SMB2 3.3.1.3, MS-FSA 2.1.5.11): what an open directory hears of changes in it.
 *
 * A watch begins with the first CHANGE_NOTIFY of an open and keeps what happens between two of them, up to the buffer
 * that the first one had; where more happened, the client is told to look for itself.
 */
import * as Codec from "../../../Codec/Codec.ts"
import { FileNotifyInformations } from "../../../Smb2/Message/ChangeNotify.ts"
import type { StorePath } from "../../ShareStore.ts"
import type { FileOpen } from "./Open.ts"
import { isWithin, type ShareState } from "./ShareState.ts"

/** One line of what happened. */
export interface Change {
  readonly action: number
  readonly fileName: string
}

/** What a request that waits gets: changes, or that there were too many. */
export type Heard = { readonly changes: ReadonlyArray<Change> | undefined }

const encode = Codec.encode(FileNotifyInformations)

/** The bytes of a response, or undefined where they do not fit. */
export const encodeChanges = (changes: ReadonlyArray<Change>, room: number): Uint8Array | undefined => {
  const bytes = encode(changes)
  return bytes.length > room ? undefined : bytes
}

/**
 * @category models
 */
export class Watch {
  readonly open: FileOpen
  readonly filter: number
  readonly recursive: boolean
  private readonly room: number
  private changes: Array<Change> = []
  private size = 0
  private overflow = false
  private readonly waiting: Array<(heard: Heard) => void> = []

  constructor(open: FileOpen, filter: number, recursive: boolean, room: number) {
    this.open = open
    this.filter = filter
    this.recursive = recursive
    this.room = room
  }

  /** What has happened since the last time; undefined where nothing did. */
  take(): Heard | undefined {
    if (this.overflow) {
      this.overflow = false
      return { changes: undefined }
    }
    if (this.changes.length === 0) return undefined
    const { changes } = this
    this.changes = []
    this.size = 0
    return { changes }
  }

  /** Waits for what happens next; gives how to forget about it. */
  next(then: (heard: Heard) => void): () => void {
    this.waiting.push(then)
    return () => {
      const at = this.waiting.indexOf(then)
      if (at >= 0) this.waiting.splice(at, 1)
    }
  }

  push(changes: ReadonlyArray<Change>): void {
    for (const change of changes) this.size += 16 + change.fileName.length * 2
    if (this.overflow || this.size > this.room) {
      this.overflow = true
      this.changes = []
      this.size = 0
    } else {
      this.changes.push(...changes)
    }
    const then = this.waiting.shift()
    if (then !== undefined) then(this.take()!)
  }
}

/** Tells whoever watches that something happened to `path`: `filter` is what kind of thing, changes are in order. */
export const report = (
  share: ShareState,
  filter: number,
  changes: ReadonlyArray<{ readonly action: number; readonly path: StorePath; readonly stream?: string }>
): void => {
  if (share.watches.size === 0) return
  for (const watch of Array.from(share.watches)) {
    if ((watch.filter & filter) === 0) continue
    const directory = watch.open.stream.file.path
    const heard: Array<Change> = []
    for (const { action, path, stream } of changes) {
      const depth = path.length - directory.length
      if (depth < 1 || depth > 1 && !watch.recursive || !isWithin(path, directory)) continue
      heard.push({
        action,
        fileName: path.slice(directory.length).join("\\") + (stream === undefined ? "" : `:${stream}`)
      })
    }
    if (heard.length > 0) watch.push(heard)
  }
}
