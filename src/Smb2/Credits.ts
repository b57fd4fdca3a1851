/**
 * The credits of a connection, and the requests that wait for them (MS-SMB2 3.2.4.1.2, 3.2.4.1.5, 3.2.4.1.6,
 * 3.2.5.1.4).
 *
 * A credit is the right to use one MessageId. The server grants MessageIds in order and without gaps, so the document's
 * Connection.SequenceWindow is two numbers here: the next MessageId, and how many of them are available. Requests are
 * sent in the order in which they came: a small one does not pass a large one, which could otherwise wait forever. Only
 * the acknowledgment of a break passes all others: other clients wait for it, and perhaps requests of this one behind them.
 */

/** A credit count of the header has 16 bits. */
const maximum = 0xffff

/**
 * The credits of one connection. Its owner sends what `take` and `next` say, and must give back each charge once by
 * `finish`.
 *
 * @category models
 * @since 0.2.0
 */
export class Credits<Batch extends { readonly charge: number }> {
  /** The credits to ask for in total: available, and in use. */
  private readonly target: number
  private waiting: Array<Batch> = []
  /** The server gives each connection one credit, for its NEGOTIATE. */
  private available = 1
  private most = 1
  private inUse = 0
  private nextMessageId = 0
  /** Whether CreditCharge is used: SMB2_GLOBAL_CAP_LARGE_MTU, which 2.0.2 lacks. */
  multiCredit = false

  constructor(target: number) {
    this.target = target
  }

  /** The most credits that were available at once. */
  get mostAvailable(): number {
    return this.most
  }

  /** Whether a request was sent. */
  get used(): boolean {
    return this.nextMessageId > 0
  }

  /** The credits that are available now. */
  get availableNow(): number {
    return this.available
  }

  /** The number of requests that wait. */
  get waitingCount(): number {
    return this.waiting.length
  }

  /** Whether requests wait. */
  get waits(): boolean {
    return this.waiting.length > 0
  }

  /**
   * Takes the charge of `batch`, or lets it wait behind the others, or before them if it `passes`. Returns whether it can
   * be sent now.
   */
  take(batch: Batch, passes = false): boolean {
    if ((passes || this.waiting.length === 0) && batch.charge <= this.available) {
      this.spend(batch.charge)
      return true
    }
    if (passes) this.waiting.unshift(batch)
    else this.waiting.push(batch)
    return false
  }

  /** The first that waits, if its charge is available now: takes the charge. */
  next(): Batch | undefined {
    const batch = this.waiting[0]
    if (batch === undefined || batch.charge > this.available) return undefined
    this.waiting.shift()
    this.spend(batch.charge)
    return batch
  }

  /** What the first that waits needs, and what is available. */
  get shortage(): { readonly charge: number; readonly available: number } | undefined {
    const batch = this.waiting[0]
    return batch === undefined || batch.charge <= this.available
      ? undefined
      : { charge: batch.charge, available: this.available }
  }

  private spend(charge: number): void {
    this.available -= charge
    this.inUse += charge
  }

  /** The MessageId of a request that takes `charge` credits (MS-SMB2 3.2.4.1.3, 3.2.4.1.5). */
  messageId(charge: number): number {
    const id = this.nextMessageId
    this.nextMessageId += this.multiCredit ? charge : 1
    return id
  }

  /** CreditCharge in the header of a request (MS-SMB2 3.2.4.1.5). */
  creditCharge(charge: number): number {
    return this.multiCredit ? charge : 0
  }

  /** CreditRequest in the header of a request: at least its own charge, and as many as are missing to the target. */
  creditRequest(charge: number): number {
    const wanted = this.target - this.available - this.inUse + charge
    return Math.min(Math.max(wanted, charge), maximum)
  }

  /** The server has granted credits, in any response. More than 65535 are never available. */
  grant(credits: number): void {
    this.available = Math.min(this.available + credits, maximum)
    if (this.available > this.most) this.most = this.available
  }

  /** A request of this charge has its last response. */
  finish(charge: number): void {
    this.inUse -= charge
  }

  /** Forgets a batch that waits. */
  abandon(batch: Batch): void {
    this.waiting = this.waiting.filter((other) => other !== batch)
  }

  /** Forgets all that wait, and returns them. */
  abandonAll(): ReadonlyArray<Batch> {
    const { waiting } = this
    this.waiting = []
    return waiting
  }
}
