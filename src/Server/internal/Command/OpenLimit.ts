/**
 * The reservation of one more open. Before the server refuses a CREATE because of a limit, it asks the user's clients
 * for opens that they may have closed already: a client with cached handles keeps a file open after its program has
 * closed it.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type { Limits } from "../../Limits.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { Lease, Server, Session, Usage } from "../State/Model.ts"
import { OpenReservation } from "../State/OpenReservation.ts"
import * as OplocksAndLeases from "../State/OplocksAndLeases.ts"
import { type Refusal, refuse } from "../Wire/Reply.ts"
import { limitReached } from "./LimitRefusal.ts"

/** The limit that one more open would exceed. */
const reached = (server: Server, session: Session, usage: Usage): keyof Limits | undefined => {
  const { limits } = server
  return session.opens.size + session.opening >= limits.opens
    ? "opens"
    : usage.opens >= limits.userOpens
    ? "userOpens"
    : server.openCount >= limits.serverOpens
    ? "serverOpens"
    : undefined
}

/** The most leases and oplocks of a user that one CREATE looks at, and the most that it breaks. */
const mostSeen = 256
const mostAsked = 8

/**
 * Whether a client may have closed all opens of a lease or an oplock already: they have no waiting request and no lock.
 */
const isIdle = (lease: Lease): boolean =>
  lease.opens.size <= mostAsked &&
  [...lease.opens].every(({ lockCount, waiting, watch }) =>
    lockCount === 0 && waiting.size === 0 && watch === undefined
  )

/**
 * Asks a user's clients to close handles that they only cache, the oldest first. Gives the leases that have to
 * acknowledge.
 */
const askBack = (
  server: Server,
  session: Session,
  { leases }: Usage,
  limit: keyof Limits
): ReadonlyArray<Lease> => {
  const asked: Array<Lease> = []
  let seen = 0
  const most = Math.min(mostSeen, leases.size)
  for (const [lease, count] of leases) {
    if (++seen > most || asked.length >= mostAsked) break
    // The next CREATE begins with the leases that this one did not look at.
    leases.delete(lease)
    leases.set(lease, count)
    const helps = limit !== "opens" || [...lease.opens].some((open) => open.session === session)
    if ((lease.state & OplocksAndLeases.HANDLE) === 0 || !helps) continue
    if (lease.breaking === undefined && isIdle(lease)) {
      OplocksAndLeases.breakTo(server, lease, lease.state & ~OplocksAndLeases.HANDLE)
    }
    if (lease.breaking !== undefined && (lease.breaking & OplocksAndLeases.HANDLE) === 0) asked.push(lease)
  }
  return asked
}

/** Reserves an open, and waits for clients to close others if a limit is reached. */
export const reserve = (incoming: Incoming): Effect.Effect<OpenReservation, Refusal> =>
  Effect.gen(function*() {
    const { server } = incoming
    const session = incoming.session!
    let asked: ReadonlyArray<Lease> | undefined
    for (;;) {
      const { usage } = session
      if (usage === undefined) return yield* refuse(NtStatus.STATUS_USER_SESSION_DELETED)
      const limit = reached(server, session, usage)
      if (limit === undefined) return new OpenReservation(server, session, usage)
      if (asked === undefined) {
        asked = askBack(server, session, usage, limit)
        // The breaks have closed the opens that wait for absent clients.
        continue
      }
      asked = asked.filter(({ breaking }) => breaking !== undefined)
      if (asked.length === 0) return yield* limitReached(incoming, limit, NtStatus.STATUS_TOO_MANY_OPENED_FILES)
      yield* OplocksAndLeases.waitForOne(incoming, asked)
    }
  })
