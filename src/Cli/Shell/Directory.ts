/** The subcommands of a shell that change or show where it is. */
import * as Effect from "effect/Effect"
import { SmbClient } from "../../Client/SmbClient.ts"
import * as UncPath from "../../Client/UncPath.ts"
import { NtStatus } from "../../Codec/NtStatus.ts"
import { fromStatus } from "../../Protocol/Errors.ts"
import { LocalError } from "../../Transfer/LocalError.ts"
import * as Copying from "../Copying.ts"
import { printable } from "../Failure.ts"
import * as HomeFolder from "../HomeFolder.ts"
import * as Output from "../Output.ts"
import type { Remote } from "../Remote.ts"
import * as CurrentDirectory from "./CurrentDirectory.ts"

interface Format {
  readonly json: boolean
}

/** Fails if a path is no directory that this user can look at. */
export const check = Effect.fnUntraced(function*(path: Remote) {
  const smb = yield* SmbClient
  const { type } = yield* smb.stat(path)
  if (type !== "directory") return yield* fromStatus(NtStatus.STATUS_NOT_A_DIRECTORY, "CREATE", UncPath.format(path))
})

/** Makes a path the current directory. */
export const change = Effect.fnUntraced(function*(here: CurrentDirectory.Here, path: Remote) {
  yield* check(path)
  here.previous = here.path
  here.path = path
})

const line = (key: string, value: string, { json }: Format) =>
  Output.write(json ? Output.jsonLine({ [key]: value }) : `${printable(value)}\n`)

/** Shows the current directory. */
export const show = ({ path }: CurrentDirectory.Here, format: Format) =>
  line("path", format.json ? UncPath.format(path) : CurrentDirectory.shown(path), format)

/** Changes the local folder. Default: the home folder. */
export const changeLocal = (path: string | undefined): Effect.Effect<void, LocalError> => {
  const folder = path === undefined ? HomeFolder.known() ?? "/" : Copying.localPath(path)
  return Effect.try({
    try: () => process.chdir(folder),
    catch: (cause) => {
      const code = (cause as NodeJS.ErrnoException).code
      const detail = code === "ENOENT"
        ? "there is no such folder"
        : code === "ENOTDIR"
        ? "is no folder"
        : code === "EACCES"
        ? "permission denied"
        : String(code)
      return new LocalError({ path: folder, detail })
    }
  })
}

/** Shows the local folder. */
export const showLocal = (format: Format) => Effect.suspend(() => line("local", process.cwd(), format))
