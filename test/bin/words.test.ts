/**
 * Proves which words scripts/words.mjs reports, in small projects that the tests write: its lines, and its exceptions for
 * code.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const script = fileURLToPath(new URL("../../scripts/words.mjs", import.meta.url))
const folders: Array<string> = []

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** Runs the script on files with these contents. Returns its exit code and output. */
const check = (files: Readonly<Record<string, string>>) => {
  const folder = mkdtempSync(join(tmpdir(), "effect-smb-words-"))
  folders.push(folder)
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  const { status, stderr, stdout } = spawnSync(process.execPath, [script], {
    cwd: folder,
    encoding: "utf8"
  })
  return { code: status, output: `${stdout}${stderr}` }
}

/** The file, line and word of each hit. */
const hits = (output: string) => [...output.matchAll(/^(\S+:\d+: ".*"): write ./gm)].map(([, hit]) => hit)

describe("scripts/words.mjs", () => {
  it("reports file, line, word, and what to write instead", () => {
    const { code, output } = check({
      "README.md": "# A client\n\nWhoever reads this\nreads it anew.\n",
      "CONTRIBUTING.md": "| port | 445 where left\nout |\n",
      "docs/adr/0001-x.md": "A pipe\nis read at the\nmost once. Who reads it? Who reads it gives it back.\n",
      "src/Odd/A.ts": "/**\n * It is read at the\n * most twice.\n */\nexport const a = 1 // there\n// is none\n"
    })
    assert.strictEqual(code, 1)
    assert.deepStrictEqual(hits(output), [
      "CONTRIBUTING.md:1: \"where left out\"",
      "README.md:3: \"Whoever\"",
      "README.md:4: \"anew\"",
      "docs/adr/0001-x.md:2: \"at the most\"",
      "docs/adr/0001-x.md:3: \"Who\"",
      "src/Odd/A.ts:2: \"at the most\"",
      "src/Odd/A.ts:5: \"there is none\""
    ])
    assert.include(output, "README.md:4: \"anew\": write `again`, `new`")
    assert.include(output, "7 unclear words")
  })

  it("reports nothing in code, addresses, comments of Markdown and plain sentences", () => {
    const { code, output } = check({
      "README.md": [
        "A user who reads `anew` or ``a ` anew`` reads it again. Besides, renewal is at most a day.",
        "It has no name of its own, and takes one of its own ports. It is as it was at noon. If it ends, so does its child.",
        "[A link](docs/anew.md). <!-- anew -->",
        "```ts",
        "// anew",
        "```",
        "- A list",
        "  ~~~",
        "  anew",
        "  ~~~",
        "Who is there?"
      ].join("\n"),
      "src/Odd/A.ts": [
        "const nobody = \"// anew\" + '/* anew */' + `// ${nobody} anew`",
        "const pattern = /[/\"] anew \\/\\/ anew/",
        "const half = 4 / 2 / whatever",
        "/**",
        " * Reads `anew`.",
        " *",
        " * @example",
        " * ```ts",
        " * anew()",
        " * ```",
        " */"
      ].join("\n")
    })
    assert.deepStrictEqual({ code, output }, { code: 0, output: "" })
  })

  it("reports words after code with their correct lines", () => {
    const { output } = check({
      "README.md": "```\nanew\n```\nThen `code` anew.\n",
      "src/Odd/A.ts": "const a = `\n\n${\"//\"}`\nconst b = /\"/\n// anew\n"
    })
    assert.deepStrictEqual(hits(output), ["README.md:4: \"anew\"", "src/Odd/A.ts:5: \"anew\""])
  })
})
