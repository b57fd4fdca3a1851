/**
 * One connection to one server: any number of requests in flight on one stream of bytes.
 *
 * It numbers, frames, signs and encrypts the requests; it collects, decrypts, verifies and assigns the responses; it
 * keeps the credits. It knows no command: the modules above it know the meaning of a body, which statuses are good, and
 * what a session is. Plain code, because every packet passes here; `request` and `compound` (`Request.ts`)
 * lift it into Effect.
 *
 * Ownership: bodies and payloads of a request belong to the connection until their reply; a reply's packet belongs to
 * its receiver for good.
 */
import * as Result from "effect/Result"
import { Malformed } from "../Codec/Malformed.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import type { Lost } from "../Protocol/ConnectedShare.ts"
import * as ConnectionErrors from "../Protocol/ConnectionErrors.ts"
import { TransportError } from "../Protocol/Errors.ts"
import * as FrameReader from "../Protocol/FrameReader.ts"
import * as Multiplexer from "../Protocol/Multiplexer.ts"
import * as OutstandingRequests from "../Protocol/OutstandingRequests.ts"
import * as Commands from "./Commands.ts"
import * as Compound from "./Compound.ts"
import { Credits } from "./Credits.ts"
import * as Encryption from "./Encryption.ts"
import * as Header from "./Header.ts"
import * as RequestExpiration from "./internal/RequestExpiration.ts"
import { Command, HeaderFlags } from "./Message/Constants.ts"
import * as RequestDescription from "./RequestDescription.ts"
import type { Batch, Complete, ConnectionError, Outgoing, Pending, Reply, Security } from "./RequestInFlight.ts"
import * as RequestPacket from "./RequestPacket.ts"
import * as ResponseVerification from "./ResponseVerification.ts"

export { compound, request } from "./Request.ts"
export type { ConnectionError, Outgoing, Owner, Reply, Security } from "./RequestInFlight.ts"

/**
 * Statuses that say that a share or a session is gone (MS-SMB2 3.3.5.2.9, 3.3.5.2.11). A session that has expired is not
 * gone: `Reauthentication`.
 */
const losses: Readonly<Record<number, Lost>> = {
  [NtStatus.STATUS_NETWORK_NAME_DELETED]: "share",
  [NtStatus.STATUS_USER_SESSION_DELETED]: "session"
}

/**
 * Settings of a connection.
 *
 * @since 0.1.0
 */
export interface Options extends Multiplexer.Options {
  /** The credits that the connection asks for: how much can be in flight, in units of 64 KiB. */
  readonly creditTarget: number
  /**
   * The timeout of a request after the server has called it pending, in milliseconds. Requests that wait by nature have
   * no timeout.
   */
  readonly pendingTimeout: number
}

/** The header and the fixed part of a READ response. */
const peek = Header.size + 16

/** DataLength of a READ response (MS-SMB2 2.2.20). */
const dataLength = ({ data, packet }: Reply): number =>
  data?.length ?? (packet.length < peek ? 0 : Header.view(packet).getUint32(Header.size + 4, true))

/**
 * The multiplexer. Made by `Negotiate.connect`, which also fills in what the negotiation decides.
 *
 * @category models
 * @since 0.1.0
 */
export class Connection extends Multiplexer.Multiplexer<Options> {
  private readonly requests = new OutstandingRequests.OutstandingRequests<Reply, Pending>(
    OutstandingRequests.observer<Pending>(this.options.listener, RequestDescription.describe),
    this.options.meter && { meter: this.options.meter, commandName: Commands.commandName, dataLength }
  )
  private readonly sessions = new Map<bigint, Security>()
  private readonly credits: Credits<Batch>
  private starved = 0

  /** Called with each unsolicited OPLOCK_BREAK. */
  onBreak: ((reply: Reply) => void) | undefined
  /**
   * Takes a packet that is not SMB 2, such as a server's SMB 1 response, and returns the error that ends the
   * connection.
   */
  onOtherProtocol: ((packet: Uint8Array) => ConnectionError) | undefined

  /** Whether the server has refused a compound, and then carried out its requests one by one. */
  refusesCompounds = false

  constructor(options: Options) {
    super(options, { peek, transient: (head) => Header.view(head).getUint32(0, true) === Encryption.protocolId })
    this.credits = new Credits(options.creditTarget)
  }

  /** Whether CreditCharge is used: SMB2_GLOBAL_CAP_LARGE_MTU, which 2.0.2 lacks. */
  get multiCredit(): boolean {
    return this.credits.multiCredit
  }

  set multiCredit(multiCredit: boolean) {
    this.credits.multiCredit = multiCredit
  }

  /** Requests that wait for a reply. */
  get outstanding(): number {
    return this.requests.size
  }

  /** Whether a request in flight changes something, other than the commands that are named harmless. */
  isChanging(isHarmless: (command: number) => boolean): boolean {
    return this.requests.isChanging(isHarmless)
  }

  /** Requests that wait for credits, a compound as one. */
  get waiting(): number {
    return this.credits.waitingCount
  }

  /** The credits that are available. */
  get availableCredits(): number {
    return this.credits.availableNow
  }

  /**
   * The most bytes that one request should move: what the server's credits have allowed so far, halved so that two
   * requests are in flight at once.
   */
  get largestTransfer(): number {
    return this.multiCredit ? Math.max(1, this.credits.mostAvailable >>> 1) * 65536 : 65536
  }

  /** Whether the server has ever granted so many credits at once: requests that need more may wait forever. */
  affords(outgoings: ReadonlyArray<Outgoing>): boolean {
    return outgoings.reduce((sum, { creditCharge }) => sum + (creditCharge ?? 1), 0) <= this.credits.mostAvailable
  }

  addSession(security: Security): void {
    this.sessions.set(security.sessionId, security)
  }

  removeSession(sessionId: bigint): void {
    this.sessions.delete(sessionId)
  }

  // ---------------------------------------------------------------------------
  // out
  // ---------------------------------------------------------------------------

  /**
   * Sends requests as one compound (a single request is a compound of one), when there are credits for it. Calls every
   * `complete` exactly once, unless the returned function was called before: that function cancels the requests.
   */
  submit(outgoings: ReadonlyArray<Outgoing>, completes: ReadonlyArray<Complete | undefined>): () => void {
    if (this.failed !== undefined) {
      for (const complete of completes) complete?.(this.failed, undefined)
      return () => {}
    }
    let charge = 0
    for (const outgoing of outgoings) charge += outgoing.creditCharge ?? 1
    const batch: Batch = { outgoings, completes, charge, pendings: undefined, gone: false }
    if (this.credits.take(batch, outgoings[0]!.passes)) this.send(batch)
    // If nothing is in flight, no response will send it.
    else if (this.requests.size === 0) this.pump()
    return () => this.abandon(batch)
  }

  private abandon(batch: Batch): void {
    if (batch.gone) return
    batch.gone = true
    if (batch.pendings === undefined) {
      this.credits.abandon(batch)
      // The credits may suffice for the requests behind it.
      if (this.failed === undefined) this.pump()
      return
    }
    for (const pending of batch.pendings) {
      if (pending.complete === undefined) continue
      pending.complete = undefined
      this.cancel(pending)
    }
  }

  /**
   * Asks the server to cancel a request. The server responds to that request as always, so it is not forgotten here.
   */
  private cancel(pending: Pending): void {
    if (!this.requests.has(pending.messageId) || this.failed !== undefined) return
    this.transmit(RequestPacket.encodeCancel(pending), pending.encrypted ? pending.outgoing.security : undefined)
  }

  /** Sends a batch whose charge was taken. */
  private send(batch: Batch): void {
    const { chunks, encrypted, pendings } = RequestPacket.encodeBatch(batch, this.credits)
    for (const pending of pendings) this.requests.add(pending.messageId, pending)
    batch.pendings = pendings
    this.transmit(chunks, encrypted ? batch.outgoings[0]!.security : undefined)
  }

  private transmit(chunks: ReadonlyArray<Uint8Array>, encryption: Security | undefined): void {
    RequestPacket.transmit(this.duplex!, chunks, encryption?.encrypt)
  }

  /**
   * Sends a packet that is not SMB 2 but counts as MessageId 0: the multi-protocol NEGOTIATE of SMB 1. `answered` is
   * the response if another connection has sent the packet and received that.
   */
  submitMultiProtocolNegotiate(packet: Uint8Array, complete: Complete, answered?: Uint8Array): void {
    if (this.failed !== undefined) return complete(this.failed, undefined)
    const framed = new Uint8Array(FrameReader.headerSize + packet.length)
    framed.set(packet, FrameReader.headerSize)
    const outgoing = { command: Command.NEGOTIATE, body: packet }
    this.credits.take({ outgoings: [outgoing], completes: [complete], charge: 1, pendings: undefined, gone: false })
    const batch: Array<Pending> = []
    const pending: Pending = {
      outgoing,
      messageId: this.credits.messageId(1),
      encrypted: false,
      signed: false,
      complete,
      asyncId: 0n,
      isAsync: false,
      answered: false,
      ticks: 0,
      batch
    }
    batch.push(pending)
    this.requests.add(pending.messageId, pending)
    if (answered === undefined) this.transmit([framed], undefined)
    else this.onFrame(answered)
  }

  /** Sends what there are credits for now. */
  private pump(): void {
    for (let batch = this.credits.next(); batch !== undefined; batch = this.credits.next()) this.send(batch)
    const { shortage } = this.credits
    // Only a response to a request in flight could grant more credits.
    if (shortage === undefined || this.requests.size > 0) return
    this.fail(
      this.protocolError(
        "UnexpectedResponse",
        `the server has granted only ${shortage.available} credits, but the next request needs ${shortage.charge}: ` +
          "the server is at fault"
      )
    )
  }

  // ---------------------------------------------------------------------------
  // in
  // ---------------------------------------------------------------------------

  /**
   * A large READ response that is unencrypted and alone in its packet goes straight into the caller's memory. It is
   * verified when it is complete.
   */
  protected claim(head: Uint8Array): FrameReader.Claim | undefined {
    const destination = this.place(head, false)
    if (destination === undefined) return undefined
    return {
      destination,
      complete: (packet, tail) => {
        if (this.failed !== undefined) return
        this.receive(Header.read(Header.view(packet)), [packet, destination, tail], false, destination)
        this.pump()
      }
    }
  }

  /** The memory for the data of the READ response that begins with `head`, if it is one and a caller waits for it. */
  private place(head: Uint8Array, encrypted: boolean): Uint8Array | undefined {
    const view = Header.view(head)
    if (view.getUint32(0, true) !== Header.protocolId) return undefined
    const header = Header.read(view)
    if (header.command !== Command.READ || header.status !== 0 || header.nextCommand !== 0) return undefined
    const pending = this.requests.get(header.messageId)
    if (pending?.outgoing.command !== Command.READ || pending.encrypted !== encrypted) return undefined
    if (head[Header.size + 2] !== peek) return undefined
    return OutstandingRequests.destination(pending, view.getUint32(Header.size + 4, true))
  }

  protected onFrame(frame: Uint8Array): void {
    if (frame.length >= 4) {
      const identifier = Header.view(frame).getUint32(0, true)
      if (identifier === Header.protocolId) this.receiveAll(frame, false)
      else if (identifier === Encryption.protocolId) this.receiveEncrypted(frame)
      else {
        this.fail(this.onOtherProtocol?.(frame) ?? ConnectionErrors.notSmb(this.options, "SMB 2 or 3"))
      }
    } else {
      this.fail(ConnectionErrors.notSmb(this.options, "SMB 2 or 3", `a packet has ${frame.length} bytes`))
    }
    if (this.failed === undefined) this.pump()
  }

  private receiveEncrypted(frame: Uint8Array): void {
    const transform = Encryption.readHeader(frame)
    const security = transform === undefined ? undefined : this.sessions.get(transform.sessionId)
    if (transform === undefined || security?.decrypt === undefined) {
      return this.fail(this.protocolError(
        "UnexpectedResponse",
        "the server sent an encrypted packet that belongs to no session: the server is at fault"
      ))
    }
    const decrypted = transform.originalMessageSize !== frame.length - Encryption.headerSize
      ? undefined
      : security.decrypt(frame, {
        peek,
        place: (head, length) => {
          const destination = this.place(head, true)
          return destination !== undefined && peek + destination.length === length ? destination : undefined
        }
      })
    if (decrypted === undefined) {
      return this.fail(
        this.protocolError(
          "DecryptionFailed",
          "an encrypted packet cannot be decrypted: it was changed on the way, or the server encrypts wrongly"
        )
      )
    }
    const { data, packet } = decrypted
    if (Header.view(packet).getUint32(0, true) !== Header.protocolId) {
      return this.fail(
        this.protocolError(
          "UnexpectedResponse",
          "an encrypted packet of the server holds no SMB 2 message: the server is at fault"
        )
      )
    }
    if (data === undefined) this.receiveAll(packet, true)
    else this.receive(Header.read(Header.view(packet)), [packet], true, data)
  }

  /** All responses of a compound. */
  private receiveAll(frame: Uint8Array, decrypted: boolean): void {
    let at = 0
    while (at < frame.length) {
      const found = Compound.segment(frame, at)
      if (Result.isFailure(found)) {
        const { expected, offset, structure } = found.failure
        return this.fail(new Malformed({ structure, offset, expected, server: this.options.server }))
      }
      const { bytes, header } = found.success
      this.receive(header, [bytes], decrypted, undefined)
      at += bytes.length
    }
  }

  private receive(
    header: Header.Header,
    chunks: ReadonlyArray<Uint8Array>,
    decrypted: boolean,
    data: Uint8Array | undefined
  ): void {
    if ((header.flags & HeaderFlags.SMB2_FLAGS_SERVER_TO_REDIR) === 0) {
      return this.fail(ConnectionErrors.notAResponse(this.options))
    }
    if (header.messageId === Header.unsolicited) {
      if (header.command === Command.OPLOCK_BREAK) this.onBreak?.({ header, packet: chunks[0]! })
      // Some servers send such an ECHO on an idle connection.
      else this.discard()
      return
    }
    const pending = this.requests.get(header.messageId)
    // No caller waits for it, so it is not used, signed or not, and its credits do not count (MS-SMB2 3.2.5.1.2).
    if (pending === undefined) return this.discard()
    if (pending.outgoing.command !== header.command) {
      const [request, response] = [pending.outgoing.command, header.command].map(Commands.commandName)
      return this.fail(ConnectionErrors.otherCommand(this.options, request!, response!))
    }
    const distrust = ResponseVerification.failure(pending, header, chunks, decrypted)
    const disbelieved = distrust === undefined ? undefined : this.protocolError(distrust.reason, distrust.detail)
    if (disbelieved !== undefined && !ResponseVerification.endsReadAlone(header, disbelieved)) {
      return this.fail(disbelieved)
    }
    this.credits.grant(header.credits)
    if (Header.isInterim(header)) {
      const wasAsync = pending.isAsync
      pending.isAsync = true
      if (!wasAsync) pending.ticks = 0
      pending.asyncId = header.asyncId
      // It was cancelled before the server gave it an AsyncId: cancel it again by the AsyncId.
      if (pending.complete === undefined && !wasAsync) this.cancel(pending)
      return
    }
    if (header.status !== 0) {
      const lost = losses[header.status]
      if (lost !== undefined) pending.outgoing.owner?.onLost(lost)
    }
    pending.answered = true
    this.credits.finish(pending.outgoing.creditCharge ?? 1)
    const reply: Reply = {
      header,
      packet: chunks[0]!,
      ...(data === undefined ? {} : { data }),
      ...(disbelieved === undefined ? {} : { distrust: disbelieved })
    }
    this.requests.finish(header.messageId, pending, reply)
  }

  // ---------------------------------------------------------------------------
  // time and end
  // ---------------------------------------------------------------------------

  protected age(): void {
    const { pendingTimeout, requestTimeout, tickInterval } = this.options
    for (const pending of this.requests.values()) {
      // A request that no caller waits for may stay without a response; the connection itself waits for an ECHO.
      if (pending.complete === undefined) continue
      const limit = RequestExpiration.tick(pending, this.options)
      if (limit === undefined) continue
      if (limit === "requestTimeout" && (this.silence * tickInterval >= requestTimeout || this.echoing)) {
        return this.fail(ConnectionErrors.silent(this.options, requestTimeout))
      }
      // The server is alive, but lost this request, or its work does not end.
      if (limit === "requestTimeout") {
        const patience = RequestExpiration.patience(pending, this.options)
        this.giveUp([pending], this.transportError("TimedOut", `no response to a request for ${patience} ms`))
        continue
      }
      const command = Commands.commandName(pending.outgoing.command)
      const detail = `it called ${command} pending (STATUS_PENDING), and has not finished it for ${pendingTimeout} ms`
      const { port, server } = this.options
      this.giveUp(
        RequestExpiration.andOthers(pending),
        new TransportError({ reason: { _tag: "TimedOut", pending: true }, server, port, detail })
      )
    }
    this.starve()
  }

  /** Fails requests, and cancels the first of them. Their responses are still due, and bring their credits. */
  private giveUp(pendings: ReadonlyArray<Pending>, error: TransportError): void {
    for (const [i, pending] of pendings.entries()) {
      if (i === 0) this.cancel(pending)
      OutstandingRequests.fail(pending, error)
    }
  }

  /**
   * Fails the requests that wait for credits if no request in flight need ever get a response, which would bring
   * credits. Requests that wait behind ordinary requests will be sent, no matter how long it takes.
   */
  private starve(): void {
    const hopeless = this.credits.waits &&
      [...this.requests.values()].every((pending) =>
        RequestExpiration.isPending(pending) || pending.complete === undefined
      )
    this.starved = hopeless ? this.starved + 1 : 0
    if (this.starved * this.options.tickInterval <= this.options.requestTimeout) return
    this.starved = 0
    this.failWaiting(
      this.transportError("TimedOut", `the server granted no credits for ${this.options.requestTimeout} ms`)
    )
  }

  /** Fails the requests that were not sent. A callback can abandon others of them. */
  private failWaiting(error: ConnectionError): void {
    for (const batch of this.credits.abandonAll()) {
      if (batch.gone) continue
      batch.gone = true
      for (const complete of batch.completes) complete?.(error, undefined)
    }
  }

  protected echo(answered: () => void): boolean {
    if (!this.credits.used) return false
    const security = this.sessions.values().next().value
    this.submit(
      [{
        command: Command.ECHO,
        body: RequestPacket.emptyBody,
        ...(security === undefined ? {} : { security, encrypted: security.encryptsAll === true })
      }],
      [answered]
    )
    return true
  }

  protected endAll(error: ConnectionError): void {
    this.requests.failAll(error)
    this.failWaiting(error)
  }
}
