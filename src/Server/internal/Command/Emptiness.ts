/**
 * Whether a directory has entries, as its store says.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { StorePath } from "../../ShareStore.ts"
import { type Refusal, stored } from "../Connection/Reply.ts"
import type { ShareState } from "../State/ShareState.ts"

/** Whether the directory has no entries. */
export const isEmpty = (share: ShareState, path: StorePath): Effect.Effect<boolean, Refusal> =>
  Effect.map(stored(Stream.runCollect(Stream.take(share.store.list(path), 1))), (one) => one.length === 0)
