/**
 * Finds names of an Effect `FileSystem` below a root: without regard to case, and never outside of the root. It also
 * keeps the open files, so that each is found under its new name after a rename.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Semaphore from "effect/Semaphore"
import * as FileTime from "../../../Codec/FileTime.ts"
import { FileAttributes } from "../../../Smb2/Message/Constants.ts"
import { type StoreError, storeError, type StoreNode, type StorePath, type StoreReason } from "../../ShareStore.ts"
import * as Attributes from "./Attributes.ts"
import * as Local from "./Local.ts"
import * as NamesInSmb from "./NamesInSmb.ts"
import * as StoreNames from "./StoreNames.ts"

export const failure = (reason: StoreReason["_tag"]) => Effect.fail(storeError(reason))

const reasons: Record<string, StoreReason["_tag"]> = {
  AlreadyExists: "Exists",
  Busy: "Busy",
  NotFound: "NotFound",
  PermissionDenied: "AccessDenied",
  WouldBlock: "Busy"
}

/** From the tag if it is specific enough, otherwise from the platform's own code in the cause. */
const toStoreError = (error: PlatformError): StoreError => {
  const reason = reasons[error.reason._tag]
  if (reason !== undefined) return storeError(reason)
  const { cause } = error.reason
  return Local.codeOf(cause) === undefined
    ? storeError("Failed", error)
    : Local.toStoreError(cause)
}

export const ask = <A, R>(effect: Effect.Effect<A, PlatformError, R>): Effect.Effect<A, StoreError, R> =>
  Effect.mapError(effect, toStoreError)

/** `undefined` if the name does not exist. */
const ifThere = <A, R>(effect: Effect.Effect<A, StoreError, R>): Effect.Effect<A | undefined, StoreError, R> =>
  effect.pipe(
    Effect.catch((error) =>
      error.reason._tag === "NotFound" || error.reason._tag === "PathNotFound"
        ? Effect.succeed(undefined)
        : Effect.fail(error)
    )
  )

/** The file that a name leads to. */
export interface Found {
  /** With the case that the file system keeps. */
  readonly path: StorePath
  readonly info: FileSystem.File.Info
}

/** An open file or directory, with its current path. */
export interface Opened {
  path: StorePath
  removed: boolean
}

export const timeOf = (date: Option.Option<Date>): bigint =>
  // A time that no `Date` can hold is treated as absent.
  Option.isSome(date) && !Number.isNaN(date.value.getTime()) ? FileTime.fromDate(date.value) : FileTime.epoch

/** A number for a file that the file system does not number: FNV-1a of its place. */
export const hash = (place: string): bigint => {
  let value = 0xcbf2_9ce4_8422_2325n
  for (let i = 0; i < place.length; i++) {
    value = BigInt.asUintN(64, (value ^ BigInt(place.charCodeAt(i))) * 0x100_0000_01b3n)
  }
  return value
}

/** Most places with a rename or a removal that are remembered. */
const mostPlaces = 10_000

/**
 * Lasting names for files that a file system does not number: the place where this store first saw the file. A file
 * keeps its name when this store renames it. The next file at a place that a file has left gets another name.
 */
class Places {
  readonly #names = new Map<string, string>()
  #serial = 0

  /** Below a renamed directory, names begin with the name of the directory. */
  nameOf(place: string): string {
    const at = place.lastIndexOf("/")
    return this.#names.get(place) ?? (at <= 0 ? place : this.nameOf(place.slice(0, at)) + place.slice(at))
  }

  left(place: string): void {
    this.#set(place, `${place}#${++this.#serial}`)
  }

  linked(from: string, to: string): void {
    this.#set(to, this.nameOf(from))
  }

  moved(from: string, to: string): void {
    const name = this.nameOf(from)
    for (const [place, below] of Array.from(this.#names)) {
      if (!place.startsWith(`${from}/`)) continue
      this.#names.delete(place)
      this.#set(to + place.slice(from.length), below)
    }
    this.left(from)
    this.#set(to, name)
  }

  #set(place: string, name: string): void {
    this.#names.delete(place)
    this.#names.set(place, name)
    if (this.#names.size > mostPlaces) this.#names.delete(this.#names.keys().next().value!)
  }
}

/** A file system's information as a `StoreNode`. `called` is the lasting name of the file, for one without a number. */
const toNode = (name: string, info: FileSystem.File.Info, called: string): StoreNode => {
  const type = info.type === "Directory" ? "directory" : "file"
  const size = type === "directory" ? 0n : BigInt(info.size)
  const lastWriteTime = timeOf(info.mtime)
  const birth = Option.isSome(info.birthtime) ? info.birthtime.value.getTime() : ""
  return {
    name,
    id: Option.getOrElse(info.ino, () => hash(called)),
    identity: Option.isSome(info.ino) ? `${info.dev}:${info.ino.value}:${birth}` : `${called}:${birth}`,
    type,
    size,
    allocationSize: type === "directory"
      ? 0n
      : Option.match(info.blocks, {
        onNone: () => (size + 4095n) / 4096n * 4096n,
        onSome: (blocks) => blocks * 512n
      }),
    creationTime: Option.isSome(info.birthtime) ? timeOf(info.birthtime) : lastWriteTime,
    lastAccessTime: Option.isSome(info.atime) ? timeOf(info.atime) : lastWriteTime,
    lastWriteTime,
    changeTime: lastWriteTime,
    fileAttributes: Attributes.reported(type === "file" ? FileAttributes.FILE_ATTRIBUTE_ARCHIVE : 0, type, 0),
    numberOfLinks: type === "directory" ? 1 : Number(Option.getOrElse(info.nlink, () => 1n)),
    reparseTag: 0
  }
}

/** What all stores over one folder of one file system have in common. The server compares it as their `origin`. */
export class Folder {
  readonly fs: FileSystem.FileSystem
  readonly root: string
  readonly opens = new Set<Opened>()
  readonly places = new Places()
  /** Locks of directories, by place. */
  readonly locks = new Map<string, { readonly semaphore: Semaphore.Semaphore; users: number }>()

  constructor(fs: FileSystem.FileSystem, root: string) {
    this.fs = fs
    this.root = root
  }
}

const isBelow = (root: string, above: string): boolean =>
  ["/", "\\"].some((separator) => root.startsWith(above.endsWith(separator) ? above : above + separator))

/**
 * The roots, if these origins of stores are two folders of one file system, and one folder lies in the other. Two origins
 * of other stores are never nested.
 */
export const nested = (one: object, other: object): { readonly outer: string; readonly inner: string } | undefined => {
  if (!(one instanceof Folder && other instanceof Folder) || one.fs !== other.fs) return undefined
  if (isBelow(one.root, other.root)) return { outer: other.root, inner: one.root }
  return isBelow(other.root, one.root) ? { outer: one.root, inner: other.root } : undefined
}

/** The folders of each file system, by root, as long as a store uses them. */
const folders = new WeakMap<FileSystem.FileSystem, Map<string, WeakRef<Folder>>>()

/** The folder of a root, which is the same for all stores that exist at the same time. */
const folderOf = (fs: FileSystem.FileSystem, root: string): Folder => {
  const ofSystem = folders.get(fs) ?? new Map<string, WeakRef<Folder>>()
  folders.set(fs, ofSystem)
  const known = ofSystem.get(root)?.deref()
  if (known !== undefined) return known
  for (const [other, folder] of Array.from(ofSystem)) if (folder.deref() === undefined) ofSystem.delete(other)
  const made = new Folder(fs, root)
  ofSystem.set(root, new WeakRef(made))
  return made
}

/**
 * The tree below `root`, which is a path without symbolic links. Stores over the same root share their open files, their
 * lasting names and their locks: a rename through one store is known to the others.
 *
 * @category constructors
 */
export const make = (
  fs: FileSystem.FileSystem,
  root: string,
  options: { readonly readOnly: boolean; readonly symbolicLinks: boolean }
) => {
  const folder = folderOf(fs, root)
  const { locks, opens, places } = folder

  const placeOf = (path: StorePath) => path.length === 0 ? root : `${root === "/" ? "" : root}/${path.join("/")}`

  const describe = (name: string, info: FileSystem.File.Info, place: string): StoreNode =>
    toNode(name, info, places.nameOf(place))

  /** Refuses all changes if the store is read-only. */
  const changing = Effect.suspend(() => options.readOnly ? failure("ReadOnly") : Effect.void)

  /** One change at a time in each directory. */
  const locked = <A, R>(directories: ReadonlyArray<StorePath>, effect: Effect.Effect<A, StoreError, R>) =>
    Array.from(new Set(directories.map(placeOf))).sort().reduceRight(
      (inner, key) =>
        Effect.suspend(() => {
          const lock = locks.get(key) ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
          locks.set(key, lock)
          lock.users++
          return Effect.ensuring(
            lock.semaphore.withPermits(1)(inner),
            Effect.sync(() => {
              if (--lock.users === 0) locks.delete(key)
            })
          )
        }),
      effect
    )

  const checked = (path: StorePath): Effect.Effect<StorePath, StoreError> =>
    path.every((name) => NamesInSmb.isPlatformComponent(name) && name.isWellFormed())
      ? Effect.succeed(path)
      : failure("InvalidName")

  /** Refuses a path that a symbolic link leads out of the root. */
  const inside = (path: StorePath): Effect.Effect<void, StoreError> =>
    !options.symbolicLinks
      ? Effect.void
      : Effect.flatMap(ask(fs.realPath(placeOf(path))), (real) =>
        real === root || root === "/" || real.startsWith(`${root}/`) || real.startsWith(`${root}\\`)
          ? Effect.void
          : failure("AccessDenied"))

  /** A name in a directory, as given or in another case. */
  const lookup = (parent: StorePath, name: string): Effect.Effect<Found | undefined, StoreError> =>
    Effect.flatMap(ifThere(ask(fs.stat(placeOf([...parent, name])))), (info) => {
      if (info !== undefined) return Effect.succeed({ path: [...parent, name], info })
      return Effect.flatMap(ask(fs.readDirectory(placeOf(parent))), (names) => {
        const folded = StoreNames.fold(name)
        const actual = names.find((other) => StoreNames.fold(other) === folded)
        if (actual === undefined) return Effect.succeed(undefined)
        return Effect.map(
          ifThere(ask(fs.stat(placeOf([...parent, actual])))),
          (info) => info && { path: [...parent, actual], info }
        )
      })
    })

  /** The directory at a path, with the case that the file system keeps. */
  const directory = (path: StorePath): Effect.Effect<StorePath, StoreError> => {
    if (path.length === 0) return Effect.succeed([])
    const exact = Effect.andThen(inside(path), ask(fs.stat(placeOf(path))))
    return Effect.flatMap(ifThere(exact), (info) => {
      if (info !== undefined) return info.type === "Directory" ? Effect.succeed(path) : failure("PathNotFound")
      return Effect.flatMap(
        directory(path.slice(0, -1)),
        (parent) =>
          Effect.flatMap(lookup(parent, path.at(-1)!), (found) =>
            found?.info.type === "Directory"
              ? Effect.as(inside(found.path), found.path)
              : failure("PathNotFound"))
      )
    })
  }

  const find = (path: StorePath): Effect.Effect<Found, StoreError> =>
    Effect.flatMap(checked(path), () =>
      path.length === 0
        ? Effect.map(ask(fs.stat(root)), (info) => ({ path, info }))
        : Effect.flatMap(directory(path.slice(0, -1)), (parent) =>
          Effect.flatMap(lookup(parent, path.at(-1)!), (found) => {
            if (found === undefined) {
              return failure("NotFound")
            }
            if (found.info.type !== "File" && found.info.type !== "Directory") {
              return failure("AccessDenied")
            }
            return Effect.as(inside(found.path), found)
          })))

  const register = (path: StorePath) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const opened: Opened = { path, removed: false }
        opens.add(opened)
        return opened
      }),
      (opened) => Effect.sync(() => opens.delete(opened))
    )

  const stale = <A>(effect: Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> =>
    Effect.mapError(effect, (error) => error.reason._tag === "NotFound" ? storeError("Stale") : error)

  /** Calls by name, for an open without a handle. */
  const inPlace = <A>(opened: Opened, use: (place: string) => Effect.Effect<A, PlatformError>) =>
    Effect.suspend(() => opened.removed ? failure("Stale") : stale(ask(use(placeOf(opened.path)))))

  /** A name was removed: its opens are marked, and do not follow the name to a new file. */
  const gone = (path: StorePath) => {
    places.left(placeOf(path))
    for (const opened of opens) {
      if (opened.path.length === path.length && placeOf(opened.path) === placeOf(path)) opened.removed = true
    }
  }

  /** A file got an additional name. */
  const linked = (from: StorePath, to: StorePath) => places.linked(placeOf(from), placeOf(to))

  /** A name has changed: the open files below it get their new paths. */
  const moved = (from: StorePath, to: StorePath) => {
    if (placeOf(from) !== placeOf(to)) places.moved(placeOf(from), placeOf(to))
    for (const opened of opens) {
      if (!opened.removed && from.every((part, i) => opened.path[i] === part)) {
        opened.path = [...to, ...opened.path.slice(from.length)]
      }
    }
  }

  return {
    fs,
    folder,
    readOnly: options.readOnly,
    placeOf,
    describe,
    changing,
    locked,
    checked,
    lookup,
    directory,
    find,
    register,
    inPlace,
    gone,
    linked,
    moved
  }
}

/** @category models */
export type FileSystemTree = ReturnType<typeof make>
