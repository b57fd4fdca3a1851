/**
 * The targets of an entry, in the order in which they are tried. For the modules of `DfsResolution` alone.
 */
import * as DfsPath from "../DfsPath.ts"
import * as ReferralCache from "../ReferralCache.ts"
import * as TargetHealth from "../TargetHealth.ts"
import type { EntryInUse, State, Work } from "./Transitions.ts"

/** An entry's targets in the order in which to try them: targets that have failed lately come last. */
export const entryInUse = (entry: ReferralCache.CachedReferral, work: Work): EntryInUse => {
  const order = ReferralCache.targetOrder(entry)
  const inUse = { entry, order, position: 0, asked: false, connected: false }
  const open = order.filter((i) => TargetHealth.isOpen(work.health, entry.targets[i]!.path, work.now))
  if (open.length === 0 || open.length === order.length) return inUse
  work.notes.push({ _tag: "Deferred", step: 8, targets: open.map((i) => DfsPath.toString(entry.targets[i]!.path)) })
  return { ...inUse, order: [...order.filter((i) => !open.includes(i)), ...open] }
}

export const targetOf = (inUse: EntryInUse, position = inUse.position): ReferralCache.ReferralTarget =>
  inUse.entry.targets[inUse.order[position]!]!

/** Step 3: the path with the entry's prefix replaced by its target. */
export const replaced = <E>(state: State<E>, inUse: EntryInUse, position = inUse.position): DfsPath.DfsPath => [
  ...targetOf(inUse, position).path,
  ...state.path.slice(inUse.entry.prefix.length)
]
