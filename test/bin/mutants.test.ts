/** What `npm run mutants` makes of its table, its seed and Stryker's report; the changes themselves take too long here. */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Changes from "../mutants/Changes.ts"
import * as Report from "../mutants/Report.ts"
import { choose, type Room, rooms } from "../mutants/Rooms.ts"

const checkout = fileURLToPath(new URL("../../", import.meta.url))

describe("the table of modules", () => {
  it("names modules and tests that exist", () => {
    for (const { folder, modules, tests } of rooms) {
      for (const module of modules) assert(existsSync(`${checkout}${folder}/${module}.ts`), `${folder}/${module}`)
      for (const test of tests) assert(existsSync(`${checkout}${test}`), test)
    }
  })

  it("gives a module by its name, its path or its folder, and refuses what it does not have", () => {
    const from: ReadonlyArray<Room> = [
      { folder: "src/A", modules: ["One", "internal/Two"], tests: ["test/A"] },
      { folder: "src/B", modules: ["One"], tests: ["test/B"] }
    ]
    const paths = (...named: ReadonlyArray<string>) =>
      choose(named, from).flatMap(({ folder, modules }) => modules.map((module) => `${folder}/${module}`))
    assert.deepStrictEqual(paths(), ["src/A/One", "src/A/internal/Two", "src/B/One"])
    assert.deepStrictEqual(paths("One"), ["src/A/One", "src/B/One"])
    assert.deepStrictEqual(paths("src/B/One.ts"), ["src/B/One"])
    assert.deepStrictEqual(paths("src/A"), ["src/A/One", "src/A/internal/Two"])
    assert.deepStrictEqual(paths("src/A/internal/", "src/B"), ["src/A/internal/Two", "src/B/One"])
    for (const name of ["src", "Three", "internal", "src/A/Two"]) assert.throws(() => paths(name), name)
  })
})

describe("a seed", () => {
  const keys = Array.from({ length: 200 }, (_, i) => `file:${i}`)
  it("chooses the same changes again, and other ones by another seed", () => {
    const some = [...Changes.pick(keys, "a", 20)]
    assert.lengthOf(some, 20)
    assert.deepStrictEqual([...Changes.pick(keys.toReversed(), "a", 20)].toSorted(), some.toSorted())
    assert.notDeepEqual([...Changes.pick(keys, "b", 20)].toSorted(), some.toSorted())
    for (const count of [200, 300, undefined]) assert.lengthOf([...Changes.pick(keys, "a", count)], 200)
  })
})

describe("the report", () => {
  const source = "const a = 1\nif (a > 1 &&\n  b) stop()\n"
  const mutant = (status: string, more: object = {}) => ({
    status,
    replacement: "true",
    location: { start: { line: 2, column: 5 }, end: { line: 3, column: 4 } },
    ...more
  })
  const changes = Report.changesOf({
    files: {
      "src/A.ts": {
        source,
        mutants: [
          mutant("Killed", { killedBy: ["7"] }),
          mutant("Timeout"),
          mutant("RuntimeError", { statusReason: "a promise was rejected" }),
          mutant("Survived"),
          mutant("NoCoverage", { replacement: "false" }),
          mutant("Ignored")
        ]
      }
    },
    testFiles: { "test/A.test.ts": { tests: [{ id: "7", name: "stops" }] } }
  })
  const known = (more: Partial<Report.Known>): Report.Known => ({
    file: "src/A.ts",
    text: "if (a > 1 &&",
    before: "a > 1 && b",
    after: "true",
    kind: "equivalent",
    reason: "b is always set",
    ...more
  })

  it("says what was changed, and by which test that was noticed", () => {
    assert.deepStrictEqual(changes.map(({ outcome }) => outcome), [
      "noticed",
      "noticed",
      "noticed",
      "not noticed",
      "not reached",
      "not tried"
    ])
    assert.deepInclude(changes[0], {
      file: "src/A.ts",
      line: 2,
      text: "if (a > 1 &&",
      before: "a > 1 &&\n  b",
      after: "true",
      by: "test/A.test.ts: stops"
    })
    assert.deepStrictEqual(changes.slice(1, 3).map(({ by }) => by), [
      "a test that does not end",
      "a promise was rejected"
    ])
  })

  it("counts what somebody could see: neither the equivalent ones nor those that were not tried", () => {
    const plain = Report.summary(changes, [])
    assert.deepInclude(plain, { real: 5, noticed: 3 })
    assert.lengthOf(plain.unnoticed, 2)
    const less = Report.summary(changes, [known({})])
    assert.deepInclude(less, { real: 4, noticed: 3 })
    assert.strictEqual(Report.score(less), 75)
    // What is left without a test counts as not noticed, and is not told of as new.
    const left = Report.summary(changes, [known({}), known({ after: "false", kind: "left" })])
    assert.deepInclude(left, { real: 4, noticed: 3, unnoticed: [] })
    assert.lengthOf(left.left, 1)
    // Another line is another change.
    assert.lengthOf(Report.summary(changes, [known({ text: "if (b > 1 &&" })]).unnoticed, 2)
    assert.strictEqual(Report.score({ real: 0, noticed: 0 }), 100)
  })

  it("lists each change that no test noticed, with its place", () => {
    const text = Report.text(changes, [known({ after: "false", kind: "left", reason: "no module calls it" })])
    assert.include(text, "src/A.ts:2\n    a > 1 && b\n -> true")
    assert.include(text, "src/A.ts:2 (no test gets there)\n    a > 1 && b\n -> false\n    left: no module calls it")
    assert.include(text, "all: 3 of 5 noticed (60.0 %), 0 equivalent")
  })
})

describe("test/mutants/known.json", () => {
  const all: ReadonlyArray<Report.Known> = JSON.parse(readFileSync(`${checkout}test/mutants/known.json`, "utf8"))
  const one = (text: string) => text.replace(/\s+/g, " ").trim()

  it("gives each change a kind and a reason, once", () => {
    for (const { file, kind, reason, text } of all) {
      assert.include(["equivalent", "left"], kind)
      assert.isAtLeast(reason.length, 20, `${file}: ${text}`)
    }
    const keys = all.map(({ after, before, file, text }) => [file, text, before, after].map(one).join("\n"))
    assert.deepStrictEqual(keys.filter((key, index) => keys.indexOf(key) !== index), [])
  })

  it("has no change of a line that its file does not have any more", () => {
    const gone = all.filter(({ file, text }) =>
      !readFileSync(checkout + file, "utf8").split("\n").some((line) => one(line) === one(text))
    )
    assert.deepStrictEqual(gone.map(({ file, text }) => `${file}: ${text}`), [])
  })
})
