/** The words of a shell's line: compared with the system's own shell, and the unfinished word that completion sees. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { spawnSync } from "node:child_process"
import * as History from "../../src/Cli/Shell/History.ts"
import * as Words from "../../src/Cli/Shell/Words.ts"
import { random } from "../random.ts"

const parsed = (line: string) => Result.getOrUndefined(Words.parse(line))

describe("the words of a line", () => {
  it.skipIf(process.platform === "win32")(
    "are those of sh, for 400 arbitrary lines of blanks, quotes and backslashes",
    () => {
      const number = random(11)
      const alphabet = ["a", "b", "é", " ", " ", "\t", "'", "\"", "\\", "\\ ", "#", "/", "-", "'x y'", "\"c \\\" d\""]
      const lines: Array<string> = []
      for (let tries = 0; lines.length < 400 && tries < 20_000; tries++) {
        const line = Array.from({ length: 1 + number(12) }, () => alphabet[number(alphabet.length)]!).join("")
        // A backslash at the end of a line joins it with the next one in sh.
        if (parsed(line) !== undefined && !line.endsWith("\\")) lines.push(line)
      }
      assert.lengthOf(lines, 400)
      const script = lines.map((line) =>
        `set -- ${line}\nfor word; do printf '%s\\036' "$word"; done; printf '\\035'\n`
      )
      const { status, stdout } = spawnSync("sh", ["-f"], { input: script.join(""), encoding: "utf8" })
      assert.strictEqual(status, 0)
      const expected = stdout.split("\x1d").slice(0, -1).map((words) => words.split("\x1e").slice(0, -1))
      assert.deepStrictEqual(lines.map((line) => parsed(line)![0] ?? []), expected)
    }
  )

  it("are several commands with ; between them, and a pattern stays a word", () => {
    assert.deepStrictEqual(parsed("cd 'a;b' ;ls *.txt;; # all"), [["cd", "a;b"], ["ls", "*.txt"]])
    assert.deepStrictEqual(parsed("get 'R&D' $HOME \\(x\\) \"$1\""), [["get", "R&D", "$HOME", "(x)", "$1"]])
    // As in sh, other blanks of Unicode belong to a name: `rm` must not take two names for it.
    assert.deepStrictEqual(parsed("rm 報告　old a\u00a0b\tc"), [["rm", "報告　old", "a\u00a0b", "c"]])
    assert.deepStrictEqual(parsed(" \t"), [])
    assert.deepStrictEqual(parsed("ls ''"), [["ls", ""]])
  })

  it("are refused with an open quote, a pipe or a redirection", () => {
    const message = (line: string) => Result.getOrUndefined(Result.flip(Words.parse(line)))
    assert.match(message("ls 'a")!, /quote ' is not closed/)
    assert.match(message("ls \"a\\\"")!, /quote " is not closed/)
    for (const line of ["ls | wc", "cat a > b", "a<b", "rm -r old && ls keep", "rm a& ls", "(ls)", "rm `ls`"]) {
      assert.match(message(line)!, /^the shell has no [|<>&()`]: write ; between commands/)
    }
    assert.deepStrictEqual(parsed("ls 'a|b' \\>"), [["ls", "a|b", ">"]])
  })

  it("are one word again after they were written, in each quote", () => {
    const number = random(12)
    const alphabet = "ab' \"\\;#|<>$`\t&()*é"
    for (let i = 0; i < 2000; i++) {
      const value = Array.from({ length: 1 + number(8) }, () => alphabet[number(alphabet.length)]!).join("")
      assert.deepStrictEqual(parsed(`ls ${Words.written(value)}`), [["ls", value]])
      assert.deepStrictEqual(parsed(`ls ${Words.written(value, "'")}'`), [["ls", value]])
      assert.deepStrictEqual(parsed(`ls ${Words.written(value, "\"")}"`), [["ls", value]])
    }
  })
})

describe("the unfinished word", () => {
  it("has its place, its value without quotes, and its open quote", () => {
    const table: ReadonlyArray<readonly [string, Words.Unfinished["before"], Words.Word]> = [
      ["", [], { value: "", start: 0, quote: "" }],
      ["l", [], { value: "l", start: 0, quote: "" }],
      ["ls ", ["ls"], { value: "", start: 3, quote: "" }],
      ["cd x; get 'my f", ["get"], { value: "my f", start: 10, quote: "'" }],
      ["get my\\ f", ["get"], { value: "my f", start: 4, quote: "" }],
      ["get \"a b\"c", ["get"], { value: "a bc", start: 4, quote: "" }],
      ["ls;", [], { value: "", start: 3, quote: "" }]
    ]
    for (const [text, before, last] of table) assert.deepStrictEqual(Words.unfinished(text), { before, last }, text)
    assert.isUndefined(Words.unfinished("ls # my"))
  })
})

describe("the history", () => {
  it("keeps no line with a password in a path, after a blank, or without an end", () => {
    const kept = ["ls", "cd 'a b'", "get //joe@nas/share/x .", "cd smb://joe@nas/share", "ls smb://joe@nas:4455/share"]
    const dropped = [
      "",
      " ls",
      "ls smb://joe:hush@nas/share",
      "cd //joe:hush@nas/share",
      "ls smb://joe:hu;sh@nas/share",
      "ls smb://joe:hu/sh@nas/share",
      "ls smb:///joe:hush@nas/share",
      "ls //joe:hu;sh@nas/share",
      "ls smb://joe%3Ahu;sh@nas/share",
      "cp a --x=smb://joe:hush@nas/share",
      "get a; ls 'smb://joe:hush@nas/share",
      `ls ${"x".repeat(5000)}`
    ]
    assert.deepStrictEqual(kept.filter((line) => !History.isKept(line)), [])
    assert.deepStrictEqual(dropped.filter(History.isKept), [])
  })
})
