/** Writes whole files: at once under their own name, or as a replacement that other programs see only when it is complete. */
import * as Effect from "effect/Effect"
import type { ClientError } from "../ClientError.ts"
import * as FileReplacement from "../FileReplacement.ts"
import type { Operations, WriteFileOptions } from "../Operations.ts"
import * as PreviousVersion from "../PreviousVersion.ts"
import * as UncPath from "../UncPath.ts"
import { refuseChange } from "./VersionedOpen.ts"
import * as Writing from "./Writing.ts"

const hint = "without `atomic`, the file itself is written"

/**
 * The operation `writeFile` with `atomic`. What it learns about a folder is for this file alone: the rights in a folder
 * can change while a client lives.
 *
 * @category constructors
 */
export const make = (files: FileReplacement.Files): Operations["writeFile"] => {
  const atomically = Effect.fnUntraced(function*(
    path: UncPath.PathInput,
    data: Uint8Array | string,
    options: WriteFileOptions
  ): Effect.fn.Return<void, ClientError> {
    const target = yield* Effect.fromResult(UncPath.parseInShare(path))
    const name = UncPath.format(target)
    if (PreviousVersion.split(target.path).time !== undefined) return yield* refuseChange(name)
    if (target.path === "") return yield* Effect.fail(UncPath.invalid(name, "it is a share, and a file is wanted"))
    const { create, flush } = options
    const replace = FileReplacement.make(files, { hint, tell: ({ message }) => Effect.logWarning(message) })
    const lastWriteTime = Writing.ticksOf(options)
    yield* replace<never, never>(target, { _tag: "Bytes", bytes: Writing.bytesOf(data) }, {
      create,
      flush,
      lastWriteTime
    })
  })
  return (path, data, options) =>
    options?.atomic === true ? atomically(path, data, options) : files.writeFile(path, data, options)
}
