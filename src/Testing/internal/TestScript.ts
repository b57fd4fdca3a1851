/**
 * The unusual reactions of a server of the test kit: the script of one connection, or faults.
 */
import type { Reaction, Received } from "../TestServer.ts"
import { told, Unexpected } from "./TestExchange.ts"
import type { State } from "./TestState.ts"

/** One connection's place in the script; faults are counted over all connections. */
export class Script {
  private readonly state: State
  private step = 0

  constructor(state: State) {
    this.state = state
  }

  /** The reaction of the script or the faults to a request; an empty one is the usual response. */
  reaction(received: Received): Reaction | Unexpected {
    const { faults, script } = this.state.options
    if (script !== undefined) {
      const previous = script[this.step - 1]
      const step = script[this.step]
      if (
        previous?.repeated === true && previous.on === received.command && previous.when?.(received) !== false &&
        step?.on !== received.command
      ) return told(previous.is, received)
      if (step === undefined) return new Unexpected(`the script is over, and ${received.command} came`)
      if ((step.on ?? received.command) !== received.command || step.when?.(received) === false) {
        return new Unexpected(
          `the script expects ${step.on ?? "another request"} as its step ${
            this.step + 1
          }, and ${received.command} came`
        )
      }
      this.step++
      return told(step.is, received)
    }
    for (const [i, fault] of (faults ?? []).entries()) {
      if (fault.on !== undefined && fault.on !== received.command || fault.when?.(received) === false) continue
      const count = this.state.counts.get(i) ?? 0
      this.state.counts.set(i, count + 1)
      const first = fault.skip ?? 0
      if (count >= first && count < first + (fault.times ?? Number.POSITIVE_INFINITY)) return told(fault.is, received)
    }
    return {}
  }
}
