/**
 * The open files of a local folder: one `OpenFile` for each file, with any number of handles. So all handles know of a
 * rename or a removal, and share one descriptor.
 */
import * as Fs from "node:fs"
import {
  type Blob,
  type StoreChanges,
  type StoreError,
  storeError,
  type StoreNode,
  type StorePath
} from "../../ShareStore.ts"
import * as Local from "./Local.ts"
import * as LocalNode from "./LocalNode.ts"
import {
  copied,
  isElsewhere,
  type Named,
  namesLeft,
  type OpenFile,
  type OpenStream,
  prefer,
  streamName,
  usable
} from "./LocalOpenFile.ts"
import type { Directory, Found, LocalTree } from "./LocalTree.ts"
import type { Volume } from "./LocalVolume.ts"
import { Descriptor } from "./OpenFileDescriptors.ts"
import type { OpenFileDescriptors } from "./OpenFileDescriptors.ts"
import { never } from "./PromptCalls.ts"
import { flushPath } from "./Sidecar.ts"
import type { WaitingRecord } from "./Sidecar.ts"
import { empty } from "./SidecarRecord.ts"
import type { FileRecord, Records } from "./SidecarRecord.ts"
import * as StoreNames from "./StoreNames.ts"

/** Milliseconds. A name that was looked up this recently is still in the platform's memory. */
const moment = 1000

/** @category models */
export class LocalFiles {
  readonly tree: LocalTree
  readonly descriptors: OpenFileDescriptors
  /** By their current identity on the platform. */
  readonly #files = new Map<string, OpenFile>()
  readonly #streams = new Map<string, OpenStream>()

  constructor(tree: LocalTree, descriptors: OpenFileDescriptors) {
    this.tree = tree
    this.descriptors = descriptors
  }

  /** A file's identity, as the store reports it. */
  identityOf({ stats, volume }: Omit<Named, "name">): string {
    const identity = volume.identityOf(stats)
    return volume.copiesUp ? this.#files.get(identity)?.identity ?? identity : identity
  }

  /** Refuses a name that now stands for another file. */
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

  /** Counts one more open. `made`: this process has just made the file. */
  acquire(found: Found, made = false): OpenFile {
    const { stats, volume } = found
    const current = volume.identityOf(stats)
    let file = this.#files.get(current)
    if (file === undefined) {
      const prompt = volume.prompt && stats.dev === volume.device
      const calls = prompt ? volume.calls : never
      const opened: OpenFile = {
        volume,
        key: volume.keyOf(stats),
        lasting: volume.isLasting(stats),
        id: volume.idOf(stats),
        identity: current,
        current,
        born: made && volume.copiesUp ? String(stats.birthtimeNs) : undefined,
        isDirectory: stats.isDirectory(),
        descriptor: new Descriptor((writing, fd) => this.#reopen(opened, writing, fd), calls),
        prompt,
        calls,
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

  /** Whether another program has removed or replaced a file that has a record, as far as its descriptor shows. */
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

  /** The records that keep a file's streams; `NotFound` if it cannot have streams yet. */
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

  /**
   * Removes a stream of a file. Its open handles keep its bytes; a new stream with the same number is another stream.
   */
  async removeStream({ stats, volume }: Pick<Found, "stats" | "volume">, name: string): Promise<void> {
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

  /** Gives an open stream another name, and takes the name away from another stream if it may. */
  async renameStream(file: OpenFile, stream: OpenStream, name: string, replace: boolean): Promise<void> {
    const { key, volume } = file
    const folded = StoreNames.fold(name)
    const isStream = (one: { readonly file: string }) => one.file === stream.file
    const { streams = [] } = usable(await this.record(file))
    if (!streams.some(isStream) || this.#streams.get(stream.name) !== stream) Local.refuse("Stale")
    const taken = streams.find((one) => StoreNames.fold(one.name) === folded)
    if (taken !== undefined && !isStream(taken)) {
      if (!replace) Local.refuse("Exists")
      await this.removeStream({ stats: await this.stats(file), volume }, name)
    }
    await (await volume.writing(file.lasting)).update(key, async (record) => {
      const all = record.streams ?? Local.refuse("Stale")
      // Another call may have given the name to a stream in between.
      if (all.some((one) => !isStream(one) && StoreNames.fold(one.name) === folded)) Local.refuse("Exists")
      return { ...record, streams: all.map((one) => (isStream(one) ? { name, file: one.file } : one)) }
    })
  }

  /**
   * Removes one of a file's names. Open handles keep the file. The file is removed with its last name, and its record
   * with its last handle. Whether it was the last name is checked after the removal: before, another program or another
   * call can still add or remove a name.
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
      // A file that may not be opened can still be removed: then its handles fail with `Stale`.
      if (file !== undefined) await this.descriptors.pin(file.descriptor).catch(() => undefined)
      const done = await body()
      if (await namesLeft(volume, stats, fd) === 0n) await this.#gone(volume, stats, file)
      return done
    } finally {
      if (fd !== undefined && volume.prompt) Local.closeNow(fd)
      else if (fd !== undefined) await Local.close(fd).catch(() => undefined)
    }
  }

  /** A file has lost its last name. */
  async #gone(volume: Volume, stats: Fs.BigIntStats, known: OpenFile | undefined): Promise<void> {
    const file = known !== undefined && known.opens > 0 ? known : this.#files.get(volume.identityOf(stats))
    if (file === undefined) await volume.reading(volume.isLasting(stats))?.drop(volume.keyOf(stats))
    else file.removed = true
  }

  /** Gives a file another name. If an overlay copies the file for that, its open handles still have the same file. */
  async naming<A>(volume: Volume, stats: Fs.BigIntStats, body: () => Promise<A>): Promise<A> {
    const file = volume.copiesUp && stats.isFile() ? this.#files.get(volume.identityOf(stats)) : undefined
    if (file === undefined) return body()
    // A file that may not be opened can be renamed. If it was copied for that, its handles fail with `Stale`.
    if (await this.descriptors.use(file.descriptor, () => Promise.resolve(true)).catch(() => false) === false) {
      return body()
    }
    return this.descriptors.use(file.descriptor, async (fd) => {
      const done = await body()
      this.#settle(file, await Local.fstat(fd))
      return done
    })
  }

  /** After a rename: the open files at or below `from` get their new paths. */
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
      await this.#setTimes(file, accessed, written)
      return LocalNode.recorded(record, changes, times, await this.stats(file), now)
    })
  }

  /** Sets the platform's times of access and of modification. Seconds since 1970. */
  async #setTimes(file: OpenFile, accessed: number, written: number): Promise<void> {
    const copies = file.volume.copiesUp && !file.isDirectory
    if (file.descriptor.fd === undefined && !copies) {
      return this.#inPlace(file, (path) =>
        file.calls.either(
          () => Fs.lutimesSync(path, accessed, written),
          () => Fs.promises.lutimes(path, accessed, written)
        ))
    }
    await this.descriptors.use(file.descriptor, async (fd) => {
      await file.calls.either(
        () => Fs.futimesSync(fd, accessed, written),
        () => Local.call<void>((done) => Fs.futimes(fd, accessed, written, (error) => done(error)))
      )
      if (copies) this.#settle(file, await Local.fstat(fd))
    })
  }

  /**
   * Gives a file the times of a change, after the bytes of one of its streams were changed (MS-FSA 2.1.4.17). If the file
   * is gone, or if it belongs to another user of the platform, only the bytes are changed.
   */
  async modified(file: OpenFile): Promise<void> {
    const now = Date.now() / 1000
    try {
      await this.#setTimes(file, now, now)
    } catch (error) {
      if (!Local.isRefusal(error) && !isElsewhere(Local.toStoreError(error))) throw error
    }
  }

  async getBlob(file: OpenFile, blob: Blob): Promise<Uint8Array | undefined> {
    if (!file.lasting) Local.refuse("Unsupported")
    const text = usable(await this.record(file)).blobs?.[blob]
    return text === undefined ? undefined : Uint8Array.from(Buffer.from(text, "base64"))
  }

  async setBlob(file: OpenFile, blob: Blob, bytes: Uint8Array | undefined, now?: bigint): Promise<void> {
    if (!file.lasting) Local.refuse("Unsupported")
    // Copied now: the caller can use its bytes again while this call waits for others.
    const text = bytes === undefined
      ? undefined
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
    const update = () =>
      this.#update(file, (record, stats) => {
        // Setting a security descriptor repairs a lost record.
        const base = record.damaged === true && blob === "SecurityDescriptor" ? {} : usable(record)
        const { blobs, ...rest } = LocalNode.recorded(base, {}, LocalNode.times(stats, base), stats, now)
        const { [blob]: _, ...others } = blobs ?? {}
        const next = text === undefined ? others : { ...others, [blob]: text }
        return Promise.resolve(Object.keys(next).length === 0 ? rest : { ...rest, blobs: next })
      })
    if (blob !== "ObjectId") return update()
    await (await file.volume.writing(file.lasting)).setObjectId(
      file.key,
      text === undefined ? undefined : Buffer.from(text, "base64"),
      update
    )
  }

  /** Gives a new file the record that waits for it. */
  async give(file: OpenFile, waiting: WaitingRecord): Promise<void> {
    if (!file.lasting) Local.refuse("Unsupported")
    await waiting.give(file.key)
    // The time of birth is known only now.
    if (file.born !== undefined) await this.#update(file, (record) => Promise.resolve({ ...record }))
  }

  /** When it is done, the file, its record and its name survive a crash. */
  async flush(file: OpenFile, descriptor: Descriptor): Promise<void> {
    if (file.isDirectory && descriptor === file.descriptor) await this.#inPlace(file, flushPath)
    // Windows flushes only a file that is open for writing; a file without writes needs no flush.
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

  /** Uses a file by its first name that still leads to it: other names can be removed, or stand for another file. */
  async #byName<A>(file: OpenFile, body: (name: StorePath) => Promise<A>): Promise<A> {
    if (file.removed) return Local.refuse("Stale")
    // Made when it is needed: an error costs more than the look at a file, because it notes its stack.
    let failure: StoreError | undefined
    for (const name of [file.path, ...file.others]) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- the first that leads to it
        const done = await body(name)
        if (file.others.length > 0) prefer(file, name)
        return done
      } catch (error) {
        failure = Local.toStoreError(error)
        if (!isElsewhere(failure) && failure.reason._tag !== "AccessDenied") throw error
      }
    }
    throw failure === undefined || isElsewhere(failure) ? storeError("Stale") : failure
  }

  #is(file: OpenFile, stats: Fs.BigIntStats): boolean {
    return file.volume.identityOf(stats) === file.current
  }

  async #reopen(file: OpenFile, writing: boolean, fd: number | undefined): Promise<number> {
    const again = this.descriptors.opensAgain
    if (!file.volume.copiesUp) {
      return fd !== undefined && again ? Local.openAgain(file.calls, fd) : this.#open(file, writing)
    }
    if (!writing) return this.#open(file, false)
    // Opening for writing may copy the file: the open descriptor shows that it is the same file.
    const reading = fd ?? await this.#open(file, false)
    try {
      const opened = again ? await copied(file.calls, reading) : await this.#open(file, true)
      const stats = await Local.fstat(opened)
      this.#settle(file, stats)
      return opened
    } finally {
      if (reading !== fd) await Local.close(reading)
    }
  }

  #open(file: OpenFile, writing: boolean): Promise<number> {
    return this.#inPlace(file, async (path) => {
      const opened = await Local.openFile(file.calls, path, writing)
      // The name may stand for another file since the check.
      if (this.#is(file, file.prompt ? Local.fstatNow(opened) : await Local.fstat(opened))) return opened
      await Local.close(opened)
      return Local.refuse("Stale")
    })
  }

  /** Enters the state of a file after a change that may have copied it. */
  #settle(file: OpenFile, stats: Fs.BigIntStats): void {
    file.born = String(stats.birthtimeNs)
    const current = file.volume.identityOf(stats)
    if (current === file.current) return
    if (this.#files.get(file.current) === file) this.#files.delete(file.current)
    file.current = current
    if (!this.#files.has(current)) this.#files.set(current, file)
  }
}
