/**
 * How a path finds its target: the algorithm of MS-DFSC 3.1.4.1 as a pure state machine.
 *
 * `step` takes an event and says what to do next: ask a server for a referral, try a target, or stop. It reads no
 * clock and sends nothing; whoever drives it (a resolver, a simulator, a property test) does, and tells it what came
 * of it. What it learns goes into the `ReferralCache` that it is given and gives back.
 *
 * It ends for whatever events it is told: links are followed at most `limits.hops` deep and never to a path that they
 * came from, and after `limits.steps` events it stops.
 *
 * Beyond the document, because servers need it:
 * - PATH_NOT_COVERED on a link's target makes the link an interlink (smbd does not say so in its referrals);
 * - a name not found below a root is asked for as a link once (smbd sometimes says so instead of PATH_NOT_COVERED);
 * - where an interlink's first target leads nowhere, its next one is tried.
 *
 * Standalone namespaces are walked here. Steps 4, 5 and 10, which need a domain's controllers (DomainCache, DC and
 * domain referrals, SYSVOL), begin in `locate`, and TargetFailback in `begin`.
 */
import * as Result from "effect/Result"
import type { DfsError, ReferralError } from "../Protocol/DfsError.ts"
import { DfsLoop, NoTargetLeft } from "../Protocol/DfsError.ts"
import * as DfsPath from "./DfsPath.ts"
import type { Command, Event, Target, World } from "./DfsStep.ts"
import * as ReferralCache from "./ReferralCache.ts"
import type { ReferralResponse } from "./ReferralResponse.ts"

/** An entry in use: which of its targets is being tried. */
interface Trial {
  readonly entry: ReferralCache.CachedReferral
  readonly order: ReadonlyArray<number>
  readonly position: number
  /** It has been asked whether there is a link below this root: not again. */
  readonly asked: boolean
}

/** Where to go on when what an interlink leads to cannot be used. */
interface Frame {
  readonly path: DfsPath.DfsPath
  readonly visited: ReadonlyArray<DfsPath.DfsPath>
  readonly trial: Trial
}

/** Why a link is asked for, and so what it means that there is none. */
type Why<E> =
  | { readonly _tag: "Crossed"; readonly error: E }
  | { readonly _tag: "Missing"; readonly error: E }
  | { readonly _tag: "Probing" }
  | { readonly _tag: "Refreshing"; readonly link: DfsPath.DfsPath }

type Phase<E> =
  | { readonly _tag: "Idle" }
  | { readonly _tag: "AskingRoot"; readonly lenient: boolean }
  | { readonly _tag: "AskingLink"; readonly trial: Trial; readonly why: Why<E> }
  | { readonly _tag: "Trying"; readonly trial: Trial; readonly settled: boolean }
  | { readonly _tag: "TryingPlain" }
  | { readonly _tag: "Ended" }

/**
 * Where one resolution stands. Made by `start`, changed by `step` alone.
 *
 * @category models
 */
export interface State<E> {
  readonly original: DfsPath.DfsPath
  /** The path in the namespace that is being walked: an interlink replaces it. */
  readonly path: DfsPath.DfsPath
  /** The paths that led here, by interlinks. */
  readonly visited: ReadonlyArray<DfsPath.DfsPath>
  readonly frames: ReadonlyArray<Frame>
  readonly failures: ReadonlyArray<{ readonly target: string; readonly reason: string }>
  readonly lastError: { readonly error: E } | undefined
  /** Has any referral or cached entry been used? */
  readonly inNamespace: boolean
  readonly steps: number
  readonly phase: Phase<E>
  readonly pending: Command<E> | undefined
}

/** What a step gives. */
export interface Step<E> {
  readonly state: State<E>
  readonly command: Command<E>
  readonly cache: ReferralCache.ReferralCache
}

/**
 * A resolution of `\\server\share\rest` that has not begun: `Start` is its first event.
 *
 * @category constructors
 */
export const start = <E>(path: string | DfsPath.DfsPath): State<E> => {
  const original = typeof path === "string" ? DfsPath.fromString(path) : path
  return {
    original,
    path: original,
    visited: [],
    frames: [],
    failures: [],
    lastError: undefined,
    inNamespace: false,
    steps: 0,
    phase: { _tag: "Idle" },
    pending: undefined
  }
}

/**
 * One step. An event that does not answer the last command changes nothing but the count of steps, and gives the
 * same command again; after the end, so does every event.
 *
 * @category running
 */
export const step = <E>(before: State<E>, event: Event<E>, world: World): Step<E> => {
  const state = { ...before, steps: before.steps + 1 }
  const { phase } = state
  const again = (): Step<E> => command(state, phase, state.pending ?? plainCommand(state), world.cache)
  if (phase._tag === "Ended") return again()
  if (state.steps > world.options.limits.steps) {
    return fail(state, state.failures.length > 0 ? noTargetLeft(state) : loop(state), world.cache)
  }
  switch (phase._tag) {
    case "Idle":
      return event._tag === "Start" ? begin(state, world) : again()
    case "AskingRoot":
      switch (event._tag) {
        case "Referral":
          return rootAnswered(state, phase.lenient, event.response, world)
        case "ReferralFailed":
          return rootRefused(state, phase.lenient, event.error, world)
        case "Unreachable":
          // Plain SMB would meet the same server, and fail the same way.
          return giveUp(failed(state, `\\\\${state.path[0]}`, event.error, event.reason), world, world.cache)
        default:
          return again()
      }
    case "AskingLink":
      switch (event._tag) {
        case "Referral":
          return linkAnswered(state, phase.trial, phase.why, event.response, world)
        case "ReferralFailed":
          return linkRefused(state, phase.trial, phase.why, event.error, world)
        case "Unreachable": {
          const { path } = targetOf(phase.trial)
          return next(failed(state, DfsPath.toString(path), event.error, event.reason), phase.trial, world)
        }
        default:
          return again()
      }
    case "Trying":
      return tried(state, phase.trial, phase.settled, event, world) ?? again()
    case "TryingPlain":
      switch (event._tag) {
        case "Succeeded":
        case "Probe":
          return done(state, plainTarget(state.path), world.cache)
        case "TargetFailed":
          return giveUp(failed(state, DfsPath.toString(state.path), event.error, event.reason), world, world.cache)
        case "PathNotCovered":
        case "NotFound":
        case "Failed":
          return fail(state, event.error, world.cache)
        default:
          return again()
      }
  }
}

// -----------------------------------------------------------------------------
// ends and commands
// -----------------------------------------------------------------------------

const command = <E>(
  state: State<E>,
  phase: Phase<E>,
  pending: Command<E>,
  cache: ReferralCache.ReferralCache
): Step<E> => ({ state: { ...state, phase, pending }, command: pending, cache })

const done = <E>(state: State<E>, target: Target, cache: ReferralCache.ReferralCache): Step<E> =>
  command(state, { _tag: "Ended" }, { _tag: "Done", target }, cache)

const fail = <E>(state: State<E>, error: E | DfsError, cache: ReferralCache.ReferralCache): Step<E> =>
  command(state, { _tag: "Ended" }, { _tag: "Fail", error }, cache)

const noTargetLeft = <E>(state: State<E>): NoTargetLeft =>
  new NoTargetLeft({
    path: DfsPath.toString(state.original),
    targets: state.failures,
    ...(state.lastError === undefined ? {} : { cause: state.lastError.error })
  })

const loop = <E>(state: State<E>): DfsLoop =>
  new DfsLoop({
    path: DfsPath.toString(state.original),
    server: state.path[0] ?? "",
    visited: [...state.visited, state.path].map(DfsPath.toString)
  })

const failed = <E>(state: State<E>, target: string, error: E, reason: string): State<E> => ({
  ...state,
  failures: [...state.failures, { target, reason }],
  lastError: { error }
})

/** Steps 13 and 14: goes back to the last interlink with a target left, or ends. */
const giveUp = <E>(state: State<E>, world: World, cache: ReferralCache.ReferralCache): Step<E> => {
  const frame = state.frames.at(-1)
  if (frame !== undefined) {
    const back = { ...state, frames: state.frames.slice(0, -1), path: frame.path, visited: frame.visited }
    return next(back, frame.trial, { ...world, cache })
  }
  // Outside of any namespace there is one server, and what it said is the whole story.
  if (!state.inNamespace && state.lastError !== undefined) return fail(state, state.lastError.error, cache)
  return fail(state, noTargetLeft(state), cache)
}

// -----------------------------------------------------------------------------
// steps 1, 2, 5, 11, 12: which entry
// -----------------------------------------------------------------------------

const plainTarget = (path: DfsPath.DfsPath): Target => ({
  server: path[0] ?? "",
  share: path[1] ?? "",
  path: path.slice(2).join("\\")
})

const plainCommand = <E>(state: State<E>): Command<E> => ({
  _tag: "Try",
  target: plainTarget(state.path),
  of: "plain",
  settled: true,
  others: []
})

/** Step 12: not DFS. */
const plain = <E>(state: State<E>, cache: ReferralCache.ReferralCache): Step<E> =>
  command(state, { _tag: "TryingPlain" }, plainCommand(state), cache)

/** Step 1. */
const begin = <E>(state: State<E>, world: World): Step<E> =>
  state.path.length < 2 || state.path[1]!.toUpperCase() === "IPC$"
    ? plain(state, world.cache)
    : locate(state, false, world)

/** Step 2. `lenient`: the path is only suspected to be in a namespace. */
const locate = <E>(state: State<E>, lenient: boolean, world: World): Step<E> => {
  const { cache, now, options } = world
  const here = DfsPath.key(state.path)
  if (state.visited.length > options.limits.hops || state.visited.some((path) => DfsPath.key(path) === here)) {
    return fail(state, loop(state), cache)
  }
  const entry = ReferralCache.lookup(cache, state.path)
  if (entry !== undefined && !ReferralCache.isExpired(entry, now)) return use(state, entry, world)
  if (entry?.kind === "link") {
    // Step 9: the root may still be known.
    const root = ReferralCache.lookup(cache, state.path.slice(0, 2))
    if (root?.kind === "root" && !ReferralCache.isExpired(root, now)) {
      return askLink({ ...state, inNamespace: true }, trialOf(root), { _tag: "Refreshing", link: entry.prefix }, world)
    }
  }
  // Step 5, without domains: the first component is the host to ask.
  const asked: Command<E> = {
    _tag: "AskReferral",
    server: state.path[0]!,
    path: DfsPath.toRequest(state.path.slice(0, 2)),
    kind: "root"
  }
  return command(state, { _tag: "AskingRoot", lenient }, asked, cache)
}

/** Step 11: the path goes on under the target's name. */
const follow = <E>(state: State<E>, trial: Trial, lenient: boolean, world: World): Step<E> =>
  locate(
    {
      ...state,
      frames: [...state.frames, { path: state.path, visited: state.visited, trial }],
      visited: [...state.visited, state.path],
      path: replaced(state, trial)
    },
    lenient,
    world
  )

// -----------------------------------------------------------------------------
// steps 3, 4, 8: its targets
// -----------------------------------------------------------------------------

const trialOf = (entry: ReferralCache.CachedReferral): Trial => ({
  entry,
  order: ReferralCache.targetOrder(entry),
  position: 0,
  asked: false
})

const targetOf = (trial: Trial): ReferralCache.ReferralTarget => trial.entry.targets[trial.order[trial.position]!]!

/** The path with the entry's prefix replaced by its target. */
const replaced = <E>(state: State<E>, trial: Trial): DfsPath.DfsPath => [
  ...targetOf(trial).path,
  ...state.path.slice(trial.entry.prefix.length)
]

const target = <E>(state: State<E>, trial: Trial): Target => {
  const to = plainTarget(replaced(state, trial))
  // Below a root the name goes on the wire as it was asked for. A root whose target lies deeper than its share has no
  // such name.
  return trial.entry.kind === "root" && targetOf(trial).path.length === trial.entry.prefix.length
    ? { ...to, dfsName: { server: state.path[0]!, share: state.path[1]! } }
    : to
}

const use = <E>(state: State<E>, entry: ReferralCache.CachedReferral, world: World): Step<E> =>
  attempt({ ...state, inNamespace: true }, trialOf(entry), false, world)

const attempt = <E>(state: State<E>, trial: Trial, settled: boolean, world: World): Step<E> => {
  if (trial.entry.interlink) return follow(state, trial, false, world)
  const asked: Command<E> = {
    _tag: "Try",
    target: target(state, trial),
    of: trial.entry.kind,
    settled,
    others: trial.order.slice(trial.position + 1).map((_, i) =>
      target(state, { ...trial, position: trial.position + 1 + i })
    )
  }
  return command(state, { _tag: "Trying", trial, settled }, asked, world.cache)
}

/** The next target, or none: then the entry is of no use, and is asked for anew the next time. */
const next = <E>(state: State<E>, trial: Trial, world: World): Step<E> =>
  trial.position + 1 < trial.order.length
    ? attempt(state, { ...trial, position: trial.position + 1, asked: false }, false, world)
    : giveUp(state, world, ReferralCache.remove(world.cache, trial.entry.prefix))

const tried = <E>(
  state: State<E>,
  trial: Trial,
  settled: boolean,
  event: Event<E>,
  world: World
): Step<E> | undefined => {
  const { entry } = trial
  const works = (): World => ({
    ...world,
    cache: ReferralCache.setHint(world.cache, entry.prefix, targetOf(trial).path)
  })
  const below = state.path.length > entry.prefix.length
  switch (event._tag) {
    case "Succeeded":
      return done(state, target(state, trial), works().cache)
    case "Failed":
      return fail(state, event.error, works().cache)
    case "TargetFailed": {
      const name = DfsPath.toString(replaced(state, trial))
      return next(failed(state, name, event.error, event.reason), trial, world)
    }
    case "PathNotCovered": {
      if (entry.kind === "root") {
        return below && !trial.asked
          ? askLink(state, trial, { _tag: "Crossed", error: event.error }, works())
          : fail(state, event.error, world.cache)
      }
      const cache = ReferralCache.setInterlink(works().cache, entry.prefix)
      const known = { ...trial, entry: { ...entry, interlink: true } }
      return follow({ ...state, lastError: { error: event.error } }, known, false, { ...world, cache })
    }
    case "NotFound":
      return entry.kind === "root" && below && !trial.asked
        ? askLink(state, trial, { _tag: "Missing", error: event.error }, works())
        : fail(state, event.error, works().cache)
    case "Probe":
      if (settled) return done(state, target(state, trial), world.cache)
      if (entry.kind === "link") return follow(state, trial, true, world)
      return below && !trial.asked
        ? askLink(state, trial, { _tag: "Probing" }, world)
        : attempt(state, trial, true, world)
    default:
      return undefined
  }
}

// -----------------------------------------------------------------------------
// steps 6, 7: root referrals
// -----------------------------------------------------------------------------

const rootAnswered = <E>(
  state: State<E>,
  lenient: boolean,
  response: ReferralResponse,
  world: World
): Step<E> => {
  const asked = state.path.slice(0, 2)
  const read = ReferralCache.fromResponse(response, {
    asked,
    server: state.path[0]!,
    prefixOf: () => asked,
    now: world.now,
    ttl: world.options.ttl
  })
  if (Result.isFailure(read)) return rootRefused(state, lenient, read.failure, world)
  // A server that names the path as its own target keeps a root, whatever it calls it.
  const own = read.success.targets.some((one) => DfsPath.key(one.path) === DfsPath.key(asked))
  const entry = own ? { ...read.success, kind: "root" as const, interlink: false } : read.success
  return use(state, entry, { ...world, cache: ReferralCache.insert(world.cache, entry, world.now) })
}

const rootRefused = <E>(state: State<E>, lenient: boolean, error: ReferralError, world: World): Step<E> => {
  switch (error._tag) {
    case "NotDfsCapable":
      return world.options.mode === "strict" && !lenient ? fail(state, error, world.cache) : plain(state, world.cache)
    case "NamespaceNotFound":
    case "ReferralRefused":
      return plain(state, world.cache)
    case "Malformed":
    case "Unsupported":
    case "Overflow":
      return fail(state, error, world.cache)
  }
}

// -----------------------------------------------------------------------------
// steps 8, 9: link referrals
// -----------------------------------------------------------------------------

/** Asks the root's target, in its own name, for the link that the path crosses. */
const askLink = <E>(state: State<E>, trial: Trial, why: Why<E>, world: World): Step<E> => {
  const asked: Command<E> = {
    _tag: "AskReferral",
    server: targetOf(trial).path[0]!,
    path: DfsPath.toRequest(replaced(state, trial)),
    kind: "link"
  }
  return command(state, { _tag: "AskingLink", trial: { ...trial, asked: true }, why }, asked, world.cache)
}

const linkAnswered = <E>(
  state: State<E>,
  trial: Trial,
  why: Why<E>,
  response: ReferralResponse,
  world: World
): Step<E> => {
  const root = targetOf(trial).path.length
  const read = ReferralCache.fromResponse(response, {
    asked: replaced(state, trial),
    server: targetOf(trial).path[0]!,
    prefixOf: (consumed) => state.path.slice(0, trial.entry.prefix.length + Math.max(0, consumed - root)),
    now: world.now,
    ttl: world.options.ttl
  })
  if (Result.isFailure(read)) return linkRefused(state, trial, why, read.failure, world)
  // The root itself: no link lies on the way.
  if (read.success.prefix.length <= trial.entry.prefix.length) return noLink(state, trial, why, undefined, world)
  const link = { ...read.success, kind: "link" as const }
  return use(state, link, { ...world, cache: ReferralCache.insert(world.cache, link, world.now) })
}

const linkRefused = <E>(
  state: State<E>,
  trial: Trial,
  why: Why<E>,
  error: ReferralError,
  world: World
): Step<E> => {
  switch (error._tag) {
    case "NotDfsCapable":
    case "NamespaceNotFound":
    case "ReferralRefused":
      return noLink(state, trial, why, error, world)
    case "Malformed":
    case "Unsupported":
    case "Overflow":
      return fail(state, error, world.cache)
  }
}

const noLink = <E>(
  state: State<E>,
  trial: Trial,
  why: Why<E>,
  error: ReferralError | undefined,
  world: World
): Step<E> => {
  switch (why._tag) {
    case "Crossed":
      return fail(state, error ?? why.error, world.cache)
    case "Missing":
      return fail(state, why.error, world.cache)
    case "Probing":
      return attempt(state, trial, true, world)
    case "Refreshing":
      // The link is gone from the namespace; what the path names now, the root knows.
      return attempt(state, trial, false, { ...world, cache: ReferralCache.remove(world.cache, why.link) })
  }
}
