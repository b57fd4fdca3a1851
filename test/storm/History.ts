/** Records what clients did to the objects of a storm, in one order of all calls and returns. */
import type { Action, State } from "./Check.ts"
import * as Check from "./Check.ts"
import type { Entry, Outcome } from "./Linearizability.ts"

/** The history of a round. */
export class History {
  private readonly entries = new Map<string, Array<Entry<Action>>>()
  private clock = 0

  /** The next place in the order of calls and returns. */
  readonly now = (): number => ++this.clock

  add(object: string, entry: Entry<Action>): void {
    const own = this.entries.get(object)
    if (own === undefined) this.entries.set(object, [entry])
    else own.push(entry)
  }

  /** Records an action that was called at `invoked` and has just ended. */
  readonly ended = (
    object: string,
    client: string,
    action: Action,
    outcome: Outcome,
    invoked: number,
    error?: string
  ): void => this.add(object, { client, action, outcome, invoked, returned: this.now(), error })

  /** How many actions had each outcome. */
  counts(): Record<Outcome, number> {
    const counts = { ok: 0, failed: 0, unknown: 0 }
    for (const { outcome } of Array.from(this.entries.values()).flat()) counts[outcome]++
    return counts
  }

  /** What is wrong, if the objects were in these states before, and are in these states now. */
  check(before: ReadonlyMap<string, State>, after: ReadonlyMap<string, State>): ReadonlyArray<string> {
    return Array.from(before).flatMap(([object, state]) => {
      const at = this.now()
      const final: Entry<Action> = {
        client: "disk",
        action: Check.observation(after.get(object)!),
        outcome: "ok",
        invoked: at,
        returned: this.now()
      }
      const entries = [...this.entries.get(object) ?? [], final]
      return Check.check(state, entries).map(({ entries, what }) =>
        [`${object}: ${what}`, `  it began as ${short(Check.observation(state))}`, ...entries.map(line)].join("\n")
      )
    })
  }
}

/** An action for people: long lists of values are cut. */
const short = (action: Action): string => {
  const text = JSON.stringify(action)
  return text.length > 400 ? `${text.slice(0, 400)}…` : text
}

const line = ({ action, client, error, invoked, outcome, returned }: Entry<Action>): string =>
  `  ${invoked}–${returned} ${client} ${outcome}: ${short(action)}${error === undefined ? "" : ` (${error})`}`
