/**
 * Whether a file or a directory may be marked for deletion (MS-FSA 2.1.5.15.3): what the store would say to its removal,
 * while the client still listens. A CLOSE tells what came between.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { type Refusal, refuse, stored } from "../Connection/Reply.ts"
import type { FileOpen } from "../State/Open.ts"

/** Refuses what cannot be removed: a directory with entries, also with such as are not shown, and what the store keeps. */
export const check = Effect.fnUntraced(function*(open: FileOpen): Effect.fn.Return<void, Refusal> {
  const { path, share: { store }, stream: { file } } = open
  const which = { expected: file.identity }
  if (file.directory) {
    const one = yield* stored(Stream.runCollect(Stream.take(store.list(path, which), 1)))
    if (one.length > 0) return yield* refuse(NtStatus.STATUS_DIRECTORY_NOT_EMPTY)
  }
  if (store.mayRemove !== undefined) yield* stored(store.mayRemove(path, which))
})
