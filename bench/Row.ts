/**
 * The rows of the bench: what was measured beside which peer, the goal, and whether it was reached. This module turns
 * them into text, Markdown and JSON. No effects.
 */
import { type Measured, median } from "./Measure.ts"

/** One measured line. */
export interface Row {
  readonly name: string
  /** Our value and the peer's, in this unit. */
  readonly unit: string
  readonly ours: number
  readonly peer?: { readonly name: string; readonly value: number }
  /** How many times better ours is: above 1 is better than the peer, for rates and for times. */
  readonly ratio?: number
  /** The smallest and the largest ratio of single rounds. */
  readonly spread?: readonly [number, number]
  readonly goal?: Goal
  /** Processor seconds for each GiB that was moved. */
  readonly processor?: { readonly ours: number; readonly peer?: number }
  /** What a reader must know to understand the row. */
  readonly note?: string
}

/** The least ratio, or the largest own value in the row's unit. */
export type Goal = { readonly ratio: number } | { readonly most: number }

/** Whether a row reaches its goal. A row without a goal has none to miss. */
export const reaches = ({ goal, ours, ratio }: Row): boolean =>
  goal === undefined || ("ratio" in goal ? ratio !== undefined && ratio >= goal.ratio : ours <= goal.most)

/** What a rate is made of. */
export interface Amount {
  /** How much one round does, in `unit`. */
  readonly amount: number
  readonly unit: string
  /** Bytes that one round moves, for the processor seconds of a GiB. */
  readonly bytes?: number
  readonly goal?: number
  readonly note?: string
}

const gibibyte = 1024 ** 3

/** A row from rounds in turn: ours first, then the peer, if there is one. */
export const rate = (name: string, of: Amount, [ours, peer]: ReadonlyArray<Measured>): Row => {
  const perGibibyte = (measured: Measured) => median(measured.processor) * gibibyte / of.bytes!
  const ratios = peer === undefined ? [] : ours!.seconds.map((seconds, i) => peer.seconds[i]! / seconds)
  return {
    name,
    unit: `${of.unit}/s`,
    ours: of.amount / median(ours!.seconds),
    ...(peer === undefined ? {} : {
      peer: { name: peer.name, value: of.amount / median(peer.seconds) },
      ratio: median(peer.seconds) / median(ours!.seconds),
      spread: [Math.min(...ratios), Math.max(...ratios)]
    }),
    ...(of.goal === undefined ? {} : { goal: { ratio: of.goal } }),
    ...(of.bytes === undefined ? {} : {
      processor: { ours: perGibibyte(ours!), ...(peer === undefined ? {} : { peer: perGibibyte(peer) }) }
    }),
    ...(of.note === undefined ? {} : { note: of.note })
  }
}

const figure = (value: number) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)

const goalText = ({ goal }: Row) =>
  goal === undefined ? "" : "ratio" in goal ? `≥ ${goal.ratio}` : `≤ ${figure(goal.most)}`

const verdict = (row: Row) => (row.goal === undefined ? "" : reaches(row) ? "reached" : "missed")

const cells = (row: Row) => ({
  name: row.name,
  ours: `${figure(row.ours)} ${row.unit}`,
  peer: row.peer === undefined ? "" : `${row.peer.name} ${figure(row.peer.value)}`,
  ratio: row.ratio === undefined ? "" : figure(row.ratio),
  spread: row.spread === undefined ? "" : row.spread.map(figure).join(" to "),
  goal: goalText(row),
  verdict: verdict(row),
  processor: row.processor === undefined
    ? ""
    : [row.processor.ours, row.processor.peer].filter((one) => one !== undefined).map(figure).join(" / ")
})

/** One line of text. */
export const text = (row: Row): string => {
  const { goal, name, ours, peer, processor, ratio, spread, verdict } = cells(row)
  return [
    name.padEnd(44),
    ours.padStart(16),
    peer.padStart(20),
    ...(ratio === "" ? [] : [` ratio ${ratio}${spread === "" ? "" : ` (${spread})`}`]),
    ...(goal === "" ? [] : [` goal ${goal}: ${verdict}`]),
    ...(processor === "" ? [] : [` CPU s/GiB ${processor}`]),
    ...(row.note === undefined ? [] : [` ${row.note}`])
  ].join(" ").trimEnd()
}

/** A table of Markdown. */
export const markdown = (rows: ReadonlyArray<Row>): string =>
  [
    "| workload | effect-smb | peer | ratio (spread) | goal | | CPU s/GiB |",
    "| --- | --: | --: | --: | --: | --- | --: |",
    ...rows.map((row) => {
      const { goal, name, ours, peer, processor, ratio, spread, verdict } = cells(row)
      const notes = [verdict, ...(row.note === undefined ? [] : [row.note])].filter((one) => one !== "").join("; ")
      return `| ${name} | ${ours} | ${peer} | ${ratio}${
        spread === "" ? "" : ` (${spread})`
      } | ${goal} | ${notes} | ${processor} |`
    })
  ].join("\n")
