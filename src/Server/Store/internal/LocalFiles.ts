/**
 * Files of a local folder that are open: one `OpenFile` for each, however many handles it has, so that all of them know of
 * a rename or a removal, and share one descriptor.
 */
import * as Fs from "node:fs"
import { StoreError } from "../../ShareStore.ts"
import type { Blob, StoreChanges, StoreNode, StorePath } from "../../ShareStore.ts"
import { Descriptor } from "./Descriptors.ts"
import type { Descriptors } from "./Descriptors.ts"
import * as Local from "./Local.ts"
import * as LocalNode from "./LocalNode.ts"
import type { Directory, Found, LocalTree } from "./LocalTree.ts"
import type { Volume } from "./LocalVolume.ts"
import { flushPath } from "./Sidecar.ts"
import type { Begun } from "./Sidecar.ts"
import { empty } from "./SidecarRecord.ts"
import type { FileRecord, Records } from "./SidecarRecord.ts"

/** What was looked at that long ago is still in the platform's memory: milliseconds. */
const moment = 1000

/** A named stream that is open. */
export interface OpenStream {
  readonly records: Records
  /** Among all that are open. */
  readonly name: string
  readonly key: string
  readonly file: string
  readonly descriptor: Descriptor
  opens: number
}

/** A file or directory that is open. */
export interface OpenFile {
  readonly volume: Volume
  /** Of its record. */
  readonly key: string
  /** Whether its number lasts, so that its record does. */
  readonly lasting: boolean
  readonly id: bigint
  /** What the seam was told. */
  readonly identity: string
  /** What the platform says by now: another where the file was copied to be changed. */
  current: string
  /** Where files are copied to be changed: when it was born, once that is steady. Nanoseconds, as text. */
  born: string | undefined
  readonly isDirectory: boolean
  readonly descriptor: Descriptor
  /** The platform tells of it without waiting for anything, while it is open or was just looked at. */
  readonly prompt: boolean
  /** When its name was last looked at: milliseconds of `performance.now()`. */
  seen: number
  /** Where it is now: of its names that it was opened by, the last that led to it. */
  path: StorePath
  /** The others. */
  others: ReadonlyArray<StorePath>
  opens: number
  /** It has lost its last name. */
  removed: boolean
}

/** A name that is there, and what it stands for. */
export type Named = Pick<Found, "name" | "stats" | "volume">

/** @category models */
export class LocalFiles {
  readonly tree: LocalTree
  readonly descriptors: Descriptors
  /** By what the platform says they are. */
  readonly #files = new Map<string, OpenFile>()
  readonly #streams = new Map<string, OpenStream>()

  constructor(tree: LocalTree, descriptors: Descriptors) {
    this.tree = tree
    this.descriptors = descriptors
  }

  /** What the seam calls a file's identity. */
  identityOf({ stats, volume }: Omit<Named, "name">): string {
    const identity = volume.identityOf(stats)
    return volume.copiesUp ? this.#files.get(identity)?.identity ?? identity : identity
  }

  /** Refuses what stands for another file by now. */
  expect(found: Named, identity: string | undefined): void {
    if (identity !== undefined && this.identityOf(found) !== identity) Local.refuse("Stale")
  }

  async describe(found: Named): Promise<StoreNode> {
    const { name, stats, volume } = found
    return LocalNode.describe(
      { name, id: volume.idOf(stats), identity: this.identityOf(found) },
      stats,
      await volume.record(stats)
    )
  }

  /** Counts one more open. `made`: by this process, just now. */
  acquire(found: Found, made = false): OpenFile {
    const { stats, volume } = found
    const current = volume.identityOf(stats)
    let file = this.#files.get(current)
    if (file === undefined) {
      const prompt = volume.prompt && stats.dev === volume.device
      const opened: OpenFile = {
        volume,
        key: volume.keyOf(stats),
        lasting: volume.isLasting(stats),
        id: volume.idOf(stats),
        identity: current,
        current,
        born: made && volume.copiesUp ? String(stats.birthtimeNs) : undefined,
        isDirectory: stats.isDirectory(),
        descriptor: new Descriptor((writing, fd) => this.#reopen(opened, writing, fd), prompt),
        prompt,
        seen: 0,
        path: found.path,
        others: [],
        opens: 0,
        removed: false
      }
      file = opened
      this.#files.set(current, file)
      this.tree.volumes.use(volume)
    } else if (!file.removed) prefer(file, found.path)
    file.seen = performance.now()
    file.opens++
    return file
  }

  async release(file: OpenFile): Promise<void> {
    if (--file.opens > 0) return
    if (this.#files.get(file.current) === file) this.#files.delete(file.current)
    const isGone = file.removed || await this.#isGone(file)
    this.descriptors.close(file.descriptor)
    try {
      if (isGone) await file.volume.reading(file.lasting)?.drop(file.key)
    } finally {
      this.tree.volumes.leave(file.volume)
    }
  }

  /** Whether another program has removed or replaced a file of which something is kept, as far as its descriptor says. */
  async #isGone(file: OpenFile): Promise<boolean> {
    const { descriptor, isDirectory, key, lasting, prompt, volume } = file
    if (descriptor.fd === undefined || isDirectory) return false
    try {
      if (volume.reading(lasting)?.has(key) !== true) return false
      const { nlink } = await (prompt ? Local.fstatNow(descriptor.fd) : this.descriptors.use(descriptor, Local.fstat))
      return nlink === 0n
    } catch {
      return false
    }
  }

  /** Who keeps a file's streams; `NotFound` where there can be none yet. */
  async streamRecords({ lasting, volume }: OpenFile, make: boolean): Promise<Records> {
    if (!lasting) Local.refuse("Unsupported")
    return make ? volume.writing(true) : volume.reading(true) ?? Local.refuse("NotFound")
  }

  acquireStream(file: OpenFile, records: Records, number: string): OpenStream {
    const name = streamName(file, number)
    let stream = this.#streams.get(name)
    if (stream === undefined) {
      const { key } = file
      stream = { records, name, key, file: number, descriptor: records.descriptor(key, number), opens: 0 }
      this.#streams.set(name, stream)
    }
    stream.opens++
    return stream
  }

  releaseStream(stream: OpenStream): void {
    if (--stream.opens > 0) return
    if (this.#streams.get(stream.name) === stream) this.#streams.delete(stream.name)
    this.descriptors.close(stream.descriptor)
  }

  /** Removes a stream of a file: who has it open keeps its bytes, and a new stream under its number is another. */
  async removeStream({ stats, volume }: Found, name: string): Promise<void> {
    const key = volume.keyOf(stats)
    const records = volume.reading(volume.isLasting(stats)) ?? Local.refuse("NotFound")
    await records.removeStream(key, name, async (number) => {
      const open = streamName({ volume, key }, number)
      const stream = this.#streams.get(open)
      if (stream === undefined) return
      await this.descriptors.pin(stream.descriptor)
      this.#streams.delete(open)
    })
  }

  /**
   * Takes one of a file's names away. Who has the file open keeps it; with its last name it goes, and with its last handle what
   * is kept of it. Whether it was the last is asked when the name is gone: before, another program may give the file one more,
   * or take another, and so may another call.
   */
  async losing<A>(volume: Volume, stats: Fs.BigIntStats, place: string, body: () => Promise<A>): Promise<A> {
    if (stats.isDirectory()) {
      const done = await body()
      await this.#gone(volume, stats, undefined)
      return done
    }
    const file = this.#files.get(volume.identityOf(stats))
    const fd = await Local.hold(place, volume.prompt)
    try {
      // What may not be opened may still be removed: it is `Stale` to its handles then.
      if (file !== undefined) await this.descriptors.pin(file.descriptor).catch(() => undefined)
      const done = await body()
      if (await namesLeft(volume, stats, fd) === 0n) await this.#gone(volume, stats, file)
      return done
    } finally {
      if (fd !== undefined && volume.prompt) Local.closeUnchanged(fd)
      else if (fd !== undefined) await Local.close(fd).catch(() => undefined)
    }
  }

  /** It has no name any more. */
  async #gone(volume: Volume, stats: Fs.BigIntStats, known: OpenFile | undefined): Promise<void> {
    const file = known !== undefined && known.opens > 0 ? known : this.#files.get(volume.identityOf(stats))
    if (file === undefined) await volume.reading(volume.isLasting(stats))?.drop(volume.keyOf(stats))
    else file.removed = true
  }

  /** Gives a file another name: where that copies it, it is the same to who has it open. */
  async naming<A>(volume: Volume, stats: Fs.BigIntStats, body: () => Promise<A>): Promise<A> {
    const file = volume.copiesUp && stats.isFile() ? this.#files.get(volume.identityOf(stats)) : undefined
    if (file === undefined) return body()
    // What may not be opened can be renamed, and is `Stale` to its handles then if it was copied.
    if (await this.descriptors.use(file.descriptor, () => Promise.resolve(true)).catch(() => false) === false) {
      return body()
    }
    return this.descriptors.use(file.descriptor, async (fd) => {
      const done = await body()
      this.#settle(file, await Local.fstat(fd))
      return done
    })
  }

  /** After a rename: what is open there, or below, is now elsewhere. */
  moved(from: StorePath, to: StorePath): void {
    const now = (path: StorePath) =>
      path.length >= from.length && from.every((name, i) => path[i] === name)
        ? [...to, ...path.slice(from.length)]
        : path
    for (const file of this.#files.values()) {
      file.path = now(file.path)
      if (file.others.length > 0) file.others = file.others.map(now)
    }
  }

  async stats(file: OpenFile): Promise<Fs.BigIntStats> {
    const { descriptor: { fd }, prompt } = file
    if (fd === undefined) return this.#inPlace(file, (_, stats) => Promise.resolve(stats))
    return prompt ? Local.fstatNow(fd) : this.descriptors.use(file.descriptor, Local.fstat)
  }

  async node(file: OpenFile, stream?: OpenStream): Promise<StoreNode> {
    const stats = await this.stats(file)
    return LocalNode.describe(
      { name: file.path.at(-1) ?? "", id: file.id, identity: file.identity },
      stats,
      await file.volume.record(stats),
      stream && await this.streamStats(stream)
    )
  }

  async record(file: OpenFile): Promise<FileRecord> {
    return file.volume.copiesUp
      ? file.volume.record(await this.stats(file))
      : await file.volume.reading(file.lasting)?.get(file.key) ?? empty
  }

  async streamStats(stream: OpenStream): Promise<Fs.BigIntStats> {
    if (stream.descriptor.fd !== undefined) return this.descriptors.use(stream.descriptor, Local.fstat)
    return await Local.orMissing(Local.lstat(stream.records.stream(stream.key, stream.file))) ?? Local.refuse("Stale")
  }

  /** One change of a record at a time. */
  async #update(
    file: OpenFile,
    change: (record: FileRecord, stats: Fs.BigIntStats) => Promise<FileRecord>
  ): Promise<void> {
    const records = await file.volume.writing(file.lasting)
    await records.update(file.key, async (record) => {
      const stats = await this.stats(file)
      const next = await change(file.volume.ofFile(record, stats), stats)
      return file.born === undefined ? next : { ...next, born: file.born }
    })
  }

  set(file: OpenFile, changes: StoreChanges, now?: bigint): Promise<void> {
    return this.#update(file, async (record, before) => {
      usable(record)
      const times = LocalNode.times(before, record)
      if (changes.lastAccessTime === undefined && changes.lastWriteTime === undefined) {
        return LocalNode.recorded(record, changes, times, before, now)
      }
      const accessed = LocalNode.toSeconds(changes.lastAccessTime ?? times.lastAccessTime)
      const written = LocalNode.toSeconds(changes.lastWriteTime ?? times.lastWriteTime)
      const copies = file.volume.copiesUp && !file.isDirectory
      if (file.descriptor.fd === undefined && !copies) {
        await this.#inPlace(file, (path) => Fs.promises.lutimes(path, accessed, written))
      } else {
        await this.descriptors.use(file.descriptor, async (fd) => {
          await Local.call<void>((done) => Fs.futimes(fd, accessed, written, (error) => done(error)))
          if (copies) this.#settle(file, await Local.fstat(fd))
        })
      }
      return LocalNode.recorded(record, changes, times, await this.stats(file), now)
    })
  }

  async getBlob(file: OpenFile, blob: Blob): Promise<Uint8Array | undefined> {
    if (!file.lasting) Local.refuse("Unsupported")
    const text = usable(await this.record(file)).blobs?.[blob]
    return text === undefined ? undefined : Uint8Array.from(Buffer.from(text, "base64"))
  }

  async setBlob(file: OpenFile, blob: Blob, bytes: Uint8Array | undefined, now?: bigint): Promise<void> {
    if (!file.lasting) Local.refuse("Unsupported")
    // Taken now: the caller may use its bytes again while others are waited for.
    const text = bytes === undefined
      ? undefined
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
    await this.#update(file, (record, stats) => {
      // Who may set a security descriptor mends a record that was lost.
      const base = record.damaged === true && blob === "SecurityDescriptor" ? {} : usable(record)
      const { blobs, ...rest } = LocalNode.recorded(base, {}, LocalNode.times(stats, base), stats, now)
      const { [blob]: _, ...others } = blobs ?? {}
      const next = text === undefined ? others : { ...others, [blob]: text }
      return Promise.resolve(Object.keys(next).length === 0 ? rest : { ...rest, blobs: next })
    })
  }

  /** Gives a file that was just made the record that awaits it. */
  async give(file: OpenFile, begun: Begun): Promise<void> {
    if (!file.lasting) Local.refuse("Unsupported")
    await begun.give(file.key)
    // Only now it is known.
    if (file.born !== undefined) await this.#update(file, (record) => Promise.resolve({ ...record }))
  }

  /** When it is done, the file, what is kept of it, and its name survive a crash. */
  async flush(file: OpenFile, descriptor: Descriptor): Promise<void> {
    if (file.isDirectory && descriptor === file.descriptor) await this.#inPlace(file, flushPath)
    // Windows flushes what is open for writing; what was not written to needs none.
    else if (descriptor.changed) await this.descriptors.use(descriptor, Local.fsync, process.platform === "win32")
    else if (process.platform !== "win32") await this.descriptors.use(descriptor, Local.fsync)
    await file.volume.reading(file.lasting)?.flush(file.key)
    if (file.removed) return
    for (const path of [file.path, ...file.others]) {
      if (path.length === 0) continue
      // oxlint-disable-next-line no-await-in-loop -- each is waited for
      await this.tree.within(path.slice(0, -1), (parent) => flushPath(this.tree.at(parent, "."))).catch((error) =>
        isElsewhere(Local.toStoreError(error)) ? undefined : Promise.reject(error)
      )
    }
  }

  /** Uses a file by its name, if it is still the same. */
  async #inPlace<A>(file: OpenFile, body: (path: string, stats: Fs.BigIntStats) => Promise<A>): Promise<A> {
    return this.#byName(file, (name) =>
      this.tree.within(name.slice(0, -1), async (parent) => {
        const path = this.tree.at(parent, name.at(-1) ?? ".")
        const now = performance.now()
        const stats = file.prompt && now - file.seen < moment ? Local.lstatNow(path) : await Local.lstat(path)
        file.seen = now
        return this.#is(file, stats) ? await body(path, stats) : Local.refuse("Stale")
      }))
  }

  /** Uses a directory by its name, if it is still the same. */
  inside<A>(file: OpenFile, body: (directory: Directory) => Promise<A>): Promise<A> {
    return this.#byName(
      file,
      (name) =>
        this.tree.within(
          name,
          async (directory) =>
            this.#is(file, await this.tree.stats(directory)) ? body(directory) : Local.refuse("Stale")
        )
    )
  }

  /** Uses a file by the first of its names that still leads to it: others may have gone, or stand for another file. */
  async #byName<A>(file: OpenFile, body: (name: StorePath) => Promise<A>): Promise<A> {
    if (file.removed) return Local.refuse("Stale")
    let failure = new StoreError({ reason: "Stale" })
    for (const name of [file.path, ...file.others]) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- the first that leads to it
        const done = await body(name)
        if (file.others.length > 0) prefer(file, name)
        return done
      } catch (error) {
        failure = Local.toStoreError(error)
        if (!isElsewhere(failure) && failure.reason !== "AccessDenied") throw error
      }
    }
    throw isElsewhere(failure) ? new StoreError({ reason: "Stale" }) : failure
  }

  #is(file: OpenFile, stats: Fs.BigIntStats): boolean {
    return file.volume.identityOf(stats) === file.current
  }

  async #reopen(file: OpenFile, writing: boolean, fd: number | undefined): Promise<number> {
    const again = this.descriptors.opensAgain
    if (!file.volume.copiesUp) {
      return fd !== undefined && again ? Local.openAgain(fd) : this.#open(file, writing)
    }
    if (!writing) return this.#open(file, false)
    // Opening for writing may copy it: what is open already knows that it is the same.
    const reading = fd ?? await this.#open(file, false)
    try {
      const opened = again ? await copied(reading) : await this.#open(file, true)
      const stats = await Local.fstat(opened)
      this.#settle(file, stats)
      return opened
    } finally {
      if (reading !== fd) await Local.close(reading)
    }
  }

  #open(file: OpenFile, writing: boolean): Promise<number> {
    return this.#inPlace(file, async (path) => {
      const opened = await Local.openFile(path, writing)
      // Another file may have come to this name meanwhile.
      if (this.#is(file, file.prompt ? Local.fstatNow(opened) : await Local.fstat(opened))) return opened
      await Local.close(opened)
      return Local.refuse("Stale")
    })
  }

  /** The file itself, as it is after a change that may have copied it. */
  #settle(file: OpenFile, stats: Fs.BigIntStats): void {
    file.born = String(stats.birthtimeNs)
    const current = file.volume.identityOf(stats)
    if (current === file.current) return
    if (this.#files.get(file.current) === file) this.#files.delete(file.current)
    file.current = current
    if (!this.#files.has(current)) this.#files.set(current, file)
  }
}

/** How many names a file has after one of them went. */
const namesLeft = async (volume: Volume, before: Fs.BigIntStats, fd: number | undefined): Promise<bigint> => {
  const believed = before.nlink - 1n
  // Where no descriptor holds the file, nothing newer is known.
  if (fd === undefined) return believed
  const after = await (volume.prompt ? Local.fstatNow(fd) : Local.fstat(fd))
  if (!volume.copiesUp) return volume.identityOf(after) === volume.identityOf(before) ? after.nlink : believed
  // What an overlay has of a lower layer keeps its names there. What was made or changed here has a time of birth in its record.
  const record = await volume.reading(volume.isLasting(after))?.get(volume.keyOf(after))
  return after.nlink === 0n || record?.born === String(after.birthtimeNs) ? after.nlink : believed
}

/** Opens for writing. What has lost its name cannot be copied any more. */
const copied = async (fd: number): Promise<number> => {
  try {
    return await Local.openAgain(fd)
  } catch (error) {
    return Local.codeOf(error) === "EEXIST" ? Local.refuse("Stale") : Promise.reject(error)
  }
}

const streamName = ({ key, volume }: Pick<OpenFile, "key" | "volume">, number: string): string =>
  `${volume.device}/${key}/${number}`

const isSame = (one: StorePath, other: StorePath): boolean =>
  one.length === other.length && one.every((name, i) => other[i] === name)

/** The name that a file is to be found by first. */
const prefer = (file: OpenFile, name: StorePath): void => {
  if (isSame(file.path, name)) return
  file.others = [file.path, ...file.others].filter((other) => !isSame(other, name))
  file.path = name
}

/** Whether a name led to no file, or to another one. */
const isElsewhere = ({ reason }: StoreError): boolean => ["NotFound", "PathNotFound", "Stale"].includes(reason)

/** Nothing is made up for what was lost. */
const usable = (record: FileRecord): FileRecord => {
  if (record.damaged === true) {
    throw new StoreError({ reason: "Failed", cause: new Error("What was kept beside the file cannot be read") })
  }
  return record
}
