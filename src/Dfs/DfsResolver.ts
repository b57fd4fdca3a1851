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
import * as Schema from "effect/Schema"
import type { DfsError, ReferralError } from "../Protocol/DfsError.ts"
import * as DfsPath from "./DfsPath.ts"
import { largestReferralBuffer, ReferralBuffer, retryOverflow } from "./DfsPolicy.ts"
import * as DfsResolution from "./DfsResolution.ts"
import type { Command, Event, Options, Target } from "./DfsStep.ts"
import { defaultOptions } from "./DfsStep.ts"
import * as ReferralCache from "./ReferralCache.ts"
import type { ReferralResponse } from "./ReferralResponse.ts"
import { ask, type ReferralSource, type SourceError } from "./ReferralSource.ts"

/**
 * How a client resolves. All but `mode` has a default.
 *
 * @category models
 */
export interface DfsResolverOptions extends Partial<Options> {
  /** Prefixes that are remembered: 512. */
  readonly capacity?: number
  /** 4. */
  readonly maxReferralLevel?: number
  /** The client's Active Directory site: requests then go by the EX control code first. */
  readonly siteName?: string
  /** Bytes that a buffer may grow to on `Overflow`: 56 KiB. */
  readonly largestBuffer?: number
}

/**
 * Where a path leads. `status` says what the path turned out to be; `targets` are all that can be tried, in order, the
 * first being `resolvedPath`.
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
export type Verdict = "PathNotCovered" | "NotFound" | "TargetFailed" | "Failed"

/**
 * Resolves paths through DFS namespaces, and keeps what it learns.
 *
 * @category services
 */
export class DfsResolver extends Context.Service<DfsResolver, {
  /** Where a path leads, found out by referrals alone. */
  readonly resolve: (path: string) => Effect.Effect<Resolution, DfsError | SourceError>
  /** Runs `attempt` on the target that holds the path; `judge` says what its failures mean. */
  readonly use: <A, E, R>(
    path: string,
    attempt: (target: Target) => Effect.Effect<A, E, R>,
    judge: (error: E) => Verdict
  ) => Effect.Effect<A, E | DfsError | SourceError, R>
  /** What is remembered now. */
  readonly cache: Effect.Effect<ReferralCache.ReferralCache>
}>()("effect-smb/Dfs/DfsResolver") {}

/** The path as it is, without DFS. */
export const asPlain = (path: string): Effect.Effect<Resolution> =>
  Effect.sync(() => {
    const [server = "", share = "", ...rest] = DfsPath.fromString(path)
    const target = { server, share, path: rest.join("\\") }
    return { path, resolvedPath: toUnc(target), status: "plain", targets: [target] }
  })

const toUnc = (target: Target): string =>
  DfsPath.toString([target.server, target.share, target.path].filter((part) => part !== ""))

const reasonOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "message" in error && typeof error.message === "string"
    ? error.message
    : String(error)

/** The failures of a request to which the server gave an answer, though not a referral. */
const referralErrors: ReadonlySet<string> = new Set<ReferralError["_tag"]>([
  "Malformed",
  "Overflow",
  "Unsupported",
  "NotDfsCapable",
  "NamespaceNotFound",
  "ReferralRefused"
])
const isReferralError = (error: ReferralError | SourceError): error is ReferralError => referralErrors.has(error._tag)

const Request = Schema.fromJsonString(Schema.Tuple([Schema.String, Schema.String, Schema.Number]))
const toKey = Schema.encodeSync(Request)
const fromKey = Schema.decodeSync(Request)

/**
 * A resolver with an empty cache. It asks through the `ReferralSource` that it is made with.
 *
 * @category constructors
 */
export const make = Effect.fnUntraced(function*(given?: DfsResolverOptions) {
  const options = { ...defaultOptions, ...given }
  const { largestBuffer: largest = largestReferralBuffer, maxReferralLevel = 4 } = options
  let cache = ReferralCache.make(options)

  // No time to live: only what is in flight is shared. What comes back is remembered by prefix.
  const inFlight = yield* Cache.makeWith((key: string) => {
    const [server, path, size] = fromKey(key)
    return ask(server, path, { ...options, maxReferralLevel }).pipe(Effect.provideService(ReferralBuffer, size))
  }, { capacity: Number.POSITIVE_INFINITY, timeToLive: () => 0, requireServicesAt: "construction" })

  const referral = (server: string, path: string): Effect.Effect<ReferralResponse, ReferralError | SourceError> =>
    retryOverflow({ largest })(
      Effect.flatMap(ReferralBuffer, (size) => Cache.get(inFlight, toKey([server, path, size])))
    )

  /** The one loop: performs commands until the end, and gives what `attempt` gave. */
  const drive = Effect.fnUntraced(function*<A, E, R>(
    path: string,
    attempt: (command: Extract<Command<E>, { readonly _tag: "Try" }>) => Effect.Effect<
      { readonly event: Event<E>; readonly value?: A },
      never,
      R
    >
  ): Effect.fn.Return<A, E | DfsError | SourceError, R> {
    let state = DfsResolution.start<E | SourceError>(path)
    let event: Event<E | SourceError> = { _tag: "Start" }
    let value: { readonly value?: A } = {}
    for (;;) {
      const now: number = yield* Clock.currentTimeMillis
      const result: DfsResolution.Step<E | SourceError> = DfsResolution.step(state, event, { cache, now, options })
      state = result.state
      cache = result.cache
      const command: Command<E | SourceError> = result.command
      switch (command._tag) {
        case "AskReferral":
          event = yield* Effect.match(referral(command.server, command.path), {
            onSuccess: (response): Event<E | SourceError> => ({ _tag: "Referral", response }),
            onFailure: (error): Event<E | SourceError> =>
              isReferralError(error)
                ? { _tag: "ReferralFailed", error }
                : { _tag: "Unreachable", error, reason: reasonOf(error) }
          })
          break
        case "Try": {
          const tried: { readonly event: Event<E>; readonly value?: A } = yield* attempt(command)
          event = tried.event
          value = tried
          break
        }
        case "Done":
          return value.value as A
        case "Fail":
          return yield* Effect.fail(command.error)
      }
    }
  })

  const use: DfsResolver["Service"]["use"] = <A, E, R>(
    path: string,
    attempt: (target: Target) => Effect.Effect<A, E, R>,
    judge: (error: E) => Verdict
  ) =>
    drive<A, E, R>(path, (command) =>
      Effect.match(attempt(command.target), {
        onSuccess: (value) => ({ event: { _tag: "Succeeded" } as const, value }),
        onFailure: (error) => ({ event: { _tag: judge(error), error, reason: reasonOf(error) } })
      }))

  const resolve = (path: string): Effect.Effect<Resolution, DfsError | SourceError> =>
    Effect.suspend(() => {
      let last: Resolution | undefined
      return drive<Resolution, never, never>(path, (command) => {
        const resolvedPath = toUnc(command.target)
        // A link's target that turns out to be an ordinary share is still the link's target.
        if (last === undefined || command.of !== "plain" || last.resolvedPath !== resolvedPath) {
          last = { path, resolvedPath, status: command.of, targets: [command.target, ...command.others] }
        }
        return Effect.succeed({ event: { _tag: "Probe" }, value: last })
      })
    })

  return DfsResolver.of({ use, resolve, cache: Effect.sync(() => cache) })
})

/**
 * A resolver with a cache of its own.
 *
 * @category layers
 */
export const layer = (options?: DfsResolverOptions): Layer.Layer<DfsResolver, never, ReferralSource> =>
  Layer.effect(DfsResolver, make(options))
