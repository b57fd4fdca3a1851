/**
 * Whether a file or a directory may be marked for deletion (MS-FSA 2.1.5.5, 2.1.5.15.3): what the store would say to its
 * removal, while the client still listens. A CLOSE tells what came between.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type { StoreError } from "../../ShareStore.ts"
import { type Refusal, refuse, stored } from "../Connection/Reply.ts"
import type { FileOpen } from "../State/Open.ts"

/** Whether an open directory has no entries, also none that listings do not show, as far as its store can tell. */
export const isEmpty = ({ path, share: { store }, stream: { file } }: FileOpen): Effect.Effect<boolean, StoreError> => {
  const which = { expected: file.identity }
  const { mayRemove } = store
  return Effect.flatMap(
    Stream.runCollect(Stream.take(store.list(path, which), 1)),
    (one) =>
      one.length > 0 || mayRemove === undefined
        ? Effect.succeed(one.length === 0)
        : Effect.catch(
          Effect.as(mayRemove(path, which), true),
          // What keeps it for other reasons is another matter.
          (error) => Effect.succeed(error.reason !== "NotEmpty")
        )
  )
}

/** Refuses what cannot be removed: a directory with entries, and what the store keeps. */
export const check = Effect.fnUntraced(function*(open: FileOpen): Effect.fn.Return<void, Refusal> {
  const { path, share: { store }, stream: { file } } = open
  if (file.directory && !(yield* stored(isEmpty(open)))) return yield* refuse(NtStatus.STATUS_DIRECTORY_NOT_EMPTY)
  if (store.mayRemove !== undefined) yield* stored(store.mayRemove(path, { expected: file.identity }))
})
