/** An interface on a pipe, as the pipe uses it: a syntax, and operations that map a request stub to a response stub. */
import * as Effect from "effect/Effect"
import * as Codec from "../../../Codec/Codec.ts"
import { FaultStatus, type SyntaxId } from "../../../Codec/Rpc/DceRpc.ts"
import type { Identity } from "../State/Identity.ts"
import type { Server } from "../State/Model.ts"

/** The caller at the other end of the pipe. */
export interface Caller {
  readonly server: Server
  readonly user: Identity
}

/** The reason why a call failed: the status of a fault PDU. */
export class Fault {
  readonly status: number
  constructor(status: number) {
    this.status = status
  }
}

/** Maps a call's stub to the stub of its response. */
export type Operation = (stub: Uint8Array, caller: Caller) => Effect.Effect<Uint8Array, Fault>

/** An interface as a pipe serves it. */
export interface Interface {
  readonly syntax: SyntaxId
  readonly operations: Readonly<Record<number, Operation>>
}

/** Makes an operation from the codecs of its two stubs. */
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
