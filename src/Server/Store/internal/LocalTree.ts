/**
 * Names below a local folder: finds them without regard to case, and never leaves the folder.
 *
 * **Confinement.** Node has no `openat`. On Linux `/proc/self/fd/N/name` is the same: the kernel starts at the
 * directory of descriptor N, even if another program moves names at that moment. So every directory on the path is
 * opened with O_NOFOLLOW below the descriptor of the directory above. Every operation works on one last component below
 * such a descriptor, and no call follows that component if it is a symbolic link. Before each use, the descriptor's own
 * place is read (`readlink` of `/proc/self/fd/N`, which needs no disk) and must be unchanged: a directory that another
 * program moved or removed is looked up again. One gap remains: a directory can be moved between that check and the
 * operation. The operation then happens in the same directory at its new place.
 *
 * On other platforms paths are used: the directory's real path is read before each operation and must be as expected. A
 * local program that may change directories below the root could put a symbolic link there in between. SMB clients
 * cannot, because no operation of the store makes symbolic links.
 *
 * Symbolic links by other programs are followed if they lead to a place in the folder, and refused otherwise.
 *
 * **Case.** A name is tried as given first. If it does not exist, the directory's names are read. They are kept,
 * folded, while the directory's time of modification is unchanged; changes by this process are entered there. Under a
 * directory's lock they are exact. Without the lock, while this process changes the directory, a lookup in another case
 * can miss for one second a file that another program has just made there.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { StoreError, storeError, type StorePath } from "../../ShareStore.ts"
import * as Local from "./Local.ts"
import { Volumes } from "./LocalVolume.ts"
import type { Volume } from "./LocalVolume.ts"
import * as NamesInSmb from "./NamesInSmb.ts"
import * as SidecarFolder from "./SidecarFolder.ts"
import * as StoreNames from "./StoreNames.ts"

/** A directory in use. */
export interface Directory {
  /** Its real path. */
  readonly place: string
  /** Its components below the root, with the case that the file system keeps. */
  readonly path: StorePath
  /** Identifies the directory under any name: for locks. */
  readonly key: string
  /** The directory's descriptor, if descriptors can be used as paths. */
  readonly fd: number | undefined
  /** The file system that it is on. */
  readonly volume: Volume
  users: number
  dropped: boolean
  names: Map<string, string> | undefined
  /** The `mtimeNs` for which `names` are correct. */
  stamp: bigint
  /** Whether `names` were read so soon after a change that another change could have the same time. */
  racy: boolean
  /** When `names` were last known to be correct: milliseconds of `performance.now()`. */
  seen: number
  /** The number of changes of this process that are under way, and of those that have been entered. */
  changing: number
  entered: number
  /** The read of the names that is under way. Calls that come during it wait together for the next read. */
  reading: Promise<unknown> | undefined
  next: Promise<Map<string, string>> | undefined
  /** The names that are entered while the names are being read: removed, added. */
  meanwhile: Array<readonly [string | undefined, string | undefined]> | undefined
}

/** An existing name. */
export interface Found {
  readonly name: string
  /** The path of the file: its own, or the target of its symbolic link. */
  readonly path: StorePath
  readonly stats: Fs.BigIntStats
  /** The file system that it is on: that of its directory, except for a directory where a file system is mounted. */
  readonly volume: Volume
}

/** How many directories and names are kept, and whether to use paths instead of descriptors. */
export interface Limits {
  readonly directories: number
  readonly names: number
  readonly byPath: boolean
}

const keyOf = (stats: Fs.BigIntStats) => `${stats.dev}:${stats.ino}`

/**
 * Milliseconds. A change longer ago cannot have the same time as a later one: the coarsest clock of a file system in
 * use.
 */
const clockGrain = 20

/** Milliseconds for which known names are trusted while this process changes the directory. */
const moment = 1000

/** Names that Windows cannot keep, or that mean something else there. */
// oxlint-disable-next-line no-control-regex -- they are what Windows refuses
const windowsCannot = /[<>:"|?*\u0001-\u001f]|[. ]$|^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i

/** Whether the platform keeps this name unchanged. */
const canName = (name: string): boolean =>
  name.isWellFormed() && (process.platform !== "win32" || !windowsCannot.test(name))

/** @category models */
export class LocalTree {
  readonly root: Directory
  readonly volumes: Volumes
  readonly #reserved: string
  readonly #limits: Limits
  /** By real path, the longest unused first. */
  readonly #directories = new Map<string, Directory>()
  /** From requested paths to real paths. */
  readonly #aliases = new Map<string, string>()
  #names = 0

  private constructor(
    root: Directory,
    volumes: Volumes,
    reserved: string,
    limits: Limits
  ) {
    this.root = root
    this.volumes = volumes
    this.#reserved = StoreNames.fold(reserved)
    this.#limits = limits
  }

  /** `reserved` is a name that is hidden from clients; `readOnly`: nothing is made in the folder. */
  static async make(
    folder: string,
    reserved: string,
    limits: Limits,
    readOnly: boolean
  ): Promise<LocalTree> {
    const place = await Local.call<string>((done) => Fs.realpath.native(folder, done))
    const stats = await Local.lstat(place)
    if (!stats.isDirectory()) return Local.refuse("NotDirectory")
    const fd = Local.hasDescriptors && !limits.byPath ? await Local.open(place, Local.openFlags.directory) : undefined
    try {
      const volumes = new Volumes()
      const volume = await volumes.enter(place, fd, stats, [], !readOnly)
      return new LocalTree(directory(place, [], keyOf(stats), fd, volume), volumes, reserved, limits)
    } catch (error) {
      if (fd !== undefined) await Local.close(fd)
      throw error
    }
  }

  async close(): Promise<void> {
    for (const found of this.#directories.values()) this.#drop(found)
    await this.volumes.close()
    if (this.root.fd !== undefined) await Local.close(this.root.fd)
  }

  /** The platform's path of `name` in a directory in use. */
  at(directory: Directory, name: string): string {
    return directory.fd === undefined
      ? Path.join(directory.place, name)
      : `${Local.descriptors}/${directory.fd}/${name}`
  }

  /**
   * Whether clients can use a name here. The reserved name is refused in every directory: another share may be served
   * from there.
   */
  isName(name: string): boolean {
    return NamesInSmb.isPlatformComponent(name) && canName(name) && StoreNames.fold(name) !== this.#reserved
  }

  /** The path, if each component is a valid name here; otherwise refuses with `InvalidName`. */
  checked(path: StorePath): StorePath {
    return path.every((name) => this.isName(name)) ? path : Local.refuse("InvalidName")
  }

  /** Uses a directory. Refuses with `PathNotFound` if the path is not a directory. */
  async within<A>(path: StorePath, body: (directory: Directory) => Promise<A>): Promise<A> {
    const found = await this.#acquire(path)
    try {
      return await body(found)
    } finally {
      this.#release(found)
    }
  }

  /** An existing name in a directory, with its case; a symbolic link is not followed. */
  async lookup(directory: Directory, name: string): Promise<{ name: string; stats: Fs.BigIntStats } | undefined> {
    let stats = await Local.lstatBy(directory.volume.calls, this.at(directory, name))
    if (stats !== undefined && directory.names?.get(StoreNames.fold(name)) === name) return { name, stats }
    // A file system that ignores case has found the file, but not the name with its case.
    if (stats !== undefined && process.platform === "linux") return { name, stats }
    const actual = (await this.names(directory)).get(StoreNames.fold(name))
    if (actual === undefined) return stats === undefined ? undefined : { name, stats }
    stats = await Local.lstatBy(directory.volume.calls, this.at(directory, actual))
    return stats === undefined ? undefined : { name: actual, stats }
  }

  /** The file at a path, through symbolic links; with `linkItself`, a link that cannot be followed is found itself. */
  async find(path: StorePath, linkItself = false): Promise<Found | undefined> {
    const open = await this.#opened(path)
    if (open !== undefined) return open
    if (path.length === 0) {
      return this.within(path, async (root) => ({
        name: "",
        path: [],
        stats: await Local.lstat(this.at(root, ".")),
        volume: root.volume
      }))
    }
    return this.within(path.slice(0, -1), async (parent) => {
      const found = await this.lookup(parent, path.at(-1)!)
      if (found === undefined) return undefined
      if (!linkItself || !found.stats.isSymbolicLink()) return this.resolve(parent, found)
      return this.resolve(parent, found).catch((error) =>
        Local.toStoreError(error).reason._tag === "AccessDenied"
          ? { ...found, path: [...parent.path, found.name], volume: parent.volume }
          : Promise.reject(error)
      )
    })
  }

  /** A directory with a kept descriptor, if it is still at its place and the path has its case: no lookup is needed. */
  async #opened(path: StorePath): Promise<Found | undefined> {
    const known = path.length === 0 ? this.root : this.#directories.get(this.#aliases.get(path.join("/")) ?? "")
    if (known?.fd === undefined || !known.volume.prompt) return undefined
    if (known.path.length !== path.length || !known.path.every((name, i) => path[i] === name)) return undefined
    use(known)
    try {
      return known === this.root || await this.#isThere(known)
        ? { name: path.at(-1) ?? "", path: known.path, stats: Local.fstatNow(known.fd), volume: known.volume }
        : undefined
    } finally {
      this.#release(known)
    }
  }

  /** Follows a symbolic link to a place in the folder. Refuses anything that is neither a file nor a directory. */
  async resolve(parent: Directory, found: { name: string; stats: Fs.BigIntStats }): Promise<Found> {
    const { name, stats } = found
    const { volume } = parent
    if (stats.isFile()) return { name, path: [...parent.path, name], stats, volume }
    if (stats.isDirectory()) {
      const path = [...parent.path, name]
      if (stats.dev === volume.device) return { name, path, stats, volume }
      return { name, path, stats, volume: await this.within(path, (directory) => Promise.resolve(directory.volume)) }
    }
    if (!stats.isSymbolicLink()) return Local.refuse("AccessDenied")
    const path = await this.#target(parent, name)
    const target = await this.find(path)
    if (target === undefined || target.stats.isSymbolicLink()) return Local.refuse("AccessDenied")
    return { ...target, name }
  }

  /** The target of a symbolic link, as components below the root. */
  async #target(parent: Directory, name: string): Promise<StorePath> {
    const place = await Local.orMissing(
      Local.call<string>((done) => Fs.realpath.native(this.at(parent, name), done))
    )
    if (place === undefined) return Local.refuse("AccessDenied")
    const below = Path.relative(this.root.place, place)
    if (below === ".." || below.startsWith(`..${Path.sep}`) || Path.isAbsolute(below)) {
      return Local.refuse("AccessDenied")
    }
    return this.checked(below === "" ? [] : below.split(Path.sep))
  }

  /** The directory's current names, by their folded form. */
  async names(directory: Directory): Promise<Map<string, string>> {
    return await this.#known(directory) ?? (directory.next ??= this.#readNext(directory))
  }

  /** The state of a directory in use, also after its name has changed. */
  async stats(directory: Directory): Promise<Fs.BigIntStats> {
    return directory.fd !== undefined && directory.volume.prompt
      ? Local.fstatNow(directory.fd)
      : Local.lstat(this.at(directory, "."))
  }

  /** The kept names, if they are still correct. */
  async #known(directory: Directory): Promise<Map<string, string> | undefined> {
    const { entered } = directory
    const { mtimeNs } = await this.stats(directory)
    if (directory.names === undefined) return undefined
    if (directory.stamp === mtimeNs && !directory.racy) directory.seen = performance.now()
    else {
      // While this process changes the directory, its time says nothing about other programs. Reading again after each
      // change would make a large directory slow to fill.
      const ours = directory.changing > 0 || directory.entered !== entered
      if (!ours || performance.now() - directory.seen > moment) return undefined
    }
    return directory.names
  }

  async #readNext(directory: Directory): Promise<Map<string, string>> {
    await directory.reading?.catch(() => undefined)
    directory.next = undefined
    const reading = this.#known(directory).then((known) => known ?? this.#read(directory)).finally(() => {
      directory.meanwhile = undefined
    })
    directory.reading = reading
    return reading
  }

  async #read(directory: Directory): Promise<Map<string, string>> {
    const meanwhile: NonNullable<Directory["meanwhile"]> = []
    directory.meanwhile = meanwhile
    const { mtimeNs } = await this.stats(directory)
    const list = await Local.call<Array<string>>((done) => Fs.readdir(this.at(directory, "."), done))
    const names = new Map(list.map((name) => [StoreNames.fold(name), name]))
    for (const [removed, added] of meanwhile) enter(names, removed, added)
    this.#names += names.size - (directory.names?.size ?? 0)
    directory.names = names
    directory.stamp = mtimeNs
    directory.racy = Date.now() - Number(mtimeNs / 1_000_000n) < clockGrain
    directory.seen = performance.now()
    this.#trim()
    return names
  }

  /** Runs changes of this process to names of directories, which `changed` enters. */
  async changing<A>(directories: ReadonlyArray<Directory>, body: () => Promise<A>): Promise<A> {
    for (const directory of directories) directory.changing++
    try {
      return await body()
    } finally {
      for (const directory of directories) directory.changing--
    }
  }

  /** Enters a change by this process to a directory, under its lock. */
  async changed(directory: Directory, removed: string | undefined, added: string | undefined): Promise<void> {
    directory.entered++
    directory.meanwhile?.push([removed, added])
    if (directory.names === undefined) return
    const before = directory.names.size
    enter(directory.names, removed, added)
    this.#names += directory.names.size - before
    directory.racy = false
    const stats = await Local.orMissing(this.stats(directory))
    directory.stamp = stats === undefined ? -1n : stats.mtimeNs
  }

  async #isThere(found: Directory): Promise<boolean> {
    try {
      return found.fd === undefined
        ? await Local.call<string>((done) => Fs.realpath.native(found.place, done)) === found.place
        : Fs.readlinkSync(`${Local.descriptors}/${found.fd}`) === found.place
    } catch {
      return false
    }
  }

  async #acquire(path: StorePath): Promise<Directory> {
    if (path.length === 0) return use(this.root)
    const alias = path.join("/")
    const known = this.#directories.get(this.#aliases.get(alias) ?? "")
    if (known !== undefined) {
      use(known)
      if (await this.#isThere(known)) {
        this.#directories.delete(known.place)
        this.#directories.set(known.place, known)
        return known
      }
      this.#release(known)
      this.#drop(known)
    }
    const parent = await this.#acquire(path.slice(0, -1))
    try {
      const found = await this.lookup(parent, path.at(-1)!)
      if (found === undefined) return Local.refuse("PathNotFound")
      if (found.stats.isSymbolicLink()) return await this.#acquire(await this.#target(parent, found.name))
      if (!found.stats.isDirectory()) return Local.refuse("PathNotFound")
      const opened = await this.#open(parent, found.name, found.stats)
      if (this.#aliases.size > 4 * this.#limits.directories) this.#aliases.clear()
      this.#aliases.set(alias, opened.place)
      return opened
    } finally {
      this.#release(parent)
    }
  }

  async #open(parent: Directory, name: string, stats: Fs.BigIntStats): Promise<Directory> {
    const place = Path.join(parent.place, name)
    const byPath = this.root.fd === undefined
    const fd = byPath
      ? undefined
      : await Local.openBy(parent.volume.calls, this.at(parent, name), Local.openFlags.directory)
    const actual = fd === undefined ? stats : await Local.fstatBy(parent.volume.calls, fd)
    const path = [...parent.path, name]
    const { volumes } = this
    let volume = parent.volume
    try {
      if (actual.dev === volume.device) {
        // Another process may keep security descriptors for these files: they are not served without them.
        if (await SidecarFolder.isServedByOthers(fd === undefined ? place : `${Local.descriptors}/${fd}`)) servedAlone()
        volumes.use(volume)
      } else volume = await volumes.enter(place, fd, actual, path)
    } catch (error) {
      if (fd !== undefined) await Local.close(fd)
      // Files are not served as if they had no records.
      throw error instanceof StoreError ? notServed(place, error) : error
    }
    const made = directory(place, path, keyOf(actual), fd, volume)
    if (!await this.#isThere(made)) {
      volumes.leave(volume)
      if (fd !== undefined) await Local.close(fd)
      return Local.refuse("PathNotFound")
    }
    // Another call may have opened it at the same time.
    const known = this.#directories.get(place)
    if (known !== undefined && known.key === made.key) {
      use(known)
      volumes.leave(volume)
      if (fd !== undefined) await Local.close(fd)
      return known
    }
    if (known !== undefined) this.#drop(known)
    this.#directories.set(place, made)
    return use(made)
  }

  #release(found: Directory): void {
    found.users--
    if (found.users > 0) return
    if (found.dropped) this.#close(found)
    // More directories than the limit were in use at the same time.
    else if (this.#directories.size > this.#limits.directories) this.#trim()
  }

  #drop(found: Directory): void {
    if (found.dropped) return
    found.dropped = true
    this.#directories.delete(found.place)
    if (found.users === 0) this.#close(found)
  }

  #close(found: Directory): void {
    this.#names -= found.names?.size ?? 0
    found.names = undefined
    this.volumes.leave(found.volume)
    if (found.fd !== undefined) Local.close(found.fd).catch(() => undefined)
  }

  #trim(): void {
    for (const found of this.#directories.values()) {
      if (this.#directories.size <= this.#limits.directories && this.#names <= this.#limits.names) return
      if (found.users === 0) this.#drop(found)
    }
  }
}

const servedAlone = (): never => {
  throw storeError("Busy", new Error("another process serves it: stop that one first"))
}

const notServed = (place: string, { cause, message }: StoreError): StoreError => {
  const why = cause instanceof Error ? cause.message : message
  return storeError("AccessDenied", new Error(`${place} is not served: ${why}`))
}

const enter = (names: Map<string, string>, removed: string | undefined, added: string | undefined): void => {
  if (removed !== undefined) names.delete(StoreNames.fold(removed))
  if (added !== undefined) names.set(StoreNames.fold(added), added)
}

const directory = (
  place: string,
  path: StorePath,
  key: string,
  fd: number | undefined,
  volume: Volume
): Directory => ({
  place,
  path,
  key,
  fd,
  volume,
  users: 0,
  dropped: false,
  names: undefined,
  stamp: -1n,
  racy: false,
  seen: 0,
  changing: 0,
  entered: 0,
  reading: undefined,
  next: undefined,
  meanwhile: undefined
})

const use = (found: Directory): Directory => {
  found.users++
  return found
}
