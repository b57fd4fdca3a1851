/**
 * What the user of a replacement (`FileReplacement`) is told: incomplete files that may be left, and errors with the
 * final name of a file in place of its part's.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { SmbError } from "../Protocol/Errors.ts"
import type { ClientError } from "./ClientError.ts"
import * as OpenResponse from "./internal/OpenResponse.ts"
import * as UncPath from "./UncPath.ts"

/**
 * What a caller is told, and what is no failure: an incomplete file may be left (`Unfinished`), or the server does not
 * set the time of the file (`TimeNotKept`).
 *
 * @category models
 * @since 0.2.0
 */
export interface Notice {
  readonly kind: "Unfinished" | "TimeNotKept"
  readonly path: string
  readonly message: string
}

/**
 * The error with the final name: the user does not know the name of the part.
 *
 * @since 0.2.0
 */
export const named = (error: SmbError, part: string, name: string): SmbError => {
  if (error.path?.endsWith(`\\${part}`) !== true) return error
  return new SmbError({ ...error, path: error.path.slice(0, -part.length) + name })
}

/** The timeout of the removal: a server that does not respond does not remove its part either. */
const { patience } = OpenResponse

const warning = (kind: Notice["kind"], path: UncPath.UncPath, what: string): Notice => {
  const name = UncPath.format(path)
  return { kind, path: name, message: `${name}: ${what}` }
}

/**
 * The notice about an incomplete file that is left.
 *
 * @since 0.2.0
 */
export const unfinished = (path: UncPath.UncPath, what: string): Notice => warning("Unfinished", path, what)

/**
 * The notice about a part that could not be removed; `known` if it is sure to exist.
 *
 * @since 0.2.0
 */
export const left = (path: UncPath.UncPath, why: string, known: boolean): Notice =>
  known
    ? unfinished(path, `an unfinished file is left there, since it could not be removed (${why}). Remove it.`)
    : unfinished(path, `an unfinished file may be left there, since the server could not be asked (${why}). Remove it.`)

/**
 * The notice about a server that does not set the time of a complete file.
 *
 * @since 0.2.0
 */
export const timeNotKept = (target: UncPath.UncPath, error: SmbError): Notice =>
  warning("TimeNotKept", target, `the file is complete, but the server does not set its time (${error.message})`)

/**
 * Removes an incomplete file, also after an interruption; reports if that fails.
 *
 * @since 0.2.0
 */
export const partRemoval =
  (tell: (notice: Notice) => Effect.Effect<void>) =>
  (path: UncPath.UncPath, removed: Effect.Effect<void, ClientError>, known = true): Effect.Effect<void> =>
    removed.pipe(
      Effect.interruptible,
      Effect.timeoutOption(patience),
      Effect.matchEffect({
        onFailure: (error) => tell(left(path, error.message, known || error instanceof SmbError)),
        onSuccess: (done) => Option.isSome(done) ? Effect.void : tell(left(path, `no answer within ${patience}`, known))
      })
    )
