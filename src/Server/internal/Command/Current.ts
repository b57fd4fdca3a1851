/**
 * Which of the names that are open still stand for their files. Another program may have removed or replaced a file that a
 * client has open: its handle goes on, and says nothing of what has the name now.
 */
import * as Effect from "effect/Effect"
import type { StorePath } from "../../ShareStore.ts"
import type { Link } from "../State/FileTable.ts"
import type { ShareState } from "../State/ShareState.ts"

/** Those of the links at one path that stand for what is there. */
const currentAt = (
  { store }: ShareState,
  path: StorePath,
  links: ReadonlyArray<Link>
): Effect.Effect<ReadonlyArray<Link>> =>
  links.length === 0
    ? Effect.succeed(links)
    : Effect.match(store.stat(path), {
      onSuccess: ({ identity }) => links.filter(({ file }) => file.identity === identity),
      onFailure: () => []
    })

/** What is open by a path, and is what the path leads to now; of those that `concern` only. */
export const at = (
  share: ShareState,
  path: StorePath,
  concern: (link: Link) => boolean
): Effect.Effect<ReadonlyArray<Link>> => currentAt(share, path, share.table.at(path).filter(concern))

/** Whether a name is to be removed. */
export const isPending = (share: ShareState, path: StorePath): Effect.Effect<boolean> =>
  Effect.map(at(share, path, ({ deletePending }) => deletePending), (links) => links.length > 0)

/** Whether anything below a directory is open that is there still. */
export const isOpenBelow = Effect.fnUntraced(function*(share: ShareState, directory: StorePath) {
  for (const link of Array.from(share.table.below(directory))) {
    const current = yield* currentAt(share, link.path, [link])
    if (current.length > 0) return true
  }
  return false
})
