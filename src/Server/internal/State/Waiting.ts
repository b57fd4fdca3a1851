/** The wait of a request for an event (MS-SMB2 3.3.4.2), for modules that know nothing else of the request. */
import type * as Effect from "effect/Effect"
import type { Refusal } from "../Wire/Reply.ts"

/** A request that can wait for an event: `Incoming` implements it. */
export interface Waiting {
  readonly wait: <A>(register: (resume: (value: A) => void) => () => void) => Effect.Effect<A, Refusal>
}
