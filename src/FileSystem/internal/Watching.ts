/** The method `watch`: changes in a directory, or of one file, as events. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import * as UncPath from "../../Client/UncPath.ts"
import type { Change } from "../../Client/Watch.ts"
import { fold } from "../../Codec/UpCase.ts"
import { at, type Root } from "./Access.ts"
import { fromClient, type Place } from "./Failures.ts"
import { fromClientPath } from "./Paths.ts"

const eventOf = (change: Change): FileSystem.WatchEvent => {
  // More has changed than the server could tell: the directory itself, so that the program lists it again.
  if (change._tag === "Overflow") return { _tag: "Update", path: "." }
  const path = fromClientPath(change.name)
  switch (change.action) {
    case "added":
    case "renamed-to":
      return { _tag: "Create", path }
    case "removed":
    case "renamed-from":
      return { _tag: "Remove", path }
    default:
      return { _tag: "Update", path }
  }
}

/** The method `watch`. */
export const make = (root: Root): FileSystem.FileSystem["watch"] => (path, options) => {
  const place: Place = { method: "watch", path }
  return Stream.unwrap(at(root, place, ({ unc }) =>
    Effect.map(root.smb.stat(unc), ({ type }) => {
      const changes = (directory: UncPath.UncPath, recursive: boolean) =>
        root.smb.watch(directory, { recursive, onStart: Effect.sync(() => options?.onReady?.()) })
      const name = fold(UncPath.name(unc))
      const found = type === "directory"
        ? changes(unc, options?.recursive ?? false)
        : Stream.filter(
          changes(UncPath.parent(unc), false),
          (change) => change._tag === "Overflow" || fold(change.name) === name
        )
      return found.pipe(Stream.map(eventOf), Stream.mapError(fromClient(place)))
    })))
}
