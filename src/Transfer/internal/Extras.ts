/**
 * Removes from a target what its source does not have.
 *
 * It runs after the copies, and only if none of them failed. It lists both folders again, and removes an entry only if
 * the listing of the source succeeded and has no such name: a folder that cannot be read removes nothing. Names that the
 * filter leaves out are not removed.
 */
import * as Effect from "effect/Effect"
import { fold } from "../../Codec/UpCase.ts"
import { LocalError } from "../LocalError.ts"
import type { EntryError } from "../TransferEvent.ts"
import type { Options } from "./Options.ts"
import type { Run } from "./Run.ts"
import type { Item, Services, Side } from "./Side.ts"

/** Whether everything in a folder of the target may be removed. */
const isWhole = Effect.fnUntraced(function*(
  names: ReadonlyArray<string>,
  target: Side,
  options: Options
): Effect.fn.Return<boolean, EntryError, Services> {
  for (const item of (yield* target.list(names)) ?? []) {
    const below = [...names, item.name]
    if (item.type === "directory") {
      if (!options.filter.enters(below) || !(yield* isWhole(below, target, options))) return false
    } else if (!options.filter.takes(below, item.facts.size)) return false
  }
  return true
})

export const remove = (
  source: Side,
  target: Side,
  options: Options,
  run: Run,
  most: number
): Effect.Effect<void, EntryError, Services> => {
  let left = most
  const take = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
    const path = target.path(names)
    if (left-- <= 0) {
      return yield* new LocalError({
        path,
        detail: `not removed: ${most} entries were removed, which is the limit that you have set`
      })
    }
    if (options.dryRun) return yield* run.tell({ _tag: "Planned", action: "Remove", path })
    yield* target.remove(names)
    yield* run.tell({ _tag: "Removed", path })
  })
  /** Removes the entries of a folder that only the target has; keeps a folder that holds something to keep. */
  const extra = (
    names: ReadonlyArray<string>,
    item: Item
  ): Effect.Effect<void, EntryError, Services> =>
    Effect.gen(function*() {
      if (item.type !== "directory") {
        return options.filter.takes(names, item.facts.size) ? yield* take(names) : undefined
      }
      if (!options.filter.enters(names)) return
      if (yield* isWhole(names, target, options)) return yield* take(names)
      for (const below of (yield* target.list(names)) ?? []) {
        const path = [...names, below.name]
        yield* run.alone(target.path(path), extra(path, below), undefined)
      }
    })
  const visit = (names: ReadonlyArray<string>): Effect.Effect<void, EntryError, Services> =>
    Effect.gen(function*() {
      const wanted = yield* source.list(names)
      // The folder was removed from the source since: the next transfer sees that.
      if (wanted === undefined) return
      const types = new Map(wanted.map(({ name, type }) => [fold(name), type]))
      for (const item of (yield* target.list(names)) ?? []) {
        const below = [...names, item.name]
        const type = types.get(fold(item.name))
        const next = type === undefined
          ? extra(below, item)
          : item.type === "directory" && type === "directory" && options.filter.enters(below)
          ? visit(below)
          : Effect.void
        yield* run.alone(target.path(below), next, undefined)
      }
    })
  return visit([])
}
