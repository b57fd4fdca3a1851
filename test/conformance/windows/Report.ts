/** The part of `docs/conformance.md` about Microsoft's test suites, from the recorded results and the known failures. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Page from "../Page.ts"
import * as Summary from "../Summary.ts"
import * as Results from "./Results.ts"
import * as Trx from "./Trx.ts"

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

const columns = ["memory", "folder", "smbd"] as const

/** The number of rows with a result, or a dash if the column has no result of one of the sections. */
const number = (
  rows: ReadonlyArray<Results.Row>,
  column: typeof columns[number],
  result: Summary.Result
): number | string => {
  const complete = [...new Set(rows.map(({ section }) => section))]
    .every((section) => rows.some((row) => row.section === section && row.results[column] !== undefined))
  return rows.length > 0 && complete ? rows.filter(({ results }) => results[column] === result).length : "–"
}

const line = (name: string, rows: ReadonlyArray<Results.Row>): ReadonlyArray<string | number> => [
  name,
  rows.length,
  ...(["memory", "folder"] as const).flatMap((store) =>
    (["pass", "fail", "skip"] as const).map((result) => number(rows, store, result))
  ),
  number(rows, "smbd", "pass")
]

const head = (first: string): ReadonlyArray<string> => [
  first,
  "tests",
  ...["memory", "folder"].flatMap((store) => [`${store}: pass`, "fail", "skip"]),
  "smbd passes"
]

/** The build verification tests of all suites, in the settings in which others publish them. */
const verification = (rows: ReadonlyArray<Results.Row>): ReadonlyArray<Results.Row> =>
  rows.filter((row) => row.verification && !["FSA, claimed features", "DFSC, controller"].includes(row.section))

const short = (test: string): string => test.split(".").at(-1)!

/** The text of the part. */
export const text = (rows: ReadonlyArray<Results.Row>, known: string): string => {
  const sections = Results.sections
    .map((section) => [section, rows.filter((row) => row.section === section)] as const)
    .filter(([, some]) => some.length > 0)
  const groups = sections.flatMap(([section, some]) =>
    [...new Set(some.map(({ test }) => Trx.suite(test)))].toSorted().map((group) =>
      line(
        `${section}: ${group.split(".")[1] ?? group}`,
        some.filter(({ test }) => Trx.suite(test) === group)
      )
    )
  )
  const failures = Results.sections.flatMap((section) => {
    const here = Results.stores.map((store) => [`${section} (${store})`, store] as const)
    const headings = [[section, undefined] as const, ...here]
    const some = headings.flatMap(([heading, store]) =>
      [...Summary.parseKnown(known, [heading])].map(([test, failure]) =>
        [store === undefined ? short(test) : `${short(test)} (${store})`, failure] as const
      )
    )
    return some.length === 0 ? [] : [`### ${section}\n\n${Page.byReason(some, (test) => test)}`]
  })
  return `${
    Page.table(head("suite"), [
      ...sections.map(([section, some]) => line(section, some)),
      line("BVT of all (FSA: all of NTFS)", verification(rows))
    ])
  }

${Page.table(head("group"), groups)}

## Known failures of Microsoft's suites, by reason

${failures.join("\n\n")}`
}

/** Writes the part from the recorded results. */
export const write = (): void =>
  Page.writePart(
    "windows",
    text(Results.read(here("results.tsv")), readFileSync(here("KNOWN_FAILURES.md"), "utf8"))
  )
