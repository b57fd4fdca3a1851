/**
 * Leases of directories (MS-SMB2 3.3.5.9.11, MS-FSA 2.1.4.12): a client that has one keeps listings, and hears when one of
 * them is no longer true. Who changed it names the lease of its own listing as ParentLeaseKey, and is not told of what it
 * did itself.
 */
import type { StorePath } from "../../ShareStore.ts"
import * as Caching from "./Caching.ts"
import type { FileOpen } from "./Open.ts"
import { isWithin, type ShareState } from "./ShareState.ts"

/**
 * A directory's entry came, went, or looks different. Nobody waits for its being acknowledged. `by` is the open that did it;
 * undefined where it was none of this server's.
 */
export const changed = (share: ShareState, path: StorePath, by: FileOpen | undefined): void => {
  for (const holder of share.directoryHolders) {
    const directory = holder.stream.file.path
    if (directory.length !== path.length - 1 || by?.parentLeaseKey === holder.keyText) continue
    if (!isWithin(path, directory)) continue
    const [open] = holder.opens
    if (open !== undefined) Caching.breakTo(open.server, holder, 0)
  }
}
