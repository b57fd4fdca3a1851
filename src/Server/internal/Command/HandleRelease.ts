/**
 * Opens that are in the way of a rename or of a new link (MS-FSA 2.1.4.12, 2.1.5.15.6, 2.1.5.15.11). Some of them are
 * only cached: the program has closed its file, and the client keeps the handle by a lease or a batch oplock. The
 * server asks for these before it refuses.
 */
import * as Effect from "effect/Effect"
import type { Incoming } from "../State/Incoming.ts"
import type { FileOpen } from "../State/Model.ts"
import * as OplocksAndLeases from "../State/OplocksAndLeases.ts"
import type { Refusal } from "../Wire/Reply.ts"

/** How often clients can put new opens in the way before the request is refused. */
const mostTurns = 20

const mayBeCached = ({ lease }: FileOpen): boolean =>
  lease !== undefined && (lease.state & OplocksAndLeases.HANDLE) !== 0

/**
 * Whether no open is in the way, after clients have closed the opens that they only cached. `inTheWay` finds the
 * opens; it is called again after each wait. Clients are asked one after the other, as from Windows. No client is asked
 * if an open is in the way that no client can have closed.
 */
export const released = (
  incoming: Incoming,
  inTheWay: () => ReadonlyArray<FileOpen>
): Effect.Effect<boolean, Refusal> =>
  Effect.gen(function*() {
    for (let turn = 0; turn < mostTurns; turn++) {
      const opens = inTheWay().filter(({ closed }) => !closed)
      const [first] = opens
      if (first === undefined) return true
      if (!opens.every(mayBeCached)) return false
      const lease = first.lease!
      OplocksAndLeases.breakTo(incoming.server, lease, lease.state & ~OplocksAndLeases.HANDLE)
      yield* OplocksAndLeases.waitFor(incoming, [lease])
    }
    return false
  })
