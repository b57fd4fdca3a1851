/**
 * A file that became shorter while it was read.
 */
import * as Schema from "effect/Schema"

/**
 * The file at `path` (`\\server\share\path`) ends earlier than it did when it was opened: `expected` is the end, in bytes
 * from the file's start, up to which there were bytes to be read then, and `found` the end that was come upon. Another
 * program has cut or replaced the file, or the server does not give what it has announced. What was read up to `found`
 * was there when it was read, and need not belong together.
 *
 * A range that goes past the end of the file as it was opened is no error, nor is a file that grows, nor one whose size
 * the server does not know (0).
 *
 * @category errors
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
