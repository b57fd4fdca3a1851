/** A client for tests that can sign its requests and has the keys to encrypt them. */
import { assert } from "@effect/vitest"
import { Credentials, NtlmCrypto } from "effect-smb/Auth"
import { createHash } from "node:crypto"
import * as Encryption from "../../src/Smb2/Encryption.ts"
import {
  Capabilities,
  Cipher,
  Command,
  Dialect,
  HashAlgorithm,
  HeaderFlags,
  SecurityMode,
  SigningAlgorithm
} from "../../src/Smb2/Message/Constants.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import type * as Negotiate from "../../src/Smb2/Message/Negotiate.ts"
import { deriveKeys } from "../../src/Smb2/Session.ts"
import * as Signing from "../../src/Smb2/Signing.ts"
import { secret } from "./people.ts"
import { guidOf, RawClient, statusOf } from "./RawClient.ts"

/** The ClientGuid of `Client` in SMB 3.0. */
export const guid = guidOf(Dialect.SMB_3_0)
export const capabilities = Capabilities.SMB2_GLOBAL_CAP_LARGE_MTU | Capabilities.SMB2_GLOBAL_CAP_LEASING |
  Capabilities.SMB2_GLOBAL_CAP_ENCRYPTION

export const dialects = {
  "2.1": [Dialect.SMB_2_1, SigningAlgorithm.HMAC_SHA256],
  "3.0": [Dialect.SMB_3_0, SigningAlgorithm.AES_CMAC],
  "3.1.1": [Dialect.SMB_3_1_1, SigningAlgorithm.AES_GMAC]
} as const

/** The key that anyone can compute of an anonymous AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3): RC4 by a key of zeros. */
const anonymousKey = (token: Uint8Array): Uint8Array => {
  const message = Buffer.from(token).subarray(Buffer.from(token).indexOf("NTLMSSP\0"))
  const { exchangeKey } = NtlmCrypto
  const offset = message.readUInt32LE(56)
  return exchangeKey(new Uint8Array(16), message.subarray(offset, offset + message.readUInt16LE(52)))
}

/** A client that signs the requests that a test sends by `signed` or `status`. */
export class Client extends RawClient {
  private heard: Array<Uint8Array> = []
  private agreed: Uint8Array = new Uint8Array(64)
  private dialect = 0
  private algorithm: Signing.Algorithm = SigningAlgorithm.HMAC_SHA256
  sign: Signing.Sign | undefined
  seal: Encryption.Encrypt | undefined
  unseal: Encryption.Decrypt | undefined

  override frame(packet: Uint8Array): void {
    this.heard.push(Uint8Array.from(packet))
    super.frame(packet)
  }

  override async next(millis?: number): Promise<Buffer | undefined> {
    const answer = await super.next(millis)
    if (answer !== undefined) this.heard.push(answer)
    return answer
  }

  private hash(from: Uint8Array, packets: ReadonlyArray<Uint8Array>): Uint8Array {
    return packets.reduce((hash, packet) => createHash("sha512").update(hash).update(packet).digest(), from)
  }

  async meet(
    name: keyof typeof dialects,
    clientGuid: Uint8Array = guidOf(dialects[name][0]),
    announced = capabilities
  ): Promise<void> {
    ;[this.dialect, this.algorithm] = dialects[name]
    const negotiateContexts: ReadonlyArray<Negotiate.NegotiateContext> = this.dialect < Dialect.SMB_3_1_1 ? [] : [
      {
        _tag: "PreauthIntegrityCapabilities",
        hashAlgorithms: [HashAlgorithm.SHA_512],
        salt: new Uint8Array(32).fill(1)
      },
      { _tag: "SigningCapabilities", signingAlgorithms: [this.algorithm] }
    ]
    const answer = await this.ask({
      _tag: "NEGOTIATE",
      body: {
        securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
        capabilities: announced,
        clientGuid,
        dialects: [this.dialect],
        negotiateContexts
      }
    })
    assert.strictEqual(statusOf(answer), 0)
    this.agreed = this.hash(this.agreed, this.heard)
  }

  /** Logs on as this user, or anonymously without one. */
  async as(user: string | undefined, how: Parameters<RawClient["setup"]>[1] = {}): Promise<void> {
    this.heard = []
    const credential = user === undefined ? Credentials.anonymous : Credentials.password(user, secret)
    assert.strictEqual(await this.setup(credential, how), 0)
    if (user === undefined) this.sessionKey = anonymousKey(this.token)
    // Without the last response: it is signed with a key that is derived here.
    const hash = this.hash(this.agreed, this.heard.slice(0, -1))
    const cipher = this.dialect >= Dialect.SMB_3_0 ? Cipher.AES_128_CCM : undefined
    const keys = deriveKeys(this.dialect, hash, this.sessionKey!, cipher)
    this.sign = Signing.make(this.algorithm, keys.signing)
    if (cipher === undefined) return
    this.seal = Encryption.makeEncrypt(cipher, keys.clientToServer!, this.sessionId)
    this.unseal = Encryption.makeDecrypt(cipher, keys.serverToClient!)
  }

  /** A request with the user's signature. */
  signed(request: Message.Request): Buffer {
    const packet = Buffer.from(this.packet(Command[request._tag], Message.encodeRequest(request)))
    packet.writeUInt32LE(HeaderFlags.SMB2_FLAGS_SIGNED, 16)
    packet.set(this.sign!([packet], "client", packet.readUInt32LE(24), request._tag === "CANCEL").subarray(0, 16), 48)
    return packet
  }

  async send(packet: Buffer): Promise<Buffer | undefined> {
    this.frame(packet)
    return this.next()
  }

  async status(request: Message.Request): Promise<number | undefined> {
    return statusOf(await this.send(this.signed(request)))
  }
}

export const connect = (share: string): Message.Request => ({
  _tag: "TREE_CONNECT",
  body: { flags: 0, path: `\\\\server\\${share}`, treeConnectContexts: [] }
})

export const treeOf = (answer: Buffer | undefined): number => {
  assert.strictEqual(statusOf(answer), 0)
  return answer!.readUInt32LE(36)
}

export const fileOf = (answer: Buffer | undefined) => {
  assert.strictEqual(statusOf(answer), 0)
  return { persistent: answer!.readBigUInt64LE(128), volatile: answer!.readBigUInt64LE(136) }
}

export const isSigned = (answer: Buffer): boolean => !answer.subarray(48, 64).equals(Buffer.alloc(16))
