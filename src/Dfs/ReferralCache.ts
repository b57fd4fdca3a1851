/**
 * The referrals that were learned: which targets stand for which prefix, until when, and which target works (MS-DFSC
 * 3.1.1, ReferralCache).
 *
 * Pure: every change gives a new cache and leaves the old one unchanged. The clock is an argument, in milliseconds.
 * Look-ups take the longest prefix by whole components, without regard to case. The size is limited: expired entries
 * are dropped first, then the oldest. The absence of a referral is remembered too, for a shorter time. `DfsResolution`
 * decides which entry to use, and when to ask again.
 */
import * as Result from "effect/Result"
import { NtStatus } from "../Codec/NtStatusCode.ts"
import { Malformed, type NoReferral, ReferralRefused } from "../Protocol/DfsError.ts"
import * as DfsPath from "./DfsPath.ts"
import {
  isNameList,
  ReferralEntryFlags,
  ReferralHeaderFlags,
  type ReferralResponse,
  ServerType
} from "./ReferralResponse.ts"

/**
 * One target of a prefix. `setBoundary` says that a new target set begins with it; the first target always does.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReferralTarget {
  readonly path: DfsPath.DfsPath
  readonly setBoundary: boolean
}

/**
 * The referral of one prefix.
 *
 * @category models
 * @since 0.1.0
 */
export interface CachedReferral {
  readonly prefix: DfsPath.DfsPath
  readonly kind: "root" | "link"
  /** The targets hold SYSVOL or NETLOGON of a domain: no namespace goes on below them. */
  readonly sysvol?: boolean | undefined
  /** The targets are themselves names in another namespace. */
  readonly interlink: boolean
  /** Go back to an earlier target set once it answers again. */
  readonly targetFailback: boolean
  /** The time in milliseconds at which it expires. */
  readonly expiresAt: number
  /** The time in milliseconds from which it should be renewed, while it is still used. */
  readonly refreshAt: number
  /** At least one. */
  readonly targets: ReadonlyArray<ReferralTarget>
  /** Index of the target that worked last; 0 before any has worked. */
  readonly hint: number
  /** The target of the hint has worked, and is not only the first of the list. */
  readonly confirmed?: boolean | undefined
}

/**
 * A path without a referral, the reason, and the time in milliseconds until which that is believed.
 *
 * @since 0.1.0
 */
export interface Absence {
  readonly error: NoReferral
  readonly expiresAt: number
}

/**
 * At most `capacity` prefixes, oldest first.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReferralCache {
  readonly capacity: number
  readonly entries: ReadonlyMap<string, CachedReferral>
  /** Paths without a referral, at most `capacity`. */
  readonly absences: ReadonlyMap<string, Absence>
  /** How many entries were dropped before they expired. */
  readonly evictions: number
}

/**
 * Limits for the time to live that a server states, in seconds.
 *
 * @since 0.1.0
 */
export interface TtlBounds {
  readonly minimum: number
  readonly maximum: number
}

/** Version 1 has no time to live: this is Windows' default. */
const defaultTimeToLive = 300

/** The most components of a prefix: a look-up tries no longer prefixes. */
const deepest = 64

/**
 * An empty cache for at most `capacity` prefixes (default: 512).
 *
 * @since 0.1.0
 */
export const make = (options?: { readonly capacity?: number | undefined }): ReferralCache => ({
  capacity: Math.max(1, options?.capacity ?? 512),
  entries: new Map(),
  absences: new Map(),
  evictions: 0
})

/**
 * Is it too old to be used?
 *
 * @since 0.1.0
 */
export const isExpired = (entry: CachedReferral, now: number): boolean => now >= entry.expiresAt

/**
 * The entry with the longest prefix of `path`, expired or not.
 *
 * @category look-up
 * @since 0.1.0
 */
export const lookup = (cache: ReferralCache, path: DfsPath.DfsPath): CachedReferral | undefined => {
  if (cache.entries.size === 0) return undefined
  let found: CachedReferral | undefined
  let key = ""
  for (let i = 0; i < path.length && i < deepest; i++) {
    key = i === 0 ? DfsPath.fold(path[i]!) : `${key}\\${DfsPath.fold(path[i]!)}`
    found = cache.entries.get(key) ?? found
  }
  return found
}

/**
 * The entry of exactly this prefix.
 *
 * @since 0.1.0
 */
export const get = (cache: ReferralCache, prefix: DfsPath.DfsPath): CachedReferral | undefined =>
  cache.entries.get(DfsPath.key(prefix))

/**
 * Remembers an entry, in place of an earlier entry of its prefix. An entry that has expired is not kept.
 *
 * @category changes
 * @since 0.1.0
 */
export const insert = (cache: ReferralCache, entry: CachedReferral, now: number): ReferralCache => {
  const entries = new Map(cache.entries)
  const key = DfsPath.key(entry.prefix)
  const before = entries.get(key)
  entries.delete(key)
  if (!isExpired(entry, now) && entry.prefix.length <= deepest) entries.set(key, inheriting(entry, before))
  if (entries.size > cache.capacity) {
    for (const [old, value] of entries) if (isExpired(value, now)) entries.delete(old)
  }
  let { evictions } = cache
  for (const old of entries.keys()) {
    if (entries.size <= cache.capacity) break
    entries.delete(old)
    evictions++
  }
  return { ...cache, entries, evictions, absences: without(cache.absences, key) }
}

/** Keeps the hint of the earlier entry, if that is still one of the targets. */
const inheriting = (entry: CachedReferral, before: CachedReferral | undefined): CachedReferral => {
  if (before?.confirmed !== true) return entry
  const known = DfsPath.key(before.targets[before.hint]!.path)
  const hint = entry.targets.findIndex((one) => DfsPath.key(one.path) === known)
  return hint < 0 ? entry : { ...entry, hint, confirmed: true }
}

const without = <A>(map: ReadonlyMap<string, A>, key: string): ReadonlyMap<string, A> => {
  if (!map.has(key)) return map
  const changed = new Map(map)
  changed.delete(key)
  return changed
}

/**
 * Why exactly this path has no referral, if that is known.
 *
 * @since 0.1.0
 */
export const absence = (cache: ReferralCache, path: DfsPath.DfsPath, now: number): Absence | undefined => {
  if (cache.absences.size === 0) return undefined
  const found = cache.absences.get(DfsPath.key(path))
  return found === undefined || now >= found.expiresAt ? undefined : found
}

/**
 * Remembers that a path has no referral.
 *
 * @since 0.1.0
 */
export const insertAbsence = (
  cache: ReferralCache,
  path: DfsPath.DfsPath,
  absence: Absence,
  now: number
): ReferralCache => {
  if (now >= absence.expiresAt || path.length > deepest) return cache
  const absences = new Map(cache.absences)
  const key = DfsPath.key(path)
  absences.delete(key)
  absences.set(key, absence)
  for (const [old, value] of absences) if (now >= value.expiresAt) absences.delete(old)
  for (const old of absences.keys()) {
    if (absences.size <= cache.capacity) break
    absences.delete(old)
  }
  return { ...cache, absences }
}

/**
 * Forgets that exactly this path has no referral.
 *
 * @since 0.1.0
 */
export const removeAbsence = (cache: ReferralCache, path: DfsPath.DfsPath): ReferralCache => ({
  ...cache,
  absences: without(cache.absences, DfsPath.key(path))
})

const update = (
  cache: ReferralCache,
  prefix: DfsPath.DfsPath,
  change: (entry: CachedReferral) => CachedReferral
): ReferralCache => {
  const key = DfsPath.key(prefix)
  const entry = cache.entries.get(key)
  if (entry === undefined) return cache
  const changed = change(entry)
  return changed === entry ? cache : { ...cache, entries: new Map(cache.entries).set(key, changed) }
}

/**
 * Remembers the target that worked, if the prefix still has it.
 *
 * @since 0.1.0
 */
export const setHint = (cache: ReferralCache, prefix: DfsPath.DfsPath, target: DfsPath.DfsPath): ReferralCache => {
  const wanted = DfsPath.key(target)
  return update(cache, prefix, (entry) => {
    if (entry.confirmed === true && DfsPath.key(entry.targets[entry.hint]!.path) === wanted) return entry
    const hint = entry.targets.findIndex((one) => DfsPath.key(one.path) === wanted)
    return hint < 0 ? entry : { ...entry, hint, confirmed: true }
  })
}

/**
 * Remembers that a link leads into another namespace, although its referral did not say so.
 *
 * @since 0.1.0
 */
export const setInterlink = (cache: ReferralCache, prefix: DfsPath.DfsPath): ReferralCache =>
  update(cache, prefix, (entry) => (entry.interlink ? entry : { ...entry, interlink: true }))

/**
 * Forgets a prefix.
 *
 * @since 0.1.0
 */
export const remove = (cache: ReferralCache, prefix: DfsPath.DfsPath): ReferralCache => {
  const entries = new Map(cache.entries)
  return entries.delete(DfsPath.key(prefix)) ? { ...cache, entries } : cache
}

/**
 * The target set that each target belongs to, counted from 0.
 *
 * @since 0.1.0
 */
export const targetSets = (entry: CachedReferral): ReadonlyArray<number> => {
  let set = -1
  return entry.targets.map((target, i) => (i === 0 || target.setBoundary ? ++set : set))
}

/**
 * The order in which to try an entry's targets, as indexes: the hint, the rest of its target set, then the others. With
 * TargetFailback the sets keep their own order, so that the client returns to an earlier set; the hint is then the
 * first of its set.
 *
 * @since 0.1.0
 */
export const targetOrder = (entry: CachedReferral): ReadonlyArray<number> => {
  if (entry.targets.length === 1) return onlyTarget
  const sets = targetSets(entry)
  const rank = (i: number) => {
    if (entry.targetFailback) return sets[i]! * 2 + (i === entry.hint ? 0 : 1)
    return i === entry.hint ? 0 : sets[i] === sets[entry.hint] ? 1 : 2
  }
  return entry.targets.map((_, i) => i).sort((a, b) => rank(a) - rank(b) || a - b)
}

const onlyTarget: ReadonlyArray<number> = [0]

/**
 * How many components of the requested path a PathConsumed covers. It counts bytes of `\server\share\rest` in UTF-16
 * (MS-DFSC 2.2.4). Some servers count one character more: the backslash that follows, a backslash at the end of the
 * request, or the terminator. This is not ambiguous, because the end of the next component is at least two characters
 * away.
 *
 * @since 0.1.0
 */
export const componentsConsumed = (asked: DfsPath.DfsPath, pathConsumed: number): number | undefined => {
  let end = 0
  for (let i = 0; i < asked.length; i++) {
    end += (1 + asked[i]!.length) * 2
    if (pathConsumed === end || pathConsumed === end + 2) return i + 1
  }
  return undefined
}

/**
 * The entry that a response to a root or link referral describes.
 *
 * `asked` is the path in the request. `prefixOf` turns a number of its components into the prefix in the caller's own
 * terms: a link is asked for by the name of its root target, and known by the name in its namespace. Fails with
 * `Malformed` if PathConsumed does not end at a component, or if no entry has a target of the form `\server\share`;
 * with `ReferralRefused` (STATUS_OBJECT_PATH_NOT_FOUND) if the response has no entries.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromResponse = (response: ReferralResponse, options: {
  readonly asked: DfsPath.DfsPath
  readonly server: string
  readonly prefixOf: (consumed: number) => DfsPath.DfsPath
  readonly now: number
  readonly ttl: TtlBounds
  /** The last part of its time to live in which it should be renewed. */
  readonly refreshAhead: number
}): Result.Result<CachedReferral, Malformed | ReferralRefused> => {
  const { asked, server } = options
  const malformed = (offset: number, expected: string) =>
    Result.fail(new Malformed({ structure: "RESP_GET_DFS_REFERRAL", offset, expected, server }))
  const { pathConsumed, referralEntries, referralHeaderFlags } = response
  const first = referralEntries[0]
  if (first === undefined) {
    return Result.fail(
      new ReferralRefused({ server, path: DfsPath.toRequest(asked), status: NtStatus.STATUS_OBJECT_PATH_NOT_FOUND })
    )
  }
  const consumed = componentsConsumed(asked, pathConsumed)
  if (consumed === undefined || consumed < 2) {
    return malformed(
      0,
      `PathConsumed at the end of a component of ${DfsPath.toRequest(asked)}, not ${pathConsumed} bytes`
    )
  }
  const targets: Array<ReferralTarget> = []
  let timeToLive = Number.POSITIVE_INFINITY
  // If the target with a boundary cannot be used, the next usable target has the boundary.
  let boundary = true
  for (const entry of referralEntries) {
    if (isNameList(entry)) return malformed(8, "targets of a root or link, not a name list")
    const path = DfsPath.fromString((entry.versionNumber === 1 ? entry.shareName : entry.networkAddress) ?? "")
    timeToLive = Math.min(timeToLive, entry.versionNumber === 1 ? defaultTimeToLive : entry.timeToLive)
    if (entry.versionNumber === 4 && (entry.referralEntryFlags & ReferralEntryFlags.TargetSetBoundary) !== 0) {
      boundary = true
    }
    if (!DfsPath.isTarget(path)) continue
    targets.push({ path, setBoundary: boundary })
    boundary = false
  }
  if (targets.length === 0) return malformed(8, "a target such as \\server\\share")
  const { ReferralServers, StorageServers, TargetFailback } = ReferralHeaderFlags
  const kind = first.serverType === ServerType.Root ? "root" : "link"
  const seconds = Math.min(Math.max(timeToLive, options.ttl.minimum), options.ttl.maximum)
  return Result.succeed({
    prefix: options.prefixOf(consumed),
    kind,
    interlink: kind === "link" && (referralHeaderFlags & (ReferralServers | StorageServers)) === ReferralServers,
    targetFailback: (referralHeaderFlags & TargetFailback) !== 0,
    expiresAt: options.now + seconds * 1000,
    refreshAt: options.now + seconds * 1000 * (1 - options.refreshAhead),
    targets,
    hint: 0
  })
}
