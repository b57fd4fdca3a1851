/**
 * The command `effect-smb`: `bin/effect-smb.js` starts this module, and this module loads the rest.
 *
 * Loading takes most of the time of a short run, and in a checkout half of that time is stripping the types from the
 * sources. So Node keeps the compiled code in a folder of the user. Other users can write to Node's default folder
 * below /tmp, and could put their own code there. Nothing is kept if the user has no such folder, it cannot be written,
 * or NODE_DISABLE_COMPILE_CACHE is set.
 */
import { enableCompileCache } from "node:module"
import * as PlatformPaths from "./PlatformPaths.ts"

const cache = PlatformPaths.compileCache()
if (cache !== undefined) enableCompileCache(cache)

/** A package that npm does not install by itself, since only the command needs it. */
const missingPackage = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND"
    ? /^Cannot find package '((?:@effect\/)?[\w-]+)'/.exec(error.message)?.[1]
    : undefined

try {
  await import("./Program.ts")
} catch (error) {
  const missing = missingPackage(error)
  if (missing === undefined) throw error
  process.stderr.write(
    `effect-smb: the command needs the package ${missing}, which is not installed. Install it next to effect-smb: ` +
      `npm install ${missing}, or for the command alone: npm install --global effect-smb effect @effect/platform-node\n`
  )
  process.exitCode = 1
}
