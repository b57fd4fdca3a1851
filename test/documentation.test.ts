/**
 * The docstrings of the public modules: each export that has one says since which version it exists. README says what is
 * stable. And the map of behaviours names modules that exist.
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
    const found = globSync("src/{Auth,Client,Codec,Dfs,Layers,Protocol,Server,Smb1,Smb2,Testing}/**/*.ts", {
      cwd: root
    })
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
