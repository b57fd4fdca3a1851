/**
 * The recorded results of the test suites, `results.tsv`: one line for each test of each section, with the result of each
 * store and of smbd. A section is a suite in one of its settings. `run.ts --write` records; the known failures and
 * `docs/conformance.md` follow from the record.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import * as Summary from "../Summary.ts"
import type { Features } from "./Ptfconfig.ts"
import * as Trx from "./Trx.ts"

/** The kind of the shares' stores. */
export type Store = "memory" | "folder"

export const stores: ReadonlyArray<Store> = ["memory", "folder"]

/** Which settings a suite was run with. */
export interface Setting {
  readonly features: Features
  readonly dfs: "standalone" | "controller"
}

export const sections = [
  "SMB2",
  "FSA, claimed features",
  "FSA, all of NTFS",
  "DFSC, standalone",
  "DFSC, controller",
  "Auth"
] as const

/** The section of a test, by its name and the settings. */
export const sectionOf = (test: string, { dfs, features }: Setting): string => {
  const suite = Trx.suite(test).split(".")[0]!
  if (suite === "FSA") return features === "claimed" ? "FSA, claimed features" : "FSA, all of NTFS"
  return suite === "DFSC" ? `DFSC, ${dfs}` : suite
}

/** The headings of the known failures of a section: those of both stores, and those of one store. */
export const headings = (section: string, store: Store): ReadonlyArray<string> => [section, `${section} (${store})`]

/** The verdict of each test, by the text of the known failures. */
export const judge = (
  tests: ReadonlyArray<Trx.TestResult>,
  setting: Setting,
  store: Store,
  known: string
): ReadonlyMap<string, Summary.Verdict> => {
  const bySection = new Map(
    [...new Set(tests.map(({ name }) => sectionOf(name, setting)))]
      .map((section) => [section, Summary.parseKnown(known, headings(section, store))] as const)
  )
  return new Map(
    tests.map(({ name, result }) =>
      [name, Summary.judge(bySection.get(sectionOf(name, setting))!.get(name), result, "are free")] as const
    )
  )
}

/** One test. A result is missing if the test has not been run there. */
export interface Row {
  readonly section: string
  readonly test: string
  /** In the category BVT (build verification tests). */
  readonly verification: boolean
  readonly results: Readonly<Partial<Record<Store | "smbd", Summary.Result>>>
}

const columns = [...stores, "smbd"] as const
const head = ["section", "test", "category", ...columns].join("\t")
const isResult = (text: string | undefined): text is Summary.Result =>
  text === "pass" || text === "fail" || text === "skip"

export const parse = (text: string): ReadonlyArray<Row> =>
  text.split("\n").slice(1).filter((line) => line !== "").map((line) => {
    const [section, test, category, ...results] = line.split("\t")
    return {
      section: section!,
      test: test!,
      verification: category === "BVT",
      results: Object.fromEntries(
        columns.flatMap((column, i) => (isResult(results[i]) ? [[column, results[i]]] : []))
      )
    }
  })

export const format = (rows: ReadonlyArray<Row>): string => {
  const order = (section: string) => (sections as ReadonlyArray<string>).indexOf(section)
  const sorted = rows.toSorted((a, b) => order(a.section) - order(b.section) || (a.test < b.test ? -1 : 1))
  return `${head}\n${
    sorted.map(({ results, section, test, verification }) =>
      `${[section, test, verification ? "BVT" : "", ...columns.map((column) => results[column] ?? "-")].join("\t")}\n`
    ).join("")
  }`
}

export const read = (path: string): ReadonlyArray<Row> => existsSync(path) ? parse(readFileSync(path, "utf8")) : []

export const write = (path: string, rows: ReadonlyArray<Row>): void => writeFileSync(path, format(rows))

/** The record with new results. Results of other tests, other sections and other stores stay. */
export const record = (
  rows: ReadonlyArray<Row>,
  tests: ReadonlyArray<Trx.TestResult>,
  setting: Setting,
  store: Store
): ReadonlyArray<Row> => {
  const key = (section: string, test: string) => `${section}\t${test}`
  const all = new Map(rows.map((row) => [key(row.section, row.test), row]))
  for (const test of tests) {
    const section = sectionOf(test.name, setting)
    const before = all.get(key(section, test.name))
    all.set(key(section, test.name), {
      section,
      test: test.name,
      verification: test.categories.includes("BVT"),
      results: { ...before?.results, [store]: test.result }
    })
  }
  return [...all.values()]
}

/**
 * The known failures of a section after a run, by heading: a test that fails with both stores, or that only one store has
 * run, is below the section's own heading. Kinds and reasons that are known stay; a new failure is `to do`.
 */
export const knownAfter = (
  rows: ReadonlyArray<Row>,
  section: string,
  before: string
): ReadonlyMap<string, ReadonlyMap<string, Summary.Known>> => {
  const known = new Map(
    [section, ...stores.map((store) => `${section} (${store})`)]
      .flatMap((heading) => Array.from(Summary.parseKnown(before, [heading])))
  )
  const failures = rows.filter((row) => row.section === section && Object.values(row.results).length > 0)
  const choose = (of: (results: Row["results"]) => boolean): ReadonlyMap<string, Summary.Known> =>
    new Map(
      failures.filter(({ results }) => of(results))
        .map(({ test }) => [test, known.get(test) ?? { kind: "to do", reason: "not looked into" }])
    )
  const fails = (result: Summary.Result | undefined) => result === undefined || result === "fail"
  const any = (results: Row["results"]) => stores.some((store) => results[store] === "fail")
  const both = (results: Row["results"]) => any(results) && stores.every((store) => fails(results[store]))
  return new Map([
    [section, choose(both)],
    ...stores.map((store) =>
      [`${section} (${store})`, choose((results) => results[store] === "fail" && !both(results))] as const
    )
  ])
}
