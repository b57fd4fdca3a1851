/** Reads and creates symbolic links, which are reparse points of one kind (MS-FSCC 2.1.2.4). */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Codec from "../../Codec/Codec.ts"
import { NtStatus, type Reason } from "../../Codec/NtStatus.ts"
import * as Reparse from "../../Codec/Reparse.ts"
import * as Arguments from "../../Protocol/Arguments.ts"
import { fromStatus, SmbError, withDetail } from "../../Protocol/Errors.ts"
import { CreateOptions } from "../../Smb2/Message/Constants.ts"
import * as Fsctl from "../../Smb2/Message/Fsctl.ts"
import * as Information from "../Information.ts"
import * as OpenMode from "../OpenMode.ts"
import type { Operations } from "../Operations.ts"
import type * as UncPath from "../UncPath.ts"
import { batch } from "./Opening.ts"
import * as OpenResponse from "./OpenResponse.ts"
import { text } from "./PathNames.ts"
import * as RemoveUnfinished from "./RemoveUnfinished.ts"
import type { PathContext } from "./TargetAttempt.ts"

/** The maximum size of reparse data, in bytes (MS-FSCC 2.1.2.2). */
const maximum = 16 * 1024

/** A target with a root: a drive, an NT or a UNC path. */
const isAbsolute = (target: string): boolean => /^(?:[\\/]|[A-Za-z]:)/.test(target)

/** The name that Windows keeps in addition to the displayed name: an NT path. */
const substitute = (target: string): string => {
  if (!isAbsolute(target) || target.startsWith("\\??\\")) return target
  return target.startsWith("\\\\") ? `\\??\\UNC\\${target.slice(2)}` : `\\??\\${target}`
}

/**
 * The operations on symbolic links (FSCTL_GET_REPARSE_POINT, FSCTL_SET_REPARSE_POINT; MS-FSCC 2.1.2.4).
 *
 * @category constructors
 */
export const operations = (context: PathContext): Pick<Operations, "readLink" | "makeLink"> => ({
  readLink: Effect.fnUntraced(function*(path) {
    const { results } = yield* batch(context, path, OpenMode.readReparsePoint, [
      { _tag: "Ioctl", ctlCode: Fsctl.Fsctl.FSCTL_GET_REPARSE_POINT, input: new Uint8Array(0), maximum }
    ])
    const bytes = yield* Effect.fromResult(results[0])
    const data = yield* Effect.fromResult(Codec.decode("REPARSE_DATA_BUFFER", Reparse.ReparseDataBuffer)(bytes))
    switch (data._tag) {
      case "SymbolicLink":
      case "MountPoint":
        return data.printName === "" ? data.substituteName.replace(/^\\\?\?\\(UNC\\)?/, "") : data.printName
      case "NfsLink":
        return data.target
      default:
        return yield* fromStatus(NtStatus.STATUS_NOT_A_REPARSE_POINT, "IOCTL", text(path))
    }
  }),

  makeLink: Effect.fnUntraced(function*(path, target, options) {
    const written = target.replaceAll("/", "\\")
    const input = yield* Arguments.encoded("target", target, text(path), () =>
      Codec.encode(Reparse.ReparseDataBuffer)({
        _tag: "SymbolicLink",
        substituteName: substitute(written),
        printName: options?.printName ?? written,
        flags: isAbsolute(written) ? 0 : Reparse.SYMLINK_FLAG_RELATIVE
      }))
    const mode = OpenMode.createReparsePoint
    const kind = options?.directory === true ? CreateOptions.FILE_DIRECTORY_FILE : CreateOptions.FILE_NON_DIRECTORY_FILE
    const { results } = yield* OpenResponse.awaited(
      batch(context, path, { ...mode, createOptions: mode.createOptions | kind }, [
        { _tag: "Ioctl", ctlCode: Fsctl.Fsctl.FSCTL_SET_REPARSE_POINT, input, maximum: 0 }
      ]),
      // The file that could not become a link is useless, so it is removed, also after an interruption.
      ({ results }) => Result.isFailure(results[0]) ? removed(context, path) : Effect.void,
      () =>
        Effect.logWarning(
          `${
            text(path)
          }: an empty file or the link may be left there, since the server has not answered the request to make ` +
            "the link. Look at it, and remove it."
        )
    )
    yield* Effect.mapError(Effect.fromResult(results[0]), refusedLink)
  })
})

/** Removes the empty file by its name. It was closed together with the attempt to make it a link. */
const removed = (context: PathContext, path: UncPath.PathInput): Effect.Effect<void> =>
  batch(context, path, OpenMode.remove, [
    Information.setFile("FileDispositionInformation", { deletePending: true })
  ]).pipe(
    Effect.flatMap(({ results }) => Effect.fromResult(results[0])),
    RemoveUnfinished.limited((why) =>
      Effect.logWarning(
        `${text(path)}: an empty file is left where a symbolic link was to be, since it could not be removed after ` +
          `the failure (${why}). Remove it.`
      )
    )
  )

/** What servers without symbolic links respond: smbd, that its file system has no reparse points. */
const unsupported: ReadonlySet<string> = new Set<Reason>([
  "NotAReparsePoint",
  "NotSupported",
  "NotImplemented",
  "InvalidDeviceRequest"
])

/** The same error with the reason that a person understands, and what to do. */
const refusedLink = <E>(error: E): E | SmbError => {
  if (!(error instanceof SmbError)) return error
  if (unsupported.has(error.reason._tag)) {
    return withDetail(
      error,
      undefined,
      "The server does not support symbolic links that clients make. Make the link on the server itself, or give the " +
        "file another name there (a hard link)."
    )
  }
  return error.reason._tag === "PrivilegeNotHeld"
    ? withDetail(
      error,
      undefined,
      "The account may not make symbolic links. On Windows it needs the privilege \"Create symbolic links\", which " +
        "administrators have."
    )
    : error
}
