/**
 * Responses of a connection: headers with their credits, signatures or encryption, and one frame for the responses of
 * a compound (MS-SMB2 3.3.4.1).
 *
 * Buffers: a READ's payload goes from the store to the socket without a copy. Its memory is given back when the socket
 * has taken it.
 */
import * as Allocate from "../../../Codec/Allocate.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as Header from "../../../Smb2/Header.ts"
import { Command, HeaderFlags, SigningAlgorithm } from "../../../Smb2/Message/Constants.ts"
import * as Message from "../../../Smb2/Message/Message.ts"
import * as Signing from "../../../Smb2/Signing.ts"
import * as Negotiation from "../Command/Negotiation.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { Connection, Session } from "../State/Model.ts"
import { errorBody, type Reply } from "../Wire/Reply.ts"
import type { CommandSequenceWindow } from "./CommandSequenceWindow.ts"
import { lengthOf, type Outgoing } from "./Outgoing.ts"

const padding = new Uint8Array(8)

/** Responses of one frame that are not sent yet. */
export class Batch {
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
export class Responses {
  readonly #connection: Connection
  readonly #out: Outgoing
  readonly #sequence: CommandSequenceWindow

  constructor(connection: Connection, out: Outgoing, sequence: CommandSequenceWindow) {
    this.#connection = connection
    this.#out = out
    this.#sequence = sequence
  }

  /** Sends a response that is neither signed nor encrypted. */
  send(command: number, body: Uint8Array): void {
    this.#out.send([this.packet(command, body)])
  }

  private packet(command: number, body: Uint8Array): Uint8Array {
    const packet = new Uint8Array(Header.size + body.length)
    Header.write(Header.view(packet), 0, {
      creditCharge: 0,
      status: 0,
      command,
      credits: this.#sequence.grant(1),
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

  /** Adds a response to a batch. */
  respond(batch: Batch, incoming: Incoming, reply: Reply): void {
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
      credits: asynchronous && !interim ? 0 : this.#sequence.grant(Math.max(header.credits, charge)),
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
      ready: () => Negotiation.remember(this.#connection, incoming, sessionId, status, chunks)
    })
    if (reply.sent !== undefined) batch.after.push(reply.sent)
    if (reply.release !== undefined) batch.releases.push(reply.release)
  }

  /** The signer of a response, if it is signed (MS-SMB2 3.3.4.1.1). */
  private signer(incoming: Incoming, sessionId: bigint, interim: boolean, status: number): Signing.Sign | undefined {
    if (interim || incoming.encrypted) return undefined
    const session = this.#connection.sessions.get(sessionId) ?? incoming.session
    const logon = incoming.header.command === Command.SESSION_SETUP
    const sign = session?.channels.get(this.#connection)?.sign ?? this.foreign(incoming, sessionId)
    if (sign === undefined) return undefined
    const logsOn = logon && status === 0 && session?.hasSecretKeys === true
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
    const session = incoming.session ?? this.#connection.server.sessions.get(sessionId)
    if (session?.sign === undefined) return undefined
    const logon = incoming.header.command === Command.SESSION_SETUP
    if (!logon && session.signing === SigningAlgorithm.AES_GMAC) return undefined
    return this.#connection.verifies(session.sign, incoming) ? session.sign : undefined
  }

  /** Sends the earlier responses of a batch, and the interim response of a request that waits. */
  interim(batch: Batch, incoming: Incoming): void {
    this.flush(batch)
    this.respond(batch, incoming, { status: NtStatus.STATUS_PENDING, body: errorBody() })
    this.flush(batch)
  }

  /** Sends the responses of a batch as one frame. */
  flush(batch: Batch): void {
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
      this.#out.send(all, release)
    } else {
      const sealed = session.encrypt(all)
      release?.()
      this.#out.send(sealed, () => sealed.forEach(Allocate.release))
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
    this.#out.send(encrypts ? session.encrypt!([packet]) : [packet])
  }
}
