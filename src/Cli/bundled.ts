/**
 * The start of the bundled command: `scripts/bundle.mjs` makes one file of the command and its dependencies, and this
 * module runs that file, with the compiled code of earlier runs.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as CompiledScript from "./CompiledScript.ts"
import * as PlatformPaths from "./PlatformPaths.ts"

const folder = process.env.NODE_DISABLE_COMPILE_CACHE === undefined ? PlatformPaths.compileCache() : undefined
const words = process.argv.slice(2)
if (words.length === 1 && words[0] === "--version") {
  // The same line as that of the program, which is not needed for it.
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as {
    readonly version: string
  }
  process.stdout.write(`effect-smb v${version}\n`)
} else {
  const word = words.find((argument) => /^[a-z]+$/.test(argument)) ?? ""
  CompiledScript.run(join(import.meta.dirname, "program.cjs.br"), folder, word)
}
