/**
 * Steps 3, 4, 8 and 11 of MS-DFSC 3.1.4.1: the targets of an entry, which target is tried next, and its result. For
 * `DfsResolution` alone.
 */
import * as DfsPath from "../DfsPath.ts"
import type { Command, ConnectFailure, Event, Target } from "../DfsStep.ts"
import * as ReferralCache from "../ReferralCache.ts"
import * as TargetHealth from "../TargetHealth.ts"
import { entryInUse, replaced, targetOf } from "./TargetOrder.ts"
import {
  done,
  endsWithLink,
  type EntryInUse,
  fail,
  failed,
  go,
  namesBelowLink,
  type State,
  type Step,
  toTarget,
  toUnc,
  type Work
} from "./Transitions.ts"

const target = <E>(state: State<E>, inUse: EntryInUse, work: Work, position = inUse.position): Target => {
  const place = toTarget(state, replaced(state, inUse, position), work)
  const below = namesBelowLink(state.path, inUse)
  const named: Target = below === undefined ? place : { ...place, namesBelowLink: below }
  const to: Target = endsWithLink(state.path, inUse) ? { ...named, isLink: true } : named
  // Below a root the name on the wire is the name in the request. A root whose target lies deeper than its share has no
  // such name.
  return inUse.entry.kind === "root" && targetOf(inUse, position).path.length === inUse.entry.prefix.length
    ? { ...to, dfsName: { server: state.path[0]!, share: state.path[1]! } }
    : to
}

/** Step 4, and step 7: a valid entry. */
export const use = <E>(state: State<E>, entry: ReferralCache.CachedReferral, work: Work): Step<E> => {
  const found = { ...state, inNamespace: true }
  const inUse = entryInUse(entry, work)
  return state.renew !== undefined && DfsPath.key(entry.prefix) === state.renew
    ? done(found, 7, target(found, inUse, work), work)
    : attempt(found, inUse, false, work)
}

/** Step 11: the path goes on under the target's name. */
const follow = <E>(state: State<E>, inUse: EntryInUse, lenient: boolean, work: Work): Step<E> => {
  const path = replaced(state, inUse)
  if (!lenient) {
    work.notes.push({
      _tag: "Interlink",
      step: 11,
      from: DfsPath.toString(state.path),
      to: DfsPath.toString(path)
    })
  }
  return work.steps.locate(
    {
      ...state,
      frames: [...state.frames, { path: state.path, visited: state.visited, inUse }],
      visited: [...state.visited, state.path],
      path
    },
    lenient,
    work
  )
}

/** How many targets can be connected to at once: the next targets of one set. */
const racers = (inUse: EntryInUse, work: Work): number => {
  const { entry, order, position } = inUse
  if (work.options.connect !== "race" || inUse.connected || entry.targets.length === 1) return 1
  if (entry.confirmed === true && order[position] === entry.hint) return 1
  const sets = ReferralCache.targetSets(entry)
  let count = 1
  while (position + count < order.length && sets[order[position + count]!] === sets[order[position]!]) count++
  return count
}

export const attempt = <E>(state: State<E>, inUse: EntryInUse, settled: boolean, work: Work): Step<E> => {
  if (inUse.entry.interlink) return follow(state, inUse, false, work)
  const count = racers(inUse, work)
  if (count > 1) {
    const targets = Array.from({ length: count }, (_, i) => target(state, inUse, work, inUse.position + i))
    work.notes.push({ _tag: "Racing", step: 8, targets: targets.map(toUnc) })
    return go(state, { _tag: "Racing", inUse, count }, { _tag: "Connect", targets }, work)
  }
  const to = target(state, inUse, work)
  const command: Command<E> = {
    _tag: "Try",
    target: to,
    of: inUse.entry.kind,
    settled: settled || inUse.entry.sysvol === true,
    others: inUse.order.slice(inUse.position + 1).map((_, i) => target(state, inUse, work, inUse.position + 1 + i))
  }
  work.notes.push({ _tag: "Trying", step: 8, target: toUnc(to), of: inUse.entry.kind })
  const health = TargetHealth.probing(work.health, targetOf(inUse).path, work.now, work.options.breaker)
  return go(state, { _tag: "Trying", inUse, settled: command.settled }, command, { ...work, health })
}

/** The next target. If none is left, the entry is of no use, and the next resolution asks for the referral again. */
export const next = <E>(state: State<E>, inUse: EntryInUse, work: Work): Step<E> =>
  inUse.position + 1 < inUse.order.length
    ? attempt(state, { ...inUse, position: inUse.position + 1, asked: false, connected: false }, false, work)
    : work.steps.giveUp(
      state,
      14,
      state.renew === undefined ? { ...work, cache: ReferralCache.remove(work.cache, inUse.entry.prefix) } : work
    )

/** A target is of no use: its whole server, or only this share. */
export const unusable = <E>(
  state: State<E>,
  inUse: EntryInUse,
  position: number,
  failure: { readonly error: E; readonly reason: string; readonly what: "server" | "share" },
  work: Work
): readonly [State<E>, Work] => {
  const { breaker } = work.options
  const health = TargetHealth.failed(work.health, targetOf(inUse, position).path, failure.what, work.now, breaker)
  const after = { ...work, health }
  const name = DfsPath.toString(replaced(state, inUse, position))
  return [failed(state, 8, name, failure.error, failure.reason, after), after]
}

/** A race is over: the winner comes first, and those that failed in it are not tried again. */
export const raced = <E>(
  state: State<E>,
  inUse: EntryInUse,
  count: number,
  winner: number | undefined,
  failures: ReadonlyArray<ConnectFailure<E>>,
  work: Work
): Step<E> => {
  let [told, after] = [state, work]
  const lost = new Set<number>()
  for (const failure of failures) {
    if (failure.index < 0 || failure.index >= count || failure.index === winner || lost.has(failure.index)) continue
    lost.add(failure.index)
    ;[told, after] = unusable(told, inUse, inUse.position + failure.index, failure, after)
  }
  const { order, position } = inUse
  const group = order.slice(position, position + count)
  const rest = order.slice(position + count)
  if (winner === undefined) return next(told, { ...inUse, position: position + count - 1 }, after)
  const first = group[winner] ?? group[0]!
  const left = group.filter((one, i) => one !== first && !lost.has(i))
  const changed = { ...inUse, order: [...order.slice(0, position), first, ...left, ...rest], connected: true }
  return attempt(told, changed, false, after)
}

/** The target that worked becomes the hint. */
const works = <E>(state: State<E>, inUse: EntryInUse, work: Work): Work => {
  const { entry } = inUse
  const { path } = targetOf(inUse)
  const cache = ReferralCache.setHint(work.cache, entry.prefix, path)
  const health = TargetHealth.worked(work.health, path)
  const index = inUse.order[inUse.position]!
  if (index !== entry.hint) {
    work.notes.push({
      _tag: index < entry.hint ? "Failback" : "Failover",
      step: 8,
      prefix: DfsPath.toString(state.path.slice(0, entry.prefix.length)),
      from: DfsPath.toString(entry.targets[entry.hint]!.path),
      to: DfsPath.toString(path)
    })
  }
  return cache === work.cache && health === work.health ? work : { ...work, cache, health }
}

/** A link below the root that another resolution has learned since. */
const linkBelow = <E>(state: State<E>, inUse: EntryInUse, work: Work): ReferralCache.CachedReferral | undefined => {
  const found = ReferralCache.lookup(work.cache, state.path)
  return found !== undefined && found.prefix.length > inUse.entry.prefix.length &&
      !ReferralCache.isExpired(found, work.now)
    ? found
    : undefined
}

/** Step 8: the result of the target. */
export const tried = <E>(
  state: State<E>,
  inUse: EntryInUse,
  settled: boolean,
  event: Event<E>,
  work: Work
): Step<E> | undefined => {
  const { entry } = inUse
  const below = state.path.length > entry.prefix.length
  switch (event._tag) {
    case "Succeeded":
      return done(state, 8, target(state, inUse, work), works(state, inUse, work))
    case "Failed":
      return fail(state, 8, event.error, work)
    case "Lost":
      // The work may have had its effect, so it is not repeated; but the next operation tries another target first.
      return fail(state, 8, event.error, {
        ...work,
        health: TargetHealth.failed(work.health, targetOf(inUse).path, "server", work.now, work.options.breaker)
      })
    case "TargetFailed":
    case "ServerFailed": {
      const what = event._tag === "ServerFailed" ? "server" : "share"
      const [told, after] = unusable(state, inUse, inUse.position, { ...event, what }, work)
      return next(told, inUse, after)
    }
    case "PathNotCovered": {
      work.notes.push({ _tag: "Crossed", step: 8, path: DfsPath.toString(replaced(state, inUse)) })
      if (entry.kind === "root") {
        const known = linkBelow(state, inUse, work)
        if (known !== undefined) return use(state, known, works(state, inUse, work))
        return below && !inUse.asked
          ? work.steps.askLink(state, inUse, 8, { _tag: "Crossed", error: event.error }, works(state, inUse, work))
          : fail(state, 14, event.error, work)
      }
      if (entry.sysvol === true) return fail(state, 14, event.error, work)
      // smbd does not say in its referrals that a link leads into another namespace.
      const after = works(state, inUse, work)
      const cache = ReferralCache.setInterlink(after.cache, entry.prefix)
      const known = { ...inUse, entry: { ...entry, interlink: true } }
      return follow({ ...state, lastError: { error: event.error } }, known, false, { ...after, cache })
    }
    case "NotFound": {
      const after = works(state, inUse, work)
      const absent = ReferralCache.absence(work.cache, state.path, work.now) !== undefined
      return entry.kind === "root" && below && !inUse.asked && !absent
        ? work.steps.askLink(state, inUse, 8, { _tag: "Missing", error: event.error }, after)
        : fail(state, 8, event.error, after)
    }
    case "Probe": {
      if (settled) return done(state, 8, target(state, inUse, work), work)
      if (entry.kind === "link") return follow(state, inUse, true, work)
      const absent = state.renew === undefined && ReferralCache.absence(work.cache, state.path, work.now) !== undefined
      return below && !inUse.asked && !absent
        ? work.steps.askLink(state, inUse, 8, { _tag: "Probing" }, work)
        : attempt(state, inUse, true, work)
    }
    default:
      return undefined
  }
}
