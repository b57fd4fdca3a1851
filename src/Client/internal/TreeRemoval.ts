/**
 * The removal of trees.
 *
 * What is removed is what lies below the path, and nothing that is only reached through it. DFS links, junctions and symbolic
 * links tell what they are. A link of a server's own file system, as those in a share of Samba's, does not: it looks like a
 * folder. It is known by what the folder says of itself: the number of its `..` is not that of the folder that it was come
 * to from, or its own number is that of a folder that was met before. A server whose `..` is never right is not believed.
 * Directories have no hard links: where one listing has two of one number, one of them is a link to the other.
 *
 * Files go first, then directories as soon as they are empty. A link of the server's to a folder of the same tree can only be
 * removed while that folder is there and empty: so it goes right before it. A link whose target has gone is hidden by a
 * server that follows links, and cannot be removed any more: of names for one thing in one listing the shortest goes first,
 * as in `lib.so -> lib.so.1 -> lib.so.1.2`. Others may be removing the same tree: what is gone, or about to go, is no failure.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { isNameSurrogate, ReparseTag } from "../../Codec/Reparse.ts"
import { fold } from "../../Codec/UpCase.ts"
import { afterSending, fromStatus, isGone, isMissing, perhapsGone, SmbError } from "../../Protocol/Errors.ts"
import type { ClientError } from "../ClientError.ts"
import * as Directory from "../Directory.ts"
import type { Entry } from "../Entry.ts"
import { namedFailures, type RemovalFailure, RemovalIncomplete, RootOrLink } from "../RemovalError.ts"
import * as UncPath from "../UncPath.ts"

/** What a removal is made of. */
export interface Steps {
  /** What a directory holds, with `.` and `..`; fails where the path is a link to elsewhere. */
  readonly list: (path: string) => Stream.Stream<Directory.Listed, ClientError>
  /** Removes a file, a link or an empty directory. */
  readonly remove: (path: string) => Effect.Effect<void, ClientError>
}

/** Directories that are cleared at once, and entries of one. */
const concurrency = 8

/** How deep a tree may be. */
const maximumDepth = 128

/** How often a directory is cleared again that is not empty, since others remove or add something in it. */
const rounds = 6

const pause = (round: number): Effect.Effect<void> => Effect.sleep(Duration.millis(20 * 2 ** round))

/** What a DFS link leads to is on another server, and somebody else's: it does not go with the tree that has the link. */
const leadsAway = (entry: Entry): UncPath.AcrossShares =>
  new UncPath.AcrossShares({
    path: entry.path,
    detail: "is a DFS link, and what it leads to is not removed with the tree: remove that by itself, and take " +
      "the link out of the namespace"
  })

const lostSession: ReadonlySet<string> = new Set([
  "NetworkNameDeleted",
  "UserSessionDeleted",
  "NetworkSessionExpired"
])

/** Whether a failure is about one entry, so that the others can go all the same. */
const concernsEntry = (error: ClientError): boolean =>
  error._tag === "SmbError"
    ? !lostSession.has(error.reason)
    : error._tag === "InvalidPath" || error._tag === "AcrossShares" || error._tag === "RootOrLink"

/** A directory on the way. */
interface Folder {
  readonly path: string
  readonly holder: Folder | undefined
  /** What it says of itself, once it has been listed. */
  self: string | undefined
  /** Directories in it, and links that look like some, which are still there. */
  open: number
  /** How much was listed in it. */
  listed: number
  /** Links of the server's that lead here. */
  readonly links: Array<Folder>
  /** Another name of the same folder in the same listing: one of the two is a link. */
  twin: string | undefined
}

const folderAt = (path: string, holder: Folder | undefined): Folder => ({
  path,
  holder,
  self: undefined,
  open: 0,
  listed: 0,
  links: [],
  twin: undefined
})

/** What a directory's `.` and `..` say. */
interface Dots {
  self: string | undefined
  up: string | undefined
}

const note = (dots: Dots, one: Directory.Listed): boolean => {
  if (one.name === ".") dots.self = Directory.identity(one)
  else if (one.name === "..") dots.up = Directory.identity(one)
  else return false
  return true
}

/** Both are known, and of one share: a removal may go on at another server, where numbers are others. */
const isComparable = (one: string | undefined, other: string | undefined): boolean =>
  one !== undefined && other !== undefined && Directory.placeOf(one) === Directory.placeOf(other)

const serverLink = (path: string, twin?: string): RootOrLink =>
  new RootOrLink({ path, kind: "server-link", ...(twin === undefined ? {} : { target: twin }) })

/** A directory that is empty to us, and not to the server. */
const hidesSomething = ({ command, path, status }: SmbError): SmbError =>
  new SmbError({
    ...fromStatus(status, command, path),
    detail:
      "the server lists nothing in it, so that it hides something: links whose targets are gone, or files that the " +
      "share hides. Remove the folder on the server"
  })

const isFolder = (entry: Entry): boolean => entry.type === "directory" && !isNameSurrogate(entry.reparseTag)

/** The shorter name first. */
const byLength = (one: string, other: string): number => one.length - other.length || (one < other ? -1 : 1)

/** What one thing of a listing has alone; where the server does not say, each name is a thing. */
const keyOf = (one: Directory.Listed): string =>
  Directory.identity(one) === undefined ? `\0${one.name}` : Directory.onVolume(one)

/** Names for one thing, each group by itself: the shortest name first. */
const grouped = (all: ReadonlyArray<Directory.Listed>): Array<Array<Entry>> => {
  const groups = new Map<string, Array<Entry>>()
  for (const one of all) {
    const key = keyOf(one)
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
  /** Directories that cannot go, since something in them has stayed. */
  readonly kept = new Set<string>()
  /** Directories of the tree by what they say of themselves, with their paths. */
  readonly seen = new Map<string, string>()
  /** What was about to go when it was met, by the directory that holds it. */
  readonly pending = new Map<string, ClientError>()
  private readonly steps: Steps
  private readonly start: string
  /** Whether `..` is known to tell the truth. */
  truthful: boolean

  constructor(steps: Steps, start: string, surroundings: Surroundings) {
    this.steps = steps
    this.start = start
    this.truthful = surroundings.truthful
    for (const { path, self } of surroundings.above) this.seen.set(self, path)
  }

  fail(path: string, error: ClientError): void {
    this.failed++
    if (this.failures.length < namedFailures) this.failures.push({ path, error })
    for (let above = parentOf(path); above.length >= this.start.length; above = parentOf(above)) this.kept.add(above)
    this.kept.add(path)
  }

  /** What one entry fails with is kept; what concerns all ends the removal. */
  private readonly failing = (path: string) => (error: ClientError): Effect.Effect<void, ClientError> => {
    if (error._tag === "SmbError" && isGone(error)) {
      if (!isMissing(error)) this.pending.set(parentOf(path), error)
      return Effect.void
    }
    return concernsEntry(error) ? Effect.sync(() => this.fail(path, error)) : Effect.fail(error)
  }

  /** What ends a listing, where the directory has gone since it was opened, is for the directory's own removal to tell. */
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

  /** Whether a directory with these dots is another one than its path says. */
  private leadsElsewhere({ holder, path }: Folder, { self, up }: Dots): boolean {
    const known = self === undefined ? undefined : this.seen.get(self)
    if (known !== undefined && known !== path) return true
    if (isComparable(up, holder?.self) && up !== self) {
      if (up === holder?.self) this.truthful = true
      else if (this.truthful) return true
    }
    if (self !== undefined) this.seen.set(self, path)
    return false
  }

  private clearEntry(entry: Entry): Effect.Effect<void, ClientError> {
    return entry.reparseTag === ReparseTag.IO_REPARSE_TAG_DFS
      ? Effect.sync(() => this.fail(entry.path, leadsAway(entry)))
      : this.remove(entry.path)
  }

  /**
   * Removes what is in a directory, but for its directories: those come out. A link that looks like a directory is left alone:
   * false.
   */
  private clear(folder: Folder, below: Array<Folder>): Effect.Effect<boolean, ClientError> {
    const dots: Dots = { self: undefined, up: undefined }
    /** Folders that were listed here, by what tells them from others. */
    const found = new Map<string, Array<Folder>>()
    let isLink: boolean | undefined
    const judge = (): boolean => {
      folder.self = dots.self
      return isLink ??= this.leadsElsewhere(folder, dots)
    }
    return this.steps.list(folder.path).pipe(
      Stream.filter((one) => !note(dots, one)),
      Stream.takeWhile(() => !judge()),
      Stream.chunks,
      Stream.flatMap((page) => {
        const others: Array<Directory.Listed> = []
        for (const one of page) {
          folder.listed++
          if (!isFolder(one.entry) || one.entry.reparseTag === ReparseTag.IO_REPARSE_TAG_DFS) {
            others.push(one)
            continue
          }
          folder.open++
          const key = keyOf(one)
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
        return !judge()
      })
    )
  }

  /** A directory that should be empty now. What is left in it may be about to go, or new. Whether it has gone. */
  private removeEmptied(folder: Folder, round: number): Effect.Effect<boolean, ClientError> {
    return Effect.suspend(() => {
      if (this.kept.has(folder.path)) return Effect.succeed(false)
      return this.steps.remove(folder.path).pipe(
        Effect.andThen(Effect.sync(() => {
          this.removed++
          return true
        })),
        Effect.catch((error) => {
          if (error._tag !== "SmbError" || error.reason !== "DirectoryNotEmpty") {
            return Effect.map(this.failing(folder.path)(error), () => !this.kept.has(folder.path))
          }
          if (round < rounds) {
            return Effect.andThen(pause(round), this.tree(folderAt(folder.path, folder.holder), round + 1))
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

  /** Removes directories, each as soon as nothing is in it, and gives those that are still there. */
  private removeFolders(folders: ReadonlyArray<Folder>, round: number): Effect.Effect<Set<Folder>, ClientError> {
    return Effect.gen({ self: this }, function*() {
      const left = new Set(folders)
      let ready = folders.filter(({ open }) => open === 0)
      while (ready.length > 0) {
        const next: Array<Folder> = []
        const gone = ({ holder }: Folder) => {
          if (holder !== undefined && left.has(holder) && --holder.open === 0) next.push(holder)
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

  /** Whether the directory has gone. */
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
          // What has the same number leads there as well.
          for (const twin of folder.links.splice(0)) {
            twin.self = folder.self
            links.push(twin)
          }
          return links.push(folder)
        })
        level = below
      }
      // What is too deep may still be empty.
      folders.push(...level)
      const known = new Map(folders.map((folder) => [folder.self, folder]))
      for (const link of links) {
        const target = link.self === undefined ? undefined : known.get(link.self)
        if (target === undefined) this.fail(link.path, serverLink(link.path))
        else target.links.push(link)
      }
      const left = yield* this.removeFolders(folders, round)
      // A link to a folder that holds the link keeps it, and the folder keeps the link.
      for (const { links, path } of left) {
        if (!this.kept.has(path)) { for (const link of links) this.fail(link.path, serverLink(link.path, link.twin)) }
      }
      return !left.has(start)
    })
  }

  /** What came of it. */
  outcome(ended: ClientError | undefined): ClientError | undefined {
    if (ended === undefined && this.failed === 0) return undefined
    if (ended !== undefined) {
      if (this.removed === 0 && this.failed === 0) return ended
      this.failed++
      if (this.failures.length === namedFailures) this.failures.pop()
      this.failures.push({ path: this.start, error: this.removed > 0 ? afterSending(ended) : ended })
    }
    const only = this.failures[0]!
    // The path itself failed, and nothing has happened: that needs no second word.
    if (this.removed === 0 && this.failed === 1 && only.path === this.start) return only.error as ClientError
    const { failed, failures, removed, start } = this
    return new RemovalIncomplete({ path: start, removed, failed, failures, ended: ended !== undefined })
  }
}

/** What a directory says of itself and of the one that holds it. */
const dotsOf = (list: Steps["list"], path: string): Effect.Effect<Dots, ClientError> => {
  const dots: Dots = { self: undefined, up: undefined }
  return list(path).pipe(
    Stream.takeWhile((one) => note(dots, one)),
    Stream.runDrain,
    Effect.as(dots),
    // A directory that must not be listed tells nothing.
    Effect.catchTag("SmbError", () => Effect.succeed(dots))
  )
}

/** Directories beside the path that are asked whether the server's `..` is right. */
const witnesses = 8

/** Whether `..` is right for some directory in this one, which says `self` of itself. */
const isRightBelow = (list: Steps["list"], directory: string, self: string): Effect.Effect<boolean, ClientError> =>
  list(directory).pipe(
    Stream.filter((one) => !Directory.isDots(one) && isFolder(one.entry)),
    Stream.take(witnesses),
    Stream.mapEffect(({ entry }) => dotsOf(list, entry.path)),
    Stream.filter(({ up }) => up === self),
    Stream.runHead,
    Effect.map((found) => found._tag === "Some"),
    Effect.catchTag("SmbError", () => Effect.succeed(false))
  )

/** What is known of the directories above a path. */
interface Surroundings {
  /** The server's `..` is right. */
  readonly truthful: boolean
  /** It says that the directory is not where its path says. */
  readonly isLink: boolean
  /** Another name of the directory in the one that holds it: one of the two is a link. */
  readonly twin: string | undefined
  readonly above: ReadonlyArray<{ readonly path: string; readonly self: string }>
}

/** Another name in a directory for the folder of this name and number. */
const twinOf = (list: Steps["list"], directory: string, name: string, self: string) =>
  list(directory).pipe(
    Stream.filter((one) => !Directory.isDots(one) && isFolder(one.entry) && Directory.identity(one) === self),
    Stream.runCollect,
    Effect.map((all) => {
      const here = all.find((one) => fold(one.name) === fold(name)) ?? all[0]
      return all.find((one) => one !== here && keyOf(one) === keyOf(here!))?.entry.path
    }),
    Effect.catchTag("SmbError", () => Effect.succeed(undefined))
  )

const lookAround = Effect.fnUntraced(function*(
  list: Steps["list"],
  path: UncPath.UncPath
): Effect.fn.Return<Surroundings, ClientError> {
  const start = yield* dotsOf(list, UncPath.format(path))
  const above: Array<{ readonly path: string; readonly self: string }> = []
  let here = start
  let at = path
  let truthful = false
  let differs = false
  while (at.path !== "") {
    at = UncPath.parent(at)
    const place = UncPath.format(at)
    const holder = yield* dotsOf(list, place)
    if (holder.self === undefined) break
    if (isComparable(here.up, holder.self)) {
      if (here.up === holder.self) truthful = true
      else if (here === start) differs = true
      if (at.path === "" && differs && !truthful) truthful = yield* isRightBelow(list, place, holder.self)
    }
    above.push({ path: place, self: holder.self })
    here = holder
  }
  const twin = start.self === undefined || above[0] === undefined
    ? undefined
    : yield* twinOf(list, above[0].path, UncPath.name(path), start.self)
  return { truthful, isLink: differs && truthful, twin, above }
})

/** Looks around a directory, and fails where it is a link of the server's. */
export const judge = Effect.fnUntraced(function*(around: Steps["list"], path: UncPath.UncPath) {
  const surroundings = yield* lookAround(around, path)
  return surroundings.isLink || surroundings.twin !== undefined
    ? yield* serverLink(UncPath.format(path), surroundings.twin)
    : surroundings
})

/**
 * Removes everything below a directory and the directory itself, several entries at once, and gives how many entries that
 * were. Links of any kind are removed themselves, and not what they lead to. What one entry fails with does not stop the
 * others: then it fails with `RemovalIncomplete`. `around` lists directories above the path, which may be links.
 */
export const tree = Effect.fnUntraced(function*(steps: Steps, around: Steps["list"], path: UncPath.UncPath) {
  const start = UncPath.format(path)
  const surroundings = yield* judge(around, path)
  const removal = new Removal(steps, start, surroundings)
  const ended = yield* removal.tree(folderAt(start, undefined), 0).pipe(
    Effect.as(undefined),
    Effect.catch((error) => Effect.succeed(error))
  )
  const error = removal.outcome(ended)
  if (error !== undefined) return yield* Effect.fail(error)
  return removal.removed
})
