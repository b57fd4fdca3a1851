/**
 * The command line: wrong usage, help at every level, and flags at any place. It runs in this process; one test starts
 * the command as a process, and compares the two.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { main } from "../command.ts"
import * as CommandLine from "./commandLine.ts"

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))

const run = (...args: ReadonlyArray<string>) => CommandLine.run(args, { version: manifest.version })

/** Runs the command as a process, without a terminal for questions and without a user. */
const start = (...args: ReadonlyArray<string>): Promise<CommandLine.Run> =>
  new Promise((resolve) => {
    const env = { ...process.env, SMB_USER: "", NO_COLOR: "1", COLUMNS: "" }
    const child = execFile(process.execPath, [main, ...args], { env, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
    child.stdin!.end()
  })

const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, pattern: RegExp]> = [
  [["ls"], /remote.*effect-smb ls --help/],
  [["ls", "//h/s", "--bogus"], /--bogus/],
  [["list", "//h/s"], /list/],
  [["dfs", "bogus"], /bogus/],
  [["lss", "//h/s"], /^effect-smb: Unknown subcommand "lss" for "effect-smb": did you mean ls\? \(see/],
  [["ls", "//h/s", "-R"], /^effect-smb: Unrecognized flag: -R .* ls: did you mean .*-r.* or .*\? \(see/],
  [["ls", "h/s"], /\\\\server\\share/],
  [["ls", "//h"], /effect-smb shares/],
  [["ls", "//h/s/../.."], /above its share/],
  [["ls", "//h:99999/s"], /names no server/],
  [["ls", "//h/a", "//h/b"], /"\/\/h\/b"/],
  [["ls", "//h/s", "--dialect", "nt2"], /"nt2" is none of .* and nt1/],
  [["ls", "//h/s", "--dialect", "3.1.1,4"], /"4"/],
  [["ls", "//h/s", "--dfs", "maybe"], /--dfs/],
  [["ls", "//h/s", "--signing", "off"], /--signing/],
  [["ls", "//h/s", "--timeout", "-1"], /--timeout/],
  [["ls", "//h/s", "--guest", "--user", "joe"], /--guest/],
  [["ls", "smb://joe@h/s", "--guest"], /--guest/],
  [["ls", "//h/s"], /--user.*SMB_USER/],
  [["acl", "//h/s", "--grant", "ann"], /"ann": write NAME:RIGHTS, such as ann:change/],
  [["acl", "//h/s", "--deny", "ann:everything"], /unknown rights: write NAME:RIGHTS/],
  [["acl", "//h/s", "--set", "D:(A;;XX;;;BA)"], /character 7, "XX;;;BA\)": expected rights such as FA/],
  [["acl", "//h/s", "--set", "D:(A;;FA;;;DA)(A;;FA;;;XX)"], /character 24, "XX\)": expected a SID such as/],
  [["acl", "//h/s", "--set", "D:", "--owner", "ann"], /--set replaces the whole list/],
  [["acl", "//h/s", "--sddl", "--revoke", "ann"], /--sddl shows/],
  [["acl", "//h/s", "--dry-run"], /--dry-run needs a change/],
  [["serve", "--dialect", "nt1,3.1.1"], /no SMB 1/],
  [["serve", "-A", "file"], /--authentication-file is for clients/],
  [["mv", "smb://joe@h/s/a", "smb://ann@h/s/b"], /joe and ann/],
  [["get", "smb://joe:hush@h/s/a"], /--password-file/],
  [["ls", "smb:/joe:hush@h/s/a"], /not shown.*--password-file/],
  [["ls", "smb:joe%hush@h/s/a"], /not shown.*--password-file/],
  [["ls", "joe:hush@h/s/a"], /not shown.*--password-file/],
  [["ls", "smb://joe%hush@h/s/a"], /not shown.*--password-file/],
  [["cp", "smb:/joe:hush@h/s/a", "b"], /not shown.*--password-file/]
]

const helps: ReadonlyArray<readonly [args: ReadonlyArray<string>, text: string]> = [
  [["--help"], "SMB_PASSWORD"],
  [["ls", "--help"], "--recursive, -r"],
  [["get", "--help"], "--resume"],
  [["dfs", "--help"], "resolve"],
  [["dfs", "resolve", "--help"], "resolvedPath"],
  [["--version"], `effect-smb v${manifest.version}\n`]
]

describe("the command line", () => {
  it.live("is refused with one line and exit code 2 when its arguments are wrong", () =>
    Effect.gen(function*() {
      for (const [args, pattern] of wrong) {
        const { code, stderr, stdout } = yield* run(...args)
        assert.strictEqual(code, 2, args.join(" "))
        assert.strictEqual(stdout, "")
        assert.match(stderr, /^effect-smb: [^\n]+\n$/)
        assert.match(stderr, pattern)
        assert.notInclude(stderr, "hush")
      }
    }))

  it.live("is refused with a JSON object when --json is given", () =>
    Effect.gen(function*() {
      const { code, stderr } = yield* run("ls", "--json", "x")
      assert.strictEqual(code, 2)
      assert.strictEqual(JSON.parse(stderr).error, "UsageError")
    }))

  it.live("prints help and version on standard output with --help and --version at each level", () =>
    Effect.gen(function*() {
      for (const [args, text] of helps) {
        const { code, stderr, stdout } = yield* run(...args)
        assert.strictEqual(code, 0)
        assert.strictEqual(stderr, "")
        assert.include(stdout, text)
      }
    }))

  it.live("prints help on standard error and exits with 2 without a subcommand", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* run()
      assert.strictEqual(code, 2)
      assert.strictEqual(stdout, "")
      assert.match(stderr, /^ {2}ls {2,}\S/m)
    }))

  it.live("accepts shared flags before and after the subcommand", () =>
    Effect.gen(function*() {
      for (
        const args of [["--json", "ls", "//127.0.0.1:1/s", "--guest"], ["ls", "//127.0.0.1:1/s", "--guest", "--json"]]
      ) {
        const { code, stderr, stdout } = yield* run(...args)
        assert.strictEqual(code, 1)
        assert.strictEqual(stdout, "")
        assert.strictEqual(JSON.parse(stderr).reason, "ConnectionRefused")
      }
    }))

  it.live("sends no query for `dfs resolve` with --dfs off", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* run("dfs", "resolve", "//nobody.invalid/share/x", "--dfs", "off", "--json")
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(JSON.parse(stdout), {
        path: "\\\\nobody.invalid\\share\\x",
        resolvedPath: "\\\\nobody.invalid\\share\\x",
        status: "plain",
        targets: ["\\\\nobody.invalid\\share\\x"]
      })
    }))

  it.live("has the same output and exit code in a process", () =>
    Effect.gen(function*() {
      for (
        const args of [
          [],
          ["--version"],
          ["ls", "--help"],
          ["ls", "h/s"],
          ["ls", "--json", "x"],
          ["ls", "//127.0.0.1:1/s", "--guest", "--json"]
        ]
      ) assert.deepStrictEqual(yield* Effect.promise(() => start(...args)), yield* run(...args), args.join(" "))
    }), 120_000)
})
