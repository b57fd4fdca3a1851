/** The errors of a removal or a rename that do not come from the server. */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/**
 * The path names a whole share, or is a link to another place. A share or a link is not removed or renamed by this
 * path, and nothing below it was touched.
 *
 * `kind` is `share` for a share's root, `link` for a DFS link, and `server-link` for a link of the server's own file
 * system that the server follows without telling the client. For a DFS link, `target` is what it leads to. For a
 * `server-link`, `target` is a second name of the same folder, next to the path: one of the two names is the link, and
 * it is not known which.
 *
 * @category errors
 * @since 0.1.0
 */
export class RootOrLink extends Schema.TaggedError<RootOrLink>()("RootOrLink", {
  path: Schema.String,
  kind: Schema.Literals(["share", "link", "server-link"]),
  target: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    switch (this.kind) {
      case "share":
        return `${this.path} is a whole share, and a share cannot be removed or renamed: name a file or folder in the share`
      case "link": {
        const target = this.target === undefined ? "another folder" : this.target
        return `${this.path} is a DFS link to ${target}. The link and its target are unchanged: ` +
          "name a file or folder below the link, or remove the link from the namespace"
      }
      case "server-link":
        if (this.target !== undefined) {
          return `${this.path} and ${this.target} are two names of one folder: one of the names is a link on the server, ` +
            "and the client cannot see which. Nothing was removed: remove the link on the server, then try again"
        }
        return `${this.path} is a link that the server follows to another folder. Nothing in that folder was removed: ` +
          "remove the link on the server, or name the folder by its own path"
    }
  }
}

/**
 * An entry that could not be removed, and its error.
 *
 * @since 0.1.0
 */
export interface RemovalFailure {
  readonly path: string
  /** One of `ClientError`. */
  readonly error: { readonly _tag: string; readonly message: string }
}

/** The error of an entry, as it is; in JSON its tag and its message. */
const EntryError = Schema.declare<RemovalFailure["error"]>(
  (error): error is RemovalFailure["error"] =>
    Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" &&
    Predicate.hasProperty(error, "message") && typeof error.message === "string",
  {
    toCodecJson: () =>
      Schema.link<RemovalFailure["error"]>()(
        Schema.Struct({ _tag: Schema.String, message: Schema.String }),
        SchemaTransformation.transform({
          decode: (error) => error,
          encode: ({ _tag, message }) => ({ _tag, message })
        })
      )
  }
)

/**
 * How many failures a `RemovalIncomplete` names; it counts all of them.
 *
 * @since 0.1.0
 */
export const namedFailures = 100

/**
 * Part of a tree could not be removed. `removed` entries are gone; `failed` entries still exist, and `failures` names
 * the first hundred of them. `ended` says that the removal stopped early because the last of `failures` concerns all
 * other entries too, such as a broken connection.
 *
 * @category errors
 * @since 0.1.0
 */
export class RemovalIncomplete extends Schema.TaggedError<RemovalIncomplete>()("RemovalIncomplete", {
  path: Schema.String,
  removed: Schema.Number,
  failed: Schema.Number,
  failures: Schema.Array(Schema.Struct({ path: Schema.String, error: EntryError })),
  ended: Schema.Boolean
}) {
  override get message(): string {
    const entries = (count: number) => `${count} ${count === 1 ? "entry" : "entries"}`
    const first = this.failures[0]
    const last = this.failures.at(-1)
    const explained = this.ended ? last : first
    const why = explained === undefined ? "" : `: ${explained.error.message}`
    return this.ended
      ? `${this.path}: the removal stopped after ${entries(this.removed)}, and the other entries still exist${why}`
      : `${this.path}: ${entries(this.failed)} could not be removed, ${this.removed} were${
        this.failed === 1 ? why : `; the first${why}`
      }`
  }
}

/**
 * A removal or a rename was refused, or a removal ended before all was removed. The error's message is the reason's.
 *
 * - `RootOrLink`: the path is a whole share, or a link to another place. Nothing was done.
 * - `RemovalIncomplete`: part of a tree could not be removed.
 *
 * @category errors
 * @since 0.2.0
 */
export class RemovalError extends Schema.TaggedError<RemovalError>()("RemovalError", {
  reason: Schema.Union([RootOrLink, RemovalIncomplete])
}) {
  override get message(): string {
    return this.reason.message
  }
}
