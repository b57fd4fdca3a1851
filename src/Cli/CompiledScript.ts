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
import { brotliDecompressSync } from "node:zlib"

/** Runs of this many subcommands add their functions. More words can only be mistakes, or values of flags. */
const mostWords = 64

/** The code of this many scripts or versions of Node is kept. */
const mostFiles = 4

const prefix = "code-"
const ownName = /^code-[0-9a-f]{64}-/

/** Whether only this user can change a file or folder. Windows has no such bits: there, a folder of the user is private. */
const isPrivate = ({ mode, uid }: Stats): boolean =>
  process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0)

/** The kept code of a script: a line of JSON with the words, and the code. */
interface Kept {
  readonly words: ReadonlyArray<string>
  readonly code: Buffer | undefined
}

const none: Kept = { words: [], code: undefined }

const read = (folder: string, path: string): Kept => {
  let file: number | undefined
  try {
    file = openSync(path, "r")
    if (!isPrivate(statSync(folder)) || !isPrivate(fstatSync(file))) return none
    const all = readFileSync(file)
    const end = all.indexOf(0x0a)
    const words: unknown = JSON.parse(all.toString("utf8", 0, end))
    return Array.isArray(words) ? { words: words.map(String), code: all.subarray(end + 1) } : none
  } catch {
    return none
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
const write = (folder: string, path: string, words: ReadonlyArray<string>, code: Buffer): void => {
  const part = `${path}.${process.pid}`
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (!isPrivate(statSync(folder))) return
  } catch {
    return
  }
  try {
    writeFileSync(part, Buffer.concat([Buffer.from(`${JSON.stringify(words)}\n`), code]), { mode: 0o600, flag: "wx" })
    renameSync(part, path)
    clean(folder)
  } catch {
    rmSync(part, { force: true })
  }
}

const packed = /\.br$/

/**
 * Runs a CommonJS script. A file whose name ends with `.br` holds its script packed by Brotli (RFC 7932). `folder`: where the compiled code is kept; `undefined` keeps none. `word`: the subcommand,
 * whose functions are added if no earlier run had it.
 */
export const run = (path: string, folder: string | undefined, word: string): void => {
  const content = readFileSync(path)
  const source = packed.test(path) ? brotliDecompressSync(content) : content
  const filename = path.replace(packed, "")
  // V8 itself compares only the length of the source.
  const key = createHash("sha256").update(content).digest("hex")
  const place = folder === undefined ? undefined : join(folder, `${prefix}${key}-${process.version}-${process.arch}`)
  const kept = folder === undefined || place === undefined ? none : read(folder, place)
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname) {${source.toString("utf8")}\n})`,
    {
      filename,
      cachedData: kept.code,
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
    }
  )
  const isUsed = kept.code !== undefined && script.cachedDataRejected !== true
  const known = isUsed ? kept.words : []
  if (folder !== undefined && place !== undefined && !known.includes(word) && known.length < mostWords) {
    process.on("exit", () => write(folder, place, [...known, word], script.createCachedData()))
  }
  const module = { exports: {} }
  script.runInThisContext()(module.exports, createRequire(filename), module, filename, dirname(filename))
}
