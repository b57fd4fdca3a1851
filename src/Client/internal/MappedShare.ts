/**
 * A share whose files have the names that they have on a Unix server: names from the server have plain characters in place
 * of those of the private use area, and paths to the server the reverse (`MappedNames`).
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Codec from "../../Codec/Codec.ts"
import * as DosWildcard from "../../Codec/DosWildcard.ts"
import * as FileInformation from "../../Codec/FileInformation.ts"
import { type RequestError, SmbError, type SymbolicLink } from "../../Protocol/Errors.ts"
import { sent, sentPath, shownPath, withShownErrors } from "../../Protocol/MappedNames.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import type * as Locator from "../Locator.ts"

const shownLink = (link: SymbolicLink): SymbolicLink => {
  const end = link.path.length - link.unparsed
  return {
    ...link,
    path: shownPath(link.path),
    unparsed: shownPath(link.path.slice(end)).length,
    target: link.relative ? shownPath(link.target) : link.target
  }
}

/** The error with the names that the caller knows. */
const shownError = <E>(error: E): E => {
  if (!(error instanceof SmbError)) return error
  const { path, reason } = error
  return new SmbError({
    ...error,
    ...(path === undefined ? {} : { path: shownPath(path) }),
    ...(reason._tag === "StoppedOnSymlink" && reason.symbolicLink !== undefined
      ? { reason: { ...reason, symbolicLink: shownLink(reason.symbolicLink) } }
      : {})
  }) as E & SmbError
}

const { FileLinkInformation, FileRenameInformation } = FileInformation.classes

/** The classes of SET_INFO that name a file. */
const naming: ReadonlyMap<number, typeof FileLinkInformation | typeof FileRenameInformation> = new Map(
  [FileLinkInformation, FileRenameInformation].map((one) => [one.number, one])
)

/** An operation with the names that the server knows, and a function that gives its result the names of the caller. */
interface Mapped {
  readonly operation: Operation.Any
  readonly result: (output: any) => unknown
}

const unchanged = (operation: Operation.Any): Mapped => ({ operation, result: (output) => output })

const withShownName = <A extends { readonly fileName: string }>(one: A): A => {
  const fileName = shownPath(one.fileName)
  return fileName === one.fileName ? one : { ...one, fileName }
}

const mapped = (operation: Operation.Any): Mapped => {
  switch (operation._tag) {
    case "QueryDirectory": {
      const { pattern } = operation
      return {
        operation: { ...operation, pattern: DosWildcard.hasWildcards(pattern) ? pattern : sent(pattern) },
        result: (entries: ReadonlyArray<{ readonly fileName: string }>) => entries.map(withShownName)
      }
    }
    case "ChangeNotify":
      return { operation, result: (changes: ReadonlyArray<Operation.Change>) => changes.map(withShownName) }
    case "SetInfo": {
      const { information } = operation
      const known = information._tag === "File" ? naming.get(information.fileInformationClass) : undefined
      const value = known === undefined
        ? undefined
        : Codec.decode("the new name", known.codec as typeof FileRenameInformation.codec)(operation.data)
      if (known === undefined || value === undefined || Result.isFailure(value)) return unchanged(operation)
      const { fileName } = value.success
      // The name of a stream begins with a colon.
      const name = fileName.startsWith(":") ? fileName : sentPath(fileName)
      const data = Codec.encode(known.codec as typeof FileRenameInformation.codec)({ ...value.success, fileName: name })
      return unchanged({ ...operation, data })
    }
    default:
      return unchanged(operation)
  }
}

const openFile = (file: Share.OpenFile, path: string): Share.OpenFile => ({
  path,
  opened: file.opened,
  caching: () => file.caching(),
  run: (operation) => {
    const { operation: asked, result } = mapped(operation)
    return Effect.mapBoth(file.run(asked) as Effect.Effect<any, RequestError>, {
      onFailure: shownError,
      onSuccess: result
    }) as Effect.Effect<any, RequestError>
  },
  close: Effect.mapError(file.close, shownError)
})

/**
 * The locator for paths with mapped names. A server with DFS knows its links by the names that it sends, so the locator
 * gets these. The target that it finds has the names of the caller again, as a mapped share expects, and so have the errors
 * of the locator itself. An attempt is the caller's own: its errors have these names already.
 *
 * @category constructors
 */
export const locator = (of: Locator.Locator): Locator.Locator => ({
  ...of,
  use: (path, attempt) =>
    withShownErrors((own) =>
      of.use(
        { ...path, path: sentPath(path.path) },
        (target) => own(attempt({ ...target, path: shownPath(target.path) }))
      )
    )
})

/**
 * The share with mapped names.
 *
 * @category constructors
 */
export const make = (share: Share.Share): Share.Share => ({
  ...share,
  open: (path, options) =>
    Effect.mapBoth(share.open(sentPath(path), options), {
      onFailure: shownError,
      onSuccess: (file) => openFile(file, path)
    }),
  batch: (path, options, operations) => {
    const all = operations.map(mapped)
    return Effect.mapBoth(share.batch(sentPath(path), options, all.map(({ operation }) => operation)), {
      onFailure: shownError,
      onSuccess: ({ opened, results }) => ({
        opened,
        results: results.map((one, i) =>
          Result.mapBoth(one, { onFailure: shownError, onSuccess: all[i]!.result })
        ) as any
      })
    })
  }
})
