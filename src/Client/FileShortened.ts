/**
 * A file that became shorter while it was read.
 */
import * as Schema from "effect/Schema"

/**
 * The file at `path` (`\\server\share\path`) ends earlier than it did when it was opened. `expected` is the offset, in
 * bytes from the file's start, up to which the file had bytes to read then; `found` is the offset at which it ends now.
 * Another program has cut or replaced the file, or the server does not give what it has announced. The bytes up to
 * `found` were in the file when they were read, but they may be of different versions of it.
 *
 * A range that goes past the end of the opened file is no error. A file that grows is no error. A file whose size the
 * server does not know (0) is no error.
 *
 * @category errors
 * @since 0.1.0
 */
export class FileShortened extends Schema.TaggedError<FileShortened>()("FileShortened", {
  path: Schema.String,
  expected: Schema.BigInt,
  found: Schema.BigInt
}) {
  override get message(): string {
    return `${this.path}: the file became shorter while it was read (it ends at byte ${this.found}, and had bytes up to ` +
      `${this.expected} when it was opened): read it again when nothing writes to it`
  }
}
