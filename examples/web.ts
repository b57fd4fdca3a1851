/** Files for a web server: what the request says stays below one folder of a share. */
import { Effect } from "effect"
import { type ClientError, SmbClient, UncPath } from "effect-smb"

export interface Answer {
  readonly status: 200 | 404
  readonly body: Uint8Array
}

const none: Answer = { status: 404, body: new Uint8Array(0) }

/** What a server says of a path that no file is at: also of a folder, and of one that is deleted just now. */
const noFile = new Set([
  "ObjectNameNotFound",
  "ObjectPathNotFound",
  "ObjectNameInvalid",
  "NotADirectory",
  "FileIsADirectory",
  "DeletePending"
])

/** The path below `folder` that the path of a URL names. Escapes that stand for no text are an `InvalidPath` as well. */
const locate = (folder: UncPath.UncPath, request: string) =>
  Effect.try({
    try: () => decodeURIComponent(request.slice(1)),
    catch: () => new UncPath.InvalidPath({ path: request, detail: "a % is not followed by two digits of UTF-8" })
  }).pipe(
    Effect.flatMap((relative) => Effect.fromResult(UncPath.resolve(folder, relative)))
  )

/** Answers the path of a URL, such as `/css/site.css`, with the file below `folder`; at most 16 MiB of it. */
export const serveFile = Effect.fn("serveFile")(
  function*(
    folder: UncPath.UncPath,
    request: string
  ): Effect.fn.Return<Answer, ClientError, SmbClient.SmbClient> {
    const smb = yield* SmbClient.SmbClient
    const path = yield* locate(folder, request)
    return { status: 200, body: yield* smb.readFile(path, { maximum: 16 * 1024 * 1024 }) }
  },
  // What leads out of the folder is answered as what is not there: neither says which files there are outside.
  Effect.catchTags({
    InvalidPath: () => Effect.succeed(none),
    SmbError: (error) => noFile.has(error.reason) ? Effect.succeed(none) : Effect.fail(error)
  })
)
