/**
 * What goes into a step of `DfsResolution`, and what comes out: events, commands, targets and options. Types only, but
 * for the default options.
 */
import type { DfsError, ReferralError } from "../Protocol/DfsError.ts"
import type * as ReferralCache from "./ReferralCache.ts"
import type { ReferralResponse } from "./ReferralResponse.ts"

/**
 * Where to do the work. `path` is below the share, with backslashes, and empty for its root. `dfsName` is there if
 * the name goes on the wire as `server\share\path` with the DFS flag set, in these words.
 *
 * @category models
 */
export interface Target {
  readonly server: string
  readonly share: string
  readonly path: string
  readonly dfsName?: { readonly server: string; readonly share: string }
}

/**
 * What to do next.
 *
 * - `AskReferral`: send a referral request for `path` to `server`, answer with `Referral`, `ReferralFailed` or
 *   `Unreachable`.
 * - `Try`: do the work on `target`. It is the target of a `root`, of a `link`, or `plain`, outside of any namespace.
 *   `settled` says that a `Probe` has nothing more to find out. `others` are the targets that would follow.
 * - `Done`, `Fail`: the end.
 *
 * @category models
 */
export type Command<E> =
  | { readonly _tag: "AskReferral"; readonly server: string; readonly path: string; readonly kind: "root" | "link" }
  | {
    readonly _tag: "Try"
    readonly target: Target
    readonly of: "root" | "link" | "plain"
    readonly settled: boolean
    readonly others: ReadonlyArray<Target>
  }
  | { readonly _tag: "Done"; readonly target: Target }
  | { readonly _tag: "Fail"; readonly error: E | DfsError }

/**
 * What came of the last command. `E` is the driver's own error; `reason` is one line about it.
 *
 * - `ReferralFailed`: the server answered, but with no referral. `Unreachable`: it did not answer.
 * - `Succeeded`; `PathNotCovered` (a link was crossed); `NotFound` (the name or its path is not there);
 *   `TargetFailed` (this target is of no use, another may be); `Failed` (no other target would say anything else).
 * - `Probe`: nothing was tried; find out by referrals alone whether the path goes on elsewhere.
 *
 * @category models
 */
export type Event<E> =
  | { readonly _tag: "Start" }
  | { readonly _tag: "Referral"; readonly response: ReferralResponse }
  | { readonly _tag: "ReferralFailed"; readonly error: ReferralError }
  | { readonly _tag: "Unreachable"; readonly error: E; readonly reason: string }
  | { readonly _tag: "Succeeded" }
  | { readonly _tag: "PathNotCovered"; readonly error: E }
  | { readonly _tag: "NotFound"; readonly error: E }
  | { readonly _tag: "TargetFailed"; readonly error: E; readonly reason: string }
  | { readonly _tag: "Failed"; readonly error: E }
  | { readonly _tag: "Probe" }

/**
 * `mode` says what a server that does not do DFS means: `"strict"` fails with `NotDfsCapable`, `"fallback"` goes on
 * without DFS.
 *
 * @category models
 */
export interface Options {
  readonly mode: "strict" | "fallback"
  readonly limits: { readonly hops: number; readonly steps: number }
  /** Seconds. */
  readonly ttl: ReferralCache.TtlBounds
}

/** Fallback, 8 hops, 256 steps, a time to live of at most a day. */
export const defaultOptions: Options = {
  mode: "fallback",
  limits: { hops: 8, steps: 256 },
  ttl: { minimum: 0, maximum: 86_400 }
}

/** What a step may look at besides its state. `now` is in milliseconds. */
export interface World {
  readonly cache: ReferralCache.ReferralCache
  readonly now: number
  readonly options: Options
}
