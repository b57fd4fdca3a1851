/** A request on its way through the server, and how it waits. */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type * as Header from "../../../Smb2/Header.ts"
import type { FileId } from "../../../Smb2/Message/Common.ts"
import { type Refusal, refusal } from "../Wire/Reply.ts"
import type { AnyOpen, Connection, PendingRequest, Server, Session, Tree } from "./Model.ts"

/**
 * One request. `packet` is the message without its compound, in memory with no other user. The values decoded from it
 * are views, and a handler can keep them as long as it needs, unless its reply says that they were `consumed`.
 */
export class Incoming {
  readonly connection: Connection
  readonly header: Header.Header
  readonly packet: Uint8Array
  readonly signed: boolean
  /** The session whose keys decrypted it; undefined if it was not encrypted. */
  readonly decryptedBy: Session | undefined
  /**
   * Sends the messages that are due before this request waits: earlier responses of its compound, and the interim
   * response.
   */
  private readonly onWait: (incoming: Incoming) => void
  session: Session | undefined
  tree: Tree | undefined
  open: AnyOpen | undefined
  /** The file that earlier requests of the compound opened. */
  relatedFileId: FileId | undefined
  /** 0 until the request waits. */
  asyncId = 0n
  /** Whether it is the last of its compound. */
  last = true
  outlivesChannel = false
  /** Whether the client gets an interim response when the request waits (3.3.4.2). */
  sendsInterim = true

  constructor(
    connection: Connection,
    header: Header.Header,
    packet: Uint8Array,
    signed: boolean,
    decryptedBy: Session | undefined,
    onWait: (incoming: Incoming) => void
  ) {
    this.connection = connection
    this.header = header
    this.packet = packet
    this.signed = signed
    this.decryptedBy = decryptedBy
    this.onWait = onWait
  }

  /** The same message under the session and tree of the message before it in the compound. */
  as(header: Header.Header): Incoming {
    const other = new Incoming(this.connection, header, this.packet, this.signed, this.decryptedBy, this.onWait)
    other.relatedFileId = this.relatedFileId
    other.last = this.last
    return other
  }

  get encrypted(): boolean {
    return this.decryptedBy !== undefined
  }

  get server(): Server {
    return this.connection.server
  }

  /** Whether one more request may wait on this connection. */
  get mayWait(): boolean {
    return this.connection.pending.size < this.server.limits.pending
  }

  /**
   * Waits until `register`'s callback is called, after an interim response with STATUS_PENDING. A request that was
   * cancelled before does not begin to wait. If the request is cancelled first, runs the function that `register`
   * returned. `register` must not call back before it returns.
   */
  wait<A>(register: (resume: (value: A) => void) => () => void): Effect.Effect<A, Refusal> {
    if (!this.mayWait) return Effect.fail(refusal(NtStatus.STATUS_INSUFFICIENT_RESOURCES))
    return Effect.callback<A, Refusal>((resume) => {
      const { connection } = this
      if (connection.cancelled.take({ asyncId: this.asyncId, messageId: this.header.messageId }, this.session)) {
        resume(Effect.fail(refusal(NtStatus.STATUS_CANCELLED)))
        return
      }
      if (this.asyncId === 0n && this.sendsInterim) {
        this.asyncId = connection.nextAsyncId()
        this.onWait(this)
      }
      let over = false
      const finish = (effect: Effect.Effect<A, Refusal>) => {
        if (over) return
        over = true
        connection.pending.delete(pending.asyncId)
        this.open?.waiting.delete(pending)
        resume(effect)
      }
      const pending: PendingRequest = {
        asyncId: this.asyncId === 0n ? connection.nextAsyncId() : this.asyncId,
        messageId: this.header.messageId,
        session: this.session,
        outlivesChannel: this.outlivesChannel,
        abort: (status) => {
          if (over) return
          forget()
          finish(Effect.fail(refusal(status)))
        }
      }
      connection.pending.set(pending.asyncId, pending)
      this.open?.waiting.add(pending)
      const forget = register((value) => finish(Effect.succeed(value)))
    })
  }
}
