/**
 * Remote procedure calls over a named pipe of IPC$ (MS-RPCE 2.1.1.2): an interface is bound once, and then its
 * operations are called one after another.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Codec from "../../Codec/Codec.ts"
import { Malformed } from "../../Codec/Malformed.ts"
import * as DceRpc from "../../Codec/Rpc/DceRpc.ts"
import { ProtocolError, type RequestError, TransportError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import { Fsctl } from "../../Smb2/Message/Fsctl.ts"
import * as OpenMode from "../OpenMode.ts"

/** The size of one fragment in bytes, as Windows has it. */
const fragment = 4280

const whole = DceRpc.PacketFlags.PFC_FIRST_FRAG | DceRpc.PacketFlags.PFC_LAST_FRAG

/**
 * The timeout for each part of a response: a read of a pipe can wait forever, and the timeout of requests does not end
 * it.
 */
const patience = "30 seconds"

/** The maximum size of a response, in bytes. */
const limit = 4 * 1024 * 1024

/** The server refuses an interface, or a call (C706 12.6.4.7). It is no failure of the connection. */
export class RpcRefused extends Schema.TaggedError<RpcRefused>()("RpcRefused", {
  /** The status of a fault. Absent if the interface itself is refused. */
  fault: Schema.optionalKey(Schema.Number)
}) {}

/** The interface of a pipe. */
export interface Interface {
  /** The pipe's name. */
  readonly name: string
  readonly id: DceRpc.SyntaxId
  /** The message if a response does not end. */
  readonly endless: string
}

/** An operation of an interface, with the codecs of its two stubs. */
export interface Call<Q, A> {
  readonly name: string
  readonly operation: number
  readonly request: Codec.Codec<Q>
  readonly response: Codec.Codec<A>
}

/** The error for a server that breaks the protocol of its pipes. */
export const unexpected = (server: string, detail: string): ProtocolError =>
  new ProtocolError({ reason: { _tag: "UnexpectedResponse" }, server, detail })

/** A pipe as a stream of whole PDUs. A PDU can end anywhere in the data of one read. */
const overPipe = (pipe: Share.OpenFile, { port, server }: Share.Share, endless: string) => {
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
        new TransportError({ reason: { _tag: "TimedOut" }, server, port, detail: endless })
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
  const send = Effect.fnUntraced(function*(pdus: ReadonlyArray<DceRpc.Pdu>): Effect.fn.Return<void, RequestError> {
    const messages = pdus.map((pdu) => Codec.encode(DceRpc.Pdu)(pdu))
    for (const data of messages.slice(0, -1)) {
      const count = yield* pipe.run<Operation.Write>({ _tag: "Write", offset: 0n, data })
      // The server takes a message to a pipe whole or not at all.
      if (count !== data.length) {
        return yield* unexpected(
          server,
          `the server took ${count} of the ${data.length} bytes of a message to its pipe`
        )
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
  return { send, receive }
}

/**
 * Binds an interface on an IPC$ tree until the scope closes, and returns the function that calls its operations. Fails
 * with `RpcRefused` if the server does not have the interface, and with `SmbError` if it does not have the pipe.
 */
export const bind = Effect.fnUntraced(function*(
  ipc: Share.Share,
  { endless, id, name }: Interface
): Effect.fn.Return<
  <Q, A>(call: Call<Q, A>, request: Q) => Effect.Effect<A, RequestError | RpcRefused>,
  RequestError | RpcRefused,
  Scope.Scope
> {
  const pipe = yield* ipc.open(name, OpenMode.pipe)
  // A call that was answered is done, however the server ends the pipe, and even if it calls its IPC$ a disk.
  yield* Effect.addFinalizer((exit) => Exit.isSuccess(exit) ? Effect.ignore(pipe.close) : Effect.void)
  const { receive, send } = overPipe(pipe, ipc, endless)
  let callId = 1
  yield* send([{
    _tag: "Bind",
    flags: whole,
    callId,
    maxTransmitFragment: fragment,
    maxReceiveFragment: fragment,
    associationGroupId: 0,
    contexts: [{ contextId: 0, abstractSyntax: id, transferSyntaxes: [DceRpc.ndr32] }]
  }])
  const bound = yield* receive()
  if (bound._tag !== "BindAck" || bound.results[0]?.result !== 0) return yield* new RpcRefused({})
  return Effect.fnUntraced(function*<Q, A>(
    call: Call<Q, A>,
    request: Q
  ): Effect.fn.Return<A, RequestError | RpcRefused> {
    const stub = Codec.encode(call.request)(request)
    const { operation } = call
    callId++
    yield* send(
      DceRpc.fragments({ _tag: "Request", callId, contextId: 0, operation, object: undefined, stub }, fragment)
    )
    let collected: DceRpc.Collected | undefined
    for (;;) {
      const pdu = yield* receive()
      if (pdu._tag === "Fault") return yield* new RpcRefused({ fault: pdu.status })
      if (pdu._tag !== "Response") {
        return yield* unexpected(ipc.server, `the server answered a call with ${pdu._tag}`)
      }
      const step = DceRpc.collect(collected, pdu, limit)
      if (Result.isFailure(step)) return yield* step.failure
      collected = step.success.state
      if (step.success.complete === undefined) continue
      return yield* Effect.fromResult(
        Codec.decode(`${call.name} response`, call.response)(step.success.complete.stub)
      )
    }
  })
})
