/**
 * The life of a connection that has many requests on one stream, the same in each version of the protocol: its stream and
 * its frames, silence and keep-alive, and its one end.
 *
 * What requests and answers are, how they find each other, and what is due when time passes, each version says itself.
 * Plain code, because every packet passes here; `request` and `live` lift it into Effect.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Malformed } from "../Codec/Malformed.ts"
import * as Changes from "./Changes.ts"
import * as ConnectionErrors from "./ConnectionErrors.ts"
import { afterSending, type ProtocolError, type TransportError } from "./Errors.ts"
import * as FrameReader from "./FrameReader.ts"
import type * as Transport from "./Transport.ts"

/** What a connection fails a request with. */
export type ConnectionError = TransportError | ProtocolError | Malformed

/** Takes how a request ended: one of the two. */
export type Complete<Reply> = (error: ConnectionError | undefined, reply: Reply | undefined) => void

/** Settings of a connection. */
export interface Options {
  /** For messages and errors. */
  readonly server: string
  readonly port: number
  /** The largest packet accepted from the server, in bytes. */
  readonly maximumFrame: number
  /** How often `tick` is called, in milliseconds. */
  readonly tickInterval: number
  /** A request that is not answered for so long has failed; in milliseconds. Those that wait by nature may take any time. */
  readonly requestTimeout: number
  /** After such a silence the server is asked for an ECHO; in milliseconds. */
  readonly keepAlive: number
}

/** How often a connection that lives looks at the time. */
export const tickInterval = 1000

/** Packets up to this many bytes are collected whole; longer ones may be placed. */
const claimFrom = 8192

/** Answers to no request between two ticks, beyond which the peer is not one to talk to. */
const mostDiscarded = 256

/** What a request that had been sent fails with: whoever asked is told if it may have had its effect. */
export const failureOf = (outgoing: { readonly mutates?: boolean }, error: ConnectionError): ConnectionError =>
  outgoing.mutates === true ? afterSending(error) : error

/**
 * A connection as far as it does not depend on what is said on it.
 *
 * @category models
 */
export abstract class Multiplexer<O extends Options> implements Transport.Handlers {
  readonly options: O
  protected duplex: Transport.Duplex | undefined
  private readonly frames: FrameReader.FrameReader
  private failure: ConnectionError | undefined
  /** Ticks since the server was last heard of. */
  protected silence = 0
  protected echoing = false
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
  /** Time has passed: finds requests that have waited for too long. */
  protected abstract age(): void
  /** Sends an ECHO if one can be sent by now; `answered` is to be called when it has ended. */
  protected abstract echo(answered: () => void): boolean
  /** Ends all requests, those that wait to be sent too. Nothing goes out any more. */
  protected abstract endAll(error: ConnectionError): void

  attach(duplex: Transport.Duplex): void {
    this.duplex = duplex
  }

  protocolError(reason: ProtocolError["reason"], detail: string): ProtocolError {
    return ConnectionErrors.protocolError(this.options, reason, detail)
  }

  transportError(reason: TransportError["reason"], detail?: string): TransportError {
    return ConnectionErrors.transportError(this.options, reason, detail)
  }

  /** Why the connection has ended, if it has. */
  get failed(): ConnectionError | undefined {
    return this.failure
  }

  /** Answers that no request was waiting for, since the connection was made. */
  get discardedAnswers(): number {
    return this.discarded
  }

  /** Passes an answer to no request over, as the documents demand; a flood of them ends the connection. */
  protected discard(): void {
    this.discarded++
    if (++this.discardedSinceTick <= mostDiscarded) return
    this.fail(
      this.protocolError(
        "Unexpected",
        `the server sends answers to no request (${this.discardedSinceTick} of them within ${this.options.tickInterval} ms)`
      )
    )
  }

  onData(chunk: Uint8Array): void {
    this.silence = 0
    if (this.failure === undefined) this.frames.push(chunk)
  }

  onClose(error: TransportError): void {
    this.fail(error)
  }

  /** To be called every `tickInterval`: finds requests and servers that have fallen silent. */
  tick(): void {
    if (this.failure !== undefined) return
    this.silence++
    this.discardedSinceTick = 0
    this.age()
    const { keepAlive, tickInterval } = this.options
    if (this.failed !== undefined || this.echoing || this.silence * tickInterval < keepAlive) return
    this.echoing = this.echo(() => {
      this.echoing = false
    })
  }

  /** Ends the connection: everything in flight fails with `error`. */
  fail(error: ConnectionError): void {
    if (this.failure !== undefined) return
    this.failure = error
    this.duplex?.close()
    this.endAll(error)
    this.onFailed?.(error)
  }
}

/** Lets a connection see the time, as long as the scope is open and `isOurs` says so; then it ends. */
export const live = (
  connection: Multiplexer<Options>,
  isOurs: () => boolean = () => true
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.andThen(
    Effect.addFinalizer(() =>
      Effect.sync(() => {
        if (isOurs()) connection.fail(connection.transportError("Closed", "closed on this side"))
      })
    ),
    Effect.sync(() => {
      if (isOurs()) connection.tick()
    }).pipe(Effect.schedule(Schedule.spaced(tickInterval)), Effect.forkScoped)
  )

/** Anything that answers with a status. */
interface Answered {
  readonly header: { readonly status: number }
}

/**
 * One request and its reply. `submit` sends it and gives what cancels it, which an interruption does. The success of one
 * that changes something is noted in the record of the operation that it belongs to.
 */
export const request = <Reply extends Answered>(
  outgoing: { readonly mutates?: boolean },
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
    ? Effect.withFiber((fiber) => run(fiber.getRef(Changes.Current)))
    : run(undefined)
}
