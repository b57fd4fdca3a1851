/**
 * Directory leases (MS-SMB2 3.3.5.9.11, MS-FSA 2.1.4.12): a client with such a lease caches listings, and is told when
 * one of them changes. A client that makes a change names the lease of its own listing as ParentLeaseKey, and is not
 * told of its own change.
 */
import * as Effect from "effect/Effect"
import type { StorePath } from "../../ShareStore.ts"
import type { FileOpen, FileTable } from "./Model.ts"
import * as OplocksAndLeases from "./OplocksAndLeases.ts"

/**
 * Breaks the leases of a directory after an entry came, went, or changed. No request waits for the acknowledgment. `by`
 * is the open that made the change; undefined if it was no open of this server.
 *
 * The notification follows the response to the request that made the change, as from Windows: both are made in one turn
 * of the event loop, and the break waits for the next one.
 */
export const changed = (table: FileTable, path: StorePath, by: FileOpen | undefined): void => {
  if (path.length === 0) return
  for (const { file } of table.at(path.slice(0, -1))) {
    if (!file.directory) continue
    for (const lease of Array.from(file.streams.get("")?.leases ?? [])) {
      const [open] = lease.opens
      if (open === undefined || by?.parentLeaseKey === lease.keyText) continue
      const { server } = open
      server.run(Effect.andThen(Effect.yieldNow, Effect.sync(() => OplocksAndLeases.breakTo(server, lease, 0))))
    }
  }
}
