/** `rm` and `mv`: what they remove and move is checked as a whole before the first change. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ClientError } from "../Client/ClientError.ts"
import type { Entry } from "../Client/Entry.ts"
import * as OpenMode from "../Client/OpenMode.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import { isNameSurrogate } from "../Codec/Reparse.ts"
import { fold } from "../Codec/UpCase.ts"
import { fromStatus, isMissing, refusesShare, SmbError, withDetail } from "../Protocol/Errors.ts"
import type * as Share from "../Protocol/Share.ts"
import * as UncName from "../Protocol/UncName.ts"
import { FileAttributes } from "../Smb2/Message/Constants.ts"
import { concernsOne } from "../Transfer/Incomplete.ts"
import { destination } from "./Actions.ts"
import { oneLine, report, UsageError } from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Patterns from "./Patterns.ts"
import type { Remote } from "./Remote.ts"
import * as SeveralPaths from "./SeveralPaths.ts"

interface Format {
  readonly json: boolean
  /** Changes nothing, and prints what would happen. */
  readonly dryRun: boolean
}

const refuseRoot = (path: Remote, what: string) =>
  path.path === ""
    ? Effect.fail(new UsageError({ detail: `${UncPath.format(path)} is a whole share: ${what}` }))
    : Effect.void

/** With DFS off, no path that the user can name leads behind a link. */
const refuseUncovered = <A, E, R>(
  path: Remote,
  effect: Effect.Effect<A, E | ClientError, R>
): Effect.Effect<A, E | ClientError | UsageError, R> =>
  Effect.catchIf(
    effect,
    (error) => error instanceof SmbError && error.reason._tag === "PathNotCovered",
    () =>
      Effect.fail(
        new UsageError({
          detail:
            `${UncPath.format(path)} is a DFS link, or lies behind one, which "--dfs off" does not follow: nothing ` +
            "was removed or renamed"
        })
      )
  )

/** How a path was checked: the entry, or why the operation itself will fail. */
type Checked = Result.Result<Entry, ClientError>

/**
 * Checks whether the entry at a path may be removed or moved. Refusals fail at once. Other errors are left to the
 * operation itself, and a dry run tells them in its place.
 */
const permitted = (
  path: Remote,
  options: { readonly recursive: boolean; readonly dryRun: boolean; readonly force?: boolean }
): Effect.Effect<Checked, ClientError | UsageError, SmbClient> =>
  Effect.flatMap(
    SmbClient,
    (smb) =>
      refuseUncovered(path, smb.removable(path, { ...options, access: options.dryRun })).pipe(
        Effect.map((entry): Checked => Result.succeed(entry)),
        Effect.catch((error): Effect.Effect<Checked, ClientError | UsageError> =>
          (error._tag === "RemovalError" && error.reason._tag === "RootOrLink") || error._tag === "UsageError" ||
            // The operation would fail in the same way.
            SeveralPaths.concernsServer(error) || !concernsOne(error)
            ? Effect.fail(error)
            : Effect.succeed(Result.fail(error))
        )
      )
  )

const keyOf = ({ path, port, server, share }: UncPath.UncPath): string =>
  [fold(server), port, fold(share), fold(path)].join("\\")

/** The entries that the paths name, each once. `force`: a pattern that matches nothing is no failure. */
const expand = Effect.fnUntraced(
  function*(paths: ReadonlyArray<Remote>, force: boolean, several: SeveralPaths.Run) {
    const all = new Map<string, Remote>()
    const found = yield* several.prepare(paths, SeveralPaths.serverOf, (path) =>
      Patterns.expand(path).pipe(
        Effect.catchIf(
          (error) =>
            force && Patterns.of(path) !== undefined && error instanceof SmbError &&
            (error.reason._tag === "NoSuchFile" || isMissing(error)),
          () => Effect.succeed([])
        )
      ))
    for (const one of found.flat()) if (!all.has(keyOf(one))) all.set(keyOf(one), one)
    return [...all.values()]
  }
)

const planned = (
  { json }: Format,
  object: Readonly<Record<string, unknown>>,
  text: string
) => Output.write(json ? Output.jsonLine(object) : `${oneLine(text)}\n`)

interface Removing extends Format {
  readonly recursive: boolean
  readonly force: boolean
}

/** Removes one path. Reports each entry of a tree that was not removed. */
const removeOne = Effect.fnUntraced(function*(path: Remote, { force, json, recursive }: Removing) {
  const smb = yield* SmbClient
  yield* smb.remove(path, { force, recursive }).pipe(
    Effect.tapErrorTag(
      "RemovalError",
      ({ reason }) =>
        reason._tag === "RootOrLink"
          ? Effect.void
          : Effect.forEach(reason.failures, ({ error }) => Output.tell(report(error), json), { discard: true })
    )
  )
})

/** Removes paths. All paths are checked before anything is removed. */
export const remove = Effect.fnUntraced(function*(paths: ReadonlyArray<Remote>, options: Removing) {
  for (const path of paths) yield* refuseRoot(path, "name what to remove in it")
  const several = SeveralPaths.make({ json: options.json, what: "removed" })
  const all = yield* expand(paths, options.force, several)
  const checked = yield* several.prepare(all, SeveralPaths.serverOf, (path) =>
    Effect.gen(function*() {
      const found = yield* permitted(path, options)
      const entry = Result.getOrUndefined(found)
      const isTree = entry?.type === "directory" && !isNameSurrogate(entry.reparseTag)
      // A server removes an empty directory in the same way as a file; `rm` does not.
      if (isTree && !options.recursive) {
        return yield* new UsageError({
          detail: `${UncPath.format(path)} is a directory: add -r to remove it with all`
        })
      }
      return { found, isTree, path }
    }))
  yield* several.each(checked, ({ path }) => [path], ({ found, isTree, path }) =>
    Effect.gen(function*() {
      if (!options.dryRun) return yield* removeOne(path, options)
      if (Result.isFailure(found)) {
        const error = found.failure
        return options.force && error instanceof SmbError && isMissing(error) ? undefined : yield* Effect.fail(error)
      }
      const text = UncPath.format(path)
      yield* planned(options, { planned: "Remove", path: text }, `remove ${text}${isTree ? " with all below" : ""}`)
    }))
})

interface Moving extends Format {
  readonly replace: boolean
}

/** Fails if two sources would get the same name: the second would replace the first. */
const refuseTwins = (moves: ReadonlyArray<{ readonly from: Remote; readonly to: UncPath.UncPath }>) => {
  const taken = new Map<string, Remote>()
  for (const { from, to } of moves) {
    const other = taken.get(keyOf(to))
    if (other !== undefined) {
      const both = `${UncPath.format(other)} and ${UncPath.format(from)}`
      return Effect.fail(
        new UsageError({ detail: `${both} would both become ${UncPath.format(to)}: nothing was moved` })
      )
    }
    taken.set(keyOf(to), from)
  }
  return Effect.void
}

const refusedName = (status: number, path: string, target: UncPath.UncPath): SmbError =>
  withDetail(fromStatus(status, "SET_INFO", path), `the new name was ${UncPath.format(target)}`)

/** Fails as a rename would, as far as that is known before. Changes nothing. */
const movable = Effect.fnUntraced(function*(from: Remote, target: UncPath.UncPath, { replace }: Moving) {
  const smb = yield* SmbClient
  const path = UncPath.format(from)
  // A read-only file can be renamed.
  const entry = yield* refuseUncovered(from, smb.removable(from, { access: true, force: true }))
  const isMoved = keyOf(UncPath.parent(from)) !== keyOf(UncPath.parent(target))
  if (isMoved) {
    const mode = entry.type === "directory" ? OpenMode.addDirectory : OpenMode.addFile
    const place = (one: UncPath.PathInput) => smb.withShare(one, (share) => Effect.succeed(share))
    const [here, there] = yield* Effect.scoped(Effect.all([place(from), place(UncPath.parent(target))]))
    const shareOf = ({ name, port, server }: Share.Share) => keyOf({ server, port, share: name, path: "" })
    if (shareOf(here) !== shareOf(there)) {
      const [one, other] = [here, there].map((share) => UncName.format(share, share.name))
      const detail = `cannot be renamed to ${UncPath.format(target)}, since the one is on ${one} and the other on ` +
        `${other}: copy and remove`
      return yield* UncPath.acrossShares(path, detail)
    }
    yield* Effect.scoped(smb.withShare(UncPath.parent(target), (share, below) => share.batch(below, mode, []))).pipe(
      Effect.catchTag("SmbError", (error) =>
        Effect.fail(
          isMissing(error)
            ? refusedName(NtStatus.STATUS_OBJECT_PATH_NOT_FOUND, path, target)
            : refusesShare(error)
            ? error
            : refusedName(error.status, path, target)
        ))
    )
  }
  // Another case of letters is the same name.
  if (keyOf(from) === keyOf(target)) return
  const existing = yield* smb.stat(target, { follow: false }).pipe(
    Effect.catchTag("SmbError", (error) => isMissing(error) ? Effect.succeed(undefined) : Effect.fail(error))
  )
  if (existing === undefined) return
  if (!replace) return yield* refusedName(NtStatus.STATUS_OBJECT_NAME_COLLISION, path, target)
  const isReadOnly = (existing.fileAttributes & FileAttributes.FILE_ATTRIBUTE_READONLY) !== 0
  // MS-FSA 2.1.5.15.11: a directory and a read-only file are not replaced.
  if (existing.type === "directory" || isReadOnly) {
    return yield* refusedName(NtStatus.STATUS_ACCESS_DENIED, path, target)
  }
  // The file systems of Unix replace no file by a directory.
  if (entry.type === "directory") return yield* refusedName(NtStatus.STATUS_NOT_A_DIRECTORY, path, target)
})

/** Renames one entry, or moves several into a directory. All are checked before anything is moved. */
export const move = Effect.fnUntraced(function*(sources: ReadonlyArray<Remote>, to: Remote, options: Moving) {
  const smb = yield* SmbClient
  for (const path of sources) yield* refuseRoot(path, "name what to move")
  if (Patterns.of(to) !== undefined) {
    return yield* new UsageError({ detail: `${UncPath.format(to)}: the target of mv can be no pattern` })
  }
  const several = SeveralPaths.make({ json: options.json, what: "moved" })
  const all = yield* expand(sources, false, several)
  const isOne = sources.length === 1 && all[0] === sources[0]
  if (!isOne && !several.isLost(to)) {
    const { type } = yield* refuseUncovered(to, smb.stat(to))
    if (type !== "directory") {
      return yield* new UsageError({
        detail: `${UncPath.format(to)} is no directory, and several entries are moved to it`
      })
    }
  }
  const moves = yield* Effect.forEach(all, (from) =>
    Effect.map(
      isOne
        ? refuseUncovered(to, destination(to, UncPath.name(from)))
        : Effect.succeed(UncPath.join(to, UncPath.name(from))),
      (target) => ({ from, to: target })
    ))
  if (!isOne) {
    yield* refuseTwins(moves)
    const whole = { recursive: false, dryRun: false }
    yield* several.prepare(moves, ({ from }) => [from], ({ from }) => permitted(from, whole))
  }
  yield* several.each(moves, ({ from, to }) => [from, to], ({ from, to: target }) =>
    Effect.gen(function*() {
      const [path, next] = [UncPath.format(from), UncPath.format(target)]
      if (keyOf(target).startsWith(`${keyOf(from)}\\`)) {
        return yield* UncPath.invalid(path, "a directory cannot be moved into itself")
      }
      if (options.dryRun) {
        yield* movable(from, target, options)
        return yield* planned(options, { planned: "Move", path, to: next }, `move ${path} to ${next}`)
      }
      yield* refuseUncovered(from, smb.rename(from, target, { replace: options.replace }))
    }))
})
