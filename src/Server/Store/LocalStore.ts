/**
 * A store over a local folder: real files that other programs see too.
 *
 * Bytes, names, hard links and the platform's times are those of the folder. Everything that the platform cannot keep
 * (attributes, exact times, security descriptors, extended attributes, reparse points, named streams) is in a hidden
 * folder `.effect-smb` on each of its file systems, which no client sees (docs/adr/0007). One process serves a folder
 * at a time.
 *
 * `LocalTree` finds and confines names, `LocalVolume` knows the file systems, `Descriptors` shares descriptors,
 * `LocalFiles` and `LocalHandle` have the open files, and `LocalFolders` the served folders. This module implements
 * `ShareStore` with them.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type {
  ShareStore,
  StoreChanges,
  StoreError,
  StoreNode,
  StoreOpen,
  StoreOpened,
  StorePath,
  StoreVolume
} from "../ShareStore.ts"
import * as Local from "./internal/Local.ts"
import type { OpenFile } from "./internal/LocalFiles.ts"
import * as LocalFolders from "./internal/LocalFolders.ts"
import { LocalHandle } from "./internal/LocalHandle.ts"
import * as LocalNaming from "./internal/LocalNaming.ts"
import * as LocalNode from "./internal/LocalNode.ts"
import type { Directory, Found } from "./internal/LocalTree.ts"
import type { Volume } from "./internal/LocalVolume.ts"
import * as LocalWatch from "./internal/LocalWatch.ts"
import * as Names from "./internal/Names.ts"
import type { Begun } from "./internal/Sidecar.ts"
import * as SidecarFolder from "./internal/SidecarFolder.ts"

/** The hidden folder's name. */
export const sidecarName = SidecarFolder.sidecarName

/**
 * How a folder is served.
 *
 * @category models
 */
export interface LocalStoreOptions {
  /** The volume's name. Default: the folder's name. */
  readonly label?: string | undefined
  /** Whether every change is refused. A folder that cannot be written is always read-only. */
  readonly readOnly?: boolean | undefined
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

/** Entries of a listing that are described at one time. */
const listPiece = 64

/**
 * Serves a folder until the scope closes. If this process serves the folder already, the stores share it: they have one
 * `origin`, and the limits of the first one.
 *
 * Fails with `NotFound`, `NotDirectory` or `AccessDenied` if the folder cannot be used. Fails with `Busy` if the folder
 * lies in a served folder or contains one, or if another process serves it. Fails with `Failed` if the hidden folder is
 * damaged, or belongs to another folder, as after a copy or a restore. The `cause` says what to do.
 *
 * @category constructors
 */
export const make = (
  folder: string,
  options: LocalStoreOptions = {}
): Effect.Effect<ShareStore, StoreError, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Local.run(() =>
        LocalFolders.acquire(folder, {
          directories: options.directories ?? 128,
          names: options.names ?? 1_000_000,
          byPath: options.byPath ?? false,
          descriptors: options.descriptors ?? 512
        }, options.readOnly ?? false)
      ),
      (served) => Effect.promise(() => LocalFolders.release(served))
    ),
    (served) =>
      Local.run(async () => {
        // A read-only folder gets no hidden folder.
        const readOnly = options.readOnly === true || !await served.tree.root.volume.canWrite()
        return build(served, options.label ?? Path.basename(served.tree.root.place), readOnly)
      })
  )

const build = (served: LocalFolders.LocalFolder, label: string, readOnly: boolean): ShareStore => {
  const { files, locks, making, own, tree } = served
  const { descriptors } = files

  const changes = () => {
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
      maximumComponentLength: Names.maximumComponentLength,
      supports: {
        streams: lasts,
        securityDescriptors: lasts,
        extendedAttributes: lasts,
        reparsePoints: lasts,
        sparse: true
      },
      readOnly: readOnly || isReadOnly
    }
  }

  const place = { files, own, changes, volume: volumeOf }

  const found = async (path: StorePath, linkItself = false): Promise<Found> =>
    await tree.find(path, linkItself) ?? Local.refuse("NotFound")

  /** Makes a missing file or directory, in a locked directory. */
  const create = (parent: Directory, name: string, how: StoreOpen): Promise<OpenFile> => {
    changes()
    const path = [...parent.path, name]
    return tree.changing([parent], () =>
      own.during([path], async () => {
        const { securityDescriptor, ...initial } = how.initial ?? {}
        if (securityDescriptor === undefined) return createAt(parent, name, how.type, initial, undefined)
        const [record, rest] = LocalNode.first(initial, securityDescriptor, how.type === "directory")
        // Before the file exists, so that a crash leaves no file without its record.
        const begun = await parent.volume.begin(path, record)
        try {
          return await making.run(parent.volume, (is) => createAt(parent, name, how.type, rest, { begun, is }))
        } catch (error) {
          await begun.takeBack().catch(() => undefined)
          throw error
        }
      }))
  }

  /** `kept`: the record that waits for the file, and a function that takes the file's identity. */
  const createAt = async (
    parent: Directory,
    name: string,
    type: StoreOpen["type"],
    initial: StoreChanges,
    kept: { readonly begun: Begun; readonly is: (identity: string) => void } | undefined
  ): Promise<OpenFile> => {
    const place = tree.at(parent, name)
    let stats: Fs.BigIntStats
    let fd: number | undefined
    const { volume } = parent
    const path = [...parent.path, name]
    if (type === "directory") {
      await Fs.promises.mkdir(place)
      stats = await Local.lstat(place)
    } else {
      const { O_CREAT, O_EXCL, O_RDWR } = Fs.constants
      fd = await Local.open(place, O_RDWR | O_CREAT | O_EXCL | Local.openFlags.file, 0o666)
      stats = await Local.fstat(fd)
    }
    kept?.is(volume.identityOf(stats))
    await tree.changed(parent, undefined, name)
    const file = files.acquire({ name, path, stats, volume }, true)
    if (fd !== undefined) descriptors.adopt(file.descriptor, fd)
    try {
      if (kept !== undefined) await files.give(file, kept.begun)
      if (Object.keys(initial).length > 0) await files.set(file, initial)
      return file
    } catch (error) {
      // A file must not stay without its security descriptor.
      await (type === "directory" ? Fs.promises.rmdir(place) : Fs.promises.unlink(place)).catch(() => undefined)
      await tree.changed(parent, name, undefined)
      file.removed = true
      await files.release(file)
      throw error
    }
  }

  /** The result of `look`, after waiting if the file is just being made. */
  const whole = async (look: () => Promise<Found>): Promise<Found> => {
    const there = await look()
    if (making.isIdle || !await making.settled(there.volume, there.volume.identityOf(there.stats))) return there
    return whole(look)
  }

  /** `found` is the state in which an existing file was just seen. */
  const openFile = async (
    path: StorePath,
    how: StoreOpen
  ): Promise<{ file: OpenFile; created: boolean; found: Found | undefined }> => {
    tree.checked(path)
    if (how.mode === "existing" || path.length === 0) {
      const there = await whole(() => found(path, how.linkItself))
      return how.mode === "new" ? Local.refuse("Exists") : { file: files.acquire(there), created: false, found: there }
    }
    const name = path.at(-1)!
    return tree.within(path.slice(0, -1), (parent) =>
      locks.run(parent.key, async () => {
        const there = await tree.lookup(parent, name)
        if (there === undefined) return { file: await create(parent, name, how), created: true, found: undefined }
        if (how.mode === "new") return Local.refuse("Exists")
        const resolved = await whole(() => tree.resolve(parent, there))
        return { file: files.acquire(resolved), created: false, found: resolved }
      }))
  }

  const openStream = async (path: StorePath, name: string, how: StoreOpen) => {
    if (!Names.isComponent(name) || !name.isWellFormed()) Local.refuse("InvalidName")
    // As on NTFS, making a stream makes its file too.
    const mode = how.mode === "existing" ? "existing" : "either"
    const { file } = await openFile(path, { ...how, mode, type: "file" })
    try {
      if (how.mode !== "existing") changes()
      const records = await files.streamRecords(file, how.mode !== "existing")
      const opened = await records.openStream(file.key, name, how.mode)
      const stream = files.acquireStream(file, records, opened.file)
      return { file, stream, created: opened.created, found: undefined }
    } catch (error) {
      await files.release(file)
      throw error
    }
  }

  const open = (path: StorePath, how: StoreOpen): Effect.Effect<StoreOpened, StoreError, Scope.Scope> =>
    Effect.map(
      Effect.acquireRelease(
        Local.run(async () => {
          const opened = how.stream === undefined
            ? { ...await openFile(path, how), stream: undefined }
            : await openStream(path, how.stream, how)
          const { file, stream } = opened
          if (how.forData === true && (stream !== undefined || !file.isDirectory)) {
            descriptors.prepare(stream?.descriptor ?? file.descriptor)
          }
          try {
            const node = opened.found === undefined
              ? await files.node(opened.file, opened.stream)
              : await files.describe(opened.found)
            return { ...opened, node }
          } catch (error) {
            if (opened.stream !== undefined) files.releaseStream(opened.stream)
            await files.release(opened.file)
            throw error
          }
        }),
        ({ file, stream }) =>
          Effect.promise(() => {
            if (stream !== undefined) files.releaseStream(stream)
            // A record that a removed file leaves behind does no harm.
            return files.release(file).catch(() => undefined)
          })
      ),
      ({ created, file, node, stream }) => ({ file: new LocalHandle(place, file, stream), created, node })
    )

  /** An entry as a listing shows it; `undefined` if it cannot be opened. */
  const entry = async (parent: Directory, name: string): Promise<StoreNode | undefined> => {
    try {
      tree.checked([...parent.path, name])
      const stats = await Local.orMissing(Local.lstat(tree.at(parent, name)))
      if (stats === undefined) return undefined
      const there = await tree.resolve(parent, { name, stats })
      return await files.describe(there)
    } catch (error) {
      const { reason } = Local.toStoreError(error)
      if (["NotFound", "PathNotFound", "AccessDenied", "InvalidName"].includes(reason)) return undefined
      throw error
    }
  }

  const list: ShareStore["list"] = (path, options) =>
    Stream.unwrap(Effect.map(
      Effect.acquireRelease(
        Local.run(async () => {
          const there = await found(tree.checked(path))
          files.expect(there, options?.expected)
          if (!there.stats.isDirectory()) Local.refuse("NotDirectory")
          const file = files.acquire(there)
          try {
            const names = await files.inside(
              file,
              (directory) => Local.call<Array<string>>((done) => Fs.readdir(tree.at(directory, "."), done))
            )
            return { file, names }
          } catch (error) {
            await files.release(file)
            throw error
          }
        }),
        ({ file }) => Effect.promise(() => files.release(file).catch(() => undefined))
      ),
      ({ file, names }) =>
        Stream.paginate(0, (from) =>
          Local.run(() =>
            files.inside(file, async (directory) => {
              const some = names.slice(from, from + listPiece)
              const nodes = await Promise.all(some.map((name) => entry(directory, name)))
              const next = from + listPiece
              return [
                nodes.filter((node) => node !== undefined),
                next < names.length ? Option.some(next) : Option.none()
              ] as const
            })
          ))
    ))

  return {
    volume: Local.run(() => volumeOf(tree.root.volume)),
    stat: (path) =>
      Local.run(async () => {
        const there = await found(tree.checked(path))
        return files.describe(there)
      }),
    open,
    list,
    ...LocalNaming.make(served, changes),
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
