/**
 * Removes from a target what its source does not have.
 *
 * It runs after the copies, and only if none of them failed. It lists both folders again, and removes an entry only if
 * the listing of the source succeeded and has no such name: a folder that cannot be read removes nothing. Names that the
 * filter leaves out are not removed.
 *
 * What is below a link is at another place, which the user has not named: a DFS link or a junction is not entered, and
 * before something is removed from a folder of a server, the client asks whether the folder is a link of that server.
 */
import * as Effect from "effect/Effect"
import { fold } from "../../Codec/UpCase.ts"
import { LocalError } from "../LocalError.ts"
import type { EntryError } from "../TransferEvent.ts"
import type { Options } from "./Options.ts"
import type { Run } from "./Run.ts"
import type { Item, Services, Side } from "./Side.ts"

type Names = ReadonlyArray<string>

export const remove = (
  source: Side,
  target: Side,
  options: Options,
  run: Run,
  most: number
): Effect.Effect<void, EntryError, Services> => {
  const { filter } = options
  let left = most
  const known = new Map<string, Effect.Effect<void, EntryError, Services>>()
  /** Fails unless a folder of the target, and each above it, is where its path says. Asks for each folder once. */
  const isHere = (names: Names): Effect.Effect<void, EntryError, Services> =>
    Effect.suspend(() => {
      if (names.length === 0) return Effect.void
      const key = names.join("\\")
      const before = known.get(key)
      if (before !== undefined) return before
      const asked = Effect.andThen(isHere(names.slice(0, -1)), target.refuseLink(names))
      return Effect.flatMap(Effect.cached(asked), (cached) => {
        known.set(key, cached)
        return cached
      })
    })

  const take = Effect.fnUntraced(function*(names: Names) {
    const path = target.path(names)
    yield* isHere(names.slice(0, -1))
    if (left-- <= 0) {
      return yield* new LocalError({
        path,
        detail: `not removed: ${most} entries were removed, which is the limit that you have set`
      })
    }
    if (options.dryRun) {
      yield* target.refuseRemoval(names)
      return yield* run.tell({ _tag: "Planned", action: "Remove", path })
    }
    yield* options.retry(path, target.remove(names))
    yield* run.tell({ _tag: "Removed", path })
  })

  /** Whether everything in a folder of the target may be removed. */
  const isWhole = Effect.fnUntraced(function*(names: Names): Effect.fn.Return<boolean, EntryError, Services> {
    if (filter.takesAll) return true
    yield* isHere(names)
    for (const item of (yield* target.list(names)) ?? []) {
      const below = [...names, item.name]
      if (item.type === "directory") {
        if (!filter.enters(below) || (item.leadsAway !== true && !(yield* isWhole(below)))) return false
      } else if (!filter.takes(below, item.facts.size)) return false
    }
    return true
  })

  /** Removes the entries of a folder that only the target has; keeps a folder that holds something to keep. */
  const extra = (names: Names, item: Item): Effect.Effect<void, EntryError, Services> =>
    Effect.gen(function*() {
      if (item.type !== "directory") {
        return filter.takes(names, item.facts.size) ? yield* take(names) : undefined
      }
      if (!filter.enters(names)) return
      // A junction is removed itself, and a DFS link is refused.
      if (item.leadsAway === true || (yield* isWhole(names))) return yield* take(names)
      for (const below of (yield* target.list(names)) ?? []) {
        const path = [...names, below.name]
        yield* run.alone(target.path(path), extra(path, below), undefined)
      }
    })

  /** The names of one folder on both sides can differ in case. */
  const visit = (ours: Names, theirs: Names): Effect.Effect<void, EntryError, Services> =>
    Effect.gen(function*() {
      const wanted = yield* source.list(ours)
      // The folder was removed from the source since: the next transfer sees that.
      if (wanted === undefined) return
      const found = new Map(wanted.map((item) => [fold(item.name), item]))
      for (const item of (yield* target.list(theirs)) ?? []) {
        const below = [...theirs, item.name]
        const one = found.get(fold(item.name))
        const next = one === undefined
          ? extra(below, item)
          : item.type === "directory" && one.type === "directory" && item.leadsAway !== true && filter.enters(below)
          ? visit([...ours, one.name], below)
          : Effect.void
        yield* run.alone(target.path(below), next, undefined)
      }
    })
  return visit([], [])
}
