/**
 * A client that says whatever it is told: frames on a socket, and a logon as nobody, so that what follows is heard by the
 * handlers behind it.
 */
import { Effect } from "effect"
import { Authenticator, Credentials } from "effect-smb/Auth"
import { Codec } from "effect-smb/Codec"
import * as Net from "node:net"
import * as Header from "../../src/Smb2/Header.ts"
import { Command } from "../../src/Smb2/Message/Constants.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"

export class RawClient {
  private readonly socket: Net.Socket
  private received: Buffer = Buffer.alloc(0)
  private wake: () => void = () => {}
  closed = false
  sessionId = 0n
  treeId = 0
  messageId = 0
  /** Responses that came and that nobody waited for. */
  readonly frames: Array<Buffer> = []

  constructor(host: string, port: number) {
    this.socket = Net.connect({ host, port, noDelay: true })
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

  /** The next frame, or undefined once the server has closed, or after `millis`. */
  async next(millis = 2000): Promise<Buffer | undefined> {
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

  async ask(request: Message.Request): Promise<Buffer | undefined> {
    this.frame(this.packet(Command[request._tag], Message.encodeRequest(request)))
    return this.next()
  }

  /** Negotiates 2.1, logs on, as nobody unless told otherwise, and connects to a share. */
  async logOn(share: string, credential: Credentials.Credential = Credentials.anonymous): Promise<boolean> {
    const negotiated = await this.ask({
      _tag: "NEGOTIATE",
      body: {
        securityMode: 1,
        capabilities: 0,
        clientGuid: new Uint8Array(16).fill(7),
        dialects: [0x0210],
        negotiateContexts: []
      }
    })
    if (negotiated === undefined) return false
    const logon = await Effect.runPromise(
      Effect.scoped(Authenticator.makeNtlm().make(credential, { server: "server" }))
    )
    let input: Uint8Array = new Uint8Array(0)
    for (let leg = 0; leg < 4; leg++) {
      const { token } = await Effect.runPromise(logon.step(input))
      const answer = await this.ask({
        _tag: "SESSION_SETUP",
        body: { flags: 0, securityMode: 1, capabilities: 0, previousSessionId: 0n, securityBuffer: token }
      })
      if (answer === undefined) return false
      this.sessionId = answer.readBigUInt64LE(40)
      if (answer.readUInt32LE(8) === 0) break
      const decoded = Codec.decode("response", Codec.at(Header.size, Message.messages.SESSION_SETUP.response))(answer)
      if (decoded._tag === "Failure") return false
      input = Uint8Array.from(decoded.success.securityBuffer)
    }
    const tree = await this.ask({
      _tag: "TREE_CONNECT",
      body: { flags: 0, path: `\\\\server\\${share}`, treeConnectContexts: [] }
    })
    if (tree === undefined || tree.readUInt32LE(8) !== 0) return false
    this.treeId = tree.readUInt32LE(36)
    return true
  }
}
