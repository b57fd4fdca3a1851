/**
 * Goes on reading at the next target: for a stream of bytes or a listing whose target fails after it was opened.
 *
 * Only if the locator has other targets (`Locator.goesOn`), and only for reads. A file must be the same at the next
 * target, by its size and its last write time. A directory is listed again without the names that were already
 * returned, so these names are kept until the listing ends. A target that has failed since the last progress is not
 * tried again, so this ends.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { DfsError, TargetDiffers } from "../../Protocol/DfsError.ts"
import type { RequestError } from "../../Protocol/Errors.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import type { ClientError } from "../ClientError.ts"
import type { FileShortened } from "../FileShortened.ts"
import type { OnMove } from "../Operations.ts"

/** An open file or directory, and its place. */
export interface Opened {
  readonly share: Share.Share
  readonly file: Share.OpenFile
  /** The target where it is open, for comparison. */
  readonly place: string
}

/** Targets that have failed, and the error of the last one: they fail with that error at once. */
export interface FailedTargets {
  readonly places: ReadonlySet<string>
  readonly error: ClientError
}

/** Begins at a target that has not failed. */
export type Begin<A> = (failed: FailedTargets | undefined) => Effect.Effect<A, ClientError, Scope.Scope>

/** Opens at a target that has not failed. */
export type Open = Begin<Opened>

/** Whether a read that failed with this error can go on at another target; `undefined` if there is no other target. */
export type CanContinue = ((error: unknown) => boolean) | undefined

/** How far the read has come. */
interface Progress {
  /** The next byte. */
  readonly at: bigint
  /** The first and the last open. */
  readonly first: Opened | undefined
  readonly last: Opened | undefined
  readonly failed: FailedTargets | undefined
}

const atStart = (at: bigint): Progress => ({ at, first: undefined, last: undefined, failed: undefined })

/** The progress before `opened` failed. */
const afterFailure = (progress: Progress, opened: Opened, at: bigint, error: ClientError): Progress => ({
  at,
  first: progress.first ?? opened,
  last: opened,
  failed: withFailed(progress.failed, opened.place, error, at > progress.at)
})

/** Adds a failed target. If something was read from it, the targets that failed before are no longer left out. */
const withFailed = (
  failed: FailedTargets | undefined,
  place: string,
  error: ClientError,
  moved: boolean
): FailedTargets => ({
  places: new Set([...(moved ? [] : failed?.places ?? []), place]),
  error
})

const nameOf = ({ file, share }: Opened): string => UncName.format(share, share.name, file.path)

/** Opens, and checks that the file is the same if something was read before. */
const openSame = Effect.fnUntraced(function*(open: Open, path: string, { at, failed, first }: Progress) {
  const opened = yield* open(failed)
  if (first === undefined) return opened
  const [before, now] = [first.file.opened, opened.file.opened]
  return before.endOfFile === now.endOfFile && before.lastWriteTime === now.lastWriteTime
    ? opened
    : yield* new DfsError({
      reason: new TargetDiffers({
        path,
        server: opened.share.server,
        from: nameOf(first),
        to: nameOf(opened),
        offset: at,
        expected: { size: before.endOfFile, lastWriteTime: before.lastWriteTime },
        found: { size: now.endOfFile, lastWriteTime: now.lastWriteTime },
        ...(failed === undefined ? {} : { cause: failed.error })
      })
    })
})

/** Bytes from the offset on; `length` bytes, or to the end of the file. */
export interface Range {
  readonly offset: bigint
  readonly length: bigint | undefined
}

const rest = ({ length, offset }: Range, at: bigint): Range => ({
  offset: at,
  length: length === undefined ? undefined : offset + length - at
})

/** An open file with which a read begins, and the caller's function that is called for each move to another target. */
export interface Start {
  readonly opened: Opened
  readonly onMove: OnMove | undefined
}

/** The first file to read: the one that is already open, which the caller closes, or one that is opened here. */
const begin = (
  open: Open,
  path: string,
  progress: Progress,
  start: Start | undefined
): Effect.Effect<Opened, ClientError, Scope.Scope> =>
  start !== undefined && progress.first === undefined
    ? Effect.succeed(start.opened)
    : Effect.tap(openSame(open, path, progress), (to) => {
      const { at, failed, last } = progress
      return start?.onMove === undefined || last === undefined || failed === undefined
        ? Effect.void
        : start.onMove({ path, from: nameOf(last), to: nameOf(to), offset: at, cause: failed.error })
    })

/** A stream of bytes. With `start`, the read begins with that open file. */
export const stream = (
  open: Open,
  canContinue: CanContinue,
  path: string,
  range: Range,
  read: (opened: Opened, range: Range) => Stream.Stream<Uint8Array, RequestError | FileShortened>,
  start?: Start
): Stream.Stream<Uint8Array, ClientError> => {
  if (canContinue === undefined) {
    return Stream.unwrap(
      Effect.map(begin(open, path, atStart(range.offset), start), (opened) => read(opened, range))
    )
  }
  const from = (progress: Progress): Stream.Stream<Uint8Array, ClientError> => {
    let { at } = progress
    let opened: Opened | undefined
    return Stream.unwrap(Effect.map(begin(open, path, progress, start), (found) => {
      opened = found
      return Stream.map(read(found, rest(range, at)), (chunk) => {
        at += BigInt(chunk.length)
        return chunk
      })
    })).pipe(
      Stream.catch((error) =>
        opened === undefined || !canContinue(error)
          ? Stream.fail(error)
          : from(afterFailure(progress, opened, at, error))
      )
    )
  }
  return Stream.suspend(() => from(atStart(range.offset)))
}

/** Reads from an open file, and lends the bytes. */
type Read = <E, R>(
  opened: Opened,
  range: Range,
  use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>
) => Effect.Effect<bigint, E | RequestError | FileShortened, R>

/**
 * Lends the bytes to `use`; returns their count. An error of `use` is never taken for a target's failure. With `start`,
 * the read begins with that open file.
 */
export const readTo = <E, R>(
  open: Open,
  canContinue: CanContinue,
  path: string,
  range: Range,
  use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>,
  read: Read,
  start?: Start
): Effect.Effect<bigint, E | ClientError, R> => {
  if (canContinue === undefined) {
    return Effect.scoped(Effect.flatMap(
      begin(open, path, atStart(range.offset), start),
      (opened) => read(opened, range, use)
    ))
  }
  const from = (progress: Progress): Effect.Effect<bigint, E | ClientError, R> =>
    Effect.suspend(() => {
      let { at } = progress
      let opened: Opened | undefined
      let lent = false
      const lend = (chunk: Uint8Array, offset: bigint): Effect.Effect<unknown, E, R> => {
        lent = true
        return Effect.map(use(chunk, offset), () => {
          lent = false
          at = offset + BigInt(chunk.length)
        })
      }
      return Effect.scoped(Effect.flatMap(begin(open, path, progress, start), (found) => {
        opened = found
        return read(found, rest(range, at), lend)
      })).pipe(
        Effect.map(() => at - range.offset),
        Effect.catch((error): Effect.Effect<bigint, E | ClientError, R> =>
          opened === undefined || lent || !canContinue(error)
            ? Effect.fail(error)
            : from(afterFailure(progress, opened, at, error as ClientError))
        )
      )
    })
  return from(atStart(range.offset))
}

/** The entries of a directory, each name once. */
export const list = <A extends { readonly name: string }, Begun extends Pick<Opened, "place">>(
  begin: Begin<Begun>,
  canContinue: CanContinue,
  read: (begun: Begun) => Stream.Stream<A, ClientError>
): Stream.Stream<A, ClientError> => {
  if (canContinue === undefined) return Stream.unwrap(Effect.map(begin(undefined), read))
  return Stream.suspend(() => {
    const given = new Set<string>()
    const from = (failed: FailedTargets | undefined): Stream.Stream<A, ClientError> => {
      let begun: Begun | undefined
      const before = given.size
      return Stream.unwrap(Effect.map(begin(failed), (found) => {
        begun = found
        return Stream.filter(read(found), ({ name }) => {
          const fresh = !given.has(name)
          given.add(name)
          return fresh
        })
      })).pipe(
        Stream.catch((error) =>
          begun === undefined || !canContinue(error)
            ? Stream.fail(error)
            : from(withFailed(failed, begun.place, error, given.size > before))
        )
      )
    }
    return from(undefined)
  })
}
