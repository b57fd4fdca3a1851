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

await import("./Program.ts")
