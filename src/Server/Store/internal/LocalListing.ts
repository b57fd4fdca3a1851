/** Listings of the directories of a local folder, in pieces. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import type { ShareStore, StoreNode } from "../../ShareStore.ts"
import * as Local from "./Local.ts"
import type { LocalFolder } from "./LocalFolders.ts"
import type { Directory } from "./LocalTree.ts"

/** Entries of a listing that are described at one time. */
const listPiece = 64

/** Names that are given at one time. */
const namesPiece = 4096

/** Lists directories. */
export const make = ({ files, tree }: LocalFolder): Required<Pick<ShareStore, "list" | "names">> => {
  /** An entry as a listing shows it; `undefined` if it cannot be opened. */
  const entry = async (parent: Directory, name: string): Promise<StoreNode | undefined> => {
    try {
      tree.checked([...parent.path, name])
      const stats = await Local.orMissing(Local.lstat(tree.at(parent, name)))
      if (stats === undefined) return undefined
      const there = await tree.resolve(parent, { name, stats })
      return await files.describe(there)
    } catch (error) {
      const { reason } = Local.toStoreError(error)
      if (["NotFound", "PathNotFound", "AccessDenied", "InvalidName"].includes(reason._tag)) return undefined
      throw error
    }
  }

  const list: ShareStore["list"] = (path, options) =>
    Stream.unwrap(Effect.map(
      Effect.acquireRelease(
        Local.run(async () => {
          const there = await tree.find(tree.checked(path)) ?? Local.refuse("NotFound")
          files.expect(there, options?.expected)
          if (!there.stats.isDirectory()) Local.refuse("NotDirectory")
          const file = files.acquire(there)
          try {
            const names = await files.inside(
              file,
              (directory) => Local.call<Array<string>>((done) => Fs.readdir(tree.at(directory, "."), done))
            )
            return { file, names }
          } catch (error) {
            await files.release(file)
            throw error
          }
        }),
        ({ file }) => Effect.promise(() => files.release(file).catch(() => undefined))
      ),
      ({ file, names }) =>
        Stream.paginate(0, (from) =>
          Local.run(() =>
            files.inside(file, async (directory) => {
              const some = names.slice(from, from + listPiece)
              const nodes = await Promise.all(some.map((name) => entry(directory, name)))
              const next = from + listPiece
              return [
                nodes.filter((node) => node !== undefined),
                next < names.length ? Option.some(next) : Option.none()
              ] as const
            })
          ))
    ))

  const names: NonNullable<ShareStore["names"]> = (path) =>
    Stream.unwrap(Effect.map(
      Local.run(() =>
        tree.within(
          tree.checked(path),
          (directory) => Local.call<Array<string>>((done) => Fs.readdir(tree.at(directory, "."), done))
        )
      ),
      (all) => Stream.rechunk(Stream.fromIterable(all.filter((name) => tree.isName(name))), namesPiece)
    ))

  return { list, names }
}
