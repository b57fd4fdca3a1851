/** The rename of a named stream: FileRenameInformation with a name that begins with `:` (MS-FSA 2.1.5.15.11.1). */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { fold } from "../../../Codec/UpCase.ts"
import { CompletionFilter, NotifyAction } from "../../../Smb2/Message/Constants.ts"
import type { FileOpen } from "../State/Model.ts"
import * as Watch from "../State/Watch.ts"
import { type Refusal, refuse, stored } from "../Wire/Reply.ts"

// eslint-disable-next-line no-control-regex
const forbidden = /[\u0000/\\]/

/** Most UTF-16 code units of a stream's name. */
const longest = 255

/** The new stream name, empty for a file's own data, or the status that says what is wrong with it. */
export const parse = (fileName: string): string | number => {
  const [, stream = "", type = "", ...more] = fileName.split(":")
  const isEmpty = stream === "" && type === ""
  if (
    more.length > 0 || fileName.endsWith(":") || isEmpty || stream.length > longest || forbidden.test(stream + type)
  ) {
    return NtStatus.STATUS_INVALID_PARAMETER
  }
  return type === "" || fold(type) === "$DATA" ? stream : NtStatus.STATUS_OBJECT_TYPE_MISMATCH
}

/**
 * Gives an open stream another name. A stream that has the name already is replaced only if no client has it open. A
 * file's own data stays where it is: a store does not move it to a named stream, or a named stream to it.
 */
export const rename = Effect.fnUntraced(function*(
  open: FileOpen,
  fileName: string,
  replaces: boolean
): Effect.fn.Return<void, Refusal> {
  const { file, path, share, stream, table } = open
  const name = parse(fileName)
  if (typeof name === "number") return yield* refuse(name)
  // A directory has no data of its own.
  if (stream.file.directory && (stream.name === "" || name === "")) {
    return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  }
  if (stream.name === "" || name === "" || file.renameStream === undefined) {
    return yield* refuse(NtStatus.STATUS_NOT_SUPPORTED)
  }
  if (share.readOnly || stream.deletePending) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  const target = stream.file.streams.get(fold(name))
  if (target !== undefined && target !== stream && target.opens.size > 0) {
    return yield* refuse(replaces ? NtStatus.STATUS_ACCESS_DENIED : NtStatus.STATUS_OBJECT_NAME_COLLISION)
  }
  const before = stream.name
  yield* stored(file.renameStream(name, { replace: replaces }))
  stream.file.renamed(stream, name)
  Watch.report(table, CompletionFilter.FILE_NOTIFY_CHANGE_STREAM_NAME, [
    { action: NotifyAction.FILE_ACTION_REMOVED_STREAM, path, stream: before },
    { action: NotifyAction.FILE_ACTION_ADDED_STREAM, path, stream: name }
  ])
})
