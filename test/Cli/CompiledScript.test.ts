/**
 * A script that runs with its kept compiled code: each in its own process, because the code is kept when a process
 * exits.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { brotliCompressSync } from "node:zlib"

const top = mkdtempSync(join(tmpdir(), "effect-smb-code-"))
afterAll(() => rmSync(top, { recursive: true, force: true }))

const module = new URL("../../src/Cli/CompiledScript.ts", import.meta.url).href

let places = 0
/** A script in its own folder, and a folder for its code, which does not exist yet. */
const place = (source: string) => {
  const folder = join(top, `${places++}`)
  mkdirSync(folder)
  const script = join(folder, "script.cjs")
  writeFileSync(script, source)
  return { folder, script, kept: join(folder, "cache", "own") }
}

/** Runs the script, and gives what it printed. */
const run = (script: string, kept: string | undefined, word = "ls") => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    "--input-type=module",
    "-e",
    `import { run } from ${JSON.stringify(module)}
     run(${JSON.stringify(script)}, ${JSON.stringify(kept)}, ${JSON.stringify(word)})`
  ], { encoding: "utf8" })
  assert.strictEqual(status, 0, stderr)
  return stdout
}

const codeIn = (kept: string) => readdirSync(kept).map((name) => join(kept, name))
const wordsOf = (path: string) => JSON.parse(readFileSync(path).toString("utf8").split("\n")[0]!).words
const one = (kept: string) => {
  const found = codeIn(kept)
  assert.lengthOf(found, 1)
  return found[0]!
}

const hello = `process.stdout.write("hello " + (() => 6 * 7)())`

describe("a compiled script", () => {
  it("is a CommonJS module with its own names, and can import", () => {
    const { folder, kept, script } = place(`
      const { basename } = require("node:path")
      process.stdout.write([basename(__filename), __dirname, typeof exports, module.exports === exports].join(" "))
      import("./other.mjs").then(({ value }) => process.stdout.write(" " + value))
    `)
    writeFileSync(join(folder, "other.mjs"), "export const value = 7")
    for (let round = 0; round < 2; round++) {
      assert.strictEqual(run(script, kept), `script.cjs ${folder} object true 7`)
    }
  })

  it("can import by importModule without a warning", () => {
    const { folder, kept, script } = place(`importModule("node:path").then(({ sep }) => process.stdout.write(sep))`)
    assert.strictEqual(existsSync(folder), true)
    const { status, stderr, stdout } = spawnSync(process.execPath, [
      "--input-type=module",
      "-e",
      `import { run } from ${JSON.stringify(module)}
       run(${JSON.stringify(script)}, ${JSON.stringify(kept)}, "ls")`
    ], { encoding: "utf8" })
    assert.deepStrictEqual([status, stderr, stdout], [0, "", "/"])
  })

  it("can be packed by Brotli, has the name of the unpacked file, and is known by its content", () => {
    const { folder, kept } = place(hello)
    const script = join(folder, "packed.cjs.br")
    for (const sum of ["6 * 7", "6 * 8"]) {
      writeFileSync(script, brotliCompressSync(`${hello.replace("6 * 7", sum)}; process.stdout.write(__filename)`))
      for (let round = 0; round < 2; round++) {
        assert.strictEqual(run(script, kept), `hello ${sum === "6 * 7" ? 42 : 48}${join(folder, "packed.cjs")}`)
      }
    }
    // Only the first run unpacks the script.
    assert.include(readFileSync(codeIn(kept)[0]!, "latin1"), "hello ")
    assert.lengthOf(codeIn(kept), 2)
  })

  it("leaves its code to later runs, in a folder and a file of the user alone", () => {
    const { kept, script } = place(hello)
    assert.strictEqual(run(script, kept), "hello 42")
    const path = one(kept)
    assert.deepStrictEqual(wordsOf(path), ["ls"])
    if (process.platform !== "win32") {
      assert.strictEqual(statSync(kept).mode & 0o777, 0o700)
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    }
    utimesSync(path, 1000, 1000)
    assert.strictEqual(run(script, kept), "hello 42")
    // The file was used as it is: a run of the same word adds nothing.
    assert.strictEqual(statSync(path).mtimeMs, 1_000_000)
    run(script, kept, "get")
    assert.deepStrictEqual(wordsOf(one(kept)), ["ls", "get"])
  })

  it("is never run with the code of another script of the same length", () => {
    const { kept, script } = place(hello)
    run(script, kept)
    writeFileSync(script, hello.replace("6 * 7", "6 * 8"))
    assert.strictEqual(run(script, kept), "hello 48")
    assert.lengthOf(codeIn(kept), 2)
  })

  it("runs, and replaces code that is broken, cut off or of another kind", () => {
    const { kept, script } = place(hello)
    run(script, kept)
    const path = one(kept)
    const whole = readFileSync(path)
    const broken = [
      Buffer.alloc(0),
      Buffer.from("nothing"),
      Buffer.from("{}\nxx"),
      Buffer.from(`["ls"]\nxx`),
      Buffer.from(`{"words":["ls"],"source":0}\nxx`),
      Buffer.from(`{"words":["ls"],"source":-1}\nxx`),
      whole.subarray(0, whole.indexOf(0x0a) + 10),
      whole.subarray(0, whole.length - 8)
    ]
    for (const content of broken) {
      writeFileSync(path, content)
      assert.strictEqual(run(script, kept), "hello 42")
      assert.deepStrictEqual(wordsOf(path), ["ls"])
      assert.isAbove(readFileSync(path).length, 20)
    }
  })

  it("keeps nothing without a folder, and needs no right to write", () => {
    const { folder, script } = place(hello)
    assert.strictEqual(run(script, undefined), "hello 42")
    assert.deepStrictEqual(readdirSync(folder), ["script.cjs"])
    const file = join(folder, "file")
    writeFileSync(file, "")
    assert.strictEqual(run(script, join(file, "below")), "hello 42")
  })

  it("keeps the code of four scripts, and removes no other file", () => {
    const { folder, kept } = place(hello)
    mkdirSync(kept, { recursive: true })
    writeFileSync(join(kept, "other"), "")
    for (let i = 0; i < 6; i++) {
      const script = join(folder, `${i}.cjs`)
      writeFileSync(script, `${hello} // ${i}`)
      run(script, kept)
      for (const [at, path] of codeIn(kept).entries()) if (i === 0) utimesSync(path, 1000 + at, 1000 + at)
    }
    assert.lengthOf(codeIn(kept).filter((path) => !path.endsWith("other")), 4)
    assert.isTrue(existsSync(join(kept, "other")))
  })

  // Windows has no such bits, and only root can give a file to another user.
  it.skipIf(process.platform === "win32")(
    "is not run from a folder or a file that others can change, and not kept there",
    () => {
      const { kept, script } = place(hello)
      run(script, kept)
      const path = one(kept)
      // Code of another source of the same length, as another user could place it.
      const other = place(hello.replace("6 * 7", "6 * 8"))
      run(other.script, other.kept)
      writeFileSync(path, readFileSync(one(other.kept)))
      for (const [at, mode] of [[kept, 0o777], [kept, 0o1777], [path, 0o622]] as const) {
        chmodSync(at, mode)
        assert.strictEqual(run(script, kept, "new"), "hello 42")
        if (at === kept) assert.deepStrictEqual(wordsOf(path), ["ls"])
        chmodSync(at, at === kept ? 0o700 : 0o600)
        if (at === path) return
      }
    }
  )

  it("counts no more than 64 words", () => {
    const { kept, script } = place(hello)
    run(script, kept)
    const path = one(kept)
    const all = readFileSync(path)
    const words = Array.from({ length: 64 }, (_, i) => `w${i}`)
    const end = all.indexOf(0x0a)
    const first = JSON.stringify({ ...JSON.parse(all.toString("utf8", 0, end)), words })
    writeFileSync(path, Buffer.concat([Buffer.from(first), all.subarray(end)]))
    chmodSync(path, 0o600)
    run(script, kept, "more")
    assert.deepStrictEqual(wordsOf(path), words)
  })
})
