/**
 * A recording of the frames on connections, and the difference of a replay from it.
 */
import * as Schema from "effect/Schema"

/** The reasons of `TransportError`, by the words of this format. */
const Reason = Schema.Literals(["Refused", "Unreachable", "NameNotFound", "TimedOut", "Closed", "Failed"])
  .transform([
    "ConnectionRefused",
    "HostUnreachable",
    "HostNotFound",
    "TimedOut",
    "ConnectionClosed",
    "ConnectionFailed"
  ])

const Common = {
  /** Counts the connections from 1, in the order in which they were begun. */
  connection: Schema.Int,
  /** Milliseconds since the recording began. */
  at: Schema.Number
}

/**
 * An event of a connection: it began, and was made or failed; a frame went one way; it ended.
 *
 * @category models
 * @since 0.2.0
 */
export const Entry = Schema.Union([
  Schema.Struct({ what: Schema.Literal("connect"), ...Common, host: Schema.String, port: Schema.Int }),
  Schema.Struct({ what: Schema.Literal("connected"), ...Common }),
  Schema.Struct({
    what: Schema.Literal("failed"),
    ...Common,
    reason: Reason,
    detail: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({
    what: Schema.Literals(["client", "server"]),
    ...Common,
    /** A frame with its four bytes of length; from a server also the part of a frame before the connection closed. */
    bytes: Schema.Uint8ArrayFromBase64
  }),
  Schema.Struct({ what: Schema.Literal("closed"), ...Common, by: Schema.Literal("client") }),
  Schema.Struct({
    what: Schema.Literal("closed"),
    ...Common,
    by: Schema.Literal("server"),
    reason: Reason,
    detail: Schema.optionalKey(Schema.String)
  })
])
export type Entry = typeof Entry.Type

/**
 * A recording; `toJson` makes JSON of it. `version` is that of this format.
 *
 * @category models
 * @since 0.2.0
 */
export const Recording = Schema.Struct({
  version: Schema.Literal(1),
  /** The seed of the client's random bytes. */
  seed: Schema.String,
  /** The time of its beginning: milliseconds since 1970. */
  start: Schema.Number,
  /** The workstation name in logons. */
  workstation: Schema.String,
  entries: Schema.Array(Entry)
})
export type Recording = typeof Recording.Type

/**
 * The client did something that is not in the recording.
 *
 * @category errors
 * @since 0.2.0
 */
export class ReplayMismatch extends Schema.TaggedError<ReplayMismatch>()("ReplayMismatch", {
  /** The number of the connection in the recording, from 1; 0 if the recording has no such connection. */
  connection: Schema.Number,
  server: Schema.String,
  /** Counts the frames that the client sent on the connection, from 1; 0 for the connect itself. */
  frame: Schema.Number,
  /** The commands and the first MessageId in the recording. */
  expected: Schema.optionalKey(Schema.String),
  /** What the client sent. */
  actual: Schema.optionalKey(Schema.String),
  /** The first byte of the frame that differs, counted with its four bytes of length. */
  offset: Schema.optionalKey(Schema.Number)
}) {
  override get message(): string {
    const where = this.frame === 0
      ? `connection ${this.connection} to ${this.server}`
      : `connection ${this.connection} to ${this.server}, frame ${this.frame} from the client`
    const expected = this.expected ?? "nothing more"
    if (this.actual === undefined) return `${where}: the recording has ${expected}, and nothing came`
    const from = this.offset === undefined ? "" : `; they differ from byte ${this.offset} on`
    return `${where}: the recording has ${expected}, and ${this.actual} came${from}`
  }
}
