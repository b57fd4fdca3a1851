/**
 * The command for tests that start it as a process. It is bundled as in the package (scripts/bundle.mjs), from the
 * sources and once for all tests of a run: loading the sources takes a second of a processor in each process.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"
import { bundleSources } from "../scripts/bundle.mjs"

const checkout = fileURLToPath(new URL("../", import.meta.url))

const make = async (): Promise<string> => {
  const shared = inject("shared")
  const made = join(shared, "command")
  const main = join(made, "dist", "Cli", "bundled.cjs")
  if (existsSync(main)) return main
  // Another process of this run can do the same at this time: each bundles into its own folder, and the first one stays.
  const own = mkdtempSync(join(shared, "command-"))
  chmodSync(own, 0o755)
  mkdirSync(join(own, "dist", "Cli"), { recursive: true })
  await bundleSources(join(own, "dist", "Cli"))
  copyFileSync(join(checkout, "package.json"), join(own, "package.json"))
  symlinkSync(join(checkout, "node_modules"), join(own, "node_modules"), "junction")
  try {
    renameSync(own, made)
  } catch (error) {
    if (!existsSync(main)) throw error
    rmSync(own, { recursive: true, force: true })
  }
  return main
}

// The processes that tests start keep their compiled code there, also with another home. This process does not: Node
// reads the variable when it starts.
process.env.NODE_COMPILE_CACHE = join(inject("shared"), "code")

/** The path of the command's file, for Node. */
export const main = await make()
