/**
 * The state of a resolution, as data. `DfsResolution` makes and changes it; a driver only passes it on.
 */
import type { NoReferral } from "../Protocol/DfsError.ts"
import type * as DfsPath from "./DfsPath.ts"
import type { Command, Knowledge } from "./DfsStep.ts"
import type { Note } from "./DfsTrace.ts"
import type * as ReferralCache from "./ReferralCache.ts"

/**
 * An entry in use, and which of its targets is being tried.
 *
 * @since 0.2.0
 */
export interface EntryInUse {
  readonly entry: ReferralCache.CachedReferral
  readonly order: ReadonlyArray<number>
  readonly position: number
  /** The server was asked for a link below this root already: it is not asked again. */
  readonly asked: boolean
  /** The target at `position` has answered in a race. */
  readonly connected: boolean
}

/**
 * Where to go on if the target of an interlink cannot be used.
 *
 * @since 0.2.0
 */
export interface Frame {
  readonly path: DfsPath.DfsPath
  readonly visited: ReadonlyArray<DfsPath.DfsPath>
  readonly inUse: EntryInUse
}

/**
 * Why a link is asked for, which decides what its absence means.
 *
 * @since 0.2.0
 */
export type Why<E> =
  | { readonly _tag: "Crossed"; readonly error: E }
  | { readonly _tag: "Missing"; readonly error: E }
  | { readonly _tag: "Probing" }
  | { readonly _tag: "Refreshing"; readonly link: DfsPath.DfsPath }

/**
 * A domain's controllers, one of which is being asked.
 *
 * @since 0.2.0
 */
export interface Asked {
  readonly domain: string
  readonly controllers: ReadonlyArray<string>
  readonly position: number
}

/**
 * `lenient`: the path is only suspected to be in a namespace.
 *
 * @since 0.2.0
 */
export type Phase<E> =
  | { readonly _tag: "Idle" }
  | { readonly _tag: "AskingDomains"; readonly lenient: boolean; readonly asked: Asked }
  | { readonly _tag: "AskingControllers"; readonly lenient: boolean; readonly asked: Asked }
  | { readonly _tag: "Searching"; readonly lenient: boolean }
  | { readonly _tag: "AskingRoot"; readonly lenient: boolean; readonly asked: Asked | undefined }
  | { readonly _tag: "AskingLink"; readonly inUse: EntryInUse; readonly why: Why<E> }
  | { readonly _tag: "Racing"; readonly inUse: EntryInUse; readonly count: number }
  | { readonly _tag: "Trying"; readonly inUse: EntryInUse; readonly settled: boolean }
  | { readonly _tag: "TryingPlain"; readonly lazily: boolean }
  | { readonly _tag: "Ended" }

/**
 * The state of one resolution. Made by `start`, changed by `step` alone.
 *
 * @category models
 * @since 0.2.0
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
  /** The error of plain SMB, if that was tried first. */
  readonly plainError: { readonly error: E; readonly crossed: boolean } | undefined
  /** Why the path is taken for an ordinary one. */
  readonly refusal: NoReferral | undefined
  /** `refusal` is of an earlier resolution. */
  readonly remembered: boolean
  /** The bootstrap controller has been asked for the domains, and DNS for a domain's controllers. */
  readonly listed: boolean
  readonly searched: boolean
  /** Only the referral of this prefix is to be renewed. */
  readonly renew: string | undefined
  /** An entry that was used and should be renewed. */
  readonly due: DfsPath.DfsPath | undefined
  readonly steps: number
  readonly phase: Phase<E>
  readonly pending: Command<E> | undefined
}

/**
 * What a step gives.
 *
 * @since 0.2.0
 */
export interface Step<E> extends Knowledge {
  readonly state: State<E>
  readonly command: Command<E>
  readonly notes: ReadonlyArray<Note>
}
