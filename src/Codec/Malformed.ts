/**
 * The error of every decoder in this package.
 *
 * A peer's bytes are never trusted: whatever does not fit its definition ends here, with the place where it broke.
 */
import * as Schema from "effect/Schema"

/**
 * Bytes from a peer, a file or a user do not have the layout that their document demands.
 *
 * `structure` is the document's name of what was being decoded, `offset` counts bytes from the start of the buffer
 * that was handed to the decoder, `expected` says what should have stood there. `server` is filled in by those who
 * know who sent the bytes, `path` and `step` (of MS-DFSC 3.1.4.1) where they were about a path.
 *
 * @category errors
 */
export class Malformed extends Schema.TaggedError<Malformed>()("Malformed", {
  structure: Schema.String,
  offset: Schema.Number,
  expected: Schema.String,
  server: Schema.optionalKey(Schema.String),
  path: Schema.optionalKey(Schema.String),
  step: Schema.optionalKey(Schema.Number)
}) {
  override get message(): string {
    const from = this.server === undefined ? "" : ` from ${this.server}`
    const about = this.path === undefined ? "" : ` for ${this.path}`
    return `${this.structure}${from}${about} is malformed at byte ${this.offset}: expected ${this.expected}`
  }
}
