/**
 * Which blocks of `src` have run: V8's own counts, by `node:inspector`. No code is changed for that, and no package is
 * needed (docs/adr/0031-fuzzing.md).
 */
import { Session } from "node:inspector"

interface Range {
  readonly startOffset: number
  readonly endOffset: number
  readonly count: number
}

interface Taken {
  readonly result: ReadonlyArray<{
    readonly scriptId: string
    readonly url: string
    readonly functions: ReadonlyArray<{ readonly ranges: ReadonlyArray<Range> }>
  }>
}

const source = new URL("../../src/", import.meta.url).href

/** The blocks that ran since the last look, and those that had never run before. */
export class Coverage {
  private readonly session = new Session()
  private readonly known = new Set<string>()

  constructor() {
    this.session.connect()
    this.post("Profiler.enable")
    this.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true })
  }

  private post(method: string, parameters: object = {}): unknown {
    let answer: unknown
    // A session with its own thread answers before `post` returns.
    this.session.post(method, parameters, (error, result) => {
      if (error !== null) throw error
      answer = result
    })
    return answer
  }

  /** How many blocks have run so far. */
  get size(): number {
    return this.known.size
  }

  /** The blocks that ran since the last call. */
  take(): ReadonlyArray<string> {
    const { result } = this.post("Profiler.takePreciseCoverage") as Taken
    const blocks: Array<string> = []
    for (const { functions, scriptId, url } of result) {
      if (!url.startsWith(source)) continue
      for (const { ranges } of functions) {
        for (const { count, endOffset, startOffset } of ranges) {
          if (count > 0) blocks.push(`${scriptId}:${startOffset}:${endOffset}`)
        }
      }
    }
    return blocks
  }

  /** Those of the blocks that had never run. From now on they have. */
  learn(blocks: ReadonlyArray<string>): ReadonlySet<string> {
    const fresh = new Set<string>()
    for (const block of blocks) if (!this.known.has(block)) fresh.add(block)
    for (const block of fresh) this.known.add(block)
    return fresh
  }

  stop(): void {
    this.post("Profiler.stopPreciseCoverage")
    this.session.disconnect()
  }
}
