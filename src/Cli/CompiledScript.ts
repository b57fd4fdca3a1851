/**
 * Runs a script with the compiled code that earlier runs of it have kept.
 *
 * Node's own cache of compiled code holds what is compiled while modules load. Most of a short run is the compilation of
 * functions that are called later. So the code is kept when the process exits, with all functions that the run has
 * called. Subcommands call different functions: the first run of each adds its own.
 *
 * The folder must be writable for the user alone, because the code in it is run: code is neither read from another
 * folder nor written to it.
 */
import { createHash } from "node:crypto"
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync
} from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { constants, Script } from "node:vm"
import * as Zlib from "node:zlib"

/** Runs of this many subcommands add their functions. More words can only be mistakes, or values of flags. */
const mostWords = 64

/** The code of this many scripts or versions of Node is kept. */
const mostFiles = 4

const prefix = "code-"
const ownName = /^code-[0-9a-f]{64}-/

/** Whether only this user can change a file or folder. Windows has no such bits: there, a folder of the user is private. */
const isPrivate = ({ mode, uid }: Stats): boolean =>
  process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0)

/** What is kept of a script: the words, the script itself, and its code. */
interface Kept {
  readonly words: ReadonlyArray<string>
  readonly source: Buffer
  readonly code: Buffer
}

/** Before the script and its code, a file has a line of JSON. */
interface FirstLine {
  readonly words: ReadonlyArray<string>
  /** Bytes of the script. */
  readonly source: number
}

const isFirstLine = (value: unknown): value is FirstLine =>
  typeof value === "object" && value !== null && Array.isArray((value as FirstLine).words) &&
  Number.isSafeInteger((value as FirstLine).source)

const read = (folder: string, path: string): Kept | undefined => {
  let file: number | undefined
  try {
    file = openSync(path, "r")
    if (!isPrivate(statSync(folder)) || !isPrivate(fstatSync(file))) return undefined
    const all = readFileSync(file)
    const begin = all.indexOf(0x0a) + 1
    const first: unknown = JSON.parse(all.toString("utf8", 0, begin))
    if (!isFirstLine(first)) return undefined
    const end = begin + first.source
    // A file that was cut off has no whole script.
    if (first.source < 1 || end > all.length) return undefined
    return { words: first.words.map(String), source: all.subarray(begin, end), code: all.subarray(end) }
  } catch {
    return undefined
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** Removes the code of the scripts that ran longest ago. */
const clean = (folder: string): void => {
  const found = readdirSync(folder)
    .filter((name) => ownName.test(name))
    .map((name) => ({ path: join(folder, name), time: statSync(join(folder, name)).mtimeMs }))
    .toSorted((one, other) => other.time - one.time)
  for (const { path } of found.slice(mostFiles)) rmSync(path, { force: true })
}

/** Writes the file as a whole: another process can read it at any time. A failure only costs the next run its time. */
const write = (folder: string, path: string, { code, source, words }: Kept): void => {
  const part = `${path}.${process.pid}`
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (!isPrivate(statSync(folder))) return
  } catch {
    return
  }
  try {
    const first: FirstLine = { words, source: source.length }
    const content = Buffer.concat([Buffer.from(`${JSON.stringify(first)}\n`), source, code])
    writeFileSync(part, content, { mode: 0o600, flag: "wx" })
    renameSync(part, path)
    clean(folder)
  } catch {
    rmSync(part, { force: true })
  }
}

const packed = /\.br$/

/** For the imports of a script: Node warns of an `import()` in code that it has not loaded itself. */
const importModule = (name: string): Promise<unknown> => import(name)

/**
 * Runs a CommonJS script. A file whose name ends with `.br` holds its script packed by Brotli (RFC 7932), which only the
 * first run unpacks. `folder`: where the script and its compiled code are kept; `undefined` keeps none. `word`: the
 * subcommand, whose functions are added if no earlier run had it. A script can use `importModule` as `import()`.
 */
export const run = (path: string, folder: string | undefined, word: string): void => {
  const content = readFileSync(path)
  // V8 itself compares only the length of the source.
  const key = createHash("sha256").update(content).digest("hex")
  const place = folder === undefined ? undefined : join(folder, `${prefix}${key}-${process.version}-${process.arch}`)
  const kept = folder === undefined || place === undefined ? undefined : read(folder, place)
  const source = kept?.source ?? (packed.test(path) ? Zlib.brotliDecompressSync(content) : content)
  const filename = path.replace(packed, "")
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname, importModule) {${source.toString("utf8")}\n})`,
    {
      filename,
      cachedData: kept?.code,
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
    }
  )
  const words = kept === undefined || script.cachedDataRejected === true ? [] : kept.words
  if (folder !== undefined && place !== undefined && !words.includes(word) && words.length < mostWords) {
    process.on("exit", () => write(folder, place, { words: [...words, word], source, code: script.createCachedData() }))
  }
  const module = { exports: {} }
  script.runInThisContext()(module.exports, createRequire(filename), module, filename, dirname(filename), importModule)
}
