/**
 * What each user holds of a server. What all clients have in common is limited for the server as a whole, and each user
 * may take a part of it, by however many sessions and connections.
 *
 * Guests and callers without a name are no persons: those of one address (`Connections.networkOf`) count as one.
 */
import type { Limits } from "../../Limits.ts"
import type { Holder } from "./Caching.ts"
import type { Identity } from "./Session.ts"

/** What one user holds. */
export class Usage {
  readonly owner: string
  /** Those by which this user was the first to log on. */
  connections = 0
  sessions = 0
  /** Open files and pipes, those included that are about to be opened, and those that wait for their client. */
  opens = 0
  locks = 0
  /** Durable opens that wait for their client. */
  durables = 0
  watches = 0
  /** Bytes of changes that are kept. */
  notified = 0
  /** Oplocks and leases, and how many of the user's opens each is for; the one that was had first comes first. */
  readonly holders = new Map<Holder, number>()

  readonly #forget: (usage: Usage) => void

  constructor(owner: string, forget: (usage: Usage) => void) {
    this.owner = owner
    this.#forget = forget
  }

  /** To be called when something is given back: what holds nothing any more is forgotten. */
  release(): void {
    if (this.connections === 0 && this.sessions === 0 && this.opens === 0) this.#forget(this)
  }
}

/** A limit that a user has reached. */
export type UserLimit = Extract<keyof Limits, `user${string}`>

/**
 * @category models
 */
export class UsageTable {
  readonly #all = new Map<string, Usage>()

  get size(): number {
    return this.#all.size
  }

  /** Of somebody who comes from there. */
  of(user: Identity, network: string): Usage {
    const owner = user.guest ? `guest from ${network}` : user.sid
    const known = this.#all.get(owner)
    if (known !== undefined) return known
    const made = new Usage(owner, (usage) => {
      if (this.#all.get(owner) === usage) this.#all.delete(owner)
    })
    this.#all.set(owner, made)
    return made
  }
}
