/** One call at a time for each key: a chain of promises per key, which is removed when no call waits. */
export class KeyedLocks {
  readonly #tails = new Map<string, Promise<unknown>>()

  /** Runs `body` after all earlier calls for `key` have ended, with or without success. */
  run<A>(key: string, body: () => Promise<A>): Promise<A> {
    const before = this.#tails.get(key)
    const done = before === undefined ? body() : before.then(body)
    const tail = done.then(ignore, ignore)
    this.#tails.set(key, tail)
    return done.finally(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    })
  }

  /** Takes two keys, always in the same order, so that no deadlock is possible. */
  both<A>(one: string, other: string, body: () => Promise<A>): Promise<A> {
    if (one === other) return this.run(one, body)
    const [first, second] = one < other ? [one, other] : [other, one]
    return this.run(first, () => this.run(second, body))
  }
}

const ignore = () => undefined
