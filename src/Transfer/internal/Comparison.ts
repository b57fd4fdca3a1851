/** Compares two trees without changing them. */
import * as Effect from "effect/Effect"
import { fold } from "../../Codec/UpCase.ts"
import type { Difference } from "../Difference.ts"
import type { EntryError } from "../TransferEvent.ts"
import * as Choice from "./Choice.ts"
import type { Options } from "./Options.ts"
import type { Item, Services, Side } from "./Side.ts"

/** Tells each difference. Fails at the first entry that cannot be compared: a comparison with gaps proves nothing. */
export const compare = (
  source: Side,
  target: Side,
  { filter, rules }: Pick<Options, "filter" | "rules">,
  tell: (difference: Difference) => Effect.Effect<void>
): Effect.Effect<void, EntryError, Services> => {
  const counts = (names: ReadonlyArray<string>, item: Item): boolean =>
    item.type === "directory" ? filter.enters(names) : filter.takes(names, item.facts.size)
  /** The names that lead to an entry. Those of one entry on both sides can differ in case. */
  interface Place {
    readonly ours: ReadonlyArray<string>
    readonly theirs: ReadonlyArray<string>
  }
  const pathsOf = ({ ours, theirs }: Place) => ({ source: source.path(ours), target: target.path(theirs) })
  const isSame = (place: Place, one: Item, other: Item) => {
    const choice = Choice.choose(one.facts, other.facts, { ...rules, existing: "different" })
    return choice !== "checksum"
      ? Effect.succeed(choice === "Same")
      : Effect.map(
        Effect.all([source.hash(place.ours), target.hash(place.theirs)], { concurrency: 2 }),
        ([one, other]) => one === other
      )
  }
  const both = (place: Place, one: Item, other: Item): Effect.Effect<void, EntryError, Services> => {
    if (one.type !== other.type) return tell({ ...pathsOf(place), _tag: "TypeDiffers" })
    if (one.type === "directory") return visit(place)
    if (one.type === "other") return Effect.void
    return Effect.flatMap(
      isSame(place, one, other),
      (same) => same ? Effect.void : tell({ ...pathsOf(place), _tag: "ContentDiffers" })
    )
  }
  const visit = (place: Place): Effect.Effect<void, EntryError, Services> =>
    Effect.gen(function*() {
      const [ours, theirs] = yield* Effect.all([source.list(place.ours), target.list(place.theirs)], {
        concurrency: 2
      })
      const below = (one: string, other: string): Place => ({
        ours: [...place.ours, one],
        theirs: [...place.theirs, other]
      })
      const others = new Map((theirs ?? []).map((item) => [fold(item.name), item]))
      for (const item of ours ?? []) {
        const other = others.get(fold(item.name))
        others.delete(fold(item.name))
        const at = below(item.name, other?.name ?? item.name)
        if (!counts(at.ours, item)) continue
        yield* other === undefined ? tell({ ...pathsOf(at), _tag: "OnlySource" }) : both(at, item, other)
      }
      for (const item of others.values()) {
        const at = below(item.name, item.name)
        if (!counts(at.theirs, item)) continue
        yield* tell({ ...pathsOf(at), _tag: "OnlyTarget" })
      }
    })
  return visit({ ours: [], theirs: [] })
}
