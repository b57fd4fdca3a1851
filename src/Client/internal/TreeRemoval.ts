/**
 * The removal of trees.
 *
 * Removes what is below the path, and nothing that is only reached through it. DFS links, junctions and symbolic links
 * tell what they are. A link of a server's own file system does not: `ServerLinks` says how such a link is found. A
 * folder whose own number is that of a folder that was found before is such a link too.
 *
 * Files are removed first, then directories as soon as they are empty. A server's link to a folder of the same tree can
 * only be removed while that folder exists and is empty, so the link is removed right before the folder. A server that
 * follows links hides a link whose target is gone, and such a link cannot be removed any more. So if several names in
 * one listing are the same file, the shortest is removed first, as in `lib.so -> lib.so.1 -> lib.so.1.2`. Other clients
 * may remove the same tree at the same time: an entry that is gone, or is being removed, is no failure.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ReparseTag } from "../../Codec/Reparse.ts"
import * as Changes from "../../Protocol/Changes.ts"
import { fromStatus, isGone, isMissing, perhapsGone, SmbError } from "../../Protocol/Errors.ts"
import type { ClientError } from "../ClientError.ts"
import type * as Directory from "../Directory.ts"
import type { Entry } from "../Entry.ts"
import { namedFailures, RemovalError, type RemovalFailure, RemovalIncomplete } from "../RemovalError.ts"
import * as UncPath from "../UncPath.ts"
import {
  type Dots,
  fileKey,
  isComparable,
  isFolder,
  type List,
  recordDots,
  refuseServerLink,
  serverLink,
  type Surroundings
} from "./ServerLinks.ts"

/** The operations that a removal uses. */
export interface Steps {
  /** Fails if the path is a link to another place. */
  readonly list: List
  /** Removes a file, a link or an empty directory. */
  readonly remove: (path: string) => Effect.Effect<void, ClientError>
}

/** How many directories are cleared at once, and how many entries of one. */
const concurrency = 8

/** How deep a tree may be. */
const maximumDepth = 128

/** How often a directory is cleared again if it is not empty, because other clients remove or add entries in it. */
const rounds = 6

const pause = (round: number): Effect.Effect<void> => Effect.sleep(Duration.millis(20 * 2 ** round))

/** The target of a DFS link is on another server and is not part of the tree, so it is not removed with the tree. */
const leadsAway = (entry: Entry): UncPath.PathError =>
  UncPath.acrossShares(
    entry.path,
    "is a DFS link, and what it leads to is not removed with the tree: remove that by itself, and take " +
      "the link out of the namespace"
  )

const lostSession: ReadonlySet<string> = new Set([
  "NetworkNameDeleted",
  "UserSessionDeleted",
  "NetworkSessionExpired"
])

/** Whether a failure concerns one entry, so that the others can still be removed. */
const concernsEntry = (error: ClientError): boolean =>
  error._tag === "SmbError"
    ? !lostSession.has(error.reason._tag)
    : error._tag === "PathError" || (error._tag === "RemovalError" && error.reason._tag === "RootOrLink")

/** A directory of the tree. */
interface Folder {
  readonly path: string
  readonly parent: Folder | undefined
  /** Its own number, once it has been listed. */
  number: string | undefined
  /** How many directories, and links that look like directories, are still in it. */
  remaining: number
  /** How many entries its listing had. */
  listed: number
  /** The server's links that lead to this folder. */
  readonly links: Array<Folder>
  /** A second name of the same folder in the same listing: one of the two is a link. */
  twin: string | undefined
}

const folderAt = (path: string, parent: Folder | undefined): Folder => ({
  path,
  parent,
  number: undefined,
  remaining: 0,
  listed: 0,
  links: [],
  twin: undefined
})

/** The error for a directory that is empty for this client, but not for the server. */
const hidesSomething = ({ command, path, status }: SmbError): SmbError =>
  new SmbError({
    ...fromStatus(status, command, path),
    detail:
      "the server lists nothing in it, so that it hides something: links whose targets are gone, or files that the " +
      "share hides. Remove the folder on the server"
  })

/** The shorter name first. */
const byLength = (one: string, other: string): number => one.length - other.length || (one < other ? -1 : 1)

/** Groups of names for one file: the shortest name first. */
const grouped = (all: ReadonlyArray<Directory.Listed>): Array<Array<Entry>> => {
  const groups = new Map<string, Array<Entry>>()
  for (const one of all) {
    const key = fileKey(one)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [one.entry])
    else group.push(one.entry)
  }
  return [...groups.values()].map((group) => group.toSorted((a, b) => byLength(a.name, b.name)))
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("\\"))

/** One removal. */
class Removal {
  removed = 0
  failed = 0
  readonly failures: Array<RemovalFailure> = []
  /** Directories that cannot be removed, because something in them stayed. */
  readonly kept = new Set<string>()
  /** Directories of the tree by their own numbers, with their paths. */
  readonly seen = new Map<string, string>()
  /** Entries that were being removed when they were found, by their directory. */
  readonly pending = new Map<string, ClientError>()
  private readonly steps: Steps
  private readonly start: string
  /** Whether the numbers of the server's `..` are known to be right. */
  parentNumbersRight: boolean

  constructor(steps: Steps, start: string, surroundings: Surroundings) {
    this.steps = steps
    this.start = start
    this.parentNumbersRight = surroundings.parentNumbersRight
    for (const { path, number } of surroundings.above) this.seen.set(number, path)
  }

  fail(path: string, error: ClientError): void {
    this.failed++
    if (this.failures.length < namedFailures) this.failures.push({ path, error })
    for (let above = parentOf(path); above.length >= this.start.length; above = parentOf(above)) this.kept.add(above)
    this.kept.add(path)
  }

  /** A failure of one entry is kept; a failure that concerns all entries ends the removal. */
  private readonly failing = (path: string) => (error: ClientError): Effect.Effect<void, ClientError> => {
    if (error._tag === "SmbError" && isGone(error)) {
      if (!isMissing(error)) this.pending.set(parentOf(path), error)
      return Effect.void
    }
    return concernsEntry(error) ? Effect.sync(() => this.fail(path, error)) : Effect.fail(error)
  }

  /** If a listing fails because the directory is gone, the removal of the directory itself reports it. */
  private readonly unlisted = (path: string) => (error: ClientError): Effect.Effect<void, ClientError> => {
    if (error._tag !== "SmbError" || !perhapsGone(error)) return this.failing(path)(error)
    return Effect.sync(() => void this.pending.set(path, error))
  }

  private remove(path: string): Effect.Effect<void, ClientError> {
    return this.steps.remove(path).pipe(
      Effect.andThen(Effect.sync(() => void this.removed++)),
      Effect.catch(this.failing(path))
    )
  }

  /** Whether a directory with these numbers is not the one that its path names. */
  private leadsElsewhere({ parent, path }: Folder, { number, parentNumber }: Dots): boolean {
    const known = number === undefined ? undefined : this.seen.get(number)
    if (known !== undefined && known !== path) return true
    if (isComparable(parentNumber, parent?.number) && parentNumber !== number) {
      if (parentNumber === parent?.number) this.parentNumbersRight = true
      else if (this.parentNumbersRight) return true
    }
    if (number !== undefined) this.seen.set(number, path)
    return false
  }

  private clearEntry(entry: Entry): Effect.Effect<void, ClientError> {
    return entry.reparseTag === ReparseTag.IO_REPARSE_TAG_DFS
      ? Effect.sync(() => this.fail(entry.path, leadsAway(entry)))
      : this.remove(entry.path)
  }

  /**
   * Removes the entries of a directory except its directories, which it returns in `below`. Returns false, and leaves
   * the directory alone, if it is a link that looks like a directory.
   */
  private clear(folder: Folder, below: Array<Folder>): Effect.Effect<boolean, ClientError> {
    const dots: Dots = { number: undefined, parentNumber: undefined }
    /** The folders of this listing, by their keys. */
    const found = new Map<string, Array<Folder>>()
    let isLink: boolean | undefined
    const isServerLink = (): boolean => {
      folder.number = dots.number
      return isLink ??= this.leadsElsewhere(folder, dots)
    }
    return this.steps.list(folder.path).pipe(
      Stream.filter((one) => !recordDots(dots, one)),
      Stream.takeWhile(() => !isServerLink()),
      Stream.chunks,
      Stream.flatMap((page) => {
        const others: Array<Directory.Listed> = []
        for (const one of page) {
          folder.listed++
          if (!isFolder(one.entry) || one.entry.reparseTag === ReparseTag.IO_REPARSE_TAG_DFS) {
            others.push(one)
            continue
          }
          folder.remaining++
          const key = fileKey(one)
          const twins = found.get(key)
          const below = folderAt(one.entry.path, folder)
          if (twins === undefined) found.set(key, [below])
          else twins.push(below)
        }
        return Stream.fromArray(grouped(others))
      }),
      Stream.mapEffect(
        (group) => Effect.forEach(group, (entry) => this.clearEntry(entry), { discard: true }),
        { concurrency, unordered: true }
      ),
      Stream.runDrain,
      Effect.catch(this.unlisted(folder.path)),
      Effect.map(() => {
        for (const twins of found.values()) {
          const [real, ...links] = twins.toSorted((a, b) => byLength(b.path, a.path))
          below.push(real!)
          for (const link of links) {
            link.twin = real!.path
            real!.links.push(link)
          }
        }
        return !isServerLink()
      })
    )
  }

  /**
   * Removes a directory that should be empty now. The entries left in it may be in removal, or new. Returns whether it
   * is gone.
   */
  private removeEmptied(folder: Folder, round: number): Effect.Effect<boolean, ClientError> {
    return Effect.suspend(() => {
      if (this.kept.has(folder.path)) return Effect.succeed(false)
      return this.steps.remove(folder.path).pipe(
        Effect.andThen(Effect.sync(() => {
          this.removed++
          return true
        })),
        Effect.catch((error) => {
          if (error._tag !== "SmbError" || error.reason._tag !== "DirectoryNotEmpty") {
            return Effect.map(this.failing(folder.path)(error), () => !this.kept.has(folder.path))
          }
          if (round < rounds) {
            return Effect.andThen(pause(round), this.tree(folderAt(folder.path, folder.parent), round + 1))
          }
          this.fail(
            folder.path,
            this.pending.get(folder.path) ?? (folder.listed === 0 ? hidesSomething(error) : error)
          )
          return Effect.succeed(false)
        })
      )
    })
  }

  /** Removes directories, each as soon as it is empty, and returns those that still exist. */
  private removeFolders(folders: ReadonlyArray<Folder>, round: number): Effect.Effect<Set<Folder>, ClientError> {
    return Effect.gen({ self: this }, function*() {
      const left = new Set(folders)
      let ready = folders.filter(({ remaining }) => remaining === 0)
      while (ready.length > 0) {
        const next: Array<Folder> = []
        const gone = ({ parent }: Folder) => {
          if (parent !== undefined && left.has(parent) && --parent.remaining === 0) next.push(parent)
        }
        yield* Effect.forEach(ready, (folder) =>
          Effect.gen({ self: this }, function*() {
            if (this.kept.has(folder.path)) return
            for (const link of folder.links) {
              yield* this.remove(link.path)
              if (!this.kept.has(link.path)) gone(link)
            }
            if (yield* this.removeEmptied(folder, round)) {
              left.delete(folder)
              gone(folder)
            }
          }), { concurrency, discard: true })
        ready = next
      }
      return left
    })
  }

  /** Removes the tree of a directory, and returns whether the directory is gone. */
  tree(start: Folder, round: number): Effect.Effect<boolean, ClientError> {
    return Effect.gen({ self: this }, function*() {
      const folders: Array<Folder> = []
      const links: Array<Folder> = []
      let level: ReadonlyArray<Folder> = [start]
      for (let depth = 0; level.length > 0 && depth <= maximumDepth; depth++) {
        const below: Array<Folder> = []
        const cleared = yield* Effect.forEach(level, (folder) => this.clear(folder, below), { concurrency })
        level.forEach((folder, i) => {
          if (cleared[i]) return folders.push(folder)
          // A folder with the same number leads there as well.
          for (const twin of folder.links.splice(0)) {
            twin.number = folder.number
            links.push(twin)
          }
          return links.push(folder)
        })
        level = below
      }
      // A directory that is too deep can still be empty.
      folders.push(...level)
      const known = new Map(folders.map((folder) => [folder.number, folder]))
      for (const link of links) {
        const target = link.number === undefined ? undefined : known.get(link.number)
        if (target === undefined) this.fail(link.path, serverLink(link.path))
        else target.links.push(link)
      }
      const left = yield* this.removeFolders(folders, round)
      // Neither a link to a folder that contains the link, nor that folder, is removable.
      for (const { links, path } of left) {
        if (!this.kept.has(path)) { for (const link of links) this.fail(link.path, serverLink(link.path, link.twin)) }
      }
      return !left.has(start)
    })
  }

  /** The result of the removal. */
  outcome(ended: ClientError | undefined): ClientError | undefined {
    if (ended === undefined && this.failed === 0) return undefined
    if (ended !== undefined) {
      if (this.removed === 0 && this.failed === 0) return ended
      this.failed++
      if (this.failures.length === namedFailures) this.failures.pop()
      this.failures.push({ path: this.start, error: this.removed > 0 ? Changes.afterChange(ended) : ended })
    }
    const only = this.failures[0]!
    // Only the path itself failed, and nothing was removed: its own error is enough.
    if (this.removed === 0 && this.failed === 1 && only.path === this.start) return only.error as ClientError
    const { failed, failures, removed, start } = this
    return new RemovalError({
      reason: new RemovalIncomplete({ path: start, removed, failed, failures, ended: ended !== undefined })
    })
  }
}

/**
 * Removes everything below a directory and the directory itself, several entries at once, and returns how many entries
 * it removed. Links of any kind are removed themselves, and not their targets. If one entry fails, the others are still
 * removed, and the removal fails with `RemovalIncomplete`. `around` lists directories above the path, which may be
 * links.
 */
export const removeTree = Effect.fnUntraced(function*(steps: Steps, around: List, path: UncPath.UncPath) {
  const start = UncPath.format(path)
  const surroundings = yield* refuseServerLink(around, path)
  const removal = new Removal(steps, start, surroundings)
  const ended = yield* removal.tree(folderAt(start, undefined), 0).pipe(
    Effect.as(undefined),
    Effect.catch((error) => Effect.succeed(error))
  )
  const error = removal.outcome(ended)
  if (error !== undefined) return yield* Effect.fail(error)
  return removal.removed
})
