/**
 * Proves that bin/effect-smb.js starts the command with a Node that is new enough, and explains what is missing
 * otherwise. It runs in a small copy of a checkout, whose launcher is made to believe in an older Node.
 */
import { assert, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
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
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`)
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
