/**
 * Keeps the `index.ts` of each public folder: one `export * as Name from "./Name.ts"` for each module and for each
 * public subfolder, and no module of `internal/`. `--write` writes the files. `--check` names the files that are not up
 * to date and fails.
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

/** Public subfolders are one name each. */
const keep = (folder) => {
  const entries = readdirSync(`src/${folder}`, { withFileTypes: true }).toSorted((a, b) => a.name < b.name ? -1 : 1)
  const lines = []
  for (const entry of entries) {
    if (entry.isDirectory() && /^[A-Z]\w*$/.test(entry.name)) {
      keep(`${folder}/${entry.name}`)
      lines.push(`export * as ${entry.name} from "./${entry.name}/index.ts"`)
    } else if (/^[A-Z]\w*\.ts$/.test(entry.name)) {
      lines.push(`export * as ${entry.name.slice(0, -3)} from "./${entry.name}"`)
    }
  }
  const [room, ...names] = folder.split("/")
  const what = [`effect-smb/${room}`, ...names].join(", ")
  const wanted = `/** The public modules of \`${what}\`. Written by \`npm run format\`. */\n${lines.join("\n")}\n`
  const path = `src/${folder}/index.ts`
  if (existsSync(path) && readFileSync(path, "utf8") === wanted) return
  if (mode === "--write") {
    writeFileSync(path, wanted)
    console.log(path)
  } else {
    console.error(`${path}: behind its folder (npm run format)`)
    behind++
  }
}

for (const folder of folders) if (existsSync(`src/${folder}`)) keep(folder)
if (behind > 0) process.exit(1)
