/**
 * The ways in which a resolution goes on or ends. For the modules of `DfsResolution` alone.
 */
import type { Failure, NoReferral, ReferralError } from "../../Protocol/DfsError.ts"
import { at, DfsLoop, isFailure, NoTargetLeft, toError } from "../../Protocol/DfsError.ts"
import * as DfsPath from "../DfsPath.ts"
import type { Asked, EntryInUse, Phase, State, Step, Why } from "../DfsState.ts"
import type { Command, Target, World } from "../DfsStep.ts"
import type { Note } from "../DfsTrace.ts"
import * as DomainCache from "../DomainCache.ts"
import type * as ReferralCache from "../ReferralCache.ts"

export type { Asked, EntryInUse, Frame, Phase, State, Step, Why } from "../DfsState.ts"

/** How the modules continue in each other: the "go to" of the document. */
export interface Steps {
  /** 2 */
  readonly locate: <E>(state: State<E>, lenient: boolean, work: Work) => Step<E>
  /** 4 */
  readonly use: <E>(state: State<E>, entry: ReferralCache.CachedReferral, work: Work) => Step<E>
  /** 5 */
  readonly findServer: <E>(state: State<E>, lenient: boolean, work: Work) => Step<E>
  /** 6, of another controller */
  readonly askNextController: <E>(state: State<E>, lenient: boolean, asked: Asked, work: Work) => Step<E>
  /** 8 */
  readonly attempt: <E>(state: State<E>, inUse: EntryInUse, settled: boolean, work: Work) => Step<E>
  readonly next: <E>(state: State<E>, inUse: EntryInUse, work: Work) => Step<E>
  /** 8 and 9 */
  readonly askLink: <E>(state: State<E>, inUse: EntryInUse, step: 8 | 9, why: Why<E>, work: Work) => Step<E>
  /** 12 */
  readonly notDfs: <E>(state: State<E>, lenient: boolean, error: NoReferral, work: Work) => Step<E>
  /** 13 and 14 */
  readonly giveUp: <E>(state: State<E>, step: number, work: Work, error?: ReferralError) => Step<E>
}

/** What the modules work with: the world after the changes of this step, and the step's notes. */
export interface Work extends World {
  readonly notes: Array<Note>
  readonly steps: Steps
}

export const go = <E>(state: State<E>, phase: Phase<E>, pending: Command<E>, work: Work): Step<E> => ({
  state: { ...state, phase, pending },
  command: pending,
  cache: work.cache,
  domains: work.domains,
  health: work.health,
  notes: work.notes
})

export const done = <E>(state: State<E>, step: number, target: Target, work: Work): Step<E> => {
  work.notes.push({ _tag: "Found", step, target: toUnc(target) })
  return go(state, ended, { _tag: "Done", target }, work)
}

/**
 * Whether a server that was asked for a root, and that gave no referral, counts as a server without DFS. Not if it is a
 * domain's controller, or if a namespace leads to it.
 */
export const mayBePlain = <E>(state: State<E>, lenient: boolean, asked: Asked | undefined, work: Work): boolean =>
  asked === undefined && (lenient || (work.options.mode === "fallback" && state.frames.length === 0))

const ended = { _tag: "Ended" } as const

/**
 * Ends in a step of the document. A failure of DFS gets the path and the step, and becomes the error that the caller
 * gets; the driver's own error stays unchanged.
 */
export const fail = <E>(state: State<E>, step: number, error: E | Failure, work: Work): Step<E> => {
  if (!isFailure(error)) {
    work.notes.push({ _tag: "Failed", step, reason: reasonOf(error) })
    return go(state, ended, { _tag: "Fail", error }, work)
  }
  const placed = at(error, { path: DfsPath.toString(state.original), step })
  work.notes.push({ _tag: "Failed", step, reason: placed.message, error: placed._tag })
  return go(state, ended, { _tag: "Fail", error: toError(placed) }, work)
}

export const reasonOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "message" in error && typeof error.message === "string"
    ? error.message
    : String(error)

export const toUnc = (target: Target): string =>
  DfsPath.toString([target.server, target.share, target.path].filter((part) => part !== ""))

export const noTargetLeft = <E>(state: State<E>, step: number): NoTargetLeft => {
  const last = state.failures.at(-1)
  const server = last === undefined ? undefined : DfsPath.fromString(last.target)[0]
  return new NoTargetLeft({
    path: DfsPath.toString(state.original),
    targets: state.failures,
    step,
    ...(server === undefined ? {} : { server }),
    ...(state.lastError === undefined ? {} : { cause: state.lastError.error })
  })
}

export const loop = <E>(state: State<E>, step: number): DfsLoop =>
  new DfsLoop({
    path: DfsPath.toString(state.original),
    server: state.path[0] ?? "",
    visited: [...state.visited, state.path].map(DfsPath.toString),
    step
  })

/** Keeps the error of a target. */
export const failed = <E>(
  state: State<E>,
  step: number,
  target: string,
  error: E,
  reason: string,
  work: Work
): State<E> => {
  work.notes.push({ _tag: "Unusable", step, target, reason })
  return { ...state, failures: [...state.failures, { target, reason }], lastError: { error } }
}

export const refused = (
  step: number,
  server: string,
  kind: Extract<Note, { readonly _tag: "Refused" }>["kind"],
  error: ReferralError,
  work: Work
): void => {
  work.notes.push({ _tag: "Refused", step, server, kind, error: error._tag, reason: error.message })
}

/** Notes a referral that a server has given. */
export const answered = (
  { expiresAt, ...referral }:
    & Pick<Extract<Note, { readonly _tag: "Answered" }>, "step" | "kind" | "prefix" | "targets" | "interlink">
    & { readonly expiresAt: number },
  work: Work
): void => {
  work.notes.push({ _tag: "Answered", ...referral, timeToLive: secondsLeft(expiresAt, work) })
}

/** The domain of a server: by its name or, for a short name, the domain of the namespace. */
export const domainOf = <E>(state: State<E>, server: string, world: World): string | undefined => {
  if (world.domains.entries.size === 0) return undefined
  const own = DomainCache.domainOf(world.domains, server, world.now)
  if (own !== undefined || server.includes(".") || server.includes(":")) return own
  const namespace = state.path[0] ?? ""
  return DomainCache.isDomain(world.domains, namespace, world.now) ? namespace : undefined
}

/**
 * Whether the prefix of a link is the whole path: the path then names the link's target itself, and nothing below it.
 */
export const endsWithLink = (path: DfsPath.DfsPath, { entry }: EntryInUse): boolean =>
  entry.kind === "link" && path.length <= entry.prefix.length

/** How many names of a path are below the link that an entry describes; `undefined` for an entry of a root. */
export const namesBelowLink = (path: DfsPath.DfsPath, { entry }: EntryInUse): number | undefined =>
  entry.kind === "link" ? Math.max(0, path.length - entry.prefix.length) : undefined

/** A path as a target, unchanged. */
export const toTarget = <E>(state: State<E>, path: DfsPath.DfsPath, world: World): Target => {
  const domain = domainOf(state, path[0] ?? "", world)
  const isLink = state.frames.some((frame) => endsWithLink(frame.path, frame.inUse))
  const below = state.frames.map((frame) => namesBelowLink(frame.path, frame.inUse)).findLast((one) =>
    one !== undefined
  )
  return {
    server: DfsPath.host(path[0] ?? ""),
    share: path[1] ?? "",
    path: path.slice(2).join("\\"),
    ...(domain === undefined ? {} : { domain }),
    ...(isLink ? { isLink } : {}),
    ...(below === undefined ? {} : { namesBelowLink: below })
  }
}

export const askCommand = <E>(
  state: State<E>,
  step: number,
  server: string,
  path: string,
  kind: Extract<Command<E>, { readonly _tag: "AskReferral" }>["kind"],
  work: Work
): Command<E> => {
  const domain = domainOf(state, server, work)
  work.notes.push({ _tag: "Asking", step, server, path, kind })
  return {
    _tag: "AskReferral",
    server: DfsPath.host(server),
    path,
    kind,
    ...(domain === undefined ? {} : { domain })
  }
}

/** Seconds for which something is still valid. */
export const secondsLeft = (expiresAt: number, world: World): number => {
  const left = (expiresAt - world.now) / 1000
  return Number.isFinite(left) ? Math.max(0, Math.round(left)) : 0
}
