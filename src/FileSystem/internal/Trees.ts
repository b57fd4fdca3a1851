/** Methods on directories and trees: list, make, copy, move and remove. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import type { ClientError } from "../../Client/ClientError.ts"
import type * as Entry from "../../Client/Entry.ts"
import * as UncPath from "../../Client/UncPath.ts"
import { fold } from "../../Codec/UpCase.ts"
import { FileAttributes } from "../../Smb2/Message/Constants.ts"
import { at, atBoth, notRoot, type Root } from "./Access.ts"
import * as Attributes from "./Attributes.ts"
import { failure, type Place } from "./Failures.ts"
import * as FileInfo from "./FileInfo.ts"
import * as Links from "./Links.ts"
import { fromClientName, fromClientPath, fromLinkTarget, isForeignTarget, namesBelow, namesOf } from "./Paths.ts"

/** How many files of a directory are copied at the same time. */
const concurrency = 8

/** The path of an entry of a directory; `name` is the client's. */
const below = (directory: UncPath.UncPath, name: string): UncPath.UncPath => ({
  ...directory,
  path: directory.path === "" ? name : `${directory.path}\\${name}`
})

/** Whether two paths are the same, without regard to case. */
const isSame = (a: UncPath.UncPath, b: UncPath.UncPath): boolean => fold(a.path) === fold(b.path)

const isBelow = (path: UncPath.UncPath, directory: UncPath.UncPath): boolean =>
  directory.path === "" || fold(path.path).startsWith(`${fold(directory.path)}\\`)

/** The attributes that a copy gets from its original, as on Windows. POSIX has the first one, as permission bits. */
const passedOn = FileAttributes.FILE_ATTRIBUTE_READONLY | FileAttributes.FILE_ATTRIBUTE_HIDDEN |
  FileAttributes.FILE_ATTRIBUTE_SYSTEM

/** Copies the content of a file, and its attributes if the copy does not have them. `existing` is replaced. */
const copyContent = (
  { smb }: Root,
  entry: Entry.Entry,
  from: UncPath.UncPath,
  to: UncPath.UncPath,
  existing: Entry.Entry | undefined,
  times?: Pick<Entry.Entry, "lastAccessTime" | "lastWriteTime">
): Effect.Effect<void, ClientError> =>
  Effect.gen(function*() {
    yield* smb.copy(from, to)
    const wanted = entry.fileAttributes & passedOn
    const fileAttributes = wanted | (entry.fileAttributes & FileAttributes.FILE_ATTRIBUTE_ARCHIVE)
    const changes = {
      ...times,
      ...(wanted === ((existing?.fileAttributes ?? 0) & passedOn)
        ? {}
        // 0 would mean "unchanged".
        : { fileAttributes: fileAttributes === 0 ? FileAttributes.FILE_ATTRIBUTE_NORMAL : fileAttributes })
    }
    if (Object.keys(changes).length > 0) yield* smb.setAttributes(to, changes)
  })

/** Whether a link leads to a path: a copy of the link there would replace the only content by a link to itself. */
const leadsTo = (link: UncPath.UncPath, target: string, path: UncPath.UncPath): boolean => {
  const names = namesOf([UncPath.parent(link).path.replaceAll("\\", "/"), fromLinkTarget(target)].join("/"))
  return !isForeignTarget(target) && fold(names.join("\\")) === fold(path.path)
}

interface CopyOptions {
  readonly overwrite: boolean
  readonly preserveTimestamps: boolean
}

/** Copies an entry with everything in it, as `cp -r` does: links as links, and into existing directories. */
const copyEntry = (
  root: Root,
  place: Place,
  entry: Entry.Entry,
  from: UncPath.UncPath,
  to: UncPath.UncPath,
  options: CopyOptions
): Effect.Effect<void, ClientError | PlatformError> =>
  Effect.gen(function*() {
    const { smb } = root
    const existing = yield* Attributes.find(root, to)
    if (entry.type === "directory") {
      if (existing === undefined) {
        yield* smb.makeDirectory(to)
      } else if (existing.type !== "directory") {
        return yield* Effect.fail(failure(place, "BadResource", `${UncPath.format(to)} is not a directory`))
      }
      yield* smb.list(from).pipe(
        Stream.mapEffect(
          (child) => copyEntry(root, place, child, below(from, child.name), below(to, child.name), options),
          { concurrency }
        ),
        Stream.runDrain
      )
    } else {
      if (existing?.type === "directory") {
        return yield* Effect.fail(failure(place, "BadResource", `${UncPath.format(to)} is a directory`))
      }
      if (existing !== undefined && !options.overwrite) return
      if (entry.type === "symlink") {
        const target = yield* smb.readLink(from)
        if (existing !== undefined && leadsTo(from, target, to)) {
          return yield* Effect.fail(failure(place, "BadResource", `the link leads to ${UncPath.format(to)} itself`))
        }
        if (existing !== undefined) yield* smb.remove(to, { force: true })
        const directory = (entry.fileAttributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY) !== 0
        // An absolute target is relative in the link, so a copy in another folder has another one.
        return yield* isForeignTarget(target)
          ? smb.makeLink(to, target, { directory })
          : Links.symlink(root, place, fromLinkTarget(target), namesBelow(root.base, to))
      }
      const { lastAccessTime, lastWriteTime } = entry
      const times = options.preserveTimestamps ? { lastAccessTime, lastWriteTime } : undefined
      return yield* copyContent(root, entry, from, to, existing, times)
    }
    if (options.preserveTimestamps) {
      const { lastAccessTime, lastWriteTime } = entry
      yield* smb.setAttributes(to, { lastAccessTime, lastWriteTime })
    }
  })

const rename = (root: Root, oldPath: string, newPath: string): Effect.Effect<void, PlatformError> =>
  atBoth(root, "rename", oldPath, newPath, (from, to) =>
    Effect.gen(function*() {
      const place: Place = { method: "rename", path: oldPath, creates: true }
      yield* notRoot(place, from)
      yield* notRoot(place, to)
      yield* Effect.catchIf(
        root.smb.rename(from.unc, to.unc, { replace: true }),
        (error) => error._tag === "SmbError" && inTheWay.has(error.reason._tag),
        Effect.fnUntraced(function*(error) {
          // SMB replaces no directory, and says little about why. A local disk replaces an empty one.
          const [source, there] = yield* Effect.all([Attributes.find(root, from.unc), Attributes.find(root, to.unc)])
          const isDirectory = source?.type === "directory"
          if (source === undefined || there === undefined || (there.type !== "directory" && !isDirectory)) {
            return yield* Effect.fail(error)
          }
          if (there.type !== "directory" || !isDirectory) {
            const what = isDirectory ? "is no directory" : "is a directory"
            return yield* Effect.fail(failure(place, "BadResource", `the new path ${what}`, error))
          }
          yield* root.smb.remove(to.unc)
          yield* root.smb.rename(from.unc, to.unc)
        })
      )
    }))

/** Statuses of a rename whose new name is taken by a directory, or by a file that cannot be replaced. */
const inTheWay: ReadonlySet<string> = new Set([
  "AccessDenied",
  "ObjectNameCollision",
  "FileIsADirectory",
  "NotADirectory",
  "DirectoryNotEmpty"
])

/** The methods on directories and trees. */
export const methods = (
  root: Root
): Pick<
  FileSystem.FileSystem,
  "copy" | "copyFile" | "makeDirectory" | "readDirectory" | "readDirectoryEntries" | "remove" | "rename"
> => ({
  copy: (fromPath, toPath, options) =>
    atBoth(root, "copy", fromPath, toPath, (from, to) =>
      Effect.gen(function*() {
        const place: Place = { method: "copy", path: fromPath, creates: true }
        const entry = yield* root.smb.stat(from.unc, { follow: false })
        if (isSame(from.unc, to.unc) || (entry.type === "directory" && isBelow(to.unc, from.unc))) {
          return yield* Effect.fail(failure(place, "InvalidData", "a tree cannot be copied onto or into itself"))
        }
        if (to.names.length > 1) yield* root.smb.makeDirectory(UncPath.parent(to.unc), { recursive: true })
        yield* copyEntry(root, place, entry, from.unc, to.unc, {
          overwrite: options?.overwrite ?? false,
          preserveTimestamps: options?.preserveTimestamps ?? false
        })
      })),
  copyFile: (fromPath, toPath) =>
    atBoth(root, "copyFile", fromPath, toPath, (from, to) =>
      from.isDirectory || to.isDirectory
        ? Effect.fail(failure({ method: "copyFile", path: fromPath }, "BadResource", "a path means a directory"))
        // As on a disk: the file stays what it is.
        : isSame(from.unc, to.unc)
        ? Effect.asVoid(root.smb.stat(from.unc))
        : Effect.flatMap(
          Effect.all([root.smb.stat(from.unc), Attributes.find(root, to.unc)], { concurrency: 2 }),
          ([entry, existing]) => copyContent(root, entry, from.unc, to.unc, existing)
        )),
  makeDirectory: (path, options) => {
    const place: Place = { method: "makeDirectory", path, creates: true }
    const recursive = options?.recursive ?? false
    return at(root, place, ({ names, unc }) => {
      if (names.length > 0) return root.smb.makeDirectory(unc, { recursive })
      return recursive
        ? root.smb.makeDirectory(unc, { recursive })
        : Effect.fail(failure(place, "AlreadyExists", "the root of the file system exists"))
    })
  },
  readDirectory: (path, options) =>
    at(root, { method: "readDirectory", path }, ({ unc }) => {
      if (options?.recursive !== true) {
        return Effect.map(
          Stream.runCollect(root.smb.list(unc)),
          (entries) => entries.map(({ name }) => fromClientName(name))
        )
      }
      return Effect.map(
        Stream.runCollect(root.smb.walk(unc)),
        (entries) => entries.map(({ relativePath }) => fromClientPath(relativePath))
      )
    }),
  readDirectoryEntries: (path) =>
    at(root, { method: "readDirectoryEntries", path }, ({ unc }) =>
      Effect.map(
        Stream.runCollect(root.smb.list(unc)),
        (entries) => entries.map((entry) => ({ name: fromClientName(entry.name), type: FileInfo.typeOf(entry) }))
      )),
  remove: (path, options) => {
    const place: Place = { method: "remove", path }
    const recursive = options?.recursive ?? false
    const removed = at(root, place, (found) =>
      Effect.gen(function*() {
        yield* notRoot(place, found)
        const entry = yield* root.smb.stat(found.unc, { follow: false })
        if (entry.type === "directory" && !recursive) {
          return yield* Effect.fail(
            failure(place, "BadResource", "the path is a directory: remove it with `recursive`")
          )
        }
        // A local disk asks for no permission of the file itself, so a read-only file can be removed there.
        yield* root.smb.remove(found.unc, { recursive, force: true })
      }))
    return options?.force === true
      ? Effect.catchIf(removed, (error) => error.reason._tag === "NotFound", () => Effect.void)
      : removed
  },
  rename: (oldPath, newPath) => rename(root, oldPath, newPath)
})
