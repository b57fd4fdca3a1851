/**
 * Steps 1, 2, 9, 12, 13 and 14 of MS-DFSC 3.1.4.1: whether a path is in a namespace, which entry knows it, and what it
 * means if no entry does. For `DfsResolution` alone.
 */
import { at, type NoReferral, type ReferralError } from "../../Protocol/DfsError.ts"
import * as DfsPath from "../DfsPath.ts"
import type { Command, Event } from "../DfsStep.ts"
import * as ReferralCache from "../ReferralCache.ts"
import * as TargetHealth from "../TargetHealth.ts"
import { entryInUse } from "./TargetOrder.ts"
import {
  done,
  fail,
  failed,
  go,
  loop,
  mayBePlain,
  noTargetLeft,
  secondsLeft,
  type State,
  type Step,
  toTarget,
  toUnc,
  type Work
} from "./Transitions.ts"

/** Step 1. A path of one component, or to IPC$, is in no namespace. */
export const begin = <E>(state: State<E>, work: Work): Step<E> => {
  if (state.path.length < 2 || DfsPath.fold(state.path[1]!) === "IPC$") {
    return plain(state, false, "there is no share that could be one", work)
  }
  const lazily = work.options.probe === "lazily" && state.renew === undefined
  if (lazily && ReferralCache.lookup(work.cache, state.path) === undefined) return tryPlain(state, true, work)
  return locate(state, false, work)
}

/** Step 2. The entry with the longest prefix. `lenient`: the path is only suspected to be in a namespace. */
export const locate = <E>(state: State<E>, lenient: boolean, work: Work): Step<E> => {
  const { cache, now, options } = work
  if (state.visited.length > 0) {
    const here = DfsPath.key(state.path)
    if (state.visited.length > options.limits.hops || state.visited.some((path) => DfsPath.key(path) === here)) {
      return fail(state, 11, loop(state, 11), work)
    }
  }
  const entry = ReferralCache.lookup(cache, state.path)
  const renewing = entry !== undefined && DfsPath.key(entry.prefix) === state.renew
  if (entry !== undefined && !renewing && !ReferralCache.isExpired(entry, now)) {
    work.notes.push({
      _tag: "CacheHit",
      step: 2,
      path: DfsPath.toString(state.path),
      prefix: DfsPath.toString(entry.prefix),
      kind: entry.kind,
      timeToLive: secondsLeft(entry.expiresAt, work)
    })
    return work.steps.use(now < entry.refreshAt ? state : { ...state, due: entry.prefix }, entry, work)
  }
  const absent = state.renew === undefined ? knownAbsence(state, work) : undefined
  if (absent !== undefined && entry === undefined) return notDfs({ ...state, remembered: true }, lenient, absent, work)
  work.notes.push({
    _tag: "CacheMiss",
    step: 2,
    path: DfsPath.toString(state.path),
    ...(entry === undefined ? {} : { expired: DfsPath.toString(entry.prefix) })
  })
  if (entry?.kind === "link") {
    // Step 9: the root may still be known, and knows the current state of the link.
    const root = ReferralCache.lookup(cache, state.path.slice(0, 2))
    if (root?.kind === "root" && !ReferralCache.isExpired(root, now)) {
      const why = { _tag: "Refreshing", link: entry.prefix } as const
      return work.steps.askLink({ ...state, inNamespace: true }, entryInUse(root, work), 9, why, work)
    }
  }
  return work.steps.findServer(state, lenient, work)
}

const knownAbsence = <E>(state: State<E>, work: Work): NoReferral | undefined => {
  for (const length of [1, 2]) {
    const prefix = state.path.slice(0, length)
    const found = ReferralCache.absence(work.cache, prefix, work.now)
    if (found === undefined) continue
    work.notes.push({
      _tag: "CacheHit",
      step: 2,
      path: DfsPath.toString(state.path),
      prefix: DfsPath.toString(prefix),
      kind: "absent",
      timeToLive: secondsLeft(found.expiresAt, work)
    })
    return found.error
  }
  return undefined
}

/** The server that should know says that no such root exists: step 12, unless the path must be in a namespace. */
export const notDfs = <E>(state: State<E>, lenient: boolean, error: NoReferral, work: Work): Step<E> =>
  error._tag === "NotDfsCapable" && work.options.mode === "strict" && !lenient
    ? fail(state, 6, error, work)
    : plain({ ...state, refusal: error }, lenient, error.message, work)

/** Step 12: not DFS. */
export const plain = <E>(state: State<E>, lenient: boolean, reason: string, work: Work): Step<E> => {
  // A link's target that is only suspected to lead on is an ordinary target.
  if (!lenient) work.notes.push({ _tag: "NotDfs", step: 12, path: DfsPath.toString(state.path), reason })
  if (state.plainError === undefined) return tryPlain(state, false, work)
  return state.plainError.crossed
    ? crossed(state, state.plainError.error, work)
    : fail(state, 12, state.plainError.error, work)
}

/**
 * Plain SMB has met a link, so a namespace exists, and the server that was asked for its referral has said why it gives
 * none. A server without DFS has no such reason.
 */
const crossed = <E>(state: State<E>, error: E, work: Work): Step<E> => {
  const { refusal, remembered } = state
  if (refusal === undefined || refusal._tag === "NotDfsCapable") return fail(state, 12, error, work)
  if (refusal._tag !== "ReferralUnavailable" || !remembered) return fail(state, 14, refusal, work)
  // The server could not be asked some time ago. Now it may be reachable.
  const again = { ...state, plainError: { error, crossed: true }, refusal: undefined, remembered: false }
  return locate(again, false, {
    ...work,
    cache: ReferralCache.removeAbsence(work.cache, state.path.slice(0, 1))
  })
}

export const plainCommand = <E>(state: State<E>, work: Work): Command<E> => ({
  _tag: "Try",
  target: toTarget(state, state.path, work),
  of: "plain",
  settled: true,
  others: []
})

const tryPlain = <E>(state: State<E>, lazily: boolean, work: Work): Step<E> => {
  const command = plainCommand(state, work)
  work.notes.push({ _tag: "Trying", step: 12, target: DfsPath.toString(state.path), of: "plain" })
  return go(state, { _tag: "TryingPlain", lazily }, command, work)
}

/** The result of plain SMB. `lazily`: the server has not been asked for a referral yet. */
export const triedPlain = <E>(state: State<E>, lazily: boolean, event: Event<E>, work: Work): Step<E> | undefined => {
  const target = toTarget(state, state.path, work)
  switch (event._tag) {
    case "Probe":
      return lazily ? locate(state, false, work) : done(state, 12, target, work)
    case "Succeeded":
      return done(state, 12, target, work)
    case "PathNotCovered":
      return lazily
        ? locate({ ...state, plainError: { error: event.error, crossed: true } }, false, work)
        : crossed(state, event.error, work)
    case "TargetFailed":
    case "ServerFailed": {
      if (lazily) return locate({ ...state, plainError: { error: event.error, crossed: false } }, false, work)
      const after = markFailed(state, event._tag === "ServerFailed" ? "server" : "share", work)
      return giveUp(failed(state, 12, toUnc(target), event.error, event.reason, after), 12, after)
    }
    case "NotFound":
    case "Failed":
      return fail(state, 12, event.error, work)
    case "Lost":
      return fail(state, 12, event.error, markFailed(state, "server", work))
    default:
      return undefined
  }
}

/** In a namespace another target may exist, which comes first from now on. */
const markFailed = <E>(state: State<E>, what: "server" | "share", work: Work): Work =>
  state.inNamespace
    ? { ...work, health: TargetHealth.failed(work.health, state.path, what, work.now, work.options.breaker) }
    : work

/**
 * The host that the path names cannot be asked for a root. If it refused the user, plain SMB would fail in the same
 * way, and a wrong password is not tried twice. If only its IPC$ is of no use, that is remembered for long, because a
 * server that does not answer costs the whole timeout each time.
 */
export const hostUnreachable = <E>(
  state: State<E>,
  lenient: boolean,
  { error, reason, unavailable }: Extract<Event<E>, { readonly _tag: "Unreachable" }>,
  work: Work
): Step<E> => {
  if (unavailable !== undefined && mayBePlain(state, lenient, undefined, work)) {
    const { breaker, ttl } = work.options
    const expiresAt = work.now + Math.max(ttl.negative * 1000, breaker.longest)
    const host = state.path.slice(0, 1)
    const cache = ReferralCache.insertAbsence(work.cache, host, { error: unavailable, expiresAt }, work.now)
    const placed = at(unavailable, { path: DfsPath.toString(state.original), step: 6 })
    return notDfs(state, lenient, placed, { ...work, cache })
  }
  const after = markFailed(state, "server", work)
  if (state.plainError !== undefined) {
    return unavailable === undefined || !state.plainError.crossed
      ? fail(state, 12, state.plainError.error, after)
      : fail(state, 14, unavailable, after)
  }
  return giveUp(failed(state, 6, `\\\\${state.path[0]}`, error, reason, after), 6, after)
}

/** Steps 13 and 14: goes back to the last interlink with a target left, or ends. */
export const giveUp = <E>(state: State<E>, step: number, work: Work, error?: ReferralError): Step<E> => {
  const frame = state.frames.at(-1)
  if (frame !== undefined) {
    const back = { ...state, frames: state.frames.slice(0, -1), path: frame.path, visited: frame.visited }
    return work.steps.next(back, frame.inUse, work)
  }
  if (error !== undefined) return fail(state, step, error, work)
  // Outside of any namespace there is one server, and its error is the only one.
  if (!state.inNamespace && state.lastError !== undefined) return fail(state, step, state.lastError.error, work)
  return fail(state, 14, noTargetLeft(state, 14), work)
}
