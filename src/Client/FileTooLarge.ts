/**
 * A file that is larger than the caller of `readFile` allows.
 */
import * as Schema from "effect/Schema"

/**
 * `readFile` was called for the file at `path` (`\\server\\share\\path`), which is larger than its option `maximum`
 * allows. Both `size` and `maximum` are in bytes. `size` is the size of the file; if the server does not know the size
 * (0), it is the count of the bytes that were read until then.
 *
 * @category errors
 * @since 0.2.0
 */
export class FileTooLarge extends Schema.TaggedError<FileTooLarge>()("FileTooLarge", {
  path: Schema.String,
  size: Schema.BigInt,
  maximum: Schema.Number
}) {
  override get message(): string {
    return `${this.path} has ${this.size} bytes, and readFile may read ${this.maximum} at most: use stream, or a larger ` +
      "`maximum`"
  }
}
