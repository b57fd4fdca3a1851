/**
 * Which files a transfer copies: the rules for existing files by a table of what docs/transfer.md promises, and the patterns
 * of `include` and `exclude` with examples from its page.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Choice from "../../src/Transfer/internal/Choice.ts"
import * as Filter from "../../src/Transfer/internal/Filter.ts"

const millisecond = 10_000n
const at = (time: bigint | undefined, size = 10n): Choice.Facts => ({ size, lastWriteTime: time })
const old = 132_000_000_000_000_000n

describe("Choice.choose", () => {
  const rules = (existing: Choice.Existing, compare: Choice.Compare = "time") => Choice.rules({ compare }, existing)
  const source = at(old)
  const table: ReadonlyArray<readonly [string, Choice.Facts | undefined, Choice.Existing, Choice.Compare, string]> = [
    ["no file", undefined, "skip", "time", "copy"],
    ["no file", undefined, "update", "time", "copy"],
    ["no file", undefined, "different", "checksum", "copy"],
    ["the same file", at(old), "replace", "time", "copy"],
    ["the same file", at(old), "skip", "time", "Exists"],
    ["another file", at(old - 1n, 1n), "skip", "time", "Exists"],
    ["the same file", at(old), "update", "time", "Same"],
    ["as old a file of another size", at(old, 11n), "update", "time", "copy"],
    ["a newer file", at(old + 3n * millisecond, 11n), "update", "time", "Newer"],
    ["an older file", at(old - 3n * millisecond), "update", "time", "copy"],
    ["a file without a time", at(undefined), "update", "time", "copy"],
    ["the same file", at(old), "different", "time", "Same"],
    ["a file of another size", at(old, 11n), "different", "time", "copy"],
    ["a file of another size", at(old, 11n), "different", "size", "copy"],
    ["a file of another size", at(old, 11n), "different", "checksum", "copy"],
    ["a file whose time differs by 2 ms", at(old + 2n * millisecond), "different", "time", "Same"],
    ["a file whose time differs by more than 2 ms", at(old + 2n * millisecond + 1n), "different", "time", "copy"],
    ["a file that is older by more than 2 ms", at(old - 2n * millisecond - 1n), "different", "time", "copy"],
    ["a file without a time", at(undefined), "different", "time", "copy"],
    ["a file of another time", at(old + 999n * millisecond), "different", "size", "Same"],
    ["a file of another time", at(old + 999n * millisecond), "different", "checksum", "checksum"],
    ["the same file", at(old), "different", "checksum", "checksum"]
  ]
  for (const [what, target, existing, compare, choice] of table) {
    it(`says ${choice} for existing: "${existing}", compare: "${compare}" when the target has ${what}`, () => {
      assert.strictEqual(Choice.choose(source, target, rules(existing, compare)), choice)
    })
  }

  it("takes times as equal that differ by no more than modifyWindow", () => {
    const wide = Choice.rules({ modifyWindow: "2 seconds" }, "different")
    assert.strictEqual(Choice.choose(source, at(old + 2000n * millisecond), wide), "Same")
    assert.strictEqual(Choice.choose(source, at(old + 2000n * millisecond + 1n), wide), "copy")
    const none = Choice.rules({ modifyWindow: 0 }, "different")
    assert.strictEqual(Choice.choose(source, at(old + 1n), none), "copy")
    assert.strictEqual(Choice.choose(source, at(old), none), "Same")
  })

  it("copies a file without a time, also over one without a time", () => {
    assert.strictEqual(Choice.choose(at(undefined), at(undefined), rules("different")), "copy")
    assert.strictEqual(Choice.choose(at(undefined), at(undefined), rules("update")), "copy")
  })
})

describe("a filter", () => {
  const names = (path: string) => path.split("/")
  const takes = (options: Filter.FilterOptions, path: string, size = 1n) =>
    Filter.make(options).takes(names(path), size)
  const enters = (options: Filter.FilterOptions, path: string) => Filter.make(options).enters(names(path))

  it("takes everything without options, also names that begin with a dot", () => {
    for (const path of ["a", "a/b", ".git", ".git/config"]) {
      assert.isTrue(takes({}, path))
      assert.isTrue(enters({}, path))
    }
  })

  it("takes a pattern without a slash for one of names, and with a slash for one of the path below the start", () => {
    assert.isFalse(takes({ exclude: ["*.tmp"] }, "a/b/x.tmp"))
    assert.isFalse(takes({ exclude: ["*.tmp"] }, "x.TMP"))
    assert.isTrue(takes({ exclude: ["*.tmp"] }, "x.tmp.txt"))
    assert.isFalse(takes({ exclude: ["/x.tmp"] }, "x.tmp"))
    assert.isTrue(takes({ exclude: ["/x.tmp"] }, "a/x.tmp"))
    assert.isFalse(takes({ exclude: ["a/*.tmp"] }, "a/x.tmp"))
    assert.isTrue(takes({ exclude: ["a/*.tmp"] }, "a/b/x.tmp"))
    assert.isFalse(takes({ exclude: ["a/**/*.tmp"] }, "a/b/c/x.tmp"))
    assert.isFalse(takes({ exclude: ["~$*"] }, "d/~$report.docx"))
    assert.isFalse(takes({ exclude: ["*.{jpg,png}"] }, "d/a.png"))
    assert.isFalse(takes({ exclude: ["file[0-9]"] }, "file7"))
    assert.isTrue(takes({ exclude: ["file[0-9]"] }, "fileA"))
    assert.isFalse(takes({ exclude: ["(copy) a+b!.txt"] }, "(copy) a+b!.txt"))
  })

  it("does not enter an excluded folder, and takes a pattern with a slash at its end for folders alone", () => {
    assert.isFalse(enters({ exclude: ["node_modules"] }, "a/node_modules"))
    assert.isFalse(takes({ exclude: ["node_modules"] }, "a/node_modules"))
    assert.isFalse(enters({ exclude: ["build/"] }, "a/build"))
    assert.isTrue(takes({ exclude: ["build/"] }, "a/build"))
    assert.isFalse(enters({ exclude: ["/a/build/"] }, "a/build"))
    assert.isTrue(enters({ exclude: ["/a/build/"] }, "b/build"))
  })

  it("takes only included files, and enters every folder to find them; exclude counts more", () => {
    const options = { include: ["*.jpg", "/top.txt"], exclude: ["bad*"] }
    assert.isTrue(takes(options, "a/b/x.jpg"))
    assert.isTrue(takes(options, "top.txt"))
    assert.isFalse(takes(options, "a/top.txt"))
    assert.isFalse(takes(options, "a/bad.jpg"))
    assert.isTrue(enters(options, "a"))
    assert.isFalse(enters(options, "bad"))
  })

  it("takes files from minimumSize to maximumSize", () => {
    const options = { minimumSize: 10, maximumSize: 20n }
    assert.deepStrictEqual([9n, 10n, 20n, 21n].map((size) => takes(options, "f", size)), [false, true, true, false])
  })
})
