/**
 * Tells which of the open names still stand for their files. Another program may have removed or replaced a file that a
 * client has open: its handle still works, and says nothing about the file that has the name now.
 */
import * as Effect from "effect/Effect"
import type { StorePath } from "../../ShareStore.ts"
import type { Link, Share } from "../State/Model.ts"

/** The links at one path whose file still has that name. */
const currentAt = (
  { store }: Share,
  path: StorePath,
  links: ReadonlyArray<Link>
): Effect.Effect<ReadonlyArray<Link>> =>
  links.length === 0
    ? Effect.succeed(links)
    : Effect.match(store.stat(path), {
      onSuccess: ({ identity }) => links.filter(({ file }) => file.identity === identity),
      onFailure: () => []
    })

/** The open links at a path whose file still has that name. Looks only at links for which `concern` is true. */
export const at = (
  share: Share,
  path: StorePath,
  concern: (link: Link) => boolean
): Effect.Effect<ReadonlyArray<Link>> => currentAt(share, path, share.table.at(path).filter(concern))

/** Whether a name is marked for deletion. */
export const isPending = (share: Share, path: StorePath): Effect.Effect<boolean> =>
  Effect.map(at(share, path, ({ deletePending }) => deletePending), (links) => links.length > 0)

/** Whether a link is open, or about to be removed, and still stands for its file. */
export const isOpen = (share: Share, link: Link): Effect.Effect<boolean> =>
  link.opens.size === 0 && !link.deletePending
    ? Effect.succeed(false)
    : Effect.map(currentAt(share, link.path, [link]), (links) => links.length > 0)

/** Whether a name below a directory is open, or about to be removed, and still stands for its file. */
export const isOpenBelow = Effect.fnUntraced(function*(share: Share, directory: StorePath) {
  for (const link of Array.from(share.table.below(directory))) if (yield* isOpen(share, link)) return true
  return false
})
