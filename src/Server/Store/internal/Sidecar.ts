/**
 * Data that a local file system cannot keep, in a hidden folder: attributes, exact times, blobs and named streams.
 *
 * The name of a file's record comes from the file, not from its path: inode and time of birth. So renames and hard
 * links by any program need no change of records, and cannot be half done. A new file with a removed file's inode has
 * another time of birth, and does not get the old record. Each file system has its own sidecar, so that its records are
 * wherever it is mounted. `SidecarFolder` finds and makes sidecars. See docs/adr/0007.
 *
 * A record is a small JSON file. A change writes a new file under another name and moves it into place, so that a crash
 * leaves either the old or the new one. The keys of all records are in memory, because only this process writes
 * records.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { storeError, type StorePath } from "../../ShareStore.ts"
import { KeyedLocks } from "./KeyedLocks.ts"
import * as Local from "./Local.ts"
import { idOf, ObjectIds } from "./ObjectIds.ts"
import { Descriptor } from "./OpenFileDescriptors.ts"
import type { PromptCalls } from "./PromptCalls.ts"
import { empty, isEmpty, parse } from "./SidecarRecord.ts"
import type { FileRecord, Records } from "./SidecarRecord.ts"
import * as StoreNames from "./StoreNames.ts"
import * as UnfinishedRecords from "./UnfinishedRecords.ts"

/** Most records that are kept in memory. */
const cacheSize = 4096

const { O_CREAT, O_EXCL, O_WRONLY } = Fs.constants

/** A record whose file is being made. */
export interface WaitingRecord {
  readonly give: (key: string) => Promise<void>
  readonly remove: () => Promise<void>
}

/** @category models */
export class Sidecar implements Records {
  readonly #folder: string
  /** The file names of records, by key. */
  readonly #known: Map<string, string>
  /** The keys with a time of birth, by inode: the newest, and older ones if any. */
  readonly #ofInode = new Map<string, string | ReadonlyArray<string>>()
  readonly #cache = new Map<string, FileRecord>()
  readonly #locks = new KeyedLocks()
  readonly #objectIds: ObjectIds
  readonly #calls: PromptCalls
  #serial = 0

  /** `known` has the keys with records, and the file name of each record. */
  constructor(folder: string, known: Map<string, string>, calls: PromptCalls) {
    this.#folder = folder
    this.#known = known
    this.#calls = calls
    this.#objectIds = new ObjectIds(Path.join(folder, "objects"), async (key) => objectIdOf(await this.get(key)))
    for (const key of known.keys()) this.#enter(key)
  }

  has(key: string): boolean {
    return this.#known.has(key)
  }

  async get(key: string): Promise<FileRecord> {
    if (!this.#known.has(key)) return empty
    const cached = this.#cache.get(key)
    if (cached !== undefined) return cached
    let record: FileRecord
    try {
      record = parse(
        await this.#calls.either(
          () => Fs.readFileSync(this.#record(key), "utf8"),
          () => Fs.promises.readFile(this.#record(key), "utf8")
        )
      )
    } catch (error) {
      if (Local.codeOf(error) === "ENOENT") {
        if (!this.#known.has(key)) return empty
      } else if (Local.codeOf(error) !== undefined) throw error
      // This includes records that another program removed: their content is unknown, which differs from no record.
      record = { damaged: true }
    }
    // A record that was written during the read is newer.
    return this.#cache.get(key) ?? this.#remember(key, record)
  }

  /** Changes a record, one change at a time for each file. */
  update(key: string, change: (record: FileRecord) => FileRecord | Promise<FileRecord>): Promise<void> {
    return this.#locks.run(key, async () => {
      const before = await this.get(key)
      const after = await change(before)
      if (after === before) return
      if (isEmpty(after)) return this.#forget(key)
      const path = this.fresh()
      try {
        await orGone(Local.writeText(this.#calls, path, JSON.stringify(after)))
        await orGone(Local.rename(this.#calls, path, this.#record(key)))
      } catch (error) {
        // A half-written file would take up space on a full disk.
        await Fs.promises.rm(path, { force: true }).catch(() => undefined)
        throw error
      }
      const isFirst = !this.#known.has(key)
      if (isFirst) this.#known.set(key, key)
      this.#remember(key, after)
      if (isFirst) await this.#outlived(key)
    })
  }

  /**
   * If a file has the inode of a file with an earlier birth, another program has removed the earlier file, and its
   * record is dropped. An earlier file never drops the record of a later one, because its own record can be written
   * late.
   */
  async #outlived(key: string): Promise<void> {
    for (const other of this.#enter(key)) {
      // A failed removal does not matter for this file.
      // oxlint-disable-next-line no-await-in-loop -- few
      if (birthOf(other) < birthOf(key)) await this.drop(other).catch(() => undefined)
    }
  }

  /** Enters a key, and returns the other keys of its inode. */
  #enter(key: string): ReadonlyArray<string> {
    const inode = inodeOf(key)
    if (inode === undefined) return []
    const known = this.#ofInode.get(inode)
    const others = known === undefined ? [] : typeof known === "string" ? [known] : known
    this.#ofInode.set(inode, others.length === 0 ? key : [...others, key])
    return others
  }

  #leave(key: string): void {
    const inode = inodeOf(key)
    const known = inode === undefined ? undefined : this.#ofInode.get(inode)
    if (inode === undefined || known === undefined) return
    const left = typeof known === "string" ? [known].filter((one) => one !== key) : known.filter((one) => one !== key)
    if (left.length === 0) this.#ofInode.delete(inode)
    else this.#ofInode.set(inode, left.length === 1 ? left[0]! : left)
  }

  /**
   * Writes the record of a file before the file is made at `path`, components below the topmost directory. When the
   * file exists, `give` assigns the record to it; otherwise the caller removes the record with `remove`.
   */
  async begin(path: StorePath, record: FileRecord): Promise<WaitingRecord> {
    const written = await orGone(UnfinishedRecords.write(this.#calls, this.fresh(), path, record))
    return {
      give: (key) =>
        this.#locks.run(key, async () => {
          // Replaces the record of an earlier file with this number, if any.
          await orGone(Local.rename(this.#calls, written, this.#record(key)))
          const isFirst = !this.#known.has(key)
          if (isFirst) this.#known.set(key, key)
          this.#remember(key, record)
          if (isFirst) await this.#outlived(key)
        }),
      remove: () => Fs.promises.rm(written, { force: true })
    }
  }

  /** Moves records that a crash left in `new/` to their final place. */
  async settle(): Promise<void> {
    for (const [key, name] of this.#known) {
      if (!name.startsWith("../")) continue
      // oxlint-disable-next-line no-await-in-loop -- few
      await Fs.promises.rename(this.#record(key), Path.join(this.#folder, "records", key))
      this.#known.set(key, key)
    }
  }

  async setObjectId(key: string, bytes: Uint8Array | undefined, write: () => Promise<void>): Promise<void> {
    const id = bytes === undefined ? undefined : idOf(bytes)
    const before = objectIdOf(await this.get(key))
    if (id === undefined) await write()
    else await orGone(this.#objectIds.take(id, key, write))
    if (before !== undefined && before !== id) await this.#objectIds.leave(before, key)
  }

  /** Removes the record of a removed file. */
  async drop(key: string): Promise<void> {
    let id: string | undefined
    await this.#locks.run(key, async () => {
      if (!this.#known.has(key)) return
      const record = await this.get(key)
      id = objectIdOf(record)
      const streams = this.#streams(key)
      await this.#forget(key)
      if (record.streams !== undefined || record.damaged === true) {
        await Fs.promises.rm(streams, { recursive: true, force: true })
      }
    })
    // A failure leaves a file that names a missing record, which does no harm.
    if (id !== undefined) await this.#objectIds.leave(id, key).catch(() => undefined)
  }

  /** When it is done, the record and the streams of the file survive a crash. */
  async flush(key: string): Promise<void> {
    if (!this.#known.has(key)) return
    const record = await this.get(key)
    const files = [this.#record(key), Path.join(this.#folder, "records")]
    if (record.streams !== undefined) {
      files.push(this.#streams(key), ...record.streams.map(({ file }) => this.stream(key, file)))
    }
    const id = objectIdOf(record)
    if (id !== undefined) files.push(...this.#objectIds.places(id))
    for (const path of files) {
      // oxlint-disable-next-line no-await-in-loop -- each is waited for
      await flushPath(path)
    }
  }

  /** The path of a stream's bytes. */
  stream(key: string, file: string): string {
    return Path.join(this.#streams(key), file)
  }

  /** The descriptor of a stream's bytes, which is opened when it is needed. */
  descriptor(key: string, file: string): Descriptor {
    return new Descriptor(
      async (writing, fd) =>
        // The number may belong to another stream now.
        fd !== undefined && Local.hasDescriptors
          ? Local.openAgain(this.#calls, fd)
          : await Local.orMissing(Local.openFile(this.#calls, this.stream(key, file), writing)) ??
            Local.refuse("Stale"),
      this.#calls
    )
  }

  /** Finds or makes a stream. */
  async openStream(
    key: string,
    name: string,
    mode: "existing" | "new" | "either"
  ): Promise<{ name: string; file: string; created: boolean }> {
    const folded = StoreNames.fold(name)
    const there = (record: FileRecord) => record.streams?.find((stream) => StoreNames.fold(stream.name) === folded)
    let created = false
    if (mode !== "existing") {
      await this.update(key, async (record) => {
        if (there(record) !== undefined) return record
        const streams = record.streams ?? []
        const file = String(streams.reduce((highest, stream) => Math.max(highest, Number(stream.file)), 0) + 1)
        await orGone(Local.makeFolder(this.#streams(key)))
        // An existing file under this number belongs to a stream that was being removed when the process ended.
        await Fs.promises.rm(this.stream(key, file), { force: true })
        await Local.close(await Local.open(this.stream(key, file), O_CREAT | O_EXCL | O_WRONLY, 0o600))
        created = true
        return { ...record, streams: [...streams, { name, file }] }
      })
    }
    const found = there(await this.get(key)) ?? Local.refuse("NotFound")
    if (mode === "new" && !created) return Local.refuse("Exists")
    return { ...found, created }
  }

  async removeStream(key: string, name: string, before: (file: string) => Promise<void>): Promise<void> {
    const folded = StoreNames.fold(name)
    await this.update(key, async (record) => {
      const found = record.streams?.find((stream) => StoreNames.fold(stream.name) === folded) ??
        Local.refuse("NotFound")
      await before(found.file)
      await Fs.promises.rm(this.stream(key, found.file), { force: true })
      const { streams, ...rest } = record
      const left = streams!.filter((stream) => stream !== found)
      return left.length === 0 ? rest : { ...rest, streams: left }
    })
  }

  /** Removes a record. Its key is removed first, so that a concurrent read does not take the record for lost. */
  async #forget(key: string): Promise<void> {
    const name = this.#known.get(key)
    if (name === undefined) return
    this.#known.delete(key)
    this.#leave(key)
    this.#cache.delete(key)
    try {
      await Fs.promises.rm(Path.join(this.#folder, "records", name), { force: true })
    } catch (error) {
      this.#known.set(key, name)
      this.#enter(key)
      throw error
    }
  }

  #remember(key: string, record: FileRecord): FileRecord {
    this.#cache.delete(key)
    this.#cache.set(key, record)
    if (this.#cache.size > cacheSize) this.#cache.delete(this.#cache.keys().next().value!)
    return record
  }

  #record(key: string): string {
    return Path.join(this.#folder, "records", this.#known.get(key) ?? key)
  }

  #streams(key: string): string {
    return Path.join(this.#folder, "streams", this.#known.get(key) ?? key)
  }

  /**
   * A path for a new file, on the file system of the folder. The next start removes files that a crash leaves there.
   */
  fresh(): string {
    return Path.join(this.#folder, "new", `${process.pid}-${this.#serial++}`)
  }

  /** Gives a file one more name in the folder, and returns the path of that name. */
  async link(place: string): Promise<string> {
    const made = this.fresh()
    try {
      await Fs.promises.link(place, made)
    } catch (error) {
      // Another program can have removed the file itself.
      if (await Local.orMissing(Local.lstat(place)) === undefined) throw error
      return orGone(Promise.reject(error))
    }
    return made
  }
}

/** The object id in a record. */
const objectIdOf = ({ blobs }: FileRecord): string | undefined =>
  blobs?.ObjectId === undefined ? undefined : idOf(Buffer.from(blobs.ObjectId, "base64"))

/** The parts of a key with a time of birth: `inode-birth`, both hexadecimal (`Volume.keyOf`). */
const parts = /^([0-9a-f]+)-([0-9a-f]+)$/
const inodeOf = (key: string): string | undefined => parts.exec(key)?.[1]
const birthOf = (key: string): bigint => BigInt(`0x${parts.exec(key)?.[2] ?? "0"}`)

/**
 * For calls that fail with `ENOENT` only if another program removed the hidden folder, or a part of it. An error that
 * speaks of a directory speaks of one in the hidden folder, and not of the client's file.
 */
const orGone = async <A>(promise: Promise<A>): Promise<A> => {
  try {
    return await promise
  } catch (error) {
    const code = Local.codeOf(error)
    if (code === "EISDIR" || code === "ENOTDIR") throw storeError("Failed", error)
    if (code !== "ENOENT") throw error
    throw storeError(
      "Failed",
      new Error(
        ".effect-smb was removed, or a part of it, while its folder is served: nothing can be kept of the files there. " +
          "Stop the server, and restore .effect-smb, or remove what is left of it to go on without what it kept"
      )
    )
  }
}

/** Makes a file or directory survive a crash, as far as the platform can: Windows cannot open directories for that. */
export const flushPath = async (path: string): Promise<void> => {
  let fd: number
  try {
    fd = await Local.open(path, Fs.constants.O_RDONLY)
  } catch (error) {
    const code = Local.codeOf(error)
    if (code === "ENOENT" || (process.platform === "win32" && (code === "EPERM" || code === "EISDIR"))) return
    throw error
  }
  try {
    await Local.fsync(fd)
  } catch (error) {
    const code = Local.codeOf(error)
    if (code !== "EINVAL" && !(process.platform === "win32" && code === "EPERM")) throw error
  } finally {
    await Local.close(fd)
  }
}
