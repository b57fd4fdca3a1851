/**
 * The command `effect-smb`: `bin/effect-smb.js` starts this, and this loads the rest.
 *
 * Loading is most of a short run, and in a checkout half of that is taking the types out of the sources. So Node keeps
 * what it has compiled, in a place of the user's own: code from a folder that others can write, as Node's own choice
 * below /tmp is, would be theirs to run. Where there is no such place, it cannot be written, or NODE_DISABLE_COMPILE_CACHE is set,
 * nothing is kept.
 */
import { enableCompileCache } from "node:module"
import { join } from "node:path"
import * as Home from "./Home.ts"

const home = Home.known()
const caches = (process.platform === "win32" ? process.env.LOCALAPPDATA : process.env.XDG_CACHE_HOME) ??
  (home === undefined ? undefined : join(home, ".cache"))
const cache = process.env.NODE_COMPILE_CACHE ?? (caches === undefined ? undefined : join(caches, "effect-smb"))
if (cache !== undefined) enableCompileCache(cache)

await import("./Program.ts")
