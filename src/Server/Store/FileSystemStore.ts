/**
 * A store over any Effect `FileSystem`: for example in memory, over another protocol, or an app's own.
 *
 * It serves what that interface has: names, bytes, and times to the millisecond. The interface has no attributes, times
 * of creation and change, security descriptors, extended attributes, reparse points, named streams or free space.
 * Attributes and those times are derived, and the rest is `Unsupported`. For local files, `LocalStore` keeps all of
 * them.
 *
 * `FileSystemTree` finds and confines names, `FileSystemHandle` has the open files; this module implements `ShareStore`
 * with them.
 *
 * Every call may be slow. A path is first tried in the case that was given; only if that fails, the directory is listed to find
 * the name without regard to case. Symbolic links are followed within the root only, checked by `realPath` before each
 * use. A program that can make links in the file system can do so between the check and the use. `LocalStore` prevents
 * that; this interface cannot.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as Arguments from "../../Protocol/Arguments.ts"
import type {
  ShareStore,
  StoreError,
  StoreNaming,
  StoreOpen,
  StoreOpened,
  StorePath,
  StoreVolume
} from "../ShareStore.ts"
import * as FileSystemHandle from "./internal/FileSystemHandle.ts"
import * as FileSystemTree from "./internal/FileSystemTree.ts"
import { ask, failure, type Found, hash, timeOf } from "./internal/FileSystemTree.ts"
import * as NamesInSmb from "./internal/NamesInSmb.ts"
import * as StoreNames from "./internal/StoreNames.ts"

/**
 * How a file system is served.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileSystemStoreOptions {
  /** The volume's name. Default: the root's last component. */
  readonly label?: string | undefined
  /** Bytes in total and free, which a `FileSystem` does not report. Default: 1 TiB each. */
  readonly capacity?: { readonly total: bigint; readonly free: bigint } | undefined
  readonly readOnly?: boolean | undefined
  /**
   * Whether clients get names that SMB cannot carry with characters of Unicode's private use area, as with a
   * `LocalStore`. For file systems with the names of Unix. Default: false; listings leave such names out. No effect on
   * Windows.
   */
  readonly mapNames?: boolean | undefined
  /** Whether the file system has symbolic links, so that `realPath` must be called. Default: true. */
  readonly symbolicLinks?: boolean | undefined
  /**
   * Whether other programs change the files. Default: false. If true, clients cache nothing: a `FileSystem` does not
   * report changes well enough to break oplocks and leases.
   */
  readonly changedByOthers?: boolean | undefined
}

const bytesOfVolume: Arguments.Rule = {
  holds: (value) => typeof value === "bigint" && Arguments.size.holds(value),
  expected: `a bigint of bytes from 0 to ${Arguments.largestSize}`
}

/**
 * Serves the files below `root`. Fails if `root` is not a directory. `ArgumentError` is a defect, for a capacity or a
 * label that cannot be used. Stores over the same root of the same `fs` have one
 * `origin`: shares of them have the same share modes, locks and caches.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  root: string,
  options: FileSystemStoreOptions = {}
) {
  Arguments.assertOptions({
    label: [Arguments.text, options.label],
    "capacity.total": [bytesOfVolume, options.capacity?.total],
    "capacity.free": [bytesOfVolume, options.capacity?.free]
  })
  const links = options.symbolicLinks ?? true
  const real = links ? yield* ask(fs.realPath(root)) : root
  const info = yield* ask(fs.stat(real))
  if (info.type !== "Directory") return yield* failure("NotDirectory")
  const store = build(fs, real.length > 1 ? real.replace(/[/\\]+$/, "") : real, info, options)
  return NamesInSmb.make(
    store,
    options.mapNames === true,
    (file) => ({ ...file, stat: Effect.map(file.stat, NamesInSmb.shownNode) })
  )
})

const build = (
  fs: FileSystem.FileSystem,
  root: string,
  rootInfo: FileSystem.File.Info,
  options: FileSystemStoreOptions
): ShareStore => {
  const readOnly = options.readOnly ?? false
  const tree = FileSystemTree.make(fs, root, { readOnly, symbolicLinks: options.symbolicLinks ?? true })
  const { changing, checked, describe, directory, find, gone, linked, locked, lookup, moved, placeOf, register } = tree

  const openHandle = (place: string): Effect.Effect<FileSystem.File, StoreError, Scope.Scope> =>
    readOnly ? ask(fs.open(place, { flag: "r" })) : ask(fs.open(place, { flag: "r+" })).pipe(
      Effect.catch((error) =>
        error.reason._tag === "AccessDenied" || error.reason._tag === "ReadOnly"
          ? ask(fs.open(place, { flag: "r" }))
          : Effect.fail(error)
      )
    )

  const opening = Effect.fnUntraced(function*(found: Found) {
    const place = placeOf(found.path)
    const file = found.info.type === "Directory" ? undefined : yield* openHandle(place)
    const info = file === undefined ? found.info : yield* ask(file.stat)
    const node = describe(found.path.at(-1) ?? "", info, place)
    return { file: FileSystemHandle.make(tree, node.id, yield* register(found.path), file), created: false, node }
  })

  const creating = Effect.fnUntraced(function*(path: StorePath, how: StoreOpen) {
    yield* changing
    const place = placeOf(path)
    const file = how.type === "directory" ? undefined : yield* ask(fs.open(place, { flag: "wx+" }))
    if (file === undefined) yield* ask(fs.makeDirectory(place))
    const opened = yield* register(path)
    if (how.initial !== undefined) yield* FileSystemHandle.setTimes(tree, opened, how.initial)
    const node = describe(path.at(-1)!, yield* ask(file === undefined ? fs.stat(place) : file.stat), place)
    return { file: FileSystemHandle.make(tree, node.id, opened, file), created: true, node }
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

  const identityOf = ({ info, path }: Found): string => describe("", info, placeOf(path)).identity

  /** Refuses a name that now stands for another file. */
  const expect = (found: Found, identity: string | undefined): Effect.Effect<void, StoreError> =>
    identity === undefined || identityOf(found) === identity ? Effect.void : failure("Stale")

  const list: ShareStore["list"] = (path, options) =>
    Stream.unwrap(Effect.gen(function*() {
      const found = yield* find(path)
      yield* expect(found, options?.expected)
      if (found.info.type !== "Directory") return yield* failure("NotDirectory")
      const names = yield* ask(fs.readDirectory(placeOf(found.path)))
      const entry = (name: string) =>
        Effect.match(find([...found.path, name]), {
          // The entry was removed since the listing, or cannot be opened.
          onFailure: () => undefined,
          onSuccess: ({ info, path }) => describe(name, info, placeOf(path))
        })
      return Stream.fromIterable(names).pipe(
        Stream.mapEffect(entry, { concurrency: 16 }),
        Stream.filter((node) => node !== undefined)
      )
    }))

  const remove: ShareStore["remove"] = Effect.fnUntraced(function*(path, what) {
    yield* checked(path)
    if (what?.stream !== undefined) return yield* failure("Unsupported")
    if (path.length === 0) return yield* failure("AccessDenied")
    const parent = yield* directory(path.slice(0, -1))
    // A directory to remove is locked too: nothing can be made in it between the check and the removal.
    yield* locked(
      [parent],
      Effect.gen(function*() {
        const found = yield* lookup(parent, path.at(-1)!)
        if (found === undefined) return yield* failure("NotFound")
        yield* expect(found, what?.expected)
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

  /** Refuses if the existing file `there` may not be replaced. */
  const mayReplace = (there: Found, isDirectory: boolean, how: StoreNaming): Effect.Effect<void, StoreError> => {
    if (!how.replace) return failure("Exists")
    if (there.info.type === "Directory") return failure("IsDirectory")
    return isDirectory ? failure("NotDirectory") : expect(there, how.replaced)
  }

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
        yield* expect(entry, how.expected)
        const isDirectory = entry.info.type === "Directory"
        if (isDirectory && entry.path.every((part, i) => target[i] === part)) return yield* failure("AccessDenied")
        const there = yield* lookup(target, name)
        const place = placeOf(entry.path)
        const path = [...target, name]
        if (there !== undefined && placeOf(there.path) !== place) {
          yield* mayReplace(there, isDirectory, how)
          if (identityOf(there) === identityOf(entry)) yield* ask(fs.remove(place))
          // First onto the existing name, which is one step, and then to the case of the new name.
          else yield* ask(fs.rename(place, placeOf(there.path)))
          if (there.path.at(-1) !== name) yield* ask(fs.rename(placeOf(there.path), placeOf(path)))
          gone(there.path)
        } else if (placeOf(path) !== place) yield* ask(fs.rename(place, placeOf(path)))
        moved(entry.path, path)
      })
    )
  })

  const link: NonNullable<ShareStore["link"]> = Effect.fnUntraced(function*(existing, path, how) {
    yield* checked(path)
    const source = yield* find(existing)
    yield* expect(source, how.expected)
    yield* changing
    if (source.info.type === "Directory") return yield* failure("IsDirectory")
    if (path.length === 0) return yield* failure("Exists")
    const target = yield* directory(path.slice(0, -1))
    yield* locked(
      [target],
      Effect.gen(function*() {
        const there = yield* lookup(target, path.at(-1)!)
        const name = [...target, path.at(-1)!]
        const place = placeOf(name)
        if (there === undefined) {
          yield* ask(fs.link(placeOf(source.path), place))
          return linked(source.path, name)
        }
        if (identityOf(there) === identityOf(source) && how.replace) return
        yield* mayReplace(there, false, how)
        // The new name replaces the old file in one step: if the link fails, that file stays.
        const made = placeOf([...target, `.effect-smb-${randomUUID()}`])
        yield* ask(fs.link(placeOf(source.path), made))
        yield* Effect.onError(ask(fs.rename(made, placeOf(there.path))), () => Effect.ignore(fs.remove(made)))
        if (there.path.at(-1) !== path.at(-1)) yield* ask(fs.rename(placeOf(there.path), place))
        gone(there.path)
        linked(source.path, name)
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
      maximumComponentLength: StoreNames.maximumComponentLength,
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
    link,
    origin: tree.folder,
    ...options.changedByOthers === true ? { changes: () => Stream.fromEffect(failure("Unsupported")) } : {}
  }
}
