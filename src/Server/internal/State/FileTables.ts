/**
 * The tables of open files of a server: one for all shares whose stores have the same files. So share modes, byte-range
 * locks, oplocks, leases, pending deletions and notifications of one share count for the others (MS-FSA 2.1.1).
 */
import type { ShareStore } from "../../ShareStore.ts"
import * as FileSystemTree from "../../Store/internal/FileSystemTree.ts"
import { FileTable } from "./FileTable.ts"

/** @category models */
export class FileTables {
  /** By the origin of the stores, with the name of the first share. */
  readonly #known = new Map<object, { readonly share: string; readonly table: FileTable }>()

  /**
   * The table for a share with this store. Throws `RangeError` if the folder of the store lies in that of another share
   * or contains it: a file would have two paths, and the opens by one would not count for the other.
   */
  of(share: string, store: ShareStore): FileTable {
    const origin = store.origin ?? store
    const known = this.#known.get(origin)
    if (known !== undefined) return known.table
    for (const [other, { share: otherShare }] of this.#known) {
      const folders = FileSystemTree.nested(origin, other)
      if (folders === undefined) continue
      throw new RangeError(
        `the shares ${otherShare} and ${share}: ${folders.inner} lies in ${folders.outer}, and the opens and locks of ` +
          `one share would not count for the other. Serve ${folders.outer} alone: clients find the other folder in it`
      )
    }
    const table = new FileTable()
    this.#known.set(origin, { share, table })
    return table
  }
}
