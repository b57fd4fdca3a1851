/**
 * The open files of some stores, by file and by name, across all connections and all shares that lead to the files.
 *
 * A `FileNode` is an open file, known by the identity that its store gives it. A `StreamNode` is one of its streams:
 * share modes, byte-range locks, oplocks and leases belong to a stream. A `Link` is a name by which a file is open
 * (MS-FSA 2.1.1.4): deletion and renaming belong to a link, since a file may have several names. Names are kept in a
 * tree of their components, so that a name, the names below it, and the names in a directory are found without a search
 * of all opens.
 *
 * All changes here are synchronous, so that one request never sees half of the changes of another. A request that waits
 * (for a store, for a break) checks again when it continues.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { StorePath } from "../../ShareStore.ts"
import * as StoreNames from "../../Store/internal/StoreNames.ts"
import { KnownShortNames } from "./KnownShortNames.ts"
import { FileNode, type FileOpen, type FileTable as Table, Link, type StreamNode } from "./Model.ts"

/** A component of names, with the links that are open there and below. */
class Place {
  readonly above: Place | undefined
  readonly key: string
  readonly below = new Map<string, Place>()
  /**
   * Usually one link. Several if files have had this name one after the other, and the earlier files are still open.
   */
  links: ReadonlyArray<Link> = none

  constructor(above: Place | undefined, key: string) {
    this.above = above
    this.key = key
  }
}

const none: ReadonlyArray<never> = []

/** A key for a path that does not depend on case. */
export const keyOf = (path: StorePath): string => path.map(StoreNames.fold).join("\\")

/** Whether `path` is `ancestor`, or below it. */
export const isWithin = (path: StorePath, ancestor: StorePath): boolean =>
  path.length >= ancestor.length && ancestor.every((name, i) => StoreNames.fold(name) === StoreNames.fold(path[i]!))

/**
 * All opens of one store's files.
 *
 * @category models
 */
export class FileTable implements Table {
  readonly files = new Map<string, FileNode>()
  /** Counts renames: after one, a file that was looked up by name before may have another name. */
  renames = 0
  /** The number of watches of all directories. */
  watching = 0
  readonly shortNames = new KnownShortNames()
  readonly #root = new Place(undefined, "")
  /** Files that are about to be replaced by another file of that name. */
  readonly #replaced = new Map<string, Latch.Latch>()

  /** The node of a file; made if it is not open. */
  file(identity: string, directory: boolean): FileNode {
    const known = this.files.get(identity)
    if (known !== undefined) return known
    const made = new FileNode(identity, directory)
    this.files.set(identity, made)
    return made
  }

  /** Enters an open next to the others of its stream, by the name that it was opened by. */
  enter(open: FileOpen, stream: StreamNode, path: StorePath): Link {
    const { file } = stream
    const place = this.#make(path)
    let link = place.links.find((one) => one.file === file)
    if (link === undefined) {
      link = new Link(file, path)
      place.links = [...place.links, link]
      file.links.add(link)
    }
    link.opens.add(open)
    stream.opens.add(open)
    return link
  }

  /** Takes an open out. Its name and its stream stay, with their pending deletions, until they are released. */
  leave(open: FileOpen): void {
    const { appInstance, link, stream } = open
    stream.opens.delete(open)
    link.opens.delete(open)
    if (appInstance === undefined) return
    const ofInstance = stream.appInstances?.get(appInstance.id)
    if (ofInstance?.delete(open) === true && ofInstance.size === 0) stream.appInstances?.delete(appInstance.id)
  }

  /** Forgets a name and a stream without opens, and the file with its last stream. */
  release(stream: StreamNode, link?: Link): void {
    const { file } = stream
    if (link?.opens.size === 0 && file.links.delete(link)) this.#remove(link)
    if (stream.opens.size > 0 || file.streams.get(StoreNames.fold(stream.name)) !== stream) return
    file.streams.delete(StoreNames.fold(stream.name))
    if (file.streams.size === 0 && this.files.get(file.identity) === file) this.files.delete(file.identity)
  }

  /** The link of a file for a name, if the file is open by that name. */
  linkOf(file: FileNode, path: StorePath): Link | undefined {
    return this.at(path).find((link) => link.file === file)
  }

  /** The links that are open by a name. */
  at(path: StorePath): ReadonlyArray<Link> {
    return this.#find(path)?.links ?? none
  }

  /** The links that are open below a directory, without the directory's own. */
  *below(directory: StorePath): IterableIterator<Link> {
    const place = this.#find(directory)
    if (place !== undefined) { for (const one of place.below.values()) yield* all(one) }
  }

  /** The links that are open in a directory, without those further below. */
  *entries(directory: StorePath): IterableIterator<Link> {
    for (const { links } of this.#find(directory)?.below.values() ?? []) yield* links
  }

  /** Runs an effect that adds an entry to a directory: `undefined` if the directory is sealed. */
  adding<A, E, R>(directory: StorePath, add: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> | undefined {
    const links = this.at(directory)
    if (links.some(({ sealed }) => sealed)) return undefined
    if (links.length === 0) return add
    for (const link of links) link.adding++
    return Effect.ensuring(
      add,
      Effect.sync(() => {
        for (const link of links) link.adding--
      })
    )
  }

  /** Runs an effect that takes a file's name from it. Until it is done, opens of that file wait. */
  replacing<A, E, R>(identity: string, replace: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const over = Latch.makeUnsafe()
      this.#replaced.set(identity, over)
      return Effect.ensuring(
        replace,
        Effect.sync(() => {
          if (this.#replaced.get(identity) === over) this.#replaced.delete(identity)
          over.openUnsafe()
        })
      )
    })
  }

  /** Waits until no effect is taking a file's name; undefined if none is. */
  replaced(identity: string): Effect.Effect<void> | undefined {
    return this.#replaced.get(identity)?.await
  }

  /** A name was removed: listings that have not shown it yet leave it out. */
  forgetEntry(path: StorePath): void {
    this.shortNames.forget(path)
    const name = StoreNames.fold(path.at(-1)!)
    for (const { opens } of this.at(path.slice(0, -1))) for (const { cursor } of opens) cursor?.forget(name)
  }

  /** Follows a rename: opens by the link's name, or below it, are found under the new one. */
  renamed(link: Link, to: StorePath): void {
    this.renames++
    const { path: from } = link
    const moved = link.file.directory ? [link, ...this.below(from)] : [link]
    for (const one of moved) this.#remove(one)
    for (const one of moved) {
      one.path = [...to, ...one.path.slice(from.length)]
      const place = this.#make(one.path)
      place.links = [...place.links, one]
    }
  }

  #find(path: StorePath): Place | undefined {
    let place: Place | undefined = this.#root
    for (const name of path) {
      place = place.below.get(StoreNames.fold(name))
      if (place === undefined) return undefined
    }
    return place
  }

  #make(path: StorePath): Place {
    let place = this.#root
    for (const name of path) {
      const key = StoreNames.fold(name)
      let next = place.below.get(key)
      if (next === undefined) {
        next = new Place(place, key)
        place.below.set(key, next)
      }
      place = next
    }
    return place
  }

  #remove(link: Link): void {
    let place = this.#find(link.path)
    if (place === undefined) return
    place.links = place.links.filter((one) => one !== link)
    while (place.above !== undefined && place.links.length === 0 && place.below.size === 0) {
      place.above.below.delete(place.key)
      place = place.above
    }
  }
}

function* all(place: Place): IterableIterator<Link> {
  yield* place.links
  for (const one of place.below.values()) yield* all(one)
}
