/**
 * The docstrings of the public modules: each export that has one says since which version it exists. README says what is
 * stable. The map of behaviours names modules that exist, and the checklists are filled as they say.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../", import.meta.url))

/** The names of a source's exports whose docstring has no `@since` with a version. */
const withoutSince = (source: string): ReadonlyArray<string> =>
  [...source.matchAll(
    /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\nexport (?:abstract )?(?:const|class|interface|type|function\*?) (\w+)/g
  )].flatMap(([, text, name]) => /@since \d+\.\d+\.\d+\n/.test(text!) ? [] : [name!])

describe("the docstring of a public export", () => {
  it("is found if it does not say since when the export exists", () => {
    const source = "/** One. */\nexport const one = 1\n\n/**\n * Two.\n *\n * @since 0.1.0\n */\nexport type Two = 2\n"
    assert.deepStrictEqual(withoutSince(source), ["one"])
  })

  it("says since which version the export exists", () => {
    const found = globSync(
      "src/{Auth,Client,Codec,Dfs,FileSystem,Layers,Promise,Protocol,Server,Smb,Smb1,Smb2,Testing,Transfer}/**/*.ts",
      {
        cwd: root
      }
    )
      .filter((path) => !path.includes("internal") && !path.endsWith("index.ts"))
      .flatMap((path) => withoutSince(readFileSync(root + path, "utf8")).map((name) => `${path}: ${name}`))
    assert.deepStrictEqual(found, [])
  })
})

describe("the map of behaviours in docs/architecture.md", () => {
  it("has at least twenty rows, and each row names modules that exist", () => {
    const text = readFileSync(`${root}docs/architecture.md`, "utf8")
    const [, map = ""] = /\n\| behaviour \| place \|\n\| --- \| --- \|\n((?:\|.*\n)+)/.exec(text) ?? []
    const rows = map.trim().split("\n")
    assert.isAtLeast(rows.length, 20)
    const places = rows.map((row) =>
      [...row.split("|").at(2)!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!).filter((name) => name.includes("/"))
    )
    assert.deepStrictEqual(rows.filter((_, i) => places[i]!.length === 0), [])
    const missing = places.flat().filter((name) => {
      const [folder] = name.split("/")
      const path = ["Command", "State", "Wire", "Connection"].includes(folder!) ? `Server/internal/${name}` : name
      return !existsSync(`${root}src/${path}.ts`)
    })
    assert.deepStrictEqual(missing, [])
  })
})

/** What is wrong with the tables of a checklist: a table of steps begins with `| # |`. */
const faultsOf = (text: string): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const numbers = new Set<string>()
  let section = ""
  for (const block of text.split(/\n{2,}/)) {
    section = /^## (\d+)\./m.exec(block)?.[1] ?? section
    const [header, , ...rows] = block.split("\n").filter((line) => line.startsWith("|"))
    if (header === undefined || !header.startsWith("| # |")) continue
    if (header !== "| # | step | expected | pass | fail | skip | version |") faults.push(`header: ${header}`)
    for (const row of rows) {
      const cells = row.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim())
      const [number = "", step, expected, pass, fail, skip, version = ""] = cells
      const marks = [pass, fail, skip].filter((mark) => mark !== "")
      if (cells.length !== 7 || step === "" || expected === "") faults.push(`${number}: not all of its columns`)
      if (!new RegExp(`^${section}\\.[1-9]\\d*$`).test(number)) faults.push(`${number}: not of section ${section}`)
      if (numbers.has(number)) faults.push(`${number}: twice`)
      if (marks.length > 1 || marks.some((mark) => mark !== "x")) faults.push(`${number}: not one mark`)
      if ((marks.length > 0) !== /^\S+ \/ \S+$/.test(version)) faults.push(`${number}: a mark needs both versions`)
      numbers.add(number)
    }
  }
  return numbers.size === 0 ? ["no step"] : faults
}

describe("the checklists for Windows and macOS", () => {
  it("are found to be wrong if a row has no version, two marks, the number of another row, or a cell too few", () => {
    const table = (...rows: ReadonlyArray<string>) =>
      ["## 1. One", "| # | step | expected | pass | fail | skip | version |", "| --- |", ...rows].join("\n")
    assert.deepStrictEqual(
      faultsOf(table("| 1.1 | a \\| b | c | x | | | 0.1.0 / 26100.1 |", "| 1.2 | a | b | | | | |")),
      []
    )
    assert.deepStrictEqual(
      faultsOf(table("| 1.1 | a | b | x | | | |", "| 1.1 | a | b | x | | x | 0.1.0 / 15.3 |", "| 2.1 | a | b | | | |")),
      ["1.1: a mark needs both versions", "1.1: twice", "1.1: not one mark", "2.1: not all of its columns"].concat(
        "2.1: not of section 1"
      )
    )
    assert.deepStrictEqual(faultsOf("## 1. One\n"), ["no step"])
  })

  it.each(["windows/server", "windows/client", "macos/server", "macos/client"])("%s has no such fault", (name) => {
    const text = readFileSync(`${root}docs/${name}.md`, "utf8")
    assert.deepStrictEqual(faultsOf(text), [])
    const copied = text.split("\n").filter((line) => line.startsWith("| ") && line.includes("MB.bin")).join("\n")
    for (const size of [1, 10, 50, 100, 1024, 5120]) assert.match(copied, new RegExp(`\\b${size}MB\\.bin\\b`))
  })
})
