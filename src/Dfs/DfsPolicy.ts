/**
 * Policies about referrals. Each is a combinator that can be used alone.
 *
 * A policy handles a typed failure: `Overflow` by a larger buffer, `NotDfsCapable` by going on without DFS.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { NotDfsCapable, Overflow } from "../Protocol/DfsError.ts"

/**
 * Bytes of buffer that a referral request offers: 8 KiB. With a smaller buffer a server can leave out some targets and
 * not say so.
 *
 * @category settings
 * @since 0.1.0
 */
export const ReferralBuffer: Context.Reference<number> = Context.Reference("effect-smb/Dfs/ReferralBuffer", {
  defaultValue: () => 8192
})

/**
 * The largest buffer that Windows offers: 56 KiB.
 *
 * @since 0.1.0
 */
export const largestReferralBuffer = 57_344

/**
 * Handles `Overflow`: repeats the request with twice the buffer, up to `largest` bytes (default: 56 KiB), then fails
 * with `Overflow`.
 *
 * @category policies
 * @since 0.1.0
 */
export const retryOverflow = (options?: { readonly largest?: number | undefined }) => {
  const largest = options?.largest ?? largestReferralBuffer
  return <A, E, R>(self: Effect.Effect<A, E | Overflow, R>): Effect.Effect<A, E | Overflow, R> => {
    const within = (size: number): Effect.Effect<A, E | Overflow, R> =>
      Effect.provideService(self, ReferralBuffer, size).pipe(
        Effect.catchIf(
          (error): error is Overflow => isTagged(error, "Overflow") && size < largest,
          () => within(Math.min(size * 2, largest))
        )
      ) as Effect.Effect<A, E | Overflow, R>
    return Effect.flatMap(ReferralBuffer, (size) => within(Math.max(1, size)))
  }
}

/**
 * Handles `NotDfsCapable` by going on without DFS.
 *
 * @category policies
 * @since 0.1.0
 */
export const fallback = <B, E2, R2>(plain: (error: NotDfsCapable) => Effect.Effect<B, E2, R2>) =>
<A, E, R>(
  self: Effect.Effect<A, E | NotDfsCapable, R>
): Effect.Effect<A | B, Exclude<E, NotDfsCapable> | E2, R | R2> =>
  Effect.catchIf(
    self,
    (error): error is NotDfsCapable => isTagged(error, "NotDfsCapable"),
    plain
  ) as Effect.Effect<A | B, Exclude<E, NotDfsCapable> | E2, R | R2>

const isTagged = (error: unknown, tag: string): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === tag
