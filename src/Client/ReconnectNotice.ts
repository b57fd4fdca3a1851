/**
 * What the user of a client is told about lost connections: that one was lost, that the client tries to reach the
 * server, and how each open file went on. A notice is no failure.
 */
import type * as Duration from "effect/Duration"
import type { ClientError } from "./ClientError.ts"

/**
 * The share whose connection was lost.
 *
 * @category models
 * @since 0.2.0
 */
export interface Place {
  readonly server: string
  readonly port: number
  readonly share: string
}

/**
 * What happened, by its tag.
 *
 * - `Lost`: the connection, the session or the share has ended while it was in use. Told once for all files of the share.
 * - `Trying`: the client tries to reach the server, for the `attempt`-th time.
 * - `Back`: the share is connected again, `after` the loss.
 * - `Reclaimed`: the server has given back the open of the file at `path`, with its locks.
 * - `Reopened`: the server had not kept the open, the file at `path` was opened again, and is the same.
 * - `GivenUp`: the share was not reached within the time of the policy, or the file at `path` cannot go on.
 *
 * @category models
 * @since 0.2.0
 */
export type Notice =
  & Place
  & (
    | { readonly _tag: "Lost"; readonly cause: ClientError }
    | { readonly _tag: "Trying"; readonly attempt: number }
    | { readonly _tag: "Back"; readonly attempts: number; readonly after: Duration.Duration }
    | { readonly _tag: "Reclaimed"; readonly path: string }
    | { readonly _tag: "Reopened"; readonly path: string }
    | { readonly _tag: "GivenUp"; readonly cause: ClientError; readonly path?: string | undefined }
  )
