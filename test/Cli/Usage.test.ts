/** The command line as a process: wrong usage, help at every level, and that the documents name each flag. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../../src/Cli/main.ts", import.meta.url))
const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))

interface Run {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command without a terminal for questions and without a user. */
const run = (...args: ReadonlyArray<string>): Promise<Run> =>
  new Promise((resolve) => {
    const env = { ...process.env, SMB_USER: "", NO_COLOR: "1", COLUMNS: "" }
    const child = execFile(process.execPath, [main, ...args], { env, timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
    child.stdin!.end()
  })

/** Runs `check` for all, two at a time. */
const all = async <A>(list: ReadonlyArray<A>, check: (one: A) => Promise<void>) => {
  const left = [...list]
  const work = async () => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await check(one)
  }
  await Promise.all([work(), work()])
}

describe("the command line", () => {
  it(
    "is refused with one line and exit code 2 when its arguments are wrong",
    { timeout: 60_000 },
    () =>
      all<readonly [args: ReadonlyArray<string>, pattern: RegExp]>([
        [["ls"], /remote.*effect-smb ls --help/],
        [["ls", "//h/s", "--bogus"], /--bogus/],
        [["list", "//h/s"], /list/],
        [["dfs", "bogus"], /bogus/],
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
        [["acl", "//h/s", "--set", "D:", "--owner", "ann"], /--set replaces the whole list/],
        [["acl", "//h/s", "--sddl", "--revoke", "ann"], /--sddl shows/],
        [["acl", "//h/s", "--dry-run"], /--dry-run needs a change/],
        [["serve", "--dialect", "nt1,3.1.1"], /no SMB 1/],
        [["serve", "-A", "file"], /--authentication-file is for clients/],
        [["mv", "smb://joe@h/s/a", "smb://ann@h/s/b"], /joe and ann/],
        [["get", "smb://joe:hush@h/s/a"], /--password-file/]
      ], async ([args, pattern]) => {
        const { code, stderr, stdout } = await run(...args)
        assert.strictEqual(code, 2, args.join(" "))
        assert.strictEqual(stdout, "")
        assert.match(stderr, /^effect-smb: [^\n]+\n$/)
        assert.match(stderr, pattern)
        assert.notInclude(stderr, "hush")
      })
  )

  it("is refused with a JSON object when --json is given", async () => {
    const { code, stderr } = await run("ls", "--json", "x")
    assert.strictEqual(code, 2)
    assert.strictEqual(JSON.parse(stderr).error, "UsageError")
  })

  it(
    "prints help and version on standard output with --help and --version at each level",
    { timeout: 60_000 },
    () =>
      all<readonly [args: ReadonlyArray<string>, text: string]>([
        [["--help"], "SMB_PASSWORD"],
        [["ls", "--help"], "--recursive, -r"],
        [["get", "--help"], "--resume"],
        [["dfs", "--help"], "resolve"],
        [["dfs", "resolve", "--help"], "resolvedPath"],
        [["--version"], `effect-smb v${manifest.version}\n`]
      ], async ([args, text]) => {
        const { code, stderr, stdout } = await run(...args)
        assert.strictEqual(code, 0)
        assert.strictEqual(stderr, "")
        assert.include(stdout, text)
      })
  )

  it("prints help on standard error and exits with 2 without a subcommand", async () => {
    const { code, stderr, stdout } = await run()
    assert.strictEqual(code, 2)
    assert.strictEqual(stdout, "")
    assert.match(stderr, /^ {2}ls {2,}\S/m)
  })

  it("accepts shared flags before and after the subcommand", async () => {
    for (
      const args of [["--json", "ls", "//127.0.0.1:1/s", "--guest"], ["ls", "//127.0.0.1:1/s", "--guest", "--json"]]
    ) {
      const { code, stderr, stdout } = await run(...args)
      assert.strictEqual(code, 1)
      assert.strictEqual(stdout, "")
      assert.strictEqual(JSON.parse(stderr).reason, "ConnectionRefused")
    }
  })

  it("sends no query for `dfs resolve` with --dfs off", async () => {
    const { code, stdout } = await run("dfs", "resolve", "//nobody.invalid/share/x", "--dfs", "off", "--json")
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(JSON.parse(stdout), {
      path: "\\\\nobody.invalid\\share\\x",
      resolvedPath: "\\\\nobody.invalid\\share\\x",
      status: "plain",
      targets: ["\\\\nobody.invalid\\share\\x"]
    })
  })
})
