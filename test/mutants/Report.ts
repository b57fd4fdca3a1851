/** What came of the changes: numbers, and the changes that no test noticed. Pure. */

/** A change of one expression or statement, and what the tests said. */
export interface Change {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** The whole line before the change, without its indentation. */
  readonly text: string
  readonly before: string
  readonly after: string
  readonly outcome: "noticed" | "not noticed" | "not reached" | "not tried"
  /** The first test that failed, or why the change counts as noticed. */
  readonly by?: string | undefined
}

/** The part of Stryker's report that is used here (its schema is `mutation-testing-report-schema`). */
export interface Raw {
  readonly files: {
    readonly [path: string]: {
      readonly source: string
      readonly mutants: ReadonlyArray<{
        readonly status: string
        readonly statusReason?: string
        readonly replacement?: string
        readonly killedBy?: ReadonlyArray<string>
        /** Lines and columns begin with 1. */
        readonly location: { readonly start: Place; readonly end: Place }
      }>
    }
  }
  readonly testFiles?: {
    readonly [path: string]: { readonly tests: ReadonlyArray<{ readonly id: string; readonly name: string }> }
  }
}

interface Place {
  readonly line: number
  readonly column: number
}

const said = (status: string): Change["outcome"] => {
  switch (status) {
    case "Killed":
    case "Timeout":
    // An error outside of a test fails the run of a test file too.
    case "RuntimeError":
      return "noticed"
    case "Survived":
      return "not noticed"
    case "NoCoverage":
      return "not reached"
    default:
      return "not tried"
  }
}

/** The changes of a report of Stryker. */
export const changesOf = ({ files, testFiles = {} }: Raw): ReadonlyArray<Change> => {
  const tests = new Map(
    Object.entries(testFiles).flatMap(([path, { tests }]) => tests.map(({ id, name }) => [id, `${path}: ${name}`]))
  )
  return Object.entries(files).flatMap(([file, { mutants, source }]) => {
    const whole = source.split("\n")
    return mutants.map(({ killedBy, location: { end, start }, replacement, status, statusReason }): Change => {
      const lines = whole.slice(start.line - 1, end.line)
      const last = lines.length - 1
      lines[last] = lines[last]!.slice(0, end.column - 1)
      lines[0] = lines[0]!.slice(start.column - 1)
      const test = tests.get(killedBy?.[0] ?? "")
      return {
        file,
        line: start.line,
        text: whole[start.line - 1]!.trim(),
        before: lines.join("\n"),
        after: replacement ?? "",
        outcome: said(status),
        by: test ?? (status === "Timeout" ? "a test that does not end" : statusReason?.slice(0, 200))
      }
    })
  })
}

/** A change that stays without a test, and why. Found by its text: line numbers change. */
export interface Known {
  readonly file: string
  readonly text: string
  readonly before: string
  readonly after: string
  /** `equivalent`: no caller and no peer can see the change. `left`: somebody could, and the reason says why no test does. */
  readonly kind: "equivalent" | "left"
  readonly reason: string
}

export interface Summary {
  /** Changes that somebody could see: all that were tried without the equivalent ones. */
  readonly real: number
  readonly noticed: number
  readonly equivalent: ReadonlyArray<readonly [Change, Known]>
  readonly left: ReadonlyArray<readonly [Change, Known]>
  readonly unnoticed: ReadonlyArray<Change>
}

const one = (text: string): string => text.replace(/\s+/g, " ").trim()

const isOf = (change: Change) => (known: Known) =>
  known.file === change.file && one(known.text) === one(change.text) &&
  one(known.before) === one(change.before) && one(known.after) === one(change.after)

export const summary = (changes: ReadonlyArray<Change>, known: ReadonlyArray<Known>): Summary => {
  const tried = changes.filter(({ outcome }) => outcome !== "not tried")
  const missed = tried.filter(({ outcome }) => outcome !== "noticed")
  const found = missed.map((change) => [change, known.find(isOf(change))] as const)
  const of = (kind: Known["kind"]) =>
    found.flatMap(([change, known]) => known?.kind === kind ? [[change, known] as const] : [])
  const equivalent = of("equivalent")
  return {
    real: tried.length - equivalent.length,
    noticed: tried.length - missed.length,
    equivalent,
    left: of("left"),
    unnoticed: found.flatMap(([change, known]) => known === undefined ? [change] : [])
  }
}

/** The noticed changes of those that somebody could see, in percent. */
export const score = ({ noticed, real }: Pick<Summary, "noticed" | "real">): number =>
  real === 0 ? 100 : 100 * noticed / real

const short = (text: string) => {
  const line = one(text)
  return line.length > 100 ? `${line.slice(0, 97)}...` : line
}

const place = ({ after, before, file, line, outcome }: Change): string =>
  `${file}:${line}${outcome === "not reached" ? " (no test gets there)" : ""}\n    ${short(before)}\n -> ${
    short(after) || "(taken out)"
  }`

/** The report as text. */
export const text = (changes: ReadonlyArray<Change>, known: ReadonlyArray<Known>): string => {
  const lines: Array<string> = []
  const files = [...new Set(changes.map(({ file }) => file))].sort()
  const whole = summary(changes, known)
  for (const change of whole.unnoticed) lines.push(place(change))
  for (const [change, { reason }] of whole.left) lines.push(`${place(change)}\n    left: ${reason}`)
  const row = (name: string, of: Summary) =>
    `${name}: ${of.noticed} of ${of.real} noticed (${score(of).toFixed(1)} %), ${of.equivalent.length} equivalent`
  for (const file of files) lines.push(row(file, summary(changes.filter((change) => change.file === file), known)))
  lines.push(row("all", whole))
  return `${lines.join("\n")}\n`
}
