/**
 * Opening of files and streams in a local folder, and the making of files that do not exist: a file is never seen
 * without its security descriptor, and a failure leaves no file behind.
 */
import * as Fs from "node:fs"
import type { StoreChanges, StoreNode, StoreOpen, StorePath } from "../../ShareStore.ts"
import * as Local from "./Local.ts"
import type { LocalFolder } from "./LocalFolders.ts"
import * as LocalNode from "./LocalNode.ts"
import type { OpenFile, OpenStream } from "./LocalOpenFile.ts"
import type { Directory, Found } from "./LocalTree.ts"
import type { WaitingRecord } from "./Sidecar.ts"
import * as StoreNames from "./StoreNames.ts"

/** A file or a stream that was opened. */
export interface Opened {
  readonly file: OpenFile
  readonly stream: OpenStream | undefined
  readonly created: boolean
  readonly node: StoreNode
}

/** `found` is the state in which an existing file was just seen. */
interface OpenedFile {
  readonly file: OpenFile
  readonly created: boolean
  readonly found: Found | undefined
}

/** Opens files. `requireWritable` throws if the folder is read-only. */
export const make = (
  { files, locks, making, own, tree }: LocalFolder,
  requireWritable: () => void
): (path: StorePath, how: StoreOpen) => Promise<Opened> => {
  const { descriptors } = files

  const found = async (path: StorePath, linkItself = false): Promise<Found> =>
    await tree.find(path, linkItself) ?? Local.refuse("NotFound")

  /** Makes a missing file or directory, in a locked directory. */
  const create = (parent: Directory, name: string, how: StoreOpen): Promise<OpenFile> => {
    requireWritable()
    const path = [...parent.path, name]
    return tree.changing([parent], () =>
      own.during([path], async () => {
        const { securityDescriptor, ...initial } = how.initial ?? {}
        if (securityDescriptor === undefined) return createAt(parent, name, how.type, initial, undefined)
        const [record, rest] = LocalNode.first(initial, securityDescriptor, how.type === "directory")
        // Before the file exists, so that a crash leaves no file without its record.
        const waiting = await parent.volume.begin(path, record)
        try {
          return await making.run(parent.volume, (is) => createAt(parent, name, how.type, rest, { waiting, is }))
        } catch (error) {
          await waiting.remove().catch(() => undefined)
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
    kept: { readonly waiting: WaitingRecord; readonly is: (identity: string) => void } | undefined
  ): Promise<OpenFile> => {
    const place = tree.at(parent, name)
    let stats: Fs.BigIntStats
    let fd: number | undefined
    const { volume } = parent
    const path = [...parent.path, name]
    if (type === "directory") {
      await volume.calls.either(() => Fs.mkdirSync(place), () => Fs.promises.mkdir(place))
      stats = await volume.calls.either(() => Local.lstatNow(place), () => Local.lstat(place))
    } else {
      const { O_CREAT, O_EXCL, O_RDWR } = Fs.constants
      fd = await Local.openBy(volume.calls, place, O_RDWR | O_CREAT | O_EXCL | Local.openFlags.file, 0o666)
      stats = await Local.fstatBy(volume.calls, fd)
    }
    kept?.is(volume.identityOf(stats))
    await tree.changed(parent, undefined, name)
    const file = files.acquire({ name, path, stats, volume }, true)
    if (fd !== undefined) descriptors.adopt(file.descriptor, fd)
    try {
      if (kept !== undefined) await files.give(file, kept.waiting)
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

  const openFile = async (
    path: StorePath,
    how: StoreOpen
  ): Promise<OpenedFile> => {
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
    if (!StoreNames.isComponent(name) || !name.isWellFormed()) Local.refuse("InvalidName")
    // As on NTFS, making a stream makes its file too.
    const mode = how.mode === "existing" ? "existing" : "either"
    const { file } = await openFile(path, { ...how, mode, type: "file" })
    try {
      if (how.mode !== "existing") requireWritable()
      const records = await files.streamRecords(file, how.mode !== "existing")
      const opened = await records.openStream(file.key, name, how.mode)
      const stream = files.acquireStream(file, records, opened.file)
      return { file, stream, created: opened.created, found: undefined }
    } catch (error) {
      await files.release(file)
      throw error
    }
  }

  return async (path, how) => {
    const opened = how.stream === undefined
      ? { ...await openFile(path, how), stream: undefined }
      : await openStream(path, how.stream, how)
    const { created, file, found, stream } = opened
    if (how.forData === true && (stream !== undefined || !file.isDirectory)) {
      descriptors.prepare(stream?.descriptor ?? file.descriptor)
    }
    try {
      const node = found === undefined ? await files.node(file, stream) : await files.describe(found)
      return { file, stream, created, node }
    } catch (error) {
      if (stream !== undefined) files.releaseStream(stream)
      await files.release(file)
      throw error
    }
  }
}
