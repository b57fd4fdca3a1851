/**
 * Computes how long a logon waits after earlier ones were refused. The next logon of the same user name from the same
 * address waits, and so does any logon from an address with many refusals. Logons from other addresses do not wait, so
 * an attacker cannot keep a user out by guessing their password. It makes no difference whether the user exists.
 *
 * A logon that waits is checked when its turn comes. If several wait for one turn, the first one gets it, and the
 * others are refused without a check of their proof. The stored entries are limited, and each logon costs the same.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { fold } from "../../../Codec/UpCase.ts"
import type { Limits } from "../../Limits.ts"

/** The refusals of a name, or of an address. */
interface Entry {
  /** The number of refusals in a row. */
  count: number
  /** The time of the last refusal or success: milliseconds of the monotonic clock. */
  last: number
}

/** Entries with a limit: the oldest are removed when there are too many, and after some time. */
class Entries {
  readonly #entries = new Map<string, Entry>()
  readonly #most: number
  readonly #time: number

  constructor(most: number, time: number) {
    this.#most = most
    this.#time = time
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string, now: number): Entry | undefined {
    const entry = this.#entries.get(key)
    return entry === undefined || now - entry.last > this.#time ? undefined : entry
  }

  set(key: string, count: number, now: number): void {
    this.#entries.delete(key)
    this.#entries.set(key, { count, last: now })
    // At most two old entries are removed for a new one, so that outdated ones are gone before there are many.
    for (const [oldest, { last }] of Array.from(firstTwo(this.#entries))) {
      if (this.#entries.size > this.#most || now - last > this.#time) this.#entries.delete(oldest)
    }
  }
}

function* firstTwo<K, V>(map: ReadonlyMap<K, V>): Generator<[K, V]> {
  let count = 0
  for (const entry of map) {
    yield entry
    if (++count === 2) return
  }
}

/** The first delay, in milliseconds; it doubles with each further refusal. */
const shortest = 250
/**
 * The longest delay because of the address alone: other users of the address wait at most this long after a refusal.
 */
const longestOfAddress = 1000
/** The most logons of one address that wait at a time. */
const mostWaiting = 16
/** UTF-16 code units of a user name; longer names with the same beginning count as the same. */
const longestName = 256

const delayAfter = (count: number, free: number, longest: number): number =>
  count < free ? 0 : Math.min(longest, shortest * 2 ** Math.min(count - free, 30))

type Settings = Pick<
  Limits,
  "refusedLogons" | "addressRefusedLogons" | "logonDelay" | "refusalTime" | "refusalEntries"
>

const millis = (time: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(time))

/**
 * @category models
 */
export class LogonDelays {
  readonly #limits: Settings
  readonly #longest: number
  readonly #pairs: Entries
  readonly #addresses: Entries
  readonly #waiting = new Map<string, number>()

  constructor(limits: Settings) {
    this.#limits = limits
    this.#longest = millis(limits.logonDelay)
    const time = millis(limits.refusalTime)
    this.#pairs = new Entries(limits.refusalEntries, time)
    this.#addresses = new Entries(limits.refusalEntries, time)
  }

  /** The number of entries. */
  get size(): number {
    return this.#pairs.size + this.#addresses.size
  }

  /** The number of waiting logons. */
  get waiting(): number {
    let all = 0
    for (const count of this.#waiting.values()) all += count
    return all
  }

  readonly #now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

  #pair(user: string, network: string): string {
    return `${network}\0${fold(user.slice(0, longestName))}`
  }

  /** Milliseconds until a logon may be checked. */
  #left(user: string, network: string, now: number): number {
    const pair = this.#pairs.get(this.#pair(user, network), now)
    const ofPair = pair === undefined
      ? 0
      : pair.last + delayAfter(pair.count, this.#limits.refusedLogons, this.#longest) - now
    // A user who has logged on from there, and was not refused since, does not wait because of others at the address.
    if (pair?.count === 0 || network === "") return Math.max(0, ofPair)
    const address = this.#addresses.get(network, now)
    const longest = Math.min(longestOfAddress, this.#longest)
    const ofAddress = address === undefined
      ? 0
      : address.last + delayAfter(address.count, this.#limits.addressRefusedLogons, longest) - now
    return Math.max(0, ofPair, ofAddress)
  }

  /**
   * Waits for the turn of a logon. Gives `false` if the turn would not come in time: the logon is then refused without
   * a check. `network` is the network that it comes from, empty without an address; `ended` completes when its client
   * is gone. The steps from there to `refused` or `succeeded` must not wait: other logons could get their turn during
   * that time.
   */
  turn(user: string, network: string, ended: Effect.Effect<void>): Effect.Effect<boolean> {
    return Effect.gen({ self: this }, function*() {
      const begin = yield* this.#now
      for (let now = begin;; now = yield* this.#now) {
        const left = this.#left(user, network, now)
        if (left === 0) return true
        const waiting = this.#waiting.get(network) ?? 0
        if (now + left > begin + this.#longest || waiting >= mostWaiting) return false
        this.#waiting.set(network, waiting + 1)
        const goesOn = yield* Effect.raceFirst(
          Effect.as(Effect.sleep(left), true),
          Effect.as(ended, false)
        ).pipe(Effect.ensuring(Effect.sync(() => this.#leave(network))))
        if (!goesOn) return false
      }
    })
  }

  #leave(network: string): void {
    const left = this.#waiting.get(network)! - 1
    if (left === 0) this.#waiting.delete(network)
    else this.#waiting.set(network, left)
  }

  /** A logon was checked and refused. */
  refused(user: string, network: string): Effect.Effect<void> {
    return Effect.map(this.#now, (now) => {
      const pair = this.#pair(user, network)
      this.#pairs.set(pair, (this.#pairs.get(pair, now)?.count ?? 0) + 1, now)
      if (network !== "") this.#addresses.set(network, (this.#addresses.get(network, now)?.count ?? 0) + 1, now)
    })
  }

  /** A logon succeeded: forgets the refusals of that user from that network, and no others. */
  succeeded(user: string, network: string): Effect.Effect<void> {
    return Effect.map(this.#now, (now) => this.#pairs.set(this.#pair(user, network), 0, now))
  }
}
