/**
 * How long a logon has to wait since others were refused: the next one of the same user name from the same address, and, of
 * whatever name, the next one from an address that many were refused from. Who comes from elsewhere waits for none of it,
 * so nobody keeps a user out by guessing their password. Whether there is such a user makes no difference.
 *
 * A logon that waits is judged when its turn comes. Of several that wait for one turn the first has it, and the others
 * are refused without a look at what they prove. What is kept is bounded, and each logon costs the same.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { fold } from "../../../Codec/UpCase.ts"
import type { Limits } from "../../Limits.ts"

/** What is known of a name, or of an address. */
interface Entry {
  /** Refused in a row. */
  count: number
  /** When the last one was, or a logon that succeeded: milliseconds of the monotonic clock. */
  last: number
}

/** Entries of which the oldest go: when there are too many, and after a while. */
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
    // Two at most go for one that comes: those that are too old are gone before they are many.
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
/** The longest one because of the address alone: others who have it wait for no longer between two who are refused. */
const longestOfAddress = 1000
/** Logons that wait at a time, of one address. */
const mostWaiting = 16
/** Of a user name; what is longer counts as the same. */
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

  /** How many entries are kept. */
  get size(): number {
    return this.#pairs.size + this.#addresses.size
  }

  /** How many logons wait. */
  get waiting(): number {
    let all = 0
    for (const count of this.#waiting.values()) all += count
    return all
  }

  readonly #now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

  #pair(user: string, network: string): string {
    return `${network}\0${fold(user.slice(0, longestName))}`
  }

  /** Milliseconds until a logon may be judged. */
  #left(user: string, network: string, now: number): number {
    const pair = this.#pairs.get(this.#pair(user, network), now)
    const ofPair = pair === undefined
      ? 0
      : pair.last + delayAfter(pair.count, this.#limits.refusedLogons, this.#longest) - now
    // Who came in before, and was not refused since, does not wait for what others of the address do.
    if (pair?.count === 0 || network === "") return Math.max(0, ofPair)
    const address = this.#addresses.get(network, now)
    const longest = Math.min(longestOfAddress, this.#longest)
    const ofAddress = address === undefined
      ? 0
      : address.last + delayAfter(address.count, this.#limits.addressRefusedLogons, longest) - now
    return Math.max(0, ofPair, ofAddress)
  }

  /**
   * Waits for the turn of a logon; `false` where it would not come in time, so that the logon is refused as it is.
   * `network` is where it comes from, empty where it has no address; `ended` is done when its client is gone. What follows
   * up to `refused` or `succeeded` must not wait for anything: by then others may have their turn.
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

  /** A logon was judged, and refused. */
  refused(user: string, network: string): Effect.Effect<void> {
    return Effect.map(this.#now, (now) => {
      const pair = this.#pair(user, network)
      this.#pairs.set(pair, (this.#pairs.get(pair, now)?.count ?? 0) + 1, now)
      if (network !== "") this.#addresses.set(network, (this.#addresses.get(network, now)?.count ?? 0) + 1, now)
    })
  }

  /** A logon succeeded: that user's refusals from there are forgotten, and no other's. */
  succeeded(user: string, network: string): Effect.Effect<void> {
    return Effect.map(this.#now, (now) => this.#pairs.set(this.#pair(user, network), 0, now))
  }
}
