/**
 * A client for tests that sends any frame or request that a test makes. By default it logs on anonymously, so that its
 * requests reach the handlers of the server.
 */
import { Effect, Redacted } from "effect"
import { Authenticator, Credentials } from "effect-smb/Auth"
import { Codec, NtStatus as Status } from "effect-smb/Codec"
import * as Net from "node:net"
import * as Header from "../../src/Smb2/Header.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import {
  Capabilities,
  Command,
  Dialect,
  HeaderFlags,
  SecurityMode,
  SessionSetupFlags
} from "../../src/Smb2/Message/Constants.ts"
import type * as Create from "../../src/Smb2/Message/Create.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status

/** The ClientGuid of a client that speaks this dialect: one client speaks one dialect with a server (3.3.5.5.3). */
export const guidOf = (dialect: number): Uint8Array => {
  const guid = new Uint8Array(16).fill(7)
  new DataView(guid.buffer).setUint16(14, dialect, true)
  return guid
}

export class RawClient {
  private readonly socket: Net.Socket
  private received: Buffer = Buffer.alloc(0)
  private wake: () => void = () => {}
  closed = false
  sessionId = 0n
  treeId = 0
  /** The key of the last logon, if that was a user's. */
  sessionKey: Uint8Array | undefined
  /** The last token of the last logon. */
  token: Uint8Array = new Uint8Array(0)
  messageId = 0
  /** How long it waits for a frame, in milliseconds. */
  patience = 2000
  /** Responses that have come and were not taken by `next`. */
  readonly frames: Array<Buffer> = []

  /** `localAddress` is the client's own address. Default: the system chooses. */
  constructor(host: string, port: number, localAddress?: string) {
    this.socket = Net.connect({ host, port, noDelay: true, ...localAddress === undefined ? {} : { localAddress } })
    this.socket.on("error", () => {})
    this.socket.on("close", () => {
      this.closed = true
      this.wake()
    })
    this.socket.on("data", (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk])
      for (;;) {
        if (this.received.length < 4) break
        const length = this.received.readUInt32BE(0)
        if (this.received.length < 4 + length) break
        this.frames.push(this.received.subarray(4, 4 + length))
        this.received = this.received.subarray(4 + length)
      }
      this.wake()
    })
  }

  raw(bytes: Uint8Array): void {
    if (!this.closed) this.socket.write(bytes)
  }

  frame(packet: Uint8Array): void {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(packet.length)
    this.raw(Buffer.concat([head, packet]))
  }

  close(): void {
    this.socket.destroy()
  }

  /** The next frame, or undefined when the server has closed the connection, or after `millis` milliseconds. */
  async next(millis = this.patience): Promise<Buffer | undefined> {
    const until = Date.now() + millis
    while (this.frames.length === 0 && !this.closed && Date.now() < until) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, until - Date.now()))
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return this.frames.shift()
  }

  /** A request with this client's session and tree. */
  packet(command: number, body: Uint8Array, credits = 64): Uint8Array {
    const packet = new Uint8Array(Header.size + body.length)
    Header.write(Header.view(packet), 0, {
      creditCharge: 1,
      status: 0,
      command,
      credits,
      flags: 0,
      nextCommand: 0,
      messageId: this.messageId++,
      asyncId: 0n,
      treeId: this.treeId,
      sessionId: this.sessionId
    })
    packet.set(body, Header.size)
    return packet
  }

  /** Sends a request without waiting for its response. */
  say(request: Message.Request, credits?: number): void {
    this.frame(this.packet(Command[request._tag], Message.encodeRequest(request), credits))
  }

  /** Sends a compound of related requests without waiting for its responses. */
  sayRelated(requests: ReadonlyArray<Message.Request>): void {
    const packets = requests.map((request, i) => {
      const packet = this.packet(Command[request._tag], Message.encodeRequest(request))
      const last = i === requests.length - 1
      const padded = new Uint8Array(last ? packet.length : (packet.length + 7) & ~7)
      padded.set(packet)
      const view = Header.view(padded)
      if (i > 0) view.setUint32(16, view.getUint32(16, true) | HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS, true)
      if (!last) view.setUint32(20, padded.length, true)
      return padded
    })
    this.frame(Buffer.concat(packets))
  }

  async ask(request: Message.Request): Promise<Buffer | undefined> {
    this.say(request)
    return this.next()
  }

  /** Stops reading from the socket, or starts again. */
  pause(paused: boolean): void {
    if (paused) this.socket.pause()
    else this.socket.resume()
  }

  /** Negotiates a dialect. Default: 2.1. Returns the response. */
  negotiate(dialect: number = Dialect.SMB_2_1): Promise<Buffer | undefined> {
    return this.ask({
      _tag: "NEGOTIATE",
      body: {
        securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
        capabilities: Capabilities.SMB2_GLOBAL_CAP_LARGE_MTU | Capabilities.SMB2_GLOBAL_CAP_LEASING,
        clientGuid: guidOf(dialect),
        dialects: [dialect],
        negotiateContexts: []
      }
    })
  }

  /**
   * Logs on, by default anonymously. Returns the status of the last response. The session becomes this client's. With a
   * `sessionId` it logs on to that session, or, with `binding`, as a further channel of it.
   */
  async setup(
    credential: Credentials.Credential = Credentials.anonymous,
    how: {
      readonly previousSessionId?: bigint
      readonly sessionId?: bigint
      readonly binding?: boolean
      readonly ask?: (request: Message.Request) => Promise<Buffer | undefined>
    } = {}
  ): Promise<number | undefined> {
    const { ask = (request) => this.ask(request), binding = false, previousSessionId = 0n, sessionId = 0n } = how
    const logon = await Effect.runPromise(
      Effect.scoped(Authenticator.makeNtlm().make(credential, { server: "server" }))
    )
    let input: Uint8Array = new Uint8Array(0)
    this.sessionId = sessionId
    for (let leg = 0; leg < 4; leg++) {
      const { token } = await Effect.runPromise(logon.step(input))
      this.token = token
      const answer = await ask({
        _tag: "SESSION_SETUP",
        body: {
          flags: binding ? SessionSetupFlags.SMB2_SESSION_FLAG_BINDING : 0,
          securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
          capabilities: 0,
          previousSessionId,
          securityBuffer: token
        }
      })
      if (answer === undefined) return undefined
      this.sessionId = answer.readBigUInt64LE(40)
      if (statusOf(answer) !== NtStatus.STATUS_MORE_PROCESSING_REQUIRED) {
        const key = logon.sessionKey()
        this.sessionKey = key === undefined ? undefined : Redacted.value(key)
        return statusOf(answer)
      }
      const decoded = Codec.decode("response", Codec.at(Header.size, Message.messages.SESSION_SETUP.response))(answer)
      if (decoded._tag === "Failure") return undefined
      input = Uint8Array.from(decoded.success.securityBuffer)
    }
    return undefined
  }

  /** Connects to a share. Returns the status. The tree becomes this client's. */
  async connect(share: string): Promise<number | undefined> {
    const tree = await this.ask({
      _tag: "TREE_CONNECT",
      body: { flags: 0, path: `\\\\server\\${share}`, treeConnectContexts: [] }
    })
    if (statusOf(tree) === 0) this.treeId = tree!.readUInt32LE(36)
    return statusOf(tree)
  }

  /** Negotiates, logs on and connects to a share. Returns whether all of it succeeded. */
  async logOn(share: string, credential?: Credentials.Credential): Promise<boolean> {
    return await this.negotiate() !== undefined && await this.setup(credential) === 0 && await this.connect(share) === 0
  }

  /** Opens a file, and creates it if it does not exist. Returns the FileId, or the status of a failure. */
  async open(name: string, how: Partial<Create.Request> = {}): Promise<FileId | number> {
    const answer = await this.ask(Requests.create(name, how))
    if (answer === undefined || statusOf(answer) !== 0) return statusOf(answer) ?? -1
    const at = Header.size + 64
    return { persistent: answer.readBigUInt64LE(at), volatile: answer.readBigUInt64LE(at + 8) }
  }
}

/** The responses of a compound that came in one frame. */
export const responses = (frame: Buffer): ReadonlyArray<Buffer> => {
  const next = frame.readUInt32LE(20)
  return next === 0 ? [frame] : [frame.subarray(0, next), ...responses(frame.subarray(next))]
}

/** The status of a response, or undefined if there is no response. */
export const statusOf = (answer: Buffer | undefined): number | undefined => answer?.readUInt32LE(8)
