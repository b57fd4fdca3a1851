/**
 * Parts that earlier transfers to the same name have left on a server, because their program was killed or their
 * connection ended. The next transfer to that name removes them.
 *
 * Another client may be writing such a part now, and must keep it. Two things protect it. Its open excludes the deletion
 * (`PartNames.shareAccess`), so the server refuses it. And between the CLOSE of a complete part and its rename, which
 * follows at once, a part is open nowhere: so a part is only removed if it is the same as two seconds before. A part of another
 * user stays.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Directory from "../../Client/Directory.ts"
import type { Entry } from "../../Client/Entry.ts"
import * as Information from "../../Client/Information.ts"
import * as OpenMode from "../../Client/OpenMode.ts"
import * as PartNames from "../../Client/PartNames.ts"
import type { Client } from "../../Client/SmbClient.ts"
import * as UncPath from "../../Client/UncPath.ts"
import { fold } from "../../Codec/UpCase.ts"

/** How long a part must be unchanged, in milliseconds: many times longer than a rename that follows a CLOSE. */
const quietTime = 2000

/** The most directories whose parts are kept in memory. */
const mostDirectories = 64

/** The parts in a directory, and the time in milliseconds at which they were seen. */
interface Seen {
  readonly parts: ReadonlyArray<Entry>
  readonly at: number
}

/** The parts of earlier transfers, for one run. */
export interface AbandonedParts {
  /** Makes the tag of a part of this run. */
  readonly tag: () => string
  /** A file that stays, though it has the name of a part: this run has it, or has found that it is none. */
  readonly keep: (path: UncPath.UncPath) => void
  /** This run has just made the directory: it has no such parts. */
  readonly isNew: (directory: UncPath.UncPath) => void
  /**
   * Runs a transfer to `target`, and after its success removes the parts that earlier ones have left. It looks for them
   * while the transfer runs, and at most two seconds longer, once in each directory. What cannot be removed stays, and is
   * no failure.
   */
  readonly removing: <A, E, R>(
    target: UncPath.UncPath,
    transfer: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R | Scope.Scope>
}

const ownerOf = (smb: Client, path: UncPath.PathInput) =>
  Effect.option(Effect.map(smb.security.get(path), ({ owner }) => owner))

/** Whether two files have one owner, or the server tells that of neither. */
const haveOneOwner = (smb: Client, one: UncPath.PathInput, other: UncPath.PathInput): Effect.Effect<boolean> =>
  Effect.zipWith(
    ownerOf(smb, one),
    ownerOf(smb, other),
    (a, b) => Option.isNone(a) || Option.isNone(b) ? Option.isNone(a) && Option.isNone(b) : a.value === b.value,
    { concurrent: true }
  )

/** Removes a part, unless it has changed or some open does not allow it. */
const remove = (smb: Client, { changeTime, lastWriteTime, path, size }: Entry): Effect.Effect<void> =>
  Effect.scoped(Effect.gen(function*() {
    const file = yield* smb.open(path, { ...OpenMode.remove, shareAccess: 0 })
    const { opened } = file
    if (opened.endOfFile !== size || opened.lastWriteTime !== lastWriteTime || opened.changeTime !== changeTime) return
    yield* file.run(Information.setFile("FileDispositionInformation", { deletePending: true }))
    yield* file.close
  })).pipe(Effect.ignore)

export const make = (smb: Client): AbandonedParts => {
  /** The parts of this run have tags that begin with this, so it knows them in a listing. */
  const ownTag = PartNames.randomTag().slice(0, 6)
  const kept = new Set<string>()
  const isOfThisRun = ({ name, path }: Entry): boolean =>
    name.endsWith(PartNames.partEnd) && name.slice(0, -PartNames.partEnd.length).slice(-12).startsWith(ownTag) ||
    kept.has(fold(path))
  const directories = new Map<string, Effect.Effect<Seen>>()
  const remember = (directory: UncPath.UncPath, seen: Effect.Effect<Seen>) => {
    const key = fold(UncPath.format(directory))
    if (directories.size >= mostDirectories) directories.delete(directories.keys().next().value!)
    directories.set(key, seen)
  }
  const list = (directory: UncPath.UncPath): Effect.Effect<Seen> =>
    Effect.gen(function*() {
      const all = yield* Effect.scoped(
        smb.withShare(
          directory,
          (share, below) => Directory.firstEntries(share, below, directory, `*${PartNames.partEnd}`)
        )
      )
      return { parts: all.filter(({ type }) => type === "file"), at: yield* Clock.currentTimeMillis }
    }).pipe(
      // A directory can allow new files, and not be listed.
      Effect.orElseSucceed(() => ({ parts: [], at: 0 }))
    )
  const look = (directory: UncPath.UncPath): Effect.Effect<Seen> =>
    Effect.suspend(() => {
      const known = directories.get(fold(UncPath.format(directory)))
      if (known !== undefined) return known
      return Effect.flatMap(Effect.cached(list(directory)), (seen) => {
        remember(directory, seen)
        return seen
      })
    })
  return {
    tag: () => ownTag + PartNames.randomTag().slice(6),
    keep: (path) => void kept.add(fold(UncPath.format(path))),
    isNew: (directory) => remember(directory, Effect.succeed({ parts: [], at: 0 })),
    removing: Effect.fnUntraced(function*(target, transfer) {
      const looking = yield* Effect.forkScoped(look(UncPath.parent(target)))
      const result = yield* transfer
      // A directory with very many files takes long: the transfer is done, and does not wait for that.
      const seen = yield* Effect.timeoutOption(Fiber.join(looking), quietTime)
      if (Option.isNone(seen)) return result
      const { at, parts } = seen.value
      const name = UncPath.name(target)
      const abandoned = parts.filter((one) => PartNames.isPartOf(one.name, name) && !isOfThisRun(one))
      if (abandoned.length === 0) return result
      yield* Effect.sleep(Math.max(0, at + quietTime - (yield* Clock.currentTimeMillis)))
      for (const one of abandoned) {
        if (yield* haveOneOwner(smb, one.path, target)) yield* remove(smb, one)
      }
      return result
    })
  }
}
