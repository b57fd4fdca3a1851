/** Files for a web server: what the request says stays below one folder of a share. */
import { Effect } from "effect"
import { type ClientError, SmbClient, UncPath } from "effect-smb"

export interface Answer {
  readonly status: 200 | 404
  readonly body: Uint8Array
}

const none: Answer = { status: 404, body: new Uint8Array(0) }

/** Answers the path of a URL, such as `/css/site.css`, with the file below `folder`; at most 16 MiB of it. */
export const serveFile = Effect.fn("serveFile")(
  function*(
    folder: UncPath.UncPath,
    request: string
  ): Effect.fn.Return<Answer, ClientError, SmbClient.SmbClient> {
    const smb = yield* SmbClient.SmbClient
    const path = yield* Effect.fromResult(UncPath.resolve(folder, decodeURIComponent(request.slice(1))))
    return { status: 200, body: yield* smb.readFile(path, { maximum: 16 * 1024 * 1024 }) }
  },
  // What leads out of the folder is answered as what is not there: neither says which files there are outside.
  Effect.catchTags({
    InvalidPath: () => Effect.succeed(none),
    SmbError: (error) =>
      error.reason === "ObjectNameNotFound" || error.reason === "ObjectPathNotFound"
        ? Effect.succeed(none)
        : Effect.fail(error)
  })
)
