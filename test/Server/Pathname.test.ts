/**
 * Proves how the server reads the names of CREATE and of renames (MS-FSCC 2.1.5, MS-SMB2 3.3.5.9): the components, the
 * stream and its type, and the status for each invalid name.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Pathname from "../../src/Server/internal/Command/Pathname.ts"

const [badSyntax, invalidName, invalidParameter] = [0xc000_003b, 0xc000_0033, 0xc000_000d]
const longest = "n".repeat(255)

describe("a name", () => {
  const valid: ReadonlyArray<readonly [string, ReadonlyArray<string>, (string | undefined)?, ("data" | "directory")?]> =
    [
      ["", []],
      ["a", ["a"]],
      ["a\\b\\c.txt", ["a", "b", "c.txt"]],
      // Windows accepts one backslash at the end.
      ["a\\b\\", ["a", "b"]],
      ["...", ["..."]],
      [".a\\b.", [".a", "b."]],
      [" \u00e9\u{1f600};,+=[]'%$#@!^&(){}~`", [" \u00e9\u{1f600};,+=[]'%$#@!^&(){}~`"]],
      [`${longest}\\${longest}`, [longest, longest]],
      ["a:s", ["a"], "s", "data"],
      ["a\\b:s", ["a", "b"], "s", "data"],
      ["a:s:$DATA", ["a"], "s", "data"],
      ["a:s:$data", ["a"], "s", "data"],
      ["a::$DATA", ["a"], undefined, "data"],
      [`a:${longest}`, ["a"], longest, "data"],
      // Characters that only names of files cannot have.
      ["a:\u0001\"*<>?|", ["a"], "\u0001\"*<>?|", "data"],
      ["a::$INDEX_ALLOCATION", ["a"], undefined, "directory"],
      ["a:$I30:$INDEX_ALLOCATION", ["a"], undefined, "directory"],
      ["a:$i30:$index_allocation", ["a"], undefined, "directory"],
      // The share's root has streams too.
      [":s", [], "s", "data"],
      ["::$DATA", [], undefined, "data"],
      ["::$INDEX_ALLOCATION", [], undefined, "directory"]
    ]
  it("has components, and perhaps a stream and a type", () => {
    for (const [name, path, stream, type] of valid) {
      assert.deepStrictEqual<unknown>(Pathname.parse(name), { path, stream, type }, name)
    }
  })

  it("is invalid with the status that a table says", () => {
    const invalid: ReadonlyArray<readonly [number, ReadonlyArray<string>]> = [
      [invalidParameter, ["\\", "\\a", "\\a\\b", "\\.."]],
      [badSyntax, ["..", "..\\a", "a\\..", "a\\..\\b", "a\\..\\"]],
      [invalidName, [
        ".",
        "a\\.",
        ".\\a",
        "a\\\\b",
        "a\\\\",
        `${longest}n`,
        `${longest}n\\a`,
        `a\\${longest}n`,
        // A colon begins the name of a stream, and only in the last component.
        "a:s\\b",
        "a\\:s",
        "..:s",
        ".:s",
        "*:s",
        "a:",
        "a::",
        "a:s:",
        "a:s:$OTHER",
        "a::$OTHER",
        "a:s:$DATA:",
        "a:s:$DATA:x",
        "a:s:$INDEX_ALLOCATION",
        "a:\0s",
        "a:s/t",
        `a:${longest}s`
      ]],
      [invalidName, Array.from("\"*/<>?|", (one) => `a${one}b`)],
      [invalidName, Array.from({ length: 32 }, (_, code) => `a${String.fromCharCode(code)}\\b`)],
      [invalidName, Array.from({ length: 32 }, (_, code) => `b\\${String.fromCharCode(code)}`)]
    ]
    for (const [status, names] of invalid) {
      for (const name of names) assert.strictEqual(Pathname.parse(name), status, JSON.stringify(name))
    }
  })
})
