/**
 * The life of a connection that has many requests on one stream, the same in each version of the protocol: its stream
 * and its frames, silence and keep-alive, and its one end.
 *
 * Each version defines its requests and responses, how a response finds its request, and what to do as time passes.
 * Plain code, because every packet passes here; `request` and `live` lift it into Effect.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Malformed } from "../Codec/Malformed.ts"
import * as Changes from "./Changes.ts"
import * as ConnectionErrors from "./ConnectionErrors.ts"
import { afterSending, type ProtocolError, type TransportError } from "./Errors.ts"
import * as FrameReader from "./FrameReader.ts"
import type { RequestListener } from "./RequestListener.ts"
import type { RequestMeter } from "./RequestMeter.ts"
import type { Ended } from "./Share.ts"
import type * as Transport from "./Transport.ts"

/**
 * The errors by which a connection fails a request.
 *
 * @since 0.1.0
 */
export type ConnectionError = TransportError | ProtocolError | Malformed

/**
 * Receives the end of a request: an error or a reply.
 *
 * @since 0.1.0
 */
export type Complete<Reply> = (error: ConnectionError | undefined, reply: Reply | undefined) => void

/**
 * Settings of a connection.
 *
 * @since 0.1.0
 */
export interface Options {
  /** For messages and errors. */
  readonly server: string
  readonly port: number
  /** The largest packet accepted from the server, in bytes. */
  readonly maximumFrame: number
  /** How often `tick` is called, in milliseconds. */
  readonly tickInterval: number
  /** The timeout of a request in milliseconds. Requests that wait by nature have no timeout. */
  readonly requestTimeout: number
  /** Milliseconds of silence after which the connection sends an ECHO. */
  readonly keepAlive: number
  /** Sees each request and its response. Default: none. */
  readonly listener?: RequestListener | undefined
  /** Counts the requests. Default: none. */
  readonly meter?: RequestMeter | undefined
}

/**
 * How often an open connection checks the time, in milliseconds.
 *
 * @since 0.1.0
 */
export const tickInterval = 1000

/**
 * The settings of a connection to a server, from those of the client. Durations in milliseconds.
 *
 * @since 0.2.0
 */
export const optionsOf = (
  endpoint: Transport.Endpoint,
  settings: {
    readonly maximumFrame: number
    readonly requestTimeout: Duration.Input
    readonly keepAlive: Duration.Input
  }
): Options => ({
  server: endpoint.host,
  port: endpoint.port,
  maximumFrame: settings.maximumFrame,
  tickInterval,
  requestTimeout: Duration.toMillis(settings.requestTimeout),
  keepAlive: Duration.toMillis(settings.keepAlive)
})

/** Packets up to this many bytes are collected whole; longer ones can be claimed. */
const claimFrom = 8192

/** A server that leaves an ECHO unanswered for so many ticks is taken for one that has gone without a word. */
const mostDoubtful = 5

/** If the last tick was so many milliseconds ago, the machine has slept: the network may have forgotten the connection. */
const longPause = 10_000

/** The most responses without a request between two ticks; with more, the connection ends. */
const mostDiscarded = 256

/**
 * The failure of a request that was sent: it tells the caller if the request may have had its effect.
 *
 * @since 0.1.0
 */
export const failureOf = (
  outgoing: { readonly mutates?: boolean | undefined },
  error: ConnectionError
): ConnectionError => outgoing.mutates === true ? afterSending(error) : error

/**
 * The part of a connection that does not depend on its messages.
 *
 * @category models
 * @since 0.1.0
 */
export abstract class Multiplexer<O extends Options> implements Transport.Handlers {
  readonly options: O
  protected duplex: Transport.Duplex | undefined
  private readonly frames: FrameReader.FrameReader
  private closedHere = false
  private failure: ConnectionError | undefined
  /** Ticks since the last bytes from the server. */
  protected silence = 0
  protected echoing = false
  /** The silence, in ticks, when an ECHO was sent; `undefined` once the server has sent anything after it. */
  private askedAt: number | undefined
  /** When the last tick was: milliseconds of `Date.now()`, which goes on while the machine sleeps. */
  private lastTick = Date.now()
  /** Called when the server has sent something, or the connection has ended. */
  private readonly doubters = new Set<() => void>()
  private discarded = 0
  private discardedSinceTick = 0
  /** Called once, when the connection has failed. */
  onFailed: ((error: ConnectionError) => void) | undefined

  constructor(options: O, frames: Pick<FrameReader.FrameHandlers, "peek" | "transient">) {
    this.options = options
    this.frames = new FrameReader.FrameReader(options.maximumFrame, {
      ...frames,
      claimFrom,
      claim: (head, length) => this.claim(head, length),
      onFrame: (frame) => this.onFrame(frame),
      onError: (what, value) => this.fail(ConnectionErrors.frameError(options, what, value))
    })
  }

  /** Where a large packet that begins with `head` goes, if it has a place. */
  protected abstract claim(head: Uint8Array, length: number): FrameReader.Claim | undefined
  protected abstract onFrame(frame: Uint8Array): void
  /** Time has passed: finds requests past their timeout. */
  protected abstract age(): void
  /** Sends an ECHO if that is possible now, and calls `answered` when the ECHO has ended. */
  protected abstract echo(answered: () => void): boolean
  /** Ends all requests, also those that wait to be sent. Nothing is sent afterwards. */
  protected abstract endAll(error: ConnectionError): void

  /** The number of requests that wait for their responses. */
  abstract readonly outstanding: number

  attach(duplex: Transport.Duplex): void {
    this.duplex = duplex
  }

  protocolError(tag: ProtocolError["reason"]["_tag"], detail: string): ProtocolError {
    return ConnectionErrors.protocolError(this.options, tag, detail)
  }

  transportError(tag: TransportError["reason"]["_tag"], detail?: string): TransportError {
    return ConnectionErrors.transportError(this.options, tag, detail)
  }

  /** Why the connection has ended, if it has. */
  get failed(): ConnectionError | undefined {
    return this.failure
  }

  /** The side that has ended the connection, if it has ended. */
  get ended(): Ended | undefined {
    return this.failure === undefined ? undefined : this.closedHere ? "here" : "there"
  }

  /** Ends the connection, because no user of this side needs it any more. */
  close(): void {
    if (this.failure !== undefined) return
    this.closedHere = true
    this.fail(this.transportError("ConnectionClosed", "closed on this side"))
  }

  /** Responses without a request, since the connection was made. */
  get discardedAnswers(): number {
    return this.discarded
  }

  /** Ignores a response without a request, as the documents demand; a flood of them ends the connection. */
  protected discard(): void {
    this.discarded++
    if (++this.discardedSinceTick <= mostDiscarded) return
    this.fail(
      this.protocolError(
        "UnexpectedResponse",
        `the server sends answers to no request (${this.discardedSinceTick} of them within ${this.options.tickInterval} ms)`
      )
    )
  }

  onData(chunk: Uint8Array): void {
    this.silence = 0
    if (this.askedAt !== undefined) this.believe()
    if (this.failure === undefined) this.frames.push(chunk)
  }

  onClose(error: TransportError): void {
    this.fail(error)
  }

  /** Must be called every `tickInterval`: finds requests without a response and silent servers. */
  tick(): void {
    if (this.failure !== undefined) return
    this.silence++
    this.discardedSinceTick = 0
    this.lastTick = Date.now()
    this.age()
    const { keepAlive, tickInterval } = this.options
    if (this.failed !== undefined || this.silence * tickInterval < keepAlive) return
    this.ask()
  }

  /** Sends an ECHO, if none is on its way. */
  private ask(): void {
    if (this.echoing) return
    // `echo` can end at once.
    this.echoing = true
    const { silence } = this
    this.askedAt = silence
    const sent = this.echo(() => {
      this.echoing = false
    })
    if (sent) return
    this.echoing = false
    this.askedAt = undefined
  }

  private believe(): void {
    this.askedAt = undefined
    for (const doubter of Array.from(this.doubters)) doubter()
  }

  /**
   * For a caller that is about to send something. If the server has not answered an ECHO, it may have gone without a
   * word, and the caller would wait long: this waits for its answer, at most for some seconds. If none comes, it calls
   * `end`, which ends the connection if that costs no user anything. `undefined` if there is no doubt.
   */
  doubt(end: (error: TransportError) => void): Effect.Effect<void> | undefined {
    if (this.failure !== undefined) return undefined
    if (this.askedAt === undefined) {
      if (this.outstanding > 0 || Date.now() - this.lastTick < longPause || this.options.keepAlive === Infinity) {
        return undefined
      }
      this.ask()
    }
    if (this.askedAt === undefined) return undefined
    return Effect.map(this.answered, (isAnswered) => {
      if (isAnswered || this.failure !== undefined) return
      end(
        this.transportError(
          "TimedOut",
          `the server has sent nothing for ${this.silence} seconds, also not after an ECHO`
        )
      )
    })
  }

  /** Waits for anything from the server, or for the end of the connection; `false` if the server stays silent. */
  private readonly answered: Effect.Effect<boolean> = Effect.suspend(() => {
    if (this.askedAt === undefined) return Effect.succeed(true)
    const ticks = mostDoubtful - (this.silence - this.askedAt)
    if (ticks <= 0) return Effect.succeed(false)
    return Effect.callback<true>((resume) => {
      const doubter = () => {
        this.doubters.delete(doubter)
        resume(Effect.succeed(true))
      }
      this.doubters.add(doubter)
      return Effect.sync(() => this.doubters.delete(doubter))
    }).pipe(Effect.timeoutOption(ticks * this.options.tickInterval), Effect.map(Option.isSome))
  })

  /** Ends the connection: everything in flight fails with `error`. */
  fail(error: ConnectionError): void {
    if (this.failure !== undefined) return
    this.failure = error
    this.duplex?.close()
    this.believe()
    this.endAll(error)
    this.onFailed?.(error)
  }
}

/**
 * Calls `tick` while the scope is open and `isOurs` says so. Ends the connection with the scope.
 *
 * @since 0.1.0
 */
export const live = (
  connection: Multiplexer<Options>,
  isOurs: () => boolean = () => true
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.andThen(
    Effect.addFinalizer(() =>
      Effect.sync(() => {
        if (isOurs()) connection.close()
      })
    ),
    Effect.sync(() => {
      if (isOurs()) connection.tick()
    }).pipe(Effect.schedule(Schedule.spaced(tickInterval)), Effect.forkScoped)
  )

/**
 * Whether a client waits for the responses to TREE_DISCONNECT and LOGOFF. Default: true. A program that ends with its
 * last connection does not need to: the server ends shares and sessions with the connection.
 *
 * @category settings
 * @since 0.2.0
 */
export const WaitsAtEnd: Context.Reference<boolean> = Context.Reference("effect-smb/Protocol/WaitsAtEnd", {
  defaultValue: () => true
})

/**
 * The last request of a share or a session, when its scope closes. The server may be gone, and ends both with the
 * connection anyway: the client waits 2 seconds for the response, or not at all (`WaitsAtEnd`), and ignores a failure.
 *
 * @since 0.2.0
 */
export const requestAtEnd = (request: Effect.Effect<unknown, ConnectionError>): Effect.Effect<void> =>
  Effect.flatMap(WaitsAtEnd, (waits) =>
    waits
      ? request.pipe(Effect.timeoutOption("2 seconds"), Effect.ignore)
      : Effect.asVoid(Effect.forkDetach(request, { startImmediately: true })))

/** A reply that has a status. */
interface Answered {
  readonly header: { readonly status: number }
}

/**
 * One request and its reply. `submit` sends it and returns the function that cancels it, which an interruption calls.
 * If the request changes something and succeeds, this is noted in the record of its operation.
 *
 * @since 0.1.0
 */
export const request = <Reply extends Answered>(
  outgoing: { readonly mutates?: boolean | undefined },
  submit: (complete: Complete<Reply>) => () => void
): Effect.Effect<Reply, ConnectionError> => {
  const run = (record: Changes.Record | undefined) =>
    Effect.callback<Reply, ConnectionError>((resume) => {
      const abandon = submit((error, reply) => {
        if (record !== undefined && reply?.header.status === 0) record.note()
        resume(error === undefined ? Effect.succeed(reply!) : Effect.fail(error))
      })
      return Effect.sync(abandon)
    })
  return outgoing.mutates === true
    ? Effect.withFiber((fiber) => run(fiber.getRef(Changes.CurrentChanges)))
    : run(undefined)
}
