/**
 * One SMB 1 connection to one server: several requests in flight on one stream of bytes, identified by MID.
 *
 * It numbers, frames and signs the requests; it collects, verifies and assigns the responses; it keeps within the
 * server's MaxMpxCount. It knows no command but ECHO and NT_CANCEL: the modules above it know the meaning of a body.
 * Plain code, because every packet passes here; `request` lifts it into Effect.
 *
 * Ownership: bodies and payloads of a request belong to the connection until their reply; a reply's packet belongs to
 * its receiver for good.
 */
import type * as Effect from "effect/Effect"
import * as Codec from "../Codec/Codec.ts"
import { Malformed } from "../Codec/Malformed.ts"
import * as ConnectionErrors from "../Protocol/ConnectionErrors.ts"
import * as FrameReader from "../Protocol/FrameReader.ts"
import * as Multiplexer from "../Protocol/Multiplexer.ts"
import type { ConnectionError } from "../Protocol/Multiplexer.ts"
import * as OutstandingRequests from "../Protocol/OutstandingRequests.ts"
import * as AndX from "./AndX.ts"
import * as Header from "./Header.ts"
import { Command, commandName, Flags, Flags2 } from "./Message/Constants.ts"
import { readDataOffset } from "./Message/ReadWrite.ts"
import { Echo } from "./Message/Simple.ts"
import * as Signing from "./Signing.ts"

export type { ConnectionError, Options } from "../Protocol/Multiplexer.ts"

/**
 * One request, without its header.
 *
 * @since 0.1.0
 */
export interface Outgoing extends OutstandingRequests.Outgoing<Reply> {
  readonly tid?: number
  readonly uid?: number
  /** The open that the request reads, writes or flushes. */
  readonly fid?: number
  /**
   * The open that the request closes. It is sent after the server has answered all requests with this `fid`, also those
   * whose caller no longer waits: smbd 4.17 crashes if it closes a file whose WRITE it has not finished.
   */
  readonly closes?: number
  /** Flags of SMB_FLAGS2_* beyond those that the connection sets, such as DFS. */
  readonly flags2?: number
  /** Further packets of the same request, sent when the server has accepted the first. */
  readonly secondaries?: ReadonlyArray<{ readonly command: number; readonly body: Uint8Array }>
  /** Called with each response if there can be several; returns whether it was the last, or why it makes no sense. */
  readonly collect?: (reply: Reply) => "more" | "done" | Malformed
}

/**
 * The reply to a request.
 *
 * @since 0.1.0
 */
export interface Reply extends OutstandingRequests.Reply {
  readonly header: Header.Header
}

type Complete = Multiplexer.Complete<Reply>

interface Pending extends OutstandingRequests.OutstandingRequest<Reply> {
  readonly outgoing: Outgoing
  mid: number
  /** The sequence number of the request; its responses have the next one. */
  sequenceNumber: number
  signed: boolean
  sent: boolean
  secondariesSent: boolean
  ticks: number
}

const pid = 0xfeff

/** 0xFE 'S' 'M' 'B', little-endian: the first bytes of a packet of SMB 2 or 3. */
const smb2 = 0x424d53fe

/** DataLength and DataLengthHigh of a READ_ANDX response (MS-SMB 2.2.4.2.2). */
const dataLength = ({ data, packet }: Reply): number => {
  if (data !== undefined) return data.length
  if (packet.length < readDataOffset - 1 || packet[Header.size] !== 12) return 0
  const view = Header.view(packet)
  return view.getUint16(Header.size + 11, true) + view.getUint16(Header.size + 15, true) * 0x10000
}

/**
 * The multiplexer. Made by `Negotiate.connect`, which also fills in what the negotiation decides.
 *
 * @category models
 * @since 0.1.0
 */
export class Connection extends Multiplexer.Multiplexer<Multiplexer.Options> {
  private readonly requests = new OutstandingRequests.OutstandingRequests<Reply, Pending>(
    OutstandingRequests.observer<Pending>(this.options.listener, ({ command }) => ({ command: commandName(command) })),
    this.options.meter && { meter: this.options.meter, commandName, dataLength }
  )
  private waiting: Array<Pending> = []
  private waitingByNature = 0
  private nextMid = 1
  private sign: Signing.Sign | undefined
  private nextSequenceNumber = 0
  /** The most requests in flight: the server's MaxMpxCount. */
  maxMpxCount = 1
  /** Flags2 of every request: Unicode, NT status, extended security. */
  flags2 = 0
  /** Called with each unsolicited LOCKING_ANDX: an oplock break. */
  onBreak: ((reply: Reply) => void) | undefined
  /** Takes over the stream if the server responds to the first packet with SMB 2; returns whether it did. */
  onSmb2: ((packet: Uint8Array) => boolean) | undefined

  constructor(options: Multiplexer.Options) {
    super(options, { peek: readDataOffset })
  }

  /** Requests that wait for a reply. */
  /** Whether a request in flight changes something. */
  get isChanging(): boolean {
    return this.requests.isChanging(() => false)
  }

  get outstanding(): number {
    return this.requests.size
  }

  /** Requests that wait to be sent. */
  get waitingCount(): number {
    return this.waiting.length
  }

  /** Whether requests are signed. */
  get signs(): boolean {
    return this.sign !== undefined
  }

  /**
   * Signs everything from now on. `sequenceNumber` is that of the next request: 2 after the logon, whose last request
   * and response count as 0 and 1.
   */
  startSigning(sign: Signing.Sign, sequenceNumber: number): void {
    this.sign = sign
    this.nextSequenceNumber = sequenceNumber
  }

  // ---------------------------------------------------------------------------
  // out
  // ---------------------------------------------------------------------------

  /**
   * Sends a request when there is room for it. Calls `complete` exactly once, unless the returned function was called
   * before: that function cancels the request.
   */
  submit(outgoing: Outgoing, complete: Complete): () => void {
    const pending: Pending = {
      outgoing,
      mid: 0,
      sequenceNumber: 0,
      signed: false,
      sent: false,
      secondariesSent: false,
      complete,
      ticks: 0
    }
    if (this.failed !== undefined) {
      complete(this.failed, undefined)
      return () => {}
    }
    this.waiting.push(pending)
    this.pump()
    return () => this.abandon(pending)
  }

  /**
   * Sends a message without a response: the acknowledgment of an oplock break. It still uses two sequence numbers,
   * because smbd counts so.
   */
  sendOneWay(outgoing: Outgoing): void {
    if (this.failed !== undefined) return
    this.transmit(outgoing, Header.unsolicited, this.sequence(false))
  }

  private hasRoom(outgoing: Outgoing): boolean {
    if (this.requests.size < this.maxMpxCount) {
      // A request that waits by nature leaves room for one that does not.
      return outgoing.waits !== true || this.waitingByNature < Math.max(1, this.maxMpxCount - 1)
    }
    return false
  }

  private abandon(pending: Pending): void {
    if (pending.complete === undefined) return
    pending.complete = undefined
    if (pending.sent) this.cancel(pending)
    else this.waiting = this.waiting.filter((other) => other !== pending)
  }

  /**
   * Asks the server to cancel a request. The server responds to that request as always, so it is not forgotten here.
   */
  private cancel(pending: Pending): void {
    if (!this.requests.has(pending.mid) || this.failed !== undefined || pending.outgoing.waits !== true) return
    const { tid, uid } = pending.outgoing
    this.transmit(
      {
        command: Command.SMB_COM_NT_CANCEL,
        body: new Uint8Array(3),
        ...(tid === undefined ? {} : { tid }),
        ...(uid === undefined ? {} : { uid })
      },
      pending.mid,
      this.sequence(true)
    )
  }

  private freeMid(): number {
    do {
      this.nextMid = this.nextMid >= 0xfffe ? 1 : this.nextMid + 1
    } while (this.requests.has(this.nextMid))
    return this.nextMid
  }

  /** The next sequence number. A message without a response uses one, any other two. */
  private sequence(oneWay: boolean): number {
    const number = this.nextSequenceNumber
    if (this.sign !== undefined) this.nextSequenceNumber = (number + (oneWay ? 1 : 2)) >>> 0
    return number
  }

  private send(pending: Pending): void {
    pending.mid = this.freeMid()
    pending.sequenceNumber = this.sequence(false)
    pending.signed = this.sign !== undefined
    pending.sent = true
    if (pending.outgoing.waits === true) this.waitingByNature++
    this.requests.add(pending.mid, pending)
    this.transmit(pending.outgoing, pending.mid, pending.sequenceNumber)
  }

  private sendSecondaries(pending: Pending): void {
    pending.secondariesSent = true
    for (const { body, command } of pending.outgoing.secondaries!) {
      pending.sequenceNumber = this.sequence(false)
      this.transmit({ ...pending.outgoing, command, body }, pending.mid, pending.sequenceNumber)
    }
  }

  private transmit(outgoing: Outgoing, mid: number, sequenceNumber: number): void {
    const { body, payload } = outgoing
    const buffer = new Uint8Array(FrameReader.headerSize + Header.size + body.length)
    const message = buffer.subarray(FrameReader.headerSize)
    Header.write(Header.view(message), {
      command: outgoing.command,
      status: 0,
      flags: Flags.SMB_FLAGS_CASE_INSENSITIVE | Flags.SMB_FLAGS_CANONICALIZED_PATHS,
      flags2: this.flags2 | (outgoing.flags2 ?? 0),
      pid,
      tid: outgoing.tid ?? 0,
      uid: outgoing.uid ?? 0,
      mid
    })
    message.set(body, Header.size)
    const chunks = payload === undefined ? [message] : [message, payload]
    if (this.sign !== undefined) Signing.apply(this.sign, chunks, sequenceNumber)
    FrameReader.writeHeader(buffer, message.length + (payload?.length ?? 0))
    this.duplex!.send(payload === undefined ? [buffer] : [buffer, payload])
  }

  /** Whether the server still works on an open that this request closes. */
  private isEarly({ closes, tid }: Outgoing): boolean {
    if (closes === undefined) return false
    for (const { outgoing } of this.requests.values()) {
      if (outgoing.fid === closes && outgoing.tid === tid) return true
    }
    return false
  }

  private pump(): void {
    for (let i = 0; i < this.waiting.length && this.failed === undefined;) {
      const pending = this.waiting[i]!
      if (this.isEarly(pending.outgoing)) i++
      else if (this.hasRoom(pending.outgoing)) {
        this.waiting.splice(i, 1)
        this.send(pending)
      } else if (pending.outgoing.waits === true && this.requests.size < this.maxMpxCount) i++
      else return
    }
  }

  // ---------------------------------------------------------------------------
  // in
  // ---------------------------------------------------------------------------

  /**
   * A large READ response goes straight into the caller's memory, if its data begin at the usual offset. It is verified
   * when it is complete.
   */
  protected claim(head: Uint8Array, length: number): FrameReader.Claim | undefined {
    const view = Header.view(head)
    if (view.getUint32(0, true) !== Header.protocolId || head[4] !== Command.SMB_COM_READ_ANDX) return undefined
    if (view.getUint32(5, true) !== 0 || head[32] !== 12 || head[33] !== Command.SMB_COM_NO_ANDX_COMMAND) {
      return undefined
    }
    const pending = this.requests.get(view.getUint16(30, true))
    if (pending?.outgoing.command !== Command.SMB_COM_READ_ANDX) return undefined
    const count = view.getUint16(43, true) + view.getUint16(47, true) * 0x10000
    if (view.getUint16(45, true) !== readDataOffset || readDataOffset + count !== length) return undefined
    const destination = OutstandingRequests.destination(pending, count)
    return destination === undefined ? undefined : {
      destination,
      complete: (packet) => {
        if (this.failed !== undefined) return
        this.receive(Header.read(Header.view(packet)), [packet, destination], destination)
        if (this.failed === undefined) this.pump()
      }
    }
  }

  protected onFrame(frame: Uint8Array): void {
    const protocolId = frame.length < 4 ? 0 : Header.view(frame).getUint32(0, true)
    if (protocolId !== Header.protocolId) {
      if (this.onSmb2?.(frame) === true) return
      return this.fail(
        protocolId === smb2
          ? this.protocolError(
            "NotSmb",
            `the server at port ${this.options.port} does not speak SMB 1: it answered with a packet of SMB 2 or 3. ` +
              "Offer dialects of SMB 2 or 3, and not `NT1` (`dialects`)"
          )
          : ConnectionErrors.notSmb(this.options, "SMB 1")
      )
    }
    if (frame.length < Header.size + 3) return this.malformed(frame.length, "a header, WordCount and ByteCount")
    this.receive(Header.read(Header.view(frame)), [frame], undefined)
    if (this.failed === undefined) this.pump()
  }

  private malformed(offset: number, expected: string): void {
    this.fail(new Malformed({ structure: "SMB1 packet", offset, expected, server: this.options.server }))
  }

  private receive(header: Header.Header, chunks: ReadonlyArray<Uint8Array>, data: Uint8Array | undefined): void {
    if (header.mid === Header.unsolicited && header.command === Command.SMB_COM_LOCKING_ANDX) {
      this.onBreak?.({ header, packet: chunks[0]! })
      return
    }
    if (!Header.isReply(header)) return this.fail(ConnectionErrors.notAResponse(this.options))
    const pending = this.requests.get(header.mid)
    // No caller waits for it, so it is not used, signed or not (MS-CIFS 3.2.5.1).
    if (pending === undefined) return this.discard()
    if (!answers(pending.outgoing, header.command)) {
      const [request, response] = [pending.outgoing.command, header.command].map(commandName)
      return this.fail(ConnectionErrors.otherCommand(this.options, request!, response!))
    }
    if (pending.signed && this.sign !== undefined) {
      if (!Signing.verify(this.sign, chunks, (pending.sequenceNumber + 1) >>> 0)) {
        const unsigned = (header.flags2 & Flags2.SMB_FLAGS2_SMB_SECURITY_SIGNATURE) === 0
        return this.fail(
          unsigned
            ? this.protocolError(
              "NotSigned",
              "a response in a signed session has no signature. Look for a program that changes packets on the way"
            )
            : this.protocolError(
              "BadSignature",
              "the signature of a response is wrong: the response was changed on the way, or the server signs wrongly. " +
                "Look for a program that changes packets on the way, and offer SMB 2 or 3 (`dialects`)"
            )
        )
      }
    }
    const packet = chunks[0]!
    const unsound = AndX.unsound(packet)
    if (unsound !== undefined) return this.fail(unsound)
    const reply: Reply = data === undefined ? { header, packet } : { header, packet, data }
    const { collect, secondaries } = pending.outgoing
    pending.ticks = 0
    if (header.status === 0 && secondaries !== undefined && !pending.secondariesSent) {
      if (packet[Header.size] !== 0) {
        return this.fail(
          this.protocolError(
            "UnexpectedResponse",
            "the server sent a response before it had the whole request: the server is at fault"
          )
        )
      }
      return this.sendSecondaries(pending)
    }
    if (collect !== undefined) {
      const outcome = collect(reply)
      if (outcome === "more") return
      if (outcome !== "done") return this.fail(outcome)
    }
    if (pending.outgoing.waits === true) this.waitingByNature--
    this.requests.finish(header.mid, pending, reply)
  }

  // ---------------------------------------------------------------------------
  // time and end
  // ---------------------------------------------------------------------------

  protected age(): void {
    const { requestTimeout, tickInterval } = this.options
    for (const pending of this.requests.values()) {
      // SMB 1 can cancel only requests that wait by nature: if another one is lost, the connection ends.
      if (pending.outgoing.waits !== true && ++pending.ticks * tickInterval > requestTimeout) {
        return this.fail(ConnectionErrors.silent(this.options, requestTimeout))
      }
    }
  }

  protected echo(answered: () => void): boolean {
    if (this.flags2 === 0) return false
    this.submit(
      {
        command: Command.SMB_COM_ECHO,
        body: Codec.encode(Echo)({ echoCount: 1, data: Uint8Array.of(0x65) }),
        tid: 0xffff
      },
      answered
    )
    return true
  }

  protected endAll(error: ConnectionError): void {
    const { waiting } = this
    this.waiting = []
    this.requests.failAll(error)
    for (const pending of waiting) {
      const { complete } = pending
      pending.complete = undefined
      complete?.(error, undefined)
    }
  }
}

/** A response has the command of the request, or of one of its further packets. */
const answers = (outgoing: Outgoing, command: number): boolean =>
  outgoing.command === command || outgoing.secondaries?.[0]?.command === command

/**
 * One request and its reply, with any status. Interruption cancels it on the server.
 *
 * @since 0.1.0
 */
export const request = (connection: Connection, outgoing: Outgoing): Effect.Effect<Reply, ConnectionError> =>
  Multiplexer.request(outgoing, (complete) => connection.submit(outgoing, complete))
