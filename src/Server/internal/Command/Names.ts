/**
 * The file that a request names, in the spelling that the store's listings show: the tables of open files know each file
 * by one name.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { Share } from "../State/Model.ts"
import { type Refusal, refuse } from "../Wire/Reply.ts"
import * as DfsNames from "./DfsNames.ts"
import * as Pathname from "./Pathname.ts"
import * as ShortNames from "./ShortNames.ts"

const covered = (incoming: Incoming, name: Pathname.Name): Pathname.Name | number =>
  DfsNames.leadsAway(incoming, name.path) ? NtStatus.STATUS_PATH_NOT_COVERED : name

/**
 * Reads a name as a client sent it, or gives the status that says what is wrong with it. `change` changes the part
 * below the share before it is read.
 */
export const read = (
  incoming: Incoming,
  sent: string,
  change: (below: string) => string = (below) => below
): Pathname.Name | number => {
  const below = DfsNames.nameOf(incoming, sent)
  if (typeof below === "number") return below
  const name = Pathname.parse(change(below))
  if (typeof name === "number") return name
  const { canonicalName } = incoming.tree!.share!.store
  return covered(incoming, canonicalName === undefined ? name : { ...name, path: name.path.map(canonicalName) })
}

/** Finds the long names for the short names in a name. */
export const resolve = (
  incoming: Incoming,
  share: Share,
  name: Pathname.Name
): Effect.Effect<Pathname.Name, Refusal> =>
  Effect.flatMap(ShortNames.resolve(share, name.path), (path) => {
    if (path === name.path) return Effect.succeed(name)
    const found = covered(incoming, { ...name, path })
    return typeof found === "number" ? refuse(found) : Effect.succeed(found)
  })
