/**
 * Runs `DfsResolution` against real servers: asks them through `ReferralSource`, keeps their referrals until they
 * expire, and joins equal requests that are in flight.
 *
 * The caller's `attempt` does the work at a target. The resolver says where, learns from the result, and goes on to
 * another target where that helps. Nothing is sent before a path is resolved. If the cache knows the path, the resolver
 * sends nothing at all.
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
import type { NoReferral, ReferralError, ReferralUnavailable, ResolutionError } from "../Protocol/DfsError.ts"
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

/**
 * How a client resolves; see `DfsOptions`.
 *
 * @since 0.1.0
 */
export type DfsResolverOptions = DfsOptions.DfsOptions

/**
 * Where a path leads. `status` says what kind of path it is; `targets` are all targets that can be tried, in order;
 * `resolvedPath` is the first of them that answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Resolution {
  readonly path: string
  readonly resolvedPath: string
  readonly status: "root" | "link" | "plain"
  readonly targets: ReadonlyArray<Target>
}

/**
 * What the failure of an attempt means for the path; see the events of `DfsStep`.
 *
 * @since 0.1.0
 */
export type Verdict = "PathNotCovered" | "NotFound" | "TargetFailed" | "ServerFailed" | "Failed" | "Lost"

/**
 * How the resolver reaches targets, besides `attempt`.
 *
 * @since 0.1.0
 */
export interface UseOptions<E, E2 = unknown> {
  /** Connects to a target and leaves the connection for `attempt` to find. For `connect: "race"`. */
  readonly connect?: ((target: Target) => Effect.Effect<unknown, E>) | undefined
  /**
   * Whether the error of an attempt can mean a link on the way, though there was no referral: the result is then the
   * error of the referral. Called only for an attempt without DFS whose verdict is `NotFound`.
   */
  readonly mayBeLink?: ((target: Target, error: E2) => Effect.Effect<boolean>) | undefined
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
 * @since 0.1.0
 */
export class DfsResolver extends Context.Service<DfsResolver, {
  /** Where a path leads, by referrals alone. */
  readonly resolve: (path: string) => Effect.Effect<Resolution, ResolutionError | SourceError>
  /** As `resolve`, with its steps, whether it succeeds or fails. */
  readonly trace: (path: string) => Effect.Effect<{
    readonly notes: ReadonlyArray<DfsTrace.Note>
    readonly result: Result.Result<Resolution, ResolutionError | SourceError>
  }>
  /** Runs `attempt` on the target that holds the path; `judge` says what its failures mean. */
  readonly use: <A, E, R, E2 = never>(
    path: string,
    attempt: (target: Target) => Effect.Effect<A, E, R>,
    judge: (error: E | E2) => Verdict,
    options?: UseOptions<E2, E>
  ) => Effect.Effect<A, E | E2 | ResolutionError | SourceError, R>
  /** What the referral cache holds now. */
  readonly cache: Effect.Effect<ReferralCache.ReferralCache>
  /** What is known now: referrals, domains, and which targets are dead. */
  readonly knowledge: Effect.Effect<Knowledge>
}>()("effect-smb/Dfs/DfsResolver") {}

/**
 * The path unchanged, without DFS.
 *
 * @since 0.1.0
 */
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

/** The failures of a request that the server answered, but not with a referral. */
const referralErrors: ReadonlySet<string> = new Set<ReferralError["_tag"]>([
  "Malformed",
  "Overflow",
  "Unsupported",
  "NotDfsCapable",
  "NamespaceNotFound",
  "ReferralRefused"
])
const isReferralError = (error: NoReferral | SourceError): error is ReferralError => referralErrors.has(error._tag)

/** The errors by which a server says that the path is in no namespace. */
const answers: ReadonlySet<string> = new Set<NoReferral["_tag"]>(["NotDfsCapable", "NamespaceNotFound"])

const Request = Schema.fromJsonString(
  Schema.Tuple([Schema.String, Schema.String, Schema.Number, Schema.String, Schema.String, Schema.String])
)
const toKey = Schema.encodeSync(Request)
const fromKey = Schema.decodeSync(Request)

/** The errors of a resolution besides those of DFS: the caller's own, and those of asking a server. */
type Own<E> = E | SourceError | ReferralUnavailable

/** The result of an attempt: an event for the algorithm, and the caller's final result. */
interface Answer<A, E> {
  readonly event: Event<E>
  readonly value?: A | undefined
}

const start = { _tag: "Start" } as const
const probed = { _tag: "Probe" } as const
const silence: ReadonlyArray<Effect.Effect<void>> = []

/** A step that was taken: what to do now, and what the log still has to say about it. */
interface StepTaken<E> {
  readonly state: DfsResolution.State<E>
  readonly command: Command<E>
  readonly lines: ReadonlyArray<Effect.Effect<void>>
}

/** A resolution in progress, with the result of the last attempt. */
interface InProgress<A, E> {
  readonly taken: StepTaken<E>
  readonly answer: { readonly value?: A | undefined }
  readonly inSpan: boolean
}

type Trying<E> = Extract<Command<E>, { readonly _tag: "Try" }>

/** The parts of the work that the loop leaves to others. */
interface Actions<A, E, R> {
  readonly attempt: (
    command: Trying<Own<E>>,
    state: DfsResolution.State<Own<E>>
  ) => Effect.Effect<Answer<A, E>, never, R>
  readonly connect: (targets: ReadonlyArray<Target>) => Effect.Effect<Event<E>>
}

/**
 * A resolver with an empty cache. It asks through the `ReferralSource` of its context, and finds controllers and its
 * site by the `DomainControllers` and `SiteFinder` there. Its background work ends with the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(given?: DfsResolverOptions) {
  const finder = yield* DomainControllers.DomainControllers
  const siteFinder = yield* SiteFinder
  const looks = finder !== DomainControllers.none
  const scope = yield* Effect.scope
  const settings = DfsOptions.settings({ ...given, discover: given?.discover ?? looks })
  const { capacity, domainControllers, largestBuffer: largest, maxReferralLevel, siteName } = settings
  const applies = DfsPattern.make(settings)
  let knowledge: Knowledge = {
    cache: ReferralCache.make({ capacity }),
    domains: DomainCache.make({ controllers: domainControllers }),
    health: TargetHealth.none
  }
  /** Prefixes whose referral is being renewed, or could not be renewed lately: not again before this time. */
  const renewing = new Map<string, number>()

  // No time to live: only requests in flight are shared. The referrals are remembered by prefix.
  const inFlight = yield* Cache.makeWith((key: string) => {
    const [server, path, size, kind, site, domain] = fromKey(key)
    return ask(server, path, {
      maxReferralLevel,
      kind: kind as ReferralKind,
      siteName: site === "" ? undefined : site,
      domain: domain === "" ? undefined : domain,
      // A server that does not respond to this request alone must not cost much more time than it would without DFS.
      limit: kind === "root" && domain === "" && settings.mode === "fallback" ? settings.askTimeout : undefined
    }).pipe(Effect.provideService(ReferralBuffer, size))
  }, { capacity: Number.POSITIVE_INFINITY, timeToLive: () => 0, requireServicesAt: "construction" })

  const sites = yield* Sites.make({ siteName, finder: siteFinder })
  /** The site to name when a server of this domain is asked. */
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

  /** The result of a command that does not concern the caller's own work. */
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
              ? { _tag: "Unreachable", error, reason: error.detail, unavailable: error }
              : {
                _tag: "Unreachable",
                error: hinted(error, command, looks),
                reason: reasonOf(error),
                refusesUser: refusesUser(error)
              }
        })
      case "FindControllers":
        return Effect.map(
          Observe.finding(command.domain, sites.controllersOf(command.domain, finder)),
          (controllers) => ({ _tag: "Controllers", controllers })
        )
    }
  }

  /** One step. Keeps what it learned and tells the watcher; the caller writes the lines for the log. */
  const advance = <E>(
    before: DfsResolution.State<E>,
    event: Event<E>,
    { clock, context, listener, log }: Observe.Watcher
  ): StepTaken<E> => {
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
   * The one loop: performs commands until the end, and gives the result of `attempt`. It begins with a step that was
   * taken already, or with `Start`, and runs in a span from the first command that asks a server.
   */
  const walk = Effect.fnUntraced(function*<A, E, R>(
    progress: DfsResolution.State<Own<E>> | InProgress<A, Own<E>>,
    actions: Actions<A, E, R>
  ): Effect.fn.Return<A, E | ResolutionError | SourceError, R> {
    const watcher = Observe.watcher(yield* Effect.context<never>())
    const from = "taken" in progress
      ? progress
      : { taken: advance(progress, start, watcher), answer: {}, inSpan: false }
    let { answer, taken } = from
    for (;;) {
      const { command, lines, state } = taken
      for (const line of lines) yield* line
      let event: Event<Own<E>>
      switch (command._tag) {
        case "Try": {
          const tried: Answer<A, E> = yield* actions.attempt(command, state)
          event = tried.event
          answer = tried
          break
        }
        case "Done":
          if (state.due !== undefined) yield* renew(state.due, watcher.clock.currentTimeMillisUnsafe())
          return answer.value as A
        case "Fail":
          // What cannot be asked for a referral is a reason of `DfsError` by now.
          return yield* Effect.fail(command.error as Exclude<typeof command.error, ReferralUnavailable>)
        default: {
          if (!from.inSpan) {
            const rest = { taken: { state, command, lines: silence }, answer, inSpan: true }
            return yield* Observe.resolving(state, walk(rest, actions))
          }
          event = command._tag === "Connect" ? yield* actions.connect(command.targets) : yield* perform<E>(command)
        }
      }
      taken = advance(state, event, watcher)
    }
  })

  const firstOf = <E>(): Effect.Effect<Event<E>> => Effect.succeed({ _tag: "Connected", index: 0, failures: [] })

  /** Asks for a referral again, in the background, while the old one is still used. */
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
        Effect.provideService(DfsTrace.TraceListener, undefined),
        Effect.forkIn(scope),
        Effect.asVoid
      )
    })

  const use: DfsResolver["Service"]["use"] = <A, E, R, E2 = never>(
    path: string,
    attempt: (target: Target) => Effect.Effect<A, E, R>,
    judge: (error: E | E2) => Verdict,
    options?: UseOptions<E2, E>
  ): Effect.Effect<A, E | E2 | ResolutionError | SourceError, R> => {
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

  const resolve = (path: string): Effect.Effect<Resolution, ResolutionError | SourceError> =>
    Effect.contextWith((context: Context.Context<never>) => {
      const original = DfsPath.fromString(path)
      if (!applies(original)) return asPlain(path)
      let last: Resolution | undefined
      const probe = (command: Trying<SourceError>): Resolution => {
        const resolvedPath = toUnc(command.target)
        // A link's target that is an ordinary share is still the link's target.
        if (
          last !== undefined && last.status === command.of && last.targets.some((one) => toUnc(one) === resolvedPath)
        ) {
          // The next of the same targets. The earlier ones are of no use now, and stay in the list.
          last = { ...last, resolvedPath }
        } else if (last === undefined || command.of !== "plain" || last.resolvedPath !== resolvedPath) {
          last = { path, resolvedPath, status: command.of, targets: [command.target, ...command.others] }
        }
        return last
      }
      // The cache answers at once, which is not worth a loop of effects.
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
        Effect.result(Effect.provideService(resolve(path), DfsTrace.TraceListener, (note) => void notes.push(note))),
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
 * A domain's name has an address, but no Kerberos ticket. Without the domain's controllers it is taken for a server, so
 * the message says what is missing.
 */
const hinted = (
  error: SourceError,
  { domain, server }: { readonly domain?: string | undefined; readonly server: string },
  discovers: boolean
) =>
  error._tag === "AuthenticationError" && error.reason._tag === "ServerUnknown" && domain === undefined && !discovers
    ? new AuthenticationError({
      reason: error.reason,
      detail:
        `${error.detail}; if ${server} is a domain and no server, name its controllers in domainControllers, or ` +
        "use DfsAdapter.layer with DomainControllers.layerDns()",
      ...(error.mechanism === undefined ? {} : { mechanism: error.mechanism }),
      ...(error.server === undefined ? {} : { server: error.server })
    })
    : error

/** The statuses for a wrong password, and for an account that may not be used. */
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
    ? error.reason._tag === "InvalidCredential" || error.reason._tag === "LogonRejected"
    : error._tag === "SmbError" && error.command === "SESSION_SETUP" && aboutUser.has(error.reason._tag)

/** Counts how long the work at a target took. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    Clock.currentTimeMillis,
    (before) =>
      Effect.tap(effect, () =>
        Effect.flatMap(Clock.currentTimeMillis, (after) => Metric.update(DfsMetrics.targetLatency, after - before)))
  )

/**
 * A resolver with its own cache.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: DfsResolverOptions
): Layer.Layer<DfsResolver, never, ReferralSource | DomainControllers.DomainControllers | SiteFinder> =>
  Layer.effect(DfsResolver, make(options))
