/**
 * The command `effect-smb`: `bin/effect-smb.js` starts this module, and this module loads the rest.
 *
 * Loading takes most of the time of a short run, and in a checkout half of that time is stripping the types from the
 * sources. So Node keeps the compiled code in a folder of the user. Other users can write to Node's default folder
 * below /tmp, and could put their own code there. Nothing is kept if the user has no such folder, it cannot be written,
 * or NODE_DISABLE_COMPILE_CACHE is set.
 */
import { enableCompileCache } from "node:module"
import { join } from "node:path"
import * as HomeFolder from "./HomeFolder.ts"

const home = HomeFolder.known()
const caches = (process.platform === "win32" ? process.env.LOCALAPPDATA : process.env.XDG_CACHE_HOME) ??
  (home === undefined ? undefined : join(home, ".cache"))
const cache = process.env.NODE_COMPILE_CACHE ?? (caches === undefined ? undefined : join(caches, "effect-smb"))
if (cache !== undefined) enableCompileCache(cache)

await import("./Program.ts")
