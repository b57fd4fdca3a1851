/**
 * Room for one more open. Before a CREATE is refused for want of it, its user's clients are asked for the opens that they
 * may have closed already: who caches handles keeps a file open after its program has closed it.
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

/** An open that is about to be made. It counts from the beginning, so that several at once do not go beyond a limit. */
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

  /** The open is made: it counts for this user until it is closed. One that is taken back may be made once more. */
  keep(): Usage {
    if (this.#waits) this.#settle()
    else this.#usage.opens++
    return this.#usage
  }

  /** It came to nothing, unless it was made. */
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

/** The limit that one more open would go beyond. */
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

/** How many of a user's leases and oplocks are looked at for one CREATE, and how many of them are taken back. */
const mostSeen = 256
const mostAsked = 8

/** Whether all that a client has open by a lease or an oplock may be closed already: nothing waits there or is locked. */
const isIdle = (holder: Caching.Holder): boolean =>
  holder.opens.size <= mostAsked &&
  [...holder.opens].every(({ lockCount, waiting, watch }) =>
    lockCount === 0 && waiting.size === 0 && watch === undefined
  )

/** Asks a user's clients to close what they only cache, the oldest first. Gives whoever has to answer. */
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
    // The next CREATE begins with those that were not looked at.
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

/** Takes room for an open, once there is some. */
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
        // What waits for clients that are gone was closed by that.
        continue
      }
      asked = asked.filter(({ breaking }) => breaking !== undefined)
      if (asked.length === 0) return yield* beyond(incoming, limit, NtStatus.STATUS_TOO_MANY_OPENED_FILES)
      yield* Caching.waitForOne(incoming, asked)
    }
  })
