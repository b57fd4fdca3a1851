/**
 * The message identifiers that a client can use (MS-SMB2 3.3.1.1): a window that moves up as they are used, and grows
 * with granted credits. A client can use the identifiers in the window out of order.
 */

/**
 * One connection's window.
 *
 * @category models
 */
export class CommandSequenceWindow {
  private low = 0
  private high = 1
  /** Used identifiers from `low` upwards. */
  private readonly used = new Set<number>()
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  /** The identifiers that the client can use. */
  get available(): number {
    return this.high - this.low - this.used.size
  }

  /** Takes `charge` identifiers from `id` upwards; false if any of them was never granted, or is used. */
  take(id: number, charge: number): boolean {
    if (id < this.low || id + charge > this.high) return false
    if (this.used.size > 0) {
      for (let i = id; i < id + charge; i++) if (this.used.has(i)) return false
    }
    if (id === this.low) {
      this.low = id + charge
      while (this.used.size > 0 && this.used.delete(this.low)) this.low++
    } else {
      for (let i = id; i < id + charge; i++) this.used.add(i)
    }
    return true
  }

  /** Grants as many of the wanted credits as the limit allows, and at least one to a client without credits. */
  grant(wanted: number): number {
    const outstanding = this.high - this.low
    let granted = Math.min(wanted, this.limit - outstanding)
    if (granted < 1) granted = outstanding - this.used.size > 0 ? 0 : 1
    this.high += granted
    return granted
  }
}
