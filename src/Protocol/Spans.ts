/**
 * The spans of client and server: the one place for the names of their attributes, and the combinators that make them.
 *
 * The names are those of OpenTelemetry's semantic conventions. Names that these do not have begin with `smb.`. No
 * attribute holds a user, a password, a key or data. A span belongs to what a caller asks for, and never to one of the
 * requests of a pipeline.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { SmbError } from "./Errors.ts"

/**
 * The names of attributes.
 *
 * @category models
 * @since 0.2.0
 */
export const Attribute = {
  /** The server of the path, or of the connection: a name or an address. */
  serverAddress: "server.address",
  serverPort: "server.port",
  clientAddress: "client.address",
  clientPort: "client.port",
  /** `tcp` or `udp`. */
  networkTransport: "network.transport",
  /** The class of a failure: the reason of the error, such as `ObjectNameNotFound`, or its tag. */
  errorType: "error.type",
  /** A path of this machine, or of a program that uses a share as its file system. */
  filePath: "file.path",
  share: "smb.share",
  /** The path as the caller names it: `\\server\share\path`. */
  path: "smb.path",
  /** The second path of an operation that has two. */
  destinationPath: "smb.destination_path",
  /** The bytes of file data that were moved. */
  bytes: "smb.bytes",
  files: "smb.files",
  dialect: "smb.dialect",
  command: "smb.command",
  /** An operation on an open file, such as `QueryInfo`. */
  operation: "smb.operation",
  /** The NTSTATUS by name. */
  status: "smb.status",
  /** `NTLM` or `Kerberos`. */
  mechanism: "smb.auth.mechanism",
  dfsDomain: "smb.dfs.domain",
  /** The kind of a referral: `domain`, `dc`, `root`, `sysvol` or `link`. */
  dfsReferral: "smb.dfs.referral",
  /** What a target belongs to: `root`, `link` or `plain`. */
  dfsTargetOf: "smb.dfs.target_of",
  /** The path that a referral covers. */
  dfsPrefix: "smb.dfs.prefix",
  /** The path at the target. */
  dfsTarget: "smb.dfs.target"
} as const

/**
 * Attributes of a span.
 *
 * @category models
 * @since 0.2.0
 */
export type Attributes = { readonly [Name in (typeof Attribute)[keyof typeof Attribute]]?: string | number }

/**
 * The attributes of a server.
 *
 * @since 0.2.0
 */
export const ofServer = ({ port, server }: { readonly server: string; readonly port: number }): Attributes => ({
  [Attribute.serverAddress]: server,
  [Attribute.serverPort]: port
})

const ofError = (error: unknown): Attributes => {
  if (!Predicate.hasProperty(error, "_tag")) return { [Attribute.errorType]: "_OTHER" }
  const { _tag } = Predicate.hasProperty(error, "reason") && Predicate.hasProperty(error.reason, "_tag")
    ? error.reason
    : error
  return {
    [Attribute.errorType]: String(_tag),
    ...(error instanceof SmbError
      ? { [Attribute.status]: error.statusName, [Attribute.command]: error.command }
      : {})
  }
}

/**
 * The attributes of a failure: none for an interruption, and `_OTHER` as the type of a defect.
 *
 * @since 0.2.0
 */
export const ofCause = (cause: Cause.Cause<unknown>): Attributes => {
  const failed = cause.reasons.find(Cause.isFailReason)
  if (failed !== undefined) return ofError(failed.error)
  return cause.reasons.some(Cause.isDieReason) ? { [Attribute.errorType]: "_OTHER" } : {}
}

/**
 * Gives the current span attributes.
 *
 * @since 0.2.0
 */
export const annotate = (attributes: Attributes): Effect.Effect<void> => Effect.annotateCurrentSpan(attributes)

/**
 * Notes in the current span how an effect ends: the class of its failure, and the bytes that it has moved.
 *
 * @category combinators
 * @since 0.2.0
 */
export const noted = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  bytes?: (value: A) => number | bigint
): Effect.Effect<A, E, R> => {
  const failing = Effect.tapCause(self, (cause) => annotate(ofCause(cause)))
  return bytes === undefined
    ? failing
    : Effect.tap(failing, (value) => annotate({ [Attribute.bytes]: Number(bytes(value)) }))
}

/**
 * The kind and the attributes of a span. The kind is `client` for work at a server.
 *
 * @category models
 * @since 0.2.0
 */
export interface About {
  readonly kind?: Tracer.SpanKind | undefined
  readonly attributes: Attributes
}

/**
 * An effect in a span that says how it ends.
 *
 * @category combinators
 * @since 0.2.0
 */
export const effect = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  name: string,
  about: About,
  bytes?: (value: A) => number | bigint
): Effect.Effect<A, E, R> =>
  Effect.withSpan(noted(self, bytes), name, { ...about, captureStackTrace: false }) as Effect.Effect<A, E, R>

/**
 * A stream in a span, from its first pull to its end. `bytes` gives the size of an element.
 *
 * @category combinators
 * @since 0.2.0
 */
export const stream = <A, E, R>(
  self: Stream.Stream<A, E, R>,
  name: string,
  about: () => About,
  bytes?: (element: A) => number
): Stream.Stream<A, E, R> =>
  Stream.unwrap(
    Effect.map(Effect.suspend(() => Effect.makeSpanScoped(name, about())), (span) => {
      let moved = 0
      const counted = bytes === undefined ? self : Stream.map(self, (element) => {
        moved += bytes(element)
        return element
      })
      return counted.pipe(
        Stream.onExit((exit) =>
          Effect.sync(() => {
            if (bytes !== undefined) span.attribute(Attribute.bytes, moved)
            if (Exit.isSuccess(exit)) return
            for (const [key, value] of Object.entries(ofCause(exit.cause))) span.attribute(key, value)
          })
        ),
        Stream.provideService(Tracer.ParentSpan, span)
      ) as Stream.Stream<A, E, R>
    })
  )

/**
 * A sink in a span. `bytes` gives the size from the sink's result.
 *
 * @category combinators
 * @since 0.2.0
 */
export const sink = <A, In, L, E, R>(
  self: Sink.Sink<A, In, L, E, R>,
  name: string,
  about: () => About,
  bytes?: (value: A) => number | bigint
): Sink.Sink<A, In, L, E, R> =>
  Sink.fromTransform((upstream, scope) =>
    Effect.suspend(() =>
      effect(
        self.transform(upstream, scope),
        name,
        about(),
        bytes === undefined ? undefined : ([value]) => bytes(value)
      )
    )
  )
