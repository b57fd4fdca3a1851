/**
 * Attempts at the targets of a path: the one way in which operations get to a share.
 *
 * The locator chooses the target, and the next one after a failure. Here each attempt gets its own scope and its own
 * record of changes, and goes on behind the symbolic links that a server leaves to its clients.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { fold } from "../../Codec/UpCase.ts"
import * as Changes from "../../Protocol/Changes.ts"
import { SmbError } from "../../Protocol/Errors.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import type { ClientError } from "../ClientError.ts"
import type * as Locator from "../Locator.ts"
import * as PreviousVersion from "../PreviousVersion.ts"
import { RemovalError, RootOrLink } from "../RemovalError.ts"
import * as UncPath from "../UncPath.ts"
import * as StoppedLink from "./StoppedLink.ts"
import * as Symlink from "./Symlink.ts"

/** What all operations on paths need. */
export interface PathContext {
  /** The share of a target. It stays while the scope is open. */
  readonly connect: (target: Locator.Target) => Effect.Effect<Share.Share, ClientError, Scope.Scope>
  /** The same, for a read that another target can continue: it does not try this one for long. Default: `connect`. */
  readonly connectToRead?: PathContext["connect"] | undefined
  /** Finds the target of a path. */
  readonly locator: Locator.Locator
  /** A folder that symbolic links do not leave. */
  readonly base?: UncPath.UncPath | undefined
}

/** The context of a read that another target can continue or begin again. */
export const toRead = (context: PathContext): PathContext => ({
  ...context,
  connect: context.connectToRead ?? context.connect
})

const namesOf = (path: string): ReadonlyArray<string> => path.split("\\").filter((name) => name !== "")

/**
 * The folder that holds the base at a target, below the target's share: the target's path without the names that the
 * path has below the base. If a DFS link below the base leads to this target, it is what that link leads to.
 */
const baseAt = (base: UncPath.UncPath, path: UncPath.UncPath, target: Locator.Target): ReadonlyArray<string> => {
  const names = namesOf(PreviousVersion.split(target.path).path)
  const below = namesOf(PreviousVersion.split(path.path).path).length - namesOf(base.path).length
  return names.slice(0, Math.max(0, names.length - Math.min(below, target.namesBelowLink ?? below)))
}

const isWithin = (path: string, folder: ReadonlyArray<string>): boolean => {
  const names = namesOf(PreviousVersion.split(path).path)
  return folder.every((name, i) => i < names.length && fold(name) === fold(names[i]!))
}

const leadsOut = (error: SmbError, base: UncPath.UncPath | undefined): SmbError =>
  base === undefined
    ? error
    : new SmbError({ ...error, detail: `the link leads out of ${UncPath.format(base)}, and is not followed` })

/** Work on a share; `path` is below the share. */
export type OnShare<A, E, R> = (share: Share.Share, path: string) => Effect.Effect<A, E, R>

/** Runs an attempt in its own scope, which stays open only if the attempt succeeds. */
export const inOwnScope = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.scope, (outer) =>
      Effect.flatMap(Scope.fork(outer), (inner) =>
        Effect.onExit(
          restore(Scope.provide(effect as Effect.Effect<A, E, R | Scope.Scope>, inner)),
          (exit) => Exit.isSuccess(exit) ? Effect.void : Scope.close(inner, exit)
        )))
  ) as Effect.Effect<A, E, R | Scope.Scope>

/** The scope of an attempt: `inOwnScope`, or `Effect.scoped` for an attempt that keeps nothing open. */
type Scoping = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | Scope.Scope>

const attempt = <A, E, R>(
  context: PathContext,
  scoping: Scoping,
  target: Locator.Target,
  use: OnShare<A, E, R>,
  /** The folder that links do not leave, at this target. */
  folder: ReadonlyArray<string>,
  links: number
): Effect.Effect<A, E | ClientError, R | Scope.Scope> =>
  // Separate from the whole operation: its earlier changes say nothing about this attempt, which another target can
  // repeat.
  scoping(
    Changes.whole(Effect.flatMap(context.connect(target), (share) => StoppedLink.explained(share, target.path, use)))
  ).pipe(
    Effect.catch((error) => {
      const behind = links > 0 && error instanceof SmbError ? Symlink.resolve(error, target) : undefined
      if (behind === undefined) return Effect.fail(error)
      return isWithin(behind, folder)
        ? attempt(context, scoping, { ...target, path: behind }, use, folder, links - 1)
        : Effect.fail(leadsOut(error as SmbError, context.base))
    })
  )

/** An attempt at a target of a path, and at the targets of symbolic links on its path, at most `Symlink.maximumHops` of them. */
export const atTarget = <A, E, R>(
  context: PathContext,
  path: UncPath.UncPath,
  target: Locator.Target,
  use: OnShare<A, E, R>,
  scoping: Scoping = inOwnScope
): Effect.Effect<A, E | ClientError, R | Scope.Scope> => {
  const { base } = context
  const folder = base === undefined ? [] : baseAt(base, path, target)
  return attempt(context, scoping, target, use, folder, Symlink.maximumHops)
}

/** Runs `use` on the share that holds a path. The share, and what `use` acquires, stays while the scope is open. */
export const withShare = <A, E, R>(
  context: PathContext,
  path: UncPath.PathInput,
  use: OnShare<A, E, R>
): Effect.Effect<A, E | ClientError, R | Scope.Scope> =>
  Effect.flatMap(
    Effect.fromResult(UncPath.parseInShare(path)),
    (unc) => context.locator.use(unc, (target) => atTarget(context, unc, target, use))
  )

/** Runs `use` on the share that holds a path, for operations that keep nothing open. */
export const onShare = <A, E, R>(
  context: PathContext,
  path: UncPath.PathInput,
  use: OnShare<A, E, R>
): Effect.Effect<A, E | ClientError, Exclude<R, Scope.Scope>> =>
  Effect.flatMap(
    Effect.fromResult(UncPath.parseInShare(path)),
    (unc) => context.locator.use(unc, (target) => atTarget(context, unc, target, use, Effect.scoped))
  ) as Effect.Effect<A, E | ClientError, Exclude<R, Scope.Scope>>

/** The error if an operation cannot use this target of a path, although the locator has chosen it. */
export type RefuseTarget = (path: UncPath.UncPath, target: Locator.Target) => RemovalError | undefined

/** Refuses a share's root and the target of a DFS link: the entry that the path names is not at this target. */
export const rootOrLink: RefuseTarget = (path, target) => {
  const { path: below } = PreviousVersion.split(target.path)
  if (target.isLink !== true && below !== "") return undefined
  const leadsTo = UncName.format(target, target.share, target.path)
  const reason = target.isLink === true || PreviousVersion.split(path.path).path !== ""
    ? new RootOrLink({ path: UncPath.format(path), kind: "link", target: leadsTo })
    : new RootOrLink({ path: UncPath.format(path), kind: "share" })
  return new RemovalError({ reason })
}

/** As `onShare`, for operations that remove or rename the path's own entry, which must not be a share or a link. */
export const onEntry = <A, E, R>(
  context: PathContext,
  path: UncPath.UncPath,
  use: OnShare<A, E, R>
): Effect.Effect<A, E | ClientError, Exclude<R, Scope.Scope>> =>
  context.locator.use(path, (target) => {
    const error = rootOrLink(path, target)
    return error === undefined ? atTarget(context, path, target, use, Effect.scoped) : Effect.fail(error)
  }) as Effect.Effect<A, E | ClientError, Exclude<R, Scope.Scope>>
