/**
 * The docstrings of the public modules: each export that has one says since which version it exists. README says what is
 * stable.
 */
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
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
