/**
 * Makes one file of the command and everything that it needs, because loading hundreds of modules takes most of the time
 * of a short run. koffi and the keyring stay outside, which are native and optional, and ldapts, which is installed with
 * the package and rarely used. ws is not needed at all: the servers of the command accept no WebSocket.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join, sep } from "node:path"
import { fileURLToPath } from "node:url"
import { brotliCompressSync, constants } from "node:zlib"
import { rolldown } from "rolldown"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** A module of Node that the bundle imports, and the conversion of CommonJS if there is one. */
const builtin = /^let (\w+) = require\("(node:[^"]+)"\);\n(?:\1 = (__toESM)\(\1, 1\);\n)?/gm

/**
 * Imports a module of Node when it is used for the first time: a run needs few of them, and each costs milliseconds.
 * Rolldown writes each use as `name.property` or `...name`. The parentheses are needed after `new`.
 */
const lazyBuiltins = {
  name: "lazy-builtins",
  renderChunk(code) {
    const names = []
    const declared = code.replace(builtin, (_, name, path, convert) => {
      names.push(name)
      const required = `require(${JSON.stringify(path)})`
      const found = convert === undefined ? required : `${convert}(${required}, 1)`
      return `let ${name};\nconst ${name}$lazy = () => ${name} ??= ${found};\n`
    })
    return names.reduce((text, name) => {
      // Not the property of another object.
      const alone = `(?<![\\w$]|(?<!\\.\\.)\\.)${name}(?![\\w$])`
      const used = new RegExp(`${alone}(?=\\.\\w)|(?<=\\.\\.\\.)${name}(?![\\w$])`, "g")
      const changed = text.replace(used, `(${name}$lazy())`)
      if (changed.match(new RegExp(alone, "g")).length !== 2) {
        throw new Error(`bundle.mjs: ${name} is used in another way than ${name}.property and ...${name}`)
      }
      return changed
    }, declared)
  }
}

/** `CompiledScript` gives the program this function for `import()`, of which Node would print a warning there. */
const withImportModule = {
  name: "import-module",
  renderChunk: (code) => code.replaceAll(/(?<![\w$.])import\(/g, "importModule(")
}

/** Makes Effect's segmenter of graphemes when it is used for the first time: only help and tables need it. */
const lazySegmenter = {
  name: "lazy-segmenter",
  transform(code, id) {
    if (!id.endsWith(join("cli", "CliOutput.js"))) return undefined
    const eager = /const graphemeSegmenter = (?:\/\*#__PURE__\*\/\s*)?(new Intl\.Segmenter\([^)]*\));/g
    const changed = code.replace(
      eager,
      (_, made) => `const graphemeSegmenter = { segment(text) { return (this.made ??= ${made}).segment(text); } };`
    )
    if (changed === code) throw new Error("bundle.mjs: Effect's CliOutput.js has another graphemeSegmenter now")
    return changed
  }
}

/** A script without other characters is read faster, and takes half of the memory. */
const toAscii = (code) =>
  code.replace(/[\u0080-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** Effect's HTTP server imports ws for servers of WebSockets alone. */
const withoutWebSockets = {
  name: "without-websockets",
  resolveId: (id) => id === "ws" ? "\0ws" : undefined,
  load: (id) =>
    id === "\0ws" ? "export const WebSocket = undefined\nexport const WebSocketServer = undefined" : undefined
}

/** Bundles one module, with all that it imports, as one CommonJS file. */
const bundle = async (input, minify, ...plugins) => {
  const made = await rolldown({
    cwd: root,
    input,
    platform: "node",
    external: ["koffi", "@napi-rs/keyring", "ldapts"],
    plugins: [withoutWebSockets, lazyBuiltins, lazySegmenter, ...plugins],
    // `ConfigProvider` looks for the environment of browsers there.
    transform: { define: { "import.meta.env": "undefined" } }
  })
  const { output: [chunk] } = await made.generate({ format: "cjs", minify, comments: !minify, codeSplitting: false })
  await made.close()
  return { code: toAscii(chunk.code), moduleIds: chunk.moduleIds }
}

/** Bundles the start and the command into a folder. Returns the paths of the command's modules. */
const write = async (folder, start, program, minify) => {
  writeFileSync(join(folder, "bundled.cjs"), (await bundle(start, minify)).code)
  const { code, moduleIds } = await bundle(program, minify, withImportModule)
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: minify ? constants.BROTLI_MAX_QUALITY : constants.BROTLI_MIN_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS
  }
  writeFileSync(join(folder, "program.cjs.br"), brotliCompressSync(code, { params }))
  return moduleIds
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

/**
 * Bundles what the compiler has made of `src` into `dist/Cli`: the command packed as `program.cjs.br`, its start
 * `bundled.cjs`, and the licenses.
 */
export const bundleBuild = async () => {
  const folder = join(root, "dist", "Cli")
  const modules = await write(folder, join(folder, "bundled.js"), join(folder, "Program.js"), true)
  writeFileSync(join(folder, "LICENSES.txt"), licenses(modules))
}

/** Bundles the sources themselves into a folder, for the tests that start the command. */
export const bundleSources = async (folder) => {
  const sources = join(root, "src", "Cli")
  await write(folder, join(sources, "bundled.ts"), join(sources, "Program.ts"), false)
}
