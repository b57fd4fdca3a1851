/**
 * The site of `serve http`: a request in, a listing, a file or a page of a failure out. Nothing changes a share.
 *
 * A file is opened first. Its size, its version and its bytes are those of this one open, and a file that cannot be
 * opened gets a page that says why. Ranges, conditions and types are those of Effect's `HttpStaticServer`.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as ByteSize from "effect/ByteSize"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Etag from "effect/http/Etag"
import * as HttpPlatform from "effect/http/HttpPlatform"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpStaticServer from "effect/http/HttpStaticServer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { IncomingMessage } from "node:http"
import type { ClientError } from "../../Client/ClientError.ts"
import type { ReadableFile } from "../../Client/Operations.ts"
import type * as SmbClient from "../../Client/SmbClient.ts"
import * as UncPath from "../../Client/UncPath.ts"
import * as FileTime from "../../Codec/FileTime.ts"
import { oneLine, printable } from "../Failure.ts"
import * as ContentType from "./ContentType.ts"
import * as HostNames from "./HostNames.ts"
import * as Page from "./Page.ts"
import * as Refusal from "./Refusal.ts"
import * as Turns from "./Turns.ts"
import * as UrlPath from "./UrlPath.ts"

/** What a site shows, and to which requests. */
export interface Options {
  /** A client with mapped names (`withNames("mapped")`): then every character can be part of a name. */
  readonly smb: SmbClient.Client
  /** The folder that is the root of the site. */
  readonly base: UncPath.UncPath
  /** More names of the server than its addresses, `localhost` and the name of this machine. */
  readonly allowedNames: ReadonlyArray<string>
  /** The most entries of one listing, which is in memory. Default: 20000. */
  readonly maximumEntries?: number | undefined
  /**
   * How long the file server may take to open a file, to begin a listing, or to go on with it. Then the browser gets a page
   * that says so. The client itself may try for longer: a film that has begun goes on after a lost connection.
   */
  readonly answerWithin?: Duration.Duration | undefined
}

/** A person waits so long for a page without a doubt that it comes. */
export const defaultAnswerWithin = Duration.seconds(5)

/** About 5 MB of HTML, of which only a part is in memory at a time, and less than 3 MB of entries. */
const defaultMaximumEntries = 20_000

/** How many listings are gathered and sorted at a time. The rest waits. A browser that reads slowly holds up no other. */
const listingsAtATime = 4

/** Headers of every response. No other origin can embed or read it, and no browser guesses a type. */
const commonHeaders = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin"
}

const asHtml = (status: number) => ({
  status,
  contentType: "text/html; charset=utf-8",
  headers: {
    ...commonHeaders,
    "content-security-policy": Page.contentSecurityPolicy,
    "cache-control": "no-store"
  }
})

const html = (text: string, status: number) => HttpServerResponse.text(text, asHtml(status))

/** A page in parts. A part is made when the browser has taken the ones before it. */
const htmlInParts = (parts: Iterable<string>, status: number) =>
  HttpServerResponse.stream(
    // Node's response gets all chunks of a pull at once: one by one, it can say when it is full.
    Stream.encodeText(Stream.fromIterable(parts, { chunkSize: 1 })),
    asHtml(status)
  )

/** How much is read at once, in bytes, and how many such parts are read ahead of a browser that takes them slowly. */
const partSize = 256 * 1024
const partsAhead = 2

/**
 * The bytes of an open file. Each part is a read by itself: one read of the whole range would fill the window of a fast
 * transfer, 8 MiB, for each browser that takes nothing.
 */
const bytes = (
  file: ReadableFile,
  range: { readonly offset: number; readonly length: number }
): Stream.Stream<Uint8Array, ClientError> =>
  Stream.range(0, Math.ceil(range.length / partSize) - 1).pipe(
    Stream.mapEffect(
      (part) => {
        const from = part * partSize
        return Stream.runCollect(
          file.stream({ offset: range.offset + from, length: Math.min(partSize, range.length - from) })
        )
      },
      { concurrency: partsAhead }
    ),
    Stream.flattenIterable
  )

/**
 * A file that was written within this time can have changed twice without another time of its last write, so its tag is
 * weak until then (RFC 9110, 8.8.1). Only with a strong tag does a browser go on with a broken download.
 */
const settledAfter = 60_000

const entityTag = ({ opened }: ReadableFile, now: number): Etag.Etag => ({
  _tag: FileTime.isTime(opened.lastWriteTime) && now - FileTime.toMillis(opened.lastWriteTime) > settledAfter
    ? "Strong"
    : "Weak",
  value: `${opened.endOfFile.toString(16)}-${opened.lastWriteTime.toString(16)}`
})

const noneOfThem = Effect.die("a site has only the open file")

/** The file system that `HttpStaticServer` sees: the open file, and nothing else. */
const onlyFile = ({ opened }: ReadableFile): FileSystem.FileSystem =>
  FileSystem.makeNoop({
    stat: () =>
      Effect.succeed({
        type: "File",
        mtime: Option.fromNullishOr(FileTime.toDate(opened.lastWriteTime)),
        atime: Option.none(),
        birthtime: Option.none(),
        dev: 0n,
        ino: Option.none(),
        mode: 0o444,
        nlink: Option.none(),
        uid: Option.none(),
        gid: Option.none(),
        rdev: Option.none(),
        size: ByteSize.bytes(opened.endOfFile),
        blksize: Option.none(),
        blocks: Option.none()
      })
  })

/** Responds with an open file, or with the part of it that the request asks for. */
const respondWithFile = Effect.fnUntraced(function*(file: ReadableFile, name: string, download: boolean) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const tag = entityTag(file, yield* Clock.currentTimeMillis)
  const fileSystem = onlyFile(file)
  const platform = yield* HttpPlatform.make({
    platform: "node",
    compression: HttpPlatform.makeCompressionWeb({
      algorithms: [],
      transform: () => HttpPlatform.compressionTransformWeb("gzip")
    }),
    fileResponse: (_, status, statusText, headers, start, __, contentLength) =>
      HttpServerResponse.stream(
        bytes(file, { offset: start, length: Number(contentLength) }).pipe(
          Stream.tapError((error) => Effect.logWarning(`${file.path} ended early: ${oneLine(error.message)}`))
        ),
        { status, statusText, headers, contentLength: Number(contentLength) }
      ),
    fileWebResponse: () => HttpServerResponse.empty({ status: 500 })
  }).pipe(
    Effect.provideService(FileSystem.FileSystem, fileSystem),
    Effect.provideService(Etag.Generator, { fromFileInfo: () => Effect.succeed(tag), fromFileWeb: () => noneOfThem })
  )
  const app = yield* HttpStaticServer.make({
    root: "/",
    index: undefined,
    cacheControl: "private, no-cache",
    mimeTypes: { file: ContentType.typeOf(name) }
  }).pipe(
    Effect.provideService(HttpPlatform.HttpPlatform, platform),
    Effect.provideService(FileSystem.FileSystem, fileSystem),
    Effect.provide(Path.layer)
  )
  const response = yield* Effect.provideService(
    app,
    HttpServerRequest.HttpServerRequest,
    request.modify({ url: "/content.file" })
  )
  return HttpServerResponse.setHeaders(response, { ...commonHeaders, ...ContentType.headersOf(name, download) })
})

/** The file server took too long. */
const late = { _tag: "Late" } as const

/** The page of a folder. */
const listing = Effect.fnUntraced(function*(
  { answerWithin = defaultAnswerWithin, base, maximumEntries = defaultMaximumEntries, smb }: Options,
  folder: UncPath.UncPath,
  names: ReadonlyArray<string>,
  url: string
) {
  const found = yield* smb.list(folder).pipe(
    Stream.timeoutOrElse({ duration: answerWithin, orElse: () => Stream.fail(late) }),
    Stream.take(maximumEntries + 1),
    // A browser that reads slowly keeps them in memory: only what the page shows.
    Stream.map(({ lastWriteTime, name, size, type }): Page.Shown => ({ name, type, size, lastWriteTime })),
    Stream.runCollect
  )
  return htmlInParts(
    Page.listing({
      root: UncPath.format(base),
      names,
      entries: found.slice(0, maximumEntries),
      order: Page.orderOf(UrlPath.parameter(url, "sort"), UrlPath.parameter(url, "order")),
      cutAt: found.length > maximumEntries ? maximumEntries : undefined,
      timeZone: new Intl.DateTimeFormat().resolvedOptions().timeZone
    }),
    200
  )
})

/** A folder was asked for without the slash at its end: its relative links need one. */
const withSlash = (name: string, url: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.redirect(`./${UrlPath.encodeName(name)}/${/\?[\w=&]*$/.exec(url)?.[0] ?? ""}`, {
    status: 302,
    headers: commonHeaders
  })

const respond = Effect.fnUntraced(function*(
  options: Options,
  listings: Semaphore.Semaphore
): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  unknown,
  HttpServerRequest.HttpServerRequest | Scope.Scope
> {
  const { allowedNames, answerWithin = defaultAnswerWithin, base, smb } = options
  const request = yield* HttpServerRequest.HttpServerRequest
  const { headers, method, url } = request
  const located = UrlPath.parse(url)
  const { isFolder, names } = Result.getOrElse(located, () => ({ names: [], isFolder: true }))
  const refuse = (refusal: Refusal.Refusal) =>
    html(Page.failure({ root: UncPath.format(base), names, isFolder, ...refusal }), refusal.status)

  const host = headers.host
  // Node takes the first of several lines, and a proxy in front may take the last (RFC 9112 3.2).
  const { headersDistinct } = NodeHttpServerRequest.toIncomingMessage(request) as IncomingMessage
  if ((headersDistinct.host?.length ?? 0) > 1) return refuse(Refusal.severalHosts)
  if (host !== undefined && !HostNames.isOwn(host, allowedNames)) return refuse(Refusal.otherHost(printable(host)))
  if (method !== "GET" && method !== "HEAD") {
    return HttpServerResponse.setHeader(refuse(Refusal.otherMethod(method)), "allow", "GET, HEAD")
  }
  if (Result.isFailure(located)) {
    return refuse(located.failure === "Malformed" ? Refusal.malformed : Refusal.missing(url.replace(/\?.*/s, "")))
  }
  const below = (parts: ReadonlyArray<string>): UncPath.UncPath => ({
    ...base,
    path: [base.path, ...parts].filter((part) => part !== "").join("\\")
  })
  const unc = below(names)
  const place = UncPath.format(below(names.map(Page.shown)))
  const failed = (error: ClientError | typeof late) =>
    Effect.sync(() => refuse(error._tag === "Late" ? Refusal.late(place, answerWithin) : Refusal.of(error, place)))
  const inTime = <A, E, R>(asked: Effect.Effect<A, E, R>) =>
    Effect.timeoutOrElse(asked, { duration: answerWithin, orElse: () => Effect.fail(late) })
  if (isFolder) {
    const listed = Effect.uninterruptibleMask((restore) =>
      Effect.andThen(
        restore(inTime(listings.take(1))),
        Effect.ensuring(restore(listing(options, unc, names, url)), listings.release(1))
      )
    )
    return yield* Effect.catch(listed, failed)
  }

  const name = names.at(-1)!
  const opened = yield* Effect.result(inTime(smb.openToRead(unc)))
  if (Result.isSuccess(opened)) {
    return yield* respondWithFile(opened.success, Page.shown(name), UrlPath.parameter(url, "download") !== undefined)
  }
  const error = opened.failure
  return error._tag === "SmbError" && error.reason._tag === "FileIsADirectory"
    ? withSlash(name, url)
    : yield* failed(error)
})

/** A line for each request. */
const logged = Effect.fnUntraced(function*(response: HttpServerResponse.HttpServerResponse) {
  const { method, remoteAddress, url } = yield* HttpServerRequest.HttpServerRequest
  const { status } = response
  yield* Effect.annotateLogs(Effect.logInfo("request"), {
    event: "request",
    ...Option.match(remoteAddress, { onNone: () => ({}), onSome: (address) => ({ address }) }),
    method,
    url,
    status
  })
})

/**
 * The app that answers every request of a server. It asks a file server for one request of a connection at a time: see
 * `Turns`.
 */
export const make = (
  options: Options
): Effect.Effect<HttpServerResponse.HttpServerResponse, unknown, HttpServerRequest.HttpServerRequest | Scope.Scope> => {
  const listings = Semaphore.makeUnsafe(listingsAtATime)
  // A link in the folder does not show what is elsewhere on the share.
  const confined = { ...options, smb: options.smb.confinedTo(options.base) }
  return Effect.andThen(Turns.wait, Effect.tap(respond(confined, listings), logged))
}
