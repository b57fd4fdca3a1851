/** `touch` and `attrib`: times and attributes of files. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ClientError } from "../Client/ClientError.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import * as FileTime from "../Codec/FileTime.ts"
import { isMissing } from "../Protocol/Errors.ts"
import * as Attributes from "./Attributes.ts"
import { printable } from "./Failure.ts"
import { slashed } from "./Find.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"
import * as SeveralPaths from "./SeveralPaths.ts"

/**
 * Sets the times of the last write and access, in 100 ns ticks since 1601; default: now. Creates a file that does not
 * exist, unless `create` is false.
 */
export const touch = Effect.fnUntraced(function*(
  paths: ReadonlyArray<Remote>,
  options: { readonly json: boolean; readonly time?: bigint | undefined; readonly create: boolean }
) {
  const smb = yield* SmbClient
  const time = options.time ?? FileTime.fromMillis(yield* Clock.currentTimeMillis)
  const set = (path: Remote) => smb.setAttributes(path, { lastWriteTime: time, lastAccessTime: time })
  yield* SeveralPaths.each(
    paths,
    { json: options.json, what: "changed" },
    (path): Effect.Effect<void, ClientError> =>
      Effect.catchTag(set(path), "SmbError", (error) => {
        if (!isMissing(error)) return Effect.fail(error)
        if (!options.create) return Effect.void
        // Another client may create it at the same time: its content stays.
        const created = Effect.catchReason(
          smb.writeFile(path, "", { create: true }),
          "SmbError",
          "ObjectNameCollision",
          () => Effect.void
        )
        return Effect.andThen(created, options.time === undefined ? Effect.void : set(path))
      })
  )
})

/** Shows the attributes of each path, or changes them. */
export const attrib = Effect.fnUntraced(function*(
  paths: ReadonlyArray<Remote>,
  options: {
    readonly json: boolean
    readonly set: ReadonlyArray<Attributes.Letter>
    readonly clear: ReadonlyArray<Attributes.Letter>
  }
) {
  const smb = yield* SmbClient
  const changes = options.set.length + options.clear.length > 0
  yield* SeveralPaths.each(
    paths,
    { json: options.json, what: changes ? "changed" : "read" },
    (path) =>
      Effect.gen(function*() {
        const { fileAttributes } = yield* smb.stat(path)
        if (changes) {
          return yield* smb.setAttributes(path, {
            fileAttributes: Attributes.changed(fileAttributes, options.set, options.clear)
          })
        }
        yield* Output.write(
          options.json
            ? Output.jsonLine({ path: UncPath.format(path), fileAttributes, names: Attributes.names(fileAttributes) })
            : `${Attributes.line(fileAttributes)} ${printable(slashed(UncPath.format(path)))}\n`
        )
      })
  )
})
