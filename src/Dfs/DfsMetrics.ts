/**
 * What is counted about DFS, all in this module: `effect/Metric`s that any exporter sees. No attribute has the name of
 * a path or of a server.
 *
 * The resolver counts; `ofNote` says what a step of a resolution counts as.
 */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { ReferralKind } from "./DfsStep.ts"
import type { Note } from "./DfsTrace.ts"

const counter = (name: string, description: string, attributes?: Record<string, string>): Metric.Counter<number> =>
  Metric.counter(`effect_smb_dfs_${name}`, {
    description,
    incremental: true,
    ...(attributes === undefined ? {} : { attributes })
  })

/** The counter of a kind. */
type ByKind = Record<ReferralKind, Metric.Counter<number>>

const byKind = (name: string, description: string, attributes: Record<string, string> = {}): ByKind => {
  const of = (kind: ReferralKind) => counter(name, description, { ...attributes, kind })
  return { domain: of("domain"), dc: of("dc"), root: of("root"), sysvol: of("sysvol"), link: of("link") }
}

/**
 * Requests for referrals that went out, by control code and kind.
 *
 * @since 0.1.0
 */
export const requests = {
  plain: byKind("referral_requests", "Referral requests that were sent", { code: "plain" }),
  ex: byKind("referral_requests", "Referral requests that were sent", { code: "ex" })
}
/**
 * Referrals in responses.
 *
 * @since 0.1.0
 */
export const successes = byKind("referral_successes", "Referrals that were given, by kind")
/**
 * Requests whose response was no referral.
 *
 * @since 0.1.0
 */
export const failures = byKind("referral_failures", "Referral requests without a referral, by kind")
/**
 * Responses that could not be read.
 *
 * @since 0.1.0
 */
export const malformed = counter("referral_malformed", "Referrals that could not be read")
/**
 * Buffers that were too small.
 *
 * @since 0.1.0
 */
export const overflows = counter("referral_overflows", "Referrals that did not fit into the buffer")
/**
 * Responses or control codes that are not known.
 *
 * @since 0.1.0
 */
export const unsupported = counter("referral_unsupported", "Referrals of an unknown kind")
/**
 * Servers that do not do DFS.
 *
 * @since 0.1.0
 */
export const notCapable = counter("referral_not_capable", "Referral requests to servers without DFS")
/**
 * Look-ups that the cache answered.
 *
 * @since 0.1.0
 */
export const cacheHits = counter("cache_hits", "Lookups that the referral cache answered")
/**
 * Look-ups that it did not.
 *
 * @since 0.1.0
 */
export const cacheMisses = counter("cache_misses", "Lookups that the referral cache did not answer")
/**
 * Entries that were dropped before they expired.
 *
 * @since 0.1.0
 */
export const cacheEvictions = counter("cache_evictions", "Referrals that were dropped before their time")
/**
 * Referrals that were asked for again before they expired.
 *
 * @since 0.1.0
 */
export const refreshes = counter("cache_refreshes", "Referrals that were renewed before they expired")
/**
 * Changes to a later target.
 *
 * @since 0.1.0
 */
export const failovers = counter("failovers", "Changes to another target")
/**
 * Changes back to an earlier one.
 *
 * @since 0.1.0
 */
export const failbacks = counter("failbacks", "Changes back to an earlier target")
/**
 * Milliseconds that the work at a target took, whether it succeeded or failed.
 *
 * @since 0.1.0
 */
export const targetLatency: Metric.Histogram<number> = Metric.histogram("effect_smb_dfs_target_latency_ms", {
  description: "Milliseconds that an attempt at a target took",
  attributes: { unit: "ms" },
  boundaries: Metric.exponentialBoundaries({ start: 1, factor: 2, count: 16 })
})

/**
 * Adds `by` to a counter, in a context.
 *
 * @since 0.1.0
 */
export const count = (metric: Metric.Counter<number>, context: Context.Context<never>, by = 1): void =>
  metric.updateUnsafe(by, context)

/**
 * What a step of a resolution counts as, if anything.
 *
 * @since 0.1.0
 */
export const ofNote = (note: Note): Metric.Counter<number> | undefined => {
  switch (note._tag) {
    case "CacheHit":
      return cacheHits
    case "CacheMiss":
      return cacheMisses
    case "Failover":
      return failovers
    case "Failback":
      return failbacks
    default:
      return undefined
  }
}

/**
 * What an error counts as, besides a failure.
 *
 * @since 0.1.0
 */
export const ofError = (tag: string): Metric.Counter<number> | undefined => {
  switch (tag) {
    case "Malformed":
      return malformed
    case "Overflow":
      return overflows
    case "Unsupported":
      return unsupported
    case "NotDfsCapable":
      return notCapable
    default:
      return undefined
  }
}
