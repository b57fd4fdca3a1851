/**
 * Keeps the `index.ts` of each public folder: one `export * as Name from "./Name.ts"` a module, and nothing of what
 * stands in `internal/`. `--write` writes them, `--check` names those that are behind and fails.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"

const mode = process.argv[2]
if (mode !== "--check" && mode !== "--write") {
  console.error("usage: barrels.mjs --check|--write")
  process.exit(2)
}

const manifest = JSON.parse(readFileSync("package.json", "utf8"))
const folders = Object.keys(manifest.exports).filter((path) => /^\.\/[A-Z]\w*$/.test(path)).map((path) => path.slice(2))

let behind = 0
for (const folder of folders) {
  if (!existsSync(`src/${folder}`)) continue
  const modules = readdirSync(`src/${folder}`).filter((name) => /^[A-Z]\w*\.ts$/.test(name)).toSorted()
  const lines = modules.map((name) => `export * as ${name.slice(0, -3)} from "./${name}"`)
  const wanted = `/** The public modules of \`effect-smb/${folder}\`. Written by \`npm run format\`. */\n${
    lines.join("\n")
  }\n`
  const path = `src/${folder}/index.ts`
  if (existsSync(path) && readFileSync(path, "utf8") === wanted) continue
  if (mode === "--write") {
    writeFileSync(path, wanted)
    console.log(path)
  } else {
    console.error(`${path}: behind its folder (npm run format)`)
    behind++
  }
}
if (behind > 0) process.exit(1)
