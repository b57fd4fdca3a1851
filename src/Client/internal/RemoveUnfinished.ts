/** Removes the file that an operation has created if the operation does not succeed. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as UncName from "../../Protocol/UncName.ts"
import { CreateAction } from "../../Smb2/Message/Constants.ts"
import * as Information from "../Information.ts"
import * as OpenMode from "../OpenMode.ts"
import type { OpenedFile } from "./Opening.ts"
import * as OpenResponse from "./OpenResponse.ts"

/** The timeout of the removal: a user that has interrupted an operation does not wait for a silent server. */
const removalTimeout = "5 seconds"

/** Runs a removal for at most this time, also during an interruption. `left` gets the reason why the file is left. */
export const limited = (left: (why: string) => Effect.Effect<void>) =>
<E extends { readonly message: string }>(
  removal: Effect.Effect<unknown, E>
): Effect.Effect<void> =>
  removal.pipe(
    Effect.interruptible,
    Effect.timeoutOption(removalTimeout),
    Effect.matchEffect({
      onFailure: (error) => left(error.message),
      onSuccess: Option.match({
        onNone: () => left(`no answer within ${removalTimeout}`),
        onSome: () => Effect.void
      })
    })
  )

/**
 * Opens a file for writing. If the open created the file, and its scope ends with a failure or an interruption, the file
 * is removed again on the same connection. If that connection has ended, the file stays, and the log says so. A file
 * that existed before is never removed.
 *
 * `path` is the UNC path of the file, for the log.
 */
export const opened = <E, R>(
  path: string,
  open: Effect.Effect<OpenedFile, E, R>
): Effect.Effect<OpenedFile, E, R | Scope.Scope> =>
  OpenResponse.awaited(
    open,
    (file) =>
      Effect.addFinalizer((exit) =>
        Exit.isSuccess(exit) || file.file.opened.createAction !== CreateAction.FILE_CREATED
          ? Effect.void
          : removed(file)
      ),
    () =>
      Effect.logWarning(
        `${path}: an empty file may be left there, since the server has not answered the request to create it. Look ` +
          "at it, and remove it."
      )
  )

/**
 * While the file is still open, no other file can take its name. Servers that delete by name need it to be closed
 * first. The deletion is done when this ends, so that the caller can try the same again.
 */
const removed = ({ file, share }: OpenedFile): Effect.Effect<void> => {
  const remove = Effect.flatMap(
    share.batch(file.path, OpenMode.remove, [
      Information.setFile("FileDispositionInformation", { deletePending: true })
    ]),
    ({ results }) => Effect.fromResult(results[0])
  )
  return remove.pipe(
    Effect.catch((error) =>
      error._tag === "SmbError" && error.reason._tag === "SharingViolation"
        ? Effect.andThen(Effect.ignore(file.close), remove)
        : Effect.fail(error)
    ),
    // The result of the file's own CLOSE does not matter: the file is removed.
    Effect.andThen(Effect.ignore(file.close)),
    limited((why) =>
      Effect.logWarning(
        `${UncName.format(share, share.name, file.path)}: a part of the file is left there, since it could not be ` +
          `removed after the failure (${why}). Remove it.`
      )
    )
  )
}
