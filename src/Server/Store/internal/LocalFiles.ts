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
import type { Found, LocalTree } from "./LocalTree.ts"
import { flushPath } from "./Sidecar.ts"
import type { FileRecord, Sidecar } from "./Sidecar.ts"

/** What was looked at that long ago is still in the platform's memory: milliseconds. */
const moment = 1000

/** A named stream that is open. */
export interface OpenStream {
  readonly key: string
  readonly file: string
  readonly descriptor: Descriptor
  opens: number
}

/** A file or directory that is open. */
export interface OpenFile {
  /** Of its record. */
  readonly key: string
  readonly id: bigint
  readonly isDirectory: boolean
  readonly descriptor: Descriptor
  /** The platform tells of it without waiting for anything, while it is open or was just looked at. */
  readonly prompt: boolean
  /** When its name was last looked at: milliseconds of `performance.now()`. */
  seen: number
  /** Where it is now. */
  path: StorePath
  opens: number
  /** It has lost its last name. */
  removed: boolean
}

/** @category models */
export class LocalFiles {
  readonly tree: LocalTree
  /** Absent where nothing may be written. */
  readonly sidecar: Sidecar | undefined
  readonly descriptors: Descriptors
  readonly device: bigint
  readonly #birthIsSteady: boolean
  readonly #files = new Map<string, OpenFile>()
  readonly #streams = new Map<string, OpenStream>()

  constructor(
    tree: LocalTree,
    sidecar: Sidecar | undefined,
    descriptors: Descriptors,
    device: bigint,
    birthIsSteady: boolean
  ) {
    this.tree = tree
    this.sidecar = sidecar
    this.descriptors = descriptors
    this.device = device
    this.#birthIsSteady = birthIsSteady
  }

  /** The name of a file's record. */
  keyOf(stats: Fs.BigIntStats): string {
    const inode = LocalNode.idOf(stats, this.device).toString(16)
    return this.#birthIsSteady ? `${inode}-${stats.birthtimeNs.toString(16)}` : inode
  }

  /** What the seam calls a file's identity. */
  identityOf(stats: Fs.BigIntStats): string {
    return LocalNode.identityOf(stats, this.#birthIsSteady)
  }

  /** Refuses what stands for another file by now. */
  expect(stats: Fs.BigIntStats, identity: string | undefined): void {
    if (identity !== undefined && this.identityOf(stats) !== identity) Local.refuse("Stale")
  }

  record(key: string): Promise<FileRecord> {
    return this.sidecar === undefined ? Promise.resolve({}) : this.sidecar.get(key)
  }

  async describe(name: string, stats: Fs.BigIntStats, stream?: Fs.BigIntStats): Promise<StoreNode> {
    const named = { name, id: LocalNode.idOf(stats, this.device), identity: this.identityOf(stats) }
    return LocalNode.describe(named, stats, await this.record(this.keyOf(stats)), stream)
  }

  /** Counts one more open. */
  acquire(found: Found): OpenFile {
    const key = this.keyOf(found.stats)
    let file = this.#files.get(key)
    if (file === undefined) {
      const prompt = this.tree.isPrompt(found.stats)
      const made: OpenFile = {
        key,
        id: LocalNode.idOf(found.stats, this.device),
        isDirectory: found.stats.isDirectory(),
        descriptor: new Descriptor((writing, fd) => this.#reopen(made, writing, fd), prompt),
        prompt,
        seen: 0,
        path: found.path,
        opens: 0,
        removed: false
      }
      file = made
      this.#files.set(key, made)
    } else if (!file.removed) file.path = found.path
    file.seen = performance.now()
    file.opens++
    return file
  }

  async release(file: OpenFile): Promise<void> {
    if (--file.opens > 0) return
    this.#files.delete(file.key)
    this.descriptors.close(file.descriptor)
    if (file.removed) await this.sidecar?.drop(file.key)
  }

  acquireStream(key: string, file: string): OpenStream {
    const name = `${key}/${file}`
    let stream = this.#streams.get(name)
    if (stream === undefined) {
      stream = { key, file, descriptor: this.sidecar!.descriptor(key, file), opens: 0 }
      this.#streams.set(name, stream)
    }
    stream.opens++
    return stream
  }

  releaseStream(stream: OpenStream): void {
    if (--stream.opens > 0) return
    const name = `${stream.key}/${stream.file}`
    if (this.#streams.get(name) === stream) this.#streams.delete(name)
    this.descriptors.close(stream.descriptor)
  }

  /** Before a stream's bytes go: who has it open keeps them, and a new stream under its number is another. */
  async detachStream(key: string, file: string): Promise<void> {
    const name = `${key}/${file}`
    const stream = this.#streams.get(name)
    if (stream === undefined) return
    await this.descriptors.pin(stream.descriptor)
    this.#streams.delete(name)
  }

  /** Before one of a file's names goes: who has it open keeps it. */
  async detach(stats: Fs.BigIntStats): Promise<void> {
    const file = this.#files.get(this.keyOf(stats))
    if (file === undefined || file.isDirectory) return
    // What may not be opened may still be removed: it is `Stale` to its handles then.
    await this.descriptors.pin(file.descriptor).catch(() => undefined)
  }

  /** After one of a file's names went: with the last one, the file goes, and with its last handle what is kept of it. */
  async gone(stats: Fs.BigIntStats): Promise<void> {
    if (!stats.isDirectory() && stats.nlink > 1n) return
    const key = this.keyOf(stats)
    const file = this.#files.get(key)
    if (file === undefined) await this.sidecar?.drop(key)
    else file.removed = true
  }

  /** After a rename: what is open there, or below, is now elsewhere. */
  moved(from: StorePath, to: StorePath): void {
    for (const file of this.#files.values()) {
      if (file.path.length >= from.length && from.every((name, i) => file.path[i] === name)) {
        file.path = [...to, ...file.path.slice(from.length)]
      }
    }
  }

  async stats(file: OpenFile): Promise<Fs.BigIntStats> {
    const { descriptor: { fd }, prompt } = file
    if (fd === undefined) return this.#inPlace(file, (_, stats) => Promise.resolve(stats))
    return prompt ? Local.fstatNow(fd) : this.descriptors.use(file.descriptor, Local.fstat)
  }

  async node(file: OpenFile, stream?: OpenStream): Promise<StoreNode> {
    const stats = await this.stats(file)
    return this.describe(file.path.at(-1) ?? "", stats, stream && await this.streamStats(stream))
  }

  async streamStats(stream: OpenStream): Promise<Fs.BigIntStats> {
    if (stream.descriptor.fd !== undefined) return this.descriptors.use(stream.descriptor, Local.fstat)
    return await Local.orMissing(Local.lstat(this.sidecar!.stream(stream.key, stream.file))) ?? Local.refuse("Stale")
  }

  async set(file: OpenFile, changes: StoreChanges, now?: bigint): Promise<void> {
    await this.#sidecar().update(file.key, async (record) => {
      usable(record)
      let stats = await this.stats(file)
      const before = LocalNode.times(stats, record)
      if (changes.lastAccessTime !== undefined || changes.lastWriteTime !== undefined) {
        const accessed = LocalNode.toSeconds(changes.lastAccessTime ?? before.lastAccessTime)
        const written = LocalNode.toSeconds(changes.lastWriteTime ?? before.lastWriteTime)
        if (file.descriptor.fd === undefined) {
          await this.#inPlace(file, (path) => Fs.promises.lutimes(path, accessed, written))
        } else {
          await this.descriptors.use(
            file.descriptor,
            (fd) => Local.call<void>((done) => Fs.futimes(fd, accessed, written, (error) => done(error)))
          )
        }
        stats = await this.stats(file)
      }
      return LocalNode.recorded(record, changes, before, stats, now)
    })
  }

  async getBlob(file: OpenFile, blob: Blob): Promise<Uint8Array | undefined> {
    const text = usable(await this.record(file.key)).blobs?.[blob]
    return text === undefined ? undefined : Uint8Array.from(Buffer.from(text, "base64"))
  }

  async setBlob(file: OpenFile, blob: Blob, bytes: Uint8Array | undefined, now?: bigint): Promise<void> {
    // Taken now: the caller may use its bytes again while others are waited for.
    const text = bytes === undefined
      ? undefined
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
    await this.#sidecar().update(file.key, async (record) => {
      // Who may set a security descriptor mends a record that was lost.
      const base = record.damaged === true && blob === "SecurityDescriptor" ? {} : usable(record)
      const stats = await this.stats(file)
      const { blobs, ...rest } = LocalNode.recorded(base, {}, LocalNode.times(stats, base), stats, now)
      const { [blob]: _, ...others } = blobs ?? {}
      const next = text === undefined ? others : { ...others, [blob]: text }
      return Object.keys(next).length === 0 ? rest : { ...rest, blobs: next }
    })
  }

  /** When it is done, the file, what is kept of it, and its name survive a crash. */
  async flush(file: OpenFile, descriptor: Descriptor): Promise<void> {
    if (file.isDirectory && descriptor === file.descriptor) await this.#inPlace(file, flushPath)
    // Windows flushes what is open for writing; what was not written to needs none.
    else if (descriptor.changed) await this.descriptors.use(descriptor, Local.fsync, process.platform === "win32")
    else if (process.platform !== "win32") await this.descriptors.use(descriptor, Local.fsync)
    await this.sidecar?.flush(file.key)
    if (!file.removed && file.path.length > 0) {
      await this.tree.within(file.path.slice(0, -1), (parent) => flushPath(this.tree.at(parent, ".")))
    }
  }

  #sidecar(): Sidecar {
    return this.sidecar ?? Local.refuse("ReadOnly")
  }

  /** Uses a file by its name, if it is still the same. */
  async #inPlace<A>(file: OpenFile, body: (path: string, stats: Fs.BigIntStats) => Promise<A>): Promise<A> {
    if (file.removed) return Local.refuse("Stale")
    try {
      return await this.tree.within(file.path.slice(0, -1), async (parent) => {
        const path = this.tree.at(parent, file.path.at(-1) ?? ".")
        const now = performance.now()
        const stats = file.prompt && now - file.seen < moment ? Local.lstatNow(path) : await Local.lstat(path)
        file.seen = now
        return this.keyOf(stats) === file.key ? await body(path, stats) : Local.refuse("Stale")
      })
    } catch (error) {
      const { reason } = Local.toStoreError(error)
      if (reason === "NotFound" || reason === "PathNotFound") return Local.refuse("Stale")
      throw error
    }
  }

  #reopen(file: OpenFile, writing: boolean, fd: number | undefined): Promise<number> {
    if (fd !== undefined && this.descriptors.opensAgain) return Local.openAgain(fd)
    return this.#inPlace(file, async (path) => {
      const opened = await Local.openFile(path, writing)
      // Another file may have come to this name meanwhile.
      if (this.keyOf(file.prompt ? Local.fstatNow(opened) : await Local.fstat(opened)) === file.key) return opened
      await Local.close(opened)
      return Local.refuse("Stale")
    })
  }
}

/** Nothing is made up for what was lost. */
const usable = (record: FileRecord): FileRecord => {
  if (record.damaged === true) {
    throw new StoreError({ reason: "Failed", cause: new Error("What was kept beside the file cannot be read") })
  }
  return record
}
