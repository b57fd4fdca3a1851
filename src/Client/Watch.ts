/**
 * Changes in a directory, as they happen (MS-SMB2 3.2.4.12, MS-FSCC 2.7.1).
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RequestError } from "../Protocol/Errors.ts"
import type * as Operation from "../Protocol/Operation.ts"
import type * as Share from "../Protocol/Share.ts"
import { CompletionFilter, NotifyAction } from "../Smb2/Message/Constants.ts"
import * as UncPath from "./UncPath.ts"

/**
 * What happened to the file of a name.
 *
 * @since 0.1.0
 */
export type Action =
  | "added"
  | "removed"
  | "modified"
  | "renamed-from"
  | "renamed-to"
  | "stream-added"
  | "stream-removed"
  | "stream-modified"
  | "other"

/**
 * One change, or `Overflow`: more has changed than the server kept, so list the whole directory again.
 *
 * @category models
 * @since 0.1.0
 */
export type Change =
  | { readonly _tag: "Change"; readonly action: Action; readonly name: string; readonly path: string }
  | { readonly _tag: "Overflow" }

/**
 * Options of a watch.
 *
 * @since 0.1.0
 */
export interface WatchOptions {
  /** Also watches everything below the directory. */
  readonly recursive?: boolean | undefined
  /** FILE_NOTIFY_CHANGE_* flags. Default: names, sizes, attributes and last writes. */
  readonly completionFilter?: number | undefined
  /** Called when the request to watch is sent: the stream sees all changes from then on. */
  readonly onStart?: Effect.Effect<void> | undefined
}

const actions: Record<number, Action> = {
  [NotifyAction.FILE_ACTION_ADDED]: "added",
  [NotifyAction.FILE_ACTION_REMOVED]: "removed",
  [NotifyAction.FILE_ACTION_MODIFIED]: "modified",
  [NotifyAction.FILE_ACTION_RENAMED_OLD_NAME]: "renamed-from",
  [NotifyAction.FILE_ACTION_RENAMED_NEW_NAME]: "renamed-to",
  [NotifyAction.FILE_ACTION_ADDED_STREAM]: "stream-added",
  [NotifyAction.FILE_ACTION_REMOVED_STREAM]: "stream-removed",
  [NotifyAction.FILE_ACTION_MODIFIED_STREAM]: "stream-modified"
}

const usual = CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME | CompletionFilter.FILE_NOTIFY_CHANGE_DIR_NAME |
  CompletionFilter.FILE_NOTIFY_CHANGE_ATTRIBUTES | CompletionFilter.FILE_NOTIFY_CHANGE_SIZE |
  CompletionFilter.FILE_NOTIFY_CHANGE_LAST_WRITE

/**
 * The changes of an open directory. The stream ends when the directory itself is removed.
 *
 * @since 0.1.0
 */
export const changes = (
  file: Share.OpenFile,
  directory: UncPath.UncPath,
  options: WatchOptions = {}
): Stream.Stream<Change, RequestError> => {
  const next: Effect.Effect<ReadonlyArray<Change> | undefined, RequestError> = file.run<Operation.ChangeNotify>({
    _tag: "ChangeNotify",
    completionFilter: options.completionFilter ?? usual,
    recursive: options.recursive ?? false,
    maximum: 65536
  }).pipe(
    Effect.map((list) =>
      list.length === 0 ? [{ _tag: "Overflow" as const }] : list.map(({ action, fileName }) => ({
        _tag: "Change" as const,
        action: actions[action] ?? "other",
        name: fileName,
        path: UncPath.format(UncPath.join(directory, fileName))
      }))
    ),
    Effect.catchTag("SmbError", (error) => {
      switch (error.reason._tag) {
        case "NotifyEnumDir":
          return Effect.succeed([{ _tag: "Overflow" as const }])
        case "NotifyCleanup":
        case "DeletePending":
          return Effect.succeed(undefined)
        default:
          return Effect.fail(error)
      }
    })
  )
  return Stream.unfold(true, (first) => {
    // The request is sent as soon as its effect runs, so `onStart` runs right after it.
    const request = first && options.onStart !== undefined
      ? Effect.raceFirst(next, Effect.andThen(options.onStart, Effect.never))
      : next
    return Effect.map(request, (list) => list === undefined ? undefined : ([list, false] as const))
  }).pipe(Stream.flatMap((list) => Stream.fromArray([...list])))
}
