/** `serve http`: a share or a namespace in a browser, read-only, until it is interrupted. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import { createServer, type Server } from "node:http"
import type { ClientError } from "../Client/ClientError.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { ListenError, type ListenReason } from "../Server/SmbServer.ts"
import type { LocalError } from "../Transfer/LocalError.ts"
import { type OutputClosed, printable, UsageError } from "./Failure.ts"
import * as Site from "./Http/Site.ts"
import { stopping } from "./Interruption.ts"
import { jsonLine, write, writeError } from "./Output.ts"
import type { Remote } from "./Remote.ts"
import * as ServeLog from "./ServeLog.ts"

/** How `serve http` listens. */
export interface Options {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** The most connections at a time. Others are closed at once. */
  readonly connections: number
  /** More names of the server, see `HostNames`. */
  readonly allowedNames: ReadonlyArray<string>
  /** The most entries of one listing. Default: 20000. */
  readonly maximumEntries?: number | undefined
  /** How long the file server may take. Default: `Site.defaultAnswerWithin`. */
  readonly answerWithin?: Duration.Duration | undefined
  readonly json: boolean
}

/** How long a connection can rest, in milliseconds. A paused film asks for the rest of its bytes later. */
const idle = { keepAlive: 5_000, headers: 20_000, request: 30_000, socket: 120_000 }

const reasons: Readonly<Record<string, ListenReason>> = {
  EADDRINUSE: { _tag: "AddressInUse" },
  EACCES: { _tag: "PortNotPermitted" },
  EADDRNOTAVAIL: { _tag: "AddressNotAvailable" }
}

const listenError = ({ host, port }: Options, cause: unknown): ListenError => {
  const { code, message } = cause as NodeJS.ErrnoException
  return new ListenError({ host, port, reason: reasons[code ?? ""] ?? { _tag: "ListenFailed", detail: message } })
}

/** A server of Node that ends what rests, and takes no more than some connections. */
const nodeServer = ({ connections }: Options): Server => {
  const server = createServer({
    keepAliveTimeout: idle.keepAlive,
    headersTimeout: idle.headers,
    requestTimeout: idle.request
  })
  server.maxConnections = connections
  server.timeout = idle.socket
  return server
}

/** Listens until the scope closes, and returns the port. The end of the scope ends all connections. */
export const listen = Effect.fnUntraced(function*(
  path: UncPath.UncPath,
  options: Options
): Effect.fn.Return<{ readonly port: number }, ListenError, SmbClient | Scope.Scope> {
  const smb = (yield* SmbClient).withNames("mapped")
  const node = nodeServer(options)
  const server = yield* Effect.mapError(
    NodeHttpServer.make(() => node, {
      host: options.host,
      port: options.port,
      // The finalizer below closes the connections before that.
      gracefulShutdownTimeout: 1_000
    }),
    ({ cause }) => listenError(options, cause)
  )
  const { allowedNames, answerWithin, maximumEntries } = options
  yield* server.serve(Site.make({ smb, base: path, allowedNames, answerWithin, maximumEntries }))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      node.close()
      node.closeAllConnections()
    })
  )
  const address = node.address()
  return { port: typeof address === "object" && address !== null ? address.port : options.port }
})

const isAny = (host: string): boolean => host === "0.0.0.0" || host === "::"

const isLoopback = (host: string): boolean => host.startsWith("127.") || host === "::1" || host === "localhost"

/** The address for a browser on this machine. */
const urlOf = (host: string, port: number): string => {
  const name = isAny(host) ? "localhost" : host.includes(":") ? `[${host}]` : host
  return `http://${name}:${port}/`
}

const announce = (
  path: UncPath.UncPath,
  { host, json }: Options,
  port: number
): Effect.Effect<void, OutputClosed | LocalError> => {
  const url = urlOf(host, port)
  if (json) return write(jsonLine({ event: "listening", url, host, port, path: UncPath.format(path) }))
  return write(
    `${printable(UncPath.format(path))} is at ${url} to read. Stop it with Ctrl-C.\n` +
      (isLoopback(host)
        ? "Only this machine can connect, and each of its users; --host 0.0.0.0 lets others.\n"
        : `Everybody who can reach ${host} can read what your account can read.\n`)
  )
}

/** Refuses a path that is no folder, before anything listens. */
const requireFolder = Effect.fnUntraced(function*(path: UncPath.UncPath) {
  // As the site does: a folder that is behind a link would be a site of refusals only.
  const smb = (yield* SmbClient).withNames("mapped").confinedTo(path)
  const { type } = yield* smb.stat(path)
  if (type !== "directory") {
    return yield* new UsageError({ detail: `${UncPath.format(path)} is a file: name the folder that holds it` })
  }
})

const run = Effect.fnUntraced(function*(path: Remote, options: Options) {
  yield* requireFolder(path)
  const { port } = yield* listen(path, options)
  stopping.isDone = true
  yield* Effect.addFinalizer(() =>
    options.json ? Effect.annotateLogs(Effect.logInfo("stopping"), { event: "stopping" }) : writeError("Stopping.\n")
  )
  yield* announce(path, options, port)
  return yield* Effect.never
})

/** Serves a folder of a share until it is interrupted. */
export const serveHttp = (
  path: Remote,
  options: Options
): Effect.Effect<never, ClientError | UsageError | LocalError | OutputClosed | ListenError, SmbClient> =>
  Effect.scoped(run(path, options)).pipe(
    Effect.provide(ServeLog.layer(options.json)),
    Effect.provideService(References.MinimumLogLevel, "Info")
  )
