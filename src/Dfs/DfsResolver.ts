/**
 * Runs `DfsResolution` against real servers: asks them through `ReferralSource`, keeps what they say until its time is
 * over, and joins equal requests that are in flight.
 *
 * What is done at a target is the caller's `attempt`. The resolver says where, learns from how it ended, and goes on
 * elsewhere where that helps. Nothing is sent before a path is resolved, and nothing at all where the cache knows it.
 */
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { AuthenticationError } from "../Auth/AuthenticationError.ts"
import type { DfsError, NoReferral, ReferralError, ReferralUnavailable } from "../Protocol/DfsError.ts"
import * as DfsMetrics from "./DfsMetrics.ts"
import * as DfsOptions from "./DfsOptions.ts"
import * as DfsPath from "./DfsPath.ts"
import * as DfsPattern from "./DfsPattern.ts"
import { ReferralBuffer, retryOverflow } from "./DfsPolicy.ts"
import * as DfsResolution from "./DfsResolution.ts"
import type { Command, Event, Knowledge, ReferralKind, Target } from "./DfsStep.ts"
import * as DfsTrace from "./DfsTrace.ts"
import * as DomainCache from "./DomainCache.ts"
import * as DomainControllers from "./DomainControllers.ts"
import * as Observe from "./internal/Observe.ts"
import * as Race from "./internal/Race.ts"
import * as Sites from "./internal/Sites.ts"
import { reasonOf, toUnc } from "./internal/State.ts"
import * as ReferralCache from "./ReferralCache.ts"
import type { ReferralResponse } from "./ReferralResponse.ts"
import { ask, type ReferralSource, type SourceError } from "./ReferralSource.ts"
import { SiteFinder } from "./SiteFinder.ts"
import * as TargetHealth from "./TargetHealth.ts"

/** How a client resolves; see `DfsOptions`. */
export type DfsResolverOptions = DfsOptions.DfsOptions

/**
 * Where a path leads. `status` says what the path turned out to be; `targets` are all that can be tried, in order, the
 * first that answers being `resolvedPath`.
 *
 * @category models
 */
export interface Resolution {
  readonly path: string
  readonly resolvedPath: string
  readonly status: "root" | "link" | "plain"
  readonly targets: ReadonlyArray<Target>
}

/** What the failure of an attempt means for the path; see the events of `DfsStep`. */
export type Verdict = "PathNotCovered" | "NotFound" | "TargetFailed" | "ServerFailed" | "Failed" | "Lost"

/** How the resolver reaches targets, besides `attempt`. */
export interface UseOptions<E, E2 = unknown> {
  /** Connects to a target and leaves the connection for `attempt` to find. For `connect: "race"`. */
  readonly connect?: (target: Target) => Effect.Effect<unknown, E>
  /**
   * Whether what an attempt failed with may be a link on the way, though no referral was got: then the error is that of
   * the referral. Asked only of an attempt without DFS whose verdict is `NotFound`.
   */
  readonly mayBeLink?: (target: Target, error: E2) => Effect.Effect<boolean>
}

/**
 * Resolves paths through DFS namespaces, and keeps what it learns.
 *
 * @example
 * ```ts
 * const resolver = yield* DfsResolver.DfsResolver
 * const { resolvedPath, status, targets } = yield* resolver.resolve(path).pipe(
 *   DfsPolicy.fallback(() => DfsResolver.asPlain(path)) // the policy of mode "fallback", alone
 * )
 * ```
 *
 * @category services
 */
export class DfsResolver extends Context.Service<DfsResolver, {
  /** Where a path leads, found out by referrals alone. */
  readonly resolve: (path: string) => Effect.Effect<Resolution, DfsError | SourceError>
  /** As `resolve`, with its steps, whatever came of it. */
  readonly trace: (path: string) => Effect.Effect<{
    readonly notes: ReadonlyArray<DfsTrace.Note>
    readonly result: Result.Result<Resolution, DfsError | SourceError>
  }>
  /** Runs `attempt` on the target that holds the path; `judge` says what its failures mean. */
  readonly use: <A, E, R, E2 = never>(
    path: string,
    attempt: (target: Target) => Effect.Effect<A, E, R>,
    judge: (error: E | E2) => Verdict,
    options?: UseOptions<E2, E>
  ) => Effect.Effect<A, E | E2 | DfsError | SourceError, R>
  /** What is remembered now. */
  readonly cache: Effect.Effect<ReferralCache.ReferralCache>
  /** All that is known now: referrals, domains, and which targets are dead. */
  readonly knowledge: Effect.Effect<Knowledge>
}>()("effect-smb/Dfs/DfsResolver") {}

/** The path as it is, without DFS. */
export const asPlain = (path: string): Effect.Effect<Resolution> =>
  Effect.sync(() => {
    const target = plainTarget(DfsPath.fromString(path))
    return { path, resolvedPath: toUnc(target), status: "plain", targets: [target] }
  })

const plainTarget = (path: DfsPath.DfsPath): Target => ({
  server: DfsPath.host(path[0] ?? ""),
  share: path[1] ?? "",
  path: path.slice(2).join("\\")
})

/** The failures of a request to which the server gave an answer, though not a referral. */
const referralErrors: ReadonlySet<string> = new Set<ReferralError["_tag"]>([
  "Malformed",
  "Overflow",
  "Unsupported",
  "NotDfsCapable",
  "NamespaceNotFound",
  "ReferralRefused"
])
const isReferralError = (error: NoReferral | SourceError): error is ReferralError => referralErrors.has(error._tag)

/** With these the server has said that the path is in no namespace. */
const answers: ReadonlySet<string> = new Set<NoReferral["_tag"]>(["NotDfsCapable", "NamespaceNotFound"])

const Request = Schema.fromJsonString(
  Schema.Tuple([Schema.String, Schema.String, Schema.Number, Schema.String, Schema.String, Schema.String])
)
const toKey = Schema.encodeSync(Request)
const fromKey = Schema.decodeSync(Request)

/** What a resolution fails with besides what DFS has to say: the caller's own, and what asking a server failed with. */
type Own<E> = E | SourceError | ReferralUnavailable

/** The answer to an attempt: an event for the algorithm, and what the caller gets in the end. */
interface Answer<A, E> {
  readonly event: Event<E>
  readonly value?: A
}

const start = { _tag: "Start" } as const
const probed = { _tag: "Probe" } as const
const silence: ReadonlyArray<Effect.Effect<void>> = []

/** A step that was taken: what is to be done now, and what the log is still to say of it. */
interface Taken<E> {
  readonly state: DfsResolution.State<E>
  readonly command: Command<E>
  readonly lines: ReadonlyArray<Effect.Effect<void>>
}

/** A resolution under way, with the last answer to an attempt. */
interface Begun<A, E> {
  readonly taken: Taken<E>
  readonly answer: { readonly value?: A | undefined }
  readonly inSpan: boolean
}

type Trying<E> = Extract<Command<E>, { readonly _tag: "Try" }>

/** What the loop does not do itself. */
interface Hands<A, E, R> {
  readonly attempt: (
    command: Trying<Own<E>>,
    state: DfsResolution.State<Own<E>>
  ) => Effect.Effect<Answer<A, E>, never, R>
  readonly connect: (targets: ReadonlyArray<Target>) => Effect.Effect<Event<E>>
}

/**
 * A resolver with an empty cache. It asks through the `ReferralSource` that it is made with, and finds controllers and
 * its site by the `DomainControllers` and `SiteFinder` there. What it does in the background ends with the scope.
 *
 * @category constructors
 */
export const make = Effect.fnUntraced(function*(given?: DfsResolverOptions) {
  const finder = yield* DomainControllers.DomainControllers
  const siteFinder = yield* SiteFinder
  const scope = yield* Effect.scope
  const settings = DfsOptions.settings({ discover: finder !== undefined, ...given })
  const { capacity, domainControllers, largestBuffer: largest, maxReferralLevel, siteName } = settings
  const applies = DfsPattern.make(settings)
  let knowledge: Knowledge = {
    cache: ReferralCache.make({ capacity }),
    domains: DomainCache.make({ controllers: domainControllers }),
    health: TargetHealth.none
  }
  /** Prefixes that are being asked for anew, or lately were in vain: not before this time. */
  const renewing = new Map<string, number>()

  // No time to live: only what is in flight is shared. What comes back is remembered by prefix.
  const inFlight = yield* Cache.makeWith((key: string) => {
    const [server, path, size, kind, site, domain] = fromKey(key)
    return ask(server, path, {
      maxReferralLevel,
      kind: kind as ReferralKind,
      siteName: site === "" ? undefined : site,
      domain: domain === "" ? undefined : domain,
      // A server that says nothing to this question alone is not to cost much more than it would without DFS.
      limit: kind === "root" && domain === "" && settings.mode === "fallback" ? settings.askTimeout : undefined
    }).pipe(Effect.provideService(ReferralBuffer, size))
  }, { capacity: Number.POSITIVE_INFINITY, timeToLive: () => 0, requireServicesAt: "construction" })

  const sites = yield* Sites.make({ siteName, finder: siteFinder })
  /** The site of whoever asks a server of this domain. */
  const siteOf = (domain: string | undefined): Effect.Effect<string | undefined> =>
    domain === undefined
      ? Effect.succeed(siteName)
      : Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => sites.of(domain, DomainCache.get(knowledge.domains, domain, now)?.controllers ?? [])
      )

  const referral = (
    command: Extract<Command<unknown>, { readonly _tag: "AskReferral" }>
  ): Effect.Effect<ReferralResponse, NoReferral | SourceError> =>
    retryOverflow({ largest })(
      Effect.flatMap(
        Effect.all([ReferralBuffer, siteOf(command.domain)]),
        ([size, site]) =>
          Cache.get(
            inFlight,
            toKey([command.server, command.path, size, command.kind, site ?? "", command.domain ?? ""])
          )
      )
    )

  /** What came of a command that does not concern the caller's own work. */
  const perform = <E>(
    command: Exclude<Command<E>, { readonly _tag: "Try" | "Done" | "Fail" | "Connect" }>
  ): Effect.Effect<Event<Own<E>>> => {
    switch (command._tag) {
      case "AskReferral":
        return Effect.match(Observe.referral(command, referral(command)), {
          onSuccess: (response): Event<Own<E>> => ({ _tag: "Referral", response }),
          onFailure: (error): Event<Own<E>> =>
            isReferralError(error)
              ? { _tag: "ReferralFailed", error }
              : error._tag === "ReferralUnavailable"
              ? { _tag: "Unreachable", error, reason: error.reason, unavailable: error }
              : {
                _tag: "Unreachable",
                error: hinted(error, command, finder !== undefined),
                reason: reasonOf(error),
                refusesUser: refusesUser(error)
              }
        })
      case "FindControllers":
        return finder === undefined
          ? Effect.succeed({ _tag: "Controllers", controllers: [] })
          : Effect.map(
            Observe.finding(command.domain, sites.controllersOf(command.domain, finder)),
            (controllers) => ({ _tag: "Controllers", controllers })
          )
    }
  }

  /** One step. What it learns is known from now on, and who watches is told; lines for the log are for the caller to say. */
  const advance = <E>(
    before: DfsResolution.State<E>,
    event: Event<E>,
    { clock, context, listener, log }: Observe.Watcher
  ): Taken<E> => {
    const { evictions } = knowledge.cache
    const { cache, command, domains, health, notes, state } = DfsResolution.step(before, event, {
      ...knowledge,
      now: clock.currentTimeMillisUnsafe(),
      options: settings
    })
    knowledge = { cache, domains, health }
    let lines = silence
    for (const note of notes) {
      const metric = DfsMetrics.ofNote(note)
      if (metric !== undefined) DfsMetrics.count(metric, context)
      listener?.(note)
      const line = log(note)
      if (line !== undefined) lines = [...lines, line]
    }
    if (cache.evictions > evictions) DfsMetrics.count(DfsMetrics.cacheEvictions, context, cache.evictions - evictions)
    return { state, command, lines }
  }

  /**
   * The one loop: performs commands until the end, and gives what `attempt` gave. It begins with what was taken already,
   * or with `Start`, and goes on in a span from the first command that asks somebody.
   */
  const walk = Effect.fnUntraced(function*<A, E, R>(
    begun: DfsResolution.State<Own<E>> | Begun<A, Own<E>>,
    hands: Hands<A, E, R>
  ): Effect.fn.Return<A, E | DfsError | SourceError, R> {
    const watcher = Observe.watcher(yield* Effect.context<never>())
    const from = "taken" in begun ? begun : { taken: advance(begun, start, watcher), answer: {}, inSpan: false }
    let { answer, taken } = from
    for (;;) {
      const { command, lines, state } = taken
      for (const line of lines) yield* line
      let event: Event<Own<E>>
      switch (command._tag) {
        case "Try": {
          const tried: Answer<A, E> = yield* hands.attempt(command, state)
          event = tried.event
          answer = tried
          break
        }
        case "Done":
          if (state.due !== undefined) yield* renew(state.due, watcher.clock.currentTimeMillisUnsafe())
          return answer.value as A
        case "Fail":
          return yield* Effect.fail(command.error)
        default: {
          if (!from.inSpan) {
            const rest = { taken: { state, command, lines: silence }, answer, inSpan: true }
            return yield* Observe.resolving(state, walk(rest, hands))
          }
          event = command._tag === "Connect" ? yield* hands.connect(command.targets) : yield* perform<E>(command)
        }
      }
      taken = advance(state, event, watcher)
    }
  })

  const firstOf = <E>(): Effect.Effect<Event<E>> => Effect.succeed({ _tag: "Connected", index: 0, failures: [] })

  /** Asks for a referral anew, behind the back of whoever used it. */
  const renew = (prefix: DfsPath.DfsPath, now: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const key = DfsPath.key(prefix)
      if (now < (renewing.get(key) ?? 0)) return Effect.void
      for (const [old, until] of renewing) if (until <= now) renewing.delete(old)
      renewing.set(key, Number.POSITIVE_INFINITY)
      return walk<void, never, never>(DfsResolution.start(prefix, { renew: true }), {
        attempt: () => Effect.succeed({ event: { _tag: "Probe" } }),
        connect: firstOf
      }).pipe(
        Effect.andThen(Metric.update(DfsMetrics.refreshes, 1)),
        Effect.ignore,
        Effect.ensuring(Effect.sync(() => renewing.set(key, now + settings.ttl.negative * 1000))),
        Effect.provideService(DfsTrace.Listener, undefined),
        Effect.forkIn(scope),
        Effect.asVoid
      )
    })

  const use: DfsResolver["Service"]["use"] = <A, E, R, E2 = never>(
    path: string,
    attempt: (target: Target) => Effect.Effect<A, E, R>,
    judge: (error: E | E2) => Verdict,
    options?: UseOptions<E2, E>
  ): Effect.Effect<A, E | E2 | DfsError | SourceError, R> => {
    const original = DfsPath.fromString(path)
    if (!applies(original)) return attempt(plainTarget(original))
    const connect = options?.connect
    const verdictOf = (
      { of, target }: Trying<unknown>,
      { refusal }: DfsResolution.State<unknown>,
      error: E
    ): Effect.Effect<Verdict> => {
      const verdict = judge(error)
      const asks = verdict === "NotFound" && of === "plain" && refusal !== undefined && !answers.has(refusal._tag)
      return asks && options?.mayBeLink !== undefined
        ? Effect.map(options.mayBeLink(target, error), (may) => (may ? "PathNotCovered" : verdict))
        : Effect.succeed(verdict)
    }
    return walk<A, E | E2, R>(DfsResolution.start(original), {
      attempt: (command, state) =>
        timed(Effect.matchEffect(Observe.attempting(command, state, attempt(command.target)), {
          onSuccess: (value) => Effect.succeed<Answer<A, E | E2>>({ event: { _tag: "Succeeded" }, value }),
          onFailure: (error) =>
            Effect.map(
              verdictOf(command, state, error),
              (verdict): Answer<A, E | E2> => ({ event: { _tag: verdict, error, reason: reasonOf(error) } })
            )
        })),
      connect: connect === undefined ? firstOf : (targets) =>
        Race.run(targets, {
          connect: (target) => Observe.connecting(target, connect(target)),
          judge,
          stagger: settings.stagger,
          reasonOf
        })
    })
  }

  const resolve = (path: string): Effect.Effect<Resolution, DfsError | SourceError> =>
    Effect.contextWith((context: Context.Context<never>) => {
      const original = DfsPath.fromString(path)
      if (!applies(original)) return asPlain(path)
      let last: Resolution | undefined
      const probe = (command: Trying<SourceError>): Resolution => {
        const resolvedPath = toUnc(command.target)
        // A link's target that turns out to be an ordinary share is still the link's target.
        if (
          last !== undefined && last.status === command.of && last.targets.some((one) => toUnc(one) === resolvedPath)
        ) {
          // The next of the same targets: those before it, which are no use now, stay in the list.
          last = { ...last, resolvedPath }
        } else if (last === undefined || command.of !== "plain" || last.resolvedPath !== resolvedPath) {
          last = { path, resolvedPath, status: command.of, targets: [command.target, ...command.others] }
        }
        return last
      }
      // What the cache knows is there at once, and is not worth a loop of effects.
      const watcher = Observe.watcher(context)
      let taken = advance<SourceError>(DfsResolution.start(original), start, watcher)
      while (taken.command._tag === "Try" && taken.lines === silence) {
        probe(taken.command)
        taken = advance(taken.state, probed, watcher)
      }
      if (taken.command._tag === "Done" && taken.lines === silence && taken.state.due === undefined) {
        return Effect.succeed(last!)
      }
      return walk<Resolution, never, never>({ taken, answer: { value: last }, inSpan: false }, {
        attempt: (command) => Effect.sync(() => ({ event: probed, value: probe(command) })),
        connect: firstOf
      })
    })

  const trace: DfsResolver["Service"]["trace"] = (path) =>
    Effect.suspend(() => {
      const notes: Array<DfsTrace.Note> = []
      return Effect.map(
        Effect.result(Effect.provideService(resolve(path), DfsTrace.Listener, (note) => void notes.push(note))),
        (result) => ({ notes, result })
      )
    })

  return DfsResolver.of({
    use,
    resolve,
    trace,
    cache: Effect.sync(() => knowledge.cache),
    knowledge: Effect.sync(() => knowledge)
  })
})

/**
 * A domain's name has an address, and no ticket. Without its controllers it is taken for a server, so say what is
 * missing.
 */
const hinted = (
  error: SourceError,
  { domain, server }: { readonly domain?: string; readonly server: string },
  discovers: boolean
) =>
  error._tag === "AuthenticationError" && error.reason === "ServerUnknown" && domain === undefined && !discovers
    ? new AuthenticationError({
      reason: error.reason,
      detail:
        `${error.detail}; if ${server} is a domain and no server, name its controllers in domainControllers, or ` +
        "provide DomainControllers.layerDns",
      ...(error.mechanism === undefined ? {} : { mechanism: error.mechanism }),
      ...(error.server === undefined ? {} : { server: error.server })
    })
    : error

/** What a server says to a wrong password, and to an account that may not be used. */
const aboutUser: ReadonlySet<string> = new Set([
  "LogonFailure",
  "AccountRestriction",
  "InvalidLogonHours",
  "InvalidWorkstation",
  "PasswordExpired",
  "AccountDisabled",
  "AccountExpired",
  "PasswordMustChange",
  "AccountLockedOut"
])

const refusesUser = (error: SourceError): boolean =>
  error._tag === "AuthenticationError"
    ? error.reason === "InvalidCredential" || error.reason === "Rejected"
    : error._tag === "SmbError" && error.command === "SESSION_SETUP" && aboutUser.has(error.reason)

/** Counts how long the work at a target took. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    Clock.currentTimeMillis,
    (before) =>
      Effect.tap(effect, () =>
        Effect.flatMap(Clock.currentTimeMillis, (after) => Metric.update(DfsMetrics.targetLatency, after - before)))
  )

/**
 * A resolver with a cache of its own.
 *
 * @category layers
 */
export const layer = (options?: DfsResolverOptions): Layer.Layer<DfsResolver, never, ReferralSource> =>
  Layer.effect(DfsResolver, make(options))
