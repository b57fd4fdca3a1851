/**
 * The requests of a connection that are in flight, and how each of them ends, the same in each version of the protocol
 * (Connection.OutstandingRequests of MS-SMB2 3.2.1.2, Client.Connection.PIDMIDList of MS-CIFS 3.2.1.2).
 *
 * Plain code, because every packet passes here.
 *
 * Ownership: the body and the payload of a request belong to the connection until the request ends. Its `destination`
 * stays the caller's: the connection writes into it only while the caller waits.
 */
import * as Allocate from "../Codec/Allocate.ts"
import { type Complete, type ConnectionError, failureOf } from "./Multiplexer.ts"
import type { Request as ListenedRequest, RequestListener } from "./RequestListener.ts"
import type { RequestMeter } from "./RequestMeter.ts"

/**
 * One request, without its header.
 *
 * @since 0.2.0
 */
export interface Outgoing<Reply> {
  readonly command: number
  /** The body: all bytes between the header and the payload. */
  readonly body: Uint8Array
  /** Bytes that follow the body: a WRITE's data. Never copied. */
  readonly payload?: Uint8Array | undefined
  /** Memory for the data of a READ, if the caller has it; as long as `readLength`. */
  readonly destination?: Uint8Array | undefined
  /** The number of bytes that a READ asks for: the most that the server may send. */
  readonly readLength?: number | undefined
  /** Waits by nature, such as a lock or a watch: the server may finish it at any time, and it has no timeout. */
  readonly waits?: boolean | undefined
  /** May change something on the server: after sending, a failure says so (`TransportError.sent`). */
  readonly mutates?: boolean | undefined
  /**
   * The last request of a share or a session: it is no failure if the connection ends before the response.
   */
  readonly atEnd?: boolean | undefined
  /** Called with a success that arrives after the caller has stopped waiting: ends the new open or tree. */
  readonly orphan?: ((reply: Reply) => void) | undefined
}

/**
 * The reply to a request.
 *
 * @since 0.2.0
 */
export interface Reply {
  readonly header: { readonly status: number }
  /** The packet from its header to its end. For a READ with `data`, the bytes before the data. */
  readonly packet: Uint8Array
  /** The data of a READ in the caller's memory. */
  readonly data?: Uint8Array | undefined
}

/**
 * A request in flight.
 *
 * @since 0.2.0
 */
export interface OutstandingRequest<R> {
  readonly outgoing: Outgoing<R>
  /** Absent if the caller no longer waits. */
  complete: Complete<R> | undefined
  /** When it was sent, if that is measured: milliseconds of `performance.now()`. */
  sentAt?: number | undefined
}

/**
 * Sees requests and their ends.
 *
 * @category models
 * @since 0.2.0
 */
export interface Observer<Request> {
  readonly sent: (id: number, request: Request) => void
  readonly answered: (id: number, request: Request, status: number) => void
  readonly unanswered: (id: number, request: Request, message: string) => void
}

/**
 * The observer that tells a listener of requests; `undefined` without a listener.
 *
 * @since 0.2.0
 */
export const observer = <Request extends { readonly outgoing: unknown }>(
  listener: RequestListener | undefined,
  describe: (outgoing: Request["outgoing"]) => Omit<ListenedRequest, "id">
): Observer<Request> | undefined =>
  listener === undefined ? undefined : {
    sent: (id, { outgoing }) => listener.sent({ id, ...describe(outgoing) }),
    answered: (id, { outgoing }, status) => listener.answered({ id, ...describe(outgoing) }, status),
    unanswered: (id, { outgoing }, message) => listener.unanswered({ id, ...describe(outgoing) }, message)
  }

/**
 * Counts requests: a meter, and what only the version of the protocol knows.
 *
 * @category models
 * @since 0.2.0
 */
export interface Metering<Reply> {
  readonly meter: RequestMeter
  readonly commandName: (command: number) => string
  /** The number of bytes of data in a successful response to a READ. */
  readonly dataLength: (reply: Reply) => number
}

/**
 * The requests in flight, by the number that their responses carry: MessageId or MID.
 *
 * @category models
 * @since 0.2.0
 */
export class OutstandingRequests<R extends Reply, Request extends OutstandingRequest<R>> {
  private readonly requests = new Map<number, Request>()
  private readonly observer: Observer<Request> | undefined
  private readonly metering: Metering<R> | undefined

  constructor(observer?: Observer<Request>, metering?: Metering<R>) {
    this.observer = observer
    this.metering = metering
  }

  get size(): number {
    return this.requests.size
  }

  has(id: number): boolean {
    return this.requests.has(id)
  }

  get(id: number): Request | undefined {
    return this.requests.get(id)
  }

  add(id: number, request: Request): void {
    this.requests.set(id, request)
    if (this.metering !== undefined) request.sentAt = performance.now()
    this.observer?.sent(id, request)
  }

  values(): IterableIterator<Request> {
    return this.requests.values()
  }

  /** Whether one of the requests changes something, other than the commands that are named harmless. */
  isChanging(isHarmless: (command: number) => boolean): boolean {
    for (const { outgoing } of this.requests.values()) {
      if (outgoing.mutates === true && !isHarmless(outgoing.command)) return true
    }
    return false
  }

  /** Ends a request by its last response. If the caller no longer waits, a success goes to `orphan`. */
  finish(id: number, request: Request, reply: R): void {
    this.requests.delete(id)
    this.observer?.answered(id, request, reply.header.status)
    if (this.metering !== undefined) measure(this.metering, request, reply)
    const { complete } = request
    request.complete = undefined
    if (complete !== undefined) complete(undefined, reply)
    else if (reply.header.status === 0) request.outgoing.orphan?.(reply)
  }

  /** Ends all requests, because the connection has ended. */
  failAll(error: ConnectionError): void {
    const requests = [...this.requests]
    this.requests.clear()
    for (const [id, request] of requests) {
      if (request.outgoing.atEnd !== true) {
        this.observer?.unanswered(id, request, error.message)
        if (this.metering !== undefined) measure(this.metering, request, undefined)
      }
      fail(request, error)
    }
  }
}

const measure = <R extends Reply>(
  { commandName, dataLength, meter }: Metering<R>,
  { outgoing, sentAt }: OutstandingRequest<R>,
  reply: R | undefined
): void => {
  const { command, payload, readLength } = outgoing
  const status = reply?.header.status
  const read = status === 0 && readLength !== undefined ? dataLength(reply!) : 0
  const written = status === 0 && payload !== undefined ? payload.length : 0
  meter.ended(commandName(command), status, performance.now() - sentAt!, read, written)
}

/**
 * Fails a request that was sent. Its response, if it comes, has no caller any more.
 *
 * @since 0.2.0
 */
export const fail = (request: OutstandingRequest<never>, error: ConnectionError): void => {
  const { complete } = request
  request.complete = undefined
  complete?.(failureOf(request.outgoing, error), undefined)
}

/**
 * The memory for the `length` bytes of a READ response: the caller's, or new memory if the caller has none or no longer
 * waits, since it may use its buffer for something else then. Undefined if the request did not ask for so many bytes.
 *
 * @since 0.2.0
 */
export const destination = (request: OutstandingRequest<never>, length: number): Uint8Array | undefined => {
  const { outgoing } = request
  if (length > (outgoing.readLength ?? 0)) return undefined
  const wanted = request.complete === undefined ? undefined : outgoing.destination
  return wanted === undefined ? Allocate.uninitialized(length) : wanted.subarray(0, length)
}
