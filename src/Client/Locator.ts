/**
 * The question "which server and share hold this path?", and its plain answer: the ones that it names.
 *
 * Every operation of the client goes through a locator. DFS is another locator: it tries one target after the other and
 * reacts to STATUS_PATH_NOT_COVERED, once, for all operations.
 */
import type * as Effect from "effect/Effect"
import { fold } from "../Codec/UpCase.ts"
import type { ClientError } from "./ClientError.ts"
import type { UncPath } from "./UncPath.ts"

/** A place to go to. */
export interface Target {
  readonly server: string
  readonly port: number
  readonly share: string
  /** Below the share, components separated by backslashes; empty for its root. */
  readonly path: string
  /**
   * Present where the names of this share go on the wire as DFS has them: with SMB2_FLAGS_DFS_OPERATIONS, and
   * `server\share\` before the path.
   */
  readonly dfsName?: { readonly server: string; readonly share: string }
  /** Present where the path that was asked for is itself a DFS link: this is what it leads to. */
  readonly isLink?: true
  /** The domain that the server belongs to, where it is known: for whoever provides the credential. */
  readonly domain?: string
}

/** Finds the place of a path, and lets `attempt` try it there. */
export interface Locator {
  /**
   * Runs `attempt` on the target that holds `path`, and on further ones if it fails in a way that another target may
   * not. What an attempt has acquired is released before the next.
   */
  readonly use: <A, E, R>(
    path: UncPath,
    attempt: (target: Target) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | ClientError, R>
  /**
   * Whether what was being read when this failure came may be read on at another target. Left out where there never is
   * another one.
   */
  readonly goesOn?: (error: unknown) => boolean
}

/** A target for comparison: its share. */
export const placeOf = (target: Target): string => fold(`${target.server}:${target.port}\\${target.share}`)

/** The path as it stands. */
export const toTarget = (path: UncPath): Target => ({
  server: path.server,
  port: path.port,
  share: path.share,
  path: path.path
})

/**
 * The plain answer: one attempt, where the path says.
 *
 * @category constructors
 */
export const plain: Locator = { use: (path, attempt) => attempt(toTarget(path)) }
