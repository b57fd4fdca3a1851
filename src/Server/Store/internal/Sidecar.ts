/**
 * What a local file system has no place for: attributes, exact times, blobs and named streams, in a hidden folder.
 *
 * A file's record is named by the file, not by its path: inode and time of birth, so that renames and hard links, whoever
 * makes them, need no work and cannot be half done. A file that took a removed file's inode has another time of birth, and
 * does not inherit. See docs/adr/0007.
 *
 * A record is a small JSON file, written anew under another name and moved into place, so that a crash leaves the old one or
 * the new one. Which files have records is known without asking, for only this process writes them.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Blob } from "../../ShareStore.ts"
import { Descriptor } from "./Descriptors.ts"
import * as Local from "./Local.ts"
import { Locks } from "./Locks.ts"
import * as Names from "./Names.ts"

/** A time that was set, for as long as the platform's own is still what it became then. Ticks and nanoseconds, as text. */
export interface KeptTime {
  readonly ticks: string
  readonly whileNanos: string
}

/** What is kept of a file; what is left out is as the platform says. */
export interface FileRecord {
  readonly attributes?: number
  readonly creationTime?: string
  readonly lastAccessTime?: KeptTime
  readonly lastWriteTime?: KeptTime
  /** Holds while neither the time of change nor that of modification moves. */
  readonly changeTime?: KeptTime & { readonly modifiedNanos: string }
  /** In base64. */
  readonly blobs?: { readonly [B in Blob]?: string }
  readonly streams?: ReadonlyArray<{ readonly name: string; readonly file: string }>
  /** Its file could not be read. Nothing is made up in its place: blobs are refused until they are set anew. */
  readonly damaged?: boolean
}

const empty: FileRecord = {}

const isEmpty = (record: FileRecord): boolean => Object.keys(record).length === 0

/** Records that are kept in memory. */
const cacheSize = 4096

const { O_CREAT, O_EXCL, O_RDWR, O_WRONLY } = Fs.constants

/** @category models */
export class Sidecar {
  readonly #folder: string
  readonly #known: Set<string>
  readonly #cache = new Map<string, FileRecord>()
  readonly #locks = new Locks()
  #serial = 0

  private constructor(folder: string, known: Set<string>) {
    this.#folder = folder
    this.#known = known
  }

  /** Makes the folder where it is not there. */
  static async make(folder: string): Promise<Sidecar> {
    await Fs.promises.mkdir(folder, { recursive: true, mode: 0o700 })
    if (!(await Local.lstat(folder)).isDirectory()) Local.refuse("AccessDenied")
    for (const part of ["records", "streams", "new"]) {
      // oxlint-disable-next-line no-await-in-loop -- three
      await Fs.promises.mkdir(Path.join(folder, part), { recursive: true, mode: 0o700 })
    }
    // What a crash left half written.
    const left = await Fs.promises.readdir(Path.join(folder, "new"))
    await Promise.all(left.map((name) => Fs.promises.rm(Path.join(folder, "new", name), { force: true })))
    const sidecar = new Sidecar(folder, new Set(await Fs.promises.readdir(Path.join(folder, "records"))))
    return sidecar
  }

  /**
   * Whether a file's time of birth stays when its other times change; where it does not, or there is none, it cannot tell
   * files apart.
   */
  async birthIsSteady(): Promise<boolean> {
    const path = this.fresh()
    const fd = await Local.open(path, O_CREAT | O_EXCL | O_RDWR, 0o600)
    try {
      const { birthtimeNs } = await Local.fstat(fd)
      await Fs.promises.utimes(path, 1, 1)
      const after = await Local.fstat(fd)
      return birthtimeNs !== 0n && after.birthtimeNs === birthtimeNs && after.mtimeNs !== birthtimeNs
    } finally {
      await Local.close(fd)
      await Fs.promises.rm(path, { force: true })
    }
  }

  async get(key: string): Promise<FileRecord> {
    if (!this.#known.has(key)) return empty
    const cached = this.#cache.get(key)
    if (cached !== undefined) return cached
    let record: FileRecord
    try {
      record = parse(await Fs.promises.readFile(this.#record(key), "utf8"))
    } catch (error) {
      if (Local.codeOf(error) === "ENOENT") return empty
      if (Local.codeOf(error) !== undefined) throw error
      record = { damaged: true }
    }
    // What was written meanwhile is newer.
    return this.#cache.get(key) ?? this.#remember(key, record)
  }

  /** One change at a time of each file. */
  update(key: string, change: (record: FileRecord) => FileRecord | Promise<FileRecord>): Promise<void> {
    return this.#locks.run(key, async () => {
      const before = await this.get(key)
      const after = await change(before)
      if (after === before) return
      if (isEmpty(after)) {
        await Fs.promises.rm(this.#record(key), { force: true })
        this.#known.delete(key)
        this.#cache.delete(key)
        return
      }
      const path = this.fresh()
      try {
        await Fs.promises.writeFile(path, JSON.stringify(after), { mode: 0o600, flag: "wx" })
        await Fs.promises.rename(path, this.#record(key))
      } catch (error) {
        // What is half written takes up room that a full disk does not have.
        await Fs.promises.rm(path, { force: true }).catch(() => undefined)
        throw error
      }
      this.#known.add(key)
      this.#remember(key, after)
    })
  }

  /** The file is gone for good. */
  drop(key: string): Promise<void> {
    return this.#locks.run(key, async () => {
      if (!this.#known.has(key)) return
      const record = await this.get(key)
      await Fs.promises.rm(this.#record(key), { force: true })
      this.#known.delete(key)
      this.#cache.delete(key)
      if (record.streams !== undefined) await Fs.promises.rm(this.#streams(key), { recursive: true, force: true })
    })
  }

  /** When it is done, what is known of the file survives a crash. */
  async flush(key: string): Promise<void> {
    if (!this.#known.has(key)) return
    const record = await this.get(key)
    const files = [this.#record(key), Path.join(this.#folder, "records")]
    if (record.streams !== undefined) {
      files.push(this.#streams(key), ...record.streams.map(({ file }) => this.stream(key, file)))
    }
    for (const path of files) {
      // oxlint-disable-next-line no-await-in-loop -- each is waited for
      await flushPath(path)
    }
  }

  /** Where the bytes of a stream are. */
  stream(key: string, file: string): string {
    return Path.join(this.#streams(key), file)
  }

  /** The bytes of a stream, opened as they are needed. */
  descriptor(key: string, file: string): Descriptor {
    return new Descriptor(
      async (writing, fd) =>
        // The same number may be another stream's by now.
        fd !== undefined && Local.hasDescriptors
          ? Local.openAgain(fd)
          : await Local.orMissing(Local.openFile(this.stream(key, file), writing)) ?? Local.refuse("Stale"),
      false
    )
  }

  /** Finds a stream or makes it. */
  async openStream(
    key: string,
    name: string,
    mode: "existing" | "new" | "either"
  ): Promise<{ name: string; file: string; created: boolean }> {
    const folded = Names.fold(name)
    const there = (record: FileRecord) => record.streams?.find((stream) => Names.fold(stream.name) === folded)
    let created = false
    if (mode !== "existing") {
      await this.update(key, async (record) => {
        if (there(record) !== undefined) return record
        const streams = record.streams ?? []
        const file = String(streams.reduce((highest, stream) => Math.max(highest, Number(stream.file)), 0) + 1)
        await Fs.promises.mkdir(this.#streams(key), { recursive: true, mode: 0o700 })
        // What is there under this number belongs to a stream that was being removed when the process ended.
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
    const folded = Names.fold(name)
    await this.update(key, async (record) => {
      const found = record.streams?.find((stream) => Names.fold(stream.name) === folded) ?? Local.refuse("NotFound")
      await before(found.file)
      await Fs.promises.rm(this.stream(key, found.file), { force: true })
      const { streams, ...rest } = record
      const left = streams!.filter((stream) => stream !== found)
      return left.length === 0 ? rest : { ...rest, streams: left }
    })
  }

  #remember(key: string, record: FileRecord): FileRecord {
    this.#cache.delete(key)
    this.#cache.set(key, record)
    if (this.#cache.size > cacheSize) this.#cache.delete(this.#cache.keys().next().value!)
    return record
  }

  #record(key: string): string {
    return Path.join(this.#folder, "records", key)
  }

  #streams(key: string): string {
    return Path.join(this.#folder, "streams", key)
  }

  /** A place for what is being made, on the file system of the folder; what a crash leaves there goes at the next start. */
  fresh(): string {
    return Path.join(this.#folder, "new", `${process.pid}-${this.#serial++}`)
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

const isText = (value: unknown): value is string => typeof value === "string"
const isNumber = (value: unknown): value is string => isText(value) && /^-?\d+$/.test(value)

/** Throws for what is no record. */
const parse = (json: string): FileRecord => {
  const value: unknown = JSON.parse(json)
  if (typeof value !== "object" || value === null) throw new SyntaxError("a record is an object")
  const record = value as FileRecord
  const times = [record.lastAccessTime, record.lastWriteTime, record.changeTime]
  const good = (record.attributes === undefined || Number.isInteger(record.attributes)) &&
    (record.creationTime === undefined || isNumber(record.creationTime)) &&
    times.every((time) => time === undefined || (isNumber(time.ticks) && isNumber(time.whileNanos))) &&
    (record.changeTime === undefined || isNumber(record.changeTime.modifiedNanos)) &&
    Object.values(record.blobs ?? {}).every(isText) &&
    (record.streams ?? []).every(({ file, name }) => isText(name) && isText(file) && /^\d+$/.test(file))
  if (!good) throw new SyntaxError("a record has other fields")
  return record
}
