/**
 * Compiles `src` to an empty `dist`, so that no module of an earlier build stays, and bundles the command. The JavaScript
 * has no comments, the declarations have their docstrings: docs/adr/0028-what-the-package-holds.md.
 */
import { spawnSync } from "node:child_process"
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const fail = (message) => {
  console.error(`build.mjs: ${message}`)
  process.exit(1)
}

// The compiler of this checkout: a `tsc` from elsewhere could have any version.
const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
if (!existsSync(compiler)) {
  fail("there is no TypeScript compiler in node_modules, which the build needs: run `npm ci` first")
}
rmSync(join(root, "dist"), { recursive: true, force: true })
/** TypeScript has one option for the comments of both, so each has its own run. */
const compile = (...options) => {
  const { error, status, signal } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json", ...options], {
    stdio: "inherit",
    cwd: root
  })
  if (error !== undefined) fail(`the compiler could not be run: ${error.message}`)
  if (signal !== null) fail(`the compiler was ended by ${signal}`)
  if (status !== 0) process.exit(status)
}

compile("--declaration", "--emitDeclarationOnly")
compile("--removeComments", "--noCheck")
const { bundleBuild } = await import("./bundle.mjs")
await bundleBuild()
// One tab for each level and few line breaks: the compiler's four blanks are 1 % of the package.
const { createFromBuffer } = await import("@dprint/formatter")
const { getPath } = await import("@dprint/typescript")
const formatter = createFromBuffer(readFileSync(getPath()))
formatter.setConfig({ useTabs: true, lineWidth: 200 }, { semiColons: "asi" })
for (const filePath of globSync("dist/**/*.js", { cwd: root }).map((path) => join(root, path))) {
  const fileText = readFileSync(filePath, "utf8")
  writeFileSync(filePath, formatter.formatText({ filePath, fileText }))
}
