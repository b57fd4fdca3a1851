/**
 * Renames and hard links within one share (MS-FSA 2.1.5.15.11, 2.1.5.15.6). Both names are located first, and compared
 * after that.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { fold } from "../../Codec/UpCase.ts"
import { SmbError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import type { ClientError } from "../ClientError.ts"
import * as Information from "../Information.ts"
import type * as Locator from "../Locator.ts"
import * as OpenMode from "../OpenMode.ts"
import type { Operations } from "../Operations.ts"
import * as PreviousVersion from "../PreviousVersion.ts"
import * as UncPath from "../UncPath.ts"
import { firstResult } from "./Opening.ts"
import { text } from "./PathNames.ts"
import * as ShareNames from "./ShareNames.ts"
import { onEntry, onShare, type PathContext, rootOrLink } from "./TargetAttempt.ts"
import { refuseChange } from "./VersionedOpen.ts"

/** What differs between the two operations. */
interface Kind {
  readonly mode: Share.OpenOptions
  readonly information: "FileRenameInformation" | "FileLinkInformation"
  /** What cannot be done between two shares, as `renamed to`. */
  readonly done: string
}

const rename: Kind = {
  mode: OpenMode.remove,
  information: "FileRenameInformation",
  done: "be renamed to"
}

/** MS-FSA asks for no right of the open to make a link; servers ask for one to change the file. */
const link: Kind = {
  mode: { ...OpenMode.setAttributes, createOptions: OpenMode.remove.createOptions },
  information: "FileLinkInformation",
  done: "get the other name"
}

/** What servers say of a new name behind a symbolic link. */
const stopsAtLink: ReadonlySet<string> = new Set(["ObjectPathNotFound", "StoppedOnSymlink"])

/**
 * The operation `rename`.
 *
 * @category constructors
 */
export const make = (context: PathContext): Operations["rename"] => operation(context, rename)

/**
 * The operation `makeHardLink`.
 *
 * @category constructors
 */
export const makeHardLink = (context: PathContext): Operations["makeHardLink"] => operation(context, link)

const operation = (context: PathContext, { done, information, mode }: Kind): Operations["rename"] =>
  Effect.fnUntraced(function*(from, to, options) {
    const target = yield* Effect.fromResult(UncPath.parseInShare(to))
    const source = yield* Effect.fromResult(UncPath.parseInShare(from))
    for (const path of [source, target]) {
      if (PreviousVersion.split(path.path).time !== undefined) return yield* refuseChange(UncPath.format(path))
    }
    const naming = (fileName: string) =>
      Information.setFile(information, { replaceIfExists: options?.replace ?? false, rootDirectory: 0n, fileName })
    type Attempt = Effect.Effect<Result.Result<void, ClientError>, ClientError>
    /** The error of opening `from` is passed through as a value: it says nothing about the place of `to`. */
    const on = <const Ops extends ReadonlyArray<Operation.Any>>(share: Share.Share, below: string, list: Ops) =>
      Effect.result(share.batch(below, mode, list))
    const within = (share: Share.Share, below: string, fileName: string): Attempt =>
      Effect.flatMap(
        on(share, below, [naming(fileName)]),
        (ran): Attempt =>
          Result.isFailure(ran)
            ? Effect.succeed(Result.fail(ran.failure))
            : Effect.mapBoth(Effect.catch(firstResult(ran.success.results), behindLink(share, below, fileName)), {
              onSuccess: () => Result.succeed(undefined),
              // The error has the path of the source, which was opened: the new name may be the cause.
              onFailure: (error) =>
                error instanceof SmbError
                  ? new SmbError({ ...error, detail: `the new name was ${UncPath.format(target)}` })
                  : error
            })
      )
    /**
     * A server follows no symbolic link on the way to the new name, and says that its directory does not exist. So the
     * operation is tried again with the directory that the link leads to, if there is a link.
     */
    const behindLink =
      (share: Share.Share, below: string, fileName: string) =>
      (error: ClientError): Effect.Effect<unknown, ClientError> =>
        error instanceof SmbError && stopsAtLink.has(error.reason._tag) && fileName.includes("\\")
          ? Effect.flatMap(
            Effect.orElseSucceed(folderOf(share, target), () => undefined),
            (folder) => {
              const other = `${folder}\\${UncPath.name(target)}`
              return folder === undefined || fold(other) === fold(fileName)
                ? Effect.fail(error)
                : Effect.flatMap(share.batch(below, mode, [naming(other)]), ({ results }) => firstResult(results))
            }
          )
          : Effect.fail(error)
    /** The directory of a path as it is without symbolic links, below the share. */
    const folderOf = (share: Share.Share, path: UncPath.UncPath): Effect.Effect<string | undefined, ClientError> =>
      onShare(context, UncPath.parent(path), (there, below) =>
        Effect.as(
          there.batch(below, OpenMode.attributes, []),
          ShareNames.isOnShare(share, { server: there.server, port: there.port, share: there.name, path: below })
            ? below
            : undefined
        ))
    /** Fails because of two shares, unless one of the names goes on behind a link that is not known yet. */
    const across = (share: Share.Share, below: string, place: Locator.Target): Attempt =>
      Effect.flatMap(on(share, below, []), (opened): Attempt => {
        if (Result.isFailure(opened)) return Effect.succeed(Result.fail(opened.failure))
        const known = Effect.scoped(Effect.flatMap(context.connect(place), (there) =>
          there.isDfs
            ? there.batch(UncPath.parent({ ...target, path: place.path }).path, OpenMode.attributes, [])
            : Effect.void))
        const detail = `cannot ${done} ${UncPath.format(target)}, since the one is on ` +
          `${UncName.format(share, share.name)} and the other on ${UncName.format(place, place.share)}: copy and remove`
        return Effect.andThen(known, Effect.fail(UncPath.acrossShares(text(from), detail)))
      })
    yield* onEntry(context, source, (share, below) =>
      Effect.flatMap(
        context.locator.use(target, (place): Attempt => {
          const error = rootOrLink(target, place)
          if (error !== undefined) return Effect.fail(error)
          return ShareNames.isOnShare(share, place) ? within(share, below, place.path) : across(share, below, place)
        }),
        Effect.fromResult
      ))
  })
