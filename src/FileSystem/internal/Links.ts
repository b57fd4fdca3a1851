/** Methods on links: symbolic links, hard links, and the path that a path really means. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import type { ClientError } from "../../Client/ClientError.ts"
import * as OpenMode from "../../Client/OpenMode.ts"
import { fold } from "../../Codec/UpCase.ts"
import { at, atBoth, type Root } from "./Access.ts"
import { badArgument, failure, type Place } from "./Failures.ts"
import { absolute, fromClientName, fromLinkTarget, locate, type Located, namesOf, toLinkTarget } from "./Paths.ts"

/** The target of a link, from the link's folder: a link on the share has no other root than the share's. */
const relativeTarget = (target: string, link: ReadonlyArray<string>): string => {
  if (!target.startsWith("/")) return target
  const names = namesOf(target)
  const folder = link.slice(0, -1)
  const shared = folder.findIndex((name, i) => name !== names[i])
  const depth = shared < 0 ? folder.length : shared
  const path = [...Array.from({ length: folder.length - depth }, () => ".."), ...names.slice(depth)].join("/")
  return path === "" ? "." : path
}

/** Makes a symbolic link at the path of `names`. */
export const symlink = Effect.fnUntraced(function*(
  root: Root,
  place: Place,
  target: string,
  names: ReadonlyArray<string>
): Effect.fn.Return<void, ClientError | PlatformError> {
  const relative = relativeTarget(target, names)
  // Windows distinguishes links to directories, so the target decides, if it exists.
  const directory = yield* at(
    root,
    { ...place, path: `${absolute(names.slice(0, -1))}/${relative}` },
    (found) => Effect.map(root.smb.stat(found.unc), ({ type }) => type === "directory")
  ).pipe(Effect.orElseSucceed(() => false))
  const { unc } = yield* locate(root.base, { ...place, path: absolute(names) })
  yield* root.smb.makeLink(unc, toLinkTarget(relative), { directory, printName: toLinkTarget(target) }).pipe(
    // smbd's answer, if it has no reparse points.
    Effect.catchReason(
      "SmbError",
      "NotAReparsePoint",
      (_, error) =>
        Effect.fail(badArgument(place.method, `the server keeps no symbolic links: ${error.message}`, error))
    )
  )
})

/**
 * The names below the root of what a path leads to, as the client has them. A link that leads to another share, or out
 * of the root, has no other name than its own.
 */
const followed = (root: Root, { unc }: Located): Effect.Effect<ReadonlyArray<string>, ClientError> =>
  Effect.scoped(root.smb.withShare(unc, (share, below) =>
    Effect.gen(function*() {
      yield* share.batch(below, OpenMode.attributes, [])
      const own = unc.path.slice(root.base.path.length)
      const base = fold(below) === fold(unc.path) ? undefined : yield* root.smb.withShare(
        root.base,
        (there, path) =>
          Effect.succeed(there.sessionKey === share.sessionKey && there.name === share.name ? path : undefined)
      )
      const isWithin = base !== undefined &&
        (base === "" || fold(below) === fold(base) || fold(below).startsWith(`${fold(base)}\\`))
      return (isWithin ? below.slice(base.length) : own).split("\\").filter((name) => name !== "")
    })))

/** The name of an entry as its directory lists it: with its case, and long instead of short. */
const shownName = (root: Root, directory: ReadonlyArray<string>, name: string): Effect.Effect<string> => {
  const path = [...root.base.path === "" ? [] : [root.base.path], ...directory].join("\\")
  return Stream.runCollect(root.smb.list({ ...root.base, path }, { pattern: name })).pipe(
    Effect.map((entries) => {
      const same = entries.find((entry) => entry.name === name) ??
        entries.find((entry) => fold(entry.name) === fold(name))
      return same?.name ?? (entries.length === 1 ? entries[0]!.name : name)
    }),
    // The user may use the directory, and not list it.
    Effect.orElseSucceed(() => name)
  )
}

/** The methods on links. */
export const methods = (
  root: Root
): Pick<FileSystem.FileSystem, "link" | "readLink" | "realPath" | "symlink"> => ({
  link: (fromPath, toPath) =>
    atBoth(root, "link", fromPath, toPath, (from, to) => {
      const place: Place = { method: "link", path: fromPath }
      if (to.names.length === 0) {
        return Effect.fail(failure(place, "AlreadyExists", "the root of the file system exists"))
      }
      return root.smb.makeHardLink(from.unc, to.unc)
    }),
  readLink: (path) =>
    at(root, { method: "readLink", path }, ({ unc }) => Effect.map(root.smb.readLink(unc), fromLinkTarget)),
  realPath: (path) =>
    at(root, { method: "realPath", path }, (found) =>
      Effect.gen(function*() {
        const names = yield* followed(root, found)
        const shown = yield* Effect.forEach(
          names,
          (name, i) => shownName(root, names.slice(0, i), name),
          { concurrency: 8 }
        )
        return absolute(shown.map(fromClientName))
      })),
  symlink: (fromPath, toPath) => {
    const place: Place = { method: "symlink", path: toPath, creates: true }
    return at(root, place, ({ names }) =>
      names.length === 0
        ? Effect.fail(failure(place, "AlreadyExists", "the root of the file system exists"))
        : symlink(root, place, fromPath, names))
  }
})
