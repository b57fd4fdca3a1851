/**
 * A root of a DFS namespace as a store: another store, to which links are added as folders that are reparse points
 * (IO_REPARSE_TAG_DFS), and the folders on the path to a link as plain folders.
 *
 * The links are read again for each call, so they can come and go while the share is open. No client opens a link here:
 * the server responds with STATUS_PATH_NOT_COVERED before that. A folder on the path is made in the store when a client
 * puts a file there.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as DfsPath from "../../Dfs/DfsPath.ts"
import { FileAttributes as F } from "../../Smb2/Message/Constants.ts"
import {
  type ShareStore,
  type StoreError,
  storeError,
  type StoreFile,
  type StoreNaming,
  type StoreNode,
  type StoreOpened,
  type StorePath,
  type StoreReason
} from "../ShareStore.ts"

/**
 * IO_REPARSE_TAG_DFS (MS-FSCC 2.1.2.1).
 *
 * @since 0.1.0
 */
export const IO_REPARSE_TAG_DFS = 0x8000_000a

const fail = (reason: StoreReason["_tag"]): Effect.Effect<never, StoreError> => Effect.fail(storeError(reason))

/** A number for a name that the store does not have: stores count from below, these numbers lie in the upper half. */
const idOf = (path: StorePath): bigint => {
  let hash = 0xcbf29ce484222325n
  for (const character of DfsPath.key(path)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(character.codePointAt(0)!)) * 0x100000001b3n)
  }
  return BigInt.asUintN(63, hash) | 1n << 62n
}

/** The identity of a name that the store does not have: no store uses such an identity. */
const identityOf = (path: StorePath): string => `namespace:${DfsPath.key(path)}`

/**
 * A store with the current links from `links`, as paths below the root.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (store: ShareStore, links: () => ReadonlyArray<StorePath>): ShareStore => {
  /** The names that links add to a directory: their own, and those of folders on the path to them. */
  const added = (path: StorePath): ReadonlyMap<string, { readonly name: string; readonly link: boolean }> => {
    const found = new Map<string, { readonly name: string; readonly link: boolean }>()
    for (const link of links()) {
      if (link.length <= path.length || !DfsPath.startsWith(link, path)) continue
      const name = link[path.length]!
      found.set(DfsPath.fold(name), { name, link: link.length === path.length + 1 })
    }
    return found
  }
  const isOnTheWay = (path: StorePath): boolean => path.length > 0 && added(path).size > 0

  /** The path in the case of the links. */
  const spelled = (path: StorePath): StorePath =>
    path.map((name, i) => added(path.slice(0, i)).get(DfsPath.fold(name))?.name ?? name)

  const node = (path: StorePath, link: boolean, root: StoreNode): StoreNode => ({
    ...root,
    name: path[path.length - 1]!,
    id: idOf(path),
    identity: identityOf(path),
    type: "directory",
    fileAttributes: F.FILE_ATTRIBUTE_DIRECTORY | (link ? F.FILE_ATTRIBUTE_REPARSE_POINT : 0),
    numberOfLinks: 1,
    reparseTag: link ? IO_REPARSE_TAG_DFS : 0,
    // The attributes of the root belong to the root alone.
    eaSize: 0
  })

  /** A folder on the path to a link that the store does not have. */
  const folder = (path: StorePath): Effect.Effect<StoreOpened, StoreError> =>
    Effect.map(store.stat([]), (root) => {
      const stat = node(spelled(path), false, root)
      const file: StoreFile = {
        id: stat.id,
        stat: Effect.succeed(stat),
        read: () => fail("IsDirectory"),
        write: () => fail("IsDirectory"),
        truncate: () => fail("IsDirectory"),
        flush: Effect.void,
        set: () => fail("AccessDenied"),
        getBlob: () => Effect.succeed(undefined),
        setBlob: () => fail("AccessDenied"),
        streams: Effect.succeed([]),
        zero: () => fail("IsDirectory"),
        allocated: () => fail("IsDirectory")
      }
      return { file, created: false, node: stat }
    })

  const isMissing = (error: StoreError): boolean =>
    error.reason._tag === "NotFound" || error.reason._tag === "PathNotFound"

  /** Makes the folders above a path. */
  const makeFolders = (path: StorePath): Effect.Effect<void, StoreError> => {
    const folders = spelled(path.slice(0, -1))
    return Effect.forEach(
      folders,
      (_, i) => Effect.scoped(store.open(folders.slice(0, i + 1), { mode: "either", type: "directory" })),
      { discard: true }
    )
  }

  /** In a folder on the path to a link, only the last name is missing. */
  const missing = (path: StorePath, error: StoreError): Effect.Effect<never, StoreError> =>
    error.reason._tag === "PathNotFound" && isOnTheWay(path.slice(0, -1)) ? fail("NotFound") : Effect.fail(error)

  const isVirtual = (path: StorePath): Effect.Effect<boolean> =>
    isOnTheWay(path)
      ? Effect.match(store.stat(path), { onSuccess: () => false, onFailure: isMissing })
      : Effect.succeed(false)

  /** Runs a call that puts a file at a path. If the folders above it were missing, makes them and retries. */
  const into = <A, R>(path: StorePath, run: Effect.Effect<A, StoreError, R>): Effect.Effect<A, StoreError, R> =>
    Effect.catch(run, (error) =>
      error.reason._tag === "PathNotFound" && isOnTheWay(path.slice(0, -1))
        ? Effect.andThen(makeFolders(path), run)
        : Effect.fail(error))

  /** Gives a file a name by `run`. A folder on the path to a link is an existing directory, also for that. */
  const naming = (
    name: StorePath,
    { replace }: StoreNaming,
    run: Effect.Effect<void, StoreError>
  ): Effect.Effect<void, StoreError> =>
    Effect.flatMap(isVirtual(name), (virtual) => virtual ? fail(replace ? "IsDirectory" : "Exists") : into(name, run))

  const { link, mayRemove } = store
  return {
    ...store,
    // The folders on the path to a link are only in `list`.
    names: undefined,
    stat: (path) =>
      Effect.catch(store.stat(path), (error) =>
        isMissing(error) && isOnTheWay(path)
          ? Effect.map(folder(path), (opened) => opened.node)
          : missing(path, error)),
    open: (path, options) =>
      options.mode === "existing"
        ? Effect.catch(store.open(path, options), (error) =>
          isMissing(error) && options.stream === undefined && isOnTheWay(path) ? folder(path) : missing(path, error))
        : Effect.flatMap(isVirtual(path), (virtual) =>
          !virtual
            ? into(path, store.open(path, options))
            : options.mode === "new"
            ? fail("Exists")
            : options.stream === undefined
            ? folder(path)
            : fail("NotFound")),
    list: (path, options) =>
      Stream.unwrap(Effect.sync(() => {
        const more = added(path)
        // A folder that was opened as one on the path to a link may exist in the store now.
        const expected = options?.expected === identityOf(path) ? undefined : options
        if (more.size === 0) return store.list(path, expected)
        const seen = new Set<string>()
        const own = store.list(path, expected).pipe(
          Stream.filter((entry) => {
            const key = DfsPath.fold(entry.name)
            seen.add(key)
            return more.get(key)?.link !== true
          }),
          Stream.catchIf(isMissing, () => Stream.empty)
        )
        const theirs = Stream.unwrap(Effect.map(store.stat([]), (root) =>
          Stream.fromIterable(
            [...more].filter(([key, { link }]) => link || !seen.has(key)).map(([, { link, name }]) =>
              node([...path, name], link, root)
            )
          )))
        return Stream.concat(own, theirs)
      })),
    remove: (path, options) => isOnTheWay(path) ? fail("NotEmpty") : store.remove(path, options),
    ...(mayRemove === undefined
      ? {}
      : { mayRemove: (path, options) => isOnTheWay(path) ? fail("NotEmpty") : mayRemove(path, options) }),
    // The namespace decides where links are, so the folders on the path to a link cannot be renamed.
    rename: (from, to, options) =>
      isOnTheWay(from) ? fail("AccessDenied") : naming(to, options, store.rename(from, to, options)),
    ...(link === undefined
      ? {}
      : { link: (existing, name, options) => naming(name, options, link(existing, name, options)) })
  }
}
