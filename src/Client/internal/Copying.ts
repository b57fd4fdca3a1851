/** Copies a file: by its server if that holds both files, otherwise through this machine. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Spans from "../../Protocol/Spans.ts"
import * as UncName from "../../Protocol/UncName.ts"
import { ShareAccess } from "../../Smb2/Message/Constants.ts"
import type { ClientError } from "../ClientError.ts"
import * as OpenMode from "../OpenMode.ts"
import type { Operations } from "../Operations.ts"
import * as PartNames from "../PartNames.ts"
import * as UncPath from "../UncPath.ts"
import { type OpenedFile, openOn } from "./Opening.ts"
import { text } from "./PathNames.ts"
import * as PipelinedReads from "./PipelinedReads.ts"
import * as PipelinedWrites from "./PipelinedWrites.ts"
import * as RemoveUnfinished from "./RemoveUnfinished.ts"
import * as ServerCopy from "./ServerCopy.ts"
import * as ShareNames from "./ShareNames.ts"
import { type PathContext, withShare } from "./TargetAttempt.ts"
import { openVersion } from "./VersionedOpen.ts"

/**
 * The source, while nothing writes to it. The target can be another name of the same file: a hard link, or the file of
 * another share. A server then refuses to open the target, which would empty the source.
 */
const unchanging = {
  ...OpenMode.readSequentially,
  shareAccess: OpenMode.readSequentially.shareAccess & ~ShareAccess.FILE_SHARE_WRITE
}

/**
 * The operation `copy`.
 *
 * @category constructors
 */
export const make = (context: PathContext): Operations["copy"] =>
  Effect.fnUntraced(function*(from, to, options) {
    yield* Effect.scoped(Effect.gen(function*() {
      const source = yield* withShare(context, from, (share, below) =>
        Effect.map(
          openVersion(share, below, unchanging, share.open).pipe(
            // A program that writes to the source has it open: a copy of its present content is still possible.
            Effect.catchIf(
              (error) => error._tag === "SmbError" && error.reason._tag === "SharingViolation",
              () => openVersion(share, below, OpenMode.readSequentially, share.open)
            )
          ),
          (file) => ({ share, file, name: ShareNames.fileKey(share, below) })
        ))
      // A new file can be a part of a transfer: no other client may take it away while it is written.
      const mode = options?.create === true
        ? { ...OpenMode.create, shareAccess: PartNames.shareAccess }
        : OpenMode.overwrite
      const target = yield* withShare(
        context,
        to,
        (share, below): Effect.Effect<OpenedFile, ClientError, Scope.Scope> =>
          // Opening it for writing would empty the source.
          ShareNames.fileKey(share, below) === source.name
            ? Effect.fail(UncPath.invalid(text(to), "a file cannot be copied onto itself"))
            // FSCTL_SRV_COPYCHUNK_WRITE needs no right to read the target (MS-SMB2 3.3.5.15.6).
            : RemoveUnfinished.opened(UncName.format(share, share.name, below), openOn(share, below, mode))
      )
      const throughThisMachine = PipelinedWrites.write(
        target.file,
        target.share.limits.write,
        0n,
        PipelinedReads.read(PipelinedReads.source(source.share, source.file), 0n, undefined)
      )
      const bytes = yield* source.share.sessionKey === target.share.sessionKey &&
          ServerCopy.isOfKnownSize(source.file)
        ? Effect.catch(
          Effect.as(ServerCopy.copy(source, target), source.file.opened.endOfFile),
          (error) => ServerCopy.isUnable(error) ? throughThisMachine : Effect.fail(error)
        )
        : throughThisMachine
      yield* target.file.close
      yield* Spans.annotate({ [Spans.Attribute.bytes]: Number(bytes) })
    }))
  })
