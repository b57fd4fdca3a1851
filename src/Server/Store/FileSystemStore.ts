/**
 * A store over any Effect `FileSystem`: one in memory, one over another protocol, one of an app's own.
 *
 * It serves what that interface can say: names, bytes, and times to the millisecond. There is no word in it for attributes,
 * times of creation and change, security descriptors, extended attributes, reparse points, named streams and free space: the
 * first are what can be derived, and the rest `Unsupported`. Where files are local, `LocalStore` keeps all of them.
 *
 * Every call may be slow. A path is asked for as it was given first; only what is not found so is looked for without regard
 * to case, by listing. Symbolic links are followed within the root only, judged by `realPath` before each use: who can make
 * links in the file system can do so in between, which `LocalStore` rules out and this interface cannot.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Allocate from "../../Codec/Allocate.ts"
import * as FileTime from "../../Codec/FileTime.ts"
import { FileAttributes } from "../../Smb2/Message/Constants.ts"
import { StoreError } from "../ShareStore.ts"
import type {
  ShareStore,
  StoreChanges,
  StoreFile,
  StoreNode,
  StoreOpen,
  StoreOpened,
  StorePath,
  StoreVolume
} from "../ShareStore.ts"
import * as Attributes from "./internal/Attributes.ts"
import * as Local from "./internal/Local.ts"
import * as Names from "./internal/Names.ts"

/**
 * How a file system is served.
 *
 * @category models
 */
export interface FileSystemStoreOptions {
  /** The volume's name; the root's last component if left out. */
  readonly label?: string
  /** Bytes in all and free, which a `FileSystem` cannot tell; 1 TiB if left out. */
  readonly capacity?: { readonly total: bigint; readonly free: bigint }
  readonly readOnly?: boolean
  /** Whether the file system has symbolic links, and `realPath` is to be asked; true if left out. */
  readonly symbolicLinks?: boolean
}

const failure = (reason: StoreError["reason"]) => Effect.fail(new StoreError({ reason }))

const reasons: Record<string, StoreError["reason"]> = {
  AlreadyExists: "Exists",
  Busy: "Busy",
  NotFound: "NotFound",
  PermissionDenied: "AccessDenied",
  WouldBlock: "Busy"
}

/** The tag where it says enough, else the platform's own code below it. */
const toStoreError = (error: PlatformError): StoreError => {
  const reason = reasons[error.reason._tag]
  if (reason !== undefined) return new StoreError({ reason })
  const { cause } = error.reason
  return Local.codeOf(cause) === undefined
    ? new StoreError({ reason: "Failed", cause: error })
    : Local.toStoreError(cause)
}

const ask = <A, R>(effect: Effect.Effect<A, PlatformError, R>): Effect.Effect<A, StoreError, R> =>
  Effect.mapError(effect, toStoreError)

/** `undefined` for what is not there. */
const ifThere = <A, R>(effect: Effect.Effect<A, StoreError, R>): Effect.Effect<A | undefined, StoreError, R> =>
  effect.pipe(
    Effect.catch((error) =>
      error.reason === "NotFound" || error.reason === "PathNotFound" ? Effect.succeed(undefined) : Effect.fail(error)
    )
  )

/** What a name leads to. */
interface Found {
  /** With the case that it has. */
  readonly path: StorePath
  readonly info: FileSystem.File.Info
}

/** What is open, wherever it is now. */
interface Opened {
  path: StorePath
  removed: boolean
}

const piece = 1024 * 1024

const noMetadata = <A>(): Effect.Effect<A, StoreError> => failure("Unsupported")

const timeOf = (date: Option.Option<Date>): bigint =>
  Option.isSome(date) ? FileTime.fromDate(date.value) : FileTime.epoch

/** A number for what the file system does not number: FNV-1a of where it is. */
const hash = (place: string): bigint => {
  let value = 0xcbf2_9ce4_8422_2325n
  for (let i = 0; i < place.length; i++) {
    value = BigInt.asUintN(64, (value ^ BigInt(place.charCodeAt(i))) * 0x100_0000_01b3n)
  }
  return value
}

/**
 * Serves what is below `root`. Fails where that is no directory.
 *
 * @category constructors
 */
export const make = Effect.fn("FileSystemStore.make")(function*(
  fs: FileSystem.FileSystem,
  root: string,
  options: FileSystemStoreOptions = {}
) {
  const links = options.symbolicLinks ?? true
  const real = links ? yield* ask(fs.realPath(root)) : root
  const info = yield* ask(fs.stat(real))
  if (info.type !== "Directory") return yield* failure("NotDirectory")
  return build(fs, real.length > 1 ? real.replace(/[/\\]+$/, "") : real, info, options)
})

const build = (
  fs: FileSystem.FileSystem,
  root: string,
  rootInfo: FileSystem.File.Info,
  options: FileSystemStoreOptions
): ShareStore => {
  const readOnly = options.readOnly ?? false
  const opens = new Set<Opened>()
  const locks = new Map<string, { readonly semaphore: Semaphore.Semaphore; users: number }>()

  const placeOf = (path: StorePath) => path.length === 0 ? root : `${root === "/" ? "" : root}/${path.join("/")}`

  const changing = Effect.suspend(() => readOnly ? failure("ReadOnly") : Effect.void)

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
    path.every((name) => Names.isComponent(name) && name.isWellFormed()) ? Effect.succeed(path) : failure("InvalidName")

  /** Refuses what a symbolic link leads out of the root. */
  const inside = (path: StorePath): Effect.Effect<void, StoreError> =>
    options.symbolicLinks === false
      ? Effect.void
      : Effect.flatMap(ask(fs.realPath(placeOf(path))), (real) =>
        real === root || root === "/" || real.startsWith(`${root}/`) || real.startsWith(`${root}\\`)
          ? Effect.void
          : failure("AccessDenied"))

  const describe = (name: string, info: FileSystem.File.Info, place: string): StoreNode => {
    const type = info.type === "Directory" ? "directory" : "file"
    const size = type === "directory" ? 0n : BigInt(info.size)
    const lastWriteTime = timeOf(info.mtime)
    return {
      name,
      id: Option.getOrElse(info.ino, () => hash(place)),
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

  /** A name in a directory, as given or in another case. */
  const lookup = (parent: StorePath, name: string): Effect.Effect<Found | undefined, StoreError> =>
    Effect.flatMap(ifThere(ask(fs.stat(placeOf([...parent, name])))), (info) => {
      if (info !== undefined) return Effect.succeed({ path: [...parent, name], info })
      return Effect.flatMap(ask(fs.readDirectory(placeOf(parent))), (names) => {
        const folded = Names.fold(name)
        const actual = names.find((other) => Names.fold(other) === folded)
        if (actual === undefined) return Effect.succeed(undefined)
        return Effect.map(
          ifThere(ask(fs.stat(placeOf([...parent, actual])))),
          (info) => info && { path: [...parent, actual], info }
        )
      })
    })

  /** The directory at a path, with the case that it has. */
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
    Effect.mapError(effect, (error) => error.reason === "NotFound" ? new StoreError({ reason: "Stale" }) : error)

  /** By name, for what has no handle. */
  const inPlace = <A>(opened: Opened, use: (place: string) => Effect.Effect<A, PlatformError>) =>
    Effect.suspend(() => opened.removed ? failure("Stale") : stale(ask(use(placeOf(opened.path)))))

  const setTimes = (opened: Opened, changes: StoreChanges): Effect.Effect<void, StoreError> =>
    changes.lastAccessTime === undefined && changes.lastWriteTime === undefined
      ? Effect.void
      : inPlace(opened, (place) =>
        Effect.flatMap(fs.stat(place), (info) =>
          fs.utimes(
            place,
            changes.lastAccessTime === undefined
              ? Option.getOrElse(info.atime, () => new Date(0))
              : new Date(FileTime.toMillis(changes.lastAccessTime)),
            changes.lastWriteTime === undefined
              ? Option.getOrElse(info.mtime, () => new Date(0))
              : new Date(FileTime.toMillis(changes.lastWriteTime))
          )))

  const handle = (id: bigint, opened: Opened, file: FileSystem.File | undefined): StoreFile => {
    // A `File` has one position for its writes.
    const writing = Semaphore.makeUnsafe(1)
    const bytes = <A>(use: (file: FileSystem.File) => Effect.Effect<A, StoreError>) =>
      file === undefined ? failure("IsDirectory") : use(file)
    const change = <A>(use: (file: FileSystem.File) => Effect.Effect<A, StoreError>) =>
      Effect.andThen(changing, bytes((file) => writing.withPermits(1)(use(file))))
    const write = (file: FileSystem.File, offset: bigint, data: Uint8Array) =>
      Effect.andThen(ask(file.seek(offset, "start")), ask(file.writeAll(data)))
    const info = file === undefined ? inPlace(opened, (place) => fs.stat(place)) : ask(file.stat)
    return {
      id,
      stat: Effect.map(info, (info) => {
        const node = describe(opened.path.at(-1) ?? "", info, placeOf(opened.path))
        return opened.removed ? { ...node, numberOfLinks: Option.isSome(info.nlink) ? node.numberOfLinks : 0 } : node
      }),
      read: (offset, length) =>
        bytes((file) =>
          Effect.suspend(() => {
            const memory = Allocate.uninitialized(Math.max(0, length))
            const loop = (at: number): Effect.Effect<Uint8Array, StoreError> =>
              at >= length ? Effect.succeed(memory) : Effect.flatMap(
                ask(file.read(memory.subarray(at), { position: offset + BigInt(at) })),
                (count) => count === 0 ? Effect.succeed(memory.subarray(0, at)) : loop(at + count)
              )
            return loop(0)
          })
        ),
      write: (offset, data) => change((file) => data.length === 0 ? Effect.void : write(file, offset, data)),
      truncate: (size) =>
        change((file) => size > BigInt(Number.MAX_SAFE_INTEGER) ? failure("Full") : ask(file.truncate(Number(size)))),
      flush: file === undefined ? Effect.void : ask(file.sync),
      set: (changes) => Effect.andThen(changing, setTimes(opened, changes)),
      getBlob: noMetadata,
      setBlob: noMetadata,
      streams: Effect.succeed([]),
      zero: (range) =>
        change((file) =>
          Effect.flatMap(ask(file.stat), (info) => {
            const size = BigInt(info.size)
            const end = range.offset + range.length < size ? range.offset + range.length : size
            const loop = (at: bigint): Effect.Effect<void, StoreError> => {
              if (at >= end) return Effect.void
              const length = end - at < BigInt(piece) ? Number(end - at) : piece
              return Effect.flatMap(write(file, at, new Uint8Array(length)), () => loop(at + BigInt(length)))
            }
            return loop(range.offset)
          })
        ),
      allocated: (range) =>
        bytes((file) =>
          Effect.map(ask(file.stat), (info) => {
            const size = BigInt(info.size)
            const end = range.offset + range.length < size ? range.offset + range.length : size
            return end <= range.offset ? [] : [{ offset: range.offset, length: end - range.offset }]
          })
        )
    }
  }

  const openHandle = (place: string): Effect.Effect<FileSystem.File, StoreError, Scope.Scope> =>
    readOnly ? ask(fs.open(place, { flag: "r" })) : ask(fs.open(place, { flag: "r+" })).pipe(
      Effect.catch((error) =>
        error.reason === "AccessDenied" || error.reason === "ReadOnly"
          ? ask(fs.open(place, { flag: "r" }))
          : Effect.fail(error)
      )
    )

  const opening = Effect.fnUntraced(function*(found: Found) {
    const place = placeOf(found.path)
    const file = found.info.type === "Directory" ? undefined : yield* openHandle(place)
    const info = file === undefined ? found.info : yield* ask(file.stat)
    const node = describe(found.path.at(-1) ?? "", info, place)
    return { file: handle(node.id, yield* register(found.path), file), created: false, node }
  })

  const creating = Effect.fnUntraced(function*(path: StorePath, how: StoreOpen) {
    yield* changing
    const place = placeOf(path)
    const file = how.type === "directory" ? undefined : yield* ask(fs.open(place, { flag: "wx+" }))
    if (file === undefined) yield* ask(fs.makeDirectory(place))
    const opened = yield* register(path)
    if (how.initial !== undefined) yield* setTimes(opened, how.initial)
    const node = describe(path.at(-1)!, yield* ask(file === undefined ? fs.stat(place) : file.stat), place)
    return { file: handle(node.id, opened, file), created: true, node }
  })

  const open = Effect.fnUntraced(function*(path: StorePath, how: StoreOpen) {
    yield* checked(path)
    if (how.stream !== undefined) return yield* failure("Unsupported")
    if (path.length === 0 || how.mode === "existing") {
      const found = yield* find(path)
      return how.mode === "new" ? yield* failure("Exists") : yield* opening(found)
    }
    const parent = yield* directory(path.slice(0, -1))
    return yield* locked(
      [parent],
      Effect.gen(function*(): Effect.fn.Return<StoreOpened, StoreError, Scope.Scope> {
        const found = yield* lookup(parent, path.at(-1)!)
        if (found === undefined) return yield* creating([...parent, path.at(-1)!], how)
        if (how.mode === "new") return yield* failure("Exists")
        return yield* opening(yield* find(found.path))
      })
    )
  })

  const list = (path: StorePath): Stream.Stream<StoreNode, StoreError> =>
    Stream.unwrap(Effect.gen(function*() {
      const found = yield* find(path)
      if (found.info.type !== "Directory") return yield* failure("NotDirectory")
      const names = yield* ask(fs.readDirectory(placeOf(found.path)))
      const entry = (name: string) =>
        Effect.match(find([...found.path, name]), {
          // It has gone meanwhile, or is nothing that can be opened.
          onFailure: () => undefined,
          onSuccess: ({ info, path }) => describe(name, info, placeOf(path))
        })
      return Stream.fromIterable(names).pipe(
        Stream.mapEffect(entry, { concurrency: 16 }),
        Stream.filter((node) => node !== undefined)
      )
    }))

  const gone = (path: StorePath) => {
    for (const opened of opens) {
      if (opened.path.length === path.length && placeOf(opened.path) === placeOf(path)) opened.removed = true
    }
  }

  const remove: ShareStore["remove"] = Effect.fnUntraced(function*(path, what) {
    yield* checked(path)
    if (what?.stream !== undefined) return yield* failure("Unsupported")
    if (path.length === 0) return yield* failure("AccessDenied")
    const parent = yield* directory(path.slice(0, -1))
    // Also of the directory that goes: nothing is to be made in it between the look and the removal.
    yield* locked(
      [parent],
      Effect.gen(function*() {
        const found = yield* lookup(parent, path.at(-1)!)
        if (found === undefined) return yield* failure("NotFound")
        yield* changing
        const place = placeOf(found.path)
        if (found.info.type !== "Directory") yield* ask(fs.remove(place))
        else {
          yield* locked(
            [found.path],
            Effect.gen(function*() {
              if ((yield* ask(fs.readDirectory(place))).length > 0) return yield* failure("NotEmpty")
              yield* ask(fs.remove(place, { recursive: true }))
            })
          )
        }
        gone(found.path)
      })
    )
  })

  /** Whether `there` may make room. */
  const mayReplace = (there: Found, isDirectory: boolean, allowed: boolean): Effect.Effect<void, StoreError> => {
    if (!allowed) return failure("Exists")
    if (there.info.type === "Directory") return failure("IsDirectory")
    return isDirectory ? failure("NotDirectory") : Effect.void
  }

  const sameFile = (one: Found, other: Found) =>
    Option.isSome(one.info.ino) && Option.isSome(other.info.ino) && one.info.ino.value === other.info.ino.value &&
    one.info.dev === other.info.dev

  const rename: ShareStore["rename"] = Effect.fnUntraced(function*(from, to, how) {
    yield* checked(from)
    yield* checked(to)
    if (from.length === 0) return yield* failure("AccessDenied")
    const source = yield* directory(from.slice(0, -1))
    if ((yield* lookup(source, from.at(-1)!)) === undefined) return yield* failure("NotFound")
    yield* changing
    if (to.length === 0) return yield* failure("AccessDenied")
    const target = yield* directory(to.slice(0, -1))
    const name = to.at(-1)!
    yield* locked(
      [source, target],
      Effect.gen(function*() {
        const entry = yield* lookup(source, from.at(-1)!)
        if (entry === undefined) return yield* failure("NotFound")
        const isDirectory = entry.info.type === "Directory"
        if (isDirectory && entry.path.every((part, i) => target[i] === part)) return yield* failure("AccessDenied")
        const there = yield* lookup(target, name)
        const place = placeOf(entry.path)
        const path = [...target, name]
        if (there !== undefined && placeOf(there.path) !== place) {
          yield* mayReplace(there, isDirectory, how.replace)
          if (sameFile(there, entry)) yield* ask(fs.remove(place))
          // Onto the name as it is, which is one step, and then to the case that is asked for.
          else yield* ask(fs.rename(place, placeOf(there.path)))
          if (there.path.at(-1) !== name) yield* ask(fs.rename(placeOf(there.path), placeOf(path)))
          gone(there.path)
        } else if (placeOf(path) !== place) yield* ask(fs.rename(place, placeOf(path)))
        for (const opened of opens) {
          if (!opened.removed && entry.path.every((part, i) => opened.path[i] === part)) {
            opened.path = [...path, ...opened.path.slice(entry.path.length)]
          }
        }
      })
    )
  })

  const link: NonNullable<ShareStore["link"]> = Effect.fnUntraced(function*(existing, path, how) {
    yield* checked(path)
    const source = yield* find(existing)
    yield* changing
    if (source.info.type === "Directory") return yield* failure("IsDirectory")
    if (path.length === 0) return yield* failure("Exists")
    const target = yield* directory(path.slice(0, -1))
    yield* locked(
      [target],
      Effect.gen(function*() {
        const there = yield* lookup(target, path.at(-1)!)
        if (there !== undefined) {
          if (sameFile(there, source) && how.replace) return
          yield* mayReplace(there, false, how.replace)
          yield* ask(fs.remove(placeOf(there.path)))
          gone(there.path)
        }
        yield* ask(fs.link(placeOf(source.path), placeOf([...target, path.at(-1)!])))
      })
    )
  })

  return {
    volume: Effect.succeed<StoreVolume>({
      label: options.label ?? root.split(/[/\\]/).at(-1)!,
      serialNumber: Number(BigInt.asUintN(32, hash(root))),
      creationTime: Option.isSome(rootInfo.birthtime) ? timeOf(rootInfo.birthtime) : timeOf(rootInfo.mtime),
      total: options.capacity?.total ?? 1n << 40n,
      free: options.capacity?.free ?? 1n << 40n,
      maximumComponentLength: Names.maximumComponentLength,
      supports: {
        streams: false,
        securityDescriptors: false,
        extendedAttributes: false,
        reparsePoints: false,
        sparse: false
      },
      readOnly
    }),
    stat: (path) =>
      Effect.map(find(path), (found) => describe(found.path.at(-1) ?? "", found.info, placeOf(found.path))),
    open,
    list,
    remove,
    rename,
    link
  }
}
