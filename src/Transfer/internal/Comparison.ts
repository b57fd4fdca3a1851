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
  const isSame = (names: ReadonlyArray<string>, one: Item, other: Item) => {
    const choice = Choice.choose(one.facts, other.facts, { ...rules, existing: "different" })
    return choice !== "checksum"
      ? Effect.succeed(choice === "Same")
      : Effect.map(
        Effect.all([source.hash(names), target.hash(names)], { concurrency: 2 }),
        ([one, other]) => one === other
      )
  }
  const both = (names: ReadonlyArray<string>, one: Item, other: Item): Effect.Effect<void, EntryError, Services> => {
    const paths = { source: source.path(names), target: target.path(names) }
    if (one.type !== other.type) return tell({ ...paths, _tag: "TypeDiffers" })
    if (one.type === "directory") return visit(names)
    if (one.type === "other") return Effect.void
    return Effect.flatMap(
      isSame(names, one, other),
      (same) => same ? Effect.void : tell({ ...paths, _tag: "ContentDiffers" })
    )
  }
  const visit = (names: ReadonlyArray<string>): Effect.Effect<void, EntryError, Services> =>
    Effect.gen(function*() {
      const [ours, theirs] = yield* Effect.all([source.list(names), target.list(names)], { concurrency: 2 })
      const others = new Map((theirs ?? []).map((item) => [fold(item.name), item]))
      for (const item of ours ?? []) {
        const below = [...names, item.name]
        const other = others.get(fold(item.name))
        others.delete(fold(item.name))
        if (!counts(below, item)) continue
        const paths = { source: source.path(below), target: target.path(below) }
        yield* other === undefined ? tell({ ...paths, _tag: "OnlySource" }) : both(below, item, other)
      }
      for (const item of others.values()) {
        const below = [...names, item.name]
        if (!counts(below, item)) continue
        yield* tell({ source: source.path(below), target: target.path(below), _tag: "OnlyTarget" })
      }
    })
  return visit([])
}
