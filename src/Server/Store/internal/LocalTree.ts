/**
 * Names below a local folder: finds them without regard to case, and never leaves the folder.
 *
 * **Confinement.** Node has no `openat`. On Linux `/proc/self/fd/N/name` is the same: the kernel starts at the directory
 * that descriptor N stands for, wherever anybody moves names meanwhile. So every directory on the way is opened by its
 * descriptor with O_NOFOLLOW from the one above, and every operation is made on one last component below such a descriptor,
 * which no call follows if it is a symbolic link. Before each use the descriptor's own place is read back (`readlink` of
 * `/proc/self/fd/N`, which asks no disk) and must be where it was found: a directory that others moved or removed is looked
 * up anew. What is left is that a directory may be moved between that check and the operation; the operation then happens in
 * the same directory at its new place.
 *
 * Elsewhere paths are used: the directory's real path is read before each operation and must be as expected. Who may
 * change directories below the root locally could put a symbolic link there in between; SMB clients cannot, because no
 * operation of the store makes symbolic links.
 *
 * Symbolic links that others made are followed if they lead to a place in the folder, and refused otherwise.
 *
 * **Case.** A name as given is tried first. If it is not there, the directory's names are read and kept, folded, for as long
 * as its time of modification stays; what this process changes is entered there. Under a directory's lock they are exact.
 * Others who look while this process changes the directory may miss for a second what another program has just made there,
 * if they spell it in another case.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { StoreError } from "../../ShareStore.ts"
import type { StorePath } from "../../ShareStore.ts"
import * as Local from "./Local.ts"
import { Volumes } from "./LocalVolume.ts"
import type { Volume } from "./LocalVolume.ts"
import * as Names from "./Names.ts"
import * as SidecarFolder from "./SidecarFolder.ts"

/** A directory that is being used. */
export interface Directory {
  /** Its real path. */
  readonly place: string
  /** Its components below the root, with the case that they have. */
  readonly path: StorePath
  /** Names the directory, whatever it is called: for locks. */
  readonly key: string
  /** Where descriptors work: the directory's own. */
  readonly fd: number | undefined
  /** The file system that it is on. */
  readonly volume: Volume
  users: number
  dropped: boolean
  names: Map<string, string> | undefined
  /** `mtimeNs` for which `names` are true. */
  stamp: bigint
  /** Read so soon after a change that another could hide behind the same time. */
  racy: boolean
  /** When `names` were last known to be true: milliseconds of `performance.now()`. */
  seen: number
  /** Changes of this process that are being made, and how many have been entered. */
  changing: number
  entered: number
  /** The names are being read. Whoever comes meanwhile waits for the next reading, with all others. */
  reading: Promise<unknown> | undefined
  next: Promise<Map<string, string>> | undefined
  /** What is entered while the names are being read: removed, added. */
  meanwhile: Array<readonly [string | undefined, string | undefined]> | undefined
}

/** A name that is there. */
export interface Found {
  readonly name: string
  /** Where it leads: itself, or what its symbolic link points to. */
  readonly path: StorePath
  readonly stats: Fs.BigIntStats
  /** The file system that it is on: that of its directory, but for a directory that begins one. */
  readonly volume: Volume
}

/** How much is kept open and in memory, and whether descriptors are not to be used for paths. */
export interface Limits {
  readonly directories: number
  readonly names: number
  readonly byPath: boolean
}

const keyOf = (stats: Fs.BigIntStats) => `${stats.dev}:${stats.ino}`

/** A change this long ago cannot have the same time as one to come: the coarsest clocks of file systems in use, ms. */
const clockGrain = 20

/** For so long names that were true are believed while this process changes them: milliseconds. */
const moment = 1000

/** What Windows cannot keep, or takes for something else. */
// oxlint-disable-next-line no-control-regex -- they are what Windows refuses
const windowsCannot = /[<>:"|?*\u0001-\u001f]|[. ]$|^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i

/** Whether the platform keeps this name as it is. */
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
  /** Paths as asked for, to real paths. */
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
    this.#reserved = Names.fold(reserved)
    this.#limits = limits
  }

  /** `reserved` is a name that nobody sees; `readOnly`: nothing is to be made there. */
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

  /** Where the platform finds `name` of a directory in use. */
  at(directory: Directory, name: string): string {
    return directory.fd === undefined
      ? Path.join(directory.place, name)
      : `${Local.descriptors}/${directory.fd}/${name}`
  }

  /** The components, if each can be a name here. */
  checked(path: StorePath): StorePath {
    Names.confined(path)
    for (const name of path) {
      // The reserved name in every directory: another share may be served from there.
      if (!canName(name) || Names.fold(name) === this.#reserved) Local.refuse("InvalidName")
    }
    return path
  }

  /** Uses a directory. Refuses with `PathNotFound` what is none. */
  async within<A>(path: StorePath, body: (directory: Directory) => Promise<A>): Promise<A> {
    const found = await this.#acquire(path)
    try {
      return await body(found)
    } finally {
      this.#release(found)
    }
  }

  /** A name in a directory, as it is: a symbolic link is itself. */
  async lookup(directory: Directory, name: string): Promise<{ name: string; stats: Fs.BigIntStats } | undefined> {
    let stats = await Local.orMissing(Local.lstat(this.at(directory, name)))
    if (stats !== undefined && directory.names?.get(Names.fold(name)) === name) return { name, stats }
    // A file system that does not regard case itself has found a file, but not its name.
    if (stats !== undefined && process.platform === "linux") return { name, stats }
    const actual = (await this.names(directory)).get(Names.fold(name))
    if (actual === undefined) return stats === undefined ? undefined : { name, stats }
    stats = await Local.orMissing(Local.lstat(this.at(directory, actual)))
    return stats === undefined ? undefined : { name: actual, stats }
  }

  /** What a path names, through symbolic links; with `linkItself`, a link that cannot be followed names itself. */
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
        Local.toStoreError(error).reason === "AccessDenied"
          ? { ...found, path: [...parent.path, found.name], volume: parent.volume }
          : Promise.reject(error)
      )
    })
  }

  /** A directory whose descriptor is kept, if it is still there, by the name that it has: it tells of itself. */
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

  /** Follows a symbolic link to a place in the folder. Refuses what is neither file nor directory. */
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

  /** Where a symbolic link leads, as components below the root. */
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

  /** The directory's names by their folded ones, as they are now. */
  async names(directory: Directory): Promise<Map<string, string>> {
    return await this.#known(directory) ?? (directory.next ??= this.#readNext(directory))
  }

  /** Of a directory in use, whatever it is called by now. */
  async stats(directory: Directory): Promise<Fs.BigIntStats> {
    return directory.fd !== undefined && directory.volume.prompt
      ? Local.fstatNow(directory.fd)
      : Local.lstat(this.at(directory, "."))
  }

  /** The names that are kept, if they are true. */
  async #known(directory: Directory): Promise<Map<string, string> | undefined> {
    const { entered } = directory
    const { mtimeNs } = await this.stats(directory)
    if (directory.names === undefined) return undefined
    if (directory.stamp === mtimeNs && !directory.racy) directory.seen = performance.now()
    else {
      // A time that this process is changing says nothing of others. Reading again for each of its changes would make a
      // large directory slow to fill.
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
    const names = new Map(list.map((name) => [Names.fold(name), name]))
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

  /** Enters what this process did to a directory, under its lock. */
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
      this.#trim()
      return opened
    } finally {
      this.#release(parent)
    }
  }

  async #open(parent: Directory, name: string, stats: Fs.BigIntStats): Promise<Directory> {
    const place = Path.join(parent.place, name)
    const byPath = this.root.fd === undefined
    const fd = byPath ? undefined : await Local.open(this.at(parent, name), Local.openFlags.directory)
    const actual = fd === undefined ? stats : await Local.fstat(fd)
    const path = [...parent.path, name]
    const { volumes } = this
    let volume = parent.volume
    try {
      if (actual.dev === volume.device) {
        // Files that have another process's descriptors are not to be had without them.
        if (await SidecarFolder.isServedByOthers(fd === undefined ? place : `${Local.descriptors}/${fd}`)) servedAlone()
        volumes.use(volume)
      } else volume = await volumes.enter(place, fd, actual, path)
    } catch (error) {
      if (fd !== undefined) await Local.close(fd)
      // Nothing is served from there as if nothing had been kept of it.
      throw error instanceof StoreError ? notServed(place, error) : error
    }
    const made = directory(place, path, keyOf(actual), fd, volume)
    if (!await this.#isThere(made)) {
      volumes.leave(volume)
      if (fd !== undefined) await Local.close(fd)
      return Local.refuse("PathNotFound")
    }
    // Another call may have opened it meanwhile.
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
    if (found.dropped && found.users === 0) this.#close(found)
  }

  #drop(found: Directory): void {
    if (found.dropped) return
    found.dropped = true
    if (this.#directories.get(found.place) === found) this.#directories.delete(found.place)
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
  throw new StoreError({ reason: "Busy", cause: new Error("another process serves it: stop that one first") })
}

const notServed = (place: string, { cause, message }: StoreError): StoreError => {
  const why = cause instanceof Error ? cause.message : message
  return new StoreError({ reason: "AccessDenied", cause: new Error(`${place} is not served: ${why}`) })
}

const enter = (names: Map<string, string>, removed: string | undefined, added: string | undefined): void => {
  if (removed !== undefined) names.delete(Names.fold(removed))
  if (added !== undefined) names.set(Names.fold(added), added)
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
