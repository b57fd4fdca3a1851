/** A client's end of a named pipe, as the handlers of requests use it. `Rpc/Pipe.ts` implements it. */
import type * as Effect from "effect/Effect"
import type * as Query from "../../../Smb2/Message/QueryInfo.ts"
import type { Refusal, Reply } from "../Wire/Reply.ts"
import type { Waiting } from "./Waiting.ts"

/** A client's end of a named pipe: bytes of calls go in, bytes of responses come out. */
export interface PipeEnd {
  /** Takes bytes of a client's calls; the client reads the responses later. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, Refusal>
  /** Writes, and gives up to `room` bytes of responses. */
  readonly transceive: (
    bytes: Uint8Array,
    room: number
  ) => Effect.Effect<{ readonly output: Uint8Array; readonly more: boolean }, Refusal>
  /** Gives up to `room` bytes of responses, and waits if there are none. */
  readonly read: (request: Waiting, room: number) => Effect.Effect<Reply, Refusal>
  readonly query: (body: Query.Request) => Effect.Effect<Reply, Refusal>
}
