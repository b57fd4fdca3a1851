/** Folders that a LocalStore takes for those of another kind of file system. */
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"

/** Linux's numbers of file systems (`statfs(2)`): one whose calls are short, one that may be slow, and overlayfs. */
const types = { prompt: 0xef53n, other: 0x65735546n, overlay: 0x794c7630n }

export type Kind = keyof typeof types

/** A store over a folder that takes the folder's file system for another kind. */
export const makeOn = (path: string, kind: Kind, options: LocalStore.LocalStoreOptions = {}) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const { statfs } = Fs.promises
      Fs.promises.statfs = (async (at: string) =>
        Object.assign(await statfs(at, { bigint: true }), { type: types[kind] })) as unknown as typeof statfs
      return statfs
    }),
    () => LocalStore.make(path, options),
    (statfs) =>
      Effect.sync(() => {
        Fs.promises.statfs = statfs
      })
  )
