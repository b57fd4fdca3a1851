/** The results of the file operations in the virtual machine, and how those of two servers differ. */
import * as Page from "../Page.ts"

/** The result of each step, by its name, in the order of the steps. */
export type Outputs = ReadonlyMap<string, string>

/** The results of the lines `= OPERATION<TAB>RESULT`. Throws if a name is repeated: a difference would be lost. */
export const parse = (lines: ReadonlyArray<string>): Outputs => {
  const outputs = new Map<string, string>()
  for (const line of lines) {
    const match = /^= ([^\t]+)\t(.*)$/.exec(line)
    if (match === null) continue
    const [, name, result] = match as unknown as [string, string, string]
    if (outputs.has(name)) throw new Error(`the step ${name} has two results: give it another name in init.py`)
    outputs.set(name, result)
  }
  return outputs
}

/** A step whose results differ. `undefined` if a server did not reach the step. */
export interface Difference {
  readonly name: string
  readonly smbd: string | undefined
  readonly server: string | undefined
}

/** The steps whose results differ, in the order of the steps. */
export const differences = (smbd: Outputs, server: Outputs): ReadonlyArray<Difference> =>
  [...new Set([...smbd.keys(), ...server.keys()])]
    .map((name) => ({ name, smbd: smbd.get(name), server: server.get(name) }))
    .filter((step) => step.smbd !== step.server)

/** A line of the table: the counts of a kernel and an smbd. */
export interface Row {
  readonly release: string
  readonly smbd: string
  /** The results, those that are as smbd's, the explained differences, and the others. */
  readonly counts: ReadonlyArray<number>
}

/** The version of a kernel, such as `6.1`. */
const versionOf = (release: string): string => /^\d+\.\d+/.exec(release)?.[0] ?? release

const rowsOf = (page: string): ReadonlyArray<Row> =>
  [...page.matchAll(/^\| (\S+) and smbd (\S+) \|((?: \d+ \|){4})$/gm)].map(([, release, smbd, counts]) => ({
    release: release!,
    smbd: smbd!,
    counts: [...counts!.matchAll(/\d+/g)].map(Number)
  }))

/**
 * The table of a run, which has one smbd. A row of `page` stays if the run has no kernel of its version, since each version
 * of the kernel has its own smbd. Lower versions come first.
 */
export const table = (rows: ReadonlyArray<Row>, page = ""): string => {
  const all = new Map([...rowsOf(page), ...rows].map((row) => [versionOf(row.release), row]))
  return Page.table(
    ["kernel and smbd", "results", "as smbd", "explained", "not explained"],
    [...all.values()]
      .sort((a, b) => a.release.localeCompare(b.release, "en", { numeric: true }))
      .map(({ counts, release, smbd }) => Array<string | number>(`${release} and smbd ${smbd}`).concat(counts))
  )
}

/** The headings of KNOWN_DIFFERENCES.md for a kernel: for all kernels, and for its version, such as `6.1`. */
export const headingsOf = (release: string): ReadonlyArray<string> => [
  "All kernels",
  `Linux ${versionOf(release)}`
]
