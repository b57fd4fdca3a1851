/** `docs/conformance.md`, which the runners write: each of them writes its own part. */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Known } from "./Summary.ts"

const path = fileURLToPath(new URL("../../docs/conformance.md", import.meta.url))

/** Where the part between `<!-- NAME -->` and `<!-- /NAME -->` begins and ends in a page. Throws if the page lacks them. */
const placeOf = (page: string, name: string): readonly [from: number, to: number] => {
  const [begin, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`]
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from < 0 || to < from) {
    throw new Error(`docs/conformance.md has no part ${name}: it needs ${begin.trim()} and ${end}`)
  }
  return [from + begin.length, to]
}

/** A page with another text in the part between `<!-- NAME -->` and `<!-- /NAME -->`. Throws if the page lacks them. */
export const replacePart = (page: string, name: string, text: string): string => {
  const [from, to] = placeOf(page, name)
  return `${page.slice(0, from)}${text.trim()}\n${page.slice(to)}`
}

/** The text of one part of the page. */
export const readPart = (name: string): string => {
  const page = readFileSync(path, "utf8")
  return page.slice(...placeOf(page, name))
}

/** Writes one part of the page. */
export const writePart = (name: string, text: string): void =>
  writeFileSync(path, replacePart(readFileSync(path, "utf8"), name, text))

/** Lines of a table in Markdown. All columns but the first are numbers. */
export const table = (
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string | number>>
): string =>
  [columns, columns.map((_, i) => (i === 0 ? "---" : "--:")), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join(
    "\n"
  )

/** The known failures as a list: each reason with its tests. `short` gives the displayed name of a test. */
export const byReason = (
  known: ReadonlyArray<readonly [test: string, failure: Known]>,
  short: (test: string) => string
): string => {
  const reasons = new Map<string, Array<string>>()
  for (const [test, { kind, reason }] of known) {
    const line = `${kind}: ${reason}`
    reasons.set(line, [...reasons.get(line) ?? [], short(test)])
  }
  return [...reasons].sort(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1))
    .map(([reason, tests]) =>
      `- ${reason} (${tests.length}): ${tests.toSorted().map((test) => `\`${test}\``).join(", ")}`
    )
    .join("\n")
}
