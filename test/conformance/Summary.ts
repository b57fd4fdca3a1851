/**
 * One form of results for each suite: the verdict of each test compared with the known failures, counts by group, and
 * results as JSON.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"

/** How a test went. */
export type Result = "pass" | "fail" | "skip"

/** The result compared with the known failures: `known` and `new` are failures, `fixed` is a known failure that passes. */
export type Verdict = "pass" | "skip" | "known" | "new" | "fixed"

/** A known failure: `permanent` if it is meant to stay, `to do`, or `skipped` if the suite skips it. */
export interface Known {
  readonly kind: string
  readonly reason: string
}

export const kinds: ReadonlySet<string> = new Set(["permanent", "to do", "skipped"])

/** A file's text by its headings `## NAME`. The text before the first heading has the name "". */
const sectionsOf = (text: string): ReadonlyArray<readonly [name: string, text: string]> =>
  text.split(/^(?=## )/m).map((section) => {
    const heading = /^## (.*)\n/.exec(section)
    return [heading?.[1] ?? "", section] as const
  })

/**
 * The tables of a KNOWN_FAILURES.md, by the tests' exact names: those below these headings, by default all tables. Throws
 * if a line has another kind, no reason, a name with a wildcard, or a repeated name.
 */
export const parseKnown = (text: string, sections?: ReadonlyArray<string>): Map<string, Known> => {
  const known = new Map<string, Known>()
  const chosen = sectionsOf(text).filter(([name]) => sections === undefined || sections.includes(name))
  for (const line of chosen.flatMap(([, section]) => section.split("\n"))) {
    const match = /^\| `([^`]+)` \| ([^|]*) \| (.*) \|$/.exec(line)
    if (match === null) continue
    const [, test, kind, reason] = match as unknown as [string, string, string, string]
    if (!kinds.has(kind)) throw new Error(`${test}: the kind is ${kind}, which is none of ${[...kinds].join(", ")}`)
    if (reason.trim() === "") throw new Error(`${test}: a reason is missing`)
    if (/[*?]/.test(test)) throw new Error(`${test}: names are exact, without wildcards`)
    if (known.has(test)) throw new Error(`${test}: named twice`)
    known.set(test, { kind, reason })
  }
  return known
}

/** The failures that a file names; empty if the file does not exist. */
export const readKnown = (path: string, sections?: ReadonlyArray<string>): Map<string, Known> =>
  existsSync(path) ? parseKnown(readFileSync(path, "utf8"), sections) : new Map()

/**
 * A file's text with these failures in the table below the heading, or in the table before all headings. The text before
 * the table stays. A missing section is added at the end; a section without failures has no table.
 */
export const withKnown = (text: string, known: ReadonlyMap<string, Known>, section = ""): string => {
  const lines = [...known].sort(([a], [b]) => (a < b ? -1 : 1))
    .sort(([, a], [, b]) => (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : 0))
    .map(([test, { kind, reason }]) => `| \`${test}\` | ${kind} | ${reason} |\n`)
  const table = `| test | kind | reason |\n| --- | --- | --- |\n${lines.join("")}`
  const sections = sectionsOf(text)
  const all = sections.some(([name]) => name === section)
    ? sections
    : [...sections, [section, `## ${section}\n\n`] as const]
  return all.map(([name, old], i) => {
    if (name !== section) return old.replace(/\n*$/, i < all.length - 1 ? "\n\n" : "\n")
    const head = old.split("| test |")[0]!
    return `${head.replace(/\n*$/, "\n\n")}${table}${i < all.length - 1 ? "\n" : ""}`
  }).join("")
}

/** Writes failures into a file, as `withKnown`. */
export const writeKnown = (path: string, known: ReadonlyMap<string, Known>, section = ""): void =>
  writeFileSync(path, withKnown(readFileSync(path, "utf8"), known, section))

/**
 * The verdict of a result. An unknown skip counts as a new failure: a feature that the server no longer announces is no
 * longer tested. With `skips` "are free" the suite's own settings decide which tests are skipped.
 */
export const judge = (known: Known | undefined, result: Result, skips: "are known" | "are free"): Verdict => {
  if (result === "pass") return known === undefined ? "pass" : "fixed"
  if (result === "skip") return skips === "are free" || known?.kind === "skipped" ? "skip" : "new"
  return known === undefined || known.kind === "skipped" ? "new" : "known"
}

export const verdicts = ["pass", "skip", "known", "new", "fixed"] as const

/** The number of tests with each value, by the group of the test. */
export const count = <K extends string>(
  of: ReadonlyMap<string, K>,
  group: (test: string) => string
): ReadonlyMap<string, { readonly [key in K]?: number }> => {
  const groups = new Map<string, { [key in K]?: number }>()
  for (const [test, key] of [...of].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const name = group(test)
    const counts = groups.get(name) ?? ({} as { [key in K]?: number })
    counts[key] = (counts[key] ?? 0) + 1
    groups.set(name, counts)
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The counts as lines of a table, one line for each group of each grouping. */
export const table = (
  of: ReadonlyMap<string, Verdict>,
  groupings: ReadonlyArray<(test: string) => string>
): ReadonlyArray<string> => [
  `${"suite".padEnd(29)} ${verdicts.map((name) => name.padStart(5)).join(" ")}`,
  ...groupings.flatMap((group) =>
    [...count(of, group)].map(([name, counts]) =>
      `${name.padEnd(29)} ${verdicts.map((verdict) => String(counts[verdict] ?? 0).padStart(5)).join(" ")}`
    )
  )
]

/** 1 if there is a new failure, or a known failure passes. */
export const exitCode = (of: ReadonlyMap<string, Verdict>): 0 | 1 =>
  [...of.values()].some((verdict) => verdict === "new" || verdict === "fixed") ? 1 : 0

/** Writes the results of a run to a file: the verdicts, and the results themselves if they are given. */
export const archive = (
  path: string,
  suite: string,
  of: ReadonlyMap<string, Verdict>,
  results: ReadonlyMap<string, Result> = new Map()
): void => {
  mkdirSync(dirname(path), { recursive: true })
  const counts = count(of, () => "all").get("all") ?? {}
  const sorted = <Value>(values: ReadonlyMap<string, Value>) =>
    Object.fromEntries([...values].sort(([a], [b]) => (a < b ? -1 : 1)))
  const all = {
    suite,
    date: new Date().toISOString(),
    counts,
    tests: sorted(of),
    ...(results.size > 0 ? { results: sorted(results) } : {})
  }
  writeFileSync(path, `${JSON.stringify(all, undefined, 2)}\n`)
}
