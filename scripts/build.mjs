/** Compiles `src` to `dist`, from nothing, so that no module of an earlier build stays. */
import { spawnSync } from "node:child_process"
import { rmSync } from "node:fs"

rmSync("dist", { recursive: true, force: true })
const { status } = spawnSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" })
process.exit(status ?? 1)
