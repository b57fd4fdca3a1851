/**
 * The driver of all fuzzers: changes inputs, runs a target with them, and keeps those that reach new blocks of `src`.
 *
 * All choices come from one seed. Without coverage a run is the same again, input by input; with it, what is kept also
 * depends on what V8 has counted.
 */
import { random } from "../random.ts"
import { Coverage } from "./Coverage.ts"
import { mutate } from "./Mutation.ts"

/** A target that is ready. */
export interface Running {
  /** Fails if the input breaks a promise of the code: an error that is not typed, an unstable value, a lost server. */
  readonly run: (input: Uint8Array, lane: number) => void | Promise<void>
  /** Packets that were exchanged so far, for targets with a connection. */
  readonly packets?: () => number
  readonly close?: () => Promise<void>
}

/** Something that takes bytes of others. */
export interface Target {
  readonly name: string
  /** The names of its decoders, if an input's first byte chooses one of several. */
  readonly members?: ReadonlyArray<string>
  /** Inputs to begin with: recorded bytes, or written by hand. */
  readonly seeds: () => ReadonlyArray<Uint8Array>
  /** Pieces that mean something to the decoder. */
  readonly words?: ReadonlyArray<Uint8Array>
  /** Bytes of the longest input. Default: 4096. */
  readonly most?: number
  /**
   * How many inputs run at one time, for a target that mostly waits. Each has a number below this one. Such a target limits
   * the time of an input itself. Default: 1.
   */
  readonly lanes?: number
  readonly open: () => Running | Promise<Running>
}

/** An input that broke a promise. */
export interface Finding {
  readonly input: Uint8Array
  readonly error: string
}

export interface Options {
  readonly seed: number
  readonly executions: number
  /** No more inputs are made after so many minutes. Default: no limit. */
  readonly minutes?: number | undefined
  /** Whether inputs that reach new blocks are kept. */
  readonly coverage: boolean
  /** Further inputs to begin with. */
  readonly corpus?: ReadonlyArray<Uint8Array>
  /** Runs before each execution. */
  readonly before?: (input: Uint8Array) => void
  /** The run ends after so many findings. Default: 1. */
  readonly findings?: number
}

export interface Report {
  readonly executions: number
  readonly packets: number
  /** Blocks of `src` that have run, with coverage. */
  readonly blocks: number
  /** Inputs that reached blocks which no seed had reached. */
  readonly kept: ReadonlyArray<Uint8Array>
  readonly findings: ReadonlyArray<Finding>
  /** Milliseconds of processor time of the slowest execution that was measured again because it was slow. */
  readonly slowest: number
}

/** Milliseconds of an execution beyond which its input is not kept for the tests: a client may wait for an answer. */
const quick = 400

/** Milliseconds of an execution beyond which it counts as hanging. */
export const longest = 1000

const largestBatch = 4096

const processorMillis = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}

const describe = (error: unknown): string => error instanceof Error ? error.stack ?? error.message : String(error)

/** Runs a target with `executions` inputs. */
export const fuzz = async (target: Target, options: Options): Promise<Report> => {
  const next = random(options.seed)
  // The first numbers of small seeds are alike.
  for (let i = 0; i < 8; i++) next(2)
  const running = await target.open()
  const coverage = options.coverage ? new Coverage() : undefined
  const corpus = [...target.seeds(), ...options.corpus ?? []]
  const kept: Array<Uint8Array> = []
  const findings: Array<Finding> = []
  const most = options.findings ?? 1
  let executions = 0
  let slowest = 0

  const lanes = target.lanes ?? 1

  const execute = async (input: Uint8Array, lane = 0): Promise<void> => {
    options.before?.(input)
    executions++
    const began = performance.now()
    try {
      const pending = running.run(input, lane)
      if (pending !== undefined) await pending
    } catch (error) {
      findings.push({ input, error: describe(error) })
      return
    }
    if (lanes > 1 || performance.now() - began <= longest) return
    // The machine may have been busy with others: only the processor's time of a second execution counts.
    const before = processorMillis()
    await running.run(input, lane)
    const took = processorMillis() - before
    slowest = Math.max(slowest, took)
    if (took > longest) findings.push({ input, error: `it takes ${took.toFixed(0)} ms of processor time` })
  }

  /** Runs inputs in their order, as many at one time as there are lanes. */
  const executeAll = async (inputs: ReadonlyArray<Uint8Array>): Promise<void> => {
    if (lanes === 1) {
      for (const input of inputs) {
        if (findings.length < most) await execute(input)
      }
      return
    }
    let at = 0
    const lane = async (number: number): Promise<void> => {
      while (at < inputs.length && findings.length < most) await execute(inputs[at++]!, number)
    }
    await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)))
  }

  /** Finds the inputs of a batch that reach these blocks, by running its halves again. */
  const locate = async (batch: ReadonlyArray<Uint8Array>, blocks: ReadonlySet<string>): Promise<void> => {
    // An input that breaks a promise would be found again in each half.
    if (findings.length >= most) return
    if (batch.length === 1) {
      corpus.push(batch[0]!)
      const began = performance.now()
      await execute(batch[0]!)
      if (performance.now() - began < quick) kept.push(batch[0]!)
      return
    }
    const middle = batch.length >> 1
    for (const half of [batch.slice(0, middle), batch.slice(middle)]) {
      await executeAll(half)
      const reached = new Set(coverage!.take().filter((block) => blocks.has(block)))
      if (reached.size > 0) await locate(half, reached)
    }
  }

  const pick = (): Uint8Array => {
    const recent = Math.ceil(corpus.length / 8)
    return next(2) === 0 ? corpus[corpus.length - 1 - next(recent)]! : corpus[next(corpus.length)]!
  }

  try {
    await executeAll(corpus)
    coverage?.learn(coverage.take())
    let size = 8
    const until = performance.now() + (options.minutes ?? Number.POSITIVE_INFINITY) * 60_000
    while (executions < options.executions && findings.length < most && performance.now() < until) {
      const batch: Array<Uint8Array> = []
      const began = performance.now()
      const room = Math.min(Math.max(size, lanes * 2), options.executions - executions)
      for (let i = 0; i < room; i++) {
        batch.push(mutate(next, pick(), { others: corpus, words: target.words ?? [], most: target.most ?? 4096 }))
      }
      await executeAll(batch)
      if (coverage === undefined) continue
      const ended = performance.now()
      const fresh = coverage.learn(coverage.take())
      const cost = performance.now() - ended
      // Looking costs as much for one input as for a thousand. It may take a tenth of the time.
      if (ended - began < cost * 10) size = Math.min(size * 2, largestBatch)
      if (fresh.size > 0) {
        await locate(batch, fresh)
        size = Math.max(size >> 1, 8)
      }
    }
  } finally {
    coverage?.stop()
    await running.close?.()
  }
  return {
    executions,
    packets: running.packets?.() ?? 0,
    blocks: coverage?.size ?? 0,
    kept,
    findings,
    slowest
  }
}
