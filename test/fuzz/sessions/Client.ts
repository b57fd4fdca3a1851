/**
 * A client of a few lines that signs or encrypts any bytes: a changed packet passes the server's checks of who sent it,
 * and reaches the code behind them.
 */
import { Effect, Redacted, Result } from "effect"
import { createHash } from "node:crypto"
import * as Net from "node:net"
import * as Authenticator from "../../../src/Auth/Authenticator.ts"
import * as Credentials from "../../../src/Auth/Credentials.ts"
import * as Codec from "../../../src/Codec/Codec.ts"
import { NtStatus } from "../../../src/Codec/NtStatus.ts"
import * as FrameReader from "../../../src/Protocol/FrameReader.ts"
import * as Encryption from "../../../src/Smb2/Encryption.ts"
import * as Header from "../../../src/Smb2/Header.ts"
import {
  Capabilities,
  Cipher,
  Command,
  Dialect,
  HashAlgorithm,
  HeaderFlags,
  SecurityMode,
  SigningAlgorithm
} from "../../../src/Smb2/Message/Constants.ts"
import * as Message from "../../../src/Smb2/Message/Message.ts"
import type * as Negotiate from "../../../src/Smb2/Message/Negotiate.ts"
import { deriveKeys } from "../../../src/Smb2/Session.ts"
import * as Signing from "../../../src/Smb2/Signing.ts"
import { Broken } from "../Promises.ts"

/** How a session is protected. */
export interface Setting {
  readonly name: string
  readonly dialect: number
  readonly signing: Signing.Algorithm
  /** With a cipher, everything is encrypted. */
  readonly cipher?: Encryption.Algorithm
}

const { HMAC_SHA256, AES_CMAC, AES_GMAC } = SigningAlgorithm

/** Each way to sign and to encrypt that the dialects have. */
export const settings: ReadonlyArray<Setting> = [
  { name: "3.1.1 GMAC", dialect: Dialect.SMB_3_1_1, signing: AES_GMAC },
  { name: "2.0.2 HMAC", dialect: Dialect.SMB_2_0_2, signing: HMAC_SHA256 },
  { name: "3.1.1 AES-128-GCM", dialect: Dialect.SMB_3_1_1, signing: AES_GMAC, cipher: Cipher.AES_128_GCM },
  { name: "3.1.1 AES-256-GCM", dialect: Dialect.SMB_3_1_1, signing: AES_CMAC, cipher: Cipher.AES_256_GCM },
  { name: "3.0 AES-128-CCM", dialect: Dialect.SMB_3_0, signing: AES_CMAC, cipher: Cipher.AES_128_CCM },
  { name: "3.0.2 CMAC", dialect: Dialect.SMB_3_0_2, signing: AES_CMAC },
  { name: "2.1 HMAC", dialect: Dialect.SMB_2_1, signing: HMAC_SHA256 },
  { name: "3.1.1 HMAC", dialect: Dialect.SMB_3_1_1, signing: HMAC_SHA256 }
]

/** A request before it is sent: its header's fields that matter, and its body. */
export interface Outgoing {
  readonly command: number
  readonly body: Uint8Array
  readonly flags?: number
  readonly treeId?: number
  readonly credits?: number
}

/** A response. */
export interface Reply {
  readonly header: Header.Header
  readonly packet: Uint8Array
}

/** How long a server may take to answer a request that does not wait: the machine may be busy. */
const patience = 20_000

export class Client {
  readonly setting: Setting
  closed = false
  sessionId = 0n
  treeId = 0
  messageId = 0
  /** Credits that the server granted and that are not used. */
  credits = 1
  /** Requests that were sent. */
  sent = 0
  /** What the server did wrong first. */
  failure: unknown
  /** Called for each response. It can throw: then that is what the server did wrong. */
  onReply: (reply: Reply) => void = () => {}
  private readonly socket: Net.Socket
  private readonly frames: FrameReader.FrameReader
  private readonly waiting = new Map<number, (reply: Reply | undefined) => void>()
  private hash: Uint8Array = new Uint8Array(64)
  private sign: Signing.Sign | undefined
  private seal: Encryption.Encrypt | undefined
  private unseal: Encryption.Decrypt | undefined

  constructor(port: number, setting: Setting) {
    this.setting = setting
    this.frames = new FrameReader.FrameReader(0xff_ffff, {
      peek: 0,
      claimFrom: Number.POSITIVE_INFINITY,
      claim: () => undefined,
      onFrame: (frame) => {
        try {
          this.onFrame(frame)
        } catch (error) {
          this.failure ??= error
          this.close()
        }
      },
      onError: () => this.close()
    })
    this.socket = Net.connect({ host: "127.0.0.1", port, noDelay: true })
    this.socket.on("error", () => {})
    this.socket.on("data", (chunk: Buffer) => this.frames.push(chunk))
    this.socket.on("close", () => {
      this.closed = true
      for (const end of this.waiting.values()) end(undefined)
      this.waiting.clear()
    })
  }

  close(): void {
    this.socket.destroy()
  }

  private onFrame(frame: Uint8Array): void {
    let packet = frame
    if (Header.view(frame).getUint32(0, true) === Encryption.protocolId) {
      const plain = this.unseal?.(frame)
      if (plain === undefined) throw new Broken("the server sent a packet that cannot be decrypted")
      packet = plain.data ?? plain.packet
    }
    for (let at = 0; at + Header.size <= packet.length;) {
      const header = Header.read(Header.view(packet), at)
      const end = header.nextCommand === 0 ? packet.length : at + header.nextCommand
      this.credits += header.credits
      const reply = { header, packet: packet.subarray(at, end) }
      this.onReply(reply)
      if (header.status !== NtStatus.STATUS_PENDING) {
        this.waiting.get(header.messageId)?.(reply)
        this.waiting.delete(header.messageId)
      }
      at = end
    }
  }

  /** Bytes as they are, in a frame. */
  raw(packet: Uint8Array): void {
    if (this.closed) return
    const head = new Uint8Array(FrameReader.headerSize)
    FrameReader.writeHeader(head, packet.length)
    this.socket.write(Buffer.concat([head, packet]))
  }

  /** The messages of a compound, not signed yet. */
  compound(requests: ReadonlyArray<Outgoing>): ReadonlyArray<Uint8Array> {
    return requests.map((request, i) => {
      const last = i === requests.length - 1
      const length = Header.size + request.body.length
      const packet = new Uint8Array(last ? length : (length + 7) & ~7)
      this.credits--
      Header.write(Header.view(packet), 0, {
        creditCharge: this.setting.dialect === Dialect.SMB_2_0_2 ? 0 : 1,
        status: 0,
        command: request.command,
        credits: request.credits ?? 64,
        flags: request.flags ?? 0,
        nextCommand: last ? 0 : packet.length,
        messageId: request.command === Command.CANCEL ? Math.max(this.messageId - 1, 0) : this.messageId++,
        asyncId: 0n,
        treeId: request.treeId ?? this.treeId,
        sessionId: this.sessionId
      })
      packet.set(request.body, Header.size)
      return packet
    })
  }

  /** Signs or encrypts the messages as they are, no matter what they say, and sends them as one packet. */
  send(messages: ReadonlyArray<Uint8Array>, plain = false): void {
    this.sent += messages.length
    if (!plain && this.seal !== undefined) {
      this.raw(Buffer.concat(this.seal([Buffer.concat(messages)])))
      return
    }
    if (!plain && this.sign !== undefined) {
      for (const message of messages) {
        const view = Header.view(message)
        view.setUint32(16, view.getUint32(16, true) | HeaderFlags.SMB2_FLAGS_SIGNED, true)
        const { command, messageId } = Header.read(view)
        Signing.apply(this.sign, [message], "client", messageId, command === Command.CANCEL)
      }
    }
    this.raw(Buffer.concat(messages))
  }

  /** The response to a request; `undefined` if the connection ended before. A server that does not do either of the two hangs. */
  async ask(request: Message.Request): Promise<Reply | undefined> {
    if (this.closed) return undefined
    const [message] = this.compound([{ command: Command[request._tag], body: Message.encodeRequest(request) }])
    const { messageId } = Header.read(Header.view(message!))
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(messageId)
        reject(new Broken(`the server answered no ${request._tag} for ${patience / 1000} s`))
      }, patience)
      this.waiting.set(messageId, (reply) => {
        clearTimeout(timer)
        resolve(reply)
      })
      this.send([message!])
    })
  }

  private async step(request: Message.Request): Promise<Reply> {
    let asked: Uint8Array = new Uint8Array(0)
    const { raw } = this
    this.raw = (packet) => {
      asked = packet
      raw.call(this, packet)
    }
    const reply = await this.ask(request)
    this.raw = raw
    if (reply === undefined) throw new Broken(`the server closed the connection of a ${request._tag}`)
    this.hash = createHash("sha512").update(this.hash).update(asked).digest()
    // The last response of a logon has no part in the hash: it is signed with the key.
    if (request._tag === "NEGOTIATE" || reply.header.status === NtStatus.STATUS_MORE_PROCESSING_REQUIRED) {
      this.hash = createHash("sha512").update(this.hash).update(reply.packet).digest()
    }
    return reply
  }

  private readonly contexts = (): ReadonlyArray<Negotiate.NegotiateContext> => {
    const { cipher, dialect, signing } = this.setting
    if (dialect !== Dialect.SMB_3_1_1) return []
    return [
      {
        _tag: "PreauthIntegrityCapabilities",
        hashAlgorithms: [HashAlgorithm.SHA_512],
        salt: new Uint8Array(32).fill(1)
      },
      { _tag: "SigningCapabilities", signingAlgorithms: [signing] },
      ...cipher === undefined ? [] : [{ _tag: "EncryptionCapabilities", ciphers: [cipher] } as const]
    ]
  }

  /** The NEGOTIATE that this client sends. */
  get negotiation(): Message.Request {
    const { dialect } = this.setting
    const clientGuid = new Uint8Array(16).fill(9)
    // One client speaks one dialect with a server (MS-SMB2 3.3.5.5.3).
    clientGuid[0] = settings.indexOf(this.setting)
    return {
      _tag: "NEGOTIATE",
      body: {
        securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
        capabilities: dialect < Dialect.SMB_3_0
          ? 0
          : Capabilities.SMB2_GLOBAL_CAP_LARGE_MTU | Capabilities.SMB2_GLOBAL_CAP_LEASING |
            Capabilities.SMB2_GLOBAL_CAP_DIRECTORY_LEASING | Capabilities.SMB2_GLOBAL_CAP_ENCRYPTION,
        clientGuid,
        dialects: [dialect],
        negotiateContexts: this.contexts()
      }
    }
  }

  /** Negotiates, and logs on. */
  async logOn(user: string, password: Redacted.Redacted<string>): Promise<void> {
    await this.step(this.negotiation)
    const { cipher, dialect, signing } = this.setting
    const logon = await Effect.runPromise(
      Effect.scoped(Authenticator.makeNtlm().make(Credentials.password(user, password), { server: "server" }))
    )
    let input: Uint8Array = new Uint8Array(0)
    for (let leg = 0; leg < 4; leg++) {
      const { token } = await Effect.runPromise(logon.step(input))
      const { header, packet } = await this.step({
        _tag: "SESSION_SETUP",
        body: {
          flags: 0,
          securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
          capabilities: 0,
          previousSessionId: 0n,
          securityBuffer: token
        }
      })
      this.sessionId = header.sessionId
      if (header.status === NtStatus.STATUS_SUCCESS) {
        const keys = deriveKeys(dialect, this.hash, Redacted.value(logon.sessionKey()!), cipher)
        this.sign = Signing.make(signing, keys.signing)
        if (cipher === undefined || keys.clientToServer === undefined || keys.serverToClient === undefined) return
        this.seal = Encryption.makeEncrypt(cipher, keys.clientToServer, this.sessionId)
        this.unseal = Encryption.makeDecrypt(cipher, keys.serverToClient)
        return
      }
      if (header.status !== NtStatus.STATUS_MORE_PROCESSING_REQUIRED) break
      const decoded = Codec.decode("response", Codec.at(Header.size, Message.messages.SESSION_SETUP.response))(packet)
      input = Uint8Array.from(Result.getOrThrow(decoded).securityBuffer)
    }
    throw new Broken(`the server let ${user} not log on with ${this.setting.name}`)
  }

  /** Connects to a share, and gives the status. */
  async connect(share: string): Promise<number | undefined> {
    const reply = await this.ask({
      _tag: "TREE_CONNECT",
      body: { flags: 0, path: `\\\\server\\${share}`, treeConnectContexts: [] }
    })
    if (reply?.header.status === 0) this.treeId = reply.header.treeId
    return reply?.header.status
  }
}
