/**
 * Runs `DfsResolution` against real servers: asks them through `ReferralSource`, keeps their referrals until they
 * expire, and joins equal requests that are in flight.
 *
 * The caller's `attempt` does the work at a target. The resolver says where, learns from the result, and goes on to
 * another target where that helps. Nothing is sent before a path is resolved. If the cache knows the path, the resolver
 * sends nothing at all.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Result from "effect/Result"
import type { NoReferral, ResolutionError } from "../Protocol/DfsError.ts"
import * as DfsMetrics from "./DfsMetrics.ts"
import * as DfsOptions from "./DfsOptions.ts"
import * as DfsPath from "./DfsPath.ts"
import * as DfsPattern from "./DfsPattern.ts"
import * as DfsResolution from "./DfsResolution.ts"
import type { Knowledge, Target } from "./DfsStep.ts"
import * as DfsTrace from "./DfsTrace.ts"
import * as DomainControllers from "./DomainControllers.ts"
import * as CachedResolution from "./internal/CachedResolution.ts"
import * as Observe from "./internal/Observe.ts"
import * as Race from "./internal/Race.ts"
import * as ReferralRenewal from "./internal/ReferralRenewal.ts"
import * as ResolutionLoop from "./internal/ResolutionLoop.ts"
import * as ServerRequests from "./internal/ServerRequests.ts"
import * as SharedKnowledge from "./internal/SharedKnowledge.ts"
import { reasonOf, toUnc } from "./internal/Transitions.ts"
import type * as ReferralCache from "./ReferralCache.ts"
import type { ReferralSource, SourceError } from "./ReferralSource.ts"
import type { SiteFinder } from "./SiteFinder.ts"

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
  /**
   * Runs `attempt` on the target that holds the path; `judge` says what its failures mean. `hasOthers`: the path has other
   * targets, of which some may have failed already.
   */
  readonly use: <A, E, R, E2 = never>(
    path: string,
    attempt: (target: Target, hasOthers: boolean) => Effect.Effect<A, E, R>,
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

/** The errors by which a server says that the path is in no namespace. */
const noNamespace: ReadonlySet<string> = new Set<NoReferral["_tag"]>(["NotDfsCapable", "NamespaceNotFound"])

/**
 * A resolver with an empty cache. It asks through the `ReferralSource` of its context, and finds controllers and its
 * site by the `DomainControllers` and `SiteFinder` there. Its background work ends with the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(given?: DfsResolverOptions) {
  const finder = yield* DomainControllers.DomainControllers
  const settings = DfsOptions.settings({ ...given, discover: given?.discover ?? finder !== DomainControllers.none })
  const applies = DfsPattern.make(settings)
  const knowledge = SharedKnowledge.make(settings)
  const requests = { knowledge, request: yield* ServerRequests.make(settings, knowledge) }
  const onDue = ReferralRenewal.make(requests, yield* Effect.scope, settings.ttl.negative * 1000)
  const context: ResolutionLoop.LoopContext = { ...requests, onDue }

  /** Whether the entry in use has more than the target of the command. */
  const hasOthers = ({ phase }: DfsResolution.State<unknown>, { others }: ResolutionLoop.Try<unknown>): boolean =>
    phase._tag === "Trying" ? phase.inUse.order.length > 1 : others.length > 0

  const use: DfsResolver["Service"]["use"] = <A, E, R, E2 = never>(
    path: string,
    attempt: (target: Target, hasOthers: boolean) => Effect.Effect<A, E, R>,
    judge: (error: E | E2) => Verdict,
    options?: UseOptions<E2, E>
  ): Effect.Effect<A, E | E2 | ResolutionError | SourceError, R> => {
    const original = DfsPath.fromString(path)
    if (!applies(original)) return attempt(plainTarget(original), false)
    const connect = options?.connect
    const verdictOf = (
      { of, target }: ResolutionLoop.Try<unknown>,
      { refusal }: DfsResolution.State<unknown>,
      error: E
    ): Effect.Effect<Verdict> => {
      const verdict = judge(error)
      const asks = verdict === "NotFound" && of === "plain" && refusal !== undefined && !noNamespace.has(refusal._tag)
      return asks && options?.mayBeLink !== undefined
        ? Effect.map(options.mayBeLink(target, error), (may) => (may ? "PathNotCovered" : verdict))
        : Effect.succeed(verdict)
    }
    type Attempted = ResolutionLoop.Attempted<A, E | E2>
    return ResolutionLoop.run<A, E | E2, R>(context, DfsResolution.start(original), {
      attempt: (command, state) =>
        timed(
          Effect.matchEffect(Observe.attempting(command, state, attempt(command.target, hasOthers(state, command))), {
            onSuccess: (value) => Effect.succeed<Attempted>({ event: { _tag: "Succeeded" }, value }),
            onFailure: (error) =>
              Effect.map(
                verdictOf(command, state, error),
                (verdict): Attempted => ({ event: { _tag: verdict, error, reason: reasonOf(error) } })
              )
          })
        ),
      connect: connect === undefined ? ResolutionLoop.takeFirst : (targets) =>
        Race.run(targets, {
          connect: (target) => Observe.connecting(target, connect(target)),
          judge,
          stagger: settings.stagger,
          reasonOf
        })
    })
  }

  const resolve = (path: string): Effect.Effect<Resolution, ResolutionError | SourceError> =>
    Effect.contextWith((services: Context.Context<never>) => {
      const original = DfsPath.fromString(path)
      if (!applies(original)) return asPlain(path)
      let last: Resolution | undefined
      const collect = (command: ResolutionLoop.Try<ResolutionLoop.OwnError<never>>): Resolution =>
        last = withTarget(path, last, command)
      const progress = CachedResolution.fromCache(
        knowledge,
        DfsResolution.start<ResolutionLoop.OwnError<never>>(original),
        Observe.watcher(services),
        collect
      )
      return CachedResolution.isComplete(progress)
        ? Effect.succeed(progress.value!)
        : ResolutionLoop.finish<Resolution, never, never>(context, progress, {
          attempt: (command) => Effect.sync(() => ({ event: CachedResolution.probe, value: collect(command) })),
          connect: ResolutionLoop.takeFirst
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
    cache: Effect.sync(() => knowledge.current().cache),
    knowledge: Effect.sync(knowledge.current)
  })
})

/** The resolution with the target of one more step. */
const withTarget = (
  path: string,
  last: Resolution | undefined,
  { of, others, target }: ResolutionLoop.Try<unknown>
): Resolution => {
  const resolvedPath = toUnc(target)
  // A link's target that is an ordinary share is still the link's target.
  if (last !== undefined && last.status === of && last.targets.some((one) => toUnc(one) === resolvedPath)) {
    // The next of the same targets. The earlier ones are of no use now, and stay in the list.
    return { ...last, resolvedPath }
  }
  return last === undefined || of !== "plain" || last.resolvedPath !== resolvedPath
    ? { path, resolvedPath, status: of, targets: [target, ...others] }
    : last
}

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
