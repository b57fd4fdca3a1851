/**
 * The error of every decoder in this package.
 *
 * A peer's bytes are never trusted: bytes that do not fit their definition end here, with the place of the fault.
 */
import * as Schema from "effect/Schema"

/**
 * Bytes from a peer, a file or a user do not have the layout that their document demands.
 *
 * `structure` is the document's name of the decoded structure, `offset` counts bytes from the start of the buffer that
 * the decoder was given, and `expected` says what should be there. A caller that knows the sender of the bytes adds
 * `server`; if the bytes were about a path, it adds `path` and `step` (of MS-DFSC 3.1.4.1).
 *
 * @category errors
 * @since 0.1.0
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
