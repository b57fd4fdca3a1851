/**
 * Goes on reading at the next target: for a stream of bytes or a listing whose target fails after it was opened.
 *
 * Only if the locator has other targets (`Locator.goesOn`), and only for reads. A file must be the same at the next
 * target, by its size and its last write time. A directory is listed again without the names that were already
 * returned, so these names are kept until the listing ends. Every target that has failed since the last progress is
 * left out, so this ends.
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

/** Opens at a target that has not failed. */
export type Open = (dead: FailedTargets | undefined) => Effect.Effect<Opened, ClientError, Scope.Scope>

/** Whether a read that failed with this error can go on at another target; `undefined` if there is no other target. */
export type CanContinue = ((error: unknown) => boolean) | undefined

/** How far the read has come. */
interface Progress {
  /** The next byte. */
  readonly at: bigint
  /** The first and the last open. */
  readonly first: Opened | undefined
  readonly last: Opened | undefined
  readonly dead: FailedTargets | undefined
}

const nothing = (at: bigint): Progress => ({ at, first: undefined, last: undefined, dead: undefined })

/** The progress before `opened` failed. */
const after = (progress: Progress, opened: Opened, at: bigint, error: ClientError): Progress => ({
  at,
  first: progress.first ?? opened,
  last: opened,
  dead: withFailed(progress.dead, opened.place, error, at > progress.at)
})

/** Adds a failed target. If something was read from it, the targets that failed before are no longer left out. */
const withFailed = (
  dead: FailedTargets | undefined,
  place: string,
  error: ClientError,
  moved: boolean
): FailedTargets => ({
  places: new Set([...(moved ? [] : dead?.places ?? []), place]),
  error
})

const name = ({ file, share }: Opened): string => UncName.format(share, share.name, file.path)

/** Opens, and checks that the file is the same if something was read before. */
const openSame = Effect.fnUntraced(function*(open: Open, path: string, { at, dead, first }: Progress) {
  const opened = yield* open(dead)
  if (first === undefined) return opened
  const [before, now] = [first.file.opened, opened.file.opened]
  return before.endOfFile === now.endOfFile && before.lastWriteTime === now.lastWriteTime
    ? opened
    : yield* new DfsError({
      reason: new TargetDiffers({
        path,
        server: opened.share.server,
        from: name(first),
        to: name(opened),
        offset: at,
        expected: { size: before.endOfFile, lastWriteTime: before.lastWriteTime },
        found: { size: now.endOfFile, lastWriteTime: now.lastWriteTime },
        ...(dead === undefined ? {} : { cause: dead.error })
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

/** A stream of bytes. */
export const stream = (
  open: Open,
  goesOn: CanContinue,
  path: string,
  range: Range,
  read: (opened: Opened, range: Range) => Stream.Stream<Uint8Array, RequestError | FileShortened>
): Stream.Stream<Uint8Array, ClientError> => {
  if (goesOn === undefined) return Stream.unwrap(Effect.map(open(undefined), (opened) => read(opened, range)))
  const from = (progress: Progress): Stream.Stream<Uint8Array, ClientError> => {
    let { at } = progress
    let opened: Opened | undefined
    return Stream.unwrap(Effect.map(openSame(open, path, progress), (found) => {
      opened = found
      return Stream.map(read(found, rest(range, at)), (chunk) => {
        at += BigInt(chunk.length)
        return chunk
      })
    })).pipe(
      Stream.catch((error) =>
        opened === undefined || !goesOn(error) ? Stream.fail(error) : from(after(progress, opened, at, error))
      )
    )
  }
  return Stream.suspend(() => from(nothing(range.offset)))
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
  goesOn: CanContinue,
  path: string,
  range: Range,
  use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>,
  read: Read,
  start?: { readonly opened: Opened; readonly onMove: OnMove | undefined }
): Effect.Effect<bigint, E | ClientError, R> => {
  /** The first file to read: the one that is already open, which the caller closes, or one that is opened here. */
  const begin = (progress: Progress) =>
    start !== undefined && progress.first === undefined
      ? Effect.succeed(start.opened)
      : openSame(open, path, progress)
  if (goesOn === undefined) {
    return Effect.scoped(Effect.flatMap(begin(nothing(range.offset)), (opened) => read(opened, range, use)))
  }
  const tell = ({ at, dead, last }: Progress, to: Opened): Effect.Effect<void> =>
    start?.onMove === undefined || last === undefined || dead === undefined
      ? Effect.void
      : start.onMove({ path, from: name(last), to: name(to), offset: at, cause: dead.error })
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
      return Effect.scoped(Effect.flatMap(begin(progress), (found) => {
        opened = found
        return Effect.andThen(tell(progress, found), read(found, rest(range, at), lend))
      })).pipe(
        Effect.map(() => at - range.offset),
        Effect.catch((error): Effect.Effect<bigint, E | ClientError, R> =>
          opened === undefined || lent || !goesOn(error)
            ? Effect.fail(error)
            : from(after(progress, opened, at, error as ClientError))
        )
      )
    })
  return from(nothing(range.offset))
}

/** The entries of a directory, each name once. */
export const list = <A extends { readonly name: string }>(
  open: Open,
  goesOn: CanContinue,
  read: (opened: Opened) => Stream.Stream<A, RequestError>
): Stream.Stream<A, ClientError> => {
  if (goesOn === undefined) return Stream.unwrap(Effect.map(open(undefined), read))
  return Stream.suspend(() => {
    const told = new Set<string>()
    const from = (dead: FailedTargets | undefined): Stream.Stream<A, ClientError> => {
      let opened: Opened | undefined
      const before = told.size
      return Stream.unwrap(Effect.map(open(dead), (found) => {
        opened = found
        return Stream.filter(read(found), ({ name }) => {
          const fresh = !told.has(name)
          told.add(name)
          return fresh
        })
      })).pipe(
        Stream.catch((error) =>
          opened === undefined || !goesOn(error)
            ? Stream.fail(error)
            : from(withFailed(dead, opened.place, error, told.size > before))
        )
      )
    }
    return from(undefined)
  })
}
