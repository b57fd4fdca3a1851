/**
 * Room for one more open. Before the server refuses a CREATE because of a limit, it asks the user's clients for opens
 * that they may have closed already: a client with cached handles keeps a file open after its program has closed it.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type { Limits } from "../../Limits.ts"
import { beyond } from "../Connection/Beyond.ts"
import type { Incoming } from "../Connection/Incoming.ts"
import { type Refusal, refuse } from "../Connection/Reply.ts"
import * as Caching from "../State/Caching.ts"
import type { ServerState } from "../State/ServerState.ts"
import type { Session } from "../State/Session.ts"
import type { Usage } from "../State/Usage.ts"

/** An open that is about to be made. It counts from the beginning, so that several at once do not exceed a limit. */
export class Room {
  readonly #server: ServerState
  readonly #session: Session
  readonly #usage: Usage
  #waits = true

  constructor(server: ServerState, session: Session, usage: Usage) {
    this.#server = server
    this.#session = session
    this.#usage = usage
    this.#usage.opens++
    session.opening++
    server.opening++
  }

  /** The open is made: it counts for this user until it is closed. An open that was undone can be made again. */
  keep(): Usage {
    if (this.#waits) this.#settle()
    else this.#usage.opens++
    return this.#usage
  }

  /** Gives the room back, unless the open was made. */
  giveBack(): void {
    if (!this.#waits) return
    this.#settle()
    this.#usage.opens--
    this.#usage.release()
  }

  #settle(): void {
    this.#waits = false
    this.#session.opening--
    this.#server.opening--
  }
}

/** The limit that one more open would exceed. */
const reached = (server: ServerState, session: Session, usage: Usage): keyof Limits | undefined => {
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
const isIdle = (holder: Caching.Holder): boolean =>
  holder.opens.size <= mostAsked &&
  [...holder.opens].every(({ lockCount, waiting, watch }) =>
    lockCount === 0 && waiting.size === 0 && watch === undefined
  )

/**
 * Asks a user's clients to close handles that they only cache, the oldest first. Gives the holders that have to
 * acknowledge.
 */
const askBack = (
  server: ServerState,
  session: Session,
  { holders }: Usage,
  limit: keyof Limits
): ReadonlyArray<Caching.Holder> => {
  const asked: Array<Caching.Holder> = []
  let seen = 0
  const most = Math.min(mostSeen, holders.size)
  for (const [holder, count] of holders) {
    if (++seen > most || asked.length >= mostAsked) break
    // The next CREATE begins with the holders that this one did not look at.
    holders.delete(holder)
    holders.set(holder, count)
    const helps = limit !== "opens" || [...holder.opens].some((open) => open.session === session)
    if ((holder.state & Caching.HANDLE) === 0 || !helps) continue
    if (holder.breaking === undefined && isIdle(holder)) {
      Caching.breakTo(server, holder, holder.state & ~Caching.HANDLE)
    }
    if (holder.breaking !== undefined && (holder.breaking & Caching.HANDLE) === 0) asked.push(holder)
  }
  return asked
}

/** Takes room for an open, and waits for clients to close others if a limit is reached. */
export const take = (incoming: Incoming): Effect.Effect<Room, Refusal> =>
  Effect.gen(function*() {
    const { server } = incoming
    const session = incoming.session!
    let asked: ReadonlyArray<Caching.Holder> | undefined
    for (;;) {
      const { usage } = session
      if (usage === undefined) return yield* refuse(NtStatus.STATUS_USER_SESSION_DELETED)
      const limit = reached(server, session, usage)
      if (limit === undefined) return new Room(server, session, usage)
      if (asked === undefined) {
        asked = askBack(server, session, usage, limit)
        // The breaks have closed the opens that wait for absent clients.
        continue
      }
      asked = asked.filter(({ breaking }) => breaking !== undefined)
      if (asked.length === 0) return yield* beyond(incoming, limit, NtStatus.STATUS_TOO_MANY_OPENED_FILES)
      yield* Caching.waitForOne(incoming, asked)
    }
  })
