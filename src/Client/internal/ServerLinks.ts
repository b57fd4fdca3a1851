/**
 * The links of a server's own file system to folders, as in a share of Samba: they look like folders, and nothing in
 * their entries says what they are.
 *
 * Such a link is found by what the folder says about itself: the number of its `..` is not the number of its parent. If
 * a server's `..` is never right, it is not used. Directories have no hard links: if one listing has two directories
 * with one number, one of them is a link to the other.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { isNameSurrogate } from "../../Codec/Reparse.ts"
import { fold } from "../../Codec/UpCase.ts"
import type { ClientError } from "../ClientError.ts"
import * as Directory from "../Directory.ts"
import type { Entry } from "../Entry.ts"
import { RemovalError, RootOrLink } from "../RemovalError.ts"
import * as UncPath from "../UncPath.ts"

/** The entries of a directory, with `.` and `..`. */
export type List = (path: string) => Stream.Stream<Directory.Listed, ClientError>

/** The numbers of a directory's `.` and `..`. */
export interface Dots {
  number: string | undefined
  parentNumber: string | undefined
}

/** Keeps the number of `.` or `..`; false for any other entry. */
export const recordDots = (dots: Dots, one: Directory.Listed): boolean => {
  if (one.name === ".") dots.number = Directory.identity(one)
  else if (one.name === "..") dots.parentNumber = Directory.identity(one)
  else return false
  return true
}

/** Whether both are known and of one share: a removal can go on at another server, which has other numbers. */
export const isComparable = (one: string | undefined, other: string | undefined): boolean =>
  one !== undefined && other !== undefined && Directory.placeOf(one) === Directory.placeOf(other)

/** The error for a server's link. `twin` is the other name of the same folder. */
export const serverLink = (path: string, twin?: string): RemovalError =>
  new RemovalError({
    reason: new RootOrLink({ path, kind: "server-link", ...(twin === undefined ? {} : { target: twin }) })
  })

/** Whether an entry is a directory itself, and not a junction or a symbolic link. */
export const isFolder = (entry: Entry): boolean => entry.type === "directory" && !isNameSurrogate(entry.reparseTag)

/** The key of one file of a listing; if the server does not number its files, each name is its own file. */
export const fileKey = (one: Directory.Listed): string =>
  Directory.identity(one) === undefined ? `\0${one.name}` : Directory.onVolume(one)

/** The numbers of a directory and its parent, as the directory lists them. */
const dotsOf = (list: List, path: string): Effect.Effect<Dots, ClientError> => {
  const dots: Dots = { number: undefined, parentNumber: undefined }
  return list(path).pipe(
    Stream.takeWhile((one) => recordDots(dots, one)),
    Stream.runDrain,
    Effect.as(dots),
    // A directory that cannot be listed gives no numbers.
    Effect.catchTag("SmbError", () => Effect.succeed(dots))
  )
}

/** How many directories next to the path are listed to find out whether the server's `..` is right. */
const listedSiblings = 8

/** Whether `..` is right for some directory in this one, whose own number is `number`. */
const isRightBelow = (list: List, directory: string, number: string): Effect.Effect<boolean, ClientError> =>
  list(directory).pipe(
    Stream.filter((one) => !Directory.isDots(one) && isFolder(one.entry)),
    Stream.take(listedSiblings),
    Stream.mapEffect(({ entry }) => dotsOf(list, entry.path)),
    Stream.filter(({ parentNumber }) => parentNumber === number),
    Stream.runHead,
    Effect.map((found) => found._tag === "Some"),
    Effect.catchTag("SmbError", () => Effect.succeed(false))
  )

/** The known facts about the directories above a path. */
export interface Surroundings {
  /** The server's `..` is right. */
  readonly parentNumbersRight: boolean
  /** The directory is not at the place that its path names. */
  readonly isLink: boolean
  /** A second name of the directory in its parent: one of the two is a link. */
  readonly twin: string | undefined
  readonly above: ReadonlyArray<{ readonly path: string; readonly number: string }>
}

/** A second name in a directory for the folder of this name and number. */
const twinOf = (list: List, directory: string, name: string, number: string) =>
  list(directory).pipe(
    Stream.filter((one) => !Directory.isDots(one) && isFolder(one.entry) && Directory.identity(one) === number),
    Stream.runCollect,
    Effect.map((all) => {
      const here = all.find((one) => fold(one.name) === fold(name)) ?? all[0]
      return all.find((one) => one !== here && fileKey(one) === fileKey(here!))?.entry.path
    }),
    Effect.catchTag("SmbError", () => Effect.succeed(undefined))
  )

const inspectParents = Effect.fnUntraced(function*(
  list: List,
  path: UncPath.UncPath
): Effect.fn.Return<Surroundings, ClientError> {
  const start = yield* dotsOf(list, UncPath.format(path))
  const above: Array<{ readonly path: string; readonly number: string }> = []
  let here = start
  let at = path
  let parentNumbersRight = false
  let differs = false
  while (at.path !== "") {
    at = UncPath.parent(at)
    const place = UncPath.format(at)
    const parent = yield* dotsOf(list, place)
    if (parent.number === undefined) break
    if (isComparable(here.parentNumber, parent.number)) {
      if (here.parentNumber === parent.number) parentNumbersRight = true
      else if (here === start) differs = true
      if (at.path === "" && differs && !parentNumbersRight) {
        parentNumbersRight = yield* isRightBelow(list, place, parent.number)
      }
    }
    above.push({ path: place, number: parent.number })
    here = parent
  }
  const twin = start.number === undefined || above[0] === undefined
    ? undefined
    : yield* twinOf(list, above[0].path, UncPath.name(path), start.number)
  return { parentNumbersRight, isLink: differs && parentNumbersRight, twin, above }
})

/** Looks at the directories around a directory, and fails if it is a link of the server. */
export const refuseServerLink = Effect.fnUntraced(function*(around: List, path: UncPath.UncPath) {
  const surroundings = yield* inspectParents(around, path)
  return surroundings.isLink || surroundings.twin !== undefined
    ? yield* serverLink(UncPath.format(path), surroundings.twin)
    : surroundings
})
