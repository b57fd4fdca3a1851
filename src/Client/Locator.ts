/**
 * The question "which server and share hold this path?", and its plain answer: the server and share that the path
 * names.
 *
 * Every operation of the client goes through a locator. DFS is another locator: it tries one target after another and
 * reacts to STATUS_PATH_NOT_COVERED, in one place for all operations.
 */
import type * as Effect from "effect/Effect"
import { fold } from "../Codec/UpCase.ts"
import type { ClientError } from "./ClientError.ts"
import type { UncPath } from "./UncPath.ts"

/**
 * The server, share and path where an operation runs.
 *
 * @since 0.1.0
 */
export interface Target {
  readonly server: string
  readonly port: number
  readonly share: string
  /** Below the share, components separated by backslashes; empty for its root. */
  readonly path: string
  /**
   * Present if the names of this share go on the wire as DFS names: with SMB2_FLAGS_DFS_OPERATIONS, and with
   * `server\share\` before the path.
   */
  readonly dfsName?: { readonly server: string; readonly share: string } | undefined
  /** Present if the requested path is itself a DFS link. This target is what the link leads to. */
  readonly isLink?: true | undefined
  /**
   * Present if a DFS link is on the way to this target: how many names at the end of the requested path are below the
   * last link. All names before them were replaced by what the link leads to.
   */
  readonly namesBelowLink?: number | undefined
  /** Present if the locator has other targets for the path. A client then does not wait for this one to come back. */
  readonly hasOthers?: true | undefined
  /** The domain of the server, if it is known: for the credential provider. */
  readonly domain?: string | undefined
}

/**
 * Finds the target of a path, and runs `attempt` there.
 *
 * @since 0.1.0
 */
export interface Locator {
  /**
   * Runs `attempt` on the target that holds `path`. If it fails in a way that another target may not, runs it on the
   * next target. What an attempt has acquired is released before the next attempt.
   */
  readonly use: <A, E, R>(
    path: UncPath,
    attempt: (target: Target) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | ClientError, R>
  /**
   * Whether a read that failed with this error can go on at another target. Absent if there is never another target.
   */
  readonly goesOn?: ((error: unknown) => boolean) | undefined
}

/**
 * The share of a target, as text for comparison.
 *
 * @since 0.1.0
 */
export const placeOf = (target: Target): string => fold(`${target.server}:${target.port}\\${target.share}`)

/**
 * The target that the path itself names.
 *
 * @since 0.1.0
 */
export const toTarget = (path: UncPath): Target => ({
  server: path.server,
  port: path.port,
  share: path.share,
  path: path.path
})

/**
 * The locator without DFS: one attempt, at the place that the path names.
 *
 * @category constructors
 * @since 0.1.0
 */
export const plain: Locator = { use: (path, attempt) => attempt(toTarget(path)) }
