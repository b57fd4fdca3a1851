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

/** The timeout of the removal: a user that has interrupted an operation does not wait for a silent server. */
const removalTimeout = "5 seconds"

/**
 * Opens a file for writing and uses it. If the open created the file, and `use` fails or is interrupted, the file is
 * removed again on the same connection. If that connection has ended, the file stays, and the log says so. A file that
 * existed before is never removed.
 */
export const using = <A, E, R, E1, R1>(
  open: Effect.Effect<OpenedFile, E, R>,
  use: (opened: OpenedFile) => Effect.Effect<A, E1, R1>
): Effect.Effect<A, E | E1, R | R1 | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      restore(open),
      (opened) =>
        Effect.onExit(restore(use(opened)), (exit) =>
          Exit.isSuccess(exit) || opened.file.opened.createAction !== CreateAction.FILE_CREATED
            ? Effect.void
            : removed(opened))
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
  const left = (why: string) =>
    Effect.logWarning(
      `${
        UncName.format(share, share.name, file.path)
      }: a part of the file is left there, since it could not be removed ` +
        `after the failure (${why}). Remove it.`
    )
  return remove.pipe(
    Effect.catch((error) =>
      error._tag === "SmbError" && error.reason._tag === "SharingViolation"
        ? Effect.andThen(Effect.ignore(file.close), remove)
        : Effect.fail(error)
    ),
    // The result of the file's own CLOSE does not matter: the file is removed.
    Effect.andThen(Effect.ignore(file.close)),
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
}
