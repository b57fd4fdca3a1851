/**
 * A client of dialect 3.0 for tests of leases, replays and channels: it sends any request that a test makes. It signs
 * nothing, so its server must not require signing. Two of them with one ClientGuid are one client with two connections.
 */
import { Effect } from "effect"
import { Authenticator, type Credentials } from "effect-smb/Auth"
import { Codec } from "effect-smb/Codec"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as Header from "../../src/Smb2/Header.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import {
  AccessMask,
  CreateDisposition,
  Dialect,
  GenericAccess,
  HeaderFlags,
  ImpersonationLevel,
  InfoType,
  IoctlFlags,
  LeaseFlags,
  LeaseState,
  OplockLevel,
  SecurityMode,
  ShareAccess
} from "../../src/Smb2/Message/Constants.ts"
import * as Create from "../../src/Smb2/Message/Create.ts"
import type * as Context from "../../src/Smb2/Message/CreateContext.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import * as OplockBreak from "../../src/Smb2/Message/OplockBreak.ts"
import { RawClient } from "./RawClient.ts"
import * as Requests from "./requests.ts"

export const {
  SMB2_LEASE_HANDLE_CACHING: HANDLE,
  SMB2_LEASE_READ_CACHING: READ,
  SMB2_LEASE_WRITE_CACHING: WRITE
} = LeaseState

/** MessageId of an OPLOCK_BREAK notification (MS-SMB2 3.3.4.6). */
const unsolicited = 0xffff_ffff_ffff_ffffn
const moreProcessing: number = NtStatus.STATUS_MORE_PROCESSING_REQUIRED

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
  leaseFlags: options.parent === undefined ? 0 : LeaseFlags.SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET,
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
  readonly createAction: number
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
  /** The capabilities that its NEGOTIATE names. */
  capabilities = 0
  /** The capabilities in the response, and those of the share. */
  serverCapabilities = 0
  shareCapabilities = 0
  private readonly heard: Array<Break> = []

  constructor(host: string, port: number, guid: number) {
    super(host, port)
    this.guid = guid
  }

  /** Logs on as a user and connects to a share. */
  async begin(share: string, credential: Credentials.Credential): Promise<boolean> {
    const clientGuid = key(this.guid)
    const negotiated = await this.ask({
      _tag: "NEGOTIATE",
      body: {
        securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
        capabilities: this.capabilities,
        clientGuid,
        dialects: [Dialect.SMB_3_0],
        negotiateContexts: []
      }
    })
    this.serverCapabilities = negotiated?.readUInt32LE(88) ?? 0
    const logon = await Effect.runPromise(
      Effect.scoped(Authenticator.makeNtlm().make(credential, { server: "server" }))
    )
    let input: Uint8Array = new Uint8Array(0)
    for (let status = moreProcessing; status === moreProcessing;) {
      const { token: securityBuffer } = await Effect.runPromise(logon.step(input))
      const answer = await this.ask({
        _tag: "SESSION_SETUP",
        body: {
          flags: 0,
          securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
          capabilities: 0,
          previousSessionId: 0n,
          securityBuffer
        }
      })
      status = statusOf(answer)
      if (answer === undefined || status !== 0 && status !== moreProcessing) return false
      this.sessionId = answer.readBigUInt64LE(40)
      input = Uint8Array.from(decode(Message.messages.SESSION_SETUP.response, answer).securityBuffer)
    }
    const path = `\\\\server\\${share}`
    const tree = await this.ask({ _tag: "TREE_CONNECT", body: { flags: 0, path, treeConnectContexts: [] } })
    this.shareCapabilities = tree !== undefined && statusOf(tree) === 0 ? tree.readUInt32LE(72) : 0
    this.treeId = tree?.readUInt32LE(36) ?? 0
    return statusOf(tree) === 0
  }

  override packet(command: number, body: Uint8Array, credits?: number): Uint8Array {
    const packet = super.packet(command, body, credits)
    const view = Header.view(packet)
    view.setUint16(8, this.channelSequence, true)
    if (this.replay) view.setUint32(16, view.getUint32(16, true) | HeaderFlags.SMB2_FLAGS_REPLAY_OPERATION, true)
    return packet
  }

  /** The next frame that is not a break notification. Break notifications are kept. */
  override async next(millis?: number): Promise<Buffer | undefined> {
    for (;;) {
      const frame = await super.next(millis)
      if (frame === undefined || frame.readBigUInt64LE(24) !== unsolicited) return frame
      this.heard.push(decode(OplockBreak.Response, frame) as Break)
    }
  }

  /** The next break, or undefined if no break comes within `millis`. */
  async nextBreak(millis = 2000): Promise<Break | undefined> {
    const until = Date.now() + millis
    while (this.heard.length === 0 && Date.now() < until && !this.closed) {
      const frame = await super.next(Math.max(1, until - Date.now()))
      if (frame === undefined) continue
      if (frame.readBigUInt64LE(24) !== unsolicited) throw new Error("a response without a request")
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
    return answer !== undefined && statusOf(answer) === NtStatus.STATUS_PENDING ? this.next(10_000) : answer
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

  set(fileId: FileId, fileInfoClass: Requests.InformationClass, buffer: Uint8Array): Promise<number> {
    return this.status({
      _tag: "SET_INFO",
      body: {
        infoType: InfoType.SMB2_0_INFO_FILE,
        fileInfoClass: Requests.numberOf(fileInfoClass),
        additionalInformation: 0,
        fileId,
        buffer
      }
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
      body: {
        ctlCode,
        fileId,
        maxInputResponse: 0,
        maxOutputResponse: room,
        flags: IoctlFlags.SMB2_0_IOCTL_IS_FSCTL,
        input: nothing,
        output: nothing
      }
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
    requestedOplockLevel: createContexts.some((one) => one._tag.startsWith("RequestLease"))
      ? OplockLevel.SMB2_OPLOCK_LEVEL_LEASE
      : OplockLevel.SMB2_OPLOCK_LEVEL_NONE,
    impersonationLevel: ImpersonationLevel.Impersonation,
    desiredAccess: GenericAccess.FILE_GENERIC_READ | GenericAccess.FILE_GENERIC_WRITE | AccessMask.DELETE,
    fileAttributes: 0,
    shareAccess: ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE,
    createDisposition: CreateDisposition.FILE_OPEN_IF,
    createOptions: 0,
    name,
    createContexts,
    ...options
  }
})

export const opened = (frame: Buffer | undefined): Opened => {
  const status = statusOf(frame)
  const none = { fileId: nowhere, oplockLevel: 0, createAction: 0, allocationSize: 0n, contexts: [] }
  if (frame === undefined || status !== 0) return { ...none, status, leaseState: undefined, epoch: undefined }
  const { allocationSize, createAction, createContexts: contexts, fileId, flags, oplockLevel } = decode(
    Create.Response,
    frame
  )
  // SMB2_CREATE_FLAG_REPARSEPOINT is reserved (MS-SMB2 2.2.14).
  if (flags !== 0) throw new Error(`a CREATE response with the flags ${flags}`)
  const granted = contexts.find((one) => one._tag === "ResponseLeaseV2")
  return {
    status,
    fileId,
    oplockLevel,
    createAction,
    allocationSize,
    contexts,
    leaseState: granted !== undefined && "leaseState" in granted ? granted.leaseState : undefined,
    epoch: granted !== undefined && "epoch" in granted ? granted.epoch : undefined
  }
}
