/**
 * Opens for writing that a server refuses because of the existing file's attributes.
 *
 * A hidden or system file is overwritten only if the request has the same attributes (MS-FSA 2.1.5.1.2.1), and it keeps
 * them. A read-only file cannot be written to. The server's status is the same as for a user without the right, so the
 * client looks at the file's attributes only after such a refusal.
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

/** The reason why a read-only file is not written to and not replaced. */
export const isReadOnly = "The file is read-only. Clear that attribute, or remove the file."

/**
 * Opens with the options. After a refusal, opens with the attributes that the existing file needs, or fails with the
 * reason.
 */
export const retrying = <A, E, R>(
  share: Share.Share,
  open: (path: string, options: Share.OpenOptions) => Effect.Effect<A, E, R>
): (path: string, options: Share.OpenOptions) => Effect.Effect<A, E, R> =>
(path, options) => {
  const opened = open(path, options)
  const overwritten = overwrites.has(options.createDisposition)
  if (!overwritten && (options.desiredAccess & writing) === 0) return opened
  return Effect.catchIf(
    opened,
    (error) => error instanceof SmbError && error.reason._tag === "AccessDenied" && error.command === "CREATE",
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
