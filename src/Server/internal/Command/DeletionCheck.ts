/**
 * Whether a file or a directory may be marked for deletion (MS-FSA 2.1.5.5, 2.1.5.15.3). The store is asked early
 * whether it would refuse the removal, while the client can still be told. Changes after that show at the CLOSE.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type { StoreError } from "../../ShareStore.ts"
import type { FileOpen } from "../State/Model.ts"
import { type Refusal, refuse, stored } from "../Wire/Reply.ts"

/** Whether an open directory has no entries that a listing shows. */
const looksEmpty = ({ path, share: { store }, stream: { file } }: FileOpen): Effect.Effect<boolean, StoreError> =>
  Effect.map(
    Stream.runCollect(Stream.take(store.list(path, { expected: file.identity }), 1)),
    (one) => one.length === 0
  )

/**
 * Whether a directory that is open can be removed by its name, as far as its store can tell: no entries prevent it,
 * also none that listings do not show. The storage's own symbolic link can be removed no matter what its target
 * directory holds.
 */
export const isClearable = (open: FileOpen): Effect.Effect<boolean, StoreError> => {
  const { path, share: { store: { mayRemove } }, stream: { file } } = open
  return mayRemove === undefined
    ? looksEmpty(open)
    : Effect.catch(
      Effect.as(mayRemove(path, { expected: file.identity }), true),
      // Other reasons against the removal do not matter here.
      (error) => Effect.succeed(error.reason._tag !== "NotEmpty")
    )
}

/** Whether an open directory has no entries at all, as far as its store can tell. */
export const isEmpty = (open: FileOpen): Effect.Effect<boolean, StoreError> =>
  Effect.flatMap(looksEmpty(open), (empty) => empty ? isClearable(open) : Effect.succeed(false))

/** Refuses what cannot be removed: a directory with entries, or a file that the store protects. */
export const check = Effect.fnUntraced(function*(open: FileOpen): Effect.fn.Return<void, Refusal> {
  const { path, share: { store: { mayRemove } }, stream: { file } } = open
  if (mayRemove !== undefined) return yield* stored(mayRemove(path, { expected: file.identity }))
  if (file.directory && !(yield* stored(looksEmpty(open)))) return yield* refuse(NtStatus.STATUS_DIRECTORY_NOT_EMPTY)
})
