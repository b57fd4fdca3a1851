/**
 * Proves how a server reads names (MS-FSCC 2.1.5, MS-FSA 2.1.5.1): which components and streams they have, and which
 * status each fault has. A table has one line for each rule, and arbitrary names show that no name leads out.
 */
import { assert, describe, it } from "@effect/vitest"
import { NtStatus as Status } from "effect-smb/Codec"
import * as Pathname from "../../src/Server/internal/Command/Pathname.ts"
import { random } from "../random.ts"

/** The result as one text: the status, or the path with its stream, its type and its backslash. */
const read = (name: string): string => {
  const parsed = Pathname.parse(name)
  if (typeof parsed === "number") return Status.name(parsed)!.replace("STATUS_", "")
  const { endsInBackslash, path, stream, type } = parsed
  return path.join("/") + (stream === undefined ? "" : ` stream ${stream}`) + (type === undefined ? "" : ` ${type}`) +
    (endsInBackslash ? " backslash" : "")
}

const INVALID = "OBJECT_NAME_INVALID"
const PARAMETER = "INVALID_PARAMETER"
/** smbtorture expects it of `..\\..\\..` (smb2.mkdir). */
const SYNTAX = "OBJECT_PATH_SYNTAX_BAD"
const NOT_FOUND = "OBJECT_PATH_NOT_FOUND"
const long = "x".repeat(255)

const table: Readonly<Record<string, string>> = {
  "": "",
  "f": "f",
  "d\\f": "d/f",
  "\\": PARAMETER,
  "\\f": PARAMETER,
  // Components that stand for other ones.
  ".": "",
  "d\\.": "d",
  ".\\f": "f",
  "d\\.\\f": "d/f",
  "d\\e\\..": "d",
  "d\\e\\..\\f": "d/f",
  "d\\e\\.\\..\\.\\f": "d/f",
  "d\\e\\g\\..\\..\\f": "d/f",
  // As from Windows: `..` does not lead to the root either.
  "d\\..": PARAMETER,
  "d\\..\\f": PARAMETER,
  "d\\e\\..\\..\\f": PARAMETER,
  "..": SYNTAX,
  "..\\f": SYNTAX,
  "d\\..\\..": PARAMETER,
  "d\\..\\..\\d\\f": PARAMETER,
  "...": "...",
  "d\\.hidden": "d/.hidden",
  // Backslashes.
  "d\\": "d backslash",
  "d\\e\\": "d/e backslash",
  "d\\.\\": "d backslash",
  "d\\e\\..\\": "d backslash",
  "d\\\\f": NOT_FOUND,
  "d\\\\\\f": NOT_FOUND,
  "d\\\\f*": INVALID,
  "d\\\\": INVALID,
  "d\\\\::$DATA": INVALID,
  // Streams.
  "f:s": "f stream s data",
  "f:s:$DATA": "f stream s data",
  "f:s:$data": "f stream s data",
  "f::$DATA": "f data",
  ":s": " stream s data",
  ":s:$DATA": " stream s data",
  "::$DATA": " data",
  "d\\f:s": "d/f stream s data",
  "d\\:s": INVALID,
  "f:": INVALID,
  "f::": INVALID,
  "f:s:": INVALID,
  ":": INVALID,
  "f:s:$OTHER": INVALID,
  "f::$BITMAP": INVALID,
  "f:s:$DATA:x": INVALID,
  "f:s:x:$DATA": INVALID,
  "f:s\\": INVALID,
  "f::$DATA\\": INVALID,
  "f:s\\g": INVALID,
  "f::$DATA\\g": INVALID,
  "f:s/t": INVALID,
  "f:s\0": INVALID,
  "f:*?<>|\u0001": "f stream *?<>|\u0001 data",
  ".:s": INVALID,
  "d\\..:s": INVALID,
  // Directories by their type.
  "d::$INDEX_ALLOCATION": "d directory",
  "d:$I30:$INDEX_ALLOCATION": "d directory",
  "d:$i30:$index_allocation": "d directory",
  "d::$INDEX_ALLOCATION\\": "d directory backslash",
  "d::$INDEX_ALLOCATION\\f": "d/f",
  "d:$I30:$INDEX_ALLOCATION\\f:s": "d/f stream s data",
  "::$INDEX_ALLOCATION": " directory",
  "d:$I30": "d stream $I30 data",
  // Capitals by Windows' table: JavaScript has an I for the dotless i.
  "d::$\u0131NDEX_ALLOCATION": INVALID,
  "d:$\u013130:$INDEX_ALLOCATION": PARAMETER,
  "d:s:$INDEX_ALLOCATION": PARAMETER,
  "d:$I31:$INDEX_ALLOCATION": PARAMETER,
  "d:s:$INDEX_ALLOCATION\\f": PARAMETER,
  // Characters and lengths.
  "a*b": INVALID,
  "a?b": INVALID,
  "a\"b": INVALID,
  "a<b": INVALID,
  "a>b": INVALID,
  "a|b": INVALID,
  "a/b": INVALID,
  "a\u001fb": INVALID,
  "a\0b": INVALID,
  "d*\\f": INVALID,
  "a\u007fb. ": "a\u007fb. ",
  [long]: long,
  [`${long}x`]: INVALID,
  [`${long}x\\f`]: INVALID,
  [`f:${long}`]: `f stream ${long} data`,
  [`f:${long}x`]: INVALID
}

describe("a name in a request", () => {
  it("has the parts, or the status, that the documents give it", () => {
    for (const [name, expected] of Object.entries(table)) assert.strictEqual(read(name), expected, JSON.stringify(name))
  })

  it("never gives a component that leads to another directory, or that no file can have", () => {
    const pick = random(41)
    const parts = ["a", "b", ".", "..", "\\", "\\", "\\", ":", "$DATA", "$I30", "$INDEX_ALLOCATION", "*", " ", "\0"]
    let valid = 0
    for (let turn = 0; turn < 10_000; turn++) {
      const name = Array.from({ length: 1 + pick(10) }, () => parts[pick(parts.length)]!).join("")
      const parsed = Pathname.parse(name)
      if (typeof parsed === "number") continue
      valid++
      for (const component of parsed.path) {
        // oxlint-disable-next-line no-control-regex -- they are what Windows refuses
        assert.notMatch(component, /^\.{0,2}$|[\0-\x1f"*/:<>?|\\]/, JSON.stringify(name))
      }
      // The name of the result is read as itself.
      const again = parsed.path.join("\\") + (parsed.stream === undefined ? "" : `:${parsed.stream}`)
      const { path, stream } = Pathname.parse(again) as Pathname.Name
      assert.deepStrictEqual({ path, stream }, { path: parsed.path, stream: parsed.stream }, JSON.stringify(name))
      // One more directory on the way there and back changes nothing. Only the first component can have no name.
      if (name.startsWith(":")) continue
      const below = Pathname.parse(`y\\x\\..\\${name}`) as Pathname.Name
      assert.deepStrictEqual(below.path, ["y", ...parsed.path], JSON.stringify(name))
    }
    assert.isAbove(valid, 1000)
  })
})
