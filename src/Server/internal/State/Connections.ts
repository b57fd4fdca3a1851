/**
 * The connections of a server, and which of them give way. Those that nobody has logged on by yet have a share of their
 * own: when it is full, the oldest goes of the network that has the most of them. So a stranger who opens many pushes out
 * their own, and neither those who log on from elsewhere nor those who have logged on.
 */
import * as Net from "node:net"
import type { Limits } from "../../Limits.ts"

/** `::` written out: eight groups of hexadecimal digits, of which the first ones are asked for. */
const groupsOf = (address: string): ReadonlyArray<string> => {
  const [head = "", tail] = address.split("::")
  const front = head === "" ? [] : head.split(":")
  const back = tail === undefined || tail === "" ? [] : tail.split(":")
  const missing = Math.max(0, 8 - front.length - back.length)
  return [...front, ...Array.from({ length: tail === undefined ? 0 : missing }, () => "0"), ...back]
}

/**
 * What counts as one address: an address of IPv4, or the first 64 bits of one of IPv6, since whoever has one of those has
 * all that begin so. Empty where the client has no address.
 */
export const networkOf = (address: string): string => {
  const plain = address.replace(/%.*$/, "").toLowerCase()
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)
  if (mapped !== null) return mapped[1]!
  if (!Net.isIPv6(plain)) return plain
  return `${groupsOf(plain).slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`
}

/** What comes from one network. */
interface Origin<C> {
  readonly network: string
  /** Those without a logon, the oldest first. */
  readonly strangers: Set<C>
  /** How many have one. */
  users: number
}

/** Why a connection is not taken. */
export type Full = "connections" | "addressConnections"

/** As a connection is seen here. */
export interface Connected {
  /** Where it comes from, by `networkOf`. */
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
  /** Networks by the number of their connections without a logon; who has had that number for longest comes first. */
  readonly #byCount: Array<Set<Origin<C>>> = []
  #most = 0

  constructor(limits: Pick<Limits, "connections" | "addressConnections" | "unauthenticatedConnections">) {
    this.#limits = limits
  }

  get size(): number {
    return this.#all.size
  }

  /** How many have no logon. */
  get unauthenticated(): number {
    return this.#all.size - this.#users.size
  }

  /** How many networks something comes from. */
  get networks(): number {
    return this.#origins.size
  }

  [Symbol.iterator](): IterableIterator<C> {
    return this.#all.values()
  }

  /** Whether there is room for one more with a logon from there. */
  full(network: string): Full | undefined {
    if (this.#users.size >= this.#limits.connections) return "connections"
    const users = this.#origins.get(network)?.users ?? 0
    // Who has no address is not known to be the same.
    return network !== "" && users >= this.#limits.addressConnections ? "addressConnections" : undefined
  }

  /** Takes a connection without a logon; gives the one that has to go for it. */
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

  /** Somebody has logged on by it. */
  admit(connection: C): void {
    const origin = this.#origins.get(connection.network)
    if (origin === undefined || !origin.strangers.has(connection)) return
    this.#count(origin, () => origin.strangers.delete(connection))
    this.#users.add(connection)
    origin.users++
  }

  /** It has ended. */
  leave(connection: C): void {
    if (!this.#all.delete(connection)) return
    const origin = this.#origins.get(connection.network)!
    if (this.#users.delete(connection)) origin.users--
    else this.#count(origin, () => origin.strangers.delete(connection))
    if (origin.users === 0 && origin.strangers.size === 0) this.#origins.delete(origin.network)
  }

  /** Keeps `#byCount` while one comes to a network's, or goes. */
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
