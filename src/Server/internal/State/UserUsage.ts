/**
 * The resources of a server that each user holds. Resources that all clients share have a limit for the whole server,
 * and a limit for each user over all their sessions and connections.
 *
 * Guests and anonymous callers are not known as persons: those of one network (`Connections.networkOf`) count as one
 * user.
 */
import type { Limits } from "../../Limits.ts"
import type { Identity } from "./Identity.ts"

/** The resources that one user holds. */
export class Usage<Lease> {
  readonly owner: string
  /** The connections on which this user was the first to log on. */
  connections = 0
  sessions = 0
  /** Open files and pipes, with those that are about to be opened, and those that wait for their client. */
  opens = 0
  locks = 0
  /** Durable opens that wait for their client. */
  durables = 0
  /** Opens that an `OpenStore` keeps. */
  kept = 0
  watches = 0
  /** Bytes of changes that are kept for watches. */
  notified = 0
  /** Oplocks and leases, each with the number of the user's opens for it; the oldest comes first. */
  readonly leases = new Map<Lease, number>()
  /** The clients of its sessions, by ClientGuid: the dialect that each speaks, and the number of its sessions. */
  readonly clients = new Map<string, { readonly dialect: number; sessions: number }>()

  readonly #forget: (usage: Usage<Lease>) => void

  constructor(owner: string, forget: (usage: Usage<Lease>) => void) {
    this.owner = owner
    this.#forget = forget
  }

  /** Called after something is given back: a user who holds nothing any more is forgotten. */
  release(): void {
    if (this.connections === 0 && this.sessions === 0 && this.opens === 0) this.#forget(this)
  }
}

/** A limit for one user. */
export type UserLimit = Extract<keyof Limits, `user${string}`>

/**
 * @category models
 */
export class UsageTable<Lease> {
  readonly #all = new Map<string, Usage<Lease>>()

  get size(): number {
    return this.#all.size
  }

  /** The usage of a user; for a guest, that of the network. */
  of(user: Pick<Identity, "guest" | "sid">, network: string): Usage<Lease> {
    const owner = user.guest ? `guest from ${network}` : user.sid
    const known = this.#all.get(owner)
    if (known !== undefined) return known
    const made = new Usage<Lease>(owner, (usage) => {
      if (this.#all.get(owner) === usage) this.#all.delete(owner)
    })
    this.#all.set(owner, made)
    return made
  }
}
