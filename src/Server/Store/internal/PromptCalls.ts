/**
 * Calls to a file system that are made at once, in the thread of the event loop, as long as they are short.
 *
 * A call in the thread pool costs a small file about 0.1 ms, because two threads wait for each other; the call itself
 * takes some microseconds where the file system has its answer in memory. It cannot be known before a call whether a
 * disk is needed. So each call is measured. After one that took long, the file system's calls go through the thread pool
 * for a while: other clients then wait for a slow disk at most once in that time.
 */

/** A call that takes longer, in milliseconds, has waited for a disk. */
const long = 5

/** For so many milliseconds after a long call the thread pool makes the calls. */
const pause = 1000

/** The most bytes that are read or written at once. Copying more takes longer than the thread pool costs. */
export const smallBytes = 65_536

/** @category models */
export class PromptCalls {
  /** Whether the file system is one whose calls can be short: a local disk, or memory. */
  readonly prompt: boolean
  readonly #now: () => number
  #until = -Infinity

  /** `now`: a clock in milliseconds. */
  constructor(prompt: boolean, now: () => number = () => performance.now()) {
    this.prompt = prompt
    this.#now = now
  }

  /** Whether the next call is made at once. */
  get areShort(): boolean {
    return this.prompt && this.#now() >= this.#until
  }

  /** Makes a call at once, and measures it. */
  run<A>(call: () => A): A {
    const began = this.#now()
    try {
      return call()
    } finally {
      const ended = this.#now()
      if (ended - began > long) this.#until = ended + pause
    }
  }

  /** Makes a call at once, or by `later` in the thread pool. */
  async either<A>(now: () => A, later: () => Promise<A>): Promise<A> {
    return this.areShort ? this.run(now) : later()
  }
}

/** For file systems whose calls always go through the thread pool. */
export const never = new PromptCalls(false)
