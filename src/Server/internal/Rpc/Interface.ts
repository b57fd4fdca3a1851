/**
 * What an interface on a pipe is to the pipe: a syntax, and operations from stub to stub.
 */
import * as Effect from "effect/Effect"
import * as Codec from "../../../Codec/Codec.ts"
import { FaultStatus, type SyntaxId } from "../../../Codec/Rpc/DceRpc.ts"
import type { ServerState } from "../State/ServerState.ts"
import type { Identity } from "../State/Session.ts"

/** Whose pipe it is. */
export interface Caller {
  readonly server: ServerState
  readonly user: Identity
}

/** Why a call has no answer: the status of a fault PDU. */
export class Fault {
  readonly status: number
  constructor(status: number) {
    this.status = status
  }
}

/** Gives an answer's stub for a call's. */
export type Operation = (stub: Uint8Array, caller: Caller) => Effect.Effect<Uint8Array, Fault>

/** An interface as a pipe serves it. */
export interface Interface {
  readonly syntax: SyntaxId
  readonly operations: Readonly<Record<number, Operation>>
}

/** An operation by the codecs of its two stubs. */
export const operation = <Q, A>(
  name: string,
  request: Codec.Codec<Q>,
  response: Codec.Codec<A>,
  run: (request: Q, caller: Caller) => Effect.Effect<A, Fault>
): Operation => {
  const decode = Codec.decode(name, request)
  const encode = Codec.encode(response)
  return (stub, caller) => {
    const decoded = decode(stub)
    return decoded._tag === "Failure"
      ? Effect.fail(new Fault(FaultStatus.nca_s_fault_ndr))
      : Effect.map(run(decoded.success, caller), encode)
  }
}
