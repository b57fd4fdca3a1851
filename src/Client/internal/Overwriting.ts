/**
 * Opens to write that a server refuses for the attributes of the file that is there.
 *
 * A file that is hidden or of the system is overwritten only by who asks for the same attributes (MS-FSA 2.1.5.1.2.1), and
 * keeps them. A read-only one is not written to at all. A server answers both as it answers who may not do it, so the file
 * is looked at after such a refusal, and only then.
 */
import * as Effect from "effect/Effect"
import { SmbError } from "../../Protocol/Errors.ts"
import type * as Share from "../../Protocol/Share.ts"
import { AccessMask, CreateDisposition } from "../../Smb2/Message/Constants.ts"
import * as OpenMode from "../OpenMode.ts"

const FILE_ATTRIBUTE_READONLY = 0x01
const FILE_ATTRIBUTE_HIDDEN = 0x02
const FILE_ATTRIBUTE_SYSTEM = 0x04
const FILE_ATTRIBUTE_ARCHIVE = 0x20

const writing = AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA | AccessMask.GENERIC_WRITE

const overwrites: ReadonlySet<number> = new Set([
  CreateDisposition.FILE_SUPERSEDE,
  CreateDisposition.FILE_OVERWRITE,
  CreateDisposition.FILE_OVERWRITE_IF
])

/** Why a read-only file is neither written to nor replaced. */
export const isReadOnly = "The file is read-only. Clear that attribute, or remove the file."

/** Opens with the options; after a refusal as the attributes of the file at the path want it, or with the reason. */
export const on = <A, E, R>(
  share: Share.Share,
  open: (path: string, options: Share.OpenOptions) => Effect.Effect<A, E, R>
): (path: string, options: Share.OpenOptions) => Effect.Effect<A, E, R> =>
(path, options) => {
  const opened = open(path, options)
  const overwritten = overwrites.has(options.createDisposition)
  if (!overwritten && (options.desiredAccess & writing) === 0) return opened
  return Effect.catchIf(
    opened,
    (error) => error instanceof SmbError && error.reason === "AccessDenied" && error.command === "CREATE",
    (error) =>
      Effect.matchEffect(share.batch(path, OpenMode.attributes, []), {
        onFailure: () => Effect.fail(error),
        onSuccess: ({ opened: { fileAttributes } }) => {
          if ((fileAttributes & FILE_ATTRIBUTE_READONLY) !== 0) {
            return Effect.fail(new SmbError({ ...error as SmbError, because: isReadOnly }) as E)
          }
          const hiding = fileAttributes & (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM)
          if (hiding === 0 || !overwritten || options.fileAttributes !== undefined) return Effect.fail(error)
          return open(path, { ...options, fileAttributes: hiding | FILE_ATTRIBUTE_ARCHIVE })
        }
      })
  )
}
