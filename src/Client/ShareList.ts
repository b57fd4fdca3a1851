/**
 * The shares of a server, by the remote procedure call NetrShareEnum over the named pipe `srvsvc` (MS-SRVS 3.1.4.8).
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Codec from "../Codec/Codec.ts"
import { Malformed } from "../Codec/Malformed.ts"
import * as DceRpc from "../Codec/Rpc/DceRpc.ts"
import * as Srvsvc from "../Codec/Rpc/Srvsvc.ts"
import { ProtocolError, type RequestError, TransportError } from "../Protocol/Errors.ts"
import type * as Operation from "../Protocol/Operation.ts"
import type * as Share from "../Protocol/Share.ts"
import { Fsctl } from "../Smb2/Message/Fsctl.ts"
import * as OpenMode from "./OpenMode.ts"
import type { ShareEntry } from "./Operations.ts"

/** The size of one fragment in bytes, as Windows has it. */
const fragment = 4280

const whole = DceRpc.PacketFlags.PFC_FIRST_FRAG | DceRpc.PacketFlags.PFC_LAST_FRAG

/**
 * The timeout for each part of a response: a read of a pipe can wait forever, and the timeout of requests does not end
 * it.
 */
const patience = "30 seconds"

/** The maximum size of a list of shares, in bytes. */
const limit = 4 * 1024 * 1024

const types: Record<number, ShareEntry["type"]> = { 0: "disk", 1: "printer", 2: "device", 3: "ipc" }

/** A pipe as a stream of whole PDUs. A PDU can end anywhere in the data of one read. */
const overPipe = (pipe: Share.OpenFile, { port, server }: Share.Share) => {
  let rest: Uint8Array = new Uint8Array(0)
  const gather = (next: Uint8Array): void => {
    const joined = new Uint8Array(rest.length + next.length)
    joined.set(rest)
    joined.set(next, rest.length)
    rest = joined
  }
  const patiently = Effect.timeoutOrElse({
    duration: patience,
    orElse: () =>
      Effect.fail(
        new TransportError({ reason: { _tag: "TimedOut" }, server, port, detail: "the list of shares has no end" })
      )
  })
  const receive = Effect.fnUntraced(function*(): Effect.fn.Return<DceRpc.Pdu, RequestError> {
    for (;;) {
      const length = DceRpc.frameLength(rest)
      if (length !== undefined && rest.length >= length) {
        const pdu = yield* Effect.fromResult(Codec.decode("DCE/RPC PDU", DceRpc.Pdu)(rest.subarray(0, length)))
        rest = rest.subarray(length)
        return pdu
      }
      const next = yield* pipe.run<Operation.Read>({ _tag: "Read", offset: 0n, length: fragment }).pipe(patiently)
      if (next.length === 0) {
        return yield* new Malformed({ structure: "DCE/RPC PDU", offset: rest.length, expected: "the rest of a PDU" })
      }
      gather(next)
    }
  })
  /**
   * Sends PDUs. The last PDU and the start of the response are one transaction: SMB 1's TRANSACTION, an IOCTL of SMB 2.
   */
  const call = Effect.fnUntraced(function*(pdus: ReadonlyArray<DceRpc.Pdu>): Effect.fn.Return<void, RequestError> {
    const messages = pdus.map((pdu) => Codec.encode(DceRpc.Pdu)(pdu))
    for (const data of messages.slice(0, -1)) {
      const count = yield* pipe.run<Operation.Write>({ _tag: "Write", offset: 0n, data })
      // The server takes a message to a pipe whole or not at all.
      if (count !== data.length) {
        return yield* new ProtocolError({
          reason: { _tag: "UnexpectedResponse" },
          server,
          detail: `the server took ${count} of the ${data.length} bytes of a message to its pipe`
        })
      }
    }
    const answer = yield* pipe.run<Operation.Ioctl>({
      _tag: "Ioctl",
      ctlCode: Fsctl.FSCTL_PIPE_TRANSCEIVE,
      input: messages.at(-1)!,
      maximum: fragment
    }).pipe(patiently)
    gather(answer)
  })
  return { call, receive }
}

/**
 * Lists the shares of the server of an IPC$ tree.
 *
 * @since 0.1.0
 */
export const shares = Effect.fnUntraced(function*(
  ipc: Share.Share
): Effect.fn.Return<ReadonlyArray<ShareEntry>, RequestError, Scope.Scope> {
  const refuse = (detail: string) =>
    new ProtocolError({ reason: { _tag: "UnexpectedResponse" }, server: ipc.server, detail })
  const pipe = yield* ipc.open(Srvsvc.pipeName, OpenMode.pipe)
  const { call, receive } = overPipe(pipe, ipc)
  yield* call([{
    _tag: "Bind",
    flags: whole,
    callId: 1,
    maxTransmitFragment: fragment,
    maxReceiveFragment: fragment,
    associationGroupId: 0,
    contexts: [{ contextId: 0, abstractSyntax: Srvsvc.interfaceId, transferSyntaxes: [DceRpc.ndr32] }]
  }])
  const bound = yield* receive()
  if (bound._tag !== "BindAck" || bound.results[0]?.result !== 0) {
    return yield* refuse("the server does not tell its shares: it refused the srvsvc interface")
  }
  const stub = Codec.encode(Srvsvc.ShareEnumRequest)({
    serverName: `\\\\${ipc.server}`,
    info: { level: 1, value: [] },
    preferredMaximumLength: 0xffff_ffff,
    resumeHandle: 0
  })
  const request = {
    _tag: "Request" as const,
    callId: 2,
    contextId: 0,
    operation: Srvsvc.Operation.NetrShareEnum,
    object: undefined,
    stub
  }
  yield* call(DceRpc.fragments(request, fragment))
  let collected: DceRpc.Collected | undefined
  for (;;) {
    const pdu = yield* receive()
    if (pdu._tag === "Fault") return yield* refuse(`the server failed to list its shares (fault ${pdu.status})`)
    if (pdu._tag !== "Response") return yield* refuse(`the server answered a call with ${pdu._tag}`)
    const step = DceRpc.collect(collected, pdu, limit)
    if (Result.isFailure(step)) return yield* step.failure
    collected = step.success.state
    if (step.success.complete === undefined) continue
    const answer = yield* Effect.fromResult(
      Codec.decode("NetrShareEnum response", Srvsvc.ShareEnumResponse)(step.success.complete.stub)
    )
    if (answer.returnValue !== Srvsvc.NERR_Success) {
      return yield* refuse(`the server did not list its shares (error ${answer.returnValue})`)
    }
    return (answer.info.level === 1 ? answer.info.value ?? [] : []).flatMap((share): ReadonlyArray<ShareEntry> =>
      share.netName === undefined ? [] : [{
        name: share.netName,
        type: types[share.type & 0xff] ?? "disk",
        special: (share.type & 0x8000_0000) !== 0,
        comment: share.remark ?? ""
      }]
    )
  }
})
