/**
 * Keeps the Node.js package that a checkout installs for itself out of the published package. npm has no optional
 * dependencies for development only: they are in `optionalDependencies`, and this script removes them from package.json
 * while npm packs it.
 *
 * `strip` (prepack) builds and then removes them; `restore` (postpack) restores the file and orders the tarball. npm runs no postpack if
 * packing fails in between (Ctrl-C, an invalid --pack-destination), so `guard` waits until npm ends and restores the
 * file too.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { order } from "./tarball.mjs"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const manifest = join(root, "package.json")
/** The original manifest, while the stripped one is in its place. */
const saved = join(root, ".package.json.saved")

const fail = (message) => {
  console.error(`manifest.mjs: ${message}`)
  process.exit(1)
}

/** A process's parent and command line, from /proc, or from ps if the system has no /proc. */
const look = (id) => {
  if (existsSync("/proc/self/stat")) {
    const stat = readFileSync(`/proc/${id}/stat`, "utf8")
    return {
      parent: Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]),
      command: readFileSync(`/proc/${id}/cmdline`, "utf8").replaceAll("\0", " ")
    }
  }
  const line = execFileSync("ps", ["-o", "ppid=,args=", "-p", String(id)], { encoding: "utf8" })
  const [, parent, command] = /^\s*(\d+)\s+(.*)$/s.exec(line)
  return { parent: Number(parent), command }
}

/** The npm that runs this script, perhaps through a shell; undefined if the system does not tell. */
const findNpm = () => {
  try {
    let id = process.ppid
    for (;;) {
      const { command, parent } = look(id)
      if (!/^(\S*\/)?-?(ba|da|z|k|a)?sh\s/.test(command)) return id > 1 ? id : undefined
      id = parent
    }
  } catch {
    return undefined
  }
}

const restore = () => {
  if (existsSync(saved)) renameSync(saved, manifest)
}

/** The tarball that npm has just written; undefined for a run that writes none. */
const findTarball = () => {
  const { npm_config_dry_run: isDry, npm_config_pack_destination: destination = "." } = process.env
  const { name, version } = JSON.parse(readFileSync(manifest, "utf8"))
  const path = resolve(root, destination, `${name}-${version}.tgz`)
  return isDry !== "true" && existsSync(path) ? path : undefined
}

const strip = () => {
  // npm reads the manifest of a folder before prepack: the registry would show dependencies that the tarball does not
  // have.
  if (process.env.npm_command === "publish") {
    fail("publish the tarball: npm pack && npm publish effect-smb-<version>.tgz")
  }
  restore()
  const { status } = spawnSync(process.execPath, [join(root, "scripts", "build.mjs")], { stdio: "inherit", cwd: root })
  if (status !== 0) process.exit(status ?? 1)
  const npm = findNpm()
  if (npm === undefined) fail("cannot tell which npm packs, and would not know when to bring package.json back")
  const text = readFileSync(manifest, "utf8")
  const { optionalDependencies: _, ...published } = JSON.parse(text)
  writeFileSync(saved, text)
  spawn(process.execPath, [fileURLToPath(import.meta.url), "guard", String(npm)], { detached: true, stdio: "ignore" })
    .unref()
  writeFileSync(manifest, `${JSON.stringify(published, undefined, 2)}\n`)
}

const guard = (npm) => {
  const look = () => {
    if (!existsSync(saved)) return
    try {
      process.kill(npm, 0)
    } catch {
      restore()
      return
    }
    setTimeout(look, 50)
  }
  look()
}

const [command, id] = process.argv.slice(2)
if (command === "strip") strip()
else if (command === "restore") {
  restore()
  const tarball = findTarball()
  if (tarball !== undefined) order(tarball)
} else if (command === "guard") guard(Number(id))
else fail("usage: manifest.mjs strip|restore")
