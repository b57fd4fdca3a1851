/**
 * A file with a unique name in the directory that a tree is written to. A folder that has this file is that directory,
 * also if it is reached by another name. The file is removed when its open closes, also where nothing can be deleted, and when
 * the connection ends.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { randomBytes } from "node:crypto"
import { dirname, join, sep } from "node:path"
import * as OpenMode from "../../Client/OpenMode.ts"
import { SmbClient } from "../../Client/SmbClient.ts"
import * as UncPath from "../../Client/UncPath.ts"
import { CreateOptions } from "../../Smb2/Message/Constants.ts"
import { concernsOne } from "../Incomplete.ts"
import { LocalError } from "../LocalError.ts"

/** A name that nothing else has. */
export const name = (): string => `effect-smb-${randomBytes(6).toString("hex")}`

/** Creates the file for the length of the scope. Returns whether it was created: the user may have no right to. */
export const put = Effect.fnUntraced(function*(directory: UncPath.UncPath, mark: string) {
  const smb = yield* SmbClient
  const marked = yield* Effect.result(smb.open(UncPath.join(directory, mark), {
    ...OpenMode.remove,
    createDisposition: OpenMode.create.createDisposition,
    createOptions: CreateOptions.FILE_DELETE_ON_CLOSE
  }))
  if (Result.isFailure(marked)) return false
  yield* Effect.addFinalizer(() => marked.success.close.pipe(Effect.timeoutOption("1 second"), Effect.ignore))
  return true
})

/** The failure of a copy whose source is its target. */
export const sameFolder = (source: string, target: string): LocalError =>
  new LocalError({
    path: source,
    detail: `source and target are the same${source === target ? "" : ` (${target})`}: nothing was copied`
  })

/** Whether a directory of a server has the file. */
export const isAt = (directory: UncPath.UncPath, mark: string) =>
  Effect.flatMap(SmbClient, (smb) => smb.exists(UncPath.join(directory, mark))).pipe(
    Effect.catchIf(concernsOne, () => Effect.succeed(false))
  )

/**
 * The names that lead from the directory with the file down to a directory of a server; `undefined` if the file is in
 * none of the directories above, up to the share.
 */
export const wayTo = Effect.fnUntraced(function*(directory: UncPath.UncPath, mark: string) {
  let way: ReadonlyArray<string> = []
  for (let at = directory; at.path !== "";) {
    way = [UncPath.name(at), ...way]
    at = UncPath.parent(at)
    if (yield* isAt(at, mark)) return way
  }
  return undefined
})

/** As `wayTo`, for a local folder. */
export const localWayTo = Effect.fnUntraced(function*(folder: string, mark: string) {
  const fs = yield* FileSystem.FileSystem
  let way: ReadonlyArray<string> = []
  for (let at = yield* fs.realPath(folder); dirname(at) !== at;) {
    way = [at.slice(at.lastIndexOf(sep) + 1), ...way]
    at = dirname(at)
    if (yield* Effect.orElseSucceed(fs.exists(join(at, mark)), () => false)) return way
  }
  return undefined
})
