/**
 * Proves which files get a record that a crash has left: a table of places and of damaged records, and the times of
 * files and records.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import { never } from "../../src/Server/Store/internal/PromptCalls.ts"
import * as UnfinishedRecords from "../../src/Server/Store/internal/UnfinishedRecords.ts"

let top = ""
let sidecar = ""
const at = (...names: ReadonlyArray<string>) => join(top, ...names)
const left = (name: string) => join(sidecar, "new", name)

beforeEach(() => {
  top = Fs.mkdtempSync(join(tmpdir(), "effect-smb-unfinished-"))
  sidecar = at("sidecar")
  Fs.mkdirSync(join(sidecar, "new"), { recursive: true })
})
afterEach(() => Fs.rmSync(top, { recursive: true }))

const find = async (steady = false) => {
  const found = await UnfinishedRecords.find(sidecar, steady)
  return found.map(({ name, stats }) => [name, stats.ino] as const)
}

const inode = (...names: ReadonlyArray<string>) => Fs.lstatSync(at(...names), { bigint: true }).ino

describe("a record of a file that is being made", () => {
  it("has the file's place, is for this user alone, and is found with the file", async () => {
    Fs.mkdirSync(at("d"))
    const path = await UnfinishedRecords.write(never, left("1"), ["d", "f"], { attributes: 2 })
    assert.strictEqual(path, left("1.record"))
    assert.deepStrictEqual(JSON.parse(Fs.readFileSync(path, "utf8")), { attributes: 2, making: ["d", "f"] })
    if (process.platform !== "win32") assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o600)
    assert.deepStrictEqual(await find(), [])
    Fs.writeFileSync(at("d", "f"), "")
    assert.deepStrictEqual(await find(true), [["../new/1.record", inode("d", "f")]])
  })

  it("is removed when it cannot be written completely", async () => {
    const { writeFile } = Fs.promises
    const full = Object.assign(new Error("full"), { code: "ENOSPC" })
    Fs.promises.writeFile = async (path, data, options) => {
      await writeFile(path, String(data).slice(0, 3), options)
      throw full
    }
    try {
      const failed = UnfinishedRecords.write(never, left("1"), ["f"], {})
      assert.strictEqual(await failed.catch((error) => error), full)
    } finally {
      Fs.promises.writeFile = writeFile
    }
    assert.deepStrictEqual(Fs.readdirSync(join(sidecar, "new")), [])
  })

  it("fails without the folder of unfinished files, in which nothing is found either", async () => {
    Fs.rmdirSync(join(sidecar, "new"))
    const failed = UnfinishedRecords.write(never, left("1"), ["f"], {})
    assert.strictEqual(await failed.catch((error) => error.code), "ENOENT")
    assert.deepStrictEqual(await find(), [])
  })

  it("stands for a file or directory at its place, through directories only", async () => {
    Fs.mkdirSync(at("d", "e"), { recursive: true })
    for (const name of ["f", "d/f", "d/e/f", "d/...", "d/.f", "d/f.", "d/..f"]) Fs.writeFileSync(at(name), "")
    Fs.symlinkSync("d", at("link"))
    Fs.symlinkSync("../f", at("d", "link"))
    if (process.platform !== "win32") execFileSync("mkfifo", [at("pipe")])
    const good = [["f"], ["d"], ["d", "e"], ["d", "f"], ["d", "e", "f"], ["d", "..."], ["d", ".f"], ["d", "f."], [
      "d",
      "..f"
    ]]
    const bad: ReadonlyArray<unknown> = [
      undefined,
      null,
      "f",
      ["f"].length,
      { 0: "f", length: 1 },
      [],
      [""],
      ["."],
      [".."],
      [1],
      ["f", 1],
      [null],
      ["d/f"],
      ["/"],
      ["f\0"],
      ["d", "", "f"],
      ["d", ".", "f"],
      ["d", "..", "f"],
      ["no"],
      ["no", "f"],
      ["d", "no"],
      ["f", "f"],
      ["link"],
      ["link", "f"],
      ["d", "link"],
      ["pipe"],
      ["pipe", "f"]
    ]
    for (const making of [...good, ...bad]) {
      Fs.writeFileSync(left("1.record"), JSON.stringify({ making }))
      const expected = good.includes(making as Array<string>)
        ? [["../new/1.record", inode(...making as Array<string>)]]
        : []
      assert.deepStrictEqual<unknown>(await find(), expected, JSON.stringify(making))
    }
  })

  it("is found among others, and not if it is damaged or another kind of file", async () => {
    for (const name of ["a", "b"]) Fs.writeFileSync(at(name), "")
    const record = (name: string, other: object = {}) => JSON.stringify({ ...other, making: [name] })
    Fs.writeFileSync(left("1.record"), record("a"))
    Fs.writeFileSync(left("2.record"), record("b", { attributes: 2 }))
    Fs.writeFileSync(left("3.record"), record("a").slice(0, -1))
    Fs.writeFileSync(left("4.record"), record("a", { attributes: "2" }))
    Fs.writeFileSync(left("5.record"), "")
    Fs.writeFileSync(left("6.record"), "null")
    Fs.writeFileSync(left("7"), record("a"))
    Fs.writeFileSync(left("8.record.new"), record("a"))
    // Another process has removed it since the folder was read.
    Fs.symlinkSync("nothing", left("9.record"))
    assert.deepStrictEqual((await find()).sort(), [["../new/1.record", inode("a")], ["../new/2.record", inode("b")]])
    // A record that cannot be read could be that of any file: then none is served without it.
    Fs.mkdirSync(left("10.record"))
    assert.strictEqual(await find().catch((error) => error.code), "EISDIR")
  })

  it("belongs to a file that was made after it, and to an older one only if times of birth are not steady", async () => {
    for (let i = 0; i < 50; i++) {
      // Often the file has the time of its record, because the clock of the file system is coarse.
      Fs.writeFileSync(left("1.record"), JSON.stringify({ making: [`f${i}`] }))
      Fs.writeFileSync(at(`f${i}`), "")
      assert.deepStrictEqual(await find(true), [["../new/1.record", inode(`f${i}`)]])
    }
    Fs.writeFileSync(left("1.record"), JSON.stringify({ making: ["f0"] }))
    const later = Date.now() / 1000 + 100
    Fs.utimesSync(left("1.record"), later, later)
    assert.deepStrictEqual(await find(true), [])
    assert.deepStrictEqual(await find(false), [["../new/1.record", inode("f0")]])
  })
})
