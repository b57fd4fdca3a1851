/**
 * A store whose names SMB can carry, over one with the names of a file system of Unix (`ReservedCharacters`).
 *
 * If names are not mapped, listings leave out the names that SMB cannot carry: a client that asked for `f::$DATA` as
 * listed would get, or delete, `f`.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ReservedCharacters from "../../../Codec/ReservedCharacters.ts"
import {
  type ShareStore,
  type StoreError,
  storeError,
  type StoreFile,
  type StoreNode,
  type StorePath
} from "../../ShareStore.ts"
import * as StoreNames from "./StoreNames.ts"

/**
 * Whether the platform's names can have characters that names in SMB cannot have. Windows has the same rules as SMB, and
 * a backslash leads to another directory there.
 */
export const isNeeded = process.platform !== "win32"

/** The name that clients see. */
export const shown = (name: string): string => ReservedCharacters.toPrivateUse(name)

/** Whether a text is a name on this platform that cannot lead out of a directory. */
export const isPlatformComponent = (name: string): boolean =>
  StoreNames.isComponent(isNeeded ? name.replaceAll("\\", "_") : name)

/** The state of a file, under the name that clients see. */
export const shownNode = (node: StoreNode): StoreNode => {
  const name = shown(node.name)
  return name === node.name ? node : { ...node, name }
}

/**
 * The store with names that SMB can carry. `file` gives an open file whose state has the name that clients see.
 *
 * @category constructors
 */
export const make = (
  store: ShareStore,
  isMapped: boolean,
  file: (file: StoreFile) => StoreFile = (one) => one
): ShareStore => {
  if (!isNeeded) return store
  const { changes, link, mayRemove, names } = store
  const isName = (one: string) => StoreNames.isComponent(one) && !ReservedCharacters.areIn(one)
  const node = isMapped ? shownNode : (one: StoreNode) => one
  const name = isMapped ? shown : (one: string) => one
  const isShown = (one: string) => isMapped || !ReservedCharacters.areIn(one)
  /** Calls the store with the path that it knows, from a client's path. */
  const at = <A, R>(
    path: StorePath,
    call: (path: StorePath) => Effect.Effect<A, StoreError, R>
  ): Effect.Effect<A, StoreError, R> =>
    !path.every(isName)
      ? Effect.fail(storeError("InvalidName"))
      : Effect.suspend(() => call(isMapped ? path.map(ReservedCharacters.toPlain) : path))
  const streamAt = <A>(path: StorePath, call: (path: StorePath) => Stream.Stream<A, StoreError>) =>
    Stream.unwrap(at(path, (plain) => Effect.succeed(call(plain))))
  return {
    ...store,
    stat: (path) => Effect.map(at(path, store.stat), node),
    open: (path, options) =>
      Effect.map(at(path, (plain) => store.open(plain, options)), (opened) => ({
        ...opened,
        file: isMapped ? file(opened.file) : opened.file,
        node: node(opened.node)
      })),
    list: (path, options) =>
      streamAt(path, (plain) =>
        store.list(plain, options).pipe(
          Stream.filter((entry) => isShown(entry.name)),
          Stream.map(node)
        )),
    remove: (path, options) => at(path, (plain) => store.remove(plain, options)),
    rename: (from, to, options) => at(from, (source) => at(to, (target) => store.rename(source, target, options))),
    ...names === undefined
      ? {}
      : { names: (path) => streamAt(path, (plain) => names(plain).pipe(Stream.filter(isShown), Stream.map(name))) },
    ...isMapped ? { canonicalName: (sent) => shown(ReservedCharacters.toPlain(sent)) } : {},
    ...mayRemove === undefined ? {} : { mayRemove: (path, options) => at(path, (plain) => mayRemove(plain, options)) },
    ...link === undefined
      ? {}
      : {
        link: (existing, path, options) => at(existing, (source) => at(path, (target) => link(source, target, options)))
      },
    ...changes === undefined
      ? {}
      : {
        changes: (directory, options) =>
          streamAt(directory, (plain) =>
            changes(plain, options).pipe(
              Stream.filter(({ path }) => path.every(isShown)),
              Stream.map(({ action, path }) => ({ action, path: path.map(name) }))
            ))
      }
  }
}
