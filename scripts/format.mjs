/**
 * Formats the sources in place (`--write`), or names the files that are not formatted and fails (`--check`). File names
 * after the option limit the run to these files.
 */
import { createFromBuffer } from "@dprint/formatter"
import { getPath } from "@dprint/typescript"
import { globSync, readFileSync, writeFileSync } from "node:fs"

const [mode, ...named] = process.argv.slice(2)
if (mode !== "--check" && mode !== "--write") {
  console.error("usage: format.mjs --check|--write [file...]")
  process.exit(2)
}

const formatter = createFromBuffer(readFileSync(getPath()))
formatter.setConfig({ indentWidth: 2, lineWidth: 120, newLineKind: "lf" }, {
  semiColons: "asi",
  quoteStyle: "alwaysDouble",
  trailingCommas: "never",
  operatorPosition: "maintain",
  "arrowFunction.useParentheses": "force"
})

const files = named.length > 0
  ? named
  : globSync(["{bin,src,test,bench,demo,examples,scripts}/**/*.{ts,js,mjs}", "*.{ts,js,mjs}"]).toSorted()
let different = 0
for (const filePath of files) {
  const fileText = readFileSync(filePath, "utf8")
  let formatted
  try {
    formatted = formatter.formatText({ filePath, fileText })
  } catch (error) {
    console.error(`${filePath}: ${error instanceof Error ? error.message : error}`)
    different++
    continue
  }
  if (formatted === fileText) continue
  if (mode === "--write") {
    writeFileSync(filePath, formatted)
    console.log(filePath)
  } else {
    console.error(`${filePath}: not formatted (npm run format)`)
    different++
  }
}
if (different > 0) process.exit(1)
