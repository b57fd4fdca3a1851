/** The results of the file operations in the virtual machine, and how those of two servers differ. */

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

/** The headings of KNOWN_DIFFERENCES.md for a kernel: for all kernels, and for its version, such as `6.1`. */
export const headingsOf = (release: string): ReadonlyArray<string> => [
  "All kernels",
  `Linux ${/^\d+\.\d+/.exec(release)?.[0] ?? release}`
]
