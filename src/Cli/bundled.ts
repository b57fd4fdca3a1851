/**
 * The start of the bundled command: `scripts/bundle.mjs` makes one file of the command and its dependencies, and this
 * module runs that file, with the compiled code of earlier runs.
 */
import { join } from "node:path"
import * as CompiledScript from "./CompiledScript.ts"
import * as PlatformPaths from "./PlatformPaths.ts"

const folder = process.env.NODE_DISABLE_COMPILE_CACHE === undefined ? PlatformPaths.compileCache() : undefined
const word = process.argv.slice(2).find((argument) => /^[a-z]+$/.test(argument)) ?? ""
CompiledScript.run(join(import.meta.dirname, "program.cjs.br"), folder, word)
