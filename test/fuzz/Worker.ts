/** One target in a thread with a limit of memory: the thread that started it sees a hang, and the input that caused it. */
import { parentPort, workerData } from "node:worker_threads"
import * as Corpus from "./Corpus.ts"
import { fuzz } from "./Engine.ts"
import { targets } from "./targets/index.ts"

/** What the thread is told. */
export interface Work {
  readonly target: string
  readonly seed: number
  readonly executions: number
  readonly minutes: number | undefined
  readonly coverage: boolean
  /** A count of executions and the length of the current input, 4 bytes each, then the input. */
  readonly shared: SharedArrayBuffer
}

const work = workerData as Work
const target = targets.find(({ name }) => name === work.target)!
const head = new Int32Array(work.shared, 0, 2)
const current = new Uint8Array(work.shared, 8)

const report = await fuzz(target, {
  ...work,
  corpus: Corpus.read(target),
  before: (input) => {
    current.set(input.length > current.length ? input.subarray(0, current.length) : input)
    head[1] = input.length
    Atomics.add(head, 0, 1)
  }
})
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- A thread is no window.
parentPort!.postMessage({ ...report, heap: process.memoryUsage().heapUsed })
