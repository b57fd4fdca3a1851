/**
 * Whether a history of concurrent operations can be explained by one order of them, each at one moment between its call
 * and its return (linearizability, Herlihy and Wing). Pure.
 *
 * What a client was told decides. An operation that succeeded took effect exactly once. One that failed for sure took
 * none. One whose outcome is unknown took effect once, at any time after its call, or never.
 */

/** What a client was told of its operation. */
export type Outcome = "ok" | "failed" | "unknown"

/** An operation of a history. `invoked` and `returned` are places in one order of all calls and returns. */
export interface Entry<Action> {
  readonly client: string
  readonly action: Action
  readonly outcome: Outcome
  readonly invoked: number
  readonly returned: number
  /** The error's text. */
  readonly error?: string | undefined
}

/** A sequential object: the state after an action, or undefined if the action is impossible in that state. */
export interface Model<State, Action> {
  readonly step: (state: State, action: Action) => State | undefined
  /** States with the same key are the same. */
  readonly key: (state: State) => string
}

/** `undecided`: the search was given up after its limit of steps. */
export type Answer = "explained" | "unexplained" | "undecided"

/**
 * Searches an order that explains the history. `steps` limits the states that are looked at: the search is exponential in
 * the operations that overlap.
 */
export const explain = <State, Action>(
  model: Model<State, Action>,
  initial: State,
  history: ReadonlyArray<Entry<Action>>,
  steps = 500_000
): Answer => {
  const entries = history.filter(({ outcome }) => outcome !== "failed").toSorted((a, b) => a.invoked - b.invoked)
  const ends = entries.map(({ outcome, returned }) => (outcome === "ok" ? returned : Infinity))
  const open = entries.filter(({ outcome }) => outcome === "ok").length
  const done = new Uint8Array(entries.length)
  const seen = new Set<string>()
  let left = steps

  const search = (state: State, missing: number): Answer => {
    if (missing === 0) return "explained"
    const key = `${done.join("")}|${model.key(state)}`
    if (seen.has(key)) return "unexplained"
    seen.add(key)
    if (--left < 0) return "undecided"
    // An operation may come next if no other one that is still missing returned before its call.
    let earliest = Infinity
    for (let i = 0; i < entries.length; i++) if (done[i] === 0) earliest = Math.min(earliest, ends[i]!)
    let answer: Answer = "unexplained"
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!
      if (entry.invoked > earliest) break
      if (done[i] === 1) continue
      const next = model.step(state, entry.action)
      if (next === undefined) continue
      done[i] = 1
      const found = search(next, entry.outcome === "ok" ? missing - 1 : missing)
      done[i] = 0
      if (found === "explained") return found
      if (found === "undecided") answer = found
    }
    return answer
  }
  return search(initial, open)
}
