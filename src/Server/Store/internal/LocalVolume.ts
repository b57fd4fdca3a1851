/**
 * The file systems of a local folder: that of its root, and each that is mounted below. Records of files are on the
 * same file system as the files, in a sidecar in its topmost directory. Their names last as long as the file system
 * itself, so they do not contain the device's number, which changes with each mount.
 *
 * Only a directory begins a file system. A file can have another device number than its directory, as on some overlays
 * and for a single mounted file. The record of such a file is kept only while the process runs.
 */
import * as Fs from "node:fs"
import * as FileTime from "../../../Codec/FileTime.ts"
import type { StorePath } from "../../ShareStore.ts"
import * as Local from "./Local.ts"
import * as LocalNode from "./LocalNode.ts"
import { PromptCalls } from "./PromptCalls.ts"
import type { WaitingRecord } from "./Sidecar.ts"
import * as SidecarFolder from "./SidecarFolder.ts"
import type { FileRecord, Records } from "./SidecarRecord.ts"
import { empty } from "./SidecarRecord.ts"
import { TemporaryRecords } from "./TemporaryRecords.ts"

/** Linux's numbers of file systems (`statfs(2)`) that need special treatment. */
const overlay = 0x794c7630n
/** FAT and exFAT have no inodes: their numbers are made up with each mount. */
const withoutInodes: ReadonlySet<bigint> = new Set([0x4d44n, 0x2011bab0n])

const none = Promise.resolve(empty)

/** Milliseconds for which an unused volume is kept. */
const grace = 1000

interface Facts {
  readonly device: bigint
  /** The path of its topmost directory. */
  readonly root: string
  /** Keeps the file system mounted, and so the device's number, while this is used. */
  readonly fd: number | undefined
  /** Distinguishes its files' numbers from those of the other volumes below one root. */
  readonly salt: bigint
  /** Components from the root to its topmost directory. */
  readonly depth: number
  readonly calls: PromptCalls
  readonly isNetwork: boolean
  readonly copiesUp: boolean
  readonly lasts: boolean
  readonly birthIsSteady: boolean
}

/** The measures of a file system: bytes, and 100 ns ticks since 1601. */
interface Measures {
  readonly creationTime: bigint
  readonly serialNumber: number
  readonly total: bigint
  readonly free: bigint
  /** Whether it is mounted read-only. */
  readonly isReadOnly: boolean
}

/**
 * The same after each mount, although the device's number changes: from the inode of the topmost directory, its time of
 * birth, and, if it is mounted below the root, its place. Clients use it as the key of their caches.
 */
const serialNumber = (identity: string, salt: bigint): number =>
  Number(BigInt.asUintN(32, LocalNode.hash(`${identity.slice(identity.indexOf(":"))}${salt === 0n ? "" : salt}`)))

/** @category models */
export class Volume {
  readonly device: bigint
  /** Its calls, which are short if it is a local disk or memory. */
  readonly calls: PromptCalls
  /** Whether other machines can change it unseen by the platform. */
  readonly isNetwork: boolean
  /** Whether the first change of a file copies it, which gives it a new time of birth. */
  readonly copiesUp: boolean
  readonly birthIsSteady: boolean
  /** Records of files whose numbers do not last. */
  readonly passing = new TemporaryRecords()
  /** The number of open directories and files. */
  users = 0
  leaving: NodeJS.Timeout | undefined
  readonly #root: string
  readonly #fd: number | undefined
  readonly #salt: bigint
  readonly #depth: number
  #lasts: boolean
  #folder: SidecarFolder.SidecarFolder | undefined
  #making: Promise<SidecarFolder.SidecarFolder> | undefined
  #closed = false

  constructor(facts: Facts, folder: SidecarFolder.SidecarFolder | undefined) {
    this.device = facts.device
    this.calls = facts.calls
    this.isNetwork = facts.isNetwork
    this.copiesUp = facts.copiesUp
    this.birthIsSteady = facts.birthIsSteady
    this.#root = facts.root
    this.#fd = facts.fd
    this.#salt = facts.salt
    this.#depth = facts.depth
    this.#lasts = facts.lasts
    this.#folder = folder
  }

  /** Whether its files have the same numbers after each mount, so that records can be kept. */
  get lasts(): boolean {
    return this.#lasts
  }

  /** Whether another process gives its files the same identities, and gives none of them to another file. */
  get identitiesLast(): boolean {
    // The first change of a file of an overlay gives it another identity.
    return this.#lasts && this.birthIsSteady && !this.copiesUp
  }

  /** Whether it describes an open file without a disk, a network or another process (`Local.isPromptType`). */
  get prompt(): boolean {
    return this.calls.prompt
  }

  isLasting(stats: Fs.BigIntStats): boolean {
    return this.#lasts && stats.dev === this.device
  }

  /** The name of a file's record. */
  keyOf(stats: Fs.BigIntStats): string {
    if (!this.isLasting(stats)) return `${stats.dev}:${stats.ino.toString(16)}`
    return LocalNode.keyOf(stats, this.birthIsSteady && !this.copiesUp)
  }

  /** The number of a file for clients. */
  idOf(stats: Fs.BigIntStats): bigint {
    const id = stats.ino ^ this.#salt
    return BigInt.asUintN(64, stats.dev === this.device ? id : id ^ ((stats.dev ^ this.device) << 40n))
  }

  /** Distinguishes a file from all others of this machine while it runs. */
  identityOf(stats: Fs.BigIntStats): string {
    // A directory of an overlay is copied when a file is made in it.
    return LocalNode.identityOf(stats, this.birthIsSteady && !(this.copiesUp && stats.isDirectory()))
  }

  /** The file system as clients see it. */
  async measure(): Promise<Measures> {
    const [top, space, isReadOnly] = await Promise.all([
      Fs.promises.stat(this.#root, { bigint: true }),
      Fs.promises.statfs(this.#root, { bigint: true }),
      Fs.promises.access(this.#root, Fs.constants.W_OK).then(() => false, Local.isReadOnly)
    ])
    return {
      creationTime: FileTime.fromNanos(top.birthtimeNs),
      serialNumber: serialNumber(this.identityOf(top), this.#salt),
      total: space.blocks * space.bsize,
      free: space.bavail * space.bsize,
      isReadOnly
    }
  }

  /** The existing records. */
  reading(lasting: boolean): Records | undefined {
    if (this.#closed) Local.refuse("Stale")
    return lasting ? this.#folder?.sidecar : this.passing
  }

  /** Records to write: makes the sidecar if it does not exist. */
  async writing(lasting: boolean): Promise<Records> {
    if (!lasting) return this.passing
    const { sidecar } = await this.folder()
    return this.#lasts ? sidecar : Local.refuse("Unsupported")
  }

  /** Writes the record of a file before the file is made at a path below the root. */
  async begin(path: StorePath, record: FileRecord): Promise<WaitingRecord> {
    if (!this.#lasts) Local.refuse("Unsupported")
    const { sidecar } = await this.folder()
    if (!this.#lasts) Local.refuse("Unsupported")
    return sidecar.begin(path.slice(this.#depth), record)
  }

  /** Whether files can be made in its topmost directory. */
  async canWrite(): Promise<boolean> {
    try {
      if (this.#lasts) await this.folder()
      else await Fs.promises.access(this.#root, Fs.constants.W_OK)
      return true
    } catch (error) {
      if (Local.isRefusal(error)) return false
      throw error
    }
  }

  async folder(): Promise<SidecarFolder.SidecarFolder> {
    if (this.#closed) Local.refuse("Stale")
    this.#making ??= this.#make().catch((error) => {
      this.#making = undefined
      throw error
    })
    return this.#making
  }

  async #make(): Promise<SidecarFolder.SidecarFolder> {
    const folder = this.#folder ?? await SidecarFolder.acquire(this.#root, this, true) ?? Local.refuse("Stale")
    this.#folder = folder
    await folder.prepare(this.birthIsSteady)
    // This could not be known before there was a sidecar.
    if (this.copiesUp && (await folder.sample()).stats.dev !== this.device) this.#lasts = false
    return folder
  }

  record(stats: Fs.BigIntStats): Promise<FileRecord> {
    const records = this.reading(this.isLasting(stats))
    if (records === undefined) return none
    const record = records.get(this.keyOf(stats))
    return this.copiesUp ? record.then((found) => this.ofFile(found, stats)) : record
  }

  /**
   * The record, if it is this file's: a key without a time of birth can be that of an earlier file with the same inode.
   */
  ofFile(record: FileRecord, stats: Fs.BigIntStats): FileRecord {
    return record.born === undefined || record.born === String(stats.birthtimeNs) ? record : empty
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.leaving)
    await this.#making?.catch(() => undefined)
    await this.#folder?.release()
    if (this.#fd !== undefined) await Local.close(this.#fd)
  }
}

const { O_DIRECTORY = 0, O_RDWR } = Fs.constants
/** Linux's number; Node has no name for it. Makes a file without a name, so that watchers get no event. */
const O_TMPFILE = 0o20000000 | O_DIRECTORY

/** The properties of a file in this directory; `undefined` if no file without a name can be made there. */
const sample = async (root: string): Promise<SidecarFolder.Sample | undefined> => {
  if (process.platform !== "linux") return undefined
  let fd: number
  try {
    fd = await Local.open(root, O_TMPFILE | O_RDWR, 0o600)
  } catch {
    return undefined
  }
  try {
    return await SidecarFolder.sampleOf(fd)
  } finally {
    await Local.close(fd)
  }
}

/** The sidecar, which is made if it does not exist and `make` is set; and whether it can be written. */
const folderOf = async (
  root: string,
  nature: SidecarFolder.Nature,
  make: boolean
): Promise<readonly [SidecarFolder.SidecarFolder | undefined, boolean]> => {
  try {
    return [await SidecarFolder.acquire(root, nature, make), make]
  } catch (error) {
    // An existing sidecar is still read.
    if (make && Local.isRefusal(error)) return [await SidecarFolder.acquire(root, nature, false), false]
    throw error
  }
}

/**
 * The file system whose topmost directory is at `root`. Fails if a sidecar exists and cannot be used: its files must
 * not be served as if they had no records.
 */
const open = async (
  root: string,
  fd: number | undefined,
  stats: Fs.BigIntStats,
  place: StorePath,
  make: boolean
): Promise<Volume> => {
  const type = process.platform === "linux" ? (await Fs.promises.statfs(root, { bigint: true })).type : undefined
  const prompt = type !== undefined && Local.isPromptType(type)
  const calls = new PromptCalls(fd !== undefined && prompt)
  const copiesUp = type === overlay
  let made = prompt ? undefined : await sample(root)
  const hasInodes = type === undefined || !withoutInodes.has(type)
  const isUniform = () => !copiesUp || made === undefined || made.stats.dev === stats.dev
  const [found, isWritable] = hasInodes && isUniform()
    ? await folderOf(root, { calls, copiesUp }, make)
    : [undefined, false]
  let folder = found
  const birthIsSteady = () =>
    stats.birthtimeNs > 0n && (folder?.birthIsSteady ?? (prompt || made?.birthIsSteady === true))
  if (folder !== undefined && isWritable) {
    try {
      if (!prompt) made ??= await folder.sample()
      if (isUniform()) await folder.prepare(birthIsSteady())
      else {
        await folder.release()
        folder = undefined
      }
    } catch (error) {
      // An existing sidecar can be read even if it cannot be written.
      if (!Local.isRefusal(error)) {
        await folder?.release()
        throw error
      }
    }
  }
  return new Volume({
    device: stats.dev,
    root,
    fd,
    salt: place.length === 0 ? 0n : BigInt.asUintN(24, LocalNode.hash(place.join("/"))) << 40n,
    depth: place.length,
    calls,
    isNetwork: type !== undefined && Local.isNetworkType(type),
    copiesUp,
    lasts: hasInodes && isUniform(),
    birthIsSteady: birthIsSteady()
  }, folder)
}

/** The volumes below one root. */
export class Volumes {
  /** By device and inode of the topmost directory. */
  readonly #volumes = new Map<string, Promise<Volume>>()

  /** Counts one more use of the volume that begins at this directory. `make`: makes its sidecar at once. */
  async enter(
    at: string,
    fd: number | undefined,
    stats: Fs.BigIntStats,
    place: StorePath,
    make = false
  ): Promise<Volume> {
    const key = `${stats.dev}:${stats.ino}`
    let opening = this.#volumes.get(key)
    if (opening === undefined) {
      opening = this.#open(at, fd, stats, place, make)
      this.#volumes.set(key, opening)
    }
    try {
      const volume = await opening
      // It may have been closed while it was opened.
      if (this.#volumes.get(key) !== opening) return await this.enter(at, fd, stats, place, make)
      this.use(volume)
      return volume
    } catch (error) {
      if (this.#volumes.get(key) === opening) this.#volumes.delete(key)
      throw error
    }
  }

  async #open(
    at: string,
    fd: number | undefined,
    stats: Fs.BigIntStats,
    place: StorePath,
    make: boolean
  ): Promise<Volume> {
    if (fd === undefined) return open(at, undefined, stats, place, make)
    // The volume's own descriptor: a directory's descriptor is closed when other directories need one.
    const own = await Local.open(`${Local.descriptors}/${fd}/.`, Local.openFlags.directory)
    try {
      return await open(`${Local.descriptors}/${own}`, own, stats, place, make)
    } catch (error) {
      await Local.close(own)
      throw error
    }
  }

  use(volume: Volume): void {
    volume.users++
    clearTimeout(volume.leaving)
  }

  leave(volume: Volume): void {
    if (--volume.users > 0) return
    clearTimeout(volume.leaving)
    // Closed after a delay: a file that was just found there will be used soon.
    volume.leaving = setTimeout(() => {
      for (const [key, opening] of this.#volumes) {
        opening.then((one) => {
          if (one !== volume || volume.users > 0) return
          this.#volumes.delete(key)
          return volume.close()
        }).catch(() => undefined)
      }
    }, grace).unref()
  }

  async close(): Promise<void> {
    const all = [...this.#volumes.values()]
    this.#volumes.clear()
    for (const opening of all) {
      // oxlint-disable-next-line no-await-in-loop -- few
      await opening.then((volume) => volume.close()).catch(() => undefined)
    }
  }
}
