/**
 * Named pipes of IPC$: `srvsvc`, by which clients list shares (MS-SRVS, over MS-RPCE).
 */
import * as Effect from "effect/Effect"
import * as Codec from "../Codec/Codec.ts"
import * as FileInformation from "../Codec/FileInformation.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import * as DceRpc from "../Codec/Rpc/DceRpc.ts"
import * as Srvsvc from "../Codec/Rpc/Srvsvc.ts"
import { CreateAction, OplockLevel } from "../Smb2/Message/Constants.ts"
import type * as CreateMessage from "../Smb2/Message/Create.ts"
import type * as Query from "../Smb2/Message/QueryInfo.ts"
import type { Incoming } from "./Incoming.ts"
import { PipeOpen } from "./Open.ts"
import { type Refusal, refuse, type Reply, reply } from "./Reply.ts"
import type { ServerState } from "./ServerState.ts"
import type { ShareState } from "./ShareState.ts"

/** Bytes of calls and answers that a pipe keeps at most. */
const largest = 1024 * 1024
const fragment = 4280

const levelUnknown = 124
const noSuchShare = 2310

/**
 * One client's end of a pipe.
 *
 * @category models
 */
export class Pipe {
  private readonly server: ServerState
  private output: Buffer = Buffer.alloc(0)
  private input: Buffer = Buffer.alloc(0)
  private collected: DceRpc.Collected | undefined
  private bound = new Set<number>()
  private readonly waiting: Array<() => void> = []

  constructor(server: ServerState) {
    this.server = server
  }

  /** Takes bytes of a client's calls; answers are read later. */
  write(bytes: Uint8Array): Effect.Effect<void, Refusal> {
    return Effect.suspend(() => {
      if (this.input.length + bytes.length > largest) return refuse(NtStatus.STATUS_PIPE_BUSY)
      this.input = Buffer.concat([this.input, bytes])
      for (;;) {
        const length = DceRpc.frameLength(this.input)
        if (length === undefined || length > this.input.length) break
        const decoded = Codec.decode("DCE/RPC PDU", DceRpc.Pdu)(this.input.subarray(0, length))
        this.input = this.input.subarray(length)
        if (decoded._tag === "Failure") return refuse(NtStatus.STATUS_PIPE_DISCONNECTED)
        this.answer(decoded.success)
        if (this.output.length > largest) return refuse(NtStatus.STATUS_PIPE_DISCONNECTED)
      }
      for (const wake of this.waiting.splice(0)) wake()
      return Effect.void
    })
  }

  /** Up to `room` bytes of answers, and whether more are left of the same one. */
  private take(room: number): { readonly output: Uint8Array; readonly more: boolean } {
    const length = DceRpc.frameLength(this.output) ?? this.output.length
    const output = Uint8Array.from(this.output.subarray(0, Math.min(length, room)))
    const more = length > room
    this.output = this.output.subarray(output.length)
    return { output, more }
  }

  transceive(
    bytes: Uint8Array,
    room: number
  ): Effect.Effect<{ readonly output: Uint8Array; readonly more: boolean }, Refusal> {
    return Effect.andThen(this.write(bytes), Effect.sync(() => this.take(room)))
  }

  read(incoming: Incoming, room: number): Effect.Effect<Reply, Refusal> {
    return Effect.suspend(() => {
      if (this.output.length > 0) return Effect.succeed(this.readReply(room))
      return Effect.map(
        incoming.wait<void>((resume) => {
          const wake = () => resume(undefined)
          this.waiting.push(wake)
          return () => {
            const at = this.waiting.indexOf(wake)
            if (at >= 0) this.waiting.splice(at, 1)
          }
        }),
        () => this.readReply(room)
      )
    })
  }

  private readReply(room: number): Reply {
    const { more, output } = this.take(room)
    return reply(
      { _tag: "READ", body: { dataRemaining: 0, flags: 0, buffer: output } },
      more ? NtStatus.STATUS_BUFFER_OVERFLOW : 0
    )
  }

  query(body: Query.Request): Effect.Effect<Reply, Refusal> {
    if (body.infoType !== 1) return refuse(NtStatus.STATUS_NOT_SUPPORTED)
    const standard = {
      allocationSize: 4096n,
      endOfFile: 0n,
      numberOfLinks: 1,
      deletePending: true,
      directory: false
    }
    return body.fileInfoClass === 5 && body.outputBufferLength >= 24
      ? Effect.succeed(
        reply({
          _tag: "QUERY_INFO",
          body: { buffer: Codec.encode(FileInformation.FileStandardInformation)(standard) }
        })
      )
      : refuse(NtStatus.STATUS_INVALID_PARAMETER)
  }

  private send(pdu: DceRpc.Pdu): void {
    this.output = Buffer.concat([this.output, Codec.encode(DceRpc.Pdu)(pdu)])
  }

  private fault(pdu: DceRpc.RequestPdu, status: number): void {
    this.send({
      _tag: "Fault",
      flags: 0x03,
      callId: pdu.callId,
      allocationHint: 0,
      contextId: pdu.contextId,
      cancelCount: 0,
      status
    })
  }

  private answer(pdu: DceRpc.Pdu): void {
    switch (pdu._tag) {
      case "Bind":
      case "AlterContext": {
        const results = pdu.contexts.map((context) => {
          const known = context.abstractSyntax.uuid === Srvsvc.interfaceId.uuid
          const transfer = context.transferSyntaxes.some((one) => one.uuid === DceRpc.ndr32.uuid)
          if (known && transfer) this.bound.add(context.contextId)
          return known && transfer
            ? { result: 0, reason: 0, transferSyntax: DceRpc.ndr32 }
            : {
              result: 2,
              reason: known ? 2 : 1,
              transferSyntax: { uuid: "00000000-0000-0000-0000-000000000000", version: 0 }
            }
        })
        this.send({
          _tag: pdu._tag === "Bind" ? "BindAck" : "AlterContextResponse",
          flags: 0x03,
          callId: pdu.callId,
          maxTransmitFragment: fragment,
          maxReceiveFragment: fragment,
          associationGroupId: 0x53f0,
          secondaryAddress: pdu._tag === "Bind" ? "\\PIPE\\srvsvc" : "",
          results
        })
        return
      }
      case "Request": {
        const collected = DceRpc.collect(this.collected, pdu, largest)
        if (collected._tag === "Failure") {
          this.collected = undefined
          return this.fault(pdu, 0x1c01_000b)
        }
        this.collected = collected.success.state
        const whole = collected.success.complete
        if (whole?._tag === "Request") this.call(whole)
        return
      }
      default:
        return
    }
  }

  private call(pdu: DceRpc.RequestPdu): void {
    if (!this.bound.has(pdu.contextId)) return this.fault(pdu, 0x1c01_0003)
    const stub = this.run(pdu)
    if (stub === undefined) return this.fault(pdu, 0x1c01_0002)
    if (typeof stub === "number") return this.fault(pdu, stub)
    for (
      const part of DceRpc.fragments(
        {
          _tag: "Response",
          callId: pdu.callId,
          contextId: pdu.contextId,
          cancelCount: 0,
          stub
        },
        fragment
      )
    ) this.send(part)
  }

  private run(pdu: DceRpc.RequestPdu): Uint8Array | number | undefined {
    const badStub = 0x0000_06f7
    switch (pdu.operation) {
      case Srvsvc.Operation.NetrShareEnum: {
        const asked = Codec.decode("NetrShareEnum", Srvsvc.ShareEnumRequest)(pdu.stub)
        if (asked._tag === "Failure") return badStub
        const { level } = asked.success
        const shares = shareList(this.server)
        const info = level === 1
          ? { level: 1 as const, shares: shares.map(info1) }
          : level === 2
          ? { level: 2 as const, shares: shares.map(info2) }
          : undefined
        return Codec.encode(Srvsvc.ShareEnumResponse)({
          level,
          info,
          totalEntries: info === undefined ? 0 : shares.length,
          resumeHandle: asked.success.resumeHandle === undefined ? undefined : 0,
          returnValue: info === undefined ? levelUnknown : Srvsvc.NERR_Success
        })
      }
      case Srvsvc.Operation.NetrShareGetInfo: {
        const asked = Codec.decode("NetrShareGetInfo", Srvsvc.ShareGetInfoRequest)(pdu.stub)
        if (asked._tag === "Failure") return badStub
        const { level, netName } = asked.success
        const found = shareList(this.server, true).find((one) => one.name.toLowerCase() === netName.toLowerCase())
        const info = found === undefined
          ? undefined
          : level === 1
          ? { level: 1 as const, share: info1(found) }
          : level === 2
          ? { level: 2 as const, share: info2(found) }
          : undefined
        return Codec.encode(Srvsvc.ShareGetInfoResponse)({
          level,
          info,
          returnValue: info !== undefined ? Srvsvc.NERR_Success : found === undefined ? noSuchShare : levelUnknown
        })
      }
      default:
        return undefined
    }
  }
}

interface Listed {
  readonly name: string
  readonly type: number
  readonly comment: string
}

const shareList = (server: ServerState, all = false): ReadonlyArray<Listed> => {
  const listed: Array<Listed> = []
  for (const share of server.shares.values()) {
    const hidden = isHidden(share)
    if (hidden && share.options.hidden === true && !all) continue
    listed.push({
      name: share.name,
      type: (Srvsvc.ShareType.STYPE_DISKTREE | (hidden ? Srvsvc.ShareType.STYPE_SPECIAL : 0)) >>> 0,
      comment: share.options.comment ?? ""
    })
  }
  listed.push({
    name: "IPC$",
    type: (Srvsvc.ShareType.STYPE_IPC | Srvsvc.ShareType.STYPE_SPECIAL) >>> 0,
    comment: "IPC Service"
  })
  return listed
}

const isHidden = (share: ShareState): boolean => share.options.hidden ?? share.name.endsWith("$")

const info1 = ({ comment, name, type }: Listed): Srvsvc.ShareInfo1 => ({ netName: name, type, remark: comment })

const info2 = (share: Listed): Srvsvc.ShareInfo2 => ({
  ...info1(share),
  permissions: 0,
  maxUses: 0xffff_ffff,
  currentUses: 1,
  path: "",
  password: ""
})

/** Opens a pipe. */
export const create = (incoming: Incoming, body: CreateMessage.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const name = body.name.replace(/^\\+/, "").toLowerCase()
    if (name !== Srvsvc.pipeName) return refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    const session = incoming.session!
    const open = new PipeOpen(incoming.server.newOpenId(), new Pipe(incoming.server), session, incoming.tree!)
    session.opens.set(open.id, open)
    const fileId = { persistent: open.id, volatile: open.id }
    return Effect.succeed<Reply>({
      ...reply({
        _tag: "CREATE",
        body: {
          oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_NONE,
          flags: 0,
          createAction: CreateAction.FILE_OPENED,
          creationTime: 0n,
          lastAccessTime: 0n,
          lastWriteTime: 0n,
          changeTime: 0n,
          allocationSize: 4096n,
          endOfFile: 0n,
          fileAttributes: 0x80,
          fileId,
          createContexts: []
        }
      }),
      fileId
    })
  })
