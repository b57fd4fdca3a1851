/**
 * How a path finds its target: the algorithm of MS-DFSC 3.1.4.1 as a pure state machine.
 *
 * `step` takes an event and says what to do next: ask a server for a referral, look for a domain's controllers, connect
 * to a target, try a target, or stop. It reads no clock and sends nothing. Its driver (a resolver, a simulator, a
 * property test) does that, and reports the result as the next event. `step` takes a `ReferralCache`, `DomainCache` and
 * `TargetHealth`, and returns them with what it has learned.
 *
 * The steps of the document, and where they are:
 *
 * | step | what | where |
 * | --- | --- | --- |
 * | 1 | one component, or IPC$ | `internal/CacheLookup.ts`, `begin` |
 * | 2 | the ReferralCache | `internal/CacheLookup.ts`, `locate` |
 * | 3, 4 | the prefix is replaced by a target | `internal/TargetFailover.ts`, `replaced`, `use`, `attempt` |
 * | 5 | the DomainCache, domain and DC referrals | `internal/Domains.ts`, `findServer` |
 * | 6, 7 | root referrals | `internal/Referrals.ts`, `rootAnswered` |
 * | 8 | the work, and the next target | `internal/TargetFailover.ts`, `tried`; link referrals in `internal/Referrals.ts` |
 * | 9 | expired links | `internal/CacheLookup.ts`, `locate`; `internal/Referrals.ts`, `linkAnswered` |
 * | 10 | SYSVOL and NETLOGON | `internal/Domains.ts`, `askRoot` |
 * | 11 | interlinks | `internal/TargetFailover.ts`, `follow` |
 * | 12, 13, 14 | not DFS, no controller, no target | `plain`, `noController`, `giveUp` |
 *
 * It ends for any sequence of events: it follows links at most `limits.hops` deep and never to a path that led here,
 * and after `limits.steps` events it stops.
 *
 * Beyond the document, because servers need it:
 * - PATH_NOT_COVERED on a link's target makes the link an interlink (smbd does not say so in its referrals);
 * - a name that is not found below a root is asked for as a link once (smbd sometimes reports it in place of
 *   PATH_NOT_COVERED);
 * - if the first target of an interlink leads nowhere, its next target is tried;
 * - the absence of a referral is remembered for a while;
 * - targets that have failed lately come last, and after a controller that does not answer, the next one is asked;
 * - a domain without such a namespace is asked as a host, in fallback mode.
 */
import * as DfsPath from "./DfsPath.ts"
import type { State, Step } from "./DfsState.ts"
import type { Event, World } from "./DfsStep.ts"
import { begin, giveUp, hostUnreachable, locate, notDfs, plainCommand, triedPlain } from "./internal/CacheLookup.ts"
import {
  askNextController,
  controllersAsked,
  controllerUnreachable,
  domainsAsked,
  findServer,
  searched
} from "./internal/Domains.ts"
import { askLink, linkAnswered, linkRefused, rootAnswered, rootRefused } from "./internal/Referrals.ts"
import { attempt, next, raced, tried, unusable, use } from "./internal/TargetFailover.ts"
import { fail, go, loop, noTargetLeft, type Steps, type Work } from "./internal/Transitions.ts"

export type { State, Step } from "./DfsState.ts"

/**
 * A resolution of `\\server\share\rest` that has not begun: `Start` is its first event. With `renew` it asks for the
 * referral of exactly this path even if a cache has it, and ends when it has the referral.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = <E>(
  path: string | DfsPath.DfsPath,
  options?: { readonly renew?: boolean | undefined }
): State<E> => {
  const original = typeof path === "string" ? DfsPath.fromString(path) : path
  return {
    original,
    path: original,
    visited: [],
    frames: [],
    failures: [],
    lastError: undefined,
    inNamespace: false,
    plainError: undefined,
    refusal: undefined,
    remembered: false,
    listed: false,
    searched: false,
    renew: options?.renew === true ? DfsPath.key(original) : undefined,
    due: undefined,
    steps: 0,
    phase: { _tag: "Idle" },
    pending: undefined
  }
}

const steps: Steps = { locate, use, findServer, askNextController, attempt, next, askLink, notDfs, giveUp }

/**
 * One step. An event that does not belong to the last command only adds to the count of steps, and gives the same
 * command again. After the end, every event does so.
 *
 * @category running
 * @since 0.1.0
 */
export const step = <E>(before: State<E>, event: Event<E>, world: World): Step<E> => {
  const state = { ...before, steps: before.steps + 1 }
  const { phase } = state
  const work: Work = { ...world, notes: [], steps }
  if (phase._tag !== "Ended" && state.steps > world.options.limits.steps) {
    return fail(state, 14, state.failures.length > 0 ? noTargetLeft(state, 14) : loop(state, 14), work)
  }
  return react(state, event, work) ?? go(state, phase, state.pending ?? plainCommand(state, work), work)
}

const react = <E>(state: State<E>, event: Event<E>, work: Work): Step<E> | undefined => {
  const { phase } = state
  switch (phase._tag) {
    case "Idle":
      return event._tag === "Start" ? begin(state, work) : undefined
    case "AskingDomains":
      return domainsAsked(state, phase, event, work)
    case "AskingControllers":
      return controllersAsked(state, phase, event, work)
    case "Searching":
      return event._tag === "Controllers" ? searched(state, phase.lenient, event.controllers, work) : undefined
    case "AskingRoot":
      switch (event._tag) {
        case "Referral":
          return rootAnswered(state, phase.lenient, phase.asked, event.response, work)
        case "ReferralFailed":
          return rootRefused(state, phase.lenient, phase.asked, event.error, work)
        case "Unreachable":
          return phase.asked === undefined
            ? hostUnreachable(state, phase.lenient, event, work)
            : controllerUnreachable(state, phase.lenient, phase.asked, event, work)
        default:
          return undefined
      }
    case "AskingLink":
      switch (event._tag) {
        case "Referral":
          return linkAnswered(state, phase.inUse, phase.why, event.response, work)
        case "ReferralFailed":
          return linkRefused(state, phase.inUse, phase.why, event.error, work)
        case "Unreachable": {
          const { inUse, why } = phase
          // The target has answered that the name does not exist. Whether the name is a link cannot be found out.
          if (event.unavailable !== undefined && why._tag === "Missing" && work.options.mode === "fallback") {
            return fail(state, 8, why.error, work)
          }
          const [told, after] = unusable(state, inUse, inUse.position, { ...event, what: "server" }, work)
          return next(told, inUse, after)
        }
        default:
          return undefined
      }
    case "Racing":
      switch (event._tag) {
        case "Connected":
          return raced(state, phase.inUse, phase.count, event.index, event.failures, work)
        case "ConnectFailed":
          return raced(state, phase.inUse, phase.count, undefined, event.failures, work)
        default:
          return undefined
      }
    case "Trying":
      return tried(state, phase.inUse, phase.settled, event, work)
    case "TryingPlain":
      return triedPlain(state, phase.lazily, event, work)
    case "Ended":
      return undefined
  }
}
