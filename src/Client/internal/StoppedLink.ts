/**
 * Finds the symbolic link at which a server stopped, if the server does not say which: the data of
 * STATUS_STOPPED_ON_SYMLINK (MS-SMB2 2.2.2.2.1) are cut or absent on some servers, and SMB 1 has none. The path and its
 * parents are opened without following links (FILE_OPEN_REPARSE_POINT), from the longest to the shortest. The first
 * path that opens is the link, and its own data (FSCTL_GET_REPARSE_POINT, MS-FSCC 2.1.2.4) say where it leads.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Codec from "../../Codec/Codec.ts"
import * as Reparse from "../../Codec/Reparse.ts"
import { fromStatus, SmbError, type SymbolicLink } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import * as Fsctl from "../../Smb2/Message/Fsctl.ts"
import type { ClientError } from "../ClientError.ts"
import * as OpenMode from "../OpenMode.ts"
import * as PreviousVersion from "../PreviousVersion.ts"
import { openVersion } from "./VersionedOpen.ts"

/** At most this many paths are opened, from the end of the path upwards: a link further up is not found. */
const maximumPaths = 32

const ask: Operation.Ioctl = {
  _tag: "Ioctl",
  ctlCode: Fsctl.Fsctl.FSCTL_GET_REPARSE_POINT,
  input: new Uint8Array(0),
  maximum: 16 * 1024
}

const decode = Codec.decode("REPARSE_DATA_BUFFER", Reparse.ReparseDataBuffer)

const isStop = (error: unknown): error is SmbError & { readonly reason: { readonly _tag: "StoppedOnSymlink" } } =>
  error instanceof SmbError && error.reason._tag === "StoppedOnSymlink" && error.command === "CREATE"

/** Whether the server stopped at a link on exactly this path, and did not say at which one. */
const isUnexplained = (error: unknown, share: Share.Share, path: string): error is SmbError =>
  isStop(error) && error.reason.symbolicLink === undefined && error.path === UncName.format(share, share.name, path)

const find = Effect.fnUntraced(function*(
  share: Share.Share,
  path: string,
  time: bigint | undefined
): Effect.fn.Return<SymbolicLink | undefined> {
  let part = path
  for (let asked = 0; asked < maximumPaths && part !== ""; asked++) {
    const named = time === undefined ? part : `${PreviousVersion.format(time)}\\${part}`
    const opened = yield* Effect.result(
      openVersion(share, named, OpenMode.readReparsePoint, (below, options) => share.batch(below, options, [ask]))
    )
    if (Result.isSuccess(opened)) {
      const data = Result.flatMap(opened.success.results[0], decode)
      if (Result.isFailure(data) || data.success._tag !== "SymbolicLink") return undefined
      const { flags, substituteName } = data.success
      return {
        path,
        unparsed: path.length - part.length,
        target: substituteName,
        relative: (flags & Reparse.SYMLINK_FLAG_RELATIVE) !== 0
      }
    }
    if (!isStop(opened.failure)) return undefined
    part = part.slice(0, Math.max(0, part.lastIndexOf("\\")))
  }
  return undefined
})

/** Runs `use` on a path of a share. If it fails because the server stopped at a link, the error names the link. */
export const explained = <A, E, R>(
  share: Share.Share,
  path: string,
  use: (share: Share.Share, path: string) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | ClientError, R> =>
  Effect.catch(use(share, path), (error): Effect.Effect<never, E | ClientError> => {
    const { path: plain, time } = PreviousVersion.split(path)
    return !isUnexplained(error, share, plain)
      ? Effect.fail(error)
      : Effect.flatMap(
        find(share, plain, time),
        (link) => Effect.fail(fromStatus(error.status, error.command, error.path, link))
      )
  })
