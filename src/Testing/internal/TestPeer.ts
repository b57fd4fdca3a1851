/**
 * The server's end of one connection in the test kit: framing, compounds, credits, signatures, delayed responses.
 * `TestService` makes the responses, and `TestScript` the faults.
 *
 * It signs and encrypts by the same functions as the client, so it proves nothing about them: published vectors and
 * real servers do.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { has } from "../../Codec/Flags.ts"
import { NtStatus } from "../../Codec/NtStatus.ts"
import { TransportError } from "../../Protocol/Errors.ts"
import * as FrameReader from "../../Protocol/FrameReader.ts"
import type * as Transport from "../../Protocol/Transport.ts"
import * as Encryption from "../../Smb2/Encryption.ts"
import * as Header from "../../Smb2/Header.ts"
import { anyFileId } from "../../Smb2/Message/Common.ts"
import { Command, HeaderFlags } from "../../Smb2/Message/Constants.ts"
import * as Message from "../../Smb2/Message/Message.ts"
import * as Signing from "../../Smb2/Signing.ts"
import type { Received } from "../TestServer.ts"
import {
  bodyOf,
  errorBody,
  frame,
  type Natural,
  next,
  type Part,
  type Related,
  statusOf,
  Unexpected
} from "./TestExchange.ts"
import type * as TestLogon from "./TestLogon.ts"
import * as TestScript from "./TestScript.ts"
import { TestService } from "./TestService.ts"
import type { State } from "./TestState.ts"

const smb1 = 0x424d53ff
const mebibyte = 1024 * 1024

/** A message that belongs to no session. */
const outsideSession = (
  response: Message.Response,
  header: Pick<Header.Header, "command" | "credits" | "messageId">
): Uint8Array => {
  const body = Message.encodeResponse(response)
  const packet = new Uint8Array(Header.size + body.length)
  Header.write(Header.view(packet), 0, {
    creditCharge: 0,
    status: 0,
    flags: HeaderFlags.SMB2_FLAGS_SERVER_TO_REDIR,
    nextCommand: 0,
    asyncId: 0n,
    treeId: 0,
    sessionId: 0n,
    ...header
  })
  packet.set(body, Header.size)
  return packet
}

/**
 * One connection of a client to a server in memory.
 *
 * @category models
 */
export class TestPeer {
  readonly number: number
  private readonly state: State
  private readonly endpoint: Transport.Endpoint
  private readonly handlers: Transport.Handlers
  private readonly scope: Scope.Scope
  private readonly inbox: Queue.Queue<Uint8Array>
  private readonly frames: FrameReader.FrameReader
  private readonly service: TestService
  private readonly waiting = new Map<number, Fiber.Fiber<void>>()
  private open = true
  private readonly script: TestScript.Script

  constructor(
    number: number,
    state: State,
    endpoint: Transport.Endpoint,
    handlers: Transport.Handlers,
    scope: Scope.Scope,
    inbox: Queue.Queue<Uint8Array>
  ) {
    this.number = number
    this.state = state
    this.script = new TestScript.Script(state)
    this.service = new TestService(number, state)
    this.endpoint = endpoint
    this.handlers = handlers
    this.scope = scope
    this.inbox = inbox
    this.frames = new FrameReader.FrameReader(16 * mebibyte, {
      peek: 0,
      claimFrom: Number.POSITIVE_INFINITY,
      claim: () => undefined,
      onFrame: (frame) => void Queue.offerUnsafe(inbox, frame),
      onError: () => this.hangUp("the client sent a frame that is none")
    })
  }

  // ---------------------------------------------------------------------------
  // the stream
  // ---------------------------------------------------------------------------

  send(chunks: ReadonlyArray<Uint8Array>): void {
    if (this.open) { for (const chunk of chunks) this.frames.push(chunk) }
  }

  /** The client has closed. */
  close(): void {
    if (this.open) this.end("client")
  }

  private end(by: "client" | "server"): void {
    this.open = false
    this.state.peers.delete(this)
    this.state.watch?.({ _tag: "Close", server: this.endpoint.host, connection: this.number, by })
  }

  /** Ends the connection from this side. */
  hangUp(detail?: string): void {
    if (!this.open) return
    this.end("server")
    this.handlers.onClose(
      new TransportError({
        reason: { _tag: "ConnectionClosed" },
        server: this.endpoint.host,
        port: this.endpoint.port,
        ...(detail === undefined ? {} : { detail })
      })
    )
  }

  /** Sends raw bytes, without a frame. */
  deliver(bytes: Uint8Array): void {
    if (this.open) this.handlers.onData(bytes)
  }

  /** Sends an unsolicited message: an OPLOCK_BREAK. */
  notify(response: Message.Response): void {
    this.deliver(
      frame([outsideSession(response, { command: Command.OPLOCK_BREAK, credits: 0, messageId: Header.unsolicited })])
    )
  }

  readonly run: Effect.Effect<never> = Effect.suspend(() =>
    Effect.forever(Effect.flatMap(Queue.take(this.inbox), (packet) => this.open ? this.onPacket(packet) : Effect.void))
  )

  // ---------------------------------------------------------------------------
  // in
  // ---------------------------------------------------------------------------

  private onPacket(packet: Uint8Array): Effect.Effect<void> {
    if (packet.length < 4) return this.breakOff("a packet of less than four bytes")
    switch (Header.view(packet).getUint32(0, true)) {
      case smb1:
        return this.onMultiProtocol(packet)
      case Encryption.protocolId: {
        const transform = Encryption.readHeader(packet)
        const session = transform === undefined ? undefined : this.service.sessions.get(transform.sessionId)
        const plain = session?.decrypt?.(packet)
        return plain === undefined
          ? this.breakOff("a packet that cannot be decrypted")
          : this.onMessages(plain.packet, session)
      }
      case Header.protocolId:
        return this.onMessages(packet, undefined)
      default:
        return this.breakOff("a packet of no known protocol")
    }
  }

  private breakOff(detail: string): Effect.Effect<void> {
    return Effect.sync(() => this.hangUp(detail))
  }

  private onMultiProtocol(packet: Uint8Array): Effect.Effect<void> {
    const response = this.service.multiProtocol(packet)
    return Effect.sync(() =>
      this.deliver(frame([outsideSession(response, { command: Command.NEGOTIATE, credits: 1, messageId: 0 })]))
    )
  }

  /** All requests of a compound, and one packet with all responses. */
  private onMessages(packet: Uint8Array, decryptedBy: TestLogon.Session | undefined): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      const parts: Array<Part> = []
      let at = 0
      let related: Related = { sessionId: 0n, treeId: 0, fileId: anyFileId, status: 0 }
      while (at < packet.length) {
        if (packet.length - at < Header.size + 2) return this.hangUp("a header and a body were due")
        const header = Header.read(Header.view(packet), at)
        const end = header.nextCommand === 0 ? packet.length : at + header.nextCommand
        if (end > packet.length || header.nextCommand !== 0 && header.nextCommand < Header.size) {
          return this.hangUp("a NextCommand that leads outside of the packet")
        }
        const decoded = Message.decodeRequest(header.command, packet, at + Header.size, end)
        if (decoded._tag === "Failure") return this.hangUp(decoded.failure.message)
        const received: Received = {
          command: decoded.success._tag,
          header,
          request: decoded.success,
          packet: packet.slice(at, end),
          signed: has(header.flags, HeaderFlags.SMB2_FLAGS_SIGNED),
          encrypted: decryptedBy !== undefined
        }
        if (!has(header.flags, HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS)) {
          related = { sessionId: header.sessionId, treeId: header.treeId, fileId: anyFileId, status: 0 }
        }
        this.state.log.push({
          server: this.endpoint.host,
          connection: this.number,
          command: received.command,
          header,
          request: received.request,
          signed: received.signed,
          encrypted: received.encrypted
        })
        this.tell(received, related.treeId, undefined)
        if (received.command === "CANCEL") {
          yield* this.cancel(header)
        } else {
          const reaction = this.script.reaction(received)
          if (reaction === "drop") return this.hangUp()
          if (reaction instanceof Unexpected) return this.hangUp(reaction.detail)
          if (reaction === "garbage") return this.deliver(frame([new Uint8Array(64).fill(0x47)]))
          // A request that is refused, or never answered, has no effect.
          const skips = reaction === "silence" || reaction.packet !== undefined ||
            (reaction.status !== undefined || reaction.response !== undefined || reaction.body !== undefined) &&
              received.command !== "NEGOTIATE" && received.command !== "SESSION_SETUP"
          const natural: Natural = skips ? { status: 0 } : yield* this.service.answer(received, related, decryptedBy)
          related = next(related, natural, received)
          parts.push({ received, natural, reaction: reaction === "silence" ? { silent: true } : reaction })
        }
        at = end
      }
      yield* this.answer(parts, decryptedBy)
    })
  }

  /** Tells the watcher of a request, or of its response. */
  private tell(received: Received, treeId: number, status: number | undefined): void {
    const seen = {
      server: this.endpoint.host,
      connection: this.number,
      received,
      tree: this.service.treePath(treeId)
    }
    this.state.watch?.(status === undefined ? { _tag: "Request", ...seen } : { _tag: "Answer", ...seen, status })
  }

  private cancel(header: Header.Header): Effect.Effect<void> {
    const fiber = this.waiting.get(header.messageId)
    return fiber === undefined ? Effect.void : Effect.asVoid(Effect.forkIn(Fiber.interrupt(fiber), this.scope))
  }

  // ---------------------------------------------------------------------------
  // out
  // ---------------------------------------------------------------------------

  private answer(parts: ReadonlyArray<Part>, decryptedBy: TestLogon.Session | undefined): Effect.Effect<void> {
    const spoken = parts.filter(({ reaction }) => reaction.silent !== true)
    if (spoken.length === 0) return Effect.void
    const first = spoken[0]!
    const asynchronous = spoken.length === 1 && (first.reaction.pending === true || first.natural.waits === true)
    const slow = spoken.find(({ reaction }) => reaction.delay !== undefined)?.reaction.delay
    const send = (interim: boolean, cancelled: boolean) =>
      Effect.sync(() => this.write(spoken, decryptedBy, asynchronous, interim, cancelled))
    if (!asynchronous && slow === undefined) return send(false, false)
    const { messageId } = first.received.header
    const wait = first.natural.waits === true && slow === undefined ? Effect.never : Effect.sleep(slow ?? 0)
    return Effect.gen({ self: this }, function*() {
      if (asynchronous) yield* send(true, false)
      const fiber = yield* wait.pipe(
        Effect.andThen(send(false, false)),
        Effect.onInterrupt(() => send(false, true)),
        Effect.ensuring(Effect.sync(() => this.waiting.delete(messageId))),
        Effect.forkIn(this.scope)
      )
      if (spoken.some(({ reaction }) => reaction.uncancellable === true)) return
      for (const { received } of spoken) this.waiting.set(received.header.messageId, fiber)
    })
  }

  private write(
    parts: ReadonlyArray<Part>,
    decryptedBy: TestLogon.Session | undefined,
    asynchronous: boolean,
    interim: boolean,
    cancelled: boolean
  ): void {
    if (!this.open) return
    const packets: Array<Uint8Array> = []
    const charge = parts.reduce((sum, { received }) => sum + Math.max(received.header.creditCharge, 1), 0)
    for (const [i, part] of parts.entries()) {
      const last = i === parts.length - 1
      const { natural, reaction, received } = part
      if (reaction.packet !== undefined) {
        packets.push(reaction.packet)
        this.tell(received, received.header.treeId, 0)
        continue
      }
      const status = interim
        ? NtStatus.STATUS_PENDING
        : cancelled
        ? NtStatus.STATUS_CANCELLED
        : statusOf(reaction, natural)
      const body = interim || cancelled ? errorBody() : bodyOf(reaction, natural)
      const length = Header.size + body.length
      const packet = new Uint8Array(last ? length : length + 7 & ~7)
      const granted = reaction.credits ?? this.state.options.credits
      const asked = last ? Math.max(received.header.credits, charge) : 0
      const { command, messageId } = received.header
      Header.write(Header.view(packet), 0, {
        creditCharge: received.header.creditCharge,
        status,
        command,
        // For an asynchronous request, the interim response has the credits.
        credits: asynchronous && !interim ? 0 : granted ?? asked,
        flags: HeaderFlags.SMB2_FLAGS_SERVER_TO_REDIR |
          (asynchronous ? HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND : 0) |
          (received.header.flags & HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS),
        nextCommand: last ? 0 : packet.length,
        messageId,
        asyncId: asynchronous ? BigInt(messageId) + 0x100n : 0n,
        treeId: natural.treeId ?? received.header.treeId,
        sessionId: natural.sessionId ?? received.header.sessionId,
        ...reaction.header
      })
      packet.set(body, Header.size)
      this.tell(received, received.header.treeId, status)
      this.service.remember(received, natural, packet)
      this.sign(part, packet, decryptedBy, status, interim)
      packets.push(reaction.tamper === undefined ? packet : reaction.tamper(packet))
    }
    const encrypt = decryptedBy?.encrypt
    const bytes = frame(encrypt === undefined ? packets : encrypt([Buffer.concat(packets)]))
    const cut = parts.find(({ reaction }) => reaction.cutAfter !== undefined)?.reaction.cutAfter
    this.deliver(cut === undefined ? bytes : bytes.subarray(0, cut))
    if (cut !== undefined) this.hangUp()
  }

  private sign(
    { natural, reaction, received }: Part,
    packet: Uint8Array,
    decryptedBy: TestLogon.Session | undefined,
    status: number,
    interim: boolean
  ): void {
    const session = this.service.sessions.get(natural.sessionId ?? received.header.sessionId)
    if (session?.sign === undefined || decryptedBy !== undefined || interim || reaction.signature === "none") return
    const final = received.command === "SESSION_SETUP" && status === 0
    if (!received.signed && !final) return
    Signing.apply(session.sign, [packet], "server", received.header.messageId, false)
    if (reaction.signature === "wrong") packet[Header.signatureOffset]! ^= 0xff
  }
}
