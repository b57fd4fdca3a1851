/**
 * Leases of directories (MS-SMB2 3.3.5.9.11, MS-FSA 2.1.4.12): a client that has one keeps listings, and hears when one of
 * them is no longer true. Who changed it names the lease of its own listing as ParentLeaseKey, and is not told of what it
 * did itself.
 */
import type { StorePath } from "../../ShareStore.ts"
import * as Caching from "./Caching.ts"
import type { FileTable } from "./FileTable.ts"
import type { FileOpen } from "./Open.ts"

/**
 * A directory's entry came, went, or looks different. Nobody waits for its being acknowledged. `by` is the open that did it;
 * undefined where it was none of this server's.
 */
export const changed = (table: FileTable, path: StorePath, by: FileOpen | undefined): void => {
  if (path.length === 0) return
  for (const { file } of table.at(path.slice(0, -1))) {
    if (!file.directory) continue
    for (const holder of Array.from(file.streams.get("")?.holders ?? [])) {
      const [open] = holder.opens
      if (open !== undefined && by?.parentLeaseKey !== holder.keyText) Caching.breakTo(open.server, holder, 0)
    }
  }
}
