/** Attributes by path: whether an entry exists, what it is, and its times and flags. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as FileTime from "../../Codec/FileTime.ts"
import * as Defaults from "../../Protocol/Defaults.ts"
import { isMissing } from "../../Protocol/Errors.ts"
import * as Entry from "../Entry.ts"
import * as Information from "../Information.ts"
import * as OpenMode from "../OpenMode.ts"
import type { AttributeChanges, Operations } from "../Operations.ts"
import * as UncPath from "../UncPath.ts"
import { batch, firstResult, reparseTag } from "./Opening.ts"
import type { PathContext } from "./TargetAttempt.ts"

/** `OperationArguments` has checked the time. */
const ticks = (time: FileTime.Input | undefined): bigint | undefined =>
  time === undefined ? undefined : Result.getOrThrow(FileTime.fromInput(time))

const ticksOf = ({ changeTime, creationTime, fileAttributes, lastAccessTime, lastWriteTime }: AttributeChanges) => ({
  creationTime: ticks(creationTime),
  lastAccessTime: ticks(lastAccessTime),
  lastWriteTime: ticks(lastWriteTime),
  changeTime: ticks(changeTime),
  fileAttributes
})

/**
 * The operations on attributes.
 *
 * @category constructors
 */
export const operations = (context: PathContext): Pick<Operations, "stat" | "exists" | "setAttributes"> => {
  const stat: Operations["stat"] = Effect.fnUntraced(function*(path, options) {
    const unc = yield* Effect.fromResult(UncPath.parseInShare(path))
    if (options?.follow ?? true) {
      const { opened } = yield* batch(context, unc, OpenMode.attributes, [])
      return Entry.fromAttributes(unc, opened, 0)
    }
    const { opened, results } = yield* batch(context, unc, OpenMode.readReparsePoint, [
      Information.queryFile("FileAttributeTagInformation")
    ])
    return Entry.fromAttributes(unc, opened, reparseTag(results[0]))
  })
  return {
    stat,
    exists: (path) =>
      stat(path).pipe(
        Effect.as(true),
        Effect.catchTag("SmbError", (error) => isMissing(error) ? Effect.succeed(false) : Effect.fail(error))
      ),
    setAttributes: Effect.fnUntraced(function*(path, changes) {
      const { results } = yield* batch(context, path, OpenMode.setAttributes, [
        Information.setFile("FileBasicInformation", Defaults.complete(Information.unchanged, ticksOf(changes)))
      ])
      yield* firstResult(results)
    })
  }
}
