/**
 * A store over a local folder: real files that other programs see too.
 *
 * Bytes, names, hard links and the platform's times are those of the folder. Everything that the platform cannot keep
 * (attributes, exact times, security descriptors, extended attributes, reparse points, named streams) is in a hidden
 * folder `.effect-smb` on each of its file systems, which no client sees (docs/adr/0007). One process serves a folder
 * at a time.
 *
 * `LocalTree` finds and confines names, `LocalVolume` knows the file systems, `OpenFileDescriptors` shares file
 * descriptors, `LocalFiles` and `LocalHandle` have the open files, `LocalOpening`, `LocalNaming` and `LocalListing` find,
 * make and name them, and `LocalFolders` has the served folders. This module implements `ShareStore` with them.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Path from "node:path"
import * as Arguments from "../../Protocol/Arguments.ts"
import type {
  ShareStore,
  StoreError,
  StoreNode,
  StoreOpen,
  StoreOpened,
  StorePath,
  StoreVolume
} from "../ShareStore.ts"
import * as Local from "./internal/Local.ts"
import * as LocalFolders from "./internal/LocalFolders.ts"
import { LocalHandle } from "./internal/LocalHandle.ts"
import * as LocalListing from "./internal/LocalListing.ts"
import * as LocalNaming from "./internal/LocalNaming.ts"
import * as LocalOpening from "./internal/LocalOpening.ts"
import type { Found } from "./internal/LocalTree.ts"
import type { Volume } from "./internal/LocalVolume.ts"
import * as LocalWatch from "./internal/LocalWatch.ts"
import * as NamesInSmb from "./internal/NamesInSmb.ts"
import * as SidecarFolder from "./internal/SidecarFolder.ts"
import * as StoreNames from "./internal/StoreNames.ts"

/**
 * The hidden folder's name.
 *
 * @since 0.1.0
 */
export const sidecarName = SidecarFolder.sidecarName

/**
 * How a folder is served.
 *
 * @category models
 * @since 0.1.0
 */
export interface LocalStoreOptions {
  /** The volume's name. Default: the folder's name. */
  readonly label?: string | undefined
  /** Whether every change is refused. A folder that cannot be written is always read-only. */
  readonly readOnly?: boolean | undefined
  /**
   * Whether clients get names that SMB cannot carry (`11:05.jpg`, `what?`, `end.`) with characters of Unicode's private
   * use area, as Linux' and macOS' clients write them. Otherwise listings leave such names out. Default: true. No effect
   * on Windows, whose disks have no such names.
   */
  readonly mapNames?: boolean | undefined
  /** Most descriptors for files, not counting directories and removed files that are still open. Default: 512. */
  readonly descriptors?: number | undefined
  /** Most directories whose descriptors and names are kept. Default: 128. */
  readonly directories?: number | undefined
  /** Most names that are kept to find names in another case. Default: 1,000,000. */
  readonly names?: number | undefined
  /**
   * Uses paths even if the platform has the safer descriptors of directories: to test the behaviour of other platforms.
   */
  readonly byPath?: boolean | undefined
}

/**
 * Serves a folder until the scope closes. If this process serves the folder already, the stores share it: they have one
 * `origin`, and the limits of the first one.
 *
 * Fails with `NotFound`, `NotDirectory` or `AccessDenied` if the folder cannot be used. Fails with `Busy` if the folder
 * lies in a served folder or contains one, or if another process serves it. Fails with `Failed` if the hidden folder is
 * damaged, or belongs to another folder, as after a copy or a restore. The `cause` says what to do. `ArgumentError` is a
 * defect, for a count or a label that cannot be used.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  folder: string,
  options: LocalStoreOptions = {}
): Effect.Effect<ShareStore, StoreError, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.suspend(() => {
        Arguments.assertOptions({
          label: [Arguments.text, options.label],
          descriptors: [Arguments.count(1), options.descriptors],
          directories: [Arguments.count(1), options.directories],
          names: [Arguments.count(0), options.names]
        })
        return Local.run(() =>
          LocalFolders.acquire(folder, {
            directories: options.directories ?? 128,
            names: options.names ?? 1_000_000,
            byPath: options.byPath ?? false,
            descriptors: options.descriptors ?? 512
          }, options.readOnly ?? false)
        )
      }),
      (served) => Effect.promise(() => LocalFolders.release(served))
    ),
    (served) =>
      Local.run(async () => {
        // A read-only folder gets no hidden folder.
        const readOnly = options.readOnly === true || !await served.tree.root.volume.canWrite()
        const mapNames = options.mapNames !== false && NamesInSmb.isNeeded
        const store = build(served, options.label ?? Path.basename(served.tree.root.place), readOnly, mapNames)
        return NamesInSmb.make(store, mapNames)
      })
  )

const build = (
  served: LocalFolders.LocalFolder,
  label: string,
  readOnly: boolean,
  mapNames: boolean
): ShareStore => {
  const { files, own, tree } = served

  const requireWritable = () => {
    if (readOnly) Local.refuse("ReadOnly")
  }

  const volumeOf = async (volume: Volume): Promise<StoreVolume> => {
    const { lasts } = volume
    const { creationTime, free, isReadOnly, serialNumber, total } = await volume.measure()
    return {
      label,
      serialNumber,
      creationTime,
      total,
      free,
      maximumComponentLength: StoreNames.maximumComponentLength,
      supports: {
        streams: lasts,
        securityDescriptors: lasts,
        extendedAttributes: lasts,
        reparsePoints: lasts,
        sparse: true,
        objectIds: lasts,
        lastingIdentities: volume.identitiesLast
      },
      readOnly: readOnly || isReadOnly
    }
  }

  const shown = mapNames ? NamesInSmb.shownNode : (node: StoreNode) => node

  const place = { files, own, requireWritable, shown, volume: volumeOf }

  const found = async (path: StorePath): Promise<Found> => await tree.find(path) ?? Local.refuse("NotFound")

  const openFile = LocalOpening.make(served, requireWritable)

  const open = (path: StorePath, how: StoreOpen): Effect.Effect<StoreOpened, StoreError, Scope.Scope> =>
    Effect.map(
      Effect.acquireRelease(
        Local.run(() => openFile(path, how)),
        ({ file, stream }) =>
          Effect.promise(() => {
            if (stream !== undefined) files.releaseStream(stream)
            // A record that a removed file leaves behind does no harm.
            return files.release(file).catch(() => undefined)
          })
      ),
      ({ created, file, node, stream }) => ({ file: new LocalHandle(place, file, stream), created, node })
    )

  return {
    volume: Local.run(() => volumeOf(tree.root.volume)),
    stat: (path) =>
      Local.run(async () => {
        const there = await found(tree.checked(path))
        return files.describe(there)
      }),
    open,
    ...LocalListing.make(served),
    ...LocalNaming.make(served, requireWritable),
    origin: served,
    changes: (directory, { onStart, recursive }) =>
      LocalWatch.changes({
        find: Local.run(async () => {
          const there = await found(tree.checked(directory))
          if (!there.stats.isDirectory()) Local.refuse("NotDirectory")
          return { place: Path.join(tree.root.place, ...there.path), path: there.path, all: !there.volume.isNetwork }
        }),
        reserved: sidecarName,
        recursive,
        own,
        onStart
      })
  }
}
