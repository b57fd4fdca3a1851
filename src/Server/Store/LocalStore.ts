/**
 * A store over a local folder: real files that other programs see too.
 *
 * Bytes, names, hard links and the platform's times are the folder's own. What the platform has no place for (attributes,
 * exact times, security descriptors, extended attributes, reparse points, named streams) is kept in a hidden folder
 * `.effect-smb` in it, which no client sees (docs/adr/0007). One process serves a folder at a time.
 *
 * How names are found and confined is `LocalTree`'s, how descriptors are shared `Descriptors`', open files `LocalFiles`' and
 * `LocalHandle`'s; here is what the seam asks, in their terms.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as FileTime from "../../Codec/FileTime.ts"
import type {
  ShareStore,
  StoreError,
  StoreNaming,
  StoreNode,
  StoreOpen,
  StoreOpened,
  StorePath,
  StoreVolume
} from "../ShareStore.ts"
import { Descriptors } from "./internal/Descriptors.ts"
import * as Local from "./internal/Local.ts"
import { LocalFiles } from "./internal/LocalFiles.ts"
import type { OpenFile } from "./internal/LocalFiles.ts"
import { LocalHandle } from "./internal/LocalHandle.ts"
import { LocalTree } from "./internal/LocalTree.ts"
import type { Directory, Found } from "./internal/LocalTree.ts"
import * as LocalWatch from "./internal/LocalWatch.ts"
import { Locks } from "./internal/Locks.ts"
import * as Names from "./internal/Names.ts"
import { Sidecar } from "./internal/Sidecar.ts"

/** The hidden folder's name. */
export const sidecarName = ".effect-smb"

/**
 * How a folder is served.
 *
 * @category models
 */
export interface LocalStoreOptions {
  /** The volume's name; the folder's if left out. */
  readonly label?: string
  /** Whether every change is refused; a folder that cannot be written is read-only by itself. */
  readonly readOnly?: boolean
  /** Descriptors for files at most, beside those of removed files that are open and of directories; 512 if left out. */
  readonly descriptors?: number
  /** Directories whose descriptors and names are kept; 128 if left out. */
  readonly directories?: number
  /** Names that are kept for finding others in another case; a million if left out. */
  readonly names?: number
  /** Works by paths also where descriptors of directories can be used, which is safer: to test what other platforms do. */
  readonly byPath?: boolean
}

/** Entries that are described at once. */
const listPiece = 64

/**
 * Serves a folder until the scope closes. Fails with `NotFound`, `NotDirectory` or `AccessDenied` where it cannot.
 *
 * @category constructors
 */
export const make = (
  folder: string,
  options: LocalStoreOptions = {}
): Effect.Effect<ShareStore, StoreError, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Local.run(async () => {
        const tree = await LocalTree.make(folder, sidecarName, {
          directories: options.directories ?? 128,
          names: options.names ?? 1_000_000,
          byPath: options.byPath ?? false
        })
        const root = await Local.lstat(tree.at(tree.root, "."))
        const sidecar = options.readOnly === true ? undefined : await openSidecar(tree)
        const steady = sidecar === undefined || await sidecar.birthIsSteady()
        return new LocalFiles(
          tree,
          sidecar,
          new Descriptors(options.descriptors ?? 512, tree.root.fd !== undefined),
          root.dev,
          steady
        )
      }),
      (files) => Effect.promise(() => files.tree.close())
    ),
    (files) => build(files, options)
  )

/** `undefined` where nothing can be written. */
const openSidecar = async (tree: LocalTree): Promise<Sidecar | undefined> => {
  try {
    return await Sidecar.make(Path.join(tree.root.place, sidecarName))
  } catch (error) {
    if (["EACCES", "EPERM", "EROFS"].includes(Local.codeOf(error) ?? "")) return undefined
    throw error
  }
}

const build = (files: LocalFiles, options: LocalStoreOptions): ShareStore => {
  const { descriptors, sidecar, tree } = files
  const locks = new Locks()
  const readOnly = sidecar === undefined
  const own = new LocalWatch.OwnChanges()

  const changes = () => {
    if (readOnly) Local.refuse("ReadOnly")
  }

  const place = { files, own, changes }

  const found = async (path: StorePath): Promise<Found> => await tree.find(path) ?? Local.refuse("NotFound")

  /** Makes what is not there, in a directory that is locked. */
  const create = (parent: Directory, name: string, how: StoreOpen): Promise<OpenFile> => {
    changes()
    const path = [...parent.path, name]
    return tree.changing([parent], () => own.during([path], () => createAt(parent, name, path, how)))
  }

  const createAt = async (parent: Directory, name: string, path: StorePath, how: StoreOpen): Promise<OpenFile> => {
    const place = tree.at(parent, name)
    let stats: Fs.BigIntStats
    let fd: number | undefined
    if (how.type === "directory") {
      await Fs.promises.mkdir(place)
      stats = await Local.lstat(place)
    } else {
      const { O_CREAT, O_EXCL, O_RDWR } = Fs.constants
      fd = await Local.open(place, O_RDWR | O_CREAT | O_EXCL | Local.openFlags.file, 0o666)
      stats = await Local.fstat(fd)
    }
    await tree.changed(parent, undefined, name)
    const file = files.acquire({ name, path, stats })
    if (fd !== undefined) descriptors.adopt(file.descriptor, fd)
    try {
      const { securityDescriptor, ...initial } = how.initial ?? {}
      if (securityDescriptor !== undefined) await files.setBlob(file, "SecurityDescriptor", securityDescriptor)
      if (Object.keys(initial).length > 0) await files.set(file, initial)
      return file
    } catch (error) {
      // A file without what it should be protected by is none.
      await (how.type === "directory" ? Fs.promises.rmdir(place) : Fs.promises.unlink(place)).catch(() => undefined)
      await tree.changed(parent, name, undefined)
      file.removed = true
      await files.release(file)
      throw error
    }
  }

  /** `found` is what was just seen of a file that is there. */
  const openFile = async (
    path: StorePath,
    how: StoreOpen
  ): Promise<{ file: OpenFile; created: boolean; found: Found | undefined }> => {
    tree.checked(path)
    if (how.mode === "existing" || path.length === 0) {
      const there = await found(path)
      return how.mode === "new" ? Local.refuse("Exists") : { file: files.acquire(there), created: false, found: there }
    }
    const name = path.at(-1)!
    return tree.within(path.slice(0, -1), (parent) =>
      locks.run(parent.key, async () => {
        const there = await tree.lookup(parent, name)
        if (there === undefined) return { file: await create(parent, name, how), created: true, found: undefined }
        if (how.mode === "new") return Local.refuse("Exists")
        const resolved = await tree.resolve(parent, there)
        return { file: files.acquire(resolved), created: false, found: resolved }
      }))
  }

  const openStream = async (path: StorePath, name: string, how: StoreOpen) => {
    if (!Names.isComponent(name) || !name.isWellFormed()) Local.refuse("InvalidName")
    // As on NTFS, a stream that is made makes its file too.
    const mode = how.mode === "existing" ? "existing" : "either"
    const { file } = await openFile(path, { ...how, mode, type: "file" })
    try {
      if (sidecar === undefined) return Local.refuse(how.mode === "existing" ? "NotFound" : "ReadOnly")
      const opened = await sidecar.openStream(file.key, name, how.mode)
      return { file, stream: files.acquireStream(file.key, opened.file), created: opened.created, found: undefined }
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
              : await files.describe(opened.found.name, opened.found.stats)
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
            // What is left of a removed file's record does no harm.
            return files.release(file).catch(() => undefined)
          })
      ),
      ({ created, file, node, stream }) => ({ file: new LocalHandle(place, file, stream), created, node })
    )

  /** An entry as a listing shows it; nothing of what cannot be opened. */
  const entry = async (parent: Directory, name: string): Promise<StoreNode | undefined> => {
    try {
      tree.checked([...parent.path, name])
      const stats = await Local.orMissing(Local.lstat(tree.at(parent, name)))
      if (stats === undefined) return undefined
      const there = await tree.resolve(parent, { name, stats })
      return await files.describe(name, there.stats)
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
          files.expect(there.stats, options?.expected)
          if (!there.stats.isDirectory()) Local.refuse("NotDirectory")
          const names = await tree.within(
            there.path,
            (directory) => Local.call<Array<string>>((done) => Fs.readdir(tree.at(directory, "."), done))
          )
          return { file: files.acquire(there), names }
        }),
        ({ file }) => Effect.promise(() => files.release(file).catch(() => undefined))
      ),
      ({ file, names }) =>
        Stream.paginate(0, (from) =>
          Local.run(() =>
            tree.within(file.path, async (directory) => {
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

  /** A name as it is, of the file that is expected: a symbolic link stands for what it leads to. */
  const named = async (parent: Directory, name: string, expected: string | undefined) => {
    const there = await tree.lookup(parent, name) ?? Local.refuse("NotFound")
    if (expected !== undefined) files.expect((await leadsTo(parent, there)).stats, expected)
    return there
  }

  /** What leads out of the folder, or nowhere, is no file that anybody has open. */
  const leadsTo = async (parent: Directory, there: { name: string; stats: Fs.BigIntStats }) => {
    try {
      return await tree.resolve(parent, there)
    } catch (error) {
      return Local.toStoreError(error).reason === "AccessDenied" ? Local.refuse("Stale") : Promise.reject(error)
    }
  }

  const remove: ShareStore["remove"] = (path, what) =>
    Local.run(async () => {
      tree.checked(path)
      if (what?.stream !== undefined) {
        const { stats } = await found(path)
        files.expect(stats, what.expected)
        changes()
        const key = files.keyOf(stats)
        await sidecar!.removeStream(key, what.stream, (file) => files.detachStream(key, file))
        return
      }
      if (path.length === 0) Local.refuse("AccessDenied")
      await tree.within(path.slice(0, -1), (parent) =>
        locks.run(parent.key, async () => {
          const there = await named(parent, path.at(-1)!, what?.expected)
          changes()
          const unlink = async () => {
            if (there.stats.isDirectory()) return Fs.promises.rmdir(tree.at(parent, there.name))
            await files.detach(there.stats)
            await Fs.promises.unlink(tree.at(parent, there.name))
          }
          await tree.changing([parent], async () => {
            await own.during([], unlink, [[...parent.path, there.name]])
            await tree.changed(parent, there.name, undefined)
          })
          await files.gone(there.stats)
        }))
    })

  const mayRemove: NonNullable<ShareStore["mayRemove"]> = (path, what) =>
    Local.run(async () => {
      tree.checked(path)
      if (path.length === 0) Local.refuse("AccessDenied")
      await tree.within(path.slice(0, -1), async (parent) => {
        const there = await named(parent, path.at(-1)!, what?.expected)
        changes()
        const { W_OK, X_OK } = Fs.constants
        await Local.call<void>((done) => Fs.access(tree.at(parent, "."), W_OK | X_OK, (error) => done(error)))
        if (!there.stats.isDirectory()) return
        // Also what no listing shows keeps a directory.
        const directory = await Fs.promises.opendir(tree.at(parent, there.name))
        try {
          if (await directory.read() !== null) Local.refuse("NotEmpty")
        } finally {
          await directory.close()
        }
      })
    })

  /** Whether a name may be taken by a file of this kind. */
  const mayReplace = async (
    parent: Directory,
    there: { name: string; stats: Fs.BigIntStats },
    isDirectory: boolean,
    how: StoreNaming
  ) => {
    if (!how.replace) Local.refuse("Exists")
    if (there.stats.isDirectory()) Local.refuse("IsDirectory")
    if (isDirectory) Local.refuse("NotDirectory")
    if (how.replaced !== undefined) files.expect((await leadsTo(parent, there)).stats, how.replaced)
  }

  const isSame = (one: Fs.BigIntStats, other: Fs.BigIntStats) => one.dev === other.dev && one.ino === other.ino

  /** Within two directories that are locked. */
  const renameLocked = async (from: Directory, oldName: string, to: Directory, newName: string, how: StoreNaming) => {
    const entry = await named(from, oldName, how.expected)
    const path = [...from.path, entry.name]
    if (entry.stats.isDirectory() && path.every((name, i) => to.path[i] === name)) Local.refuse("AccessDenied")
    const there = await tree.lookup(to, newName)
    const isItself = there !== undefined && from.key === to.key && there.name === entry.name
    const target = [...to.path, newName]
    const gone = [path, ...(there === undefined ? [] : [[...to.path, there.name]])]
      .filter((one) => one.join("/") !== target.join("/"))
    const move = async () => {
      if (there === undefined || isItself) {
        if (entry.name !== newName || !isItself) {
          await Fs.promises.rename(tree.at(from, entry.name), tree.at(to, newName))
        }
      } else {
        await mayReplace(to, there, entry.stats.isDirectory(), how)
        await files.detach(there.stats)
        if (isSame(there.stats, entry.stats)) await Fs.promises.unlink(tree.at(from, entry.name))
        // Onto the name as it is, which is one step, and then to the case that is asked for.
        else await Fs.promises.rename(tree.at(from, entry.name), tree.at(to, there.name))
        if (there.name !== newName) await Fs.promises.rename(tree.at(to, there.name), tree.at(to, newName))
      }
    }
    await tree.changing([from, to], async () => {
      await own.during([target], move, gone)
      if (there !== undefined && !isItself) await files.gone(there.stats)
      await tree.changed(from, entry.name, from.key === to.key ? newName : undefined)
      if (from.key !== to.key) await tree.changed(to, undefined, newName)
    })
    files.moved(path, target)
  }

  const rename: ShareStore["rename"] = (from, to, how) =>
    Local.run(async () => {
      tree.checked(from)
      tree.checked(to)
      if (from.length === 0) Local.refuse("AccessDenied")
      await tree.within(from.slice(0, -1), async (source) => {
        if (await tree.lookup(source, from.at(-1)!) === undefined) Local.refuse("NotFound")
        changes()
        if (to.length === 0) Local.refuse("AccessDenied")
        await tree.within(to.slice(0, -1), (target) =>
          locks.both(source.key, target.key, () =>
            renameLocked(source, from.at(-1)!, target, to.at(-1)!, how)))
      })
    })

  const link: NonNullable<ShareStore["link"]> = (existing, path, how) =>
    Local.run(async () => {
      tree.checked(path)
      const { path: source } = await found(tree.checked(existing))
      changes()
      if (path.length === 0) Local.refuse("Exists")
      if (source.length === 0) Local.refuse("IsDirectory")
      await tree.within(source.slice(0, -1), (from) =>
        tree.within(path.slice(0, -1), (to) =>
          locks.both(from.key, to.key, () =>
            linkLocked(from, source.at(-1)!, to, path.at(-1)!, how))))
    })

  /** Within two directories that are locked. */
  const linkLocked = async (from: Directory, oldName: string, to: Directory, newName: string, how: StoreNaming) => {
    const source = await named(from, oldName, how.expected)
    if (source.stats.isDirectory()) Local.refuse("IsDirectory")
    const there = await tree.lookup(to, newName)
    if (there !== undefined && isSame(there.stats, source.stats) && how.replace) return
    if (there !== undefined) await mayReplace(to, there, false, how)
    const make = async () => {
      const place = tree.at(from, source.name)
      if (there === undefined) return Fs.promises.link(place, tree.at(to, newName))
      // The new name takes the place of the old file in one step: where it cannot be made, that file stays.
      const made = sidecar!.fresh()
      await Fs.promises.link(place, made)
      try {
        await files.detach(there.stats)
        await Fs.promises.rename(made, tree.at(to, there.name))
      } catch (error) {
        await Fs.promises.rm(made, { force: true })
        throw error
      }
      if (there.name !== newName) await Fs.promises.rename(tree.at(to, there.name), tree.at(to, newName))
    }
    await tree.changing([to], async () => {
      await own.during([[...from.path, source.name], [...to.path, newName]], make)
      if (there !== undefined) await files.gone(there.stats)
      await tree.changed(to, there?.name, newName)
    })
  }

  const volume = Local.run(async (): Promise<StoreVolume> => {
    const place = tree.at(tree.root, ".")
    const root = await Local.lstat(place)
    const space = await Fs.promises.statfs(place, { bigint: true })
    return {
      label: options.label ?? Path.basename(tree.root.place),
      serialNumber: Number(BigInt.asUintN(32, root.ino ^ (root.dev << 16n) ^ root.birthtimeNs)),
      creationTime: FileTime.fromNanos(root.birthtimeNs),
      total: space.blocks * space.bsize,
      free: space.bavail * space.bsize,
      maximumComponentLength: Names.maximumComponentLength,
      supports: {
        streams: true,
        securityDescriptors: true,
        extendedAttributes: true,
        reparsePoints: true,
        sparse: true
      },
      readOnly
    }
  })

  return {
    volume,
    stat: (path) =>
      Local.run(async () => {
        const there = await found(tree.checked(path))
        return files.describe(there.name, there.stats)
      }),
    open,
    list,
    remove,
    mayRemove,
    rename,
    link,
    changes: (directory, { recursive }) =>
      LocalWatch.changes({
        find: Local.run(async () => {
          const there = await found(tree.checked(directory))
          if (!there.stats.isDirectory()) Local.refuse("NotDirectory")
          return { place: Path.join(tree.root.place, ...there.path), path: there.path }
        }),
        reserved: sidecarName,
        recursive,
        own
      })
  }
}
