/** The open files of a store in memory. */
import * as Effect from "effect/Effect"
import type { StoreFile } from "../../ShareStore.ts"
import { type Data, type Entry, type MemoryTree, nodeCost, refuse, step } from "./MemoryTree.ts"
import * as StoreNames from "./StoreNames.ts"

const largest = (1n << 63n) - 1n

/** What a client that has opened a file, or one of its named streams, can do with it. */
export const make = (tree: MemoryTree, entry: Entry, data: Data): StoreFile => {
  const { assign, changes, charge, describe, reapData, setBlob, written } = tree
  const { inode } = entry
  const { pages } = data
  /** A directory itself has no data; its named streams have. */
  const bytes = () => {
    if (inode.entries !== undefined && data === inode.data) refuse("IsDirectory")
    return pages
  }
  return {
    id: inode.id,
    stat: step(() => describe(entry, data)),
    // A read is an access too (MS-FSA 2.1.4.4), also in a read-only store, as on a disk.
    read: (offset, length) =>
      step((now) => {
        const data = bytes().read(offset, length)
        if (data.length > 0) inode.lastAccessTime = now
        return data
      }),
    readInto: (offset, target) =>
      step((now) => {
        const count = bytes().readInto(offset, target)
        if (count > 0) inode.lastAccessTime = now
        return count
      }),
    write: (offset, source) =>
      step((now) => {
        changes()
        if (offset + BigInt(source.length) > largest) refuse("Full")
        charge(bytes().cost(offset, source.length))
        pages.write(offset, source)
        if (source.length > 0) written(inode, now)
      }),
    truncate: (size) =>
      step((now) => {
        changes()
        if (size > largest) refuse("Full")
        const before = bytes().allocated
        pages.truncate(size)
        charge(pages.allocated - before)
        written(inode, now)
      }),
    flush: Effect.void,
    set: (values) =>
      step((now) => {
        changes()
        inode.changeTime = now
        assign(inode, values)
      }),
    getBlob: (blob) =>
      step(() => {
        const found = inode.blobs.get(blob)
        return found === undefined ? undefined : found.slice()
      }),
    setBlob: (blob, value) =>
      step((now) => {
        changes()
        setBlob(inode, blob, value)
        inode.changeTime = now
      }),
    streams: step(() =>
      Array.from(inode.streams.values(), (stream) => ({
        name: stream.name,
        size: stream.pages.size,
        allocationSize: BigInt(stream.pages.allocated)
      }))
    ),
    zero: (range) =>
      step((now) => {
        changes()
        const before = bytes().allocated
        pages.zero(range)
        charge(pages.allocated - before)
        written(inode, now)
      }),
    allocated: (range) => step(() => bytes().ranges(range)),
    ...data === inode.data ? {} : {
      renameStream: (name, { replace }) =>
        step((now) => {
          changes()
          if (!StoreNames.isComponent(name)) refuse("InvalidName")
          if (!data.named) refuse("Stale")
          const key = StoreNames.fold(name)
          const replaced = inode.streams.get(key)
          if (replaced !== undefined && replaced !== data) {
            if (!replace) refuse("Exists")
            charge(-nodeCost)
            replaced.named = false
            reapData(replaced)
          }
          inode.streams.delete(StoreNames.fold(data.name))
          data.name = name
          inode.streams.set(key, data)
          inode.changeTime = now
        })
    }
  }
}
