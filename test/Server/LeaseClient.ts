/**
 * A client of dialect 3.0 for tests of leases, replays and channels: it sends any request that a test makes. It signs
 * nothing, so its server must not require signing. Two of them with one ClientGuid are one client with two connections.
 */
import { Effect } from "effect"
import { Authenticator, type Credentials } from "effect-smb/Auth"
import { Codec } from "effect-smb/Codec"
import * as Header from "../../src/Smb2/Header.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import * as Create from "../../src/Smb2/Message/Create.ts"
import type * as Context from "../../src/Smb2/Message/CreateContext.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import * as OplockBreak from "../../src/Smb2/Message/OplockBreak.ts"
import { RawClient } from "./RawClient.ts"

export const READ = 1
export const HANDLE = 2
export const WRITE = 4

const replayFlag = 0x2000_0000
const pending = 0x103
const moreProcessing = 0xc000_0016
const parentKeySet = 4

/** A lease's key, of one number. */
export const key = (number: number): Uint8Array => new Uint8Array(16).fill(number)

export const lease = (
  number: number,
  leaseState: number,
  options: { readonly parent?: number; readonly epoch?: number } = {}
): Context.Request => ({
  _tag: "RequestLeaseV2",
  leaseKey: key(number),
  leaseState,
  leaseFlags: options.parent === undefined ? 0 : parentKeySet,
  parentLeaseKey: key(options.parent ?? 0),
  epoch: options.epoch ?? 0
})

export const durable = (guid: number): Context.Request => ({
  _tag: "DurableHandleRequestV2",
  timeout: 0,
  flags: 0,
  createGuid: key(guid)
})

/** The response of a CREATE. */
export interface Opened {
  readonly status: number
  readonly fileId: FileId
  readonly oplockLevel: number
  readonly allocationSize: bigint
  readonly contexts: ReadonlyArray<Context.Response>
  /** The state of the granted lease; undefined if no lease was granted. */
  readonly leaseState: number | undefined
  readonly epoch: number | undefined
}

/** A break notification of the server. */
export type Break = Extract<OplockBreak.Response, { readonly _tag: "LeaseBreakNotification" }>

const nowhere: FileId = { persistent: 0n, volatile: 0n }

export class LeaseClient extends RawClient {
  readonly guid: number
  /** Set the SMB2_FLAGS_REPLAY_OPERATION flag in the next requests. */
  replay = false
  channelSequence = 0
  private readonly heard: Array<Break> = []

  constructor(host: string, port: number, guid: number) {
    super(host, port)
    this.guid = guid
  }

  /** Logs on as a user and connects to a share. */
  async begin(share: string, credential: Credentials.Credential): Promise<boolean> {
    const clientGuid = key(this.guid)
    await this.ask({
      _tag: "NEGOTIATE",
      body: { securityMode: 1, capabilities: 0, clientGuid, dialects: [0x0300], negotiateContexts: [] }
    })
    const logon = await Effect.runPromise(
      Effect.scoped(Authenticator.makeNtlm().make(credential, { server: "server" }))
    )
    let input: Uint8Array = new Uint8Array(0)
    for (let status = moreProcessing; status === moreProcessing;) {
      const { token: securityBuffer } = await Effect.runPromise(logon.step(input))
      const answer = await this.ask({
        _tag: "SESSION_SETUP",
        body: { flags: 0, securityMode: 1, capabilities: 0, previousSessionId: 0n, securityBuffer }
      })
      status = statusOf(answer)
      if (answer === undefined || status !== 0 && status !== moreProcessing) return false
      this.sessionId = answer.readBigUInt64LE(40)
      input = Uint8Array.from(decode(Message.messages.SESSION_SETUP.response, answer).securityBuffer)
    }
    const path = `\\\\server\\${share}`
    const tree = await this.ask({ _tag: "TREE_CONNECT", body: { flags: 0, path, treeConnectContexts: [] } })
    this.treeId = tree?.readUInt32LE(36) ?? 0
    return statusOf(tree) === 0
  }

  override packet(command: number, body: Uint8Array, credits?: number): Uint8Array {
    const packet = super.packet(command, body, credits)
    const view = Header.view(packet)
    view.setUint16(8, this.channelSequence, true)
    if (this.replay) view.setUint32(16, view.getUint32(16, true) | replayFlag, true)
    return packet
  }

  /** The next frame that is not a break notification. Break notifications are kept. */
  override async next(millis?: number): Promise<Buffer | undefined> {
    for (;;) {
      const frame = await super.next(millis)
      if (frame === undefined || frame.readBigUInt64LE(24) !== 0xffff_ffff_ffff_ffffn) return frame
      this.heard.push(decode(OplockBreak.Response, frame) as Break)
    }
  }

  /** The next break, or undefined if no break comes within `millis`. */
  async nextBreak(millis = 2000): Promise<Break | undefined> {
    const until = Date.now() + millis
    while (this.heard.length === 0 && Date.now() < until && !this.closed) {
      const frame = await super.next(Math.max(1, until - Date.now()))
      if (frame === undefined) continue
      if (frame.readBigUInt64LE(24) !== 0xffff_ffff_ffff_ffffn) throw new Error("a response without a request")
      this.heard.push(decode(OplockBreak.Response, frame) as Break)
    }
    return this.heard.shift()
  }

  /** The final status of a request. */
  async status(request: Message.Request): Promise<number> {
    return statusOf(await this.final(await this.ask(request)))
  }

  /** Skips the interim response. */
  async final(answer: Buffer | undefined): Promise<Buffer | undefined> {
    return answer !== undefined && statusOf(answer) === pending ? this.next(10_000) : answer
  }

  async create(
    name: string,
    contexts: ReadonlyArray<Context.Request> = [],
    options: Partial<Create.Request> = {}
  ): Promise<Opened> {
    return opened(await this.final(await this.ask(createRequest(name, contexts, options))))
  }

  acknowledge({ leaseKey, newLeaseState }: Break): Promise<number> {
    return this.status({
      _tag: "OPLOCK_BREAK",
      body: { _tag: "LeaseBreakAcknowledgment", leaseKey, leaseState: newLeaseState }
    })
  }

  shut(fileId: FileId): Promise<number> {
    return this.status({ _tag: "CLOSE", body: { flags: 0, fileId } })
  }

  set(fileId: FileId, fileInfoClass: number, buffer: Uint8Array): Promise<number> {
    return this.status({
      _tag: "SET_INFO",
      body: { infoType: 1, fileInfoClass, additionalInformation: 0, fileId, buffer }
    })
  }

  write(fileId: FileId, text: string): Promise<number> {
    return this.status({
      _tag: "WRITE",
      body: {
        offset: 0n,
        fileId,
        channel: 0,
        remainingBytes: 0,
        flags: 0,
        writeChannelInfo: new Uint8Array(0),
        buffer: Buffer.from(text)
      }
    })
  }

  ioctl(fileId: FileId, ctlCode: number, room = 4096): Promise<Buffer | undefined> {
    const nothing = new Uint8Array(0)
    return this.ask({
      _tag: "IOCTL",
      body: { ctlCode, fileId, maxInputResponse: 0, maxOutputResponse: room, flags: 1, input: nothing, output: nothing }
    })
  }
}

export const statusOf = (frame: Buffer | undefined): number => (frame === undefined ? -1 : frame.readUInt32LE(8))

const decode = <A>(codec: Codec.Codec<A>, frame: Buffer): A => {
  const decoded = Codec.decode("response", Codec.at(Header.size, codec))(frame)
  if (decoded._tag === "Failure") throw decoded.failure
  return decoded.success
}

export const createRequest = (
  name: string,
  createContexts: ReadonlyArray<Context.Request> = [],
  options: Partial<Create.Request> = {}
): Message.Request => ({
  _tag: "CREATE",
  body: {
    requestedOplockLevel: createContexts.some((one) => one._tag.startsWith("RequestLease")) ? 0xff : 0,
    impersonationLevel: 2,
    desiredAccess: 0x0013_019f,
    fileAttributes: 0,
    shareAccess: 7,
    createDisposition: 3,
    createOptions: 0,
    name,
    createContexts,
    ...options
  }
})

export const opened = (frame: Buffer | undefined): Opened => {
  const status = statusOf(frame)
  const none = { fileId: nowhere, oplockLevel: 0, allocationSize: 0n, contexts: [] }
  if (frame === undefined || status !== 0) return { ...none, status, leaseState: undefined, epoch: undefined }
  const { allocationSize, createContexts: contexts, fileId, oplockLevel } = decode(Create.Response, frame)
  const granted = contexts.find((one) => one._tag === "ResponseLeaseV2")
  return {
    status,
    fileId,
    oplockLevel,
    allocationSize,
    contexts,
    leaseState: granted !== undefined && "leaseState" in granted ? granted.leaseState : undefined,
    epoch: granted !== undefined && "epoch" in granted ? granted.epoch : undefined
  }
}
