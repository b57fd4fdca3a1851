/**
 * The connections of a server, and which of them must end when there are too many. Connections without a logon have
 * their own limit: when they exceed it, the oldest one of the network with the most of them ends. So a stranger with
 * many connections ends only their own, and not those of clients that log on from elsewhere, or that have logged on.
 */
import * as Net from "node:net"
import type { Limits } from "../../Limits.ts"

/** An address with `::` written out: eight groups of hexadecimal digits. The caller needs only the first ones. */
const groupsOf = (address: string): ReadonlyArray<string> => {
  const [head = "", tail] = address.split("::")
  const front = head === "" ? [] : head.split(":")
  const back = tail === undefined || tail === "" ? [] : tail.split(":")
  const missing = Math.max(0, 8 - front.length - back.length)
  return [...front, ...Array.from({ length: tail === undefined ? 0 : missing }, () => "0"), ...back]
}

/**
 * The part of an address that counts as one network: an IPv4 address, or the first 64 bits of an IPv6 one, since the
 * owner of one such address has all with these bits. Empty if the client has no address.
 */
export const networkOf = (address: string): string => {
  const plain = address.replace(/%.*$/, "").toLowerCase()
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)
  if (mapped !== null) return mapped[1]!
  if (!Net.isIPv6(plain)) return plain
  return `${groupsOf(plain).slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`
}

/** The connections of one network. */
interface Origin<C> {
  readonly network: string
  /** The connections without a logon, the oldest first. */
  readonly strangers: Set<C>
  /** The number of connections with a logon. */
  users: number
}

/** The limit because of which a connection is refused. */
export type Full = "connections" | "addressConnections"

/** The part of a connection that this module needs. */
export interface Connected {
  /** The network that it comes from, by `networkOf`. */
  readonly network: string
}

/**
 * @category models
 */
export class Connections<C extends Connected> {
  readonly #limits: Pick<Limits, "connections" | "addressConnections" | "unauthenticatedConnections">
  readonly #all = new Set<C>()
  readonly #users = new Set<C>()
  readonly #origins = new Map<string, Origin<C>>()
  /**
   * Networks by the number of their connections without a logon. The network that has had that number for longest is
   * first.
   */
  readonly #byCount: Array<Set<Origin<C>>> = []
  #most = 0

  constructor(limits: Pick<Limits, "connections" | "addressConnections" | "unauthenticatedConnections">) {
    this.#limits = limits
  }

  get size(): number {
    return this.#all.size
  }

  /** The number of connections without a logon. */
  get unauthenticated(): number {
    return this.#all.size - this.#users.size
  }

  /** The number of networks with connections. */
  get networks(): number {
    return this.#origins.size
  }

  [Symbol.iterator](): IterableIterator<C> {
    return this.#all.values()
  }

  /** The limit that one more connection with a logon from this network would exceed, if any. */
  full(network: string): Full | undefined {
    if (this.#users.size >= this.#limits.connections) return "connections"
    const users = this.#origins.get(network)?.users ?? 0
    // Clients without an address do not count as the same client.
    return network !== "" && users >= this.#limits.addressConnections ? "addressConnections" : undefined
  }

  /** Adds a connection without a logon. Gives the connection that has to end for it. */
  enter(connection: C): C | undefined {
    let origin = this.#origins.get(connection.network)
    if (origin === undefined) {
      origin = { network: connection.network, strangers: new Set(), users: 0 }
      this.#origins.set(connection.network, origin)
    }
    this.#all.add(connection)
    this.#count(origin, () => origin.strangers.add(connection))
    if (this.unauthenticated <= this.#limits.unauthenticatedConnections) return undefined
    const [fullest] = this.#byCount[this.#most]!
    const [oldest] = fullest!.strangers
    return oldest
  }

  /** A user has logged on by the connection. */
  admit(connection: C): void {
    const origin = this.#origins.get(connection.network)
    if (origin === undefined || !origin.strangers.has(connection)) return
    this.#count(origin, () => origin.strangers.delete(connection))
    this.#users.add(connection)
    origin.users++
  }

  /** Removes a connection that has ended. */
  leave(connection: C): void {
    if (!this.#all.delete(connection)) return
    const origin = this.#origins.get(connection.network)!
    if (this.#users.delete(connection)) origin.users--
    else this.#count(origin, () => origin.strangers.delete(connection))
    if (origin.users === 0 && origin.strangers.size === 0) this.#origins.delete(origin.network)
  }

  /** Updates `#byCount` around a change to the connections of a network. */
  #count(origin: Origin<C>, change: () => void): void {
    const { strangers } = origin
    this.#byCount[strangers.size]?.delete(origin)
    change()
    const { size } = strangers
    if (size > 0) (this.#byCount[size] ??= new Set()).add(origin)
    if (size > this.#most) this.#most = size
    while (this.#most > 0 && (this.#byCount[this.#most]?.size ?? 0) === 0) this.#most--
  }
}
