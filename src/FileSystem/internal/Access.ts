/** Where the methods meet the client: paths of the program become paths of the client, errors of the client the reverse. */
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import type { ClientError } from "../../Client/ClientError.ts"
import type * as SmbClient from "../../Client/SmbClient.ts"
import type * as UncPath from "../../Client/UncPath.ts"
import * as Changes from "../../Protocol/Changes.ts"
import { failure, fromClient, type Place } from "./Failures.ts"
import { locate, type Located } from "./Paths.ts"

/** A file system: a client whose names are mapped, and the folder that is the root. */
export interface Root {
  readonly smb: SmbClient.Client
  readonly base: UncPath.UncPath
  /** The path of the folder for temporary files. */
  readonly temporaryDirectory: string
}

/**
 * Runs an operation of the client at a path. For the program it is one operation, no matter how many operations of the
 * client it takes: if the connection breaks after one of them has changed something, the cause of the failure says
 * `sent`.
 */
export const at = <A, R>(
  { base }: Root,
  place: Place,
  use: (found: Located) => Effect.Effect<A, ClientError | PlatformError, R>
): Effect.Effect<A, PlatformError, R> =>
  Effect.catch(
    Changes.whole(Effect.flatMap(locate(base, place), use)),
    (error) => Effect.fail(error._tag === "PlatformError" ? error : fromClient(place)(error))
  )

/**
 * Runs an operation of the client on the file at a path. A path that can only mean a directory is refused, with
 * `NotFound` if nothing is there.
 */
export const atFile = <A, R>(
  root: Root,
  place: Place,
  use: (found: Located) => Effect.Effect<A, ClientError | PlatformError, R>
): Effect.Effect<A, PlatformError, R> =>
  at(root, place, (found) => {
    if (!found.isDirectory) return use(found)
    const refused = Effect.fail(failure(place, "BadResource", "the path means a directory, and a file is wanted"))
    return place.creates === true ? refused : Effect.andThen(root.smb.stat(found.unc), refused)
  })

/** Runs an operation of the client at two paths. Its failures name the first one, as those of other file systems do. */
export const atBoth = <A, R>(
  root: Root,
  method: string,
  fromPath: string,
  toPath: string,
  use: (from: Located, to: Located) => Effect.Effect<A, ClientError | PlatformError, R>
): Effect.Effect<A, PlatformError, R> =>
  at(
    root,
    { method, path: fromPath, creates: true },
    (from) => Effect.flatMap(locate(root.base, { method, path: toPath, creates: true }), (to) => use(from, to))
  )

/** Refuses to change the root itself. */
export const notRoot = (place: Place, { names }: Located): Effect.Effect<void, PlatformError> =>
  names.length > 0 ? Effect.void : Effect.fail(failure(place, "Busy", "the root of the file system cannot be changed"))
