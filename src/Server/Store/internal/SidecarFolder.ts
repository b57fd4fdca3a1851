/**
 * The hidden folder of a file system: this module finds it, makes it, and holds it for this process alone.
 *
 * Its records name files by numbers that are valid in one place only. So the folder has a stamp that identifies it.
 * After a copy or a restore all numbers are different and the stamp does not match. Then the files are not served,
 * because they would seem to have no records.
 *
 * This process has one object for a hidden folder, for any number of stores and paths.
 */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { storeError, type StoreReason } from "../../ShareStore.ts"
import * as Local from "./Local.ts"
import * as LocalNode from "./LocalNode.ts"
import type { PromptCalls } from "./PromptCalls.ts"
import { flushPath, Sidecar } from "./Sidecar.ts"
import * as SidecarLock from "./SidecarLock.ts"
import * as UnfinishedRecords from "./UnfinishedRecords.ts"

/** The hidden folder's name. */
export const sidecarName = ".effect-smb"

/** The identity of the folder. */
interface Stamp {
  /** Inode, and time of birth in nanoseconds, of the folder and of its records: as text. */
  readonly folder: readonly [string, string]
  readonly records: readonly [string, string]
  /** Whether times of birth are steady on its file system. */
  readonly birthIsSteady: boolean
}

const stampName = "stamp"
const parts = ["records", "streams", "new"]

/** Fails because `.effect-smb` cannot be used, and its records must not be ignored. */
const unusable = (reason: StoreReason["_tag"], why: string): never => {
  throw storeError(reason, new Error(`${sidecarName} in this folder ${why}`))
}

const copied =
  "is of another folder: its security descriptors, attributes and named streams are of the files there. Was " +
  "the folder copied or restored from a backup, or does its file system give its files new numbers with each mount? Serve the " +
  `original, or remove ${sidecarName} here to go on without what it keeps`

const marks = (stats: Fs.BigIntStats): readonly [string, string] => [String(stats.ino), String(stats.birthtimeNs)]

/** Properties of a file system. */
export interface Nature {
  /** Whether the first change of a file copies it, which gives it a new time of birth (overlayfs). */
  readonly copiesUp: boolean
  readonly calls: PromptCalls
}

/** Properties of files on a file system. */
export interface Sample {
  readonly stats: Fs.BigIntStats
  /** Whether the time of birth stays when the other times change: only then it distinguishes files. */
  readonly birthIsSteady: boolean
}

/** Finds the properties by a test with a temporary file. */
export const sampleOf = async (fd: number): Promise<Sample> => {
  const stats = await Local.fstat(fd)
  const { birthtimeNs } = stats
  await Local.call<void>((done) => Fs.futimes(fd, 1, 1, (error) => done(error)))
  const after = await Local.fstat(fd)
  const isSteady = birthtimeNs !== 0n && after.birthtimeNs === birthtimeNs && after.mtimeNs !== birthtimeNs
  return { stats, birthIsSteady: isSteady }
}

/** @category models */
export class SidecarFolder {
  readonly sidecar: Sidecar
  /** Whether times of birth are steady here; `undefined` while it is not known. */
  birthIsSteady: boolean | undefined
  users = 1
  readonly #key: string
  readonly #folder: string
  readonly #fd: number | undefined
  readonly #lock: SidecarLock.Held | undefined
  #hasStamp: boolean
  #ready: Promise<void> | undefined

  constructor(fields: {
    readonly key: string
    readonly folder: string
    readonly fd: number | undefined
    readonly lock: SidecarLock.Held | undefined
    readonly sidecar: Sidecar
    readonly birthIsSteady: boolean | undefined
    readonly hasStamp: boolean
  }) {
    this.#key = fields.key
    this.#folder = fields.folder
    this.#fd = fields.fd
    this.#lock = fields.lock
    this.sidecar = fields.sidecar
    this.birthIsSteady = fields.birthIsSteady
    this.#hasStamp = fields.hasStamp
  }

  /** Prepares the folder. Called before this process writes its first record. */
  prepare(birthIsSteady: boolean): Promise<void> {
    this.#ready ??= this.#prepare(birthIsSteady).catch((error) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  async #prepare(birthIsSteady: boolean): Promise<void> {
    await Fs.promises.access(this.#folder, Fs.constants.W_OK)
    for (const part of parts) {
      // oxlint-disable-next-line no-await-in-loop -- three
      await Local.makeFolder(Path.join(this.#folder, part))
    }
    // Records that a crash left for existing files are given to these; the other files in `new/` are half written.
    await this.sidecar.settle()
    const left = await Fs.promises.readdir(Path.join(this.#folder, "new"))
    await Promise.all(left.map((name) => Fs.promises.rm(Path.join(this.#folder, "new", name), { force: true })))
    this.birthIsSteady = birthIsSteady
    if (this.#hasStamp) return
    const stamp: Stamp = {
      folder: marks(await Local.lstat(`${this.#folder}/.`)),
      records: marks(await Local.lstat(Path.join(this.#folder, "records"))),
      birthIsSteady
    }
    const made = this.sidecar.fresh()
    await Fs.promises.writeFile(made, JSON.stringify(stamp), { mode: 0o600, flag: "wx" })
    // After a power loss, the stamp is complete, with the folders that it names, or it does not exist: half a stamp
    // would make the folder unusable.
    await flushPath(made)
    await flushPath(`${this.#folder}/.`)
    await Fs.promises.rename(made, Path.join(this.#folder, stampName))
    await flushPath(`${this.#folder}/.`)
    this.#hasStamp = true
  }

  /** The properties of a file in the folder. */
  async sample(): Promise<Sample> {
    const path = Path.join(this.#folder, `sample-${randomUUID()}`)
    const fd = await Local.open(path, Fs.constants.O_CREAT | Fs.constants.O_EXCL | Fs.constants.O_RDWR, 0o600)
    try {
      return await sampleOf(fd)
    } finally {
      await Local.close(fd)
      await Fs.promises.rm(path, { force: true })
    }
  }

  /** Gives up one use; the last one closes the folder. */
  async release(): Promise<void> {
    if (--this.users > 0) return
    const entry = opened.get(this.#key)!
    entry.closing = this.#close().finally(() => opened.delete(this.#key))
    await entry.closing
  }

  async #close(): Promise<void> {
    await this.#lock?.close()
    if (this.#fd !== undefined) await Local.close(this.#fd)
  }
}

interface Entry {
  readonly opening: Promise<SidecarFolder>
  closing: Promise<void> | undefined
}

/** The folders of this process, by device and inode. */
const opened = new Map<string, Entry>()

/**
 * Whether another process serves the directory at `root` by itself, and keeps records there that this process does not
 * know. Costs one call if there is no hidden folder.
 */
export const isServedByOthers = async (root: string): Promise<boolean> => {
  const place = `${root}/${sidecarName}`
  const stats = await Local.orMissing(Local.lstat(place))
  if (stats === undefined || !stats.isDirectory()) return false
  // The same directory can be mounted a second time, below itself.
  return !opened.has(`${stats.dev}:${stats.ino}`) && SidecarLock.isServed(place)
}

/**
 * The sidecar in the directory at `root`; `undefined` if it does not exist and `make` is false. Fails with the
 * platform's own error if it cannot be made, with `Busy` if another process has it, and with `AccessDenied` or `Failed`
 * if it exists and cannot be used.
 */
export const acquire = async (
  root: string,
  nature: Nature,
  make: boolean
): Promise<SidecarFolder | undefined> => {
  const place = Path.join(root, sidecarName)
  if (make) {
    await Local.makeFolder(place)
  }
  const stats = await Local.orMissing(Local.lstat(place))
  if (stats === undefined) return undefined
  if (!stats.isDirectory()) unusable("AccessDenied", "is no folder: remove it, or serve another folder")
  let fd: number | undefined
  try {
    fd = Local.hasDescriptors ? await Local.open(place, Local.openFlags.directory) : undefined
  } catch (error) {
    if (!Local.isRefusal(error)) throw error
    return unusable("AccessDenied", "may not be read by this user: serve the folder as the user who served it before")
  }
  const folder = fd === undefined ? place : `${Local.descriptors}/${fd}`
  try {
    const actual = fd === undefined ? stats : await Local.fstat(fd)
    const key = `${actual.dev}:${actual.ino}`
    const known = opened.get(key)
    if (known !== undefined) {
      if (fd !== undefined) await Local.close(fd)
      fd = undefined
      await known.closing
      const shared = known.closing === undefined ? await known.opening : undefined
      // Its last user may have released it during the wait.
      if (shared === undefined || known.closing !== undefined) return await acquire(root, nature, make)
      shared.users++
      return shared
    }
    const entry: Entry = { opening: open(key, folder, fd, actual, nature), closing: undefined }
    opened.set(key, entry)
    try {
      return await entry.opening
    } catch (error) {
      opened.delete(key)
      throw error
    }
  } catch (error) {
    if (fd !== undefined) await Local.close(fd)
    throw error
  }
}

const open = async (
  key: string,
  folder: string,
  fd: number | undefined,
  stats: Fs.BigIntStats,
  nature: Nature
): Promise<SidecarFolder> => {
  const stamp = await readStamp(folder)
  const fits = ([inode, birth]: readonly [string, string], { birthtimeNs, ino }: Fs.BigIntStats) =>
    inode === String(ino) && (nature.copiesUp || !stamp!.birthIsSteady || birth === String(birthtimeNs))
  const records = await Local.orMissing(Local.lstat(Path.join(folder, "records")))
  if (stamp !== undefined) {
    if (!fits(stamp.folder, stats)) unusable("Failed", copied)
    if (records === undefined || !fits(stamp.records, records)) {
      unusable("Failed", "has lost its records of security descriptors. Restore it where it was, or remove all of it")
    }
  }
  const lock = await SidecarLock.take(folder, stats)
  try {
    const names = records === undefined ? [] : await Fs.promises.readdir(Path.join(folder, "records"))
    // A folder from before stamps shows it by the names of its records.
    const birthIsSteady = stamp?.birthIsSteady ??
      (names.length === 0 ? undefined : names.some((name) => name.includes("-")))
    const known = named(names, nature.copiesUp)
    // Without a stamp, no record was written yet.
    for (
      const { name, stats: of } of stamp === undefined
        ? []
        : await UnfinishedRecords.find(folder, stamp.birthIsSteady)
    ) {
      const key = LocalNode.keyOf(of, stamp!.birthIsSteady && !nature.copiesUp)
      if (of.dev === stats.dev && !known.has(key)) known.set(key, name)
    }
    const sidecar = new Sidecar(folder, known, nature.calls)
    return new SidecarFolder({ key, folder, fd, lock, sidecar, birthIsSteady, hasStamp: stamp !== undefined })
  } catch (error) {
    await lock?.close()
    throw error
  }
}

const readStamp = async (folder: string): Promise<Stamp | undefined> => {
  const text = await Local.orMissing(Fs.promises.readFile(Path.join(folder, stampName), "utf8"))
  if (text === undefined) return undefined
  const isMarks = (value: unknown) =>
    Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "string")
  try {
    const stamp = JSON.parse(text) as Stamp
    if (isMarks(stamp.folder) && isMarks(stamp.records) && typeof stamp.birthIsSteady === "boolean") return stamp
  } catch {
    // Fails below.
  }
  return unusable("Failed", `has a damaged file \`${stampName}\`. Restore it, or remove ${sidecarName}`)
}

/**
 * The keys of records, with their file names. On an overlay a key has no time of birth, but records of another place or
 * of earlier versions have one in their names. The latest record of an inode is the record of its file.
 */
const named = (names: ReadonlyArray<string>, copiesUp: boolean): Map<string, string> => {
  const known = new Map(names.map((name) => [name, name]))
  if (!copiesUp) return known
  const birth = (name: string) => BigInt(`0x${name.split("-")[1]!}`)
  for (const name of names.filter((name) => /^[0-9a-f]+-[0-9a-f]+$/.test(name))) {
    known.delete(name)
    const inode = name.split("-")[0]!
    const other = known.get(inode)
    if (other === undefined || (other !== inode && birth(other) < birth(name))) known.set(inode, name)
  }
  return known
}
