/**
 * Immutable blobs as files of a folder.
 *
 * A blob is written to its final name, which must be new. A crash can leave a part of it there: its `put` has not
 * succeeded then, so nothing refers to it. Reads share a few descriptors, so that a file that is read piece by piece is
 * opened once.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Local from "./Local.ts"
import { PromptCalls } from "./PromptCalls.ts"

/** Most descriptors that are kept for reads. */
const kept = 64

const { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } = Fs.constants

/** What an id looks like: nothing else can become a path. */
const isId = /^[0-9a-f]{32}$/

/** A blob that is open for reads. */
interface Reader {
  readonly fd: Promise<number>
  users: number
  /** Whether it is closed when its last user has finished. */
  ending: boolean
}

/** @category models */
export class FolderBlobs {
  readonly #folder: string
  readonly #calls: PromptCalls
  readonly #readers = new Map<string, Reader>()

  private constructor(folder: string, calls: PromptCalls) {
    this.#folder = folder
    this.#calls = calls
  }

  static async open(folder: string): Promise<FolderBlobs> {
    await Fs.promises.mkdir(folder, { recursive: true, mode: 0o700 })
    const { type } = await Fs.promises.statfs(folder, { bigint: true })
    return new FolderBlobs(folder, new PromptCalls(Local.isPromptType(type)))
  }

  async put(id: string, pieces: ReadonlyArray<Uint8Array>, durable: boolean): Promise<void> {
    const place = this.#place(id)
    const flags = O_WRONLY | O_CREAT | O_EXCL | Local.openFlags.file
    const make = () => Local.openBy(this.#calls, place, flags, 0o600)
    const fd = await make().catch(async (error: unknown) => {
      if (Local.codeOf(error) !== "ENOENT") throw error
      await Local.makeFolder(Path.dirname(place))
      // The name of a new folder has to survive as well.
      if (durable) await this.#syncFolder(this.#folder)
      return make()
    })
    try {
      let at = 0
      for (const piece of pieces) {
        await Local.write(fd, piece, at, this.#calls)
        at += piece.length
      }
      if (durable) await Local.call<void>((done) => Fs.fdatasync(fd, (error) => done(error, undefined)))
    } catch (error) {
      await Fs.promises.rm(place, { force: true })
      throw error
    } finally {
      await Local.close(fd)
    }
    if (durable) await this.#syncFolder(Path.dirname(place))
  }

  async readInto(id: string, offset: number, target: Uint8Array): Promise<number> {
    const reader = this.#reader(id)
    reader.users++
    try {
      return await Local.read(await reader.fd, target, offset, this.#calls)
    } finally {
      reader.users--
      this.#closeUnused(reader)
    }
  }

  async persist(ids: ReadonlyArray<string>): Promise<void> {
    const folders = new Set<string>()
    for (const id of ids) {
      const place = this.#place(id)
      folders.add(Path.dirname(place))
      const fd = await Local.open(place, O_RDONLY | Local.openFlags.file)
      try {
        await Local.call<void>((done) => Fs.fdatasync(fd, (error) => done(error, undefined)))
      } finally {
        await Local.close(fd)
      }
    }
    for (const folder of folders) await this.#syncFolder(folder)
    if (folders.size > 0) await this.#syncFolder(this.#folder)
  }

  async remove(id: string): Promise<void> {
    const reader = this.#readers.get(id)
    if (reader !== undefined) this.#end(id, reader)
    await Fs.promises.rm(this.#place(id), { force: true })
  }

  async *list(): AsyncGenerator<{ readonly id: string; readonly size: number }> {
    for (const name of await Fs.promises.readdir(this.#folder)) {
      if (!/^[0-9a-f]{2}$/.test(name)) continue
      for (const id of await Fs.promises.readdir(Path.join(this.#folder, name))) {
        if (!isId.test(id)) continue
        const stats = await Local.orMissing(Local.lstat(this.#place(id)))
        if (stats?.isFile() === true) yield { id, size: Number(stats.size) }
      }
    }
  }

  async space(): Promise<{ readonly total: bigint; readonly free: bigint }> {
    const { bavail, blocks, bsize } = await Fs.promises.statfs(this.#folder, { bigint: true })
    return { total: blocks * bsize, free: bavail * bsize }
  }

  /** Closes all descriptors. No call may follow, or be under way. */
  async close(): Promise<void> {
    const readers = Array.from(this.#readers.values())
    this.#readers.clear()
    for (const { fd } of readers) await fd.then(Local.close).catch(() => undefined)
  }

  #place(id: string): string {
    if (!isId.test(id)) Local.refuse("InvalidName")
    return Path.join(this.#folder, id.slice(0, 2), id)
  }

  async #syncFolder(folder: string): Promise<void> {
    // Windows cannot open a directory, and keeps its names by a journal.
    if (process.platform === "win32") return
    const fd = await Local.open(folder, O_RDONLY)
    try {
      await Local.fsync(fd)
    } finally {
      await Local.close(fd)
    }
  }

  #reader(id: string): Reader {
    const found = this.#readers.get(id)
    if (found !== undefined) {
      // The last in the map is the one that was used last.
      this.#readers.delete(id)
      this.#readers.set(id, found)
      return found
    }
    const reader: Reader = { fd: Local.openFile(this.#calls, this.#place(id), false), users: 0, ending: false }
    this.#readers.set(id, reader)
    reader.fd.catch(() => {
      if (this.#readers.get(id) === reader) this.#readers.delete(id)
    })
    if (this.#readers.size > kept) {
      const [oldest, unused] = this.#readers.entries().next().value!
      this.#end(oldest, unused)
    }
    return reader
  }

  #end(id: string, reader: Reader): void {
    this.#readers.delete(id)
    reader.ending = true
    this.#closeUnused(reader)
  }

  #closeUnused(reader: Reader): void {
    if (!reader.ending || reader.users > 0) return
    reader.ending = false
    reader.fd.then(Local.close).catch(() => undefined)
  }
}
