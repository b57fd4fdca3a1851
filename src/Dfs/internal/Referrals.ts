/**
 * Steps 6, 7, 8 and 9 of MS-DFSC 3.1.4.1: what root and link referrals say, and what their absence means. For
 * `DfsResolution` alone.
 */
import * as Result from "effect/Result"
import { NtStatus } from "../../Codec/NtStatusCode.ts"
import { at, NamespaceNotFound, type ReferralError, ReferralRefused } from "../../Protocol/DfsError.ts"
import * as DfsPath from "../DfsPath.ts"
import type { ReferralKind } from "../DfsStep.ts"
import * as DomainCache from "../DomainCache.ts"
import * as ReferralCache from "../ReferralCache.ts"
import type { ReferralResponse } from "../ReferralResponse.ts"
import * as TargetHealth from "../TargetHealth.ts"
import { rootRequest } from "./RootRequest.ts"
import { replaced, targetOf } from "./TargetOrder.ts"
import {
  answered,
  askCommand,
  type Asked,
  type EntryInUse,
  fail,
  go,
  mayBePlain,
  refused,
  type State,
  type Step,
  type Why,
  type Work
} from "./Transitions.ts"

const learned = (step: number, kind: ReferralKind, entry: ReferralCache.CachedReferral, work: Work): void => {
  const targets = entry.targets.map((one) => DfsPath.toString(one.path))
  const { expiresAt, interlink, prefix } = entry
  answered({ step, kind, prefix: DfsPath.toString(prefix), targets, expiresAt, interlink }, work)
}

const absenceOf = (error: ReferralError, work: Work): ReferralCache.Absence => ({
  error,
  expiresAt: work.now + work.options.ttl.negative * 1000
})

/** Step 6 (10 for SYSVOL), and on to step 7. */
export const rootAnswered = <E>(
  state: State<E>,
  lenient: boolean,
  asked: Asked | undefined,
  response: ReferralResponse,
  work: Work
): Step<E> => {
  const path = state.path.slice(0, 2)
  const { kind, server, step } = rootRequest(state, asked)
  const read = ReferralCache.fromResponse(response, {
    asked: path,
    server,
    prefixOf: () => path,
    now: work.now,
    ttl: work.options.ttl,
    refreshAhead: work.options.refreshAhead
  })
  if (Result.isFailure(read)) return rootRefused(state, lenient, asked, read.failure, work)
  // A server that names the path as its own target keeps a root, even if the referral calls it a link.
  const own = read.success.targets.some((one) => DfsPath.key(one.path) === DfsPath.key(path))
  const entry: ReferralCache.CachedReferral = kind === "sysvol"
    ? { ...read.success, kind: "link", interlink: false, sysvol: true }
    : own
    ? { ...read.success, kind: "root", interlink: false, targets: kept(read.success.targets, asked, server) }
    : withDomains(read.success, work)
  const domains = asked === undefined ? work.domains : DomainCache.setHint(work.domains, asked.domain, server)
  const health = TargetHealth.worked(work.health, [server])
  const cache = ReferralCache.insert(work.cache, entry, work.now)
  learned(step, kind, entry, work)
  return work.steps.use(state, ReferralCache.get(cache, entry.prefix) ?? entry, { ...work, cache, domains, health })
}

/**
 * Samba's controllers name the domain itself as the target of a root that they keep: any controller. The controller
 * that said so certainly keeps the root, and comes first. Each target has a name by which Kerberos knows the
 * controller.
 */
const kept = (
  targets: ReferralCache.CachedReferral["targets"],
  asked: Asked | undefined,
  server: string
): ReferralCache.CachedReferral["targets"] =>
  asked === undefined ? targets : targets.flatMap((one) => {
    if (DfsPath.fold(one.path[0]!) !== DfsPath.fold(asked.domain)) return [one]
    const others = asked.controllers.filter((other) => DfsPath.fold(other) !== DfsPath.fold(server))
    const at = (controller: string, setBoundary: boolean) => ({
      ...one,
      path: [controller, ...one.path.slice(1)],
      setBoundary
    })
    return [at(server, one.setBoundary), ...others.map((other) => at(other, false))]
  })

/** A link whose only target begins with a domain leads into its namespace (3.1.5.4.5). */
const withDomains = (entry: ReferralCache.CachedReferral, work: Work): ReferralCache.CachedReferral =>
  entry.kind === "link" && entry.targets.length === 1 &&
    DomainCache.isDomain(work.domains, entry.targets[0]!.path[0]!, work.now)
    ? { ...entry, interlink: true }
    : entry

/** Step 6 has failed: go to step 12, or to step 13 for a domain. */
export const rootRefused = <E>(
  state: State<E>,
  lenient: boolean,
  asked: Asked | undefined,
  error: ReferralError,
  work: Work
): Step<E> => {
  const { kind, server, step } = rootRequest(state, asked)
  refused(step, server, kind, error, work)
  const path = state.path.slice(0, error._tag === "NotDfsCapable" && asked === undefined ? 1 : 2)
  const absent = (): Work => ({
    ...work,
    cache: ReferralCache.insertAbsence(work.cache, path, absenceOf(error, work), work.now)
  })
  switch (error._tag) {
    case "NotDfsCapable":
      return work.steps.notDfs(state, lenient, error, absent())
    case "ReferralRefused":
      // One controller without an answer does not speak for the whole domain.
      if (asked !== undefined && asked.position + 1 < asked.controllers.length) {
        return work.steps.askNextController(state, lenient, asked, work)
      }
      return missing(state, lenient, asked, error, work, absent)
    case "NamespaceNotFound":
      return missing(state, lenient, asked, error, work, absent)
    // The server that responds so may have no DFS.
    case "Malformed":
    case "Unsupported":
    case "Overflow":
      return mayBePlain(state, lenient, asked, work)
        ? work.steps.notDfs(state, lenient, at(error, { path: DfsPath.toString(state.original), step }), absent())
        : fail(state, step, error, work)
  }
}

/** No such root exists. In a domain that is the end (13), but a domain's name can also be a host's. */
const missing = <E>(
  state: State<E>,
  lenient: boolean,
  asked: Asked | undefined,
  error: ReferralError,
  work: Work,
  absent: () => Work
): Step<E> =>
  asked !== undefined && !lenient && work.options.mode === "strict"
    ? work.steps.giveUp(state, 13, work, error)
    : work.steps.notDfs(state, lenient, error, absent())

/** Asks the root's target, in its own name, for the link that the path crosses. */
export const askLink = <E>(state: State<E>, inUse: EntryInUse, step: 8 | 9, why: Why<E>, work: Work): Step<E> => {
  const path = DfsPath.toRequest(replaced(state, inUse))
  const command = askCommand(state, step, targetOf(inUse).path[0]!, path, "link", work)
  return go(state, { _tag: "AskingLink", inUse: { ...inUse, asked: true }, why }, command, work)
}

const stepOf = <E>(why: Why<E>): 8 | 9 => (why._tag === "Refreshing" ? 9 : 8)

export const linkAnswered = <E>(
  state: State<E>,
  inUse: EntryInUse,
  why: Why<E>,
  response: ReferralResponse,
  work: Work
): Step<E> => {
  const to = targetOf(inUse).path
  const read = ReferralCache.fromResponse(response, {
    asked: replaced(state, inUse),
    server: to[0]!,
    prefixOf: (consumed) => state.path.slice(0, inUse.entry.prefix.length + Math.max(0, consumed - to.length)),
    now: work.now,
    ttl: work.options.ttl,
    refreshAhead: work.options.refreshAhead
  })
  if (Result.isFailure(read)) return linkRefused(state, inUse, why, read.failure, work)
  // The referral is for the root itself: no link lies on the way.
  if (read.success.prefix.length <= inUse.entry.prefix.length) return noLink(state, inUse, why, undefined, work)
  const link = withDomains({ ...read.success, kind: "link" }, work)
  const cache = ReferralCache.insert(work.cache, link, work.now)
  learned(stepOf(why), "link", link, work)
  return work.steps.use(state, ReferralCache.get(cache, link.prefix) ?? link, { ...work, cache })
}

export const linkRefused = <E>(
  state: State<E>,
  inUse: EntryInUse,
  why: Why<E>,
  error: ReferralError,
  work: Work
): Step<E> => {
  refused(stepOf(why), targetOf(inUse).path[0]!, "link", error, work)
  switch (error._tag) {
    case "NotDfsCapable":
    case "NamespaceNotFound":
    case "ReferralRefused":
      return noLink(state, inUse, why, error, work)
    case "Malformed":
    case "Unsupported":
    case "Overflow":
      return fail(state, stepOf(why), error, work)
  }
}

const noTarget = <E>(state: State<E>, inUse: EntryInUse): ReferralRefused =>
  new ReferralRefused({
    server: targetOf(inUse).path[0]!,
    path: DfsPath.toRequest(replaced(state, inUse)),
    status: NtStatus.STATUS_OBJECT_PATH_NOT_FOUND
  })

const noLink = <E>(
  state: State<E>,
  inUse: EntryInUse,
  why: Why<E>,
  error: ReferralError | undefined,
  work: Work
): Step<E> => {
  switch (why._tag) {
    case "Crossed":
      // The server says that a link lies on the way, and then that no link exists.
      return fail(state, 14, error ?? noTarget(state, inUse), work)
    case "Missing":
      return fail(state, 14, why.error, absent(state, error, work))
    case "Probing":
      return work.steps.attempt(state, inUse, true, absent(state, error, work))
    case "Refreshing":
      // The link is gone from the namespace; the root knows what the path names now.
      return work.steps.attempt(state, inUse, false, { ...work, cache: ReferralCache.remove(work.cache, why.link) })
  }
}

/** For a while, no server is asked again whether a link lies on this way. */
const absent = <E>(state: State<E>, error: ReferralError | undefined, work: Work): Work => {
  const said = error ?? new NamespaceNotFound({
    server: state.path[0]!,
    path: DfsPath.toRequest(state.path),
    status: NtStatus.STATUS_NOT_FOUND
  })
  return { ...work, cache: ReferralCache.insertAbsence(work.cache, state.path, absenceOf(said, work), work.now) }
}
