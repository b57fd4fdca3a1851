/** Rights in words (MS-SMB2 2.2.13.1), and the question for a user's maximal rights at a path. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Information from "../Client/Information.ts"
import * as OpenMode from "../Client/OpenMode.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import type { PathInput } from "../Client/UncPath.ts"
import { AccessMask } from "../Smb2/Message/Constants.ts"

const both: ReadonlyArray<readonly [flag: number, word: string]> = [
  [AccessMask.DELETE, "delete"],
  [AccessMask.FILE_READ_ATTRIBUTES, "read attributes"],
  [AccessMask.FILE_WRITE_ATTRIBUTES, "change attributes"],
  [AccessMask.READ_CONTROL, "read permissions"],
  [AccessMask.WRITE_DAC, "change permissions"],
  [AccessMask.WRITE_OWNER, "take ownership"]
]

const ofFile: ReadonlyArray<readonly [flag: number, word: string]> = [
  [AccessMask.FILE_READ_DATA, "read"],
  [AccessMask.FILE_WRITE_DATA, "write"],
  [AccessMask.FILE_APPEND_DATA, "append"],
  [AccessMask.FILE_EXECUTE, "execute"],
  ...both
]

const ofDirectory: ReadonlyArray<readonly [flag: number, word: string]> = [
  [AccessMask.FILE_LIST_DIRECTORY, "list"],
  [AccessMask.FILE_ADD_FILE, "add files"],
  [AccessMask.FILE_ADD_SUBDIRECTORY, "add folders"],
  [AccessMask.FILE_TRAVERSE, "traverse"],
  [AccessMask.FILE_DELETE_CHILD, "delete entries"],
  ...both
]

/** The rights of a mask in words; the same bits have other names for a directory. */
export const of = (mask: number, isDirectory: boolean): ReadonlyArray<string> =>
  (isDirectory ? ofDirectory : ofFile).flatMap(([flag, word]) => (mask & flag) === 0 ? [] : [word])

/**
 * The user's maximal access to a file or directory. A server that does not answer the context for it (SMB 1) opens with
 * all rights that it can give, and says which these are.
 */
export const maximal = Effect.fnUntraced(function*(path: PathInput) {
  const smb = yield* SmbClient
  return yield* Effect.scoped(smb.withShare(path, (share, below) =>
    Effect.gen(function*() {
      const { opened } = yield* share.batch(below, { ...OpenMode.attributes, queryMaximalAccess: true }, [])
      if (opened.maximalAccess !== undefined) return opened.maximalAccess
      const widest = { ...OpenMode.attributes, desiredAccess: AccessMask.MAXIMUM_ALLOWED }
      const { results } = yield* share.batch(below, widest, [Information.queryFile("FileAccessInformation")])
      return Result.getOrUndefined(Result.map(results[0], ({ accessFlags }) => accessFlags))
    })))
})
