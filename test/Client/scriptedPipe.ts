/**
 * A server's end of a pipe of IPC$ in a few lines of a test: it takes PDUs, answers calls with the stubs that the test
 * gives, and keeps the calls.
 */
import { Effect, Result } from "effect"
import * as Codec from "../../src/Codec/Codec.ts"
import * as DceRpc from "../../src/Codec/Rpc/DceRpc.ts"
import type { SmbError } from "../../src/Protocol/Errors.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import * as Scripted from "./scripted.ts"

/** A stub, the status of a fault, or no response at all. */
export type Answer = Uint8Array | number | "silence"

export interface Script {
  /** The responses by operation number. An operation that is not here is nca_op_rng_error. */
  readonly operations?: Readonly<Record<number, (stub: Uint8Array) => Answer>>
  /** The interface is refused. */
  readonly refused?: boolean
  /** The error of the open of the pipe. */
  readonly open?: SmbError
  /** Bytes of a fragment of a response. */
  readonly fragment?: number
}

/** A share with one pipe, the operation numbers of its calls, and how many of its pipes are open. */
export const ipc = (script: Script) => {
  const calls: Array<number> = []
  const opens: Array<string> = []
  const pipe = () => {
    let input = new Uint8Array(0)
    let output = new Uint8Array(0)
    let collected: DceRpc.Collected | undefined
    const send = (pdu: DceRpc.Pdu) => {
      output = Uint8Array.from([...output, ...Codec.encode(DceRpc.Pdu)(pdu)])
    }
    const call = (pdu: DceRpc.RequestPdu) => {
      calls.push(pdu.operation)
      const { callId, contextId } = pdu
      const answer = script.operations?.[pdu.operation]?.(pdu.stub) ?? DceRpc.FaultStatus.nca_op_rng_error
      if (answer === "silence") return
      if (typeof answer === "number") {
        return send({ _tag: "Fault", flags: 3, callId, contextId, allocationHint: 0, cancelCount: 0, status: answer })
      }
      const response = { _tag: "Response", callId, contextId, cancelCount: 0, stub: answer } as const
      for (const part of DceRpc.fragments(response, script.fragment ?? 4280)) send(part)
    }
    const take = (data: Uint8Array) => {
      input = Uint8Array.from([...input, ...data])
      for (;;) {
        const length = DceRpc.frameLength(input)
        if (length === undefined || input.length < length) return
        const pdu = Result.getOrThrow(Codec.decode("PDU", DceRpc.Pdu)(input.slice(0, length)))
        input = input.slice(length)
        if (pdu._tag === "Bind") {
          const result = script.refused === true ? { result: 2, reason: 1 } : { result: 0, reason: 0 }
          send({
            _tag: "BindAck",
            flags: 3,
            callId: pdu.callId,
            maxTransmitFragment: 4280,
            maxReceiveFragment: 4280,
            associationGroupId: 1,
            secondaryAddress: "\\PIPE\\lsarpc",
            results: [{ ...result, transferSyntax: DceRpc.ndr32 }]
          })
        } else if (pdu._tag === "Request") {
          const step = Result.getOrThrow(DceRpc.collect(collected, pdu, 4 * 1024 * 1024))
          collected = step.state
          if (step.complete?._tag === "Request") call(step.complete)
        }
      }
    }
    const give = (most: number) => {
      const bytes = output.slice(0, most)
      output = output.slice(bytes.length)
      return bytes
    }
    return ((operation: Operation.Any) => {
      switch (operation._tag) {
        case "Write":
          take(operation.data)
          return Effect.succeed(operation.data.length)
        case "Ioctl":
          take(operation.input)
          return output.length === 0 ? Effect.never : Effect.succeed(give(operation.maximum))
        case "Read":
          return Effect.succeed(give(operation.length))
        default:
          return Effect.die(`no ${operation._tag} is expected`)
      }
    }) as Share.OpenFile["run"]
  }
  const share = Scripted.share({
    name: "IPC$",
    type: "pipe",
    open: (path) => {
      if (script.open !== undefined) return Effect.fail(script.open)
      opens.push(path)
      return Effect.succeed({ path, run: pipe(), close: Effect.void } as unknown as Share.OpenFile)
    }
  } as Partial<Share.Share>)
  return { share, calls, opens }
}
