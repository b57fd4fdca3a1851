/**
 * Lock sequences (MS-SMB2 3.2.1.6 Open.OperationBuckets, 3.2.4.19, 3.2.4.21, 3.2.5.14): the number of each LOCK request
 * on an open that can outlive its connection. If a response is lost, the server recognizes the same request by it, and
 * does not lock or unlock twice.
 */

/**
 * The place of a request: the index of a bucket, and its present number.
 *
 * @since 0.2.0
 */
export interface LockSequence {
  /** 4 bits. */
  readonly lockSequenceNumber: number
  /** From 1 to 64; 0 if the request has no place. */
  readonly lockSequenceIndex: number
}

/**
 * The sequence of a request that the server need not recognize.
 *
 * @since 0.2.0
 */
export const none: LockSequence = { lockSequenceNumber: 0, lockSequenceIndex: 0 }

/** The number of buckets (3.2.1.6). */
const buckets = 64

/**
 * The buckets of one open. A request without a response keeps its bucket: with the same number, the server would take
 * another request for that one.
 *
 * @category models
 * @since 0.2.0
 */
export class LockSequences {
  /** The next number of each bucket that was used. */
  readonly #numbers = new Map<number, number>()
  readonly #free: Array<number> = []
  #used = 0
  /** The places of the requests without a response, by request. */
  readonly #unanswered = new WeakMap<object, LockSequence>()

  /**
   * The place of a request; `none` if every bucket has a request without a response. The same request gets its place
   * again while it has no response: the server then recognizes it.
   */
  take(request?: object): LockSequence {
    const known = request === undefined ? undefined : this.#unanswered.get(request)
    if (known !== undefined) return known
    const taken = this.#next()
    if (request !== undefined && taken !== none) this.#unanswered.set(request, taken)
    return taken
  }

  /** Whether the server would recognize this request, which has no response yet. */
  recognizes(request: object): boolean {
    return this.#unanswered.has(request)
  }

  #next(): LockSequence {
    const lockSequenceIndex = this.#free.pop() ?? (this.#used < buckets ? ++this.#used : 0)
    return lockSequenceIndex === 0
      ? none
      : { lockSequenceIndex, lockSequenceNumber: this.#numbers.get(lockSequenceIndex) ?? 0 }
  }

  /** The server has responded to the request: its bucket is free for the next one, which has another number. */
  answered({ lockSequenceIndex, lockSequenceNumber }: LockSequence, request?: object): void {
    if (request !== undefined) this.#unanswered.delete(request)
    if (lockSequenceIndex === 0) return
    this.#numbers.set(lockSequenceIndex, (lockSequenceNumber + 1) & 0xf)
    this.#free.push(lockSequenceIndex)
  }
}
