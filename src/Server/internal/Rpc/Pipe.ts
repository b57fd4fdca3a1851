/**
 * Named pipes of IPC$: a client's end of each, with remote procedure calls (MS-RPCE) to the interface behind it.
 *
 * Calls of one pipe run one after the other, and have no timeout. The modules in `Rpc/` implement the interfaces.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Codec from "../../../Codec/Codec.ts"
import * as FileInformation from "../../../Codec/FileInformation.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as DceRpc from "../../../Codec/Rpc/DceRpc.ts"
import * as Lsad from "../../../Codec/Rpc/Lsad.ts"
import * as Srvsvc from "../../../Codec/Rpc/Srvsvc.ts"
import * as Wkssvc from "../../../Codec/Rpc/Wkssvc.ts"
import type * as Query from "../../../Smb2/Message/QueryInfo.ts"
import type { PipeEnd } from "../State/PipeEnd.ts"
import type { Waiting } from "../State/Waiting.ts"
import { type Refusal, refuse, type Reply, reply } from "../Wire/Reply.ts"
import type { Caller, Interface } from "./Interface.ts"
import * as Lsarpc from "./Lsarpc.ts"
import { srvsvc } from "./Srvsvc.ts"
import { wkssvc } from "./Wkssvc.ts"

/** The most bytes of calls and responses that a pipe keeps, and of one call. */
const largest = 1024 * 1024
const largestCall = 256 * 1024
const fragment = 4280

/** The existing pipes. Each open of a pipe has its own interface. */
const pipes: ReadonlyMap<string, () => Interface> = new Map([
  [Srvsvc.pipeName, () => srvsvc],
  [Wkssvc.pipeName, () => wkssvc],
  [Lsad.pipeName, Lsarpc.make]
])

/**
 * One client's end of a pipe.
 *
 * @category models
 */
export class Pipe implements PipeEnd {
  private readonly name: string
  private readonly served: Interface
  private readonly caller: Caller
  private output: Buffer = Buffer.alloc(0)
  private input: Buffer = Buffer.alloc(0)
  private collected: DceRpc.Collected | undefined
  private readonly bound = new Map<number, Interface>()
  private readonly waiting: Array<() => void> = []
  private readonly one = Semaphore.makeUnsafe(1)

  constructor(name: string, served: Interface, caller: Caller) {
    this.name = name
    this.served = served
    this.caller = caller
  }

  /** Takes bytes of a client's calls; the client reads the responses later. */
  write(bytes: Uint8Array): Effect.Effect<void, Refusal> {
    return Effect.suspend(() => {
      if (this.input.length + bytes.length > largest) return refuse(NtStatus.STATUS_PIPE_BUSY)
      this.input = Buffer.concat([this.input, bytes])
      return this.one.withPermit(this.work)
    })
  }

  /** Runs all complete calls. */
  private readonly work: Effect.Effect<void, Refusal> = Effect.suspend(() => {
    const length = DceRpc.frameLength(this.input)
    if (length === undefined || length > this.input.length) return Effect.void
    const decoded = Codec.decode("DCE/RPC PDU", DceRpc.Pdu)(this.input.subarray(0, length))
    this.input = this.input.subarray(length)
    if (decoded._tag === "Failure") return refuse(NtStatus.STATUS_PIPE_DISCONNECTED)
    return Effect.flatMap(this.answer(decoded.success), () => {
      if (this.output.length > largest) return refuse(NtStatus.STATUS_PIPE_DISCONNECTED)
      if (this.output.length > 0) { for (const wake of this.waiting.splice(0)) wake() }
      return this.work
    })
  })

  /** Up to `room` bytes of responses, and whether the same response has more. */
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

  /** Gives bytes of responses, and waits if there are none. */
  read(request: Waiting, room: number): Effect.Effect<Reply, Refusal> {
    return Effect.suspend(() => {
      if (this.output.length > 0) return Effect.succeed(this.readReply(room))
      return Effect.andThen(
        request.wait<void>((resume) => {
          const wake = () => resume(undefined)
          this.waiting.push(wake)
          return () => {
            const at = this.waiting.indexOf(wake)
            if (at >= 0) this.waiting.splice(at, 1)
          }
        }),
        this.read(request, room)
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

  private answer(pdu: DceRpc.Pdu): Effect.Effect<void> {
    switch (pdu._tag) {
      case "Bind":
      case "AlterContext":
        return Effect.sync(() => this.bind(pdu))
      case "Request":
        return Effect.suspend(() => {
          const collected = DceRpc.collect(this.collected, pdu, largestCall)
          if (collected._tag === "Failure") {
            this.collected = undefined
            return Effect.sync(() => this.fault(pdu, DceRpc.FaultStatus.nca_proto_error))
          }
          this.collected = collected.success.state
          const whole = collected.success.complete
          return whole?._tag === "Request" ? this.call(whole) : Effect.void
        })
      default:
        return Effect.void
    }
  }

  private bind(pdu: DceRpc.BindPdu): void {
    const results = pdu.contexts.map((context) => {
      const known = context.abstractSyntax.uuid === this.served.syntax.uuid
      const transfer = context.transferSyntaxes.some((one) => one.uuid === DceRpc.ndr32.uuid)
      if (known && transfer) this.bound.set(context.contextId, this.served)
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
      secondaryAddress: pdu._tag === "Bind" ? `\\PIPE\\${this.name}` : "",
      results
    })
  }

  private call(pdu: DceRpc.RequestPdu): Effect.Effect<void> {
    const bound = this.bound.get(pdu.contextId)
    if (bound === undefined) return Effect.sync(() => this.fault(pdu, DceRpc.FaultStatus.nca_unk_if))
    const run = Object.hasOwn(bound.operations, pdu.operation) ? bound.operations[pdu.operation] : undefined
    if (run === undefined) return Effect.sync(() => this.fault(pdu, DceRpc.FaultStatus.nca_op_rng_error))
    return Effect.match(run(pdu.stub, this.caller), {
      onFailure: ({ status }) => this.fault(pdu, status),
      onSuccess: (stub) => {
        const { callId, contextId } = pdu
        const answer = { _tag: "Response" as const, callId, contextId, cancelCount: 0, stub }
        for (const part of DceRpc.fragments(answer, fragment)) this.send(part)
      }
    })
  }
}

/** A new end of the pipe with this name in lower case; undefined if there is no such pipe. */
export const make = (name: string, caller: Caller): Pipe | undefined => {
  const served = pipes.get(name)
  return served === undefined ? undefined : new Pipe(name, served(), caller)
}
