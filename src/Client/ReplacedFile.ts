/** The file that a replacement takes the place of: whether it can be replaced, and what it passes on. */
import * as Effect from "effect/Effect"
import { NtStatus } from "../Codec/NtStatus.ts"
import { fromStatus, isMissing, refusesShare, SmbError } from "../Protocol/Errors.ts"
import type { ClientError } from "./ClientError.ts"
import type { Operations } from "./Operations.ts"
import * as UncPath from "./UncPath.ts"

const FILE_ATTRIBUTE_READONLY = 0x01
const FILE_ATTRIBUTE_DIRECTORY = 0x10
const FILE_ATTRIBUTE_ARCHIVE = 0x20

/** The attributes that a replaced file passes on to the new file: hidden, system. */
const kept = 0x02 | 0x04

/**
 * The attributes of the file to replace; `undefined` if no file exists.
 *
 * @category models
 * @since 0.2.0
 */
export type Found = { readonly fileAttributes: number | undefined } | undefined

/**
 * The attributes of a new file that replaces another, if that one has some to pass on.
 *
 * @since 0.2.0
 */
export const passedOn = (found: Found): number | undefined => {
  const hiding = (found?.fileAttributes ?? 0) & kept
  return hiding === 0 ? undefined : hiding | FILE_ATTRIBUTE_ARCHIVE
}

/**
 * The existing file. Checks whether it can be replaced before anything is sent.
 *
 * @since 0.2.0
 */
export const look = Effect.fnUntraced(
  function*(smb: Pick<Operations, "stat">, target: UncPath.UncPath): Effect.fn.Return<Found, ClientError> {
    const found: Found = yield* smb.stat(target).pipe(
      Effect.catchIf(
        (error) => error instanceof SmbError && !refusesShare(error),
        // The file may exist, and the user may just have no right to read its attributes.
        (error) => Effect.succeed(isMissing(error as SmbError) ? undefined : { fileAttributes: undefined })
      )
    )
    const attributes = found?.fileAttributes ?? 0
    const path = UncPath.format(target)
    if ((attributes & FILE_ATTRIBUTE_DIRECTORY) !== 0) {
      return yield* fromStatus(NtStatus.STATUS_FILE_IS_A_DIRECTORY, "CREATE", path)
    }
    if ((attributes & FILE_ATTRIBUTE_READONLY) !== 0) {
      return yield* new SmbError({
        ...fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", path),
        because: "The file is read-only, and is not replaced. Clear that attribute, or remove the file."
      })
    }
    return found
  }
)
