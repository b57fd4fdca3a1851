/**
 * Changes of names in a local folder: removals, renames and links, each in one step under the locks of its directories.
 */
import * as Fs from "node:fs"
import type { ShareStore, StoreNaming, StorePath } from "../../ShareStore.ts"
import * as Local from "./Local.ts"
import type { LocalFolder } from "./LocalFolders.ts"
import type { Directory, Found } from "./LocalTree.ts"
import * as VerifiedNameChange from "./VerifiedNameChange.ts"

/** An existing name, with its case. */
interface Entry {
  readonly name: string
  readonly stats: Fs.BigIntStats
}

/** `requireWritable` throws if the folder is read-only. */
export const make = (
  { files, locks, own, tree }: LocalFolder,
  requireWritable: () => void
): Required<Pick<ShareStore, "remove" | "mayRemove" | "rename" | "link">> => {
  const found = async (path: StorePath): Promise<Found> => await tree.find(path) ?? Local.refuse("NotFound")

  /**
   * The existing name of the expected file: a symbolic link stands for its target, or for itself if it was opened
   * itself.
   */
  const named = async (parent: Directory, name: string, expected: string | undefined) => {
    const there = await tree.lookup(parent, name) ?? Local.refuse("NotFound")
    if (expected === undefined) return there
    const isItself = there.stats.isSymbolicLink() &&
      files.identityOf({ stats: there.stats, volume: parent.volume }) === expected
    if (!isItself) files.expect(await leadsTo(parent, there), expected)
    return there
  }

  /** The target of a name. A target outside the folder, or a missing one, cannot be an open file: `Stale`. */
  const leadsTo = async (parent: Directory, there: Entry) => {
    try {
      return await tree.resolve(parent, there)
    } catch (error) {
      return Local.toStoreError(error).reason._tag === "AccessDenied" ? Local.refuse("Stale") : Promise.reject(error)
    }
  }

  const isSame = (one: Fs.BigIntStats, other: Fs.BigIntStats) => one.dev === other.dev && one.ino === other.ino

  /** Whether it is still the seen file. A file that an overlay copied since, for a change, is the same. */
  const stays = ({ volume }: Directory, seen: Fs.BigIntStats) => {
    const identity = files.identityOf({ stats: seen, volume })
    return (stats: Fs.BigIntStats) =>
      files.identityOf({ stats, volume }) === identity || (volume.copiesUp && isSame(stats, seen))
  }

  /** The look at a name that was found: it must still stand for the same file. */
  const same = (parent: Directory, { name, stats }: Entry, mayBeFree = false): VerifiedNameChange.Look => ({
    place: tree.at(parent, name),
    is: stays(parent, stats),
    mayBeFree,
    otherwise: "Stale"
  })

  /** The look at a name that was free. If the file system ignores case, the name can find `itself` in another case. */
  const free = (parent: Directory, name: string, how: StoreNaming, itself?: Entry): VerifiedNameChange.Look => ({
    place: tree.at(parent, name),
    is: itself === undefined ? () => false : stays(parent, itself.stats),
    mayBeFree: true,
    otherwise: how.replace ? "Stale" : "Exists"
  })

  const remove: ShareStore["remove"] = (path, what) =>
    Local.run(async () => {
      tree.checked(path)
      if (what?.stream !== undefined) {
        const there = await found(path)
        files.expect(there, what.expected)
        requireWritable()
        return files.removeStream(there, what.stream)
      }
      if (path.length === 0) Local.refuse("AccessDenied")
      await tree.within(path.slice(0, -1), (parent) =>
        locks.run(parent.key, async () => {
          const there = await named(parent, path.at(-1)!, what?.expected)
          requireWritable()
          const look = same(parent, there)
          const unlink = () =>
            VerifiedNameChange.run(parent.volume.prompt, [look], [
              [there.stats.isDirectory() ? "rmdir" : "unlink", look.place]
            ])
          const change = () =>
            tree.changing([parent], async () => {
              await own.during([], unlink, [[...parent.path, there.name]])
              await tree.changed(parent, there.name, undefined)
            })
          await files.losing(parent.volume, there.stats, look.place, change)
        }))
    })

  const mayRemove: NonNullable<ShareStore["mayRemove"]> = (path, what) =>
    Local.run(async () => {
      tree.checked(path)
      if (path.length === 0) Local.refuse("AccessDenied")
      await tree.within(path.slice(0, -1), async (parent) => {
        const there = await named(parent, path.at(-1)!, what?.expected)
        requireWritable()
        const { W_OK, X_OK } = Fs.constants
        await Local.call<void>((done) => Fs.access(tree.at(parent, "."), W_OK | X_OK, (error) => done(error)))
        if (!there.stats.isDirectory()) return
        // Entries that no listing shows also prevent the removal of a directory.
        const directory = await Fs.promises.opendir(tree.at(parent, there.name))
        try {
          if (await directory.read() !== null) Local.refuse("NotEmpty")
        } finally {
          await directory.close()
        }
      })
    })

  /** Whether a file of this kind may take a name. */
  const mayReplace = async (
    parent: Directory,
    there: Entry,
    isDirectory: boolean,
    how: StoreNaming
  ) => {
    if (!how.replace) Local.refuse("Exists")
    if (there.stats.isDirectory()) Local.refuse("IsDirectory")
    if (isDirectory) Local.refuse("NotDirectory")
    if (how.replaced !== undefined) files.expect(await leadsTo(parent, there), how.replaced)
  }

  /** Within two locked directories. */
  const renameLocked = async (from: Directory, oldName: string, to: Directory, newName: string, how: StoreNaming) => {
    const entry = await named(from, oldName, how.expected)
    const path = [...from.path, entry.name]
    if (entry.stats.isDirectory() && path.every((name, i) => to.path[i] === name)) Local.refuse("AccessDenied")
    const there = await tree.lookup(to, newName)
    const isItself = there !== undefined && from.key === to.key && there.name === entry.name
    const target = [...to.path, newName]
    const gone = [path, ...(there === undefined ? [] : [[...to.path, there.name]])]
      .filter((one) => one.join("/") !== target.join("/"))
    const old = same(from, entry)
    const asked = tree.at(to, newName)
    const looks: Array<VerifiedNameChange.Look> = [old]
    const calls: Array<VerifiedNameChange.Call> = []
    if (there === undefined || isItself) {
      if (!isItself || entry.name !== newName) {
        looks.push(free(to, newName, how, there))
        calls.push(["rename", old.place, asked])
      }
    } else {
      await mayReplace(to, there, entry.stats.isDirectory(), how)
      const isSameFile = isSame(there.stats, entry.stats)
      const replaced = same(to, there, !isSameFile)
      looks.push(replaced)
      // First onto the existing name, which is one step, and then to the case of the new name.
      calls.push(isSameFile ? ["unlink", old.place] : ["rename", old.place, replaced.place])
      if (there.name !== newName) {
        looks.push(free(to, newName, how, there))
        calls.push(["rename", replaced.place, asked])
      }
    }
    const move = () => VerifiedNameChange.run(from.volume.prompt && to.volume.prompt, looks, calls)
    const change = () =>
      tree.changing([from, to], async () => {
        await own.during([target], () => files.naming(from.volume, entry.stats, move), gone)
        files.moved(path, target)
        await tree.changed(from, entry.name, from.key === to.key ? newName : undefined)
        if (from.key !== to.key) await tree.changed(to, undefined, newName)
      })
    if (there === undefined || isItself) await change()
    else await files.losing(to.volume, there.stats, tree.at(to, there.name), change)
  }

  const rename: ShareStore["rename"] = (from, to, how) =>
    Local.run(async () => {
      tree.checked(from)
      tree.checked(to)
      if (from.length === 0) Local.refuse("AccessDenied")
      await tree.within(from.slice(0, -1), async (source) => {
        if (await tree.lookup(source, from.at(-1)!) === undefined) Local.refuse("NotFound")
        requireWritable()
        if (to.length === 0) Local.refuse("AccessDenied")
        await tree.within(to.slice(0, -1), (target) =>
          locks.both(source.key, target.key, () =>
            renameLocked(source, from.at(-1)!, target, to.at(-1)!, how)))
      })
    })

  const link: NonNullable<ShareStore["link"]> = (existing, path, how) =>
    Local.run(async () => {
      tree.checked(path)
      const { path: source } = await found(tree.checked(existing))
      requireWritable()
      if (path.length === 0) Local.refuse("Exists")
      if (source.length === 0) Local.refuse("IsDirectory")
      await tree.within(source.slice(0, -1), (from) =>
        tree.within(path.slice(0, -1), (to) =>
          locks.both(from.key, to.key, () =>
            linkLocked(from, source.at(-1)!, to, path.at(-1)!, how))))
    })

  /** Gives a file one more name in the hidden folder of a directory's file system, and returns its path. */
  const linkAside = async ({ volume }: Directory, place: string): Promise<string> =>
    volume.lasts ? (await volume.folder()).sidecar.link(place) : Local.refuse("Unsupported")

  /** Within two locked directories. */
  const linkLocked = async (from: Directory, oldName: string, to: Directory, newName: string, how: StoreNaming) => {
    const source = await named(from, oldName, how.expected)
    if (source.stats.isDirectory()) Local.refuse("IsDirectory")
    const there = await tree.lookup(to, newName)
    if (there !== undefined && isSame(there.stats, source.stats) && how.replace) return
    if (there !== undefined) await mayReplace(to, there, false, how)
    const { prompt } = to.volume
    const old = same(from, source)
    const replaced = there && same(to, there, true)
    const make = async () => {
      if (there === undefined || replaced === undefined) {
        return VerifiedNameChange.run(prompt, [old], [["link", old.place, tree.at(to, newName)]])
      }
      // The new name replaces the old file in one step: if the link fails, that file stays.
      const made = await linkAside(to, old.place)
      try {
        // No other program changes files there: either the link is the expected file, or it is removed again.
        const looks = [{ ...old, place: made }, replaced]
        const calls: Array<VerifiedNameChange.Call> = [["rename", made, replaced.place]]
        if (there.name !== newName) {
          looks.push(free(to, newName, how, there))
          calls.push(["rename", replaced.place, tree.at(to, newName)])
        }
        await VerifiedNameChange.run(prompt, looks, calls)
      } catch (error) {
        await Fs.promises.rm(made, { force: true })
        throw error
      }
    }
    const change = () =>
      tree.changing([to], async () => {
        await own.during(
          [[...from.path, source.name], [...to.path, newName]],
          () => files.naming(from.volume, source.stats, make)
        )
        await tree.changed(to, there?.name, newName)
      })
    if (there === undefined) await change()
    else await files.losing(to.volume, there.stats, tree.at(to, there.name), change)
  }

  return { remove, mayRemove, rename, link }
}
