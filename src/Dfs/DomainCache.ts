/**
 * The known domains: their names, and which controllers answer for them (MS-DFSC 3.1.1, BootstrapDC and DomainCache).
 *
 * Pure, as `ReferralCache` is: every change gives a new cache, and the clock is an argument in milliseconds. Names that
 * are known to be no domain are kept too, so that no controller is asked about them twice. `DfsResolution` decides
 * which controller to ask, and when.
 */
import * as Result from "effect/Result"
import { Malformed } from "../Protocol/DfsError.ts"
import * as DfsPath from "./DfsPath.ts"
import { isNameList, type ReferralResponse } from "./ReferralResponse.ts"

/**
 * A first component of paths: a domain with its controllers (an empty list if they have not been asked for), or a host.
 *
 * @category models
 * @since 0.1.0
 */
export interface Domain {
  readonly name: string
  readonly kind: "domain" | "host"
  readonly controllers: ReadonlyArray<string>
  /** Index of the controller that answered last. */
  readonly hint: number
  /** Milliseconds; at this time it is no longer valid. */
  readonly expiresAt: number
}

/**
 * At most `capacity` learned names, and all names that the caller gave.
 *
 * @category models
 * @since 0.1.0
 */
export interface DomainCache {
  readonly capacity: number
  /** Controllers that know the domains: BootstrapDC first, then those to ask in its place. */
  readonly bootstrap: ReadonlyArray<string>
  /** The domain that the bootstrap controllers were learned from; undefined if the caller gave them, for good. */
  readonly bootstrapOf: string | undefined
  /** The time in milliseconds at which the bootstrap controller's list of domains expires. */
  readonly listedUntil: number
  readonly entries: ReadonlyMap<string, Domain>
}

/**
 * Controllers by the name of their domain: NetBIOS or DNS.
 *
 * @since 0.1.0
 */
export interface Controllers {
  readonly [domain: string]: ReadonlyArray<string>
}

/**
 * A cache that keeps the given controllers for good.
 *
 * @since 0.1.0
 */
export const make = (
  options?: { readonly controllers?: Controllers | undefined; readonly capacity?: number | undefined }
): DomainCache => {
  const given = Object.entries(options?.controllers ?? {}).filter(([, controllers]) => controllers.length > 0)
  return {
    capacity: Math.max(1, options?.capacity ?? 256),
    bootstrap: given[0]?.[1] ?? [],
    bootstrapOf: undefined,
    listedUntil: 0,
    entries: new Map(given.map(([name, controllers]) => [
      DfsPath.fold(name),
      { name, kind: "domain", controllers, hint: 0, expiresAt: Number.POSITIVE_INFINITY }
    ]))
  }
}

/**
 * The valid entry of a name.
 *
 * @since 0.1.0
 */
export const get = (cache: DomainCache, name: string, now: number): Domain | undefined => {
  const found = cache.entries.get(DfsPath.fold(name))
  return found === undefined || now >= found.expiresAt ? undefined : found
}

/**
 * Is it known to be a domain?
 *
 * @since 0.1.0
 */
export const isDomain = (cache: DomainCache, name: string, now: number): boolean =>
  get(cache, name, now)?.kind === "domain"

const put = (cache: DomainCache, changes: ReadonlyArray<Domain>, now: number): DomainCache => {
  const entries = new Map(cache.entries)
  for (const change of changes) {
    const key = DfsPath.fold(change.name)
    // Given entries are not forgotten.
    if (entries.get(key)?.expiresAt === Number.POSITIVE_INFINITY) continue
    entries.delete(key)
    entries.set(key, change)
  }
  const goes = (test: (entry: Domain) => boolean): void => {
    for (const [key, entry] of entries) {
      if (entries.size <= cache.capacity) return
      if (entry.expiresAt !== Number.POSITIVE_INFINITY && test(entry)) entries.delete(key)
    }
  }
  goes((entry) => now >= entry.expiresAt)
  goes(() => true)
  return { ...cache, entries }
}

/**
 * The names of a domain referral: each can be asked for its controllers.
 *
 * @since 0.1.0
 */
export const setNames = (
  cache: DomainCache,
  names: ReadonlyArray<string>,
  expiresAt: number,
  now: number
): DomainCache => {
  const fresh = names.filter((name) => !isDomain(cache, name, now))
  const added = put(
    cache,
    fresh.map((name) => ({ name, kind: "domain", controllers: [], hint: 0, expiresAt })),
    now
  )
  return { ...added, listedUntil: expiresAt }
}

/**
 * The list of domains was not available: not again before `until`.
 *
 * @since 0.1.0
 */
export const setUnlisted = (cache: DomainCache, until: number): DomainCache => ({ ...cache, listedUntil: until })

/**
 * The controllers of a domain. The first controllers that are learned become BootstrapDC, and so do later ones of the
 * same domain. An empty list: they are asked for again.
 *
 * @since 0.1.0
 */
export const setControllers = (
  cache: DomainCache,
  name: string,
  controllers: ReadonlyArray<string>,
  expiresAt: number,
  now: number
): DomainCache => {
  const changed = put(cache, [{ name, kind: "domain", controllers, hint: 0, expiresAt }], now)
  const key = DfsPath.fold(name)
  return controllers.length > 0 && (cache.bootstrap.length === 0 || cache.bootstrapOf === key)
    ? { ...changed, bootstrap: controllers, bootstrapOf: key }
    : changed
}

/**
 * A name that is no domain's.
 *
 * @since 0.1.0
 */
export const setHost = (cache: DomainCache, name: string, expiresAt: number, now: number): DomainCache =>
  put(cache, [{ name, kind: "host", controllers: [], hint: 0, expiresAt }], now)

/**
 * The controller that answered.
 *
 * @since 0.1.0
 */
export const setHint = (cache: DomainCache, name: string, controller: string): DomainCache => {
  const key = DfsPath.fold(name)
  const entry = cache.entries.get(key)
  const hint = entry?.controllers.findIndex((one) => DfsPath.fold(one) === DfsPath.fold(controller)) ?? -1
  if (entry === undefined || hint < 0 || hint === entry.hint) return cache
  return { ...cache, entries: new Map(cache.entries).set(key, { ...entry, hint }) }
}

/**
 * A domain's controllers in the order in which to ask them: the hint, then the others as given.
 *
 * @since 0.1.0
 */
export const controllersOf = (domain: Domain): ReadonlyArray<string> => {
  const hint = domain.controllers[domain.hint]
  return hint === undefined
    ? domain.controllers
    : [hint, ...domain.controllers.filter((_, i) => i !== domain.hint)]
}

/**
 * The longest domain that a server's DNS name ends in or equals.
 *
 * @since 0.1.0
 */
export const domainOf = (cache: DomainCache, server: string, now: number): string | undefined => {
  const folded = DfsPath.fold(server)
  let best: Domain | undefined
  for (const entry of cache.entries.values()) {
    if (entry.kind !== "domain" || now >= entry.expiresAt) continue
    const name = DfsPath.fold(entry.name)
    const within = folded === name || folded.endsWith(`.${name}`) ||
      entry.controllers.some((one) => DfsPath.fold(one) === folded)
    if (within && (best === undefined || entry.name.length > best.name.length)) best = entry
  }
  return best?.name
}

/** The one component of a special or expanded name. */
const oneName = (text: string | undefined): string | undefined => {
  const path = DfsPath.fromString(text ?? "")
  return path.length === 1 && DfsPath.isName(path[0]!) ? path[0] : undefined
}

const structure = "RESP_GET_DFS_REFERRAL"

/** The content of a name list: names, and for how many seconds they hold. */
interface Names {
  readonly names: ReadonlyArray<string>
  readonly timeToLive: number
}

/**
 * The names in a response to a domain referral (MS-DFSC 3.1.5.4.1). Fails with `Malformed` if it is no name list.
 *
 * @category conversions
 * @since 0.1.0
 */
export const namesFromResponse = (response: ReferralResponse, server: string): Result.Result<Names, Malformed> => {
  const names: Array<string> = []
  let timeToLive = Number.POSITIVE_INFINITY
  for (const entry of response.referralEntries) {
    const name = isNameList(entry) ? oneName(entry.specialName) : undefined
    if (!isNameList(entry) || name === undefined) {
      return Result.fail(new Malformed({ structure, offset: 8, expected: "a list of domains' names", server }))
    }
    names.push(name)
    timeToLive = Math.min(timeToLive, entry.timeToLive)
  }
  return Result.succeed({ names, timeToLive: names.length === 0 ? 0 : timeToLive })
}

/**
 * The controllers in a response to a DC referral (MS-DFSC 3.1.5.4.2): exactly one name list with at least one
 * controller. Fails with `Malformed` otherwise.
 *
 * @category conversions
 * @since 0.1.0
 */
export const controllersFromResponse = (
  response: ReferralResponse,
  server: string
): Result.Result<Names, Malformed> => {
  const [entry, ...more] = response.referralEntries
  if (entry === undefined || more.length > 0 || !isNameList(entry)) {
    const expected = "one name list with a domain's controllers"
    return Result.fail(new Malformed({ structure, offset: 2, expected, server }))
  }
  const names = entry.expandedNames.map(oneName).filter((name) => name !== undefined)
  return names.length === 0
    ? Result.fail(new Malformed({ structure, offset: 8, expected: "the name of a domain controller", server }))
    : Result.succeed({ names, timeToLive: entry.timeToLive })
}
