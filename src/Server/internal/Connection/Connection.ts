/**
 * One client's connection: its life, and the messages in the frames that it receives. `Requests` runs them, and
 * `Responses` sends what they give.
 *
 * Buffers: nothing else uses a frame's memory until its request is done, so that a WRITE's payload reaches the store as
 * a view of it. A READ's payload goes from the store to the socket without a copy, and its memory is given back when
 * the socket has taken it. This module does not know what the commands mean.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Net from "node:net"
import { has } from "../../../Codec/Flags.ts"
import * as FrameReader from "../../../Protocol/FrameReader.ts"
import * as Compound from "../../../Smb2/Compound.ts"
import * as Encryption from "../../../Smb2/Encryption.ts"
import * as Header from "../../../Smb2/Header.ts"
import { Command, HeaderFlags } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/Message.ts"
import * as Signing from "../../../Smb2/Signing.ts"
import * as Events from "../../Events.ts"
import * as Negotiation from "../Command/Negotiation.ts"
import * as SessionEnd from "../Command/SessionEnd.ts"
import { Cancelled } from "../State/Cancelled.ts"
import { networkOf } from "../State/Connections.ts"
import { Incoming } from "../State/Incoming.ts"
import type * as Model from "../State/Model.ts"
import type { PendingRequest, Server, Session, Usage } from "../State/Model.ts"
import { initial, type Negotiated } from "../State/Negotiated.ts"
import { CommandSequenceWindow } from "./CommandSequenceWindow.ts"
import { Outgoing } from "./Outgoing.ts"
import * as Requests from "./Requests.ts"
import { Batch, Responses } from "./Responses.ts"

const smb1 = 0x424d53ff
const largestHead = 64 * 1024
/**
 * Bytes of the longest frame before a logon: a token of 64 KiB, and the message around it. Before a logon, a client can
 * also leave at most this many bytes of responses unread.
 */
const largestOfStranger = 2 * largestHead

/**
 * @category models
 */
export class Connection implements Model.Connection {
  readonly server: Server
  readonly negotiated: Negotiated = initial()
  readonly sessions = new Map<bigint, Session>()
  /** Sessions of other connections that this one has begun to bind. */
  readonly binding = new Set<Session>()
  readonly pending = new Map<bigint, PendingRequest>()
  readonly cancelled = new Cancelled<Session>()
  /** The client's address. */
  readonly address: string
  readonly port: number
  /** The part of the address that counts as one client. */
  readonly network: string
  /** The user who logged on first on this connection. */
  owner: Usage | undefined
  readonly localAddress: string
  readonly localPort: number
  failedLogons = 0
  constrained = true
  closed = false
  private readonly socket: Net.Socket
  private readonly out: Outgoing
  private readonly frames: FrameReader.FrameReader
  private readonly sequence: CommandSequenceWindow
  private readonly responses: Responses
  private asyncId = 1n
  /** Callbacks that wait for the connection's end. */
  private readonly awaited = new Set<() => void>()

  constructor(server: Server, socket: Net.Socket) {
    this.server = server
    this.socket = socket
    this.out = new Outgoing(socket, Math.min(server.limits.unsent, largestOfStranger))
    this.address = socket.remoteAddress ?? ""
    this.port = socket.remotePort ?? 0
    this.network = networkOf(this.address)
    this.localAddress = socket.localAddress ?? ""
    this.localPort = socket.localPort ?? 0
    this.sequence = new CommandSequenceWindow(server.limits.credits)
    this.responses = new Responses(this, this.out, this.sequence)
    this.frames = new FrameReader.FrameReader(largestOfStranger, {
      peek: 0,
      allocate: (length) => server.buffers.take(length),
      claimFrom: Number.POSITIVE_INFINITY,
      claim: () => undefined,
      onFrame: (frame) => this.onFrame(frame),
      onError: () => this.close()
    })
  }

  /**
   * The limit that this connection would exceed as one of this user. Undefined if a user has logged on by it before.
   */
  reached(usage: Usage): "connections" | "addressConnections" | "userConnections" | undefined {
    if (this.owner !== undefined) return undefined
    const { connections, limits } = this.server
    return usage.connections >= limits.userConnections ? "userConnections" : connections.full(this.network)
  }

  /** A user has logged on: from now on frames, and unread responses, can be as large as the limits allow. */
  admit(usage: Usage): void {
    if (this.closed || this.owner !== undefined) return
    this.owner = usage
    usage.connections++
    this.server.connections.admit(this)
    this.frames.maximumLength = this.server.limits.transfer + largestHead
    this.out.most = this.server.limits.unsent
  }

  nextAsyncId(): bigint {
    return this.asyncId++
  }

  get dialect(): number {
    return this.negotiated.dialect
  }

  /** The credits that the client has and has not used. */
  get credits(): number {
    return this.sequence.available
  }

  get traffic(): { readonly received: number; readonly sent: number } {
    return { received: this.socket.bytesRead, sent: this.socket.bytesWritten }
  }

  /** When the last bytes came: milliseconds of `performance.now()`. */
  lastReceived = performance.now()

  /** Whether the client has no open and no request under way. */
  get isIdle(): boolean {
    if (this.pending.size > 0) return false
    for (const { opens } of this.sessions.values()) if (opens.size > 0) return false
    return true
  }

  /** Takes a chunk from the socket. Reads it only during the call. */
  onData(chunk: Uint8Array): void {
    this.lastReceived = performance.now()
    if (!this.closed) this.frames.push(chunk)
  }

  /** The memory for the next bytes, in the middle of a frame. */
  get room(): Uint8Array | undefined {
    return this.closed ? undefined : this.frames.room
  }

  /** The socket has put `count` bytes into `room`. */
  onArrived(count: number): void {
    this.lastReceived = performance.now()
    if (!this.closed) this.frames.arrived(count)
  }

  /** Runs when the connection is closed. */
  onClose: () => void = () => {}

  /** Waits until the connection is closed. */
  readonly ended: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.closed) return resume(Effect.void)
    const end = () => resume(Effect.void)
    this.awaited.add(end)
    return Effect.sync(() => this.awaited.delete(end))
  })

  /** Ends the connection, and everything that depends on it. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.server.connections.leave(this)
    if (this.owner !== undefined) {
      this.owner.connections--
      this.owner.release()
    }
    this.frames.end()
    this.onClose()
    const { received, sent } = this.traffic
    this.server.traffic.received += received
    this.server.traffic.sent += sent
    this.socket.destroy()
    this.out.close()
    for (const end of Array.from(this.awaited)) end()
    this.server.runToEnd(Effect.andThen(Events.disconnected(this), SessionEnd.disconnect(this)))
  }

  // ---------------------------------------------------------------------------
  // in
  // ---------------------------------------------------------------------------

  private onFrame(frame: Uint8Array): void {
    if (this.closed) return
    if (frame.length < 4) return this.close()
    switch (Header.view(frame).getUint32(0, true)) {
      case Header.protocolId:
        return this.onMessages(frame, undefined)
      case Encryption.protocolId: {
        if (this.constrained) return this.close()
        const transform = Encryption.readHeader(frame)
        const session = transform === undefined ? undefined : this.sessions.get(transform.sessionId)
        if (session?.decrypt === undefined || transform!.originalMessageSize > frame.length) return this.close()
        // A large decrypted message is placed over its encrypted form.
        const plain = session.decrypt(frame, { peek: 0, place: () => frame.subarray(Encryption.headerSize) })
        return plain === undefined ? this.close() : this.onMessages(plain.data ?? plain.packet, session)
      }
      case smb1: {
        const body = Negotiation.multiProtocol(this, frame)
        if (body === undefined) return this.close()
        if (!this.sequence.take(0, 1)) return this.close()
        return this.responses.send(Command.NEGOTIATE, body)
      }
      default:
        return this.close()
    }
  }

  /** Cuts a compound. Takes the credits of all messages before the first one runs. */
  private onMessages(packet: Uint8Array, decryptedBy: Session | undefined): void {
    const batch = new Batch(decryptedBy)
    const all: Array<Incoming> = []
    const onWait = (waiting: Incoming) => this.responses.interim(batch, waiting)
    for (let at = 0;;) {
      const found = Compound.segment(packet, at)
      if (Result.isFailure(found)) return this.close()
      const { bytes, header } = found.success
      if (has(header.flags, HeaderFlags.SMB2_FLAGS_SERVER_TO_REDIR)) return this.close()
      if (header.command !== Command.CANCEL) {
        const charge = this.negotiated.multiCredit ? Math.max(header.creditCharge, 1) : 1
        if (!this.sequence.take(header.messageId, charge)) return this.close()
      }
      const isSigned = has(header.flags, HeaderFlags.SMB2_FLAGS_SIGNED)
      const incoming = new Incoming(this, header, bytes, isSigned, decryptedBy, onWait)
      incoming.last = header.nextCommand === 0
      all.push(incoming)
      if (incoming.last) break
      at += header.nextCommand
    }
    this.server.run(Requests.run(this, all, batch, this.responses, this.out))
  }

  notify(session: Session, encrypted: boolean, response: Message.Response): void {
    this.responses.notify(session, encrypted, response)
  }

  verifies(sign: Signing.Sign, { header, packet }: Model.SignedMessage): boolean {
    return Signing.verify(sign, [packet], "client", header.messageId, header.command === Command.CANCEL)
  }

  allows({ header }: Model.SignedMessage, bytes: number): boolean {
    return !this.negotiated.multiCredit || bytes <= Math.max(header.creditCharge, 1) * 65536
  }
}
