/**
 * The inputs and outputs of a step of `DfsResolution`: events, commands, targets and options. Types only, except the
 * default options.
 */
import type { ReferralError, ReferralUnavailable, ResolutionError } from "../Protocol/DfsError.ts"
import type * as DomainCache from "./DomainCache.ts"
import type * as ReferralCache from "./ReferralCache.ts"
import type { ReferralResponse } from "./ReferralResponse.ts"
import type * as TargetHealth from "./TargetHealth.ts"

/**
 * Where to do the work. `path` is below the share, with backslashes, and empty for its root. `dfsName` is set if the
 * name on the wire is `server\share\path` with the DFS flag. `domain` is set if the server's domain is known. `isLink`
 * is set if the requested path ends with a link, so that this target is the link's own target and not something below
 * it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target {
  readonly server: string
  readonly share: string
  readonly path: string
  readonly dfsName?: { readonly server: string; readonly share: string } | undefined
  readonly domain?: string | undefined
  readonly isLink?: true | undefined
  readonly namesBelowLink?: number | undefined
}

/**
 * What a referral is asked for (MS-DFSC 3.1.4.2).
 *
 * @since 0.1.0
 */
export type ReferralKind = "domain" | "dc" | "root" | "sysvol" | "link"

/**
 * What to do next.
 *
 * - `AskReferral`: send a referral request for `path` to `server`, answer with `Referral`, `ReferralFailed` or
 *   `Unreachable`. A domain referral's path is empty.
 * - `FindControllers`: look for the controllers of a domain without asking a controller (DNS), answer with
 *   `Controllers`.
 * - `Connect`: connect to the target that answers first, answer with `Connected` or `ConnectFailed`.
 * - `Try`: do the work on `target`. It is the target of a `root`, of a `link`, or `plain`, outside of any namespace.
 *   `settled` says that a `Probe` has nothing more to find out. `others` are the targets that would follow.
 * - `Done`, `Fail`: the end.
 *
 * @category models
 * @since 0.1.0
 */
export type Command<E> =
  | {
    readonly _tag: "AskReferral"
    readonly server: string
    readonly path: string
    readonly kind: ReferralKind
    readonly domain?: string | undefined
  }
  | { readonly _tag: "FindControllers"; readonly domain: string }
  | { readonly _tag: "Connect"; readonly targets: ReadonlyArray<Target> }
  | {
    readonly _tag: "Try"
    readonly target: Target
    readonly of: "root" | "link" | "plain"
    readonly settled: boolean
    readonly others: ReadonlyArray<Target>
  }
  | { readonly _tag: "Done"; readonly target: Target }
  | { readonly _tag: "Fail"; readonly error: E | ResolutionError }

/**
 * A target of a `Connect` that could not be connected to, by its index there.
 *
 * @since 0.1.0
 */
export interface ConnectFailure<E> {
  readonly index: number
  readonly error: E
  readonly reason: string
  /** Is the whole server of no use, or the share only? */
  readonly what: "server" | "share"
}

/**
 * The result of the last command. `E` is the driver's own error; `reason` is one line about it.
 *
 * - `ReferralFailed`: the server answered, but without a referral. `Unreachable`: it did not answer. `refusesUser` is
 *   set if it does not accept the account or its password: the domain's other controllers would not either.
 *   `unavailable` is set if the user is logged on and only the referral request could not be made.
 * - `Controllers`: an empty list if the domain does not exist.
 * - `Succeeded`; `PathNotCovered` (a link was crossed); `NotFound` (the name or its path does not exist);
 *   `TargetFailed` (this share is of no use, another target may be); `ServerFailed` (its whole server is of no use);
 *   `Failed` (every target would say the same); `Lost` (the server is of no use, but the work may have had its effect,
 *   and must not be repeated).
 * - `Probe`: nothing was tried; find out by referrals alone whether the path goes on elsewhere.
 *
 * @category models
 * @since 0.1.0
 */
export type Event<E> =
  | { readonly _tag: "Start" }
  | { readonly _tag: "Referral"; readonly response: ReferralResponse }
  | { readonly _tag: "ReferralFailed"; readonly error: ReferralError }
  | {
    readonly _tag: "Unreachable"
    readonly error: E
    readonly reason: string
    readonly refusesUser?: boolean | undefined
    readonly unavailable?: ReferralUnavailable | undefined
  }
  | { readonly _tag: "Controllers"; readonly controllers: ReadonlyArray<string> }
  | { readonly _tag: "Connected"; readonly index: number; readonly failures: ReadonlyArray<ConnectFailure<E>> }
  | { readonly _tag: "ConnectFailed"; readonly failures: ReadonlyArray<ConnectFailure<E>> }
  | { readonly _tag: "Succeeded" }
  | { readonly _tag: "PathNotCovered"; readonly error: E }
  | { readonly _tag: "NotFound"; readonly error: E }
  | { readonly _tag: "TargetFailed"; readonly error: E; readonly reason: string }
  | { readonly _tag: "ServerFailed"; readonly error: E; readonly reason: string }
  | { readonly _tag: "Failed"; readonly error: E }
  | { readonly _tag: "Lost"; readonly error: E }
  | { readonly _tag: "Probe" }

/**
 * How paths are resolved.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * What to do if a server has no DFS or cannot be asked, or if a domain has no such namespace: `"strict"` fails,
   * `"fallback"` goes on without DFS.
   */
  readonly mode: "strict" | "fallback"
  /**
   * `"referral-first"` asks for a referral before anything else, as Windows does; `"lazily"` tries the path first, and
   * asks when a server says PATH_NOT_COVERED, does not have the share, or cannot be reached.
   */
  readonly probe: "referral-first" | "lazily"
  /**
   * `"ordered"` connects to one target after the other, `"race"` to the targets of one target set at short intervals.
   */
  readonly connect: "ordered" | "race"
  /** Look for the controllers of a domain if none are given. */
  readonly discover: boolean
  /** The most interlinks that are followed, and the most events in one resolution. */
  readonly limits: { readonly hops: number; readonly steps: number }
  /** Seconds. */
  readonly ttl: ReferralCache.TtlBounds & {
    /** For how long the absence of a referral is believed. */
    readonly negative: number
  }
  /** The client asks for a referral again, in the background, in this last part of its time to live; 0 to 1. */
  readonly refreshAhead: number
  readonly breaker: TargetHealth.Breaker
}

/**
 * Fallback, referral first, one target after the other; 8 hops, 256 steps; a time to live of at most a day, and 30
 * seconds for an absent referral; renewed in the last tenth; a dead target is left alone for 30 seconds to 5 minutes.
 *
 * @since 0.1.0
 */
export const defaultOptions: Options = {
  mode: "fallback",
  probe: "referral-first",
  connect: "ordered",
  discover: false,
  limits: { hops: 8, steps: 256 },
  ttl: { minimum: 0, maximum: 86_400, negative: 30 },
  refreshAhead: 0.1,
  breaker: { cooldown: 30_000, longest: 300_000 }
}

/**
 * What a resolution learns and the next one uses.
 *
 * @since 0.1.0
 */
export interface Knowledge {
  readonly cache: ReferralCache.ReferralCache
  readonly domains: DomainCache.DomainCache
  readonly health: TargetHealth.TargetHealth
}

/**
 * What a step may look at besides its state. `now` is in milliseconds.
 *
 * @since 0.1.0
 */
export interface World extends Knowledge {
  readonly now: number
  readonly options: Options
}
