/** Refuses to remove what is only at the target if the source itself is there. */
import * as Effect from "effect/Effect"
import * as UncPath from "../../Client/UncPath.ts"
import { fold } from "../../Codec/UpCase.ts"
import { LocalError } from "../LocalError.ts"
import type { Filter } from "./Filter.ts"
import * as LocalFile from "./LocalFile.ts"
import * as Mark from "./Mark.ts"

/** A folder: a local path, or a path on a server. */
type Folder = string | UncPath.UncPath

const text = (folder: Folder): string => typeof folder === "string" ? folder : UncPath.format(folder)

/** The names from one directory down to another, by their paths alone. */
const byPath = (from: UncPath.UncPath, to: UncPath.UncPath): ReadonlyArray<string> | undefined => {
  const above = UncPath.format(from)
  const below = UncPath.format(to)
  return fold(below).startsWith(`${fold(above)}\\`) ? below.slice(above.length + 1).split("\\") : undefined
}

/** The names from the target down to the source; `undefined` if the source is not found in the target. */
const wayTo = Effect.fnUntraced(function*(source: Folder, target: Folder, dryRun: boolean) {
  if (typeof source !== "string" && typeof target !== "string") {
    const way = byPath(target, source)
    if (way !== undefined) return way
  }
  // A dry run changes nothing, not even for a moment.
  if (dryRun) return undefined
  const mark = Mark.name()
  if (typeof target === "string") yield* LocalFile.mark(target, `.${mark}`)
  else if (!(yield* Mark.put(target, mark))) return undefined
  const name = typeof target === "string" ? `.${mark}` : mark
  return yield* typeof source === "string" ? Mark.localWayTo(source, name) : Mark.wayTo(source, name)
}, Effect.scoped)

/**
 * Fails if the source is inside the target, and the filter does not leave it out: the source has no entry of its own
 * name, so that it would be removed itself.
 */
export const refuse = Effect.fnUntraced(function*(source: Folder, target: Folder, filter: Filter, dryRun: boolean) {
  const way = yield* wayTo(source, target, dryRun)
  if (way === undefined || !way.every((_, index) => filter.enters(way.slice(0, index + 1)))) return
  return yield* new LocalError({
    path: text(source),
    detail: `is inside ${text(target)}, and would be removed with what only that folder has. Nothing was changed: ` +
      "exclude it, or choose another target"
  })
})
