/** Renews referrals in the background before they expire, while the old ones are still used. For `DfsResolver` alone. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as DfsMetrics from "../DfsMetrics.ts"
import * as DfsPath from "../DfsPath.ts"
import * as DfsResolution from "../DfsResolution.ts"
import * as DfsTrace from "../DfsTrace.ts"
import { probe } from "./CachedResolution.ts"
import * as ResolutionLoop from "./ResolutionLoop.ts"

/**
 * The function that renews the referral of a prefix in `scope`, at most one request at a time for each prefix. After a
 * renewal, successful or not, it does not ask for the same prefix again for `pause` milliseconds from `now` on.
 *
 * @category constructors
 */
export const make = (
  context: Omit<ResolutionLoop.LoopContext, "onDue">,
  scope: Scope.Scope,
  pause: number
): ResolutionLoop.LoopContext["onDue"] => {
  /** Prefixes whose referral is being renewed, or could not be renewed lately: not again before this time. */
  const notBefore = new Map<string, number>()
  const renew: ResolutionLoop.LoopContext["onDue"] = (prefix, now) =>
    Effect.suspend(() => {
      const key = DfsPath.key(prefix)
      if (now < (notBefore.get(key) ?? 0)) return Effect.void
      for (const [old, until] of notBefore) if (until <= now) notBefore.delete(old)
      notBefore.set(key, Number.POSITIVE_INFINITY)
      return ResolutionLoop.run<void, never, never>(
        { ...context, onDue: renew },
        DfsResolution.start(prefix, { renew: true }),
        { attempt: () => Effect.succeed({ event: probe }), connect: ResolutionLoop.takeFirst }
      ).pipe(
        Effect.andThen(Metric.update(DfsMetrics.refreshes, 1)),
        Effect.ignore,
        Effect.ensuring(Effect.sync(() => notBefore.set(key, now + pause))),
        Effect.provideService(DfsTrace.TraceListener, undefined),
        Effect.forkIn(scope),
        Effect.asVoid
      )
    })
  return renew
}
