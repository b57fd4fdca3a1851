/**
 * How long a request can go without its final response (the Request Expiration Timer of MS-SMB2 3.2.6.1), counted in
 * ticks.
 *
 * A request that the server has called pending has its own, longer timeout: the server is working on it. A request that
 * waits by nature then has no timeout. While a part of a compound is pending, the server cannot have begun with the
 * later parts, and it may keep the responses to the earlier ones until all are ready. So the other parts do not count as
 * unanswered.
 *
 * A server does not call a rename pending while it waits for another client, and keeps the other responses of its
 * compound until then. So the whole compound has the longer timeout.
 */
import type { Pending } from "../RequestInFlight.ts"

/** In milliseconds. */
export interface Limits {
  readonly tickInterval: number
  readonly requestTimeout: number
  readonly pendingTimeout: number
}

/** Whether another part of the same compound is pending. */
const isNextToPending = (pending: Pending): boolean =>
  pending.batch.some((part) => part !== pending && part.isAsync && !part.answered)

/** Whether the server has said that the final response may take a while. */
export const isPending = (pending: Pending): boolean => pending.isAsync || isNextToPending(pending)

/** How long a request that is not pending may go without a response, in milliseconds. */
export const patience = ({ batch }: Pending, { pendingTimeout, requestTimeout }: Limits): number =>
  batch.some(({ outgoing }) => outgoing.waitsForOthers === true) ? pendingTimeout : requestTimeout

/** Counts a tick. Returns the timeout that the request has exceeded, if any. */
export const tick = (pending: Pending, limits: Limits): "requestTimeout" | "pendingTimeout" | undefined => {
  if (pending.isAsync) {
    if (pending.outgoing.waits === true) return undefined
    return ++pending.ticks * limits.tickInterval > limits.pendingTimeout ? "pendingTimeout" : undefined
  }
  if (isNextToPending(pending)) return undefined
  return ++pending.ticks * limits.tickInterval > patience(pending, limits) ? "requestTimeout" : undefined
}

/** A request, and the other parts of its compound that have no response. */
export const andOthers = (pending: Pending): ReadonlyArray<Pending> => [
  pending,
  ...pending.batch.filter((part) => part !== pending && !part.answered)
]
