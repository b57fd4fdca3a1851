/** Files for a web server: the path of a request stays below one folder of a share. */
import { Effect, Result, Stream } from "effect"
import { type ClientError, type Entry, SmbClient, UncPath } from "effect-smb"

export interface Answer {
  readonly status: 200 | 404
  readonly body: Uint8Array
}

const none: Answer = { status: 404, body: new Uint8Array(0) }

/** The errors of a server for a path without a file: also for a folder, and for a file that is being deleted. */
const noFile = new Set([
  "ObjectNameNotFound",
  "ObjectPathNotFound",
  "ObjectNameInvalid",
  "NotADirectory",
  "FileIsADirectory",
  "DeletePending"
])

/** The path below `folder` for the path of a URL. Escapes that are not valid text are an `InvalidPath` too. */
const locate = (folder: UncPath.UncPath, request: string) =>
  Effect.try({
    try: () => decodeURIComponent(request.slice(1)),
    catch: () => UncPath.invalid(request, "a % is not followed by two digits of UTF-8")
  }).pipe(
    Effect.flatMap((relative) => Effect.fromResult(UncPath.resolve(folder, relative)))
  )

/** Responds to the path of a URL, such as `/css/site.css`, with the file below `folder`; at most 16 MiB of it. */
export const serveFile = Effect.fn("serveFile")(
  function*(
    folder: UncPath.UncPath,
    request: string
  ): Effect.fn.Return<Answer, ClientError, SmbClient.SmbClient> {
    const smb = yield* SmbClient.SmbClient
    const path = yield* locate(folder, request)
    return { status: 200, body: yield* smb.readFile(path, { maximum: 16 * 1024 * 1024 }) }
  },
  // A path that leads out of the folder gets the same response as a missing file, so no response tells which files
  // exist outside.
  Effect.catchTags({
    PathError: () => Effect.succeed(none),
    SmbError: (error) => noFile.has(error.reason._tag) ? Effect.succeed(none) : Effect.fail(error)
  })
)

/** The path of a URL for an entry below `folder`. A name that is not valid UTF-16 is an `InvalidPath`. */
const linkTo = (folder: UncPath.UncPath, entry: Entry) =>
  Result.flatMap(
    UncPath.relative(folder, entry.path),
    (relative) =>
      Result.try({
        try: () => `/${relative.split("/").map(encodeURIComponent).join("/")}`,
        catch: () => UncPath.invalid(relative, "it has half of a surrogate pair, which no URL can carry")
      })
  )

/**
 * The links to all pages below `folder` that were written within the last day before `now`, in milliseconds since 1970,
 * without pages whose names no URL can carry.
 */
export const newPages = (folder: UncPath.UncPath, now: number) =>
  Stream.unwrap(Effect.map(SmbClient.SmbClient, (smb) =>
    smb.walk(folder).pipe(
      Stream.filter(({ lastWritten, name }) =>
        name.endsWith(".html") && lastWritten !== undefined && lastWritten.epochMilliseconds > now - 86_400_000
      ),
      Stream.map((entry) => linkTo(folder, entry)),
      Stream.filter(Result.isSuccess),
      Stream.map(({ success }) => success)
    )))
