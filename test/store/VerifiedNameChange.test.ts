/**
 * Proves the last step of a change of names: no call is made unless each name stands for the expected file, and on a
 * prompt file system nothing comes between the looks and the calls.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import type { StoreError } from "../../src/Server/ShareStore.ts"
import * as VerifiedNameChange from "../../src/Server/Store/internal/VerifiedNameChange.ts"

let folder = ""
const at = (name: string) => join(folder, name)
const onDisk = () => Fs.readdirSync(folder).sort()

beforeEach(() => {
  folder = Fs.mkdtempSync(join(tmpdir(), "effect-smb-names-"))
  for (const name of ["a", "b"]) Fs.writeFileSync(at(name), name)
  Fs.mkdirSync(at("d"))
})
afterEach(() => Fs.rmSync(folder, { recursive: true }))

const look = (name: string, as: string, other: Partial<VerifiedNameChange.Look> = {}): VerifiedNameChange.Look => {
  const ino = Fs.lstatSync(at(as), { bigint: true }).ino
  return { place: at(name), is: (stats) => stats.ino === ino, mayBeFree: false, otherwise: "Stale", ...other }
}

const reason = (promise: Promise<unknown>) => promise.then(() => "done", (error: StoreError) => error.reason._tag)

/** Runs `body` and gives the calls of the platform that change or look at names. */
const heard = async (body: () => Promise<unknown>): Promise<ReadonlyArray<string>> => {
  const platform = process.getBuiltinModule("node:fs")
  const calls: Array<string> = []
  const short = (path: unknown) => String(path).slice(folder.length + 1)
  const now = ["renameSync", "linkSync", "unlinkSync", "rmdirSync", "lstatSync", "lstat"] as const
  const later = ["rename", "link", "unlink", "rmdir"] as const
  const before = { ...platform }
  const promises = { ...platform.promises }
  const hear = (name: string, call: unknown) => (...args: ReadonlyArray<unknown>) => {
    calls.push([name, ...args.filter((one) => typeof one === "string").map(short)].join(" "))
    return Reflect.apply(call as () => unknown, platform, args)
  }
  for (const name of now) Object.assign(platform, { [name]: hear(name, before[name]) })
  for (const name of later) Object.assign(platform.promises, { [name]: hear(`promises.${name}`, promises[name]) })
  syncBuiltinESMExports()
  try {
    await body()
  } finally {
    for (const name of now) Object.assign(platform, { [name]: before[name] })
    for (const name of later) Object.assign(platform.promises, { [name]: promises[name] })
    syncBuiltinESMExports()
  }
  return calls
}

for (const prompt of [true, false]) {
  describe(`a verified change of names${prompt ? "" : " through the thread pool"}`, () => {
    const run = (looks: ReadonlyArray<VerifiedNameChange.Look>, ...calls: ReadonlyArray<VerifiedNameChange.Call>) =>
      reason(VerifiedNameChange.run(prompt, looks, calls))

    it("makes each of the four calls", async () => {
      const [a, b, d] = [look("a", "a"), look("b", "b"), look("d", "d")]
      assert.strictEqual(await run([a], ["rename", at("a"), at("a2")]), "done")
      assert.deepStrictEqual(onDisk(), ["a2", "b", "d"])
      assert.strictEqual(await run([b], ["link", at("b"), at("b2")]), "done")
      assert.strictEqual(Fs.readFileSync(at("b2"), "utf8"), "b")
      assert.strictEqual(await run([b], ["unlink", at("b")]), "done")
      assert.strictEqual(await run([d], ["rmdir", at("d")]), "done")
      assert.deepStrictEqual(onDisk(), ["a2", "b2"])
    })

    it("makes its calls in their order, and none after a failed one", async () => {
      assert.strictEqual(
        await run([look("a", "a")], ["rename", at("a"), at("x")], ["rename", at("x"), at("y")]),
        "done"
      )
      assert.deepStrictEqual(onDisk(), ["b", "d", "y"])
      const failed = VerifiedNameChange.run(prompt, [], [["unlink", at("no")], ["unlink", at("b")]])
      assert.strictEqual(await failed.catch((error: NodeJS.ErrnoException) => error.code), "ENOENT")
      assert.deepStrictEqual(onDisk(), ["b", "d", "y"])
    })

    const change: VerifiedNameChange.Call = ["unlink", "b"]
    const cases: ReadonlyArray<readonly [string, () => ReadonlyArray<VerifiedNameChange.Look>, string]> = [
      ["is done for the expected file", () => [look("a", "a")], "done"],
      ["is done for no look", () => [], "done"],
      ["is done for a name that may be free", () => [look("no", "a", { mayBeFree: true })], "done"],
      ["is refused for a missing name", () => [look("no", "a")], "NotFound"],
      ["is refused for another file", () => [look("a", "b")], "Stale"],
      ["is refused with the reason of the look", () => [look("a", "b", { otherwise: "Exists" })], "Exists"],
      ["is refused for another file of a name that may be free", () => [look("a", "b", { mayBeFree: true })], "Stale"],
      ["is refused by its second look", () => [look("a", "a"), look("a", "b", { otherwise: "Exists" })], "Exists"],
      ["is refused by its first look", () => [look("no", "a"), look("a", "b")], "NotFound"]
    ]
    for (const [title, looks, expected] of cases) {
      it(title, async () => {
        const all = looks()
        assert.strictEqual(await run(all, [change[0] as "unlink", at("b")]), expected)
        assert.deepStrictEqual(onDisk(), expected === "done" ? ["a", "d"] : ["a", "b", "d"])
      })
    }
  })
}

describe("a verified change of names on a prompt file system", () => {
  it("waits for its turn at each name, looks at each, and makes its calls, all in one tick", async () => {
    const looks = [look("a", "a"), look("no", "a", { mayBeFree: true })]
    let done = false
    const calls = await heard(async () => {
      const settle = () => {
        done = true
      }
      VerifiedNameChange.run(true, looks, [["rename", at("a"), at("no")], ["unlink", at("b")]]).then(settle, () => {})
      assert.isFalse(done)
      assert.deepStrictEqual(onDisk(), ["d", "no"])
    })
    assert.isTrue(done)
    assert.deepStrictEqual(calls, [
      "renameSync a a",
      "renameSync no no",
      "lstatSync a",
      "lstatSync no",
      "renameSync a no",
      "unlinkSync b"
    ])
  })
})

describe("a verified change of names on another file system", () => {
  it("makes no call that stops the process while it waits for the platform", async () => {
    const looks = [look("a", "a"), look("b", "b")]
    const calls = await heard(() => VerifiedNameChange.run(false, looks, [["rename", at("a"), at("b")]]))
    assert.deepStrictEqual(calls, ["lstat a", "lstat b", "promises.rename a b"])
  })
})
