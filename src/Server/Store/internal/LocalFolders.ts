/**
 * The folders that this process serves. A folder has one tree, one set of open files and one sidecar, for any number of
 * stores and paths: a lock, a removal or a security descriptor of one store holds for all. A folder inside another one
 * would have two sidecars for its files, so the second of the two is refused.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { storeError } from "../../ShareStore.ts"
import { FilesBeingMade } from "./FilesBeingMade.ts"
import { KeyedLocks } from "./KeyedLocks.ts"
import * as Local from "./Local.ts"
import { LocalFiles } from "./LocalFiles.ts"
import { LocalTree } from "./LocalTree.ts"
import type { Limits } from "./LocalTree.ts"
import * as LocalWatch from "./LocalWatch.ts"
import { OpenFileDescriptors } from "./OpenFileDescriptors.ts"
import { sidecarName } from "./SidecarFolder.ts"
import * as SidecarLock from "./SidecarLock.ts"

/** The state that all stores over one folder share. */
export class LocalFolder {
  readonly tree: LocalTree
  readonly files: LocalFiles
  /** Locks of directories. */
  readonly locks = new KeyedLocks()
  readonly making = new FilesBeingMade()
  /** Knows which changes are the stores' own. */
  readonly own = new LocalWatch.OwnChanges()
  readonly key: string
  users = 1

  constructor(tree: LocalTree, files: LocalFiles, key: string) {
    this.tree = tree
    this.files = files
    this.key = key
  }
}

/** The limits of the first store over a folder. */
export interface FolderLimits extends Limits {
  readonly descriptors: number
}

const keyOf = ({ dev, ino }: Fs.BigIntStats) => `${dev}:${ino}`

/** By device and inode. */
const folders = new Map<string, LocalFolder>()

/** One `acquire` or `release` at a time. */
const turns = new KeyedLocks()

const busy = (why: string): never => {
  throw storeError("Busy", new Error(why))
}

/** Whether a folder lies in the folder with this key. */
const liesIn = async (place: string, key: string): Promise<boolean> => {
  for (let at = Path.dirname(place), below = place; at !== below; below = at, at = Path.dirname(at)) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const stats = await Local.orMissing(Local.lstat(at))
    if (stats !== undefined && keyOf(stats) === key) return true
  }
  return false
}

/** Refuses a folder that lies in a served folder, or contains one. */
const checkOverlap = async (place: string, key: string): Promise<void> => {
  for (const other of folders.values()) {
    const served = other.tree.root.place
    // oxlint-disable no-await-in-loop -- few
    if (await liesIn(place, other.key)) {
      busy(`it lies in ${served}, which is served too: serve ${served} alone, clients find this folder in it`)
    }
    if (await liesIn(served, key)) {
      busy(
        `it holds ${served}, which is served too: serve only one of the two, or folders that do not hold one another`
      )
    }
    // oxlint-enable no-await-in-loop
  }
  const above = await SidecarLock.servedAbove(place, sidecarName)
  if (above !== undefined) {
    busy(`it lies in ${above}, which another process serves: stop that one first, or serve the folder there`)
  }
}

/** Starts to serve a folder, or shares it if this process serves it already. */
export const acquire = (folder: string, limits: FolderLimits, readOnly: boolean): Promise<LocalFolder> =>
  turns.run("", async () => {
    const place = await Local.call<string>((done) => Fs.realpath.native(folder, done))
    const stats = await Local.lstat(place)
    if (!stats.isDirectory()) Local.refuse("NotDirectory")
    const key = keyOf(stats)
    const known = folders.get(key)
    if (known !== undefined) {
      known.users++
      return known
    }
    await checkOverlap(place, key)
    const tree = await LocalTree.make(place, sidecarName, limits, readOnly)
    const descriptors = new OpenFileDescriptors(limits.descriptors, tree.root.fd !== undefined)
    const made = new LocalFolder(tree, new LocalFiles(tree, descriptors), key)
    folders.set(key, made)
    return made
  })

/** Gives up one use; the last one closes the folder. */
export const release = (folder: LocalFolder): Promise<void> =>
  turns.run("", async () => {
    if (--folder.users > 0) return
    folders.delete(folder.key)
    await folder.tree.close()
  })
