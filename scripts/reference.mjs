/**
 * Writes the reference of all public modules to docs/api, a page for each module: `npm run docs`.
 *
 * The generator has its own folder with its own compiler (docs/adr/0028-what-the-package-holds.md), and is installed
 * there when it is missing.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const generator = join(root, "reference")
const installed = join(generator, "node_modules", "typedoc", "bin", "typedoc")

const run = (command, args, options) => {
  const { error, status } = spawnSync(command, args, { stdio: "inherit", cwd: root, ...options })
  if (error !== undefined) console.error(`reference.mjs: ${command} could not be run: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

if (!existsSync(installed)) {
  run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: generator,
    shell: process.platform === "win32"
  })
}

/** The sources of the package's public subpaths. */
const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const entries = Object.values(exports).flatMap((entry) =>
  typeof entry === "string" ? [] : [entry.types.replace("./dist/", "src/").replace(/\.d\.ts$/, ".ts")]
)

rmSync(join(root, "docs", "api"), { recursive: true, force: true })
run(process.execPath, [installed, "--options", join(generator, "typedoc.json"), ...entries], {})
