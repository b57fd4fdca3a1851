/**
 * Steps 5, 10 and 13 of MS-DFSC 3.1.4.1: which server is asked for a root. Domains, their controllers, and how both are
 * found. For `DfsResolution` alone.
 */
import * as Result from "effect/Result"
import { NoDomainController, type ReferralError } from "../../Protocol/DfsError.ts"
import * as DfsPath from "../DfsPath.ts"
import type { Event } from "../DfsStep.ts"
import * as DomainCache from "../DomainCache.ts"
import * as TargetHealth from "../TargetHealth.ts"
import { controllerOf, rootRequest } from "./RootRequest.ts"
import {
  answered,
  askCommand,
  type Asked,
  fail,
  failed,
  go,
  type Phase,
  refused,
  type State,
  type Step,
  type Work
} from "./Transitions.ts"

const nobody: Asked = { domain: "", controllers: [], position: 0 }

/** Servers that are not known to be dead come first. */
const healthy = (servers: ReadonlyArray<string>, work: Work): ReadonlyArray<string> => {
  const open = (server: string) => (TargetHealth.isOpen(work.health, [server], work.now) ? 1 : 0)
  return servers.toSorted((a, b) => open(a) - open(b))
}

/** Step 5: the DomainCache, for the first component. */
export const findServer = <E>(state: State<E>, lenient: boolean, work: Work): Step<E> => {
  const name = state.path[0]!
  const known = DomainCache.get(work.domains, name, work.now)
  if (known?.kind === "domain") {
    if (known.controllers.length === 0) {
      return work.domains.bootstrap.length === 0
        ? searchOrEnd(state, lenient, work)
        : askControllers(state, lenient, bootstrapped(work), work)
    }
    const controllers = healthy(DomainCache.controllersOf(known), work)
    return askRoot(state, lenient, { domain: known.name, controllers, position: 0 }, work)
  }
  if (known === undefined && !DfsPath.isAddress(name)) {
    if (!state.listed && work.domains.bootstrap.length > 0 && work.now >= work.domains.listedUntil) {
      return askDomains({ ...state, listed: true }, lenient, bootstrapped(work), work)
    }
    if (!state.searched && work.options.discover) return search(state, lenient, work)
  }
  // An ordinary host: the host itself is asked.
  return askRoot(state, lenient, undefined, work)
}

/** Step 6, or step 10 for SYSVOL and NETLOGON of a domain: the root referral. */
const askRoot = <E>(state: State<E>, lenient: boolean, asked: Asked | undefined, work: Work): Step<E> => {
  const { kind, server, step } = rootRequest(state, asked)
  const command = askCommand(state, step, server, DfsPath.toRequest(state.path.slice(0, 2)), kind, work)
  return go(state, { _tag: "AskingRoot", lenient, asked }, command, work)
}

/** The bootstrap controllers, as the controllers to ask. */
const bootstrapped = (work: Work): Asked => ({
  domain: "",
  controllers: healthy(work.domains.bootstrap, work),
  position: 0
})

const askDomains = <E>(state: State<E>, lenient: boolean, asked: Asked, work: Work): Step<E> => {
  const command = askCommand(state, 5, controllerOf(asked), "", "domain", work)
  return go(state, { _tag: "AskingDomains", lenient, asked }, command, work)
}

const askControllers = <E>(state: State<E>, lenient: boolean, asked: Asked, work: Work): Step<E> => {
  const server = controllerOf(asked)
  const command = askCommand(state, 5, server, `\\${state.path[0]!}`, "dc", work)
  return go(state, { _tag: "AskingControllers", lenient, asked }, command, work)
}

const search = <E>(state: State<E>, lenient: boolean, work: Work): Step<E> => {
  const domain = state.path[0]!
  work.notes.push({ _tag: "Searching", step: 5, domain })
  return go({ ...state, searched: true }, { _tag: "Searching", lenient }, { _tag: "FindControllers", domain }, work)
}

const searchOrEnd = <E>(state: State<E>, lenient: boolean, work: Work, error?: ReferralError): Step<E> =>
  state.searched || !work.options.discover
    ? noController(state, nobody, work, error)
    : search(state, lenient, work)

/** Step 13: no domain controller. */
const noController = <E>(state: State<E>, asked: Asked, work: Work, error?: ReferralError): Step<E> => {
  const domain = state.path[0]!
  const server = asked.controllers.at(-1)
  // The learned controllers of this domain are of no use: the next resolution asks for them again.
  const expiresAt = DomainCache.get(work.domains, domain, work.now)?.expiresAt ?? work.now
  const after = { ...work, domains: DomainCache.setControllers(work.domains, domain, [], expiresAt, work.now) }
  if (state.frames.length > 0) return work.steps.giveUp(state, 13, after)
  if (error !== undefined) return fail(state, 13, error, after)
  const none = new NoDomainController({
    path: DfsPath.toString(state.original),
    domain,
    targets: state.failures,
    step: 13,
    ...(server === undefined ? {} : { server }),
    ...(state.lastError === undefined ? {} : { cause: state.lastError.error })
  })
  return fail(state, 13, none, after)
}

/**
 * A controller did not answer: the next one. `again` asks it. If it has refused the user, the next one is not asked:
 * each try with a wrong password counts, and after some tries the domain locks the account.
 */
const nextController = <E>(
  state: State<E>,
  asked: Asked,
  step: number,
  event: Extract<Event<E>, { readonly _tag: "Unreachable" }>,
  work: Work,
  again: (state: State<E>, asked: Asked, work: Work) => Step<E>,
  end: (state: State<E>, work: Work) => Step<E>
): Step<E> => {
  const server = controllerOf(asked)
  const health = TargetHealth.failed(work.health, [server], "server", work.now, work.options.breaker)
  const after = { ...work, health }
  const told = failed(state, step, `\\\\${server}`, event.error, event.reason, after)
  return asked.position + 1 < asked.controllers.length && event.refusesUser !== true
    ? again(told, { ...asked, position: asked.position + 1 }, after)
    : end(told, after)
}

/** The root's controller could not be reached. */
export const controllerUnreachable = <E>(
  state: State<E>,
  lenient: boolean,
  asked: Asked,
  event: Extract<Event<E>, { readonly _tag: "Unreachable" }>,
  work: Work
): Step<E> =>
  nextController(
    state,
    asked,
    rootRequest(state, asked).step,
    event,
    work,
    (told, others, after) => askRoot(told, lenient, others, after),
    (told, after) => noController(told, asked, after)
  )

/** A controller has refused: the next one may answer. The refusal of the last one is final. */
export const askNextController = <E>(state: State<E>, lenient: boolean, asked: Asked, work: Work): Step<E> =>
  askRoot(state, lenient, { ...asked, position: asked.position + 1 }, work)

const expiry = (timeToLive: number, work: Work): number => {
  const { maximum, minimum } = work.options.ttl
  return work.now + Math.min(Math.max(timeToLive, minimum, 1), maximum) * 1000
}

/** What a domain or DC referral teaches, and how the resolution goes on without it. */
interface DomainReferral<E> {
  readonly kind: "domain" | "dc"
  readonly prefix: string
  readonly read: typeof DomainCache.namesFromResponse
  readonly learn: (names: ReadonlyArray<string>, expiresAt: number) => DomainCache.DomainCache
  /** Asks the next controller. */
  readonly again: (state: State<E>, asked: Asked, work: Work) => Step<E>
  /** The controller answered, but without a referral. */
  readonly refused: (error: ReferralError) => Step<E>
  /** No controller answered. */
  readonly unanswered: (state: State<E>, work: Work) => Step<E>
}

/** The result of a domain or DC referral. If it failed, nothing is learned. */
const controllerAsked = <E>(
  state: State<E>,
  { asked, lenient }: { readonly asked: Asked; readonly lenient: boolean },
  event: Event<E>,
  work: Work,
  referral: DomainReferral<E>
): Step<E> | undefined => {
  const { kind, prefix } = referral
  const server = controllerOf(asked)
  const refuse = (error: ReferralError): Step<E> => {
    refused(5, server, kind, error, work)
    return referral.refused(error)
  }
  switch (event._tag) {
    case "Referral": {
      const read = referral.read(event.response, server)
      if (Result.isFailure(read)) return refuse(read.failure)
      const { names, timeToLive } = read.success
      const expiresAt = expiry(timeToLive, work)
      const domains = referral.learn(names, expiresAt)
      answered({ step: 5, kind, prefix, targets: names, expiresAt, interlink: false }, work)
      return findServer(state, lenient, { ...work, domains })
    }
    case "ReferralFailed":
      return refuse(event.error)
    case "Unreachable":
      return nextController(state, asked, 5, event, work, referral.again, referral.unanswered)
    default:
      return undefined
  }
}

/** The result of the domain referral. */
export const domainsAsked = <E>(
  state: State<E>,
  phase: Extract<Phase<E>, { readonly _tag: "AskingDomains" }>,
  event: Event<E>,
  work: Work
): Step<E> | undefined => {
  const { lenient } = phase
  const without = (after: Work): Step<E> => {
    const until = after.now + after.options.ttl.negative * 1000
    return findServer(state, lenient, { ...after, domains: DomainCache.setUnlisted(after.domains, until) })
  }
  return controllerAsked(state, phase, event, work, {
    kind: "domain",
    prefix: "",
    read: DomainCache.namesFromResponse,
    learn: (names, expiresAt) => DomainCache.setNames(work.domains, names, expiresAt, work.now),
    again: (told, others, after) => askDomains(told, lenient, others, after),
    // This does not fail the path: the host's own response decides.
    refused: () => without(work),
    unanswered: (_, after) => without(after)
  })
}

/** The result of the DC referral. */
export const controllersAsked = <E>(
  state: State<E>,
  phase: Extract<Phase<E>, { readonly _tag: "AskingControllers" }>,
  event: Event<E>,
  work: Work
): Step<E> | undefined => {
  const { lenient } = phase
  const domain = state.path[0]!
  return controllerAsked(state, phase, event, work, {
    kind: "dc",
    prefix: domain,
    read: DomainCache.controllersFromResponse,
    learn: (names, expiresAt) => DomainCache.setControllers(work.domains, domain, names, expiresAt, work.now),
    again: (told, others, after) => askControllers(told, lenient, others, after),
    refused: (error) => searchOrEnd(state, lenient, work, error),
    unanswered: (told, after) => searchOrEnd(told, lenient, after)
  })
}

/** For how many seconds controllers are believed that were not found by a referral. */
const foundFor = 600

/** The result of the search for controllers. */
export const searched = <E>(
  state: State<E>,
  lenient: boolean,
  controllers: ReadonlyArray<string>,
  work: Work
): Step<E> => {
  const domain = state.path[0]!
  const names = controllers.filter((name) => name !== "" && DfsPath.isName(name))
  work.notes.push({ _tag: "Controllers", step: 5, domain, controllers: names })
  const known = DomainCache.isDomain(work.domains, domain, work.now)
  if (names.length === 0 && known) return noController(state, nobody, work)
  const domains = names.length === 0
    ? DomainCache.setHost(work.domains, domain, work.now + work.options.ttl.negative * 1000, work.now)
    : DomainCache.setControllers(work.domains, domain, names, expiry(foundFor, work), work.now)
  return findServer(state, lenient, { ...work, domains })
}
