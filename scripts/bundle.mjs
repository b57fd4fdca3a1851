/**
 * Makes one file of the command and everything that it needs, because loading hundreds of modules takes most of the time
 * of a short run: `dist/Cli/program.cjs`, its start `dist/Cli/bundled.cjs`, and the licenses of the packages in it. It
 * bundles what the compiler has made of `src`. koffi and the keyring stay outside, which are native and
 * optional, and ldapts, which is installed with the package and rarely used.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join, sep } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = join(root, "dist", "Cli")

/** Writes one module, with all that it imports, as one CommonJS file. Returns the paths of its modules. */
const bundle = async (name, output) => {
  const made = await rolldown({
    cwd: root,
    input: join(folder, name),
    platform: "node",
    external: ["koffi", "@napi-rs/keyring", "ldapts"],
    // `ConfigProvider` looks for the environment of browsers there.
    transform: { define: { "import.meta.env": "undefined" } }
  })
  const { output: [chunk] } = await made.write({
    file: join(folder, output),
    format: "cjs",
    minify: true,
    codeSplitting: false
  })
  await made.close()
  return chunk.moduleIds
}

/** The folder of the package that a module belongs to; undefined for a module of this project. */
const packageOf = (path) => {
  const at = path.lastIndexOf(`${sep}node_modules${sep}`)
  if (at < 0) return undefined
  const [first, second] = path.slice(at + "/node_modules/".length).split(sep)
  return join(path.slice(0, at), "node_modules", first, first.startsWith("@") ? second : "")
}

/** The name, the version and the license of each package in the bundle. */
const licenses = (paths) => {
  const folders = [...new Set(paths.map(packageOf))].filter((path) => path !== undefined).toSorted()
  return folders.map((path) => {
    const { license, name, version } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"))
    const file = ["LICENSE", "LICENSE.md", "LICENSE.txt", "license"].map((one) => join(path, one)).find(existsSync)
    const text = file === undefined ? `License: ${license}\n` : readFileSync(file, "utf8")
    return `${name} ${version}\n\n${text.trim()}\n`
  }).join(`\n${"-".repeat(80)}\n\n`)
}

await bundle("bundled.js", "bundled.cjs")
const modules = await bundle("Program.js", "program.cjs")
writeFileSync(join(folder, "LICENSES.txt"), licenses(modules))
