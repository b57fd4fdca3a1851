/**
 * Names each public declaration that mentions a type of an `internal/` folder, and fails if there is one: an app could
 * not name such a type. Run it after `npm run build`, or give it the folder of a build. It leaves out the command,
 * which is not a public room.
 */
import { existsSync, globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const declarations = process.argv[2] ?? "dist"

/** The lines of a declaration file that take something from an `internal/` folder; comments may name one. */
const leaks = (text) =>
  text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, "")).split("\n").flatMap((line, i) =>
    /(?:from|import\()\s*"[^"]*\/internal\/[^"]*"/.test(line) ? [`${i + 1}: ${line.trim()}`] : []
  )

if (!existsSync(join(declarations, "index.d.ts"))) {
  console.error(`surface.mjs: ${declarations} has no declarations; run \`npm run build\` first`)
  process.exit(2)
}
const found = globSync("**/*.d.ts", { cwd: declarations }).toSorted()
  .filter((path) => !/(?:^|[\\/])internal[\\/]|^Cli[\\/]/.test(path))
  .flatMap((path) => leaks(readFileSync(join(declarations, path), "utf8")).map((leak) => `${path}:${leak}`))
for (const leak of found) console.error(leak)
if (found.length > 0) {
  console.error("move these types out of internal/, or do not export what mentions them")
  process.exit(1)
}
