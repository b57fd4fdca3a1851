/**
 * One client's connection: reads frames, passes messages to their handlers, and sends the responses, signed or
 * encrypted as required.
 *
 * Buffers: nothing else uses a frame's memory until its request is done, so that a WRITE's payload reaches the store as
 * a view of it. A READ's payload goes from the store to the socket without a copy, and its memory is given back when
 * the socket has taken it. This module does not know what the commands mean.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { timingSafeEqual } from "node:crypto"
import type * as Net from "node:net"
import * as Allocate from "../../../Codec/Allocate.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as FrameReader from "../../../Protocol/FrameReader.ts"
import * as Encryption from "../../../Smb2/Encryption.ts"
import * as Header from "../../../Smb2/Header.ts"
import { anyFileId, type FileId } from "../../../Smb2/Message/Common.ts"
import { Command, Dialect, HeaderFlags, SigningAlgorithm } from "../../../Smb2/Message/Constants.ts"
import * as Message from "../../../Smb2/Message/Message.ts"
import * as Signing from "../../../Smb2/Signing.ts"
import * as Events from "../../Events.ts"
import * as Negotiation from "../Command/Negotiation.ts"
import * as SessionEnd from "../Command/SessionEnd.ts"
import { networkOf } from "../State/Connections.ts"
import { Incoming } from "../State/Incoming.ts"
import type * as Model from "../State/Model.ts"
import type { PendingRequest, Server, Session, Usage } from "../State/Model.ts"
import { initial, type Negotiated } from "../State/Negotiated.ts"
import { errorBody, type Reply } from "../Wire/Reply.ts"
import { dispatch } from "./Dispatch.ts"
import * as Faults from "./Faults.ts"
import { lengthOf, Outgoing } from "./Outgoing.ts"
import { Sequence } from "./Sequence.ts"

const smb1 = 0x424d53ff
const largestHead = 64 * 1024
/**
 * Bytes of the longest frame before a logon: a token of 64 KiB, and the message around it. Before a logon, a client can
 * also leave at most this many bytes of responses unread.
 */
const largestOfStranger = 2 * largestHead
/** The most bytes of a compound's responses that wait to be sent as one frame. */
const largestBatch = 1024 * 1024
const padding = new Uint8Array(8)

const has = (flags: number, flag: number): boolean => (flags & flag) !== 0

/** The values that a message of a compound takes from the one before it. */
interface Related {
  readonly sessionId: bigint
  readonly treeId: number
  readonly fileId: FileId
  readonly status: number
  /** The message before had no session: no message can be related to it. */
  readonly broken: boolean
}

/** Responses of one frame that are not sent yet. */
class Batch {
  readonly responses: Array<{
    readonly chunks: Array<Uint8Array>
    readonly sign: Signing.Sign | undefined
    readonly ready: () => void
  }> = []
  readonly after: Array<() => void> = []
  /** Each one gives back the memory of a payload. */
  readonly releases: Array<() => void> = []
  /** Bytes of the responses. */
  size = 0
  /** The session whose keys decrypted the request. */
  readonly session: Session | undefined

  constructor(session: Session | undefined) {
    this.session = session
  }
}

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
  /** The client's address. */
  readonly address: string
  readonly port: number
  /** The part of the address that counts as one client. */
  readonly network: string
  /** The user who logged on first on this connection. */
  owner: Usage | undefined
  readonly localAddress: string
  failedLogons = 0
  closed = false
  private readonly socket: Net.Socket
  private readonly out: Outgoing
  private readonly frames: FrameReader.FrameReader
  private readonly sequence: Sequence
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
    this.sequence = new Sequence(server.limits.credits)
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
        return this.out.send([this.packet(Command.NEGOTIATE, body)])
      }
      default:
        return this.close()
    }
  }

  private packet(command: number, body: Uint8Array): Uint8Array {
    const packet = new Uint8Array(Header.size + body.length)
    Header.write(Header.view(packet), 0, {
      creditCharge: 0,
      status: 0,
      command,
      credits: this.sequence.grant(1),
      flags: HeaderFlags.SMB2_FLAGS_SERVER_TO_REDIR,
      nextCommand: 0,
      messageId: 0,
      asyncId: 0n,
      treeId: 0,
      sessionId: 0n
    })
    packet.set(body, Header.size)
    return packet
  }

  /** Splits a compound. Takes the credits of all messages before the first one runs. */
  private onMessages(packet: Uint8Array, decryptedBy: Session | undefined): void {
    const batch = new Batch(decryptedBy)
    const all: Array<Incoming> = []
    const view = Header.view(packet)
    for (let at = 0;;) {
      if (packet.length - at < Header.size + 2 || view.getUint32(at, true) !== Header.protocolId) return this.close()
      if (view.getUint16(at + 4, true) !== Header.size) return this.close()
      const header = Header.read(view, at)
      const { nextCommand } = header
      if (nextCommand !== 0 && (nextCommand < Header.size + 2 || nextCommand % 8 !== 0)) return this.close()
      const end = nextCommand === 0 ? packet.length : at + nextCommand
      if (end > packet.length || has(header.flags, HeaderFlags.SMB2_FLAGS_SERVER_TO_REDIR)) return this.close()
      const whole = at === 0 && end === packet.length ? packet : packet.subarray(at, end)
      const incoming = new Incoming(
        this,
        header,
        whole,
        has(header.flags, HeaderFlags.SMB2_FLAGS_SIGNED),
        decryptedBy,
        (waiting) => this.interim(batch, waiting)
      )
      if (header.command !== Command.CANCEL) {
        const charge = this.negotiated.multiCredit ? Math.max(header.creditCharge, 1) : 1
        if (!this.sequence.take(header.messageId, charge)) return this.close()
      }
      incoming.last = nextCommand === 0
      all.push(incoming)
      if (nextCommand === 0) break
      at = end
    }
    this.server.run(this.runAll(all, batch))
  }

  private runAll(all: ReadonlyArray<Incoming>, batch: Batch): Effect.Effect<void> {
    const only = all[0]!
    if (all.length === 1) {
      if (has(only.header.flags, HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS)) {
        return Effect.sync(() => {
          this.respond(batch, only, { status: NtStatus.STATUS_INVALID_PARAMETER, body: errorBody() })
          this.flush(batch)
        })
      }
      const run = Effect.map(this.handle(only, batch), (reply) => {
        if (reply !== undefined) this.respond(batch, only, reply)
        this.flush(batch)
        if (reply?.consumed === true) this.server.buffers.give(only.packet)
      })
      return this.out.isCrowded
        ? Effect.andThen(this.out.fetched, Effect.suspend(() => this.closed ? Effect.void : run))
        : run
    }
    return Effect.gen({ self: this }, function*() {
      let related: Related | undefined
      for (const incoming of all) {
        // A request of a few bytes can have a large response.
        if (batch.size > largestBatch) this.flush(batch)
        if (this.out.isCrowded) yield* this.out.fetched
        if (this.closed) return
        const { flags, sessionId, treeId } = incoming.header
        const isRelated = has(flags, HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS)
        if (isRelated && (related === undefined || related.broken)) {
          this.respond(batch, incoming, { status: NtStatus.STATUS_INVALID_PARAMETER, body: errorBody() })
          continue
        }
        const from = isRelated ? related! : { sessionId, treeId, fileId: anyFileId, status: 0, broken: false }
        if (isRelated) incoming.relatedFileId = from.fileId
        const header = isRelated ? { ...incoming.header, sessionId: from.sessionId, treeId: from.treeId } : undefined
        const actual = header === undefined ? incoming : incoming.as(header)
        const failed = isRelated && from.status !== 0 && from.fileId.volatile === anyFileId.volatile
        const reply = yield* this.handle(actual, batch, failed ? from.status : 0)
        if (reply === undefined) continue
        this.respond(batch, actual, reply)
        const fileId = reply.fileId ?? from.fileId
        const creates = actual.header.command === Command.CREATE
        related = {
          sessionId: reply.sessionId ?? actual.header.sessionId,
          treeId: reply.treeId ?? actual.header.treeId,
          fileId: creates && reply.fileId === undefined ? anyFileId : fileId,
          broken: actual.session === undefined && reply.sessionId === undefined && reply.status !== 0,
          status: creates
            ? reply.status
            : from.status !== 0
            ? from.status
            : reply.status >>> 30 === 3
            ? reply.status
            : 0
        }
      }
      this.flush(batch)
    })
  }

  /** Runs one request; `undefined` if it has no response. */
  private handle(incoming: Incoming, batch: Batch, failedBefore = 0): Effect.Effect<Reply | undefined> {
    return dispatch(incoming, failedBefore).pipe(
      Effect.catch((refusal) => {
        const reply = Effect.succeed<Reply>({
          status: refusal.status,
          body: errorBody(refusal.data, refusal.contexts),
          ...refusal.sessionId === undefined ? {} : { sessionId: refusal.sessionId }
        })
        return refusal.fault === undefined ? reply : Effect.andThen(Faults.tell(incoming, refusal.fault), reply)
      }),
      Effect.catchDefect((defect) =>
        Effect.as(
          Events.broken(`the handler of ${Message.commandName(incoming.header.command)}`, Cause.die(defect)),
          { status: NtStatus.STATUS_INTERNAL_ERROR, body: errorBody() } as Reply
        )
      )
    )
  }

  // ---------------------------------------------------------------------------
  // out
  // ---------------------------------------------------------------------------

  private respond(batch: Batch, incoming: Incoming, reply: Reply): void {
    const { header } = incoming
    const { body, data, status } = reply
    const asynchronous = incoming.asyncId !== 0n
    const interim = asynchronous && status === NtStatus.STATUS_PENDING
    const head = new Uint8Array(Header.size + body.length)
    const charge = Math.max(header.creditCharge, 1)
    const sessionId = reply.sessionId ?? header.sessionId
    Header.write(Header.view(head), 0, {
      creditCharge: header.creditCharge,
      status,
      command: header.command,
      // A request that waited got its credits with the interim response.
      credits: asynchronous && !interim ? 0 : this.sequence.grant(Math.max(header.credits, charge)),
      flags: HeaderFlags.SMB2_FLAGS_SERVER_TO_REDIR | (asynchronous ? HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND : 0) |
        (header.flags & (HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS | HeaderFlags.SMB2_FLAGS_PRIORITY_MASK |
          HeaderFlags.SMB2_FLAGS_DFS_OPERATIONS | HeaderFlags.SMB2_FLAGS_REPLAY_OPERATION)),
      nextCommand: 0,
      messageId: header.messageId,
      asyncId: incoming.asyncId,
      treeId: reply.treeId ?? header.treeId,
      sessionId
    })
    head.set(body, Header.size)
    const chunks = data === undefined || data.length === 0 ? [head] : [head, data]
    batch.size += lengthOf(chunks)
    batch.responses.push({
      chunks,
      sign: this.signer(incoming, sessionId, interim, status),
      // The hash of a logon covers the response exactly as it is sent, with its signature.
      ready: () => Negotiation.remember(this, incoming, sessionId, status, chunks)
    })
    if (reply.sent !== undefined) batch.after.push(reply.sent)
    if (reply.release !== undefined) batch.releases.push(reply.release)
  }

  /** The signer of a response, if it is signed (MS-SMB2 3.3.4.1.1). */
  private signer(incoming: Incoming, sessionId: bigint, interim: boolean, status: number): Signing.Sign | undefined {
    if (interim || incoming.encrypted) return undefined
    const session = this.sessions.get(sessionId) ?? incoming.session
    const logon = incoming.header.command === Command.SESSION_SETUP
    const sign = session?.channels.get(this)?.sign ?? this.foreign(incoming, sessionId)
    if (sign === undefined) return undefined
    const logsOn = logon && status === 0
    return incoming.signed || logsOn || session?.signRequired === true && session.valid ? sign : undefined
  }

  /**
   * The keys of a session that does not belong to this connection, for a client whose signature proves that it has
   * them: without a signature the client would not trust the response. With AES-GMAC only logons get such a response,
   * as binding requires: two messages with the same nonce reveal its secret, and an attacker could repeat any captured
   * signed request here.
   */
  private foreign(incoming: Incoming, sessionId: bigint): Signing.Sign | undefined {
    if (!incoming.signed) return undefined
    const session = incoming.session ?? this.server.sessions.get(sessionId)
    if (session?.sign === undefined) return undefined
    const logon = incoming.header.command === Command.SESSION_SETUP
    if (!logon && session.signing === SigningAlgorithm.AES_GMAC) return undefined
    return this.verifies(session.sign, incoming) ? session.sign : undefined
  }

  private interim(batch: Batch, incoming: Incoming): void {
    this.flush(batch)
    this.respond(batch, incoming, { status: NtStatus.STATUS_PENDING, body: errorBody() })
    this.flush(batch)
  }

  /** Sends the responses of a batch as one frame. */
  private flush(batch: Batch): void {
    const { after, responses, session } = batch
    if (responses.length === 0) return
    const all: Array<Uint8Array> = []
    for (let i = 0; i < responses.length; i++) {
      const { chunks: parts, ready, sign } = responses[i]!
      const head = parts[0]!
      // The last of several responses is padded too, as Windows does.
      if (responses.length > 1) {
        const length = lengthOf(parts)
        const over = length % 8
        if (over !== 0) parts.push(padding.subarray(over))
        const next = over === 0 ? length : length + 8 - over
        if (i < responses.length - 1) Header.view(head).setUint32(20, next, true)
      }
      if (sign !== undefined) Signing.apply(sign, parts, "server", Header.read(Header.view(head)).messageId, false)
      ready()
      for (const part of parts) all.push(part)
    }
    responses.length = 0
    batch.size = 0
    const releases = batch.releases.splice(0)
    const release = releases.length === 0 ? undefined : () => releases.forEach((run) => run())
    if (session?.encrypt === undefined) {
      this.out.send(all, release)
    } else {
      const sealed = session.encrypt(all)
      release?.()
      this.out.send(sealed, () => sealed.forEach(Allocate.release))
    }
    for (const run of after.splice(0)) run()
  }

  /**
   * Sends an unsolicited message: an OPLOCK_BREAK. It is never signed, but encrypted if the session or its share is.
   */
  notify(session: Session, encrypted: boolean, response: Message.Response): void {
    const packet = this.packet(Command.OPLOCK_BREAK, Message.encodeResponse(response))
    packet.fill(0xff, 24, 32)
    Header.view(packet).setUint16(14, 0, true)
    const encrypts = (encrypted || session.encryptRequired) && session.encrypt !== undefined
    this.out.send(encrypts ? session.encrypt!([packet]) : [packet])
  }

  /** Whether a request's signature is valid under a session's keys. */
  verifies(sign: Signing.Sign, incoming: Model.SignedMessage): boolean {
    const { header, packet } = incoming
    const claimed = packet.slice(Header.signatureOffset, Header.signatureOffset + 16)
    packet.fill(0, Header.signatureOffset, Header.signatureOffset + 16)
    const expected = sign([packet], "client", header.messageId, header.command === Command.CANCEL)
    // The hash of a logon needs the message as it came.
    packet.set(claimed, Header.signatureOffset)
    return timingSafeEqual(claimed, expected.subarray(0, 16))
  }

  /** Whether a request's credit charge covers a payload of `bytes`, that it has or asks for. */
  allows(incoming: Model.SignedMessage, bytes: number): boolean {
    if (!this.negotiated.multiCredit) return bytes <= 65536 || this.dialect === Dialect.SMB_2_0_2
    return bytes <= Math.max(incoming.header.creditCharge, 1) * 65536
  }
}
