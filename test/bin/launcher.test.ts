/**
 * Proves that bin/effect-smb.js starts the command with a Node that is new enough, and explains what is missing
 * otherwise. It runs in a small copy of a checkout, whose launcher is made to believe in an older Node.
 */
import { assert, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A checkout with a command that prints its arguments. */
const withCheckout = async (
  use: (place: {
    readonly folder: string
    readonly start: (args: ReadonlyArray<string>, pretend?: string) => ChildProcess
    readonly run: (
      args: ReadonlyArray<string>,
      pretend?: string
    ) => Promise<readonly [code: number | null, output: string]>
  }) => Promise<void>
) => {
  const folder = mkdtempSync(join(tmpdir(), "effect-smb-bin-"))
  for (const name of ["bin", "src/Cli", "node_modules/.bin"]) mkdirSync(join(folder, name), { recursive: true })
  copyFileSync(new URL("../../bin/effect-smb.js", import.meta.url), join(folder, "bin/effect-smb.js"))
  for (const name of ["package.json", "package-lock.json"]) writeFileSync(join(folder, name), `{ "type": "module" }`)
  writeFileSync(
    join(folder, "src/Cli/main.ts"),
    `const [command, value]: Array<string> = process.argv.slice(2)
     if (command === "wait") {
       process.on("SIGTERM", () => process.exit(7))
       setInterval(() => {}, 1_000)
     }
     process.stdout.write("main " + process.argv.slice(2).join(" ") + " ready")
     if (command === "exit") process.exit(Number(value))`
  )
  // Runs first in the launcher, and makes it believe in an older Node. The Node that it then starts is not affected.
  writeFileSync(
    join(folder, "pretend.mjs"),
    `if (process.argv[1]?.endsWith("effect-smb.js")) {
       Object.defineProperty(process, "version", { value: process.env.PRETEND })
     }`
  )
  const start = (args: ReadonlyArray<string>, pretend?: string) =>
    spawn(
      process.execPath,
      [
        ...(pretend === undefined ? [] : ["--import", join(folder, "pretend.mjs")]),
        join(folder, "bin/effect-smb.js"),
        ...args
      ],
      { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, PRETEND: pretend ?? "" } }
    )
  const run = (args: ReadonlyArray<string>, pretend?: string) =>
    new Promise<readonly [number | null, string]>((resolve) => {
      const child = start(args, pretend)
      let output = ""
      child.stdout?.on("data", (chunk) => (output += String(chunk)))
      child.stderr?.on("data", (chunk) => (output += String(chunk)))
      child.on("close", (code) => resolve([code, output]))
    })
  try {
    await use({ folder, start, run })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe("bin/effect-smb.js", () => {
  it("runs the command with its arguments and exit code", () =>
    withCheckout(async ({ run }) => {
      assert.deepStrictEqual(await run(["exit", "2"]), [2, "main exit 2 ready"])
    }))

  /** A build that prints that it is one, written at a time in seconds. */
  const build = (folder: string, seconds: number) => {
    mkdirSync(join(folder, "dist/Cli"), { recursive: true })
    const path = join(folder, "dist/Cli/bundled.cjs")
    writeFileSync(path, `process.stdout.write("built " + process.argv.slice(2).join(" "))`)
    utimesSync(path, seconds, seconds)
  }
  const now = Date.now() / 1000

  it("runs the build of a checkout if nothing that it was made of is newer, and its sources otherwise", () =>
    withCheckout(async ({ folder, run }) => {
      build(folder, now + 60)
      assert.deepStrictEqual(await run(["a"]), [0, "built a"])
      for (const name of ["src/Cli/main.ts", "src/Cli", "src", "package.json", "package-lock.json"]) {
        const path = join(folder, name)
        utimesSync(path, now + 90, now + 90)
        assert.deepStrictEqual(await run(["b"]), [0, "main b ready"], name)
        utimesSync(path, now, now)
      }
      assert.deepStrictEqual(await run(["c"]), [0, "built c"])
    }))

  it("runs the build of a package, which has no sources of the command", () =>
    withCheckout(async ({ folder, run }) => {
      build(folder, now - 1000)
      rmSync(join(folder, "src"), { recursive: true })
      assert.deepStrictEqual(await run(["a"]), [0, "built a"])
    }))

  // Windows ends a process that gets SIGTERM.
  it.skipIf(process.platform === "win32")(
    "starts the checkout's Node when its own is too old, and passes on the exit code and SIGTERM",
    () =>
      withCheckout(async ({ folder, run, start }) => {
        symlinkSync(process.execPath, join(folder, "node_modules/.bin/node"))
        assert.deepStrictEqual(await run(["exit", "3"], "v22.18.0"), [3, "main exit 3 ready"])
        const child = start(["wait"], "v20.19.0")
        const code = await new Promise((resolve) => {
          child.stdout?.once("data", () => child.kill("SIGTERM"))
          child.on("close", resolve)
        })
        assert.strictEqual(code, 7)
      })
  )

  it("names the Node that it needs when no installed Node can run it", () =>
    withCheckout(async ({ run }) => {
      const [code, output] = await run(["ls"], "v18.0.0")
      assert.strictEqual(code, 1)
      assert.match(output, /^effect-smb: needs Node\.js 22\.19 or later, and this is v18\.0\.0 .*\n$/)
    }))

  it("says that the command is missing when the package is incomplete", () =>
    withCheckout(async ({ folder, run }) => {
      rmSync(join(folder, "src"), { recursive: true })
      const [code, output] = await run(["ls"])
      assert.strictEqual(code, 1)
      assert.match(output, /^effect-smb: the command itself is missing/)
    }))
})
